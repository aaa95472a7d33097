//! Any annotation is injected or skipped, and what is injected is the same JSON.
#![no_main]

use datakit_injection::policy;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|annotation: &str| {
    let payload = json!({
        "request": {
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "operation": "CREATE",
            "object": {
                "metadata": { "annotations": { "admission.datakit/logfwd.instances": annotation } },
                "spec": { "containers": [{ "name": "app" }] },
            },
        },
        "settings": { "admission_inject": { "logfwd": { "images": { "logfwd_image": "a:1" } } } },
    });
    let answer = policy::evaluate(payload.to_string().as_bytes());
    let Some(object) = answer.mutated_object() else {
        assert!(!answer.report.skipped.is_empty());
        return;
    };
    let object: Value = serde_json::from_str(object).expect("JSON");
    let env = object["spec"]["containers"][1]["env"].as_array().expect("an environment");
    let config = env.last().and_then(|variable| variable["value"].as_str()).expect("a value");
    let before = serde_json::from_str::<Value>(annotation);
    if let Ok(before) = before {
        assert_eq!(serde_json::from_str::<Value>(config).expect("JSON"), before);
    }
});
