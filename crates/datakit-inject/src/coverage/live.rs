//! What coverage reads of an object of a cluster.

use std::collections::BTreeMap;

use datakit_injection::injection;
use serde::Deserialize;
use serde_json::Value;

/// The annotation of a workload that the policy injected into; another instance of the policy adds
/// a point and its name.
const RECORD: &str = "admission.datakit/injected";

/// An object, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Live {
    pub(crate) kind: String,
    pub(crate) metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) namespace: String,
    annotations: Option<BTreeMap<String, Value>>,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
    controller: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
    template: Option<Box<Template>>,
    job_template: Option<Box<Template>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    name: String,
    image: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: Option<String>,
}

impl Live {
    /// The controller of a pod, such as `ReplicaSet/web-5d4f8`.
    pub(crate) fn owner(&self) -> Option<String> {
        let mut owners = self.metadata.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.controller == Some(true))?;
        Some(format!("{}/{}", owner.kind, owner.name))
    }

    /// Whether a pod has ended, and runs neither with nor without anything.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed"))
    }

    /// Whether the policy keeps a record of what it injected.
    pub(crate) fn has_record(&self) -> bool {
        let mut annotations = self.metadata.annotations.iter().flatten();
        annotations.any(|(key, _)| {
            let instance = key.strip_prefix(RECORD);
            instance.is_some_and(|instance| instance.is_empty() || instance.starts_with('.'))
        })
    }

    /// The containers that the policy adds, and their images.
    pub(crate) fn injected<'s>(&'s self) -> BTreeMap<&'s str, &'s str> {
        let spec = self.spec.of_pod();
        let containers = spec.containers.iter().chain(&spec.init_containers).flatten();
        let ours = containers.filter(|container| is_added(&container.name));
        let image = |container: &'s Container| container.image.as_deref().unwrap_or_default();
        ours.map(|container| (&*container.name, image(container))).collect()
    }
}

impl Spec {
    /// The pod's: that of the template, where there is one.
    fn of_pod(&self) -> &Self {
        match self.job_template.as_ref().or(self.template.as_ref()) {
            Some(template) => template.spec.of_pod(),
            None => self,
        }
    }
}

/// Whether the policy adds a container of that name.
fn is_added(name: &str) -> bool {
    injection::table::ALL.iter().any(|injection| injection.container == Some(name))
}

/// An object without the containers that the policy adds.
pub(crate) fn without_injected(object: &str) -> Option<String> {
    let mut object: Value = serde_json::from_str(object).ok()?;
    let spec = ["/spec/jobTemplate/spec/template/spec", "/spec/template/spec", "/spec"];
    let spec = spec.iter().find(|path| object.pointer(path).is_some())?;
    let spec = object.pointer_mut(spec)?.as_object_mut()?;
    for key in ["containers", "initContainers"] {
        if let Some(containers) = spec.get_mut(key).and_then(Value::as_array_mut) {
            let name = |container: &Value| container.get("name")?.as_str().map(str::to_owned);
            containers.retain(|container| name(container).is_none_or(|name| !is_added(&name)));
        }
    }
    Some(object.to_string())
}
