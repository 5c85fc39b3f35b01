//! From what a person asks to what SQLite searches for.

use super::words::{Word, pairs, words};

/// Words of English that questions have whatever they are about. What is rare in the documents weighs more in any language; these keep
/// a question that the documents know nothing about from finding something.
#[rustfmt::skip]
const SAY_NOTHING: &[&str] = &[
    "a", "about", "am", "an", "and", "any", "are", "aren", "as", "at", "be", "but", "by", "can", "could", "did", "didn", "do",
    "does", "doesn", "don", "explain", "for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "isn", "it",
    "its", "let", "me", "my", "no", "not", "of", "on", "or", "our", "please", "shall", "should", "so", "tell", "than", "that",
    "the", "their", "them", "then", "there", "these", "they", "this", "those", "to", "was", "we", "were", "what", "when",
    "where", "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
];

/// Who asks with more words than this has pasted a text; its first ones say what it is about.
const WORDS: usize = 64;

/// The expression of SQLite's full-text search for a question: any of its words. None if it has none.
pub(super) fn expression(question: &str) -> Option<String> {
    let mut asked = Asked::default();
    for word in words(question) {
        match word {
            Word::Plain { word, sign, goes_on } => asked.word(format!("{}{sign}", word.to_lowercase()), goes_on),
            Word::Unspaced(run) if run.chars().nth(1).is_some() => pairs(run).for_each(|pair| asked.alone(pair)),
            Word::Unspaced(sign) | Word::Emoji(sign) => asked.alone(sign),
        }
        if asked.telling.len() > WORDS {
            break;
        }
    }
    asked.expression()
}

/// What a question has.
#[derive(Default)]
struct Asked {
    /// What says what it is about.
    telling: Vec<String>,
    /// Words that say nothing.
    others: Vec<String>,
    /// The words of which the last one is a part: `last-event-id`.
    compound: Vec<String>,
}

impl Asked {
    fn word(&mut self, word: String, goes_on: bool) {
        if !goes_on || self.compound.len() == WORDS {
            self.end_compound();
        }
        self.compound.push(word.clone());
        let words = if SAY_NOTHING.contains(&word.as_str()) { &mut self.others } else { &mut self.telling };
        words.push(word);
    }

    fn alone(&mut self, sign: &str) {
        self.end_compound();
        self.telling.push(sign.to_owned());
    }

    /// A document that has the words of a compound in their order fits better than one that has them somewhere.
    fn end_compound(&mut self) {
        if self.compound.len() > 1 {
            self.telling.push(self.compound.join(" "));
        }
        self.compound.clear();
    }

    fn expression(mut self) -> Option<String> {
        self.end_compound();
        let words = if self.telling.is_empty() { self.others } else { self.telling };
        let mut quoted: Vec<String> = Vec::new();
        for word in words.into_iter().take(WORDS) {
            // In quotes a word is a word, also `OR` and `NEAR`. No word has quotes in it.
            let word = format!("\"{word}\"");
            if !quoted.contains(&word) {
                quoted.push(word);
            }
        }
        (!quoted.is_empty()).then(|| quoted.join(" OR "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_question_is_its_words() {
        for (question, expected) in [
            ("What's C++?", "\"c++\""),
            ("C++11 or C#, a+b, issue#12", "\"c++\" OR \"11\" OR \"c#\" OR \"b\" OR \"issue\" OR \"12\""),
            ("Don't say \"hello\"", "\"say\" OR \"hello\""),
            (
                "bears AND (cats NOT dogs) NEAR/3 title:x*",
                "\"bears\" OR \"cats\" OR \"dogs\" OR \"near\" OR \"3\" OR \"near 3\" OR \"title\" OR \"x\" OR \"title x\"",
            ),
            ("bears bears", "\"bears\""),
            ("on_chain_start - last", "\"chain\" OR \"start\" OR \"on chain start\" OR \"last\""),
            ("Who is it?", "\"who\" OR \"is\" OR \"it\""),
            ("蜂蜜を 猫", "\"蜂蜜\" OR \"蜜を\" OR \"猫\""),
            ("🚀🚀 go", "\"🚀\" OR \"go\""),
            ("bear 熊-den", "\"bear\" OR \"熊\" OR \"den\""),
        ] {
            assert_eq!(expression(question).as_deref(), Some(expected), "{question}");
        }
        assert_eq!(expression("?! \"\" ' ''"), None);
        let long = expression(&"a-".repeat(100_000));
        assert!(long.is_some_and(|expression| expression.len() < 10_000));
    }

    proptest! {
        /// Nothing but quoted words without quotes in them, and between them `OR`.
        #[test]
        fn no_question_has_syntax(question in "(\\PC|[\"'*:()^+#-]| OR | AND |\0){0,80}") {
            for word in expression(&question).iter().flat_map(|expression| expression.split(" OR ")) {
                let word = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
                let is_word = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "+# ".contains(c);
                prop_assert!(word.is_some_and(|word| !word.is_empty() && word.chars().all(is_word)));
            }
        }
    }
}
