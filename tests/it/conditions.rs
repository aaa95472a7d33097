//! The conditions of settings: sound and tight, against what the policy answers.

use std::cell::Cell;

use cel::{Context, Program, Value as CelValue};
use datakit_injection::policy;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use settings_tools::conditions::{Condition, Scope, compile};

/// Whether all conditions are true for a request.
fn passes(programs: &[(Condition, Program)], request: &Value) -> bool {
    programs.iter().all(|(condition, program)| {
        let mut context = Context::default();
        for (name, key) in [("object", "object"), ("oldObject", "oldObject")] {
            context.add_variable(name, request.get(key).unwrap_or(&Value::Null)).unwrap();
        }
        context.add_variable("request", request).unwrap();
        match program.execute(&context) {
            Ok(CelValue::Bool(passes)) => passes,
            other => panic!("{other:?}: {request} in {}", condition.expression),
        }
    })
}

fn programs(settings: &str, scope: Scope) -> Vec<(Condition, Program)> {
    let compiled = compile(settings, scope);
    let program = |condition: Condition| {
        let program = Program::compile(&condition.expression);
        let program = program.unwrap_or_else(|error| panic!("{error}: {}", condition.expression));
        (condition, program)
    };
    compiled.conditions.into_iter().map(program).collect()
}

fn rule() -> impl Strategy<Value = Value> {
    let namespaces = subsequence(
        vec![
            "*",
            "shop",
            "^prod",
            "-x$",
            "^default$",
            "^team-[0-9]+$",
            "a|b",
            "(?i)SHOP",
            "(",
            "^$",
            "[[:alpha:]]{3}",
        ],
        0..=2,
    );
    let labels = subsequence(
        vec![
            "app=web",
            "app!=web",
            "app in (web,api)",
            "app notin (web)",
            "tier",
            "!tier",
            "gen>3",
            "gen<3",
            "app=w*",
            "app!=w*",
            "app=*b",
            "app={web,ap?}",
            "app=[!a-v]*",
            "app!=[!a-v]*",
            "app=web,tier,gen>1",
            "app.kubernetes.io/name=it's",
            "=x",
        ],
        0..=2,
    );
    (namespaces, labels, any::<bool>(), select(vec!["java", "python", "cobol"]), any::<bool>())
        .prop_map(|(namespaces, labels, check, language, is_off)| {
            json!({
                "namespace_selectors": namespaces, "label_selectors": labels,
                "check_annotation": check, "language": language, "image": "h/x:1",
                "config": "[{\"type\":\"file\",\"path\":\"/data/logs/*\"}]",
                "processes": if is_off { "" } else { "[]" },
                "envs": { "FLAMESHOT_PROFILING_PATH": "/flame", "FLAMESHOT_HTTP_LOCAL_PORT": 8089 },
            })
        })
}

fn settings() -> impl Strategy<Value = String> {
    let keys = |injection: &'static str, own: &'static [&'static str]| {
        vec(rule(), 0..3).prop_map(move |mut rules| {
            for rule in &mut rules {
                let rule = rule.as_object_mut().unwrap();
                rule.retain(|key, _| {
                    !["config", "processes"].contains(&&**key) || own.contains(&&**key)
                });
            }
            (injection, json!(rules))
        })
    };
    let v2 = (
        keys("ddtraces", &[]),
        keys("otels", &[]),
        keys("logfwds", &[]),
        keys("flameshots", &["processes"]),
        keys("profilers", &[]),
    );
    let v2 = v2.prop_map(|(a, b, c, d, e)| {
        let lists: serde_json::Map<String, Value> =
            [a, b, c, d, e].into_iter().map(|(key, rules)| (key.to_owned(), rules)).collect();
        json!({ "admission_inject_v2": lists })
    });
    let v1 = (
        subsequence(vec!["shop", "default"], 0..=1),
        subsequence(vec!["app=web", "tier"], 0..=1),
        subsequence(vec!["ddtrace", "logfwd", "profiler"], 0..=3),
    )
        .prop_map(|(namespaces, labels, with_lists)| {
            let entry = |key: &str, text: &str| json!({ key: text, "language": "java" });
            let namespaces: Vec<_> = namespaces.iter().map(|it| entry("namespace", it)).collect();
            let labels: Vec<_> = labels.iter().map(|it| entry("labelselector", it)).collect();
            let block = |name: &str, image: &str| {
                let mut block = json!({ "images": { image: "h/x:1" } });
                // In those of logfwd and the profiler, lists mean the releases 1.5.13 to 1.6.1.
                if with_lists.contains(&name) {
                    block["enabled_namespaces"] = json!(namespaces);
                    block["enabled_labelselectors"] = json!(labels);
                }
                block
            };
            json!({ "admission_inject": {
                    "ddtrace": block("ddtrace", "java_agent_image"),
                    "logfwd": block("logfwd", "logfwd_image"),
                    "profiler": block("profiler", "java_profiler_image"),
                } })
        });
    let options = select(vec![
        json!({}),
        json!({ "ignored_namespaces": ["none"] }),
        json!({ "ignored_namespaces": ["shop"], "id": "one" }),
        json!({ "operator_release": "1.8" }),
        json!({ "operator_release": "1.5", "security_context": 7 }),
        json!({ "operator_release": "1.5.13" }),
        json!({ "operator_release": "1.9" }),
        json!({ "extra_workloads": [
            { "group": "argoproj.io", "kind": "Rollout", "template": "/spec/pod~1template/t" },
            { "group": "example.com", "kind": "Rollout", "template": "/spec/sets/1/template" },
            { "group": "example.com", "kind": "Pod", "template": "/spec/template" },
        ]}),
    ]);
    (prop_oneof![3 => v2, 1 => v1], keys("loggings", &["config"]), options).prop_map(
        |(mut settings, (_, loggings), options)| {
            settings["admission_mutate"] = json!({ "loggings": loggings });
            settings["policy"] = options;
            settings.to_string()
        },
    )
}

/// Metadata, also absent, null and with members that are.
fn metadata(keys: Vec<&'static str>) -> impl Strategy<Value = Option<Value>> {
    let labels = vec![
        ("app", vec!["web", "api", "", "w"]),
        ("tier", vec!["back", ""]),
        (
            "gen",
            vec!["5", "-7", "+4", "x", "", "9223372036854775807", "99999999999999999999", "0x5"],
        ),
        ("app.kubernetes.io/name", vec!["it's", "x"]),
    ];
    let labels: Vec<_> = labels
        .into_iter()
        .map(|(key, values)| prop::option::of(select(values)).prop_map(move |v| (key, v)))
        .collect();
    let annotations: Vec<_> = keys
        .into_iter()
        .map(|key| {
            let values = select(vec!["", "true", "false", "F", "0", "v1", "[]"]);
            prop::option::weighted(0.15, values).prop_map(move |v| (key, v))
        })
        .collect();
    let object = |pairs: Vec<(&'static str, Option<&'static str>)>| -> Value {
        let pairs = pairs.into_iter().filter_map(|(key, v)| Some((key.to_owned(), json!(v?))));
        Value::Object(pairs.collect())
    };
    let shape = select(vec!["both", "both", "both", "null", "absent", "empty", "null-members"]);
    (labels, annotations, shape).prop_map(move |(labels, annotations, shape)| match shape {
        "null" => Some(Value::Null),
        "absent" => None,
        "empty" => Some(json!({})),
        "null-members" => Some(json!({ "labels": null, "annotations": object(annotations) })),
        _ => Some(json!({ "labels": object(labels), "annotations": object(annotations) })),
    })
}

fn template() -> impl Strategy<Value = Value> {
    metadata(vec![
        "admission.datakit/enabled",
        "admission.datakit/ddtrace.enabled",
        "admission.datakit/logfwd.enabled",
        "admission.datakit/java-lib.version",
        "admission.datakit/php-lib.version",
        "admission.datakit/logfwd.instances",
        "admission.datakit/nobody-knows",
        "admission.datakit/container-names",
        "admission.datakit/injected",
        "admission.datakit/injected.one",
        "datakit/logs",
        "other",
    ])
    .prop_map(|metadata| {
        let mut template = json!({ "spec": { "containers": [{ "name": "app" }] } });
        if let Some(metadata) = metadata {
            template["metadata"] = metadata;
        }
        template
    })
}

const KINDS: [(&str, &str); 9] = [
    ("", "Pod"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("argoproj.io", "Rollout"),
    ("example.com", "Rollout"),
    ("example.com", "Pod"),
];

fn wrapped(kind: usize, template: &Value, own: &Option<Value>) -> Value {
    let (group, name) = KINDS[kind];
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let mut object = match (group, name) {
        ("", _) => template.clone(),
        (_, "CronJob") => {
            json!({ "spec": { "jobTemplate": { "spec": { "template": template } } } })
        }
        ("argoproj.io", _) => json!({ "spec": { "pod/template": { "t": template } } }),
        (_, "Rollout") => json!({ "spec": { "sets": [{}, { "template": template }] } }),
        _ => json!({ "spec": { "template": template } }),
    };
    object["apiVersion"] = json!(version);
    object["kind"] = json!(name);
    if let (Some(own), false) = (own, group.is_empty()) {
        object["metadata"] = own.clone();
    }
    object
}

/// What the API server does not check in objects of other kinds.
fn with_odd_types(object: &mut Value, group: &str, odd: usize) {
    let pointer = match group {
        "argoproj.io" => "/spec/pod~1template/t",
        "example.com" if object.pointer("/spec/sets").is_some() => "/spec/sets/1/template",
        "example.com" => "/spec/template",
        _ => return,
    };
    let (place, value) = match odd {
        0 => ("/metadata/labels", json!(["app"])),
        1 => ("/metadata/annotations", json!("admission.datakit/java-lib.version")),
        2 => ("/metadata", json!("text")),
        8 => ("/metadata/labels", json!({ "app": 1, "gen": true, "tier": null })),
        9 => ("/metadata/annotations", json!({ "admission.datakit/enabled": false })),
        10 => ("/metadata/annotations", json!({ "datakit/logs": 7 })),
        3 => ("", json!([{}])),
        4 => ("", Value::Null),
        5 => {
            object["spec"] = json!({ "sets": { "1": { "template": {} } } });
            return;
        }
        6 => {
            object["spec"] = json!({ "sets": [], "template": 7, "pod/template": "t" });
            return;
        }
        7 => {
            object["spec"] = json!("text");
            return;
        }
        _ => return,
    };
    if let Some(member) = object.pointer_mut(&format!("{pointer}{place}")) {
        *member = value;
    }
}

#[test]
fn conditions_are_sound_and_tight() {
    let cases = 500;
    let (sent, kept, answered) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let own = || metadata(vec!["admission.datakit/injected", "admission.datakit/enabled"]);
    let namespace =
        select(vec!["shop", "default", "prod-1", "team-12", "team-x", "kube-system", "a", ""]);
    let odd = 0..30_usize;
    let request = (0..KINDS.len(), vec((template(), own()), 2), namespace, any::<bool>(), odd);
    let strategy = (settings(), vec(request, 8));
    let outcome = runner.run(&strategy, |(settings, requests)| {
        let scopes = [Scope::All, Scope::Pods, Scope::Workloads];
        let [all, pods, workloads] = scopes.map(|scope| programs(&settings, scope));
        for (kind, objects, namespace, is_update, odd) in requests {
            let (group, name) = KINDS[kind];
            let [(template, own), (old, old_own)] = &objects[..] else { unreachable!() };
            let mut request = json!({
                "kind": { "group": group, "version": "v1", "kind": name },
                "operation": if is_update { "UPDATE" } else { "CREATE" },
                "namespace": namespace,
                "object": wrapped(kind, template, own),
            });
            with_odd_types(&mut request["object"], group, odd);
            if is_update {
                request["oldObject"] = wrapped(kind, old, old_own);
                with_odd_types(&mut request["oldObject"], group, odd / 2);
            }
            let payload = format!(r#"{{"request":{request},"settings":{settings}}}"#);
            let (answer, explanation) = policy::explain(payload.as_bytes());
            let says_something = answer.into_response() != r#"{"accepted":true}"#;
            let passes_all = passes(&all, &request);
            let alone = if group.is_empty() { &pods } else { &workloads };
            let passes = passes(alone, &request);
            prop_assert!(passes_all || !says_something, "not sent: {settings} {request}");
            prop_assert!(passes || !says_something, "not sent alone: {settings} {request}");
            sent.set(sent.get() + usize::from(passes));
            kept.set(kept.get() + usize::from(!passes));
            answered.set(answered.get() + usize::from(says_something));
            // Nothing asks: neither an annotation nor a record nor a rule.
            let text = format!("{template}{}", if is_update { old } else { &Value::Null });
            let own = request["object"]["metadata"].to_string();
            let is_silent =
                !text.contains("admission.datakit/") && !own.contains("admission.datakit/");
            let reason = explanation.reason.as_ref().map(|reason| reason.code());
            if is_silent
                && odd > 10
                && matches!(reason, Some("nothing-asked" | "opted-out" | "ignored-namespace"))
            {
                // Numbers of more than 18 digits pass without being compared.
                let has_number = text.contains("99999999999") || text.contains("922337203685");
                prop_assert!(!passes || has_number, "sent alone: {settings} {request}");
                prop_assert!(!passes_all || has_number, "sent: {settings} {request}");
            }
        }
        Ok(())
    });
    outcome.unwrap();
    let (sent, kept, answered) = (sent.get(), kept.get(), answered.get());
    println!("{cases} settings: {sent} requests sent, {answered} of them answered, {kept} kept");
    assert!(answered > 1000 && kept > 1000, "the cases have to reach both sides");
}

#[test]
fn two_hundred_rules_stay_within_the_limit() {
    let rules = |count: usize| {
        let rule = |n: usize| {
            json!({ "namespace_selectors": [format!("^team-{n}-[0-9]+$"), format!("^shop-{n}$")],
                    "label_selectors": [format!("app=web-{n}-*,tier in (a,b)")],
                    "language": "java", "image": "h/x:1" })
        };
        json!({ "admission_inject_v2": { "ddtraces": (0..count).map(rule).collect::<Vec<_>>() } })
            .to_string()
    };
    let length = |settings: &str| -> usize {
        compile(settings, Scope::All)
            .conditions
            .iter()
            .map(|it| it.expression.chars().count())
            .sum()
    };
    let compiled = compile(&rules(200), Scope::Workloads);
    println!("200 rules: {} characters", length(&rules(200)));
    assert!(length(&rules(200)) < 60_000 && compiled.notes.is_empty());
    assert_eq!(compiled.conditions.len(), 3);
    let compiled = compile(&rules(1000), Scope::Workloads);
    assert_eq!(compiled.conditions.len(), 2);
    assert_eq!(compiled.notes.len(), 1);
}

#[test]
fn quotes_and_odd_characters_are_escaped() {
    let settings = json!({ "admission_inject_v2": { "ddtraces": [
        { "namespace_selectors": ["it's\\-é\n"], "language": "java", "image": "h/x:1" },
    ]}});
    let compiled = compile(&settings.to_string(), Scope::All);
    for condition in &compiled.conditions {
        Program::compile(&condition.expression).unwrap();
        assert!(condition.expression.is_ascii());
        // The API server types the request: its strings cannot be compared with null.
        assert!(!condition.expression.contains("request.namespace != null"));
    }
    let settings = json!({ "admission_inject_v2": { "ddtraces": [
        { "label_selectors": ["app={it's,a\\\\b}"], "language": "java", "image": "h/x:1" },
    ]}});
    let programs = programs(&settings.to_string(), Scope::Workloads);
    for (label, expected) in [("it's", true), ("a\\b", true), ("its", false), ("ab", false)] {
        let template = json!({ "metadata": { "labels": { "app": label } } });
        let request = json!({ "kind": { "group": "apps", "version": "v1", "kind": "Deployment" },
            "namespace": "default", "object": wrapped(1, &template, &None) });
        assert_eq!(passes(&programs, &request), expected, "{label}");
    }
}

#[test]
fn words_say_what_passes() {
    let settings = json!({
        "admission_inject_v2": { "ddtraces": [
            { "namespace_selectors": ["^prod", "^shop$", "a.b"], "label_selectors": ["app=w*,!x"],
              "language": "java", "image": "h/x:1" },
            { "namespace_selectors": ["*"], "language": "python", "image": "h/x:1" },
            { "namespace_selectors": ["asked"], "check_annotation": true, "language": "php",
              "image": "h/x:1" },
        ]},
        "policy": { "ignored_namespaces": ["kube-system"] },
    });
    let settings = settings.to_string();
    let words = |scope| compile(&settings, scope).words.join("\n");
    let expected = "annotations under admission.datakit/
ddtrace: namespaces ^prod or ^shop$ or a.b; labels app=w*,!x
ddtrace: namespaces *
never: namespaces kube-system
never: admission.datakit/enabled is false";
    assert_eq!(words(Scope::Pods), expected);
    assert!(words(Scope::Workloads).contains("\nworkloads with a record of earlier injections\n"));
}

#[test]
fn scopes_follow_the_resources_of_a_policy() {
    for (resources, expected) in [
        (&["pods"][..], Scope::Pods),
        (&["deployments", "rollouts"], Scope::Workloads),
        (&["pods", "jobs"], Scope::All),
        (&["*"], Scope::All),
        (&[], Scope::All),
    ] {
        assert_eq!(Scope::of_resources(resources.iter().copied()), expected, "{resources:?}");
    }
}
