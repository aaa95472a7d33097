//! Rules of `admission_mutate.loggings`.

use std::borrow::Cow;

use datakit_injection::json::{Object, Value};
use datakit_injection::release::Release;

use crate::document::{elements, members, raw};

/// Label selectors one of which matches whatever the labels are; the label may be any.
const ANY_LABELS: [&str; 2] = ["app", "!app"];

/// `admission_mutate` as releases since 1.7 read it.
///
/// Up to release 1.6.1 a rule is taken whose labels **or** whose namespaces match, and all rules are
/// tried by label first. Since 1.7 a rule is taken whose labels **and** namespaces match, so each list
/// becomes a rule of its own, with another list that always matches.
pub(super) fn converted<'a>(mutate: &Value<'a>, release: Release) -> Value<'a> {
    let Some(mut object) = Object::parse(raw(mutate)).filter(|_| release != Release::Since1_7)
    else {
        return mutate.clone();
    };
    if let Some(rules) = object.get("loggings").filter(|it| it.type_name() == "an array") {
        let rules: Vec<Object> = elements(raw(rules)).iter().map(|it| members(raw(it))).collect();
        let by_labels = rules.iter().filter_map(by_labels);
        let converted = by_labels.chain(rules.iter().filter_map(by_namespaces));
        object.set("loggings", Value::Array(converted.map(Value::Object).collect()));
    }
    Value::Object(object)
}

fn by_labels<'a>(rule: &Object<'a>) -> Option<Object<'a>> {
    let labels = strings(rule, "label_selectors").into_iter();
    let labels = labels.flat_map(|selector| match selector.trim() {
        // Every label, which releases since 1.7 refuse to say so.
        "" => ANY_LABELS.map(Cow::Borrowed).to_vec(),
        _ => vec![selector],
    });
    let labels: Vec<_> = labels.collect();
    (!labels.is_empty()).then(|| with_lists(rule, &["*".to_owned()], &labels))
}

fn by_namespaces<'a>(rule: &Object<'a>) -> Option<Object<'a>> {
    let namespaces = strings(rule, "namespace_selectors");
    let patterns: Vec<_> = namespaces.iter().map(|it| exactly(it)).collect();
    (!patterns.is_empty()).then(|| with_lists(rule, &patterns, &ANY_LABELS.map(Cow::Borrowed)))
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

fn strings<'r>(rule: &Object<'r>, key: &str) -> Vec<Cow<'r, str>> {
    let list = rule.get(key).map(|list| elements(raw(list))).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

fn with_lists<'a>(rule: &Object<'a>, namespaces: &[String], labels: &[Cow<str>]) -> Object<'a> {
    let mut converted = Object::default();
    converted.set("namespace_selectors", Value::new(&namespaces));
    converted.set("label_selectors", Value::new(&labels));
    for (key, value) in rule.iter() {
        if key.name().is_none_or(|name| converted.get(&name).is_none()) {
            converted.push(key.clone(), value.clone());
        }
    }
    converted
}
