//! What is told of a panic.

use tracing::error;

/// Logs where a panic happened, in place of what it says: that may quote a request, and its token.
pub fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(location, "panic");
    }));
}
