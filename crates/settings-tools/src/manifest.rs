//! The `matchConditions` of a policy's manifest, compared with those of its settings.

use datakit_injection::reader::SettingsError;

use serde::Deserialize;

use crate::conditions::{Condition, Scope, compile};

/// The names that conditions of settings have.
pub const NAMES: [&str; 3] =
    ["namespace-is-not-ignored", "is-not-opted-out", "asks-for-an-injection"];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Policy {
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    rules: Option<Vec<Rule>>,
    match_conditions: Option<Vec<Own>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rule {
    resources: Vec<String>,
}

/// A condition of a manifest.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Own {
    name: String,
    expression: String,
}

/// The objects that a policy is called for, from its manifest as JSON.
///
/// ```
/// use settings_tools::conditions::Scope;
/// use settings_tools::manifest::scope;
///
/// let policy = r#"{"kind":"AdmissionPolicy","spec":{"rules":[{"resources":["pods"]}]}}"#;
/// assert_eq!(scope(policy), Scope::Pods);
/// ```
pub fn scope(policy: &str) -> Scope {
    let Policy { spec } = serde_json::from_str(policy).unwrap_or_default();
    let rules = spec.rules.unwrap_or_default();
    Scope::of_resources(rules.iter().flat_map(|rule| &rule.resources).map(String::as_str))
}

/// What is wrong with the conditions of a manifest, and what could be better: errors and notes.
///
/// Takes the manifest and the settings as JSON.
///
/// ```
/// use settings_tools::manifest::check_conditions;
///
/// let policy = r#"{"kind":"ClusterAdmissionPolicy","spec":{"settings":{}}}"#;
/// let (errors, notes) = check_conditions(policy, "{}");
/// assert!(errors.is_empty());
/// assert_eq!(notes[0].path, "spec.matchConditions");
/// ```
pub fn check_conditions(policy: &str, settings: &str) -> (Vec<SettingsError>, Vec<SettingsError>) {
    let compiled = compile(settings, scope(policy)).conditions;
    let Policy { spec } = serde_json::from_str(policy).unwrap_or_default();
    let conditions = spec.match_conditions.unwrap_or_default();
    let at = |place: &str, message: &str| SettingsError {
        path: format!("spec.matchConditions{place}"),
        message: message.to_owned(),
    };
    let (mut errors, mut notes) = (Vec::new(), Vec::new());
    if conditions.is_empty() && !compiled.is_empty() {
        let message = "there are none, so every request reaches the policy server; `convert` adds \
                       those of the settings";
        notes.push(at("", message));
        return (errors, notes);
    }
    // A folded text has other line breaks.
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for (index, condition) in conditions.iter().enumerate() {
        let expression = words(&condition.expression);
        let place = format!("[{index}]");
        if compiled.iter().any(|it| words(&it.expression) == expression) {
            continue;
        }
        match NAMES.contains(&&*condition.name) {
            // What it lets through is not compared: nobody knows whether it is enough.
            true => errors.push(at(
                &place,
                "is not the condition of the settings, so requests that ask for an injection may \
                 be lost; `convert` renews it",
            )),
            false => notes.push(at(
                &place,
                "is not compiled from the settings: what it excludes is not injected into",
            )),
        }
    }
    let is_missing = |it: &&Condition| !conditions.iter().any(|own| own.name == it.name);
    for missing in compiled.iter().filter(is_missing) {
        let message = format!(
            "`{}` is missing, so more requests than needed reach the policy server; `convert` adds it",
            missing.name
        );
        notes.push(at("", &message));
    }
    (errors, notes)
}
