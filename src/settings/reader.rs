//! Reading blocks of settings, collecting every fault with its path.

use std::borrow::Cow;
use std::fmt;

use crate::json::{Object, Shape, Value};

/// Something wrong with the settings, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The place, such as `admission_inject_v2.ddtraces[1].image`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match (&*self.path, &*self.message) {
            ("", message) => formatter.write_str(message),
            (path, message) => write!(formatter, "{path}: {message}"),
        }
    }
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, path: &Path, message: impl fmt::Display) {
        self.0.push(Fault { path: path.to_string(), message: message.to_string() });
    }

    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(crate) fn first(&self) -> Option<&Fault> {
        self.0.first()
    }

    pub(crate) fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

/// A place in the settings. It becomes text only where a fault is.
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

/// An object of the settings, and where it stands.
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

    /// The object that a value is, opened now where it is still text; a fault where it is none.
    pub(crate) fn of_value(
        path: Path<'s>,
        value: &'s Value<'a>,
        case: Case,
        faults: &mut Faults,
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
            expected(&path, "an object", value, faults);
        }
        object.map(|object| Self { path, object, case })
    }

    /// Every member, in order.
    pub(crate) fn members(&self) -> impl Iterator<Item = (Cow<'a, str>, &Value<'a>)> {
        self.object.iter().map(|(key, value)| (key.name().unwrap_or_default(), value))
    }

    /// How many members it has.
    pub(crate) fn len(&self) -> usize {
        self.object.len()
    }

    /// Whether nothing stands in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.object.is_empty()
    }

    /// The value at a key; null counts as absent, as in Go.
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        let value = match self.case {
            Case::Sensitive => self.object.get(key),
            Case::Insensitive => {
                let mut members = self.members();
                members.find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
            }
        };
        value.filter(|value| !value.is_null())
    }

    /// The string at a key.
    pub(crate) fn string(&self, key: &str, faults: &mut Faults) -> Option<Cow<'a, str>> {
        let value = self.get(key)?;
        string(&Path::Key(&self.path, key), value, faults)
    }

    /// The string at a key, or the text of a number, which people write without quotes.
    pub(crate) fn scalar(&self, key: &str, faults: &mut Faults) -> Option<Cow<'a, str>> {
        let value = self.get(key)?;
        match value.type_name() {
            "a number" => value.as_text().map(Cow::Borrowed),
            _ => string(&Path::Key(&self.path, key), value, faults),
        }
    }

    /// The boolean at a key; false where nothing is there.
    pub(crate) fn boolean(&self, key: &str, faults: &mut Faults) -> bool {
        match self.get(key) {
            None | Some(Value::Text("false")) => false,
            Some(Value::Text("true")) => true,
            Some(other) => {
                expected(&Path::Key(&self.path, key), "a boolean", other, faults);
                false
            }
        }
    }

    /// The block at a key.
    pub(crate) fn block<'b>(
        &'b self,
        key: &'b str,
        case: Case,
        faults: &mut Faults,
    ) -> Option<Block<'b, 'a>> {
        let value = self.get(key)?;
        Block::of_value(Path::Key(&self.path, key), value, case, faults)
    }

    /// The elements of the list at a key.
    pub(crate) fn list(&self, key: &str, faults: &mut Faults) -> Cow<'_, [Value<'a>]> {
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
        expected(&Path::Key(&self.path, key), "an array", value, faults);
        Cow::Borrowed(&[])
    }

    /// What `read` makes of the strings of the list at a key; it gets the place of each.
    pub(crate) fn strings<T>(
        &self,
        key: &str,
        faults: &mut Faults,
        read: impl FnMut(&Path, Cow<'a, str>, &mut Faults) -> Option<T>,
    ) -> Vec<T> {
        let elements = self.list(key, faults);
        self.strings_of(key, &elements, faults, read)
    }

    /// The same for elements that were already listed.
    pub(crate) fn strings_of<T>(
        &self,
        key: &str,
        elements: &[Value<'a>],
        faults: &mut Faults,
        mut read: impl FnMut(&Path, Cow<'a, str>, &mut Faults) -> Option<T>,
    ) -> Vec<T> {
        let list = Path::Key(&self.path, key);
        let read_element = |(index, element): (usize, &Value<'a>)| {
            let path = Path::Index(&list, index);
            let text = string(&path, element, faults)?;
            read(&path, text, faults)
        };
        elements.iter().enumerate().filter_map(read_element).collect()
    }

    /// Adds a fault at a key.
    pub(crate) fn fault(&self, key: &str, message: impl fmt::Display, faults: &mut Faults) {
        faults.add(&Path::Key(&self.path, key), message);
    }

    /// Adds a fault for every key that is not known, and for keys that differ only in case.
    pub(crate) fn check_keys(&self, known: &[&str], faults: &mut Faults) {
        let mut seen: Vec<Cow<str>> = Vec::new();
        for (name, _) in self.members() {
            let is_known = match self.case {
                Case::Sensitive => known.contains(&&*name),
                Case::Insensitive => known.iter().any(|key| name.eq_ignore_ascii_case(key)),
            };
            if !is_known {
                let hint = did_you_mean(&name, known);
                self.fault(&name, format_args!("unknown key{hint}"), faults);
            }
            if seen.iter().any(|other| other.eq_ignore_ascii_case(&name) && *other != name) {
                self.fault(&name, "stands here twice, in different case", faults);
            }
            seen.push(name);
        }
    }
}

/// Adds the fault that another type was expected.
pub(crate) fn expected(path: &Path, noun: &str, found: &Value, faults: &mut Faults) {
    faults.add(path, format_args!("is {}, expected {noun}", found.type_name()));
}

/// The string that a value is.
fn string<'a>(path: &Path, value: &Value<'a>, faults: &mut Faults) -> Option<Cow<'a, str>> {
    let text = value.as_str();
    match value.type_name() {
        _ if text.is_some() => {}
        "a string" => faults.add(path, "holds an escape that is no Unicode character"),
        _ => expected(path, "a string", value, faults),
    }
    text
}

/// `; did you mean …` with the known word that is nearest, or nothing.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let distance = |known: &str| strsim::osa_distance(&word.to_ascii_lowercase(), known);
    // Words longer than any key would make the comparison costly, and are no typing mistake.
    let nearest = known.iter().filter(|_| word.len() <= 64).min_by_key(|known| distance(known));
    match nearest {
        Some(nearest) if distance(nearest) <= nearest.len().div_ceil(3) => {
            format!("; did you mean `{nearest}`?")
        }
        _ => String::new(),
    }
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
