//! Clocks, so that tests can control time.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A monotonic clock for decisions, and a wall clock for timestamps.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time since an arbitrary start.
    fn elapsed(&self) -> Duration;

    /// Wall-clock time. Nothing is decided by it.
    fn now(&self) -> Timestamp;
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts the monotonic clock.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
