//! Steps side by side: one of two, two at the same time, and what is made of both. Every piece comes as soon as it is there.

use millstream::prelude::*;

fn ask(template: &str, model: &Model) -> Chain<Vars, String> {
    Prompt::new().human(template) | model.clone() | Text
}

fn is_new(vars: &Vars) -> bool {
    vars.get("reader").is_some_and(|reader| reader.json() == "new")
}

#[tokio::main]
async fn main() -> Result<()> {
    let model = model_from_env()?;
    let short = ask("Explain {topic} in one sentence.", &model);
    let long = ask("Explain {topic} in detail.", &model);
    let haiku = ask("Write a haiku about {topic}.", &model);
    let count = Lambda::new(|text: String| Ok(text.split_whitespace().count()));

    let answer = Branch::new().when(is_new, short).otherwise(long);
    let chain = Parallel::new().with("answer", answer).with("haiku", haiku)
        | Assign::new().with("words", Pick::new("answer") | count);

    let mut pieces = chain.run(vars! { topic: "tokens", reader: "new" }).stream();
    while let Some(entries) = pieces.try_next().await? {
        for (name, piece) in entries {
            println!("{name}: {}", piece.json());
        }
    }
    Ok(())
}
