//! JSON with the place of every value.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::error::ParseError;
use crate::text::Text;
use crate::tree::{Child, Format, Kind, Layout, Node, Notation, Tree};
use crate::value::Value;

/// Reading recurses, and nobody nests this deeply.
const MAX_DEPTH: usize = 255;

/// An offset and what is wrong there.
type Error = (usize, String);

pub(crate) fn read(str: &str) -> Result<Tree<'_>, ParseError> {
    let text = Text::new(str);
    // The reader below relies on it.
    let is_json = serde_json::from_str::<&RawValue>(str);
    is_json.map_err(|error| ParseError {
        line: error.line().max(1),
        reason: format!("not JSON: {error}"),
    })?;
    let mut reader = Reader { text: str, offset: 0, depth: 0 };
    reader.skip_blanks();
    let read = reader.value();
    let (root, value) =
        read.map_err(|(offset, reason)| ParseError { line: text.line(offset), reason })?;
    Ok(Tree { text, format: Format::Json, root, value })
}

/// Reads a text that is known to be JSON, in one pass.
struct Reader<'t> {
    text: &'t str,
    offset: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn value(&mut self) -> Result<(Node, Value), Error> {
        let start = self.offset;
        let (kind, value) = match self.peek() {
            Some(b'{') => self.mapping()?,
            Some(b'[') => self.sequence()?,
            Some(b'"') => (Kind::Scalar(Notation::DoubleQuoted), Value::String(self.string()?)),
            _ => (Kind::Scalar(Notation::Plain), self.literal()),
        };
        let node = Node { outer: start, start, end: self.offset, anchor: None, kind };
        Ok((node, value))
    }

    fn mapping(&mut self) -> Result<(Kind, Value), Error> {
        let (mut children, mut members, mut known) = (Vec::new(), Vec::new(), HashSet::new());
        self.entries(b'}', |reader| {
            let mark = reader.offset;
            let key = reader.string()?;
            if !known.insert(key.clone()) {
                return Err((mark, format!("duplicate key `{key}`")));
            }
            reader.skip_blanks();
            // The colon.
            reader.offset += 1;
            reader.skip_blanks();
            let (node, value) = reader.value()?;
            let after = node.start;
            children.push(Child { key: key.clone(), mark, after, is_merge: false, node });
            members.push((key, value));
            Ok(())
        })?;
        Ok((Kind::Mapping(children, Layout::Flow), Value::Mapping(members)))
    }

    fn sequence(&mut self) -> Result<(Kind, Value), Error> {
        let (mut children, mut elements) = (Vec::new(), Vec::new());
        self.entries(b']', |reader| {
            let (node, value) = reader.value()?;
            let mark = node.start;
            children.push(Child { key: String::new(), mark, after: mark, is_merge: false, node });
            elements.push(value);
            Ok(())
        })?;
        Ok((Kind::Sequence(children, Layout::Flow), Value::Sequence(elements)))
    }

    /// Reads the entries of a collection, from its bracket to behind the other one.
    fn entries(
        &mut self,
        close: u8,
        mut entry: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err((self.offset, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        loop {
            // The bracket, or the comma.
            self.offset += 1;
            self.skip_blanks();
            if self.peek() == Some(close) {
                break;
            }
            entry(self)?;
            self.skip_blanks();
            if self.peek() != Some(b',') {
                break;
            }
        }
        self.offset += 1;
        self.depth -= 1;
        Ok(())
    }

    fn string(&mut self) -> Result<String, Error> {
        let start = self.offset;
        let mut is_escaped = false;
        let end = self.rest().bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        });
        self.offset += end.map_or(self.rest().len(), |end| end + 2);
        let text = self.text.get(start..self.offset).unwrap_or_default();
        // Half of a surrogate pair is JSON, but no text.
        serde_json::from_str(text).map_err(|error| (start, format!("not JSON: {error}")))
    }

    /// A number, a boolean or null.
    fn literal(&mut self) -> Value {
        let rest = self.rest();
        let ends = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
        let length = rest.bytes().position(ends).unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        self.offset += length;
        match text {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            number => Value::Number(number.to_owned()),
        }
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.offset += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.offset..).unwrap_or_default()
    }
}
