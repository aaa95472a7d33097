//! Manifests: YAML streams and JSON, from files, folders and standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_norway::Value;

/// One document of a stream.
#[derive(Debug)]
pub(crate) struct Document {
    /// Where it stands.
    pub(crate) origin: String,
    /// Its text, as it was written.
    pub(crate) text: String,
    /// What the text says.
    pub(crate) value: Value,
}

/// Reads the documents of files; of a folder, every YAML and JSON file below it, by name.
pub(crate) fn read(filenames: &[PathBuf]) -> Result<Vec<Document>, String> {
    let mut documents = Vec::new();
    for filename in filenames {
        for file in files(filename)? {
            let text = read_text(&file)?;
            documents_of(&file.display().to_string(), &text, &mut documents)?;
        }
    }
    Ok(documents)
}

/// Reads a text; `-` is standard input.
pub(crate) fn read_text(file: &Path) -> Result<String, String> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|error| format!("cannot read {}: {error}", file.display()))
}

fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let fault = |error| format!("cannot read {}: {error}", path.display());
    let entries = std::fs::read_dir(path).map_err(fault)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(fault)?;
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let is_manifest = path.extension().is_some_and(|extension| {
            ["yaml", "yml", "json"].iter().any(|known| extension == *known)
        });
        if path.is_dir() || is_manifest {
            found.extend(files(&path)?);
        }
    }
    Ok(found)
}

/// Adds the documents of a stream. At the start of a line, `---` is nothing but a separator.
fn documents_of(name: &str, text: &str, documents: &mut Vec<Document>) -> Result<(), String> {
    let mut parts = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let rest = line.strip_prefix("---").filter(|rest| rest.trim_start().len() < rest.len());
        match (rest, parts.last_mut()) {
            (Some(rest), _) => parts.push(rest.trim_start().to_owned()),
            (None, Some(part)) => part.push_str(line),
            (None, None) => {}
        }
    }
    for (index, text) in parts.into_iter().enumerate() {
        let value: Value = serde_norway::from_str(&text)
            .map_err(|error| format!("{name}, document {index}: not YAML: {error}"))?;
        if !value.is_null() {
            documents.push(Document { origin: name.to_owned(), text, value });
        }
    }
    Ok(())
}

/// The JSON of a document, its keys in the same order.
pub(crate) fn to_json(value: &Value) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| format!("cannot be JSON: {error}"))
}
