//! Candidate rules: the rules of every release in one form, in the order in which they are tried.
//!
//! What an Operator configuration means depends on the release that it was written for. All of that
//! is decided here; whatever works on a [`Candidate`] is the same for all releases.

use std::ops::ControlFlow;

use super::selectors::{List, Mode, Selectors, label_selector, namespace_pattern};
use super::{Release, Settings};
use crate::injection::{Injection, Planner, Source, Variant};
use crate::json::{Object, Value};
use crate::reader::{Block, Case, Errors, Path, SettingsError};
use crate::rule::{self, Placeholders, Rule, image, unknown};
use crate::selector::{NamespacePattern, Syntax};

/// A rule, as far as it is read to find out whether it selects a pod.
#[derive(Debug)]
pub(crate) struct Candidate<'b, 'a> {
    pub(crate) injection: &'static Injection,
    pub(crate) path: Path<'b>,
    pub(crate) selectors: Selectors<'a>,
    /// What it injects; nothing where the language has an error.
    pub(crate) variant: Option<&'static Variant>,
    /// Whether the pod has to have the variant's annotation.
    pub(crate) requires_annotation: bool,
    /// Whether the value of the annotation counts.
    pub(crate) reads_annotation: bool,
    /// Where the rest of the rule is.
    pub(crate) origin: Origin<'b, 'a>,
    /// The errors found so far.
    pub(crate) errors: Errors,
}

/// Where the rest of a rule is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin<'b, 'a> {
    /// A rule of a list.
    List(&'b Block<'b, 'a>),
    /// A block of `admission_inject`, which all of its candidates share.
    Block(&'b Block<'b, 'a>, Release),
}

/// A checked rule and what plans its injection.
#[derive(Debug)]
pub(crate) struct Compiled<'a> {
    pub(crate) rule: Rule<'a>,
    pub(crate) planner: Box<dyn Planner<'a> + 'a>,
}

/// Gets every candidate in turn, and may end the search.
pub(crate) type Visit<'v, 'a> = &'v mut dyn FnMut(Candidate<'_, 'a>) -> ControlFlow<()>;

impl Candidate<'_, '_> {
    /// Whether an empty list switches the rule off though its selectors match.
    pub(crate) fn is_switched_off(&self) -> bool {
        let (Some(key), Origin::List(block)) = (self.injection.off_where_empty, self.origin) else {
            return false;
        };
        let text = block.get(key).and_then(Value::as_str);
        text.is_some_and(|text| text.trim().is_empty())
    }

    /// Whether the search ends with it where its selectors match, even if it does nothing: blocks of
    /// `admission_inject` have other candidates behind it.
    pub(crate) fn ends_search(&self) -> bool {
        self.injection.first_match_decides && matches!(self.origin, Origin::List(_))
    }

    /// Whether a value of the annotation counts: where rules select by themselves, an empty one of
    /// logfwd is ignored.
    pub(crate) fn counts_annotation(&self, value: &str) -> bool {
        !self.injection.reads_annotation_always
            || matches!(self.origin, Origin::Block(_, Release::V1_5))
            || !value.trim().is_empty()
    }
}

/// Reads a whole rule: `validate` and a request both call this, so that they cannot disagree.
pub(crate) fn compile<'a>(
    injection: &'static Injection,
    variant: &'static Variant,
    origin: Origin<'_, 'a>,
    errors: &mut Errors,
) -> Option<Compiled<'a>> {
    let (block, is_v2, image) = match origin {
        Origin::List(block) => {
            let known: Vec<&str> = Rule::KEYS.iter().chain(injection.keys).copied().collect();
            block.check_keys(&known, errors);
            let _name = block.string("name", errors);
            let has_image = injection.container.is_some();
            let image = if has_image { required_image(block, errors) } else { None };
            (block, true, image)
        }
        Origin::Block(block, release) => {
            let known: Vec<&str> =
                Rule::BLOCK_KEYS.iter().chain(injection.block_keys).copied().collect();
            block.check_keys(&known, errors);
            let images = block.block("images", Case::Sensitive, errors);
            let key = variant.image_key.filter(|_| images.is_some());
            let image = images.zip(key).and_then(|(images, key)| image(&images, key, errors));
            (block, release == Release::V1_8, image)
        }
    };
    let placeholders = if is_v2 { Placeholders::All } else { Placeholders::Fields };
    let has_default_resources = is_v2 || injection.block_has_default_resources;
    let rule = Rule::read(block, image, placeholders, has_default_resources, errors);
    let planner = (variant.read)(Source { block, rule: &rule, variant, is_v2 }, errors)?;
    Some(Compiled { rule, planner })
}

fn required_image(block: &Block, errors: &mut Errors) -> Option<rule::ImageReference> {
    if block.get("image").is_none() {
        block.error("image", "is required: the image to inject", errors);
    }
    image(block, "image", errors)
}

/// Checks what can be checked of a rule that is switched off: its image and what else the Operator's
/// default file leaves empty may be missing.
fn check_switched_off(injection: &Injection, block: &Block, errors: &mut Errors) {
    let known: Vec<&str> = Rule::KEYS.iter().chain(injection.keys).copied().collect();
    block.check_keys(&known, errors);
    let _name = block.string("name", errors);
    let has_image = block.get("image").is_some_and(|image| *image != Value::Text("\"\""));
    let image = if has_image { image(block, "image", errors) } else { None };
    let _rule = Rule::read(block, image, Placeholders::All, true, errors);
}

impl<'s, 'a> Settings<'s, 'a> {
    /// Visits the candidate rules of an injection, in the order in which they are tried.
    pub(crate) fn visit_candidates(&self, injection: &'static Injection, visit: Visit<'_, 'a>) {
        match injection.block.and_then(|key| self.block(key)) {
            // Beside rules of `admission_inject_v2`, which is an error, the Operator prefers these.
            Some(object) => {
                let inject = Path::Key(&Path::Root, "admission_inject");
                let path = Path::Key(&inject, injection.block.unwrap_or_default());
                let block = Block::new(path, object, Case::Sensitive);
                let _end = self.visit_block(injection, &block, visit);
            }
            None => self.visit_list(injection, visit),
        }
    }

    /// A block of `admission_inject`; an empty one counts as absent.
    pub(crate) fn block(&self, key: &str) -> Option<&'s Object<'a>> {
        let inject = self.config?.get("admission_inject")?.as_object()?;
        inject.get(key)?.as_object().filter(|block| !block.is_empty())
    }

    fn visit_block(
        &self,
        injection: &'static Injection,
        block: &Block<'_, 'a>,
        visit: Visit<'_, 'a>,
    ) -> ControlFlow<()> {
        let candidate = |variant, requires_annotation| Candidate {
            injection,
            path: block.path,
            selectors: Selectors { mode: Mode::All, ..Selectors::default() },
            variant: Some(variant),
            requires_annotation,
            reads_annotation: requires_annotation,
            origin: Origin::Block(block, self.release),
            errors: Errors::default(),
        };
        if self.release == Release::V1_8 {
            let language = injection.block_language_v1_8;
            let is_read = |variant: &&Variant| language.is_none() || variant.language == language;
            for variant in injection.variants.iter().filter(is_read) {
                let mut candidate = candidate(variant, true);
                let (mut namespaces, mut labels) = (List::default(), List::default());
                let mut errors = Errors::default();
                let _end = each_entry(injection, block, self.release, &mut errors, &mut |entry| {
                    match entry.selector {
                        Selector::Namespace(pattern) => namespaces.push(&entry.path, pattern),
                        Selector::Label(selector) => labels.push(&entry.path, selector),
                        Selector::None => {}
                    }
                    candidate.errors.extend(entry.errors);
                    ControlFlow::Continue(())
                });
                candidate.errors.extend(errors);
                candidate.selectors = Selectors { namespaces, labels, mode: Mode::All };
                visit(candidate)?;
            }
            return ControlFlow::Continue(());
        }
        for variant in injection.variants.iter().filter(|variant| variant.asks_in_block) {
            visit(candidate(variant, true))?;
        }
        let mut errors = Errors::default();
        let flow = each_entry(injection, block, self.release, &mut errors, &mut |entry| {
            let mut selectors = Selectors::default();
            match entry.selector {
                Selector::Namespace(pattern) => selectors.namespaces.push(&entry.path, pattern),
                Selector::Label(selector) => selectors.labels.push(&entry.path, selector),
                Selector::None => return ControlFlow::Continue(()),
            }
            visit(Candidate {
                injection,
                path: entry.path,
                selectors,
                variant: entry.variant,
                requires_annotation: false,
                reads_annotation: false,
                origin: Origin::Block(block, self.release),
                errors: entry.errors,
            })
        });
        flow?;
        ControlFlow::Continue(())
    }

    fn visit_list(&self, injection: &'static Injection, visit: Visit<'_, 'a>) {
        let (home, key) = injection.list;
        let rules = self.config.and_then(|config| config.get(home)?.as_object()?.get(key));
        let Some(rules) = rules.and_then(Value::as_array) else {
            return;
        };
        let home = Path::Key(&Path::Root, home);
        let list = Path::Key(&home, key);
        // Release 1.5 tries the rules of `admission_mutate` by label first, then by namespace.
        let passes: &[Pass] = match (injection.sets_annotation, self.release) {
            (None, _) => &[Pass::Given],
            (Some(_), Release::V1_8) => &[Pass::Both],
            (Some(_), _) => &[Pass::LabelsAlone, Pass::NamespacesAlone],
        };
        for pass in passes {
            for (index, value) in rules.iter().enumerate() {
                let path = Path::Index(&list, index);
                let mut errors = Errors::default();
                let Some(block) = Block::of_value(path, value, Case::Sensitive, &mut errors) else {
                    continue;
                };
                let mut candidate = read_candidate(injection, &block, *pass, errors);
                candidate.path = path;
                if visit(candidate).is_break() {
                    return;
                }
            }
        }
    }

    /// Adds the errors of every rule.
    pub(super) fn validate_rules(&self, injection: &'static Injection, errors: &mut Errors) {
        if let Some(object) = injection.block.and_then(|key| self.block(key)) {
            let inject = Path::Key(&Path::Root, "admission_inject");
            let path = Path::Key(&inject, injection.block.unwrap_or_default());
            let block = Block::new(path, object, Case::Sensitive);
            self.validate_block(injection, &block, errors);
        }
        let (home, key) = injection.list;
        let list = self.config.and_then(|config| config.get(home)?.as_object()?.get(key));
        let home = Path::Key(&Path::Root, home);
        let list_path = Path::Key(&home, key);
        let Some(rules) = list.and_then(Value::as_array) else {
            if let Some(value) = list.filter(|value| !value.is_null()) {
                crate::reader::expected(&list_path, "an array", value, errors);
            }
            return;
        };
        if let Some(block) = injection.block.filter(|key| self.block(key).is_some())
            && !rules.is_empty()
        {
            errors.add(&list_path, format_args!("conflicts with `admission_inject.{block}`"));
        }
        let pass = match (injection.sets_annotation, self.release) {
            (None, _) => Pass::Given,
            (Some(_), Release::V1_8) => Pass::Both,
            (Some(_), _) => Pass::Either,
        };
        for (index, value) in rules.iter().enumerate() {
            let path = Path::Index(&list_path, index);
            let Some(block) = Block::of_value(path, value, Case::Sensitive, errors) else {
                continue;
            };
            let mut candidate = read_candidate(injection, &block, pass, Errors::default());
            let is_empty = !injection.keys.contains(&"config")
                || block.get("config").is_none_or(|config| *config == Value::Text("\"\""));
            let is_off = (candidate.selectors.is_off() && is_empty) || candidate.is_switched_off();
            if is_off {
                check_switched_off(injection, &block, errors);
                continue;
            }
            errors.extend(std::mem::take(&mut candidate.errors));
            // A rule with an unknown language is checked as one of the first.
            if let Some(variant) = candidate.variant.or_else(|| injection.variants.first()) {
                let _rule = compile(injection, variant, candidate.origin, errors);
            }
        }
    }

    fn validate_block(
        &self,
        injection: &'static Injection,
        block: &Block<'_, 'a>,
        errors: &mut Errors,
    ) {
        if let Some(images) = block.block("images", Case::Sensitive, errors) {
            let keys = injection.variants.iter().filter_map(|variant| variant.image_key);
            let keys: Vec<&str> = keys.collect();
            images.check_keys(&keys, errors);
            for key in keys {
                let _image = image(&images, key, errors);
            }
        }
        if let Some(variant) = injection.variants.first() {
            let mut of_block = Errors::default();
            let _rule =
                compile(injection, variant, Origin::Block(block, self.release), &mut of_block);
            // The images are checked above, all of them.
            let images = format!("{}.images", block.path);
            errors.extend(of_block.without(&images));
        }
        let mut of_lists = Errors::default();
        let _end = each_entry(injection, block, self.release, &mut of_lists, &mut |entry| {
            errors.extend(entry.errors);
            ControlFlow::Continue(())
        });
        errors.extend(of_lists);
    }
}

/// How the two lists of selectors of a rule are taken.
#[derive(Clone, Copy)]
enum Pass {
    Given,
    Both,
    Either,
    LabelsAlone,
    NamespacesAlone,
}

fn read_candidate<'b, 'a>(
    injection: &'static Injection,
    block: &'b Block<'b, 'a>,
    pass: Pass,
    mut errors: Errors,
) -> Candidate<'b, 'a> {
    let mut selectors = match pass {
        Pass::Given => Selectors::read(block, Mode::Given, &mut errors),
        Pass::Both => Selectors::read(block, Mode::Both, &mut errors),
        _ => Selectors::read_exact(block, &mut errors),
    };
    match pass {
        Pass::LabelsAlone => selectors.namespaces = List::default(),
        Pass::NamespacesAlone => selectors.labels = List::default(),
        _ => {}
    }
    let requires_annotation = block.boolean("check_annotation", &mut errors);
    let variant = language(injection, block, &mut errors);
    // Some injections have no annotation to require.
    let has_annotation = injection.variants.iter().any(|variant| !variant.annotations.is_empty());
    let requires_annotation = requires_annotation && has_annotation;
    Candidate {
        injection,
        path: block.path,
        selectors,
        variant,
        requires_annotation,
        reads_annotation: requires_annotation || injection.reads_annotation_always,
        origin: Origin::List(block),
        errors,
    }
}

/// Reads what a rule injects: by its language, where the injection has languages.
fn language(
    injection: &'static Injection,
    block: &Block,
    errors: &mut Errors,
) -> Option<&'static Variant> {
    let names = injection.languages();
    if names.is_empty() {
        let _unused = block.string("language", errors);
        return injection.variants.first();
    }
    let Some(text) = block.string("language", errors) else {
        if block.get("language").is_none() {
            block.error("language", format_args!("is required: {}", names.join(", ")), errors);
        }
        return None;
    };
    let found = injection.variant(&text);
    if found.is_none() {
        unknown(block, "language", "language", &text, &names, errors);
    }
    found
}

/// An entry of `enabled_labelselectors` or `enabled_namespaces`.
struct Entry<'b, 'a> {
    path: Path<'b>,
    selector: Selector<'a>,
    variant: Option<&'static Variant>,
    errors: Errors,
}

enum Selector<'a> {
    Namespace(Option<NamespacePattern<'a>>),
    Label(Option<LabelSelectorOf>),
    /// An empty selector, which release 1.8 drops.
    None,
}

type LabelSelectorOf = crate::selector::LabelSelector;

/// Goes through `enabled_labelselectors`, then `enabled_namespaces`.
fn each_entry<'a>(
    injection: &'static Injection,
    block: &Block<'_, 'a>,
    release: Release,
    errors: &mut Errors,
    visit: &mut dyn FnMut(Entry<'_, 'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let lists = [("enabled_labelselectors", "labelselector"), ("enabled_namespaces", "namespace")];
    for (list_key, key) in lists {
        let list = Path::Key(&block.path, list_key);
        for (index, value) in block.list(list_key, errors).iter().enumerate() {
            let path = Path::Index(&list, index);
            let Some(entry) = Block::of_value(path, value, Case::Insensitive, errors) else {
                continue;
            };
            let mut of_entry = Errors::default();
            entry.check_keys(&[key, "language"], &mut of_entry);
            let text = entry.string(key, &mut of_entry);
            if entry.get(key).is_none() {
                entry.error(key, "is required", &mut of_entry);
            }
            let at = Path::Key(&entry.path, key);
            let is_dropped = release == Release::V1_8 && text.as_deref().is_some_and(str::is_empty);
            let selector = match key {
                _ if is_dropped => Selector::None,
                "namespace" if release == Release::V1_5 => {
                    Selector::Namespace(text.map(NamespacePattern::exactly))
                }
                "namespace" => Selector::Namespace(
                    text.and_then(|text| namespace_pattern(&at, text, &mut of_entry)),
                ),
                _ => {
                    let syntax = match release {
                        Release::V1_8 => Syntax::WithGlobs,
                        _ => Syntax::Kubernetes,
                    };
                    Selector::Label(
                        text.and_then(|text| label_selector(&at, &text, syntax, &mut of_entry)),
                    )
                }
            };
            let variant = match release {
                // The language counts for nothing there.
                Release::V1_8 => {
                    let _language = entry.string("language", &mut of_entry);
                    injection.variants.first()
                }
                _ => language(injection, &entry, &mut of_entry),
            };
            let path = entry.path;
            visit(Entry { path, selector, variant, errors: of_entry })?;
        }
    }
    ControlFlow::Continue(())
}

/// The rules that would have selected a pod and are left out for an error.
#[derive(Debug, Default)]
pub(crate) struct LeftOut(Vec<SettingsError>);

impl LeftOut {
    /// Adds an error, each once: a rule of `admission_mutate` may be tried twice.
    pub(crate) fn add(&mut self, error: &SettingsError) {
        if !self.0.contains(error) {
            self.0.push(error.clone());
        }
    }

    pub(crate) fn into_vec(self) -> Vec<SettingsError> {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
