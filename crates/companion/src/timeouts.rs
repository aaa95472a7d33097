//! Timeouts of calls to the API server.

use std::time::Duration;

/// How long clients can wait for the API server.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// All calls of one campaign or heartbeat.
    pub request: Duration,
    /// An access review.
    pub review: Duration,
}

/// Both are below the 2 seconds that DataKit waits for an answer.
impl Default for Timeouts {
    fn default() -> Self {
        Self { request: Duration::from_millis(1500), review: Duration::from_secs(1) }
    }
}
