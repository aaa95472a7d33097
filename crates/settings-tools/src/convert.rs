//! A configuration of any release as rules of `admission_inject_v2` with the same meaning, for the
//! command and the npm package.

mod loggings;
mod rules;

use datakit_injection::json::{Object, Shape, Value, compact};
use datakit_injection::reader::Errors;
use datakit_injection::release::Release;
use datakit_injection::settings::with_settings;

/// Settings after a conversion, and what the reader should know of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The settings, as JSON; keys keep their order.
    pub settings: String,
    /// What version 2 does in another way, and what it cannot express.
    pub notes: Vec<String>,
}

/// Converts valid settings, from their JSON text.
///
/// # Errors
///
/// If they are not JSON.
///
/// ```
/// use settings_tools::convert::to_v2;
///
/// let settings = r#"{"admission_inject":{"profiler":{"images":{"java_profiler_image":"a/b:1"}}}}"#;
/// let converted = to_v2(settings).unwrap();
/// assert_eq!(
///     converted.settings,
///     r#"{"admission_inject_v2":{"profilers":[{"namespace_selectors":["*"],"#.to_owned()
///         + r#""check_annotation":true,"language":"java","image":"a/b:1"}]}}"#
/// );
/// ```
pub fn to_v2(settings: &str) -> Result<Converted, serde_json::Error> {
    let release = with_settings(settings, &mut Errors::default(), |settings, _| settings.release);
    let (release, mut notes) = (release.unwrap_or_default(), Vec::new());
    let mut top = opened(settings)?;
    let policy = top.get("policy").cloned();
    let jsonconfig = top.remove("jsonconfig").and_then(|it| it.as_str());
    let config = jsonconfig.filter(|text| !text.trim().is_empty());
    let mut settings = config.as_deref().map_or(Ok(top), opened)?;
    if let Some(policy) = policy {
        settings.set("policy", policy);
    }
    let rules = rules::of(&settings, release, &mut notes);
    let converted = with_rules(&settings, &rules, release);
    Ok(Converted { settings: compact(&converted.to_json()), notes })
}

/// The members of an object; none of another value.
fn opened(text: &str) -> Result<Object<'_>, serde_json::Error> {
    static OBJECT: Shape = Shape::Object(&[]);
    let value = Value::open(text, &OBJECT)?;
    Ok(value.as_object().cloned().unwrap_or_default())
}

/// Puts rules of `admission_inject_v2` in the place of the blocks of `admission_inject`, and gives the
/// rules of `admission_mutate` the form that they have beside those.
fn with_rules<'a>(settings: &Object<'a>, rules: &Object<'a>, release: Release) -> Object<'a> {
    let mut converted = Object::default();
    for (key, value) in settings.iter() {
        match key.name().as_deref() {
            Some("admission_inject" | "admission_inject_v2") => {
                if !rules.is_empty() {
                    converted.set("admission_inject_v2", Value::Object(rules.clone()));
                }
            }
            Some("admission_mutate") => {
                converted.set("admission_mutate", loggings::converted(value, release));
            }
            _ => converted.push(key.clone(), value.clone()),
        }
    }
    declare_release(&mut converted);
    converted
}

/// Names release 1.8 in settings whose blocks do not tell, and leaves it out of others.
fn declare_release(settings: &mut Object) {
    let is_there = |key: &str| settings.get(key).is_some_and(|value| !value.is_null());
    let is_needed = !is_there("admission_inject_v2") && is_there("admission_mutate");
    if !is_needed && !is_there("policy") {
        return;
    }
    let Some(policy) = settings.open_object("policy") else { return };
    if is_needed {
        policy.set("operator_release", Value::string("1.8"));
    } else {
        policy.remove("operator_release");
    }
    if policy.is_empty() {
        settings.remove("policy");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `jsonconfig` of nothing is valid, so it can be converted.
    #[test]
    fn converts_empty_configurations() {
        for settings in ["{}", "null", r#"{"jsonconfig":"null"}"#, r#"{"jsonconfig":" "}"#] {
            assert_eq!(to_v2(settings).unwrap().settings, "{}", "{settings}");
        }
    }
}
