//! Changes a value to another, by the smallest parts that differ.

use super::editor::{Cannot, Editor, Place};
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
            (Kind::Alias(id), ..) => match self.anchors.get(id).unwrap_or(before) == after {
                true => Ok(()),
                false => Err(Cannot),
            },
            (Kind::Mapping(children, layout), Value::Mapping(before), Value::Mapping(after)) => {
                mapping_steps(children, before, after, !self.anchors.is_empty())
                    .ok_or(Cannot)
                    .and_then(|steps| self.carry_out(node, children, *layout, steps, place))
            }
            (Kind::Sequence(children, layout), Value::Sequence(before), Value::Sequence(after)) => {
                self.carry_out(node, children, *layout, sequence_steps(before, after), place)
            }
            _ if before == after => Ok(()),
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

    fn carry_out(
        &mut self,
        node: &Node,
        children: &[Child],
        layout: Layout,
        steps: Vec<Step>,
        place: Place,
    ) -> Result<(), Cannot> {
        let is_emptied =
            !children.is_empty() && steps.iter().all(|step| matches!(step, Step::Delete(_)));
        // `[]` and `{}` in a block become a block themselves.
        let becomes_block =
            children.is_empty() && !matches!(place, Place::Flow | Place::Root) && !steps.is_empty();
        if is_emptied || becomes_block {
            return Err(Cannot);
        }
        match layout {
            Layout::Block => self.change_block(node, children, steps, place),
            Layout::Flow => self.change_flow(node, children, steps),
        }
    }
}
