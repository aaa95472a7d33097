//! What added containers need in a pod that meets the Pod Security level `restricted`.

use crate::injection::containers::{self, own_containers};
use crate::json::{Object, Shape, Value};
use crate::options::{Options, PodSecurity};
use crate::pod::Pod;
use crate::pod::container::Container;
use crate::pod::security::meets_restricted;

static OBJECT: Shape = Shape::Object(&[]);

/// The user of added containers in a pod that meets `restricted` and names none: `nonroot` in
/// distroless images.
const NON_ROOT: &str = "65532";

/// The `securityContext` of added containers in a pod that meets the Pod Security level `restricted`.
#[derive(Clone, Debug)]
pub(crate) struct RestrictedContext(Object<'static>);

impl RestrictedContext {
    /// What added containers need, where the pod meets the level and the options respect it.
    pub(crate) fn of(pod: &Pod, options: &Options) -> Option<Self> {
        // What an earlier injection added is judged by what the pod was before.
        let is_user_s = |container: &Container| !containers::is_added(&container.name);
        if options.pod_security == PodSecurity::Ignore || !meets_restricted(pod, is_user_s) {
            return None;
        }
        let of_pod = pod.spec_object("securityContext").unwrap_or_default();
        let is_there = |name| of_pod.get(name).is_some_and(|value: &Value| !value.is_null());
        let mut context = Object::default();
        context.set("allowPrivilegeEscalation", Value::Text("false"));
        context.set("capabilities", Value::Text(r#"{"drop":["ALL"]}"#));
        if !is_there("runAsNonRoot") {
            context.set("runAsNonRoot", Value::Text("true"));
        }
        if !is_there("seccompProfile") {
            context.set("seccompProfile", Value::Text(r#"{"type":"RuntimeDefault"}"#));
        }
        if !is_there("runAsUser") {
            let mut own = own_containers(pod, options);
            let first = own.next().and_then(|(_, first)| first.object("securityContext"));
            let user = first.as_ref().and_then(|context| context.get("runAsUser"));
            let user = user.and_then(Value::as_text).filter(|user| *user != "null");
            context.set("runAsUser", Value::New(user.unwrap_or(NON_ROOT).into()));
        }
        Some(Self(context))
    }

    /// The context as a value.
    pub(super) fn value<'a>(&self) -> Value<'a> {
        Value::Object(self.0.clone())
    }
}

/// The security context of the first container, which the reference gives to the init container of
/// OpenTelemetry; with a user where the pod meets `restricted` and names none.
pub(super) fn first_security_context<'a>(
    pod: &Pod<'_, 'a>,
    options: &Options,
    restricted: Option<&RestrictedContext>,
) -> Option<Value<'a>> {
    let (_, first) = own_containers(pod, options).next()?;
    let text = first.text("securityContext").filter(|text| *text != "null")?;
    let Some(RestrictedContext(restricted)) = restricted else {
        return Some(Value::Text(text));
    };
    let mut context = Value::open(text, &OBJECT).ok()?;
    if let Some(context) = context.as_object_mut()
        && context.get("runAsUser").is_none_or(Value::is_null)
        && let Some(user) = restricted.get("runAsUser")
    {
        context.set("runAsUser", user.clone());
    }
    Some(context)
}

/// Whether the kubelet would refuse to start an init container: it has to run as another user than
/// root, and no user is set.
pub(super) fn runs_as_root(pod: &Pod, init: &Container) -> bool {
    let own = init.body.get("securityContext").map(Value::to_json).unwrap_or_default();
    let own = Value::open(&own, &OBJECT).ok();
    let own = own.as_ref().and_then(Value::as_object);
    let of_pod = pod.spec_object("securityContext");
    let effective = |name: &str| {
        let mut objects = [own, of_pod.as_ref()].into_iter().flatten();
        objects.find_map(|object| object.get(name)?.as_text().filter(|text| *text != "null"))
    };
    let user = effective("runAsUser");
    effective("runAsNonRoot") == Some("true")
        && user.is_none_or(|user| user.trim_start_matches(['-', '0', '.']).is_empty())
}
