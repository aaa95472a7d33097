//! Lists of an object: opened, taken out and put back.

use crate::json::{Object, Shape, Value};

/// The elements of a list that nobody opened, opened now; none where there is no list.
pub(crate) fn elements<'a>(list: Option<&Value<'a>>, shape: &'static Shape) -> Vec<Value<'a>> {
    match list.and_then(Value::as_text).map(|text| Value::open(text, shape)) {
        Some(Ok(Value::Array(elements))) => elements,
        _ => Vec::new(),
    }
}

/// Takes the elements of a list out of an object; null or nothing is an empty list.
pub(super) fn take_list<'a>(
    object: &mut Object<'a>,
    name: &str,
    shape: &'static Shape,
) -> Option<Vec<Value<'a>>> {
    let Some(value) = object.get_mut(name).filter(|value| !value.is_null()) else {
        return Some(Vec::new());
    };
    value.open_further(shape);
    match value {
        Value::Array(elements) => Some(std::mem::take(elements)),
        _ => None,
    }
}

/// Puts the elements of a list back. Where there was none, an empty one is not added.
pub(super) fn put_list<'a>(object: &mut Object<'a>, name: &'static str, elements: Vec<Value<'a>>) {
    match object.get_mut(name) {
        Some(Value::Array(place)) => *place = elements,
        _ if elements.is_empty() => {}
        _ => object.set(name, Value::Array(elements)),
    }
}
