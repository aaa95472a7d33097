//! `explain`: what becomes of each object, and why.

use std::io::{self, Write};

use console::{Style, style};
use datakit_injection::settings;
use messages::Language;
use serde_json::json;

use crate::cli::{Input, Output};
use crate::evaluate::{Outcome, Reason, Step};
use crate::failure::{Exit, Failure, count};
use crate::manifests::{Manifests, Wanted};

/// Prints one line for each object and a summary, or everything as JSON.
pub(crate) fn print(
    input: &Input,
    verbose: bool,
    output: Output,
    language: Language,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let mut policy = input.settings.policy().map_err(|failure| failure.in_language(language))?;
    policy.wants_json = output == Output::Json;
    let (mut summary, mut explained) = (Summary::default(), Vec::new());
    if let Some(sentence) = settings::release(&policy.settings).filter(|_| verbose)
        && output == Output::Text
    {
        let file = input.settings.settings.display();
        writeln!(out, "{file}{}{}", language.translate(": "), language.translate(&sentence))?;
    }
    let problems = input.each(&policy, Wanted::Outcomes, |manifests| {
        if output == Output::Json {
            explained.extend(to_json(&manifests, language));
            return Ok(());
        }
        for object in manifests.objects() {
            let place = format!("{}:{}", manifests.file, object.line);
            summary.add(&object.outcome);
            line(&place, &object.outcome, language, out)?;
            if verbose {
                steps(&object.outcome, language, out)?;
            }
        }
        Ok(())
    })?;
    match output {
        Output::Json => {
            let text = serde_json::to_string_pretty(&explained);
            writeln!(out, "{}", text.map_err(|error| error.to_string())?)?;
        }
        Output::Text => writeln!(out, "{}", summary.text(language))?,
    }
    Ok(Exit::of(false, problems))
}

/// Such as `Deployment/web (shop.yaml:1): injected ddtrace-java; skipped logfwd: why`.
fn line(
    place: &str,
    outcome: &Outcome,
    language: Language,
    out: &mut impl Write,
) -> io::Result<()> {
    let name = match &*outcome.workload {
        "" => place.to_owned(),
        workload => format!("{workload} ({place})"),
    };
    let (green, yellow, dim) = (Style::new().green(), Style::new().yellow(), Style::new().dim());
    let mut parts = Vec::new();
    let mut add = |state, style: &Style, text: String| {
        parts.push(painted(state, style, &text, language));
    };
    if !outcome.injected.is_empty() {
        let names: Vec<_> = outcome.injected.iter().map(|(injection, _)| &**injection).collect();
        add("injected", &green, format!("injected {}", names.join(", ")));
    }
    if !outcome.present.is_empty() {
        add("present", &green, format!("present {}", outcome.present.join(", ")));
    }
    if !outcome.removed.is_empty() {
        add("removed", &yellow, format!("removed {}", outcome.removed.join(", ")));
    }
    for (injection, reason) in &outcome.skipped {
        add("skipped", &yellow, format!("skipped {injection}: {reason}"));
    }
    if parts.is_empty() {
        let mut add = |state, text: String| parts.push(painted(state, &dim, &text, language));
        match (outcome.opted_out(), outcome.not_asked()) {
            (Some(reason), _) => add("opted out", format!("opted out: {reason}")),
            (None, Some(reason)) => add(NOTHING, format!("nothing asked for: {reason}")),
            (None, None) => add(NOTHING, NOTHING.to_owned()),
        }
    }
    parts.extend(outcome.hints().iter().map(|hint| language.translate(hint).into_owned()));
    let (colon, semicolon) = (language.translate(": "), language.translate("; "));
    writeln!(out, "{}{colon}{}", style(name).bold(), parts.join(&semicolon))
}

const NOTHING: &str = "nothing asked for";

/// A text that begins with a state, in a language, the state in its colour.
fn painted(state: &str, style: &Style, text: &str, language: Language) -> String {
    let (state, text) = (language.translate(state), language.translate(text));
    match text.strip_prefix(&*state) {
        Some(rest) => format!("{}{rest}", style.apply_to(state)),
        None => text.into_owned(),
    }
}

/// Every candidate rule, and the rules that injected something.
fn steps(outcome: &Outcome, language: Language, out: &mut impl Write) -> io::Result<()> {
    for Step { injection, rule, reason: Reason { message, .. } } in &outcome.steps {
        let step = match rule {
            Some(rule) => format!("{injection}, {rule}: {message}"),
            None => format!("{injection}: {message}"),
        };
        writeln!(out, "  {}", language.translate(&step))?;
    }
    for (injection, rule) in &outcome.injected {
        let text = format!("injected {injection}, by {rule}");
        writeln!(out, "  {}", painted("injected", &Style::new().green(), &text, language))?;
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

    fn text(&self, language: Language) -> String {
        let say = |message: &str| language.translate(message).into_owned();
        let counts = [
            (self.injected, "injected"),
            (self.present, "present"),
            (self.skipped, "skipped"),
            (self.removed, "removed"),
            (self.opted_out, "opted out"),
            (self.nothing, NOTHING),
        ];
        let counts = counts.iter().filter(|(number, _)| *number > 0);
        let counts: Vec<_> =
            counts.map(|(number, word)| say(&format!("{number} {word}"))).collect();
        let objects = say(&count(self.objects, "object"));
        match self.objects {
            0 => objects,
            _ => format!("{objects}{}{}", say(": "), counts.join(&say(", "))),
        }
    }
}

/// For machines: one element for each document.
fn to_json(manifests: &Manifests, language: Language) -> Vec<serde_json::Value> {
    let documents = manifests.documents.iter().map(|objects| {
        let objects = objects.iter().map(|object| {
            let mut json = object.outcome.json.clone();
            language.translate_members(&mut json);
            json
        });
        json!({ "file": manifests.file, "objects": objects.collect::<Vec<_>>() })
    });
    documents.collect()
}
