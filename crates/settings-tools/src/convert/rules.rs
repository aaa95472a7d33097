//! Blocks of `admission_inject` as rules of `admission_inject_v2`.

use std::borrow::Cow;

use datakit_injection::injection::table::ALL;
use datakit_injection::injection::{InjectBlock, Injection, Variant};
use datakit_injection::json::{Object, Value};
use datakit_injection::release::Release;

use super::loggings::exactly;
use crate::document::{elements, member, members, raw};

/// The lists of entries of a block that select, the key of what each entry selects by, and the list of a
/// rule for it.
const ENTRIES: [(&str, &str, &str); 2] = [
    ("enabled_labelselectors", "labelselector", "label_selectors"),
    ("enabled_namespaces", "namespace", "namespace_selectors"),
];

/// The rules of `admission_inject_v2`, with those that the blocks of settings become.
pub(super) fn of<'a>(
    settings: &Object<'a>,
    release: Release,
    notes: &mut Vec<String>,
) -> Object<'a> {
    let blocks = member(settings, "admission_inject");
    let mut rules = member(settings, "admission_inject_v2");
    for injection in ALL {
        let Some(&InjectBlock { name, selects_up_to_1_5, .. }) = injection.block.as_ref() else {
            continue;
        };
        let Some(block) = blocks.get(name).and_then(|it| Object::parse(raw(it))) else { continue };
        let selects = release != Release::UpTo1_5 || selects_up_to_1_5;
        let block = Block { name, injection, block, selects };
        let of_block = match release {
            Release::Since1_7 => block.as_read_since_1_7(notes),
            _ => block.as_read_up_to_1_6(release, notes),
        };
        block.note_lists_without_effect(notes);
        if !of_block.is_empty() {
            if release != Release::Since1_7 {
                block.note_differences(notes);
            }
            rules.set(injection.list.key, Value::Array(of_block));
        }
    }
    rules
}

/// A block of `admission_inject`.
struct Block<'b> {
    name: &'static str,
    injection: &'static Injection,
    block: Object<'b>,
    /// Whether its lists select anything.
    selects: bool,
}

impl<'b> Block<'b> {
    /// Releases since 1.7: rules that require the annotation, with the selectors of the block.
    fn as_read_since_1_7(&self, notes: &mut Vec<String>) -> Vec<Value<'b>> {
        let mut rule = Object::default();
        for (list, key, selectors) in ENTRIES {
            let texts = self.entries(list).map(|entry| text(&entry, key));
            let texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
            if !texts.is_empty() {
                rule.set(selectors, Value::new(&texts));
            }
        }
        if rule.is_empty() {
            rule.set("namespace_selectors", Value::new(&["*"]));
        }
        rule.set("check_annotation", Value::Text("true"));
        let mut rules = Vec::new();
        for Variant { language, .. } in self.injection.variants {
            let Some(image) = self.image(*language) else { continue };
            match language {
                // The Operator reads no other language there.
                Some(language) if self.name == "ddtrace" && *language != "java" => notes.push(format!(
                    "admission_inject.ddtrace: {language} is left out: releases since 1.7 inject java alone there"
                )),
                language => rules.push(self.finished(rule.clone(), *language, image)),
            }
        }
        rules
    }

    /// Releases up to 1.6.1: an annotation asks, or an entry of a list selects.
    fn as_read_up_to_1_6(&self, release: Release, notes: &mut Vec<String>) -> Vec<Value<'b>> {
        let (requested, mut selected) = (self.requested_by_annotation(), Vec::new());
        self.note_annotations(notes);
        for (list, key, selectors) in ENTRIES {
            for (index, entry) in self.entries(list).enumerate() {
                let variant = self.injection.variant(&text(&entry, "language"));
                let language = variant.and_then(|variant| variant.language);
                let Some(image) = self.image(language) else {
                    let what = language.unwrap_or(self.name);
                    notes.push(format!(
                        "admission_inject.{}.{list}[{index}] is left out: no image is configured for {what}",
                        self.name
                    ));
                    continue;
                };
                let (selectors, selector) = match (key, text(&entry, key)) {
                    ("namespace", name) if release == Release::UpTo1_5 => {
                        (selectors, exactly(&name).into())
                    }
                    // The empty label selector matches everything, and is an error in version 2.
                    ("labelselector", selector) if selector.trim().is_empty() => {
                        ("namespace_selectors", "*".into())
                    }
                    (_, selector) => (selectors, selector),
                };
                let mut rule = Object::default();
                rule.set(selectors, Value::new(&[selector]));
                selected.push(self.finished(rule, language, image));
            }
        }
        // An annotation comes before every selector. The first rule of logfwd whose selectors match
        // ends the search, and reads the annotation in any case.
        if self.name == "logfwd" {
            [selected, requested].concat()
        } else {
            [requested, selected].concat()
        }
    }

    /// The rules that the block's annotations ask for: one for each image. PHP's annotation asks for
    /// nothing.
    fn requested_by_annotation(&self) -> Vec<Value<'b>> {
        let requested = self.injection.variants.iter().filter(|variant| variant.asks_in_block);
        let rules = requested.filter_map(|variant| {
            let mut rule = Object::default();
            rule.set("namespace_selectors", Value::new(&["*"]));
            rule.set("check_annotation", Value::Text("true"));
            Some(self.finished(rule, variant.language, self.image(variant.language)?))
        });
        rules.collect()
    }

    /// Notes annotations without an image, which ended the search before anything else was tried.
    fn note_annotations(&self, notes: &mut Vec<String>) {
        let has_entries = ENTRIES.iter().any(|(list, ..)| self.entries(list).next().is_some());
        let has_image = |variant: &Variant| self.image(variant.language).is_some();
        let mut requested = self.injection.variants.iter().filter(|variant| variant.asks_in_block);
        while let Some(variant) = requested.next() {
            let is_followed = has_entries || requested.clone().any(has_image);
            if let (false, true, Some(language), Some(annotation)) =
                (has_image(variant), is_followed, variant.language, variant.annotations.first())
            {
                notes.push(format!(
                    "annotation {annotation} is left out: no image is configured for {language}"
                ));
            }
        }
    }

    fn image(&self, language: Option<&str>) -> Option<Value<'b>> {
        let mut variants = self.injection.variants.iter();
        let variant = variants.find(|variant| variant.language == language)?;
        let image = member(&self.block, "images").get(variant.image_key?)?.clone();
        image.as_str().is_some_and(|text| !text.is_empty()).then_some(image)
    }

    fn entries(&self, list: &str) -> impl Iterator<Item = Object<'b>> {
        let list = self.block.get(list).filter(|_| self.selects);
        let entries = list.map(|list| elements(raw(list))).unwrap_or_default();
        entries.into_iter().map(|entry| members(raw(&entry)))
    }

    /// A rule with its language, its image, and what all rules of the block share.
    fn finished(
        &self,
        mut rule: Object<'b>,
        language: Option<&str>,
        image: Value<'b>,
    ) -> Value<'b> {
        if let Some(language) = language {
            rule.set("language", Value::string(language));
        }
        rule.set("image", image);
        let php = (language == Some("php")).then_some("php_loader_flavor");
        for key in ["image_pull_policy", "envs", "resources"].into_iter().chain(php) {
            if let Some(value) = self.block.get(key) {
                rule.set(key, value.clone());
            }
        }
        Value::Object(rule)
    }

    /// Notes lists that the release does not read.
    fn note_lists_without_effect(&self, notes: &mut Vec<String>) {
        let name = self.name;
        for (list, ..) in ENTRIES.into_iter().filter(|_| !self.selects) {
            if self.block.get(list).is_some_and(|list| !elements(raw(list)).is_empty()) {
                notes.push(format!(
                    "admission_inject.{name}.{list} is left out: it has no effect up to release 1.5.12"
                ));
            }
        }
    }

    /// Notes what version 2 does in another way than releases up to 1.6.
    fn note_differences(&self, notes: &mut Vec<String>) {
        let name = self.name;
        if name == "ddtrace" && !self.block.get("resources").is_some_and(has_text) {
            notes.push(
                "version 2 gives the ddtrace init container default resources; version 1 gave none"
                    .to_owned(),
            );
        }
        if name == "logfwd" {
            notes.push(
                "version 2 mounts the labels of the pod into logfwd; version 1 did not".to_owned(),
            );
        }
        // Version 1 knows `fieldRef` alone: what looks like another reference was a text there.
        for (key, value) in member(&self.block, "envs").iter() {
            let text = value.as_str().unwrap_or_default();
            if text.starts_with("{resourceFieldRef:") || text.starts_with("{secretKeyRef:") {
                let key = key.name().unwrap_or_default();
                notes.push(format!(
                    "{key} of {name} becomes a reference; version 1 took it literally"
                ));
            }
        }
    }
}

/// The text of a member, its key in any case.
fn text<'e>(entry: &Object<'e>, name: &str) -> Cow<'e, str> {
    entry.get_in_any_case(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether there is any text or number in a value: empty quantities count as none.
fn has_text(value: &Value) -> bool {
    match value.type_name() {
        "a string" => value.as_str().is_none_or(|text| !text.is_empty()),
        "a number" => true,
        _ => members(raw(value)).iter().any(|(_, value)| has_text(value)),
    }
}
