//! What the tests of this crate share: a state, nodes that say what they do, and a store that can be slow and can fail.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "each test file uses its part, and a test may fail this way"
)]

pub(crate) mod random;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream_core::{Cx, Interrupt, Result};
use millstream_graph::{Graph, GraphRun, IntoInput, Memory, Outcome, State, StateGraph, append};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The state of most tests: what was said, and a number.
#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
pub(crate) struct Log {
    #[reduce(append)]
    pub(crate) log: Vec<String>,
    pub(crate) n: i64,
}

/// The input that writes `lines`, and nothing else.
pub(crate) fn lines<const N: usize>(lines: [&str; N]) -> LogUpdate {
    Log::update().log(lines)
}

pub(crate) fn graph() -> StateGraph<Log> {
    StateGraph::new()
}

/// What happened, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// What was noted since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// How often each line was noted.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for line in self.0.lock().unwrap().iter() {
            *counts.entry(line.clone()).or_default() += 1;
        }
        counts
    }
}

/// A node's answer, some time later.
pub(crate) type Later<T = LogUpdate> = BoxFuture<'static, Result<T>>;

/// A node that writes its name.
pub(crate) fn says(name: &'static str) -> impl Fn(Arc<Log>, Cx) -> Later {
    move |_, _| async move { Ok(lines([name])) }.boxed()
}

/// A node that notes in `journal` that it runs, takes so many milliseconds, and writes its name.
pub(crate) fn notes(name: &'static str, journal: &Journal, after: u64) -> impl Fn(Arc<Log>, Cx) -> Later + use<> {
    let journal = journal.clone();
    move |_, _| {
        let journal = journal.clone();
        async move {
            journal.note(name);
            tokio::time::sleep(Duration::from_millis(after)).await;
            Ok(lines([name]))
        }
        .boxed()
    }
}

/// A node that asks each of `questions` and writes the answers.
pub(crate) fn asks<const N: usize>(questions: [&'static str; N]) -> impl Fn(Arc<Log>, Cx) -> Later {
    move |_, cx| {
        async move {
            let mut answers = Vec::new();
            for question in questions {
                let answer: String = cx.interrupt(question).await?;
                answers.push(format!("{question} {answer}"));
            }
            Ok(Log::update().log(answers))
        }
        .boxed()
    }
}

/// The questions that a run waits for, sorted.
pub(crate) fn questions<S>(outcome: &Outcome<S>) -> Vec<String> {
    texts(outcome.interrupts.as_deref().unwrap_or_default())
}

pub(crate) fn texts<'a>(interrupts: impl IntoIterator<Item = &'a Interrupt>) -> Vec<String> {
    let mut texts: Vec<String> =
        interrupts.into_iter().map(|asked| asked.value.as_str().unwrap_or("?").to_owned()).collect();
    texts.sort();
    texts
}

/// Goes on with whatever `thread` waits for, until it waits for nothing: every question is answered with `answer`. A thread that has
/// nothing begins with `input`.
pub(crate) async fn to_the_end<S: State>(
    graph: &Graph<S>,
    thread: &str,
    input: impl IntoInput<S> + Clone,
    with: impl Fn(GraphRun<S>) -> GraphRun<S>,
) -> S {
    for _ in 0..1000 {
        let run = match graph.state(thread).await.unwrap() {
            None => graph.run(input.clone()).thread(thread),
            Some(found) => {
                let asked: Vec<_> = found.interrupts().collect();
                match asked.is_empty() {
                    true => graph.go_on(thread),
                    false => graph.resume_by_id(thread, asked.iter().map(|asked| (&*asked.id, json!(answer(asked))))),
                }
            }
        };
        let ended = with(run).outcome().await.unwrap();
        if ended.interrupts.is_none() {
            return ended.state;
        }
    }
    panic!("the graph does not come to its end");
}

/// What everybody answers to a question.
pub(crate) fn answer(asked: &Interrupt) -> String {
    format!("yes to {}", asked.value)
}

pub(crate) fn virtual_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}
