//! What holds for every graph.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use common::random::{Part, Way, build, drive, drive_by_polls, next_run, parts, without_one_state, without_questions};
use common::store::Store;
use common::{Journal, Later, Log, LogUpdate, graph, lines, virtual_time};
use futures_util::{FutureExt, TryStreamExt};
use millstream_core::{Body, Channels, Cx, Demo, Event, Model, Runnable, Task};
use millstream_graph::{Checkpointer, Durability, Graph, Item, Memory, Mode, START};
use proptest::prelude::*;
use uuid::Uuid;

fn durability() -> impl Strategy<Value = Durability> {
    prop_oneof![Just(Durability::Sync), Just(Durability::Async), Just(Durability::Exit)]
}

fn kept(parts: &[Part], ran: &Journal, store: impl Checkpointer) -> Graph<Log> {
    build(parts, "n", ran).compile().unwrap().checkpointer(store)
}

async fn state(graph: &Graph<Log>) -> Log {
    graph.state("t").await.unwrap().unwrap().values
}

/// The same for every kind of part alone, twice where that is another thing.
#[test]
fn each_kind_of_part_goes_on_wherever_its_run_was_dropped() {
    let inside = |way| Part::Inside(vec![Part::Say(1), Part::Ask(1), Part::Sends(vec![1, 0])], way, 2);
    let kinds = [
        Part::Shout(3),
        Part::Fan(vec![(2, 1), (1, 3)]),
        Part::Choice(1, 2),
        Part::Again(3),
        Part::Sends(vec![2, 0, 1]),
        Part::Deferred(1, 0),
        Part::Goto(1),
        Part::Ask(2),
        inside(Way::Node),
        inside(Way::OneState),
        inside(Way::Called),
        Part::Inside(vec![Part::Say(1), Part::Say(0)], Way::Nothing, 2),
    ];
    for kind in kinds {
        for durability in [Durability::Sync, Durability::Async, Durability::Exit] {
            virtual_time(dropped_anywhere(vec![kind.clone(), Part::Say(0)], durability));
        }
    }
}

async fn dropped_anywhere(parts: Vec<Part>, durability: Durability) {
    // What a graph inside keeps for all its runs may be saved before that of the graph around it, unless that is waited for.
    let parts = if durability == Durability::Sync { parts } else { without_one_state(&parts) };
    let ran = Journal::default();
    let graph = kept(&parts, &ran, Memory::new());
    let events = drive(&graph, "t", durability, None).await.unwrap();
    let (wanted, once) = (state(&graph).await, ran.counts());
    let polls = drive_by_polls(&kept(&parts, &ran, Store::default()), "t", durability, None).await;
    // Otherwise all that a graph did since it began, or since it was asked something, is done again.
    let keeps_steps = durability != Durability::Exit && !parts.iter().any(keeps_nothing);
    let check = |end: Log, ran: Journal, when: String| {
        assert_eq!(end, wanted, "dropped after {when}: {parts:?}");
        for (task, times) in ran.counts() {
            let usual = once.get(&task).copied().unwrap_or_default();
            let most = if keeps_steps { usual + 1 } else { 2 * usual };
            assert!((usual..=most).contains(&times), "{task} ran {times} times and not {usual}, dropped after {when}");
        }
        assert_eq!(ran.counts().len(), once.len());
    };
    for kill in 0..events {
        let ran = Journal::default();
        let graph = kept(&parts, &ran, Memory::new());
        drive(&graph, "t", durability, Some(kill)).await.unwrap();
        check(state(&graph).await, ran, format!("{kill} of {events} events"));
    }
    for kill in 0..polls {
        let ran = Journal::default();
        let graph = kept(&parts, &ran, Store::default());
        drive_by_polls(&graph, "t", durability, Some(kill)).await;
        check(state(&graph).await, ran, format!("{kill} of {polls} polls"));
    }
}

fn keeps_nothing(part: &Part) -> bool {
    matches!(part, Part::Inside(_, Way::Nothing, _))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// A run that is dropped after any of its events, and then goes on, ends as one that was not, and does nothing again but the step that ran.
    #[test]
    fn a_run_that_is_dropped_anywhere_and_goes_on_ends_as_one_that_was_not(parts in parts(), durability in durability()) {
        virtual_time(dropped_anywhere(parts, durability));
    }

    /// The same at any time, several times, also in the middle of saving to a slow store.
    #[test]
    fn a_run_that_is_dropped_at_any_time_and_goes_on_ends_as_one_that_was_not(
        parts in parts(),
        durability in durability(),
        takes in 0..4_u64,
        kills in prop::collection::vec(0..60_u64, 1..6),
    ) {
        virtual_time(async {
            let parts = if durability == Durability::Sync { parts } else { without_one_state(&parts) };
            let graph = kept(&parts, &Journal::default(), Memory::new());
            drive(&graph, "t", Durability::Sync, None).await.unwrap();
            let wanted = state(&graph).await;
            let graph = kept(&parts, &Journal::default(), Store::slow(takes));
            for kill in kills {
                let run = next_run(&graph, "t").await.durability(durability);
                drop(tokio::time::timeout(Duration::from_millis(kill), run.outcome()).await);
            }
            drive(&graph, "t", durability, None).await.unwrap();
            assert_eq!(state(&graph).await, wanted);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// R49: whoever folds what a run tells has what awaiting it gives.
    #[test]
    fn the_last_values_and_the_folded_updates_are_what_awaiting_gives(parts in parts()) {
        virtual_time(async {
            let graph = build(&without_questions(&parts), "n", &Journal::default()).compile().unwrap();
            let begin = || lines(["begin"]);
            let awaited = graph.run(begin()).await.unwrap();
            let last = graph.run(begin()).values().try_collect::<Vec<_>>().await.unwrap().pop().unwrap();
            assert_eq!(*last, awaited);

            let mut items = graph.run(begin()).watch([Mode::Updates, Mode::Tasks, Mode::Values]);
            let mut folded = Log { log: vec!["begin".to_owned()], n: 0 };
            // Tasks of the step, as they began: what was sent first, in its order, then nodes by their names.
            let mut step: Vec<(Arc<Task>, Vec<LogUpdate>)> = Vec::new();
            let mut told = 0;
            while let Some(item) = items.try_next().await.unwrap() {
                match item {
                    Item::TaskStarted { task, .. } => step.push((task, Vec::new())),
                    Item::TaskFinished { task, updates, .. } => {
                        step.iter_mut().find(|(known, _)| known.id == task.id).unwrap().1 = updates;
                    }
                    Item::Updates { .. } => told += 1,
                    Item::Values { state } => {
                        // They are applied the other way round: nodes, then what was sent.
                        let (sent, nodes): (Vec<_>, Vec<_>) =
                            std::mem::take(&mut step).into_iter().partition(|(task, _)| *task.triggers == ["__pregel_push"]);
                        for update in nodes.into_iter().chain(sent).flat_map(|(_, updates)| updates) {
                            told -= 1;
                            apply(&mut folded, &update);
                        }
                        assert_eq!(*state, folded);
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((told, &folded), (0, &awaited));
        });
    }

    /// Each mode alone is that mode out of all of them, and each channel of events too.
    #[test]
    fn each_mode_alone_is_what_it_is_among_the_others(parts in parts()) {
        virtual_time(async {
            let graph = build(&parts, "n", &Journal::default()).compile().unwrap().checkpointer(Memory::new());
            let channels = [
                Channels::VALUES, Channels::UPDATES, Channels::MESSAGES, Channels::CUSTOM, Channels::TASKS, Channels::CHECKPOINTS,
            ];
            let told = |channels: Channels| {
                let run = graph.run(lines(["begin"])).thread(Uuid::new_v4().to_string());
                run.events_of(channels).map_ok(bare).try_collect::<Vec<_>>()
            };
            let all = told(Channels::ALL).await.unwrap();
            for channel in channels {
                let alone = told(channel).await.unwrap();
                let among = all.iter().filter(|event| channel_of(&event.body).is_none_or(|of| of == channel));
                let nobody = HashMap::new();
                assert!(streams(alone.iter(), &nobody) == streams(among, &nobody), "{channel:?}");
            }
        });
    }

    /// R19: what runs side by side separates to what each gives alone, whatever came between.
    #[test]
    fn what_runs_side_by_side_separates_to_what_each_gives_alone(
        graphs in prop::collection::vec(parts(), 2..4),
        words in "[a-z]{1,6}( [a-z]{1,6}){0,5}",
        delays in prop::collection::vec(0..5_u64, 2),
    ) {
        virtual_time(async {
            let names: Vec<String> = (0..graphs.len() + delays.len()).map(|number| format!("side{number}")).collect();
            let with = |sides: &[String]| {
                let mut graph = graph();
                for name in sides {
                    let number = names.iter().position(|known| known == name).unwrap();
                    graph = match graphs.get(number) {
                        Some(parts) => {
                            let inner = build(&without_questions(parts), "n", &Journal::default()).compile().unwrap();
                            graph.graph_with(name.clone(), inner, |_: &Log| lines(["in"]), |end: Log| Log::update().log(end.log))
                        }
                        None => graph.node(name.clone(), model(&words, delays[number - graphs.len()])),
                    };
                    graph = graph.edge(START, name);
                }
                graph.compile().unwrap()
            };
            let together: Vec<Event> = with(&names).run(lines(["begin"])).events().try_collect().await.unwrap();
            for name in &names {
                let alone: Vec<Event> = with(std::slice::from_ref(name)).run(lines(["begin"])).events().try_collect().await.unwrap();
                assert!(side(&together, name) == side(&alone, name), "{name}");
            }
            // Nothing comes from nowhere: what belongs to no side is of the graph itself.
            let mut others = together.iter().filter(|event| side_of(event).is_none_or(|side| !names.iter().any(|name| name == side)));
            assert!(others.all(|event| event.scope.parent_ids.is_empty()));
        });
    }
}

fn apply(state: &mut Log, update: &LogUpdate) {
    let update = serde_json::to_value(update).unwrap();
    let lines = update["log"].as_array().into_iter().flatten();
    state.log.extend(lines.map(|line| line.as_str().unwrap().to_owned()));
    state.n = update["n"].as_i64().unwrap_or(state.n);
}

/// A node in which a model says `words`, a word every so many milliseconds.
fn model(words: &str, delay: u64) -> impl Fn(Arc<Log>, Cx) -> Later + use<> {
    let model = Model::from(Demo::says([words]).with_delay(Duration::from_millis(delay)));
    move |_, cx| {
        let model = model.clone();
        async move { Ok(lines([&*model.invoke("go", &cx).await?.text()])) }.boxed()
    }
}

fn channel_of(body: &Body) -> Option<Channels> {
    Some(match body {
        Body::Values { .. } => Channels::VALUES,
        Body::Updates { .. } => Channels::UPDATES,
        Body::Message { .. } | Body::MessageReturned { .. } => Channels::MESSAGES,
        Body::Custom { .. } => Channels::CUSTOM,
        Body::TaskStarted { .. } | Body::TaskFinished { .. } => Channels::TASKS,
        Body::Checkpoint(_) => Channels::CHECKPOINTS,
        Body::RunnableStarted { .. } | Body::RunnableChunk { .. } | Body::RunnableFinished { .. } => {
            Channels::RUNNABLES
        }
        _ => return None,
    })
}

/// The outermost node that an event is about; none if it is about the graph.
fn side_of(event: &Event) -> Option<&str> {
    match (event.scope.namespace.first(), &event.body) {
        (Some(segment), _) => segment.split(':').next(),
        (None, Body::Updates { node, .. }) => Some(node),
        (None, Body::TaskStarted { task, .. } | Body::TaskFinished { task, .. }) => Some(&task.name),
        (None, _) => event.scope.node.as_deref(),
    }
}

/// An event without what is only known of its scope if somebody asks for it.
fn bare(mut event: Event) -> Event {
    let scope = Arc::make_mut(&mut event.scope);
    scope.tags.clear();
    scope.metadata.clear();
    event
}

/// What is told of one side.
fn side(events: &[Event], name: &str) -> Vec<Vec<String>> {
    let names = events.iter().map(|event| (event.scope.run_id, event.scope.name.clone())).collect();
    streams(events.iter().filter(|event| side_of(event) == Some(name)), &names)
}

/// What is told, each execution for itself, and each task of a graph: who of several is first at the same instant is not promised.
fn streams<'a>(events: impl Iterator<Item = &'a Event>, names: &HashMap<Uuid, Arc<str>>) -> Vec<Vec<String>> {
    let mut streams: HashMap<(Uuid, String), Vec<&Event>> = HashMap::new();
    for event in events {
        let about = match &event.body {
            Body::TaskStarted { task, .. } | Body::TaskFinished { task, .. } => task.id.to_string(),
            Body::Updates { node, .. } => node.to_string(),
            _ => String::new(),
        };
        streams.entry((event.scope.run_id, about)).or_default().push(event);
    }
    let told = streams.into_values().map(|events| {
        let mut told = masked(events.iter().copied());
        if matches!(events[0].body, Body::Updates { .. }) {
            told.sort();
        }
        let around: Vec<_> = events[0].scope.parent_ids.iter().map(|parent| names.get(parent)).collect();
        told.push(format!("inside {around:?}"));
        told
    });
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}

/// What was told, with a number for each id, by the order in which they come.
fn masked<'a, T: serde::Serialize + 'a>(told: impl Iterator<Item = &'a T>) -> Vec<String> {
    let mut ids: HashMap<String, usize> = HashMap::new();
    told.map(|told| {
        let mut text = serde_json::to_string(told).unwrap();
        let is_id = |word: &str| {
            Uuid::try_parse(word).is_ok() || (word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        let words: Vec<String> = text
            .split(|letter: char| !letter.is_ascii_hexdigit() && letter != '-')
            .map(|word| word.trim_matches('-').to_owned())
            .filter(|word| is_id(word))
            .collect();
        for word in words {
            let next = ids.len();
            let number = *ids.entry(word.clone()).or_insert(next);
            text = text.replace(&word, &format!("<{number}>"));
        }
        text
    })
    .collect()
}
