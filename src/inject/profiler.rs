//! The profiler sidecars: async-profiler, py-spy and go-pprof.

use k8s_openapi::api::core::v1 as k8s;

use super::parts::{
    container, empty_dir, fixed_mount, image, mount, note_never_ending, sidecar_env, volume,
};
use super::{Context, Plan, Skip};
use crate::pod::{NewVolume, Pod};
use crate::settings::{ProfilerRule, Rule};

pub(crate) const CONTAINER: &str = "datakit-profiler";
const DIRECTORY: &str = "/app/datakit-profiler";

/// Plans the sidecar of a language, in the version that the annotation asks for.
pub(crate) fn plan<'a>(
    pod: &Pod<'_, 'a>,
    rule: &ProfilerRule,
    version: Option<&str>,
    context: Context,
) -> Result<Plan<'a>, Skip> {
    let annotation = ProfilerRule::annotation(Some(rule.language));
    let image = image(&rule.base, version, annotation, context)?;
    let mut plan = Plan::default();
    let mut mounts = Vec::new();
    let name = volume(pod, empty_dir("datakit-profiler-volume", context), &mut plan.edits);
    for container in pod.sharing_containers() {
        fixed_mount(container, &name, DIRECTORY, &mut plan.edits)?;
    }
    mounts.push(mount(&name, DIRECTORY));
    for (new, path) in [(empty_dir("tmp", context), "/tmp"), (timezone(), "/etc/localtime")] {
        // What somebody mounts at these two is left alone.
        if pod.sharing_containers().any(|(_, container)| container.mount_at(path).is_some()) {
            continue;
        }
        let name = volume(pod, new, &mut plan.edits);
        let places = pod.sharing_containers().map(|(place, _)| (place, mount(&name, path)));
        plan.edits.mounts.extend(places);
        mounts.push(mount(&name, path));
    }

    let mut sidecar = container(CONTAINER, &image, &rule.base);
    sidecar.container.command = Some(["bash", "cmd.sh"].map(str::to_owned).to_vec());
    sidecar.container.working_dir = Some(DIRECTORY.to_owned());
    sidecar.container.env = sidecar_env(&rule.base, pod, []);
    sidecar.container.security_context = Some(capabilities(&["SYS_PTRACE", "SYS_ADMIN"]));
    sidecar.container.volume_mounts = Some(mounts);
    plan.edits.sidecars.push(sidecar);
    plan.edits.share_process_namespace = true;
    plan.edits.restart_always = !context.runs_to_completion;
    note_never_ending(context, &mut plan.notes);
    Ok(plan)
}

/// A security context that adds capabilities.
pub(super) fn capabilities(names: &[&str]) -> k8s::SecurityContext {
    let add = names.iter().map(|&name| name.to_owned()).collect();
    let capabilities = k8s::Capabilities { add: Some(add), ..k8s::Capabilities::default() };
    k8s::SecurityContext { capabilities: Some(capabilities), ..k8s::SecurityContext::default() }
}

/// The time zone of the node.
fn timezone() -> NewVolume {
    let path = "/etc/localtime".to_owned();
    let source = k8s::HostPathVolumeSource { path, type_: Some("FileOrCreate".to_owned()) };
    NewVolume { name: "timezone".to_owned(), host_path: Some(source), ..NewVolume::default() }
}
