//! Lists, tags, XML and tool calls: what is found in an answer, and when.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use common::rechunk::{now, saying, streamed};
use millstream_core::{
    Block, CallDrafts, CommaList, Error, Finish, MarkdownList, Message, NumberedList, PartWriter, Runnable, TextInside,
    TextParser, ToolCalls, Xml,
};
use serde_json::{Value, json};

fn items(parser: impl TextParser<Reading: millstream_core::Reading<Output = Vec<String>>>, said: &str) -> Vec<String> {
    now(parser.on_text().run(said.to_owned()).into_future()).unwrap()
}

#[test]
fn an_item_comes_when_it_has_ended() {
    assert_eq!(
        streamed(&CommaList, saying(&["red, gr", "een,", " blue"])),
        [vec!["red".to_owned()], vec!["green".to_owned()], vec!["blue".to_owned()]]
    );
    assert_eq!(streamed(&NumberedList, saying(&["1. re", "d\n2", ". "])), [vec!["red".to_owned()]]);
    assert_eq!(
        streamed(&MarkdownList, saying(&["- re", "d\n", "* green"])),
        [vec!["red".to_owned()], vec!["green".to_owned()]]
    );
}

#[test]
fn commas_in_quotes_are_no_commas_between() {
    for (said, found) in [
        ("", vec![]),
        ("one", vec!["one"]),
        (r#"a, "b, c",d"#, vec!["a", "b, c", "d"]),
        (r#"say ""hi"", "say ""hi""" there"#, vec![r#"say ""hi"""#, r#"say "hi" there"#]),
        ("a,, b\r\n\nc ,\"d\ne\"", vec!["a", "", "b", "c ", "d\ne"]),
        ("a,", vec!["a", ""]),
    ] {
        assert_eq!(items(CommaList, said), found, "{said:?}");
    }
}

#[test]
fn items_are_found_between_other_lines() {
    for (said, found) in [
        ("Here:\n1. one\n\n2.\ttwo  \n10. ten. 11. more", vec!["one", "two  ", "ten. 11. more"]),
        ("1.5 is no item, nor is 1.\n\n2.\n3.", vec!["3."]),
        ("no items", vec![]),
    ] {
        assert_eq!(items(NumberedList, said), found, "{said:?}");
    }
    for (said, found) in [
        ("Here:\n- one\n  * two - three\n\n--- no\n*bold*\n-\tthree", vec!["one", "two - three", "three"]),
        ("-\nnext", vec!["next"]),
        ("no - items", vec![]),
    ] {
        assert_eq!(items(MarkdownList, said), found, "{said:?}");
    }
}

fn inside(said: &str) -> millstream_core::Result<String> {
    now(TextInside::tag("answer").run(Message::ai(said)).into_future())
}

#[test]
fn the_text_inside_of_a_tag_comes_as_it_is_said() {
    let pieces = saying(&["Hm. <ans", "wer>It", " is <b>4", "2</b", "></ans", "wer> Really."]);
    let told: Vec<String> = streamed(&TextInside::tag("answer"), pieces).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["It", " is <b>4", "2</b", ">"]);
}

#[test]
fn a_tag_is_told_from_what_looks_like_it() {
    for (said, found) in [
        ("<answer>42</answer><answer>43</answer>", "42"),
        ("<answers>no</answers> <answer kind=\"a/b\">a</b</answer>", "a</b"),
        ("<<answer>a<</answer>", "a<"),
        ("<answer>a</answ</answer>", "a</answ"),
        ("<answer>cut</answ", "cut</answ"),
        ("<answer/>", ""),
        ("<answer></answer>", ""),
    ] {
        assert_eq!(inside(said).unwrap(), found, "{said}");
    }
    for said in ["", "42", "<answer", "<Answer>42</Answer>"] {
        let error = inside(said).unwrap_err();
        assert_eq!((error.code(), error.name()), ("invalid_output", Some("OutputParserException")), "{said}");
    }
}

fn xml(said: &str) -> millstream_core::Result<Value> {
    now(Xml.run(Message::ai(said)).into_future()).map(|element| json!(element))
}

/// What the reference streams and gives for the same texts.
#[test]
fn elements_come_when_they_have_ended_and_are_one_in_the_end() {
    let pieces = saying(&["Yes: <a>\n<b><c>on", "e</c><c>two</c", "></b><b><c/></b>", "</a> <d>no</d>"]);
    let leaves: Vec<Value> = streamed(&Xml, pieces).iter().map(|leaf| json!(leaf)).collect();
    assert_eq!(
        leaves,
        [
            json!({"a": [{"b": [{"c": "one"}]}]}),
            json!({"a": [{"b": [{"c": "two"}]}]}),
            json!({"a": [{"b": [{"c": null}]}]}),
        ]
    );
    let whole = json!({"a": [{"b": [{"c": "one"}, {"c": "two"}]}, {"b": [{"c": null}]}]});
    assert_eq!(xml("Yes: <a>\n<b><c>one</c><c>two</c></b><b><c/></b></a> <d>no</d>").unwrap(), whole);
}

#[test]
fn text_is_what_it_stands_for() {
    for (said, text) in [
        ("<a>x &lt; y &amp;&amp; &#233;&#xe9; &quot;&apos;</a>", "x < y && éé \"'"),
        ("<a k='>' l=\"</a>\">R&D a&b; 1 < 2 <3 & &unknown; &#xd800;</a>", "R&D a&b; 1 < 2 <3 & &unknown; &#xd800;"),
        ("<?xml version='1.0'?><!DOCTYPE a><a><![CDATA[<b>]] > ]]]]></a >", "<b>]] > ]]"),
        ("<!-- <b> --><a>1<!-- - -- > -->2</a>", "12"),
        ("```xml\n<a>x</a>\n```", "x"),
    ] {
        assert_eq!(xml(said).unwrap(), json!({ "a": text }), "{said}");
    }
}

#[test]
fn xml_that_is_none_is_an_error_after_what_was_good() {
    for (said, why) in [
        ("1 < 2", "there is no tag in it"),
        ("<a><b>x</c></a>", "has </c> where <a><b> is open"),
        ("<a><b>x</b><c>", "ends inside of <a><c>"),
        (&"<a>".repeat(1000), "more than 128 deep"),
    ] {
        let error = xml(said).unwrap_err();
        assert_eq!((error.code(), error.name()), ("invalid_output", Some("OutputParserException")));
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(streamed(&Xml, saying(&["<a><b>x</b><c></b>"])).len(), 1);
}

#[test]
fn calls_that_come_mixed_are_kept_apart_and_in_order() {
    let (mut writer, mut chunks) = (PartWriter::new("m1"), Vec::new());
    writer.text("I look.");
    let (first, second) = (writer.tool_call("c1", "look"), writer.tool_call("c2", "look"));
    for (call, piece) in [(first, "{\"city\":"), (second, "{\"city\": \"Ro"), (first, "\"Paris\"}"), (second, "me\"}")]
    {
        writer.arguments(call, piece).unwrap();
        chunks.extend(writer.take());
    }
    writer.end_call(second);
    chunks.extend(writer.take());
    assert!(streamed(&ToolCalls, chunks.clone()).is_empty());
    writer.end_call(first);
    chunks.extend(writer.take());
    let calls = streamed(&ToolCalls, chunks.clone()).concat();
    let told: Vec<_> = calls.iter().map(|call| (call.id.as_str(), &call.args["city"])).collect();
    assert_eq!(told, [("c1", &json!("Paris")), ("c2", &json!("Rome"))]);
}

#[test]
fn drafts_show_a_call_while_it_is_written() {
    let (mut writer, mut chunks) = (PartWriter::new("m1"), Vec::new());
    let (first, second) = (writer.tool_call("c1", "look"), writer.tool_call("c2", "look"));
    for (call, piece) in [(first, "{\"city\":"), (second, "{\"city\": \"Ro"), (first, "\"Paris\"}"), (second, "me\"}")]
    {
        writer.arguments(call, piece).unwrap();
        chunks.extend(writer.take());
    }
    writer.end(Finish::ToolCalls);
    chunks.extend(writer.take());
    let drafts = streamed(&CallDrafts, chunks);
    let told: Vec<_> = drafts.iter().map(|draft| (draft.number(), draft.args()["city"].as_str())).collect();
    let growing = [(0, None), (1, None), (0, None), (1, Some("Ro")), (0, Some("Paris")), (1, Some("Rome"))];
    assert_eq!(told[..6], growing);
    assert!(drafts[..6].iter().all(|draft| draft.whole().is_none()));
    let whole: Vec<_> = drafts[6..].iter().map(|draft| draft.whole().unwrap().id.as_str()).collect();
    assert_eq!(whole, ["c1", "c2"]);
    assert_eq!(json!(drafts[3]), json!({"number": 1, "id": "c2", "name": "look", "args": {"city": "Ro"}}));
}

#[test]
fn a_call_that_cannot_be_read_is_an_error_after_the_calls_before_it() {
    let mut writer = PartWriter::new("m1");
    for args in ["", "{\"city\": \"Par"] {
        let call = writer.tool_call("c", "look");
        writer.arguments(call, args).unwrap();
    }
    writer.end(Finish::Length);
    let pieces = vec![writer.take().unwrap()];
    let message: Message = common::rechunk::whole_of(&pieces);
    assert!(matches!(message.content[1], Block::InvalidToolCall { .. }));
    assert_eq!(streamed(&ToolCalls, pieces).concat()[0].args, json!({}));
    let error: Error = now(ToolCalls.run(message).into_future()).unwrap_err();
    assert!(error.to_string().contains("the tool \"look\"") && error.to_string().contains("Par"), "{error}");
    assert_eq!(error.name(), Some("OutputParserException"));
}
