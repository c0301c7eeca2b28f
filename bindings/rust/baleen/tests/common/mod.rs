//! The pocket model, and what tests do with it.
#![allow(dead_code)] // Each test file uses some of it.

use baleen::*;
use std::ops::ControlFlow::Continue;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

pub fn pocket() -> PathBuf {
    match std::env::var_os("BALEEN_POCKET") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../../tests/data/pocket"),
    }
}

static MODEL: Mutex<Option<Model>> = Mutex::new(None);

/// One model for all tests of a file: it never changes.
pub fn model() -> Model {
    let mut model = MODEL.lock().unwrap_or_else(PoisonError::into_inner);
    model
        .get_or_insert_with(|| {
            let context = Context::new(ContextOptions {
                threads: 2,
                ..Default::default()
            })
            .unwrap();
            context.load(pocket(), Default::default()).unwrap()
        })
        .clone()
}

pub fn session(seed: u64) -> Session {
    let options = SessionOptions { seed, ..Default::default() };
    model().session(options).unwrap()
}

/// Held-out text of this many tokens.
pub fn prompt(count: usize) -> Vec<Token> {
    let text = std::fs::read(pocket().join("heldout.txt")).unwrap();
    let mut tokens = vec![0];
    tokens.extend(model().tokenize(&text[..6 * count]).unwrap());
    tokens.truncate(count);
    tokens
}

/// What the model says of at most so many tokens.
pub fn generate(
    session: &mut Session,
    sampling: Sampling<'_>,
    max_tokens: u64,
) -> String {
    let mut text = String::new();
    let generation = Generation { sampling, max_tokens, ..Default::default() };
    session
        .generate(generation, |piece| {
            text += &piece.text;
            Continue(())
        })
        .unwrap();
    text
}

/// The model does not end its turn.
pub const ENDLESS: Sampling<'static> = Sampling {
    greedy: false,
    temperature: 0.0,
    top_p: 0.0,
    min_p: 0.0,
    top_k: 0,
    repeat_penalty: 0.0,
    repeat_window: 0,
    biases: &[TokenBias { token: 1, bias: -1e9 }],
    edit: None,
};
