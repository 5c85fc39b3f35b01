//! Sample 10: an answer from documents, one chain: what fits the question is looked up and goes into the prompt, and the sources come too.

use std::io::Write;

use millstream::prelude::*;
use millstream::{Assign, Lambda, PassageSize, Pick, Piece, split_documents};

/// Millstream's own documentation.
const FILES: [(&str, &str); 2] =
    [("docs/graphs.md", include_str!("../../docs/graphs.md")), ("docs/http.md", include_str!("../../docs/http.md"))];

#[tokio::main]
async fn main() -> Result<()> {
    let index = FullText::in_memory()?;
    let files = FILES.map(|(name, text)| Document::new(text).with_metadata("source", name));
    index.add(split_documents(files, PassageSize::default())).await?;

    let format = Lambda::new(|found: Vec<Document>| Ok(format_documents(&found)));
    let prompt = Prompt::new().system("Answer from these documents, and cite [1]:\n\n{context}").human("{question}");
    let chain = Assign::new().with("found", Pick::new("question").pipe(Retrieval::from(index)))
        | Assign::new().with("context", Pick::new("found").pipe(format))
        | Assign::new().with("answer", prompt | model_from_env()? | Text);
    let mut pieces = chain.run(vars! { question: "How does Last-Event-ID work?" }).stream();
    let mut found = Vec::new();
    while let Some(entries) = pieces.try_next().await? {
        match (entries.get("answer"), entries.get("found")) {
            (Some(Piece::Text(token)), _) => print!("{token}"),
            (_, Some(Piece::Items(documents))) => found.extend(documents.downcast::<Vec<Document>>().cloned()),
            _ => {}
        }
        std::io::stdout().flush()?;
    }
    println!("\n");
    for (document, number) in found.iter().flatten().zip(1..) {
        println!("[{number}] {}: {:.60}", document.source().unwrap_or("?"), document.page_content.replace('\n', " "));
    }
    Ok(())
}
