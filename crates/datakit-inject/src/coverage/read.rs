//! Reads the output of `kubectl get`.

use std::path::Path;

use datakit_injection::json::{Object, Value as Text};
use serde_json::value::RawValue;
use yaml_splice::{Value, parse_stream};

use crate::files;
use crate::object::typed;
use crate::terminal::Problem;

/// Such as an error message, or a table; a check must not pass on either.
const OTHER: &str = "not what `kubectl get -o json` prints";

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
    let object = Object::parse(json)?;
    let text = |key| object.get_str(key).unwrap_or_default();
    let kind = text("kind");
    let items = object.get("items").filter(|_| kind.ends_with("List"));
    match items.and_then(Text::as_text) {
        None if kind.is_empty() || kind == "List" => return None,
        None => objects.push(json.to_owned()),
        Some(items) => {
            // Some clients write an empty list as null.
            let items: Option<Vec<&RawValue>> = serde_json::from_str(items).ok()?;
            for item in items.into_iter().flatten() {
                objects.push(typed(item.get(), &text("apiVersion"), &kind)?);
            }
        }
    }
    Some(())
}
