//! Leader election for DataKit and log configuration for logfwd, which Datakit Operator serves besides admission.
//!
//! All state is in the API server: Leases and `ClusterLoggingConfig` objects. Replicas can be added, restarted and
//! removed at any time.
//!
//! # The path of a request
//!
//! 1. [`server`] accepts the connection and terminates TLS with the [`certificate`].
//! 2. [`routes`] applies the middleware and dispatches.
//! 3. [`logging`] answers logfwd from a [`cache`] of objects. [`election`] answers followers from a cache of Leases;
//!    everything else takes calls to the API server.
//! 4. [`readiness`] combines the state of the caches with access reviews ([`rights`]), for probes and for DataKit.
//!
//! [`companion`] assembles all of it from the [`options`]. Imports run one way: `companion` → `routes` → services →
//! `readiness` → `cache`, `rights` → `query`, `answer`, `clock`, `stored`.

#![deny(unreachable_pub)]
#![forbid(unsafe_code)]
// A panic in a handler fails one request; in the task of a cache, it ends the process.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
    )
)]

pub mod answer;
pub mod cache;
pub mod certificate;
pub mod clock;
pub mod companion;
pub mod election;
pub mod logging;
pub mod options;
pub mod panics;
pub mod patient;
pub mod query;
pub mod readiness;
pub mod rights;
pub mod routes;
pub mod server;
pub mod stored;
pub mod timeouts;
