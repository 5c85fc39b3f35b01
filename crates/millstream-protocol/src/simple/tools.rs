//! Tool calls, put together until they can be said once, whole.

use std::sync::Arc;

use millstream_core::{BlockKind, Delta, Event, Finish, Part, Scope, ToolCall};
use serde_json::Value;

/// Gathers the arguments of the tool calls that are open.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    open: Vec<Open>,
    /// How the last message ended.
    pub(super) last_finish: Option<Finish>,
}

#[derive(Debug)]
struct Open {
    scope: Arc<Scope>,
    block: u32,
    id: Arc<str>,
    name: Arc<str>,
    args: String,
}

impl ToolCalls {
    /// Takes note of a part; gives a call that is complete with it.
    pub(super) fn see(&mut self, event: &Event, part: &Part) -> Option<ToolCall> {
        match part {
            Part::BlockStart { index, block: BlockKind::ToolCall { id, name }, .. } => {
                let (scope, args) = (event.scope.clone(), String::new());
                self.open.push(Open { scope, block: *index, id: id.clone(), name: name.clone(), args });
                None
            }
            Part::Delta { index, delta: Delta::Arguments(more), .. } => {
                let at = self.position(event, *index)?;
                self.open[at].args.push_str(more);
                None
            }
            Part::BlockEnd { index, .. } => {
                let at = self.position(event, *index)?;
                let Open { id, name, args, .. } = self.open.remove(at);
                let args = if args.trim().is_empty() { "{}" } else { &args };
                // Arguments that are not JSON belong to a call that must not run: the run's error tells of it.
                let args: Value = serde_json::from_str(args).ok()?;
                Some(ToolCall { id: id.to_string(), name: name.to_string(), args })
            }
            Part::End { finish, .. } => {
                self.last_finish = Some(*finish);
                None
            }
            _ => None,
        }
    }

    fn position(&self, event: &Event, block: u32) -> Option<usize> {
        self.open.iter().position(|open| open.block == block && Arc::ptr_eq(&open.scope, &event.scope))
    }
}
