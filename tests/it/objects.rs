//! Small objects for tests.

use serde_json::{Value, json};

/// A container.
pub fn container(name: &str) -> Value {
    json!({ "name": name, "image": "example/app:1" })
}

/// A Pod that asks for nothing.
pub fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "containers": [container("app")] },
    })
}

/// A Pod that asks for the Java library.
pub fn java_asked() -> Value {
    with_annotation(pod(), "admission.datakit/java-lib.version", "")
}

/// The Pod with one more annotation.
pub fn with_annotation(mut pod: Value, key: &str, value: &str) -> Value {
    pod["metadata"]["annotations"][key] = json!(value);
    pod
}

/// A Deployment of a Pod.
pub fn deployment(pod: &Value) -> Value {
    let mut metadata = pod["metadata"].clone();
    metadata.as_object_mut().unwrap().retain(|key, _| key == "labels" || key == "annotations");
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "template": { "metadata": metadata, "spec": pod["spec"] } },
    })
}

/// The pod template of an object.
pub fn template_of(object: &mut Value) -> &mut Value {
    let pointer = match object["kind"].as_str().unwrap() {
        "Pod" => "",
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    };
    object.pointer_mut(pointer).unwrap()
}

/// The names in a list.
pub fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|element| element["name"].as_str().unwrap()).collect()
}

/// The images of a Pod's containers.
pub fn images<'o>(pod: &'o Value, list: &str) -> Vec<&'o str> {
    let list = pod["spec"][list].as_array().unwrap();
    list.iter().map(|container| container["image"].as_str().unwrap()).collect()
}
