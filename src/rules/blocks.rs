//! The candidates of a block of `admission_inject`.

use std::ops::ControlFlow;

use crate::injection::{Injection, Variant};
use crate::reader::{Case, Errors, Path, Section};
use crate::release::Release;
use crate::rules::candidate::{Candidate, Form};
use crate::rules::lists::language;
use crate::rules::selectors::{List, Mode, Selectors, label_selector, namespace_pattern};
use crate::selector::{LabelSelector, NamespacePattern, Syntax};

/// An entry of `enabled_labelselectors` or `enabled_namespaces`.
struct SelectorEntry<'b, 'a> {
    path: Path<'b>,
    selector: EntrySelector<'a>,
    variant: Option<&'static Variant>,
    errors: Errors,
}

/// What an entry selects by; the inner `None` marks an invalid selector.
enum EntrySelector<'a> {
    Namespace(Option<NamespacePattern<'a>>),
    Label(Option<LabelSelector>),
    /// An empty selector, which releases since 1.7 drop.
    Dropped,
}

/// Visits the candidates of a block.
///
/// Up to release 1.6.1, annotations ask first, then each entry selects by itself. Since 1.7,
/// annotations ask, and the entries together limit where. `errors` gets what keeps entries from being
/// read.
pub(super) fn visit<'a>(
    injection: &'static Injection,
    section: &Section<'_, 'a>,
    release: Release,
    errors: &mut Errors,
    visit: &mut dyn FnMut(Candidate<'_, 'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if release == Release::Since1_7 {
        return visit_since_1_7(injection, section, visit);
    }
    for variant in injection.variants.iter().filter(|variant| variant.asks_in_block) {
        visit(asked_by_annotation(injection, section, release, variant))?;
    }
    let selects = release != Release::UpTo1_5
        || injection.block.as_ref().is_some_and(|block| block.selects_up_to_1_5);
    let mut of_entries = Errors::default();
    let end = each_entry(injection, section, release, errors, &mut |entry| {
        if !selects {
            of_entries.extend(entry.errors);
            return ControlFlow::Continue(());
        }
        let mut selectors = Selectors::default();
        match entry.selector {
            EntrySelector::Namespace(pattern) => selectors.namespaces.push(&entry.path, pattern),
            EntrySelector::Label(selector) => selectors.labels.push(&entry.path, selector),
            EntrySelector::Dropped => return ControlFlow::Continue(()),
        }
        visit(Candidate {
            injection,
            path: entry.path,
            selectors,
            variant: entry.variant,
            requires_annotation: false,
            reads_annotation: false,
            section,
            form: Form::Block(release),
            errors: entry.errors,
        })
    });
    errors.extend(of_entries);
    end
}

fn visit_since_1_7<'a>(
    injection: &'static Injection,
    section: &Section<'_, 'a>,
    visit: &mut dyn FnMut(Candidate<'_, 'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let language = injection.block.as_ref().and_then(|block| block.language_since_1_7);
    let is_read = |variant: &&Variant| language.is_none() || variant.language == language;
    for variant in injection.variants.iter().filter(is_read) {
        let mut candidate = asked_by_annotation(injection, section, Release::Since1_7, variant);
        let (mut namespaces, mut labels) = (List::default(), List::default());
        let mut errors = Errors::default();
        let _end = each_entry(injection, section, Release::Since1_7, &mut errors, &mut |entry| {
            match entry.selector {
                EntrySelector::Namespace(pattern) => namespaces.push(&entry.path, pattern),
                EntrySelector::Label(selector) => labels.push(&entry.path, selector),
                EntrySelector::Dropped => {}
            }
            candidate.errors.extend(entry.errors);
            ControlFlow::Continue(())
        });
        candidate.errors.extend(errors);
        candidate.selectors = Selectors { namespaces, labels, mode: Mode::All };
        visit(candidate)?;
    }
    ControlFlow::Continue(())
}

/// The candidate for a variant's annotation, in any namespace and with any labels.
fn asked_by_annotation<'b, 'a>(
    injection: &'static Injection,
    section: &'b Section<'b, 'a>,
    release: Release,
    variant: &'static Variant,
) -> Candidate<'b, 'a> {
    Candidate {
        injection,
        path: section.path,
        selectors: Selectors { mode: Mode::All, ..Selectors::default() },
        variant: Some(variant),
        requires_annotation: true,
        reads_annotation: true,
        section,
        form: Form::Block(release),
        errors: Errors::default(),
    }
}

/// Visits `enabled_labelselectors`, then `enabled_namespaces`.
fn each_entry<'a>(
    injection: &'static Injection,
    section: &Section<'_, 'a>,
    release: Release,
    errors: &mut Errors,
    visit: &mut dyn FnMut(SelectorEntry<'_, 'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let lists = [("enabled_labelselectors", "labelselector"), ("enabled_namespaces", "namespace")];
    for (list_key, key) in lists {
        let list = Path::Key(&section.path, list_key);
        for (index, value) in section.list(list_key, errors).iter().enumerate() {
            let path = Path::Index(&list, index);
            let Some(entry) = Section::of_value(path, value, Case::Insensitive, errors) else {
                continue;
            };
            visit(read_entry(injection, &entry, key, release))?;
        }
    }
    ControlFlow::Continue(())
}

/// Reads an entry whose selector is at `key`.
fn read_entry<'b, 'a>(
    injection: &'static Injection,
    entry: &Section<'b, 'a>,
    key: &str,
    release: Release,
) -> SelectorEntry<'b, 'a> {
    let mut errors = Errors::default();
    entry.check_keys(&[key, "language"], &mut errors);
    let text = entry.string(key, &mut errors);
    if entry.get(key).is_none() {
        entry.error(key, "is required", &mut errors);
    }
    let path = Path::Key(&entry.path, key);
    let selector = match (key, release) {
        (_, Release::Since1_7) if text.as_deref().is_some_and(str::is_empty) => {
            EntrySelector::Dropped
        }
        ("namespace", Release::UpTo1_5) => {
            EntrySelector::Namespace(text.map(NamespacePattern::exactly))
        }
        ("namespace", _) => {
            let pattern = text.and_then(|text| namespace_pattern(&path, text, &mut errors));
            EntrySelector::Namespace(pattern)
        }
        _ => {
            let syntax = match release {
                Release::Since1_7 => Syntax::WithGlobs,
                _ => Syntax::Kubernetes,
            };
            let selector = text.and_then(|text| label_selector(&path, &text, syntax, &mut errors));
            EntrySelector::Label(selector)
        }
    };
    let variant = match release {
        // Since release 1.7 the language of an entry has no effect, and may be missing.
        Release::Since1_7 => {
            let mut of_language = Errors::default();
            let _unused = language(injection, entry, &mut of_language);
            errors.extend(of_language.without_missing());
            injection.variants.first()
        }
        _ => language(injection, entry, &mut errors),
    };
    SelectorEntry { path: entry.path, selector, variant, errors }
}
