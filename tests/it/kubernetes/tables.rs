//! The rules themselves, each with what it accepts and what it refuses.

use serde_json::{Value, json};

use super::{violations, warnings};

fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" },
        "spec": {
            "initContainers": [
                { "name": "setup", "image": "a:1" },
                { "name": "proxy", "image": "a:1", "restartPolicy": "Always" },
            ],
            "containers": [{
                "name": "app", "image": "a:1",
                "ports": [{ "name": "http", "containerPort": 80 }],
                "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
            }],
            "volumes": [{ "name": "data", "emptyDir": {} }],
        },
    })
}

/// Sets a member, and the objects around it that are not there yet; `-` appends to a list.
pub fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    if object.pointer(parent).is_none() {
        set(object, parent, json!({}));
    }
    match object.pointer_mut(parent).unwrap() {
        Value::Array(elements) => match key.parse::<usize>() {
            Ok(index) => elements[index] = value,
            Err(_) => elements.push(value),
        },
        parent => parent[key.replace("~1", "/")] = value,
    }
}

/// A pod with something at each pointer, and what is wrong with it.
#[track_caller]
fn check(object: &Value, changes: &[(&str, Value)], expected: &[&str]) {
    let mut object = object.clone();
    for (pointer, value) in changes {
        set(&mut object, pointer, value.clone());
    }
    assert_eq!(violations(&object), expected, "{changes:?}");
}

#[test]
fn accepts_a_plain_pod() {
    check(&pod(), &[], &[]);
}

#[test]
fn accepts_and_refuses_names_of_containers() {
    let second = |name: &str| json!({ "name": name, "image": "a:1" });
    for (list, name, expected) in [
        ("containers", "other", &[][..]),
        ("containers", "app", &["containers[app]: duplicate"]),
        ("containers", "setup", &["containers[setup]: duplicate"]),
        ("initContainers", "app", &["containers[app]: duplicate"]),
        ("initContainers", "App", &["spec.initContainers[App].name: must be a DNS label"]),
    ] {
        check(&pod(), &[(&format!("/spec/{list}/-"), second(name))], expected);
    }
    check(&pod(), &[("/spec/containers", json!([]))], &["spec.containers: required"]);
}

#[test]
fn accepts_and_refuses_volumes_and_mounts() {
    let path = "spec.containers[app].volumeMounts";
    for (mount, expected) in [
        (json!({ "name": "data", "mountPath": "/other" }), vec![]),
        (
            json!({ "name": "data", "mountPath": "/data" }),
            vec![format!("{path}[/data]: duplicate")],
        ),
        (
            json!({ "name": "gone", "mountPath": "/x" }),
            vec![format!("{path}[/x]: volume not found")],
        ),
        (
            json!({ "name": "data", "mountPath": "/a:b" }),
            vec![format!("{path}[/a:b]: must not contain ':'")],
        ),
        (json!({ "name": "data", "mountPath": "" }), vec![format!("{path}[]: required")]),
        (
            json!({ "name": "data", "mountPath": "/x", "subPath": "../y" }),
            vec![format!("{path}[/x]: subPath must be relative and without ..")],
        ),
        (
            json!({ "name": "data", "mountPath": "/x", "subPath": "y", "subPathExpr": "z" }),
            vec![format!("{path}[/x]: must not have both subPath and subPathExpr")],
        ),
        (
            json!({ "name": "data", "mountPath": "/x", "mountPropagation": "Bidirectional" }),
            vec![format!("{path}[/x]: Bidirectional needs privileged")],
        ),
    ] {
        let expected: Vec<&str> = expected.iter().map(|text| &**text).collect();
        check(&pod(), &[("/spec/containers/0/volumeMounts/-", mount)], &expected);
    }
    for (volume, expected) in [
        (json!({ "name": "other", "secret": { "secretName": "x" } }), &[][..]),
        (json!({ "name": "data", "emptyDir": {} }), &["spec.volumes[data]: duplicate"]),
        (
            json!({ "name": "a.b", "emptyDir": {} }),
            &["spec.volumes[a.b].name: must be a DNS label"],
        ),
        (json!({ "name": "b" }), &["spec.volumes[b]: has 0 sources"]),
        (json!({ "name": "b", "emptyDir": {}, "nfs": {} }), &["spec.volumes[b]: has 2 sources"]),
        (json!({ "name": "b", "hostPath": { "path": "/a", "type": "File" } }), &[]),
        (
            json!({ "name": "b", "hostPath": { "path": "/a/../b" } }),
            &["spec.volumes[b].hostPath.path: required, and without .."],
        ),
        (
            json!({ "name": "b", "hostPath": { "path": "/a", "type": "Dir" } }),
            &["spec.volumes[b].hostPath.type: unsupported value"],
        ),
        (json!({ "name": "b", "emptyDir": { "sizeLimit": "1Gi", "medium": "Memory" } }), &[]),
        (
            json!({ "name": "b", "emptyDir": { "sizeLimit": "-1" } }),
            &["spec.volumes[b].emptyDir.sizeLimit: must be a quantity of zero or more"],
        ),
        (
            json!({ "name": "b", "emptyDir": { "medium": "Disk" } }),
            &["spec.volumes[b].emptyDir.medium: unsupported value"],
        ),
        (json!({ "name": "b", "projected": { "sources": [{ "secret": { "name": "s" } }] } }), &[]),
        (
            json!({ "name": "b", "projected": { "sources": [{ "secret": {}, "configMap": {} }] } }),
            &["spec.volumes[b].projected: must have exactly one kind of source"],
        ),
    ] {
        check(&pod(), &[("/spec/volumes/-", volume)], expected);
    }
    for (item, expected) in [
        (json!({ "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } }), &[][..]),
        (
            json!({ "path": "../l", "fieldRef": { "fieldPath": "metadata.name" } }),
            &["spec.volumes[b].downwardAPI[../l]: must be a relative path without .."],
        ),
        (
            json!({ "path": "l", "fieldRef": { "fieldPath": "status.podIP" } }),
            &["spec.volumes[b].downwardAPI[l]: unsupported fieldPath"],
        ),
        (json!({ "path": "l" }), &["spec.volumes[b].downwardAPI[l]: must have exactly one source"]),
        (
            json!({ "path": "l", "resourceFieldRef": { "containerName": "app", "resource": "limits.cpu", "divisor": "1m" } }),
            &[],
        ),
        (
            json!({ "path": "l", "resourceFieldRef": { "resource": "limits.cpu" } }),
            &["spec.volumes[b].downwardAPI[l].resourceFieldRef: container not found"],
        ),
    ] {
        let volume = json!({ "name": "b", "downwardAPI": { "items": [item] } });
        check(&pod(), &[("/spec/volumes/-", volume)], expected);
    }
}

#[test]
fn accepts_mounts_of_claims_by_their_template() {
    let object = |claim: &str| {
        json!({
            "kind": "StatefulSet", "metadata": {},
            "spec": {
                "selector": { "matchLabels": { "a": "b" } },
                "template": {
                    "metadata": { "labels": { "a": "b" } },
                    "spec": { "containers": [{
                        "name": "app", "image": "a", "volumeMounts": [{ "name": "data", "mountPath": "/d" }],
                    }] },
                },
                "volumeClaimTemplates": [{ "metadata": { "name": claim } }],
            },
        })
    };
    check(&object("data"), &[], &[]);
    let path = "spec.containers[app].volumeMounts[/d]: volume not found";
    check(&object("logs"), &[], &[path]);
    let other = json!({ "a": "c" });
    check(
        &object("data"),
        &[("/spec/selector/matchLabels", other)],
        &["spec.selector: does not match the template labels"],
    );
}

#[test]
fn accepts_and_refuses_variables() {
    let source = |source: Value| json!({ "name": "A", "valueFrom": source });
    let field = |path: &str| source(json!({ "fieldRef": { "fieldPath": path } }));
    let resource = |name: &str, divisor: &str, container: &str| {
        source(json!({ "resourceFieldRef": {
            "resource": name, "divisor": divisor, "containerName": container,
        }}))
    };
    let path = "spec.containers[app].env[A]";
    for (variable, expected) in [
        (json!({ "name": "A", "value": "" }), None),
        (json!({ "name": "A" }), None),
        (field("status.podIPs"), None),
        (field("metadata.labels['app.kubernetes.io/name']"), None),
        (field("metadata.labels['a b']"), Some("unsupported fieldPath")),
        (field("metadata.labels"), Some("unsupported fieldPath")),
        (field("spec.hostname"), Some("unsupported fieldPath")),
        (resource("limits.cpu", "1m", "app"), None),
        (resource("requests.memory", "1Mi", "app"), None),
        (resource("limits.cpu", "1Mi", "app"), Some("resourceFieldRef: unsupported divisor")),
        (resource("limits.gpu", "1", "app"), Some("resourceFieldRef: unsupported resource")),
        (resource("limits.cpu", "1", "gone"), Some("resourceFieldRef: container not found")),
        (source(json!({ "secretKeyRef": { "name": "s", "key": "k" } })), None),
        (source(json!({ "secretKeyRef": { "name": "s", "key": "a/b" } })), Some("invalid key")),
        (source(json!({})), Some("must have exactly one source")),
        (
            json!({ "name": "A", "value": "x", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }),
            Some("must not have both value and valueFrom"),
        ),
    ] {
        let expected = expected.map(|what| match what.strip_prefix("resourceFieldRef") {
            Some(what) => format!("{path}.resourceFieldRef{what}"),
            None => format!("{path}: {what}"),
        });
        let expected: Vec<&str> = expected.iter().map(|text| &**text).collect();
        check(&pod(), &[("/spec/containers/0/env", json!([variable]))], &expected);
    }
    let name = json!([{ "name": "1A", "value": "" }]);
    let expected = ["spec.containers[app].env[1A]: invalid variable name"];
    check(&pod(), &[("/spec/containers/0/env", name)], &expected);
    for (from, expected) in [
        (json!({ "secretRef": { "name": "s" }, "prefix": "A_" }), &[][..]),
        (
            json!({ "prefix": "A_" }),
            &["spec.containers[app].envFrom: must have exactly one source"],
        ),
    ] {
        check(&pod(), &[("/spec/containers/0/envFrom", json!([from]))], expected);
    }
}

#[test]
fn accepts_and_refuses_ports() {
    let path = "spec.containers[app].ports";
    for (port, expected) in [
        (json!({ "name": "metrics", "containerPort": 8089, "protocol": "UDP" }), vec![]),
        (
            json!({ "name": "http", "containerPort": 8089 }),
            vec![format!("{path}[http]: duplicate")],
        ),
        (
            json!({ "name": "name-of-16-bytes", "containerPort": 1 }),
            vec![format!("{path}[1].name: must be an IANA_SVC_NAME")],
        ),
        (json!({ "containerPort": 0 }), vec![format!("{path}[0].containerPort: invalid port")]),
        (
            json!({ "containerPort": 65536 }),
            vec![format!("{path}[65536].containerPort: invalid port")],
        ),
        (
            json!({ "containerPort": 1, "hostPort": 65536 }),
            vec![format!("{path}[1].hostPort: invalid port")],
        ),
        (
            json!({ "containerPort": 1, "protocol": "tcp" }),
            vec![format!("{path}[1].protocol: unsupported value")],
        ),
    ] {
        let expected: Vec<&str> = expected.iter().map(|text| &**text).collect();
        check(&pod(), &[("/spec/containers/0/ports/-", port)], &expected);
    }
    let second = |port: Value| ("/spec/initContainers/1/ports", json!([port]));
    let host_network = || ("/spec/hostNetwork", json!(true));
    check(&pod(), &[second(json!({ "containerPort": 80 }))], &[]);
    check(&pod(), &[host_network(), second(json!({ "containerPort": 81 }))], &[]);
    // An init container has ended by the time that others listen.
    let first = ("/spec/initContainers/0/ports", json!([{ "containerPort": 80 }]));
    check(&pod(), &[host_network(), first], &[]);
    check(
        &pod(),
        &[host_network(), second(json!({ "containerPort": 80 }))],
        &["spec.containers[app].ports[80].hostPort: duplicate"],
    );
    check(
        &pod(),
        &[host_network(), second(json!({ "containerPort": 81, "hostPort": 82 }))],
        &[
            "spec.initContainers[proxy].ports[81].hostPort: must match containerPort with hostNetwork",
        ],
    );
}

#[test]
fn accepts_and_refuses_probes_by_place() {
    let probe = || json!({ "tcpSocket": { "port": 80 } });
    let both = || json!({ "tcpSocket": { "port": 80 }, "exec": { "command": ["a"] } });
    for (pointer, probe, expected) in [
        ("/spec/containers/0/livenessProbe", probe(), &[][..]),
        ("/spec/initContainers/1/readinessProbe", probe(), &[]),
        (
            "/spec/initContainers/1/lifecycle",
            json!({ "preStop": { "exec": { "command": ["a"] } } }),
            &[],
        ),
        (
            "/spec/initContainers/0/startupProbe",
            probe(),
            &["spec.initContainers[setup].startupProbe: must not be set"],
        ),
        (
            "/spec/initContainers/0/lifecycle",
            json!({ "preStop": { "sleep": { "seconds": 1 } } }),
            &["spec.initContainers[setup].lifecycle: must not be set"],
        ),
        (
            "/spec/containers/0/livenessProbe",
            both(),
            &["spec.containers[app].livenessProbe: must have exactly one handler"],
        ),
        (
            "/spec/containers/0/readinessProbe",
            json!({ "httpGet": { "port": 0 } }),
            &["spec.containers[app].readinessProbe: invalid port"],
        ),
        ("/spec/containers/0/readinessProbe", json!({ "httpGet": { "port": "http" } }), &[]),
    ] {
        check(&pod(), &[(pointer, probe)], expected);
    }
}

#[test]
fn accepts_and_refuses_restart_policies() {
    for (pointer, policy, expected) in [
        (
            "/spec/containers/0/restartPolicy",
            "Always",
            &["spec.containers[app].restartPolicy: must not be set"][..],
        ),
        ("/spec/initContainers/0/restartPolicy", "Always", &[]),
        (
            "/spec/initContainers/0/restartPolicy",
            "Never",
            &["spec.initContainers[setup].restartPolicy: unsupported value"],
        ),
        ("/spec/restartPolicy", "OnFailure", &[]),
        ("/spec/restartPolicy", "always", &["spec.restartPolicy: unsupported value"]),
    ] {
        check(&pod(), &[(pointer, json!(policy))], expected);
    }
    let spec = &pod()["spec"];
    let always = "spec.restartPolicy: must be Always";
    let ends = "spec.restartPolicy: must be Never or OnFailure";
    for (kind, policy, expected) in [
        ("Deployment", "Always", None),
        ("DaemonSet", "OnFailure", Some(always)),
        ("StatefulSet", "Never", Some(always)),
        ("Job", "Never", None),
        ("Job", "Always", Some(ends)),
        ("CronJob", "OnFailure", None),
        ("CronJob", "Always", Some(ends)),
    ] {
        let mut spec = spec.clone();
        spec["restartPolicy"] = json!(policy);
        let template = json!({ "template": { "metadata": {}, "spec": spec } });
        let of_kind = if kind == "CronJob" {
            json!({ "jobTemplate": { "spec": template } })
        } else {
            template
        };
        let object = json!({ "kind": kind, "metadata": {}, "spec": of_kind });
        assert_eq!(
            violations(&object),
            expected.into_iter().collect::<Vec<_>>(),
            "{kind} {policy}"
        );
    }
    let template = json!({ "metadata": {}, "spec": {
        "restartPolicy": "OnFailure", "containers": [{ "name": "app", "image": "a" }],
    }});
    let rule =
        json!({ "action": "FailJob", "onExitCodes": { "containerName": "gone", "values": [1] } });
    let object = json!({ "kind": "Job", "metadata": {}, "spec": {
        "podFailurePolicy": { "rules": [rule] }, "template": template,
    }});
    check(
        &object,
        &[],
        &[
            "spec.restartPolicy: must be Never for podFailurePolicy",
            "podFailurePolicy: container not found",
        ],
    );
}

#[test]
fn accepts_and_refuses_resources_of_containers() {
    let path = "spec.containers[app].resources";
    for (resources, expected) in [
        (json!({ "requests": { "cpu": "1" }, "limits": { "cpu": 1, "memory": "1Gi" } }), vec![]),
        (
            json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "1" } }),
            vec![format!("{path}.requests[cpu]: must be at most the limit")],
        ),
        (
            json!({ "requests": { "memory": "much" } }),
            vec![format!("{path}.requests[memory]: must be a quantity")],
        ),
        (
            json!({ "limits": { "memory": "-1" } }),
            vec![format!("{path}.limits[memory]: must not be negative")],
        ),
        (
            json!({ "limits": { "gpu": 1 } }),
            vec![format!("{path}.limits[gpu]: unsupported resource")],
        ),
        (json!({ "limits": { "nvidia.com/gpu": 1 } }), vec![]),
        (
            json!({ "limits": { "nvidia.com/gpu": "500m" } }),
            vec![format!("{path}.limits[nvidia.com/gpu]: must be an integer")],
        ),
        (
            json!({ "requests": { "nvidia.com/gpu": 1 } }),
            vec![format!("{path}.requests[nvidia.com/gpu]: needs a limit")],
        ),
        (
            json!({ "limits": { "hugepages-2Mi": "4Mi" } }),
            vec![format!("{path}: huge pages need cpu or memory")],
        ),
        (json!({ "claims": [{ "name": "gpu" }] }), vec![format!("{path}.claims: claim not found")]),
    ] {
        let expected: Vec<&str> = expected.iter().map(|text| &**text).collect();
        check(&pod(), &[("/spec/containers/0/resources", resources)], &expected);
    }
}

/// The pod of the tables has an init container `setup`, a native sidecar `proxy` after it, and `app`.
#[test]
fn accepts_and_refuses_resources_of_the_pod() {
    let less = "spec.resources.requests[cpu]: must be at least the aggregate container requests";
    let limit = "spec.resources.limits[cpu]: must be at least the aggregate container requests";
    let cpu = |amount: &str| json!({ "requests": { "cpu": amount } });
    let limited = |amount: &str| json!({ "limits": { "cpu": amount } });
    let (setup, proxy, app) = (
        "/spec/initContainers/0/resources",
        "/spec/initContainers/1/resources",
        "/spec/containers/0/resources",
    );
    for (pod_resources, changes, expected) in [
        (cpu("1"), vec![], &[][..]),
        (cpu("1"), vec![(app, cpu("1"))], &[]),
        (cpu("1"), vec![(app, cpu("1001m"))], &[less]),
        // A request that is not there is the limit.
        (cpu("1"), vec![(app, limited("2"))], &[less]),
        // An init container has ended before the others start.
        (cpu("1"), vec![(app, cpu("1")), (setup, cpu("1"))], &[]),
        (cpu("1"), vec![(app, cpu("100m")), (setup, cpu("1100m"))], &[less]),
        // A native sidecar goes on.
        (cpu("1"), vec![(app, cpu("900m")), (proxy, cpu("100m"))], &[]),
        (cpu("1"), vec![(app, cpu("1")), (proxy, cpu("100m"))], &[less]),
        (limited("1"), vec![(app, cpu("1"))], &[]),
        (limited("1"), vec![(app, cpu("700m")), (proxy, cpu("700m"))], &[limit]),
        (
            limited("1"),
            vec![(app, json!({ "requests": { "cpu": "1" }, "limits": { "cpu": "2" } }))],
            &["spec.containers[app].resources.limits[cpu]: must be at most the pod limit"],
        ),
        (json!({ "requests": { "memory": "1Gi" } }), vec![(app, cpu("9"))], &[]),
        (
            json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "1" } }),
            vec![],
            &["spec.resources.requests[cpu]: must be at most the limit", limit],
        ),
        (
            json!({ "requests": { "ephemeral-storage": "1Gi" } }),
            vec![],
            &["spec.resources.requests[ephemeral-storage]: unsupported resource"],
        ),
        (
            json!({ "claims": [{ "name": "a" }] }),
            vec![],
            &["spec.resources.claims: is not supported"],
        ),
    ] {
        let mut changes = changes;
        changes.push(("/spec/resources", pod_resources));
        check(&pod(), &changes, expected);
    }
    // A native sidecar before an init container runs while that one does.
    let mut turned = pod();
    turned["spec"]["initContainers"].as_array_mut().unwrap().reverse();
    let (proxy, setup) = (setup, proxy);
    let changes = [("/spec/resources", cpu("1")), (proxy, cpu("600m")), (setup, cpu("600m"))];
    check(&turned, &changes, &[less]);
}

#[test]
fn accepts_and_refuses_security_contexts() {
    let path = "spec.containers[app].securityContext";
    for (context, expected) in [
        (json!({ "privileged": true }), vec![]),
        (
            json!({ "privileged": true, "allowPrivilegeEscalation": false }),
            vec![format!("{path}.allowPrivilegeEscalation: must not be false with privileged")],
        ),
        (json!({ "capabilities": { "add": ["CAP_SYS_ADMIN"] } }), vec![]),
        (
            json!({ "capabilities": { "add": ["CAP_SYS_ADMIN"] }, "allowPrivilegeEscalation": false }),
            vec![format!("{path}.allowPrivilegeEscalation: must not be false with CAP_SYS_ADMIN")],
        ),
        (json!({ "procMount": "Default" }), vec![]),
        (json!({ "procMount": "Masked" }), vec![format!("{path}.procMount: unsupported value")]),
        (
            json!({ "procMount": "Unmasked" }),
            vec![format!("{path}.procMount: Unmasked needs hostUsers: false")],
        ),
        (json!({ "runAsUser": 65532, "runAsGroup": 0 }), vec![]),
        (json!({ "runAsUser": -1 }), vec![format!("{path}.runAsUser: must be in 0-2147483647")]),
        (
            json!({ "runAsNonRoot": true, "runAsUser": 0 }),
            vec![format!("{path}.runAsUser: must not be 0 with runAsNonRoot")],
        ),
        (
            json!({ "seccompProfile": { "type": "Localhost", "localhostProfile": "a.json" } }),
            vec![],
        ),
        (
            json!({ "seccompProfile": { "type": "Localhost" } }),
            vec![format!("{path}.seccompProfile: localhostProfile must be set for Localhost only")],
        ),
        (
            json!({ "seccompProfile": { "type": "Runtime" } }),
            vec![format!("{path}.seccompProfile.type: unsupported value")],
        ),
    ] {
        let expected: Vec<&str> = expected.iter().map(|text| &**text).collect();
        check(&pod(), &[("/spec/containers/0/securityContext", context)], &expected);
    }
    let inherited = [
        ("/spec/securityContext", json!({ "runAsNonRoot": true })),
        ("/spec/containers/0/securityContext", json!({ "runAsUser": 0 })),
    ];
    let expected = format!("{path}.runAsUser: must not be 0 with runAsNonRoot");
    check(&pod(), &inherited, &[&expected]);
    let unmasked = [
        ("/spec/hostUsers", json!(false)),
        ("/spec/containers/0/securityContext", json!({ "procMount": "Unmasked" })),
    ];
    check(&pod(), &unmasked, &[]);
}

#[test]
fn accepts_and_refuses_namespaces_of_the_host() {
    let both = "spec.shareProcessNamespace: must not be set with hostPID";
    for (share, expected) in [(true, &[both][..]), (false, &[])] {
        let changes =
            [("/spec/hostPID", json!(true)), ("/spec/shareProcessNamespace", json!(share))];
        check(&pod(), &changes, expected);
    }
    let changes = [("/spec/hostUsers", json!(false)), ("/spec/hostNetwork", json!(true))];
    check(&pod(), &changes, &["spec.hostNetwork: must not be set with hostUsers: false"]);
}

#[test]
fn accepts_and_refuses_by_the_operating_system() {
    for (os, pointer, value, expected) in [
        (
            "windows",
            "/spec/securityContext/windowsOptions",
            json!({ "runAsUserName": "x" }),
            &[][..],
        ),
        ("windows", "/spec/securityContext/runAsNonRoot", json!(true), &[]),
        (
            "windows",
            "/spec/securityContext/fsGroup",
            json!(1),
            &["spec.securityContext.fsGroup: must not be set in a Windows pod"],
        ),
        (
            "windows",
            "/spec/shareProcessNamespace",
            json!(true),
            &["spec.shareProcessNamespace: must not be set in a Windows pod"],
        ),
        (
            "windows",
            "/spec/containers/0/securityContext/capabilities",
            json!({}),
            &[
                "spec.containers[app].securityContext.capabilities: must not be set in a Windows pod",
            ],
        ),
        ("linux", "/spec/containers/0/securityContext/capabilities", json!({}), &[]),
        (
            "linux",
            "/spec/securityContext/windowsOptions",
            json!({}),
            &["spec.securityContext.windowsOptions: must not be set in a Linux pod"],
        ),
    ] {
        check(&pod(), &[("/spec/os/name", json!(os)), (pointer, value)], expected);
    }
}

#[test]
fn accepts_and_refuses_images_and_policies() {
    let path = "spec.containers[app]";
    for (key, value, expected) in [
        ("image", json!("hub.example.com:5000/a/b:1"), None),
        ("image", json!(""), Some("image: invalid image reference")),
        ("image", json!(" a:1"), Some("image: invalid image reference")),
        ("imagePullPolicy", json!("IfNotPresent"), None),
        ("imagePullPolicy", json!("always"), Some("imagePullPolicy: unsupported value")),
        ("terminationMessagePolicy", json!("FallbackToLogsOnError"), None),
        (
            "terminationMessagePolicy",
            json!("Log"),
            Some("terminationMessagePolicy: unsupported value"),
        ),
    ] {
        let expected = expected.map(|what| format!("{path}.{what}"));
        let expected: Vec<&str> = expected.iter().map(|text| &**text).collect();
        check(&pod(), &[(&format!("/spec/containers/0/{key}"), value)], &expected);
    }
    let secrets = json!([{ "name": "hub" }, { "name": "hub" }]);
    let expected = ["spec.imagePullSecrets[hub]: duplicate"];
    check(&pod(), &[("/spec/imagePullSecrets", secrets)], &expected);
    check(&pod(), &[("/spec/imagePullSecrets", json!([{ "name": "hub" }]))], &[]);
}

#[test]
fn accepts_and_refuses_metadata() {
    let size = 256 * 1024;
    for (annotations, expected) in [
        (json!({ "a.b/C": "d" }), &[][..]),
        (json!({ "a b": "" }), &["metadata.annotations[a b]: must be a qualified name"]),
        (json!({ "a": true }), &["metadata.annotations[a]: must be a string"]),
        (json!({ "a": "x".repeat(size - 1) }), &[]),
        (json!({ "a": "x".repeat(size) }), &["metadata.annotations: must not exceed 256 KiB"]),
        (
            json!({ "kubernetes.io/config.mirror": "0" }),
            &["spec.nodeName: required in a mirror pod"],
        ),
    ] {
        check(&pod(), &[("/metadata/annotations", annotations)], expected);
    }
    let expected = ["metadata.labels[a]: invalid label value"];
    check(&pod(), &[("/metadata/labels", json!({ "a": "b c" }))], &expected);
    check(&pod(), &[("/metadata/name", json!("A"))], &["metadata.name: must be a DNS subdomain"]);
}

#[test]
fn refuses_ephemeral_containers_at_first() {
    let debug = json!([{ "name": "debug", "image": "a", "targetContainerName": "app" }]);
    let change = [("/spec/ephemeralContainers", debug)];
    check(&pod(), &change, &["spec.ephemeralContainers: must not be set on create"]);
    let with = json!([{ "name": "debug", "image": "a", "ports": [{ "containerPort": 1 }] }]);
    let expected = [
        "spec.ephemeralContainers: must not be set on create",
        "spec.ephemeralContainers[debug].ports: must not be set",
    ];
    check(&pod(), &[("/spec/ephemeralContainers", with)], &expected);
}

#[test]
fn warns_of_names_that_hide_others() {
    let mut pod = pod();
    assert_eq!(warnings(&pod), [""; 0]);
    pod["spec"]["containers"][0]["env"] = json!([{ "name": "A" }, { "name": "A" }]);
    pod["spec"]["initContainers"][1]["ports"] = json!([{ "name": "http", "containerPort": 1 }]);
    let expected = ["spec.containers[app].env[A]: duplicate", "ports[http]: duplicate"];
    assert_eq!(warnings(&pod), expected);
}
