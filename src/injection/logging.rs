//! The `datakit/logs` annotation, and the directories whose files it names.

use std::borrow::Cow;

use super::share::{directory, share};
use super::{Ask, COMMON, Injection, Plan, Planner, RuleList, RuleSource, Variant};
use crate::injection::skip::Skip;
use crate::json::types::{Type, check};
use crate::json::{self, Object, Shape, Value};
use crate::pod::Pod;
use crate::reader::Errors;

pub(super) static INJECTION: Injection = Injection {
    name: "logging",
    list: RuleList { home: "admission_mutate", keys: &["config"], ..RuleList::v2("loggings") },
    variants: &[Variant::reading(read)],
    sets_annotation: Some(ANNOTATION),
    volumes: &["datakit-logs-volume-"],
    annotations: &[ANNOTATION],
    ..COMMON
};

const ANNOTATION: &str = "datakit/logs";

/// The entries of a logging configuration, as far as the policy reads them.
static ENTRIES: Type = Type::Array(&Type::Object(&[
    ("disable", Type::Boolean),
    ("type", Type::String),
    ("path", Type::String),
]));

/// A checked JSON array of logging configurations.
#[derive(Debug)]
pub(super) struct LogConfigs {
    /// The same JSON without white space.
    pub(super) compacted: String,
    /// The path of every entry that has one.
    pub(super) paths: Vec<String>,
    /// The path of every enabled entry of type `file`.
    enabled_files: Vec<String>,
}

impl LogConfigs {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        static OPENED: Shape = Shape::Array(&Shape::Object(&[]));
        let opened = check(text, &ENTRIES).and_then(|()| Value::open(text, &OPENED));
        let opened = opened.map_err(|error| not_objects(&error))?;
        let Some(entries) = opened.as_array() else {
            return Err("is not a JSON array of objects".to_owned());
        };
        let entries = entries.iter().filter_map(Value::as_object);
        let path = |entry: &Object| {
            let path = entry.get_in_any_case("path").and_then(Value::as_str);
            path.map(Cow::into_owned).filter(|path| !path.is_empty())
        };
        let is_enabled_file = |entry: &&Object| {
            let kind = entry.get_in_any_case("type").and_then(Value::as_str);
            let is_disabled = entry.get_in_any_case("disable") == Some(&Value::Text("true"));
            !is_disabled && kind.as_deref() == Some("file")
        };
        Ok(Self {
            compacted: json::compact(text),
            paths: entries.clone().filter_map(path).collect(),
            enabled_files: entries.filter(is_enabled_file).filter_map(path).collect(),
        })
    }
}

/// What is wrong with a text that is not a JSON array of objects.
pub(super) fn not_objects(error: &serde_json::Error) -> String {
    format!("is not a JSON array of objects: line {} column {}", error.line(), error.column())
}

#[derive(Debug)]
struct Logging<'a> {
    /// The annotation, verbatim.
    config: Cow<'a, str>,
    paths: Vec<String>,
}

fn read<'a>(source: RuleSource<'_, 'a>, errors: &mut Errors) -> Option<Box<dyn Planner<'a> + 'a>> {
    let section = source.section;
    let config = section.string("config", errors);
    let Some(config) = config.filter(|config| !config.trim().is_empty()) else {
        if section.get("config").is_none_or(|config| config.type_name() == "a string") {
            section.missing("config", "is required: a JSON array of objects, as a string", errors);
        }
        return None;
    };
    match LogConfigs::read(&config) {
        Ok(configs) => Some(Box::new(Logging { config, paths: configs.enabled_files })),
        Err(error) => {
            section.error("config", error, errors);
            None
        }
    }
}

impl<'a> Planner<'a> for Logging<'a> {
    fn plan(&self, pod: &Pod<'_, 'a>, ask: &Ask<'_, 'a>) -> Result<Plan<'a>, Skip> {
        let mut plan = Plan::default();
        let directories = self.paths.iter().map(|path| Cow::Borrowed(directory(path)));
        let _mounts = share(pod, directories, "datakit-logs-volume", ask, &mut plan)?;
        plan.edits.annotations.push((ANNOTATION, Value::string(&self.config)));
        Ok(plan)
    }

    fn annotation(&self) -> Option<&str> {
        Some(&self.config)
    }
}
