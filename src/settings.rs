//! The settings: the configuration of Datakit Operator, verbatim, and this policy's own options.
//!
//! Hosts hand the settings over at every request, so they are read only as far as a request needs:
//! the selectors of each rule, and the whole of the rules that are used. [`validate`] reads them in
//! full and finds every fault.

mod env;
mod image;
mod matching;
mod options;
mod quantity;
mod reader;
mod rules;

use std::borrow::Cow;

pub use env::{Variable, VariableValue};
pub use image::{ImageReference, ImageReferenceError};
pub use options::{ExtraWorkload, IGNORED_NAMESPACES, Options, SidecarMode};
pub use reader::Fault;
pub use rules::{
    Base, DdtraceRule, FlameshotRule, Language, LogfwdRule, LoggingRule, OtelRule, ProfilerRule,
    Resources,
};
use rules::{Found, Kind};
pub(crate) use rules::{Generation, Rule, is_mountable};

use crate::json::{Object, Shape, Value};
use crate::selector::Target;
use crate::verdict::Verdict;
use matching::{Matching, v1_entries, v1_language};
use reader::{Block, Case, Faults, Path, did_you_mean, expected};

/// The keys at the top.
pub const KEYS: &[&str] = &[
    "server_listen",
    "log_level",
    "admission_inject",
    "admission_inject_v2",
    "admission_mutate",
    "policy",
    "jsonconfig",
];

/// The values of `log_level`.
pub const LOG_LEVELS: &[&str] = &["debug", "info", "warn", "error"];

/// Which parts of the settings are opened at once: the rules. What is in them is opened where it
/// is read.
pub(crate) const SETTINGS: Shape = Shape::Object(&[
    ("admission_inject", OBJECT_OF_BLOCKS),
    (
        "admission_inject_v2",
        Shape::Object(&[
            ("ddtraces", BLOCKS),
            ("otels", BLOCKS),
            ("logfwds", BLOCKS),
            ("flameshots", BLOCKS),
            ("profilers", BLOCKS),
        ]),
    ),
    ("admission_mutate", Shape::Object(&[("loggings", BLOCKS)])),
]);

const BLOCKS: Shape = Shape::Array(&Shape::Object(&[]));
const OBJECT_OF_BLOCKS: Shape = Shape::Object(&[
    ("ddtrace", Shape::Object(&[])),
    ("logfwd", Shape::Object(&[])),
    ("profiler", Shape::Object(&[])),
]);

static DOCUMENT: Shape = SETTINGS;

/// Every key that the settings know, by block: for documentation and tools.
pub fn known_keys() -> Vec<(&'static str, Vec<&'static str>)> {
    fn list<'a, R: Rule<'a>>() -> (&'static str, Vec<&'static str>) {
        let kind = R::KIND;
        (kind.section.v2_key(), rules::RULE_KEYS.iter().chain(kind.keys).copied().collect())
    }
    fn block(section: Section) -> [(&'static str, Vec<&'static str>); 2] {
        let images = section.v1_images().iter().map(|(_, key)| *key).collect();
        [(section.v1_key().unwrap_or_default(), section.v1_keys().to_vec()), ("images", images)]
    }
    let mut keys = vec![
        ("", KEYS.to_vec()),
        ("loggings", rules::LOGGING_KEYS.to_vec()),
        ("policy", options::KEYS.to_vec()),
        ("extra_workloads", options::EXTRA_WORKLOAD_KEYS.to_vec()),
        list::<DdtraceRule>(),
        list::<OtelRule>(),
        list::<LogfwdRule>(),
        list::<FlameshotRule>(),
        list::<ProfilerRule>(),
    ];
    keys.extend([Section::Ddtrace, Section::Logfwd, Section::Profiler].into_iter().flat_map(block));
    keys
}

/// The keys of `images` in a block of `admission_inject`, with their language, in the order in which
/// annotations are looked for; none for a block that there is not.
pub fn image_keys(block: &str) -> &'static [(Option<Language>, &'static str)] {
    let sections = [Section::Ddtrace, Section::Logfwd, Section::Profiler];
    let section = sections.into_iter().find(|section| section.v1_key() == Some(block));
    section.map_or(&[], Section::v1_images)
}

/// The least important lines that are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What was injected or skipped.
    #[default]
    Info,
    /// What was skipped.
    Warn,
    /// Nothing but errors.
    Error,
}

/// The settings, opened and partly checked.
#[derive(Debug)]
pub struct Settings<'s, 'a> {
    config: Option<&'s Object<'a>>,
    /// This policy's own options.
    pub options: Options<'a>,
    /// The least important lines that are logged.
    pub log_level: LogLevel,
}

/// A rule that selects a pod.
#[derive(Debug)]
pub(crate) struct Selected<'a, R> {
    pub(crate) rule: R,
    /// Where the rule stands in the settings.
    pub(crate) path: String,
    /// The annotation that asked for it or says more, where the rule reads one.
    pub(crate) annotation: Option<Cow<'a, str>>,
}

/// What came of the rules that were looked at.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// The first fault of every rule that would have selected the pod and is left out.
    pub(crate) left_out: Vec<Fault>,
    /// The path of each rule and what was found of it, where somebody asks.
    pub(crate) verdicts: Option<Vec<(String, Verdict)>>,
}

impl Looks {
    fn found(&mut self, rule: &Path, verdict: Verdict) {
        if let Some(verdicts) = &mut self.verdicts {
            verdicts.push((rule.to_string(), verdict));
        }
    }

    fn left_out(&mut self, rule: &Path, fault: &Fault) {
        self.found(rule, Verdict::Faulty(fault.path.clone()));
        // Rules of `admission_mutate.loggings` are looked at twice.
        if !self.left_out.contains(fault) {
            self.left_out.push(fault.clone());
        }
    }
}

/// The injections that rules are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Ddtrace,
    Otel,
    Logfwd,
    Flameshot,
    Profiler,
}

impl Section {
    /// The block in `admission_inject`.
    const fn v1_key(self) -> Option<&'static str> {
        match self {
            Self::Ddtrace => Some("ddtrace"),
            Self::Logfwd => Some("logfwd"),
            Self::Profiler => Some("profiler"),
            Self::Otel | Self::Flameshot => None,
        }
    }

    /// The list in `admission_inject_v2`.
    const fn v2_key(self) -> &'static str {
        match self {
            Self::Ddtrace => "ddtraces",
            Self::Otel => "otels",
            Self::Logfwd => "logfwds",
            Self::Flameshot => "flameshots",
            Self::Profiler => "profilers",
        }
    }

    /// The keys of the block in `admission_inject`.
    const fn v1_keys(self) -> &'static [&'static str] {
        match self {
            Self::Ddtrace => &[
                "enabled_namespaces",
                "enabled_labelselectors",
                "images",
                "envs",
                "resources",
                "image_pull_policy",
                "php_loader_flavor",
            ],
            _ => &["images", "envs", "resources", "image_pull_policy"],
        }
    }

    /// The keys of `images` in `admission_inject`, with their language.
    const fn v1_images(self) -> &'static [(Option<Language>, &'static str)] {
        match self {
            Self::Ddtrace => &[
                (Some(Language::Java), "java_agent_image"),
                (Some(Language::Python), "python_agent_image"),
                (Some(Language::Nodejs), "js_agent_image"),
                (Some(Language::Php), "php_agent_image"),
            ],
            Self::Logfwd => &[(None, "logfwd_image")],
            Self::Profiler => &[
                (Some(Language::Java), "java_profiler_image"),
                (Some(Language::Python), "python_profiler_image"),
                (Some(Language::Golang), "golang_profiler_image"),
            ],
            Self::Otel | Self::Flameshot => &[],
        }
    }

    fn v1_image_key(self, language: Option<Language>) -> &'static str {
        let images = self.v1_images().iter();
        images.clone().find(|(of, _)| *of == language).map_or("", |(_, key)| key)
    }

    /// Whether the added container has resources where `admission_inject` gives none.
    fn has_default_resources(self, generation: Generation) -> bool {
        generation == Generation::V2 || self != Self::Ddtrace
    }
}

/// The text of the Operator's configuration, where the settings hold it whole under `jsonconfig`.
pub(crate) fn jsonconfig<'a>(settings: &Value<'a>) -> Option<Cow<'a, str>> {
    settings.as_object()?.get_str("jsonconfig")
}

/// Opens the text of a configuration.
///
/// # Errors
///
/// Where it is not JSON.
pub(crate) fn open(text: &str) -> Result<Value<'_>, serde_json::Error> {
    Value::open(text, &DOCUMENT)
}

/// Checks settings in full.
///
/// Takes their JSON text; gives every fault, in the order of the document's blocks.
pub fn validate(text: &str) -> Vec<Fault> {
    let mut faults = Faults::default();
    match open(if text.trim().is_empty() { "null" } else { text }) {
        Err(error) => faults.add(&Path::Root, not_json(&error)),
        Ok(settings) => validate_document(&settings, &mut faults),
    }
    faults.into_vec()
}

fn validate_document(settings: &Value, faults: &mut Faults) {
    match settings {
        Value::Object(top) => {
            let top = Block::new(Path::Root, top, Case::Sensitive);
            top.check_keys(KEYS, faults);
            match top.string("jsonconfig", faults) {
                None => {
                    Settings::read(settings, None, faults).validate(faults);
                }
                Some(text) => {
                    for key in KEYS.iter().filter(|key| !matches!(**key, "jsonconfig" | "policy")) {
                        if top.get(key).is_some() {
                            top.fault(
                                key,
                                "stands beside `jsonconfig`, which holds it all",
                                faults,
                            );
                        }
                    }
                    validate_jsonconfig(settings, &text, &top, faults);
                }
            }
        }
        value if value.is_null() => {}
        other => expected(&Path::Root, "an object", other, faults),
    }
}

fn validate_jsonconfig(settings: &Value, text: &str, top: &Block, faults: &mut Faults) {
    let config = match open(text) {
        Ok(config) => config,
        Err(error) => return top.fault("jsonconfig", not_json(&error), faults),
    };
    let Some(inner) = config.as_object() else {
        return expected(&Path::Key(&top.path, "jsonconfig"), "an object", &config, faults);
    };
    let inner = Block::new(Path::Root, inner, Case::Sensitive);
    inner.check_keys(KEYS, faults);
    if inner.get("jsonconfig").is_some() {
        inner.fault("jsonconfig", "stands inside `jsonconfig`", faults);
    }
    if inner.get("policy").is_some() && top.get("policy").is_some() {
        inner.fault("policy", "stands both inside and beside `jsonconfig`", faults);
    }
    Settings::read(settings, Some(&config), faults).validate(faults);
}

fn not_json(error: &serde_json::Error) -> String {
    // The parser's own message would do, but for values that it cites.
    format!("is not JSON: line {} column {}", error.line(), error.column())
}

impl<'s, 'a> Settings<'s, 'a> {
    /// Takes opened settings, with the configuration that they hold under `jsonconfig`, if any.
    pub(crate) fn new(settings: &'s Value<'a>, jsonconfig: Option<&'s Value<'a>>) -> Self {
        // Faults at the top concern nobody's pod; `validate` reports them.
        Self::read(settings, jsonconfig, &mut Faults::default())
    }

    fn read(
        settings: &'s Value<'a>,
        jsonconfig: Option<&'s Value<'a>>,
        faults: &mut Faults,
    ) -> Self {
        let top = settings.as_object();
        let config = jsonconfig.map_or(top, Value::as_object);
        let block = |object| Block::new(Path::Root, object, Case::Sensitive);
        let mut options = None;
        for object in [config, top].into_iter().flatten() {
            if let Some(policy) = block(object).block("policy", Case::Sensitive, faults) {
                options = Some(Options::read(&policy, faults));
                break;
            }
        }
        let log_level = config.map(|config| log_level(&block(config), faults));
        Self {
            config,
            options: options.unwrap_or_default(),
            log_level: log_level.unwrap_or_default(),
        }
    }

    /// The first rule that selects a pod and is free of faults.
    pub(crate) fn select<R: Rule<'a>>(
        &self,
        target: &Target<'_, 'a>,
        looks: &mut Looks,
    ) -> Option<Selected<'a, R>> {
        let mut rule = None;
        let mut read = |found: Found<'_, 'a>, faults: &mut Faults| {
            rule = R::read(found, faults);
        };
        let v1 = R::KIND.section.v1_key().and_then(|key| self.v1(key));
        let (path, annotation) = match v1 {
            // Beside rules of `admission_inject_v2`, which is a fault, the Operator prefers these.
            Some(object) => self.select_v1(&R::KIND, object, target, looks, &mut read),
            None => self.select_v2(&R::KIND, target, looks, &mut read),
        }?;
        Some(Selected { rule: rule?, path, annotation })
    }

    fn select_v1(
        &self,
        kind: &Kind,
        object: &'s Object<'a>,
        target: &Target<'_, 'a>,
        looks: &mut Looks,
        read: Read<'_, 'a>,
    ) -> Option<Place<'a>> {
        let inject = Path::Key(&Path::Root, "admission_inject");
        let path = Path::Key(&inject, kind.section.v1_key()?);
        let block = Block::new(path, object, Case::Sensitive);
        let (language, annotation) = match asked_in_v1(kind, target, &path, looks) {
            Some((language, annotation)) => (language, Some(annotation)),
            None => (Some(v1_language(&block, target, looks)?), None),
        };
        let mut faults = Faults::default();
        read_v1(kind, &block, language, &mut faults, read);
        finish(&path, annotation, &faults, looks)
    }

    fn select_v2(
        &self,
        kind: &Kind,
        target: &Target<'_, 'a>,
        looks: &mut Looks,
        read: Read<'_, 'a>,
    ) -> Option<Place<'a>> {
        let inject = Path::Key(&Path::Root, "admission_inject_v2");
        let list = Path::Key(&inject, kind.section.v2_key());
        let rules = self.config?.get("admission_inject_v2")?.as_object()?;
        let rules = rules.get(kind.section.v2_key())?.as_array()?;
        for (index, value) in rules.iter().enumerate() {
            let path = Path::Index(&list, index);
            let mut faults = Faults::default();
            let Some(block) = Block::of_value(path, value, Case::Sensitive, &mut faults) else {
                continue;
            };
            let matching = Matching::of_v2(&block, &mut faults);
            let verdict = match matching.verdict(target) {
                Verdict::Selects if kind.is_off(&block) => Verdict::SwitchedOff,
                verdict => verdict,
            };
            if verdict != Verdict::Selects {
                looks.found(&path, verdict);
                continue;
            }
            let language = read_language(kind, &block, &mut faults);
            let annotation = kind.asked(target, language).map(|(_, value)| value);
            let must_be_asked = block.boolean("check_annotation", &mut faults);
            if must_be_asked && annotation.is_none() {
                looks.found(&path, Verdict::NotAsked(kind.annotation(language)));
                continue;
            }
            // A version counts only where it is asked for; logfwd's annotation always says more.
            let counts = must_be_asked || kind.section == Section::Logfwd;
            let annotation = annotation.filter(|_| counts);
            read_v2(kind, &block, language, true, &mut faults, read);
            if let Some(place) = finish(&path, annotation, &faults, looks) {
                return Some(place);
            }
        }
        None
    }

    /// The first rule of `admission_mutate.loggings` that selects a pod: by label, then by namespace.
    pub(crate) fn select_logging(
        &self,
        target: &Target<'_, 'a>,
        looks: &mut Looks,
    ) -> Option<Selected<'a, LoggingRule<'a>>> {
        let mutate = Path::Key(&Path::Root, "admission_mutate");
        let list = Path::Key(&mutate, "loggings");
        let rules =
            self.config?.get("admission_mutate")?.as_object()?.get("loggings")?.as_array()?;
        type Way = for<'m> fn(&Matching<'m>, &Target) -> Option<bool>;
        let ways: [(Way, Verdict); 2] = [
            (|matching, target| matching.by_label(target), Verdict::OtherLabels),
            (|matching, target| matching.by_namespace(target), Verdict::OtherNamespace),
        ];
        for (way, other) in ways {
            for (index, value) in rules.iter().enumerate() {
                let path = Path::Index(&list, index);
                let mut faults = Faults::default();
                let Some(block) = Block::of_value(path, value, Case::Sensitive, &mut faults) else {
                    continue;
                };
                match way(&Matching::of_logging(&block, &mut faults), target) {
                    Some(true) => {}
                    Some(false) => {
                        looks.found(&path, other.clone());
                        continue;
                    }
                    None => continue,
                }
                block.check_keys(rules::LOGGING_KEYS, &mut faults);
                let rule = LoggingRule::read(&block, &mut faults);
                if let Some((path, annotation)) = finish(&path, None, &faults, looks) {
                    return rule.map(|rule| Selected { rule, path, annotation });
                }
            }
        }
        None
    }

    /// A block of `admission_inject`; an empty one counts as absent.
    fn v1(&self, key: &str) -> Option<&'s Object<'a>> {
        let inject = self.config?.get("admission_inject")?.as_object()?;
        inject.get(key)?.as_object().filter(|block| !block.is_empty())
    }

    /// Reads every rule, for its faults.
    fn validate(&self, faults: &mut Faults) {
        let Some(config) = self.config else {
            return;
        };
        let config = Block::new(Path::Root, config, Case::Sensitive);
        if let Some(inject) = config.block("admission_inject", Case::Sensitive, faults) {
            inject.check_keys(&["ddtrace", "logfwd", "profiler"], faults);
            validate_v1::<DdtraceRule>(&inject, faults);
            validate_v1::<LogfwdRule>(&inject, faults);
            validate_v1::<ProfilerRule>(&inject, faults);
        }
        if let Some(inject) = config.block("admission_inject_v2", Case::Sensitive, faults) {
            let known = ["ddtraces", "otels", "logfwds", "flameshots", "profilers"];
            inject.check_keys(&known, faults);
            self.validate_v2::<DdtraceRule>(&inject, faults);
            self.validate_v2::<OtelRule>(&inject, faults);
            self.validate_v2::<LogfwdRule>(&inject, faults);
            self.validate_v2::<FlameshotRule>(&inject, faults);
            self.validate_v2::<ProfilerRule>(&inject, faults);
        }
        if let Some(mutate) = config.block("admission_mutate", Case::Sensitive, faults) {
            mutate.check_keys(&["loggings"], faults);
            let list = Path::Key(&mutate.path, "loggings");
            for (index, value) in mutate.list("loggings", faults).iter().enumerate() {
                let path = Path::Index(&list, index);
                let Some(block) = Block::of_value(path, value, Case::Sensitive, faults) else {
                    continue;
                };
                block.check_keys(rules::LOGGING_KEYS, faults);
                let is_off = Matching::of_logging(&block, faults).is_off();
                let config = block.get("config").and_then(Value::as_str);
                if !is_off || config.is_some_and(|config| !config.trim().is_empty()) {
                    let _rule = LoggingRule::read(&block, faults);
                }
            }
        }
    }

    fn validate_v2<R: Rule<'a>>(&self, inject: &Block<'_, 'a>, faults: &mut Faults) {
        self.validate_list(&R::KIND, inject, faults, &mut |found, faults| {
            let _rule = R::read(found, faults);
        });
    }

    fn validate_list(
        &self,
        kind: &Kind,
        inject: &Block<'_, 'a>,
        faults: &mut Faults,
        read: Read<'_, 'a>,
    ) {
        let key = kind.section.v2_key();
        let list = Path::Key(&inject.path, key);
        let rules = inject.list(key, faults);
        if let Some(v1_key) = kind.section.v1_key()
            && !rules.is_empty()
            && self.v1(v1_key).is_some()
        {
            let message = format!("stands beside `admission_inject.{v1_key}`; keep one of the two");
            faults.add(&list, message);
        }
        for (index, value) in rules.iter().enumerate() {
            let path = Path::Index(&list, index);
            let Some(block) = Block::of_value(path, value, Case::Sensitive, faults) else {
                continue;
            };
            let is_off = Matching::of_v2(&block, faults).is_off();
            let _checked = block.boolean("check_annotation", faults);
            let is_on = !is_off && !kind.is_off(&block);
            let language = if is_on { read_language(kind, &block, faults) } else { None };
            read_v2(kind, &block, language, is_on, faults, read);
        }
    }
}

/// What reads the rest of a rule that was found.
type Read<'r, 'a> = &'r mut dyn FnMut(Found<'_, 'a>, &mut Faults);

/// The path of a rule, and the annotation that asked for it or says more.
type Place<'a> = (String, Option<Cow<'a, str>>);

/// The place of a rule, where reading it found no fault; else a note that it is left out.
fn finish<'a>(
    path: &Path,
    annotation: Option<Cow<'a, str>>,
    faults: &Faults,
    looks: &mut Looks,
) -> Option<Place<'a>> {
    if let Some(fault) = faults.first() {
        looks.left_out(path, fault);
        return None;
    }
    looks.found(path, Verdict::Selects);
    Some((path.to_string(), annotation))
}

/// The language that a pod asks for by annotation alone, and the annotation's value.
fn asked_in_v1<'a>(
    kind: &Kind,
    target: &Target<'_, 'a>,
    path: &Path,
    looks: &mut Looks,
) -> Option<(Option<Language>, Cow<'a, str>)> {
    let languages = kind.languages.iter().filter(|language| **language != Language::Php);
    let none = kind.languages.is_empty().then_some(None);
    for language in languages.copied().map(Some).chain(none) {
        if let Some((annotation, value)) = kind.asked(target, language) {
            looks.found(path, Verdict::Asked(annotation));
            return Some((language, value));
        }
        looks.found(path, Verdict::NotAsked(kind.annotation(language)));
    }
    None
}

fn read_v1<'a>(
    kind: &Kind,
    block: &Block<'_, 'a>,
    language: Option<Language>,
    faults: &mut Faults,
    read: Read<'_, 'a>,
) {
    block.check_keys(kind.section.v1_keys(), faults);
    let images = block.block("images", Case::Sensitive, faults);
    let key = kind.section.v1_image_key(language);
    let image = images.and_then(|images| rules::image(&images, key, faults));
    let default_resources = kind.section.has_default_resources(Generation::V1);
    let base = Base::read(block, image, Generation::V1, default_resources, faults);
    read(Found { block, base, language, generation: Generation::V1 }, faults);
}

fn validate_v1<'a, R: Rule<'a>>(inject: &Block<'_, 'a>, faults: &mut Faults) {
    let kind = &R::KIND;
    let Some(block) =
        kind.section.v1_key().and_then(|key| inject.block(key, Case::Sensitive, faults))
    else {
        return;
    };
    if block.is_empty() {
        return;
    }
    block.check_keys(kind.section.v1_keys(), faults);
    if let Some(images) = block.block("images", Case::Sensitive, faults) {
        let keys: Vec<&str> = kind.section.v1_images().iter().map(|(_, key)| *key).collect();
        images.check_keys(&keys, faults);
        for key in keys {
            let _image = rules::image(&images, key, faults);
        }
    }
    let language = kind.languages.first().copied();
    let base = Base::read(&block, None, Generation::V1, true, faults);
    let _rule =
        R::read(Found { block: &block, base, language, generation: Generation::V1 }, faults);
    if kind.section == Section::Ddtrace {
        let mut found = Vec::new();
        let _none: Option<()> = v1_entries(&block, faults, |_, _, _, of_entry| {
            found.push(of_entry);
            None
        });
        found.into_iter().for_each(|of_entry| faults.extend(of_entry));
    }
}

/// Reads a rule; one that is off is only checked.
fn read_v2<'a>(
    kind: &Kind,
    block: &Block<'_, 'a>,
    language: Option<Language>,
    is_on: bool,
    faults: &mut Faults,
    read: Read<'_, 'a>,
) {
    let known: Vec<&str> = rules::RULE_KEYS.iter().chain(kind.keys).copied().collect();
    block.check_keys(&known, faults);
    let _name = block.string("name", faults);
    let has_image = block.get("image").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let image = if is_on || has_image { rules::image(block, "image", faults) } else { None };
    if is_on && block.get("image").is_none() {
        block.fault("image", "is needed: the image to inject", faults);
    }
    let base = Base::read(block, image, Generation::V2, true, faults);
    if is_on {
        read(Found { block, base, language, generation: Generation::V2 }, faults);
    }
}

fn read_language(kind: &Kind, block: &Block, faults: &mut Faults) -> Option<Language> {
    if kind.languages.is_empty() { None } else { rules::language(block, kind.languages, faults) }
}

fn log_level(block: &Block, faults: &mut Faults) -> LogLevel {
    match block.string("log_level", faults).as_deref() {
        None | Some("info" | "") => LogLevel::Info,
        Some("debug") => LogLevel::Debug,
        Some("warn") => LogLevel::Warn,
        Some("error") => LogLevel::Error,
        Some(other) => {
            let hint = did_you_mean(other, LOG_LEVELS);
            block.fault("log_level", format_args!("unknown level `{other}`{hint}"), faults);
            LogLevel::Info
        }
    }
}
