//! What a question says about the form of its answer: "in 3 sentences", "as a list", "a haiku".

/// The form that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing was said.
    Plain,
    Sentences(usize),
    Words(usize),
    List(Option<usize>),
    Table,
    Detail,
    Haiku,
}

#[rustfmt::skip]
const NUMBERS: &[(&str, usize)] = &[
    ("a", 1), ("an", 1), ("one", 1), ("single", 1), ("two", 2), ("couple", 2), ("three", 3), ("few", 3), ("four", 4),
    ("five", 5), ("six", 6), ("seven", 7), ("eight", 8), ("nine", 9), ("ten", 10), ("twelve", 12), ("twenty", 20),
    ("fifty", 50), ("hundred", 100),
];

/// How many words may stand between a number and what it counts: `3 short, simple sentences`.
const BETWEEN: usize = 2;

/// Reads the form off the words of a question, and gives back the other words: those about the topic.
pub(crate) fn read(words: &[String]) -> (Form, Vec<String>) {
    let mut form = Form::Plain;
    let mut topic: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        let number = number_before(&topic);
        let count = number.map(|(_, count)| count);
        let (found, is_counted) = match word.as_str() {
            "sentence" => (Form::Sentences(count.unwrap_or(1)), true),
            "sentences" => (Form::Sentences(count.unwrap_or(3)), true),
            "word" | "words" if count.is_some_and(|count| count > 1) => (Form::Words(count.unwrap_or(1)), true),
            "bullet" | "bullets" | "points" => (Form::List(counted(form, count)), true),
            "list" => (Form::List(counted(form, None)), false),
            "table" => (Form::Table, false),
            "haiku" | "haikus" | "poem" | "verse" => (Form::Haiku, false),
            "brief" | "briefly" | "short" | "shortly" | "nutshell" | "summary" | "summarise" | "summarize" | "tldr" => {
                (Form::Sentences(2), false)
            }
            "detail" | "details" | "detailed" | "depth" | "thorough" | "thoroughly" => (Form::Detail, false),
            _ => {
                topic.push(word.clone());
                continue;
            }
        };
        if is_counted && let Some((position, _)) = number {
            topic.truncate(position);
            // `a single sentence`, `a few words`
            topic.pop_if(|word| word == "a");
        }
        // An exact wish stands above a vague one: `briefly, in 3 sentences`, and `a short haiku`.
        if form == Form::Plain || !matches!(found, Form::Sentences(2)) || is_counted {
            form = found;
        }
    }
    (form, topic)
}

/// `3 bullet points` counts once, and `a list of 3 points` counts too.
fn counted(form: Form, count: Option<usize>) -> Option<usize> {
    let before = match form {
        Form::List(count) => count,
        _ => None,
    };
    before.or(count.filter(|count| *count > 1))
}

/// The number near the end of what was read, with its place.
fn number_before(words: &[String]) -> Option<(usize, usize)> {
    let end = words.len();
    let start = end.saturating_sub(1 + BETWEEN);
    (start..end).rev().find_map(|position| Some((position, number(&words[position])?)))
}

pub(crate) fn number(word: &str) -> Option<usize> {
    let named = NUMBERS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number);
    named.or_else(|| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::terms::words;
    use super::*;

    fn wish(question: &str) -> (Form, String) {
        let (form, topic) = read(&words(question));
        (form, topic.join(" "))
    }

    #[test]
    fn the_form_is_read_and_the_topic_is_left() {
        for (question, form, topic) in [
            ("Explain LangGraph in 3 sentences.", Form::Sentences(3), "explain langgraph in"),
            ("Explain LangGraph in three short sentences.", Form::Sentences(3), "explain langgraph in"),
            ("Explain RAG in one sentence", Form::Sentences(1), "explain rag in"),
            ("Give me a single sentence about SSE", Form::Sentences(1), "give me about sse"),
            ("A few sentences on agents, please", Form::Sentences(3), "on agents please"),
            ("Explain RAG in 50 words", Form::Words(50), "explain rag in"),
            ("What is RAG, in a word?", Form::Plain, "what is rag in a word"),
            ("Name 3 bullet points about SSE", Form::List(Some(3)), "name about sse"),
            ("List the stream modes", Form::List(None), "the stream modes"),
            ("The stream modes as a table", Form::Table, "the stream modes as a"),
            ("Briefly: what is RAG?", Form::Sentences(2), "what is rag"),
            ("Briefly, in 4 sentences: what is RAG?", Form::Sentences(4), "in what is rag"),
            ("Explain RAG in detail", Form::Detail, "explain rag in"),
            ("Write a short haiku about LangGraph.", Form::Haiku, "write a about langgraph"),
            ("What is time to first token?", Form::Plain, "what is time to first token"),
            (
                "Explain SSE in 99999999999999999999999 sentences",
                Form::Sentences(3),
                "explain sse in 99999999999999999999999",
            ),
        ] {
            assert_eq!(wish(question), (form, topic.to_owned()), "{question}");
        }
    }
}
