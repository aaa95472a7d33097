//! Checks settings in full, with the code that reads them at a request.

use std::ops::ControlFlow;

use crate::injection::Injection;
use crate::injection::table::ALL;
use crate::json::Value;
use crate::reader::{Case, Errors, Path, Section, SettingsError, expected};
use crate::release::Release;
use crate::rules::blocks::each_entry;
use crate::rules::candidate::{Candidate, Form, known_keys};
use crate::rules::env::Placeholders;
use crate::rules::image::image;
use crate::rules::lists;
use crate::rules::read::Rule;
use crate::rules::selectors::{Lists, Selectors};
use crate::settings::{Settings, with_settings};

/// The keys of a list in `admission_mutate` that the default files of 1.5.10 to 1.5.17 have beside
/// `loggings`, without effect.
const MUTATE_KEYS_WITHOUT_EFFECT: &[&str] = &["logging"];

/// Checks settings in full.
///
/// Takes their JSON text; returns every error, in the order of the document's sections.
pub fn validate(text: &str) -> Vec<SettingsError> {
    let mut errors = Errors::default();
    with_settings(text, &mut errors, |settings, errors| {
        validate_homes(settings, errors);
        for injection in ALL {
            validate_block(settings, injection, errors);
            validate_list(settings, injection, errors);
        }
    });
    errors.into_vec()
}

/// Checks the keys of the sections that hold rules.
fn validate_homes(settings: &Settings, errors: &mut Errors) {
    let Some(config) = settings.config else {
        return;
    };
    let config = Section::new(Path::Root, config, Case::Sensitive);
    for home in ["admission_inject", "admission_inject_v2", "admission_mutate"] {
        let Some(section) = config.section(home, Case::Sensitive, errors) else {
            continue;
        };
        let of_injection = |injection: &&Injection| match home {
            "admission_inject" => injection.block.as_ref().map(|block| block.name),
            _ => Some(injection.list.key).filter(|_| injection.list.home == home),
        };
        let mut known: Vec<&str> = ALL.iter().copied().filter_map(|it| of_injection(&it)).collect();
        if home == "admission_mutate" {
            known.extend(MUTATE_KEYS_WITHOUT_EFFECT);
        }
        section.check_keys(&known, errors);
        if home == "admission_inject" {
            for key in known {
                let _block = section.section(key, Case::Sensitive, errors);
            }
        }
    }
}

/// Checks the block of an injection in `admission_inject`.
fn validate_block(settings: &Settings, injection: &'static Injection, errors: &mut Errors) {
    let Some(block) = &injection.block else {
        return;
    };
    let Some(object) = settings.block(block.name) else {
        return;
    };
    let inject = Path::Key(&Path::Root, "admission_inject");
    let section = Section::new(Path::Key(&inject, block.name), object, Case::Sensitive);
    if let Some(images) = section.section("images", Case::Sensitive, errors) {
        let keys = injection.variants.iter().filter_map(|variant| variant.image_key);
        let keys: Vec<&str> = keys.collect();
        images.check_keys(&keys, errors);
        for key in keys {
            let _image = image(&images, key, errors);
        }
    }
    if let Some(variant) = injection.variants.first() {
        let candidate = Candidate {
            injection,
            path: section.path,
            selectors: Selectors::default(),
            variant: Some(variant),
            requires_annotation: true,
            reads_annotation: true,
            section: &section,
            form: Form::Block(settings.release),
            errors: Errors::default(),
        };
        let mut of_block = Errors::default();
        let _rule = candidate.compile(variant, &mut of_block);
        // The images are checked above, all of them.
        let images = format!("{}.images", section.path);
        errors.extend(of_block.without(&images));
    }
    let mut of_lists = Errors::default();
    let _end = each_entry(injection, &section, settings.release, &mut of_lists, &mut |entry| {
        errors.extend(entry.errors);
        ControlFlow::Continue(())
    });
    errors.extend(of_lists);
}

/// Checks the list of an injection's rules.
fn validate_list(settings: &Settings, injection: &'static Injection, errors: &mut Errors) {
    let (home, key) = (injection.list.home, injection.list.key);
    let list = settings.config.and_then(|config| config.get(home)?.as_object()?.get(key));
    let home = Path::Key(&Path::Root, home);
    let list_path = Path::Key(&home, key);
    let Some(rules) = list.and_then(Value::as_array) else {
        if let Some(value) = list.filter(|value| !value.is_null()) {
            expected(&list_path, "an array", value, errors);
        }
        return;
    };
    let block = injection.block.as_ref().filter(|block| settings.block(block.name).is_some());
    if let Some(block) = block.filter(|_| !rules.is_empty()) {
        let name = block.name;
        errors.add(&list_path, format_args!("conflicts with `admission_inject.{name}`"));
    }
    let lists = match (injection.sets_annotation, settings.release) {
        (None, _) => Lists::EachGiven,
        (Some(_), Release::V1_8) => Lists::Both,
        (Some(_), _) => Lists::ExactEither,
    };
    for (index, value) in rules.iter().enumerate() {
        let path = Path::Index(&list_path, index);
        let Some(section) = Section::of_value(path, value, Case::Sensitive, errors) else {
            continue;
        };
        let mut candidate = lists::read(injection, &section, lists, Errors::default());
        let is_empty = !injection.list.keys.contains(&"config")
            || section.get("config").is_none_or(|config| *config == Value::Text("\"\""));
        if (candidate.selectors.is_off() && is_empty) || candidate.is_switched_off() {
            validate_switched_off(injection, &section, errors);
            continue;
        }
        errors.extend(std::mem::take(&mut candidate.errors));
        // A rule with an unknown language is checked as one of the first.
        if let Some(variant) = candidate.variant.or_else(|| injection.variants.first()) {
            let _rule = candidate.compile(variant, errors);
        }
    }
}

/// Checks a rule that is switched off: its image, and what else the Operator's default file leaves
/// empty, may be missing.
fn validate_switched_off(injection: &Injection, section: &Section, errors: &mut Errors) {
    section.check_keys(&known_keys(injection, Form::List), errors);
    let _name = section.string("name", errors);
    let has_image = section.get("image").is_some_and(|image| *image != Value::Text("\"\""));
    let image = if has_image { image(section, "image", errors) } else { None };
    let _rule = Rule::read(section, image, Placeholders::All, true, errors);
}
