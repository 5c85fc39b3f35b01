//! Words made comparable: lower case, without endings, without the words that every question has.

/// Words of questions and of English in general that say nothing about the topic.
const STOP: &[&str] = &[
    "a", "about", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "been", "being", "but", "by",
    "can", "could", "define", "describe", "did", "do", "does", "doing", "don", "each", "else", "every", "example",
    "explain", "for", "from", "get", "give", "go", "had", "happen", "happens", "has", "have", "he", "hello", "her",
    "here", "hey", "hi", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just", "know", "let",
    "like", "made", "make", "may", "me", "mean", "meaning", "means", "more", "most", "much", "must", "my", "need",
    "new", "no", "not", "of", "ok", "okay", "on", "one", "or", "other", "our", "out", "please", "really", "say", "see",
    "she", "should", "show", "so", "some", "such", "tell", "than", "that", "the", "their", "them", "then", "there",
    "these", "they", "thing", "this", "those", "to", "too", "up", "us", "use", "used", "using", "very", "want", "was",
    "way", "we", "were", "what", "when", "where", "whether", "which", "while", "who", "why", "will", "with", "work",
    "working", "works", "would", "write", "you", "your",
];

/// Names that people also write in two words.
const JOINED: &[(&str, &str)] =
    &[("lang", "chain"), ("lang", "graph"), ("web", "socket"), ("web", "sockets"), ("back", "pressure")];

/// The words of a text in lower case. Whatever is neither letter nor digit ends a word, and so does an apostrophe with
/// what follows it: `What's` is `what`.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in single_words(text) {
        match words.last_mut() {
            Some(before) if JOINED.contains(&(before.as_str(), word.as_str())) => before.push_str(&word),
            _ => words.push(word),
        }
    }
    words
}

fn single_words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .filter_map(|word| word.split(['\'', '’']).find(|part| !part.is_empty()))
        .map(str::to_lowercase)
}

/// What a question is about: its words without the stop words, stemmed.
pub(crate) fn content<'a>(words: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    words.into_iter().filter(|word| !is_stop(word)).map(|word| stem(word)).collect()
}

pub(crate) fn is_stop(word: &str) -> bool {
    STOP.binary_search(&word).is_ok()
}

/// One form for the forms of a word, so that `streams`, `streamed` and `streaming` are all `stream`. Crude on purpose:
/// it only has to do the same to a question and to the guide.
pub(crate) fn stem(word: &str) -> String {
    if !word.is_ascii() {
        return word.to_owned();
    }
    let mut stem = word;
    if stem.len() > 4 && stem.ends_with("ies") {
        return format!("{}y", &stem[..stem.len() - 3]);
    }
    if stem.len() > 3 && stem.ends_with('s') && !stem.ends_with("ss") && !stem.ends_with("us") {
        stem = &stem[..stem.len() - 1];
    }
    for ending in ["ing", "ed"] {
        if let Some(shorter) = stem.strip_suffix(ending)
            && shorter.len() >= 4
        {
            stem = without_double_end(shorter);
            break;
        }
    }
    if stem.len() > 4 {
        stem = stem.strip_suffix('e').unwrap_or(stem);
    }
    stem.to_owned()
}

/// `cancell` (of `cancelling`) is `cancel`; `pass` stays.
fn without_double_end(stem: &str) -> &str {
    let bytes = stem.as_bytes();
    match bytes {
        [.., before, last] if before == last && !b"aeiousz".contains(last) => &stem[..stem.len() - 1],
        _ => stem,
    }
}

/// Whether the words differ by one letter: one more, one less, another, or two that changed places.
pub(crate) fn one_slip_apart(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let prefix = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[prefix..], &other[prefix..]);
    match (one, other) {
        ([a, b, rest @ ..], [c, d, others @ ..]) if a == d && b == c && rest == others => true,
        ([_, rest @ ..], [_, others @ ..]) if rest == others => true,
        ([_, rest @ ..], _) if rest == other => true,
        (_, [_, others @ ..]) => one == others,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_stop_words_are_in_order_for_the_search() {
        assert!(STOP.is_sorted());
    }

    #[test]
    fn words_are_plain() {
        assert_eq!(words("What's the `Last-Event-ID`, Zoë’s?"), ["what", "the", "last", "event", "id", "zoë"]);
        assert_eq!(words("'quoted' — 25°C"), ["quoted", "25", "c"]);
        assert_eq!(words("Lang Graph over web sockets"), ["langgraph", "over", "websockets"]);
        assert_eq!(words(" \n?!"), [""; 0]);
    }

    #[test]
    fn forms_of_a_word_meet() {
        for family in [
            &["stream", "streams", "streaming", "streamed"][..],
            &["cancel", "cancels", "cancelling", "cancelled"],
            &["retry", "retries"],
            &["retrieve", "retrieving", "retrieved", "retrieves"],
            &["mode", "modes"],
            &["run", "runs"],
            &["process", "processed", "processing"],
        ] {
            let stems: Vec<_> = family.iter().map(|word| stem(word)).collect();
            assert!(stems.iter().all(|found| *found == stems[0]), "{family:?} became {stems:?}");
        }
        assert_eq!(stem("string"), "string");
        assert_eq!(stem("status"), "status");
    }

    #[test]
    fn a_slip_of_the_finger_is_seen() {
        assert!(one_slip_apart("langraph", "langgraph"));
        assert!(one_slip_apart("webscoket", "websocket"));
        assert!(one_slip_apart("websocked", "websocket"));
        assert!(one_slip_apart("checkpointt", "checkpoint"));
        assert!(!one_slip_apart("chain", "chair s"));
        assert!(!one_slip_apart("graph", "chain"));
    }

    proptest! {
        #[test]
        fn no_text_upsets_them(text in "\\PC*", other in "\\PC*") {
            for word in words(&text) {
                prop_assert!(!word.is_empty());
                stem(&word);
            }
            prop_assert_eq!(one_slip_apart(&text, &other), one_slip_apart(&other, &text));
        }
    }
}
