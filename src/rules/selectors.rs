//! Which pods a rule selects: its namespace and label selectors.

use std::borrow::Cow;

use crate::reader::{Errors, Path, Section};
use crate::reason::Reason;
use crate::selector::{LabelSelector, NamespacePattern, Syntax, Target};

/// The selectors of a rule.
#[derive(Debug, Default)]
pub struct Selectors<'a> {
    /// The namespaces that it selects.
    pub namespaces: List<NamespacePattern<'a>>,
    /// The labels that it selects.
    pub labels: List<LabelSelector>,
    /// How the two decide together.
    pub mode: Mode,
}

/// How the two lists decide together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every pod matches where both lists are empty; else as `Given`.
    All,
    /// Each list that is not empty has to match; both empty match nothing.
    #[default]
    Given,
    /// Both lists have to match; an empty one matches nothing.
    Both,
}

/// Which lists of a rule are read, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectorLists {
    /// Both, as `admission_inject_v2` has them: regular expressions and globs.
    EachGiven,
    /// The same, but both have to match.
    Both,
    /// The labels alone, in Kubernetes' syntax, as `admission_mutate` has them up to release 1.6.1.
    ExactLabels,
    /// The namespaces alone, as names, as it has them there.
    ExactNamespaces,
}

/// One of the lists.
#[derive(Debug)]
pub struct List<T> {
    /// Whether the settings list nothing.
    pub is_empty: bool,
    /// The entries without an error.
    pub valid: Vec<T>,
    /// The path of the first entry with an error.
    invalid: Option<String>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { is_empty: true, valid: Vec::new(), invalid: None }
    }
}

impl<T> List<T> {
    /// Adds an entry; `None` if it is invalid.
    pub fn push(&mut self, path: &Path, entry: Option<T>) {
        self.is_empty = false;
        match entry {
            Some(entry) => self.valid.push(entry),
            None if self.invalid.is_none() => self.invalid = Some(path.to_string()),
            None => {}
        }
    }

    fn read<'a>(
        section: &Section<'_, 'a>,
        key: &str,
        errors: &mut Errors,
        mut read: impl FnMut(&Path, Cow<'a, str>, &mut Errors) -> Option<T>,
    ) -> Self {
        let list = Path::Key(&section.path, key);
        let elements = section.list(key, errors);
        let mut read_list = Self::default();
        // What is not a list is not an empty one.
        if section.get(key).is_some_and(|value| value.type_name() != "an array") {
            read_list.push(&list, None);
        }
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
    /// Reads the selectors of a rule in a list.
    pub fn read(section: &Section<'_, 'a>, lists: SelectorLists, errors: &mut Errors) -> Self {
        let mode = if lists == SelectorLists::Both { Mode::Both } else { Mode::Given };
        let is_exact = !matches!(lists, SelectorLists::EachGiven | SelectorLists::Both);
        let mut selectors = Self { mode, ..Self::default() };
        if lists != SelectorLists::ExactLabels {
            selectors.namespaces =
                List::read(section, "namespace_selectors", errors, |path, text, errors| {
                    match is_exact {
                        true => Some(NamespacePattern::exactly(text)),
                        false => namespace_pattern(path, text, errors),
                    }
                });
        }
        if lists != SelectorLists::ExactNamespaces {
            selectors.labels =
                List::read(section, "label_selectors", errors, |path, text, errors| {
                    if is_exact {
                        return label_selector(path, &text, Syntax::Kubernetes, errors);
                    }
                    if text.trim().is_empty() {
                        let message = "is empty; leave the list empty to select by namespace alone";
                        errors.add(path, message);
                        return None;
                    }
                    label_selector(path, &text, Syntax::WithGlobs, errors)
                });
        }
        selectors
    }

    /// Whether the rule is switched off.
    pub fn is_off(&self) -> bool {
        match self.mode {
            Mode::All => false,
            Mode::Given => self.namespaces.is_empty && self.labels.is_empty,
            Mode::Both => self.namespaces.is_empty || self.labels.is_empty,
        }
    }

    /// Whether they select a pod, or why not.
    pub fn verdict(&self, target: &Target) -> Reason {
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

/// Reads a namespace pattern; an error is added at its path.
pub fn namespace_pattern<'a>(
    path: &Path,
    text: Cow<'a, str>,
    errors: &mut Errors,
) -> Option<NamespacePattern<'a>> {
    NamespacePattern::parse(text).map_err(|error| errors.add(path, error)).ok()
}

/// Reads a label selector; an error is added at its path.
pub fn label_selector(
    path: &Path,
    text: &str,
    syntax: Syntax,
    errors: &mut Errors,
) -> Option<LabelSelector> {
    LabelSelector::parse(text, syntax).map_err(|error| errors.add(path, error)).ok()
}
