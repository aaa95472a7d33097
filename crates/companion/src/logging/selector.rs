//! Matching pods, with the selectors of the policy's core.

use std::collections::BTreeMap;

use datakit_injection::json::Object;
use datakit_injection::selector::{
    Entries, LabelSelector, LabelSelectorError, Re2, Re2Error, Syntax,
};
use thiserror::Error;

use super::config;

/// The pod that logfwd asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The labels as a JSON object, or `None` if the query has none.
    pub labels: Option<String>,
}

impl Pod {
    /// Parses labels in logfwd's format, `a=b,c=d`. Like the Operator, it skips parts in any other format.
    pub fn new(namespace: &str, name: &str, labels: &str) -> Self {
        let pairs = labels.split(',').filter_map(|part| part.split_once('='));
        let pairs = pairs.filter(|(_, value)| !value.contains('='));
        let labels: BTreeMap<&str, &str> = pairs.collect();
        let json = serde_json::to_string(&labels).ok();
        let labels = json.filter(|_| !labels.is_empty());
        Self { namespace: namespace.to_owned(), name: name.to_owned(), labels }
    }
}

/// A compiled selector. A field that is not set matches everything.
#[derive(Clone, Debug)]
pub struct Selector {
    namespace: Option<Re2>,
    pod: Option<Re2>,
    labels: Option<LabelSelector>,
}

/// Why a selector is invalid.
#[derive(Debug, Error)]
pub enum SelectorError {
    /// A regular expression does not compile.
    #[error("{field}: `{text}` is not a regular expression: {error}")]
    Regex {
        /// The field of the object.
        field: &'static str,
        /// Its value.
        text: String,
        /// The reason.
        error: Re2Error,
    },
    /// The label selector does not parse.
    #[error("spec.selector.podLabelSelector: `{text}` is not a label selector: {error}")]
    Labels {
        /// The value of the field.
        text: String,
        /// The reason.
        error: LabelSelectorError,
    },
}

/// The longest pod name in Kubernetes. Longer texts are not searched, since matching takes time linear in their length.
const MAX_NAME: usize = 253;

impl Selector {
    /// Compiles a selector.
    ///
    /// # Errors
    ///
    /// If a field is invalid.
    pub fn new(selector: &config::Selector) -> Result<Self, SelectorError> {
        let labels = match selector.pod_label_selector.as_str() {
            "" => None,
            text => {
                let parsed = LabelSelector::parse(text, Syntax::Kubernetes);
                Some(
                    parsed
                        .map_err(|error| SelectorError::Labels { text: text.to_owned(), error })?,
                )
            }
        };
        Ok(Self {
            namespace: regex("spec.selector.namespaceRegex", &selector.namespace_regex)?,
            pod: regex("spec.selector.podRegex", &selector.pod_regex)?,
            labels,
        })
    }

    /// Whether every field that is set matches. A label selector does not match a pod without labels in the query.
    pub fn matches(&self, pod: &Pod) -> bool {
        let is_found = |regex: &Option<Re2>, name: &str| {
            regex.as_ref().is_none_or(|regex| name.len() <= MAX_NAME && regex.is_match(name))
        };
        is_found(&self.namespace, &pod.namespace)
            && is_found(&self.pod, &pod.name)
            && self.labels.as_ref().is_none_or(|labels| match_labels(labels, pod))
    }
}

fn regex(field: &'static str, text: &str) -> Result<Option<Re2>, SelectorError> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = Re2::parse(text);
    parsed.map(Some).map_err(|error| SelectorError::Regex { field, text: text.to_owned(), error })
}

fn match_labels(selector: &LabelSelector, pod: &Pod) -> bool {
    let Some(labels) = &pod.labels else { return false };
    Object::parse(labels).is_some_and(|labels| selector.matches(Entries::new(Some(&labels))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(namespace: &str, pod: &str, labels: &str) -> Result<Selector, SelectorError> {
        Selector::new(&config::Selector {
            namespace_regex: namespace.to_owned(),
            pod_regex: pod.to_owned(),
            pod_label_selector: labels.to_owned(),
        })
    }

    #[test]
    fn all_that_is_given_has_to_match() {
        let long = "a".repeat(MAX_NAME);
        let too_long = "a".repeat(MAX_NAME + 1);
        for (given, (namespace, name, labels), expected, why) in [
            (("", "", ""), ("shop", "web-1", ""), true, "nothing is given"),
            (("shop", "", ""), ("my-shop-1", "x", ""), true, "found anywhere"),
            (("^shop$", "", ""), ("my-shop", "x", ""), false, "anchored"),
            (("^(shop|pay)$", "^web", ""), ("pay", "web-1", ""), true, "both"),
            (("^(shop|pay)$", "^web", ""), ("pay", "api-1", ""), false, "one of two"),
            (("", "", "app=web"), ("shop", "x", "app=web,tier=front"), true, "labels"),
            (("", "", "app=web"), ("shop", "x", "app=api"), false, "another value"),
            (("", "", "app in (web,api),!old"), ("shop", "x", "app=api"), true, "all forms"),
            (("", "", "app=web"), ("shop", "x", ""), false, "no labels in the query"),
            (("", "", "!old"), ("shop", "x", ""), false, "no labels, and so no knowledge"),
            (("", "", "!old"), ("shop", "x", "broken"), false, "no label could be read"),
            (("", "", "!old"), ("shop", "x", "broken,app=web"), true, "one could"),
            (("", "", "app"), ("shop", "x", "app=a=b"), false, "a part of another form"),
            (("", "", "a.b/c=x"), ("shop", "x", "a.b/c=x"), true, "a key with a prefix"),
            (("", "", "app="), ("shop", "x", "app="), true, "an empty value"),
            (("", "", "app=web"), ("shop", "x", "app=\"web\""), false, "quotes are not removed"),
            (("", "^a+$", ""), ("shop", &*long, ""), true, "the longest name"),
            (("", "^a+$", ""), ("shop", &*too_long, ""), false, "no name of a pod"),
            (("^a+$", "", ""), (&*too_long, "x", ""), false, "no namespace"),
        ] {
            let (namespace_regex, pod_regex, label_selector) = given;
            let selector = selector(namespace_regex, pod_regex, label_selector).unwrap();
            let pod = Pod::new(namespace, name, labels);
            assert_eq!(selector.matches(&pod), expected, "{given:?}: {why}");
        }
    }

    #[test]
    fn errors_name_the_field() {
        for (namespace, pod, labels, expected) in [
            (
                "*",
                "",
                "",
                "spec.selector.namespaceRegex: `*` is not a regular expression: uncounted repetition \
                 operator must be applied to a sub-expression",
            ),
            (
                "",
                "a**",
                "",
                "spec.selector.podRegex: `a**` is not a regular expression: it repeats a repetition",
            ),
            (
                "",
                "",
                "app=a*",
                "spec.selector.podLabelSelector: `app=a*` is not a label selector: `a*` is not a \
                 label value",
            ),
        ] {
            assert_eq!(selector(namespace, pod, labels).unwrap_err().to_string(), expected);
        }
    }
}
