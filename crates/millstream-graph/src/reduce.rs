//! Reducers: plain functions that join what is there with what is written.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Puts the new elements behind the old ones.
pub fn append<T>(old: &mut Vec<T>, mut new: Vec<T>) {
    old.append(&mut new);
}

/// Adds.
pub fn sum<T: AddAssign>(old: &mut T, new: T) {
    *old += new;
}

/// Keeps the larger one.
pub fn max<T: PartialOrd>(old: &mut T, new: T) {
    if new > *old {
        *old = new;
    }
}

/// Adds entries; the new value of a key replaces the old one.
pub fn merge<K: Ord, V>(old: &mut BTreeMap<K, V>, new: BTreeMap<K, V>) {
    old.extend(new);
}
