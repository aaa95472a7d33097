//! The panic hook.

use tracing::error;

/// Logs the location of a panic, but not its message, which could quote a request and its token.
pub fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(location, "panic");
    }));
}
