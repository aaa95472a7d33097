//! The life of a workload: what was injected before is taken out, put back or made anew.
//!
//! The user's part of a workload is the object without what this policy put there. The user's part
//! decides when something happens, today's settings decide what.

use std::borrow::Cow;

use super::text;
use crate::admission::Workload;
use crate::annotations;
use crate::injection::Skip;
use crate::json::{self, Object, Value};
use crate::record::{Record, Was, remove_empty_object};
use crate::report::Report;

/// The annotations of an object together, with room for those of others: Kubernetes takes 256 KiB.
const MAX_ANNOTATIONS: usize = 200 << 10;

/// What a request does to a workload, as far as earlier injections are concerned.
pub(super) enum Life<'a> {
    /// There is no record: nothing was injected before. The stored object is given back.
    New(Option<Value<'a>>),
    /// The request changes nothing of the template.
    Unchanged,
    /// The user's part is unchanged; the object has the stored template and record again.
    PutBack,
    /// The object is the user's part now.
    TakenOut(Before),
}

/// What was there before taking out.
pub(super) struct Before {
    /// The object of the request.
    pub(super) object: String,
    /// The injections of its record.
    pub(super) injections: Vec<String>,
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
        let given = record_text(object, key);
        let stored = old_object.as_ref().and_then(|old| record_text(old, key));
        if workload.is_pod() || (given.is_none() && stored.is_none()) {
            return Self::New(old_object);
        }
        if given == stored
            && let Some(old) = &mut old_object
            && is_same_template(object, old, workload)
        {
            return Self::Unchanged;
        }
        let before = object.to_json();
        let parse = |text: &Option<Cow<str>>| text.as_deref().and_then(Record::parse);
        let of_stored = parse(&stored);
        let of_given = parse(&given);
        if given.is_some() && of_given.is_none() {
            report.warned(&format!(
                "annotation {key} cannot be read and is ignored; remove it to have it written anew"
            ));
        }
        let has_given = of_given.is_some();
        let record =
            of_given.or_else(|| of_stored.clone().filter(|it| counts_for(it, object, workload)));
        let mut taken = None;
        if let Some(record) = &record {
            let template = workload.template(object);
            taken = template.and_then(|template| record.take_out(template));
            if taken.is_none() {
                report.warned("the pod template is malformed; what was injected stays");
                return Self::New(None);
            }
        }
        if let Some(old) = old_object {
            let mut old_template = old.clone();
            let is_user_part = |template: &mut Object| match &of_stored {
                Some(record) => record.take_out(template).is_some(),
                None => true,
            };
            let old_user_part = workload.template(&mut old_template).filter(|_| true);
            let old_user_part = old_user_part.and_then(|it| is_user_part(it).then(|| text(it)));
            let user_part = workload.template(object).map(|it| text(it));
            if let (Some(old_part), Some(part)) = (old_user_part, user_part)
                && json::same(&old_part, &part)
            {
                return Self::put_back(object, old, workload, key, stored, &before, || {
                    let is_incomplete = taken.is_some_and(|taken| taken.is_incomplete);
                    if has_given && is_incomplete {
                        report.warned(
                            "what was injected and removed by hand is put back; opt out with \
                             admission.datakit/enabled: \"false\"",
                        );
                    }
                });
            }
        }
        let Some(record) = record else {
            return Self::New(None);
        };
        remove_record(object, key, &record);
        let injections = record.entries.iter().map(|entry| entry.name.clone()).collect();
        Self::TakenOut(Before { object: before, injections })
    }

    /// Gives an object the stored template and record again.
    fn put_back(
        object: &mut Value<'a>,
        mut old: Value<'a>,
        workload: &Workload,
        key: &str,
        stored: Option<Cow<'a, str>>,
        before: &str,
        warn: impl FnOnce(),
    ) -> Self {
        if let (Some(template), Some(stored)) =
            (workload.template(object), workload.template(&mut old))
        {
            template.clone_from(stored);
        }
        let metadata = object.as_object_mut().and_then(|object| match &stored {
            Some(_) => object.open_object("metadata")?.open_object("annotations"),
            None => {
                object.get_mut("metadata")?.as_object_mut()?.get_mut("annotations")?.as_object_mut()
            }
        });
        if let Some(annotations) = metadata {
            match stored {
                Some(stored) if annotations.get_str(key) == Some(stored.clone()) => {}
                Some(stored) => annotations.set(key.to_owned(), Value::string(&stored)),
                None => {
                    annotations.remove(key);
                }
            }
        }
        if json::same(before, &object.to_json()) {
            return Self::Unchanged;
        }
        warn();
        Self::PutBack
    }
}

/// The record of an object.
fn record_text<'a>(object: &Value<'a>, key: &str) -> Option<Cow<'a, str>> {
    let metadata = object.as_object()?.get("metadata")?.as_object()?;
    let annotation = metadata.get("annotations")?.as_object()?.get(key)?;
    // One that is no text cannot be read, but is there.
    Some(annotation.as_str().unwrap_or_default())
}

/// The records of other policies.
pub(super) fn other_records(object: &Value, key: &str) -> impl Iterator<Item = Record> {
    let metadata = object.as_object().and_then(|object| object.get("metadata")?.as_object());
    let annotations = metadata.and_then(|metadata| metadata.get("annotations")?.as_object());
    let records = annotations.into_iter().flat_map(Object::iter).filter_map(|(name, value)| {
        let name = name.name()?;
        let is_other = name.starts_with(annotations::RECORD) && name != *key;
        Record::parse(&value.as_str().filter(|_| is_other)?)
    });
    records.collect::<Vec<_>>().into_iter()
}

/// Whether two objects have the same pod template.
fn is_same_template(object: &mut Value, old: &mut Value, workload: &Workload) -> bool {
    match (workload.template(object), workload.template(old)) {
        (Some(template), Some(old)) => *template == *old || json::same(&text(template), &text(old)),
        _ => false,
    }
}

/// Whether the stored record counts for an object that comes without one: a tool dropped the
/// annotation, but a container of it is still there.
fn counts_for(record: &Record, object: &mut Value, workload: &Workload) -> bool {
    let Some(template) = workload.template(object) else {
        return false;
    };
    let mut copy = template.clone();
    let Ok(pod) = crate::pod::Pod::open(&mut copy) else {
        return false;
    };
    let mut containers = record.entries.iter().flat_map(|entry| &entry.containers).peekable();
    containers.peek().is_none() || containers.any(|name| pod.has_container(name))
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
/// Where there is no place for it.
pub(super) fn write_record(object: &mut Value, mut record: Record, key: &str) -> Result<(), Skip> {
    let object = object.as_object_mut().ok_or(Skip::MetadataMalformed)?;
    let metadata = object.get("metadata");
    let annotations = metadata.and_then(Value::as_object).and_then(|it| it.get("annotations"));
    record.create("own/metadata".to_owned(), metadata);
    record.create("own/annotations".to_owned(), annotations);
    let text = record.to_text();
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
