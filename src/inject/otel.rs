//! The OpenTelemetry agent: an init container copies it to a shared directory, variables load it.

use super::ddtrace::{Loader, load, with_option};
use super::parts::{
    container, env_vars, fixed_mount, fixed_volume, image, mount, security_context, traced,
};
use super::{Context, Plan, Skip, container_name};
use crate::json::{Shape, Value};
use crate::pod::{Container, EnvEdit, Pod};
use crate::settings::{Language, OtelRule, Rule};

pub(crate) const INIT_CONTAINER: &str = "datakit-otel-lib-init";
const VOLUME: &str = "datakit-otel-auto-instrument";

/// What a language needs.
struct Agent {
    directory: &'static str,
    command: &'static [&'static str],
    variable: &'static str,
    loader: Loader,
}

static JAVA: Agent = Agent {
    directory: "/otel-auto-instrumentation-java",
    command: &["cp", "/javaagent.jar", "/otel-auto-instrumentation-java/javaagent.jar"],
    variable: "JAVA_TOOL_OPTIONS",
    loader: Loader::From(java),
};

static PYTHON: Agent = Agent {
    directory: "/otel-auto-instrumentation-python",
    command: &["cp", "-r", "/autoinstrumentation/.", "/otel-auto-instrumentation-python"],
    variable: "PYTHONPATH",
    loader: Loader::From(python),
};

static NODEJS: Agent = Agent {
    directory: "/otel-auto-instrumentation-nodejs",
    command: &["cp", "-r", "/autoinstrumentation/.", "/otel-auto-instrumentation-nodejs"],
    variable: "NODE_OPTIONS",
    loader: Loader::From(nodejs),
};

fn java(present: &str) -> String {
    let option = "-javaagent:/otel-auto-instrumentation-java/javaagent.jar";
    match present {
        "" => option.to_owned(),
        _ if present.contains(option) => present.to_owned(),
        _ => format!("{present} {option}"),
    }
}

fn python(present: &str) -> String {
    let first =
        "/otel-auto-instrumentation-python/opentelemetry/instrumentation/auto_instrumentation";
    let last = "/otel-auto-instrumentation-python";
    match present {
        "" => format!("{first}:{last}"),
        _ if present.split(':').any(|path| path == first) => present.to_owned(),
        _ => format!("{first}:{present}:{last}"),
    }
}

fn nodejs(present: &str) -> String {
    with_option(present, " --require /otel-auto-instrumentation-nodejs/autoinstrumentation.js")
}

/// Plans the agent of a language, in the version that the annotation asks for.
pub(crate) fn plan<'a>(
    pod: &Pod<'_, 'a>,
    rule: &OtelRule<'a>,
    version: Option<&str>,
    context: Context,
) -> Result<Plan<'a>, Skip> {
    let agent = match rule.language {
        Language::Python => &PYTHON,
        Language::Nodejs => &NODEJS,
        // Rules of this section have no other language.
        _ => &JAVA,
    };
    let annotation = OtelRule::KIND.annotation(Some(rule.language));
    let image = image(&rule.base, version, annotation, context)?;
    let mut plan = Plan::default();
    let containers = traced(pod, context, &mut plan.notes)?;
    fixed_volume(pod, VOLUME, context, &mut plan.edits)?;

    let variables = env_vars(&rule.base.envs, pod);
    let mount = mount(VOLUME, agent.directory);
    for (place, container) in containers {
        check(container, agent.variable)?;
        fixed_mount((place, container), &mount, &mut plan.edits)?;
        let edit = load(container, agent.variable, &agent.loader, &mut plan.notes)?;
        let is_new = |name: &str| container.env(name).is_none() && name != agent.variable;
        let variables = variables.iter().filter(|variable| is_new(&variable.name));
        let edits = edit.into_iter().chain(variables.cloned().map(EnvEdit::Append));
        plan.edits.env.extend(edits.map(|edit| (place, edit)));
    }

    let mut init = container(INIT_CONTAINER, &image, &rule.base);
    init.body.set("command", Value::new(&agent.command));
    init.mounts.push(mount);
    let security_context = security_context(context).or_else(|| first_security_context(pod));
    if runs_as_root(pod, security_context.as_ref()) {
        return Err(Skip::RunsAsRoot);
    }
    init.set_security_context(security_context);
    plan.edits.init_containers.push(init);
    Ok(plan)
}

fn check(container: &Container, variable: &'static str) -> Result<(), Skip> {
    let name = || container_name(&container.name);
    if container.env.iter().filter(|present| present.name == variable).count() > 1 {
        return Err(Skip::SetTwice { container: name(), variable });
    }
    let loads = |text: &str| text.contains("dd-java-agent.jar") || text.contains("/datadog-lib");
    let in_env = container.env.iter().filter_map(|v| v.literal()).any(|text| loads(&text));
    if in_env || container.mounts.iter().any(|mount| loads(&mount.path)) {
        return Err(Skip::LoadsDatadog(name()));
    }
    Ok(())
}

fn first_security_context<'a>(pod: &Pod<'_, 'a>) -> Option<Value<'a>> {
    let (_, first) = pod.own_containers().next()?;
    first.text("securityContext").filter(|text| *text != "null").map(Value::Text)
}

/// Whether the kubelet would refuse to start the init container: it has to run as another user than
/// root, and nothing says which.
fn runs_as_root(pod: &Pod, container: Option<&Value>) -> bool {
    let mut text = String::new();
    if let Some(container) = container {
        container.write(&mut text);
    }
    let container = Value::open(&text, &Shape::Object(&[])).ok();
    let container = container.as_ref().and_then(Value::as_object);
    let of_pod = pod.spec_object("securityContext");
    let effective = |name: &str| {
        let mut objects = [container, of_pod.as_ref()].into_iter().flatten();
        objects.find_map(|object| object.get(name)?.as_text().filter(|text| *text != "null"))
    };
    let user = effective("runAsUser");
    effective("runAsNonRoot") == Some("true")
        && user.is_none_or(|user| user.trim_start_matches(['-', '0', '.']).is_empty())
}
