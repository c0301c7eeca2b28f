//! One sequence of tokens.
use crate::cancel::{Canceller, State};
use crate::error::{check, Result};
use crate::ffi::{self, Guard};
use crate::model::{Model, Progress};
use crate::sampling::{CSampling, Sampling, TokenScore};
use crate::{sys, Token};
use std::ffi::CString;
use std::mem::{size_of, zeroed};
use std::ops::ControlFlow;
use std::os::raw::c_void;
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;

/// How numbers are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Exact weights, activations rounded less than in DeepSeek's code.
    #[default]
    Fast,
    /// As in DeepSeek's code.
    Reference,
}

/// Where guesses at further tokens come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Draft {
    /// Whatever pays on this device, or none.
    #[default]
    Default,
    /// There are none.
    Off,
    /// The model's own drafter.
    Model,
    /// Earlier tokens of the session.
    Lookup,
}

/// Which states of the attention window are kept, to go back there without
/// computing again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Window {
    /// As the library thinks best.
    #[default]
    Default,
    /// A saved state has not even the last one.
    None,
    /// Each `window_period` positions.
    Periodic,
    /// Each 128 positions: 10 times the memory.
    Full,
}

/// [`Progress`] that moves between threads with its session.
pub type SessionProgress = dyn FnMut(u64, u64) -> ControlFlow<()> + Send;

/// How to make a session.
#[derive(Default)]
pub struct SessionOptions {
    /// Most tokens it can hold; 0: the model's limit.
    pub capacity: u64,
    /// Of its random numbers; 0: a fresh one.
    pub seed: u64,
    /// How numbers are rounded.
    pub mode: Mode,
    /// Tokens between looks at progress and cancel; 0: the library chooses.
    pub prefill_chunk: u32,
    /// Where guesses come from.
    pub draft: Draft,
    /// Most tokens to guess ahead; 0: the library chooses.
    pub draft_limit: u32,
    /// Which states are kept.
    pub window: Window,
    /// Positions, a multiple of 256; 0: 4096.
    pub window_period: u32,
    /// Shares no prefix with other sessions.
    pub private: bool,
    /// A file to which the seed and each token are written before a call
    /// returns.
    pub log_path: Option<PathBuf>,
    /// Read what `log_path` holds first.
    pub resume: bool,
    /// Told of the tokens of a long prompt.
    pub progress: Option<Box<SessionProgress>>,
}

/// [`SessionOptions`] as C has them, with what they point to.
pub(crate) struct COptions {
    c: sys::baleen_session_options,
    _log_path: Option<CString>,
}

impl COptions {
    pub(crate) fn options(&self) -> &sys::baleen_session_options {
        &self.c
    }
}

impl SessionOptions {
    /// All but the progress.
    pub(crate) fn to_c(&self) -> Result<COptions> {
        let mut c: sys::baleen_session_options = unsafe { zeroed() };
        c.struct_size = size_of::<sys::baleen_session_options>() as u32;
        c.flags = ffi::flag(self.private, sys::BALEEN_SESSION_PRIVATE)
            | ffi::flag(self.resume, sys::BALEEN_SESSION_RESUME);
        c.capacity = self.capacity;
        c.seed = self.seed;
        c.mode = self.mode as sys::baleen_mode;
        c.prefill_chunk = self.prefill_chunk;
        c.draft = self.draft as sys::baleen_draft;
        c.draft_limit = self.draft_limit;
        c.window = self.window as sys::baleen_window;
        c.window_period = self.window_period;
        let log_path = self.log_path.as_deref().map(ffi::path).transpose()?;
        c.log_path = ffi::pointer(&log_path);
        Ok(COptions { c, _log_path: log_path })
    }
}

/// What C's progress calls come to.
struct Watcher {
    guard: Guard,
    progress: Option<Box<Progress<'static>>>,
    cancel: Arc<State>,
}

unsafe extern "C" fn progress(user: *mut c_void, done: u64, total: u64) -> i32 {
    let watcher = &mut *(user as *mut Watcher);
    let answer = match &mut watcher.progress {
        Some(progress) => watcher.guard.run(|| progress(done, total)),
        None => Some(ControlFlow::Continue(())),
    };
    i32::from(
        answer != Some(ControlFlow::Continue(())) || watcher.cancel.asked(),
    )
}

/// One sequence of tokens: its attention state, its logits, and its random
/// numbers.
pub struct Session {
    raw: *mut sys::baleen_session,
    model: Model,
    cancel: Arc<State>,
    // A pointer, since C writes to it while this is borrowed; NULL in forks.
    watcher: *mut Watcher,
}

// A session may move between threads, and its progress closure with it; what
// changes it takes `&mut self`.
unsafe impl Send for Session {}

impl Drop for Session {
    fn drop(&mut self) {
        self.cancel.set(ptr::null_mut());
        unsafe { sys::baleen_session_release(self.raw) }
        if !self.watcher.is_null() {
            drop(unsafe { Box::from_raw(self.watcher) });
        }
    }
}

impl Session {
    pub(crate) fn new(
        model: &Model,
        mut options: SessionOptions,
    ) -> Result<Session> {
        let mut c = options.to_c()?;
        let cancel = State::new();
        let progress_closure = options.progress.take();
        let mut watcher = Box::new(Watcher {
            guard: Guard::default(),
            progress: progress_closure
                .map(|closure| closure as Box<Progress<'static>>),
            cancel: Arc::clone(&cancel),
        });
        c.c.progress = Some(progress);
        c.c.progress_user_data = &mut *watcher as *mut Watcher as *mut c_void;
        let mut raw = ptr::null_mut();
        check(|failure| unsafe {
            sys::baleen_session_create(
                model.raw(),
                c.options(),
                &mut raw,
                failure,
            )
        })?;
        cancel.set(raw);
        let watcher = Box::into_raw(watcher);
        Ok(Session { raw, model: model.clone(), cancel, watcher })
    }

    pub(crate) fn raw(&self) -> *mut sys::baleen_session {
        self.raw
    }

    pub(crate) fn cancel_state(&self) -> &Arc<State> {
        &self.cancel
    }

    /// The model that the session is of.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What ends this session's calls from other threads.
    pub fn canceller(&self) -> Canceller {
        self.cancel.canceller()
    }

    /// Makes a call that may be cancelled and may tell its progress.
    pub(crate) fn check(
        &mut self,
        call: impl FnOnce(
            *mut sys::baleen_session,
            *mut sys::baleen_error,
        ) -> sys::baleen_status,
    ) -> Result<()> {
        let raw = self.raw;
        let result = self.cancel.call(|| check(|failure| call(raw, failure)));
        self.resume();
        result
    }

    /// Goes on with a panic of the progress closure.
    pub(crate) fn resume(&mut self) {
        if !self.watcher.is_null() {
            unsafe { (*self.watcher).guard.resume() }
        }
    }

    /// Makes a second session that goes on from where this one stands.  They
    /// share state until they differ, so it is cheap.  The log, the progress
    /// closure and the cancellers stay with the first.
    pub fn fork(&mut self) -> Result<Session> {
        let mut raw = ptr::null_mut();
        self.check(|session, failure| unsafe {
            sys::baleen_session_fork(session, &mut raw, failure)
        })?;
        let cancel = State::new();
        cancel.set(raw);
        let model = self.model.clone();
        Ok(Session { raw, model, cancel, watcher: ptr::null_mut() })
    }

    /// The tokens so far.
    pub fn tokens(&self) -> &[Token] {
        let mut count = 0;
        unsafe {
            let tokens = sys::baleen_session_tokens(self.raw, &mut count);
            ffi::lent(tokens, count)
        }
    }

    /// Reads tokens after those already there, and computes the logits of what
    /// follows.  If it is cancelled, the tokens it has read by then stay.
    pub fn append(&mut self, tokens: &[Token]) -> Result<()> {
        self.check(|session, failure| unsafe {
            sys::baleen_session_append(
                session,
                tokens.as_ptr(),
                tokens.len(),
                failure,
            )
        })
    }

    /// Makes the session hold exactly these tokens, keeping the work done for
    /// as many as it can, and returns how many cost nothing: a chat program
    /// just passes the whole conversation each time.
    pub fn set_tokens(&mut self, tokens: &[Token]) -> Result<usize> {
        let mut reused = 0;
        self.check(|session, failure| unsafe {
            let count = tokens.len();
            let first = tokens.as_ptr();
            sys::baleen_session_set_tokens(
                session,
                first,
                count,
                &mut reused,
                failure,
            )
        })?;
        Ok(reused)
    }

    /// Drops all but the first `keep` tokens.
    pub fn truncate(&mut self, keep: usize) -> Result<()> {
        self.check(|session, failure| unsafe {
            sys::baleen_session_truncate(session, keep, failure)
        })
    }

    /// The logits of the token that follows, one for each of the vocabulary.
    pub fn logits(&mut self) -> Result<&[f32]> {
        let mut logits = ptr::null();
        let mut count = 0;
        self.check(|session, failure| unsafe {
            sys::baleen_session_logits(
                session,
                &mut logits,
                &mut count,
                failure,
            )
        })?;
        Ok(unsafe { ffi::lent(logits, count) })
    }

    /// The likeliest tokens, likeliest first; at most `limit`.
    pub fn top_tokens(&mut self, limit: usize) -> Result<Vec<TokenScore>> {
        let mut scores = vec![TokenScore::default(); limit];
        let mut count = 0;
        // TokenScore has the layout of baleen_token_score.
        let first = scores.as_mut_ptr() as *mut sys::baleen_token_score;
        self.check(|session, failure| unsafe {
            sys::baleen_session_top_tokens(
                session, first, limit, &mut count, failure,
            )
        })?;
        scores.truncate(count);
        Ok(scores)
    }

    /// [`append`](Session::append), which also says how likely each of the
    /// tokens was where it stood.  That of the first token of an empty session
    /// is zero.
    pub fn append_scored(
        &mut self,
        tokens: &[Token],
    ) -> Result<Vec<TokenScore>> {
        let mut scores = vec![TokenScore::default(); tokens.len()];
        let written = scores.as_mut_ptr() as *mut sys::baleen_token_score;
        self.check(|session, failure| unsafe {
            let count = tokens.len();
            let first = tokens.as_ptr();
            sys::baleen_session_append_scored(
                session, first, count, written, failure,
            )
        })?;
        Ok(scores)
    }

    /// Chooses a token from the logits without reading it.  Asking twice gives
    /// the same.
    pub fn sample(&mut self, sampling: &Sampling<'_>) -> Result<Token> {
        let mut token = -1;
        let mut c = CSampling::new(sampling);
        let chosen = c.pointer();
        let result = self.check(|session, failure| unsafe {
            sys::baleen_session_sample(session, chosen, &mut token, failure)
        });
        c.resume();
        result.map(|()| token)
    }

    /// Chooses tokens and reads them: one, or several where guesses came true.
    /// Returns those written to `tokens`, which has room for at least one.
    pub fn step<'t>(
        &mut self,
        sampling: &Sampling<'_>,
        tokens: &'t mut [Token],
    ) -> Result<&'t [Token]> {
        let mut count = 0;
        let mut c = CSampling::new(sampling);
        let chosen = c.pointer();
        let (first, capacity) = (tokens.as_mut_ptr(), tokens.len());
        let result = self.check(|session, failure| unsafe {
            sys::baleen_session_step(
                session, chosen, first, capacity, &mut count, failure,
            )
        });
        c.resume();
        result.map(|()| &tokens[..count])
    }
}
