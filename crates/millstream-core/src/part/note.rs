//! What is said about a message beside its content.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::message::{Fields, Message, is_better_id};

/// What a piece of a message says beside its content.
///
/// Its fields are added up like those of LangChain's chunks: see [`Fields::merge`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Note {
    /// The id under which the message goes on. The whole message has the best of its ids: one of the provider, if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Arc<str>>,
    /// What the provider says about its answer.
    #[serde(skip_serializing_if = "Fields::is_nothing")]
    pub response_metadata: Fields,
    /// What else comes from the provider.
    #[serde(skip_serializing_if = "Fields::is_nothing")]
    pub additional_kwargs: Fields,
    /// Other fields of the message's JSON, by their names there.
    #[serde(skip_serializing_if = "Fields::is_nothing")]
    pub fields: Fields,
    /// A content that says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blank: Option<Blank>,
    /// The source calls this piece the last.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

/// As what an empty content came. LangChain adds up the one and the other differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blank {
    /// As an empty text.
    Text,
    /// As an empty list.
    List,
}

impl Note {
    /// What there is to say of a whole message beside its content and its cost.
    pub(crate) fn of(message: &Message) -> Self {
        let mut fields = message.extra.clone();
        for (name, text) in [("name", &message.name), ("tool_call_id", &message.tool_call_id)] {
            text.iter().for_each(|text| fields.insert(name, text.as_str()));
        }
        if message.failed {
            fields.insert("status", "error");
        }
        message.artifact.iter().for_each(|artifact| fields.insert("artifact", (**artifact).clone()));
        Self {
            response_metadata: message.response_metadata.clone(),
            additional_kwargs: message.additional_kwargs.clone(),
            fields,
            ..Self::default()
        }
    }

    /// Adds it to the message that it belongs to.
    ///
    /// # Errors
    /// `provider_protocol` if a field cannot be added to what is there.
    pub(crate) fn add_to(&self, message: &mut Message) -> Result<()> {
        if let Some(id) = &self.id
            && is_better_id(message.id.as_deref().unwrap_or_default(), id)
        {
            message.id = Some(id.to_string());
        }
        message.response_metadata.merge(&self.response_metadata)?;
        message.additional_kwargs.merge(&self.additional_kwargs)?;
        for (name, field) in self.fields.iter() {
            match (name.as_str(), field.as_str()) {
                ("name", Some(text)) => message.name = Some(text.to_owned()),
                ("tool_call_id", Some(text)) => message.tool_call_id = Some(text.to_owned()),
                ("status", Some(text)) => message.failed = text == "error",
                ("artifact", _) => message.artifact = Some(Box::new(field.clone())),
                _ => message.extra.insert(name.as_str(), field.clone()),
            }
        }
        Ok(())
    }
}
