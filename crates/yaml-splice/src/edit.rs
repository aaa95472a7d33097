//! Edits of a document: as few as there are differences between its data and the wanted data.

use std::collections::HashMap;
use std::ops::Range;

use crate::align::seq_steps;
use crate::data::{Data, by_key};
use crate::emit::{Brackets, Indentation, double, inline, single};
use crate::habits::{indentation, json_step, line_indent, newline};
use crate::tree::{
    Entry, Format, Kind, Layout, Node, Source, Style, column, line_start, next_line, slice,
};
use crate::{read_json, read_yaml, scalar};

/// The text of a document after editing.
#[derive(Debug)]
pub struct Edited {
    /// The text.
    pub text: String,
    /// Whether the document was re-emitted, because it could not be edited in place.
    pub is_rewritten: bool,
}

/// The edit cannot be made here, but an enclosing value can be re-emitted.
#[derive(Debug)]
pub(super) struct Cannot;

/// Edits a document so that it parses to `after`; nothing if even re-emitting it does not.
pub fn edited(source: &Source, after: &Data) -> Option<Edited> {
    let says_it = |text: &String| match source.format {
        Format::Yaml => read_yaml(text).ok().flatten().is_some_and(|source| source.data == *after),
        Format::Json => read_json(text).is_ok_and(|source| source.data == *after),
    };
    // A block at the end of a text without a line break loses its own.
    let attempts = |text: String| [text.clone(), text + newline(source.text)];
    let mut editor = Editor::new(source);
    let in_place = editor.change(&source.root, &source.data, after, Slot::Root);
    let in_place = in_place.ok().and_then(|()| editor.apply());
    if let Some(text) = in_place.into_iter().flat_map(attempts).find(says_it) {
        return Some(Edited { text, is_rewritten: false });
    }
    let text = attempts(Editor::new(source).rewritten(after)).into_iter().find(says_it)?;
    Some(Edited { text, is_rewritten: true })
}

/// A replacement of a part of the text.
#[derive(Debug)]
struct Edit {
    at: Range<usize>,
    text: String,
}

/// What a value is in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    /// Nothing: the document.
    Root,
    /// Brackets.
    Brackets,
    /// An element of a block sequence: behind the dash, and the column of the dash.
    Element(usize, usize),
    /// A member of a block map: behind the colon, and the column of the key.
    Member(usize, usize),
}

/// What becomes of the entries of a collection, in order.
pub(super) enum Step<'d> {
    Keep(usize, &'d Data, &'d Data),
    Delete(usize),
    /// New entries, with keys in a map.
    Insert(Vec<(&'d str, &'d Data)>),
}

pub(super) struct Editor<'s> {
    pub(super) source: &'s Source<'s>,
    pub(super) indentation: Indentation,
    pub(super) brackets: Brackets,
    edits: Vec<Edit>,
    /// What anchors stand for that was changed.
    anchors: HashMap<usize, Data>,
}

impl<'s> Editor<'s> {
    fn new(source: &'s Source<'s>) -> Self {
        let indentation = indentation(source);
        let is_json = source.format == Format::Json;
        let has_lines = source.text.trim().contains('\n');
        let step = (is_json && has_lines).then(|| json_step(source)).flatten();
        let is_compact = is_json && step.is_none() && !source.text.contains("\": ");
        let brackets = Brackets { is_json, is_compact, step };
        Self { source, indentation, brackets, edits: Vec::new(), anchors: HashMap::new() }
    }

    pub(super) fn edit(&mut self, at: Range<usize>, text: String) {
        self.edits.push(Edit { at, text });
    }

    /// Changes a value to `after`.
    pub(super) fn change(
        &mut self,
        node: &Node,
        before: &Data,
        after: &Data,
        slot: Slot,
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
            (Kind::Map(entries, layout), Data::Map(_), Data::Map(members)) => self
                .map_steps(entries, before, members)
                .and_then(|steps| self.carry_out(node, entries, *layout, steps, slot)),
            (Kind::Seq(entries, layout), Data::Seq(before), Data::Seq(after)) => {
                self.carry_out(node, entries, *layout, seq_steps(before, after), slot)
            }
            _ if before == after => Ok(()),
            _ => Err(Cannot),
        };
        if changed.is_err() {
            self.edits.truncate(edits);
            self.replace(node, after, slot)?;
        }
        if let Some(id) = node.anchor.filter(|_| before != after) {
            self.anchors.insert(id, after.clone());
        }
        Ok(())
    }

    /// What becomes of the members of a map. A merged member is changed by a member of the map's own.
    fn map_steps<'d>(
        &self,
        entries: &[Entry],
        before: &'d Data,
        members: &'d [(String, Data)],
    ) -> Result<Vec<Step<'d>>, Cannot> {
        let Data::Map(before) = before else { return Err(Cannot) };
        let mut steps = Vec::new();
        let before = by_key(before);
        let wanted = by_key(members);
        let own = entries.iter().enumerate().filter(|(_, entry)| !entry.is_merge);
        let own: HashMap<&str, usize> = own.map(|(index, entry)| (&*entry.key, index)).collect();
        let merges = own.len() < entries.len();
        // Nothing takes away what another map gives.
        let is_lost = |key: &&str| !own.contains_key(key) && !wanted.contains_key(key);
        if merges && (!self.anchors.is_empty() || before.keys().any(is_lost)) {
            return Err(Cannot);
        }
        // The new members by the member that they follow.
        let mut new: HashMap<Option<usize>, Vec<(&str, &Data)>> = HashMap::new();
        let mut previous = None;
        for (key, value) in members {
            match own.get(&**key) {
                Some(index) => previous = previous.max(Some(*index)),
                None if merges && before.get(&**key) == Some(&value) => {}
                None => new.entry(previous).or_default().push((key, value)),
            }
        }
        steps.extend(new.remove(&None).map(Step::Insert));
        for (index, entry) in entries.iter().enumerate() {
            let key = &*entry.key;
            match (entry.is_merge, before.get(key), wanted.get(key)) {
                (true, ..) => {}
                (false, Some(before), Some(after)) => {
                    steps.push(Step::Keep(index, before, after));
                }
                _ => steps.push(Step::Delete(index)),
            }
            steps.extend(new.remove(&Some(index)).map(Step::Insert));
        }
        Ok(steps)
    }

    fn carry_out(
        &mut self,
        node: &Node,
        entries: &[Entry],
        layout: Layout,
        steps: Vec<Step>,
        slot: Slot,
    ) -> Result<(), Cannot> {
        let is_emptied =
            !entries.is_empty() && steps.iter().all(|step| matches!(step, Step::Delete(_)));
        // `[]` and `{}` in a block become a block themselves.
        let becomes_block =
            entries.is_empty() && !matches!(slot, Slot::Brackets | Slot::Root) && !steps.is_empty();
        if is_emptied || becomes_block {
            return Err(Cannot);
        }
        match layout {
            Layout::Block => self.change_block(node, entries, steps, slot),
            Layout::Flow => self.change_brackets(node, entries, steps),
        }
    }

    /// Re-emits a value in the place of another.
    fn replace(&mut self, node: &Node, after: &Data, slot: Slot) -> Result<(), Cannot> {
        let text = self.source.text;
        let (behind, indent, is_element) = match slot {
            Slot::Root => return Err(Cannot),
            Slot::Brackets => {
                let indent = line_indent(text, node.start);
                let written = match (&node.kind, after) {
                    (Kind::Scalar(Style::Double), Data::String(text)) => double(text),
                    (Kind::Scalar(Style::Single), Data::String(text)) => single(text),
                    _ => self.brackets.write(after, indent),
                };
                self.edit(node.outer..node.end, written);
                return Ok(());
            }
            Slot::Element(behind, indent) => (behind, indent, true),
            Slot::Member(behind, indent) => (behind, indent, false),
        };
        let deeper = match after {
            _ if is_element => indent + 2,
            Data::Seq(_) => indent + self.indentation.dash,
            _ => indent + self.indentation.step,
        };
        let is_block =
            matches!(node.kind, Kind::Map(_, Layout::Block) | Kind::Seq(_, Layout::Block));
        if !after.is_filled() {
            let written = self.scalar_like(node, after, indent);
            let line = line_start(text, node.start);
            if is_block && line > behind && node.anchor.is_none() {
                // A comment beside the key stays there.
                self.edit(behind..behind, format!(" {written}"));
                self.delete_lines(line, node.end);
                return Ok(());
            }
            match node.outer < node.end && !is_block {
                true => self.edit(node.outer..node.end, written),
                false => self.edit(behind..node.end.max(behind), format!(" {written}")),
            }
            return Ok(());
        }
        let lines = self.indentation.lines(after, deeper);
        let end = node.end.max(behind);
        if is_element && !is_block && node.outer < node.end && self.comment_behind(end).0 > end {
            // Behind lines, the comment would be about something else.
            let written = self.brackets.write(after, indent);
            self.edit(node.outer..node.end, written);
            return Ok(());
        }
        if is_element || is_block {
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
            self.insert_lines(next_line(text, end), lines);
        }
        Ok(())
    }

    /// Where the comment in the line of a place begins, and what separates it from new lines: at the
    /// end of one it could be text. Without a comment, the place and nothing.
    fn comment_behind(&self, place: usize) -> (usize, &'static str) {
        let text = self.source.text;
        let rest = slice(text, place, text.len());
        let line = rest.lines().next().unwrap_or_default();
        match line.trim().is_empty() {
            true => (place, ""),
            false => (place + line.len() - line.trim_start().len(), "\n"),
        }
    }

    /// Inserts lines at the beginning of a line, or at the end of a text without a line break.
    pub(super) fn insert_lines(&mut self, place: Option<usize>, lines: String) {
        match place {
            Some(place) => self.edit(place..place, lines),
            None => {
                let end = self.source.text.len();
                self.edit(end..end, format!("\n{}", lines.trim_end_matches('\n')));
            }
        }
    }

    /// Deletes lines from the beginning of one to the end of that of another place.
    pub(super) fn delete_lines(&mut self, start: usize, end: usize) {
        let text = self.source.text;
        self.edit(start..next_line(text, end).unwrap_or(text.len()), String::new());
    }

    /// A scalar with the quotes of another.
    fn scalar_like(&self, node: &Node, after: &Data, indent: usize) -> String {
        let (Kind::Scalar(style), Data::String(text)) = (&node.kind, after) else {
            return inline(after);
        };
        match style {
            Style::Double => double(text),
            Style::Single => single(text),
            Style::Plain if matches!(scalar::plain(text), Data::String(_)) => inline(after),
            Style::Plain => single(text),
            Style::Block => self.indentation.scalar(after, indent),
        }
    }

    /// The text with all edits; nothing where one is inside of another.
    fn apply(mut self) -> Option<String> {
        let source = self.source.text;
        let newline = newline(source);
        // What is inserted comes before what is deleted at the same place.
        self.edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let (mut text, mut place) = (String::with_capacity(source.len() * 2), 0);
        let mut is_deletion = false;
        for edit in self.edits {
            text.push_str(source.get(place..edit.at.start)?);
            let is_behind_deletion = is_deletion && edit.at.start == source.len();
            is_deletion = edit.text.is_empty() && edit.at.start < edit.at.end;
            let mut added = &*edit.text;
            if is_behind_deletion && text.ends_with('\n') {
                added = added.strip_prefix('\n').unwrap_or(added);
            }
            text.push_str(&added.replace('\n', newline));
            place = edit.at.end;
        }
        text.push_str(source.get(place..)?);
        // Lines at the end of a text without a line break take the one before with them.
        if is_deletion && place == source.len() && !source.ends_with('\n') {
            let shorter = text.strip_suffix('\n').unwrap_or(&text);
            let shorter = shorter.strip_suffix('\r').unwrap_or(shorter).len();
            text.truncate(shorter);
        }
        Some(text)
    }

    /// The document re-emitted, with the comments before and after it.
    fn rewritten(&self, after: &Data) -> String {
        let (text, root) = (self.source.text, &self.source.root);
        let written = match self.source.format {
            Format::Json => self.brackets.write(after, 0),
            Format::Yaml => self.indentation.lines(after, 0).trim_end_matches('\n').to_owned(),
        };
        let is_behind = self.source.format == Format::Yaml && column(text, root.outer) > 0;
        let separator = if is_behind { "\n" } else { "" };
        let (end, line) = self.comment_behind(root.end);
        let (before, behind) = (slice(text, 0, root.outer), slice(text, end, text.len()));
        let written = format!("{separator}{written}{line}").replace('\n', newline(text));
        format!("{before}{written}{behind}")
    }
}
