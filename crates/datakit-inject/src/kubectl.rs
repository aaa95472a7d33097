//! Reads from a cluster through kubectl, so that every way to log in works.

use std::mem;
use std::path::PathBuf;
use std::process::{Command, Output};

use clap::Args;
use serde_json::Value;
use thiserror::Error;

use crate::terminal::{Failure, reason};

/// Runs kubectl. Only reading commands are run.
#[derive(Args)]
pub(crate) struct Kubectl {
    /// The context of kubectl
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The program to run as kubectl
    #[arg(long = "kubectl", value_name = "PROGRAM", default_value = "kubectl")]
    program: PathBuf,
}

/// Why a cluster gives no answer.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// The resource or the object does not exist.
    #[error("the cluster does not have it")]
    Absent,
    #[error("{0}")]
    Failed(String),
}

pub(crate) type Answer<T> = Result<T, Refusal>;

/// An answer that is `None` where the cluster does not have it.
pub(crate) fn optional<T>(answer: Answer<T>) -> Answer<Option<T>> {
    match answer {
        Err(Refusal::Absent) => Ok(None),
        answer => answer.map(Some),
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        refusal.to_string().into()
    }
}

impl Kubectl {
    /// What `kubectl get` prints, of all namespaces unless one is named.
    pub(crate) fn get(&self, what: &[&str], namespace: Option<&str>) -> Answer<Value> {
        self.json(&[&["get"], what, &scope(namespace), &["--output", "json"]].concat())
    }

    /// The objects of which `kubectl get` prints a list.
    pub(crate) fn list(&self, what: &[&str], namespace: Option<&str>) -> Answer<Vec<Value>> {
        let mut list = self.get(what, namespace)?;
        let items = list.get_mut("items").and_then(Value::as_array_mut);
        Ok(items.map(mem::take).unwrap_or_default())
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Answer<Value> {
        let output = self.output(arguments)?;
        if !output.status.success() {
            return Err(self.refusal(arguments, &String::from_utf8_lossy(&output.stderr)));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| {
            Refusal::Failed(format!("`{}` printed no JSON: {error}", self.words(arguments)))
        })
    }

    pub(crate) fn can_i(&self, what: &[&str], namespace: Option<&str>) -> Answer<bool> {
        // The exit code is 1 for `no` and for every failure.
        let output = self.output(&[&["auth", "can-i"], what, &scope(namespace)].concat())?;
        Ok(output.stdout.starts_with(b"yes"))
    }

    fn output(&self, arguments: &[&str]) -> Answer<Output> {
        let context = self.context.iter().flat_map(|context| ["--context", context]);
        let output = Command::new(&self.program).args(context).args(arguments).output();
        output.map_err(|error| {
            let (program, reason) = (self.program.display(), reason(&error));
            Refusal::Failed(format!("cannot run `{program}`: {reason}; name it with --kubectl"))
        })
    }

    fn refusal(&self, arguments: &[&str], said: &str) -> Refusal {
        let absent = ["doesn't have a resource type", "(NotFound)", "could not find the requested"];
        if absent.iter().any(|words| said.contains(words)) {
            return Refusal::Absent;
        }
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let missing = said.lines().find_map(|line| self.missing_right(line));
        let failed = || format!("`{}` failed: {last}", self.words(arguments));
        Refusal::Failed(missing.unwrap_or_else(failed))
    }

    /// The missing right in an error of the API server, with the command that shows it.
    fn missing_right(&self, said: &str) -> Option<String> {
        let (verb, rest) = said.split_once(" cannot ")?.1.split_once(" resource \"")?;
        let (resource, rest) = rest.split_once("\" in API group \"")?;
        let (group, rest) = rest.split_once('"')?;
        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
        let namespace =
            rest.split_once("in the namespace \"").map(|(_, name)| name.split('"').next());
        let (resources, scope) = (format!("{resource}{group}"), scope(namespace.flatten()));
        let check = self.words(&[&["auth", "can-i", verb, &resources], &*scope].concat());
        Some(format!("you may not {verb} {resources}, as `{check}` shows"))
    }

    /// A `kubectl patch` command for the user to run.
    pub(crate) fn patch(&self, object: &str, namespace: &str, kind: &str, patch: &Value) -> String {
        let patch = patch.to_string();
        self.words(&["patch", object, "--namespace", namespace, "--type", kind, "--patch", &patch])
    }

    pub(crate) fn words(&self, arguments: &[&str]) -> String {
        let program = self.program.display().to_string();
        let context = self.context.iter().flat_map(|context| ["--context", context]);
        let words = std::iter::once(&*program).chain(context).chain(arguments.iter().copied());
        words.map(quoted).collect::<Vec<_>>().join(" ")
    }
}

fn scope(namespace: Option<&str>) -> Vec<&str> {
    namespace.map_or(vec!["--all-namespaces"], |namespace| vec!["--namespace", namespace])
}

fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
