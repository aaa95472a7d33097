//! Time, which tests move by hand.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Two clocks: one that decides, and one for people to read.
pub trait Clock: Send + Sync + 'static {
    /// The time since a fixed moment. It never goes backwards, whatever happens to the wall clock.
    fn elapsed(&self) -> Duration;

    /// The wall clock, for the timestamps in objects.
    fn now(&self) -> Timestamp;
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose fixed moment is now.
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
