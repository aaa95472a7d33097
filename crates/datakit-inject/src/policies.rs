//! Policies as a cluster applies them: with the rules and selectors that decide what reaches them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use settings_tools::workloads::plural;

use crate::args::Source;
use crate::evaluate::Policy;
use crate::kubectl::{Answer, Kubectl, optional};
use crate::object::{at, group_version, list, name, parsed, text};
use crate::settings_file::SettingsFile;
use crate::terminal::{Failure, note, say};

const RESOURCES: &str =
    "clusteradmissionpolicies.policies.kubewarden.io,admissionpolicies.policies.kubewarden.io";

/// A policy of the cluster, with the rules and selectors of its manifest.
pub(crate) struct Applied {
    /// With the settings as Kubewarden passes them, their keys sorted.
    pub(crate) policy: Policy,
    /// With the settings as they are written.
    pub(crate) written: Policy,
    /// The manifest; null for plain settings, which every object reaches.
    manifest: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Reaches,
    /// The policy's rules do not name its kind.
    OtherKind,
    Excluded(&'static str),
}

#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    pub(crate) labels: BTreeMap<String, Value>,
    /// Kubewarden's own namespace, whose requests no policy receives.
    of_kubewarden: Option<String>,
}

impl Namespaces {
    /// Adds what an object tells about namespaces.
    pub(crate) fn add(&mut self, object: &Value) {
        let labels = at(object, "/metadata/labels");
        let is_controller = text(labels, "/app.kubernetes.io~1part-of") == "kubewarden"
            && text(labels, "/app.kubernetes.io~1component") == "controller";
        match text(object, "/kind") {
            "Namespace" => {
                self.labels.insert(text(object, "/metadata/name").to_owned(), labels.clone());
            }
            "Deployment" if is_controller => {
                self.of_kubewarden = Some(text(object, "/metadata/namespace").to_owned());
            }
            _ => {}
        }
    }
}

impl Source {
    /// The policies of the settings, or those of the cluster.
    pub(crate) fn policies(&self) -> Result<Vec<Applied>, Failure> {
        let namespace = self.namespace.as_deref();
        if let Some(file) = &self.settings {
            return Ok(vec![applied(&SettingsFile::read(file)?, namespace)?]);
        }
        let mut policies = Vec::new();
        for manifest in manifests(&self.kubectl)? {
            let name = name(&manifest);
            if text(&manifest, "/spec/mode") == "monitor" {
                note(say(&format!("{name} is in mode `monitor`: it injects nothing")));
            }
            policies.push(applied(&SettingsFile::of(&name, manifest.to_string())?, namespace)?);
        }
        let message = "the cluster has no policy of this module; pass settings with -s";
        if policies.is_empty() { Err(message.into()) } else { Ok(policies) }
    }
}

fn applied(file: &SettingsFile, namespace: Option<&str>) -> Result<Applied, Failure> {
    let written = Policy::new(file.valid()?, namespace);
    // A map of `serde_json` is sorted.
    let policy = Policy::new(parsed(&written.settings).to_string(), namespace);
    let manifest = file.policy.as_deref().map(parsed).unwrap_or_default();
    Ok(Applied { policy, written, manifest })
}

/// The policies of this module in a cluster.
pub(crate) fn manifests(kubectl: &Kubectl) -> Answer<Vec<Value>> {
    let mut policies = optional(kubectl.list(&[RESOURCES], None))?.unwrap_or_default();
    policies.retain(|policy| text(policy, "/spec/module").contains("datakit-injection"));
    Ok(policies)
}

impl Applied {
    /// Whether an object reaches the policy when it is created.
    pub(crate) fn reach(&self, object: &Value, namespaces: &Namespaces) -> Reach {
        let spec = at(&self.manifest, "/spec");
        let mut rules = list(spec, "/rules");
        if self.manifest.is_null() {
            return Reach::Reaches;
        } else if !rules.any(|rule| has_kind(rule, object)) {
            return Reach::OtherKind;
        }
        let namespace = self.policy.namespace_of(object);
        let own = text(&self.manifest, "/metadata/namespace");
        let is_of_kubewarden = namespaces.of_kubewarden.as_deref() == Some(namespace)
            && *at(spec, "/allowInsideAdmissionControllerNamespace") != true;
        let name = json!({ "kubernetes.io/metadata.name": namespace });
        let labels = namespaces.labels.get(namespace).unwrap_or(&name);
        let is_selected = selects(at(spec, "/namespaceSelector"), labels);
        let is_chosen = selects(at(spec, "/objectSelector"), at(object, "/metadata/labels"));
        let excludes = [
            (!own.is_empty() && own != namespace, "the policy is for another namespace"),
            (own.is_empty() && is_of_kubewarden, "no policy sees Kubewarden's own namespace"),
            (!is_selected, "the policy's namespaceSelector excludes the namespace"),
            (!is_chosen, "the policy's objectSelector excludes it"),
        ];
        let reason = excludes.iter().find(|(excludes, _)| *excludes);
        reason.map_or(Reach::Reaches, |(_, reason)| Reach::Excluded(reason))
    }
}

/// Whether a rule matches the creation of an object.
fn has_kind(rule: &Value, object: &Value) -> bool {
    let (group, version) = group_version(object);
    let has =
        |key: &str, value: &str| list(rule, &format!("/{key}")).any(|it| it == "*" || it == value);
    has("apiGroups", group)
        && has("apiVersions", version)
        && has("operations", "CREATE")
        && has("resources", &plural(text(object, "/kind")))
}

/// Whether a `metav1.LabelSelector` selects labels; an absent one selects everything.
fn selects(selector: &Value, labels: &Value) -> bool {
    let mut equal = at(selector, "/matchLabels").as_object().into_iter().flatten();
    let mut expressions = list(selector, "/matchExpressions");
    equal.all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|expression| {
            let label = labels.get(text(expression, "/key"));
            let mut values = list(expression, "/values");
            match text(expression, "/operator") {
                "In" => values.any(|value| Some(value) == label),
                "NotIn" => !values.any(|value| Some(value) == label),
                "Exists" => label.is_some(),
                _ => label.is_none(),
            }
        })
}
