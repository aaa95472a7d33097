//! Rules that do not set where their agent sends to.

use datakit_injection::reader::{Case, Errors, Path};
use datakit_injection::rules::candidate::{Candidate, Form};
use datakit_injection::rules::env::{Variable, VariableValue};

/// The address of an agent.
struct Address {
    injection: &'static str,
    /// The variables that it needs, all of them.
    variables: &'static [&'static str],
    /// Variables each of which takes the place of them.
    instead: &'static [&'static str],
    message: &'static str,
}

const ADDRESSES: [Address; 3] = [
    Address {
        injection: "ddtrace",
        variables: &["DD_AGENT_HOST"],
        instead: &["DD_TRACE_AGENT_URL", "DD_TRACE_AGENT_HOSTNAME"],
        message: "the library sends to localhost where a container does not set it; set it, such as \
                  to `datakit-service.datakit.svc`",
    },
    Address {
        injection: "profiler",
        variables: &["DK_AGENT_HOST"],
        instead: &[],
        message: "the profiler has nowhere to send to; set it, such as to \
                  `datakit-service.datakit.svc`",
    },
    Address {
        injection: "logfwd",
        variables: &["LOGFWD_DATAKIT_HOST", "LOGFWD_DATAKIT_PORT"],
        instead: &[],
        message: "logfwd has nowhere to send to; set it, or require the annotation, whose \
                  `datakit_addr` is used instead",
    },
];

/// Notes variables that a candidate's agent needs and does not get. Whatever a variable is taken from,
/// a field or a secret, it is set. Returns whether there are any.
pub(super) fn note(candidate: &Candidate, envs: &[Variable], notes: &mut Errors) -> bool {
    let name = candidate.injection.name;
    let Some(address) = ADDRESSES.iter().find(|address| address.injection == name) else {
        return false;
    };
    // The annotation of logfwd has an address of its own.
    if name == "logfwd" && candidate.requires_annotation {
        return false;
    }
    let is_empty = |value: &VariableValue| match value {
        VariableValue::Literal(text) => text.trim().is_empty(),
        _ => false,
    };
    let is_set = |name: &&str| envs.iter().any(|it| it.name == *name && !is_empty(&it.value));
    if address.instead.iter().any(is_set) {
        return false;
    }
    let missing = address.variables.iter().filter(|name| !is_set(name));
    let missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
    if missing.is_empty() {
        return false;
    }
    let envs = Path::Key(&candidate.section.path, "envs");
    let (missing, why) = (missing.join(" and "), address.message);
    notes.add(&envs, format_args!("does not set {missing}: {why}"));
    true
}

/// Whether a candidate has an image to inject: a block may have none.
pub(super) fn has_image(candidate: &Candidate) -> bool {
    let key = candidate.variant.and_then(|variant| variant.image_key);
    let images = candidate.section.section("images", Case::Sensitive, &mut Errors::default());
    candidate.form == Form::List
        || images.zip(key).is_some_and(|(images, key)| images.get(key).is_some())
}
