//! The life of a workload: whether its stored template stays, or is injected into anew.
//!
//! The user's part of a template is the template without what this policy put there. The user's part
//! decides when something happens; today's settings decide what.

use std::borrow::Cow;

use crate::annotations;
use crate::injection::skip::Skip;
use crate::json::{self, Object, Value};
use crate::pod::malformed::Malformed;
use crate::pod::{Pod, annotations_have_room, annotations_of, is_most, open_annotations};
use crate::record::Record;
use crate::record::applied::Applied;
use crate::record::recorder::Recorder;
use crate::record::undo::{Tally, remove_all_empty};

/// The KiB of a template's annotations together, with room for those of others: Kubernetes takes 256.
const MAX_KIB_WITH_RECORD: usize = 200;

/// More policies than act on one object. Each of their records is work; what further ones list counts
/// as the user's.
const MAX_OTHERS: usize = 16;

/// What a request does to a pod template, as far as earlier injections are concerned.
#[derive(Debug)]
pub(super) enum Decision<'a> {
    /// Nothing was injected before by this policy. The records of others, by their annotation.
    Uninjected(Vec<(String, Record)>),
    /// The request does not change the template.
    Unchanged,
    /// The user's part is unchanged: the stored template stays.
    Restore {
        /// Whether somebody removed or changed injected parts by hand.
        by_hand: bool,
    },
    /// The user's part changed, or is new: it is injected into anew.
    Rebuild(UserPart<'a>),
    /// The record cannot be read. It stays, and nothing is injected.
    Unreadable,
    /// The template has a record, and parts that Kubernetes would refuse.
    Malformed,
}

/// A template without what was injected.
#[derive(Debug)]
pub(super) struct UserPart<'a> {
    pub(super) template: Object<'a>,
    /// The injections of its record.
    pub(super) injections: Vec<String>,
    /// The records of other policies, by their annotation.
    pub(super) others: Vec<(String, Record)>,
    /// Whether its record cannot be read, so that the stored one was used.
    pub(super) is_unreadable: bool,
    /// Whether nothing tells in which of several containers a mount is the user's.
    pub(super) is_ambiguous: bool,
}

/// The records in one template.
#[derive(Debug, Default)]
struct Records<'a> {
    /// The text of this policy's, even if it cannot be read.
    text: Option<Cow<'a, str>>,
    own: Option<Record>,
    /// Those of other policies, by their annotation.
    others: Vec<(String, Record)>,
}

impl<'a> Records<'a> {
    fn of(template: &Object<'a>, key: &str) -> Self {
        let Some(annotations) = annotations_of(template) else {
            return Self::default();
        };
        // A value that is not a string counts as an unreadable record.
        let text = annotations.get(key).map(|value| value.as_str().unwrap_or_default());
        let own = text.as_deref().and_then(Record::parse);
        Self { text, own, others: other_records(template, key) }
    }

    fn is_empty(&self) -> bool {
        self.text.is_none() && self.others.is_empty()
    }

    fn other(&self, key: &str) -> Option<&Record> {
        self.others.iter().find(|(other, _)| other == key).map(|(_, record)| record)
    }
}

/// The readable records in a template but for the one at `key`, by their annotation.
pub(super) fn other_records(template: &Object, key: &str) -> Vec<(String, Record)> {
    let annotations = annotations_of(template).into_iter().flat_map(Object::iter);
    let records = annotations.filter_map(|(name, value)| {
        let name = name.name().filter(|name| name != key && annotations::is_record(name))?;
        Some((name.into_owned(), Record::parse(&value.as_str()?)?))
    });
    records.take(MAX_OTHERS).collect()
}

/// Decides what a request does to a template; `stored` is the template of the stored object, `key`
/// the annotation of this policy's record, and `applied` are the notes of apply.
///
/// `lists_are_atomic` says that apply replaces lists as a whole, as in most custom resources.
pub(super) fn decide<'a>(
    given: &Object<'a>,
    stored: Option<&Object<'a>>,
    key: &str,
    lists_are_atomic: bool,
    applied: &Applied,
) -> Decision<'a> {
    let of_given = Records::of(given, key);
    let of_stored = stored.map(|stored| Records::of(stored, key)).unwrap_or_default();
    if of_given.is_empty() && of_stored.is_empty() {
        return Decision::Uninjected(Vec::new());
    }
    if stored.is_some_and(|stored| json::same_objects(given, stored)) {
        return Decision::Unchanged;
    }
    let is_unreadable = of_given.text.is_some() && of_given.own.is_none();
    if is_unreadable && of_stored.own.is_none() {
        return Decision::Unreadable;
    }
    if let Some(stored) = stored {
        let compared = |template, records, stored| {
            compared_part(template, records, stored, key, lists_are_atomic, applied)
        };
        let part = compared(given, &of_given, Some(&of_stored));
        let stored_part = compared(stored, &of_stored, None);
        if let (Some((part, tally)), Some((stored_part, _))) = (part, stored_part)
            && json::same_objects(&part, &stored_part)
        {
            // What another policy injected, that one restores.
            let Some(record) = of_stored.own.as_ref().or(of_given.own.as_ref()) else {
                return Decision::Unchanged;
            };
            let by_hand = of_given.text == of_stored.text
                && (tally.is_partial(lists_are_atomic)
                    || has_other_containers(given, stored, record));
            return Decision::Restore { by_hand };
        }
    }
    let (own, stored_own) = (of_given.own.as_ref(), of_stored.own.as_ref());
    let take_out = |others: &[Record]| {
        let mut template = given.clone();
        let tally =
            take_out(&mut template, key, own, stored_own, others, lists_are_atomic, applied)?;
        Some((template, tally.is_ambiguous()))
    };
    let Some((part, is_ambiguous)) = take_out(&[]) else {
        return Decision::Malformed;
    };
    let mut others = of_given.others.clone();
    others.extend(dropped_records(&part, &of_given, &of_stored, lists_are_atomic));
    let Some(record) = own.or(stored_own) else {
        return Decision::Uninjected(others);
    };
    let injections = record.injections.iter().map(|injected| injected.name.clone()).collect();
    let records: Vec<Record> = others.iter().map(|(_, record)| record.clone()).collect();
    let shared = if records.is_empty() { None } else { take_out(&records) };
    let template = shared.map_or(part, |(template, _)| template);
    Decision::Rebuild(UserPart { template, injections, others, is_unreadable, is_ambiguous })
}

/// What of the stored records of other policies is in a template beyond the records that it came
/// with: a tool that drops one policy's annotation drops those of all.
fn dropped_records(
    part: &Object,
    of_given: &Records,
    of_stored: &Records,
    lists_are_atomic: bool,
) -> Vec<(String, Record)> {
    let none = Record::default();
    let dropped = of_stored.others.iter().filter_map(|(key, stored)| {
        let given = of_given.other(key).unwrap_or(&none);
        let left = (given != stored).then(|| stored.leftovers(given, part, lists_are_atomic));
        Some((key.clone(), left.flatten()?))
    });
    dropped.collect()
}

/// The user's part of a template as it is compared: without what any policy injected, and without
/// what the API server drops or adds. Also how much of this policy's record was found.
fn compared_part<'a>(
    template: &Object<'a>,
    records: &Records,
    stored: Option<&Records>,
    key: &str,
    lists_are_atomic: bool,
    applied: &Applied,
) -> Option<(Object<'a>, Tally)> {
    let mut part = template.clone();
    let mut take_out = |key: &str, given: Option<&Record>, stored: Option<&Record>| {
        take_out(&mut part, key, given, stored, &[], lists_are_atomic, applied)
    };
    let stored_own = stored.and_then(|stored| stored.own.as_ref());
    let tally = take_out(key, records.own.as_ref(), stored_own)?;
    for (key, record) in &records.others {
        take_out(key, Some(record), stored.and_then(|stored| stored.other(key)))?;
    }
    let dropped = stored.into_iter().flat_map(|stored| &stored.others);
    for (key, record) in dropped.filter(|(key, _)| records.other(key).is_none()) {
        take_out(key, None, Some(record))?;
    }
    normalise(&mut part);
    Some((part, tally))
}

/// Removes what the API server drops or adds.
fn normalise(template: &mut Object) {
    remove_all_empty(template);
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut)
        && spec.get_str("restartPolicy").as_deref() == Some("Always")
    {
        // It is a default, which an object that was never stored lacks.
        spec.remove("restartPolicy");
    }
}

/// Whether two templates without injections are the same.
pub(super) fn is_unchanged(given: &Object, stored: &Object) -> bool {
    if json::same_objects(given, stored) {
        return true;
    }
    let (mut given, mut stored) = (given.clone(), stored.clone());
    normalise(&mut given);
    normalise(&mut stored);
    json::same_objects(&given, &stored)
}

/// Takes one policy's injections out of a template: by the record that it came with, and by the
/// stored one, which counts alone if a tool dropped the annotation.
fn take_out(
    template: &mut Object,
    key: &str,
    given: Option<&Record>,
    stored: Option<&Record>,
    others: &[Record],
    lists_are_atomic: bool,
    applied: &Applied,
) -> Option<Tally> {
    let Some(given) = given else {
        let take_out = |stored: &Record| stored.take_out(template, key, others, applied);
        return stored.map_or(Some(Tally::default()), take_out);
    };
    let stored = stored.filter(|stored| *stored != given);
    if let Some(stored) = stored {
        stored.unmerge(given, template)?;
    }
    let tally = given.take_out(template, key, others, applied)?;
    if let Some(stored) = stored
        && let Some(leftovers) = stored.leftovers(given, template, lists_are_atomic)
    {
        leftovers.take_out(template, key, others, applied)?;
    }
    Some(tally)
}

/// Whether an injected container is another one than in the stored template.
fn has_other_containers(given: &Object, stored: &Object, record: &Record) -> bool {
    let (mut given, mut stored) = (given.clone(), stored.clone());
    let (Ok(given), Ok(stored)) = (Pod::open(&mut given), Pod::open(&mut stored)) else {
        return false;
    };
    let json = |pod: &Pod, name: &str| {
        let mut containers = pod.all_containers().map(|(_, container)| container);
        containers.find(|container| container.name == name).map(|it| it.to_json())
    };
    record.containers().any(|name| match (json(&given, name), json(&stored, name)) {
        (Some(given), Some(stored)) => !json::same(&given, &stored),
        _ => false,
    })
}

/// Takes what this policy recorded out of a template: all of it, or one injection (`ddtrace`,
/// `ddtrace-java`). Returns the injections that were removed; `None` if no record names any.
pub(super) fn uninject(
    template: &mut Object,
    key: &str,
    injection: Option<&str>,
) -> Option<Vec<String>> {
    let record = Records::of(template, key).own?;
    let others = other_records(template, key);
    let is_meant = |name: &str| {
        injection.is_none_or(|meant| {
            let rest = name.strip_prefix(meant);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    };
    let (out, mut rest) = record.split(is_meant);
    let removed: Vec<String> = out.injections.iter().map(|it| it.name.clone()).collect();
    if removed.is_empty() {
        return None;
    }
    let has_rest = !rest.injections.is_empty();
    let mut kept: Vec<Record> = others.into_iter().map(|(_, record)| record).collect();
    kept.extend(Some(rest.clone()).filter(|_| has_rest));
    out.take_out(template, key, &kept, &Applied::default())?;
    if has_rest {
        rest.inherit_volumes(&out, template);
        set_record(template, key, &rest)?;
    }
    Some(removed)
}

/// Sets the record of a template.
fn set_record(template: &mut Object, key: &str, record: &Record) -> Option<()> {
    open_annotations(template)?.set(key.to_owned(), record.to_annotation());
    Some(())
}

/// Writes the record of what was injected into a template.
///
/// # Errors
///
/// If the annotations would be too large.
pub(super) fn write_record(
    template: &mut Object,
    recorder: Recorder,
    key: &str,
) -> Result<(), Skip> {
    let record = recorder.finish();
    set_record(template, key, &record).ok_or(Malformed::Part("metadata"))?;
    if !annotations_have_room(template, 0, MAX_KIB_WITH_RECORD) {
        let record = annotations_of(template).and_then(|annotations| annotations.get_str(key));
        return Err(match record.is_some_and(|it| is_most(it.len(), MAX_KIB_WITH_RECORD)) {
            true => Skip::LargeRecord(MAX_KIB_WITH_RECORD),
            false => Skip::TooLarge(MAX_KIB_WITH_RECORD),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Shape;

    /// Each record is work, so a stranger must not be able to add any number of them.
    #[test]
    fn reads_the_records_of_few_policies() {
        static TEMPLATE: Shape =
            Shape::Object(&[("metadata", Shape::Object(&[("annotations", Shape::Object(&[]))]))]);
        let records = |keys: &str| {
            let text = format!(r#"{{"metadata":{{"annotations":{{{keys}}}}}}}"#);
            let template = Value::open(&text, &TEMPLATE).unwrap();
            other_records(template.as_object().unwrap(), "admission.datakit/injected.a").len()
        };
        let entry = |key: String| format!(r#""admission.datakit/injected{key}":"{{\"v\":1}}""#);
        let many: Vec<String> = (0..40).map(|id| entry(format!(".{id}"))).collect();
        assert_eq!(records(&many.join(",")), MAX_OTHERS);
        let keys = ["", ".a", ".b", "foo", ".", "._"].map(|key| entry(key.to_owned()));
        assert_eq!(records(&keys.join(",")), 2);
    }
}
