//! Any settings are checked, and used at a request.
#![no_main]

use datakit_injection::{policy, validation};
use libfuzzer_sys::fuzz_target;

const REQUEST: &str = r#"{"request":{"kind":{"group":"","version":"v1","kind":"Pod"},"operation":"CREATE","namespace":"prod-1","object":{"metadata":{"name":"web","labels":{"app":"web"},"annotations":{"admission.datakit/java-lib.version":"v1","admission.datakit/java-profiler.version":"","admission.datakit/logfwd.instances":"[]"}},"spec":{"containers":[{"name":"app"}]}}},"settings":"#;

fuzz_target!(|text: &str| {
    for fault in validation::validate(text) {
        assert!(!fault.message.is_empty());
    }
    let response = policy::evaluate(format!("{REQUEST}{text}}}").as_bytes()).into_response();
    assert!(response.starts_with(r#"{"accepted":true"#));
});
