//! `policy`: the options of this policy itself.

mod security_context;

use std::borrow::Cow;

use crate::admission::{GroupVersionKind, Workload};
use crate::json::Value;
use crate::reader::one_of;
use crate::reader::{Case, Errors, Path, Section, nearest};
use crate::release::Release;
use crate::rules::quantity::nanos;
use crate::selector::{is_dns_label, is_dns_subdomain};

/// The checked options.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// How sidecars are added.
    pub sidecar_mode: SidecarMode,
    /// Namespaces that are left alone.
    pub ignored_namespaces: Vec<Cow<'a, str>>,
    /// Regular containers that nothing is injected into.
    pub ignored_containers: Vec<Cow<'a, str>>,
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
    /// The release that the configuration is written for, where it is given.
    pub operator_release: Option<Release>,
    /// What tells the record of this policy from that of another.
    pub id: Option<Cow<'a, str>>,
    /// Whether the `id` cannot be read, so that no record can be told from another policy's.
    pub has_unreadable_id: bool,
    /// Whether a pod that meets the Pod Security level `restricted` has to meet it after injection.
    pub pod_security: PodSecurity,
    /// Whether pods carry what was injected, and what was not.
    pub status_annotation: bool,
    /// Whether a pod keeps its quality of service class.
    pub qos_class: QosClass,
    /// Whether the cluster autoscaler may remove a node though pods on it have injected volumes.
    pub safe_to_evict: bool,
    /// The path of an invalid option whose default would be weaker than what was meant: nothing is
    /// injected then.
    pub unsafe_option: Option<String>,
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

impl SidecarMode {
    const NAMES: &[(&str, Self)] =
        &[("auto", Self::Auto), ("container", Self::Container), ("native", Self::Native)];
}

/// What is made of a pod that meets the Pod Security level `restricted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodSecurity {
    /// It still meets the level afterwards.
    #[default]
    Respect,
    /// The level is not looked at.
    Ignore,
}

impl PodSecurity {
    const NAMES: &[(&str, Self)] = &[("respect", Self::Respect), ("ignore", Self::Ignore)];
}

/// What is made of a pod whose quality of service class is `Guaranteed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QosClass {
    /// The class is not looked at.
    #[default]
    Ignore,
    /// Added containers request what they are limited to, so that it keeps the class.
    Preserve,
}

impl QosClass {
    const NAMES: &[(&str, Self)] = &[("ignore", Self::Ignore), ("preserve", Self::Preserve)];
}

/// A kind that holds a pod template, besides those of Kubernetes itself.
#[derive(Clone, Debug)]
pub struct ExtraWorkload<'a> {
    /// The API group.
    pub group: Cow<'a, str>,
    /// The kind.
    pub kind: Cow<'a, str>,
    /// The JSON pointer to the pod template.
    pub template: Cow<'a, str>,
}

/// Namespaces that are left alone where the settings do not say.
pub const IGNORED_NAMESPACES: &[&str] = &["kube-system", "kube-public", "kube-node-lease"];

/// Containers that are left alone where the settings do not say: proxies that service meshes inject.
pub const IGNORED_CONTAINERS: &[&str] = &["istio-proxy", "linkerd-proxy", "kuma-sidecar"];

/// The keys of `policy`.
pub const KEYS: &[&str] = &[
    "sidecar_mode",
    "ignored_namespaces",
    "ignored_containers",
    "extra_workloads",
    "security_context",
    "image_pull_secrets",
    "empty_dir_size_limit",
    "allow_version_annotations",
    "operator_release",
    "id",
    "pod_security",
    "status_annotation",
    "qos_class",
    "safe_to_evict",
];

/// The values of `operator_release`. What release 1.9 changed, this policy does for every release.
const RELEASES: &[(&str, Option<Release>)] = &[
    ("1.5", Some(Release::UpTo1_5)),
    ("1.5.13", Some(Release::Of1_6)),
    ("1.8", Some(Release::Since1_7)),
    ("1.9", Some(Release::Since1_7)),
];

/// The options whose default may be weaker than what was meant.
const UNSAFE: &[&str] = &["security_context", "allow_version_annotations", "pod_security"];

/// The keys of an entry of `extra_workloads`.
pub const EXTRA_WORKLOAD_KEYS: &[&str] = &["group", "kind", "template"];

/// The longest `id`: `admission.datakit/injected.ID` has to stay a qualified name.
const MAX_ID: usize = 20;

/// The most names of secrets, more than anybody configures: each is looked for in the pod. A record
/// that names more cannot be read.
pub(crate) const MAX_SECRETS: usize = 256;

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            sidecar_mode: SidecarMode::Auto,
            ignored_namespaces: owned(IGNORED_NAMESPACES),
            ignored_containers: owned(IGNORED_CONTAINERS),
            extra_workloads: Vec::new(),
            security_context: None,
            image_pull_secrets: Vec::new(),
            empty_dir_size_limit: None,
            allow_version_annotations: true,
            operator_release: None,
            id: None,
            has_unreadable_id: false,
            pod_security: PodSecurity::Respect,
            status_annotation: false,
            qos_class: QosClass::Ignore,
            safe_to_evict: false,
            unsafe_option: None,
        }
    }
}

fn owned<'a>(names: &[&'static str]) -> Vec<Cow<'a, str>> {
    names.iter().map(|&name| name.into()).collect()
}

impl<'a> Options<'a> {
    /// Reads the options. An invalid option never weakens the policy: it keeps its default, and
    /// where the default would be weaker than what was meant, nothing is injected.
    pub fn read(policy: &Value<'a>, errors: &mut Errors) -> Self {
        let path = Path::Key(&Path::Root, "policy");
        let mut options = Self::default();
        let Some(section) = Section::of_value(path, policy, Case::Sensitive, errors) else {
            options.unsafe_option = Some(path.to_string());
            options.has_unreadable_id = true;
            return options;
        };
        section.check_keys(KEYS, errors);
        options.sidecar_mode = one_of(&section, "sidecar_mode", SidecarMode::NAMES, errors);
        names(&section, "ignored_namespaces", &mut options.ignored_namespaces, errors);
        names(&section, "ignored_containers", &mut options.ignored_containers, errors);
        options.extra_workloads = extra_workloads(&section, errors);
        options.image_pull_secrets = image_pull_secrets(&section, errors);
        options.empty_dir_size_limit = empty_dir_size_limit(&section, errors);
        options.operator_release = one_of(&section, "operator_release", RELEASES, errors);
        (options.id, options.has_unreadable_id) = id(&section, errors);
        options.status_annotation = section.boolean("status_annotation", errors);
        options.qos_class = one_of(&section, "qos_class", QosClass::NAMES, errors);
        options.safe_to_evict = section.boolean("safe_to_evict", errors);
        options.read_unsafe(&section, errors);
        options
    }

    /// Reads the options whose default may be weaker than what was meant.
    fn read_unsafe(&mut self, section: &Section<'_, 'a>, errors: &mut Errors) {
        let mut invalid = None;
        let mut check = |key: &str, of_option: Errors| {
            if !of_option.is_empty() && invalid.is_none() {
                invalid = Some(Path::Key(&section.path, key).to_string());
            }
            errors.extend(of_option);
        };
        let mut found = Errors::default();
        self.security_context = security_context::read(section, &mut found);
        check("security_context", std::mem::take(&mut found));
        if section.get("allow_version_annotations").is_some() {
            self.allow_version_annotations =
                section.boolean("allow_version_annotations", &mut found);
        }
        check("allow_version_annotations", std::mem::take(&mut found));
        self.pod_security = one_of(section, "pod_security", PodSecurity::NAMES, &mut found);
        check("pod_security", found);
        // A misspelt option keeps its default as well.
        let misspelt = section.members().find(|(name, _)| {
            !KEYS.contains(&&**name) && nearest(name, KEYS).is_some_and(|it| UNSAFE.contains(&it))
        });
        let misspelt = misspelt.map(|(name, _)| Path::Key(&section.path, &name).to_string());
        let id = self.has_unreadable_id.then(|| Path::Key(&section.path, "id").to_string());
        self.unsafe_option = invalid.or(misspelt).or(id);
    }

    /// Whether a namespace is left alone.
    pub fn is_ignored(&self, namespace: &str) -> bool {
        self.ignored_namespaces.iter().any(|ignored| ignored == namespace)
    }

    /// Where an object of this kind keeps its pod template.
    pub fn workload(&self, kind: &GroupVersionKind) -> Option<Workload> {
        let matches = |extra: &&ExtraWorkload| extra.group == kind.group && extra.kind == kind.kind;
        let extra = self.extra_workloads.iter().find(matches);
        let extra = extra.map(|extra| Workload::with_template_at(&extra.template));
        Workload::built_in(kind).or(extra)
    }
}

/// Reads a list of names into one that holds the defaults. Names that are invalid add the defaults
/// to those that are not.
fn names<'a>(
    section: &Section<'_, 'a>,
    key: &str,
    names: &mut Vec<Cow<'a, str>>,
    errors: &mut Errors,
) {
    if section.get(key).is_none() {
        return;
    }
    let mut of_list = Errors::default();
    let read = section.strings(key, &mut of_list, |_, name, _| Some(name));
    if of_list.is_empty() {
        // An empty list means the default, as everywhere in the settings.
        if !read.is_empty() {
            *names = read;
        }
    } else {
        names.extend(read);
    }
    errors.extend(of_list);
}

fn image_pull_secrets<'a>(section: &Section<'_, 'a>, errors: &mut Errors) -> Vec<Cow<'a, str>> {
    let mut secrets = section.strings("image_pull_secrets", errors, |path, name, errors| {
        let is_name = is_dns_subdomain(&name);
        if !is_name {
            errors.add(path, "is not the name of a secret");
        }
        is_name.then_some(name)
    });
    if secrets.len() > MAX_SECRETS {
        let message = format_args!("lists more than {MAX_SECRETS} names");
        section.error("image_pull_secrets", message, errors);
        secrets.truncate(MAX_SECRETS);
    }
    secrets
}

fn empty_dir_size_limit<'a>(
    section: &Section<'_, 'a>,
    errors: &mut Errors,
) -> Option<Cow<'a, str>> {
    let limit = section.scalar("empty_dir_size_limit", errors).filter(|text| !text.is_empty())?;
    if nanos(&limit).is_none() {
        section.error("empty_dir_size_limit", "is not a quantity, such as `1Gi`", errors);
        return None;
    }
    Some(limit)
}

/// The `id`, and whether there is one that cannot be read.
fn id<'a>(section: &Section<'_, 'a>, errors: &mut Errors) -> (Option<Cow<'a, str>>, bool) {
    let Some(id) = section.string("id", errors) else {
        return (None, section.get("id").is_some());
    };
    if !id.is_empty() && (!is_dns_label(&id) || id.len() > MAX_ID) {
        section.error("id", "is not a DNS label of at most 20 characters", errors);
        return (None, true);
    }
    (Some(id).filter(|id| !id.is_empty()), false)
}

fn extra_workloads<'a>(section: &Section<'_, 'a>, errors: &mut Errors) -> Vec<ExtraWorkload<'a>> {
    let list = Path::Key(&section.path, "extra_workloads");
    let mut workloads = Vec::new();
    for (index, value) in section.list("extra_workloads", errors).iter().enumerate() {
        let path = Path::Index(&list, index);
        let Some(entry) = Section::of_value(path, value, Case::Sensitive, errors) else {
            continue;
        };
        entry.check_keys(EXTRA_WORKLOAD_KEYS, errors);
        let group = entry.string("group", errors).unwrap_or_default();
        let kind = entry.string("kind", errors).filter(|kind| !kind.is_empty());
        let template = entry.string("template", errors).filter(|path| is_json_pointer(path));
        if kind.is_none() {
            entry.error("kind", "is required, such as `Rollout`", errors);
        }
        if template.is_none() {
            let message = "is required: a JSON pointer to a pod template, such as `/spec/template`";
            entry.error("template", message, errors);
        }
        if let (Some(kind), Some(template)) = (kind, template) {
            workloads.push(ExtraWorkload { group, kind, template });
        }
    }
    workloads
}

/// Whether a text is a JSON pointer (RFC 6901) to a part of a document.
fn is_json_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    text.len() > 1 && text.starts_with('/') && escapes.all(|rest| rest.starts_with(['0', '1']))
}
