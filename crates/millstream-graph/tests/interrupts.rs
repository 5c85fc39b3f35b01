//! Questions to a person: the graph waits, keeps what is done, and goes on with the answers.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::{Journal, Later, Log, asks, graph, lines, notes, questions, says, texts};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use millstream_core::{Body, Cx, Error, ErrorKind, Interrupt, Outcome, Result};
use millstream_graph::{Command, END, Graph, Item, Memory, Mode, Retry, START, StateGraph};
use serde_json::json;

/// a → ask → b
fn asking<const N: usize>(all: [&'static str; N]) -> Graph<Log> {
    let graph = graph().node("a", says("a")).node("ask", asks(all)).node("b", says("b"));
    let graph = graph.edge(START, "a").edge("a", "ask").edge("ask", "b").edge("b", END);
    graph.compile().unwrap().checkpointer(Memory::new())
}

#[tokio::test]
async fn a_question_ends_the_run_and_its_answer_goes_on() {
    let graph = asking(["name?"]);
    let error = graph.run(lines([])).thread("t").await.unwrap_err();
    assert_eq!((error.kind(), texts(Interrupt::of(&error))), (ErrorKind::Interrupted, vec!["name?".to_owned()]));
    assert!(error.to_string().contains("name?"), "{error}");
    let waiting = graph.state("t").await.unwrap().unwrap();
    assert_eq!((texts(waiting.interrupts()), &*waiting.next[0]), (vec!["name?".to_owned()], "ask"));
    // Nothing is lost by going on without an answer: the same question, by the same id, is asked again.
    let again = graph.go_on("t").outcome().await.unwrap();
    assert_eq!(again.interrupts.as_deref(), Some(Interrupt::of(&error)));
    assert_eq!(again.state.log, ["a"]);
    assert_eq!(graph.resume("t", "Ann").await.unwrap().log, ["a", "name? Ann", "b"]);
    assert_eq!(graph.state("t").await.unwrap().unwrap().interrupts().count(), 0);
}

#[tokio::test]
async fn several_questions_of_a_node_are_answered_one_after_the_other() {
    let graph = asking(["first?", "second?", "third?"]);
    let mut outcome = graph.run(lines([])).thread("t").outcome().await.unwrap();
    for (question, answer) in [("first?", "1"), ("second?", "2"), ("third?", "3")] {
        assert_eq!(questions(&outcome), [question]);
        outcome = graph.resume("t", answer).outcome().await.unwrap();
    }
    assert_eq!(outcome.state.log, ["a", "first? 1", "second? 2", "third? 3", "b"]);
}

#[tokio::test]
async fn an_answer_is_for_one_question_only() {
    let graph = asking(["first?", "second?"]);
    graph.run(lines([])).thread("t").outcome().await.unwrap();
    graph.resume("t", "1").outcome().await.unwrap();
    // Going on without an answer does not give the second question the answer to the first.
    let again = graph.go_on("t").outcome().await.unwrap();
    assert_eq!((questions(&again), again.state.log), (vec!["second?".to_owned()], vec!["a".to_owned()]));
    assert_eq!(graph.resume("t", "2").await.unwrap().log, ["a", "first? 1", "second? 2", "b"]);
}

#[tokio::test]
async fn a_question_in_a_loop_is_another_one_each_time() {
    async fn ask(state: Arc<Log>, cx: Cx) -> Result<common::LogUpdate> {
        let answer: String = cx.interrupt(format!("{}?", state.n)).await?;
        Ok(lines([&*answer]).n(state.n + 1))
    }
    let graph = graph().node("ask", ask).edge(START, "ask");
    let graph = graph.branch("ask", |state: &Log| if state.n < 3 { "ask" } else { END });
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    let mut outcome = graph.run(lines([])).thread("t").outcome().await.unwrap();
    let mut ids = Vec::new();
    for n in 0..3 {
        assert_eq!(questions(&outcome), [format!("{n}?")]);
        ids.push(outcome.interrupts.unwrap()[0].id.clone());
        outcome = graph.resume("t", format!("answer {n}")).outcome().await.unwrap();
    }
    assert_eq!(outcome.state.log, ["answer 0", "answer 1", "answer 2"]);
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

/// left and right ask, free does not; then join.
fn parallel(journal: &Journal) -> Graph<Log> {
    let graph = graph().node("left", asks(["left?"])).node("right", asks(["right?"]));
    let graph = graph.node("free", notes("free", journal, 5)).node("end", says("end"));
    let graph = graph.edge(START, "left").edge(START, "right").edge(START, "free");
    graph.join(["left", "right", "free"], "end").compile().unwrap().checkpointer(Memory::new())
}

#[tokio::test(start_paused = true)]
async fn several_questions_wait_and_are_answered_by_their_ids_together_or_one_by_one() {
    for together in [true, false] {
        let journal = Journal::default();
        let graph = parallel(&journal);
        let outcome = graph.run(lines([])).thread("t").outcome().await.unwrap();
        assert_eq!(
            (questions(&outcome), &outcome.state.log),
            (vec!["left?".into(), "right?".into()], &vec!["free".into()])
        );
        let asked = outcome.interrupts.unwrap();
        let error = graph.resume("t", "which?").await.unwrap_err();
        assert_eq!((error.kind(), error.name()), (ErrorKind::InvalidInput, Some("RuntimeError")));
        let named: Vec<String> = asked.iter().map(|asked| format!("{} ({})", asked.id, asked.value)).collect();
        assert!(error.to_string().contains(&named.join(", ")), "in the order in which they were asked: {error}");
        let answers = asked.iter().map(|asked| (&*asked.id, json!(asked.value.as_str().unwrap().to_uppercase())));
        let end = if together {
            graph.resume_by_id("t", answers).await.unwrap()
        } else {
            let [one, two] = answers.collect::<Vec<_>>().try_into().unwrap();
            let left = graph.resume_by_id("t", [two]).outcome().await.unwrap();
            assert_eq!(left.interrupts.as_deref(), Some(&asked[..1]));
            graph.resume_by_id("t", [one]).await.unwrap()
        };
        assert_eq!(end.log, ["free", "left? LEFT?", "right? RIGHT?", "end"]);
        assert_eq!(journal.take(), ["free"], "a node that had finished does not run again");
    }
}

#[tokio::test(start_paused = true)]
async fn what_finished_beside_a_question_is_told_as_cached_when_the_run_goes_on() {
    let journal = Journal::default();
    let graph = parallel(&journal);
    let asked = graph.run(lines([])).thread("t").outcome().await.unwrap().interrupts.unwrap();
    let answers = asked.iter().map(|asked| (&*asked.id, json!("x")));
    let items: Vec<_> = graph.resume_by_id("t", answers).watch([Mode::Updates]).try_collect().await.unwrap();
    let told = items.iter().map(|item| match item {
        Item::Updates { node, cached, .. } => format!("{node} {cached}"),
        other => format!("{other:?}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), ["free true", "left false", "right false", "end false"]);
}

#[tokio::test]
async fn a_question_inside_a_graph_as_a_node_or_in_a_function_comes_out_and_its_answer_goes_in() {
    let inner = || {
        let graph = graph()
            .node("before", says("before"))
            .node("ask", asks(["in?"]))
            .edge(START, "before")
            .edge("before", "ask");
        graph.compile().unwrap()
    };
    let call = {
        let inner = inner();
        move |_: Arc<Log>, cx: Cx| {
            let inner = inner.clone();
            async move { Ok(Log::update().log(inner.invoke(lines(["called"]), &cx).await?.log)) }
        }
    };
    let node = StateGraph::new().graph_with(
        "child",
        inner(),
        |_: &Log| lines(["called"]),
        |end: Log| Log::update().log(end.log),
    );
    for graph in [node, graph().node("child", call)] {
        let graph = graph.node("after", says("after")).edge(START, "child").edge("child", "after");
        let graph = graph.compile().unwrap().checkpointer(Memory::new());
        let outcome = graph.run(lines(["out"])).thread("t").outcome().await.unwrap();
        assert_eq!((questions(&outcome), outcome.state.log), (vec!["in?".to_owned()], vec!["out".to_owned()]));
        let end = graph.resume("t", "yes").await.unwrap();
        assert_eq!(end.log, ["out", "called", "before", "in? yes", "after"]);
    }
}

#[tokio::test]
async fn a_spawned_task_may_ask_too() {
    async fn ask(_: Arc<Log>, cx: Cx) -> Result<common::LogUpdate> {
        #[expect(clippy::disallowed_methods, reason = "awaited right here")]
        let task = tokio::spawn(async move { cx.interrupt::<String>("spawned?").await });
        Ok(lines([&*task.await.map_err(Error::failed)??]))
    }
    let graph = graph().node("ask", ask).edge(START, "ask").compile().unwrap().checkpointer(Memory::new());
    let outcome = graph.run(lines([])).thread("t").outcome().await.unwrap();
    assert_eq!(questions(&outcome), ["spawned?"]);
    assert_eq!(graph.resume("t", "sure").await.unwrap().log, ["sure"]);
}

#[tokio::test]
async fn an_answer_of_the_wrong_type_fails_the_node_and_a_right_one_can_follow() {
    let graph = asking(["name?"]);
    graph.run(lines([])).thread("t").outcome().await.unwrap();
    let error = graph.resume("t", 7).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("the answer 7 is not what the node asked for"), "{error}");
    let failed = graph.state("t").await.unwrap().unwrap();
    assert_eq!(failed.tasks[0].error.as_ref().map(|error| &*error.code), Some("invalid_input"));
    assert_eq!(graph.resume("t", "Ann").await.unwrap().log, ["a", "name? Ann", "b"]);
}

#[tokio::test]
async fn a_node_that_is_tried_again_gets_the_same_answers() {
    let tries = Arc::new(AtomicU32::new(0));
    let flaky = move |_: Arc<Log>, cx: Cx| {
        let tries = tries.clone();
        async move {
            let (first, second): (String, String) = (cx.interrupt("first?").await?, cx.interrupt("second?").await?);
            match tries.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Err(Error::new(ErrorKind::ProviderFailed, "not yet")),
                _ => Ok(lines([&*first, &*second])),
            }
        }
    };
    let retry = Retry { initial: Duration::ZERO, ..Retry::default() };
    let graph = graph().node("flaky", flaky).retry("flaky", retry).edge(START, "flaky");
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    graph.run(lines([])).thread("t").outcome().await.unwrap();
    graph.resume("t", "1").outcome().await.unwrap();
    assert_eq!(graph.resume("t", "2").await.unwrap().log, ["1", "2"]);
}

#[tokio::test]
async fn an_answer_needs_a_thread_that_keeps_something() {
    let without = graph().node("ask", asks(["name?"])).edge(START, "ask").compile().unwrap();
    // Without a thread a question can be asked, and the run says so; nobody can answer.
    assert_eq!(questions(&without.run(lines([])).outcome().await.unwrap()), ["name?"]);
    let error = without.resume("t", "Ann").await.unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::InvalidInput, Some("RuntimeError")));
    assert!(error.to_string().contains("checkpointer"), "{error}");
    let with = without.checkpointer(Memory::new());
    // In a thread without a checkpoint nothing was asked: the graph begins, and the answer is not for its question.
    let outcome = with.resume("nobody", "Ann").outcome().await.unwrap();
    assert_eq!((questions(&outcome), outcome.state.log), (vec!["name?".to_owned()], vec![]));
}

#[tokio::test]
async fn an_answer_where_nothing_waits_changes_nothing() {
    let graph = asking(["name?"]);
    graph.run(lines([])).thread("t").outcome().await.unwrap();
    let end = graph.resume("t", "Ann").await.unwrap();
    assert_eq!(graph.resume("t", "Bob").await.unwrap(), end);
    // Nor is it kept for a question that comes later.
    let next = graph.run(lines([])).thread("t").outcome().await.unwrap();
    assert_eq!(questions(&next), ["name?"]);
    let unknown = graph.resume_by_id("t", [("0123456789abcdef0123456789abcdef", "Bob")]).outcome().await.unwrap();
    assert_eq!(unknown.interrupts, next.interrupts);
}

#[tokio::test]
async fn an_answer_may_come_with_a_change_and_a_way() {
    let graph = asking(["name?"]);
    graph.run(lines([])).thread("t").outcome().await.unwrap();
    let end = graph.resume("t", "Ann").and(Command::none().update(lines(["by the way"]))).await.unwrap();
    assert_eq!(end.log, ["a", "by the way", "name? Ann", "b"]);
}

#[tokio::test(start_paused = true)]
async fn streams_of_a_run_that_waits_end_without_an_error() {
    let journal = Journal::default();
    let graph = parallel(&journal);
    let mut events = graph.run(lines([])).thread("events").events();
    let (mut asked, mut last) = (Vec::new(), None);
    while let Some(event) = events.next().await {
        match event.unwrap().body {
            Body::Interrupted { interrupts, .. } => asked.extend(texts(&interrupts)),
            Body::Finished(end) => last = Some((end.outcome, end.error.is_none())),
            _ => {}
        }
    }
    asked.sort();
    assert_eq!((asked, last), (vec!["left?".to_owned(), "right?".to_owned()], Some((Outcome::Interrupted, true))));
    for modes in [&[Mode::Values][..], &[Mode::Updates], &[Mode::Tasks], &[Mode::Values, Mode::Updates]] {
        let items: Vec<_> =
            graph.run(lines([])).thread("items").watch(modes.iter().copied()).try_collect().await.unwrap();
        let interrupted = items.iter().filter(|item| matches!(item, Item::Interrupted { .. })).count();
        assert_eq!(interrupted, if modes == [Mode::Tasks] { 0 } else { 2 }, "{modes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_beside_a_question_is_the_failure_of_the_run_and_the_question_stays() {
    let heal = Arc::new(AtomicU32::new(0));
    let bad = move |_: Arc<Log>, _: Cx| -> Later {
        let heal = heal.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            match heal.fetch_add(1, Ordering::Relaxed) {
                0 => Err(Error::new(ErrorKind::Failed, "boom")),
                _ => Ok(lines(["healed"])),
            }
        }
        .boxed()
    };
    let graph = graph().node("ask", asks(["name?"])).node("bad", bad).edge(START, "ask").edge(START, "bad");
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    assert_eq!(graph.run(lines([])).thread("t").outcome().await.unwrap_err().to_string(), "boom");
    let state = graph.state("t").await.unwrap().unwrap();
    assert_eq!(texts(state.interrupts()), ["name?"]);
    assert_eq!(graph.resume("t", "Ann").await.unwrap().log, ["name? Ann", "healed"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_not_for_a_question_that_another_node_asks_only_now() {
    let turns = Arc::new(AtomicU32::new(0));
    // Fails in the first run, and asks in the second before the others come to it.
    let late = move |_: Arc<Log>, cx: Cx| {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        async move {
            if turn == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                return Err(Error::new(ErrorKind::Failed, "boom"));
            }
            Ok(lines([&*cx.interrupt::<String>("late?").await?]))
        }
    };
    let inner = graph().node("ask", asks(["name?"])).edge(START, "ask").compile().unwrap();
    let graph = graph().graph_with("z", inner, |_: &Log| lines([]), |end: Log| Log::update().log(end.log));
    let graph = graph.node("late", late).edge(START, "z").edge(START, "late");
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    graph.run(lines([])).thread("t").outcome().await.unwrap_err();
    assert_eq!(texts(graph.state("t").await.unwrap().unwrap().interrupts()), ["name?"]);
    let outcome = graph.resume("t", "Ann").outcome().await.unwrap();
    assert_eq!((questions(&outcome), outcome.state.log), (vec!["late?".to_owned()], vec!["name? Ann".to_owned()]));
}

#[tokio::test]
async fn an_answer_that_was_given_at_a_stop_is_for_the_step_that_follows_alone() {
    let graph = asking(["name?"]);
    graph.run(lines([])).thread("t").interrupt_before(["a"]).outcome().await.unwrap();
    assert_eq!(questions(&graph.resume("t", "for nobody").outcome().await.unwrap()), ["name?"]);
    let graph = asking(["name?"]);
    graph.run(lines([])).thread("t").interrupt_before(["ask"]).outcome().await.unwrap();
    assert_eq!(graph.resume("t", "Ann").await.unwrap().log, ["a", "name? Ann", "b"]);
}
