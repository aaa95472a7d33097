//! Patterns of namespaces: regular expressions, searched anywhere in the name.

use std::borrow::Cow;

use thiserror::Error;

use super::glob::Expression;

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

/// An expression of RE2 in the syntax of the engine here, or why RE2 refuses it.
///
/// The engine takes some of what RE2 refuses, and reads some of what RE2 takes in another way.
pub(super) fn translated(pattern: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let (mut in_class, mut repeated) = (false, false);
    // Whether a hyphen would make a range of the last member of a class, and whether one did.
    let (mut is_single, mut in_range) = (false, false);
    while let Some(char) = chars.next() {
        let mut repeats = false;
        let ended_range = std::mem::take(&mut in_range);
        let was_single = std::mem::take(&mut is_single);
        match char {
            '\\' => {
                let is_set =
                    matches!(chars.peek(), Some('d' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P'));
                is_single = !ended_range && !is_set;
                translate_escape(&mut chars, in_class, &mut out)?;
            }
            '[' if in_class => {
                // A named class, such as `[:alpha:]`, has brackets of its own.
                let is_named = chars.peek() == Some(&':');
                is_single = !ended_range && !is_named;
                out.push_str(if is_named { "[" } else { r"\[" });
                while is_named && chars.peek().is_some_and(|char| *char != ']') {
                    out.extend(chars.next());
                }
                out.extend(chars.next_if(|char| is_named && *char == ']'));
            }
            '[' => {
                in_class = true;
                out.push('[');
                // A bracket right at the start is a member of the class.
                out.extend(chars.next_if_eq(&'^'));
                if chars.next_if_eq(&']').is_some() {
                    out.push_str(r"\]");
                    is_single = true;
                }
            }
            '-' if in_class && was_single && chars.peek() != Some(&']') => {
                in_range = true;
                out.push('-');
            }
            // A hyphen behind a set or a range is a member, as it is at either end.
            '-' if in_class => {
                is_single = !ended_range;
                out.push_str(r"\-");
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            char if in_class => {
                is_single = !ended_range;
                out.extend(matches!(char, '&' | '~').then_some('\\'));
                out.push(char);
            }
            '(' if chars.peek() == Some(&'?') => {
                let mut flags = chars.clone().skip(1);
                let known = |char: &char| matches!(char, 'i' | 'm' | 's' | 'U' | '-');
                match flags.find(|char| !known(char)) {
                    Some(':' | ')' | 'P' | '<') => out.push('('),
                    _ => return Err("it has an unknown group or flag"),
                }
            }
            '*' | '+' | '?' => {
                repeats = true;
                out.push(char);
            }
            '{' => {
                let bounds: String = chars.clone().take_while(|char| *char != '}').collect();
                let is_closed = chars.clone().any(|char| char == '}');
                let mut numbers = bounds.splitn(2, ',');
                let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
                let first = numbers.next().unwrap_or_default();
                let rest = numbers.next().unwrap_or_default();
                repeats = is_closed && !first.is_empty() && is_number(first) && is_number(rest);
                // Anything else is a brace.
                out.push_str(if repeats { "{" } else { r"\{" });
                if repeats {
                    let is_large =
                        |text: &str| text.parse::<u32>().map_or(!text.is_empty(), |it| it > 1000);
                    if is_large(first) || is_large(rest) {
                        return Err("it repeats more than 1000 times");
                    }
                    for char in chars.by_ref() {
                        out.push(char);
                        if char == '}' {
                            break;
                        }
                    }
                }
            }
            '}' => out.push_str(r"\}"),
            char => out.push(char),
        }
        if repeats && repeated {
            return Err("it repeats a repetition");
        }
        repeated = repeats;
        if repeats {
            // A single `?` behind a repetition makes it lazy.
            out.extend(chars.next_if_eq(&'?'));
        }
    }
    Ok(out)
}

/// Translates what follows a backslash.
fn translate_escape(
    chars: &mut std::iter::Peekable<std::str::Chars>,
    in_class: bool,
    out: &mut String,
) -> Result<(), &'static str> {
    match chars.next() {
        None => out.push('\\'),
        Some('Q') if in_class => return Err("it has an unknown escape"),
        // Text without meaning, up to `\E`.
        Some('Q') => {
            let rest: String = chars.clone().collect();
            let (quoted, _) = rest.split_once(r"\E").unwrap_or((&rest, ""));
            out.push_str(&regex_lite::escape(quoted));
            let _end = chars.by_ref().nth(quoted.chars().count().saturating_add(1));
        }
        // Classes of Unicode, as far as they hold characters of names.
        Some(kind @ ('p' | 'P')) => {
            let name: String = match chars.next() {
                Some('{') => chars.by_ref().take_while(|char| *char != '}').collect(),
                other => other.into_iter().collect(),
            };
            let (name, negated) = match name.strip_prefix('^') {
                Some(name) => (name, kind == 'p'),
                None => (&*name, kind == 'P'),
            };
            let members = match name {
                "L" | "Latin" => "a-zA-Z",
                "Lu" => "A-Z",
                "Ll" => "a-z",
                "N" | "Nd" => "0-9",
                "P" => r"\-.",
                "Pd" => r"\-",
                _ => return Err("it has a Unicode class that names cannot have"),
            };
            match (in_class, negated) {
                (true, true) => return Err("it has a negated Unicode class in a class"),
                (true, false) => out.push_str(members),
                (false, true) => out.push_str(&format!("[^{members}]")),
                (false, false) => out.push_str(&format!("[{members}]")),
            }
        }
        Some('u') => return Err("it has an unknown escape"),
        // A repetition, where the engine would read the name of a boundary.
        Some('b') if chars.peek() == Some(&'{') => out.push_str(r"(?:\b)"),
        Some('x') if chars.peek() == Some(&'{') => {
            out.push_str(r"\x");
            for char in chars.by_ref() {
                out.push(char);
                if char == '}' {
                    break;
                }
            }
        }
        Some(char @ ('<' | '>')) => out.push(char),
        Some(digit @ '1'..='9')
            if digit > '7' || !chars.peek().is_some_and(|next| next.is_digit(8)) =>
        {
            return Err("backreferences are not supported");
        }
        // An octal number.
        Some(digit @ '0'..='7') => {
            let mut value = digit.to_digit(8).unwrap_or_default();
            for _ in 0..2 {
                if let Some(next) = chars.next_if(|char| char.is_digit(8)) {
                    let next = next.to_digit(8).unwrap_or_default();
                    value = value.saturating_mul(8).saturating_add(next);
                }
            }
            out.push_str(&format!("\\x{{{value:x}}}"));
        }
        Some(char) => out.extend(['\\', char]),
    }
    Ok(())
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
