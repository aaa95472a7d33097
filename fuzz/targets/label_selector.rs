//! Any text is a selector or a fault, and a selector can be matched.
#![no_main]

use datakit_injection::json::{Shape, Value};
use datakit_injection::selector::{Entries, LabelSelector, Syntax};
use libfuzzer_sys::fuzz_target;

static LABELS: Shape = Shape::Object(&[]);

fuzz_target!(|text: &str| {
    let labels = Value::open(r#"{"app":"web","gen":"5","in":""}"#, &LABELS).expect("labels");
    for syntax in [Syntax::Kubernetes, Syntax::WithGlobs] {
        match LabelSelector::parse(text, syntax) {
            Ok(selector) => {
                selector.matches(Entries::new(labels.as_object()));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
