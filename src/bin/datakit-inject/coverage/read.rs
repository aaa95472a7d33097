//! Objects of a cluster, one at a time.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::documents::{documents, items};
use crate::files;
use crate::problem::Problem;
use crate::text::Data;

/// An object, as JSON.
pub(crate) struct Object {
    pub(crate) json: String,
    /// The API version and kind, where a list says it for its items.
    pub(crate) kind: Option<(String, String)>,
}

/// Hands over the objects of a file: of JSON one by one, however long the list is.
pub(crate) fn objects(file: &Path, each: &mut impl FnMut(Object)) -> Result<(), Problem> {
    let name = file.display().to_string();
    let unreadable = |error: std::io::Error| Problem::unreadable(&name, error);
    let input: Box<dyn Read> = match files::is_stdin(file) {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(File::open(file).map_err(unreadable)?),
    };
    let mut input = BufReader::with_capacity(1 << 18, input);
    let first = input.fill_buf().map_err(unreadable)?;
    let is_json = first.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    match is_json {
        true => json(&name, input, each),
        false => yaml(&name, input, each),
    }
}

/// Reads JSON texts, one after another.
fn json(name: &str, input: impl Read, each: &mut impl FnMut(Object)) -> Result<(), Problem> {
    let problem = |error: serde_json::Error| match error.is_io() {
        true => Problem::unreadable(name, error),
        false => Problem {
            file: name.to_owned(),
            line: Some(error.line()),
            reason: format!("not JSON: {error}"),
        },
    };
    let mut input = serde_json::Deserializer::from_reader(input);
    loop {
        match input.end() {
            Ok(()) => return Ok(()),
            Err(error) if error.is_io() => return Err(problem(error)),
            Err(_) => Text { each }.deserialize(&mut input).map_err(problem)?,
        }
    }
}

fn yaml(name: &str, mut input: impl Read, each: &mut impl FnMut(Object)) -> Result<(), Problem> {
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(|error| Problem::unreadable(name, error))?;
    let mut first = None;
    for document in documents(&text) {
        let data = match document.source {
            Ok(source) => source.data,
            Err(malformed) => {
                let (line, reason) = (Some(malformed.line), malformed.reason);
                first.get_or_insert(Problem { file: name.to_owned(), line, reason });
                continue;
            }
        };
        let json = |data: &Data| serde_json::to_string(data).unwrap_or_default();
        let named = |key| data.get(key).and_then(Data::as_str).unwrap_or_default();
        let kind = kind_of_items(named("apiVersion"), named("kind"));
        match items(&data) {
            None => each(Object { json: json(&data), kind: None }),
            Some(items) => {
                for item in items {
                    let kind = kind.clone().filter(|_| item.get("kind").is_none());
                    each(Object { json: json(item), kind });
                }
            }
        }
    }
    first.map_or(Ok(()), Err)
}

/// The kind of the items of a list of one kind, which do not say it.
fn kind_of_items(api_version: &str, kind: &str) -> Option<(String, String)> {
    let kind = kind.strip_suffix("List").filter(|kind| !kind.is_empty())?;
    Some((api_version.to_owned(), kind.to_owned()))
}

/// One JSON text: an object, or a list of objects.
struct Text<'f, F> {
    each: &'f mut F,
}

impl<'de, F: FnMut(Object)> DeserializeSeed<'de> for Text<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(Object)> Visitor<'de> for Text<'_, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut members, mut is_list) = (Vec::<(String, Box<RawValue>)>::new(), false);
        while let Some(key) = map.next_key::<String>()? {
            if key != "items" {
                members.push((key, map.next_value()?));
                continue;
            }
            is_list = true;
            let named = |name: &str| {
                let value = members.iter().find(|(key, _)| key == name);
                value.and_then(|(_, value)| serde_json::from_str::<String>(value.get()).ok())
            };
            let kind = named("kind").unwrap_or_default();
            let kind = kind_of_items(&named("apiVersion").unwrap_or_default(), &kind);
            map.next_value_seed(Items { each: &mut *self.each, kind })?;
        }
        if !is_list {
            let members: Vec<_> = members
                .iter()
                .map(|(key, value)| format!("{}:{}", serde_json::Value::from(&**key), value.get()))
                .collect();
            (self.each)(Object { json: format!("{{{}}}", members.join(",")), kind: None });
        }
        Ok(())
    }
}

/// The items of a list.
struct Items<'f, F> {
    each: &'f mut F,
    kind: Option<(String, String)>,
}

impl<'de, F: FnMut(Object)> DeserializeSeed<'de> for Items<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(Object)> Visitor<'de> for Items<'_, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a list of objects")
    }

    /// A list of nothing is null to some clients.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Box<RawValue>>()? {
            let json = Box::<str>::from(item).into_string();
            (self.each)(Object { json, kind: self.kind.clone() });
        }
        Ok(())
    }
}
