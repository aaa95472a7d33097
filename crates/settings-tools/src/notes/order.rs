//! Rules that an earlier rule of the list keeps from what they are for.

use std::collections::{BTreeMap, BTreeSet};

use datakit_injection::json::Value;
use datakit_injection::reader::Errors;
use datakit_injection::rules::candidate::{Candidate, Form};
use datakit_injection::rules::selectors::{List, Selectors};
use datakit_injection::selector::{Glob, LabelSelector, NamespacePattern, Operator, Requirement};

use super::namespaces::name;

/// The number of earlier rules that each rule is compared with.
const MAX_COMPARED: usize = 500;

/// The rules of an injection that were looked at.
#[derive(Default)]
pub(super) struct Earlier<'a> {
    paths: BTreeSet<String>,
    /// The path of the first rule that takes every pod.
    takes_all: Option<String>,
    /// The path of the first rule with certain selectors, by their text.
    by_selectors: BTreeMap<String, String>,
    /// The rules that inject a language into whatever they select.
    of_languages: Vec<OfLanguage<'a>>,
}

/// A rule that injects a language into whatever it selects.
struct OfLanguage<'a> {
    path: String,
    language: &'static str,
    selectors: Selectors<'a>,
}

impl<'a> Earlier<'a> {
    /// Notes a rule that does not get the pods that it is for.
    pub(super) fn note(&mut self, candidate: Candidate<'_, 'a>, notes: &mut Errors) {
        let path = candidate.path.to_string();
        // A block's annotations are no rules of a list, and up to release 1.6.1 the rules of
        // `admission_mutate` are tried twice.
        let is_annotation = candidate.form != Form::List && candidate.requires_annotation;
        if candidate.selectors.is_off() || is_annotation || !self.paths.insert(path.clone()) {
            return;
        }
        let language = candidate.variant.and_then(|variant| variant.language);
        let first = language.and_then(|it| self.other_language(it, &candidate.selectors));
        if let Some((first, overlap)) = first {
            let (own, path, other) = (language.unwrap_or_default(), &first.path, first.language);
            let pods = if overlap == Overlap::Some { "some of its pods" } else { "its pods" };
            let advice = match overlap {
                Overlap::Same => "tell the two apart by labels",
                _ => "move this rule before it, or exclude these pods there",
            };
            let message = format!(
                "is for {own}, but {path} comes first and injects {other} into {pods}; {advice}"
            );
            notes.add(&candidate.path, message);
        } else if candidate.form == Form::List {
            self.note_shadowed(&candidate, &path, notes);
        }
        if let Some(language) = language
            && !candidate.requires_annotation
            && self.of_languages.len() < MAX_COMPARED
        {
            self.of_languages.push(OfLanguage { path, language, selectors: candidate.selectors });
        }
    }

    /// The first rule of another language that takes pods which these selectors are for.
    fn other_language(
        &self,
        language: &str,
        selectors: &Selectors,
    ) -> Option<(&OfLanguage<'a>, Overlap)> {
        let others = self.of_languages.iter().filter(|rule| rule.language != language);
        let overlaps = |rule| Some((rule, overlap(rule, language, selectors)?));
        let mut overlapping = others.filter_map(overlaps);
        let first = overlapping.next()?;
        // One that takes all of them tells more than one that takes some.
        Some(match first.1 {
            Overlap::Some => overlapping.find(|(_, it)| *it != Overlap::Some).unwrap_or(first),
            _ => first,
        })
    }

    /// Notes a rule that an earlier one keeps from ever being used.
    fn note_shadowed(&mut self, candidate: &Candidate, path: &str, notes: &mut Errors) {
        let selectors = &candidate.selectors;
        let list = |key| candidate.section.get(key).map(Value::to_json).unwrap_or_default();
        let text = format!("{} {}", list("namespace_selectors"), list("label_selectors"));
        if let Some(first) = self.by_selectors.get(&text).or(self.takes_all.as_ref()) {
            notes.add(&candidate.path, format_args!("is never used: {first} always comes first"));
            return;
        }
        // A rule that requires an annotation leaves pods to the next one.
        if candidate.requires_annotation && !candidate.injection.precedence.first_match_decides {
            return;
        }
        if selectors.labels.is_empty && selectors.namespaces.valid.iter().any(is_all) {
            self.takes_all = Some(path.to_owned());
        } else {
            self.by_selectors.insert(text, path.to_owned());
        }
    }
}

/// How much of what a rule is for an earlier one takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overlap {
    /// All of it, and the reverse.
    Same,
    All,
    Some,
}

fn overlap(first: &OfLanguage, language: &str, second: &Selectors) -> Option<Overlap> {
    let first = &first.selectors;
    let (namespaces, labels) = take(first, second);
    if namespaces && labels {
        let is_same = take(second, first) == (true, true);
        return Some(if is_same { Overlap::Same } else { Overlap::All });
    }
    // Where only a part is sure to be taken, the rule has to name the language that it is for.
    let by_labels = labels
        && second.labels.valid.iter().any(|selector| labels_name(selector, language))
        && meet(&first.namespaces, &second.namespaces);
    let by_namespaces = namespaces
        && second.labels.is_empty
        && second.namespaces.valid.iter().filter_map(name).any(|name| is_called(name, language));
    (by_labels || by_namespaces).then_some(Overlap::Some)
}

/// What people call a language in names.
fn is_called(name: &str, language: &str) -> bool {
    let name = name.to_ascii_lowercase();
    match language {
        "nodejs" => name.contains("node") || name == "js",
        "golang" => name.contains("golang") || name == "go",
        "java" => name.contains("java") && !name.contains("javascript"),
        language => name.contains(language),
    }
}

fn labels_name(selector: &LabelSelector, language: &str) -> bool {
    selector.requirements.iter().any(|requirement| match &requirement.operator {
        Operator::In(values) => values.iter().any(|value| is_called(value, language)),
        Operator::Exists => is_called(&requirement.key, language),
        _ => false,
    })
}

/// Whether the namespaces, and whether the labels of selectors match all that those of others match.
fn take(wide: &Selectors, narrow: &Selectors) -> (bool, bool) {
    let takes_any = |selector: &LabelSelector| selector.requirements.is_empty();
    (
        list_takes(&wide.namespaces, &narrow.namespaces, is_all, takes_namespace),
        list_takes(&wide.labels, &narrow.labels, takes_any, takes_labels),
    )
}

fn list_takes<T>(
    wide: &List<T>,
    narrow: &List<T>,
    takes_any: impl Fn(&T) -> bool,
    takes: impl Fn(&T, &T) -> bool,
) -> bool {
    let is_taken = |narrow| wide.valid.iter().any(|wide| takes(wide, narrow));
    wide.is_empty
        || wide.valid.iter().any(takes_any)
        || !narrow.valid.is_empty() && narrow.valid.iter().all(is_taken)
}

/// Whether some namespace is certain to be in both lists.
fn meet(one: &List<NamespacePattern>, other: &List<NamespacePattern>) -> bool {
    let meets = |(one, other)| takes_namespace(one, other) || takes_namespace(other, one);
    let mut pairs = one.valid.iter().flat_map(|one| other.valid.iter().map(move |it| (one, it)));
    one.is_empty || other.is_empty || pairs.any(meets)
}

fn is_all(pattern: &NamespacePattern) -> bool {
    match pattern {
        NamespacePattern::All => true,
        NamespacePattern::Regex(it) => matches!(&*it.source, ".*" | "^.*" | "^.*$" | ".+" | ".*$"),
        _ => false,
    }
}

fn takes_namespace(wide: &NamespacePattern, narrow: &NamespacePattern) -> bool {
    use NamespacePattern::{Contains, EndsWith, Is, Regex, StartsWith};
    match (wide, narrow) {
        (wide, _) if is_all(wide) => true,
        (Contains(part), Is(name) | StartsWith(name) | EndsWith(name) | Contains(name)) => {
            name.contains(&**part)
        }
        (StartsWith(start), Is(name) | StartsWith(name)) => name.starts_with(&**start),
        (EndsWith(end), Is(name) | EndsWith(name)) => name.ends_with(&**end),
        (wide, Is(name)) => wide.matches(name),
        (Regex(wide), Regex(narrow)) => wide.source == narrow.source,
        _ => false,
    }
}

fn takes_labels(wide: &LabelSelector, narrow: &LabelSelector) -> bool {
    let is_met = |wide| narrow.requirements.iter().any(|narrow| implies(narrow, wide));
    wide.requirements.iter().all(is_met)
}

/// Whether labels that meet one requirement always meet another.
fn implies(narrow: &Requirement, wide: &Requirement) -> bool {
    use Operator::{DoesNotExist, DoesNotMatch, Exists, In, Matches, NotIn};
    if narrow.key != wide.key {
        return false;
    }
    match (&narrow.operator, &wide.operator) {
        (In(values), In(wide)) => values.iter().all(|value| wide.contains(value)),
        (In(values), NotIn(wide)) => !values.iter().any(|value| wide.contains(value)),
        (In(values), Matches(glob)) => values.iter().all(|value| glob.matches(value)),
        (In(values), DoesNotMatch(glob)) => !values.iter().any(|value| glob.matches(value)),
        (NotIn(values), NotIn(wide)) => wide.iter().all(|value| values.contains(value)),
        (Matches(glob), Matches(wide)) => text(glob) == text(wide),
        (NotIn(_) | DoesNotMatch(_) | DoesNotExist, Exists) => false,
        (_, Exists) => true,
        (DoesNotExist, DoesNotExist | NotIn(_) | DoesNotMatch(_)) => true,
        _ => false,
    }
}

fn text(glob: &Glob) -> (u8, &str) {
    match glob {
        Glob::StartsWith(start) => (0, start),
        Glob::EndsWith(end) => (1, end),
        Glob::Expression(expression) => (2, &expression.source),
    }
}
