//! Visits the rules of an injection as candidates, in the order in which they are tried.
//!
//! What a configuration of the Operator means depends on the release that it was written for. That
//! is decided in [`blocks`](super::blocks) and [`lists`](super::lists); what selects works on a
//! [`Candidate`], which is the same for all releases.

use std::ops::ControlFlow;

use crate::injection::Injection;
use crate::reader::{Case, Errors, Path, Section};
use crate::rules::candidate::Candidate;
use crate::rules::{blocks, lists};
use crate::settings::Settings;

/// Gets every candidate in turn, and may end the search.
pub type Visit<'v, 'a> = &'v mut dyn FnMut(Candidate<'_, 'a>) -> ControlFlow<()>;

/// Visits the candidate rules of an injection.
pub fn visit<'a>(settings: &Settings<'_, 'a>, injection: &'static Injection, visit: Visit<'_, 'a>) {
    let errors = &mut Errors::default();
    // Next to rules of `admission_inject_v2`, which is an error, the Operator prefers the block.
    if settings.block_of(injection).is_some() {
        visit_block(settings, injection, errors, visit);
    } else {
        let _end = lists::visit(settings, injection, errors, visit);
    }
}

/// Visits what [`visit`] could visit, wherever it is written, to check it.
pub(crate) fn visit_all<'a>(
    settings: &Settings<'_, 'a>,
    injection: &'static Injection,
    errors: &mut Errors,
    visit: Visit<'_, 'a>,
) {
    visit_block(settings, injection, errors, visit);
    let _end = lists::visit(settings, injection, errors, visit);
}

fn visit_block<'a>(
    settings: &Settings<'_, 'a>,
    injection: &'static Injection,
    errors: &mut Errors,
    visit: Visit<'_, 'a>,
) {
    if let Some((name, object)) = settings.block_of(injection) {
        let inject = Path::Key(&Path::Root, "admission_inject");
        let section = Section::new(Path::Key(&inject, name), object, Case::Sensitive);
        let _end = blocks::visit(injection, &section, settings.release, errors, visit);
    }
}
