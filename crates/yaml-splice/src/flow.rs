//! Edits of collections in brackets, as in JSON.

use crate::edit::{Cannot, Editor, Slot, Step};
use crate::habits::line_indent;
use crate::tree::{Entry, Kind, Node, begins_line, column};

impl Editor<'_> {
    pub(super) fn change_brackets(
        &mut self,
        node: &Node,
        entries: &[Entry],
        steps: Vec<Step>,
    ) -> Result<(), Cannot> {
        let is_map = matches!(node.kind, Kind::Map(..));
        let mut previous: Option<usize> = None;
        let mut deleted = Vec::new();
        for step in steps {
            match step {
                Step::Keep(index, before, after) => {
                    let entry = entries.get(index).ok_or(Cannot)?;
                    self.change(&entry.node, before, after, Slot::Brackets)?;
                    previous = Some(index);
                }
                Step::Delete(index) => deleted.push(index),
                Step::Insert(new) => self.insert_entries(node, entries, previous, &new, is_map)?,
            }
        }
        self.delete_entries(entries, &deleted)
    }

    fn insert_entries(
        &mut self,
        node: &Node,
        entries: &[Entry],
        previous: Option<usize>,
        new: &[(&str, &super::Data)],
        is_map: bool,
    ) -> Result<(), Cannot> {
        let (text, brackets) = (self.source.text, self.brackets);
        let beside = previous.and_then(|index| entries.get(index)).or(entries.first());
        let has_lines = beside.is_some_and(|entry| begins_line(text, entry.mark));
        let indent = match beside {
            Some(entry) if has_lines => column(text, entry.mark),
            Some(_) => line_indent(text, node.start),
            None => line_indent(text, node.start) + brackets.step.unwrap_or_default(),
        };
        // Entries in one line stay in one line.
        let style = match beside {
            Some(_) if !has_lines => crate::emit::Brackets { step: None, ..brackets },
            _ => brackets,
        };
        let written: Vec<_> = new
            .iter()
            .map(|(key, value)| match is_map {
                true => style.member(key, value, indent),
                false => style.write(value, indent),
            })
            .collect();
        let separator = match has_lines {
            true => format!(",\n{}", " ".repeat(indent)),
            false => brackets.separator().to_owned(),
        };
        match (previous.and_then(|index| entries.get(index)), entries.first()) {
            (Some(entry), _) => {
                let written = written.join(&separator);
                self.edit(entry.end()..entry.end(), format!("{separator}{written}"));
            }
            (None, Some(first)) => {
                let written = written.join(&separator);
                self.edit(first.mark..first.mark, format!("{written}{separator}"));
            }
            (None, None) => {
                let (open, close) = if is_map { ("{", "}") } else { ("[", "]") };
                let at = line_indent(text, node.start);
                let written = brackets.enclosed(open, &written, close, at);
                self.edit(node.start..node.end, written);
            }
        }
        Ok(())
    }

    /// Deletes entries with the commas that separate them.
    fn delete_entries(&mut self, entries: &[Entry], deleted: &[usize]) -> Result<(), Cannot> {
        let last_kept = (0..entries.len()).rev().find(|index| !deleted.contains(index));
        let last_kept = if deleted.is_empty() { return Ok(()) } else { last_kept.ok_or(Cannot)? };
        for index in deleted.iter().filter(|index| **index < last_kept) {
            if let (Some(entry), Some(next)) = (entries.get(*index), entries.get(index + 1)) {
                self.edit(entry.mark..next.mark, String::new());
            }
        }
        if let (Some(kept), Some(last)) = (entries.get(last_kept), entries.last())
            && last_kept + 1 < entries.len()
        {
            self.edit(kept.end()..last.end(), String::new());
        }
        Ok(())
    }
}
