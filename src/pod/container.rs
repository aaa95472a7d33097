//! A container: its environment and its mounts.

use std::borrow::Cow;

use k8s_openapi::api::core::v1 as k8s;

use super::{EnvEdit, NewContainer, NewEnvVar, put_list};
use crate::json::{Object, Shape, Value};

/// A container of a pod template.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    /// Its name.
    pub(crate) name: Cow<'a, str>,
    /// Its environment, in order.
    pub(crate) env: Vec<EnvVar<'a>>,
    /// Its mounts, in order.
    pub(crate) mounts: Vec<VolumeMount<'a>>,
    /// Everything else.
    pub(crate) body: Body<'a>,
}

/// What a container is but for its environment and mounts.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    /// As the user wrote it.
    Written(Object<'a>),
    /// As this policy adds it, with its own environment and mounts in it.
    Added(Box<NewContainer<'a>>),
}

/// A variable of a container.
#[derive(Debug)]
pub(crate) struct EnvVar<'a> {
    /// Its name.
    pub(crate) name: Cow<'a, str>,
    value: Value<'a>,
}

/// A mount of a container.
#[derive(Debug)]
pub(crate) struct VolumeMount<'a> {
    /// Where it is mounted.
    pub(crate) path: Cow<'a, str>,
    /// The volume.
    pub(crate) volume: Cow<'a, str>,
    /// The part of the volume that is mounted, where that is not the whole.
    pub(crate) sub_path: Option<Cow<'a, str>>,
    /// Whether the part depends on the container's environment.
    pub(crate) has_sub_path_expr: bool,
    value: Value<'a>,
}

impl<'a> Container<'a> {
    /// Reads a container as the user wrote it; nothing where Kubernetes would not take it.
    pub(crate) fn read(value: Value<'a>) -> Option<Self> {
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
        Some(Self { name, env, mounts, body: Body::Written(object) })
    }

    pub(super) fn added(new: NewContainer<'a>) -> Self {
        let mounts = new.container.volume_mounts.iter().flatten().map(VolumeMount::added);
        Self {
            name: new.container.name.clone().into(),
            env: Vec::new(),
            mounts: mounts.collect(),
            body: Body::Added(Box::new(new)),
        }
    }

    /// The last variable of that name, which is the one that counts.
    pub(crate) fn env(&self, name: &str) -> Option<&EnvVar<'a>> {
        self.env.iter().rev().find(|variable| variable.name == name)
    }

    /// The mount at exactly that path.
    pub(crate) fn mount_at(&self, path: &str) -> Option<&VolumeMount<'a>> {
        self.mounts.iter().find(|mount| mount.path == path)
    }

    /// A member that nobody opened, opened now.
    pub(crate) fn object(&self, name: &str) -> Option<Object<'a>> {
        let text = self.text(name)?;
        Value::open(text, &Shape::Object(&[])).ok()?.as_object().cloned()
    }

    /// The text of a member that nobody opened.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        match &self.body {
            Body::Written(object) => object.get(name)?.as_text(),
            Body::Added(_) => None,
        }
    }

    pub(super) fn edit_env(&mut self, edit: EnvEdit) {
        match edit {
            EnvEdit::Append(variable) => {
                let NewEnvVar { name, value } = variable;
                self.env.push(EnvVar { name: name.into(), value });
            }
            EnvEdit::Set(name, value) => {
                let found = self.env.iter_mut().rev().find(|variable| variable.name == name);
                if let Some(object) = found.and_then(|found| found.value.as_object_mut()) {
                    object.set("value", Value::new(&value));
                }
            }
            EnvEdit::Remove(name) => self.env.retain(|variable| variable.name != name),
        }
    }

    pub(super) fn add_mount(&mut self, mount: k8s::VolumeMount) {
        self.mounts.push(VolumeMount::added(&mount));
        if let Body::Added(new) = &mut self.body {
            new.container.volume_mounts.get_or_insert_default().push(mount);
        }
    }

    pub(super) fn into_value(self) -> Value<'a> {
        match self.body {
            Body::Written(mut object) => {
                let env = self.env.into_iter().map(|variable| variable.value).collect();
                put_list(&mut object, "env", env);
                let mounts = self.mounts.into_iter().map(|mount| mount.value).collect();
                put_list(&mut object, "volumeMounts", mounts);
                Value::Object(object)
            }
            Body::Added(new) => {
                let NewContainer { container, security_context } = *new;
                let value = Value::new(&container);
                let Some(context) = security_context else {
                    return value;
                };
                let mut text = String::new();
                value.write(&mut text);
                if text.pop() == Some('}') {
                    text.push_str(",\"securityContext\":");
                    context.write(&mut text);
                    text.push('}');
                }
                Value::New(text.into())
            }
        }
    }
}

impl<'a> EnvVar<'a> {
    fn read(value: Value<'a>) -> Option<Self> {
        let name = value.as_object()?.get_str("name")?;
        Some(Self { name, value })
    }

    /// The string that it is set to; nothing where the value comes from somewhere else.
    pub(crate) fn literal(&self) -> Option<Cow<'a, str>> {
        let object = self.value.as_object()?;
        if object.get("valueFrom").is_some_and(|from| !from.is_null()) {
            return None;
        }
        match object.get("value").filter(|value| !value.is_null()) {
            Some(value) => value.as_str(),
            None => Some(Cow::Borrowed("")),
        }
    }
}

impl<'a> VolumeMount<'a> {
    fn read(value: Value<'a>) -> Option<Self> {
        let object = value.as_object()?;
        let expression = object.get_str("subPathExpr");
        Some(Self {
            path: object.get_str("mountPath")?,
            volume: object.get_str("name")?,
            sub_path: object.get_str("subPath").filter(|path| !path.is_empty()),
            has_sub_path_expr: expression.is_some_and(|expression| !expression.is_empty()),
            value,
        })
    }

    fn added(mount: &k8s::VolumeMount) -> Self {
        Self {
            path: mount.mount_path.clone().into(),
            volume: mount.name.clone().into(),
            sub_path: mount.sub_path.clone().map(Cow::Owned),
            has_sub_path_expr: false,
            value: Value::new(mount),
        }
    }
}
