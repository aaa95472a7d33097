//! What the policy decides, by the sections of its specification: on the module.

use serde_json::{Value, json};

use crate::host::{Host, Outcome};
use crate::objects::{
    container, deployment, images, java_asked, names, pod, template_of, with_annotation,
};
use testing::requests::request;

fn settings() -> Value {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/settings.json"));
    serde_json::from_str(&text.unwrap()).unwrap()
}

fn create(object: &Value, settings: &Value) -> Outcome {
    Host::shared().validate(&request("CREATE", object, None), &settings.to_string())
}

#[track_caller]
fn leaves_unchanged(outcome: &Outcome) {
    assert!(outcome.patch.is_empty(), "{}", outcome.patch);
    assert_eq!(outcome.response.get("mutated_object"), None);
    assert_eq!(outcome.response["accepted"], true);
}

#[track_caller]
fn leaves_unchanged_silently(outcome: &Outcome) {
    leaves_unchanged(outcome);
    assert_eq!(outcome.response, json!({ "accepted": true }));
    assert!(outcome.logs.is_empty());
}

#[track_caller]
fn injects(outcome: &Outcome, injected: &str) {
    assert!(!outcome.patch.is_empty(), "{}", outcome.response);
    assert_eq!(outcome.response["accepted"], true);
    assert_eq!(outcome.response["audit_annotations"]["injected"], injected);
}

#[track_caller]
fn skips(outcome: &Outcome, skipped: &str, warning: &str) {
    leaves_unchanged(outcome);
    assert_eq!(outcome.response["audit_annotations"], json!({ "skipped": skipped }));
    assert_eq!(outcome.response["warnings"], json!([warning]));
}

// Which objects

#[test]
fn injects_into_every_kind_at_the_operations_that_may_change_it() {
    let template = json!({ "metadata": java_asked()["metadata"], "spec": java_asked()["spec"] });
    let workload = |api: &str, kind: &str| {
        json!({ "apiVersion": api, "kind": kind, "metadata": { "name": "web" },
                "spec": { "template": template } })
    };
    let cron_job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "web" },
        "spec": { "jobTemplate": { "spec": { "template": template } } },
    });
    for (object, at_update) in [
        (workload("apps/v1", "Deployment"), true),
        (workload("apps/v1", "DaemonSet"), true),
        (workload("apps/v1", "StatefulSet"), true),
        (cron_job, true),
        (workload("batch/v1", "Job"), false),
        (java_asked(), false),
    ] {
        injects(&create(&object, &settings()), "ddtrace-java");
        let mut old = object.clone();
        *template_of(&mut old) = pod();
        let update = request("UPDATE", &object, Some(&old));
        let outcome = Host::shared().validate(&update, &settings().to_string());
        if at_update {
            injects(&outcome, "ddtrace-java");
        } else {
            leaves_unchanged_silently(&outcome);
        }
        for operation in ["DELETE", "CONNECT", ""] {
            let outcome = Host::shared()
                .validate(&request(operation, &object, None), &settings().to_string());
            leaves_unchanged_silently(&outcome);
        }
        let mut of_status = request("CREATE", &object, None);
        of_status["subResource"] = json!("status");
        let outcome = Host::shared().validate(&of_status, &settings().to_string());
        leaves_unchanged_silently(&outcome);
    }
}

#[test]
fn leaves_other_kinds_unchanged() {
    for (api, kind) in
        [("apps/v1", "ReplicaSet"), ("apps/v1beta1", "Deployment"), ("v1", "Service")]
    {
        let mut object = deployment(&java_asked());
        object["apiVersion"] = json!(api);
        object["kind"] = json!(kind);
        leaves_unchanged_silently(&create(&object, &settings()));
    }
}

#[test]
fn injects_into_kinds_that_the_settings_name() {
    let mut rollout = deployment(&java_asked());
    rollout["apiVersion"] = json!("argoproj.io/v1alpha1");
    rollout["kind"] = json!("Rollout");
    leaves_unchanged_silently(&create(&rollout, &settings()));
    let mut settings = settings();
    settings["policy"] = json!({ "extra_workloads": [
        { "group": "argoproj.io", "kind": "Rollout", "template": "/spec/template" },
    ]});
    injects(&create(&rollout, &settings), "ddtrace-java");
}

#[test]
fn an_update_that_leaves_the_template_as_it_is_starts_no_rollout() {
    let host = Host::shared();
    let old = deployment(&java_asked());
    let mut scaled = old.clone();
    scaled["spec"]["replicas"] = json!(5);
    scaled["metadata"]["labels"] = json!({ "owner": "x" });
    let update = |new: &Value, old: &Value| {
        host.validate(&request("UPDATE", new, Some(old)), &settings().to_string())
    };
    leaves_unchanged_silently(&update(&old, &old));
    leaves_unchanged_silently(&update(&scaled, &old));

    // A template without the injected parts, as GitOps puts it back, ends equal to the stored one.
    let injected = create(&old, &settings()).object;
    let outcome = update(&old, &injected);
    assert_eq!(outcome.response.get("audit_annotations"), None);
    assert_eq!(outcome.object, injected);
    leaves_unchanged_silently(&update(&injected, &injected));

    // Only the order of keys differs.
    let text = r#"{"request":{"kind":{"group":"apps","version":"v1","kind":"Deployment"},
        "operation":"UPDATE",
        "object":{"spec":{"template":{"metadata":{"annotations":
            {"a":"1","admission.datakit/java-lib.version":""}},"spec":{"containers":[{"name":"app"}]}}}},
        "oldObject":{"spec":{"template":{"spec":{"containers":[{"name":"app"}]},"metadata":{"annotations":
            {"admission.datakit/java-lib.version":"","a":"1"}}}}}},"settings":SETTINGS}"#;
    let text = text.replace("SETTINGS", &settings().to_string());
    let answer = host.call("validate", text.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), r#"{"accepted":true}"#);
}

#[test]
fn leaves_namespaces_alone_that_are_ignored() {
    for (ignored, namespace, expected) in [
        (None, "kube-system", false),
        (None, "kube-public", false),
        (None, "kube-node-lease", false),
        (None, "default", true),
        (Some(json!([])), "kube-system", false),
        (Some(json!(["mine"])), "mine", false),
        (Some(json!(["mine"])), "kube-system", true),
    ] {
        let mut settings = settings();
        if let Some(ignored) = ignored {
            settings["policy"] = json!({ "ignored_namespaces": ignored });
        }
        let mut object = java_asked();
        object["metadata"]["namespace"] = json!(namespace);
        let outcome = create(&object, &settings);
        assert_eq!(!outcome.patch.is_empty(), expected, "{namespace}");
    }
}

#[test]
fn leaves_windows_pods_unchanged_and_says_so() {
    for spec in [
        json!({ "os": { "name": "windows" } }),
        json!({ "nodeSelector": { "kubernetes.io/os": "windows" } }),
    ] {
        let mut object = java_asked();
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        skips(
            &create(&object, &settings()),
            "ddtrace-java: the pod runs on Windows",
            "ddtrace-java is not injected into Pod/web: the pod runs on Windows; \
             opt out with admission.datakit/enabled: \"false\"",
        );
        object["metadata"]["annotations"] = json!({});
        leaves_unchanged_silently(&create(&object, &settings()));
    }
    let mut linux = java_asked();
    linux["spec"]["os"] = json!({ "name": "linux" });
    injects(&create(&linux, &settings()), "ddtrace-java");
}

#[test]
fn reads_opt_outs_as_go_does() {
    for (value, expected) in [
        ("0", false),
        ("f", false),
        ("F", false),
        ("false", false),
        ("FALSE", false),
        ("False", false),
        ("1", true),
        ("t", true),
        ("true", true),
        ("fALSE", true),
        ("no", true),
        ("", true),
        (" false", true),
    ] {
        for annotation in ["admission.datakit/enabled", "admission.datakit/ddtrace.enabled"] {
            let object = with_annotation(java_asked(), annotation, value);
            let outcome = create(&object, &settings());
            assert_eq!(!outcome.patch.is_empty(), expected, "{annotation}: {value}");
            if !expected {
                leaves_unchanged_silently(&outcome);
            }
        }
    }
}

#[test]
fn limits_tracing_to_the_containers_that_are_named() {
    let mut object = with_annotation(java_asked(), "admission.datakit/container-names", " b, x,,");
    object["spec"]["containers"] = json!([container("a"), container("b"), container("c")]);
    let outcome = create(&object, &settings());
    injects(&outcome, "ddtrace-java");
    let containers = outcome.object["spec"]["containers"].as_array().unwrap();
    let traced: Vec<bool> = containers.iter().map(|c| c.get("env").is_some()).collect();
    assert_eq!(traced, [false, true, false]);
    assert_eq!(
        outcome.response["warnings"],
        json!(["ddtrace-java in Pod/web: unknown names in annotation \
             admission.datakit/container-names: 1"]),
    );

    let object = with_annotation(java_asked(), "admission.datakit/container-names", "x");
    skips(
        &create(&object, &settings()),
        "ddtrace-java: no container matches",
        "ddtrace-java is not injected into Pod/web: no container matches; name a \
         container of the pod in admission.datakit/container-names",
    );
}

// Answers

#[test]
fn logs_what_it_does_at_the_level_of_the_settings() {
    let bad = with_annotation(java_asked(), "admission.datakit/logfwd.instances", "no");
    let injected = json!([{ "injection": "ddtrace-java", "rule": "admission_inject.ddtrace" }]);
    let reason = "annotation admission.datakit/logfwd.instances is not valid logfwd JSON at line 1 \
                  column 2";
    let skipped = json!([{ "injection": "logfwd", "reason": reason }]);
    for (level, expected) in [
        ("error", None),
        (
            "warn",
            Some(json!({ "level": "warning", "message": "skipped", "workload": "Pod/web",
                         "skipped": skipped })),
        ),
        (
            "info",
            Some(json!({ "level": "warning", "message": "injected, skipped",
                         "workload": "Pod/web", "injected": injected, "skipped": skipped })),
        ),
        (
            "debug",
            Some(json!({ "level": "warning", "message": "injected, skipped, warnings",
                         "workload": "Pod/web", "injected": injected, "skipped": skipped,
                         "release": "1.5: the configuration has no admission_inject_v2",
                         "warnings": [format!("logfwd is not injected into Pod/web: {reason}; \
                                               correct the annotation")] })),
        ),
    ] {
        let mut settings = settings();
        settings["log_level"] = json!(level);
        let expected: Vec<Value> = expected.into_iter().collect();
        assert_eq!(create(&bad, &settings).logs, expected, "{level}");
    }
    let logs = create(&java_asked(), &settings()).logs;
    let logs: Vec<_> = logs.iter().map(|log| (&log["level"], &log["message"])).collect();
    assert_eq!(logs, [(&json!("info"), &json!("injected"))]);
}

#[test]
fn warns_of_rules_that_have_a_fault_and_uses_the_others() {
    let settings = json!({ "admission_inject_v2": { "ddtraces": [
        { "language": "jaav", "namespace_selectors": ["*"], "image": "a:1" },
        { "language": "java", "namespace_selectors": ["other"], "image": "" },
        { "language": "python", "namespace_selectors": ["*"], "image": "b:1" },
    ]}});
    let outcome = create(&pod(), &settings);
    assert_eq!(
        outcome.response["audit_annotations"],
        json!({ "injected": "ddtrace-python",
                "skipped": "ddtrace: the matching rule is invalid: \
                            admission_inject_v2.ddtraces[0].language" }),
    );
    assert_eq!(images(&outcome.object, "initContainers"), ["b:1"]);
}

#[test]
fn logging_that_fails_leaves_nothing_behind() {
    let file = |n: u32| json!({ "type": "file", "path": format!("/var/log/{n}/*.log") });
    let config = json!((0..300).map(file).collect::<Vec<_>>()).to_string();
    let rule = json!({ "namespace_selectors": ["default"], "config": config });
    let mut settings = settings();
    let before = create(&java_asked(), &settings);
    settings["admission_mutate"] = json!({ "loggings": [rule] });
    let outcome = create(&java_asked(), &settings);
    assert_eq!(outcome.object, before.object);
    let annotations = &outcome.response["audit_annotations"];
    assert_eq!(annotations["injected"], "ddtrace-java");
    assert_eq!(annotations["skipped"], "logging: it would share more than 256 directories");
}

#[test]
fn names_a_faulty_rule_once_that_is_looked_at_twice() {
    let rule =
        json!({ "namespace_selectors": ["default"], "label_selectors": [""], "config": "x" });
    let settings = json!({ "admission_mutate": { "loggings": [rule] } });
    let outcome = create(&pod(), &settings);
    let fault = "the matching rule is invalid: admission_mutate.loggings[0].config";
    let advice = "correct the settings of the policy";
    skips(
        &outcome,
        &format!("logging: {fault}"),
        &format!("logging is not injected into Pod/web: {fault}; {advice}"),
    );
}

#[test]
fn says_that_a_language_has_no_image() {
    let object = with_annotation(pod(), "admission.datakit/python-lib.version", "");
    skips(
        &create(&object, &settings()),
        "ddtrace-python: no image is configured for ddtrace-python",
        "ddtrace-python is not injected into Pod/web: no image is configured for ddtrace-python; add the \
         image to the settings of the policy",
    );
}

#[test]
fn says_that_a_version_is_no_tag() {
    for version in ["a b", "v1/2", "../x", "x@sha256:0", "\u{e4}"] {
        let object = with_annotation(pod(), "admission.datakit/java-lib.version", version);
        skips(
            &create(&object, &settings()),
            "ddtrace-java: annotation admission.datakit/java-lib.version is not an image tag",
            "ddtrace-java is not injected into Pod/web: annotation \
             admission.datakit/java-lib.version is not an image tag; use a version such as \
             v1.2.3, or leave it empty",
        );
    }
}

#[test]
fn versions_of_annotations_may_be_switched_off() {
    let mut settings = settings();
    settings["policy"] = json!({ "allow_version_annotations": false });
    let object = with_annotation(pod(), "admission.datakit/java-lib.version", "evil");
    let outcome = create(&object, &settings);
    let expected = "pubrepo.guance.com/datakit-operator/dd-lib-java-init:v1.30.1-guance";
    assert_eq!(images(&outcome.object, "initContainers"), [expected]);
}

#[test]
fn reads_the_configuration_from_jsonconfig() {
    let inside = settings().to_string();
    let settings = json!({ "jsonconfig": inside, "policy": { "image_pull_secrets": ["hub"] } });
    assert_eq!(Host::shared().validate_settings(&settings.to_string()), None);
    let outcome = create(&java_asked(), &settings);
    injects(&outcome, "ddtrace-java");
    assert_eq!(outcome.object["spec"]["imagePullSecrets"], json!([{ "name": "hub" }]));
}

// ddtrace

fn java_env(env: &Value) -> Value {
    let mut object = java_asked();
    object["spec"]["containers"][0]["env"] = env.clone();
    object
}

#[test]
fn does_not_inject_where_the_variable_comes_from_somewhere_else() {
    let env = json!([{ "name": "JAVA_TOOL_OPTIONS",
                       "valueFrom": { "configMapKeyRef": { "name": "a", "key": "b" } } }]);
    skips(
        &create(&java_env(&env), &settings()),
        "ddtrace-java: container `app` sets JAVA_TOOL_OPTIONS with valueFrom",
        "ddtrace-java is not injected into Pod/web: container `app` sets JAVA_TOOL_OPTIONS with \
         valueFrom; use a literal value",
    );
}

#[test]
fn gives_no_option_twice() {
    for (language, name, present, expected) in [
        ("java", "JAVA_TOOL_OPTIONS", "-Xmx1g", "-Xmx1g -javaagent:/datadog-lib/dd-java-agent.jar"),
        ("java", "JAVA_TOOL_OPTIONS", "", " -javaagent:/datadog-lib/dd-java-agent.jar"),
        (
            "java",
            "JAVA_TOOL_OPTIONS",
            "-javaagent:/datadog-lib/dd-java-agent.jar -Xmx1g",
            "-javaagent:/datadog-lib/dd-java-agent.jar -Xmx1g",
        ),
        (
            "nodejs",
            "NODE_OPTIONS",
            "--require=/datadog-lib/node_modules/dd-trace/init",
            "--require=/datadog-lib/node_modules/dd-trace/init",
        ),
        ("python", "PYTHONPATH", "", "/datadog-lib/"),
        ("python", "PYTHONPATH", "/a:/datadog-lib/", "/a:/datadog-lib/"),
        ("python", "PYTHONPATH", "/datadog-lib/x", "/datadog-lib/:/datadog-lib/x"),
        ("php", "PHP_INI_SCAN_DIR", "/etc/php:/datadog-lib", "/etc/php:/datadog-lib"),
        ("php", "PHP_INI_SCAN_DIR", "/etc/php", "/etc/php:/datadog-lib"),
    ] {
        let settings = json!({ "admission_inject_v2": { "ddtraces": [
            { "language": language, "namespace_selectors": ["*"], "image": "a:1" },
        ]}});
        let mut object = pod();
        object["spec"]["containers"][0]["env"] = json!([{ "name": name, "value": present }]);
        let env = create(&object, &settings).object["spec"]["containers"][0]["env"].clone();
        assert_eq!(env[0], json!({ "name": name, "value": expected }), "{language}");
    }
}

#[test]
fn warns_where_env_from_may_set_the_variable() {
    let mut object = java_asked();
    object["spec"]["containers"][0]["envFrom"] = json!([{ "configMapRef": { "name": "x" } }]);
    let outcome = create(&object, &settings());
    injects(&outcome, "ddtrace-java");
    assert_eq!(
        outcome.response["warnings"],
        json!(["ddtrace-java in Pod/web: JAVA_TOOL_OPTIONS overrides the value that envFrom may \
                provide in container `app`"]),
    );
    let env = json!([{ "name": "JAVA_TOOL_OPTIONS", "value": "x" }]);
    object["spec"]["containers"][0]["env"] = env;
    assert_eq!(create(&object, &settings()).response.get("warnings"), None);
}

#[test]
fn merges_tags() {
    let configured = "pod:$(POD),env:dev,,plain";
    for (own, expected) in [
        ("team:a", "team:a,pod:$(POD),env:dev,plain"),
        ("env:prod", "env:prod,pod:$(POD),plain"),
        ("odd,env:a:b, plain", "odd,env:a:b, plain,pod:$(POD)"),
        ("", "pod:$(POD),env:dev,plain"),
        ("team:a,", "team:a,pod:$(POD),env:dev,plain"),
    ] {
        let settings = json!({ "admission_inject_v2": { "ddtraces": [
            { "language": "java", "namespace_selectors": ["*"], "image": "a:1",
              "envs": { "DD_TAGS": configured, "POD": "{fieldRef:metadata.name}", "Z": 1 } },
        ]}});
        let mut object = pod();
        object["spec"]["containers"][0]["env"] =
            json!([{ "name": "DD_TAGS", "value": own }, { "name": "A", "value": "b" }]);
        let object = create(&object, &settings).object;
        let env = object["spec"]["containers"][0]["env"].as_array().unwrap();
        assert_eq!(names(&json!(env)), ["A", "JAVA_TOOL_OPTIONS", "POD", "Z", "DD_TAGS"]);
        assert_eq!(env[4]["value"], expected, "{own}");
    }
}

/// As in Go's decoder.
#[test]
fn of_a_variable_that_the_settings_set_twice_the_last_counts() {
    let settings = r#"{"admission_inject":{"ddtrace":{
        "images":{"java_agent_image":"registry.example/dd:v1"},
        "envs":{"DD_TAGS":"a:1","B":"","DD_TAGS":"b:2"}}}}"#;
    let mut pod = java_asked();
    let outcome = Host::shared().validate(&request("CREATE", &pod, None), settings);
    let env = &outcome.object["spec"]["containers"][0]["env"];
    assert_eq!(names(env), ["JAVA_TOOL_OPTIONS", "DD_TAGS", "B"]);
    assert_eq!(env[1]["value"], "b:2");
    pod["spec"]["containers"][0]["env"] = json!([{ "name": "DD_TAGS", "value": "own:0" }]);
    let outcome = Host::shared().validate(&request("CREATE", &pod, None), settings);
    let env = &outcome.object["spec"]["containers"][0]["env"];
    assert_eq!(env[2], json!({ "name": "DD_TAGS", "value": "own:0,b:2" }));
}

#[test]
fn leaves_tags_alone_that_cannot_be_moved() {
    let from = json!({ "fieldRef": { "fieldPath": "metadata.name" } });
    for env in [
        json!([{ "name": "DD_TAGS", "valueFrom": from }]),
        json!([{ "name": "DD_TAGS", "value": "a:b" }, { "name": "O", "value": "x$(DD_TAGS)" }]),
        json!([{ "name": "DD_TAGS", "value": "a:b" }, { "name": "DD_TAGS", "value": "c:d" }]),
    ] {
        let outcome = create(&java_env(&env), &settings());
        injects(&outcome, "ddtrace-java");
        let after = outcome.object["spec"]["containers"][0]["env"].as_array().unwrap().clone();
        assert_eq!(after[..env.as_array().unwrap().len()], *env.as_array().unwrap());
    }
}

#[test]
fn does_not_inject_where_something_else_has_its_place() {
    let mut volume = java_asked();
    volume["spec"]["volumes"] =
        json!([{ "name": "datakit-auto-instrument", "configMap": { "name": "x" } }]);
    skips(
        &create(&volume, &settings()),
        "ddtrace-java: the pod has another volume named datakit-auto-instrument",
        "ddtrace-java is not injected into Pod/web: the pod has another volume named \
         datakit-auto-instrument; rename that volume",
    );
    let mut mount = java_asked();
    mount["spec"]["volumes"] = json!([{ "name": "x", "emptyDir": {} }]);
    mount["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "x", "mountPath": "/datadog-lib" }]);
    skips(
        &create(&mount, &settings()),
        "ddtrace-java: container `app` mounts another volume at /datadog-lib",
        "ddtrace-java is not injected into Pod/web: container `app` mounts another volume at \
         /datadog-lib; mount it elsewhere",
    );
}

// otel

fn otel(language: &str) -> Value {
    json!({ "admission_inject_v2": { "otels": [
        { "language": language, "namespace_selectors": ["*"], "image": "hub/otel:1",
          "envs": { "OTEL_SERVICE_NAME": "{fieldRef:metadata.labels['app']}" } },
    ]}})
}

#[test]
fn injects_open_telemetry_by_language() {
    let python = "/otel-auto-instrumentation-python";
    let first = format!("{python}/opentelemetry/instrumentation/auto_instrumentation");
    let java = "-javaagent:/otel-auto-instrumentation-java/javaagent.jar";
    let node = "--require /otel-auto-instrumentation-nodejs/autoinstrumentation.js";
    for (language, variable, absent, present, command) in [
        (
            "java",
            "JAVA_TOOL_OPTIONS",
            java.to_owned(),
            format!("-Xmx1g {java}"),
            json!(["cp", "/javaagent.jar", "/otel-auto-instrumentation-java/javaagent.jar"]),
        ),
        (
            "python",
            "PYTHONPATH",
            format!("{first}:{python}"),
            format!("{first}:-Xmx1g:{python}"),
            json!(["cp", "-r", "/autoinstrumentation/.", python]),
        ),
        (
            "nodejs",
            "NODE_OPTIONS",
            format!(" {node}"),
            format!("-Xmx1g {node}"),
            json!(["cp", "-r", "/autoinstrumentation/.", "/otel-auto-instrumentation-nodejs"]),
        ),
    ] {
        let path = format!("/otel-auto-instrumentation-{language}");
        let mount = json!([{ "name": "datakit-otel-auto-instrument", "mountPath": path }]);
        for (own, expected) in [(None, &absent), (Some("-Xmx1g"), &present)] {
            let mut object = pod();
            if let Some(own) = own {
                object["spec"]["containers"][0]["env"] =
                    json!([{ "name": variable, "value": own }]);
            }
            object["spec"]["containers"][0]["securityContext"] =
                json!({ "runAsUser": 7, "new": 1 });
            let outcome = create(&object, &otel(language));
            injects(&outcome, &format!("otel-{language}"));
            let spec = &outcome.object["spec"];
            assert_eq!(spec["containers"][0]["env"][0]["value"], **expected, "{language}");
            assert_eq!(spec["containers"][0]["env"][1]["name"], "OTEL_SERVICE_NAME");
            assert_eq!(spec["containers"][0]["volumeMounts"], mount);
            assert_eq!(
                spec["initContainers"],
                json!([{
                    "name": "datakit-otel-lib-init", "image": "hub/otel:1", "command": command,
                    "imagePullPolicy": "Always", "volumeMounts": mount,
                    "resources": { "requests": { "cpu": "100m", "memory": "64Mi" },
                                   "limits": { "cpu": "500m", "memory": "512Mi" } },
                    "securityContext": { "runAsUser": 7, "new": 1 },
                }]),
            );
            let volumes = json!([{ "name": "datakit-otel-auto-instrument", "emptyDir": {} }]);
            assert_eq!(spec["volumes"], volumes);
            let again = create(&outcome.object, &otel(language));
            leaves_unchanged_silently(&again);
        }
        for (env, reason) in [
            (
                json!([{ "name": variable, "valueFrom": { "fieldRef": { "fieldPath": "x" } } }]),
                format!("container `app` sets {variable} with valueFrom"),
            ),
            (
                json!([{ "name": variable, "value": "a" }, { "name": variable, "value": "b" }]),
                format!("container `app` sets {variable} twice"),
            ),
            (
                json!([{ "name": variable, "value": "-javaagent:/datadog-lib/dd-java-agent.jar" }]),
                "container `app` already loads the Datadog library".to_owned(),
            ),
        ] {
            let mut object = pod();
            object["spec"]["containers"][0]["env"] = env;
            let outcome = create(&object, &otel(language));
            leaves_unchanged(&outcome);
            let skipped = json!({ "skipped": format!("otel-{language}: {reason}") });
            assert_eq!(outcome.response["audit_annotations"], skipped);
        }
    }
}

#[test]
fn open_telemetry_does_not_start_as_root_where_that_is_forbidden() {
    for (of_pod, of_container, expected) in [
        (json!(null), json!({ "runAsNonRoot": true }), false),
        (json!(null), json!({ "runAsNonRoot": true, "runAsUser": 0 }), false),
        (json!(null), json!({ "runAsNonRoot": true, "runAsUser": 1000 }), true),
        (json!({ "runAsNonRoot": true }), json!(null), false),
        (json!({ "runAsNonRoot": true, "runAsUser": 5 }), json!({}), true),
        (json!({ "runAsNonRoot": true }), json!({ "runAsUser": 5 }), true),
        (json!({ "runAsNonRoot": true }), json!({ "runAsNonRoot": false }), true),
        (json!({ "runAsUser": 0 }), json!({}), true),
    ] {
        let mut object = pod();
        object["spec"]["securityContext"] = of_pod;
        object["spec"]["containers"][0]["securityContext"] = of_container;
        let outcome = create(&object, &otel("java"));
        assert_eq!(!outcome.patch.is_empty(), expected, "{}", object["spec"]);
    }
}

#[test]
fn open_telemetry_comes_only_where_no_ddtrace_rule_does() {
    let mut settings = otel("java");
    settings["admission_inject_v2"]["ddtraces"] =
        json!([{ "language": "java", "namespace_selectors": ["*"], "image": "hub/dd:1" }]);
    injects(&create(&pod(), &settings), "ddtrace-java");
    let out = with_annotation(pod(), "admission.datakit/ddtrace.enabled", "false");
    injects(&create(&out, &settings), "otel-java");
    let mut failing = pod();
    failing["spec"]["volumes"] =
        json!([{ "name": "datakit-auto-instrument", "configMap": { "name": "x" } }]);
    leaves_unchanged(&create(&failing, &settings));
}

// logfwd

fn logfwd(annotation: &Value) -> Value {
    with_annotation(pod(), "admission.datakit/logfwd.instances", &annotation.to_string())
}

fn files(paths: &[&str]) -> Value {
    json!([{ "datakit_addr": "x", "loggings": [{ "logfiles": paths, "ignore": ["/ignored/*"] }] }])
}

#[test]
fn says_where_the_annotation_is_not_json() {
    for (annotation, place) in [
        ("", "line 1 column 0"),
        ("no", "line 1 column 2"),
        ("[{\n  \"loggings\": 7}]", "line 2 column 15"),
        ("[{\"loggings\": [{\"logfiles\": [1]}]}]", "line 1 column 30"),
        ("{}", "line 1 column 2"),
    ] {
        let object = with_annotation(pod(), "admission.datakit/logfwd.instances", annotation);
        let reason = format!(
            "annotation admission.datakit/logfwd.instances is not valid logfwd JSON at {place}"
        );
        skips(
            &create(&object, &settings()),
            &format!("logfwd: {reason}"),
            &format!("logfwd is not injected into Pod/web: {reason}; correct the annotation"),
        );
    }
}

#[test]
fn does_not_share_what_cannot_be_mounted() {
    let paths = ["logs/*.log", "/x.log", "/a/../b/*.log", "/a//b/*.log", "/good/*.log", "/c:d/e"];
    let outcome = create(&logfwd(&files(&paths)), &settings());
    injects(&outcome, "logfwd");
    let expected = json!([{ "name": "datakit-logfwd-volume-4", "mountPath": "/good" }]);
    assert_eq!(outcome.object["spec"]["containers"][0]["volumeMounts"], expected);
    let warning = "logfwd in Pod/web: 5 directories are not shared: not an absolute, clean path";
    assert_eq!(outcome.response["warnings"], json!([warning]));
}

#[test]
fn shares_the_directory_that_a_container_has_there() {
    let mut object = logfwd(&files(&["/logs/*", "/claimed/*", "/part/*", "/odd/*"]));
    object["spec"]["volumes"] = json!([
        { "name": "mine", "emptyDir": {} },
        { "name": "claim", "persistentVolumeClaim": { "claimName": "x" } },
    ]);
    object["spec"]["containers"] = json!([container("a"), container("b")]);
    object["spec"]["containers"][0]["volumeMounts"] = json!([
        { "name": "mine", "mountPath": "/logs" },
        { "name": "claim", "mountPath": "/claimed" },
        { "name": "mine", "mountPath": "/part", "subPath": "p" },
        { "name": "mine", "mountPath": "/odd", "subPathExpr": "$(X)" },
    ]);
    let outcome = create(&object, &settings());
    let containers = outcome.object["spec"]["containers"].as_array().unwrap().clone();
    assert_eq!(
        containers[1]["volumeMounts"],
        json!([{ "name": "mine", "mountPath": "/logs" },
               { "name": "mine", "mountPath": "/part", "subPath": "p" }]),
    );
    assert_eq!(
        containers[2]["volumeMounts"],
        json!([{ "name": "mine", "mountPath": "/logs", "readOnly": true },
               { "name": "mine", "mountPath": "/part", "subPath": "p", "readOnly": true }]),
    );
    assert_eq!(outcome.object["spec"]["volumes"], object["spec"]["volumes"]);
}

#[test]
fn keeps_the_order_and_the_numbers_of_the_annotation() {
    let text = "[ {\"datakit_addr\" : \"x\", \"loggings\":[{\"z\": 1.50, \"a\": 12345678901234567890123, \
                \"logfiles\": [\"/l/x y\"]}] } ]";
    let object = with_annotation(pod(), "admission.datakit/logfwd.instances", text);
    let outcome = create(&object, &settings());
    assert_eq!(
        outcome.object["spec"]["containers"][1]["env"][0]["value"],
        "[{\"datakit_addr\":\"x\",\"loggings\":[{\"z\":1.50,\"a\":12345678901234567890123,\
         \"logfiles\":[\"/l/x y\"]}]}]",
    );
}

#[test]
fn mounts_nothing_twice_in_the_sidecar() {
    let settings = json!({ "admission_inject_v2": { "logfwds": [
        { "namespace_selectors": ["*"], "image": "a:1", "log_volume_paths": ["/etc/podinfo"] },
    ]}});
    let outcome = create(&pod(), &settings);
    let mount = json!({ "name": "datakit-logfwd-volume-0", "mountPath": "/etc/podinfo",
                        "readOnly": true });
    assert_eq!(outcome.object["spec"]["containers"][1]["volumeMounts"], json!([mount]));
}

#[test]
fn does_not_share_hundreds_of_directories() {
    let paths: Vec<String> = (0..300).map(|n| format!("/d{n}/*.log")).collect();
    let paths: Vec<&str> = paths.iter().map(|path| &**path).collect();
    let outcome = create(&logfwd(&files(&paths)), &settings());
    leaves_unchanged(&outcome);
    let skipped = json!({ "skipped": "logfwd: it would share more than 256 directories" });
    assert_eq!(outcome.response["audit_annotations"], skipped);
}

// profiler and flameshot

fn profiler() -> Value {
    with_annotation(pod(), "admission.datakit/java-profiler.version", "")
}

#[test]
fn takes_no_volume_of_another_kind_for_its_own() {
    let mut object = profiler();
    object["spec"]["volumes"] = json!([
        { "name": "tmp", "configMap": { "name": "x" } },
        { "name": "timezone", "hostPath": { "path": "/elsewhere" } },
    ]);
    let outcome = create(&object, &settings());
    assert_eq!(
        names(&outcome.object["spec"]["volumes"]),
        ["tmp", "timezone", "datakit-profiler-volume", "tmp-datakit", "timezone-datakit"],
    );
    assert_eq!(
        outcome.object["spec"]["containers"][0]["volumeMounts"],
        json!([{ "name": "datakit-profiler-volume", "mountPath": "/app/datakit-profiler" },
               { "name": "tmp-datakit", "mountPath": "/tmp" },
               { "name": "timezone-datakit", "mountPath": "/etc/localtime" }]),
    );
}

#[test]
fn takes_no_claim_of_a_stateful_set_for_its_own() {
    let mut object = deployment(&profiler());
    object["kind"] = json!("StatefulSet");
    object["spec"]["volumeClaimTemplates"] = json!([{ "metadata": { "name": "tmp" } }]);
    let outcome = create(&object, &settings());
    assert_eq!(
        names(&outcome.object["spec"]["template"]["spec"]["volumes"]),
        ["datakit-profiler-volume", "tmp-datakit", "timezone"],
    );
}

#[test]
fn leaves_mounts_of_the_profiler_to_whoever_has_them() {
    let mut object = profiler();
    object["spec"]["volumes"] = json!([{ "name": "mine", "emptyDir": {} }]);
    object["spec"]["containers"] = json!([container("a"), container("b")]);
    object["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "mine", "mountPath": "/tmp" }]);
    let outcome = create(&object, &settings());
    let paths = |index: usize| {
        let mounts = outcome.object["spec"]["containers"][index]["volumeMounts"].clone();
        let mounts = mounts.as_array().unwrap().clone();
        mounts.iter().map(|m| m["mountPath"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(paths(0), ["/tmp", "/app/datakit-profiler", "/etc/localtime"]);
    assert_eq!(paths(1), ["/app/datakit-profiler", "/etc/localtime"]);
    assert_eq!(paths(2), ["/app/datakit-profiler", "/etc/localtime"]);
}

#[test]
fn does_not_share_processes_where_the_pod_has_those_of_the_host() {
    let mut object = profiler();
    object["spec"]["hostPID"] = json!(true);
    let outcome = create(&object, &settings());
    injects(&outcome, "profiler-java");
    assert_eq!(outcome.object["spec"].get("shareProcessNamespace"), None);
}

#[test]
fn a_failing_sidecar_leaves_nothing_behind() {
    let mut object = profiler();
    object["spec"]["volumes"] = json!([{ "name": "x", "emptyDir": {} }]);
    object["spec"]["containers"] = json!([container("a"), container("b")]);
    object["spec"]["containers"][1]["volumeMounts"] =
        json!([{ "name": "x", "mountPath": "/app/datakit-profiler" }]);
    skips(
        &create(&object, &settings()),
        "profiler-java: container `b` mounts another volume at /app/datakit-profiler",
        "profiler-java is not injected into Pod/web: container `b` mounts another volume at \
         /app/datakit-profiler; mount it elsewhere",
    );
    let settings = json!({ "admission_inject_v2": { "flameshots": [
        { "namespace_selectors": ["*"], "image": "a:1", "processes": "[]",
          "envs": { "FLAMESHOT_PROFILING_PATH": "/app/datakit-profiler",
                    "FLAMESHOT_HTTP_LOCAL_PORT": 8089 } },
    ]}});
    object["metadata"]["annotations"] = json!({});
    let outcome = create(&object, &settings);
    leaves_unchanged(&outcome);
    assert_eq!(
        outcome.response["audit_annotations"]["skipped"],
        "flameshot: container `b` mounts another volume at FLAMESHOT_PROFILING_PATH",
    );
}

// Pods that run to completion

#[test]
fn sidecars_let_jobs_end() {
    let asked = with_annotation(
        logfwd(&files(&["/logs/*"])),
        "admission.datakit/java-profiler.version",
        "",
    );
    for restart_policy in ["Never", "OnFailure"] {
        let mut template = asked.clone();
        template["spec"]["restartPolicy"] = json!(restart_policy);
        template["spec"]["initContainers"] = json!([container("first")]);
        template["metadata"]["labels"] = json!({ "app": "logging" });
        let wrap = |api: &str, kind: &str, spec: Value| json!({ "apiVersion": api, "kind": kind, "metadata": { "name": "x" }, "spec": spec });
        let job = wrap("batch/v1", "Job", json!({ "template": template }));
        let job_template = json!({ "jobTemplate": { "spec": { "template": template } } });
        let cron_job = wrap("batch/v1", "CronJob", job_template);
        for object in [job, cron_job, template] {
            let mut outcome = create(&object, &settings());
            assert_eq!(
                outcome.response["audit_annotations"]["injected"],
                "logfwd,profiler-java,logging"
            );
            let again = create(&outcome.object, &settings());
            leaves_unchanged(&again);
            let spec = template_of(&mut outcome.object)["spec"].clone();
            assert_eq!(spec["restartPolicy"], restart_policy);
            assert_eq!(names(&spec["containers"]), ["app"]);
            assert_eq!(
                names(&spec["initContainers"]),
                ["first", "datakit-logfwd", "datakit-profiler"]
            );
            for sidecar in &spec["initContainers"].as_array().unwrap()[1..] {
                assert_eq!(sidecar["restartPolicy"], "Always");
                let mounts = sidecar["volumeMounts"].as_array().unwrap();
                let has = |path: &str| mounts.iter().any(|mount| mount["mountPath"] == path);
                assert!(has("/tmp/opt") && has("/app/datakit-profiler"), "{sidecar}");
            }
            assert_eq!(spec["initContainers"][0], container("first"));
        }
    }
}

#[test]
fn a_pod_of_a_job_gets_native_sidecars() {
    let mut object = logfwd(&files(&["/logs/*"]));
    object["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": "batch/v1", "kind": "Job", "name": "x" }]);
    let outcome = create(&object, &settings());
    assert_eq!(names(&outcome.object["spec"]["initContainers"]), ["datakit-logfwd"]);
    object["metadata"]["ownerReferences"] = json!([{ "kind": "ReplicaSet", "name": "x" }]);
    let outcome = create(&object, &settings());
    assert_eq!(names(&outcome.object["spec"]["containers"]), ["app", "datakit-logfwd"]);
}

#[test]
fn the_mode_of_sidecars_can_be_set() {
    let mut job = profiler();
    job["spec"]["restartPolicy"] = json!("Never");
    let mut settings = settings();
    settings["policy"] = json!({ "sidecar_mode": "container" });
    let outcome = create(&job, &settings);
    assert_eq!(names(&outcome.object["spec"]["containers"]), ["app", "datakit-profiler"]);
    assert_eq!(outcome.object["spec"]["restartPolicy"], "Never");
    assert_eq!(
        outcome.response["warnings"],
        json!(["profiler-java in Pod/web: the sidecar keeps the pod from completing; set \
                policy.sidecar_mode to `auto`"]),
    );
    settings["policy"] = json!({ "sidecar_mode": "native" });
    let outcome = create(&profiler(), &settings);
    assert_eq!(names(&outcome.object["spec"]["initContainers"]), ["datakit-profiler"]);
    assert_eq!(outcome.object["spec"]["restartPolicy"], "Always");
}

// The policy's own options

#[test]
fn gives_injected_containers_what_the_options_say() {
    let mut settings = settings();
    settings["policy"] = json!({
        "security_context": { "runAsNonRoot": true, "runAsUser": 1000 },
        "image_pull_secrets": ["hub", "there"],
        "empty_dir_size_limit": "1Gi",
    });
    let mut object =
        with_annotation(logfwd(&files(&["/logs/*"])), "admission.datakit/java-lib.version", "");
    object["spec"]["imagePullSecrets"] = json!([{ "name": "there" }]);
    let outcome = create(&object, &settings);
    injects(&outcome, "ddtrace-java,logfwd");
    let spec = &outcome.object["spec"];
    let context = &settings["policy"]["security_context"];
    assert_eq!(&spec["initContainers"][0]["securityContext"], context);
    assert_eq!(&spec["containers"][1]["securityContext"], context);
    assert_eq!(spec["containers"][0].get("securityContext"), None);
    assert_eq!(spec["imagePullSecrets"], json!([{ "name": "there" }, { "name": "hub" }]));
    for volume in spec["volumes"].as_array().unwrap() {
        assert_eq!(volume["emptyDir"], json!({ "sizeLimit": "1Gi" }));
    }
    leaves_unchanged_silently(&create(&pod(), &settings));
}

// Hostile input

#[test]
fn wrong_types_anywhere_never_trap() {
    let object = deployment(&with_annotation(
        with_annotation(java_asked(), "admission.datakit/java-profiler.version", ""),
        "admission.datakit/logfwd.instances",
        &files(&["/logs/*"]).to_string(),
    ));
    let request = request("UPDATE", &object, Some(&deployment(&pod())));
    let v2: Value = serde_json::from_str(
        &std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/settings-v2.json"))
            .unwrap()
            .replace("\"namespace_selectors\": []", "\"namespace_selectors\": [\"*\"]"),
    )
    .unwrap();
    let mut count = 0;
    for settings in [settings(), v2] {
        count += answers_wrong_types(&json!({ "request": request, "settings": settings }));
    }
    println!("{count} wrong types answered");
}

/// Puts every wrong type at every place of a payload; says how many.
fn answers_wrong_types(whole: &Value) -> usize {
    let host = Host::shared();
    let mut pointers = Vec::new();
    fn walk(value: &Value, pointer: &str, pointers: &mut Vec<String>) {
        pointers.push(pointer.to_owned());
        let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
        match value {
            Value::Object(members) => members
                .iter()
                .for_each(|(key, v)| walk(v, &format!("{pointer}/{}", escape(key)), pointers)),
            Value::Array(elements) => elements
                .iter()
                .enumerate()
                .for_each(|(index, v)| walk(v, &format!("{pointer}/{index}"), pointers)),
            _ => {}
        }
    }
    walk(whole, "", &mut pointers);
    let wrong =
        [json!(null), json!(true), json!(-1.5), json!("x"), json!([[]]), json!({ "x": {} })];
    for pointer in &pointers {
        for wrong in &wrong {
            let mut payload = whole.clone();
            *payload.pointer_mut(pointer).unwrap() = wrong.clone();
            let answer = host.call("validate", payload.to_string().as_bytes());
            let answer: Value = serde_json::from_slice(&answer.unwrap()).unwrap();
            assert_eq!(answer["accepted"], true, "{pointer} = {wrong}");
            let settings = payload["settings"].to_string();
            let answer = host.call("validate_settings", settings.as_bytes()).unwrap();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert!(answer["valid"].is_boolean());
        }
    }
    pointers.len() * wrong.len()
}

#[test]
fn bytes_that_are_no_request_are_accepted() {
    let deep = format!("{{\"request\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    for payload in [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"{\"request\":\"\xff\"}",
        b"{\"request\":{\"object\":{}}}",
        deep.as_bytes(),
    ] {
        let answer = Host::shared().call("validate", payload).unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), r#"{"accepted":true}"#);
        let answer = Host::shared().call("validate_settings", payload).unwrap();
        assert!(serde_json::from_slice::<Value>(&answer).unwrap()["valid"].is_boolean());
    }
}

#[test]
fn keeps_deep_objects_and_odd_numbers_as_they_are() {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let odd = r#"{"n":[1e21,-0.0,1.0,123456789012345678901234567890],"s":"\ud800 \u00e9"}"#;
    let object = format!(
        r#"{{"metadata":{{"name":"web","annotations":{{"admission.datakit/java-lib.version":""}},
            "x":{odd}}},"spec":{{"deep":{deep},"containers":[{{"name":"a","odd":{odd}}}]}}}}"#
    );
    let payload = format!(
        r#"{{"request":{{"kind":{{"group":"","version":"v1","kind":"Pod"}},"operation":"CREATE",
            "object":{object}}},"settings":{}}}"#,
        settings()
    );
    let answer = Host::shared().call("validate", payload.as_bytes()).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("dd-java-agent.jar"));
    assert!(answer.contains(&deep));
    assert_eq!(answer.matches(odd).count(), 2);
}
