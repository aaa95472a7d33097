//! The text of manifests after injection: it says what the policy answers, and only grows.

use std::fs;
use std::path::PathBuf;

use datakit_injection::policy;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::{file, run, text};

/// All rules for every pod.
pub fn settings() -> String {
    let rule = |extra: &str| {
        format!(
            r#"[{{"namespace_selectors":["*"],"image":"hub/x:1","envs":{{"POD":"{{fieldRef:metadata.name}}",
            "FLAMESHOT_PROFILING_PATH":"/f","FLAMESHOT_HTTP_LOCAL_PORT":"8089"}}{extra}}}]"#
        )
    };
    let logfwd = r#","log_configs":"[{\"type\":\"file\",\"path\":\"/var/log/app/*.log\"}]","log_volume_paths":["/data/logs"]"#;
    format!(
        r#"{{"admission_inject_v2":{{"ddtraces":{},"logfwds":{},"flameshots":{},"profilers":{}}},
        "policy":{{"image_pull_secrets":["hub"]}}}}"#,
        rule(r#","language":"java""#),
        rule(logfwd),
        rule(r#","processes":"[]""#),
        rule(r#","language":"java""#)
    )
}

/// The number of lines that go, and that come.
pub fn changes(before: &str, after: &str) -> (Vec<String>, usize) {
    let diff = TextDiff::from_lines(before, after);
    let (mut gone, mut new) = (Vec::new(), 0);
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Delete => gone.push(change.value().trim().to_owned()),
            ChangeTag::Insert => new += 1,
            ChangeTag::Equal => {}
        }
    }
    (gone, new)
}

/// The manifests of `tests/`.
pub fn manifests() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/manifests");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn says_what_the_policy_answers_and_only_grows() {
    let settings = settings();
    let path = file("everything.json", &settings);
    let mut gone = Vec::new();
    let mut count = 0;
    for manifest in manifests() {
        // What is octal to kubectl is text to the parser of this test.
        let before = fs::read_to_string(&manifest).unwrap().replace(" 0444", " 292");
        let before = before.replace(" 0400", " 256");
        let object: Value = serde_norway::from_str(&before).unwrap();
        let request = serde_json::json!({
            "operation": "CREATE", "namespace": "default", "object": object,
        });
        let payload = format!(r#"{{"request":{request},"settings":{settings}}}"#);
        let answer = policy::evaluate(payload.as_bytes());
        let expected = answer.mutated_object().map_or(object, |m| serde_json::from_str(m).unwrap());
        let output = run(&["inject", "-f", "-", "-s", &path], &before);
        let after = text(&output.stdout);
        let said: Value = serde_norway::from_str(&after).unwrap();
        assert_eq!(said, expected, "{}: {after}", manifest.display());
        assert!(!text(&output.stderr).contains("written anew"), "{}", manifest.display());
        let (lines, new) = changes(&before, &after);
        assert_eq!(new > 0, answer.mutated_object().is_some(), "{}", manifest.display());
        gone.extend(lines);
        // Once more, there is nothing to do.
        let again = run(&["inject", "-f", "-", "-s", &path], &after);
        assert_eq!(text(&again.stdout), after, "{}", manifest.display());
        count += 1;
    }
    assert_eq!(count, 53);
    // What an injection changes, and does not only add to: values, and lists in brackets.
    gone.sort();
    let expected = expect_test::expect_file!["lines-that-change.txt"];
    expected.assert_eq(&(gone.join("\n") + "\n"));
}

#[test]
fn shows_the_injection_and_nothing_else() {
    let manifest = "\
# The shop.
apiVersion: v1
kind: Pod
metadata:
    name: \"shop\"   # its name
    annotations: {admission.datakit/java-lib.version: 'v1'}
spec:
    # A big number, and an octal one.
    containers:
    -   name: &name shop
        image: hub/shop:1 # pinned
        x-number: 123456789012345678901234567890
        env:
        - {name: A, value: yes}

        # - name: B
    volumes: []
";
    let output = run(&["diff", "-f", "-", "-s", "examples/settings.json"], manifest);
    let expected = expect_test::expect_file!["diff.txt"];
    expected.assert_eq(&text(&output.stdout));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn json_stays_json() {
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "a", "annotations": { "admission.datakit/java-lib.version": "" } },
        "spec": { "containers": [{ "name": "c", "image": "i", "args": [] }] },
    });
    for input in [pod.to_string(), serde_json::to_string_pretty(&pod).unwrap()] {
        let output = run(&["inject", "-f", "-", "-s", "examples/settings.json"], &input);
        let after = text(&output.stdout);
        let object: Value = serde_json::from_str(&after).unwrap();
        let written = match input.contains('\n') {
            true => serde_json::to_string_pretty(&object).unwrap(),
            false => object.to_string(),
        };
        // The same lines in the order in which the policy adds them.
        let lines = |text: &str| {
            let mut lines: Vec<_> =
                text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
            lines.sort();
            lines
        };
        if input.contains('\n') {
            assert_eq!(lines(&after), lines(&written));
        } else {
            assert_eq!(after.len(), written.len());
        }
    }
}

#[test]
fn edits_around_anchors_and_explicit_keys() {
    let manifest = "\
kind: Pod
apiVersion: v1
metadata: &meta
  name: a
  annotations: {admission.datakit/java-lib.version: ''}
spec:
  containers:
  - ? name
    # A comment inside of a key with a question mark.
    : c
    image: i
    resources: &r {}
  - name: d
    image: i
    resources: *r
";
    let output = run(&["inject", "-f", "-", "-s", "examples/settings.json"], manifest);
    let said: Value = serde_norway::from_slice(&output.stdout).unwrap();
    assert_eq!(said["spec"]["initContainers"][0]["name"], "datakit-lib-init");
    assert_eq!(text(&output.stderr), "");
    let (gone, _) = changes(manifest, &text(&output.stdout));
    assert_eq!(gone, [""; 0]);
}

#[test]
fn changes_the_items_of_lists_in_yaml() {
    let pod = "  - apiVersion: v1\n    kind: Pod # KIND\n    metadata:\n      name: NAME\n      \
               annotations:\n        admission.datakit/java-lib.version: ''\n    spec:\n      \
               containers:\n      - name: c\n        image: i\n";
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n{}{}",
        pod.replace("KIND", "one"),
        pod.replace("KIND", "two")
    );
    let output = run(&["inject", "-f", "-", "-s", "examples/settings.json"], &list);
    let after = text(&output.stdout);
    let (gone, _) = changes(&list, &after);
    assert_eq!(gone, [""; 0], "{after}");
    assert_eq!(after.matches("- name: datakit-lib-init").count(), 2, "{after}");
}
