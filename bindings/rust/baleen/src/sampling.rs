//! How to choose a token.
use crate::ffi::{self, Guard};
use crate::{sys, Token};
use std::mem::{size_of, zeroed};
use std::os::raw::c_void;
use std::slice;

/// Added to the logit of a token.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[allow(missing_docs)]
pub struct TokenBias {
    pub token: Token,
    pub bias: f32,
}

/// A token and how likely it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct TokenScore {
    /// Which token.
    pub token: Token,
    /// Its logit.
    pub logit: f32,
    /// Over the whole vocabulary, at temperature 1.
    pub log_probability: f32,
}

const _: () = {
    assert!(size_of::<TokenBias>() == size_of::<sys::baleen_token_bias>());
    assert!(size_of::<TokenScore>() == size_of::<sys::baleen_token_score>());
};

/// Changes logits, one for each of the vocabulary.
pub type Edit<'a> = dyn Fn(&mut [f32]) + 'a;

/// How to choose a token.  The default is what the model's authors advise.
#[derive(Clone, Copy, Default)]
pub struct Sampling<'a> {
    /// Choose the likeliest token.
    pub greedy: bool,
    /// How flat to make the distribution.
    pub temperature: f32,
    /// Keep the likeliest tokens that make up this much.
    pub top_p: f32,
    /// Keep those at least this likely, relative to the likeliest.
    pub min_p: f32,
    /// Keep this many.
    pub top_k: u32,
    /// Of tokens among the last `repeat_window`.
    pub repeat_penalty: f32,
    /// 0: 256.
    pub repeat_window: u32,
    /// Added to logits.
    pub biases: &'a [TokenBias],
    /// Changes the logits before a token is chosen: a grammar sets those it
    /// forbids to minus infinity.
    pub edit: Option<&'a Edit<'a>>,
}

impl Sampling<'_> {
    /// The likeliest token.
    pub fn greedy() -> Sampling<'static> {
        Sampling { greedy: true, ..Default::default() }
    }
}

struct Editor<'a> {
    guard: Guard,
    edit: &'a Edit<'a>,
}

/// [`Sampling`] as C has it, with what it points to.
pub(crate) struct CSampling<'a> {
    c: sys::baleen_sampling,
    editor: Option<Box<Editor<'a>>>,
}

unsafe extern "C" fn edit(user: *mut c_void, logits: *mut f32, count: usize) {
    let editor = &mut *(user as *mut Editor<'_>);
    let function = editor.edit;
    editor.guard.run(|| function(slice::from_raw_parts_mut(logits, count)));
}

impl<'a> CSampling<'a> {
    pub(crate) fn new(sampling: &Sampling<'a>) -> CSampling<'a> {
        let mut c: sys::baleen_sampling = unsafe { zeroed() };
        c.struct_size = size_of::<sys::baleen_sampling>() as u32;
        c.flags = ffi::flag(sampling.greedy, sys::BALEEN_SAMPLING_GREEDY);
        c.temperature = sampling.temperature;
        c.top_p = sampling.top_p;
        c.min_p = sampling.min_p;
        c.top_k = sampling.top_k;
        c.repeat_penalty = sampling.repeat_penalty;
        c.repeat_window = sampling.repeat_window;
        c.bias_count = sampling.biases.len() as u32;
        // TokenBias has the layout of baleen_token_bias.
        c.biases = ffi::first(sampling.biases) as *const sys::baleen_token_bias;
        let editor = sampling
            .edit
            .map(|edit| Box::new(Editor { guard: Guard::default(), edit }));
        CSampling { c, editor }
    }

    pub(crate) fn pointer(&mut self) -> *const sys::baleen_sampling {
        if let Some(editor) = &mut self.editor {
            self.c.edit = Some(edit);
            self.c.edit_user_data =
                &mut **editor as *mut Editor<'_> as *mut c_void;
        }
        &self.c
    }

    /// Goes on with a panic of the editor.
    pub(crate) fn resume(&mut self) {
        if let Some(editor) = &mut self.editor {
            editor.guard.resume();
        }
    }
}
