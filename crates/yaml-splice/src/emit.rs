//! Writes values as text.

use std::fmt;

use crate::read::scalar;
use crate::value::Value;

/// Writes with lines and indentation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// The indentation of a mapping in a mapping.
    pub(crate) step: usize,
    /// The indentation of the dashes of a sequence in a mapping.
    pub(crate) dash: usize,
}

impl Block {
    /// The members or elements, each on lines of its own that begin with the indentation.
    pub(crate) fn lines(self, value: &Value, indent: usize) -> String {
        match value {
            Value::Mapping(members) if !members.is_empty() => {
                members.iter().map(|(key, value)| self.member(key, value, indent)).collect()
            }
            Value::Sequence(elements) if !elements.is_empty() => {
                elements.iter().map(|element| self.element(element, indent)).collect()
            }
            scalar => format!("{}{}\n", " ".repeat(indent), inline(scalar)),
        }
    }

    /// A member of a map, on lines of its own.
    pub(crate) fn member(self, key: &str, value: &Value, indent: usize) -> String {
        let pad = " ".repeat(indent);
        let value = match value {
            Value::Mapping(_) if value.is_filled() => {
                format!("\n{}", self.lines(value, indent + self.step))
            }
            Value::Sequence(_) if value.is_filled() => {
                format!("\n{}", self.lines(value, indent + self.dash))
            }
            scalar => format!(" {}\n", self.scalar(scalar, indent)),
        };
        format!("{pad}{}:{value}", self::key(key))
    }

    /// An element of a sequence, on lines of its own.
    pub(crate) fn element(self, value: &Value, indent: usize) -> String {
        let pad = " ".repeat(indent);
        match value.is_filled() {
            true => format!("{pad}- {}", self.lines(value, indent + 2).trim_start_matches(' ')),
            false => format!("{pad}- {}\n", self.scalar(value, indent)),
        }
    }

    /// What follows a key or a dash, where it is not a collection.
    pub(crate) fn scalar(self, value: &Value, indent: usize) -> String {
        match value {
            Value::String(text) if is_literal(text) => {
                let pad = " ".repeat(indent + self.step);
                let mut block = String::from(if text.ends_with('\n') { "|" } else { "|-" });
                for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
                    block.push('\n');
                    if !line.is_empty() {
                        block.push_str(&pad);
                        block.push_str(line);
                    }
                }
                block
            }
            other => inline(other),
        }
    }
}

/// Whether a text can be a literal block that says no more than it has to.
fn is_literal(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    lines.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !lines.ends_with('\n')
        && text.chars().all(|char| char == '\n' || char == '\t' || is_printable_char(char))
        && lines.split('\n').all(|line| line.is_empty() || !line.trim().is_empty())
}

/// Whether a text needs no escapes.
pub(crate) fn is_printable(text: &str) -> bool {
    text.chars().all(is_printable_char)
}

fn is_printable_char(char: char) -> bool {
    !char.is_control()
        && !matches!(char, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}')
}

/// A value without a line of its own: a scalar, or an empty collection.
pub(crate) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => string(text, false),
        other => Flow::INLINE.write(other, 0),
    }
}

fn key(key: &str) -> String {
    string(key, false)
}

/// A string, quoted where it has to be.
fn string(text: &str, in_brackets: bool) -> String {
    match is_plain(text, in_brackets) {
        true => text.to_owned(),
        false => single(text),
    }
}

/// Whether a string needs no quotes.
pub(crate) fn is_plain(text: &str, in_brackets: bool) -> bool {
    // What kubectl takes for a boolean or an octal number is a string to others.
    if !matches!(scalar::plain(text), Value::String(_)) {
        return false;
    }
    let is_word =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    if text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(is_word) {
        return true;
    }
    let written = serde_norway::to_string(text).unwrap_or_default();
    is_printable(text)
        && written.trim_end_matches('\n') == text
        && !(in_brackets && text.contains([',', '[', ']', '{', '}']))
}

/// A string in single quotes.
pub(crate) fn single(text: &str) -> String {
    match is_printable(text) {
        true => format!("'{}'", text.replace('\'', "''")),
        false => double(text),
    }
}

/// A string in double quotes, as JSON and YAML both read it.
pub(crate) fn double(text: &str) -> String {
    let mut quoted = String::new();
    for char in serde_json::Value::from(text).to_string().chars() {
        match is_printable_char(char) {
            true => quoted.push(char),
            false => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
        }
    }
    quoted
}

/// Writes in brackets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// Whether all strings are double-quoted.
    pub(crate) is_json: bool,
    /// Whether there are no blanks.
    pub(crate) is_compact: bool,
    /// The indentation of a level, where every entry has a line.
    pub(crate) step: Option<usize>,
}

impl Flow {
    /// YAML on one line.
    pub(crate) const INLINE: Self = Self { is_json: false, is_compact: false, step: None };

    /// A value. `indent` is the indentation of the line that it starts in.
    pub(crate) fn write(self, value: &Value, indent: usize) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(text) => text.clone(),
            Value::String(text) => self.string(text),
            Value::Sequence(elements) => {
                let deeper = self.deeper(indent);
                let elements = elements.iter().map(|element| self.write(element, deeper));
                self.enclosed("[", &elements.collect::<Vec<_>>(), "]", indent)
            }
            Value::Mapping(members) => {
                let deeper = self.deeper(indent);
                let members = members.iter().map(|(key, value)| self.member(key, value, deeper));
                self.enclosed("{", &members.collect::<Vec<_>>(), "}", indent)
            }
        }
    }

    /// A member of a map.
    pub(crate) fn member(self, key: &str, value: &Value, indent: usize) -> String {
        let colon = if self.is_compact { ":" } else { ": " };
        format!("{}{colon}{}", self.string(key), self.write(value, indent))
    }

    /// Between two entries.
    pub(crate) fn separator(self) -> &'static str {
        if self.is_compact { "," } else { ", " }
    }

    fn deeper(self, indent: usize) -> usize {
        indent + self.step.unwrap_or_default()
    }

    /// Entries between brackets.
    pub(crate) fn enclosed(self, open: &str, entries: &[String], close: &str, at: usize) -> String {
        match self.step {
            Some(step) if !entries.is_empty() => {
                let line = format!("\n{}", " ".repeat(at + step));
                let entries = entries.join(&format!(",{line}"));
                format!("{open}{line}{entries}\n{}{close}", " ".repeat(at))
            }
            _ => format!("{open}{}{close}", entries.join(self.separator())),
        }
    }

    fn string(self, text: &str) -> String {
        if self.is_json { double(text) } else { string(text, true) }
    }
}

impl Value {
    /// The value as YAML, each member and element on lines of its own.
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// let value = Document::parse_json(r#"{"a": [1.10, {"b": "yes", "c": {}}]}"#)?.into_value();
    /// assert_eq!(value.to_yaml(), "a:\n- 1.10\n- b: 'yes'\n  c: {}\n");
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn to_yaml(&self) -> String {
        Block { step: 2, dash: 0 }.lines(self, 0)
    }
}

/// The value on one line of YAML.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&Flow::INLINE.write(self, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_would_mean_something_else() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", "''"),
            ("yes", "'yes'"),
            ("0644", "'0644'"),
            ("1.0", "'1.0'"),
            ("a: b", "'a: b'"),
            ("# c", "'# c'"),
            ("it's", "it's"),
            ("- it's", "'- it''s'"),
            (" x", "' x'"),
            ("a\tb", "\"a\\tb\""),
            ("\u{7f}", "\"\\u007f\""),
            ("$(POD_NAME)", "$(POD_NAME)"),
            ("hub/x:1", "hub/x:1"),
        ] {
            assert_eq!(string(text, false), expected);
        }
        assert_eq!(string("a,b", true), "'a,b'");
    }
}
