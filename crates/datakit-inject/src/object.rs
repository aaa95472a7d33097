//! The parts of Kubernetes objects that several commands read.

use std::collections::BTreeMap;

use datakit_injection::admission::{GroupVersionKind, Workload};
use datakit_injection::annotations::is_record;
use datakit_injection::injection::table::ALL;
use datakit_injection::json::{Object, Value as Text};
use datakit_injection::reader::Errors;
use datakit_injection::settings::with_settings;
use serde_json::Value;
use yaml_splice::{Document, Value as Yaml};

/// Finds pod templates in objects, under given settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Templates {
    /// The kinds of `policy.extra_workloads`: group, kind and JSON pointer.
    extra: Vec<[String; 3]>,
}

impl Templates {
    pub(crate) fn of_settings(settings: &str) -> Self {
        let extra = with_settings(settings, &mut Errors::default(), |settings, _| {
            let extra = settings.options.extra_workloads.iter();
            extra.map(|it| [&it.group, &it.kind, &it.template].map(ToString::to_string)).collect()
        });
        Self { extra: extra.unwrap_or_default() }
    }

    /// The kinds that the settings add, such as `rollout.argoproj.io`.
    pub(crate) fn extra_kinds(&self) -> impl Iterator<Item = String> {
        self.extra.iter().map(|[group, kind, _]| format!("{}.{group}", kind.to_lowercase()))
    }

    /// The JSON pointer to the pod template of an object.
    pub(crate) fn pointer(&self, object: &Value) -> Option<String> {
        let ((group, version), kind) = (group_version(object), text(object, "/kind"));
        let of_kind =
            GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() };
        match Workload::built_in(&of_kind) {
            Some(workload) => Some(workload.path().iter().map(|name| format!("/{name}")).collect()),
            None => self.extra.iter().find_map(|[of_group, of_kind, pointer]| {
                (of_group == group && of_kind == kind).then(|| pointer.clone())
            }),
        }
    }

    /// The pod template of an object; of kinds that the policy does not know, a `spec.template` with containers.
    pub(crate) fn of_object<'o>(&self, object: &'o Value) -> Option<&'o Value> {
        let usual = || object.pointer("/spec/template");
        let usual = || usual().filter(|it| at(it, "/spec/containers").is_array());
        self.pointer(object).map_or_else(usual, |pointer| object.pointer(&pointer))
    }

    fn containers<'o>(&self, object: &'o Value) -> impl Iterator<Item = &'o Value> {
        let template = self.of_object(object).unwrap_or(&Value::Null);
        list(template, "/spec/initContainers").chain(list(template, "/spec/containers"))
    }

    /// The names of the containers that injections add, with their images.
    pub(crate) fn added<'o>(&self, object: &'o Value) -> BTreeMap<&'o str, &'o str> {
        let added = self.containers(object).filter(|container| is_added(container));
        added.map(|container| (text(container, "/name"), text(container, "/image"))).collect()
    }

    /// The records of injections in a pod template. The records of Pods are copies of their owners'.
    pub(crate) fn records<'o>(&self, object: &'o Value) -> Vec<&'o str> {
        let template = self.of_object(object).filter(|_| text(object, "/kind") != "Pod");
        let annotations = template.and_then(|it| it.pointer("/metadata/annotations")?.as_object());
        let annotations = annotations.into_iter().flatten();
        annotations.map(|(key, _)| &**key).filter(|key| is_record(key)).collect()
    }

    /// What a partial object, such as a kustomize patch, lacks; `None` if it is complete.
    pub(crate) fn missing(&self, object: &Value) -> Option<String> {
        let template = self.of_object(object)?;
        if list(template, "/spec/containers").next().is_none() {
            return Some("its pod template has no containers".to_owned());
        }
        let mut containers = self.containers(object);
        let partial = containers.find(|container| text(container, "/image").is_empty())?;
        Some(format!("container `{}` has no image", text(partial, "/name")))
    }
}

pub(crate) fn is_added(container: &Value) -> bool {
    ALL.iter().any(|injection| injection.container == Some(text(container, "/name")))
}

/// A value from JSON; null if it cannot be read. A number that no 64-bit float holds becomes a string.
pub(crate) fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| {
        let mut value = json_value(json).unwrap_or(Yaml::Null);
        quote_numbers(&mut value);
        serde_json::to_value(&value).unwrap_or_default()
    })
}

/// A value from JSON, whose numbers stay as they are written.
pub(crate) fn json_value(json: &str) -> Result<Yaml, String> {
    Document::parse_json(json).map(Document::into_value).map_err(|error| error.reason)
}

/// The only value of a text in YAML.
pub(crate) fn yaml_value(yaml: &str) -> Result<Yaml, String> {
    let document = Document::parse_yaml(yaml).map_err(|error| error.reason)?;
    document.map(Document::into_value).ok_or_else(|| "is empty".to_owned())
}

fn quote_numbers(value: &mut Yaml) {
    match value {
        Yaml::Number(text) if serde_json::from_str::<Value>(text).is_err() => {
            *value = Yaml::String(std::mem::take(text));
        }
        Yaml::Sequence(elements) => elements.iter_mut().for_each(quote_numbers),
        Yaml::Mapping(members) => members.iter_mut().for_each(|(_, it)| quote_numbers(it)),
        _ => {}
    }
}

/// A value in an object; null where there is none.
pub(crate) fn at<'o>(object: &'o Value, pointer: &str) -> &'o Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

pub(crate) fn list<'o>(object: &'o Value, pointer: &str) -> impl Iterator<Item = &'o Value> {
    at(object, pointer).as_array().into_iter().flatten()
}

/// A string in an object; empty where there is none.
pub(crate) fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    at(object, pointer).as_str().unwrap_or_default()
}

pub(crate) fn group_version(object: &Value) -> (&str, &str) {
    let api_version = text(object, "/apiVersion");
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The display name of an object, such as `Deployment/web`.
pub(crate) fn name(object: &Value) -> String {
    format!("{}/{}", text(object, "/kind"), text(object, "/metadata/name"))
}

/// The message on an API version that Kubernetes no longer serves, with its successor.
pub(crate) fn no_longer_served(object: &Value) -> Option<String> {
    let version = text(object, "/apiVersion");
    let successor = match (version, text(object, "/kind")) {
        ("extensions/v1beta1" | "apps/v1beta1" | "apps/v1beta2", "Deployment" | "DaemonSet")
        | ("apps/v1beta1" | "apps/v1beta2", "StatefulSet") => "apps/v1",
        ("batch/v1beta1" | "batch/v2alpha1", "CronJob") => "batch/v1",
        _ => return None,
    };
    Some(format!("Kubernetes no longer serves {version}; use {successor}"))
}

pub(crate) fn mapping<const N: usize>(members: [(&str, Yaml); N]) -> Yaml {
    Yaml::Mapping(members.map(|(key, value)| (key.to_owned(), value)).into())
}

/// An item of a list as JSON, with the `apiVersion` and `kind` that items of a typed list (`PodList`) omit; `None`
/// if it is no object, or has no kind.
pub(crate) fn typed(item: &str, api_version: &str, list_kind: &str) -> Option<String> {
    let mut object = Object::parse(item)?;
    if object.get("kind").is_none() {
        let kind = list_kind.strip_suffix("List")?;
        object.set("kind", Text::string(kind));
        if object.get("apiVersion").is_none() {
            object.set("apiVersion", Text::string(api_version));
        }
    }
    object.get_str("kind").filter(|kind| !kind.is_empty()).map(|_| object.to_json())
}

/// Whether all items of a list are objects; a list without `items` has none.
pub(crate) fn has_objects(list: &Yaml) -> bool {
    let are_objects = |items: &[Yaml]| items.iter().all(|item| item.as_mapping().is_some());
    let items = list.get("items").filter(|items| **items != Yaml::Null);
    items.is_none_or(|items| items.as_sequence().is_some_and(are_objects))
}

pub(crate) fn items(list: &Yaml) -> Option<&[Yaml]> {
    let kind = list.get("kind").and_then(Yaml::as_str)?;
    list.get("items").filter(|_| kind.ends_with("List"))?.as_sequence()
}
