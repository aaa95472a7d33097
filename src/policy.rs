//! The policy: a payload in, an answer out.
//!
//! Every answer accepts. The engine denies what a policy cannot answer, so whatever the payload is,
//! there is an answer; what could not be done becomes a warning.

mod life;
mod selection;

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::admission::{GroupVersionKind, Operation, REQUEST, Request, Workload};
use crate::annotations;
use crate::collections::set;
use crate::injection::containers::own_containers;
use crate::injection::restricted::RestrictedContext;
use crate::injection::skip::Skip;
use crate::injection::{Ask, Context, Plan};
use crate::json::{self, Object, Shape, Value};
use crate::options::SidecarMode;
use crate::pod::Pod;
use crate::reader::Errors;
use crate::reason::Reason;
use crate::record::recorder::Recorder;
use crate::release::Release;
use crate::report::{InjectionName, Report};
use crate::rules::image::ImageReference;
use crate::selector::{Entries, Target};
use crate::settings::{self, LogLevel, SETTINGS, Settings};
use crate::trace::{Explanation, Trace};
use life::Life;
use selection::{Selected, Selection};

static PAYLOAD: Shape = Shape::Object(&[("request", REQUEST), ("settings", SETTINGS)]);

/// What the policy answers to a request. It always accepts.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The beginning of the response up to the object, where there is one: a large object is
    /// written once, to where it stays.
    text: String,
    /// What was done, and why not.
    pub report: Report,
    /// The least important lines to be logged.
    pub log_level: LogLevel,
    /// The release that the settings were read for, and why.
    pub release: (Release, &'static str),
}

const ACCEPTED: &str = "{\"accepted\":true";
const MUTATED: &str = "{\"accepted\":true,\"mutated_object\":";

impl Answer {
    /// The JSON text of the object to be stored, where it differs from the request's.
    pub fn mutated_object(&self) -> Option<&str> {
        self.text.strip_prefix(MUTATED)
    }

    /// The response that Kubewarden reads, as JSON.
    pub fn into_response(self) -> String {
        let mut out = self.text;
        if out.is_empty() {
            out.push_str(ACCEPTED);
        }
        let annotations: Vec<_> = self.report.audit_annotations().collect();
        for (index, (key, value)) in annotations.iter().enumerate() {
            out.push_str(if index == 0 { ",\"audit_annotations\":{\"" } else { ",\"" });
            out.push_str(key);
            out.push_str("\":");
            json::push_text(&mut out, value);
        }
        if !annotations.is_empty() {
            out.push('}');
        }
        let warnings = self.report.warnings();
        for (index, warning) in warnings.iter().enumerate() {
            out.push_str(if index == 0 { ",\"warnings\":[" } else { "," });
            json::push_text(&mut out, warning);
        }
        if !warnings.is_empty() {
            out.push(']');
        }
        out.push('}');
        out
    }

    fn untouched(reason: Reason, trace: &mut Trace) -> Self {
        trace.with(|explanation| explanation.reason = Some(reason));
        Self::default()
    }
}

/// Answers a payload: `{"request": AdmissionRequest, "settings": {…}}` as JSON.
///
/// ```
/// use datakit_injection::policy;
///
/// let answer = policy::evaluate(b"whatever this is");
/// assert_eq!(answer.into_response(), r#"{"accepted":true}"#);
/// ```
pub fn evaluate(payload: &[u8]) -> Answer {
    answer(payload, &mut Trace(None))
}

/// Answers a payload as [`evaluate`] does, and explains the answer.
///
/// ```
/// use datakit_injection::policy;
///
/// let (_, explanation) = policy::explain(br#"{"request":{"object":{"kind":"Service"}}}"#);
/// assert_eq!(explanation.reason.unwrap().code(), "other-operation");
/// ```
pub fn explain(payload: &[u8]) -> (Answer, Explanation) {
    let mut trace = Trace(Some(Explanation::default()));
    let answer = answer(payload, &mut trace);
    (answer, trace.0.unwrap_or_default())
}

/// An object without what this policy put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uninjected {
    /// The JSON text of the object.
    pub object: String,
    /// The injections that were removed.
    pub removed: Vec<String>,
}

/// Takes what a record says was injected out of an object, under settings that name its policy:
/// all of it, or one injection (`ddtrace`, `ddtrace-java`).
///
/// Takes the object and the settings as JSON. Returns `None` if no record names it.
///
/// ```
/// use datakit_injection::policy;
///
/// let object = r#"{"apiVersion":"apps/v1","kind":"Deployment"}"#;
/// assert_eq!(policy::uninject(object, "{}", None), None);
/// ```
pub fn uninject(object: &str, settings: &str, injection: Option<&str>) -> Option<Uninjected> {
    static OBJECT: Shape = crate::admission::OBJECT;
    settings::with_settings(settings, &mut Errors::default(), |settings, _| {
        let mut object = Value::open(object, &OBJECT).ok()?;
        let kind = GroupVersionKind::of_object(object.as_object()?)?;
        let workload = settings.options.workload(&kind).filter(|workload| !workload.is_pod())?;
        let key = settings.options.record_annotation();
        let removed = life::uninject(&mut object, &workload, &key, injection)?;
        Some(Uninjected { object: object.to_json(), removed })
    })?
}

/// Opens a payload and answers its request.
fn answer(payload: &[u8], trace: &mut Trace) -> Answer {
    let text = std::str::from_utf8(payload).ok();
    let Some(mut payload) = text.and_then(|text| Value::open(text, &PAYLOAD).ok()) else {
        return Answer::untouched(Reason::NoRequest, trace);
    };
    let request = payload.as_object_mut().and_then(|it| it.get_mut("request")?.as_object_mut());
    let Some(request) = request.and_then(Request::read) else {
        return Answer::untouched(Reason::NoRequest, trace);
    };
    let null = Value::default();
    let settings = payload.as_object().and_then(|it| it.get("settings")).unwrap_or(&null);
    let jsonconfig = settings::jsonconfig(settings);
    let jsonconfig = jsonconfig.as_deref().and_then(|text| settings::open(text).ok());
    let settings = Settings::new(settings, jsonconfig.as_ref());
    let mut answer = match workload(&request, &settings, trace) {
        Ok(workload) => mutate(request, &workload, &settings, trace),
        Err(reason) => Answer::untouched(reason, trace),
    };
    answer.log_level = settings.log_level;
    answer.release = (settings.release, settings.release_reason);
    answer
}

/// The workload of a request whose pod template may be changed.
fn workload(request: &Request, settings: &Settings, trace: &mut Trace) -> Result<Workload, Reason> {
    trace.with(|explanation| {
        explanation.workload = Report::new(&request.kind.kind, &name(&request.object)).workload;
        explanation.namespace = request.namespace().into_owned();
        explanation.release = settings.release_sentence();
    });
    if request.is_subresource {
        return Err(Reason::Subresource);
    }
    let operation = request.operation.ok_or(Reason::OtherOperation)?;
    let workload = settings.options.workload(&request.kind).ok_or(Reason::OtherKind)?;
    if operation == Operation::Update && !workload.template_is_mutable {
        return Err(Reason::FixedTemplate);
    }
    Ok(workload)
}

/// Answers a request for a workload: takes out what was injected before, and injects anew.
fn mutate<'a>(
    request: Request<'a>,
    workload: &Workload,
    settings: &Settings<'_, 'a>,
    trace: &mut Trace,
) -> Answer {
    let namespace = request.namespace();
    let is_update = request.operation == Some(Operation::Update);
    let Request { kind, mut object, old_object, .. } = request;
    let mut report = Report::new(&kind.kind, &name(&object));
    let Some(template) = workload.template(&mut object) else {
        return Answer::untouched(Reason::NoTemplate, trace);
    };
    let is_ignored = settings.options.ignored_namespaces.contains(&namespace);
    if !has_valid_metadata(template) && !is_ignored {
        let note = "metadata, labels or annotations of the pod template are not objects; nothing \
                    is injected";
        report.warned(note);
        return Answer { report, ..Answer::untouched(Reason::Malformed, trace) };
    }
    if is_mirror_pod(template) {
        return Answer::untouched(Reason::MirrorPod, trace);
    }
    let old_object = old_object.filter(|_| is_update);
    let record_key = settings.options.record_annotation();
    let life = if settings.options.has_unreadable_id {
        // The record may be another policy's.
        Life::New(old_object)
    } else {
        Life::read(&mut object, old_object, workload, &record_key, &mut report)
    };
    let (before, old_object) = match life {
        Life::New(old_object) => (None, old_object),
        Life::Unchanged => return Answer::untouched(Reason::Unchanged, trace),
        Life::PutBack => {
            trace.with(|explanation| explanation.reason = Some(Reason::PutBack));
            return written(&object, report);
        }
        Life::TakenOut(before) => (Some(before), None),
        Life::Unreadable => {
            return Answer { report, ..Answer::untouched(Reason::UnreadableRecord, trace) };
        }
    };

    // Pods keep no record: they are injected once, and end.
    let recorder = (!workload.is_pod()).then(|| {
        let others = life::other_records(&object, &record_key);
        Recorder::new(others, before.is_some() && is_update)
    });
    let part = UserPart { object: &mut object, old_object, namespace, recorder };
    let reason = inject(part, workload, settings, &mut report, trace);
    if let Some(before) = &before {
        let made_again =
            |name: &String| report.injected.iter().any(|(it, _)| it.to_string() == *name);
        let removed = before.injections.iter().filter(|name| !made_again(name));
        report.removed = removed.cloned().collect();
    }
    match reason {
        // What comes out may be what came in.
        _ if before.as_ref().is_some_and(|it| json::same(&it.object, &object.to_json())) => {
            Answer { report, ..Answer::default() }
        }
        Injected::Something => written(&object, report),
        Injected::Nothing(reason) => {
            let reason = match (&before, reason) {
                (Some(_), Reason::NothingAsked) => Reason::TakenOut,
                (_, reason) => reason,
            };
            let is_silent = report.present.is_empty() && report.skipped.is_empty();
            trace.with(|explanation| explanation.reason = is_silent.then_some(reason));
            if before.is_some() {
                written(&object, report)
            } else {
                Answer { report, ..Answer::default() }
            }
        }
    }
}

fn written(object: &Value, report: Report) -> Answer {
    let mut text = String::from(MUTATED);
    object.write(&mut text);
    Answer { text, report, ..Answer::default() }
}

/// Whether an object was changed by injecting; else why not.
enum Injected {
    Something,
    Nothing(Reason),
}

/// The user's part of an object, to be injected into.
struct UserPart<'o, 'a> {
    object: &'o mut Value<'a>,
    /// The stored object, where nothing was injected into it.
    old_object: Option<Value<'a>>,
    namespace: Cow<'a, str>,
    /// Records what is injected, unless the object is a pod.
    recorder: Option<Recorder>,
}

/// Selects what to inject into the user's part of an object, and injects it.
fn inject<'a>(
    part: UserPart<'_, 'a>,
    workload: &Workload,
    settings: &Settings<'_, 'a>,
    report: &mut Report,
    trace: &mut Trace,
) -> Injected {
    let UserPart { object, old_object, namespace, mut recorder } = part;
    if settings.options.ignored_namespaces.contains(&namespace) {
        return Injected::Nothing(Reason::IgnoredNamespace);
    }
    let runs_to_completion = workload.runs_to_completion || is_owned_by_job(object);
    let claims = claims(object);
    let Some(template) = workload.template(object) else {
        return Injected::Nothing(Reason::NoTemplate);
    };
    let target = target(template, namespace);
    if !annotations::is_enabled(&target, annotations::OPT_OUT) {
        return Injected::Nothing(Reason::OptedOut(annotations::OPT_OUT.to_owned()));
    }
    let selection = Selection::of(&target, settings, trace);
    if selection.is_empty() {
        return Injected::Nothing(Reason::NothingAsked);
    }
    let container_names = annotations::container_names(&target);
    if old_object.is_some_and(|old| is_unchanged(template, old, workload)) {
        return Injected::Nothing(Reason::Unchanged);
    }
    selection.report(report);
    if let Some(path) = &settings.options.unsafe_option {
        selection.skip_unsafe(path, report);
        if workload.is_pod()
            && let Injected::Something = with_status(template, false, settings, report)
        {
            return Injected::Something;
        }
        return Injected::Nothing(Reason::Unsafe(path.clone()));
    }
    let mut context = Context {
        options: &settings.options,
        container_names,
        claims,
        runs_to_completion,
        native_sidecars: false,
        restricted: None,
    };
    let before = recorder.is_some().then(|| template.clone());
    let is_changed = inject_all(template, selection, &mut context, recorder.as_mut(), report);
    let (Some(recorder), Some(before)) = (recorder, before) else {
        return with_status(template, is_changed, settings, report);
    };
    if !is_changed {
        return Injected::Nothing(Reason::NothingAsked);
    }
    if let Err(skip) = life::write_record(object, recorder, &settings.options.record_annotation()) {
        // All or nothing: without its record an injection could never be taken out.
        if let Some(template) = workload.template(object) {
            *template = before;
        }
        report.skip_injected(&skip.to_string(), skip.advice());
        return Injected::Nothing(Reason::NothingAsked);
    }
    Injected::Something
}

/// Injects into a pod template, in the order of the table. Says whether anything changed.
fn inject_all<'a>(
    template: &mut Object<'a>,
    selection: Selection<'a>,
    context: &mut Context<'_, 'a>,
    mut recorder: Option<&mut Recorder>,
    report: &mut Report,
) -> bool {
    let mut pod = match Pod::open(template) {
        Ok(pod) => pod,
        Err(malformed) => {
            selection.skip_all(&Skip::from(malformed), report);
            return false;
        }
    };
    let whole_pod = if is_windows(&pod) {
        Some(Skip::Windows)
    } else if own_containers(&pod, context.options).next().is_none() {
        Some(Skip::EmptyPod)
    } else {
        None
    };
    if let Some(skip) = whole_pod {
        selection.skip_all(&skip, report);
        pod.close();
        return false;
    }
    let policy = pod.spec().and_then(|spec| spec.get_str("restartPolicy"));
    context.runs_to_completion |= matches!(policy.as_deref(), Some("Never" | "OnFailure"));
    context.native_sidecars = match context.options.sidecar_mode {
        SidecarMode::Auto => context.runs_to_completion,
        SidecarMode::Container => false,
        SidecarMode::Native => true,
    };
    context.restricted = RestrictedContext::of(&pod, context.options);
    let mut is_changed = false;
    for selected in selection.selected {
        is_changed |= inject_one(&mut pod, selected, context, recorder.as_deref_mut(), report);
    }
    if is_changed && !context.options.image_pull_secrets.is_empty() {
        if let Some(recorder) = &mut recorder {
            let list = pod.spec().and_then(|spec| spec.get("imagePullSecrets"));
            recorder.create("imagePullSecrets".to_owned(), list);
        }
        let needed = &context.options.image_pull_secrets;
        let added = pod.add_image_pull_secrets(needed);
        if let Some(recorder) = recorder {
            recorder.add_secrets(added, needed);
        }
    }
    pod.close();
    is_changed
}

/// Plans one injection and carries it out, or says why not. Says whether anything changed.
fn inject_one<'a>(
    pod: &mut Pod<'_, 'a>,
    selected: Selected<'a>,
    context: &Context<'_, 'a>,
    recorder: Option<&mut Recorder>,
    report: &mut Report,
) -> bool {
    let Selected { injection, variant, path, annotation, compiled } = selected;
    let name = injection.name(Some(variant));
    let is_there = |container: Option<&str>| container.is_some_and(|it| pod.has_container(it));
    if is_there(injection.container) || is_there(injection.precedence.gives_way_to) {
        report.present.push(name);
        if let Some(version) =
            annotation.as_deref().filter(|it| !it.is_empty() && variant.language.is_some())
        {
            let image = compiled.rule.image.as_ref().and_then(|it| it.with_tag(version).ok());
            if let (Some(image), true) = (image, context.options.allow_version_annotations) {
                note_other_version(pod, injection.container, &image, name, report);
            }
        }
        return false;
    }
    let (rule, planner) = (&compiled.rule, &compiled.planner);
    let ask = Ask { injection, variant, rule, annotation: annotation.as_deref(), context };
    let plan = match &context.restricted {
        Some(_) if injection.needs_capabilities => Err(Skip::Restricted),
        _ => planner.plan(pod, &ask),
    };
    match plan {
        Ok(Plan { edits, notes }) => {
            if let Some(recorder) = recorder {
                recorder.add(name.to_string(), pod, &edits);
            }
            pod.apply(edits);
            report.injected(name, path);
            for note in notes {
                report.noted(name, &note);
            }
            true
        }
        Err(skip) => {
            report.skipped(name, &skip.to_string(), skip.advice());
            false
        }
    }
}

/// Warns where an annotation asks for another version than an earlier injection, of which there is
/// no record, left in the pod.
fn note_other_version(
    pod: &Pod,
    container: Option<&str>,
    asked: &ImageReference,
    name: InjectionName,
    report: &mut Report,
) {
    let container = pod.all_containers().find(|(_, it)| Some(&*it.name) == container);
    let image = container.and_then(|(_, container)| container.body.get_str("image"));
    let present = image.and_then(|image| ImageReference::parse(&image).ok());
    if present.is_some_and(|present| present.is_other_version(asked)) {
        let note = "its container has another version than the annotation, and no record of this \
                    policy; remove the container to inject anew";
        report.noted(name, note);
    }
}

/// Adds the status annotation to a pod, where the options ask for it.
fn with_status(
    pod: &mut Object,
    is_changed: bool,
    settings: &Settings,
    report: &Report,
) -> Injected {
    let status = report.status(annotations::MAX_STATUS);
    let status = status.filter(|_| settings.options.status_annotation);
    if let Some(status) = status
        && let Some(metadata) = pod.open_object("metadata")
        && let Some(annotations) = metadata.open_object("annotations")
        && annotations.get_str(annotations::STATUS).as_deref() != Some(&*status)
    {
        annotations.set(annotations::STATUS, Value::string(&status));
        return Injected::Something;
    }
    if is_changed { Injected::Something } else { Injected::Nothing(Reason::NothingAsked) }
}

fn name<'a>(object: &Value<'a>) -> Cow<'a, str> {
    let metadata = object.as_object().and_then(|object| object.get("metadata")?.as_object());
    let named = |key| metadata.and_then(|metadata| metadata.get_str(key));
    named("name").or_else(|| named("generateName")).unwrap_or_default()
}

/// Whether metadata, labels and annotations are what Kubernetes takes them for.
fn has_valid_metadata(template: &Object) -> bool {
    let is_object = |value: Option<&Value>| {
        value.is_none_or(|value| value.is_null() || value.as_object().is_some())
    };
    let metadata = template.get("metadata");
    let inner = metadata.and_then(Value::as_object);
    is_object(metadata)
        && inner.is_none_or(|inner| {
            is_object(inner.get("labels")) && is_object(inner.get("annotations"))
        })
}

/// Whether the kubelet made a pod from a file of its own, to which it compares it.
fn is_mirror_pod(template: &Object) -> bool {
    let metadata = template.get("metadata").and_then(Value::as_object);
    let annotations = metadata.and_then(|metadata| metadata.get("annotations")?.as_object());
    annotations.is_some_and(|it| it.get("kubernetes.io/config.mirror").is_some())
}

/// What selectors look at.
fn target<'o, 'a>(template: &'o Object<'a>, namespace: Cow<'a, str>) -> Target<'o, 'a> {
    let metadata = template.get("metadata").and_then(Value::as_object);
    let entries = |key| Entries::new(metadata.and_then(|metadata| metadata.get(key)?.as_object()));
    Target { namespace, labels: entries("labels"), annotations: entries("annotations") }
}

fn is_owned_by_job(object: &Value) -> bool {
    let metadata = object.as_object().and_then(|object| object.get("metadata")?.as_object());
    let owners = metadata.and_then(|metadata| metadata.get("ownerReferences")?.as_text());
    let owners = owners.and_then(|it| Value::open(it, &Shape::Array(&Shape::Object(&[]))).ok());
    let is_job = |owner: &Value| {
        owner.as_object().is_some_and(|owner| {
            owner.get_str("kind").as_deref() == Some("Job")
                && owner.get_str("apiVersion").is_some_and(|it| it.starts_with("batch/"))
        })
    };
    owners.as_ref().and_then(Value::as_array).is_some_and(|owners| owners.iter().any(is_job))
}

/// The names of the volumes that a StatefulSet claims for each of its pods.
fn claims(object: &Value) -> BTreeSet<String> {
    static CLAIMS: Shape = Shape::Array(&Shape::Object(&[("metadata", Shape::Object(&[]))]));
    let spec = object.as_object().and_then(|object| object.get("spec")?.as_object());
    let text = spec.and_then(|spec| spec.get("volumeClaimTemplates")?.as_text());
    let claims = text.and_then(|text| Value::open(text, &CLAIMS).ok());
    let claims = claims.as_ref().and_then(Value::as_array).unwrap_or_default();
    let name = |claim: &Value| {
        let name = claim.as_object()?.get("metadata")?.as_object()?.get_str("name");
        name.map(Cow::into_owned)
    };
    set(claims.iter().filter_map(name))
}

/// Whether an update leaves the pod template as it is stored.
fn is_unchanged(template: &Object, mut old: Value, workload: &Workload) -> bool {
    workload.template(&mut old).is_some_and(|old| json::same_objects(template, old))
}

fn is_windows(pod: &Pod) -> bool {
    let is = |object: &str, key: &str| {
        let value = pod.spec_object(object).and_then(|object| object.get_str(key));
        value.as_deref() == Some("windows")
    };
    is("os", "name") || is("nodeSelector", "kubernetes.io/os")
}
