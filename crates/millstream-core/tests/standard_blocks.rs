//! What a message says in blocks that every program knows, whole and in pieces.

#![allow(clippy::unwrap_used, reason = "tests")]

use millstream_core::{AiMessageChunk, Message};
use serde_json::{Value, json};

fn blocks(message: Value) -> Vec<Value> {
    serde_json::from_value::<Message>(message).unwrap().content_blocks()
}

fn piece_blocks(chunk: Value) -> Vec<Value> {
    serde_json::from_value::<AiMessageChunk>(chunk).unwrap().content_blocks()
}

#[test]
fn what_is_not_in_the_content_is_among_the_blocks() {
    let call = json!({"type": "tool_call", "id": "c1", "name": "f", "args": {}});
    let nameless = json!({"type": "tool_call", "id": null, "name": "f", "args": {}});
    let message = json!({
        "type": "ai", "content": "a", "tool_calls": [call, nameless], "additional_kwargs": {"reasoning_content": "hm"},
    });
    let wanted = [json!({"type": "reasoning", "reasoning": "hm"}), json!({"type": "text", "text": "a"}), call];
    assert_eq!(blocks(message), wanted);
}

#[test]
fn a_block_that_nobody_knows_is_kept_in_one_that_is_not_standard() {
    let odd = json!({"type": "odd", "x": 1});
    let kept = json!({"type": "non_standard", "value": odd});
    for given in [&odd, &kept] {
        assert_eq!(blocks(json!({"type": "human", "content": [given]})), std::slice::from_ref(&kept));
    }
}

#[test]
fn an_answer_is_read_in_the_form_of_its_provider() {
    let of = |provider: &str| {
        json!({
            "type": "ai", "content": [{"type": "thinking", "thinking": "hm", "signature": "s", "index": 0}],
            "response_metadata": {"model_provider": provider},
        })
    };
    let thought = json!({"type": "reasoning", "reasoning": "hm", "index": 0, "extras": {"signature": "s"}});
    assert_eq!(blocks(of("anthropic")), [thought]);
    assert_eq!(blocks(of("somebody"))[0]["type"], "non_standard");
}

#[test]
fn a_piece_has_pieces_of_calls_until_it_is_the_last() {
    let chunk = |last: bool| {
        let piece = json!({"name": "f", "args": "{}", "id": "c1", "index": 0});
        json!({"content": "", "tool_call_chunks": [piece], "chunk_position": last.then_some("last")})
    };
    let piece = json!({"type": "tool_call_chunk", "name": "f", "args": "{}", "id": "c1", "index": 0});
    assert_eq!(piece_blocks(chunk(false)), [piece]);
    assert_eq!(piece_blocks(chunk(true)), [json!({"type": "tool_call", "name": "f", "args": {}, "id": "c1"})]);

    let without_id = json!({"content": "a", "tool_call_chunks": [{"name": "f", "args": "{}", "id": "", "index": 0}]});
    assert_eq!(piece_blocks(without_id), [json!({"type": "text", "text": "a"})]);
}
