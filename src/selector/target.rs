//! What selectors look at.

use std::borrow::Cow;

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

    /// Whether a key is there, whatever its value is.
    pub fn has(&self, key: &str) -> bool {
        self.0.is_some_and(|object| object.get(key).is_some())
    }

    /// Whether the value at a key is there and not a string.
    pub fn is_malformed(&self, key: &str) -> bool {
        let value = self.0.and_then(|object| object.get(key)).filter(|value| !value.is_null());
        value.is_some_and(|value| value.as_str().is_none())
    }

    /// The keys that start with a prefix.
    pub fn keys_with_prefix(&self, prefix: &'static str) -> impl Iterator<Item = Cow<'a, str>> {
        let keys = self.0.into_iter().flat_map(|object| object.iter());
        keys.filter_map(|(key, _)| key.name()).filter(move |key| key.starts_with(prefix))
    }
}

#[cfg(test)]
pub(crate) fn with_entries<T>(json: &str, look: impl FnOnce(Entries) -> T) -> T {
    use crate::json::{Shape, Value};
    look(Entries::new(Value::open(json, &Shape::Object(&[])).unwrap().as_object()))
}
