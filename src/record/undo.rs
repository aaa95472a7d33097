//! The inverse of an injection: removes what a record lists, unless it has changed since.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::applied::{Applied, mount_key};
use super::stamp::Stamp;
use super::{
    Changes, EVICTABLE, Injected, MountStamp, Moved, Record, SPEC_MEMBERS, SetVariable, Was,
    container_keys, merged,
};
use crate::annotations::SAFE_TO_EVICT;
use crate::collections::{map, set};
use crate::injection::agent::Agent;
use crate::injection::table::ALL;
use crate::json::{Object, Value};
use crate::pod::container::{Container, ContainerRef, EnvVar, VolumeMount};
use crate::pod::volume::{Volume, VolumeSource};
use crate::pod::{Pod, evictable};

/// How much of what a record lists was found in a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    containers: Count,
    init_containers: Count,
    volumes: Count,
    secrets: Count,
    others: Count,
    /// Whether nothing tells in which of several containers a mount is the user's.
    is_ambiguous: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    found: usize,
    missing: usize,
}

impl Tally {
    /// Whether somebody removed a part. Where all is gone, the whole was replaced; where lists are
    /// atomic, as in most custom resources, this holds for each list.
    pub(crate) fn is_partial(&self, lists_are_atomic: bool) -> bool {
        let counts = self.counts();
        if lists_are_atomic {
            return counts.iter().any(|count| count.found > 0 && count.missing > 0);
        }
        counts.iter().any(|count| count.found > 0) && counts.iter().any(|count| count.missing > 0)
    }

    pub(crate) fn is_ambiguous(&self) -> bool {
        self.is_ambiguous
    }

    fn counts(&self) -> [Count; 5] {
        [self.containers, self.init_containers, self.volumes, self.secrets, self.others]
    }

    fn of_container(&mut self, place: ContainerRef) -> &mut Count {
        match place {
            ContainerRef::Regular(_) => &mut self.containers,
            ContainerRef::Init(_) => &mut self.init_containers,
        }
    }
}

impl Count {
    fn add(&mut self, is_found: bool) {
        let count = if is_found { &mut self.found } else { &mut self.missing };
        *count = count.saturating_add(1);
    }
}

/// The lists of a container that something was removed from.
#[derive(Clone, Copy, Default)]
struct Touched {
    env: bool,
    mounts: bool,
}

impl Record {
    /// Takes everything out of a pod template that is as it was injected, the annotation of the
    /// record included. `applied` are the notes of apply.
    ///
    /// Returns `None`, and changes nothing, if the template cannot be opened.
    pub(crate) fn take_out(
        &self,
        template: &mut Object,
        key: &str,
        others: &[Self],
        applied: &Applied,
    ) -> Option<Tally> {
        let mut pod = Pod::open(template).ok()?;
        let mut tally = Tally::default();
        self.take_out_changes(&mut pod, applied, &mut tally);
        let mut touched = BTreeSet::new();
        if self.take_out_containers(&mut pod, &mut tally) {
            touched.insert("initContainers");
        }
        if self.take_out_volumes(&mut pod, &mut tally) {
            touched.insert("volumes");
        }
        self.take_out_members(&mut pod, &mut tally);
        let is_shared = |name: &&String| others.iter().any(|other| other.secrets.contains(name));
        let secrets: Vec<&String> = self.secrets.iter().filter(|it| !is_shared(it)).collect();
        let missing = pod.remove_image_pull_secrets(&secrets);
        if missing < secrets.len() {
            touched.insert("imagePullSecrets");
        }
        tally.secrets.missing = missing;
        tally.secrets.found = secrets.len().saturating_sub(missing);
        pod.close();
        if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
            for list in touched {
                let is_empty =
                    spec.get(list).and_then(Value::as_array).is_some_and(<[_]>::is_empty);
                restore(spec, list, self.was(list), is_empty);
            }
        }
        self.take_out_annotations(template, key, &mut tally);
        Some(tally)
    }

    /// What a list or an object was before.
    fn was(&self, path: &str) -> Was {
        self.before.get(path).copied().unwrap_or(Was::Filled)
    }

    /// Takes out what was changed in containers that are the user's.
    fn take_out_changes(&self, pod: &mut Pod, applied: &Applied, tally: &mut Tally) {
        let places = map(container_keys(pod).into_iter().map(|(place, key)| (key, place)));
        let claimed = self.claimed_mounts(pod, applied, tally);
        let mut touched: BTreeMap<&str, Touched> = BTreeMap::new();
        for injected in self.injections.iter().rev() {
            for (key, changes) in &injected.changes {
                let Some(place) = places.get(key) else {
                    continue;
                };
                if let Some(container) = pod.container_mut(*place) {
                    let touched = touched.entry(key).or_default();
                    changes.take_out(container, &claimed, tally.of_container(*place), touched);
                }
            }
        }
        for (key, touched) in touched {
            let container = places.get(key).and_then(|place| pod.container_mut(*place));
            let Some(container) = container else {
                continue;
            };
            let lists = [
                ("env", touched.env, container.env.is_empty()),
                ("volumeMounts", touched.mounts, container.mounts.is_empty()),
            ];
            for (list, is_touched, is_empty) in lists {
                let was = self.was(&format!("{key}/{list}"));
                restore(&mut container.body, list, was, is_touched && is_empty);
            }
        }
        for injected in self.injections.iter().rev() {
            let is_there = injected.containers.iter().all(|name| pod.has_container(name));
            let Some(agent) = injected.agent().filter(|_| is_there) else {
                continue;
            };
            let changes = injected.changes.values();
            let variables = set(changes.flat_map(Changes::variables));
            for (key, place) in &places {
                if let Some(container) = pod.container_mut(*place) {
                    injected.disconnect(agent, &variables, key, container);
                }
            }
        }
    }

    /// The keys of the mounts like ours of volumes that the user has made something else of, where they
    /// are his.
    ///
    /// The notes of apply tell. Without them, he has mounted what cannot serve as ours any more where
    /// ours is, unless he has mounted it elsewhere.
    fn claimed_mounts(&self, pod: &Pod, applied: &Applied, tally: &mut Tally) -> BTreeSet<String> {
        let mut claimed = BTreeSet::new();
        let stamps = map(self.volumes().map(|stamp| (&*stamp.name, stamp)));
        let volumes = stamps.into_iter().filter_map(|(name, stamp)| {
            let volume = pod.volume(name).filter(|volume| !stamp.fits(&volume.value))?;
            Some((name, volume))
        });
        let changed = map(volumes);
        if changed.is_empty() {
            return claimed;
        }
        let added = set(self.containers());
        let changes = self.injections.iter().flat_map(|injected| injected.changes.values());
        let ours = set(changes.flat_map(|changes| &changes.mounts).map(|it| it.stamp.text()));
        let (mut alike, mut elsewhere) = (Vec::new(), BTreeSet::new());
        let containers = pod.all_containers().filter(|(_, it)| !added.contains(&*it.name));
        for (_, container) in containers {
            for mount in container.mounts.iter().filter(|it| changed.contains_key(&*it.volume)) {
                if ours.contains(&Stamp::of(&mount.path, &mount.value).text()) {
                    alike.push((container, mount));
                } else {
                    elsewhere.insert(&*mount.volume);
                }
            }
        }
        let mut guessed = BTreeSet::new();
        for (container, mount) in alike {
            let name = &*mount.volume;
            let is_foreign = |volume: &&Volume| {
                volume.source != VolumeSource::of_added(name)
                    || merged::has_two_sources(&volume.value)
            };
            let is_written = applied.has_mount(name, &container.name, &mount.path);
            let is_claimed = is_written.unwrap_or_else(|| {
                changed.get(name).is_some_and(is_foreign) && !elsewhere.contains(name)
            });
            if is_claimed {
                tally.is_ambiguous |= is_written.is_none() && !guessed.insert(name);
                claimed.insert(mount_key(&container.name, &mount.path));
            }
        }
        claimed
    }

    /// Takes out the containers that were added: they go by their name. Returns whether an init
    /// container was removed.
    fn take_out_containers(&self, pod: &mut Pod, tally: &mut Tally) -> bool {
        for injected in &self.injections {
            for name in &injected.containers {
                let is_init = pod.init_containers.iter().any(|it| it.name == **name)
                    || injected.agent().is_some();
                let count =
                    if is_init { &mut tally.init_containers } else { &mut tally.containers };
                count.add(pod.has_container(name));
            }
        }
        let names = set(self.containers());
        pod.containers.retain(|container| !names.contains(&*container.name));
        let before = pod.init_containers.len();
        pod.init_containers.retain(|container| !names.contains(&*container.name));
        pod.init_containers.len() < before
    }

    /// Takes out the volumes that were added. Returns whether one was removed.
    fn take_out_volumes(&self, pod: &mut Pod, tally: &mut Tally) -> bool {
        let stamps = map(self.volumes().map(|stamp| (&*stamp.name, stamp)));
        if stamps.is_empty() {
            return false;
        }
        // A volume that another container still mounts has become the user's.
        let mounts = pod.all_containers().flat_map(|(_, container)| &container.mounts);
        let mounted = set(mounts.map(|mount| mount.volume.clone().into_owned()));
        remove(
            &mut pod.volumes,
            &stamps,
            &mut tally.volumes,
            |volume| volume.name.clone(),
            |volume, stamp| {
                if stamp.fits(&volume.value) {
                    return !mounted.contains(&*volume.name);
                }
                let rest = merged::volume(&volume.value, stamp).and_then(Volume::read);
                if let Some(rest) = rest {
                    *volume = rest;
                }
                false
            },
        )
    }

    /// Sets members of the specification back.
    fn take_out_members(&self, pod: &mut Pod, tally: &mut Tally) {
        // Another policy's profiler may still need them.
        let is_needed = ALL.iter().any(|injection| {
            injection.needs_capabilities
                && injection.container.is_some_and(|name| pod.has_container(name))
        });
        let Some(spec) = pod.spec_mut() else {
            return;
        };
        let mut removed = Vec::new();
        for (name, before) in self.injections.iter().rev().flat_map(|injected| &injected.spec) {
            // Several injections may have set it.
            if removed.contains(&name) {
                continue;
            }
            let Some((known, value)) = SPEC_MEMBERS.iter().find(|(known, _)| known == name) else {
                continue;
            };
            tally.others.add(spec.get(name).is_some());
            if is_needed || spec.get(name).map(Value::to_json).as_deref() != Some(value) {
                continue;
            }
            removed.push(name);
            match before {
                None => {
                    spec.remove(name);
                }
                Some(json) => spec.set(*known, Value::New(json.as_str().into())),
            }
        }
    }

    /// Removes the annotations that were added, and that of the record.
    fn take_out_annotations(&self, template: &mut Object, key: &str, tally: &mut Tally) {
        let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(key);
            self.take_out_evictable(annotations);
            for stamp in self.injections.iter().flat_map(|injected| &injected.annotations) {
                let value = annotations.get(&stamp.name);
                tally.others.add(value.is_some());
                if value.is_some_and(|value| stamp.fits(value)) {
                    annotations.remove(&stamp.name);
                }
            }
        }
        // The record's own annotation was there, even if it was removed since.
        let is_empty = |object: &Object, name: &str| {
            object.get(name).and_then(Value::as_object).is_some_and(Object::is_empty)
        };
        let is_emptied = is_empty(metadata, "annotations");
        restore(metadata, "annotations", self.was("annotations"), is_emptied);
        let is_emptied = is_empty(template, "metadata");
        restore(template, "metadata", self.was("metadata"), is_emptied);
    }
}

impl Record {
    /// Takes names out of the list of volumes with which a node may be removed. Whoever applies a
    /// manifest with a list of its own dropped them already; that is no change by hand.
    fn take_out_evictable(&self, annotations: &mut Object) {
        let list = annotations.get_str(SAFE_TO_EVICT).filter(|_| !self.evictable.is_empty());
        let Some(list) = list else {
            return;
        };
        let rest = evictable::without(&list, &self.evictable);
        if rest != list {
            annotations.set(SAFE_TO_EVICT, Value::string(&rest));
            restore(annotations, SAFE_TO_EVICT, self.was(EVICTABLE), rest.is_empty());
        }
    }
}

/// Removes the elements that `is_removed` accepts, of several with one name the last: they were
/// appended. Counts which names are there; returns whether anything was removed.
fn remove<'a, T, S>(
    elements: &mut Vec<T>,
    stamps: &BTreeMap<&str, S>,
    count: &mut Count,
    name: impl Fn(&T) -> Cow<'a, str>,
    mut is_removed: impl FnMut(&mut T, &S) -> bool,
) -> bool {
    let (mut seen, mut removed) = (BTreeSet::new(), BTreeSet::new());
    elements.reverse();
    elements.retain_mut(|element| {
        let Some((name, stamp)) = stamps.get_key_value(&*name(element)) else {
            return true;
        };
        seen.insert(*name);
        if removed.contains(name) || !is_removed(element, stamp) {
            return true;
        }
        removed.insert(*name);
        false
    });
    elements.reverse();
    for name in stamps.keys() {
        count.add(seen.contains(name));
    }
    !removed.is_empty()
}

impl Injected {
    /// Takes what loads the agent out of a container, where taking out left it: a variable that loads a
    /// library that is not there any more keeps the application from starting. `variables` are those
    /// that it changed in any container; others are the user's.
    ///
    /// It is left where somebody added to the variable, or copied or renamed the container.
    fn disconnect(
        &self,
        agent: &Agent,
        variables: &BTreeSet<&str>,
        key: &str,
        container: &mut Container,
    ) {
        match self.changes.get(key) {
            Some(changes) => {
                agent.disconnect(container, |name| changes.variables().any(|it| it == name));
            }
            None if self.volumes.iter().any(|stamp| stamp.name == agent.volume)
                && agent.is_mounted(container)
                && agent.disconnect(container, |name| variables.contains(name)) =>
            {
                agent.unmount(container);
            }
            None => {}
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

/// Gives a list or an object that was emptied the form that it had before.
fn restore(object: &mut Object, name: &'static str, was: Was, is_emptied: bool) {
    if !is_emptied {
        return;
    }
    match was {
        Was::Empty => {}
        // What it held has been removed since.
        Was::Filled | Was::Absent => {
            object.remove(name);
        }
        Was::Null => object.set(name, Value::Text("null")),
    }
}

impl Changes {
    /// The variables that were added or extended.
    fn variables(&self) -> impl Iterator<Item = &str> {
        let set = self.set.iter().map(|set| &*set.name);
        self.env.iter().map(|stamp| &*stamp.name).chain(set)
    }

    /// `claimed` are the keys of mounts that are the user's.
    fn take_out(
        &self,
        container: &mut Container,
        claimed: &BTreeSet<String>,
        count: &mut Count,
        touched: &mut Touched,
    ) {
        let stamps = map(self.env.iter().map(|stamp| (&*stamp.name, stamp)));
        touched.env |= remove(
            &mut container.env,
            &stamps,
            count,
            |variable| variable.name.clone(),
            |variable, stamp| {
                if stamp.fits(&variable.value) {
                    return true;
                }
                if let Some(rest) = merged::variable(&variable.value, stamp) {
                    variable.value = rest;
                }
                false
            },
        );
        let stamps = map(self.mounts.iter().map(|mount| (&*mount.stamp.name, mount)));
        let name = container.name.clone();
        touched.mounts |= remove(
            &mut container.mounts,
            &stamps,
            count,
            |mount| mount.path.clone(),
            |mount, added: &&MountStamp| {
                if !claimed.is_empty() && claimed.contains(&mount_key(&name, &mount.path)) {
                    return false;
                }
                if added.stamp.fits(&mount.value) {
                    return true;
                }
                let rest = merged::mount(&mount.value, added).and_then(VolumeMount::read);
                if let Some(rest) = rest {
                    *mount = rest;
                }
                false
            },
        );
        for set in &self.set {
            set.take_out(&mut container.env);
        }
    }
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
        // If it was set to something else since, it is the user's, where it is: apply orders what the
        // manifest names.
        let Some(before) = before else {
            env.insert(place, variable);
            return;
        };
        match self.was {
            Was::Absent if before.is_empty() => variable.unset(),
            Was::Null if before.is_empty() => variable.set_null(),
            _ => variable.set(&before),
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
