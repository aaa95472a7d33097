//! A candidate: one rule in the form that is the same for all releases.

use crate::injection::{InjectBlock, Injection, Planner, RuleSource, Variant};
use crate::json::Value;
use crate::reader::{Case, Errors, Path, Section};
use crate::release::Release;
use crate::rules::env::Placeholders;
use crate::rules::image::{ImageReference, image};
use crate::rules::read::Rule;
use crate::rules::selectors::Selectors;

/// A rule, read as far as it takes to decide whether it selects a pod.
#[derive(Debug)]
pub struct Candidate<'b, 'a> {
    /// The injection that it is a rule of.
    pub injection: &'static Injection,
    /// Where it is in the settings.
    pub path: Path<'b>,
    /// Which pods it selects.
    pub selectors: Selectors<'a>,
    /// What it injects; `None` if the language is invalid.
    pub variant: Option<&'static Variant>,
    /// Whether the pod must have the variant's annotation.
    pub requires_annotation: bool,
    /// Whether the value of the annotation counts.
    pub reads_annotation: bool,
    /// The section that holds the rest of the rule. The candidates of a block share it.
    pub section: &'b Section<'b, 'a>,
    /// How that section is written.
    pub form: Form,
    /// The errors found so far.
    pub errors: Errors,
}

/// How a rule is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A block of `admission_inject`, as a release reads it.
    Block(Release),
    /// An element of a list.
    List,
}

/// A checked rule and the planner of its injection.
#[derive(Debug)]
pub struct Compiled<'a> {
    /// The part that every rule has.
    pub rule: Rule<'a>,
    /// Plans the injection.
    pub(crate) planner: Box<dyn Planner<'a> + 'a>,
}

impl<'a> Candidate<'_, 'a> {
    /// Whether an empty key switches the rule off although its selectors match.
    pub fn is_switched_off(&self) -> bool {
        let Some(key) = self.injection.list.off_where_empty.filter(|_| self.form == Form::List)
        else {
            return false;
        };
        let text = self.section.get(key).and_then(Value::as_str);
        text.is_some_and(|text| text.trim().is_empty())
    }

    /// Whether the search ends with this rule if its selectors match, even if it does nothing. A
    /// block of `admission_inject` has further candidates, so it never does.
    pub fn ends_search(&self) -> bool {
        self.injection.precedence.first_match_decides && self.form == Form::List
    }

    /// Whether a value of the annotation counts: logfwd ignores an empty one if rules select by
    /// themselves.
    pub fn counts_annotation(&self, value: &str) -> bool {
        !self.injection.list.reads_annotation_always
            || self.form == Form::Block(Release::UpTo1_5)
            || !value.trim().is_empty()
    }

    /// Reads the whole rule for a variant. Validation and requests both call this.
    pub fn compile(&self, variant: &'static Variant, errors: &mut Errors) -> Option<Compiled<'a>> {
        let Self { injection, section, form, .. } = *self;
        let block = injection.block.as_ref();
        let known = match form {
            Form::List => injection.list.known_keys(),
            Form::Block(_) => block.map(InjectBlock::known_keys).unwrap_or_default(),
        };
        section.check_keys(&known, errors);
        let is_v2 = form != Form::Block(Release::UpTo1_5) && form != Form::Block(Release::Of1_6);
        let (image, has_default_resources) = match form {
            Form::List => {
                let _name = section.string("name", errors);
                let has_image = injection.container.is_some();
                (has_image.then(|| required_image(section, errors)).flatten(), true)
            }
            Form::Block(_) => {
                let images = section.section("images", Case::Sensitive, errors);
                let key = variant.image_key.filter(|_| images.is_some());
                let image = images.zip(key).and_then(|(images, key)| image(&images, key, errors));
                (image, is_v2 || block.is_none_or(|block| block.has_default_resources))
            }
        };
        let placeholders = if is_v2 { Placeholders::All } else { Placeholders::Fields };
        let rule = Rule::read(section, image, placeholders, has_default_resources, errors);
        let source = RuleSource { section, rule: &rule, variant, is_v2 };
        let planner = (variant.read)(source, errors)?;
        Some(Compiled { rule, planner })
    }
}

fn required_image(section: &Section, errors: &mut Errors) -> Option<ImageReference> {
    if section.get("image").is_none() {
        section.missing("image", "is required: the image to inject", errors);
    }
    image(section, "image", errors)
}
