//! Answers that are kept: told again as they were, paid once, and never half an answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::{self, BoxFuture};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use millstream_core::{
    Body, Chunk, Cx, Error, ErrorKind, Event, Finish, MemoryCache, Message, MessageFold, Messages, Model, Options, Out,
    Outcome, Part, Parts, Request, ResponseCache, Result, Runnable, ToolSpec, Usage, UsageSource,
};
use millstream_core::{ChatModel, Label};
use proptest::prelude::*;
use serde_json::json;

/// A model that counts how often it is asked.
struct Counted<F> {
    calls: Arc<AtomicUsize>,
    answer: F,
}

impl<F, W> ChatModel for Counted<F>
where
    F: Fn(usize, Out) -> W + Send + Sync + 'static,
    W: Future<Output = Result<Finish>> + Send + 'static,
{
    fn open<'a>(&'a self, _: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let parts = Parts::write(cx, |out| (self.answer)(call, out));
        future::ready(Ok(parts)).boxed()
    }

    fn label(&self) -> Label {
        let mut label = Label::new(millstream_core::Kind::ChatModel, "Counted");
        label.metadata.insert("ls_model_name".to_owned(), "counted-1".into());
        label
    }
}

fn counted<F, W>(answer: F) -> (Model, Arc<AtomicUsize>)
where
    F: Fn(usize, Out) -> W + Send + Sync + 'static,
    W: Future<Output = Result<Finish>> + Send + 'static,
{
    let calls = Arc::default();
    (Counted { calls: Arc::clone(&calls), answer }.into(), calls)
}

/// Says its number.
fn numbers() -> (Model, Arc<AtomicUsize>) {
    counted(|call, out| async move {
        out.text(&format!("answer {call}")).await;
        out.usage(Usage::new(7, 2, UsageSource::Provider));
        Ok(Finish::Stop)
    })
}

async fn watched(model: &Model, question: &str) -> Vec<Event> {
    model.run(question).events().map(|event| event.expect("it goes well")).collect().await
}

fn chunks(events: &[Event]) -> Vec<&Chunk> {
    events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Message { chunk } => Some(chunk),
            _ => None,
        })
        .collect()
}

fn texts(chunks: &[&Chunk]) -> Vec<Option<Arc<str>>> {
    chunks.iter().map(|chunk| chunk.text()).collect()
}

fn message(chunks: &[&Chunk]) -> Message {
    let mut fold = MessageFold::default();
    chunks.iter().for_each(|chunk| fold.push(*chunk).expect("parts come in order"));
    fold.finish().expect("a whole message")
}

fn spent(events: &[Event]) -> Option<Usage> {
    match &events.last().expect("an end").body {
        Body::Finished(finished) => finished.usage.clone(),
        other => panic!("{other:?} at the end"),
    }
}

proptest! {
    /// Reasoning, text, calls, and the same again: only the id, the mark and the cost are others.
    #[test]
    fn a_kept_answer_comes_again_in_the_same_chunks(
        thoughts in prop::collection::vec(".{1,4}", 0..4),
        tokens in prop::collection::vec(".{1,4}", 0..8),
        arguments in prop::collection::vec("[a-z]{1,4}", 0..4),
        counts in any::<bool>(),
    ) {
        let said = Arc::new((thoughts, tokens, arguments));
        let (model, calls) = counted(move |_, out| {
            let said = said.clone();
            async move {
                for thought in &said.0 {
                    out.reasoning(thought).await;
                }
                for token in &said.1 {
                    out.text(token).await;
                }
                if counts {
                    out.usage(Usage::new(3, 2, UsageSource::Provider));
                }
                if said.2.is_empty() {
                    return Ok(Finish::Stop);
                }
                let call = out.tool_call("call_1", "look").await;
                out.arguments(call, "{\"x\":\"").await?;
                for piece in &said.2 {
                    out.arguments(call, piece).await?;
                }
                out.arguments(call, "\"}").await?;
                Ok(Finish::ToolCalls)
            }
        });
        let model = model.cached(MemoryCache::default());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (first, again) = (watched(&model, "?").await, watched(&model, "?").await);
            assert_eq!(calls.load(Ordering::SeqCst), 1);
            let (told, retold) = (chunks(&first), chunks(&again));
            assert_eq!(texts(&told), texts(&retold));
            let (told, mut retold) = (message(&told), message(&retold));
            assert_ne!(told.id, retold.id);
            assert!(retold.id.is_some());
            assert_eq!(serde_json::to_value(&retold.response_metadata).unwrap(), json!({ "cached": true }));
            retold.response_metadata = told.response_metadata.clone();
            assert_eq!(retold.usage, Some(Usage::new(0, 0, UsageSource::Provider)));
            assert_eq!(spent(&again), retold.usage);
            assert_ne!(spent(&first).map(|usage| usage.source), None);
            (retold.id, retold.usage) = (told.id.clone(), told.usage.clone());
            assert_eq!(told, retold);
        });
    }
}

#[tokio::test]
async fn ids_and_costs_of_messages_make_no_other_request_and_all_else_does() -> Result<()> {
    let (model, calls) = numbers();
    let model = model.cached(MemoryCache::default());
    let answer = model.run("one").await?;
    let mut retold = model.run("one").await?;
    assert_eq!(answer.text(), retold.text());
    let talk = |answer: Message| Messages::from([Message::human("one"), answer, Message::human("two")]);
    model.run(talk(answer.clone())).await?;
    // What came out of the cache is the same conversation as what came from the model.
    model.run(talk(retold.clone())).await?;
    retold.id = Some("another".to_owned());
    model.run(talk(retold)).await?;
    assert_eq!(calls.load(Ordering::SeqCst), 2);

    let options = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        model.clone().with_options(options)
    };
    let tool = ToolSpec { name: "look".into(), description: "Looks.".into(), parameters: json!({}) };
    for (number, other) in [
        options(|options| options.temperature = Some(0.5)),
        options(|options| options.stop = vec![".".into()]),
        options(|options| options.extra.insert("seed".into(), json!(1)).map_or((), drop)),
        model.clone().with_tools([tool]),
    ]
    .into_iter()
    .enumerate()
    {
        other.run("one").await?;
        other.run("one").await?;
        assert_eq!(calls.load(Ordering::SeqCst), 3 + number);
    }
    model.run(Message::system("one")).await?;
    assert_eq!(calls.load(Ordering::SeqCst), 7);
    Ok(())
}

#[tokio::test]
async fn only_what_was_said_to_its_end_is_kept() {
    let endings: [fn() -> Result<Finish>; 5] = [
        || Ok(Finish::Length),
        || Ok(Finish::ContentFilter),
        || Ok(Finish::Truncated),
        || Ok(Finish::Failed),
        || Err(Error::new(ErrorKind::ProviderFailed, "no")),
    ];
    for ending in endings {
        let (model, calls) = counted(move |_, out| async move {
            out.text("half").await;
            ending()
        });
        let model = model.cached(MemoryCache::default());
        for expected in 1..3 {
            // Whether it failed does not matter here, only whether it was asked.
            let _ = model.run("?").await;
            assert_eq!(calls.load(Ordering::SeqCst), expected);
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_left_is_not_kept() -> Result<()> {
    let (model, calls) = counted(|_, out| async move {
        out.text("one ").await;
        out.text("two").await;
        Ok(Finish::Stop)
    });
    let model = model.cached(MemoryCache::default());
    let mut left = model.run("?").stream();
    left.try_next().await?;
    drop(left);
    model.run("?").await?;
    model.run("?").await?;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    Ok(())
}

#[tokio::test]
async fn a_kept_answer_that_is_stopped_costs_nothing() -> Result<()> {
    let (model, _) = counted(|_, out| async move {
        for _ in 0..10 {
            out.text("word ").await;
        }
        Ok(Finish::Stop)
    });
    let model = model.cached(MemoryCache::default());
    model.run("?").await?;
    let stop = tokio_util::sync::CancellationToken::new();
    let mut events = model.run("?").cancel_with(stop.clone()).events();
    let mut finished = None;
    while let Some(Ok(event)) = events.next().await {
        match event.body {
            Body::Message { .. } => stop.cancel(),
            Body::Finished(end) => finished = Some(end),
            _ => {}
        }
    }
    let finished = finished.expect("an end");
    assert_eq!(finished.outcome, Outcome::Cancelled);
    assert_eq!(finished.usage.map(|usage| (usage.total_tokens, usage.source)), Some((0, UsageSource::Partial)));
    Ok(())
}

#[tokio::test]
async fn the_answer_that_was_not_needed_for_the_longest_time_goes_first() -> Result<()> {
    let (model, calls) = numbers();
    // An answer with its request takes about 600 bytes.
    let model = model.cached(MemoryCache::new(1500));
    let ask = async |question: &str| model.run(question).await.map(|answer| answer.text());
    let (a, b) = (ask("a").await?, ask("b").await?);
    assert_eq!((ask("a").await?, ask("b").await?, ask("a").await?), (a.clone(), b.clone(), a.clone()));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    ask("c").await?;
    assert_eq!(ask("a").await?, a);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert_ne!(ask("b").await?, b);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_larger_than_the_cache_is_not_kept_and_nothing_goes_for_it() -> Result<()> {
    let (model, calls) = numbers();
    let model = model.cached(MemoryCache::new(1500));
    let large = "a question ".repeat(200);
    model.run("small").await?;
    model.run(large.as_str()).await?;
    model.run(large.as_str()).await?;
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    model.run("small").await?;
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    Ok(())
}

type Found = Result<Option<Arc<[Chunk]>>>;

/// A cache that fails, or gives what no model said.
struct Broken(Mutex<Vec<Found>>);

impl ResponseCache for Broken {
    fn get(&self, _: Arc<str>) -> BoxFuture<'_, Found> {
        future::ready(self.0.lock().expect("nobody panicked").pop().expect("as many as are asked for")).boxed()
    }

    fn put(&self, _: Arc<str>, _: Arc<[Chunk]>) -> BoxFuture<'_, Result<()>> {
        future::ready(Err(Error::new(ErrorKind::StoreFailed, "the disk is full"))).boxed()
    }
}

#[tokio::test]
async fn a_cache_that_fails_costs_a_call_and_nothing_else() -> Result<()> {
    let half: Vec<Chunk> =
        serde_json::from_value(json!([[{ "part": "start", "id": "m", "role": "ai" }]])).expect("chunks");
    let failures = vec![Err(Error::new(ErrorKind::StoreFailed, "locked")), Ok(Some(half.into())), Ok(Some([].into()))];
    let (model, calls) = numbers();
    let model = model.cached(Broken(Mutex::new(failures)));
    for call in 0..3 {
        assert_eq!(model.run("?").await?.text(), format!("answer {call}"));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    Ok(())
}

/// Keeps nothing before it is allowed to.
#[derive(Clone, Default)]
struct Slow {
    gate: Arc<tokio::sync::Notify>,
    inner: MemoryCache,
}

impl ResponseCache for Slow {
    fn get(&self, key: Arc<str>) -> BoxFuture<'_, Found> {
        self.inner.get(key)
    }

    fn put(&self, key: Arc<str>, answer: Arc<[Chunk]>) -> BoxFuture<'_, Result<()>> {
        async move {
            self.gate.notified().await;
            self.inner.put(key, answer).await
        }
        .boxed()
    }
}

#[tokio::test]
async fn tokens_do_not_wait_for_the_cache_and_the_end_does() -> Result<()> {
    let (model, calls) = numbers();
    let cache = Slow::default();
    let model = model.cached(cache.clone());
    let mut answer = model.run("?").stream();
    assert_eq!(answer.try_next().await?.and_then(|chunk| chunk.text()).as_deref(), Some("answer 0"));
    assert!(answer.next().now_or_never().is_none(), "the end has been told before the answer was kept");
    cache.gate.notify_one();
    let last = answer.try_next().await?.expect("the end");
    assert!(last.iter().any(|part| matches!(part, Part::End { .. })));
    model.run("?").await?;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    Ok(())
}
