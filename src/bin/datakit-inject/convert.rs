//! `convert`: from an Operator configuration to a policy's manifest, or to rules of
//! `admission_inject_v2` with the same meaning.

mod conditions;
mod loggings;
mod manifest;
mod release;
mod rules;

use clap::ValueEnum;
use serde_norway::{Mapping, Value};

pub(crate) use conditions::check as check_conditions;
use release::Release;

use crate::settings_file::SettingsFile;

/// What settings are converted to.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Target {
    /// The manifest of a policy, as YAML: a new ClusterAdmissionPolicy, or the one that was given.
    #[default]
    Policy,
    /// The settings alone, as JSON.
    Settings,
}

/// What a policy injects into.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Resources {
    /// The pod templates of Deployments and the like.
    #[default]
    Workloads,
    /// Pods as they are created.
    Pods,
}

/// A converted text, and what its reader should know.
pub(crate) struct Converted {
    pub(crate) text: String,
    pub(crate) notes: Vec<String>,
}

/// Converts valid settings.
pub(crate) fn convert(
    file: &SettingsFile,
    to: Target,
    v2: bool,
    resources: Resources,
) -> Result<Converted, String> {
    let mut notes = Vec::new();
    let mut settings: Value =
        serde_json::from_str(&file.json).map_err(|error| error.to_string())?;
    if v2 {
        let release = Release::of(&file.json);
        settings = Value::Mapping(to_v2(unpacked(&settings)?, release, &mut notes));
    }
    let text = match to {
        Target::Settings => serde_json::to_string_pretty(&settings)
            .map(|json| json + "\n")
            .map_err(|error| error.to_string())?,
        Target::Policy => {
            let json = serde_json::to_string(&settings).map_err(|error| error.to_string())?;
            match file.policy {
                Some(_) => manifest::renewed(file, v2.then_some(&*json), &mut notes)?,
                None => manifest::new(&json, resources, &mut notes)?,
            }
        }
    };
    Ok(Converted { text, notes })
}

/// The configuration with what stood in `jsonconfig`.
fn unpacked(settings: &Value) -> Result<Mapping, String> {
    let mut top = settings.as_mapping().cloned().unwrap_or_default();
    let text = settings.get("jsonconfig").and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() {
        top.shift_remove("jsonconfig");
        return Ok(top);
    }
    let mut inner: Mapping = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if let Some(policy) = top.get("policy") {
        inner.insert("policy".into(), policy.clone());
    }
    Ok(inner)
}

/// Moves the blocks of `admission_inject` to rules of `admission_inject_v2`, in its place, and gives
/// the rules of `admission_mutate` the form that they have beside those.
fn to_v2(settings: Mapping, release: Release, notes: &mut Vec<String>) -> Mapping {
    let rules = rules::of(&settings, release, notes);
    let mut converted = Mapping::new();
    for (key, value) in settings {
        match key.as_str() {
            Some("admission_inject" | "admission_inject_v2") => {
                if !rules.is_empty() {
                    let rules = Value::Mapping(rules.clone());
                    converted.insert("admission_inject_v2".into(), rules);
                }
            }
            Some("admission_mutate") => {
                converted.insert(key, loggings::converted(value, release));
            }
            _ => {
                converted.insert(key, value);
            }
        }
    }
    release::declare(&mut converted);
    converted
}
