//! Where branches go.

use millstream_core::{Body, Cx, Error, ErrorKind, Kind, Label, Payload, Result};
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
                None => meant(branch, (branch.route)(state)?)?,
            });
        }
    }
    Onward::of(plan, targets)
}

/// Takes a branch, as a runnable inside the node.
async fn take_one(branch: &Branch, state: &Payload, cx: &Cx) -> Result<Vec<Goto>> {
    if !branch.told || !cx.tells() {
        return meant(branch, (branch.route)(state)?);
    }
    let cx = cx.child(Label::new(Kind::Chain, branch.name.clone())).waited_for();
    cx.emit(Body::RunnableStarted { input: Some(state.clone()) }).await?;
    let targets = (branch.route)(state)?;
    let mut names: Vec<Value> = targets.iter().map(Goto::json).collect::<Result<_>>()?;
    let output = if names.len() == 1 { names.remove(0) } else { Value::Array(names) };
    cx.emit(Body::RunnableFinished { input: None, output: output.into() }).await?;
    meant(branch, targets)
}

/// The nodes that the answers of a branch mean.
fn meant(branch: &Branch, answers: Vec<Goto>) -> Result<Vec<Goto>> {
    let Some(labels) = &branch.labels else { return Ok(answers) };
    let node = |answer| match answer {
        Goto::Node(label) => labels.get(&label).cloned().map(Goto::Node).ok_or_else(|| {
            let known: Vec<&str> = labels.keys().map(|label| &**label).collect();
            let message = format!("the branch of {:?} has no label {label:?}, only {}", branch.from, known.join(", "));
            Error::new(ErrorKind::InvalidInput, message).with_name("KeyError")
        }),
        send => Ok(send),
    };
    answers.into_iter().map(node).collect()
}
