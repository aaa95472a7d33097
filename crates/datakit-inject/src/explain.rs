//! `explain`: what becomes of each object, and why.

use std::io::{self, Write};

use clap::Args;
use console::{Style, style};
use datakit_injection::settings;
use serde_json::{Value, json};

use crate::args::{Output, Paths, Source};
use crate::cluster;
use crate::evaluate::Outcome;
use crate::manifests::{Manifests, each};
use crate::terminal::{Done, Exit, count, language, say};

#[derive(Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    paths: Paths,
    #[command(flatten)]
    source: Source,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// The categories of the summary; the first that fits counts.
const COUNTED: [&str; 7] =
    ["injected", "skipped", "removed", "present", "opted out", "without a pod template", NOTHING];

const NOTHING: &str = "nothing asked for";

impl Explain {
    pub(crate) fn run(&self, out: &mut impl Write) -> Done {
        let (mut counts, mut explained, mut problems) = ([0; COUNTED.len()], Vec::new(), 0);
        let (is_text, verbose) = (self.output == Output::Text, self.paths.verbose);
        let mut add = |manifests: &Manifests, out: &mut _| match is_text {
            true => print(manifests, verbose, &mut counts, out),
            false => {
                explained.extend(manifests.documents.iter().map(|it| to_json(&manifests.name, it)));
                Ok(())
            }
        };
        if self.source.cluster {
            cluster::each(&self.source, true, |it| Ok(add(it, out)?))?;
        } else {
            let policy = self.source.policy(&self.paths)?;
            let release = settings::release(&policy.settings).filter(|_| verbose && is_text);
            if let Some((file, sentence)) = self.source.settings.as_deref().zip(release) {
                writeln!(out, "{}{}{}", file.display(), say(": "), say(&sentence))?;
            }
            let unchanged = |object: &str| Outcome { mutated: None, ..policy.run(object) };
            problems = each(&self.paths, &unchanged, |_, it| Ok(add(&it, out)?))?;
        }
        match is_text {
            true => writeln!(out, "{}", summary(counts))?,
            false => write!(out, "{}", self.output.write(&explained)?)?,
        }
        Ok(Exit::of(false, problems))
    }
}

/// Prints the objects of a text. Objects that cannot have a pod template are only counted.
fn print(
    manifests: &Manifests,
    verbose: bool,
    counts: &mut [usize; COUNTED.len()],
    out: &mut impl Write,
) -> io::Result<()> {
    for (line, outcome) in manifests.objects() {
        let is_other = outcome.code() == "other-kind" && !outcome.has_template;
        let report = &outcome.report;
        let fits = [
            !report.injected.is_empty(),
            !report.skipped.is_empty(),
            !report.removed.is_empty(),
            !report.present.is_empty(),
            outcome.opted_out().is_some(),
            is_other,
            true,
        ];
        let first = counts.iter_mut().zip(fits).find(|(_, fits)| *fits);
        first.into_iter().for_each(|(count, _)| *count += 1);
        if is_other && !verbose {
            continue;
        }
        let place = match line {
            Some(line) => format!("{}:{line}", manifests.name),
            None => manifests.name.split(' ').next().unwrap_or_default().to_owned(),
        };
        print_object(&place, outcome, out)?;
        if verbose {
            print_steps(outcome, out)?;
        }
    }
    Ok(())
}

/// Such as `Deployment/web (shop.yaml:1): injected ddtrace-java; skipped logfwd: why`.
fn print_object(place: &str, outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    let report = &outcome.report;
    let name = match &*report.workload {
        "" => place.to_owned(),
        workload => format!("{workload} ({place})"),
    };
    let (green, yellow, dim) = (Style::new().green(), Style::new().yellow(), Style::new().dim());
    let injected: Vec<_> = report.injected.iter().map(|(name, _)| name.to_string()).collect();
    let present: Vec<_> = report.present.iter().map(ToString::to_string).collect();
    let (injected, present) = (injected.join(", "), present.join(", "));
    let lists = [("injected", &green, injected), ("present", &green, present)].into_iter();
    let lists = lists.chain([("removed", &yellow, report.removed.join(", "))]);
    let lists = lists.chain(outcome.skipped().into_iter().map(|it| ("skipped", &yellow, it)));
    let lists = lists.filter(|(.., names)| !names.is_empty());
    let mut parts: Vec<_> = lists
        .map(|(state, style, names)| painted(state, style, &format!("{state} {names}")))
        .collect();
    if parts.is_empty() {
        parts.push(match (outcome.opted_out(), outcome.not_requested()) {
            (Some(reason), _) => painted("opted out", &dim, &format!("opted out: {reason}")),
            (_, Some(reason)) => painted(NOTHING, &dim, &format!("nothing asked for: {reason}")),
            (None, None) => painted(NOTHING, &dim, NOTHING),
        });
    }
    parts.extend(outcome.hints().iter().map(|hint| say(hint).into_owned()));
    writeln!(out, "{}{}{}", style(name).bold(), say(": "), parts.join(&say("; ")))
}

/// Colours the state that a text starts with.
fn painted(state: &str, style: &Style, text: &str) -> String {
    let (state, text) = (say(state), say(text));
    match text.strip_prefix(&*state) {
        Some(rest) => format!("{}{rest}", style.apply_to(state)),
        None => text.into_owned(),
    }
}

/// Every candidate rule, and the rules that injected something.
fn print_steps(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    for step in &outcome.explanation.steps {
        let rule = step.rule.as_ref().map(|rule| format!(", {rule}")).unwrap_or_default();
        let text = format!("{}{rule}: {}", step.injection, outcome.message_of(step));
        writeln!(out, "  {}", say(&text))?;
    }
    for (injection, rule) in &outcome.report.injected {
        let text = format!("injected {injection}, by {rule}");
        writeln!(out, "  {}", painted("injected", &Style::new().green(), &text))?;
    }
    Ok(())
}

fn summary(counts: [usize; COUNTED.len()]) -> String {
    let objects = say(&count(counts.iter().sum(), "object")).into_owned();
    let counts = counts.iter().zip(COUNTED).filter(|(number, _)| **number > 0);
    let counts = counts.map(|(number, word)| say(&format!("{number} {word}")).into_owned());
    match &*counts.collect::<Vec<_>>() {
        [] => objects,
        counts => format!("{objects}{}{}", say(": "), counts.join(&say(", "))),
    }
}

fn to_json(file: &str, objects: &[(Option<usize>, Outcome)]) -> Value {
    let objects = objects.iter().map(|(line, outcome)| {
        let mut json = outcome.explanation.to_json(&outcome.report);
        if let Some(members) = json.as_object_mut() {
            members.insert("line".to_owned(), json!(line));
            if let Some(message) = &outcome.message {
                let code = if outcome.notes.is_empty() { outcome.code() } else { "partial" };
                members.insert("reason".to_owned(), json!({ "code": code, "message": message }));
            }
        }
        language().translate_members(&mut json);
        json
    });
    json!({ "file": file, "objects": objects.collect::<Vec<_>>() })
}
