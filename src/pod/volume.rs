//! A volume: its name and what it is.

use std::borrow::Cow;

use k8s_openapi::api::core::v1 as k8s;
use serde::Serialize;

use crate::json::{Object, Value};

/// The file of the node that has its time zone.
pub(crate) const LOCAL_TIME: &str = "/etc/localtime";

/// The volume that has it.
pub(crate) const TIMEZONE: &str = "timezone";

/// The volume that has the labels of the pod.
pub(crate) const POD_INFO: &str = "datakit-pod-info";

/// What a name of ours ends in where another volume has that name.
pub(crate) const SUFFIX: &str = "-datakit";

/// A volume of a pod template.
#[derive(Debug)]
pub(crate) struct Volume<'a> {
    /// Its name.
    pub(crate) name: Cow<'a, str>,
    /// What it is.
    pub(crate) source: VolumeSource,
    pub(crate) value: Value<'a>,
}

/// What a volume is, as far as the policy tells volumes apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VolumeSource {
    /// An empty directory that lives as long as the pod.
    EmptyDir,
    /// A path of the node.
    HostPath(String),
    /// Fields of the pod as files.
    DownwardApi,
    /// Anything else.
    Other,
}

impl VolumeSource {
    /// What injections add under a name.
    pub(crate) fn of_added(name: &str) -> Self {
        match name.trim_end_matches(SUFFIX) {
            TIMEZONE => Self::HostPath(LOCAL_TIME.to_owned()),
            POD_INFO => Self::DownwardApi,
            _ => Self::EmptyDir,
        }
    }
}

impl<'a> Volume<'a> {
    /// Reads a volume as the user wrote it; nothing where Kubernetes would refuse it.
    pub(crate) fn read(value: Value<'a>) -> Option<Self> {
        let object = value.as_object()?;
        let name = object.get_str("name")?;
        let source = |name: &str| object.get(name).filter(|source| !source.is_null());
        let is_bare = object.iter().all(|(key, value)| key.is("name") || value.is_null());
        // The API server makes an emptyDir of a volume without a source.
        let source = if source("emptyDir").is_some() || is_bare {
            VolumeSource::EmptyDir
        } else if source("downwardAPI").is_some() {
            VolumeSource::DownwardApi
        } else if let Some(text) = source("hostPath").and_then(Value::as_text) {
            let path = Object::parse(text).and_then(|host_path| host_path.get_str("path"));
            VolumeSource::HostPath(path.unwrap_or_default().into_owned())
        } else {
            VolumeSource::Other
        };
        Some(Self { name, source, value })
    }

    /// Whether containers can only read it.
    pub(crate) fn is_read_only(&self) -> bool {
        let source = |name| self.value.as_object().and_then(|object| object.get(name));
        ["configMap", "secret", "projected", "downwardAPI", "image"]
            .iter()
            .any(|name| source(name).is_some_and(|source| !source.is_null()))
    }

    /// A volume to add.
    pub(crate) fn new(volume: NewVolume) -> Self {
        let source = volume.source();
        Self { value: Value::new(&volume), name: volume.name.into(), source }
    }
}

/// A volume to add: one of the sources, of Kubernetes' own types.
///
/// Kubernetes' own type of a volume has thirty sources; writing them would make the module larger
/// by a fifth.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewVolume {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) empty_dir: Option<k8s::EmptyDirVolumeSource>,
    #[serde(rename = "downwardAPI", skip_serializing_if = "Option::is_none")]
    pub(crate) downward_api: Option<k8s::DownwardAPIVolumeSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host_path: Option<k8s::HostPathVolumeSource>,
}

impl NewVolume {
    /// What it is.
    pub(crate) fn source(&self) -> VolumeSource {
        if self.empty_dir.is_some() {
            VolumeSource::EmptyDir
        } else if self.downward_api.is_some() {
            VolumeSource::DownwardApi
        } else if let Some(host_path) = &self.host_path {
            VolumeSource::HostPath(host_path.path.clone())
        } else {
            VolumeSource::Other
        }
    }
}
