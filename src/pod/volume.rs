//! A volume: its name and what it is.

use std::borrow::Cow;

use k8s_openapi::api::core::v1 as k8s;

use crate::json::{Shape, Value};

/// A volume of a pod template.
#[derive(Debug)]
pub(crate) struct Volume<'a> {
    /// Its name.
    pub(crate) name: Cow<'a, str>,
    /// What it is.
    pub(crate) source: VolumeSource,
    pub(super) value: Value<'a>,
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

impl<'a> Volume<'a> {
    /// Reads a volume as the user wrote it; nothing where Kubernetes would not take it.
    pub(super) fn read(value: Value<'a>) -> Option<Self> {
        let object = value.as_object()?;
        let name = object.get_str("name")?;
        let source = |name: &str| object.get(name).filter(|source| !source.is_null());
        let source = if source("emptyDir").is_some() {
            VolumeSource::EmptyDir
        } else if source("downwardAPI").is_some() {
            VolumeSource::DownwardApi
        } else if let Some(text) = source("hostPath").and_then(Value::as_text) {
            let opened = Value::open(text, &Shape::Object(&[])).ok();
            let path = opened.and_then(|host_path| host_path.as_object()?.get_str("path"));
            VolumeSource::HostPath(path.unwrap_or_default().into_owned())
        } else {
            VolumeSource::Other
        };
        Some(Self { name, source, value })
    }

    pub(super) fn added(volume: k8s::Volume) -> Self {
        let source = VolumeSource::of(&volume);
        Self { value: Value::new(&volume), name: volume.name.into(), source }
    }
}

impl VolumeSource {
    /// What a volume that is to be added is.
    pub(crate) fn of(volume: &k8s::Volume) -> Self {
        match volume {
            k8s::Volume { empty_dir: Some(_), .. } => Self::EmptyDir,
            k8s::Volume { downward_api: Some(_), .. } => Self::DownwardApi,
            k8s::Volume { host_path: Some(host_path), .. } => {
                Self::HostPath(host_path.path.clone())
            }
            _ => Self::Other,
        }
    }
}
