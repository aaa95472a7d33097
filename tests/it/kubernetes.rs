//! The rules of the API server and of the kubelet that an injection could break.
//!
//! Where nothing else is cited, a rule is the function of that name in
//! `k8s.io/kubernetes/pkg/apis/core/validation` (Kubernetes 1.34 on). A pod template is checked as the
//! pod that is made from it, with the defaults of `pkg/apis/core/v1/defaults.go` that matter here.

mod container;
mod names;
mod quantity;
mod resources;
pub mod schema;
mod tables;
mod volume;

use std::collections::BTreeSet;

use serde_json::Value;

/// Where a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In `containers`.
    Regular,
    /// In `initContainers`, and it ends before the next one starts.
    Init,
    /// In `initContainers` with `restartPolicy: Always`.
    NativeSidecar,
    /// In `ephemeralContainers`.
    Ephemeral,
}

/// What breaks a rule: the path and what is wrong with it.
#[derive(Debug, Default)]
struct Report(Vec<String>);

impl Report {
    fn refuse(&mut self, path: &str, what: &str) {
        self.0.push(format!("{path}: {what}"));
    }

    fn refuse_unless(&mut self, holds: bool, path: &str, what: &str) {
        if !holds {
            self.refuse(path, what);
        }
    }

    /// Refuses every name that is there before.
    fn refuse_twice<'v>(&mut self, names: impl Iterator<Item = &'v str>, path: &str) {
        let mut there = BTreeSet::new();
        for name in names {
            self.refuse_unless(there.insert(name), &format!("{path}[{name}]"), "duplicate");
        }
    }

    /// Refuses a string that is there and not one of these.
    fn refuse_other(&mut self, value: &Value, known: &[&str], path: &str) {
        let is_known = value.is_null() || value.as_str().is_some_and(|text| known.contains(&text));
        self.refuse_unless(is_known, path, "unsupported value");
    }
}

/// The elements of a list that may be absent.
pub fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], |list| list)
}

/// The members of an object that may be absent.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// All containers of a pod, each with its place and its path.
pub fn containers(spec: &Value) -> Vec<(Place, String, &Value)> {
    let mut all = Vec::new();
    for (key, place) in [
        ("initContainers", Place::Init),
        ("containers", Place::Regular),
        ("ephemeralContainers", Place::Ephemeral),
    ] {
        for container in list(spec, key) {
            let is_sidecar = place == Place::Init && container["restartPolicy"] == "Always";
            let place = if is_sidecar { Place::NativeSidecar } else { place };
            all.push((place, format!("spec.{key}[{}]", text(container, "name")), container));
        }
    }
    all
}

/// The pod template of a workload; the object itself where it is a Pod.
pub fn template(object: &Value) -> &Value {
    match text(object, "kind") {
        "Pod" => object,
        "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"],
        _ => &object["spec"]["template"],
    }
}

/// Everything for which the API server would refuse an object at CREATE, or the kubelet its pod.
pub fn violations(object: &Value) -> Vec<String> {
    let mut report = Report::default();
    let kind = text(object, "kind");
    let template = template(object);
    check_metadata(&object["metadata"], "metadata", &mut report);
    if kind == "Pod" {
        check_new_pod(object, &mut report);
    } else {
        check_metadata(&template["metadata"], "template.metadata", &mut report);
        check_workload(kind, object, template, &mut report);
    }
    let claims = list(&object["spec"], "volumeClaimTemplates").iter();
    let claims: Vec<&str> = claims.map(|claim| text(&claim["metadata"], "name")).collect();
    check_spec(&template["spec"], &claims, &mut report);
    report.0
}

/// What the API server accepts with a warning: `pkg/api/pod/warnings.go`.
pub fn warnings(object: &Value) -> Vec<String> {
    let mut report = Report::default();
    let spec = &template(object)["spec"];
    for (_, path, container) in containers(spec) {
        let names = list(container, "env").iter().map(|variable| text(variable, "name"));
        report.refuse_twice(names, &format!("{path}.env"));
    }
    // A service or a probe finds a port by its name. Within one container the name is refused.
    let ports = containers(spec).into_iter().flat_map(|(_, _, container)| {
        let names: BTreeSet<_> = list(container, "ports").iter().map(|p| text(p, "name")).collect();
        names.into_iter().filter(|name| !name.is_empty())
    });
    report.refuse_twice(ports, "ports");
    report.0
}

/// `ValidateObjectMeta` of `k8s.io/apimachinery/pkg/api/validation`, as far as it is about labels and
/// annotations (`ValidateLabels`, `ValidateAnnotations`).
fn check_metadata(metadata: &Value, path: &str, report: &mut Report) {
    for (key, value) in members(&metadata["labels"]) {
        let path = format!("{path}.labels[{key}]");
        report.refuse_unless(names::is_qualified_name(key), &path, "must be a qualified name");
        let is_value = value.as_str().is_some_and(names::is_label_value);
        report.refuse_unless(is_value, &path, "invalid label value");
    }
    let mut size = 0;
    for (key, value) in members(&metadata["annotations"]) {
        let path = format!("{path}.annotations[{key}]");
        let is_name = names::is_qualified_name(&key.to_lowercase());
        report.refuse_unless(is_name, &path, "must be a qualified name");
        report.refuse_unless(value.is_string(), &path, "must be a string");
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    let path = format!("{path}.annotations");
    report.refuse_unless(size <= 256 * 1024, &path, "must not exceed 256 KiB");
}

/// `ValidatePodCreate` and `ValidatePodSpecificAnnotations`.
fn check_new_pod(pod: &Value, report: &mut Report) {
    let is_name = names::is_dns_subdomain(text(&pod["metadata"], "name"));
    report.refuse_unless(is_name, "metadata.name", "must be a DNS subdomain");
    let spec = &pod["spec"];
    let is_mirror = !pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null();
    let has_node = !text(spec, "nodeName").is_empty();
    report.refuse_unless(!is_mirror || has_node, "spec.nodeName", "required in a mirror pod");
    let no_ephemeral = list(spec, "ephemeralContainers").is_empty();
    report.refuse_unless(no_ephemeral, "spec.ephemeralContainers", "must not be set on create");
}

/// `ValidatePodTemplateSpec`, and the rules of `pkg/apis/apps/validation` and
/// `pkg/apis/batch/validation`.
fn check_workload(kind: &str, object: &Value, template: &Value, report: &mut Report) {
    let spec = &template["spec"];
    let no_ephemeral = list(spec, "ephemeralContainers").is_empty();
    report.refuse_unless(
        no_ephemeral,
        "spec.ephemeralContainers",
        "must not be set in a pod template",
    );
    let job = match kind {
        "Job" => Some(&object["spec"]),
        "CronJob" => Some(&object["spec"]["jobTemplate"]["spec"]),
        _ => None,
    };
    let policy = spec["restartPolicy"].as_str().unwrap_or("Always");
    let Some(job) = job else {
        report.refuse_unless(policy == "Always", "spec.restartPolicy", "must be Always");
        for (key, value) in members(&object["spec"]["selector"]["matchLabels"]) {
            let label = &template["metadata"]["labels"][key];
            report.refuse_unless(
                label == value,
                "spec.selector",
                "does not match the template labels",
            );
        }
        return;
    };
    let ends = matches!(policy, "Never" | "OnFailure");
    report.refuse_unless(ends, "spec.restartPolicy", "must be Never or OnFailure");
    if job.get("podFailurePolicy").is_some() {
        report.refuse_unless(
            policy == "Never",
            "spec.restartPolicy",
            "must be Never for podFailurePolicy",
        );
        for rule in list(&job["podFailurePolicy"], "rules") {
            let name = &rule["onExitCodes"]["containerName"];
            let is_there = name.is_null()
                || containers(spec).iter().any(|(_, _, container)| container["name"] == *name);
            report.refuse_unless(is_there, "podFailurePolicy", "container not found");
        }
    }
}

/// `ValidatePodSpec`. The names are those of the claims that a StatefulSet mounts by name.
fn check_spec(spec: &Value, claims: &[&str], report: &mut Report) {
    let volumes = volume::check_all(spec, claims, report);
    let all = containers(spec);
    report.refuse_unless(!list(spec, "containers").is_empty(), "spec.containers", "required");
    let names = all.iter().map(|(_, _, container)| text(container, "name"));
    report.refuse_twice(names, "containers");
    for (place, path, container) in &all {
        container::check(*place, container, spec, &volumes, path, report);
    }
    check_host_ports(spec, report);
    resources::check_pod(spec, report);
    report.refuse_other(
        &spec["restartPolicy"],
        &["Always", "OnFailure", "Never"],
        "spec.restartPolicy",
    );
    let secrets = || list(spec, "imagePullSecrets").iter().map(|secret| text(secret, "name"));
    // `validateImagePullSecrets`; the list is a map by name (`+listMapKey=name`).
    report.refuse_twice(secrets(), "spec.imagePullSecrets");
    report.refuse_unless(
        secrets().all(names::is_dns_subdomain),
        "spec.imagePullSecrets",
        "name must be a DNS subdomain",
    );
    check_host_namespaces(spec, report);
    container::check_pod_security_context(spec, report);
    match spec["os"]["name"].as_str() {
        Some("windows") => check_windows(spec, report),
        Some("linux") => check_linux(spec, report),
        Some(_) => report.refuse("spec.os.name", "unsupported value"),
        None => {}
    }
}

/// `ValidatePodSecurityContext` on namespaces, and `validateHostUsers`.
fn check_host_namespaces(spec: &Value, report: &mut Report) {
    let both = spec["hostPID"] == true && spec["shareProcessNamespace"] == true;
    report.refuse_unless(!both, "spec.shareProcessNamespace", "must not be set with hostPID");
    if spec["hostUsers"] == false {
        for key in ["hostNetwork", "hostPID", "hostIPC"] {
            let path = format!("spec.{key}");
            report.refuse_unless(spec[key] != true, &path, "must not be set with hostUsers: false");
        }
    }
}

/// `checkHostPortConflicts` and `validateHostNetwork`, after `defaultHostNetworkPorts`. The API server
/// checks all init containers one by one; a native sidecar listens beside the regular containers, so
/// here its ports conflict with theirs.
fn check_host_ports(spec: &Value, report: &mut Report) {
    let mut taken = BTreeSet::new();
    for (place, path, container) in containers(spec) {
        let mut own = BTreeSet::new();
        let taken = if place == Place::Init { &mut own } else { &mut taken };
        for port in list(container, "ports") {
            let number = port["containerPort"].as_u64().unwrap_or_default();
            let host = port["hostPort"].as_u64().filter(|port| *port != 0);
            let path = format!("{path}.ports[{number}].hostPort");
            let host = if spec["hostNetwork"] == true {
                let same = host.is_none_or(|host| host == number);
                report.refuse_unless(same, &path, "must match containerPort with hostNetwork");
                host.or(Some(number))
            } else {
                host
            };
            if let Some(host) = host {
                let protocol = port["protocol"].as_str().unwrap_or("TCP");
                let free = taken.insert((protocol, text(port, "hostIP"), host));
                report.refuse_unless(free, &path, "duplicate");
            }
        }
    }
}

/// `validateWindows`.
fn check_windows(spec: &Value, report: &mut Report) {
    let mut refuse_all = |value: &Value, path: &str, keys: &[&str]| {
        for key in keys {
            let is_set = value.get(*key).is_some_and(|value| !value.is_null());
            report.refuse_unless(
                !is_set,
                &format!("{path}.{key}"),
                "must not be set in a Windows pod",
            );
        }
    };
    refuse_all(
        spec,
        "spec",
        &["hostPID", "hostIPC", "hostUsers", "shareProcessNamespace", "resources"],
    );
    let pod = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
    ];
    refuse_all(&spec["securityContext"], "spec.securityContext", &pod);
    let of_container = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    for (_, path, container) in containers(spec) {
        let path = format!("{path}.securityContext");
        refuse_all(&container["securityContext"], &path, &of_container);
    }
}

/// `validateLinux`.
fn check_linux(spec: &Value, report: &mut Report) {
    let all = containers(spec).into_iter().map(|(_, path, container)| (path, container));
    for (path, value) in [("spec".to_owned(), spec)].into_iter().chain(all) {
        let is_set = value["securityContext"].get("windowsOptions").is_some();
        let path = format!("{path}.securityContext.windowsOptions");
        report.refuse_unless(!is_set, &path, "must not be set in a Linux pod");
    }
}
