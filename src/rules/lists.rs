//! The candidates of a list of rules: of `admission_inject_v2`, or `admission_mutate.loggings`.

use std::ops::ControlFlow;

use crate::injection::{Injection, Variant};
use crate::json::Value;
use crate::reader::{Case, Errors, Path, Section, expected, unknown};
use crate::release::Release;
use crate::rules::candidate::{Candidate, Form};
use crate::rules::selectors::{SelectorLists, Selectors};
use crate::settings::Settings;

/// Visits the candidates of an injection's list; `errors` gets what keeps rules from being read.
pub(super) fn visit<'a>(
    settings: &Settings<'_, 'a>,
    injection: &'static Injection,
    errors: &mut Errors,
    visit: &mut dyn FnMut(Candidate<'_, 'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let home = Path::Key(&Path::Root, injection.list.home);
    let list = Path::Key(&home, injection.list.key);
    let rules = settings.list_of(injection);
    let Some(rules) = rules.and_then(Value::as_array) else {
        if let Some(value) = rules.filter(|value| !value.is_null()) {
            expected(&list, "an array", value, errors);
        }
        return ControlFlow::Continue(());
    };
    // Up to release 1.6.1 the rules of `admission_mutate` are tried by label first, then by namespace.
    let passes: &[SelectorLists] = match (injection.sets_annotation, settings.release) {
        (None, _) => &[SelectorLists::EachGiven],
        (Some(_), Release::Since1_7) => &[SelectorLists::Both],
        (Some(_), _) => &[SelectorLists::ExactLabels, SelectorLists::ExactNamespaces],
    };
    for lists in passes {
        for (index, value) in rules.iter().enumerate() {
            let path = Path::Index(&list, index);
            let Some(section) = Section::of_value(path, value, Case::Sensitive, errors) else {
                continue;
            };
            visit(read(injection, &section, *lists))?;
        }
    }
    ControlFlow::Continue(())
}

/// Reads an element of a list as a candidate.
fn read<'b, 'a>(
    injection: &'static Injection,
    section: &'b Section<'b, 'a>,
    lists: SelectorLists,
) -> Candidate<'b, 'a> {
    let mut errors = Errors::default();
    let selectors = Selectors::read(section, lists, &mut errors);
    let requires_annotation = section.boolean("check_annotation", &mut errors);
    let variant = language(injection, section, &mut errors);
    // Some injections have no annotation to require.
    let has_annotation = injection.variants.iter().any(|variant| !variant.annotations.is_empty());
    let requires_annotation = requires_annotation && has_annotation;
    Candidate {
        injection,
        path: section.path,
        selectors,
        variant,
        requires_annotation,
        reads_annotation: requires_annotation || injection.list.reads_annotation_always,
        section,
        form: Form::List,
        errors,
    }
}

/// Reads what a rule injects: by its language, if the injection has languages.
pub(super) fn language(
    injection: &'static Injection,
    section: &Section,
    errors: &mut Errors,
) -> Option<&'static Variant> {
    let names = injection.languages();
    if names.is_empty() {
        let _unused = section.string("language", errors);
        return injection.variants.first();
    }
    let text = section.string("language", errors);
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        if section.get("language").is_none_or(|it| *it == Value::Text("\"\"")) {
            section.missing("language", format_args!("is required: {}", names.join(", ")), errors);
        }
        return None;
    };
    let found = injection.variant(&text);
    if found.is_none() {
        unknown(section, "language", "language", &text, &names, errors);
    }
    found
}
