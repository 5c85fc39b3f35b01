//! Prompts: messages, texts, partials, examples, blocks and placeholders.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{FutureExt, StreamExt};
use millstream_core::{
    Block, Body, Demo, Examples, Kind, Message, Messages, Model, Placeholder, Prompt, Role, Runnable, Text, TextPrompt,
    Vars, vars,
};
use serde_json::{Value, json};

fn shown(messages: &Messages) -> Value {
    serde_json::to_value(messages).expect("messages are JSON")
}

#[test]
fn all_forms_of_messages_stand_side_by_side() {
    let mut literal = Message::human("literal {b}");
    literal.id = Some("l1".to_owned());
    let prompt = Prompt::new()
        .system("S {a}")
        .ai("A {{not a var}}")
        .human("H {b} {a}")
        .message(literal)
        .role("user", "U")
        .role("assistant", "AS")
        .chat("pirate", "Arr {b}")
        .partial("a", "1");
    assert_eq!(prompt.input_variables(), ["b"]);
    assert_eq!(
        shown(&prompt.format(&vars! { b: "x{y}z" }).unwrap()),
        json!([
            { "type": "system", "content": "S 1" },
            { "type": "ai", "content": "A {not a var}" },
            { "type": "human", "content": "H x{y}z 1" },
            { "type": "human", "content": "literal {b}", "id": "l1" },
            { "type": "human", "content": "U" },
            { "type": "ai", "content": "AS" },
            { "type": "chat", "role": "pirate", "content": "Arr x{y}z" },
        ])
    );
}

#[test]
fn an_unknown_role_is_an_error_of_the_use() {
    for role in ["robot", "tool", "chat", "developer", "remove"] {
        let error = Prompt::new().role(role, "x").format(&Vars::new()).unwrap_err();
        assert_eq!(error.code(), "bad_template", "{role}");
        assert!(error.to_string().contains(&format!("{role:?}")), "{error}");
    }
    let error = Prompt::new().role("placeholder", "history").format(&Vars::new()).unwrap_err();
    assert!(error.to_string().contains("{history}"), "{error}");
}

#[test]
fn a_placeholder_takes_every_form_of_a_conversation() {
    let prompt = Prompt::new().placeholder("must");
    let given = json!([
        ["human", "tuple"],
        { "role": "assistant", "content": "hm", "tool_calls": [{ "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" } }] },
        { "role": "tool", "content": "42", "tool_call_id": "c1" },
        { "type": "human", "content": "typed", "id": "2" },
        "text",
    ]);
    let messages = prompt.format(&vars! { must: given }).unwrap();
    let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::Human, Role::Ai, Role::Tool, Role::Human, Role::Human]);
    assert_eq!(messages[1].tool_calls().next().unwrap().args, json!({ "x": 1 }));
    assert_eq!(prompt.format(&vars! { must: [("ai", "a"), ("user", "b")] }).unwrap().len(), 2);
    for wrong in [json!("text"), json!({ "role": "user", "content": "x" }), json!([["robot", "x"]]), json!(null)] {
        let error = prompt.format(&vars! { must: wrong }).unwrap_err();
        assert_eq!(error.code(), "invalid_input");
        assert!(error.to_string().contains("\"must\" must be a list of messages"), "{error}");
    }
}

#[test]
fn placeholders_may_be_absent_and_may_be_bounded() {
    let prompt = Prompt::new().placeholder(Placeholder::new("h").optional().last(1)).role("placeholder", "{g}");
    assert_eq!(prompt.format(&Vars::new()).unwrap().len(), 0);
    assert_eq!(prompt.input_variables(), [""; 0]);
    assert_eq!(prompt.optional_variables(), ["g", "h"]);
    let messages = prompt.format(&vars! { h: ["a", "b"], g: ["c", "d"] }).unwrap();
    assert_eq!(messages.iter().map(Message::text).collect::<Vec<_>>(), ["b", "c", "d"]);
    let error = Prompt::new().placeholder("h").format(&Vars::new()).unwrap_err();
    assert_eq!(error.code(), "missing_variable");
}

#[test]
fn partials_are_chained_and_what_is_given_goes_before_them() {
    let prompt = Prompt::new().human("{a} {b} {c}").partial("a", 1).partial("b", "old").partial("b", "new");
    assert_eq!(prompt.input_variables(), ["c"]);
    assert_eq!(prompt.format(&vars! { c: true }).unwrap()[0].text(), "1 new True");
    assert_eq!(prompt.format(&vars! { c: 3, a: 0 }).unwrap()[0].text(), "0 new 3");
}

#[test]
fn a_partial_function_is_called_once_at_each_use_that_needs_it() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let prompt = Prompt::text("{n} {n}").partial_with("n", || CALLS.fetch_add(1, Ordering::Relaxed));
    assert_eq!(prompt.format(&Vars::new()).unwrap(), "0 0");
    assert_eq!(prompt.format(&Vars::new()).unwrap(), "1 1");
    assert_eq!(prompt.format(&vars! { n: "given" }).unwrap(), "given given");
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
}

#[test]
fn a_partial_fills_a_placeholder() {
    let prompt = Prompt::new().placeholder("history").human("{q}").partial("history", [("ai", "Hello")]);
    assert_eq!(prompt.input_variables(), ["q"]);
    assert_eq!(prompt.format(&vars! { q: "?" }).unwrap().len(), 2);
}

#[test]
fn a_value_that_cannot_be_json_is_an_error_of_the_use() {
    let odd = std::collections::BTreeMap::from([((1, 2), 3)]);
    for error in [
        Prompt::text("{x}").format(&vars! { x: odd.clone() }).unwrap_err(),
        Prompt::new().human("{x}").partial("x", odd.clone()).format(&Vars::new()).unwrap_err(),
        Prompt::mustache().human("{{x}}").format(&vars! { x: odd.clone() }).unwrap_err(),
        Prompt::jinja().human("{{ x }}").format(&vars! { x: odd.clone() }).unwrap_err(),
    ] {
        assert_eq!(error.code(), "invalid_input");
        assert!(error.to_string().contains("the variable \"x\" cannot be JSON"), "{error}");
    }
}

#[test]
fn prompts_are_put_together() {
    let first = Prompt::new().system("{kind}").partial("kind", "old").partial("other", "o");
    let second = Prompt::jinja().human("{{ q }} {{ other }}").partial("kind", "new");
    let prompt = first.then(second);
    assert_eq!(prompt.input_variables(), ["q"]);
    let texts: Vec<String> = prompt.format(&vars! { q: "?" }).unwrap().iter().map(Message::text).collect();
    assert_eq!(texts, ["new", "? o"]);

    let text = Prompt::text("a {x}").then(Prompt::text(" b {y}")).partial("x", 1);
    assert_eq!(text.format(&vars! { y: 2 }).unwrap(), "a 1 b 2");
    let messages = Prompt::from(text).then(Prompt::new().ai("{y}")).format(&vars! { y: 2 }).unwrap();
    assert_eq!(shown(&messages), json!([{ "type": "human", "content": "a 1 b 2" }, { "type": "ai", "content": "2" }]));
}

#[test]
fn blocks_are_templates_wherever_they_have_texts() {
    let prompt = Prompt::new().human(json!([
        "bare {x}",
        { "type": "text", "text": "What is {x}?" },
        { "image_url": "https://{host}/{x}.png" },
        { "type": "image_url", "image_url": { "url": "{url}", "detail": "low" } },
        { "type": "image", "source_type": "base64", "data": "{data}", "mime_type": "image/{kind}", "more": [1, "{x}", { "y": "{x}" }] },
        { "type": "text", "text": "{x}", "cache_control": { "type": "ephemeral" } },
    ]));
    assert_eq!(prompt.input_variables(), ["data", "host", "kind", "url", "x"]);
    let vars = vars! { x: "cat", host: "a.b", url: "data:,", data: "aGk=", kind: "png" };
    let message = &prompt.format(&vars).unwrap()[0];
    assert_eq!(
        serde_json::to_value(message).unwrap()["content"],
        json!([
            { "type": "text", "text": "bare cat" },
            { "type": "text", "text": "What is cat?" },
            { "type": "image_url", "image_url": { "url": "https://a.b/cat.png" } },
            { "type": "image_url", "image_url": { "url": "data:,", "detail": "low" } },
            { "type": "image", "source_type": "base64", "data": "aGk=", "mime_type": "image/png", "more": [1, "cat", { "y": "cat" }] },
            { "type": "text", "text": "cat", "cache_control": { "type": "ephemeral" } },
        ])
    );
    assert!(matches!(message.content[2], Block::Image(_)));
}

#[test]
fn blocks_of_our_own_are_templates_too() {
    let prompt = Prompt::mustache().system([Block::text("{{a}}"), Block::text("{b}")]);
    let messages = prompt.format(&vars! { a: 1 }).unwrap();
    assert_eq!(messages[0].text(), "1{b}");
}

#[test]
fn what_is_no_content_is_an_error_of_the_use() {
    for (content, problem) in [
        (json!(5), "a text or a list of blocks"),
        (json!([5]), "a text or an object"),
        (json!([{ "type": "text", "text": "{" }]), "cannot be read"),
        (json!([{ "image_url": { "path": "/etc/passwd" } }]), "not by a path"),
    ] {
        let error = Prompt::new().human(content).format(&Vars::new()).unwrap_err();
        assert_eq!(error.code(), "bad_template");
        assert!(error.to_string().contains(problem), "{error}");
    }
    let error = Prompt::new().human(json!([{ "image_url": "{url}" }])).format(&vars! { url: "" }).unwrap_err();
    assert_eq!(error.code(), "invalid_input");
}

#[test]
fn examples_are_chosen_by_the_variables() {
    let examples = Examples::chosen_by(Prompt::new().human("{q}").ai("{a}"), |vars: &Vars| {
        let wanted = vars.get("topic").is_some();
        wanted.then(|| vars! { q: "2+2", a: 4 }).into_iter().collect()
    });
    let prompt = Prompt::new().examples(examples).human("{q}");
    assert_eq!(prompt.input_variables(), ["q"]);
    assert_eq!(prompt.format(&vars! { q: "x" }).unwrap().len(), 1);
    let messages = prompt.format(&vars! { q: "x", topic: "sums" }).unwrap();
    assert_eq!(messages.iter().map(Message::text).collect::<Vec<_>>(), ["2+2", "4", "x"]);
}

#[test]
fn examples_stop_where_the_budget_does() {
    let examples = ["one", "two words", "three", "four"].map(|text| vars! { text: text });
    let within = |words: usize| {
        let examples = Examples::new(Prompt::new().human("{text}"), examples.clone()).within(words);
        Prompt::new().examples(examples).format(&vars! { q: "a b" }).unwrap().len()
    };
    assert_eq!([2, 3, 4, 5, 6, 7, 99].map(within), [0, 1, 1, 2, 3, 4, 4]);
    let by_bytes = Examples::new(Prompt::text("{text}"), examples).within_by(4, str::len);
    assert_eq!(Prompt::text("").examples(by_bytes).format(&Vars::new()).unwrap(), "one");
}

#[test]
fn texts_and_examples_are_divided_and_empty_ones_left_out() {
    let examples = || Examples::new(Prompt::text("{w}>{o}"), [vars! { w: "a", o: "b" }, vars! { w: "{x}", o: "d" }]);
    let prompt = Prompt::text("{intro}").examples(examples()).text("{q}>");
    assert_eq!(prompt.input_variables(), ["intro", "q"]);
    assert_eq!(prompt.format(&vars! { intro: "", q: "e" }).unwrap(), "a>b\n\n{x}>d\n\ne>");
    assert_eq!(prompt.clone().separator("\n").format(&vars! { intro: "I", q: "e" }).unwrap(), "I\na>b\n{x}>d\ne>");
    assert_eq!(&*prompt.label().name, "FewShotPromptTemplate");
    let error =
        Prompt::text("").examples(Examples::new(Prompt::text("{y}"), [Vars::new()])).format(&Vars::new()).unwrap_err();
    assert_eq!(error.code(), "missing_variable");
}

#[test]
fn a_text_is_a_step_before_a_model() {
    let chain = Prompt::text("Say {x}") | Model::from(Demo::says(["hello"])) | Text;
    let answer = chain.run(vars! { x: "hi" }).await_now();
    assert_eq!(answer.unwrap(), "hello");

    let events: Vec<_> = chain.run(vars! { x: "hi" }).events().collect::<Vec<_>>().now_or_never().unwrap();
    let prompt: Vec<_> =
        events.iter().map(|event| event.as_ref().unwrap()).filter(|event| event.scope.kind == Kind::Prompt).collect();
    assert!(prompt.iter().all(|event| &*event.scope.name == "PromptTemplate"));
    assert!(matches!(prompt.last().unwrap().body, Body::RunnableFinished { .. }));
}

#[test]
fn a_conversation_knows_whether_it_was_one_text() {
    let prompt = TextPrompt::default().text("Say {x}");
    let messages = prompt.run(vars! { x: "hi" }).await_now().unwrap();
    assert_eq!(messages.as_text(), Some("Say hi"));
    assert_eq!(shown(&messages), json!([{ "type": "human", "content": "Say hi" }]));
    let empty = Prompt::text("").run(Vars::new()).await_now().unwrap();
    assert_eq!(empty.as_text(), Some(""));

    let mut more = messages;
    more.push(Message::ai("ho"));
    assert_eq!(more.as_text(), None);
    assert_eq!(Prompt::new().human("hi").run(Vars::new()).await_now().unwrap().as_text(), None);
}

trait AwaitNow<T> {
    fn await_now(self) -> T;
}

impl<F: IntoFuture> AwaitNow<F::Output> for F {
    fn await_now(self) -> F::Output {
        self.into_future().now_or_never().expect("nothing here waits")
    }
}
