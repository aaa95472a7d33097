//! What the API server adds to an object when it stores it.

use serde_json::Value;

/// Whether a stored object is one that was sent, with nothing but defaults of the API server added.
///
/// The user's part is in both as it was stored; only what the policy writes gets defaults.
pub(super) fn is_stored_form(stored: &Value, sent: &Value) -> bool {
    match (stored, sent) {
        (Value::Object(stored), Value::Object(sent)) => {
            let is_there = |(key, value): (&String, &Value)| {
                stored.get(key).map_or(is_omitted(value), |stored| is_stored_form(stored, value))
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

/// Whether a field with this value is left out when an object is stored.
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
        // Limits without requests.
        "requests" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ignores_what_the_api_server_adds() {
        let sent = json!({ "a": [{ "name": "x", "value": "", "fieldRef": { "fieldPath": "p" } }] });
        let stored = json!({ "a": [{ "name": "x", "terminationMessagePath": "/dev/termination-log",
            "resources": {}, "fieldRef": { "fieldPath": "p", "apiVersion": "v1" } }] });
        assert!(is_stored_form(&stored, &sent));
        for other in [
            json!({ "a": [{ "name": "y", "fieldRef": { "fieldPath": "p" } }] }),
            json!({ "a": [{ "name": "x", "fieldRef": { "fieldPath": "q" } }] }),
            json!({ "a": [{ "name": "x", "image": "i", "fieldRef": { "fieldPath": "p" } }] }),
            json!({ "a": [] }),
        ] {
            assert!(!is_stored_form(&other, &sent), "{other}");
        }
    }
}
