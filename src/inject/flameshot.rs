//! The flameshot sidecar, which profiles the processes of other containers.

use k8s_openapi::api::core::v1 as k8s;

use super::parts::{
    container, empty_dir, fixed_mount, image, mount, note_never_ending, sidecar_env, volume,
};
use super::{Context, Plan, Skip};
use crate::json::Value;
use crate::pod::{EnvVar, Pod};
use crate::settings::FlameshotRule;

pub(crate) const CONTAINER: &str = "datakit-flameshot";

/// Plans the sidecar.
pub(crate) fn plan<'a>(
    pod: &Pod<'_, 'a>,
    rule: &FlameshotRule<'a>,
    has_prometheus_annotations: bool,
    context: Context,
) -> Result<Plan<'a>, Skip> {
    let image = image(&rule.base, None, "", context)?;
    let mut plan = Plan::default();
    let name = volume(pod, empty_dir("flameshot-volume", context), &mut plan.edits);
    let mount = mount(name, rule.profiling_path.clone());
    for container in pod.sharing_containers() {
        fixed_mount(container, &mount, &mut plan.edits)?;
    }

    let processes = EnvVar::new("FLAMESHOT_PROCESSES".into(), &rule.processes);
    let mut sidecar = container(CONTAINER, &image, &rule.base);
    let port = k8s::ContainerPort {
        name: Some("flameshot-port".to_owned()),
        container_port: i32::from(rule.port),
        protocol: Some("TCP".to_owned()),
        ..k8s::ContainerPort::default()
    };
    sidecar.body.set("command", Value::new(&["/flameshot/flameshot"]));
    sidecar.body.set("ports", Value::new(&[port]));
    sidecar.body.set("securityContext", super::profiler::capabilities(&["SYS_PTRACE"]));
    sidecar.env = sidecar_env(&rule.base, pod, [processes]);
    sidecar.mounts.push(mount);
    plan.edits.sidecars.push(sidecar);
    plan.edits.share_process_namespace = true;
    plan.edits.restart_always = !context.runs_to_completion;
    if rule.prometheus_annotations && !has_prometheus_annotations {
        plan.edits.annotations = prometheus_annotations(rule.port);
    }
    note_never_ending(context, &mut plan.notes);
    Ok(plan)
}

fn prometheus_annotations(port: u16) -> Vec<(&'static str, Value<'static>)> {
    let annotations = [
        ("prometheus.io/scrape", "true"),
        ("prometheus.io/port", &port.to_string()),
        ("prometheus.io/scheme", "http"),
        ("prometheus.io/path", "/metrics"),
        ("prometheus.io/param_measurement", "flameshot"),
    ];
    annotations.into_iter().map(|(key, value)| (key, Value::string(value))).collect()
}
