//! Sample 2: a chain streams to an asynchronous program, which prints the tokens and keeps the answer.

use std::io::Write;

use millstream::prelude::*;

async fn stream_response(chain: &Chain<Vars, String>, question: &str) -> Result<String> {
    let mut full_response = String::new();
    let mut tokens = chain.run(vars! { question: question }).stream();
    while let Some(token) = tokens.try_next().await? {
        full_response.push_str(&token);
        print!("{token}");
        std::io::stdout().flush()?;
    }
    println!();
    Ok(full_response)
}

#[tokio::main]
async fn main() -> Result<()> {
    let prompt = Prompt::new().system("You are a helpful assistant.").human("{question}");
    let chain = prompt | model_from_env()? | Text;

    let streamed = stream_response(&chain, "What are the key features of LangGraph?").await?;

    // The same run, awaited: there is one execution path, so it gives the same text.
    let awaited = chain.run(vars! { question: "What are the key features of LangGraph?" }).await?;
    println!("\n{} bytes streamed, {} bytes awaited", streamed.len(), awaited.len());
    Ok(())
}
