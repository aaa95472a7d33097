//! What several injections add.

use std::borrow::Cow;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Context, Skip};
use crate::json::{Object, Shape, Value};
use crate::pod::{Container, Edits, EnvVar, NewVolume, Place, Pod, VolumeMount, VolumeSource};
use crate::settings::{Base, ImageReference, Resources, Variable, VariableValue};

/// The image of a rule, with the version that an annotation asks for.
pub(super) fn image(
    base: &Base,
    version: Option<&str>,
    annotation: &'static str,
    context: Context,
) -> Result<ImageReference, Skip> {
    let image = base.image.as_ref().ok_or(Skip::NoImage)?;
    match version {
        Some(version) if !version.is_empty() && context.options.allow_version_annotations => {
            image.with_tag(version).map_err(|_| Skip::NotATag(annotation))
        }
        _ => Ok(image.clone()),
    }
}

/// A container to add, with what every rule says of it.
pub(super) fn container<'a>(
    name: &'static str,
    image: &ImageReference,
    base: &Base,
) -> Container<'a> {
    let mut container = Container::new(name);
    container.body.set("image", Value::string(&image.to_string()));
    container.body.set("imagePullPolicy", Value::string(base.image_pull_policy));
    if let Some(resources) = &base.resources {
        container.body.set("resources", self::resources(resources));
    }
    container
}

/// The `securityContext` that the policy's options give to injected containers.
pub(super) fn security_context(context: Context) -> Option<Value<'static>> {
    let text = context.options.security_context.as_ref()?;
    Some(Value::New(text.as_ref().into()))
}

fn resources<'a>(resources: &Resources) -> Value<'a> {
    let mut lists = Object::default();
    for (key, list) in [("limits", &resources.limits), ("requests", &resources.requests)] {
        let mut quantities = Object::default();
        for (name, quantity) in list {
            quantities.set(name, Value::string(quantity));
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
pub(super) fn env_vars<'a>(variables: &[Variable<'a>], pod: &Pod<'_, 'a>) -> Vec<EnvVar<'a>> {
    let first = pod.own_containers().next().map(|(_, container)| container);
    let set = |list: &str, name: &str| {
        let resources = first?.object("resources")?;
        let list = Value::open(resources.get(list)?.as_text()?, &Shape::Object(&[]));
        let is_set = list.ok()?.as_object()?.get(name).is_some_and(|value| !value.is_null());
        is_set.then(|| first.map(|container| container.name.clone().into_owned())).flatten()
    };
    let env_var = |variable: &Variable<'a>| {
        let name = variable.name.clone();
        let mut source = k8s::EnvVarSource::default();
        match &variable.value {
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
    variables.iter().filter_map(env_var).collect()
}

/// The variables of a sidecar: those of its rule, then its own, which win.
pub(super) fn sidecar_env<'a>(
    base: &Base<'a>,
    pod: &Pod<'_, 'a>,
    own: impl IntoIterator<Item = EnvVar<'a>>,
) -> Vec<EnvVar<'a>> {
    let mut env = env_vars(&base.envs, pod);
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
pub(super) fn empty_dir(name: &str, context: Context) -> NewVolume {
    let size_limit = context.options.empty_dir_size_limit.as_deref();
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
pub(super) fn volume(pod: &Pod, mut volume: NewVolume, edits: &mut Edits) -> String {
    let source = volume.source();
    loop {
        match pod.volume(&volume.name) {
            _ if pod.is_claim(&volume.name) => {}
            None => break,
            Some(there) if there.source == source => return volume.name,
            Some(_) => {}
        }
        volume.name.push_str("-datakit");
    }
    let name = volume.name.clone();
    if !edits.volumes.iter().any(|planned| planned.name == name) {
        edits.volumes.push(volume);
    }
    name
}

/// Plans a volume that several containers have to find under exactly this name.
///
/// # Errors
///
/// Where the pod has another volume of that name.
pub(super) fn fixed_volume(
    pod: &Pod,
    name: &'static str,
    context: Context,
    edits: &mut Edits,
) -> Result<(), Skip> {
    match pod.volume(name) {
        Some(there) if there.source == VolumeSource::EmptyDir => Ok(()),
        Some(_) => Err(Skip::OtherVolume(name)),
        None => {
            edits.volumes.push(empty_dir(name, context));
            Ok(())
        }
    }
}

/// Plans a mount of a volume that has to be exactly there; one that is there already is taken.
///
/// # Errors
///
/// Where the container mounts something else at that path.
pub(super) fn fixed_mount<'a>(
    (place, container): (Place, &Container),
    mount: &VolumeMount<'a>,
    edits: &mut Edits<'a>,
) -> Result<(), Skip> {
    match container.mount_at(&mount.path) {
        Some(there) if there.volume == mount.volume => Ok(()),
        Some(_) => Err(Skip::OtherMount {
            container: super::container_name(&container.name),
            path: mount.path.to_string(),
        }),
        None => {
            edits.mounts.push((place, mount.clone()));
            Ok(())
        }
    }
}

/// The containers that tracing goes into. Names asked for that are not there are noted.
pub(super) fn traced<'p, 'a>(
    pod: &'p Pod<'_, 'a>,
    context: Context,
    notes: &mut Vec<String>,
) -> Result<Vec<(Place, &'p Container<'a>)>, Skip> {
    let mut containers: Vec<_> = pod.own_containers().collect();
    if let Some(names) = context.container_names {
        for name in names {
            if !containers.iter().any(|(_, container)| container.name == *name) {
                let name = super::container_name(name);
                notes.push(format!(
                    "admission.datakit/container-names has {name}, which is no container of the pod"
                ));
            }
        }
        containers.retain(|(_, container)| names.iter().any(|name| *name == container.name));
    }
    if containers.is_empty() { Err(Skip::NoContainer) } else { Ok(containers) }
}

/// Notes a regular sidecar that keeps a pod from ending.
pub(super) fn note_never_ending(context: Context, notes: &mut Vec<String>) {
    if context.runs_to_completion && !context.native_sidecars {
        let note = "the sidecar keeps the pod from ending; set policy.sidecar_mode to auto";
        notes.push(note.to_owned());
    }
}
