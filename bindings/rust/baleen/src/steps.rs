//! Several sessions in one pass over the weights.
use crate::error::{check, Error, Result, Status};
use crate::sampling::{CSampling, Sampling, TokenScore};
use crate::session::Session;
use crate::{ffi, sys, Token};
use std::mem::zeroed;

/// One session's part in [`step_many`].
pub struct Step<'a> {
    /// Whose it is.
    pub session: &'a mut Session,
    /// To be read first.
    pub input: &'a [Token],
    /// How to choose.
    pub sampling: Sampling<'a>,
    /// Most tokens to choose; 0: read the input only.
    pub limit: usize,
    /// Say also how likely each chosen token was.
    pub scored: bool,
}

impl<'a> Step<'a> {
    /// One that chooses a token as the model's authors advise.
    pub fn new(session: &'a mut Session) -> Step<'a> {
        let sampling = Sampling::default();
        Step { session, input: &[], sampling, limit: 1, scored: false }
    }
}

/// What became of one session in [`step_many`].
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    /// How much of the input was read.  If it is not all of it, nothing was
    /// chosen: pass the rest next time.
    pub input_done: usize,
    /// The chosen tokens.
    pub tokens: Vec<Token>,
    /// Of each of them, if they were asked for.
    pub scores: Vec<TokenScore>,
    /// Of this session; what happens to it leaves the others alone.
    pub result: Result<()>,
}

/// A [`Step`] with what the library is to write to.
struct Part<'a> {
    sampling: CSampling<'a>,
    cancelled: bool, // Before the call began.
    stepped: Stepped,
}

impl<'a> Part<'a> {
    fn new(step: &Step<'a>) -> Part<'a> {
        let scores = if step.scored { step.limit } else { 0 };
        Part {
            sampling: CSampling::new(&step.sampling),
            cancelled: step.session.cancel_state().take(),
            stepped: Stepped {
                input_done: 0,
                tokens: vec![-1; step.limit],
                scores: vec![TokenScore::default(); scores],
                result: Ok(()),
            },
        }
    }

    fn to_c(&mut self, step: &Step<'_>) -> sys::baleen_step {
        let mut c: sys::baleen_step = unsafe { zeroed() };
        c.session = step.session.raw();
        c.input = ffi::first(step.input);
        c.input_count = step.input.len();
        c.sampling = self.sampling.pointer();
        c.tokens = self.stepped.tokens.as_mut_ptr();
        if step.scored {
            // TokenScore has the layout of baleen_token_score.
            c.scores = self.stepped.scores.as_mut_ptr()
                as *mut sys::baleen_token_score;
        }
        c.capacity = step.limit;
        c
    }

    /// Takes what the library wrote, or what it was not asked.
    fn take(&mut self, c: Option<&sys::baleen_step>) {
        let (done, count, status) = match c {
            Some(c) => (c.input_done, c.count, c.status),
            None => (0, 0, sys::BALEEN_CANCELLED),
        };
        self.stepped.input_done = done;
        self.stepped.tokens.truncate(count);
        self.stepped.scores.truncate(count);
        if status != sys::BALEEN_OK {
            let name =
                unsafe { ffi::copied_text(sys::baleen_status_name(status)) };
            self.stepped.result = Err(Error::new(
                Status::from_c(status),
                format!("A session's part of step_many failed with {}.", name),
            ));
        }
    }
}

/// [`Session::step`] for several sessions of one model and mode in one pass
/// over its weights, with what became of each.  Long inputs are read in chunks,
/// each session getting its share.  The call fails only if it could not begin.
pub fn step_many(steps: &mut [Step<'_>]) -> Result<Vec<Stepped>> {
    let mut parts: Vec<Part<'_>> = steps.iter().map(Part::new).collect();
    let mut going: Vec<sys::baleen_step> = parts
        .iter_mut()
        .zip(steps.iter())
        .filter(|(part, _)| !part.cancelled)
        .map(|(part, step)| part.to_c(step))
        .collect();
    if !going.is_empty() {
        let result = check(|failure| unsafe {
            sys::baleen_session_step_many(
                going.as_mut_ptr(),
                going.len(),
                failure,
            )
        });
        for (part, step) in parts.iter_mut().zip(steps.iter_mut()) {
            part.sampling.resume();
            step.session.resume();
        }
        result?;
    }
    let mut called = going.iter();
    for (part, step) in parts.iter_mut().zip(steps.iter()) {
        part.take(if part.cancelled { None } else { called.next() });
        let result = &part.stepped.result;
        if matches!(result, Err(error) if error.status() == Status::Cancelled) {
            step.session.cancel_state().take();
        }
    }
    Ok(parts.into_iter().map(|part| part.stepped).collect())
}
