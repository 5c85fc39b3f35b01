//! Prebuilt agents of a case.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream::Model;
use millstream::graph::{Agent, AgentForm, Json, JsonKind, Schema, StateGraph, ToolTasks};
use serde_json::{Value, json};

use super::tool;
use super::world::World;
use crate::case::{Prebuilt, PrebuiltKind, Version};
use crate::outcome::{Skip, unsupported};

/// The keys of its state, which is like that of the reference.
pub(super) fn channels(prebuilt: &Prebuilt) -> BTreeMap<String, JsonKind> {
    let messages = ("messages".to_owned(), JsonKind::Messages);
    let steps = ("remaining_steps".to_owned(), JsonKind::RemainingSteps);
    match form(prebuilt) {
        AgentForm::LangGraph => BTreeMap::from([messages, steps]),
        AgentForm::LangChain => BTreeMap::from([messages]),
    }
}

fn form(prebuilt: &Prebuilt) -> AgentForm {
    match prebuilt.prebuilt {
        PrebuiltKind::CreateReactAgent => AgentForm::LangGraph,
        PrebuiltKind::CreateAgent => AgentForm::LangChain,
    }
}

/// The agent.
pub(super) fn graph(world: &Arc<World>, prebuilt: &Prebuilt, schema: Schema<Json>) -> Result<StateGraph<Json>, Skip> {
    let model = world.model(&prebuilt.model).map_err(|error| unsupported(error.to_string()))?;
    let tasks = if prebuilt.version == Some(Version::V1) { ToolTasks::PerMessage } else { ToolTasks::PerCall };
    let mut agent = Agent::new(Model::from(model))
        .tools(tool::tools(world, &prebuilt.tools)?)
        .failures(tool::failures(prebuilt.handle_tool_errors.as_ref()))
        .form(form(prebuilt))
        .tasks(tasks);
    match &prebuilt.prompt {
        None | Some(Value::Null) => {}
        Some(Value::String(prompt)) => agent = agent.system(prompt),
        Some(other) => return Err(unsupported(format!("the prompt {other}"))),
    }
    if let Some(name) = &prebuilt.name {
        agent = agent.named(name.as_str());
    }
    agent.graph_on(schema).map_err(|error| unsupported(error.to_string()))
}

/// What is told of LangChain's agent as it tells it: there a tools task is given its call in a list.
pub(super) fn as_create_agent(mut told: Value) -> Value {
    let task = match told["mode"].as_str() {
        Some("debug") => &mut told["data"]["payload"],
        Some(_) => &mut told["data"],
        None => &mut told,
    };
    let is_its = task["name"] == "tools" && task["metadata"]["ls_integration"] == "langchain_create_agent";
    let data = if task.get("event").is_some() { &mut task["data"] } else { task };
    if let Some(call) = data.get("input").and_then(|input| input.get("tool_call")).filter(|_| is_its) {
        let mut call = call.clone();
        call["type"] = "tool_call".into();
        data["input"] = json!([call]);
    }
    told
}
