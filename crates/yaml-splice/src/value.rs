//! Values of YAML and JSON.

use std::collections::HashMap;

use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

/// A value, as JSON knows them. Numbers keep their text: a 64-bit float has no room for 30 digits.
///
/// Mappings keep the order of their members, and are equal in any order.
///
/// ```
/// use yaml_splice::{Document, Value};
///
/// let document = Document::parse_yaml("replicas: 0x10\nlabels: {app: web}\n")?;
/// let value = document.unwrap().into_value();
/// assert_eq!(value.get("replicas"), Some(&Value::Number("16".to_owned())));
/// assert_eq!(value.pointer("/labels/app").and_then(Value::as_str), Some("web"));
/// assert_eq!(value.to_string(), "{replicas: 16, labels: {app: web}}");
/// assert_eq!(serde_json::to_string(&value).unwrap(), r#"{"replicas":16,"labels":{"app":"web"}}"#);
/// # Ok::<(), yaml_splice::ParseError>(())
/// ```
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// The text of a JSON number.
    Number(String),
    /// A string.
    String(String),
    /// A sequence; in JSON, an array.
    Sequence(Vec<Value>),
    /// A mapping; in JSON, an object.
    Mapping(Vec<(String, Value)>),
}

impl Value {
    /// The member of a mapping.
    ///
    /// ```
    /// use yaml_splice::Value;
    ///
    /// let value = Value::Mapping(vec![("a".to_owned(), Value::Null)]);
    /// assert_eq!(value.get("a"), Some(&Value::Null));
    /// assert_eq!(value.get("b"), None);
    /// ```
    pub fn get(&self, key: &str) -> Option<&Self> {
        let members = self.as_mapping()?;
        members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The member of a mapping, to change it.
    ///
    /// ```
    /// use yaml_splice::Value;
    ///
    /// let mut value = Value::Mapping(vec![("a".to_owned(), Value::Null)]);
    /// *value.get_mut("a").unwrap() = Value::Bool(true);
    /// assert_eq!(value.to_string(), "{a: true}");
    /// ```
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let members = self.as_mapping_mut()?;
        members.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value that a JSON pointer ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)) leads to.
    ///
    /// ```
    /// use yaml_splice::Document;
    ///
    /// let value = Document::parse_json(r#"{"a/b": [1, {"c": true}]}"#)?.into_value();
    /// assert_eq!(value.pointer("/a~1b/1/c").unwrap().to_string(), "true");
    /// assert_eq!(value.pointer("/a/b"), None);
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        pointer_tokens(pointer).try_fold(self, |value, token| match value {
            Self::Sequence(elements) => elements.get(token.parse::<usize>().ok()?),
            value => value.get(&token),
        })
    }

    /// The value that a JSON pointer leads to, to change it.
    ///
    /// ```
    /// use yaml_splice::{Document, Value};
    ///
    /// let mut value = Document::parse_json(r#"{"a": [1]}"#)?.into_value();
    /// *value.pointer_mut("/a/0").unwrap() = Value::Null;
    /// assert_eq!(value.to_string(), "{a: [null]}");
    /// # Ok::<(), yaml_splice::ParseError>(())
    /// ```
    pub fn pointer_mut(&mut self, pointer: &str) -> Option<&mut Self> {
        pointer_tokens(pointer).try_fold(self, |value, token| match value {
            Self::Sequence(elements) => elements.get_mut(token.parse::<usize>().ok()?),
            value => value.get_mut(&token),
        })
    }

    /// The text of a string.
    ///
    /// ```
    /// use yaml_splice::Value;
    ///
    /// assert_eq!(Value::String("x".to_owned()).as_str(), Some("x"));
    /// assert_eq!(Value::Null.as_str(), None);
    /// ```
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a sequence.
    ///
    /// ```
    /// use yaml_splice::Value;
    ///
    /// assert_eq!(Value::Sequence(vec![Value::Null]).as_sequence().map(<[_]>::len), Some(1));
    /// ```
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match self {
            Self::Sequence(elements) => Some(elements),
            _ => None,
        }
    }

    /// The elements of a sequence, to change them.
    ///
    /// ```
    /// use yaml_splice::Value;
    ///
    /// let mut value = Value::Sequence(Vec::new());
    /// value.as_sequence_mut().unwrap().push(Value::Null);
    /// assert_eq!(value.to_string(), "[null]");
    /// ```
    pub fn as_sequence_mut(&mut self) -> Option<&mut Vec<Self>> {
        match self {
            Self::Sequence(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members of a mapping.
    ///
    /// ```
    /// use yaml_splice::Value;
    ///
    /// let value = Value::Mapping(vec![("a".to_owned(), Value::Null)]);
    /// let keys = value.as_mapping().unwrap().iter().map(|(key, _)| &**key);
    /// assert_eq!(keys.collect::<Vec<_>>(), ["a"]);
    /// ```
    pub fn as_mapping(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Mapping(members) => Some(members),
            _ => None,
        }
    }

    /// The members of a mapping, to change them.
    ///
    /// ```
    /// use yaml_splice::Value;
    ///
    /// let mut value = Value::Mapping(Vec::new());
    /// value.as_mapping_mut().unwrap().push(("a".to_owned(), Value::Bool(true)));
    /// assert_eq!(value.to_string(), "{a: true}");
    /// ```
    pub fn as_mapping_mut(&mut self) -> Option<&mut Vec<(String, Self)>> {
        match self {
            Self::Mapping(members) => Some(members),
            _ => None,
        }
    }

    /// The JSON pointer of a path such as `a.b[0]` below another pointer, as far as it is there, and the
    /// rest of the path.
    pub(crate) fn follow<'p>(&self, pointer: &str, path: &'p str) -> (String, &'p str) {
        let value = self.pointer(pointer);
        let behind = |key: &str| {
            let start = path.get(..key.len()).filter(|start| start.eq_ignore_ascii_case(key));
            let rest = start.and_then(|_| path.get(key.len()..));
            rest.filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let step = match value {
            Some(Self::Mapping(members)) => {
                let fitting = members.iter().filter_map(|(key, _)| Some((key, behind(key)?)));
                let longest = fitting.max_by_key(|(key, _)| key.len());
                longest.map(|(key, rest)| (key.replace('~', "~0").replace('/', "~1"), rest))
            }
            Some(Self::Sequence(_)) => {
                let index = path.strip_prefix('[').and_then(|path| path.split_once(']'));
                index.map(|(index, rest)| (index.to_owned(), rest))
            }
            _ => None,
        };
        let next = step.map(|(token, rest)| (format!("{pointer}/{token}"), rest));
        match next.filter(|(next, _)| self.pointer(next).is_some()) {
            Some((next, rest)) => self.follow(&next, rest.strip_prefix('.').unwrap_or(rest)),
            None => (pointer.to_owned(), path),
        }
    }

    /// Whether it is a sequence or a mapping that is not empty.
    pub(crate) fn is_filled(&self) -> bool {
        match self {
            Self::Sequence(elements) => !elements.is_empty(),
            Self::Mapping(members) => !members.is_empty(),
            _ => false,
        }
    }

    /// How many values there are, this one and those in it.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Sequence(elements) => elements.iter().map(Self::count).sum::<usize>() + 1,
            Self::Mapping(members) => members.iter().map(|(_, it)| it.count()).sum::<usize>() + 1,
            _ => 1,
        }
    }
}

/// The reference tokens of a JSON pointer.
pub(crate) fn pointer_tokens(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"))
}

/// The members of a mapping by their keys, to look up many of them.
pub(crate) fn by_key(members: &[(String, Value)]) -> HashMap<&str, &Value> {
    members.iter().map(|(key, value)| (&**key, value)).collect()
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(two)) => one == two,
            (Self::Number(one), Self::Number(two)) | (Self::String(one), Self::String(two)) => {
                one == two
            }
            (Self::Sequence(one), Self::Sequence(two)) => one == two,
            (Self::Mapping(one), Self::Mapping(two)) => {
                if one.len() != two.len() {
                    return false;
                }
                // Most mappings have the same order.
                if one.iter().zip(two).all(|((one, _), (two, _))| one == two) {
                    return one.iter().zip(two).all(|((_, one), (_, two))| one == two);
                }
                let two = by_key(two);
                one.iter().all(|(key, value)| two.get(&**key).is_some_and(|other| *other == value))
            }
            _ => false,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(text) => {
                RawValue::from_string(text.clone()).map_err(S::Error::custom)?.serialize(serializer)
            }
            Self::String(text) => serializer.serialize_str(text),
            Self::Sequence(elements) => serializer.collect_seq(elements),
            Self::Mapping(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
