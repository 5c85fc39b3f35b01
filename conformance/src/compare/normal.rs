//! The form in which documents are compared: ids numbered, fields without meaning dropped, messages in one spelling.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::shape::{id_length, is_message, places};

const DROPPED: [&str; 4] = ["created_at", "timestamp", "lc_versions", "ls_integration"];
const CALL_LISTS: [&str; 3] = ["tool_calls", "invalid_tool_calls", "tool_call_chunks"];

/// One document in the form in which it is compared.
pub(super) struct Document {
    pub(super) steps: Vec<Step>,
}

/// One step of a document.
#[derive(Default)]
pub(super) struct Step {
    pub(super) events: Option<Value>,
    pub(super) result: Option<Value>,
    error: Option<Value>,
    pub(super) groups: Option<Vec<usize>>,
    pub(super) unordered: bool,
    masks: Vec<String>,
}

impl Document {
    pub(super) fn read(document: &Value, kind: &str) -> Self {
        let mut normal = Normal { graph: kind == "graph", ids: HashMap::new() };
        let steps = document.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Self { steps: steps.iter().map(|step| normal.step(step)).collect() }
    }
}

impl Step {
    /// The error, unless it is empty.
    pub(super) fn failure(&self) -> Option<&Value> {
        self.error.as_ref().filter(|error| !super::unify::is_empty(error))
    }

    /// The patterns of texts that nobody can be asked to repeat.
    pub(super) fn masks(&self) -> Vec<regex::Regex> {
        self.masks.iter().filter_map(|mask| regex::Regex::new(mask).ok()).collect()
    }
}

struct Normal {
    graph: bool,
    ids: HashMap<String, usize>,
}

impl Normal {
    fn step(&mut self, step: &Value) -> Step {
        let present = |name: &str| step.get(name).filter(|value| !value.is_null());
        let events = present("events").map(|events| match events.as_array() {
            Some(events) if self.graph => self.value(&Value::Array(without_internal_chains(events)), false),
            _ => self.value(events, false),
        });
        Step {
            events,
            result: step.get("result").map(|result| self.value(result, false)),
            error: present("error").map(|error| self.value(error, false)),
            groups: present("groups").and_then(|groups| serde_json::from_value(groups.clone()).ok()),
            unordered: present("unordered").is_some_and(|unordered| unordered == &Value::Bool(true)),
            masks: present("mask").and_then(|masks| serde_json::from_value(masks.clone()).ok()).unwrap_or_default(),
        }
    }

    fn value(&mut self, value: &Value, exact: bool) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item, exact)).collect(),
            Value::Object(_) if !exact && is_message(value) => self.message(value),
            Value::Object(fields) => self.object(fields, exact),
            plain => plain.clone(),
        }
    }

    fn object(&mut self, fields: &Map<String, Value>, exact: bool) -> Value {
        let call = fields.get("tool_call").and_then(Value::as_object);
        let context = fields.get("__type").and_then(Value::as_str) == Some("tool_call_with_context");
        if let Some(call) = call.filter(|_| !exact && (fields.len() == 1 || context)) {
            let call: Map<String, Value> = without_type(call, false);
            let call = self.value(&Value::Object(call), false);
            return Value::Object(Map::from_iter([("tool_call".to_owned(), call)]));
        }
        let mut normal = Map::new();
        for name in sorted_names(fields) {
            let field = &fields[name];
            if !exact
                && (DROPPED.contains(&name)
                    || (name == "checkpoint_ns" && fields.contains_key("langgraph_checkpoint_ns")))
            {
                continue;
            }
            let value = match field.as_array() {
                Some(tags) if !exact && name == "tags" => self.value(&self.tags(tags), exact),
                _ => self.value(field, exact || name == "exact"),
            };
            normal.insert(self.text(name), value);
        }
        Value::Object(normal)
    }

    fn tags(&self, tags: &[Value]) -> Value {
        let texts = tags.iter().map(|tag| tag.as_str().map_or_else(|| tag.to_string(), str::to_owned));
        let mut kept: Vec<String> = texts.filter(|tag| !(self.graph && is_sequence_tag(tag))).collect();
        kept.sort_unstable();
        kept.into()
    }

    fn message(&mut self, message: &Value) -> Value {
        let Some(fields) = message.as_object() else { return message.clone() };
        let mut normal = Map::new();
        for name in sorted_names(fields) {
            let field = &fields[name];
            let empty = match field {
                Value::Null => true,
                Value::Array(items) => items.is_empty(),
                Value::Object(fields) => fields.is_empty(),
                _ => false,
            };
            let says_nothing = empty && !matches!(name, "content" | "type");
            if says_nothing || name == "example" || (name == "status" && field == "success") {
                continue;
            }
            let value = match field.as_array() {
                Some(calls) if CALL_LISTS.contains(&name) => {
                    let calls = calls.iter().map(|call| match call.as_object() {
                        Some(call) => Value::Object(without_type(call, true)),
                        None => call.clone(),
                    });
                    self.value(&calls.collect(), false)
                }
                _ => self.value(field, false),
            };
            normal.insert(name.to_owned(), value);
        }
        Value::Object(normal)
    }

    /// The text with its ids as `<id:N>`, numbered as they come; places that are already so are numbered anew.
    fn text(&mut self, text: &str) -> String {
        let mut named = String::with_capacity(text.len());
        for piece in places(text) {
            match piece {
                Ok(number) => {
                    let number = self.number(&format!("<id:{number}>"));
                    named.push_str(&number);
                }
                Err(plain) => named.push_str(plain),
            }
        }
        let bytes = named.as_bytes();
        let (mut out, mut plain, mut at) = (String::new(), 0, 0);
        while at + 32 <= bytes.len() {
            let before = at.checked_sub(1).map(|before| bytes[before]);
            let Some(length) = id_length(&bytes[at..], before) else {
                at += 1;
                continue;
            };
            out.push_str(&named[plain..at]);
            let number = self.number(&named[at..at + length]);
            out.push_str(&number);
            at += length;
            plain = at;
        }
        out.push_str(&named[plain..]);
        without_run_suffix(&out)
    }

    fn number(&mut self, id: &str) -> String {
        let next = self.ids.len() + 1;
        let number = *self.ids.entry(id.to_owned()).or_insert(next);
        format!("<id:{number}>")
    }
}

fn sorted_names(fields: &Map<String, Value>) -> Vec<&str> {
    let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn without_type(call: &Map<String, Value>, nor_nulls: bool) -> Map<String, Value> {
    let kept = call.iter().filter(|(name, value)| *name != "type" && !(nor_nulls && value.is_null()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn is_sequence_tag(tag: &str) -> bool {
    tag.strip_prefix("seq:step:").is_some_and(|step| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `lc_run--<id:3>-0` is the message of the run `<id:3>`, as `lc_run--<id:3>` is.
fn without_run_suffix(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut after_run_id = false;
    for piece in places(text) {
        match piece {
            Ok(number) => {
                after_run_id = out.ends_with("lc_run--");
                out.push_str(&format!("<id:{number}>"));
            }
            Err(plain) => {
                let digits =
                    plain.strip_prefix('-').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
                let skipped = if after_run_id && digits > 0 { digits + 1 } else { 0 };
                out.push_str(&plain[skipped..]);
                after_run_id = false;
            }
        }
    }
    out
}

/// The events without the chains that run inside the agent node of a prebuilt agent: they are details of one implementation.
fn without_internal_chains(events: &[Value]) -> Vec<Value> {
    let parents = |event: &Value| event.get("parent_ids").and_then(Value::as_array).cloned().unwrap_or_default();
    let agent_nodes: HashSet<String> = events
        .iter()
        .filter(|event| event.get("name").and_then(Value::as_str) == Some("call_model"))
        .filter_map(|event| parents(event).last().map(Value::to_string))
        .collect();
    if agent_nodes.is_empty() {
        return events.to_vec();
    }
    let mut gone: HashSet<String> = HashSet::new();
    let mut kept = Vec::new();
    for event in events {
        if event.get("parent_ids").is_none() {
            kept.push(event.clone());
            continue;
        }
        let parents = parents(event);
        let is_chain = event.get("event").and_then(Value::as_str).is_some_and(|name| name.starts_with("on_chain"));
        if is_chain && parents.iter().any(|parent| agent_nodes.contains(&parent.to_string())) {
            gone.insert(event.get("run_id").unwrap_or(&Value::Null).to_string());
            continue;
        }
        let mut event = event.clone();
        event["parent_ids"] = parents.into_iter().filter(|parent| !gone.contains(&parent.to_string())).collect();
        kept.push(event);
    }
    kept
}
