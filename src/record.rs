//! The record of what was injected into a workload, and its exact inverse.
//!
//! `kubectl apply` keeps every field that the applied manifest does not name, and so everything that
//! was injected. So the annotation `admission.datakit/injected` on the workload's own metadata says
//! what was added, and what was there before where something was changed: by name, because lists
//! change around it. Injectors know nothing of it: a record is made of the edits that are applied.
//!
//! Whatever was changed since belongs to the user and stays. A [stamp](Stamp) tells: a hash of an
//! element as it was written, without what the API server adds by default.

pub(crate) mod recorder;
mod stamp;
mod text;
pub(crate) mod undo;

use std::collections::BTreeMap;

use crate::collections::map;
use crate::injection::agent::Agent;
use crate::injection::table::ALL;
use crate::injection::{Injection, Variant};
use crate::json::{Object, Value};
use crate::pod::Pod;
use crate::pod::container::ContainerRef;
use stamp::Stamp;

/// What was injected into a workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// Each injection, by its name in reports, in order.
    pub(crate) entries: Vec<Entry>,
    /// Names that were added to `imagePullSecrets`.
    pub(crate) secrets: Vec<String>,
    /// Lists and objects that were absent or null before: `volumes`, `app/env`.
    pub(crate) created: BTreeMap<String, Was>,
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
    fn agents(&self) -> impl Iterator<Item = (&'static Variant, &'static Agent)> {
        let variants = injection_of(&self.name).map_or(&[][..], |injection| injection.variants);
        variants.iter().filter_map(|variant| Some((variant, variant.agent?)))
    }

    /// Whether it is the injection of a variant.
    fn is_of(&self, variant: &Variant) -> bool {
        variant.language.is_some_and(|language| self.name.ends_with(&format!("-{language}")))
    }
}

/// The injection of an entry.
fn injection_of(name: &str) -> Option<&'static Injection> {
    let is_of = |injection: &&&Injection| {
        injection.variants.iter().any(|it| injection.name(Some(it)).to_string() == name)
    };
    ALL.iter().find(is_of).copied()
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

impl Record {
    /// What this record says of some injections, and the rest. Both have what was created, because
    /// it goes where it is empty.
    pub(crate) fn split(mut self, is_meant: impl Fn(&str) -> bool) -> (Self, Self) {
        let mut meant = Self { created: self.created.clone(), ..Self::default() };
        for entry in std::mem::take(&mut self.entries) {
            let part = if is_meant(&entry.name) { &mut meant } else { &mut self };
            part.entries.push(entry);
        }
        // Secrets were added for all of them: they go with the last one.
        if self.entries.is_empty() {
            meant.secrets = std::mem::take(&mut self.secrets);
        }
        (meant, self)
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
}

/// The members of the specification that injections set, and the JSON that they set.
pub(crate) const SPEC_MEMBERS: &[(&str, &str)] =
    &[("shareProcessNamespace", "true"), ("restartPolicy", "\"Always\"")];

/// How records name the containers of a pod: by name, and where Kubernetes would refuse the pod
/// because several have that name, with a number behind it.
fn container_keys(pod: &Pod) -> BTreeMap<ContainerRef, String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    map(pod.all_containers().map(|(place, container)| {
        let count = counts.entry(&container.name).or_insert(0);
        let key = match count {
            0 => container.name.clone().into_owned(),
            _ => format!("{}#{count}", container.name),
        };
        *count = count.saturating_add(1);
        (place, key)
    }))
}
