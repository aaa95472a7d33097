//! A cached `ClusterLoggingConfig`: its compiled selector and its encoded answer.

use bytes::Bytes;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use serde::Serialize;

use super::config;
use super::selector::{Pod, Selector};
use crate::answer::go_json;

/// The longest error in bytes. The API server limits the notes of events to as many.
pub(super) const MAX_ERROR: usize = 1024;

/// A compiled object.
#[derive(Debug)]
pub struct Entry {
    /// The name of the object.
    pub name: String,
    /// The UID and generation: they change whenever the specification does.
    pub version: (String, i64),
    /// Why the object is invalid. An invalid object matches nothing.
    pub error: Option<String>,
    selector: Option<Selector>,
    answer: Bytes,
}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pod_target_labels: &'a [String],
    configs: &'a str,
}

impl Entry {
    /// Compiles an object.
    pub fn new(object: &DynamicObject) -> Self {
        let name = object.name_any();
        let read = config::spec(object).map_err(|error| format!("spec: {error}"));
        let read = read.and_then(|spec| {
            let selector = Selector::new(&spec.selector.0).map_err(|error| error.to_string())?;
            let answer = go_json(&Answer {
                name: &name,
                pod_target_labels: &spec.pod_target_labels,
                configs: &go_json(&spec.configs),
            });
            Ok((selector, answer))
        });
        let (selector, answer, error) = match read {
            Ok((selector, answer)) => (Some(selector), answer, None),
            Err(mut error) => {
                // It quotes the object, without a bound.
                error.truncate(error.floor_char_boundary(MAX_ERROR));
                (None, String::new(), Some(error))
            }
        };
        let version = (object.uid().unwrap_or_default(), object.metadata.generation.unwrap_or(0));
        Self { name, version, error, selector, answer: answer.into() }
    }

    /// Whether the object matches a pod.
    pub fn matches(&self, pod: &Pod) -> bool {
        self.selector.as_ref().is_some_and(|selector| selector.matches(pod))
    }

    /// The body of the answer.
    pub fn answer(&self) -> Bytes {
        self.answer.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(spec: Value) -> Entry {
        let object = json!({
            "apiVersion": "logging.datakits.io/v1alpha1",
            "kind": "ClusterLoggingConfig",
            "metadata": { "name": "web", "uid": "u", "generation": 3 },
            "spec": spec,
        });
        Entry::new(&serde_json::from_value(object).unwrap())
    }

    /// The expected texts are those of `json.Marshal`, applied twice to the Operator's types.
    #[test]
    fn answers_are_those_of_the_operator() {
        for (spec, expected) in [
            (
                json!({
                    "selector": { "namespaceRegex": "shop" },
                    "podTargetLabels": ["app", "version"],
                    "configs": [{
                        "tags": { "b": "2", "a": "<1>" },
                        "from_beginning_threshold_size": 1000,
                        "from_beginning": true,
                        "remove_ansi_escape_codes": true,
                        "multiline_match": r"^\d{4}",
                        "pipeline": "p.p",
                        "character_encoding": "utf-8",
                        "service": "s",
                        "storage_index": "i",
                        "path": "/var/log/*.log",
                        "disable": true,
                        "source": "web",
                        "type": "file",
                        "unknown": 1,
                    }],
                }),
                concat!(
                    r#"{"name":"web","pod_target_labels":["app","version"],"configs":"[{"#,
                    r#"\"type\":\"file\",\"source\":\"web\",\"disable\":true,"#,
                    r#"\"path\":\"/var/log/*.log\",\"storage_index\":\"i\",\"service\":\"s\","#,
                    r#"\"character_encoding\":\"utf-8\",\"pipeline\":\"p.p\","#,
                    r#"\"multiline_match\":\"^\\\\d{4}\",\"remove_ansi_escape_codes\":true,"#,
                    r#"\"from_beginning\":true,\"from_beginning_threshold_size\":1000,"#,
                    r#"\"tags\":{\"a\":\"\\u003c1\\u003e\",\"b\":\"2\"}}]"}"#,
                ),
            ),
            (
                json!({
                    "selector": {},
                    "podTargetLabels": [],
                    "configs": [{ "type": "stdout", "source": "", "path": "", "disable": false,
                        "from_beginning_threshold_size": 0, "tags": {} }],
                }),
                r#"{"name":"web","configs":"[{\"type\":\"stdout\",\"source\":\"\"}]"}"#,
            ),
            (json!({ "selector": {}, "configs": [] }), r#"{"name":"web","configs":"[]"}"#),
            (json!({ "selector": {} }), r#"{"name":"web","configs":"null"}"#),
            (json!({}), r#"{"name":"web","configs":"null"}"#),
        ] {
            let entry = entry(spec);
            assert_eq!(entry.error, None);
            assert_eq!(entry.answer(), expected);
            assert_eq!(entry.version, ("u".to_owned(), 3));
        }
    }

    #[test]
    fn an_object_with_an_error_matches_nothing() {
        let pod = Pod::new("shop", "web-1", "app=web");
        assert!(entry(json!({ "selector": {} })).matches(&pod));
        for (spec, expected) in [
            (
                json!({ "selector": { "podLabelSelector": "app=" , "podRegex": "(" } }),
                "spec.selector.podRegex: `(` is not a regular expression: found open group without \
                 closing ')'",
            ),
            (
                json!({ "selector": {}, "configs": [{ "disable": "yes" }] }),
                "spec: invalid type: string \"yes\", expected a boolean",
            ),
            (json!({ "selector": null }), "spec: invalid type: null, expected a map"),
            // serde would take their elements for fields.
            (json!([]), "spec: invalid type: sequence, expected a map"),
            (json!({ "selector": [] }), "spec: invalid type: sequence, expected a map"),
            (json!({ "configs": [[]] }), "spec: invalid type: sequence, expected a map"),
        ] {
            let entry = entry(spec);
            assert_eq!(entry.error.as_deref(), Some(expected));
            assert!(!entry.matches(&pod));
        }
    }
}
