//! Asks a model one question and prints its answer as it comes.
//!
//!     cargo run --example chat MODEL_FOLDER QUESTION
use baleen::{
    ChatOptions, Context, Generation, Message, Result, SessionOptions, Thinking,
};
use std::io::{stdout, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

fn ask(path: &str, question: &str) -> Result<()> {
    let context = Context::new(Default::default())?;
    let model = context.load(path, Default::default())?;
    let mut session = model.session(SessionOptions::default())?;
    let options = ChatOptions { thinking: Thinking::Off, ..Default::default() };
    let prompt = model.encode_chat(&[Message::user(question)], &options)?;
    session.append(&prompt)?;
    let generation = Generation { max_tokens: 200, ..Default::default() };
    session.generate(generation, |piece| {
        print!("{}", piece.text);
        match stdout().flush() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    println!();
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() != 3 {
        eprintln!("usage: chat MODEL_FOLDER QUESTION");
        return ExitCode::from(2);
    }
    match ask(&arguments[1], &arguments[2]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {}", error);
            ExitCode::FAILURE
        }
    }
}
