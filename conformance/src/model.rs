//! The scripted model: what the cases' models say, as a [`ChatModel`].

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use millstream::{CallIndex, ChatModel, Cx, Finish, Kind, Label, PartSource, PartWriter, Parts, Request, Result};
use serde_json::{Map, Value, json};
use tokio::time::Sleep;

use crate::case::{ModelScript, ScriptItem};
use crate::expression::Raised;
use crate::message::{read_usage, text_of};

/// A model that says what a case says. Clones share their place in the script.
#[derive(Clone, Debug)]
pub struct ScriptedModel {
    script: Arc<ModelScript>,
    place: Arc<AtomicUsize>,
    stop: Vec<String>,
    tags: Vec<String>,
    metadata: Map<String, Value>,
    name: Arc<str>,
}

impl ScriptedModel {
    /// The model of a script.
    ///
    /// # Errors
    /// What in the script a message has no place for.
    pub fn new(script: ModelScript) -> Result<Self, String> {
        let said = script.responses.iter().chain(script.by_input.iter().map(|(_, response)| response));
        said.flatten().try_for_each(representable)?;
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
        Ok(Self {
            script: Arc::new(script),
            place: Arc::default(),
            stop: Vec::new(),
            tags,
            metadata,
            name: "ChatScripted".into(),
        })
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
        self
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
        let speech =
            Speech { items: items.into(), at_once: !self.streams(), sleep: None, calls: Vec::new(), begun: false };
        Box::pin(async move { Ok(Parts::new(cx, speech)) })
    }

    fn label(&self) -> Label {
        let mut label = Label::new(Kind::ChatModel, self.name.clone());
        label.tags.clone_from(&self.tags);
        label.metadata.clone_from(&self.metadata);
        label
    }
}

/// The script up to the first of the stop texts.
fn stopped(items: &[ScriptItem], stop: &[String]) -> Vec<ScriptItem> {
    let text = |item: &ScriptItem| match item {
        ScriptItem::Chunk(fields) => text_of(&Value::Object(fields.clone())),
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
            if let (ScriptItem::Chunk(fields), false) = (item, at == end) {
                let mut fields = fields.clone();
                fields.insert("content".to_owned(), said[..end - at].into());
                kept.push(ScriptItem::Chunk(fields));
            }
            break;
        }
        at += said.len();
        kept.push(item.clone());
    }
    kept
}

/// Refuses what would be lost: better no answer than another one.
fn representable(item: &ScriptItem) -> Result<(), String> {
    let ScriptItem::Chunk(fields) = item else { return Ok(()) };
    for (name, field) in fields {
        let nothing = field.is_null() || field == &json!([]) || field == &json!({});
        match name.as_str() {
            "content" if field.is_string() => {}
            "usage_metadata" if !nothing => {
                read_usage(field)?;
            }
            "tool_call_chunks" => {
                for call in field.as_array().into_iter().flatten() {
                    if call["index"].is_null() {
                        return Err("a streamed tool call has no place for a missing index yet".to_owned());
                    }
                }
            }
            "id" | "chunk_position" => {}
            "type" if field == "AIMessageChunk" => {}
            _ if nothing => {}
            _ => return Err(format!("a streamed message has no place for {name} = {field} yet")),
        }
    }
    Ok(())
}

/// One answer, while it is given.
struct Speech {
    items: VecDeque<ScriptItem>,
    at_once: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The tool calls that have begun, by their index in the script.
    calls: Vec<(Value, CallIndex)>,
    begun: bool,
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
                Some(ScriptItem::Chunk(fields)) => {
                    self.say(&fields, out)?;
                    if self.items.is_empty() && fields.get("chunk_position").is_some_and(|place| place == "last") {
                        self.end(out);
                    }
                    if !self.at_once {
                        return Poll::Ready(Ok(true));
                    }
                }
                None => {
                    self.end(out);
                    return Poll::Ready(Ok(true));
                }
            }
        }
    }
}

impl Speech {
    fn say(&mut self, fields: &Map<String, Value>, out: &mut PartWriter) -> Result<()> {
        if let (false, Some(id)) = (self.begun, fields.get("id").and_then(Value::as_str)) {
            *out = PartWriter::new(id);
        }
        self.begun = true;
        out.start();
        out.text(fields["content"].as_str().unwrap_or_default());
        for piece in fields.get("tool_call_chunks").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| piece[name].as_str().unwrap_or_default();
            let known = self.calls.iter().find(|(index, _)| *index == piece["index"]);
            let call = match known {
                Some((_, call)) => *call,
                None => {
                    let call = out.tool_call(text("id"), text("name"));
                    self.calls.push((piece["index"].clone(), call));
                    call
                }
            };
            out.arguments(call, text("args"))?;
        }
        if let Some(usage) = fields.get("usage_metadata").and_then(|usage| read_usage(usage).ok()) {
            out.usage(usage);
        }
        Ok(())
    }

    fn end(&self, out: &mut PartWriter) {
        out.end(if self.calls.is_empty() { Finish::Stop } else { Finish::ToolCalls });
    }
}
