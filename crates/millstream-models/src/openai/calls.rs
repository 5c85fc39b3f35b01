//! Which tool call does a fragment belong to? Providers number calls, name them, do both, repeat one number for all, or do neither.
//! A fragment is attributed by what it says or it fails the answer: two calls never become one (R12).
//!
//! | the fragment has | it goes to |
//! | --- | --- |
//! | a known id | that call, if its index agrees; with another index and a name it begins a call |
//! | an unknown id | a new call, also under an index that is in use |
//! | no id, a known index | the last call of that index; with a name, a new call if the last one is complete or has another name |
//! | no id, an unknown index | a new call, if it has a name |
//! | neither, a name | a new call; fails where an incomplete call has that name |
//! | neither, no name | the only call that is not complete |
//!
//! A call begun under an index that another, incomplete call has makes later fragments without id under that index unattributable.

use millstream_core::{CallIndex, Error, ErrorKind, PartWriter, Result};

use super::complete::Completeness;

/// A piece of a tool call, as it came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fragment<'a> {
    pub(super) index: Option<u64>,
    pub(super) id: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) arguments: &'a str,
}

/// The tool calls of one answer.
#[derive(Debug)]
pub(super) struct Calls {
    /// Begins the ids that are made up for calls that came without.
    prefix: String,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    index: Option<u64>,
    /// The provider's id.
    id: Option<String>,
    state: State,
    arguments: Completeness,
    /// An incomplete call and this one share the index.
    shares_index: bool,
}

#[derive(Debug)]
enum State {
    /// The name is not known yet; the arguments wait.
    Nameless(String),
    Open {
        call: CallIndex,
        name: String,
    },
}

impl Call {
    fn name(&self) -> Option<&str> {
        match &self.state {
            State::Nameless(_) => None,
            State::Open { name, .. } => Some(name),
        }
    }

    fn is_complete(&self) -> bool {
        self.arguments.is_complete()
    }
}

impl Calls {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix, calls: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds a fragment.
    ///
    /// # Errors
    /// `provider_protocol` if it cannot be attributed to one call.
    pub(super) fn push(&mut self, fragment: Fragment<'_>, out: &mut PartWriter) -> Result<()> {
        if fragment.id.is_none() && fragment.name.is_none() && fragment.arguments.is_empty() {
            return Ok(());
        }
        let at = match self.find(&fragment)? {
            Some(at) => at,
            None => self.begin(&fragment),
        };
        let call = &mut self.calls[at];
        if call.id.is_none() {
            call.id = fragment.id.map(str::to_owned);
        }
        call.index = call.index.or(fragment.index);
        call.arguments.push(fragment.arguments);
        match (&mut call.state, fragment.name) {
            (State::Open { call, .. }, _) => out.arguments(*call, fragment.arguments),
            (State::Nameless(waiting), None) => {
                waiting.push_str(fragment.arguments);
                Ok(())
            }
            (State::Nameless(waiting), Some(name)) => {
                let waiting = std::mem::take(waiting);
                let id = self.unique_id(at);
                let call = out.tool_call(&id, name);
                self.calls[at].state = State::Open { call, name: name.to_owned() };
                out.arguments(call, &waiting)?;
                out.arguments(call, fragment.arguments)
            }
        }
    }

    /// Checks the end of the answer.
    ///
    /// # Errors
    /// `provider_protocol` if a call never got a name.
    pub(super) fn finish(&self) -> Result<()> {
        match self.calls.iter().find(|call| call.name().is_none()) {
            Some(_) => Err(unclear("a tool call never got a name")),
            None => Ok(()),
        }
    }

    /// The call that the fragment goes on with; none if it begins one.
    fn find(&self, fragment: &Fragment<'_>) -> Result<Option<usize>> {
        match (fragment.id, fragment.index) {
            (Some(id), index) => self.find_by_id(id, index, fragment),
            (None, Some(index)) => self.find_by_index(index, fragment),
            (None, None) => self.find_open(fragment),
        }
    }

    fn find_by_id(&self, id: &str, index: Option<u64>, fragment: &Fragment<'_>) -> Result<Option<usize>> {
        let agrees = |call: &Call| index.is_none() || call.index.is_none() || call.index == index;
        let same = self.positions(|call| call.id.as_deref() == Some(id));
        let agreeing: Vec<usize> = same.iter().copied().filter(|at| agrees(&self.calls[*at])).collect();
        match agreeing.as_slice() {
            [only] => return Ok(Some(*only)),
            [_, _, ..] => return Err(unclear("a piece of a tool call has an id that several calls have")),
            [] => {}
        }
        if let Some(at) = same.last() {
            // The same id at another index.
            return match fragment.name {
                Some(_) => Ok(None),
                None => Err(unclear(&format!("a piece of a tool call has the id of call {at} and another index"))),
            };
        }
        // An id that comes late, for a call that was begun without one.
        let late = self.positions(|call| index.is_some() && call.index == index && call.id.is_none());
        match (late.as_slice(), fragment.name) {
            ([at], None) if !self.calls[*at].is_complete() => Ok(Some(*at)),
            _ => Ok(None),
        }
    }

    fn find_by_index(&self, index: u64, fragment: &Fragment<'_>) -> Result<Option<usize>> {
        let Some(at) = self.calls.iter().rposition(|call| call.index == Some(index)) else {
            return match fragment.name {
                Some(_) => Ok(None),
                // Begun without an index, gone on with one: clear only while there is one call.
                None => match self.calls.as_slice() {
                    [Call { index: None, .. }] => Ok(Some(0)),
                    _ => Err(unclear(&format!("a piece of a tool call has the index {index}, which no call has"))),
                },
            };
        };
        let call = &self.calls[at];
        let begins = match (fragment.name, call.name()) {
            (Some(name), Some(known)) => call.is_complete() || name != known,
            (Some(_), None) | (None, _) => false,
        };
        if begins {
            return Ok(None);
        }
        if call.shares_index {
            return Err(unclear(&format!(
                "a piece of a tool call has no id, and several open calls have its index {index}"
            )));
        }
        Ok(Some(at))
    }

    fn find_open(&self, fragment: &Fragment<'_>) -> Result<Option<usize>> {
        let open = self.positions(|call| !call.is_complete());
        let Some(name) = fragment.name else {
            return match open.as_slice() {
                [at] => Ok(Some(*at)),
                // White space after the last bracket.
                [] if fragment.arguments.trim().is_empty() => Ok(self.calls.len().checked_sub(1)),
                [] => Err(unclear("a piece of a tool call has no id and no index, and no call is open")),
                _ => Err(unclear("a piece of a tool call has no id and no index, and several calls are open")),
            };
        };
        if open.iter().any(|at| self.calls[*at].name() == Some(name)) {
            return Err(unclear("a piece of a tool call has no id and no index, and a call of that name is open"));
        }
        match open.as_slice() {
            [at] if self.calls[*at].name().is_none() => Ok(Some(*at)),
            _ => Ok(None),
        }
    }

    fn begin(&mut self, fragment: &Fragment<'_>) -> usize {
        let mut shares_index = false;
        if let Some(index) = fragment.index {
            shares_index = self.calls.iter().any(|call| call.index == Some(index) && !call.is_complete());
        }
        self.calls.push(Call {
            index: fragment.index,
            id: fragment.id.map(str::to_owned),
            state: State::Nameless(String::new()),
            arguments: Completeness::default(),
            shares_index,
        });
        self.calls.len() - 1
    }

    /// The provider's id if no earlier call has it, else one of our own.
    fn unique_id(&self, at: usize) -> String {
        let id = self.calls[at].id.as_deref();
        let taken = |id: &str| self.calls[..at].iter().any(|call| call.id.as_deref() == Some(id));
        match id {
            Some(id) if !taken(id) => id.to_owned(),
            _ => format!("{}_{}", self.prefix, at + 1),
        }
    }

    fn positions(&self, wanted: impl Fn(&Call) -> bool) -> Vec<usize> {
        self.calls.iter().enumerate().filter(|(_, call)| wanted(call)).map(|(at, _)| at).collect()
    }
}

fn unclear(what: &str) -> Error {
    Error::new(ErrorKind::ProviderProtocol, format!("{what}, so it is not clear which call it belongs to"))
}
