//! Random lives: whatever happens to a workload, what is stored is what today's settings make of the
//! user's part at its last change. `LIVES=12000 make test` tries more of them.

use std::cell::Cell;

use datakit_injection::policy;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use testing::cases::template_path;
use testing::requests::request;

use crate::life::{annotated, defaulted};

const KINDS: [(&str, &str); 5] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "CronJob"),
    ("argoproj.io/v1alpha1", "Rollout"),
];

/// Settings that a policy had one after another: variables, directories, images and injections differ.
fn settings(which: usize, kind: &str) -> Value {
    let rule = |more: Value| {
        let mut rule = json!({ "namespace_selectors": ["*"] });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let java = |image: &str, envs: Value| {
        rule(json!({ "language": "java", "image": image, "envs": envs }))
    };
    let logfwd = |path: &str| {
        rule(
            json!({ "image": "h/l:1", "log_volume_paths": [path, "/shared"], "envs": { "L": "1" } }),
        )
    };
    let flame = json!({ "FLAMESHOT_PROFILING_PATH": "/flame", "FLAMESHOT_HTTP_LOCAL_PORT": 8089 });
    let flameshot = rule(json!({ "image": "h/f:1", "processes": "[]", "envs": flame,
        "enable_prometheus_annotations": true }));
    let profiler = rule(json!({ "language": "java", "image": "h/p:1" }));
    let fields = json!({ "DD_SERVICE": "{fieldRef:metadata.labels['app']}",
        "DD_AGENT_HOST": "{fieldRef:status.hostIP}", "DD_TAGS": "a:b,pod:$(POD)",
        "POD": "{fieldRef:metadata.name}" });
    let literals = json!({ "DD_SERVICE": "fixed", "DD_AGENT_HOST": "agent", "NEW": "1" });
    let v2 = match which {
        0 => json!({ "ddtraces": [java("h/j:1", fields)] }),
        1 => json!({ "ddtraces": [java("h/j:2", literals)], "logfwds": [logfwd("/srv/logs")] }),
        2 => json!({ "ddtraces": [java("h/j:1", fields)], "profilers": [profiler],
                     "logfwds": [logfwd("/data/logs")] }),
        3 => json!({ "ddtraces": [java("h/j:1", literals)], "flameshots": [flameshot] }),
        4 => json!({ "logfwds": [logfwd("/data/logs")], "profilers": [profiler] }),
        _ => json!({}),
    };
    // Where a list of secrets is atomic, one that is left cannot be told from the user's, and stays.
    let secrets = if which == 2 && kind != "Rollout" { json!(["hub"]) } else { json!([]) };
    json!({
        "admission_inject_v2": v2,
        "policy": { "image_pull_secrets": secrets, "safe_to_evict": which.is_multiple_of(2), "extra_workloads": [
            { "group": "argoproj.io", "kind": "Rollout", "template": "/spec/template" },
        ] },
    })
}

/// What the user writes: each choice is a part of the manifest.
#[derive(Clone, Debug)]
struct Manifest {
    image: u8,
    env: Vec<usize>,
    mounts: Vec<usize>,
    init: bool,
    second: bool,
    opted_out: bool,
    restarted: u8,
    evictable: Option<&'static str>,
    secret: bool,
}

const EVICTABLE: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

const ENV: [&str; 7] = [
    r#"{"name":"A","value":"1"}"#,
    r#"{"name":"JAVA_TOOL_OPTIONS","value":"-Xmx1g"}"#,
    r#"{"name":"DD_SERVICE","value":"checkout"}"#,
    r#"{"name":"DD_AGENT_HOST","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}"#,
    r#"{"name":"DD_TAGS","value":"team:x"}"#,
    r#"{"name":"NEW","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}"#,
    r#"{"name":"DD_SERVICE","valueFrom":{"configMapKeyRef":{"name":"c","key":"k"}}}"#,
];

/// Volumes, and where they are mounted.
const VOLUMES: [(&str, &str); 5] = [
    (r#"{"name":"data","emptyDir":{}}"#, "/data"),
    (r#"{"name":"tmp","persistentVolumeClaim":{"claimName":"x"}}"#, "/work"),
    (r#"{"name":"tmp","emptyDir":{"sizeLimit":"1Gi"}}"#, "/scratch"),
    (r#"{"name":"own","emptyDir":{}}"#, "/shared"),
    (r#"{"name":"flameshot-volume","configMap":{"name":"f"}}"#, "/config"),
];

fn manifest() -> impl Strategy<Value = Manifest> {
    let env = vec(0..ENV.len(), 0..4);
    let mounts = vec(0..VOLUMES.len(), 0..3);
    let evictable = select(vec![None, None, Some("data"), Some("own, data"), Some("tmp")]);
    (0..2_u8, env, mounts, any::<[bool; 3]>(), 0..6_u8, 0..2_u8, evictable).prop_map(
        |(image, env, mounts, [init, second, secret], out, restarted, evictable)| Manifest {
            image,
            env,
            mounts,
            init,
            second,
            opted_out: out == 0,
            restarted,
            evictable,
            secret,
        },
    )
}

impl Manifest {
    fn object(&self, (api_version, kind): (&str, &str)) -> Value {
        let mut env = Vec::<Value>::new();
        for which in &self.env {
            let variable: Value = serde_json::from_str(ENV[*which]).unwrap();
            if env.iter().all(|other| other["name"] != variable["name"]) {
                env.push(variable);
            }
        }
        let (mut volumes, mut mounts) = (Vec::<Value>::new(), Vec::new());
        for which in &self.mounts {
            let (volume, path) = VOLUMES[*which];
            let volume: Value = serde_json::from_str(volume).unwrap();
            if volumes.iter().all(|other| other["name"] != volume["name"]) {
                mounts.push(json!({ "name": volume["name"], "mountPath": path }));
                volumes.push(volume);
            }
        }
        let mut app = json!({ "name": "app", "image": format!("app:{}", self.image) });
        let mut spec = json!({});
        let set = |object: &mut Value, key: &str, list: Vec<Value>| {
            if !list.is_empty() {
                object[key] = json!(list);
            }
        };
        set(&mut app, "env", env);
        set(&mut app, "volumeMounts", mounts);
        set(&mut spec, "volumes", volumes);
        spec["containers"] = json!([app]);
        if self.second {
            let second = json!({ "name": "second", "image": "s:1" });
            spec["containers"].as_array_mut().unwrap().push(second);
        }
        if self.init {
            spec["initContainers"] = json!([{ "name": "first", "image": "i:1" }]);
        }
        let mut template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": spec });
        let mut annotations = Map::new();
        if self.opted_out {
            annotations.insert("admission.datakit/enabled".into(), json!("false"));
        }
        if self.restarted > 0 {
            annotations.insert("restarted".into(), json!("now"));
        }
        if let Some(list) = self.evictable {
            annotations.insert(EVICTABLE.into(), json!(list));
        }
        if self.secret {
            template["spec"]["imagePullSecrets"] = json!([{ "name": "own" }]);
        }
        if !annotations.is_empty() {
            template["metadata"]["annotations"] = Value::Object(annotations);
        }
        let spec = match kind {
            "CronJob" => {
                template["spec"]["restartPolicy"] = json!("OnFailure");
                json!({ "jobTemplate": { "spec": { "template": template } } })
            }
            _ => json!({ "template": template }),
        };
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "web" }, "spec": spec })
    }
}

/// The key by which apply merges a list; `None` where it replaces it.
pub fn merge_key(list: &str) -> Option<&'static str> {
    match list {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        _ => None,
    }
}

/// `kubectl apply`: what was applied before and is not any more goes, what is applied is merged, and
/// the rest of the stored object stays.
pub fn applied(
    stored: &Value,
    last: Option<&Value>,
    next: &Value,
    key: &str,
    is_atomic: bool,
) -> Value {
    match (stored, next) {
        (Value::Object(stored), Value::Object(next)) => {
            let last = last.and_then(Value::as_object);
            let mut merged = stored.clone();
            for key in last.into_iter().flat_map(Map::keys) {
                if !next.contains_key(key) {
                    merged.remove(key);
                }
            }
            for (key, value) in next {
                let last = last.and_then(|last| last.get(key));
                let value = match merged.get(key) {
                    Some(stored) => applied(stored, last, value, key, is_atomic),
                    None => value.clone(),
                };
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(stored), Value::Array(next)) if !is_atomic && merge_key(key).is_some() => {
            let name = merge_key(key).unwrap();
            let last = last.and_then(Value::as_array).cloned().unwrap_or_default();
            json!(applied_list(stored, &last, next, name))
        }
        (_, next) => next.clone(),
    }
}

/// The same for a list that is merged by a name: what the manifest names comes in its order, what it
/// does not name in that of the stored list.
fn applied_list(stored: &[Value], last: &[Value], next: &[Value], name: &str) -> Vec<Value> {
    let place = |list: &[Value], element: &Value| {
        list.iter().position(|other| other[name] == element[name])
    };
    let find = |list: &[Value], element: &Value| place(list, element).map(|it| list[it].clone());
    let is_kept =
        |element: &&Value| place(next, element).is_none() && place(last, element).is_none();
    let mut kept = stored.iter().filter(is_kept).peekable();
    let mut merged = Vec::new();
    for element in next {
        let own = place(stored, element);
        while let Some(other) = kept.peek()
            && own.is_some_and(|own| place(stored, other).unwrap() < own)
        {
            merged.extend(kept.next().cloned());
        }
        merged.push(match find(stored, element) {
            Some(stored) => applied(&stored, find(last, element).as_ref(), element, "", false),
            None => element.clone(),
        });
    }
    merged.extend(kept.cloned());
    merged
}

fn template(object: &mut Value) -> &mut Value {
    let path = template_path(object);
    object.pointer_mut(path).unwrap()
}

/// Writes JSON with the keys of objects in reverse order, and blanks: no text is as the policy wrote it.
fn write_reversed(value: &Value, out: &mut String) {
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "[ " } else { " , " });
                write_reversed(element, out);
            }
            out.push_str(if elements.is_empty() { "[]" } else { "]" });
        }
        Value::Object(members) => {
            for (index, (key, member)) in members.iter().rev().enumerate() {
                out.push_str(if index == 0 { "{ " } else { " , " });
                out.push_str(&format!("{} : ", json!(key)));
                write_reversed(member, out);
            }
            out.push_str(if members.is_empty() { "{}" } else { "}" });
        }
        other => out.push_str(&other.to_string()),
    }
}

/// What is stored, with the API server's defaults, and the warnings.
fn admit(object: &Value, old: Option<&Value>, settings: &Value) -> (Value, Vec<String>) {
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    let object = stored_form(object);
    let mut payload = String::new();
    let request = request(operation, &object, old);
    write_reversed(&json!({ "request": request, "settings": settings }), &mut payload);
    let answer = policy::evaluate(payload.as_bytes());
    let after = answer.mutated_object().map(|text| serde_json::from_str(text).unwrap());
    let warnings = answer.report.warnings();
    (stored_form(&after.unwrap_or(object)), warnings)
}

/// An object as the API server stores it; it knows nothing of custom resources.
fn stored_form(object: &Value) -> Value {
    if object["kind"] == "Rollout" { object.clone() } else { defaulted(object) }
}

/// A change of injected parts by hand: an image, a container, a variable, a volume's mount.
fn by_hand(stored: &Value, which: usize) -> Value {
    let mut object = stored.clone();
    let spec = &mut template(&mut object)["spec"];
    let is_ours = |container: &Value| {
        container["name"].as_str().is_some_and(|name| name.starts_with("datakit-"))
    };
    let mut containers: Vec<&mut Value> = Vec::new();
    let lists = spec.as_object_mut().unwrap().iter_mut();
    for (_, list) in lists.filter(|(key, _)| ["containers", "initContainers"].contains(&&***key)) {
        containers.extend(list.as_array_mut().unwrap());
    }
    match which {
        0 => {
            for container in containers.into_iter().filter(|it| is_ours(it)) {
                container["image"] = json!("by/hand:1");
            }
        }
        1 => {
            for list in ["containers", "initContainers"] {
                if let Some(list) = spec.get_mut(list).and_then(Value::as_array_mut) {
                    list.retain(|container| !is_ours(container));
                }
                if spec.get(list) == Some(&json!([])) {
                    spec.as_object_mut().unwrap().remove(list);
                }
            }
        }
        2 => {
            for env in containers.into_iter().filter_map(|it| it.get_mut("env")?.as_array_mut()) {
                env.retain(|variable| variable["name"] != "POD" && variable["name"] != "L");
            }
        }
        _ => {
            let annotations = template(&mut object)["metadata"].get_mut("annotations");
            if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
                annotations.remove("admission.datakit/injected");
            }
        }
    }
    object
}

const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// What happens to a workload.
#[derive(Clone, Debug)]
enum Move {
    Apply(Manifest),
    /// The manifest, injected by the command under earlier settings.
    ApplyInjected(Manifest, usize),
    Replace(Manifest),
    Undo(usize),
    ByHand(usize),
    /// By hand, and another manifest at once.
    ByHandAndApply(usize, Manifest),
    Scale,
    Settings(usize),
    Restart,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        4 => manifest().prop_map(Move::Apply),
        2 => (manifest(), 0..5_usize).prop_map(|(it, which)| Move::ApplyInjected(it, which)),
        2 => manifest().prop_map(Move::Replace),
        2 => (0..4_usize).prop_map(Move::Undo),
        2 => (0..4_usize).prop_map(Move::ByHand),
        1 => (1..4_usize, manifest()).prop_map(|(which, it)| Move::ByHandAndApply(which, it)),
        1 => Just(Move::Scale),
        3 => (0..6_usize).prop_map(Move::Settings),
        1 => Just(Move::Restart),
    ]
}

/// The first place at which two values differ.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let below = |key: &str, one: Option<&Value>, other: Option<&Value>| {
        let null = Value::Null;
        let inner = difference(one.unwrap_or(&null), other.unwrap_or(&null))?;
        Some(format!("/{key}{inner}"))
    };
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let mut keys = one.keys().chain(other.keys());
            keys.find_map(|key| below(key, one.get(key), other.get(key)))
        }
        (Value::Array(one), Value::Array(other)) => (0..one.len().max(other.len()))
            .find_map(|index| below(&index.to_string(), one.get(index), other.get(index))),
        _ => (one != other).then(|| format!(": {one} and {other}")),
    }
}

/// A workload: what is stored, and what the user wrote.
struct Life {
    kind: (&'static str, &'static str),
    settings: Value,
    stored: Value,
    /// The user's part.
    part: Value,
    /// The manifest that was applied last, and its user's part.
    applied: (Value, Value),
    /// The settings by which that manifest was injected.
    injected_by: Option<usize>,
    /// Each stored template with its user's part.
    revisions: Vec<(Value, Value)>,
}

impl Life {
    fn new(kind: (&'static str, &'static str), manifest: &Manifest, which: usize) -> Self {
        let (part, settings) = (manifest.object(kind), settings(which, kind.1));
        let (stored, _) = admit(&part, None, &settings);
        let revisions = vec![(stored.clone(), part.clone())];
        let applied = (part.clone(), part.clone());
        Self { kind, settings, stored, part, applied, injected_by: None, revisions }
    }

    /// Sends an object whose user's part is known, and checks what is stored.
    fn update(&mut self, object: &Value, part: Value, what: &dyn std::fmt::Debug) -> Vec<String> {
        let expected = match stored_form(&part) == stored_form(&self.part) {
            true => self.stored.clone(),
            false => admit(&part, None, &self.settings).0,
        };
        let (stored, warnings) = admit(object, Some(&self.stored), &self.settings);
        let differs = |one: &Value, other: &Value| {
            difference(template(&mut one.clone()), template(&mut other.clone()))
        };
        assert_eq!(differs(&stored, &expected), None, "{what:?} of {}", self.part);
        // Nothing is left of the injections without rules.
        let bare = json!({ "policy": self.settings["policy"] });
        let (out, _) = admit(&stored, None, &bare);
        assert_eq!(differs(&out, &stored_form(&part)), None, "{what:?}, taken out");
        if stored != self.stored {
            self.revisions.push((stored.clone(), part.clone()));
        }
        (self.stored, self.part) = (stored, part);
        warnings
    }

    /// Applies a manifest, injected or not, whose user's part is `bare`.
    fn apply(&mut self, onto: &Value, manifest: Value, bare: Value, what: &Move) -> Vec<String> {
        let is_atomic = self.kind.1 == "Rollout";
        let (last, last_bare) = &self.applied;
        let object = applied(onto, Some(last), &manifest, "", is_atomic);
        let part = applied(&self.part, Some(last_bare), &bare, "", is_atomic);
        let warnings = self.update(&object, part, what);
        if manifest == bare {
            self.injected_by = None;
        }
        self.applied = (manifest, bare);
        warnings
    }

    fn step(&mut self, step: &Move) {
        let stored = self.stored.clone();
        match step {
            // What apply makes of a part that it does not know (an older revision's) depends on the
            // order of the whole list.
            Move::Apply(_) | Move::ApplyInjected(..) | Move::ByHandAndApply(..)
                if self.part != self.applied.1 => {}
            Move::Apply(manifest) => {
                let manifest = manifest.object(self.kind);
                let is_unchanged = manifest == self.applied.0;
                let warnings = self.apply(&stored, manifest.clone(), manifest, step);
                assert!(!is_unchanged || warnings.is_empty(), "{warnings:?}");
            }
            // Apply removes what the last manifest named: of one that was injected by other settings,
            // some of what the stored record names, so that the rest cannot be told for sure.
            Move::ApplyInjected(_, which) if self.injected_by.is_some_and(|it| it != *which) => {}
            Move::ApplyInjected(manifest, which) => {
                self.injected_by = Some(*which);
                let bare = manifest.object(self.kind);
                let (injected, _) = admit(&bare, None, &settings(*which, self.kind.1));
                self.apply(&stored, injected.clone(), bare.clone(), step);
                let again = self.apply(&self.stored.clone(), injected, bare, step);
                assert_eq!(again, [""; 0]);
            }
            Move::Replace(manifest) => {
                let manifest = manifest.object(self.kind);
                self.update(&manifest.clone(), manifest.clone(), step);
                self.injected_by = None;
                self.applied = (manifest.clone(), manifest);
            }
            Move::Undo(back) => {
                let index = self.revisions.len().saturating_sub(back + 1);
                let (mut old, mut part) = self.revisions[index].clone();
                let mut object = stored;
                *template(&mut object) = template(&mut old).clone();
                let mut whole = self.part.clone();
                *template(&mut whole) = template(&mut part).clone();
                self.update(&object, whole, step);
            }
            Move::ByHand(which) => {
                let object = by_hand(&stored, *which);
                let is_changed = object != stored;
                let part = self.part.clone();
                let warnings = self.update(&object, part, step);
                // A tool that drops the record alone is no edit by hand.
                // Where lists are atomic, the only container of a list may be gone by an apply.
                if self.kind.1 != "Rollout" || *which != 1 {
                    let is_told = is_changed && *which != 3;
                    assert_eq!(
                        !warnings.is_empty(),
                        is_told,
                        "{step:?} {:?} {warnings:?} {stored}",
                        self.kind
                    );
                }
            }
            Move::ByHandAndApply(which, manifest) => {
                let manifest = manifest.object(self.kind);
                self.apply(&by_hand(&stored, *which), manifest.clone(), manifest, step);
            }
            Move::Scale => {
                let mut object = stored;
                object["spec"]["replicas"] = json!(7);
                let part = self.part.clone();
                self.update(&object, part, step);
            }
            Move::Settings(which) => self.settings = settings(*which, self.kind.1),
            Move::Restart => {
                let number = self.revisions.len().to_string();
                let object = annotated(&stored, RESTARTED, &number);
                let part = annotated(&self.part, RESTARTED, &number);
                self.update(&object, part, step);
            }
        }
    }
}

#[test]
fn every_life_is_exact() {
    let cases = std::env::var("LIVES").map_or(300, |lives| lives.parse().unwrap());
    let steps = Cell::new(0);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let strategy = (select(KINDS.to_vec()), manifest(), 0..6_usize, vec(moves(), 1..9));
    let outcome = runner.run(&strategy, |(kind, first, which, moves)| {
        let mut life = Life::new(kind, &first, which);
        for step in &moves {
            life.step(step);
            steps.set(steps.get() + 1);
        }
        Ok(())
    });
    outcome.unwrap();
    println!("{cases} lives, {} steps", steps.get());
}
