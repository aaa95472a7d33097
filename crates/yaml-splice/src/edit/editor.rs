//! Collects edits.

use std::collections::HashMap;
use std::ops::Range;

use crate::splice::{Edit, in_order};
use crate::style::Style;
use crate::text::Text;
use crate::tree::Tree;
use crate::value::Value;

/// A value cannot be edited where it is; an enclosing value has to be rewritten.
#[derive(Debug)]
pub(super) struct Cannot;

/// Where a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// It is the document.
    Root,
    /// In brackets.
    Flow,
    /// An element of a block sequence: the offset behind the dash, and the column of the dash.
    Element(usize, usize),
    /// A member of a block mapping: the offset behind the colon, and the column of the key.
    Member(usize, usize),
}

/// How much of the text of what changes is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Scalars are lengthened and shortened, entries are moved.
    Parts,
    /// What changes is written anew.
    Nothing,
}

/// Collects the edits of a document.
pub(super) struct Editor<'s> {
    pub(super) tree: &'s Tree<'s>,
    pub(super) style: Style,
    pub(super) keep: Keep,
    pub(super) edits: Vec<Edit>,
    /// The new values of anchors that have changed.
    pub(super) anchors: HashMap<usize, Value>,
}

impl<'s> Editor<'s> {
    pub(super) fn new(tree: &'s Tree<'s>, keep: Keep) -> Self {
        let (style, edits, anchors) = (Style::of(tree), Vec::new(), HashMap::new());
        Self { tree, style, keep, edits, anchors }
    }

    pub(super) fn edit(&mut self, range: Range<usize>, text: String) {
        self.edits.push(Edit { range, text });
    }

    /// Inserts lines at the start of a line, or at the end of a text without a final line break.
    pub(super) fn insert_lines(&mut self, line: Option<usize>, lines: String) {
        match line {
            Some(line) => self.edit(line..line, lines),
            None => {
                let end = self.tree.text.len();
                self.edit(end..end, format!("\n{}", lines.trim_end_matches('\n')));
            }
        }
    }

    /// Deletes lines, from the start of one to the end of the line of another offset.
    pub(super) fn delete_lines(&mut self, start: usize, end: usize) {
        let text = &self.tree.text;
        let end = text.next_line(end).unwrap_or(text.len());
        self.edit(start..end, String::new());
    }

    /// The start of a comment that follows in the line of an offset, and what separates it from new
    /// lines before it: behind text, it could become text itself. Without a comment, the offset and
    /// nothing.
    pub(super) fn comment_behind(&self, offset: usize) -> (usize, &'static str) {
        let line = self.tree.text.rest_of_line(offset);
        match line.trim().is_empty() {
            true => (offset, ""),
            false => (offset + line.len() - line.trim_start().len(), "\n"),
        }
    }

    /// The edits in the order of the text; `None` if one is inside another.
    pub(super) fn finish(self) -> Option<Vec<Edit>> {
        let text = &self.tree.text;
        let mut edits = in_order(self.edits, text.str)?;
        if let Some(last) = edits.last_mut() {
            end_without_line_break(text, last);
        }
        for edit in &mut edits {
            edit.text = edit.text.replace('\n', text.line_break());
        }
        Some(edits)
    }
}

/// When the last lines of a text without a final line break go, so does the line break before them.
fn end_without_line_break(text: &Text, last: &mut Edit) {
    let deletes_end = last.range.end == text.len() && last.range.start < last.range.end;
    if !deletes_end || text.str.ends_with('\n') {
        return;
    }
    if last.text.is_empty() {
        let before = text.slice(0, last.range.start);
        let shorter = before.strip_suffix('\n').unwrap_or(before);
        last.range.start = shorter.strip_suffix('\r').unwrap_or(shorter).len();
    } else if let Some(shorter) = last.text.strip_suffix('\n') {
        last.text.truncate(shorter.len());
    }
}
