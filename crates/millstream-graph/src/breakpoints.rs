//! Where runs stop without being asked: before or after nodes.

use std::sync::Arc;

/// Some nodes of a graph, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// All of them.
    All,
    /// Those with these names.
    Some(Vec<Arc<str>>),
}

/// Breakpoints of a graph, or of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breakpoints {
    pub(crate) before: Nodes,
    pub(crate) after: Nodes,
}

impl Nodes {
    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.iter().any(|known| **known == *name),
        }
    }

    /// The names, if there are names.
    pub(crate) fn names(&self) -> &[Arc<str>] {
        match self {
            Self::All => &[],
            Self::Some(names) => names,
        }
    }
}

impl Default for Nodes {
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

impl<const N: usize> From<[&str; N]> for Nodes {
    fn from(names: [&str; N]) -> Self {
        Self::Some(names.into_iter().map(Arc::from).collect())
    }
}

impl From<Vec<Arc<str>>> for Nodes {
    fn from(names: Vec<Arc<str>>) -> Self {
        Self::Some(names)
    }
}
