//! Changes a value to another, by the smallest parts that differ.

use super::editor::{Cannot, Editor, Keep, Place};
use crate::align::{Step, mapping_steps, sequence_steps};
use crate::tree::{Child, Kind, Layout, Node};
use crate::value::Value;

impl Editor<'_> {
    /// Changes a value from `before` to `after`.
    pub(super) fn change(
        &mut self,
        node: &Node,
        before: &Value,
        after: &Value,
        place: Place,
    ) -> Result<(), Cannot> {
        if before == after && self.anchors.is_empty() {
            return Ok(());
        }
        let edits = self.edits.len();
        let changed = match (&node.kind, before, after) {
            (Kind::Alias(id), ..) => self.change_alias(*id, before, after),
            (Kind::Mapping(children, layout), Value::Mapping(before), Value::Mapping(after)) => {
                mapping_steps(children, before, after, !self.anchors.is_empty())
                    .ok_or(Cannot)
                    .and_then(|steps| self.carry_out(node, children, *layout, steps, place))
            }
            (Kind::Sequence(children, layout), Value::Sequence(before), Value::Sequence(after)) => {
                self.carry_out(node, children, *layout, sequence_steps(before, after), place)
            }
            _ if before == after => Ok(()),
            (Kind::Scalar(notation), Value::String(before), Value::String(after))
                if self.keep == Keep::Parts =>
            {
                self.change_string(node, *notation, before, after, place)
            }
            _ => Err(Cannot),
        };
        if changed.is_err() {
            self.edits.truncate(edits);
            self.replace(node, after, place)?;
        }
        if let Some(id) = node.anchor.filter(|_| before != after) {
            self.anchors.insert(id, after.clone());
        }
        Ok(())
    }

    /// An alias stays where its anchor has changed to the same.
    fn change_alias(&self, id: usize, before: &Value, after: &Value) -> Result<(), Cannot> {
        match self.anchors.get(&id).unwrap_or(before) == after {
            true => Ok(()),
            false => Err(Cannot),
        }
    }

    fn carry_out(
        &mut self,
        node: &Node,
        children: &[Child],
        layout: Layout,
        steps: Vec<Step>,
        place: Place,
    ) -> Result<(), Cannot> {
        match layout {
            Layout::Block => {
                let is_emptied = steps.iter().all(|step| matches!(step, Step::Delete(_)));
                if is_emptied {
                    return Err(Cannot);
                }
                self.change_block(node, children, steps, place)
            }
            Layout::Flow => {
                let is_filled = children.is_empty() && !steps.is_empty();
                if is_filled && self.becomes_block(node, place) {
                    return Err(Cannot);
                }
                self.change_flow(node, children, steps)
            }
        }
    }

    /// Whether an empty collection becomes a block when it is filled: where it is written as an empty
    /// block would be, so that emptying the block gives the same text again.
    fn becomes_block(&self, node: &Node, place: Place) -> bool {
        let (Place::Element(behind, _) | Place::Member(behind, _)) = place else { return false };
        let text = self.tree.text.slice(behind, node.end);
        self.keep == Keep::Nothing || matches!(text, " []" | " {}")
    }
}
