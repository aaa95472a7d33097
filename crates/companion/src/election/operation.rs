//! The requests of a candidate.

/// What a candidate asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Become the leader.
    Campaign,
    /// Stay the leader.
    Heartbeat,
}

impl Operation {
    /// The label in metrics and log lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Heartbeat => "heartbeat",
        }
    }
}
