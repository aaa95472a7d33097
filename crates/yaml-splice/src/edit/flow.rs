//! Edits collections in brackets.

use std::collections::HashSet;

use super::editor::{Cannot, Editor, Keep, Place};
use crate::align::{New, Step};
use crate::emit::Flow;
use crate::tree::{Child, Kind, Node};

impl Editor<'_> {
    pub(super) fn change_flow(
        &mut self,
        node: &Node,
        children: &[Child],
        steps: Vec<Step>,
    ) -> Result<(), Cannot> {
        let mut previous: Option<usize> = None;
        let mut deleted = HashSet::new();
        let inserts = steps.iter().any(|step| matches!(step, Step::Insert(_)));
        for step in steps {
            match step {
                Step::Keep(index, before, after) => {
                    let child = children.get(index).ok_or(Cannot)?;
                    self.change(&child.node, before, after, Place::Flow)?;
                    previous = Some(index);
                }
                Step::Delete(index) => {
                    deleted.insert(index);
                }
                Step::Insert(new) => {
                    let previous = previous.and_then(|index| children.get(index));
                    self.insert_entries(node, children, previous, &new)?;
                }
            }
        }
        if inserts && !children.is_empty() && deleted.len() == children.len() {
            return Err(Cannot);
        }
        self.delete_entries(node, children, &deleted);
        Ok(())
    }

    fn insert_entries(
        &mut self,
        node: &Node,
        children: &[Child],
        previous: Option<&Child>,
        new: &[New],
    ) -> Result<(), Cannot> {
        let (text, flow) = (&self.tree.text, self.style.flow);
        let is_mapping = matches!(node.kind, Kind::Mapping(..));
        let neighbour = previous.or(children.first());
        let has_lines = neighbour.is_some_and(|child| text.starts_line(child.mark));
        let indent = match neighbour {
            Some(child) if has_lines => text.column(child.mark),
            Some(_) => text.indent(node.start),
            None => text.indent(node.start) + flow.step.unwrap_or_default(),
        };
        // Entries on one line stay on one line.
        let style = match neighbour {
            Some(_) if !has_lines => Flow { step: None, ..flow },
            _ => flow,
        };
        let written = new.iter().map(|new| match (is_mapping, new.moved) {
            (true, _) => Ok(style.member(new.key, new.value, indent)),
            (false, Some((index, before))) if self.keep == Keep::Parts => {
                let child = children.get(index).ok_or(Cannot)?;
                let edits = self.edits.len();
                self.change(&child.node, before, new.value, Place::Flow)?;
                self.cut(&(child.mark..child.end()), edits).ok_or(Cannot)
            }
            (false, _) => Ok(style.write(new.value, indent)),
        });
        let written = written.collect::<Result<Vec<_>, Cannot>>()?;
        let text = &self.tree.text;
        let separator = match has_lines {
            true => format!(",\n{}", " ".repeat(indent)),
            false => flow.separator().to_owned(),
        };
        match (previous, children.first()) {
            (Some(child), _) => {
                let written = written.join(&separator);
                self.edit(child.end()..child.end(), format!("{separator}{written}"));
            }
            (None, Some(first)) => {
                let written = written.join(&separator);
                self.edit(first.mark..first.mark, format!("{written}{separator}"));
            }
            (None, None) if matches!(text.slice(node.start, node.end), "[]" | "{}") => {
                let (open, close) = if is_mapping { ("{", "}") } else { ("[", "]") };
                let written = flow.enclosed(open, &written, close, text.indent(node.start));
                self.edit(node.start..node.end, written);
            }
            // Whatever is between the brackets stays before the first entry.
            (None, None) => {
                let close = node.end - 1;
                self.edit(close..close, written.join(flow.separator()));
            }
        }
        Ok(())
    }

    /// Deletes entries, and the commas that separate them.
    fn delete_entries(&mut self, node: &Node, children: &[Child], deleted: &HashSet<usize>) {
        let (Some(first), Some(last)) = (children.first(), children.last()) else { return };
        let last_kept = (0..children.len()).rev().find(|index| !deleted.contains(index));
        let Some(last_kept) = last_kept else {
            let (open, close) = (node.start + 1, node.end - 1);
            // What was inserted between brackets that were apart starts behind what was there.
            let start = if last.end() == close { first.mark } else { open };
            self.edit(start..close, String::new());
            return;
        };
        for index in deleted.iter().filter(|index| **index < last_kept) {
            if let (Some(child), Some(next)) = (children.get(*index), children.get(index + 1)) {
                self.edit(child.mark..next.mark, String::new());
            }
        }
        if let Some(kept) = children.get(last_kept).filter(|_| last_kept + 1 < children.len()) {
            self.edit(kept.end()..last.end(), String::new());
        }
    }
}
