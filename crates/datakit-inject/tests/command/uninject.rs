//! Manifests without what is recorded in them: the text before the injection.

use std::fs;

use serde_json::Value;

use crate::edits::{manifests, settings};
use crate::{file, folder, run, text};

/// Pods have no record of what is injected into them.
fn is_pod(manifest: &str) -> bool {
    manifest.lines().any(|line| line == "kind: Pod")
}

#[test]
fn gives_every_manifest_back() {
    let settings = settings();
    let settings = file("uninject-everything.json", &settings);
    let (mut workloads, mut pods) = (0, 0);
    for manifest in manifests() {
        let before = fs::read_to_string(&manifest).unwrap();
        // Without a line break at the end, and with those of Windows too.
        for before in [before.trim_end().to_owned(), before.replace('\n', "\r\n"), before] {
            let output = run(&["inject", "-f", "-", "-s", &settings], &before);
            let after = text(&output.stdout);
            let output = run(&["uninject", "-f", "-"], &after);
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            let name = manifest.display();
            let is_injected = after != before;
            if is_pod(&before) {
                assert_eq!(stdout, after, "{name}");
                assert_eq!(stderr.contains(", but no record"), is_injected, "{name}: {stderr}");
                pods += 1;
            } else {
                assert_eq!((&*stdout, &*stderr), (&*before, ""), "{name}");
                workloads += usize::from(is_injected);
            }
        }
    }
    assert_eq!((workloads, pods), (129, 27));
}

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop # ours
spec:
  template:
    metadata:
      labels: { app: shop }
      annotations:
        admission.datakit/java-lib.version: ''
        admission.datakit/logfwd.instances: '[{\"loggings\":[{\"logfiles\":[\"/logs/*\"]}]}]'
    spec:
      # Only one.
      containers:
      - name: shop
        image: hub/shop:1
        env: [] # none yet
      volumes: [] # none
";

#[test]
fn takes_out_one_injection_of_several() {
    let injected = run(&["inject", "-f", "-", "-s", "examples/settings.json"], DEPLOYMENT);
    let injected = text(&injected.stdout);
    let without = |name: &str, from: &str| {
        text(&run(&["uninject", "-f", "-", "--injection", name], from).stdout)
    };
    let rest = without("logfwd", &injected);
    assert!(rest.contains("datakit-lib-init") && !rest.contains("name: datakit-logfwd"), "{rest}");
    assert_eq!(without("ddtrace-java", &rest), DEPLOYMENT);
    assert_eq!(without("ddtrace", &rest), DEPLOYMENT);
    // What is not recorded is not removed.
    assert_eq!(without("ddtrace-python", &rest), rest);
    let output = run(&["uninject", "-f", "-", "--injection", "dtrace"], "");
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("[possible values: ddtrace, ddtrace-java, "), "{stderr}");
}

#[test]
fn edits_in_place_and_injects_anew() {
    let folder = folder("uninject");
    let path = folder.join("shop.yaml");
    fs::write(&path, DEPLOYMENT).unwrap();
    let path = path.to_str().unwrap();
    let settings = file(
        "uninject-old.json",
        &crate::read("examples/settings.json").replace("v1.30.1-guance", "v1.29.0"),
    );
    let read = || fs::read_to_string(path).unwrap();
    run(&["inject", "-f", path, "-s", &settings, "--in-place"], "");
    assert!(read().contains(":v1.29.0\n"));
    run(&["inject", "-f", path, "-s", "examples/settings.json", "--in-place"], "");
    let anew = read();
    assert_eq!(
        anew,
        text(&run(&["inject", "-f", "-", "-s", "examples/settings.json"], DEPLOYMENT).stdout)
    );
    let output = run(&["uninject", "-f", path, "--in-place"], "");
    assert_eq!(text(&output.stdout), format!("{path}\n"));
    assert_eq!(read(), DEPLOYMENT);
    let output = run(&["uninject", "-f", path, "--in-place"], "");
    assert_eq!((text(&output.stdout), text(&output.stderr)), (String::new(), String::new()));
}

#[test]
fn tells_whose_record_stays() {
    let settings: Value = serde_json::from_str(&crate::read("examples/settings.json")).unwrap();
    let mut of_team = settings.clone();
    of_team["policy"] = serde_json::json!({ "id": "team" });
    let of_team = file("uninject-team.json", &of_team.to_string());
    let injected = text(&run(&["inject", "-f", "-", "-s", &of_team], DEPLOYMENT).stdout);
    let output = run(&["uninject", "-f", "-"], &injected);
    assert_eq!(text(&output.stdout), injected);
    assert_eq!(
        text(&output.stderr),
        "note: -:1: Deployment/shop: nothing is removed: the record belongs to a policy with policy.id \
         `team`, or cannot be read; pass its settings with -s\n"
    );
    let output = run(&["uninject", "-f", "-", "-s", &of_team], &injected);
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        (DEPLOYMENT.to_owned(), String::new())
    );
}

#[test]
fn takes_out_of_the_items_of_lists() {
    let item = DEPLOYMENT.replace("apiVersion: apps/v1\nkind: Deployment\n", "");
    let mut item = item.lines().map(|line| format!("  {line}\n")).collect::<String>();
    item.replace_range(..2, "- ");
    let list = format!("apiVersion: apps/v1\nkind: DeploymentList\nitems:\n{item}{item}");
    let injected = text(&run(&["inject", "-f", "-", "-s", "examples/settings.json"], &list).stdout);
    assert_eq!(injected.matches("admission.datakit/injected").count(), 2, "{injected}");
    assert_eq!(text(&run(&["uninject", "-f", "-"], &injected).stdout), list);
}
