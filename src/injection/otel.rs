//! The OpenTelemetry agent: an init container copies it to a shared directory, variables load it.

use super::containers;
use super::ddtrace;
use super::parts::env_vars;
use super::tracing::{load_all, plan_agent};
use super::{Ask, COMMON, Injection, Plan, Planner, Precedence, RuleList, RuleSource, Variant};
use crate::injection::agent::{Agent, Command, Loader};
use crate::injection::security::{first_security_context, runs_as_root};
use crate::injection::skip::{ContainerName as Name, Skip};
use crate::pod::Pod;
use crate::pod::container::{Container, EnvEdit};
use crate::reader::Errors;

pub(super) static INJECTION: Injection = Injection {
    name: "otel",
    list: RuleList::v2("otels"),
    variants: &[
        Variant {
            language: Some("java"),
            annotations: &["admission.datakit/otel-java-lib.version"],
            agent: Some(&JAVA),
            ..Variant::reading(read)
        },
        Variant {
            language: Some("python"),
            annotations: &["admission.datakit/otel-python-lib.version"],
            agent: Some(&PYTHON),
            ..Variant::reading(read)
        },
        Variant {
            language: Some("nodejs"),
            aliases: &["js"],
            annotations: &["admission.datakit/otel-nodejs-lib.version"],
            agent: Some(&NODEJS),
            ..Variant::reading(read)
        },
    ],
    container: Some(containers::OTEL_LIB_INIT),
    precedence: Precedence { not_beside: Some(&ddtrace::INJECTION), ..COMMON.precedence },
    volumes: &[VOLUME],
    ..COMMON
};

const VOLUME: &str = "datakit-otel-auto-instrument";

const JAVA: Agent = Agent {
    volume: VOLUME,
    directory: "/otel-auto-instrumentation-java",
    command: Command::Fixed(&[
        "cp",
        "/javaagent.jar",
        "/otel-auto-instrumentation-java/javaagent.jar",
    ]),
    library: None,
    loaders: &[(
        "JAVA_TOOL_OPTIONS",
        Loader::SpacedOption("-javaagent:/otel-auto-instrumentation-java/javaagent.jar"),
    )],
};

const PYTHON: Agent = Agent {
    volume: VOLUME,
    directory: "/otel-auto-instrumentation-python",
    command: Command::Fixed(&[
        "cp",
        "-r",
        "/autoinstrumentation/.",
        "/otel-auto-instrumentation-python",
    ]),
    library: None,
    loaders: &[(
        "PYTHONPATH",
        Loader::Paths {
            first: Some(
                "/otel-auto-instrumentation-python/opentelemetry/instrumentation/auto_instrumentation",
            ),
            absent: None,
            last: Some("/otel-auto-instrumentation-python"),
        },
    )],
};

const NODEJS: Agent = Agent {
    volume: VOLUME,
    directory: "/otel-auto-instrumentation-nodejs",
    command: Command::Fixed(&[
        "cp",
        "-r",
        "/autoinstrumentation/.",
        "/otel-auto-instrumentation-nodejs",
    ]),
    library: None,
    loaders: &[(
        "NODE_OPTIONS",
        Loader::Option(" --require /otel-auto-instrumentation-nodejs/autoinstrumentation.js"),
    )],
};

#[derive(Debug)]
struct Otel(&'static Agent);

fn read<'a>(source: RuleSource<'_, 'a>, _: &mut Errors) -> Option<Box<dyn Planner<'a> + 'a>> {
    Some(Box::new(Otel(source.variant.agent?)))
}

impl<'a> Planner<'a> for Otel {
    fn plan(&self, pod: &Pod<'_, 'a>, ask: &Ask<'_, 'a>) -> Result<Plan<'a>, Skip> {
        let agent = self.0;
        let variables = env_vars(ask, pod);
        let mut plan = plan_agent(agent, "", pod, ask, |(place, container), plan| {
            for (name, _) in agent.loaders {
                check(container, name)?;
            }
            let new = load_all(agent, (place, container), &variables, plan)?;
            let edits = new.into_iter().cloned().map(EnvEdit::Append);
            plan.edits.env.extend(edits.map(|edit| (place, edit)));
            Ok(())
        })?;
        for init in &mut plan.edits.init_containers {
            if ask.context.options.security_context.is_none() {
                let context = ask.context;
                init.body.remove("securityContext");
                let first = first_security_context(pod, context.options, &context.needed);
                init.set_security_context(first);
            }
            if runs_as_root(pod, init) {
                return Err(Skip::RunsAsRoot);
            }
        }
        Ok(plan)
    }
}

fn check(container: &Container, variable: &'static str) -> Result<(), Skip> {
    let name = || Name::new(&container.name);
    if container.env.iter().filter(|present| present.name == variable).count() > 1 {
        return Err(Skip::SetTwice { container: name(), variable });
    }
    let loads = |text: &str| text.contains("dd-java-agent.jar") || text.contains("/datadog-lib");
    if container.says(loads) || container.mounts.iter().any(|mount| loads(&mount.path)) {
        return Err(Skip::LoadsDatadog(name()));
    }
    Ok(())
}
