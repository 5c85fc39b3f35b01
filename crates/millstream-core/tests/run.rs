//! A run, watched in every way: the same output, whole events, one end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{
    Body, Channels, ChatModel, Cx, Demo, Error, ErrorKind, Event, Finish, Message, MessageFold, Model, Out, Outcome,
    Parts, Prompt, Request, Result, Runnable, Text, UsageSource, vars,
};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

/// A model that is an asynchronous function.
struct Scripted<F>(F);

impl<F, W> ChatModel for Scripted<F>
where
    F: Fn(Cx, Out) -> W + Send + Sync + 'static,
    W: Future<Output = Result<Finish>> + Send + 'static,
{
    fn open<'a>(&'a self, _: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        let parts = Parts::write(cx, |out| (self.0)(cx.clone(), out));
        Box::pin(async move { Ok(parts) })
    }
}

fn scripted<F, W>(write: F) -> Model
where
    F: Fn(Cx, Out) -> W + Send + Sync + 'static,
    W: Future<Output = Result<Finish>> + Send + 'static,
{
    Scripted(write).into()
}

fn says(tokens: Vec<String>) -> Model {
    let tokens = Arc::new(tokens);
    scripted(move |_, out| {
        let tokens = tokens.clone();
        async move {
            for token in tokens.iter() {
                out.text(token).await;
            }
            Ok(Finish::Stop)
        }
    })
}

async fn events_of(run: millstream_core::Run<Message>) -> (Vec<Event>, Option<Error>) {
    let (mut events, mut error) = (Vec::new(), None);
    let mut stream = run.events();
    while let Some(item) = stream.next().await {
        match item {
            Ok(event) => events.push(event),
            Err(failure) => assert!(error.replace(failure).is_none(), "one error, at the end"),
        }
    }
    (events, error)
}

/// The message of the events, and how the run ended.
fn fold(events: &[Event]) -> (Message, Outcome) {
    assert!(matches!(events[0].body, Body::Started));
    let mut fold = MessageFold::default();
    let mut outcome = None;
    for event in events {
        assert!(outcome.is_none(), "nothing comes after the end");
        match &event.body {
            Body::Message { chunk } => fold.push(chunk).expect("parts come in order"),
            Body::Finished(end) => outcome = Some(end.outcome),
            _ => {}
        }
    }
    (fold.finish().expect("a message that started has ended"), outcome.expect("a run ends"))
}

proptest! {
    #[test]
    fn awaiting_streaming_and_watching_give_the_same(tokens in prop::collection::vec(".{0,6}", 0..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let chain = Prompt::new().human("{q}").pipe(says(tokens.clone()));
            let awaited = chain.run(vars! { q: "?" }).await.unwrap();
            assert_eq!(awaited.text(), tokens.concat());
            let texts = chain.clone().pipe(Text);
            assert_eq!(texts.run(vars! { q: "?" }).await.unwrap(), awaited.text());
            let streamed: Vec<_> = texts.run(vars! { q: "?" }).stream().try_collect().await.unwrap();
            assert_eq!(streamed.concat(), awaited.text());
            for channels in [Channels::ALL, Channels::MESSAGES] {
                let (events, error) = events_of(chain.run(vars! { q: "?" }).channels(channels)).await;
                let (message, outcome) = fold(&events);
                assert_eq!((message.text(), outcome), (awaited.text(), Outcome::Completed));
                assert!(error.is_none());
            }
        });
    }
}

#[test]
fn a_blocking_program_gets_the_same_pieces() {
    let chain = Prompt::new().human("{q}") | Model::from(Demo::says(["one two three"])) | Text;
    let pieces: Result<Vec<_>> = chain.run(vars! { q: "?" }).stream().blocking().collect();
    assert_eq!(pieces.unwrap().concat(), "one two three");
}

#[tokio::test]
async fn blocking_inside_asynchronous_code_is_an_error_not_a_deadlock() {
    let mut pieces = Model::from(Demo::instant()).run("hello").stream().blocking();
    assert_eq!(pieces.next().unwrap().unwrap_err().code(), "invalid_input");
    assert!(pieces.next().is_none());
}

#[tokio::test]
async fn events_name_who_speaks_and_inside_what() {
    let chain = (Prompt::new().human("{q}") | Model::from(Demo::says(["hi"])) | Text).named("my-chain").tag("mine");
    let mut said = Vec::new();
    let mut events = chain.run(vars! { q: "?" }).events();
    while let Some(event) = events.try_next().await.unwrap() {
        let scope = &event.scope;
        let word = match &event.body {
            Body::RunnableStarted { .. } => "start",
            Body::RunnableFinished { .. } => "end",
            Body::Started => "started",
            Body::Finished(_) => "finished",
            _ => continue,
        };
        said.push(format!("{word} {} {}", scope.name, scope.parent_ids.len()));
    }
    assert_eq!(
        said,
        [
            "started my-chain 0",
            "start my-chain 0",
            "start ChatPromptTemplate 1",
            "end ChatPromptTemplate 1",
            "start Demo 1",
            "start StrOutputParser 1",
            "end Demo 1",
            "end StrOutputParser 1",
            "end my-chain 0",
            "finished my-chain 0",
        ]
    );
}

#[tokio::test]
async fn a_missing_variable_is_named() {
    let chain = Prompt::new().human("{topic}") | Model::from(Demo::instant());
    let error = chain.run(vars! { topik: "x" }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingVariable);
    assert!(error.to_string().contains("\"topic\"") && error.to_string().contains("topik"));
}

#[tokio::test]
async fn a_stopped_run_keeps_what_was_said_and_says_that_it_was_stopped() {
    let model = scripted(|_, out| async move {
        out.text("as far as").await;
        std::future::pending().await
    });
    let stop = CancellationToken::new();
    let mut events = model.run("?").cancel_with(stop.clone()).events();
    let mut seen = Vec::new();
    while let Some(item) = events.next().await {
        let Ok(event) = item else { break };
        if matches!(&event.body, Body::Message { chunk } if chunk.text().is_some()) {
            stop.cancel();
        }
        seen.push(event);
    }
    let (message, outcome) = fold(&seen);
    assert_eq!(
        (message.text().as_str(), message.finish, outcome),
        ("as far as", Some(Finish::Cancelled), Outcome::Cancelled)
    );
    assert_eq!(message.usage.unwrap().source, UsageSource::Partial);
}

#[tokio::test]
async fn a_stream_that_is_cancelled_ends_with_that_error() {
    let stop = CancellationToken::new();
    let mut chunks = scripted(|_, _| std::future::pending()).run("?").cancel_with(stop.clone()).stream();
    stop.cancel();
    assert_eq!(chunks.next().await.unwrap().unwrap_err().code(), "cancelled");
    assert!(chunks.next().await.is_none());
}

#[tokio::test]
async fn a_failure_closes_what_is_open_and_comes_out_of_the_stream() {
    let model = scripted(|_, out| async move {
        out.reasoning("hm").await;
        out.text("half").await;
        Err(Error::new(ErrorKind::ProviderFailed, "secret detail"))
    });
    let (events, error) = events_of(model.run("?")).await;
    let (message, outcome) = fold(&events);
    assert_eq!((message.text().as_str(), message.finish, outcome), ("half", Some(Finish::Failed), Outcome::Failed));
    assert_eq!(error.unwrap().to_string(), "secret detail");
    assert!(!serde_json::to_string(&events).unwrap().contains("secret"));
}

#[tokio::test]
async fn a_model_that_panics_ends_its_run_only() {
    let model = scripted(|_, out| async move {
        out.text("half").await;
        panic!("secret detail")
    });
    let (events, error) = events_of(model.run("?")).await;
    assert_eq!(fold(&events).1, Outcome::Failed);
    assert_eq!(error.unwrap().code(), "failed");
}

#[tokio::test]
async fn a_source_that_ends_without_an_end_is_truncated() {
    use std::task::{Context, Poll};
    struct Cut(usize);
    impl millstream_core::PartSource for Cut {
        fn poll_fill(&mut self, _: &mut Context<'_>, out: &mut millstream_core::PartWriter) -> Poll<Result<bool>> {
            self.0 += 1;
            out.text("half");
            Poll::Ready(Ok(self.0 < 2))
        }
    }
    struct Cutting;
    impl ChatModel for Cutting {
        fn open<'a>(&'a self, _: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
            let parts = Parts::new(cx, Cut(0));
            Box::pin(async move { Ok(parts) })
        }
    }
    let (events, error) = events_of(Model::from(Cutting).run("?")).await;
    let (message, outcome) = fold(&events);
    assert_eq!(
        (message.text().as_str(), message.finish, outcome),
        ("halfhalf", Some(Finish::Truncated), Outcome::Truncated)
    );
    assert_eq!(error.unwrap().code(), "truncated");
}

#[tokio::test]
async fn dropping_at_any_point_drops_everything_inside() {
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = dropped.clone();
    let chain = Prompt::new().human("{q}")
        | scripted(move |_, out| {
            let guard = Guard(count.clone());
            async move {
                let _guard = guard;
                for _ in 0..5 {
                    out.text("x").await;
                }
                Ok(Finish::Stop)
            }
        });
    for polls in 0..12 {
        let before = dropped.load(Ordering::Relaxed);
        let mut stream = chain.run(vars! { q: "?" }).stream();
        for _ in 0..polls {
            let _ = stream.next().await;
        }
        drop(stream);
        let started = usize::from(polls > 0);
        assert_eq!(dropped.load(Ordering::Relaxed) - before, started, "after {polls} polls");
    }
}

#[tokio::test]
async fn events_may_be_written_from_tasks_and_threads() {
    let model = scripted(|cx, out| async move {
        let (task, thread) = (cx.clone(), cx.clone());
        // Owned here: the model waits for both.
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { task.write("from a task").await });
        tasks.spawn_blocking(move || thread.write_blocking("from a thread"));
        while let Some(written) = tasks.join_next().await {
            written.unwrap()?;
        }
        out.text("done").await;
        Ok(Finish::Stop)
    });
    let (events, _) = events_of(model.run("?")).await;
    let mut values: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Custom { value } => value.as_str(),
            _ => None,
        })
        .collect();
    values.sort_unstable();
    assert_eq!(values, ["from a task", "from a thread"]);
}

#[tokio::test]
async fn writing_after_the_end_is_an_error() {
    let kept: Arc<std::sync::Mutex<Option<Cx>>> = Arc::default();
    let keep = kept.clone();
    let model = scripted(move |cx, _| {
        *keep.lock().unwrap() = Some(cx);
        async { Ok(Finish::Stop) }
    });
    for watched in [false, true] {
        if watched {
            events_of(model.run("?")).await;
        } else {
            model.run("?").await.unwrap();
        }
        let cx = kept.lock().unwrap().take().unwrap();
        assert_eq!(cx.write("late").await.unwrap_err().code(), "run_ended", "watched: {watched}");
    }
}

#[tokio::test]
async fn a_burst_larger_than_the_queue_arrives_whole_and_in_order() {
    let model = scripted(|cx, out| async move {
        for n in 0..1000 {
            cx.write(n).await?;
        }
        out.text("done").await;
        Ok(Finish::Stop)
    });
    let (events, _) = events_of(model.run("?")).await;
    let values: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Custom { value } => value.as_u64(),
            _ => None,
        })
        .collect();
    assert!(values.into_iter().eq(0..1000));
}

/// An answer that is read whole inside the run is told faster than it can be read outside.
#[tokio::test]
async fn an_answer_longer_than_the_queue_is_told_as_it_is_given_and_stops_at_a_stop() {
    let words: Vec<String> = (0..1000).map(|n| format!("{n} ")).collect();
    let (said, token) = (words.concat(), CancellationToken::new());
    let model = says(words);
    let outer = move || {
        let model = model.clone();
        scripted(move |cx, out| {
            let model = model.clone();
            async move {
                out.text(&model.invoke("?", &cx).await?.text()).await;
                Ok(Finish::Stop)
            }
        })
    };
    let (events, error) = events_of(outer().run("?")).await;
    assert!(error.is_none(), "{error:?}");
    let inner: Vec<Event> = events.into_iter().filter(|event| !event.scope.parent_ids.is_empty()).collect();
    let mut told = MessageFold::default();
    for event in &inner {
        if let Body::Message { chunk } = &event.body {
            told.push(chunk).unwrap();
        }
    }
    assert_eq!(told.finish().unwrap().text(), said);

    let mut events = outer().run("?").cancel_with(token.clone()).events();
    let mut heard = 0;
    let outcome = loop {
        match events.next().await.unwrap().unwrap().body {
            Body::Message { .. } if heard == 100 => {
                token.cancel();
                heard += 1;
            }
            Body::Message { .. } => heard += 1,
            Body::Finished(finished) => break finished.outcome,
            _ => {}
        }
    };
    assert_eq!(outcome, Outcome::Cancelled);
    assert!(heard < 300, "what was emitted before the stop is told, and no more: {heard}");
}

/// An event is moved several times on its way, so what is large in it is boxed.
#[test]
fn an_event_is_small() {
    assert!(size_of::<Event>() <= 80, "{}", size_of::<Event>());
}

#[tokio::test(start_paused = true)]
async fn the_demo_model_keeps_its_pace_in_virtual_time() {
    let model = Model::from(Demo::says(["one two three four"]).with_delay(Duration::from_secs(60)));
    let start = tokio::time::Instant::now();
    model.run("?").await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(4 * 60));
}
