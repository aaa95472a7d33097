//! The release that a configuration is written for.

use datakit_injection::settings::{self, Release as Family};
use serde_norway::{Mapping, Value};

/// What differs between releases for the conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// Up to 1.5.12.
    V1_5,
    /// 1.5.13 to 1.6.1.
    V1_6,
    /// Since 1.7.
    V1_8,
}

impl Release {
    /// The release that settings are read for.
    pub(crate) fn of(settings: &str) -> Self {
        let sentence = settings::release(settings).unwrap_or_default();
        let is = |family: Family| sentence.starts_with(&format!("read as release {family}:"));
        match () {
            () if is(Family::V1_8) => Self::V1_8,
            () if is(Family::V1_6) => Self::V1_6,
            () => Self::V1_5,
        }
    }
}

/// Names release 1.8 in settings whose blocks do not tell, and leaves it out of others.
pub(super) fn declare(settings: &mut Mapping) {
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
