//! The pod template: what is in it, and what is added to it.
//!
//! Injectors look at a [`Pod`], plan [`Edits`], and [`Pod::apply`] carries them out. Planning may
//! fail and applying cannot, so an injection is done in whole or not at all.

mod container;
mod volume;

use thiserror::Error;

pub(crate) use container::{Container, EnvVar, VolumeMount};
pub(crate) use volume::{NewVolume, Volume, VolumeSource};

use crate::json::{Object, Shape, Value};

/// How much of a pod's specification is opened.
static SPEC: Shape = Shape::Object(&[
    ("containers", CONTAINERS),
    ("initContainers", CONTAINERS),
    ("volumes", OBJECTS),
    ("imagePullSecrets", OBJECTS),
]);
static LIST_OF_CONTAINERS: Shape = CONTAINERS;
static LIST_OF_OBJECTS: Shape = OBJECTS;
static OBJECT: Shape = Shape::Object(&[]);

const OBJECTS: Shape = Shape::Array(&Shape::Object(&[]));
const CONTAINERS: Shape =
    Shape::Array(&Shape::Object(&[("env", OBJECTS), ("volumeMounts", OBJECTS)]));

/// The names of the sidecars that this policy adds.
pub(crate) const SIDECARS: &[&str] = &["datakit-logfwd", "datakit-flameshot", "datakit-profiler"];

/// A pod template, opened for editing.
#[derive(Debug)]
pub(crate) struct Pod<'t, 'a> {
    template: &'t mut Object<'a>,
    containers: Vec<Container<'a>>,
    init_containers: Vec<Container<'a>>,
    volumes: Vec<Volume<'a>>,
    /// Names of volumes that something else gives to the pods of this template.
    claims: Vec<String>,
    /// Whether sidecars are added as init containers that are always restarted.
    pub(crate) native_sidecars: bool,
    changed: bool,
}

/// A place where Kubernetes does not take what stands there.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("spec.{0} of the pod template is malformed")]
pub(crate) struct Malformed(&'static str);

/// One of the containers of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A regular container.
    Regular(usize),
    /// An init container.
    Init(usize),
}

/// What one injection adds.
#[derive(Debug, Default)]
pub(crate) struct Edits<'a> {
    pub(crate) volumes: Vec<NewVolume>,
    pub(crate) env: Vec<(Place, EnvEdit<'a>)>,
    pub(crate) mounts: Vec<(Place, VolumeMount<'a>)>,
    pub(crate) init_containers: Vec<Container<'a>>,
    pub(crate) sidecars: Vec<Container<'a>>,
    pub(crate) annotations: Vec<(&'static str, Value<'a>)>,
    /// Whether the containers have to see each other's processes.
    pub(crate) share_process_namespace: bool,
    /// Whether the pod's containers have to be restarted always.
    pub(crate) restart_always: bool,
}

/// A change of a container's environment.
#[derive(Debug)]
pub(crate) enum EnvEdit<'a> {
    /// Adds a variable at the end.
    Append(EnvVar<'a>),
    /// Sets the string of a variable that is there, the last of that name.
    Set(&'static str, String),
    /// Takes a variable out.
    Remove(&'static str),
}

impl<'t, 'a> Pod<'t, 'a> {
    /// Opens a pod template.
    ///
    /// # Errors
    ///
    /// Where a part that injections touch has another type than Kubernetes takes.
    pub(crate) fn open(
        template: &'t mut Object<'a>,
        claims: Vec<String>,
    ) -> Result<Self, Malformed> {
        let malformed = Malformed("containers");
        let spec = template.get_mut("spec").ok_or(malformed)?;
        spec.open_further(&SPEC);
        let spec = spec.as_object_mut().ok_or(malformed)?;
        let containers = take_list(spec, "containers", &LIST_OF_CONTAINERS)?;
        let init_containers = take_list(spec, "initContainers", &LIST_OF_CONTAINERS)?;
        let volumes = take_list(spec, "volumes", &LIST_OF_OBJECTS)?;
        let read = |list: Vec<Value<'a>>, name| {
            let containers = list.into_iter().map(Container::read);
            containers.collect::<Option<Vec<_>>>().ok_or(Malformed(name))
        };
        let volumes = volumes.into_iter().map(Volume::read).collect::<Option<_>>();
        Ok(Self {
            containers: read(containers, "containers")?,
            init_containers: read(init_containers, "initContainers")?,
            volumes: volumes.ok_or(Malformed("volumes"))?,
            template,
            claims,
            native_sidecars: false,
            changed: false,
        })
    }

    /// The regular containers that the user wrote.
    pub(crate) fn own_containers(&self) -> impl Iterator<Item = (Place, &Container<'a>)> {
        let containers = self.containers.iter().enumerate();
        containers
            .map(|(index, container)| (Place::Regular(index), container))
            .filter(|(_, container)| !SIDECARS.contains(&&*container.name))
    }

    /// The containers that share directories: regular ones, and the sidecars of this policy.
    pub(crate) fn sharing_containers(&self) -> impl Iterator<Item = (Place, &Container<'a>)> {
        let regular = self.containers.iter().enumerate();
        let init = self.init_containers.iter().enumerate();
        let sidecars = init.filter(|(_, container)| SIDECARS.contains(&&*container.name));
        regular
            .map(|(index, container)| (Place::Regular(index), container))
            .chain(sidecars.map(|(index, container)| (Place::Init(index), container)))
    }

    /// Whether a container of that name is there, of any kind.
    pub(crate) fn has_container(&self, name: &str) -> bool {
        let mut containers = self.containers.iter().chain(&self.init_containers);
        containers.any(|container| container.name == name)
    }

    /// The volume of that name.
    pub(crate) fn volume(&self, name: &str) -> Option<&Volume<'a>> {
        self.volumes.iter().find(|volume| volume.name == name)
    }

    /// Whether a StatefulSet gives its pods a volume of that name, in place of any other.
    pub(crate) fn is_claim(&self, name: &str) -> bool {
        self.claims.iter().any(|claim| claim == name)
    }

    /// A member of the pod's specification that nobody opened, opened now.
    pub(crate) fn spec_object(&self, name: &str) -> Option<Object<'a>> {
        let text = self.template.get("spec")?.as_object()?.get(name)?.as_text()?;
        Value::open(text, &OBJECT).ok()?.as_object().cloned()
    }

    /// Whether a boolean of the pod's specification is true.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        let spec = self.template.get("spec").and_then(Value::as_object);
        spec.and_then(|spec| spec.get(name)).is_some_and(|value| *value == Value::Text("true"))
    }

    /// Whether the pod's containers are not restarted for ever.
    pub(crate) fn ends_by_itself(&self) -> bool {
        let spec = self.template.get("spec").and_then(Value::as_object);
        let policy = spec.and_then(|spec| spec.get_str("restartPolicy"));
        matches!(policy.as_deref(), Some("Never" | "OnFailure"))
    }

    /// Carries out what an injection planned.
    pub(crate) fn apply(&mut self, edits: Edits<'a>) {
        self.changed = true;
        for (place, edit) in edits.env {
            if let Some(container) = self.container_mut(place) {
                container.edit_env(edit);
            }
        }
        for (place, mount) in edits.mounts {
            if let Some(container) = self.container_mut(place) {
                container.mounts.push(mount);
            }
        }
        self.volumes.extend(edits.volumes.into_iter().map(Volume::added));
        self.init_containers.extend(edits.init_containers);
        for mut sidecar in edits.sidecars {
            if self.native_sidecars {
                sidecar.body.set("restartPolicy", Value::Text("\"Always\""));
                self.init_containers.push(sidecar);
            } else {
                self.containers.push(sidecar);
            }
        }
        if !edits.annotations.is_empty()
            && let Some(metadata) = self.template.open_object("metadata")
            && let Some(annotations) = metadata.open_object("annotations")
        {
            for (key, value) in edits.annotations {
                annotations.set(key, value);
            }
        }
        // Kubernetes refuses both at once, and processes of the host's are seen anyway.
        let share = edits.share_process_namespace && !self.is_set("hostPID");
        let spec = self.template.get_mut("spec").and_then(Value::as_object_mut);
        if let Some(spec) = spec {
            if share {
                spec.set("shareProcessNamespace", Value::Text("true"));
            }
            if edits.restart_always {
                spec.set("restartPolicy", Value::Text("\"Always\""));
            }
        }
    }

    /// Whether anything was applied.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    /// Appends names to the pod's `imagePullSecrets`, but for those that are there.
    pub(crate) fn add_image_pull_secrets<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let Some(spec) = self.template.get_mut("spec").and_then(Value::as_object_mut) else {
            return;
        };
        let key = "imagePullSecrets";
        let Ok(mut secrets) = take_list(spec, key, &LIST_OF_OBJECTS) else {
            return;
        };
        for name in names {
            let has_name = |secret: &Value| {
                secret.as_object().and_then(|secret| secret.get_str("name")).as_deref()
                    == Some(name)
            };
            if !secrets.iter().any(has_name) {
                secrets.push(Value::object([("name", Value::string(name))]));
            }
        }
        put_list(spec, key, secrets);
    }

    /// Puts everything back into the template.
    pub(crate) fn close(self) {
        let Some(spec) = self.template.get_mut("spec").and_then(Value::as_object_mut) else {
            return;
        };
        let values = |containers: Vec<Container<'a>>| {
            containers.into_iter().map(Container::into_value).collect()
        };
        put_list(spec, "containers", values(self.containers));
        put_list(spec, "initContainers", values(self.init_containers));
        let volumes = self.volumes.into_iter().map(|volume| volume.value).collect();
        put_list(spec, "volumes", volumes);
    }

    fn container_mut(&mut self, place: Place) -> Option<&mut Container<'a>> {
        match place {
            Place::Regular(index) => self.containers.get_mut(index),
            Place::Init(index) => self.init_containers.get_mut(index),
        }
    }
}

/// Takes the elements of a list out of an object; null or nothing is an empty list.
fn take_list<'a>(
    object: &mut Object<'a>,
    name: &'static str,
    shape: &'static Shape,
) -> Result<Vec<Value<'a>>, Malformed> {
    let Some(value) = object.get_mut(name).filter(|value| !value.is_null()) else {
        return Ok(Vec::new());
    };
    value.open_further(shape);
    match value {
        Value::Array(elements) => Ok(std::mem::take(elements)),
        _ => Err(Malformed(name)),
    }
}

/// Puts the elements of a list back. Where there was none, an empty one is not added.
fn put_list<'a>(object: &mut Object<'a>, name: &'static str, elements: Vec<Value<'a>>) {
    match object.get_mut(name) {
        Some(Value::Array(place)) => *place = elements,
        _ if elements.is_empty() => {}
        _ => object.set(name, Value::Array(elements)),
    }
}
