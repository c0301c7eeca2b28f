//! Conversations.
use crate::error::Result;
use crate::model::Model;
use crate::{ffi, sys, Token};
use std::ffi::CString;
use std::mem::{size_of, zeroed};
use std::os::raw::c_char;
use std::ptr;

/// The encoders of conversations that V4 checkpoints come with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoder {
    /// The checkpoint's own.
    #[default]
    Default,
    /// April 2026.
    Preview,
    /// Flash-0731, Pro-0813.
    Ga,
}

impl Encoder {
    pub(crate) fn from_c(encoder: sys::baleen_encoder) -> Encoder {
        match encoder {
            sys::BALEEN_ENCODER_PREVIEW => Encoder::Preview,
            sys::BALEEN_ENCODER_GA => Encoder::Ga,
            _ => Encoder::Default,
        }
    }
}

/// How long the model thinks before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thinking {
    /// [`On`](Thinking::On).
    #[default]
    Default,
    /// Not at all.
    Off,
    /// Without a word about effort.
    On,
    /// [`Encoder::Ga`] only.
    Low,
    /// This and the next as the encoder words them.
    High,
    /// See [`High`](Thinking::High).
    Max,
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
    Developer,
    LatestReminder,
}

impl Role {
    const ALL: [(Role, &'static str); 6] = [
        (Role::System, "system\0"),
        (Role::User, "user\0"),
        (Role::Assistant, "assistant\0"),
        (Role::Tool, "tool\0"),
        (Role::Developer, "developer\0"),
        (Role::LatestReminder, "latest_reminder\0"),
    ];

    fn to_c(self) -> *const c_char {
        Self::ALL[self as usize].1.as_ptr() as *const c_char
    }

    fn from_name(name: &str) -> Role {
        let found = Self::ALL
            .iter()
            .find(|(_, known)| known.trim_end_matches('\0') == name);
        found.map_or(Role::Assistant, |(role, _)| *role)
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said; None is not the same as empty.
    pub content: Option<String>,
    /// What the assistant thought.
    pub reasoning: Option<String>,
    /// Of the assistant: a JSON array of `{"id", "type", "function": {"name",
    /// "arguments"}}`, `arguments` being JSON text.
    pub tool_calls: Option<String>,
    /// Of a tool's message: the call it answers.
    pub tool_call_id: Option<String>,
    /// A JSON object for what is rare; see `baleen_message` in baleen.h.
    pub extra: Option<String>,
    /// Of an assistant's message: the tokens the model wrote it with, or none.
    /// They go into the prompt as they are, so that a session still holds them.
    pub tokens: Vec<Token>,
}

impl Message {
    /// A message with this content and nothing else.
    pub fn new(role: Role, content: impl Into<String>) -> Message {
        Message {
            role,
            content: Some(content.into()),
            reasoning: None,
            tool_calls: None,
            tool_call_id: None,
            extra: None,
            tokens: Vec::new(),
        }
    }

    /// What the program wants of the model.
    pub fn system(content: impl Into<String>) -> Message {
        Message::new(Role::System, content)
    }

    /// What a person says.
    pub fn user(content: impl Into<String>) -> Message {
        Message::new(Role::User, content)
    }

    /// What the model said.
    pub fn assistant(content: impl Into<String>) -> Message {
        Message::new(Role::Assistant, content)
    }

    /// What a tool answered to a call.
    pub fn tool(
        call_id: impl Into<String>,
        content: impl Into<String>,
    ) -> Message {
        let mut message = Message::new(Role::Tool, content);
        message.tool_call_id = Some(call_id.into());
        message
    }

    /// A copy of what C lends.
    ///
    /// # Safety
    /// The message must be one that the library wrote, and still lends.
    pub(crate) unsafe fn from_c(c: &sys::baleen_message) -> Message {
        let text = |bytes: *const c_char, size: usize| {
            let bytes = ffi::lent(bytes as *const u8, size);
            String::from_utf8_lossy(bytes).into_owned()
        };
        let optional = |text: *const c_char| {
            (!text.is_null()).then(|| ffi::copied_text(text))
        };
        Message {
            role: Role::from_name(&ffi::copied_text(c.role)),
            content: (!c.content.is_null())
                .then(|| text(c.content, c.content_size)),
            reasoning: (!c.reasoning.is_null())
                .then(|| text(c.reasoning, c.reasoning_size)),
            tool_calls: optional(c.tool_calls),
            tool_call_id: optional(c.tool_call_id),
            extra: optional(c.extra),
            tokens: ffi::lent(c.tokens, c.token_count).to_vec(),
        }
    }
}

/// The texts of a message that end in NUL.
struct Names {
    tool_calls: Option<CString>,
    tool_call_id: Option<CString>,
    extra: Option<CString>,
}

impl Names {
    fn new(message: &Message) -> Result<Names> {
        Ok(Names {
            tool_calls: ffi::optional_name(
                "tool calls",
                message.tool_calls.as_deref(),
            )?,
            tool_call_id: ffi::optional_name(
                "tool_call_id",
                message.tool_call_id.as_deref(),
            )?,
            extra: ffi::optional_name("extra", message.extra.as_deref())?,
        })
    }

    fn view(&self, message: &Message) -> sys::baleen_message {
        let bytes = |text: &Option<String>| match text {
            Some(text) => (text.as_ptr() as *const c_char, text.len()),
            None => (ptr::null(), 0),
        };
        let (content, content_size) = bytes(&message.content);
        let (reasoning, reasoning_size) = bytes(&message.reasoning);
        sys::baleen_message {
            role: message.role.to_c(),
            content,
            content_size,
            reasoning,
            reasoning_size,
            tool_calls: ffi::pointer(&self.tool_calls),
            tool_call_id: ffi::pointer(&self.tool_call_id),
            extra: ffi::pointer(&self.extra),
            tokens: ffi::first(&message.tokens),
            token_count: message.tokens.len(),
        }
    }
}

/// How to write a conversation.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChatOptions<'a> {
    /// How long to think.
    pub thinking: Thinking,
    /// Whose way to write it.
    pub encoder: Encoder,
    /// JSON array of the tools on offer.
    pub tools: Option<&'a str>,
    /// JSON that the answer must follow.
    pub response_format: Option<&'a str>,
    /// How many of the messages are already in the session.
    pub context_count: usize,
    /// No token that begins a sequence.
    pub no_begin: bool,
    /// Of earlier turns too.
    pub keep_reasoning: bool,
    /// Special tokens where messages have their names.
    pub special: bool,
}

impl Model {
    /// Writes a conversation as the tokens the model was trained on, up to
    /// where the model's next turn begins.
    pub fn encode_chat(
        &self,
        messages: &[Message],
        options: &ChatOptions<'_>,
    ) -> Result<Vec<Token>> {
        let mut c: sys::baleen_chat_options = unsafe { zeroed() };
        c.struct_size = size_of::<sys::baleen_chat_options>() as u32;
        c.flags = ffi::flag(options.no_begin, sys::BALEEN_CHAT_NO_BEGIN)
            | ffi::flag(
                options.keep_reasoning,
                sys::BALEEN_CHAT_KEEP_REASONING,
            )
            | ffi::flag(options.special, sys::BALEEN_CHAT_SPECIAL);
        c.thinking = options.thinking as sys::baleen_thinking;
        c.encoder = options.encoder as sys::baleen_encoder;
        c.context_count = options.context_count;
        let tools = ffi::optional_name("the tools", options.tools)?;
        c.tools = ffi::pointer(&tools);
        let format =
            ffi::optional_name("response_format", options.response_format)?;
        c.response_format = ffi::pointer(&format);
        let names: Vec<Names> =
            messages.iter().map(Names::new).collect::<Result<_>>()?;
        let views: Vec<sys::baleen_message> = names
            .iter()
            .zip(messages)
            .map(|(names, message)| names.view(message))
            .collect();
        let guess: usize = messages
            .iter()
            .map(|message| {
                let content = message.content.as_ref().map_or(0, String::len);
                16 + content / 2 + message.tokens.len()
            })
            .sum();
        ffi::filled(guess + 64, |tokens, capacity, count, failure| unsafe {
            sys::baleen_model_encode_chat(
                self.raw(),
                views.as_ptr(),
                views.len(),
                &c,
                tokens,
                capacity,
                count,
                failure,
            )
        })
    }
}
