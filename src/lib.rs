//! Injects Datakit observability into Kubernetes workloads, as Datakit Operator does.
//!
//! ```
//! use datakit_injection::policy;
//!
//! let payload = br#"{
//!     "request": {
//!         "operation": "CREATE",
//!         "namespace": "shop",
//!         "object": {
//!             "apiVersion": "v1",
//!             "kind": "Pod",
//!             "metadata": { "name": "web" },
//!             "spec": { "containers": [{ "name": "app", "image": "app:1" }] }
//!         }
//!     },
//!     "settings": {
//!         "admission_inject_v2": {
//!             "ddtraces": [{
//!                 "language": "java",
//!                 "namespace_selectors": ["^shop$"],
//!                 "image": "hub.example.com/dd-lib-java-init:v1"
//!             }]
//!         }
//!     }
//! }"#;
//!
//! let answer = policy::evaluate(payload);
//! assert!(answer.mutated_object().unwrap().contains("datakit-lib-init"));
//!
//! let (injection, rule) = &answer.report.injected[0];
//! assert_eq!(injection.to_string(), "ddtrace-java");
//! assert_eq!(rule, "admission_inject_v2.ddtraces[0]");
//! ```
//!
//! # The way of a request
//!
//! 1. An entry point takes the payload: `src/main.rs` is the waPC guest that Kubewarden runs,
//!    `npm/bindings` serves the npm package, `crates/datakit-inject` is the command.
//! 2. [`policy`] answers it. It reads the [`admission`] request and the [`settings`], takes out what
//!    an earlier request injected (`policy/life.rs`, `record`), selects rules (`policy/selection.rs`,
//!    [`selector`]), plans and applies injections, and writes the answer.
//! 3. [`injection`] is the table of what can be injected. A planner looks at a `pod` and a rule ([`rules`])
//!    and returns the edits; `pod` applies them.
//! 4. [`json`] keeps what users wrote as text.
//! 5. [`report`] collects what was injected or skipped, for warnings, audit annotations and the log;
//!    [`trace`] collects each [`reason`], if somebody asks.
//!
//! `crates/settings-tools` reads the same rules to convert them and to compile them into
//! `matchConditions`; `crates/messages` translates messages. The module has neither.
//!
//! Imports run from the entry points down. Nothing below them knows waPC, wasm-bindgen or a terminal.
//! `DESIGN.md` has the reasons.

#![forbid(unsafe_code)]
#![deny(unreachable_pub)]
// A trap makes the engine deny the request.
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
pub mod annotations;
mod collections;
pub mod injection;
pub mod json;
pub mod options;
mod pod;
pub mod policy;
pub mod reader;
pub mod reason;
mod record;
pub mod release;
pub mod report;
pub mod rules;
pub mod selector;
pub mod settings;
pub mod trace;
pub mod validation;
