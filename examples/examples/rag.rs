//! Sample 10: an answer from documents. What fits the question is looked up, and goes into the prompt; the answer names its sources.

use std::io::Write;

use millstream::prelude::*;
use millstream::{PassageSize, split_documents};

/// Millstream's own documentation.
const FILES: [(&str, &str); 3] = [
    ("docs/graphs.md", include_str!("../../docs/graphs.md")),
    ("docs/http.md", include_str!("../../docs/http.md")),
    ("docs/providers.md", include_str!("../../docs/providers.md")),
];

#[tokio::main]
async fn main() -> Result<()> {
    let index = FullText::in_memory()?;
    let files = FILES.map(|(name, text)| Document::new(text).with_metadata("source", name));
    index.add(split_documents(files, PassageSize::default())).await?;

    let prompt =
        Prompt::new().system("Answer from these documents, and name them as [1]:\n\n{context}").human("{question}");
    let chain = prompt | model_from_env()? | Text;

    let question = "How does Last-Event-ID work?";
    let documents = Retrieval::from(index).run(question).await?;
    let mut tokens = chain.run(vars! { context: format_documents(&documents), question: question }).stream();
    while let Some(token) = tokens.try_next().await? {
        print!("{token}");
        std::io::stdout().flush()?;
    }
    println!("\n\nSources:");
    for (document, number) in documents.iter().zip(1..) {
        let begin: String = document.page_content.chars().take(60).collect();
        println!("[{number}] {}: {begin:?}", document.source().unwrap_or("unknown"));
    }
    Ok(())
}
