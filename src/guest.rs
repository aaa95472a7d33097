//! The waPC guest: what Kubewarden calls.

mod log;

use kubewarden_policy_sdk::settings::SettingsValidationResponse;
use kubewarden_policy_sdk::wapc_guest::{CallResult, register_function};

use datakit_injection::policy;
use datakit_injection::validation;

/// Registers what Kubewarden calls. waPC calls this once, before anything else.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a waPC guest exports this symbol")]
extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings);
    register_function("protocol_version", kubewarden_policy_sdk::protocol_version_guest);
}

fn validate(payload: &[u8]) -> CallResult {
    let answer = policy::evaluate(payload);
    log::log(&answer);
    Ok(answer.into_response().into_bytes())
}

fn validate_settings(payload: &[u8]) -> CallResult {
    let errors = validation::validate(&String::from_utf8_lossy(payload));
    let message: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let response = SettingsValidationResponse {
        valid: errors.is_empty(),
        message: (!errors.is_empty()).then(|| message.join("\n")),
    };
    Ok(serde_json::to_vec(&response)?)
}
