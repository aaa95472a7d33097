//! Visits the rules of an injection as candidates, in the order in which they are tried.
//!
//! What a configuration of the Operator means depends on the release that it was written for. That
//! is decided here and in [`blocks`](super::blocks) and [`lists`](super::lists): whatever works on a
//! [`Candidate`] is the same for all releases.

use std::ops::ControlFlow;

use crate::injection::Injection;
use crate::reader::{Case, Path, Section};
use crate::rules::candidate::Candidate;
use crate::rules::{blocks, lists};
use crate::settings::Settings;

/// Gets every candidate in turn, and may end the search.
pub type Visit<'v, 'a> = &'v mut dyn FnMut(Candidate<'_, 'a>) -> ControlFlow<()>;

/// Visits the candidate rules of an injection.
pub fn visit<'a>(settings: &Settings<'_, 'a>, injection: &'static Injection, visit: Visit<'_, 'a>) {
    let block = injection.block.as_ref();
    let _end = match block.and_then(|block| Some((block, settings.block(block.name)?))) {
        // Next to rules of `admission_inject_v2`, which is an error, the Operator prefers these.
        Some((block, object)) => {
            let inject = Path::Key(&Path::Root, "admission_inject");
            let path = Path::Key(&inject, block.name);
            let section = Section::new(path, object, Case::Sensitive);
            blocks::visit(injection, &section, settings.release, visit)
        }
        None => lists::visit(settings, injection, visit),
    };
}
