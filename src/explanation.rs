//! The way to a decision, for whoever asks why. The engine does not, and pays nothing for it.

use serde_json::{Value, json};

use crate::report::{Injection, Report};
use crate::verdict::Verdict;

/// Why an object is treated as it is.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The object, such as `Deployment/web`; empty where there is none.
    pub workload: String,
    /// Why nothing is done at all, where that is so.
    pub reason: Option<Verdict>,
    /// What was looked at, in order.
    pub steps: Vec<Step>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The injection that it is for.
    pub injection: Injection,
    /// The rule, as its path in the settings; nothing where it is not about a single rule.
    pub rule: Option<String>,
    /// What was found.
    pub verdict: Verdict,
}

impl Explanation {
    /// The explanation and what was done, as JSON: `workload`, `reason`, `steps`, `injected`,
    /// `present`, `skipped` and `warnings`.
    pub fn to_json(&self, report: &Report) -> Value {
        let reason =
            |verdict: &Verdict| json!({ "code": verdict.code(), "message": text(verdict) });
        let step = |step: &Step| {
            json!({
                "injection": text(&step.injection),
                "rule": step.rule,
                "code": step.verdict.code(),
                "message": text(&step.verdict),
            })
        };
        let pairs = |key: &str, pairs: &[(Injection, String)]| -> Vec<Value> {
            let pair = |(injection, value): &(Injection, String)| json!({ "injection": text(injection), key: value });
            pairs.iter().map(pair).collect()
        };
        json!({
            "workload": self.workload,
            "reason": self.reason.as_ref().map(reason),
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
            "injected": pairs("rule", &report.injected),
            "present": report.present.iter().map(text).collect::<Vec<_>>(),
            "skipped": pairs("reason", &report.skipped),
            "warnings": report.warnings,
        })
    }
}

fn text(value: &impl ToString) -> String {
    value.to_string()
}
