//! What a real cluster and fresh readers found, one test for each.

use datakit_injection::policy::{self, Answer};
use datakit_injection::validation::validate;
use serde_json::{Value, json};
use settings_tools::notes;

use crate::objects::{container, deployment, names, pod, with_annotation};
use testing::requests::request;

fn create(object: &Value, settings: &Value) -> (Answer, Value) {
    let request = request("CREATE", object, None);
    let payload = format!(r#"{{"request":{request},"settings":{settings}}}"#);
    let answer = policy::evaluate(payload.as_bytes());
    let stored = answer.mutated_object().map(|text| serde_json::from_str(text).unwrap());
    (answer, stored.unwrap_or_else(|| object.clone()))
}

#[track_caller]
fn injects(object: &Value, settings: &Value, expected: &[&str]) -> Value {
    let (answer, stored) = create(object, settings);
    let injected: Vec<String> =
        answer.report.injected.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(injected, expected, "{:?}", answer.report.warnings());
    stored
}

#[track_caller]
fn is_valid(settings: &Value) {
    let errors: Vec<String> =
        validate(&settings.to_string()).iter().map(ToString::to_string).collect();
    assert_eq!(errors, [""; 0], "{settings}");
}

fn java(more: Value) -> Value {
    let mut rule = json!({ "namespace_selectors": ["*"], "language": "java", "image": "h/j:1" });
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "admission_inject_v2": { "ddtraces": [rule] } })
}

fn java_block(policy: Value) -> Value {
    json!({ "admission_inject": { "ddtrace": { "images": { "java_agent_image": "h/j:1" } } },
            "policy": policy })
}

fn asked() -> Value {
    with_annotation(pod(), "admission.datakit/java-lib.version", "")
}

/// The shapes of the default files of past releases.
#[test]
fn default_files_of_past_releases_are_valid() {
    let images = json!({ "java_agent_image": "h/j:1", "python_agent_image": "h/p:1" });
    is_valid(&json!({ "admission_inject": {
        "ddtrace": { "images": images, "envs": {} },
        "logfwd": { "options": { "reuse_exist_volume": "false" },
                    "images": { "logfwd_image": "h/l:1" } },
    } }));
    is_valid(&json!({ "admission_inject": {
        "ddtrace": { "enabled_namespaces": [], "enabled_labelselectors": [], "images": images },
        "logfwd": { "enabled_namespaces": [], "enabled_labelselectors": [], "envs": null,
                    "images": { "logfwd_image": "h/l:1" },
                    "resources": { "requests": { "cpu": "", "memory": "" } } },
        "profiler": { "enabled_namespaces": [], "enabled_labelselectors": [] },
    }, "admission_mutate": { "logging": [], "loggings": [] } }));
    is_valid(&json!({ "admission_inject_v2": { "flameshots": [{
        "name": "x", "language": "java", "check_annotation": true, "namespace_selectors": [],
        "label_selectors": [], "image": "", "envs": null, "processes": "",
    }] } }));
    is_valid(
        &json!({ "policy": { "sidecar_mode": "", "operator_release": "", "id": "" }, "jsonconfig": "" }),
    );
}

#[test]
fn logfwd_and_profiler_of_1_5_13_select() {
    let settings = json!({ "admission_inject": {
        "logfwd": { "enabled_namespaces": [{ "namespace": "^def" }],
                    "images": { "logfwd_image": "h/l:1" } },
        "profiler": { "enabled_labelselectors": [{ "labelselector": "app", "language": "golang" }],
                      "images": { "golang_profiler_image": "h/g:1" } },
    } });
    is_valid(&settings);
    let mut object = pod();
    object["metadata"]["namespace"] = json!("default");
    injects(&object, &settings, &["logfwd"]);
    object["metadata"]["labels"] = json!({ "app": "x" });
    injects(&object, &settings, &["logfwd", "profiler-golang"]);
    object["metadata"]["namespace"] = json!("other");
    injects(&object, &settings, &["profiler-golang"]);
}

#[test]
fn an_invalid_option_never_weakens_the_policy() {
    let mut system = asked();
    system["metadata"]["namespace"] = json!("kube-system");
    for ignored in [json!("kube-system"), json!([7]), json!(["mine", {}]), json!([]), json!({})] {
        injects(&system, &java_block(json!({ "ignored_namespaces": ignored })), &[]);
    }
    for policy in [
        json!({ "security_context": "x" }),
        json!({ "security_context": { "runAsUser": "x" } }),
        json!({ "allow_version_annotations": "no" }),
        json!({ "allow_version_anotations": false }),
        json!({ "pod_security": "x" }),
        json!({ "id": "Not_Valid" }),
        json!([]),
        json!("x"),
    ] {
        let (answer, stored) = create(&asked(), &java_block(policy.clone()));
        assert_eq!(stored, asked(), "{policy}");
        assert_eq!(answer.report.warnings().len(), 1, "{policy}");
        // Whoever asks for nothing is not told.
        let (answer, _) = create(&pod(), &java_block(policy));
        assert_eq!(answer.into_response(), r#"{"accepted":true}"#);
    }
}

#[test]
fn an_array_is_not_an_object() {
    let settings =
        json!({ "admission_inject": { "logfwd": { "images": { "logfwd_image": "h/l:1" } } } });
    for annotation in [
        "[[]]",
        r#"[["x",[[["/a/*"]]]]]"#,
        "null",
        "[null]",
        r#"[{"loggings":[[]]}]"#,
        r#"[{"loggings":[{"tags":{"a":1}}]}]"#,
        r#"[{"loggings":[{"logfiles":"x"}]}]"#,
    ] {
        let object = with_annotation(pod(), "admission.datakit/logfwd.instances", annotation);
        let (answer, stored) = create(&object, &settings);
        assert_eq!(stored, object, "{annotation}");
        assert!(answer.report.warnings()[0].contains("at line 1 column"), "{annotation}");
    }
    for config in [r#"[[null,"file","/x/*"]]"#, "[null]", "{}", r#"[{"type":1}]"#] {
        let rule =
            json!({ "namespace_selectors": ["a"], "label_selectors": ["a"], "config": config });
        let settings = json!({ "admission_mutate": { "loggings": [rule] } });
        assert_eq!(validate(&settings.to_string()).len(), 1, "{config}");
    }
}

#[test]
fn variables_that_refer_to_merged_tags_come_after_them() {
    let settings = java(json!({ "envs": {
        "DD_TAGS": "b:2", "X": "$(DD_TAGS)", "Y": "$(X)", "Z": "$$(DD_TAGS)", "A": "1" } }));
    let mut object = pod();
    object["spec"]["containers"][0]["env"] = json!([{ "name": "DD_TAGS", "value": "a:1" }]);
    let stored = injects(&object, &settings, &["ddtrace-java"]);
    let env = &stored["spec"]["containers"][0]["env"];
    assert_eq!(names(env), ["JAVA_TOOL_OPTIONS", "A", "Z", "DD_TAGS", "X", "Y"]);
    assert_eq!(env[3]["value"], "a:1,b:2");
}

#[test]
fn templates_with_metadata_of_a_wrong_type_are_left_alone() {
    for metadata in [json!([]), json!("x"), json!({ "labels": [] }), json!({ "annotations": 7 })] {
        let mut object = deployment(&asked());
        object["spec"]["template"]["metadata"] = metadata;
        let (answer, stored) = create(&object, &java(json!({})));
        assert_eq!(stored, object);
        assert_eq!(answer.report.warnings().len(), 1);
    }
}

#[test]
fn a_malformed_pod_keeps_its_containers() {
    let settings = java_block(json!({ "status_annotation": true }));
    for (key, value) in [("initContainers", json!("x")), ("volumes", json!({}))] {
        let mut object = asked();
        object["spec"][key] = value;
        let (_, stored) = create(&object, &settings);
        assert_eq!(stored["spec"], object["spec"]);
        assert!(stored["metadata"]["annotations"].get("admission.datakit/status").is_some());
    }
}

#[test]
fn pods_without_containers_and_mirror_pods_are_left_alone() {
    let mut empty = asked();
    empty["spec"]["containers"] = json!([]);
    let (answer, stored) = create(&empty, &java(json!({})));
    assert_eq!(stored, empty);
    assert_eq!(answer.report.skipped.len(), 1);
    let mirror = with_annotation(asked(), "kubernetes.io/config.mirror", "x");
    let (answer, _) = create(&mirror, &java(json!({})));
    assert_eq!(answer.into_response(), r#"{"accepted":true}"#);
}

#[test]
fn annotations_that_nothing_serves_are_told() {
    let settings = json!({ "admission_inject": {
        "ddtrace": { "images": { "java_agent_image": "h/j:1" } } } });
    for (annotation, warning) in [
        (
            "admission.datakit/java-profiler.version",
            "profiler-java is not injected into Pod/web: these \
          settings have no rule for annotation admission.datakit/java-profiler.version; add a rule, or \
          remove the annotation",
        ),
        (
            "admission.datakit/php-lib.version",
            "ddtrace-php is not injected into Pod/web: these settings \
          have no rule for annotation admission.datakit/php-lib.version; add a rule, or remove the \
          annotation",
        ),
        (
            "admission.datakit/java-lib-version",
            "Pod/web: annotation admission.datakit/java-lib-version is \
          unknown; did you mean admission.datakit/java-lib.version?",
        ),
    ] {
        let (answer, _) = create(&with_annotation(pod(), annotation, "s3cr3t"), &settings);
        assert_eq!(answer.report.warnings(), [warning]);
        // Another policy may serve it, but nobody knows an unknown one.
        let mut other = settings.clone();
        other["policy"] = json!({ "id": "other" });
        let (answer, _) = create(&with_annotation(pod(), annotation, "s3cr3t"), &other);
        let is_unknown = annotation.ends_with("lib-version");
        assert_eq!(answer.report.warnings().len(), usize::from(is_unknown), "{annotation}");
    }
    // An unknown language would have served any annotation.
    let cobol = java(json!({ "language": "cobol", "check_annotation": true }));
    let (answer, _) = create(&asked(), &cobol);
    assert_eq!(answer.report.warnings().len(), 1);
    let (answer, _) = create(&pod(), &cobol);
    assert_eq!(answer.report.warnings().len(), 0);
}

#[test]
fn the_first_rule_of_logfwd_that_matches_decides() {
    let rule = |more: Value| {
        let mut rule = json!({ "namespace_selectors": ["*"], "image": "h/l:1" });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let settings = json!({ "admission_inject_v2": { "logfwds": [
        rule(json!({ "check_annotation": true })), rule(json!({})),
    ] } });
    injects(&pod(), &settings, &[]);
    let envs = json!({ "FLAMESHOT_PROFILING_PATH": "/f", "FLAMESHOT_HTTP_LOCAL_PORT": 80 });
    let settings = json!({ "admission_inject_v2": { "flameshots": [
        rule(json!({ "processes": "" })), rule(json!({ "processes": "[]", "envs": envs })),
    ] } });
    injects(&pod(), &settings, &[]);
}

#[test]
fn essential_directories_are_never_hidden() {
    for directory in ["/etc", "/usr/lib", "/opt"] {
        let settings = json!({ "admission_inject_v2": { "logfwds": [
            { "namespace_selectors": ["*"], "image": "h/l:1", "log_volume_paths": [directory, "/data/"] },
        ] } });
        let mut object = pod();
        object["spec"]["volumes"] = json!([{ "name": "d", "emptyDir": {} }]);
        object["spec"]["containers"] = json!([container("a"), container("b")]);
        object["spec"]["containers"][0]["volumeMounts"] =
            json!([{ "name": "d", "mountPath": directory }, { "name": "d", "mountPath": "/data" }]);
        let (answer, stored) = create(&object, &settings);
        let mounts = json!([{ "name": "d", "mountPath": "/data" }]);
        assert_eq!(stored["spec"]["containers"][1]["volumeMounts"], mounts, "{directory}");
        assert_eq!(answer.report.warnings().len(), 1);
    }
}

#[test]
fn the_volumes_of_the_profiler_come_without_their_mounts() {
    let settings = json!({ "admission_inject_v2": { "profilers": [
        { "namespace_selectors": ["*"], "language": "java", "image": "h/p:1" } ] } });
    let mut object = pod();
    object["spec"]["volumes"] = json!([{ "name": "scratch", "emptyDir": {} }]);
    object["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "scratch", "mountPath": "/tmp" }]);
    let stored = injects(&object, &settings, &["profiler-java"]);
    assert_eq!(
        names(&stored["spec"]["volumes"]),
        ["scratch", "datakit-profiler-volume", "tmp", "timezone"],
    );
}

#[test]
fn ddtrace_gives_way_to_an_open_telemetry_agent_that_is_there() {
    let mut object = pod();
    object["spec"]["initContainers"] = json!([container("datakit-otel-lib-init")]);
    let (answer, stored) = create(&object, &java(json!({})));
    assert_eq!(stored, object);
    assert_eq!(answer.into_response(), r#"{"accepted":true}"#);
}

#[test]
fn what_a_stranger_writes_makes_ten_warnings_at_most() {
    let mut object = asked();
    for n in 0..500 {
        object = with_annotation(object, &format!("admission.datakit/unknown-{n}"), "s3cr3t");
    }
    let (answer, _) = create(&object, &java_block(json!({})));
    let warnings = answer.report.warnings();
    assert_eq!(warnings.len(), 10);
    assert!(warnings.iter().map(String::len).sum::<usize>() < 4096);
    assert!(warnings.iter().all(|warning| !warning.contains("s3cr3t")));
    assert_eq!(warnings[9], "491 more warnings about Pod/web are not shown");
}

/// What was added before does not change what the pod by its own fields is.
#[test]
fn a_restricted_pod_is_restricted_the_second_time_too() {
    let mut object = pod();
    object["spec"]["securityContext"] =
        json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    object["spec"]["containers"][0]["securityContext"] =
        json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let settings = json!({
        "admission_inject_v2": {
            "logfwds": [{ "namespace_selectors": ["*"], "image": "l:1" }],
            "profilers": [{ "namespace_selectors": ["*"], "language": "java", "image": "p:1" }],
        },
        "policy": { "security_context": { "runAsUser": 1000 } },
    });
    let stored = injects(&object, &settings, &["logfwd"]);
    let (again, _) = create(&stored, &settings);
    assert_eq!(again.mutated_object(), None);
}

#[test]
fn many_containers_times_many_directories_are_too_many_mounts() {
    let mut object = pod();
    object["spec"]["containers"] = (0..200).map(|n| container(&format!("c{n}"))).collect();
    let files: Vec<String> = (0..200).map(|n| format!("/d{n}/*.log")).collect();
    let instances = json!([{ "loggings": [{ "logfiles": files }] }]).to_string();
    let object = with_annotation(object, "admission.datakit/logfwd.instances", &instances);
    let settings =
        json!({ "admission_inject": { "logfwd": { "images": { "logfwd_image": "l:1" } } } });
    let (answer, stored) = create(&object, &settings);
    assert_eq!(stored, object);
    assert_eq!(
        answer.report.warnings(),
        [
            "logfwd is not injected into Pod/web: it would add more than 16384 mounts; collect files of \
          fewer directories"
        ],
    );
}

#[test]
fn an_empty_path_is_no_directory() {
    let settings = json!({ "admission_inject_v2": { "logfwds": [{
        "namespace_selectors": ["*"], "image": "l:1",
        "log_configs": r#"[{"type":"stdout","path":"","source":"x"}]"#,
    }] } });
    let (answer, _) = create(&pod(), &settings);
    assert_eq!(answer.report.injected.len(), 1);
    assert_eq!(answer.report.warnings(), [""; 0]);
}

#[test]
fn a_template_may_be_in_an_array() {
    let settings = json!({ "admission_inject_v2": java(json!({ "envs": { "DD_AGENT_HOST": "datakit" } }))["admission_inject_v2"],
        "policy": { "extra_workloads": [{ "group": "x.io", "kind": "R", "template": "/spec/ws/1/template" }] } });
    is_valid(&settings);
    let object = json!({ "apiVersion": "x.io/v1", "kind": "R", "metadata": { "name": "r" },
        "spec": { "ws": [{}, { "template": pod() }] } });
    let stored = injects(&object, &settings, &["ddtrace-java"]);
    assert!(stored["spec"]["ws"][1]["template"]["spec"].get("initContainers").is_some());
    assert!(notes(&settings.to_string()).is_empty());
}

/// In a running container `/tmp` and `/tmp/` are one directory: an emptyDir would hide the user's.
#[test]
fn a_slash_at_the_end_of_a_path_hides_nothing() {
    let settings = json!({ "admission_inject_v2": {
        "profilers": [{ "namespace_selectors": ["*"], "language": "java", "image": "h/p:1" }],
        "flameshots": [{
            "namespace_selectors": ["*"], "image": "h/f:1", "processes": "[{}]",
            "envs": { "FLAMESHOT_PROFILING_PATH": "/flame", "FLAMESHOT_HTTP_LOCAL_PORT": 8089 },
        }],
    } });
    let mut object = pod();
    object["spec"]["volumes"] =
        json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }]);
    object["spec"]["containers"][0]["volumeMounts"] = json!([
        { "name": "data", "mountPath": "/tmp/", "subPath": "a" },
        { "name": "data", "mountPath": "/flame/", "subPath": "b" },
    ]);
    let stored = injects(&object, &settings, &["profiler-java"]);
    let mounts = stored["spec"]["containers"][0]["volumeMounts"].as_array().unwrap();
    let paths: Vec<_> = mounts.iter().map(|mount| mount["mountPath"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/tmp/", "/flame/", "/app/datakit-profiler", "/etc/localtime"]);
}

#[test]
fn a_volume_without_a_source_is_an_empty_dir() {
    let config = json!([{ "type": "file", "path": "/d/a.log" }]).to_string();
    let settings = json!({ "admission_mutate": { "loggings": [
        { "namespace_selectors": ["default"], "config": config },
    ] } });
    for volume in [json!({ "name": "d" }), json!({ "name": "d", "emptyDir": null })] {
        let mut object = pod();
        object["spec"]["volumes"] = json!([volume]);
        let app = json!({ "name": "app", "image": "a:1",
                          "volumeMounts": [{ "name": "d", "mountPath": "/d" }] });
        object["spec"]["containers"] = json!([app, container("side")]);
        let stored = injects(&object, &settings, &["logging"]);
        assert_eq!(stored["spec"]["containers"][1]["volumeMounts"][0]["name"], "d");
        assert_eq!(names(&stored["spec"]["volumes"]), ["d"]);
    }
}
