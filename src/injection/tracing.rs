//! What the tracing injections share: an agent that an init container copies, and variables load.

use super::parts::{container, fixed_mount, fixed_volume, mount, traced};
use super::{Ask, Container as Name, Plan, Skip};
use crate::json::Value;
use crate::pod::{Container, ContainerRef, EnvEdit, EnvVar, Pod};

/// An agent of one language.
#[derive(Debug)]
pub(super) struct Agent {
    /// The volume that it is copied to.
    pub(super) volume: &'static str,
    /// Where that volume is mounted.
    pub(super) directory: &'static str,
    /// The command that copies it.
    pub(super) command: Command,
    /// The variables that load it.
    pub(super) loaders: &'static [(&'static str, Loader)],
}

#[derive(Debug)]
pub(super) enum Command {
    Fixed(&'static [&'static str]),
    /// A shell script, made for a flavor of the agent.
    Script(fn(&str) -> String),
}

/// How a variable that loads an agent is made from the value that is there.
#[derive(Debug)]
pub(super) enum Loader {
    /// Set to this where nothing is there; what is there stays.
    Default(&'static str),
    /// Appended, with the space before it.
    Option(&'static str),
    /// Appended after one space, or alone.
    SpacedOption(&'static str),
    /// Paths before and after those that are there, separated by colons; `absent` stands for them
    /// where there are none.
    Paths { first: Option<&'static str>, absent: Option<&'static str>, last: Option<&'static str> },
}

impl Loader {
    /// The value to set, which is the present one where that loads the agent already.
    fn value(&self, present: &str) -> String {
        match self {
            Self::Default(value) => (*value).to_owned(),
            Self::Option(option) if !present.contains(option.trim_start()) => {
                format!("{present}{option}")
            }
            Self::SpacedOption(option) if !present.contains(option) => match present {
                "" => (*option).to_owned(),
                _ => format!("{present} {option}"),
            },
            Self::Option(_) | Self::SpacedOption(_) => present.to_owned(),
            Self::Paths { first, absent, last } => {
                let own = first.or(*last);
                if own.is_some_and(|own| present.split(':').any(|path| path == own)) {
                    return present.to_owned();
                }
                let present = Some(present).filter(|present| !present.is_empty()).or(*absent);
                let paths: Vec<&str> = [*first, present, *last].into_iter().flatten().collect();
                paths.join(":")
            }
        }
    }
}

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
    let containers = traced(pod, ask, &mut plan.notes)?;
    fixed_volume(pod, agent.volume, ask, &mut plan.edits)?;
    let mount = mount(agent.volume, agent.directory);
    for (place, container) in containers {
        fixed_mount((place, container), &mount, agent.directory, &mut plan.edits)?;
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

/// Plans one variable that loads an agent; nothing where it does that already.
pub(super) fn load<'a>(
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
        return Ok(Some(EnvEdit::Append(EnvVar::new(name.into(), &loader.value("")))));
    };
    if is_default {
        return Ok(None);
    }
    let value_from = || Skip::ValueFrom { container: Name::new(&container.name), variable: name };
    let present = present.literal().ok_or_else(value_from)?;
    let value = loader.value(&present);
    Ok((value != *present).then_some(EnvEdit::Set(name, value)))
}

/// Whether variables come from config maps or secrets, whose keys cannot be seen here.
fn has_env_from(container: &Container) -> bool {
    let env_from = container.text("envFrom");
    env_from.is_some_and(|list| crate::json::compact(list).starts_with("[{"))
}
