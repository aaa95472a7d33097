//! The flameshot sidecar, which profiles the processes of other containers.

use k8s_openapi::api::core::v1 as k8s;

use super::parts::{
    container, empty_dir, fixed_mount, image, literal, mount, note_never_ending, sidecar_env,
    volume,
};
use super::{Context, Plan, Skip};
use crate::pod::Pod;
use crate::settings::FlameshotRule;

pub(crate) const CONTAINER: &str = "datakit-flameshot";

/// Plans the sidecar.
pub(crate) fn plan<'a>(
    pod: &Pod<'_, 'a>,
    rule: &FlameshotRule,
    has_prometheus_annotations: bool,
    context: Context,
) -> Result<Plan<'a>, Skip> {
    let image = image(&rule.base, None, "", context)?;
    let path = &*rule.profiling_path;
    let mut plan = Plan::default();
    let name = volume(pod, empty_dir("flameshot-volume", context), &mut plan.edits);
    for container in pod.sharing_containers() {
        fixed_mount(container, &name, path, &mut plan.edits)?;
    }

    let processes = literal("FLAMESHOT_PROCESSES", &*rule.processes);
    let mut sidecar = container(CONTAINER, &image, &rule.base);
    sidecar.container.command = Some(vec!["/flameshot/flameshot".to_owned()]);
    sidecar.container.env = sidecar_env(&rule.base, pod, [processes]);
    sidecar.container.ports = Some(vec![k8s::ContainerPort {
        name: Some("flameshot-port".to_owned()),
        container_port: i32::from(rule.port),
        protocol: Some("TCP".to_owned()),
        ..k8s::ContainerPort::default()
    }]);
    sidecar.container.security_context = Some(super::profiler::capabilities(&["SYS_PTRACE"]));
    sidecar.container.volume_mounts = Some(vec![mount(&name, path)]);
    plan.edits.sidecars.push(sidecar);
    plan.edits.share_process_namespace = true;
    plan.edits.restart_always = !context.runs_to_completion;
    if rule.prometheus_annotations && !has_prometheus_annotations {
        plan.edits.annotations = prometheus_annotations(rule.port);
    }
    note_never_ending(context, &mut plan.notes);
    Ok(plan)
}

fn prometheus_annotations(port: u16) -> Vec<(String, String)> {
    let port = port.to_string();
    let annotations = [
        ("scrape", "true"),
        ("port", &port),
        ("scheme", "http"),
        ("path", "/metrics"),
        ("param_measurement", "flameshot"),
    ];
    let annotations = annotations.into_iter();
    annotations.map(|(key, value)| (format!("prometheus.io/{key}"), value.to_owned())).collect()
}
