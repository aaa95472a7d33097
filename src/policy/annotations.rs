//! The annotations that the policy reads, besides those of the injections.

use std::collections::BTreeSet;

use crate::injection::{ALL, Injection, Variant};
use crate::selector::Target;

/// Where all of them begin.
pub(super) const PREFIX: &str = "admission.datakit/";

/// The annotation that opts out of everything.
pub(super) const OPT_OUT: &str = "admission.datakit/enabled";

const CONTAINER_NAMES: &str = "admission.datakit/container-names";

/// The annotation of a pod that says what it did not get.
pub(super) const STATUS: &str = "admission.datakit/skipped";

/// The longest status.
pub(super) const MAX_STATUS: usize = 1024;

/// Where the annotations of records begin.
const RECORD: &str = "admission.datakit/injected";

/// Whether an annotation says so: as Go's `strconv.ParseBool` reads it, and true where it cannot.
pub(super) fn is_enabled(target: &Target, annotation: &str) -> bool {
    let value = target.annotations.get(annotation);
    !matches!(value.as_deref(), Some("0" | "f" | "F" | "false" | "FALSE" | "False"))
}

/// The containers that tracing is limited to, where the annotation names them.
pub(super) fn container_names(target: &Target) -> Option<BTreeSet<String>> {
    let names = target.annotations.get(CONTAINER_NAMES)?;
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    Some(names.map(str::to_owned).collect())
}

/// The injection and variant that read an annotation.
pub(super) fn reader(annotation: &str) -> Option<(&'static Injection, &'static Variant)> {
    ALL.iter().find_map(|injection| {
        let reads = |variant: &&Variant| variant.annotations.contains(&annotation);
        Some((*injection, injection.variants.iter().find(reads)?))
    })
}

/// Whether an annotation is known that no injection reads.
pub(super) fn is_known(annotation: &str) -> bool {
    [OPT_OUT, CONTAINER_NAMES, STATUS].contains(&annotation)
        || annotation.strip_prefix(RECORD).is_some_and(|id| id.is_empty() || id.starts_with('.'))
        || ALL.iter().filter_map(|it| it.opt_out()).any(|opt_out| opt_out == annotation)
}

/// The known annotation that is nearest to another, where one is near.
pub(super) fn nearest(annotation: &str) -> Option<String> {
    let known = ALL.iter().flat_map(|injection| {
        let of_variants = injection.variants.iter().flat_map(|it| it.annotations.iter().copied());
        of_variants.map(str::to_owned).chain(injection.opt_out())
    });
    let known = known.chain([OPT_OUT, CONTAINER_NAMES].map(str::to_owned));
    let rest = |annotation: &str| annotation.strip_prefix(PREFIX).map(str::to_owned);
    let word = rest(annotation).filter(|word| word.len() <= 63)?;
    let distances = known.filter_map(|known| {
        let rest = rest(&known)?;
        let distance = strsim::osa_distance(&word, &rest);
        (distance <= rest.len().div_ceil(3)).then_some((distance, known))
    });
    distances.min().map(|(_, known)| known)
}
