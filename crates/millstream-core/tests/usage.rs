//! What a run has cost: every end says so, however the run ended and whoever watched.

use std::sync::Arc;

use futures_util::future::{self, BoxFuture};
use futures_util::{FutureExt, StreamExt, stream};
use millstream_core::{
    Body, Channels, ChatModel, Chunks, Cx, Demo, Error, ErrorKind, Event, Finish, Input, Kind, Label, Message,
    Messages, Model, Out, Outcome, Parts, Request, Result, Run, Runnable, Streamed, Usage, UsageSource, UsageTotals,
};
use tokio_util::sync::CancellationToken;

/// A model with a name and a script.
struct Named<F>(&'static str, F);

impl<F, W> ChatModel for Named<F>
where
    F: Fn(Out) -> W + Send + Sync + 'static,
    W: Future<Output = Result<Finish>> + Send + 'static,
{
    fn open<'a>(&'a self, _: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        future::ready(Ok(Parts::write(cx, &self.1))).boxed()
    }

    fn label(&self) -> Label {
        Label::new(Kind::ChatModel, "Named").with_metadata("ls_model_name", self.0)
    }
}

fn counting(name: &'static str, input: u64, output: u64) -> Model {
    let answer = move |out: Out| async move {
        out.text("words").await;
        out.usage(Usage::new(input, output, UsageSource::Provider));
        Ok(Finish::Stop)
    };
    Named(name, answer).into()
}

/// Says eight bytes and then nothing any more.
fn hanging() -> Model {
    let answer = |out: Out| async move {
        out.text("8 bytes.").await;
        future::pending().await
    };
    Named("hanging", answer).into()
}

/// Asks several models, one after the other or all at once.
#[derive(Clone)]
struct Asks {
    models: Vec<Model>,
    together: bool,
}

impl Runnable for Asks {
    type Input = Messages;
    type Output = Message;

    fn transform(&self, input: Input<Messages>, cx: Cx) -> Chunks<Message> {
        let Self { models, together } = self.clone();
        let answers = async move {
            let messages = input.whole(&cx).await?;
            let asked = models.iter().map(|model| model.invoke(messages.clone(), &cx));
            if together {
                future::try_join_all(asked).await?;
            } else {
                for answer in asked {
                    answer.await?;
                }
            }
            Ok(stream::iter(Message::ai("done").into_chunks()).map(Ok))
        };
        stream::once(answers)
            .flat_map(|chunks: Result<_>| match chunks {
                Ok(chunks) => chunks.boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .boxed()
    }
}

/// All events of a run; the one on which `stop` says yes stops it.
async fn watch(run: Run<Message>, stop: impl Fn(&Event) -> bool) -> Vec<Event> {
    let token = CancellationToken::new();
    let mut stream = run.cancel_with(token.clone()).events();
    let mut events = Vec::new();
    while let Some(item) = stream.next().await {
        let Ok(event) = item else { continue };
        if stop(&event) {
            token.cancel();
        }
        events.push(event);
    }
    events
}

fn end(events: &[Event]) -> (Outcome, Option<Usage>) {
    match &events.last().expect("an end").body {
        Body::Finished(finished) => (finished.outcome, finished.usage.clone()),
        other => panic!("{other:?} at the end"),
    }
}

fn totals(events: &[Event]) -> UsageTotals {
    let mut totals = UsageTotals::default();
    events.iter().for_each(|event| totals.observe(event));
    totals
}

fn provider(input: u64, output: u64) -> Usage {
    Usage::new(input, output, UsageSource::Provider)
}

#[tokio::test]
async fn all_models_of_a_run_count_and_each_by_its_name() {
    for together in [true, false] {
        let models = vec![counting("one", 3, 2), counting("two", 10, 1), counting("one", 4, 4)];
        let events = watch(Asks { models, together }.run("?"), |_| false).await;
        assert_eq!(end(&events), (Outcome::Completed, Some(provider(17, 7))));
        let totals = totals(&events);
        assert_eq!(totals.total(), Some(provider(17, 7)));
        let by_model: Vec<_> = totals.by_model().iter().map(|(name, usage)| (name.as_str(), usage.clone())).collect();
        assert_eq!(by_model, [("one", provider(7, 6)), ("two", provider(10, 1))]);
    }
}

#[tokio::test]
async fn the_end_says_what_was_spent_whatever_is_watched() {
    for channels in [Channels::NONE, Channels::MESSAGES, Channels::RUNNABLES, Channels::ALL] {
        let models = vec![counting("one", 3, 2), counting("two", 10, 1)];
        let events = watch(Asks { models, together: false }.run("?").channels(channels), |_| false).await;
        assert_eq!(end(&events), (Outcome::Completed, Some(provider(13, 3))), "{channels:?}");
    }
}

#[tokio::test]
async fn a_run_without_a_model_has_spent_nothing() {
    let events = watch(Asks { models: Vec::new(), together: false }.run("?"), |_| false).await;
    assert_eq!(end(&events), (Outcome::Completed, None));
}

#[tokio::test]
async fn a_stopped_answer_costs_its_request_and_what_it_said() {
    // 20 bytes are 5 tokens, the 8 bytes of the answer 2.
    let question = "a question, 20 bytes";
    let said = |event: &Event| matches!(&event.body, Body::Message { chunk } if chunk.text().is_some());
    let partial = Usage::new(5, 2, UsageSource::Partial);
    let events = watch(hanging().run(question), said).await;
    assert_eq!(end(&events), (Outcome::Cancelled, Some(partial.clone())));
    // The message says so too.
    assert_eq!(totals(&events).by_model()["hanging"], partial);

    // What was counted before stays as it was; the sum is as certain as its least certain part.
    let models = vec![counting("one", 3, 2), hanging()];
    let hangs =
        |event: &Event| matches!(&event.body, Body::Message { chunk } if chunk.text().as_deref() == Some("8 bytes."));
    let events = watch(Asks { models, together: false }.run(question), hangs).await;
    assert_eq!(end(&events), (Outcome::Cancelled, Some(Usage::new(8, 4, UsageSource::Partial))));
    assert_eq!(totals(&events).by_model()["one"], provider(3, 2));
    assert_eq!(totals(&events).total(), end(&events).1);
}

#[tokio::test]
async fn a_stopped_answer_costs_the_same_when_nobody_hears_it() {
    let token = CancellationToken::new();
    let (stop, models) = (token.clone(), vec![hanging()]);
    let asks = Asks { models, together: false };
    let mut events = asks.run("a question, 20 bytes").channels(Channels::NONE).cancel_with(token).events();
    assert!(matches!(events.next().await, Some(Ok(Event { body: Body::Started, .. }))));
    // It goes on until its model hangs.
    assert!(events.next().now_or_never().is_none());
    stop.cancel();
    let Some(Ok(Event { body: Body::Finished(finished), .. })) = events.next().await else { panic!("no end") };
    assert_eq!(finished.usage, Some(Usage::new(5, 2, UsageSource::Partial)));
}

#[tokio::test]
async fn an_answer_that_fails_in_the_middle_costs_what_came() {
    let fails = |text: &'static str| {
        let answer = move |out: Out| async move {
            out.text(text).await;
            Err(Error::new(ErrorKind::ProviderFailed, "no"))
        };
        Model::from(Named("fails", answer))
    };
    let events = watch(fails("8 bytes.").run("a question, 20 bytes"), |_| false).await;
    assert_eq!(end(&events), (Outcome::Failed, Some(Usage::new(5, 2, UsageSource::Partial))));
    // One that fails before it says anything is not paid for.
    let events = watch(fails("").run("a question, 20 bytes"), |_| false).await;
    assert_eq!(end(&events), (Outcome::Failed, None));
}

#[tokio::test]
async fn a_provider_that_does_not_count_is_estimated() {
    let answer = |out: Out| async move {
        out.text("8 bytes.").await;
        Ok(Finish::Stop)
    };
    let events = watch(Model::from(Named("silent", answer)).run("a question, 20 bytes"), |_| false).await;
    assert_eq!(end(&events), (Outcome::Completed, Some(Usage::new(5, 2, UsageSource::Estimated))));
}

/// A step that gives an answer up and goes on.
#[derive(Clone)]
struct Impatient(Model);

impl Runnable for Impatient {
    type Input = Messages;
    type Output = String;

    fn transform(&self, input: Input<Messages>, cx: Cx) -> Chunks<String> {
        let Self(model) = self.clone();
        let answer = async move {
            let messages = input.whole(&cx).await?;
            let mut asked = model.invoke(messages, &cx);
            assert!((&mut asked).now_or_never().is_none());
            drop(asked);
            Ok(Arc::from("never mind"))
        };
        stream::once(answer).boxed()
    }
}

#[tokio::test]
async fn an_answer_that_is_given_up_counts_in_a_run_that_goes_on() {
    let mut events: Vec<_> = Vec::new();
    let mut run = Impatient(hanging()).run("a question, 20 bytes").events();
    while let Some(event) = run.next().await {
        events.push(event.expect("it goes well"));
    }
    assert_eq!(end(&events), (Outcome::Completed, Some(Usage::new(5, 2, UsageSource::Partial))));
    assert_eq!(totals(&events).total(), end(&events).1);
}

#[tokio::test]
async fn totals_add_up_over_runs() {
    let mut totals = UsageTotals::default();
    for _ in 0..3 {
        let events = watch(Model::from(Demo::says(["Hello."])).run("Hi"), |_| false).await;
        let once = end(&events).1.expect("a usage").output_tokens;
        events.iter().for_each(|event| totals.observe(event));
        assert_eq!(totals.total().expect("a total").output_tokens % once, 0);
    }
    let names: Vec<_> = totals.by_model().keys().collect();
    assert_eq!(names.len(), 1);
}
