//! `uninject`: manifests without what is recorded in them.

use std::path::Path;

use datakit_injection::injection::table::ALL;
use datakit_injection::policy;

use crate::evaluate::{Outcome, Policy, Task};
use crate::failure::Failure;
use crate::settings_file::SettingsFile;
use yaml_splice::{Document, Value};

/// The annotation of a record; that of a policy with an id ends in a point and the id.
const RECORD: &str = "admission.datakit/injected";

/// The policy whose records are read: settings say its id and its extra workloads, if it has any.
pub(crate) fn policy(settings: Option<&Path>, injection: Option<&str>) -> Result<Policy, Failure> {
    let settings = match settings {
        Some(file) => SettingsFile::read_valid(file)?.json,
        None => "{}".to_owned(),
    };
    let task = Task::Uninject(injection.map(str::to_owned));
    Ok(Policy { settings, task, ..Policy::default() })
}

/// Reads the name of an injection, with its language or without: `ddtrace` or `ddtrace-java`.
pub(crate) fn injection(name: &str) -> Result<String, String> {
    let is_known = ALL.iter().any(|injection| {
        let mut languages = injection.variants.iter().filter_map(|variant| variant.language);
        name == injection.name
            || languages.any(|language| name == format!("{}-{language}", injection.name))
    });
    if is_known {
        return Ok(name.to_owned());
    }
    let names: Vec<_> = ALL.iter().map(|injection| injection.name).collect();
    Err(format!("known are {}, also with a language (ddtrace-java)", names.join(", ")))
}

/// Removes what is recorded in an object; `kind` is its API version and kind where it does not have
/// them itself.
pub(crate) fn uninject(
    object: &Value,
    kind: Option<(&str, &str)>,
    settings: &str,
    injection: Option<&str>,
) -> Outcome {
    let mut named = object.clone();
    if let (Some((api_version, kind)), Value::Mapping(members)) = (kind, &mut named) {
        members.push(("apiVersion".to_owned(), Value::String(api_version.to_owned())));
        members.push(("kind".to_owned(), Value::String(kind.to_owned())));
    }
    let json = serde_json::to_string(&named).unwrap_or_default();
    let uninjected = policy::uninject(&json, settings, injection);
    let workload = workload(&named);
    let Some(uninjected) = uninjected else {
        return Outcome {
            notes: left(&named, &workload, injection),
            workload,
            ..Outcome::default()
        };
    };
    let mut after = Document::parse_json(&uninjected.object).ok().map(Document::into_value);
    if let (Some(_), Some(Value::Mapping(members))) = (kind, &mut after) {
        members.retain(|(key, _)| key != "apiVersion" && key != "kind");
    }
    let mutated = after.as_ref().and_then(|after| serde_json::to_string(after).ok());
    Outcome { workload, mutated, removed: uninjected.removed, ..Outcome::default() }
}

fn workload(object: &Value) -> String {
    let text = |data: Option<&Value>| data.and_then(Value::as_str).unwrap_or_default().to_owned();
    let metadata = object.get("metadata");
    let name = metadata.and_then(|it| it.get("name").or_else(|| it.get("generateName")));
    format!("{}/{}", text(object.get("kind")), text(name))
}

/// What a reader may wonder about in an object from which nothing is removed.
fn left(object: &Value, workload: &str, injection: Option<&str>) -> Vec<String> {
    let annotations = object.get("metadata").and_then(|metadata| metadata.get("annotations"));
    let Some(Value::Mapping(annotations)) = annotations else {
        return without_record(object, workload);
    };
    let records = annotations.iter().filter_map(|(key, _)| key.strip_prefix(RECORD));
    let records: Vec<_> = records.filter(|id| id.is_empty() || id.starts_with('.')).collect();
    if records.is_empty() {
        return without_record(object, workload);
    }
    let note = |id: &&str| match id.strip_prefix('.') {
        Some(id) => Some(format!(
            "{workload}: nothing is removed: the record is of a policy with policy.id `{id}`, or cannot be read; give its settings with -s"
        )),
        None if injection.is_some() => None,
        None => Some(format!(
            "{workload}: nothing is removed: the record is of a policy without policy.id, or cannot be read"
        )),
    };
    records.iter().filter_map(note).collect()
}

/// A note on containers of ours without a record.
fn without_record(object: &Value, workload: &str) -> Vec<String> {
    let ours = ALL.iter().filter_map(|injection| injection.container);
    let is_ours = |name: &str| ours.clone().any(|own| own == name);
    match containers(object).into_iter().find(|name| is_ours(name)) {
        Some(name) => vec![format!("{workload}: nothing is removed: it has {name}, but no record")],
        None => Vec::new(),
    }
}

/// The names of the containers of an object.
fn containers(object: &Value) -> Vec<&str> {
    let spec = object.get("spec");
    let of_job = spec.and_then(|spec| spec.get("jobTemplate")?.get("spec"));
    let template = of_job.or(spec).and_then(|spec| spec.get("template")?.get("spec"));
    let Some(spec) = template.or(spec) else { return Vec::new() };
    let lists =
        ["initContainers", "containers"].into_iter().filter_map(|key| spec.get(key)?.as_sequence());
    lists.flatten().filter_map(|container| container.get("name")?.as_str()).collect()
}
