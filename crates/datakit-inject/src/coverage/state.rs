//! The state of one object.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::cluster::is_stored;
use crate::evaluate::Outcome;
use crate::object::{Templates, at, is_added, list, name, parsed, text};
use crate::policies::{Applied, Namespaces, Reach};
use crate::terminal::say;

/// Whether a workload runs with the injections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Injected, and its containers do not come up
    Crashing,
    /// Injected, as the settings say now
    UpToDate,
    /// Injected by other settings, or in another version
    Outdated,
    /// Not injected; the next rollout injects it
    Pending,
    /// Asked for, but cannot be injected
    Skipped,
    /// The record of injections cannot be read, so nothing is injected or removed
    UnreadableRecord,
    /// An annotation opts out
    OptedOut,
    /// No rule and no annotation asks for anything
    NotSelected,
}

impl State {
    /// The name of the state in output and arguments.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A workload, or the pods of one owner that are in one state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) namespace: String,
    pub(crate) workload: String,
    pub(crate) pods: bool,
    pub(crate) state: State,
    /// Injected or requested.
    pub(crate) injections: Vec<String>,
    pub(crate) reason: Option<String>,
    /// Why `kubectl rollout` refuses to restart it, or to wait for it.
    #[serde(skip)]
    pub(crate) hold: Option<&'static str>,
    /// The number of equal rows.
    pub(crate) objects: usize,
}

pub(super) fn summary(rows: &[Row]) -> BTreeMap<State, usize> {
    let mut summary = BTreeMap::new();
    for row in rows {
        *summary.entry(row.state).or_default() += row.objects;
    }
    summary
}

/// The row of an object under a policy; `None` if the policy is not concerned with it.
pub(super) fn row(json: &str, object: &Value, of: &Applied, known: &Namespaces) -> Option<Row> {
    let pods = text(object, "/kind") == "Pod";
    let (reach, outcome) = (of.reach(object, known), of.policy.create(json));
    let is_other = matches!(outcome.code(), "other-kind" | "no-request");
    if has_ended(object) || is_other || reach == Reach::OtherKind {
        return None;
    }
    let namespace = of.policy.namespace_of(object).to_owned();
    let (state, reason) = match reach {
        Reach::Excluded(reason) => (State::NotSelected, Some(reason.to_owned())),
        _ => state(json, object, of, &outcome),
    };
    let report = &outcome.report;
    let named = report.injected.iter().map(|(injection, _)| injection).chain(&report.present);
    let named = named.chain(report.skipped.iter().map(|(injection, _)| injection));
    let injections = named.filter(|_| reach == Reach::Reaches).map(ToString::to_string).collect();
    let reason = reason.map(|reason| say(&reason).into_owned());
    let workload = name(object);
    Some(Row { namespace, workload, pods, state, injections, reason, hold: None, objects: 0 })
}

/// Whether it is a finished Pod or Job, or a Pod that is being deleted: neither covered nor missing.
fn has_ended(object: &Value) -> bool {
    let phase = text(object, "/status/phase");
    match text(object, "/kind") {
        "Pod" => is_deleted(object) || matches!(phase, "Succeeded" | "Failed"),
        "Job" => list(object, "/status/conditions").any(|condition| {
            let kind = text(condition, "/type");
            matches!(kind, "Complete" | "Failed") && text(condition, "/status") == "True"
        }),
        _ => false,
    }
}

fn is_deleted(object: &Value) -> bool {
    !at(object, "/metadata/deletionTimestamp").is_null()
}

/// The state of an object, with a reason if there is one.
fn state(json: &str, object: &Value, of: &Applied, outcome: &Outcome) -> (State, Option<String>) {
    let templates = &of.policy.templates;
    let (added, skipped) = (templates.added(object), outcome.skipped());
    let has_record = !templates.records(object).is_empty();
    let is_current = |outcome: &Outcome| {
        let has_any = !outcome.report.present.is_empty() || !outcome.report.injected.is_empty();
        has_any && outcome.mutated.as_deref().is_none_or(|sent| is_stored(object, sent))
    };
    if is_current(outcome) || has_record && is_current(&of.written.create(json)) {
        let without = (!has_record).then(|| without_added(object, templates)).flatten();
        let anew = without.and_then(|it| of.policy.create(&it).mutated);
        return match anew.and_then(|anew| other_image(&added, &anew, templates)) {
            Some(reason) => (State::Outdated, Some(reason)),
            None => (State::UpToDate, None),
        };
    }
    if outcome.code() == "unreadable-record" {
        return (State::UnreadableRecord, outcome.not_requested());
    }
    let left = added.keys().next();
    if let Some(mutated) = &outcome.mutated {
        let removed = &outcome.report.removed;
        let removed = (!removed.is_empty())
            .then(|| format!("the next rollout removes {}", removed.join(", ")));
        let is_injected = has_record || left.is_some();
        let reasons = [other_image(&added, mutated, templates), removed].into_iter().flatten();
        let reasons: Vec<_> = reasons.filter(|_| is_injected).chain(skipped).collect();
        let state = if is_injected { State::Outdated } else { State::Pending };
        return (state, (!reasons.is_empty()).then(|| reasons.join("; ")));
    }
    if !skipped.is_empty() {
        return (State::Skipped, Some(skipped.join("; ")));
    }
    if let Some(reason) = outcome.opted_out() {
        let left = left.map(|name| format!(", but it has {name}")).unwrap_or_default();
        return (State::OptedOut, Some(reason + &left));
    }
    let left = left.map(|name| format!("has {name}, but no rule selects it"));
    (State::NotSelected, left.or_else(|| outcome.not_requested()))
}

/// An object without the containers that injections add, as JSON.
fn without_added(object: &Value, templates: &Templates) -> Option<String> {
    let (pointer, mut object) = (templates.pointer(object)?, object.clone());
    for key in ["initContainers", "containers"] {
        let containers = object.pointer_mut(&format!("{pointer}/spec/{key}"));
        let containers = containers.and_then(Value::as_array_mut).into_iter();
        containers.for_each(|containers| containers.retain(|it| !is_added(it)));
    }
    Some(object.to_string())
}

/// The first injected container whose image differs from what the settings name.
fn other_image(added: &BTreeMap<&str, &str>, anew: &str, templates: &Templates) -> Option<String> {
    let anew = parsed(anew);
    let wanted = templates.added(&anew);
    added.iter().find_map(|(name, image)| {
        let wanted = wanted.get(name).filter(|wanted| *wanted != image)?;
        Some(format!("{name} runs {image}, the settings name {wanted}"))
    })
}

/// Why an injected Pod does not come up: the first failure of a container, injected or not.
pub(super) fn crash(object: &Value) -> Option<String> {
    let both = |one, two| list(object, one).chain(list(object, two));
    let mut containers = both("/spec/initContainers", "/spec/containers");
    if text(object, "/kind") != "Pod" || is_deleted(object) || !containers.any(is_added) {
        return None;
    }
    let mut statuses = both("/status/initContainerStatuses", "/status/containerStatuses");
    statuses.find_map(|status| {
        let name = text(status, "/name");
        let waiting = text(status, "/state/waiting/reason");
        if !matches!(waiting, "" | "ContainerCreating" | "PodInitializing") {
            return Some(format!("{name}: {waiting}"));
        }
        let exit_code = |pointer| at(status, pointer).as_i64().filter(|code| *code != 0);
        let was = || exit_code("/lastState/terminated/exitCode");
        let was = || was().filter(|_| *at(status, "/ready") != true);
        let code = exit_code("/state/terminated/exitCode").or_else(was)?;
        Some(format!("{name}: exit code {code}"))
    })
}
