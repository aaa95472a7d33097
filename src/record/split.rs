//! Splits an element of ours that somebody else's was merged into.
//!
//! Apply merges lists by name, member by member: an entry that the user now sets as well comes as one
//! with the members of both, which Kubernetes refuses. What fits the stamp is taken out; the rest is
//! the user's.

use super::MountStamp;
use super::stamp::Stamp;
use crate::json::{Object, Shape, Value};

/// A variable without the `value` or the source of `valueFrom` that a stamp is of; `None` if nothing
/// of it fits.
pub(super) fn variable<'a>(variable: &Value<'a>, stamp: &Stamp) -> Option<Value<'a>> {
    static SOURCE: Shape = Shape::Object(&[]);
    let object = variable.as_object()?;
    let name = object.get("name")?;
    let text = object.get("valueFrom")?.as_text()?;
    let sources = Value::open(text, &SOURCE).ok()?;
    let sources = sources.as_object()?;
    let only =
        |key: &'static str, value: Value<'a>| Value::object([("name", name.clone()), (key, value)]);
    if let Some(value) = object.get("value")
        && stamp.fits(&only("value", value.clone()))
    {
        return Some(without(object, "value"));
    }
    let (key, _) = sources.iter().find(|(key, source)| {
        let source = Object::of_member((*key).clone(), (*source).clone());
        stamp.fits(&only("valueFrom", Value::Object(source)))
    })?;
    let rest = sources.without(&key.name()?);
    if rest.is_empty() {
        return Some(without(object, "valueFrom"));
    }
    let mut object = object.clone();
    *object.get_mut("valueFrom")? = Value::Object(rest);
    Some(Value::Object(object))
}

/// A volume without the source that a stamp is of; `None` if none fits.
pub(super) fn volume<'a>(volume: &Value<'a>, stamp: &Stamp) -> Option<Value<'a>> {
    let object = volume.as_object()?;
    let name = object.get("name")?;
    let (key, _) = object.iter().filter(|(key, _)| !key.is("name")).find(|(key, source)| {
        let mut only = Object::of_member((*key).clone(), (*source).clone());
        only.set("name", name.clone());
        stamp.fits(&Value::Object(only))
    })?;
    Some(without(object, &key.name()?))
}

/// A mount of another volume without the `subPath` of ours; `None` if it has another one.
pub(super) fn mount<'a>(mount: &Value<'a>, stamp: &MountStamp) -> Option<Value<'a>> {
    let object = mount.as_object()?;
    let sub_path = object.get_str("subPath")?;
    (Some(&*sub_path) == stamp.sub_path.as_deref()).then(|| without(object, "subPath"))
}

fn without<'a>(object: &Object<'a>, key: &str) -> Value<'a> {
    Value::Object(object.without(key))
}
