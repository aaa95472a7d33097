//! Settings: every fault at once, and what is valid.

use std::fmt::Write as _;

use datakit_injection::validation::validate;
use expect_test::expect;
use serde_json::{Value, json};

use crate::host::Host;

fn faults(settings: &str) -> String {
    let mut out = String::new();
    for fault in validate(settings) {
        writeln!(out, "{fault}").unwrap();
    }
    out
}

/// Settings with many errors.
pub fn faulty() -> Value {
    json!({
        "log_level": "inof",
        "server_listen": "0.0.0.0:9543",
        "admission_injectt": {},
        "admission_inject": {
            "ddtrace": {
                "enabled_namespaces": [
                    { "namespace": "a", "language": "jaav" },
                    { "Namespace": "a", "namespace": "b", "Language": "js" },
                    { "language": "java" },
                    7,
                ],
                "enabled_labelselectors": [
                    { "labelselector": "a in b", "language": "java" },
                    { "LabelSelector": "a", "LANGUAGE": "cobol" },
                ],
                "images": { "java_agent_image": "", "python_image": "a:1" },
                "envs": { "1A": "x", "B": [], "C": "$(D)", "D": "$(C)", "E": true, "F": 1 },
                "resources": { "Requests": { "CPU": "2", "memory": "1Mi" },
                               "limits": { "cpu": "500m", "memory": "much" } },
            },
            "logfwd": { "images": { "logfwd_image": "hub/X" }, "image_pull_policy": "always" },
        },
        "admission_inject_v2": {
            "ddtraces": [
                { "language": "java", "namespace_selectors": ["a"], "image": "x:1" },
                { "language": "ruby", "namespace_selectors": ["(", ""], "labelselectors": [],
                  "label_selectors": ["a=[b", " "], "image": "x@sha256:1", "check_annotation": 1,
                  "php_loader_flavor": "musl" },
            ],
            "otels": [{ "language": "php", "label_selectors": ["a"], "name": 7 }],
            "logfwds": [
                { "namespace_selectors": ["*"], "image": "x:1", "log_configs": "[1]",
                  "log_volume_paths": ["logs", 7] },
            ],
            "flameshots": [
                { "namespace_selectors": ["*"], "image": "x:1", "processes": "[]",
                  "envs": { "FLAMESHOT_PROFILING_PATH": "data", "FLAMESHOT_HTTP_LOCAL_PORT": 70000 } },
                { "namespace_selectors": ["*"], "image": "x:1" },
            ],
            "profilers": {},
        },
        "admission_mutate": { "loggings": [
            { "namespace_selectors": ["a"], "config": "{}" },
            { "label_selectors": ["a"] },
        ]},
        "policy": {
            "operator_release": "1.5", "id": "A b", "pod_security": "restrict",
            "sidecar_mode": "natve",
            "ignored_namespaces": "kube-system",
            "extra_workloads": [{ "group": "x" }],
            "security_context": { "runAsUser": "root", "priviledged": true },
            "image_pull_secrets": ["A b"],
            "empty_dir_size_limit": "1 Gi",
            "allow_version_annotations": "no",
        },
    })
}

/// Valid settings with many notes.
pub fn questionable() -> Value {
    let rule = |more: Value| {
        let mut rule = json!({ "language": "java", "image": "a/b:1" });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    json!({ "admission_inject_v2": {
        "ddtraces": [
            rule(json!({ "label_selectors": ["app in (a),app in (b)"] })),
            rule(json!({ "namespace_selectors": ["*"], "envs": {
                "A": "{fieldref:metadata.name}", "B": "$(MISSING) $(A) $$(X) $(HOSTNAME)",
                "C": "{\"json\":1}" } })),
            rule(json!({ "namespace_selectors": ["^shop$"] })),
            rule(json!({})),
        ],
        "logfwds": [{ "namespace_selectors": ["*"], "image": "a/b:1",
                      "envs": { "LOGFWD_DATAKIT_OPERATOR_ENDPOINT": "x" } }],
    } })
}

#[test]
fn finds_all_faults_at_once() {
    let settings = faulty();
    expect![[r#"
        admission_injectt: unknown key; did you mean `admission_inject`?
        policy.sidecar_mode: unknown value `natve`; did you mean `native`?
        policy.ignored_namespaces: is a string, expected an array
        policy.extra_workloads[0].kind: is required, such as `Rollout`
        policy.extra_workloads[0].template: is required: a JSON pointer to a pod template, such as `/spec/template`
        policy.image_pull_secrets[0]: is not the name of a secret
        policy.empty_dir_size_limit: is not a quantity, such as `1Gi`
        policy.id: is not a DNS label of at most 20 characters
        policy.security_context.priviledged: unknown key; did you mean `privileged`?
        policy.security_context.runAsUser: is a string, expected a number
        policy.allow_version_annotations: is a string, expected a boolean
        policy.pod_security: unknown value `restrict`; did you mean `respect`?
        log_level: unknown level `inof`; did you mean `info`?
        admission_inject.ddtrace.images.python_image: unknown key; did you mean `python_agent_image`?
        admission_inject.ddtrace.images.java_agent_image: is empty; give the image to inject
        admission_inject.ddtrace.resources.limits.memory: is not a quantity, such as `100m` or `64Mi`
        admission_inject.ddtrace.resources.requests.cpu: is more than the limit
        admission_inject.ddtrace.envs.1A: is not a name that Kubernetes takes for an environment variable
        admission_inject.ddtrace.envs.B: is an array, expected a string
        admission_inject.ddtrace.envs.C: refers to itself, directly or through other variables
        admission_inject.ddtrace.envs.D: refers to itself, directly or through other variables
        admission_inject.ddtrace.enabled_labelselectors[0].labelselector: found `b`, expected `(`
        admission_inject.ddtrace.enabled_labelselectors[1].language: unknown language `cobol`; expected one of java, python, nodejs, php
        admission_inject.ddtrace.enabled_namespaces[0].language: unknown language `jaav`; did you mean `java`?
        admission_inject.ddtrace.enabled_namespaces[1].namespace: differs from `Namespace` only in case
        admission_inject.ddtrace.enabled_namespaces[2].namespace: is required
        admission_inject.ddtrace.enabled_namespaces[3]: is a number, expected an object
        admission_inject_v2.ddtraces: conflicts with `admission_inject.ddtrace`
        admission_inject_v2.ddtraces[1].namespace_selectors[0]: `(` is not a regular expression: found open group without closing ')'
        admission_inject_v2.ddtraces[1].namespace_selectors[1]: is empty; `*` means every namespace
        admission_inject_v2.ddtraces[1].label_selectors[0]: `[b` is not a glob: a bracket is not closed, or a range runs backwards
        admission_inject_v2.ddtraces[1].label_selectors[1]: is empty; leave the list empty to select by namespace alone
        admission_inject_v2.ddtraces[1].check_annotation: is a number, expected a boolean
        admission_inject_v2.ddtraces[1].language: unknown language `ruby`; expected one of java, python, nodejs, php
        admission_inject_v2.ddtraces[1].labelselectors: unknown key; did you mean `label_selectors`?
        admission_inject_v2.ddtraces[1].image: is not an image reference: a digest is `@sha256:` and 64 hexadecimal digits
        admission_inject_v2.ddtraces[1].php_loader_flavor: unknown value `musl`; expected one of linux-gnu, linux-musl
        admission_inject_v2.otels[0].language: unknown language `php`; expected one of java, python, nodejs
        admission_inject_v2.otels[0].name: is a number, expected a string
        admission_inject_v2.otels[0].image: is required: the image to inject
        admission_inject.logfwd.images.logfwd_image: is not an image reference: `X` in the name; names are lower case, without spaces
        admission_inject.logfwd.image_pull_policy: unknown value `always`; did you mean `Always`?
        admission_inject_v2.logfwds: conflicts with `admission_inject.logfwd`
        admission_inject_v2.logfwds[0].log_configs: is not a JSON array of objects: line 1 column 2
        admission_inject_v2.logfwds[0].log_volume_paths[0]: is not an absolute path
        admission_inject_v2.logfwds[0].log_volume_paths[1]: is a number, expected a string
        admission_inject_v2.flameshots[0].envs.FLAMESHOT_PROFILING_PATH: is required: the directory to share, an absolute path
        admission_inject_v2.flameshots[0].envs.FLAMESHOT_HTTP_LOCAL_PORT: is required: a port from 1 to 65535
        admission_inject_v2.flameshots[1].processes: is required: the processes to profile, as JSON
        admission_inject_v2.flameshots[1].envs.FLAMESHOT_PROFILING_PATH: is required: the directory to share, an absolute path
        admission_inject_v2.flameshots[1].envs.FLAMESHOT_HTTP_LOCAL_PORT: is required: a port from 1 to 65535
        admission_inject_v2.profilers: is an object, expected an array
        admission_mutate.loggings[0].config: is not a JSON array of objects: line 1 column 2
        admission_mutate.loggings[1].config: is required: a JSON array of objects, as a string
    "#]].assert_eq(&faults(&settings.to_string()));
}

#[test]
fn the_module_says_the_same() {
    let settings = r#"{"log_level":"inof","policy":[]}"#;
    let message = Host::shared().validate_settings(settings).unwrap();
    assert_eq!(format!("{message}\n"), faults(settings));
}

#[test]
fn settings_may_be_empty() {
    for settings in ["", " ", "null", "{}", r#"{"policy":null,"admission_inject":{}}"#] {
        assert_eq!(faults(settings), "", "{settings}");
        assert_eq!(Host::shared().validate_settings(settings), None, "{settings}");
    }
}

#[test]
fn says_where_settings_are_not_json() {
    for (settings, expected) in [
        ("{", "is not JSON: line 1 column 1\n"),
        ("[]", "is an array, expected an object\n"),
        ("7", "is a number, expected an object\n"),
        (r#"{"jsonconfig":"{"}"#, "jsonconfig: is not JSON: line 1 column 1\n"),
        (r#"{"jsonconfig":"[]"}"#, "jsonconfig: is an array, expected an object\n"),
        (r#"{"jsonconfig":{}}"#, "jsonconfig: is an object, expected a string\n"),
        (
            r#"{"jsonconfig":"{\"log_level\":\"x\",\"policy\":{},\"jsonconfig\":\"\"}","log_level":"info","policy":{}}"#,
            "log_level: conflicts with `jsonconfig`\n\
             jsonconfig: is nested in `jsonconfig`\n\
             policy: is given both inside and beside `jsonconfig`\n\
             log_level: unknown level `x`\n",
        ),
    ] {
        assert_eq!(faults(settings), expected, "{settings}");
    }
}

#[test]
fn the_same_injection_in_both_generations_is_a_fault() {
    let both = |v1: &str| {
        format!(
            r#"{{"admission_inject":{{"ddtrace":{v1}}},"admission_inject_v2":{{"ddtraces":
               [{{"language":"java","namespace_selectors":["a"],"image":"x:1"}}]}}}}"#
        )
    };
    assert_eq!(
        faults(&both(r#"{"images":{"java_agent_image":"x:1"}}"#)),
        "admission_inject_v2.ddtraces: conflicts with `admission_inject.ddtrace`\n",
    );
    // An empty block is what the Operator's documentation puts there.
    assert_eq!(faults(&both("{}")), "");
}

#[test]
fn rules_that_are_switched_off_may_be_empty() {
    let settings = json!({
        "admission_inject_v2": {
            "ddtraces": [
                { "name": "a", "namespace_selectors": [], "label_selectors": [], "image": "" },
                { "name": "b" },
            ],
            "logfwds": [{ "namespace_selectors": [], "image": "", "log_configs": "" }],
            "flameshots": [{ "namespace_selectors": ["*"], "image": "", "processes": "" }],
        },
        "admission_mutate": { "loggings": [
            { "namespace_selectors": [], "label_selectors": [], "config": "" },
        ]},
    });
    assert_eq!(faults(&settings.to_string()), "");
}

#[test]
fn notes_what_is_valid_but_probably_unintended() {
    let settings = questionable();
    let mut out = String::new();
    for note in settings_tools::notes(&settings.to_string()) {
        writeln!(out, "{note}").unwrap();
    }
    expect![[r#"
        admission_inject_v2.ddtraces[0].label_selectors[0]: can match no label: it contradicts itself
        admission_inject_v2.ddtraces[1].envs.A: is not a known placeholder and is used literally; did you mean `{fieldRef:metadata.name}`?
        admission_inject_v2.ddtraces[1].envs.B: refers to `MISSING`, which the rule does not set
        admission_inject_v2.ddtraces[2]: is never used: admission_inject_v2.ddtraces[1] always comes first
        admission_inject_v2.ddtraces[3]: has no selectors that can match, so the rule is switched off
        admission_inject_v2.logfwds[0].envs.LOGFWD_DATAKIT_OPERATOR_ENDPOINT: makes logfwd ask Datakit Operator for its configuration: the Operator's service has to stay for it
    "#]]
    .assert_eq(&out);
    assert_eq!(faults(&settings.to_string()), "");
    let empty = settings_tools::notes("{}");
    assert_eq!(empty[0].message, "there are no rules: nothing is ever injected");
}
