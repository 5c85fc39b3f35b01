//! From LangChain's chunks to parts.

use serde_json::{Map, Value};

use super::Delta;
use super::note::{Blank, Note};
use super::writer::{CallIndex, PartWriter};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{AiMessageChunk, Block, ChunkContent, Finish, ToolCallChunk, ids_agree, is_index};
use crate::usage::Usage;

/// Writes the parts of a message that comes as [`AiMessageChunk`]s: for models behind LangServe or LangGraph, and for scripts.
///
/// What comes under an index goes on with what has that index, as in LangChain. A piece of a tool call that could belong to several calls
/// fails the answer: two calls never become one.
///
/// ```
/// use millstream_core::{AiMessageChunk, ChunkDecoder, MessageFold, PartWriter};
///
/// let (mut decoder, mut writer, mut fold) = (ChunkDecoder::default(), PartWriter::new("m1"), MessageFold::default());
/// for text in ["Hel", "lo"] {
///     decoder.decode(&AiMessageChunk::text(text), &mut writer)?;
///     fold.push(writer.take().iter().flatten())?;
/// }
/// decoder.end(&mut writer);
/// fold.push(writer.take().iter().flatten())?;
/// assert_eq!(fold.finish()?.text(), "Hello");
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct ChunkDecoder {
    calls: Vec<Call>,
    blocks: Vec<Given>,
    usage: Option<Usage>,
    begun: bool,
}

#[derive(Debug)]
struct Call {
    index: Value,
    id: String,
    named: bool,
    /// Whether arguments have come.
    filled: bool,
    call: CallIndex,
}

/// A block of a list that may go on.
#[derive(Debug)]
struct Given {
    index: Value,
    id: String,
    kind: String,
    block: u32,
}

impl ChunkDecoder {
    /// Writes what a chunk says. Also one that says nothing is a piece of the stream.
    ///
    /// # Errors
    /// `provider_protocol` if it is not clear to which call a piece of a tool call belongs.
    pub fn decode(&mut self, chunk: &AiMessageChunk, out: &mut PartWriter) -> Result<()> {
        if let Some(id) = &chunk.id {
            out.set_id(id);
        }
        out.start();
        let blank = match &chunk.content {
            ChunkContent::Text(text) if text.is_empty() && !self.begun => Some(Blank::Text),
            ChunkContent::List(items) if items.is_empty() => Some(Blank::List),
            _ => None,
        };
        self.begun = true;
        let note = Note {
            id: None,
            response_metadata: chunk.response_metadata.clone(),
            additional_kwargs: chunk.additional_kwargs.clone(),
            fields: chunk.extra.clone(),
            blank,
            last: chunk.last,
        };
        if note != Note::default() {
            out.note(note);
        }
        match &chunk.content {
            ChunkContent::Text(text) => out.text_between(text),
            ChunkContent::List(items) => items.iter().for_each(|item| self.item(item, out)),
        }
        chunk.tool_call_chunks.iter().try_for_each(|piece| self.piece_of_call(piece, out))?;
        if let Some(more) = &chunk.usage {
            match &mut self.usage {
                Some(usage) => *usage += more.clone(),
                usage @ None => *usage = Some(more.clone()),
            }
            self.usage.iter().for_each(|usage| out.usage(usage.clone()));
        }
        if !out.has_parts() {
            out.note(Note::default());
        }
        Ok(())
    }

    /// Ends the message.
    pub fn end(&self, out: &mut PartWriter) {
        out.end(if self.calls.is_empty() { Finish::Stop } else { Finish::ToolCalls });
    }

    fn item(&mut self, item: &Value, out: &mut PartWriter) {
        let Value::Object(fields) = item else {
            let block = out.given(Block::of_item(item.clone()));
            out.end_given(block);
            return;
        };
        let (index, id) = (fields.get("index").cloned().unwrap_or_default(), text_of(fields, "id"));
        let known = self.blocks.iter().find(|block| block.index == index && ids_agree(&block.id, id));
        if let (true, Some(known)) = (is_index(&index), known) {
            go_on(known, fields, out);
            return;
        }
        let block = out.given(Block::of_object(fields.clone()));
        if is_index(&index) {
            let (id, kind) = (id.to_owned(), text_of(fields, "type").to_owned());
            self.blocks.push(Given { index, id, kind, block });
        } else {
            out.end_given(block);
        }
    }

    fn piece_of_call(&mut self, piece: &ToolCallChunk, out: &mut PartWriter) -> Result<()> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (id, name, args) = (text(&piece.id), text(&piece.name), text(&piece.args));
        let Some(at) = self.find(piece, &id, &name, &args)? else {
            let place = self.calls.len();
            let call = out.tool_call(&id, &name);
            let mut exceptions = Map::new();
            if piece.index != place {
                exceptions.insert("index".to_owned(), piece.index.clone());
            }
            if piece.args.is_none() {
                exceptions.insert("args".to_owned(), Value::Null);
            }
            exceptions.extend(empty_texts(piece));
            if !exceptions.is_empty() {
                out.delta(call.number(), Delta::Fields(exceptions.into()));
            }
            let (index, named, filled) = (piece.index.clone(), !name.is_empty(), !args.is_empty());
            self.calls.push(Call { index, id, named, filled, call });
            return out.arguments(call, &args);
        };
        let known = &mut self.calls[at];
        let mut late = empty_texts(piece);
        if !name.is_empty() && !known.named {
            late.insert("name".to_owned(), name.into());
            known.named = true;
        }
        if !id.is_empty() && known.id.is_empty() {
            late.insert("id".to_owned(), id.as_str().into());
            known.id = id;
        }
        if !late.is_empty() || args.is_empty() {
            out.delta(known.call.number(), Delta::Fields(late.into()));
        }
        known.filled |= !args.is_empty();
        out.arguments(known.call, &args)
    }

    /// The call that a piece goes on with; none if it begins one.
    fn find(&self, piece: &ToolCallChunk, id: &str, name: &str, args: &str) -> Result<Option<usize>> {
        let indexed = is_index(&piece.index);
        let calls = || self.calls.iter().enumerate();
        let same_id = calls().filter(|(_, call)| {
            !id.is_empty() && call.id == id && (!indexed || call.index == piece.index || call.index.is_null())
        });
        let found: Vec<usize> = same_id.map(|(at, _)| at).collect();
        let found = match (found.as_slice(), indexed) {
            ([], true) => calls()
                .filter(|(_, call)| call.index == piece.index && ids_agree(&call.id, id))
                .map(|(at, _)| at)
                .collect(),
            // Nothing is said about which call: all are in question, unless it is a new one.
            ([], false) if id.is_empty() && name.is_empty() => calls().map(|(at, _)| at).collect(),
            _ => found,
        };
        match found.as_slice() {
            [] if !indexed && id.is_empty() && name.is_empty() && !args.is_empty() => {
                Err(unclear("has no index, no id and no name, and no call has begun"))
            }
            [] => Ok(None),
            [at] => {
                let call = &self.calls[*at];
                let by_id = !id.is_empty() && call.id == id;
                if !name.is_empty() && call.named && call.filled && !by_id {
                    return Err(unclear("names a tool under the index of a call that has begun"));
                }
                Ok(Some(*at))
            }
            [first, ..] if args.is_empty() && id.is_empty() && name.is_empty() => Ok(Some(*first)),
            _ => Err(unclear("could belong to several calls")),
        }
    }
}

/// The name and the id of a piece where they are there and empty: they say nothing, and are shown as they came.
fn empty_texts(piece: &ToolCallChunk) -> Map<String, Value> {
    let fields = [("name", &piece.name), ("id", &piece.id)].into_iter();
    let empty = fields.filter(|(_, text)| text.as_ref().is_some_and(String::is_empty));
    empty.map(|(name, _)| (name.to_owned(), "".into())).collect()
}

/// Writes what a piece adds to a block that has begun. Its type is only said again if it is another one, or none.
fn go_on(known: &Given, piece: &Map<String, Value>, out: &mut PartWriter) {
    let mut more = piece.clone();
    more.remove("index");
    match text_of(piece, "type") {
        "non_standard" => {}
        "" => drop(more.insert("type".to_owned(), Value::Null)),
        kind if kind == known.kind => drop(more.remove("type")),
        _ => {}
    }
    if let ("text" | "reasoning", Some(Value::String(text))) = (known.kind.as_str(), more.get(&known.kind))
        && !text.is_empty()
    {
        let text = text.as_str().into();
        let is_text = known.kind == "text";
        out.delta(known.block, if is_text { Delta::Text(text) } else { Delta::Reasoning(text) });
        more.remove(&known.kind);
        if more.is_empty() {
            return;
        }
    }
    out.delta(known.block, Delta::Fields(more.into()));
}

fn text_of<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn unclear(what: &str) -> Error {
    let message = format!("a piece of a tool call {what}, so it is not clear which call it belongs to");
    Error::new(ErrorKind::ProviderProtocol, message)
}
