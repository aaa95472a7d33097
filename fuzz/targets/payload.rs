//! Any payload is answered, and the answer is JSON that accepts.
#![no_main]

use datakit_injection::json::{Shape, Value};
use datakit_injection::policy;
use libfuzzer_sys::fuzz_target;

static RESPONSE: Shape = Shape::Object(&[("mutated_object", Shape::Object(&[]))]);

fuzz_target!(|payload: &[u8]| {
    let response = policy::evaluate(payload).into_response();
    let response = Value::open(&response, &RESPONSE).expect("the response is JSON");
    let accepted = response.as_object().and_then(|response| response.get("accepted"));
    assert_eq!(accepted, Some(&Value::Text("true")));
});
