//! From a configuration of any release to rules of version 2, and to a policy's manifest.

use datakit_injection::policy;
use datakit_injection::settings::release;
use datakit_injection::validation::validate;
use serde_json::Value;

use crate::{run, text};
use testing::cases::{FAULTY, normalised, recorded};

/// What version 2 adds of itself, as the notes of `convert` say.
fn without_additions_of_v2(mut pod: Value, settings: &Value) -> Value {
    fn without_info(object: &mut Value, key: &str) {
        let members = object.as_object_mut().unwrap();
        if let Some(list) = members.get_mut(key).and_then(Value::as_array_mut) {
            list.retain(|element| element["name"] != "datakit-pod-info");
        }
        members.retain(|name, list| name != key || *list != Value::Array(Vec::new()));
    }
    if settings["admission_inject"]["ddtrace"].get("resources").is_none()
        && let Some(inits) = pod["spec"].get_mut("initContainers")
    {
        for init in inits.as_array_mut().unwrap() {
            init.as_object_mut().unwrap().remove("resources");
        }
    }
    without_info(&mut pod["spec"], "volumes");
    for container in pod["spec"]["containers"].as_array_mut().unwrap() {
        without_info(container, "volumeMounts");
    }
    normalised(&pod)
}

/// The object that a recorded case gives under settings.
fn answer(request: &Value, settings: &str) -> Value {
    let answer = policy::evaluate(testing::requests::payload(request, settings).as_bytes());
    let mutated = answer.mutated_object().map(serde_json::from_str);
    mutated.map_or_else(|| request["object"].clone(), Result::unwrap)
}

#[test]
fn rules_of_version_2_do_what_those_of_every_release_did() {
    // The same, and the same but for what notes say of resources and of logfwd's mount.
    let mut counts = Vec::new();
    for recorded_in in ["1.5.11", "1.8.10-legacy", "1.8.10"] {
        let (mut same, mut noted) = (0, 0);
        let cases = recorded(recorded_in);
        let others: Vec<_> = cases.iter().step_by(15).map(|case| case.request("Pod")).collect();
        for case in cases {
            if FAULTY.contains(&&*case.id) {
                continue;
            }
            let output = run(&["convert", "-", "--v2", "--to", "settings"], case.settings.get());
            let converted = text(&output.stdout);
            assert!(output.status.success(), "{}: {}", case.id, text(&output.stderr));
            assert_eq!(validate(&converted), [], "{}: {converted}", case.id);
            assert!(!converted.contains("admission_inject\""), "{}", case.id);
            let sentence = release(&converted).unwrap();
            let has_rules =
                converted.contains("admission_inject_v2\"") || converted.contains("loggings");
            assert!(
                !has_rules || sentence.starts_with("read as release 1.8:"),
                "{}: {sentence}",
                case.id
            );
            let is_declared = converted.contains("operator_release");
            assert!(!is_declared || !converted.contains("admission_inject_v2\""), "{}", case.id);
            let settings = serde_json::from_str(case.settings.get()).unwrap();
            let is_noted = text(&output.stderr).contains("note: ");
            // Other pods too, of which nothing is recorded.
            for request in others.iter().filter(|_| !text(&output.stderr).contains("left out")) {
                let (before, after) =
                    (answer(request, case.settings.get()), answer(request, &converted));
                let is_same = match is_noted {
                    true => {
                        without_additions_of_v2(before, &settings)
                            == without_additions_of_v2(after, &settings)
                    }
                    false => before == after,
                };
                assert!(is_same, "{}: {request}\n{}{converted}", case.id, case.settings);
            }
            let request = case.request("Pod");
            let object = answer(&request, &converted);
            if normalised(&object) == normalised(&case.expected) {
                same += 1;
                continue;
            }
            assert!(is_noted, "{}: {converted}", case.id);
            assert_eq!(
                without_additions_of_v2(object, &settings),
                without_additions_of_v2(case.expected, &settings),
                "{}: {converted}",
                case.id
            );
            noted += 1;
        }
        counts.push((same, noted));
    }
    assert_eq!(counts, [(73, 92), (104, 0), (145, 0)]);
}

/// What the recorded configurations do not have: lists in 1.5.13 to 1.6.1, empty selectors.
#[test]
fn keeps_the_meaning_of_every_dialect() {
    let logging = r#"{"config":"[{\"type\":\"file\",\"path\":\"/l/N\"}]""#;
    let settings = [
        // Logfwd that selects, by namespaces that are regular expressions.
        r#"{"admission_inject":{"logfwd":{"images":{"logfwd_image":"a/logfwd:1"},"resources":{"limits":{"cpu":"1"}},
            "enabled_namespaces":[{"namespace":"sho"}],"enabled_labelselectors":[{"labelselector":"app in (x)"}]},
            "profiler":{"images":{"java_profiler_image":"a/java:1","python_profiler_image":"a/py:1"},
            "enabled_labelselectors":[{"labelselector":"","language":"python"}]}}}"#
            .to_owned(),
        // Loggings: either list, labels first, names and not expressions.
        format!(
            r#"{{"admission_mutate":{{"loggings":[{},"namespace_selectors":["sho"]}},
            {},"namespace_selectors":["shop"],"label_selectors":["app=y"]}},
            {},"namespace_selectors":[],"label_selectors":["app=x",""]}},
            {},"namespace_selectors":[],"label_selectors":[]}}]}}}}"#,
            logging.replace('N', "0"),
            logging.replace('N', "1"),
            logging.replace('N', "2"),
            logging.replace('N', "3")
        ),
        // Blocks as 1.8 reads them, and the release not needed any more.
        r#"{"admission_inject":{"ddtrace":{"images":{"java_agent_image":"a/java:1","python_agent_image":"a/py:1"},
            "enabled_namespaces":[{"namespace":"^sho","language":"java"},{"namespace":""}],
            "enabled_labelselectors":[{"labelselector":"app=x*"}]}},"policy":{"operator_release":"1.8"}}"#
            .to_owned(),
    ];
    let annotations = ["", "java-lib.version", "python-lib.version", "java-profiler.version"];
    for settings in settings {
        let output = run(&["convert", "-", "--v2", "--to", "settings"], &settings);
        let converted = text(&output.stdout);
        assert_eq!(validate(&converted), [], "{converted}");
        let mut injected = 0;
        for namespace in ["shop", "sho", "other"] {
            for app in ["x", "x1", "y"] {
                for annotation in annotations {
                    let annotation = format!("admission.datakit/{annotation}");
                    let object = serde_json::json!({
                        "apiVersion": "v1", "kind": "Pod",
                        "metadata": { "name": "a", "namespace": namespace, "labels": { "app": app },
                            "annotations": { annotation: "" } },
                        "spec": { "containers": [{ "name": "c", "image": "i" }] },
                    });
                    let request = testing::requests::request("CREATE", &object, None);
                    let (before, after) =
                        (answer(&request, &settings), answer(&request, &converted));
                    injected += usize::from(before != object);
                    let none = Value::Null;
                    assert_eq!(
                        without_additions_of_v2(before, &none),
                        without_additions_of_v2(after, &none),
                        "{object} {converted}"
                    );
                }
            }
        }
        assert!(injected > 0, "{converted}");
    }
}

#[test]
fn names_the_release_only_where_the_blocks_do_not() {
    let convert = |settings: &str| {
        let output = run(&["convert", "-", "--v2", "--to", "settings"], settings);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let loggings =
        r#""admission_mutate":{"loggings":[{"namespace_selectors":["a"],"config":"[{}]"}]}"#;
    let converted = convert(&format!("{{{loggings}}}"));
    assert_eq!(converted["policy"], serde_json::json!({ "operator_release": "1.8" }));
    let rules = r#""admission_inject":{"logfwd":{"images":{"logfwd_image":"a/b:1"}}}"#;
    let converted =
        convert(&format!(r#"{{{rules},{loggings},"policy":{{"operator_release":"1.5"}}}}"#));
    assert_eq!(converted.get("policy"), None);
    let converted = convert(r#"{"policy":{"id":"a","operator_release":"1.5"}}"#);
    assert_eq!(converted, serde_json::json!({ "policy": { "id": "a" } }));
}

#[test]
fn makes_a_policy_of_whatever_holds_a_configuration() {
    let config = crate::read("examples/settings.json");
    let config_map = serde_json::json!({ "kind": "ConfigMap", "data": { "config": config } });
    let plain = run(&["convert", "examples/settings.json"], "");
    assert_eq!(text(&plain.stderr), "");
    assert_eq!(run(&["convert", "-"], &config_map.to_string()).stdout, plain.stdout);
    let policy: Value = serde_norway::from_slice(&plain.stdout).unwrap();
    assert_eq!(policy["kind"], "ClusterAdmissionPolicy");
    assert_eq!(policy["spec"]["mode"], "monitor");
    assert_eq!(policy["spec"]["rules"][0]["resources"][0], "pods");
    let settings: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(policy["spec"]["settings"], settings);
    let again = run(&["convert", "-", "--to", "settings"], &text(&plain.stdout));
    assert_eq!(serde_json::from_slice::<Value>(&again.stdout).unwrap(), settings);
    let workloads = ["convert", "examples/settings.json", "--resources", "workloads"];
    let policy: Value = serde_norway::from_slice(&run(&workloads, "").stdout).unwrap();
    assert_eq!(policy["spec"]["rules"][0]["resources"][0], "deployments");
    let json = run(&[&workloads[..], &["-o", "json"]].concat(), "");
    assert_eq!(serde_json::from_slice::<Value>(&json.stdout).unwrap(), policy);
}

#[test]
fn says_what_version_2_cannot_say() {
    let settings = r#"{"jsonconfig":"{\"admission_inject\":{\"ddtrace\":{\"images\":{
        \"java_agent_image\":\"a/b:1\"},\"enabled_namespaces\":[{\"namespace\":\"a.b\",
        \"language\":\"java\"},{\"namespace\":\"x\",\"language\":\"js\"}],
        \"envs\":{\"A\":\"{secretKeyRef:a,b}\"}}}}","policy":{"sidecar_mode":"native"}}"#;
    let settings = settings.replace("\n", "");
    let output = run(&["convert", "-", "--v2", "--to", "settings"], &settings);
    let expected = "\
note: annotation admission.datakit/python-lib.version is left out: no image is configured for python
note: annotation admission.datakit/nodejs-lib.version is left out: no image is configured for nodejs
note: admission_inject.ddtrace.enabled_namespaces[1] is left out: no image is configured for nodejs
note: version 2 gives the ddtrace init container default resources; version 1 gave none
note: A of ddtrace becomes a reference; version 1 took it literally
";
    assert_eq!(text(&output.stderr), expected);
    let converted: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(converted["policy"]["sidecar_mode"], "native");
    let rules = &converted["admission_inject_v2"]["ddtraces"];
    assert_eq!(rules[0]["check_annotation"], true);
    assert_eq!(rules[1]["namespace_selectors"][0], "^a\\.b$");
    assert_eq!(rules.as_array().unwrap().len(), 2);
}

const ROLLOUTS: &str = r#"{"policy":{"extra_workloads":[
    {"group":"argoproj.io","kind":"Rollout","template":"/spec/template"},
    {"group":"kruise.io","kind":"CloneSet","template":"/spec/template"}]}}"#;

/// The rules of a manifest as `group/versions/resources/operations`, without those of Kubernetes' kinds.
fn extra_rules(manifest: &[u8]) -> Vec<String> {
    let policy: Value = serde_norway::from_slice(manifest).unwrap();
    let rules = policy["spec"]["rules"].as_array().unwrap().iter();
    let joined = |rule: &Value, key: &str| {
        let list = rule[key].as_array().unwrap().iter();
        list.map(|it| it.as_str().unwrap()).collect::<Vec<_>>().join("+")
    };
    let keys = ["apiGroups", "apiVersions", "resources", "operations"];
    let rules = rules.map(|rule| keys.map(|key| joined(rule, key)).join("/"));
    rules.filter(|rule| !rule.starts_with("apps/") && !rule.starts_with("batch/")).collect()
}

#[test]
fn writes_rules_for_kinds_that_the_settings_name() {
    let workloads = ["convert", "-", "--resources", "workloads"];
    let output = run(&workloads, ROLLOUTS);
    let rules = extra_rules(&output.stdout);
    let expected = ["argoproj.io/*/rollouts/CREATE+UPDATE", "kruise.io/*/clonesets/CREATE+UPDATE"];
    assert_eq!(rules, expected);
    let guessed = "\
note: `rollouts.argoproj.io` is guessed from the kind `Rollout`; if it has another name, pass `--resource`
note: `clonesets.kruise.io` is guessed from the kind `CloneSet`; if it has another name, pass `--resource`
";
    assert_eq!(text(&output.stderr), guessed);
    let given = ["--resource", "rollouts.v1alpha1.argoproj.io", "--resource", "clones.kruise.io"];
    let output = run(&[&workloads[..], &given].concat(), ROLLOUTS);
    assert_eq!(text(&output.stderr), "");
    let rules = extra_rules(&output.stdout);
    let expected =
        ["argoproj.io/v1alpha1/rollouts/CREATE+UPDATE", "kruise.io/*/clones/CREATE+UPDATE"];
    assert_eq!(rules, expected);
    // A policy of Pods sees the Pods of these kinds, and not the kinds.
    let output = run(&["convert", "-"], ROLLOUTS);
    assert_eq!(extra_rules(&output.stdout), ["/v1/pods/CREATE"]);
    let note = "note: policy.extra_workloads has no effect in a policy of Pods; pass `--resources workloads`\n";
    assert_eq!(text(&output.stderr), note);
    for (resource, reason) in [
        (
            "things.example.com",
            "policy.extra_workloads has no kind of the group of `things.example.com`",
        ),
        ("Rollout", "is not a resource, such as `rollouts.argoproj.io`"),
    ] {
        let output = run(&[&workloads[..], &["--resource", resource]].concat(), ROLLOUTS);
        assert_eq!(output.status.code(), Some(2), "{resource}");
        assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
    }
}

#[test]
fn adds_the_rules_that_a_manifest_lacks() {
    let settings: Value = serde_json::from_str(ROLLOUTS).unwrap();
    let manifest = |rules: &str| {
        format!(
            "kind: ClusterAdmissionPolicy # mine\nspec:\n  rules:\n{rules}  settings: {settings}\n"
        )
    };
    let given = "  - apiGroups: [apps]\n    apiVersions: [v1]\n    resources: [deployments]\n    operations: [CREATE]\n";
    let output = run(&["convert", "-"], &manifest(given));
    let added = ["argoproj.io/*/rollouts/CREATE+UPDATE", "kruise.io/*/clonesets/CREATE+UPDATE"];
    assert_eq!(extra_rules(&output.stdout), added);
    assert!(text(&output.stdout).starts_with("kind: ClusterAdmissionPolicy # mine\n"));
    // Once is enough, and a rule of the group may name what is not guessed.
    let again = run(&["convert", "-"], &text(&output.stdout));
    assert_eq!((text(&again.stdout), text(&again.stderr)), (text(&output.stdout), String::new()));
    let other = "  - apiGroups: [\"*\"]\n    apiVersions: [\"*\"]\n    resources: [things]\n    operations: [CREATE]\n";
    assert_eq!(
        extra_rules(&run(&["convert", "-"], &manifest(other)).stdout),
        ["*/*/things/CREATE"]
    );
}

#[test]
fn leaves_conditions_out_where_they_are_not_wanted() {
    for resources in ["pods", "workloads"] {
        let new = ["convert", "examples/settings.json", "--resources", resources];
        let with: Value = serde_norway::from_slice(&run(&new, "").stdout).unwrap();
        let output = run(&[&new[..], &["--no-conditions"]].concat(), "");
        assert!(!text(&output.stdout).contains("These requests pass"), "{}", text(&output.stdout));
        let mut without: Value = serde_norway::from_slice(&output.stdout).unwrap();
        assert!(without["spec"].get("matchConditions").is_none());
        without["spec"]["matchConditions"] = with["spec"]["matchConditions"].clone();
        assert_eq!(without, with);
        // Those that others wrote stay.
        let mut others = with.clone();
        let conditions = others["spec"]["matchConditions"].as_array_mut().unwrap();
        conditions.push(serde_json::json!({ "name": "mine", "expression": "true" }));
        let renewed = run(&["convert", "-", "--no-conditions"], &others.to_string());
        let renewed: Value = serde_json::from_slice(&renewed.stdout).unwrap();
        assert_eq!(
            renewed["spec"]["matchConditions"],
            serde_json::json!([{ "name": "mine", "expression": "true" }])
        );
        let renewed = run(&["convert", "-", "--no-conditions"], &with.to_string());
        let renewed: Value = serde_json::from_slice(&renewed.stdout).unwrap();
        assert!(renewed["spec"].get("matchConditions").is_none());
    }
}

/// Lists that a release does not read select nothing after the conversion either.
#[test]
fn leaves_lists_out_that_the_release_does_not_read() {
    let settings = |release: &str| {
        format!(
            r#"{{"admission_inject":{{"logfwd":{{"enabled_namespaces":[{{"namespace":"^a"}}],
                "images":{{"logfwd_image":"a/b:1"}}}}}},"policy":{{"operator_release":"{release}"}}}}"#
        )
    };
    let note = "admission_inject.logfwd.enabled_namespaces is left out: it has no effect up to release 1.5.12";
    for (release, rules, is_noted) in [("1.5", 1, true), ("1.5.13", 2, false), ("1.9", 1, false)] {
        let output = run(&["convert", "-", "--v2", "--to", "settings"], &settings(release));
        let converted: Value = serde_json::from_slice(&output.stdout).unwrap();
        let logfwds = converted["admission_inject_v2"]["logfwds"].as_array().unwrap();
        assert_eq!(
            (logfwds.len(), text(&output.stderr).contains(note)),
            (rules, is_noted),
            "{release}"
        );
    }
}

/// A manifest keeps its own rules, so this would have no effect.
#[test]
fn refuses_other_resources_for_a_manifest() {
    let settings = "log_level: info\nadmission_inject_v2: {ddtraces: []}\n";
    let manifest = run(&["convert", "-", "--resources", "workloads"], settings);
    assert_eq!(manifest.status.code(), Some(0), "{}", text(&manifest.stderr));
    let manifest = text(&manifest.stdout);
    for resources in ["pods", "workloads"] {
        let output = run(&["convert", "-", "--resources", resources], &manifest);
        let expected = "error: `--resources` is for a new policy, and this manifest has its own \
                        rules; convert it with `--to settings` first\n";
        assert_eq!(
            (text(&output.stdout), text(&output.stderr)),
            (String::new(), expected.to_owned())
        );
        assert_eq!(output.status.code(), Some(2));
    }
    let output = run(&["convert", "-"], &manifest);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("deployments"));
}

/// Each rule names the exclusions before it, so the condition is given up as soon as it is too long.
#[test]
fn converts_many_rules_in_time() {
    let rule = |index: usize, rest: &str| {
        format!(r#"{{"namespace_selectors":["^n{index}$"],"image":"a/b:1"{rest}}}"#)
    };
    let excluding = (0..4_000).map(|index| rule(index, r#","check_annotation":true"#));
    let rules = excluding.chain((0..4_000).map(|index| rule(index + 4_000, "")));
    let rules = rules.collect::<Vec<_>>().join(",");
    let settings = format!(r#"{{"admission_inject_v2":{{"logfwds":[{rules}]}}}}"#);
    let start = std::time::Instant::now();
    let output = run(&["convert", "-"], &settings);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    let note = "note: the condition `asks-for-an-injection` is left out: it would exceed 60000 characters\n";
    assert_eq!(text(&output.stderr), note);
    assert!(!text(&output.stdout).contains("asks-for-an-injection"));
}

/// Numbers that a 64-bit float changes are injected as they are written, so they are converted so, too.
#[test]
fn keeps_numbers_as_they_are_written() {
    let envs = "{VERSION: 1.10, BIG: 12345678901234567890123, HUGE: 1e999}";
    let settings = format!(
        "admission_inject: {{ddtrace: {{images: {{java_agent_image: 'a/b:1'}}, envs: {envs}, enabled_namespaces: [{{namespace: shop, language: java}}]}}}}\n"
    );
    let packed = serde_json::json!({ "jsonconfig": format!(
        r#"{{"admission_inject":{{"ddtrace":{{"images":{{"java_agent_image":"a/b:1"}},"envs":{}}}}}}}"#,
        envs.replace('{', "{\"").replace(", ", ", \"").replace(": ", "\": ")
    ) });
    for arguments in [
        &["--to", "settings"][..],
        &["--to", "settings", "-o", "yaml"],
        &["--to", "settings", "--v2"],
        &["--to", "settings", "--v2", "-o", "yaml"],
        &["--v2"],
        &["--v2", "-o", "json"],
        &["--v2", "--resources", "workloads"],
        &[],
    ] {
        for input in [&settings, &packed.to_string()] {
            let output = run(&[&["convert", "-"], arguments].concat(), input);
            let stdout = text(&output.stdout).replace(['"', '\\'], "");
            for number in ["VERSION: 1.10", "BIG: 12345678901234567890123", "HUGE: 1e999"] {
                assert!(
                    stdout.contains(number),
                    "{arguments:?}: {number}: {stdout}{}",
                    text(&output.stderr)
                );
            }
            // What is converted once is converted again.
            let arguments =
                arguments.strip_suffix(&["--resources", "workloads"]).unwrap_or(arguments);
            let again = run(&[&["convert", "-"], arguments].concat(), &text(&output.stdout));
            let stdout = text(&again.stdout).replace(['"', '\\'], "");
            assert!(stdout.contains("VERSION: 1.10"), "{arguments:?}: {stdout}");
        }
    }
}
