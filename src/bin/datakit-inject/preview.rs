//! What the policy does to one document.

use std::io::{self, Write};

use console::style;
use datakit_injection::policy;
use datakit_injection::report::Report;
use serde_json::json;
use serde_norway::Value;
use similar::{ChangeTag, TextDiff};

use crate::manifests::{Document, to_json};

/// A document before and after injection.
pub(crate) struct Preview {
    before: String,
    /// The document with the injections, as YAML.
    pub(crate) after: String,
    reports: Vec<Report>,
}

impl Preview {
    /// Runs a document through the policy; of a `List`, each item.
    pub(crate) fn of(document: &Document, settings: &str) -> Result<Self, String> {
        let mut reports = Vec::new();
        let mut value = document.value.clone();
        match value.get_mut("items").and_then(Value::as_sequence_mut) {
            Some(items) => {
                for item in items {
                    inject(item, settings, &mut reports)?;
                }
            }
            None => inject(&mut value, settings, &mut reports)?,
        }
        let yaml = |value| serde_norway::to_string(value).map_err(|error| error.to_string());
        Ok(Self { before: yaml(&document.value)?, after: yaml(&value)?, reports })
    }

    /// Whether anything was injected.
    pub(crate) fn is_changed(&self) -> bool {
        self.before != self.after
    }

    /// Prints the warnings to standard error.
    pub(crate) fn warn(&self) {
        for warning in self.reports.iter().flat_map(|report| &report.warnings) {
            eprintln!("{}: {warning}", style("warning").for_stderr().yellow());
        }
    }

    /// Prints the difference; nothing where there is none.
    pub(crate) fn diff(&self, origin: &str, out: &mut impl Write) -> io::Result<()> {
        if !self.is_changed() {
            return Ok(());
        }
        let diff = TextDiff::from_lines(&self.before, &self.after);
        writeln!(out, "{}", style(format!("--- {origin}")).bold())?;
        writeln!(out, "{}", style(format!("+++ {origin} (injected)")).bold())?;
        for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
            writeln!(out, "{}", style(hunk.header()).cyan())?;
            for change in hunk.iter_changes() {
                let line = change.to_string_lossy();
                let line = line.trim_end_matches('\n');
                match change.tag() {
                    ChangeTag::Equal => writeln!(out, " {line}")?,
                    ChangeTag::Insert => writeln!(out, "{}", style(format!("+{line}")).green())?,
                    ChangeTag::Delete => writeln!(out, "{}", style(format!("-{line}")).red())?,
                }
            }
        }
        Ok(())
    }

    /// Prints what was injected, by which rule, and what was not, and why.
    pub(crate) fn explain(&self, origin: &str, out: &mut impl Write) -> io::Result<()> {
        if self.reports.is_empty() {
            writeln!(out, "{origin}: nothing asks for an injection")?;
        }
        for report in &self.reports {
            writeln!(out, "{}", style(format!("{} ({origin})", report.workload)).bold())?;
            for (injection, rule) in &report.injected {
                writeln!(out, "  {} {injection}, by {rule}", style("injected").green())?;
            }
            for (injection, reason) in &report.skipped {
                writeln!(out, "  {} {injection}: {reason}", style("skipped").yellow())?;
            }
            if report.injected.is_empty() && report.skipped.is_empty() {
                writeln!(out, "  everything asked for is there already")?;
            }
        }
        Ok(())
    }

    /// The same for machines.
    pub(crate) fn explained(&self, origin: &str) -> serde_json::Value {
        let objects = self.reports.iter().map(|report| {
            let pair = |key: &'static str| {
                move |(injection, text): &(_, String)| {
                    let injection: &datakit_injection::report::Injection = injection;
                    json!({ "injection": injection.to_string(), key: text })
                }
            };
            json!({
                "workload": report.workload,
                "injected": report.injected.iter().map(pair("rule")).collect::<Vec<_>>(),
                "skipped": report.skipped.iter().map(pair("reason")).collect::<Vec<_>>(),
                "warnings": report.warnings,
            })
        });
        json!({ "file": origin, "objects": objects.collect::<Vec<_>>() })
    }
}

/// Runs one object through the policy, as if it were created.
fn inject(object: &mut Value, settings: &str, reports: &mut Vec<Report>) -> Result<(), String> {
    let json = to_json(object)?;
    let payload = format!(
        r#"{{"request":{{"operation":"CREATE","namespace":"default","object":{json}}},"settings":{settings}}}"#
    );
    let answer = policy::evaluate(payload.as_bytes());
    if let Some(mutated) = &answer.mutated_object {
        *object = serde_norway::from_str(mutated).map_err(|error| error.to_string())?;
    }
    if !answer.report.workload.is_empty() {
        reports.push(answer.report);
    }
    Ok(())
}
