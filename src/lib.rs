//! Injects Datakit observability into Kubernetes workloads, as Datakit Operator does.
//!
//! The way of a request, from the outside in:
//!
//! 1. `guest` (feature `policy`) speaks waPC with Kubewarden.
//! 2. [`policy`] takes a payload and gives an answer: it reads the [`admission`] request and the
//!    [`settings`], and selects what to inject by annotations, labels and namespace ([`selector`]).
//! 3. `inject` plans each injection, `pod` applies the plan to the pod template.
//! 4. [`json`] keeps what users wrote as the text that it is.
//! 5. [`report`] tells what was done, and why not; [`explanation`], where somebody asks, each
//!    [`verdict`] on the way.
//!
//! Imports run in this direction only. The command `datakit-inject` (feature `cli`, in `src/bin`) and
//! `js` (feature `js`, for the npm package) are other ways in.

#![deny(unreachable_pub)]
// A trap denies the request of whoever the policy serves.
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

pub mod admission;
mod annotations;
pub mod conditions;
pub mod document;
#[cfg(all(feature = "policy", target_arch = "wasm32"))]
mod guest;
pub mod injection;
#[cfg(all(feature = "js", not(all(feature = "policy", target_arch = "wasm32"))))]
pub mod js;
pub mod json;
mod pod;
pub mod policy;
mod reader;
pub mod reason;
mod record;
pub mod report;
pub mod rule;
pub mod selector;
pub mod settings;
pub mod trace;
