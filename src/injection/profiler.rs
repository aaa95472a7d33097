//! The profiler sidecars: async-profiler, py-spy and go-pprof.

use k8s_openapi::api::core::v1 as k8s;

use super::containers;
use super::parts::{
    add_sidecar, capabilities, container, empty_dir, fixed_mount, is_below_read_only, mount,
    share_processes, sidecar_env, volume,
};
use super::{Ask, COMMON, InjectBlock, Injection, Plan, Planner, RuleList, RuleSource, Variant};
use crate::injection::containers::sharing_containers;
use crate::injection::skip::Skip;
use crate::json::Value;
use crate::pod::Pod;
use crate::pod::volume::{LOCAL_TIME, NewVolume, TIMEZONE};
use crate::reader::Errors;

pub(super) static INJECTION: Injection = Injection {
    name: "profiler",
    block: Some(InjectBlock::named("profiler")),
    list: RuleList::v2("profilers"),
    variants: &[
        Variant {
            language: Some("java"),
            image_key: Some("java_profiler_image"),
            annotations: &["admission.datakit/java-profiler.version"],
            asks_in_block: true,
            ..Variant::reading(read)
        },
        Variant {
            language: Some("python"),
            image_key: Some("python_profiler_image"),
            annotations: &["admission.datakit/python-profiler.version"],
            asks_in_block: true,
            ..Variant::reading(read)
        },
        Variant {
            language: Some("golang"),
            image_key: Some("golang_profiler_image"),
            annotations: &["admission.datakit/golang-profiler.version"],
            asks_in_block: true,
            ..Variant::reading(read)
        },
    ],
    container: Some(containers::PROFILER),
    needs_capabilities: true,
    volumes: &[VOLUME, "tmp", TIMEZONE],
    ..COMMON
};

const VOLUME: &str = "datakit-profiler-volume";
const DIRECTORY: &str = "/app/datakit-profiler";

#[derive(Debug)]
struct Profiler;

fn read<'a>(_: RuleSource<'_, 'a>, _: &mut Errors) -> Option<Box<dyn Planner<'a> + 'a>> {
    Some(Box::new(Profiler))
}

impl<'a> Planner<'a> for Profiler {
    fn plan(&self, pod: &Pod<'_, 'a>, ask: &Ask<'_, 'a>) -> Result<Plan<'a>, Skip> {
        let image = ask.image()?;
        let mut plan = Plan::default();
        let name = volume(pod, empty_dir(VOLUME, ask), ask, &mut plan.edits)?;
        let directory = mount(name, DIRECTORY);
        for container in sharing_containers(pod, ask.context.options) {
            fixed_mount(pod, container, &directory, DIRECTORY, &mut plan.edits)?;
        }
        let mut mounts = vec![directory];
        for (new, path) in [(empty_dir("tmp", ask), "/tmp"), (timezone(), LOCAL_TIME)] {
            // The reference adds the volume also where it mounts it nowhere.
            let new = mount(volume(pod, new, ask, &mut plan.edits)?, path);
            let containers = || sharing_containers(pod, ask.context.options);
            if containers().any(|(_, container)| container.has_device_on(path)) {
                plan.notes
                    .push(format!("a container has a block device at {path}, which is not shared"));
                continue;
            }
            let is_mounted = containers().any(|(_, container)| {
                container.mount_on(path).is_some() || is_below_read_only(pod, container, path)
            });
            if is_mounted {
                continue;
            }
            let places = containers().map(|(place, _)| (place, new.clone()));
            plan.edits.mounts.extend(places);
            mounts.push(new);
        }

        let mut sidecar = container(&image, pod, ask, &mut plan.notes);
        sidecar.body.set("command", Value::new(&["bash", "cmd.sh"]));
        sidecar.body.set("securityContext", capabilities(&["SYS_PTRACE", "SYS_ADMIN"]));
        sidecar.body.set("workingDir", Value::string(DIRECTORY));
        sidecar.env = sidecar_env(ask, pod, []);
        sidecar.mounts = mounts;
        add_sidecar(sidecar, ask, &mut plan);
        share_processes(pod, ask, &mut plan);
        Ok(plan)
    }
}

/// The time zone of the node.
fn timezone() -> NewVolume {
    let path = LOCAL_TIME.to_owned();
    let source = k8s::HostPathVolumeSource { path, type_: Some("FileOrCreate".to_owned()) };
    NewVolume { name: TIMEZONE.to_owned(), host_path: Some(source), ..NewVolume::default() }
}
