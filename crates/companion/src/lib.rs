//! What Datakit Operator does beside admission: the election of DataKits, and the log configuration of logfwd.
//!
//! Everything it knows is in the API server: the Leases of elections and the `ClusterLoggingConfig` objects. So two
//! replicas answer as one does, and one that starts anew needs nothing from the one before.
//!
//! # The way of a request
//!
//! 1. [`server`] accepts the connection, within its limits, and speaks TLS with what [`certificate`] has.
//! 2. [`routes`] reads the body, finds the handler, and answers for one that panics.
//! 3. [`logging`] answers logfwd from a [`cache`] of objects. [`election`] answers DataKit from a cache of Leases,
//!    or asks the API server, where only a write makes a leader.
//! 4. [`readiness`] knows whether caches are in sync and [`rights`] are granted, for probes and for DataKit.
//!
//! [`companion`] puts these together from [`options`]. Imports run in this order: `companion` → `routes` → services
//! → `readiness` → `cache`, `rights` → `query`, `answer`, `clock`.

#![deny(unreachable_pub)]
#![forbid(unsafe_code)]
// A panic in a handler costs the request, in a task of a cache the whole service.
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
pub mod query;
pub mod readiness;
pub mod rights;
pub mod routes;
pub mod server;
