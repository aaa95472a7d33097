//! What several injections add.

use std::borrow::Cow;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Ask, Plan};
use crate::collections::set;
use crate::injection::containers::own_containers;
use crate::injection::skip::{ContainerName as Name, Skip};
use crate::json::{Object, Value};
use crate::pod::Pod;
use crate::pod::container::{Container, ContainerRef, EnvVar, VolumeMount};
use crate::pod::edits::Edits;
use crate::pod::volume::{NewVolume, SUFFIX, Volume, VolumeSource};
use crate::rules::env::{VariableValue, divisor};
use crate::rules::image::ImageReference;
use crate::rules::resources::Resources;

/// The longest name of a volume.
const MAX_VOLUME_NAME: usize = 63;

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
    let guaranteed = ask.context.is_guaranteed.then(|| ask.rule.resources.guaranteed());
    let resources = guaranteed.as_ref().unwrap_or(&ask.rule.resources);
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
        container.set_security_context(configured.or_else(|| context.needed.context()));
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
        list.and_then(Object::parse).is_some_and(|list| !list.is_empty())
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
        let list = Object::parse(resources.get(list)?.as_text()?)?;
        let is_set = list.get(name).is_some_and(|value| !value.is_null());
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
                    divisor: Some(Quantity(divisor(name).to_owned())),
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
        volume.name.push_str(SUFFIX);
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
/// Where the container has something else at that path, or a read-only volume above it.
pub(super) fn fixed_mount<'a>(
    pod: &Pod,
    (place, container): (ContainerRef, &Container),
    mount: &VolumeMount<'a>,
    path: &'static str,
    edits: &mut Edits<'a>,
) -> Result<(), Skip> {
    let name = || Name::new(&container.name);
    match container.mount_on(&mount.path) {
        Some(there) if there.volume == mount.volume => return Ok(()),
        Some(_) => return Err(Skip::OtherMount { container: name(), path }),
        None if container.has_device_on(&mount.path) => {
            return Err(Skip::OtherMount { container: name(), path });
        }
        None if is_below_read_only(pod, container, &mount.path) => {
            return Err(Skip::ReadOnlyMount { container: name(), path });
        }
        None => {}
    }
    edits.mounts.push((place, mount.clone()));
    Ok(())
}

/// Whether a path is in a volume that a container cannot write to: nothing can be mounted there,
/// because no directory can be made for it.
pub(super) fn is_below_read_only(pod: &Pod, container: &Container, path: &str) -> bool {
    let above = container.mount_above(path, |_| true);
    above.is_some_and(|(mount, _)| {
        mount.is_read_only || pod.volume(&mount.volume).is_some_and(Volume::is_read_only)
    })
}

/// The containers that tracing goes into. How many names match none is noted.
pub(super) fn traced<'p, 'a>(
    pod: &'p Pod<'_, 'a>,
    ask: &Ask,
    notes: &mut Vec<String>,
) -> Result<Vec<(ContainerRef, &'p Container<'a>)>, Skip> {
    let mut containers: Vec<_> = own_containers(pod, ask.context.options).collect();
    if let Some(names) = &ask.context.container_names {
        let present = set(pod.containers.iter().map(|container| &*container.name));
        let (mut absent, mut ignored) = (0_usize, 0_usize);
        for name in names {
            let is_ignored = ask.context.options.ignored_containers.iter().any(|it| it == name);
            let count = if is_ignored { &mut ignored } else { &mut absent };
            *count = count.saturating_add(usize::from(is_ignored || !present.contains(&**name)));
        }
        if absent > 0 {
            notes.push(format!(
                "unknown names in annotation admission.datakit/container-names: {absent}"
            ));
        }
        if ignored > 0 {
            notes.push(format!(
                "ignored containers in annotation admission.datakit/container-names: {ignored}; \
                 see policy.ignored_containers"
            ));
        }
        containers.retain(|(_, container)| names.contains(&*container.name));
    }
    if containers.is_empty() { Err(Skip::NoContainer) } else { Ok(containers) }
}
