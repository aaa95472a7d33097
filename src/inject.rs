//! The injections. Each plans from a pod and a rule; none changes anything itself.

mod ddtrace;
mod flameshot;
mod logfwd;
mod logging;
mod otel;
mod parts;
mod profiler;
mod share;

use thiserror::Error;

pub(crate) use ddtrace::{INIT_CONTAINER as DDTRACE_CONTAINER, plan as ddtrace};
pub(crate) use flameshot::{CONTAINER as FLAMESHOT_CONTAINER, plan as flameshot};
pub(crate) use logfwd::{CONTAINER as LOGFWD_CONTAINER, plan as logfwd};
pub(crate) use logging::{ANNOTATION as LOGGING_ANNOTATION, plan as logging};
pub(crate) use otel::{INIT_CONTAINER as OTEL_CONTAINER, plan as otel};
pub(crate) use profiler::{CONTAINER as PROFILER_CONTAINER, plan as profiler};

use crate::pod::{Edits, Malformed};
use crate::report::shown;
use crate::settings::Options;

/// What an injector knows besides the pod and its rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'c, 'a> {
    /// The options of the policy.
    pub(crate) options: &'c Options<'a>,
    /// The containers that tracing is limited to, where an annotation says so.
    pub(crate) container_names: Option<&'c [String]>,
    /// Whether the pod is meant to end.
    pub(crate) runs_to_completion: bool,
    /// Whether sidecars are added as native ones.
    pub(crate) native_sidecars: bool,
}

/// What an injection is going to do.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) edits: Edits<'a>,
    /// What the person who applied the object should know though it is injected.
    pub(crate) notes: Vec<String>,
}

/// Why an injection is left undone. The message is the reason; [`Skip::advice`] says what to change.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Skip {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the settings have no image for it")]
    NoImage,
    #[error("the annotation {0} is not an image tag")]
    NotATag(&'static str),
    #[error(
        "the annotation {annotation} is not JSON of the form that logfwd reads, line {line} column {column}"
    )]
    NotLogfwdJson { annotation: &'static str, line: usize, column: usize },
    #[error("more than {0} directories would be shared")]
    TooManyDirectories(usize),
    #[error("container {container} takes {variable} from somewhere else")]
    ValueFrom { container: String, variable: &'static str },
    #[error("container {container} sets {variable} twice")]
    SetTwice { container: String, variable: &'static str },
    #[error("container {0} loads the Datadog library already")]
    LoadsDatadog(String),
    #[error("the pod has another volume named {0}")]
    OtherVolume(&'static str),
    #[error("container {container} mounts something else at {path}")]
    OtherMount { container: String, path: String },
    #[error("its init container would run as root, which runAsNonRoot forbids")]
    RunsAsRoot,
    #[error("there is no container to inject into")]
    NoContainer,
}

impl Skip {
    /// What to change, as the end of a sentence.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "correct the pod template",
            Self::NoImage => "add the image to the settings of the policy",
            Self::NotATag(_) => "give a version such as v1.2.3, or leave it empty",
            Self::NotLogfwdJson { .. } => "correct the annotation",
            Self::TooManyDirectories(_) => "collect files of fewer directories",
            Self::ValueFrom { .. } => "set the variable as a plain value",
            Self::SetTwice { .. } => "set it once",
            Self::LoadsDatadog(_) => "choose one of the two",
            Self::OtherVolume(_) => "rename that volume",
            Self::OtherMount { .. } => "mount it elsewhere",
            Self::RunsAsRoot => "set runAsUser in the container's or the pod's securityContext",
            Self::NoContainer => "name a container of the pod in admission.datakit/container-names",
        }
    }
}

/// The name of a container as messages show it.
fn container_name(name: &str) -> String {
    shown(name).to_owned()
}
