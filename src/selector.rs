//! Which pods a rule is for: namespace patterns and label selectors.

mod glob;
mod labels;
mod namespace;

use std::borrow::Cow;

pub use labels::{LabelSelector, LabelSelectorError, Syntax};
pub(crate) use labels::{is_dns_subdomain, is_qualified_name};
pub use namespace::{NamespacePattern, NamespacePatternError};

use crate::json::Object;

/// What selectors look at: the namespace of an object and the metadata of its pod template.
#[derive(Clone, Debug, Default)]
pub struct Target<'o, 'a> {
    /// The namespace.
    pub namespace: Cow<'a, str>,
    /// The labels of the pod template.
    pub labels: Entries<'o, 'a>,
    /// The annotations of the pod template.
    pub annotations: Entries<'o, 'a>,
}

/// Labels or annotations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entries<'o, 'a>(Option<&'o Object<'a>>);

impl<'o, 'a> Entries<'o, 'a> {
    /// Takes an opened object of strings.
    pub fn new(object: Option<&'o Object<'a>>) -> Self {
        Self(object)
    }

    /// The value at a key. One that is not a string, which Kubernetes refuses, counts as absent.
    pub fn get(&self, key: &str) -> Option<Cow<'a, str>> {
        self.0?.get_str(key)
    }

    /// Whether a key starts with a prefix.
    pub fn any_starts_with(&self, prefix: &str) -> bool {
        let mut keys = self.0.iter().flat_map(|object| object.iter());
        keys.any(|(key, _)| key.name().is_some_and(|key| key.starts_with(prefix)))
    }
}

#[cfg(test)]
pub(crate) fn with_entries<T>(json: &str, look: impl FnOnce(Entries) -> T) -> T {
    use crate::json::{Shape, Value};
    look(Entries::new(Value::open(json, &Shape::Object(&[])).unwrap().as_object()))
}
