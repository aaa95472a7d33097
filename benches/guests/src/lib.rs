//! What the guests share, so that a policy server runs them as well.

use kubewarden_policy_sdk::protocol_version_guest;
use kubewarden_policy_sdk::wapc_guest::{CallResult, register_function};

/// Registers a guest that answers requests, and takes any settings.
pub fn register(validate: fn(&[u8]) -> CallResult) {
    register_function("validate", validate);
    register_function("validate_settings", |_| Ok(br#"{"valid":true}"#.to_vec()));
    register_function("protocol_version", protocol_version_guest);
}
