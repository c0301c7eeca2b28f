//! Generating until there is a reason to stop.
use crate::cancel::State;
use crate::error::Result;
use crate::ffi::{self, Guard};
use crate::reply::{Piece, Reply};
use crate::sampling::{CSampling, Sampling};
use crate::session::Session;
use crate::{sys, Token};
use std::ffi::CString;
use std::mem::{size_of, zeroed};
use std::ops::ControlFlow;
use std::os::raw::c_void;
use std::sync::Arc;

/// Why a generation stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finish {
    /// For a reason that this crate does not know.
    Unknown,
    /// The model ended its turn.
    End,
    /// `max_tokens`.
    Limit,
    /// A stop text.
    Stop,
    /// The closure asked.
    Callback,
    /// The session is full.
    Full,
    /// The model ended its turn by calling tools.
    ToolCall,
}

impl Finish {
    fn from_c(finish: sys::baleen_finish) -> Finish {
        match finish {
            sys::BALEEN_FINISH_END => Finish::End,
            sys::BALEEN_FINISH_LIMIT => Finish::Limit,
            sys::BALEEN_FINISH_STOP => Finish::Stop,
            sys::BALEEN_FINISH_CALLBACK => Finish::Callback,
            sys::BALEEN_FINISH_FULL => Finish::Full,
            sys::BALEEN_FINISH_TOOL_CALL => Finish::ToolCall,
            _ => Finish::Unknown,
        }
    }
}

/// What to generate.
#[derive(Default)]
pub struct Generation<'a> {
    /// How to choose.
    pub sampling: Sampling<'a>,
    /// Texts that end the answer; not part of it.
    pub stops: &'a [&'a str],
    /// 0: until the end.
    pub max_tokens: u64,
    /// A fresh reply that reads along; None: one of the session's own, which
    /// sees from the prompt whether to think.
    pub reply: Option<&'a mut Reply>,
}

struct Listener<'a> {
    guard: Guard,
    hear: &'a mut dyn FnMut(Piece<'_>) -> ControlFlow<()>,
    cancel: Arc<State>,
    session: *mut sys::baleen_session,
}

unsafe extern "C" fn on_piece(
    user: *mut c_void,
    piece: *const sys::baleen_piece,
) -> i32 {
    let listener = &mut *(user as *mut Listener<'_>);
    let hear = &mut listener.hear;
    let answer = listener.guard.run(|| hear(Piece::from_c(&*piece)));
    if listener.cancel.asked() {
        // It may have been asked for just before the call began.
        sys::baleen_session_cancel(listener.session);
    }
    i32::from(answer != Some(ControlFlow::Continue(())))
}

impl Session {
    /// Generates until there is a reason to stop, and says which.  The closure
    /// receives what the model writes, as it comes; a break stops it.
    pub fn generate(
        &mut self,
        generation: Generation<'_>,
        mut hear: impl FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<Finish> {
        let mut c: sys::baleen_generation = unsafe { zeroed() };
        c.struct_size = size_of::<sys::baleen_generation>() as u32;
        c.max_tokens = generation.max_tokens;
        let stops = generation
            .stops
            .iter()
            .map(|stop| ffi::name("a stop text", stop))
            .collect::<Result<Vec<CString>>>()?;
        let stop_pointers: Vec<_> =
            stops.iter().map(|stop| stop.as_ptr()).collect();
        c.stops = ffi::first(&stop_pointers);
        c.stop_count = stop_pointers.len() as u32;
        if let Some(reply) = generation.reply {
            c.reply = reply.raw();
        }
        let mut sampling = CSampling::new(&generation.sampling);
        c.sampling = sampling.pointer();
        let mut listener = Listener {
            guard: Guard::default(),
            hear: &mut hear,
            cancel: Arc::clone(self.cancel_state()),
            session: self.raw(),
        };
        c.on_piece = Some(on_piece);
        c.user_data = &mut listener as *mut Listener<'_> as *mut c_void;
        let mut finish = sys::BALEEN_FINISH_NONE;
        let result = self.check(|session, failure| unsafe {
            sys::baleen_session_generate(session, &c, &mut finish, failure)
        });
        listener.guard.resume();
        sampling.resume();
        result.map(|()| Finish::from_c(finish))
    }

    /// Chooses and reads one token after another: an iterator that ends where
    /// the model ends its turn, and otherwise when you stop asking.
    ///
    /// Guesses that came true make the session run ahead of the iterator; when
    /// it is dropped, the session goes back to what was taken.
    pub fn generate_tokens<'s>(
        &'s mut self,
        sampling: Sampling<'s>,
    ) -> Tokens<'s> {
        let taken = self.tokens().len();
        Tokens {
            session: self,
            sampling,
            chosen: [-1; CHOSEN],
            next: 0,
            count: 0,
            taken,
            ended: false,
        }
    }
}

// More than any drafter guesses at once.
const CHOSEN: usize = 16;

/// The tokens of a generation; see [`Session::generate_tokens`].
pub struct Tokens<'s> {
    session: &'s mut Session,
    sampling: Sampling<'s>,
    chosen: [Token; CHOSEN],
    next: usize,
    count: usize,
    taken: usize, // Of the session's tokens.
    ended: bool,
}

impl Iterator for Tokens<'_> {
    type Item = Result<Token>;

    fn next(&mut self) -> Option<Result<Token>> {
        if self.ended {
            return None;
        }
        if self.next == self.count {
            match self.session.step(&self.sampling, &mut self.chosen) {
                Ok(tokens) => self.count = tokens.len(),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
            self.next = 0;
        }
        let token = self.chosen[self.next];
        self.next += 1;
        self.taken += 1;
        if self.session.model().is_end(token) {
            self.ended = true;
            return None;
        }
        Some(Ok(token))
    }
}

impl Drop for Tokens<'_> {
    fn drop(&mut self) {
        if self.session.tokens().len() > self.taken {
            // A cancel that has been asked for is for the next call.
            let _ = self.session.truncate(self.taken);
        }
    }
}
