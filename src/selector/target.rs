//! What selectors look at.

use std::borrow::Cow;

use crate::json::{Object, Value};

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

    /// The entries whose keys start with a prefix.
    pub fn with_prefix(
        self,
        prefix: &'static str,
    ) -> impl Iterator<Item = (Cow<'a, str>, &'o Value<'a>)> {
        let entries = self.0.into_iter().flat_map(Object::iter);
        let named = entries.filter_map(|(key, value)| Some((key.name()?, value)));
        named.filter(move |(key, _)| key.starts_with(prefix))
    }
}

#[cfg(test)]
pub(crate) fn with_entries<T>(json: &str, look: impl FnOnce(Entries) -> T) -> T {
    use crate::json::Shape;
    look(Entries::new(Value::open(json, &Shape::Object(&[])).unwrap().as_object()))
}
