//! What the tests of several crates share: the recorded cases, and requests as the engine sends them.

pub mod cases;
pub mod requests;
