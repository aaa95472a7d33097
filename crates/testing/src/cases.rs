//! The recorded cases, and the workloads that they are wrapped in.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::requests::request;

/// What the reference answered.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// The configuration, its keys in the order in which the reference got them.
    pub settings: Box<RawValue>,
    /// The namespace of the request.
    pub namespace: String,
    /// The Pod, as it came in.
    pub object: Value,
    /// The Pod, as it went out.
    pub expected: Value,
    /// Whether the two differ.
    pub mutated: bool,
}

/// The kinds that a case is tried as, with the JSON pointer to the pod template.
pub const KINDS: [(&str, &str); 4] = [
    ("Pod", ""),
    ("Deployment", "/spec/template"),
    ("DaemonSet", "/spec/template"),
    ("StatefulSet", "/spec/template"),
];

/// The releases whose answers were recorded.
const RELEASES: [&str; 3] = ["1.5.11", "1.8.10", "1.8.10-legacy"];

/// The cases whose settings have faults, which the reference ignored.
pub const FAULTY: [&str; 3] = ["unknown-language", "logging-bad-config", "v2-flameshot-no-port"];

/// All recorded cases.
pub fn all_recorded() -> impl Iterator<Item = Case> {
    RELEASES.into_iter().flat_map(recorded)
}

/// The recorded cases of a release.
pub fn recorded(release: &str) -> Vec<Case> {
    let path =
        format!("{}/../../tests/conformance/operator-{release}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl Case {
    /// The admission request for an object of a kind.
    pub fn request(&self, kind: &str) -> Value {
        let mut request = request("CREATE", &self.wrapped(&self.object, kind), None);
        request["namespace"] = json!(self.namespace);
        request
    }

    /// The object that is expected to come out.
    pub fn expected(&self, kind: &str) -> Value {
        self.wrapped(&self.expected, kind)
    }

    fn wrapped(&self, pod: &Value, kind: &str) -> Value {
        if kind == "Pod" {
            return pod.clone();
        }
        let mut metadata = json!({});
        for key in ["labels", "annotations"] {
            if let Some(entries) = pod["metadata"].get(key) {
                metadata[key] = entries.clone();
            }
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": { "name": pod["metadata"]["name"], "namespace": self.namespace },
            "spec": {
                "selector": { "matchLabels": { "app": "x" } },
                "template": { "metadata": metadata, "spec": pod["spec"] },
            },
        })
    }
}

/// The JSON pointer to the pod template of a workload.
pub fn template_path(object: &Value) -> &'static str {
    match object["kind"].as_str() {
        Some("CronJob") => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    }
}

/// The record of injections in a workload's pod template.
pub fn record(object: &Value) -> Option<&str> {
    let template = object.pointer(template_path(object))?;
    template["metadata"]["annotations"].get("admission.datakit/injected")?.as_str()
}

/// Removes the record of injections from a workload's pod template, and what was created for it;
/// returns whether there was one.
pub fn without_record(object: &mut Value) -> bool {
    let path = template_path(object);
    let metadata = object.pointer_mut(&format!("{path}/metadata"));
    let Some(metadata) = metadata.and_then(Value::as_object_mut) else {
        return false;
    };
    let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
    let had_record =
        annotations.is_some_and(|it| it.remove("admission.datakit/injected").is_some());
    if had_record && metadata["annotations"] == json!({}) {
        metadata.remove("annotations");
    }
    had_record
}

/// The same value, with strings that hold a JSON array read as such.
pub fn normalised(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('[') => {
            serde_json::from_str(text).unwrap_or_else(|_| value.clone())
        }
        Value::Array(elements) => elements.iter().map(normalised).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), normalised(value)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}
