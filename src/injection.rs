//! The injections: each is defined in its own file; [`ALL`] lists them.
//!
//! Settings, selection, reports, the JSON Schema and the documents read this table. An injection
//! plans from a pod and a rule; it changes nothing itself.

mod ddtrace;
mod flameshot;
mod logfwd;
mod logging;
mod otel;
mod parts;
mod profiler;
mod share;
mod tracing;

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

pub(crate) use parts::{RestrictedContext, own_containers};
pub(crate) use tracing::Agent;

use crate::pod::{Edits, Malformed, Pod};
use crate::reader::{Block, Errors};
use crate::report::InjectionName;
use crate::rule::{ImageReference, Rule};
use crate::settings::Options;

/// Every injection, in the order of the reference: each sees what the earlier ones added.
pub static ALL: &[&Injection] = &[
    &ddtrace::INJECTION,
    &otel::INJECTION,
    &logfwd::INJECTION,
    &flameshot::INJECTION,
    &profiler::INJECTION,
    &logging::INJECTION,
];

/// What an injection is.
#[derive(Debug)]
pub struct Injection {
    /// The name in reports and opt-outs.
    pub name: &'static str,
    /// The block in `admission_inject`, where it has one.
    pub block: Option<&'static str>,
    /// The keys of that block, besides those of every block.
    pub block_keys: &'static [&'static str],
    /// Whether the added container has resources where a block of release 1.5 gives none.
    pub(crate) block_has_default_resources: bool,
    /// The only language of that block that releases since 1.7 read; nothing where they read all.
    pub(crate) block_language_v1_8: Option<&'static str>,
    /// The list of rules: its block and its key.
    pub list: (&'static str, &'static str),
    /// The keys of a rule, besides those of every rule.
    pub keys: &'static [&'static str],
    /// What it injects: one for each language, or a single one.
    pub variants: &'static [Variant],
    /// The container that it adds; where that is there, the injection is done.
    pub container: Option<&'static str>,
    /// Whether that container stays beside the user's.
    pub(crate) is_sidecar: bool,
    /// A container of another injection beside which it is skipped without a word.
    pub(crate) gives_way_to: Option<&'static str>,
    /// Another injection, beside whose rules its own are not considered.
    pub(crate) not_beside: Option<&'static Injection>,
    /// An annotation of the pod template that it adds, and that keeps it away where it is there.
    pub(crate) sets_annotation: Option<&'static str>,
    /// Whether the first rule whose selectors match ends the search, even if it does nothing: that
    /// is how users of the reference write exclusions.
    pub(crate) first_match_decides: bool,
    /// Whether the annotation's value counts also where the rule does not require it.
    pub(crate) reads_annotation_always: bool,
    /// Whether it needs capabilities that the Pod Security level `restricted` forbids.
    pub(crate) needs_capabilities: bool,
    /// A list key whose empty value switches a rule off.
    pub(crate) off_where_empty: Option<&'static str>,
    /// The volumes that it may add: names, to which `-datakit` may be appended, or beginnings before
    /// a number.
    pub(crate) volumes: &'static [&'static str],
    /// The annotations that it may add to the pod template.
    pub(crate) annotations: &'static [&'static str],
}

/// What an injection does in one language.
pub struct Variant {
    /// The language, where the injection has languages.
    pub language: Option<&'static str>,
    /// Other names of the language in settings.
    pub aliases: &'static [&'static str],
    /// The key of its image in a block of `admission_inject`.
    pub image_key: Option<&'static str>,
    /// The annotations that ask for it, or say more.
    pub annotations: &'static [&'static str],
    /// Whether the annotation alone asks for it in `admission_inject`.
    pub asks_in_block: bool,
    /// The agent that it makes containers load, where it is one.
    pub(crate) agent: Option<&'static Agent>,
    /// Reads what is its own in a rule.
    pub(crate) read: for<'a> fn(Source<'_, 'a>, &mut Errors) -> Option<Box<dyn Planner<'a> + 'a>>,
}

impl fmt::Debug for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_struct("Variant").field("language", &self.language).finish_non_exhaustive()
    }
}

/// A rule as a variant reads it.
#[derive(Clone, Copy)]
pub(crate) struct Source<'b, 'a> {
    pub(crate) block: &'b Block<'b, 'a>,
    /// The part that every rule has.
    pub(crate) rule: &'b Rule<'a>,
    pub(crate) variant: &'static Variant,
    /// Whether the Operator reads the rule as its releases since 1.7 do.
    pub(crate) is_v2: bool,
}

/// Plans an injection.
pub(crate) trait Planner<'a>: fmt::Debug {
    fn plan(&self, pod: &Pod<'_, 'a>, ask: &Ask<'_, 'a>) -> Result<Plan<'a>, Skip>;
}

/// What an injection is planned from, besides the pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'r, 'a> {
    pub(crate) injection: &'static Injection,
    pub(crate) variant: &'static Variant,
    pub(crate) rule: &'r Rule<'a>,
    /// The value of the annotation, where it counts.
    pub(crate) annotation: Option<&'r str>,
    pub(crate) context: &'r Context<'r, 'a>,
}

/// What is the same for all injections into a pod.
#[derive(Debug)]
pub(crate) struct Context<'r, 'a> {
    pub(crate) options: &'r Options<'a>,
    /// The containers that tracing is limited to, where an annotation names them.
    pub(crate) container_names: Option<BTreeSet<String>>,
    /// The volumes that a StatefulSet claims for each of its pods, in place of any other.
    pub(crate) claims: BTreeSet<String>,
    /// Whether the pod is meant to end.
    pub(crate) runs_to_completion: bool,
    /// Whether sidecars are added as native ones.
    pub(crate) native_sidecars: bool,
    /// What added containers need, where the pod meets the Pod Security level `restricted`.
    pub(crate) restricted: Option<RestrictedContext>,
}

/// What an injection is going to do.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) edits: Edits<'a>,
    /// What the person who applied the object should know though it is injected.
    pub(crate) notes: Vec<String>,
}

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
    ValueFrom { container: Container, variable: &'static str },
    #[error("container {container} sets {variable} twice")]
    SetTwice { container: Container, variable: &'static str },
    #[error("container {0} already loads the Datadog library")]
    LoadsDatadog(Container),
    #[error("the pod has another volume named {0}")]
    OtherVolume(String),
    #[error("container {container} mounts another volume at {path}")]
    OtherMount { container: Container, path: &'static str },
    #[error("its init container would run as root, which runAsNonRoot forbids")]
    RunsAsRoot,
    #[error("no container matches")]
    NoContainer,
    #[error("the pod has no container to inject into")]
    EmptyPod,
    #[error("the pod runs on Windows")]
    Windows,
    #[error("it needs capabilities that Pod Security level `restricted` forbids")]
    Restricted,
    #[error("an image cannot do without the directory in {0}")]
    EssentialDirectory(&'static str),
    #[error("the port in {0} is in use on the host network")]
    HostPort(&'static str),
    #[error("the annotations of the object would exceed 200 KiB")]
    TooLarge,
    #[error("the object's own metadata is malformed")]
    MetadataMalformed,
}

impl Skip {
    /// What to change, as the end of a sentence.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "correct the pod template",
            Self::NoImage(_) => "add the image to the settings of the policy",
            Self::NotATag(_) => "use a version such as v1.2.3, or leave it empty",
            Self::NotLogfwdJson { .. } => "correct the annotation",
            Self::TooManyDirectories(_) | Self::TooManyMounts(_) => {
                "collect files of fewer directories"
            }
            Self::ValueFrom { .. } => "use a literal value",
            Self::SetTwice { .. } => "set it once",
            Self::LoadsDatadog(_) => "use one of the two",
            Self::OtherVolume(_) => "rename that volume",
            Self::OtherMount { .. } => "mount it elsewhere",
            Self::RunsAsRoot => "set runAsUser in the container's or the pod's securityContext",
            Self::NoContainer => "name a container of the pod in admission.datakit/container-names",
            Self::EmptyPod => "add a container that is not in policy.ignored_containers",
            Self::Windows => "opt out with admission.datakit/enabled: \"false\"",
            Self::Restricted => "relax the pod, or set policy.pod_security to `ignore`",
            Self::EssentialDirectory(_) => "choose another directory in the rule",
            Self::HostPort(_) => "choose another port in the rule",
            Self::TooLarge => "remove annotations",
            Self::MetadataMalformed => "correct the metadata of the object",
        }
    }
}

/// The name of a container as messages show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container(String);

impl Container {
    pub(crate) fn new(name: &str) -> Self {
        Self(crate::report::shown(name).to_owned())
    }
}

impl fmt::Display for Container {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "`{}`", self.0)
    }
}

impl Injection {
    /// The name of this injection, with a language where it is known.
    pub fn name(&self, variant: Option<&Variant>) -> InjectionName {
        InjectionName { injection: self.name, language: variant.and_then(|it| it.language) }
    }

    /// The variant of a language, which has another name in some settings.
    pub(crate) fn variant(&self, language: &str) -> Option<&'static Variant> {
        let is_named = |variant: &&Variant| {
            variant.language == Some(language) || variant.aliases.contains(&language)
        };
        self.variants.iter().find(is_named)
    }

    /// The languages, where it has any.
    pub fn languages(&self) -> Vec<&'static str> {
        self.variants.iter().filter_map(|variant| variant.language).collect()
    }

    /// The annotation that opts out of it; none where the Operator has none.
    pub fn opt_out(&self) -> Option<String> {
        self.sets_annotation.is_none().then(|| format!("admission.datakit/{}.enabled", self.name))
    }
}

impl PartialEq for Injection {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What is common to most injections; each one states the rest.
const COMMON: Injection = Injection {
    name: "",
    block: None,
    block_keys: &[],
    block_has_default_resources: true,
    block_language_v1_8: None,
    list: ("admission_inject_v2", ""),
    keys: &[],
    variants: &[],
    container: None,
    is_sidecar: true,
    gives_way_to: None,
    not_beside: None,
    sets_annotation: None,
    first_match_decides: false,
    reads_annotation_always: false,
    needs_capabilities: false,
    off_where_empty: None,
    volumes: &[],
    annotations: &[],
};

impl Ask<'_, '_> {
    /// The image of the rule, with the version of the annotation in its tag.
    fn image(&self) -> Result<ImageReference, Skip> {
        let name = self.injection.name(Some(self.variant));
        let image = self.rule.image.as_ref().ok_or(Skip::NoImage(name))?;
        match self.annotation {
            Some(version)
                if !version.is_empty() && self.context.options.allow_version_annotations =>
            {
                let annotation = self.variant.annotations.first().copied().unwrap_or_default();
                image.with_tag(version).map_err(|_| Skip::NotATag(annotation))
            }
            _ => Ok(image.clone()),
        }
    }
}
