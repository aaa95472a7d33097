//! `policy`: the options of this policy itself.

use std::borrow::Cow;

use super::quantity;
use super::reader::{Block, Case, Faults, Path, did_you_mean, expected};
use crate::admission::{Kind, Workload};
use crate::json::Value;
use crate::selector::is_dns_subdomain;

/// The checked options.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// How sidecars are added.
    pub sidecar_mode: SidecarMode,
    /// Namespaces that are left alone.
    pub ignored_namespaces: Vec<Cow<'a, str>>,
    /// Other kinds that hold a pod template.
    pub extra_workloads: Vec<ExtraWorkload<'a>>,
    /// The `securityContext` of the injected init containers and of logfwd, as JSON.
    pub security_context: Option<Cow<'a, str>>,
    /// Names to append to the `imagePullSecrets` of pods that something was injected into.
    pub image_pull_secrets: Vec<Cow<'a, str>>,
    /// The `sizeLimit` of injected emptyDirs.
    pub empty_dir_size_limit: Option<Cow<'a, str>>,
    /// Whether an annotation may choose the tag of an injected image.
    pub allow_version_annotations: bool,
}

/// How sidecars are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SidecarMode {
    /// As native sidecars to pods that run to completion, else as containers.
    #[default]
    Auto,
    /// Always as containers.
    Container,
    /// Always as native sidecars.
    Native,
}

/// A kind that holds a pod template, besides those of Kubernetes itself.
#[derive(Clone, Debug)]
pub struct ExtraWorkload<'a> {
    group: Cow<'a, str>,
    kind: Cow<'a, str>,
    template: Cow<'a, str>,
}

/// Namespaces that are left alone where the settings do not say.
pub const IGNORED_NAMESPACES: &[&str] = &["kube-system", "kube-public", "kube-node-lease"];

/// The keys of `policy`.
pub(crate) const KEYS: &[&str] = &[
    "sidecar_mode",
    "ignored_namespaces",
    "extra_workloads",
    "security_context",
    "image_pull_secrets",
    "empty_dir_size_limit",
    "allow_version_annotations",
];

/// The keys of an entry of `extra_workloads`.
pub(crate) const EXTRA_WORKLOAD_KEYS: &[&str] = &["group", "kind", "template"];

/// The values of `sidecar_mode`.
pub(crate) const SIDECAR_MODES: &[&str] = &["auto", "container", "native"];

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            sidecar_mode: SidecarMode::Auto,
            ignored_namespaces: IGNORED_NAMESPACES.iter().map(|&name| name.into()).collect(),
            extra_workloads: Vec::new(),
            security_context: None,
            image_pull_secrets: Vec::new(),
            empty_dir_size_limit: None,
            allow_version_annotations: true,
        }
    }
}

impl<'a> Options<'a> {
    /// Reads the options. What has a fault keeps its default.
    pub(crate) fn read(block: &Block<'_, 'a>, faults: &mut Faults) -> Self {
        let mut options = Self::default();
        block.check_keys(KEYS, faults);
        options.sidecar_mode = match block.string("sidecar_mode", faults).as_deref() {
            None | Some("auto") => SidecarMode::Auto,
            Some("container") => SidecarMode::Container,
            Some("native") => SidecarMode::Native,
            Some(other) => {
                let hint = did_you_mean(other, SIDECAR_MODES);
                block.fault("sidecar_mode", format_args!("unknown mode `{other}`{hint}"), faults);
                SidecarMode::Auto
            }
        };
        if block.get("ignored_namespaces").is_some() {
            options.ignored_namespaces =
                block.strings("ignored_namespaces", faults, |_, name, _| Some(name));
        }
        options.extra_workloads = extra_workloads(block, faults);
        options.security_context = security_context(block, faults);
        options.image_pull_secrets =
            block.strings("image_pull_secrets", faults, |path, name, faults| {
                let is_name = is_dns_subdomain(&name);
                if !is_name {
                    faults.add(path, "is not the name of a secret");
                }
                is_name.then_some(name)
            });
        options.empty_dir_size_limit = block.scalar("empty_dir_size_limit", faults);
        if options.empty_dir_size_limit.as_deref().is_some_and(|q| quantity::nanos(q).is_none()) {
            block.fault("empty_dir_size_limit", "is not a quantity, such as `1Gi`", faults);
            options.empty_dir_size_limit = None;
        }
        if block.get("allow_version_annotations").is_some() {
            options.allow_version_annotations = block.boolean("allow_version_annotations", faults);
        }
        options
    }

    /// Where an object of this kind keeps its pod template.
    pub fn workload(&self, kind: &Kind) -> Option<Workload> {
        let matches = |extra: &&ExtraWorkload| extra.group == kind.group && extra.kind == kind.kind;
        let extra = self.extra_workloads.iter().find(matches);
        let extra = extra.map(|extra| Workload::with_template_at(&extra.template));
        Workload::built_in(kind).or(extra)
    }
}

fn extra_workloads<'a>(block: &Block<'_, 'a>, faults: &mut Faults) -> Vec<ExtraWorkload<'a>> {
    let list = Path::Key(&block.path, "extra_workloads");
    let mut workloads = Vec::new();
    for (index, value) in block.list("extra_workloads", faults).iter().enumerate() {
        let path = Path::Index(&list, index);
        let Some(entry) = Block::of_value(path, value, Case::Sensitive, faults) else {
            continue;
        };
        entry.check_keys(EXTRA_WORKLOAD_KEYS, faults);
        let group = entry.string("group", faults).unwrap_or_default();
        let kind = entry.string("kind", faults).filter(|kind| !kind.is_empty());
        let template = entry.string("template", faults).filter(|path| path.starts_with('/'));
        if kind.is_none() {
            entry.fault("kind", "is needed, such as `Rollout`", faults);
        }
        if template.is_none() {
            let message = "is needed: a JSON pointer to a pod template, such as `/spec/template`";
            entry.fault("template", message, faults);
        }
        if let (Some(kind), Some(template)) = (kind, template) {
            workloads.push(ExtraWorkload { group, kind, template });
        }
    }
    workloads
}

/// The fields of a container's `securityContext`, with their JSON types.
const SECURITY_CONTEXT: &[(&str, &str)] = &[
    ("allowPrivilegeEscalation", "a boolean"),
    ("appArmorProfile", "an object"),
    ("capabilities", "an object"),
    ("privileged", "a boolean"),
    ("procMount", "a string"),
    ("readOnlyRootFilesystem", "a boolean"),
    ("runAsGroup", "a number"),
    ("runAsNonRoot", "a boolean"),
    ("runAsUser", "a number"),
    ("seLinuxOptions", "an object"),
    ("seccompProfile", "an object"),
    ("windowsOptions", "an object"),
];

fn security_context<'a>(block: &Block<'_, 'a>, faults: &mut Faults) -> Option<Cow<'a, str>> {
    let context = block.block("security_context", Case::Sensitive, faults)?;
    let known: Vec<&str> = SECURITY_CONTEXT.iter().map(|&(name, _)| name).collect();
    context.check_keys(&known, faults);
    for (name, noun) in SECURITY_CONTEXT {
        if let Some(value) = context.get(name)
            && value.type_name() != *noun
        {
            expected(&Path::Key(&context.path, name), noun, value, faults);
            return None;
        }
    }
    let mut text = String::new();
    block.get("security_context").map_or(&Value::Text("null"), |value| value).write(&mut text);
    Some(text.into())
}
