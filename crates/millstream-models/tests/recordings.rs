//! Every recorded stream gives what stands beside it; cut anywhere it gives a prefix and says so; split anywhere it gives the same.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::LazyLock;

use bytes::Bytes;
use common::{Outcome, replay, shown};
use millstream_core::{ErrorKind, Part};
use millstream_models::ProviderDetail;
use proptest::prelude::*;
use serde_json::{Value, json};

struct Recording {
    name: String,
    body: Bytes,
    expected: Value,
}

static RECORDINGS: LazyLock<Vec<Recording>> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire/openai");
    let mut recordings: Vec<Recording> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sse"))
        .map(|path| Recording {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            body: std::fs::read(&path).unwrap().into(),
            expected: serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap(),
        })
        .collect();
    recordings.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(recordings.len() > 40, "the recordings are there");
    recordings
});

fn whole(recording: &Recording) -> Outcome {
    replay([Ok(recording.body.clone())])
}

/// The outcome in the form of the expectation.
fn outcome_json(outcome: &Outcome) -> Value {
    let mut json = json!({"content": shown(&outcome.partial())});
    match &outcome.end {
        Ok(message) => {
            json["finish"] = json!(message.finish);
            if let Some(usage) = &message.usage {
                json["usage"] = serde_json::to_value(usage).unwrap();
                json["usage"].as_object_mut().unwrap().remove("source");
            }
        }
        Err(error) => json["error"] = json!(error.code()),
    }
    json
}

#[test]
fn each_gives_what_is_expected() {
    for recording in RECORDINGS.iter() {
        let outcome = whole(recording);
        assert_eq!(outcome_json(&outcome), recording.expected, "{}: {:?}", recording.name, outcome.end);
        let ids: Vec<_> = outcome.partial().tool_calls().map(|call| call.id.clone()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{}: ids repeat", recording.name);
        assert!(ids.iter().all(|id| !id.is_empty()));
    }
}

#[test]
fn a_cut_anywhere_is_truncated_or_the_whole_answer() {
    for recording in RECORDINGS.iter() {
        let full = whole(recording);
        let mut settled = false;
        for cut in 0..=recording.body.len() {
            let body = recording.body.slice(..cut);
            let reset = io::Error::from(io::ErrorKind::ConnectionReset);
            for outcome in [replay([Ok(body.clone())]), replay([Ok(body.clone()), Err(reset)])] {
                check_cut(recording, &full, cut, &outcome, &mut settled);
            }
        }
        assert_eq!(settled, recording.expected["error"] != "truncated" || full.end.is_ok(), "{}", recording.name);
    }
}

fn check_cut(recording: &Recording, full: &Outcome, cut: usize, outcome: &Outcome, settled: &mut bool) {
    let place = format!("{} cut at {cut}", recording.name);
    let content = |outcome: &Outcome| -> Vec<Part> {
        let inside = outcome.parts.iter().filter(|part| !matches!(part, Part::BlockEnd { .. } | Part::End { .. }));
        inside.cloned().collect()
    };
    let (came, all) = (content(outcome), content(full));
    assert!(came.len() <= all.len(), "{place}");
    for (a, b) in came.iter().zip(&all) {
        // Ids are made up anew in each run.
        let same = match (a, b) {
            (Part::Start { role: a, .. }, Part::Start { role: b, .. }) => a == b,
            (Part::BlockStart { index: a, .. }, Part::BlockStart { index: b, .. }) => a == b,
            (a, b) => a == b,
        };
        assert!(same, "{place}: {a:?} is not {b:?}");
    }
    match &outcome.end {
        Err(error) if error.kind() == ErrorKind::Truncated && full.code() != "truncated" => {
            assert!(!*settled, "{place}: truncated after it was settled");
        }
        Err(error) => {
            assert_eq!(error.code(), full.code(), "{place}");
            *settled = full.code() != "truncated";
        }
        Ok(message) => {
            *settled = true;
            assert!(full.end.is_ok(), "{place}: complete, but the whole is {:?}", full.end);
            assert!(has_evidence(&recording.body[..cut]), "{place}: complete without evidence");
            assert_eq!(message.finish, full.message().finish, "{place}");
            let talks_on = recording.name.ends_with("talks-on");
            assert!(talks_on || shown(message) == shown(full.message()), "{place}");
        }
    }
}

/// Looks for the evidence in the plainest way there is.
fn has_evidence(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let reason = text.split("\"finish_reason\":\"").skip(1).any(|rest| !rest.starts_with('"'));
    reason || text.contains("[DONE]")
}

#[test]
fn a_split_anywhere_changes_nothing() {
    for recording in RECORDINGS.iter() {
        let full = whole(recording);
        for at in 0..=recording.body.len() {
            let split = replay([Ok(recording.body.slice(..at)), Ok(recording.body.slice(at..))]);
            assert_eq!(outcome_json(&split), outcome_json(&full), "{} split at {at}", recording.name);
        }
        let drops = (0..recording.body.len()).map(|at| Ok(recording.body.slice(at..=at)));
        assert_eq!(outcome_json(&replay(drops)), outcome_json(&full), "{} byte by byte", recording.name);
    }
}

#[test]
fn what_a_provider_says_of_its_errors_stays_out_of_ours() {
    let mut kept = 0;
    for recording in RECORDINGS.iter() {
        let Err(error) = &whole(recording).end else { continue };
        let mut texts = vec![error.to_string(), format!("{error:?}"), format!("{error:#?}"), error.public().message];
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            texts.extend([error.to_string(), format!("{error:?}")]);
            cause = error.source();
        }
        assert!(texts.iter().all(|text| !text.contains("SENTINEL")), "{}: {texts:?}", recording.name);
        if let Some(detail) = ProviderDetail::of(error) {
            assert!(detail.body().contains("SENTINEL"), "{}", recording.name);
            kept += 1;
        }
    }
    assert!(kept >= 6, "the words are kept where they are asked for");
}

fn pieces() -> impl Strategy<Value = (usize, Vec<prop::sample::Index>, Option<prop::sample::Index>)> {
    let splits = prop::collection::vec(any::<prop::sample::Index>(), 0..20);
    (0..1_000usize, splits, prop::option::of(any::<prop::sample::Index>()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_splits_with_any_cut_give_what_the_cut_alone_gives((which, splits, cut) in pieces()) {
        let recording = &RECORDINGS[which % RECORDINGS.len()];
        let length = cut.map_or(recording.body.len(), |cut| cut.index(recording.body.len() + 1));
        let body = recording.body.slice(..length);
        let mut borders: Vec<usize> = splits.iter().map(|split| split.index(length + 1)).collect();
        borders.extend([0, length]);
        borders.sort_unstable();
        let pieces = borders.windows(2).map(|pair| Ok(body.slice(pair[0]..pair[1])));
        prop_assert_eq!(outcome_json(&replay(pieces)), outcome_json(&replay([Ok(body.clone())])), "{}", recording.name);
    }

    #[test]
    fn no_bytes_make_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), text in ".{0,200}") {
        let outcome = replay([Ok(bytes.clone().into())]);
        prop_assert!(outcome.end.is_err());
        let event = format!("data: {text}\n\ndata: {{\"choices\":[{text}]}}\n\n");
        replay([Ok(event.into())]);
    }
}
