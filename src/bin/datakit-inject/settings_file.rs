//! Settings from whatever holds them.

use std::path::Path;

use serde_norway::Value;

use crate::manifests::{read_text, to_json};

/// Settings, and what they were found in.
pub(crate) struct SettingsFile {
    /// The settings, as JSON.
    pub(crate) json: String,
    /// What the file was taken for.
    pub(crate) kind: &'static str,
}

impl SettingsFile {
    /// Reads a plain configuration, the Operator's `ConfigMap`, or a policy's manifest.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = read_text(file)?;
        let name = file.display();
        let value: Value = serde_norway::from_str(&text)
            .map_err(|error| format!("{name} is neither YAML nor JSON: {error}"))?;
        match value.get("kind").and_then(Value::as_str) {
            Some("ConfigMap") => {
                let entries = value.get("data").and_then(Value::as_mapping);
                let texts = entries.into_iter().flatten().filter_map(|(_, text)| text.as_str());
                let configurations: Vec<&str> =
                    texts.filter(|text| text.contains("\"admission_")).collect();
                match *configurations {
                    [json] => Ok(Self { json: json.to_owned(), kind: "the Operator's ConfigMap" }),
                    _ => Err(format!(
                        "{name} is a ConfigMap with {} configurations of Datakit Operator, not one",
                        configurations.len()
                    )),
                }
            }
            Some("ClusterAdmissionPolicy" | "AdmissionPolicy") => {
                let settings = value.get("spec").and_then(|spec| spec.get("settings"));
                let json = settings.map_or_else(|| Ok("{}".to_owned()), to_json)?;
                Ok(Self { json, kind: "the settings of a policy" })
            }
            _ => Ok(Self { json: to_json(&value)?, kind: "a plain configuration" }),
        }
    }
}
