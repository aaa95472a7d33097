//! Documents that could drift from the code: the page on the settings, the schema, the examples.

use std::path::{Path, PathBuf};

use datakit_injection::injection::table::ALL;
use datakit_injection::injection::{RuleList, Variant};
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

/// The pages in Markdown, from the root of the project.
pub fn pages() -> Vec<String> {
    let mut paths: Vec<String> = [
        "README.md",
        "README.zh-CN.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "DESIGN.md",
        "SECURITY.md",
        "npm/README.md",
        "deploy/companion/README.md",
    ]
    .map(str::to_owned)
    .to_vec();
    for folder in ["docs", "docs/zh-CN"] {
        let names = std::fs::read_dir(root().join(folder)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        paths.extend(
            names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")),
        );
    }
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
    for page in pages() {
        for block in blocks(&read(&page), "yaml") {
            let mut lines = block.lines().skip_while(|line| line.starts_with('#'));
            let first = lines.next().unwrap_or_default();
            let starts = ["admission_", "policy:", "jsonconfig:"];
            if starts.iter().any(|start| first.starts_with(start)) {
                assert_eq!(faults(&block), [""; 0], "{page}: {block}");
                count += 1;
            }
        }
    }
    assert!(count >= 20, "{count}");
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
fn the_schema_lists_the_languages_of_the_code() {
    let schema = schema();
    for injection in ALL {
        let RuleList { home, key, .. } = injection.list;
        let pointer = format!("/properties/{home}/properties/{key}/items/properties/language/enum");
        let names = |it: &Variant| it.language.into_iter().chain(it.aliases.iter().copied());
        let known: Vec<&str> = injection.variants.iter().flat_map(names).collect();
        // An injection without languages takes any text there.
        let expected = (!known.is_empty()).then(|| json!(known));
        assert_eq!(schema.pointer(&pointer), expected.as_ref(), "{pointer}");
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
        json!({ "policy": { "image_pull_secrets": vec!["hub"; 257] } }),
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

/// A page that nobody reads to its end helps nobody.
#[test]
fn pages_are_short() {
    for path in pages() {
        let most = match &*path {
            "README.md" | "README.zh-CN.md" => 140,
            path if path.starts_with("docs/") => 350,
            _ => continue,
        };
        let lines = read(&path).lines().count();
        assert!(lines <= most, "{path} has {lines} lines");
    }
}

/// The versions that the changelog has, the newest first.
fn released(changes: &str) -> Vec<&str> {
    let headings = changes.lines().filter_map(|line| line.strip_prefix("## "));
    let versions = headings.filter(|heading| *heading != "Unreleased");
    versions.map(|heading| heading.split(' ').next().unwrap()).collect()
}

/// How line 5 of README begins, in English and in Chinese.
fn status(released: &[&str]) -> [String; 2] {
    match released {
        [] => ["**There is no release yet**".into(), "**尚未发布任何版本**".into()],
        [newest, ..] => [format!("**Version {newest}**"), format!("**版本 {newest}**")],
    }
}

#[test]
fn the_status_line_agrees_with_the_changelog_and_the_tags() {
    let changes = read("CHANGELOG.md");
    let released = released(&changes);
    for (page, expected) in ["README.md", "README.zh-CN.md"].into_iter().zip(status(&released)) {
        let page_text = read(page);
        let line = page_text.lines().nth(4).unwrap();
        assert!(line.starts_with(&expected), "{page}:5: expected `{expected}`: {line}");
    }
    for tag in tags() {
        assert!(released.contains(&&*tag), "the changelog has no section for the tag v{tag}");
    }
}

/// The versions of the tags, as far as the checkout has them; none without git.
fn tags() -> Vec<String> {
    let mut git = std::process::Command::new("git");
    let output = git.current_dir(root()).args(["tag", "--list", "v*"]).output();
    let text = output.map(|output| String::from_utf8(output.stdout).unwrap()).unwrap_or_default();
    text.lines().map(|tag| tag.trim_start_matches('v').to_owned()).collect()
}

#[test]
fn a_release_changes_the_status_line() {
    for (changes, expected) in [
        ("# Changelog\n\n## Unreleased\n", "**There is no release yet**"),
        ("## Unreleased\n\n## 0.2.0 - 2026-12-24\n\n## 0.1.0 - 2026-12-01\n", "**Version 0.2.0**"),
        ("## 0.1.0 - 2026-12-01\n", "**Version 0.1.0**"),
    ] {
        assert_eq!(status(&released(changes))[0], expected, "{changes}");
    }
}
