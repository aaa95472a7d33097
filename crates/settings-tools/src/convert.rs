//! A configuration of any release as rules of `admission_inject_v2` with the same meaning, for the
//! command and the npm package.

mod loggings;
mod rules;

use serde_norway::{Mapping, Value};

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
    let settings = unpacked(&serde_json::from_str(settings)?)?;
    let mut notes = Vec::new();
    let rules = rules::of(&settings, release.unwrap_or_default(), &mut notes);
    let converted = with_rules(settings, &rules, release.unwrap_or_default());
    Ok(Converted { settings: serde_json::to_string(&converted)?, notes })
}

/// The configuration, unpacked from `jsonconfig`.
fn unpacked(settings: &Value) -> Result<Mapping, serde_json::Error> {
    let mut top = settings.as_mapping().cloned().unwrap_or_default();
    let text = settings.get("jsonconfig").and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() {
        top.shift_remove("jsonconfig");
        return Ok(top);
    }
    let mut inner = serde_json::from_str::<Option<Mapping>>(text)?.unwrap_or_default();
    if let Some(policy) = top.get("policy") {
        inner.insert("policy".into(), policy.clone());
    }
    Ok(inner)
}

/// Puts rules of `admission_inject_v2` in the place of the blocks of `admission_inject`, and gives the
/// rules of `admission_mutate` the form that they have beside those.
fn with_rules(settings: Mapping, rules: &Mapping, release: Release) -> Mapping {
    let mut converted = Mapping::new();
    for (key, value) in settings {
        match key.as_str() {
            Some("admission_inject" | "admission_inject_v2") => {
                if !rules.is_empty() {
                    converted.insert("admission_inject_v2".into(), Value::Mapping(rules.clone()));
                }
            }
            Some("admission_mutate") => {
                converted.insert(key, loggings::converted(value, release));
            }
            _ => {
                converted.insert(key, value);
            }
        }
    }
    declare_release(&mut converted);
    converted
}

/// Names release 1.8 in settings whose blocks do not tell, and leaves it out of others.
fn declare_release(settings: &mut Mapping) {
    let is_there = |key: &str| settings.get(key).is_some_and(|value| !value.is_null());
    let is_needed = !is_there("admission_inject_v2") && is_there("admission_mutate");
    let mut policy = settings.get("policy").and_then(Value::as_mapping).cloned();
    if is_needed {
        policy.get_or_insert_default().insert("operator_release".into(), "1.8".into());
    } else if let Some(policy) = &mut policy {
        policy.shift_remove("operator_release");
    }
    match policy {
        Some(policy) if !policy.is_empty() => {
            settings.insert("policy".into(), Value::Mapping(policy));
        }
        Some(_) => {
            settings.shift_remove("policy");
        }
        None => {}
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
