//! The companion against an API server over HTTP, in one process.

#[path = "../support/api.rs"]
mod api;
mod election;
mod faults;
mod logging;
mod manifests;
mod process;
#[path = "../support/replica.rs"]
mod replica;
mod running;
#[path = "../support/tls.rs"]
mod tls;
