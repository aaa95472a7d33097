//! A parsed text: its values, and where in the text each of them is.

use crate::text::Text;
use crate::value::Value;

/// The language of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Yaml,
    Json,
}

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Tree<'t> {
    pub(crate) text: Text<'t>,
    pub(crate) format: Format,
    pub(crate) root: Node,
    pub(crate) value: Value,
}

/// Where a value is.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where its anchor or tag starts, else the value.
    pub(crate) outer: usize,
    /// Its first byte: the bracket of a flow collection, the first dash or key of a block collection.
    pub(crate) start: usize,
    /// Behind its last byte, without the line break.
    pub(crate) end: usize,
    /// The number of its anchor.
    pub(crate) anchor: Option<usize>,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar(Notation),
    Sequence(Vec<Child>, Layout),
    Mapping(Vec<Child>, Layout),
    /// The number of the anchor that it refers to.
    Alias(usize),
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// Literal or folded.
    Block,
}

/// How a collection is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// With lines and indentation.
    Block,
    /// In brackets.
    Flow,
}

/// An element of a sequence or a member of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    /// The key; empty in a sequence.
    pub(crate) key: String,
    /// Where it starts: at the dash in a block sequence, at the key in a mapping.
    pub(crate) mark: usize,
    /// Behind the dash or the colon.
    pub(crate) after: usize,
    /// Whether the key is `<<`, which merges other mappings into this one.
    pub(crate) is_merge: bool,
    pub(crate) node: Node,
}

impl Child {
    /// Behind its last byte.
    pub(crate) fn end(&self) -> usize {
        self.node.end.max(self.after)
    }
}

impl Node {
    /// The elements or members; none of a scalar or an alias.
    pub(crate) fn children(&self) -> &[Child] {
        match &self.kind {
            Kind::Sequence(children, _) | Kind::Mapping(children, _) => children,
            Kind::Scalar(_) | Kind::Alias(_) => &[],
        }
    }

    /// Whether it is a collection that is written with lines and indentation.
    pub(crate) fn is_block(&self) -> bool {
        matches!(self.kind, Kind::Sequence(_, Layout::Block) | Kind::Mapping(_, Layout::Block))
    }
}
