//! How much a conversation is: the numbers are those of LangChain's `count_tokens_approximately`.

#![allow(clippy::unwrap_used, reason = "tests")]

use millstream_core::{Message, TokenEstimate, ToolSpec, count_messages, count_tokens, count_words};
use serde_json::{Value, json};

fn read(message: Value) -> Message {
    serde_json::from_value(message).unwrap()
}

fn conversation() -> Vec<Message> {
    let image =
        json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", "A".repeat(1000))}});
    vec![
        Message::system("Be brief."),
        read(json!({"type": "human", "content": "Wie spät ist es? 🎈", "name": "Bob"})),
        read(json!({"type": "ai", "content": "", "tool_calls": [
            {"name": "clock", "args": {"n": [1.5, null, true], "zone": "it's \"here\""}, "id": "call_1"},
        ]})),
        Message::tool("call_1", "12:30"),
        read(json!({"type": "human", "content": [
            {"type": "text", "text": "Look"}, image, "and", {"type": "odd", "x": {"y": 1e20}},
        ]})),
        Message::ai("Done"),
    ]
}

fn each(estimate: &TokenEstimate) -> Vec<u64> {
    conversation().iter().map(|message| count_tokens(std::slice::from_ref(message), estimate)).collect()
}

#[test]
fn an_estimate_is_langchains_to_the_token() {
    let own = TokenEstimate::default();
    assert_eq!((count_tokens(&conversation(), &own), each(&own)), (165, vec![7, 10, 34, 7, 100, 7]));

    let fine = TokenEstimate {
        characters_per_token: 2.5,
        tokens_per_message: 1.5,
        tokens_per_image: 10,
        count_names: false,
        ..TokenEstimate::default()
    };
    assert_eq!((count_tokens(&conversation(), &fine), each(&fine)), (114, vec![8, 11, 52, 8, 30, 8]));

    let tool = ToolSpec {
        name: "clock".to_owned(),
        description: "Die Zeit, auf die Sekunde: ä.".to_owned(),
        parameters: json!({"type": "object", "properties": {"zone": {"type": "string"}}}),
    };
    let with_tools = TokenEstimate { tools: vec![tool], ..TokenEstimate::default() };
    assert_eq!(count_tokens(&conversation(), &with_tools), 202);
    assert_eq!(count_tokens(&[], &TokenEstimate::default()), 0);
}

#[test]
fn an_answer_that_knows_what_it_cost_scales_the_estimate() {
    let answer = |tokens: u64, provider: &str| {
        let usage = json!({"input_tokens": 1, "output_tokens": 1, "total_tokens": tokens});
        read(
            json!({"type": "ai", "content": "Done", "usage_metadata": usage, "response_metadata": {"model_provider": provider}}),
        )
    };
    let question = Message::human("a".repeat(400));
    let scaled = TokenEstimate { scale_by_usage: true, ..TokenEstimate::default() };
    let both =
        |messages: &[Message]| (count_tokens(messages, &TokenEstimate::default()), count_tokens(messages, &scaled));

    let mut messages = vec![question, answer(120, "p"), Message::human("thanks")];
    assert_eq!(both(&messages), (117, 127));
    // By a quarter at most, and never down.
    messages[1] = answer(9000, "p");
    assert_eq!(both(&messages), (117, 147));
    messages[1] = answer(5, "p");
    assert_eq!(both(&messages), (117, 117));
    // Providers count differently.
    messages[1] = answer(120, "p");
    messages.push(answer(1, "q"));
    assert_eq!(both(&messages), (124, 124));
}

#[test]
fn messages_and_words_are_counted() {
    assert_eq!(count_messages(&conversation()), 6);
    assert_eq!(count_words(&conversation()), 2 + 5 + 1 + 1 + 1);
}
