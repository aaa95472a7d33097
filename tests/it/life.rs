//! The life of a workload: what is injected can be changed, put back and taken out.

use std::cell::Cell;

use datakit_injection::json::same;
use datakit_injection::policy::{self, Answer};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::host::Host;
use crate::lives::{applied, merge_key};
use crate::properties;
use testing::cases::{all_recorded, record, template_path, without_record};
use testing::requests::request;

const KINDS: [&str; 4] = ["Deployment", "StatefulSet", "DaemonSet", "CronJob"];
const RECORD: &str = "admission.datakit/injected";

fn evaluate(request: &Value, settings: &str) -> Answer {
    policy::evaluate(format!(r#"{{"request":{request},"settings":{settings}}}"#).as_bytes())
}

/// The object that is stored, and what was audited.
fn admit(object: &Value, old: Option<&Value>, namespace: &str, settings: &str) -> (Value, Value) {
    let mut request = request(if old.is_some() { "UPDATE" } else { "CREATE" }, object, old);
    request["namespace"] = json!(namespace);
    let answer = evaluate(&request, settings);
    let stored = answer.mutated_object().map(|text| serde_json::from_str(text).unwrap());
    let audit: serde_json::Map<String, Value> = answer
        .report
        .audit_annotations()
        .map(|(key, text)| (key.to_owned(), text.into()))
        .collect();
    (stored.unwrap_or_else(|| object.clone()), Value::Object(audit))
}

fn template(object: &mut Value) -> &mut Value {
    object.pointer_mut(template_path(object)).unwrap()
}

pub fn annotated(object: &Value, key: &str, value: &str) -> Value {
    let mut object = object.clone();
    let template = template(&mut object);
    if template["metadata"].is_null() {
        template["metadata"] = json!({});
    }
    if template["metadata"]["annotations"].is_null() {
        template["metadata"]["annotations"] = json!({});
    }
    template["metadata"]["annotations"][key] = json!(value);
    object
}

/// What the API server does to an object before it is stored: defaults come, empty values go.
pub fn defaulted(value: &Value) -> Value {
    fn walk(value: &mut Value, key: &str) {
        match value {
            Value::Array(elements) => elements.iter_mut().for_each(|it| walk(it, key)),
            Value::Object(members) => {
                if key == "fieldRef" && !members.contains_key("apiVersion") {
                    members.insert("apiVersion".into(), json!("v1"));
                }
                if key == "downwardAPI" {
                    members.entry("defaultMode").or_insert(json!(420));
                }
                if ["containers", "initContainers"].contains(&key) {
                    members
                        .entry("terminationMessagePath")
                        .or_insert(json!("/dev/termination-log"));
                    members.entry("terminationMessagePolicy").or_insert(json!("File"));
                    members.entry("imagePullPolicy").or_insert(json!("IfNotPresent"));
                    members.entry("resources").or_insert(json!({}));
                }
                if key == "ports" {
                    members.entry("protocol").or_insert(json!("TCP"));
                }
                if key == "env" && members.get("value") == Some(&json!("")) {
                    members.remove("value");
                }
                if members.contains_key("containers") {
                    members.entry("restartPolicy").or_insert(json!("Always"));
                    members.entry("dnsPolicy").or_insert(json!("ClusterFirst"));
                    members.entry("schedulerName").or_insert(json!("default-scheduler"));
                }
                for (key, value) in members.iter_mut() {
                    walk(value, key);
                }
                // Lists and maps that are empty are not stored.
                let optional = [
                    "env",
                    "volumeMounts",
                    "volumes",
                    "initContainers",
                    "imagePullSecrets",
                    "annotations",
                    "labels",
                ];
                members.retain(|key, value| {
                    let is_empty = value.is_null()
                        || value.as_array().is_some_and(Vec::is_empty)
                        || value.as_object().is_some_and(|it| it.is_empty());
                    !(is_empty && optional.contains(&&**key))
                });
            }
            _ => {}
        }
    }
    let mut value = value.clone();
    walk(&mut value, "");
    value
}

/// The steps of one workload's life, on whatever `admit` evaluates.
fn live(bare: &Value, namespace: &str, settings: &str, id: &str) -> usize {
    let admit = |object: &Value, old: Option<&Value>, settings: &str| {
        let (stored, audit) = admit(object, old, namespace, settings);
        (defaulted(&stored), audit)
    };
    let mut steps = 0;
    let mut step = |what: &str, stored: &Value, expected: &Value| {
        assert_eq!(stored, expected, "{id}: {what}");
        steps += 1;
    };
    let bare = defaulted(bare);
    let (injected, _) = admit(&bare, None, settings);
    let is_injected = record(&injected).is_some();
    step("applied again", &admit(&injected, Some(&injected), settings).0, &injected);
    step("replaced by the bare manifest", &admit(&bare, Some(&injected), settings).0, &injected);
    let mut scaled = injected.clone();
    scaled["spec"]["replicas"] = json!(7);
    step("scaled under other settings", &admit(&scaled, Some(&injected), "{}").0, &scaled);
    let mut bare_scaled = bare.clone();
    bare_scaled["spec"]["replicas"] = json!(7);
    step("replaced under other settings", &admit(&bare_scaled, Some(&injected), "{}").0, &scaled);
    let mut dropped = injected.clone();
    without_record(&mut dropped);
    step("the record dropped by a tool", &admit(&dropped, Some(&injected), settings).0, &injected);

    let out = annotated(&injected, "admission.datakit/enabled", "false");
    let (opted_out, audit) = admit(&out, Some(&injected), settings);
    let expected = annotated(&bare, "admission.datakit/enabled", "false");
    step("opted out", &opted_out, &expected);
    assert_eq!(audit.get("removed").is_some(), is_injected, "{id}: {audit}");
    let (opted_in, _) = admit(&bare, Some(&opted_out), settings);
    step("opted in", &opted_in, &injected);

    let restarted = annotated(&injected, "kubectl.kubernetes.io/restartedAt", "now");
    let (left, _) = admit(&restarted, Some(&injected), "{}");
    let bare_restarted = annotated(&bare, "kubectl.kubernetes.io/restartedAt", "now");
    step("restarted without rules", &left, &bare_restarted);
    let (again, _) = admit(&restarted, Some(&injected), settings);
    let (anew, _) = admit(&bare_restarted, None, settings);
    step("restarted", &again, &anew);
    step("undone", &admit(&injected, Some(&again), settings).0, &injected);
    step("created from an export", &admit(&injected, None, settings).0, &injected);
    step("created without rules", &admit(&injected, None, "{}").0, &bare);
    steps
}

#[test]
fn every_recorded_case_can_be_changed_and_taken_out() {
    let (mut cases, mut steps) = (0, 0);
    for case in all_recorded() {
        for kind in KINDS {
            let request = case.request(if kind == "CronJob" { "Deployment" } else { kind });
            let mut object = request["object"].clone();
            if kind == "CronJob" {
                let mut template = object["spec"]["template"].clone();
                template["spec"]["restartPolicy"] = json!("OnFailure");
                object = json!({
                    "apiVersion": "batch/v1", "kind": "CronJob", "metadata": object["metadata"],
                    "spec": { "jobTemplate": { "spec": { "template": template } } },
                });
            }
            let id = format!("{} as {kind}", case.id);
            steps += live(&object, &case.namespace, case.settings.get(), &id);
            cases += 1;
        }
    }
    println!("{cases} workloads, {steps} steps");
}

/// The module is the same code; a few steps of each case show that it has the same record.
#[test]
fn the_module_takes_out_what_it_injected() {
    let host = Host::shared();
    let mut count = 0;
    for case in all_recorded().filter(|case| case.mutated) {
        let request = case.request("Deployment");
        let injected = host.validate(&request, case.settings.get());
        assert!(record(&injected.object).is_some(), "{}", case.id);
        let mut again = request.clone();
        again["object"] = injected.object.clone();
        assert!(host.validate(&again, case.settings.get()).patch.is_empty(), "{}", case.id);
        let out = host.validate(&again, "{}");
        assert_eq!(out.object, request["object"], "{}", case.id);
        let removed = &out.response["audit_annotations"]["removed"];
        assert_eq!(*removed, injected.response["audit_annotations"]["injected"], "{}", case.id);
        // At `{}` the level is `info`, at which a line tells of each.
        assert!(!out.logs.is_empty(), "{}", case.id);
        assert!(out.logs.iter().all(|log| log["message"] == "removed"), "{}", case.id);
        count += 1;
    }
    println!("{count} workloads taken out by the module");
}

#[test]
fn records_are_small() {
    let settings =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/settings.json"));
    let settings = settings.unwrap();
    let read = |name: &str| -> Value {
        let path = format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_norway::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let java = read("nginx.yaml");
    let (injected, _) = admit(&java, None, "default", &settings);
    let record = record(&injected).unwrap().to_owned();
    let mut everything = java.clone();
    for (key, value) in [
        ("admission.datakit/java-profiler.version", ""),
        (
            "admission.datakit/logfwd.instances",
            r#"[{"loggings":[{"logfiles":["/var/log/app/*.log","/data/*.log"]}]}]"#,
        ),
    ] {
        everything = annotated(&everything, key, value);
    }
    let (injected, audit) = admit(&everything, None, "test01", &settings);
    let all = testing::cases::record(&injected).unwrap();
    println!("Java: {} bytes: {record}", record.len());
    println!("{}: {} bytes", audit["injected"], all.len());
    assert!(record.len() <= 400 && all.len() < 1500, "{} {}", record.len(), all.len());
}

/// Every hidden state of JSON that a template may have comes back as it was.
#[test]
fn taking_out_is_the_inverse_of_injecting() {
    let (changed, cases) = (Cell::new(0), 2000);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let kinds = properties::KINDS.len();
    let strategy =
        (0..kinds, properties::template(), properties::settings(), properties::settings());
    let outcome = runner.run(&strategy, |(kind, template, settings, other)| {
        let create = |object: &str, settings: &str| -> String {
            let payload = properties::payload_of(kind, "CREATE", object, None, settings);
            let answer = policy::evaluate(payload.as_bytes());
            answer.mutated_object().unwrap_or(object).to_owned()
        };
        let is_pod = properties::KINDS[kind].0 == "Pod";
        let bare = properties::wrapped(kind, &template);
        let injected = create(&bare, &settings);
        changed.set(changed.get() + usize::from(!is_pod && injected != bare));
        if is_pod {
            return Ok(());
        }
        let out = create(&injected, "{}");
        prop_assert!(same(&out, &bare), "{settings}\n{bare}\n{injected}\n{out}");
        // What is injected depends on today's settings alone.
        let anew = create(&injected, &other);
        let fresh = create(&bare, &other);
        prop_assert!(same(&anew, &fresh), "{settings}\n{other}\n{bare}\n{anew}\n{fresh}");
        // Settings alone change nothing that is stored.
        for settings in [&*settings, &*other, "{}"] {
            for object in [&injected, &bare] {
                let payload =
                    properties::payload_of(kind, "UPDATE", object, Some(&injected), settings);
                let answer = policy::evaluate(payload.as_bytes());
                let stored = answer.mutated_object().unwrap_or(object).to_owned();
                let is_updated = !["Job"].contains(&properties::KINDS[kind].0);
                prop_assert!(!is_updated || same(&stored, &injected), "{stored}\n{injected}");
            }
        }
        Ok(())
    });
    outcome.unwrap();
    println!("{cases} cases, {} injected and taken out", changed.get());
    assert!(changed.get() > 300);
}

/// An edit by hand, and the same edit of the user's part.
fn edit(object: &Value, which: usize) -> Option<Value> {
    let mut object = object.clone();
    let template = template(&mut object);
    let spec = &mut template["spec"];
    let own = spec["containers"].as_array()?.iter().position(|it| it["name"] == "c0")?;
    let container = &mut spec["containers"][own];
    match which {
        0 => container["image"] = json!("other:2"),
        1 => {
            let name = json!({ "name": "NEW", "value": "by hand" });
            match container["env"].as_array_mut() {
                Some(env) => env.push(name),
                None => container["env"] = json!([name]),
            }
        }
        2 => {
            let env = container["env"].as_array_mut()?;
            let own = env.iter().position(|it| it["name"] == "HOME")?;
            env.remove(own);
        }
        3 => {
            let volume = json!({ "name": "by-hand", "emptyDir": {} });
            match spec["volumes"].as_array_mut() {
                Some(volumes) => volumes.insert(0, volume),
                None => spec["volumes"] = json!([volume]),
            }
        }
        4 => {
            let containers = spec["containers"].as_array_mut()?;
            containers.insert(0, json!({ "name": "by-hand", "image": "b:1" }));
        }
        5 => {
            let labels = template["metadata"]["labels"].as_object_mut()?;
            labels.insert("app".into(), json!("web"));
        }
        _ => {
            let annotations = template["metadata"]["annotations"].as_object_mut()?;
            annotations.insert("by".into(), json!("hand"));
            annotations.remove("admission.datakit/java-lib.version");
        }
    }
    Some(object)
}

#[test]
fn what_is_injected_does_not_depend_on_history() {
    let (compared, cases) = (Cell::new(0), 2500);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let kind = select(vec![0_usize, 1, 2, 4]);
    let strategy =
        (kind, properties::template(), properties::settings(), properties::settings(), 0..7_usize);
    let outcome = runner.run(&strategy, |(kind, template, one, two, which)| {
        // Edits are made on trees of values, which do not hold every number and string.
        let template =
            template.replace("123456789012345678901234567890", "7").replace(r"\ud800", "x");
        let mut bare: Value = serde_json::from_str(&properties::wrapped(kind, &template)).unwrap();
        let (name, group, _) = properties::KINDS[kind];
        bare["apiVersion"] = json!(format!("{group}/v1"));
        bare["kind"] = json!(name);
        let through = defaulted;
        let bare = through(&bare);
        let (injected, _) = admit(&bare, None, "default", &one);
        let injected = through(&injected);
        let (Some(edited), Some(bare_edited)) = (edit(&injected, which), edit(&bare, which)) else {
            return Ok(());
        };
        if bare_edited == bare {
            return Ok(());
        }
        let (edited, bare_edited) = (through(&edited), through(&bare_edited));
        let (stored, _) = admit(&edited, Some(&injected), "default", &two);
        let (expected, _) = admit(&bare_edited, None, "default", &two);
        prop_assert_eq!(through(&stored), through(&expected), "edit {} of {}", which, bare);
        compared.set(compared.get() + usize::from(injected != bare));
        Ok(())
    });
    outcome.unwrap();
    println!("{cases} cases, {} histories compared", compared.get());
    assert!(compared.get() > 350);
}

/// Whatever a stranger writes into the record, nothing that this policy could not have added goes.
#[test]
fn hostile_records_remove_nothing_of_the_users() {
    let settings =
        json!({ "admission_inject": { "ddtrace": { "images": { "java_agent_image": "h/j:1" } } } });
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "template": {
            "metadata": { "annotations": { "admission.datakit/java-lib.version": "", "mine": "1" } },
            "spec": {
                "containers": [{ "name": "app", "env": [{ "name": "A", "value": "1" }],
                                 "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
                "initContainers": [{ "name": "first" }],
                "volumes": [{ "name": "data", "emptyDir": {} }],
            },
        } },
    });
    let (injected, _) = admit(&object, None, "default", &settings.to_string());
    let record = record(&injected).unwrap().to_owned();
    let mut texts = vec![
        String::new(),
        "null".to_owned(),
        "[[".repeat(50_000),
        record.replace("ddtrace-java", "app"),
        record.replace("datakit-auto-instrument", "data"),
        record.replace("\"v\":1", "\"v\":9"),
        format!(r#"{{"v":1,"logging":{{"annotations":"mine=AAAA"}}}}"#),
        format!(r#"{{"v":1,"secrets":"{}"}}"#, vec!["x"; 60_000].join(" ")),
        format!(
            r#"{{"v":1,"ddtrace-java":{{"in":{{{}}}}}}}"#,
            (0..6_000).map(|n| format!(r#""c{n}":{{"env":"A=x"}}"#)).collect::<Vec<_>>().join(",")
        ),
    ];
    texts.extend((0..record.len()).step_by(3).map(|end| record[..end].to_owned()));
    for (index, _) in record.char_indices().step_by(5) {
        let mut bytes = record.clone().into_bytes();
        bytes[index] = b'x';
        texts.push(String::from_utf8(bytes).unwrap());
    }
    let (mut unreadable, count) = (0, texts.len());
    for text in texts {
        for is_update in [false, true] {
            let mut hostile = injected.clone();
            hostile = annotated(&hostile, RECORD, &text);
            let changed = annotated(&hostile, "x", "y");
            let old = is_update.then_some(&hostile);
            let request = request(if is_update { "UPDATE" } else { "CREATE" }, &changed, old);
            let answer = evaluate(&request, "{}");
            let stored: Value = answer
                .mutated_object()
                .map_or(changed.clone(), |text| serde_json::from_str(text).unwrap());
            let spec = &stored["spec"]["template"]["spec"];
            let has = |list: &str, name: &str| {
                spec[list].as_array().is_some_and(|it| it.iter().any(|it| it["name"] == name))
            };
            assert!(has("containers", "app") && has("initContainers", "first"), "{text}");
            assert!(has("volumes", "data"), "{text}");
            assert_eq!(
                stored["spec"]["template"]["metadata"]["annotations"]["mine"], "1",
                "{text}"
            );
            assert_eq!(spec["containers"][0]["env"][0]["name"], "A", "{text}");
            unreadable +=
                usize::from(answer.report.warnings().iter().any(|it| it.contains("cannot parse")));
        }
    }
    println!("{count} records, {unreadable} answers warn that one cannot be read");
    assert!(unreadable > count / 2);
}

#[test]
fn warns_of_parts_that_were_taken_out_by_hand() {
    let settings =
        json!({ "admission_inject": { "ddtrace": { "images": { "java_agent_image": "h/j:1" } } } });
    let settings = settings.to_string();
    let object = crate::objects::deployment(&crate::objects::java_asked());
    let (injected, _) = admit(&object, None, "default", &settings);
    let mut by_hand = injected.clone();
    by_hand["spec"]["template"]["spec"].as_object_mut().unwrap().remove("initContainers");
    let answer = evaluate(&request("UPDATE", &by_hand, Some(&injected)), &settings);
    let stored: Value = serde_json::from_str(answer.mutated_object().unwrap()).unwrap();
    assert_eq!(stored, injected);
    assert_eq!(
        answer.report.warnings(),
        [
            "Deployment/web: restored injected fields that the request removes or changes; change the \
          settings or the version annotation, or opt out with admission.datakit/enabled: \"false\""
        ],
    );
    // A replace of the manifest is no edit by hand.
    let answer = evaluate(&request("UPDATE", &object, Some(&injected)), &settings);
    assert_eq!(answer.report.warnings(), [""; 0]);
}

#[test]
fn several_policies_keep_their_records_apart() {
    let tracing =
        json!({ "admission_inject": { "ddtrace": { "images": { "java_agent_image": "h/j:1" } } } });
    let logs = json!({ "policy": { "id": "team" }, "admission_inject_v2": { "logfwds": [
        { "namespace_selectors": ["*"], "image": "h/l:1", "log_volume_paths": ["/logs"] },
    ] } });
    let (tracing, logs) = (tracing.to_string(), logs.to_string());
    let object = crate::objects::deployment(&crate::objects::java_asked());
    for (first, second) in [(&tracing, &logs), (&logs, &tracing)] {
        let both = |object: &Value, old: Option<&Value>, first: &str, second: &str| {
            let (object, _) = admit(object, old, "default", first);
            admit(&object, old, "default", second).0
        };
        let stored = both(&object, None, first, second);
        let keys: Vec<_> = template(&mut stored.clone())["metadata"]["annotations"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(
            keys,
            [RECORD, "admission.datakit/injected.team", "admission.datakit/java-lib.version"]
        );
        assert_eq!(both(&stored, Some(&stored), first, second), stored);
        assert_eq!(both(&object, Some(&stored), first, second), stored);
        let changed = annotated(&stored, "x", "y");
        let fresh = both(&annotated(&object, "x", "y"), None, first, second);
        assert_eq!(both(&changed, Some(&stored), first, second), fresh);
        // Another order is no removal by hand.
        let mut reordered = stored.clone();
        reordered["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap().reverse();
        for settings in [first, second] {
            let answer = evaluate(&request("UPDATE", &reordered, Some(&stored)), settings);
            assert_eq!(answer.report.warnings(), [""; 0]);
        }
        // One leaves, the other stays.
        let left = both(
            &changed,
            Some(&stored),
            if *first == tracing { "{}" } else { first },
            if *second == tracing { "{}" } else { second },
        );
        let spec = &left["spec"]["template"]["spec"];
        assert_eq!(spec.get("initContainers"), None);
        assert_eq!(spec["containers"].as_array().unwrap().len(), 2);
        // When both leave, nothing is left: neither a record nor an empty list.
        let left = both(&changed, Some(&stored), "{}", r#"{"policy":{"id":"team"}}"#);
        assert_eq!(left, annotated(&object, "x", "y"));
        let left = both(&changed, Some(&stored), r#"{"policy":{"id":"team"}}"#, "{}");
        assert_eq!(left, annotated(&object, "x", "y"));
    }
}

#[test]
fn a_record_never_makes_an_object_too_large() {
    let settings =
        json!({ "admission_inject": { "ddtrace": { "images": { "java_agent_image": "h/j:1" } } } });
    let mut object = crate::objects::deployment(&crate::objects::java_asked());
    object = annotated(&object, "large", &"x".repeat((200 << 10) - 100));
    let answer = evaluate(&request("CREATE", &object, None), &settings.to_string());
    assert_eq!(answer.mutated_object(), None);
    assert_eq!(
        answer.report.warnings(),
        ["ddtrace-java is not injected into Deployment/web: the annotations of the object would \
          exceed 200 KiB; remove annotations"],
    );
    // What is large may be the record alone.
    let settings =
        json!({ "admission_inject": { "logfwd": { "images": { "logfwd_image": "h/l:1" } } } });
    let files: Vec<String> =
        (0..250).map(|n| format!("/data/of/the/application/{n}/x.log")).collect();
    let instances = json!([{ "loggings": [{ "logfiles": files }] }]).to_string();
    let mut object = annotated(&with_env("Deployment", json!([])), LOGFWD, &instances);
    let containers = (0..40).map(|n| json!({ "name": format!("c{n}"), "image": "c:1" }));
    object["spec"]["template"]["spec"]["containers"] = containers.collect();
    let answer = evaluate(&request("CREATE", &object, None), &settings.to_string());
    assert_eq!(answer.mutated_object(), None);
    assert_eq!(
        answer.report.warnings(),
        [
            "logfwd is not injected into Deployment/web: its record would bring the annotations of the \
          object over 200 KiB; collect files of fewer directories, or have fewer containers"
        ],
    );
}

/// A record that names more than 256 secrets cannot be read.
#[test]
fn a_record_never_names_more_secrets_than_are_read() {
    let settings = |id: &str, count: usize| {
        let secrets: Vec<String> = (0..count).map(|index| format!("hub-{index}")).collect();
        json!({
            "policy": { "id": id, "image_pull_secrets": secrets },
            "admission_inject_v2": { "ddtraces": [
                { "namespace_selectors": ["*"], "language": "java", "image": "h/j:1" } ] },
        })
        .to_string()
    };
    let mut bare = crate::objects::deployment(&crate::objects::pod());
    let own = json!([{ "name": "own" }]);
    bare["spec"]["template"]["spec"]["imagePullSecrets"] = own.clone();
    let (stored, _) = admit(&bare, None, "default", &settings("", 300));
    let secrets = |object: &Value| {
        let list = &object["spec"]["template"]["spec"]["imagePullSecrets"];
        list.as_array().unwrap().len()
    };
    assert_eq!(secrets(&stored), 257);
    let changed = annotated(&stored, "x", "y");
    let (left, _) = admit(&changed, Some(&stored), "default", "{}");
    assert_eq!(left, annotated(&bare, "x", "y"));
    // Of names that somebody removed, another policy's record still has each.
    let logs = settings("b", 256).replace("ddtraces", "logfwds").replace("java", "");
    let (mut stored, _) = admit(&bare, None, "default", &logs);
    stored["spec"]["template"]["spec"]["imagePullSecrets"] = own;
    let (stored, _) = admit(&stored, None, "default", &settings("", 256));
    assert_eq!(secrets(&stored), 257);
    let out = policy::uninject(&stored.to_string(), &settings("", 256), None).unwrap();
    assert_eq!(out.removed, ["ddtrace-java"]);
}

#[test]
fn one_injection_after_another_leaves_nothing_behind() {
    let envs = json!({ "FLAMESHOT_PROFILING_PATH": "/flame", "FLAMESHOT_HTTP_LOCAL_PORT": 8089 });
    let rule = |more: Value| {
        let mut rule = json!({ "namespace_selectors": ["*"], "image": "h/x:1" });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([rule])
    };
    let settings = json!({
        "admission_inject_v2": {
            "flameshots": rule(json!({ "processes": "[]", "envs": envs })),
            "profilers": rule(json!({ "language": "java" })),
        },
        "policy": { "image_pull_secrets": ["hub"] },
    });
    let settings = settings.to_string();
    let mut bare = crate::objects::deployment(&crate::objects::pod());
    bare["spec"]["template"]["spec"]["imagePullSecrets"] = json!([{ "name": "own" }]);
    for [first, second] in [["flameshot", "profiler"], ["profiler", "flameshot-"]] {
        let (injected, _) = admit(&bare, None, "default", &settings);
        let out = policy::uninject(&injected.to_string(), &settings, Some(first)).unwrap();
        let left: Value = serde_json::from_str(&out.object).unwrap();
        let spec = &left["spec"]["template"]["spec"];
        assert_eq!(spec["shareProcessNamespace"], true, "{first}: the other one needs it");
        assert_eq!(spec["imagePullSecrets"], json!([{ "name": "own" }, { "name": "hub" }]));
        let second = second.trim_end_matches('-');
        let out = policy::uninject(&out.object, &settings, Some(second)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&out.object).unwrap(), bare, "{second}");
        assert_eq!(policy::uninject(&out.object, &settings, None), None);
    }
}

const JAVA: &str = r#"{"admission_inject_v2":{"ddtraces":[
    {"namespace_selectors":["*"],"language":"java","image":"h/j:1"}]}}"#;
const LOGFWD: &str = "admission.datakit/logfwd.instances";
const OPTION: &str = " -javaagent:/datadog-lib/dd-java-agent.jar";

/// A workload whose one container has these variables.
fn with_env(kind: &str, env: Value) -> Value {
    let mut object = crate::objects::deployment(&json!({
        "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "app", "image": "app:1", "env": env }] },
    }));
    object["kind"] = json!(kind);
    object
}

fn env_of(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"][0]["env"]
}

/// An older revision that comes back has a record of its own; what the newer one's record says is
/// like what the user wrote there.
#[test]
fn an_older_revision_comes_back_as_it_was() {
    let settings = json!({ "admission_inject_v2": {
        "ddtraces": [{ "namespace_selectors": ["*"], "language": "java", "image": "h/j:1",
                       "envs": { "DD_AGENT_HOST": "dk" } }],
        "profilers": [{ "namespace_selectors": ["*"], "language": "java", "image": "h/p:1" }],
    } })
    .to_string();
    let newer = with_env("Deployment", json!([{ "name": "Z", "value": "1" }]));
    let mut older = with_env(
        "Deployment",
        json!([{ "name": "DD_AGENT_HOST", "value": "dk" }, { "name": "Z", "value": "1" }]),
    );
    older = annotated(&older, "admission.datakit/profiler.enabled", "false");
    let spec = &mut older["spec"]["template"]["spec"];
    spec["volumes"] = json!([{ "name": "tmp", "emptyDir": {} }]);
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "tmp", "mountPath": "/tmp" }]);

    let (first, _) = admit(&older, None, "default", &settings);
    let (second, _) = admit(&newer, Some(&first), "default", &settings);
    assert!(second.to_string().contains("datakit-profiler"), "{second}");
    assert_eq!(admit(&first, Some(&second), "default", &settings).0, first);
    let changed = annotated(&first, "x", "y");
    let left = admit(&changed, Some(&second), "default", "{}").0;
    assert_eq!(left, annotated(&older, "x", "y"));
}

/// What apply makes of a manifest, one of earlier settings' in Git, and what is stored then.
fn apply(stored: &Value, last: &Value, next: &Value, settings: &str) -> (Value, Answer) {
    let object = defaulted(&applied(stored, Some(last), next, "", false));
    let answer = evaluate(&request("UPDATE", &object, Some(stored)), settings);
    let after = answer.mutated_object().map(|text| serde_json::from_str(text).unwrap());
    (defaulted(&after.unwrap_or(object)), answer)
}

/// What earlier settings wrote into a manifest, and today's write otherwise, apply makes one of: both
/// halves are ours.
#[test]
fn what_two_records_write_otherwise_goes_with_both() {
    let settings = |host: &str, limit: Option<&str>| {
        json!({ "policy": { "empty_dir_size_limit": limit }, "admission_inject_v2": {
            "ddtraces": [{ "namespace_selectors": ["*"], "language": "java", "image": "h/j:1",
                           "envs": { "DD_AGENT_HOST": host } }],
            "logfwds": [{ "namespace_selectors": ["*"], "image": "h/l:1", "log_volume_paths": ["/logs"] }],
        } })
        .to_string()
    };
    let mut bare = with_env("Deployment", json!([{ "name": "A", "value": "1" }]));
    bare["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({ "limits": { "cpu": "1" } });
    let hosts = [
        "datakit.svc",
        "other.svc",
        "",
        "{fieldRef:status.hostIP}",
        "{fieldRef:status.podIP}",
        "{secretKeyRef:agent.host}",
        "{resourceFieldRef:limits.cpu}",
    ];
    let limits = [None, Some("1Gi"), Some("2Gi")];
    let all: Vec<String> = hosts
        .iter()
        .map(|host| settings(host, None))
        .chain(limits.iter().map(|limit| settings("", *limit)))
        .collect();
    for (earlier, today) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
        let git = admit(&bare, None, "default", earlier).0;
        let stored = defaulted(&admit(&defaulted(&git), None, "default", today).0);
        let (again, answer) = apply(&stored, &git, &git, today);
        assert_eq!(again, stored, "{earlier} {today}");
        assert_eq!(answer.report.warnings(), [""; 0], "{earlier} {today}");
        let out = annotated(&git, "admission.datakit/enabled", "false");
        let expected = annotated(&bare, "admission.datakit/enabled", "false");
        let (left, _) = apply(&stored, &git, &out, today);
        assert_eq!(left, defaulted(&expected), "{earlier} {today}");
    }
}

/// A volume that a manifest in Git names goes although what today's settings made of it mounts it
/// elsewhere.
#[test]
fn a_volume_of_two_records_goes_with_the_mounts_of_both() {
    let settings = |path: &str, limit: Option<&str>| {
        json!({ "policy": { "empty_dir_size_limit": limit }, "admission_inject_v2": { "logfwds": [
            { "namespace_selectors": ["*"], "image": "h/l:1", "log_volume_paths": [path] },
        ] } })
        .to_string()
    };
    let bare = with_env("Deployment", json!([{ "name": "A", "value": "1" }]));
    for (one, other) in [(None, Some("1Gi")), (Some("1Gi"), None), (None, None)] {
        let (earlier, today) = (settings("/logs", one), settings("/srv/logs", other));
        let git = admit(&bare, None, "default", &earlier).0;
        let stored = defaulted(&admit(&defaulted(&git), None, "default", &today).0);
        assert_eq!(apply(&stored, &git, &git, &today).0, stored);
        let out = annotated(&git, "admission.datakit/enabled", "false");
        let expected = annotated(&bare, "admission.datakit/enabled", "false");
        assert_eq!(apply(&stored, &git, &out, &today).0, defaulted(&expected));
    }
}

/// What an older revision has of its own is the user's, also where a part of it is like ours.
#[test]
fn an_older_revision_keeps_what_is_like_a_part_of_ours() {
    let settings = |limit: &str| {
        json!({ "policy": { "empty_dir_size_limit": limit }, "admission_inject_v2": {
            "ddtraces": [{ "namespace_selectors": ["*"], "language": "java", "image": "h/j:1" }],
            "logfwds": [{ "namespace_selectors": ["*"], "image": "h/l:1", "log_volume_paths": ["/logs"] }],
        } })
        .to_string()
    };
    let bare = |volumes: Value, mounting: usize| {
        let mut bare = with_env("DaemonSet", json!([]));
        let containers =
            json!([{ "name": "app", "image": "a:1" }, { "name": "second", "image": "s:1" }]);
        let spec = &mut bare["spec"]["template"]["spec"];
        spec["containers"] = containers;
        spec["volumes"] = volumes;
        let volume = spec["volumes"][0]["name"].clone();
        spec["containers"][mounting]["volumeMounts"] =
            json!([{ "name": volume, "mountPath": "/logs", "subPath": "app" }]);
        bare
    };
    let memory = json!({ "medium": "Memory", "sizeLimit": "1Gi" });
    let own = bare(
        json!([{ "name": "own", "emptyDir": {} },
               { "name": "datakit-auto-instrument", "emptyDir": memory }]),
        1,
    );
    let newer = bare(json!([{ "name": "data", "emptyDir": {} }]), 0);
    for (earlier, today) in [("1Gi", "1024Mi"), ("1Gi", "1Gi"), ("2Gi", "1Gi")] {
        let (earlier, today) = (settings(earlier), settings(today));
        let first = defaulted(&admit(&own, None, "default", &earlier).0);
        let second = defaulted(&admit(&newer, Some(&first), "default", &today).0);
        assert!(second.to_string().contains("datakit-auto-instrument="), "{second}");
        let mut undone = second.clone();
        undone["spec"]["template"] = first["spec"]["template"].clone();
        let fresh = admit(&defaulted(&own), None, "default", &today).0;
        assert_eq!(admit(&undone, Some(&second), "default", &today).0, fresh, "{earlier} {today}");
    }
}

/// A variable of another language is the user's, whatever it says and whatever else is gone.
#[test]
fn variables_of_other_languages_are_the_users() {
    let settings = JAVA.replace("\"java\"", "\"nodejs\"");
    let env = json!([
        { "name": "JAVA_TOOL_OPTIONS", "value": OPTION.trim_start() },
        { "name": "PYTHONPATH", "value": "/datadog-lib/:/app" },
        { "name": "NODE_OPTIONS", "value": "--max-old-space-size=512" },
    ]);
    let bare = with_env("Deployment", env.clone());
    let stored = admit(&bare, None, "default", &settings).0;
    assert_ne!(stored, bare);
    let mut patched = stored.clone();
    let spec = &mut patched["spec"]["template"]["spec"];
    // A merge patch replaces the list; and a copy of a container with what was injected.
    let mut copy = spec["containers"][0].clone();
    copy["name"] = json!("copy");
    spec["containers"] = bare["spec"]["template"]["spec"]["containers"].clone();
    spec["containers"][0]["image"] = json!("app:2");
    spec["containers"].as_array_mut().unwrap().push(copy);
    let left = admit(&patched, Some(&stored), "default", "{}").0;
    for container in left["spec"]["template"]["spec"]["containers"].as_array().unwrap() {
        assert_eq!(container["env"], env);
    }
}

/// A tool that drops one policy's record drops those of all. What they share goes with the last one.
#[test]
fn the_last_policy_takes_along_what_a_dropped_record_shared() {
    let flameshot = json!({ "policy": { "id": "a", "image_pull_secrets": ["hub"] },
        "admission_inject_v2": { "flameshots": [{ "namespace_selectors": ["*"], "image": "h/f:1", "processes": "[]",
            "envs": { "FLAMESHOT_PROFILING_PATH": "/flame", "FLAMESHOT_HTTP_LOCAL_PORT": 8089 } }] } });
    let profiler = json!({ "policy": { "id": "b", "image_pull_secrets": ["hub"] },
        "admission_inject_v2": { "profilers": [
            { "namespace_selectors": ["*"], "language": "java", "image": "h/p:1" }] } });
    let logging = |id: &str| {
        json!({ "policy": { "id": id }, "admission_mutate": { "loggings": [
            { "namespace_selectors": ["default"], "label_selectors": ["app=web"],
              "config": "[{\"type\":\"file\",\"path\":\"/logs/*.log\"}]" }] } })
    };
    let logfwd = json!({ "policy": { "id": "b" }, "admission_inject_v2": { "logfwds": [
        { "namespace_selectors": ["*"], "image": "h/l:1", "log_volume_paths": ["/logs"] }] } });
    let mut bare = with_env("Deployment", json!([]));
    bare["spec"]["template"]["spec"]["imagePullSecrets"] = json!([{ "name": "own" }]);
    let pairs = [
        (flameshot.clone(), profiler.clone()),
        (profiler, flameshot),
        (logging("a"), logfwd.clone()),
        (logfwd, logging("a")),
    ];
    for (first, second) in pairs {
        let left =
            |settings: &Value| json!({ "policy": { "id": settings["policy"]["id"] } }).to_string();
        let (first, second) =
            ((first.to_string(), left(&first)), (second.to_string(), left(&second)));
        let both = |object: &Value, old: Option<&Value>, first: &str, second: &str| {
            let (object, _) = admit(object, old, "default", first);
            admit(&object, old, "default", second).0
        };
        let stored = both(&bare, None, &first.0, &second.0);
        // An apply without the annotations of the template, which changes something else.
        let mut dropped = stored.clone();
        template(&mut dropped)["metadata"].as_object_mut().unwrap().remove("annotations");
        template(&mut dropped)["spec"]["containers"][0]["image"] = json!("app:2");
        let mut changed = bare.clone();
        template(&mut changed)["spec"]["containers"][0]["image"] = json!("app:2");
        let kept = both(&dropped, Some(&stored), &first.0, &second.0);
        for (one, other) in [(&first.1, &second.0), (&first.0, &second.1)] {
            // One after the other.
            let half = both(&annotated(&kept, "x", "1"), Some(&kept), one, other);
            let out = both(&annotated(&half, "x", "2"), Some(&half), &first.1, &second.1);
            assert_eq!(out, annotated(&changed, "x", "2"));
            // One at the apply that dropped the records.
            let half = both(&dropped, Some(&stored), one, other);
            let out = both(&annotated(&half, "x", "2"), Some(&half), &first.1, &second.1);
            assert_eq!(out, annotated(&changed, "x", "2"));
        }
        let out = both(&dropped, Some(&stored), &first.1, &second.1);
        assert_eq!(out, changed);
    }
}

/// Whatever became of a variable that loads a library, it goes with the library.
#[test]
fn no_variable_loads_a_library_that_is_gone() {
    let java = |value: &str| json!([{ "name": "JAVA_TOOL_OPTIONS", "value": value }]);
    let set = |object: &Value, value: &str| {
        let mut object = object.clone();
        object["spec"]["template"]["spec"]["containers"][0]["env"] = java(value);
        object
    };
    // The template of an older revision, with the record of the current one.
    for kind in ["StatefulSet", "DaemonSet"] {
        let older = admit(&with_env(kind, java("-Xmx1g")), None, "default", JAVA).0;
        let newer = admit(&with_env(kind, json!([])), Some(&older), "default", JAVA).0;
        let mut undone = newer.clone();
        undone["spec"]["template"] = older["spec"]["template"].clone();
        let left = admit(&undone, Some(&newer), "default", "{}").0;
        assert_eq!(*env_of(&left), java("-Xmx1g"), "{kind}");
        assert_eq!(left["spec"]["template"]["spec"].get("initContainers"), None);
    }
    // Somebody added to the value.
    let injected = admit(&with_env("Deployment", java("-Xmx1g")), None, "default", JAVA).0;
    let longer = set(&injected, &format!("-Xmx1g{OPTION} -Dfoo=1"));
    let out = annotated(&longer, "admission.datakit/enabled", "false");
    let left = admit(&out, Some(&injected), "default", JAVA).0;
    assert_eq!(*env_of(&left), java("-Xmx1g -Dfoo=1"));
    // Somebody renamed the container.
    let mut renamed = injected.clone();
    renamed["spec"]["template"]["spec"]["containers"][0]["name"] = json!("web");
    let left = admit(&renamed, Some(&injected), "default", "{}").0;
    assert_eq!(*env_of(&left), java("-Xmx1g"));
    assert_eq!(left["spec"]["template"]["spec"].get("volumes"), None);
    // What the user wrote by himself is his, also where something else of ours is gone.
    let settings = r#"{"admission_inject_v2":{"ddtraces":[{"namespace_selectors":["*"],
        "language":"java","image":"h/j:1","envs":{"DD_AGENT_HOST":"dk"}}]}}"#;
    let own = format!("{} -Xmx1g", OPTION.trim_start());
    let injected = admit(&with_env("Deployment", java(&own)), None, "default", settings).0;
    let by_hand = set(&injected, &own);
    assert_ne!(by_hand, injected);
    assert_eq!(admit(&by_hand, Some(&injected), "default", settings).0, injected);
    let out = annotated(&by_hand, "admission.datakit/enabled", "false");
    assert_eq!(*env_of(&admit(&out, Some(&injected), "default", settings).0), java(&own));
}

/// Secrets that two policies need stay until the second one leaves.
#[test]
fn the_last_policy_takes_the_secrets_along() {
    let tracing = r#"{"policy":{"image_pull_secrets":["hub"]},"admission_inject_v2":{"ddtraces":[
        {"namespace_selectors":["*"],"language":"java","image":"h/j:1"}]}}"#;
    let logs = r#"{"policy":{"id":"b","image_pull_secrets":["hub"]},"admission_inject_v2":{"logfwds":[
        {"namespace_selectors":["*"],"image":"h/l:1","log_volume_paths":["/logs"]}]}}"#;
    let left = r#"{"policy":{"id":"b"}}"#;
    let mut bare = with_env("Deployment", json!([]));
    bare["spec"]["template"]["spec"]["imagePullSecrets"] = json!([{ "name": "own" }]);
    let both = |object: &Value, old: Option<&Value>, first: &str, second: &str| {
        let (object, _) = admit(object, old, "default", first);
        admit(&object, old, "default", second).0
    };
    let one = both(&bare, None, "{}", logs);
    let two = both(&annotated(&one, "x", "1"), Some(&one), tracing, logs);
    let three = both(&annotated(&two, "x", "2"), Some(&two), tracing, left);
    let secrets = |object: &Value| object["spec"]["template"]["spec"]["imagePullSecrets"].clone();
    assert_eq!(secrets(&three), json!([{ "name": "own" }, { "name": "hub" }]));
    let four = both(&annotated(&three, "x", "3"), Some(&three), "{}", left);
    assert_eq!(secrets(&four), json!([{ "name": "own" }]));
}

/// Two injections that set the same member are no removal by hand.
#[test]
fn an_unchanged_manifest_is_no_removal_by_hand() {
    let settings = json!({ "admission_inject_v2": {
        "ddtraces": [{ "namespace_selectors": ["*"], "language": "java", "image": "h/j:1" }],
        "flameshots": [{ "namespace_selectors": ["*"], "image": "h/f:1", "processes": "[]",
                         "envs": { "FLAMESHOT_PROFILING_PATH": "/flame", "FLAMESHOT_HTTP_LOCAL_PORT": 8089 } }],
        "profilers": [{ "namespace_selectors": ["*"], "language": "java", "image": "h/p:1" }],
    } })
    .to_string();
    let env = json!([{ "name": "JAVA_TOOL_OPTIONS", "value": "-Xmx1g" }]);
    let bare = with_env("Deployment", env.clone());
    let injected = admit(&bare, None, "default", &settings).0;
    assert!(injected.to_string().contains("datakit-flameshot"), "{injected}");
    // `kubectl apply` sets what the manifest names, and keeps the rest.
    let mut applied = injected.clone();
    applied["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!("-Xmx1g");
    let answer = evaluate(&request("UPDATE", &applied, Some(&injected)), &settings);
    let stored: Value = serde_json::from_str(answer.mutated_object().unwrap()).unwrap();
    assert_eq!(stored, injected);
    assert_eq!(answer.report.warnings(), [""; 0]);
}

/// What the API server adds to a manifest that was injected offline is no change of the user's.
#[test]
fn defaults_are_no_change() {
    let settings = |image: &str| {
        json!({ "admission_inject_v2": { "profilers": [
            { "namespace_selectors": ["*"], "language": "java", "image": image },
        ] } })
        .to_string()
    };
    let bare = with_env("Deployment", json!([]));
    let stored = admit(&bare, None, "default", &settings("h/p:1")).0;
    let mut replaced = bare.clone();
    replaced["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    let answer = admit(&replaced, Some(&stored), "default", &settings("h/p:2")).0;
    assert_eq!(answer, stored);
}

/// Apply merges an entry of the user's into ours, member by member. What fits the record goes, the rest
/// is the user's.
#[test]
fn what_apply_merges_into_our_entries_is_split() {
    let settings = json!({ "admission_inject_v2": {
        "ddtraces": [{ "namespace_selectors": ["*"], "language": "java", "image": "h/j:1", "envs": {
            "DD_SERVICE": "{fieldRef:metadata.labels['app']}", "DD_AGENT_HOST": "agent",
            "LIMIT": "{resourceFieldRef:limits.cpu}" } }],
        "profilers": [{ "namespace_selectors": ["*"], "language": "java", "image": "h/p:1" }],
    }, "policy": { "empty_dir_size_limit": "1Gi" } })
    .to_string();
    let mut bare = with_env("Deployment", json!([]));
    let limits = json!({ "limits": { "cpu": "1", "memory": "1Gi" } });
    bare["spec"]["template"]["spec"]["containers"][0]["resources"] = limits;
    let stored = defaulted(&admit(&bare, None, "default", &settings).0);
    let place = |object: &Value, list: &str, name: &str| {
        let list = object["spec"]["template"]["spec"].pointer(list).unwrap().as_array().unwrap();
        list.iter().position(|element| element["name"] == name).unwrap()
    };
    let env = "/containers/0/env";
    for (list, name, member, rest) in [
        (env, "DD_SERVICE", json!({ "value": "checkout" }), json!({ "value": "checkout" })),
        (
            env,
            "DD_SERVICE",
            json!({ "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k" } } }),
            json!({ "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k" } } }),
        ),
        (
            env,
            "DD_AGENT_HOST",
            json!({ "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } }),
            json!({ "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } }),
        ),
        // Ours has a divisor for CPUs, and names the container.
        (
            env,
            "LIMIT",
            json!({ "valueFrom": { "resourceFieldRef": { "resource": "limits.memory" } } }),
            json!({ "valueFrom": { "resourceFieldRef": { "resource": "limits.memory" } } }),
        ),
        (
            env,
            "LIMIT",
            json!({ "valueFrom": { "resourceFieldRef": { "divisor": "1" } } }),
            json!({ "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu", "divisor": "1" } } }),
        ),
        (
            "/volumes",
            "timezone",
            json!({ "hostPath": { "path": "/srv/zone" } }),
            json!({ "hostPath": { "path": "/srv/zone" } }),
        ),
        (
            "/volumes",
            "tmp",
            json!({ "emptyDir": { "medium": "Memory" } }),
            json!({ "emptyDir": { "medium": "Memory" } }),
        ),
        (
            "/volumes",
            "tmp",
            json!({ "persistentVolumeClaim": { "claimName": "x" } }),
            json!({ "persistentVolumeClaim": { "claimName": "x" } }),
        ),
    ] {
        let mut merged = stored.clone();
        let index = place(&merged, list, name);
        let path = format!("/spec/template/spec{list}/{index}");
        let entry = merged.pointer_mut(&path).unwrap();
        merge(entry, &member);
        let answer = admit(&merged, Some(&stored), "default", &settings).0;
        let own = place(&answer, list, name);
        let mut expected = json!({ "name": name });
        expected.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let found = &answer.pointer(&format!("/spec/template/spec{list}/{own}")).unwrap();
        assert_eq!(**found, expected, "{name}");
        // An emptyDir of that name serves as ours.
        if list == "/volumes" && rest.get("emptyDir").is_none() {
            place(&answer, "/volumes", &format!("{name}-datakit"));
        }
        let out = annotated(&answer, "admission.datakit/enabled", "false");
        let out = admit(&out, Some(&answer), "default", &settings).0;
        let spec = &out["spec"]["template"]["spec"];
        let list = spec.pointer(list).unwrap();
        assert_eq!(*list, json!([expected]), "{name}");
    }
}

/// Merges as apply does where both have an object.
fn merge(into: &mut Value, other: &Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (key, value) in other {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, other) => *into = other.clone(),
    }
}

/// Of a volume that the user makes something else of, and mounts where ours is, the mount is the user's.
#[test]
fn a_mount_of_the_users_volume_stays_where_ours_was() {
    let settings = json!({ "admission_inject_v2": { "profilers": [
        { "namespace_selectors": ["*"], "language": "java", "image": "h/p:1" },
    ] } })
    .to_string();
    let bare = with_env("Deployment", json!([]));
    let stored = admit(&bare, None, "default", &settings).0;
    // Apply gives our volume the user's source; the mounts are the same.
    let mut applied = stored.clone();
    let volumes = applied["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap();
    let own = json!({ "name": "tmp", "persistentVolumeClaim": { "claimName": "scratch" } });
    *volumes.iter_mut().find(|volume| volume["name"] == "tmp").unwrap() = own.clone();
    let answer = admit(&applied, Some(&stored), "default", &settings).0;
    let mounts_tmp = |object: &Value| -> Vec<Value> {
        let mounts = &object["spec"]["template"]["spec"]["containers"][0]["volumeMounts"];
        let mounts = mounts.as_array().into_iter().flatten();
        mounts.filter(|it| it["mountPath"] == "/tmp").map(|it| it["name"].clone()).collect()
    };
    let expected = vec![json!("tmp")];
    assert_eq!(expected, mounts_tmp(&answer));
    assert_eq!(admit(&answer, Some(&answer), "default", &settings).0, answer);
    let out = annotated(&answer, "admission.datakit/enabled", "false");
    let out = admit(&out, Some(&answer), "default", &settings).0;
    assert_eq!(expected, mounts_tmp(&out));
    assert_eq!(out["spec"]["template"]["spec"]["volumes"], json!([own]));
}

/// The notes of apply in an object: the annotation of `kubectl apply`, or the fields that server-side
/// apply gives an owner.
fn noted(object: &Value, manifest: &Value, is_server_side: bool) -> Value {
    fn fields(value: &Value, list: &str) -> Value {
        let key = merge_key(list);
        let element = |it: &Value| {
            let key = key.unwrap();
            let mut fields = fields(it, "");
            fields["."] = json!({});
            (format!("k:{}", json!({ key: it[key] })), fields)
        };
        match value {
            Value::Object(members) => {
                members.iter().map(|(key, it)| (format!("f:{key}"), fields(it, key))).collect()
            }
            Value::Array(elements) if key.is_some() => elements.iter().map(element).collect(),
            _ => json!({}),
        }
    }
    let mut object = object.clone();
    if is_server_side {
        object["metadata"]["managedFields"] = json!([
            { "manager": "kubectl", "operation": "Apply", "fieldsV1": fields(manifest, "") },
            { "manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields(&object, "") },
        ]);
    } else {
        object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
            json!(manifest.to_string());
    }
    object
}

/// Settings that inject a profiler, and a workload of two containers.
fn profiled_with_side() -> (String, Value) {
    let settings = json!({ "admission_inject_v2": { "profilers": [
        { "namespace_selectors": ["*"], "language": "java", "image": "h/p:1" },
    ] } });
    let mut bare = with_env("Deployment", json!([]));
    let containers = json!([{ "name": "app", "image": "a:1" }, { "name": "side", "image": "s:1" }]);
    bare["spec"]["template"]["spec"]["containers"] = containers;
    (settings.to_string(), bare)
}

/// The user's own volume of a name that ours has, and its mounts, are as if the object were new.
#[test]
fn a_volume_of_the_users_takes_the_name_of_ours() {
    let (settings, bare) = profiled_with_side();
    let stored = defaulted(&admit(&bare, None, "default", &settings).0);
    let sources = [
        json!({ "hostPath": { "path": "/data/tmp" } }),
        json!({ "hostPath": { "path": "/usr/share/zoneinfo/Asia/Shanghai", "type": "File" } }),
        json!({ "configMap": { "name": "c" } }),
        json!({ "secret": { "secretName": "s" } }),
        json!({ "persistentVolumeClaim": { "claimName": "c" } }),
        json!({ "emptyDir": { "medium": "Memory" } }),
    ];
    let mut compared = 0;
    for (name, source, path) in ["tmp", "timezone", "datakit-profiler-volume"]
        .iter()
        .flat_map(|name| sources.iter().map(move |source| (name, source)))
        .flat_map(|(name, source)| {
            ["/tmp", "/etc/localtime", "/work", "/app/datakit-profiler"]
                .map(|path| (name, source, path))
        })
    {
        for (sub_path, is_in_both, is_server_side) in
            (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0))
        {
            let mut own = bare.clone();
            let spec = &mut own["spec"]["template"]["spec"];
            let mut volume = source.clone();
            volume["name"] = json!(name);
            spec["volumes"] = json!([volume]);
            let mut mount = json!({ "name": name, "mountPath": path });
            if sub_path {
                mount["subPath"] = json!("part");
            }
            for container in 0..=usize::from(is_in_both) {
                spec["containers"][container]["volumeMounts"] = json!([mount]);
            }
            let mut merged = applied(&stored, Some(&bare), &own, "", false);
            if !is_server_side {
                // `kubectl apply` replaces the source.
                let volumes = merged["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap();
                *volumes.iter_mut().find(|it| it["name"] == *name).unwrap() = volume.clone();
            }
            let what = format!("{volume} {mount} {is_in_both} {is_server_side}");
            let merged = noted(&defaulted(&merged), &own, is_server_side);
            let (mut answer, _) = admit(&merged, Some(&stored), "default", &settings);
            let fresh = defaulted(&admit(&defaulted(&own), None, "default", &settings).0);
            answer["metadata"] = fresh["metadata"].clone();
            let unordered = |object: &Value| {
                let mut spec = defaulted(object)["spec"]["template"]["spec"].clone();
                let containers = spec["containers"].as_array_mut().unwrap();
                for mounts in containers.iter_mut().filter_map(|it| it.get_mut("volumeMounts")) {
                    mounts.as_array_mut().unwrap().sort_by_key(ToString::to_string);
                }
                containers.sort_by_key(|it| it["name"].to_string());
                spec["volumes"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
                spec
            };
            assert_eq!(unordered(&answer), unordered(&fresh), "{what}");
            // What is the user's stays when the injection goes.
            let out = annotated(&answer, "admission.datakit/enabled", "false");
            let out = admit(&out, Some(&answer), "default", &settings).0;
            assert_eq!(unordered(&out), unordered(&own), "{what}");
            compared += 1;
        }
    }
    println!("{compared} compared");
}

/// Where nothing tells in which container a mount is the user's, none goes; another mount of the volume
/// tells that this one is ours.
#[test]
fn a_mount_that_may_be_the_users_stays_with_a_warning() {
    let (settings, bare) = profiled_with_side();
    let stored = admit(&bare, None, "default", &settings).0;
    let warning = "Deployment/web: several containers mount a volume of yours where an injected one of its \
                   name was; remove the mounts that are not meant";
    for (name, path) in [("tmp", "/tmp"), ("timezone", "/etc/localtime")] {
        for (sub_path, mounting, warnings) in
            [(None, vec!["app", "side"], vec![warning]), (Some("part"), vec!["app"], vec![])]
        {
            let mut merged = stored.clone();
            let spec = &mut merged["spec"]["template"]["spec"];
            for volume in spec["volumes"].as_array_mut().unwrap() {
                if volume["name"] == name {
                    *volume = json!({ "name": name, "configMap": { "name": "c" } });
                }
            }
            for mount in spec["containers"][0]["volumeMounts"].as_array_mut().unwrap() {
                if let Some(part) = sub_path.filter(|_| mount["mountPath"] == path) {
                    mount["subPath"] = json!(part);
                }
            }
            let answer = evaluate(&request("UPDATE", &merged, Some(&stored)), &settings);
            assert_eq!(answer.report.warnings(), warnings, "{name} {sub_path:?}");
            let object: Value = serde_json::from_str(answer.mutated_object().unwrap()).unwrap();
            let containers = object["spec"]["template"]["spec"]["containers"].as_array().unwrap();
            let mounts = |container: &&Value| {
                let mut mounts = container["volumeMounts"].as_array().unwrap().iter();
                mounts.any(|it| it["mountPath"] == path && it["name"] == name)
            };
            let found: Vec<&Value> =
                containers.iter().filter(mounts).map(|it| &it["name"]).collect();
            assert_eq!(found, mounting, "{name} {sub_path:?}");
        }
    }
}

/// A secret of ours that a whole list of the user's replaced is no removal by hand.
#[test]
fn a_replaced_list_of_secrets_is_no_removal_by_hand() {
    let settings = json!({
        "policy": { "image_pull_secrets": ["hub"], "extra_workloads": [
            { "group": "argoproj.io", "kind": "Rollout", "template": "/spec/template" } ] },
        "admission_inject_v2": { "profilers": [
            { "namespace_selectors": ["*"], "language": "java", "image": "h/p:1" } ] },
    })
    .to_string();
    let mut bare = with_env("Deployment", json!([]));
    bare["apiVersion"] = json!("argoproj.io/v1alpha1");
    bare["kind"] = json!("Rollout");
    let spec = &mut bare["spec"]["template"]["spec"];
    spec["imagePullSecrets"] = json!([{ "name": "mine" }]);
    let mut injection = request("CREATE", &bare, None);
    injection["kind"] = json!({ "group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout" });
    let answer = evaluate(&injection, &settings);
    let stored: Value = serde_json::from_str(answer.mutated_object().unwrap()).unwrap();
    // Apply replaces lists as a whole, and keeps what is set beside them.
    let mut applied = stored.clone();
    let spec = &mut applied["spec"]["template"]["spec"];
    for list in ["containers", "imagePullSecrets"] {
        spec[list] = bare["spec"]["template"]["spec"][list].clone();
    }
    spec.as_object_mut().unwrap().remove("volumes");
    let mut update = request("UPDATE", &applied, Some(&stored));
    update["kind"] = injection["kind"].clone();
    let answer = evaluate(&update, &settings);
    assert_eq!(answer.report.warnings(), [""; 0]);
    let restored: Value = serde_json::from_str(answer.mutated_object().unwrap()).unwrap();
    assert_eq!(restored, stored);
}

/// A mount of ours lends its `subPath` to nobody.
#[test]
fn a_mount_of_the_users_keeps_no_sub_path_of_ours() {
    let settings = r#"{"admission_inject_v2":{"logfwds":[{"namespace_selectors":["*"],
        "image":"h/l:1","log_volume_paths":["/logs"]}]}}"#;
    let mut bare = with_env("Deployment", json!([]));
    let spec = &mut bare["spec"]["template"]["spec"];
    spec["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
    spec["containers"][0]["volumeMounts"] =
        json!([{ "name": "data", "mountPath": "/logs", "subPath": "app" }]);
    spec["containers"].as_array_mut().unwrap().push(json!({ "name": "second" }));
    let stored = admit(&bare, None, "default", settings).0;
    let mounts = "/spec/template/spec/containers/1/volumeMounts";
    let ours = json!([{ "mountPath": "/logs", "name": "data", "subPath": "app" }]);
    assert_eq!(*stored.pointer(mounts).unwrap(), ours);
    let mut merged = stored.clone();
    merged["spec"]["template"]["spec"]["volumes"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "own", "emptyDir": {} }));
    *merged.pointer_mut(mounts).unwrap() =
        json!([{ "mountPath": "/logs", "name": "own", "subPath": "app" }]);
    let answer = admit(&merged, Some(&stored), "default", settings).0;
    assert_eq!(*answer.pointer(mounts).unwrap(), json!([{ "mountPath": "/logs", "name": "own" }]));
}

/// The record after an update is that of a new object, empty lists included.
#[test]
fn empty_lists_are_remembered_in_every_generation() {
    let settings = json!({ "policy": { "image_pull_secrets": ["hub"], "extra_workloads": [
        { "group": "argoproj.io", "kind": "Rollout", "template": "/spec/template" },
    ] }, "admission_inject_v2": { "profilers": [
        { "namespace_selectors": ["*"], "language": "java", "image": "h/p:1" },
    ], "ddtraces": [{ "namespace_selectors": ["*"], "language": "java", "image": "h/j:1" }] } })
    .to_string();
    for (empty, kind) in
        [(json!([]), "Rollout"), (Value::Null, "Rollout"), (json!([]), "Deployment")]
    {
        let mut bare = with_env(kind, empty.clone());
        if kind == "Rollout" {
            bare["apiVersion"] = json!("argoproj.io/v1alpha1");
        }
        let template = &mut bare["spec"]["template"];
        template["metadata"]["annotations"] = if empty.is_null() { Value::Null } else { json!({}) };
        template["spec"]["containers"][0]["volumeMounts"] = empty.clone();
        for list in ["volumes", "initContainers", "imagePullSecrets"] {
            template["spec"][list] = empty.clone();
        }
        let mut stored = admit(&bare, None, "default", &settings).0;
        for generation in 1..4 {
            let image = json!(format!("app:{generation}"));
            let mut changed = stored.clone();
            changed["spec"]["template"]["spec"]["containers"][0]["image"] = image.clone();
            bare["spec"]["template"]["spec"]["containers"][0]["image"] = image;
            stored = admit(&changed, Some(&stored), "default", &settings).0;
            assert_eq!(stored, admit(&bare, None, "default", &settings).0, "{kind}");
        }
        let out = policy::uninject(&stored.to_string(), &settings, None).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&out.object).unwrap(), bare, "{kind}");
    }
}

/// A tool that drops the annotation and the containers leaves no variable that loads a library.
#[test]
fn the_stored_record_counts_where_a_tool_dropped_the_annotation() {
    let bare = with_env("Deployment", json!([{ "name": "JAVA_TOOL_OPTIONS", "value": "-Xmx1g" }]));
    let stored = admit(&bare, None, "default", JAVA).0;
    let mut dropped = stored.clone();
    without_record(&mut dropped);
    dropped["spec"]["template"]["spec"].as_object_mut().unwrap().remove("initContainers");
    assert_eq!(admit(&dropped, Some(&stored), "default", JAVA).0, stored);
    let out = annotated(&dropped, "admission.datakit/enabled", "false");
    let expected = annotated(&bare, "admission.datakit/enabled", "false");
    assert_eq!(admit(&out, Some(&stored), "default", JAVA).0, expected);
}

/// Names that Kubernetes refuses break no record.
#[test]
fn containers_of_any_name_are_taken_out_exactly() {
    let mut bare = with_env("Deployment", json!([]));
    let containers = ["a b", "a", "a", "a#1", "a%20b", "x/env", "", "new null"];
    bare["spec"]["template"]["spec"]["containers"] =
        json!(containers.map(|name| json!({ "name": name, "image": "a:1" })));
    let injected = admit(&bare, None, "default", JAVA).0;
    assert_eq!(injected.to_string().matches("-javaagent").count(), containers.len());
    let out = policy::uninject(&injected.to_string(), JAVA, None).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&out.object).unwrap(), bare);
}

/// Whether an injection is there by the record of another policy, or by none, is told.
#[test]
fn warns_of_containers_that_are_not_in_its_record() {
    let with_id = |id: &str| JAVA.replacen('{', &format!(r#"{{"policy":{{"id":"{id}"}},"#), 1);
    let bare = with_env("Deployment", json!([]));
    let warnings = |object: &Value, old: Option<&Value>, settings: &str| {
        let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
        evaluate(&request(operation, object, old), settings).report.warnings()
    };
    for (first, second, key) in [
        (JAVA.to_owned(), with_id("team"), RECORD.to_owned()),
        (with_id("old"), JAVA.to_owned(), format!("{RECORD}.old")),
    ] {
        let stored = admit(&bare, None, "default", &first).0;
        let expected = format!(
            "ddtrace-java in Deployment/web: record {key} of another policy has it; see policy.id"
        );
        assert_eq!(warnings(&stored, None, &second), [&*expected]);
        let changed = annotated(&stored, "x", "y");
        assert_eq!(warnings(&changed, Some(&stored), &second), [&*expected]);
        assert_eq!(warnings(&stored, Some(&stored), &second), [""; 0]);
    }
    // An Operator injected it; the next apply took the option out of the variable.
    let mut half = admit(&bare, None, "default", JAVA).0;
    without_record(&mut half);
    assert_eq!(warnings(&half, None, JAVA), [""; 0]);
    half["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{ "name": "JAVA_TOOL_OPTIONS", "value": "-Xmx1g" }]);
    assert_eq!(
        warnings(&half, None, JAVA),
        [
            "ddtrace-java in Deployment/web: its init container is there without a record, but container \
          `app` does not load the library; `kubectl replace` with your own manifest injects anew"
        ]
    );
    // A container that loads the library from elsewhere would get no second one.
    let containers = half["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
    containers[0]["args"] = json!(["-javaagent:/x/dd-java-agent.jar"]);
    assert_eq!(warnings(&half, None, JAVA), [""; 0]);
}

/// Nothing is missing from a Pod that a controller made: its record says what is in it.
#[test]
fn pods_with_the_record_of_their_template_get_no_warning() {
    let asked = r#"{"policy":{"id":"a"},"admission_inject":{"ddtrace":{"images":{"java_agent_image":"h/j:1",
        "python_agent_image":"h/p:1"}}}}"#;
    let mut bare =
        annotated(&with_env("Deployment", json!([])), "admission.datakit/java-lib.version", "");
    let containers = bare["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
    containers
        .push(json!({ "name": "b", "image": "b:1", "args": ["-javaagent:/x/dd-java-agent.jar"] }));
    let mut of_template = admit(&bare, None, "default", asked).0["spec"]["template"].clone();
    of_template["apiVersion"] = json!("v1");
    of_template["kind"] = json!("Pod");
    of_template["metadata"]["name"] = json!("web");
    let added = json!({ "name": "added-by-others", "image": "c:1" });
    of_template["spec"]["containers"].as_array_mut().unwrap().push(added);
    let warnings = |pod: &Value, settings: &str| {
        evaluate(&request("CREATE", pod, None), settings).report.warnings()
    };
    let python = asked.replace("java_agent_image", "js_agent_image").replace("\"a\"", "\"b\"");
    for (settings, key, value) in [
        (asked, "x", "y"),
        (asked, "admission.datakit/java-lib.version", "v7"),
        (&*python, "admission.datakit/python-lib.version", ""),
    ] {
        let mut pod = of_template.clone();
        pod["metadata"]["annotations"][key] = json!(value);
        if settings == python {
            let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
            annotations.remove("admission.datakit/java-lib.version");
        }
        assert_eq!(warnings(&pod, settings), [""; 0], "{key}");
        let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove("admission.datakit/injected.a");
        assert_ne!(warnings(&pod, settings), [""; 0], "{key}");
    }
}

/// The template of a Job is immutable: an apply that sets back what was extended is answered with the
/// stored one.
#[test]
fn an_unchanged_manifest_of_a_job_can_be_applied_again() {
    let env = json!([{ "name": "JAVA_TOOL_OPTIONS", "value": "-Xmx1g" }, { "name": "DD_TAGS", "value": "a:b" }]);
    let mut bare = with_env("Job", env.clone());
    bare["apiVersion"] = json!("batch/v1");
    let settings =
        JAVA.replace(r#""image":"h/j:1""#, r#""image":"h/j:1","envs":{"DD_TAGS":"c:d"}"#);
    let stored = admit(&bare, None, "default", &settings).0;
    assert_eq!(env_of(&stored)[1]["value"], "a:b,c:d");
    let mut applied = stored.clone();
    for variable in env.as_array().unwrap() {
        let env =
            applied["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap();
        *env.iter_mut().find(|it| it["name"] == variable["name"]).unwrap() = variable.clone();
    }
    for settings in [&*settings, "{}"] {
        assert_eq!(admit(&applied, Some(&stored), "default", settings).0, stored);
    }
    // Everything else is the API server's to refuse.
    let changed = annotated(&applied, "x", "y");
    for (object, old) in [(&changed, &stored), (&bare, &bare), (&stored, &stored)] {
        let answer = evaluate(&request("UPDATE", object, Some(old)), &settings);
        assert_eq!(answer.mutated_object(), None);
        assert_eq!(answer.report.warnings(), [""; 0]);
    }
}

/// A Pod gets no record, and keeps the one that its template has.
#[test]
fn pods_keep_the_record_of_their_template() {
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }] } });
    let injected = admit(&pod, None, "default", JAVA).0;
    assert!(injected["spec"]["initContainers"].is_array());
    assert_eq!(injected["metadata"], pod["metadata"]);
    let mut of_template =
        admit(&with_env("Deployment", json!([])), None, "default", JAVA).0["spec"]["template"]
            .clone();
    of_template["apiVersion"] = json!("v1");
    of_template["kind"] = json!("Pod");
    let newer = JAVA.replace("h/j:1", "h/j:2");
    let answer = evaluate(&request("CREATE", &of_template, None), &newer);
    assert_eq!(answer.mutated_object(), None);
    assert_eq!(answer.report.warnings(), [""; 0]);
}
