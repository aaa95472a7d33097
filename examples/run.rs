//! Runs manifests through the built policy module and shows what it does to them.
//!
//! `make run` calls this: `cargo run --example run -- SETTINGS MANIFEST`.

use std::process::ExitCode;

use console::style;
use serde::Deserialize;
use serde_norway::Value as Yaml;
use similar::{ChangeTag, TextDiff};

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/support/host.rs"]
mod host;
#[path = "../tests/support/manifest.rs"]
mod manifest;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [settings, manifest] = &*arguments else {
        eprintln!("usage: run SETTINGS MANIFEST");
        return ExitCode::from(2);
    };
    match run(settings, manifest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{}: {message}", style("error").red().bold());
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &str, manifest: &str) -> Result<(), String> {
    let read = |path: &str| {
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
    };
    let settings_text = read(settings)?;
    let settings_yaml = serde_norway::from_str(&settings_text)
        .map_err(|error| format!("{settings} is neither JSON nor YAML: {error}"))?;
    let settings_json = testing::requests::sorted(&manifest::to_json(&settings_yaml));
    let host = host::Host::load();
    if let Some(faults) = host.validate_settings(&settings_json) {
        return Err(format!("{settings} has faults:\n{faults}"));
    }
    for document in serde_norway::Deserializer::from_str(&read(manifest)?) {
        let object = Yaml::deserialize(document)
            .map_err(|error| format!("{manifest} is not YAML: {error}"))?;
        if !object.is_null() {
            show(&host, &object, &settings_json);
        }
    }
    Ok(())
}

fn show(host: &host::Host, object: &Yaml, settings: &str) {
    let json = serde_json::from_str(&manifest::to_json(object)).expect("YAML gives JSON");
    let outcome = host.validate(&testing::requests::request("CREATE", &json, None), settings);
    let before = manifest::to_yaml(object);
    let mutated = manifest::mutate(host, object, settings);
    let after = mutated.as_ref().map_or_else(|| before.clone(), manifest::to_yaml);

    let kind = json["kind"].as_str().unwrap_or("object");
    let name = json["metadata"]["name"].as_str().unwrap_or_default();
    println!("{}", style(format!("{kind}/{name}")).bold());
    let diff = TextDiff::from_lines(&before, &after);
    for group in diff.grouped_ops(3) {
        println!("{}", style("    ...").dim());
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = change.to_string_lossy();
            let line = line.trim_end_matches('\n');
            match change.tag() {
                ChangeTag::Equal => println!("    {}", style(line).dim()),
                ChangeTag::Insert => println!("  {} {}", style("+").green(), style(line).green()),
                ChangeTag::Delete => println!("  {} {}", style("-").red(), style(line).red()),
            }
        }
    }
    println!();
    let annotations = &outcome.response["audit_annotations"];
    println!("injected: {}", annotations["injected"].as_str().unwrap_or("nothing"));
    if let Some(skipped) = annotations["skipped"].as_str() {
        println!("skipped: {skipped}");
    }
    for warning in outcome.response["warnings"].as_array().into_iter().flatten() {
        println!("{}: {}", style("warning").yellow(), warning.as_str().unwrap_or_default());
    }
    let patch = serde_json::to_string(&outcome.patch).expect("a patch is JSON");
    println!("JSON Patch: {} operations, {} bytes", outcome.patch.len(), patch.len());
}
