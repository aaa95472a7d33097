//! Which entry of a collection became which.

use std::collections::HashMap;
use std::ops::Range;

use crate::tree::Child;
use crate::value::{Value, by_key};

/// What happens to the entries of a collection, in order.
#[derive(Debug)]
pub(crate) enum Step<'v> {
    /// The entry at an index stays, and goes from one value to another.
    Keep(usize, &'v Value, &'v Value),
    /// The entry at an index goes.
    Delete(usize),
    /// New entries.
    Insert(Vec<New<'v>>),
}

/// A new entry of a collection.
#[derive(Debug)]
pub(crate) struct New<'v> {
    /// Its key; empty in a sequence.
    pub(crate) key: &'v str,
    pub(crate) value: &'v Value,
    /// The index and the value of the entry that was moved here.
    pub(crate) moved: Option<(usize, &'v Value)>,
}

/// What happens to the elements of a sequence. Elements that have a `name` are known by it.
pub(crate) fn sequence_steps<'v>(before: &'v [Value], after: &'v [Value]) -> Vec<Step<'v>> {
    let is_longer = |(one, two)| is_grown(one, two) || is_grown(two, one);
    if before.iter().zip(after).all(is_longer) {
        let kept = before.iter().zip(after).enumerate();
        let mut steps: Vec<_> =
            kept.map(|(index, (one, two))| Step::Keep(index, one, two)).collect();
        steps.extend((after.len()..before.len()).map(Step::Delete));
        let new = after.iter().skip(before.len()).map(|value| New { key: "", value, moved: None });
        let new: Vec<_> = new.collect();
        steps.extend((!new.is_empty()).then_some(Step::Insert(new)));
        return steps;
    }
    let same = Matches::of(before, after);
    let mut steps = Steps { before, after, same: &same, steps: Vec::new() };
    let (mut old, mut new) = (0, 0);
    for (index, counterpart) in &same.kept {
        steps.gap(old..*index, new..*counterpart);
        steps.keep(*index, *counterpart);
        (old, new) = (index + 1, counterpart + 1);
    }
    steps.gap(old..before.len(), new..after.len());
    steps.steps
}

/// Elements of two sequences that are the same one.
struct Matches {
    /// By the index in the first sequence, the index in the second.
    old: Vec<Option<usize>>,
    /// By the index in the second sequence, the index in the first.
    new: Vec<Option<usize>>,
    /// The largest part of the matches that has the same order in both.
    kept: Vec<(usize, usize)>,
}

impl Matches {
    fn of(before: &[Value], after: &[Value]) -> Self {
        let mut places: HashMap<(String, usize), usize> = HashMap::new();
        for (index, identity) in identities(after).into_iter().enumerate() {
            places.insert(identity, index);
        }
        let old: Vec<_> =
            identities(before).iter().map(|identity| places.get(identity).copied()).collect();
        let mut new = vec![None; after.len()];
        let pairs: Vec<_> =
            old.iter().enumerate().filter_map(|(index, it)| Some((index, (*it)?))).collect();
        for (index, counterpart) in &pairs {
            if let Some(place) = new.get_mut(*counterpart) {
                *place = Some(*index);
            }
        }
        Self { old, new, kept: longest_increasing(&pairs) }
    }
}

/// What elements are known by, each with how many of its kind precede it.
fn identities(elements: &[Value]) -> Vec<(String, usize)> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let numbered = |element: &Value| {
        let identity = match element.get("name") {
            Some(Value::String(name)) => format!("={name}"),
            _ => element.to_string(),
        };
        let count = counts.entry(identity.clone()).or_default();
        *count += 1;
        (identity, *count)
    };
    elements.iter().map(numbered).collect()
}

/// The longest part of pairs, which are in the order of their first members, that is in the order of
/// the second ones as well.
fn longest_increasing(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // By length, the end of the part with the smallest last member; and for each pair the one before.
    let (mut ends, mut previous) = (Vec::<usize>::new(), Vec::<Option<usize>>::new());
    let second = |index: usize| pairs.get(index).map(|(_, second)| *second);
    for (index, (_, value)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| second(*end) < Some(*value));
        previous.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut longest = Vec::new();
    let mut next = ends.last().copied();
    while let Some(index) = next {
        longest.extend(pairs.get(index).copied());
        next = previous.get(index).copied().flatten();
    }
    longest.reverse();
    longest
}

/// The steps from one sequence to another.
struct Steps<'v, 'm> {
    before: &'v [Value],
    after: &'v [Value],
    same: &'m Matches,
    steps: Vec<Step<'v>>,
}

impl<'v> Steps<'v, '_> {
    fn keep(&mut self, old: usize, new: usize) {
        if let (Some(before), Some(after)) = (self.before.get(old), self.after.get(new)) {
            self.steps.push(Step::Keep(old, before, after));
        }
    }

    fn insert(&mut self, new: usize) {
        let Some(value) = self.after.get(new) else { return };
        let moved = self.same.new.get(new).copied().flatten();
        let moved = moved.and_then(|index| Some((index, self.before.get(index)?)));
        let new = New { key: "", value, moved };
        match self.steps.last_mut() {
            Some(Step::Insert(list)) => list.push(new),
            _ => self.steps.push(Step::Insert(vec![new])),
        }
    }

    /// Elements between two that stay. Those that match none became each other, if they may have.
    fn gap(&mut self, old: Range<usize>, new: Range<usize>) {
        fn alone(range: &Range<usize>, matches: &[Option<usize>]) -> impl Iterator<Item = usize> {
            range.clone().filter(move |index| is_alone(matches, *index))
        }
        let counts_agree =
            alone(&old, &self.same.old).count() == alone(&new, &self.same.new).count();
        let mut candidates = alone(&new, &self.same.new).peekable();
        let mut next = new.start;
        for index in old {
            let one = self.before.get(index).filter(|_| is_alone(&self.same.old, index));
            let two = candidates.peek().and_then(|candidate| self.after.get(*candidate));
            let is_same = |(one, two): &(&Value, &Value)| counts_agree || is_alike(one, two);
            let changed = one.zip(two).filter(is_same).and_then(|_| candidates.next());
            let Some(changed) = changed else {
                self.steps.push(Step::Delete(index));
                continue;
            };
            (next..changed).for_each(|new| self.insert(new));
            self.keep(index, changed);
            next = changed + 1;
        }
        (next..new.end).for_each(|new| self.insert(new));
    }
}

/// Whether an element has no counterpart.
fn is_alone(matches: &[Option<usize>], index: usize) -> bool {
    matches.get(index) == Some(&None)
}

/// Whether one value is another with more at the ends of its collections and strings, or instead of null.
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
        (Value::Null, Value::Sequence(_) | Value::Mapping(_)) => true,
        (Value::String(one), Value::String(two)) => two.starts_with(one) || two.ends_with(one),
        (one, two) => one == two,
    }
}

/// Whether one value may have become another.
fn is_alike(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Mapping(members), Value::Mapping(_)) => {
            members.is_empty() || members.first().is_some_and(|(key, _)| two.get(key).is_some())
        }
        (Value::Sequence(_), Value::Sequence(_)) => true,
        (one, two) => is_grown(one, two) || is_grown(two, one),
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
    let mut new: HashMap<Option<usize>, Vec<New>> = HashMap::new();
    let mut previous = None;
    for (key, value) in after {
        match own.get(&**key) {
            Some(index) => previous = previous.max(Some(*index)),
            None if merges && before.get(&**key) == Some(&value) => {}
            None => new.entry(previous).or_default().push(New { key, value, moved: None }),
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
