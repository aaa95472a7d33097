//! How a record is made: of the edits that injections are about to apply.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::stamp::Hashes;
use super::{
    Changes, EVICTABLE, Injected, MountStamp, Moved, Record, SetVariable, Was, container_keys,
};
use crate::collections::{map, set};
use crate::json::{Object, Value};
use crate::pod::Pod;
use crate::pod::container::{Container, ContainerRef, EnvEdit, Extension};
use crate::pod::edits::Edits;
use crate::record::stamp::Stamp;

/// Builds a `Record` from the edits being applied.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    record: Record,
    /// The records of other policies: what several of them need stays until the last one leaves.
    others: Vec<(String, Record)>,
    /// The keys of the containers that were there before the first injection.
    keys: Option<BTreeMap<ContainerRef, String>>,
}

impl Recorder {
    /// Begins a record of what is injected into a template; `others` are the records of other
    /// policies in it.
    pub(crate) fn new(template: &Object, others: Vec<(String, Record)>) -> Self {
        let mut recorder = Self { others, ..Self::default() };
        let metadata = template.get("metadata");
        let annotations = metadata.and_then(Value::as_object).and_then(|it| it.get("annotations"));
        recorder.note_object("metadata", metadata);
        recorder.note_object("annotations", annotations);
        recorder
    }

    /// The records of other policies in the template, by their annotation.
    pub(crate) fn others(&self) -> &[(String, Record)] {
        &self.others
    }

    pub(crate) fn finish(self) -> Record {
        self.record
    }

    /// Adds what an injection is about to change in a pod.
    pub(crate) fn add(&mut self, name: String, pod: &Pod, edits: &Edits) {
        let mut injected = Injected { name, ..Injected::default() };
        self.keys.get_or_insert_with(|| container_keys(pod));
        let added = edits.init_containers.iter().chain(&edits.containers);
        injected.containers = added.map(|container| container.name.clone().into_owned()).collect();
        self.add_shared_volumes(pod, edits, &mut injected);
        let volumes = edits.volumes.iter().map(|volume| Stamp::of(&volume.name, &volume.value));
        injected.volumes.extend(volumes);
        for (annotation, value) in &edits.annotations {
            injected.annotations.push(Stamp::of(annotation, value));
        }
        self.add_changes(pod, edits, &mut injected);
        self.add_spec(pod, edits, &mut injected);
        self.record.injections.push(injected);
    }

    /// Adds names that were added to `imagePullSecrets`; of those that are needed, also the ones that
    /// another policy added: the last one to leave removes them.
    pub(crate) fn add_secrets(&mut self, added: Vec<String>, needed: &[Cow<str>]) {
        self.record.secrets = added;
        for name in needed {
            let mut of_others = self.others.iter().flat_map(|(_, other)| &other.secrets);
            if of_others.any(|other| other == name)
                && !self.record.secrets.iter().any(|it| it == name)
            {
                self.record.secrets.push(name.clone().into_owned());
            }
        }
    }

    /// Adds names that were added to the list of volumes with which a node may be removed.
    pub(crate) fn add_evictable(&mut self, list: Option<&Value>, added: Vec<String>) {
        let is_empty = list.and_then(Value::as_str).is_some_and(|list| list.is_empty());
        self.note(EVICTABLE.to_owned(), list, is_empty);
        self.record.evictable = added;
    }

    /// Notes what an object of metadata was before something is added to it.
    fn note_object(&mut self, path: &str, member: Option<&Value>) {
        let is_empty = member.and_then(Value::as_object).is_some_and(Object::is_empty);
        self.note(path.to_owned(), member, is_empty);
    }

    /// Notes what a list or an object was before something is added to it. Its elements may be
    /// elsewhere while the pod is open.
    fn note(&mut self, path: String, member: Option<&Value>, is_empty: bool) {
        let was = match Was::of(member, is_empty) {
            Was::Filled => {
                let mut of_others =
                    self.others.iter().filter_map(|(_, other)| other.before.get(&path));
                of_others.next().copied().unwrap_or(Was::Filled)
            }
            was => was,
        };
        if was != Was::Filled {
            self.record.before.entry(path).or_insert(was);
        }
    }

    /// Adds the volumes of other policies that an injection mounts: the last one to leave removes
    /// them.
    fn add_shared_volumes(&self, pod: &Pod, edits: &Edits, injected: &mut Injected) {
        let stamps = self.others.iter().flat_map(|(_, other)| other.volumes());
        let stamps = map(stamps.map(|stamp| (&*stamp.name, stamp)));
        if stamps.is_empty() {
            return;
        }
        let added = edits.init_containers.iter().chain(&edits.containers);
        let mounts = added.flat_map(|container| &container.mounts);
        let mounts = mounts.chain(edits.mounts.iter().map(|(_, mount)| mount));
        let names = set(mounts.map(|mount| &*mount.volume));
        let shared = names.into_iter().filter_map(|name| stamps.get(name)).filter(|stamp| {
            pod.volume(&stamp.name).is_some_and(|volume| stamp.fits(&volume.value))
        });
        injected.volumes.extend(shared.map(|stamp| (*stamp).clone()));
    }

    /// Adds what changes in containers that were there before the first injection; those that were
    /// added since go as a whole.
    fn add_changes(&mut self, pod: &Pod, edits: &Edits, injected: &mut Injected) {
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
                self.note(format!("{key}/env"), list, container.env.is_empty());
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
                self.note(format!("{key}/volumeMounts"), list, container.mounts.is_empty());
            }
            let changes = changes.entry(*place).or_default();
            let stamp = Stamp::of_shared(&mount.path, &mount.value, &mut hashes);
            let sub_path = mount.sub_path.as_deref().map(str::to_owned);
            changes.mounts.push(MountStamp { stamp, sub_path });
        }
        for (place, changes) in changes {
            if let Some(key) = keys.get(&place) {
                injected.changes.insert(key.clone(), changes);
            }
        }
        self.keys = Some(keys);
    }

    /// Adds the members of the specification that are set, and the lists that get elements.
    fn add_spec(&mut self, pod: &Pod, edits: &Edits, injected: &mut Injected) {
        let Some(spec) = pod.spec() else {
            return;
        };
        for (name, value) in &edits.spec {
            // What another injection set as well stays until the last of them goes.
            let of_others = self.others.iter().flat_map(|(_, other)| &other.injections);
            let mut of_others =
                of_others.chain(&self.record.injections).flat_map(|injected| &injected.spec);
            let is_set = spec.get(name) == Some(value);
            match of_others.find(|(other, _)| other == name) {
                Some(shared) if is_set => injected.spec.push(shared.clone()),
                _ if is_set => {}
                _ => injected.spec.push(((*name).to_owned(), spec.get(name).map(Value::to_json))),
            }
        }
        for (list, is_used, is_empty) in [
            ("volumes", !edits.volumes.is_empty(), pod.volumes.is_empty()),
            ("initContainers", !edits.init_containers.is_empty(), pod.init_containers.is_empty()),
        ] {
            if is_used {
                self.note(list.to_owned(), spec.get(list), is_empty);
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
        was: Was::of(object.get("value"), false),
        moved,
    })
}
