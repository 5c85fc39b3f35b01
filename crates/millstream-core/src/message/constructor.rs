//! The form in which LangChain writes objects of its own: `{"lc": 1, "type": "constructor", "id": [.., class], "kwargs": {..}}`.

use crate::event::Metadata;

/// The type and the fields of a message in this form.
pub(super) fn opened(fields: &Metadata) -> Option<(&'static str, Metadata)> {
    if fields.get("lc")? != 1 || fields.get("type")? != "constructor" {
        return None;
    }
    let class = fields.get("id")?.as_array()?.last()?.as_str()?;
    let kwargs = fields.get("kwargs")?.as_object()?;
    Some((kind_of(class)?, kwargs.clone()))
}

fn kind_of(class: &str) -> Option<&'static str> {
    Some(match class {
        "AIMessageChunk" => "AIMessageChunk",
        "AIMessage" => "ai",
        "HumanMessage" | "HumanMessageChunk" => "human",
        "SystemMessage" | "SystemMessageChunk" => "system",
        "ToolMessage" | "ToolMessageChunk" => "tool",
        "FunctionMessage" | "FunctionMessageChunk" => "function",
        "ChatMessage" | "ChatMessageChunk" => "chat",
        "RemoveMessage" => "remove",
        _ => return None,
    })
}
