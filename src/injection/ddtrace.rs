//! The Datadog library: an init container copies it to a shared directory, variables load it.

use std::borrow::Cow;

use super::containers;
use super::parts::env_vars;
use super::tracing::{load_all, plan_agent};
use super::{
    Ask, COMMON, InjectBlock, Injection, Plan, Planner, Precedence, RuleList, RuleSource, Variant,
};
use crate::collections::set;
use crate::injection::agent::{Agent, Command, Loader};
use crate::injection::skip::{ContainerName as Name, Skip};
use crate::pod::Pod;
use crate::pod::container::{Container, ContainerRef, EnvEdit, EnvVar, Extension};
use crate::reader::Errors;
use crate::reader::one_of;
use crate::rules::env::{VariableValue, refers_to};

pub(super) static INJECTION: Injection = Injection {
    name: "ddtrace",
    block: Some(InjectBlock {
        keys: &["php_loader_flavor"],
        has_default_resources: false,
        selects_up_to_1_5: true,
        language_since_1_7: Some("java"),
        ..InjectBlock::named("ddtrace")
    }),
    list: RuleList { keys: &["php_loader_flavor"], ..RuleList::v2("ddtraces") },
    variants: &[
        Variant {
            language: Some("java"),
            image_key: Some("java_agent_image"),
            annotations: &["admission.datakit/java-lib.version"],
            asks_in_block: true,
            agent: Some(&JAVA),
            ..Variant::reading(read)
        },
        Variant {
            language: Some("python"),
            image_key: Some("python_agent_image"),
            annotations: &["admission.datakit/python-lib.version"],
            asks_in_block: true,
            agent: Some(&PYTHON),
            ..Variant::reading(read)
        },
        Variant {
            language: Some("nodejs"),
            aliases: &["js"],
            image_key: Some("js_agent_image"),
            annotations: &[
                "admission.datakit/nodejs-lib.version",
                "admission.datakit/js-lib.version",
            ],
            asks_in_block: true,
            agent: Some(&NODEJS),
            ..Variant::reading(read)
        },
        Variant {
            language: Some("php"),
            image_key: Some("php_agent_image"),
            annotations: &["admission.datakit/php-lib.version"],
            agent: Some(&PHP),
            ..Variant::reading(read)
        },
    ],
    container: Some(containers::LIB_INIT),
    precedence: Precedence { gives_way_to: Some(containers::OTEL_LIB_INIT), ..COMMON.precedence },
    volumes: &[VOLUME],
    ..COMMON
};

const VOLUME: &str = "datakit-auto-instrument";
const DIRECTORY: &str = "/datadog-lib";
const TAGS: &str = "DD_TAGS";

const JAVA: Agent = Agent {
    volume: VOLUME,
    directory: DIRECTORY,
    command: Command::Fixed(&["sh", "copy-lib.sh", DIRECTORY]),
    library: Some("dd-java-agent.jar"),
    loaders: &[("JAVA_TOOL_OPTIONS", Loader::Option(" -javaagent:/datadog-lib/dd-java-agent.jar"))],
};

const NODEJS: Agent = Agent {
    library: None,
    loaders: &[(
        "NODE_OPTIONS",
        Loader::Option(" --require=/datadog-lib/node_modules/dd-trace/init"),
    )],
    ..JAVA
};

const PYTHON: Agent = Agent {
    library: None,
    loaders: &[(
        "PYTHONPATH",
        Loader::Paths { first: Some("/datadog-lib/"), absent: None, last: None },
    )],
    ..JAVA
};

const PHP: Agent = Agent {
    library: None,
    command: Command::Script(php_script),
    loaders: &[
        ("DD_LOADER_PACKAGE_PATH", Loader::Default(DIRECTORY)),
        (
            "PHP_INI_SCAN_DIR",
            Loader::Paths {
                first: None,
                absent: Some("/usr/local/etc/php/conf.d"),
                last: Some(DIRECTORY),
            },
        ),
    ],
    ..JAVA
};

fn php_script(flavor: &str) -> String {
    format!(
        "/datadog-init/copy-lib.sh {DIRECTORY} && cp \
         {DIRECTORY}/{flavor}/loader/dd_library_loader.ini {DIRECTORY}/dd_library_loader.ini"
    )
}

/// The C library of the PHP images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PhpLoaderFlavor {
    #[default]
    Gnu,
    Musl,
}

impl PhpLoaderFlavor {
    /// The values of `php_loader_flavor`, the default first.
    pub(crate) const NAMES: &'static [(&'static str, Self)] =
        &[("linux-gnu", Self::Gnu), ("linux-musl", Self::Musl)];

    fn name(self) -> &'static str {
        match self {
            Self::Gnu => "linux-gnu",
            Self::Musl => "linux-musl",
        }
    }
}

#[derive(Debug)]
struct Ddtrace {
    agent: &'static Agent,
    flavor: PhpLoaderFlavor,
}

fn read<'a>(source: RuleSource<'_, 'a>, errors: &mut Errors) -> Option<Box<dyn Planner<'a> + 'a>> {
    let flavor = one_of(source.section, "php_loader_flavor", PhpLoaderFlavor::NAMES, errors);
    Some(Box::new(Ddtrace { agent: source.variant.agent?, flavor }))
}

impl<'a> Planner<'a> for Ddtrace {
    fn plan(&self, pod: &Pod<'_, 'a>, ask: &Ask<'_, 'a>) -> Result<Plan<'a>, Skip> {
        let variables = env_vars(ask, pod);
        plan_agent(self.agent, self.flavor.name(), pod, ask, |container, plan| {
            plan_env(self.agent, container, ask, &variables, plan)
        })
    }
}

/// Plans the environment of a container.
fn plan_env<'a>(
    agent: &Agent,
    (place, container): (ContainerRef, &Container<'a>),
    ask: &Ask<'_, 'a>,
    variables: &[EnvVar<'a>],
    plan: &mut Plan<'a>,
) -> Result<(), Skip> {
    let new = load_all(agent, (place, container), variables, plan)?;
    let merged = merged_tags(container, ask, &mut plan.notes);
    // The merged tags go to the end, because they refer to variables that are injected; whatever
    // refers to them, directly or not, goes after them.
    let mut late: Vec<&str> = vec![TAGS];
    for variable in ask.rule.envs.iter().filter(|_| merged.is_some()) {
        if variable.refers_to_any(&late) {
            late.push(&variable.name);
        }
    }
    let is_late = |variable: &&EnvVar| merged.is_some() && late.contains(&&*variable.name);
    let (after_tags, before_tags): (Vec<&EnvVar>, Vec<&EnvVar>) =
        new.into_iter().partition(is_late);
    let append = |variable: &EnvVar<'a>| (place, EnvEdit::Append(variable.clone()));
    plan.edits.env.extend(before_tags.into_iter().map(append));
    plan.edits.env.extend(merged.map(|tags| (place, EnvEdit::Move(tags))));
    plan.edits.env.extend(after_tags.into_iter().map(append));
    Ok(())
}

/// What comes after the container's tags: the configured ones whose key it does not set.
///
/// Nothing where the two cannot be merged.
fn merged_tags(container: &Container, ask: &Ask, notes: &mut Vec<String>) -> Option<Extension> {
    let configured = ask.rule.envs.iter().find(|variable| variable.name == TAGS)?;
    let VariableValue::Literal(configured) = &configured.value else {
        return None;
    };
    let present: Cow<str> = container.env(TAGS)?.literal()?;
    // A variable that the user wrote after the tags and that refers to them would lose them.
    let after = container.env.iter().skip_while(|variable| variable.name != TAGS).skip(1);
    let is_referred_to = after.filter_map(EnvVar::literal).any(|text| refers_to(&text, TAGS));
    if is_referred_to || container.env.iter().filter(|variable| variable.name == TAGS).count() > 1 {
        let container = Name::new(&container.name);
        notes.push(format!("{TAGS} of container {container} is kept without the configured tags"));
        return None;
    }
    let key = |tag: &str| tag.split_once(':').map_or(tag, |(key, _)| key).trim().to_owned();
    let separator = separator(&present);
    let own = set(tags(&present).map(key));
    let mut suffix = String::new();
    let mut has_spaces = false;
    for tag in tags(configured).filter(|tag| !tag.is_empty() && !own.contains(&key(tag))) {
        let tag = if separator == ' ' { tag.trim() } else { tag };
        if separator == ' ' && tag.contains(char::is_whitespace) {
            has_spaces = true;
            continue;
        }
        let so_far = if suffix.is_empty() { &*present } else { &suffix };
        let is_separated = so_far.ends_with(|char| is_between(char, separator));
        if !so_far.is_empty() && !is_separated {
            suffix.push(separator);
        }
        suffix.push_str(tag);
    }
    if has_spaces {
        let container = Name::new(&container.name);
        notes.push(format!(
            "configured tags with spaces are left out of {TAGS} of container {container}, whose \
             tags are separated by spaces"
        ));
    }
    Some(Extension { name: TAGS, prefix: String::new(), suffix })
}

/// The tags in a text. The libraries read both separators, and commas alone where there is one.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    let separator = separator(text);
    text.split(move |char| is_between(char, separator))
}

fn separator(tags: &str) -> char {
    match !tags.contains(',') && tags.split_whitespace().nth(1).is_some() {
        true => ' ',
        false => ',',
    }
}

fn is_between(char: char, separator: char) -> bool {
    if separator == ' ' { char.is_whitespace() } else { char == separator }
}
