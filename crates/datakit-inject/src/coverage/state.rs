//! The state of one object.

use serde::Serialize;

use super::defaults::is_stored_form;
use super::live::{Live, without_injected};
use super::read::Object;
use crate::evaluate::{Outcome, Policy};

/// Whether a workload runs with the injections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Injected, as the settings say now.
    UpToDate,
    /// Injected by other settings, or in another version.
    Outdated,
    /// Not injected; the next rollout injects it.
    Pending,
    /// Asked for, but cannot be injected.
    Skipped,
    /// The record of earlier injections cannot be read, so nothing is injected or removed.
    UnreadableRecord,
    /// An annotation opts out.
    OptedOut,
    /// No rule and no annotation asks for anything.
    NotSelected,
}

impl State {
    /// The word for people; machines get the same.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::UpToDate => "up-to-date",
            Self::Outdated => "outdated",
            Self::Pending => "pending",
            Self::Skipped => "skipped",
            Self::UnreadableRecord => "unreadable-record",
            Self::OptedOut => "opted-out",
            Self::NotSelected => "not-selected",
        }
    }
}

/// A workload, or the pods of one owner that are in one state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) namespace: String,
    /// Such as `Deployment/web`; of pods their owner.
    pub(crate) workload: String,
    /// Whether this is about pods of the owner.
    pub(crate) pods: bool,
    pub(crate) state: State,
    /// What is injected or asked for.
    pub(crate) injections: Vec<String>,
    /// Why, where there is more to say.
    pub(crate) reason: Option<String>,
}

/// The policy, with its settings in every order in which objects may have been injected with them.
pub(crate) struct Policies {
    /// With the keys sorted, as Kubewarden hands settings over.
    pub(crate) sorted: Policy,
    /// As they are in the file, as this command injects into manifests.
    pub(crate) given: Policy,
}

/// The row of an object; nothing where it has no part in this.
pub(crate) fn row(object: &Object, policies: &Policies) -> Option<Row> {
    let live: Live = serde_json::from_str(&object.json).unwrap_or_default();
    let create = |policy: &Policy, json: &str| {
        let kind = object.kind.as_ref().map(|(version, kind)| (&**version, &**kind));
        policy.create(json, kind.filter(|_| live.kind.is_empty()))
    };
    let sorted = |json: &str| create(&policies.sorted, json);
    let outcome = sorted(&object.json);
    if matches!(outcome.code(), "other-kind" | "no-request") || live.has_ended() {
        return None;
    }
    let is_current = || {
        let is_same = |outcome: &Outcome| is_current(outcome, &object.json);
        is_same(&outcome) || live.has_record() && is_same(&create(&policies.given, &object.json))
    };
    let (state, reason) = match is_current() {
        true => version(&live, &object.json, sorted),
        false => other(&live, &outcome),
    };
    let kind = match (&object.kind, &*live.kind) {
        (Some((_, kind)), "") => kind,
        (_, kind) => kind,
    };
    let pods = kind == "Pod";
    let own = || format!("{kind}/{}", live.metadata.name);
    let workload = live.owner().filter(|_| pods).unwrap_or_else(own);
    let namespace = match &*live.metadata.namespace {
        "" => policies.sorted.namespace.clone(),
        namespace => namespace.to_owned(),
    };
    let asked = outcome.injected.iter().map(|(injection, _)| injection).chain(&outcome.present);
    let skipped = outcome.skipped.iter().map(|(injection, _)| injection);
    let injections = asked.chain(skipped).cloned().collect();
    Some(Row { namespace, workload, pods, state, injections, reason })
}

/// Whether there is nothing left to inject: what would be injected anew is there already.
fn is_current(outcome: &Outcome, object: &str) -> bool {
    let has_any = !(outcome.present.is_empty() && outcome.injected.is_empty());
    has_any
        && outcome.mutated.as_deref().is_none_or(|mutated| {
            let values = (serde_json::from_str(object), serde_json::from_str(mutated));
            matches!(values, (Ok(stored), Ok(sent)) if is_stored_form(&stored, &sent))
        })
}

/// Whether what is injected has the images that the settings name.
fn version(live: &Live, object: &str, create: impl Fn(&str) -> Outcome) -> (State, Option<String>) {
    let injected = live.injected();
    let anew = without_injected(object).filter(|_| !injected.is_empty() && !live.has_record());
    let anew = anew.and_then(|object| create(&object).mutated);
    match anew.as_deref().and_then(|anew| other_image(live, anew)) {
        Some(reason) => (State::Outdated, Some(reason)),
        None => (State::UpToDate, None),
    }
}

/// The image that would be another one, if the object were injected into anew.
fn other_image(live: &Live, anew: &str) -> Option<String> {
    let anew: Live = serde_json::from_str(anew).unwrap_or_default();
    let wanted = anew.injected();
    live.injected().iter().find_map(|(name, image)| {
        let wanted = wanted.get(name).filter(|wanted| *wanted != image)?;
        Some(format!("{name} runs {image}, the settings name {wanted}"))
    })
}

/// The state of an object that the policy would change, or has nothing to do with.
fn other(live: &Live, outcome: &Outcome) -> (State, Option<String>) {
    if outcome.code() == "unreadable-record" {
        return (State::UnreadableRecord, outcome.not_asked().map(str::to_owned));
    }
    let skipped: Vec<_> =
        outcome.skipped.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
    let skipped = (!skipped.is_empty()).then(|| skipped.join("; "));
    let injected = live.injected();
    let is_injected = live.has_record() || !injected.is_empty();
    if let Some(mutated) = &outcome.mutated {
        if !is_injected {
            return (State::Pending, skipped);
        }
        let removed = (!outcome.removed.is_empty())
            .then(|| format!("the next rollout removes {}", outcome.removed.join(", ")));
        let reasons: Vec<_> =
            [other_image(live, mutated), removed, skipped].into_iter().flatten().collect();
        return (State::Outdated, (!reasons.is_empty()).then(|| reasons.join("; ")));
    }
    if skipped.is_some() {
        return (State::Skipped, skipped);
    }
    if let Some(reason) = outcome.opted_out() {
        return (State::OptedOut, Some(reason.to_owned()));
    }
    let left = injected.keys().next().map(|name| format!("has {name}, but no rule selects it"));
    (State::NotSelected, left.or_else(|| outcome.not_asked().map(str::to_owned)))
}
