//! How a record is made: of the edits that injections are about to apply.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::stamp::Hashes;
use super::{Changes, Entry, Moved, Record, SetVariable, Was, container_keys};
use crate::collections::{map, set};
use crate::json::Value;
use crate::pod::Pod;
use crate::pod::container::{Container, ContainerRef, EnvEdit, Extension};
use crate::pod::edits::Edits;
use crate::record::stamp::Stamp;

/// A record in the making.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    record: Record,
    /// The records of other policies: what several of them need stays until the last one leaves.
    others: Vec<Record>,
    /// Whether an empty list counts as none: one that taking out left behind.
    empty_is_absent: bool,
    /// The keys of the containers that were there before the first injection.
    keys: Option<BTreeMap<ContainerRef, String>>,
}

impl Recorder {
    pub(crate) fn new(others: Vec<Record>, empty_is_absent: bool) -> Self {
        Self { others, empty_is_absent, ..Self::default() }
    }

    pub(crate) fn finish(self) -> Record {
        self.record
    }

    /// Adds what an injection is about to change in a pod.
    pub(crate) fn add(&mut self, name: String, pod: &Pod, edits: &Edits) {
        let mut entry = Entry { name, ..Entry::default() };
        self.keys.get_or_insert_with(|| container_keys(pod));
        let added = edits.init_containers.iter().chain(&edits.containers);
        entry.containers = added.map(|container| container.name.clone().into_owned()).collect();
        self.add_shared_volumes(edits, &mut entry);
        let volumes = edits.volumes.iter().map(|volume| Stamp::of(&volume.name, &volume.value));
        entry.volumes.extend(volumes);
        for (annotation, value) in &edits.annotations {
            entry.annotations.push(Stamp::of(annotation, value));
        }
        self.add_changes(pod, edits, &mut entry);
        self.add_spec(pod, edits, &mut entry);
        if !edits.annotations.is_empty() {
            let metadata = pod.template.get("metadata");
            let annotations = metadata.and_then(Value::as_object);
            let annotations = annotations.and_then(|metadata| metadata.get("annotations"));
            self.create("metadata".to_owned(), metadata);
            self.create("annotations".to_owned(), annotations);
        }
        self.record.entries.push(entry);
    }

    /// Adds names that were added to `imagePullSecrets`; of those that are needed, also the ones that
    /// another policy added: the last one to leave removes them.
    pub(crate) fn add_secrets(&mut self, added: Vec<String>, needed: &[Cow<str>]) {
        self.record.secrets = added;
        for name in needed {
            let mut of_others = self.others.iter().flat_map(|other| &other.secrets);
            if of_others.any(|other| other == name) {
                self.record.secrets.push(name.clone().into_owned());
            }
        }
    }

    /// Notes that a list or an object is created, where it is absent or null.
    pub(crate) fn create(&mut self, path: String, member: Option<&Value>) {
        let is_empty = member.is_some_and(|value| match value {
            Value::Array(elements) => elements.is_empty(),
            // The API server keeps metadata, also where it is empty.
            Value::Object(object) => object.is_empty() && path.ends_with("annotations"),
            _ => false,
        });
        self.create_list(path, member, is_empty);
    }

    /// The same for a list whose elements are elsewhere while the pod is open.
    fn create_list(&mut self, path: String, member: Option<&Value>, is_empty: bool) {
        let was = match Was::of(member) {
            Was::Present if self.empty_is_absent && is_empty => Was::Absent,
            Was::Present => {
                let mut of_others = self.others.iter().filter_map(|other| other.created.get(&path));
                of_others.next().copied().unwrap_or(Was::Present)
            }
            was => was,
        };
        if was != Was::Present {
            self.record.created.entry(path).or_insert(was);
        }
    }

    /// Adds the volumes of other policies that an injection mounts: the last one to leave removes
    /// them.
    fn add_shared_volumes(&self, edits: &Edits, entry: &mut Entry) {
        let stamps = self.others.iter().flat_map(|other| &other.entries);
        let stamps = map(stamps.flat_map(|entry| &entry.volumes).map(|it| (&*it.name, it)));
        if stamps.is_empty() {
            return;
        }
        let added = edits.init_containers.iter().chain(&edits.containers);
        let mounts = added.flat_map(|container| &container.mounts);
        let mounts = mounts.chain(edits.mounts.iter().map(|(_, mount)| mount));
        let names = set(mounts.map(|mount| &*mount.volume));
        let shared = names.into_iter().filter_map(|name| stamps.get(name));
        entry.volumes.extend(shared.map(|stamp| (*stamp).clone()));
    }

    /// Adds what changes in containers that were there before the first injection; those that were
    /// added since go as a whole.
    fn add_changes(&mut self, pod: &Pod, edits: &Edits, entry: &mut Entry) {
        if edits.env.is_empty() && edits.mounts.is_empty() {
            return;
        }
        let keys = self.keys.take().unwrap_or_default();
        let mut changes: BTreeMap<ContainerRef, Changes> = BTreeMap::new();
        let mut hashes = Hashes::new();
        let mut last = None;
        for (place, edit) in &edits.env {
            let (Some(key), Some(container)) = (keys.get(place), pod.container(*place)) else {
                continue;
            };
            if last.replace(place) != Some(place) {
                let list = container.body.get("env");
                self.create_list(format!("{key}/env"), list, container.env.is_empty());
            }
            changes.entry(*place).or_default().add_env(container, edit, &mut hashes);
        }
        last = None;
        for (place, mount) in &edits.mounts {
            let (Some(key), Some(container)) = (keys.get(place), pod.container(*place)) else {
                continue;
            };
            if last.replace(place) != Some(place) {
                let list = container.body.get("volumeMounts");
                self.create_list(format!("{key}/volumeMounts"), list, container.mounts.is_empty());
            }
            let changes = changes.entry(*place).or_default();
            changes.mounts.push(Stamp::of_shared(&mount.path, &mount.value, &mut hashes));
        }
        for (place, changes) in changes {
            if let Some(key) = keys.get(&place) {
                entry.changes.insert(key.clone(), changes);
            }
        }
        self.keys = Some(keys);
    }

    /// Adds the members of the specification that are set, and the lists that get elements.
    fn add_spec(&mut self, pod: &Pod, edits: &Edits, entry: &mut Entry) {
        let Some(spec) = pod.spec() else {
            return;
        };
        for (name, value) in &edits.spec {
            // What another injection set as well stays until the last of them goes.
            let of_others = self.others.iter().flat_map(|other| &other.entries);
            let mut of_others = of_others.chain(&self.record.entries).flat_map(|entry| &entry.spec);
            match of_others.find(|(other, _)| other == name) {
                Some(shared) => entry.spec.push(shared.clone()),
                None if spec.get(name) == Some(value) => {}
                None => entry.spec.push(((*name).to_owned(), spec.get(name).map(Value::to_json))),
            }
        }
        for (list, is_used, is_empty) in [
            ("volumes", !edits.volumes.is_empty(), pod.volumes.is_empty()),
            ("initContainers", !edits.init_containers.is_empty(), pod.init_containers.is_empty()),
        ] {
            if is_used {
                self.create_list(list.to_owned(), spec.get(list), is_empty);
            }
        }
    }
}

impl Changes {
    fn add_env(&mut self, container: &Container, edit: &EnvEdit, hashes: &mut Hashes) {
        match edit {
            EnvEdit::Append(variable) => {
                self.env.push(Stamp::of_shared(&variable.name, &variable.value, hashes));
            }
            EnvEdit::Extend(extension) => self.set.extend(extended(container, extension, false)),
            EnvEdit::Move(extension) => self.set.extend(extended(container, extension, true)),
        }
    }
}

/// What extending a variable changes.
fn extended(container: &Container, extension: &Extension, moves: bool) -> Option<SetVariable> {
    let name = extension.name;
    let place = container.env.iter().rposition(|variable| variable.name == name)?;
    let variable = container.env.get(place)?;
    let object = variable.value.as_object()?;
    let neighbour = |place: Option<usize>| {
        let place = place?;
        let variable = container.env.get(place)?;
        let earlier = container.env.iter().take(place);
        let earlier = earlier.filter(|it| it.name == variable.name && it.name != name);
        Some((variable.name.clone().into_owned(), earlier.count()))
    };
    let moved = moves.then(|| Moved {
        after: neighbour(place.checked_sub(1)),
        before: neighbour(place.checked_add(1)),
    });
    Some(SetVariable {
        name: name.to_owned(),
        prefix: extension.prefix.clone(),
        suffix: extension.suffix.clone(),
        was: Was::of(object.get("value")),
        moved,
    })
}
