//! Containers of a pod.

use std::collections::BTreeSet;

use serde_json::Value;

use super::names::{is_data_key, is_dns_label, is_env_name, is_image_reference, is_port_name};
use super::volume::is_entry;
use super::{Place, Report, containers, list, resources, text};

/// `validateContainerCommon`, `validateContainers`, `validateInitContainers` and
/// `validateEphemeralContainers`.
pub fn check(
    place: Place,
    container: &Value,
    spec: &Value,
    volumes: &BTreeSet<&str>,
    path: &str,
    report: &mut Report,
) {
    let is_name = is_dns_label(text(container, "name"));
    report.refuse_unless(is_name, &format!("{path}.name"), "must be a DNS label");
    let is_image = is_image_reference(text(container, "image"));
    report.refuse_unless(is_image, &format!("{path}.image"), "invalid image reference");
    for (key, known) in [
        ("imagePullPolicy", &["Always", "IfNotPresent", "Never"][..]),
        ("terminationMessagePolicy", &["File", "FallbackToLogsOnError"]),
    ] {
        report.refuse_other(&container[key], known, &format!("{path}.{key}"));
    }
    check_place(place, container, path, report);
    check_ports(container, path, report);
    check_env(container, spec, path, report);
    check_mounts(container, volumes, path, report);
    check_probes(container, path, report);
    check_security_context(container, spec, path, report);
    resources::check_container(container, spec, path, report);
}

/// What only some places take: `validateInitContainers`, `allowedEphemeralContainerFields`.
fn check_place(place: Place, container: &Value, path: &str, report: &mut Report) {
    let running = ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"];
    let forbidden: &[&[&str]] = match place {
        Place::Regular => &[&["restartPolicy"]],
        Place::NativeSidecar => &[],
        Place::Init => &[&running],
        Place::Ephemeral => &[&running, &["restartPolicy", "ports", "resources", "resizePolicy"]],
    };
    for key in forbidden.iter().copied().flatten() {
        let is_set = container.get(*key).is_some_and(|value| !value.is_null());
        report.refuse_unless(!is_set, &format!("{path}.{key}"), "must not be set");
    }
    if place == Place::Ephemeral {
        let mounts = list(container, "volumeMounts").iter();
        let is_part = |mount: &Value| mount.get("subPath").or(mount.get("subPathExpr")).is_some();
        let has_part = mounts.into_iter().any(is_part);
        report.refuse_unless(!has_part, &format!("{path}.volumeMounts"), "must not have a subPath");
    }
    if place == Place::Init {
        // `Never` and `OnFailure` come with `restartPolicyRules` only, which no injection writes.
        report.refuse_other(&container["restartPolicy"], &[], &format!("{path}.restartPolicy"));
    }
}

/// `validateContainerPorts`.
fn check_ports(container: &Value, path: &str, report: &mut Report) {
    let path = format!("{path}.ports");
    let ports = || list(container, "ports");
    let names = ports().iter().filter_map(|port| port["name"].as_str());
    report.refuse_twice(names.filter(|name| !name.is_empty()), &path);
    for port in ports() {
        let path = format!("{path}[{}]", port["containerPort"]);
        let name = text(port, "name");
        let is_name = name.is_empty() || is_port_name(name);
        report.refuse_unless(is_name, &format!("{path}.name"), "must be an IANA_SVC_NAME");
        let is_port = |port: &Value| port.as_u64().is_some_and(|port| (1..=65535).contains(&port));
        let number = is_port(&port["containerPort"]);
        report.refuse_unless(number, &format!("{path}.containerPort"), "invalid port");
        let host = &port["hostPort"];
        let is_host = host.is_null() || *host == 0 || is_port(host);
        report.refuse_unless(is_host, &format!("{path}.hostPort"), "invalid port");
        let known = ["TCP", "UDP", "SCTP"];
        report.refuse_other(&port["protocol"], &known, &format!("{path}.protocol"));
    }
}

/// `ValidateEnv`, `validateEnvVarValueFrom` and `ValidateEnvFrom`.
fn check_env(container: &Value, spec: &Value, path: &str, report: &mut Report) {
    for variable in list(container, "env") {
        let name = text(variable, "name");
        let path = format!("{path}.env[{name}]");
        report.refuse_unless(is_env_name(name), &path, "invalid variable name");
        let from = &variable["valueFrom"];
        if from.is_null() {
            continue;
        }
        let both = !text(variable, "value").is_empty();
        report.refuse_unless(!both, &path, "must not have both value and valueFrom");
        let sources = ["fieldRef", "resourceFieldRef", "secretKeyRef", "configMapKeyRef"];
        let given = sources.iter().filter(|key| !from[**key].is_null()).count();
        report.refuse_unless(given == 1, &path, "must have exactly one source");
        if !from["fieldRef"].is_null() {
            // `validEnvDownwardAPIFieldPathExpressions`.
            let field = text(&from["fieldRef"], "fieldPath");
            let is_whole = matches!(
                field,
                "metadata.name"
                    | "metadata.namespace"
                    | "metadata.uid"
                    | "spec.nodeName"
                    | "spec.serviceAccountName"
                    | "status.hostIP"
                    | "status.hostIPs"
                    | "status.podIP"
                    | "status.podIPs"
            );
            let is_field = is_whole || is_entry(field);
            report.refuse_unless(is_field, &path, "unsupported fieldPath");
        }
        if !from["resourceFieldRef"].is_null() {
            check_resource_field(&from["resourceFieldRef"], spec, false, &path, report);
        }
        for key in ["secretKeyRef", "configMapKeyRef"] {
            let is_key = from[key].is_null() || is_data_key(text(&from[key], "key"));
            report.refuse_unless(is_key, &path, "invalid key");
        }
    }
    for from in list(container, "envFrom") {
        let sources = ["configMapRef", "secretRef"];
        let given = sources.iter().filter(|key| !from[**key].is_null()).count();
        let path = format!("{path}.envFrom");
        report.refuse_unless(given == 1, &path, "must have exactly one source");
    }
}

/// `validateContainerResourceFieldSelector` and `validateContainerResourceDivisor`. That the container
/// exists is the kubelet's rule (`ExtractResourceValueByContainerName`); a volume has to name one.
pub fn check_resource_field(
    field: &Value,
    spec: &Value,
    is_of_volume: bool,
    path: &str,
    report: &mut Report,
) {
    let path = format!("{path}.resourceFieldRef");
    let name = text(field, "containerName");
    let is_container = if name.is_empty() {
        !is_of_volume
    } else {
        containers(spec).iter().any(|(_, _, container)| container["name"] == name)
    };
    report.refuse_unless(is_container, &path, "container not found");
    let resource = text(field, "resource");
    let resource = resource.strip_prefix("limits.").or_else(|| resource.strip_prefix("requests."));
    let bytes = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    let divisors: &[&str] = match resource {
        Some("cpu") => &["1m", "1"],
        Some("memory" | "ephemeral-storage") => &bytes,
        Some(name) if name.starts_with("hugepages-") => &bytes,
        _ => return report.refuse(&path, "unsupported resource"),
    };
    let divisor = &field["divisor"];
    let fits = divisor.is_null()
        || *divisor == 1
        || divisor.as_str().is_some_and(|text| text == "0" || divisors.contains(&text));
    report.refuse_unless(fits, &path, "unsupported divisor");
}

/// `ValidateVolumeMounts`. A colon is what the API's documentation of `mountPath` forbids.
fn check_mounts(container: &Value, volumes: &BTreeSet<&str>, path: &str, report: &mut Report) {
    let path = format!("{path}.volumeMounts");
    let mounts = || list(container, "volumeMounts");
    let devices = list(container, "volumeDevices").iter().map(|device| text(device, "devicePath"));
    let places = mounts().iter().map(|mount| text(mount, "mountPath"));
    report.refuse_twice(places.chain(devices), &path);
    for mount in mounts() {
        let place = text(mount, "mountPath");
        let path = format!("{path}[{place}]");
        report.refuse_unless(!place.is_empty(), &path, "required");
        report.refuse_unless(!place.contains(':'), &path, "must not contain ':'");
        let is_volume = volumes.contains(text(mount, "name"));
        report.refuse_unless(is_volume, &path, "volume not found");
        let (part, expression) = (text(mount, "subPath"), text(mount, "subPathExpr"));
        let both = !part.is_empty() && !expression.is_empty();
        report.refuse_unless(!both, &path, "must not have both subPath and subPathExpr");
        for part in [part, expression] {
            let is_within = !part.starts_with('/') && !part.split('/').any(|part| part == "..");
            report.refuse_unless(is_within, &path, "subPath must be relative and without ..");
        }
        let is_bidirectional = mount["mountPropagation"] == "Bidirectional";
        let is_privileged = container["securityContext"]["privileged"] == true;
        report.refuse_unless(
            !is_bidirectional || is_privileged,
            &path,
            "Bidirectional needs privileged",
        );
    }
}

/// `validateProbe` and `validateHandler`.
fn check_probes(container: &Value, path: &str, report: &mut Report) {
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = &container[key];
        if probe.is_null() {
            continue;
        }
        let path = format!("{path}.{key}");
        let handlers = ["exec", "httpGet", "tcpSocket", "grpc"];
        let given = handlers.iter().filter(|key| !probe[**key].is_null()).count();
        report.refuse_unless(given == 1, &path, "must have exactly one handler");
        for handler in ["httpGet", "tcpSocket"] {
            let port = &probe[handler]["port"];
            let is_port = match port.as_str() {
                Some(name) => is_port_name(name),
                None => port.as_u64().is_some_and(|port| (1..=65535).contains(&port)),
            };
            let is_used = !probe[handler].is_null();
            report.refuse_unless(!is_used || is_port, &path, "invalid port");
        }
    }
}

/// `ValidateSecurityContext`, and what the kubelet refuses to start (`verifyRunAsNonRoot`).
fn check_security_context(container: &Value, spec: &Value, path: &str, report: &mut Report) {
    let path = format!("{path}.securityContext");
    let context = &container["securityContext"];
    check_ids_and_profiles(context, &path, report);
    if context["allowPrivilegeEscalation"] == false {
        let path = format!("{path}.allowPrivilegeEscalation");
        let is_privileged = context["privileged"] == true;
        report.refuse_unless(!is_privileged, &path, "must not be false with privileged");
        let is_admin = list(&context["capabilities"], "add").iter().any(|c| c == "CAP_SYS_ADMIN");
        report.refuse_unless(!is_admin, &path, "must not be false with CAP_SYS_ADMIN");
    }
    // `ValidateProcMountType`, and `validatePodSpec` on user namespaces.
    let proc_mount = &context["procMount"];
    let proc_path = format!("{path}.procMount");
    report.refuse_other(proc_mount, &["Default", "Unmasked"], &proc_path);
    let is_shown = *proc_mount == "Unmasked" && spec["hostUsers"] != false;
    report.refuse_unless(!is_shown, &proc_path, "Unmasked needs hostUsers: false");
    if *effective(container, spec, "runAsNonRoot") == true
        && *effective(container, spec, "runAsUser") == 0
    {
        report.refuse(&format!("{path}.runAsUser"), "must not be 0 with runAsNonRoot");
    }
}

/// What holds for a container: its own security context, else the pod's.
pub fn effective<'v>(container: &'v Value, spec: &'v Value, key: &str) -> &'v Value {
    let own = &container["securityContext"][key];
    if own.is_null() { &spec["securityContext"][key] } else { own }
}

/// `ValidatePodSecurityContext`.
pub fn check_pod_security_context(spec: &Value, report: &mut Report) {
    check_ids_and_profiles(&spec["securityContext"], "spec.securityContext", report);
}

/// `IsValidUserID`, `IsValidGroupID`, `validateSeccompProfileField` and `ValidateAppArmorProfileField`.
fn check_ids_and_profiles(context: &Value, path: &str, report: &mut Report) {
    for key in ["runAsUser", "runAsGroup", "fsGroup"] {
        let id = &context[key];
        let is_valid = |id| i32::try_from(id).is_ok_and(|id| id >= 0);
        let is_id = id.is_null() || id.as_i64().is_some_and(is_valid);
        report.refuse_unless(is_id, &format!("{path}.{key}"), "must be in 0-2147483647");
    }
    for key in ["seccompProfile", "appArmorProfile"] {
        let profile = &context[key];
        if profile.is_null() {
            continue;
        }
        let path = format!("{path}.{key}");
        let known = ["Localhost", "RuntimeDefault", "Unconfined"];
        report.refuse_other(&profile["type"], &known, &format!("{path}.type"));
        let fits = (profile["type"] == "Localhost") != text(profile, "localhostProfile").is_empty();
        report.refuse_unless(fits, &path, "localhostProfile must be set for Localhost only");
    }
}
