//! What people do with the policy's settings, and hosts do not.
//!
//! - [`document`] finds settings in whatever holds them: the Operator's `ConfigMap`, values of a
//!   chart, a policy's manifest.
//! - [`notes`] finds what is valid but probably unintended.
//! - [`convert`] turns rules of any release into rules of version 2.
//! - [`conditions`] compiles settings into `matchConditions`, and [`manifest`] compares those of a policy
//!   with them.
//! - [`workloads`] names the resources of kinds that settings add.
//! - [`endpoints`] finds the services that settings send data to.
//!
//! It reads rules by the policy's own code, so it cannot disagree with a request.

#![forbid(unsafe_code)]
#![deny(unreachable_pub)]
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

pub mod conditions;
pub mod convert;
pub mod document;
pub mod endpoints;
pub mod manifest;
mod notes;
pub mod workloads;

pub use notes::notes;
