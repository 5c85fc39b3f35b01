use millstream_core::Interrupt;
use millstream_graph::Mode;
use serde_json::{Value, json};

/// How the Python library says the same: the argument `version` of `stream`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Tuples. What is asked is the key `__interrupt__` of the values.
    #[default]
    V1,
    /// Objects. What is asked stands beside the values.
    V2,
}

/// What a stream yields.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamItem {
    /// The tasks around the graph that says it, outermost first: `node:id`. Empty for the outermost graph.
    pub namespace: Vec<String>,
    /// The mode.
    pub mode: Mode,
    /// What the mode says.
    pub data: Value,
    /// What is asked, beside the values: only in [`Version::V2`].
    pub interrupts: Vec<Interrupt>,
}

impl StreamItem {
    /// `[namespace, mode, data]`, as `stream` with several modes and subgraphs yields it in [`Version::V1`].
    #[must_use]
    pub fn tuple(&self) -> Value {
        json!([self.namespace, self.mode.name(), self.data])
    }

    /// `{"type","ns","data"}`, and `interrupts` with values, as `stream` yields it in [`Version::V2`].
    #[must_use]
    pub fn part(&self) -> Value {
        let mut part = json!({ "type": self.mode.name(), "ns": self.namespace, "data": self.data });
        if self.mode == Mode::Values {
            part["interrupts"] = json!(self.interrupts);
        }
        part
    }
}
