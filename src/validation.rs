//! Checks settings in full, with the code that reads them at a request.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::injection::Injection;
use crate::injection::table::ALL;
use crate::json::Value;
use crate::reader::{Case, Errors, Path, Section, SettingsError};
use crate::rules::candidate::Form;
use crate::rules::candidates::visit_all;
use crate::rules::image::image;
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
            validate_images(settings, injection, errors);
            validate_places(settings, injection, errors);
            validate_rules(settings, injection, errors);
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
        let places = ALL.iter().flat_map(|injection| injection.places());
        let known = places.filter(|(of_rules, _)| *of_rules == home).map(|(_, key)| key);
        let mut known: Vec<&str> = known.collect();
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

/// Checks the images of an injection's block: a request reads the one of its language.
fn validate_images(settings: &Settings, injection: &'static Injection, errors: &mut Errors) {
    let Some((name, object)) = settings.block_of(injection) else {
        return;
    };
    let inject = Path::Key(&Path::Root, "admission_inject");
    let section = Section::new(Path::Key(&inject, name), object, Case::Sensitive);
    if let Some(images) = section.section("images", Case::Sensitive, errors) {
        let keys = injection.image_keys();
        images.check_keys(&keys, errors);
        for key in keys {
            let _image = image(&images, key, errors);
        }
    }
}

/// Checks that an injection has rules in one place.
fn validate_places(settings: &Settings, injection: &'static Injection, errors: &mut Errors) {
    let list = settings.list_of(injection).and_then(Value::as_array);
    let is_filled = list.is_some_and(|rules| !rules.is_empty());
    if let Some((name, _)) = settings.block_of(injection).filter(|_| is_filled) {
        let home = Path::Key(&Path::Root, injection.list.home);
        let message = format_args!("conflicts with `admission_inject.{name}`");
        errors.add(&Path::Key(&home, injection.list.key), message);
    }
}

/// Checks the rules of an injection: every candidate that a request may meet, in full.
fn validate_rules(settings: &Settings, injection: &'static Injection, errors: &mut Errors) {
    // The candidates of a block differ in their selectors and their language.
    let mut compiled = BTreeSet::new();
    let mut of_lists = Errors::default();
    visit_all(settings, injection, &mut of_lists, &mut |mut candidate| {
        let mut of_rule = std::mem::take(&mut candidate.errors);
        // A rule with an invalid language is checked as one of the first.
        if let Some(variant) = candidate.variant.or_else(|| injection.variants.first())
            && (candidate.form == Form::List || compiled.insert(variant.language))
        {
            let _rule = candidate.compile(variant, &mut of_rule);
        }
        let is_off = candidate.form == Form::List
            && (candidate.selectors.is_off() || candidate.is_switched_off());
        errors.extend(if is_off { of_rule.without_missing() } else { of_rule });
        ControlFlow::Continue(())
    });
    errors.extend(of_lists);
}
