//! The Pod Security Standards: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>,
//! as `k8s.io/pod-security-admission` enforces their latest version (Kubernetes 1.34 on).

use serde_json::Value;

use super::{containers, list, members, text};

/// A control of a level, by its name on the page: it gives the paths of the fields that break it.
type Control = (&'static str, fn(&Value) -> Vec<String>);

/// The controls of the level `baseline`.
const BASELINE: [Control; 12] = [
    ("HostProcess", host_process),
    ("Host Namespaces", host_namespaces),
    ("Privileged Containers", privileged),
    ("Capabilities", capabilities),
    ("HostPath Volumes", host_path_volumes),
    ("Host Ports", host_ports),
    ("Host Probes / Lifecycle Hooks", host_probes),
    ("AppArmor", app_armor),
    ("SELinux", se_linux),
    ("/proc Mount Type", proc_mount),
    ("Seccomp", seccomp),
    ("Sysctls", sysctls),
];

/// The controls that the level `restricted` adds.
const RESTRICTED: [Control; 6] = [
    ("Volume Types", volume_types),
    ("Privilege Escalation", privilege_escalation),
    ("Running as Non-root", run_as_non_root),
    ("Running as Non-root user", run_as_user),
    ("Seccomp (restricted)", seccomp_restricted),
    ("Capabilities (restricted)", capabilities_restricted),
];

/// What of a pod template breaks the level `baseline`: control and path.
pub fn baseline(template: &Value) -> Vec<String> {
    let controls = BASELINE.iter();
    let broken = controls.flat_map(|(name, check)| {
        check(template).into_iter().map(move |path| format!("{name}: {path}"))
    });
    broken.collect()
}

/// What of a pod template breaks the level `restricted`, which includes `baseline`.
pub fn restricted(template: &Value) -> Vec<String> {
    let mut broken = baseline(template);
    for (name, check) in RESTRICTED {
        broken.extend(check(template).into_iter().map(|path| format!("{name}: {path}")));
    }
    broken
}

/// The security contexts of a template, the pod's first, each with its path and whether it is the pod's.
fn contexts(template: &Value) -> Vec<(bool, String, &Value)> {
    let spec = &template["spec"];
    let mut contexts = vec![(true, "spec.securityContext".to_owned(), &spec["securityContext"])];
    for (_, path, container) in containers(spec) {
        contexts.push((false, format!("{path}.securityContext"), &container["securityContext"]));
    }
    contexts
}

/// The paths of the contexts, container's and pod's, whose value at a pointer is not allowed.
fn refused(template: &Value, pointer: &str, is_allowed: fn(&Value) -> bool) -> Vec<String> {
    let dotted = pointer.replace('/', ".");
    let contexts = contexts(template).into_iter();
    let refused = contexts.filter_map(|(_, path, context)| {
        let value = context.pointer(pointer).unwrap_or(&Value::Null);
        (!is_allowed(value)).then(|| format!("{path}{dotted}"))
    });
    refused.collect()
}

/// From Kubernetes 1.25 on, what only Linux knows is not asked of pods that name Windows.
fn is_windows(template: &Value) -> bool {
    template["spec"]["os"]["name"] == "windows"
}

fn host_process(template: &Value) -> Vec<String> {
    refused(template, "/windowsOptions/hostProcess", |value| *value != true)
}

fn host_namespaces(template: &Value) -> Vec<String> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].into_iter();
    let shared = shared.filter(|key| template["spec"][*key] == true);
    shared.map(|key| format!("spec.{key}")).collect()
}

fn privileged(template: &Value) -> Vec<String> {
    refused(template, "/privileged", |value| *value != true)
}

fn capabilities(template: &Value) -> Vec<String> {
    const ALLOWED: [&str; 13] = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    added_capabilities(template, &ALLOWED)
}

fn added_capabilities(template: &Value, allowed: &[&str]) -> Vec<String> {
    let mut paths = Vec::new();
    for (_, path, context) in contexts(template) {
        for name in list(&context["capabilities"], "add") {
            let name = name.as_str().unwrap_or_default();
            if !allowed.contains(&name) {
                paths.push(format!("{path}.capabilities.add[{name}]"));
            }
        }
    }
    paths
}

fn host_path_volumes(template: &Value) -> Vec<String> {
    let volumes = list(&template["spec"], "volumes").iter();
    let of_host = volumes.filter(|volume| !volume["hostPath"].is_null());
    of_host.map(|volume| format!("spec.volumes[{}].hostPath", text(volume, "name"))).collect()
}

fn host_ports(template: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for (_, path, container) in containers(&template["spec"]) {
        for port in list(container, "ports") {
            if !port["hostPort"].is_null() && port["hostPort"] != 0 {
                paths.push(format!("{path}.ports[{}].hostPort", port["containerPort"]));
            }
        }
    }
    paths
}

fn host_probes(template: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for (_, path, container) in containers(&template["spec"]) {
        for handler in [
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle/postStart",
            "lifecycle/preStop",
        ] {
            for action in ["httpGet", "tcpSocket"] {
                let pointer = format!("/{handler}/{action}/host");
                let host = container.pointer(&pointer).and_then(Value::as_str);
                if host.is_some_and(|host| !host.is_empty()) {
                    paths.push(format!("{path}{}", pointer.replace('/', ".")));
                }
            }
        }
    }
    paths
}

fn app_armor(template: &Value) -> Vec<String> {
    let is_allowed = |value: &Value| {
        value.is_null() || matches!(value.as_str(), Some("RuntimeDefault" | "Localhost"))
    };
    let mut paths = refused(template, "/appArmorProfile/type", is_allowed);
    for (key, value) in members(&template["metadata"]["annotations"]) {
        let profile = value.as_str().unwrap_or_default();
        if key.starts_with("container.apparmor.security.beta.kubernetes.io/")
            && !matches!(profile, "" | "runtime/default")
            && !profile.starts_with("localhost/")
        {
            paths.push(format!("metadata.annotations[{key}]"));
        }
    }
    paths
}

fn se_linux(template: &Value) -> Vec<String> {
    let is_empty = |value: &Value| value.as_str().unwrap_or_default().is_empty();
    let mut paths = refused(template, "/seLinuxOptions/type", |value| {
        let known = ["container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
        let value = value.as_str().unwrap_or_default();
        value.is_empty() || known.contains(&value)
    });
    paths.extend(refused(template, "/seLinuxOptions/user", is_empty));
    paths.extend(refused(template, "/seLinuxOptions/role", is_empty));
    paths
}

fn proc_mount(template: &Value) -> Vec<String> {
    refused(template, "/procMount", |value| value.is_null() || *value == "Default")
}

fn is_seccomp_profile(value: &Value) -> bool {
    matches!(value.as_str(), Some("RuntimeDefault" | "Localhost"))
}

fn seccomp(template: &Value) -> Vec<String> {
    let is_allowed = |value: &Value| value.is_null() || is_seccomp_profile(value);
    refused(template, "/seccompProfile/type", is_allowed)
}

fn sysctls(template: &Value) -> Vec<String> {
    const SAFE: [&str; 12] = [
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
    let set = list(&template["spec"]["securityContext"], "sysctls").iter();
    let names = set.map(|sysctl| text(sysctl, "name")).filter(|name| !SAFE.contains(name));
    names.map(|name| format!("spec.securityContext.sysctls[{name}]")).collect()
}

fn volume_types(template: &Value) -> Vec<String> {
    const ALLOWED: [&str; 8] = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    let volumes = list(&template["spec"], "volumes").iter();
    let is_allowed = |volume: &&Value| ALLOWED.iter().any(|kind| !volume[*kind].is_null());
    let others = volumes.filter(|volume| !is_allowed(volume));
    others.map(|volume| format!("spec.volumes[{}]", text(volume, "name"))).collect()
}

/// The containers whose field is neither set as required nor inherited from the pod, as paths.
fn unset(template: &Value, pointer: &str, is_set: fn(&Value) -> bool) -> Vec<String> {
    let value = |context: &Value| context.pointer(pointer).is_some_and(is_set);
    let mut contexts = contexts(template).into_iter();
    let by_pod = contexts.next().is_some_and(|(_, _, context)| value(context));
    let own = contexts.filter(|(_, _, context)| {
        let is_absent = context.pointer(pointer).is_none_or(Value::is_null);
        if by_pod && is_absent { false } else { !value(context) }
    });
    own.map(|(_, path, _)| format!("{path}{}", pointer.replace('/', "."))).collect()
}

fn privilege_escalation(template: &Value) -> Vec<String> {
    if is_windows(template) {
        return Vec::new();
    }
    let contexts = contexts(template).into_iter().filter(|(is_pod, _, _)| !is_pod);
    let others = contexts.filter(|(_, _, context)| context["allowPrivilegeEscalation"] != false);
    others.map(|(_, path, _)| format!("{path}.allowPrivilegeEscalation")).collect()
}

fn run_as_non_root(template: &Value) -> Vec<String> {
    let mut paths = unset(template, "/runAsNonRoot", |value| *value == true);
    if template["spec"]["securityContext"]["runAsNonRoot"] == false {
        paths.insert(0, "spec.securityContext.runAsNonRoot".to_owned());
    }
    paths
}

fn run_as_user(template: &Value) -> Vec<String> {
    refused(template, "/runAsUser", |value| *value != 0)
}

fn seccomp_restricted(template: &Value) -> Vec<String> {
    if is_windows(template) {
        return Vec::new();
    }
    unset(template, "/seccompProfile/type", is_seccomp_profile)
}

fn capabilities_restricted(template: &Value) -> Vec<String> {
    if is_windows(template) {
        return Vec::new();
    }
    let mut paths = added_capabilities(template, &["NET_BIND_SERVICE"]);
    for (is_pod, path, context) in contexts(template) {
        let drops_all = list(&context["capabilities"], "drop").iter().any(|name| name == "ALL");
        if !is_pod && !drops_all {
            paths.push(format!("{path}.capabilities.drop"));
        }
    }
    paths
}

#[cfg(test)]
mod tables {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::super::tables::set;
    use super::{BASELINE, RESTRICTED, baseline, restricted};

    fn plain() -> Value {
        json!({ "metadata": {}, "spec": {
            "initContainers": [{ "name": "setup" }],
            "containers": [{ "name": "app" }, { "name": "proxy" }],
            "ephemeralContainers": [{ "name": "debug" }],
        }})
    }

    /// Meets `restricted`: by the pod's context as far as that can be, else by each container's.
    fn compliant() -> Value {
        let mut template = plain();
        template["spec"]["securityContext"] =
            json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for container in template["spec"][list].as_array_mut().unwrap() {
                container["securityContext"] = json!({
                    "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                });
            }
        }
        template
    }

    /// A control, a change of the template, and the path that is refused for it, if one is.
    type Row = (&'static str, &'static str, Value, Option<&'static str>);

    fn check(base: &Value, level: fn(&Value) -> Vec<String>, rows: &[Row]) {
        assert_eq!(level(base), [""; 0]);
        for (control, pointer, value, refused) in rows {
            let mut template = base.clone();
            set(&mut template, pointer, value.clone());
            let broken = level(&template);
            let of_control = broken.iter().filter_map(|broken| {
                broken.strip_prefix(control).and_then(|rest| rest.strip_prefix(": "))
            });
            let expected: Vec<_> = refused.iter().copied().collect();
            assert_eq!(of_control.collect::<Vec<_>>(), expected, "{control}: {pointer} {value}");
            assert!(refused.is_some() || broken.is_empty(), "{pointer} {value}: {broken:?}");
        }
    }

    #[track_caller]
    fn check_both_are_there(controls: &[super::Control], rows: &[Row]) {
        let rows: BTreeSet<_> = rows.iter().map(|row| (row.0, row.3.is_some())).collect();
        let controls = controls.iter().flat_map(|(name, _)| [(*name, false), (*name, true)]);
        assert_eq!(rows, controls.collect());
    }

    const APP: &str = "/spec/containers/0";

    #[test]
    fn accepts_and_refuses_by_each_control_of_baseline() {
        let annotation =
            "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1app";
        let of_annotation =
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/app]";
        let rows: &[Row] = &[
            ("HostProcess", "/spec/securityContext/windowsOptions", json!({}), None),
            (
                "HostProcess",
                "/spec/securityContext/windowsOptions",
                json!({ "hostProcess": false }),
                None,
            ),
            (
                "HostProcess",
                "/spec/securityContext/windowsOptions",
                json!({ "hostProcess": true }),
                Some("spec.securityContext.windowsOptions.hostProcess"),
            ),
            (
                "HostProcess",
                "/spec/initContainers/0/securityContext/windowsOptions",
                json!({ "hostProcess": true }),
                Some("spec.initContainers[setup].securityContext.windowsOptions.hostProcess"),
            ),
            ("Host Namespaces", "/spec/hostNetwork", json!(false), None),
            ("Host Namespaces", "/spec/hostNetwork", json!(true), Some("spec.hostNetwork")),
            ("Host Namespaces", "/spec/hostPID", json!(true), Some("spec.hostPID")),
            ("Host Namespaces", "/spec/hostIPC", json!(true), Some("spec.hostIPC")),
            (
                "Privileged Containers",
                "/spec/containers/0/securityContext",
                json!({ "privileged": false }),
                None,
            ),
            (
                "Privileged Containers",
                "/spec/containers/0/securityContext",
                json!({ "privileged": true }),
                Some("spec.containers[app].securityContext.privileged"),
            ),
            (
                "Privileged Containers",
                "/spec/ephemeralContainers/0/securityContext",
                json!({ "privileged": true }),
                Some("spec.ephemeralContainers[debug].securityContext.privileged"),
            ),
            (
                "Capabilities",
                "/spec/containers/0/securityContext/capabilities",
                json!({ "add": ["CHOWN", "SYS_CHROOT"], "drop": ["NET_RAW"] }),
                None,
            ),
            (
                "Capabilities",
                "/spec/containers/0/securityContext/capabilities",
                json!({ "add": ["SYS_PTRACE"] }),
                Some("spec.containers[app].securityContext.capabilities.add[SYS_PTRACE]"),
            ),
            (
                "Capabilities",
                "/spec/initContainers/0/securityContext/capabilities",
                json!({ "add": ["ALL"] }),
                Some("spec.initContainers[setup].securityContext.capabilities.add[ALL]"),
            ),
            (
                "Capabilities",
                "/spec/initContainers/0/securityContext/capabilities",
                json!({ "add": ["NET_RAW"] }),
                Some("spec.initContainers[setup].securityContext.capabilities.add[NET_RAW]"),
            ),
            ("HostPath Volumes", "/spec/volumes", json!([{ "name": "a", "nfs": {} }]), None),
            (
                "HostPath Volumes",
                "/spec/volumes",
                json!([{ "name": "a", "hostPath": { "path": "/" } }]),
                Some("spec.volumes[a].hostPath"),
            ),
            (
                "Host Ports",
                "/spec/containers/0/ports",
                json!([{ "containerPort": 80, "hostPort": 0 }]),
                None,
            ),
            (
                "Host Ports",
                "/spec/containers/0/ports",
                json!([{ "containerPort": 80, "hostPort": 80 }]),
                Some("spec.containers[app].ports[80].hostPort"),
            ),
            (
                "Host Probes / Lifecycle Hooks",
                "/spec/containers/0/livenessProbe",
                json!({ "httpGet": { "port": 1, "host": "" } }),
                None,
            ),
            (
                "Host Probes / Lifecycle Hooks",
                "/spec/containers/0/livenessProbe",
                json!({ "httpGet": { "port": 1, "host": "127.0.0.1" } }),
                Some("spec.containers[app].livenessProbe.httpGet.host"),
            ),
            (
                "Host Probes / Lifecycle Hooks",
                "/spec/containers/0/startupProbe",
                json!({ "tcpSocket": { "port": 1, "host": "a" } }),
                Some("spec.containers[app].startupProbe.tcpSocket.host"),
            ),
            (
                "Host Probes / Lifecycle Hooks",
                "/spec/initContainers/0/lifecycle",
                json!({ "preStop": { "httpGet": { "port": 1, "host": "a" } } }),
                Some("spec.initContainers[setup].lifecycle.preStop.httpGet.host"),
            ),
            (
                "AppArmor",
                "/spec/securityContext/appArmorProfile",
                json!({ "type": "RuntimeDefault" }),
                None,
            ),
            (
                "AppArmor",
                "/spec/containers/0/securityContext/appArmorProfile",
                json!({ "type": "Localhost", "localhostProfile": "a" }),
                None,
            ),
            (
                "AppArmor",
                "/spec/containers/0/securityContext/appArmorProfile",
                json!({ "type": "Unconfined" }),
                Some("spec.containers[app].securityContext.appArmorProfile.type"),
            ),
            ("AppArmor", annotation, json!("runtime/default"), None),
            ("AppArmor", annotation, json!("localhost/a"), None),
            ("AppArmor", annotation, json!("unconfined"), Some(of_annotation)),
            (
                "SELinux",
                "/spec/securityContext/seLinuxOptions",
                json!({ "type": "container_t", "level": "s0:c1,c2" }),
                None,
            ),
            (
                "SELinux",
                "/spec/containers/0/securityContext/seLinuxOptions",
                json!({ "type": "container_engine_t", "user": "" }),
                None,
            ),
            (
                "SELinux",
                "/spec/securityContext/seLinuxOptions",
                json!({ "type": "spc_t" }),
                Some("spec.securityContext.seLinuxOptions.type"),
            ),
            (
                "SELinux",
                "/spec/securityContext/seLinuxOptions",
                json!({ "user": "system_u" }),
                Some("spec.securityContext.seLinuxOptions.user"),
            ),
            (
                "SELinux",
                "/spec/containers/0/securityContext/seLinuxOptions",
                json!({ "role": "system_r" }),
                Some("spec.containers[app].securityContext.seLinuxOptions.role"),
            ),
            (
                "/proc Mount Type",
                "/spec/containers/0/securityContext/procMount",
                json!("Default"),
                None,
            ),
            (
                "/proc Mount Type",
                "/spec/containers/0/securityContext/procMount",
                json!("Unmasked"),
                Some("spec.containers[app].securityContext.procMount"),
            ),
            (
                "Seccomp",
                "/spec/securityContext/seccompProfile",
                json!({ "type": "Localhost", "localhostProfile": "a" }),
                None,
            ),
            (
                "Seccomp",
                "/spec/securityContext/seccompProfile",
                json!({ "type": "Unconfined" }),
                Some("spec.securityContext.seccompProfile.type"),
            ),
            (
                "Seccomp",
                "/spec/containers/1/securityContext/seccompProfile",
                json!({ "type": "Unconfined" }),
                Some("spec.containers[proxy].securityContext.seccompProfile.type"),
            ),
            (
                "Sysctls",
                "/spec/securityContext/sysctls",
                json!([{ "name": "net.ipv4.tcp_rmem", "value": "1" }]),
                None,
            ),
            (
                "Sysctls",
                "/spec/securityContext/sysctls",
                json!([{ "name": "kernel.msgmax", "value": "1" }]),
                Some("spec.securityContext.sysctls[kernel.msgmax]"),
            ),
        ];
        check(&plain(), baseline, rows);
        check_both_are_there(&BASELINE, rows);
        for (_, pointer, value, refused) in rows.iter().filter(|row| row.3.is_some()) {
            let mut template = compliant();
            set(&mut template, pointer, value.clone());
            assert!(!restricted(&template).is_empty(), "{pointer} {value}: {refused:?}");
        }
    }

    #[test]
    fn accepts_and_refuses_by_each_control_of_restricted() {
        let in_app = |rest: &str| &*format!("{APP}/securityContext{rest}").leak();
        let volumes = |source: Value| {
            let mut volume = json!({ "name": "a" });
            volume.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
            json!([volume])
        };
        let rows: &[Row] = &[
            ("Volume Types", "/spec/volumes", volumes(json!({ "configMap": {} })), None),
            ("Volume Types", "/spec/volumes", volumes(json!({ "csi": {} })), None),
            ("Volume Types", "/spec/volumes", volumes(json!({ "downwardAPI": {} })), None),
            ("Volume Types", "/spec/volumes", volumes(json!({ "emptyDir": {} })), None),
            ("Volume Types", "/spec/volumes", volumes(json!({ "ephemeral": {} })), None),
            (
                "Volume Types",
                "/spec/volumes",
                volumes(json!({ "persistentVolumeClaim": {} })),
                None,
            ),
            ("Volume Types", "/spec/volumes", volumes(json!({ "projected": {} })), None),
            ("Volume Types", "/spec/volumes", volumes(json!({ "secret": {} })), None),
            (
                "Volume Types",
                "/spec/volumes",
                volumes(json!({ "nfs": {} })),
                Some("spec.volumes[a]"),
            ),
            (
                "Volume Types",
                "/spec/volumes",
                volumes(json!({ "hostPath": {} })),
                Some("spec.volumes[a]"),
            ),
            (
                "Volume Types",
                "/spec/volumes",
                volumes(json!({ "image": {} })),
                Some("spec.volumes[a]"),
            ),
            ("Privilege Escalation", in_app("/allowPrivilegeEscalation"), json!(false), None),
            (
                "Privilege Escalation",
                in_app("/allowPrivilegeEscalation"),
                json!(true),
                Some("spec.containers[app].securityContext.allowPrivilegeEscalation"),
            ),
            (
                "Privilege Escalation",
                in_app(""),
                json!({ "capabilities": { "drop": ["ALL"] } }),
                Some("spec.containers[app].securityContext.allowPrivilegeEscalation"),
            ),
            (
                "Privilege Escalation",
                "/spec/initContainers/0/securityContext/allowPrivilegeEscalation",
                json!(null),
                Some("spec.initContainers[setup].securityContext.allowPrivilegeEscalation"),
            ),
            ("Running as Non-root", in_app("/runAsNonRoot"), json!(true), None),
            (
                "Running as Non-root",
                in_app("/runAsNonRoot"),
                json!(false),
                Some("spec.containers[app].securityContext.runAsNonRoot"),
            ),
            ("Running as Non-root user", in_app("/runAsUser"), json!(1000), None),
            (
                "Running as Non-root user",
                in_app("/runAsUser"),
                json!(0),
                Some("spec.containers[app].securityContext.runAsUser"),
            ),
            (
                "Running as Non-root user",
                "/spec/securityContext/runAsUser",
                json!(0),
                Some("spec.securityContext.runAsUser"),
            ),
            (
                "Seccomp (restricted)",
                in_app("/seccompProfile"),
                json!({ "type": "Localhost", "localhostProfile": "a" }),
                None,
            ),
            (
                "Seccomp (restricted)",
                in_app("/seccompProfile"),
                json!({ "type": "Unconfined" }),
                Some("spec.containers[app].securityContext.seccompProfile.type"),
            ),
            (
                "Capabilities (restricted)",
                in_app("/capabilities"),
                json!({ "drop": ["ALL"], "add": ["NET_BIND_SERVICE"] }),
                None,
            ),
            (
                "Capabilities (restricted)",
                in_app("/capabilities"),
                json!({ "drop": ["ALL"], "add": ["CHOWN"] }),
                Some("spec.containers[app].securityContext.capabilities.add[CHOWN]"),
            ),
            (
                "Capabilities (restricted)",
                in_app("/capabilities"),
                json!({ "drop": ["NET_RAW"] }),
                Some("spec.containers[app].securityContext.capabilities.drop"),
            ),
            (
                "Capabilities (restricted)",
                in_app("/capabilities"),
                json!({ "drop": ["all"] }),
                Some("spec.containers[app].securityContext.capabilities.drop"),
            ),
        ];
        check(&compliant(), restricted, rows);
        check_both_are_there(&RESTRICTED, rows);
    }

    #[test]
    fn accepts_what_every_container_sets_in_place_of_the_pod() {
        let own = json!({
            "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
            "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" },
        });
        let mut template = plain();
        for pointer in
            [APP, "/spec/containers/1", "/spec/initContainers/0", "/spec/ephemeralContainers/0"]
        {
            template.pointer_mut(pointer).unwrap()["securityContext"] = own.clone();
        }
        assert_eq!(restricted(&template), [""; 0]);
        // An explicit `false` in the pod is refused even where no container inherits it.
        template["spec"]["securityContext"] = json!({ "runAsNonRoot": false });
        let of_pod = ["Running as Non-root: spec.securityContext.runAsNonRoot"];
        assert_eq!(restricted(&template), of_pod);
        template["spec"]["securityContext"] = json!({});
        template["spec"]["containers"][1]["securityContext"]
            .as_object_mut()
            .unwrap()
            .remove("runAsNonRoot");
        assert_eq!(
            restricted(&template),
            ["Running as Non-root: spec.containers[proxy].securityContext.runAsNonRoot"],
        );
    }

    #[test]
    fn accepts_windows_without_what_only_linux_has() {
        let mut template = plain();
        template["spec"]["securityContext"] = json!({ "runAsNonRoot": true });
        assert_eq!(restricted(&template).len(), 3 * 4);
        template["spec"]["os"] = json!({ "name": "windows" });
        assert_eq!(restricted(&template), [""; 0]);
        template["spec"]["securityContext"] = json!({});
        assert_eq!(restricted(&template).len(), 4);
        template["spec"]["securityContext"] =
            json!({ "runAsNonRoot": true, "windowsOptions": { "hostProcess": true } });
        assert_eq!(
            restricted(&template),
            ["HostProcess: spec.securityContext.windowsOptions.hostProcess"]
        );
    }
}
