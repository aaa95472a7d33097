//! What the user's own manifest says, as apply notes it in the object.
//!
//! Apply merges a mount that the user writes into one of ours that is the same. Then the template does
//! not tell whether it is the user's as well, and the notes of apply do: the annotation of `kubectl
//! apply`, and the fields that server-side apply gave an owner.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::admission::{OBJECT, Workload};
use crate::annotations;
use crate::json::{Key, Object, Shape, Value};
use crate::pod::lists::elements;
use crate::pod::{Pod, annotations_of};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The notes of apply in an object, which are read where they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Applied<'w, 'a> {
    workload: Option<&'w Workload>,
    last: Option<Value<'a>>,
    fields: Option<Value<'a>>,
    written: OnceCell<Written>,
}

/// The volumes and mounts that the user wrote.
#[derive(Debug, Default)]
struct Written {
    volumes: BTreeSet<String>,
    /// The keys of mounts.
    mounts: BTreeSet<String>,
}

impl<'w, 'a> Applied<'w, 'a> {
    /// Finds the notes in an object.
    pub(crate) fn of(object: &Value<'a>, workload: &'w Workload) -> Self {
        let object = object.as_object();
        let fields = object.and_then(|it| it.get("metadata")?.as_object()?.get("managedFields"));
        Self {
            workload: Some(workload),
            last: object.and_then(annotations_of).and_then(|it| it.get(LAST_APPLIED)).cloned(),
            fields: fields.cloned(),
            written: OnceCell::new(),
        }
    }

    /// Whether the user wrote a mount of a volume; `None` if nothing says that he wrote the volume.
    pub(super) fn has_mount(&self, volume: &str, container: &str, path: &str) -> Option<bool> {
        let written = self.written.get_or_init(|| self.read().unwrap_or_default());
        let is_written = || written.mounts.contains(&mount_key(container, path));
        written.volumes.contains(volume).then(is_written)
    }

    fn read(&self) -> Option<Written> {
        let mut written = Written::default();
        let workload = self.workload?;
        if let Some(text) = self.last.as_ref().and_then(Value::as_str) {
            written.add_manifest(&text, workload);
        }
        static ENTRIES: Shape = Shape::Array(&Shape::Object(&[]));
        for entry in elements(self.fields.as_ref(), &ENTRIES) {
            let entry = entry.as_object().filter(|entry| {
                // What is updated has no owner where it was there already.
                entry.get_str("operation").as_deref() == Some("Apply")
            });
            entry.and_then(|entry| written.add_fields(entry, workload));
        }
        Some(written)
    }
}

impl Written {
    /// Adds what a manifest says. One that was injected offline does not tell ours from the user's.
    fn add_manifest(&mut self, text: &str, workload: &Workload) -> Option<()> {
        static MANIFEST: Shape = OBJECT;
        let mut object = Value::open(text, &MANIFEST).ok()?;
        let template = workload.template(&mut object)?;
        let is_record = |key: &Key| key.name().is_some_and(|key| annotations::is_record(&key));
        if annotations_of(template).is_some_and(|it| it.iter().any(|(key, _)| is_record(key))) {
            return None;
        }
        let pod = Pod::open(template).ok()?;
        self.volumes.extend(pod.volumes.iter().map(|volume| volume.name.clone().into_owned()));
        for (_, container) in pod.all_containers() {
            let mounts = container.mounts.iter();
            self.mounts.extend(mounts.map(|mount| mount_key(&container.name, &mount.path)));
        }
        Some(())
    }

    /// Adds the fields that somebody owns: `f:` comes before the name of a member, `k:` before the
    /// key of an element.
    fn add_fields(&mut self, entry: &Object, workload: &Workload) -> Option<()> {
        let mut template = member(entry, "fieldsV1")?;
        for name in workload.path() {
            template = member(&template, &format!("f:{name}"))?;
        }
        let metadata = member(&template, "f:metadata");
        let annotations = metadata.and_then(|metadata| member(&metadata, "f:annotations"));
        let is_record = |key: &Key| {
            key.name().is_some_and(|key| key.strip_prefix("f:").is_some_and(annotations::is_record))
        };
        if annotations.is_some_and(|it| it.iter().any(|(key, _)| is_record(key))) {
            return None;
        }
        let spec = member(&template, "f:spec")?;
        let volumes = member(&spec, "f:volumes").unwrap_or_default();
        self.volumes.extend(volumes.iter().filter_map(|(key, _)| element(key, "name")));
        for list in ["f:containers", "f:initContainers"] {
            for (key, fields) in member(&spec, list).unwrap_or_default().iter() {
                let fields = fields.as_text().and_then(Object::parse).unwrap_or_default();
                let mounts = member(&fields, "f:volumeMounts").unwrap_or_default();
                let Some(container) = element(key, "name") else {
                    continue;
                };
                let paths = mounts.iter().filter_map(|(key, _)| element(key, "mountPath"));
                self.mounts.extend(paths.map(|path| mount_key(&container, &path)));
            }
        }
        Some(())
    }
}

/// A mount by its container and its path.
pub(super) fn mount_key(container: &str, path: &str) -> String {
    format!("{container}:{path}")
}

fn member<'a>(object: &Object<'a>, name: &str) -> Option<Object<'a>> {
    Object::parse(object.get(name)?.as_text()?)
}

/// The name by which an element of a list is found.
fn element(key: &Key, name: &str) -> Option<String> {
    let key = key.name()?;
    Some(Object::parse(key.strip_prefix("k:")?)?.get_str(name)?.into_owned())
}
