//! The table of injections.

use super::{Injection, ddtrace, flameshot, logfwd, logging, otel, profiler};

/// Every injection, in the order of the reference: each sees what the earlier ones added.
pub static ALL: &[&Injection] = &[
    &ddtrace::INJECTION,
    &otel::INJECTION,
    &logfwd::INJECTION,
    &flameshot::INJECTION,
    &profiler::INJECTION,
    &logging::INJECTION,
];
