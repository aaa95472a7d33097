//! The life of a workload: what was injected before is taken out, put back or made anew.
//!
//! The user's part of a workload is the object without what this policy put there. The user's part
//! decides when something happens, today's settings decide what.

use std::borrow::Cow;

use crate::admission::Workload;
use crate::annotations;
use crate::injection::skip::Skip;
use crate::json::{self, Object, Value};
use crate::record::recorder::Recorder;
use crate::record::undo::{remove_all_empty, remove_empty_object};
use crate::record::{Record, Was};
use crate::report::Report;

/// The annotations of an object together, with room for those of others: Kubernetes takes 256 KiB.
const MAX_ANNOTATIONS: usize = 200 << 10;

/// More policies than act on one object. Each of their records is work; what further ones say counts
/// as the user's.
const MAX_OTHERS: usize = 16;

/// What a request does to a workload, as far as earlier injections are concerned.
pub(super) enum Life<'a> {
    /// This policy has injected nothing before. The stored object is given back.
    New(Option<Value<'a>>),
    /// The request changes nothing of the template.
    Unchanged,
    /// The user's part is unchanged; the object has the stored template and record again.
    PutBack,
    /// The object is the user's part now.
    TakenOut(Before),
    /// There is a record that cannot be read. It stays, and nothing is injected beside it.
    Unreadable,
}

/// What was there before taking out.
pub(super) struct Before {
    /// The object of the request.
    pub(super) object: String,
    /// The injections of its record.
    pub(super) injections: Vec<String>,
}

/// The records on one object.
struct Records<'a> {
    /// The text of this policy's, also where it cannot be read.
    text: Option<Cow<'a, str>>,
    own: Option<Record>,
    others: Vec<Record>,
}

impl<'a> Records<'a> {
    fn of(object: &Value<'a>, key: &str) -> Self {
        let text = record_text(object, key);
        let own = text.as_deref().and_then(Record::parse);
        Self { text, own, others: other_records(object, key) }
    }

    fn is_empty(&self) -> bool {
        self.text.is_none() && self.others.is_empty()
    }
}

impl<'a> Life<'a> {
    /// Reads the records of an object and of the stored one, and takes out what they say.
    pub(super) fn read(
        object: &mut Value<'a>,
        mut old_object: Option<Value<'a>>,
        workload: &Workload,
        key: &str,
        report: &mut Report,
    ) -> Self {
        if workload.is_pod() {
            return Self::New(old_object);
        }
        let given = Records::of(object, key);
        let stored = old_object.as_ref().map(|old| Records::of(old, key));
        if given.is_empty() && stored.as_ref().is_none_or(Records::is_empty) {
            return Self::New(old_object);
        }
        let (stored_text, of_stored, stored_others) =
            stored.map_or((None, None, Vec::new()), |it| (it.text, it.own, it.others));
        let is_unreadable = given.text.is_some() && given.own.is_none();
        if let Some(old) = &mut old_object
            && is_same_template(object, old, workload)
        {
            // A record that cannot be read counts as none, stored or given.
            let can_be_put_back =
                of_stored.is_some() || (stored_text.is_none() && given.own.is_some());
            if given.text == stored_text || !can_be_put_back {
                return Self::Unchanged;
            }
            set_record(object, key, stored_text.as_deref());
            return Self::PutBack;
        }
        if is_unreadable && of_stored.is_none() {
            report.warned(&format!(
                "annotation {key} cannot be read, and nothing is injected beside it; remove it"
            ));
            return Self::Unreadable;
        }
        if is_unreadable {
            report.warned(&format!("annotation {key} cannot be read; the stored one is used"));
        }
        let before = object.to_json();
        // Both records: a manifest that was exported may bring an older one.
        let has_given = given.own.is_some();
        let of_stored_for_given = of_stored.clone().filter(|stored| {
            Some(stored) != given.own.as_ref()
                && counts_for(stored, given.own.as_ref(), object, workload)
        });
        let own: Vec<&Record> = given.own.iter().chain(&of_stored_for_given).collect();
        let only_stored = stored_others.iter().filter(|it| !given.others.contains(it));
        let all_others: Vec<&Record> = given.others.iter().chain(only_stored).collect();
        if let Some(mut old) = old_object {
            let of_old: Vec<&Record> = of_stored.iter().chain(&stored_others).collect();
            let of_new: Vec<&Record> = own.iter().copied().chain(all_others).collect();
            let (mut is_incomplete, mut unused) = (false, false);
            let part = user_part(object, workload, &of_new, &mut is_incomplete);
            let old_part = user_part(&mut old, workload, &of_old, &mut unused);
            if let (Some(part), Some(old_part)) = (part, old_part)
                && json::same(&part, &old_part)
            {
                // What another policy put there, that one puts back.
                if of_stored.is_none() && given.own.is_none() {
                    return Self::Unchanged;
                }
                if has_given && is_incomplete {
                    report.warned(
                        "what was injected and removed by hand is put back; opt out with \
                         admission.datakit/enabled: \"false\"",
                    );
                }
                let templates = (workload.template(object), workload.template(&mut old));
                if let (Some(template), Some(stored)) = templates {
                    template.clone_from(stored);
                }
                set_record(object, key, stored_text.as_deref());
                let is_same = json::same(&before, &object.to_json());
                return if is_same { Self::Unchanged } else { Self::PutBack };
            }
        }
        let Some(first) = own.first() else {
            return Self::New(None);
        };
        for record in &own {
            let template = workload.template(object);
            if template.and_then(|it| record.take_out(it, &given.others)).is_none() {
                report.warned("the pod template is malformed; what was injected stays");
                return Self::New(None);
            }
        }
        remove_record(object, key, first);
        let injections = first.entries.iter().map(|entry| entry.name.clone()).collect();
        Self::TakenOut(Before { object: before, injections })
    }
}

/// Takes what this policy recorded out of an object, all of it or one injection: `ddtrace` or
/// `ddtrace-java`. Gives the object without it, and the injections that were removed; nothing where
/// there is no record of any.
pub(super) fn uninject(
    object: &mut Value,
    workload: &Workload,
    key: &str,
    injection: Option<&str>,
) -> Option<Vec<String>> {
    let record = Record::parse(&record_text(object, key)?)?;
    let others = other_records(object, key);
    let is_meant = |name: &str| {
        injection.is_none_or(|meant| {
            let rest = name.strip_prefix(meant);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    };
    let (out, mut rest) = record.split(is_meant);
    let removed: Vec<String> = out.entries.iter().map(|entry| entry.name.clone()).collect();
    if removed.is_empty() {
        return None;
    }
    let mut kept = others;
    kept.extend(Some(rest.clone()).filter(|rest| !rest.entries.is_empty()));
    out.take_out(workload.template(object)?, &kept)?;
    rest.inherit_volumes(&out, workload.template(object)?);
    if rest.entries.is_empty() {
        remove_record(object, key, &out);
    } else {
        set_record(object, key, Some(&rest.to_text()));
    }
    Some(removed)
}

/// The JSON of the user's part of a template: without what any policy recorded, and without what
/// the API server drops.
fn user_part(
    object: &mut Value,
    workload: &Workload,
    records: &[&Record],
    is_incomplete: &mut bool,
) -> Option<String> {
    let mut template = workload.template(object)?.clone();
    for record in records {
        *is_incomplete |= record.take_out(&mut template, &[])?.is_incomplete;
    }
    remove_all_empty(&mut template);
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut)
        && spec.get_str("restartPolicy").as_deref() == Some("Always")
    {
        // What the API server adds by default, which an object that never met it lacks.
        spec.remove("restartPolicy");
    }
    Some(template.to_json())
}

/// Sets the record of an object to a text, or removes it.
fn set_record(object: &mut Value, key: &str, record: Option<&str>) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    let Some(record) = record else {
        let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
        let annotations = metadata.and_then(|it| it.get_mut("annotations")?.as_object_mut());
        if let Some(annotations) = annotations {
            annotations.remove(key);
        }
        return;
    };
    let annotations = object.open_object("metadata").and_then(|it| it.open_object("annotations"));
    if let Some(annotations) = annotations.filter(|it| it.get_str(key).as_deref() != Some(record)) {
        annotations.set(key.to_owned(), Value::string(record));
    }
}

/// The record of an object.
fn record_text<'a>(object: &Value<'a>, key: &str) -> Option<Cow<'a, str>> {
    let metadata = object.as_object()?.get("metadata")?.as_object()?;
    let annotation = metadata.get("annotations")?.as_object()?.get(key)?;
    // A value that is not a string counts as an unreadable record.
    Some(annotation.as_str().unwrap_or_default())
}

/// The records of other policies.
pub(super) fn other_records(object: &Value, key: &str) -> Vec<Record> {
    let metadata = object.as_object().and_then(|object| object.get("metadata")?.as_object());
    let annotations = metadata.and_then(|metadata| metadata.get("annotations")?.as_object());
    let records = annotations.into_iter().flat_map(Object::iter).filter_map(|(name, value)| {
        name.name().filter(|name| name != key && annotations::is_record(name))?;
        Record::parse(&value.as_str()?)
    });
    records.take(MAX_OTHERS).collect()
}

/// Whether two objects have the same pod template.
fn is_same_template(object: &mut Value, old: &mut Value, workload: &Workload) -> bool {
    match (workload.template(object), workload.template(old)) {
        (Some(template), Some(old)) => json::same_objects(template, old),
        _ => false,
    }
}

/// Whether the stored record counts for an object: a container of it is there that the record which
/// the object brings, if it brings one, does not account for.
///
/// A tool may have dropped the annotation, or applied a manifest with an older one. An older revision
/// that comes back, as `kubectl rollout undo` brings it, has a record of its own: there, what is like
/// the stored one's is the user's.
fn counts_for(
    stored: &Record,
    given: Option<&Record>,
    object: &mut Value,
    workload: &Workload,
) -> bool {
    let Some(template) = workload.template(object) else {
        return false;
    };
    let mut copy = template.clone();
    if given.is_some_and(|given| given.take_out(&mut copy, &[]).is_none()) {
        return false;
    }
    let Ok(pod) = crate::pod::Pod::open(&mut copy) else {
        return false;
    };
    let mut containers = stored.entries.iter().flat_map(|entry| &entry.containers);
    containers.any(|name| pod.has_container(name))
}

/// Removes a record from an object, and what was created for it.
fn remove_record(object: &mut Value, key: &str, record: &Record) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let annotations = metadata.and_then(|it| it.get_mut("annotations")?.as_object_mut());
    if let Some(annotations) = annotations {
        annotations.remove(key);
    }
    remove_empty_object(object, "metadata", "annotations", |path| {
        let was = record.created.get(&format!("own/{path}"));
        was.copied().unwrap_or(Was::Present)
    });
}

/// Writes a record to the own metadata of an object.
///
/// # Errors
///
/// If the metadata is malformed, or the annotations would be too large.
pub(super) fn write_record(
    object: &mut Value,
    mut recorder: Recorder,
    key: &str,
) -> Result<(), Skip> {
    let object = object.as_object_mut().ok_or(Skip::MetadataMalformed)?;
    let metadata = object.get("metadata");
    let annotations = metadata.and_then(Value::as_object).and_then(|it| it.get("annotations"));
    recorder.create("own/metadata".to_owned(), metadata);
    recorder.create("own/annotations".to_owned(), annotations);
    let text = recorder.finish().to_text();
    let present = annotations.and_then(Value::as_object);
    let present = present
        .into_iter()
        .flat_map(Object::iter)
        .filter(|(it, _)| it.name().as_deref() != Some(key));
    let length = |value: &Value| value.as_str().map_or(0, |it| it.len());
    let present: usize = present
        .map(|(key, value)| key.name().map_or(0, |it| it.len()).saturating_add(length(value)))
        .sum();
    if present.saturating_add(key.len()).saturating_add(text.len()) > MAX_ANNOTATIONS {
        return Err(Skip::TooLarge);
    }
    let metadata = object.open_object("metadata").ok_or(Skip::MetadataMalformed)?;
    let annotations = metadata.open_object("annotations").ok_or(Skip::MetadataMalformed)?;
    annotations.set(key.to_owned(), Value::string(&text));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Shape;

    /// Each record is work, so a stranger must not be able to add any number of them.
    #[test]
    fn reads_the_records_of_few_policies() {
        static OBJECT: Shape = crate::admission::OBJECT;
        let records = |keys: &str| {
            let text = format!(r#"{{"metadata":{{"annotations":{{{keys}}}}}}}"#);
            other_records(&Value::open(&text, &OBJECT).unwrap(), "admission.datakit/injected.a")
                .len()
        };
        let entry = |key: String| format!(r#""admission.datakit/injected{key}":"{{\"v\":1}}""#);
        let many: Vec<String> = (0..40).map(|id| entry(format!(".{id}"))).collect();
        assert_eq!(records(&many.join(",")), MAX_OTHERS);
        let keys = ["", ".a", ".b", "foo", ".", "._"].map(|key| entry(key.to_owned()));
        assert_eq!(records(&keys.join(",")), 2);
    }
}
