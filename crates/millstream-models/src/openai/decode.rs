//! From frames to parts: a pure function of the bytes, so that every cut and every split of them can be tested.
//!
//! When is an answer complete (R04)?
//!
//! | seen | then the body ends, breaks or goes silent | the answer is |
//! | --- | --- | --- |
//! | `finish_reason` that is a non-empty text | in any way | complete, with that reason |
//! | `[DONE]` | - | complete at once; without a reason: `stop`, or `tool_calls` if there are any |
//! | a whole `chat.completion` document | at its end | complete |
//! | neither | cleanly, cut or reset | `truncated` |
//! | neither | silent beyond a time limit | `first_token_timeout`, `token_timeout`, `total_timeout` |
//! | an error object, or the reason `error` | - | failed, with the object's kind |
//! | neither, and bytes that are no chunk | - | `provider_protocol` |
//!
//! Nothing that comes after the evidence takes the answer back. After a `finish_reason` the usage and `[DONE]` are waited for, for
//! two seconds at most.

use std::task::{Context, Poll, ready};

use millstream_core::{Error, ErrorKind, Finish, PartSource, PartWriter, Result, Usage, UsageSource};
use serde_json::value::RawValue;

use super::calls::{Calls, Fragment};
use super::wire::{self, Choice, Chunk, Delta, Raw};
use crate::frames::{Frame, Frames};
use crate::refusal;

/// An answer on its way: frames in, parts out.
pub(super) struct Answer {
    frames: Frames,
    decoder: Decoder,
}

impl Answer {
    /// `call_prefix` begins the ids of tool calls that come without one.
    pub(super) fn new(frames: Frames, call_prefix: String) -> Self {
        Self {
            frames,
            decoder: Decoder { calls: Calls::new(call_prefix), finish: None, usage: None, spoke: false, spoken: false },
        }
    }

    fn step(&mut self, frame: Option<Result<Frame>>, out: &mut PartWriter) -> Result<bool> {
        let step = match frame {
            Some(Ok(frame)) => self.decoder.decode(frame, self.frames.place(), out),
            Some(Err(error)) => Err(error),
            None => Err(self
                .frames
                .error(ErrorKind::Truncated, "the stream ended without a finish reason and without [DONE]")),
        };
        match step {
            Ok(Step::More) => Ok(true),
            Ok(Step::Finished) => {
                self.frames.clock.farewell();
                Ok(true)
            }
            Ok(Step::Done) => self.decoder.end(out).map(|()| false),
            // The evidence is in: nothing can take the answer back.
            Err(_) if self.decoder.finish.is_some() => self.decoder.end(out).map(|()| false),
            Err(error) => Err(error),
        }
    }
}

impl PartSource for Answer {
    fn poll_fill(&mut self, task: &mut Context<'_>, out: &mut PartWriter) -> Poll<Result<bool>> {
        loop {
            let frame = ready!(self.frames.poll_next(task));
            let more = self.step(frame, out).map_err(|error| self.frames.own(error))?;
            if !more {
                // The end of the body is mostly there already; a connection whose body was read to its end can be used again.
                let _ = self.frames.poll_next(task);
            }
            if std::mem::take(&mut self.decoder.spoke) && self.decoder.finish.is_none() {
                self.frames.clock.token();
            }
            if out.has_parts() || !more {
                return Poll::Ready(Ok(more));
            }
        }
    }
}

/// What a frame brought.
enum Step {
    /// Something, or nothing; there may be more.
    More,
    /// The reason why the answer ended; usage and end mark may follow.
    Finished,
    /// The end mark.
    Done,
}

struct Decoder {
    calls: Calls,
    finish: Option<Finish>,
    /// Counted before the model said anything: a count alone does not begin a message.
    usage: Option<Usage>,
    /// The model said something in this frame.
    spoke: bool,
    /// The model has said something.
    spoken: bool,
}

impl Decoder {
    fn decode(&mut self, frame: Frame, place: &str, out: &mut PartWriter) -> Result<Step> {
        match frame {
            Frame::Event { name, data } => {
                let data = data.trim();
                match data {
                    "[DONE]" => return Ok(Step::Done),
                    "" => return Ok(Step::More),
                    _ => {}
                }
                let chunk = parse(data, place)?;
                let is_flat_error =
                    name.as_deref() == Some("error") || (chunk.choices.is_none() && chunk.message.is_some());
                if is_flat_error && chunk.error.is_none() {
                    return Err(refusal::of_object(place, data));
                }
                self.chunk(&chunk, place, out)
            }
            Frame::Whole(body) => {
                let body = std::str::from_utf8(&body).map_err(|error| match error.error_len() {
                    None => cut_off(place),
                    Some(_) => unreadable(place).with_source(error),
                })?;
                let chunk = parse(body, place)?;
                let step = self.chunk(&chunk, place, out)?;
                // The document is whole, and so is the answer; but it must be an answer.
                match (step, &chunk.choices) {
                    (Step::Finished, _) | (_, Some(_)) => Ok(Step::Done),
                    _ => Err(unreadable(place)),
                }
            }
        }
    }

    fn chunk(&mut self, chunk: &Chunk<'_>, place: &str, out: &mut PartWriter) -> Result<Step> {
        let groq = chunk.x_groq.as_ref();
        if let Some(error) = chunk.error.or_else(|| groq.and_then(|groq| groq.error)) {
            return Err(refusal::of_object(place, error.get()));
        }
        let before = self.finish;
        // One answer was asked for; a provider that numbers its choices numbers this one 0.
        let first = |choice: &&Choice<'_>| wire::number(choice.index).unwrap_or(0) == 0;
        for choice in chunk.choices.iter().flatten().filter(first) {
            self.choice(choice, place, out)?;
        }
        self.usage = usage(chunk.usage).or_else(|| groq.and_then(|groq| usage(groq.usage))).or(self.usage.take());
        if self.spoken
            && let Some(usage) = self.usage.take()
        {
            out.usage(usage);
        }
        Ok(if before.is_none() && self.finish.is_some() { Step::Finished } else { Step::More })
    }

    fn choice(&mut self, choice: &Choice<'_>, place: &str, out: &mut PartWriter) -> Result<()> {
        if let Some(delta) = choice.delta.as_ref().or(choice.message.as_ref()) {
            self.delta(delta, out)?;
        }
        let reason = wire::text(choice.finish_reason);
        if !reason.is_empty() {
            self.finish = Some(finish(&reason, place)?);
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Delta<'_>, out: &mut PartWriter) -> Result<()> {
        let mut spoke = false;
        let mut say = |text: &str, reasoning: bool| {
            spoke |= !text.is_empty();
            if reasoning { out.reasoning(text) } else { out.text(text) }
        };
        say(&delta.reasoning(), true);
        wire::each_text(delta.content, false, &mut say);
        // A refusal is what the model answers.
        say(&wire::text(delta.refusal), false);
        for call in delta.tool_calls.iter().flatten() {
            let id = wire::text(call.id);
            let name = wire::text(call.function.as_ref().and_then(|function| function.name));
            let arguments = wire::arguments(call.function.as_ref().and_then(|function| function.arguments));
            let fragment = Fragment {
                index: wire::number(call.index),
                id: Some(&*id).filter(|id| !id.is_empty()),
                name: Some(&*name).filter(|name| !name.is_empty()),
                arguments: &arguments,
            };
            spoke = true;
            self.calls.push(fragment, out)?;
        }
        self.spoke |= spoke;
        self.spoken |= spoke;
        Ok(())
    }

    fn end(&mut self, out: &mut PartWriter) -> Result<()> {
        self.calls.finish()?;
        if let Some(usage) = self.usage.take() {
            out.usage(usage);
        }
        let finish = self.finish.unwrap_or(Finish::Stop);
        // Some providers say `stop` also where they wait for the results of tool calls.
        let waits = finish == Finish::Stop && !self.calls.is_empty();
        out.end(if waits { Finish::ToolCalls } else { finish });
        Ok(())
    }
}

fn parse<'a>(json: &'a str, place: &str) -> Result<Chunk<'a>> {
    serde_json::from_str(json).map_err(|error| {
        // What is cut off is truncated; what is whole and yet no chunk comes from something else than a provider.
        let error = if error.is_eof() { cut_off(place) } else { unreadable(place) };
        error.with_source(refusal::ProviderDetail::new(None, json.as_bytes()))
    })
}

fn cut_off(place: &str) -> Error {
    Error::new(ErrorKind::Truncated, format!("{place}: the answer ended in the middle of a JSON document"))
}

fn unreadable(place: &str) -> Error {
    Error::new(ErrorKind::ProviderProtocol, format!("{place} sent something that is not a chat completion"))
}

/// Why an answer ended, in all the words in use.
fn finish(reason: &str, place: &str) -> Result<Finish> {
    let failed = |kind: ErrorKind, what: &str| Err(Error::new(kind, format!("{place}: {what}")));
    match reason {
        "length" | "max_tokens" | "model_length" | "MAX_TOKENS" => Ok(Finish::Length),
        "tool_calls" | "function_call" | "tool_use" => Ok(Finish::ToolCalls),
        "content_filter" | "safety" | "SAFETY" | "RECITATION" | "PROHIBITED_CONTENT" => Ok(Finish::ContentFilter),
        "error" | "insufficient_system_resource" => {
            failed(ErrorKind::ProviderFailed, "the provider gave up in the middle of the answer")
        }
        "abort" | "aborted" | "cancelled" => {
            failed(ErrorKind::Truncated, "the provider stopped the answer before its end")
        }
        // `stop`, `eos`, `end_turn`, `stop_sequence` and whatever comes next: the model had said everything.
        _ => Ok(Finish::Stop),
    }
}

fn usage(raw: Raw<'_>) -> Option<Usage> {
    let wire: wire::Usage<'_> = serde_json::from_str(raw.map(RawValue::get)?).ok()?;
    let (input, output) = (wire::number(wire.prompt_tokens), wire::number(wire.completion_tokens));
    if input.is_none() && output.is_none() {
        return None;
    }
    let mut usage = Usage::new(input.unwrap_or(0), output.unwrap_or(0), UsageSource::Provider);
    usage.total_tokens = wire::number(wire.total_tokens).unwrap_or(usage.total_tokens);
    let cached = wire.prompt_tokens_details.and_then(|details| wire::number(details.cached_tokens));
    usage.cached_tokens = cached.or_else(|| wire::number(wire.prompt_cache_hit_tokens));
    usage.reasoning_tokens = wire.completion_tokens_details.and_then(|details| wire::number(details.reasoning_tokens));
    Some(usage)
}
