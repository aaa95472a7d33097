//! Reads blocks of settings and collects every error with its path.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::json::{Object, Shape, Value};

/// An error in the settings, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
pub struct Errors(Vec<(SettingsError, Kind)>);

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// What is there.
    Wrong,
    /// That nothing is there.
    Missing,
}

impl Errors {
    /// Adds an error at a path.
    pub fn add(&mut self, path: &Path, message: impl fmt::Display) {
        self.push(path, message, Kind::Wrong);
    }

    /// Adds the error that what a rule needs is missing or empty. A rule that is switched off does
    /// without.
    pub fn missing(&mut self, path: &Path, message: impl fmt::Display) {
        self.push(path, message, Kind::Missing);
    }

    fn push(&mut self, path: &Path, message: impl fmt::Display, kind: Kind) {
        let error = SettingsError { path: path.to_string(), message: message.to_string() };
        self.0.push((error, kind));
    }

    /// Adds all of some errors.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// These errors but for what is missing.
    pub fn without_missing(mut self) -> Self {
        self.0.retain(|(_, kind)| *kind != Kind::Missing);
        self
    }

    /// Whether there is no error.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first error.
    pub fn first(&self) -> Option<&SettingsError> {
        self.0.first().map(|(error, _)| error)
    }

    /// The errors, each once, in the order in which they were found.
    pub fn into_vec(self) -> Vec<SettingsError> {
        let mut seen = BTreeSet::new();
        let mut errors = self.0;
        errors.retain(|(error, _)| seen.insert(error.clone()));
        errors.into_iter().map(|(error, _)| error).collect()
    }
}

/// A path in the settings. It becomes text only where it is shown.
#[derive(Clone, Copy, Debug)]
pub enum Path<'p> {
    /// The document itself.
    Root,
    /// A member of an object.
    Key(&'p Path<'p>, &'p str),
    /// An element of a list.
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
pub enum Case {
    /// Byte by byte.
    Sensitive,
    /// As Go's decoder does, where people rely on it.
    Insensitive,
}

/// An object of the settings, and its path.
#[derive(Debug)]
pub struct Section<'s, 'a> {
    /// Where it is in the settings.
    pub path: Path<'s>,
    object: Cow<'s, Object<'a>>,
    case: Case,
}

impl<'s, 'a> Section<'s, 'a> {
    /// Takes an opened object.
    pub fn new(path: Path<'s>, object: &'s Object<'a>, case: Case) -> Self {
        Self { path, object: Cow::Borrowed(object), case }
    }

    /// The object that a value is, opened now where it is still text; an error where it is none.
    pub fn of_value(
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
    pub fn members(&self) -> impl DoubleEndedIterator<Item = (Cow<'a, str>, &Value<'a>)> {
        self.object.iter().map(|(key, value)| (key.name().unwrap_or_default(), value))
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.object.len()
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.object.is_empty()
    }

    /// The value at a key; null counts as absent, as in Go.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
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
    pub fn string(&self, key: &str, errors: &mut Errors) -> Option<Cow<'a, str>> {
        let value = self.get(key)?;
        string(&Path::Key(&self.path, key), value, errors)
    }

    /// The string at a key, or the text of a number, which people write without quotes.
    pub fn scalar(&self, key: &str, errors: &mut Errors) -> Option<Cow<'a, str>> {
        let value = self.get(key)?;
        match value.type_name() {
            "a number" => value.as_text().map(Cow::Borrowed),
            _ => string(&Path::Key(&self.path, key), value, errors),
        }
    }

    /// The boolean at a key; false where nothing is there.
    pub fn boolean(&self, key: &str, errors: &mut Errors) -> bool {
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
    pub fn section<'b>(
        &'b self,
        key: &'b str,
        case: Case,
        errors: &mut Errors,
    ) -> Option<Section<'b, 'a>> {
        let value = self.get(key)?;
        Section::of_value(Path::Key(&self.path, key), value, case, errors)
    }

    /// The elements of the list at a key.
    pub fn list(&self, key: &str, errors: &mut Errors) -> Cow<'_, [Value<'a>]> {
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
    pub fn strings<T>(
        &self,
        key: &str,
        errors: &mut Errors,
        read: impl FnMut(&Path, Cow<'a, str>, &mut Errors) -> Option<T>,
    ) -> Vec<T> {
        let elements = self.list(key, errors);
        self.strings_of(key, &elements, errors, read)
    }

    /// The same for elements that were already listed.
    pub fn strings_of<T>(
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
    pub fn error(&self, key: &str, message: impl fmt::Display, errors: &mut Errors) {
        errors.add(&Path::Key(&self.path, key), message);
    }

    /// Adds the error that what is needed at a key is missing or empty.
    pub fn missing(&self, key: &str, message: impl fmt::Display, errors: &mut Errors) {
        errors.missing(&Path::Key(&self.path, key), message);
    }

    /// Adds an error for every key that is not known, and for keys that differ only in case.
    pub fn check_keys(&self, known: &[&str], errors: &mut Errors) {
        // Nearly every block has keys as they are known, of which no two differ only in case.
        if self.object.iter().all(|(key, _)| known.iter().any(|known| key.is(known))) {
            return;
        }
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
            let in_any_case = name.to_ascii_lowercase();
            if let Some(other) = seen.get(&in_any_case)
                && *other != name
            {
                self.error(&name, format_args!("differs from `{other}` only in case"), errors);
            }
            seen.insert(in_any_case, name);
        }
    }
}

/// Adds the error that a value has another type than expected.
pub fn expected(path: &Path, noun: &str, found: &Value, errors: &mut Errors) {
    errors.add(path, format_args!("is {}, expected {noun}", found.type_name()));
}

/// The string that a value is.
pub fn string<'a>(path: &Path, value: &Value<'a>, errors: &mut Errors) -> Option<Cow<'a, str>> {
    let text = value.as_str();
    match value.type_name() {
        _ if text.is_some() => {}
        "a string" => errors.add(path, "is not valid Unicode"),
        _ => expected(path, "a string", value, errors),
    }
    text
}

/// Reads one of some names at a key; the default where nothing is there, or an empty string.
pub fn one_of<T: Copy + Default>(
    block: &Section,
    key: &str,
    names: &[(&str, T)],
    errors: &mut Errors,
) -> T {
    let Some(text) = block.string(key, errors).filter(|text| !text.is_empty()) else {
        return T::default();
    };
    let found = names.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        unknown(block, key, "value", &text, &names, errors);
    }
    found.map_or_else(T::default, |(_, value)| *value)
}

/// Adds the error that a name is unknown, with the nearest known one, else all of them.
pub fn unknown(
    block: &Section,
    key: &str,
    noun: &str,
    text: &str,
    known: &[&str],
    errors: &mut Errors,
) {
    // Another number is not a typing mistake.
    let is_number = text.starts_with(|char: char| char.is_ascii_digit());
    let hint = match did_you_mean(text, known) {
        hint if hint.is_empty() || is_number => format!("; expected one of {}", known.join(", ")),
        hint => hint,
    };
    block.error(key, format_args!("unknown {noun} `{text}`{hint}"), errors);
}

/// `; did you mean …` with the known word that is nearest, or nothing.
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or_else(String::new, |it| format!("; did you mean `{it}`?"))
}

/// The known word that is nearest to another in any case, where one is near.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    nearest_in_case(&word.to_ascii_lowercase(), known)
}

/// The known word that is nearest to another as it is written, where one is near.
pub(crate) fn nearest_in_case<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |known: &str| strsim::osa_distance(word, known);
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
