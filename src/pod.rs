//! The pod template: what is in it, and what is added to it.
//!
//! Planners look at a [`Pod`] and plan [`Edits`]; [`Pod::apply`] carries them out. Planning may fail
//! and applying cannot, so an injection is done as a whole or not at all.

pub(crate) mod container;
pub(crate) mod edits;
pub(crate) mod evictable;
pub(crate) mod lists;
pub(crate) mod malformed;
pub(crate) mod mounts;
pub(crate) mod qos;
pub(crate) mod security;
pub(crate) mod system;
pub(crate) mod volume;

use std::borrow::Cow;
use std::collections::BTreeMap;

use container::{Container, ContainerRef};
use edits::Edits;
use lists::{put_list, take_list};
use malformed::Malformed;
use volume::Volume;

use crate::collections::set;
use crate::json::{Key, Object, Shape, Value};

/// How much of a pod's specification is opened.
static SPEC: Shape = Shape::Object(&[
    ("containers", CONTAINERS),
    ("initContainers", CONTAINERS),
    ("volumes", OBJECTS),
    ("imagePullSecrets", OBJECTS),
]);
static LIST_OF_CONTAINERS: Shape = CONTAINERS;
static LIST_OF_OBJECTS: Shape = OBJECTS;

const OBJECTS: Shape = Shape::Array(&Shape::Object(&[]));
const CONTAINERS: Shape =
    Shape::Array(&Shape::Object(&[("env", OBJECTS), ("volumeMounts", OBJECTS)]));

/// A pod template, opened for editing.
#[derive(Debug)]
pub(crate) struct Pod<'t, 'a> {
    pub(crate) template: &'t mut Object<'a>,
    pub(crate) containers: Vec<Container<'a>>,
    pub(crate) init_containers: Vec<Container<'a>>,
    pub(crate) volumes: Vec<Volume<'a>>,
    /// The place of each volume, by name; of several of one name, the first.
    volume_places: BTreeMap<Cow<'a, str>, usize>,
}

impl<'t, 'a> Pod<'t, 'a> {
    /// Opens a pod template.
    ///
    /// # Errors
    ///
    /// Where a part that injections touch has another type than Kubernetes takes.
    pub(crate) fn open(template: &'t mut Object<'a>) -> Result<Self, Malformed> {
        let malformed = Malformed::Part("spec.containers");
        let spec = template.get_mut("spec").ok_or(malformed)?;
        // Text, and cheap to keep, where nobody opened it before.
        let before = spec.clone();
        spec.open_further(&SPEC);
        let lists = spec.as_object_mut().ok_or(malformed).and_then(SpecLists::take);
        if lists.is_err() {
            *spec = before;
        }
        let SpecLists { containers, init_containers, volumes } = lists?;
        let mut volume_places = BTreeMap::new();
        for (place, volume) in volumes.iter().enumerate() {
            volume_places.entry(volume.name.clone()).or_insert(place);
        }
        Ok(Self { template, containers, init_containers, volumes, volume_places })
    }

    /// Every container with its place: the regular ones, then the init containers.
    pub(crate) fn all_containers(&self) -> impl Iterator<Item = (ContainerRef, &Container<'a>)> {
        let regular = self.containers.iter().enumerate();
        let regular = regular.map(|(place, container)| (ContainerRef::Regular(place), container));
        let init = self.init_containers.iter().enumerate();
        regular.chain(init.map(|(place, container)| (ContainerRef::Init(place), container)))
    }

    /// Whether a container of that name is there, of any kind.
    pub(crate) fn has_container(&self, name: &str) -> bool {
        self.all_containers().any(|(_, container)| container.name == name)
    }

    /// The volume of that name.
    pub(crate) fn volume(&self, name: &str) -> Option<&Volume<'a>> {
        self.volumes.get(*self.volume_places.get(name)?)
    }

    /// The specification.
    pub(crate) fn spec(&self) -> Option<&Object<'a>> {
        self.template.get("spec")?.as_object()
    }

    /// The specification, to be changed.
    pub(crate) fn spec_mut(&mut self) -> Option<&mut Object<'a>> {
        self.template.get_mut("spec")?.as_object_mut()
    }

    /// An object of the specification that nobody opened, opened now.
    pub(crate) fn spec_object(&self, name: &str) -> Option<Object<'a>> {
        Object::parse(self.spec()?.get(name)?.as_text()?)
    }

    /// Whether a boolean of the specification is true.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.spec()
            .and_then(|spec| spec.get(name))
            .is_some_and(|value| *value == Value::Text("true"))
    }

    /// Carries out what an injection planned.
    pub(crate) fn apply(&mut self, edits: Edits<'a>) {
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
        for volume in edits.volumes {
            self.volume_places.entry(volume.name.clone()).or_insert(self.volumes.len());
            self.volumes.push(volume);
        }
        self.init_containers.extend(edits.init_containers);
        self.containers.extend(edits.containers);
        if !edits.annotations.is_empty()
            && let Some(annotations) = open_annotations(self.template)
        {
            for (key, value) in edits.annotations {
                annotations.set(key, value);
            }
        }
        if let Some(spec) = self.spec_mut() {
            for (name, value) in edits.spec {
                spec.set(name, value);
            }
        }
    }

    /// Appends names to the pod's `imagePullSecrets`, but for those that are there. Gives the names
    /// that were added.
    pub(crate) fn add_image_pull_secrets(&mut self, names: &[Cow<'a, str>]) -> Vec<String> {
        let key = "imagePullSecrets";
        let mut added = Vec::new();
        let Some(spec) = self.spec_mut().filter(|_| !names.is_empty()) else {
            return added;
        };
        let Some(mut secrets) = take_list(spec, key, &LIST_OF_OBJECTS) else {
            return added;
        };
        for name in names {
            if !secrets.iter().any(|secret| secret_name(secret).as_ref() == Some(name)) {
                secrets.push(Value::object([("name", Value::string(name))]));
                added.push(name.clone().into_owned());
            }
        }
        put_list(spec, key, secrets);
        added
    }

    /// Removes names from the pod's `imagePullSecrets`, the last of each. Returns how many are not
    /// there.
    pub(crate) fn remove_image_pull_secrets(&mut self, names: &[&String]) -> usize {
        let key = "imagePullSecrets";
        let Some(spec) = self.spec_mut().filter(|_| !names.is_empty()) else {
            return names.len();
        };
        let Some(mut secrets) = take_list(spec, key, &LIST_OF_OBJECTS) else {
            return names.len();
        };
        let mut names = set(names.iter().map(|name| name.as_str()));
        secrets.reverse();
        secrets.retain(|secret| {
            let is_whole = secret.as_object().is_some_and(|secret| secret.len() == 1);
            let name = secret_name(secret).filter(|_| is_whole);
            !name.is_some_and(|name| names.remove(&*name))
        });
        secrets.reverse();
        put_list(spec, key, secrets);
        names.len()
    }

    /// Puts everything back into the template.
    pub(crate) fn close(mut self) {
        let containers = std::mem::take(&mut self.containers);
        let init_containers = std::mem::take(&mut self.init_containers);
        let volumes = std::mem::take(&mut self.volumes);
        let values = |containers: Vec<Container<'a>>| {
            containers.into_iter().map(Container::into_value).collect()
        };
        if let Some(spec) = self.spec_mut() {
            put_list(spec, "containers", values(containers));
            put_list(spec, "initContainers", values(init_containers));
            put_list(spec, "volumes", volumes.into_iter().map(|volume| volume.value).collect());
        }
    }

    pub(crate) fn container(&self, place: ContainerRef) -> Option<&Container<'a>> {
        match place {
            ContainerRef::Regular(place) => self.containers.get(place),
            ContainerRef::Init(place) => self.init_containers.get(place),
        }
    }

    pub(crate) fn container_mut(&mut self, place: ContainerRef) -> Option<&mut Container<'a>> {
        match place {
            ContainerRef::Regular(place) => self.containers.get_mut(place),
            ContainerRef::Init(place) => self.init_containers.get_mut(place),
        }
    }
}

/// The annotations of a template, or of another object.
pub(crate) fn annotations_of<'o, 'a>(object: &'o Object<'a>) -> Option<&'o Object<'a>> {
    object.get("metadata")?.as_object()?.get("annotations")?.as_object()
}

/// The annotations of a template, to be changed; empty ones where there are none.
pub(crate) fn open_annotations<'o, 'a>(template: &'o mut Object<'a>) -> Option<&'o mut Object<'a>> {
    template.open_object("metadata")?.open_object("annotations")
}

/// Whether the annotations of a template have room for some more bytes within a limit in KiB. Keys
/// and values count, as Kubernetes counts them.
pub(crate) fn annotations_have_room(template: &Object, more: usize, max_kib: usize) -> bool {
    let limit = max_kib.saturating_mul(1 << 10);
    let annotations = annotations_of(template);
    let within = |length: fn(&Key, &Value) -> usize| {
        let entries = annotations.into_iter().flat_map(Object::iter);
        let lengths = entries.map(|(key, value)| length(key, value));
        lengths.fold(more, usize::saturating_add) <= limit
    };
    // Text is never shorter than the string that it stands for, which takes longer to read.
    within(|key, value| key.text().len().saturating_add(value.text_length()))
        || within(|key, value| {
            let key = key.name().map_or(0, |name| name.len());
            key.saturating_add(value.as_str().map_or(0, |string| string.len()))
        })
}

/// Whether so many bytes are most of what annotations may have: without them there would be room.
pub(crate) fn is_most(length: usize, max_kib: usize) -> bool {
    length > max_kib.saturating_mul(1 << 9)
}

/// The lists of a specification that injections touch.
struct SpecLists<'a> {
    containers: Vec<Container<'a>>,
    init_containers: Vec<Container<'a>>,
    volumes: Vec<Volume<'a>>,
}

impl<'a> SpecLists<'a> {
    /// Takes them out of a specification.
    fn take(spec: &mut Object<'a>) -> Result<Self, Malformed> {
        let mut containers = |name, part| {
            let list = take_list(spec, name, &LIST_OF_CONTAINERS).ok_or(Malformed::Part(part))?;
            list.into_iter()
                .map(|value| Container::read(value, part))
                .collect::<Result<Vec<_>, _>>()
        };
        let regular = containers("containers", "spec.containers")?;
        let init = containers("initContainers", "spec.initContainers")?;
        let volumes = take_list(spec, "volumes", &LIST_OF_OBJECTS);
        let volumes = volumes.and_then(|list| list.into_iter().map(Volume::read).collect());
        let volumes = volumes.ok_or(Malformed::Part("spec.volumes"))?;
        Ok(Self { containers: regular, init_containers: init, volumes })
    }
}

fn secret_name<'a>(secret: &Value<'a>) -> Option<Cow<'a, str>> {
    secret.as_object()?.get_str("name")
}
