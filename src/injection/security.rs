//! What a pod's security asks of the containers that are added.

use crate::injection::containers::{self, own_containers};
use crate::injection::skip::Skip;
use crate::json::{Object, Value};
use crate::options::{Options, PodSecurity};
use crate::pod::Pod;
use crate::pod::container::Container;
use crate::pod::security::{is_zero, meets_restricted};

/// The user of added containers where no container of the pod names one: `nonroot` in distroless
/// images.
const NON_ROOT: &str = "65532";

/// What added containers need so that the pod is admitted and starts.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    /// Their `securityContext`.
    context: Object<'static>,
    /// Why the pod cannot have a container that needs capabilities and runs as root.
    capable: Option<Skip>,
}

impl Needed {
    /// What a pod asks for: where it meets the Pod Security level `restricted`, that what is added
    /// meets it; where it says `runAsNonRoot`, a user, without which the kubelet starts no image that
    /// runs as root.
    pub(crate) fn by(pod: &Pod, options: &Options) -> Self {
        let of_pod = pod.spec_object("securityContext").unwrap_or_default();
        let has_user = names_user(&of_pod);
        let runs_as_non_root = of_pod.get("runAsNonRoot") == Some(&Value::Text("true"));
        // What an earlier injection added is judged by what the pod was before.
        let is_user_s = |container: &Container| !containers::is_added(&container.name);
        let mut needed = Self::default();
        let context = &mut needed.context;
        if options.pod_security == PodSecurity::Respect && meets_restricted(pod, is_user_s) {
            needed.capable = Some(Skip::Restricted);
            context.set("allowPrivilegeEscalation", Value::Text("false"));
            context.set("capabilities", Value::Text(r#"{"drop":["ALL"]}"#));
            if !runs_as_non_root {
                context.set("runAsNonRoot", Value::Text("true"));
            }
            if of_pod.get("seccompProfile").is_none_or(Value::is_null) {
                context.set("seccompProfile", Value::Text(r#"{"type":"RuntimeDefault"}"#));
            }
        } else if runs_as_non_root && !has_user {
            needed.capable = Some(Skip::RunsAsRoot);
        }
        if needed.capable.is_some() && !has_user {
            let mut own = own_containers(pod, options);
            let first = own.next().and_then(|(_, first)| first.object("securityContext"));
            let first = first.as_ref().filter(|context| names_user(context));
            let user = first.and_then(|context| context.get("runAsUser")?.as_text());
            context.set("runAsUser", Value::New(user.unwrap_or(NON_ROOT).into()));
        }
        needed
    }

    /// The security context of an added container; nothing where it needs none.
    pub(super) fn context<'a>(&self) -> Option<Value<'a>> {
        (!self.context.is_empty()).then(|| Value::Object(self.context.clone()))
    }

    /// Why a container that needs capabilities cannot be added.
    pub(crate) fn skip_of_capable(&self) -> Option<Skip> {
        self.capable.clone()
    }
}

/// Whether a security context names a user other than root.
fn names_user(context: &Object) -> bool {
    context.get("runAsUser").is_some_and(|user| !user.is_null()) && !is_zero(context, "runAsUser")
}

/// The security context of OpenTelemetry's init container: the first container's, as the reference
/// has it; with a user where the pod meets `restricted` and names none.
pub(super) fn first_security_context<'a>(
    pod: &Pod<'_, 'a>,
    options: &Options,
    needed: &Needed,
) -> Option<Value<'a>> {
    let is_restricted = needed.capable == Some(Skip::Restricted);
    let (_, first) = own_containers(pod, options).next()?;
    let Some(text) = first.text("securityContext").filter(|text| *text != "null") else {
        return needed.context().filter(|_| is_restricted);
    };
    if !is_restricted {
        return Some(Value::Text(text));
    }
    let Some(mut context) = Object::parse(text) else {
        return Some(Value::Text(text));
    };
    if !names_user(&context)
        && let Some(user) = needed.context.get("runAsUser")
    {
        context.set("runAsUser", user.clone());
    }
    Some(Value::Object(context))
}

/// Whether the kubelet would refuse to start an init container: it has to run as another user than
/// root, and no user is set.
pub(super) fn runs_as_root(pod: &Pod, init: &Container) -> bool {
    let own = init.body.get("securityContext").map(Value::to_json).unwrap_or_default();
    let own = Object::parse(&own);
    let of_pod = pod.spec_object("securityContext");
    let effective = |name: &str| {
        let mut objects = [&own, &of_pod].into_iter().flatten();
        objects.find_map(|object| object.get(name)?.as_text().filter(|text| *text != "null"))
    };
    let user = effective("runAsUser");
    effective("runAsNonRoot") == Some("true")
        && user.is_none_or(|user| user.trim_start_matches(['-', '0', '.']).is_empty())
}
