//! A drawing of a graph, as Mermaid text.

use std::fmt::Write;

use crate::build::{END, START};
use crate::graph::Graph;
use crate::plan::{Exits, NodeIndex};
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
        let plan = &self.plan;
        let mut text = format!("flowchart TD\n  {START}([start])\n");
        for node in &plan.nodes {
            let shape = if node.spec.deferred { ["[/", "/]"] } else { ["[", "]"] };
            line(&mut text, format_args!("{}{}\"{}\"{}", id(&node.name), shape[0], quoted(&node.name), shape[1]));
        }
        line(&mut text, format_args!("{END}([end])"));
        self.draw_exits(&mut text, START, &plan.start);
        for node in &plan.nodes {
            self.draw_exits(&mut text, &id(&node.name), &node.exits);
        }
        for join in &plan.joins {
            let from: Vec<String> = join.from.iter().map(|from| self.id(*from)).collect();
            line(&mut text, format_args!("{} --> {}", from.join(" & "), self.id(join.to)));
        }
        text
    }

    fn draw_exits(&self, text: &mut String, from: &str, exits: &Exits) {
        for to in &exits.next {
            line(text, format_args!("{from} --> {}", self.id(*to)));
        }
        for branch in &exits.branches {
            let all = || self.plan.nodes.iter().map(|node| node.name.clone()).chain([END.into()]).collect();
            for to in branch.targets.clone().unwrap_or_else(all) {
                line(text, format_args!("{from} -.-> {}", id(&to)));
            }
        }
        if exits.ends {
            line(text, format_args!("{from} --> {END}"));
        }
    }

    fn id(&self, node: NodeIndex) -> String {
        id(&self.plan.node(node).name)
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _ = writeln!(text, "  {content}");
}

/// A name as Mermaid takes it for an id.
fn id(name: &str) -> String {
    if name == END {
        return name.to_owned();
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("_{:x}_", u32::from(c)) };
    // Some words of Mermaid's own, such as `end`, may not be ids.
    let text: String = name.chars().map(plain).collect();
    if text.eq_ignore_ascii_case("end") { format!("node_{text}") } else { text }
}

fn quoted(name: &str) -> String {
    name.replace('"', "#quot;")
}
