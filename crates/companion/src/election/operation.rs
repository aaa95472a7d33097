//! The two requests of an election.

/// What a DataKit asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To become the leader.
    Campaign,
    /// To stay the leader.
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
