//! Sample 1: a chain streams to a synchronous program.
//!
//! `cargo run --example stream_chain` needs no key; with `OPENAI_API_KEY` or a local model server it uses that.

use std::io::Write;

use millstream::prelude::*;

fn main() -> Result<()> {
    let model = model_from_env()?;
    let prompt = Prompt::new().system("You are a concise technical writer.").human("{topic}");
    let chain = prompt | model;

    for chunk in chain.run(vars! { topic: "Explain LangGraph in 3 sentences." }).stream().blocking() {
        print!("{}", chunk?);
        std::io::stdout().flush()?;
    }
    println!();
    Ok(())
}
