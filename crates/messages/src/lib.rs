//! Translates the messages of the policy's tools. The policy itself speaks English.
//!
//! The English message is the key, as in gettext: `zh.json` maps patterns of English messages to
//! Chinese ones, grouped by where they occur. In a pattern, `{name}` matches one word,
//! `{name:number}` digits, `{name:any}` any text, `{name:message}` a message that is translated too,
//! and `{name:list}` a comma-separated list of messages. Codes, names and paths are never translated.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
    )
)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

/// How deep messages are in messages. A user's text that looks like one message in another has no
/// bound.
const MAX_DEPTH: usize = 6;

/// A language for messages.
///
/// ```
/// use messages::Language;
///
/// let chinese = Language::of_tag("zh-CN");
/// assert_eq!(chinese.translate("is a string, expected an array"), "应为数组，实际为字符串");
/// assert_eq!(chinese.translate("not a message"), "not a message");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// What the policy speaks.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

static CHINESE: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    type Groups = BTreeMap<String, BTreeMap<String, String>>;
    // A test reads the file, so it is what it should be.
    let groups: Groups = serde_json::from_str(include_str!("../zh.json")).unwrap_or_default();
    groups.into_values().flatten().collect()
});

impl Language {
    /// The language of a tag such as `zh` or `zh-CN` (BCP 47), or of a locale such as `zh_CN.UTF-8`;
    /// English if there is no translation.
    pub fn of_tag(tag: &str) -> Self {
        let (language, _) = tag.split_once(['-', '_', '.', '@']).unwrap_or((tag, ""));
        if language.eq_ignore_ascii_case("zh") { Self::Chinese } else { Self::English }
    }

    /// English patterns, each with its translation.
    pub fn patterns(self) -> &'static [(String, String)] {
        match self {
            Self::English => &[],
            Self::Chinese => &CHINESE,
        }
    }

    /// A message in this language. One that no pattern matches stays English; of several patterns,
    /// the one with the most text of its own counts.
    pub fn translate(self, message: &str) -> Cow<'_, str> {
        self.translate_within(MAX_DEPTH, message)
    }

    fn translate_within(self, depth: usize, message: &str) -> Cow<'_, str> {
        let Some(depth) = depth.checked_sub(1) else {
            return Cow::Borrowed(message);
        };
        let mut best: Option<(usize, &str, Vec<Placed>)> = None;
        for (english, translated) in self.patterns() {
            let length = own_length(english);
            if best.as_ref().is_none_or(|(longest, ..)| length > *longest)
                && let Some(placed) = matched(english, message)
            {
                best = Some((length, translated, placed));
            }
        }
        best.map_or(Cow::Borrowed(message), |(_, pattern, placed)| {
            Cow::Owned(self.filled(depth, pattern, &placed))
        })
    }

    /// A message about a path, in this language: `path: message`.
    pub fn at(self, path: &str, message: &str) -> String {
        let separator = if path.is_empty() { Cow::Borrowed("") } else { self.translate(": ") };
        format!("{path}{separator}{}", self.translate(message))
    }

    /// Translates the messages of an answer for machines: every `message`, `reason`, `release` and
    /// `readAs`, and the texts in `warnings`, `notes` and `words`.
    pub fn translate_members(self, answer: &mut Value) {
        match answer {
            Value::Array(elements) => elements.iter_mut().for_each(|it| self.translate_members(it)),
            Value::Object(members) => members.iter_mut().for_each(|(key, value)| match value {
                Value::String(text) => {
                    if matches!(&**key, "message" | "reason" | "release" | "readAs") {
                        *text = self.translate(text).into_owned();
                    }
                }
                Value::Array(elements) if matches!(&**key, "warnings" | "notes" | "words") => {
                    for element in elements {
                        match element {
                            Value::String(text) => *text = self.translate(text).into_owned(),
                            other => self.translate_members(other),
                        }
                    }
                }
                other => self.translate_members(other),
            }),
            _ => {}
        }
    }

    /// A translated pattern with its placeholders filled.
    fn filled(self, depth: usize, pattern: &str, placed: &[Placed]) -> String {
        let (start, placeholders) = parts(pattern);
        let mut out = start.to_owned();
        for (name, _, text) in placeholders {
            if let Some(Placed { kind, value, .. }) = placed.iter().find(|it| it.name == name) {
                match kind {
                    Kind::Word | Kind::Number | Kind::Any => out.push_str(value),
                    Kind::Message => out.push_str(&self.translate_within(depth, value)),
                    Kind::List => {
                        let elements = value.split(", ");
                        let elements: Vec<_> =
                            elements.map(|it| self.translate_within(depth, it)).collect();
                        out.push_str(&elements.join(&self.translate(", ")));
                    }
                }
            }
            out.push_str(text);
        }
        out
    }
}

/// The kind of text that a placeholder matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    Any,
    Message,
    List,
}

/// A placeholder, and the text that it matches in a message.
struct Placed<'t> {
    name: &'t str,
    kind: Kind,
    value: &'t str,
}

/// The text of a pattern before its first placeholder; then each placeholder, by name and kind, with
/// the text behind it.
fn parts(pattern: &str) -> (&str, impl Iterator<Item = (&str, Kind, &str)>) {
    let (start, rest) = pattern.split_once('{').unwrap_or((pattern, ""));
    let placeholders = rest.split('{').filter_map(|part| {
        let (placeholder, text) = part.split_once('}')?;
        let (name, kind) = placeholder.split_once(':').unwrap_or((placeholder, ""));
        let kind = match kind {
            "any" => Kind::Any,
            "list" => Kind::List,
            "number" => Kind::Number,
            "message" => Kind::Message,
            _ => Kind::Word,
        };
        Some((name, kind, text))
    });
    (start, placeholders)
}

/// How much text of its own a pattern has.
fn own_length(pattern: &str) -> usize {
    let (start, placeholders) = parts(pattern);
    placeholders.fold(start.len(), |length, (_, _, text)| length.saturating_add(text.len()))
}

/// The values of a pattern's placeholders in a message; `None` if the message does not match. A
/// placeholder ends at the first occurrence of the text behind it.
fn matched<'t>(pattern: &'t str, message: &'t str) -> Option<Vec<Placed<'t>>> {
    let (start, placeholders) = parts(pattern);
    let mut placeholders = placeholders.peekable();
    let mut rest = message.strip_prefix(start)?;
    let mut placed = Vec::new();
    while let Some((name, kind, text)) = placeholders.next() {
        let (value, after) = match placeholders.peek() {
            // Advice follows the last one: a reason may have some in it.
            Some(_) if text == "; " => rest.rsplit_once(text)?,
            Some(_) => rest.split_once(text)?,
            None => (rest.strip_suffix(text)?, ""),
        };
        let is_other = match kind {
            Kind::Word => value.contains(char::is_whitespace),
            Kind::Number => !value.bytes().all(|byte| byte.is_ascii_digit()),
            _ => false,
        };
        if is_other {
            return None;
        }
        placed.push(Placed { name, kind, value });
        rest = after;
    }
    rest.is_empty().then_some(placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_by_the_text_between_placeholders() {
        for (pattern, message, expected) in [
            ("is set", "is set", Some(&[][..])),
            ("is set", "is set twice", None),
            ("{name} is set", "a is set", Some(&["a"])),
            ("{name} is set", "a b is set", None),
            ("{name:any} is set", "a b is set", Some(&["a b"])),
            ("in {name}", "in ", Some(&[""])),
            ("of {count:number}", "of 3", Some(&["3"])),
            ("of {count:number}", "of 3)", None),
            ("{a:any}: {b:any}", "a: b: c", Some(&["a", "b: c"])),
            ("{a} and {b}", "a and", None),
        ] {
            let placed = matched(pattern, message);
            let values = placed.map(|it| it.iter().map(|it| it.value).collect::<Vec<_>>());
            assert_eq!(values.as_deref(), expected, "{pattern}: {message}");
        }
    }

    #[test]
    fn the_pattern_with_the_most_text_counts() {
        for (message, expected) in [
            ("is required", "必填"),
            ("is required: java, python", "必填，应为其中之一：java、python"),
            ("is required: the image to inject", "必填：要注入的镜像"),
            ("unknown value `a b`; did you mean `c`?", "未知的值 `a b`；是否应为 `c`？"),
            (
                "logfwd is not injected into Pod/a: the pod runs on Windows; something el",
                "logfwd 未注入到 Pod/a：Pod 运行在 Windows 上；something el",
            ),
            (
                "a is not injected into b: the matching rule is invalid: envs.A; B; remove annotations",
                "a 未注入到 b：匹配的规则无效：envs.A; B；请删除一些注解",
            ),
            (
                "2 errors, 1 note (read as values of a chart)",
                "2 个错误，1 条提示（来源：chart 的 values）",
            ),
        ] {
            assert_eq!(Language::Chinese.translate(message), expected);
            assert_eq!(Language::English.translate(message), message);
        }
    }

    /// A user's text may look like messages in messages, without end.
    #[test]
    fn survives_a_text_that_looks_like_messages() {
        for (start, repeated) in [
            ("unknown level `x`; expected one of ", "a: "),
            ("unknown level `x`; expected one of ", "a, "),
            ("`(` is not a regular expression: ", "`a` is not a regular expression: "),
            ("read as release ", "1: "),
            ("", "; "),
        ] {
            let text = format!("{start}{}", repeated.repeat(20_000));
            assert!(Language::Chinese.translate(&text).len() > 20_000);
        }
    }

    #[test]
    fn translates_the_messages_of_answers_alone() {
        let mut answer = serde_json::json!({
            "errors": [{ "code": "matches", "path": "matches", "message": "is required" }],
            "notes": [{ "path": "", "message": "is empty" }, "is empty"],
            "object": { "name": "is empty" }, "reason": { "message": "matches" }, "release": null,
            "words": ["ddtrace: namespaces ^a or b; labels x=y", "never: namespaces a, b"],
        });
        Language::Chinese.translate_members(&mut answer);
        let expected = serde_json::json!({
            "errors": [{ "code": "matches", "path": "matches", "message": "必填" }],
            "notes": [{ "path": "", "message": "为空" }, "为空"],
            "object": { "name": "is empty" }, "reason": { "message": "匹配" }, "release": null,
            "words": ["ddtrace：命名空间 ^a or b；标签 x=y", "从不：命名空间 a、b"],
        });
        assert_eq!(answer, expected);
    }

    #[test]
    fn reads_tags() {
        for (tag, expected) in [
            ("zh", Language::Chinese),
            ("ZH-Hans-CN", Language::Chinese),
            ("en", Language::English),
            ("zhx", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of_tag(tag), expected, "{tag}");
        }
    }

    /// A placeholder that only one of the two has would lose what it stands for.
    #[test]
    fn patterns_have_the_same_placeholders_in_both_languages() {
        let names = |pattern: &'static str| {
            let mut names: Vec<_> = parts(pattern).1.map(|(name, ..)| name).collect();
            names.sort_unstable();
            names
        };
        for (english, translated) in Language::Chinese.patterns() {
            assert_eq!(names(english), names(translated), "{english}");
            // A kind that is not known would count as a word.
            for (name, kind, _) in parts(english).1 {
                let is_given = english.contains(&format!("{{{name}:"));
                assert_eq!(is_given, kind != Kind::Word, "{english}");
            }
            let mut distinct = names(english);
            distinct.dedup();
            assert_eq!(distinct, names(english), "{english}");
            assert!(own_length(english) > 0 && !translated.contains(":message"), "{english}");
            // Without a text between them there is no telling two placeholders apart.
            let count = parts(english).1.count();
            let empty =
                parts(english).1.take(count.saturating_sub(1)).find(|(.., text)| text.is_empty());
            assert!(empty.is_none(), "{english}");
        }
    }

    /// Of two patterns that match the same texts, one would never be used.
    #[test]
    fn no_two_patterns_match_the_same() {
        let mut shapes = std::collections::BTreeMap::new();
        for (english, _) in Language::Chinese.patterns() {
            let (start, placeholders) = parts(english);
            let shape: String = placeholders.map(|(.., text)| format!("{{}}{text}")).collect();
            let other = shapes.insert(format!("{start}{shape}"), english);
            assert_eq!(other, None, "{english}");
        }
    }
}
