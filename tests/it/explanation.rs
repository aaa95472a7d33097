//! What is said of the way to a decision.

use datakit_injection::policy;
use serde_json::{Value, json};

use crate::objects::{deployment, java_asked, pod, with_annotation};
use testing::cases::{KINDS, all_recorded};
use testing::requests::{payload, request};

fn explain(request: &Value, settings: &Value) -> Value {
    let (answer, explanation) = policy::explain(payload(request, &settings.to_string()).as_bytes());
    explanation.to_json(&answer.report)
}

fn images() -> Value {
    json!({ "java_agent_image": "registry.example/dd:v1", "js_agent_image": "registry.example/js:v1" })
}

/// Each step as `injection rule code`.
fn steps(explained: &Value) -> Vec<String> {
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or("-").to_owned();
    let step = |step: &Value| ["injection", "rule", "code"].map(|key| text(step, key)).join(" ");
    explained["steps"].as_array().unwrap().iter().map(step).collect()
}

#[test]
fn explains_every_recorded_case_and_answers_the_same() {
    for case in all_recorded() {
        for (kind, _) in KINDS {
            let payload = payload(&case.request(kind), case.settings.get());
            let (answer, explanation) = policy::explain(payload.as_bytes());
            let expected = policy::evaluate(payload.as_bytes());
            assert_eq!(answer.clone().into_response(), expected.into_response(), "{}", case.id);
            let is_silent = answer.report.injected.is_empty()
                && answer.report.present.is_empty()
                && answer.report.skipped.is_empty();
            assert_eq!(explanation.reason.is_some(), is_silent, "{} as {kind}", case.id);
            assert!(explanation.workload.starts_with(kind));
        }
    }
}

#[test]
fn says_what_was_found_of_each_rule() {
    let image = "registry.example/dd:v1";
    let settings = json!({ "admission_inject_v2": {
        "ddtraces": [
            { "namespace_selectors": ["^prod$"], "language": "java", "image": image },
            { "label_selectors": ["app=other"], "language": "java", "image": image },
            { "language": "java", "image": image },
            { "namespace_selectors": ["*"], "language": "cobol", "image": image },
            { "namespace_selectors": ["*"], "language": "python", "image": image,
              "check_annotation": true },
            { "namespace_selectors": ["*"], "language": "java", "image": image },
            { "namespace_selectors": ["*"], "language": "php", "image": image },
        ],
        "flameshots": [{ "namespace_selectors": ["*"], "processes": "", "image": image }],
    }, "admission_mutate": { "loggings": [
        { "namespace_selectors": ["prod"], "label_selectors": ["app=other"], "config": "[]" },
    ] } });
    let explained = explain(&request("CREATE", &deployment(&pod()), None), &settings);
    let expected = [
        "ddtrace admission_inject_v2.ddtraces[0] other-namespace",
        "ddtrace admission_inject_v2.ddtraces[1] other-labels",
        "ddtrace admission_inject_v2.ddtraces[2] selects-nothing",
        "ddtrace admission_inject_v2.ddtraces[3] faulty",
        "ddtrace admission_inject_v2.ddtraces[4] not-asked",
        "ddtrace admission_inject_v2.ddtraces[5] selects",
        "otel - after-ddtrace",
        "flameshot admission_inject_v2.flameshots[0] switched-off",
        "logging admission_mutate.loggings[0] other-namespace",
    ];
    assert_eq!(steps(&explained), expected);
    let message = "is invalid: admission_inject_v2.ddtraces[3].language";
    assert_eq!(explained["steps"][3]["message"], message);
    let message = "annotation admission.datakit/python-lib.version is not set";
    assert_eq!(explained["steps"][4]["message"], message);
    assert_eq!(explained["injected"][0]["rule"], "admission_inject_v2.ddtraces[5]");
}

#[test]
fn says_which_annotation_was_looked_for() {
    let settings = json!({ "admission_inject": { "ddtrace": {
        "images": images(), "enabled_namespaces": [{ "namespace": "prod", "language": "java" }],
        "enabled_labelselectors": [{ "labelselector": "app=other", "language": "java" }],
    } } });
    let explained = explain(&request("CREATE", &pod(), None), &settings);
    let expected = [
        "ddtrace admission_inject.ddtrace not-asked",
        "ddtrace admission_inject.ddtrace not-asked",
        "ddtrace admission_inject.ddtrace not-asked",
        "ddtrace admission_inject.ddtrace.enabled_labelselectors[0] other-labels",
        "ddtrace admission_inject.ddtrace.enabled_namespaces[0] other-namespace",
    ];
    assert_eq!(steps(&explained), expected);
    assert_eq!(explained["reason"]["code"], "nothing-asked");
    let js = with_annotation(pod(), "admission.datakit/js-lib.version", "");
    let explained = explain(&request("CREATE", &js, None), &settings);
    let message = "annotation admission.datakit/js-lib.version is set";
    assert_eq!(explained["steps"][2]["message"], message);
}

#[test]
fn says_why_nothing_is_done() {
    let settings = json!({ "admission_inject": { "ddtrace": { "images": images() } },
                           "policy": { "ignored_namespaces": ["secret"] } });
    let asked = java_asked();
    let opted_out = with_annotation(asked.clone(), "admission.datakit/enabled", "false");
    let status = {
        let mut request = request("UPDATE", &deployment(&asked), None);
        request["subResource"] = json!("status");
        request
    };
    let ignored = {
        let mut pod = asked.clone();
        pod["metadata"]["namespace"] = json!("secret");
        pod
    };
    let service = json!({ "apiVersion": "v1", "kind": "Service" });
    let bare = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "spec": {} });
    for (request, code) in [
        (json!({}), "no-request"),
        (status, "subresource"),
        (request("DELETE", &asked, None), "other-operation"),
        (request("CREATE", &service, None), "other-kind"),
        (request("CREATE", &ignored, None), "ignored-namespace"),
        (request("UPDATE", &asked, Some(&asked)), "fixed-template"),
        (request("CREATE", &bare, None), "no-template"),
        (request("CREATE", &opted_out, None), "opted-out"),
        (request("CREATE", &pod(), None), "nothing-asked"),
        (request("UPDATE", &deployment(&asked), Some(&deployment(&asked))), "unchanged"),
    ] {
        assert_eq!(explain(&request, &settings)["reason"]["code"], code);
    }
}

#[test]
fn says_what_is_there_already_and_what_opts_out() {
    let settings = json!({ "admission_inject": { "ddtrace": { "images": images() } } });
    let request = |object: &Value| request("CREATE", object, None);
    let (answer, _) =
        policy::explain(payload(&request(&java_asked()), &settings.to_string()).as_bytes());
    let injected = serde_json::from_str(answer.mutated_object().unwrap()).unwrap();
    let explained = explain(&request(&injected), &settings);
    assert_eq!(explained["present"], json!(["ddtrace-java"]));
    let opted_out = with_annotation(java_asked(), "admission.datakit/ddtrace.enabled", "false");
    let explained = explain(&request(&opted_out), &settings);
    assert_eq!(steps(&explained)[1], "ddtrace - opted-out");
    let annotated = with_annotation(pod(), "datakit/logs", "[]");
    let explained = explain(&request(&annotated), &settings);
    assert_eq!(steps(&explained).last().unwrap(), "logging - annotated");
}
