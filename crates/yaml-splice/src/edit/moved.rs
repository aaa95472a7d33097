//! Moves the text of entries.

use std::ops::Range;

use super::editor::{Editor, Keep};
use crate::splice::{Edit, apply, in_order};
use crate::tree::Child;

impl Editor<'_> {
    /// The lines of an entry of a block, with the comments and blank lines above it; `None` if it
    /// shares a line with something else, or if its text is not kept.
    pub(super) fn own_lines(&self, children: &[Child], index: usize) -> Option<Range<usize>> {
        let text = &self.tree.text;
        let child = children.get(index).filter(|_| self.keep == Keep::Parts)?;
        let mut start = text.line_start(child.mark);
        if !text.starts_line(child.mark) {
            return None;
        }
        let previous = index.checked_sub(1).and_then(|index| children.get(index));
        let above = previous.map_or(0, Child::end);
        while let Some(line) = start.checked_sub(1).map(|end| text.line_start(end))
            && line > above
            && matches!(text.rest_of_line(line).trim_start().as_bytes().first(), None | Some(b'#'))
        {
            start = line;
        }
        Some(start..text.next_line(child.end()).unwrap_or(text.len()))
    }

    /// The text of a range with the edits that were made since there were so many. They are taken
    /// back: the range is going to be deleted.
    pub(super) fn cut(&mut self, range: &Range<usize>, edits: usize) -> Option<String> {
        let edits = self.edits.split_off(edits);
        let text = self.tree.text.slice(range.start, range.end);
        let in_range = |edit: Edit| {
            let start = edit.range.start.checked_sub(range.start)?;
            let end = edit.range.end.checked_sub(range.start).filter(|end| *end <= text.len())?;
            Some(Edit { range: start..end, ..edit })
        };
        let edits = edits.into_iter().map(in_range).collect::<Option<Vec<_>>>()?;
        let text = apply(text, &in_order(edits, text)?);
        Some(text.replace("\r\n", "\n"))
    }
}
