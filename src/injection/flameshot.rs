//! The flameshot sidecar, which profiles the processes of other containers.

use std::borrow::Cow;

use k8s_openapi::api::core::v1 as k8s;

use super::containers;
use super::logging::not_objects;
use super::parts::{
    add_sidecar, capabilities, container, empty_dir, fixed_mount, mount, share_processes,
    sidecar_env, volume,
};
use super::share::is_essential;
use super::{Ask, COMMON, Injection, Plan, Planner, Precedence, RuleList, RuleSource, Variant};
use crate::injection::containers::sharing_containers;
use crate::injection::skip::Skip;
use crate::json::types::{Type, check};
use crate::json::{Shape, Value};
use crate::pod::container::EnvVar;
use crate::pod::lists::elements;
use crate::pod::{Pod, annotations_of};
use crate::reader::{Errors, Path};
use crate::rules::read::is_mountable;

pub(super) static INJECTION: Injection = Injection {
    name: "flameshot",
    list: RuleList {
        keys: &["processes", "enable_prometheus_annotations"],
        off_where_empty: Some("processes"),
        ..RuleList::v2("flameshots")
    },
    variants: &[Variant::reading(read)],
    container: Some(containers::FLAMESHOT),
    precedence: Precedence { first_match_decides: true, ..COMMON.precedence },
    needs_capabilities: true,
    volumes: &[VOLUME],
    annotations: &[
        "prometheus.io/scrape",
        "prometheus.io/port",
        "prometheus.io/scheme",
        "prometheus.io/path",
        "prometheus.io/param_measurement",
    ],
    ..COMMON
};

const VOLUME: &str = "flameshot-volume";
const PORT_NAME: &str = "flameshot-port";
const PATH: &str = "FLAMESHOT_PROFILING_PATH";
const PORT: &str = "FLAMESHOT_HTTP_LOCAL_PORT";

#[derive(Debug)]
struct Flameshot<'a> {
    /// The processes to profile, as JSON.
    processes: Cow<'a, str>,
    /// The directory that is shared.
    profiling_path: String,
    /// The port of its HTTP server.
    port: u16,
    /// Whether the pod gets annotations for Prometheus.
    prometheus_annotations: bool,
}

fn read<'a>(source: RuleSource<'_, 'a>, errors: &mut Errors) -> Option<Box<dyn Planner<'a> + 'a>> {
    let RuleSource { section, rule, .. } = source;
    let prometheus_annotations = section.boolean("enable_prometheus_annotations", errors);
    let processes = section.string("processes", errors);
    let text = processes.as_deref().map(str::trim);
    let is_absent = section.get("processes").is_none();
    if is_absent || text == Some("") {
        section.missing("processes", "is required: the processes to profile, as JSON", errors);
    } else if let Some(text) = &processes {
        static PROCESSES: Type = Type::Array(&Type::Object(&[]));
        if let Err(error) = check(text, &PROCESSES) {
            section.error("processes", not_objects(&error), errors);
        }
    }
    let envs = Path::Key(&section.path, "envs");
    let mut required = |name, message| {
        let path = Path::Key(&envs, name);
        match rule.envs.iter().any(|variable| variable.name == name) {
            true => errors.add(&path, message),
            false => errors.missing(&path, message),
        }
    };
    let profiling_path = rule.literal(PATH).filter(|it| is_mountable(it));
    if profiling_path.is_none() {
        required(PATH, "is required: the directory to share, an absolute path");
    }
    let port = rule.literal(PORT).and_then(|port| port.parse().ok());
    let port = port.filter(|port: &u16| *port > 0);
    if port.is_none() {
        required(PORT, "is required: a port from 1 to 65535");
    }
    let profiling_path = profiling_path?.clone().into_owned();
    let (processes, port) = (processes?, port?);
    Some(Box::new(Flameshot { processes, profiling_path, port, prometheus_annotations }))
}

impl<'a> Planner<'a> for Flameshot<'a> {
    fn plan(&self, pod: &Pod<'_, 'a>, ask: &Ask<'_, 'a>) -> Result<Plan<'a>, Skip> {
        let image = ask.image()?;
        if is_essential(&self.profiling_path) {
            return Err(Skip::EssentialDirectory(PATH));
        }
        let ports = Ports::of(pod);
        if pod.is_set("hostNetwork") && ports.has_number(self.port) {
            return Err(Skip::HostPort(PORT));
        }
        let mut plan = Plan::default();
        let name = volume(pod, empty_dir(VOLUME, ask), ask, &mut plan.edits)?;
        let mount = mount(name, self.profiling_path.clone());
        for container in sharing_containers(pod, ask.context.options) {
            fixed_mount(pod, container, &mount, PATH, &mut plan.edits)?;
        }
        let port = k8s::ContainerPort {
            name: Some(ports.free_name()),
            container_port: i32::from(self.port),
            protocol: Some("TCP".to_owned()),
            ..k8s::ContainerPort::default()
        };
        let processes = EnvVar::new("FLAMESHOT_PROCESSES".into(), &self.processes);
        let mut sidecar = container(&image, pod, ask, &mut plan.notes);
        sidecar.body.set("command", Value::new(&["/flameshot/flameshot"]));
        sidecar.body.set("ports", Value::new(&[port]));
        sidecar.body.set("securityContext", capabilities(&["SYS_PTRACE"]));
        sidecar.env = sidecar_env(ask, pod, [processes]);
        sidecar.mounts.push(mount);
        add_sidecar(sidecar, ask, &mut plan);
        share_processes(pod, ask, &mut plan);
        if self.prometheus_annotations && !has_prometheus_annotations(pod) {
            plan.edits.annotations = prometheus_annotations(self.port);
        }
        Ok(plan)
    }
}

/// The ports of a pod's containers.
struct Ports(Vec<(Option<String>, String)>);

impl Ports {
    fn of(pod: &Pod) -> Self {
        static PORTS: Shape = Shape::Array(&Shape::Object(&[]));
        let mut ports = Vec::new();
        for (_, container) in pod.all_containers() {
            let list = elements(container.body.get("ports"), &PORTS);
            for port in list.iter().filter_map(Value::as_object) {
                let name = port.get_str("name").map(Cow::into_owned);
                let number = port.get("containerPort").and_then(Value::as_text);
                ports.push((name, number.unwrap_or_default().to_owned()));
            }
        }
        Self(ports)
    }

    fn has_number(&self, number: u16) -> bool {
        let number = number.to_string();
        self.0.iter().any(|(_, other)| *other == number)
    }

    /// The name of the added port: Services find ports of a pod by name.
    fn free_name(&self) -> String {
        let is_free = |name: &String| !self.0.iter().any(|(other, _)| other.as_ref() == Some(name));
        // A name has at most 15 characters.
        let mut names = std::iter::once(PORT_NAME.to_owned())
            .chain((2..=9).map(|number| format!("{PORT_NAME}{number}")));
        names.find(is_free).unwrap_or_else(|| PORT_NAME.to_owned())
    }
}

fn has_prometheus_annotations(pod: &Pod) -> bool {
    let mut keys =
        annotations_of(pod.template).into_iter().flat_map(|annotations| annotations.iter());
    keys.any(|(key, _)| key.name().is_some_and(|key| key.starts_with("prometheus.io/")))
}

fn prometheus_annotations(port: u16) -> Vec<(&'static str, Value<'static>)> {
    let values = ["true", &port.to_string(), "http", "/metrics", "flameshot"];
    let keys = INJECTION.annotations.iter();
    keys.zip(values).map(|(key, value)| (*key, Value::string(value))).collect()
}
