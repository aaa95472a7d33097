//! Documents that could drift from the code: the page on the settings, the schema, the examples.

use std::path::{Path, PathBuf};

use datakit_injection::settings::known_keys;
use datakit_injection::validation::validate;
use expect_test::expect_file;
use serde::Deserialize;
use serde_json::{Value, json};
use serde_norway::Value as Yaml;

use crate::host::Host;
use crate::manifest;
use testing::cases::all_recorded;
use testing::requests::sorted;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the project.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The YAML files of a folder of the project, in order.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    let mut paths: Vec<PathBuf> = paths.filter(is_yaml).collect();
    paths.sort();
    paths
}

/// The fenced blocks of a page in a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

fn faults(yaml: &str) -> Vec<String> {
    let settings: Yaml = serde_norway::from_str(yaml).unwrap();
    validate(&manifest::to_json(&settings)).iter().map(ToString::to_string).collect()
}

#[test]
fn the_page_on_settings_names_every_key() {
    let page = read("docs/settings.md");
    for (block, keys) in known_keys() {
        for key in keys {
            assert!(page.contains(&format!("`{key}`")), "{block}.{key} is not on the page");
        }
    }
}

#[test]
fn examples_of_settings_are_valid() {
    let mut count = 0;
    for page in ["docs/settings.md", "docs/migrating.md", "README.md"] {
        for block in blocks(&read(page), "yaml").iter().filter(|block| {
            block.starts_with("admission_")
                || block.starts_with("policy:")
                || block.contains("jsonconfig:")
        }) {
            assert_eq!(faults(block), [""; 0], "{page}: {block}");
            count += 1;
        }
    }
    assert!(count >= 7, "{count}");
}

fn schema() -> Value {
    serde_json::from_str(&read("settings.schema.json")).unwrap()
}

#[test]
fn the_schema_knows_the_keys_of_the_code() {
    let schema = schema();
    let keys = |pointer: &str| -> Vec<String> {
        let properties = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        properties.as_object().unwrap().keys().cloned().collect()
    };
    for (block, mut known) in known_keys() {
        known.sort_unstable();
        let pointer = match block {
            "" => "/properties".to_owned(),
            "loggings" => {
                "/properties/admission_mutate/properties/loggings/items/properties".into()
            }
            "policy" => "/properties/policy/properties".into(),
            "extra_workloads" => {
                "/properties/policy/properties/extra_workloads/items/properties".into()
            }
            "ddtrace" | "logfwd" | "profiler" => {
                format!("/properties/admission_inject/properties/{block}/properties")
            }
            "images" => continue,
            list => {
                format!("/properties/admission_inject_v2/properties/{list}/items/properties")
            }
        };
        assert_eq!(keys(&pointer), known, "{pointer}");
    }
}

#[test]
fn the_schema_takes_valid_settings_and_refuses_others() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for case in all_recorded() {
        if case.id == "unknown-language" {
            continue;
        }
        let settings: Value = serde_json::from_str(case.settings.get()).unwrap();
        assert!(validator.is_valid(&settings), "{}", case.id);
    }
    for block in blocks(&read("docs/settings.md"), "yaml") {
        let settings: Value = serde_norway::from_str(&block).unwrap();
        assert!(validator.is_valid(&settings), "{block}");
    }
    for settings in [
        json!([]),
        json!({ "admission_injekt": {} }),
        json!({ "log_level": "loud" }),
        json!({ "admission_inject": { "ddtraces": [] } }),
        json!({ "admission_inject_v2": { "ddtraces": {} } }),
        json!({ "admission_inject_v2": { "ddtraces": [{ "label_selectors": ["a"], "language": "cobol" }] } }),
        json!({ "admission_inject_v2": { "ddtraces": [{ "imgae": "x" }] } }),
        json!({ "admission_inject_v2": { "otels": [{ "envs": { "A": [] } }] } }),
        json!({ "policy": { "extra_workloads": [{ "kind": "Rollout" }] } }),
        json!({ "policy": { "sidecar_mode": "both" } }),
    ] {
        assert!(!validator.is_valid(&settings), "{settings}");
        assert!(!validate(&settings.to_string()).is_empty(), "{settings}");
    }
}

/// Every manifest under `examples/`, with what comes out of it.
#[test]
fn examples_come_out_as_expected() {
    let settings = sorted(&read("examples/settings.json"));
    let manifests = files("examples");
    assert!(manifests.len() >= 6);
    for path in manifests {
        let object = Yaml::deserialize(serde_norway::Deserializer::from_str(&read(&path))).unwrap();
        let mutated = manifest::mutate(Host::shared(), &object, &settings);
        let mutated = mutated.unwrap_or_else(|| panic!("{} asks for nothing", path.display()));
        let name = path.file_name().unwrap();
        expect_file![root().join("examples/expected").join(name)]
            .assert_eq(&manifest::to_yaml(&mutated));
    }
}

/// The shape of the Operator's default file of release 1.8: rules that are switched off.
#[test]
fn the_operators_default_configuration_is_valid_and_does_nothing() {
    let text = read("examples/settings-v2.json");
    assert_eq!(validate(&text).iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
    let request = testing::requests::request("CREATE", &crate::objects::java_asked(), None);
    let outcome = Host::shared().validate(&request, &sorted(&text));
    assert_eq!(outcome.response, json!({ "accepted": true }));
    // Switched on by a selector, a rule works as it stands.
    let on = text.replacen("\"namespace_selectors\": []", "\"namespace_selectors\": [\"*\"]", 1);
    let outcome = Host::shared().validate(&request, &sorted(&on));
    assert_eq!(outcome.response["audit_annotations"]["injected"], "ddtrace-java");
}
