//! Regular expressions of RE2, for what is matched outside an admission request.

use regex_lite::Regex;
use thiserror::Error;

use super::namespace::translated;

/// A regular expression as RE2 reads it, searched anywhere in a text.
///
/// ```
/// use datakit_injection::selector::Re2;
///
/// assert!(Re2::parse(r"^web-\d+$").unwrap().is_match("web-12"));
/// assert!(Re2::parse("web*+").is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Re2(Regex);

/// Why a text is not a regular expression of RE2.
#[derive(Clone, Debug, Error)]
pub enum Re2Error {
    /// RE2 refuses what the engine here would take.
    #[error("{0}")]
    Refused(&'static str),
    /// The expression cannot be compiled.
    #[error("{0}")]
    Regex(regex_lite::Error),
}

impl Re2 {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// Where RE2 would refuse it, or where it has a Unicode class that no name of Kubernetes can match.
    pub fn parse(text: &str) -> Result<Self, Re2Error> {
        let translated = translated(text).map_err(Re2Error::Refused)?;
        Regex::new(&translated).map(Self).map_err(Re2Error::Regex)
    }

    /// Whether it is found in a text. The engine is linear in the text: the caller bounds its length.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Re2;

    /// `*` is no pattern of its own here, and names of pods are longer than those of namespaces.
    #[test]
    fn matches_as_re2_does() {
        let long = format!("{}-0", "a".repeat(200));
        for (expression, text, expected) in [
            ("web", "my-web-1", true),
            ("^web$", "web-1", false),
            ("", "web", true),
            ("-0$", &*long, true),
            (r"^[\w-.]+$", "web-1.a", true),
            (r"^\pP$", ".", true),
            (r"^\pP$", "a", false),
            ("a{,2}", "aa", false),
        ] {
            let parsed = Re2::parse(expression).unwrap();
            assert_eq!(parsed.is_match(text), expected, "`{expression}` on `{text}`");
        }
    }

    #[test]
    fn rejects_what_re2_rejects() {
        for expression in ["*", "(", "a**", r"(a)\1", "(?x)a", "a{1001}"] {
            assert!(Re2::parse(expression).is_err(), "`{expression}`");
        }
    }
}
