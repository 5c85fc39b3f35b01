//! Finding the section of the guide that answers a question: BM25 over stemmed words, with more weight on a section's
//! names, and the honesty to find nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::guide::{Guide, Section};
use super::terms::{content, is_stop, one_slip_apart, stem, words};

/// BM25's usual saturation of repeated words.
const SATURATION: f64 = 1.2;
/// Less than the usual 0.75: a section is not worse for having a table.
const LENGTH_PENALTY: f64 = 0.4;
/// A word in a section's names counts as often as this in its text.
const NAME_WEIGHT: f64 = 3.0;
/// For each word of a name that stands in the question as it is.
const PHRASE_BONUS: f64 = 2.0;
/// A section that covers less than this part of the question's words is about something else.
const COVERAGE: f64 = 0.5;
/// What a word of the question that stands only in the section's text covers of it; one of its names covers 1.
const IN_TEXT: f64 = 0.45;
/// A word that the whole guide does not have is stronger evidence than another against a section.
const UNKNOWN_WORD: f64 = 1.5;
/// A hit this much weaker than the best is not worth mentioning.
const RELATED: f64 = 0.35;
/// Shorter words have too many neighbours for their spelling to be repaired.
const REPAIRABLE: usize = 6;

/// Words that name one of the guide's topics and nothing else in the world: with one of these a question is for the
/// guide, in whatever language the rest of it is.
#[rustfmt::skip]
const UNMISTAKABLE: &[&str] = &[
    "backpressure", "eventsource", "hitl", "langchain", "langgraph", "llm", "millstream", "ollama", "rag", "sse",
    "ttft", "websocket",
];

static EMBEDDED: LazyLock<Index> = LazyLock::new(|| Index::of(Guide::embedded()));

/// A section that fits a question. Higher is better; scores of different questions do not compare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    pub(crate) section: &'static Section,
    pub(crate) score: f64,
}

/// A guide prepared for searching.
pub(crate) struct Index {
    entries: Vec<Entry>,
    /// Each word's rarity, as BM25 counts it.
    rarity: BTreeMap<String, f64>,
    mean_length: f64,
}

struct Entry {
    section: &'static Section,
    /// How often each stemmed word stands in the section, names counted more.
    frequency: BTreeMap<String, f64>,
    length: f64,
    /// The section's names, stemmed word by word.
    names: Vec<Vec<String>>,
}

impl Index {
    /// Over the project's own guide.
    pub(crate) fn embedded() -> &'static Index {
        &EMBEDDED
    }

    pub(crate) fn of(guide: &'static Guide) -> Index {
        let entries: Vec<Entry> = guide.sections().iter().map(Entry::of).collect();
        let mut sections_with: BTreeMap<String, f64> = BTreeMap::new();
        for term in entries.iter().flat_map(|entry| entry.frequency.keys()) {
            *sections_with.entry(term.clone()).or_default() += 1.0;
        }
        let count = entries.len() as f64;
        let rarity_of = |with: f64| (1.0 + (count - with + 0.5) / (with + 0.5)).ln();
        let rarity = sections_with.into_iter().map(|(term, with)| (term, rarity_of(with))).collect();
        let mean_length = entries.iter().map(|entry| entry.length).sum::<f64>() / count.max(1.0);
        Index { entries, rarity, mean_length }
    }

    /// The sections that fit the question, at most `limit`, the best first. Empty when none is good enough: the guide
    /// has nothing to say about it.
    pub(crate) fn search(&self, question: &str, limit: usize) -> Vec<Hit> {
        let words = words(question);
        let stems: Vec<String> = words.iter().map(|word| self.repaired(word, stem(word))).collect();
        let terms: BTreeSet<String> =
            content(&words).into_iter().map(|term| self.repaired(&term, term.clone())).collect();

        let mut hits: Vec<(Hit, bool)> = self
            .entries
            .iter()
            .map(|entry| {
                let phrase = entry.longest_name_in(&stems);
                let score = self.bm25(entry, &terms) + PHRASE_BONUS * phrase as f64;
                let good = phrase > 1 || self.covers(entry, &terms);
                (Hit { section: entry.section, score }, good)
            })
            .filter(|(hit, _)| hit.score > 0.0)
            .collect();
        // Stable: equal scores keep the order of the guide.
        hits.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
        let Some((best, true)) = hits.first().copied() else {
            return Vec::new();
        };
        hits.into_iter().map(|(hit, _)| hit).filter(|hit| hit.score >= best.score * RELATED).take(limit).collect()
    }

    fn bm25(&self, entry: &Entry, terms: &BTreeSet<String>) -> f64 {
        let length = 1.0 - LENGTH_PENALTY + LENGTH_PENALTY * entry.length / self.mean_length;
        terms
            .iter()
            .filter_map(|term| {
                let frequency = entry.frequency.get(term)?;
                let saturated = frequency * (SATURATION + 1.0) / (frequency + SATURATION * length);
                Some(self.rarity.get(term)? * saturated)
            })
            .sum()
    }

    /// Whether the section is about enough of what the question says.
    fn covers(&self, entry: &Entry, terms: &BTreeSet<String>) -> bool {
        let unmistakable =
            |term: &String| entry.frequency.contains_key(term) && UNMISTAKABLE.iter().any(|word| stem(word) == *term);
        if terms.iter().any(unmistakable) {
            return true;
        }
        let all: f64 = terms.iter().map(|term| if self.rarity.contains_key(term) { 1.0 } else { UNKNOWN_WORD }).sum();
        let found: f64 = terms.iter().map(|term| entry.cover(term)).sum();
        all > 0.0 && found / all >= COVERAGE
    }

    /// A word that the guide does not have, but one slip of the finger away from one that it has, is taken for that
    /// one.
    fn repaired(&self, word: &str, stem: String) -> String {
        if self.rarity.contains_key(&stem) || word.chars().count() < REPAIRABLE {
            return stem;
        }
        let near =
            self.rarity.keys().find(|known| known.chars().count() + 1 >= REPAIRABLE && one_slip_apart(known, &stem));
        near.cloned().unwrap_or(stem)
    }
}

impl Entry {
    fn of(section: &'static Section) -> Entry {
        let mut frequency: BTreeMap<String, f64> = BTreeMap::new();
        let mut length = 0.0;
        let names = section.names.iter().flatten();
        let text = section.sentences.iter().chain(&section.block).flat_map(|text| words(text));
        for term in content(&text.collect::<Vec<_>>()) {
            *frequency.entry(term).or_default() += 1.0;
            length += 1.0;
        }
        // Each word once: a topic with many names is not more about itself.
        for term in content(names).into_iter().collect::<BTreeSet<_>>() {
            *frequency.entry(term).or_default() += NAME_WEIGHT;
        }
        let names = section.names.iter().map(|name| name.iter().map(|word| stem(word)).collect()).collect();
        Entry { section, frequency, length, names }
    }

    fn cover(&self, term: &String) -> f64 {
        match self.frequency.get(term) {
            None => 0.0,
            Some(_) if self.names.iter().flatten().any(|word| word == term) => 1.0,
            Some(_) => IN_TEXT,
        }
    }

    /// How many words the longest of the section's names has that stands, word by word, in the question. A single stop
    /// word is no name.
    fn longest_name_in(&self, stems: &[String]) -> usize {
        self.names
            .iter()
            .filter(|name| name.len() > 1 || name.iter().any(|word| !is_stop(word)))
            .filter(|name| stems.windows(name.len()).any(|window| window == name.as_slice()))
            .map(Vec::len)
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(question: &str) -> Option<&'static str> {
        Some(Index::embedded().search(question, 1).first()?.section.title)
    }

    #[test]
    fn questions_find_their_section() {
        for (question, title) in [
            ("Explain LangGraph.", "LangGraph"),
            ("What is lang graph?", "LangGraph"),
            ("Explain langraph", "LangGraph"),
            ("What are the key features of LangGraph?", "Key features of LangGraph"),
            ("Write a haiku about LangGraph.", "LangGraph"),
            ("Explain RAG", "RAG"),
            ("Hello, what is RAG?", "RAG"),
            ("What is an LLM?", "Language models"),
            ("How do I stream in LangGraph?", "Stream modes"),
            ("How does multi-turn chat work?", "Conversations"),
            ("Tell me about RAG pipelines.", "RAG"),
            ("what is retrieval augmented generation", "RAG"),
            ("Was ist RAG?", "RAG"),
            ("Was ist Backpressure?", "Backpressure"),
            ("What are the stream modes?", "Stream modes"),
            ("Explain LangGraph streaming modes.", "Stream modes"),
            ("What's the difference between the values and updates modes?", "Values and updates modes"),
            ("What does the messages mode do?", "Messages mode"),
            ("What is Millstream?", "What Millstream is"),
            ("Why should I stream at all?", "Why stream"),
            ("What is time to first token?", "Time to first token"),
            ("What is TTFT?", "Time to first token"),
            ("How do I build a chain?", "Chains"),
            ("How does a prompt template work?", "Prompts"),
            ("What is LangChain?", "LangChain"),
            ("How does astream_events work?", "LangChain streaming"),
            ("How do I stream in LangChain?", "LangChain streaming"),
            ("I come from LangChain: what is the equivalent of invoke?", "From LangChain to Millstream"),
            ("What is a reducer?", "State, nodes and edges"),
            ("What are Server-Sent Events?", "Server-Sent Events"),
            ("explain sse", "Server-Sent Events"),
            ("What is a WebSocket?", "WebSocket"),
            ("SSE vs WebSocket?", "SSE or WebSocket"),
            ("Should I use SSE or WebSockets?", "SSE or WebSocket"),
            ("What is an agent?", "Agents"),
            ("Explain the ReAct loop", "Agents"),
            ("How does tool calling work?", "Tools and tool calls"),
            ("What is backpressure?", "Backpressure"),
            ("What happens with a slow client?", "Backpressure"),
            ("How does Last-Event-ID work?", "Reconnecting and Last-Event-ID"),
            ("What happens when I reload the page?", "Reconnecting and Last-Event-ID"),
            ("What is the run log?", "The run log"),
            ("How do I cancel a run?", "Stopping and cancelling"),
            ("What does truncated mean?", "Errors in a stream"),
            ("How are errors handled after the stream started?", "Errors in a stream"),
            ("Which timeouts are there?", "Time limits"),
            ("nginx buffers my tokens", "Heartbeats and proxies"),
            ("What is a checkpoint?", "Checkpoints"),
            ("Explain human in the loop", "Interrupts"),
            ("What is a token?", "Tokens"),
            ("How do I connect a real model?", "Using a real model"),
            ("Can I use Ollama?", "Using a real model"),
            ("How do I start the server?", "Running the server"),
            ("Why is it written in Rust?", "Why Rust"),
            ("Who are you?", "This demo model"),
            ("Are you ChatGPT?", "This demo model"),
            ("what is the demo model", "This demo model"),
        ] {
            assert_eq!(found(question), Some(title), "{question}");
        }
    }

    #[test]
    fn what_the_guide_does_not_say_is_not_found() {
        for question in [
            "",
            "?",
            "explain",
            "What is the capital of France?",
            "How do I cook pasta?",
            "Explain quantum computing",
            "How do I stop smoking?",
            "What is Python?",
            "What's new?",
            "Who won the world cup in 1990?",
            "What is the state of California famous for?",
            "How does a car engine work?",
            "Translate good morning into Spanish",
        ] {
            assert_eq!(found(question), None, "{question}");
        }
    }

    #[test]
    fn every_section_is_found_by_each_of_its_names() {
        for section in Guide::embedded().sections() {
            for name in &section.names {
                let name = name.join(" ");
                let titles: Vec<_> = Index::embedded().search(&name, 3).iter().map(|hit| hit.section.title).collect();
                assert!(titles.contains(&section.title), "{name}: {titles:?} without {}", section.title);
            }
        }
    }

    #[test]
    fn hits_come_best_first_and_no_more_than_asked_for() {
        let hits = Index::embedded().search("How does streaming work in LangGraph?", 3);
        assert_eq!(hits.len(), 3);
        assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
    }

    proptest! {
        #[test]
        fn any_question_is_survived_and_always_answered_alike(question in "\\PC{0,60}") {
            let titles = |hits: Vec<Hit>| hits.iter().map(|hit| hit.section.title).collect::<Vec<_>>();
            let index = Index::embedded();
            prop_assert_eq!(titles(index.search(&question, 5)), titles(index.search(&question, 5)));
        }
    }
}
