//! The profiler sidecars: async-profiler, py-spy and go-pprof.

use k8s_openapi::api::core::v1 as k8s;

use super::parts::{
    container, empty_dir, fixed_mount, image, mount, note_never_ending, sidecar_env, volume,
};
use super::{Context, Plan, Skip};
use crate::json::Value;
use crate::pod::{NewVolume, Pod};
use crate::settings::{ProfilerRule, Rule};

pub(crate) const CONTAINER: &str = "datakit-profiler";
const DIRECTORY: &str = "/app/datakit-profiler";

/// Plans the sidecar of a language, in the version that the annotation asks for.
pub(crate) fn plan<'a>(
    pod: &Pod<'_, 'a>,
    rule: &ProfilerRule<'a>,
    version: Option<&str>,
    context: Context,
) -> Result<Plan<'a>, Skip> {
    let annotation = ProfilerRule::KIND.annotation(Some(rule.language));
    let image = image(&rule.base, version, annotation, context)?;
    let mut plan = Plan::default();
    let mut mounts = Vec::new();
    let name = volume(pod, empty_dir("datakit-profiler-volume", context), &mut plan.edits);
    let directory = mount(name, DIRECTORY);
    for container in pod.sharing_containers() {
        fixed_mount(container, &directory, &mut plan.edits)?;
    }
    mounts.push(directory);
    for (new, path) in [(empty_dir("tmp", context), "/tmp"), (timezone(), "/etc/localtime")] {
        // What somebody mounts at these two is left alone.
        if pod.sharing_containers().any(|(_, container)| container.mount_at(path).is_some()) {
            continue;
        }
        let new = mount(volume(pod, new, &mut plan.edits), path);
        let places = pod.sharing_containers().map(|(place, _)| (place, new.clone()));
        plan.edits.mounts.extend(places);
        mounts.push(new);
    }

    let mut sidecar = container(CONTAINER, &image, &rule.base);
    sidecar.body.set("command", Value::new(&["bash", "cmd.sh"]));
    sidecar.body.set("securityContext", capabilities(&["SYS_PTRACE", "SYS_ADMIN"]));
    sidecar.body.set("workingDir", Value::string(DIRECTORY));
    sidecar.env = sidecar_env(&rule.base, pod, []);
    sidecar.mounts = mounts;
    plan.edits.sidecars.push(sidecar);
    plan.edits.share_process_namespace = true;
    plan.edits.restart_always = !context.runs_to_completion;
    note_never_ending(context, &mut plan.notes);
    Ok(plan)
}

/// A security context that adds capabilities.
pub(super) fn capabilities(names: &[&str]) -> Value<'static> {
    Value::object([("capabilities", Value::object([("add", Value::new(&names))]))])
}

/// The time zone of the node.
fn timezone() -> NewVolume {
    let path = "/etc/localtime".to_owned();
    let source = k8s::HostPathVolumeSource { path, type_: Some("FileOrCreate".to_owned()) };
    NewVolume { name: "timezone".to_owned(), host_path: Some(source), ..NewVolume::default() }
}
