//! Retrievers: what a store of documents implements, and the step that asks one.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};

use crate::cx::{Cx, Label};
use crate::error::Result;
use crate::event::Kind;
use crate::input::Input;
use crate::runnable::{Runnable, short_type_name};
use crate::streamed::Chunks;

mod document;
mod split;

pub use document::{Document, format_documents};
pub use split::{PassageSize, split_documents, split_text};

/// The metadata in which LangChain keeps the short name of a retriever.
const NAME: &str = "ls_retriever_name";

/// Finds the documents for a question, as an index or a search service implements it.
///
/// The documents come back best first. How many, and which are good enough, is the retriever's to know. Dropping the future must stop the
/// search or leave it without effect.
///
/// ```
/// use futures_util::future::BoxFuture;
/// use millstream_core::{Cx, Document, Result, Retrieval, Retriever, Runnable};
///
/// struct Bears;
///
/// impl Retriever for Bears {
///     fn find<'a>(&'a self, query: &'a str, _: &'a Cx) -> BoxFuture<'a, Result<Vec<Document>>> {
///         let found = query.contains("bear").then(|| Document::new("Bears eat honey."));
///         Box::pin(async move { Ok(found.into_iter().collect()) })
///     }
/// }
///
/// # futures_util::FutureExt::now_or_never(async {
/// let documents = Retrieval::from(Bears).run("What does a bear eat?").await?;
/// assert_eq!(documents[0].page_content, "Bears eat honey.");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
pub trait Retriever: Send + Sync + 'static {
    /// The documents for `query`, best first; none if nothing fits.
    fn find<'a>(&'a self, query: &'a str, cx: &'a Cx) -> BoxFuture<'a, Result<Vec<Document>>>;

    /// How the retriever presents itself in events: under the name of its type.
    fn label(&self) -> Label {
        Label::new(Kind::Retriever, short_type_name::<Self>())
    }
}

/// A retriever to ask: any [`Retriever`]. A step that takes a question and gives documents.
///
/// Its events are those of its kind, [`Kind::Retriever`], with the metadata `ls_retriever_name`, as in LangChain.
#[derive(Clone)]
pub struct Retrieval {
    retriever: Arc<dyn Retriever>,
}

impl<R: Retriever> From<R> for Retrieval {
    fn from(retriever: R) -> Self {
        Self { retriever: Arc::new(retriever) }
    }
}

impl fmt::Debug for Retrieval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrieval").field("label", &self.label()).finish()
    }
}

impl Runnable for Retrieval {
    type Input = String;
    type Output = Vec<Document>;

    fn label(&self) -> Label {
        let label = self.retriever.label();
        if label.metadata.contains_key(NAME) {
            return label;
        }
        let name = label.name.strip_prefix("Retriever").or_else(|| label.name.strip_suffix("Retriever"));
        let name = name.unwrap_or(&label.name).to_lowercase();
        label.with_metadata(NAME, name)
    }

    fn transform(&self, input: Input<String>, cx: Cx) -> Chunks<Vec<Document>> {
        let retriever = self.retriever.clone();
        let found = async move {
            let query = input.whole(&cx).await?;
            retriever.find(&query, &cx).await
        };
        stream::once(found).boxed()
    }
}
