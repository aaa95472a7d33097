//! Several documents in one text.

use std::ops::Range;

use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::document::Document;
use crate::error::ParseError;

/// A document of a stream.
///
/// ```
/// let text = "a: 1\n---\nb: [\n---\nc: 3\n";
/// let parts = yaml_splice::parse_stream(text);
/// assert_eq!(parts.len(), 3);
/// assert_eq!(&text[parts[0].range.clone()], "a: 1\n");
/// assert_eq!(parts[1].document.as_ref().unwrap_err().line, 3);
/// assert_eq!(&text[parts[2].outer..parts[2].range.end], "---\nc: 3\n");
/// let third = parts[2].document.as_ref().unwrap();
/// assert_eq!(third.line(third.locate("/c").unwrap().start), 5);
/// ```
#[derive(Debug)]
pub struct Part<'t> {
    /// Where the text of the document is in that of the stream.
    pub range: Range<usize>,
    /// Where the line starts that separates it from the document before.
    pub outer: usize,
    /// The document. Lines are counted from the start of the stream.
    pub document: Result<Document<'t>, ParseError>,
}

/// Parses a text with any number of documents: a YAML stream, JSON, or JSON texts one after another.
///
/// A line that starts with `---` is nothing but a separator. Empty documents are left out, and one that
/// cannot be parsed does not keep the others from it.
///
/// ```
/// let documents = |text| -> Vec<String> {
///     let parts = yaml_splice::parse_stream(text).into_iter();
///     parts.map(|part| part.document.unwrap().value().to_string()).collect()
/// };
/// assert_eq!(documents("# first\n---\na: 1\n---\n---\nb: 2\n"), ["{a: 1}", "{b: 2}"]);
/// assert_eq!(documents("{\"a\": 1}\n{\"b\": 2}"), ["{a: 1}", "{b: 2}"]);
/// ```
pub fn parse_stream(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let without_mark = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut section = Section { outer: 0, start: text.len() - without_mark.len(), line: 1 };
    let (mut offset, mut line) = (0, 1);
    for row in text.split_inclusive('\n') {
        let rest = row.strip_prefix("---");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])) {
            section.parse(text, offset, &mut parts);
            section = Section { outer: offset, start: offset + "---".len(), line };
        }
        offset += row.len();
        line += 1;
    }
    section.parse(text, text.len(), &mut parts);
    parts
}

/// What is between two separators.
struct Section {
    outer: usize,
    start: usize,
    line: usize,
}

impl Section {
    fn parse<'t>(&self, text: &'t str, end: usize, parts: &mut Vec<Part<'t>>) {
        let section = text.get(self.start..end).unwrap_or_default();
        // Comments and directives are no document.
        if section.lines().all(|line| line.trim().is_empty() || line.starts_with(['#', '%'])) {
            return;
        }
        let in_brackets = section.trim_start().starts_with(['{', '[']);
        if in_brackets && self.parse_json(section, parts) {
            return;
        }
        let document = match Document::parse_yaml(section) {
            Ok(Some(document)) => Ok(document),
            Ok(None) => return,
            Err(yaml) => Err(match Document::parse_json(section) {
                // Text that looks like JSON gets the error of the JSON parser.
                Err(json) if in_brackets && section.contains("\":") => json,
                _ => yaml,
            }),
        };
        parts.push(self.part(0..section.len(), self.line, document));
    }

    /// Parses JSON texts; says whether that is what they are.
    fn parse_json<'t>(&self, section: &'t str, parts: &mut Vec<Part<'t>>) -> bool {
        let mut texts = Deserializer::from_str(section).into_iter::<&RawValue>();
        let (mut found, mut line, mut counted) = (Vec::new(), self.line, 0);
        while let Some(json) = texts.next() {
            let Ok(json) = json else { return false };
            let json = json.get();
            let end = texts.byte_offset();
            let start = end - json.len();
            line += section.get(counted..start).unwrap_or_default().matches('\n').count();
            counted = start;
            found.push(self.part(start..end, line, Document::parse_json(json)));
        }
        parts.extend(found);
        true
    }

    fn part<'t>(
        &self,
        range: Range<usize>,
        line: usize,
        document: Result<Document<'t>, ParseError>,
    ) -> Part<'t> {
        let document = match document {
            Ok(document) => Ok(document.starting_at(line)),
            Err(error) => Err(ParseError { line: line + error.line - 1, ..error }),
        };
        let outer = if range.start == 0 { self.outer } else { self.start + range.start };
        Part { range: self.start + range.start..self.start + range.end, outer, document }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first line and the text of each part.
    fn parsed(text: &str) -> Vec<(usize, String)> {
        let parts = parse_stream(text).into_iter();
        let shown = |part: Part<'_>| match part.document {
            Ok(document) => (document.line(0), document.value().to_string()),
            Err(error) => (error.line, error.reason),
        };
        parts.map(shown).collect()
    }

    #[test]
    fn splits_streams() {
        for (text, expected) in [
            ("", &[][..]),
            ("# nothing\n---\n\n---", &[]),
            ("a: 1", &[(1, "{a: 1}")]),
            ("---\na: 1\n---\nb: 2\n---", &[(1, "{a: 1}"), (3, "{b: 2}")]),
            ("%YAML 1.2\n---\na: 1\n...\n", &[(2, "{a: 1}")]),
            ("\u{feff}a: 1\r\n--- # b\r\nb: 2", &[(1, "{a: 1}"), (2, "{b: 2}")]),
            ("--- {a: 1}\n--- b\n", &[(1, "{a: 1}"), (2, "b")]),
            ("a: |\n  --- x\n---x: 2\n", &[(1, "{a: \"--- x\\n\", '---x': 2}")]),
            ("{\"a\":1}\n\n{\"b\":2}", &[(1, "{a: 1}"), (3, "{b: 2}")]),
            ("{\"a\":\t1e999}", &[(1, "{a: 1e999}")]),
            ("{a: 1}", &[(1, "{a: 1}")]),
            ("{\"a\":\n1,,}", &[(2, "not JSON: key must be a string at line 2 column 3")]),
            (
                "a: 1\n---\nb: [\n---\nc: 3",
                &[(1, "{a: 1}"), (3, "not YAML: unclosed bracket '['"), (4, "{c: 3}")],
            ),
        ] {
            let parsed = parsed(text);
            let parsed: Vec<_> = parsed.iter().map(|(line, text)| (*line, &**text)).collect();
            assert_eq!(parsed, expected, "{text:?}");
        }
    }
}
