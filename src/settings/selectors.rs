//! Which pods a rule selects: its namespace and label selectors.

use std::borrow::Cow;

use crate::reader::{Block, Errors, Path};
use crate::reason::Reason;
use crate::selector::{LabelSelector, NamespacePattern, Syntax, Target};

/// The selectors of a rule.
#[derive(Debug, Default)]
pub(crate) struct Selectors<'a> {
    pub(crate) namespaces: List<NamespacePattern<'a>>,
    pub(crate) labels: List<LabelSelector>,
    pub(crate) mode: Mode,
}

/// How the two lists decide together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Every pod matches where both lists are empty; else as `Given`.
    All,
    /// Each list that is not empty has to match; both empty match nothing.
    #[default]
    Given,
    /// Both lists have to match; an empty one matches nothing.
    Both,
}

/// One of the lists.
#[derive(Debug)]
pub(crate) struct List<T> {
    /// Whether the settings list nothing.
    pub(crate) is_empty: bool,
    /// The entries without an error.
    pub(crate) valid: Vec<T>,
    /// The path of the first entry with an error.
    invalid: Option<String>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { is_empty: true, valid: Vec::new(), invalid: None }
    }
}

impl<T> List<T> {
    pub(super) fn push(&mut self, path: &Path, entry: Option<T>) {
        self.is_empty = false;
        match entry {
            Some(entry) => self.valid.push(entry),
            None if self.invalid.is_none() => self.invalid = Some(path.to_string()),
            None => {}
        }
    }

    fn read<'a>(
        block: &Block<'_, 'a>,
        key: &str,
        errors: &mut Errors,
        mut read: impl FnMut(&Path, Cow<'a, str>, &mut Errors) -> Option<T>,
    ) -> Self {
        let list = Path::Key(&block.path, key);
        let elements = block.list(key, errors);
        let mut read_list = Self::default();
        for (index, element) in elements.iter().enumerate() {
            let path = Path::Index(&list, index);
            let entry = crate::reader::string(&path, element, errors);
            let entry = entry.and_then(|text| read(&path, text, errors));
            read_list.push(&path, entry);
        }
        read_list
    }

    /// Whether any entry matches.
    fn matches(&self, matches: impl Fn(&T) -> bool) -> Match {
        if self.is_empty {
            Match::Empty
        } else if self.valid.iter().any(matches) {
            Match::Yes
        } else if self.valid.is_empty() {
            Match::Unknown
        } else {
            Match::No
        }
    }
}

/// What one list says of a pod.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    /// Nothing is listed.
    Empty,
    /// All that is listed has errors.
    Unknown,
}

impl<'a> Selectors<'a> {
    /// Selectors as `admission_inject_v2` has them: regular expressions and globs.
    pub(crate) fn read(block: &Block<'_, 'a>, mode: Mode, errors: &mut Errors) -> Self {
        Self {
            namespaces: List::read(block, "namespace_selectors", errors, |path, text, errors| {
                namespace_pattern(path, text, errors)
            }),
            labels: List::read(block, "label_selectors", errors, |path, text, errors| {
                if text.trim().is_empty() {
                    let message = "is empty; leave the list empty to select by namespace alone";
                    errors.add(path, message);
                    return None;
                }
                label_selector(path, &text, Syntax::WithGlobs, errors)
            }),
            mode,
        }
    }

    /// Selectors as release 1.5 has them in `admission_mutate`: names and Kubernetes' syntax.
    pub(crate) fn read_exact(block: &Block<'_, 'a>, errors: &mut Errors) -> Self {
        Self {
            namespaces: List::read(block, "namespace_selectors", errors, |_, text, _| {
                Some(NamespacePattern::exactly(text))
            }),
            labels: List::read(block, "label_selectors", errors, |path, text, errors| {
                label_selector(path, &text, Syntax::Kubernetes, errors)
            }),
            mode: Mode::Given,
        }
    }

    /// Whether the rule is switched off.
    pub(crate) fn is_off(&self) -> bool {
        match self.mode {
            Mode::All => false,
            Mode::Given => self.namespaces.is_empty && self.labels.is_empty,
            Mode::Both => self.namespaces.is_empty || self.labels.is_empty,
        }
    }

    /// Whether they select a pod, or why not.
    pub(crate) fn verdict(&self, target: &Target) -> Reason {
        if self.is_off() {
            return Reason::SelectsNothing;
        }
        let namespaces = self.namespaces.matches(|pattern| pattern.matches(&target.namespace));
        if namespaces == Match::No {
            return Reason::OtherNamespace(target.namespace.clone().into_owned());
        }
        let labels = self.labels.matches(|selector| selector.matches(target.labels));
        match (namespaces, labels) {
            (_, Match::No) => Reason::OtherLabels,
            // One list with nothing but errors does not select alone.
            (Match::Unknown, Match::Empty | Match::Unknown) => {
                Reason::Faulty(self.namespaces.invalid.clone().unwrap_or_default())
            }
            (Match::Empty, Match::Unknown) => {
                Reason::Faulty(self.labels.invalid.clone().unwrap_or_default())
            }
            _ => Reason::Selects,
        }
    }
}

pub(super) fn namespace_pattern<'a>(
    path: &Path,
    text: Cow<'a, str>,
    errors: &mut Errors,
) -> Option<NamespacePattern<'a>> {
    NamespacePattern::parse(text).map_err(|error| errors.add(path, error)).ok()
}

pub(super) fn label_selector(
    path: &Path,
    text: &str,
    syntax: Syntax,
    errors: &mut Errors,
) -> Option<LabelSelector> {
    LabelSelector::parse(text, syntax).map_err(|error| errors.add(path, error)).ok()
}
