//! The documents of a file: a YAML stream, JSON, or JSON texts one after another.

use std::ops::Range;

use serde_json::Deserializer;
use serde_json::value::RawValue;

use yaml_splice::{Data, Malformed, Source, read_json, read_yaml};

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    /// Its number as people count, from 1, without empty ones.
    pub(crate) number: usize,
    /// Where it is in the file; the text of its source.
    pub(crate) range: Range<usize>,
    /// Where the line that separates it from the one before begins.
    pub(crate) outer: usize,
    /// The line that it begins in.
    line: usize,
    /// What is there; where nothing can be read, the line is that of the file.
    pub(crate) source: Result<Source<'t>, Malformed>,
}

impl Document<'_> {
    /// The line of the file in which a place of the document is.
    pub(crate) fn line(&self, place: usize) -> usize {
        let before = self.source.as_ref().ok().and_then(|source| source.text.get(..place));
        self.line + before.unwrap_or_default().matches('\n').count()
    }
}

/// The documents of a text. At the start of a line, `---` is nothing but a separator.
pub(crate) fn documents(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let mut part = Part { outer: 0, start: text.len() - after_mark(text).len(), line: 1 };
    let (mut place, mut line) = (0, 1);
    for row in text.split_inclusive('\n') {
        let rest = row.strip_prefix("---");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])) {
            part.read(text, place, &mut documents);
            part = Part { outer: place, start: place + "---".len(), line };
        }
        place += row.len();
        line += 1;
    }
    part.read(text, text.len(), &mut documents);
    for (index, document) in documents.iter_mut().enumerate() {
        document.number = index + 1;
    }
    documents
}

/// A text without the byte order mark at its beginning.
fn after_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// What is between two separators.
struct Part {
    outer: usize,
    start: usize,
    line: usize,
}

impl Part {
    fn read<'t>(&self, text: &'t str, end: usize, documents: &mut Vec<Document<'t>>) {
        let part = text.get(self.start..end).unwrap_or_default();
        // Comments and directives are no document.
        if part.lines().all(|line| line.trim().is_empty() || line.starts_with(['#', '%'])) {
            return;
        }
        let in_brackets = part.trim_start().starts_with(['{', '[']);
        if in_brackets && self.read_json(part, documents) {
            return;
        }
        let source = match read_yaml(part) {
            Ok(Some(source)) => Ok(source),
            Ok(None) => return,
            Err(yaml) => Err(match read_json(part) {
                // Text that looks like JSON gets the error of the JSON parser.
                Err(json) if in_brackets && part.contains("\":") => json,
                _ => yaml,
            }),
        };
        documents.push(self.document(part, 0, part.len(), source));
    }

    /// Reads JSON texts; says whether that is what they are.
    fn read_json<'t>(&self, part: &'t str, documents: &mut Vec<Document<'t>>) -> bool {
        let mut texts = Deserializer::from_str(part).into_iter::<&RawValue>();
        let mut found = Vec::new();
        while let Some(value) = texts.next() {
            let Ok(value) = value else { return false };
            let value = value.get();
            let start = texts.byte_offset() - value.len();
            let source = read_json(value);
            found.push(self.document(part, start, texts.byte_offset(), source));
        }
        documents.extend(found);
        true
    }

    fn document<'t>(
        &self,
        part: &str,
        start: usize,
        end: usize,
        source: Result<Source<'t>, Malformed>,
    ) -> Document<'t> {
        let line = self.line + part.get(..start).unwrap_or_default().matches('\n').count();
        let source = source.map_err(|malformed| Malformed {
            line: line + malformed.line - 1,
            reason: malformed.reason,
        });
        let outer = if start == 0 { self.outer } else { self.start + start };
        Document { number: 0, range: self.start + start..self.start + end, outer, line, source }
    }
}

/// The items of a `List`, or of a list of one kind such as `PodList`.
pub(crate) fn items(data: &Data) -> Option<&[Data]> {
    let kind = data.get("kind").and_then(Data::as_str)?;
    data.get("items").filter(|_| kind.ends_with("List"))?.as_seq()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, usize, String)> {
        let said = |document: &Document| match &document.source {
            Ok(source) => serde_json::to_string(&source.data).unwrap(),
            Err(malformed) => format!("{}: {}", malformed.line, malformed.reason),
        };
        let documents = documents(text);
        documents.iter().map(|d| (d.number, d.line(0), said(d))).collect()
    }

    #[test]
    fn splits_streams() {
        for (text, expected) in [
            ("", &[][..]),
            ("# nothing\n---\n\n---", &[]),
            ("a: 1", &[(1, 1, r#"{"a":1}"#)]),
            ("---\na: 1\n---\nb: 2\n---", &[(1, 1, r#"{"a":1}"#), (2, 3, r#"{"b":2}"#)]),
            ("%YAML 1.2\n---\na: 1\n...\n", &[(1, 2, r#"{"a":1}"#)]),
            ("\u{feff}a: 1\r\n--- # b\r\nb: 2", &[(1, 1, r#"{"a":1}"#), (2, 2, r#"{"b":2}"#)]),
            ("--- {a: 1}\n--- b\n", &[(1, 1, r#"{"a":1}"#), (2, 2, r#""b""#)]),
            ("a: |\n  --- x\n---x: 2\n", &[(1, 1, r#"{"---x":2,"a":"--- x\n"}"#)]),
            ("{\"a\":1}\n{\"b\":2}", &[(1, 1, r#"{"a":1}"#), (2, 2, r#"{"b":2}"#)]),
            ("{\"a\":\t1e999}", &[(1, 1, r#"{"a":1e999}"#)]),
            ("{a: 1}", &[(1, 1, r#"{"a":1}"#)]),
            (
                "a: 1\n---\nb: [\n---\nc: 3",
                &[
                    (1, 1, r#"{"a":1}"#),
                    (2, 2, "4: not YAML: while parsing a flow node: unexpected end"),
                    (3, 4, r#"{"c":3}"#),
                ],
            ),
        ] {
            let documents = read(text);
            let documents: Vec<_> = documents.iter().map(|(n, l, s)| (*n, *l, &**s)).collect();
            assert_eq!(documents.len(), expected.len(), "{text:?}: {documents:?}");
            for (one, two) in documents.iter().zip(expected) {
                assert_eq!((one.0, one.1), (two.0, two.1), "{text:?}");
                let same = serde_json::from_str::<serde_json::Value>(one.2).ok();
                let is_same = same.is_some_and(|value| {
                    serde_json::from_str::<serde_json::Value>(two.2).is_ok_and(|two| two == value)
                });
                assert!(one.2 == two.2 || is_same || two.2.contains("not YAML"), "{one:?}");
            }
        }
    }
}
