//! Annotations of the policy that are on a workload itself, where they do nothing.

use std::borrow::Cow;

use crate::annotations;
use crate::collections::set;
use crate::json::Value;
use crate::pod::annotations_of;
use crate::reason::Reason;
use crate::report::Report;
use crate::selector::Entries;
use crate::trace::Trace;

/// More of them than this are only counted.
const MAX: usize = 10;

/// The annotations of the policy on a workload itself that are not on the stored one.
pub(super) fn of<'a>(object: &Value<'a>, stored: Option<&Value<'a>>) -> Vec<String> {
    let stored = set(stored.into_iter().flat_map(keys));
    // Early builds kept their record here.
    let new = keys(object).filter(|key| !annotations::is_record(key) && !stored.contains(key));
    new.map(Cow::into_owned).collect()
}

fn keys<'a>(object: &Value<'a>) -> impl Iterator<Item = Cow<'a, str>> {
    let entries = Entries::new(object.as_object().and_then(annotations_of));
    entries.with_prefix(annotations::PREFIX).map(|(key, _)| key)
}

/// Warns about them.
pub(super) fn warn(misplaced: &[String], report: &mut Report, trace: &mut Trace) {
    for annotation in misplaced.iter().take(MAX) {
        let shown = annotations::shown(annotation);
        report.warn(&format!("{shown} does nothing here; move it to the pod template"));
        annotations::trace(annotation, Reason::Misplaced, trace);
    }
    report.left_untold(misplaced.len().saturating_sub(MAX));
}
