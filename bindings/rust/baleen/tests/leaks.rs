//! What LeakSanitizer must find, so that its silence about the other tests
//! means something; run by the project's rust_leak_test.
mod common;

use baleen::*;

/// Without threads of its own, which would know of it.
#[test]
#[ignore = "it leaks"]
fn a_context_that_nobody_drops() {
    let options = ContextOptions { threads: 1, ..Default::default() };
    let model = Context::new(options)
        .and_then(|context| context.load(common::pocket(), Default::default()));
    std::mem::forget(model.unwrap());
}
