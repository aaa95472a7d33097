//! A checked rule: what every injection takes from the settings.

use std::borrow::Cow;
use std::fmt;

use crate::reader::{Errors, Section, one_of};
use crate::rules::env::{self, Placeholders, Variable, VariableValue};
use crate::rules::image::ImageReference;
use crate::rules::resources::Resources;

/// The part that every rule has.
#[derive(Clone, Debug)]
pub struct Rule<'a> {
    /// The image; nothing where `admission_inject` has none for the language.
    pub image: Option<ImageReference>,
    /// When the image is pulled.
    pub image_pull_policy: PullPolicy,
    /// The variables, in the order of injection.
    pub envs: Vec<Variable<'a>>,
    /// The resources of the added container.
    pub resources: Resources<'a>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    #[default]
    /// At every start.
    Always,
    /// Where the node does not have it.
    IfNotPresent,
    /// Not at all.
    Never,
}

impl PullPolicy {
    /// The values of `image_pull_policy`, the default first.
    pub const NAMES: &'static [(&'static str, Self)] =
        &[("Always", Self::Always), ("IfNotPresent", Self::IfNotPresent), ("Never", Self::Never)];
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, policy)| policy == self);
        formatter.write_str(name.map_or("Always", |(name, _)| name))
    }
}

impl<'a> Rule<'a> {
    /// The keys that every rule of `admission_inject_v2` may have: the Operator reads all of them
    /// in every rule.
    pub const KEYS: &'static [&'static str] = &[
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

    /// The keys that every section of `admission_inject` may have. `options` has no effect here, as
    /// in the Operator since release 1.5.12.
    pub const BLOCK_KEYS: &'static [&'static str] = &[
        "enabled_namespaces",
        "enabled_labelselectors",
        "images",
        "envs",
        "resources",
        "image_pull_policy",
        "options",
    ];

    /// Reads the part that every rule has; the image is the caller's, who knows its key.
    pub fn read(
        section: &Section<'_, 'a>,
        image: Option<ImageReference>,
        placeholders: Placeholders,
        has_default_resources: bool,
        errors: &mut Errors,
    ) -> Self {
        let mut resources = Resources::read(section, errors);
        if !resources.is_explicit && has_default_resources {
            resources = Resources::of_sidecars();
        }
        Self {
            image,
            image_pull_policy: one_of(section, "image_pull_policy", PullPolicy::NAMES, errors),
            envs: env::read(section, placeholders, errors),
            resources,
        }
    }

    /// The string that a variable is set to.
    pub fn literal(&self, name: &str) -> Option<&Cow<'a, str>> {
        let variable = self.envs.iter().find(|variable| variable.name == name)?;
        match &variable.value {
            VariableValue::Literal(text) => Some(text),
            _ => None,
        }
    }
}

/// Whether a container can mount a volume there: absolute, clean, not the root, without `:`.
///
/// One slash at the end is allowed: to Kubernetes `/var/log/` is another path than `/var/log`.
pub fn is_mountable(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else {
        return false;
    };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    !inner.contains([':', '\0']) && inner.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
