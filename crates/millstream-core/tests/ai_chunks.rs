//! LangChain's chunks: streamed as parts they show what they were, and the fold is their sum.

use millstream_core::{AiMessageChunk, ChunkDecoder, ChunkEncoder, Message, MessageFold, PartWriter};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(given: &Value) -> AiMessageChunk {
    serde_json::from_value(given.clone()).expect("a chunk")
}

/// Streams the chunks. Gives what a reader is shown, and the fold.
fn stream(chunks: &[AiMessageChunk]) -> millstream_core::Result<(Vec<AiMessageChunk>, Message)> {
    let (mut decoder, mut writer) = (ChunkDecoder::default(), PartWriter::new("lc_run--1"));
    let (mut encoder, mut fold, mut shown) = (ChunkEncoder::default(), MessageFold::default(), Vec::new());
    for chunk in chunks {
        decoder.decode(chunk, &mut writer)?;
        let parts = writer.take().expect("each chunk is a piece of the stream");
        shown.push(encoder.encode(&parts));
        fold.push(&parts)?;
    }
    decoder.end(&mut writer);
    fold.push(writer.take().iter().flatten())?;
    Ok((shown, fold.finish()?))
}

/// What may be compared: the fold says why the message ended, and does not know between which texts a tool was called.
fn told(message: Message) -> Value {
    let mut message = message;
    message.finish = None;
    message.content.sort_by_key(|block| {
        matches!(block, millstream_core::Block::ToolCall(_) | millstream_core::Block::InvalidToolCall { .. })
    });
    let mut told = json!(message);
    // Two texts with a call between them are one text for LangChain.
    if let Some(items) = told["content"].as_array_mut() {
        items.dedup_by(|second, first| match (second, first) {
            (Value::String(second), Value::String(first)) => {
                first.push_str(second);
                true
            }
            _ => false,
        });
    }
    told
}

/// An item of a list that may come more than once: what goes on says the same type under an index.
fn item() -> impl Strategy<Value = Value> {
    prop_oneof![
        ("[a-z ]{0,3}").prop_map(|text| json!({"type": "text", "text": text, "index": 0})),
        ("[a-z ]{1,3}").prop_map(|text| json!({"type": "reasoning", "reasoning": text, "index": 1})),
        ("[a-z ]{0,3}").prop_map(|text| json!({"type": "thinking", "thinking": text, "index": 2})),
        (0..3u8).prop_map(|n| json!({"type": "text", "text": "t", "index": "lc_txt_0", "annotations": [{"n": n}]})),
        ("[a-z ]{0,3}").prop_map(|text| json!({"type": "text", "text": text})),
        ("[a-z]{1,3}").prop_map(|url| json!({"type": "image", "url": url, "index": 3})),
        ("[a-z]{1,3}").prop_map(|url| json!({"type": "image_url", "image_url": {"url": url}})),
        (0..3u8).prop_map(|n| json!({"type": "non_standard", "value": {"n": [n]}, "index": 4})),
        (0..3u8).prop_map(|n| json!({"type": "non_standard", "value": {"m": [n]}, "index": 0})),
    ]
}

/// A chunk with distinct indexes in its list: LangChain merges equal ones in all lists but the first.
fn chunk() -> impl Strategy<Value = Value> {
    let list = prop::collection::vec(item(), 0..3).prop_map(|mut items: Vec<Value>| {
        let mut seen = Vec::new();
        items.retain(|item| {
            item["index"].is_null()
                || !seen.contains(&item["index"]) && {
                    seen.push(item["index"].clone());
                    true
                }
        });
        Value::from(items)
    });
    let content = prop_oneof![3 => "[a-z ]{0,3}".prop_map(Value::from), 2 => list];
    let id = prop::option::of(prop_oneof![Just("lc_run--1"), Just("msg_1"), Just("msg_2"), Just("lc_2")]);
    let usage = prop::option::of((0..5u64, prop::option::of(1..5u64)));
    let metadata = prop::option::of(0..3u8);
    (content, id, usage, metadata).prop_map(|(content, id, usage, metadata)| {
        let usage = usage.map(|(count, audio)| {
            let details = audio.map(|audio| json!({ "audio": audio }));
            json!({"input_tokens": count, "output_tokens": 1, "total_tokens": count + 1, "input_token_details": details})
        });
        let metadata = metadata.map(|n| json!({"finish_reason": "x", "n": n, "model_provider": "p", "l": [n]}));
        json!({"content": content, "id": id, "usage_metadata": usage, "response_metadata": metadata, "additional_kwargs": metadata})
    })
}

/// Pieces of two calls, between other chunks.
fn with_calls(mut chunks: Vec<Value>, calls: &[(u8, String)]) -> Vec<Value> {
    let mut begun = [false; 2];
    for (at, (call, text)) in calls.iter().enumerate() {
        let (name, id) = (format!("f{call}"), format!("c{call}"));
        let first = !std::mem::replace(&mut begun[usize::from(*call)], true);
        let args = if first { "{\"a\": \"".to_owned() } else { text.clone() };
        let piece = json!({
            "name": first.then_some(name), "id": first.then_some(id), "args": args, "index": call + 1,
        });
        let place = at % (chunks.len() + 1);
        chunks.insert(place, json!({"content": "", "tool_call_chunks": [piece]}));
    }
    // The pieces of a call keep their order, wherever they stand; the first begins it.
    let mut pieces: Vec<Value> = Vec::new();
    for chunk in &chunks {
        pieces.extend(chunk["tool_call_chunks"].as_array().into_iter().flatten().cloned());
    }
    pieces.sort_by_key(|piece| piece["name"].is_null());
    let mut pieces = pieces.into_iter();
    for chunk in &mut chunks {
        if chunk["tool_call_chunks"].is_array() {
            chunk["tool_call_chunks"] = pieces.next().into_iter().collect();
        }
    }
    let ends: Vec<Value> = (0..2u8)
        .filter(|call| begun[usize::from(*call)])
        .map(|call| json!({"args": "\"}", "index": call + 1}))
        .collect();
    chunks.push(json!({"content": "", "tool_call_chunks": ends}));
    chunks
}

proptest! {
    #[test]
    fn the_fold_of_a_stream_is_the_sum_of_its_chunks(
        chunks in prop::collection::vec(chunk(), 1..8),
        calls in prop::collection::vec((0..2u8, "[a-z ]{0,3}".prop_map(String::from)), 0..6),
    ) {
        let mut chunks: Vec<AiMessageChunk> = with_calls(chunks, &calls).iter().map(read).collect();
        chunks[0].id.get_or_insert_with(|| "lc_run--1".to_owned());
        let mut sum = chunks[0].clone();
        chunks[1..].iter().try_for_each(|chunk| sum.add(chunk)).unwrap();
        let (_, message) = stream(&chunks).unwrap();
        prop_assert_eq!(told(message), told(sum.into_message()));
    }

    #[test]
    fn a_stream_shows_the_chunks_that_it_is_made_of(
        chunks in prop::collection::vec(chunk(), 1..8),
        calls in prop::collection::vec((0..2u8, "[a-z ]{0,3}".prop_map(String::from)), 0..6),
    ) {
        let mut chunks: Vec<AiMessageChunk> = with_calls(chunks, &calls).iter().map(read).collect();
        for chunk in &mut chunks {
            chunk.id.get_or_insert_with(|| "lc_run--1".to_owned());
        }
        let (shown, _) = stream(&chunks).unwrap();
        for (shown, chunk) in shown.iter().zip(&chunks) {
            prop_assert_eq!(json!(shown), json!(chunk));
        }
    }
}

fn call(name: Option<&str>, id: Option<&str>, args: &str, index: impl Into<Value>) -> Value {
    json!({"content": "", "tool_call_chunks": [{"name": name, "args": args, "id": id, "index": index.into()}]})
}

#[test]
fn pieces_of_calls_go_to_the_call_that_they_name_or_fail() {
    let calls = |chunks: &[Value]| -> Result<Vec<String>, String> {
        let chunks: Vec<AiMessageChunk> = chunks.iter().map(read).collect();
        let (_, message) = stream(&chunks).map_err(|error| error.code().to_owned())?;
        Ok(message.tool_calls().map(|call| format!("{} {}{}", call.id, call.name, call.args)).collect())
    };
    let ok = |texts: &[&str]| Ok(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    let unclear = || Err("provider_protocol".to_owned());
    let none = Value::Null;

    // By index, by id, by both; name and id may come late.
    let by_index = [
        call(Some("f"), Some("1"), "{", 0),
        call(Some("g"), Some("2"), "{", 1),
        call(None, None, "}", 0),
        call(None, None, "}", 1),
    ];
    assert_eq!(calls(&by_index), ok(&["1 f{}", "2 g{}"]));
    let by_id = [
        call(Some("f"), Some("1"), "{", none.clone()),
        call(Some("g"), Some("2"), "{}", none.clone()),
        call(None, Some("1"), "}", none.clone()),
    ];
    assert_eq!(calls(&by_id), ok(&["1 f{}", "2 g{}"]));
    let late = [call(None, Some("1"), "", 0), call(Some("f"), None, "{}", 0)];
    assert_eq!(calls(&late), ok(&["1 f{}"]));
    let late = [call(Some("f"), None, "{", 0), call(None, Some("1"), "}", 0)];
    assert_eq!(calls(&late), ok(&["1 f{}"]));

    // Another id under an index in use is another call; what follows under that index could be either's.
    let reused = [call(Some("f"), Some("1"), "{}", 0), call(Some("g"), Some("2"), "{}", 0)];
    assert_eq!(calls(&reused), ok(&["1 f{}", "2 g{}"]));
    let reused = [call(Some("f"), Some("1"), "{", 0), call(Some("g"), Some("2"), "{", 0), call(None, None, "}", 0)];
    assert_eq!(calls(&reused), unclear());
    let renamed = [call(Some("f"), None, "{}", 0), call(Some("g"), None, "{}", 0)];
    assert_eq!(calls(&renamed), unclear());

    // Without an index: whole calls stand alone, and a piece that says nothing goes on with the only call.
    let whole = [call(Some("f"), Some("1"), "{}", none.clone()), call(Some("f"), Some("2"), "{}", none.clone())];
    assert_eq!(calls(&whole), ok(&["1 f{}", "2 f{}"]));
    let nameless = [call(Some("f"), None, "{", none.clone()), call(None, None, "}", none.clone())];
    assert_eq!(calls(&nameless), ok(&[" f{}"]));
    let nameless = [
        call(Some("f"), None, "{", none.clone()),
        call(Some("g"), None, "{}", none.clone()),
        call(None, None, "}", none.clone()),
    ];
    assert_eq!(calls(&nameless), unclear());
    assert_eq!(calls(&[call(None, None, "}", none)]), unclear());
}

#[test]
fn a_call_goes_on_behind_text_that_came_between() {
    let chunks = [call(Some("f"), Some("1"), "{\"a\":", 0), json!({"content": "so"}), call(None, None, "1}", 0)];
    let chunks: Vec<AiMessageChunk> = chunks.iter().map(read).collect();
    let (_, message) = stream(&chunks).unwrap();
    assert_eq!(message.text(), "so");
    assert_eq!(message.tool_calls().next().unwrap().args, json!({"a": 1}));
}

#[test]
fn fields_that_cannot_be_added_up_fail_the_answer() {
    let chunks = [
        json!({"content": "", "response_metadata": {"n": 1}}),
        json!({"content": "", "response_metadata": {"n": "x"}}),
    ];
    let chunks: Vec<AiMessageChunk> = chunks.iter().map(read).collect();
    assert_eq!(stream(&chunks).unwrap_err().code(), "provider_protocol");
    assert_eq!(chunks[0].clone().add(&chunks[1]).unwrap_err().code(), "provider_protocol");
}
