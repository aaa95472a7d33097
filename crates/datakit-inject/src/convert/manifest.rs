//! The manifest of a policy.

use serde_norway::Value as Yaml;
use settings_tools::conditions::Scope;
use yaml_splice::{Document, Value, parse_stream};

use super::Resources;
use super::conditions;
use crate::settings_file::SettingsFile;

/// The manifest of `deploy/` with these settings and their conditions.
pub(super) fn new(
    settings: &str,
    resources: Resources,
    notes: &mut Vec<String>,
) -> Result<String, String> {
    let (base, scope) = match resources {
        Resources::Workloads => {
            (include_str!("../../../../deploy/base/workloads.yaml"), Scope::Workloads)
        }
        Resources::Pods => (include_str!("../../../../deploy/base/pods.yaml"), Scope::Pods),
    };
    let mut policy: Yaml = serde_norway::from_str(base).map_err(|error| error.to_string())?;
    if let Some(spec) = policy.get_mut("spec").and_then(Yaml::as_mapping_mut) {
        spec.insert("mode".into(), "monitor".into());
        let conditions = conditions::renewed(None, settings, scope, notes);
        spec.insert("matchConditions".into(), yaml(&conditions)?);
        // Behind what is the same for all policies.
        spec.shift_remove("settings");
        let settings = serde_json::from_str(settings).map_err(|error| error.to_string())?;
        spec.insert("settings".into(), settings);
    }
    let yaml = serde_norway::to_string(&policy).map_err(|error| error.to_string())?;
    Ok(format!(
        "# `mode: monitor` logs and changes nothing; set it to `protect` to inject.\n{yaml}"
    ))
}

fn yaml(value: &Value) -> Result<Yaml, String> {
    serde_norway::to_value(value).map_err(|error| error.to_string())
}

/// The file of a policy's manifest with the conditions of its settings, and with other settings if
/// there are any; the rest of it stays.
pub(super) fn renewed(
    file: &SettingsFile,
    settings: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<String, String> {
    let parts = parse_stream(&file.text);
    let part = parts.get(file.found.document).ok_or("the document is gone")?;
    let document = part.document.as_ref().map_err(|error| error.reason.clone())?;
    let mut after = document.value().clone();
    let policy = match file.found.item {
        Some(item) => after
            .get_mut("items")
            .and_then(Value::as_sequence_mut)
            .and_then(|items| items.get_mut(item)),
        None => Some(&mut after),
    };
    let scope = policy.as_deref().map_or(Scope::All, conditions::scope);
    let Some(Value::Mapping(spec)) = policy.and_then(|policy| policy.get_mut("spec")) else {
        return Err("the policy has no spec".to_owned());
    };
    let place = |spec: &[(String, Value)], key: &str| spec.iter().position(|(name, _)| name == key);
    let present = place(spec, "matchConditions").and_then(|at| spec.get(at));
    let conditions = conditions::renewed(
        present.map(|(_, conditions)| conditions),
        settings.unwrap_or(&file.json),
        scope,
        notes,
    );
    let at_settings = place(spec, "settings").unwrap_or(spec.len());
    set(spec, "matchConditions", conditions, at_settings);
    if let Some(settings) = settings {
        let settings = Document::parse_json(settings).map_err(|error| error.reason)?.into_value();
        set(spec, "settings", settings, usize::MAX);
    }
    let edited = document.edit(&after).ok_or("the policy cannot be written")?;
    if edited.is_rewritten {
        notes.push("the manifest is re-emitted without its comments and anchors".to_owned());
    }
    let text = |range: std::ops::Range<usize>| file.text.get(range).unwrap_or_default();
    let range = part.range.clone();
    let (before, behind) = (text(0..range.start), text(range.end..file.text.len()));
    Ok(format!("{before}{}{behind}", edited.text))
}

/// Sets a member in its place, or in this one where there is none.
fn set(members: &mut Vec<(String, Value)>, key: &str, value: Value, place: usize) {
    match members.iter_mut().find(|(name, _)| name == key) {
        Some((_, member)) => *member = value,
        None => members.insert(place.min(members.len()), (key.to_owned(), value)),
    }
}
