//! Which rules select a pod.

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::annotations;
use crate::injection::skip::Skip;
use crate::injection::table::ALL;
use crate::injection::{Injection, Variant};
use crate::json::Value;
use crate::reader::SettingsError;
use crate::reason::Reason;
use crate::report::{InjectionName, Report};
use crate::rules::candidate::{Candidate, Compiled, Form};
use crate::rules::candidates::visit;
use crate::selector::Target;
use crate::settings::Settings;
use crate::trace::Trace;

/// Beyond this many faulty annotations, only the count is kept.
const MAX_ODD: usize = 10;

/// Everything that rules and annotations ask for.
#[derive(Debug, Default)]
pub(super) struct Selection<'a> {
    /// In the order of the table.
    pub(super) selected: Vec<Selected<'a>>,
    /// Rules that would have selected the pod, and are invalid.
    left_out: Vec<(InjectionName, SettingsError)>,
    /// Annotations that ask for what the settings do not have.
    unserved: Vec<(InjectionName, &'static str)>,
    /// Annotations that ask for what something else takes the place of.
    replaced: Vec<Replaced>,
    /// What some rule could serve, though none that selects the pod does.
    served: Vec<InjectionName>,
    /// What is wrong with annotations by themselves.
    odd: Vec<String>,
    /// The number of further ones.
    more_odd: usize,
}

/// What an annotation asks for and does not get.
#[derive(Debug)]
struct Replaced {
    name: InjectionName,
    /// What the pod gets instead.
    by: InjectionName,
}

/// A rule that selects the pod.
#[derive(Debug)]
pub(super) struct Selected<'a> {
    pub(super) injection: &'static Injection,
    pub(super) variant: &'static Variant,
    /// The rule's path in the settings.
    pub(super) path: String,
    /// The value of its annotation, where it counts.
    pub(super) annotation: Option<Cow<'a, str>>,
    pub(super) compiled: Compiled<'a>,
}

impl<'a> Selection<'a> {
    pub(super) fn of(
        target: &Target<'_, 'a>,
        settings: &Settings<'_, 'a>,
        trace: &mut Trace,
    ) -> Self {
        let mut selection = Self::default();
        for injection in ALL {
            selection.select(injection, target, settings, trace);
        }
        for (annotation, value) in target.annotations.with_prefix(annotations::PREFIX) {
            selection.check_annotation((&annotation, value), target, settings, trace);
        }
        selection
    }

    pub(super) fn is_empty(&self) -> bool {
        self.selected.is_empty()
            && self.left_out.is_empty()
            && self.unserved.is_empty()
            && self.odd.is_empty()
    }

    /// Adds the first rule of an injection that selects the pod, unless the pod opts out.
    fn select(
        &mut self,
        injection: &'static Injection,
        target: &Target<'_, 'a>,
        settings: &Settings<'_, 'a>,
        trace: &mut Trace,
    ) {
        let name = injection.name(None);
        if injection.precedence.not_beside.is_some_and(|other| self.has(other)) {
            trace.step(name, None, || Reason::AfterDdtrace);
            return;
        }
        let annotated = injection.sets_annotation.filter(|it| target.annotations.get(it).is_some());
        if let Some(annotation) = annotated {
            trace.step(name, None, || Reason::Annotated(annotation));
            // A status says by which rule.
            if !settings.options.status_annotation {
                return;
            }
        }
        let mut selected = None;
        let mut left_out = LeftOut::default();
        visit(settings, injection, &mut |candidate| {
            consider(candidate, target, &mut selected, &mut left_out, trace)
        });
        if annotated.is_some() {
            left_out.0.clear();
        }
        if selected.is_none() && left_out.0.is_empty() {
            return;
        }
        if let Some(opt_out) = injection.opt_out()
            && !annotations::is_enabled(target, &opt_out)
        {
            trace.step(name, None, || Reason::OptedOut(opt_out));
            return;
        }
        self.left_out.extend(left_out.0.into_iter().map(|error| (name, error)));
        self.selected.extend(selected);
    }

    fn has(&self, injection: &Injection) -> bool {
        self.selected.iter().any(|selected| selected.injection == injection)
    }

    /// Notes an annotation that nothing reads.
    fn check_annotation(
        &mut self,
        (annotation, value): (&str, &Value),
        target: &Target<'_, 'a>,
        settings: &Settings<'_, 'a>,
        trace: &mut Trace,
    ) {
        // Kubernetes refuses it, but for null.
        if !value.is_null() && value.as_str().is_none() {
            let what = |shown: &str| format!("{shown} is not a string; quote it");
            self.note_odd(annotation, Reason::NotAString, what, trace);
            return;
        }
        let Some((injection, variant)) = annotations::reader(annotation) else {
            if !annotations::is_known(annotation) {
                let what = |shown: &str| match annotations::nearest(annotation) {
                    Some(nearest) => format!("{shown} is unknown; did you mean {nearest}?"),
                    None => format!("{shown} is unknown"),
                };
                self.note_odd(annotation, Reason::UnknownAnnotation, what, trace);
            }
            return;
        };
        // Another policy may serve what this one does not.
        if settings.options.id.is_some() || !settings.has_rules() {
            return;
        }
        let name = injection.name(Some(variant));
        let is_settled = self.served.contains(&name)
            || self.left_out.iter().any(|(left_out, _)| left_out.injection == injection.name)
            || self.unserved.iter().any(|(unserved, _)| *unserved == name)
            || self.replaced.iter().any(|replaced| replaced.name == name)
            || injection.opt_out().is_some_and(|it| !annotations::is_enabled(target, &it));
        if is_settled {
            return;
        }
        if let Some(by) = self.selected_for(injection) {
            if by != name {
                trace.step(name, None, || Reason::Replaced(by.to_string()));
                self.replaced.push(Replaced { name, by });
            }
            return;
        }
        if is_served(injection, variant, settings) {
            self.served.push(name);
            return;
        }
        if let Some(known) = variant.annotations.iter().find(|known| **known == annotation) {
            self.unserved.push((name, known));
            trace.step(name, None, || Reason::Unserved((*known).to_owned()));
        }
    }

    /// What the pod gets of an injection, or of the one that comes before it.
    fn selected_for(&self, injection: &'static Injection) -> Option<InjectionName> {
        let mut selected = self.selected.iter();
        let selected = selected.find(|it| {
            it.injection == injection || Some(it.injection) == injection.precedence.not_beside
        });
        selected.map(|it| it.injection.name(Some(it.variant)))
    }

    /// Notes what is wrong with an annotation.
    fn note_odd(
        &mut self,
        annotation: &str,
        reason: impl FnOnce(String) -> Reason,
        what: impl FnOnce(&str) -> String,
        trace: &mut Trace,
    ) {
        if self.odd.len() >= MAX_ODD {
            self.more_odd = self.more_odd.saturating_add(1);
            return;
        }
        self.odd.push(what(&annotations::shown(annotation)));
        annotations::trace(annotation, reason, trace);
    }

    /// Reports what is not going to be injected.
    pub(super) fn report(&self, report: &mut Report) {
        for (name, error) in &self.left_out {
            let reason = format!("the matching rule is invalid: {}", error.path);
            let advice = "correct the settings of the policy";
            if self.selected.iter().any(|it| it.injection.name == name.injection) {
                report.warn_about(*name, &format!("{reason}; another rule is used; {advice}"));
                report.skipped.push((*name, reason));
            } else {
                report.skip(*name, &reason, advice);
            }
        }
        for (name, annotation) in &self.unserved {
            let reason = format!("these settings have no rule for annotation {annotation}");
            report.skip(*name, &reason, "add a rule, or remove the annotation");
        }
        for Replaced { name, by } in &self.replaced {
            report.skip(*name, &format!("{by} takes precedence"), "ask for one of the two");
        }
        for odd in &self.odd {
            report.warn(odd);
        }
        report.left_untold(self.more_odd);
    }

    /// Reports that nothing is injected for the same reason.
    pub(super) fn skip_all(&self, skip: &Skip, report: &mut Report) {
        for selected in &self.selected {
            let name = selected.injection.name(Some(selected.variant));
            report.skip(name, &skip.to_string(), skip.advice());
        }
    }

    /// Reports that nothing is injected because an option is invalid: one warning for all.
    pub(super) fn skip_unsafe(&self, path: &str, report: &mut Report) {
        let reason = format!("{path} is invalid");
        report.add_refusal(&format!(
            "nothing is injected into {}: {reason}; correct the settings of the policy",
            report.workload
        ));
        for selected in &self.selected {
            let name = selected.injection.name(Some(selected.variant));
            report.skipped.push((name, reason.clone()));
        }
    }
}

/// Whether a candidate selects the pod; and whether the search ends.
fn consider<'a>(
    mut candidate: Candidate<'_, 'a>,
    target: &Target<'_, 'a>,
    selected: &mut Option<Selected<'a>>,
    left_out: &mut LeftOut,
    trace: &mut Trace,
) -> ControlFlow<()> {
    let injection = candidate.injection;
    let path = candidate.path;
    let name = injection.name(None);
    let verdict = candidate.selectors.verdict(target);
    if verdict != Reason::Selects {
        trace.step(name, Some(&path), || verdict);
        return ControlFlow::Continue(());
    }
    let if_it_does_nothing = match candidate.ends_search() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    if candidate.is_switched_off() {
        trace.step(name, Some(&path), || Reason::SwitchedOff);
        return if_it_does_nothing;
    }
    // A rule whose language is unknown would have served any annotation.
    let variants = match candidate.variant {
        Some(variant) => std::slice::from_ref(variant),
        None => injection.variants,
    };
    let mut names = variants.iter().flat_map(|variant| variant.annotations.iter().copied());
    let first = names.clone().next();
    let found = names.find_map(|name| {
        let value = target.annotations.get(name);
        Some((name, value.filter(|value| candidate.counts_annotation(value))?))
    });
    if candidate.requires_annotation && found.is_none() {
        trace.step(name, Some(&path), || Reason::NotAsked(first.unwrap_or_default()));
        return if_it_does_nothing;
    }
    let mut compiled = None;
    if let Some(variant) = candidate.variant {
        let mut errors = std::mem::take(&mut candidate.errors);
        compiled = candidate.compile(variant, &mut errors);
        candidate.errors = errors;
    }
    if let Some(error) = candidate.errors.first() {
        trace.step(name, Some(&path), || Reason::Faulty(error.path.clone()));
        left_out.add(error);
        return ControlFlow::Continue(());
    }
    if let (Some(variant), Some(compiled)) = (candidate.variant, compiled) {
        let asked = found.as_ref().filter(|_| matches!(candidate.form, Form::Block(_)));
        let asked = asked.filter(|_| candidate.requires_annotation).map(|(name, _)| *name);
        trace.step(name, Some(&path), || asked.map_or(Reason::Selects, Reason::Asked));
        let annotation = found.filter(|_| candidate.reads_annotation).map(|(_, value)| value);
        let path = path.to_string();
        *selected = Some(Selected { injection, variant, path, annotation, compiled });
    }
    ControlFlow::Break(())
}

/// Whether some rule could serve an annotation.
fn is_served(
    injection: &'static Injection,
    variant: &'static Variant,
    settings: &Settings,
) -> bool {
    let mut is_served = false;
    visit(settings, injection, &mut |candidate| {
        let is_of_variant = candidate.variant.is_none_or(|it| it.language == variant.language);
        let is_list = candidate.form == Form::List;
        if is_of_variant && (is_list || candidate.requires_annotation) {
            is_served = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    is_served
}

/// The rules that would have selected a pod and are left out for an error.
#[derive(Debug, Default)]
struct LeftOut(Vec<SettingsError>);

impl LeftOut {
    /// Adds an error, each once: a rule of `admission_mutate` may be tried twice.
    fn add(&mut self, error: &SettingsError) {
        if !self.0.contains(error) {
            self.0.push(error.clone());
        }
    }
}
