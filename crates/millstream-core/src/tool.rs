//! Tools: what a model may wish to call, and what calls it.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::cx::{Cx, Label};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Body, Channels, Kind};
use crate::message::{Message, ToolCall};
use crate::model::ToolSpec;

mod schema;

/// Something that a model may wish to call. [`tool`] makes one of a function.
///
/// A caller may assume that the arguments are an object that its schema accepts, and that dropping the future stops the tool.
pub trait Tool: Send + Sync + 'static {
    /// How the model sees it.
    fn spec(&self) -> &ToolSpec;

    /// Does it. What it gives is shown to the model as it is.
    ///
    /// # Errors
    /// Shown to the model as the failure of this call; the run goes on.
    fn call<'a>(&'a self, args: Value, cx: &'a Cx) -> BoxFuture<'a, Result<String>>;
}

/// A tool of a function: `parameters` is the JSON Schema of its arguments.
///
/// ```
/// use millstream_core::{Cx, Tool, tool};
/// use serde_json::{Value, json};
///
/// let weather = tool(
///     "get_weather",
///     "Get current weather for a city.",
///     json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] }),
///     async |args: Value, _: Cx| Ok(format!("The weather in {} is sunny, 25°C.", args["city"].as_str().unwrap_or_default())),
/// );
/// assert_eq!(weather.spec().name, "get_weather");
/// ```
pub fn tool<F, W>(
    name: impl Into<String>,
    description: impl Into<String>,
    parameters: Value,
    function: F,
) -> Arc<dyn Tool>
where
    F: Fn(Value, Cx) -> W + Send + Sync + 'static,
    W: Future<Output = Result<String>> + Send + 'static,
{
    let spec = ToolSpec { name: name.into(), description: description.into(), parameters };
    Arc::new(FunctionTool { spec, function })
}

struct FunctionTool<F> {
    spec: ToolSpec,
    function: F,
}

impl<F, W> Tool for FunctionTool<F>
where
    F: Fn(Value, Cx) -> W + Send + Sync + 'static,
    W: Future<Output = Result<String>> + Send + 'static,
{
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call<'a>(&'a self, args: Value, cx: &'a Cx) -> BoxFuture<'a, Result<String>> {
        Box::pin((self.function)(args, cx.clone()))
    }
}

/// Tools by their names.
#[derive(Clone, Default)]
pub struct Tools(Vec<Arc<dyn Tool>>);

impl Tools {
    /// How the model sees them.
    pub fn specs(&self) -> impl Iterator<Item = ToolSpec> {
        self.0.iter().map(|tool| tool.spec().clone())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names that two tools share, which a model could not tell apart.
    pub fn repeated(&self) -> Vec<&str> {
        let names = self.0.iter().map(|tool| tool.spec().name.as_str());
        names
            .enumerate()
            .filter(|(place, name)| self.0[..*place].iter().any(|other| other.spec().name == *name))
            .map(|(_, name)| name)
            .collect()
    }

    /// Does what the model asked for, inside the execution `cx`. Whatever goes wrong becomes the call's result: an unknown tool, arguments that
    /// its schema does not accept, and a failure are all things that the model has to hear of.
    ///
    /// # Errors
    /// Only `cancelled` and `run_ended`: a run that was stopped is nothing that a model hears of.
    pub async fn run(&self, call: &ToolCall, cx: &Cx) -> Result<Message> {
        let cx = cx.child(Label::new(Kind::Tool, call.name.as_str()));
        if cx.wants(Channels::TOOLS) {
            cx.emit(Body::ToolStarted { call: call.clone() }).await?;
        }
        let done = match self.find(call) {
            Ok(tool) => tool.call(call.args.clone(), &cx).await,
            Err(error) => Err(error),
        };
        // A run that was stopped is not a result of a tool.
        let done = match done {
            Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::RunEnded) => return Err(error),
            done => done,
        };
        let message = match done {
            Ok(text) => Message { name: Some(call.name.clone()), ..Message::tool(&call.id, text) },
            Err(error) => Message::tool_failure(&call.id, &call.name, error),
        };
        if cx.wants(Channels::TOOLS) {
            cx.emit(Body::ToolFinished { result: message.clone() }).await?;
        }
        Ok(message)
    }

    fn find(&self, call: &ToolCall) -> Result<&Arc<dyn Tool>> {
        let invalid = |message: String| Error::new(ErrorKind::InvalidInput, message);
        let Some(tool) = self.0.iter().find(|tool| tool.spec().name == call.name) else {
            let names: Vec<_> = self.0.iter().map(|tool| tool.spec().name.as_str()).collect();
            return Err(invalid(format!("{} is not a valid tool, try one of [{}].", call.name, names.join(", "))));
        };
        schema::check(&tool.spec().parameters, &call.args)
            .map_err(|problem| invalid(format!("the arguments of {} are not valid: {problem}", call.name)))?;
        Ok(tool)
    }
}

impl FromIterator<Arc<dyn Tool>> for Tools {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Tool>>>(tools: I) -> Self {
        Self(tools.into_iter().collect())
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|tool| &tool.spec().name)).finish()
    }
}
