//! Rules of `admission_mutate.loggings`.

use serde_norway::{Mapping, Value};

use datakit_injection::release::Release;

/// Label selectors one of which matches whatever the labels are; the label may be any.
const ANY_LABELS: [&str; 2] = ["app", "!app"];

/// `admission_mutate` as releases since 1.7 read it.
///
/// Up to release 1.6.1 a rule is taken whose labels **or** whose namespaces match, and all rules are
/// tried by label first. Since 1.7 a rule is taken whose labels **and** namespaces match, so each list
/// becomes a rule of its own, with another list that always matches.
pub(super) fn converted(mut mutate: Value, release: Release) -> Value {
    if release == Release::Since1_7 {
        return mutate;
    }
    if let Some(rules) = mutate.get_mut("loggings").and_then(Value::as_sequence_mut) {
        let maps = || rules.iter().filter_map(Value::as_mapping);
        let converted = maps().filter_map(by_labels).chain(maps().filter_map(by_namespaces));
        *rules = converted.map(Value::Mapping).collect();
    }
    mutate
}

fn by_labels(rule: &Mapping) -> Option<Mapping> {
    let labels = strings(rule, "label_selectors").flat_map(|selector| match selector.trim() {
        // Every label, which releases since 1.7 refuse to say so.
        "" => ANY_LABELS.to_vec(),
        _ => vec![selector],
    });
    let labels: Vec<_> = labels.collect();
    (!labels.is_empty()).then(|| with_lists(rule, vec!["*"], labels))
}

fn by_namespaces(rule: &Mapping) -> Option<Mapping> {
    let patterns: Vec<_> = strings(rule, "namespace_selectors").map(exactly).collect();
    (!patterns.is_empty()).then(|| with_lists(rule, patterns, ANY_LABELS.to_vec()))
}

/// The regular expression that matches one namespace.
pub(super) fn exactly(namespace: &str) -> String {
    let mut pattern = "^".to_owned();
    for char in namespace.chars() {
        if r".+*?()|[]{}^$\".contains(char) {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern + "$"
}

fn strings<'r>(rule: &'r Mapping, key: &str) -> impl Iterator<Item = &'r str> {
    let list = rule.get(key).and_then(Value::as_sequence).into_iter().flatten();
    list.filter_map(Value::as_str)
}

fn with_lists<T: Into<Value>>(rule: &Mapping, namespaces: Vec<T>, labels: Vec<&str>) -> Mapping {
    let mut converted = Mapping::new();
    converted.insert("namespace_selectors".into(), namespaces.into());
    converted.insert("label_selectors".into(), labels.into());
    for (key, value) in rule {
        converted.entry(key.clone()).or_insert_with(|| value.clone());
    }
    converted
}
