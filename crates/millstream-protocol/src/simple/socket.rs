//! The JSON form over WebSocket: `chat.v1.json`.

use millstream_core::{Event, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smallvec::SmallVec;
use uuid::Uuid;

use super::Question;
use super::said::{Listener, Said, place};
use crate::frames::{Frames, View};

/// What a client sends.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientFrame {
    /// A question.
    Ask(Ask),
    /// The answer `id` is to stop.
    Stop {
        /// The client's name for the answer.
        id: String,
    },
    /// The answer `id` is to go on behind event `after`.
    Resume {
        /// The client's name for the answer.
        id: String,
        /// The run, as the `started` frame gave it; not needed on the connection that asked.
        run: Option<Uuid>,
        /// The last `seq` that the client has seen; 0 for none.
        after: u64,
    },
    /// Is anybody there?
    Ping,
}

/// A question, and what the client calls its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The client's name for the answer.
    pub id: String,
    /// The question.
    pub question: String,
    /// The conversation that it belongs to, if the frame names one.
    pub thread: Option<String>,
}

#[derive(Deserialize)]
struct Form {
    r#type: String,
    id: Option<Value>,
    question: Option<Value>,
    thread_id: Option<Value>,
    run: Option<String>,
    after: Option<Value>,
}

/// Names of answers are short texts: they come back in every frame.
const LONGEST_ID: usize = 128;

impl ClientFrame {
    /// Reads a frame.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form: Form = serde_json::from_str(text)
            .map_err(|error| format!("the frame is not a JSON object with a \"type\": {error}"))?;
        let id = || match &form.id {
            Some(Value::String(id)) if !id.is_empty() && id.len() <= LONGEST_ID => Ok(id.clone()),
            _ => Err(format!("a frame of type {:?} needs an \"id\": a text of 1 to {LONGEST_ID} bytes", form.r#type)),
        };
        match form.r#type.as_str() {
            "ask" => {
                let id = id()?;
                let question = match &form.question {
                    Some(Value::String(question)) => Question::check(question).map_err(|error| error.to_string())?,
                    _ => return Err("a frame of type \"ask\" needs a \"question\" that is a text".to_owned()),
                };
                let thread = match &form.thread_id {
                    None => None,
                    Some(Value::String(thread)) => Some(thread.clone()),
                    Some(_) => return Err("the \"thread_id\" of an \"ask\" is a text, or left out".to_owned()),
                };
                let thread = Question::thread(thread).map_err(|error| error.to_string())?;
                Ok(Self::Ask(Ask { id, question: question.to_owned(), thread }))
            }
            "stop" => Ok(Self::Stop { id: id()? }),
            "resume" => {
                let after = match &form.after {
                    None => 0,
                    Some(after) => after.as_u64().ok_or("\"after\" is the last seq that was seen, a whole number")?,
                };
                let run =
                    form.run.as_deref().map(|run| Uuid::try_parse(run).map_err(|_| "\"run\" is not the id of a run"));
                Ok(Self::Resume { id: id()?, run: run.transpose()?, after })
            }
            "ping" => Ok(Self::Ping),
            other => Err(format!("there is no frame of type {other:?}; send ask, stop, resume or ping")),
        }
    }
}

/// The frame that answers something that is not a frame.
pub fn bad_frame(message: &str) -> String {
    json!({ "type": "error", "id": null, "code": "bad_frame", "message": message }).to_string()
}

/// Completes a frame of [`JsonFrames`] with the client's name for the answer.
pub fn close_object(frame: &str, id: &str) -> String {
    let mut text = String::with_capacity(frame.len() + id.len() + 10);
    text.push_str(frame);
    text.push_str(",\"id\":");
    text.push_str(&Value::from(id).to_string());
    text.push('}');
    text
}

/// The JSON form over WebSocket. Readers know the answer by different names, so a frame is written once for all of them without its last
/// field and brace, which [`close_object`] adds.
#[derive(Debug, Default)]
pub struct JsonFrames {
    listener: Listener,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame<'a> {
    Token {
        seq: u64,
        text: &'a str,
    },
    Reasoning {
        seq: u64,
        text: &'a str,
    },
    ToolCall {
        seq: u64,
        call_id: &'a str,
        tool: &'a str,
        args: &'a Value,
    },
    ToolResult {
        seq: u64,
        call_id: &'a str,
        content: String,
    },
    Done {
        seq: u64,
        reason: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<&'a Usage>,
    },
    Error {
        seq: u64,
        code: &'a str,
        message: &'a str,
        retryable: bool,
    },
}

impl View for JsonFrames {
    fn see(&mut self, seq: u64, event: &Event, frames: &mut Frames) {
        let heard = self.listener.hear(event);
        let said: SmallVec<[Frame<'_>; 1]> = heard.iter().filter_map(|said| Frame::of(seq, said)).collect();
        for (number, frame) in said.iter().enumerate() {
            frames.push(place(seq, number, said.len()), |out| {
                out.json(frame);
                out.reopen();
            });
        }
    }
}

impl<'a> Frame<'a> {
    /// What is said, if this form has it.
    fn of(seq: u64, said: &'a Said<'_>) -> Option<Self> {
        Some(match said {
            Said::Token(text) => Self::Token { seq, text },
            Said::Reasoning(text) => Self::Reasoning { seq, text },
            Said::Call(call) => Self::ToolCall { seq, call_id: &call.id, tool: &call.name, args: &call.args },
            Said::Result(result) => {
                let call_id = result.tool_call_id.as_deref().unwrap_or_default();
                Self::ToolResult { seq, call_id, content: result.text() }
            }
            Said::Done { reason, finished } => Self::Done { seq, reason, usage: finished.usage.as_ref() },
            Said::Failed { code, message, retryable } => Self::Error { seq, code, message, retryable: *retryable },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_or_refused_with_a_sentence() {
        let ask = ClientFrame::parse(r#"{"type":"ask","id":"q1","question":"Why?"}"#).unwrap();
        assert_eq!(ask, ClientFrame::Ask(Ask { id: "q1".to_owned(), question: "Why?".to_owned(), thread: None }));
        let resume = ClientFrame::parse(r#"{"type":"resume","id":"q1","after":17}"#).unwrap();
        assert_eq!(resume, ClientFrame::Resume { id: "q1".to_owned(), run: None, after: 17 });
        for (bad, why) in [
            ("nonsense", "not a JSON object"),
            ("[1]", "not a JSON object"),
            ("{}", "\"type\""),
            (r#"{"type":"dance"}"#, "no frame of type \"dance\""),
            (r#"{"type":"ask","question":"x"}"#, "needs an \"id\""),
            (r#"{"type":"ask","id":"q1"}"#, "needs a \"question\""),
            (r#"{"type":"ask","id":"q1","question":" "}"#, "empty"),
            (r#"{"type":"resume","id":"q1","after":-1}"#, "whole number"),
        ] {
            let error = ClientFrame::parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn an_object_is_closed_with_the_name_of_the_answer() {
        assert_eq!(close_object(r#"{"type":"token""#, "a\"b"), r#"{"type":"token","id":"a\"b"}"#);
    }
}
