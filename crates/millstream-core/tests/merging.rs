//! Whatever pieces a message came in, it is the same message: added up as LangChain's chunks, and folded as a stream.

#![allow(clippy::unwrap_used, reason = "tests")]

use millstream_core::{AiMessageChunk, ChunkContent, ChunkDecoder, Message, MessageFold, PartWriter};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

/// One thing that grows: a text, a block, a call, a number.
#[derive(Clone, Debug)]
struct Track {
    /// All of it, as one chunk.
    whole: Value,
    /// The same in pieces.
    pieces: Vec<Value>,
}

/// A text in pieces, each of which may be empty.
fn cut(text: &str, cuts: &[Index]) -> Vec<String> {
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| *cut.get(&places)).chain([text.len()]).collect();
    ends.sort_unstable();
    let begins = std::iter::once(0).chain(ends.clone());
    begins.zip(ends.clone()).map(|(begin, end)| text[begin..end].to_owned()).collect()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..5)
}

fn text() -> impl Strategy<Value = Track> {
    (".{1,9}", cuts()).prop_map(|(text, cuts)| Track {
        pieces: cut(&text, &cuts).into_iter().map(|piece| json!({ "content": piece })).collect(),
        whole: json!({ "content": text }),
    })
}

/// A block of a list, each piece under its index, with what only its first piece says.
fn block(index: usize) -> impl Strategy<Value = Track> {
    let kind = prop_oneof![Just("text"), Just("reasoning"), Just("thinking"), Just("server_tool_call_chunk")];
    (kind, ".{1,6}", cuts(), prop::option::of("[a-z]{1,3}"), any::<bool>()).prop_map(
        move |(kind, text, cuts, id, made)| {
            let name = if kind == "server_tool_call_chunk" { "args" } else { kind };
            let index = if made { json!(format!("lc_txt_{index}")) } else { json!(index) };
            let of = |text: &str, id: Option<&String>| {
                let mut block = json!({"type": kind, name: text, "index": index});
                id.into_iter().for_each(|id| block["id"] = json!(id));
                json!({ "content": [block] })
            };
            let pieces = cut(&text, &cuts);
            let pieces = pieces.iter().enumerate().map(|(at, piece)| of(piece, id.as_ref().filter(|_| at % 2 == 0)));
            Track { pieces: pieces.collect(), whole: of(&text, id.as_ref()) }
        },
    )
}

/// A call, whose id may be said again.
fn call(index: usize) -> impl Strategy<Value = Track> {
    let args = prop::collection::btree_map("[a-z]{1,3}", ".{0,6}", 0..3);
    (args, cuts(), any::<bool>()).prop_map(move |(args, cuts, says_again)| {
        let (args, id) = (json!(args).to_string(), format!("call_{index}"));
        let of = |name: Option<&str>, id: Option<&str>, args: &str| {
            json!({"content": "", "tool_call_chunks": [{"name": name, "id": id, "args": args, "index": index}]})
        };
        let pieces = cut(&args, &cuts).into_iter().enumerate().map(|(at, piece)| {
            of((at == 0).then_some("f"), (at == 0 || says_again).then_some(id.as_str()), &piece)
        });
        Track { pieces: pieces.collect(), whole: of(Some("f"), Some(&id), &args) }
    })
}

/// What an answer cost, told bit by bit.
fn usage() -> impl Strategy<Value = Track> {
    prop::collection::vec((0..9u64, 0..9u64, prop::option::of(0..9u64)), 1..4).prop_map(|counts| {
        let of = |input: u64, output: u64, audio: Option<u64>| {
            let details = audio.map(|audio| json!({"audio": audio, "cache_read": 1})).unwrap_or_else(|| json!({}));
            let usage = json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output,
                "input_token_details": details});
            json!({"content": "", "usage_metadata": usage})
        };
        let audio = counts.iter().filter_map(|count| count.2).reduce(|one, more| one + more);
        let told = counts.iter().filter(|count| count.2.is_some()).count();
        let (input, output) = (counts.iter().map(|count| count.0).sum(), counts.iter().map(|count| count.1).sum());
        let mut whole = of(input, output, audio);
        if told > 0 {
            whole["usage_metadata"]["input_token_details"]["cache_read"] = json!(told);
        }
        Track { pieces: counts.iter().map(|count| of(count.0, count.1, count.2)).collect(), whole }
    })
}

/// What the provider says beside the answer: a text, a list and an object that grow.
fn metadata() -> impl Strategy<Value = Track> {
    (".{1,6}", cuts(), prop::collection::vec(0..9u8, 0..4)).prop_map(|(text, cuts, list)| {
        let of = |text: &str, list: &[u8]| {
            let fields = json!({"model_provider": "p", "said": text, "list": list, "in": {"said": text}});
            json!({"content": "", "response_metadata": fields, "additional_kwargs": {"said": text}})
        };
        let texts = cut(&text, &cuts);
        let last = texts.len() - 1;
        let pieces = texts.iter().enumerate();
        let pieces = pieces.map(|(at, text)| of(text, if at == last { &list } else { &[] }));
        Track { pieces: pieces.collect(), whole: of(&text, &list) }
    })
}

fn tracks() -> impl Strategy<Value = Vec<Track>> {
    let content = prop_oneof![
        text().prop_map(|track| vec![track]),
        (0..4usize).prop_flat_map(|count| (0..count).map(block).collect::<Vec<_>>()),
    ];
    let calls = (0..3usize).prop_flat_map(|count| (0..count).map(call).collect::<Vec<_>>());
    let others = (prop::option::of(usage()), prop::option::of(metadata()));
    (content, calls, others).prop_map(|(content, calls, (usage, metadata))| {
        content.into_iter().chain(calls).chain(usage).chain(metadata).collect()
    })
}

/// The pieces of all tracks: each track begins in its turn, and its pieces keep their order among those of the others.
fn mixed(tracks: &[Track], choices: &[Index]) -> Vec<Value> {
    let mut begun = 0;
    let mut left: Vec<std::slice::Iter<'_, Value>> = tracks.iter().map(|track| track.pieces.iter()).collect();
    let mut chunks = Vec::new();
    let mut choices = choices.iter().cycle();
    loop {
        let open: Vec<usize> =
            (0..left.len().min(begun + 1)).filter(|track| !left[*track].as_slice().is_empty()).collect();
        let Some(choice) = choices.next().filter(|_| !open.is_empty()) else { return chunks };
        let track = *choice.get(&open);
        begun = begun.max(track + 1);
        chunks.extend(left[track].next().cloned());
    }
}

/// The chunks, with an id made for the run in the first and the provider's own in any.
fn with_ids(mut chunks: Vec<Value>, place: Option<Index>) -> Vec<AiMessageChunk> {
    chunks.insert(0, json!({"content": "", "id": "lc_run--1"}));
    let place = place.map_or(0, |place| place.index(chunks.len()));
    chunks[place]["id"] = json!("msg_1");
    chunks.push(json!({"content": "", "id": "msg_2", "chunk_position": "last"}));
    chunks.into_iter().map(|chunk| serde_json::from_value(chunk).unwrap()).collect()
}

fn sum(chunks: &[AiMessageChunk]) -> AiMessageChunk {
    let mut sum = chunks[0].clone();
    chunks[1..].iter().try_for_each(|chunk| sum.add(chunk)).unwrap();
    sum
}

fn folded(chunks: &[AiMessageChunk]) -> Message {
    let (mut decoder, mut writer) = (ChunkDecoder::default(), PartWriter::new("lc_run--1"));
    let mut fold = MessageFold::default();
    for chunk in chunks {
        decoder.decode(chunk, &mut writer).unwrap();
        fold.push(writer.take().iter().flatten()).unwrap();
    }
    decoder.end(&mut writer);
    fold.push(writer.take().iter().flatten()).unwrap();
    fold.finish().unwrap()
}

/// The fields that LangChain has.
fn told(message: impl serde::Serialize) -> Map<String, Value> {
    let mut told: Map<String, Value> = serde_json::from_value(json!(message)).unwrap();
    told.remove("finish");
    told
}

fn without_blanks(chunk: AiMessageChunk) -> Map<String, Value> {
    let mut told = told(chunk);
    if let Some(items) = told["content"].as_array_mut() {
        items.retain(|item| item != "");
    }
    told
}

proptest! {
    #[test]
    fn a_message_in_pieces_is_the_message(
        tracks in tracks(),
        choices in prop::collection::vec(any::<Index>(), 1..20),
        place in any::<Index>(),
    ) {
        let wholes = with_ids(tracks.iter().map(|track| track.whole.clone()).collect(), None);
        let pieces = with_ids(mixed(&tracks, &choices), Some(place));
        prop_assert_eq!(told(sum(&pieces)), told(sum(&wholes)));
        let message = sum(&pieces).into_message();
        prop_assert_eq!(message.id.as_deref(), Some("msg_1"));
        prop_assert_eq!(message.tool_calls().count(), tracks.iter().filter(|track| track.whole.get("tool_call_chunks").is_some()).count());
        prop_assert_eq!(told(message.clone()), told(sum(&wholes).into_message()));
    }

    /// Whatever is added first: `(a + b) + c` is `a + (b + c)`, but for the empty texts that LangChain keeps in lists.
    #[test]
    fn pieces_may_be_added_up_in_groups(
        tracks in tracks(),
        choices in prop::collection::vec(any::<Index>(), 1..20),
        cuts in cuts(),
    ) {
        let pieces = with_ids(mixed(&tracks, &choices), None);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(pieces.len())).chain([pieces.len()]).collect();
        ends.sort_unstable();
        ends.dedup();
        let begins = std::iter::once(0).chain(ends.clone());
        let groups: Vec<AiMessageChunk> =
            begins.zip(ends.clone()).filter(|(begin, end)| begin < end).map(|(begin, end)| sum(&pieces[begin..end])).collect();
        prop_assert_eq!(without_blanks(sum(&groups)), without_blanks(sum(&pieces)));
    }

    #[test]
    fn a_stream_of_pieces_folds_to_the_message(
        tracks in tracks(),
        choices in prop::collection::vec(any::<Index>(), 1..20),
        place in any::<Index>(),
    ) {
        let pieces = with_ids(mixed(&tracks, &choices), Some(place));
        let (message, wanted) = (folded(&pieces), sum(&pieces).into_message());
        prop_assert_eq!(message.text(), wanted.text());
        prop_assert_eq!(message.tool_calls().collect::<Vec<_>>(), wanted.tool_calls().collect::<Vec<_>>());
        prop_assert_eq!((message.id, message.usage), (wanted.id, wanted.usage));
        prop_assert_eq!(message.response_metadata, wanted.response_metadata);
    }
}

const MIB: usize = 1 << 20;

/// A call of one MiB of arguments, one byte a piece. Were each sum a copy of all that came before, half a tebibyte would be copied.
fn long_call() -> impl Iterator<Item = AiMessageChunk> {
    let args = format!("{{\"text\":\"{}\"}}", "x".repeat(MIB));
    let piece = |name: Option<&str>, args: &str| -> AiMessageChunk {
        let piece = json!({"name": name, "id": name.map(|_| "call_1"), "args": args, "index": 0});
        serde_json::from_value(json!({"content": "", "tool_call_chunks": [piece]})).unwrap()
    };
    let first = piece(Some("write"), "");
    let blank = piece(None, "");
    let pieces = args.into_bytes().into_iter().map(move |byte| {
        let mut chunk = blank.clone();
        chunk.tool_call_chunks[0].args = Some(char::from(byte).to_string());
        chunk
    });
    std::iter::once(first).chain(pieces)
}

/// How often a text was moved, at most: it grows in place, into twice the room whenever there is none left.
const MOVES: usize = 32;

#[test]
fn a_mebibyte_of_arguments_is_added_up_byte_by_byte() {
    let mut sum = AiMessageChunk::default();
    let (mut room, mut moves) = (0, 0);
    for piece in long_call() {
        sum.add(&piece).unwrap();
        let now = sum.tool_call_chunks[0].args.as_ref().map_or(0, String::capacity);
        moves += usize::from(now != room);
        room = now;
    }
    assert!(moves <= MOVES, "{moves}");
    let message = sum.into_message();
    assert_eq!(message.tool_calls().next().unwrap().args["text"].as_str().unwrap().len(), MIB);
}

#[test]
fn a_mebibyte_of_arguments_is_streamed_byte_by_byte() {
    let (mut decoder, mut writer) = (ChunkDecoder::default(), PartWriter::new("m1"));
    let mut fold = MessageFold::default();
    for piece in long_call() {
        decoder.decode(&piece, &mut writer).unwrap();
        fold.push(writer.take().iter().flatten()).unwrap();
    }
    decoder.end(&mut writer);
    fold.push(writer.take().iter().flatten()).unwrap();
    let message = fold.finish().unwrap();
    assert_eq!(message.tool_calls().next().unwrap().args["text"].as_str().unwrap().len(), MIB);
}

#[test]
fn a_block_grows_in_place_too() {
    let block = |text: &str| json!({"content": [{"type": "thinking", "thinking": text, "index": 0}]});
    let piece: AiMessageChunk = serde_json::from_value(block("x")).unwrap();
    let mut sum: AiMessageChunk = serde_json::from_value(block("")).unwrap();
    let (mut room, mut moves) = (0, 0);
    for _ in 0..1 << 16 {
        sum.add(&piece).unwrap();
        let ChunkContent::List(items) = &sum.content else { panic!("a list stays one") };
        let Value::String(text) = &items[0]["thinking"] else { panic!("a text stays one") };
        moves += usize::from(text.capacity() != room);
        room = text.capacity();
    }
    assert!(moves <= MOVES, "{moves}");
}
