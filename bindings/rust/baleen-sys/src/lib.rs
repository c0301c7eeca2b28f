//! Baleen's C interface as it is.  `baleen.h` is its manual; the crate `baleen`
//! is the one to use from Rust.
#[rustfmt::skip]
mod bindings;

pub use bindings::*;
