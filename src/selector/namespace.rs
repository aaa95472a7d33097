//! Patterns of namespaces: regular expressions, searched anywhere in the name.

use std::borrow::Cow;

use thiserror::Error;

use super::glob::Expression;

/// A checked pattern of namespaces, as `namespace_selectors` of `admission_inject_v2` has them.
///
/// The pattern `*` alone means all, as in Datakit Operator. Plain and anchored names, which is what
/// people write, are compared as text: an engine would be compiled anew at every request.
#[derive(Clone, Debug)]
pub(crate) enum NamespacePattern<'a> {
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
pub(crate) enum NamespacePatternError {
    /// The empty pattern would match everything; the Operator refuses it as well.
    #[error("is empty; `*` means every namespace")]
    Empty,
    /// The expression cannot be compiled.
    #[error("`{0}` is not a regular expression: {1}")]
    Regex(String, regex_lite::Error),
    /// RE2, which the Operator uses, refuses what the engine here would take.
    #[error("`{0}` is not a regular expression: it repeats a repetition")]
    Repetition(String),
}

impl<'a> NamespacePattern<'a> {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// Where it is empty or not a regular expression.
    pub(crate) fn parse(text: Cow<'a, str>) -> Result<Self, NamespacePatternError> {
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
        if repeats_a_repetition(&text) {
            return Err(NamespacePatternError::Repetition(text.into_owned()));
        }
        match Expression::new(text.into_owned()) {
            Ok(expression) => Ok(Self::Regex(Box::new(expression))),
            Err((text, error)) => Err(NamespacePatternError::Regex(text, error)),
        }
    }

    /// The pattern for exactly one name.
    pub(crate) fn exactly(name: Cow<'a, str>) -> Self {
        Self::Is(name)
    }

    /// Whether a namespace matches.
    pub(crate) fn matches(&self, namespace: &str) -> bool {
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

/// Whether an operator of repetition follows another, as in `a**`, `a*+` or `a{2}{3}`; a single `?`
/// after one makes it lazy.
fn repeats_a_repetition(pattern: &str) -> bool {
    let mut chars = pattern.chars().peekable();
    let (mut in_class, mut repeated) = (false, false);
    while let Some(char) = chars.next() {
        let repeats = match char {
            '\\' => {
                let _escaped = chars.next();
                false
            }
            '[' if !in_class => {
                in_class = true;
                // A bracket right at the start is a member of the class.
                let _negation = chars.next_if_eq(&'^');
                let _member = chars.next_if_eq(&']');
                false
            }
            // A named class, such as `[:alpha:]`, has brackets of its own.
            '[' if chars.next_if_eq(&':').is_some() => {
                while chars.next().is_some_and(|char| char != ']') {}
                false
            }
            ']' => {
                in_class = false;
                false
            }
            _ if in_class => false,
            '*' | '+' | '?' => true,
            '{' => {
                let bounds = chars.clone().take_while(|char| *char != '}');
                let is_bound = bounds.clone().all(|char| char.is_ascii_digit() || char == ',')
                    && bounds.clone().next().is_some_and(|char| char.is_ascii_digit())
                    && chars.clone().any(|char| char == '}');
                if is_bound {
                    while chars.next().is_some_and(|char| char != '}') {}
                }
                is_bound
            }
            _ => false,
        };
        if repeats && repeated {
            return true;
        }
        repeated = repeats;
        if repeats {
            let _lazy = chars.next_if_eq(&'?');
        }
    }
    false
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
            ("a{2}?$", "aa", true, true),
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
        ] {
            assert!(NamespacePattern::parse(pattern.into()).is_err(), "`{pattern}`");
        }
    }
}
