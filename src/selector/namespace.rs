//! Patterns of namespaces: regular expressions, searched anywhere in the name.

use std::borrow::Cow;

use regex_lite::Regex;
use thiserror::Error;

/// A checked pattern of namespaces, as `namespace_selectors` of `admission_inject_v2` has them.
///
/// The pattern `*` alone means all, as in Datakit Operator. Plain and anchored names, which is what
/// people write, are compared as text: an engine would be compiled anew at every request.
#[derive(Clone, Debug)]
pub enum NamespacePattern<'a> {
    /// Every namespace.
    All,
    /// Exactly this namespace; `^name$`.
    Is(Cow<'a, str>),
    /// Namespaces that start so; `^name`.
    StartsWith(Cow<'a, str>),
    /// Namespaces that end so; `name$`.
    EndsWith(Cow<'a, str>),
    /// Namespaces that hold this; `name`.
    Contains(Cow<'a, str>),
    /// Anything else.
    Regex(Box<Regex>),
}

/// Why a text is not a pattern of namespaces.
#[derive(Clone, Debug, Error)]
pub enum NamespacePatternError {
    /// The empty pattern would match everything; the Operator refuses it as well.
    #[error("is empty; `*` means every namespace")]
    Empty,
    /// The expression cannot be compiled.
    #[error("`{0}` is not a regular expression: {1}")]
    Regex(String, regex_lite::Error),
}

impl<'a> NamespacePattern<'a> {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// Where it is empty or not a regular expression.
    pub fn parse(text: Cow<'a, str>) -> Result<Self, NamespacePatternError> {
        if text.trim().is_empty() {
            return Err(NamespacePatternError::Empty);
        }
        if text == "*" {
            return Ok(Self::All);
        }
        let start = text.strip_prefix('^');
        let name = start.unwrap_or(&text);
        let end = name.strip_suffix('$');
        let name = end.unwrap_or(name);
        if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !name.is_empty() {
            let (starts, ends) = (start.is_some(), end.is_some());
            let name = name.to_owned().into();
            return Ok(match (starts, ends) {
                (true, true) => Self::Is(name),
                (true, false) => Self::StartsWith(name),
                (false, true) => Self::EndsWith(name),
                (false, false) => Self::Contains(name),
            });
        }
        match Regex::new(&text) {
            Ok(regex) => Ok(Self::Regex(Box::new(regex))),
            Err(error) => Err(NamespacePatternError::Regex(text.into_owned(), error)),
        }
    }

    /// The pattern for exactly one name.
    pub fn exactly(name: Cow<'a, str>) -> Self {
        Self::Is(name)
    }

    /// Whether a namespace matches.
    pub fn matches(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Is(name) => namespace == name,
            Self::StartsWith(name) => namespace.starts_with(&**name),
            Self::EndsWith(name) => namespace.ends_with(&**name),
            Self::Contains(name) => namespace.contains(&**name),
            Self::Regex(regex) => regex.is_match(namespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_the_operator_does() {
        for (pattern, namespace, expected, needs_engine) in [
            ("*", "anything", true, false),
            ("*", "", true, false),
            ("prod", "prod", true, false),
            ("prod", "my-prod-1", true, false),
            ("prod", "dev", false, false),
            ("^prod", "prod-1", true, false),
            ("^prod", "my-prod", false, false),
            ("prod$", "my-prod", true, false),
            ("prod$", "prod-1", false, false),
            ("^prod$", "prod", true, false),
            ("^prod$", "prod-1", false, false),
            ("^prod-[0-9]+$", "prod-12", true, true),
            ("^prod-[0-9]+$", "prod-x", false, true),
            ("prod-*", "prod", true, true),
            ("prod-*", "prod-", true, true),
            ("a|b", "xbx", true, true),
            ("(?i)PROD", "prod", true, true),
            ("^$", "", true, true),
            (".", "", false, true),
            (r"\bteam\b", "my-team-1", true, true),
            ("[[:alpha:]]-[[:digit:]]", "a-1", true, true),
        ] {
            let parsed = NamespacePattern::parse(pattern.into()).unwrap();
            assert_eq!(parsed.matches(namespace), expected, "`{pattern}` on `{namespace}`");
            assert_eq!(matches!(parsed, NamespacePattern::Regex(_)), needs_engine, "{pattern}");
        }
    }

    #[test]
    fn rejects_what_is_no_expression() {
        for pattern in ["", " ", "(", "[a", "a**b[", "\\", "**"] {
            assert!(NamespacePattern::parse(pattern.into()).is_err(), "`{pattern}`");
        }
    }
}
