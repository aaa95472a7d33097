//! `uninject`: manifests without the injections that are recorded in them.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use datakit_injection::annotations::RECORD;
use datakit_injection::injection::table::ALL;
use datakit_injection::policy;
use datakit_injection::report::Report;
use serde_json::{Value, json};

use crate::args::Paths;
use crate::cluster::objects;
use crate::evaluate::{Outcome, Policy};
use crate::inject;
use crate::kubectl::Kubectl;
use crate::object::{Templates, group_version, name, parsed, text};
use crate::terminal::{Done, Exit, note, say};

#[derive(Args)]
pub(crate) struct Uninject {
    #[command(flatten)]
    paths: Paths,
    /// The settings, if they have `policy.id` or `policy.extra_workloads`
    #[arg(short, long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// With --cluster, the only namespace to read
    #[arg(short, long, requires = "cluster")]
    namespace: Option<String>,
    /// Read from the cluster, with kubectl; nothing is ever written to it
    #[arg(long, conflicts_with_all = ["paths", "filenames"])]
    cluster: bool,
    #[command(flatten)]
    kubectl: Kubectl,
    /// Remove this injection alone, such as `logfwd` or `ddtrace-java`
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(injections()))]
    injection: Option<String>,
    /// Write the manifests into the files, and print the names of those that change
    #[arg(short, long, conflicts_with = "cluster")]
    in_place: bool,
}

impl Uninject {
    pub(crate) fn run(&self, out: &mut impl Write) -> Done {
        if !self.cluster {
            self.paths.all(self.settings.as_ref())?;
        }
        let policy = match &self.settings {
            Some(file) => Policy::read(file, None)?,
            None => Policy::new("{}".to_owned(), None),
        };
        match self.cluster {
            true => self.print_patches(&policy, out),
            false => {
                let task = |object: &str| self.uninject(object, &policy);
                inject::run(&self.paths, &task, self.in_place, out)
            }
        }
    }

    /// Prints commands that take the injections out of the objects of a cluster.
    fn print_patches(&self, policy: &Policy, out: &mut impl Write) -> Done {
        let kinds = policy.templates.extra_kinds();
        for object in objects(&self.kubectl, self.namespace.as_deref(), kinds, false)? {
            let outcome = self.uninject(&object.to_string(), policy);
            outcome.notes.iter().for_each(|message| note(say(message)));
            let Some(after) = outcome.mutated else { continue };
            let mut operations = Vec::new();
            add_operations(&object, Some(&parsed(&after)), "", &mut operations);
            let ((group, _), kind) = (group_version(&object), text(&object, "/kind"));
            let workload =
                format!("{}.{group}/{}", kind.to_lowercase(), text(&object, "/metadata/name"));
            let (namespace, patch) = (text(&object, "/metadata/namespace"), operations.into());
            writeln!(out, "{}", self.kubectl.patch(&workload, namespace, "json", &patch))?;
        }
        Ok(Exit::Done)
    }

    fn uninject(&self, object: &str, policy: &Policy) -> Outcome {
        let before = parsed(object);
        let mut report = Report::new(text(&before, "/kind"), text(&before, "/metadata/name"));
        let injection = self.injection.as_deref();
        let Some(uninjected) = policy::uninject(object, &policy.settings, injection) else {
            let notes = self.left(&before, &policy.templates);
            return Outcome { report, notes, ..Outcome::default() };
        };
        report.removed = uninjected.removed;
        Outcome { report, mutated: Some(uninjected.object), ..Outcome::default() }
    }

    /// Notes on an object from which nothing is removed.
    fn left(&self, object: &Value, templates: &Templates) -> Vec<String> {
        let (workload, records) = (name(object), templates.records(object));
        let note = |record: &&str| match record.strip_prefix(RECORD)?.strip_prefix('.') {
            Some(id) => Some(format!(
                "{workload}: nothing is removed: the record belongs to a policy with policy.id `{id}`, or cannot be read; pass its settings with -s"
            )),
            None if self.injection.is_some() => None,
            None => Some(format!(
                "{workload}: nothing is removed: the record belongs to a policy without policy.id, or cannot be read"
            )),
        };
        let added = templates.added(object).into_keys().next().filter(|_| records.is_empty());
        let without = added
            .map(|name| format!("{workload}: nothing is removed: it has {name}, but no record"));
        records.iter().filter_map(note).chain(without).collect()
    }
}

/// The names of injections, with their languages and without: `ddtrace` and `ddtrace-java`.
fn injections() -> Vec<String> {
    let names = ALL.iter().flat_map(|injection| {
        let languages = injection.languages().into_iter();
        let of_languages = languages.map(|language| format!("{}-{language}", injection.name));
        std::iter::once(injection.name.to_owned()).chain(of_languages)
    });
    names.collect()
}

/// Adds the operations of a JSON Patch (RFC 6902) that turns `before` into `after`. They test what they replace and
/// remove, so that the patch fails if the object changed in the meantime.
fn add_operations(before: &Value, after: Option<&Value>, path: &str, operations: &mut Vec<Value>) {
    match (before, after) {
        (before, Some(after)) if before == after => {}
        (Value::Object(old), Some(Value::Object(new))) => {
            let path = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
            for (key, value) in old {
                add_operations(value, new.get(key), &path(key), operations);
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                operations.push(json!({ "op": "add", "path": path(key), "value": value }));
            }
        }
        (Value::Array(old), Some(Value::Array(new))) if let Some(new) = counterparts(old, new) => {
            // From the end, so that earlier indices stay valid.
            for (index, (element, after)) in old.iter().zip(new).enumerate().rev() {
                add_operations(element, after, &format!("{path}/{index}"), operations);
            }
        }
        (before, after) => {
            operations.push(json!({ "op": "test", "path": path, "value": before }));
            operations.push(match after {
                Some(after) => json!({ "op": "replace", "path": path, "value": after }),
                None => json!({ "op": "remove", "path": path }),
            });
        }
    }
}

/// The counterpart of each element, if elements were only changed or removed.
fn counterparts<'v>(old: &[Value], new: &'v [Value]) -> Option<Vec<Option<&'v Value>>> {
    // Mounts of the same volume share its name and differ in their paths.
    let is_same = |one: &Value, two: &Value| match one.get("name") {
        Some(_) => ["name", "mountPath"].iter().all(|key| one.get(key) == two.get(key)),
        None => one == two,
    };
    let mut rest = new.iter().peekable();
    let of = |element: &Value| rest.next_if(|candidate| is_same(element, candidate));
    let counterparts = old.iter().map(of).collect();
    rest.peek().is_none().then_some(counterparts)
}
