//! Runs objects through the policy.

use std::collections::BTreeSet;
use std::path::Path;

use datakit_injection::policy;
use datakit_injection::reason::Reason;
use datakit_injection::report::Report;
use datakit_injection::trace::{Explanation, Step};
use serde_json::Value;

use crate::object::{Templates, no_longer_served, parsed, text};
use crate::settings_file::SettingsFile;
use crate::terminal::Failure;

/// What a command does with an object in JSON.
pub(crate) type Task<'t> = &'t (dyn Fn(&str) -> Outcome + Sync);

pub(crate) struct Policy {
    pub(crate) settings: String,
    /// The namespace of objects that name none, if it is given.
    namespace: Option<String>,
    pub(crate) templates: Templates,
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) report: Report,
    pub(crate) explanation: Explanation,
    /// The object afterwards, as JSON.
    pub(crate) mutated: Option<String>,
    /// Notes on the changed manifest.
    pub(crate) notes: Vec<String>,
    /// Why the command itself leaves the object unchanged.
    pub(crate) message: Option<String>,
    /// Whether it has, or may have, a pod template.
    pub(crate) has_template: bool,
    pub(crate) is_namespace_assumed: bool,
}

/// Marks the default namespace in messages.
const ASSUMED: &str = "(assumed; use -n)";

impl Policy {
    pub(crate) fn read(file: &Path, namespace: Option<&str>) -> Result<Self, Failure> {
        Ok(Self::new(SettingsFile::read(file)?.valid()?, namespace))
    }

    pub(crate) fn new(settings: String, namespace: Option<&str>) -> Self {
        let (templates, namespace) =
            (Templates::of_settings(&settings), namespace.map(str::to_owned));
        Self { settings, namespace, templates }
    }

    /// The namespace of objects that name none; without one, the default of kubectl.
    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    pub(crate) fn namespace_of<'o>(&'o self, object: &'o Value) -> &'o str {
        match text(object, "/metadata/namespace") {
            "" => self.namespace(),
            namespace => namespace,
        }
    }

    /// Injects into an object as if it were created. Partial ones, such as kustomize patches, are left alone.
    pub(crate) fn run(&self, object: &str) -> Outcome {
        let mut outcome = self.create(object);
        let object = parsed(object);
        outcome.message = no_longer_served(&object);
        let template = self.templates.of_object(&object);
        outcome.has_template = template.is_some() || outcome.message.is_some();
        let is_selected = outcome.mutated.is_some() || !outcome.report.skipped.is_empty();
        if let Some(missing) = self.templates.missing(&object).filter(|_| is_selected) {
            outcome.leave_alone(format!("a partial manifest is left alone: {missing}"));
        }
        outcome
    }

    /// Runs an object through the policy, as if it were created.
    pub(crate) fn create(&self, object: &str) -> Outcome {
        let (namespace, settings) = (Value::from(self.namespace()), &self.settings);
        let payload = format!(
            r#"{{"request":{{"operation":"CREATE","namespace":{namespace},"object":{object}}},"settings":{settings}}}"#
        );
        let (mut answer, explanation) = policy::explain(payload.as_bytes());
        answer.report.workload.clone_from(&explanation.workload);
        Outcome {
            mutated: answer.mutated_object().map(str::to_owned),
            report: answer.report,
            is_namespace_assumed: self.namespace.is_none()
                && explanation.namespace == self.namespace(),
            explanation,
            ..Outcome::default()
        }
    }
}

/// Stands between an injection that is skipped and its workload in a warning.
const VERB: &str = " is not injected into ";

/// Groups words by key, in the order of first occurrence.
fn grouped<'t>(pairs: impl Iterator<Item = (&'t str, String)>) -> Vec<(Vec<String>, &'t str)> {
    let mut groups: Vec<(Vec<String>, &str)> = Vec::new();
    for (thing, word) in pairs {
        match groups.iter_mut().find(|(_, known)| *known == thing) {
            Some((words, _)) => words.push(word),
            None => groups.push((vec![word], thing)),
        }
    }
    groups
}

impl Outcome {
    /// Leaves the object unchanged, with a note.
    pub(crate) fn leave_alone(&mut self, message: String) {
        let workload = std::mem::take(&mut self.report.workload);
        self.notes.push(format!("{workload}: {message}"));
        (self.report, self.message, self.mutated) = (Report::default(), Some(message), None);
        self.report.workload = workload;
    }

    /// The warnings, grouped by reason.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let warnings = self.report.warnings();
        let parts = warnings.iter().map(|warning| match warning.split_once(VERB) {
            Some((injection, rest)) => (rest, injection.to_owned()),
            None => (&**warning, String::new()),
        });
        let sentence = |(injections, rest): (Vec<String>, &str)| match &*injections {
            [injection] if injection.is_empty() => rest.to_owned(),
            [injection] => format!("{injection}{VERB}{rest}"),
            injections => format!("{} are not injected into {rest}", injections.join(", ")),
        };
        grouped(parts).into_iter().map(sentence).collect()
    }

    /// Skipped injections by reason, such as `ddtrace-java, logfwd: the pod runs on Windows`.
    pub(crate) fn skipped(&self) -> Vec<String> {
        let pairs = self.report.skipped.iter().map(|(name, reason)| (&**reason, name.to_string()));
        let text = |(names, reason): (Vec<String>, &str)| format!("{}: {reason}", names.join(", "));
        grouped(pairs).into_iter().map(text).collect()
    }

    /// What `inject` warns of beyond what is skipped; of an object that is left alone, the annotations
    /// without effect. Also a default namespace that no selector matches.
    pub(crate) fn hints(&self) -> Vec<String> {
        let (report, warnings) = (&self.report, self.report.warnings());
        let is_silent = report.injected.is_empty() && report.skipped.is_empty();
        let is_hint = |step: &&Step| match step.reason.code() {
            "unknown-annotation" | "not-a-string" | "unserved" | "misplaced" => warnings.is_empty(),
            _ => is_silent && self.message.is_none() && self.message_of(step).contains(ASSUMED),
        };
        let steps = self.explanation.steps.iter().filter(is_hint);
        let mut hints: Vec<String> = steps.map(|step| self.message_of(step)).collect();
        let (own, about) = (format!("{}: ", report.workload), format!(" in {}: ", report.workload));
        let is_skip = |warning: &&String| {
            let mut skipped = report.skipped.iter();
            skipped.any(|(name, _)| warning.starts_with(&format!("{name}{VERB}")))
        };
        let others = warnings.iter().filter(|warning| !is_skip(warning));
        hints.extend(others.map(|warning| match warning.split_once(&about) {
            Some((injection, note)) => format!("{injection}: {note}"),
            None => warning.strip_prefix(&own).unwrap_or(warning).to_owned(),
        }));
        let mut told = BTreeSet::new();
        hints.retain(|hint| told.insert(hint.clone()));
        hints
    }

    pub(crate) fn message_of(&self, step: &Step) -> String {
        match &step.reason {
            Reason::OtherNamespace(namespace) if self.is_namespace_assumed => {
                format!("namespace `{namespace}` {ASSUMED} does not match")
            }
            reason => reason.to_string(),
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        self.explanation.reason.as_ref().map_or("", Reason::code)
    }

    /// Whether an annotation opts out, of everything or of what would be injected.
    pub(crate) fn opted_out(&self) -> Option<String> {
        let reason = self.explanation.reason.as_ref()?;
        let steps = self.explanation.steps.iter().map(|step| &step.reason);
        let mut reasons = std::iter::once(reason).chain(steps);
        reasons.find(|reason| reason.code() == "opted-out").map(ToString::to_string)
    }

    /// Why nothing is requested, if there is a specific reason.
    pub(crate) fn not_requested(&self) -> Option<String> {
        let reason = self.explanation.reason.as_ref().filter(|it| it.code() != "nothing-asked");
        self.message.clone().or_else(|| reason.map(ToString::to_string))
    }
}
