//! All parsers: whatever the answer and however it is cut, the fold of the stream is what is awaited.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use common::rechunk::{Cuts, cuts, obeys, whole_of};
use millstream_core::{
    AnyJson, Block, CallDrafts, CommaList, MarkdownList, Message, NumberedList, Runnable, Text, TextInside, TextParser,
    ToolCall, ToolCalls, Typed, Xml,
};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Country {
    name: String,
    area: Option<u32>,
}

/// Checks a parser with an answer, as a message and as a text.
fn parses<P>(parser: &P, said: &str, cuts: &Cuts) -> Result<(), TestCaseError>
where
    P: TextParser,
    <P as Runnable>::Output: PartialEq + std::fmt::Debug,
{
    obeys(parser, Message::ai(said), cuts.message(&Message::ai(said)))?.ok();
    obeys(&parser.clone().on_text(), said.to_owned(), cuts.text(said))?.ok();
    Ok(())
}

/// Text of the characters that mean something to some parser, and of whole things.
fn answer() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[-{}\\[\\]\",:0-9.e\\\\u`*\\n <>/a&;!d#]",
        1 => prop::sample::select(vec![
            "```json\n", "```", "{\"name\": \"", "\"area\": 1", "true", "null", "\\ud83d\\ude00", "<a>", "</a>", "<b x='>'>",
            "</b>", "<![CDATA[", "]]>", "<!--", "-->", "&amp;", "1. ", "\n- ", "<answer>", "</answer>", "<answer/>", "é", "\u{1F600}",
        ]).prop_map(str::to_owned),
    ];
    prop_oneof![
        3 => prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat()),
        1 => ("[a-z\"\n]{0,6}", prop::option::of(0..90u32), "[ a-z`]{0,4}").prop_map(|(name, area, after)| {
            format!("```json\n{}\n```{after}", json!(Country { name, area }))
        }),
        1 => ("[a-z ]{0,6}", "[a-z&<]{0,3}").prop_map(|(a, b)| format!("so <x><a>{a}</a><y><b>{b}</b><b/></y></x> there")),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let call = |id: usize, city: String| {
        Block::ToolCall(ToolCall { id: format!("c{id}"), name: "look".into(), args: json!({ "city": city }) })
    };
    let block = prop_oneof![
        "[a-z{\"]{1,6}".prop_map(Block::text),
        "[a-z]{1,6}".prop_map(Block::reasoning),
        (0..9usize, "[a-z\"é]{0,6}").prop_map(move |(id, city)| call(id, city)),
    ];
    prop::collection::vec(block, 0..6).prop_map(|content| {
        let mut message = Message::ai("");
        message.content = content;
        message
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whatever_is_said_and_however_it_is_cut(said in answer(), cuts in cuts()) {
        parses(&AnyJson, &said, &cuts)?;
        parses(&Typed::<Country>::new(), &said, &cuts)?;
        parses(&CommaList, &said, &cuts)?;
        parses(&NumberedList, &said, &cuts)?;
        parses(&MarkdownList, &said, &cuts)?;
        parses(&TextInside::tag("answer"), &said, &cuts)?;
        parses(&Xml, &said, &cuts)?;
    }

    #[test]
    fn whatever_a_message_holds_and_however_it_is_cut(message in message(), cuts in cuts()) {
        let pieces = cuts.message(&message);
        let message: Message = whole_of(&pieces);
        let calls: Vec<ToolCall> = message.tool_calls().cloned().collect();
        let text = message.text();
        prop_assert_eq!(&obeys(&ToolCalls, message.clone(), pieces.clone())?.unwrap(), &calls);
        prop_assert_eq!(obeys(&CallDrafts, message.clone(), pieces.clone())?.unwrap().into_vec(), calls);
        prop_assert_eq!(obeys(&Text, message, pieces)?.unwrap(), text);
    }
}
