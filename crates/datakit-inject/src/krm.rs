//! `krm`: a function of the Kubernetes Resource Model, which kustomize and kpt run.

use std::io::Write;

use clap::Args;
use yaml_splice::{Document, Value};

use crate::evaluate::Policy;
use crate::files;
use crate::manifests::run;
use crate::object::{has_objects, mapping};
use crate::settings_file::SettingsFile;
use crate::terminal::{Done, Exit, Failure, Problem, say};

#[derive(Args)]
pub(crate) struct Krm {
    /// The namespace of objects that name none [default: default]
    #[arg(short, long)]
    namespace: Option<String>,
}

impl Krm {
    /// Reads a ResourceList and prints it with the injections, and with the warnings as results.
    pub(crate) fn run(&self, out: &mut impl Write) -> Done {
        let text = files::read("-".as_ref(), u64::MAX - 1)?;
        let list = Document::parse_yaml(&text)
            .map_err(|error| Problem::new("-", Some(error.line), error.reason))?
            .filter(|it| it.value().get("kind").and_then(Value::as_str) == Some("ResourceList"))
            .ok_or("standard input is no ResourceList")?;
        if !has_objects(list.value()) {
            return refuse(&list, "the items of the ResourceList are not a list of objects", out);
        }
        let Some(config) = list.value().get("functionConfig").filter(|it| **it != Value::Null)
        else {
            let message = "the ResourceList has no functionConfig, which holds the settings";
            return refuse(&list, message, out);
        };
        let policy = Policy::new(settings(config)?.valid()?, self.namespace.as_deref());
        let (objects, injected) = run(&list, &|object| policy.run(object));
        let value = injected.unwrap_or_else(|| list.value().clone());
        let warnings = objects.iter().flat_map(|(_, outcome)| outcome.warnings());
        let warnings = warnings.map(|message| result("warning", &message)).collect();
        write(&list, value, warnings, out)?;
        Ok(Exit::Done)
    }
}

/// Prints a list as it is, with the error as a result.
fn refuse(list: &Document, message: &str, out: &mut impl Write) -> Done {
    write(list, list.value().clone(), vec![result("error", message)], out)?;
    Err(message.into())
}

/// Prints a list with results after those of earlier functions.
fn write(
    list: &Document,
    mut value: Value,
    results: Vec<Value>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let earlier = value.get("results").and_then(Value::as_sequence).unwrap_or_default();
    let new: Vec<_> = results.into_iter().filter(|result| !earlier.contains(result)).collect();
    if !new.is_empty() {
        let all = Value::Sequence([earlier, &new].concat());
        if let Some(members) = value.as_mapping_mut() {
            members.retain(|(key, _)| key != "results");
            members.push(("results".to_owned(), all));
        }
    }
    let edited = list.edit(&value).ok_or("the list cannot be written")?;
    Ok(write!(out, "{}", edited.text)?)
}

/// The settings in a `functionConfig`: in what `check-settings` reads, or in `spec` or `settings` of any object.
fn settings(config: &Value) -> Result<SettingsFile, Problem> {
    let read = |value: &Value| {
        let json = serde_json::to_string(value).unwrap_or_default();
        SettingsFile::of("functionConfig", json)
    };
    let inner = ["spec", "settings"].into_iter().filter_map(|key| config.get(key));
    let whole = read(config);
    inner.map(read).find_map(Result::ok).filter(|_| whole.is_err()).map_or(whole, Ok)
}

fn result(severity: &str, message: &str) -> Value {
    let message = Value::String(say(message).into_owned());
    mapping([("message", message), ("severity", Value::String(severity.to_owned()))])
}
