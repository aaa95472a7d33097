//! Lengthens and shortens strings where they are, whatever their style.

use std::ops::Range;

use super::editor::{Cannot, Editor, Place};
use crate::emit;
use crate::tree::{Node, Notation};

impl Editor<'_> {
    /// Changes a string to a longer or a shorter one by what is added or removed at its ends.
    pub(super) fn change_string(
        &mut self,
        node: &Node,
        notation: Notation,
        before: &str,
        after: &str,
        place: Place,
    ) -> Result<(), Cannot> {
        if notation == Notation::Plain && !emit::is_plain(after, matches!(place, Place::Flow)) {
            return Err(Cannot);
        }
        let grows = ends_around(before, after);
        let ends = grows.or_else(|| ends_around(after, before)).ok_or(Cannot)?;
        let (prefix, suffix) = (encoded(ends.0, notation), encoded(ends.1, notation));
        let (prefix, suffix) = (prefix.ok_or(Cannot)?, suffix.ok_or(Cannot)?);
        let content = self.content(node, notation).ok_or(Cannot)?;
        let is_last_line = notation == Notation::Block && !suffix.is_empty();
        match grows {
            Some(_) if is_last_line && before.ends_with('\n') => {
                self.add_last_line(node, &content, &suffix)?;
            }
            Some(_) if !suffix.is_empty() => self.edit(content.end..content.end, suffix),
            None if is_last_line && after.ends_with('\n') => {
                self.remove_last_line(node, &content, &suffix)?;
            }
            None if !suffix.is_empty() => {
                let text = self.tree.text.slice(content.start, content.end);
                let rest = text.strip_suffix(&*suffix).ok_or(Cannot)?;
                self.edit(content.start + rest.len()..content.end, String::new());
            }
            _ => {}
        }
        if prefix.is_empty() {
            return Ok(());
        }
        if grows.is_some() {
            self.edit(content.start..content.start, prefix);
        } else if self.tree.text.from(content.start).starts_with(&*prefix) {
            self.edit(content.start..content.start + prefix.len(), String::new());
        } else {
            return Err(Cannot);
        }
        Ok(())
    }

    /// Where the text of a string is, without its quotes or its header.
    fn content(&self, node: &Node, notation: Notation) -> Option<Range<usize>> {
        let Range { start, end } = node.start..node.end;
        match notation {
            Notation::Plain => Some(start..end),
            Notation::SingleQuoted | Notation::DoubleQuoted => Some(start + 1..end - 1),
            Notation::Block => {
                let line = self.tree.text.next_line(start).filter(|line| *line < end)?;
                Some(line + self.tree.text.indent(line)..end)
            }
        }
    }

    /// Adds a line to a block scalar that ends in a line break; then it ends in none.
    fn add_last_line(
        &mut self,
        node: &Node,
        content: &Range<usize>,
        line: &str,
    ) -> Result<(), Cannot> {
        let header = self.header(node).ok_or(Cannot)?;
        if self.tree.text.slice(header.start, header.end).contains(['-', '+']) {
            return Err(Cannot);
        }
        let indent = " ".repeat(self.tree.text.column(content.start));
        self.edit(header.end..header.end, "-".to_owned());
        self.edit(content.end..content.end, format!("\n{indent}{line}"));
        Ok(())
    }

    /// The reverse of [`add_last_line`](Self::add_last_line).
    fn remove_last_line(
        &mut self,
        node: &Node,
        content: &Range<usize>,
        line: &str,
    ) -> Result<(), Cannot> {
        let text = &self.tree.text;
        let header = self.header(node).ok_or(Cannot)?;
        let start = text.line_start(content.end);
        let is_line = text.slice(start, content.end).strip_suffix(line).is_some_and(|indent| {
            indent.len() == text.column(content.start) && indent.trim().is_empty()
        });
        if !text.slice(header.start, header.end).ends_with('-') || !is_line {
            return Err(Cannot);
        }
        let before = text.slice(content.start, start).trim_end_matches(['\r', '\n']);
        let end = content.start + before.len();
        self.edit(header.end - 1..header.end, String::new());
        self.edit(end..content.end, String::new());
        Ok(())
    }

    /// The indicators of a block scalar.
    fn header(&self, node: &Node) -> Option<Range<usize>> {
        let length = self.tree.text.rest_of_line(node.start).split([' ', '\t']).next()?.len();
        Some(node.start..node.start + length)
    }
}

/// What precedes and what follows a string in a longer one.
fn ends_around<'l>(short: &str, long: &'l str) -> Option<(&'l str, &'l str)> {
    match (long.strip_prefix(short), long.strip_suffix(short)) {
        (Some(suffix), _) => Some(("", suffix)),
        (None, Some(prefix)) => Some((prefix, "")),
        (None, None) => long.split_once(short),
    }
}

/// A part of a string as it is written in a style; `None` if it cannot be.
fn encoded(part: &str, notation: Notation) -> Option<String> {
    let quoted = match notation {
        Notation::DoubleQuoted => emit::double(part),
        _ if !emit::is_printable(part) => return None,
        Notation::SingleQuoted => emit::single(part),
        Notation::Plain | Notation::Block => return Some(part.to_owned()),
    };
    quoted.get(1..quoted.len() - 1).map(str::to_owned)
}
