//! What every binding shows with the pocket model: conversations.
mod common;

use baleen::*;
use common::{model, session};
use std::ops::ControlFlow::{Break, Continue};

const OFF: ChatOptions<'static> = ChatOptions {
    thinking: Thinking::Off,
    encoder: Encoder::Default,
    tools: None,
    response_format: None,
    context_count: 0,
    no_begin: false,
    keep_reasoning: false,
    special: false,
};

fn off<'a>(tools: Option<&'a str>) -> ReplyOptions<'a> {
    ReplyOptions { thinking: Thinking::Off, tools, ..Default::default() }
}

#[test]
fn text_becomes_tokens_and_back() {
    let text = "Call me Ishmael.\0 Größe 鯨";
    let tokens = model().tokenize(text).unwrap();
    assert_eq!(model().detokenize(&tokens).unwrap(), text.as_bytes());
    let end = model().find_token("</think>").unwrap();
    assert!(!model().is_end(end) && model().is_end(1));
    assert_eq!(model().find_token("</thinking>"), None);
    assert_eq!(model().tokenize_special("</think>").unwrap(), [end]);
    assert_eq!(model().detokenize_special(&[end]).unwrap(), b"</think>");
    assert!(model().tokenize("").unwrap().is_empty());
}

#[test]
fn chat_streams() {
    let mut messages = vec![Message::user("Tell me about the whale.")];
    let mut session = session(5);
    for _ in 0..2 {
        let before = session.tokens().len();
        let prompt = model().encode_chat(&messages, &OFF).unwrap();
        let reused = session.set_tokens(&prompt).unwrap();
        // The session still holds what the answer was written by; the last
        // token may have been chosen, but not read.
        assert!(reused + 1 >= before, "{} of {} tokens", reused, before);
        let mut reply = model().reply(&off(None)).unwrap();
        let mut text = String::new();
        let generation = Generation {
            max_tokens: 30,
            reply: Some(&mut reply),
            ..Default::default()
        };
        session
            .generate(generation, |piece| {
                assert_eq!(piece.channel, Channel::Answer);
                text += &piece.text;
                Continue(())
            })
            .unwrap();
        reply.finish().unwrap();
        let message = reply.message().unwrap();
        assert_eq!(message.role, Role::Assistant);
        assert_eq!(message.content.as_deref(), Some(&*text));
        assert!(!text.is_empty() && !message.tokens.is_empty());
        messages.push(message);
        messages.push(Message::user("And of the sea?"));
    }
    let stats = session.stats().unwrap();
    assert_eq!(stats.seed, 5);
    assert!(stats.generated_tokens > 0 && stats.reused_tokens > 0);
    assert!(!stats.generate_time.is_zero());
}

#[test]
fn generation_stops_for_its_reasons() {
    let mut session = session(1);
    session.append(&common::prompt(30)).unwrap();
    let mut pieces = 0;
    let finish = session.generate(Generation::default(), |_| {
        pieces += 1;
        if pieces == 3 {
            Break(())
        } else {
            Continue(())
        }
    });
    assert_eq!((finish.unwrap(), pieces), (Finish::Callback, 3));
    let generation = Generation { max_tokens: 2, ..Default::default() };
    let finish = session.generate(generation, |_| Continue(()));
    assert_eq!(finish.unwrap(), Finish::Limit);
    let mut text = String::new();
    let generation = Generation {
        sampling: common::ENDLESS,
        stops: &["never in the text", "e"],
        ..Default::default()
    };
    let finish = session.generate(generation, |piece| {
        text += &piece.text;
        Continue(())
    });
    assert_eq!(finish.unwrap(), Finish::Stop);
    assert!(!text.contains('e'), "{}", text);
}

const TOOLS: &str = r#"[{"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a place.",
    "parameters": {"type": "object", "required": ["city"],
        "properties": {"city": {"type": "string"}}}}}]"#;

// What a larger model would answer.
const CALL: &str = "I look.\n\n<｜DSML｜tool_calls>\n\
    <｜DSML｜invoke name=\"get_weather\">\n\
    <｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n\
    </｜DSML｜invoke>\n</｜DSML｜tool_calls><｜end▁of▁sentence｜>";

#[test]
fn tool_call_goes_round_trip() {
    let options = ChatOptions { tools: Some(TOOLS), ..OFF };
    let mut messages = vec![Message::user("How is the weather in <Paris>?")];
    let asked = model().encode_chat(&messages, &options).unwrap();
    let text =
        String::from_utf8(model().detokenize_special(&asked).unwrap()).unwrap();
    assert!(text.contains(r#""name": "get_weather""#), "{}", text);

    let mut reply = model().reply(&off(Some(TOOLS))).unwrap();
    let (mut said, mut arguments, mut call_id) =
        (String::new(), String::new(), String::new());
    for token in model().tokenize_special(CALL).unwrap() {
        reply.add(&[token]).unwrap();
        while let Some(piece) = reply.next_piece() {
            match piece.channel {
                Channel::ToolCall { index, id, tool } => {
                    assert_eq!((index, tool), (0, "get_weather"));
                    call_id = id.to_string();
                    arguments += &*piece.text;
                }
                _ => said += &*piece.text,
            }
        }
    }
    reply.finish().unwrap();
    let message = reply.message().unwrap();
    assert_eq!((&*said, &*arguments), ("I look.", r#"{"city": "Paris"}"#));
    assert_eq!(message.content.as_deref(), Some("I look."));
    let calls = message.tool_calls.clone().unwrap();
    assert!(
        calls.contains(&call_id) && calls.contains("get_weather"),
        "{}",
        calls
    );

    // The tool's answer goes behind it, whether the call is given as tokens or
    // as text.
    messages.push(message);
    messages.push(Message::tool(call_id, "Rain."));
    let by_tokens = model().encode_chat(&messages, &options).unwrap();
    messages[1].tokens.clear();
    let by_text = model().encode_chat(&messages, &options).unwrap();
    assert_eq!(by_tokens, by_text);
    assert_eq!(by_tokens[..asked.len()], asked);
}

#[test]
fn broken_reply_is_refused() {
    let options = ReplyOptions { strict: true, ..off(None) };
    let mut reply = model().reply(&options).unwrap();
    reply.add_text("Hello.").unwrap();
    assert_eq!(reply.finish().unwrap_err().status(), Status::Corrupt);
}
