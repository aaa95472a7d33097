//! A container: its environment and its mounts.

use std::borrow::Cow;

use k8s_openapi::api::core::v1 as k8s;
use serde::Serialize;

use super::lists::{elements, put_list};
use super::malformed::Malformed;
use crate::json::{Object, Shape, Value, push_text};

/// A container of a pod template.
#[derive(Clone, Debug)]
pub(crate) struct Container<'a> {
    /// Its name.
    pub(crate) name: Cow<'a, str>,
    /// Its environment, in order.
    pub(crate) env: Vec<EnvVar<'a>>,
    /// Its mounts, in order.
    pub(crate) mounts: Vec<VolumeMount<'a>>,
    /// Where block devices are in it.
    devices: Vec<Cow<'a, str>>,
    /// Everything else.
    pub(crate) body: Object<'a>,
}

/// A variable of a container. Its text is made once for all containers that get it.
#[derive(Clone, Debug)]
pub(crate) struct EnvVar<'a> {
    /// Its name.
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: Value<'a>,
}

/// A mount of a container. Its text is made once for all containers that get it.
#[derive(Clone, Debug)]
pub(crate) struct VolumeMount<'a> {
    /// Where it is mounted.
    pub(crate) path: Cow<'a, str>,
    /// The volume.
    pub(crate) volume: Cow<'a, str>,
    /// The part of the volume that is mounted, where that is not the whole.
    pub(crate) sub_path: Option<Cow<'a, str>>,
    /// Whether the part depends on the container's environment.
    pub(crate) has_sub_path_expr: bool,
    /// Whether nothing can be written to it.
    pub(crate) is_read_only: bool,
    /// Whether an injection adds it.
    pub(crate) is_added: bool,
    pub(crate) value: Value<'a>,
}

/// One of the containers of a pod, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ContainerRef {
    /// A regular container.
    Regular(usize),
    /// An init container.
    Init(usize),
}

/// A change of a container's environment.
#[derive(Debug)]
pub(crate) enum EnvEdit<'a> {
    /// Adds a variable at the end.
    Append(EnvVar<'a>),
    /// Adds to the string of a variable that is there, the last of that name.
    Extend(Extension),
    /// The same, and moves the variable to the end.
    Move(Extension),
}

/// What is added to the string of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) name: &'static str,
    pub(crate) prefix: String,
    pub(crate) suffix: String,
}

impl<'a> Container<'a> {
    /// Reads a container as the user wrote it.
    ///
    /// # Errors
    ///
    /// Where it has no name, or another type than Kubernetes takes; `part` says where it is.
    pub(crate) fn read(value: Value<'a>, part: &'static str) -> Result<Self, Malformed> {
        let object = value.as_object().ok_or(Malformed::Part(part))?;
        if object.get("name").is_none_or(Value::is_null) {
            return Err(Malformed::Nameless);
        }
        Self::read_named(value).ok_or(Malformed::Part(part))
    }

    fn read_named(value: Value<'a>) -> Option<Self> {
        let Value::Object(mut object) = value else {
            return None;
        };
        let name = object.get_str("name")?;
        let mut take = |name| match object.get_mut(name) {
            Some(Value::Array(elements)) => Some(std::mem::take(elements)),
            Some(value) if !value.is_null() => None,
            _ => Some(Vec::new()),
        };
        let env = take("env")?.into_iter().map(EnvVar::read).collect::<Option<_>>()?;
        let mounts = take("volumeMounts")?.into_iter().map(VolumeMount::read);
        let mounts = mounts.collect::<Option<_>>()?;
        Some(Self { name, env, mounts, devices: devices(&object), body: object })
    }

    /// A container to add.
    pub(crate) fn new(name: &'static str) -> Self {
        let mut body = Object::default();
        body.set("name", Value::string(name));
        Self { name: name.into(), env: Vec::new(), mounts: Vec::new(), devices: Vec::new(), body }
    }

    /// Gives it a `securityContext`, where there is one to give.
    pub(crate) fn set_security_context(&mut self, context: Option<Value<'a>>) {
        if let Some(context) = context {
            self.body.set("securityContext", context);
        }
    }

    /// The last variable of that name, which is the one that counts.
    pub(crate) fn env(&self, name: &str) -> Option<&EnvVar<'a>> {
        self.env.iter().rev().find(|variable| variable.name == name)
    }

    /// The mount on a directory, however the slash at its end is written: in a running container,
    /// one of two would hide the other.
    pub(crate) fn mount_on(&self, directory: &str) -> Option<&VolumeMount<'a>> {
        let directory = directory.trim_end_matches('/');
        self.mounts.iter().find(|mount| mount.path.trim_end_matches('/') == directory)
    }

    /// Whether a block device is on a directory.
    pub(crate) fn has_device_on(&self, directory: &str) -> bool {
        let directory = directory.trim_end_matches('/');
        self.devices.iter().any(|path| path.trim_end_matches('/') == directory)
    }

    /// The mount at exactly that path.
    pub(crate) fn mount_at(&self, path: &str) -> Option<&VolumeMount<'a>> {
        self.mounts.iter().find(|mount| mount.path == path)
    }

    /// The nearest of some mounts above a path, and where the path is in that.
    pub(crate) fn mount_above(
        &self,
        path: &str,
        is_meant: impl Fn(&VolumeMount) -> bool,
    ) -> Option<(&VolumeMount<'a>, String)> {
        let meant = self.mounts.iter().filter(|mount| is_meant(mount));
        let above = meant.filter_map(|mount| Some((mount, below(path, &mount.path)?)));
        above.min_by_key(|(_, rest)| rest.len())
    }

    /// A member that nobody opened, opened now.
    pub(crate) fn object(&self, name: &str) -> Option<Object<'a>> {
        Object::parse(self.text(name)?)
    }

    /// The text of a member that nobody opened.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.body.get(name)?.as_text()
    }

    /// Whether its command, its arguments or the literal value of a variable say something.
    pub(crate) fn says(&self, is_said: impl Fn(&str) -> bool) -> bool {
        ["command", "args"].iter().filter_map(|list| self.text(list)).any(&is_said)
            || self.env.iter().filter_map(EnvVar::literal).any(|text| is_said(&text))
    }

    pub(super) fn edit_env(&mut self, edit: EnvEdit<'a>) {
        match edit {
            EnvEdit::Append(variable) => self.env.push(variable),
            EnvEdit::Extend(extension) => {
                let name = extension.name;
                if let Some(variable) = self.env.iter_mut().rfind(|other| other.name == name) {
                    variable.extend(&extension);
                }
            }
            EnvEdit::Move(extension) => {
                let name = extension.name;
                if let Some(place) = self.env.iter().rposition(|other| other.name == name) {
                    let mut variable = self.env.remove(place);
                    variable.extend(&extension);
                    self.env.push(variable);
                }
            }
        }
    }

    /// The JSON text of the container.
    pub(crate) fn to_json(&self) -> String {
        self.clone().into_value().to_json()
    }

    pub(super) fn into_value(mut self) -> Value<'a> {
        let env = self.env.into_iter().map(|variable| variable.value).collect();
        put_list(&mut self.body, "env", env);
        let mounts = self.mounts.into_iter().map(|mount| mount.value).collect();
        put_list(&mut self.body, "volumeMounts", mounts);
        Value::Object(self.body)
    }
}

impl<'a> EnvVar<'a> {
    fn read(value: Value<'a>) -> Option<Self> {
        let name = value.as_object()?.get_str("name")?;
        Some(Self { name, value })
    }

    /// A variable to add that is set to a string.
    pub(crate) fn new(name: Cow<'a, str>, value: &str) -> Self {
        let length = name.len().saturating_add(value.len());
        let mut text = String::with_capacity(length.saturating_add(24));
        text.push_str("{\"name\":");
        push_text(&mut text, &name);
        text.push_str(",\"value\":");
        push_text(&mut text, value);
        text.push('}');
        Self { name, value: Value::New(text.into()) }
    }

    /// A variable to add that is set from somewhere else.
    pub(crate) fn from_source(name: Cow<'a, str>, source: &k8s::EnvVarSource) -> Self {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Sourced<'v> {
            name: &'v str,
            value_from: &'v k8s::EnvVarSource,
        }
        Self { value: Value::new(&Sourced { name: &name, value_from: source }), name }
    }

    fn extend(&mut self, Extension { prefix, suffix, .. }: &Extension) {
        let value = self.literal().unwrap_or_default();
        self.set(&format!("{prefix}{value}{suffix}"));
    }

    /// Sets it to a string.
    pub(crate) fn set(&mut self, value: &str) {
        if let Some(object) = self.value.as_object_mut() {
            object.set("value", Value::string(value));
        }
    }

    /// Removes the string that it is set to.
    pub(crate) fn unset(&mut self) {
        if let Some(object) = self.value.as_object_mut() {
            object.remove("value");
        }
    }

    /// Sets it to null.
    pub(crate) fn set_null(&mut self) {
        if let Some(object) = self.value.as_object_mut() {
            object.set("value", Value::Text("null"));
        }
    }

    /// Whether its value comes from somewhere else.
    pub(crate) fn has_source(&self) -> bool {
        let source = self.value.as_object().and_then(|object| object.get("valueFrom"));
        source.is_some_and(|source| !source.is_null())
    }

    /// The string that it is set to; nothing where the value comes from somewhere else, or is no
    /// string.
    pub(crate) fn literal(&self) -> Option<Cow<'a, str>> {
        let object = self.value.as_object().filter(|_| !self.has_source())?;
        match object.get("value").filter(|value| !value.is_null()) {
            Some(value) => value.as_str(),
            None => Some(Cow::Borrowed("")),
        }
    }
}

impl<'a> VolumeMount<'a> {
    pub(crate) fn read(value: Value<'a>) -> Option<Self> {
        let object = value.as_object()?;
        let expression = object.get_str("subPathExpr");
        Some(Self {
            path: object.get_str("mountPath")?,
            volume: object.get_str("name")?,
            sub_path: object.get_str("subPath").filter(|path| !path.is_empty()),
            has_sub_path_expr: expression.is_some_and(|expression| !expression.is_empty()),
            is_read_only: object.get("readOnly") == Some(&Value::Text("true")),
            is_added: false,
            value,
        })
    }

    /// A mount to add.
    pub(crate) fn new(
        volume: Cow<'a, str>,
        path: Cow<'a, str>,
        sub_path: Option<Cow<'a, str>>,
    ) -> Self {
        let value = mount_text(&volume, &path, sub_path.as_deref(), "");
        Self {
            path,
            volume,
            sub_path,
            has_sub_path_expr: false,
            is_read_only: false,
            is_added: true,
            value,
        }
    }

    /// A read-only copy of the mount.
    pub(crate) fn read_only(self) -> Self {
        let read_only = ",\"readOnly\":true";
        let value = mount_text(&self.volume, &self.path, self.sub_path.as_deref(), read_only);
        Self { value, is_read_only: true, ..self }
    }
}

/// Where a path is in a directory above it, however their slashes are written.
pub(crate) fn below(path: &str, directory: &str) -> Option<String> {
    within(path, directory).filter(|rest| !rest.is_empty())
}

/// Where a path is in a directory on or above it, however their slashes are written.
pub(super) fn within(path: &str, directory: &str) -> Option<String> {
    let mut rest = names(path);
    names(directory).all(|name| rest.next() == Some(name)).then_some(())?;
    let first = rest.next().unwrap_or_default().to_owned();
    Some(rest.fold(first, |path, name| path + "/" + name))
}

/// The names in a path.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !matches!(*name, "" | "."))
}

/// Where block devices are in a container.
fn devices<'a>(container: &Object<'a>) -> Vec<Cow<'a, str>> {
    static DEVICES: Shape = Shape::Array(&Shape::Object(&[]));
    let devices = elements(container.get("volumeDevices"), &DEVICES).into_iter();
    devices.filter_map(|device| device.as_object()?.get_str("devicePath")).collect()
}

fn mount_text<'a>(volume: &str, path: &str, sub_path: Option<&str>, more: &str) -> Value<'a> {
    let mut text = String::with_capacity(80);
    text.push_str("{\"mountPath\":");
    push_text(&mut text, path);
    text.push_str(",\"name\":");
    push_text(&mut text, volume);
    if let Some(sub_path) = sub_path {
        text.push_str(",\"subPath\":");
        push_text(&mut text, sub_path);
    }
    text.push_str(more);
    text.push('}');
    Value::New(text.into())
}
