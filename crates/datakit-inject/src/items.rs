//! Lists of objects.

use yaml_splice::Value;

/// The items of a `List`, or of a list of one kind such as `PodList`.
pub(crate) fn items(list: &Value) -> Option<&[Value]> {
    let kind = list.get("kind").and_then(Value::as_str)?;
    list.get("items").filter(|_| kind.ends_with("List"))?.as_sequence()
}
