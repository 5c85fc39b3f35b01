//! Kinds of fields: what each does with writes, what is saved of it, and what the nodes see.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use millstream_core::{Cx, Error, ErrorKind, Message, Result, add_messages};
use millstream_graph::{
    Checkpointer, Command, END, Graph, Json, JsonKind, JsonUpdate, Memory, START, Schema, Send, State, StateGraph,
    Typed, append, max, merge, sum,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Kinds {
    #[reduce(append)]
    list: Vec<String>,
    #[reduce(sum)]
    total: i64,
    #[reduce(max)]
    best: f64,
    #[reduce(merge)]
    map: BTreeMap<String, i64>,
    #[reduce(|old: &mut String, new: String| old.push_str(&new))]
    text: String,
    last: Option<String>,
    #[state(any)]
    any: u8,
    #[state(ephemeral)]
    once: Vec<String>,
    #[state(untracked)]
    secret: String,
    #[state(remaining_steps)]
    left: u64,
    #[state(is_last_step)]
    is_last: bool,
}

fn kinds() -> StateGraph<Kinds> {
    StateGraph::new()
}

/// A node that writes what `make` makes of the state.
fn node(
    make: impl Fn(&Kinds) -> KindsUpdate + std::marker::Send + Sync + 'static,
) -> impl Fn(Arc<Kinds>, Cx) -> std::future::Ready<Result<KindsUpdate>> {
    move |state, _| std::future::ready(Ok(make(&state)))
}

/// A graph in which nodes with these updates run side by side.
fn side_by_side(updates: impl IntoIterator<Item = (&'static str, KindsUpdate)>) -> Graph<Kinds> {
    let graph = updates
        .into_iter()
        .fold(kinds(), |graph, (name, update)| graph.node(name, node(move |_| update.clone())).edge(START, name));
    graph.compile().unwrap()
}

fn up() -> KindsUpdate {
    Kinds::update()
}

#[tokio::test]
async fn parallel_writes_are_joined_in_the_order_of_the_names() {
    let graph = side_by_side([
        ("c", up().list(["c"]).total(3).best(1.5).text("c").any(7).map([("k".to_owned(), 3)])),
        (
            "a",
            up().list(["a", "A"]).total(1).best(2.5).text("a").any(7).map([("k".to_owned(), 1), ("a".to_owned(), 1)]),
        ),
        ("b", up().last("b".to_owned())),
    ]);
    let begin = Kinds { list: vec!["0".into()], total: 10, text: "0".into(), ..Kinds::default() };
    let end = graph.run(begin).await.unwrap();
    assert_eq!((end.list.concat(), end.total, end.best, &*end.text, end.any), ("0aAc".into(), 14, 2.5, "0ac", 7));
    assert_eq!((end.map, end.last.as_deref()), (BTreeMap::from([("k".into(), 3), ("a".into(), 1)]), Some("b")));
}

#[tokio::test]
async fn a_replacement_takes_the_place_of_everything_that_is_written_in_its_step() {
    let graph = side_by_side([("a", up().list(["a"])), ("b", up().replace_list(["b"])), ("c", up().list(["c"]))]);
    assert_eq!(graph.run(Kinds { list: vec!["0".into()], ..Kinds::default() }).await.unwrap().list, ["b"]);
    let twice = side_by_side([("a", up().replace_list(["a"])), ("b", up().replace_list(["b"]))]);
    let error = twice.run(Kinds::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("the nodes a and b wrote \"list\""), "{error}");
    // It does so through a checkpoint too: what was written before is gone.
    let graph = kinds().node("a", node(|_| up().list(["a"]))).node("b", node(|_| up().replace_list(["b"])));
    let graph = graph.node("c", node(|_| up().list(["c"]))).edge(START, "a").edge("a", "b").edge("b", "c");
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    graph.run(up().list(["0"])).thread("t").await.unwrap();
    let history = graph.history("t", None, None).await.unwrap();
    let lists: Vec<_> = history.iter().rev().map(|it| it.values.list.concat()).collect();
    assert_eq!(lists, ["", "0", "0a", "b", "bc"]);
}

#[tokio::test]
async fn two_last_values_in_one_step_name_the_nodes_also_of_sends() {
    let graph =
        side_by_side([("left", up().last("l".to_owned())), ("other", up()), ("right", up().last("r".to_owned()))]);
    let error = graph.run(Kinds::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::InvalidInput, Some("InvalidUpdateError")));
    assert!(error.to_string().starts_with("the nodes left and right wrote \"last\""), "{error}");
    let graph = kinds().node("work", node(|_| up().last("w".to_owned())));
    let graph =
        graph.branch(START, |_: &Kinds| vec![Send::new("work", Kinds::default()), Send::new("work", Kinds::default())]);
    let error = graph.compile().unwrap().run(Kinds::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("the nodes work and work wrote \"last\""), "{error}");
}

#[tokio::test]
async fn an_option_can_be_written_as_nothing_also_through_a_checkpoint() {
    let graph = kinds().node("clear", node(|_| up().last(None::<String>))).edge(START, "clear");
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    let run = graph.run(up().last("x".to_owned())).thread("t").interrupt_before(["clear"]);
    assert_eq!(run.outcome().await.unwrap().state.last.as_deref(), Some("x"));
    assert_eq!(graph.go_on("t").await.unwrap().last, None);
    // As what a task has given and the next run takes over.
    async fn ask(_: Arc<Kinds>, cx: Cx) -> Result<KindsUpdate> {
        Ok(up().list([cx.interrupt::<String>("?").await?]))
    }
    let graph = kinds().node("ask", ask).node("clear", node(|_| up().last(None::<String>).best(0.1)));
    let graph = graph.edge(START, "ask").edge(START, "clear").compile().unwrap().checkpointer(Memory::new());
    graph.run(up().last("x".to_owned())).thread("t").outcome().await.unwrap();
    let end = graph.resume("t", "!").await.unwrap();
    assert_eq!((end.last, end.list, end.best), (None, vec!["!".to_owned()], 0.1));
}

#[tokio::test]
async fn an_ephemeral_value_is_there_for_one_step_also_after_a_stop() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = {
        let seen = seen.clone();
        move |state: Arc<Kinds>, _: Cx| {
            seen.lock().unwrap().push(state.once.clone());
            async { Ok(()) }
        }
    };
    let graph = kinds().node("write", node(|_| up().once(["now"]))).node("look", look.clone()).node("again", look);
    let graph = graph.edge(START, "write").edge("write", "look").edge("look", "again");
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    let end = graph.run(Kinds::default()).thread("t").await.unwrap();
    assert_eq!(
        (end.once, seen.lock().unwrap().drain(..).collect::<Vec<_>>()),
        (vec![], vec![vec!["now".to_owned()], vec![]])
    );
    graph.run(up()).thread("t").interrupt_before(["look"]).outcome().await.unwrap();
    graph.go_on("t").await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [vec!["now".to_owned()], vec![]]);
    // The input is a write too.
    let first = Arc::new(Mutex::new(Vec::new()));
    let keep = first.clone();
    let look = move |state: Arc<Kinds>, _: Cx| {
        keep.lock().unwrap().extend(state.once.clone());
        async { Ok(()) }
    };
    let graph = kinds().node("look", look).edge(START, "look").compile().unwrap();
    assert_eq!(graph.run(up().once(["input"])).await.unwrap().once, [""; 0]);
    assert_eq!(*first.lock().unwrap(), ["input"]);
}

#[tokio::test]
async fn an_untracked_value_is_in_no_checkpoint_and_in_no_pending_write() {
    async fn ask(state: Arc<Kinds>, cx: Cx) -> Result<KindsUpdate> {
        Ok(up().list([format!("{} {}", cx.interrupt::<String>("?").await?, state.secret.len())]))
    }
    let size = |state: &Kinds| up().list([state.secret.len().to_string()]);
    let graph = kinds().node("know", node(move |state| size(state).secret("k3y!"))).node("ask", ask);
    let graph = graph.node("use", node(size)).node("look", node(size));
    let graph = graph.edge(START, "know").edge("know", "ask").edge("know", "use").join(["use", "ask"], "look");
    let memory = Memory::new();
    let graph = graph.compile().unwrap().checkpointer(memory.clone());
    let run = graph.run(up().secret("k3y")).thread("t").outcome().await.unwrap();
    assert_eq!((run.state.list, &*run.state.secret), (vec!["3".to_owned(), "4".to_owned()], "k3y!"));
    assert_eq!(graph.state("t").await.unwrap().unwrap().values.secret, "");
    // Another run, which knows nothing of it.
    let end = graph.resume("t", "yes").await.unwrap();
    assert_eq!((end.list.join(", "), &*end.secret), ("3, yes 0, 4, 0".to_owned(), ""));
    let graph = kinds().node("send", node(|_| up())).node("work", node(size)).edge(START, "send");
    let sends = |_: &Kinds| vec![Send::new("work", Kinds { secret: "k3y".to_owned(), ..Kinds::default() })];
    let graph = graph.branch("send", sends).compile().unwrap().checkpointer(memory.clone());
    graph.run(up()).thread("send").interrupt_before(["work"]).outcome().await.unwrap();
    assert_eq!(graph.go_on("send").await.unwrap().list, ["0"]);
    let mut checkpoints = memory.list("t", "", None, None).await.unwrap();
    checkpoints.extend(memory.list("send", "", None, None).await.unwrap());
    for checkpoint in checkpoints {
        assert!(!format!("{checkpoint:?}").contains("k3y"), "{checkpoint:?}");
    }
}

#[tokio::test]
async fn managed_values_count_the_steps_for_nodes_and_nobody_else() {
    let graph = kinds().node("tick", node(|state| up().list([format!("{} {}", state.left, state.is_last)])));
    let graph =
        graph.edge(START, "tick").branch("tick", |state: &Kinds| if state.list.len() < 4 { "tick" } else { END });
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    let end = graph.run(Kinds::default()).thread("t").limit(5).await.unwrap();
    assert_eq!(end.list, ["4 false", "3 false", "2 false", "1 true"]);
    assert_eq!((end.left, end.is_last), (0, false));
    assert_eq!(graph.state("t").await.unwrap().unwrap().values.left, 0);
    let error = graph.run(Kinds::default()).thread("short").limit(3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert_eq!(graph.state("short").await.unwrap().unwrap().values.list, ["2 false", "1 true", "0 false"]);
    // The count begins anew with each run.
    assert_eq!(graph.go_on("short").limit(3).await.unwrap().list[3..], ["4 false"]);
}

#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Chat {
    #[reduce(add_messages)]
    messages: Vec<Message>,
}

#[tokio::test]
async fn messages_have_ids_before_anybody_sees_them_and_can_be_changed_and_taken_back() {
    fn edit(state: &Chat) -> Vec<Message> {
        let [question, answer] = state.messages.as_slice() else { panic!("two messages: {state:?}") };
        let mut better = Message::human("better question");
        better.id.clone_from(&question.id);
        vec![better, Message::remove(answer.id.clone().unwrap())]
    }
    let edit = |state: Arc<Chat>, _: Cx| std::future::ready(Ok::<_, Error>(Chat::update().messages(edit(&state))));
    let graph = StateGraph::<Chat>::new().node("edit", edit).edge(START, "edit");
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    let input = Chat { messages: vec![Message::human("question"), Message::ai("answer")] };
    let end = graph.run(input).thread("t").await.unwrap();
    assert_eq!(end.messages.iter().map(Message::text).collect::<Vec<_>>(), ["better question"]);
    let mut history = graph.history("t", None, None).await.unwrap();
    assert_eq!(history.remove(0).values, end);
    assert_eq!(history.remove(0).values.messages[0].id, end.messages[0].id);
}

#[tokio::test]
async fn json_states_keep_their_kinds_through_checkpoints() {
    const KEYS: [(&str, JsonKind); 8] = [
        ("list", JsonKind::Append),
        ("sum", JsonKind::Sum),
        ("text", JsonKind::Concat),
        ("max", JsonKind::Max),
        ("map", JsonKind::Merge),
        ("last", JsonKind::Last),
        ("once", JsonKind::Ephemeral),
        ("secret", JsonKind::Untracked),
    ];
    let write = |_: Arc<Json>, _: Cx| {
        let update = JsonUpdate::new().with("list", json!([1])).with("sum", 2).with("text", "x").with("max", 3);
        std::future::ready(Ok(update
            .with("map", json!({"k": 1}))
            .with("last", json!(null))
            .with("once", 1)
            .with("secret", 1)))
    };
    let graph = StateGraph::with_schema(Schema::json(KEYS)).node("a", write).node("b", write);
    let graph = graph.edge(START, "a").edge("a", "b").compile().unwrap().checkpointer(Memory::new());
    let run = graph.run(JsonUpdate::new()).thread("t").interrupt_before(["b"]).outcome().await.unwrap();
    let whole =
        json!({"list": [1], "sum": 2, "text": "x", "max": 3, "map": {"k": 1}, "last": null, "once": 1, "secret": 1});
    assert_eq!(run.state.to_value(), whole);
    let saved = graph.state("t").await.unwrap().unwrap().values.to_value();
    let mut without = whole;
    without.as_object_mut().unwrap().remove("secret");
    assert_eq!(saved, without);
    let end = graph.go_on("t").await.unwrap().to_value();
    assert_eq!(
        end,
        json!({"list": [1, 1], "sum": 4, "text": "xx", "max": 3, "map": {"k": 1}, "last": null, "once": 1, "secret": 1})
    );
}

#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Number {
    value: f64,
}

#[tokio::test]
async fn a_number_that_json_does_not_have_cannot_be_read_again_and_is_said_to_be_the_reason() {
    let node = |_: Arc<Number>, _: Cx| std::future::ready(Ok::<_, Error>(Number::update().value(f64::NAN)));
    let graph = StateGraph::<Number>::new().node("a", node).edge(START, "a").compile().unwrap();
    // Without a checkpointer nobody needs it to be JSON.
    assert!(graph.run(Number { value: 1.0 }).await.unwrap().value.is_nan());
    let graph = graph.checkpointer(Memory::new());
    // It is saved as null, in silence. It should be an error of the run that saves it: see the error that the next one gets.
    assert!(graph.run(Number { value: 1.0 }).thread("t").await.unwrap().value.is_nan());
    let error = graph.state("t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("does not fit the graph's state: invalid type: null, expected f64"), "{error}");
}

#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Desk {
    #[state(input)]
    question: String,
    #[state(output)]
    answer: String,
    #[reduce(append)]
    #[state(input, output)]
    log: Vec<String>,
    scratch: String,
    #[state(untracked)]
    secret: String,
}

/// A graph whose only node answers with what it sees.
fn desk() -> Graph<Desk> {
    let see = |desk: Arc<Desk>, _: Cx| {
        let answer = format!("{}/{}/{}/{}", desk.question, desk.scratch, desk.secret, desk.log.concat());
        std::future::ready(Ok::<_, Error>(Desk::update().answer(answer).log(["x"]).scratch("mine")))
    };
    StateGraph::new().node("see", see).edge(START, "see").compile().unwrap()
}

/// A state in which every field was written.
fn whole_desk() -> Desk {
    let [question, answer, scratch, secret] = ["q", "a", "s", "k"].map(str::to_owned);
    Desk { question, answer, log: vec!["l".to_owned()], scratch, secret }
}

#[tokio::test]
async fn an_input_writes_the_fields_of_the_input_alone_and_a_run_gives_those_of_the_output() {
    let given = Desk { answer: "q///l".to_owned(), log: vec!["l".into(), "x".into()], ..Desk::default() };
    assert_eq!(desk().run(whole_desk()).await.unwrap(), given);
    let update = Desk::update().question("q").scratch("s").secret("k").log(["l"]);
    assert_eq!(desk().run(update).await.unwrap(), given);
    // Checkpoints and streams have everything, and the next input joins that.
    let graph = desk().checkpointer(Memory::new());
    let values: Vec<_> = graph.run(whole_desk()).thread("t").values().collect().await;
    let last = values.last().unwrap().as_deref().unwrap().clone();
    let whole = Desk { question: "q".to_owned(), scratch: "mine".to_owned(), ..given.clone() };
    assert_eq!(last, whole);
    assert_eq!(graph.state("t").await.unwrap().unwrap().values, whole);
    assert_eq!(graph.run(Desk::update().scratch("s")).thread("t").await.unwrap().answer, "q/mine//lx");
    // A run that stops gives no more.
    let stopped = graph.run(whole_desk()).thread("stop").interrupt_before(["see"]).outcome().await.unwrap();
    assert_eq!(stopped.state, Desk { log: vec!["l".to_owned()], ..Desk::default() });
    assert_eq!(graph.state("stop").await.unwrap().unwrap().values.question, "q");
    assert_eq!(graph.go_on("stop").await.unwrap(), given);
}

#[tokio::test]
async fn what_is_changed_from_outside_is_an_input_only_as_the_start() {
    let graph = desk().checkpointer(Memory::new());
    let write = || Desk::update().question("new").scratch("told");
    graph.update("start", write()).as_node(START).save().await.unwrap();
    graph.update("node", write()).as_node("see").save().await.unwrap();
    let scratch = async |thread| graph.state(thread).await.unwrap().unwrap().values.scratch;
    assert_eq!((scratch("start").await, scratch("node").await), (String::new(), "told".to_owned()));
    // Nor are the orders of a command.
    let order = Command::goto("see").update(write());
    assert_eq!(graph.command("order", order).await.unwrap().answer, "new/told//");
}

#[tokio::test]
async fn a_graph_inside_another_takes_its_input_and_gives_its_output_alone() {
    let all = ["question", "answer", "log", "scratch", "secret"];
    let plain = Desk::schema().input(all).output(all);
    let outer = |inner: Graph<Desk>| {
        let graph = StateGraph::with_schema(plain.clone()).graph("inside", inner).edge(START, "inside");
        graph.compile().unwrap()
    };
    let whole = Desk { answer: "q///l".to_owned(), log: ["l", "l", "x"].map(str::to_owned).to_vec(), ..whole_desk() };
    assert_eq!(outer(desk()).run(whole_desk()).await.unwrap(), whole);
    // A list that is no input is not there twice.
    let see = |desk: Arc<Desk>, _: Cx| {
        std::future::ready(Ok::<_, Error>(Desk::update().log([format!("{} {}", desk.question, desk.log.len())])))
    };
    let inner = StateGraph::with_schema(Desk::schema().input(["question"])).node("see", see).edge(START, "see");
    let end = outer(inner.compile().unwrap()).run(whole_desk()).await.unwrap();
    assert_eq!(end, Desk { answer: String::new(), log: vec!["l".to_owned(), "q 0".to_owned()], ..whole_desk() });
    // On another state, and inside a function.
    let back = |end: Desk| Desk::update().scratch(format!("{} {:?}", end.answer, end.question));
    let graph = StateGraph::with_schema(plain.clone()).graph_with(
        "inside",
        desk(),
        |desk: &Desk| desk.clone().into_update(),
        back,
    );
    let end = graph.edge(START, "inside").compile().unwrap().run(whole_desk()).await.unwrap();
    assert_eq!(end.scratch, "q///l \"\"");
    let call = async |desk_now: Arc<Desk>, cx: Cx| {
        let end = desk().invoke(Desk::clone(&desk_now), &cx).await?;
        Ok::<_, Error>(Desk::update().scratch(format!("{} {:?}", end.answer, end.scratch)))
    };
    let graph = StateGraph::with_schema(plain).node("call", call).edge(START, "call");
    assert_eq!(graph.compile().unwrap().run(whole_desk()).await.unwrap().scratch, "q///l \"\"");
}

#[tokio::test]
async fn json_states_have_inputs_and_outputs_too() {
    let keys = || {
        [("q", JsonKind::Last), ("log", JsonKind::Append), ("a", JsonKind::Last), ("left", JsonKind::RemainingSteps)]
    };
    let see = |state: Arc<Json>, _: Cx| {
        let seen = state.only(&["q", "log", "a"].map(str::to_owned)).to_value();
        std::future::ready(Ok::<_, Error>(JsonUpdate::new().with("a", seen).with("log", json!([1]))))
    };
    let schema = || Schema::json(keys()).input(["q"]).output(["a"]);
    let graph = |schema| StateGraph::with_schema(schema).node("see", see).edge(START, "see");
    let input = || JsonUpdate::new().with("q", 1).with("log", json!([0])).with("a", 2).with("else", 3);
    let memory = graph(schema()).compile().unwrap().checkpointer(Memory::new());
    assert_eq!(memory.run(input()).thread("t").await.unwrap().to_value(), json!({"a": {"q": 1, "log": []}}));
    let saved = memory.state("t").await.unwrap().unwrap().values.to_value();
    assert_eq!(saved, json!({"q": 1, "log": [1], "a": {"q": 1, "log": []}}));
    let outer = StateGraph::with_schema(Schema::json(keys())).graph("inside", graph(schema()).compile().unwrap());
    let end = outer.edge(START, "inside").compile().unwrap().run(input()).await.unwrap();
    assert_eq!(end.to_value(), json!({"q": 1, "log": [0], "a": {"q": 1, "log": []}}));
    // Nothing may be said to be all.
    let none = graph(Schema::json(keys()).input([""; 0]).output([""; 0])).compile();
    let error = graph(schema().input(["q", "who"]).output(["left"])).compile().unwrap_err().to_string();
    assert_eq!(none.unwrap().run(input()).await.unwrap().to_value(), json!({}));
    assert!(error.contains("- \"who\" is to be input, and the state has no such field"), "{error}");
    assert!(error.contains("- \"left\" is to be output, and it is the engine that sets it"), "{error}");
}
