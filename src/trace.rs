//! The trace of a decision, for those who ask why. Requests of the engine are not traced.

use serde_json::{Value, json};

use crate::reason::Reason;
use crate::report::{InjectionName, Report};

/// Why an object is treated as it is.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The object, such as `Deployment/web`; empty where there is none.
    pub workload: String,
    /// The namespace that selectors were compared with.
    pub namespace: String,
    /// Why nothing is injected at all, where that is so.
    pub reason: Option<Reason>,
    /// The release of the Operator that the settings are read for, and why.
    pub release: String,
    /// What was considered, in order.
    pub steps: Vec<Step>,
}

/// One candidate rule, annotation or injection that was considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The injection.
    pub injection: InjectionName,
    /// The rule, as its path in the settings; `None` if the step is not about one rule.
    pub rule: Option<String>,
    /// Why it was taken or not.
    pub reason: Reason,
}

/// Collects an explanation where somebody listens.
#[derive(Debug, Default)]
pub(crate) struct Trace(pub(crate) Option<Explanation>);

impl Trace {
    /// Changes the explanation; nothing is evaluated where nobody listens.
    pub(crate) fn with(&mut self, change: impl FnOnce(&mut Explanation)) {
        if let Some(explanation) = &mut self.0 {
            change(explanation);
        }
    }

    /// Adds a step.
    pub(crate) fn step(
        &mut self,
        injection: InjectionName,
        rule: Option<&dyn std::fmt::Display>,
        reason: impl FnOnce() -> Reason,
    ) {
        self.with(|explanation| {
            let rule = rule.map(ToString::to_string);
            explanation.steps.push(Step { injection, rule, reason: reason() });
        });
    }
}

impl Explanation {
    /// The explanation and what was done, as JSON: `workload`, `namespace`, `release`, `reason`,
    /// `steps`, `injected`, `present`, `skipped`, `removed` and `warnings`.
    pub fn to_json(&self, report: &Report) -> Value {
        let reason = |reason: &Reason| json!({ "code": reason.code(), "message": text(reason) });
        let step = |step: &Step| {
            json!({
                "injection": text(&step.injection),
                "rule": step.rule,
                "code": step.reason.code(),
                "message": text(&step.reason),
            })
        };
        let pairs = |key: &str, pairs: &[(InjectionName, String)]| -> Vec<Value> {
            let pair = |(name, value): &(InjectionName, String)| json!({ "injection": text(name), key: value });
            pairs.iter().map(pair).collect()
        };
        json!({
            "workload": self.workload,
            "namespace": self.namespace,
            "release": self.release,
            "reason": self.reason.as_ref().map(reason),
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
            "injected": pairs("rule", &report.injected),
            "present": report.present.iter().map(text).collect::<Vec<_>>(),
            "skipped": pairs("reason", &report.skipped),
            "removed": report.removed,
            "warnings": report.warnings(),
        })
    }
}

fn text(value: &impl ToString) -> String {
    value.to_string()
}
