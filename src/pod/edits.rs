//! What an injection adds to a pod and changes in it.

use super::container::{Container, ContainerRef, EnvEdit, VolumeMount};
use super::volume::Volume;
use crate::json::Value;

/// What one injection adds and changes.
#[derive(Debug, Default)]
pub(crate) struct Edits<'a> {
    pub(crate) volumes: Vec<Volume<'a>>,
    pub(crate) env: Vec<(ContainerRef, EnvEdit<'a>)>,
    pub(crate) mounts: Vec<(ContainerRef, VolumeMount<'a>)>,
    pub(crate) init_containers: Vec<Container<'a>>,
    /// Containers to add as regular ones.
    pub(crate) containers: Vec<Container<'a>>,
    pub(crate) annotations: Vec<(&'static str, Value<'a>)>,
    /// Members of the specification to set.
    pub(crate) spec: Vec<(&'static str, Value<'a>)>,
}
