//! Globs in the values of label selectors: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, and `\` to escape.
//!
//! A glob becomes a regular expression, whose engine is linear in the value whatever the glob is; a
//! matcher that tries one alternative after another is not. The most common globs, a name with one
//! `*` at an end, are compared as text.

use regex_lite::Regex;

/// A checked glob.
#[derive(Clone, Debug)]
pub enum Glob {
    /// `text*`.
    StartsWith(String),
    /// `*text`.
    EndsWith(String),
    /// Anything else.
    Expression(Box<Expression>),
}

/// A compiled regular expression and its source.
#[derive(Clone, Debug)]
pub struct Expression {
    pub source: String,
    regex: Regex,
}

impl Expression {
    /// Compiles a source; gives it back with the error where it cannot be compiled.
    pub fn new(source: String) -> Result<Self, (String, regex_lite::Error)> {
        match Regex::new(&source) {
            Ok(regex) => Ok(Self { source, regex }),
            Err(error) => Err((source, error)),
        }
    }

    /// Whether it is found in a text. Names and label values have at most 63 characters: nothing
    /// longer is searched, because Kubernetes refuses it and the engine is slow.
    pub fn is_match(&self, text: &str) -> bool {
        text.chars().nth(63).is_none() && self.regex.is_match(text)
    }
}

impl Glob {
    /// Reads a glob; nothing where a bracket or brace is not closed, or a range runs backwards.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |text: &str| !text.contains(['*', '?', '[', ']', '{', '}', ',', '\\']);
        if let Some(start) = text.strip_suffix('*').filter(|start| is_plain(start)) {
            return Some(Self::StartsWith(start.to_owned()));
        }
        if let Some(end) = text.strip_prefix('*').filter(|end| is_plain(end)) {
            return Some(Self::EndsWith(end.to_owned()));
        }
        let expression = Expression::new(expression(text)?).ok()?;
        Some(Self::Expression(Box::new(expression)))
    }

    /// Whether a value matches, from its start to its end.
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::StartsWith(start) => value.starts_with(&**start),
            Self::EndsWith(end) => value.ends_with(&**end),
            Self::Expression(expression) => expression.is_match(value),
        }
    }
}

/// The equivalent regular expression.
fn expression(glob: &str) -> Option<String> {
    let mut out = String::from(r"(?s)\A(?:");
    let mut depth: usize = 0;
    let mut chars = glob.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '*' => {
                // Any number of stars is one.
                while chars.next_if_eq(&'*').is_some() {}
                out.push_str(".*");
            }
            '?' => out.push('.'),
            '{' => {
                depth = depth.saturating_add(1);
                out.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth = depth.saturating_sub(1);
                out.push(')');
            }
            ',' if depth > 0 => out.push('|'),
            '[' => {
                out.push('[');
                if chars.next_if_eq(&'!').is_some() {
                    out.push('^');
                }
                loop {
                    match chars.next()? {
                        ']' => break,
                        '-' => out.push('-'),
                        '\\' => push_literal(chars.next()?, &mut out),
                        char => push_literal(char, &mut out),
                    }
                }
                out.push(']');
            }
            '\\' => push_literal(chars.next()?, &mut out),
            char => push_literal(char, &mut out),
        }
    }
    out.push_str(r")\z");
    (depth == 0).then_some(out)
}

fn push_literal(char: char, out: &mut String) {
    // Other punctuation stands for itself; some of it would mean something else behind a backslash.
    if r"\.+*?()|[]{}^$#&-~".contains(char) {
        out.push('\\');
    }
    out.push(char);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_whole_values() {
        for (glob, value, expected) in [
            ("*", "", true),
            ("web*", "web-1", true),
            ("web*", "my-web", false),
            ("*web", "my-web", true),
            ("*web", "web-1", false),
            ("*", "a", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("a**c", "ac", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[ab]1", "b1", true),
            ("[!ab]1", "b1", false),
            ("[^ab]1", "c1", false),
            ("[^ab]1", "^1", true),
            ("[a-c]", "b", true),
            ("[a\\-c]", "b", false),
            ("[a\\-c]", "-", true),
            ("{a,b}c", "bc", true),
            ("{a,b}c", "c", false),
            ("{a,}c", "c", true),
            ("{a,b{c,d}}", "bd", true),
            ("{a*,?}", "b", true),
            ("a.c*d", "abcd", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a(b)*c", "a(b)c", true),
            ("{<a,b}", "a", false),
            ("{<a,b}", "<a", true),
            ("[<a]b", "<b", true),
        ] {
            let matches = Glob::parse(glob).unwrap().matches(value);
            assert_eq!(matches, expected, "`{glob}` on `{value}`");
        }
    }

    #[test]
    fn rejects_what_is_not_closed() {
        for glob in ["[a", "{a,b", "{a,{b}", "[", "a*\\", "[z-a]", "[]"] {
            assert!(Glob::parse(glob).is_none(), "{glob}");
        }
    }

    /// Found by fuzzing: a matcher that tries every combination takes minutes here.
    #[test]
    fn many_alternatives_take_no_time() {
        let glob = "{a*,*a*,**,b,}".repeat(60) + "x";
        assert!(!Glob::parse(&glob).unwrap().matches("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
        assert!(Glob::parse(&glob).unwrap().matches("aaaaaaaax"));
    }
}
