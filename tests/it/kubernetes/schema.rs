//! The OpenAPI types of Kubernetes as a witness of their own: fields that do not exist, and values of
//! another type.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::schemars::JsonSchema;
use k8s_openapi::schemars::generate::SchemaSettings;
use serde_json::{Value, json};

static VALIDATORS: LazyLock<BTreeMap<&str, Validator>> = LazyLock::new(|| {
    BTreeMap::from([
        ("CronJob", validator::<batch::CronJob>()),
        ("DaemonSet", validator::<apps::DaemonSet>()),
        ("Deployment", validator::<apps::Deployment>()),
        ("Job", validator::<batch::Job>()),
        ("Pod", validator::<core::Pod>()),
        ("StatefulSet", validator::<apps::StatefulSet>()),
    ])
});

fn validator<T: JsonSchema>() -> Validator {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    for (name, definition) in schema["$defs"].as_object_mut().unwrap() {
        // Both have `x-kubernetes-int-or-string` in place of a type.
        if name.ends_with(".Quantity") {
            definition["type"] = json!(["number", "string"]);
        } else if name.ends_with(".IntOrString") {
            definition["type"] = json!(["integer", "string"]);
        }
    }
    close(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

/// Refuses what no schema names, wherever one names fields.
fn close(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(close),
        Value::Object(members) => {
            // A field may be named `properties`: its schema is an object with a type or a reference.
            if members.get("properties").is_some_and(Value::is_object)
                && members.get("type") == Some(&json!("object"))
            {
                members.insert("additionalProperties".into(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        _ => {}
    }
}

/// What of an object its OpenAPI type does not describe, each with its path.
pub fn errors(object: &Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let Some(validator) = VALIDATORS.get(kind) else {
        return vec![format!("kind: unknown kind {kind:?}")];
    };
    // To Go's decoder a field that is null is not there.
    let object = without_nulls(object);
    let errors = validator.iter_errors(&object);
    errors.map(|error| format!("{}: {error}", error.instance_path)).collect()
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(without_nulls).collect(),
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            let members = members.map(|(key, value)| (key.clone(), without_nulls(value)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}

#[test]
fn accepts_and_refuses_by_the_openapi_types() {
    let container = json!({
        "name": "app", "image": "a:1", "command": ["a"], "resources": { "limits": { "cpu": 1 } },
        "livenessProbe": { "httpGet": { "port": "http" }, "periodSeconds": 5 },
        "securityContext": { "runAsUser": 1, "capabilities": { "drop": ["ALL"] } },
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "a", "labels": { "a": "b" }, "creationTimestamp": null },
        "spec": {
            "containers": [container],
            "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": "1Gi" } }],
            "resources": { "requests": { "cpu": "1" } },
        },
    });
    assert_eq!(errors(&pod), [""; 0]);
    let of_pod = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {},
        "spec": { "selector": {}, "template": { "metadata": {}, "spec": pod["spec"] } },
    });
    assert_eq!(errors(&of_pod), [""; 0]);
    for (pointer, value, expected) in [
        ("/spec/containers/0", json!({ "nmae": "app" }), "/spec/containers/0"),
        ("/spec/containers/0/command", json!("sh"), "/spec/containers/0/command"),
        ("/spec/containers/0/image", json!(1), "/spec/containers/0/image"),
        (
            "/spec/containers/0/resources/limits/cpu",
            json!(true),
            "/spec/containers/0/resources/limits/cpu",
        ),
        (
            "/spec/containers/0/securityContext/runAsUser",
            json!("1"),
            "/spec/containers/0/securityContext/runAsUser",
        ),
        (
            "/spec/containers/0/livenessProbe/httpGet/port",
            json!(1.5),
            "/spec/containers/0/livenessProbe/httpGet/port",
        ),
        ("/spec/volumes/0/emptyDir", json!({ "size": "1Gi" }), "/spec/volumes/0/emptyDir"),
        ("/metadata/labels/a", json!(1), "/metadata/labels/a"),
        ("/spec/volumes", json!({}), "/spec/volumes"),
    ] {
        let mut pod = pod.clone();
        *pod.pointer_mut(pointer).unwrap() = value;
        let errors = errors(&pod);
        let is_there = |error: &String| error.starts_with(&format!("{expected}: "));
        assert!(errors.iter().any(is_there), "{pointer}: {errors:?}");
    }
    assert_eq!(errors(&json!({ "kind": "Rollout" })), ["kind: unknown kind \"Rollout\""]);
}
