//! Reads the output of `kubectl get`.

use std::path::Path;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use yaml_splice::{Value, parse_stream};

use crate::files;
use crate::object::typed;
use crate::terminal::Problem;

/// Such as an error message, or a table; a check must not pass on either.
const OTHER: &str = "not what `kubectl get -o json` prints";

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct List<'t> {
    api_version: String,
    kind: String,
    /// Also where they are null.
    #[serde(borrow, deserialize_with = "some")]
    items: Option<&'t RawValue>,
}

fn some<'t, D: Deserializer<'t>>(deserializer: D) -> Result<Option<&'t RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// Adds the objects of a file as JSON. On a syntax error, the objects before it are kept.
pub(super) fn objects(file: &Path, objects: &mut Vec<String>) -> Result<(), Problem> {
    let (name, text) = (file.display().to_string(), files::read(file, u64::MAX - 1)?);
    // A check must not pass because the command before it in the pipe failed.
    if text.trim().is_empty() {
        return Err(Problem::new(&name, None, "is empty: did `kubectl get` fail?"));
    }
    if text.trim_start().starts_with('{') {
        for value in serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>() {
            let value = value.map_err(|error| {
                let reason = format!("not JSON: {error}");
                let reason = reason.split(" at line ").next().unwrap_or_default();
                Problem::new(&name, Some(error.line()), reason)
            })?;
            add(value.get(), objects).ok_or_else(|| Problem::new(&name, None, OTHER))?;
        }
        return Ok(());
    }
    let (mut problem, mut is_any) = (Ok(()), false);
    for part in parse_stream(&text) {
        let added = match part.document {
            // Separators may have nothing between them.
            Ok(document) if *document.value() == Value::Null => continue,
            Ok(document) => {
                let json = serde_json::to_string(document.value()).unwrap_or_default();
                let other = || Problem::new(&name, document.entry_line(""), OTHER);
                add(&json, objects).ok_or_else(other)
            }
            Err(error) => Err(Problem::new(&name, Some(error.line), error.reason)),
        };
        is_any = true;
        problem = if added.is_err() { added } else { problem };
    }
    if is_any { problem } else { Err(Problem::new(&name, None, OTHER)) }
}

/// Adds an object, or the items of a list; nothing if it is neither.
fn add(json: &str, objects: &mut Vec<String>) -> Option<()> {
    let List { api_version, kind, items } = serde_json::from_str(json).ok()?;
    if kind.is_empty() || kind == "List" && items.is_none() {
        return None;
    }
    let Some(items) = items.filter(|_| kind.ends_with("List")) else {
        objects.push(json.to_owned());
        return Some(());
    };
    // Some clients write an empty list as null.
    let items: Option<Vec<&RawValue>> = serde_json::from_str(items.get()).ok()?;
    for item in items.into_iter().flatten().map(RawValue::get) {
        objects.push(typed(item, &api_version, &kind)?);
    }
    Some(())
}
