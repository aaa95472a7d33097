//! What a stored record names in a template that comes with another record.
//!
//! A manifest that was injected offline has a record of its own. Apply merges it into the stored
//! template, and what only the stored record names stays there. A template that comes as a whole, as
//! `kubectl rollout undo` brings it, has nothing of that: what looks like it is the user's.

use super::stamp::Stamp;
use super::{Changes, Injected, Record, SPEC_MEMBERS, container_keys, merged};
use crate::annotations::SAFE_TO_EVICT;
use crate::collections::{map, set};
use crate::json::{Object, Value};
use crate::pod::container::{Container, VolumeMount};
use crate::pod::{Pod, annotations_of, evictable};

impl Record {
    /// What this stored record is to be taken out for in a template, after the record that came with
    /// the template. `None` if nothing of it was merged in.
    pub(crate) fn leftovers(
        &self,
        given: &Self,
        template: &Object,
        lists_are_atomic: bool,
    ) -> Option<Self> {
        let mut template = template.clone();
        let pod = Pod::open(&mut template).ok()?;
        let beyond = self.beyond(given);
        if !self.is_merged_beside(given, &pod)
            && !beyond.is_merged_into(&pod, given, lists_are_atomic)
        {
            return None;
        }
        let volumes = map(given.volumes().map(|stamp| (&*stamp.name, stamp)));
        let mut leftovers = self.clone();
        for (injected, beyond) in leftovers.injections.iter_mut().zip(beyond.injections) {
            // A volume of both may be as the other record wrote it, and still mounted by this one.
            for stamp in &mut injected.volumes {
                if let Some(other) = volumes.get(&*stamp.name)
                    && pod.volume(&stamp.name).is_some_and(|it| other.fits(&it.value))
                {
                    *stamp = (*other).clone();
                }
            }
            injected.containers = beyond.containers;
            injected.annotations = beyond.annotations;
            for (key, changes) in &mut injected.changes {
                let beyond = beyond.changes.get(key);
                changes.set = beyond.map(|changes| changes.set.clone()).unwrap_or_default();
            }
        }
        leftovers.secrets = beyond.secrets;
        leftovers.evictable = beyond.evictable;
        leftovers.before.extend(given.before.clone());
        Some(leftovers)
    }

    /// Removes the `subPath` of this stored record's mounts from those of another record that apply
    /// merged into them.
    pub(crate) fn unmerge(&self, given: &Self, template: &mut Object) -> Option<()> {
        let mut pod = Pod::open(template).ok()?;
        let places = map(container_keys(&pod).into_iter().map(|(place, key)| (key, place)));
        let stored = self.injections.iter().flat_map(|injected| &injected.changes);
        for (key, changes) in stored {
            let Some(container) = places.get(key).and_then(|place| pod.container_mut(*place))
            else {
                continue;
            };
            let of_given = given.injections.iter().filter_map(|injected| injected.changes.get(key));
            let of_given = of_given.flat_map(|changes| &changes.mounts);
            let of_given = map(of_given.map(|mount| (&*mount.stamp.name, &mount.stamp)));
            let with_part = changes.mounts.iter().filter(|mount| mount.sub_path.is_some());
            let with_part = map(with_part.map(|mount| (&*mount.stamp.name, mount)));
            if with_part.is_empty() {
                continue;
            }
            for mount in &mut container.mounts {
                let path = &*mount.path;
                let whole =
                    with_part.get(path).and_then(|stored| merged::mount(&mount.value, stored));
                if let Some(whole) = whole
                    && of_given.get(path).is_some_and(|stamp| stamp.fits(&whole))
                    && let Some(whole) = VolumeMount::read(whole)
                {
                    *mount = whole;
                }
            }
        }
        pod.close();
        Some(())
    }

    /// What this record names and another does not.
    fn beyond(&self, other: &Self) -> Self {
        let all = || other.injections.iter();
        let containers = set(other.containers());
        let volumes = set(other.volumes().map(|stamp| &stamp.name));
        let annotations = set(all().flat_map(|it| &it.annotations).map(|stamp| &stamp.name));
        let spec = set(all().flat_map(|it| &it.spec).map(|(name, _)| name));
        let variables = set(all().flat_map(|it| &it.changes).flat_map(|(key, changes)| {
            let env = changes.env.iter().map(|stamp| &stamp.name);
            env.chain(changes.set.iter().map(|set| &set.name)).map(move |name| (key, name))
        }));
        let mounts = set(all().flat_map(|it| &it.changes).flat_map(|(key, changes)| {
            changes.mounts.iter().map(move |mount| (key, &mount.stamp.name))
        }));
        let beyond = |injected: &Injected| {
            let mut injected = injected.clone();
            injected.containers.retain(|name| !containers.contains(&**name));
            injected.volumes.retain(|stamp| !volumes.contains(&stamp.name));
            injected.annotations.retain(|stamp| !annotations.contains(&stamp.name));
            injected.spec.retain(|(name, _)| !spec.contains(name));
            for (key, changes) in &mut injected.changes {
                changes.env.retain(|stamp| !variables.contains(&(key, &stamp.name)));
                changes.set.retain(|set| !variables.contains(&(key, &set.name)));
                changes.mounts.retain(|mount| !mounts.contains(&(key, &mount.stamp.name)));
            }
            injected
        };
        let secrets = set(other.secrets.iter());
        // The list came with the record that names it.
        let is_other_s = !other.evictable.is_empty();
        Self {
            injections: self.injections.iter().map(beyond).collect(),
            secrets: self.secrets.iter().filter(|it| !secrets.contains(it)).cloned().collect(),
            evictable: if is_other_s { Vec::new() } else { self.evictable.clone() },
            before: self.before.clone(),
        }
    }

    /// Whether a volume or a variable that both records name is left as this one wrote it: apply
    /// merged the two. What comes as a whole has what its own record names, which was taken out.
    fn is_merged_beside(&self, given: &Self, pod: &Pod) -> bool {
        let of_given = map(given.volumes().map(|stamp| (&*stamp.name, stamp)));
        let mut volumes = self.volumes().filter(|stamp| {
            let is_other = of_given.get(&*stamp.name).is_some_and(|other| other != stamp);
            is_other && pod.volume(&stamp.name).is_some_and(|it| stamp.fits(&it.value))
        });
        if volumes.next().is_some() {
            return true;
        }
        let changes = given.injections.iter().flat_map(|injected| &injected.changes);
        let of_given = changes.flat_map(|(key, changes)| {
            changes.env.iter().map(move |stamp| ((&**key, &*stamp.name), stamp))
        });
        let of_given = map(of_given);
        let places = map(container_keys(pod).into_iter().map(|(place, key)| (key, place)));
        let mut changes = self.injections.iter().flat_map(|injected| &injected.changes);
        changes.any(|(key, changes)| {
            let Some(container) = places.get(key).and_then(|place| pod.container(*place)) else {
                return false;
            };
            let env = map(container.env.iter().map(|it| (&*it.name, &it.value)));
            changes.env.iter().any(|stamp| {
                let other = of_given.get(&(&**key, &*stamp.name));
                other.is_some_and(|other| *other != stamp)
                    && env.get(&*stamp.name).is_some_and(|it| stamp.fits(it))
            })
        })
    }

    /// Whether a template was merged with one that has what this record names: nothing of it is
    /// missing, and something is as it was written. Where lists are atomic, one of them may have been
    /// replaced.
    fn is_merged_into(&self, pod: &Pod, given: &Self, lists_are_atomic: bool) -> bool {
        if self.containers().any(|name| pod.has_container(name)) {
            return true;
        }
        let [volumes, changes, members] = self.remains(pod, given);
        if volumes.is_certain || changes.is_certain || members.is_certain {
            return true;
        }
        let lists = [volumes, changes];
        let is_whole = |list: &Remains| list.missing == 0 || lists_are_atomic && list.fitting == 0;
        members.missing == 0
            && lists.iter().all(is_whole)
            && lists.iter().chain([&members]).any(|list| list.fitting > 0)
    }

    /// What is left of the volumes, of the changes in containers, and of the other members; `given` is
    /// the record that came with the template.
    fn remains(&self, pod: &Pod, given: &Self) -> [Remains; 3] {
        let [mut volumes, mut changes, mut members] = [Remains::default(); 3];
        let annotations = annotations_of(pod.template);
        let places = map(container_keys(pod).into_iter().map(|(place, key)| (key, place)));
        let list = annotations.and_then(|annotations| annotations.get(SAFE_TO_EVICT));
        if !self.evictable.is_empty() && list.is_some() {
            let is_certain = self.evictable.iter().any(|name| name.starts_with(RESERVED));
            let is_there = |list: &Value| {
                list.as_str().is_some_and(|list| evictable::has(&list, &self.evictable))
            };
            members.add(list, is_certain, is_there);
        }
        for injected in &self.injections {
            for stamp in &injected.volumes {
                let volume = pod.volume(&stamp.name).map(|volume| &volume.value);
                let is_certain = stamp.name.starts_with(RESERVED) || given.was_empty("volumes");
                volumes.add_sourced(volume, is_certain, stamp, merged::volume);
            }
            for stamp in &injected.annotations {
                let value = annotations.and_then(|annotations| annotations.get(&stamp.name));
                members.add(value, given.was_empty("annotations"), |it| stamp.fits(it));
            }
            for (name, _) in &injected.spec {
                let ours = SPEC_MEMBERS.iter().find(|(known, _)| known == name);
                let value = pod.spec().and_then(|spec| spec.get(name));
                members.add(value, false, |it| ours.is_some_and(|(_, ours)| it.to_json() == *ours));
            }
            for (key, changed) in &injected.changes {
                // A container that is gone took everything along.
                if let Some(container) = places.get(key).and_then(|place| pod.container(*place)) {
                    let is_new = |list: &str| given.was_empty(&format!("{key}/{list}"));
                    let is_new = [is_new("env"), is_new("volumeMounts")];
                    changed.add_remains(container, is_new, &mut changes);
                }
            }
        }
        [volumes, changes, members]
    }

    /// Whether a list held nothing when this record was made, so that all in it is injected.
    fn was_empty(&self, list: &str) -> bool {
        self.before.contains_key(list)
    }
}

/// How names of volumes begin that nobody else uses.
const RESERVED: &str = "datakit-";

/// What is left of injected elements.
#[derive(Clone, Copy, Default)]
struct Remains {
    fitting: usize,
    missing: usize,
    /// Whether one of them cannot be the user's.
    is_certain: bool,
}

impl Remains {
    fn add(&mut self, value: Option<&Value>, is_certain: bool, fits: impl Fn(&Value) -> bool) {
        match value {
            None => self.missing = self.missing.saturating_add(1),
            Some(value) if fits(value) => {
                self.fitting = self.fitting.saturating_add(1);
                self.is_certain |= is_certain;
            }
            // The user has an element of that name.
            Some(_) => {}
        }
    }

    /// The same for a volume or a variable. What has something else beside what fits the stamp may be
    /// the user's as a whole, unless Kubernetes refuses it, so that it was merged for sure.
    fn add_sourced<'a>(
        &mut self,
        value: Option<&Value<'a>>,
        is_certain: bool,
        stamp: &Stamp,
        split: impl Fn(&Value<'a>, &Stamp) -> Option<Value<'a>>,
    ) {
        let is_refused = value.is_some_and(merged::has_two_sources);
        self.add(value, is_certain || is_refused, |it| {
            stamp.fits(it) || is_refused && value.is_some_and(|it| split(it, stamp).is_some())
        });
    }
}

impl Changes {
    fn add_remains(&self, container: &Container, is_new: [bool; 2], remains: &mut Remains) {
        let [env_is_new, mounts_are_new] = is_new;
        let env = map(container.env.iter().map(|it| (&*it.name, &it.value)));
        let mounts = map(container.mounts.iter().map(|it| (&*it.path, it)));
        // A variable that was extended is the user's, who may have removed it.
        for stamp in &self.env {
            let value = env.get(&*stamp.name).copied();
            remains.add_sourced(value, env_is_new, stamp, merged::variable);
        }
        for mount in &self.mounts {
            let there = mounts.get(&*mount.stamp.name);
            let is_certain =
                mounts_are_new || there.is_some_and(|it| it.volume.starts_with(RESERVED));
            remains.add(there.map(|it| &it.value), is_certain, |it| mount.stamp.fits(it));
        }
    }
}
