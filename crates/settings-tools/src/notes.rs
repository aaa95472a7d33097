//! Notes: what is valid, but probably unintended. They are for people; hosts never see them.

mod address;
mod namespaces;
mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datakit_injection::injection::Injection;
use datakit_injection::injection::table::ALL;
use datakit_injection::json::Value;
use datakit_injection::reader::{Errors, Path, SettingsError, nearest};
use datakit_injection::release::Release;
use datakit_injection::rules::candidate::{Candidate, Form};
use datakit_injection::rules::candidates::visit;
use datakit_injection::rules::env::{PLACEHOLDERS, Variable, VariableValue, references};
use datakit_injection::selector::Operator;
use datakit_injection::settings::{Settings, with_settings};
use order::Earlier;

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
    let loggings = settings.config.and_then(|it| it.get("admission_mutate")?.as_object());
    if !settings.has_rules() && loggings.is_none() {
        notes.add(&Path::Root, "there are no rules: nothing is ever injected");
    }
    for injection in ALL {
        note_rules(settings, injection, notes);
    }
}

fn note_rules<'a>(settings: &Settings<'_, 'a>, injection: &'static Injection, notes: &mut Errors) {
    let mut earlier = Earlier::default();
    // The candidates of a block share all but their selectors, and up to release 1.6.1 the rules of
    // `admission_mutate` are tried twice.
    let mut sections = BTreeMap::new();
    let is_logging = injection.sets_annotation.is_some();
    visit(settings, injection, &mut |candidate| {
        let section = candidate.section;
        let path = section.path.to_string();
        if !sections.contains_key(&path) {
            let are_names = match is_logging {
                true => settings.release != Release::Since1_7,
                false => candidate.form == Form::Block(Release::UpTo1_5),
            };
            if note_effect(&candidate, notes) {
                namespaces::note(&candidate, are_names, notes);
            }
        }
        note_labels(&candidate, notes);
        let variables = sections.entry(path).or_insert_with(|| variables(&candidate, notes));
        let is_used = !candidate.selectors.is_off() && !candidate.is_switched_off();
        if is_used && !variables.is_noted && address::has_image(&candidate) {
            variables.is_noted = address::note(&candidate, &variables.envs, notes);
        }
        earlier.note(candidate, notes);
        ControlFlow::Continue(())
    });
}

/// The variables of a section.
struct Variables<'a> {
    envs: Vec<Variable<'a>>,
    /// Whether an address that is missing was noted.
    is_noted: bool,
}

/// Reads the variables of a candidate's section, and notes what is odd about them.
fn variables<'a>(candidate: &Candidate<'_, 'a>, notes: &mut Errors) -> Variables<'a> {
    let mut errors = Errors::default();
    let compiled = candidate.variant.and_then(|variant| candidate.compile(variant, &mut errors));
    // What a rule with an error sets is not known.
    let is_noted = compiled.is_none();
    let envs = compiled.map(|compiled| compiled.rule.envs).unwrap_or_default();
    note_variables(&envs, &Path::Key(&candidate.section.path, "envs"), notes);
    Variables { envs, is_noted }
}

/// Notes selectors that switch a rule off, or that the release does not read; returns whether they have an
/// effect.
fn note_effect(candidate: &Candidate, notes: &mut Errors) -> bool {
    let section = candidate.section;
    if candidate.form == Form::List {
        let is_used = section.get("image").is_some_and(|it| *it != Value::Text("\"\""));
        if candidate.selectors.is_off() && is_used {
            let message = "has no selectors that can match, so the rule is switched off";
            notes.add(&candidate.path, message);
        }
        return true;
    }
    let selects_up_to_1_5 =
        candidate.injection.block.as_ref().is_some_and(|it| it.selects_up_to_1_5);
    if candidate.form != Form::Block(Release::UpTo1_5) || selects_up_to_1_5 {
        return true;
    }
    for key in ["enabled_labelselectors", "enabled_namespaces"] {
        if !section.list(key, &mut Errors::default()).is_empty() {
            let message = "has no effect up to release 1.5.12; for later ones, set \
                           `policy.operator_release` to 1.5.13";
            notes.add(&Path::Key(&section.path, key), message);
        }
    }
    false
}

/// Notes label selectors that contradict themselves.
fn note_labels(candidate: &Candidate, notes: &mut Errors) {
    let valid = &candidate.selectors.labels.valid;
    for (index, selector) in valid.iter().enumerate() {
        let mut values: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
        let contradicts = selector.requirements.iter().any(|requirement| {
            let Operator::In(list) = &requirement.operator else { return false };
            let earlier = values.insert(&requirement.key, list.iter().collect());
            earlier.is_some_and(|earlier| !list.iter().any(|value| earlier.contains(value)))
        });
        if contradicts {
            let list = Path::Key(&candidate.path, "label_selectors");
            let entries = candidate.section.list("label_selectors", &mut Errors::default());
            let path = match candidate.form {
                Form::Block(_) => &candidate.path,
                // Those with an error are not among the valid ones.
                Form::List if entries.len() > valid.len() => &list,
                Form::List => &Path::Index(&list, index),
            };
            notes.add(path, "can match no label: it contradicts itself");
        }
    }
}

fn note_variables(variables: &[Variable], envs: &Path, notes: &mut Errors) {
    let names: BTreeSet<&str> = variables.iter().map(|variable| &*variable.name).collect();
    for variable in variables {
        let path = Path::Key(envs, &variable.name);
        if variable.name == "LOGFWD_DATAKIT_OPERATOR_ENDPOINT" {
            let message = "makes logfwd ask Datakit Operator for its configuration: the \
                           Operator's service has to stay for it";
            notes.add(&path, message);
        }
        let VariableValue::Literal(text) = &variable.value else { continue };
        if let Some(near) = near_placeholder(text) {
            let message =
                format!("is not a known placeholder and is used literally; did you mean `{near}`?");
            notes.add(&path, message);
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
