//! The command and a cluster: a recorded conversation between `kubectl` and a real API server
//! (`kubectl.json`, Kubernetes 1.36) is played back to it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::{file, folder, read, run, text};

/// An answer of `kubectl`.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) arguments: String,
    pub(crate) exit: i64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn recorded() -> Vec<Answer> {
    let calls = read("crates/datakit-inject/tests/command/kubectl.json");
    let calls: Vec<Value> = serde_json::from_str(&calls).unwrap();
    let string = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let answer = |call: &Value| Answer {
        arguments: string(&call["kubectl"]),
        exit: call["exit"].as_i64().unwrap(),
        stdout: string(&call["stdout"]),
        stderr: string(&call["stderr"]),
    };
    calls.iter().map(answer).collect()
}

/// A `kubectl` that gives these answers, and refuses everything else.
pub(crate) struct Kubectl {
    pub(crate) folder: PathBuf,
    program: String,
}

impl Kubectl {
    pub(crate) fn new(name: &str, answers: &[Answer]) -> Self {
        let folder = folder(name);
        let calls = folder.join("calls");
        let mut script =
            format!("#!/bin/sh\necho \"$*\" >> '{}'\ncase \"$*\" in\n", calls.display());
        for (index, answer) in answers.iter().enumerate() {
            let files = ["stdout", "stderr"].map(|stream| folder.join(format!("{index}.{stream}")));
            fs::write(&files[0], &answer.stdout).unwrap();
            fs::write(&files[1], &answer.stderr).unwrap();
            let [stdout, stderr] = files.map(|file| file.display().to_string());
            let (arguments, exit) = (answer.arguments.replace('\'', r"'\''"), answer.exit);
            script +=
                &format!("'{arguments}') cat '{stdout}'; cat '{stderr}' >&2; exit {exit} ;;\n");
        }
        script += "*) echo \"not recorded: $*\" >&2; exit 64 ;;\nesac\n";
        let program = folder.join("kubectl");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, program: program.to_str().unwrap().to_owned() }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(&[arguments, &["--kubectl", &self.program]].concat(), "")
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.join("calls")).unwrap();
        calls.lines().map(str::to_owned).collect()
    }

    /// What the command printed, with the name that people know `kubectl` by.
    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        text(&output.stdout).replace(&self.program, "kubectl")
    }
}

/// The recorded answers, with the answer to one call replaced.
fn with_answer(starts: &str, exit: i64, stdout: &str, stderr: &str) -> Vec<Answer> {
    let mut answers = recorded();
    let mut fitting = answers.iter_mut().filter(|it| it.arguments.starts_with(starts));
    let answer = fitting.next().unwrap_or_else(|| panic!("no call starts with {starts}"));
    (answer.exit, answer.stdout, answer.stderr) = (exit, stdout.to_owned(), stderr.to_owned());
    answers
}

const POLICIES: &str = "get clusteradmissionpolicies";
const OBJECTS: &str = "get deployments.apps,statefulsets.apps,daemonsets.apps,cronjobs.batch,jobs";

const COVERAGE: &str = "\
NAMESPACE   WORKLOAD           PODS   STATE        INJECTIONS       REASON
shop        CronJob/tidy       -      pending      ddtrace-java
shop        DaemonSet/agent    -      opted-out    -                admission.datakit/enabled opts out
shop        Deployment/plain   -      pending      ddtrace-java
shop        Deployment/web     -      crashing     ddtrace-java     datakit-lib-init: ImagePullBackOff
shop        StatefulSet/db     -      up-to-date   ddtrace-python

To opt out what is crashing:
kubectl patch deployment/web --namespace shop --type merge --patch \
'{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"admission.datakit/enabled\":\"false\"}}}}}'

5 objects: 1 crashing, 1 up-to-date, 2 pending, 1 opted-out
";

#[test]
fn covers_what_the_policy_of_the_cluster_sees() {
    let kubectl = Kubectl::new("cluster-coverage", &recorded());
    assert_eq!(kubectl.stdout(&["coverage", "--cluster", "-n", "shop"]), COVERAGE);
    let coverage = ["coverage", "--cluster", "-n", "shop", "--state", "crashing,pending"];
    let stdout = kubectl.stdout(&[&coverage[..], &["-o", "json"]].concat());
    let coverage: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(coverage["summary"], json!({ "crashing": 1, "pending": 2 }));
    let output = kubectl.run(&["coverage", "--cluster", "-n", "shop", "--fail-on", "missing"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn restarts_in_groups() {
    let kubectl = Kubectl::new("cluster-restart", &recorded());
    let restart = ["coverage", "--cluster", "-n", "shop", "-o", "restart"];
    let script = "\
# CronJob/tidy in shop: is injected when its template is changed
set -e
# group 1 of 1
kubectl rollout restart --namespace shop deployment/plain
kubectl rollout status --namespace shop deployment/plain
";
    assert_eq!(kubectl.stdout(&restart), script);
    let all = ["--state", "pending,crashing,up-to-date", "--max", "2"];
    let script = "\
# CronJob/tidy in shop: is injected when its template is changed
set -e
# group 1 of 2
kubectl rollout restart --namespace shop deployment/plain deployment/web
kubectl rollout status --namespace shop deployment/plain
kubectl rollout status --namespace shop deployment/web
# group 2 of 2
kubectl rollout restart --namespace shop statefulset/db
kubectl rollout status --namespace shop statefulset/db
";
    assert_eq!(kubectl.stdout(&[&restart[..], &all].concat()), script);
    let none = kubectl.stdout(&[&restart[..], &["--state", "skipped"]].concat());
    assert_eq!(none, "# nothing to restart\n");
    // `kubectl rollout restart` refuses a paused Deployment.
    let mut answers = recorded();
    for answer in &mut answers {
        answer.stdout = answer.stdout.replace(r#""replicas":1,"#, r#""paused":true,"replicas":1,"#);
    }
    let script = Kubectl::new("cluster-paused", &answers).stdout(&restart);
    assert!(script.contains("# Deployment/plain in shop: its rollout is paused"), "{script}");
    assert!(script.ends_with("# nothing to restart\n"), "{script}");
}

#[test]
fn explains_and_compares_the_objects_of_a_cluster() {
    let kubectl = Kubectl::new("cluster-explain", &recorded());
    let expected = "\
Deployment/plain (shop): injected ddtrace-java
Deployment/web (shop): present ddtrace-java
StatefulSet/db (shop): present ddtrace-python
DaemonSet/agent (shop): opted out: admission.datakit/enabled opts out
CronJob/tidy (shop): injected ddtrace-java
5 objects: 2 injected, 2 present, 1 opted out
";
    assert_eq!(kubectl.stdout(&["explain", "--cluster", "-n", "shop"]), expected);
    let diff = kubectl.stdout(&["diff", "--cluster", "-n", "shop"]);
    let files: Vec<&str> = diff.lines().filter(|line| line.starts_with("--- ")).collect();
    assert_eq!(files, ["--- shop Deployment/plain", "--- shop CronJob/tidy"]);
    assert!(diff.contains("\n+        image: hub/java:v1\n"), "{diff}");
}

/// The place of an object is no path, whatever the folder has.
#[test]
fn takes_no_object_of_a_cluster_for_a_template() {
    let mut answers = recorded();
    for answer in &mut answers {
        let Ok(mut list) = serde_json::from_str::<Value>(&answer.stdout) else { continue };
        for item in list["items"].as_array_mut().into_iter().flatten() {
            if item["kind"] == "Deployment" && item["metadata"]["name"] == "plain" {
                item["metadata"]["name"] = "templates".into();
                item["metadata"]["annotations"]["example.com/format"] = "{{ .Name }}".into();
            }
        }
        answer.stdout = list.to_string();
    }
    let kubectl = Kubectl::new("cluster-templates", &answers);
    fs::write(kubectl.folder.join("Chart.yaml"), "name: chart\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_datakit-inject"))
        .args(["diff", "--cluster", "-n", "shop", "--kubectl", &kubectl.program])
        .current_dir(&kubectl.folder)
        .output()
        .unwrap();
    assert_eq!(text(&output.stderr), "");
    let diff = text(&output.stdout);
    let files: Vec<&str> = diff.lines().filter(|line| line.starts_with("--- ")).collect();
    assert_eq!(files, ["--- shop Deployment/templates", "--- shop CronJob/tidy"]);
}

/// A policy of Pods sees what controllers create: one Pod stands for those of its owner.
#[test]
fn explains_one_pod_of_each_owner_under_a_policy_of_pods() {
    let mut answers = recorded();
    for answer in &mut answers {
        let Ok(mut list) = serde_json::from_str::<Value>(&answer.stdout) else { continue };
        for item in list["items"].as_array_mut().into_iter().flatten() {
            if item["kind"] == "ClusterAdmissionPolicy" {
                item["spec"]["rules"] = json!([{ "apiGroups": [""], "apiVersions": ["v1"],
                                                 "resources": ["pods"], "operations": ["CREATE"] }]);
            }
        }
        answer.stdout = list.to_string();
    }
    let kubectl = Kubectl::new("cluster-explain-pods", &answers);
    let stdout = kubectl.stdout(&["explain", "--cluster", "-n", "shop"]);
    let expected = "\
Pod/db-0 (shop): present ddtrace-python
Pod/plain-67bf796dcf-qrqvk (shop): injected ddtrace-java
Pod/web-585fbf94b6-jshm2 (shop): present ddtrace-java
3 objects: 1 injected, 2 present
";
    assert_eq!(stdout, expected);
}

/// Applies a JSON Patch to an object, as the API server does.
fn patched(mut object: Value, patch: &str) -> Result<Value, json_patch::PatchError> {
    let patch: json_patch::Patch = serde_json::from_str(patch).unwrap();
    json_patch::patch(&mut object, &patch)?;
    Ok(object)
}

#[test]
fn prints_patches_that_test_what_they_remove() {
    let kubectl = Kubectl::new("cluster-uninject", &recorded());
    let stdout = kubectl.stdout(&["uninject", "--cluster", "-n", "shop"]);
    let starts = [
        "kubectl patch deployment.apps/web --namespace shop --type json --patch '[",
        "kubectl patch statefulset.apps/db --namespace shop --type json --patch '[",
    ];
    let commands: Vec<&str> = stdout.lines().collect();
    assert_eq!(commands.len(), starts.len(), "{stdout}");
    let objects = recorded().into_iter().find(|it| it.arguments.starts_with(OBJECTS)).unwrap();
    let objects: Value = serde_json::from_str(&objects.stdout).unwrap();
    for ((command, start), name) in commands.iter().zip(starts).zip(["web", "db"]) {
        assert!(command.starts_with(start), "{command}");
        let patch = command.split('\'').nth(1).unwrap();
        let mut objects = objects["items"].as_array().unwrap().iter();
        let object = objects.find(|it| it["metadata"]["name"] == name).unwrap();
        let after = patched(object.clone(), patch).unwrap();
        let applied = "kubectl.kubernetes.io/last-applied-configuration";
        assert_eq!(after["metadata"], object["metadata"], "{applied} stays");
        assert!(!after["spec"].to_string().contains("datakit-"), "{after}");
        // What somebody changed in the meantime is not lost.
        let mut changed = object.clone();
        let template = &mut changed["spec"]["template"]["spec"];
        template["initContainers"][0]["image"] = "hub/other:1".into();
        assert!(patched(changed, patch).is_err());
        // Nor what was added.
        let mut grown = object.clone();
        let env = &mut grown["spec"]["template"]["spec"]["containers"][0]["env"];
        env.as_array_mut().unwrap().push(json!({ "name": "NEW", "value": "1" }));
        if let Ok(after) = patched(grown, patch) {
            assert!(after.to_string().contains(r#""name":"NEW""#), "{after}");
        }
    }
}

#[test]
fn converts_the_configuration_of_the_operator() {
    let kubectl = Kubectl::new("cluster-convert", &recorded());
    let stdout = kubectl.stdout(&["convert", "--cluster"]);
    assert!(stdout.contains("name: datakit-injection-pods\n"), "{stdout}");
    assert!(stdout.contains("java_agent_image: hub/java:v1\n"), "{stdout}");
    assert!(stdout.contains("# These requests pass:\n  #   annotations under"), "{stdout}");
}

/// What `preflight` prints, without the lines of links.
fn checks(stdout: &str) -> String {
    stdout
        .lines()
        .filter(|line| !line.contains("https://"))
        .map(|line| format!("{line}\n"))
        .collect()
}

const PREFLIGHT: &str = "\
✓ kubernetes      v1.36.2
✓ kubewarden      Kubewarden v1.31.0
✓ policy-servers  default
✓ rights          all that the next steps need
! operator        Operator v1.8.0, managed by Flux, still injects
✓ datakit         the settings of ClusterAdmissionPolicy/datakit-injection-workloads name 1 port
✓ pod-security    what these settings inject is accepted in psa-baseline
! quotas          quotas refuse containers without resources in quota, quota-demands
! policies        ClusterAdmissionPolicy/datakit-injection-workloads is not active yet

the cluster is ready, with 3 limits
";

#[test]
fn checks_a_cluster_before_the_policy_comes() {
    let kubectl = Kubectl::new("cluster-preflight", &recorded());
    let output = kubectl.run(&["preflight"]);
    assert_eq!(checks(&text(&output.stdout)), PREFLIGHT);
    assert_eq!(output.status.code(), Some(0));
    let json = kubectl.stdout(&["preflight", "-o", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[4]["check"], "operator");
    assert_eq!(json[4]["status"], "limit");
    let page = read("docs/command.md");
    for check in json.as_array().unwrap() {
        // Each link leads to a section.
        let (_, section) = check["link"].as_str().unwrap().split_once("docs/command.md#").unwrap();
        assert!(page.contains(&format!("\n### {section}\n")), "{section}");
    }
}

#[test]
fn names_what_has_to_be_solved_first() {
    let absent = "error: the server doesn't have a resource type \"policyservers\"\n";
    for (starts, exit, stdout, stderr, expected) in [
        (
            "version",
            0,
            r#"{"serverVersion":{"gitVersion":"v1.28.3"}}"#,
            "",
            "✗ kubernetes      v1.28.3 is older than 1.29",
        ),
        ("get policyservers", 1, "", absent, "✗ kubewarden      Kubewarden is not installed"),
        (
            "get policyservers",
            0,
            r#"{"items":[]}"#,
            "",
            "✗ policy-servers  there is no policy server",
        ),
        ("auth can-i list pods", 1, "no\n", "", "✗ rights          you cannot list pods"),
        (
            "get services",
            1,
            "",
            "Error from server (NotFound): services \"x\" not found\n",
            "✗ datakit         there is no Service cmd-datakit/datakit-service",
        ),
        (
            "get services",
            0,
            r#"{"spec":{"ports":[{"port":80}]}}"#,
            "",
            "✗ datakit         Service cmd-datakit/datakit-service has no port 9529",
        ),
    ] {
        let kubectl = Kubectl::new("cluster-problem", &with_answer(starts, exit, stdout, stderr));
        let output = kubectl.run(&["preflight"]);
        let stdout = text(&output.stdout);
        assert!(stdout.lines().any(|line| line == expected), "{stdout}");
        assert!(stdout.contains(" to solve first\n"), "{stdout}");
        assert_eq!(output.status.code(), Some(1));
    }
}

const FORBIDDEN: &str = "Error from server (Forbidden): resourcequotas is forbidden: User \"ci\" cannot \
                         list resource \"resourcequotas\" in API group \"\" at the cluster scope\n";

/// What may not be looked at is no finding.
#[test]
fn names_missing_rights() {
    let kubectl =
        Kubectl::new("cluster-quota", &with_answer("get resourcequotas", 1, "", FORBIDDEN));
    let stdout = kubectl.stdout(&["preflight"]);
    let expected = "! quotas          you may not list resourcequotas, as `kubectl auth can-i list \
                    resourcequotas --all-namespaces` shows\n";
    assert!(stdout.contains(expected), "{stdout}");
    let said = "Error from server (Forbidden): deployments.apps is forbidden: User \"ci\" cannot list \
                resource \"deployments\" in API group \"apps\" in the namespace \"shop\"\n\
                Error from server (Forbidden): pods is forbidden\n";
    let kubectl = Kubectl::new("cluster-forbidden", &with_answer(OBJECTS, 1, "", said));
    let output = kubectl.run(&["coverage", "--cluster", "-n", "shop"]);
    let expected = format!(
        "error: you may not list deployments.apps, as `{} auth can-i list deployments.apps \
         --namespace shop` shows\n",
        kubectl.program
    );
    assert_eq!((text(&output.stderr), output.status.code()), (expected, Some(2)));
}

#[test]
fn tells_why_a_cluster_does_not_answer() {
    let none = Kubectl::new("cluster-none", &with_answer(POLICIES, 0, r#"{"items":[]}"#, ""));
    let output = none.run(&["coverage", "--cluster", "-n", "shop"]);
    let stderr = "error: the cluster has no policy of this module; pass settings with -s\n";
    assert_eq!((text(&output.stderr), output.status.code()), (stderr.to_owned(), Some(2)));
    let missing = ["explain", "--cluster", "--kubectl", "/nowhere/kubectl"];
    let output = run(&missing, "");
    let stderr =
        "error: cannot run `/nowhere/kubectl`: no such file or directory; name it with --kubectl\n";
    assert_eq!((text(&output.stderr), output.status.code()), (stderr.to_owned(), Some(2)));
    let kubectl = Kubectl::new("cluster-context", &recorded());
    let output = kubectl.run(&["explain", "--cluster", "--context", "far away"]);
    let stderr = text(&output.stderr);
    assert!(stderr.contains(" --context 'far away' get "), "{stderr}");
    assert!(
        stderr.ends_with(
            "` failed: not recorded: --context far away get \
        clusteradmissionpolicies.policies.kubewarden.io,admissionpolicies.policies.kubewarden.io \
        --all-namespaces --output json\n"
        ),
        "{stderr}"
    );
}

#[test]
fn notes_that_a_policy_only_monitors() {
    let mut answers = recorded();
    for answer in &mut answers {
        answer.stdout = answer.stdout.replace(r#""mode":"protect""#, r#""mode":"monitor""#);
    }
    let kubectl = Kubectl::new("cluster-monitor", &answers);
    let output = kubectl.run(&["coverage", "--cluster", "-n", "shop"]);
    let note = "note: ClusterAdmissionPolicy/datakit-injection-workloads is in mode `monitor`: it \
                injects nothing\n";
    assert_eq!(text(&output.stderr), note);
}

/// Whatever is asked, nothing is written.
#[test]
fn only_reads() {
    let kubectl = Kubectl::new("cluster-reads", &recorded());
    for arguments in [
        &["coverage", "--cluster", "-n", "shop", "-o", "restart"][..],
        &["explain", "--cluster", "-n", "shop"],
        &["diff", "--cluster", "-n", "shop"],
        &["uninject", "--cluster", "-n", "shop"],
        &["convert", "--cluster"],
        &["preflight"],
    ] {
        assert_eq!(kubectl.run(arguments).status.code(), Some(0), "{arguments:?}");
    }
    let calls: BTreeSet<String> = kubectl.calls().into_iter().collect();
    let reads =
        |call: &&String| ["get ", "auth can-i ", "version "].iter().any(|it| call.starts_with(it));
    assert_eq!(calls.iter().filter(|call| !reads(call)).collect::<Vec<_>>(), [""; 0]);
    // And the whole conversation is needed.
    let known: BTreeSet<String> = recorded().into_iter().map(|answer| answer.arguments).collect();
    assert_eq!(calls, known);
}

/// The same objects, with what decides about the reach of a policy.
fn reach(policy: &Value, namespace: &Value, object: &Value) -> String {
    let settings = file("reach-policy.json", &policy.to_string());
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [object, namespace, {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "kubewarden-controller", "namespace": "kubewarden", "labels": {
            "app.kubernetes.io/part-of": "kubewarden", "app.kubernetes.io/component": "controller" } },
    }] });
    let output = run(&["coverage", "-s", &settings, "-o", "json"], &list.to_string());
    assert_eq!(text(&output.stderr), "");
    let coverage: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = coverage["workloads"].as_array().unwrap().iter();
    let mut rows = rows.filter(|row| row["workload"] == "Deployment/web");
    rows.next().map_or("-".to_owned(), |row| match &row["reason"] {
        Value::String(reason) => format!("{}: {reason}", row["state"].as_str().unwrap()),
        _ => row["state"].as_str().unwrap().to_owned(),
    })
}

#[test]
fn sees_what_reaches_the_policy() {
    let policy = |spec: Value| {
        let mut policy = json!({ "apiVersion": "policies.kubewarden.io/v1",
            "kind": "ClusterAdmissionPolicy", "metadata": { "name": "p" }, "spec": {
            "module": "m", "mutating": true, "rules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"],
            "resources": ["deployments"], "operations": ["CREATE"] }],
            "settings": { "admission_inject_v2": { "ddtraces": [{ "namespace_selectors": ["*"],
                "language": "java", "image": "hub/java:1" }] } } } });
        for (key, value) in spec.as_object().unwrap() {
            policy["spec"][key] = value.clone();
        }
        policy
    };
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": "shop", "labels": { "env": "prod" } } });
    let object = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "shop", "labels": { "tier": "front" } },
        "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": "i" }] } } } });
    let selector = |key: &str, operator: &str, values: &[&str]| json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] });
    let outside = "not-selected: the policy's namespaceSelector excludes the namespace";
    let unchosen = "not-selected: the policy's objectSelector excludes it";
    let rule = |group: &str, resources: &str, operation: &str| {
        json!({ "rules": [{ "apiGroups": [group], "apiVersions": ["*"], "resources": [resources],
            "operations": [operation] }] })
    };
    for (spec, expected) in [
        (json!({}), "pending"),
        (rule("apps", "*", "CREATE"), "pending"),
        (rule("batch", "*", "CREATE"), "-"),
        (rule("apps", "statefulsets", "CREATE"), "-"),
        (rule("*", "deployments", "UPDATE"), "-"),
        (json!({ "namespaceSelector": { "matchLabels": { "env": "prod" } } }), "pending"),
        (json!({ "namespaceSelector": { "matchLabels": { "env": "test" } } }), outside),
        (json!({ "namespaceSelector": selector("env", "In", &["prod"]) }), "pending"),
        (json!({ "namespaceSelector": selector("env", "NotIn", &["prod"]) }), outside),
        (json!({ "namespaceSelector": selector("env", "NotIn", &["test"]) }), "pending"),
        (json!({ "namespaceSelector": selector("env", "DoesNotExist", &[]) }), outside),
        (
            json!({ "namespaceSelector": selector("kubernetes.io/metadata.name", "In", &["x"]) }),
            outside,
        ),
        (json!({ "objectSelector": selector("tier", "Exists", &[]) }), "pending"),
        (json!({ "objectSelector": { "matchLabels": { "tier": "back" } } }), unchosen),
    ] {
        assert_eq!(reach(&policy(spec.clone()), &namespace, &object), expected, "{spec}");
    }
    let mut own = object.clone();
    own["metadata"]["namespace"] = "kubewarden".into();
    let unseen = "not-selected: no policy sees Kubewarden's own namespace";
    assert_eq!(reach(&policy(json!({})), &namespace, &own), unseen);
    let allowed = policy(json!({ "allowInsideAdmissionControllerNamespace": true }));
    assert_eq!(reach(&allowed, &namespace, &own), "pending");
    let mut namespaced = policy(json!({}));
    namespaced["kind"] = "AdmissionPolicy".into();
    namespaced["metadata"]["namespace"] = "other".into();
    let other = "not-selected: the policy is for another namespace";
    assert_eq!(reach(&namespaced, &namespace, &object), other);
}

/// Pods of a Deployment are named by it, also without its ReplicaSet.
#[test]
fn names_deployments_and_not_their_parts() {
    let settings = file(
        "owners.json",
        r#"{"admission_inject_v2":{"ddtraces":[{
        "namespace_selectors":["*"],"language":"java","image":"hub/java:1"}]}}"#,
    );
    let owned = |kind: &str, name: &str, by: (&str, &str), hash: &str| {
        json!({ "apiVersion": if kind == "Pod" { "v1" } else { "apps/v1" }, "kind": kind,
            "metadata": { "name": name, "namespace": "shop", "labels": { "pod-template-hash": hash },
                "ownerReferences": [{ "kind": by.0, "name": by.1, "controller": true }] },
            "spec": { "containers": [{ "name": "c", "image": "i" }] } })
    };
    let listed = owned("ReplicaSet", "web-1", ("Deployment", "web"), "1");
    let of_listed = owned("Pod", "web-1-a", ("ReplicaSet", "web-1"), "1");
    let of_missing = owned("Pod", "api-2-a", ("ReplicaSet", "api-2"), "2");
    let of_job = owned("Pod", "job-a", ("Job", "job"), "3");
    let input = [listed, of_listed, of_missing, of_job].map(|it| it.to_string()).join("\n");
    let stdout = text(&run(&["coverage", "-s", &settings, "-o", "json"], &input).stdout);
    let coverage: Value = serde_json::from_str(&stdout).unwrap();
    let rows = coverage["workloads"].as_array().unwrap().iter();
    let names: Vec<&str> = rows.map(|row| row["workload"].as_str().unwrap()).collect();
    assert_eq!(names, ["Deployment/api", "Deployment/web", "Job/job"]);
}

/// Two sources at once would leave one of them out.
#[test]
fn reads_files_or_a_cluster() {
    let kubectl = Kubectl::new("cluster-or-files", &recorded());
    for command in ["explain", "diff", "uninject", "coverage"] {
        for path in [&["shop.yaml"][..], &["-f", "shop.yaml"]] {
            let output = kubectl.run(&[&[command, "--cluster"], path].concat());
            assert_eq!((text(&output.stdout), output.status.code()), (String::new(), Some(2)));
            let stderr = text(&output.stderr);
            assert!(stderr.contains("cannot be used with"), "{command}: {stderr}");
        }
    }
}

/// What rules that are off would inject is not injected.
#[test]
fn looks_at_the_rules_that_are_on() {
    let kubectl = Kubectl::new("cluster-profilers", &recorded());
    let (fine, limit) = (
        "✓ pod-security    what these settings inject is accepted in psa-baseline",
        "! pod-security    profilers and flameshot are refused in psa-baseline",
    );
    let rule = |extra: &str| {
        format!(r#"{{"image":"hub/p:1","language":"java","envs":{{"A":"profiler"}}{extra}}}"#)
    };
    let (on, off) = (rule(r#","namespace_selectors":["*"]"#), rule(""));
    for (settings, expected) in [
        (format!(r#"{{"admission_inject_v2":{{"profilers":[{on}]}}}}"#), limit),
        (format!(r#"{{"admission_inject_v2":{{"profilers":[{off}]}}}}"#), fine),
        (format!(r#"{{"admission_inject_v2":{{"profilers":[],"ddtraces":[{on}]}}}}"#), fine),
        (
            r#"{"admission_inject":{"profiler":{"images":{"java_profiler_image":"hub/p:1"}}}}"#
                .to_owned(),
            limit,
        ),
    ] {
        let stdout = kubectl.run(&["preflight", "-s", &file("profilers.json", &settings)]).stdout;
        let stdout = text(&stdout);
        assert!(stdout.lines().any(|line| line == expected), "{settings}: {stdout}");
    }
}

#[test]
fn says_in_chinese_what_you_may_not() {
    let kubectl =
        Kubectl::new("cluster-chinese", &with_answer("get resourcequotas", 1, "", FORBIDDEN));
    let stdout = kubectl.stdout(&["preflight", "--lang", "zh"]);
    let expected = "! quotas          你无权 list resourcequotas，可用 `kubectl auth can-i list \
                    resourcequotas --all-namespaces` 确认\n";
    assert!(stdout.contains(expected), "{stdout}");
}

#[test]
fn names_the_configuration_that_it_looked_for() {
    let absent = "Error from server (NotFound): configmaps \"datakit-operator-config\" not found\n";
    let kubectl =
        Kubectl::new("cluster-no-operator", &with_answer("get configmaps", 1, "", absent));
    let output = kubectl.run(&["convert", "--cluster"]);
    let expected = "error: the cluster has no ConfigMap datakit/datakit-operator-config; if the \
                    Operator is in another namespace, pass it with -n\n";
    assert_eq!((text(&output.stderr), output.status.code()), (expected.to_owned(), Some(2)));
}
