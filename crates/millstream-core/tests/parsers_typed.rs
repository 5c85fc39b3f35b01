//! Typed answers: drafts as they come, then one value that is valid.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use common::rechunk::{now, saying, streamed};
use millstream_core::{Message, Runnable, TextParser, Typed};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// A recipe.
#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Recipe {
    /// What it is called.
    title: String,
    steps: Vec<Step>,
    serves: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Step {
    text: String,
    minutes: u8,
}

/// What there may be of a [`Recipe`].
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Draft {
    title: Option<String>,
    steps: Vec<serde_json::Value>,
}

fn parse(said: &str) -> millstream_core::Result<millstream_core::Valid<Recipe>> {
    now(Typed::<Recipe>::new().run(Message::ai(said)).into_future())
}

#[test]
fn drafts_come_before_the_value() {
    let pieces = ["{\"title\": \"Sou", "p\", \"steps\": [", "{\"text\": \"Boil\",", " \"minutes\": 5}]", "}"];
    let drafts = streamed(&Typed::<Recipe>::new(), saying(&pieces));
    let titles: Vec<_> = drafts.iter().map(|draft| draft.read::<Draft>().unwrap().title.unwrap()).collect();
    assert_eq!(titles, ["Sou", "Soup", "Soup", "Soup", "Soup"]);
    assert_eq!(drafts[2].get("steps"), Some(&json!([{"text": "Boil"}])));
    assert_eq!(drafts[2].read::<Recipe>(), None);
    assert!(drafts[..4].iter().all(|draft| draft.whole().is_none()));
    let recipe = drafts[4].whole().unwrap();
    assert_eq!((recipe.title.as_str(), recipe.steps[0].minutes, recipe.serves), ("Soup", 5, None));
    assert_eq!(json!(drafts[0]), json!({"title": "Sou"}));
}

#[test]
fn a_valid_value_is_used_like_any_other() {
    let recipe = parse("Here it is:\n```json\n{\"title\": \"Tea\", \"steps\": [], \"serves\": 2}\n```").unwrap();
    assert_eq!(*recipe, Recipe { title: "Tea".into(), steps: vec![], serves: Some(2) });
    assert_eq!(json!(recipe), json!({"title": "Tea", "steps": [], "serves": 2}));
    assert_eq!(recipe.json()["serves"], 2);
    let number = now(Typed::<u8>::new().on_text().run("7".to_owned()).into_future()).unwrap();
    assert_eq!(number.into_inner(), 7);
}

#[test]
fn an_invalid_value_is_an_error_that_says_where_and_what() {
    for (said, why) in [
        ("Sorry.", "there is no JSON in it"),
        (r#"{"title": "Tea", "steps": []"#, "ends before it is complete"),
        (r#"{"title": "Tea" "steps": []}"#, "at byte 16 there should be a comma or }"),
        ("[]", "the answer must be of type object, not []"),
        (r#"{"title": "Tea"}"#, "must have the field \"steps\""),
        (r#"{"title": 1, "steps": []}"#, "title must be of type string, not 1"),
        (
            r#"{"title": "Tea", "steps": [{"text": "Boil", "minutes": "5"}]}"#,
            "steps[0].minutes must be of type integer",
        ),
        (r#"{"title": "Tea", "steps": [{"text": "Boil", "minutes": 500}]}"#, "at most 255"),
    ] {
        let error = parse(said).unwrap_err();
        assert_eq!((error.code(), error.name()), ("invalid_output", Some("OutputParserException")), "{said}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.to_string().contains("Tea") || !said.contains("Tea"), "{error}");
        assert!(error.is_retryable());
    }
}

#[test]
fn the_instructions_have_the_schema() {
    let parser = Typed::<Recipe>::new();
    let told = parser.format_instructions();
    assert!(told.contains("\"description\": \"What it is called.\""), "{told}");
    assert_eq!(parser.schema()["required"], json!(["title", "steps"]));
}
