//! The only way to the policy: one object in, what it does with it out, in words.

use std::borrow::Cow;

use datakit_injection::policy;
use datakit_injection::reason::Reason as Found;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::uninject;
use yaml_splice::{Document, Value};

/// The policy with its settings.
#[derive(Clone, Default)]
pub(crate) struct Policy {
    /// The settings, as JSON.
    pub(crate) settings: String,
    /// The namespace of objects that name none.
    pub(crate) namespace: String,
    /// Whether nobody named it.
    pub(crate) is_namespace_assumed: bool,
    /// Whether the explanation is wanted as JSON.
    pub(crate) wants_json: bool,
    /// What it does with objects.
    pub(crate) task: Task,
}

/// What is done with an object.
#[derive(Clone, Default)]
pub(crate) enum Task {
    /// It is injected into, as if it were created.
    #[default]
    Inject,
    /// What is recorded in it is removed: all of it, or one injection.
    Uninject(Option<String>),
}

/// What the policy does with one object.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The object, such as `Deployment/web`; empty where it is none.
    pub(crate) workload: String,
    /// The object with the injections, as JSON, where it is another.
    pub(crate) mutated: Option<String>,
    /// What is injected, and the rule that asks for it.
    pub(crate) injected: Vec<(String, String)>,
    /// What is there already.
    pub(crate) present: Vec<String>,
    /// What is asked for and not injected, and why.
    pub(crate) skipped: Vec<(String, String)>,
    /// What was injected before, and is not injected again.
    pub(crate) removed: Vec<String>,
    /// Sentences for the person who applies the object.
    pub(crate) warnings: Vec<String>,
    /// What the reader of a changed manifest should know.
    pub(crate) notes: Vec<String>,
    /// Why nothing is done at all.
    pub(crate) reason: Option<Reason>,
    /// Every candidate rule.
    pub(crate) steps: Vec<Step>,
    /// The explanation for machines, where it is wanted.
    pub(crate) json: Json,
}

/// A finding, for machines and for people.
#[derive(Debug)]
pub(crate) struct Reason {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// A candidate rule, and what was found.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) injection: String,
    pub(crate) rule: Option<String>,
    pub(crate) reason: Reason,
}

impl Policy {
    /// Does what there is to do with an object; `kind` is as for [`create`](Self::create).
    pub(crate) fn run(&self, object: &Value, kind: Option<(&str, &str)>) -> Outcome {
        match &self.task {
            Task::Inject => self.create(&serde_json::to_string(object).unwrap_or_default(), kind),
            Task::Uninject(injection) => {
                uninject::uninject(object, kind, &self.settings, injection.as_deref())
            }
        }
    }

    /// Runs an object through the policy, as if it were created.
    ///
    /// `kind` is the API version and kind of objects that do not say it themselves, as in a `PodList`.
    pub(crate) fn create(&self, object: &str, kind: Option<(&str, &str)>) -> Outcome {
        let kind = kind.map_or(Cow::Borrowed(""), |(api_version, kind)| {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let kind = serde_json::json!({ "group": group, "version": version, "kind": kind });
            format!(r#""kind":{kind},"#).into()
        });
        let namespace = Json::from(&*self.namespace);
        let payload = format!(
            r#"{{"request":{{"operation":"CREATE",{kind}"namespace":{namespace},"object":{object}}},"settings":{}}}"#,
            self.settings
        );
        let (answer, explanation) = policy::explain(payload.as_bytes());
        let json = match self.wants_json {
            true => explanation.to_json(&answer.report),
            false => Json::Null,
        };
        let mutated = answer.mutated_object().map(str::to_owned);
        let report = answer.report;
        let warnings = report.warnings();
        let named = |pairs: Vec<(_, String)>| {
            let named = |(injection, text): (datakit_injection::report::InjectionName, _)| {
                (injection.to_string(), text)
            };
            pairs.into_iter().map(named).collect()
        };
        let compares_namespaces = || {
            let mut reasons = explanation.steps.iter().map(|step| &step.reason);
            reasons.any(|reason| matches!(reason, Found::OtherNamespace(_)))
        };
        let is_assumed =
            self.is_namespace_assumed && compares_namespaces() && !names_namespace(object);
        let steps = explanation.steps.into_iter().map(|step| Step {
            injection: step.injection.to_string(),
            rule: step.rule,
            reason: Reason {
                code: step.reason.code(),
                message: match step.reason {
                    Found::OtherNamespace(namespace) if is_assumed => {
                        format!("namespace `{namespace}` {ASSUMED} does not match")
                    }
                    reason => reason.to_string(),
                },
            },
        });
        Outcome {
            workload: explanation.workload,
            mutated,
            injected: named(report.injected),
            present: report.present.iter().map(ToString::to_string).collect(),
            skipped: named(report.skipped),
            removed: report.removed,
            warnings,
            notes: Vec::new(),
            reason: explanation
                .reason
                .map(|reason| Reason { code: reason.code(), message: reason.to_string() }),
            steps: steps.collect(),
            json,
        }
    }
}

/// Beside a namespace that nobody named.
const ASSUMED: &str = "(assumed; use -n)";

/// Whether an object names its namespace.
fn names_namespace(object: &str) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named {
        metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        namespace: Option<String>,
    }
    let named: Named = serde_json::from_str(object).unwrap_or_default();
    named.metadata.namespace.is_some_and(|namespace| !namespace.is_empty())
}

impl Outcome {
    /// What people want to know even where nothing is injected: annotations that nobody reads, and a
    /// namespace that they did not name.
    pub(crate) fn hints(&self) -> Vec<String> {
        let nothing_injected = self.injected.is_empty();
        let is_hint = |step: &&Step| match step.reason.code {
            "unknown-annotation" | "unserved" => true,
            "other-namespace" => nothing_injected && step.reason.message.contains(ASSUMED),
            _ => false,
        };
        let mut hints = Vec::new();
        for step in self.steps.iter().filter(is_hint) {
            let message = &step.reason.message;
            // The warning has advice too.
            let own = format!("{}: ", self.workload);
            let warnings = self.warnings.iter().filter_map(|warning| warning.strip_prefix(&own));
            let warning = warnings.into_iter().find(|warning| warning.starts_with(message));
            let hint = warning.unwrap_or(message).to_owned();
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        hints
    }

    /// The code of the reason; empty where there is none.
    pub(crate) fn code(&self) -> &'static str {
        self.reason.as_ref().map_or("", |reason| reason.code)
    }

    /// Whether an annotation opts out, of everything or of what would be injected.
    pub(crate) fn opted_out(&self) -> Option<&str> {
        let reason = self.reason.as_ref()?;
        let mut reasons = [reason].into_iter().chain(self.steps.iter().map(|step| &step.reason));
        reasons.find(|reason| reason.code == "opted-out").map(|reason| &*reason.message)
    }

    /// Why nothing is asked for, where there is more to say than that.
    pub(crate) fn not_asked(&self) -> Option<&str> {
        let reason = self.reason.as_ref().filter(|reason| reason.code != "nothing-asked")?;
        Some(&reason.message)
    }

    /// The object with the injections.
    pub(crate) fn mutated(&self) -> Option<Value> {
        let object = self.mutated.as_deref()?;
        Document::parse_json(object).ok().map(Document::into_value)
    }
}
