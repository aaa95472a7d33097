//! What must always hold, for every object and all settings.

use std::cell::Cell;
use std::collections::BTreeSet;

use datakit_injection::json::{Object, Shape, Value};
use datakit_injection::policy::{self, Answer};
use datakit_injection::trace::Explanation;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};

use crate::host::Host;

/// Stands in every value that a message must not show.
const SECRET: &str = "s3cr3t";

/// JSON that a tree of values would not give back as it is.
const ODD: &[&str] = &[
    "1e21",
    "-0.0",
    "1.0",
    "123456789012345678901234567890",
    r#""\ud800""#,
    r#""\u0041\/\n""#,
    "[[[{}]]]",
    r#"{"b":1,"a":[1.50,null]}"#,
    "null",
    "true",
];

fn odd() -> impl Strategy<Value = String> {
    (select(&["zz", "future", "x\\u0079"][..]), select(ODD))
        .prop_map(|(k, v)| format!(r#""{k}":{v}"#))
}

fn env() -> impl Strategy<Value = String> {
    let names = &[
        "JAVA_TOOL_OPTIONS",
        "PYTHONPATH",
        "NODE_OPTIONS",
        "PHP_INI_SCAN_DIR",
        "DD_TAGS",
        "DD_AGENT_HOST",
        "POD_NAME",
        "HOME",
    ][..];
    let value = prop_oneof![
        4 => Just(format!(r#""value":"{SECRET}""#)),
        1 => Just(r#""value":"a:b,c:$(DD_TAGS)""#.to_owned()),
        1 => Just(r#""value":"-javaagent:/datadog-lib/dd-java-agent.jar""#.to_owned()),
        1 => Just(r#""value":"""#.to_owned()),
        1 => Just(r#""value":"\ud800""#.to_owned()),
        1 => Just(r#""valueFrom":{"secretKeyRef":{"name":"a","key":"b"}}"#.to_owned()),
        1 => Just(r#""valueFrom":null"#.to_owned()),
    ];
    subsequence(names, 0..=4)
        .prop_shuffle()
        .prop_flat_map(move |names| {
            let one = |name: &'static str| {
                (value.clone(), odd())
                    .prop_map(move |(v, odd)| format!(r#"{{"name":"{name}",{v},{odd}}}"#))
            };
            names.into_iter().map(one).collect::<Vec<_>>()
        })
        .prop_map(|list| format!("[{}]", list.join(",")))
}

const VOLUMES: &[(&str, &str)] = &[
    ("data", r#""emptyDir":{}"#),
    ("logs", r#""emptyDir":{"medium":"Memory"}"#),
    ("conf", r#""configMap":{"name":"x"}"#),
    ("tmp", r#""configMap":{"name":"x"}"#),
    ("timezone", r#""hostPath":{"path":"/etc/localtime"}"#),
    ("datakit-logfwd-volume-0", r#""secret":{"secretName":"x"}"#),
    ("datakit-auto-instrument", r#""configMap":{"name":"x"}"#),
    ("flameshot-volume", r#""emptyDir":{}"#),
];

const PATHS: &[&str] = &[
    "/var/log/app",
    "/var/log/app/",
    "/data/logs",
    "/tmp",
    "/etc/localtime",
    "/datadog-lib",
    "/flame",
];

fn container(name: String, volumes: Vec<&'static str>) -> impl Strategy<Value = String> {
    let mounts = subsequence(PATHS, 0..=2).prop_flat_map(move |paths| {
        let volumes = volumes.clone();
        let paths = if volumes.is_empty() { Vec::new() } else { paths };
        let one = move |path: &'static str| {
            (select(volumes.clone()), any::<bool>()).prop_map(move |(volume, part)| {
                let part = if part { r#","subPath":"p""# } else { "" };
                format!(r#"{{"mountPath":"{path}","name":"{volume}"{part}}}"#)
            })
        };
        paths.into_iter().map(one).collect::<Vec<_>>()
    });
    let extra = select(
        &[
            "",
            r#","envFrom":[{"secretRef":{"name":"x"}}]"#,
            r#","resources":{"limits":{"cpu":"1"}}"#,
            r#","securityContext":{"runAsNonRoot":true}"#,
        ][..],
    );
    (env(), mounts, extra, odd()).prop_map(move |(env, mounts, extra, odd)| {
        let mounts = mounts.join(",");
        format!(r#"{{"name":"{name}","env":{env},"volumeMounts":[{mounts}],{odd}{extra}}}"#)
    })
}

fn annotations() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let logfwd =
        r#"[{"loggings":[{"logfiles":["/var/log/app/*.log","/data/logs/x.log","rel/*"]}]}]"#;
    let all = vec![
        ("admission.datakit/java-lib.version", String::new()),
        ("admission.datakit/python-lib.version", "v1".to_owned()),
        ("admission.datakit/nodejs-lib.version", format!("{SECRET} is no tag")),
        ("admission.datakit/otel-java-lib.version", String::new()),
        ("admission.datakit/java-profiler.version", "0.4".to_owned()),
        ("admission.datakit/logfwd.instances", logfwd.to_owned()),
        ("admission.datakit/container-names", "c0, zz".to_owned()),
        ("admission.datakit/logfwd.enabled", "false".to_owned()),
        ("admission.datakit/ddtrace.enabled", "F".to_owned()),
        ("datakit/logs", SECRET.to_owned()),
        ("prometheus.io/scrape", "true".to_owned()),
        ("other", SECRET.to_owned()),
    ];
    let len = all.len();
    // A stranger may write a secret into any of them.
    (subsequence(all, 0..=len / 2), any::<u16>()).prop_map(|(mut chosen, secret)| {
        for (index, (_, value)) in chosen.iter_mut().enumerate() {
            if secret & (1 << index) != 0 {
                *value = SECRET.to_owned();
            }
        }
        chosen
    })
}

/// A pod template, and whether it is of a kind that ends.
pub fn template() -> impl Strategy<Value = String> {
    let volumes = subsequence(VOLUMES, 0..=4);
    let labels = subsequence(&[("app", "web"), ("tier", "back"), ("env", "prod")][..], 0..=3);
    let rest = subsequence(
        vec![
            r#""restartPolicy":"Never""#,
            r#""shareProcessNamespace":false"#,
            r#""hostPID":true"#,
            r#""imagePullSecrets":[{"name":"hub"}]"#,
            r#""securityContext":{"runAsNonRoot":true,"runAsUser":7}"#,
            r#""os":{"name":"windows"}"#,
        ],
        0..=2,
    );
    (volumes, labels, annotations(), rest, 1_usize..4, any::<bool>(), odd(), odd()).prop_flat_map(
        |(volumes, labels, annotations, rest, count, init, odd, other)| {
            let names: Vec<&str> = volumes.iter().map(|(name, _)| *name).collect();
            let containers: Vec<_> =
                (0..count).map(|index| container(format!("c{index}"), names.clone())).collect();
            let inits: Vec<_> =
                init.then(|| container("first".to_owned(), names)).into_iter().collect();
            (containers, inits).prop_map(move |(containers, inits)| {
                let pairs = |list: Vec<(String, String)>| {
                    let pairs = list.iter().map(|(k, v)| {
                        format!("{}:{}", serde_json::json!(k), serde_json::json!(v))
                    });
                    pairs.collect::<Vec<_>>().join(",")
                };
                let labels =
                    labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
                let annotations =
                    annotations.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
                let volumes = volumes.iter().map(|(name, source)| {
                    format!(r#"{{"name":"{name}",{source}}}"#)
                });
                let volumes = volumes.collect::<Vec<_>>().join(",");
                let mut spec = vec![
                    format!(r#""containers":[{}]"#, containers.join(",")),
                    format!(r#""volumes":[{volumes}]"#),
                    odd.clone(),
                ];
                if !inits.is_empty() {
                    spec.push(format!(r#""initContainers":[{}]"#, inits.join(",")));
                }
                spec.extend(rest.iter().map(|&text| text.to_owned()));
                format!(
                    r#"{{"metadata":{{"labels":{{{}}},"annotations":{{{}}},{other}}},"spec":{{{}}}}}"#,
                    pairs(labels),
                    pairs(annotations),
                    spec.join(",")
                )
            })
        },
    )
}

/// A kind, the part of the object around the template, and its group and version.
pub const KINDS: &[(&str, &str, &str)] = &[
    ("Deployment", "apps", r#"{"kind":"Deployment","spec":{"template":TEMPLATE,"replicas":1e0}}"#),
    ("StatefulSet", "apps", r#"{"spec":{"x":1.0,"template":TEMPLATE}}"#),
    ("DaemonSet", "apps", r#"{"spec":{"template":TEMPLATE}}"#),
    ("Job", "batch", r#"{"spec":{"template":TEMPLATE}}"#),
    ("CronJob", "batch", r#"{"spec":{"jobTemplate":{"spec":{"template":TEMPLATE}}}}"#),
    ("Pod", "", "TEMPLATE"),
];

pub fn settings() -> impl Strategy<Value = String> {
    let selectors = select(
        &[
            r#""namespace_selectors":["*"]"#,
            r#""namespace_selectors":["^prod$"]"#,
            r#""label_selectors":["app=w*"]"#,
            r#""namespace_selectors":["def"],"label_selectors":["tier in (back)"]"#,
            r#""namespace_selectors":["("]"#,
            r#""name":"off""#,
        ][..],
    );
    let language = select(&["java", "python", "nodejs", "php", "golang", "cobol"][..]);
    let envs = select(
        &[
            r#"{"DD_TAGS":"pod:$(POD_NAME),a:z","POD_NAME":"{fieldRef:metadata.name}"}"#,
            r#"{"DD_AGENT_HOST":"s3cr3t","CPU":"{resourceFieldRef:limits.cpu}","K":1,
               "FLAMESHOT_PROFILING_PATH":"/flame","FLAMESHOT_HTTP_LOCAL_PORT":8089}"#,
            r#"{"JAVA_TOOL_OPTIONS":"x","LOGFWD_JSON_CONFIG":"x","FLAMESHOT_PROCESSES":"x"}"#,
            r#"{"A":"$(B)","B":"$(A)"}"#,
            "{}",
        ][..],
    );
    let rule =
        (selectors, language, envs, any::<bool>(), select(&["hub/x:1", "hub/x@sha256:00"][..]));
    let rule = rule.prop_map(|(selectors, language, envs, check, image)| {
        (format!(r#"{selectors},"image":"{image}","envs":{envs}"#), language, check)
    });
    let list = |name: &'static str, has_language: bool, extra: &'static str| {
        vec(rule.clone(), 0..3).prop_map(move |rules| {
            let rules = rules.into_iter().map(|(rule, language, check)| {
                let language = if has_language {
                    format!(r#","language":"{language}""#)
                } else {
                    String::new()
                };
                let check = if name == "flameshots" {
                    String::new()
                } else {
                    format!(r#","check_annotation":{check}"#)
                };
                format!("{{{rule}{language}{check}{extra}}}")
            });
            format!(r#""{name}":[{}]"#, rules.collect::<Vec<_>>().join(","))
        })
    };
    let v2 = (
        list("ddtraces", true, ""),
        list("otels", true, ""),
        list(
            "logfwds",
            false,
            r#","log_configs":"[{\"path\":\"/data/logs/*\"}]","log_volume_paths":["/var/log/app"]"#,
        ),
        list("flameshots", false, r#","processes":"[]","enable_prometheus_annotations":true"#),
        list("profilers", true, ""),
    );
    let v2 =
        v2.prop_map(|(a, b, c, d, e)| format!(r#""admission_inject_v2":{{{a},{b},{c},{d},{e}}}"#));
    let v1 = Just(
        r#""admission_inject":{"ddtrace":{"enabled_labelselectors":[{"labelselector":"app","language":"php"}],
           "images":{"java_agent_image":"h/j:1","js_agent_image":"h/n:1","php_agent_image":"h/p:1"},
           "envs":{"DD_TAGS":"a:$(POD_NAME)","POD_NAME":"{fieldRef:metadata.name}"}},
           "logfwd":{"images":{"logfwd_image":"h/l:1"}},
           "profiler":{"images":{"java_profiler_image":"h/a:1"}}}"#
            .to_owned(),
    );
    let mutate = r#""admission_mutate":{"loggings":[{"label_selectors":["tier"],
        "config":"[{\"type\":\"file\",\"path\":\"/data/logs/*.log\"},{\"type\":\"file\",\"path\":\"/new/*\"}]"}]}"#;
    let options = select(
        &[
            "{}",
            r#"{"sidecar_mode":"native","empty_dir_size_limit":"1Gi"}"#,
            r#"{"sidecar_mode":"container","image_pull_secrets":["hub","more"]}"#,
            r#"{"security_context":{"runAsUser":1000},"allow_version_annotations":false}"#,
            r#"{"safe_to_evict":true,"qos_class":"preserve","status_annotation":true}"#,
        ][..],
    );
    (prop_oneof![2 => v2, 1 => v1], options)
        .prop_map(move |(inject, options)| format!(r#"{{{inject},{mutate},"policy":{options}}}"#))
}

/// An object of a kind around a pod template.
pub fn wrapped(kind: usize, template: &str) -> String {
    KINDS[kind].2.replace("TEMPLATE", template)
}

fn payload(
    kind: usize,
    operation: &str,
    template: &str,
    old: Option<&str>,
    settings: &str,
) -> String {
    let old = old.map(|old| wrapped(kind, old));
    payload_of(kind, operation, &wrapped(kind, template), old.as_deref(), settings)
}

/// The payload for whole objects.
pub fn payload_of(
    kind: usize,
    operation: &str,
    object: &str,
    old: Option<&str>,
    settings: &str,
) -> String {
    let (name, group, _) = KINDS[kind];
    let old = old.map(|old| format!(r#","oldObject":{old}"#));
    format!(
        r#"{{"request":{{"kind":{{"group":"{group}","kind":"{name}","version":"v1"}},"name":"web",
           "namespace":"default","object":{object},"operation":"{operation}"{}}},"settings":{settings}}}"#,
        old.unwrap_or_default(),
    )
}

static OBJECT: Shape = Shape::Object(&[]);
static ARRAY: Shape = Shape::Array(&Shape::Text);

fn open(text: &str) -> Value<'_> {
    Value::open(text, if text.starts_with('[') { &ARRAY } else { &OBJECT }).unwrap()
}

fn text_of<'a>(value: &Value<'a>) -> &'a str {
    value.as_text().unwrap()
}

fn get<'a>(object: &Value<'a>, key: &str) -> Option<&'a str> {
    object.as_object().and_then(|object: &Object<'a>| object.get(key)).map(text_of)
}

/// Where the pod template of an answer is.
fn template_of(kind: usize, object: &str) -> &str {
    let path = match KINDS[kind].0 {
        "Pod" => &[][..],
        "CronJob" => &["spec", "jobTemplate", "spec", "template"],
        _ => &["spec", "template"],
    };
    path.iter().fold(object, |text, key| get(&open(text), key).unwrap())
}

/// Checks that all of one JSON is in another: members by key, elements in order from the front,
/// anything else byte for byte; but for what the specification lets injections change.
fn check_preserved(before: &str, after: &str, path: &str) {
    let changeable = ["/spec/restartPolicy", "/spec/shareProcessNamespace"];
    if before == after || changeable.contains(&path) {
        return;
    }
    match (open(before), open(after)) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before.iter() {
                let name = key.name().unwrap_or_default();
                let after = after.iter().find(|(other, _)| *other == key);
                let (_, after) = after.unwrap_or_else(|| panic!("{path}/{name} is gone"));
                check_preserved(text_of(value), text_of(after), &format!("{path}/{name}"));
            }
        }
        (Value::Array(before), Value::Array(after)) if path.ends_with("/env") => {
            let name = |value: &Value| get(&open(text_of(value)), "name").unwrap().to_owned();
            let is_tags = |value: &&Value| name(value) == "\"DD_TAGS\"";
            for before in before.iter().filter(is_tags) {
                let after = after.iter().filter(is_tags).map(text_of);
                check_tags(text_of(before), &after.collect::<Vec<_>>());
            }
            let kept: Vec<_> = after.iter().filter(|value| !is_tags(value)).collect();
            let own = before.iter().filter(|value| !is_tags(value)).count();
            assert!(kept.len() >= own, "{path}: variables are gone");
            for (before, after) in before.iter().filter(|value| !is_tags(value)).zip(kept) {
                check_env(text_of(before), text_of(after));
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert!(before.len() <= after.len(), "{path}");
            for (index, (before, after)) in before.iter().zip(&after).enumerate() {
                check_preserved(text_of(before), text_of(after), &format!("{path}/{index}"));
            }
        }
        _ => panic!("{path}: {before} became {after}"),
    }
}

/// Checks that every tag of a variable is still there, and first.
fn check_tags(before: &str, after: &[&str]) {
    let tags = |text: &str| -> Option<Vec<String>> {
        let variable = open(text);
        let is_literal = get(&variable, "valueFrom").is_none_or(|from| from == "null");
        let value = get(&variable, "value").unwrap_or("\"\"");
        let value: String = serde_json::from_str(value).ok().filter(|_| is_literal)?;
        Some(value.split(',').map(str::to_owned).collect())
    };
    match tags(before) {
        // What is no plain string stays as it is.
        None => assert!(after.contains(&before), "{before}: {after:?}"),
        Some(own) => {
            let keeps = |text: &&str| tags(text).is_some_and(|all| all.starts_with(&own));
            let is_empty = own == [""];
            assert!(is_empty || after.iter().any(keeps), "{before}: {after:?}");
        }
    }
}

/// Checks that a variable is the same but for the value of one that loads a library.
fn check_env(before: &str, after: &str) {
    let loads = ["JAVA_TOOL_OPTIONS", "PYTHONPATH", "NODE_OPTIONS", "PHP_INI_SCAN_DIR"];
    let (before, after) = (open(before), open(after));
    let name = before.as_object().unwrap().get_str("name").unwrap();
    for (key, value) in before.as_object().unwrap().iter() {
        let key = key.name().unwrap();
        let after = get(&after, &key).unwrap();
        if key == "value" && loads.contains(&&*name) {
            let old = text_of(value).trim_matches('"');
            assert!(after.contains(old), "{old} is not in {after}");
        } else {
            assert_eq!(text_of(value), after, "{name}");
        }
    }
}

fn elements<'a>(object: &Value<'a>, key: &str) -> Vec<Value<'a>> {
    match get(object, key).map(open) {
        Some(Value::Array(elements)) => elements.iter().map(|e| open(text_of(e))).collect(),
        _ => Vec::new(),
    }
}

/// Checks what Kubernetes checks of names, mounts and volumes.
fn check_resolvable(template: &str, ends: bool) {
    let spec = open(get(&open(template), "spec").unwrap());
    let unique = |names: Vec<String>, what: &str| -> BTreeSet<String> {
        let set: BTreeSet<String> = names.iter().cloned().collect();
        assert_eq!(set.len(), names.len(), "{what}: {names:?}");
        set
    };
    let named = |list: &[Value], key: &str| -> Vec<String> {
        list.iter().map(|element| get(element, key).unwrap().to_owned()).collect()
    };
    let volumes = unique(named(&elements(&spec, "volumes"), "name"), "volumes");
    let mut containers = elements(&spec, "containers");
    let regular = containers.len();
    containers.extend(elements(&spec, "initContainers"));
    unique(named(&containers, "name"), "containers");
    for (index, container) in containers.iter().enumerate() {
        unique(named(&elements(container, "env"), "name"), "env");
        let mounts = elements(container, "volumeMounts");
        unique(named(&mounts, "mountPath"), "mounts");
        for volume in named(&mounts, "name") {
            assert!(volumes.contains(&volume), "{volume} is no volume");
        }
        let policy = get(container, "restartPolicy");
        assert!(policy.is_none() || (index >= regular && policy == Some("\"Always\"")));
    }
    if ends {
        assert_ne!(get(&spec, "restartPolicy"), Some("\"Always\""));
    }
}

fn check_messages(answer: &Answer, explanation: &Explanation) {
    let response: serde_json::Value =
        serde_json::from_str(&answer.clone().into_response().replace(r"\ud800", "")).unwrap();
    assert_eq!(response["accepted"], true);
    for warning in &answer.report.warnings() {
        assert!(warning.len() <= 256, "{warning}");
        assert!(!warning.contains(SECRET), "{warning}");
    }
    assert!(answer.report.warnings().len() <= 10);
    for (_, annotation) in answer.report.audit_annotations() {
        assert!(!annotation.contains(SECRET), "{annotation}");
    }
    let explained = explanation.to_json(&answer.report).to_string();
    assert!(!explained.contains(SECRET), "{explained}");
}

#[test]
fn what_must_always_hold() {
    let (changed, warned) = (Cell::new(0), Cell::new(0));
    let cases = 3000;
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let strategy = (0..KINDS.len(), template(), settings());
    let outcome = runner.run(&strategy, |(kind, template, settings)| {
        let (answer, explanation) =
            policy::explain(payload(kind, "CREATE", &template, None, &settings).as_bytes());
        check_messages(&answer, &explanation);
        warned.set(warned.get() + usize::from(!answer.report.warnings().is_empty()));
        let update = payload(kind, "UPDATE", &template, Some(&template), &settings);
        assert_eq!(policy::evaluate(update.as_bytes()).mutated_object(), None);
        let out = template.replacen(
            r#""annotations":{"#,
            r#""annotations":{"admission.datakit/enabled":"false","x":"","#,
            1,
        );
        let out = out.replace(r#""x":"",}"#, r#""x":""}"#);
        let out = policy::evaluate(payload(kind, "CREATE", &out, None, &settings).as_bytes());
        assert_eq!(out.into_response(), r#"{"accepted":true}"#);
        let Some(object) = answer.mutated_object() else {
            return Ok(());
        };
        changed.set(changed.get() + 1);
        let after = template_of(kind, object);
        check_preserved(&template, after, "");
        let ends = matches!(KINDS[kind].0, "Job" | "CronJob");
        check_resolvable(after, ends);
        let again = policy::evaluate(payload(kind, "CREATE", after, None, &settings).as_bytes());
        assert_eq!(again.mutated_object(), None, "a second run changes something");
        Ok(())
    });
    outcome.unwrap();
    println!("{cases} cases: {} changed, {} with warnings", changed.get(), warned.get());
    assert!(changed.get() > 500 && warned.get() > 500, "the cases have to reach the injections");
}

#[test]
fn the_module_answers_as_the_library() {
    let mutated = Cell::new(0);
    let mut runner =
        TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let strategy = (0..KINDS.len(), template(), settings());
    let outcome = runner.run(&strategy, |(kind, template, settings)| {
        let payload = payload(kind, "CREATE", &template, None, &settings);
        let answer = Host::shared().call("validate", payload.as_bytes()).unwrap();
        let native = policy::evaluate(payload.as_bytes()).into_response();
        mutated.set(mutated.get() + usize::from(native.contains("mutated_object")));
        assert_eq!(String::from_utf8(answer).unwrap(), native);
        Ok(())
    });
    outcome.unwrap();
    assert!(mutated.get() > 20, "the two agree about nothing: {}", mutated.get());
}

#[test]
fn mutated_payloads_never_trap() {
    let reached = Cell::new(0);
    let mut runner =
        TestRunner::new(Config { cases: 600, failure_persistence: None, ..Config::default() });
    let mutation = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    let strategy = (0..KINDS.len(), template(), settings(), vec(mutation, 1..6));
    let outcome = runner.run(&strategy, |(kind, template, settings, mutations)| {
        let mut bytes = payload(kind, "CREATE", &template, None, &settings).into_bytes();
        for (index, byte, how) in mutations {
            let index = index.index(bytes.len());
            match how {
                // Changes inside of strings mostly stay JSON.
                0 => bytes[index] = byte % 64 + b'0',
                1 if byte < 16 => bytes.truncate(index.max(1)),
                _ => bytes.insert(index, byte % 64 + b'0'),
            }
        }
        let (_, explanation) = policy::explain(&bytes);
        let is_request = explanation.reason.is_none_or(|reason| reason.code() != "no-request");
        reached.set(reached.get() + usize::from(is_request));
        let answer = Host::shared().call("validate", &bytes);
        let answer = answer.expect("an answer");
        assert!(answer.starts_with(br#"{"accepted":true"#));
        Host::shared().call("validate_settings", &bytes).expect("an answer");
        Ok(())
    });
    outcome.unwrap();
    println!("{} of 600 mutated payloads reached the policy", reached.get());
    assert!(reached.get() > 100, "most die in the parser: {}", reached.get());
}

#[test]
fn large_objects_are_answered() {
    let container = |index: usize| {
        let env: Vec<String> =
            (0..60).map(|n| format!(r#"{{"name":"V{n}","value":"{}"}}"#, "x".repeat(60))).collect();
        format!(r#"{{"name":"c{index}","image":"a:1","env":[{}]}}"#, env.join(","))
    };
    let containers: Vec<String> = (0..500).map(container).collect();
    let template = format!(
        r#"{{"metadata":{{"annotations":{{"admission.datakit/java-lib.version":""}}}},
           "spec":{{"containers":[{}]}}}}"#,
        containers.join(",")
    );
    assert!(template.len() > 2 << 20);
    let settings = r#"{"admission_inject":{"ddtrace":{"images":{"java_agent_image":"h/j:1"}}}}"#;
    let payload = payload(0, "CREATE", &template, None, settings);
    let answer = Host::shared().call("validate", payload.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(answer).unwrap().matches("dd-java-agent.jar").count(), 500);
}
