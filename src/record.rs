//! The record of what was injected into a workload, and its exact inverse.
//!
//! `kubectl apply` keeps every field that the applied manifest does not name, and so everything that
//! was injected. So the annotation `admission.datakit/injected` on the workload's own metadata says
//! what was added, and what was there before where something was changed: by name, because lists
//! change around it. Injectors know nothing of it: a record is made of the edits that are applied.
//!
//! Whatever was changed since belongs to the user and stays. A [stamp](stamp()) tells: a hash of an
//! element as it was written, without what the API server adds by default.

mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::collections::{map, set};
use crate::injection::{ALL, Agent};
use crate::json::{Object, Shape, Value};
use crate::pod::{Container, ContainerRef, Edits, EnvEdit, EnvVar, Extension, Pod, VolumeSource};
use crate::rule::nanos;

/// What was injected into a workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// Each injection, by its name in reports, in order.
    pub(crate) entries: Vec<Entry>,
    /// Names that were added to `imagePullSecrets`.
    pub(crate) secrets: Vec<String>,
    /// Lists and objects that were absent or null before: `volumes`, `app/env`.
    pub(crate) created: BTreeMap<String, Was>,
    /// The records of other policies: what several of them need stays until the last one leaves.
    pub(crate) others: Vec<Self>,
    /// Whether an empty list counts as none: one that taking out left behind.
    pub(crate) empty_is_absent: bool,
}

/// What one injection added and changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) containers: Vec<String>,
    pub(crate) volumes: Vec<Stamp>,
    /// Annotations of the pod template.
    pub(crate) annotations: Vec<Stamp>,
    /// Members of the specification, with the JSON that was there before.
    pub(crate) spec: Vec<(String, Option<String>)>,
    /// Changes in containers, by [key](container_keys).
    pub(crate) changes: BTreeMap<String, Changes>,
}

/// What one injection changed in one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Changes {
    pub(crate) env: Vec<Stamp>,
    pub(crate) set: Vec<SetVariable>,
    /// Mounts, by path.
    pub(crate) mounts: Vec<Stamp>,
}

/// A variable whose value was changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SetVariable {
    pub(crate) name: String,
    /// What was added before the value.
    pub(crate) prefix: String,
    /// What was added after it.
    pub(crate) suffix: String,
    pub(crate) was: Was,
    /// Where it was, if it was moved to the end.
    pub(crate) moved: Option<Moved>,
}

/// The neighbours of a variable before it was moved, each with how many of its name come earlier;
/// nothing where it was the first or the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) after: Option<(String, usize)>,
    pub(crate) before: Option<(String, usize)>,
}

/// A member before it was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    Present,
    Absent,
    Null,
}

impl Entry {
    /// The agents of its injection, in every language.
    fn agents(&self) -> impl Iterator<Item = &'static Agent> {
        let injection = ALL.iter().find(|injection| {
            self.name.strip_prefix(injection.name).is_some_and(|rest| rest.starts_with('-'))
        });
        injection.into_iter().flat_map(|injection| injection.agents)
    }
}

impl Was {
    fn of(member: Option<&Value>) -> Self {
        match member {
            None => Self::Absent,
            Some(value) if value.is_null() => Self::Null,
            Some(_) => Self::Present,
        }
    }
}

/// An element's name, and the hash of the element as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) name: String,
    pub(crate) hash: String,
}

impl Stamp {
    fn of(name: &str, element: &Value) -> Self {
        Self { name: name.to_owned(), hash: stamp(element) }
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}={}", self.name, self.hash))
    }
}

/// The result of taking out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whether something that was added is not there any more.
    pub(crate) is_incomplete: bool,
}

impl Record {
    /// A record to be written beside those of other policies.
    pub(crate) fn beside(others: Vec<Self>, empty_is_absent: bool) -> Self {
        Self { others, empty_is_absent, ..Self::default() }
    }

    /// What this record says of some injections, and the rest. Both have what was created, because
    /// it goes where it is empty.
    pub(crate) fn split(&self, is_meant: impl Fn(&str) -> bool) -> (Self, Self) {
        let (meant, rest): (Vec<Entry>, Vec<Entry>) =
            self.entries.iter().cloned().partition(|entry| is_meant(&entry.name));
        let of = |entries: Vec<Entry>| {
            // Secrets were added for all of them.
            let secrets = if rest.is_empty() || entries == rest { &*self.secrets } else { &[] };
            Self { entries, secrets: secrets.to_vec(), ..self.clone() }
        };
        (of(meant), of(rest.clone()))
    }

    /// Takes over the volumes of another record that are still in a template, because a container of
    /// this record mounts them.
    pub(crate) fn inherit_volumes(&mut self, other: &Self, template: &Object) {
        let mut template = template.clone();
        let (Ok(pod), Some(entry)) = (Pod::open(&mut template), self.entries.first_mut()) else {
            return;
        };
        let stamps = other.entries.iter().flat_map(|entry| &entry.volumes);
        let left = stamps.filter(|stamp| pod.volume(&stamp.name).is_some());
        entry.volumes.extend(left.cloned());
    }

    /// Adds what an injection is about to change in a pod.
    pub(crate) fn add(&mut self, name: String, pod: &Pod, edits: &Edits) {
        let mut entry = Entry { name, ..Entry::default() };
        let keys = container_keys(pod);
        let key = |place: &ContainerRef| keys.get(place).cloned().unwrap_or_default();
        let added = edits.init_containers.iter().chain(&edits.containers);
        entry.containers = added.map(|container| container.name.clone().into_owned()).collect();
        self.add_shared_volumes(edits, &mut entry);
        for volume in &edits.volumes {
            entry.volumes.push(Stamp::of(&volume.name, &Value::new(volume)));
        }
        for (annotation, value) in &edits.annotations {
            entry.annotations.push(Stamp::of(annotation, value));
        }
        for (place, edit) in &edits.env {
            let Some(container) = pod.container(*place) else {
                continue;
            };
            let changes = entry.changes.entry(key(place)).or_default();
            match edit {
                EnvEdit::Append(variable) => {
                    changes.env.push(Stamp::of(&variable.name, &variable.value));
                }
                EnvEdit::Extend(extension) => {
                    changes.set.extend(extended(container, extension, false))
                }
                EnvEdit::Move(extension) => {
                    changes.set.extend(extended(container, extension, true))
                }
            }
            let is_empty = container.env.is_empty();
            self.create_list(format!("{}/env", key(place)), container.body.get("env"), is_empty);
        }
        for (place, mount) in &edits.mounts {
            let Some(container) = pod.container(*place) else {
                continue;
            };
            // A container of this record goes as a whole.
            if self
                .entries
                .iter()
                .any(|entry| entry.containers.iter().any(|it| *it == container.name))
            {
                continue;
            }
            let changes = entry.changes.entry(key(place)).or_default();
            changes.mounts.push(Stamp::of(&mount.path, &mount.value));
            let list = container.body.get("volumeMounts");
            let is_empty = container.mounts.is_empty();
            self.create_list(format!("{}/volumeMounts", key(place)), list, is_empty);
        }
        if let Some(spec) = pod.spec() {
            for (name, value) in &edits.spec {
                // What another injection set as well stays until the last of them goes.
                let of_others = self.others.iter().flat_map(|other| &other.entries);
                let mut of_others = of_others.chain(&self.entries).flat_map(|entry| &entry.spec);
                match of_others.find(|(other, _)| other == name) {
                    Some(shared) => entry.spec.push(shared.clone()),
                    None if spec.get(name) == Some(value) => {}
                    None => {
                        entry.spec.push(((*name).to_owned(), spec.get(name).map(Value::to_json)))
                    }
                }
            }
            for (list, is_used, is_empty) in [
                ("volumes", !edits.volumes.is_empty(), pod.volumes.is_empty()),
                (
                    "initContainers",
                    !edits.init_containers.is_empty(),
                    pod.init_containers.is_empty(),
                ),
            ] {
                if is_used {
                    self.create_list(list.to_owned(), spec.get(list), is_empty);
                }
            }
        }
        if !edits.annotations.is_empty() {
            let metadata = pod.template.get("metadata");
            let annotations = metadata.and_then(Value::as_object);
            let annotations = annotations.and_then(|metadata| metadata.get("annotations"));
            self.create("metadata".to_owned(), metadata);
            self.create("annotations".to_owned(), annotations);
        }
        self.entries.push(entry);
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
            self.created.entry(path).or_insert(was);
        }
    }

    /// Takes everything out of a pod template that still is as it was injected.
    ///
    /// Gives nothing, and changes nothing, where the template cannot be opened.
    pub(crate) fn take_out(&self, template: &mut Object, others: &[Self]) -> Option<Taken> {
        let mut pod = Pod::open(template).ok()?;
        let mut taken = Taken::default();
        let places = map(container_keys(&pod).into_iter().map(|(place, key)| (key, place)));
        for entry in self.entries.iter().rev() {
            for (key, changes) in &entry.changes {
                let place = places.get(key);
                if let Some(container) = place.and_then(|place| pod.container_mut(*place)) {
                    changes.take_out(container, &mut taken);
                }
            }
        }
        // The empty lists go before the containers do, whose places would change.
        for (path, was) in &self.created {
            let Some((key, list)) = path.rsplit_once('/') else {
                continue;
            };
            let place = places.get(key);
            if let Some(container) = place.and_then(|place| pod.container_mut(*place)) {
                let is_empty = match list {
                    "env" => container.env.is_empty(),
                    "volumeMounts" => container.mounts.is_empty(),
                    _ => continue,
                };
                remove_empty(&mut container.body, list, *was, is_empty);
            }
        }
        let mut agents: Vec<&Agent> = Vec::new();
        for entry in self.entries.iter().rev() {
            for name in &entry.containers {
                let is_there = pod.has_container(name);
                pod.containers.retain(|container| container.name != *name);
                pod.init_containers.retain(|container| container.name != *name);
                taken.is_incomplete |= !is_there;
                agents.extend(entry.agents().filter(|_| is_there));
            }
        }
        if taken.is_incomplete {
            disconnect(&agents, &mut pod);
        }
        self.take_out_volumes(&mut pod, &mut taken);
        self.take_out_members(&mut pod, &mut taken);
        let is_shared = |name: &&String| others.iter().any(|other| other.secrets.contains(name));
        let secrets: Vec<&String> = self.secrets.iter().filter(|it| !is_shared(it)).collect();
        taken.is_incomplete |= pod.remove_image_pull_secrets(&secrets);
        pod.close();
        self.remove_empty_lists(template);
        Some(taken)
    }

    fn take_out_volumes(&self, pod: &mut Pod, taken: &mut Taken) {
        let stamps = self.entries.iter().flat_map(|entry| &entry.volumes);
        let stamps: Vec<&Stamp> = stamps.collect();
        if stamps.is_empty() {
            return;
        }
        // A volume that another container still mounts has become the user's.
        let mounts = pod.all_containers().flat_map(|(_, container)| &container.mounts);
        let mounted = set(mounts.map(|mount| mount.volume.clone().into_owned()));
        taken.is_incomplete |= retain_changed(&mut pod.volumes, &stamps, |volume| {
            (volume.name.clone(), &volume.value, mounted.contains(&*volume.name))
        });
    }

    fn take_out_members(&self, pod: &mut Pod, taken: &mut Taken) {
        let metadata = pod.template.get_mut("metadata").and_then(Value::as_object_mut);
        let mut annotations =
            metadata.and_then(|metadata| metadata.get_mut("annotations")?.as_object_mut());
        for stamp in self.entries.iter().flat_map(|entry| &entry.annotations) {
            let value = annotations.as_ref().and_then(|it| it.get(&stamp.name)).map(self::stamp);
            taken.is_incomplete |= value.is_none();
            if value.as_ref() == Some(&stamp.hash)
                && let Some(annotations) = &mut annotations
            {
                annotations.remove(&stamp.name);
            }
        }
        // Another policy's profiler may still need them.
        let is_needed = ALL.iter().any(|injection| {
            injection.needs_capabilities
                && injection.container.is_some_and(|name| pod.has_container(name))
        });
        let Some(spec) = pod.spec_mut() else {
            return;
        };
        for (name, before) in self.entries.iter().rev().flat_map(|entry| &entry.spec) {
            let Some((known, value)) = SPEC_MEMBERS.iter().find(|(known, _)| known == name) else {
                continue;
            };
            taken.is_incomplete |= spec.get(name).is_none();
            if is_needed || spec.get(name).map(Value::to_json).as_deref() != Some(value) {
                continue;
            }
            match before {
                None => {
                    spec.remove(name);
                }
                Some(json) => spec.set(*known, Value::New(json.as_str().into())),
            }
        }
    }

    fn remove_empty_lists(&self, template: &mut Object) {
        let was = |path: &str| self.created.get(path).copied().unwrap_or(Was::Present);
        if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
            for list in ["volumes", "initContainers", "imagePullSecrets"] {
                let is_empty =
                    spec.get(list).and_then(Value::as_array).is_some_and(<[_]>::is_empty);
                remove_empty(spec, list, was(list), is_empty);
            }
        }
        remove_empty_object(template, "metadata", "annotations", was);
    }
}

/// Takes agents whose init container was removed out of every container.
///
/// Where a template comes back from an older revision, as `kubectl rollout undo` brings it for a
/// StatefulSet or a DaemonSet, the record is another revision's. The rest of an older injection
/// does no harm; a variable that loads a library that is not there any more keeps the application
/// from starting.
fn disconnect(agents: &[&Agent], pod: &mut Pod) {
    for container in pod.containers.iter_mut().chain(&mut pod.init_containers) {
        agents.iter().for_each(|agent| agent.disconnect(container));
    }
    for agent in agents {
        let mut containers = pod.containers.iter().chain(&pod.init_containers);
        if !containers.any(|it| it.mounts.iter().any(|mount| mount.volume == agent.volume)) {
            pod.volumes.retain(|it| it.name != agent.volume || it.source != VolumeSource::EmptyDir);
        }
    }
}

/// Removes the lists and objects of a template that are empty or null: the API server drops them.
pub(crate) fn remove_all_empty(template: &mut Object) {
    let Ok(mut pod) = Pod::open(template) else {
        return;
    };
    for container in pod.containers.iter_mut().chain(&mut pod.init_containers) {
        if container.env.is_empty() {
            container.body.remove("env");
        }
        if container.mounts.is_empty() {
            container.body.remove("volumeMounts");
        }
    }
    pod.close();
    let is_empty = |value: Option<&Value>| {
        value.is_some_and(|value| match value {
            Value::Array(elements) => elements.is_empty(),
            Value::Object(object) => object.is_empty(),
            value => value.is_null(),
        })
    };
    let remove = |object: &mut Object, names: &[&str]| {
        for name in names.iter().filter(|name| is_empty(object.get(name))).collect::<Vec<_>>() {
            object.remove(name);
        }
    };
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
        remove(spec, &["volumes", "initContainers", "imagePullSecrets"]);
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        remove(metadata, &["annotations", "labels"]);
    }
    remove(template, &["metadata"]);
}

/// Removes an object in an object where both were created and are empty.
pub(crate) fn remove_empty_object(
    parent: &mut Object,
    name: &'static str,
    inner: &'static str,
    was: impl Fn(&str) -> Was,
) {
    let is_empty = |object: &Object, name: &str| {
        object.get(name).and_then(Value::as_object).is_some_and(Object::is_empty)
    };
    if let Some(object) = parent.get_mut(name).and_then(Value::as_object_mut) {
        let inner_is_empty = is_empty(object, inner);
        remove_empty(object, inner, was(inner), inner_is_empty);
    }
    let outer_is_empty = is_empty(parent, name);
    remove_empty(parent, name, was(name), outer_is_empty);
}

fn remove_empty(object: &mut Object, name: &str, was: Was, is_empty: bool) {
    if !is_empty {
        return;
    }
    match was {
        Was::Present => {}
        Was::Absent => {
            object.remove(name);
        }
        Was::Null => {
            if let Some(value) = object.get_mut(name) {
                *value = Value::Text("null");
            }
        }
    }
}

/// The members of the specification that injections set, and the JSON that they set.
pub(crate) const SPEC_MEMBERS: &[(&str, &str)] =
    &[("shareProcessNamespace", "true"), ("restartPolicy", "\"Always\"")];

/// How records name the containers of a pod: by name, and where Kubernetes would refuse the pod
/// because several have that name, with a number behind it.
fn container_keys(pod: &Pod) -> BTreeMap<ContainerRef, String> {
    let mut counts: BTreeMap<Cow<str>, usize> = BTreeMap::new();
    let key = |(place, container): (ContainerRef, &Container)| {
        let count = counts.entry(container.name.clone().into_owned().into()).or_insert(0);
        let key = match count {
            0 => container.name.clone().into_owned(),
            _ => format!("{}#{count}", container.name),
        };
        *count = count.saturating_add(1);
        (place, key)
    };
    map(pod.all_containers().map(key))
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

impl Changes {
    fn take_out(&self, container: &mut Container, taken: &mut Taken) {
        let stamps: Vec<&Stamp> = self.env.iter().collect();
        taken.is_incomplete |= retain_changed(&mut container.env, &stamps, |variable| {
            (variable.name.clone(), &variable.value, false)
        });
        let stamps: Vec<&Stamp> = self.mounts.iter().collect();
        taken.is_incomplete |= retain_changed(&mut container.mounts, &stamps, |mount| {
            (mount.path.clone(), &mount.value, false)
        });
        for set in &self.set {
            set.take_out(&mut container.env);
        }
    }
}

/// Removes the elements that are as their stamps say, each stamp's last one; says whether elements
/// of some names are missing. `of` gives the name and the value of an element, and whether it is
/// kept in any case.
fn retain_changed<'a, T>(
    elements: &mut Vec<T>,
    stamps: &[&Stamp],
    of: impl for<'e> Fn(&'e T) -> (Cow<'a, str>, &'e Value<'a>, bool),
) -> bool {
    let stamps = map(stamps.iter().map(|stamp| (&*stamp.name, &*stamp.hash)));
    let (mut seen, mut removed) = (BTreeSet::new(), BTreeSet::new());
    // They were appended: of several that are equal, the last is the one.
    elements.reverse();
    elements.retain(|element| {
        let (name, value, is_kept) = of(element);
        let Some((name, hash)) = stamps.get_key_value(&*name) else {
            return true;
        };
        seen.insert(*name);
        is_kept || stamp(value) != *hash || !removed.insert(*name)
    });
    elements.reverse();
    seen.len() < stamps.len()
}

impl SetVariable {
    fn take_out(&self, env: &mut Vec<EnvVar>) {
        let Some(place) = env.iter().rposition(|variable| variable.name == self.name) else {
            return;
        };
        let mut variable = env.remove(place);
        let value = variable.literal().unwrap_or_default();
        let rest = value.strip_prefix(&*self.prefix);
        let before = rest.and_then(|rest| rest.strip_suffix(&*self.suffix)).map(str::to_owned);
        // Where it was set to something else since, that is the user's; its place is not.
        match (before, self.was) {
            (None, _) => {}
            (Some(before), Was::Absent) if before.is_empty() => variable.unset(),
            (Some(before), Was::Null) if before.is_empty() => variable.set_null(),
            (Some(before), _) => variable.set(&before),
        }
        let place = self.moved.as_ref().map_or(place, |moved| moved.place(place, env));
        env.insert(place.min(env.len()), variable);
    }
}

impl Moved {
    /// Where a variable belongs that was taken from a place.
    fn place(&self, place: usize, env: &[EnvVar]) -> usize {
        let find = |neighbour: &(String, usize)| {
            let (name, earlier) = neighbour;
            let mut of_name = env.iter().enumerate().filter(|(_, it)| it.name == *name);
            of_name.nth(*earlier).map(|(place, _)| place)
        };
        let after = self.after.as_ref().and_then(find).map(|place| place.saturating_add(1));
        match (&self.before, self.before.as_ref().and_then(find)) {
            // It was the last.
            (None, _) => place,
            // It already precedes that variable: somebody put the variables in order.
            (Some(_), Some(before)) if place <= before => place,
            (Some(_), Some(before)) => before,
            (Some(_), None) if self.after.is_none() => 0,
            (Some(_), None) => after.unwrap_or(place),
        }
    }
}

/// A hash of an element as it was written: four characters that tell whether it was changed since.
///
/// It is the same for any order of keys, and with or without what the API server adds by default.
fn stamp(element: &Value) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut canonical = String::new();
    write_canonical(element, "", 0, &mut canonical);
    // FNV-1a, folded to 24 bits.
    let hash = canonical.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = hash ^ (hash >> 24) ^ (hash >> 48);
    let digit = |shift: u32| {
        let index = usize::try_from((hash >> shift) & 63).unwrap_or_default();
        DIGITS.get(index).map_or('A', |digit| char::from(*digit))
    };
    [18, 12, 6, 0].into_iter().map(digit).collect()
}

fn write_canonical(value: &Value, key: &str, depth: usize, out: &mut String) {
    static OBJECT: Shape = Shape::Object(&[]);
    static ARRAY: Shape = Shape::Array(&Shape::Text);
    // Nothing that is added nests deeper; what does was changed.
    const DEPTH: usize = 8;
    let text = match value {
        Value::Text(text) => *text,
        Value::New(text) if is_flat(text) => {
            // Variables and mounts are written with their keys in order.
            out.push_str(text.strip_suffix('}').unwrap_or(text));
            return out.push_str(",}");
        }
        Value::New(text) => text,
        Value::Object(object) => return write_canonical_object(object, depth, out),
        Value::Array(_) => return write_canonical_array(value, key, depth, out),
    };
    let opened = match text.as_bytes().first() {
        _ if depth >= DEPTH => None,
        Some(b'{') => Value::open(text, &OBJECT).ok(),
        Some(b'[') => Value::open(text, &ARRAY).ok(),
        _ => None,
    };
    match opened {
        Some(Value::Object(object)) => write_canonical_object(&object, depth, out),
        Some(array @ Value::Array(_)) => write_canonical_array(&array, key, depth, out),
        _ => match value.as_str() {
            // The API server writes quantities in another form.
            Some(quantity) if matches!(key, "sizeLimit" | "divisor") => match nanos(&quantity) {
                Some(nanos) => out.push_str(&nanos.to_string()),
                None => out.push_str(&quantity),
            },
            Some(string) => crate::json::push_text(out, &string),
            None => out.push_str(text),
        },
    }
}

/// Whether an added object has nothing but strings in it, none of them empty.
fn is_flat(text: &str) -> bool {
    let braces = text.bytes().filter(|b| *b == b'{').count();
    let has_list = text.bytes().any(|b| b == b'[');
    let is_object = text.starts_with("{\"");
    is_object && braces == 1 && !has_list && !text.contains(":\"\"") && text.ends_with("\"}")
}

fn write_canonical_array(array: &Value, key: &str, depth: usize, out: &mut String) {
    out.push('[');
    for element in array.as_array().unwrap_or_default() {
        write_canonical(element, key, depth.saturating_add(1), out);
        out.push(',');
    }
    out.push(']');
}

fn write_canonical_object(object: &Object, depth: usize, out: &mut String) {
    let mut members: BTreeMap<Cow<str>, String> = BTreeMap::new();
    for (key, value) in object.iter() {
        let key = key.name().unwrap_or_default();
        let mut text = String::new();
        write_canonical(value, &key, depth.saturating_add(1), &mut text);
        members.insert(key, text);
    }
    out.push('{');
    for (key, text) in members {
        let is_default = matches!(&*text, "null" | "\"\"" | "false")
            || (key == "apiVersion" && text == "\"v1\"")
            || (key == "defaultMode" && text == "420");
        if !is_default {
            crate::json::push_text(out, &key);
            out.push(':');
            out.push_str(&text);
            out.push(',');
        }
    }
    out.push('}');
}
