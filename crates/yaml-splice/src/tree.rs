//! Where the values of a document are.

use crate::Data;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Yaml,
    Json,
}

/// A document: its text, its spans and its data.
#[derive(Debug)]
pub struct Source<'t> {
    /// The text that was read.
    pub text: &'t str,
    pub(crate) format: Format,
    /// Where its values are.
    pub root: Node,
    /// What it says.
    pub data: Data,
}

/// The place of a value.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where its anchor or tag begins, or else the value.
    pub(crate) outer: usize,
    /// The first byte: of a flow collection the bracket, of a block collection the first dash or key.
    pub start: usize,
    /// Behind the last byte, without the line break.
    pub(crate) end: usize,
    /// The number of its anchor.
    pub(crate) anchor: Option<usize>,
    pub(crate) kind: Kind,
}

impl Node {
    /// The place of a member of a map.
    pub fn member(&self, key: &str) -> Option<&Self> {
        let Kind::Map(entries, _) = &self.kind else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Where each element of a sequence begins.
    pub fn starts(&self) -> Vec<usize> {
        let Kind::Seq(entries, _) = &self.kind else { return Vec::new() };
        entries.iter().map(|entry| entry.node.start).collect()
    }
}

/// What is in a place.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar(Style),
    Seq(Vec<Entry>, Layout),
    Map(Vec<Entry>, Layout),
    /// The number of the anchor it refers to.
    Alias(usize),
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    Block,
}

/// How a collection is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// By lines and indentation.
    Block,
    /// In brackets.
    Flow,
}

/// An element of a sequence or a member of a map.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The key; empty in a sequence.
    pub(crate) key: String,
    /// Where the entry begins: at the dash in a block sequence, at the key in a map.
    pub(crate) mark: usize,
    /// Behind the dash or the colon.
    pub(crate) after: usize,
    /// Whether the key is `<<`, which takes the members of other maps.
    pub(crate) is_merge: bool,
    pub(crate) node: Node,
}

impl Entry {
    /// Behind the last byte of the entry.
    pub(crate) fn end(&self) -> usize {
        self.node.end.max(self.after)
    }
}

/// The beginning of the line of a place.
pub(crate) fn line_start(text: &str, place: usize) -> usize {
    slice(text, 0, place).rfind('\n').map_or(0, |newline| newline + 1)
}

/// The column of a place, in bytes.
pub(crate) fn column(text: &str, place: usize) -> usize {
    place - line_start(text, place)
}

/// The beginning of the next line; nothing where the text ends in this line.
pub(crate) fn next_line(text: &str, place: usize) -> Option<usize> {
    slice(text, place, text.len()).find('\n').map(|newline| place + newline + 1)
}

/// Whether there is nothing but blanks before a place in its line.
pub(crate) fn begins_line(text: &str, place: usize) -> bool {
    slice(text, line_start(text, place), place).bytes().all(|byte| byte == b' ' || byte == b'\t')
}

/// A part of a text; empty where there is none.
pub(crate) fn slice(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or_default()
}
