//! Settings in whatever people have them in: decided once, for the command and for the page.
//!
//! A configuration comes alone, in the Operator's `ConfigMap`, in the Operator's whole
//! `datakit-operator.yaml`, in what `kubectl get -o yaml` prints, in values of a chart, or in a
//! policy's manifest. Documents are JSON texts here, because the order of keys counts: variables are
//! injected in it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use datakit_injection::injection::table::ALL;
use datakit_injection::reader::SettingsError;
use datakit_injection::settings::{self, KEYS};
use datakit_injection::validation;

/// What a configuration was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl Source {
    /// A word for machines, which stays as it is.
    pub fn code(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::ConfigMap => "config-map",
            Self::ChartValues => "chart-values",
            Self::Policy => "policy",
        }
    }
}

/// A configuration, and where it is. Its `Display` text says where, for people.
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
/// Where there is no configuration, or more than one.
///
/// ```
/// use settings_tools::document::{Source, find};
///
/// let map = r#"{"kind":"ConfigMap","data":{"config":"{\"admission_mutate\":{}}"}}"#;
/// let found = find(&[map]).unwrap();
/// assert_eq!((&*found.settings, found.source), (r#"{"admission_mutate":{}}"#, Source::ConfigMap));
/// assert!(find(&[r#"{"apiVersion":"apps/v1","kind":"Deployment"}"#]).is_err());
/// ```
pub fn find(documents: &[&str]) -> Result<Found, DocumentError> {
    let mut search = Search { documents: documents.len(), ..Search::default() };
    for (index, text) in documents.iter().enumerate() {
        let raw: &RawValue =
            serde_json::from_str(text).map_err(|error| DocumentError::NotJson {
                document: index.saturating_add(1),
                line: error.line(),
                column: error.column(),
            })?;
        search.document(index, raw);
    }
    search.finish()
}

/// All errors of settings, as [`validation::validate`] finds them; keys at the wrong level are told
/// where they belong.
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

/// Where an unknown key is known.
fn home(path: &str) -> Option<String> {
    let key = path.rsplit_once('.').map_or(path, |(_, key)| key);
    let lists = ALL.iter().map(|injection| (injection.list.home, injection.list.key));
    let blocks = ALL.iter().filter_map(|injection| injection.block.as_ref());
    let blocks = blocks.map(|block| ("admission_inject", block.name));
    for (home, known) in lists.chain(blocks) {
        if known == key {
            return Some(format!("{home}.{known}"));
        }
    }
    if path != key && KEYS.contains(&key) {
        return Some(key.to_owned());
    }
    let keys = settings::known_keys();
    let options = keys.iter().find(|(block, _)| *block == "policy").map(|(_, keys)| keys);
    let is_option = options.is_some_and(|options| options.contains(&key));
    (is_option && !path.starts_with("policy.")).then(|| format!("policy.{key}"))
}

/// What was found so far.
#[derive(Default)]
struct Search<'d> {
    found: Vec<Found>,
    /// The kinds of objects that hold none.
    others: Vec<Cow<'d, str>>,
    /// The documents that are neither a configuration nor an object.
    plain: Vec<&'d RawValue>,
    documents: usize,
}

impl<'d> Search<'d> {
    fn document(&mut self, document: usize, raw: &'d RawValue) {
        let members = members(raw);
        let kind = string(&members, "kind").unwrap_or_default();
        match get(&members, "items").filter(|_| kind.ends_with("List")) {
            Some(items) => {
                for (item, raw) in elements(items).into_iter().enumerate() {
                    self.object(document, Some(item), raw);
                }
            }
            None => self.object(document, None, raw),
        }
    }

    fn object(&mut self, document: usize, item: Option<usize>, raw: &'d RawValue) {
        let members = members(raw);
        let kind = string(&members, "kind").filter(|kind| !kind.is_empty());
        let before = self.found.len();
        let documents = self.documents;
        let object = item.map(|item| format!("/items/{item}")).unwrap_or_default();
        let found = |source, (place, settings): (String, String), key: Option<&str>| {
            let name = label(&members, kind.as_deref(), key, document);
            Found { settings, source, document, item, place, documents, name }
        };
        match kind.as_deref() {
            Some("ConfigMap") => {
                for (key, value) in get(&members, "data").map(self::members).unwrap_or_default() {
                    let mut configurations = Vec::new();
                    collect(value, below(&format!("{object}/data"), &key), &mut configurations);
                    for configuration in configurations {
                        self.found.push(found(Source::ConfigMap, configuration, Some(&key)));
                    }
                }
            }
            Some("ClusterAdmissionPolicy" | "AdmissionPolicy") => {
                let spec = get(&members, "spec").map(self::members).unwrap_or_default();
                let settings = get(&spec, "settings").map(RawValue::get);
                let module = string(&spec, "module").unwrap_or_default();
                // Beside other objects, policies of other modules are not meant.
                let is_ours = module.contains("datakit-injection");
                if is_ours || (documents == 1 && item.is_none()) {
                    let place = match settings {
                        Some(_) => format!("{object}/spec/settings"),
                        None => object,
                    };
                    let settings = settings.unwrap_or("{}").to_owned();
                    self.found.push(found(Source::Policy, (place, settings), None));
                }
            }
            Some(_) => {}
            None if is_configuration(&members) => {
                let settings = raw.get().to_owned();
                self.found.push(found(Source::Configuration, (object, settings), None));
            }
            None => {
                let mut configurations = Vec::new();
                collect(raw, object, &mut configurations);
                if configurations.is_empty() {
                    self.plain.push(raw);
                }
                for configuration in configurations {
                    self.found.push(found(Source::ChartValues, configuration, None));
                }
            }
        }
        if let Some(kind) = kind.filter(|_| self.found.len() == before) {
            self.others.push(kind);
        }
    }

    fn finish(mut self) -> Result<Found, DocumentError> {
        if self.found.len() > 1 {
            return Err(DocumentError::Several(
                self.found.into_iter().map(|found| found.name).collect(),
            ));
        }
        if let Some(found) = self.found.pop() {
            return Ok(found);
        }
        match (&*self.others, &*self.plain) {
            ([], []) => Err(DocumentError::Empty),
            // Its keys are for the check of settings to report.
            ([], [raw]) => Ok(Found {
                settings: raw.get().to_owned(),
                source: Source::Configuration,
                document: 0,
                item: None,
                place: String::new(),
                documents: self.documents,
                name: String::new(),
            }),
            ([kind], []) if kind == "ConfigMap" => {
                Err(DocumentError::Nothing("is a ConfigMap".to_owned()))
            }
            ([kind], []) => Err(DocumentError::OtherKind(shown(kind))),
            (others, plain) => {
                let count = others.len().saturating_add(plain.len());
                let kinds: Vec<String> = others.iter().take(5).map(|kind| shown(kind)).collect();
                let kinds = if kinds.is_empty() {
                    String::new()
                } else {
                    let more = if others.len() > kinds.len() { ", …" } else { "" };
                    format!(" ({}{more})", kinds.join(", "))
                };
                Err(DocumentError::Nothing(format!("holds {count} documents{kinds}")))
            }
        }
    }
}

/// A kind, as far as it is one.
fn shown(kind: &str) -> String {
    kind.chars().filter(char::is_ascii_alphanumeric).take(63).collect()
}

/// What people call an object.
fn label(members: &Members, kind: Option<&str>, key: Option<&str>, document: usize) -> String {
    let Some(kind) = kind else {
        return format!("document {}", document.saturating_add(1));
    };
    let metadata = get(members, "metadata").map(self::members).unwrap_or_default();
    let name = string(&metadata, "name").unwrap_or_default();
    let namespace = string(&metadata, "namespace").map(|it| format!("{it}/")).unwrap_or_default();
    let key = key.map(|key| format!(" (key `{key}`)")).unwrap_or_default();
    format!("{kind} `{namespace}{name}`{key}")
}

/// The configurations somewhere in a value, in the text of a string or as they are, each with its
/// place.
fn collect(raw: &RawValue, place: String, found: &mut Vec<(String, String)>) {
    match raw.get().as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(raw.get()).unwrap_or_default();
            if text.contains("\"admission_") {
                found.push((place, text));
            }
        }
        Some(b'{') => {
            let members = members(raw);
            if is_configuration(&members) {
                found.push((place, raw.get().to_owned()));
            } else {
                for (key, value) in &members {
                    collect(value, below(&place, key), found);
                }
            }
        }
        Some(b'[') => {
            for (index, value) in elements(raw).into_iter().enumerate() {
                collect(value, format!("{place}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The JSON pointer of a member.
fn below(place: &str, key: &str) -> String {
    format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn is_configuration(members: &Members) -> bool {
    let is_known =
        |key: &str| key == "jsonconfig" || (key.starts_with("admission_") && KEYS.contains(&key));
    members.iter().any(|(key, _)| is_known(key))
}

/// The members of an object, in order.
type Members<'d> = Vec<(Cow<'d, str>, &'d RawValue)>;

fn get<'d>(members: &Members<'d>, key: &str) -> Option<&'d RawValue> {
    members.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
}

fn string<'d>(members: &Members<'d>, key: &str) -> Option<Cow<'d, str>> {
    let text: String = serde_json::from_str(get(members, key)?.get()).ok()?;
    Some(Cow::Owned(text))
}

/// The members of a value; none where it is not an object.
fn members(raw: &RawValue) -> Members<'_> {
    struct Entries<'d>(Members<'d>);

    impl<'de> Deserialize<'de> for Entries<'de> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Of;

            impl<'de> Visitor<'de> for Of {
                type Value = Entries<'de>;

                fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                    formatter.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut members = Vec::new();
                    while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                        members.push((Cow::Owned(key), value));
                    }
                    Ok(Entries(members))
                }
            }
            deserializer.deserialize_map(Of)
        }
    }
    serde_json::from_str::<Entries>(raw.get()).map(|entries| entries.0).unwrap_or_default()
}

/// The elements of a value; none where it is not an array.
fn elements(raw: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(raw.get()).unwrap_or_default()
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
