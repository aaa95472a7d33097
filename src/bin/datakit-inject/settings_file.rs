//! Settings from whatever holds them.

use std::path::Path;

use datakit_injection::settings;
use serde_norway::Value;

use crate::failure::count;
use crate::files;

/// Settings, and what they were found in.
pub(crate) struct SettingsFile {
    /// The settings, as JSON.
    pub(crate) json: String,
    /// What the file was read as.
    pub(crate) kind: &'static str,
}

impl SettingsFile {
    /// Reads a plain configuration, the Operator's `ConfigMap`, values of a chart, or a policy's
    /// manifest.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = files::read(file).map_err(|problem| problem.to_string())?;
        let name = file.display();
        let value: Value = serde_norway::from_str(&text)
            .map_err(|error| format!("{name} is neither YAML nor JSON: {error}"))?;
        match value.get("kind").and_then(Value::as_str) {
            Some("ConfigMap") => match &mut *configurations(value.get("data"))? {
                [json] => Ok(Self { json: std::mem::take(json), kind: "the Operator's ConfigMap" }),
                found => Err(format!(
                    "{name} is a ConfigMap with {} configurations of Datakit Operator, not one",
                    found.len()
                )),
            },
            Some("ClusterAdmissionPolicy" | "AdmissionPolicy") => {
                let settings = value.get("spec").and_then(|spec| spec.get("settings"));
                let json = settings.map_or_else(|| Ok("{}".to_owned()), to_json)?;
                Ok(Self { json, kind: "the settings of a policy" })
            }
            _ if is_configuration(&value) => Self::plain(&value),
            _ => match &mut *configurations(Some(&value))? {
                [json] => Ok(Self { json: std::mem::take(json), kind: "values of a chart" }),
                _ => Self::plain(&value),
            },
        }
    }

    fn plain(value: &Value) -> Result<Self, String> {
        Ok(Self { json: to_json(value)?, kind: "a plain configuration" })
    }

    /// All errors, with their paths.
    pub(crate) fn errors(&self) -> Vec<String> {
        settings::validate(&self.json).iter().map(ToString::to_string).collect()
    }

    /// The same; an error if the settings are not valid.
    pub(crate) fn read_valid(file: &Path) -> Result<Self, String> {
        let settings = Self::read(file)?;
        let errors = settings.errors();
        let Some(first) = errors.first() else {
            return Ok(settings);
        };
        let (file, number) = (file.display(), count(errors.len(), "error"));
        Err(format!("{file}: {number}, the first: {first}; `check-settings` lists them all"))
    }
}

/// The configurations somewhere in a value, as JSON: in the text of a string, or as they stand.
fn configurations(value: Option<&Value>) -> Result<Vec<String>, String> {
    let inner: Vec<&Value> = match value {
        // Broken JSON is for `validate` to find.
        Some(Value::String(text)) if text.contains("\"admission_") => {
            return Ok(vec![text.clone()]);
        }
        Some(value) if is_configuration(value) => return Ok(vec![to_json(value)?]),
        Some(Value::Mapping(members)) => members.values().collect(),
        Some(Value::Sequence(elements)) => elements.iter().collect(),
        _ => Vec::new(),
    };
    let found: Result<Vec<_>, _> =
        inner.into_iter().map(|value| configurations(Some(value))).collect();
    Ok(found?.concat())
}

fn is_configuration(value: &Value) -> bool {
    let mut known = settings::KEYS.iter().filter(|key| key.starts_with("admission_"));
    value.get("jsonconfig").is_some() || known.any(|key| value.get(key).is_some())
}

/// The JSON of a value, its keys in the same order.
fn to_json(value: &Value) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| format!("cannot be JSON: {error}"))
}
