//! Reads the output of `kubectl get`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Deserializer;
use serde_json::value::RawValue;
use yaml_splice::parse_stream;

use crate::files;
use crate::terminal::Problem;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct List<'t> {
    api_version: String,
    kind: String,
    #[serde(borrow)]
    items: Option<&'t RawValue>,
}

/// Adds the objects of a file as JSON. On a syntax error, the objects before it are kept.
pub(super) fn objects(file: &Path, objects: &mut Vec<String>) -> Result<(), Problem> {
    let (name, text) = (file.display().to_string(), files::read(file, u64::MAX - 1)?);
    // A check must not pass because the command before it in the pipe failed.
    if text.trim().is_empty() {
        return Err(Problem::new(&name, None, "is empty: did `kubectl get` fail?"));
    }
    if text.trim_start().starts_with('{') {
        for value in Deserializer::from_str(&text).into_iter::<&RawValue>() {
            let value = value.map_err(|error| {
                let reason = format!("not JSON: {error}");
                let reason = reason.split(" at line ").next().unwrap_or_default();
                Problem::new(&name, Some(error.line()), reason)
            })?;
            add(value.get(), objects);
        }
        return Ok(());
    }
    let mut problem = Ok(());
    for part in parse_stream(&text) {
        match part.document {
            Ok(document) => {
                add(&serde_json::to_string(document.value()).unwrap_or_default(), objects);
            }
            Err(error) => problem = Err(Problem::new(&name, Some(error.line), error.reason)),
        }
    }
    problem
}

fn add(json: &str, objects: &mut Vec<String>) {
    let List { api_version, kind, items } = serde_json::from_str(json).unwrap_or_default();
    let Some((items, kind)) = items.zip(kind.strip_suffix("List")) else {
        objects.push(json.to_owned());
        return;
    };
    // Some clients write an empty list as null.
    let items: Option<Vec<&RawValue>> = serde_json::from_str(items.get()).unwrap_or_default();
    for item in items.into_iter().flatten().map(RawValue::get) {
        let own: List = serde_json::from_str(item).unwrap_or_default();
        // Items of a typed list (`PodList`) omit their kind.
        let rest = item.strip_prefix('{').filter(|_| own.kind.is_empty() && !kind.is_empty());
        objects.push(rest.map_or(item.to_owned(), |rest| {
            format!(r#"{{"apiVersion":"{api_version}","kind":"{kind}",{rest}"#)
        }));
    }
}
