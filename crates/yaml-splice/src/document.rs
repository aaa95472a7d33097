//! Documents.

use std::collections::HashMap;
use std::ops::Range;

use crate::edit::{Keep, in_place, rewrite};
use crate::error::ParseError;
use crate::read;
use crate::splice::{Edit, apply};
use crate::tree::{Child, Format, Kind, Node, Notation, Tree};
use crate::value::{Value, pointer_tokens};

/// A YAML or JSON document: its text, its value, and where in the text each value is.
///
/// ```
/// use yaml_splice::{Document, Value};
///
/// let text = "name: web # the front\nports: [80]\n";
/// let document = Document::parse_yaml(text)?.expect("it is not empty");
///
/// let mut value = document.value().clone();
/// let ports = value.get_mut("ports").and_then(Value::as_sequence_mut).unwrap();
/// ports.push(Value::Number("443".to_owned()));
///
/// let edited = document.edit(&value).unwrap();
/// assert_eq!(edited.text, "name: web # the front\nports: [80, 443]\n");
/// # Ok::<(), yaml_splice::ParseError>(())
/// ```
#[derive(Debug)]
pub struct Document<'t> {
    tree: Tree<'t>,
    /// The number of its first line: that in the stream that it is part of.
    first_line: usize,
}

/// The text of a document after an edit.
///
/// ```
/// use yaml_splice::{Document, Value};
///
/// let document = Document::parse_yaml("a: 1 # one\n")?.unwrap();
/// let value = Value::Mapping(vec![("a".to_owned(), Value::Bool(true))]);
/// let edited = document.edit(&value).unwrap();
/// assert_eq!(edited.text, "a: true # one\n");
/// assert!(!edited.is_rewritten);
/// # Ok::<(), yaml_splice::ParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Edited {
    /// The text.
    pub text: String,
    /// What was replaced, in the order of the text.
    pub edits: Vec<Edit>,
    /// Whether the document was written anew, because it could not be edited in place: its comments
    /// and anchors are gone.
    pub is_rewritten: bool,
    /// The first line that would look different if the text was edited back to the old value, counted
    /// from 1 (in a stream, from its start). Where there is none, the old text would come back.
    pub lost_line: Option<usize>,
}

impl<'t> Document<'t> {
    fn new(tree: Tree<'t>) -> Self {
        Self { tree, first_line: 1 }
    }

    /// The document, with another number for its first line.
    pub(crate) fn starting_at(self, first_line: usize) -> Self {
        Self { first_line, ..self }
    }

    /// Parses the only YAML document of a text; `None` if the text is empty.
    ///
    /// Scalars mean what kubectl and go-yaml take them for: `yes` is a boolean, `0644` is octal.
    /// Aliases and merge keys are resolved.
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// let document = Document::parse_yaml("a: &x {b: yes}\nc: {<<: *x, d: 0644}\n")?.unwrap();
    /// assert_eq!(document.value().to_string(), "{a: {b: true}, c: {d: 420, b: true}}");
    /// assert!(Document::parse_yaml("# nothing\n")?.is_none());
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the text is not YAML, has a second document, repeats a key or expands to too many values.
    pub fn parse_yaml(text: &'t str) -> Result<Option<Self>, ParseError> {
        Ok(read::yaml(text)?.map(Self::new))
    }

    /// Parses a JSON text.
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// let document = Document::parse_json(r#"{"a": 1.50}"#)?;
    /// assert_eq!(document.value().to_string(), "{a: 1.50}");
    /// assert_eq!(Document::parse_json("{\n\"a\": 1,\n\"a\": 2}").unwrap_err().line, 3);
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the text is not JSON, repeats a key or is nested deeper than 255 levels.
    pub fn parse_json(text: &'t str) -> Result<Self, ParseError> {
        read::json(text).map(Self::new)
    }

    /// The text that was parsed.
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// assert_eq!(Document::parse_json("[ ]")?.text(), "[ ]");
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn text(&self) -> &'t str {
        self.tree.text.str
    }

    /// The value of the document.
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// assert_eq!(Document::parse_json("[true]")?.value().to_string(), "[true]");
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn value(&self) -> &Value {
        &self.tree.value
    }

    /// The value of the document, without the rest.
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// assert_eq!(Document::parse_json("[true]")?.into_value().to_string(), "[true]");
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn into_value(self) -> Value {
        self.tree.value
    }

    /// Where in the text the value is that a JSON pointer leads to: without its key, its anchor and
    /// its tag. An alias is where it is, and nothing is found behind it.
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// let text = "a:\n- b: 'x'\n- c: 1\n";
    /// let document = Document::parse_yaml(text)?.unwrap();
    /// assert_eq!(&text[document.locate("/a/0/b").unwrap()], "'x'");
    /// assert_eq!(&text[document.locate("/a/1").unwrap()], "c: 1");
    /// assert_eq!(document.locate("/a/2"), None);
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn locate(&self, pointer: &str) -> Option<Range<usize>> {
        let mut tokens = pointer_tokens(pointer);
        let found =
            tokens.try_fold(&self.tree.root, |node, token| Some(&child(node, &token)?.node));
        found.map(|node| node.start..node.end)
    }

    /// The line in which the entry starts that a JSON pointer leads to: that of its key or its dash, counted
    /// from 1 (in a stream, from its start).
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// let document = Document::parse_yaml("a:\n  b:\n    c: 1\n")?.unwrap();
    /// assert_eq!(document.entry_line("/a/b"), Some(2));
    /// assert_eq!(document.entry_line("/a/d"), None);
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn entry_line(&self, pointer: &str) -> Option<usize> {
        let (mut node, mut mark) = (&self.tree.root, self.tree.root.start);
        for token in pointer_tokens(pointer) {
            let child = child(node, &token)?;
            (node, mark) = (&child.node, child.mark);
        }
        Some(self.line(mark))
    }

    /// The lines of paths such as `a.b[0]`, each below a JSON pointer, or else of the nearest part of it
    /// that is there. Keys may have points in them, and differ in case. Strings on the way may hold YAML or
    /// JSON.
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// let text = "config: |\n  a:\n  - b: 1\n  - x.y: 2\n";
    /// let document = Document::parse_yaml(text)?.unwrap();
    /// let paths = [("/config", "a[1].x.y"), ("/config", "a[0].c.d"), ("/other", "a")];
    /// assert_eq!(document.lines_of_paths(paths), [Some(4), Some(3), None]);
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn lines_of_paths<'p>(
        &self,
        paths: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Vec<Option<usize>> {
        let mut inner = HashMap::new();
        let line = |(pointer, path)| {
            let (pointer, rest) = self.value().follow(pointer, path);
            let text = self.value().pointer(&pointer)?.as_str().filter(|_| !rest.is_empty());
            let start = self.locate(&pointer)?.start;
            // Only a literal block has the lines of the text that it holds.
            let text = text.filter(|_| self.tree.text.from(start).starts_with('|'));
            let parse = |text| Document::parse_yaml(text).ok().flatten();
            let inner =
                text.and_then(|text| inner.entry(start).or_insert_with(|| parse(text)).as_ref());
            let line = inner.and_then(|inner| inner.lines_of_paths([("", rest)]).pop().flatten());
            line.map(|line| self.line(start) + line).or_else(|| self.entry_line(&pointer))
        };
        paths.into_iter().map(line).collect()
    }

    /// The line of an offset, counted from 1; in a stream, from its start.
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// let document = Document::parse_yaml("a: 1\nb: 2\n")?.unwrap();
    /// assert_eq!(document.line(document.locate("/b").unwrap().start), 2);
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn line(&self, offset: usize) -> usize {
        self.tree.text.line(offset) + self.first_line - 1
    }

    /// Edits the text so that it parses to `value`. What does not differ stays byte for byte.
    ///
    /// Returns `None` if no text could be found that parses to it.
    ///
    /// ```
    /// use yaml_splice::{Document, Value};
    ///
    /// let document = Document::parse_yaml("# why\na:\n  - 'x'   # one\nb: {}\n")?.unwrap();
    /// let mut value = document.value().clone();
    /// value.pointer_mut("/a").unwrap().as_sequence_mut().unwrap().push(Value::Null);
    /// let edited = document.edit(&value).unwrap();
    /// assert_eq!(edited.text, "# why\na:\n  - 'x'   # one\n  - null\nb: {}\n");
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn edit(&self, value: &Value) -> Option<Edited> {
        let in_place = |keep| self.applied(in_place(&self.tree, value, keep)?, value, false);
        let stripped = || {
            let mut edits = self::in_place(&self.tree, value, Keep::Parts)?;
            let strip = self.strip_last()?;
            if edits.iter().any(|edit| edit.range.contains(&strip.range.start)) {
                return None;
            }
            edits.push(strip);
            edits.sort_by_key(|edit| edit.range.start);
            self.applied(edits, value, false)
        };
        in_place(Keep::Parts)
            .or_else(|| in_place(Keep::Nothing))
            .or_else(stripped)
            .or_else(|| self.applied(rewrite(&self.tree, value), value, true))
    }

    /// Keeps the value of a block scalar as it is when something follows it: at the end of a text without
    /// a final line break, it has none either.
    fn strip_last(&self) -> Option<Edit> {
        let mut last = &self.tree.root;
        while let Some(child) = last.children().last() {
            last = &child.node;
        }
        let header = self.tree.text.from(last.start).strip_prefix(['|', '>'])?;
        let indicator = last.start + 1;
        let end = indicator + usize::from(header.starts_with('+'));
        let is_block = matches!(last.kind, Kind::Scalar(Notation::Block));
        is_block.then(|| Edit { range: indicator..end, text: "-".to_owned() })
    }

    /// The text with edits, if it parses to a value.
    fn applied(&self, mut edits: Vec<Edit>, value: &Value, is_rewritten: bool) -> Option<Edited> {
        let mut text = apply(self.text(), &edits);
        let mut lost_line = self.lost_line(&text, value);
        if lost_line.is_none() {
            // A block scalar that ends a text without a final line break has no final line break either.
            let (end, line_break) = (self.text().len(), self.tree.text.line_break());
            edits.push(Edit { range: end..end, text: line_break.to_owned() });
            text.push_str(line_break);
            lost_line = self.lost_line(&text, value);
        }
        lost_line.map(|lost_line| Edited { text, edits, is_rewritten, lost_line })
    }

    /// What an edit back to the value of this document would not restore, if the text parses to
    /// `value` at all.
    fn lost_line(&self, text: &str, value: &Value) -> Option<Option<usize>> {
        let tree = match self.tree.format {
            Format::Yaml => read::yaml(text).ok().flatten(),
            Format::Json => read::json(text).ok(),
        };
        let tree = tree.filter(|tree| tree.value == *value)?;
        let back = in_place(&tree, self.value(), Keep::Parts);
        let back = back.map_or_else(String::new, |edits| apply(text, &edits));
        if back == self.text() {
            return Some(None);
        }
        let same = self.text().bytes().zip(back.bytes()).take_while(|(one, two)| one == two);
        Some(Some(self.line(same.count())))
    }
}

fn child<'n>(node: &'n Node, token: &str) -> Option<&'n Child> {
    match &node.kind {
        Kind::Sequence(children, _) => children.get(token.parse::<usize>().ok()?),
        Kind::Mapping(children, _) => {
            children.iter().find(|child| child.key == token && !child.is_merge)
        }
        Kind::Scalar(_) | Kind::Alias(_) => None,
    }
}
