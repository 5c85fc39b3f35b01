//! What lives as long as a case: its models, its counters, and what was found to be missing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use millstream::graph::Memory;
use millstream::{Error, ErrorKind};

use crate::case::{Graph, Op, Parts, Shape, Tool};
use crate::chain::{AnyChain, Builder};
use crate::model::ScriptedModel;
use crate::outcome::{Skip, unsupported};

/// The named things of a case.
pub(crate) struct World {
    parts: Parts,
    models: BTreeMap<String, ScriptedModel>,
    /// How often each `fail_first` has run. The ops stay where they are as long as the world is there, so their address is their name.
    failures: Mutex<HashMap<usize, u32>>,
    missing: Mutex<Option<Skip>>,
    checkpointer: Memory,
}

impl World {
    pub(crate) fn new(parts: Parts) -> Self {
        let models = parts.models.iter().map(|(name, script)| (name.clone(), ScriptedModel::new(script.clone())));
        let models = models.collect();
        Self { parts, models, failures: Mutex::default(), missing: Mutex::default(), checkpointer: Memory::new() }
    }

    /// The graph with this name.
    pub(super) fn graph(&self, name: &str) -> Result<&Graph, Skip> {
        let graph = self.parts.graphs.get(name);
        graph.ok_or_else(|| unsupported(format!("the graph {name:?}, which the case does not have")))
    }

    /// The graph of nodes and edges with this name.
    pub(super) fn shape(&self, name: &str) -> Result<&Shape, Skip> {
        match self.graph(name)? {
            Graph::Shape(shape) => Ok(shape),
            Graph::Prebuilt(_) => Err(unsupported(format!("the nodes of {name:?}, which is a prebuilt agent"))),
        }
    }

    pub(crate) fn model(&self, name: &str) -> Result<ScriptedModel, Error> {
        match self.models.get(name) {
            Some(model) => Ok(model.clone()),
            None => Err(self.lacks(format!("the model {name:?}, which the case does not have"))),
        }
    }

    /// A runnable of the case.
    pub(super) fn chain(self: &Arc<Self>, name: &str) -> Result<AnyChain, Error> {
        let Some(spec) = self.parts.chains.get(name) else {
            return Err(self.lacks(format!("the chain {name:?}, which the case does not have")));
        };
        Builder::new(self).build(spec).map_err(|skip| self.skip(skip))
    }

    /// A tool of the case.
    pub(super) fn tool(&self, name: &str) -> Result<&Tool, Error> {
        self.parts.tools.get(name).ok_or_else(|| self.lacks(format!("the tool {name:?}, which the case does not have")))
    }

    /// Where the main graph keeps its state.
    pub(super) fn checkpointer(&self) -> Memory {
        self.checkpointer.clone()
    }

    /// Counts one more time of a `fail_first`.
    pub(super) fn count(&self, op: &Op) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(std::ptr::from_ref(op) as usize).or_default();
        *count += 1;
        *count
    }

    /// Takes note that the case needs something that there is not: it ends with a skip, whatever comes of it.
    pub(super) fn lacks(&self, what: impl Into<String>) -> Error {
        self.skip(unsupported(what))
    }

    /// [`lacks`](Self::lacks) with a reason that is already there.
    pub(super) fn skip(&self, skip: Skip) -> Error {
        let error = Error::new(ErrorKind::Failed, skip.0.clone());
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(skip);
        error
    }

    /// What was found to be missing first.
    pub(crate) fn missing(&self) -> Option<Skip> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
