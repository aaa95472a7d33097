//! The types of `ClusterLoggingConfig` (`logging.datakits.io/v1alpha1`).

use std::collections::BTreeMap;

use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The API resource.
pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("logging.datakits.io", "v1alpha1", "ClusterLoggingConfig");
    ApiResource::from_gvk_with_plural(&kind, "clusterloggingconfigs")
}

/// The specification of an object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// The pods it applies to.
    pub selector: Object<Selector>,
    /// Pod labels to copy to log tags.
    pub pod_target_labels: Vec<String>,
    /// What to collect. logfwd gets `null` if it is absent, which differs from an empty list.
    pub configs: Option<Vec<Object<Config>>>,
}

/// Selects pods. Empty fields select everything. `containerRegex` is for DataKit; a sidecar has no use for it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// An RE2 expression, searched in the namespace.
    pub namespace_regex: String,
    /// An RE2 expression, searched in the pod name.
    pub pod_regex: String,
    /// A label selector in Kubernetes syntax.
    pub pod_label_selector: String,
}

/// A log source. The order of the fields is that of the Operator's answer.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    #[serde(rename = "type")]
    type_: String,
    source: String,
    #[serde(skip_serializing_if = "is_default")]
    disable: bool,
    #[serde(skip_serializing_if = "is_default")]
    path: String,
    #[serde(skip_serializing_if = "is_default")]
    storage_index: String,
    #[serde(skip_serializing_if = "is_default")]
    service: String,
    #[serde(skip_serializing_if = "is_default")]
    character_encoding: String,
    #[serde(skip_serializing_if = "is_default")]
    pipeline: String,
    #[serde(skip_serializing_if = "is_default")]
    multiline_match: String,
    #[serde(skip_serializing_if = "is_default")]
    remove_ansi_escape_codes: bool,
    #[serde(skip_serializing_if = "is_default")]
    from_beginning: bool,
    #[serde(skip_serializing_if = "is_default")]
    from_beginning_threshold_size: i64,
    #[serde(skip_serializing_if = "is_default")]
    tags: BTreeMap<String, String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A value that is decoded from an object alone. serde takes an array for a struct, too, with its elements for the fields.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Object<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let object = Map::deserialize(from)?;
        T::deserialize(Value::Object(object)).map(Self).map_err(D::Error::custom)
    }
}

/// Decodes the specification of an object. Decoding typed objects in the list would fail as a whole on a single bad
/// object.
///
/// # Errors
///
/// If a field has the wrong type.
pub fn spec(object: &DynamicObject) -> Result<Spec, serde_json::Error> {
    let spec = object.data.get("spec").map(Object::deserialize).transpose()?;
    Ok(spec.map(|Object(spec)| spec).unwrap_or_default())
}
