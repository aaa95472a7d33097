//! A guest that parses the payload as the SDK does it, and returns the object as it came.

use kubewarden_policy_sdk::request::ValidationRequest;
use serde_json::Value;

#[unsafe(no_mangle)]
extern "C" fn wapc_init() {
    bench_guests::register(|payload| {
        let request = ValidationRequest::<Value>::new(payload)?;
        kubewarden_policy_sdk::mutate_request(request.request.object)
    });
}
