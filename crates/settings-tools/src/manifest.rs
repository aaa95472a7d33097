//! The `matchConditions` of a policy's manifest, compared with those of its settings.

use datakit_injection::json::{Object, Shape, Value};
use datakit_injection::reader::SettingsError;

use crate::conditions::{Condition, NAMES, Scope, compile};

static POLICY: Shape = Shape::Object(&[("spec", SPEC)]);
const SPEC: Shape = Shape::Object(&[
    ("rules", Shape::Array(&Shape::Object(&[("resources", Shape::Array(&Shape::Text))]))),
    ("matchConditions", Shape::Array(&Shape::Object(&[]))),
]);

/// The objects in a list of a policy's `spec` and their indices; none if the list is missing.
fn list<'v, 'a>(policy: &'v Value<'a>, key: &str) -> impl Iterator<Item = (usize, &'v Object<'a>)> {
    let spec = policy.as_object().and_then(|policy| policy.get("spec")?.as_object());
    let list = spec.and_then(|spec| spec.get(key)?.as_array()).unwrap_or_default();
    list.iter().enumerate().filter_map(|(index, element)| Some((index, element.as_object()?)))
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
    let policy = Value::open(policy, &POLICY).unwrap_or_default();
    let resources = list(&policy, "rules").filter_map(|(_, it)| it.get("resources")?.as_array());
    Scope::of_resources(resources.flatten().filter_map(Value::as_str))
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
    let policy = Value::open(policy, &POLICY).unwrap_or_default();
    let of = |condition: &Object, key| condition.get_str(key).unwrap_or_default().into_owned();
    let own = list(&policy, "matchConditions");
    let own = own.map(|(index, it)| (index, of(it, "name"), of(it, "expression")));
    let conditions: Vec<(usize, String, String)> = own.collect();
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
    let is_same = |one: &str, two: &str| one.split_whitespace().eq(two.split_whitespace());
    for (index, name, expression) in &conditions {
        if compiled.iter().any(|it| is_same(&it.expression, expression)) {
            continue;
        }
        let (list, message) = match NAMES.contains(&&**name) {
            // Whether it lets enough through cannot be decided.
            true => (
                &mut errors,
                "is not the condition of the settings, so requests that ask for an injection may be lost; `convert` renews it",
            ),
            false => (
                &mut notes,
                "is not compiled from the settings: what it excludes is not injected into",
            ),
        };
        list.push(at(&format!("[{index}]"), message));
    }
    let is_missing = |it: &&Condition| !conditions.iter().any(|(_, name, _)| name == it.name);
    for missing in compiled.iter().filter(is_missing) {
        let message = format!(
            "`{}` is missing, so more requests than needed reach the policy server; `convert` adds it",
            missing.name
        );
        notes.push(at("", &message));
    }
    (errors, notes)
}
