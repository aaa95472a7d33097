//! The data of a document, without loss.

use std::collections::HashMap;

use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

use crate::emit::Brackets;

/// A value of JSON. Numbers keep their text: a 64-bit float holds no 30 digits.
#[derive(Clone, Debug)]
pub enum Data {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// The text of a JSON number.
    Number(String),
    /// A string.
    String(String),
    /// A sequence.
    Seq(Vec<Data>),
    /// A map, its members in the order in which they are written.
    Map(Vec<(String, Data)>),
}

impl Data {
    /// The member of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(members) = self else { return None };
        members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The member of a map, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Self::Map(members) = self else { return None };
        members.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a sequence.
    pub fn as_seq(&self) -> Option<&[Self]> {
        match self {
            Self::Seq(elements) => Some(elements),
            _ => None,
        }
    }

    /// The elements of a sequence, to change.
    pub fn as_seq_mut(&mut self) -> Option<&mut Vec<Self>> {
        match self {
            Self::Seq(elements) => Some(elements),
            _ => None,
        }
    }

    /// Whether this is a sequence or map with something in it.
    pub fn is_filled(&self) -> bool {
        match self {
            Self::Seq(elements) => !elements.is_empty(),
            Self::Map(members) => !members.is_empty(),
            _ => false,
        }
    }

    /// The value on one line, as YAML writes it between brackets.
    pub fn to_flow(&self) -> String {
        Brackets { is_json: false, is_compact: false, step: None }.write(self, 0)
    }

    /// How many values there are, with those inside.
    pub fn size(&self) -> usize {
        match self {
            Self::Seq(elements) => elements.iter().map(Self::size).sum::<usize>() + 1,
            Self::Map(members) => members.iter().map(|(_, value)| value.size()).sum::<usize>() + 1,
            _ => 1,
        }
    }
}

/// The members of a map, to look up many of them.
pub(super) fn by_key(members: &[(String, Data)]) -> HashMap<&str, &Data> {
    members.iter().map(|(key, value)| (&**key, value)).collect()
}

/// Maps are equal in any order.
impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(two)) => one == two,
            (Self::Number(one), Self::Number(two)) | (Self::String(one), Self::String(two)) => {
                one == two
            }
            (Self::Seq(one), Self::Seq(two)) => one == two,
            (Self::Map(one), Self::Map(two)) => {
                // Most maps are in the same order.
                if one.len() != two.len() {
                    return false;
                }
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

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(text) => {
                RawValue::from_string(text.clone()).map_err(S::Error::custom)?.serialize(serializer)
            }
            Self::String(text) => serializer.serialize_str(text),
            Self::Seq(elements) => serializer.collect_seq(elements),
            Self::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
