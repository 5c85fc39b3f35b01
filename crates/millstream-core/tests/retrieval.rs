//! Retrievers: what they find, what is told of it, and what becomes of long texts.

use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use millstream_core::{
    Body, Cx, Document, Error, ErrorKind, Kind, Label, PassageSize, Result, Retrieval, Retriever, Runnable,
    format_documents, split_documents, split_text,
};
use proptest::prelude::*;
use serde_json::json;

/// Finds what has a word of the question.
#[derive(Clone)]
struct ScriptedRetriever(Vec<Document>);

impl Retriever for ScriptedRetriever {
    fn find<'a>(&'a self, query: &'a str, _: &'a Cx) -> BoxFuture<'a, Result<Vec<Document>>> {
        let has_a_word =
            |document: &&Document| query.split(' ').any(|word| document.page_content.to_lowercase().contains(word));
        let found = self.0.iter().filter(has_a_word).cloned().collect();
        Box::pin(async move { Ok(found) })
    }
}

struct Unreachable;

impl Retriever for Unreachable {
    fn find<'a>(&'a self, _: &'a str, _: &'a Cx) -> BoxFuture<'a, Result<Vec<Document>>> {
        Box::pin(async { Err(Error::new(ErrorKind::Failed, "the index is not there")) })
    }

    fn label(&self) -> Label {
        Label::new(Kind::Retriever, "Index").with_metadata("ls_retriever_name", "an index")
    }
}

fn bears_and_cats() -> Retrieval {
    let bears = Document::new("Bears eat honey.").with_metadata("source", "a").with_metadata("page", 3);
    ScriptedRetriever(vec![bears, Document::new("Cats sleep.")]).into()
}

#[tokio::test]
async fn what_is_found_is_awaited_streamed_and_told_alike() -> Result<()> {
    let chain = bears_and_cats().named("lookup").tag("rt");
    let found = chain.run("cats bears").await?;
    assert_eq!(found.len(), 2);
    let pieces: Vec<Vec<Document>> = chain.run("cats bears").stream().try_collect().await?;
    assert_eq!(pieces.concat(), found);

    let events: Vec<_> = chain.run("cats bears").events().try_collect().await?;
    let is_start = |body: &Body| matches!(body, Body::RunnableStarted { .. });
    let start = events.iter().find(|event| is_start(&event.body)).expect("a retriever begins");
    assert_eq!((start.scope.kind, &*start.scope.name), (Kind::Retriever, "lookup"));
    assert_eq!(start.scope.metadata["ls_retriever_name"], "scripted");
    assert_eq!(start.scope.tags, ["rt"]);
    let end = serde_json::to_value(&events).expect("events are JSON");
    let end = end.as_array().expect("a list").iter().find(|event| event["body"]["event"] == "runnable_finished");
    assert_eq!(
        end.expect("a retriever ends")["body"]["output"],
        json!([
            {"type": "Document", "page_content": "Bears eat honey.", "metadata": {"source": "a", "page": 3}},
            {"type": "Document", "page_content": "Cats sleep.", "metadata": {}},
        ])
    );
    Ok(())
}

#[tokio::test]
async fn what_is_not_found_is_an_empty_list_and_what_fails_an_error() -> Result<()> {
    assert_eq!(bears_and_cats().run("nothing").await?, []);
    let retrieval = Retrieval::from(Unreachable);
    assert_eq!(retrieval.label().metadata["ls_retriever_name"], "an index");
    let error = retrieval.run("bears").await.unwrap_err();
    assert_eq!(error.to_string(), "the index is not there");
    Ok(())
}

#[test]
fn documents_are_read_in_langchains_forms() {
    let read = |json| serde_json::from_value::<Document>(json);
    let known = Document::new("Bears.").with_id("7").with_metadata("page", 3);
    let forms = [
        json!({"type": "Document", "id": "7", "page_content": "Bears.", "metadata": {"page": 3}}),
        json!({"id": "7", "page_content": "Bears.", "metadata": {"page": 3}}),
    ];
    for form in forms {
        assert_eq!(read(form).unwrap(), known);
    }
    assert_eq!(read(json!({"id": null, "page_content": "Bears."})).unwrap(), Document::new("Bears."));
    assert!(read(json!({"type": "human", "content": "Bears."})).is_err());
}

#[test]
fn documents_for_a_prompt_have_numbers_and_sources_on_one_line() {
    assert_eq!(format_documents(&[]), "");
    let odd = Document::new("\n Bears.\nHoney. \n").with_metadata("source", "a\nb.md");
    let number = Document::new("Cats.").with_metadata("source", 7);
    assert_eq!(format_documents(&[odd, number]), "[1] a b.md\nBears.\nHoney.\n\n[2]\nCats.");
}

#[test]
fn texts_are_cut_where_they_pause() {
    let split = |text, characters, overlap| split_text(text, PassageSize { characters, overlap });
    // Paragraphs that fit are joined, and one that does not is cut between its lines.
    let text = "One.\n\nTwo.\n\nThe third is\nlonger than the others.\n\nFour.";
    assert_eq!(split(text, 30, 0), ["One.\n\nTwo.", "The third is", "longer than the others.", "Four."]);
    // Line ends of other systems.
    assert_eq!(split("One two.\r\n\r\nThree.", 10, 0), ["One two.", "Three."]);
    // Sentences, also with what closes them; a full stop inside of a word is none.
    assert_eq!(
        split("He said \"no.\" Version 1.2 is out! Yes.", 22, 0),
        ["He said \"no.\"", "Version 1.2 is out!", "Yes."]
    );
    assert_eq!(
        split("猫は眠る。「熊は蜂蜜を食べる。」はい。", 12, 0),
        ["猫は眠る。", "「熊は蜂蜜を食べる。」", "はい。"]
    );
    // Words, with what fits of the end of the passage before.
    assert_eq!(split("one two three four five", 13, 6), ["one two three", "three four", "four five"]);
    // Characters, if there is nothing else.
    assert_eq!(split("abcdefgh", 4, 1), ["abcd", "defg", "gh"]);
    assert_eq!(split("🚀🚀🚀", 2, 0), ["🚀🚀", "🚀"]);
    assert_eq!(split("ab", 0, 9), ["a", "b"]);
    assert!(split(" \n\n ", 10, 0).is_empty());
}

#[test]
fn passages_keep_what_is_known_of_their_document() {
    let document = Document::new("Bears eat honey.\n\nCats sleep.").with_metadata("source", "a.md");
    let passages = split_documents([document], PassageSize { characters: 16, overlap: 0 });
    let texts: Vec<_> = passages.iter().map(|passage| (passage.id.as_deref(), passage.page_content.as_str())).collect();
    assert_eq!(texts, [(None, "Bears eat honey."), (None, "Cats sleep.")]);
    assert!(passages.iter().all(|passage| passage.source() == Some("a.md")));
}

fn solid(text: &str) -> String {
    text.split_whitespace().collect()
}

proptest! {
    /// Nothing of a text is lost, nothing is said twice without an overlap, and no passage is too long.
    #[test]
    fn passages_are_the_text(text in "([a-zé熊。🚀]{1,9}|[ .\n]|\n\n|\r\n){0,60}", characters in 1_usize..40) {
        let passages = split_text(&text, PassageSize { characters, overlap: 0 });
        prop_assert_eq!(solid(&passages.concat()), solid(&text));
        prop_assert!(passages.iter().all(|passage| passage.chars().count() <= characters && !passage.is_empty()));
    }

    /// With an overlap each passage goes on where the one before ended, or a little before that, and says something new.
    #[test]
    fn overlapping_passages_follow_each_other(
        text in "([a-zé熊。🚀]{1,9}|[ .\n]|\n\n){0,60}", characters in 1_usize..40, overlap in 0_usize..50,
    ) {
        let passages = split_text(&text, PassageSize { characters, overlap });
        // Passages are parts of the text itself, so that where they are tells how they follow.
        let begin = text.as_ptr() as usize;
        let mut end = 0;
        for passage in passages {
            let at = passage.as_ptr() as usize - begin;
            prop_assert!(passage.chars().count() <= characters);
            prop_assert!(at + passage.len() > end);
            if at < end {
                prop_assert!(text[at..end].chars().count() <= overlap);
            } else {
                prop_assert!(text[end..at].trim().is_empty());
            }
            end = at + passage.len();
        }
        prop_assert!(text[end..].trim().is_empty());
    }
}
