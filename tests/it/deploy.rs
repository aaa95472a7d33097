//! The `matchConditions` of `deploy/`: compiled from the settings beside them, and right for requests.

use std::path::Path;

use cel::{Context, Program, Value as CelValue};
use expect_test::expect_file;
use serde_json::{Value, json};
use settings_tools::conditions::{Condition, Conditions, Scope, compile};

use crate::documents::read;
use crate::objects::{deployment, java_asked, pod, with_annotation};
use crate::packaging::{BASES, DEPLOYED, OVERLAYS, kustomized, yaml};
use testing::requests::request;

const START: &str = "# Written from the settings by `make conditions`. These requests pass:\n";
const END: &str = "# end of conditions\n";

/// A manifest with these conditions between its markers.
fn with_conditions(manifest: &str, compiled: &Conditions) -> String {
    let parts: Vec<&str> = manifest.split(START).collect();
    let [before, rest] = parts[..] else { panic!("expected one `{}`", START.trim()) };
    let (_, after) = rest.split_once(END).expect("the conditions end");
    let indentation = before.rsplit('\n').next().unwrap_or_default();
    let mut text = format!("{before}{START}");
    for word in &compiled.words {
        text.push_str(&format!("{indentation}#   {word}\n"));
    }
    for Condition { name, expression } in &compiled.conditions {
        text.push_str(&format!("{indentation}- name: {name}\n{indentation}  expression: |-\n"));
        for line in expression.lines() {
            text.push_str(&format!("{indentation}    {line}\n"));
        }
    }
    format!("{text}{indentation}{END}{after}")
}

/// The conditions that a policy should have.
fn compiled(policy: &Value) -> Conditions {
    let rules = policy["spec"]["rules"].as_array().unwrap().iter();
    let resources = rules.flat_map(|rule| rule["resources"].as_array().unwrap());
    let scope = Scope::of_resources(resources.filter_map(Value::as_str));
    let compiled = compile(&policy["spec"]["settings"].to_string(), scope);
    assert_eq!(compiled.notes, [""; 0]);
    compiled
}

#[test]
fn conditions_are_compiled_from_the_settings() {
    for path in DEPLOYED {
        let expected = with_conditions(&read(path), &compiled(&yaml(path)));
        expect_file![Path::new(env!("CARGO_MANIFEST_DIR")).join(path)].assert_eq(&expected);
    }
}

/// An overlay changes settings, and so may need other conditions.
#[test]
fn conditions_of_overlays_are_those_of_their_settings() {
    let mut policies: Vec<Value> = DEPLOYED.iter().map(|path| yaml(path)).collect();
    for (overlay, base) in OVERLAYS.iter().flat_map(|it| BASES.map(|base| (it, base))) {
        let objects = kustomized(overlay, base).into_iter();
        policies.extend(objects.filter(|object| object["kind"] == "ClusterAdmissionPolicy"));
    }
    assert_eq!(policies.len(), 11);
    for policy in policies {
        let conditions = compiled(&policy).conditions.into_iter().map(
            |Condition { name, expression }| json!({ "name": name, "expression": expression }),
        );
        let expected = Value::Array(conditions.collect());
        assert_eq!(policy["spec"]["matchConditions"], expected, "{}", policy["metadata"]["name"]);
    }
}

/// Whether the API server sends a request to a policy, as far as the conditions decide it.
fn is_sent(policy: &Value, request: &Value) -> bool {
    let conditions = policy["spec"]["matchConditions"].as_array().unwrap();
    conditions.iter().all(|condition| {
        let program = Program::compile(condition["expression"].as_str().unwrap()).unwrap();
        let mut context = Context::default();
        for name in ["object", "oldObject"] {
            let object = request.get(name).unwrap_or(&Value::Null);
            context.add_variable(name, object).unwrap();
        }
        context.add_variable("request", request).unwrap();
        match program.execute(&context) {
            Ok(CelValue::Bool(is_true)) => is_true,
            other => panic!("{}: {other:?}", condition["name"]),
        }
    })
}

fn with_label(mut pod: Value, key: &str, value: &str) -> Value {
    pod["metadata"]["labels"] = json!({ key: value });
    pod
}

fn in_namespace(mut object: Value, namespace: &str) -> Value {
    object["metadata"]["namespace"] = json!(namespace);
    object
}

fn cron_job(pod: &Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "jobTemplate": { "spec": { "template": deployment(pod)["spec"]["template"] } } },
    })
}

#[test]
fn requests_that_ask_for_nothing_stay_in_the_api_server() {
    let [workloads, pods, namespaced] = DEPLOYED.map(yaml);
    let opted_out = |pod| with_annotation(pod, "admission.datakit/enabled", "F");
    let logging = || with_label(pod(), "app", "logging");
    let traced = || with_label(pod(), "tracing", "java");
    let other = || with_label(with_annotation(pod(), "other", "x"), "app", "web");
    // The policy, the object, whether it is sent, and why.
    for (policy, object, expected, why) in [
        (&pods, pod(), false, "nothing asks"),
        (&pods, other(), false, "neither the label nor the annotation is one of ours"),
        (&pods, java_asked(), true, "an annotation asks"),
        (&pods, with_annotation(pod(), "admission.datakit/jav-lib", ""), true, "it gets a warning"),
        (&pods, logging(), true, "a rule selects the label"),
        (&pods, in_namespace(pod(), "test01"), true, "a rule selects the namespace"),
        (&pods, in_namespace(pod(), "test01x"), false, "that is another namespace"),
        (&pods, opted_out(java_asked()), false, "it opts out"),
        (&pods, opted_out(logging()), false, "it opts out"),
        (&pods, in_namespace(java_asked(), "kube-system"), false, "the namespace is ignored"),
        (&workloads, deployment(&pod()), false, "nothing asks"),
        (&workloads, deployment(&other()), false, "nothing asks"),
        (&workloads, deployment(&java_asked()), true, "an annotation asks"),
        (&workloads, deployment(&logging()), true, "a rule selects the label"),
        (&workloads, deployment(&opted_out(java_asked())), false, "it opts out"),
        (&workloads, cron_job(&pod()), false, "nothing asks"),
        (&workloads, cron_job(&java_asked()), true, "an annotation asks"),
        (&workloads, cron_job(&opted_out(java_asked())), false, "it opts out"),
        (&namespaced, deployment(&pod()), false, "nothing asks"),
        (&namespaced, deployment(&logging()), false, "no rule selects the label"),
        (&namespaced, deployment(&traced()), true, "a rule selects the label"),
        (&namespaced, deployment(&opted_out(traced())), false, "it opts out"),
    ] {
        let name = &policy["metadata"]["name"];
        let is_sent = is_sent(policy, &request("CREATE", &object, None));
        assert_eq!(is_sent, expected, "{name}: {why}: {object}");
    }
}

/// What was injected earlier may have to be put back or taken out, whatever the template asks for now.
#[test]
fn requests_for_recorded_workloads_are_sent() {
    let [workloads, _, namespaced] = DEPLOYED.map(yaml);
    let opted_out = with_annotation(pod(), "admission.datakit/enabled", "false");
    for (policy, key) in [
        (&workloads, "admission.datakit/injected"),
        (&namespaced, "admission.datakit/injected.shop"),
    ] {
        for bare in [deployment(&pod()), deployment(&opted_out), cron_job(&pod())] {
            let mut recorded = bare.clone();
            let place = testing::cases::template_path(&bare);
            let template = recorded.pointer_mut(place).unwrap();
            *template = with_annotation(template.take(), key, "{}");
            for (object, old, expected) in [
                (&recorded, None, true),
                (&recorded, Some(&recorded), true),
                (&recorded, Some(&bare), true),
                (&bare, Some(&recorded), true),
                (&bare, Some(&bare), false),
            ] {
                let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
                let is_sent = is_sent(policy, &request(operation, object, old));
                assert_eq!(is_sent, expected, "{key}: {object} {old:?}");
            }
        }
    }
}
