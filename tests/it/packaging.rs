//! What is published says the same everywhere, and what is deployed works.

use serde_json::{Value, json};

use crate::documents::read;
use crate::host::{Host, request};
use crate::objects::{java_asked, with_annotation};

fn yaml(path: &str) -> Value {
    serde_norway::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn annotation(metadata: &Value, key: &str) -> String {
    let value = &metadata["annotations"][key];
    value.as_str().unwrap_or_else(|| panic!("{key} is missing")).to_owned()
}

const DEPLOYED: [&str; 3] =
    ["deploy/base/workloads.yaml", "deploy/base/pods.yaml", "deploy/base/namespaced.yaml"];

#[test]
fn version_name_and_address_are_the_same_everywhere() {
    let (metadata, package) = (yaml("policy-metadata.yml"), yaml("artifacthub-pkg.yml"));
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let address = annotation(&metadata, "io.kubewarden.policy.ociUrl");
    let image = format!("{address}:v{version}");
    let source = env!("CARGO_PKG_REPOSITORY");

    for (key, expected) in [
        ("io.kubewarden.policy.title", name),
        ("io.kubewarden.policy.version", version),
        ("io.kubewarden.policy.description", env!("CARGO_PKG_DESCRIPTION")),
        ("io.kubewarden.policy.license", env!("CARGO_PKG_LICENSE")),
        ("io.kubewarden.policy.url", source),
        ("io.kubewarden.policy.source", source),
    ] {
        assert_eq!(annotation(&metadata, key), expected, "{key}");
    }
    for (key, expected) in [
        ("name", name),
        ("version", version),
        ("displayName", &*annotation(&metadata, "io.artifacthub.displayName")),
        ("description", env!("CARGO_PKG_DESCRIPTION")),
        ("license", env!("CARGO_PKG_LICENSE")),
        ("homeURL", source),
    ] {
        assert_eq!(package[key], expected, "{key}");
    }
    assert_eq!(package["containersImages"], json!([{ "name": "policy", "image": image }]));
    assert_eq!(
        package["links"],
        json!([
            { "name": "policy", "url": format!("{source}/releases/download/v{version}/policy.wasm") },
            { "name": "source", "url": source },
        ]),
    );
    let install = package["install"].as_str().unwrap();
    assert!(install.contains(&format!("kwctl pull {image}\n")));
    // The description in Chinese, which the Makefile adds to what kwctl writes.
    assert!(install.contains(&format!("({source}/blob/main/README.zh-CN.md)")));
    assert!(read("README.md").contains(&format!("registry://{image}")));
    let npm = yaml("npm/package.json");
    assert_eq!((&npm["version"], &npm["repository"]), (&json!(version), &json!(source)));
    assert_eq!(yaml("playground/package.json")["dependencies"]["datakit-injection"], version);
    for path in DEPLOYED {
        assert_eq!(yaml(path)["spec"]["module"], format!("registry://{image}"), "{path}");
    }
    let overlay = read("deploy/overlays/private-registry/kustomization.yaml");
    assert!(overlay.contains(&format!("/{name}:v{version}\n")));
    assert!(read("CHANGELOG.md").contains("## "));
}

#[test]
fn rules_are_the_same_everywhere() {
    let (metadata, package) = (yaml("policy-metadata.yml"), yaml("artifacthub-pkg.yml"));
    assert_eq!(metadata["mutating"], true);
    assert_eq!(metadata["contextAwareResources"], json!([]));
    assert_eq!(metadata["backgroundAudit"], false);
    let rules = &metadata["rules"];
    let of_package = package["annotations"]["kubewarden/rules"].as_str().unwrap();
    assert_eq!(serde_norway::from_str::<Value>(of_package).unwrap(), *rules);
    assert_eq!(package["annotations"]["kubewarden/mutation"], "true");
    assert_eq!(
        package["annotations"]["kubewarden/resources"],
        annotation(&metadata, "io.artifacthub.resources")
    );
    assert_eq!(package["annotations"]["kubewarden/questions-ui"], read("questions-ui.yml"));
    assert_eq!(yaml("deploy/base/workloads.yaml")["spec"]["rules"], *rules);
    assert_eq!(yaml("deploy/base/namespaced.yaml")["spec"]["rules"], *rules);
}

#[test]
fn keys_of_the_package_file_stand_in_the_order_of_kwctl() {
    let text = read("artifacthub-pkg.yml");
    let keys = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let keys: Vec<&str> = keys.map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        keys,
        [
            "version",
            "name",
            "displayName",
            "createdAt",
            "description",
            "license",
            "homeURL",
            "containersImages",
            "keywords",
            "links",
            "install",
            "maintainers",
            "provider",
            "recommendations",
            "annotations",
        ]
    );
}

#[test]
fn the_form_asks_for_settings_that_there_are() {
    let questions = yaml("questions-ui.yml");
    for question in questions["questions"].as_array().unwrap() {
        let variable = question["variable"].as_str().unwrap();
        if question["hide_input"] == true {
            continue;
        }
        let (block, key) = variable.split_once('.').unwrap_or(("", variable));
        let known = datakit_injection::settings::known_keys();
        let (_, keys) = known.iter().find(|(name, _)| *name == block).unwrap();
        assert!(keys.contains(&key), "{variable}");
    }
}

/// A form that is filled in with nothing else must neither break the settings nor weaken them.
#[test]
fn the_defaults_of_the_form_are_the_defaults_of_the_settings() {
    let questions = yaml("questions-ui.yml");
    let mut settings = json!({});
    for question in questions["questions"].as_array().unwrap() {
        let variable = question["variable"].as_str().unwrap();
        if question["hide_input"] == true {
            continue;
        }
        let place = match variable.split_once('.') {
            Some((block, key)) => &mut settings[block][key],
            None => &mut settings[variable],
        };
        *place = question["default"].clone();
    }
    assert_eq!(Host::shared().validate_settings(&settings.to_string()), None);
    let config: Value = serde_json::from_str(&read("examples/settings.json")).unwrap();
    let mut filled = settings.clone();
    filled["jsonconfig"] = json!(config.to_string());
    for namespace in ["default", "kube-system"] {
        for containers in [json!([{ "name": "app" }]), json!([{ "name": "istio-proxy" }])] {
            let mut object = with_annotation(java_asked(), "x", "");
            object["metadata"]["namespace"] = json!(namespace);
            object["spec"]["containers"] = containers;
            let answer = |settings: &Value| {
                Host::shared().validate(&request("CREATE", &object, None), &settings.to_string())
            };
            let plain = answer(&json!({ "jsonconfig": config.to_string() })).response;
            assert_eq!(answer(&filled).response, plain);
        }
    }
}

#[test]
fn deployed_policies_never_block_and_their_settings_work() {
    for path in DEPLOYED {
        let manifest = yaml(path);
        let spec = &manifest["spec"];
        assert_eq!(spec["mutating"], true, "{path}");
        assert_eq!(spec["failurePolicy"], "Ignore", "{path}");
        assert!(spec["timeoutSeconds"].as_i64().unwrap() <= 5, "{path}");
        let settings = spec["settings"].to_string();
        assert_eq!(Host::shared().validate_settings(&settings), None, "{path}");
        let mut object = with_annotation(java_asked(), "x", "");
        object["metadata"]["labels"] = json!({ "tracing": "java" });
        let outcome = Host::shared().validate(&request("CREATE", &object, None), &settings);
        assert_eq!(outcome.response["audit_annotations"]["injected"], "ddtrace-java", "{path}");
    }
    let seed: Value = serde_json::from_str(&read("examples/settings.json")).unwrap();
    assert_eq!(yaml(DEPLOYED[0])["spec"]["settings"], seed);
    assert_eq!(yaml(DEPLOYED[1])["spec"]["settings"], seed);
}

/// The overlay's patches name places that are there.
#[test]
fn the_overlay_for_a_private_registry_leaves_no_public_image() {
    let mut policy = yaml("deploy/base/pods.yaml");
    let overlay = yaml("deploy/overlays/private-registry/kustomization.yaml");
    let patch: Value =
        serde_norway::from_str(overlay["patches"][0]["patch"].as_str().unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
    json_patch::patch(&mut policy, &patch).unwrap();
    let settings = &policy["spec"]["settings"];
    assert!(!policy.to_string().contains("pubrepo.guance.com"));
    assert_eq!(Host::shared().validate_settings(&settings.to_string()), None);
}
