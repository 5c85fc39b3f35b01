//! Which events somebody wants: by name, kind and tag.

use serde::{Deserialize, Serialize};

use crate::event::{Body, Event, Scope};

/// A choice among the events of runnables, as LangChain's `astream_events` has it: an event is let through if any of the inclusions names it, or there
/// are none, and none of the exclusions does. Kinds are `chain`, `prompt`, `chat_model`, `parser`, `tool` and `retriever`; a custom event has
/// its own name for a kind.
///
/// What is not let through is not made, where nothing else needs it.
///
/// ```
/// use millstream_core::{EventFilter, Kind};
///
/// let filter = EventFilter::new().include_kind(Kind::ChatModel).exclude_tag("draft");
/// assert!(filter.allows("gpt", "chat_model", &[]));
/// assert!(!filter.allows("gpt", "chat_model", &["draft".to_owned()]));
/// assert!(!filter.allows("RunnableSequence", "chain", &[]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventFilter {
    include_names: Option<Vec<String>>,
    include_types: Option<Vec<String>>,
    include_tags: Option<Vec<String>>,
    exclude_names: Option<Vec<String>>,
    exclude_types: Option<Vec<String>>,
    exclude_tags: Option<Vec<String>>,
}

impl EventFilter {
    /// A filter that lets everything through.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets runnables of this name through.
    #[must_use]
    pub fn include_name(mut self, name: impl Into<String>) -> Self {
        self.include_names.get_or_insert_default().push(name.into());
        self
    }

    /// Lets runnables of this kind through.
    #[must_use]
    pub fn include_kind(mut self, kind: crate::Kind) -> Self {
        self.include_types.get_or_insert_default().push(kind.name().to_owned());
        self
    }

    /// Lets runnables with this tag through.
    #[must_use]
    pub fn include_tag(mut self, tag: impl Into<String>) -> Self {
        self.include_tags.get_or_insert_default().push(tag.into());
        self
    }

    /// Keeps runnables of this name out.
    #[must_use]
    pub fn exclude_name(mut self, name: impl Into<String>) -> Self {
        self.exclude_names.get_or_insert_default().push(name.into());
        self
    }

    /// Keeps runnables of this kind out.
    #[must_use]
    pub fn exclude_kind(mut self, kind: crate::Kind) -> Self {
        self.exclude_types.get_or_insert_default().push(kind.name().to_owned());
        self
    }

    /// Keeps runnables with this tag out.
    #[must_use]
    pub fn exclude_tag(mut self, tag: impl Into<String>) -> Self {
        self.exclude_tags.get_or_insert_default().push(tag.into());
        self
    }

    /// Whether what has this name, kind and tags is let through.
    pub fn allows(&self, name: &str, kind: &str, tags: &[String]) -> bool {
        let has = |list: &Option<Vec<String>>, text: &str| {
            list.as_ref().is_some_and(|list| list.iter().any(|item| item == text))
        };
        let lists = [&self.include_names, &self.include_types, &self.include_tags];
        let included = lists.iter().all(|list| list.is_none())
            || has(&self.include_names, name)
            || has(&self.include_types, kind)
            || tags.iter().any(|tag| has(&self.include_tags, tag));
        let excluded = has(&self.exclude_names, name)
            || has(&self.exclude_types, kind)
            || tags.iter().any(|tag| has(&self.exclude_tags, tag));
        included && !excluded
    }

    /// Whether the events of an execution are let through.
    pub fn allows_scope(&self, scope: &Scope) -> bool {
        self.allows(&scope.name, scope.kind.name(), &scope.tags)
    }

    /// Whether an event is let through. The start and the end of the run are, and whatever is not said of a runnable.
    pub fn allows_event(&self, event: &Event) -> bool {
        match &event.body {
            Body::Dispatched { name, .. } => self.allows(name, name, &event.scope.tags),
            Body::Message { .. }
            | Body::RunnableStarted { .. }
            | Body::RunnableChunk { .. }
            | Body::RunnableFinished { .. }
            | Body::RunnableFailed { .. } => self.allows_scope(&event.scope),
            _ => true,
        }
    }
}
