//! Runs DeepSeek-V4 language models inside a Rust program.
//!
//! A safe layer over Baleen's C interface, whose manual is the header
//! `baleen.h`; names and rules are the same unless said otherwise here.
//!
//! A [`Context`] is what the whole process shares.  It loads a [`Model`], a set
//! of weights and its tokenizer.  A [`Session`] is one sequence of tokens and
//! what the model remembers of it.  A [`Reply`] reads one turn of the model
//! back into thinking, answer and tool calls.
//!
//! ```no_run
//! use baleen::{ChatOptions, Context, Generation, Message, SessionOptions};
//! use std::ops::ControlFlow;
//!
//! # fn main() -> baleen::Result<()> {
//! let context = Context::new(Default::default())?;
//! let model = context.load("/models/DeepSeek-V4-Flash", Default::default())?;
//! let mut session = model.session(SessionOptions::default())?;
//! let prompt = model.encode_chat(
//!     &[Message::user("Who are you?")],
//!     &ChatOptions::default(),
//! )?;
//! session.append(&prompt)?;
//! session.generate(Generation::default(), |piece| {
//!     print!("{}", piece.text);
//!     ControlFlow::Continue(())
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # Ownership
//!
//! Dropping gives back, in any order: each object keeps alive what it was made
//! from.  What is lent by the library is lent by borrowing.
//!
//! # Threads
//!
//! [`Context`] and [`Model`] are `Send`, `Sync` and cheap to clone.  [`Session`]
//! and [`Reply`] are `Send`; what changes them takes `&mut self`, so no two
//! calls are inside at once.  A [`Canceller`] ends a session's call from
//! elsewhere.
//!
//! # Panics
//!
//! A panic in a closure that you passed ends the call, and goes on when the
//! library has returned.  One in [`ContextOptions::log`] is lost.
#![warn(missing_docs)]

mod cancel;
mod chat;
mod context;
mod counts;
mod error;
mod ffi;
mod generate;
mod model;
mod reply;
mod sampling;
mod session;
mod state;
mod steps;

pub use cancel::Canceller;
pub use chat::{ChatOptions, Encoder, Message, Role, Thinking};
pub use context::{Backends, Context, ContextOptions, Device, LogLevel};
pub use counts::{Counters, MemoryPlan, Part, PerPart, Stats};
pub use error::{Error, Result, Status};
pub use generate::{Finish, Generation, Tokens};
pub use model::{Model, ModelInfo, ModelOptions, Progress};
pub use reply::{Channel, Piece, Reply, ReplyOptions};
pub use sampling::{Edit, Sampling, TokenBias, TokenScore};
pub use session::{
    Draft, Mode, Session, SessionOptions, SessionProgress, Window,
};
pub use state::SaveOptions;
pub use steps::{step_many, Step, Stepped};

use baleen_sys as sys;

/// An index into the vocabulary.
pub type Token = i32;

/// The version of the library that is running, such as "1.4.2".
pub fn version() -> &'static str {
    unsafe { ffi::lent_text(sys::baleen_version_string()) }.unwrap_or_default()
}

/// The same as major * 10000 + minor * 100 + patch.
pub fn version_number() -> u32 {
    unsafe { sys::baleen_version() }
}

/// Whether the library can do what the name stands for; Baleen's
/// docs/features.md lists the names.
pub fn has_feature(name: &str) -> bool {
    match ffi::name("a feature's name", name) {
        Ok(name) => unsafe { sys::baleen_has_feature(name.as_ptr()) != 0 },
        Err(_) => false,
    }
}
