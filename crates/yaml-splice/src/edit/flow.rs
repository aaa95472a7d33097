//! Edits collections in brackets.

use std::collections::HashSet;

use super::editor::{Cannot, Editor, Place};
use crate::align::Step;
use crate::emit::Flow;
use crate::tree::{Child, Kind, Node};
use crate::value::Value;

impl Editor<'_> {
    pub(super) fn change_flow(
        &mut self,
        node: &Node,
        children: &[Child],
        steps: Vec<Step>,
    ) -> Result<(), Cannot> {
        let mut previous: Option<usize> = None;
        let mut deleted = HashSet::new();
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
                    self.insert_entries(node, children, previous, &new);
                }
            }
        }
        self.delete_entries(children, &deleted)
    }

    fn insert_entries(
        &mut self,
        node: &Node,
        children: &[Child],
        previous: Option<&Child>,
        new: &[(&str, &Value)],
    ) {
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
        let written: Vec<_> = new
            .iter()
            .map(|(key, value)| match is_mapping {
                true => style.member(key, value, indent),
                false => style.write(value, indent),
            })
            .collect();
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
            (None, None) => {
                let (open, close) = if is_mapping { ("{", "}") } else { ("[", "]") };
                let written = flow.enclosed(open, &written, close, text.indent(node.start));
                self.edit(node.start..node.end, written);
            }
        }
    }

    /// Deletes entries, and the commas that separate them.
    fn delete_entries(
        &mut self,
        children: &[Child],
        deleted: &HashSet<usize>,
    ) -> Result<(), Cannot> {
        if deleted.is_empty() {
            return Ok(());
        }
        let last_kept = (0..children.len()).rev().find(|index| !deleted.contains(index));
        let last_kept = last_kept.ok_or(Cannot)?;
        for index in deleted.iter().filter(|index| **index < last_kept) {
            if let (Some(child), Some(next)) = (children.get(*index), children.get(index + 1)) {
                self.edit(child.mark..next.mark, String::new());
            }
        }
        if let (Some(kept), Some(last)) = (children.get(last_kept), children.last())
            && last_kept + 1 < children.len()
        {
            self.edit(kept.end()..last.end(), String::new());
        }
        Ok(())
    }
}
