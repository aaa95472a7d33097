//! Annotations of the policy that are on a workload itself, where they do nothing.

use crate::annotations;
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
    let own = entries(Some(object));
    let stored = entries(stored);
    let keys = own.keys_with_prefix(annotations::PREFIX);
    // A record of an early build.
    let keys = keys.filter(|key| !annotations::is_record(key) && !stored.has(key));
    keys.map(|key| key.into_owned()).collect()
}

fn entries<'o, 'a>(object: Option<&'o Value<'a>>) -> Entries<'o, 'a> {
    Entries::new(object.and_then(|object| annotations_of(object.as_object()?)))
}

/// Warns about them.
pub(super) fn warn(misplaced: &[String], report: &mut Report, trace: &mut Trace) {
    for annotation in misplaced.iter().take(MAX) {
        let shown = annotations::shown(annotation);
        report.warned(&format!("{shown} does nothing here; move it to the pod template"));
        let shown = shown.strip_prefix("annotation ").unwrap_or_default().to_owned();
        trace.step(annotations::NAME, None, || Reason::Misplaced(shown));
    }
    report.left_untold(misplaced.len().saturating_sub(MAX));
}
