//! `matchConditions` of a policy's manifest, which have to let through what its settings ask for.

use datakit_injection::reader::SettingsError;
use settings_tools::conditions::{Condition, Scope, compile};

use yaml_splice::Value;

/// The names of conditions that were written by hand before they were compiled.
const OLD: [&str; 2] = ["not-opted-out", "asks-for-something"];

/// The names that [`compile`] gives.
const NAMES: [&str; 3] = ["namespace-is-not-ignored", "is-not-opted-out", "asks-for-an-injection"];

/// The conditions of settings, before those of a manifest that somebody else wrote.
pub(super) fn renewed(
    present: Option<&Value>,
    settings: &str,
    scope: Scope,
    notes: &mut Vec<String>,
) -> Value {
    let compiled = compile(settings, scope);
    notes.extend(compiled.notes);
    let mut conditions: Vec<Value> = compiled.conditions.iter().map(data).collect();
    let others = present.and_then(Value::as_sequence).unwrap_or_default().iter();
    conditions.extend(others.filter(|condition| !is_ours(name(condition))).cloned());
    Value::Sequence(conditions)
}

fn data(condition: &Condition) -> Value {
    let member = |key: &str, value: &str| (key.to_owned(), Value::String(value.to_owned()));
    Value::Mapping(vec![
        member("name", condition.name),
        member("expression", &condition.expression),
    ])
}

fn name(condition: &Value) -> &str {
    condition.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn is_ours(name: &str) -> bool {
    NAMES.contains(&name) || OLD.contains(&name)
}

/// What a policy's manifest says that it is called for.
pub(super) fn scope(policy: &Value) -> Scope {
    let rules = policy.get("spec").and_then(|spec| spec.get("rules")).and_then(Value::as_sequence);
    let resources = rules.unwrap_or_default().iter().filter_map(|rule| rule.get("resources"));
    let resources = resources.flat_map(|list| list.as_sequence().unwrap_or_default());
    Scope::of_resources(resources.filter_map(Value::as_str))
}

/// What is wrong with the conditions of a manifest, and what is only not as it could be.
pub(crate) fn check(policy: &Value, settings: &str) -> (Vec<SettingsError>, Vec<SettingsError>) {
    let compiled = compile(settings, scope(policy)).conditions;
    let at = |path: String, message: &str| SettingsError { path, message: message.to_owned() };
    let list = policy.get("spec").and_then(|spec| spec.get("matchConditions"));
    let list = list.and_then(Value::as_sequence).unwrap_or_default();
    let path = "spec.matchConditions".to_owned();
    let (mut errors, mut notes) = (Vec::new(), Vec::new());
    if list.is_empty() && !compiled.is_empty() {
        let message = "there are none, so every request reaches the policy server; `convert` adds \
                       those of the settings";
        notes.push(at(path, message));
        return (errors, notes);
    }
    for (index, condition) in list.iter().enumerate() {
        let expression = condition.get("expression").and_then(Value::as_str).unwrap_or_default();
        let is_compiled = |it: &Condition| words(&it.expression) == words(expression);
        if compiled.iter().any(is_compiled) {
            continue;
        }
        let at_index = format!("{path}[{index}]");
        match is_ours(name(condition)) {
            // What it lets through is not compared: nobody knows whether it is enough.
            true => errors.push(at(
                at_index,
                "is not the condition of the settings, so requests that ask for an injection may \
                 be lost; `convert` renews it",
            )),
            false => notes.push(at(
                at_index,
                "is not compiled from the settings: what it excludes is not injected into",
            )),
        }
    }
    for missing in &compiled {
        if !list.iter().any(|condition| is_same_concern(name(condition), missing.name)) {
            let message = format!(
                "`{}` is missing, so more requests than needed reach the policy server; `convert` adds it",
                missing.name
            );
            notes.push(at(path.clone(), &message));
        }
    }
    (errors, notes)
}

/// Whether a condition of a manifest has the place of one that is compiled.
fn is_same_concern(name: &str, compiled: &str) -> bool {
    let old = match name {
        "not-opted-out" => "is-not-opted-out",
        "asks-for-something" => "asks-for-an-injection",
        other => other,
    };
    old == compiled
}

/// An expression in which one blank is as good as another: a folded text has no line breaks.
fn words(expression: &str) -> Vec<&str> {
    expression.split_whitespace().collect()
}
