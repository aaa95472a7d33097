//! How a document is indented and written, so that additions look like the rest of it.

use crate::emit::{Block, Flow};
use crate::tree::{Child, Format, Kind, Layout, Node, Tree};

/// The style of additions to a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) block: Block,
    pub(crate) flow: Flow,
}

impl Style {
    /// The style of the first collections of a document.
    pub(crate) fn of(tree: &Tree) -> Self {
        let (mut step, mut dash) = (None, None);
        indentation(tree, &tree.root, &mut step, &mut dash);
        let block = Block { step: step.unwrap_or(2), dash: dash.unwrap_or(0) };
        let is_json = tree.format == Format::Json;
        let step = if is_json { json_step(tree) } else { None };
        let is_compact = is_json && step.is_none() && !tree.text.str.contains("\": ");
        Self { block, flow: Flow { is_json, is_compact, step } }
    }
}

fn indentation(tree: &Tree, node: &Node, step: &mut Option<usize>, dash: &mut Option<usize>) {
    for child in node.children() {
        if step.is_some() && dash.is_some() {
            return;
        }
        let found = match (&node.kind, &child.node.kind) {
            (Kind::Mapping(_, Layout::Block), Kind::Mapping(_, Layout::Block)) => Some(&mut *step),
            (Kind::Mapping(_, Layout::Block), Kind::Sequence(_, Layout::Block)) => Some(&mut *dash),
            _ => None,
        };
        if let Some(found) = found {
            let inner = tree.text.column(child.node.start);
            found.get_or_insert(inner.saturating_sub(tree.text.column(child.mark)));
        }
        indentation(tree, &child.node, step, dash);
    }
}

/// The indentation of a level of JSON on many lines.
fn json_step(tree: &Tree) -> Option<usize> {
    let Child { mark, .. } = tree.root.children().first()?;
    tree.text.starts_line(*mark).then(|| tree.text.column(*mark).max(1))
}
