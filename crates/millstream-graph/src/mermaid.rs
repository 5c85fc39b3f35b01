//! A drawing of a graph, as Mermaid text.

use std::fmt::Write;

use crate::build::{END, START};
use crate::drawing::{Drawing, DrawnKind};
use crate::graph::Graph;
use crate::state::State;

impl<S: State> Graph<S> {
    /// The graph as a Mermaid flowchart, which GitHub and many editors draw. Dotted arrows are branches; a branch that does not say where
    /// it goes is drawn to every node.
    ///
    /// ```
    /// # extern crate millstream_graph as graph;
    /// # use millstream_graph::{END, START, Schema, Json, JsonKind, JsonUpdate, StateGraph};
    /// # use millstream_core::{Cx, Result};
    /// # use std::sync::Arc;
    /// # async fn nothing(_: Arc<Json>, _: Cx) -> Result<JsonUpdate> { Ok(JsonUpdate::new()) }
    /// let graph = StateGraph::with_schema(Schema::json([("log", JsonKind::Append)])).node("ask", nothing);
    /// let graph = graph.edge(START, "ask").edge("ask", END).compile()?;
    /// assert!(graph.mermaid().contains("ask --> __end__"));
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    pub fn mermaid(&self) -> String {
        self.drawing().mermaid()
    }
}

impl Drawing {
    /// The drawing as a Mermaid flowchart: see [`Graph::mermaid`].
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart TD\n");
        for node in &self.nodes {
            let (open, label, close) = match node.kind {
                DrawnKind::Start => ("([", "start".to_owned(), "])"),
                DrawnKind::End => ("([", "end".to_owned(), "])"),
                DrawnKind::Node => ("[", quoted(&node.id), "]"),
                DrawnKind::Deferred => ("[/", quoted(&node.id), "/]"),
            };
            line(&mut text, format_args!("{}{open}{label}{close}", id(&node.id)));
        }
        for edge in &self.edges {
            let arrow = if edge.conditional { "-.->" } else { "-->" };
            line(&mut text, format_args!("{} {arrow} {}", id(&edge.source), id(&edge.target)));
        }
        text
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _ = writeln!(text, "  {content}");
}

/// A name as Mermaid takes it for an id.
fn id(name: &str) -> String {
    if name == END || name == START {
        return name.to_owned();
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("_{:x}_", u32::from(c)) };
    // Some words of Mermaid's own, such as `end`, may not be ids.
    let text: String = name.chars().map(plain).collect();
    if text.eq_ignore_ascii_case("end") { format!("node_{text}") } else { text }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "#quot;"))
}
