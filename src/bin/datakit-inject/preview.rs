//! What the policy does to one document.

use std::io::{self, Write};

use console::style;
use datakit_injection::policy;
use datakit_injection::report::Report;
use datakit_injection::trace::Explanation;
use serde_json::json;
use serde_norway::Value;
use similar::{ChangeTag, TextDiff};

use crate::manifests::{Document, to_json};

/// A document before and after injection.
pub(crate) struct Preview {
    before: String,
    /// The document with the injections, as YAML.
    pub(crate) after: String,
    objects: Vec<(Report, Explanation)>,
}

impl Preview {
    /// Runs a document through the policy; of a `List`, each item.
    pub(crate) fn of(document: &Document, settings: &str) -> Result<Self, String> {
        let mut objects = Vec::new();
        let mut value = document.value.clone();
        match value.get_mut("items").and_then(Value::as_sequence_mut) {
            Some(items) => {
                for item in items {
                    objects.push(inject(item, settings)?);
                }
            }
            None => objects.push(inject(&mut value, settings)?),
        }
        let yaml = |value| serde_norway::to_string(value).map_err(|error| error.to_string());
        Ok(Self { before: yaml(&document.value)?, after: yaml(&value)?, objects })
    }

    /// Whether anything was injected.
    pub(crate) fn is_changed(&self) -> bool {
        self.before != self.after
    }

    /// Prints the warnings to standard error.
    pub(crate) fn warn(&self) {
        for warning in self.objects.iter().flat_map(|(report, _)| report.warnings()) {
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

    /// Prints what was looked at, what was injected, by which rule, and what was not, and why.
    pub(crate) fn explain(&self, origin: &str, out: &mut impl Write) -> io::Result<()> {
        for (report, explanation) in &self.objects {
            let name = match &*explanation.workload {
                "" => origin.to_owned(),
                workload => format!("{workload} ({origin})"),
            };
            writeln!(out, "{}", style(name).bold())?;
            for step in &explanation.steps {
                let rule = step.rule.iter().map(|rule| format!(", {rule}")).collect::<String>();
                let looked = style("looked at").dim();
                writeln!(out, "  {looked} {}{rule}: {}", step.injection, step.reason)?;
            }
            for (injection, rule) in &report.injected {
                writeln!(out, "  {} {injection}, by {rule}", style("injected").green())?;
            }
            for injection in &report.present {
                writeln!(out, "  {} {injection}, already", style("present").green())?;
            }
            for (injection, reason) in &report.skipped {
                writeln!(out, "  {} {injection}: {reason}", style("skipped").yellow())?;
            }
            if let Some(reason) = &explanation.reason {
                writeln!(out, "  {}: {reason}", style("nothing to do").dim())?;
            }
        }
        Ok(())
    }

    /// The same for machines.
    pub(crate) fn explained(&self, origin: &str) -> serde_json::Value {
        let objects = self.objects.iter();
        let objects = objects.map(|(report, explanation)| explanation.to_json(report));
        json!({ "file": origin, "objects": objects.collect::<Vec<_>>() })
    }
}

/// Runs one object through the policy, as if it were created.
fn inject(object: &mut Value, settings: &str) -> Result<(Report, Explanation), String> {
    let json = to_json(object)?;
    let payload = format!(
        r#"{{"request":{{"operation":"CREATE","namespace":"default","object":{json}}},"settings":{settings}}}"#
    );
    let (answer, explanation) = policy::explain(payload.as_bytes());
    if let Some(mutated) = answer.mutated_object() {
        *object = serde_norway::from_str(mutated).map_err(|error| error.to_string())?;
    }
    Ok((answer.report, explanation))
}
