//! Cutting text into pieces of about the size in which a language model speaks.

/// A longer run of letters is cut: models speak rare words in pieces.
const LONGEST_WORD: usize = 8;
const PIECE_OF_LONG_WORD: usize = 5;
const DIGITS: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letters,
    Digits,
    /// Scripts that write no spaces between words: a character at a time.
    Ideograph,
    /// The same mark again, as in `**` or a code fence.
    Mark(char),
    /// Emoji and what joins them: never cut.
    Symbol,
}

/// The tokens of a text. Put together they are the text, byte for byte; white space belongs to the word behind it.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let token;
        (token, rest) = rest.split_at(first_token(rest));
        (!token.is_empty()).then_some(token)
    })
}

/// How many bytes the first token has; 0 only at the end.
fn first_token(text: &str) -> usize {
    let word = text.trim_start();
    let space = text.len() - word.len();
    let Some(first) = word.chars().next() else {
        return text.len();
    };
    let kind = kind(first);
    let run: usize = word.chars().take_while(|c| self::kind(*c) == kind).map(char::len_utf8).sum();
    let characters = || word[..run].chars().count();
    let taken = match kind {
        Kind::Letters if characters() > LONGEST_WORD => first_characters(word, PIECE_OF_LONG_WORD),
        Kind::Digits => run.min(first_characters(word, DIGITS)),
        Kind::Ideograph => first.len_utf8(),
        Kind::Letters | Kind::Mark(_) | Kind::Symbol => run,
    };
    space + taken
}

fn first_characters(text: &str, count: usize) -> usize {
    text.chars().take(count).map(char::len_utf8).sum()
}

fn kind(c: char) -> Kind {
    match c {
        // Japanese kana, Chinese characters and Korean syllables.
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' => Kind::Ideograph,
        c if c.is_numeric() => Kind::Digits,
        c if c.is_alphabetic() => Kind::Letters,
        // Never met at the start of a word: white space ends every run.
        c if c.is_ascii() || c.is_whitespace() => Kind::Mark(c),
        _ => Kind::Symbol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<&str> {
        tokens(text).collect()
    }

    #[test]
    fn white_space_belongs_to_the_word_behind_it() {
        assert_eq!(cut("Hello big world."), ["Hello", " big", " world", "."]);
        assert_eq!(cut("one\n\ntwo  three\n"), ["one", "\n\ntwo", "  three", "\n"]);
        assert_eq!(cut(""), [""; 0]);
        assert_eq!(cut(" "), [" "]);
    }

    #[test]
    fn long_words_numbers_and_marks_come_in_pieces() {
        assert_eq!(cut("checkpointer"), ["check", "pointer"]);
        assert_eq!(cut("1990000"), ["199", "000", "0"]);
        assert_eq!(cut("**bold** `x`"), ["**", "bold", "**", " `", "x", "`"]);
        assert_eq!(cut("日本 👩‍👩‍👧 ok"), ["日", "本", " 👩‍👩‍👧", " ok"]);
    }

    proptest! {
        #[test]
        fn together_they_are_the_text(text in any::<String>()) {
            prop_assert_eq!(tokens(&text).collect::<String>(), text);
        }

        #[test]
        fn none_is_empty_and_none_ends_in_white_space_but_the_last(text in "[a-z0-9 \n.*é👍-]{0,80}") {
            let pieces = cut(&text);
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
            let before_last = &pieces[..pieces.len().saturating_sub(1)];
            prop_assert!(before_last.iter().all(|piece| !piece.ends_with(char::is_whitespace)));
        }
    }
}
