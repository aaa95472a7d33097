//! Finds settings in a file: a configuration, a ConfigMap, chart values or a policy.

use std::path::Path;

use datakit_injection::reader::SettingsError;
use settings_tools::document::{self, Found, Source};
use yaml_splice::{Value, parse_stream};

use crate::files;
use crate::terminal::{Problem, count};

/// Settings, and what they were found in.
pub(crate) struct SettingsFile {
    pub(crate) name: String,
    pub(crate) found: Found,
    pub(crate) text: String,
    /// The manifest of the policy as JSON, if they were found in one.
    pub(crate) policy: Option<String>,
}

impl SettingsFile {
    pub(crate) fn read(file: &Path) -> Result<Self, Problem> {
        Self::of(&file.display().to_string(), files::read(file, files::MAX_BYTES)?)
    }

    pub(crate) fn of(name: &str, text: String) -> Result<Self, Problem> {
        let values = parse_stream(&text).into_iter().map(|part| match part.document {
            Ok(document) => Ok(document.into_value()),
            Err(error) => Err(Problem::new(name, Some(error.line), error.reason)),
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let json = |value: &Value| serde_json::to_string(value).unwrap_or_default();
        let documents: Vec<String> = values.iter().map(json).collect();
        let found = document::find(&documents).map_err(|error| Problem::new(name, None, error))?;
        let holder = values.get(found.document).and_then(|it| it.pointer(&found.object()));
        let policy = holder.filter(|_| found.source == Source::Policy).map(json);
        Ok(Self { name: name.to_owned(), found, policy, text })
    }

    pub(crate) fn errors(&self) -> Vec<SettingsError> {
        document::validate(&self.found.settings)
    }

    /// The settings; an error if they are not valid.
    pub(crate) fn valid(&self) -> Result<String, Problem> {
        let errors = self.errors();
        let Some(first) = errors.first() else { return Ok(self.found.settings.clone()) };
        let number = count(errors.len(), "error");
        let reason = format!("{number}, the first: {first}; `check-settings` lists them all");
        let line = self.lines(std::slice::from_ref(first)).pop().flatten();
        Err(Problem::new(&self.name, line, reason))
    }

    /// The line of each path in the settings, or else of the nearest part of it that is there.
    pub(crate) fn lines(&self, errors: &[SettingsError]) -> Vec<Option<usize>> {
        let parts = parse_stream(&self.text);
        let document = parts.get(self.found.document).and_then(|part| part.document.as_ref().ok());
        let Some(document) = document else { return vec![None; errors.len()] };
        let object = self.found.object();
        let jsonconfig = format!("{}/jsonconfig", self.found.place);
        let text = document.value().pointer(&jsonconfig).and_then(Value::as_str);
        let has_text = text.is_some_and(|text| !text.is_empty());
        let holder = |path: &str| match path {
            // A path in the manifest, not in the settings.
            path if self.policy.is_some() && path.starts_with("spec.") => &*object,
            path if has_text && !path.starts_with("policy") => &*jsonconfig,
            _ => &*self.found.place,
        };
        document.lines_of_paths(errors.iter().map(|error| (holder(&error.path), &*error.path)))
    }
}
