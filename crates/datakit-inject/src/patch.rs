//! JSON Patches (RFC 6902) that test what they replace and remove, so that they fail if the object changed
//! in the meantime.

use serde_json::{Value, json};

/// The operations that turn `before` into `after`.
pub(crate) fn operations(before: &Value, after: &Value) -> Vec<Value> {
    let mut operations = Vec::new();
    add(before, Some(after), "", &mut operations);
    operations
}

fn add(before: &Value, after: Option<&Value>, path: &str, operations: &mut Vec<Value>) {
    match (before, after) {
        (before, Some(after)) if before == after => {}
        (Value::Object(old), Some(Value::Object(new))) => {
            let path = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
            for (key, value) in old {
                add(value, new.get(key), &path(key), operations);
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                operations.push(json!({ "op": "add", "path": path(key), "value": value }));
            }
        }
        (Value::Array(old), Some(Value::Array(new))) if counterparts(old, new).is_some() => {
            let new = counterparts(old, new).unwrap_or_default();
            // From the end, so that earlier indices stay valid.
            for (index, (element, after)) in old.iter().zip(new).enumerate().rev() {
                add(element, after, &format!("{path}/{index}"), operations);
            }
        }
        (before, after) => {
            operations.push(json!({ "op": "test", "path": path, "value": before }));
            operations.push(match after {
                Some(after) => json!({ "op": "replace", "path": path, "value": after }),
                None => json!({ "op": "remove", "path": path }),
            });
        }
    }
}

/// The counterpart of each element, if elements were only changed or removed.
fn counterparts<'v>(old: &[Value], new: &'v [Value]) -> Option<Vec<Option<&'v Value>>> {
    // Mounts of the same volume share its name and differ in their paths.
    let is_same = |one: &Value, two: &Value| match one.get("name") {
        Some(_) => ["name", "mountPath"].iter().all(|key| one.get(key) == two.get(key)),
        None => one == two,
    };
    let mut rest = new.iter().peekable();
    let of = |element: &Value| rest.next_if(|candidate| is_same(element, candidate));
    let counterparts = old.iter().map(of).collect();
    rest.peek().is_none().then_some(counterparts)
}
