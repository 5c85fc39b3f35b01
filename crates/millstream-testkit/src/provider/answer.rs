use serde_json::{Value, json};

/// The body of a streamed chat completion, as OpenAI writes it: one `chat.completion.chunk` per
/// token, the finish reason, the usage if there is one, `[DONE]`.
///
/// ```
/// # use millstream_testkit::provider::Answer;
/// let body = Answer::new().text(["Hel", "lo"]).usage(3, 2).body();
/// assert!(body.ends_with("data: [DONE]\n\n"));
/// ```
#[derive(Clone, Debug)]
pub struct Answer {
    id: String,
    model: String,
    chunks: Vec<Value>,
    calls: usize,
    finish: Option<String>,
    usage: Option<(u64, u64)>,
    done: bool,
}

impl Default for Answer {
    fn default() -> Self {
        Self::new()
    }
}

impl Answer {
    /// An answer that has only said its role.
    pub fn new() -> Self {
        let empty = Self {
            id: "chatcmpl-mock".to_owned(),
            model: "mock-model".to_owned(),
            chunks: Vec::new(),
            calls: 0,
            finish: None,
            usage: None,
            done: true,
        };
        empty.delta(&json!({"role": "assistant", "content": ""}))
    }

    /// The id that every chunk from here on carries.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The model's name that every chunk from here on carries.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// One chunk with text for each token.
    #[must_use]
    pub fn text<Token: AsRef<str>>(self, tokens: impl IntoIterator<Item = Token>) -> Self {
        tokens.into_iter().fold(self, |answer, token| answer.delta(&json!({"content": token.as_ref()})))
    }

    /// One chunk with `reasoning_content` for each token.
    #[must_use]
    pub fn reasoning<Token: AsRef<str>>(self, tokens: impl IntoIterator<Item = Token>) -> Self {
        tokens.into_iter().fold(self, |answer, token| answer.delta(&json!({"reasoning_content": token.as_ref()})))
    }

    /// A tool call: one chunk that opens it under the next index, one for each fragment of the
    /// arguments.
    #[must_use]
    pub fn tool_call<Fragment: AsRef<str>>(
        mut self,
        id: &str,
        name: &str,
        arguments: impl IntoIterator<Item = Fragment>,
    ) -> Self {
        let index = self.calls;
        self.calls += 1;
        let opened = self.delta(&json!({"tool_calls": [{
            "index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""},
        }]}));
        arguments.into_iter().fold(opened, |answer, fragment| {
            answer.delta(&json!({"tool_calls": [{
                "index": index, "function": {"arguments": fragment.as_ref()},
            }]}))
        })
    }

    /// One chunk with this delta.
    #[must_use]
    pub fn delta(self, delta: &Value) -> Self {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": null}]);
        let chunk = self.envelope(&choices);
        self.chunk(chunk)
    }

    /// One event with this payload, whatever it is: an error object, a foreign chunk.
    #[must_use]
    pub fn chunk(mut self, chunk: Value) -> Self {
        self.chunks.push(chunk);
        self
    }

    /// The finish reason. Without it: `tool_calls` if there is a call, else `stop`.
    #[must_use]
    pub fn finish(mut self, reason: impl Into<String>) -> Self {
        self.finish = Some(reason.into());
        self
    }

    /// A last chunk with the usage and without choices.
    #[must_use]
    pub fn usage(mut self, prompt_tokens: u64, completion_tokens: u64) -> Self {
        self.usage = Some((prompt_tokens, completion_tokens));
        self
    }

    /// Leaves `[DONE]` away.
    #[must_use]
    pub fn without_done(mut self) -> Self {
        self.done = false;
        self
    }

    /// The server-sent events, each with its empty line.
    pub fn events(&self) -> Vec<String> {
        let mut events: Vec<String> = self.chunks.iter().map(event).collect();
        let reason = match &self.finish {
            Some(reason) => reason,
            None if self.calls > 0 => "tool_calls",
            None => "stop",
        };
        let last = json!([{"index": 0, "delta": {}, "finish_reason": reason}]);
        events.push(event(&self.envelope(&last)));
        if let Some((prompt, completion)) = self.usage {
            let mut chunk = self.envelope(&json!([]));
            chunk["usage"] = json!({
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            });
            events.push(event(&chunk));
        }
        if self.done {
            events.push("data: [DONE]\n\n".to_owned());
        }
        events
    }

    /// All events in one text.
    pub fn body(&self) -> String {
        self.events().concat()
    }

    fn envelope(&self, choices: &Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": self.model,
            "choices": choices,
        })
    }
}

fn event(payload: &Value) -> String {
    format!("data: {payload}\n\n")
}
