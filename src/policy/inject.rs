//! Injects into a pod template what rules and annotations ask for.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::life;
use super::misplaced;
use super::pod_wide;
use super::selection::{Selected, Selection};
use crate::admission::Workload;
use crate::annotations;
use crate::collections::set;
use crate::injection::containers::own_containers;
use crate::injection::security::Needed;
use crate::injection::skip::{ContainerName, KUBERNETES_MAX_KIB, Skip};
use crate::injection::{Ask, Context, Plan};
use crate::json::{Object, Shape, Value};
use crate::options::{QosClass, SidecarMode};
use crate::pod::lists::elements;
use crate::pod::qos::is_guaranteed;
use crate::pod::system::is_windows;
use crate::pod::{Pod, annotations_have_room, is_most};
use crate::reason::Reason;
use crate::record::Record;
use crate::record::recorder::Recorder;
use crate::report::{InjectionName, Report};
use crate::rules::candidate::Compiled;
use crate::rules::image::ImageReference;
use crate::selector::{Entries, Target};
use crate::settings::Settings;
use crate::trace::Trace;

/// What an object says about its pod template from outside.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) namespace: Cow<'a, str>,
    /// Whether the object is the pod itself.
    is_pod: bool,
    /// Whether its pods are meant to end.
    runs_to_completion: bool,
    /// The volumes that a StatefulSet claims for each of its pods.
    claims: BTreeSet<String>,
    /// Annotations of the policy on the workload itself, where they do nothing.
    misplaced: Vec<String>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(
        object: &Value<'a>,
        stored: Option<&Value<'a>>,
        workload: &Workload,
        namespace: Cow<'a, str>,
    ) -> Self {
        Self {
            misplaced: match workload.is_pod() {
                true => Vec::new(),
                false => misplaced::of(object, stored),
            },
            namespace,
            is_pod: workload.is_pod(),
            runs_to_completion: workload.runs_to_completion || is_owned_by_job(object),
            claims: claims(object),
        }
    }

    /// Warns about annotations on the workload itself, unless nothing is injected into it anyway.
    pub(super) fn warn_of_misplaced(
        &self,
        template: &Object<'a>,
        settings: &Settings,
        report: &mut Report,
        trace: &mut Trace,
    ) {
        if self.misplaced.is_empty() || settings.options.is_ignored(&self.namespace) {
            return;
        }
        if annotations::is_enabled(&target(template, self.namespace.clone()), annotations::OPT_OUT)
        {
            misplaced::warn(&self.misplaced, report, trace);
        }
    }
}

/// Whether injecting changed a template; else why not.
#[derive(Debug)]
pub(super) enum Outcome {
    Changed,
    Unchanged(Reason),
}

/// Selects what to inject into a template, and injects it. `stored` is the stored template, if
/// nothing was injected into it; `others` are the records of other policies.
pub(super) fn inject<'a>(
    template: &mut Object<'a>,
    stored: Option<&Object<'a>>,
    others: Vec<(String, Record)>,
    facts: &Facts<'a>,
    settings: &Settings<'_, 'a>,
    report: &mut Report,
    trace: &mut Trace,
) -> Outcome {
    if settings.options.is_ignored(&facts.namespace) {
        return Outcome::Unchanged(Reason::IgnoredNamespace);
    }
    let target = target(template, facts.namespace.clone());
    if !annotations::is_enabled(&target, annotations::OPT_OUT) {
        return Outcome::Unchanged(Reason::OptedOut(annotations::OPT_OUT.to_owned()));
    }
    let selection = Selection::of(&target, settings, trace);
    if selection.is_empty() {
        let outcome = Outcome::Unchanged(Reason::NothingAsked);
        return with_status(template, outcome, facts, settings, report);
    }
    let container_names = annotations::container_names(&target);
    if stored.is_some_and(|stored| life::is_unchanged(template, stored)) {
        return Outcome::Unchanged(Reason::Unchanged);
    }
    selection.report(report);
    if let Some(path) = &settings.options.unsafe_option {
        selection.skip_unsafe(path, report);
        let outcome = Outcome::Unchanged(Reason::Unsafe(path.clone()));
        return with_status(template, outcome, facts, settings, report);
    }
    let context = Context {
        options: &settings.options,
        container_names,
        claims: &facts.claims,
        runs_to_completion: facts.runs_to_completion,
        native_sidecars: false,
        is_guaranteed: false,
        needed: Needed::default(),
    };
    let outcome = match facts.is_pod {
        true => inject_all(template, selection, context, None, report),
        false => inject_recorded(template, selection, context, others, report),
    };
    with_status(template, outcome, facts, settings, report)
}

/// Injects into the template of a workload and records it there, or leaves it as it is.
fn inject_recorded<'a>(
    template: &mut Object<'a>,
    selection: Selection<'a>,
    context: Context<'_, 'a>,
    others: Vec<(String, Record)>,
    report: &mut Report,
) -> Outcome {
    let options = context.options;
    let key = annotations::record(options);
    let before = template.clone();
    let mut recorder = Recorder::new(template, others);
    let outcome = inject_all(template, selection, context, Some(&mut recorder), report);
    if let Outcome::Changed = outcome
        && let Err(skip) = life::write_record(template, recorder, &key)
    {
        // All or nothing: without its record an injection could never be taken out.
        *template = before;
        report.take_back(&skip.to_string(), skip.advice());
        return Outcome::Unchanged(Reason::NothingAsked);
    }
    outcome
}

/// Injects everything that is selected, in the order of the table.
fn inject_all<'a>(
    template: &mut Object<'a>,
    selection: Selection<'a>,
    mut context: Context<'_, 'a>,
    mut recorder: Option<&mut Recorder>,
    report: &mut Report,
) -> Outcome {
    let mut pod = match Pod::open(template) {
        Ok(pod) => pod,
        Err(malformed) => {
            selection.skip_all(&Skip::from(malformed), report);
            return Outcome::Unchanged(Reason::NothingAsked);
        }
    };
    if let Some(skip) = skip_of_pod(&pod, &context) {
        selection.skip_all(&skip, report);
        pod.close();
        return Outcome::Unchanged(Reason::NothingAsked);
    }
    let policy = pod.spec().and_then(|spec| spec.get_str("restartPolicy"));
    context.runs_to_completion |= matches!(policy.as_deref(), Some("Never" | "OnFailure"));
    context.native_sidecars = match context.options.sidecar_mode {
        SidecarMode::Auto => context.runs_to_completion,
        SidecarMode::Container => false,
        SidecarMode::Native => true,
    };
    context.needed = Needed::by(&pod, context.options);
    context.is_guaranteed = context.options.qos_class == QosClass::Preserve && is_guaranteed(&pod);
    let own_volumes = pod.volumes.len();
    let mut is_changed = false;
    for selected in selection.selected {
        is_changed |= inject_one(&mut pod, selected, &context, recorder.as_deref_mut(), report);
    }
    if is_changed {
        let options = context.options;
        pod_wide::add_image_pull_secrets(&mut pod, options, recorder.as_deref_mut(), report);
        if options.safe_to_evict {
            pod_wide::add_safe_to_evict(&mut pod, own_volumes, recorder, report);
        }
    }
    pod.close();
    if is_changed { Outcome::Changed } else { Outcome::Unchanged(Reason::NothingAsked) }
}

/// Why nothing can be injected into a pod.
fn skip_of_pod(pod: &Pod, context: &Context) -> Option<Skip> {
    if is_windows(pod) {
        Some(Skip::Windows)
    } else if own_containers(pod, context.options).next().is_none() {
        Some(Skip::EmptyPod)
    } else {
        None
    }
}

/// Plans one injection and carries it out, or reports why not. Returns whether the pod changed.
fn inject_one<'a>(
    pod: &mut Pod<'_, 'a>,
    selected: Selected<'a>,
    context: &Context<'_, 'a>,
    recorder: Option<&mut Recorder>,
    report: &mut Report,
) -> bool {
    let Selected { injection, variant, path, annotation, compiled } = selected;
    let name = injection.name(Some(variant));
    let ask = Ask {
        injection,
        variant,
        rule: &compiled.rule,
        annotation: annotation.as_deref(),
        context,
    };
    let is_there = |container: Option<&str>| container.is_some_and(|it| pod.has_container(it));
    if is_there(injection.container) {
        report.add_present(name, &path);
        note_present(pod, &ask, &path, recorder.as_deref(), report);
        return false;
    }
    if is_there(injection.precedence.gives_way_to) {
        report.present.push(name);
        return false;
    }
    if let Some(annotation) = injection.sets_annotation
        && let Some(value) = target(pod.template, Cow::default()).annotations.get(annotation)
    {
        if compiled.planner.annotation() == Some(&*value) {
            report.add_in_place(name, &path);
        }
        return false;
    }
    match plan(pod, &compiled, &ask) {
        Ok(Plan { edits, notes }) => {
            let image = ask.image().ok();
            report_unused_versions(pod, &ask, image.as_ref(), &path, report);
            if let Some(recorder) = recorder {
                recorder.add(name.to_string(), pod, &edits);
            }
            pod.apply(edits);
            report.add_injected(name, path);
            for note in notes {
                report.warn_about(name, &note);
            }
            true
        }
        Err(skip) => {
            report.skip(name, &skip.to_string(), skip.advice());
            false
        }
    }
}

/// Plans one injection.
fn plan<'a>(
    pod: &Pod<'_, 'a>,
    compiled: &Compiled<'a>,
    ask: &Ask<'_, 'a>,
) -> Result<Plan<'a>, Skip> {
    if ask.injection.needs_capabilities
        && let Some(skip) = ask.context.needed.skip_of_capable()
    {
        return Err(skip);
    }
    let plan = compiled.planner.plan(pod, ask)?;
    check_annotations(pod, &plan)?;
    Ok(plan)
}

/// Checks that an injection does not bring the annotations of a pod over what Kubernetes takes.
fn check_annotations(pod: &Pod, plan: &Plan) -> Result<(), Skip> {
    let added = &plan.edits.annotations;
    let length = |(key, value): &(&str, Value)| {
        key.len().saturating_add(value.as_str().map_or(0, |value| value.len()))
    };
    let added: usize = added.iter().map(length).sum();
    if added == 0 || annotations_have_room(pod.template, added, KUBERNETES_MAX_KIB) {
        return Ok(());
    }
    Err(match is_most(added, KUBERNETES_MAX_KIB) {
        true => Skip::LargeConfig(KUBERNETES_MAX_KIB),
        false => Skip::TooLarge(KUBERNETES_MAX_KIB),
    })
}

/// Warns where annotations ask for another version than an image has, and are not read for it.
fn report_unused_versions(
    pod: &Pod,
    ask: &Ask,
    image: Option<&ImageReference>,
    path: &str,
    report: &mut Report,
) {
    let Some(image) = image.filter(|_| ask.variant.language.is_some()) else {
        return;
    };
    let annotations = target(pod.template, Cow::default()).annotations;
    let given = ask.variant.annotations.iter().filter_map(|it| Some((*it, annotations.get(it)?)));
    let is_unused = |value: &str| {
        annotations::version(value).is_some_and(|version| {
            image.with_tag(version).map_or(true, |asked| asked.is_other_version(image))
        })
    };
    let is_allowed = ask.context.options.allow_version_annotations;
    let mut read = None;
    for (annotation, value) in given {
        if is_allowed && ask.annotation.is_some() && read.is_none() {
            read = Some(annotation);
            continue;
        }
        if !is_unused(&value) {
            continue;
        }
        let why = match read {
            _ if !is_allowed => {
                "policy.allow_version_annotations is `false`; leave it empty".to_owned()
            }
            Some(read) => format!("annotation {read} takes precedence; remove one of the two"),
            None => format!("{path} does not read it; leave it empty"),
        };
        let name = ask.injection.name(Some(ask.variant));
        report.fall_short(
            name,
            &format!("the version in annotation {annotation} is not used: {why}"),
        );
    }
}

/// Warns where an injection whose container is there is not what was asked for.
fn note_present(
    pod: &Pod,
    ask: &Ask,
    path: &str,
    recorder: Option<&Recorder>,
    report: &mut Report,
) {
    let Ask { injection, variant, context, .. } = *ask;
    let name = injection.name(Some(variant));
    let is_in = |record: &Record| record.containers().any(|it| Some(it) == injection.container);
    let of_template;
    let records = match recorder {
        Some(recorder) => recorder.others(),
        None => {
            of_template = life::other_records(pod.template, "");
            &*of_template
        }
    };
    if let Some((key, _)) = records.iter().find(|(_, record)| is_in(record)) {
        // A Pod that a controller made has the record of its template.
        if recorder.is_some() {
            let note = format!("record {key} of another policy has it; see policy.id");
            report.warn_about(name, &note);
        }
        return;
    }
    let mut containers = pod.all_containers();
    let container = containers.find(|(_, it)| Some(&*it.name) == injection.container);
    let image = container.and_then(|(_, container)| container.body.get_str("image"));
    let image = image.and_then(|image| ImageReference::parse(&image).ok());
    note_other_version(ask, image.as_ref(), name, report);
    report_unused_versions(pod, ask, image.as_ref(), path, report);
    let Some(agent) = variant.agent else {
        return;
    };
    let is_meant = |container: &str| {
        context.container_names.as_ref().is_none_or(|names| names.contains(container))
    };
    let mut containers = own_containers(pod, context.options);
    let unloaded = containers
        .find(|(_, it)| is_meant(&it.name) && !agent.is_loaded_by(it) && !agent.is_elsewhere(it));
    if let Some((_, container)) = unloaded {
        let container = ContainerName::new(&container.name);
        report.warn_about(
            name,
            &format!(
                "its init container is there without a record, but container {container} does not \
                 load the library; `kubectl replace` with your own manifest injects anew"
            ),
        );
    }
}

/// Warns where an annotation asks for another version than an earlier injection, of which there is
/// no record, left in the pod.
fn note_other_version(
    ask: &Ask,
    present: Option<&ImageReference>,
    name: InjectionName,
    report: &mut Report,
) {
    let annotation = ask.annotation.filter(|version| !version.is_empty());
    let is_version = ask.variant.language.is_some();
    let Some(version) = annotation.filter(|_| is_version) else {
        return;
    };
    let asked = ask.rule.image.as_ref().and_then(|it| it.with_tag(version).ok());
    let Some(asked) = asked.filter(|_| ask.context.options.allow_version_annotations) else {
        return;
    };
    if present.is_some_and(|present| present.is_other_version(&asked)) {
        let note = "its container has another version than the annotation, and no record; remove \
                    the container to inject anew";
        report.warn_about(name, note);
    }
}

/// Sets the status annotation of a pod, if the options ask for it.
fn with_status(
    template: &mut Object,
    outcome: Outcome,
    facts: &Facts,
    settings: &Settings,
    report: &Report,
) -> Outcome {
    let is_meant = facts.is_pod && settings.options.status_annotation;
    if is_meant && pod_wide::set_status(template, report) { Outcome::Changed } else { outcome }
}

/// What selectors look at.
fn target<'o, 'a>(template: &'o Object<'a>, namespace: Cow<'a, str>) -> Target<'o, 'a> {
    let metadata = template.get("metadata").and_then(Value::as_object);
    let entries = |key| Entries::new(metadata.and_then(|metadata| metadata.get(key)?.as_object()));
    Target { namespace, labels: entries("labels"), annotations: entries("annotations") }
}

fn is_owned_by_job(object: &Value) -> bool {
    let metadata = object.as_object().and_then(|object| object.get("metadata")?.as_object());
    let owners = metadata.and_then(|metadata| metadata.get("ownerReferences"));
    let is_job = |owner: &Value| {
        owner.as_object().is_some_and(|owner| {
            owner.get_str("kind").as_deref() == Some("Job")
                && owner.get_str("apiVersion").is_some_and(|it| it.starts_with("batch/"))
        })
    };
    elements(owners, &Shape::Array(&Shape::Object(&[]))).iter().any(is_job)
}

/// The names of the volumes that a StatefulSet claims for each of its pods.
fn claims(object: &Value) -> BTreeSet<String> {
    static CLAIMS: Shape = Shape::Array(&Shape::Object(&[("metadata", Shape::Object(&[]))]));
    let spec = object.as_object().and_then(|object| object.get("spec")?.as_object());
    let claims = elements(spec.and_then(|spec| spec.get("volumeClaimTemplates")), &CLAIMS);
    let name = |claim: &Value| {
        let name = claim.as_object()?.get("metadata")?.as_object()?.get_str("name");
        name.map(Cow::into_owned)
    };
    set(claims.iter().filter_map(name))
}
