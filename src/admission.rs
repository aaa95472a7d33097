//! The admission request, and where an object keeps its pod template.

use std::borrow::Cow;

use crate::json::{Object, Shape, Value};

/// An admission request, as far as the policy reads it.
///
/// Fields that are absent, null or of another type count as empty: hosts differ in what they send.
#[derive(Debug)]
pub struct Request<'a> {
    /// The kind of the object.
    pub kind: GroupVersionKind<'a>,
    /// What is done to the object.
    pub operation: Option<Operation>,
    /// The namespace of the request.
    pub namespace: Cow<'a, str>,
    /// Whether only a part of the object, such as its status, is written.
    pub is_subresource: bool,
    /// The object as it would be stored.
    pub object: Value<'a>,
    /// The object as it is stored, at an update.
    pub old_object: Option<Value<'a>>,
}

/// A group, version and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupVersionKind<'a> {
    /// The API group; empty for the core group.
    pub group: Cow<'a, str>,
    /// The version in the group.
    pub version: Cow<'a, str>,
    /// The kind.
    pub kind: Cow<'a, str>,
}

/// An operation at which the policy acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The object is new.
    Create,
    /// The object is there already.
    Update,
}

/// How much of a payload is opened at once: as much as says whether anything is asked for.
pub const REQUEST: Shape =
    Shape::Object(&[("kind", Shape::Object(&[])), ("object", OBJECT), ("oldObject", OBJECT)]);

/// How much of an object is opened: its metadata, and that of its pod template.
pub const OBJECT: Shape = Shape::Object(&[
    ("metadata", METADATA),
    (
        "spec",
        Shape::Object(&[
            ("template", TEMPLATE),
            ("jobTemplate", Shape::Object(&[("spec", Shape::Object(&[("template", TEMPLATE)]))])),
        ]),
    ),
]);

const TEMPLATE: Shape = Shape::Object(&[("metadata", METADATA)]);

const METADATA: Shape =
    Shape::Object(&[("labels", Shape::Object(&[])), ("annotations", Shape::Object(&[]))]);

impl<'a> Request<'a> {
    /// Reads a request that was opened along [`REQUEST`]; nothing where it has no object.
    pub fn read(request: &mut Object<'a>) -> Option<Self> {
        let mut take = |name| request.get_mut(name).map(|value| std::mem::replace(value, NULL));
        let object = take("object").filter(|object| object.as_object().is_some())?;
        let old_object = take("oldObject").filter(|object| object.as_object().is_some());
        let kind = GroupVersionKind::of_request(request)
            .or_else(|| GroupVersionKind::of_object(object.as_object()?));
        let operation = match request.get_str("operation").as_deref() {
            Some("CREATE") => Some(Operation::Create),
            Some("UPDATE") => Some(Operation::Update),
            _ => None,
        };
        Some(Self {
            kind: kind.unwrap_or_default(),
            operation,
            namespace: request.get_str("namespace").unwrap_or_default(),
            is_subresource: request.get_str("subResource").is_some_and(|name| !name.is_empty()),
            object,
            old_object,
        })
    }

    /// The namespace of the object, else of the request.
    pub fn namespace(&self) -> Cow<'a, str> {
        let object = self.object.as_object();
        let metadata = object.and_then(|object| object.get("metadata")?.as_object());
        let own = metadata.and_then(|metadata| metadata.get_str("namespace"));
        own.filter(|own| !own.is_empty()).unwrap_or_else(|| self.namespace.clone())
    }
}

const NULL: Value<'static> = Value::Text("null");

impl<'a> GroupVersionKind<'a> {
    fn of_request(request: &Object<'a>) -> Option<Self> {
        let kind = request.get("kind")?.as_object()?;
        Some(Self {
            group: kind.get_str("group").unwrap_or_default(),
            version: kind.get_str("version").unwrap_or_default(),
            kind: kind.get_str("kind")?,
        })
    }

    /// Reads the kind that an object gives itself.
    pub fn of_object(object: &Object<'a>) -> Option<Self> {
        let api_version = object.get_str("apiVersion")?.into_owned();
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        Some(Self {
            group: group.to_owned().into(),
            version: version.to_owned().into(),
            kind: object.get_str("kind")?,
        })
    }
}

/// Where an object keeps its pod template, and what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    path: Vec<String>,
    /// Whether the template may still change at an update.
    pub template_is_mutable: bool,
    /// Whether its pods are meant to end.
    pub runs_to_completion: bool,
    /// Whether apply replaces lists of the template as a whole, as in most custom resources.
    pub lists_are_atomic: bool,
}

impl Workload {
    /// The workload that Kubernetes itself has under a kind.
    pub fn built_in(kind: &GroupVersionKind) -> Option<Self> {
        let template = &["spec", "template"][..];
        let (path, template_is_mutable, runs_to_completion) =
            match (&*kind.group, &*kind.version, &*kind.kind) {
                ("apps", "v1", "Deployment" | "DaemonSet" | "StatefulSet") => {
                    (template, true, false)
                }
                ("batch", "v1", "CronJob") => {
                    (&["spec", "jobTemplate", "spec", "template"][..], true, true)
                }
                // A Job's template and a Pod's spec are immutable once stored.
                ("batch", "v1", "Job") => (template, false, true),
                ("", "v1", "Pod") => (&[][..], false, false),
                _ => return None,
            };
        let path = path.iter().map(|&name| name.to_owned()).collect();
        Some(Self { path, template_is_mutable, runs_to_completion, lists_are_atomic: false })
    }

    /// Whether the object is the pod itself.
    pub fn is_pod(&self) -> bool {
        self.path.is_empty()
    }

    /// The names on the way to the pod template.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// A workload of another kind, with the JSON pointer (RFC 6901) to its pod template.
    pub fn with_template_at(pointer: &str) -> Self {
        let names = pointer.split('/').skip(1);
        let path = names.map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
        Self { path, template_is_mutable: true, runs_to_completion: false, lists_are_atomic: true }
    }

    /// The pod template in an object, opened as far as its labels and annotations.
    pub fn template<'o, 'a>(&self, object: &'o mut Value<'a>) -> Option<&'o mut Object<'a>> {
        static LIST: Shape = Shape::Array(&TEMPLATE);
        let mut place = object;
        for name in &self.path {
            place.open_further(&TEMPLATE);
            place.open_further(&LIST);
            place = match place {
                Value::Array(elements) => elements.get_mut(name.parse::<usize>().ok()?)?,
                place => place.as_object_mut()?.get_mut(name)?,
            };
        }
        place.open_further(&TEMPLATE);
        let place = place.as_object_mut()?;
        if let Some(metadata) = place.get_mut("metadata") {
            metadata.open_further(&METADATA);
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(group: &str, version: &str, kind: &str) -> GroupVersionKind<'static> {
        let [group, version, kind] = [group, version, kind].map(|name| name.to_owned().into());
        GroupVersionKind { group, version, kind }
    }

    #[test]
    fn knows_where_each_kind_keeps_its_template() {
        for (group, version, name, path, mutable, ends) in [
            ("apps", "v1", "Deployment", "spec/template", true, false),
            ("apps", "v1", "DaemonSet", "spec/template", true, false),
            ("apps", "v1", "StatefulSet", "spec/template", true, false),
            ("batch", "v1", "CronJob", "spec/jobTemplate/spec/template", true, true),
            ("batch", "v1", "Job", "spec/template", false, true),
            ("", "v1", "Pod", "", false, false),
        ] {
            let workload = Workload::built_in(&kind(group, version, name)).unwrap();
            assert_eq!(workload.path.join("/"), path, "{name}");
            assert_eq!(workload.template_is_mutable, mutable, "{name}");
            assert_eq!(workload.runs_to_completion, ends, "{name}");
        }
    }

    #[test]
    fn leaves_other_kinds_alone() {
        for (group, version, name) in [
            ("apps", "v1", "ReplicaSet"),
            ("apps", "v1beta1", "Deployment"),
            ("extensions", "v1", "Deployment"),
            ("", "v1", "Service"),
            ("metrics.k8s.io", "v1", "Pod"),
            ("", "", ""),
        ] {
            assert_eq!(Workload::built_in(&kind(group, version, name)), None, "{name}");
        }
    }

    #[test]
    fn reads_json_pointers() {
        let workload = Workload::with_template_at("/spec/a~1b/~0c");
        assert_eq!(workload.path, ["spec", "a/b", "~c"]);
    }

    static SHAPE: Shape = REQUEST;

    fn read(text: &str) -> Option<Request<'_>> {
        let mut value = Value::open(text, &SHAPE).unwrap();
        Request::read(value.as_object_mut()?)
    }

    #[test]
    fn takes_null_and_wrong_types_as_absent() {
        let request = read(
            r#"{"object":{"apiVersion":"apps/v1","kind":"Deployment"},"oldObject":null,"kind":7,
                "name":null,"namespace":[],"subResource":null,"operation":"CREATE"}"#,
        )
        .unwrap();
        assert_eq!(request.kind, kind("apps", "v1", "Deployment"));
        assert_eq!(request.operation, Some(Operation::Create));
        assert_eq!(request.namespace, "");
        assert!(!request.is_subresource);
        assert!(request.old_object.is_none());
    }

    #[test]
    fn has_nothing_to_say_without_an_object() {
        for text in ["{}", r#"{"object":null}"#, r#"{"object":[]}"#, r#"{"object":"x"}"#, "[]"] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn prefers_the_namespace_of_the_object() {
        for (object, expected) in [
            (r#"{"metadata":{"namespace":"own"}}"#, "own"),
            (r#"{"metadata":{"namespace":""}}"#, "of-request"),
            (r#"{"metadata":{}}"#, "of-request"),
            ("{}", "of-request"),
        ] {
            let text = format!(r#"{{"namespace":"of-request","object":{object}}}"#);
            assert_eq!(read(&text).unwrap().namespace(), expected);
        }
    }
}
