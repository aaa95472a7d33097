//! Rules: what is injected into the pods that they select.
//!
//! Rules of `admission_inject` and of `admission_inject_v2` become the same types.

use std::borrow::Cow;

use serde::Deserialize;

use super::env::{self, Placeholders, Variable, VariableValue};
use super::image::ImageReference;
use super::reader::{Block, Case, Faults, Path, did_you_mean};
use super::{Section, quantity};
use crate::json;
use crate::selector::Target;

/// What every rule has.
#[derive(Clone, Debug)]
pub struct Base<'a> {
    /// The image; nothing where `admission_inject` has none for the language.
    pub image: Option<ImageReference>,
    /// When the image is pulled.
    pub image_pull_policy: &'static str,
    /// The variables, in the order in which they are to be injected.
    pub envs: Vec<Variable<'a>>,
    /// The resources of the added container.
    pub resources: Option<Resources<'a>>,
}

/// The resources of a container: quantities as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources<'a> {
    /// `requests`: name and quantity.
    pub requests: Vec<(&'static str, Cow<'a, str>)>,
    /// `limits`: name and quantity.
    pub limits: Vec<(&'static str, Cow<'a, str>)>,
}

/// A ddtrace library to inject.
#[derive(Clone, Debug)]
pub struct DdtraceRule<'a> {
    /// What every rule has.
    pub base: Base<'a>,
    /// The language.
    pub language: Language,
    /// The C library of the PHP images: `linux-gnu` or `linux-musl`.
    pub php_loader_flavor: &'static str,
}

/// An OpenTelemetry agent to inject.
#[derive(Clone, Debug)]
pub struct OtelRule<'a> {
    /// What every rule has.
    pub base: Base<'a>,
    /// The language.
    pub language: Language,
}

/// A logfwd sidecar to inject.
#[derive(Clone, Debug)]
pub struct LogfwdRule<'a> {
    /// What every rule has.
    pub base: Base<'a>,
    /// The static configuration: its compacted JSON and the paths in it.
    pub log_configs: Option<(String, Vec<String>)>,
    /// Directories to share besides.
    pub log_volume_paths: Vec<Cow<'a, str>>,
    /// Whether the sidecar sees the labels of the pod as a file.
    pub pod_info: bool,
}

/// A flameshot sidecar to inject.
#[derive(Clone, Debug)]
pub struct FlameshotRule<'a> {
    /// What every rule has.
    pub base: Base<'a>,
    /// The processes to profile, as JSON.
    pub processes: Cow<'a, str>,
    /// The directory that is shared.
    pub profiling_path: String,
    /// The port of its HTTP server.
    pub port: u16,
    /// Whether the pod gets annotations for Prometheus.
    pub prometheus_annotations: bool,
}

/// A profiler sidecar to inject.
#[derive(Clone, Debug)]
pub struct ProfilerRule<'a> {
    /// What every rule has.
    pub base: Base<'a>,
    /// The language.
    pub language: Language,
}

/// A `datakit/logs` annotation to add.
#[derive(Clone, Debug)]
pub struct LoggingRule<'a> {
    /// The annotation, verbatim.
    pub config: Cow<'a, str>,
    /// The paths of its enabled files.
    pub paths: Vec<String>,
}

/// A language that some injection knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Java.
    Java,
    /// Python.
    Python,
    /// Node.js.
    Nodejs,
    /// PHP.
    Php,
    /// Go.
    Golang,
}

impl Language {
    /// The name in annotations and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Python => "python",
            Self::Nodejs => "nodejs",
            Self::Php => "php",
            Self::Golang => "golang",
        }
    }
}

/// A way to read one kind of rule.
///
/// Everything but the last step is the same code for all kinds: it works on their [`Kind`].
pub(crate) trait Rule<'a>: Sized {
    const KIND: Kind;

    /// Reads what is the section's own.
    fn read(found: Found<'_, 'a>, faults: &mut Faults) -> Option<Self>;
}

/// What tells one kind of rule from another.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) section: Section,
    /// The keys of a rule in `admission_inject_v2`, besides those of [`RULE_KEYS`].
    pub(crate) keys: &'static [&'static str],
    /// The languages it knows, in the order in which annotations are looked for.
    pub(crate) languages: &'static [Language],
}

/// A rule that was found, its base already read.
pub(crate) struct Found<'b, 'a> {
    pub(crate) block: &'b Block<'b, 'a>,
    pub(crate) base: Base<'a>,
    pub(crate) language: Option<Language>,
    pub(crate) generation: Generation,
}

impl Kind {
    /// Whether a rule is switched off though it selects pods.
    pub(crate) fn is_off(&self, block: &Block) -> bool {
        // An empty `processes` is the Operator's way to switch a rule off.
        let processes = || block.get("processes").and_then(json::Value::as_str);
        self.section == Section::Flameshot
            && processes().is_some_and(|processes| processes.trim().is_empty())
    }

    /// The annotation that asks for an injection, or chooses its version; empty where none does.
    pub(crate) fn annotation(&self, language: Option<Language>) -> &'static str {
        match (self.section, language) {
            (Section::Ddtrace, Some(Language::Java)) => "admission.datakit/java-lib.version",
            (Section::Ddtrace, Some(Language::Python)) => "admission.datakit/python-lib.version",
            (Section::Ddtrace, Some(Language::Nodejs)) => "admission.datakit/nodejs-lib.version",
            (Section::Ddtrace, Some(Language::Php)) => "admission.datakit/php-lib.version",
            (Section::Otel, Some(Language::Java)) => "admission.datakit/otel-java-lib.version",
            (Section::Otel, Some(Language::Python)) => "admission.datakit/otel-python-lib.version",
            (Section::Otel, Some(Language::Nodejs)) => "admission.datakit/otel-nodejs-lib.version",
            (Section::Profiler, Some(Language::Java)) => "admission.datakit/java-profiler.version",
            (Section::Profiler, Some(Language::Python)) => {
                "admission.datakit/python-profiler.version"
            }
            (Section::Profiler, Some(Language::Golang)) => {
                "admission.datakit/golang-profiler.version"
            }
            (Section::Logfwd, _) => "admission.datakit/logfwd.instances",
            _ => "",
        }
    }

    /// That annotation on a pod, and its value.
    pub(crate) fn asked<'a>(
        &self,
        target: &Target<'_, 'a>,
        language: Option<Language>,
    ) -> Option<(&'static str, Cow<'a, str>)> {
        let is_node = (self.section, language) == (Section::Ddtrace, Some(Language::Nodejs));
        // `js` is another name of Node.js.
        let js = is_node.then_some("admission.datakit/js-lib.version");
        let mut annotations = [Some(self.annotation(language)), js].into_iter().flatten();
        annotations.find_map(|name| Some((name, target.annotations.get(name)?)))
    }
}

/// Where a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// `admission_inject`.
    V1,
    /// `admission_inject_v2`.
    V2,
}

/// The keys that every rule of `admission_inject_v2` has.
pub(crate) const RULE_KEYS: &[&str] = &[
    "name",
    "namespace_selectors",
    "label_selectors",
    "image",
    "image_pull_policy",
    "envs",
    "resources",
];

/// The keys of a rule of `admission_mutate.loggings`.
pub(crate) const LOGGING_KEYS: &[&str] = &["namespace_selectors", "label_selectors", "config"];

/// The values of `image_pull_policy`, the default first.
pub(crate) const IMAGE_PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];

/// The values of `php_loader_flavor`, the default first.
pub(crate) const PHP_LOADER_FLAVORS: &[&str] = &["linux-gnu", "linux-musl"];

impl<'a> Base<'a> {
    /// Reads a rule's base; the image is the caller's, who knows where it stands.
    pub(crate) fn read(
        block: &Block<'_, 'a>,
        image: Option<ImageReference>,
        generation: Generation,
        default_resources: bool,
        faults: &mut Faults,
    ) -> Self {
        let placeholders = match generation {
            Generation::V1 => Placeholders::Fields,
            Generation::V2 => Placeholders::All,
        };
        let resources = Resources::read(block, faults);
        Self {
            image,
            image_pull_policy: one_of(block, "image_pull_policy", IMAGE_PULL_POLICIES, faults),
            envs: env::read(block, placeholders, faults),
            resources: resources.or_else(|| default_resources.then(Resources::of_sidecars)),
        }
    }
}

impl<'a> Resources<'a> {
    /// What an added container asks for where the settings do not say.
    fn of_sidecars() -> Self {
        Self {
            requests: vec![("cpu", "100m".into()), ("memory", "64Mi".into())],
            limits: vec![("cpu", "500m".into()), ("memory", "512Mi".into())],
        }
    }

    fn read(block: &Block<'_, 'a>, faults: &mut Faults) -> Option<Self> {
        let resources = block.block("resources", Case::Insensitive, faults)?;
        resources.check_keys(&["requests", "limits"], faults);
        let mut list = |key| match resources.block(key, Case::Insensitive, faults) {
            None => Vec::new(),
            Some(list) => {
                list.check_keys(&["cpu", "memory"], faults);
                let quantity = |name| Some((name, list.scalar(name, faults)?));
                ["cpu", "memory"].into_iter().filter_map(quantity).collect()
            }
        };
        let (requests, limits) = (list("requests"), list("limits"));
        let read = Self { requests, limits };
        read.check(&resources, faults);
        (!read.requests.is_empty() || !read.limits.is_empty()).then_some(read)
    }

    fn check(&self, block: &Block, faults: &mut Faults) {
        for (key, list) in [("requests", &self.requests), ("limits", &self.limits)] {
            for (name, quantity) in list {
                if quantity::nanos(quantity).is_none() {
                    let path = Path::Key(&block.path, key);
                    let message = "is not a quantity, such as `100m` or `64Mi`";
                    faults.add(&Path::Key(&path, name), message);
                }
            }
        }
        for (name, request) in &self.requests {
            let limit = self.limits.iter().find(|(other, _)| other == name);
            if let Some((_, limit)) = limit
                && let (Some(request), Some(limit)) =
                    (quantity::nanos(request), quantity::nanos(limit))
                && request > limit
            {
                let path = Path::Key(&block.path, "requests");
                faults.add(&Path::Key(&path, name), "is more than the limit");
            }
        }
    }
}

/// Reads an image at a key; nothing where it is absent or has a fault.
pub(crate) fn image(block: &Block, key: &str, faults: &mut Faults) -> Option<ImageReference> {
    let text = block.string(key, faults)?;
    match ImageReference::parse(&text) {
        Ok(image) => Some(image),
        Err(error) => {
            block.fault(key, error, faults);
            None
        }
    }
}

/// Reads a language at a key; `js` is Node.js, as in the Operator.
pub(crate) fn language(block: &Block, known: &[Language], faults: &mut Faults) -> Option<Language> {
    let names: Vec<&str> = known.iter().map(|language| language.name()).collect();
    let Some(text) = block.string("language", faults) else {
        if block.get("language").is_none() {
            block.fault("language", format_args!("is needed: {}", names.join(", ")), faults);
        }
        return None;
    };
    let name = if text == "js" { "nodejs" } else { &*text };
    let found = known.iter().find(|language| language.name() == name).copied();
    if found.is_none() {
        let hint = match did_you_mean(&text, &names) {
            hint if hint.is_empty() => format!("; known are {}", names.join(", ")),
            hint => hint,
        };
        block.fault("language", format_args!("unknown language `{text}`{hint}"), faults);
    }
    found
}

/// Reads one of some values at a key; the first where nothing is there.
fn one_of(
    block: &Block,
    key: &str,
    values: &'static [&'static str],
    faults: &mut Faults,
) -> &'static str {
    let default = values.first().copied().unwrap_or_default();
    let Some(text) = block.string(key, faults).filter(|text| !text.is_empty()) else {
        return default;
    };
    let found = values.iter().find(|value| **value == text);
    if found.is_none() {
        let hint = match did_you_mean(&text, values) {
            hint if hint.is_empty() => format!("; known are {}", values.join(", ")),
            hint => hint,
        };
        block.fault(key, format_args!("unknown value `{text}`{hint}"), faults);
    }
    found.copied().unwrap_or(default)
}

impl<'a> Rule<'a> for DdtraceRule<'a> {
    const KIND: Kind = Kind {
        section: Section::Ddtrace,
        keys: &["language", "check_annotation", "php_loader_flavor"],
        languages: &[Language::Java, Language::Python, Language::Nodejs, Language::Php],
    };

    fn read(found: Found<'_, 'a>, faults: &mut Faults) -> Option<Self> {
        let flavor = one_of(found.block, "php_loader_flavor", PHP_LOADER_FLAVORS, faults);
        Some(Self { base: found.base, language: found.language?, php_loader_flavor: flavor })
    }
}

impl<'a> Rule<'a> for OtelRule<'a> {
    const KIND: Kind = Kind {
        section: Section::Otel,
        keys: &["language", "check_annotation"],
        languages: &[Language::Java, Language::Python, Language::Nodejs],
    };

    fn read(found: Found<'_, 'a>, _: &mut Faults) -> Option<Self> {
        Some(Self { base: found.base, language: found.language? })
    }
}

impl<'a> Rule<'a> for LogfwdRule<'a> {
    const KIND: Kind = Kind {
        section: Section::Logfwd,
        keys: &["check_annotation", "log_configs", "log_volume_paths"],
        languages: &[],
    };

    fn read(found: Found<'_, 'a>, faults: &mut Faults) -> Option<Self> {
        let Found { block, base, generation, .. } = found;
        let text = block.string("log_configs", faults).filter(|text| !text.trim().is_empty());
        let log_configs = text.and_then(|text| match LogConfig::parse(&text) {
            Ok(configs) => {
                let paths = configs.into_iter().filter_map(|config| config.path).collect();
                Some((json::compact(&text), paths))
            }
            Err(error) => {
                block.fault("log_configs", error, faults);
                None
            }
        });
        let log_volume_paths =
            block.strings("log_volume_paths", faults, |path, directory, faults| {
                let is_absolute = directory.starts_with('/');
                if !is_absolute {
                    faults.add(path, "is not an absolute path");
                }
                is_absolute.then_some(directory)
            });
        Some(Self { base, log_configs, log_volume_paths, pod_info: generation == Generation::V2 })
    }
}

impl<'a> Rule<'a> for FlameshotRule<'a> {
    const KIND: Kind = Kind {
        section: Section::Flameshot,
        keys: &["processes", "enable_prometheus_annotations"],
        languages: &[],
    };

    fn read(found: Found<'_, 'a>, faults: &mut Faults) -> Option<Self> {
        let Found { block, base, .. } = found;
        let prometheus_annotations = block.boolean("enable_prometheus_annotations", faults);
        let processes = block.string("processes", faults);
        if block.get("processes").is_none() {
            block.fault("processes", "is needed: the processes to profile, as JSON", faults);
        }
        let literal = |name: &str| {
            let variable = base.envs.iter().find(|variable| variable.name == name)?;
            match &variable.value {
                VariableValue::Literal(text) => Some(text.clone()),
                _ => None,
            }
        };
        let envs = Path::Key(&block.path, "envs");
        let profiling_path = literal("FLAMESHOT_PROFILING_PATH").filter(|path| is_mountable(path));
        if profiling_path.is_none() {
            let path = Path::Key(&envs, "FLAMESHOT_PROFILING_PATH");
            faults.add(&path, "is needed: the directory to share, an absolute path");
        }
        let port = literal("FLAMESHOT_HTTP_LOCAL_PORT").and_then(|port| port.parse().ok());
        let port = port.filter(|port: &u16| *port > 0);
        if port.is_none() {
            let path = Path::Key(&envs, "FLAMESHOT_HTTP_LOCAL_PORT");
            faults.add(&path, "is needed: a port from 1 to 65535");
        }
        let profiling_path = profiling_path?.into_owned();
        Some(Self {
            processes: processes?,
            profiling_path,
            port: port?,
            prometheus_annotations,
            base,
        })
    }
}

impl<'a> Rule<'a> for ProfilerRule<'a> {
    const KIND: Kind = Kind {
        section: Section::Profiler,
        keys: &["language", "check_annotation"],
        languages: &[Language::Java, Language::Python, Language::Golang],
    };

    fn read(found: Found<'_, 'a>, _: &mut Faults) -> Option<Self> {
        Some(Self { base: found.base, language: found.language? })
    }
}

impl<'a> LoggingRule<'a> {
    /// Reads a rule of `admission_mutate.loggings` that is not switched off.
    pub(crate) fn read(block: &Block<'_, 'a>, faults: &mut Faults) -> Option<Self> {
        let Some(config) = block.string("config", faults) else {
            if block.get("config").is_none() {
                block.fault("config", "is needed: a JSON array of objects, as a string", faults);
            }
            return None;
        };
        match LogConfig::parse(&config) {
            Ok(configs) => {
                let is_file = |config: &LogConfig| {
                    !config.disable.unwrap_or(false) && config.kind.as_deref() == Some("file")
                };
                let files = configs.into_iter().filter(is_file);
                let paths = files.filter_map(|config| config.path).collect();
                Some(Self { config, paths })
            }
            Err(error) => {
                block.fault("config", error, faults);
                None
            }
        }
    }
}

/// One entry of a logging configuration, as far as the policy reads it.
#[derive(Debug, Deserialize)]
struct LogConfig {
    disable: Option<bool>,
    #[serde(rename = "type")]
    kind: Option<String>,
    path: Option<String>,
}

impl LogConfig {
    fn parse(text: &str) -> Result<Vec<Self>, String> {
        serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("is not a JSON array of objects: line {line} column {column}")
        })
    }
}

/// Whether a container can mount something there: absolute, clean, not the root, without `:`.
///
/// One slash at the end is allowed: to Kubernetes `/var/log/` is another path than `/var/log`.
pub(crate) fn is_mountable(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else {
        return false;
    };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    !inner.contains([':', '\0']) && inner.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
