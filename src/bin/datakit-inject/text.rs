//! Text of manifests: read with the place of every value, and edited in place.
//!
//! A document is parsed into a tree of spans ([`tree::Node`]) and its data ([`data::Data`]). An edit
//! compares the data with the wanted data, and inserts or replaces text at the spans that differ;
//! every other byte stays. `yaml-edit` was weighed for this: it appends to
//! collections too, but knows no line numbers, no numbers of more than 64 bits and no merge keys, so
//! a second parser would have to agree with it.

mod align;
mod block;
pub(crate) mod data;
mod edit;
mod emit;
mod flow;
mod habits;
mod json;
mod scalar;
mod tree;
mod yaml;

pub(crate) use data::Data;
pub(crate) use edit::edited;
pub(crate) use tree::Source;

/// Why a text cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) reason: String,
}

/// Reads one YAML document; nothing where it is empty.
pub(crate) fn read_yaml(text: &str) -> Result<Option<Source<'_>>, Malformed> {
    yaml::read(text)
}

/// Reads one JSON text.
pub(crate) fn read_json(text: &str) -> Result<Source<'_>, Malformed> {
    json::read(text)
}

#[cfg(test)]
pub(crate) mod tests;
