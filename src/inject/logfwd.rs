//! The logfwd sidecar, which reads log files that other containers write.

use std::borrow::Cow;

use k8s_openapi::api::core::v1 as k8s;
use serde::Deserialize;

use super::parts::{
    container, field, image, mount, note_never_ending, security_context, sidecar_env, volume,
};
use super::share::{directory, share};
use super::{Context, Plan, Skip};
use crate::json;
use crate::pod::{EnvVar, NewVolume, Pod, VolumeMount};
use crate::settings::{LogfwdRule, Rule};

pub(crate) const CONTAINER: &str = "datakit-logfwd";
const POD_INFO: &str = "datakit-pod-info";
const POD_INFO_PATH: &str = "/etc/podinfo";

/// The annotation, as far as the policy reads it. As in Go, null is nothing.
#[derive(Deserialize)]
struct Instance {
    #[serde(default, rename = "datakit_addr")]
    _datakit_addr: Option<String>,
    #[serde(default)]
    loggings: Option<Vec<Logging>>,
}

#[derive(Deserialize)]
struct Logging {
    #[serde(default)]
    logfiles: Option<Vec<String>>,
}

/// Plans the sidecar, with the configuration of the annotation where there is one.
pub(crate) fn plan<'a>(
    pod: &Pod<'_, 'a>,
    rule: &LogfwdRule<'a>,
    instances: Option<&str>,
    context: Context,
) -> Result<Plan<'a>, Skip> {
    let image = image(&rule.base, None, "", context)?;
    let mut plan = Plan::default();
    let from_annotation = instances.map(files).transpose()?.unwrap_or_default();
    let configs = rule.log_configs.as_ref();
    let from_configs = configs.map(|(_, paths)| paths.iter()).into_iter().flatten();
    let of_files = from_annotation.iter().chain(from_configs).map(|path| directory(path).into());
    let as_they_are = rule.log_volume_paths.iter().map(|path| Cow::Borrowed(&**path));
    let directories = of_files.chain(as_they_are);
    let mut mounts = share(pod, directories, "datakit-logfwd-volume", context, &mut plan)?;
    // Nothing can be mounted where a shared directory is.
    if rule.pod_info && !mounts.iter().any(|mount| mount.path == POD_INFO_PATH) {
        let name = volume(pod, pod_info(), &mut plan.edits);
        mounts.push(mount(name, POD_INFO_PATH));
    }

    let json_config =
        instances.map(|text| EnvVar::new("LOGFWD_JSON_CONFIG".into(), &json::compact(text)));
    let log_configs = configs.map(|(text, _)| EnvVar::new("LOGFWD_LOG_CONFIGS".into(), text));
    let own = json_config.into_iter().chain(log_configs);
    let mut sidecar = container(CONTAINER, &image, &rule.base);
    sidecar.env = sidecar_env(&rule.base, pod, own);
    sidecar.mounts = mounts.into_iter().map(VolumeMount::read_only).collect();
    sidecar.set_security_context(security_context(context));
    plan.edits.sidecars.push(sidecar);
    note_never_ending(context, &mut plan.notes);
    Ok(plan)
}

/// The log files that the annotation names.
fn files(text: &str) -> Result<Vec<String>, Skip> {
    let instances: Vec<Instance> = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Skip::NotLogfwdJson { annotation: LogfwdRule::KIND.annotation(None), line, column }
    })?;
    let loggings = instances.into_iter().filter_map(|instance| instance.loggings).flatten();
    Ok(loggings.filter_map(|logging| logging.logfiles).flatten().collect())
}

/// The labels of the pod, as a file.
fn pod_info() -> NewVolume {
    let labels = k8s::DownwardAPIVolumeFile {
        path: "labels".to_owned(),
        field_ref: Some(field("metadata.labels")),
        ..k8s::DownwardAPIVolumeFile::default()
    };
    let source = k8s::DownwardAPIVolumeSource {
        items: Some(vec![labels]),
        ..k8s::DownwardAPIVolumeSource::default()
    };
    NewVolume { name: POD_INFO.to_owned(), downward_api: Some(source), ..NewVolume::default() }
}
