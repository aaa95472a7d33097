//! Whether a pod runs on Windows, by every sign that Kubernetes has for it.

use std::borrow::Cow;

use super::Pod;
use crate::json::{Object, Shape, Value};

/// The labels of a node's operating system, the second one of releases before 1.14.
const LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/// A required node affinity, down to the values of its expressions.
static AFFINITY: Shape = Shape::Object(&[(
    "nodeAffinity",
    Shape::Object(&[(
        "requiredDuringSchedulingIgnoredDuringExecution",
        Shape::Object(&[(
            "nodeSelectorTerms",
            Shape::Array(&Shape::Object(&[(
                "matchExpressions",
                Shape::Array(&Shape::Object(&[("values", Shape::Array(&Shape::Text))])),
            )])),
        )]),
    )]),
)]);

/// Whether a pod runs on Windows.
pub(crate) fn is_windows(pod: &Pod) -> bool {
    let named = pod.spec_object("os").and_then(|os| os.get_str("name"));
    let selected = || {
        let selector = pod.spec_object("nodeSelector")?;
        LABELS.iter().find_map(|label| selector.get_str(label))
    };
    match named.filter(|name| !name.is_empty()).or_else(selected) {
        Some(system) => system == "windows",
        None => requires_windows(pod) || has_options(pod),
    }
}

/// Whether every term of the required node affinity allows no other system.
fn requires_windows(pod: &Pod) -> bool {
    let text = pod.spec().and_then(|spec| spec.get("affinity")?.as_text());
    // Most affinities are about other pods.
    let text = text.filter(|text| text.contains("kubernetes.io/os"));
    let affinity = text.and_then(|text| Value::open(text, &AFFINITY).ok());
    let terms = affinity.as_ref().and_then(|affinity| {
        let required = affinity.as_object()?.get("nodeAffinity")?.as_object()?;
        let required = required.get("requiredDuringSchedulingIgnoredDuringExecution")?;
        required.as_object()?.get("nodeSelectorTerms")?.as_array()
    });
    let terms = terms.unwrap_or_default();
    !terms.is_empty() && terms.iter().all(|term| term.as_object().is_some_and(allows_windows_alone))
}

fn allows_windows_alone(term: &Object) -> bool {
    let expressions = term.get("matchExpressions").and_then(Value::as_array).unwrap_or_default();
    expressions.iter().filter_map(Value::as_object).any(|expression| {
        let key = expression.get_str("key").unwrap_or_default();
        let values = expression.get("values").and_then(Value::as_array).unwrap_or_default();
        let mut values = values.iter().map(|value| value.as_str().unwrap_or(Cow::Borrowed("")));
        LABELS.contains(&&*key)
            && match expression.get_str("operator").as_deref() {
                Some("In") => values.len() > 0 && values.all(|value| value == "windows"),
                Some("NotIn") => values.any(|value| value == "linux"),
                _ => false,
            }
    })
}

/// Whether the pod or a container has security options of Windows.
fn has_options(pod: &Pod) -> bool {
    let of_pod = pod.spec().and_then(|spec| spec.get("securityContext")?.as_text());
    let contexts = pod.all_containers().filter_map(|(_, it)| it.text("securityContext"));
    of_pod.into_iter().chain(contexts).any(|context| {
        static CONTEXT: Shape = Shape::Object(&[("windowsOptions", Shape::Object(&[]))]);
        let opened = context.contains("windowsOptions").then(|| Value::open(context, &CONTEXT));
        let opened = opened.and_then(Result::ok);
        let options = opened.as_ref().and_then(|it| it.as_object()?.get("windowsOptions"));
        options.and_then(Value::as_object).is_some_and(|options| !options.is_empty())
    })
}
