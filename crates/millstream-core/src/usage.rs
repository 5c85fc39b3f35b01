//! What an answer cost.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Tokens in and out of one model call, or of a whole run.
///
/// ```
/// use millstream_core::{Usage, UsageSource};
///
/// let mut total = Usage::new(10, 5, UsageSource::Provider);
/// total += Usage::new(1, 1, UsageSource::Estimated);
/// assert_eq!((total.total_tokens, total.source), (17, UsageSource::Estimated));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Their sum.
    pub total_tokens: u64,
    /// Tokens of the request that came from the provider's cache, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Tokens of the answer that were reasoning, if the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Who counted.
    #[serde(default)]
    pub source: UsageSource,
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
        let total_tokens = input_tokens + output_tokens;
        Self { input_tokens, output_tokens, total_tokens, cached_tokens: None, reasoning_tokens: None, source }
    }

    /// How many tokens `bytes` of text are, roughly.
    pub fn estimate(bytes: usize) -> u64 {
        bytes.div_ceil(4) as u64
    }
}

impl AddAssign for Usage {
    /// Adds counts; the sum is as certain as its least certain part.
    fn add_assign(&mut self, other: Self) {
        let add =
            |a: Option<u64>, b: Option<u64>| (a.is_some() || b.is_some()).then(|| a.unwrap_or(0) + b.unwrap_or(0));
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.total_tokens += other.total_tokens;
        self.cached_tokens = add(self.cached_tokens, other.cached_tokens);
        self.reasoning_tokens = add(self.reasoning_tokens, other.reasoning_tokens);
        self.source = self.source.max(other.source);
    }
}
