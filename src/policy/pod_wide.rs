//! What is added to a pod once, however much is injected into it.

use crate::annotations::{MAX_STATUS, OLD_STATUS, SAFE_TO_EVICT, STATUS};
use crate::injection::skip::{KUBERNETES_MAX_KIB, Skip};
use crate::json::{Object, Value};
use crate::options::Options;
use crate::pod::volume::VolumeSource;
use crate::pod::{Pod, annotations_have_room, annotations_of, evictable, open_annotations};
use crate::record::recorder::Recorder;
use crate::report::Report;

/// Adds the names of `policy.image_pull_secrets`. `recorder` records it, if the pod is a template.
pub(super) fn add_image_pull_secrets<'a>(
    pod: &mut Pod<'_, 'a>,
    options: &Options<'a>,
    recorder: Option<&mut Recorder>,
    report: &mut Report,
) {
    let needed = &options.image_pull_secrets;
    if needed.is_empty() {
        return;
    }
    let Some(recorder) = recorder else {
        pod.add_image_pull_secrets(needed);
        return;
    };
    let list = pod.spec().and_then(|spec| spec.get("imagePullSecrets").cloned());
    let is_empty = list.as_ref().is_none_or(|list| match list {
        Value::Array(secrets) => secrets.is_empty(),
        other => other.is_null(),
    });
    // A template without any gets those of its ServiceAccount when its Pods are made.
    if is_empty {
        report.warn(
            "policy.image_pull_secrets are left out, because the pod would lose those of its \
             ServiceAccount; name them there or in the pod template",
        );
        return;
    }
    let added = pod.add_image_pull_secrets(needed);
    recorder.add_secrets(added, needed);
}

/// Names the volumes that were added behind the user's as those with which a node may be removed.
pub(super) fn add_safe_to_evict(
    pod: &mut Pod,
    own_volumes: usize,
    recorder: Option<&mut Recorder>,
    report: &mut Report,
) {
    let added = pod.volumes.iter().skip(own_volumes);
    let is_local = |source: &VolumeSource| {
        matches!(source, VolumeSource::EmptyDir | VolumeSource::HostPath(_))
    };
    let names: Vec<String> = added
        .filter(|volume| is_local(&volume.source))
        .map(|volume| volume.name.clone().into_owned())
        .collect();
    if names.is_empty() {
        return;
    }
    let present = annotations_of(pod.template).and_then(|it| it.get(SAFE_TO_EVICT)).cloned();
    let list = present.as_ref().and_then(Value::as_str).unwrap_or_default();
    let Some((value, names)) = evictable::with(&list, &names) else {
        return;
    };
    let length = SAFE_TO_EVICT.len().saturating_add(value.len());
    if !annotations_have_room(pod.template, length, KUBERNETES_MAX_KIB) {
        report.warn(&format!(
            "policy.safe_to_evict is left out: {}",
            Skip::TooLarge(KUBERNETES_MAX_KIB)
        ));
        return;
    }
    let Some(annotations) = open_annotations(pod.template) else {
        return;
    };
    annotations.set(SAFE_TO_EVICT, Value::string(&value));
    if let Some(recorder) = recorder {
        recorder.add_evictable(present.as_ref(), names);
    }
}

/// Writes the status of a pod anew, and removes an old one. Returns whether the pod changed.
pub(super) fn set_status(template: &mut Object, report: &Report) -> bool {
    let status = report.status(MAX_STATUS);
    let present = annotations_of(template);
    let has_old = present.is_some_and(|it| it.get(OLD_STATUS).is_some());
    let present = present.and_then(|it| it.get_str(STATUS));
    let status = status.filter(|status| {
        let length = STATUS.len().saturating_add(status.len());
        let more = length.saturating_sub(present.as_ref().map_or(0, |present| present.len()));
        more == 0 || annotations_have_room(template, more, KUBERNETES_MAX_KIB)
    });
    if present.as_deref() == status.as_deref() && !has_old {
        return false;
    }
    let Some(annotations) = open_annotations(template) else {
        return false;
    };
    annotations.remove(OLD_STATUS);
    match status {
        Some(status) => annotations.set(STATUS, Value::string(&status)),
        None => {
            annotations.remove(STATUS);
        }
    }
    true
}
