//! Documents that are found by their words: what a question finds, and what is kept.

mod common;

use std::collections::BTreeMap;

use common::{Directory, block_on, get, new, value, whole};
use futures_util::FutureExt;
use millstream_core::{Cx, Document, Result, Retrieval, Retriever, Runnable};
use millstream_graph::{Checkpointer, Stored};
use millstream_store::{FullText, Sqlite};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};

/// An index of texts, each under itself as its id.
async fn index_of(texts: &[&str]) -> Result<FullText> {
    let index = FullText::in_memory()?;
    index.add(texts.iter().map(|text| Document::new(*text).with_id(*text))).await?;
    Ok(index)
}

async fn found(index: &FullText, question: &str) -> Result<Vec<String>> {
    let documents = index.find(question, &Cx::detached()).await?;
    Ok(documents.into_iter().map(|document| document.page_content).collect())
}

const PROGRAMMING: &[&str] = &[
    "C is a small language. The standard of C is from 1989.",
    "C++ is a large language with classes.",
    "C# runs on a virtual machine.",
    "Rust has no garbage collector, and borrows instead.",
    "Streams are read by polling.",
];

#[test]
fn questions_find_what_has_their_words_best_first() -> Result<()> {
    block_on(async {
        let index = index_of(PROGRAMMING).await?;
        for (question, best) in [
            ("What's C++?", 1),
            ("c++ vs. java", 1),
            ("Is there anything about C#?", 2),
            ("which standard of C?", 0),
            ("the GARBAGE of Rust", 3),
            // Endings, and what English puts behind an apostrophe.
            ("streaming", 4),
            ("who's borrowing?", 3),
            // Words that are operators elsewhere.
            ("classes AND OR NOT NEAR", 1),
            ("\"virtual machine\" -windows title:x ^y z*", 2),
            ("NEAR(polled, 3)", 4),
            ("'; DROP TABLE document; -- \"polling", 4),
        ] {
            let found = found(&index, question).await?;
            assert_eq!(found.first().map(String::as_str), Some(PROGRAMMING[best]), "{question}");
        }
        assert_eq!(found(&index, "language").await?.len(), 2);
        Ok(())
    })
}

#[test]
fn a_compound_is_found_where_its_words_stand_together() -> Result<()> {
    block_on(async {
        let texts =
            ["The id of the last event, and an event that has an id last.", "The header is Last-Event-ID.", "Else."];
        let index = index_of(&texts).await?;
        for question in ["What is last-event-id?", "last_event_id", "header"] {
            assert_eq!(found(&index, question).await?[0], texts[1], "{question}");
        }
        assert_eq!(found(&index, "id event last").await?[0], texts[0]);
        Ok(())
    })
}

#[test]
fn a_question_about_something_else_finds_nothing() -> Result<()> {
    block_on(async {
        let index = index_of(PROGRAMMING).await?;
        for question in ["", "  ", "?", "\"", "''", "*", "What is the capital of France?", "🚀", "熊", "\0", "()\"\"^:"]
        {
            assert_eq!(found(&index, question).await?, [""; 0], "{question:?}");
        }
        let pasted: String = (0..1_000).map(|number| format!("word{number}-")).collect();
        for long in ["a-".repeat(10_000), "every ".repeat(10_000), "熊".repeat(10_000), pasted] {
            assert_eq!(found(&index, &long).await?, [""; 0]);
        }
        // With nothing but such words they are what is asked for.
        assert_eq!(found(&index, "has no").await?, [PROGRAMMING[3]]);
        Ok(())
    })
}

#[test]
fn other_scripts_are_found() -> Result<()> {
    block_on(async {
        let texts = [
            "熊は蜂蜜を食べる。",
            "黒猫が眠る。",
            "곰은 꿀을 먹는다.",
            "หมีกินน้ำผึ้ง",
            "हिन्दी में भालू शहद खाता है।",
            "Der Bär frißt Honig im CAFE\u{301}.",
            "We ship it 🚀 tomorrow.",
        ];
        let index = index_of(&texts).await?;
        for (question, expected) in [
            ("蜂蜜とは何ですか", 0),
            ("猫", 1),
            ("꿀을?", 2),
            ("น้ำผึ้ง", 3),
            ("हिन्दी", 4),
            ("bar HONIG", 5),
            ("café", 5),
            ("🚀", 6),
        ] {
            assert_eq!(found(&index, question).await?, [texts[expected]], "{question}");
        }
        // The pair of characters is in neither of them.
        assert_eq!(found(&index, "猫蜂").await?, [""; 0]);
        Ok(())
    })
}

#[test]
fn at_most_as_many_are_found_as_are_wanted() -> Result<()> {
    block_on(async {
        let index = FullText::in_memory()?;
        // The more often among fewer words, the better.
        let texts = (1..=6).map(|number| format!("honey {}", "and something else ".repeat(number)));
        index.add(texts.clone().map(Document::new)).await?;
        let texts: Vec<String> = texts.collect();
        assert_eq!(found(&index, "honey").await?, texts[..4]);
        assert_eq!(found(&index.clone().limit(1), "honey").await?, texts[..1]);
        assert_eq!(found(&index.clone().limit(0), "honey").await?, [""; 0]);
        assert_eq!(found(&index.limit(usize::MAX), "honey").await?, texts);
        Ok(())
    })
}

#[test]
fn scores_say_how_well_documents_fit() -> Result<()> {
    block_on(async {
        let index = index_of(&["honey honey", "honey and bread", "bread", "milk", "water", "wine"]).await?;
        let found = index.clone().with_scores().find("honey", &Cx::detached()).await?;
        let scores: Vec<f64> = found.iter().filter_map(|document| document.metadata["score"].as_f64()).collect();
        assert!(matches!(scores[..], [best, next] if best > next && next > 0.0), "{scores:?}");
        assert!(index.find("honey", &Cx::detached()).await?[0].metadata.is_empty());
        Ok(())
    })
}

#[test]
fn only_documents_with_the_metadata_are_found() -> Result<()> {
    block_on(async {
        let index = FullText::in_memory()?;
        let values =
            [json!("de"), json!("en"), json!(1), json!(1.5), json!("1"), json!(true), json!(null), json!({"a": [1]})];
        // Many that fit better are passed over.
        index.add((0..50).map(|_| Document::new("honey honey").with_metadata("key", "other"))).await?;
        let honey = |value: &Value| Document::new("honey").with_metadata("key", value.clone());
        index.add(values.iter().map(honey).chain([Document::new("honey without a key")])).await?;
        for value in &values {
            let found = index.clone().only("key", value.clone()).find("honey", &Cx::detached()).await?;
            assert_eq!(found.iter().map(|document| &document.metadata["key"]).collect::<Vec<_>>(), [value]);
        }
        assert_eq!(found(&index.clone().only("key", "none has it"), "honey").await?, [""; 0]);

        index.add([honey(&json!("de")).with_metadata("year", 2024).with_id("both")]).await?;
        let both = index.only("key", "de").only("year", 2024).find("honey", &Cx::detached()).await?;
        assert_eq!(both.iter().map(|document| document.id.as_deref()).collect::<Vec<_>>(), [Some("both")]);
        Ok(())
    })
}

#[test]
fn a_document_replaces_the_one_under_its_id() -> Result<()> {
    block_on(async {
        let index = FullText::in_memory()?;
        let ids =
            index.add([Document::new("bears"), Document::new("cats").with_id("7"), Document::new("dogs")]).await?;
        assert_eq!(ids[1], "7");
        assert!(ids[0] != ids[2] && !ids[0].is_empty());

        index
            .add([Document::new("wolves").with_id("7"), Document::new("foxes").with_id("7").with_metadata("a", 1)])
            .await?;
        assert_eq!(found(&index, "cats wolves").await?, [""; 0]);
        let foxes = index.find("foxes", &Cx::detached()).await?;
        assert_eq!(foxes, [Document::new("foxes").with_id("7").with_metadata("a", 1)]);

        assert_eq!(index.remove(["7", &ids[0], "nobody", "7"]).await?, 2);
        assert_eq!(found(&index, "foxes bears dogs").await?, ["dogs"]);
        assert_eq!(index.remove::<String>([]).await?, 0);
        Ok(())
    })
}

#[test]
fn what_is_cleared_is_what_only_lets_through() -> Result<()> {
    block_on(async {
        let index = FullText::in_memory()?;
        let of = |source: &str| Document::new("honey").with_metadata("source", source);
        index.add([of("a"), of("b"), of("a"), Document::new("honey")]).await?;
        assert_eq!(index.clone().limit(1).only("source", "a").clear().await?, 2);
        let left = index.find("honey", &Cx::detached()).await?;
        assert_eq!(left.iter().map(Document::source).collect::<Vec<_>>(), [Some("b"), None]);
        assert_eq!(index.clear().await?, 2);
        assert_eq!(found(&index, "honey").await?, [""; 0]);
        Ok(())
    })
}

#[test]
fn calls_are_done_in_their_order_also_if_nobody_awaits_them() -> Result<()> {
    block_on(async {
        let index = FullText::in_memory()?;
        drop(index.add([Document::new("bears").with_id("1"), Document::new("cats").with_id("2")]));
        drop(index.remove(["1"]));
        assert_eq!(found(&index, "bears cats").await?, ["cats"]);
        // It is another thread that searches: this one only asks.
        assert!(index.find("cats", &Cx::detached()).now_or_never().is_none_or(|found| found.is_ok()));
        Ok(())
    })
}

#[test]
fn what_was_added_is_there_when_the_file_is_opened_again() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("documents.db");
    let bears = Document::new("Bears eat honey.").with_id("1").with_metadata("source", "a");
    block_on(FullText::open(&path)?.add([bears.clone()]))?;
    let step = Retrieval::from(FullText::open(&path)?);
    assert_eq!(step.label().metadata["ls_retriever_name"], "fulltext");
    assert_eq!(block_on(async { step.run("honey").await })?, [bears]);
    Ok(())
}

#[test]
fn the_file_may_be_that_of_the_checkpoints() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    block_on(async {
        let (store, index) = (Sqlite::open(&path)?, FullText::open(&path)?);
        for number in 1..=20 {
            let text = format!("\"a text that is not short, of the step {number}\"");
            let put = store.put(new(number, (number > 1).then(|| number - 1), vec![("whole", whole(&text))]));
            let add = index.add([Document::new(format!("word{number}")).with_id(number.to_string())]);
            let (put, add) = futures_util::future::join(put, add).await;
            put?;
            assert_eq!(add?, [number.to_string()]);
        }
        for number in 1..=20 {
            assert_eq!(found(&index, &format!("word{number}")).await?.len(), 1);
            let checkpoint = get(&store, number).await?;
            assert!(
                matches!(value(&checkpoint, "whole"), Some(Stored::Whole(text)) if text.contains(&number.to_string()))
            );
        }
        Ok(())
    })
}

#[test]
fn a_file_of_the_first_version_gets_an_index() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../src/sqlite/schema/1.sql")).unwrap();
    old.execute_batch("PRAGMA user_version = 1; PRAGMA application_id = 1298754668").unwrap();
    old.execute_batch("INSERT INTO graph (thread, namespace) VALUES ('old', '')").unwrap();
    block_on(async {
        let index = FullText::open(&path)?;
        index.add([Document::new("bears")]).await?;
        assert_eq!(found(&index, "bears").await?, ["bears"]);
        let threads: i64 = old.query_row("SELECT count(*) FROM graph", [], |row| row.get(0)).unwrap();
        assert_eq!(threads, 1);
        Ok(())
    })
}

#[test]
fn what_cannot_be_added_as_a_whole_is_not_added() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let index = FullText::open(&path)?;
    let file = Connection::open(&path).unwrap();
    let refuse =
        "CREATE TRIGGER refuse BEFORE INSERT ON document WHEN new.id = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END";
    file.execute_batch(refuse).unwrap();
    block_on(async {
        let error = index.add(["good", "bad"].map(|id| Document::new("bears").with_id(id))).await.unwrap_err();
        assert_eq!(error.code(), "store_failed");
        assert!(error.to_string().contains("store.db"), "{error}");
        assert_eq!(found(&index, "bears").await?, [""; 0]);

        index.add([Document::new("cats").with_id("1")]).await?;
        file.execute("UPDATE document SET metadata = '{'", []).unwrap();
        let error = index.find("cats", &Cx::detached()).await.unwrap_err();
        assert!(error.to_string().contains("store.db is damaged"), "{error}");
        Ok(())
    })
}

proptest! {
    /// Whatever people write, as a document or as a question, is no error, and a text finds itself by the word that it has.
    #[test]
    fn any_text_is_found_by_itself(
        texts in prop::collection::vec("(\\PC|[\"'*:()^+#-]| OR | NEAR |\0|\r\n){0,60}", 1..6),
    ) {
        block_on(async {
            let index = FullText::in_memory()?.limit(usize::MAX);
            index.add(texts.iter().map(|text| Document::new(format!("{text} word")))).await?;
            for text in &texts {
                found(&index, text).await?;
                let itself = format!("{text} word");
                assert!(found(&index, &itself).await?.contains(&itself), "{text:?}");
            }
            Ok::<(), millstream_core::Error>(())
        }).unwrap();
    }

    /// After any calls the index has what a map would have.
    #[test]
    fn an_index_is_a_map(calls in prop::collection::vec((0_u8..6, prop::option::of(0_u8..4)), 0..40)) {
        block_on(async {
            let index = FullText::in_memory()?.limit(usize::MAX);
            let mut expected: BTreeMap<String, String> = BTreeMap::new();
            for (id, word) in calls {
                let id = id.to_string();
                match word {
                    Some(word) => {
                        let text = format!("all word{word}");
                        index.add([Document::new(&text).with_id(&id)]).await?;
                        expected.insert(id, text);
                    }
                    None => assert_eq!(index.remove([&id]).await?, usize::from(expected.remove(&id).is_some())),
                }
            }
            for word in ["word0", "word1", "word2", "word3", "all the words"] {
                let found = index.find(word, &Cx::detached()).await?;
                let found: BTreeMap<_, _> = found.into_iter().map(|found| (found.id.unwrap(), found.page_content)).collect();
                let expected: BTreeMap<_, _> =
                    expected.iter().filter(|(_, text)| word == "all the words" || text.ends_with(word)).collect();
                assert!(found.iter().eq(expected), "{word}");
            }
            Ok::<(), millstream_core::Error>(())
        }).unwrap();
    }
}
