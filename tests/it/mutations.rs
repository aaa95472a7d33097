//! Settings with a mistake in them: what validation accepts, no request calls invalid, and what it
//! refuses names the place that was changed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use datakit_injection::policy;
use datakit_injection::reason::Reason;
use datakit_injection::settings::release;
use datakit_injection::validation::validate;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use testing::cases::{FAULTY, all_recorded};
use testing::requests::payload;

use crate::properties::{KINDS, payload_of, template};

/// A place in a document: keys and indices.
type Place = Vec<Step>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    Index(usize),
}

/// Values that people and tools put where they do not belong.
fn hostile() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(""),
        json!(" "),
        json!("^prod"),
        json!("*"),
        json!("("),
        json!("a**"),
        json!("a=[b"),
        json!("java"),
        json!("cobol"),
        json!("true"),
        json!("[]"),
        json!("{}"),
        json!("[{\"type\":7}]"),
        json!("1.9"),
        json!("$(A) $(B)"),
        json!("{fieldRef:metadata.name}"),
        json!("Hub/X: 1"),
        json!("\u{0}"),
        json!("\u{1f98a}"),
        json!("x".repeat(300)),
        json!([]),
        json!([""]),
        json!([null]),
        json!([7, "a"]),
        json!([[["a"]]]),
        json!({}),
        json!({ "a": 1 }),
        json!({ "A": { "b": [] } }),
        json!([{ "namespace": "a", "language": "java" }]),
    ]
}

/// One mistake.
#[derive(Clone, Debug)]
enum Mistake {
    Value(Value),
    Misspelt(u8),
    Dropped,
    Added(Value),
}

fn mistake() -> impl Strategy<Value = Mistake> {
    prop_oneof![
        4 => select(hostile()).prop_map(Mistake::Value),
        3 => any::<u8>().prop_map(Mistake::Misspelt),
        2 => Just(Mistake::Dropped),
        1 => select(hostile()).prop_map(Mistake::Added),
    ]
}

/// A key as somebody may type it.
fn misspelt(key: &str, how: u8) -> String {
    let mut chars: Vec<char> = key.chars().collect();
    match how % 7 {
        0 => format!("{key}s"),
        1 => format!("{key}_x"),
        2 => format!("x{key}"),
        3 => key.to_uppercase(),
        4 => {
            chars.pop();
            chars.into_iter().collect()
        }
        5 if chars.len() > 1 => {
            chars.swap(0, 1);
            chars.into_iter().collect()
        }
        _ => key.replace('_', "-") + " ",
    }
}

fn places(value: &Value, place: &Place, found: &mut Vec<Place>) {
    let steps: Vec<(Step, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(key, value)| (Step::Key(key.clone()), value)).collect()
        }
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(index, it)| (Step::Index(index), it)).collect()
        }
        _ => Vec::new(),
    };
    for (step, value) in steps {
        let place = [&place[..], &[step]].concat();
        places(value, &place, found);
        found.push(place);
    }
}

fn at<'v>(value: &'v mut Value, place: &[Step]) -> &'v mut Value {
    place.iter().fold(value, |value, step| match step {
        Step::Key(key) => &mut value[key.as_str()],
        Step::Index(index) => &mut value[*index],
    })
}

/// Makes a mistake somewhere; returns the places where an error may be said to be.
fn make(settings: &mut Value, place: usize, mistake: &Mistake) -> Vec<Place> {
    let mut found = Vec::new();
    places(settings, &Vec::new(), &mut found);
    if found.is_empty() {
        return Vec::new();
    }
    let place = found[place % found.len()].clone();
    let (last, parent) = place.split_last().unwrap();
    let holder = at(settings, parent);
    match (mistake, last) {
        (Mistake::Value(value), _) => {
            *at(settings, &place) = value.clone();
            vec![place]
        }
        (Mistake::Misspelt(how), Step::Key(key)) => {
            let members = holder.as_object_mut().unwrap();
            let value = members.remove(key).unwrap();
            let key = misspelt(key, *how);
            members.insert(key.clone(), value);
            vec![[parent, &[Step::Key(key)]].concat(), place]
        }
        (Mistake::Misspelt(_) | Mistake::Dropped, Step::Index(index)) => {
            holder.as_array_mut().unwrap().remove(*index);
            vec![parent.to_vec()]
        }
        (Mistake::Dropped, Step::Key(key)) => {
            holder.as_object_mut().unwrap().remove(key);
            vec![place]
        }
        (Mistake::Added(value), Step::Key(key)) => {
            let key = misspelt(key, 1);
            holder[key.as_str()] = value.clone();
            vec![[parent, &[Step::Key(key)]].concat()]
        }
        (Mistake::Added(value), Step::Index(_)) => {
            let elements = holder.as_array_mut().unwrap();
            elements.push(value.clone());
            vec![[parent, &[Step::Index(elements.len() - 1)]].concat()]
        }
    }
}

/// A place as messages write it.
fn written(place: &[Step]) -> String {
    place.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) if path.is_empty() => key.clone(),
        Step::Key(key) => format!("{path}.{key}"),
        Step::Index(index) => format!("{path}[{index}]"),
    })
}

/// Whether a path is that of a place, or of something in it. Some keys may be in any case.
fn is_within(path: &str, place: &str) -> bool {
    let (path, place) = (path.to_lowercase(), place.to_lowercase());
    path.strip_prefix(&*place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Settings of every release that use all there is, and select the generated objects.
fn full() -> Vec<Value> {
    let envs =
        json!({ "DD_AGENT_HOST": "h", "POD": "{fieldRef:metadata.name}", "DD_TAGS": "pod:$(POD)" });
    let resources = json!({ "requests": { "cpu": "1m", "memory": 5 },
                            "limits": { "cpu": 2, "memory": "1Gi" } });
    let rest = json!({ "image": "hub/x:1", "envs": envs, "resources": resources,
                       "image_pull_policy": "Never", "name": "r" });
    let rule = |more: Value| {
        let mut rule = rest.clone();
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let config = "[{\"type\":\"file\",\"path\":\"/data/logs/*\"}]";
    let flame = json!({ "FLAMESHOT_PROFILING_PATH": "/flame", "FLAMESHOT_HTTP_LOCAL_PORT": 8089 });
    let v2 = json!({
        "ddtraces": [
            rule(json!({ "language": "java", "label_selectors": ["app=w*"], "check_annotation": true })),
            rule(json!({ "language": "php", "namespace_selectors": ["^def"], "label_selectors": ["tier in (back)"],
                         "php_loader_flavor": "linux-musl" })),
            rule(json!({ "language": "python", "namespace_selectors": ["*"] })),
        ],
        "otels": [rule(json!({ "language": "java", "namespace_selectors": ["*"], "check_annotation": false }))],
        "logfwds": [rule(json!({ "namespace_selectors": ["default"], "label_selectors": ["app"],
                                 "log_configs": config, "log_volume_paths": ["/var/log/app"] })),
                    rule(json!({ "namespace_selectors": ["*"], "check_annotation": true }))],
        "flameshots": [rule(json!({ "namespace_selectors": ["*"], "processes": "[{}]", "envs": flame,
                                    "enable_prometheus_annotations": true }))],
        "profilers": [rule(json!({ "language": "golang", "label_selectors": ["!nope", "app"] }))],
    });
    // As the Operator's default file has them.
    let off = json!({
        "ddtraces": [rule(json!({ "language": "java", "namespace_selectors": [], "label_selectors": [],
                                  "check_annotation": false, "image": "" }))],
        "flameshots": [rule(json!({ "namespace_selectors": ["*"], "processes": "", "image": "" }))],
        "logfwds": [rule(json!({ "namespace_selectors": [], "label_selectors": [], "log_configs": "" }))],
    });
    let entries = json!({
        "enabled_namespaces": [{ "namespace": "default", "language": "java" }],
        "enabled_labelselectors": [{ "LabelSelector": "app", "language": "java" }],
    });
    let block = |more: Value| {
        let mut block =
            json!({ "envs": envs, "resources": resources, "image_pull_policy": "Always" });
        block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        block
    };
    let selecting = |more: Value| {
        let mut block = block(more);
        block.as_object_mut().unwrap().extend(entries.as_object().unwrap().clone());
        block
    };
    let traces = json!({ "images": { "java_agent_image": "h/j:1", "python_agent_image": "h/p:1",
                                     "js_agent_image": "h/n:1", "php_agent_image": "h/h:1" },
                         "php_loader_flavor": "linux-gnu" });
    let logs = json!({ "images": { "logfwd_image": "h/l:1" }, "options": { "x": "y" } });
    let profiles =
        json!({ "images": { "java_profiler_image": "h/a:1", "golang_profiler_image": "h/g:1" } });
    let v1 = json!({ "ddtrace": selecting(traces.clone()), "logfwd": block(logs.clone()),
                     "profiler": block(profiles.clone()) });
    let v1_6 = json!({ "ddtrace": selecting(traces), "logfwd": selecting(logs),
                       "profiler": selecting(profiles) });
    let loggings = json!({ "logging": [], "loggings": [
        { "namespace_selectors": ["default"], "label_selectors": ["app=web"], "config": config },
        { "namespace_selectors": ["default"], "label_selectors": ["tier"], "config": config },
        { "namespace_selectors": [], "label_selectors": [], "config": "" },
    ] });
    let policy = |release: Option<&str>| {
        json!({
            "operator_release": release,
            "sidecar_mode": "native", "ignored_namespaces": ["kube-system"], "ignored_containers": ["istio-proxy"],
            "extra_workloads": [{ "group": "argoproj.io", "kind": "Rollout", "template": "/spec/template" }],
            "security_context": { "runAsUser": 1000, "capabilities": { "drop": ["ALL"] } },
            "image_pull_secrets": ["hub"], "empty_dir_size_limit": "1Gi", "allow_version_annotations": true,
            "id": "team-a", "pod_security": "ignore", "status_annotation": true, "qos_class": "preserve",
            "safe_to_evict": true,
        })
    };
    let settings = |key: &str, rules: &Value, release: Option<&str>| {
        json!({ "server_listen": "0.0.0.0:9543", "log_level": "debug", key: rules,
                "admission_mutate": loggings, "policy": policy(release) })
    };
    let mut full = vec![
        settings("admission_inject_v2", &v2, None),
        settings("admission_inject_v2", &v2, Some("1.9")),
        settings("admission_inject_v2", &off, Some("1.8")),
        settings("admission_inject", &v1, None),
        settings("admission_inject", &v1_6, None),
    ];
    for release in ["1.5", "1.5.13", "1.8", "1.9"] {
        full.push(settings("admission_inject", &v1_6, Some(release)));
    }
    full
}

/// Valid settings: the recorded ones, and those that use all there is, which are drawn as often.
fn bases() -> Vec<Value> {
    let recorded = all_recorded().filter(|case| !FAULTY.contains(&&*case.id));
    let recorded: BTreeSet<String> = recorded.map(|case| case.settings.get().to_owned()).collect();
    let mut bases: Vec<Value> =
        recorded.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let full = full();
    let repeated = full.iter().cycle().take(bases.len() / full.len() * full.len()).cloned();
    bases.extend(repeated.collect::<Vec<_>>());
    bases
}

/// An object that asks for all there is, and goes by every selector.
fn asking() -> Value {
    let annotations: BTreeMap<&str, &str> = datakit_injection::injection::table::ALL
        .iter()
        .flat_map(|injection| injection.variants)
        .flat_map(|variant| variant.annotations)
        .map(|name| (*name, if name.contains("logfwd") { "[]" } else { "v1" }))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "p", "namespace": "default",
                      "labels": { "app": "web", "tier": "back", "env": "prod" }, "annotations": annotations },
        "spec": { "containers": [{ "name": "c" }] },
    })
}

/// What a request calls invalid, of the settings.
fn called_invalid(payload: &str) -> Vec<String> {
    let (answer, explanation) = policy::explain(payload.as_bytes());
    let of_trace = explanation.steps.iter().map(|step| &step.reason).chain(&explanation.reason);
    let is_invalid = |reason: &&Reason| matches!(reason, Reason::Faulty(_) | Reason::Unsafe(_));
    let warnings = answer.report.warnings().into_iter().filter(|it| it.contains(" is invalid"));
    of_trace.filter(is_invalid).map(ToString::to_string).chain(warnings).collect()
}

#[derive(Default)]
struct Counts {
    accepted: usize,
    refused: usize,
    /// Refused for what another release reads in another way, elsewhere.
    of_another_release: usize,
}

#[test]
fn full_settings_are_valid_and_reach_every_rule() {
    for settings in full() {
        let text = settings.to_string();
        assert_eq!(validate(&text), [], "{text}");
        let request = testing::requests::request("CREATE", &asking(), None);
        let (answer, _) = policy::explain(payload(&request, &text).as_bytes());
        assert!(!answer.report.injected.is_empty(), "{text}");
    }
}

#[test]
fn mutated_settings_are_refused_where_they_were_changed_or_work() {
    let cases = std::env::var("MUTATED_SETTINGS").map_or(400, |cases| cases.parse().unwrap());
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let counts = RefCell::new(Counts::default());
    let mistakes = prop_oneof![
        3 => vec((any::<Index>(), mistake()), 1),
        1 => vec((any::<Index>(), mistake()), 2..4),
    ];
    let objects = vec((0..KINDS.len(), template()), 2);
    let strategy = (select(bases()), mistakes, any::<bool>(), objects);
    let request = testing::requests::request("CREATE", &asking(), None);
    let outcome = runner.run(&strategy, |(base, mistakes, is_packed, objects)| {
        let mut settings = base.clone();
        let changed: Vec<Place> = mistakes
            .iter()
            .flat_map(|(index, mistake)| make(&mut settings, index.index(1 << 20), mistake))
            .collect();
        let mut text = settings.to_string();
        if is_packed {
            text = json!({ "jsonconfig": text }).to_string();
        }
        let errors = validate(&text);
        let mut counts = counts.borrow_mut();
        if errors.is_empty() {
            counts.accepted += 1;
            let objects = objects.iter().map(|(kind, template)| {
                let object = crate::properties::wrapped(*kind, template);
                payload_of(*kind, "CREATE", &object, None, &text)
            });
            for payload in objects.chain([payload(&request, &text)]) {
                prop_assert_eq!(called_invalid(&payload), [""; 0], "{} {}", text, payload);
            }
            return Ok(());
        }
        counts.refused += 1;
        let changed = changed.iter().map(|place| written(place));
        // A request is more than its limit also where the limit is what was changed.
        let changed: Vec<String> =
            changed.flat_map(|place| [place.replace(".limits", ".requests"), place]).collect();
        let names = |place: &String| {
            errors.iter().any(|error| {
                // A rule that is switched on by its selectors misses what it did without.
                let is_missing = error.message.starts_with("is required")
                    || error.message.starts_with("is empty");
                let switches = [".namespace_selectors", ".label_selectors", ".processes"];
                let mut rules = switches.iter().filter_map(|key| Some(place.split_once(key)?.0));
                is_within(&error.path, place)
                    || is_missing && rules.any(|rule| is_within(&error.path, rule))
            })
        };
        if !changed.iter().any(names) {
            let has_other_release = release(&text) != release(&base.to_string());
            prop_assert!(has_other_release, "{:?} not in {:?}: {}", changed, errors, text);
            counts.of_another_release += 1;
        }
        Ok(())
    });
    outcome.unwrap();
    let Counts { accepted, refused, of_another_release } = counts.into_inner();
    println!("{accepted} accepted, {refused} refused, {of_another_release} for another release");
    assert!(accepted > cases as usize / 10 && refused > cases as usize / 4);
    assert!(of_another_release < cases as usize / 20);
}
