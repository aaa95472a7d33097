//! The level `restricted` of the Pod Security Standards, judged on a pod's own fields.
//!
//! The controls are those of <https://kubernetes.io/docs/concepts/security/pod-security-standards/>,
//! in its order: the level `baseline` first, then what `restricted` adds. A namespace may pin the
//! version of the level, and what a version takes changes. The policy does not see the namespace, so
//! a pod meets the level where any version since 1.29 takes it: what is added then does no harm
//! elsewhere, while without it the pod could be refused.

use super::{Pod, annotations_of};
use crate::json::{Object, Shape, Value};
use crate::pod::container::Container;
use crate::pod::lists::elements;

static LIST: Shape = Shape::Array(&Shape::Object(&[]));

/// Types of SELinux, each with the first version that takes it.
const SELINUX_TYPES: &[(&str, u8)] = &[
    ("", 0),
    ("container_t", 0),
    ("container_init_t", 0),
    ("container_kvm_t", 0),
    ("container_engine_t", 31),
];

/// Kernel parameters, each with the first version that takes it.
const SYSCTLS: &[(&str, u8)] = &[
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

const VOLUME_TYPES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The first version that forbids hosts in probes and lifecycle hooks.
const FORBIDS_HOSTS: u8 = 34;

/// The first version that lets pods in a user namespace run as any user.
const LETS_USERS: u8 = 35;

/// The minor versions of the level that take a pod.
struct Versions {
    from: u8,
    before: u8,
}

impl Versions {
    fn since(&mut self, version: u8) {
        self.from = self.from.max(version);
    }

    fn are_none(&self) -> bool {
        self.from >= self.before
    }
}

/// Whether a pod meets the level `restricted`, but for containers that are not looked at.
pub(crate) fn meets_restricted(pod: &Pod, is_looked_at: impl Fn(&Container) -> bool) -> bool {
    let containers = || {
        let containers = pod.all_containers().map(|(_, container)| container);
        containers.filter(|container| is_looked_at(container))
    };
    // What nearly every other pod lacks comes first.
    let contexts: Option<Vec<Object>> =
        containers().map(|container| container.object("securityContext")).collect();
    let Some(contexts) = contexts.filter(|contexts| !contexts.is_empty()) else {
        return false;
    };
    let of_pod = pod.spec_object("securityContext").unwrap_or_default();
    let mut versions = Versions { from: 29, before: u8::MAX };
    if !runs_as_user(&of_pod, &contexts) {
        if !is_false_member(pod.spec(), "hostUsers") {
            return false;
        }
        versions.since(LETS_USERS);
    }
    if containers().any(names_host) {
        versions.before = FORBIDS_HOSTS;
    }
    contexts.iter().all(|context| container_context_meets(context, &of_pod, &mut versions))
        && pod_context_meets(&of_pod, &mut versions)
        && ["hostNetwork", "hostPID", "hostIPC"].iter().all(|name| !pod.is_set(name))
        && !containers().any(has_host_port)
        && pod.volumes.iter().all(|volume| volume_meets(&volume.value))
        && app_armor_annotations_meet(pod)
        && !versions.are_none()
}

fn is_false_member(object: Option<&Object>, name: &str) -> bool {
    object.is_some_and(|object| is_false(object, name))
}

/// Whether a volume has a source that is allowed, or none, which makes it an emptyDir.
fn volume_meets(volume: &Value) -> bool {
    let members = volume.as_object().into_iter().flat_map(Object::iter);
    let mut sources = members
        .filter(|(key, value)| !key.is("name") && !value.is_null())
        .map(|(key, _)| key.name().is_some_and(|key| VOLUME_TYPES.contains(&&*key)))
        .peekable();
    sources.peek().is_none() || sources.any(|is_allowed| is_allowed)
}

/// The controls on who runs: nobody as root, and every container says so, or its pod does.
fn runs_as_user(of_pod: &Object, contexts: &[Object]) -> bool {
    let of_pod_is = boolean(of_pod, "runAsNonRoot");
    of_pod_is != Some(false)
        && !is_zero(of_pod, "runAsUser")
        && contexts.iter().all(|context| {
            boolean(context, "runAsNonRoot").or(of_pod_is) == Some(true)
                && !is_zero(context, "runAsUser")
        })
}

/// The controls on the security context of a container, some of which the pod's may meet for it.
fn container_context_meets(context: &Object, of_pod: &Object, versions: &mut Versions) -> bool {
    let capabilities = object(context, "capabilities").unwrap_or_default();
    let added = strings(&capabilities, "add");
    let dropped = strings(&capabilities, "drop");
    !is_true(context, "privileged")
        && is_false(context, "allowPrivilegeEscalation")
        && added.iter().all(|name| name == "NET_BIND_SERVICE")
        && dropped.iter().any(|name| name == "ALL")
        && text(context, "procMount").is_none_or(|kind| matches!(&*kind, "" | "Default"))
        && seccomp_meets(context).or_else(|| seccomp_meets(of_pod)).unwrap_or(false)
        && shared_controls_meet(context, versions)
}

/// The controls on the security context of the pod.
fn pod_context_meets(context: &Object, versions: &mut Versions) -> bool {
    // The containers decide what the pod leaves open, but the pod must not say otherwise.
    seccomp_meets(context) != Some(false)
        && shared_controls_meet(context, versions)
        && list(context, "sysctls").iter().all(|sysctl| {
            let name = sysctl.as_object().and_then(|sysctl| sysctl.get_str("name"));
            name.is_some_and(|name| is_taken(&name, SYSCTLS, versions))
        })
}

/// Whether a name is one that some version takes; the version counts.
fn is_taken(name: &str, names: &[(&str, u8)], versions: &mut Versions) -> bool {
    let since = names.iter().find(|(known, _)| *known == name).map(|(_, since)| *since);
    versions.since(since.unwrap_or_default());
    since.is_some()
}

/// The controls that are the same for pods and containers.
fn shared_controls_meet(context: &Object, versions: &mut Versions) -> bool {
    let se_linux = object(context, "seLinuxOptions").unwrap_or_default();
    let is_empty = |name| text(&se_linux, name).is_none_or(|value| value.is_empty());
    let host_process = object(context, "windowsOptions").unwrap_or_default();
    let profile = object(context, "appArmorProfile").and_then(|profile| profile.get_str("type"));
    text(&se_linux, "type").is_none_or(|kind| is_taken(&kind, SELINUX_TYPES, versions))
        && is_empty("user")
        && is_empty("role")
        && !is_true(&host_process, "hostProcess")
        && profile.is_none_or(|profile| matches!(&*profile, "RuntimeDefault" | "Localhost"))
}

/// Whether a seccomp profile is one that is allowed; nothing where there is none.
fn seccomp_meets(context: &Object) -> Option<bool> {
    let profile = object(context, "seccompProfile")?;
    Some(matches!(profile.get_str("type").as_deref(), Some("RuntimeDefault" | "Localhost")))
}

fn has_host_port(container: &Container) -> bool {
    list(&container.body, "ports").iter().any(|port| {
        let port = port.as_object().and_then(|port| port.get("hostPort"));
        port.is_some_and(|port| !port.is_null() && port.as_text().is_some_and(|text| text != "0"))
    })
}

/// Whether a probe or a lifecycle hook of a container names a host.
fn names_host(container: &Container) -> bool {
    let probes = ["livenessProbe", "readinessProbe", "startupProbe"].into_iter();
    let lifecycle = object(&container.body, "lifecycle").unwrap_or_default();
    let hooks = ["postStart", "preStop"].into_iter();
    let mut handlers = probes
        .filter_map(|name| object(&container.body, name))
        .chain(hooks.filter_map(|name| object(&lifecycle, name)));
    handlers.any(|handler| {
        ["httpGet", "tcpSocket"].into_iter().any(|action| {
            let host = object(&handler, action).and_then(|action| action.get_str("host"));
            host.is_some_and(|host| !host.is_empty())
        })
    })
}

/// The annotations that chose an AppArmor profile before Kubernetes 1.30.
fn app_armor_annotations_meet(pod: &Pod) -> bool {
    annotations_of(pod.template).into_iter().flat_map(Object::iter).all(|(key, value)| {
        let key = key.name().unwrap_or_default();
        !key.starts_with("container.apparmor.security.beta.kubernetes.io/")
            || value.as_str().is_some_and(|profile| {
                profile.is_empty()
                    || profile == "runtime/default"
                    || profile.starts_with("localhost/")
            })
    })
}

fn object<'a>(object: &Object<'a>, name: &str) -> Option<Object<'a>> {
    let value = object.get(name)?;
    match value {
        Value::Object(object) => Some(object.clone()),
        _ => Object::parse(value.as_text()?),
    }
}

fn list<'a>(object: &Object<'a>, name: &str) -> Vec<Value<'a>> {
    elements(object.get(name), &LIST)
}

fn strings(object: &Object, name: &str) -> Vec<String> {
    let strings = list(object, name).into_iter();
    strings.map(|value| value.as_str().unwrap_or_default().into_owned()).collect()
}

fn text(object: &Object, name: &str) -> Option<String> {
    object.get_str(name).map(Into::into)
}

fn boolean(object: &Object, name: &str) -> Option<bool> {
    match object.get(name)?.as_text()? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn is_true(object: &Object, name: &str) -> bool {
    boolean(object, name) == Some(true)
}

fn is_false(object: &Object, name: &str) -> bool {
    boolean(object, name) == Some(false)
}

/// Whether a number is zero, however it is written.
pub(crate) fn is_zero(object: &Object, name: &str) -> bool {
    let number = object.get(name).and_then(Value::as_text).filter(|text| *text != "null");
    number.is_some_and(|number| number.trim_start_matches(['-', '0', '.']).is_empty())
}
