//! The annotations that the policy reads, other than those of the injections.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::collections::set;
use crate::injection::table::ALL;
use crate::injection::{Injection, Variant};
use crate::options::Options;
use crate::reader::nearest_in_case;
use crate::reason::Reason;
use crate::report::InjectionName;
use crate::selector::{Target, is_dns_label, is_qualified_name};
use crate::trace::Trace;

/// Where all of them begin.
pub const PREFIX: &str = "admission.datakit/";

/// The annotation that opts out of everything.
pub const OPT_OUT: &str = "admission.datakit/enabled";

const CONTAINER_NAMES: &str = "admission.datakit/container-names";

/// The annotation of a pod that says what was injected, and what was not.
pub const STATUS: &str = "admission.datakit/status";

/// The same in early builds.
pub const OLD_STATUS: &str = "admission.datakit/skipped";

/// The annotation of a pod that names the volumes with which a node may be removed.
pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

/// The longest status.
pub const MAX_STATUS: usize = 1024;

/// Where the annotations of records begin.
pub const RECORD: &str = "admission.datakit/injected";

/// The values that are false to Go's `strconv.ParseBool`; any other counts as true.
pub const DISABLED: &[&str] = &["0", "f", "F", "false", "FALSE", "False"];

/// Values of an annotation for a version that ask for the injection alone.
const ON: &[&str] = &["true", "enabled", "yes", "on"];

/// Known annotations that ask for nothing.
pub const SILENT: &[&str] = &[OPT_OUT, CONTAINER_NAMES, STATUS, OLD_STATUS, RECORD];

/// Whether an annotation is not there, or does not say false.
pub fn is_enabled(target: &Target, annotation: &str) -> bool {
    let value = target.annotations.get(annotation);
    !value.is_some_and(|value| DISABLED.contains(&&*value))
}

/// The version that the value of an annotation for one asks for; `None` if any will do.
pub(crate) fn version(value: &str) -> Option<&str> {
    let value = value.trim();
    let is_on = ON.iter().any(|on| value.eq_ignore_ascii_case(on));
    (!value.is_empty() && !is_on).then_some(value)
}

/// The containers that tracing is limited to, where the annotation names them.
pub fn container_names(target: &Target) -> Option<BTreeSet<String>> {
    let names = target.annotations.get(CONTAINER_NAMES)?;
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    Some(set(names.map(str::to_owned)))
}

/// The injection and variant that read an annotation.
pub fn reader(annotation: &str) -> Option<(&'static Injection, &'static Variant)> {
    ALL.iter().find_map(|injection| {
        let reads = |variant: &&Variant| variant.annotations.contains(&annotation);
        Some((*injection, injection.variants.iter().find(reads)?))
    })
}

/// Whether an annotation is known that no injection reads.
pub fn is_known(annotation: &str) -> bool {
    SILENT.contains(&annotation)
        || is_record(annotation)
        || ALL.iter().filter_map(|it| it.opt_out()).any(|opt_out| opt_out == annotation)
}

/// The annotation of a pod template that holds the record of the policy with these options.
pub fn record(options: &Options) -> Cow<'static, str> {
    options.id.as_ref().map_or(RECORD.into(), |id| format!("{RECORD}.{id}").into())
}

/// Whether an annotation is the record of some policy.
pub fn is_record(annotation: &str) -> bool {
    let id = annotation.strip_prefix(RECORD);
    id.is_some_and(|id| id.is_empty() || id.strip_prefix('.').is_some_and(is_dns_label))
}

/// How messages name an annotation: as far as it is a qualified name.
pub(crate) fn shown(annotation: &str) -> String {
    match is_qualified_name(annotation) {
        true => format!("annotation {annotation}"),
        false => format!("an annotation under {PREFIX}"),
    }
}

/// Traces what is wrong with an annotation, by its name as far as it is a qualified one.
pub(crate) fn trace(annotation: &str, reason: impl FnOnce(String) -> Reason, trace: &mut Trace) {
    const ABOUT: InjectionName = InjectionName { injection: "annotation", language: None };
    let name = if is_qualified_name(annotation) { annotation } else { "" };
    trace.step(ABOUT, None, || reason(name.to_owned()));
}

/// The known annotation that is nearest to another, where one is near.
pub fn nearest(annotation: &str) -> Option<String> {
    let opt_outs: Vec<String> = ALL.iter().filter_map(|injection| injection.opt_out()).collect();
    let variants = ALL.iter().flat_map(|injection| injection.variants);
    let read = variants.flat_map(|variant| variant.annotations.iter().copied());
    let known = read.chain(opt_outs.iter().map(|it| &**it)).chain([OPT_OUT, CONTAINER_NAMES]);
    let known = set(known.filter_map(|known| known.strip_prefix(PREFIX)));
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = nearest_in_case(annotation.strip_prefix(PREFIX)?, &known)?;
    Some(format!("{PREFIX}{nearest}"))
}
