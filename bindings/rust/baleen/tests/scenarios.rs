//! What every binding shows with the pocket model: sessions.
mod common;

use baleen::*;
use common::{generate, model, pocket, prompt, session};
use std::ops::ControlFlow::{Break, Continue};
use std::sync::{Arc, Mutex};
use std::thread;

#[test]
fn version_and_features() {
    assert!(version().starts_with("1."));
    assert_eq!(version_number() / 10000, 1);
    assert!(has_feature("session.fork"));
    assert!(!has_feature("nothing"));
    assert!(!has_feature("session.fork\0"));
}

#[test]
fn types_move_between_threads() {
    fn send<T: Send>() {}
    fn sync<T: Send + Sync>() {}
    sync::<Context>();
    sync::<Model>();
    sync::<Canceller>();
    sync::<Error>();
    send::<Session>();
    send::<Reply>();
}

#[test]
fn load_tells_its_progress() {
    let context = Context::new(Default::default()).unwrap();
    let (mut last, mut whole) = (0, 0);
    let mut progress = |done, total| {
        assert!(done >= last);
        last = done;
        whole = total;
        Continue(())
    };
    let options = ModelOptions {
        verify: true,
        progress: Some(&mut progress),
        ..Default::default()
    };
    let model = context.load(pocket(), options).unwrap();
    assert!(last == whole && whole > 10_000_000);
    let info = model.info().unwrap();
    assert_eq!(info.architecture, "deepseek_v4");
    assert_eq!((info.layer_count, info.vocabulary_size), (4, 2048));
    assert_eq!(model.metadata("hidden_size"), Some("256"));
    assert_eq!(model.metadata("none"), None);

    let mut stop = |_, _| Break(());
    let options =
        ModelOptions { progress: Some(&mut stop), ..Default::default() };
    let error = context.load(pocket(), options).err().unwrap();
    assert_eq!(error.status(), Status::Cancelled);
}

#[test]
fn errors_say_what_is_wrong() {
    let context = Context::new(Default::default()).unwrap();
    let error =
        context.load("/no/such/model", Default::default()).err().unwrap();
    assert_eq!(error.status(), Status::NotFound);
    assert!(error.to_string().contains("/no/such/model"), "{}", error);
    let error = context.load("a\0b", Default::default()).err().unwrap();
    assert_eq!(error.status(), Status::InvalidArgument);
    let settings = [("cpu.nonsense", "on")];
    let options = ModelOptions { settings: &settings, ..Default::default() };
    let error = context.load(pocket(), options).err().unwrap();
    assert_eq!(error.status(), Status::NotFound);
    assert!(error.message().contains("cpu.nonsense"), "{}", error);
    let error = context.load_backend("/no/such/backend.so").unwrap_err();
    assert_eq!(error.status(), Status::NotFound);
    let options = SessionOptions { capacity: 16, ..Default::default() };
    let mut small = model().session(options).unwrap();
    let error = small.append(&prompt(17)).unwrap_err();
    assert_eq!(error.status(), Status::SessionFull);
    let error = small.logits().unwrap_err();
    assert_eq!(error.status(), Status::NotFound);
}

#[test]
fn fork_goes_its_own_way() {
    let mut first = session(3);
    first.append(&prompt(40)).unwrap();
    let mut second = first.fork().unwrap();
    let one = generate(&mut first, Sampling::default(), 24);
    let two = generate(&mut second, Sampling::default(), 24);
    assert!(!one.is_empty());
    assert_eq!(one, two);
    second.truncate(40).unwrap();
    second.append(&[300]).unwrap();
    assert_eq!((second.tokens().len(), second.tokens()[40]), (41, 300));
    assert_ne!(first.tokens()[40], 300);
    drop(first);
    assert_eq!(second.logits().unwrap().len(), 2048);
}

#[test]
fn states_are_saved_and_loaded() {
    let mut first = session(3);
    first.append(&prompt(200)).unwrap();
    let state = first.save().unwrap();
    let path = std::env::temp_dir()
        .join(format!("baleen_rust_{}", std::process::id()));
    first.save_file(&path).unwrap();
    let want = generate(&mut first, Sampling::greedy(), 24);
    let mut second = session(0);
    second.load(&state).unwrap();
    assert_eq!(generate(&mut second, Sampling::greedy(), 24), want);
    second.load_file(&path).unwrap();
    assert_eq!(generate(&mut second, Sampling::greedy(), 24), want);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(second.load_file(&path).unwrap_err().status(), Status::NotFound);
    let mut changed = state;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    assert_eq!(second.load(&changed).unwrap_err().status(), Status::Corrupt);
}

#[test]
fn everything_is_dropped_in_odd_order() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let log = Box::new(move |_: LogLevel, line: &str| {
        written.lock().unwrap().push(line.to_string())
    });
    let options = ContextOptions {
        threads: 1,
        log: Some((LogLevel::Debug, log)),
        ..Default::default()
    };
    let context = Context::new(options).unwrap();
    let model = context.load(pocket(), Default::default()).unwrap();
    drop(context);
    let mut session = model.session(Default::default()).unwrap();
    let mut reply = model.reply(&Default::default()).unwrap();
    drop(model);
    session.append(&[0, 300]).unwrap();
    let canceller = session.canceller();
    let mut fork = session.fork().unwrap();
    drop(session);
    canceller.cancel();
    assert!(!generate(&mut fork, Sampling::default(), 8).is_empty());
    drop(fork);
    reply.add_text("Still here.").unwrap();
    drop(reply);
    assert!(!lines.lock().unwrap().is_empty());
    assert_eq!(Arc::strong_count(&lines), 1, "the log was not dropped");
}

#[test]
fn sessions_of_two_threads() {
    let tokens = prompt(60);
    let run = |seed| {
        let options =
            SessionOptions { seed, private: true, ..Default::default() };
        let mut session = model().session(options).unwrap();
        session.append(&tokens).unwrap();
        generate(&mut session, Sampling::default(), 40)
    };
    let together: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> =
            (1..3).map(|seed| scope.spawn(move || run(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(together, [run(1), run(2)]);
    assert!(!together[0].is_empty());
}

#[test]
fn memory_is_planned() {
    let options = || SessionOptions { capacity: 1024, ..Default::default() };
    let context = Context::new(Default::default()).unwrap();
    let plan = context.plan(pocket(), Default::default(), options()).unwrap();
    assert_eq!(plan, model().plan(options()).unwrap());
    assert!(plan.weights_mapped > 10_000_000 && plan.session_host > 0);
    assert!(plan.weights_by_part[Part::Experts] > 0);
    assert_eq!(context.devices().unwrap()[0].backend, "cpu");
}

#[test]
fn seed_repeats_the_text() {
    let sampling = Sampling {
        temperature: 0.9,
        top_p: 0.95,
        top_k: 100,
        ..Default::default()
    };
    let run = |seed| {
        let mut session = session(seed);
        session.append(&prompt(30)).unwrap();
        generate(&mut session, sampling, 24)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn sampling_one_by_one() {
    let mut session = session(1);
    let scores = session.append_scored(&prompt(30)).unwrap();
    assert_eq!((scores.len(), scores[0].log_probability), (30, 0.0));
    assert!(scores[29].log_probability < 0.0);
    let top = session.top_tokens(3).unwrap();
    let logits = session.logits().unwrap();
    assert_eq!((logits.len(), top.len()), (2048, 3));
    assert_eq!(logits[top[0].token as usize], top[0].logit);
    assert_eq!(session.sample(&Sampling::greedy()).unwrap(), top[0].token);
    // Without the likeliest, by an editor and by a bias, it is the next one.
    let likeliest = top[0].token;
    let ban = |logits: &mut [f32]| logits[likeliest as usize] = -1e9;
    let edited = Sampling { edit: Some(&ban), ..Sampling::greedy() };
    assert_eq!(session.sample(&edited).unwrap(), top[1].token);
    let biases = [TokenBias { token: likeliest, bias: -1e9 }];
    let biased = Sampling { biases: &biases, ..Sampling::greedy() };
    assert_eq!(session.sample(&biased).unwrap(), top[1].token);
    let mut room = [0];
    assert_eq!(
        session.step(&Sampling::greedy(), &mut room).unwrap(),
        [likeliest]
    );
}

#[test]
fn tokens_come_from_an_iterator() {
    // The same on every processor, in this mode.
    let options =
        SessionOptions { mode: Mode::Reference, ..Default::default() };
    let mut session = model().session(options).unwrap();
    session.append(&[0]).unwrap();
    let text = "It is a truth universally acknowledged, that";
    session.append(&model().tokenize(text).unwrap()).unwrap();
    let before = session.tokens().len();
    let taken: Vec<Token> = session
        .generate_tokens(Sampling::greedy())
        .take(12)
        .collect::<Result<_>>()
        .unwrap();
    let text = model().detokenize(&taken).unwrap();
    let want = " the greatest desire of the world is not a good";
    assert_eq!(String::from_utf8(text).unwrap(), want);
    assert_eq!(session.tokens()[before..], taken);

    // It ends with the turn.
    let end = Sampling {
        biases: &[TokenBias { token: 1, bias: 1e9 }],
        ..Sampling::greedy()
    };
    assert_eq!(session.generate_tokens(end).count(), 0);
    assert_eq!(session.tokens().last(), Some(&1));

    // What fails is told once.
    let options = SessionOptions { capacity: 5, ..Default::default() };
    let mut small = model().session(options).unwrap();
    small.append(&[0, 300]).unwrap();
    let results: Vec<_> = small.generate_tokens(common::ENDLESS).collect();
    assert_eq!(results.len(), 4);
    assert!(results[..3].iter().all(Result::is_ok));
    assert_eq!(results[3].as_ref().unwrap_err().status(), Status::SessionFull);
}
