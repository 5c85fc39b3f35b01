//! What an answer cost.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod ledger;
mod totals;

pub(crate) use ledger::Ledger;
pub use totals::UsageTotals;

/// Tokens in and out of one model call, or of a whole run.
///
/// Its JSON is LangChain's `usage_metadata`, with the `source` beside it.
///
/// ```
/// use millstream_core::{Usage, UsageSource};
///
/// let mut total = Usage::new(10, 5, UsageSource::Provider);
/// total += Usage::new(1, 1, UsageSource::Estimated);
/// assert_eq!((total.total_tokens, total.source), (17, UsageSource::Estimated));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Their sum.
    pub total_tokens: u64,
    /// Tokens of the request that came from the provider's cache, if it says: LangChain's `cache_read`.
    pub cached_tokens: Option<u64>,
    /// Tokens of the answer that were reasoning, if the provider says: LangChain's `reasoning`.
    pub reasoning_tokens: Option<u64>,
    /// Who counted.
    pub source: UsageSource,
    /// What else the provider counts. Boxed, since hardly any does.
    others: Option<Box<Others>>,
}

/// Counts by the provider's names; empty if it says that it knows nothing, none if it does not say even that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Others {
    input: Option<BTreeMap<String, u64>>,
    output: Option<BTreeMap<String, u64>>,
}

/// Who counted the tokens: R17 of the requirements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The provider, for the whole answer.
    #[default]
    Provider,
    /// We, from the length of the texts: about four bytes a token.
    Estimated,
    /// We, for an answer that did not come to its end.
    Partial,
}

impl Usage {
    /// Counts from `source`.
    pub fn new(input_tokens: u64, output_tokens: u64, source: UsageSource) -> Self {
        let total_tokens = input_tokens.saturating_add(output_tokens);
        Self {
            input_tokens,
            output_tokens,
            total_tokens,
            cached_tokens: None,
            reasoning_tokens: None,
            source,
            others: None,
        }
    }

    /// How many tokens `bytes` of text are, roughly.
    pub fn estimate(bytes: usize) -> u64 {
        bytes.div_ceil(4) as u64
    }

    /// What is known of the tokens of the request, by LangChain's names: `cache_read`, and what else the provider counts, such as `audio`.
    pub fn input_token_details(&self) -> BTreeMap<&str, u64> {
        let others = self.others.as_deref().and_then(|others| others.input.as_ref());
        details("cache_read", self.cached_tokens, others)
    }

    /// What is known of the tokens of the answer, by LangChain's names: `reasoning`, and what else the provider counts.
    pub fn output_token_details(&self) -> BTreeMap<&str, u64> {
        let others = self.others.as_deref().and_then(|others| others.output.as_ref());
        details("reasoning", self.reasoning_tokens, others)
    }

    /// Notes a count of tokens of the request.
    pub fn set_input_token_detail(&mut self, name: &str, tokens: u64) {
        match name {
            "cache_read" => self.cached_tokens = Some(tokens),
            other => {
                self.others.get_or_insert_default().input.get_or_insert_default().insert(other.to_owned(), tokens);
            }
        }
    }

    /// Notes a count of tokens of the answer.
    pub fn set_output_token_detail(&mut self, name: &str, tokens: u64) {
        match name {
            "reasoning" => self.reasoning_tokens = Some(tokens),
            other => {
                self.others.get_or_insert_default().output.get_or_insert_default().insert(other.to_owned(), tokens);
            }
        }
    }

    /// What is left of each count when `other` is taken away, nowhere less than 0.
    ///
    /// ```
    /// use millstream_core::{Usage, UsageSource};
    ///
    /// let all = Usage::new(5, 3, UsageSource::Provider);
    /// let rest = all.minus(&Usage::new(7, 1, UsageSource::Provider));
    /// assert_eq!((rest.input_tokens, rest.output_tokens, rest.total_tokens), (0, 2, 0));
    /// ```
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_sub)
    }

    /// What was counted after `before`: without the details that have not changed.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let mut more = self.minus(before);
        let changed = |known: Option<u64>, count: Option<u64>| count.filter(|count| *count > 0 || known.is_none());
        more.cached_tokens = changed(before.cached_tokens, more.cached_tokens);
        more.reasoning_tokens = changed(before.reasoning_tokens, more.reasoning_tokens);
        if let (Some(others), Some(known)) = (&mut more.others, &before.others) {
            for (counts, known) in [(&mut others.input, &known.input), (&mut others.output, &known.output)] {
                let Some(known) = known else { continue };
                if let Some(counts) = counts {
                    counts.retain(|name, count| *count > 0 || !known.contains_key(name));
                }
                *counts = counts.take().filter(|counts| !counts.is_empty());
            }
        }
        more
    }

    /// Each count of either, combined.
    fn with(&self, other: &Self, combine: fn(u64, u64) -> u64) -> Self {
        let both = |a: Option<u64>, b: Option<u64>| {
            (a.is_some() || b.is_some()).then(|| combine(a.unwrap_or(0), b.unwrap_or(0)))
        };
        let all = |a: &Option<BTreeMap<String, u64>>, b: &Option<BTreeMap<String, u64>>| {
            let count = |counts: &Option<BTreeMap<String, u64>>, name: &String| {
                counts.as_ref().and_then(|counts| counts.get(name)).copied().unwrap_or(0)
            };
            let names = a.iter().chain(b).flat_map(BTreeMap::keys);
            let both = names.map(|name| (name.clone(), combine(count(a, name), count(b, name)))).collect();
            (a.is_some() || b.is_some()).then_some(both)
        };
        let others = match (&self.others, &other.others) {
            (None, None) => None,
            (a, b) => {
                let (a, b) = (a.as_deref().cloned().unwrap_or_default(), b.as_deref().cloned().unwrap_or_default());
                Some(Box::new(Others { input: all(&a.input, &b.input), output: all(&a.output, &b.output) }))
            }
        };
        Self {
            input_tokens: combine(self.input_tokens, other.input_tokens),
            output_tokens: combine(self.output_tokens, other.output_tokens),
            total_tokens: combine(self.total_tokens, other.total_tokens),
            cached_tokens: both(self.cached_tokens, other.cached_tokens),
            reasoning_tokens: both(self.reasoning_tokens, other.reasoning_tokens),
            source: self.source.max(other.source),
            others,
        }
    }
}

fn details<'a>(name: &'a str, count: Option<u64>, others: Option<&'a BTreeMap<String, u64>>) -> BTreeMap<&'a str, u64> {
    let others = others.into_iter().flatten().map(|(name, count)| (name.as_str(), *count));
    count.map(|count| (name, count)).into_iter().chain(others).collect()
}

impl AddAssign for Usage {
    /// Adds counts; the sum is as certain as its least certain part.
    fn add_assign(&mut self, other: Self) {
        *self = self.with(&other, u64::saturating_add);
    }
}

#[derive(Serialize)]
struct Written<'a> {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_token_details: Option<BTreeMap<&'a str, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_token_details: Option<BTreeMap<&'a str, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<UsageSource>,
}

impl Usage {
    fn written(&self, source: Option<UsageSource>) -> Written<'_> {
        let others = self.others.as_deref();
        let told = |count: Option<u64>, others: Option<&Option<BTreeMap<String, u64>>>| {
            count.is_some() || others.is_some_and(Option::is_some)
        };
        let input_is_told = told(self.cached_tokens, others.map(|others| &others.input));
        let output_is_told = told(self.reasoning_tokens, others.map(|others| &others.output));
        Written {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            total_tokens: self.total_tokens,
            input_token_details: input_is_told.then(|| self.input_token_details()),
            output_token_details: output_is_told.then(|| self.output_token_details()),
            source,
        }
    }

    /// The usage as a message has it: what a provider counted is LangChain's `usage_metadata` and nothing more.
    pub(crate) fn in_message(&self) -> impl Serialize {
        self.written(Some(self.source).filter(|source| *source != UsageSource::Provider))
    }
}

impl Serialize for Usage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written(Some(self.source)).serialize(serializer)
    }
}

#[derive(Deserialize)]
struct Read {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: Option<u64>,
    input_token_details: Option<BTreeMap<String, Option<u64>>>,
    output_token_details: Option<BTreeMap<String, Option<u64>>>,
    #[serde(default)]
    source: UsageSource,
}

impl<'de> Deserialize<'de> for Usage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Read::deserialize(deserializer)?;
        let mut usage = Self::new(read.input_tokens, read.output_tokens, read.source);
        usage.total_tokens = read.total_tokens.unwrap_or(usage.total_tokens);
        // Details may be there without any count.
        if read.input_token_details.as_ref().is_some_and(BTreeMap::is_empty) {
            usage.others.get_or_insert_default().input = Some(BTreeMap::new());
        }
        if read.output_token_details.as_ref().is_some_and(BTreeMap::is_empty) {
            usage.others.get_or_insert_default().output = Some(BTreeMap::new());
        }
        for (name, count) in read.input_token_details.into_iter().flatten() {
            count.into_iter().for_each(|count| usage.set_input_token_detail(&name, count));
        }
        for (name, count) in read.output_token_details.into_iter().flatten() {
            count.into_iter().for_each(|count| usage.set_output_token_detail(&name, count));
        }
        Ok(usage)
    }
}
