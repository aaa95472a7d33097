//! What Kubernetes would refuse in a pod template.

use thiserror::Error;

/// A part of a pod template that Kubernetes would refuse.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Malformed {
    #[error("{0} of the pod template is malformed")]
    Part(&'static str),
    #[error("a container of the pod template has no name")]
    Nameless,
}
