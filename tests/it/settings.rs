//! Settings: every fault at once, and what is valid.

use std::fmt::Write as _;

use datakit_injection::policy;
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
        admission_inject_v2.ddtraces: conflicts with `admission_inject.ddtrace`
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
        admission_inject_v2.ddtraces[1].namespace_selectors[0]: `(` is not a regular expression: found open group without closing ')'
        admission_inject_v2.ddtraces[1].namespace_selectors[1]: is empty; `*` means every namespace
        admission_inject_v2.ddtraces[1].label_selectors[0]: `[b` is not a glob: a bracket is not closed, or a range runs backwards
        admission_inject_v2.ddtraces[1].label_selectors[1]: is empty; leave the list empty to select by namespace alone
        admission_inject_v2.ddtraces[1].check_annotation: is a number, expected a boolean
        admission_inject_v2.ddtraces[1].language: unknown language `ruby`; expected one of java, python, nodejs, php
        admission_inject_v2.ddtraces[1].labelselectors: unknown key; did you mean `label_selectors`?
        admission_inject_v2.ddtraces[1].image: is not an image reference: a digest is `@sha256:` and 64 hexadecimal digits
        admission_inject_v2.ddtraces[1].php_loader_flavor: unknown value `musl`; expected one of linux-gnu, linux-musl
        admission_inject.ddtrace.enabled_namespaces[3]: is a number, expected an object
        admission_inject_v2.otels[0].language: unknown language `php`; expected one of java, python, nodejs
        admission_inject_v2.otels[0].name: is a number, expected a string
        admission_inject_v2.otels[0].image: is required: the image to inject
        admission_inject.logfwd.images.logfwd_image: is not an image reference: `X` in the name; names are lower case, without spaces
        admission_inject_v2.logfwds: conflicts with `admission_inject.logfwd`
        admission_inject.logfwd.image_pull_policy: unknown value `always`; did you mean `Always`?
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
fn refuses_more_secrets_than_a_record_names() {
    let faults_of = |count: usize| {
        faults(&json!({ "policy": { "image_pull_secrets": vec!["hub"; count] } }).to_string())
    };
    assert_eq!(faults_of(256), "");
    assert_eq!(faults_of(257), "policy.image_pull_secrets: lists more than 256 names\n");
}

/// A rule that is switched off may be empty; what it has is read as anywhere.
#[test]
fn refuses_what_is_wrong_also_in_rules_that_are_switched_off() {
    let rule = |list: &str, more: Value| {
        let mut rule = json!({ "language": "java", "image": "a/b:1" });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "admission_inject_v2": { list: [rule] } })
    };
    let logging = |more: Value| json!({ "admission_mutate": { "loggings": [more] } });
    for (settings, expected) in [
        (
            rule("ddtraces", json!({ "namespace_selectors": "^prod" })),
            "admission_inject_v2.ddtraces[0].namespace_selectors: is a string, expected an array",
        ),
        (
            rule("otels", json!({ "label_selectors": { "app": "web" } })),
            "admission_inject_v2.otels[0].label_selectors: is an object, expected an array",
        ),
        (
            rule("profilers", json!({ "check_annotation": "yes" })),
            "admission_inject_v2.profilers[0].check_annotation: is a string, expected a boolean",
        ),
        (
            rule("logfwds", json!({ "check_annotation": 1, "language": [] })),
            "admission_inject_v2.logfwds[0].check_annotation: is a number, expected a boolean\n\
             admission_inject_v2.logfwds[0].language: is an array, expected a string",
        ),
        (
            rule("ddtraces", json!({ "language": "jaav" })),
            "admission_inject_v2.ddtraces[0].language: unknown language `jaav`; did you mean `java`?",
        ),
        (
            rule("ddtraces", json!({ "language": 7, "image": "" })),
            "admission_inject_v2.ddtraces[0].language: is a number, expected a string",
        ),
        (
            rule("flameshots", json!({ "namespace_selectors": 7, "processes": "" })),
            "admission_inject_v2.flameshots[0].namespace_selectors: is a number, expected an array",
        ),
        (
            rule(
                "flameshots",
                json!({ "processes": "", "envs": { "FLAMESHOT_HTTP_LOCAL_PORT": "x" } }),
            ),
            "admission_inject_v2.flameshots[0].envs.FLAMESHOT_HTTP_LOCAL_PORT: is required: a port from 1 to 65535",
        ),
        (
            rule("logfwds", json!({ "log_configs": "[7]" })),
            "admission_inject_v2.logfwds[0].log_configs: is not a JSON array of objects: line 1 column 2",
        ),
        (
            logging(json!({ "label_selectors": "app", "config": "" })),
            "admission_mutate.loggings[0].label_selectors: is a string, expected an array\n\
             admission_mutate.loggings[0].config: is required: a JSON array of objects, as a string",
        ),
        (
            json!({ "admission_inject": { "ddtrace": { "imagess": { "java_agent_image": "a/b:1" } } } }),
            "admission_inject.ddtrace.imagess: unknown key; did you mean `images`?",
        ),
        (
            json!({ "admission_inject": { "logfwd": { "images": {}, "images_x": {} } } }),
            "admission_inject.logfwd.images_x: unknown key; did you mean `images`?",
        ),
        (
            json!({ "admission_inject": { "ddtrace": {
                "enabled_namespaces": [{ "namespace": "a", "language": "jaav" }, { "namespace": "b" }],
            } }, "policy": { "operator_release": "1.8" } }),
            "admission_inject.ddtrace.enabled_namespaces[0].language: unknown language `jaav`; did you mean `java`?",
        ),
        (
            json!({ "policy": { "security_context": { "capabilities": { "drop": "ALL", "ad": [] } } } }),
            "policy.security_context.capabilities.ad: unknown key; did you mean `add`?\n\
             policy.security_context.capabilities.drop: is a string, expected an array",
        ),
        (
            json!({ "policy": { "security_context": {
                "privileged": true, "allowPrivilegeEscalation": false, "procMount": "Unmasked",
                "runAsUser": 3_000_000_000_u32, "runAsGroup": 1.5,
                "seccompProfile": { "type": "Localhost" }, "appArmorProfile": { "type": "Bad" },
                "seLinuxOptions": { "level": 5 }, "windowsOptions": { "hostProcess": true },
            } } }),
            "policy.security_context.runAsUser: is larger than 2147483647\n\
             policy.security_context.runAsGroup: is not a whole number\n\
             policy.security_context.appArmorProfile.type: unknown value `Bad`; expected one of RuntimeDefault, Unconfined, Localhost\n\
             policy.security_context.seccompProfile.localhostProfile: is required\n\
             policy.security_context.seLinuxOptions.level: is a number, expected a string\n\
             policy.security_context.windowsOptions.hostProcess: unknown key\n\
             policy.security_context.procMount: must be `Default` in pods that share the host's users\n\
             policy.security_context.allowPrivilegeEscalation: conflicts with `privileged`",
        ),
        (
            json!({ "policy": { "security_context": {
                "allowPrivilegeEscalation": false, "capabilities": { "add": ["CAP_SYS_ADMIN"] },
                "runAsNonRoot": true, "runAsUser": 0, "seccompProfile": { "localhostProfile": "p" },
                "appArmorProfile": { "type": "Unconfined", "localhostProfile": "p" },
            } } }),
            "policy.security_context.appArmorProfile.localhostProfile: is for the type `Localhost` alone\n\
             policy.security_context.seccompProfile.type: is required\n\
             policy.security_context.allowPrivilegeEscalation: conflicts with `CAP_SYS_ADMIN`\n\
             policy.security_context.runAsNonRoot: conflicts with `runAsUser`",
        ),
        (
            json!({ "policy": { "operator_release": "1.7" } }),
            "policy.operator_release: unknown value `1.7`; expected one of 1.5, 1.5.13, 1.8, 1.9",
        ),
    ] {
        assert_eq!(faults(&settings.to_string()), format!("{expected}\n"), "{settings}");
    }
}

/// What is given wins over what the configuration looks like.
#[test]
fn reads_for_the_release_that_is_given() {
    let of_1_5_13 = json!({ "logfwd": { "enabled_namespaces": [{ "namespace": "^def" }],
                                        "images": { "logfwd_image": "h/l:1" } } });
    let v2 = json!({ "ddtraces": [{ "namespace_selectors": ["*"], "language": "java", "image": "a/b:1" }] });
    let sentence = |settings: &Value| datakit_injection::settings::release(&settings.to_string());
    for (given, of_blocks, of_v2) in [
        (None, "1.5.13 to 1.6.1", "1.8"),
        (Some(""), "1.5.13 to 1.6.1", "1.8"),
        (Some("1.5"), "1.5", "1.5"),
        (Some("1.5.13"), "1.5.13 to 1.6.1", "1.5.13 to 1.6.1"),
        (Some("1.8"), "1.8", "1.8"),
        (Some("1.9"), "1.8", "1.8"),
    ] {
        let policy = json!({ "operator_release": given });
        for (key, rules, expected) in
            [("admission_inject", &of_1_5_13, of_blocks), ("admission_inject_v2", &v2, of_v2)]
        {
            let settings = json!({ key: rules, "policy": policy });
            assert_eq!(faults(&settings.to_string()), "");
            let sentence = sentence(&settings).unwrap();
            let is_given = sentence.ends_with(": policy.operator_release says so");
            assert!(sentence.starts_with(&format!("read as release {expected}: ")), "{sentence}");
            assert_eq!(is_given, given.is_some_and(|given| !given.is_empty()), "{sentence}");
        }
        // Only releases from 1.5.13 to 1.6.1 select there.
        let settings = json!({ "admission_inject": of_1_5_13, "policy": policy });
        let mut object = crate::objects::pod();
        object["metadata"]["namespace"] = json!("default");
        let request = testing::requests::request("CREATE", &object, None);
        let payload = testing::requests::payload(&request, &settings.to_string());
        let is_injected = !policy::evaluate(payload.as_bytes()).report.injected.is_empty();
        assert_eq!(is_injected, of_blocks == "1.5.13 to 1.6.1", "{given:?}");
    }
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
        admission_inject_v2.ddtraces[0].envs: does not set `DD_AGENT_HOST`: the library sends to localhost where a container does not set it; set it, such as to `datakit-service.datakit.svc`
        admission_inject_v2.ddtraces[1].envs.A: is not a known placeholder and is used literally; did you mean `{fieldRef:metadata.name}`?
        admission_inject_v2.ddtraces[1].envs.B: refers to `MISSING`, which the rule does not set
        admission_inject_v2.ddtraces[1].envs: does not set `DD_AGENT_HOST`: the library sends to localhost where a container does not set it; set it, such as to `datakit-service.datakit.svc`
        admission_inject_v2.ddtraces[2].envs: does not set `DD_AGENT_HOST`: the library sends to localhost where a container does not set it; set it, such as to `datakit-service.datakit.svc`
        admission_inject_v2.ddtraces[2]: is never used: admission_inject_v2.ddtraces[1] always comes first
        admission_inject_v2.ddtraces[3]: has no selectors that can match, so the rule is switched off
        admission_inject_v2.logfwds[0].envs.LOGFWD_DATAKIT_OPERATOR_ENDPOINT: makes logfwd ask Datakit Operator for its configuration: the Operator's service has to stay for it
        admission_inject_v2.logfwds[0].envs: does not set `LOGFWD_DATAKIT_HOST` and `LOGFWD_DATAKIT_PORT`: logfwd has nowhere to send to; set it, or require the annotation, whose `datakit_addr` is used instead
    "#]]
    .assert_eq(&out);
    assert_eq!(faults(&settings.to_string()), "");
    let empty = settings_tools::notes("{}");
    assert_eq!(empty[0].message, "there are no rules: nothing is ever injected");
}

fn notes(settings: &Value) -> String {
    assert_eq!(faults(&settings.to_string()), "", "{settings}");
    let notes = settings_tools::notes(&settings.to_string());
    notes.iter().map(|note| format!("{note}\n")).collect()
}

/// Each row: a list of rules as namespaces, labels and language; then how much of the last rule's pods the
/// note says that the first one takes.
#[test]
fn notes_a_rule_whose_pods_get_another_language() {
    let (all, some) = (Some(" its pods"), Some(" some of its pods"));
    type Rule<'r> = (&'r [&'r str], &'r [&'r str], &'r str);
    let rows: &[(&[Rule], Option<&str>)] = &[
        (&[(&["*"], &[], "java"), (&["*"], &[], "python")], all),
        (&[(&["*"], &[], "java"), (&[], &["app=py"], "python")], all),
        (&[(&["^prod"], &[], "java"), (&["^prod-web$"], &["lang=python"], "python")], all),
        (&[(&["prod"], &[], "java"), (&["^prod", "prod$"], &[], "python")], all),
        (&[(&["^(a|b)$"], &[], "java"), (&["^a$"], &[], "python")], all),
        (&[(&[".*"], &[], "java"), (&["^a.c"], &[], "nodejs")], all),
        (&[(&[], &["app"], "java"), (&[], &["app in (a,b),tier=x"], "python")], all),
        (&[(&[], &["app=a*", "x"], "java"), (&[], &["app in (ab,ac)"], "python")], all),
        (&[(&[], &["app!=a"], "java"), (&[], &["app=b"], "python")], all),
        (&[(&[], &["!legacy"], "java"), (&[], &["!legacy,app"], "python")], all),
        // Only a part, which the rule's labels or namespaces name.
        (&[(&["^prod"], &[], "java"), (&[], &["lang=python"], "python")], some),
        (&[(&["^prod"], &[], "java"), (&["*"], &["runtime in (node, nodejs)"], "nodejs")], some),
        (&[(&[], &["tier=back"], "java"), (&["^python-"], &[], "python")], some),
        // Nothing that is sure.
        (&[(&["^prod"], &[], "java"), (&[], &["app=py"], "python")], None),
        (&[(&["^prod"], &[], "java"), (&["^test"], &["lang=python"], "python")], None),
        (&[(&["^prod$"], &[], "java"), (&["^prod"], &[], "python")], None),
        (&[(&[], &["lang=java"], "java"), (&[], &["lang=python"], "python")], None),
        (&[(&["*"], &["lang!=python"], "java"), (&["*"], &["lang=python"], "python")], None),
        (&[(&["^a$"], &[], "java"), (&["^b$"], &[], "python")], None),
        (&[(&["^ab$"], &[], "java"), (&["b"], &[], "python")], None),
        (&[(&["*"], &[], "java"), (&["^a$"], &[], "java")], None),
        (&[(&[], &[], "java"), (&["^a$"], &[], "python")], None),
        (&[(&["*"], &[], "annotated java"), (&["^a$"], &[], "python")], None),
        (&[(&["*"], &[], "java"), (&["^a$"], &[], "annotated python")], all),
    ];
    for (rules, expected) in rows {
        for list in ["ddtraces", "profilers"] {
            let rules: Vec<Value> = rules
                .iter()
                .map(|(namespaces, labels, language)| {
                    let is_annotated = language.starts_with("annotated");
                    let language = language.trim_start_matches("annotated ");
                    let language = if list == "profilers" { language.replace("nodejs", "golang") } else { language.to_owned() };
                    json!({ "namespace_selectors": namespaces, "label_selectors": labels,
                            "language": language, "check_annotation": is_annotated, "image": "a/b:1",
                            "envs": { "DD_AGENT_HOST": "h", "DK_AGENT_HOST": "h" } })
                })
                .collect();
            if list == "profilers" && rules.iter().any(|rule| rule["language"] == "golang") {
                continue;
            }
            let settings = json!({ "admission_inject_v2": { list: rules } });
            let notes = notes(&settings);
            let place = format!("admission_inject_v2.{list}[1]: is for ");
            let found = notes.lines().find(|note| note.starts_with(&place));
            let is_expected = |note: &str| {
                let first = format!("but admission_inject_v2.{list}[0] comes first");
                note.contains(&first)
                    && expected.is_some_and(|pods| note.contains(&format!("into{pods};")))
            };
            assert_eq!(found.is_some(), expected.is_some(), "{settings}: {notes}");
            assert!(found.is_none_or(is_expected), "{settings}: {notes}");
        }
    }
    // Entries of a block come one after another as well.
    let entry =
        |namespace: &str, language: &str| json!({ "namespace": namespace, "language": language });
    let block = |entries: Value| {
        json!({ "admission_inject": { "ddtrace": { "enabled_namespaces": entries,
            "images": { "java_agent_image": "a/b:1" }, "envs": { "DD_AGENT_HOST": "h" } } } })
    };
    assert_eq!(
        notes(&block(json!([entry("a", "java"), entry("a", "python")]))),
        "admission_inject.ddtrace.enabled_namespaces[1]: is for python, but \
         admission_inject.ddtrace.enabled_namespaces[0] comes first and injects java into its pods; \
         tell the two apart by labels\n"
    );
    assert_eq!(notes(&block(json!([entry("a", "java"), entry("b", "python")]))), "");
}

#[test]
fn notes_rules_without_the_address_of_their_agent() {
    let v2 = |list: &str, more: Value| {
        let mut rule =
            json!({ "namespace_selectors": ["*"], "language": "java", "image": "a/b:1" });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "admission_inject_v2": { list: [rule] } })
    };
    let block = |name: &str, image: &str, more: Value| {
        let mut block = json!({ "images": { image: "a/b:1" } });
        block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "admission_inject": { name: block } })
    };
    let entries = json!([{ "labelselector": "app", "language": "java" }]);
    for (settings, missing) in [
        (v2("ddtraces", json!({})), "`DD_AGENT_HOST`"),
        (v2("ddtraces", json!({ "envs": { "DD_AGENT_HOST": " " } })), "`DD_AGENT_HOST`"),
        (v2("ddtraces", json!({ "envs": { "DD_AGENT_HOST": null } })), "`DD_AGENT_HOST`"),
        (v2("ddtraces", json!({ "check_annotation": true })), "`DD_AGENT_HOST`"),
        (v2("ddtraces", json!({ "envs": { "DD_AGENT_HOST": "h" } })), ""),
        (v2("ddtraces", json!({ "envs": { "DD_AGENT_HOST": "{fieldRef:status.hostIP}" } })), ""),
        (v2("ddtraces", json!({ "envs": { "DD_AGENT_HOST": "{secretKeyRef:a.b}" } })), ""),
        (v2("ddtraces", json!({ "envs": { "DD_TRACE_AGENT_URL": "http://h:9529" } })), ""),
        (v2("ddtraces", json!({ "namespace_selectors": [] , "image": ""})), ""),
        (v2("profilers", json!({ "envs": { "DK_AGENT_PORT": 9529 } })), "`DK_AGENT_HOST`"),
        (v2("profilers", json!({ "envs": { "DK_AGENT_HOST": "h" } })), ""),
        (v2("logfwds", json!({})), "`LOGFWD_DATAKIT_HOST` and `LOGFWD_DATAKIT_PORT`"),
        (
            v2("logfwds", json!({ "envs": { "LOGFWD_DATAKIT_HOST": "{fieldRef:status.hostIP}" } })),
            "`LOGFWD_DATAKIT_PORT`",
        ),
        (
            v2(
                "logfwds",
                json!({ "envs": { "LOGFWD_DATAKIT_HOST": "h", "LOGFWD_DATAKIT_PORT": 9533 } }),
            ),
            "",
        ),
        (v2("logfwds", json!({ "check_annotation": true })), ""),
        (v2("otels", json!({})), ""),
        (block("ddtrace", "java_agent_image", json!({})), "`DD_AGENT_HOST`"),
        (block("ddtrace", "java_agent_image", json!({ "envs": { "DD_AGENT_HOST": "h" } })), ""),
        (
            json!({ "admission_inject": { "ddtrace": { "enabled_namespaces": [], "envs": {} } } }),
            "",
        ),
        (block("profiler", "golang_profiler_image", json!({})), "`DK_AGENT_HOST`"),
        (block("logfwd", "logfwd_image", json!({})), ""),
        (
            block("logfwd", "logfwd_image", json!({ "enabled_labelselectors": entries })),
            "`LOGFWD_DATAKIT_HOST` and `LOGFWD_DATAKIT_PORT`",
        ),
    ] {
        let notes = notes(&settings);
        let noted: Vec<&str> =
            notes.lines().filter(|note| note.contains(".envs: does not set")).collect();
        match missing {
            "" => assert_eq!(noted, [""; 0], "{settings}"),
            missing => {
                assert_eq!(noted.len(), 1, "{settings}: {notes}");
                assert!(
                    noted[0].contains(&format!("does not set {missing}: ")),
                    "{settings}: {notes}"
                );
            }
        }
    }
}

#[test]
fn notes_namespaces_that_look_like_something_else() {
    let rule = |namespace: &str| {
        json!({ "admission_inject_v2": { "otels": [{ "namespace_selectors": [namespace],
            "language": "java", "image": "a/b:1" }] } })
    };
    let finds = |found: &str, meant: &str| {
        format!("is a regular expression that finds `{found}` anywhere; did you mean `{meant}`?")
    };
    let repeats = |meant: &str| {
        format!(
            "is a regular expression, where `*` repeats the character before it; did you mean `{meant}`?"
        )
    };
    let capitals = "matches nothing: names of namespaces are lower case".to_owned();
    for (namespace, expected) in [
        ("prod*", Some(finds("pro", "^prod"))),
        ("prod-*", Some(finds("prod", "^prod-"))),
        ("^prod*", Some(repeats("^prod"))),
        ("^prod*$", Some(repeats("^prod"))),
        ("a*-b", Some(repeats("^a.*-b$"))),
        ("p*", Some(repeats("^p"))),
        ("Prod", Some(capitals.clone())),
        ("^Prod$", Some(capitals)),
        ("*", None),
        ("prod", None),
        ("^prod", None),
        ("^prod-.*$", None),
        ("prod-[0-9]*", None),
        ("^(prod|test)$", None),
        (".*", None),
    ] {
        let path = "admission_inject_v2.otels[0].namespace_selectors[0]";
        let expected = expected.map(|note| format!("{path}: {note}\n")).unwrap_or_default();
        assert_eq!(notes(&rule(namespace)), expected, "{namespace}");
    }
    let logging = |release: &str| {
        json!({ "admission_mutate": { "loggings": [{ "namespace_selectors": ["^prod"],
            "label_selectors": ["app"], "config": "[]" }] }, "policy": { "operator_release": release } })
    };
    let not_a_name = "admission_mutate.loggings[0].namespace_selectors[0]: is no namespace's name, and \
                      up to release 1.5.12 only names match\n";
    assert_eq!(notes(&logging("1.5")), not_a_name);
    assert_eq!(notes(&logging("1.8")), "");
    let block = json!({ "admission_inject": { "logfwd": {
        "enabled_namespaces": [{ "namespace": "prod*" }], "images": { "logfwd_image": "a/b:1" },
        "envs": { "LOGFWD_DATAKIT_HOST": "h", "LOGFWD_DATAKIT_PORT": "1" } } } });
    let path = "admission_inject.logfwd.enabled_namespaces[0]";
    assert_eq!(notes(&block), format!("{path}: {}\n", finds("pro", "^prod")));
    let mut of_1_5 = block;
    of_1_5["policy"] = json!({ "operator_release": "1.5" });
    assert_eq!(
        notes(&of_1_5),
        "admission_inject.logfwd.enabled_namespaces: has no effect up to release 1.5.12; for later \
         ones, set `policy.operator_release` to 1.5.13\n"
    );
}

/// What is noted on the recorded configurations is so: the variable is not there, and the rule gets
/// none of the recorded pods that it would get alone.
#[test]
fn notes_no_mistakes_in_recorded_configurations_that_are_none() {
    let is_default = |path: &str| {
        let text = crate::documents::read(path);
        settings_tools::notes(&text).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(is_default("examples/settings.json"), [""; 0]);
    assert!(
        is_default("examples/settings-v2.json").iter().all(|note| note.contains("switched off"))
    );
    let cases: Vec<_> = testing::cases::all_recorded()
        .filter(|it| !testing::cases::FAULTY.contains(&&*it.id))
        .collect();
    let (mut addresses, mut languages) = (0, 0);
    for case in &cases {
        let settings: Value = serde_json::from_str(case.settings.get()).unwrap();
        for note in settings_tools::notes(case.settings.get()) {
            let at = |path: &str| {
                let pointer = path.replace(['.', '['], "/").replace(']', "");
                settings.pointer(&format!("/{pointer}")).cloned()
            };
            if let Some(missing) = note.message.strip_prefix("does not set `") {
                let (name, _) = missing.split_once('`').unwrap();
                let envs = at(&note.path).unwrap_or_default();
                assert!(envs.get(name).is_none(), "{}: {note}", case.id);
                addresses += 1;
            } else if let Some((_, first)) = note.message.split_once(", but ") {
                let (first, _) = first.split_once(' ').unwrap();
                let (first, own) = (at(first).unwrap(), at(&note.path).unwrap());
                for other in &cases {
                    let takes = |rule: &Value| {
                        let list = note.path.split(['.', '[']).nth(1).unwrap();
                        let mut rule = rule.clone();
                        rule["check_annotation"] = json!(false);
                        let settings =
                            json!({ "admission_inject_v2": { list: [rule] } }).to_string();
                        let payload = testing::requests::payload(&other.request("Pod"), &settings);
                        let (_, explanation) = policy::explain(payload.as_bytes());
                        explanation.steps.iter().any(|step| step.reason.code() == "selects")
                    };
                    assert!(!takes(&own) || takes(&first), "{}: {note}", case.id);
                }
                languages += 1;
            } else {
                let known = [
                    "switched off",
                    "never used",
                    "known placeholder",
                    "there are no rules",
                    "which the rule does not set",
                ];
                assert!(
                    known.iter().any(|known| note.message.contains(known)),
                    "{}: {note}",
                    case.id
                );
            }
        }
    }
    println!("{addresses} without an address, {languages} of another language");
    assert!(addresses > 0);
}
