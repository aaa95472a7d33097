//! A checked rule: what every injection takes from the settings.

mod env;
mod image;
mod quantity;

use std::borrow::Cow;
use std::fmt;

pub(crate) use env::{PLACEHOLDERS, Placeholders, Variable, VariableValue, references, refers_to};
pub use image::{ImageReference, ImageReferenceError};
pub(crate) use quantity::nanos;

use crate::reader::{Block, Case, Errors, Path, did_you_mean};

/// The part that every rule has.
#[derive(Clone, Debug)]
pub(crate) struct Rule<'a> {
    /// The image; nothing where `admission_inject` has none for the language.
    pub(crate) image: Option<ImageReference>,
    pub(crate) image_pull_policy: PullPolicy,
    /// The variables, in the order of injection.
    pub(crate) envs: Vec<Variable<'a>>,
    pub(crate) resources: Resources<'a>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PullPolicy {
    #[default]
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    /// The values of `image_pull_policy`, the default first.
    pub(crate) const NAMES: &'static [(&'static str, Self)] =
        &[("Always", Self::Always), ("IfNotPresent", Self::IfNotPresent), ("Never", Self::Never)];
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, policy)| policy == self);
        formatter.write_str(name.map_or("Always", |(name, _)| name))
    }
}

/// The resources of a container: quantities as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resources<'a> {
    /// `requests`: name and quantity.
    pub(crate) requests: Vec<(&'static str, Cow<'a, str>)>,
    /// `limits`: name and quantity.
    pub(crate) limits: Vec<(&'static str, Cow<'a, str>)>,
    /// Whether the settings give them; else they are the defaults.
    pub(crate) is_explicit: bool,
}

/// The names of the resources that settings may give.
const RESOURCE_NAMES: &[&str] = &["cpu", "memory"];

impl<'a> Rule<'a> {
    /// The keys that every rule of `admission_inject_v2` may have: the Operator reads all of them
    /// in every rule.
    pub(crate) const KEYS: &'static [&'static str] = &[
        "name",
        "namespace_selectors",
        "label_selectors",
        "language",
        "check_annotation",
        "image",
        "image_pull_policy",
        "envs",
        "resources",
    ];

    /// The keys that every block of `admission_inject` may have. `options` has no effect here, as
    /// in the Operator since release 1.5.12.
    pub(crate) const BLOCK_KEYS: &'static [&'static str] = &[
        "enabled_namespaces",
        "enabled_labelselectors",
        "images",
        "envs",
        "resources",
        "image_pull_policy",
        "options",
    ];

    /// Reads the part that every rule has; the image is the caller's, who knows its key.
    pub(crate) fn read(
        block: &Block<'_, 'a>,
        image: Option<ImageReference>,
        placeholders: Placeholders,
        has_default_resources: bool,
        errors: &mut Errors,
    ) -> Self {
        let mut resources = Resources::read(block, errors);
        if !resources.is_explicit && has_default_resources {
            resources = Resources::of_sidecars();
        }
        Self {
            image,
            image_pull_policy: one_of(block, "image_pull_policy", PullPolicy::NAMES, errors),
            envs: env::read(block, placeholders, errors),
            resources,
        }
    }

    /// The string that a variable is set to.
    pub(crate) fn literal(&self, name: &str) -> Option<&Cow<'a, str>> {
        let variable = self.envs.iter().find(|variable| variable.name == name)?;
        match &variable.value {
            VariableValue::Literal(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> Resources<'a> {
    /// The resources of an added container where the settings give none.
    fn of_sidecars() -> Self {
        Self {
            requests: vec![("cpu", "100m".into()), ("memory", "64Mi".into())],
            limits: vec![("cpu", "500m".into()), ("memory", "512Mi".into())],
            is_explicit: false,
        }
    }

    fn read(block: &Block<'_, 'a>, errors: &mut Errors) -> Self {
        let Some(resources) = block.block("resources", Case::Insensitive, errors) else {
            return Self::default();
        };
        resources.check_keys(&["requests", "limits"], errors);
        let mut list = |key| match resources.block(key, Case::Insensitive, errors) {
            None => Vec::new(),
            Some(list) => {
                list.check_keys(RESOURCE_NAMES, errors);
                let quantity = |&name: &&'static str| {
                    Some((name, list.scalar(name, errors).filter(|text| !text.is_empty())?))
                };
                RESOURCE_NAMES.iter().filter_map(quantity).collect()
            }
        };
        let (requests, limits): (Vec<_>, Vec<_>) = (list("requests"), list("limits"));
        let is_explicit = !requests.is_empty() || !limits.is_empty();
        let read = Self { requests, limits, is_explicit };
        read.check(&resources, errors);
        read
    }

    fn check(&self, block: &Block, errors: &mut Errors) {
        for (key, list) in [("requests", &self.requests), ("limits", &self.limits)] {
            for (name, quantity) in list {
                if nanos(quantity).is_none() {
                    let path = Path::Key(&block.path, key);
                    let message = "is not a quantity, such as `100m` or `64Mi`";
                    errors.add(&Path::Key(&path, name), message);
                }
            }
        }
        for (name, request) in &self.requests {
            let limit = self.limits.iter().find(|(other, _)| other == name);
            if let Some((_, limit)) = limit
                && let (Some(request), Some(limit)) = (nanos(request), nanos(limit))
                && request > limit
            {
                let path = Path::Key(&block.path, "requests");
                errors.add(&Path::Key(&path, name), "is more than the limit");
            }
        }
    }
}

/// Reads an image at a key; nothing where it is absent or wrong.
pub(crate) fn image(block: &Block, key: &str, errors: &mut Errors) -> Option<ImageReference> {
    let text = block.string(key, errors)?;
    match ImageReference::parse(&text) {
        Ok(image) => Some(image),
        Err(error) => {
            block.error(key, error, errors);
            None
        }
    }
}

/// Reads one of some names at a key; the default where nothing is there, or an empty string.
pub(crate) fn one_of<T: Copy + Default>(
    block: &Block,
    key: &str,
    names: &[(&str, T)],
    errors: &mut Errors,
) -> T {
    let Some(text) = block.string(key, errors).filter(|text| !text.is_empty()) else {
        return T::default();
    };
    let found = names.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        unknown(block, key, "value", &text, &names, errors);
    }
    found.map_or_else(T::default, |(_, value)| *value)
}

/// Adds the error that a name is unknown, with the nearest known one, else all of them.
pub(crate) fn unknown(
    block: &Block,
    key: &str,
    noun: &str,
    text: &str,
    known: &[&str],
    errors: &mut Errors,
) {
    let hint = match did_you_mean(text, known) {
        hint if hint.is_empty() => format!("; expected one of {}", known.join(", ")),
        hint => hint,
    };
    block.error(key, format_args!("unknown {noun} `{text}`{hint}"), errors);
}

/// Whether a container can mount a volume there: absolute, clean, not the root, without `:`.
///
/// One slash at the end is allowed: to Kubernetes `/var/log/` is another path than `/var/log`.
pub(crate) fn is_mountable(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else {
        return false;
    };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    !inner.contains([':', '\0']) && inner.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
