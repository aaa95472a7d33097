//! From the Operator's configuration to a policy's manifest, and from rules of version 1 to version 2.

use clap::ValueEnum;
use datakit_injection::injection::{ALL, Variant};
use serde_norway::{Mapping, Value};

/// What settings are converted to.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Target {
    /// The manifest of a ClusterAdmissionPolicy, as YAML.
    #[default]
    Policy,
    /// The settings alone, as JSON.
    Settings,
}

/// What a policy injects into.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Resources {
    /// The pod templates of Deployments and the like.
    #[default]
    Workloads,
    /// Pods as they are created.
    Pods,
}

/// A converted text, and what its reader should know.
pub(crate) struct Converted {
    pub(crate) text: String,
    pub(crate) notes: Vec<String>,
}

/// Converts valid settings.
pub(crate) fn convert(
    settings: &str,
    to: Target,
    v2: bool,
    resources: Resources,
) -> Result<Converted, String> {
    let mut settings: Value = serde_json::from_str(settings).map_err(|error| error.to_string())?;
    let mut notes = Vec::new();
    if v2 {
        settings = Value::Mapping(to_v2(unpacked(&settings)?, &mut notes));
    }
    let text = match to {
        Target::Settings => serde_json::to_string_pretty(&settings)
            .map(|json| json + "\n")
            .map_err(|error| error.to_string())?,
        Target::Policy => manifest(settings, resources)?,
    };
    Ok(Converted { text, notes })
}

/// The manifest of `deploy/` with other settings.
fn manifest(settings: Value, resources: Resources) -> Result<String, String> {
    let base = match resources {
        Resources::Workloads => include_str!("../../../deploy/base/workloads.yaml"),
        Resources::Pods => include_str!("../../../deploy/base/pods.yaml"),
    };
    let mut policy: Value = serde_norway::from_str(base).map_err(|error| error.to_string())?;
    if let Some(spec) = policy.get_mut("spec").and_then(Value::as_mapping_mut) {
        spec.insert("mode".into(), "monitor".into());
        // The other condition repeats the selectors of the settings that stand there.
        if let Some(conditions) = spec.get_mut("matchConditions").and_then(Value::as_sequence_mut) {
            let is_general = |name: &Value| name.as_str() == Some("not-opted-out");
            conditions.retain(|condition| condition.get("name").is_some_and(is_general));
        }
        spec.insert("settings".into(), settings);
    }
    let yaml = serde_norway::to_string(&policy).map_err(|error| error.to_string())?;
    Ok(format!(
        "# `mode: monitor` logs and changes nothing; set it to `protect` to inject.\n{yaml}"
    ))
}

/// The configuration with what stood in `jsonconfig`.
fn unpacked(settings: &Value) -> Result<Mapping, String> {
    let top = settings.as_mapping().cloned().unwrap_or_default();
    let Some(text) = settings.get("jsonconfig").and_then(Value::as_str) else {
        return Ok(top);
    };
    let mut inner: Mapping = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if let Some(policy) = top.get("policy") {
        inner.insert("policy".into(), policy.clone());
    }
    Ok(inner)
}

/// Moves the blocks of `admission_inject` to rules of `admission_inject_v2`, in its place.
fn to_v2(settings: Mapping, notes: &mut Vec<String>) -> Mapping {
    let blocks = settings.get("admission_inject").and_then(Value::as_mapping).cloned();
    let mut rules = settings.get("admission_inject_v2").and_then(Value::as_mapping).cloned();
    for (key, block) in blocks.iter().flatten() {
        let block = block.as_mapping().cloned().unwrap_or_default();
        let name = key.as_str().unwrap_or_default();
        let of_block = match name {
            "ddtrace" => ddtraces(&block, notes),
            "logfwd" => logfwds(&block, notes),
            _ => asked_by_annotation(name, &block),
        };
        if !of_block.is_empty() {
            note_placeholders(name, &block, notes);
            let list = format!("{name}s");
            rules.get_or_insert_default().insert(list.into(), Value::Sequence(of_block));
        }
    }
    let mut converted = Mapping::new();
    for (key, value) in settings {
        match (key.as_str(), &rules) {
            (Some("admission_inject" | "admission_inject_v2"), Some(rules)) => {
                converted.insert("admission_inject_v2".into(), Value::Mapping(rules.clone()));
            }
            (Some("admission_inject"), None) => {}
            _ => {
                converted.insert(key, value);
            }
        }
    }
    converted
}

/// The variants of an injection, by its block.
fn variants(block: &str) -> &'static [Variant] {
    let injection = ALL.iter().find(|injection| injection.block == Some(block));
    injection.map_or(&[], |injection| injection.variants)
}

/// The rules that a block's annotations ask for: one for each image. PHP's annotation asks for nothing.
fn asked_by_annotation(name: &str, block: &Mapping) -> Vec<Value> {
    let asked = variants(name).iter().filter(|variant| variant.asks_in_block);
    let rules = asked.filter_map(|variant| {
        let mut rule = Mapping::new();
        rule.insert("namespace_selectors".into(), vec!["*"].into());
        rule.insert("check_annotation".into(), true.into());
        Some(finished(rule, variant.language, image(block, variant.image_key?)?, block))
    });
    rules.collect()
}

fn ddtraces(block: &Mapping, notes: &mut Vec<String>) -> Vec<Value> {
    let image = |language: &str| {
        let variant = variants("ddtrace").iter().find(|it| it.language == Some(language))?;
        image(block, variant.image_key?)
    };
    // An annotation comes before every selector.
    let mut rules = asked_by_annotation("ddtrace", block);
    for (list, key) in
        [("enabled_labelselectors", "labelselector"), ("enabled_namespaces", "namespace")]
    {
        let entries = block.get(list).and_then(Value::as_sequence).into_iter().flatten();
        for (index, entry) in entries.enumerate() {
            let entry = entry.as_mapping();
            let text = |name: &str| {
                let mut members = entry.into_iter().flatten();
                let is_named =
                    |key: &Value| key.as_str().is_some_and(|k| k.eq_ignore_ascii_case(name));
                let value = members.find(|(key, _)| is_named(key)).map(|(_, value)| value);
                value.and_then(Value::as_str).unwrap_or_default()
            };
            let language = if text("language") == "js" { "nodejs" } else { text("language") };
            let Some(image) = image(language) else {
                notes.push(format!(
                    "admission_inject.ddtrace.{list}[{index}] is left out: no image is configured for {language}"
                ));
                continue;
            };
            let (selectors, selector) = match (key, text(key)) {
                ("namespace", name) => {
                    ("namespace_selectors", format!("^{}$", regex_lite::escape(name)))
                }
                // The empty label selector matches everything, and is an error in version 2.
                (_, selector) if selector.trim().is_empty() => ("namespace_selectors", "*".into()),
                (_, selector) => ("label_selectors", selector.to_owned()),
            };
            let mut rule = Mapping::new();
            rule.insert(selectors.into(), vec![selector].into());
            rules.push(finished(rule, Some(language), image, block));
        }
    }
    if !block.contains_key("resources") && !rules.is_empty() {
        notes.push(
            "version 2 gives the ddtrace init container default resources; version 1 gave none"
                .to_owned(),
        );
    }
    rules
}

fn logfwds(block: &Mapping, notes: &mut Vec<String>) -> Vec<Value> {
    let rules = asked_by_annotation("logfwd", block);
    if !rules.is_empty() {
        let note = "version 2 mounts the labels of the pod into logfwd; version 1 did not";
        notes.push(note.to_owned());
    }
    rules
}

fn image(block: &Mapping, key: &str) -> Option<Value> {
    block.get("images")?.get(key).filter(|image| !image.is_null()).cloned()
}

/// A rule with its language, its image, and what all rules of a block share.
fn finished(mut rule: Mapping, language: Option<&str>, image: Value, block: &Mapping) -> Value {
    if let Some(language) = language {
        rule.insert("language".into(), language.into());
    }
    rule.insert("image".into(), image);
    let php = (language == Some("php")).then_some("php_loader_flavor");
    for key in ["image_pull_policy", "envs", "resources"].into_iter().chain(php) {
        if let Some(value) = block.get(key) {
            rule.insert(key.into(), value.clone());
        }
    }
    Value::Mapping(rule)
}

/// Version 1 knows `fieldRef` alone: what looks like another reference was a text there.
fn note_placeholders(name: &str, block: &Mapping, notes: &mut Vec<String>) {
    let envs = block.get("envs").and_then(Value::as_mapping).into_iter().flatten();
    for (key, value) in envs {
        let text = value.as_str().unwrap_or_default();
        if text.starts_with("{resourceFieldRef:") || text.starts_with("{secretKeyRef:") {
            let key = key.as_str().unwrap_or_default();
            notes.push(format!("{key} of {name} becomes a reference; version 1 took it literally"));
        }
    }
}
