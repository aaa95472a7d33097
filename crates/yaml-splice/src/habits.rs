//! How a document is indented and broken into lines.

use crate::emit::Indentation;
use crate::tree::{Kind, Layout, Node, Source, begins_line, column, line_start, slice};

/// The line break of a text: that of its first line.
pub(super) fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(place) if slice(text, 0, place).ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// How a document indents: as the first collections in it do.
pub(super) fn indentation(source: &Source) -> Indentation {
    let (mut step, mut dash) = (None, None);
    look(source.text, &source.root, &mut step, &mut dash);
    Indentation { step: step.unwrap_or(2), dash: dash.unwrap_or(0) }
}

fn look(text: &str, node: &Node, step: &mut Option<usize>, dash: &mut Option<usize>) {
    let (Kind::Map(entries, _) | Kind::Seq(entries, _)) = &node.kind else { return };
    for entry in entries {
        if step.is_some() && dash.is_some() {
            return;
        }
        let found = match (&node.kind, &entry.node.kind) {
            (Kind::Map(_, Layout::Block), Kind::Map(_, Layout::Block)) => Some(&mut *step),
            (Kind::Map(_, Layout::Block), Kind::Seq(_, Layout::Block)) => Some(&mut *dash),
            _ => None,
        };
        if let Some(found) = found {
            let inner = column(text, entry.node.start);
            found.get_or_insert(inner.saturating_sub(column(text, entry.mark)));
        }
        look(text, &entry.node, step, dash);
    }
}

/// The indentation of a level of JSON on many lines.
pub(super) fn json_step(source: &Source) -> Option<usize> {
    let (Kind::Map(entries, _) | Kind::Seq(entries, _)) = &source.root.kind else { return None };
    let first = entries.first()?.mark;
    begins_line(source.text, first).then(|| column(source.text, first).max(1))
}

/// The indentation of the line of a place.
pub(super) fn line_indent(text: &str, place: usize) -> usize {
    let line = slice(text, line_start(text, place), text.len());
    line.len() - line.trim_start_matches([' ', '\t']).len()
}
