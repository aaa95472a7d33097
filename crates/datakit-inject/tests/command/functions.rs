//! The command inside of other tools: as a function of kustomize and kpt, and as Helm's post-renderer.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::{ROOT, read, run, text};

fn parsed(yaml: &str) -> Value {
    serde_norway::from_str(yaml).unwrap()
}

/// What kustomize hands to the function of `examples/kustomize`, with other annotations of the Pods.
fn resources(annotations: &Value) -> String {
    let mut deployment = parsed(&read("examples/kustomize/deployment.yaml"));
    deployment["spec"]["template"]["metadata"]["annotations"] = annotations.clone();
    json!({
        "apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList",
        "items": [deployment, { "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" } }],
        "functionConfig": parsed(&read("examples/kustomize/inject.yaml")),
    })
    .to_string()
}

#[test]
fn injects_into_a_list_of_resources() {
    let list = resources(&json!({}));
    let output = run(&["krm"], &list);
    assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
    let (before, after) = (parsed(&list), parsed(&text(&output.stdout)));
    assert_eq!(after["items"][1], before["items"][1]);
    assert_eq!(after["functionConfig"], before["functionConfig"]);
    assert_eq!(after.get("results"), None);
    let pod = &after["items"][0]["spec"]["template"]["spec"];
    assert_eq!(pod["initContainers"][0]["name"], "datakit-lib-init");
    // Once more, there is nothing to do.
    let again = run(&["krm"], &text(&output.stdout));
    assert_eq!(text(&again.stdout), text(&output.stdout));
}

#[test]
fn reports_warnings_as_results() {
    let list = resources(&json!({ "admission.datakit/jav-lib.version": "v1" }));
    let after = parsed(&text(&run(&["krm"], &list).stdout));
    let results = after["results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{results:?}");
    assert_eq!(results[0]["severity"], "warning");
    let message = results[0]["message"].as_str().unwrap();
    assert!(
        message.contains("annotation admission.datakit/jav-lib.version is unknown"),
        "{message}"
    );
}

/// The settings may be in whatever holds settings, too.
#[test]
fn takes_settings_from_a_config_map() {
    let mut list = parsed(&resources(&json!({})));
    let settings = list["functionConfig"]["spec"].to_string();
    list["functionConfig"] = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "settings" }, "data": { "settings.json": settings } });
    let output = run(&["krm"], &list.to_string());
    assert!(text(&output.stdout).contains("datakit-lib-init"), "{}", text(&output.stderr));
    list["functionConfig"]["data"] =
        json!({ "settings.json": r#"{"admission_inject_v2":{"ddtraces":1}}"# });
    let output = run(&["krm"], &list.to_string());
    assert_eq!((text(&output.stdout), output.status.code()), (String::new(), Some(2)));
    assert!(text(&output.stderr).contains("functionConfig"), "{}", text(&output.stderr));
}

#[test]
fn refuses_what_is_no_list_of_resources() {
    for input in ["", "a: 1\n", "kind: List\nitems: []\n"] {
        let output = run(&["krm"], input);
        assert_eq!(text(&output.stderr), "error: standard input is no ResourceList\n");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn refuses_items_that_are_no_list_of_objects() {
    let mut list = parsed(&resources(&json!({})));
    let message = "the items of the ResourceList are not a list of objects";
    for items in [json!("x"), json!({}), json!(1), json!(["x"]), json!([null]), json!([[]])] {
        list["items"] = items;
        let output = run(&["krm"], &list.to_string());
        assert_eq!(text(&output.stderr), format!("error: {message}\n"), "{}", list["items"]);
        assert_eq!(output.status.code(), Some(2));
        let results = &parsed(&text(&output.stdout))["results"];
        assert_eq!(*results, json!([{ "message": message, "severity": "error" }]));
    }
    for items in [json!([]), Value::Null] {
        list["items"] = items;
        let output = run(&["krm"], &list.to_string());
        assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
        assert_eq!(parsed(&text(&output.stdout)), list);
    }
}

#[cfg(unix)]
/// Runs a script of the examples with the command on the PATH, as the tools do.
fn script(path: &str, variables: &[(&str, &str)], input: &str) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_datakit-inject")).parent().unwrap();
    let path_variable = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut child = Command::new(format!("{ROOT}/{path}"))
        .env("PATH", path_variable)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn the_examples_work() {
    let list = resources(&json!({}));
    let output = script("examples/kustomize/datakit-inject-krm.sh", &[], &list);
    assert_eq!(text(&output.stdout), text(&run(&["krm"], &list).stdout));
    let rendered = read("examples/kustomize/deployment.yaml").replace("  namespace: shop\n", "");
    let inject = |variables: &[(&str, &str)]| {
        text(&script("examples/helm/inject.sh", variables, &rendered).stdout)
    };
    assert!(inject(&[("HELM_NAMESPACE", "shop")]).contains("datakit-lib-init"));
    assert_eq!(inject(&[("HELM_NAMESPACE", "other")]), rendered);
    // The function that the configuration names is the script beside it.
    let config = parsed(&read("examples/kustomize/inject.yaml"));
    let function = &config["metadata"]["annotations"]["config.kubernetes.io/function"];
    assert_eq!(parsed(function.as_str().unwrap())["exec"]["path"], "./datakit-inject-krm.sh");
}

/// Tools show the results of a function.
#[test]
fn reports_missing_settings_as_a_result() {
    let mut list = parsed(&resources(&json!({})));
    list.as_object_mut().unwrap().remove("functionConfig");
    let earlier = json!({ "message": "of another function", "severity": "info" });
    list["results"] = json!([earlier]);
    let output = run(&["krm"], &list.to_string());
    assert_eq!(output.status.code(), Some(2));
    let message = "the ResourceList has no functionConfig, which holds the settings";
    assert_eq!(text(&output.stderr), format!("error: {message}\n"));
    let after = parsed(&text(&output.stdout));
    assert_eq!(after["items"], list["items"]);
    assert_eq!(after["results"], json!([earlier, { "message": message, "severity": "error" }]));
}

#[test]
fn keeps_the_results_of_earlier_functions() {
    let mut list = parsed(&resources(&json!({ "admission.datakit/jav-lib.version": "v1" })));
    let earlier = json!({ "message": "of another function", "severity": "info" });
    list["results"] = json!([earlier]);
    let after = parsed(&text(&run(&["krm"], &list.to_string()).stdout));
    let results = after["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[0]), (2, &earlier), "{results:?}");
    // Once more, it is the same warning.
    let again = parsed(&text(&run(&["krm"], &after.to_string()).stdout));
    assert_eq!(again["results"], after["results"]);
}

#[test]
fn reports_in_chinese() {
    let list = resources(&json!({ "admission.datakit/jav-lib.version": "v1" }));
    let after = parsed(&text(&run(&["krm", "--lang", "zh"], &list).stdout));
    let message = after["results"][0]["message"].as_str().unwrap();
    assert!(message.contains("注解 admission.datakit/jav-lib.version 未知"), "{message}");
}
