//! The logfwd sidecar, which reads log files that other containers write.

use std::borrow::Cow;

use k8s_openapi::api::core::v1 as k8s;

use super::containers;
use super::logging::LogConfigs;
use super::parts::{add_sidecar, container, field, mount, sidecar_env, volume};
use super::share::{directory, given_directory, share};
use super::{
    Ask, COMMON, InjectBlock, Injection, Plan, Planner, Precedence, RuleList, RuleSource, Variant,
};
use crate::injection::skip::Skip;
use crate::json::types::{Type, check};
use crate::json::{self, Shape, Value};
use crate::pod::Pod;
use crate::pod::container::{EnvVar, VolumeMount, below};
use crate::pod::lists::elements;
use crate::pod::volume::{NewVolume, POD_INFO};
use crate::reader::Errors;

pub(super) static INJECTION: Injection = Injection {
    name: "logfwd",
    block: Some(InjectBlock::named("logfwd")),
    list: RuleList {
        keys: &["log_configs", "log_volume_paths"],
        reads_annotation_always: true,
        ..RuleList::v2("logfwds")
    },
    variants: &[Variant {
        image_key: Some("logfwd_image"),
        annotations: &[ANNOTATION],
        asks_in_block: true,
        ..Variant::reading(read)
    }],
    container: Some(containers::LOGFWD),
    precedence: Precedence { first_match_decides: true, ..COMMON.precedence },
    volumes: &["datakit-logfwd-volume-", POD_INFO],
    ..COMMON
};

const ANNOTATION: &str = "admission.datakit/logfwd.instances";
const POD_INFO_PATH: &str = "/etc/podinfo";

/// The annotation, as logfwd reads it.
static INSTANCES: Type = Type::Array(&Type::Object(&[
    ("datakit_addr", Type::String),
    (
        "loggings",
        Type::Array(&Type::Object(&[
            ("logfiles", Type::Array(&Type::String)),
            ("ignore", Type::Array(&Type::String)),
            ("source", Type::String),
            ("service", Type::String),
            ("pipeline", Type::String),
            ("character_encoding", Type::String),
            ("multiline_match", Type::String),
            ("remove_ansi_escape_codes", Type::Boolean),
            ("tags", Type::Map(&Type::String)),
        ])),
    ),
]));

static OBJECTS: Shape = Shape::Array(&Shape::Object(&[]));
static TEXTS: Shape = Shape::Array(&Shape::Text);

#[derive(Debug)]
struct Logfwd<'a> {
    /// The static configuration.
    log_configs: Option<LogConfigs>,
    /// Additional directories to share.
    log_volume_paths: Vec<Cow<'a, str>>,
    /// Whether the sidecar gets the labels of the pod as a file.
    has_pod_info: bool,
}

fn read<'a>(source: RuleSource<'_, 'a>, errors: &mut Errors) -> Option<Box<dyn Planner<'a> + 'a>> {
    let section = source.section;
    let text = section.string("log_configs", errors).filter(|text| !text.trim().is_empty());
    let log_configs = text.and_then(|text| {
        let configs = LogConfigs::read(&text);
        configs.map_err(|error| section.error("log_configs", error, errors)).ok()
    });
    let log_volume_paths =
        section.strings("log_volume_paths", errors, |path, directory, errors| {
            let is_absolute = directory.starts_with('/');
            if !is_absolute {
                errors.add(path, "is not an absolute path");
            }
            is_absolute.then_some(directory)
        });
    Some(Box::new(Logfwd { log_configs, log_volume_paths, has_pod_info: source.is_v2 }))
}

impl<'a> Planner<'a> for Logfwd<'a> {
    fn plan(&self, pod: &Pod<'_, 'a>, ask: &Ask<'_, 'a>) -> Result<Plan<'a>, Skip> {
        // The annotation is a configuration, not a version.
        let image = Ask { annotation: None, ..*ask }.image()?;
        let mut plan = Plan::default();
        let from_annotation = ask.annotation.map(files).transpose()?.unwrap_or_default();
        let from_configs = self.log_configs.iter().flat_map(|configs| &configs.paths);
        let of_files =
            from_annotation.iter().chain(from_configs).map(|path| Cow::Borrowed(directory(path)));
        let given = self.log_volume_paths.iter().map(|path| given_directory(path, pod, ask));
        let directories = of_files.chain(given);
        let mut mounts = share(pod, directories, "datakit-logfwd-volume", ask, &mut plan)?;
        // Nothing can be mounted where a shared directory is, or above it.
        let is_taken = |mount: &VolumeMount| {
            mount.path == POD_INFO_PATH || below(&mount.path, POD_INFO_PATH).is_some()
        };
        if self.has_pod_info && !mounts.iter().any(is_taken) {
            let name = volume(pod, pod_info(), ask, &mut plan.edits)?;
            mounts.push(mount(name, POD_INFO_PATH));
        }
        let json_config = ask.annotation.map(json::compact);
        let json_config = json_config.map(|text| EnvVar::new("LOGFWD_JSON_CONFIG".into(), &text));
        let log_configs = self.log_configs.as_ref().map(|configs| &configs.compacted);
        let log_configs = log_configs.map(|text| EnvVar::new("LOGFWD_LOG_CONFIGS".into(), text));
        let mut sidecar = container(&image, pod, ask, &mut plan.notes);
        sidecar.env = sidecar_env(ask, pod, json_config.into_iter().chain(log_configs));
        sidecar.mounts = mounts.into_iter().map(VolumeMount::read_only).collect();
        add_sidecar(sidecar, ask, &mut plan);
        Ok(plan)
    }
}

/// The log files that the annotation names.
fn files(text: &str) -> Result<Vec<String>, Skip> {
    check(text, &INSTANCES).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Skip::NotLogfwdJson { annotation: ANNOTATION, line, column }
    })?;
    let loggings = elements(Some(&Value::Text(text)), &OBJECTS).into_iter();
    let loggings = loggings.flat_map(|instance| member(&instance, "loggings", &OBJECTS));
    let files = loggings.flat_map(|logging| member(&logging, "logfiles", &TEXTS));
    Ok(files.filter_map(|path| path.as_str().map(Cow::into_owned)).collect())
}

/// The elements of a list that is a member of an object.
fn member<'v>(object: &Value<'v>, name: &str, shape: &'static Shape) -> Vec<Value<'v>> {
    elements(object.as_object().and_then(|object| object.get_in_any_case(name)), shape)
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
