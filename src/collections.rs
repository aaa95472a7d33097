//! Ordered maps and sets, filled one by one.
//!
//! The standard library sorts what it collects into them, with an algorithm of its own for every
//! type: a tenth of the module. Inserting is as fast for the few elements there are.

use std::collections::{BTreeMap, BTreeSet};

/// A map; of several values of one key the last counts.
pub(crate) fn map<K: Ord, V>(entries: impl Iterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in entries {
        map.insert(key, value);
    }
    map
}

/// A set.
pub(crate) fn set<T: Ord>(elements: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    for element in elements {
        set.insert(element);
    }
    set
}
