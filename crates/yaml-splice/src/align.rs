//! Which entry of a collection became which.

use std::collections::HashMap;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::tree::Child;
use crate::value::{Value, by_key};

/// What happens to the entries of a collection, in order.
pub(crate) enum Step<'v> {
    /// The entry at an index stays, and goes from one value to another.
    Keep(usize, &'v Value, &'v Value),
    /// The entry at an index goes.
    Delete(usize),
    /// New entries, which have keys in a mapping.
    Insert(Vec<(&'v str, &'v Value)>),
}

/// What happens to the elements of a sequence. Elements that have a `name` are known by it.
pub(crate) fn sequence_steps<'v>(before: &'v [Value], after: &'v [Value]) -> Vec<Step<'v>> {
    let is_longer = |(one, two)| is_grown(one, two) || is_grown(two, one);
    if before.iter().zip(after).all(is_longer) {
        let kept = before.iter().zip(after).enumerate();
        let mut steps: Vec<_> =
            kept.map(|(index, (one, two))| Step::Keep(index, one, two)).collect();
        steps.extend((after.len()..before.len()).map(Step::Delete));
        steps.extend(inserted(after, before.len()..after.len()));
        return steps;
    }
    let identity = |value: &Value| match value.get("name") {
        Some(Value::String(name)) => format!("={name}"),
        _ => serde_json::to_string(value).unwrap_or_default(),
    };
    let (old, new): (Vec<_>, Vec<_>) =
        (before.iter().map(identity).collect(), after.iter().map(identity).collect());
    let mut steps = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        let (old, new) = ranges(op);
        let mut next = new.start;
        let counts_agree = old.len() == new.len();
        for index in old {
            let Some(one) = before.get(index) else { continue };
            let is_same = |two: &Value| counts_agree || is_alike(one, two);
            let found = (next..new.end).find(|index| after.get(*index).is_some_and(is_same));
            steps.extend(inserted(after, next..found.unwrap_or(next)));
            match found.and_then(|found| after.get(found)) {
                Some(two) => steps.push(Step::Keep(index, one, two)),
                None => steps.push(Step::Delete(index)),
            }
            next = found.map_or(next, |found| found + 1);
        }
        steps.extend(inserted(after, next..new.end));
    }
    steps
}

fn ranges(op: DiffOp) -> (Range<usize>, Range<usize>) {
    match op {
        DiffOp::Equal { old_index, new_index, len } => {
            (old_index..old_index + len, new_index..new_index + len)
        }
        DiffOp::Delete { old_index, old_len, new_index } => {
            (old_index..old_index + old_len, new_index..new_index)
        }
        DiffOp::Insert { old_index, new_index, new_len } => {
            (old_index..old_index, new_index..new_index + new_len)
        }
        DiffOp::Replace { old_index, old_len, new_index, new_len } => {
            (old_index..old_index + old_len, new_index..new_index + new_len)
        }
    }
}

fn inserted(after: &[Value], range: Range<usize>) -> Option<Step<'_>> {
    let added: Vec<_> = after.get(range)?.iter().map(|value| ("", value)).collect();
    (!added.is_empty()).then_some(Step::Insert(added))
}

/// Whether one value is another with more at the end of its collections.
fn is_grown(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Mapping(members), Value::Mapping(grown)) => {
            let grown = by_key(grown);
            let is_kept = |(key, one): &(String, Value)| {
                grown.get(&**key).is_some_and(|two| is_grown(one, two))
            };
            members.iter().all(is_kept)
        }
        (Value::Sequence(elements), Value::Sequence(grown)) => {
            elements.len() <= grown.len()
                && elements.iter().zip(grown).all(|(one, two)| is_grown(one, two))
        }
        (one, two) => one == two,
    }
}

/// Whether one value may have become another.
fn is_alike(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Mapping(members), Value::Mapping(_)) => {
            members.is_empty() || members.iter().any(|(key, _)| two.get(key).is_some())
        }
        (Value::Sequence(_), Value::Sequence(_)) => true,
        _ => false,
    }
}

/// What happens to the members of a mapping; `None` if its entries cannot say it.
///
/// A member that was merged is changed by a member of the mapping's own, and cannot be taken away.
/// `is_anchored` says that values behind anchors have changed, so merged members may have as well.
pub(crate) fn mapping_steps<'v>(
    children: &[Child],
    before: &'v [(String, Value)],
    after: &'v [(String, Value)],
    is_anchored: bool,
) -> Option<Vec<Step<'v>>> {
    let (before, wanted) = (by_key(before), by_key(after));
    let own = children.iter().enumerate().filter(|(_, child)| !child.is_merge);
    let own: HashMap<&str, usize> = own.map(|(index, child)| (&*child.key, index)).collect();
    let merges = own.len() < children.len();
    let is_lost = |key: &&str| !own.contains_key(key) && !wanted.contains_key(key);
    if merges && (is_anchored || before.keys().any(is_lost)) {
        return None;
    }
    // New members, by the entry that they follow.
    let mut new: HashMap<Option<usize>, Vec<(&str, &Value)>> = HashMap::new();
    let mut previous = None;
    for (key, value) in after {
        match own.get(&**key) {
            Some(index) => previous = previous.max(Some(*index)),
            None if merges && before.get(&**key) == Some(&value) => {}
            None => new.entry(previous).or_default().push((key, value)),
        }
    }
    let mut steps = Vec::new();
    steps.extend(new.remove(&None).map(Step::Insert));
    for (index, child) in children.iter().enumerate() {
        let key = &*child.key;
        match (child.is_merge, before.get(key), wanted.get(key)) {
            (true, ..) => {}
            (false, Some(before), Some(after)) => steps.push(Step::Keep(index, before, after)),
            _ => steps.push(Step::Delete(index)),
        }
        steps.extend(new.remove(&Some(index)).map(Step::Insert));
    }
    Some(steps)
}
