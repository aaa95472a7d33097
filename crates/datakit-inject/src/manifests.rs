//! What the policy does to the objects of a file, and to its text.

use std::path::Path;

use crate::evaluate::{Outcome, Policy};
use crate::items::items;
use crate::problem::Problem;
use crate::{files, helm};
use yaml_splice::{Document, Part, Value, parse_stream};

/// A file before and after injection.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    pub(crate) file: String,
    /// The text as it is.
    pub(crate) before: String,
    /// The text with the injections, where it is another.
    pub(crate) after: Option<String>,
    /// The manifests with the injections: the text without what is no manifest.
    pub(crate) printed: String,
    /// The objects of each document.
    pub(crate) documents: Vec<Vec<Object>>,
    pub(crate) problems: Vec<Problem>,
    /// What a reader should know.
    pub(crate) notes: Vec<String>,
}

/// One object of a file.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) line: usize,
    pub(crate) outcome: Outcome,
}

/// What is wanted of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What the policy does.
    Outcomes,
    /// The text with the injections too.
    Text,
}

impl Manifests {
    /// Runs the objects of a file through the policy.
    pub(crate) fn read(file: &Path, policy: &Policy, wanted: Wanted) -> Self {
        let name = file.display().to_string();
        match files::read(file) {
            Ok(text) => Self::of(file, text, policy, wanted),
            Err(problem) => Self { file: name, problems: vec![problem], ..Self::default() },
        }
    }

    /// Runs the objects of a text through the policy.
    pub(crate) fn of(file: &Path, text: String, policy: &Policy, wanted: Wanted) -> Self {
        let mut manifests = Self { file: file.display().to_string(), ..Self::default() };
        let parts = parse_stream(&text);
        let is_template = |part: &Part| {
            let written = text.get(part.range.clone()).unwrap_or_default();
            part.document.is_err() && written.contains("{{")
        };
        let is_malformed = parts.iter().any(is_template);
        if let Some(problem) = helm::template(file, &text, is_malformed) {
            manifests.problems.push(problem);
            return manifests;
        }
        let count = parts.len();
        let (mut after, mut place, mut printed) = (String::new(), 0, 0);
        for (index, part) in parts.iter().enumerate() {
            let number = index + 1;
            let problem = |line, reason: &str| {
                let which = format!("document {number}: ");
                let which = if count > 1 { which } else { String::new() };
                Problem { file: manifests.file.clone(), line: Some(line), reason: which + reason }
            };
            let read = match &part.document {
                Err(error) => Err(problem(error.line, &error.reason)),
                Ok(document) => match not_a_manifest(document.value()) {
                    Some(reason) => Err(problem(first_line(document), reason)),
                    None => Ok(document),
                },
            };
            let document = match read {
                Ok(document) => document,
                Err(problem) => {
                    let kept = text.get(printed..part.outer).unwrap_or_default();
                    manifests.printed.push_str(kept);
                    printed = part.range.end;
                    manifests.problems.push(problem);
                    continue;
                }
            };
            let (objects, mutated) = run(document, policy);
            for object in &objects {
                let place = format!("{}:{}", manifests.file, object.line);
                let notes = object.outcome.notes.iter().map(|note| format!("{place}: {note}"));
                manifests.notes.extend(notes);
            }
            manifests.documents.push(objects);
            let Some(mutated) = mutated.filter(|_| wanted == Wanted::Text) else { continue };
            let line = first_line(document);
            let Some(edited) = document.edit(&mutated) else {
                let reason = "the change cannot be written into this document";
                manifests.problems.push(problem(line, reason));
                continue;
            };
            if edited.is_rewritten {
                manifests.notes.push(format!(
                    "{}:{line}: document {number} is re-emitted without its comments and anchors: \
                     it cannot be edited in place",
                    manifests.file
                ));
            }
            let range = part.range.clone();
            after.push_str(text.get(place..range.start).unwrap_or_default());
            after.push_str(&edited.text);
            place = range.end;
            let kept = text.get(printed..range.start).unwrap_or_default();
            manifests.printed.push_str(kept);
            manifests.printed.push_str(&edited.text);
            printed = range.end;
        }
        manifests.printed.push_str(text.get(printed..).unwrap_or_default());
        if place > 0 {
            after.push_str(text.get(place..).unwrap_or_default());
            manifests.after = Some(after);
        }
        manifests.before = text;
        manifests
    }

    /// The objects of all documents.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.documents.iter().flatten()
    }
}

/// The line in which the value of a document starts.
fn first_line(document: &Document) -> usize {
    document.line(document.locate("").map_or(0, |range| range.start))
}

fn not_a_manifest(data: &Value) -> Option<&'static str> {
    match (data, data.get("kind")) {
        (Value::Mapping(_), Some(Value::String(_))) => None,
        (Value::Mapping(_), _) => Some("not a manifest: no `kind`"),
        _ => Some("not a manifest: not an object"),
    }
}

/// Runs the objects of a document through the policy; the document with the injections, where there
/// are any.
fn run(document: &Document, policy: &Policy) -> (Vec<Object>, Option<Value>) {
    let Some(list) = items(document.value()) else {
        let outcome = policy.run(document.value(), None);
        let mutated = outcome.mutated();
        let line = first_line(document);
        return (vec![Object { line, outcome }], mutated);
    };
    // The items of a list of one kind do not name it.
    let named = |key| document.value().get(key).and_then(Value::as_str).unwrap_or_default();
    let kind = named("kind").strip_suffix("List").filter(|kind| !kind.is_empty());
    let kind = kind.map(|kind| (named("apiVersion"), kind));
    let (mut objects, mut mutated) = (Vec::new(), Vec::new());
    for (index, item) in list.iter().enumerate() {
        let outcome = policy.run(item, kind.filter(|_| item.get("kind").is_none()));
        mutated.push(outcome.mutated());
        let place = document.locate(&format!("/items/{index}"));
        let line = document.line(place.map_or(0, |place| place.start));
        objects.push(Object { line, outcome });
    }
    if mutated.iter().all(Option::is_none) {
        return (objects, None);
    }
    let mut value = document.value().clone();
    let items = value.get_mut("items").and_then(Value::as_sequence_mut).into_iter().flatten();
    for (item, mutated) in items.zip(mutated) {
        if let Some(mutated) = mutated {
            *item = mutated;
        }
    }
    (objects, Some(value))
}

#[cfg(test)]
#[path = "../../yaml-splice/tests/support/written.rs"]
mod generated;
#[cfg(test)]
mod tests;
