//! Settings from whatever holds them.

use std::path::Path;

use datakit_injection::reader::SettingsError;
use settings_tools::document;
use settings_tools::document::{Found, Source};

use crate::failure::count;
use crate::files;
use crate::items::items;
use crate::problem::Problem;
use yaml_splice::{Value, parse_stream};

/// Settings, and what they were found in.
pub(crate) struct SettingsFile {
    /// The settings, as JSON.
    pub(crate) json: String,
    /// Where they were found.
    pub(crate) found: Found,
    /// The text of the file.
    pub(crate) text: String,
    /// The manifest of the policy, if they were found in one.
    pub(crate) policy: Option<Value>,
}

impl SettingsFile {
    /// Finds the settings of a file.
    pub(crate) fn read(file: &Path) -> Result<Self, Problem> {
        let text = files::read(file)?;
        let name = file.display().to_string();
        let mut read = Vec::new();
        for part in parse_stream(&text) {
            let document = part.document.map_err(|error| Problem {
                file: name.clone(),
                line: Some(error.line),
                reason: error.reason,
            })?;
            read.push(document.into_value());
        }
        let json: Vec<String> =
            read.iter().map(|data| serde_json::to_string(data).unwrap_or_default()).collect();
        let json: Vec<&str> = json.iter().map(|json| &**json).collect();
        let found = document::find(&json);
        let found =
            found.map_err(|error| Problem { file: name, line: None, reason: error.to_string() })?;
        let holder = read.get(found.document).and_then(|data| match found.item {
            Some(item) => items(data)?.get(item),
            None => Some(data),
        });
        let policy = holder.filter(|_| found.source == Source::Policy).cloned();
        Ok(Self { json: found.settings.clone(), found, policy, text })
    }

    /// All errors, with their paths.
    pub(crate) fn errors(&self) -> Vec<SettingsError> {
        document::validate(&self.json)
    }

    /// The same; an error if the settings are not valid.
    pub(crate) fn read_valid(file: &Path) -> Result<Self, Problem> {
        let settings = Self::read(file)?;
        let errors = settings.errors();
        let Some(first) = errors.first() else {
            return Ok(settings);
        };
        let number = count(errors.len(), "error");
        let reason = format!("{number}, the first: {first}; `check-settings` lists them all");
        Err(Problem { file: file.display().to_string(), line: None, reason })
    }
}
