//! The policy: a payload in, an answer out.
//!
//! Every answer accepts. The engine denies what a policy cannot answer, so there is an answer to any
//! payload; what could not be done becomes a warning.

mod answer;
mod inject;
mod life;
mod misplaced;
mod pod_wide;
mod selection;

use std::borrow::Cow;

pub use answer::Answer;

use crate::admission::{GroupVersionKind, OBJECT, Operation, REQUEST, Request, Workload};
use crate::annotations;
use crate::json::{self, Object, Shape, Value};
use crate::pod::annotations_of;
use crate::reader::Errors;
use crate::reason::Reason;
use crate::record::applied::Applied;
use crate::report::Report;
use crate::settings::{self, SETTINGS, Settings};
use crate::trace::{Explanation, Trace};
use inject::{Facts, Outcome, inject};
use life::{Decision, UserPart};

static PAYLOAD: Shape = Shape::Object(&[("request", REQUEST), ("settings", SETTINGS)]);

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

/// An object without what this policy injected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uninjected {
    /// The JSON text of the object.
    pub object: String,
    /// The injections that were removed.
    pub removed: Vec<String>,
}

/// Removes what a record lists from an object, under settings that name its policy: all of it, or one
/// injection (`ddtrace`, `ddtrace-java`).
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
    static SHAPE: Shape = OBJECT;
    settings::with_settings(settings, &mut Errors::default(), |settings, _| {
        let mut object = Value::open(object, &SHAPE).ok()?;
        let kind = GroupVersionKind::of_object(object.as_object()?)?;
        let workload = settings.options.workload(&kind).filter(|workload| !workload.is_pod())?;
        let key = annotations::record(&settings.options);
        let removed = life::uninject(workload.template(&mut object)?, &key, injection)?;
        Some(Uninjected { object: object.to_json(), removed })
    })?
}

/// Opens a payload and answers its request.
fn answer(payload: &[u8], trace: &mut Trace) -> Answer {
    let text = std::str::from_utf8(payload).ok();
    let Some(mut payload) = text.and_then(|text| Value::open(text, &PAYLOAD).ok()) else {
        return untouched(Reason::NoRequest, trace);
    };
    let request = payload.as_object_mut().and_then(|it| it.get_mut("request")?.as_object_mut());
    let Some(request) = request.and_then(Request::read) else {
        return untouched(Reason::NoRequest, trace);
    };
    let null = Value::default();
    let settings = payload.as_object().and_then(|it| it.get("settings")).unwrap_or(&null);
    let jsonconfig = settings::jsonconfig(settings);
    let jsonconfig = jsonconfig.as_deref().and_then(|text| settings::open(text).ok());
    let settings = Settings::new(settings, jsonconfig.as_ref());
    let mut answer = match workload(&request, &settings, trace) {
        Ok(workload) => mutate(request, &workload, &settings, trace),
        Err(reason) => untouched(reason, trace),
    };
    answer.log_level = settings.log_level;
    answer.release = (settings.release, settings.release_reason);
    answer
}

fn untouched(reason: Reason, trace: &mut Trace) -> Answer {
    unchanged(reason, Report::default(), trace)
}

fn unchanged(reason: Reason, report: Report, trace: &mut Trace) -> Answer {
    trace.with(|explanation| explanation.reason = Some(reason));
    Answer::unchanged(report)
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
    if operation == Operation::Update && workload.is_pod() {
        return Err(Reason::FixedTemplate);
    }
    Ok(workload)
}

/// Answers a request for a workload.
fn mutate<'a>(
    request: Request<'a>,
    workload: &Workload,
    settings: &Settings<'_, 'a>,
    trace: &mut Trace,
) -> Answer {
    let namespace = request.namespace();
    let Request { kind, mut object, old_object, operation, .. } = request;
    let is_update = operation == Some(Operation::Update);
    let mut report = Report::new(&kind.kind, &name(&object));
    let mut old_object = old_object.filter(|_| is_update);
    let facts = Facts::of(&object, old_object.as_ref(), workload, namespace);
    let applied = match is_update {
        true => Applied::of(&object, workload),
        false => Applied::default(),
    };
    let Some(template) = workload.template(&mut object) else {
        return untouched(Reason::NoTemplate, trace);
    };
    if let Some(reason) = reason_to_leave(template, &facts, settings, &mut report) {
        return unchanged(reason, report, trace);
    }
    facts.warn_of_misplaced(template, settings, &mut report, trace);
    let stored = old_object.as_mut().and_then(|old| workload.template(old));
    let stored = stored.as_deref();
    let key = annotations::record(&settings.options);
    let is_fixed = is_update && !workload.template_is_mutable;
    let is_changed = match decide(template, stored, &key, workload, settings, &applied) {
        Decision::Unchanged => return unchanged(Reason::Unchanged, report, trace),
        Decision::Restore { by_hand } => {
            if by_hand {
                report.warn(RESTORED);
            }
            trace.with(|explanation| explanation.reason = Some(Reason::PutBack));
            if let Some(stored) = stored {
                *template = stored.clone();
            }
            true
        }
        _ if is_fixed => return unchanged(Reason::FixedTemplate, report, trace),
        Decision::Unreadable => {
            report.warn(&format!("cannot parse annotation {key}; injection skipped; remove it"));
            return unchanged(Reason::UnreadableRecord, report, trace);
        }
        Decision::Rebuild(part) => {
            if part.is_unreadable {
                report.warn(&format!("cannot parse annotation {key}; the stored one is used"));
            }
            rebuild(template, part, &facts, settings, &mut report, trace)
        }
        decision @ (Decision::Uninjected(_) | Decision::Malformed) => {
            let others = match decision {
                Decision::Uninjected(others) => others,
                _ => {
                    report.warn("the pod template is malformed; what was injected stays");
                    Vec::new()
                }
            };
            let outcome = inject(template, stored, others, &facts, settings, &mut report, trace);
            if let Outcome::Unchanged(reason) = &outcome {
                explain_silence(reason.clone(), &report, trace);
            }
            matches!(outcome, Outcome::Changed)
        }
    };
    if is_changed { Answer::mutated(&object, report) } else { Answer::unchanged(report) }
}

/// What a request does, as far as earlier injections are concerned.
fn decide<'a>(
    template: &Object<'a>,
    stored: Option<&Object<'a>>,
    key: &str,
    workload: &Workload,
    settings: &Settings,
    applied: &Applied,
) -> Decision<'a> {
    // Without a readable id, any record may be another policy's. Pods have none.
    if settings.options.has_unreadable_id || workload.is_pod() {
        return Decision::Uninjected(Vec::new());
    }
    life::decide(template, stored, key, workload.lists_are_atomic, applied)
}

/// Why a template is left as it is, whatever the rules.
fn reason_to_leave(
    template: &Object,
    facts: &Facts,
    settings: &Settings,
    report: &mut Report,
) -> Option<Reason> {
    if !has_valid_metadata(template) && !settings.options.is_ignored(&facts.namespace) {
        let note = "metadata, labels or annotations of the pod template are not objects; nothing \
                    is injected";
        report.warn(note);
        return Some(Reason::Malformed);
    }
    is_mirror_pod(template).then_some(Reason::MirrorPod)
}

const RESTORED: &str = "restored injected fields that the request removes or changes; change the \
                        settings or the version annotation, or opt out with \
                        admission.datakit/enabled: \"false\"";

const AMBIGUOUS: &str = "several containers mount a volume of yours where an injected one of its name \
                         was; remove the mounts that are not meant";

/// Injects anew into the user's part of a template. Returns whether the template changed.
fn rebuild<'a>(
    template: &mut Object<'a>,
    part: UserPart<'a>,
    facts: &Facts<'a>,
    settings: &Settings<'_, 'a>,
    report: &mut Report,
    trace: &mut Trace,
) -> bool {
    if part.is_ambiguous {
        report.warn(AMBIGUOUS);
    }
    let given = std::mem::replace(template, part.template);
    let outcome = inject(template, None, part.others, facts, settings, report, trace);
    let is_injected = |name: &String| report.injected.iter().any(|(it, _)| it.to_string() == *name);
    report.removed = part.injections.into_iter().filter(|name| !is_injected(name)).collect();
    if let Outcome::Unchanged(reason) = outcome {
        let reason = match reason {
            Reason::NothingAsked => Reason::TakenOut,
            reason => reason,
        };
        explain_silence(reason, report, trace);
    }
    !json::same_objects(&given, template)
}

/// Explains why nothing is injected, if the report does not.
fn explain_silence(reason: Reason, report: &Report, trace: &mut Trace) {
    let is_silent = report.present.is_empty() && report.skipped.is_empty();
    trace.with(|explanation| explanation.reason = is_silent.then_some(reason));
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
    annotations_of(template).is_some_and(|it| it.get("kubernetes.io/config.mirror").is_some())
}
