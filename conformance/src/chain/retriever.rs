//! Retrievers as the cases describe them.

use futures_util::future::BoxFuture;
use millstream::{Cx, Document, Kind, Label, Result, Retrieval, Retriever, Runnable};

use super::AnyChain;
use crate::case::Documents;
use crate::outcome::{Skip, unsupported};

/// Finds the documents that have any word of the query, in their order.
struct ScriptedRetriever(Vec<Document>);

impl Retriever for ScriptedRetriever {
    fn find<'a>(&'a self, query: &'a str, _: &'a Cx) -> BoxFuture<'a, Result<Vec<Document>>> {
        let query = query.to_lowercase();
        let fits = |document: &&Document| {
            let text = document.page_content.to_lowercase();
            query.split_whitespace().any(|word| text.contains(word))
        };
        let found = self.0.iter().filter(fits).cloned().collect();
        Box::pin(async move { Ok(found) })
    }

    fn label(&self) -> Label {
        Label::new(Kind::Retriever, "ScriptedRetriever")
    }
}

/// The retriever of a case.
pub(super) fn retriever(documents: &Documents) -> std::result::Result<AnyChain, Skip> {
    let found: serde_json::Result<_> = documents.documents.iter().cloned().map(serde_json::from_value).collect();
    let retriever = ScriptedRetriever(found.map_err(|error| unsupported(error.to_string()))?);
    let chain = Retrieval::from(retriever).dynamic();
    let chain = documents.tags.iter().fold(chain, |chain, tag| chain.tag(tag.as_str()));
    Ok(documents.metadata.iter().fold(chain, |chain, (key, value)| chain.metadata(key.as_str(), value.clone())))
}
