//! Why a rule, an injection or a whole object is treated as it is.

use std::fmt;

/// A reason in a trace.
///
/// [`code`](Self::code) is for machines, the `Display` text for people: the end of a sentence about
/// the rule, the injection or the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The payload has no request with an object.
    NoRequest,
    /// The request is for a subresource.
    Subresource,
    /// The object is neither created nor updated.
    OtherOperation,
    /// The kind has no pod template that this policy knows.
    OtherKind,
    /// The settings ignore the namespace.
    IgnoredNamespace,
    /// The pod template of this kind is immutable.
    FixedTemplate,
    /// The object has no pod template.
    NoTemplate,
    /// A part of the pod template has a type that Kubernetes refuses.
    Malformed,
    /// The kubelet made the pod from a file of its own.
    MirrorPod,
    /// The update does not change the user's part of the pod template.
    Unchanged,
    /// What the update lost of the injections is put back.
    PutBack,
    /// What was injected is taken out, and nothing is injected instead.
    TakenOut,
    /// No rule and no annotation asks for an injection.
    NothingAsked,
    /// An annotation opts out.
    OptedOut(String),
    /// An annotation that the injection would add is there.
    Annotated(&'static str),
    /// Pods that get a ddtrace library get no OpenTelemetry agent.
    AfterDdtrace,
    /// An annotation asks for it.
    Asked(&'static str),
    /// The annotation that would ask for it is missing.
    NotAsked(&'static str),
    /// The rule selects the pod.
    Selects,
    /// The namespace selectors do not match this namespace.
    OtherNamespace(String),
    /// The label selectors do not match.
    OtherLabels,
    /// The rule has no selectors.
    SelectsNothing,
    /// The rule selects the pod, but is switched off.
    SwitchedOff,
    /// The rule would select the pod, but is invalid at this path.
    Faulty(String),
    /// An annotation asks for what these settings do not have.
    Unserved(String),
    /// Another injection takes the place of what an annotation asks for.
    Replaced(String),
    /// An annotation is on the workload itself, where it does nothing.
    Misplaced(String),
    /// An annotation is not a string.
    NotAString(String),
    /// An annotation is not known.
    UnknownAnnotation(String),
    /// An option of the policy is invalid, so that nothing can be injected safely.
    Unsafe(String),
    /// The record of earlier injections cannot be read.
    UnreadableRecord,
}

impl Reason {
    /// A word for machines, which stays as it is.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRequest => "no-request",
            Self::Subresource => "subresource",
            Self::OtherOperation => "other-operation",
            Self::OtherKind => "other-kind",
            Self::IgnoredNamespace => "ignored-namespace",
            Self::FixedTemplate => "fixed-template",
            Self::NoTemplate => "no-template",
            Self::Malformed => "malformed",
            Self::MirrorPod => "mirror-pod",
            Self::Unchanged => "unchanged",
            Self::PutBack => "put-back",
            Self::TakenOut => "taken-out",
            Self::NothingAsked => "nothing-asked",
            Self::OptedOut(_) => "opted-out",
            Self::Annotated(_) => "annotated",
            Self::AfterDdtrace => "after-ddtrace",
            Self::Asked(_) => "asked",
            Self::NotAsked(_) => "not-asked",
            Self::Selects => "selects",
            Self::OtherNamespace(_) => "other-namespace",
            Self::OtherLabels => "other-labels",
            Self::SelectsNothing => "selects-nothing",
            Self::SwitchedOff => "switched-off",
            Self::Faulty(_) => "faulty",
            Self::Unserved(_) => "unserved",
            Self::Replaced(_) => "replaced",
            Self::Misplaced(_) => "misplaced",
            Self::NotAString(_) => "not-a-string",
            Self::UnknownAnnotation(_) => "unknown-annotation",
            Self::Unsafe(_) => "unsafe",
            Self::UnreadableRecord => "unreadable-record",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoRequest => "the request has no object",
            Self::Subresource => "the request is for a subresource",
            Self::OtherOperation => "the object is neither created nor updated",
            Self::OtherKind => {
                "this kind has no known pod template; policy.extra_workloads can name one"
            }
            Self::IgnoredNamespace => "the namespace is in policy.ignored_namespaces",
            Self::FixedTemplate => "the pod template of this kind is immutable",
            Self::NoTemplate => "the object has no pod template",
            Self::Malformed => "the pod template is malformed",
            Self::MirrorPod => "the pod is a mirror of a static pod",
            Self::Unchanged => "the update does not change the pod template",
            Self::PutBack => {
                "the update does not change the user's part; the stored template stays"
            }
            Self::TakenOut => {
                "nothing asks for an injection any more; what was injected is removed"
            }
            Self::NothingAsked => "no rule or annotation asks for an injection",
            Self::AfterDdtrace => "not considered, ddtrace takes precedence",
            Self::Selects => "matches",
            Self::OtherLabels => "label selectors do not match",
            Self::SelectsNothing => "has no selectors",
            Self::SwitchedOff => "is switched off by empty `processes`",
            Self::UnreadableRecord => "the record of earlier injections cannot be read",
            Self::OtherNamespace(namespace) => {
                return write!(formatter, "namespace selectors do not match `{namespace}`");
            }
            Self::OptedOut(annotation) => return write!(formatter, "{annotation} opts out"),
            Self::Annotated(annotation) => {
                return write!(formatter, "annotation {annotation} is already set");
            }
            Self::Asked(annotation) => return write!(formatter, "annotation {annotation} is set"),
            Self::NotAsked(annotation) => {
                return write!(formatter, "annotation {annotation} is not set");
            }
            Self::Faulty(path) => return write!(formatter, "is invalid: {path}"),
            Self::Unserved(annotation) => {
                return write!(formatter, "annotation {annotation} has no rule in these settings");
            }
            Self::Replaced(name) => {
                return write!(formatter, "not considered, {name} takes precedence");
            }
            Self::Misplaced(annotation) => {
                return write!(formatter, "annotation {annotation} belongs on the pod template");
            }
            Self::NotAString(annotation) => {
                return write!(formatter, "annotation {annotation} is not a string; quote it");
            }
            Self::UnknownAnnotation(annotation) => {
                return write!(formatter, "annotation {annotation} is unknown");
            }
            Self::Unsafe(path) => {
                return write!(formatter, "{path} is invalid; nothing is injected");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    /// The match of `code` names every reason, and the package's types have to name every code.
    #[test]
    fn has_every_code_in_the_types_of_the_package() {
        let source = include_str!("reason.rs");
        let (_, codes) = source.split_once("fn code").unwrap();
        let (codes, _) = codes.split_once("impl fmt::Display").unwrap();
        let codes: Vec<_> = codes.split('"').skip(1).step_by(2).collect();
        let types = include_str!("../npm/index.d.ts");
        let (_, types) = types.split_once("type ReasonCode =").unwrap();
        let (types, _) = types.split_once(';').unwrap();
        let types: Vec<_> = types.split('\'').skip(1).step_by(2).collect();
        assert_eq!(codes, types);
    }
}
