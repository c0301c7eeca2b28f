//! Several sessions in one pass, and what is told while a state is saved.
mod common;

use baleen::*;
use common::{model, pocket, prompt, session};
use std::ops::ControlFlow::{Break, Continue};
use std::panic::{catch_unwind, AssertUnwindSafe};

fn private() -> Session {
    let options = SessionOptions { private: true, ..Default::default() };
    model().session(options).unwrap()
}

/// What each session chooses greedily after as much of the prompt.
fn together(lengths: [usize; 2], count: usize) -> Vec<Vec<Token>> {
    let mut sessions: Vec<_> = lengths.iter().map(|_| private()).collect();
    let mut inputs: Vec<_> = lengths.iter().map(|n| prompt(*n)).collect();
    let mut chosen = vec![Vec::new(); lengths.len()];
    while chosen.iter().any(|tokens| tokens.len() < count) {
        let mut steps: Vec<_> = sessions
            .iter_mut()
            .zip(&inputs)
            .map(|(session, input)| Step {
                input,
                sampling: Sampling::greedy(),
                ..Step::new(session)
            })
            .collect();
        let stepped = step_many(&mut steps).unwrap();
        drop(steps);
        for (i, stepped) in stepped.into_iter().enumerate() {
            assert_eq!(stepped.result, Ok(()));
            inputs[i].drain(..stepped.input_done);
            assert!(stepped.tokens.is_empty() || inputs[i].is_empty());
            chosen[i].extend(stepped.tokens);
        }
    }
    chosen.iter_mut().for_each(|tokens| tokens.truncate(count));
    chosen
}

#[test]
fn together_as_alone() {
    let lengths = [300, 20];
    let alone: Vec<Vec<Token>> = lengths
        .iter()
        .map(|length| {
            let mut session = private();
            session.append(&prompt(*length)).unwrap();
            let tokens = session.generate_tokens(Sampling::greedy());
            tokens.take(8).map(Result::unwrap).collect()
        })
        .collect();
    assert_eq!(together(lengths, 8), alone);
}

#[test]
fn each_has_its_own_fate() {
    let options = SessionOptions { capacity: 4, ..Default::default() };
    let mut full = model().session(options).unwrap();
    full.append(&prompt(4)).unwrap();
    let mut cancelled = session(1);
    cancelled.append(&prompt(4)).unwrap();
    cancelled.canceller().cancel();
    let mut fine = session(1);
    let input = prompt(9);
    let mut reads = session(1);
    let stepped = step_many(&mut [
        Step::new(&mut full),
        Step::new(&mut cancelled),
        Step { input: &input, scored: true, ..Step::new(&mut fine) },
        Step { input: &input, limit: 0, ..Step::new(&mut reads) },
    ])
    .unwrap();
    let error = stepped[0].result.as_ref().unwrap_err();
    assert_eq!(error.status(), Status::SessionFull);
    assert!(error.message().contains("BALEEN_SESSION_FULL"));
    let error = stepped[1].result.as_ref().unwrap_err();
    assert_eq!(error.status(), Status::Cancelled);
    assert_eq!((stepped[2].input_done, stepped[2].tokens.len()), (9, 1));
    assert_eq!(stepped[2].scores[0].token, stepped[2].tokens[0]);
    assert!(stepped[2].scores[0].log_probability < 0.0);
    assert_eq!((stepped[3].input_done, stepped[3].tokens.len()), (9, 0));
    // A cancel counts for one call.
    let stepped = step_many(&mut [Step::new(&mut cancelled)]).unwrap();
    assert_eq!((&stepped[0].result, stepped[0].tokens.len()), (&Ok(()), 1));
    assert!(step_many(&mut []).unwrap().is_empty());

    let context = Context::new(Default::default()).unwrap();
    let other = context.load(pocket(), Default::default()).unwrap();
    let mut other = other.session(Default::default()).unwrap();
    let mut steps = [Step::new(&mut fine), Step::new(&mut other)];
    let error = step_many(&mut steps).unwrap_err();
    assert_eq!(error.status(), Status::InvalidArgument);
}

#[test]
fn panics_go_on() {
    let mut session = session(1);
    session.append(&prompt(4)).unwrap();
    let edit = |_: &mut [f32]| panic!("no grammar");
    let sampling = Sampling { edit: Some(&edit), ..Default::default() };
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        step_many(&mut [Step { sampling, ..Step::new(&mut session) }])
    }));
    assert!(panicked.is_err());
    assert!(step_many(&mut [Step::new(&mut session)]).is_ok());
}

#[test]
fn saving_tells_its_progress() {
    let mut session = session(1);
    session.append(&prompt(200)).unwrap();
    let mut told = Vec::new();
    let mut tell = |done, total| {
        told.push((done, total));
        Continue(())
    };
    let options =
        SaveOptions { progress: Some(&mut tell), ..Default::default() };
    let path = std::env::temp_dir()
        .join(format!("baleen_rust_state_{}", std::process::id()));
    session.save_file_with(&path, options).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    assert_eq!(session.save().unwrap().len() as u64, size);
    let mut other = model().session(Default::default()).unwrap();
    other.load_file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(other.logits().unwrap(), session.logits().unwrap());
    assert_eq!(told.last().map(|(done, total)| done == total), Some(true));

    let mut stop = |_, _| Break(());
    let options =
        SaveOptions { progress: Some(&mut stop), ..Default::default() };
    let error = session.save_file_with(&path, options).unwrap_err();
    assert_eq!(error.status(), Status::Cancelled);
    assert!(!path.exists());
    let window = SaveOptions { window: Window::None, ..Default::default() };
    let smaller = session.save_with(window).unwrap();
    assert!((smaller.len() as u64) < size);
}
