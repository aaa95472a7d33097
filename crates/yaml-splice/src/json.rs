//! JSON with the place of every value.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::Malformed;
use crate::data::Data;
use crate::tree::{Entry, Format, Kind, Layout, Node, Source, Style};

/// Nothing that people write is nested so deep, and reading takes the stack.
const MAX_DEPTH: usize = 255;

pub(super) fn read(text: &str) -> Result<Source<'_>, Malformed> {
    let malformed = |error: serde_json::Error| Malformed {
        line: error.line().max(1),
        reason: format!("not JSON: {error}"),
    };
    let raw: &RawValue = serde_json::from_str(text).map_err(malformed)?;
    let mut reader = Reader { text, depth: 0 };
    let (root, data) = reader.value(raw).map_err(|(place, reason)| Malformed {
        line: text.get(..place).unwrap_or_default().matches('\n').count() + 1,
        reason,
    })?;
    Ok(Source { text, format: Format::Json, root, data })
}

struct Reader<'t> {
    text: &'t str,
    depth: usize,
}

impl Reader<'_> {
    /// The place of a part of the text.
    fn place(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    fn value(&mut self, raw: &RawValue) -> Result<(Node, Data), (usize, String)> {
        let text = raw.get();
        let start = self.place(text);
        let wrong = |error: serde_json::Error| (start, format!("not JSON: {error}"));
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err((start, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let (kind, data) = match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text).map_err(wrong)?;
                let (mut entries, mut data) = (Vec::new(), Vec::new());
                let mut known = HashSet::new();
                for (key, value) in members {
                    let mark = self.place(key.get());
                    let name: String = serde_json::from_str(key.get()).map_err(wrong)?;
                    if !known.insert(name.clone()) {
                        return Err((mark, format!("duplicate key `{name}`")));
                    }
                    let (node, value) = self.value(value)?;
                    let after = node.start;
                    let key = name.clone();
                    entries.push(Entry { key, mark, after, is_merge: false, node });
                    data.push((name, value));
                }
                (Kind::Map(entries, Layout::Flow), Data::Map(data))
            }
            Some(b'[') => {
                let Elements(elements) = serde_json::from_str(text).map_err(wrong)?;
                let (mut entries, mut data) = (Vec::new(), Vec::new());
                for value in elements {
                    let (node, value) = self.value(value)?;
                    let (mark, key) = (node.start, String::new());
                    entries.push(Entry { key, mark, after: mark, is_merge: false, node });
                    data.push(value);
                }
                (Kind::Seq(entries, Layout::Flow), Data::Seq(data))
            }
            Some(b'"') => {
                let value = serde_json::from_str(text).map_err(wrong)?;
                (Kind::Scalar(Style::Double), Data::String(value))
            }
            Some(b't' | b'f') => (Kind::Scalar(Style::Plain), Data::Bool(text == "true")),
            Some(b'n') => (Kind::Scalar(Style::Plain), Data::Null),
            _ => (Kind::Scalar(Style::Plain), Data::Number(text.to_owned())),
        };
        self.depth -= 1;
        let node = Node { outer: start, start, end: start + text.len(), anchor: None, kind };
        Ok((node, data))
    }
}

/// The members of an object, unread.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

/// The elements of an array, unread.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Of)
    }
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Elements<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Of)
    }
}
