//! Checks the types in a JSON text, for the texts that settings and annotations hold in strings.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};

/// The type of a JSON value. As in Go's decoder, names of members may be in any case, members may be
/// null, and those that are not named may have any type; unlike in serde's, an array is not an object.
#[derive(Debug)]
pub(crate) enum Type {
    Boolean,
    String,
    Array(&'static Type),
    /// An object with members of these types.
    Object(&'static [(&'static str, Type)]),
    /// An object whose members all have this type.
    Map(&'static Type),
}

/// Checks a text against a type.
///
/// # Errors
///
/// Where the text is not JSON, or a value has another type; with line and column.
pub(crate) fn check(text: &str, expected: &'static Type) -> Result<(), serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    Checker { expected: Some(expected), may_be_null: false }.deserialize(&mut parser)?;
    parser.end()
}

/// Checks one value; without a type, any value.
struct Checker {
    expected: Option<&'static Type>,
    may_be_null: bool,
}

impl<'de> DeserializeSeed<'de> for Checker {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.expected {
            None => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            Some(_) => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Checker {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self.expected {
            Some(Type::Boolean) => "a boolean",
            Some(Type::String) => "a string",
            Some(Type::Array(_)) => "an array",
            _ => "an object",
        })
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.may_be_null { Ok(()) } else { Err(E::invalid_type(Unexpected::Unit, &self)) }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.expected {
            Some(Type::Boolean) => Ok(()),
            _ => Err(E::invalid_type(Unexpected::Bool(value), &self)),
        }
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        match self.expected {
            Some(Type::String) => Ok(()),
            _ => Err(E::custom("a string")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some(Type::Array(element)) = self.expected else {
            return Err(A::Error::custom("an array"));
        };
        let element_checker = || Checker { expected: Some(element), may_be_null: false };
        while seq.next_element_seed(element_checker())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let of = |key: &str| match self.expected {
            Some(Type::Map(member)) => Ok(Some(*member)),
            Some(Type::Object(members)) => Ok(members
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(key))
                .map(|(_, member)| member)),
            _ => Err(A::Error::custom("an object")),
        };
        while let Some(key) = map.next_key::<std::borrow::Cow<str>>()? {
            map.next_value_seed(Checker { expected: of(&key)?, may_be_null: true })?;
        }
        // An empty object where none belongs.
        of("").map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ENTRIES: Type = Type::Array(&Type::Object(&[
        ("path", Type::String),
        ("disable", Type::Boolean),
        ("tags", Type::Map(&Type::String)),
    ]));

    #[test]
    fn accepts_the_types() {
        for text in [
            "[]",
            r#"[{"path":"/x","disable":true,"tags":{"a":"b"},"more":[1,{"x":[]}]}]"#,
            r#"[{"path":null,"disable":null,"tags":null}]"#,
            r#"[{"\u0070ath":"\u0041"}]"#,
        ] {
            assert!(check(text, &ENTRIES).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_other_types_with_their_place() {
        for (text, line, column) in [
            ("{}", 1, 2),
            ("[[]]", 1, 3),
            (r#"["x"]"#, 1, 4),
            ("[1]", 1, 2),
            ("null", 1, 4),
            ("[null]", 1, 5),
            ("[true]", 1, 5),
            (r#"[{"path":1}]"#, 1, 10),
            ("[{\n\"path\":[]}]", 2, 9),
            (r#"[{"tags":{"a":1}}]"#, 1, 15),
            (r#"[{"Tags":{"a":1}}]"#, 1, 15),
            (r#"[{"tags":[]}]"#, 1, 11),
            (r#"[{"disable":"x"}]"#, 1, 15),
            ("[] x", 1, 4),
            ("[", 1, 1),
            ("", 1, 0),
        ] {
            let error = check(text, &ENTRIES).unwrap_err();
            assert_eq!((error.line(), error.column()), (line, column), "{text}");
        }
    }
}
