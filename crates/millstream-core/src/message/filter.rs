//! Which messages of a conversation are kept: the rules of LangChain's `filter_messages`.

use serde_json::Value;

use super::{Block, ChunkContent, Message, Role};

/// Which messages [`filter_messages`] takes: those that something includes, or all if nothing does, without those that something excludes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Takes messages with these names.
    pub include_names: Vec<String>,
    /// Leaves them out.
    pub exclude_names: Vec<String>,
    /// Takes messages of these roles.
    pub include_roles: Vec<Role>,
    /// Leaves them out.
    pub exclude_roles: Vec<Role>,
    /// Takes messages with these ids.
    pub include_ids: Vec<String>,
    /// Leaves them out.
    pub exclude_ids: Vec<String>,
    /// Leaves tool calls and their results out.
    pub exclude_tool_calls: ExcludedCalls,
}

/// Which tool calls are left out of a conversation, with their results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExcludedCalls {
    /// None.
    #[default]
    None,
    /// All: messages with a call, and all results.
    All,
    /// The calls with these ids. A message that has no other calls is left out too.
    Ids(Vec<String>),
}

/// The messages that a filter takes.
///
/// ```
/// use millstream_core::{ExcludedCalls, Message, MessageFilter, Role, filter_messages};
///
/// let messages = [Message::system("Be brief."), Message::human("Hi"), Message::tool("call_1", "sunny")];
/// let filter = MessageFilter { exclude_roles: vec![Role::System], exclude_tool_calls: ExcludedCalls::All, ..Default::default() };
/// assert_eq!(filter_messages(&messages, &filter), [Message::human("Hi")]);
/// ```
pub fn filter_messages(messages: &[Message], filter: &MessageFilter) -> Vec<Message> {
    let taken = messages.iter().filter(|message| filter.includes(message) && !filter.excludes(message));
    taken.filter_map(|message| filter.exclude_tool_calls.rest_of(message)).collect()
}

impl MessageFilter {
    fn includes(&self, message: &Message) -> bool {
        let takes_all = self.include_names.is_empty() && self.include_roles.is_empty() && self.include_ids.is_empty();
        takes_all
            || is_among(message.name.as_ref(), &self.include_names)
            || self.include_roles.contains(&message.role)
            || is_among(message.id.as_ref(), &self.include_ids)
    }

    fn excludes(&self, message: &Message) -> bool {
        is_among(message.name.as_ref(), &self.exclude_names)
            || self.exclude_roles.contains(&message.role)
            || is_among(message.id.as_ref(), &self.exclude_ids)
    }
}

fn is_among(text: Option<&String>, texts: &[String]) -> bool {
    text.is_some_and(|text| texts.contains(text))
}

impl ExcludedCalls {
    /// What is left of a message, if anything is.
    fn rest_of(&self, message: &Message) -> Option<Message> {
        let calls = message.tool_calls().next().is_some();
        match self {
            Self::None => Some(message.clone()),
            Self::All => (!calls && message.role != Role::Tool).then(|| message.clone()),
            Self::Ids(ids) if message.role == Role::Tool => {
                (!is_among(message.tool_call_id.as_ref(), ids)).then(|| message.clone())
            }
            Self::Ids(_) if !calls => Some(message.clone()),
            Self::Ids(ids) => {
                let rest = without_calls(message, ids);
                let has_others = rest.tool_calls().next().is_some();
                has_others.then_some(rest)
            }
        }
    }
}

fn without_calls(message: &Message, ids: &[String]) -> Message {
    // A provider's own block for a call stands beside the call.
    let is_out = |block: &Block| match block {
        Block::ToolCall(call) => ids.contains(&call.id),
        Block::NonStandard { value } => {
            value["type"] == "tool_use" && value["id"].as_str().is_some_and(|id| ids.iter().any(|out| out == id))
        }
        _ => false,
    };
    let mut rest = message.clone();
    rest.content.retain(|block| !is_out(block));
    if matches!(message.given(), ChunkContent::List(_)) && rest.content.iter().all(Block::is_call) {
        rest.extra.insert("content", Vec::<Value>::new());
    }
    rest
}
