//! Finds settings in the documents that hold them, for the command and the page alike.
//!
//! A configuration comes alone, in the Operator's `ConfigMap`, in the Operator's whole
//! `datakit-operator.yaml`, in what `kubectl get -o yaml` prints, in values of a chart, or in a
//! policy's manifest. Documents are JSON texts here, because the order of keys counts: variables are
//! injected in it.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use datakit_injection::injection::table::ALL;
use datakit_injection::json::{Key, Object, Shape, Value};
use datakit_injection::reader::SettingsError;
use datakit_injection::settings::KEYS;
use datakit_injection::{options, validation};

/// What a configuration was found in; a stable code as JSON, such as `"config-map"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The document is the configuration.
    Configuration,
    /// A `ConfigMap`, as the Operator reads it.
    ConfigMap,
    /// Values of a chart that hold one.
    ChartValues,
    /// A `ClusterAdmissionPolicy` or `AdmissionPolicy`.
    Policy,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Configuration => "a plain configuration",
            Self::ConfigMap => "the Operator's ConfigMap",
            Self::ChartValues => "values of a chart",
            Self::Policy => "the settings of a policy",
        })
    }
}

/// A configuration, and where it is. `Display` describes the place to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The settings, as JSON. Text that is not JSON is for [`validation::validate`] to report.
    pub settings: String,
    /// What it was found in.
    pub source: Source,
    /// The index of the document.
    pub document: usize,
    /// The index in the list that the document is, if it is one.
    pub item: Option<usize>,
    /// Its place in the document, as a JSON pointer (RFC 6901).
    pub place: String,
    /// How many documents there are.
    documents: usize,
    /// The object, such as ``ConfigMap `datakit-operator-config` ``.
    name: String,
}

impl Found {
    /// The place of the object that holds them in the document, as a JSON pointer.
    pub fn object(&self) -> String {
        self.item.map(|item| format!("/items/{item}")).unwrap_or_default()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.source.fmt(formatter)?;
        if let Some(item) = self.item {
            write!(formatter, ", item {} of a List", item.saturating_add(1))?;
        }
        if self.documents > 1 {
            let number = self.document.saturating_add(1);
            write!(formatter, ", document {number} of {}", self.documents)?;
        }
        Ok(())
    }
}

/// Why there are no settings in documents.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DocumentError {
    /// A document is not JSON.
    #[error("document {document} is not JSON: line {line} column {column}")]
    NotJson {
        /// Its number, from 1.
        document: usize,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// There is no document.
    #[error("is empty")]
    Empty,
    /// The only document is an object of another kind.
    #[error(
        "is a {0}, not settings: expected a configuration of Datakit Operator, its ConfigMap, \
         values of a chart or a policy"
    )]
    OtherKind(String),
    /// The objects hold no configuration.
    #[error("{0} without a configuration of Datakit Operator")]
    Nothing(String),
    /// There are several.
    #[error("holds {} configurations: {}; pass one of them", .0.len(), .0.join(", "))]
    Several(Vec<String>),
}

/// Finds the settings in the documents of a stream.
///
/// Takes each document as JSON, its keys in the order in which they were written.
///
/// # Errors
///
/// If there is no configuration, or more than one.
///
/// ```
/// use settings_tools::document::{Source, find};
///
/// let map = r#"{"kind":"ConfigMap","data":{"config":"{\"admission_mutate\":{}}"}}"#;
/// let found = find(&[map]).unwrap();
/// assert_eq!((&*found.settings, found.source), (r#"{"admission_mutate":{}}"#, Source::ConfigMap));
/// assert!(find(&[r#"{"apiVersion":"apps/v1","kind":"Deployment"}"#]).is_err());
/// ```
pub fn find(documents: &[impl AsRef<str>]) -> Result<Found, DocumentError> {
    let mut search = Search { documents: documents.len(), ..Search::default() };
    for (index, text) in documents.iter().enumerate() {
        search.document(index, text.as_ref()).map_err(|error| DocumentError::NotJson {
            document: index.saturating_add(1),
            line: error.line(),
            column: error.column(),
        })?;
    }
    search.finish()
}

/// All errors of settings, as [`validation::validate`] finds them; for keys at the wrong level, the error
/// names where they belong.
///
/// ```
/// let errors = settings_tools::document::validate(r#"{"ddtraces":[]}"#);
/// assert_eq!(errors[0].to_string(), "ddtraces: belongs in `admission_inject_v2.ddtraces`");
/// ```
pub fn validate(settings: &str) -> Vec<SettingsError> {
    let mut errors = validation::validate(settings);
    for error in &mut errors {
        if error.message.starts_with("unknown key")
            && let Some(home) = home(&error.path)
        {
            error.message = format!("belongs in `{home}`");
        }
    }
    errors
}

/// The place at which an unknown key is valid.
fn home(path: &str) -> Option<String> {
    let key = path.rsplit_once('.').map_or(path, |(_, key)| key);
    let mut places = ALL.iter().flat_map(|injection| injection.places());
    if let Some((home, _)) = places.find(|(_, known)| *known == key) {
        return Some(format!("{home}.{key}"));
    }
    if path != key && KEYS.contains(&key) {
        return Some(key.to_owned());
    }
    let is_option = options::KEYS.contains(&key) && !path.starts_with("policy.");
    is_option.then(|| format!("policy.{key}"))
}

/// What was found so far.
#[derive(Default)]
struct Search<'d> {
    found: Vec<Found>,
    /// The kinds of objects that hold none.
    others: Vec<Cow<'d, str>>,
    /// What is neither a configuration nor an object.
    plain: Vec<Found>,
    documents: usize,
}

impl<'d> Search<'d> {
    fn document(&mut self, document: usize, text: &'d str) -> Result<(), serde_json::Error> {
        serde_json::from_str::<IgnoredAny>(text)?;
        let object = members(text);
        let kind = object.get_str("kind").unwrap_or_default();
        match object.get("items").filter(|_| kind.ends_with("List")) {
            Some(items) => {
                for (item, element) in elements(raw(items)).iter().enumerate() {
                    self.object(document, Some(item), raw(element));
                }
            }
            None => self.object(document, None, text.trim()),
        }
        Ok(())
    }

    fn object(&mut self, document: usize, item: Option<usize>, text: &'d str) {
        let object = members(text);
        let kind = object.get_str("kind").unwrap_or_default();
        let start = item.map(|item| format!("/items/{item}")).unwrap_or_default();
        let (before, documents) = (self.found.len(), self.documents);
        let found = |source, key: Option<&str>, (place, settings): (String, String)| {
            let name = label(&object, key, document);
            Found { settings, source, document, item, place, documents, name }
        };
        let mut add = |source, key: Option<&str>, configurations: Vec<(String, String)>| {
            self.found.extend(configurations.into_iter().map(|it| found(source, key, it)));
        };
        match &*kind {
            "ConfigMap" => {
                for (key, value) in member(&object, "data").iter() {
                    let key = key.name().unwrap_or_default();
                    let place = below(&format!("{start}/data"), &key);
                    add(Source::ConfigMap, Some(&key), configurations(raw(value), place));
                }
            }
            "ClusterAdmissionPolicy" | "AdmissionPolicy" => {
                let spec = member(&object, "spec");
                let module = spec.get_str("module").unwrap_or_default();
                // Beside other objects, policies of other modules are not meant.
                if module.contains("datakit-injection") || (documents == 1 && item.is_none()) {
                    let settings = match spec.get("settings").map(raw) {
                        Some(settings) => (format!("{start}/spec/settings"), settings.to_owned()),
                        None => (start.clone(), "{}".to_owned()),
                    };
                    add(Source::Policy, None, vec![settings]);
                }
            }
            "" if is_configuration(&object) => {
                add(Source::Configuration, None, vec![(start.clone(), text.to_owned())]);
            }
            "" => add(Source::ChartValues, None, configurations(text, start.clone())),
            _ => {}
        }
        match &*kind {
            _ if self.found.len() > before => {}
            "" => self.plain.push(found(Source::Configuration, None, (start, text.to_owned()))),
            _ => self.others.push(kind),
        }
    }

    fn finish(mut self) -> Result<Found, DocumentError> {
        if self.found.len() > 1 {
            let names = self.found.into_iter().map(|found| found.name);
            return Err(DocumentError::Several(names.collect()));
        }
        if let Some(found) = self.found.pop() {
            return Ok(found);
        }
        match (&*self.others, self.plain.len()) {
            // Its keys are for the check of settings to report.
            ([], 0 | 1) => self.plain.pop().ok_or(DocumentError::Empty),
            ([kind], 0) if kind == "ConfigMap" => {
                Err(DocumentError::Nothing("is a ConfigMap".to_owned()))
            }
            ([kind], 0) => Err(DocumentError::OtherKind(shown(kind))),
            (others, plain) => {
                let count = others.len().saturating_add(plain);
                let kinds: Vec<String> = others.iter().take(5).map(|kind| shown(kind)).collect();
                let more = if others.len() > kinds.len() { ", …" } else { "" };
                let kinds = match &*kinds {
                    [] => String::new(),
                    kinds => format!(" ({}{more})", kinds.join(", ")),
                };
                Err(DocumentError::Nothing(format!("holds {count} documents{kinds}")))
            }
        }
    }
}

/// A kind as messages show it: no other characters than a kind has.
fn shown(kind: &str) -> String {
    kind.chars().filter(char::is_ascii_alphanumeric).take(63).collect()
}

/// The display name of an object, with the key of a ConfigMap.
fn label(object: &Object, key: Option<&str>, document: usize) -> String {
    let Some(kind) = object.get_str("kind").filter(|kind| !kind.is_empty()) else {
        return format!("document {}", document.saturating_add(1));
    };
    let metadata = member(object, "metadata");
    let name = metadata.get_str("name").unwrap_or_default();
    let namespace = metadata.get_str("namespace").map(|it| format!("{it}/")).unwrap_or_default();
    let key = key.map(|key| format!(" (key `{key}`)")).unwrap_or_default();
    format!("{kind} `{namespace}{name}`{key}")
}

/// The configurations somewhere in a value, in the text of a string or as they are, each with its
/// place.
fn configurations(text: &str, place: String) -> Vec<(String, String)> {
    match text.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(text).unwrap_or_default();
            Vec::from_iter(text.contains("\"admission_").then_some((place, text)))
        }
        Some(b'{') => {
            let object = members(text);
            if is_configuration(&object) {
                return vec![(place, text.to_owned())];
            }
            let inner = |(key, value): (&Key, &Value)| {
                configurations(raw(value), below(&place, &key.name().unwrap_or_default()))
            };
            object.iter().flat_map(inner).collect()
        }
        _ => {
            let inner = |(index, value)| configurations(raw(value), format!("{place}/{index}"));
            elements(text).iter().enumerate().flat_map(inner).collect()
        }
    }
}

/// The JSON pointer of a member.
fn below(place: &str, key: &str) -> String {
    format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn is_configuration(object: &Object) -> bool {
    let mut known =
        KEYS.iter().filter(|key| **key == "jsonconfig" || key.starts_with("admission_"));
    known.any(|key| object.get(key).is_some())
}

/// The members of an object, as text; empty if it is another value.
pub(crate) fn members(text: &str) -> Object<'_> {
    Object::parse(text).unwrap_or_default()
}

pub(crate) fn member<'d>(object: &Object<'d>, key: &str) -> Object<'d> {
    object.get(key).map(|value| members(raw(value))).unwrap_or_default()
}

/// The elements of an array, as text; empty if it is another value.
pub(crate) fn elements(text: &str) -> Vec<Value<'_>> {
    static ARRAY: Shape = Shape::Array(&Shape::Text);
    match Value::open(text, &ARRAY) {
        Ok(Value::Array(elements)) => elements,
        _ => Vec::new(),
    }
}

pub(crate) fn raw<'d>(value: &Value<'d>) -> &'d str {
    value.as_text().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"admission_mutate":{"loggings":[]}}"#;

    fn object(kind: &str, name: &str, rest: &str) -> String {
        format!(r#"{{"kind":"{kind}","metadata":{{"name":"{name}"}},{rest}}}"#)
    }

    fn config_map(name: &str) -> String {
        let text = CONFIG.replace('"', "\\\"");
        object("ConfigMap", name, &format!(r#""data":{{"other":"x","config":"{text}"}}"#))
    }

    fn found(documents: &[&str]) -> String {
        match find(documents) {
            Ok(found) => {
                assert_eq!(found.settings, CONFIG);
                found.to_string()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn finds_a_configuration_wherever_it_is() {
        let map = config_map("a");
        let deployment = object("Deployment", "web", r#""spec":{}"#);
        let list = format!(r#"{{"kind":"List","items":[{deployment},{map}]}}"#);
        let values = format!(r#"{{"replicas":1,"operator":[{{"config":{CONFIG}}}]}}"#);
        let policy = object("AdmissionPolicy", "p", &format!(r#""spec":{{"settings":{CONFIG}}}"#));
        let ours =
            policy.replace(r#""spec":{"#, r#""spec":{"module":"ghcr.io/datakit-injection","#);
        for (documents, expected) in [
            (&[CONFIG][..], "a plain configuration"),
            (&[&map], "the Operator's ConfigMap"),
            (&[&deployment, &map], "the Operator's ConfigMap, document 2 of 2"),
            (&[&list], "the Operator's ConfigMap, item 2 of a List"),
            (&[&values], "values of a chart"),
            (&[&policy], "the settings of a policy"),
            (&[&policy, &ours], "the settings of a policy, document 2 of 2"),
            (&[], "is empty"),
            (
                &[&map, &ours],
                "holds 2 configurations: ConfigMap `a` (key `config`), AdmissionPolicy `p`; pass \
                 one of them",
            ),
            (
                &[&deployment],
                "is a Deployment, not settings: expected a configuration of Datakit Operator, its \
                 ConfigMap, values of a chart or a policy",
            ),
            (
                &[&deployment, &deployment],
                "holds 2 documents (Deployment, Deployment) without a configuration of Datakit \
                 Operator",
            ),
            (
                &[r#"{"kind":"ConfigMap","data":null}"#],
                "is a ConfigMap without a configuration of Datakit Operator",
            ),
            (&["{"], "document 1 is not JSON: line 1 column 1"),
        ] {
            assert_eq!(found(documents), expected);
        }
    }

    #[test]
    fn points_to_where_it_was() {
        let map = config_map("a");
        let list = format!(r#"{{"kind":"List","items":[{{"kind":"Service"}},{map}]}}"#);
        let values = format!(r#"{{"a/b":[1,{{"~":{CONFIG}}}]}}"#);
        let policy = object("AdmissionPolicy", "p", &format!(r#""spec":{{"settings":{CONFIG}}}"#));
        for (document, expected) in [
            (CONFIG, ""),
            ("{}", ""),
            (&map, "/data/config"),
            (&list, "/items/1/data/config"),
            (&values, "/a~1b/1/~0"),
            (&policy, "/spec/settings"),
        ] {
            let found = find(&[document]).unwrap();
            assert_eq!(found.place, expected, "{document}");
            let document: serde_json::Value = serde_json::from_str(document).unwrap();
            let there = document.pointer(&found.place).unwrap();
            let there = there.as_str().map_or_else(|| there.to_string(), str::to_owned);
            assert_eq!(there, found.settings);
        }
        let without = object("AdmissionPolicy", "p", r#""spec":{"module":"m"}"#);
        assert_eq!(find(&[&without]).unwrap().place, "");
    }

    /// What is no configuration, but the only thing there, is for the check of settings.
    #[test]
    fn points_to_what_is_no_configuration() {
        let found = find(&[r#"{"kind":"List","items":[{"a":1}]}"#]).unwrap();
        assert_eq!((&*found.place, &*found.settings), ("/items/0", r#"{"a":1}"#));
        assert_eq!(found.to_string(), "a plain configuration, item 1 of a List");
        let found = find(&[r#"{"kind":"List","items":[]}"#, r#"{"a":1}"#]).unwrap();
        assert_eq!((&*found.place, found.document), ("", 1));
        assert_eq!(found.to_string(), "a plain configuration, document 2 of 2");
    }

    #[test]
    fn keeps_the_order_of_keys() {
        let text = r#"{"config":{"admission_inject":{"ddtrace":{"envs":{"B":"$(A)","A":"1"}}}}}"#;
        let found = find(&[text]).unwrap();
        assert!(found.settings.contains(r#"{"B":"$(A)","A":"1"}"#));
    }

    #[test]
    fn tells_where_keys_belong() {
        let settings = r#"{"ddtraces":[],"ignored_namespaces":[],"policy":{"loggings":[]},
            "admission_inject":{"ddtraces":[],"policy":{},"dtrace":{}}}"#;
        let errors: Vec<String> = validate(settings).iter().map(ToString::to_string).collect();
        let expected = [
            "ddtraces: belongs in `admission_inject_v2.ddtraces`",
            "ignored_namespaces: belongs in `policy.ignored_namespaces`",
            "policy.loggings: belongs in `admission_mutate.loggings`",
            "admission_inject.ddtraces: belongs in `admission_inject_v2.ddtraces`",
            "admission_inject.policy: belongs in `policy`",
            "admission_inject.dtrace: unknown key; did you mean `ddtrace`?",
        ];
        assert_eq!(errors, expected);
    }
}
