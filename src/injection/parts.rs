//! What several injections add.

use std::borrow::Cow;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{ALL, Ask, Container as Name, Plan, Skip};
use crate::collections::set;
use crate::json::{Object, Shape, Value};
use crate::pod::{
    Container, ContainerRef, Edits, EnvVar, NewVolume, Pod, Volume, VolumeMount, VolumeSource,
    meets_restricted,
};
use crate::rule::{ImageReference, Resources, VariableValue};
use crate::settings::{Options, PodSecurity};

static OBJECT: Shape = Shape::Object(&[]);

/// The longest name of a volume.
const MAX_VOLUME_NAME: usize = 63;

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
        let is_own = |container: &Container| {
            !ALL.iter().any(|injection| injection.container == Some(&*container.name))
        };
        if options.pod_security == PodSecurity::Ignore || !meets_restricted(pod, is_own) {
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
}

/// The regular containers that the user wrote and the options do not ignore.
pub(crate) fn own_containers<'p, 'a>(
    pod: &'p Pod<'_, 'a>,
    options: &Options,
) -> impl Iterator<Item = (ContainerRef, &'p Container<'a>)> {
    let regular = pod.containers.iter().enumerate();
    let own = regular.filter(|(_, container)| {
        !is_sidecar(&container.name) && !options.ignored_containers.contains(&container.name)
    });
    own.map(|(place, container)| (ContainerRef::Regular(place), container))
}

/// The containers that share directories: the user's, and the sidecars of this policy.
pub(super) fn sharing_containers<'p, 'a>(
    pod: &'p Pod<'_, 'a>,
    ask: &Ask,
) -> impl Iterator<Item = (ContainerRef, &'p Container<'a>)> {
    let ignored = &ask.context.options.ignored_containers;
    pod.all_containers().filter(move |(place, container)| {
        let is_regular = matches!(place, ContainerRef::Regular(_));
        is_sidecar(&container.name) || (is_regular && !ignored.contains(&container.name))
    })
}

fn is_sidecar(name: &str) -> bool {
    name.starts_with("datakit-")
        && ALL.iter().any(|injection| injection.is_sidecar && injection.container == Some(name))
}

/// The container that an injection adds, with what every rule says of it.
///
/// Where the pod has resources of its own, the container has none: Kubernetes refuses a pod whose
/// containers ask for more than the pod.
pub(super) fn container<'a>(
    image: &ImageReference,
    pod: &Pod,
    ask: &Ask<'_, 'a>,
    notes: &mut Vec<String>,
) -> Container<'a> {
    let mut container = Container::new(ask.injection.container.unwrap_or_default());
    container.body.set("image", Value::string(&image.to_string()));
    let policy = ask.rule.image_pull_policy.to_string();
    container.body.set("imagePullPolicy", Value::string(&policy));
    let resources = &ask.rule.resources;
    if !resources.requests.is_empty() || !resources.limits.is_empty() {
        if has_resources(pod) {
            if resources.is_explicit {
                notes.push("its resources are left out, because the pod has its own".to_owned());
            }
        } else {
            container.body.set("resources", self::resources(resources));
        }
    }
    if !ask.injection.needs_capabilities {
        let context = ask.context;
        let configured = context.options.security_context.as_deref();
        let configured = configured.map(|text| Value::New(text.into()));
        let restricted = || context.restricted.as_ref().map(|it| Value::Object(it.0.clone()));
        container.set_security_context(configured.or_else(restricted));
    }
    container
}

/// Whether the pod itself has requests or limits.
fn has_resources(pod: &Pod) -> bool {
    let Some(resources) = pod.spec_object("resources") else {
        return false;
    };
    ["requests", "limits"].iter().any(|list| {
        let list = resources.get(list).and_then(Value::as_text);
        let list = list.and_then(|text| Value::open(text, &OBJECT).ok());
        list.as_ref().and_then(Value::as_object).is_some_and(|list| !list.is_empty())
    })
}

/// Plans a sidecar: the last regular container, or the last init container where it is native.
pub(super) fn add_sidecar<'a>(mut sidecar: Container<'a>, ask: &Ask, plan: &mut Plan<'a>) {
    if ask.context.native_sidecars {
        sidecar.body.set("restartPolicy", Value::Text("\"Always\""));
        plan.edits.init_containers.push(sidecar);
        return;
    }
    plan.edits.containers.push(sidecar);
    if ask.context.runs_to_completion {
        let note = "the sidecar keeps the pod from completing; set policy.sidecar_mode to `auto`";
        plan.notes.push(note.to_owned());
    }
}

/// Plans what profiling the processes of other containers needs of the pod.
pub(super) fn share_processes<'a>(pod: &Pod<'_, 'a>, ask: &Ask, plan: &mut Plan<'a>) {
    // Kubernetes refuses both at once, and processes of the host are visible anyway.
    if !pod.is_set("hostPID") {
        plan.edits.spec.push(("shareProcessNamespace", Value::Text("true")));
    }
    if !ask.context.runs_to_completion {
        plan.edits.spec.push(("restartPolicy", Value::Text("\"Always\"")));
    }
}

/// A security context that adds capabilities.
pub(super) fn capabilities(names: &[&str]) -> Value<'static> {
    Value::object([("capabilities", Value::object([("add", Value::new(&names))]))])
}

fn resources<'a>(resources: &Resources) -> Value<'a> {
    let mut lists = Object::default();
    for (key, list) in [("limits", &resources.limits), ("requests", &resources.requests)] {
        let mut quantities = Object::default();
        for (name, quantity) in list {
            quantities.set(*name, Value::string(quantity));
        }
        if !quantities.is_empty() {
            lists.set(key, Value::Object(quantities));
        }
    }
    Value::Object(lists)
}

/// The variables of a rule, as a container of this pod gets them.
///
/// A resource that the pod's first container does not set is left out.
pub(super) fn env_vars<'a>(ask: &Ask<'_, 'a>, pod: &Pod<'_, 'a>) -> Vec<EnvVar<'a>> {
    let first = own_containers(pod, ask.context.options).next().map(|(_, container)| container);
    let set = |list: &str, name: &str| {
        let resources = first?.object("resources")?;
        let list = Value::open(resources.get(list)?.as_text()?, &OBJECT);
        let is_set = list.ok()?.as_object()?.get(name).is_some_and(|value| !value.is_null());
        is_set.then(|| first.map(|container| container.name.clone().into_owned())).flatten()
    };
    let env_var = |(name, value): (&Cow<'a, str>, &VariableValue<'a>)| {
        let name = name.clone();
        let mut source = k8s::EnvVarSource::default();
        match value {
            VariableValue::Literal(text) => return Some(EnvVar::new(name, text)),
            VariableValue::Field(path) => source.field_ref = Some(field(path)),
            VariableValue::Secret { name, key } => {
                source.secret_key_ref = Some(k8s::SecretKeySelector {
                    name: name.clone(),
                    key: key.clone(),
                    optional: None,
                });
            }
            VariableValue::Resource { list, name } => {
                source.resource_field_ref = Some(k8s::ResourceFieldSelector {
                    container_name: Some(set(list, name)?),
                    resource: format!("{list}.{name}"),
                    divisor: Some(Quantity(if *name == "cpu" { "1m" } else { "1Mi" }.to_owned())),
                });
            }
        }
        Some(EnvVar::from_source(name, &source))
    };
    let variables = ask.rule.envs.iter().map(|variable| (&variable.name, &variable.value));
    variables.filter_map(env_var).collect()
}

/// The variables of a sidecar: those of its rule, then its own, which win.
pub(super) fn sidecar_env<'a>(
    ask: &Ask<'_, 'a>,
    pod: &Pod<'_, 'a>,
    own: impl IntoIterator<Item = EnvVar<'a>>,
) -> Vec<EnvVar<'a>> {
    let mut env = env_vars(ask, pod);
    for variable in own {
        env.retain(|other| other.name != variable.name);
        env.push(variable);
    }
    env
}

/// A field of the pod.
pub(super) fn field(path: &str) -> k8s::ObjectFieldSelector {
    k8s::ObjectFieldSelector { field_path: path.to_owned(), ..k8s::ObjectFieldSelector::default() }
}

/// A mount of a whole volume.
pub(super) fn mount<'a>(
    volume: impl Into<Cow<'a, str>>,
    path: impl Into<Cow<'a, str>>,
) -> VolumeMount<'a> {
    VolumeMount::new(volume.into(), path.into(), None)
}

/// An emptyDir.
pub(super) fn empty_dir(name: &str, ask: &Ask) -> NewVolume {
    let size_limit = ask.context.options.empty_dir_size_limit.as_deref();
    let source = k8s::EmptyDirVolumeSource {
        size_limit: size_limit.map(|limit| Quantity(limit.to_owned())),
        ..k8s::EmptyDirVolumeSource::default()
    };
    NewVolume { name: name.to_owned(), empty_dir: Some(source), ..NewVolume::default() }
}

/// Plans a volume and gives its name.
///
/// One of the same name and kind is taken for it; where one of that name is something else, the
/// volume gets another name.
///
/// # Errors
///
/// Where every such name is taken.
pub(super) fn volume(
    pod: &Pod,
    mut volume: NewVolume,
    ask: &Ask,
    edits: &mut Edits,
) -> Result<String, Skip> {
    let source = volume.source();
    loop {
        match pod.volume(&volume.name) {
            _ if ask.context.claims.contains(&volume.name) => {}
            None => break,
            Some(there) if there.source == source => return Ok(volume.name),
            Some(_) => {}
        }
        volume.name.push_str("-datakit");
        if volume.name.len() > MAX_VOLUME_NAME {
            return Err(Skip::OtherVolume(volume.name));
        }
    }
    let name = volume.name.clone();
    edits.volumes.push(Volume::new(volume));
    Ok(name)
}

/// Plans a volume that several containers have to find under exactly this name.
///
/// # Errors
///
/// Where the pod has another volume of that name.
pub(super) fn fixed_volume(
    pod: &Pod,
    name: &'static str,
    ask: &Ask,
    edits: &mut Edits,
) -> Result<(), Skip> {
    match pod.volume(name) {
        _ if ask.context.claims.contains(name) => Err(Skip::OtherVolume(name.to_owned())),
        Some(there) if there.source == VolumeSource::EmptyDir => Ok(()),
        Some(_) => Err(Skip::OtherVolume(name.to_owned())),
        None => {
            edits.volumes.push(Volume::new(empty_dir(name, ask)));
            Ok(())
        }
    }
}

/// Plans a mount of a volume that has to be exactly there; one that is there already is taken.
/// `path` says where in messages.
///
/// # Errors
///
/// Where the container mounts another volume at that path.
pub(super) fn fixed_mount<'a>(
    (place, container): (ContainerRef, &Container),
    mount: &VolumeMount<'a>,
    path: &'static str,
    edits: &mut Edits<'a>,
) -> Result<(), Skip> {
    match container.mount_on(&mount.path) {
        Some(there) if there.volume == mount.volume => Ok(()),
        Some(_) => Err(Skip::OtherMount { container: Name::new(&container.name), path }),
        None => {
            edits.mounts.push((place, mount.clone()));
            Ok(())
        }
    }
}

/// The containers that tracing goes into. How many names match none is noted.
pub(super) fn traced<'p, 'a>(
    pod: &'p Pod<'_, 'a>,
    ask: &Ask,
    notes: &mut Vec<String>,
) -> Result<Vec<(ContainerRef, &'p Container<'a>)>, Skip> {
    let mut containers: Vec<_> = own_containers(pod, ask.context.options).collect();
    if let Some(names) = &ask.context.container_names {
        let present = set(containers.iter().map(|(_, container)| &*container.name));
        match names.iter().filter(|name| !present.contains(&***name)).count() {
            0 => {}
            1 => notes.push(
                "annotation admission.datakit/container-names lists 1 name that matches no container"
                    .to_owned(),
            ),
            count => notes.push(format!(
                "annotation admission.datakit/container-names lists {count} names that match no \
                 container"
            )),
        }
        containers.retain(|(_, container)| names.contains(&*container.name));
    }
    if containers.is_empty() { Err(Skip::NoContainer) } else { Ok(containers) }
}

/// The security context of the first container, which the reference gives to the init container of
/// OpenTelemetry; with a user where the pod meets `restricted` and names none.
pub(super) fn first_security_context<'a>(pod: &Pod<'_, 'a>, ask: &Ask) -> Option<Value<'a>> {
    let (_, first) = own_containers(pod, ask.context.options).next()?;
    let text = first.text("securityContext").filter(|text| *text != "null")?;
    let Some(RestrictedContext(restricted)) = &ask.context.restricted else {
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
