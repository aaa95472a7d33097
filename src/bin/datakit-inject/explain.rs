//! `explain`: what becomes of each object, and why.

use std::io::{self, Write};

use console::style;
use datakit_injection::settings;
use serde_json::json;

use crate::cli::{Input, Output};
use crate::evaluate::Outcome;
use crate::failure::{Exit, Failure, count};
use crate::manifests::{Manifests, Wanted};

/// Prints one line for each object and a summary, or everything as JSON.
pub(crate) fn print(
    input: &Input,
    verbose: bool,
    output: Output,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let mut policy = input.settings.policy()?;
    policy.wants_json = output == Output::Json;
    let (mut summary, mut explained) = (Summary::default(), Vec::new());
    if let Some(sentence) = settings::release(&policy.settings).filter(|_| verbose)
        && output == Output::Text
    {
        writeln!(out, "{}: {sentence}", input.settings.settings.display())?;
    }
    let problems = input.each(&policy, Wanted::Outcomes, |manifests| {
        if output == Output::Json {
            explained.extend(to_json(&manifests));
            return Ok(());
        }
        for object in manifests.objects() {
            let place = format!("{}:{}", manifests.file, object.line);
            summary.add(&object.outcome);
            line(&place, &object.outcome, out)?;
            if verbose {
                steps(&object.outcome, out)?;
            }
        }
        Ok(())
    })?;
    match output {
        Output::Json => {
            let text = serde_json::to_string_pretty(&explained);
            writeln!(out, "{}", text.map_err(|error| error.to_string())?)?;
        }
        Output::Text => writeln!(out, "{}", summary.text())?,
    }
    Ok(Exit::of(false, problems))
}

/// Such as `Deployment/web (shop.yaml:1): injected ddtrace-java; skipped logfwd: why`.
fn line(place: &str, outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    let name = match &*outcome.workload {
        "" => place.to_owned(),
        workload => format!("{workload} ({place})"),
    };
    let mut parts = Vec::new();
    if !outcome.injected.is_empty() {
        let names: Vec<_> = outcome.injected.iter().map(|(injection, _)| &**injection).collect();
        parts.push(format!("{} {}", style("injected").green(), names.join(", ")));
    }
    if !outcome.present.is_empty() {
        parts.push(format!("{} {}", style("present").green(), outcome.present.join(", ")));
    }
    if !outcome.removed.is_empty() {
        parts.push(format!("{} {}", style("removed").yellow(), outcome.removed.join(", ")));
    }
    for (injection, reason) in &outcome.skipped {
        parts.push(format!("{} {injection}: {reason}", style("skipped").yellow()));
    }
    if parts.is_empty() {
        parts.push(match (outcome.opted_out(), outcome.not_asked()) {
            (Some(reason), _) => format!("{}: {reason}", style("opted out").dim()),
            (None, Some(reason)) => format!("{}: {reason}", style(NOTHING).dim()),
            (None, None) => style(NOTHING).dim().to_string(),
        });
    }
    parts.extend(outcome.hints());
    writeln!(out, "{}: {}", style(name).bold(), parts.join("; "))
}

const NOTHING: &str = "nothing asked for";

/// Every candidate rule, and the rules that injected something.
fn steps(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    for step in &outcome.steps {
        let rule = step.rule.iter().map(|rule| format!(", {rule}")).collect::<String>();
        writeln!(out, "  {}{rule}: {}", step.injection, step.reason.message)?;
    }
    for (injection, rule) in &outcome.injected {
        writeln!(out, "  {} {injection}, by {rule}", style("injected").green())?;
    }
    Ok(())
}

/// How many objects there are of each kind.
#[derive(Default)]
struct Summary {
    objects: usize,
    injected: usize,
    present: usize,
    skipped: usize,
    removed: usize,
    opted_out: usize,
    nothing: usize,
}

impl Summary {
    /// Counts an object by the first of these that is so.
    fn add(&mut self, outcome: &Outcome) {
        self.objects += 1;
        let counter = match outcome {
            _ if !outcome.injected.is_empty() => &mut self.injected,
            _ if !outcome.skipped.is_empty() => &mut self.skipped,
            _ if !outcome.removed.is_empty() => &mut self.removed,
            _ if !outcome.present.is_empty() => &mut self.present,
            _ if outcome.opted_out().is_some() => &mut self.opted_out,
            _ => &mut self.nothing,
        };
        *counter += 1;
    }

    fn text(&self) -> String {
        let counts = [
            (self.injected, "injected"),
            (self.present, "present"),
            (self.skipped, "skipped"),
            (self.removed, "removed"),
            (self.opted_out, "opted out"),
            (self.nothing, NOTHING),
        ];
        let counts = counts.iter().filter(|(number, _)| *number > 0);
        let counts: Vec<_> = counts.map(|(number, word)| format!("{number} {word}")).collect();
        match self.objects {
            0 => count(0, "object"),
            objects => format!("{}: {}", count(objects, "object"), counts.join(", ")),
        }
    }
}

/// For machines: one element for each document.
fn to_json(manifests: &Manifests) -> Vec<serde_json::Value> {
    let documents = manifests.documents.iter().map(|objects| {
        let objects: Vec<_> = objects.iter().map(|object| &object.outcome.json).collect();
        json!({ "file": manifests.file, "objects": objects })
    });
    documents.collect()
}
