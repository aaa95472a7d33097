//! Pods as users have them, one table for each situation.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::documents::read;
use crate::objects::{container, deployment, java_asked, names, pod, template_of, with_annotation};
use datakit_injection::policy::{self, Answer};
use testing::requests::request;

/// The answer to a created object, and the object as it is stored.
fn create(object: &Value, settings: &Value) -> (Answer, Value) {
    let request = request("CREATE", object, None);
    let payload = format!(r#"{{"request":{request},"settings":{settings}}}"#);
    let answer = policy::evaluate(payload.as_bytes());
    let stored = answer.mutated_object().map(|text| serde_json::from_str(text).unwrap());
    (answer, stored.unwrap_or_else(|| object.clone()))
}

fn injected(answer: &Answer) -> Vec<String> {
    answer.report.injected.iter().map(|(name, _)| name.to_string()).collect()
}

/// A version 2 configuration of rules that select every pod, one for each injection that is named.
fn every(injections: &[&str]) -> Value {
    let mut settings = json!({});
    for injection in injections {
        let (section, list, rule) = match *injection {
            "java" | "python" | "nodejs" => {
                ("admission_inject_v2", "ddtraces", json!({ "language": injection }))
            }
            "otel" => ("admission_inject_v2", "otels", json!({ "language": "java" })),
            "logfwd" => (
                "admission_inject_v2",
                "logfwds",
                json!({
                "log_configs": r#"[{"type":"file","path":"/var/log/app/*.log"}]"# }),
            ),
            "profiler" => ("admission_inject_v2", "profilers", json!({ "language": "java" })),
            "flameshot" => (
                "admission_inject_v2",
                "flameshots",
                json!({
                "processes": "[]",
                "envs": { "FLAMESHOT_PROFILING_PATH": "/flame", "FLAMESHOT_HTTP_LOCAL_PORT": 8089 } }),
            ),
            "logging" => (
                "admission_mutate",
                "loggings",
                json!({
                "config": r#"[{"type":"file","path":"/var/log/app/*.log"}]"# }),
            ),
            other => panic!("{other}"),
        };
        let mut rule = rule;
        rule["namespace_selectors"] = json!(["default"]);
        rule["label_selectors"] = json!(["!none"]);
        if section == "admission_inject_v2" {
            rule["image"] = json!("h/x:1");
        }
        if settings[section][list].is_null() {
            settings[section][list] = json!([]);
        }
        settings[section][list].as_array_mut().unwrap().push(rule);
    }
    settings
}

fn with_spec(mut pod: Value, spec: Value) -> Value {
    pod["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    pod
}

fn with_container(mut pod: Value, members: Value) -> Value {
    pod["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    pod
}

/// All containers of a pod, of both kinds, by name.
fn containers(pod: &Value) -> BTreeMap<&str, &Value> {
    let lists = ["containers", "initContainers"].into_iter();
    let all = lists.filter_map(|list| pod["spec"][list].as_array()).flatten();
    all.map(|container| (container["name"].as_str().unwrap(), container)).collect()
}

/// The mounts of a container as `volume:path` or `volume/subPath:path`, with `:ro` where read-only.
fn mounts(pod: &Value, container: &str) -> Vec<String> {
    let list = containers(pod)[container]["volumeMounts"].as_array();
    let text = |mount: &Value| {
        let part = mount["subPath"].as_str().map(|it| format!("/{it}")).unwrap_or_default();
        let read_only = if mount["readOnly"] == json!(true) { ":ro" } else { "" };
        let volume = mount["name"].as_str().unwrap();
        format!("{volume}{part}:{}{read_only}", mount["mountPath"].as_str().unwrap())
    };
    list.into_iter().flatten().map(text).collect()
}

fn env<'p>(pod: &'p Value, container: &str, name: &str) -> Option<&'p str> {
    let list = pod["spec"]["containers"].as_array().unwrap();
    let of_name = list.iter().find(|it| it["name"] == container).unwrap();
    let variable = of_name["env"].as_array()?.iter().find(|it| it["name"] == name)?;
    variable["value"].as_str()
}

#[track_caller]
fn warns(answer: &Answer, of: &str) {
    let warnings = answer.report.warnings();
    assert!(warnings.iter().any(|warning| warning.contains(of)), "{of}: {warnings:?}");
}

#[test]
fn a_pod_that_forbids_root_starts() {
    let all = ["java", "logfwd", "profiler", "flameshot"];
    let settings = every(&all);
    // The pod's context, that of its container, and the user of what is added.
    for (of_pod, of_container, expected) in [
        (json!({ "runAsNonRoot": true }), json!(null), Some(65532)),
        (json!({ "runAsNonRoot": true, "runAsUser": 0 }), json!(null), Some(65532)),
        (json!({ "runAsNonRoot": true }), json!({ "runAsUser": 1001 }), Some(1001)),
        (json!({ "runAsNonRoot": true }), json!({ "runAsUser": 0 }), Some(65532)),
        (json!({ "runAsNonRoot": true, "runAsUser": 7 }), json!(null), None),
        (json!({ "runAsNonRoot": false }), json!(null), None),
        (json!({}), json!({ "runAsNonRoot": true }), None),
    ] {
        let mut object = with_spec(pod(), json!({ "securityContext": of_pod }));
        object["spec"]["containers"][0]["securityContext"] = of_container;
        let (answer, stored) = create(&object, &settings);
        for name in ["datakit-lib-init", "datakit-logfwd"] {
            let context = &containers(&stored)[name]["securityContext"];
            assert_eq!(context["runAsUser"].as_i64(), expected, "{object}: {context}");
        }
        let with_profilers = injected(&answer).len() == 4;
        assert_eq!(with_profilers, expected.is_none(), "{object}");
        if expected.is_some() {
            warns(
                &answer,
                "profiler-java is not injected into Pod/web: its container would run as root",
            );
            warns(
                &answer,
                "flameshot is not injected into Pod/web: its container would run as root",
            );
        }
    }
    // The reference copies the first container's context for OpenTelemetry: section 6.
    let object = with_spec(pod(), json!({ "securityContext": { "runAsNonRoot": true } }));
    let (answer, _) = create(&object, &every(&["otel"]));
    warns(&answer, "otel-java is not injected into Pod/web: its container would run as root");
    // An option of the policy is used as it is.
    let mut settings = every(&["java"]);
    settings["policy"] = json!({ "security_context": { "allowPrivilegeEscalation": false } });
    let (_, stored) = create(&object, &settings);
    let context = &containers(&stored)["datakit-lib-init"]["securityContext"];
    assert_eq!(*context, json!({ "allowPrivilegeEscalation": false }));
}

const CLAIM: &str = r#"{"name":"v","persistentVolumeClaim":{"claimName":"c"}}"#;
const EMPTY: &str = r#"{"name":"v","emptyDir":{}}"#;
const FILES: &str = r#"{"name":"v","configMap":{"name":"c"}}"#;

/// What a pod looks like in which `app` has some mounts of one volume.
fn mounting(volume: &str, of_app: &[Value]) -> Value {
    let mut object =
        with_spec(pod(), json!({ "volumes": [serde_json::from_str::<Value>(volume).unwrap()] }));
    object["spec"]["containers"] = json!([container("app"), container("side")]);
    object["spec"]["containers"][0]["volumeMounts"] = json!(of_app);
    object
}

#[test]
fn a_directory_below_a_mount_is_on_its_volume() {
    let at = |path: &str| json!({ "name": "v", "mountPath": path });
    // What `app` mounts; then the new mounts of `app`, of `side`, of the sidecar.
    let new = "datakit-logfwd-volume-0:/var/log/app";
    let shared = "v/app:/var/log/app";
    let cases = [
        (EMPTY, at("/var/log"), false, vec![shared], true),
        (EMPTY, at("/var/log/"), false, vec![shared], true),
        (EMPTY, at("/var"), false, vec!["v/log/app:/var/log/app"], true),
        (
            EMPTY,
            json!({ "name": "v", "mountPath": "/var/log", "subPath": "a/b" }),
            false,
            vec!["v/a/b/app:/var/log/app"],
            true,
        ),
        (EMPTY, at("/var/log/app"), false, vec!["v:/var/log/app"], true),
        (EMPTY, at("/var/lo"), true, vec![new], true),
        (EMPTY, at("/var/log/app/sub"), true, vec![new], true),
        (
            EMPTY,
            json!({ "name": "v", "mountPath": "/var/log", "readOnly": true }),
            false,
            vec![shared],
            true,
        ),
        (
            EMPTY,
            json!({ "name": "v", "mountPath": "/var/log", "subPathExpr": "$(A)" }),
            false,
            vec![],
            false,
        ),
        (CLAIM, at("/var/log"), false, vec![], false),
        (CLAIM, at("/"), false, vec![], false),
        (CLAIM, at("/var/log/app"), false, vec![], false),
        (FILES, at("/var"), false, vec![], false),
    ];
    for (volume, mount, app_gets_it, expected, is_shared) in cases {
        let object = mounting(volume, std::slice::from_ref(&mount));
        let (answer, stored) = create(&object, &every(&["logfwd"]));
        assert_eq!(injected(&answer), ["logfwd"]);
        let app = mounts(&stored, "app").split_off(1);
        assert_eq!(app, if app_gets_it { expected.clone() } else { vec![] }, "{mount}");
        assert_eq!(mounts(&stored, "side"), expected, "{mount}");
        let mut of_sidecar: Vec<String> = expected.iter().map(|it| format!("{it}:ro")).collect();
        of_sidecar.push("datakit-pod-info:/etc/podinfo:ro".to_owned());
        assert_eq!(mounts(&stored, "datakit-logfwd"), of_sidecar, "{mount}");
        let has_new = names(&stored["spec"]["volumes"]).contains(&"datakit-logfwd-volume-0");
        assert_eq!(has_new, expected == [new], "{mount}");
        let is_told =
            answer.report.warnings().iter().any(|it| it.contains("1 directory is not shared"));
        assert_eq!(is_told, !is_shared, "{mount}: {:?}", answer.report.warnings());
        let (again, _) = create(&stored, &every(&["logfwd"]));
        assert_eq!(again.mutated_object(), None);
    }
    // The nearest mount counts, and a StatefulSet's claim is no emptyDir.
    let object = mounting(EMPTY, &[json!({ "name": "w", "mountPath": "/var" }), at("/var/log")]);
    let (_, stored) = create(&object, &every(&["logfwd"]));
    assert_eq!(mounts(&stored, "side"), [shared]);
    let mut object = deployment(&mounting(EMPTY, &[at("/var/log")]));
    object["kind"] = json!("StatefulSet");
    object["spec"]["volumeClaimTemplates"] = json!([{ "metadata": { "name": "v" } }]);
    let (answer, mut stored) = create(&object, &every(&["logfwd"]));
    warns(&answer, "1 directory is not shared");
    assert_eq!(mounts(template_of(&mut stored), "side"), [""; 0]);
}

#[test]
fn mounts_of_init_containers_count() {
    for (of_init, expected) in [
        (json!({ "name": "v", "mountPath": "/var/log/app" }), "v:/var/log/app"),
        (json!({ "name": "v", "mountPath": "/var/log" }), "v/app:/var/log/app"),
    ] {
        for policy in [json!(null), json!("Always")] {
            let mut object = mounting(EMPTY, &[]);
            let mut first = container("first");
            first["volumeMounts"] = json!([of_init]);
            first["restartPolicy"] = policy;
            object["spec"]["initContainers"] = json!([first]);
            for injection in ["logfwd", "logging"] {
                let (_, stored) = create(&object, &every(&[injection]));
                assert_eq!(mounts(&stored, "app"), [expected], "{injection}");
                assert_eq!(mounts(&stored, "first").len(), 1);
            }
        }
    }
}

#[test]
fn of_two_empty_dirs_at_a_directory_the_other_is_named() {
    let volumes = json!([{ "name": "a", "emptyDir": {} }, { "name": "b", "emptyDir": {} }]);
    let at = |volume: &str, path: &str| json!([{ "name": volume, "mountPath": path }]);
    for (of_app, of_worker, is_told) in [
        (at("a", "/var/log/app"), at("b", "/var/log/app"), true),
        (at("a", "/var/log"), at("b", "/var/log"), true),
        (at("a", "/var/log"), at("b", "/var/log/app"), true),
        (at("a", "/var/log"), at("a", "/var/log"), false),
        (at("a", "/var/log/app"), at("a", "/var/log"), true),
        (at("a", "/var/log/app"), json!([]), false),
    ] {
        let mut object = with_spec(pod(), json!({ "volumes": volumes }));
        object["spec"]["containers"] = json!([container("app"), container("worker")]);
        object["spec"]["containers"][0]["volumeMounts"] = of_app;
        object["spec"]["containers"][1]["volumeMounts"] = of_worker;
        let (answer, _) = create(&object, &every(&["logfwd"]));
        let of = "mounts another volume at a shared directory; only the first is read";
        let is_there = answer.report.warnings().iter().any(|it| it.contains(of));
        assert_eq!(is_there, is_told, "{object}: {:?}", answer.report.warnings());
    }
}

#[test]
fn a_native_sidecar_mounts_nothing_below_its_own_read_only_mounts() {
    let mut settings = every(&["logfwd", "logging"]);
    let configs =
        r#"[{"type":"file","path":"/data/app/deep/*.log"},{"type":"file","path":"/data/*.log"}]"#;
    settings["admission_inject_v2"]["logfwds"][0]["log_configs"] = json!(configs);
    settings["admission_mutate"]["loggings"][0]["config"] =
        json!(r#"[{"type":"file","path":"/data/other/*.log"}]"#);
    settings["policy"] = json!({ "sidecar_mode": "native" });
    let (_, stored) = create(&pod(), &settings);
    assert_eq!(mounts(&stored, "app"), ["datakit-logfwd-volume-1:/data"]);
    let expected = ["datakit-logfwd-volume-1:/data:ro", "datakit-pod-info:/etc/podinfo:ro"];
    assert_eq!(mounts(&stored, "datakit-logfwd"), expected);
    // The reference mounts a volume for each.
    settings["policy"] = json!({});
    let (_, stored) = create(&pod(), &settings);
    assert_eq!(mounts(&stored, "app").len(), 3);
}

#[test]
fn the_working_directory_and_the_program_are_not_hidden() {
    for (member, path, is_shared) in [
        ("workingDir", json!("/var/log/app"), false),
        ("workingDir", json!("/var/log/app/"), false),
        ("workingDir", json!("/var/log/app/current"), false),
        ("workingDir", json!("/var/log"), true),
        ("workingDir", json!("/var/log/application"), true),
        ("workingDir", json!("/"), true),
        ("command", json!(["/var/log/app/run.sh"]), false),
        ("command", json!(["var/log/app/run.sh"]), true),
        ("command", json!(["/bin/sh", "/var/log/app/out.log"]), true),
        ("args", json!(["/var/log/app/out.log"]), true),
        ("command", json!([]), true),
    ] {
        let object = with_container(pod(), json!({ member: path }));
        let (answer, stored) = create(&object, &every(&["logfwd"]));
        assert_eq!(injected(&answer), ["logfwd"]);
        assert_eq!(mounts(&stored, "app").len(), usize::from(is_shared), "{member} {path}");
        if !is_shared {
            warns(
                &answer,
                "1 directory is not shared: the working directory or program of a container is there",
            );
        }
    }
}

#[test]
fn a_shared_volume_does_not_hide_a_working_directory() {
    for (works_in, is_mounted) in
        [("/var/log/app", false), ("/var/log/app/current/", false), ("/var/log", true)]
    {
        let mut object = with_spec(pod(), json!({ "volumes": [{ "name": "v", "emptyDir": {} }] }));
        object["spec"]["containers"] = json!([container("app"), container("worker")]);
        object["spec"]["containers"][0]["volumeMounts"] =
            json!([{ "name": "v", "mountPath": "/var/log/app" }]);
        object["spec"]["containers"][1]["workingDir"] = json!(works_in);
        let (answer, stored) = create(&object, &every(&["logfwd"]));
        assert_eq!(mounts(&stored, "worker").len(), usize::from(is_mounted), "{works_in}");
        assert!(mounts(&stored, "datakit-logfwd").contains(&"v:/var/log/app:ro".to_owned()));
        if !is_mounted {
            warns(
                &answer,
                "a shared directory is not mounted in container `worker`, whose working directory or \
                 program is there",
            );
        }
    }
}

#[test]
fn a_directory_whose_path_is_written_otherwise_is_not_hidden() {
    for (source, path, is_hidden) in [
        (json!({ "persistentVolumeClaim": { "claimName": "c" } }), "/var/log/app/", false),
        (json!({ "hostPath": { "path": "/x" } }), "/var/log//app", false),
        (json!({ "configMap": { "name": "c" } }), "/var/log/./app", false),
        // As the reference does.
        (json!({ "emptyDir": {} }), "/var/log/app/", true),
    ] {
        let mut volume = source;
        volume["name"] = json!("v");
        let mut object = with_spec(pod(), json!({ "volumes": [volume] }));
        object["spec"]["containers"] = json!([container("app"), container("worker")]);
        object["spec"]["containers"][0]["volumeMounts"] =
            json!([{ "name": "v", "mountPath": path }]);
        let (answer, stored) = create(&object, &every(&["logfwd"]));
        assert_eq!(mounts(&stored, "app").len(), 1 + usize::from(is_hidden), "{path}");
        if !is_hidden {
            let of = "1 directory is not shared: a container mounts something there that is not";
            warns(&answer, &format!("{of} an emptyDir"));
        }
        // Also where another container has an emptyDir there.
        object["spec"]["volumes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "name": "w", "emptyDir": {} }));
        object["spec"]["containers"][1]["volumeMounts"] =
            json!([{ "name": "w", "mountPath": "/var/log/app" }]);
        let (_, stored) = create(&object, &every(&["logfwd"]));
        assert_eq!(mounts(&stored, "app").len(), 1 + usize::from(is_hidden), "{path}");
    }
}

#[test]
fn nothing_is_mounted_in_the_kernels_file_systems() {
    let mut settings = every(&["logfwd"]);
    for path in ["/proc/1/fd/1", "/sys/kernel/debug/*.log", "/proc/*.log"] {
        let configs = json!([{ "type": "file", "path": path }]).to_string();
        settings["admission_inject_v2"]["logfwds"][0]["log_configs"] = json!(configs);
        let (answer, stored) = create(&pod(), &settings);
        assert_eq!(mounts(&stored, "app"), [""; 0], "{path}");
        warns(&answer, "1 directory is not shared: an image cannot do without it");
    }
}

#[test]
fn nothing_is_mounted_below_what_is_read_only() {
    let files = json!({ "volumes": [{ "name": "v", "configMap": { "name": "c" } },
                                    { "name": "w", "emptyDir": {} }] });
    for (mount, injections, expected) in [
        (json!({ "name": "v", "mountPath": "/app" }), "profiler", false),
        (json!({ "name": "w", "mountPath": "/app", "readOnly": true }), "profiler", false),
        (json!({ "name": "w", "mountPath": "/app" }), "profiler", true),
        (json!({ "name": "v", "mountPath": "/" }), "java", false),
        (json!({ "name": "v", "mountPath": "/flam" }), "flameshot", true),
        (json!({ "name": "v", "mountPath": "/" }), "flameshot", false),
    ] {
        let mut object = with_spec(pod(), files.clone());
        object["spec"]["containers"][0]["volumeMounts"] = json!([mount]);
        let (answer, _) = create(&object, &every(&[injections]));
        assert_eq!(!injected(&answer).is_empty(), expected, "{mount} {injections}");
        if !expected {
            warns(&answer, "container `app` mounts a read-only volume above");
        }
    }
    let mut object = with_spec(pod(), files);
    object["spec"]["containers"][0]["volumeMounts"] = json!([{ "name": "v", "mountPath": "/etc" }]);
    let (_, stored) = create(&object, &every(&["profiler"]));
    assert!(!mounts(&stored, "app").iter().any(|it| it.ends_with("/etc/localtime")));
    assert!(mounts(&stored, "app").iter().any(|it| it.ends_with("/tmp")));
}

#[test]
fn a_block_device_at_a_path_is_in_the_way() {
    let with_device = |path: &str| {
        with_container(pod(), json!({ "volumeDevices": [{ "name": "b", "devicePath": path }] }))
    };
    for (path, injection, warning) in [
        ("/datadog-lib", "java", "container `app` mounts another volume at /datadog-lib"),
        ("/datadog-lib/", "java", "container `app` mounts another volume at /datadog-lib"),
        ("/app/datakit-profiler", "profiler", "mounts another volume at /app/datakit-profiler"),
        ("/flame", "flameshot", "mounts another volume at FLAMESHOT_PROFILING_PATH"),
        ("/otel-auto-instrumentation-java", "otel", "mounts another volume at /otel-auto"),
    ] {
        let (answer, stored) = create(&with_device(path), &every(&[injection]));
        assert_eq!(stored, with_device(path), "{path}");
        warns(&answer, warning);
    }
    for (path, injection) in
        [("/tmp", "profiler"), ("/var/log/app", "logfwd"), ("/var/log/app", "logging")]
    {
        let (answer, stored) = create(&with_device(path), &every(&[injection]));
        assert_eq!(injected(&answer).len(), 1, "{path}");
        assert!(!mounts(&stored, "app").iter().any(|it| it.ends_with(path)), "{path}");
        assert_eq!(answer.report.warnings().len(), 1, "{path}: {:?}", answer.report.warnings());
    }
}

#[test]
fn a_mount_with_a_slash_at_its_end_is_one_without() {
    for (path, injection) in [
        ("/tmp/", "profiler"),
        ("/etc/localtime/", "profiler"),
        ("/datadog-lib/", "java"),
        ("/otel-auto-instrumentation-java/", "otel"),
        ("/flame/", "flameshot"),
        ("/app/datakit-profiler/", "profiler"),
    ] {
        let object = mounting(EMPTY, &[json!({ "name": "v", "mountPath": path })]);
        let (_, stored) = create(&object, &every(&[injection]));
        let trimmed = path.trim_end_matches('/');
        let on = mounts(&stored, "app");
        let on =
            on.iter().filter(|it| it.split_once(':').unwrap().1.trim_end_matches('/') == trimmed);
        assert_eq!(on.count(), 1, "{path}");
    }
}

#[test]
fn a_template_keeps_the_pull_secrets_of_its_service_account() {
    let mut settings = every(&["java"]);
    settings["policy"] = json!({ "image_pull_secrets": ["hub"] });
    for (secrets, expected, is_told) in [
        (json!(null), json!(null), true),
        (json!([]), json!([]), true),
        (json!([{ "name": "own" }]), json!([{ "name": "own" }, { "name": "hub" }]), false),
        (json!([{ "name": "hub" }]), json!([{ "name": "hub" }]), false),
    ] {
        let mut object = pod();
        if !secrets.is_null() {
            object["spec"]["imagePullSecrets"] = secrets;
        }
        let (answer, mut stored) = create(&deployment(&object), &settings);
        assert_eq!(template_of(&mut stored)["spec"]["imagePullSecrets"], expected);
        let is_there = answer.report.warnings().iter().any(|it| it.contains("ServiceAccount"));
        assert_eq!(is_there, is_told, "{:?}", answer.report.warnings());
    }
    let (answer, stored) = create(&pod(), &settings);
    assert_eq!(stored["spec"]["imagePullSecrets"], json!([{ "name": "hub" }]));
    assert_eq!(answer.report.warnings(), [""; 0]);
}

#[test]
fn windows_pods_are_left_alone_by_every_sign() {
    let affinity = |terms: Value| {
        json!({ "affinity": { "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } } })
    };
    let term = |key: &str, operator: &str, values: Value| json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] });
    let os = "kubernetes.io/os";
    let windows = || term(os, "In", json!(["windows"]));
    for (spec, is_windows) in [
        (json!({ "os": { "name": "windows" } }), true),
        (json!({ "os": { "name": "linux" } }), false),
        (json!({ "nodeSelector": { os: "windows" } }), true),
        (json!({ "nodeSelector": { "beta.kubernetes.io/os": "windows" } }), true),
        (json!({ "nodeSelector": { os: "linux" } }), false),
        (json!({ "securityContext": { "windowsOptions": { "runAsUserName": "u" } } }), true),
        (json!({ "securityContext": { "windowsOptions": {} } }), false),
        (json!({ "securityContext": { "windowsOptions": null } }), false),
        (affinity(json!([windows()])), true),
        (affinity(json!([term("beta.kubernetes.io/os", "In", json!(["windows"]))])), true),
        (affinity(json!([term(os, "NotIn", json!(["linux"]))])), true),
        (affinity(json!([windows(), term(os, "NotIn", json!(["linux", "darwin"]))])), true),
        (affinity(json!([windows(), term("zone", "In", json!(["a"]))])), false),
        (affinity(json!([term(os, "In", json!(["windows", "linux"]))])), false),
        (affinity(json!([term(os, "NotIn", json!(["windows"]))])), false),
        (affinity(json!([term(os, "In", json!(["linux"]))])), false),
        (affinity(json!([])), false),
        (affinity(json!(["odd", 7])), false),
        (
            json!({ "affinity": { "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [
            { "weight": 1, "preference": windows() } ] } } }),
            false,
        ),
    ] {
        for object in [with_spec(pod(), spec.clone()), deployment(&with_spec(pod(), spec.clone()))]
        {
            let (answer, stored) = create(&object, &every(&["java"]));
            assert_eq!(stored == object, is_windows, "{spec}");
            if is_windows {
                warns(&answer, "the pod runs on Windows");
            }
        }
    }
    let object = with_container(
        pod(),
        json!({ "securityContext": { "windowsOptions": { "hostProcess": true } } }),
    );
    assert_eq!(create(&object, &every(&["java"])).1, object);
}

/// What an API server says of a pod in a namespace that enforces `restricted`.
#[derive(Deserialize)]
struct Verdicts {
    id: String,
    object: Value,
    /// By the version that the namespace pins.
    restricted: BTreeMap<String, bool>,
}

#[test]
fn what_is_added_meets_the_level_that_some_version_says_the_pod_meets() {
    let all: Vec<Verdicts> =
        serde_json::from_str(&read("tests/conformance/pod-security.json")).unwrap();
    let (mut meeting, mut others, mut windows) = (0, 0, 0);
    for Verdicts { id, object, restricted } in all {
        let (answer, stored) = create(&object, &every(&["java", "logfwd", "profiler"]));
        if answer.report.warnings().iter().any(|it| it.contains("runs on Windows")) {
            windows += 1;
            continue;
        }
        let meets = restricted.values().any(|meets| *meets);
        *if meets { &mut meeting } else { &mut others } += 1;
        for name in ["datakit-lib-init", "datakit-logfwd"] {
            let context = &containers(&stored)[name]["securityContext"];
            let is_compliant = context["allowPrivilegeEscalation"] == json!(false)
                && context["capabilities"] == json!({ "drop": ["ALL"] });
            assert_eq!(is_compliant, meets, "{id}: {name}: {context}");
            let of_pod = &object["spec"]["securityContext"];
            let effective = |key: &str| match &context[key] {
                Value::Null => of_pod[key].clone(),
                own => own.clone(),
            };
            if meets {
                assert_eq!(effective("runAsNonRoot"), json!(true), "{id}: {name}");
                let profile = effective("seccompProfile")["type"].clone();
                assert!(
                    ["RuntimeDefault", "Localhost"].map(|it| json!(it)).contains(&profile),
                    "{id}"
                );
                assert!(effective("runAsUser").as_i64().unwrap() > 0, "{id}: {name}");
            }
        }
        let is_kept_out =
            answer.report.warnings().iter().any(|it| it.contains("policy.pod_security"));
        assert_eq!(is_kept_out, meets, "{id}: {:?}", answer.report.warnings());
    }
    println!("{meeting} pods meet the level, {others} do not, {windows} run on Windows");
    assert!(meeting > 100 && others > 300);
}

#[test]
fn a_process_gets_no_second_datadog_library() {
    let args = |text: &str| json!({ "args": [text, "-jar", "/app.jar"] });
    let env = |name: &str, value: &str| json!({ "env": [{ "name": name, "value": value }] });
    for (members, is_elsewhere) in [
        (args("-javaagent:/opt/dd/dd-java-agent.jar"), true),
        (json!({ "command": ["sh", "-c", "java -javaagent:dd-java-agent.jar -jar x"] }), true),
        (env("JAVA_OPTS", "-javaagent:/opt/dd-java-agent.jar"), true),
        (env("JAVA_TOOL_OPTIONS", "-javaagent:/opt/dd-java-agent.jar=x"), true),
        (env("JAVA_TOOL_OPTIONS", "-javaagent:/datadog-lib/dd-java-agent.jar"), false),
        (env("OTHER", "-javaagent:/opt/other.jar"), false),
        (args("-javaagent:/datadog-lib/dd-java-agent.jar"), false),
    ] {
        let mut object = with_container(pod(), members.clone());
        let (answer, stored) = create(&object, &every(&["java"]));
        assert_eq!(stored == object, is_elsewhere, "{members}");
        if is_elsewhere {
            warns(&answer, "container `app` already loads the Datadog library; use one of the two");
        }
        let (answer, otel) = create(&object, &every(&["otel"]));
        let is_datadog = members.to_string().contains("dd-java-agent");
        assert_eq!(otel == object, is_datadog, "{members}: {:?}", answer.report.warnings());
        // The others of the pod get it.
        object["spec"]["containers"].as_array_mut().unwrap().push(container("other"));
        let (answer, stored) = create(&object, &every(&["java"]));
        assert_eq!(injected(&answer), ["ddtrace-java"]);
        assert_eq!(mounts(&stored, "app").is_empty(), is_elsewhere, "{members}");
        assert_eq!(mounts(&stored, "other").len(), 1);
        if is_elsewhere {
            warns(
                &answer,
                "container `app` already loads the Datadog library and gets no second one",
            );
        }
        // A library of another language is none beside it.
        let (answer, _) = create(&object, &every(&["python"]));
        assert_eq!(answer.report.warnings(), [""; 0]);
    }
}

#[test]
fn what_is_asked_for_twice_is_done_once_and_told() {
    let block = json!({ "admission_inject": {
        "ddtrace": { "images": { "java_agent_image": "h/j:1", "python_agent_image": "h/p:1",
                                 "js_agent_image": "h/n:1" } },
        "profiler": { "images": { "java_profiler_image": "h/j:1", "golang_profiler_image": "h/g:1" } },
    }});
    let asked = |annotations: &[&str]| {
        let key = |name: &&str| format!("admission.datakit/{name}");
        annotations.iter().fold(pod(), |pod, name| with_annotation(pod, &key(name), ""))
    };
    let asking = |language: &str, list: &str| {
        json!({ "check_annotation": true, "namespace_selectors": ["*"], "language": language,
                "image": "h/x:1", "list": list })
    };
    let mut v2 = json!({ "admission_inject_v2": {} });
    for (list, languages) in [("ddtraces", ["java", "python"]), ("otels", ["java", "python"])] {
        let rules = languages.map(|language| {
            let mut rule = asking(language, list);
            rule.as_object_mut().unwrap().remove("list");
            rule
        });
        v2["admission_inject_v2"][list] = json!(rules);
    }
    for (settings, annotations, expected) in [
        (
            &block,
            &["java-lib.version", "python-lib.version"][..],
            &["ddtrace-python is not injected into Pod/web: ddtrace-java takes precedence"][..],
        ),
        (
            &block,
            &["nodejs-lib.version", "python-lib.version", "java-lib.version"],
            &["ddtrace-nodejs is not injected", "ddtrace-python is not injected"],
        ),
        (&block, &["nodejs-lib.version", "js-lib.version"], &[]),
        (
            &block,
            &["java-profiler.version", "golang-profiler.version"],
            &["profiler-golang is not injected into Pod/web: profiler-java takes precedence"],
        ),
        (
            &v2,
            &["java-lib.version", "python-lib.version"],
            &["ddtrace-python is not injected into Pod/web: ddtrace-java takes precedence"],
        ),
        (
            &v2,
            &["java-lib.version", "otel-java-lib.version"],
            &["otel-java is not injected into Pod/web: ddtrace-java takes precedence"],
        ),
        (
            &v2,
            &["otel-python-lib.version", "otel-java-lib.version"],
            &["otel-python is not injected into Pod/web: otel-java takes precedence"],
        ),
        (&v2, &["otel-java-lib.version"], &[]),
    ] {
        for object in [asked(annotations), deployment(&asked(annotations))] {
            let (answer, _) = create(&object, settings);
            let warnings = answer.report.warnings();
            assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
            for part in expected {
                warns(&answer, &part.replace("Pod/web", &answer.report.workload));
            }
            assert_eq!(answer.report.skipped.len(), expected.len());
        }
    }
    // Not where the pod opts out of it.
    let object = with_annotation(
        asked(&["java-lib.version", "otel-java-lib.version"]),
        "admission.datakit/otel.enabled",
        "false",
    );
    assert_eq!(create(&object, &v2).0.report.warnings(), [""; 0]);
    let object = with_annotation(
        asked(&["java-lib.version", "otel-java-lib.version"]),
        "admission.datakit/ddtrace.enabled",
        "false",
    );
    let (answer, _) = create(&object, &v2);
    assert_eq!(injected(&answer), ["otel-java"]);
    assert_eq!(answer.report.warnings(), [""; 0]);
}

#[test]
fn what_asks_for_another_version_than_there_is_is_told() {
    let java = "admission.datakit/java-lib.version";
    let (js, nodejs) = ("admission.datakit/js-lib.version", "admission.datakit/nodejs-lib.version");
    let block = json!({ "admission_inject": {
        "ddtrace": {
            "images": { "java_agent_image": "h/j:1", "js_agent_image": "h/n:1", "php_agent_image": "h/p" },
            "enabled_labelselectors": [{ "labelselector": "app=php", "language": "php" }],
        },
        "profiler": { "images": { "java_profiler_image": "h/jp:1" } },
    }});
    let mut fixed = block.clone();
    fixed["policy"] = json!({ "allow_version_annotations": false });
    let pinned = format!("h/j:1@sha256:{}", "0".repeat(64));
    let rule = |list: &str, image: &str| {
        json!({ "admission_inject_v2": { list: [
            { "namespace_selectors": ["*"], "language": "java", "image": image } ] } })
    };
    let unread = "admission_inject_v2.ddtraces[0] does not read it; leave it empty";
    let option = "policy.allow_version_annotations is `false`; leave it empty";
    let first = format!("annotation {nodejs} takes precedence; remove one of the two");
    for (settings, annotations, expected) in [
        // What asks for no version, and what is given.
        (&block, &[(java, "v7")][..], None),
        (&block, &[(nodejs, "v2"), (js, "v2")], None),
        (&block, &[(nodejs, "v2"), (js, "")], None),
        (&fixed, &[(java, "")], None),
        (&fixed, &[(java, "true")], None),
        (&fixed, &[(java, "Enabled")], None),
        (&fixed, &[(java, "1")], None),
        (&rule("ddtraces", "h/j:1"), &[(java, " 1 ")], None),
        (&rule("ddtraces", "h/j"), &[(java, "latest")], None),
        (&rule("ddtraces", &pinned), &[(java, "1")], None),
        // What is not given.
        (&fixed, &[(java, "v7")], Some(("ddtrace-java", java, option))),
        (
            &fixed,
            &[("admission.datakit/java-profiler.version", "v7")],
            Some(("profiler-java", "admission.datakit/java-profiler.version", option)),
        ),
        (&rule("ddtraces", "h/j:1"), &[(java, "v7")], Some(("ddtrace-java", java, unread))),
        (&rule("ddtraces", "h/j:1"), &[(java, "no tag")], Some(("ddtrace-java", java, unread))),
        (&rule("ddtraces", &pinned), &[(java, "v7")], Some(("ddtrace-java", java, unread))),
        (
            &rule("otels", "h/o:1"),
            &[("admission.datakit/otel-java-lib.version", "v7")],
            Some((
                "otel-java",
                "admission.datakit/otel-java-lib.version",
                "admission_inject_v2.otels[0] does not read it; leave it empty",
            )),
        ),
        (
            &block,
            &[("admission.datakit/php-lib.version", "v7")],
            Some((
                "ddtrace-php",
                "admission.datakit/php-lib.version",
                "admission_inject.ddtrace.enabled_labelselectors[0] does not read it; leave it empty",
            )),
        ),
        (&block, &[(nodejs, "v2"), (js, "v1")], Some(("ddtrace-nodejs", js, &*first))),
        (&block, &[(nodejs, ""), (js, "v1")], Some(("ddtrace-nodejs", js, &*first))),
    ] {
        let mut object =
            annotations.iter().fold(pod(), |pod, (key, value)| with_annotation(pod, key, value));
        let is_php = annotations.iter().any(|(key, _)| key.contains("php"));
        object["metadata"]["labels"] = json!({ "app": if is_php { "php" } else { "web" } });
        for object in [object.clone(), deployment(&object)] {
            let (answer, _) = create(&object, settings);
            assert_eq!(injected(&answer).len(), 1, "{annotations:?}");
            let workload = &answer.report.workload;
            let expected = expected.iter().map(|(name, annotation, why)| {
                format!("{name} in {workload}: the version in annotation {annotation} is not used: {why}")
            });
            assert_eq!(answer.report.warnings(), expected.collect::<Vec<_>>(), "{annotations:?}");
        }
    }
    // The Pods of controllers say it in their status.
    fixed["policy"]["status_annotation"] = json!(true);
    let (_, stored) = create(&with_annotation(pod(), java, "v7"), &fixed);
    assert_eq!(
        stored["metadata"]["annotations"]["admission.datakit/status"],
        format!(
            "injected: ddtrace-java by admission_inject.ddtrace\n\
             ddtrace-java in Pod/web: the version in annotation {java} is not used: {option}"
        ),
    );
}

#[test]
fn tags_keep_the_separator_of_the_user() {
    let mut settings = every(&["java"]);
    for (configured, own, expected) in [
        ("team:platform,pod:x", "env:prod team:shop", "env:prod team:shop pod:x"),
        ("team:platform,pod:x", "env:prod,team:shop", "env:prod,team:shop,pod:x"),
        ("team:platform,pod:x", "env:prod, team:shop", "env:prod, team:shop,pod:x"),
        ("team:platform,pod:x", "team:shop", "team:shop,pod:x"),
        ("team:platform,pod:x", "  ", "  ,team:platform,pod:x"),
        ("a:1,b:2", "x y z:1", "x y z:1 a:1 b:2"),
        ("a:1,b:2", "x:1 y:2 ", "x:1 y:2 a:1 b:2"),
        ("a:1,b:2", "a:1\tb:2", "a:1\tb:2"),
        ("a:1 2,b:2", "x:1,y:2", "x:1,y:2,a:1 2,b:2"),
        ("env:test region:eu", "env:prod", "env:prod,region:eu"),
        ("team:platform region:eu", "env:prod,team:shop", "env:prod,team:shop,region:eu"),
        ("team:platform region:eu", "env:prod", "env:prod,team:platform,region:eu"),
        ("team:platform  region:eu ", "x:1 y:2", "x:1 y:2 team:platform region:eu"),
        ("a:1, b:2", "x:1 y:2", "x:1 y:2 a:1 b:2"),
        ("note:hello world,b:2", "x:1 y:2", "x:1 y:2 b:2"),
        ("note:hello world,b:2", "x:1", "x:1,note:hello world,b:2"),
    ] {
        settings["admission_inject_v2"]["ddtraces"][0]["envs"] = json!({ "DD_TAGS": configured });
        let object = with_container(pod(), json!({ "env": [{ "name": "DD_TAGS", "value": own }] }));
        let (_, stored) = create(&object, &settings);
        assert_eq!(env(&stored, "app", "DD_TAGS"), Some(expected), "{configured} {own}");
    }
    settings["admission_inject_v2"]["ddtraces"][0]["envs"] = json!({ "DD_TAGS": "a:1 2,b:2" });
    let own = json!({ "env": [{ "name": "DD_TAGS", "value": "x:1 y:2" }] });
    let (answer, _) = create(&with_container(pod(), own), &settings);
    warns(
        &answer,
        "configured tags with spaces are left out of DD_TAGS of container `app`, whose tags are \
         separated by spaces",
    );
}

#[test]
fn json_for_go_programs_may_have_keys_in_any_case() {
    let mut settings = every(&["logfwd", "logging"]);
    settings["admission_inject_v2"]["logfwds"][0]["log_configs"] =
        json!(r#"[{"TYPE":"file","Path":"/a/x/*.log"}]"#);
    settings["admission_mutate"]["loggings"][0]["config"] = json!(
        r#"[{"Type":"file","PATH":"/b/x/*.log"},{"Type":"file","PATH":"/c/x/*.log","DISABLE":true}]"#
    );
    let asked = r#"[{"LOGGINGS":[{"LogFiles":["/d/x/*.log"],"Tags":{"a":"b"}}]}]"#;
    let object = with_annotation(pod(), "admission.datakit/logfwd.instances", asked);
    let (answer, stored) = create(&object, &settings);
    assert_eq!(answer.report.warnings(), [""; 0]);
    let expected = [
        "datakit-logfwd-volume-0:/d/x",
        "datakit-logfwd-volume-1:/a/x",
        "datakit-logs-volume-0:/b/x",
    ];
    assert_eq!(mounts(&stored, "app"), expected);
    let asked = r#"[{"loggings":[{"LogFiles":"/d/x/*.log"}]}]"#;
    let object = with_annotation(pod(), "admission.datakit/logfwd.instances", asked);
    warns(&create(&object, &settings).0, "is not valid logfwd JSON");
}

#[test]
fn what_kubernetes_refuses_is_named_as_what_it_is() {
    let mut nameless = deployment(&java_asked());
    template_of(&mut nameless)["spec"]["containers"] = json!([{ "image": "a:1" }]);
    let (answer, _) = create(&nameless, &every(&["java"]));
    warns(&answer, "a container of the pod template has no name; give it a name");
    let object = with_container(
        java_asked(),
        json!({ "env": [{ "name": "JAVA_TOOL_OPTIONS", "value": 5 }] }),
    );
    let (answer, _) = create(&object, &every(&["java"]));
    warns(&answer, "container `app` sets JAVA_TOOL_OPTIONS to a value that is no string; quote it");
    let mut object = java_asked();
    object["spec"]["containers"].as_array_mut().unwrap().push(container("istio-proxy"));
    let object =
        with_annotation(object, "admission.datakit/container-names", "app,istio-proxy,gone");
    let (answer, _) = create(&object, &every(&["java"]));
    warns(&answer, "unknown names in annotation admission.datakit/container-names: 1");
    let ignored = "ignored containers in annotation admission.datakit/container-names: 1";
    warns(&answer, ignored);
}

#[test]
fn a_guaranteed_pod_stays_so_where_the_options_say() {
    let limited = |cpu: Value, memory: &str| {
        let limits = json!({ "cpu": cpu, "memory": memory });
        json!({ "resources": { "requests": limits, "limits": limits } })
    };
    let all = ["java", "logfwd", "profiler", "flameshot"];
    let mut settings = every(&all);
    settings["admission_inject_v2"]["logfwds"][0]["resources"] =
        json!({ "requests": { "cpu": "10m" }, "limits": { "cpu": "1" } });
    let kept = json!({ "cpu": "500m", "memory": "512Mi" });
    for (option, members, is_kept) in [
        ("preserve", limited(json!("2"), "1Gi"), true),
        ("preserve", limited(json!(2), "1Gi"), true),
        ("preserve", json!({ "resources": { "limits": { "cpu": "1", "memory": "1Gi" } } }), true),
        (
            "preserve",
            json!({ "resources": { "limits": { "cpu": "1", "memory": "1Gi" },
            "requests": { "cpu": "1000m", "memory": "1024Mi" } } }),
            true,
        ),
        (
            "preserve",
            json!({ "resources": { "limits": { "cpu": "1", "memory": "1Gi" },
            "requests": { "cpu": "999m" } } }),
            false,
        ),
        ("preserve", json!({ "resources": { "limits": { "cpu": "1" } } }), false),
        ("preserve", json!({ "resources": { "limits": { "cpu": "0", "memory": "1" } } }), false),
        ("preserve", json!({}), false),
        ("ignore", limited(json!("2"), "1Gi"), false),
    ] {
        settings["policy"] = json!({ "qos_class": option });
        let (answer, stored) = create(&with_container(pod(), members.clone()), &settings);
        assert_eq!(injected(&answer).len(), 4, "{:?}", answer.report.warnings());
        for (name, container) in containers(&stored).into_iter().filter(|(name, _)| *name != "app")
        {
            let expected = match name {
                "datakit-logfwd" => json!({ "cpu": "1", "memory": "512Mi" }),
                _ => kept.clone(),
            };
            let resources = json!({ "limits": expected, "requests": expected });
            assert_eq!(container["resources"] == resources, is_kept, "{members}: {container}");
        }
        let (again, _) = create(&stored, &settings);
        assert_eq!(again.mutated_object(), None);
    }
    // Beside resources of the pod itself, added containers have none.
    settings["policy"] = json!({ "qos_class": "preserve" });
    let object = with_spec(
        with_container(pod(), limited(json!("1"), "1Gi")),
        json!({ "resources": { "limits": { "cpu": "2", "memory": "2Gi" } } }),
    );
    let (_, stored) = create(&object, &settings);
    assert!(containers(&stored)["datakit-logfwd"]["resources"].is_null());
}

const EVICTABLE: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

#[test]
fn added_volumes_are_named_as_safe_to_evict_where_the_options_say() {
    let mut settings = every(&["java", "profiler"]);
    let added = "datakit-auto-instrument,datakit-profiler-volume,tmp,timezone";
    for (option, present, expected) in [
        (false, None, None),
        (false, Some("a"), Some("a".to_owned())),
        (true, None, Some(added.to_owned())),
        (true, Some(""), Some(added.to_owned())),
        (true, Some("a, b"), Some(format!("a, b,{added}"))),
        (
            true,
            Some("a,tmp"),
            Some("a,tmp,datakit-auto-instrument,datakit-profiler-volume,timezone".to_owned()),
        ),
    ] {
        settings["policy"] = json!({ "safe_to_evict": option });
        let object = present.map_or_else(pod, |list| with_annotation(pod(), EVICTABLE, list));
        let (_, stored) = create(&object, &settings);
        assert_eq!(stored["metadata"]["annotations"][EVICTABLE].as_str(), expected.as_deref());
        assert_eq!(create(&stored, &settings).0.mutated_object(), None);
        // What a workload got goes again with the rest of it.
        let object = deployment(&object);
        let (_, stored) = create(&object, &settings);
        let annotations = &stored["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations[EVICTABLE].as_str(), expected.as_deref());
        let out = policy::uninject(&stored.to_string(), &settings.to_string(), None).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&out.object).unwrap(), object);
        // Of one injection, its volumes.
        let profiler =
            policy::uninject(&stored.to_string(), &settings.to_string(), Some("profiler"));
        let rest: Value = serde_json::from_str(&profiler.unwrap().object).unwrap();
        let list = rest["spec"]["template"]["metadata"]["annotations"][EVICTABLE].as_str();
        assert_eq!(list.is_some_and(|list| list.contains("datakit-auto-instrument")), option);
        assert!(!list.is_some_and(|list| list.contains("datakit-profiler-volume")), "{list:?}");
    }
}

#[test]
fn a_manifest_with_a_list_of_its_own_is_applied_without_news() {
    let mut settings = every(&["java"]);
    settings["policy"] = json!({ "safe_to_evict": true });
    let manifest = deployment(&with_annotation(pod(), EVICTABLE, "a"));
    let (_, stored) = create(&manifest, &settings);
    // Apply sets the annotation, and keeps everything else.
    let mut applied = stored.clone();
    template_of(&mut applied)["metadata"]["annotations"][EVICTABLE] = json!("a");
    let update = |object: &Value| {
        let request = request("UPDATE", object, Some(&stored));
        policy::evaluate(format!(r#"{{"request":{request},"settings":{settings}}}"#).as_bytes())
    };
    let answer = update(&applied);
    assert_eq!(serde_json::from_str::<Value>(answer.mutated_object().unwrap()).unwrap(), stored);
    assert_eq!(answer.report.warnings(), [""; 0]);
    template_of(&mut applied)["metadata"]["annotations"][EVICTABLE] = json!("a,c");
    let answer = update(&applied);
    let after: Value = serde_json::from_str(answer.mutated_object().unwrap()).unwrap();
    let list = &after["spec"]["template"]["metadata"]["annotations"][EVICTABLE];
    assert_eq!(*list, json!("a,c,datakit-auto-instrument"));
}

#[test]
fn the_status_of_a_pod_says_what_it_has_and_what_not() {
    let status =
        |object: &Value| object["metadata"]["annotations"]["admission.datakit/status"].clone();
    let mut settings = every(&["java", "profiler"]);
    settings["policy"] = json!({ "status_annotation": true });
    let restricted = with_spec(pod(), json!({ "securityContext": { "runAsNonRoot": true } }));
    let skipped = "profiler-java is not injected into Pod/web: its container would run as root, which \
                   runAsNonRoot forbids; set runAsUser in the container's or the pod's securityContext";
    let java = "injected: ddtrace-java by admission_inject_v2.ddtraces[0]";
    for (object, expected) in [
        (pod(), json!(format!("{java}, profiler-java by admission_inject_v2.profilers[0]"))),
        (restricted, json!(format!("{java}\n{skipped}"))),
    ] {
        let (_, stored) = create(&object, &settings);
        assert_eq!(status(&stored), expected);
        assert_eq!(create(&stored, &settings).0.mutated_object(), None);
        // It is made anew, and none of early builds stays.
        let old = with_annotation(object, "admission.datakit/status", "old");
        let old = with_annotation(old, "admission.datakit/skipped", "old");
        let (_, stored) = create(&old, &settings);
        assert_eq!(status(&stored), expected);
        assert!(stored["metadata"]["annotations"]["admission.datakit/skipped"].is_null());
    }
    // One that is no longer than the old one has room, however much there is.
    let full = with_annotation(pod(), "x", &"x".repeat(300 << 10));
    assert_eq!(status(&create(&full, &settings).1), json!(null));
    let full = with_annotation(full, "admission.datakit/status", &"x".repeat(500));
    assert!(status(&create(&full, &settings).1).as_str().unwrap().starts_with(java));
    // Nothing asks any more.
    let old = with_annotation(pod(), "admission.datakit/status", "old");
    let none = json!({ "admission_inject_v2": {}, "policy": { "status_annotation": true } });
    assert_eq!(status(&create(&old, &none).1), json!(null));
    assert_eq!(create(&pod(), &none).0.mutated_object(), None);
    // Without the option it is the user's, as in an object that opts out; a template has none.
    assert_eq!(create(&old, &json!({})).0.mutated_object(), None);
    let out = with_annotation(old.clone(), "admission.datakit/enabled", "false");
    assert_eq!(create(&out, &settings).0.mutated_object(), None);
    let (_, stored) = create(&deployment(&pod()), &settings);
    assert!(!stored.to_string().contains("admission.datakit/status"));
}

#[test]
fn annotations_stay_below_what_kubernetes_takes() {
    let mut settings = every(&["java", "logging"]);
    settings["policy"] = json!({ "safe_to_evict": true, "status_annotation": true });
    let length = |object: &Value| -> usize {
        let annotations = object["metadata"]["annotations"].as_object().unwrap();
        annotations.iter().map(|(key, value)| key.len() + value.as_str().unwrap().len()).sum()
    };
    let config = settings["admission_mutate"]["loggings"][0]["config"].as_str().unwrap().len();
    let logging = config + "datakit/logs".len();
    for (room, gets_logging) in [
        (0, false),
        (10, false),
        (logging - 1, false),
        (logging, true),
        (logging + 100, true),
        (2000, true),
    ] {
        let object = with_annotation(pod(), "big", &"x".repeat((256 << 10) - "big".len() - room));
        assert_eq!(length(&object), (256 << 10) - room);
        let (answer, stored) = create(&object, &settings);
        assert!(length(&stored) <= 256 << 10, "{room}: {}", length(&stored));
        assert_eq!(injected(&answer).len(), 1 + usize::from(gets_logging), "{room}");
        if !gets_logging {
            warns(
                &answer,
                "logging is not injected into Pod/web: the annotations of the object \
                            would exceed 256 KiB; remove annotations",
            );
        }
    }
    // What is large may be the rule's.
    let config = format!(r#"[{{"source":"{}"}}]"#, "x".repeat(256 << 10));
    settings["admission_mutate"]["loggings"][0]["config"] = json!(config);
    warns(
        &create(&pod(), &settings).0,
        "logging is not injected into Pod/web: `config` would bring the annotations of the object over \
         256 KiB; shorten it in the rule",
    );
}

#[test]
fn annotations_in_the_wrong_place_or_of_the_wrong_type_are_named() {
    let settings = every(&["java"]);
    let mut object = deployment(&pod());
    object["metadata"]["annotations"] =
        json!({ "admission.datakit/java-lib.version": "", "x": "" });
    let (answer, _) = create(&object, &settings);
    assert_eq!(injected(&answer), ["ddtrace-java"]);
    let warning = "Deployment/web: annotation admission.datakit/java-lib.version does nothing here; \
                   move it to the pod template";
    assert_eq!(answer.report.warnings(), [warning]);
    // An update says it where it is new.
    let update = |object: &Value, stored: &Value| {
        let request = request("UPDATE", object, Some(stored));
        policy::evaluate(format!(r#"{{"request":{request},"settings":{settings}}}"#).as_bytes())
    };
    assert_eq!(update(&object, &deployment(&pod())).report.warnings(), [warning]);
    assert_eq!(update(&object, &object).report.warnings(), [""; 0]);
    let out = with_annotation(pod(), "admission.datakit/enabled", "false");
    let mut out = deployment(&out);
    out["metadata"]["annotations"] = object["metadata"]["annotations"].clone();
    assert_eq!(create(&out, &settings).0.report.warnings(), [""; 0]);
    for (key, value) in [
        ("admission.datakit/java-lib.version", json!(1.30)),
        ("admission.datakit/enabled", json!(false)),
        ("admission.datakit/container-names", json!(["app"])),
    ] {
        let mut object = pod();
        object["metadata"]["annotations"] = json!({ key: value });
        for object in [object.clone(), deployment(&object)] {
            let (answer, _) = create(&object, &settings);
            warns(&answer, &format!("annotation {key} is not a string; quote it"));
        }
    }
    let mut object = pod();
    object["metadata"]["annotations"] = json!({ "admission.datakit/enabled": null });
    assert_eq!(create(&object, &settings).0.report.warnings(), [""; 0]);
}
