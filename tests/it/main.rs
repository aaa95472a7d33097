//! The tests of the whole: natively, and on the built module in an embedded host.

mod cases;
mod conformance;
#[path = "../support/host.rs"]
mod host;
mod module;
mod objects;
mod policy;
mod settings;
