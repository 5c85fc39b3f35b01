//! Tools: what a model may wish to call, and what calls it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::message::ToolCall;
use crate::model::ToolSpec;

mod arguments;
mod command;
mod execute;
mod output;
mod set;
mod step;
mod told;

pub use command::{Goto, ToolCommand};
pub use output::{IntoToolOutput, Json, ToolOutput};
pub use set::{ToolFailures, ToolResult, Tools};
pub use step::ToolStep;

/// Something that a model may wish to call. `#[tool]` makes one of an `async fn`, [`tool()`] of a closure and a schema.
///
/// A caller may assume that dropping the future stops the tool. The tool may assume that the arguments are an object that its schema accepts.
///
/// ```
/// use futures_util::future::BoxFuture;
/// use millstream_core::{Cx, Result, Tool, ToolCall, ToolOutput, ToolSpec};
/// use serde_json::json;
///
/// struct Dice(ToolSpec);
///
/// impl Tool for Dice {
///     fn spec(&self) -> &ToolSpec {
///         &self.0
///     }
///
///     fn call<'a>(&'a self, call: ToolCall, cx: &'a Cx) -> BoxFuture<'a, Result<ToolOutput>> {
///         Box::pin(async move {
///             cx.write("rolling").await?;
///             Ok(ToolOutput::Json(json!({ "sides": call.args["sides"], "up": 4 })))
///         })
///     }
/// }
/// ```
pub trait Tool: Send + Sync + 'static {
    /// How the model sees it.
    fn spec(&self) -> &ToolSpec;

    /// Does what `call` asks for, executed as `cx`.
    ///
    /// # Errors
    /// What becomes of a failure is said by [`on_failure`](Tool::on_failure), and else by whoever runs the tool.
    fn call<'a>(&'a self, call: ToolCall, cx: &'a Cx) -> BoxFuture<'a, Result<ToolOutput>>;

    /// Whether what the tool gives is the last word: an agent ends with it, and its model does not hear of it.
    fn return_direct(&self) -> bool {
        false
    }

    /// What becomes of `failure`, which [`call`](Tool::call) gave.
    fn on_failure(&self, failure: &Error) -> OnFailure {
        let _ = failure;
        OnFailure::AsUsual
    }
}

/// What becomes of a tool's failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Whatever the one who runs the tool does with failures: see [`ToolFailures`].
    #[default]
    AsUsual,
    /// The model hears this.
    Answer(String),
    /// The run fails.
    EndRun,
}

/// A tool that several agents share.
impl<T: Tool + ?Sized> Tool for Arc<T> {
    fn spec(&self) -> &ToolSpec {
        (**self).spec()
    }

    fn call<'a>(&'a self, call: ToolCall, cx: &'a Cx) -> BoxFuture<'a, Result<ToolOutput>> {
        (**self).call(call, cx)
    }

    fn return_direct(&self) -> bool {
        (**self).return_direct()
    }

    fn on_failure(&self, failure: &Error) -> OnFailure {
        (**self).on_failure(failure)
    }
}

/// A tool of a function, for schemas that are not known when the program is written; else `#[tool]` is shorter. `parameters` is the JSON
/// Schema of the arguments, which are in `call.args`.
///
/// ```
/// use millstream_core::{Cx, Tool, tool};
/// use serde_json::json;
///
/// let weather = tool(
///     "get_weather",
///     "Get current weather for a city.",
///     json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] }),
///     async |call, _| format!("The weather in {} is sunny, 25°C.", call.args["city"].as_str().unwrap_or_default()),
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
    F: Fn(ToolCall, Cx) -> W + Send + Sync + 'static,
    W: Future<Output: IntoToolOutput> + Send + 'static,
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
    F: Fn(ToolCall, Cx) -> W + Send + Sync + 'static,
    W: Future<Output: IntoToolOutput> + Send + 'static,
{
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call<'a>(&'a self, call: ToolCall, cx: &'a Cx) -> BoxFuture<'a, Result<ToolOutput>> {
        let running = (self.function)(call, cx.clone());
        Box::pin(async move { running.await.into_tool_output() })
    }
}

/// Tools of any types as a list: `react(model, tools![get_weather, get_time])`.
///
/// ```
/// use millstream_core::{tool, tools};
///
/// let now = tool("now", "What time it is.", serde_json::json!({ "type": "object" }), async |_, _| "noon");
/// assert_eq!(tools![now].len(), 1);
/// assert!(tools![].is_empty());
/// ```
#[macro_export]
macro_rules! tools {
    ($($tool:expr),* $(,)?) => {{
        let tools: ::std::vec::Vec<::std::sync::Arc<dyn $crate::Tool>> = ::std::vec![$(::std::sync::Arc::new($tool)),*];
        tools
    }};
}
