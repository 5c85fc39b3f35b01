//! Chains that remember: what is kept of a turn, however it ended, and one turn at a time.

use std::sync::{Arc, Mutex};

use futures_util::future::{self, BoxFuture};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use millstream_core::{
    Block, Body, Chain, ChatModel, Cx, Error, ErrorKind, Finish, History, MemoryHistory, Message, Messages, Model, Out,
    Parts, Prompt, Request, Result, Role, Runnable, Text, Vars, WithHistory, vars,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Who said what.
type Talk = Vec<(Role, String)>;

/// A model that answers by what it is asked, and notes the conversations that it was shown.
#[derive(Clone)]
struct Obedient {
    asked: Arc<Mutex<Vec<Talk>>>,
    gate: Arc<Semaphore>,
}

impl Default for Obedient {
    fn default() -> Self {
        Self { asked: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }
}

impl ChatModel for Obedient {
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        let said = request.messages.iter().map(|message| (message.role, message.text())).collect();
        self.asked.lock().expect("nobody panicked").push(said);
        let question = request.messages.last().map(Message::text).unwrap_or_default();
        let gate = self.gate.clone();
        let parts = Parts::write(cx, async move |out: Out| {
            let fails = |kind| Err(Error::new(kind, "as asked"));
            match question.as_str() {
                "fail at once" => return fails(ErrorKind::ProviderFailed),
                "call" => {
                    out.reasoning("hm").await;
                    out.text("I look.").await;
                    let call = out.tool_call("call_1", "look").await;
                    out.arguments(call, "{}").await?;
                    return Ok(Finish::ToolCalls);
                }
                "only call" => {
                    let call = out.tool_call("call_1", "look").await;
                    out.arguments(call, "{}").await?;
                    return Ok(Finish::ToolCalls);
                }
                _ => {}
            }
            out.text("re: ").await;
            match question.as_str() {
                "fail" => return fails(ErrorKind::ProviderFailed),
                "cut" => return fails(ErrorKind::Truncated),
                "wait" => gate.acquire().await.map_err(Error::failed)?.forget(),
                _ => {}
            }
            out.text(&question).await;
            Ok(Finish::Stop)
        });
        future::ready(Ok(parts)).boxed()
    }
}

impl Obedient {
    fn last(&self) -> Talk {
        self.asked.lock().expect("nobody panicked").last().cloned().expect("it was asked")
    }

    fn calls(&self) -> usize {
        self.asked.lock().expect("nobody panicked").len()
    }
}

fn chain(model: &Obedient) -> Chain<Vars, Message> {
    Prompt::new().system("Obey.").optional_placeholder("history").human("{question}").pipe(Model::from(model.clone()))
}

fn chat(model: &Obedient, store: &MemoryHistory) -> WithHistory<Message> {
    chain(model).with_history(store.clone(), "question", "history")
}

async fn kept(store: &MemoryHistory, session: &str) -> Vec<(Role, String, Option<Finish>)> {
    let messages = store.load(session).await.expect("it is in memory");
    messages.iter().map(|message| (message.role, message.text(), message.finish)).collect()
}

fn human(text: &str) -> (Role, String, Option<Finish>) {
    (Role::Human, text.to_owned(), None)
}

fn ai(text: &str, finish: Finish) -> (Role, String, Option<Finish>) {
    (Role::Ai, text.to_owned(), Some(finish))
}

#[tokio::test]
async fn the_second_question_knows_the_first_and_other_sessions_do_not() -> Result<()> {
    let (model, store) = (Obedient::default(), MemoryHistory::default());
    let chat = chat(&model, &store);
    let first = chat.session("a").run(vars! { question: "one" }).await?;
    assert_eq!(first.text(), "re: one");
    chat.session("a").run(vars! { question: "two" }).await?;
    let said = |role, text: &str| (role, text.to_owned());
    let system = said(Role::System, "Obey.");
    let expected = [system.clone(), said(Role::Human, "one"), said(Role::Ai, "re: one"), said(Role::Human, "two")];
    assert_eq!(model.last(), expected);
    chat.session("b").run(vars! { question: "three" }).await?;
    assert_eq!(model.last(), [system, said(Role::Human, "three")]);
    let expected = [human("one"), ai("re: one", Finish::Stop), human("two"), ai("re: two", Finish::Stop)];
    assert_eq!(kept(&store, "a").await, expected);
    store.clear("a").await?;
    assert_eq!(kept(&store, "a").await, []);
    Ok(())
}

#[tokio::test]
async fn a_chain_of_texts_remembers_too_and_streams_as_it_did() -> Result<()> {
    let (model, store) = (Obedient::default(), MemoryHistory::default());
    let chat = chain(&model).pipe(Text).with_history(store.clone(), "question", "history");
    let pieces: Vec<_> = chat.session("a").run(vars! { question: "one" }).stream().try_collect().await?;
    assert_eq!(pieces.concat(), "re: one");
    let messages = store.load("a").await?;
    assert_eq!(messages[..], [Message::human("one"), Message::ai("re: one")]);
    Ok(())
}

#[tokio::test]
async fn what_is_asked_may_be_messages() -> Result<()> {
    let (model, store) = (Obedient::default(), MemoryHistory::default());
    let prompt = Prompt::new().placeholder("history").placeholder("question");
    let chat = prompt.pipe(Model::from(model.clone())).with_history(store.clone(), "question", "history");
    let ada = chat.session("ada");
    ada.run(vars! { question: [Message::human("look"), Message::human("one")] }).await?;
    assert_eq!(kept(&store, "ada").await, [human("look"), human("one"), ai("re: one", Finish::Stop)]);

    let error = ada.run(vars! { topic: "?" }).await.expect_err("nothing is asked");
    assert_eq!((error.code(), error.to_string().contains("\"question\"")), ("missing_variable", true));
    let error = ada.run(vars! { question: 3 }).await.expect_err("a number says nothing");
    assert_eq!(error.code(), "invalid_input");
    assert_eq!(model.calls(), 1);
    Ok(())
}

#[tokio::test]
async fn what_was_said_before_a_failure_is_kept_and_marked() {
    let (model, store) = (Obedient::default(), MemoryHistory::default());
    let chat = chat(&model, &store);
    for (question, code) in [("fail", "provider_failed"), ("cut", "truncated"), ("fail at once", "provider_failed")] {
        let said: Result<Vec<_>> = chat.session("a").run(vars! { question: question }).stream().try_collect().await;
        assert_eq!(said.expect_err("it fails").code(), code);
    }
    // Who waits for the whole hears nothing of it.
    chat.session("a").run(vars! { question: "fail" }).await.expect_err("it fails");
    let expected = [human("fail"), ai("re: ", Finish::Failed), human("cut"), ai("re: ", Finish::Truncated)];
    assert_eq!(kept(&store, "a").await, expected);
}

#[tokio::test]
async fn what_was_said_before_a_stop_is_kept_and_marked() -> Result<()> {
    let (model, store) = (Obedient::default(), MemoryHistory::default());
    let chat = chat(&model, &store);
    let stopped = [human("wait"), ai("re: ", Finish::Cancelled)];

    // Stopped by a token, and watched.
    let stop = CancellationToken::new();
    let mut events = chat.session("a").run(vars! { question: "wait" }).cancel_with(stop.clone()).events();
    while let Some(event) = events.next().await {
        let Ok(event) = event else { continue };
        if matches!(&event.body, Body::Message { chunk } if chunk.text().is_some()) {
            stop.cancel();
        }
    }
    assert_eq!(kept(&store, "a").await, stopped);

    // Left by its reader.
    let mut stream = chat.session("b").run(vars! { question: "wait" }).stream();
    stream.try_next().await?;
    drop(stream);
    assert_eq!(kept(&store, "b").await, stopped);

    // Before anything was said.
    let stop = CancellationToken::new();
    stop.cancel();
    chat.session("c").run(vars! { question: "wait" }).cancel_with(stop).await.expect_err("it is stopped");
    assert_eq!(kept(&store, "c").await, []);

    // A message that had come to its end is whole, also if nobody asks for more.
    let mut stream = chat.session("d").run(vars! { question: "one" }).stream();
    while stream.try_next().await?.is_some_and(|chunk| !format!("{chunk:?}").contains("End {")) {}
    drop(stream);
    assert_eq!(kept(&store, "d").await, [human("one"), ai("re: one", Finish::Stop)]);
    Ok(())
}

#[tokio::test]
async fn wishes_that_nobody_fulfils_are_not_kept() -> Result<()> {
    let (model, store) = (Obedient::default(), MemoryHistory::default());
    let session = chat(&model, &store).session("a");
    assert_eq!(session.run(vars! { question: "call" }).await?.tool_calls().count(), 1);
    session.run(vars! { question: "only call" }).await?;
    let messages = store.load("a").await?;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1].content, [Block::reasoning("hm"), Block::text("I look.")]);
    Ok(())
}

#[tokio::test]
async fn a_session_has_one_turn_at_a_time_and_who_leaves_loses_its_place() -> Result<()> {
    let (model, store) = (Obedient::default(), MemoryHistory::default());
    let chat = chat(&model, &store);
    let ask = |session: &str, question: &str| chat.session(session).run(vars! { question: question }).into_future();
    let mut first = ask("a", "wait");
    let [mut second, mut third, mut fourth] = ["2", "3", "4"].map(|question| ask("a", question));
    for run in [&mut first, &mut second, &mut third, &mut fourth] {
        assert!(run.now_or_never().is_none());
    }
    assert_eq!(model.calls(), 1);
    // Other sessions do not wait.
    ask("b", "hello").await?;
    drop(third);
    model.gate.add_permits(1);
    future::try_join3(fourth, second, first).await?;
    let said: Vec<_> = kept(&store, "a").await.into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(said, ["wait", "re: wait", "2", "re: 2", "4", "re: 4"]);
    Ok(())
}

#[tokio::test]
async fn the_model_hears_as_much_as_it_may_and_all_is_kept() -> Result<()> {
    let (model, store) = (Obedient::default(), MemoryHistory::default());
    let session = chat(&model, &store).recent(20).session("a");
    for question in ["one", "two", "three", "four"] {
        session.run(vars! { question: question }).await?;
    }
    let heard: Vec<_> = model.last().into_iter().map(|(_, text)| text).collect();
    assert_eq!(heard, ["Obey.", "three", "re: three", "four"]);
    assert_eq!(kept(&store, "a").await.len(), 8);
    Ok(())
}

#[tokio::test]
async fn memory_is_bounded_and_the_oldest_goes_first() -> Result<()> {
    let turn = |text: &str| Messages::from([Message::human(text), Message::ai(text)]);
    let size = serde_json::to_vec(&turn("00")).expect("messages are JSON").len();
    // Room for four turns.
    let store = MemoryHistory::new(4 * size);
    for session in ["a", "b", "c"] {
        store.append(session, turn("11")).await?;
    }
    store.load("a").await?;
    store.append("c", turn("22")).await?;
    store.append("d", turn("33")).await?;
    let lengths = async || {
        let mut lengths = Vec::new();
        for session in ["a", "b", "c", "d"] {
            lengths.push(store.load(session).await.expect("it is in memory").len());
        }
        lengths
    };
    assert_eq!(lengths().await, [2, 0, 4, 2]);
    // Alone and still too long.
    for text in ["44", "55", "66", "77", "88"] {
        store.append("d", turn(text)).await?;
    }
    assert_eq!(lengths().await, [0, 0, 0, 8]);
    let first = &store.load("d").await?[0];
    assert_eq!((first.role, first.text()), (Role::Human, "55".to_owned()));
    Ok(())
}

/// A store that fails when it is written.
struct ReadOnly;

impl History for ReadOnly {
    fn load(&self, _: &str) -> BoxFuture<'static, Result<Messages>> {
        future::ready(Ok(Messages::default())).boxed()
    }

    fn append(&self, _: &str, _: Messages) -> BoxFuture<'static, Result<()>> {
        future::ready(Err(Error::new(ErrorKind::StoreFailed, "the disk is full"))).boxed()
    }

    fn clear(&self, _: &str) -> BoxFuture<'static, Result<()>> {
        future::ready(Ok(())).boxed()
    }
}

#[tokio::test]
async fn a_turn_that_cannot_be_kept_fails_after_its_answer() -> Result<()> {
    let session = chain(&Obedient::default()).with_history(ReadOnly, "question", "history").session("a");
    let mut stream = session.run(vars! { question: "one" }).stream();
    let mut said = String::new();
    let error = loop {
        match stream.try_next().await {
            Ok(Some(chunk)) => said.push_str(&chunk.to_string()),
            Ok(None) => panic!("it must fail"),
            Err(error) => break error,
        }
    };
    assert_eq!((said.as_str(), error.code()), ("re: one", "store_failed"));
    // A failure of the model is the one that is told.
    let error = session.run(vars! { question: "fail" }).await.expect_err("it fails");
    assert_eq!(error.code(), "provider_failed");
    Ok(())
}
