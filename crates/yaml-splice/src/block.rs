//! Edits of collections that are written by lines and indentation.

use crate::edit::{Cannot, Editor, Slot, Step};
use crate::tree::{Entry, Kind, Node, begins_line, column, line_start, next_line, slice};

impl Editor<'_> {
    pub(super) fn change_block(
        &mut self,
        node: &Node,
        entries: &[Entry],
        steps: Vec<Step>,
        slot: Slot,
    ) -> Result<(), Cannot> {
        let is_map = matches!(node.kind, Kind::Map(..));
        let first = entries.first().ok_or(Cannot)?;
        let indent = column(self.source.text, first.mark);
        // A comment as deep as the dashes may be about the next member of the map around them.
        let comments = match slot {
            Slot::Member(_, outer) if outer == indent => indent + 1,
            _ => indent,
        };
        let deleted = |step: &Step| match step {
            Step::Delete(index) => Some(*index),
            _ => None,
        };
        let deleted: Vec<usize> = steps.iter().filter_map(deleted).collect();
        let mut previous = None;
        for step in steps {
            match step {
                Step::Keep(index, before, after) => {
                    let entry = entries.get(index).ok_or(Cannot)?;
                    let slot = match is_map {
                        true => Slot::Member(entry.after, indent),
                        false => Slot::Element(entry.after, indent),
                    };
                    self.change(&entry.node, before, after, slot)?;
                    previous = Some(index);
                }
                Step::Delete(index) => self.delete_entry(entries, index, &deleted)?,
                Step::Insert(new) => {
                    let lines = new.into_iter().map(|(key, value)| match is_map {
                        true => self.indentation.member(key, value, indent),
                        false => self.indentation.element(value, indent),
                    });
                    let lines: String = lines.collect();
                    match previous.and_then(|index| entries.get(index).map(|entry| (index, entry)))
                    {
                        Some((index, entry)) => {
                            let is_last = index + 1 == entries.len();
                            let place = self.behind(entry, is_last.then_some(comments));
                            self.insert_lines(place, lines);
                        }
                        None => self.insert_before(first, indent, lines),
                    }
                }
            }
        }
        Ok(())
    }

    /// Inserts lines before the first entry, which may follow a dash.
    fn insert_before(&mut self, first: &Entry, indent: usize, lines: String) {
        if begins_line(self.source.text, first.mark) {
            let start = line_start(self.source.text, first.mark);
            self.edit(start..start, lines);
        } else {
            let lines = format!("{}{}", lines.trim_start_matches(' '), " ".repeat(indent));
            self.edit(first.mark..first.mark, lines);
        }
    }

    /// The line behind an entry, and behind the comments that are at least so deep.
    fn behind(&self, entry: &Entry, comments: Option<usize>) -> Option<usize> {
        let text = self.source.text;
        let mut place = next_line(text, entry.end())?;
        while let Some(depth) = comments {
            let line = slice(text, place, text.len());
            let comment = line.trim_start_matches(' ');
            if !comment.starts_with('#') || line.len() - comment.len() < depth {
                break;
            }
            place = next_line(text, place)?;
        }
        Some(place)
    }

    fn delete_entry(
        &mut self,
        entries: &[Entry],
        index: usize,
        deleted: &[usize],
    ) -> Result<(), Cannot> {
        let text = self.source.text;
        let entry = entries.get(index).ok_or(Cannot)?;
        if !begins_line(text, entry.mark) {
            // The first in the line of a dash: the next takes its place.
            let next = entries.get(index + 1).filter(|_| !deleted.contains(&(index + 1)));
            let next = next.ok_or(Cannot)?;
            self.edit(entry.mark..next.mark, String::new());
            return Ok(());
        }
        self.delete_lines(line_start(text, entry.mark), entry.end());
        Ok(())
    }
}
