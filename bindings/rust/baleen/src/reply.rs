//! The way back from tokens to thinking, answer and tool calls.
use crate::chat::{Message, Thinking};
use crate::context::Hooks;
use crate::error::{check, Result};
use crate::model::Model;
use crate::{ffi, sys, Token};
use std::borrow::Cow;
use std::mem::{size_of, zeroed};
use std::os::raw::c_char;
use std::ptr;
use std::sync::Arc;

/// What a piece of the model's text is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel<'a> {
    /// What the model answers.
    Answer,
    /// What the model thinks.
    Thinking,
    /// The arguments of a tool call, JSON.
    ToolCall {
        /// Which one, from 0.
        index: u32,
        /// Its name for [`Message::tool`].
        id: &'a str,
        /// What is called.
        tool: &'a str,
    },
}

/// A part of what the model writes: whole characters, and never a part of a
/// special token or tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it is part of.
    pub channel: Channel<'a>,
    /// The text.
    pub text: Cow<'a, str>,
}

impl<'a> Piece<'a> {
    /// # Safety
    /// The piece must be one that the library wrote, lent for 'a.
    pub(crate) unsafe fn from_c(c: &sys::baleen_piece) -> Piece<'a> {
        let channel = match c.channel {
            sys::BALEEN_CHANNEL_THINKING => Channel::Thinking,
            sys::BALEEN_CHANNEL_TOOL_CALL => Channel::ToolCall {
                index: c.call_index,
                id: ffi::lent_text(c.call_id).unwrap_or_default(),
                tool: ffi::lent_text(c.tool).unwrap_or_default(),
            },
            _ => Channel::Answer,
        };
        let text = String::from_utf8_lossy(ffi::lent(
            c.text as *const u8,
            c.text_size,
        ));
        Piece { channel, text }
    }
}

/// How to read a turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplyOptions<'a> {
    /// That of the prompt's [`ChatOptions`](crate::ChatOptions),
    pub thinking: Thinking,
    /// and its tools.
    pub tools: Option<&'a str>,
    /// Only what the authors' parser accepts; else what models are known to
    /// get wrong is mended.
    pub strict: bool,
    /// A tool call inside thinking that was not closed is thinking; else it
    /// closes it.
    pub no_implicit_end: bool,
}

/// Reads one turn of the model.
pub struct Reply {
    raw: *mut sys::baleen_reply,
    // Dropped after the handle, whose release may still log.
    _hooks: Arc<Hooks>,
}

// A reply may move between threads; what changes it takes `&mut self`.
unsafe impl Send for Reply {}

impl Drop for Reply {
    fn drop(&mut self) {
        unsafe { sys::baleen_reply_release(self.raw) }
    }
}

impl Reply {
    pub(crate) fn new(
        model: &Model,
        options: &ReplyOptions<'_>,
    ) -> Result<Reply> {
        let mut c: sys::baleen_reply_options = unsafe { zeroed() };
        c.struct_size = size_of::<sys::baleen_reply_options>() as u32;
        c.flags = ffi::flag(options.strict, sys::BALEEN_REPLY_STRICT)
            | ffi::flag(
                options.no_implicit_end,
                sys::BALEEN_REPLY_NO_IMPLICIT_END,
            );
        c.thinking = options.thinking as sys::baleen_thinking;
        let tools = ffi::optional_name("the tools", options.tools)?;
        c.tools = ffi::pointer(&tools);
        let mut raw = ptr::null_mut();
        check(|failure| unsafe {
            sys::baleen_reply_create(model.raw(), &c, &mut raw, failure)
        })?;
        Ok(Reply { raw, _hooks: Arc::clone(&model.handle.hooks) })
    }

    pub(crate) fn raw(&mut self) -> *mut sys::baleen_reply {
        self.raw
    }

    /// Reads further tokens of the turn.
    pub fn add(&mut self, tokens: &[Token]) -> Result<()> {
        check(|failure| unsafe {
            sys::baleen_reply_add(
                self.raw,
                tokens.as_ptr(),
                tokens.len(),
                failure,
            )
        })
    }

    /// The same for a model that runs elsewhere: text with special tokens
    /// under their names.
    pub fn add_text(&mut self, text: &str) -> Result<()> {
        let bytes = text.as_ptr() as *const c_char;
        check(|failure| unsafe {
            sys::baleen_reply_add_text(self.raw, bytes, text.len(), failure)
        })
    }

    /// Says that the turn is over.  What was held back becomes a piece; a tool
    /// call that was cut off does not count.
    pub fn finish(&mut self) -> Result<()> {
        check(|failure| unsafe { sys::baleen_reply_finish(self.raw, failure) })
    }

    /// Takes the next piece.
    pub fn next_piece(&mut self) -> Option<Piece<'_>> {
        let mut piece: sys::baleen_piece = unsafe { zeroed() };
        piece.struct_size = size_of::<sys::baleen_piece>() as u32;
        let found = unsafe { sys::baleen_reply_next(self.raw, &mut piece) };
        (found != 0).then(|| unsafe { Piece::from_c(&piece) })
    }

    /// The turn so far as a message, with its tokens, fit to be the next
    /// prompt's last.
    pub fn message(&mut self) -> Result<Message> {
        let mut c: sys::baleen_message = unsafe { zeroed() };
        check(|failure| unsafe {
            sys::baleen_reply_message(self.raw, &mut c, failure)
        })?;
        Ok(unsafe { Message::from_c(&c) })
    }
}
