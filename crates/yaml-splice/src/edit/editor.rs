//! Collects edits.

use std::collections::HashMap;
use std::ops::Range;

use crate::style::Style;
use crate::text::Text;
use crate::tree::Tree;
use crate::value::Value;

/// A replacement of a part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) range: Range<usize>,
    pub(crate) text: String,
}

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

/// Collects the edits of a document.
pub(super) struct Editor<'s> {
    pub(super) tree: &'s Tree<'s>,
    pub(super) style: Style,
    pub(super) edits: Vec<Edit>,
    /// The new values of anchors that have changed.
    pub(super) anchors: HashMap<usize, Value>,
}

impl<'s> Editor<'s> {
    pub(super) fn new(tree: &'s Tree<'s>) -> Self {
        Self { tree, style: Style::of(tree), edits: Vec::new(), anchors: HashMap::new() }
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
    pub(super) fn finish(mut self) -> Option<Vec<Edit>> {
        let text = &self.tree.text;
        // What is inserted comes before what is deleted at the same offset.
        self.edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        let mut edits: Vec<Edit> = Vec::new();
        for edit in self.edits {
            let Some(last) = edits.last_mut() else {
                edits.push(edit);
                continue;
            };
            if edit.range.start < last.range.end {
                return None;
            }
            if edit.range.start > last.range.end {
                edits.push(edit);
                continue;
            }
            let is_deletion = last.range.end > last.range.start;
            let ends_line = last.text.ends_with('\n')
                || last.text.is_empty() && text.slice(0, last.range.start).ends_with('\n');
            let added = match edit.range.start == text.len() && is_deletion && ends_line {
                true => edit.text.strip_prefix('\n').unwrap_or(&edit.text),
                false => &edit.text,
            };
            last.text.push_str(added);
            last.range.end = edit.range.end;
        }
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

/// The text with edits that are in its order.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> String {
    let (mut edited, mut offset) = (String::with_capacity(text.len() * 2), 0);
    for Edit { range, text: added } in edits {
        edited.push_str(text.get(offset..range.start).unwrap_or_default());
        edited.push_str(added);
        offset = range.end;
    }
    edited.push_str(text.get(offset..).unwrap_or_default());
    edited
}
