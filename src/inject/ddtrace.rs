//! The Datadog library: an init container copies it to a shared directory, variables load it.

use std::borrow::Cow;

use super::parts::{
    container, env_vars, fixed_mount, fixed_volume, image, mount, security_context, traced,
};
use super::{Context, Plan, Skip, container_name};
use crate::json::Value;
use crate::pod::{Container, EnvEdit, EnvVar, Place, Pod};
use crate::settings::{DdtraceRule, Language, Rule, Variable, VariableValue};

pub(crate) const INIT_CONTAINER: &str = "datakit-lib-init";
const VOLUME: &str = "datakit-auto-instrument";
const DIRECTORY: &str = "/datadog-lib";
const TAGS: &str = "DD_TAGS";

/// Plans the library of a language, in the version that the annotation asks for.
pub(crate) fn plan<'a>(
    pod: &Pod<'_, 'a>,
    rule: &DdtraceRule<'a>,
    version: Option<&str>,
    context: Context,
) -> Result<Plan<'a>, Skip> {
    let annotation = DdtraceRule::KIND.annotation(Some(rule.language));
    let image = image(&rule.base, version, annotation, context)?;
    let mut plan = Plan::default();
    let containers = traced(pod, context, &mut plan.notes)?;
    fixed_volume(pod, VOLUME, context, &mut plan.edits)?;

    let variables = env_vars(&rule.base.envs, pod);
    let mount = mount(VOLUME, DIRECTORY);
    for (place, container) in containers {
        fixed_mount((place, container), &mount, &mut plan.edits)?;
        env((place, container), rule, &variables, &mut plan)?;
    }

    let mut init = container(INIT_CONTAINER, &image, &rule.base);
    init.body.set("command", command(rule));
    init.mounts.push(mount);
    init.set_security_context(security_context(context));
    plan.edits.init_containers.push(init);
    Ok(plan)
}

fn command(rule: &DdtraceRule) -> Value<'static> {
    if rule.language == Language::Php {
        let flavor = rule.php_loader_flavor;
        let script = format!(
            "/datadog-init/copy-lib.sh {DIRECTORY} && cp \
             {DIRECTORY}/{flavor}/loader/dd_library_loader.ini {DIRECTORY}/dd_library_loader.ini"
        );
        return Value::new(&["sh", "-c", &script]);
    }
    Value::new(&["sh", "copy-lib.sh", DIRECTORY])
}

/// How a language's variable is set from the value that is there.
pub(super) enum Loader {
    /// Set to this where nothing is there; what is there stays.
    Default(&'static str),
    /// Made from what is there, empty where nothing is.
    From(fn(&str) -> String),
}

fn loaders(language: Language) -> &'static [(&'static str, Loader)] {
    match language {
        Language::Java => &[("JAVA_TOOL_OPTIONS", Loader::From(java))],
        Language::Nodejs => &[("NODE_OPTIONS", Loader::From(nodejs))],
        Language::Python => &[("PYTHONPATH", Loader::From(python))],
        Language::Php => &[
            ("DD_LOADER_PACKAGE_PATH", Loader::Default(DIRECTORY)),
            ("PHP_INI_SCAN_DIR", Loader::From(php)),
        ],
        // The Datadog library has no loader for Go, and no rule has that language.
        Language::Golang => &[],
    }
}

fn java(present: &str) -> String {
    with_option(present, " -javaagent:/datadog-lib/dd-java-agent.jar")
}

fn nodejs(present: &str) -> String {
    with_option(present, " --require=/datadog-lib/node_modules/dd-trace/init")
}

/// Adds an option, with the space before it, to those that are present; but not twice.
pub(super) fn with_option(present: &str, option: &str) -> String {
    if present.contains(option.trim_start()) {
        return present.to_owned();
    }
    format!("{present}{option}")
}

fn python(present: &str) -> String {
    match present {
        "" => "/datadog-lib/".to_owned(),
        _ if present.split(':').any(|path| path == "/datadog-lib/") => present.to_owned(),
        _ => format!("/datadog-lib/:{present}"),
    }
}

fn php(present: &str) -> String {
    match present {
        "" => "/usr/local/etc/php/conf.d:/datadog-lib".to_owned(),
        _ if present.split(':').any(|path| path == DIRECTORY) => present.to_owned(),
        _ => format!("{present}:{DIRECTORY}"),
    }
}

/// Plans the environment of a container.
fn env<'a>(
    (place, container): (Place, &Container),
    rule: &DdtraceRule,
    variables: &[EnvVar<'a>],
    plan: &mut Plan<'a>,
) -> Result<(), Skip> {
    let loaders = loaders(rule.language);
    plan.edits.env.reserve(loaders.len().saturating_add(variables.len()));
    for (name, loader) in loaders {
        let edit = load(container, name, loader, &mut plan.notes)?;
        plan.edits.env.extend(edit.map(|edit| (place, edit)));
    }
    let loaded = |name: &str| loaders.iter().any(|(loaded, _)| *loaded == name);
    let mut merged = None;
    for variable in variables {
        if loaded(&variable.name) {
            continue;
        }
        if container.env(&variable.name).is_none() {
            plan.edits.env.push((place, EnvEdit::Append(variable.clone())));
        } else if variable.name == TAGS {
            merged = merged_tags(container, &rule.base.envs, &mut plan.notes);
        }
    }
    if let Some(tags) = merged {
        plan.edits.env.push((place, EnvEdit::Remove(TAGS)));
        plan.edits.env.push((place, EnvEdit::Append(EnvVar::new(TAGS.into(), &tags))));
    }
    Ok(())
}

/// Plans one variable that loads a library; nothing where it does that already.
pub(super) fn load<'a>(
    container: &Container,
    name: &'static str,
    loader: &Loader,
    notes: &mut Vec<String>,
) -> Result<Option<EnvEdit<'a>>, Skip> {
    let Some(present) = container.env(name) else {
        if let Loader::From(_) = loader
            && has_env_from(container)
        {
            let container = container_name(&container.name);
            notes.push(format!("a {name} that envFrom gives to container {container} is replaced"));
        }
        let value = match loader {
            Loader::Default(value) => (*value).to_owned(),
            Loader::From(make) => make(""),
        };
        return Ok(Some(EnvEdit::Append(EnvVar::new(name.into(), &value))));
    };
    let Loader::From(make) = loader else {
        return Ok(None);
    };
    let from_elsewhere =
        || Skip::ValueFrom { container: container_name(&container.name), variable: name };
    let present = present.literal().ok_or_else(from_elsewhere)?;
    let value = make(&present);
    Ok((value != *present).then_some(EnvEdit::Set(name, value)))
}

/// Whether variables come from config maps or secrets, whose names nobody here knows.
fn has_env_from(container: &Container) -> bool {
    let env_from = container.text("envFrom");
    env_from.is_some_and(|list| crate::json::compact(list).starts_with("[{"))
}

/// The container's tags, then the configured ones whose key it does not set.
///
/// Nothing where the two cannot be merged.
fn merged_tags(
    container: &Container,
    configured: &[Variable],
    notes: &mut Vec<String>,
) -> Option<String> {
    let VariableValue::Literal(configured) =
        &configured.iter().find(|variable| variable.name == TAGS)?.value
    else {
        return None;
    };
    let present: Cow<str> = container.env(TAGS)?.literal()?;
    // The merged entry goes to the end, because the configured tags refer to injected variables.
    // A variable between there and here that refers to the tags would lose them.
    let refers = |text: Cow<str>| text.contains("$(DD_TAGS)");
    let is_referred_to = container.env.iter().filter_map(|variable| variable.literal()).any(refers);
    if is_referred_to || container.env.iter().filter(|variable| variable.name == TAGS).count() > 1 {
        let container = container_name(&container.name);
        notes.push(format!("{TAGS} of container {container} is left as it is, without new tags"));
        return None;
    }
    let key = |tag: &str| tag.split_once(':').map_or(tag, |(key, _)| key).trim().to_owned();
    let own: Vec<String> = present.split(',').map(key).collect();
    let mut tags = present.trim_end_matches(',').to_owned();
    for tag in configured.split(',').filter(|tag| !tag.is_empty() && !own.contains(&key(tag))) {
        if !tags.is_empty() {
            tags.push(',');
        }
        tags.push_str(tag);
    }
    Some(tags)
}
