//! What popular charts and operators deploy, with everything switched on: after injection it is
//! still what Kubernetes takes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::documents::{files, read};
use crate::host::{Host, request};
use crate::objects::template_of;

/// All of `admission_inject_v2` for every pod: a tracing rule each run, and the sidecars.
fn settings(tracing: &str, language: &str) -> String {
    let envs = json!({
        "DD_TAGS": "pod:$(POD_NAME)", "POD_NAME": "{fieldRef:metadata.name}",
        "CPU": "{resourceFieldRef:limits.cpu}",
        "FLAMESHOT_PROFILING_PATH": "/flameshot-data", "FLAMESHOT_HTTP_LOCAL_PORT": "8089",
    });
    let rule = |extra: Value| {
        let mut rule = json!({ "namespace_selectors": ["*"], "image": "hub/x:1", "envs": envs });
        rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!([rule])
    };
    json!({
        "admission_inject_v2": {
            tracing: rule(json!({ "language": language })),
            "logfwds": rule(json!({
                "log_configs": "[{\"type\":\"file\",\"path\":\"/var/log/app/*.log\"}]",
                "log_volume_paths": ["/data/logs", "/var/log"],
            })),
            "flameshots": rule(json!({
                "processes": "[]", "enable_prometheus_annotations": true,
            })),
            "profilers": rule(json!({ "language": "java" })),
        },
        "admission_mutate": { "loggings": [
            { "namespace_selectors": ["shop"],
              "config": "[{\"type\":\"file\",\"path\":\"/data/logs/*.log\"}]" },
        ]},
        "policy": { "image_pull_secrets": ["hub"], "empty_dir_size_limit": "1Gi" },
    })
    .to_string()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], |list| list)
}

#[track_caller]
fn unique<'v>(names: impl Iterator<Item = &'v Value>, what: &str) -> BTreeSet<&'v str> {
    let mut set = BTreeSet::new();
    for name in names {
        assert!(set.insert(name.as_str().unwrap()), "{what}: {name} is there twice");
    }
    set
}

/// The rules of the Kubernetes API that an injection can break.
#[track_caller]
fn check(object: &mut Value, file: &str) {
    let kind = object["kind"].as_str().unwrap().to_owned();
    let claims: Vec<Value> = list(&object["spec"], "volumeClaimTemplates").to_vec();
    let template = template_of(object);
    for (key, value) in template["metadata"]["annotations"].as_object().into_iter().flatten() {
        assert!(value.is_string(), "{file}: {key}");
    }
    let spec = &template["spec"];
    let mut volumes = unique(list(spec, "volumes").iter().map(|v| &v["name"]), file);
    volumes.extend(claims.iter().map(|claim| claim["metadata"]["name"].as_str().unwrap()));
    for volume in list(spec, "volumes") {
        assert_eq!(volume.as_object().unwrap().len(), 2, "{file}: {volume} has one source");
    }
    let containers = || list(spec, "containers").iter().chain(list(spec, "initContainers"));
    unique(containers().map(|container| &container["name"]), file);
    for container in containers() {
        unique(list(container, "env").iter().map(|variable| &variable["name"]), file);
        unique(list(container, "volumeMounts").iter().map(|mount| &mount["mountPath"]), file);
        unique(list(container, "ports").iter().filter_map(|port| port.get("name")), file);
        for mount in list(container, "volumeMounts") {
            let volume = mount["name"].as_str().unwrap();
            assert!(volumes.contains(volume), "{file}: {volume} is no volume");
            assert!(!mount["mountPath"].as_str().unwrap().contains(':'));
        }
        for variable in list(container, "env") {
            let both = variable.get("value").is_some() && variable.get("valueFrom").is_some();
            assert!(!both, "{file}: {variable}");
        }
        for amounts in ["requests", "limits"] {
            for (name, quantity) in
                container["resources"][amounts].as_object().into_iter().flatten()
            {
                assert!(quantity.is_string() || quantity.is_u64(), "{file}: {name}");
            }
        }
    }
    for container in list(spec, "containers") {
        assert_eq!(container.get("restartPolicy"), None, "{file}");
    }
    unique(list(spec, "imagePullSecrets").iter().map(|secret| &secret["name"]), file);
    let policy = spec["restartPolicy"].as_str();
    match &*kind {
        "Job" | "CronJob" => assert!(matches!(policy, Some("Never" | "OnFailure")), "{file}"),
        "Pod" => {}
        _ => assert!(matches!(policy, None | Some("Always")), "{file}"),
    }
    let both = spec["hostPID"] == true && spec["shareProcessNamespace"] == true;
    assert!(!both, "{file}: hostPID and shareProcessNamespace exclude each other");
}

#[test]
fn popular_manifests_stay_valid_with_everything_switched_on() {
    let (mut count, mut kinds, mut injected) = (0, BTreeSet::new(), BTreeSet::new());
    for (tracing, language) in [
        ("ddtraces", "java"),
        ("ddtraces", "python"),
        ("ddtraces", "nodejs"),
        ("ddtraces", "php"),
        ("otels", "java"),
        ("otels", "python"),
        ("otels", "nodejs"),
    ] {
        let settings = settings(tracing, language);
        for path in files("tests/manifests") {
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            let mut object: Value = serde_norway::from_str(&read(&path)).unwrap();
            check(&mut object, &file);
            let mut outcome = Host::shared().validate(&request("CREATE", &object, None), &settings);
            assert_eq!(outcome.response["accepted"], true);
            check(&mut outcome.object, &file);
            assert_eq!(outcome.patch.is_empty(), file == "windows-service.yaml", "{file}");
            let again =
                Host::shared().validate(&request("CREATE", &outcome.object, None), &settings);
            assert!(again.patch.is_empty(), "{file}: {}", again.patch);
            kinds.insert(object["kind"].as_str().unwrap().to_owned());
            let annotation = outcome.response["audit_annotations"]["injected"].as_str();
            injected.extend(annotation.into_iter().flat_map(|a| a.split(',')).map(str::to_owned));
            count += 1;
        }
    }
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    assert_eq!(injected.len(), 7 + 4, "{injected:?}");
    println!("{count} manifests stay valid");
}
