//! What every binding shows with the pocket model: ending calls from elsewhere.
mod common;

use baleen::*;
use common::{generate, model, prompt, session, ENDLESS};
use std::ops::ControlFlow::{Break, Continue};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn endless() -> Generation<'static> {
    Generation { sampling: ENDLESS, ..Default::default() }
}

#[test]
fn another_thread_cancels_a_prompt() {
    let (tell, told) = mpsc::channel();
    let mut begun = false;
    let options = SessionOptions {
        prefill_chunk: 64,
        progress: Some(Box::new(move |_, total| {
            // Later calls have other totals.
            assert!(begun || total == 4096);
            begun = true;
            let _ = tell.send(()); // Nobody listens to later calls.
            thread::sleep(Duration::from_millis(2));
            Continue(())
        })),
        ..Default::default()
    };
    let mut session = model().session(options).unwrap();
    let canceller = session.canceller();
    let thread = thread::spawn(move || {
        told.recv().unwrap();
        canceller.cancel();
        told // The other end must not fail.
    });
    let error = session.append(&prompt(4096)).unwrap_err();
    assert_eq!(error.status(), Status::Cancelled);
    thread.join().unwrap();
    let read = session.tokens().len();
    assert!(read > 0 && read < 4096, "{} tokens were read", read);
    assert!(!generate(&mut session, ENDLESS, 8).is_empty());
}

#[test]
fn another_thread_cancels_a_generation() {
    let mut session = session(1);
    session.append(&prompt(30)).unwrap();
    let canceller = session.canceller();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        canceller.cancel();
    });
    let error = session.generate(endless(), |_| Continue(())).unwrap_err();
    assert_eq!(error.status(), Status::Cancelled);
    thread.join().unwrap();
    assert!(!generate(&mut session, ENDLESS, 8).is_empty());
}

#[test]
fn cancel_between_calls_ends_the_next() {
    let mut session = session(1);
    let canceller = session.canceller();
    canceller.cancel();
    assert_eq!(session.append(&[0]).unwrap_err().status(), Status::Cancelled);
    assert!(session.tokens().is_empty());
    session.append(&[0]).unwrap();
    // From within a call, too.
    let result = session.generate(endless(), |_| {
        canceller.cancel();
        Continue(())
    });
    assert_eq!(result.unwrap_err().status(), Status::Cancelled);
    // And an iterator.
    let mut taken = 0;
    for token in session.generate_tokens(ENDLESS) {
        taken += 1;
        if taken == 3 {
            canceller.cancel();
        }
        if taken == 4 {
            assert_eq!(token.unwrap_err().status(), Status::Cancelled);
        }
    }
    assert_eq!(taken, 4);
}

#[test]
fn progress_ends_a_prompt() {
    let options = SessionOptions {
        prefill_chunk: 64,
        progress: Some(Box::new(|_, _| Break(()))),
        ..Default::default()
    };
    let mut session = model().session(options).unwrap();
    let error = session.append(&prompt(512)).unwrap_err();
    assert_eq!(error.status(), Status::Cancelled);
}

#[test]
fn panics_pass_around_the_library() {
    let mine = |result: thread::Result<()>| {
        assert_eq!(result.unwrap_err().downcast_ref(), Some(&"mine"));
    };
    let mut session = session(1);
    session.append(&prompt(30)).unwrap();
    mine(catch_unwind(AssertUnwindSafe(|| {
        let _ = session.generate(endless(), |_| std::panic::panic_any("mine"));
    })));
    mine(catch_unwind(AssertUnwindSafe(|| {
        let edit = |_: &mut [f32]| std::panic::panic_any("mine");
        let _ = session
            .sample(&Sampling { edit: Some(&edit), ..Default::default() });
    })));
    assert!(!generate(&mut session, ENDLESS, 8).is_empty());

    let options = SessionOptions {
        progress: Some(Box::new(|_, _| std::panic::panic_any("mine"))),
        ..Default::default()
    };
    let mut session = model().session(options).unwrap();
    mine(catch_unwind(AssertUnwindSafe(|| {
        let _ = session.append(&prompt(600));
    })));
}
