//! Patterns of namespaces: regular expressions, searched anywhere in the name.

use std::borrow::Cow;

use thiserror::Error;

use super::glob::Expression;
use super::re2::translated;

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
    Regex(Box<Expression>),
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
    /// RE2, which the Operator uses, refuses what the engine here would take.
    #[error("`{0}` is not a regular expression: {1}")]
    Refused(String, &'static str),
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
        let translated = match translated(&text) {
            Ok(translated) => translated,
            Err(why) => return Err(NamespacePatternError::Refused(text.into_owned(), why)),
        };
        match Expression::new(translated) {
            Ok(expression) => Ok(Self::Regex(Box::new(expression))),
            Err((_, error)) => Err(NamespacePatternError::Regex(text.into_owned(), error)),
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
            ("a*?b+?", "ab", true, true),
            (r"a\**", "a", true, true),
            ("[*+]*", "", true, true),
            ("[]*]+[[:alpha:]*+]+", "]a", true, true),
            (r"^team-[\w-.]+$", "team-a-b.c", true, true),
            (r"^[\w-.]$", "x", true, true),
            (r"^[\w-.]$", "/", false, true),
            (r"^[\d-z]$", "-", true, true),
            (r"^[\d-z]$", "y", false, true),
            ("^[a-c--/]$", ".", true, true),
            ("^[a-c--/]$", "d", false, true),
            ("^[[:digit:]-z]+$", "1-z", true, true),
            ("^[-a]+$", "a-", true, true),
            ("^[a-]+$", "a-", true, true),
            ("^[^-a]+$", "b", true, true),
            ("^[]-a]+$", "a]", true, true),
            ("^[]-a]+$", "b", false, true),
            (r"^[\.-9]+$", "/5", true, true),
            ("^[[-b]+$", "[a", true, true),
            ("a{2}?$", "aa", true, true),
            (r"^\pL+$", "abc", true, true),
            (r"^[\pL-]+$", "a-c", true, true),
            (r"\p{Nd}", "a1", true, true),
            (r"^\PL$", "1", true, true),
            (r"^\Qa.b\E$", "a.b", true, true),
            (r"^\Qa.b\E$", "axb", false, true),
            (r"^\141$", "a", true, true),
            ("a{,2}", "a", false, true),
            ("a{", "a", false, true),
            ("[a[b]", "[", true, true),
            ("[a&&b]", "&", true, true),
            (r"\<a", "a", false, true),
            (r"\b{start}a", "a", false, true),
            (r"\b{2,}a", "a", true, true),
            (r"^\x{61}+\x{2d}1$", "aa-1", true, true),
            ("(?i:A)(?-i)b", "ab", true, true),
            ("(?P<n>a)", "a", true, true),
        ] {
            let parsed = NamespacePattern::parse(pattern.into()).unwrap();
            assert_eq!(parsed.matches(namespace), expected, "`{pattern}` on `{namespace}`");
            assert_eq!(matches!(parsed, NamespacePattern::Regex(_)), needs_engine, "{pattern}");
        }
    }

    #[test]
    fn rejects_what_is_no_expression() {
        for pattern in [
            "",
            " ",
            "(",
            "[a",
            "a**b[",
            "\\",
            "**",
            "a**",
            "a*+",
            "a+*",
            "a??+",
            "a{2}{3}",
            "(a)+{2}",
            "[a]{1,2}*",
            "(?x)a",
            "(?u)a",
            r"\u0061",
            "a{1001}",
            r"\pX",
            r"a\1",
            r"a\8",
            r"\x{61}**",
        ] {
            assert!(NamespacePattern::parse(pattern.into()).is_err(), "`{pattern}`");
        }
    }
}
