//! JSON in pieces: what is shown of it, and when.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use common::rechunk::{cuts, now, saying, streamed};
use millstream_core::{AnyJson, JsonReader, JsonView, Message, Runnable};
use proptest::prelude::*;
use serde_json::{Value, json};

/// All that is shown of a text that comes in `pieces`.
fn shown<T: AsRef<str>>(pieces: impl IntoIterator<Item = T>) -> Vec<Value> {
    let mut reader = JsonReader::default();
    let pieces = pieces.into_iter().filter_map(|piece| {
        let more = reader.push(piece.as_ref());
        more.then(|| reader.view().unwrap().into_value())
    });
    pieces.collect()
}

fn characters(text: &str) -> impl Iterator<Item = String> {
    text.chars().map(String::from)
}

/// What is shown of a text that has not ended.
fn so_far(text: &str) -> Option<Value> {
    let mut reader = JsonReader::default();
    reader.push(text);
    reader.view().map(JsonView::into_value)
}

#[test]
fn what_is_certain_is_shown() {
    for (text, value) in [
        (r#"{"#, json!({})),
        (r#"{"a"#, json!({})),
        (r#"{"a" :"#, json!({})),
        (r#"{"a": "#, json!({})),
        (r#"{"a": ""#, json!({"a": ""})),
        (r#"{"a": "x "#, json!({"a": "x "})),
        (r#"{"a": ["#, json!({"a": []})),
        (r#"[1, {"a": [2"#, json!([1, {"a": [2]}])),
        (r#"{"a": tru"#, json!({})),
        (r#"{"a": true"#, json!({"a": true})),
        (r#"{"a": null, "b": f"#, json!({"a": null})),
        (r#"{"a": -"#, json!({})),
        (r#"{"a": -1"#, json!({"a": -1})),
        (r#"{"a": 1."#, json!({"a": 1})),
        (r#"{"a": 1.5e"#, json!({"a": 1.5})),
        (r#"{"a": 1.5e-"#, json!({"a": 1.5})),
        (r#"{"a": 15e-1"#, json!({"a": 1.5})),
        ("{\"a\": \"x\ny", json!({"a": "x\ny"})),
        (r#"{"a": "x\"#, json!({"a": "x"})),
        (r#"{"a": "x\u00"#, json!({"a": "x"})),
        (r#"{"a": "x\u00e9"#, json!({"a": "xé"})),
        (r#"{"a": "x\ud83d"#, json!({"a": "x"})),
        (r#"{"a": "x\ud83d\ude00"#, json!({"a": "x😀"})),
        (r#"{"a": "x\ud83d\ud83d\ude00 \ude00"#, json!({"a": "x\u{FFFD}😀 \u{FFFD}"})),
        (r#"{"a": "x\ud83d!"#, json!({"a": "x\u{FFFD}!"})),
        (r#"{"a": 1} and more"#, json!({"a": 1})),
        (r#" 12"#, json!(12)),
        (r#""}"#, json!("}")),
        (r#"{"a": 18446744073709551616, "b": 0.10}"#, json!({"a": 18446744073709551616.0, "b": 0.1})),
    ] {
        assert_eq!(so_far(text), Some(value), "{text}");
    }
    for text in ["", " ", "t", "-", "nul", "what", "}"] {
        assert_eq!(so_far(text), None, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_and_what_was_before_stays() {
    for (text, value, mistake) in [
        (r#"{"a": 1, b"#, json!({"a": 1}), "at byte 9 there should be a key in quotes"),
        (r#"[1,]"#, json!([1]), "at byte 3 there should be a value"),
        (r#"{"a": 01}"#, json!({"a": 0}), "at byte 7 there should be a comma or }"),
        (r#"{"a": "x\q"}"#, json!({"a": "x"}), "at byte 9 there should be an escape"),
        (r#"{"a": 1.}"#, json!({"a": 1}), "at byte 8 there should be a digit"),
        (r#"{"a": [1}"#, json!({"a": [1]}), "at byte 8 there should be a comma or ]"),
    ] {
        let mut reader = JsonReader::default();
        reader.push(text);
        assert_eq!(reader.mistake().as_deref(), Some(mistake), "{text}");
        assert_eq!(reader.view().unwrap(), value, "{text}");
        assert!(!reader.push("}") && !reader.is_complete());
    }
    let mut deep = JsonReader::default();
    deep.push(&"[".repeat(1 << 20));
    assert!(deep.mistake().unwrap().contains("128 levels"));
}

#[test]
fn a_view_is_told_only_when_there_is_more_to_see() {
    let text = r#"{"n": 1.50, "t": [tru]}"#.replace("tru", "true");
    assert_eq!(
        shown(characters(&text)),
        [json!({}), json!({"n": 1}), json!({"n": 1.5}), json!({"n": 1.5, "t": []}), json!({"n": 1.5, "t": [true]}),]
    );
}

#[test]
fn views_are_of_their_moment() {
    let mut reader = JsonReader::default();
    let views: Vec<JsonView> = [r#"{"a": "x"#, r#"y", "b": ["#, "1]}"]
        .into_iter()
        .map(|piece| {
            reader.push(piece);
            reader.view().unwrap()
        })
        .collect();
    drop(reader);
    assert_eq!(views[0], json!({"a": "x"}));
    assert_eq!(views[1]["a"], "xy");
    assert_eq!(serde_json::to_string(&views[2]).unwrap(), r#"{"a":"xy","b":[1]}"#);
    assert_ne!(views[0], views[1]);
    assert_eq!(views[1], JsonView::from(json!({"a": "xy", "b": []})));
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[ a-z\"\\\\/\n\t\u{e9}\u{1F600}\u{7f}]{0,8}", Just("\u{2028}".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        any::<f64>().prop_filter("JSON has finite numbers", |number| number.is_finite()).prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// JSON as somebody may write it: tight, indented, or with every character of a text escaped.
fn written() -> impl Strategy<Value = (Value, String)> {
    (json_value(), 0..3u8).prop_map(|(value, form)| {
        let text = match form {
            0 => value.to_string(),
            1 => serde_json::to_string_pretty(&value).unwrap(),
            _ => value
                .to_string()
                .chars()
                .map(|character| match character {
                    _ if character.is_ascii() => character.to_string(),
                    _ => character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
                })
                .collect(),
        };
        (value, text)
    })
}

/// Whether all that `before` shows is still there, further or the same.
fn goes_on(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            before.iter().all(|(name, before)| after.get(name).is_some_and(|after| goes_on(before, after)))
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() <= after.len() && before.iter().zip(after).all(|(before, after)| goes_on(before, after))
        }
        (Value::String(before), Value::String(after)) => after.starts_with(before.as_str()),
        (Value::Number(_), Value::Number(_)) => true,
        (before, after) => before == after,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_prefix_is_readable_and_nothing_shown_is_lost((value, text) in written()) {
        let mut reader = JsonReader::default();
        let mut before: Option<Value> = None;
        for character in text.chars() {
            prop_assert!(!reader.is_complete() || value.is_number());
            let more = reader.push(&character.to_string());
            prop_assert_eq!(reader.mistake(), None);
            let view = reader.view().map(JsonView::into_value);
            if let (Some(before), Some(view)) = (&before, &view) {
                prop_assert!(goes_on(before, view), "{} became {}", before, view);
                prop_assert!(more || before == view, "{} became {} in silence", before, view);
            }
            prop_assert!(more || before.is_some() == view.is_some());
            before = view;
        }
        prop_assert!(reader.is_complete());
        prop_assert_eq!(before, Some(serde_json::from_str(&text).unwrap()));
    }

    #[test]
    fn any_split_shows_some_of_the_same_views((_, text) in written(), cuts in cuts()) {
        let (all, some) = (shown(characters(&text)), shown(cuts.text(&text)));
        prop_assert_eq!(all.last(), some.last());
        let mut left = all.iter();
        prop_assert!(some.iter().all(|view| left.any(|known| known == view)), "{:?} are not in {:?}", some, all);
    }
}

fn parse(said: &str) -> millstream_core::Result<Value> {
    now(AnyJson.run(Message::ai(said)).into_future()).map(JsonView::into_value)
}

#[test]
fn json_is_found_behind_words_and_in_fences() {
    for said in [
        r#"{"a": [1]}"#,
        "  \n{\"a\": [1]}\n ",
        "```json\n{\"a\": [1]}\n```",
        "```\n{\"a\": [1]}\n```\nI hope that helps.",
        "```JSON{\"a\": [1]}```",
        "`{\"a\": [1]}`",
        "Here it is: \n```json\n{\"a\": [1]}\n```",
        "Not this: ```python\nprint(1)\n```, this:\n```json\n{\"a\": [1]}\n```",
        "none, [see] below: ```json {\"a\": [1]}```",
        "{name} is it: ```{\"a\": [1]}```",
        "{``` ```json\n{\"a\": [1]}",
        "{\"a\": [1]",
        "{\"a\": [1], \"b",
    ] {
        assert_eq!(parse(said).unwrap(), json!({"a": [1]}), "{said}");
    }
}

#[test]
fn an_answer_without_json_is_an_error_that_shows_it() {
    for (said, why) in [
        ("I cannot say.", "there is no JSON in it"),
        ("", "there is no JSON in it"),
        ("It is {\"a\": 1}", "there is no JSON in it"),
        ("{\"a\": 1, \"b\": nothing}", "at byte 15 there should be true, false or null"),
    ] {
        let error = parse(said).unwrap_err();
        assert_eq!((error.code(), error.name()), ("invalid_output", Some("OutputParserException")));
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.to_string().contains(&format!("{said:?}")), "{error}");
        assert!(!error.public().message.contains("say"));
    }
    let long = parse(&"é".repeat(1000)).unwrap_err().to_string();
    assert!(long.len() < 700 && long.contains("..."), "{long}");
}

/// As LangChain's `JsonOutputParser` streams it, without what is white at the end of a text.
#[test]
fn each_piece_of_an_answer_gives_at_most_one_view() {
    let pieces = [
        "{\"cou",
        "ntries\": [{\"na",
        "me\": \"Fra",
        "nce\", \"pop\": 6",
        "7}, {\"name\"",
        ": \"Spain \"}], \"ok\": tr",
        "ue, \"say\": \"ça ",
        " ",
        "va",
        "\"",
        "}",
    ];
    let views: Vec<Value> = streamed(&AnyJson, saying(&pieces)).into_iter().map(JsonView::into_value).collect();
    let france = json!({"name": "France", "pop": 67});
    let both = json!([france, {"name": "Spain "}]);
    assert_eq!(
        views,
        [
            json!({}),
            json!({"countries": [{}]}),
            json!({"countries": [{"name": "Fra"}]}),
            json!({"countries": [{"name": "France", "pop": 6}]}),
            json!({"countries": [france, {}]}),
            json!({"countries": both}),
            json!({"countries": both, "ok": true, "say": "ça"}),
            json!({"countries": both, "ok": true, "say": "ça  va"}),
        ]
    );
}
