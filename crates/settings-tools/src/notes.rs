//! Notes: what is valid, but probably unintended. They are for people; hosts never see them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datakit_injection::injection::Injection;
use datakit_injection::injection::table::ALL;
use datakit_injection::json::Value;
use datakit_injection::reader::{Errors, Path, SettingsError, nearest};
use datakit_injection::rules::candidate::{Candidate, Form};
use datakit_injection::rules::candidates::visit;
use datakit_injection::rules::env::{PLACEHOLDERS, VariableValue, references};
use datakit_injection::rules::read::Rule;
use datakit_injection::selector::{NamespacePattern, Operator};
use datakit_injection::settings::{Settings, with_settings};

/// Variables that Kubernetes and container runtimes set in every container.
const ALWAYS_SET: &[&str] =
    &["HOSTNAME", "HOME", "PATH", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];

/// What is valid in settings, but probably unintended, each with its path.
///
/// Takes their JSON text; settings that cannot be opened have none.
pub fn notes(text: &str) -> Vec<SettingsError> {
    let mut notes = Errors::default();
    with_settings(text, &mut Errors::default(), |settings, _| note(settings, &mut notes));
    notes.into_vec()
}

fn note(settings: &Settings, notes: &mut Errors) {
    let has_loggings = settings
        .config
        .is_some_and(|config| config.get("admission_mutate").and_then(Value::as_object).is_some());
    if !settings.has_rules() && !has_loggings {
        notes.add(&Path::Root, "there are no rules: nothing is ever injected");
    }
    for injection in ALL {
        note_rules(settings, injection, notes);
    }
}

fn note_rules(settings: &Settings, injection: &'static Injection, notes: &mut Errors) {
    let mut earlier = Earlier::default();
    let mut sections = BTreeSet::new();
    visit(settings, injection, &mut |candidate| {
        let section = candidate.section;
        if candidate.form == Form::List {
            let is_used = section.get("image").is_some_and(|it| *it != Value::Text("\"\""));
            if candidate.selectors.is_off() && is_used {
                let message = "has no selectors that can match, so the rule is switched off";
                notes.add(&candidate.path, message);
            }
            earlier.note_shadowed(&candidate, notes);
        }
        note_labels(&candidate, notes);
        // The candidates of a block share its variables.
        if sections.insert(section.path.to_string())
            && let Some(variant) = candidate.variant
        {
            let mut errors = Errors::default();
            if let Some(compiled) = candidate.compile(variant, &mut errors) {
                note_variables(&compiled.rule, &Path::Key(&section.path, "envs"), notes);
            }
        }
        ControlFlow::Continue(())
    });
}

/// The rules of an injection that were looked at.
#[derive(Default)]
struct Earlier {
    paths: BTreeSet<String>,
    /// The path of the first rule that takes every pod.
    takes_all: Option<String>,
    /// The path of the first rule with certain selectors, by their text.
    by_selectors: BTreeMap<String, String>,
}

impl Earlier {
    /// Notes a rule that an earlier one keeps from ever being used.
    fn note_shadowed(&mut self, candidate: &Candidate, notes: &mut Errors) {
        if candidate.form != Form::List {
            return;
        }
        let selectors = &candidate.selectors;
        let path = candidate.path.to_string();
        // Release 1.5 tries the rules of `admission_mutate` twice.
        if selectors.is_off() || !self.paths.insert(path.clone()) {
            return;
        }
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
        let is_all = |pattern: &NamespacePattern| matches!(pattern, NamespacePattern::All);
        if selectors.labels.is_empty && selectors.namespaces.valid.iter().any(is_all) {
            self.takes_all = Some(path);
        } else {
            self.by_selectors.insert(text, path);
        }
    }
}

/// Notes label selectors that contradict themselves.
fn note_labels(candidate: &Candidate, notes: &mut Errors) {
    for (index, selector) in candidate.selectors.labels.valid.iter().enumerate() {
        let mut values: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
        let contradicts = selector.requirements.iter().any(|requirement| {
            let Operator::In(list) = &requirement.operator else {
                return false;
            };
            let earlier = values.insert(&requirement.key, list.iter().collect());
            earlier.is_some_and(|earlier| !list.iter().any(|value| earlier.contains(value)))
        });
        if contradicts {
            let list = Path::Key(&candidate.path, "label_selectors");
            notes.add(&Path::Index(&list, index), "can match no label: it contradicts itself");
        }
    }
}

fn note_variables(rule: &Rule, envs: &Path, notes: &mut Errors) {
    let names: BTreeSet<&str> = rule.envs.iter().map(|variable| &*variable.name).collect();
    for variable in &rule.envs {
        let path = Path::Key(envs, &variable.name);
        if variable.name == "LOGFWD_DATAKIT_OPERATOR_ENDPOINT" {
            let message = "makes logfwd ask Datakit Operator for its configuration: the \
                           Operator's service has to stay for it";
            notes.add(&path, message);
        }
        let VariableValue::Literal(text) = &variable.value else {
            continue;
        };
        if let Some(near) = near_placeholder(text) {
            notes.add(
                &path,
                format_args!(
                    "is not a known placeholder and is used literally; did you mean `{near}`?"
                ),
            );
        }
        for name in references(&variable.value) {
            if !names.contains(name) && !ALWAYS_SET.contains(&name) {
                let message = format!("refers to `{name}`, which the rule does not set");
                notes.add(&path, message);
            }
        }
    }
}

/// The placeholder that a text in braces is near to.
fn near_placeholder(text: &str) -> Option<&'static str> {
    let looks_like_one = text.starts_with('{') && text.ends_with('}') && text.contains(':');
    nearest(text, PLACEHOLDERS).filter(|_| looks_like_one && !text.contains('"'))
}
