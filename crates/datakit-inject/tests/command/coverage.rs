//! What runs in a cluster with the injections, and what without.

use datakit_injection::policy;
use serde_json::{Value, json};

use crate::{file, run, text};
use testing::requests::{payload, request, sorted};

const SETTINGS: &str = r#"{"admission_inject_v2":{"ddtraces":[{"language":"java",
    "label_selectors":["lang=java"],"image":"hub/java:2","envs":{"Z":"z","A":"a"}}]},
    "policy":{"ignored_namespaces":["kube-system"]}}"#;

fn pod(name: &str, namespace: &str, owner: Option<&str>, extra: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "labels": { "lang": "java" } },
        "spec": { "containers": [{ "name": "c", "image": "i" }] },
        "status": { "phase": "Running" },
    });
    if let Some(owner) = owner {
        pod["metadata"]["ownerReferences"] =
            json!([{ "kind": "ReplicaSet", "name": owner, "controller": true }]);
    }
    merge(&mut pod, extra);
    pod
}

fn merged(mut object: Value, extra: Value) -> Value {
    merge(&mut object, extra);
    object
}

fn deployment(name: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": "shop" },
        "spec": { "template": { "metadata": { "labels": { "lang": "java" } },
            "spec": { "containers": [{ "name": "c", "image": "i" }] } } } })
}

/// A Deployment as this policy injects into it, with Kubewarden's order of settings for `web`.
fn recorded(name: &str, image: &str) -> Value {
    let settings = SETTINGS.replace("hub/java:2", image);
    let settings = if name == "web" { sorted(&settings) } else { settings };
    let answer = policy::evaluate(
        payload(&request("CREATE", &deployment(name), None), &settings).as_bytes(),
    );
    serde_json::from_str(answer.mutated_object().unwrap()).unwrap()
}

/// What the API server adds to the init container.
fn stored() -> Value {
    let answer = recorded("web", "hub/java:2");
    let mut init = answer["spec"]["template"]["spec"]["initContainers"].clone();
    merge(&mut init[0], json!({ "terminationMessagePath": "/dev/termination-log" }));
    json!({ "status": {}, "spec": { "template": { "spec": { "initContainers": init } } } })
}

fn merge(object: &mut Value, extra: Value) {
    match (object, extra) {
        (Value::Object(object), Value::Object(extra)) => {
            for (key, value) in extra {
                merge(object.entry(key).or_insert(Value::Null), value);
            }
        }
        (object, extra) => *object = extra,
    }
}

fn injected(image: &str) -> Value {
    json!({ "spec": { "initContainers": [{ "name": "datakit-lib-init", "image": image }] } })
}

fn cluster() -> Vec<Value> {
    let annotation =
        |key: &str, value: &str| json!({ "metadata": { "annotations": { key: value } } });
    vec![
        pod("web-5d4-a", "shop", Some("web-5d4"), json!({})),
        pod("web-5d4-b", "shop", Some("web-5d4"), json!({})),
        pod("api-1", "shop", None, injected("hub/java:2")),
        pod("api-2", "shop", None, injected("hub/java:1")),
        pod("gone", "shop", None, json!({ "status": { "phase": "Succeeded" } })),
        pod("out", "shop", None, annotation("admission.datakit/enabled", "false")),
        pod("half", "shop", None, annotation("admission.datakit/ddtrace.enabled", "false")),
        pod("win", "shop", None, json!({ "spec": { "os": { "name": "windows" } } })),
        pod("go", "other", None, json!({ "metadata": { "labels": { "lang": "go" } } })),
        pod("dns", "kube-system", None, json!({})),
        merged(
            deployment("bad"),
            json!({ "spec": { "template": annotation("admission.datakit/injected", "{}") } }),
        ),
        deployment("new"),
        merged(recorded("web", "hub/java:2"), stored()),
        recorded("sent", "hub/java:2"),
        recorded("old", "hub/java:1"),
        merged(
            recorded("left", "hub/java:2"),
            json!({ "spec": { "template": { "metadata": {
            "annotations": { "admission.datakit/enabled": "false" } } } } }),
        ),
        json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": { "name": "web-5d4" } }),
    ]
}

const TABLE: &str = "\
NAMESPACE     WORKLOAD             PODS   STATE               INJECTIONS     REASON
kube-system   Pod/dns              1      not-selected        -              the namespace is in policy.ignored_namespaces
other         Pod/go               1      not-selected        -
shop          Deployment/bad       -      unreadable-record   -              the record of earlier injections cannot be read
shop          Deployment/left      -      outdated            -              the next rollout removes ddtrace-java
shop          Deployment/new       -      pending             ddtrace-java
shop          Deployment/old       -      outdated            ddtrace-java   datakit-lib-init runs hub/java:1, the settings name hub/java:2
shop          Deployment/sent      -      up-to-date          ddtrace-java
shop          Deployment/web       -      up-to-date          ddtrace-java
shop          Pod/api-1            1      up-to-date          ddtrace-java
shop          Pod/api-2            1      outdated            ddtrace-java   datakit-lib-init runs hub/java:1, the settings name hub/java:2
shop          Pod/half             1      opted-out           -              admission.datakit/ddtrace.enabled opts out
shop          Pod/out              1      opted-out           -              admission.datakit/enabled opts out
shop          Pod/win              1      skipped             ddtrace-java   ddtrace-java: the pod runs on Windows
shop          ReplicaSet/web-5d4   2      pending             ddtrace-java

15 objects: 3 up-to-date, 3 outdated, 3 pending, 1 skipped, 1 unreadable-record, 2 opted-out, 2 not-selected
";

#[test]
fn says_what_runs_without() {
    let settings = file("coverage-settings.json", SETTINGS);
    let list = json!({ "apiVersion": "v1", "items": cluster(), "kind": "List" });
    let yaml = serde_norway::to_string(&list).unwrap();
    let stream: Vec<_> = cluster().iter().map(Value::to_string).collect();
    for input in [list.to_string(), yaml, stream.join("\n")] {
        let output = run(&["coverage", "-s", &settings], &input);
        assert_eq!(text(&output.stderr), "");
        assert_eq!(text(&output.stdout), TABLE);
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn says_it_to_machines() {
    let settings = file("coverage-machines.json", SETTINGS);
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": cluster() }).to_string();
    let output = run(&["coverage", "-s", &settings, "-o", "json"], &list);
    let coverage: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(coverage["summary"]["pending"], 3);
    assert_eq!(
        coverage["workloads"][13],
        json!({
            "namespace": "shop", "workload": "ReplicaSet/web-5d4", "pods": true, "objects": 2,
            "state": "pending", "injections": ["ddtrace-java"], "reason": null,
        })
    );
    let output = run(&["coverage", "-s", &settings, "-o", "yaml"], &list);
    let same: Value = serde_norway::from_slice(&output.stdout).unwrap();
    assert_eq!(same, coverage);
}

#[test]
fn fails_on_what_is_missing() {
    let settings = file("coverage-fails.json", SETTINGS);
    for (object, missing, outdated) in [
        (pod("a", "shop", None, json!({})), 1, 1),
        (pod("a", "shop", None, injected("hub/java:2")), 0, 0),
        (pod("a", "shop", None, injected("hub/java:1")), 0, 1),
    ] {
        for (fail_on, expected) in [("missing", missing), ("outdated", outdated)] {
            let arguments = ["coverage", "-s", &settings, "--fail-on", fail_on];
            let output = run(&arguments, &object.to_string());
            assert_eq!(output.status.code(), Some(expected), "{object}");
        }
    }
}

#[test]
fn reads_lists_of_one_kind_and_says_what_is_broken() {
    let settings = file("coverage-lists.json", SETTINGS);
    let mut pod = pod("a", "shop", None, json!({}));
    pod.as_object_mut().unwrap().remove("kind");
    let list = format!(r#"{{"kind":"PodList","apiVersion":"v1","items":[{pod}]}}"#);
    let output = run(&["coverage", "-s", &settings], &list);
    assert!(text(&output.stdout).contains("shop        Pod/a      1      pending"));
    let empty = run(&["coverage", "-s", &settings], r#"{"kind":"List","items":null}"#);
    assert_eq!((text(&empty.stdout), empty.status.code()), ("0 objects\n".to_owned(), Some(0)));
    let cut = format!("{}\n{}", list, list.get(..list.len() - 2).unwrap());
    let output = run(&["coverage", "-s", &settings], &cut);
    assert!(text(&output.stdout).ends_with("1 object: 1 pending\n"), "{}", text(&output.stdout));
    assert_eq!(text(&output.stderr), "error: -:2: not JSON: EOF while parsing a list\n");
    assert_eq!(output.status.code(), Some(2));
}

/// A check must not pass because the command before it failed.
#[test]
fn refuses_an_empty_input() {
    let args = ["coverage", "-s", &file("settings.json", SETTINGS), "--fail-on", "missing"];
    for input in ["", "\n"] {
        let output = run(&args, input);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("is empty"), "{}", text(&output.stderr));
    }
    let none = run(&args, r#"{"apiVersion":"v1","kind":"List","items":[]}"#);
    assert_eq!(none.status.code(), Some(0));
}

/// A check must not pass on what has no objects: the message or the table of a command that failed.
#[test]
fn refuses_what_kubectl_does_not_print() {
    let args = ["coverage", "-s", &file("settings.json", SETTINGS), "--fail-on", "missing"];
    for input in [
        "error: You must be logged in to the server (Unauthorized)\n",
        "Unable to connect to the server\n",
        "NAME   READY   UP-TO-DATE   IMAGES\nweb    1/1     1            hub/web:1\n",
        "null",
        "[]",
        "---\n",
        "{}",
        r#"{"a":1}"#,
        r#"{"kind":"List"}"#,
        r#"{"kind":"List","items":"x"}"#,
        r#"{"kind":"List","items":["x"]}"#,
        r#"{"kind":"List","items":[]}{"a":1}"#,
        "kind: List\nitems: []\n---\na: 1\n",
    ] {
        let output = run(&args, input);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{input}: {stderr}");
        assert!(stderr.contains("not what `kubectl get -o json` prints"), "{input}: {stderr}");
    }
    for input in [
        r#"{"apiVersion":"v1","kind":"List","items":[]}"#,
        "---\napiVersion: v1\nitems: []\nkind: List\n---\n",
        r#"{"kind":"PodList","items":null}"#,
    ] {
        assert_eq!(run(&args, input).status.code(), Some(0), "{input}");
    }
}

/// A Deployment or the like with a Pod of it that is not injected.
fn with_pod(kind: &str, spec: Value) -> String {
    let mut owner = merged(deployment("web"), json!({ "kind": kind }));
    merge(&mut owner, json!({ "spec": spec }));
    let mut pod = pod("web-1", "shop", Some("web"), json!({}));
    pod["metadata"]["ownerReferences"][0]["kind"] = kind.into();
    json!({ "apiVersion": "v1", "kind": "List", "items": [owner, pod] }).to_string()
}

#[test]
fn restarts_only_what_can_be_waited_for() {
    let settings = file("coverage-restart.json", SETTINGS);
    let script = |input: &str| {
        let output = run(&["coverage", "-s", &settings, "-o", "restart"], input);
        assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
        text(&output.stdout)
    };
    let on_delete = json!({ "updateStrategy": { "type": "OnDelete" } });
    let left =
        |kind: &str, why: &str| format!("# {kind}/web in shop: {why}\n# nothing to restart\n");
    assert_eq!(
        script(&with_pod("Deployment", json!({ "paused": true }))),
        left("Deployment", "its rollout is paused; resume it first")
    );
    for kind in ["DaemonSet", "StatefulSet"] {
        let why = "its update strategy is OnDelete; restart it, then delete its pods";
        assert_eq!(script(&with_pod(kind, on_delete.clone())), left(kind, why));
        let rolling = json!({ "updateStrategy": { "type": "RollingUpdate" } });
        assert!(script(&with_pod(kind, rolling)).starts_with("set -e\n"));
    }
    assert!(script(&with_pod("Deployment", json!({}))).starts_with("set -e\n"));
}

#[test]
fn leaves_out_what_has_ended() {
    let settings = file("coverage-ended.json", SETTINGS);
    let job = |conditions: Value| {
        let status = json!({ "conditions": conditions });
        merged(
            deployment("j"),
            json!({ "apiVersion": "batch/v1", "kind": "Job", "status": status }),
        )
    };
    let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status });
    let deleted = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    for (object, expected) in [
        (job(json!([])), "1 object: 1 pending\n"),
        (job(json!([condition("Complete", "False")])), "1 object: 1 pending\n"),
        (job(json!([condition("Suspended", "True")])), "1 object: 1 pending\n"),
        (
            job(json!([condition("SuccessCriteriaMet", "True"), condition("Complete", "True")])),
            "0 objects\n",
        ),
        (job(json!([condition("Failed", "True")])), "0 objects\n"),
        (pod("a", "shop", None, deleted.clone()), "0 objects\n"),
        (pod("a", "shop", None, json!({})), "1 object: 1 pending\n"),
        (merged(deployment("a"), deleted), "1 object: 1 pending\n"),
    ] {
        let stdout = text(&run(&["coverage", "-s", &settings], &object.to_string()).stdout);
        assert!(stdout.ends_with(expected), "{object}: {stdout}");
    }
}

/// One Pod that does not come up does not make the others crash; its workload crashes.
#[test]
fn counts_the_pods_that_crash() {
    let settings = file("coverage-crashing.json", SETTINGS);
    let statuses = |ready: bool| match ready {
        true => json!([{ "name": "c", "ready": true, "state": { "running": {} } }]),
        false => json!([{ "name": "c", "state": { "waiting": { "reason": "CrashLoopBackOff" } } }]),
    };
    let pods = [("a", false), ("b", true), ("c", true)].map(|(name, ready)| {
        let mut pod = pod(name, "shop", Some("web"), injected("hub/java:2"));
        pod["metadata"]["ownerReferences"][0]["kind"] = "Deployment".into();
        merged(pod, json!({ "status": { "containerStatuses": statuses(ready) } }))
    });
    let owner = merged(recorded("web", "hub/java:2"), stored());
    let items = [&[owner][..], &pods].concat();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    let stdout = text(&run(&["coverage", "-s", &settings], &list.to_string()).stdout);
    assert_eq!(stdout.matches("kubectl patch deployment/web").count(), 1, "{stdout}");
    assert!(stdout.ends_with("\n4 objects: 2 crashing, 2 up-to-date\n"), "{stdout}");
    assert_eq!(stdout.matches("c: CrashLoopBackOff").count(), 2, "{stdout}");
}

/// A number that no float holds does not hide the object that it is in.
#[test]
fn reads_objects_with_any_number() {
    let settings = file("coverage-numbers.json", SETTINGS);
    let with_number = |object: &Value| {
        let object = object.to_string();
        format!(r#"{{"foo":[1e999,{{"bar":-1e999}}],{}"#, object.strip_prefix('{').unwrap())
    };
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": cluster() });
    let items: Vec<String> = cluster().iter().map(with_number).collect();
    let list =
        list.to_string().replace(&json!(cluster()).to_string(), &format!("[{}]", items.join(",")));
    let output = run(&["coverage", "-s", &settings], &list);
    assert_eq!((text(&output.stderr), text(&output.stdout)), (String::new(), TABLE.to_owned()));
    // A partial object is one with such a number, too.
    let partial = r#"{"foo":1e999,"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"lang":"java"}},
        "spec":{"containers":[{"name":"c"}]}}"#;
    let output = run(&["inject", "-", "-s", &settings], partial);
    assert_eq!(text(&output.stdout), partial);
    assert!(
        text(&output.stderr).contains("container `c` has no image"),
        "{}",
        text(&output.stderr)
    );
}
