//! Graphs as steps of chains: however the input is cut and whatever stands around them, the fold of the stream is what is awaited, and what the events say.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

#[allow(dead_code, reason = "the law of all steps, of which this is a part")]
#[path = "../../millstream-core/tests/common/rechunk.rs"]
mod rechunk;
#[allow(dead_code, reason = "the law of all steps, of which this is a part")]
#[path = "../../millstream-core/tests/common/watched.rs"]
mod watched;

use common::random::{build, parts, without_questions};
use common::{Journal, Log, LogUpdate, graph, lines};
use millstream_core::{
    Cx, Error, ErrorKind, Json, Lambda, Parallel, Passthrough, Payload, Piece, Result, Retry, Runnable,
};
use millstream_graph::START;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use watched::{heard, heard_with_attempts};

/// The input as one piece, and as pieces of its entries.
fn pieces(said: &[String]) -> Vec<Piece> {
    let mut pieces = vec![Piece::Entries([("n".into(), Piece::whole(1))].into())];
    pieces.extend(said.iter().map(|line| {
        let line = Piece::Items(Payload::new([line.clone()]));
        Piece::Entries([("log".into(), line)].into())
    }));
    pieces
}

fn whole(said: &[String]) -> Value {
    if said.is_empty() { json!({ "n": 1 }) } else { json!({ "n": 1, "log": said }) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_a_graph_does_its_step_gives_its_last_state(parts in parts(), said in prop::collection::vec("[a-c]{0,3}", 0..3)) {
        let graph = build(&without_questions(&parts), "n", &Journal::default()).compile().unwrap();
        let input = Json(LogUpdate::default());
        heard(&graph.step(), input.clone(), vec![input]).agrees()?.unwrap();

        let step = graph.step().dynamic();
        let (value, pieces) = (Payload::new(whole(&said)), pieces(&said));
        let end = heard(&step, value.clone(), pieces.clone()).agrees()?.unwrap();
        let told = heard(&step.clone().named("graph").pipe(Passthrough::new()), value.clone(), pieces.clone()).agrees()?;
        prop_assert_eq!(told.unwrap(), end.clone());

        let counted = Lambda::new(|Json(log): Json<Log>| Ok(log.log.len()));
        let both = Parallel::new().with("end", step.clone()).with("count", step.clone().pipe(counted.dynamic()));
        let told = heard(&both, value.clone(), pieces.clone()).agrees()?.unwrap();
        prop_assert_eq!(told, json!({ "end": end.clone(), "count": end["log"].as_array().unwrap().len() }));

        let again = heard_with_attempts(&step.clone().with_retry(Retry::default()), value, pieces);
        prop_assert_eq!(again.agrees_where_attempts_are_made()?.unwrap(), end);
    }
}

#[test]
fn a_graph_that_fails_is_made_good_by_another() {
    let fails =
        |_: Arc<Log>, _: Cx| std::future::ready(Err::<LogUpdate, _>(Error::new(ErrorKind::Failed, "the node failed")));
    let failing = graph().node("fails", fails).edge(START, "fails").compile().unwrap();
    let says = |_: Arc<Log>, _: Cx| std::future::ready(Ok::<_, Error>(lines(["instead"])) as Result<LogUpdate>);
    let other = graph().node("says", says).edge(START, "says").compile().unwrap();
    let input = Json(lines(["x"]));
    let failed = heard(&failing.step(), input.clone(), vec![input.clone()]).agrees().unwrap();
    assert_eq!(failed.unwrap_err().message, "the node failed");
    let chain = failing.step().with_fallback(other.step());
    let end = heard_with_attempts(&chain, input.clone(), vec![input]).agrees_where_attempts_are_made().unwrap();
    assert_eq!(end.unwrap(), json!({ "log": ["x", "instead"], "n": 0 }));
}
