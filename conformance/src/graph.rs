//! Graphs of the cases, built on the dynamic state of Millstream's graphs and run.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use millstream::graph::{GraphRun as Running, Json, Mode};
use millstream::{Error, ErrorKind, Event, EventFilter, Interrupt};
use millstream_protocol::events_v2::EventsV2;
use millstream_protocol::stream_modes::{self, StreamItem, checkpoint_config};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::case::{At, Command, Durability, GraphCase, GraphRun, GraphStep, Version};
use crate::expression::{Command as Order, Environment};
use crate::message::ReferenceForm;
use crate::outcome::{Skip, StepOutcome, failure_of, unsupported};

mod agent;
mod answer;
mod build;
mod end;
mod prebuilt;
mod script;
mod shown;
mod snapshot;
mod tool;
mod view;
mod world;

use agent::AgentView;
use build::Built;
pub(crate) use build::graph_step;
pub use end::{awaited, folded};
pub(crate) use script::{InputOnly, Script};
use shown::as_reference;
pub(crate) use tool::tool_of;
pub(crate) use world::World;

/// The thread of a step that names none.
const THREAD: &str = "t1";

/// Runs a graph case.
///
/// # Errors
/// Why the case is skipped.
pub async fn run(case: GraphCase) -> Result<Vec<StepOutcome>, Skip> {
    let world = Arc::new(World::new(case.parts));
    let main = Built::new(&world, "main")?;
    let mut outcomes = Vec::with_capacity(case.steps.len());
    for step in case.steps {
        outcomes.push(perform(&main, &world, step).await?);
        // What happened after something was missing means nothing.
        if let Some(missing) = world.missing() {
            return Err(missing);
        }
    }
    Ok(outcomes)
}

/// What a step of a case produces.
async fn perform(main: &Built, world: &World, step: GraphStep) -> Result<StepOutcome, Skip> {
    Ok(match step {
        GraphStep::Stream { modes, subgraphs, version, run } => {
            stream(main, world, modes.as_slice(), subgraphs, version, &run).await?
        }
        GraphStep::Events { filter, version, run } => events(main, world, filter, version, &run).await?,
        GraphStep::Invoke { run } => invoke(main, world, &run).await?,
        GraphStep::State { subgraphs, thread, at, .. } => {
            StepOutcome::of(state(main, thread.as_deref(), at, subgraphs).await)
        }
        GraphStep::History { limit, filter, thread, at, .. } => {
            StepOutcome::of(history(main, thread.as_deref(), at, limit, filter.unwrap_or_default()).await)
        }
        GraphStep::Update { values, as_node, thread, at, .. } => {
            let values = values.evaluate(&Nothing).map_err(|raised| unsupported(format!("{raised:?}")))?;
            StepOutcome::of(update(main, world, &values, as_node.as_deref(), thread.as_deref(), at).await)
        }
    })
}

async fn state(main: &Built, thread: Option<&str>, at: Option<At>, subgraphs: bool) -> Result<Value, Error> {
    let thread = thread.unwrap_or(THREAD);
    let found = match at {
        Some(at) => main.graph.state_at(thread, checkpoint(main, thread, at).await?).await?,
        None if subgraphs => main.graph.state_with_subgraphs(thread).await?,
        None => main.graph.state(thread).await?,
    };
    Ok(found.map_or_else(|| snapshot::nothing(thread), |found| as_reference(&snapshot::state(&found, subgraphs))))
}

async fn history(
    main: &Built,
    thread: Option<&str>,
    at: Option<At>,
    limit: Option<usize>,
    filter: Map<String, Value>,
) -> Result<Value, Error> {
    let thread = thread.unwrap_or(THREAD);
    // A history that is addressed at a checkpoint is that checkpoint, as in the reference's stores.
    let found = match at {
        Some(at) => main.graph.state_at(thread, checkpoint(main, thread, at).await?).await?.into_iter().collect(),
        None => main.graph.history(thread, None, None).await?,
    };
    let all = found.iter().map(|found| snapshot::state(found, false));
    let wanted = all.filter(|found| filter.iter().all(|(key, value)| found["metadata"].get(key) == Some(value)));
    Ok(wanted.take(limit.unwrap_or(usize::MAX)).map(|found| as_reference(&found)).collect())
}

async fn update(
    main: &Built,
    world: &World,
    values: &Value,
    as_node: Option<&str>,
    thread: Option<&str>,
    at: Option<At>,
) -> Result<Value, Error> {
    let thread = thread.unwrap_or(THREAD);
    let answer = answer::read(world, values, &|key| main.has(key))?;
    let mut update = main.graph.update_as(thread, answer);
    if let Some(node) = as_node {
        update = update.as_node(node);
    }
    if let Some(at) = at {
        update = update.at(checkpoint(main, thread, at).await?);
    }
    Ok(checkpoint_config(&update.save().await?, &BTreeMap::new()))
}

/// The checkpoint at a place in the history of a thread.
async fn checkpoint(main: &Built, thread: &str, at: At) -> Result<Uuid, Error> {
    let history = main.graph.history(thread, None, Some(at.history + 1)).await?;
    let found = history.get(at.history).map(|found| found.at.id);
    found.ok_or_else(|| Error::new(ErrorKind::InvalidInput, format!("the history of {thread:?} is not that long")))
}

async fn stream(
    main: &Built,
    world: &World,
    modes: &[String],
    subgraphs: bool,
    version: Option<Version>,
    run: &GraphRun,
) -> Result<StepOutcome, Skip> {
    if version == Some(Version::V3) {
        return Err(unsupported("streams of version v3"));
    }
    let keys = main.keys(run.output_keys.as_ref());
    let (form, told_as) = match version {
        Some(Version::V2) => (stream_modes::Version::V2, view::part as fn(&StreamItem) -> Value),
        _ => (stream_modes::Version::V1, view::tuple as fn(&StreamItem) -> Value),
    };
    let view = view::of_run(view::modes(modes)?, keys, input(run)).version(form);
    let mut view = if subgraphs { view.with_subgraphs() } else { view };
    watch(main, world, run, STREAM_LIMIT, |event| view.push(event).iter().map(told_as).collect()).await
}

async fn events(
    main: &Built,
    world: &World,
    filter: EventFilter,
    version: Option<Version>,
    run: &GraphRun,
) -> Result<StepOutcome, Skip> {
    match version {
        None | Some(Version::V2) => {
            let mut view = EventsV2::with_form(given(run), ReferenceForm).only(filter);
            watch(main, world, run, EVENTS_LIMIT, |event| {
                view.push(event).map(|event| json!(event)).into_iter().collect()
            })
            .await
        }
        Some(Version::V3) => {
            let mut view = AgentView::new(main.keys(run.output_keys.as_ref()), input(run));
            watch(main, world, run, STREAM_LIMIT, |event| view.push(event)).await
        }
        Some(Version::V1) => Err(unsupported("events of version v1")),
    }
}

/// The input of a run that does not go on where another has stopped.
fn input(run: &GraphRun) -> Option<&Value> {
    (run.command.is_none() && !run.input.is_null()).then_some(&run.input)
}

/// What a run is given, as outputs write it.
fn given(run: &GraphRun) -> Value {
    let Some(command) = &run.command else { return run.input.clone() };
    let fields = [("resume", &command.resume), ("update", &command.update)];
    let set = fields.into_iter().filter_map(|(name, field)| Some((name.to_owned(), field.clone()?)));
    json!({ "$command": set.collect::<Map<_, _>>() })
}

/// Runs, and yields what `view` makes of the events.
async fn watch(
    main: &Built,
    world: &World,
    run: &GraphRun,
    limit: u64,
    mut view: impl FnMut(&Event) -> Vec<Value>,
) -> Result<StepOutcome, Skip> {
    let mut outcome = StepOutcome::streamed();
    let mut events = match start(main, world, run, limit).await {
        Ok(running) => running.events(),
        Err(error) => {
            outcome.fail(failure_of(&error));
            return Ok(outcome);
        }
    };
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                view(&event).iter().for_each(|told| outcome.push(prebuilt::as_create_agent(as_reference(told))));
            }
            Err(error) => outcome.fail(failure_of(&error)),
        }
    }
    Ok(outcome)
}

/// The reference invokes by streaming: what it returns are the last values that it told, and what was asked.
async fn invoke(main: &Built, world: &World, run: &GraphRun) -> Result<StepOutcome, Skip> {
    let keys = main.returned(run.output_keys.as_ref());
    let mut view = view::of_run([Mode::Values, Mode::Updates], keys, input(run)).version(stream_modes::Version::V2);
    let (mut last, mut asked) = (Value::Null, Vec::new());
    let mut watched = |told: StreamItem| match told.mode {
        Mode::Values if told.interrupts.is_empty() || told.data.is_object() => last = told.data,
        _ => asked.extend(told.data["__interrupt__"].as_array().into_iter().flatten().cloned()),
    };
    let mut events = match start(main, world, run, STREAM_LIMIT).await {
        Ok(running) => running.events(),
        Err(error) => return Ok(StepOutcome::of(Err(error))),
    };
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => view.push(&event).into_iter().for_each(&mut watched),
            Err(error) => return Ok(StepOutcome::of(Err(error))),
        }
    }
    if !asked.is_empty() {
        match &mut last {
            Value::Object(fields) => drop(fields.insert("__interrupt__".to_owned(), Value::Array(asked))),
            _ => last = json!({ "__interrupt__": asked }),
        }
    }
    Ok(StepOutcome::of(Ok(as_reference(&last))))
}

/// How many steps the reference gives a run that does not say; and one whose events are watched, which LangChain starts.
const STREAM_LIMIT: u64 = 10_007;
const EVENTS_LIMIT: u64 = 25;

/// The run of a step, or why it cannot begin.
async fn start(main: &Built, world: &World, run: &GraphRun, limit_unless_set: u64) -> Result<Running<Json>, Error> {
    let limit = run.config.recursion_limit.map(u64::try_from);
    if matches!(limit, Some(Err(_) | Ok(0))) {
        return Err(Error::new(ErrorKind::InvalidInput, "the limit of steps has to be at least 1"));
    }
    let thread = run.thread.as_deref().unwrap_or(THREAD);
    let mut running = match &run.command {
        Some(command) => commanded(main, world, thread, command).await?,
        None if run.input.is_null() => main.graph.go_on(thread),
        None => main.graph.run(main.input(&run.input)?),
    };
    if main.saves() {
        running = running.thread(thread);
    }
    if let Some(at) = run.at {
        running = running.at(checkpoint(main, thread, at).await?);
    }
    if let Some(nodes) = &run.interrupt_before {
        running = running.interrupt_before(build::breakpoints(nodes));
    }
    if let Some(nodes) = &run.interrupt_after {
        running = running.interrupt_after(build::breakpoints(nodes));
    }
    if let Some(durability) = run.durability {
        running = running.durability(match durability {
            Durability::Sync => millstream::graph::Durability::Sync,
            Durability::Async => millstream::graph::Durability::Async,
            Durability::Exit => millstream::graph::Durability::Exit,
        });
    }
    running = running.limit(limit.and_then(Result::ok).unwrap_or(limit_unless_set));
    if let Some(nodes) = run.config.max_concurrency {
        running = running.max_concurrency(nodes);
    }
    if let Some(name) = &run.config.run_name {
        running = running.named(name.as_str());
    }
    let tagged = run.config.tags.iter().fold(running, |running, tag| running.tag(tag.as_str()));
    let metadata = run.config.metadata.iter();
    Ok(metadata.fold(tagged, |running, (key, value)| running.metadata(key.as_str(), value.clone())))
}

/// A run that goes on with a command.
async fn commanded(main: &Built, world: &World, thread: &str, command: &Command) -> Result<Running<Json>, Error> {
    let Command { resume, resume_by, update, goto } = command;
    let goto = goto.as_ref().map(|goto| goto.evaluate(&Nothing)).transpose()?;
    let order = Order { graph: None, update: update.clone(), goto };
    let also = answer::command(world, &order, &|key| main.has(key))?;
    let by_id = |answers: &Map<String, Value>| {
        !answers.is_empty() && answers.keys().all(|id| id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()))
    };
    let running = match (resume, resume_by) {
        (_, Some(answers)) => {
            let state = main.graph.state(thread).await?;
            let asked: Vec<Interrupt> = state.iter().flat_map(|state| state.interrupts()).cloned().collect();
            let id = |question: &Value| {
                asked.iter().find(|asked| asked.value == *question).map(|asked| asked.id.to_string())
            };
            let answers = answers.iter().filter_map(|(question, answer)| Some((id(question)?, answer.clone())));
            main.graph.resume_by_id(thread, answers)
        }
        (Some(Value::Object(answers)), _) if by_id(answers) => main.graph.resume_by_id(thread, answers.clone()),
        (None | Some(Value::Null), _) => return Ok(main.graph.command(thread, also)),
        (Some(answer), _) => main.graph.resume(thread, answer),
    };
    Ok(running.and(also))
}

/// Nothing to look anything up in, for what stands in steps.
struct Nothing;

impl Environment for Nothing {}
