//! A guest that does nothing: what is left is the host's own cost.

use kubewarden_policy_sdk::wapc_guest::register_function;

#[unsafe(no_mangle)]
extern "C" fn wapc_init() {
    register_function("validate", |_| Ok(br#"{"accepted":true}"#.to_vec()));
}
