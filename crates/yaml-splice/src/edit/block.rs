//! Edits collections that are written with lines and indentation.

use std::collections::HashSet;

use super::editor::{Cannot, Editor, Place};
use crate::align::{New, Step};
use crate::tree::{Child, Kind, Node};

impl Editor<'_> {
    pub(super) fn change_block(
        &mut self,
        node: &Node,
        children: &[Child],
        steps: Vec<Step>,
        place: Place,
    ) -> Result<(), Cannot> {
        let is_mapping = matches!(node.kind, Kind::Mapping(..));
        let first = children.first().ok_or(Cannot)?;
        let indent = self.tree.text.column(first.mark);
        // A comment as deep as the dashes may be about the next member of the mapping around them.
        let comments = match place {
            Place::Member(_, outer) if outer == indent => indent + 1,
            _ => indent,
        };
        let (deleted, moved) = gone(&steps);
        let mut previous = None;
        for step in steps {
            match step {
                Step::Keep(index, before, after) => {
                    let child = children.get(index).ok_or(Cannot)?;
                    let place = match is_mapping {
                        true => Place::Member(child.after, indent),
                        false => Place::Element(child.after, indent),
                    };
                    self.change(&child.node, before, after, place)?;
                    previous = Some(index);
                }
                Step::Delete(index) => {
                    match self.own_lines(children, index).filter(|_| moved.contains(&index)) {
                        Some(lines) => self.edit(lines, String::new()),
                        None => self.delete_child(children, index, &deleted)?,
                    }
                }
                Step::Insert(new) => {
                    let lines = new.into_iter().map(|new| match (is_mapping, new.moved) {
                        (true, _) => Ok(self.style.block.member(new.key, new.value, indent)),
                        (false, Some(_)) => self.moved_lines(children, &new, indent),
                        (false, None) => Ok(self.style.block.element(new.value, indent)),
                    });
                    let lines = lines.collect::<Result<String, Cannot>>()?;
                    let previous = previous.and_then(|index| Some((index, children.get(index)?)));
                    match previous {
                        Some((index, child)) => {
                            let is_last = index + 1 == children.len();
                            let line = self.line_behind(child, is_last.then_some(comments));
                            self.insert_lines(line, lines);
                        }
                        None => self.insert_before(first, indent, lines),
                    }
                }
            }
        }
        Ok(())
    }

    /// The lines of an element that was moved.
    fn moved_lines(
        &mut self,
        children: &[Child],
        new: &New,
        indent: usize,
    ) -> Result<String, Cannot> {
        let written = self.style.block.element(new.value, indent);
        let Some((index, before)) = new.moved else { return Ok(written) };
        let (Some(child), Some(lines)) = (children.get(index), self.own_lines(children, index))
        else {
            return Ok(written);
        };
        let edits = self.edits.len();
        self.change(&child.node, before, new.value, Place::Element(child.after, indent))?;
        let mut text = self.cut(&lines, edits).ok_or(Cannot)?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    /// Inserts lines before the first entry, which may follow a dash.
    fn insert_before(&mut self, first: &Child, indent: usize, lines: String) {
        let text = &self.tree.text;
        if text.starts_line(first.mark) {
            let start = text.line_start(first.mark);
            self.edit(start..start, lines);
        } else {
            let lines = format!("{}{}", lines.trim_start_matches(' '), " ".repeat(indent));
            self.edit(first.mark..first.mark, lines);
        }
    }

    /// The line behind an entry, and behind the comments that are at least this deep.
    fn line_behind(&self, child: &Child, comments: Option<usize>) -> Option<usize> {
        let text = &self.tree.text;
        let mut line = text.next_line(child.end())?;
        while let Some(depth) = comments {
            let rest = text.from(line);
            let comment = rest.trim_start_matches(' ');
            if !comment.starts_with('#') || rest.len() - comment.len() < depth {
                break;
            }
            line = text.next_line(line)?;
        }
        Some(line)
    }

    /// Deletes an entry.
    fn delete_child(
        &mut self,
        children: &[Child],
        index: usize,
        deleted: &HashSet<usize>,
    ) -> Result<(), Cannot> {
        let text = &self.tree.text;
        let child = children.get(index).ok_or(Cannot)?;
        if !text.starts_line(child.mark) {
            // It follows a dash, and the next entry takes its place.
            let next = children.get(index + 1).filter(|_| !deleted.contains(&(index + 1)));
            let next = next.ok_or(Cannot)?;
            self.edit(child.mark..next.mark, String::new());
            return Ok(());
        }
        self.delete_lines(text.line_start(child.mark), child.end());
        Ok(())
    }
}

/// The entries that are deleted, and those of them that are moved.
fn gone(steps: &[Step]) -> (HashSet<usize>, HashSet<usize>) {
    let (mut deleted, mut moved) = (HashSet::new(), HashSet::new());
    for step in steps {
        match step {
            Step::Keep(..) => {}
            Step::Delete(index) => {
                deleted.insert(*index);
            }
            Step::Insert(new) => {
                moved.extend(new.iter().filter_map(|new| new.moved.map(|(index, _)| index)));
            }
        }
    }
    (deleted, moved)
}
