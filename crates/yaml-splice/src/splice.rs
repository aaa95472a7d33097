//! Replacements of parts of a text.

use std::ops::Range;

/// A replacement of a part of a text.
///
/// ```
/// use yaml_splice::{Document, Value};
///
/// let document = Document::parse_yaml("a: 1\nb: 2\n")?.unwrap();
/// let mut value = document.value().clone();
/// *value.get_mut("b").unwrap() = Value::Bool(true);
/// let edits = document.edit(&value).unwrap().edits;
/// assert_eq!((edits[0].range.clone(), &*edits[0].text), (8..9, "true"));
/// # Ok::<(), yaml_splice::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub range: Range<usize>,
    /// What it is replaced by.
    pub text: String,
}

impl Edit {
    /// The same edit of a longer text, in which this one starts at an offset.
    ///
    /// ```
    /// use yaml_splice::Edit;
    ///
    /// let edit = Edit { range: 1..2, text: String::new() };
    /// assert_eq!(edit.shifted(10).range, 11..12);
    /// ```
    #[must_use]
    pub fn shifted(self, offset: usize) -> Self {
        Self { range: self.range.start + offset..self.range.end + offset, text: self.text }
    }
}

/// The edits in the order of the text, those that touch joined; `None` if one is inside another.
pub(crate) fn in_order(mut edits: Vec<Edit>, text: &str) -> Option<Vec<Edit>> {
    // What is inserted comes before what is deleted at the same offset.
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut joined: Vec<Edit> = Vec::new();
    for edit in edits {
        match joined.last_mut() {
            Some(last) if edit.range.start < last.range.end => return None,
            Some(last) if edit.range.start == last.range.end => {
                let is_deletion = last.range.end > last.range.start;
                let before = text.get(..last.range.start).unwrap_or_default();
                let ends_line = match &*last.text {
                    "" => before.ends_with('\n'),
                    added => added.ends_with('\n'),
                };
                // Lines for the end of the text bring a line break, which deleted ones have left.
                let has_break = edit.range.start == text.len() && is_deletion && ends_line;
                let added = edit.text.strip_prefix('\n').filter(|_| has_break);
                last.text.push_str(added.unwrap_or(&edit.text));
                last.range.end = edit.range.end;
            }
            _ => joined.push(edit),
        }
    }
    Some(joined)
}

/// Applies edits to a text. They have to be in its order, and none may be inside another.
///
/// ```
/// use yaml_splice::{Edit, apply};
///
/// let edits = [Edit { range: 3..4, text: "2".to_owned() }, Edit { range: 5..5, text: "b: 3\n".to_owned() }];
/// assert_eq!(apply("a: 1\n", &edits), "a: 2\nb: 3\n");
/// ```
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let (mut edited, mut offset) = (String::with_capacity(text.len() * 2), 0);
    for Edit { range, text: added } in edits {
        edited.push_str(text.get(offset..range.start).unwrap_or_default());
        edited.push_str(added);
        offset = range.end;
    }
    edited.push_str(text.get(offset..).unwrap_or_default());
    edited
}
