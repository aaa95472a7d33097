//! The `envs` of a rule: what they become, and in which order.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::collections::map;
use crate::json::Value;
use crate::reader::{Case, Errors, Path, Section, expected};
use crate::selector::{is_dns_subdomain, is_qualified_name};

/// A variable to inject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it is set to.
    pub value: VariableValue<'a>,
}

/// What a variable is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableValue<'a> {
    /// This string.
    Literal(Cow<'a, str>),
    /// A field of the pod, by its path.
    Field(String),
    /// A resource of the pod's first container.
    Resource {
        /// `requests` or `limits`.
        list: &'static str,
        /// `cpu` or `memory`.
        name: &'static str,
    },
    /// A key of a secret.
    Secret {
        /// The secret.
        name: String,
        /// The key in it.
        key: String,
    },
}

/// Which placeholders a section knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholders {
    /// `fieldRef` alone, as `admission_inject` has it.
    Fields,
    /// All of them, as `admission_inject_v2` has it.
    All,
}

/// Reads the `envs` of a section into the order in which they are to be injected.
pub fn read<'a>(
    section: &Section<'_, 'a>,
    placeholders: Placeholders,
    errors: &mut Errors,
) -> Vec<Variable<'a>> {
    let Some(envs) = section.section("envs", Case::Sensitive, errors) else {
        return Vec::new();
    };
    let mut variables: Vec<Variable> = Vec::with_capacity(envs.len());
    let mut places = BTreeMap::new();
    for (name, value) in envs.members().filter(|(_, value)| !value.is_null()) {
        let path = Path::Key(&envs.path, &name);
        if !is_env_name(&name) {
            errors.add(&path, "is not a name that Kubernetes takes for an environment variable");
        }
        let Some(text) = scalar(&path, value, errors) else {
            continue;
        };
        let value = VariableValue::parse(text, placeholders);
        // Of several of one name the last counts, as in Go's decoder.
        let place = *places.entry(name.clone()).or_insert(variables.len());
        match variables.get_mut(place) {
            Some(variable) => variable.value = value,
            None => variables.push(Variable { name, value }),
        }
    }
    in_order(variables, &envs.path, errors)
}

/// Strings, and what people write without quotes: numbers and booleans become their text.
fn scalar<'a>(path: &Path, value: &Value<'a>, errors: &mut Errors) -> Option<Cow<'a, str>> {
    match value.type_name() {
        "a number" | "a boolean" => value.as_text().map(Cow::Borrowed),
        _ => {
            let text = value.as_str();
            if text.is_none() {
                expected(path, "a string", value, errors);
            }
            text
        }
    }
}

/// Kubernetes' `IsEnvVarName`, as every release in use takes it.
fn is_env_name(name: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    !name.is_empty()
        && name.bytes().all(is_inner)
        && !name.starts_with(|char: char| char.is_ascii_digit())
        && name != "."
        && !name.starts_with("..")
}

/// Every placeholder, but for those of labels and annotations.
pub const PLACEHOLDERS: &[&str] = &[
    "{fieldRef:metadata.name}",
    "{fieldRef:metadata.namespace}",
    "{fieldRef:metadata.uid}",
    "{fieldRef:spec.serviceAccountName}",
    "{fieldRef:spec.nodeName}",
    "{fieldRef:status.hostIP}",
    "{fieldRef:status.hostIPs}",
    "{fieldRef:status.podIP}",
    "{fieldRef:status.podIPs}",
    "{resourceFieldRef:limits.cpu}",
    "{resourceFieldRef:limits.memory}",
    "{resourceFieldRef:requests.cpu}",
    "{resourceFieldRef:requests.memory}",
];

const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.serviceAccountName",
    "spec.nodeName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// The resources that a variable may be set to: path, list and name.
pub(crate) const RESOURCES: &[(&str, &str, &str)] = &[
    ("limits.cpu", "limits", "cpu"),
    ("limits.memory", "limits", "memory"),
    ("requests.cpu", "requests", "cpu"),
    ("requests.memory", "requests", "memory"),
];

/// What the amount of a resource is divided by.
pub(crate) fn divisor(name: &str) -> &'static str {
    if name == "cpu" { "1m" } else { "1Mi" }
}

impl Variable<'_> {
    /// Whether it refers to one of some variables.
    pub fn refers_to_any(&self, names: &[&str]) -> bool {
        references(&self.value).any(|name| names.contains(&name))
    }
}

/// Whether a text refers to a variable.
pub fn refers_to(text: &str, name: &str) -> bool {
    references(&VariableValue::Literal(text.into())).any(|referred| referred == name)
}

impl<'a> VariableValue<'a> {
    /// Reads a value. Anything but exactly one known placeholder is a literal.
    pub fn parse(text: Cow<'a, str>, placeholders: Placeholders) -> Self {
        let reference = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let value = match reference.and_then(|reference| reference.split_once(':')) {
            Some(("fieldRef", path)) => field(path),
            Some((kind, of)) if placeholders == Placeholders::All => match kind {
                "resourceFieldRef" => resource(of),
                "secretKeyRef" => secret(of),
                _ => None,
            },
            _ => None,
        };
        value.unwrap_or(Self::Literal(text))
    }
}

fn field(path: &str) -> Option<VariableValue<'static>> {
    let is_of_key = |list: &str| {
        let key = path.strip_prefix(list).and_then(|p| p.strip_prefix("['")?.strip_suffix("']"));
        key.is_some_and(is_qualified_name)
    };
    let is_known =
        FIELDS.contains(&path) || is_of_key("metadata.labels") || is_of_key("metadata.annotations");
    is_known.then(|| VariableValue::Field(path.to_owned()))
}

fn resource(of: &str) -> Option<VariableValue<'static>> {
    let found = RESOURCES.iter().find(|(path, ..)| *path == of);
    found.map(|&(_, list, name)| VariableValue::Resource { list, name })
}

fn secret(of: &str) -> Option<VariableValue<'static>> {
    let (name, key) = of.split_once('.')?;
    let is_valid = is_dns_subdomain(name) && is_config_key(key);
    is_valid.then(|| VariableValue::Secret { name: name.to_owned(), key: key.to_owned() })
}

/// Kubernetes' `IsConfigMapKey`.
fn is_config_key(key: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    (1..=253).contains(&key.len())
        && key.bytes().all(is_inner)
        && key != "."
        && !key.starts_with("..")
}

/// Places every variable after those that it refers to by `$(NAME)`: a topological sort that always
/// takes the first variable that is ready, so an order that works is kept.
///
/// Kubernetes expands a reference only to a variable that comes earlier in the list, and hosts hand
/// the settings over with sorted keys.
fn in_order<'a>(
    variables: Vec<Variable<'a>>,
    path: &Path,
    errors: &mut Errors,
) -> Vec<Variable<'a>> {
    if !variables.iter().any(|variable| references(&variable.value).next().is_some()) {
        return variables;
    }
    let places = map(variables.iter().enumerate().map(|(place, it)| (&*it.name, place)));
    // Every pair of a variable and one that it refers to.
    let refers: Vec<(usize, usize)> = variables
        .iter()
        .enumerate()
        .flat_map(|(place, variable)| {
            let named = references(&variable.value).filter_map(|name| places.get(name));
            named.map(move |referred| (place, *referred))
        })
        .collect();
    let order = sorted(variables.len(), &refers);
    if order.len() < variables.len() {
        let reversed: Vec<_> = refers.iter().map(|&(one, other)| (other, one)).collect();
        let is_sorted = |order: &[usize]| {
            let mut is_sorted = vec![false; variables.len()];
            order.iter().filter_map(|&place| is_sorted.get_mut(place).map(|it| *it = true)).count();
            is_sorted
        };
        // What neither order reaches is in a cycle, or between two.
        let (forwards, backwards) =
            (is_sorted(&order), is_sorted(&sorted(variables.len(), &reversed)));
        for (variable, is_sorted) in variables.iter().zip(forwards.iter().zip(&backwards)) {
            if let (false, false) = is_sorted {
                let path = Path::Key(path, &variable.name);
                errors.add(&path, "refers to itself, directly or through other variables");
            }
        }
    }
    let mut variables: Vec<Option<Variable>> = variables.into_iter().map(Some).collect();
    order.into_iter().filter_map(|place| variables.get_mut(place)?.take()).collect()
}

/// The places from 0 to `count`, each after the ones that it refers to; those in cycles are missing.
fn sorted(count: usize, refers: &[(usize, usize)]) -> Vec<usize> {
    // How many references of each place are still open, and from where it is referred to.
    let mut open = vec![0_usize; count];
    let mut referring: Vec<Vec<usize>> = vec![Vec::new(); count];
    for &(place, referred) in refers {
        if let (Some(open), Some(referring)) = (open.get_mut(place), referring.get_mut(referred)) {
            *open = open.saturating_add(1);
            referring.push(place);
        }
    }
    let ready = open.iter().enumerate().filter(|(_, open)| **open == 0);
    let mut ready: BinaryHeap<_> = ready.map(|(place, _)| Reverse(place)).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(place)) = ready.pop() {
        order.push(place);
        for &place in referring.get(place).into_iter().flatten() {
            if let Some(open) = open.get_mut(place) {
                *open = open.saturating_sub(1);
                if *open == 0 {
                    ready.push(Reverse(place));
                }
            }
        }
    }
    order
}

/// The names that a literal refers to by `$(NAME)`; `$$` is an escaped dollar sign.
pub fn references<'v>(value: &'v VariableValue) -> impl Iterator<Item = &'v str> {
    let mut rest = match value {
        VariableValue::Literal(text) => &**text,
        _ => "",
    };
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once('$')?;
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                rest = after;
            } else if let Some((name, after)) =
                rest.strip_prefix('(').and_then(|rest| rest.split_once(')'))
            {
                rest = after;
                return Some(name);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> VariableValue<'_> {
        VariableValue::parse(text.into(), Placeholders::All)
    }

    #[test]
    fn takes_known_placeholders() {
        for path in FIELDS.iter().copied().chain([
            "metadata.labels['app']",
            "metadata.labels['app.kubernetes.io/name']",
            "metadata.annotations['myannotation']",
        ]) {
            let text = format!("{{fieldRef:{path}}}");
            assert_eq!(parse(&text), VariableValue::Field(path.to_owned()));
            let in_v1 = VariableValue::parse(text.as_str().into(), Placeholders::Fields);
            assert_eq!(in_v1, VariableValue::Field(path.to_owned()));
        }
        let resource = VariableValue::Resource { list: "limits", name: "cpu" };
        assert_eq!(parse("{resourceFieldRef:limits.cpu}"), resource);
        let secret = VariableValue::Secret { name: "oss-1".to_owned(), key: "a.b_C-1".to_owned() };
        assert_eq!(parse("{secretKeyRef:oss-1.a.b_C-1}"), secret);
    }

    #[test]
    fn takes_everything_else_as_it_stands() {
        for text in [
            "",
            "plain",
            "{fieldRef:metadata.PODNAME}",
            "{fieldRef:spec.replicas}",
            "{field:metadata.name}",
            " {fieldRef:metadata.name}",
            "{fieldRef:metadata.name} ",
            "x{fieldRef:metadata.name}",
            "{fieldRef: metadata.name}",
            "{fieldRef:metadata.labels['']}",
            "{fieldRef:metadata.labels['a b']}",
            "{fieldRef:metadata.labels['-a']}",
            "{fieldRef:metadata.labels[\"a\"]}",
            "{fieldRef:metadata.labels}",
            "{fieldRef:metadata.labels['A/b/c']}",
            "{resourceFieldRef:limits.disk}",
            "{resourceFieldRef:cpu}",
            "{secretKeyRef:name}",
            "{secretKeyRef:name.}",
            "{secretKeyRef:.key}",
            "{secretKeyRef:Name.key}",
            "{secretKeyRef:name.a b}",
            "{secretKeyRef:name...x}",
            "{secretKeyRef:name....}",
            "{}",
            "{",
        ] {
            assert_eq!(parse(text), VariableValue::Literal(text.into()), "{text}");
        }
        for text in ["{resourceFieldRef:limits.cpu}", "{secretKeyRef:name.key}"] {
            let in_v1 = VariableValue::parse(text.into(), Placeholders::Fields);
            assert_eq!(in_v1, VariableValue::Literal(text.into()), "only since v2: {text}");
        }
    }

    #[track_caller]
    fn check_order(variables: &[(&'static str, &'static str)], expected: &[&str], cycle: &[&str]) {
        let variable = |&(name, value): &(&'static str, &'static str)| Variable {
            name: name.into(),
            value: VariableValue::Literal(value.into()),
        };
        let mut errors = Errors::default();
        let variables = variables.iter().map(variable).collect();
        let ordered = in_order(variables, &Path::Root, &mut errors);
        let names: Vec<_> = ordered.iter().map(|variable| &*variable.name).collect();
        assert_eq!(names, expected);
        let errory: Vec<_> = errors.into_vec().into_iter().map(|error| error.path).collect();
        assert_eq!(errory, cycle);
    }

    #[test]
    fn keeps_an_order_that_works() {
        check_order(&[("B", "1"), ("A", "2"), ("C", "$(A)$(B)")], &["B", "A", "C"], &[]);
        check_order(&[("B", "$(HOME)"), ("A", "$$(C)"), ("C", "")], &["B", "A", "C"], &[]);
        check_order(&[("B", "$(C"), ("A", "$C"), ("C", "$")], &["B", "A", "C"], &[]);
    }

    #[test]
    fn places_a_variable_after_what_it_refers_to() {
        check_order(
            &[
                ("DD_TAGS", "a:$(POD_NAME),b:$(NODE)"),
                ("NODE", ""),
                ("OTHER", ""),
                ("POD_NAME", ""),
            ],
            &["NODE", "OTHER", "POD_NAME", "DD_TAGS"],
            &[],
        );
        check_order(&[("A", "$(B)"), ("B", "$(C)"), ("C", "")], &["C", "B", "A"], &[]);
        check_order(
            &[("A", "$(D)"), ("B", "$(D)"), ("C", ""), ("D", "")],
            &["C", "D", "A", "B"],
            &[],
        );
        check_order(&[("A", "$$$(B)"), ("B", "")], &["B", "A"], &[]);
        check_order(&[("A", "$(B)$(B)"), ("B", "")], &["B", "A"], &[]);
        check_order(
            &[
                ("DD_SERVICE", "$(POD_NAMESPACE)-shop"),
                ("DD_TAGS", "service:$(DD_SERVICE)"),
                ("POD_NAMESPACE", ""),
            ],
            &["POD_NAMESPACE", "DD_SERVICE", "DD_TAGS"],
            &[],
        );
    }

    #[test]
    fn finds_cycles() {
        check_order(&[("A", "$(A)"), ("B", "")], &["B"], &["A"]);
        check_order(&[("A", "$(B)"), ("B", "$(A)"), ("C", "$(A)"), ("D", "")], &["D"], &["A", "B"]);
    }

    /// A set of variables, each of which refers to some others, by their places.
    fn set_of(references: &[Vec<usize>]) -> Vec<Variable<'static>> {
        let value = |refers: &Vec<usize>| {
            let refers = refers.iter().map(|place| format!("$(V{place})"));
            VariableValue::Literal(refers.collect::<String>().into())
        };
        let variables = references.iter().enumerate();
        variables
            .map(|(place, refers)| Variable {
                name: format!("V{place}").into(),
                value: value(refers),
            })
            .collect()
    }

    proptest::proptest! {
        #[test]
        fn every_acyclic_set_is_valid_in_any_order(
            refers in proptest::collection::vec(proptest::collection::vec(0..12_usize, 0..4), 1..12),
            shuffle in proptest::collection::vec(0..12_usize, 12),
        ) {
            // Each refers to earlier ones alone; then the order is changed.
            let refers = refers.into_iter().enumerate();
            let refers: Vec<Vec<usize>> =
                refers.map(|(place, list)| list.into_iter().filter(|it| *it < place).collect()).collect();
            let works = set_of(&refers);
            let mut variables = works.clone();
            for (place, other) in shuffle.into_iter().enumerate() {
                let len = variables.len();
                variables.swap(place % len, other % len);
            }
            let mut errors = Errors::default();
            let ordered = in_order(variables.clone(), &Path::Root, &mut errors);
            proptest::prop_assert!(errors.is_empty());
            proptest::prop_assert_eq!(ordered.len(), variables.len());
            for (place, variable) in ordered.iter().enumerate() {
                for name in references(&variable.value) {
                    proptest::prop_assert!(ordered[..place].iter().any(|it| it.name == name));
                }
            }
            proptest::prop_assert_eq!(in_order(works.clone(), &Path::Root, &mut errors), works);
        }

        #[test]
        fn every_cycle_is_named(length in 1..6_usize, others in 0..6_usize) {
            let mut refers: Vec<Vec<usize>> = (0..length).map(|it| vec![(it + 1) % length]).collect();
            // The rest refers into the cycle, and the cycle to none of it.
            refers.extend((0..others).map(|it| vec![it % length]));
            let mut errors = Errors::default();
            let _ordered = in_order(set_of(&refers), &Path::Root, &mut errors);
            let named: Vec<String> = errors.into_vec().into_iter().map(|it| it.path).collect();
            let expected: Vec<String> = (0..length).map(|it| format!("V{it}")).collect();
            proptest::prop_assert_eq!(named, expected);
        }
    }

    #[test]
    fn knows_the_names_that_kubernetes_takes() {
        for name in ["A", "testing-env", "_x", ".x", "-x", "a.b_c-9"] {
            assert!(is_env_name(name), "{name}");
        }
        for name in ["", "1A", ".", "..", "..x", "a=b", "a b", "ä", "a/b"] {
            assert!(!is_env_name(name), "{name}");
        }
    }
}
