//! `ClusterLoggingConfig` of `logging.datakits.io/v1alpha1`.

use std::collections::BTreeMap;

use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde::{Deserialize, Serialize};

/// The resource, as the API server names it.
pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("logging.datakits.io", "v1alpha1", "ClusterLoggingConfig");
    ApiResource::from_gvk_with_plural(&kind, "clusterloggingconfigs")
}

/// What an object asks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Which pods it is for.
    pub selector: Selector,
    /// Labels of the pod that become tags of its logs.
    pub pod_target_labels: Vec<String>,
    /// What to collect. Absent is not the same as empty: logfwd gets `null`.
    pub configs: Option<Vec<Config>>,
}

/// Which pods a configuration is for. An empty text restricts nothing. DataKit also knows `containerRegex`, which
/// means nothing to a sidecar.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// A regular expression, searched in the namespace.
    pub namespace_regex: String,
    /// A regular expression, searched in the name of the pod.
    pub pod_regex: String,
    /// A label selector, as Kubernetes writes it.
    pub pod_label_selector: String,
}

/// One source of logs, its fields in the order of the Operator's.
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

/// The specification of an object. It is read here and not when objects are listed, where one that cannot be read
/// would take all others with it.
///
/// # Errors
///
/// Where a field has another type.
pub fn spec(object: &DynamicObject) -> Result<Spec, serde_json::Error> {
    object.data.get("spec").map_or_else(|| Ok(Spec::default()), Spec::deserialize)
}
