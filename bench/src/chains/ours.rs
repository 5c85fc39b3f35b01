//! The chains, as a user of the library writes them.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use millstream::models::OpenAi;
use millstream::prelude::*;
use millstream::{EventFilter, Events, Kind, Piece, Run, Streamed};
use millstream_protocol::events_v2::EventsV2;
use millstream_testkit::{ScriptedModel, Turn};
use serde_json::{Value, json};

use super::{Case, Place, QUESTION, WIDTH, Watched};
use crate::measure::cpu_time;

/// Runs chains, one at a time, in this thread: as a worker of the server does.
pub(super) struct Ours {
    runtime: tokio::runtime::Runtime,
    /// One for all runs, so that connections are kept.
    provider: Model,
    json: String,
    /// What the JSON says.
    value: Value,
}

impl Ours {
    pub(super) fn new(provider: SocketAddr, json: &str) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let model = OpenAi::builder("gpt-4o-mini").base_url(format!("http://{provider}/v1")).build();
        let provider = model.map_err(|error| error.to_string())?.into();
        let value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        Ok(Self { runtime, provider, json: json.to_owned(), value })
    }

    /// The CPU time of one run of a chain that is built.
    pub(super) fn run(&self, case: &Case) -> Result<Duration, String> {
        let run = async {
            match case.chain {
                super::Chain::Text => self.text(case).await,
                super::Chain::Json => self.json(case).await,
                super::Chain::Map => self.map(case).await,
            }
        };
        let (used, heard) = self.runtime.block_on(run).map_err(|error| error.to_string())?;
        if heard == case.size { Ok(used) } else { Err(format!("{}: {heard} of {} were heard", case.name, case.size)) }
    }

    async fn text(&self, case: &Case) -> Result<(Duration, usize)> {
        let model = match case.place {
            Place::Memory => says(case.size),
            Place::Provider => self.provider.clone(),
        };
        let chain = prompt() | model | Text;
        let run = chain.run(question());
        match case.watched {
            Watched::Awaited => {
                let before = cpu_time();
                let answer = run.await?;
                let used = cpu_time() - before;
                Ok((used, answer.split_whitespace().count()))
            }
            Watched::Streamed | Watched::LookedAt => streamed(run, |text| !text.is_empty()).await,
            Watched::Events => events(run).await,
            Watched::Written => written(run.events()).await,
            Watched::ModelWritten => written(run.only(EventFilter::new().include_kind(Kind::ChatModel)).events()).await,
        }
    }

    /// Pieces may give nothing new to see: what is heard is all, if the last view shows it.
    async fn json(&self, case: &Case) -> Result<(Duration, usize)> {
        let pieces = self.json.as_bytes().chunks(WIDTH).map(String::from_utf8_lossy);
        let chain = prompt() | Model::from(ScriptedModel::new([Turn::says(pieces)])) | AnyJson;
        let mut last = None;
        let look = case.watched == Watched::LookedAt;
        let (used, _) = streamed(chain.run(question()), |view| {
            if look {
                black_box(view.value());
            }
            last = Some(view.clone());
            true
        })
        .await?;
        let is_whole = last.is_some_and(|view| view == self.value);
        Ok((used, if is_whole { case.size } else { 0 }))
    }

    async fn map(&self, case: &Case) -> Result<(Duration, usize)> {
        let half = || prompt() | says(case.size / 2) | Text;
        let chain = Parallel::new().with("long", half()).with("short", half());
        streamed(chain.run(question()), |entries| entries.values().any(Piece::is_visible)).await
    }
}

fn prompt() -> Prompt {
    Prompt::new().system("You are a concise technical writer.").human("{question}")
}

fn question() -> Vars {
    vars! { question: QUESTION }
}

/// A model in memory.
fn says(tokens: usize) -> Model {
    Model::from(ScriptedModel::new([Turn::says((0..tokens).map(|_| "token "))]))
}

/// The output, piece by piece: how long it took, and how many pieces `counts` counts.
async fn streamed<O: Streamed>(run: Run<O>, mut counts: impl FnMut(&O::Chunk) -> bool) -> Result<(Duration, usize)> {
    let before = cpu_time();
    let mut pieces = run.stream();
    let mut heard = 0;
    while let Some(piece) = pieces.try_next().await? {
        heard += usize::from(counts(&piece));
    }
    Ok((cpu_time() - before, heard))
}

/// Everything that happens: how long it took, and how many tokens of models there were.
async fn events(run: Run<String>) -> Result<(Duration, usize)> {
    let before = cpu_time();
    let mut events = run.events();
    let mut heard = 0;
    while let Some(event) = events.try_next().await? {
        heard += usize::from(is_token(&event));
    }
    Ok((cpu_time() - before, heard))
}

/// The same, each event written as clients of LangChain know it.
async fn written(mut events: Events) -> Result<(Duration, usize)> {
    let before = cpu_time();
    let mut view = EventsV2::new(json!({ "question": QUESTION }));
    let mut heard = 0;
    while let Some(event) = events.try_next().await? {
        heard += usize::from(is_token(&event));
        if let Some(event) = view.push(&event) {
            black_box(serde_json::to_string(&event).map_err(Error::failed)?);
        }
    }
    Ok((cpu_time() - before, heard))
}

fn is_token(event: &Event) -> bool {
    matches!(&event.body, Body::Message { chunk } if chunk.text().is_some_and(|text| !text.is_empty()))
}
