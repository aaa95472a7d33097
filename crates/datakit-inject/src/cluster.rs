//! The objects of a cluster, and what its API server adds to them.

use std::collections::BTreeSet;

use datakit_injection::annotations::is_record;
use serde_json::Value;

use crate::args::{Output, Source};
use crate::evaluate::Policy;
use crate::kubectl::{Kubectl, optional};
use crate::manifests::Manifests;
use crate::object::{at, name, parsed, text};
use crate::policies::{Applied, Namespaces, Reach};
use crate::terminal::{Failure, note, say};

/// The resources with a pod template that can change.
const WORKLOADS: &str = "deployments.apps,statefulsets.apps,daemonsets.apps,cronjobs.batch";

/// The workloads of a cluster or a namespace, optionally with their Pods, Jobs and ReplicaSets.
pub(crate) fn objects(
    kubectl: &Kubectl,
    namespace: Option<&str>,
    extra_kinds: impl Iterator<Item = String>,
    with_running: bool,
) -> Result<Vec<Value>, Failure> {
    let running = if with_running { ",jobs.batch,replicasets.apps,pods" } else { "" };
    let mut objects = kubectl.list(&[&format!("{WORKLOADS}{running}")], namespace)?;
    for kind in extra_kinds {
        match optional(kubectl.list(&[&kind], namespace))? {
            Some(listed) => objects.extend(listed),
            None => {
                note(say(&format!("the cluster has no {kind}, which policy.extra_workloads names")))
            }
        }
    }
    Ok(objects)
}

/// The objects of a cluster that policies may reach, and its namespaces.
pub(crate) fn read(
    source: &Source,
    policies: &[Applied],
    with_running: bool,
) -> Result<(Vec<Value>, Namespaces), Failure> {
    let kinds = policies.iter().flat_map(|applied| applied.policy.templates.extra_kinds());
    let objects = objects(&source.kubectl, source.namespace.as_deref(), kinds, with_running)?;
    let listed = source.kubectl.list(&["namespaces"], None).unwrap_or_else(|refusal| {
        note(say(&format!("the labels of namespaces count as missing: {refusal}")));
        Vec::new()
    });
    let mut namespaces = Namespaces::default();
    listed.iter().chain(&objects).for_each(|object| namespaces.add(object));
    Ok((objects, namespaces))
}

/// Runs the objects of a cluster through the policies they reach, and calls `done` with each result.
pub(crate) fn each(
    source: &Source,
    with_running: bool,
    mut done: impl FnMut(&Manifests) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let policies = source.policies()?;
    let (objects, namespaces) = read(source, &policies, with_running)?;
    let reaches =
        |applied: &Applied, object: &Value| applied.reach(object, &namespaces) == Reach::Reaches;
    let is_of_pods = |applied: &Applied| {
        let mut reached = objects.iter().filter(|object| reaches(applied, object));
        reached.all(|object| text(object, "/kind") == "Pod")
    };
    let of_pods: Vec<bool> = policies.iter().map(is_of_pods).collect();
    let mut seen = BTreeSet::new();
    for object in &objects {
        let owner = at(object, "/metadata/ownerReferences/0/uid");
        for (index, (applied, is_of_pods)) in policies.iter().zip(&of_pods).enumerate() {
            // What owns an object is listed itself; a policy of Pods sees one Pod of each owner.
            let mut is_listed =
                || owner.is_null() || *is_of_pods && seen.insert((index, owner.to_string()));
            if reaches(applied, object) && is_listed() {
                done(&injected(object, &applied.policy)?)?;
            }
        }
    }
    Ok(())
}

/// An object of a cluster as a manifest that went through a policy. What is stored already is present.
fn injected(object: &Value, policy: &Policy) -> Result<Manifests, Failure> {
    let yaml = Output::Yaml.write(object)?;
    let place = format!("{} {}", text(object, "/metadata/namespace"), name(object));
    let mut manifests = Manifests::of_object(place, yaml, &|object| policy.run(object));
    for (line, outcome) in manifests.documents.iter_mut().flatten() {
        *line = None;
        if outcome.mutated.as_deref().is_some_and(|sent| is_stored(object, sent)) {
            manifests.edits.clear();
            let injected = outcome.report.injected.drain(..).map(|(injection, _)| injection);
            outcome.report.present.extend(injected);
        }
    }
    Ok(manifests)
}

/// Whether a stored object equals a sent one, but for defaults of the API server.
pub(crate) fn is_stored(stored: &Value, sent: &str) -> bool {
    is_stored_form(stored, &parsed(sent))
}

/// Only what the policy writes lacks defaults; the rest was stored before. A record also
/// depends on what the object had before, so it only has to be present.
fn is_stored_form(stored: &Value, sent: &Value) -> bool {
    match (stored, sent) {
        (Value::Object(stored), Value::Object(sent)) => {
            let is_there = |(key, value): (&String, &Value)| match stored.get(key) {
                Some(stored) => is_record(key) || is_stored_form(stored, value),
                None => is_omitted(value),
            };
            let is_default = |(key, value): (&String, &Value)| {
                sent.contains_key(key) || is_added(key, value) || is_omitted(value)
            };
            sent.iter().all(is_there) && stored.iter().all(is_default)
        }
        (Value::Array(stored), Value::Array(sent)) => {
            let mut pairs = stored.iter().zip(sent);
            stored.len() == sent.len() && pairs.all(|(stored, sent)| is_stored_form(stored, sent))
        }
        (stored, sent) => stored == sent,
    }
}

/// Whether a field with this value is omitted when an object is stored.
fn is_omitted(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        _ => false,
    }
}

/// Whether the API server adds a field with this value (`SetDefaults_…` in
/// `pkg/apis/core/v1/defaults.go` of Kubernetes).
fn is_added(key: &str, value: &Value) -> bool {
    match key {
        "terminationMessagePath" => value == "/dev/termination-log",
        "terminationMessagePolicy" => value == "File",
        "apiVersion" => value == "v1",
        "divisor" => value == "0",
        "defaultMode" => value == 420,
        "protocol" => value == "TCP",
        "imagePullPolicy" => true,
        "resources" | "securityContext" => value.as_object().is_some_and(serde_json::Map::is_empty),
        // Requests default to limits.
        "requests" => true,
        _ => false,
    }
}
