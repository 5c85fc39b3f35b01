//! What nodes, tools and lambdas do, step by step.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::expression::Expression;

/// The types of failures that a case may raise, by their names in Python.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum FailureKind {
    /// A wrong value; what is raised where a case names no type.
    #[default]
    ValueError,
    /// A connection that failed; the default retry policy tries again.
    ConnectionError,
    /// Any failure.
    RuntimeError,
    /// A wrong type.
    TypeError,
    /// A failure of a tool that the tool knows of.
    ToolException,
}

impl FailureKind {
    /// What fails at first and may succeed when it is tried again.
    fn connection() -> Self {
        Self::ConnectionError
    }

    /// The type by its name.
    pub fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(Value::from(name)).ok()
    }
}

/// Shows the name.
impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How a model is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// For its whole answer.
    #[default]
    Invoke,
    /// Piece by piece, and the pieces are added up.
    Stream,
}

/// One thing that is done.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// Puts a key into the node's update; a later write of the same key replaces it.
    Write {
        /// The key.
        key: String,
        /// What is written.
        value: Expression,
    },
    /// Sets a variable.
    Set {
        /// The variable.
        var: String,
        /// Its value.
        value: Expression,
    },
    /// Calls a model.
    Model {
        /// Which one.
        model: String,
        /// The messages, else those of the channel `messages`.
        #[serde(default)]
        input: Option<Expression>,
        /// The key that the answer is written to, as a list of one.
        #[serde(default)]
        key: Option<String>,
        /// The variable that the answer goes to.
        #[serde(default)]
        into: Option<String>,
        /// How it is called.
        #[serde(default)]
        via: Via,
        /// Tags of the call.
        #[serde(default)]
        tags: Vec<String>,
        /// Metadata of the call.
        #[serde(default)]
        metadata: Map<String, Value>,
        /// The call's name.
        #[serde(default)]
        run_name: Option<String>,
    },
    /// Writes to the stream.
    Custom {
        /// What.
        value: Expression,
    },
    /// Tells a custom event of the events mode.
    Dispatch {
        /// Its name.
        name: String,
        /// What it says.
        data: Expression,
    },
    /// Waits.
    Sleep {
        /// So many milliseconds.
        ms: u64,
    },
    /// Fails.
    Raise {
        /// With this text.
        message: Expression,
        /// As this type.
        #[serde(default, rename = "type")]
        kind: FailureKind,
    },
    /// Fails the first times that this op runs in the case, with `"<message> <n>"`.
    FailFirst {
        /// So many times.
        count: u32,
        /// With this text, and the number of the time.
        message: String,
        /// As this type, a failed connection if none is named.
        #[serde(default = "FailureKind::connection", rename = "type")]
        kind: FailureKind,
    },
    /// Asks a person.
    Interrupt {
        /// What.
        value: Expression,
        /// The variable that the answer goes to.
        #[serde(default)]
        into: Option<String>,
    },
    /// Runs a graph of the case.
    Graph {
        /// Which one.
        graph: String,
        /// Its input.
        #[serde(default)]
        input: Option<Expression>,
        /// The variable that the result goes to.
        #[serde(default)]
        into: Option<String>,
    },
    /// Runs a runnable of the case.
    Chain {
        /// Which one.
        chain: String,
        /// Its input.
        #[serde(default)]
        input: Option<Expression>,
        /// The variable that the result goes to.
        #[serde(default)]
        into: Option<String>,
    },
    /// Runs a tool of the case.
    Tool {
        /// Which one.
        tool: String,
        /// Its arguments.
        #[serde(default)]
        input: Option<Expression>,
        /// The variable that the result goes to.
        #[serde(default)]
        into: Option<String>,
    },
    /// The node returns a command; without `update` it carries the written keys.
    Command {
        /// Where to go.
        #[serde(default)]
        goto: Option<Expression>,
        /// What to write.
        #[serde(default)]
        update: Option<Expression>,
        /// `parent`, for the graph around this one.
        #[serde(default)]
        graph: Option<String>,
    },
    /// A choice.
    If {
        /// The test: only null and false are false.
        cond: Expression,
        /// What is done if so.
        #[serde(default)]
        then: Vec<Op>,
        /// What is done if not.
        #[serde(default, rename = "else")]
        otherwise: Vec<Op>,
    },
    /// Returns this instead of the update.
    Return {
        /// What.
        value: Expression,
    },
}
