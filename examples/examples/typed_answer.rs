//! An answer of a known type: drafts while the model writes, then one value that is valid.

use millstream::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// A country.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "the fields are shown by `Debug`")]
struct Country {
    /// Its usual English name.
    name: String,
    capital: String,
    neighbours: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    // What a model would say. With `model_from_env()?` in its place a real one is asked, by the schema of `Country`.
    let model = Demo::says([r#"{"name": "Portugal", "capital": "Lisbon", "neighbours": ["Spain"]}"#]);
    let chain = Prompt::new().human("Tell me about {country}.") | Model::from(model).structured::<Country>();

    let mut drafts = chain.run(vars! { country: "Portugal" }).stream();
    while let Some(draft) = drafts.try_next().await? {
        match draft.whole() {
            None => println!("{}", draft.value()),
            Some(country) => println!("{country:#?}"),
        }
    }

    // Awaited, it is the value at once.
    let country = chain.run(vars! { country: "Portugal" }).await?;
    println!("The capital is {}.", country.capital);
    Ok(())
}
