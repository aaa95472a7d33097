//! A lazily parsed JSON document that round-trips byte for byte.
//!
//! An admission object is mostly text that the policy never reads. So it does not become a tree of
//! values: [`Value::open`] parses it along a [`Shape`] and keeps everything else as the slice of
//! text that it is. What was not opened is written back byte for byte: unknown fields, 30-digit
//! numbers and lone surrogates come out as they came in, and nesting costs no stack.

pub(crate) mod scan;
pub(crate) mod types;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use serde::de::{Error as _, IgnoredAny};

use crate::collections::map;

/// Which parts of a document to open. What a shape does not name stays text.
#[derive(Debug)]
pub enum Shape {
    /// Leave it as text.
    Text,
    /// Open an object, and the members named here further.
    Object(&'static [(&'static str, Shape)]),
    /// Open an object, and every member along one shape.
    Map(&'static Shape),
    /// Open an array, and every element.
    Array(&'static Shape),
}

impl Shape {
    /// The shape of a member; nothing where this is not the shape of an object.
    fn member(&self, key: &Key) -> Option<&'static Self> {
        match self {
            Self::Object(members) => {
                let named = members.iter().find(|(name, _)| key.is(name));
                Some(named.map_or(&Self::Text, |(_, shape)| shape))
            }
            Self::Map(member) => Some(member),
            Self::Text | Self::Array(_) => None,
        }
    }
}

/// A JSON value, opened or not.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// The text of a value that nobody opened.
    Text(&'a str),
    /// The text of a value that was made here; shared, because it may be inserted many times.
    New(Rc<str>),
    /// An opened object.
    Object(Object<'a>),
    /// An opened array.
    Array(Vec<Value<'a>>),
}

/// The members of an opened object, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<'a> {
    members: Vec<(Key<'a>, Value<'a>)>,
}

/// The key of a member.
#[derive(Clone, Debug, PartialEq)]
pub enum Key<'a> {
    /// The content between the quotes, with nothing escaped in it.
    Plain(&'a str),
    /// The quoted text of a key with escapes in it.
    Escaped(&'a str),
    /// A key that was added, with nothing to escape.
    New(Cow<'static, str>),
}

impl<'a> Key<'a> {
    /// The key without quotes and escapes; nothing where it is not Unicode (a lone surrogate).
    pub fn name(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Plain(name) => Some(Cow::Borrowed(name)),
            Self::Escaped(quoted) => string(quoted),
            Self::New(name) => Some(name.clone()),
        }
    }

    /// Its text, as it is written: never shorter than its name.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Escaped(text) => text,
            Self::New(text) => text,
        }
    }

    #[inline(always)]
    pub(crate) fn is(&self, name: &str) -> bool {
        match self {
            Self::Plain(plain) => *plain == name,
            Self::New(added) => *added == name,
            Self::Escaped(quoted) => Self::decodes_to(quoted, name),
        }
    }

    #[cold]
    fn decodes_to(quoted: &str, name: &str) -> bool {
        string(quoted).is_some_and(|decoded| decoded == name)
    }
}

impl Default for Value<'_> {
    fn default() -> Self {
        Self::Text("null")
    }
}

impl<'a> Value<'a> {
    /// Opens a document along a shape.
    ///
    /// Afterwards every part that the shape names is opened, except where the document has
    /// another type there: that part stays text.
    ///
    /// # Errors
    ///
    /// Where the text is not one JSON value.
    pub fn open(text: &'a str, shape: &'static Shape) -> Result<Self, serde_json::Error> {
        // Reading again finds the place of the error.
        scan::open(text, shape).ok_or_else(|| match serde_json::from_str::<IgnoredAny>(text) {
            Err(error) => error,
            Ok(_) => serde_json::Error::custom(std::fmt::Error),
        })
    }

    /// Opens this value further, where it is still text.
    pub fn open_further(&mut self, shape: &'static Shape) {
        if let Self::Text(text) = self
            && let Ok(opened) = Self::open(text, shape)
        {
            *self = opened;
        }
    }

    /// A new object.
    pub fn object<const N: usize>(members: [(&'static str, Value<'a>); N]) -> Self {
        let members = members.into_iter().map(|(name, value)| (Key::Plain(name), value));
        Self::Object(Object { members: members.collect() })
    }

    /// A new string.
    pub fn string(string: &str) -> Self {
        Self::New(text(string).into())
    }

    /// A new value: the JSON of something that serialises.
    pub fn new(value: &impl Serialize) -> Self {
        // Writing a plain struct with string keys to memory does not fail; null is what JSON has
        // for a value that cannot be written.
        Self::New(serde_json::to_string(value).map_or_else(|_| "null".into(), Rc::from))
    }

    /// The object, where this is an opened one.
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object, to be changed, where this is an opened one.
    pub fn as_object_mut(&mut self) -> Option<&mut Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The elements, where this is an opened array.
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The string, where this is one and Unicode.
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => string(text),
            Self::New(text) => string(text).map(|text| Cow::Owned(text.into_owned())),
            _ => None,
        }
    }

    /// The text of a value that was not opened.
    pub fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The length of the text of a value that was not opened; none for an opened one.
    pub(crate) fn text_length(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::New(text) => text.len(),
            Self::Object(_) | Self::Array(_) => 0,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Text("null"))
    }

    /// The JSON type, as a noun with its article.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Object(_) => "an object",
            Self::Array(_) => "an array",
            Self::Text(text) => type_of(text),
            Self::New(text) => type_of(text),
        }
    }

    /// The JSON text of this value.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Appends the JSON text of this value.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::New(text) => out.push_str(text),
            Self::Object(object) => object.write(out),
            Self::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
        }
    }
}

impl<'a> Object<'a> {
    /// The object that a text is; `None` if it is something else.
    pub fn parse(text: &'a str) -> Option<Self> {
        static OBJECT: Shape = Shape::Object(&[]);
        match Value::open(text, &OBJECT) {
            Ok(Value::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// The member of that name. Of several, the last counts, as in Go's decoder.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let mut members = self.members.iter().rev();
        members.find(|(key, _)| key.is(name)).map(|(_, value)| value)
    }

    /// The member of that name in any case, as Go's decoder finds it.
    pub fn get_in_any_case(&self, name: &str) -> Option<&Value<'a>> {
        let mut members = self.members.iter().rev();
        let is_named = |key: &Key| key.name().is_some_and(|key| key.eq_ignore_ascii_case(name));
        members.find(|(key, _)| is_named(key)).map(|(_, value)| value)
    }

    /// The member of that name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value<'a>> {
        let mut members = self.members.iter_mut().rev();
        members.find(|(key, _)| key.is(name)).map(|(_, value)| value)
    }

    /// The string at that name.
    pub fn get_str(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(Value::as_str)
    }

    /// An object of one member.
    pub(crate) fn of_member(key: Key<'a>, value: Value<'a>) -> Self {
        Self { members: vec![(key, value)] }
    }

    /// The same object without the members of a name.
    pub(crate) fn without(&self, name: &str) -> Self {
        let members = self.members.iter().filter(|(key, _)| !key.is(name));
        Self { members: members.cloned().collect() }
    }

    /// Every member, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Key<'a>, &Value<'a>)> {
        self.members.iter().map(|(key, value)| (key, value))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Sets a member: in place where it is there, else at the end.
    ///
    /// The name is one of Kubernetes or Datakit: it has nothing to escape.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: Value<'a>) {
        let name = name.into();
        match self.get_mut(&name) {
            Some(place) => *place = value,
            None => self.members.push((Key::New(name), value)),
        }
    }

    /// Appends a member, whose name is not there yet.
    pub fn push(&mut self, key: Key<'a>, value: Value<'a>) {
        self.members.push((key, value));
    }

    /// Opens a member and gives it out; null or nothing becomes an empty object.
    ///
    /// Nothing where the member has another type.
    pub fn open_object(&mut self, name: &'static str) -> Option<&mut Object<'a>> {
        if self.get(name).is_none_or(Value::is_null) {
            self.set(name, Value::Object(Object::default()));
        }
        let value = self.get_mut(name)?;
        value.open_further(&Shape::Object(&[]));
        value.as_object_mut()
    }

    /// Removes every member of that name; gives the last one.
    pub fn remove(&mut self, name: &str) -> Option<Value<'a>> {
        let value = self.get_mut(name).map(std::mem::take);
        if value.is_some() {
            self.members.retain(|(key, _)| !key.is(name));
        }
        value
    }

    /// The texts of the members, by key; of several of one key the last.
    fn by_key(&self) -> BTreeMap<Cow<'a, str>, &'a str> {
        let named = |(key, value): &(Key<'a>, Value<'a>)| {
            let text = match key {
                Key::Plain(text) | Key::Escaped(text) => Cow::Borrowed(*text),
                Key::New(text) => text.clone(),
            };
            Some((key.name().unwrap_or(text), value.as_text()?))
        };
        map(self.members.iter().filter_map(named))
    }

    /// The JSON text of this object.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Appends the JSON text of this object.
    pub fn write(&self, out: &mut String) {
        out.push('{');
        for (index, (key, value)) in self.members.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            match key {
                Key::Plain(name) => {
                    out.push('"');
                    out.push_str(name);
                    out.push('"');
                }
                Key::New(name) => {
                    out.push('"');
                    out.push_str(name);
                    out.push('"');
                }
                Key::Escaped(quoted) => out.push_str(quoted),
            }
            out.push(':');
            value.write(out);
        }
        out.push('}');
    }
}

/// The JSON text of a string.
pub fn text(string: &str) -> String {
    let mut out = String::with_capacity(string.len().saturating_add(2));
    push_text(&mut out, string);
    out
}

/// Appends the JSON text of a string.
pub(crate) fn push_text(out: &mut String, string: &str) {
    out.push('"');
    push_escaped(out, string);
    out.push('"');
}

/// Appends what is between the quotes of the JSON text of a string.
pub(crate) fn push_escaped(out: &mut String, string: &str) {
    let mut rest = string;
    while let Some((plain, special)) = rest.split_at_checked(scan::plain_length(rest.as_bytes())) {
        out.push_str(plain);
        let Some(byte) = special.bytes().next() else {
            return;
        };
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => out.push_str(&format!("\\u{byte:04x}")),
        }
        rest = special.get(1..).unwrap_or_default();
    }
}

/// Whether nothing in a string has to be escaped.
pub(crate) fn is_plain(string: &str) -> bool {
    scan::plain_length(string.as_bytes()) == string.len()
}

/// The same JSON without white space between its tokens. Takes valid JSON.
pub fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((tokens, string)) = rest.split_once('"') {
        out.extend(tokens.split_ascii_whitespace());
        let length = scan::string_length(string).unwrap_or(string.len());
        let (string, after) = string.split_at_checked(length).unwrap_or((string, ""));
        out.push('"');
        out.push_str(string);
        rest = after;
    }
    out.extend(rest.split_ascii_whitespace());
    out
}

/// Whether two objects have the same value: white space and the order of keys do not matter.
pub fn same_objects(one: &Object, other: &Object) -> bool {
    *one == *other || same(&one.to_json(), &other.to_json())
}

/// Whether two JSON texts have the same value: white space and the order of keys do not matter.
///
/// The text of every object is read once for each level above it, so the work is limited; texts
/// that are nested deeper than anything that Kubernetes stores count as different.
pub fn same(one: &str, other: &str) -> bool {
    const LEVELS: usize = 32;
    let mut budget = one.len().saturating_add(other.len()).saturating_mul(LEVELS);
    same_within(&mut budget, one, other)
}

fn same_within(budget: &mut usize, one: &str, other: &str) -> bool {
    static OBJECT: Shape = Shape::Object(&[]);
    static ARRAY: Shape = Shape::Array(&Shape::Text);
    if one == other {
        return true;
    }
    let Some(left) = budget.checked_sub(one.len().saturating_add(other.len())) else {
        return false;
    };
    *budget = left;
    let open = |text| Value::open(text, if text.starts_with('[') { &ARRAY } else { &OBJECT });
    match (open(one), open(other)) {
        (Ok(Value::Object(one)), Ok(Value::Object(other))) => {
            let (one, other) = (one.by_key(), other.by_key());
            one.len() == other.len()
                && one.iter().zip(&other).all(|((key, one), (other_key, other))| {
                    key == other_key && same_within(budget, one, other)
                })
        }
        (Ok(Value::Array(one)), Ok(Value::Array(other))) => {
            one.len() == other.len()
                && one.iter().zip(&other).all(|(one, other)| {
                    let texts = one.as_text().zip(other.as_text());
                    texts.is_some_and(|(one, other)| same_within(budget, one, other))
                })
        }
        (Ok(one), Ok(other)) => {
            // Strings that are escaped in another way.
            one.as_str().zip(other.as_str()).is_some_and(|(one, other)| one == other)
        }
        _ => false,
    }
}

/// Decodes the text of a string.
fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut length = scan::plain_length(inner.as_bytes());
    if length == inner.len() {
        return Some(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_at_checked(length) {
        out.push_str(plain);
        if escape.is_empty() {
            break;
        }
        out.push(match *escape.as_bytes().get(1)? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            // Code points, of which two may make one character.
            _ => return serde_json::from_str(text).ok().map(Cow::Owned),
        });
        rest = escape.get(2..)?;
        length = scan::plain_length(rest.as_bytes());
    }
    Some(Cow::Owned(out))
}

fn type_of(text: &str) -> &'static str {
    match text.bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SHAPE: Shape = Shape::Object(&[
        ("a", Shape::Object(&[("b", Shape::Array(&Shape::Object(&[])))])),
        ("c", Shape::Array(&Shape::Text)),
    ]);

    fn written(text: &str) -> String {
        let mut out = String::new();
        Value::open(text, &SHAPE).unwrap().write(&mut out);
        out
    }

    #[test]
    fn writes_back_what_it_read() {
        for text in [
            r#"{"a":{"b":[{"x":1e21},{}]},"c":[-0.0,123456789012345678901234567890,1.0]}"#,
            r#"{"\ud800":"\udfff","a":null,"c":null,"\u0061\"":{"deep":[[[{}]]]}}"#,
            r#"{"a":"another type","c":{"x":[ 1,  2 ]}}"#,
            r#"{"a":{"b":[1,"x",null,{"y":{}}]},"c":[],"a":{"b":7}}"#,
            "[1]",
            "null",
            "7",
        ] {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn keeps_the_text_of_what_it_does_not_open() {
        let text = "{\"a\" : { \"x\" : [ 1 ,\n2 ] } }";
        assert_eq!(written(text), "{\"a\":{\"x\":[ 1 ,\n2 ]}}");
    }

    #[test]
    fn rejects_what_is_not_json() {
        for text in ["", "{", "{\"a\":}", "{} {}", "{\"a\":\"\u{1}\"}", "nul", "01", "{a:1}"] {
            assert!(Value::open(text, &SHAPE).is_err(), "{text}");
        }
    }

    #[test]
    fn takes_any_nesting() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
        assert_eq!(written(&deep), deep);
    }

    #[test]
    fn finds_the_last_of_several_members_also_by_escaped_key() {
        let value = Value::open(r#"{"x":1,"\u0078":"2"}"#, &SHAPE).unwrap();
        assert_eq!(value.as_object().unwrap().get_str("x").unwrap(), "2");
    }

    #[test]
    fn decodes_strings_that_are_unicode() {
        for (text, expected) in [
            (r#""plain""#, Some("plain")),
            (r#""a\n\u00e9""#, Some("a\né")),
            (r#""\"\\\/\t\r""#, Some("\"\\/\t\r")),
            (r#""é\bwith more than eight bytes\f""#, Some("é\u{8}with more than eight bytes\u{c}")),
            (r#""\ud800""#, None),
            ("7", None),
        ] {
            assert_eq!(Value::Text(text).as_str().as_deref(), expected);
        }
    }

    #[test]
    fn writes_strings_as_json() {
        for string in ["", "plain", "\"\\/\u{0}\u{1f}\n\té漢😀\u{7f}"] {
            assert_eq!(serde_json::from_str::<String>(&text(string)).unwrap(), string);
        }
    }

    #[test]
    fn compares_what_texts_say() {
        for (one, other, expected) in [
            (r#"{"a":1,"b":[{"x":1,"y":2}]}"#, r#"{ "b": [{"y":2, "x":1}], "a":1}"#, true),
            (r#"{"a":1}"#, r#"{"a":2}"#, false),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#, false),
            ("[1,2]", "[2,1]", false),
            ("[1, 2]", "[1,2]", true),
            ("{}", "[]", false),
            ("1", "1.0", false),
            (r#"{"a":"x"}"#, "7", false),
        ] {
            assert_eq!(same(one, other), expected, "{one} {other}");
        }
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(!same(&deep, &format!(" {deep}")));
    }

    #[test]
    fn compacts_between_tokens_only() {
        let text = "[ {\"a b\" : \"x \\\" y\\\\\" ,\n\t\"n\":  1.50 } ]";
        assert_eq!(compact(text), r#"[{"a b":"x \" y\\","n":1.50}]"#);
    }
}
