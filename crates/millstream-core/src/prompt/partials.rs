//! Variables that a prompt has already.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::vars::Vars;

/// Values, and functions that are called at each use. What is given to a run goes before them.
#[derive(Clone, Default)]
pub(super) struct Partials(Vec<(String, Arc<dyn Fn() -> Vars + Send + Sync>)>);

impl Partials {
    /// Adds the value of the variable `name`.
    pub(super) fn add_value(&mut self, name: String, value: impl Serialize) {
        let given = Vars::new().with(name.clone(), value);
        self.add(name, move || given.clone());
    }

    /// Adds what makes the value of the variable `name` at each use.
    pub(super) fn add_function<T: Serialize>(&mut self, name: String, make: impl Fn() -> T + Send + Sync + 'static) {
        self.add(name.clone(), move || Vars::new().with(name.clone(), make()));
    }

    /// Adds what gives the variable `name`, in the place of what gave it before.
    fn add(&mut self, name: String, make: impl Fn() -> Vars + Send + Sync + 'static) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, Arc::new(make)));
    }

    /// Adds those of another prompt, in the place of those with the same names.
    pub(super) fn extend(&mut self, others: Self) {
        self.0.retain(|(known, _)| !others.has(known));
        self.0.extend(others.0);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// `vars` with what they lack.
    pub(super) fn complete<'a>(&self, vars: &'a Vars) -> Cow<'a, Vars> {
        let mut vars = Cow::Borrowed(vars);
        for (name, make) in &self.0 {
            if vars.get(name).is_none() {
                for (name, value) in make() {
                    vars.to_mut().insert(name, value);
                }
            }
        }
        vars
    }
}

impl fmt::Debug for Partials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
