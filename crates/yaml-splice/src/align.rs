//! Which element of a sequence became which.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::data::{Data, by_key};
use crate::edit::Step;

/// What becomes of the elements of a sequence: those with a name are known by it.
pub(super) fn seq_steps<'d>(before: &'d [Data], after: &'d [Data]) -> Vec<Step<'d>> {
    let is_longer = |(one, two)| is_grown(one, two) || is_grown(two, one);
    if before.iter().zip(after).all(is_longer) {
        let kept = before.iter().zip(after).enumerate();
        let mut steps: Vec<_> =
            kept.map(|(index, (one, two))| Step::Keep(index, one, two)).collect();
        steps.extend((after.len()..before.len()).map(Step::Delete));
        steps.extend(inserted(after, before.len()..after.len()));
        return steps;
    }
    let identity = |data: &Data| match data.get("name") {
        Some(Data::String(name)) => format!("={name}"),
        _ => serde_json::to_string(data).unwrap_or_default(),
    };
    let (old, new): (Vec<_>, Vec<_>) =
        (before.iter().map(identity).collect(), after.iter().map(identity).collect());
    let mut steps = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        let (old, new) = match op {
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
        };
        let mut next = new.start;
        let counts_agree = old.len() == new.len();
        for index in old {
            let Some(one) = before.get(index) else { continue };
            let is_same = |two: &Data| counts_agree || is_alike(one, two);
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

fn inserted(after: &[Data], range: Range<usize>) -> Option<Step<'_>> {
    let added: Vec<_> = after.get(range)?.iter().map(|value| ("", value)).collect();
    (!added.is_empty()).then_some(Step::Insert(added))
}

/// Whether one value is another with more at the end of its collections.
fn is_grown(one: &Data, two: &Data) -> bool {
    match (one, two) {
        (Data::Map(members), Data::Map(grown)) => {
            let grown = by_key(grown);
            let is_kept = |(key, one): &(String, Data)| {
                grown.get(&**key).is_some_and(|two| is_grown(one, two))
            };
            members.iter().all(is_kept)
        }
        (Data::Seq(elements), Data::Seq(grown)) => {
            elements.len() <= grown.len()
                && elements.iter().zip(grown).all(|(one, two)| is_grown(one, two))
        }
        (one, two) => one == two,
    }
}

/// Whether one value may have become another.
fn is_alike(one: &Data, two: &Data) -> bool {
    match (one, two) {
        (Data::Map(members), Data::Map(_)) => {
            members.is_empty() || members.iter().any(|(key, _)| two.get(key).is_some())
        }
        (Data::Seq(_), Data::Seq(_)) => true,
        _ => false,
    }
}
