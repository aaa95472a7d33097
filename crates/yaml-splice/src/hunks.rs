//! Edits as a unified diff.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::splice::{Edit, apply};

/// A part of a unified diff: changed lines, with unchanged ones around them.
///
/// ```
/// use yaml_splice::{Edit, hunks};
///
/// let edits = [Edit { range: 3..4, text: "2".to_owned() }];
/// let hunks = hunks("a: 1\nb: 3\n", &edits, 1);
/// assert_eq!(hunks[0].header(), "@@ -1,2 +1,2 @@");
/// let lines = [('-', "a: 1\n".to_owned()), ('+', "a: 2\n".to_owned()), (' ', "b: 3\n".to_owned())];
/// assert_eq!(hunks[0].lines, lines);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// The lines of the old text, counted from 0.
    pub old: Range<usize>,
    /// The lines of the new text, counted from 0.
    pub new: Range<usize>,
    /// The lines with their line breaks, marked `-` (removed), `+` (added) or blank (unchanged).
    pub lines: Vec<(char, String)>,
}

impl Hunk {
    /// The line that starts the hunk in a unified diff.
    ///
    /// ```
    /// use yaml_splice::Hunk;
    ///
    /// let hunk = Hunk { old: 0..0, new: 0..2, lines: Vec::new() };
    /// assert_eq!(hunk.header(), "@@ -0,0 +1,2 @@");
    /// ```
    pub fn header(&self) -> String {
        // An empty side is before its first line.
        let place = |lines: &Range<usize>| {
            format!("{},{}", lines.start + usize::from(!lines.is_empty()), lines.len())
        };
        format!("@@ -{} +{} @@", place(&self.old), place(&self.new))
    }
}

/// The hunks of edits that are in the order of a text, with so many unchanged lines around each change.
///
/// Only lines that an edit changes are removed or added: nothing is guessed from two texts.
///
/// ```
/// use yaml_splice::{Edit, hunks};
///
/// let edits = [Edit { range: 0..0, text: "a: 1\n".to_owned() }];
/// let hunks = hunks("a: 1\na: 1\n", &edits, 0);
/// assert_eq!(hunks[0].lines, [('+', "a: 1\n".to_owned())]);
/// ```
pub fn hunks(text: &str, edits: &[Edit], context: usize) -> Vec<Hunk> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (changes, mut hunks, mut growth) = (changes(text, &lines, edits), Vec::new(), 0);
    let is_near = |one: &Change, two: &Change| two.lines.start <= one.lines.end + 2 * context;
    for group in changes.chunk_by(is_near) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let start = first.lines.start.saturating_sub(context);
        let end = (last.lines.end + context).min(lines.len());
        let new_start = start.saturating_add_signed(growth);
        let (mut marked, mut line) = (Vec::new(), start);
        for change in group {
            marked.extend(marked_lines(' ', &lines, line..change.lines.start));
            marked.extend(marked_lines('-', &lines, change.lines.clone()));
            marked.extend(change.new.iter().map(|line| ('+', line.clone())));
            line = change.lines.end;
            growth += change.new.len().cast_signed() - change.lines.len().cast_signed();
        }
        marked.extend(marked_lines(' ', &lines, line..end));
        let new = new_start..end.saturating_add_signed(growth);
        hunks.push(Hunk { old: start..end, new, lines: marked });
    }
    hunks
}

fn marked_lines(
    mark: char,
    lines: &[&str],
    range: Range<usize>,
) -> impl Iterator<Item = (char, String)> {
    let lines = lines.get(range).unwrap_or_default().iter();
    lines.map(move |line| (mark, (*line).to_owned()))
}

/// Lines of a text that are replaced by others.
struct Change {
    lines: Range<usize>,
    new: Vec<String>,
}

/// The lines that edits change.
fn changes(text: &str, lines: &[&str], edits: &[Edit]) -> Vec<Change> {
    let ends = lines.iter().scan(0, |end, line| {
        *end += line.len();
        Some(*end)
    });
    // Where each line starts, and behind a final line break where the next would.
    let mut starts: Vec<usize> = std::iter::once(0).chain(ends).collect();
    if !text.is_empty() && !text.ends_with('\n') {
        starts.pop();
    }
    let start_of = |line: usize| starts.get(line).copied().unwrap_or(text.len());
    let line_of = |offset: usize| starts.partition_point(|start| *start <= offset) - 1;
    let is_start = |offset: usize| start_of(line_of(offset)) == offset;
    let end_of = |Edit { range, text: added }: &Edit| {
        let ends_line = added.ends_with('\n') || (added.is_empty() && is_start(range.start));
        match is_start(range.end) && ends_line {
            true => line_of(range.end),
            false => (line_of(range.end) + 1).min(lines.len()),
        }
    };
    let mut changes = Vec::new();
    let mut rest = edits.iter().peekable();
    while let Some(edit) = rest.next() {
        let (first, mut end, mut edits) = (line_of(edit.range.start), end_of(edit), vec![edit]);
        while let Some(next) = rest.next_if(|next| line_of(next.range.start) < end) {
            end = end_of(next).max(end);
            edits.push(next);
        }
        let start = start_of(first);
        let within = |edit: &&Edit| Edit {
            range: edit.range.start - start..edit.range.end - start,
            text: edit.text.clone(),
        };
        let edits: Vec<_> = edits.iter().map(within).collect();
        let new = apply(text.get(start..start_of(end)).unwrap_or_default(), &edits);
        add_smallest(lines, first..end, &new, &mut changes);
    }
    changes
}

/// Adds the smallest changes that turn some lines into a new text.
fn add_smallest(lines: &[&str], range: Range<usize>, new: &str, changes: &mut Vec<Change>) {
    let old = lines.get(range.clone()).unwrap_or_default();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    for op in capture_diff_slices(Algorithm::Myers, old, &new) {
        if !matches!(op, DiffOp::Equal { .. }) {
            let (old, new) = (op.old_range(), new.get(op.new_range()).unwrap_or_default());
            changes.push(Change {
                lines: range.start + old.start..range.start + old.end,
                new: new.iter().map(|line| (*line).to_owned()).collect(),
            });
        }
    }
}
