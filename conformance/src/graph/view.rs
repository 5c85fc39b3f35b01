//! What the stream modes say of a graph's run, as outputs write it.

use millstream::graph::Mode;
use millstream_protocol::stream_modes::{StateKeys, StreamItem, StreamModes};
use serde_json::{Value, json};

use crate::message::without_estimate;
use crate::outcome::{Skip, task_failure, unsupported};

/// The modes of a step.
pub(super) fn modes(names: &[String]) -> Result<Vec<Mode>, Skip> {
    names.iter().map(|name| name.parse().map_err(|_| unsupported(format!("the stream mode {name}")))).collect()
}

/// The view of a run that is given `input`; none if it goes on.
pub(super) fn of_run(modes: impl IntoIterator<Item = Mode>, keys: StateKeys, input: Option<&Value>) -> StreamModes {
    let view = StreamModes::new(modes).keys(keys).error_form(task_failure);
    match input {
        Some(input) => view.input(input),
        None => view,
    }
}

/// An item that was yielded as a tuple.
pub(super) fn tuple(item: &StreamItem) -> Value {
    let mut data = item.data.clone();
    if let (Mode::Messages, Some([message, _])) = (item.mode, data.as_array_mut().map(Vec::as_mut_slice)) {
        without_estimate(message);
    }
    json!({ "ns": item.namespace, "mode": item.mode.name(), "data": data })
}

/// An item that was yielded as an object.
pub(super) fn part(item: &StreamItem) -> Value {
    let mut told = tuple(item);
    if item.mode == Mode::Values {
        told["interrupts"] = json!(item.interrupts);
    }
    told
}
