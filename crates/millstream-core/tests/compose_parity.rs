//! All combinators: whatever they are given and however it is cut, the fold of what they stream is what is awaited, and is what the events say.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::rechunk::{Cuts, cuts, streamed, whole_of};
use common::values::{any_pieces, entries, spoken, vars};
use common::watched::{heard, heard_with_attempts};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{
    AnyJson, Assign, Branch, CallDrafts, Configurable, Cx, Demo, Document, Error, ErrorKind, Fallbacks, Lambda,
    MemoryCache, MemoryHistory, Message, Messages, Model, Parallel, Passthrough, Payload, Pick, PickSome, Piece,
    Prompt, RateLimit, Result, Retrieval, Retriever, Retry, Runnable, Streamed, Text, ToolStep, Vars, tool,
};
use proptest::prelude::*;
use serde_json::{Value, json};

type Checked = std::result::Result<(), TestCaseError>;

/// Checks a step that never fails after it has begun to speak.
fn keeps<S>(step: &S, whole: S::Input, pieces: &[<S::Input as Streamed>::Chunk]) -> Checked
where
    S: Runnable + Clone,
    <S::Input as Streamed>::Chunk: Sync,
{
    heard(step, whole, pieces.to_vec()).agrees().map(drop)
}

/// Checks a step in which attempts are given up, and that wait in between.
fn keeps_with_attempts<S>(step: &S, whole: S::Input, pieces: &[<S::Input as Streamed>::Chunk]) -> Checked
where
    S: Runnable + Clone,
    <S::Input as Streamed>::Chunk: Sync,
{
    heard_with_attempts(step, whole, pieces.to_vec()).agrees_where_attempts_are_made().map(drop)
}

fn loud() -> impl Runnable<Input = String, Output = String> + Clone {
    Lambda::stream::<String, String, _>(|pieces, _| pieces.map_ok(|piece| piece.to_uppercase().into()).boxed())
}

fn length() -> impl Runnable<Input = String, Output = usize> + Clone {
    Lambda::new(|text: String| Ok(text.len()))
}

fn a_text() -> Pick<String> {
    Pick::new("a")
}

/// Fails on what is shorter than `characters`, before it says anything.
fn at_least(characters: usize) -> impl Runnable<Input = String, Output = String> + Clone {
    Lambda::new(move |text: String| match text.chars().count() < characters {
        true => Err(Error::new(ErrorKind::RateLimited, format!("{text:?} is too short"))),
        false => Ok(text),
    })
}

/// Says all before the first `é`, where it fails.
fn breaks_at_accents() -> impl Runnable<Input = String, Output = String> + Clone {
    Lambda::stream::<String, String, _>(|pieces, _| {
        let said = pieces.and_then(|piece| {
            let broken = piece.contains('é').then(|| Error::new(ErrorKind::ProviderFailed, "an accent"));
            std::future::ready(broken.map_or(Ok(piece), Err))
        });
        said.boxed()
    })
}

fn model() -> Model {
    Model::from(Demo::says(["one two three"]))
}

struct Words;

impl Retriever for Words {
    fn find<'a>(&'a self, query: &'a str, _: &'a Cx) -> BoxFuture<'a, Result<Vec<Document>>> {
        Box::pin(async move { Ok(query.split_whitespace().map(Document::new).collect()) })
    }
}

fn texts() -> impl Strategy<Value = (String, Vec<Arc<str>>)> {
    ("[a-z é]{0,20}", cuts()).prop_map(|(text, cuts)| (text.clone(), cuts.text(&text)))
}

fn variables() -> impl Strategy<Value = (Vars, Vec<millstream_core::Entries>)> {
    (vars(), cuts()).prop_map(|(vars, cuts)| {
        let pieces = entries(&vars, &cuts);
        (vars, pieces)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn functions_and_sequences((text, pieces) in texts()) {
        keeps(&Lambda::new(|text: String| Ok(text.len())), text.clone(), &pieces)?;
        keeps(&Lambda::future(|text: String, _| async move { Ok(text) }), text.clone(), &pieces)?;
        keeps(&loud(), text.clone(), &pieces)?;
        keeps(&Passthrough::<String>::new(), text.clone(), &pieces)?;
        keeps(&loud().pipe(loud().pipe(length())), text.clone(), &pieces)?;
        keeps(&loud().pipe(loud().pipe(loud()).named("inside")).pipe(length()).named("outside"), text.clone(), &pieces)?;
        keeps(&at_least(4).pipe(loud()), text.clone(), &pieces)?;
        keeps(&breaks_at_accents().pipe(loud()), text.clone(), &pieces)?;
        keeps(&loud().pipe(breaks_at_accents().pipe(length()).named("inside")), text, &pieces)?;
    }

    #[test]
    fn maps_of_texts((text, pieces) in texts()) {
        keeps(&Parallel::<String>::new(), text.clone(), &pieces)?;
        keeps(&Parallel::new().with("loud", loud()), text.clone(), &pieces)?;
        let both = Parallel::new().with("same", Passthrough::<String>::new()).with("loud", loud()).with("length", length());
        keeps(&both, text.clone(), &pieces)?;
        let inner = Parallel::new().with("x", loud()).with("y", loud().pipe(length()));
        keeps(&Parallel::new().with("in", inner.clone()).with("out", loud()), text.clone(), &pieces)?;
        keeps(&inner.pipe(Pick::<String>::new("x")), text.clone(), &pieces)?;
        keeps(&Parallel::new().with("x", at_least(4)).with("y", length()), text, &pieces)?;
    }

    #[test]
    fn entries_that_are_added_and_taken((vars, pieces) in variables()) {
        let added = Assign::new().with("length", a_text().pipe(length())).with("loud", a_text().pipe(loud()));
        keeps(&added, vars.clone(), &pieces)?;
        keeps(&Assign::new(), vars.clone(), &pieces)?;
        keeps(&Assign::new().with("a", a_text().pipe(loud())), vars.clone(), &pieces)?;
        keeps(&added.clone().pipe(Pick::<String>::new("loud")), vars.clone(), &pieces)?;
        keeps(&added.pipe(PickSome::new(["a", "length"])), vars.clone(), &pieces)?;
        keeps(&a_text(), vars.clone(), &pieces)?;
        keeps(&Pick::<Payload>::new("b"), vars.clone(), &pieces)?;
        keeps(&Pick::<Value>::new("c"), vars.clone(), &pieces)?;
        keeps(&Pick::<Vec<Value>>::new("b"), vars.clone(), &pieces)?;
        keeps(&Pick::<Vars>::new("b"), vars.clone(), &pieces)?;
        keeps(&Pick::<Option<String>>::new("d"), vars.clone(), &pieces)?;
        keeps(&Pick::<Payload>::new("nothing"), vars.clone(), &pieces)?;
        keeps(&PickSome::new(["a", "nothing"]), vars.clone(), &pieces)?;
        keeps(&PickSome::new(["nothing"]), vars.clone(), &pieces)?;
        keeps(&Passthrough::<Vars>::new(), vars, &pieces)?;
    }

    #[test]
    fn choices((text, pieces) in texts()) {
        let branch = Branch::new()
            .when(|text: &String| text.contains('a'), loud())
            .when_step(length().pipe(Lambda::new(|length| Ok(length > 5))), Passthrough::<String>::new())
            .otherwise(at_least(3));
        keeps(&branch, text.clone(), &pieces)?;
        keeps(&branch.pipe(loud()).named("chosen"), text.clone(), &pieces)?;
        let chosen = Configurable::new("which", "loud", loud()).or("same", Passthrough::<String>::new());
        keeps(&chosen, text.clone(), &pieces)?;
        keeps(&loud().pipe(chosen), text, &pieces)?;
    }

    #[test]
    fn lists(lists in prop::collection::vec(prop::collection::vec("[a-z]{0,4}", 0..3), 1..4)) {
        let whole: Vec<String> = lists.concat();
        keeps(&length().each(), whole.clone(), &lists)?;
        keeps(&loud().each().pipe(at_least(2).each()), whole.clone(), &lists)?;
        keeps(&Passthrough::<Vec<String>>::new(), whole.clone(), &lists)?;
        let both = Parallel::new().with("all", Passthrough::<Vec<String>>::new()).with("lengths", length().each());
        keeps(&both.pipe(Pick::<Vec<usize>>::new("lengths")), whole, &lists)?;
    }

    #[test]
    fn attempts((text, pieces) in texts()) {
        let retry = |attempts| Retry { attempts, ..Retry::default() };
        keeps_with_attempts(&at_least(9).with_fallback(at_least(6)).with_fallback(loud()), text.clone(), &pieces)?;
        keeps_with_attempts(&at_least(9).with_fallback(at_least(6)), text.clone(), &pieces)?;
        keeps_with_attempts(&breaks_at_accents().with_fallback(loud()), text.clone(), &pieces)?;
        keeps_with_attempts(&Fallbacks::of(loud()).only_for(Error::is_retryable), text.clone(), &pieces)?;
        keeps_with_attempts(&at_least(9).with_fallback(loud()).telling(|text, error| format!("{text}: {error}")), text.clone(), &pieces)?;
        keeps_with_attempts(&at_least(4).with_retry(retry(3)), text.clone(), &pieces)?;
        keeps_with_attempts(&breaks_at_accents().with_retry(retry(2)).pipe(loud()), text.clone(), &pieces)?;
        keeps_with_attempts(&at_least(4).with_retry(retry(3)).only_when_waited_for(), text.clone(), &pieces)?;
        keeps_with_attempts(&at_least(4).with_retry(retry(2)).with_fallback(loud().named("instead")).pipe(length()), text.clone(), &pieces)?;
        let whole = Parallel::new().with("x", at_least(9)).with("y", loud());
        let same = Parallel::new().with("x", loud()).with("y", loud());
        keeps_with_attempts(&whole.with_fallback(same), text.clone(), &pieces)?;
        keeps_with_attempts(&loud().with_retry(retry(2)), text.clone(), &pieces)?;
    }

    #[test]
    fn values_of_any_type((value, pieces) in any_pieces()) {
        keeps(&Passthrough::<Payload>::new(), value.clone(), &pieces)?;
        keeps(&loud().dynamic(), value.clone(), &pieces)?;
        keeps(&Passthrough::<Vec<Value>>::new().dynamic(), value.clone(), &pieces)?;
        keeps(&Passthrough::<Vars>::new().dynamic(), value.clone(), &pieces)?;
        keeps(&Passthrough::<Message>::new().dynamic(), value.clone(), &pieces)?;
        keeps(&Passthrough::<Messages>::new().dynamic(), value.clone(), &pieces)?;
        keeps(&Passthrough::<Value>::new().dynamic().pipe(loud().dynamic()), value.clone(), &pieces)?;
        keeps(&PickSome::new(["a", "b"]).dynamic(), value.clone(), &pieces)?;
        keeps(&Pick::<String>::new("a").dynamic(), value.clone(), &pieces)?;
        keeps(&Assign::new().with("a", Pick::<Payload>::new("b")).dynamic(), value.clone(), &pieces)?;
        keeps(&Parallel::new().with("a", Passthrough::<Payload>::new()).with("b", loud().dynamic()), value.clone(), &pieces)?;
        keeps(&Parallel::new().with("a", loud()).with("b", length()).dynamic(), value.clone(), &pieces)?;
        keeps(&Passthrough::<String>::new().each().dynamic(), value.clone(), &pieces)?;
        keeps(&loud().dynamic().taking::<Payload>().pipe(loud().dynamic()), value, &pieces)?;
    }

    #[test]
    fn chains_that_take_other_types((text, pieces) in texts()) {
        keeps(&loud().dynamic().taking::<String>(), text.clone(), &pieces)?;
        let dynamic = loud().dynamic().pipe(length().dynamic()).named("dynamic").taking::<String>();
        keeps(&loud().pipe(dynamic).pipe(Lambda::new(|length: Payload| Ok(length))), text, &pieces)?;
    }

    #[test]
    fn tools_and_retrievers((value, pieces) in any_pieces(), (text, texts) in texts()) {
        let schema = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
        let echo = ToolStep::new(tool("echo", "Says it.", schema, async |call, _| call.args.to_string()));
        keeps(&echo, value.clone(), &pieces)?;
        keeps(&echo.clone().pipe(Passthrough::new()).pipe(loud().dynamic()), value.clone(), &pieces)?;
        keeps(&echo.clone().named("renamed"), value.clone(), &pieces)?;
        keeps(&Parallel::new().with("echo", echo.clone()).with("same", Passthrough::<Payload>::new()), value.clone(), &pieces)?;
        keeps_with_attempts(&echo.clone().with_retry(Retry::default()), value.clone(), &pieces)?;
        keeps_with_attempts(&echo.clone().with_retry(Retry::default()).only_when_waited_for(), value.clone(), &pieces)?;
        keeps_with_attempts(&echo.clone().with_fallback(echo), value, &pieces)?;
        keeps(&Retrieval::from(Words), text.clone(), &texts)?;
        keeps(&Parallel::new().with("found", Retrieval::from(Words)).with("q", loud()), text, &texts)?;
    }

    #[test]
    fn prompts_and_models((vars, pieces) in variables(), said in "[a-z ]{0,12}", cuts in cuts()) {
        let prompt = Prompt::new().system("Say {a}.").human("{a}{a}");
        keeps(&prompt, vars.clone(), &pieces)?;
        keeps(&Prompt::text("{a} and {b}"), vars.clone(), &pieces)?;
        keeps(&(prompt.clone() | model() | Text), vars.clone(), &pieces)?;
        let models = [
            model(),
            model().cached(MemoryCache::new(1_000_000)),
            model().limited(RateLimit::concurrent(1)),
        ];
        for model in models {
            let chain = prompt.clone() | model | Text;
            keeps(&chain, vars.clone(), &pieces)?;
            keeps(&Assign::new().with("said", chain).pipe(Pick::<String>::new("said")), vars.clone(), &pieces)?;
        }
        keeps(&(prompt | model()), vars.clone(), &pieces)?;
        let chat = Prompt::new().placeholder("history").human("{a}") | model() | Text;
        // Each of the three readers speaks in a session of its own.
        let chat = Lambda::future(move |vars: Vars, cx| {
            let chat = chat.clone().with_history(MemoryHistory::default(), "a", "history").session("s");
            async move { chat.invoke(vars, &cx).await }
        });
        keeps(&chat, vars, &pieces)?;
        let message = spoken(&said, &cuts);
        keeps(&Passthrough::<Message>::new(), whole_of(&message), &message)?;
        keeps(&Parallel::new().with("text", Text).with("all", Passthrough::<Message>::new()), whole_of(&message), &message)?;
    }
}

/// Pieces of an answer in JSON take each other's place.
#[test]
fn a_text_that_is_still_being_written_is_given_as_it_grows() {
    let said = r#"{"title": "On streams", "tags": ["a", "bc"]}"#;
    let title = AnyJson.dynamic().pipe(Pick::<String>::new("title").dynamic());
    let tags = AnyJson.dynamic().pipe(Pick::<Vec<String>>::new("tags").dynamic());
    let message = spoken(said, &Cuts::every(5));
    let heard = |step: &millstream_core::Chain<Payload, Payload>| {
        let pieces = message.iter().cloned().map(Piece::Message).collect::<Vec<_>>();
        let whole = Payload::new(whole_of::<Message>(&message));
        assert!(streamed(step, pieces.clone()).len() > 1);
        heard(step, whole, pieces).agrees().unwrap().unwrap()
    };
    assert_eq!(heard(&title), "On streams");
    assert_eq!(heard(&tags), json!(["a", "bc"]));
}

#[test]
fn what_was_given_cannot_be_taken_back() {
    let same = Passthrough::<String>::new().dynamic();
    let heard = heard(&same, Payload::new("b"), vec![Piece::whole("a"), Piece::whole("b")]);
    assert_eq!(heard.awaited.unwrap(), "b");
    assert_eq!(heard.streamed.unwrap_err().code, "invalid_input");
}

/// Whether the input could be made is known at its end.
#[test]
fn a_map_without_entries_fails_as_its_input_does() {
    let chain = breaks_at_accents().pipe(Parallel::<String>::new());
    let heard = heard(&chain, "aé".to_owned(), vec!["a".into(), "é".into()]);
    assert_eq!(heard.agrees().unwrap().unwrap_err().code, "provider_failed");
}

/// A list of calls has no pieces if there are none.
#[test]
fn a_branch_without_pieces_has_its_entry() {
    let both = Parallel::new().with("calls", CallDrafts).with("text", Text);
    let message = spoken("no calls", &Cuts::every(3));
    let heard = heard(&both, whole_of(&message), message).agrees().unwrap();
    assert_eq!(heard.unwrap(), json!({ "calls": [], "text": "no calls" }));
}

#[test]
fn waits_are_virtual() {
    let late = Lambda::future(|text: String, _| async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok(text)
    });
    assert_eq!(heard(&late, "x".to_owned(), vec!["x".into()]).agrees().unwrap().unwrap(), "x");
}
