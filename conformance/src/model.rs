//! The scripted model: what the cases' models say, as a [`ChatModel`].

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use millstream::{
    AiMessageChunk, ChatModel, ChunkContent, ChunkDecoder, Cx, Kind, Label, PartSource, PartWriter, Parts, Request,
    Result,
};
use serde_json::{Map, Value, json};
use tokio::time::Sleep;

use crate::case::{ModelScript, ScriptItem};
use crate::expression::Raised;
use crate::message::text_of;

/// A model that says what a case says. Clones share their place in the script.
#[derive(Clone, Debug)]
pub struct ScriptedModel {
    script: Arc<ModelScript>,
    place: Arc<AtomicUsize>,
    stop: Vec<String>,
    tags: Vec<String>,
    metadata: Map<String, Value>,
    name: Arc<str>,
    /// The sum of what was said last.
    said: Arc<Mutex<Option<AiMessageChunk>>>,
}

impl ScriptedModel {
    /// The model of a script.
    pub fn new(script: ModelScript) -> Self {
        let mut metadata = script.metadata.clone();
        metadata.extend([
            ("ls_provider".to_owned(), json!("scripted")),
            ("ls_model_type".to_owned(), json!("chat")),
            ("ls_model_name".to_owned(), json!(script.name.as_deref().unwrap_or("scripted-1"))),
        ]);
        for (name, value) in [("ls_temperature", &script.temperature), ("ls_max_tokens", &script.max_tokens)] {
            metadata.extend(value.clone().map(|value| (name.to_owned(), value)));
        }
        let tags = script.tags.clone();
        Self {
            script: Arc::new(script),
            place: Arc::default(),
            stop: Vec::new(),
            tags,
            metadata,
            name: "ChatScripted".into(),
            said: Arc::default(),
        }
    }

    /// Whether the model ever says anything piece by piece.
    pub fn streams(&self) -> bool {
        self.script.streaming != Some(false)
    }

    /// The same model, whose answers end before any of these texts.
    #[must_use]
    pub fn with_stop(mut self, stop: Vec<String>) -> Self {
        self.metadata.insert("ls_stop".to_owned(), json!(stop));
        self.stop = stop;
        self
    }

    /// The same model with tags, metadata and a name for its runs.
    #[must_use]
    pub fn configured(mut self, tags: &[String], metadata: &Map<String, Value>, name: Option<&str>) -> Self {
        self.tags.extend_from_slice(tags);
        self.metadata.extend(metadata.clone());
        self.name = name.map_or(self.name, Into::into);
        self.said = Arc::default();
        self
    }

    /// The sum of the pieces that this model, as it was configured, has said last.
    pub fn said(&self) -> Option<AiMessageChunk> {
        lock(&self.said).clone()
    }

    /// What the model says to a conversation whose last message has this text.
    fn response(&self, heard: &str) -> &[ScriptItem] {
        if let Some((_, response)) = self.script.by_input.iter().find(|(text, _)| heard.contains(text.as_str())) {
            return response;
        }
        let place = self.place.fetch_add(1, Ordering::Relaxed);
        let last = self.script.responses.len().saturating_sub(1);
        self.script.responses.get(place.min(last)).map(Vec::as_slice).unwrap_or_default()
    }
}

impl ChatModel for ScriptedModel {
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        let heard = request.messages.last().map(|message| message.text()).unwrap_or_default();
        let items = stopped(self.response(&heard), &[self.stop.clone(), request.options.stop].concat());
        let speech = Speech {
            items: items.into(),
            id: cx.message_id(),
            at_once: !self.streams(),
            sleep: None,
            decoder: ChunkDecoder::default(),
            last: None,
            said: self.said.clone(),
        };
        *lock(&self.said) = None;
        Box::pin(async move { Ok(Parts::new(cx, speech)) })
    }

    fn label(&self) -> Label {
        let mut label = Label::new(Kind::ChatModel, self.name.clone());
        label.tags.clone_from(&self.tags);
        label.metadata.clone_from(&self.metadata);
        if self.streams() { label } else { label.at_once() }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The script up to the first of the stop texts.
fn stopped(items: &[ScriptItem], stop: &[String]) -> Vec<ScriptItem> {
    let text = |item: &ScriptItem| match item {
        ScriptItem::Chunk(chunk) => text_of(&json!({ "content": chunk.content })),
        _ => String::new(),
    };
    let whole: String = items.iter().map(text).collect();
    let Some(end) = stop.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| whole.find(stop.as_str())).min()
    else {
        return items.to_vec();
    };
    let (mut kept, mut at) = (Vec::new(), 0);
    for item in items {
        let said = text(item);
        if at + said.len() >= end {
            if let (ScriptItem::Chunk(chunk), false) = (item, at == end) {
                let mut chunk = chunk.clone();
                chunk.content = ChunkContent::Text(said[..end - at].to_owned());
                kept.push(ScriptItem::Chunk(chunk));
            }
            break;
        }
        at += said.len();
        kept.push(item.clone());
    }
    kept
}

/// One answer, while it is given.
struct Speech {
    items: VecDeque<ScriptItem>,
    /// The id of chunks that have none.
    id: String,
    at_once: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    decoder: ChunkDecoder,
    /// The last chunk that was said.
    last: Option<Box<AiMessageChunk>>,
    said: Arc<Mutex<Option<AiMessageChunk>>>,
}

impl PartSource for Speech {
    fn poll_fill(&mut self, task: &mut Context<'_>, out: &mut PartWriter) -> Poll<Result<bool>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                std::task::ready!(sleep.as_mut().poll(task));
                self.sleep = None;
            }
            match self.items.pop_front() {
                Some(ScriptItem::Sleep(milliseconds)) => {
                    self.sleep = Some(Box::pin(tokio::time::sleep(Duration::from_millis(milliseconds))));
                }
                Some(ScriptItem::Raise { message, kind }) => {
                    return Poll::Ready(Err(Raised::new(kind, message).into()));
                }
                Some(ScriptItem::Chunk(chunk)) => {
                    let is_last = self.items.is_empty() && chunk.last;
                    self.say(chunk, out)?;
                    if is_last {
                        self.end(out)?;
                    }
                    if !self.at_once {
                        return Poll::Ready(Ok(true));
                    }
                }
                None => {
                    self.end(out)?;
                    return Poll::Ready(Ok(true));
                }
            }
        }
    }
}

impl Speech {
    fn say(&mut self, mut chunk: Box<AiMessageChunk>, out: &mut PartWriter) -> Result<()> {
        chunk.id.get_or_insert_with(|| self.id.clone());
        // What is told at once is a message, which has no last piece.
        chunk.last &= !self.at_once;
        self.decoder.decode(&chunk, out)?;
        match &mut *lock(&self.said) {
            Some(said) => said.add(&chunk)?,
            said @ None => *said = Some((*chunk).clone()),
        }
        self.last = Some(chunk);
        Ok(())
    }

    /// Ends the message: with an empty chunk, unless the script has said what is the last one.
    fn end(&mut self, out: &mut PartWriter) -> Result<()> {
        if !self.at_once && !self.last.as_ref().is_some_and(|chunk| chunk.last) {
            let mut last = AiMessageChunk::default();
            last.last = true;
            if let Some(ChunkContent::List(_)) = self.last.as_ref().map(|chunk| &chunk.content) {
                last.content = ChunkContent::List(Vec::new());
            }
            self.say(Box::new(last), out)?;
        }
        self.decoder.end(out);
        Ok(())
    }
}
