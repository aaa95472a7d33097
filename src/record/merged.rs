//! Takes ours out of an element that somebody else's was merged into.
//!
//! Apply merges lists by name, member by member: an entry that the user now sets as well comes as one
//! with the members of both, which Kubernetes refuses. What fits the stamp is taken out; the rest is
//! the user's.

use super::MountStamp;
use super::stamp::Stamp;
use crate::json::{Key, Object, Value};
use crate::pod::volume::LOCAL_TIME;
use crate::rules::env::{RESOURCES, divisor};

/// Whether a volume or a variable has two sources, which Kubernetes refuses.
pub(super) fn has_two_sources(entry: &Value) -> bool {
    let count = |object: &Object| {
        object.iter().filter(|(key, value)| !key.is("name") && !value.is_null()).count()
    };
    let Some(object) = entry.as_object() else {
        return false;
    };
    let from = object.get("valueFrom").and_then(|from| Object::parse(from.as_text()?));
    count(object) > 1 || from.is_some_and(|from| count(&from) > 1)
}

/// A variable without the `value` or the source of `valueFrom` that a stamp is of; `None` if nothing
/// of it fits.
pub(super) fn variable<'a>(variable: &Value<'a>, stamp: &Stamp) -> Option<Value<'a>> {
    let object = variable.as_object()?;
    let name = object.get("name")?;
    let sources = Object::parse(object.get("valueFrom")?.as_text()?)?;
    let only =
        |key: &'static str, value: Value<'a>| Value::object([("name", name.clone()), (key, value)]);
    if let Some(value) = object.get("value")
        && stamp.fits(&only("value", value.clone()))
    {
        return Some(without(object, "value"));
    }
    let whole = sources.iter().find(|(key, source)| {
        let source = Object::of_member((*key).clone(), (*source).clone());
        stamp.fits(&only("valueFrom", Value::Object(source)))
    });
    let rest = match whole {
        Some((key, _)) => sources.without(&key.name()?),
        None => {
            let fits = |source: Object<'a>| {
                let source = Value::object([("resourceFieldRef", Value::Object(source))]);
                stamp.fits(&only("valueFrom", source))
            };
            let rest = resource(sources.get("resourceFieldRef")?.as_text()?, fits)?;
            let mut sources = sources;
            sources.set("resourceFieldRef", Value::Object(rest));
            sources
        }
    };
    if rest.is_empty() {
        return Some(without(object, "valueFrom"));
    }
    let mut object = object.clone();
    *object.get_mut("valueFrom")? = Value::Object(rest);
    Some(Value::Object(object))
}

/// A resource of a container without what ours had beside the resource's name; `None` if ours was none.
fn resource<'a>(text: &'a str, fits: impl Fn(Object<'a>) -> bool) -> Option<Object<'a>> {
    let source = Object::parse(text)?;
    RESOURCES.iter().find_map(|(resource, _, name)| {
        let divisor = divisor(name);
        let mut ours = source.clone();
        ours.set("resource", Value::string(resource));
        ours.set("divisor", Value::string(divisor));
        let mut rest = source.without("containerName");
        if rest.get_str("divisor").as_deref() == Some(divisor) {
            rest = rest.without("divisor");
        }
        fits(ours).then_some(rest)
    })
}

/// A volume without the source that a stamp is of; `None` if none fits.
pub(super) fn volume<'a>(volume: &Value<'a>, stamp: &Stamp) -> Option<Value<'a>> {
    let object = volume.as_object()?;
    let name = object.get("name")?;
    let fits = |key: &Key<'a>, source: Value<'a>| {
        let mut only = Object::of_member(key.clone(), source);
        only.set("name", name.clone());
        stamp.fits(&Value::Object(only))
    };
    let sources = || object.iter().filter(|(key, _)| !key.is("name"));
    if let Some((key, _)) = sources().find(|(key, source)| fits(key, (*source).clone())) {
        return Some(without(object, &key.name()?));
    }
    // The user's source of the same kind: what ours had in it is not the user's.
    sources().find_map(|(key, source)| {
        let source = Object::parse(source.as_text()?)?;
        let (ours, member) = if key.is("hostPath") {
            let path = ("path", Value::string(LOCAL_TIME));
            (Value::object([path, ("type", source.get("type")?.clone())]), "type")
        } else if key.is("emptyDir") {
            (Value::object([("sizeLimit", source.get("sizeLimit")?.clone())]), "sizeLimit")
        } else {
            return None;
        };
        let is_changed = source.iter().any(|(key, value)| !key.is(member) && !value.is_null());
        if !is_changed || !fits(key, ours) {
            return None;
        }
        let mut object = object.clone();
        *object.get_mut(&key.name()?)? = Value::Object(source.without(member));
        Some(Value::Object(object))
    })
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
