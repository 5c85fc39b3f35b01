//! Where branches go.

use millstream_core::{Body, Channels, Cx, Error, Kind, Label, Payload, Result};
use serde_json::Value;

use crate::ahead::{Onward, exits};
use crate::answer::Goto;
use crate::build::Branch;
use crate::plan::{NodeIndex, Plan};

/// Where the branches of a node go with `state`, besides `goto`; the node was executed as `cx`.
pub(crate) async fn take(
    plan: &Plan,
    from: Option<NodeIndex>,
    state: Option<&Payload>,
    goto: Vec<Goto>,
    cx: Option<&Cx>,
) -> Result<Onward> {
    let mut targets = goto;
    if let Some(state) = state {
        for branch in &exits(plan, from).branches {
            targets.extend(match cx {
                Some(cx) => take_one(branch, state, cx).await?,
                None => (branch.route)(state)?,
            });
        }
    }
    Onward::of(plan, targets)
}

/// Takes a branch, as a runnable inside the node.
async fn take_one(branch: &Branch, state: &Payload, cx: &Cx) -> Result<Vec<Goto>> {
    if !cx.wants(Channels::RUNNABLES) {
        return (branch.route)(state);
    }
    let cx = cx.child(Label::new(Kind::Chain, branch.name.clone()));
    let input = state.try_json().map_err(Error::failed)?;
    cx.emit(Body::RunnableStarted { input: Some(input) }).await?;
    let targets = (branch.route)(state)?;
    let mut names: Vec<Value> = targets.iter().map(Goto::json).collect::<Result<_>>()?;
    let output = if names.len() == 1 { names.remove(0) } else { Value::Array(names) };
    cx.emit(Body::RunnableFinished { output }).await?;
    Ok(targets)
}
