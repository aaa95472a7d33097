//! The manifest of a policy.

use serde_norway::Value as Yaml;
use settings_tools::conditions::{Condition, compile};
use settings_tools::manifest::{NAMES, scope};
use yaml_splice::{Document, Value, apply, parse_stream};

use crate::settings_file::SettingsFile;

/// A manifest of `deploy/` with other settings and matching conditions.
pub(super) fn new(base: &str, settings: &str, notes: &mut Vec<String>) -> Result<String, String> {
    let error = |error: serde_norway::Error| error.to_string();
    let mut policy: Yaml = serde_norway::from_str(base).map_err(error)?;
    let compiled = compile(settings, scope(&serde_json::to_string(&policy).unwrap_or_default()));
    notes.extend(compiled.notes);
    if let Some(spec) = policy.get_mut("spec").and_then(Yaml::as_mapping_mut) {
        let conditions = conditions(None, &compiled.conditions);
        spec.insert("mode".into(), "monitor".into());
        spec.insert("matchConditions".into(), serde_norway::to_value(conditions).map_err(error)?);
        // Settings come last.
        spec.shift_remove("settings");
        let settings = serde_json::from_str(settings).map_err(|error| error.to_string())?;
        spec.insert("settings".into(), settings);
    }
    let key = "  matchConditions:\n";
    let words: String = compiled.words.iter().map(|word| format!("  #   {word}\n")).collect();
    let commented = format!("  # These requests pass:\n{words}{key}");
    let yaml = serde_norway::to_string(&policy).map_err(error)?.replacen(key, &commented, 1);
    let hint = "`mode: monitor` logs and changes nothing; set it to `protect` to inject.";
    Ok(format!("# {hint}\n{yaml}"))
}

/// Renews the conditions of a policy's manifest, and its settings if new ones are
/// given; the rest stays as it is.
pub(super) fn renewed(
    file: &SettingsFile,
    settings: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<String, String> {
    let parts = parse_stream(&file.text);
    let part = parts.get(file.found.document).ok_or("the document is gone")?;
    let document = part.document.as_ref().map_err(|error| error.reason.clone())?;
    let policy = serde_json::to_string(&file.policy).unwrap_or_default();
    let compiled = compile(settings.unwrap_or(&file.json), scope(&policy));
    notes.extend(compiled.notes);
    let mut after = document.value().clone();
    let item = file.found.item.map(|item| format!("/items/{item}")).unwrap_or_default();
    let spec = after.pointer_mut(&format!("{item}/spec")).and_then(Value::as_mapping_mut);
    let spec = spec.ok_or("the policy has no spec")?;
    let present = spec.iter().find(|(key, _)| key == "matchConditions").map(|(_, value)| value);
    let conditions = conditions(present, &compiled.conditions);
    let before_settings = spec.iter().position(|(key, _)| key == "settings").unwrap_or(spec.len());
    set(spec, "matchConditions", conditions, before_settings);
    if let Some(settings) = settings {
        let settings = Document::parse_json(settings).map_err(|error| error.reason)?;
        set(spec, "settings", settings.into_value(), usize::MAX);
    }
    let edited = document.edit(&after).ok_or("the policy cannot be written")?;
    if edited.is_rewritten {
        notes.push("the manifest is written anew, without its comments and anchors".to_owned());
    }
    let edits = edited.edits.into_iter().map(|edit| edit.shifted(part.range.start));
    Ok(apply(&file.text, &edits.collect::<Vec<_>>()))
}

/// The compiled conditions, followed by the manifest's conditions that others wrote.
fn conditions(present: Option<&Value>, compiled: &[Condition]) -> Value {
    let condition = |it: &Condition| {
        let members = [("name", it.name), ("expression", &*it.expression)];
        let members = members.map(|(key, text)| (key.to_owned(), Value::String(text.to_owned())));
        Value::Mapping(members.into())
    };
    let is_other = |it: &&Value| {
        it.get("name").and_then(Value::as_str).is_none_or(|name| !NAMES.contains(&name))
    };
    let others = present.and_then(Value::as_sequence).unwrap_or_default().iter().filter(is_other);
    Value::Sequence(compiled.iter().map(condition).chain(others.cloned()).collect())
}

/// Replaces a member, or inserts it at a position.
fn set(members: &mut Vec<(String, Value)>, key: &str, value: Value, place: usize) {
    match members.iter_mut().find(|(name, _)| name == key) {
        Some((_, member)) => *member = value,
        None => members.insert(place.min(members.len()), (key.to_owned(), value)),
    }
}
