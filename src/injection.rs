//! What an injection is, and what it is planned from.
//!
//! Each injection is defined in its own file; [`table::ALL`] lists them. Settings, selection,
//! reports, the JSON Schema and the documents read that table. An injection plans from a pod and a
//! rule; it changes nothing itself.

pub(crate) mod agent;
pub(crate) mod containers;
mod ddtrace;
mod flameshot;
mod logfwd;
mod logging;
mod otel;
mod parts;
mod profiler;
pub(crate) mod security;
mod share;
pub(crate) mod skip;
pub mod table;
mod tracing;

use std::collections::BTreeSet;
use std::fmt;

use crate::options::Options;
use crate::pod::Pod;
use crate::pod::edits::Edits;
use crate::reader::{Errors, Section};
use crate::report::InjectionName;
use crate::rules::image::ImageReference;
use crate::rules::read::Rule;
use agent::Agent;
use security::Needed;
use skip::Skip;

/// What an injection is.
#[derive(Debug)]
pub struct Injection {
    /// The name in reports and opt-outs.
    pub name: &'static str,
    /// Its block in `admission_inject`, if it has one.
    pub block: Option<InjectBlock>,
    /// Its list of rules.
    pub list: RuleList,
    /// What it injects: one for each language, or a single one.
    pub variants: &'static [Variant],
    /// The container that it adds. If that is there, the injection is done.
    pub container: Option<&'static str>,
    /// The volumes that it may add: names, to which `-datakit` may be appended, or prefixes of a
    /// number.
    pub volumes: &'static [&'static str],
    /// The annotations that it may add to the pod template.
    pub annotations: &'static [&'static str],
    /// An annotation of the pod template that it sets. If that is there, the injection is done.
    pub sets_annotation: Option<&'static str>,
    /// Whether it needs capabilities that the Pod Security level `restricted` forbids.
    pub needs_capabilities: bool,
    /// What takes precedence.
    pub precedence: Precedence,
}

/// The block of an injection in `admission_inject`.
#[derive(Debug)]
pub struct InjectBlock {
    /// Its key.
    pub name: &'static str,
    /// Its own keys, besides those of every block.
    pub keys: &'static [&'static str],
    /// Whether the added container gets default resources up to release 1.6.1.
    pub has_default_resources: bool,
    /// Whether its lists select up to release 1.5.12; where they do not, they have no effect there.
    pub selects_up_to_1_5: bool,
    /// The only language that releases since 1.7 read; `None` if they read all.
    pub language_since_1_7: Option<&'static str>,
}

/// The list of an injection's rules.
#[derive(Debug)]
pub struct RuleList {
    /// The section that holds the list.
    pub home: &'static str,
    /// The key of the list.
    pub key: &'static str,
    /// The injection's own keys, besides those of every rule.
    pub keys: &'static [&'static str],
    /// A key whose empty value switches a rule off.
    pub off_where_empty: Option<&'static str>,
    /// Whether the annotation's value counts also where the rule does not require it.
    pub reads_annotation_always: bool,
}

/// What takes precedence over an injection, and which of its rules decides.
#[derive(Debug)]
pub struct Precedence {
    /// A container of another injection. If that is there, this injection is skipped silently.
    pub gives_way_to: Option<&'static str>,
    /// Another injection. If one of its rules selects the pod, the rules of this one are not
    /// considered.
    pub not_beside: Option<&'static Injection>,
    /// Whether the first rule whose selectors match ends the search even if it does nothing. That
    /// is how users of the reference write exclusions.
    pub first_match_decides: bool,
}

impl InjectBlock {
    const fn named(name: &'static str) -> Self {
        Self {
            name,
            keys: &[],
            has_default_resources: true,
            selects_up_to_1_5: false,
            language_since_1_7: None,
        }
    }

    /// Every key that it may have.
    pub fn known_keys(&self) -> Vec<&'static str> {
        Rule::BLOCK_KEYS.iter().chain(self.keys).copied().collect()
    }
}

impl RuleList {
    const fn v2(key: &'static str) -> Self {
        Self {
            home: "admission_inject_v2",
            key,
            keys: &[],
            off_where_empty: None,
            reads_annotation_always: false,
        }
    }

    /// Every key that its rules may have.
    pub fn known_keys(&self) -> Vec<&'static str> {
        Rule::KEYS.iter().chain(self.keys).copied().collect()
    }
}

/// What an injection does in one language.
pub struct Variant {
    /// The language, where the injection has languages.
    pub language: Option<&'static str>,
    /// Other names of the language in settings.
    pub aliases: &'static [&'static str],
    /// The key of its image in a block of `admission_inject`.
    pub image_key: Option<&'static str>,
    /// The annotations that ask for it, or say more.
    pub annotations: &'static [&'static str],
    /// Whether the annotation alone asks for it in `admission_inject`.
    pub asks_in_block: bool,
    /// The agent that it makes containers load, where it is one.
    pub(crate) agent: Option<&'static Agent>,
    /// Reads what is its own in a rule.
    pub(crate) read: Read,
}

/// Reads what is a variant's own in a rule.
type Read = for<'a> fn(RuleSource<'_, 'a>, &mut Errors) -> Option<Box<dyn Planner<'a> + 'a>>;

impl Variant {
    /// One that has nothing but its way to read a rule.
    const fn reading(read: Read) -> Self {
        Self {
            language: None,
            aliases: &[],
            image_key: None,
            annotations: &[],
            asks_in_block: false,
            agent: None,
            read,
        }
    }
}

impl fmt::Debug for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_struct("Variant").field("language", &self.language).finish_non_exhaustive()
    }
}

/// A rule as a variant reads it.
#[derive(Clone, Copy)]
pub(crate) struct RuleSource<'b, 'a> {
    pub(crate) section: &'b Section<'b, 'a>,
    /// The part that every rule has.
    pub(crate) rule: &'b Rule<'a>,
    pub(crate) variant: &'static Variant,
    /// Whether the Operator reads the rule as its releases since 1.7 do.
    pub(crate) is_v2: bool,
}

/// Plans an injection.
pub(crate) trait Planner<'a>: fmt::Debug {
    fn plan(&self, pod: &Pod<'_, 'a>, ask: &Ask<'_, 'a>) -> Result<Plan<'a>, Skip>;

    /// The annotation that [`Injection::sets_annotation`] names, as it is set.
    fn annotation(&self) -> Option<&str> {
        None
    }
}

/// What an injection is planned from, besides the pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'r, 'a> {
    pub(crate) injection: &'static Injection,
    pub(crate) variant: &'static Variant,
    pub(crate) rule: &'r Rule<'a>,
    /// The value of the annotation, where it counts.
    pub(crate) annotation: Option<&'r str>,
    pub(crate) context: &'r Context<'r, 'a>,
}

/// What is the same for all injections into a pod.
#[derive(Debug)]
pub(crate) struct Context<'r, 'a> {
    pub(crate) options: &'r Options<'a>,
    /// The containers that tracing is limited to, where an annotation names them.
    pub(crate) container_names: Option<BTreeSet<String>>,
    /// The volumes that a StatefulSet claims for each of its pods, in place of any other.
    pub(crate) claims: &'r BTreeSet<String>,
    /// Whether the pod is meant to end.
    pub(crate) runs_to_completion: bool,
    /// Whether sidecars are added as native ones.
    pub(crate) native_sidecars: bool,
    /// Whether added containers request what they are limited to.
    pub(crate) is_guaranteed: bool,
    /// What the pod's security asks of added containers.
    pub(crate) needed: Needed,
}

/// What an injection is going to do.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) edits: Edits<'a>,
    /// What the person who applied the object should know though it is injected.
    pub(crate) notes: Vec<String>,
}

impl Injection {
    /// The name of this injection, with a language where it is known.
    pub fn name(&self, variant: Option<&Variant>) -> InjectionName {
        InjectionName { injection: self.name, language: variant.and_then(|it| it.language) }
    }

    /// The variant of a language, which has another name in some settings.
    pub fn variant(&self, language: &str) -> Option<&'static Variant> {
        let is_named = |variant: &&Variant| {
            variant.language == Some(language) || variant.aliases.contains(&language)
        };
        self.variants.iter().find(is_named)
    }

    /// The languages, where it has any.
    pub fn languages(&self) -> Vec<&'static str> {
        self.variants.iter().filter_map(|variant| variant.language).collect()
    }

    /// Where settings may have its rules: section and key.
    pub fn places(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let block = self.block.as_ref().map(|block| ("admission_inject", block.name));
        std::iter::once((self.list.home, self.list.key)).chain(block)
    }

    /// The keys of its images in a block of `admission_inject`.
    pub fn image_keys(&self) -> Vec<&'static str> {
        self.variants.iter().filter_map(|variant| variant.image_key).collect()
    }

    /// The annotation that opts out of it; none where the Operator has none.
    pub fn opt_out(&self) -> Option<String> {
        self.sets_annotation.is_none().then(|| format!("admission.datakit/{}.enabled", self.name))
    }
}

impl PartialEq for Injection {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What is common to most injections; each one states the rest.
const COMMON: Injection = Injection {
    name: "",
    block: None,
    list: RuleList::v2(""),
    variants: &[],
    container: None,
    volumes: &[],
    annotations: &[],
    sets_annotation: None,
    needs_capabilities: false,
    precedence: Precedence { gives_way_to: None, not_beside: None, first_match_decides: false },
};

impl Ask<'_, '_> {
    /// The image of the rule, with the version of the annotation in its tag.
    pub(crate) fn image(&self) -> Result<ImageReference, Skip> {
        let name = self.injection.name(Some(self.variant));
        let image = self.rule.image.as_ref().ok_or(Skip::NoImage(name))?;
        match self.annotation {
            Some(version)
                if !version.is_empty() && self.context.options.allow_version_annotations =>
            {
                let annotation = self.variant.annotations.first().copied().unwrap_or_default();
                image.with_tag(version).map_err(|_| Skip::NotATag(annotation))
            }
            _ => Ok(image.clone()),
        }
    }
}
