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

use crate::json::{Object, Shape, Value};
use crate::pod::{Container, ContainerRef, Edits, EnvEdit, EnvVar, Pod, Volume};
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
    /// The same of other policies' records: what they created is gone once all have left.
    pub(crate) created_by_others: BTreeMap<String, Was>,
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

/// What came of taking out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whether something that was added is not there any more.
    pub(crate) is_incomplete: bool,
}

impl Record {
    /// A record to be written beside those of other policies.
    pub(crate) fn beside(others: impl Iterator<Item = Self>) -> Self {
        let mut record = Self::default();
        others.for_each(|other| record.created_by_others.extend(other.created));
        record
    }

    /// Adds what an injection is about to change in a pod.
    pub(crate) fn add(&mut self, name: String, pod: &Pod, edits: &Edits) {
        let mut entry = Entry { name, ..Entry::default() };
        let keys = container_keys(pod);
        let key = |place: &ContainerRef| keys.get(place).cloned().unwrap_or_default();
        let added = edits.init_containers.iter().chain(&edits.containers);
        entry.containers = added.map(|container| container.name.clone().into_owned()).collect();
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
                EnvEdit::Set(name, value) => changes.set.extend(set(container, name, value, false)),
                EnvEdit::Move(name, value) => changes.set.extend(set(container, name, value, true)),
            }
            self.create(format!("{}/env", key(place)), container.body.get("env"));
        }
        for (place, mount) in &edits.mounts {
            let Some(container) = pod.container(*place) else {
                continue;
            };
            let changes = entry.changes.entry(key(place)).or_default();
            changes.mounts.push(Stamp::of(&mount.path, &mount.value));
            let list = container.body.get("volumeMounts");
            self.create(format!("{}/volumeMounts", key(place)), list);
        }
        if let Some(spec) = pod.spec() {
            for (name, _) in &edits.spec {
                let before = spec.get(name).map(Value::to_json);
                entry.spec.push(((*name).to_owned(), before));
            }
            for (list, is_used) in [
                ("volumes", !edits.volumes.is_empty()),
                ("initContainers", !edits.init_containers.is_empty()),
            ] {
                if is_used {
                    self.create(list.to_owned(), spec.get(list));
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

    /// Notes that a list or an object is created, where it is absent or null.
    pub(crate) fn create(&mut self, path: String, member: Option<&Value>) {
        let was = match Was::of(member) {
            Was::Present => self.created_by_others.get(&path).copied().unwrap_or(Was::Present),
            was => was,
        };
        if was != Was::Present {
            self.created.entry(path).or_insert(was);
        }
    }

    /// Takes everything out of a pod template that still is as it was injected.
    ///
    /// Gives nothing, and changes nothing, where the template cannot be opened.
    pub(crate) fn take_out(&self, template: &mut Object) -> Option<Taken> {
        let before = template.clone();
        let Ok(mut pod) = Pod::open(template) else {
            *template = before;
            return None;
        };
        let mut taken = Taken::default();
        let places: BTreeMap<String, ContainerRef> =
            container_keys(&pod).into_iter().map(|(place, key)| (key, place)).collect();
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
            for name in &entry.containers {
                let count = pod.containers.len().saturating_add(pod.init_containers.len());
                pod.containers.retain(|container| container.name != *name);
                pod.init_containers.retain(|container| container.name != *name);
                taken.is_incomplete |=
                    count == pod.containers.len().saturating_add(pod.init_containers.len());
            }
        }
        self.take_out_volumes(&mut pod, &mut taken);
        self.take_out_members(&mut pod, &mut taken);
        pod.remove_image_pull_secrets(&self.secrets);
        pod.close();
        self.remove_empty_lists(template);
        Some(taken)
    }

    fn take_out_volumes(&self, pod: &mut Pod, taken: &mut Taken) {
        let stamps = self.entries.iter().flat_map(|entry| &entry.volumes);
        let mut stamps: BTreeMap<&str, &str> =
            stamps.map(|stamp| (&*stamp.name, &*stamp.hash)).collect();
        if stamps.is_empty() {
            return;
        }
        // A volume that another container still mounts has become the user's.
        let mounts = pod.all_containers().flat_map(|(_, container)| &container.mounts);
        let mounted: BTreeSet<String> =
            mounts.map(|mount| mount.volume.clone().into_owned()).collect();
        let mut volumes: Vec<Volume> = std::mem::take(&mut pod.volumes);
        volumes.reverse();
        volumes.retain(|volume| match stamps.remove(&*volume.name) {
            Some(hash) => mounted.contains(&*volume.name) || stamp(&volume.value) != hash,
            None => true,
        });
        volumes.reverse();
        pod.volumes = volumes;
        taken.is_incomplete |= !stamps.is_empty();
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
        let Some(spec) = pod.spec_mut() else {
            return;
        };
        for (name, before) in self.entries.iter().rev().flat_map(|entry| &entry.spec) {
            let Some((known, value)) = SPEC_MEMBERS.iter().find(|(known, _)| known == name) else {
                continue;
            };
            if spec.get(name).and_then(Value::as_text) != Some(value) {
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
    pod.all_containers().map(key).collect()
}

/// What setting a variable changes; nothing where the value does not hold the one before.
fn set(container: &Container, name: &str, value: &str, moves: bool) -> Option<SetVariable> {
    let place = container.env.iter().rposition(|variable| variable.name == name)?;
    let variable = container.env.get(place)?;
    let before = variable.literal()?;
    let (prefix, suffix) = match value.split_once(&*before) {
        _ if before.is_empty() => ("", value),
        Some(parts) => parts,
        None => return None,
    };
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
        prefix: prefix.to_owned(),
        suffix: suffix.to_owned(),
        was: Was::of(object.get("value")),
        moved,
    })
}

impl Changes {
    fn take_out(&self, container: &mut Container, taken: &mut Taken) {
        let mut stamps: BTreeMap<&str, &str> =
            self.env.iter().map(|stamp| (&*stamp.name, &*stamp.hash)).collect();
        // They were appended: the last of a name is the one.
        container.env.reverse();
        container.env.retain(|variable| match stamps.remove(&*variable.name) {
            Some(hash) => stamp(&variable.value) != hash,
            None => true,
        });
        container.env.reverse();
        let mut mounts: BTreeMap<&str, &str> =
            self.mounts.iter().map(|stamp| (&*stamp.name, &*stamp.hash)).collect();
        container.mounts.reverse();
        container.mounts.retain(|mount| match mounts.remove(&*mount.path) {
            Some(hash) => stamp(&mount.value) != hash,
            None => true,
        });
        container.mounts.reverse();
        taken.is_incomplete |= !stamps.is_empty() || !mounts.is_empty();
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
        let Some(value) = env.get(place).and_then(EnvVar::literal) else {
            return;
        };
        let rest =
            value.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_suffix(&*self.suffix));
        let Some(before) = rest.map(str::to_owned) else {
            return;
        };
        let mut variable = env.remove(place);
        match self.was {
            Was::Absent if before.is_empty() => variable.unset(),
            Was::Null if before.is_empty() => variable.set_null(),
            _ => variable.set(&before),
        }
        let find = |neighbour: &(String, usize)| {
            let (name, earlier) = neighbour;
            let mut of_name = env.iter().enumerate().filter(|(_, it)| it.name == *name);
            of_name.nth(*earlier).map(|(place, _)| place)
        };
        let place = match &self.moved {
            None => place,
            Some(Moved { after: None, before: Some(_) }) => 0,
            Some(Moved { after, before }) => {
                let after = after.as_ref().and_then(find).map(|place| place.saturating_add(1));
                after.or_else(|| before.as_ref().and_then(find)).unwrap_or(place)
            }
        };
        env.insert(place.min(env.len()), variable);
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
