//! A conversation cut to a budget of tokens: the rules of LangChain's `trim_messages`.

use serde_json::Value;

use super::{ChunkContent, Message, Role};
use crate::error::{Error, ErrorKind, Result};

/// How [`trim_messages`] cuts.
#[derive(Clone)]
pub struct Trim<'a> {
    /// The budget, in whatever the counter counts.
    pub max_tokens: u64,
    /// Which end of the conversation is kept.
    pub keep: Keep,
    /// With [`Keep::Last`]: the system message at the beginning stays, and counts.
    pub include_system: bool,
    /// A message that does not fit is kept in part: as many of its blocks as fit, or of the pieces of its text.
    pub allow_partial: bool,
    /// With [`Keep::Last`]: what comes before the first message of one of these roles is left out, after the cut. Empty for any.
    pub start_on: Vec<Role>,
    /// What comes behind the last message of one of these roles is left out: before the cut with [`Keep::Last`], else after it. Empty for
    /// any.
    pub end_on: Vec<Role>,
    /// With `allow_partial`: the pieces of a text. Together they are the text.
    pub split: &'a (dyn Fn(&str) -> Vec<&str> + Sync),
}

/// Which end of a conversation is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The first messages.
    First,
    /// The last messages.
    #[default]
    Last,
}

/// The last messages, whole, of a budget of nothing; a text in part is some of its [lines](split_lines).
impl Default for Trim<'_> {
    fn default() -> Self {
        Self {
            max_tokens: 0,
            keep: Keep::default(),
            include_system: false,
            allow_partial: false,
            start_on: Vec::new(),
            end_on: Vec::new(),
            split: &split_lines,
        }
    }
}

/// The messages that fit into a budget, by LangChain's rules. `count` says how much some messages are together:
/// [`count_messages`](crate::count_messages), [`count_words`](crate::count_words), [`count_tokens`](crate::count_tokens), or a tokenizer of
/// your own. It is asked O(log n) times for n messages.
///
/// ```
/// use millstream_core::{Message, Role, Trim, count_messages, trim_messages};
///
/// let messages = [Message::system("Be brief."), Message::human("Hi"), Message::ai("Hello"), Message::human("Why?")];
/// let trim = Trim { max_tokens: 3, include_system: true, start_on: vec![Role::Human], ..Trim::default() };
/// let kept = trim_messages(&messages, &trim, count_messages)?;
/// assert_eq!(kept, [messages[0].clone(), messages[3].clone()]);
/// # Ok::<(), millstream_core::Error>(())
/// ```
///
/// # Errors
/// `invalid_input` if `start_on` or `include_system` is asked for with [`Keep::First`].
pub fn trim_messages(messages: &[Message], trim: &Trim<'_>, count: impl Fn(&[Message]) -> u64) -> Result<Vec<Message>> {
    let cut = Cut { trim, count: &count };
    if trim.keep == Keep::First {
        for (asked, name) in [(!trim.start_on.is_empty(), "start_on"), (trim.include_system, "include_system")] {
            if asked {
                let message =
                    format!("{name} is only for Keep::Last: with Keep::First the conversation begins as it is");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        let kept = cut.kept(messages, trim.max_tokens);
        return Ok(up_to(&kept, &trim.end_on).to_vec());
    }
    let (system, rest) = match up_to(messages, &trim.end_on) {
        [system, rest @ ..] if trim.include_system && system.role == Role::System => (Some(system), rest),
        rest => (None, rest),
    };
    let spent = system.map_or(0, |system| count(std::slice::from_ref(system)));
    let kept = cut.kept(rest, trim.max_tokens.saturating_sub(spent));
    let begin = match kept.iter().position(|message| trim.start_on.contains(&message.role)) {
        Some(begin) => begin,
        None if trim.start_on.is_empty() => 0,
        None => kept.len(),
    };
    Ok(system.into_iter().chain(&kept[begin..]).cloned().collect())
}

/// The lines of a text, each with its end; a text that ends with one has an empty line behind it.
pub fn split_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    if text.is_empty() || text.ends_with('\n') {
        lines.push("");
    }
    lines
}

/// The messages up to the last one of `roles`.
fn up_to<'a>(messages: &'a [Message], roles: &[Role]) -> &'a [Message] {
    let last = messages.iter().rposition(|message| roles.contains(&message.role));
    if roles.is_empty() { messages } else { &messages[..last.map_or(0, |last| last + 1)] }
}

struct Cut<'a> {
    trim: &'a Trim<'a>,
    count: &'a dyn Fn(&[Message]) -> u64,
}

impl Cut<'_> {
    /// The messages of the end that is kept, in their order.
    fn kept(&self, messages: &[Message], budget: u64) -> Vec<Message> {
        if (self.count)(messages) <= budget {
            return messages.to_vec();
        }
        let fits = most(messages.len(), |kept| (self.count)(self.end(messages, kept)) <= budget);
        let kept = self.end(messages, fits).to_vec();
        let next = match self.trim.keep {
            Keep::First => messages.get(fits),
            Keep::Last => messages.iter().rev().nth(fits),
        };
        match next.filter(|_| self.trim.allow_partial) {
            Some(next) => self.with_part(kept, next, budget),
            None => kept,
        }
    }

    fn end<'a, T>(&self, items: &'a [T], kept: usize) -> &'a [T] {
        match self.trim.keep {
            Keep::First => &items[..kept],
            Keep::Last => &items[items.len() - kept..],
        }
    }

    /// `kept` with as much of `next` as fits.
    fn with_part(&self, mut kept: Vec<Message>, next: &Message, budget: u64) -> Vec<Message> {
        let spent = (self.count)(&kept);
        let place = if self.trim.keep == Keep::First { kept.len() } else { 0 };
        kept.insert(place, next.clone());
        let text = match next.given() {
            ChunkContent::Text(text) => Some(text),
            ChunkContent::List(items) => {
                for fewer in (1..items.len()).rev() {
                    kept[place].say(ChunkContent::List(self.end(&items, fewer).to_vec()));
                    if (self.count)(&kept) <= budget {
                        return kept;
                    }
                }
                self.end(&items, items.len().min(1)).iter().find_map(text_of).map(str::to_owned)
            }
        };
        match text.and_then(|text| self.text_that_fits(&text, &kept[place], spent, budget)) {
            Some(said) => kept[place].say(ChunkContent::Text(said)),
            None => drop(kept.remove(place)),
        }
        kept
    }

    /// The pieces of `text` that `message` can say within the budget, if there is one.
    fn text_that_fits(&self, text: &str, message: &Message, spent: u64, budget: u64) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        let pieces = (self.trim.split)(text);
        let mut tried = message.clone();
        let fits = most(pieces.len(), |kept| {
            let mut pieces = self.end(&pieces, kept).to_vec();
            if self.trim.keep == Keep::Last {
                // What is counted is read from the end: so does LangChain, and a word may begin in one piece and end in the next.
                pieces.reverse();
            }
            tried.say(ChunkContent::Text(pieces.concat()));
            spent.saturating_add((self.count)(std::slice::from_ref(&tried))) <= budget
        });
        (fits > 0).then(|| self.end(&pieces, fits).concat())
    }
}

/// The most of `all` that fits, where less than what fits does too.
fn most(all: usize, mut fits: impl FnMut(usize) -> bool) -> usize {
    let (mut least, mut most) = (0, all);
    while least < most {
        let tried = (least + most).div_ceil(2);
        if fits(tried) { least = tried } else { most = tried - 1 }
    }
    least
}

fn text_of(item: &Value) -> Option<&str> {
    let is_text = item.get("type").is_some_and(|kind| kind == "text");
    item.as_str().or_else(|| item.get("text").and_then(Value::as_str).filter(|_| is_text))
}
