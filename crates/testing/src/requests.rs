//! Requests and settings as the engine hands them to a policy.

use serde_json::{Value, json};

/// The same JSON with the keys of every object sorted, as the engine hands settings over.
pub fn sorted(settings: &str) -> String {
    let settings: Value = serde_json::from_str(settings).expect("the settings are JSON");
    settings.to_string()
}

/// The payload that the engine hands to a policy.
pub fn payload(request: &Value, settings: &str) -> String {
    format!("{{\"request\":{request},\"settings\":{settings}}}")
}

/// An admission request as the API server sends it.
pub fn request(operation: &str, object: &Value, old_object: Option<&Value>) -> Value {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = object["kind"].as_str().unwrap_or_default();
    let resource = format!("{}s", kind.to_lowercase());
    let of_kind = json!({ "group": group, "version": version, "kind": kind });
    let of_resource = json!({ "group": group, "version": version, "resource": resource });
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    let mut request = json!({
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": of_kind,
        "resource": of_resource,
        "requestKind": of_kind,
        "requestResource": of_resource,
        "name": object["metadata"]["name"],
        "namespace": namespace,
        "operation": operation,
        "userInfo": { "username": "admin", "groups": ["system:authenticated"] },
        "object": object,
        "dryRun": false,
        "options": { "apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions" },
    });
    if let Some(old_object) = old_object {
        request["oldObject"] = old_object.clone();
    }
    request
}
