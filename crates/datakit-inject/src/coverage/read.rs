//! Objects of a cluster, one at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::values::{Broken, Values};
use crate::files;
use crate::items::items;
use crate::problem::Problem;
use yaml_splice::{Value, parse_stream};

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

/// Reads JSON texts, one after another: objects, or lists of objects.
fn json(name: &str, input: impl Read, each: &mut impl FnMut(Object)) -> Result<(), Problem> {
    let mut values = Values::new(input);
    match texts(&mut values, each) {
        Ok(()) => Ok(()),
        Err(Broken::Io(error)) => Err(Problem::unreadable(name, error)),
        Err(Broken::Json(reason)) => Err(Problem {
            file: name.to_owned(),
            line: Some(values.line()),
            reason: format!("not JSON: {reason}"),
        }),
    }
}

fn texts(values: &mut Values<impl Read>, each: &mut impl FnMut(Object)) -> Result<(), Broken> {
    while values.peek()?.is_some() {
        text(values, each)?;
    }
    Ok(())
}

/// Reads one JSON text.
fn text(values: &mut Values<impl Read>, each: &mut impl FnMut(Object)) -> Result<(), Broken> {
    let (mut members, mut is_list) = (Vec::<(String, String)>::new(), false);
    values.expect(b'{')?;
    let mut first = true;
    while !values.ends(b'}', &mut first)? {
        let key = values.next()?.to_owned();
        values.expect(b':')?;
        if key != "\"items\"" {
            let value = values.next()?.to_owned();
            members.push((key, value));
            continue;
        }
        is_list = true;
        let named = |name: &str| {
            let value = members.iter().find(|(key, _)| key.trim_matches('"') == name);
            value.and_then(|(_, value)| serde_json::from_str::<String>(value).ok())
        };
        let kind = named("kind").unwrap_or_default();
        let kind = kind_of_items(&named("apiVersion").unwrap_or_default(), &kind);
        // A list of nothing is null to some clients.
        if values.peek()? != Some(b'[') {
            values.next()?;
            continue;
        }
        values.expect(b'[')?;
        let mut first = true;
        while !values.ends(b']', &mut first)? {
            each(Object { json: values.next()?.to_owned(), kind: kind.clone() });
        }
    }
    if !is_list {
        let members: Vec<_> = members.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        each(Object { json: format!("{{{}}}", members.join(",")), kind: None });
    }
    Ok(())
}

fn yaml(name: &str, mut input: impl Read, each: &mut impl FnMut(Object)) -> Result<(), Problem> {
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(|error| Problem::unreadable(name, error))?;
    // Nothing was printed: a check that goes on would pass because another command failed.
    if text.trim().is_empty() {
        let reason = "is empty: `kubectl get` failed?".to_owned();
        return Err(Problem { file: name.to_owned(), line: None, reason });
    }
    let mut first = None;
    for part in parse_stream(&text) {
        let data = match part.document {
            Ok(document) => document.into_value(),
            Err(error) => {
                let (line, reason) = (Some(error.line), error.reason);
                first.get_or_insert(Problem { file: name.to_owned(), line, reason });
                continue;
            }
        };
        let json = |data: &Value| serde_json::to_string(data).unwrap_or_default();
        let named = |key| data.get(key).and_then(Value::as_str).unwrap_or_default();
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
