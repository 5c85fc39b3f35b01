//! The words of a text, as the index keeps them and as questions name them.

/// What English puts behind an apostrophe and nobody asks for: `What's` is `What`.
const BEHIND_APOSTROPHES: &[&str] = &["d", "ll", "m", "re", "s", "t", "ve"];

/// Something in a text that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// Letters and digits.
    Plain {
        /// They.
        word: &'a str,
        /// What stands behind them and belongs to the name: `C`, `++`.
        sign: &'a str,
        /// Whether nothing but a mark is between this and the word before, as in `last-event-id` and `on_chain_start`.
        goes_on: bool,
    },
    /// Characters of a script that has no spaces between words.
    Unspaced(&'a str),
    /// A picture.
    Emoji(&'a str),
}

/// The words of a text, in its order.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let begin = rest.find(|c| Script::of(c) != Script::Nothing)?;
            let (behind_apostrophe, goes_on) = match &rest[..begin] {
                "'" | "’" => (true, false),
                "-" | "_" | "." | "/" | ":" | "::" => (false, rest.len() < text.len()),
                _ => (false, false),
            };
            let script = Script::of(rest[begin..].chars().next()?);
            rest = &rest[begin..];
            let end = match script {
                Script::Emoji => rest.chars().next().map_or(0, char::len_utf8),
                _ => rest.find(|c| Script::of(c) != script && !is_mark(c)).unwrap_or(rest.len()),
            };
            let (word, after) = rest.split_at(end);
            rest = after;
            match script {
                Script::Emoji => return Some(Word::Emoji(word)),
                Script::Unspaced => return Some(Word::Unspaced(word)),
                _ if behind_apostrophe && is_behind_apostrophes(word) => {}
                _ => {
                    let (sign, after) = after.split_at(sign(after));
                    rest = after;
                    return Some(Word::Plain { word, sign, goes_on });
                }
            }
        }
    })
}

/// The words of a document, as the index is given them: with spaces between them.
pub(super) fn indexed(text: &str) -> String {
    let mut indexed = String::with_capacity(text.len());
    let mut say = |word: &str, sign: &str| indexed.extend([word, sign, " "]);
    for word in words(text) {
        match word {
            Word::Plain { word, sign, .. } => {
                say(word, "");
                if !sign.is_empty() {
                    say(word, sign);
                }
            }
            // Pairs, for questions of several characters, and each alone, for questions of one.
            Word::Unspaced(run) => {
                pairs(run).for_each(|pair| say(pair, ""));
                run.split("").filter(|character| !character.is_empty()).for_each(|character| say(character, ""));
            }
            Word::Emoji(emoji) => say(emoji, ""),
        }
    }
    indexed
}

/// Each two neighbours in a run of characters.
pub(super) fn pairs(run: &str) -> impl Iterator<Item = &str> {
    let ends = run.char_indices().skip(1).map(|(at, character)| at + character.len_utf8());
    run.char_indices().zip(ends).map(|((begin, _), end)| &run[begin..end])
}

/// How many bytes at the begin of `after` are a sign that belongs to the word before: `C++`, `F#`.
fn sign(after: &str) -> usize {
    let is_word = |text: &str| text.chars().next().is_some_and(char::is_alphanumeric);
    match after {
        _ if after.starts_with("++") => 2,
        _ if after.strip_prefix('#').is_some_and(|after| !is_word(after)) => 1,
        _ => 0,
    }
}

fn is_behind_apostrophes(word: &str) -> bool {
    BEHIND_APOSTROPHES.iter().any(|end| word.eq_ignore_ascii_case(end))
}

/// A combining accent, or a mark between two consonants of an Indian script: it belongs to the letter before it.
fn is_mark(c: char) -> bool {
    let is_indian = matches!(c, '\u{900}'..='\u{dff}') && matches!(u32::from(c) % 0x80, 0x3c | 0x4d);
    is_indian || matches!(c, '\u{300}'..='\u{36f}')
}

/// What a character is for words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Plain,
    Unspaced,
    Emoji,
    Nothing,
}

impl Script {
    fn of(c: char) -> Self {
        match c {
            // Thai to Khmer; kana and ideographs; Hangul, whose words have endings; ideographs and half-width kana.
            '\u{e01}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17d3}' => Self::Unspaced,
            '\u{3005}' | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' => Self::Unspaced,
            '\u{30fc}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' => Self::Unspaced,
            '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' => Self::Unspaced,
            '\u{20000}'..='\u{323af}' => Self::Unspaced,
            '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}' => Self::Emoji,
            c if c.is_alphanumeric() => Self::Plain,
            _ => Self::Nothing,
        }
    }
}
