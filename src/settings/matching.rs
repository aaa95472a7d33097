//! Whom a rule is for: its selectors, in either generation.

use std::borrow::Cow;

use super::Looks;
use super::reader::{Block, Case, Faults, Path};
use super::rules::{self, DdtraceRule, Language, Rule};
use crate::selector::{LabelSelector, NamespacePattern, Syntax, Target};
use crate::verdict::Verdict;

/// The selectors of a rule.
#[derive(Debug)]
pub(super) struct Matching<'a> {
    namespaces: Selectors<NamespacePattern<'a>>,
    labels: Selectors<LabelSelector>,
}

/// One of the lists of selectors.
#[derive(Debug)]
struct Selectors<T> {
    /// Whether nothing is written there.
    is_empty: bool,
    /// Those without a fault.
    valid: Vec<T>,
}

impl<T> Selectors<T> {
    fn read<'a>(
        block: &Block<'_, 'a>,
        key: &str,
        faults: &mut Faults,
        read: impl FnMut(&Path, Cow<'a, str>, &mut Faults) -> Option<T>,
    ) -> Self {
        let elements = block.list(key, faults);
        let valid = block.strings_of(key, &elements, faults, read);
        Self { is_empty: elements.is_empty(), valid }
    }

    /// A list of one, or of none where that has a fault.
    fn one(valid: Option<T>) -> Self {
        Self { is_empty: false, valid: valid.into_iter().collect() }
    }

    fn none() -> Self {
        Self { is_empty: true, valid: Vec::new() }
    }

    /// Whether any entry matches; nothing where there is none to say.
    fn any(&self, matches: impl Fn(&T) -> bool) -> Option<bool> {
        (!self.valid.is_empty()).then(|| self.valid.iter().any(matches))
    }
}

impl<'a> Matching<'a> {
    pub(super) fn of_v2(block: &Block<'_, 'a>, faults: &mut Faults) -> Self {
        let namespaces =
            Selectors::read(block, "namespace_selectors", faults, |path, text, faults| {
                NamespacePattern::parse(text).map_err(|error| faults.add(path, error)).ok()
            });
        let labels = Selectors::read(block, "label_selectors", faults, |path, text, faults| {
            if text.trim().is_empty() {
                faults.add(path, "is empty; leave the list empty to select by namespace alone");
                return None;
            }
            label_selector(path, &text, Syntax::WithGlobs, faults)
        });
        Self { namespaces, labels }
    }

    pub(super) fn of_logging(block: &Block<'_, 'a>, faults: &mut Faults) -> Self {
        let namespaces = Selectors::read(block, "namespace_selectors", faults, |_, text, _| {
            Some(NamespacePattern::exactly(text))
        });
        let labels = Selectors::read(block, "label_selectors", faults, |path, text, faults| {
            label_selector(path, &text, Syntax::Kubernetes, faults)
        });
        Self { namespaces, labels }
    }

    /// Whether both lists are empty.
    pub(super) fn is_off(&self) -> bool {
        self.namespaces.is_empty && self.labels.is_empty
    }

    /// Where both lists say something, both have to agree; else the one that does decides.
    pub(super) fn verdict(&self, target: &Target) -> Verdict {
        match self.by_namespace(target) {
            Some(false) => Verdict::OtherNamespace,
            by_namespace => match self.by_label(target) {
                Some(false) => Verdict::OtherLabels,
                None if by_namespace.is_none() => Verdict::SelectsNothing,
                _ => Verdict::Selects,
            },
        }
    }

    pub(super) fn by_namespace(&self, target: &Target) -> Option<bool> {
        self.namespaces.any(|pattern| pattern.matches(&target.namespace))
    }

    pub(super) fn by_label(&self, target: &Target) -> Option<bool> {
        self.labels.any(|selector| selector.matches(target.labels))
    }
}

fn label_selector(
    path: &Path,
    text: &str,
    syntax: Syntax,
    faults: &mut Faults,
) -> Option<LabelSelector> {
    LabelSelector::parse(text, syntax).map_err(|error| faults.add(path, error)).ok()
}

/// Goes through `enabled_labelselectors`, then `enabled_namespaces`, until `visit` gives something.
pub(super) fn v1_entries<'a, T>(
    block: &Block<'_, 'a>,
    faults: &mut Faults,
    mut visit: impl FnMut(&Path, Matching<'a>, Option<Language>, Faults) -> Option<T>,
) -> Option<T> {
    for (list_key, key) in
        [("enabled_labelselectors", "labelselector"), ("enabled_namespaces", "namespace")]
    {
        let list = Path::Key(&block.path, list_key);
        for (index, value) in block.list(list_key, faults).iter().enumerate() {
            let path = Path::Index(&list, index);
            let Some(entry) = Block::of_value(path, value, Case::Insensitive, faults) else {
                continue;
            };
            let mut of_entry = Faults::default();
            entry.check_keys(&[key, "language"], &mut of_entry);
            let text = entry.string(key, &mut of_entry);
            if entry.get(key).is_none() {
                entry.fault(key, "is needed", &mut of_entry);
            }
            let matching = if key == "namespace" {
                let pattern = text.map(NamespacePattern::exactly);
                Matching { namespaces: Selectors::one(pattern), labels: Selectors::none() }
            } else {
                let path = Path::Key(&entry.path, key);
                let parse = |text: Cow<str>, faults: &mut Faults| {
                    label_selector(&path, &text, Syntax::Kubernetes, faults)
                };
                let selector = text.and_then(|text| parse(text, &mut of_entry));
                Matching { namespaces: Selectors::none(), labels: Selectors::one(selector) }
            };
            let language = rules::language(&entry, DdtraceRule::KIND.languages, &mut of_entry);
            let visited = visit(&entry.path, matching, language, of_entry);
            if visited.is_some() {
                return visited;
            }
        }
    }
    None
}

/// The language that `admission_inject.ddtrace` has for a pod by its labels, else its namespace.
pub(super) fn v1_language(block: &Block, target: &Target, looks: &mut Looks) -> Option<Language> {
    v1_entries(block, &mut Faults::default(), |path, matching, language, faults| {
        let verdict = matching.verdict(target);
        match faults.first() {
            Some(fault) if verdict == Verdict::Selects => looks.left_out(path, fault),
            _ => looks.found(path, verdict.clone()),
        }
        language.filter(|_| verdict == Verdict::Selects && faults.first().is_none())
    })
}
