//! The inverse of an injection: what a record says is taken out, as far as it still is as it was.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Changes, Entry, Moved, Record, SPEC_MEMBERS, SetVariable, Was, container_keys};
use crate::collections::{map, set};
use crate::injection::table::ALL;
use crate::json::{Object, Value};
use crate::pod::Pod;
use crate::pod::container::{Container, EnvVar};
use crate::record::stamp::Stamp;

/// What was taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whether something that was added is not there any more.
    pub(crate) is_incomplete: bool,
}

impl Record {
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
        for entry in self.entries.iter().rev() {
            let is_there = entry.containers.iter().all(|name| pod.has_container(name));
            taken.is_incomplete |= !is_there;
            if is_there && entry.agents().next().is_some() {
                for (key, place) in &places {
                    if let Some(container) = pod.container_mut(*place) {
                        entry.disconnect(key, container, taken.is_incomplete);
                    }
                }
            }
        }
        let containers = self.entries.iter().flat_map(|entry| &entry.containers);
        let containers = set(containers.map(|name| &**name));
        pod.containers.retain(|container| !containers.contains(&*container.name));
        pod.init_containers.retain(|container| !containers.contains(&*container.name));
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
            let value = annotations.as_ref().and_then(|it| it.get(&stamp.name));
            taken.is_incomplete |= value.is_none();
            if value.is_some_and(|value| stamp.fits(value))
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
        let mut removed = Vec::new();
        for (name, before) in self.entries.iter().rev().flat_map(|entry| &entry.spec) {
            // Several injections may have set it.
            if removed.contains(&name) {
                continue;
            }
            let Some((known, value)) = SPEC_MEMBERS.iter().find(|(known, _)| known == name) else {
                continue;
            };
            taken.is_incomplete |= spec.get(name).is_none();
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

impl Entry {
    /// Takes what loads an agent out of a container, where taking out left it: a variable that loads a
    /// library that is not there any more keeps the application from starting.
    ///
    /// It is left where somebody added to the variable, or copied the container, or brought another
    /// revision of it back, as `kubectl rollout undo` does for a StatefulSet or a DaemonSet.
    fn disconnect(&self, key: &str, container: &mut Container, is_incomplete: bool) {
        let recorded = self.changes.get(key);
        for (variant, agent) in self.agents() {
            let is_own = self.is_of(variant);
            match recorded {
                Some(changes) => {
                    agent.disconnect(container, |name| match is_own {
                        true => changes.names(name),
                        false => is_incomplete,
                    });
                }
                None if self.volumes.iter().any(|stamp| stamp.name == agent.volume)
                    && agent.is_mounted(container)
                    && agent.disconnect(container, |_| true) =>
                {
                    agent.unmount(container);
                }
                None => {}
            }
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

impl Changes {
    /// Whether they are about a variable.
    fn names(&self, variable: &str) -> bool {
        self.env.iter().any(|stamp| stamp.name == variable)
            || self.set.iter().any(|set| set.name == variable)
    }

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
    let stamps = map(stamps.iter().map(|stamp| (&*stamp.name, *stamp)));
    let (mut seen, mut removed) = (BTreeSet::new(), BTreeSet::new());
    // They were appended: of several that are equal, the last is the one.
    elements.reverse();
    elements.retain(|element| {
        let (name, value, is_kept) = of(element);
        let Some(stamp) = stamps.get(&*name) else {
            return true;
        };
        seen.insert(&*stamp.name);
        is_kept || !stamp.fits(value) || !removed.insert(&*stamp.name)
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
