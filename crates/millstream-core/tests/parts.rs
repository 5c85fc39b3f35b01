//! The grammar of parts, and the fold: whatever is written, in whatever pieces, the message is the same.

use millstream_core::{Block, BlockKind, Delta, Finish, Message, MessageFold, Part, PartWriter, Streamed};
use proptest::prelude::*;

/// What a provider may say, in any order.
#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Reasoning(String),
    Call(String),
    Arguments(usize, String),
    EndCall(usize),
    Whole,
    End,
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => ".{0,8}".prop_map(Said::Text),
        2 => ".{0,8}".prop_map(Said::Reasoning),
        2 => "[a-z]{1,4}".prop_map(Said::Call),
        4 => (0..4usize, ".{0,6}").prop_map(|(call, text)| Said::Arguments(call, text)),
        1 => (0..4usize).prop_map(Said::EndCall),
        1 => Just(Said::Whole),
        1 => Just(Said::End),
    ]
}

fn write(script: &[Said]) -> Vec<Part> {
    let mut writer = PartWriter::new("m1");
    let mut calls = Vec::new();
    let mut parts = Vec::new();
    for said in script {
        match said {
            Said::Text(text) => writer.text(text),
            Said::Reasoning(text) => writer.reasoning(text),
            Said::Call(name) => calls.push(writer.tool_call(&format!("call_{}", calls.len()), name)),
            Said::Arguments(call, text) => {
                if let Some(call) = calls.get(*call) {
                    // A call that has ended takes no more: that error is the writer's answer, and nothing is written.
                    let _ = writer.arguments(*call, text);
                }
            }
            Said::EndCall(call) => {
                if let Some(call) = calls.get(*call) {
                    writer.end_call(*call);
                }
            }
            Said::Whole => writer.block(Block::NonStandard { value: serde_json::json!({ "type": "thing" }) }),
            Said::End => writer.end(Finish::Stop),
        }
        parts.extend(writer.take().iter().flatten().cloned());
    }
    writer.end(Finish::Length);
    parts.extend(writer.take().iter().flatten().cloned());
    parts
}

/// Checks the grammar, as a reader of the stream sees it.
fn check_grammar(parts: &[Part]) {
    assert!(matches!(parts.first(), Some(Part::Start { .. })), "a message starts");
    assert!(matches!(parts.last(), Some(Part::End { .. })), "a message ends");
    let mut open = Vec::new();
    let mut next = 0;
    for part in &parts[1..parts.len() - 1] {
        match part {
            Part::BlockStart { index, block, .. } => {
                assert_eq!(*index, next, "blocks are numbered in order");
                next += 1;
                let streams_alone = matches!(block, BlockKind::Text | BlockKind::Reasoning);
                assert!(!streams_alone || open.is_empty(), "text is not interleaved");
                open.push(*index);
            }
            Part::Delta { index, delta, .. } => {
                assert!(open.contains(index), "a delta goes to an open block");
                assert!(!delta.as_str().is_empty(), "a delta says something");
            }
            Part::BlockEnd { index, .. } => {
                let at = open.iter().position(|other| other == index).expect("a block ends once");
                open.remove(at);
            }
            other => panic!("{other:?} in the middle of a message"),
        }
    }
    assert!(open.is_empty(), "every block ends before the message");
}

fn fold(parts: &[Part]) -> Message {
    let mut fold = MessageFold::default();
    fold.push(parts).expect("parts come in order");
    fold.finish().expect("the message has ended")
}

proptest! {
    #[test]
    fn whatever_is_written_is_grammatical_and_loses_no_text(script in prop::collection::vec(said(), 0..40)) {
        let parts = write(&script);
        check_grammar(&parts);
        let before_end = script.iter().take_while(|said| !matches!(said, Said::End));
        let text: String = before_end.filter_map(|said| match said { Said::Text(text) => Some(text.as_str()), _ => None }).collect();
        prop_assert_eq!(fold(&parts).text(), text);
    }

    #[test]
    fn arguments_stay_with_their_call(pieces in prop::collection::vec((0..3usize, "[a-z ]{1,5}"), 0..40)) {
        let mut writer = PartWriter::new("m1");
        let calls: Vec<_> = (0..3).map(|n| writer.tool_call(&format!("call_{n}"), "tool")).collect();
        let mut expected = vec![String::new(); 3];
        for call in &calls {
            writer.arguments(*call, "{\"a\":\"").unwrap();
        }
        for (call, text) in &pieces {
            expected[*call].push_str(text);
            writer.arguments(calls[*call], text).unwrap();
        }
        for call in &calls {
            writer.arguments(*call, "\"}").unwrap();
        }
        writer.end(Finish::ToolCalls);
        let parts = writer.take().expect("something was written").to_vec();
        check_grammar(&parts);
        let message = fold(&parts);
        let got: Vec<String> = message.tool_calls().map(|call| call.args["a"].as_str().unwrap().to_owned()).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn every_prefix_folds_to_a_prefix_and_says_that_it_is_one(script in prop::collection::vec(said(), 0..20), cut in 0.0..1.0f64) {
        let parts = write(&script);
        let whole = fold(&parts).text();
        let cut = (cut * parts.len() as f64) as usize;
        let mut part_fold = MessageFold::default();
        part_fold.push(&parts[..cut]).unwrap();
        prop_assert_eq!(part_fold.clone().finish().unwrap_err().code(), "truncated");
        prop_assert!(whole.starts_with(&part_fold.partial().text()));
    }

    #[test]
    fn parts_and_messages_survive_json(script in prop::collection::vec(said(), 0..20)) {
        let parts = write(&script);
        let again: Vec<Part> = serde_json::from_str(&serde_json::to_string(&parts).unwrap()).unwrap();
        prop_assert_eq!(&again, &parts);
        let message = fold(&parts);
        let again: Message = serde_json::from_str(&serde_json::to_string(&message).unwrap()).unwrap();
        prop_assert_eq!(again.text(), message.text());
        prop_assert_eq!(again.tool_calls().count(), message.tool_calls().count());
    }

    #[test]
    fn a_whole_message_in_chunks_is_the_message(script in prop::collection::vec(said(), 0..20)) {
        let message = fold(&write(&script));
        let chunks = message.clone().into_chunks();
        prop_assert_eq!(fold(&chunks[0]), message);
    }
}

#[test]
fn arguments_that_are_no_object_make_an_invalid_call() {
    for (args, valid) in
        [("", true), ("{}", true), ("{\"a\":1}", true), ("[1]", false), ("{\"a\":", false), ("7", false)]
    {
        let mut writer = PartWriter::new("m1");
        let call = writer.tool_call("call_1", "look");
        writer.arguments(call, args).unwrap();
        writer.end(Finish::ToolCalls);
        let parts = writer.take().expect("something was written").to_vec();
        let message = fold(&parts);
        assert_eq!(matches!(message.content[0], Block::ToolCall(_)), valid, "{args}");
    }
}

#[test]
fn the_text_of_a_block_is_told_however_it_came() {
    let json = serde_json::json!({"type": "ai", "content": ["a", {"type": "text", "text": "b", "index": 0}]});
    let message: Message = serde_json::from_value(json).unwrap();
    let chunk = message.clone().into_chunks().remove(0);
    assert_eq!(chunk.text().as_deref(), Some("ab"));
    assert_eq!(fold(&chunk).content, message.content);
}

#[test]
fn nothing_is_written_after_the_end() {
    let mut writer = PartWriter::new("m1");
    let call = writer.tool_call("call_1", "look");
    writer.end(Finish::Stop);
    writer.text("more");
    writer.reasoning("more");
    let late = writer.tool_call("call_2", "look");
    assert!(writer.arguments(call, "x").is_ok() && writer.arguments(late, "x").is_ok());
    writer.end(Finish::Length);
    let parts = writer.take().expect("something was written").to_vec();
    check_grammar(&parts);
    assert!(!parts.iter().any(|part| matches!(part, Part::Delta { delta: Delta::Text(_), .. })));
}
