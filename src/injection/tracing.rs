//! What the tracing injections share: an agent that an init container copies, and variables load.

use super::parts::{container, fixed_mount, fixed_volume, mount, traced};
use super::{Ask, Plan};
use crate::injection::agent::{Agent, Command, Loader};
use crate::injection::skip::{ContainerName as Name, Skip};
use crate::json::Value;
use crate::pod::Pod;
use crate::pod::container::{Container, ContainerRef, EnvEdit, EnvVar, Extension};

/// Plans an agent; `env` plans the environment of each container that is traced.
pub(super) fn plan_agent<'a>(
    agent: &'static Agent,
    flavor: &str,
    pod: &Pod<'_, 'a>,
    ask: &Ask<'_, 'a>,
    env: impl Fn((ContainerRef, &Container<'a>), &mut Plan<'a>) -> Result<(), Skip>,
) -> Result<Plan<'a>, Skip> {
    let image = ask.image()?;
    let mut plan = Plan::default();
    let (elsewhere, containers): (Vec<_>, Vec<_>) = traced(pod, ask, &mut plan.notes)?
        .into_iter()
        .partition(|(_, container)| agent.is_elsewhere(container));
    for (_, container) in elsewhere {
        let container = Name::new(&container.name);
        if containers.is_empty() {
            return Err(Skip::LoadsDatadog(container));
        }
        plan.notes.push(format!(
            "container {container} already loads the Datadog library and gets no second one"
        ));
    }
    fixed_volume(pod, agent.volume, ask, &mut plan.edits)?;
    let mount = mount(agent.volume, agent.directory);
    for (place, container) in containers {
        fixed_mount(pod, (place, container), &mount, agent.directory, &mut plan.edits)?;
        env((place, container), &mut plan)?;
    }
    let mut init = container(&image, pod, ask, &mut plan.notes);
    let command = match agent.command {
        Command::Fixed(command) => Value::new(&command),
        Command::Script(script) => Value::new(&["sh", "-c", &script(flavor)]),
    };
    init.body.set("command", command);
    init.mounts.push(mount);
    plan.edits.init_containers.push(init);
    Ok(plan)
}

/// Plans the variables that load an agent in a container. Gives those of the rule that it gets as
/// well: neither the container nor the agent has one of that name.
pub(super) fn load_all<'v, 'a>(
    agent: &Agent,
    (place, container): (ContainerRef, &Container),
    variables: &'v [EnvVar<'a>],
    plan: &mut Plan,
) -> Result<Vec<&'v EnvVar<'a>>, Skip> {
    plan.edits.env.reserve(agent.loaders.len().saturating_add(variables.len()));
    for (name, loader) in agent.loaders {
        let edit = load(container, name, loader, &mut plan.notes)?;
        plan.edits.env.extend(edit.map(|edit| (place, edit)));
    }
    let is_new = |variable: &&EnvVar| {
        let name = &variable.name;
        container.env(name).is_none() && agent.loaders.iter().all(|(loaded, _)| loaded != name)
    };
    Ok(variables.iter().filter(is_new).collect())
}

/// Plans one variable that loads an agent; nothing where it does that already.
fn load<'a>(
    container: &Container,
    name: &'static str,
    loader: &Loader,
    notes: &mut Vec<String>,
) -> Result<Option<EnvEdit<'a>>, Skip> {
    let is_default = matches!(loader, Loader::Default(_));
    let Some(present) = container.env(name) else {
        if !is_default && has_env_from(container) {
            let container = Name::new(&container.name);
            notes.push(format!(
                "{name} overrides the value that envFrom may provide in container {container}"
            ));
        }
        let (prefix, suffix) = loader.affixes("").unwrap_or_default();
        return Ok(Some(EnvEdit::Append(EnvVar::new(name.into(), &(prefix + &suffix)))));
    };
    if is_default {
        return Ok(None);
    }
    let unreadable = || {
        let (has_source, container) = (present.has_source(), Name::new(&container.name));
        match has_source {
            true => Skip::ValueFrom { container, variable: name },
            false => Skip::NotAString { container, variable: name },
        }
    };
    let value = present.literal().ok_or_else(unreadable)?;
    let affixes = loader.affixes(&value);
    Ok(affixes.map(|(prefix, suffix)| EnvEdit::Extend(Extension { name, prefix, suffix })))
}

/// Whether variables come from config maps or secrets, whose keys cannot be seen here.
fn has_env_from(container: &Container) -> bool {
    let env_from = container.text("envFrom");
    env_from.is_some_and(|list| crate::json::compact(list).starts_with("[{"))
}
