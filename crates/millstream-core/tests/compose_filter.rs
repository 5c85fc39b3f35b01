//! `Run::only`: what is not let through is neither told nor made.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::TryStreamExt;
use millstream_core::{
    Body, Error, ErrorKind, Event, EventFilter, Json, Kind, Lambda, Model, Parallel, Prompt, Run, Runnable, Streamed,
    Text, vars,
};
use millstream_testkit::{ScriptedModel, Turn};
use serde::{Serialize, Serializer};

async fn told<O: Streamed>(run: Run<O>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut told = run.events();
    while let Ok(Some(event)) = told.try_next().await {
        events.push(event);
    }
    events
}

/// Who speaks, besides the run when it starts and ends.
fn speakers(events: &[Event]) -> Vec<&str> {
    let inside = events.iter().filter(|event| !matches!(event.body, Body::Started | Body::Finished(_)));
    let mut names: Vec<&str> = inside.map(|event| &*event.scope.name).collect();
    names.dedup();
    names
}

#[tokio::test]
async fn a_message_that_is_kept_out_stays_out_when_the_run_closes_it() {
    let broken = Turn::says(["half"]).fails(Error::new(ErrorKind::ProviderFailed, "gone"));
    let chain = Prompt::new().human("{q}") | Model::from(ScriptedModel::new([broken])) | Text;
    let only = EventFilter::new().exclude_kind(Kind::ChatModel);
    let events = told(chain.run(vars! { q: "?" }).only(only)).await;
    assert_eq!(speakers(&events), ["RunnableSequence", "ChatPromptTemplate", "StrOutputParser", "RunnableSequence"]);
    assert!(events.iter().all(|event| !matches!(event.body, Body::Message { .. })));
}

#[tokio::test]
async fn only_what_is_let_through_speaks() {
    let say = |name: &str| Lambda::new(|text: String| Ok(text)).named(name);
    let chain = Parallel::new().with("a", say("first").tag("wanted")).with("b", say("second")).named("both");
    let speaks = async |only| speakers(&told(chain.run("x".to_owned()).only(only)).await).join(" ");
    assert_eq!(speaks(EventFilter::new().include_name("second")).await, "second");
    assert_eq!(speaks(EventFilter::new().include_tag("wanted")).await, "first");
    assert_eq!(speaks(EventFilter::new().exclude_tag("wanted").exclude_name("both")).await, "second");
    assert_eq!(speaks(EventFilter::new().include_kind(Kind::Tool)).await, "");
}

/// Counts how often it is made JSON.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        serializer.serialize_unit()
    }
}

#[tokio::test]
async fn what_is_kept_out_is_not_made() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Counted(made.clone());
    let chain = Lambda::future(move |_: String, cx| {
        let counted = counted.clone();
        async move {
            cx.dispatch("progress", counted.clone()).await?;
            Ok(Json(counted))
        }
    });
    let chain = chain.pipe(Lambda::new(|counted: Json<Counted>| Ok(counted)).named("second"));
    let told = async |only| {
        made.store(0, Ordering::SeqCst);
        let events = told(chain.run("x".to_owned()).only(only)).await;
        serde_json::to_string(&events).unwrap();
        made.load(Ordering::SeqCst)
    };
    assert_eq!(told(EventFilter::new().include_name("nobody")).await, 0);
    assert_eq!(told(EventFilter::new().include_name("progress")).await, 1);
    // Its piece and its end have what it gave; its beginning has no input, since it begins with the first piece.
    assert_eq!(told(EventFilter::new().include_name("RunnableLambda")).await, 2);
}
