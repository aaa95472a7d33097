//! The settings: the configuration of Datakit Operator, verbatim, and this policy's own options.
//!
//! Hosts hand the settings over at every request, so they are read only as far as a request needs:
//! the selectors of each rule, and the whole of the rules that select. [`validate`] reads them in
//! full, by the same code, and finds every error.

use std::borrow::Cow;

use crate::injection::Injection;
use crate::injection::table::ALL;
use crate::json::{Object, Shape, Value};
use crate::options::{self, Options};
use crate::reader::{Case, Errors, Path, Section, did_you_mean, expected};
use crate::release::Release;

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
pub const SETTINGS: Shape = Shape::Object(&[
    ("admission_inject", Shape::Map(&Shape::Object(&[]))),
    ("admission_inject_v2", Shape::Map(&RULES)),
    ("admission_mutate", Shape::Map(&RULES)),
]);

const RULES: Shape = Shape::Array(&Shape::Object(&[]));

static DOCUMENT: Shape = SETTINGS;

/// Every key that the settings know, by block: for documentation and tools.
pub fn known_keys() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut keys = vec![
        ("", KEYS.to_vec()),
        ("policy", options::KEYS.to_vec()),
        ("extra_workloads", options::EXTRA_WORKLOAD_KEYS.to_vec()),
    ];
    for injection in ALL {
        keys.push((injection.list.key, injection.list.known_keys()));
        if let Some(block) = &injection.block {
            keys.push((block.name, block.known_keys()));
            keys.push(("images", injection.image_keys()));
        }
    }
    keys
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
    /// The configuration of the Operator, opened.
    pub config: Option<&'s Object<'a>>,
    /// This policy's own options.
    pub options: Options<'a>,
    /// The least important lines that are logged.
    pub log_level: LogLevel,
    /// The release that the configuration is read for.
    pub release: Release,
    /// Why this release was taken.
    pub release_reason: &'static str,
}

/// The text of the Operator's configuration, where the settings hold all of it under `jsonconfig`.
pub fn jsonconfig<'a>(settings: &Value<'a>) -> Option<Cow<'a, str>> {
    settings.as_object()?.get_str("jsonconfig").filter(|text| !text.trim().is_empty())
}

/// Opens the text of a configuration.
///
/// # Errors
///
/// Where it is not JSON.
pub fn open(text: &str) -> Result<Value<'_>, serde_json::Error> {
    Value::open(text, &DOCUMENT)
}

/// Calls `read` with settings from their JSON text; with errors where the text cannot be opened.
pub fn with_settings<T>(
    text: &str,
    errors: &mut Errors,
    read: impl FnOnce(&Settings, &mut Errors) -> T,
) -> Option<T> {
    let settings = match open(if text.trim().is_empty() { "null" } else { text }) {
        Ok(settings) => settings,
        Err(error) => {
            errors.add(&Path::Root, not_json(&error));
            return None;
        }
    };
    let jsonconfig = jsonconfig(&settings);
    let config = match jsonconfig.as_deref().map(open).transpose() {
        Ok(config) => config,
        Err(error) => {
            errors.add(&Path::Key(&Path::Root, "jsonconfig"), not_json(&error));
            None
        }
    };
    check_document(&settings, config.as_ref(), errors);
    let settings = Settings::read(&settings, config.as_ref(), errors);
    Some(read(&settings, errors))
}

/// The release that settings are read for and the reason, as a sentence.
pub fn release(text: &str) -> Option<String> {
    with_settings(text, &mut Errors::default(), |settings, _| settings.release_sentence())
}

/// Checks the top of the document, and of the configuration under `jsonconfig`.
fn check_document(settings: &Value, jsonconfig: Option<&Value>, errors: &mut Errors) {
    let Value::Object(top) = settings else {
        if !settings.is_null() {
            expected(&Path::Root, "an object", settings, errors);
        }
        return;
    };
    let top = Section::new(Path::Root, top, Case::Sensitive);
    top.check_keys(KEYS, errors);
    let _text = top.string("jsonconfig", errors);
    let Some(config) = jsonconfig else {
        return;
    };
    for key in KEYS.iter().filter(|key| !matches!(**key, "jsonconfig" | "policy")) {
        if top.get(key).is_some_and(|value| *value != Value::Text("\"\"")) {
            top.error(key, "conflicts with `jsonconfig`", errors);
        }
    }
    let Value::Object(inner) = config else {
        if !config.is_null() {
            expected(&Path::Key(&top.path, "jsonconfig"), "an object", config, errors);
        }
        return;
    };
    let inner = Section::new(Path::Root, inner, Case::Sensitive);
    inner.check_keys(KEYS, errors);
    if inner.get("jsonconfig").is_some() {
        inner.error("jsonconfig", "is nested in `jsonconfig`", errors);
    }
    if inner.get("policy").is_some() && top.get("policy").is_some() {
        inner.error("policy", "is given both inside and beside `jsonconfig`", errors);
    }
}

fn not_json(error: &serde_json::Error) -> String {
    // The parser's own message would do, but for the values that it quotes.
    format!("is not JSON: line {} column {}", error.line(), error.column())
}

impl<'s, 'a> Settings<'s, 'a> {
    /// Takes opened settings, with the configuration that they hold under `jsonconfig`, if any.
    pub fn new(settings: &'s Value<'a>, jsonconfig: Option<&'s Value<'a>>) -> Self {
        // `validate` reports what is wrong at the top.
        Self::read(settings, jsonconfig, &mut Errors::default())
    }

    fn read(
        settings: &'s Value<'a>,
        jsonconfig: Option<&'s Value<'a>>,
        errors: &mut Errors,
    ) -> Self {
        let top = settings.as_object();
        let config = jsonconfig.map_or(top, Value::as_object);
        let block = |object| Section::new(Path::Root, object, Case::Sensitive);
        // Options beside `jsonconfig` win over those inside.
        let policy = [top, config].into_iter().flatten().find_map(|object| {
            let policy = object.get("policy").filter(|policy| !policy.is_null())?;
            Some(Options::read(policy, errors))
        });
        let options = policy.unwrap_or_default();
        let log_level = config.map(|config| log_level(&block(config), errors));
        let mut settings = Self {
            config,
            options,
            log_level: log_level.unwrap_or_default(),
            release: Release::UpTo1_5,
            release_reason: "",
        };
        (settings.release, settings.release_reason) = settings.release();
        settings
    }

    /// A block of `admission_inject`; an empty one counts as absent.
    pub fn block(&self, key: &str) -> Option<&'s Object<'a>> {
        let inject = self.config?.get("admission_inject")?.as_object()?;
        inject.get(key)?.as_object().filter(|block| !block.is_empty())
    }

    /// The block of an injection in `admission_inject`, with its name.
    pub(crate) fn block_of(&self, injection: &Injection) -> Option<(&'static str, &'s Object<'a>)> {
        let name = injection.block.as_ref()?.name;
        Some((name, self.block(name)?))
    }

    /// The list of an injection's rules.
    pub(crate) fn list_of(&self, injection: &Injection) -> Option<&'s Value<'a>> {
        self.config?.get(injection.list.home)?.as_object()?.get(injection.list.key)
    }

    /// The release, and why: the one that is given, else the one that the configuration looks like.
    fn release(&self) -> (Release, &'static str) {
        if let Some(release) = self.options.operator_release {
            return (release, "policy.operator_release says so");
        }
        let v2 = self.config.and_then(|config| config.get("admission_inject_v2"));
        if v2.is_some_and(|rules| !rules.is_null()) {
            return (Release::Since1_7, "the configuration has admission_inject_v2");
        }
        // Only releases 1.5.13 to 1.6.1 let logfwd and profiler select by namespace or label.
        let is_filled = |value: &Value| {
            value
                .as_text()
                .is_some_and(|text| !matches!(&*crate::json::compact(text), "[]" | "null"))
        };
        let selects = |key: &str| {
            let block = self.block(key);
            let mut lists = ["enabled_namespaces", "enabled_labelselectors"].into_iter();
            block.is_some_and(|block| lists.any(|list| block.get(list).is_some_and(is_filled)))
        };
        if selects("logfwd") || selects("profiler") {
            return (
                Release::Of1_6,
                "logfwd or profiler have enabled_namespaces or _labelselectors",
            );
        }
        (Release::UpTo1_5, "the configuration has no admission_inject_v2")
    }

    /// The release and the reason, as a sentence.
    pub fn release_sentence(&self) -> String {
        format!("read as release {}: {}", self.release, self.release_reason)
    }

    /// Whether any injection has a rule.
    pub fn has_rules(&self) -> bool {
        let has_rules = |home: &str| {
            let home = self.config.and_then(|config| config.get(home)?.as_object());
            home.into_iter().flat_map(Object::iter).any(|(_, rules)| match rules {
                Value::Object(block) => !block.is_empty(),
                Value::Array(rules) => !rules.is_empty(),
                _ => false,
            })
        };
        has_rules("admission_inject") || has_rules("admission_inject_v2")
    }
}

fn log_level(block: &Section, errors: &mut Errors) -> LogLevel {
    match block.string("log_level", errors).as_deref() {
        None | Some("info" | "") => LogLevel::Info,
        Some("debug") => LogLevel::Debug,
        Some("warn") => LogLevel::Warn,
        Some("error") => LogLevel::Error,
        Some(other) => {
            let hint = did_you_mean(other, LOG_LEVELS);
            block.error("log_level", format_args!("unknown level `{other}`{hint}"), errors);
            LogLevel::Info
        }
    }
}
