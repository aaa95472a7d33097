//! Text of manifests: read with the place of every value, and edited in place.
//!
//! A document is parsed into a tree of spans ([`tree::Node`]) and its data ([`data::Data`]). An edit
//! compares the data with the wanted data, and inserts or replaces text at the spans that differ;
//! every other byte stays. `yaml-edit` was weighed for this: it appends to
//! collections too, but knows no line numbers, no numbers of more than 64 bits and no merge keys, so
//! a second parser would have to agree with it.

mod align;
mod block;
mod data;
mod edit;
mod emit;
mod flow;
mod habits;
mod json;
mod scalar;
mod tree;
mod yaml;

pub use data::Data;
pub use edit::{Edited, edited};
pub use tree::{Node, Source};

/// Why a text cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// Reads one YAML document; nothing where it is empty.
pub fn read_yaml(text: &str) -> Result<Option<Source<'_>>, Malformed> {
    yaml::read(text)
}

/// Reads one JSON text.
pub fn read_json(text: &str) -> Result<Source<'_>, Malformed> {
    json::read(text)
}
