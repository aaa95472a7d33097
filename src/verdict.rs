//! What was found of a rule, or of an object as a whole.

use std::fmt;

/// A finding on the way to a decision.
///
/// [`code`](Self::code) is for machines, the `Display` text for people: the end of a sentence about
/// the rule, the injection or the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no request with an object in the payload.
    NoRequest,
    /// Only a part of the object is written.
    Subresource,
    /// The object is neither created nor updated.
    OtherOperation,
    /// Objects of this kind are not injected into.
    OtherKind,
    /// The settings ignore the namespace.
    IgnoredNamespace,
    /// Kubernetes allows no change of this pod template any more.
    FixedTemplate,
    /// The object has no pod template.
    NoTemplate,
    /// The update leaves the pod template as it is.
    Unchanged,
    /// No rule and no annotation asks for anything.
    NothingAsked,
    /// An annotation opts out.
    OptedOut(String),
    /// An annotation that the injection would add is there.
    Annotated(&'static str),
    /// Pods that get a ddtrace library get no OpenTelemetry agent.
    AfterDdtrace,
    /// An annotation asks for it.
    Asked(&'static str),
    /// The annotation that would ask for it is not there.
    NotAsked(&'static str),
    /// The rule selects the pod.
    Selects,
    /// The namespace selectors do not match.
    OtherNamespace,
    /// The label selectors do not match.
    OtherLabels,
    /// The rule has no selector.
    SelectsNothing,
    /// The rule selects the pod, but is switched off.
    SwitchedOff,
    /// The rule would select the pod, but has a fault at this path.
    Faulty(String),
}

impl Verdict {
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
            Self::Unchanged => "unchanged",
            Self::NothingAsked => "nothing-asked",
            Self::OptedOut(_) => "opted-out",
            Self::Annotated(_) => "annotated",
            Self::AfterDdtrace => "after-ddtrace",
            Self::Asked(_) => "asked",
            Self::NotAsked(_) => "not-asked",
            Self::Selects => "selects",
            Self::OtherNamespace => "other-namespace",
            Self::OtherLabels => "other-labels",
            Self::SelectsNothing => "selects-nothing",
            Self::SwitchedOff => "switched-off",
            Self::Faulty(_) => "faulty",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoRequest => "there is no object in the request",
            Self::Subresource => "only a subresource is written",
            Self::OtherOperation => "the object is neither created nor updated",
            Self::OtherKind => "objects of this kind are not injected into",
            Self::IgnoredNamespace => "the settings ignore the namespace",
            Self::FixedTemplate => "an update cannot change this pod template",
            Self::NoTemplate => "there is no pod template",
            Self::Unchanged => "the update leaves the pod template as it is",
            Self::NothingAsked => "nothing asks for an injection",
            Self::AfterDdtrace => "not looked for, because a ddtrace library is asked for",
            Self::Selects => "selects the pod",
            Self::OtherNamespace => "its namespace selectors do not match",
            Self::OtherLabels => "its label selectors do not match",
            Self::SelectsNothing => "has no selector",
            Self::SwitchedOff => "is switched off by empty processes",
            Self::OptedOut(annotation) => return write!(formatter, "{annotation} opts out"),
            Self::Annotated(annotation) => {
                return write!(formatter, "{annotation} is there already");
            }
            Self::Asked(annotation) => return write!(formatter, "{annotation} asks for it"),
            Self::NotAsked(annotation) => return write!(formatter, "{annotation} is not there"),
            Self::Faulty(path) => return write!(formatter, "has a fault at {path}"),
        })
    }
}

#[cfg(test)]
mod tests {
    /// The match of `code` names every verdict, and the package's types have to name every code.
    #[test]
    fn has_every_code_in_the_types_of_the_package() {
        let source = include_str!("verdict.rs");
        let (_, codes) = source.split_once("fn code").unwrap();
        let (codes, _) = codes.split_once("impl fmt::Display").unwrap();
        let codes: Vec<_> = codes.split('"').skip(1).step_by(2).collect();
        let types = include_str!("../npm/index.d.ts");
        let (_, types) = types.split_once("type VerdictCode =").unwrap();
        let (types, _) = types.split_once(';').unwrap();
        let types: Vec<_> = types.split('\'').skip(1).step_by(2).collect();
        assert_eq!(codes, types);
    }
}
