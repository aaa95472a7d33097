//! Replaces a value as a whole.

use super::editor::{Cannot, Editor, Keep, Place};
use crate::emit::{double, inline, single};
use crate::read::scalar;
use crate::tree::{Kind, Node, Notation};
use crate::value::Value;

impl Editor<'_> {
    /// Writes a value in the place of another.
    pub(super) fn replace(
        &mut self,
        node: &Node,
        after: &Value,
        place: Place,
    ) -> Result<(), Cannot> {
        let (behind, indent, is_element) = match place {
            Place::Root => return Err(Cannot),
            Place::Flow => {
                self.replace_in_brackets(node, after);
                return Ok(());
            }
            Place::Element(behind, indent) => (behind, indent, true),
            Place::Member(behind, indent) => (behind, indent, false),
        };
        if !after.is_filled() {
            self.replace_by_scalar(node, after, behind, indent);
            return Ok(());
        }
        let deeper = match after {
            _ if is_element => indent + 2,
            Value::Sequence(_) => indent + self.style.block.dash,
            _ => indent + self.style.block.step,
        };
        let lines = self.style.block.lines(after, deeper);
        let end = node.end.max(behind);
        let is_block = node.is_block();
        let has_comment = self.comment_behind(end).0 > end;
        // Behind lines, the comment would be about something else.
        let keeps_comment = is_element && !is_block && node.outer < node.end && has_comment;
        if keeps_comment || self.is_written_null(node) {
            let written = self.style.flow.write(after, indent);
            self.edit(node.outer..node.end, written);
        } else if is_element || is_block {
            let lines = lines.trim_end_matches('\n');
            let (end, separator) = self.comment_behind(end);
            let written = match is_element {
                true => format!(" {}{separator}", lines.trim_start_matches(' ')),
                false => format!("\n{lines}{separator}"),
            };
            self.edit(behind..end, written);
        } else {
            if behind < end {
                self.edit(behind..end, String::new());
            }
            self.insert_lines(self.tree.text.next_line(end), lines);
        }
        Ok(())
    }

    fn replace_in_brackets(&mut self, node: &Node, after: &Value) {
        let indent = self.tree.text.indent(node.start);
        let written = match (&node.kind, after) {
            (Kind::Scalar(Notation::DoubleQuoted), Value::String(text)) => double(text),
            (Kind::Scalar(Notation::SingleQuoted), Value::String(text)) => single(text),
            _ => self.style.flow.write(after, indent),
        };
        // A missing value is directly behind its colon.
        let separator = if node.outer == node.end { " " } else { "" };
        self.edit(node.outer..node.end, format!("{separator}{written}"));
    }

    /// Replaces a value in a block by a scalar or an empty collection.
    fn replace_by_scalar(&mut self, node: &Node, after: &Value, behind: usize, indent: usize) {
        let written = self.scalar_like(node, after, indent);
        let line = self.tree.text.line_start(node.start);
        if node.outer < node.end && !node.is_block() {
            self.edit(node.outer..node.end, written);
            return;
        }
        // A null that is missing may have become a block; one that is written becomes brackets.
        let is_missing = node.is_block() && matches!(after, Value::Null);
        let written = if is_missing { String::new() } else { format!(" {written}") };
        if node.is_block() && line > behind && node.anchor.is_none() {
            // A comment beside the key stays there.
            self.edit(behind..behind, written);
            self.delete_lines(line, node.end);
        } else {
            self.edit(behind..node.end.max(behind), written);
        }
    }

    /// Whether a value is a `null` that is written, and not merely missing. Brackets in its place tell
    /// the two apart, when they become null again.
    fn is_written_null(&self, node: &Node) -> bool {
        let text = self.tree.text.slice(node.outer, node.end);
        let is_null = matches!(text, "null" | "~" | "Null" | "NULL");
        is_null && matches!(node.kind, Kind::Scalar(Notation::Plain)) && self.keep == Keep::Parts
    }

    /// A scalar with the quotes of another.
    fn scalar_like(&self, node: &Node, after: &Value, indent: usize) -> String {
        let (Kind::Scalar(notation), Value::String(text)) = (&node.kind, after) else {
            return inline(after);
        };
        match notation {
            Notation::DoubleQuoted => double(text),
            Notation::SingleQuoted => single(text),
            Notation::Plain if matches!(scalar::plain(text), Value::String(_)) => inline(after),
            Notation::Plain => single(text),
            Notation::Block => self.style.block.scalar(after, indent),
        }
    }
}
