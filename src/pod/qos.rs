//! The quality of service class of a pod.

use super::Pod;
use crate::json::{Object, Shape, Value};
use crate::pod::container::Container;
use crate::rules::quantity::nanos;

/// Whether a pod has the class `Guaranteed`: every container is limited in what decides the class, and
/// requests as much. A pod that has resources of its own has its class by them.
pub(crate) fn is_guaranteed(pod: &Pod) -> bool {
    let mut containers = pod.all_containers().map(|(_, container)| container).peekable();
    containers.peek().is_some() && containers.all(requests_its_limits)
}

fn requests_its_limits(container: &Container) -> bool {
    static RESOURCES: Shape =
        Shape::Object(&[("limits", Shape::Object(&[])), ("requests", Shape::Object(&[]))]);
    let text = container.text("resources");
    let opened = text.and_then(|text| Value::open(text, &RESOURCES).ok());
    let resources = opened.as_ref().and_then(Value::as_object);
    ["cpu", "memory"].iter().all(|name| {
        let quantity =
            |list: &str| resources.and_then(|it| quantity(it.get(list)?.as_object()?, name));
        let limit = quantity("limits").filter(|limit| *limit > 0);
        limit.is_some() && quantity("requests").is_none_or(|request| Some(request) == limit)
    })
}

/// A quantity, which may be a string or a number.
fn quantity(list: &Object, name: &str) -> Option<u128> {
    let value = list.get(name).filter(|value| !value.is_null())?;
    match value.as_str() {
        Some(text) => nanos(&text),
        None => nanos(value.as_text()?),
    }
}
