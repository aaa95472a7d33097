//! Reads blocks of settings and collects every error with its path.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::json::{Object, Shape, Value};

/// An error in the settings, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The path, such as `admission_inject_v2.ddtraces[1].image`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match (&*self.path, &*self.message) {
            ("", message) => formatter.write_str(message),
            (path, message) => write!(formatter, "{path}: {message}"),
        }
    }
}

/// The errors found so far.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<SettingsError>);

impl Errors {
    pub(crate) fn add(&mut self, path: &Path, message: impl fmt::Display) {
        self.0.push(SettingsError { path: path.to_string(), message: message.to_string() });
    }

    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// These errors but for those at or below a path.
    pub(crate) fn without(mut self, path: &str) -> Self {
        self.0.retain(|error| !error.path.starts_with(path));
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn first(&self) -> Option<&SettingsError> {
        self.0.first()
    }

    pub(crate) fn into_vec(self) -> Vec<SettingsError> {
        self.0
    }
}

/// A path in the settings. It becomes text only where it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => formatter.write_str(key),
            Self::Key(parent, key) => write!(formatter, "{parent}.{key}"),
            Self::Index(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

/// How the keys of a block are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Sensitive,
    /// As Go's decoder does, where people rely on it.
    Insensitive,
}

/// An object of the settings, and its path.
#[derive(Debug)]
pub(crate) struct Block<'s, 'a> {
    pub(crate) path: Path<'s>,
    object: Cow<'s, Object<'a>>,
    case: Case,
}

impl<'s, 'a> Block<'s, 'a> {
    pub(crate) fn new(path: Path<'s>, object: &'s Object<'a>, case: Case) -> Self {
        Self { path, object: Cow::Borrowed(object), case }
    }

    /// The object that a value is, opened now where it is still text; an error where it is none.
    pub(crate) fn of_value(
        path: Path<'s>,
        value: &'s Value<'a>,
        case: Case,
        errors: &mut Errors,
    ) -> Option<Self> {
        static OBJECT: Shape = Shape::Object(&[]);
        let object = match value {
            Value::Object(object) => Some(Cow::Borrowed(object)),
            Value::Text(text) => match Value::open(text, &OBJECT) {
                Ok(Value::Object(object)) => Some(Cow::Owned(object)),
                _ => None,
            },
            _ => None,
        };
        if object.is_none() {
            expected(&path, "an object", value, errors);
        }
        object.map(|object| Self { path, object, case })
    }

    /// Every member, in order.
    pub(crate) fn members(&self) -> impl DoubleEndedIterator<Item = (Cow<'a, str>, &Value<'a>)> {
        self.object.iter().map(|(key, value)| (key.name().unwrap_or_default(), value))
    }

    /// How many members it has.
    pub(crate) fn len(&self) -> usize {
        self.object.len()
    }

    /// Whether it has no members.
    pub(crate) fn is_empty(&self) -> bool {
        self.object.is_empty()
    }

    /// The value at a key; null counts as absent, as in Go.
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        let value = match self.case {
            Case::Sensitive => self.object.get(key),
            Case::Insensitive => {
                let mut members = self.members().rev();
                members.find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
            }
        };
        value.filter(|value| !value.is_null())
    }

    /// The string at a key.
    pub(crate) fn string(&self, key: &str, errors: &mut Errors) -> Option<Cow<'a, str>> {
        let value = self.get(key)?;
        string(&Path::Key(&self.path, key), value, errors)
    }

    /// The string at a key, or the text of a number, which people write without quotes.
    pub(crate) fn scalar(&self, key: &str, errors: &mut Errors) -> Option<Cow<'a, str>> {
        let value = self.get(key)?;
        match value.type_name() {
            "a number" => value.as_text().map(Cow::Borrowed),
            _ => string(&Path::Key(&self.path, key), value, errors),
        }
    }

    /// The boolean at a key; false where nothing is there.
    pub(crate) fn boolean(&self, key: &str, errors: &mut Errors) -> bool {
        match self.get(key) {
            None | Some(Value::Text("false")) => false,
            Some(Value::Text("true")) => true,
            Some(other) => {
                expected(&Path::Key(&self.path, key), "a boolean", other, errors);
                false
            }
        }
    }

    /// The block at a key.
    pub(crate) fn block<'b>(
        &'b self,
        key: &'b str,
        case: Case,
        errors: &mut Errors,
    ) -> Option<Block<'b, 'a>> {
        let value = self.get(key)?;
        Block::of_value(Path::Key(&self.path, key), value, case, errors)
    }

    /// The elements of the list at a key.
    pub(crate) fn list(&self, key: &str, errors: &mut Errors) -> Cow<'_, [Value<'a>]> {
        static LIST: Shape = Shape::Array(&Shape::Text);
        let Some(value) = self.get(key) else {
            return Cow::Borrowed(&[]);
        };
        match value {
            Value::Array(elements) => return Cow::Borrowed(elements),
            Value::Text(text) => {
                if let Ok(Value::Array(elements)) = Value::open(text, &LIST) {
                    return Cow::Owned(elements);
                }
            }
            _ => {}
        }
        expected(&Path::Key(&self.path, key), "an array", value, errors);
        Cow::Borrowed(&[])
    }

    /// What `read` makes of the strings of the list at a key; it gets the place of each.
    pub(crate) fn strings<T>(
        &self,
        key: &str,
        errors: &mut Errors,
        read: impl FnMut(&Path, Cow<'a, str>, &mut Errors) -> Option<T>,
    ) -> Vec<T> {
        let elements = self.list(key, errors);
        self.strings_of(key, &elements, errors, read)
    }

    /// The same for elements that were already listed.
    pub(crate) fn strings_of<T>(
        &self,
        key: &str,
        elements: &[Value<'a>],
        errors: &mut Errors,
        mut read: impl FnMut(&Path, Cow<'a, str>, &mut Errors) -> Option<T>,
    ) -> Vec<T> {
        let list = Path::Key(&self.path, key);
        let read_element = |(index, element): (usize, &Value<'a>)| {
            let path = Path::Index(&list, index);
            let text = string(&path, element, errors)?;
            read(&path, text, errors)
        };
        elements.iter().enumerate().filter_map(read_element).collect()
    }

    /// Adds an error at a key.
    pub(crate) fn error(&self, key: &str, message: impl fmt::Display, errors: &mut Errors) {
        errors.add(&Path::Key(&self.path, key), message);
    }

    /// Adds an error for every key that is not known, and for keys that differ only in case.
    pub(crate) fn check_keys(&self, known: &[&str], errors: &mut Errors) {
        let mut seen: BTreeMap<String, Cow<str>> = BTreeMap::new();
        for (name, _) in self.members() {
            let is_known = match self.case {
                Case::Sensitive => known.contains(&&*name),
                Case::Insensitive => known.iter().any(|key| name.eq_ignore_ascii_case(key)),
            };
            if !is_known {
                let hint = did_you_mean(&name, known);
                self.error(&name, format_args!("unknown key{hint}"), errors);
            }
            if let Some(other) = seen.get(&name.to_ascii_lowercase())
                && *other != name
            {
                self.error(&name, format_args!("differs from `{other}` only in case"), errors);
            }
            seen.insert(name.to_ascii_lowercase(), name);
        }
    }
}

/// Adds the fault that another type was expected.
pub(crate) fn expected(path: &Path, noun: &str, found: &Value, errors: &mut Errors) {
    errors.add(path, format_args!("is {}, expected {noun}", found.type_name()));
}

/// The string that a value is.
pub(crate) fn string<'a>(
    path: &Path,
    value: &Value<'a>,
    errors: &mut Errors,
) -> Option<Cow<'a, str>> {
    let text = value.as_str();
    match value.type_name() {
        _ if text.is_some() => {}
        "a string" => errors.add(path, "is not valid Unicode"),
        _ => expected(path, "a string", value, errors),
    }
    text
}

/// `; did you mean …` with the known word that is nearest, or nothing.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or_else(String::new, |it| format!("; did you mean `{it}`?"))
}

/// The known word that is nearest to another, where one is near.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |known: &str| strsim::osa_distance(&word.to_ascii_lowercase(), known);
    // Words longer than any key would make the comparison costly, and are no typing mistake.
    let nearest = known.iter().filter(|_| word.len() <= 64).min_by_key(|known| distance(known));
    nearest.copied().filter(|nearest| distance(nearest) <= nearest.len().div_ceil(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_word_only_where_it_is_near() {
        for (word, expected) in [
            ("labelselectors", "; did you mean `label_selectors`?"),
            ("Image", "; did you mean `image`?"),
            ("imgae", "; did you mean `image`?"),
            ("replicas", ""),
        ] {
            assert_eq!(did_you_mean(word, &["image", "label_selectors"]), expected, "{word}");
        }
    }

    #[test]
    fn writes_paths_as_people_do() {
        let list = Path::Key(&Path::Root, "rules");
        let path = Path::Index(&list, 2);
        assert_eq!(Path::Key(&path, "image").to_string(), "rules[2].image");
    }
}
