//! The tests of the whole: natively, and on the built module in an embedded host.

mod architecture;
mod conditions;
mod conformance;
mod deploy;
mod documents;
mod explanation;
#[path = "../support/host.rs"]
mod host;
mod kubernetes;
mod languages;
mod life;
mod lives;
#[path = "../support/manifest.rs"]
mod manifest;
mod manifests;
mod memory;
mod mended;
mod module;
mod monitoring;
mod mutations;
mod objects;
mod packaging;
mod pods;
mod policy;
mod properties;
mod settings;
mod translations;
mod workflows;
