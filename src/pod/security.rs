//! The level `restricted` of the Pod Security Standards, judged on a pod's own fields.
//!
//! The controls are those of <https://kubernetes.io/docs/concepts/security/pod-security-standards/>,
//! in its order: the level `baseline` first, then what `restricted` adds.

use super::Pod;
use crate::json::{Object, Shape, Value};
use crate::pod::container::Container;

static OBJECT: Shape = Shape::Object(&[]);
static LIST: Shape = Shape::Array(&Shape::Object(&[]));

const SELINUX_TYPES: &[&str] =
    &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

const SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

const VOLUME_TYPES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Whether a pod meets the level `restricted`, but for containers that are not looked at.
pub(crate) fn meets_restricted(pod: &Pod, is_looked_at: impl Fn(&Container) -> bool) -> bool {
    let containers = || {
        let containers = pod.all_containers().map(|(_, container)| container);
        containers.filter(|container| is_looked_at(container))
    };
    // What nearly every other pod lacks comes first.
    let contexts: Option<Vec<Object>> =
        containers().map(|container| container.object("securityContext")).collect();
    let Some(contexts) = contexts else {
        return false;
    };
    let of_pod = pod.spec_object("securityContext").unwrap_or_default();
    let has_container = !contexts.is_empty();
    has_container
        && contexts.iter().all(|context| container_context_meets(context, &of_pod))
        && pod_context_meets(&of_pod)
        && ["hostNetwork", "hostPID", "hostIPC"].iter().all(|name| !pod.is_set(name))
        && containers().all(container_meets)
        && pod.volumes.iter().all(|volume| {
            let members = volume.value.as_object().into_iter().flat_map(Object::iter);
            let mut sources = members.filter(|(_, value)| !value.is_null());
            sources.all(|(key, _)| {
                key.name().is_some_and(|key| key == "name" || VOLUME_TYPES.contains(&&*key))
            })
        })
        && app_armor_annotations_meet(pod)
        && pod.spec().is_none_or(|spec| {
            spec.get("ephemeralContainers").is_none_or(|list| list.is_null() || is_empty_list(list))
        })
}

fn is_empty_list(value: &Value) -> bool {
    value.as_text().is_some_and(|text| crate::json::compact(text) == "[]")
}

/// The controls on the security context of a container, some of which the pod's may meet for it.
fn container_context_meets(context: &Object, of_pod: &Object) -> bool {
    let capabilities = object(context, "capabilities").unwrap_or_default();
    let added = strings(&capabilities, "add");
    let dropped = strings(&capabilities, "drop");
    !is_true(context, "privileged")
        && is_false(context, "allowPrivilegeEscalation")
        && added.iter().all(|name| name == "NET_BIND_SERVICE")
        && dropped.iter().any(|name| name == "ALL")
        && text(context, "procMount").is_none_or(|kind| matches!(&*kind, "" | "Default"))
        && match boolean(context, "runAsNonRoot") {
            None => is_true(of_pod, "runAsNonRoot"),
            Some(runs_as_non_root) => runs_as_non_root,
        }
        && seccomp_meets(context).or_else(|| seccomp_meets(of_pod)).unwrap_or(false)
        && shared_controls_meet(context)
}

/// The controls on the security context of the pod.
fn pod_context_meets(context: &Object) -> bool {
    // The containers decide what the pod leaves open, but the pod must not say otherwise.
    boolean(context, "runAsNonRoot") != Some(false)
        && seccomp_meets(context) != Some(false)
        && shared_controls_meet(context)
        && list(context, "sysctls").iter().all(|sysctl| {
            let name = sysctl.as_object().and_then(|sysctl| sysctl.get_str("name"));
            name.is_some_and(|name| SYSCTLS.contains(&&*name))
        })
}

/// The controls that are the same for pods and containers.
fn shared_controls_meet(context: &Object) -> bool {
    let se_linux = object(context, "seLinuxOptions").unwrap_or_default();
    let is_empty = |name| text(&se_linux, name).is_none_or(|value| value.is_empty());
    let host_process = object(context, "windowsOptions").unwrap_or_default();
    let profile = object(context, "appArmorProfile").and_then(|profile| profile.get_str("type"));
    text(&se_linux, "type").is_none_or(|kind| SELINUX_TYPES.contains(&&*kind))
        && is_empty("user")
        && is_empty("role")
        && !is_true(&host_process, "hostProcess")
        && profile.is_none_or(|profile| matches!(&*profile, "RuntimeDefault" | "Localhost"))
        && !is_zero(context, "runAsUser")
}

/// Whether a seccomp profile is one that is allowed; nothing where there is none.
fn seccomp_meets(context: &Object) -> Option<bool> {
    let profile = object(context, "seccompProfile")?;
    Some(matches!(profile.get_str("type").as_deref(), Some("RuntimeDefault" | "Localhost")))
}

/// The controls on the rest of a container: host ports, and hosts of probes and lifecycle hooks.
fn container_meets(container: &Container) -> bool {
    let ports = list(&container.body, "ports");
    let has_host_port = |port: &Value| {
        let port = port.as_object();
        port.and_then(|port| port.get("hostPort")).is_some_and(|value| {
            !value.is_null() && value.as_text().is_some_and(|text| text != "0")
        })
    };
    let names_host = |handler: &Object| {
        ["httpGet", "tcpSocket"].into_iter().any(|action| {
            let host = object(handler, action).and_then(|action| action.get_str("host"));
            host.is_some_and(|host| !host.is_empty())
        })
    };
    let probes = ["livenessProbe", "readinessProbe", "startupProbe"].into_iter();
    let lifecycle = object(&container.body, "lifecycle").unwrap_or_default();
    let hooks = ["postStart", "preStop"].into_iter();
    let mut handlers = probes
        .filter_map(|name| object(&container.body, name))
        .chain(hooks.filter_map(|name| object(&lifecycle, name)));
    !ports.iter().any(has_host_port) && !handlers.any(|handler| names_host(&handler))
}

/// The annotations that chose an AppArmor profile before Kubernetes 1.30.
fn app_armor_annotations_meet(pod: &Pod) -> bool {
    let metadata = pod.template.get("metadata").and_then(Value::as_object);
    let annotations = metadata.and_then(|metadata| metadata.get("annotations")?.as_object());
    annotations.into_iter().flat_map(Object::iter).all(|(key, value)| {
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
        _ => Value::open(value.as_text()?, &OBJECT).ok()?.as_object().cloned(),
    }
}

fn list<'a>(object: &Object<'a>, name: &str) -> Vec<Value<'a>> {
    let opened = object.get(name).and_then(Value::as_text).map(|text| Value::open(text, &LIST));
    match opened {
        Some(Ok(Value::Array(elements))) => elements,
        _ => Vec::new(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &str = r#"{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},
        "runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}}"#;

    fn meets(template: &str) -> bool {
        static TEMPLATE: Shape =
            Shape::Object(&[("metadata", Shape::Object(&[("annotations", Shape::Object(&[]))]))]);
        let mut value = Value::open(template, &TEMPLATE).unwrap();
        meets_restricted(&Pod::open(value.as_object_mut().unwrap()).unwrap(), |_| true)
    }

    /// A pod that meets the level, with members added to its container's context, the container, its
    /// specification and its metadata.
    fn with(context: &str, container: &str, spec: &str, metadata: &str) -> String {
        let context = CONTEXT.replacen('{', &format!("{{{context}"), 1);
        format!(
            r#"{{"metadata":{{{metadata}}},"spec":{{{spec}
                "containers":[{{"name":"app","securityContext":{context}{container}}}]}}}}"#
        )
    }

    #[test]
    fn judges_every_control() {
        assert!(meets(&with("", "", "", "")));
        for (context, container, spec, metadata, expected, control) in [
            ("", "", r#""hostNetwork":true,"#, "", false, "host namespaces"),
            ("", "", r#""hostPID":true,"#, "", false, "host namespaces"),
            ("", "", r#""hostIPC":true,"#, "", false, "host namespaces"),
            ("", "", r#""hostIPC":false,"#, "", true, "host namespaces"),
            (r#""windowsOptions":{"hostProcess":true},"#, "", "", "", false, "HostProcess"),
            (r#""privileged":true,"#, "", "", "", false, "privileged"),
            (r#""privileged":false,"#, "", "", "", true, "privileged"),
            ("", "", r#""volumes":[{"name":"a","hostPath":{"path":"/"}}],"#, "", false, "volumes"),
            ("", "", r#""volumes":[{"name":"a","nfs":{}}],"#, "", false, "volumes"),
            ("", "", r#""volumes":[{"name":"a","emptyDir":{},"nfs":null}],"#, "", true, "volumes"),
            ("", r#","ports":[{"containerPort":80,"hostPort":80}]"#, "", "", false, "host ports"),
            ("", r#","ports":[{"containerPort":80,"hostPort":0}]"#, "", "", true, "host ports"),
            ("", r#","livenessProbe":{"httpGet":{"host":"x"}}"#, "", "", false, "host probes"),
            ("", r#","lifecycle":{"preStop":{"tcpSocket":{"host":"x"}}}"#, "", "", false, "hooks"),
            ("", r#","livenessProbe":{"httpGet":{"port":80}}"#, "", "", true, "host probes"),
            (r#""appArmorProfile":{"type":"Unconfined"},"#, "", "", "", false, "AppArmor"),
            (r#""appArmorProfile":{"type":"Localhost"},"#, "", "", "", true, "AppArmor"),
            (
                "",
                "",
                "",
                r#""annotations":{"container.apparmor.security.beta.kubernetes.io/app":"unconfined"}"#,
                false,
                "AppArmor",
            ),
            (r#""seLinuxOptions":{"type":"spc_t"},"#, "", "", "", false, "SELinux"),
            (r#""seLinuxOptions":{"user":"u"},"#, "", "", "", false, "SELinux"),
            (
                r#""seLinuxOptions":{"type":"container_t","level":"s0"},"#,
                "",
                "",
                "",
                true,
                "SELinux",
            ),
            (r#""procMount":"Unmasked","#, "", "", "", false, "/proc"),
            (r#""procMount":"Default","#, "", "", "", true, "/proc"),
            (
                "",
                "",
                r#""securityContext":{"sysctls":[{"name":"kernel.msgmax","value":"1"}]},"#,
                "",
                false,
                "sysctls",
            ),
            (
                "",
                "",
                r#""securityContext":{"sysctls":[{"name":"net.ipv4.tcp_rmem","value":"1"}]},"#,
                "",
                true,
                "sysctls",
            ),
            ("", "", r#""securityContext":{"runAsUser":0},"#, "", false, "runAsUser"),
            ("", "", r#""securityContext":{"runAsUser":1000},"#, "", true, "runAsUser"),
            (r#""runAsUser":0,"#, "", "", "", false, "runAsUser"),
            ("", "", r#""securityContext":{"runAsNonRoot":false},"#, "", false, "runAsNonRoot"),
            (
                "",
                "",
                r#""securityContext":{"seccompProfile":{"type":"Unconfined"}},"#,
                "",
                false,
                "seccomp",
            ),
            ("", "", r#""initContainers":[{"name":"first"}],"#, "", false, "every container"),
        ] {
            let template = with(context, container, spec, metadata);
            assert_eq!(meets(&template), expected, "{control}: {template}");
        }
        for (from, to, expected) in [
            (r#""allowPrivilegeEscalation":false"#, r#""allowPrivilegeEscalation":true"#, false),
            (r#""allowPrivilegeEscalation":false,"#, "", false),
            (r#"{"drop":["ALL"]}"#, r#"{"drop":["NET_RAW"]}"#, false),
            (r#"{"drop":["ALL"]}"#, r#"{"drop":["ALL"],"add":["NET_BIND_SERVICE"]}"#, true),
            (r#"{"drop":["ALL"]}"#, r#"{"drop":["ALL"],"add":["CHOWN"]}"#, false),
            (r#""runAsNonRoot":true"#, r#""runAsNonRoot":false"#, false),
            (r#""runAsNonRoot":true,"#, "", false),
            ("RuntimeDefault", "Unconfined", false),
            ("RuntimeDefault", "Localhost", true),
        ] {
            let template = with("", "", "", "").replace(from, to);
            assert_eq!(meets(&template), expected, "{from} → {to}");
        }
        let by_pod = r#"{"spec":{"securityContext":{"runAsNonRoot":true,
            "seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"app",
            "securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}"#;
        assert!(meets(by_pod));
        assert!(!meets(r#"{"spec":{"containers":[]}}"#));
    }
}
