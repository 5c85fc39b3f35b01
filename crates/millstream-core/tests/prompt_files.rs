//! Prompts as files: what is read, and where a mistake is said to be.

use millstream_core::{FileFormat, Message, Prompt, TextPrompt, Vars, vars};
use serde_json::json;

fn texts(prompt: &Prompt, vars: &Vars) -> Vec<String> {
    prompt.format(vars).expect("the variables are there").iter().map(Message::text).collect()
}

#[test]
fn toml_has_all_that_a_prompt_has() {
    let prompt = Prompt::parse(
        r#"
format = "mustache"

[partial]
kind = "brief"
limits = { words = 10 }

[[messages]]
role = "system"
content = """
You are {{kind}}: {{limits.words}} words."""

[[messages]]
placeholder = "history"
optional = true
last = 1

[[messages]]
type = "ai"
content = "As it is: {{kind}}"

[[messages]]
role = "user"
content = [{ type = "text", text = "{{q}}" }, { type = "image_url", image_url = { url = "{{url}}" } }]
"#,
        FileFormat::Toml,
    )
    .unwrap();
    assert_eq!(prompt.input_variables(), ["q", "url"]);
    let given = vars! { q: "?", url: "data:,", history: ["a", "b"] };
    assert_eq!(texts(&prompt, &given), ["You are brief: 10 words.", "b", "As it is: {{kind}}", "?"]);
}

#[test]
fn json_has_the_short_forms_of_messages() {
    let file =
        json!({ "messages": [["system", "S {x}"], "H {x}", ["placeholder", "{h}"], { "role": "ai", "content": "A" }] });
    let prompt = Prompt::parse(&file.to_string(), FileFormat::Json).unwrap();
    assert_eq!(texts(&prompt, &vars! { x: 1 }), ["S 1", "H 1", "A"]);
}

#[test]
fn a_text_is_read_as_a_text_or_as_a_message() {
    let file = "text = 'Say {{ x }}'\nformat = 'jinja'";
    assert_eq!(TextPrompt::parse(file, FileFormat::Toml).unwrap().format(&vars! { x: 1 }).unwrap(), "Say 1");
    assert_eq!(texts(&Prompt::parse(file, FileFormat::Toml).unwrap(), &vars! { x: 1 }), ["Say 1"]);
    let error = TextPrompt::parse("messages = ['x']", FileFormat::Toml).unwrap_err();
    assert!(error.to_string().contains("Prompt::parse"), "{error}");
}

#[test]
fn what_langchain_saves_is_read() {
    let text = json!({
        "name": null, "input_variables": ["foo"], "optional_variables": [], "output_parser": null, "partial_variables": {"bar": 1},
        "metadata": null, "tags": null, "template": "{foo} {bar}", "template_format": "f-string", "validate_template": false,
    });
    let prompt = TextPrompt::parse(&text.to_string(), FileFormat::Json).unwrap();
    assert_eq!(prompt.format(&vars! { foo: "x" }).unwrap(), "x 1");

    let few_shot = json!({
        "_type": "few_shot", "input_variables": ["word"], "prefix": "Opposites.",
        "example_prompt": { "_type": "prompt", "input_variables": ["i", "o"], "template": "{i}: {o}" },
        "examples": [{ "i": "tall", "o": "short" }], "suffix": "{word}:", "example_separator": "\n",
    });
    let prompt = TextPrompt::parse(&few_shot.to_string(), FileFormat::Json).unwrap();
    assert_eq!(prompt.format(&vars! { word: "hot" }).unwrap(), "Opposites.\ntall: short\nhot:");

    let chat = json!({
        "_type": "chat", "input_variables": ["q"], "input_types": {}, "messages": [
            { "type": "system", "additional_kwargs": {}, "prompt": { "_type": "prompt", "template": "{kind}", "input_variables": [], "partial_variables": { "kind": "K" } } },
            { "variable_name": "history", "optional": true, "n_messages": 1 },
            { "content": "As {it} is", "type": "ai" },
            { "prompt": { "template": "{{q}}", "template_format": "mustache", "input_variables": ["q"] } },
        ],
    });
    let prompt = Prompt::parse(&chat.to_string(), FileFormat::Json).unwrap();
    assert_eq!(prompt.input_variables(), ["q"]);
    assert_eq!(texts(&prompt, &vars! { q: "?", history: ["a", "b"] }), ["K", "b", "As {it} is", "?"]);
}

#[test]
fn mistakes_are_said_with_line_and_key() {
    for (format, file, problem) in [
        (
            FileFormat::Toml,
            "messages = [\n  'a',\n  'b {',\n]",
            "line 3, messages[1]: the template \"b {\" cannot be read",
        ),
        (
            FileFormat::Toml,
            "[[messages]]\nrole = 'robot'\ncontent = 'x'",
            "line 2, messages[0].role: there are no templates",
        ),
        (FileFormat::Toml, "[[messages]]\nrole = 'user'\ncontent = ['{']", "line 3, messages[0].content: the template"),
        (FileFormat::Toml, "[[messages]]\nrole = 'user'", "line 1, messages[0]: \"content\" is missing"),
        (
            FileFormat::Toml,
            "[[messages]]\nplaceholder = 'h'\nlast = -1",
            "line 3, messages[0].last: this must be a number of",
        ),
        (FileFormat::Toml, "text = 'a'\ntemperature = 1", "line 2, temperature: there is no such key here"),
        (FileFormat::Toml, "text = 'a'\nmessages = []", "line 2, messages: a prompt has a text or messages"),
        (FileFormat::Toml, "format = 'latex'\ntext = ''", "line 1, format: there is no format \"latex\""),
        (FileFormat::Toml, "text = 'a'\n\nfoo bar", "line 3: the prompt is not TOML"),
        (FileFormat::Toml, "", "line 1: a prompt has \"messages\""),
        (FileFormat::Json, "{\n \"text\":\n\n  5}", "line 4, text: this must be a text"),
        (FileFormat::Json, "{\n \"text\": \"a\",\n}", "line 3: the prompt is not JSON"),
        (FileFormat::Json, "[]", "line 1: this must be a table"),
        (FileFormat::Json, "{\"_type\": \"pipeline\"}", "line 1, _type: there is no prompt of the type \"pipeline\""),
        (
            FileFormat::Json,
            "{\"_type\": \"prompt\",\n\"template_path\": \"a.txt\"}",
            "line 2, template_path: no other file is read",
        ),
        (FileFormat::Json, "{\"template\": \"{a.b}\"}", "line 1, template: the template \"{a.b}\" cannot be read"),
        (
            FileFormat::Json,
            "{\"messages\": [\n{\"role\": \"user\", \"content\": 5}]}",
            "line 2, messages[0].content: the content of a message template is",
        ),
    ] {
        let error = Prompt::parse(file, format).unwrap_err();
        assert_eq!(error.code(), "bad_template", "{file}");
        assert!(error.to_string().starts_with(problem), "{file}: {error}");
    }
}

#[test]
fn the_name_of_a_file_tells_its_format() {
    assert_eq!(FileFormat::of("prompts/a.toml".as_ref()).unwrap(), FileFormat::Toml);
    assert_eq!(FileFormat::of("a.json".as_ref()).unwrap(), FileFormat::Json);
    assert_eq!(FileFormat::of("a.yaml".as_ref()).unwrap_err().code(), "invalid_input");
}
