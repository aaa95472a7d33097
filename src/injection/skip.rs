//! Why an injection is skipped.

use std::fmt;

use thiserror::Error;

use crate::pod::malformed::Malformed;
use crate::report::{self, InjectionName};

/// The KiB that Kubernetes takes of an object's annotations together.
pub(crate) const KUBERNETES_MAX_KIB: usize = 256;

/// Why an injection is skipped. The message is the reason; [`Skip::advice`] says what to change.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Skip {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("no image is configured for {0}")]
    NoImage(InjectionName),
    #[error("annotation {0} is not an image tag")]
    NotATag(&'static str),
    #[error("annotation {annotation} is not valid logfwd JSON at line {line} column {column}")]
    NotLogfwdJson { annotation: &'static str, line: usize, column: usize },
    #[error("it would share more than {0} directories")]
    TooManyDirectories(usize),
    #[error("it would add more than {0} mounts")]
    TooManyMounts(usize),
    #[error("container {container} sets {variable} with valueFrom")]
    ValueFrom { container: ContainerName, variable: &'static str },
    #[error("container {container} sets {variable} to a value that is no string")]
    NotAString { container: ContainerName, variable: &'static str },
    #[error("container {container} sets {variable} twice")]
    SetTwice { container: ContainerName, variable: &'static str },
    #[error("container {0} already loads the Datadog library")]
    LoadsDatadog(ContainerName),
    #[error("the pod has another volume named {0}")]
    OtherVolume(String),
    #[error("container {container} mounts another volume at {path}")]
    OtherMount { container: ContainerName, path: &'static str },
    #[error("container {container} mounts a read-only volume above {path}")]
    ReadOnlyMount { container: ContainerName, path: &'static str },
    #[error("its container would run as root, which runAsNonRoot forbids")]
    RunsAsRoot,
    #[error("no container matches")]
    NoContainer,
    #[error("the pod has no container to inject into")]
    EmptyPod,
    #[error("the pod runs on Windows")]
    Windows,
    #[error("it needs capabilities that Pod Security level `restricted` forbids")]
    Restricted,
    #[error("{0} must not be a system directory")]
    EssentialDirectory(&'static str),
    #[error("the port in {0} is in use on the host network")]
    HostPort(&'static str),
    #[error("the annotations of the object would exceed {0} KiB")]
    TooLarge(usize),
    #[error("its record would bring the annotations of the object over {0} KiB")]
    LargeRecord(usize),
    #[error("`config` would bring the annotations of the object over {0} KiB")]
    LargeConfig(usize),
}

impl Skip {
    /// What to change, as the end of a sentence.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::Nameless) => "give it a name",
            Self::Malformed(_) => "correct the pod template",
            Self::NoImage(_) => "add the image to the settings of the policy",
            Self::NotATag(_) => "use a version such as v1.2.3, or leave it empty",
            Self::NotLogfwdJson { .. } => "correct the annotation",
            Self::TooManyDirectories(_) | Self::TooManyMounts(_) => {
                "collect files of fewer directories"
            }
            Self::ValueFrom { .. } => "use a literal value",
            Self::NotAString { .. } => "quote it",
            Self::SetTwice { .. } => "set it once",
            Self::LoadsDatadog(_) => "use one of the two",
            Self::OtherVolume(_) => "rename that volume",
            Self::OtherMount { .. } | Self::ReadOnlyMount { .. } => "mount it elsewhere",
            Self::RunsAsRoot => "set runAsUser in the container's or the pod's securityContext",
            Self::NoContainer => "name a container of the pod in admission.datakit/container-names",
            Self::EmptyPod => "add a container that is not in policy.ignored_containers",
            Self::Windows => "opt out with admission.datakit/enabled: \"false\"",
            Self::Restricted => "relax the pod, or set policy.pod_security to `ignore`",
            Self::EssentialDirectory(_) => "choose another directory in the rule",
            Self::HostPort(_) => "choose another port in the rule",
            Self::TooLarge(_) => "remove annotations",
            Self::LargeRecord(_) => "collect files of fewer directories, or have fewer containers",
            Self::LargeConfig(_) => "shorten it in the rule",
        }
    }
}

/// The name of a container as messages show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerName(String);

impl ContainerName {
    pub(crate) fn new(name: &str) -> Self {
        Self(report::shown(name).to_owned())
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "`{}`", self.0)
    }
}
