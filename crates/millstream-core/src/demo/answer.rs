//! From a question to the demo model's answer: a pure function over the guide.

use super::guide::{Guide, Section};
use super::retrieve::{Hit, Index};
use super::terms::{content, words};
use super::weather::is_about_weather;
use super::wish::{self, Form};

/// How many sections may help to fill an answer.
const HITS: usize = 3;
/// Of a question that found nothing, this much is repeated.
const QUOTED: usize = 80;
const LONGEST_COUNT: usize = 1000;

const HAIKU_OF_LAST_RESORT: &str = "Why stream";
const ABOUT_ME: &str = "This demo model";

const GREETINGS: &[&str] =
    &["hello", "hi", "hey", "howdy", "greetings", "hallo", "hola", "salut", "bonjour", "moin", "servus", "ciao"];
#[rustfmt::skip]
const BESIDE_GREETINGS: &[&str] = &[
    "there", "you", "all", "everybody", "everyone", "world", "millstream", "demo", "model", "good", "morning",
    "day", "afternoon", "evening", "again", "my", "friend",
];
const THANKS: &[&str] = &["thanks", "thank", "thx", "cheers", "danke", "merci", "gracias"];
const BESIDE_THANKS: &[&str] =
    &["you", "very", "much", "so", "a", "lot", "many", "for", "the", "your", "that", "answer", "help", "great"];
const REFERRING: &[&str] = &["it", "its", "that", "this", "they", "them", "their", "those", "these", "more"];
const HELP: &[&str] = &["help", "what can you do", "what can i ask", "what do you know", "what should i ask"];
const REPEAT: &[&str] = &["repeat after me:", "repeat:", "echo:", "say:"];

const TOPICS: &str = "LangGraph, RAG, the stream modes, SSE or WebSocket, backpressure, reconnecting or agents";
const REAL_MODEL: &str =
    "connect a real model: start Millstream with `OPENAI_API_KEY` in the environment, or with `--base-url`";

/// The demo model's answer to a question. `earlier` are the questions before it in the conversation, the oldest first:
/// "And in one sentence?" is about the last of them. The same input gives the same answer.
pub(crate) fn answer(question: &str, earlier: &[&str]) -> String {
    if let Some(text) = repeated(question) {
        return text.to_owned();
    }
    let words = words(question);
    if let Some(text) = small_talk(&words).or_else(|| counted(&words)) {
        return text;
    }
    let (form, topic) = wish::read(&words);
    let find = |topic: &str| Index::embedded().search(topic, HITS);
    let mut hits = find(&topic.join(" "));
    if hits.is_empty() && refers_back(&topic) {
        let before = earlier.iter().rev().map(|question| wish::read(&self::words(question)).1.join(" "));
        if let Some(before) = before.into_iter().find(|before| !find(before).is_empty()) {
            hits = find(&format!("{before} {}", topic.join(" ")));
        }
    }
    match (hits.as_slice(), form) {
        ([], Form::Haiku) => haiku(None),
        ([], _) if is_about_weather(question) => no_weather(),
        ([], _) if content(&topic).is_empty() => nothing_asked(),
        ([], _) => not_known(question),
        ([best, ..], Form::Haiku) => haiku(Some(best.section)),
        (hits, form) => shaped(hits, form),
    }
}

/// `Repeat after me: ...` gives back the rest as it is, which is handy for looking at how odd text travels.
fn repeated(question: &str) -> Option<&str> {
    let question = question.trim_start();
    REPEAT.iter().find_map(|start| {
        let said = question.get(..start.len()).filter(|said| said.eq_ignore_ascii_case(start))?;
        let rest = &question[said.len()..];
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        (!rest.is_empty()).then_some(rest)
    })
}

fn small_talk(words: &[String]) -> Option<String> {
    let is_all = |some: &[&str], beside: &[&str]| {
        words.iter().any(|word| some.contains(&word.as_str()))
            && words.iter().all(|word| some.contains(&word.as_str()) || beside.contains(&word.as_str()))
    };
    let said = words.join(" ");
    if is_all(GREETINGS, BESIDE_GREETINGS)
        || matches!(said.as_str(), "good morning" | "good day" | "good evening" | "good afternoon")
    {
        return Some(format!(
            "Hello! I am Millstream's demo model: no weights, only a short guide about streaming that I answer from. \
             Ask me about {TOPICS}."
        ));
    }
    if is_all(THANKS, BESIDE_THANKS) {
        return Some("You are welcome.".to_owned());
    }
    if said == "how are you" {
        return Some(
            "I am only a small program, but everything runs. What would you like to know about streaming?".to_owned(),
        );
    }
    HELP.contains(&said.as_str()).then(nothing_asked)
}

/// `Count to 20` is a text of any length, good for trying out a stream.
fn counted(words: &[String]) -> Option<String> {
    let position = words.windows(2).position(|pair| pair[0] == "count" && pair[1] == "to")?;
    let wanted = wish::number(words.get(position + 2)?)?;
    let last = wanted.clamp(1, LONGEST_COUNT);
    let numbers: Vec<String> = (1..=last).map(|number| number.to_string()).collect();
    let end = if wanted > last { " That is as far as I count." } else { "" };
    Some(format!("{}.{end}", numbers.join(", ")))
}

/// Whether the question needs the one before it to be understood.
fn refers_back(topic: &[String]) -> bool {
    content(topic).is_empty() || topic.iter().any(|word| REFERRING.contains(&word.as_str()))
}

fn shaped(hits: &[Hit], form: Form) -> String {
    let sections = || hits.iter().map(|hit| hit.section);
    let Some(best) = sections().next() else {
        return nothing_asked();
    };
    let sentences = || sections().flat_map(|section| section.sentences.iter().copied());
    match form {
        Form::Sentences(count) => sentences().take(count.max(1)).collect::<Vec<_>>().join(" "),
        Form::Words(count) => within_words(sentences(), count),
        Form::List(count) => {
            list(best, count).unwrap_or_else(|| bulleted(sentences().take(count.unwrap_or(best.sentences.len()))))
        }
        Form::Table => sections()
            .find_map(|section| section.block.filter(|block| is_table(block)))
            .map_or_else(|| whole(best), str::to_owned),
        Form::Detail => {
            let related = sections().skip(1).map(|section| format!("\n\n### {}\n\n{}", section.title, whole(section)));
            whole(best) + &related.collect::<String>()
        }
        Form::Plain | Form::Haiku => whole(best),
    }
}

fn whole(section: &Section) -> String {
    let prose = section.sentences.join(" ");
    match section.block {
        Some(block) => format!("{prose}\n\n{block}"),
        None => prose,
    }
}

/// As many whole sentences as fit, but at least one.
fn within_words<'a>(sentences: impl Iterator<Item = &'a str>, limit: usize) -> String {
    let mut count = 0;
    let fitting = sentences.enumerate().take_while(|(index, sentence)| {
        count += sentence.split_whitespace().count();
        *index == 0 || count <= limit
    });
    fitting.map(|(_, sentence)| sentence).collect::<Vec<_>>().join(" ")
}

/// The section's own list, when it has one with enough items.
fn list(section: &Section, count: Option<usize>) -> Option<String> {
    let block = section.block?;
    if is_table(block) || block.starts_with("```") {
        return None;
    }
    let items: Vec<&str> = block.lines().collect();
    match count {
        Some(count) if count > items.len() => None,
        Some(count) => Some(items[..count].join("\n")),
        None => Some(block.to_owned()),
    }
}

fn bulleted<'a>(sentences: impl Iterator<Item = &'a str>) -> String {
    sentences.map(|sentence| format!("- {sentence}")).collect::<Vec<_>>().join("\n")
}

fn is_table(block: &str) -> bool {
    block.starts_with('|')
}

fn haiku(section: Option<&Section>) -> String {
    if let Some(lines) = section.and_then(|section| section.haiku.as_ref()) {
        return verse(lines);
    }
    let other = Guide::embedded().titled(HAIKU_OF_LAST_RESORT).and_then(|section| section.haiku.as_ref());
    let verse = other.map(|lines| verse(lines)).unwrap_or_default();
    format!("My guide has no haiku about that, but one about streaming:\n\n{verse}")
}

/// Two spaces before the line's end keep the lines apart in Markdown, and do not show in a terminal.
fn verse(lines: &[&str]) -> String {
    lines.join("  \n")
}

fn no_weather() -> String {
    "I cannot look outside: I am the demo model, and this request offers me no tool. \
     With a tool named `get_weather` I would call it, and tell you what it says."
        .to_owned()
}

fn nothing_asked() -> String {
    let about_me = Guide::embedded().titled(ABOUT_ME).map(|section| section.sentences[..2].join(" "));
    format!("{} Ask me about {TOPICS}; for anything else {REAL_MODEL}.", about_me.unwrap_or_default())
}

fn not_known(question: &str) -> String {
    let question = question.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut quoted: String = question.chars().take(QUOTED).collect();
    if quoted.len() < question.len() {
        quoted.push('…');
    }
    format!(
        "I am the demo model: I have no weights, only a short guide about Millstream and streaming, \
         and I found nothing in it for “{quoted}”. Ask me about {TOPICS}, or {REAL_MODEL}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn section(title: &str) -> &'static Section {
        Guide::embedded().titled(title).unwrap()
    }

    #[test]
    fn the_number_of_sentences_is_kept() {
        let graph = &section("LangGraph").sentences;
        assert_eq!(answer("Explain LangGraph in 3 sentences.", &[]), graph[..3].join(" "));
        assert_eq!(answer("What is LangGraph, in one sentence?", &[]), graph[0]);
        let long = answer("Explain LangGraph in 8 sentences.", &[]);
        assert!(long.starts_with(&graph.join(" ")) && long.len() > graph.join(" ").len(), "{long}");
        let short = answer("Explain RAG in 40 words", &[]);
        assert!((1..=40).contains(&short.split_whitespace().count()), "{short}");
    }

    #[test]
    fn lists_tables_and_details_are_given() {
        let modes = section("Stream modes").block.unwrap();
        assert!(answer("What are the stream modes?", &[]).ends_with(modes));
        assert_eq!(answer("The stream modes as a table, please", &[]), modes);
        assert_eq!(
            answer("List the key features of LangGraph", &[]),
            section("Key features of LangGraph").block.unwrap()
        );
        let bullets = answer("3 bullet points about backpressure", &[]);
        assert_eq!(bullets.lines().filter(|line| line.starts_with("- ")).count(), 3, "{bullets}");
        let detail = answer("Explain RAG in detail", &[]);
        assert!(detail.starts_with(&whole(section("RAG"))) && detail.contains("\n\n### "), "{detail}");
    }

    #[test]
    fn a_haiku_has_three_lines() {
        let haiku = answer("Write a haiku about LangGraph.", &[]);
        assert_eq!(haiku, "Nodes pass the state on;  \nedges choose where it flows next,  \neach step safely saved.");
        let other = answer("Write a haiku about the sea", &[]);
        assert!(other.starts_with("My guide has no haiku about that") && other.lines().count() == 5, "{other}");
    }

    #[test]
    fn a_follow_up_is_about_the_question_before() {
        let in_one = answer("And in one sentence?", &["What is SSE?", "What is RAG?"]);
        assert_eq!(in_one, section("RAG").sentences[0]);
        assert_eq!(
            answer("Can you summarise that in 2 sentences", &["What is RAG?"]),
            section("RAG").sentences[..2].join(" ")
        );
        assert_eq!(answer("What is SSE?", &["What is RAG?"]), answer("What is SSE?", &[]));
        assert_eq!(
            answer("As a table?", &["What are the stream modes?", "Thanks!"]),
            section("Stream modes").block.unwrap()
        );
    }

    #[test]
    fn it_says_what_it_is_and_what_it_does_not_know() {
        for question in [
            "Hello",
            "hi there!",
            "Good morning",
            "Who are you?",
            "help",
            "What is the capital of France?",
            "",
            "explain",
        ] {
            let said = answer(question, &[]);
            assert!(said.contains("demo model") && said.contains("weights"), "{question}: {said}");
        }
        let unknown = answer("What is the capital\nof France?", &[]);
        assert!(
            unknown.contains("found nothing in it for “What is the capital of France?”")
                && unknown.contains("`--base-url`"),
            "{unknown}"
        );
        assert!(answer(&"é".repeat(5000), &[]).len() < 1000);
        assert_eq!(answer("thank you very much", &[]), "You are welcome.");
        assert!(answer("What's the weather in Paris?", &[]).contains("`get_weather`"));
    }

    #[test]
    fn every_topic_it_offers_is_one_it_knows() {
        for topic in TOPICS.replace(" or agents", ", agents").split(", ") {
            assert!(!Index::embedded().search(topic, 1).is_empty(), "{topic}");
        }
    }

    #[test]
    fn it_counts_and_repeats() {
        assert_eq!(answer("Please count to 5.", &[]), "1, 2, 3, 4, 5.");
        assert!(answer("count to 1000000", &[]).ends_with("999, 1000. That is as far as I count."));
        assert_eq!(answer("Repeat after me: a\nb  [DONE] ", &[]), "a\nb  [DONE] ");
        assert_eq!(answer("say:  x", &[]), " x");
        assert!(answer("echo:", &[]).contains("demo model"));
    }

    proptest! {
        #[test]
        fn every_question_has_an_answer(question in any::<String>(), earlier in any::<String>()) {
            prop_assert!(!answer(&question, &[&earlier]).is_empty());
        }

        #[test]
        fn any_wish_about_a_known_topic_is_met(count in 1_usize..30, form in "sentences|words|bullet points|bullets") {
            let text = answer(&format!("Explain LangGraph in {count} {form}"), &[]);
            prop_assert!(!text.is_empty());
            if count > 1 && form.starts_with("bullet") {
                prop_assert!(text.lines().count() <= count);
            }
        }
    }
}
