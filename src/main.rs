//! The policy module.
//!
//! On WebAssembly this is the waPC guest that Kubewarden runs. Natively it answers one payload, from
//! standard input to standard output, so that profilers see what the guest does.

#![cfg_attr(target_arch = "wasm32", no_main)]
// A trap makes the engine deny the request.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects
)]

mod allocator;
#[cfg(target_arch = "wasm32")]
mod guest;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::io::Result<()> {
    use std::io::Read as _;

    let mut payload = Vec::new();
    std::io::stdin().read_to_end(&mut payload)?;
    let response = datakit_injection::policy::evaluate(&payload).into_response();
    // Standard output would search the response for line breaks.
    std::fs::write("/dev/stdout", response)
}
