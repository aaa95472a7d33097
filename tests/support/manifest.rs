//! Manifests: YAML in the order in which people wrote it.

use serde_norway::Value as Yaml;

use crate::host::Host;
use testing::requests::{payload, request};

/// The JSON of a YAML document, its keys in the same order.
pub fn to_json(yaml: &Yaml) -> String {
    serde_json::to_string(yaml).expect("a manifest has keys that are strings")
}

/// The text of a YAML document.
pub fn to_yaml(yaml: &Yaml) -> String {
    serde_norway::to_string(yaml).expect("YAML can be written")
}

/// What the module makes of an object, its keys in the order of the object's; nothing where it
/// changes nothing.
pub fn mutate(host: &Host, object: &Yaml, settings: &str) -> Option<Yaml> {
    let object = to_json(object);
    let sorted = serde_json::from_str(&object).expect("YAML gives JSON");
    // The request with the object as it was written, which the engine would sort.
    let mut request = request("CREATE", &sorted, None);
    request["object"] = "OBJECT".into();
    let payload = payload(&request, settings).replacen("\"OBJECT\"", &object, 1);
    let answer = host.call("validate", payload.as_bytes()).expect("the module answers");
    let answer: Yaml = serde_norway::from_slice(&answer).expect("JSON is YAML");
    answer.get("mutated_object").cloned()
}
