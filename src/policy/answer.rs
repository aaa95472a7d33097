//! The answer to a request.

use crate::json::{self, Value};
use crate::release::Release;
use crate::report::Report;
use crate::settings::LogLevel;

/// What the policy answers to a request. It always accepts.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The beginning of the response up to the object, if there is one: a large object is written
    /// once, in its place.
    text: String,
    /// What was done, and why not.
    pub report: Report,
    /// The least important lines to be logged.
    pub log_level: LogLevel,
    /// The release that the settings were read for, and why.
    pub release: (Release, &'static str),
}

/// Most answers are shorter.
const USUAL_LENGTH: usize = 16 << 10;
const ACCEPTED: &str = "{\"accepted\":true";
const MUTATED: &str = "{\"accepted\":true,\"mutated_object\":";

impl Answer {
    /// An answer that leaves the object as it is.
    pub(super) fn unchanged(report: Report) -> Self {
        Self { report, ..Self::default() }
    }

    /// An answer with another object.
    pub(super) fn mutated(object: &Value, report: Report) -> Self {
        let mut text = String::with_capacity(USUAL_LENGTH);
        text.push_str(MUTATED);
        object.write(&mut text);
        Self { text, report, ..Self::default() }
    }

    /// The JSON text of the object to be stored, if it differs from the request's.
    pub fn mutated_object(&self) -> Option<&str> {
        self.text.strip_prefix(MUTATED)
    }

    /// The response that Kubewarden reads, as JSON.
    pub fn into_response(self) -> String {
        let mut out = self.text;
        if out.is_empty() {
            out.push_str(ACCEPTED);
        }
        let annotations: Vec<_> = self.report.audit_annotations().collect();
        for (index, (key, value)) in annotations.iter().enumerate() {
            out.push_str(if index == 0 { ",\"audit_annotations\":{\"" } else { ",\"" });
            out.push_str(key);
            out.push_str("\":");
            json::push_text(&mut out, value);
        }
        if !annotations.is_empty() {
            out.push('}');
        }
        let warnings = self.report.warnings();
        for (index, warning) in warnings.iter().enumerate() {
            out.push_str(if index == 0 { ",\"warnings\":[" } else { "," });
            json::push_text(&mut out, warning);
        }
        if !warnings.is_empty() {
            out.push(']');
        }
        out.push('}');
        out
    }
}
