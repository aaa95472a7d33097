//! The record of what was injected into a pod template, and its exact inverse.
//!
//! `kubectl apply` keeps every field that the applied manifest does not name, and so everything that
//! was injected. So the annotation `admission.datakit/injected` on the template lists what was added,
//! and what was there before where something was changed: by name, because lists change around it.
//! It is part of the template, so whatever brings a template back brings its record along. Planners
//! know nothing of it: a record is made of the edits that are applied.
//!
//! Whatever was changed since belongs to the user and stays. A [stamp](Stamp) tells: a hash of an
//! element as it was written, without what the API server adds by default.

pub(crate) mod applied;
mod leftovers;
mod merged;
pub(crate) mod recorder;
mod stamp;
mod text;
pub(crate) mod undo;

use std::collections::BTreeMap;

use crate::collections::{map, set};
use crate::injection::agent::Agent;
use crate::injection::table::ALL;
use crate::injection::{Injection, Variant};
use crate::json::{Object, Value};
use crate::pod::Pod;
use crate::pod::container::ContainerRef;
use stamp::Stamp;

/// What was injected into a pod template.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// Each injection, in order.
    pub(crate) injections: Vec<Injected>,
    /// Names that were added to `imagePullSecrets`.
    pub(crate) secrets: Vec<String>,
    /// Names that were added to the list of volumes with which a node may be removed.
    pub(crate) evictable: Vec<String>,
    /// Lists and objects that held nothing before, by path: `volumes`, `app/env`.
    pub(crate) before: BTreeMap<String, Was>,
}

/// What one injection added and changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Injected {
    /// Its name in reports.
    pub(crate) name: String,
    /// The containers that it added.
    pub(crate) containers: Vec<String>,
    /// The volumes that it added.
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
    /// Variables that were added.
    pub(crate) env: Vec<Stamp>,
    /// Variables that were extended.
    pub(crate) set: Vec<SetVariable>,
    /// Mounts that were added, by path.
    pub(crate) mounts: Vec<MountStamp>,
}

/// A mount that was added: its path, and the part of the volume that it mounts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MountStamp {
    pub(crate) stamp: Stamp,
    pub(crate) sub_path: Option<String>,
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
/// `None` if it was the first or the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) after: Option<(String, usize)>,
    pub(crate) before: Option<(String, usize)>,
}

/// A member before something was added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    /// It held something.
    Filled,
    Absent,
    Null,
    /// An empty list or object.
    Empty,
}

/// How records name the list of volumes with which a node may be removed, as what was there before.
const EVICTABLE: &str = "evictable";

impl Injected {
    /// The agent that it added, if it is one.
    fn agent(&self) -> Option<&'static Agent> {
        let variants = injection_of(&self.name).map_or(&[][..], |injection| injection.variants);
        let is_own = |variant: &&Variant| {
            variant.language.is_some_and(|language| self.name.ends_with(&format!("-{language}")))
        };
        variants.iter().find(is_own)?.agent
    }
}

/// The injection of a name in reports.
fn injection_of(name: &str) -> Option<&'static Injection> {
    let is_of = |injection: &&&Injection| {
        injection.variants.iter().any(|it| injection.name(Some(it)).to_string() == name)
    };
    ALL.iter().find(is_of).copied()
}

impl Was {
    /// The state of a member whose elements may be elsewhere while the pod is open.
    fn of(member: Option<&Value>, is_empty: bool) -> Self {
        match member {
            None => Self::Absent,
            Some(value) if value.is_null() => Self::Null,
            Some(_) if is_empty => Self::Empty,
            Some(_) => Self::Filled,
        }
    }
}

impl Record {
    /// The containers that were added, by name.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &str> {
        self.injections.iter().flat_map(|injected| &injected.containers).map(|name| &**name)
    }

    /// The volumes that were added.
    fn volumes(&self) -> impl Iterator<Item = &Stamp> {
        self.injections.iter().flat_map(|injected| &injected.volumes)
    }

    /// Splits a record into some injections and the rest. Both keep what held nothing before,
    /// because a list goes when it is empty.
    pub(crate) fn split(mut self, is_meant: impl Fn(&str) -> bool) -> (Self, Self) {
        let mut meant = Self { before: self.before.clone(), ..Self::default() };
        for injected in std::mem::take(&mut self.injections) {
            let part = if is_meant(&injected.name) { &mut meant } else { &mut self };
            part.injections.push(injected);
        }
        let volumes = set(meant.volumes().map(|stamp| stamp.name.clone()));
        (meant.evictable, self.evictable) = std::mem::take(&mut self.evictable)
            .into_iter()
            .partition(|name| volumes.contains(name));
        // Secrets were added for all of them: they go with the last one.
        if self.injections.is_empty() {
            meant.secrets = std::mem::take(&mut self.secrets);
        }
        (meant, self)
    }

    /// Takes over the volumes of another record that are still in a template, because a container of
    /// this record mounts them.
    pub(crate) fn inherit_volumes(&mut self, other: &Self, template: &Object) {
        let mut template = template.clone();
        let (Ok(pod), Some(first)) = (Pod::open(&mut template), self.injections.first_mut()) else {
            return;
        };
        let left = other.volumes().filter(|stamp| pod.volume(&stamp.name).is_some());
        first.volumes.extend(left.cloned());
    }

    /// Whether the record names an injection.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.injections.iter().any(|injected| injected.name == name)
    }
}

/// The members of the specification that injections set, and the JSON that they set.
pub(crate) const SPEC_MEMBERS: &[(&str, &str)] =
    &[("shareProcessNamespace", "true"), ("restartPolicy", "\"Always\"")];

/// How records name the containers of a pod: by name; where Kubernetes would refuse the pod because
/// several have that name, with a number after it. What separates words in a record is escaped.
fn container_keys(pod: &Pod) -> BTreeMap<ContainerRef, String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    map(pod.all_containers().map(|(place, container)| {
        let count = counts.entry(&container.name).or_insert(0);
        let mut key = escaped(&container.name);
        if *count > 0 {
            key.push_str(&format!("#{count}"));
        }
        *count = count.saturating_add(1);
        (place, key)
    }))
}

fn escaped(name: &str) -> String {
    if !name.contains([' ', '#', '%']) {
        return name.to_owned();
    }
    name.replace('%', "%25").replace(' ', "%20").replace('#', "%23")
}
