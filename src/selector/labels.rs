//! Label selectors, in the syntax of `k8s.io/apimachinery/pkg/labels`.

use thiserror::Error;

use super::glob::Glob;
use super::target::Entries;

/// A checked label selector: requirements that must all hold.
///
/// ```
/// use datakit_injection::selector::{LabelSelector, Syntax};
///
/// assert!(LabelSelector::parse("tier in (web, api),!legacy", Syntax::Kubernetes).is_ok());
/// assert!(LabelSelector::parse("app=middleware*", Syntax::Kubernetes).is_err());
/// assert!(LabelSelector::parse("app=middleware*", Syntax::WithGlobs).is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct LabelSelector {
    /// What has to hold, all of it.
    pub requirements: Vec<Requirement>,
}

/// How the text of a selector is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// As Kubernetes reads it.
    Kubernetes,
    /// The same, and in `=`, `==` and `!=` the value may be a glob, as in Datakit Operator since
    /// release 1.7: `*`, `?`, `[a-z]`, `{a,b}`.
    WithGlobs,
}

/// One requirement on a label.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// The key of the label.
    pub key: String,
    /// What is required of it.
    pub operator: Operator,
}

/// What a requirement asks of a label.
#[derive(Clone, Debug)]
pub enum Operator {
    /// `key`
    Exists,
    /// `!key`
    DoesNotExist,
    /// `key in (a, b)`, also `key=a`
    In(Vec<String>),
    /// `key notin (a, b)`, also `key!=a`
    NotIn(Vec<String>),
    /// `key=a*`
    Matches(Glob),
    /// `key!=a*`
    DoesNotMatch(Glob),
    /// `key>1`
    GreaterThan(i64),
    /// `key<1`
    LessThan(i64),
}

/// Why a text is not a label selector.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LabelSelectorError {
    /// Something else was expected at this place.
    #[error("found {found}, expected {expected}")]
    Unexpected {
        /// What was found.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A key is not a qualified name.
    #[error("`{0}` is not a label key")]
    Key(String),
    /// A value is longer than 63 characters or has other characters than a label value.
    #[error("`{0}` is not a label value")]
    Value(String),
    /// `>` and `<` compare integers.
    #[error("`{0}` is not an integer, which `>` and `<` compare")]
    Integer(String),
    /// A bracket or brace of a glob is not closed, or a range runs backwards.
    #[error("`{0}` is not a glob: a bracket is not closed, or a range runs backwards")]
    Glob(String),
}

impl LabelSelector {
    /// Reads a selector. The empty one matches everything.
    ///
    /// # Errors
    ///
    /// Where Kubernetes would refuse the selector.
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, LabelSelectorError> {
        let tokens = tokens(text, syntax)?;
        Parser { tokens: &tokens, syntax }.selector()
    }

    /// Whether labels fulfil every requirement.
    pub fn matches(&self, labels: Entries) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(labels))
    }
}

/// The longest value of a label.
const MAX_VALUE: usize = 63;

impl Requirement {
    fn holds(&self, labels: Entries) -> bool {
        let label = labels.get(&self.key);
        let label = label.as_deref();
        let is_in =
            |values: &[String]| label.is_some_and(|label| values.iter().any(|v| v == label));
        let matches = |glob: &Glob| label.is_some_and(|label| glob.matches(label));
        // Kubernetes refuses longer values; searching them for globs would be slow.
        let is_long = label.is_some_and(|label| label.chars().nth(MAX_VALUE).is_some());
        let number = || label.and_then(go_parse_int);
        match &self.operator {
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::In(values) => is_in(values),
            Operator::NotIn(values) => !is_in(values),
            Operator::Matches(glob) => !is_long && matches(glob),
            Operator::DoesNotMatch(glob) => !is_long && !matches(glob),
            Operator::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Operator::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// Go's `strconv.ParseInt(text, 10, 64)`.
fn go_parse_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A key or value; `in` and `notin` too, which are operators only after a key.
    Word(String),
    Open,
    Close,
    Comma,
    Not,
    Equal,
    NotEqual,
    Greater,
    Less,
}

impl Token {
    fn describe(token: Option<&Self>) -> String {
        match token {
            Some(Self::Word(word)) => format!("`{word}`"),
            Some(Self::Open) => "`(`".to_owned(),
            Some(Self::Close) => "`)`".to_owned(),
            Some(Self::Comma) => "`,`".to_owned(),
            Some(Self::Not) => "`!`".to_owned(),
            Some(Self::Equal) => "`=`".to_owned(),
            Some(Self::NotEqual) => "`!=`".to_owned(),
            Some(Self::Greater) => "`>`".to_owned(),
            Some(Self::Less) => "`<`".to_owned(),
            None => "the end".to_owned(),
        }
    }
}

fn tokens(text: &str, syntax: Syntax) -> Result<Vec<Token>, LabelSelectorError> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        tokens.push(match char {
            ' ' | '\t' | '\r' | '\n' => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '>' => Token::Greater,
            '<' => Token::Less,
            '!' if chars.next_if_eq(&'=').is_some() => Token::NotEqual,
            '!' => Token::Not,
            '=' => {
                // `=` and `==` mean the same.
                let _second = chars.next_if_eq(&'=');
                Token::Equal
            }
            first => {
                let mut word = String::from(first);
                let mut open = Brackets::default();
                open.push(first, syntax);
                while let Some(char) = chars.next_if(|&char| open.is_inside() || is_plain(char)) {
                    word.push(char);
                    open.push(char, syntax);
                }
                if open.is_inside() {
                    return Err(LabelSelectorError::Glob(word));
                }
                Token::Word(word)
            }
        });
    }
    Ok(tokens)
}

/// The brackets and braces of a glob that are open. Inside them every character is the glob's own.
#[derive(Default)]
struct Brackets {
    in_class: bool,
    braces: usize,
}

impl Brackets {
    fn push(&mut self, char: char, syntax: Syntax) {
        match char {
            _ if syntax == Syntax::Kubernetes => {}
            ']' => self.in_class = false,
            _ if self.in_class => {}
            '[' => self.in_class = true,
            '{' => self.braces = self.braces.saturating_add(1),
            '}' => self.braces = self.braces.saturating_sub(1),
            _ => {}
        }
    }

    fn is_inside(&self) -> bool {
        self.in_class || self.braces > 0
    }
}

fn is_plain(char: char) -> bool {
    !matches!(char, ' ' | '\t' | '\r' | '\n' | '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

struct Parser<'t> {
    tokens: &'t [Token],
    syntax: Syntax,
}

impl<'t> Parser<'t> {
    fn selector(mut self) -> Result<LabelSelector, LabelSelectorError> {
        let mut requirements = Vec::new();
        while !self.tokens.is_empty() {
            requirements.push(self.requirement()?);
            match self.next() {
                None => break,
                Some(Token::Comma) if matches!(self.peek(), Some(Token::Word(_) | Token::Not)) => {}
                Some(Token::Comma) => return Err(unexpected(self.peek(), "a key")),
                other => return Err(unexpected(other, "`,` or the end")),
            }
        }
        Ok(LabelSelector { requirements })
    }

    fn requirement(&mut self) -> Result<Requirement, LabelSelectorError> {
        let negated = self.next_if(&Token::Not);
        let key = match self.next() {
            Some(Token::Word(word)) => word.clone(),
            other => return Err(unexpected(other, "`!` or a key")),
        };
        if !is_qualified_name(&key) {
            return Err(LabelSelectorError::Key(key));
        }
        let operator = match self.peek() {
            _ if negated => Operator::DoesNotExist,
            None | Some(Token::Comma) => Operator::Exists,
            _ => self.operator()?,
        };
        Ok(Requirement { key, operator })
    }

    fn operator(&mut self) -> Result<Operator, LabelSelectorError> {
        let operator = self.next();
        Ok(match operator {
            Some(Token::Word(word)) if word == "in" => Operator::In(self.values()?),
            Some(Token::Word(word)) if word == "notin" => Operator::NotIn(self.values()?),
            Some(Token::Equal) => {
                let value = self.value()?;
                match self.syntax {
                    Syntax::WithGlobs if is_glob(&value) => Operator::Matches(glob(value)?),
                    _ => Operator::In(vec![label_value(value)?]),
                }
            }
            Some(Token::NotEqual) => {
                let value = self.value()?;
                match self.syntax {
                    Syntax::WithGlobs if is_glob(&value) => Operator::DoesNotMatch(glob(value)?),
                    _ => Operator::NotIn(vec![label_value(value)?]),
                }
            }
            Some(Token::Greater) => Operator::GreaterThan(self.integer()?),
            Some(Token::Less) => Operator::LessThan(self.integer()?),
            other => {
                let expected = "one of `=`, `==`, `!=`, `in`, `notin`, `>`, `<`";
                return Err(unexpected(other, expected));
            }
        })
    }

    /// A value after `=`; nothing there is the empty value.
    fn value(&mut self) -> Result<String, LabelSelectorError> {
        match self.peek() {
            None | Some(Token::Comma) => Ok(String::new()),
            Some(Token::Word(word)) => {
                let word = word.clone();
                let _word = self.next();
                Ok(word)
            }
            other => Err(unexpected(other, "a value")),
        }
    }

    fn integer(&mut self) -> Result<i64, LabelSelectorError> {
        let value = self.value()?;
        match go_parse_int(&value) {
            Some(number) => label_value(value).map(|_| number),
            None => Err(LabelSelectorError::Integer(value)),
        }
    }

    /// The values in parentheses. An empty place between commas, also `()`, is the empty value.
    fn values(&mut self) -> Result<Vec<String>, LabelSelectorError> {
        if !self.next_if(&Token::Open) {
            return Err(unexpected(self.peek(), "`(`"));
        }
        let mut values = Vec::new();
        loop {
            let value = match self.peek() {
                Some(Token::Word(word)) => {
                    let word = word.clone();
                    let _word = self.next();
                    word
                }
                _ => String::new(),
            };
            values.push(label_value(value)?);
            match self.next() {
                // Kubernetes reads two commas at once, and takes no end behind them.
                Some(Token::Comma) => {
                    if self.next_if(&Token::Comma) {
                        values.push(String::new());
                        if self.peek() == Some(&Token::Close) {
                            return Err(unexpected(self.peek(), "`,` or a value"));
                        }
                    }
                }
                Some(Token::Close) => return Ok(values),
                other => return Err(unexpected(other, "`,` or `)`")),
            }
        }
    }

    fn peek(&self) -> Option<&'t Token> {
        self.tokens.first()
    }

    fn next(&mut self) -> Option<&'t Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn next_if(&mut self, token: &Token) -> bool {
        let is_next = self.peek() == Some(token);
        if is_next {
            let _token = self.next();
        }
        is_next
    }
}

fn unexpected(found: Option<&Token>, expected: &'static str) -> LabelSelectorError {
    LabelSelectorError::Unexpected { found: Token::describe(found), expected }
}

fn is_glob(value: &str) -> bool {
    value.contains(['*', '?', '[', '{'])
}

fn glob(value: String) -> Result<Glob, LabelSelectorError> {
    Glob::parse(&value).ok_or(LabelSelectorError::Glob(value))
}

fn label_value(value: String) -> Result<String, LabelSelectorError> {
    let is_valid = value.is_empty() || is_name(&value);
    if is_valid { Ok(value) } else { Err(LabelSelectorError::Value(value)) }
}

/// Kubernetes' `IsQualifiedName`: a name of at most 63 characters, after an optional DNS subdomain
/// and a slash.
pub fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_name(name),
        None => is_name(text),
    }
}

/// Kubernetes' `IsDNS1123Subdomain`.
pub fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// Kubernetes' `IsDNS1123Label`, but for its length.
pub fn is_dns_label(label: &str) -> bool {
    label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_name(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_outer = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(is_inner)
        && is_outer(text.bytes().next())
        && is_outer(text.bytes().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::target::with_entries;

    #[track_caller]
    fn check(selector: &str, labels: &str, expected: bool, syntax: Syntax, why: &str) {
        let parsed = LabelSelector::parse(selector, syntax).unwrap();
        let matches = with_entries(labels, |labels| parsed.matches(labels));
        assert_eq!(matches, expected, "`{selector}` on {labels}: {why}");
    }

    #[test]
    fn matches_as_kubernetes_does() {
        let labels = r#"{"app":"web","tier":"front","gen":"5","empty":"","neg":"-7","a.b/c":"x"}"#;
        for (selector, expected, why) in [
            ("", true, "the empty selector matches everything"),
            ("  ", true, "white space is nothing"),
            ("app=web", true, "equal"),
            ("app==web", true, "== is ="),
            ("app = web", true, "white space around operators"),
            ("\tapp\n=\r web ", true, "any white space"),
            ("app=api", false, "another value"),
            ("missing=web", false, "a label that is not there equals nothing"),
            ("app!=api", true, "not equal"),
            ("app!=web", false, "equal, so not unequal"),
            ("missing!=web", true, "a label that is not there is unequal to all"),
            ("app in (web)", true, "in"),
            ("app in (api,web)", true, "in, second value"),
            ("app in ( api , web )", true, "white space in a list"),
            ("app in (api)", false, "not in"),
            ("missing in (web)", false, "a label that is not there is in nothing"),
            ("app notin (api)", true, "notin"),
            ("app notin (web,api)", false, "in the list"),
            ("missing notin (web)", true, "a label that is not there is in nothing"),
            ("app", true, "exists"),
            ("missing", false, "does not exist"),
            ("!missing", true, "does not exist, as asked"),
            ("! missing", true, "white space after !"),
            ("!app", false, "exists"),
            ("gen>3", true, "5 > 3"),
            ("gen>5", false, "5 > 5"),
            ("gen<6", true, "5 < 6"),
            ("gen < 5", false, "5 < 5"),
            ("neg<3", true, "a label may be negative"),
            ("app>3", false, "a label that is no number compares to nothing"),
            ("missing<3", false, "nor does one that is not there"),
            ("app=web,tier=front", true, "comma is and"),
            ("app=web,tier=back", false, "one of two"),
            ("app=web,!missing,gen>1,tier in (front,back)", true, "all forms"),
            ("empty=", true, "nothing after = is the empty value"),
            ("app=", false, "web is not empty"),
            ("app=,tier", false, "an empty value before a comma"),
            ("empty!=", false, "the same for !="),
            ("empty in ()", true, "() holds the empty value"),
            ("empty in (x,,y)", true, "an empty place between commas"),
            ("empty in (x,,,)", true, "three commas"),
            ("app in ()", false, "and nothing else"),
            ("empty in (,)", true, "so does (,)"),
            ("empty in (web,)", true, "and a comma at the end"),
            ("app in (,web)", true, "a comma at the start"),
            ("app in (api,,web)", true, "two commas"),
            ("a.b/c=x", true, "a key with a prefix"),
            ("in in (in)", false, "in is a word too"),
            ("in", false, "also as a key"),
            ("notin notin (notin)", true, "notin as well"),
            ("app in (in,notin,web)", true, "and as values"),
            ("gen=5", true, "a number is a string here"),
        ] {
            check(selector, labels, expected, Syntax::Kubernetes, why);
            check(selector, labels, expected, Syntax::WithGlobs, why);
        }
    }

    #[test]
    fn matches_globs_where_they_are_asked_for() {
        let labels = r#"{"app":"middleware-nginx","tier":"b2"}"#;
        for (selector, expected) in [
            ("app=middleware*", true),
            ("app==middleware*", true),
            ("app=middle", false),
            ("app=*", true),
            ("missing=*", false),
            ("missing!=*", true),
            ("app!=middleware*", false),
            ("app!=front*", true),
            ("tier=b?", true),
            ("tier=b??", false),
            ("tier=b[0-9]", true),
            ("tier=b[!0-9]", false),
            ("tier=[ab]2", true),
            ("tier={a,b}2", true),
            ("tier={a,c}2", false),
            ("tier={a,b}?,app=*nginx", true),
            ("tier={a,{b,c},d}2", true),
            ("tier={a,{x,c},d}2,app", false),
            ("tier=[^b]2", true),
            ("app=*ware-*", true),
        ] {
            check(selector, labels, expected, Syntax::WithGlobs, "glob");
        }
    }

    #[test]
    fn rejects_what_kubernetes_rejects() {
        for (selector, message) in [
            ("=web", "found `=`, expected `!` or a key"),
            (",app", "found `,`, expected `!` or a key"),
            ("app,", "found the end, expected a key"),
            ("app,,tier", "found `,`, expected a key"),
            ("app=web tier", "found `tier`, expected `,` or the end"),
            ("app web", "found `web`, expected one of `=`, `==`, `!=`, `in`, `notin`, `>`, `<`"),
            ("app=(web)", "found `(`, expected a value"),
            ("app===web", "found `=`, expected a value"),
            ("!app=web", "found `=`, expected `,` or the end"),
            ("!!app", "found `!`, expected `!` or a key"),
            ("app in web", "found `web`, expected `(`"),
            ("app in", "found the end, expected `(`"),
            ("app in (web", "found the end, expected `,` or `)`"),
            ("app in (web api)", "found `api`, expected `,` or `)`"),
            ("app in (a=b)", "found `=`, expected `,` or `)`"),
            ("gen>x", "`x` is not an integer, which `>` and `<` compare"),
            ("gen>", "`` is not an integer, which `>` and `<` compare"),
            ("gen>-3", "`-3` is not a label value"),
            (
                "gen>99999999999999999999",
                "`99999999999999999999` is not an integer, which `>` and `<` compare",
            ),
            ("-app", "`-app` is not a label key"),
            ("a/b/c", "`a/b/c` is not a label key"),
            ("/app", "`/app` is not a label key"),
            ("A.b/app", "`A.b/app` is not a label key"),
            ("app=a_", "`a_` is not a label value"),
            ("app=a*", "`a*` is not a label value"),
            ("app in (a/b)", "`a/b` is not a label value"),
            ("app in (a,,)", "found `)`, expected `,` or a value"),
            ("app in (,,)", "found `)`, expected `,` or a value"),
        ] {
            let error = LabelSelector::parse(selector, Syntax::Kubernetes).unwrap_err();
            assert_eq!(error.to_string(), message, "{selector}");
        }
    }

    #[test]
    fn rejects_globs_that_are_not_closed() {
        for selector in ["app=[a", "app={a,b", "app=x{a,b,c=d"] {
            let error = LabelSelector::parse(selector, Syntax::WithGlobs).unwrap_err();
            assert!(matches!(error, LabelSelectorError::Glob(_)), "{selector}");
        }
        let too_long = format!("app={}", "x".repeat(64));
        assert!(LabelSelector::parse(&too_long, Syntax::WithGlobs).is_err());
    }
}
