//! The policy: a payload in, an answer out.
//!
//! Every answer accepts. The engine denies what a policy cannot answer, so whatever the payload is,
//! there is an answer; what could not be done becomes a warning.

use std::borrow::Cow;

use crate::admission::{Operation, REQUEST, Request, Workload};
use crate::inject::{self, Context, Plan, Skip};
use crate::json::{self, Object, Shape, Value};
use crate::pod::Pod;
use crate::report::{Injection, Report};
use crate::selector::{Entries, Target};
use crate::settings::{
    self, DdtraceRule, Fault, FlameshotRule, LogLevel, LogfwdRule, LoggingRule, OtelRule,
    ProfilerRule, Rule, SETTINGS, Selected, Settings, SidecarMode,
};

static PAYLOAD: Shape = Shape::Object(&[("request", REQUEST), ("settings", SETTINGS)]);

/// What the policy says to a request. It always accepts.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The JSON text of the object to be stored, where it is another than the request's.
    pub mutated_object: Option<String>,
    /// What was done, and why not.
    pub report: Report,
    /// The least important lines to be logged.
    pub log_level: LogLevel,
}

impl Answer {
    /// The response that Kubewarden reads, as JSON.
    pub fn to_response(&self) -> String {
        let object = self.mutated_object.as_deref().unwrap_or_default();
        let mut out = String::with_capacity(object.len().saturating_add(1024));
        out.push_str("{\"accepted\":true");
        if !object.is_empty() {
            out.push_str(",\"mutated_object\":");
            out.push_str(object);
        }
        for (index, (key, value)) in self.report.audit_annotations().enumerate() {
            out.push_str(if index == 0 { ",\"audit_annotations\":{\"" } else { ",\"" });
            out.push_str(key);
            out.push_str("\":");
            out.push_str(&json::text(&value));
        }
        if self.report.audit_annotations().next().is_some() {
            out.push('}');
        }
        for (index, warning) in self.report.warnings.iter().enumerate() {
            out.push_str(if index == 0 { ",\"warnings\":[" } else { "," });
            out.push_str(&json::text(warning));
        }
        if !self.report.warnings.is_empty() {
            out.push(']');
        }
        out.push('}');
        out
    }
}

/// Answers a payload: `{"request": AdmissionRequest, "settings": {…}}` as JSON.
///
/// ```
/// use datakit_injection::policy;
///
/// let answer = policy::evaluate(b"whatever this is");
/// assert_eq!(answer.to_response(), r#"{"accepted":true}"#);
/// ```
pub fn evaluate(payload: &[u8]) -> Answer {
    let text = std::str::from_utf8(payload).ok();
    text.and_then(answer).unwrap_or_default()
}

fn answer(text: &str) -> Option<Answer> {
    let mut payload = Value::open(text, &PAYLOAD).ok()?;
    let payload = payload.as_object_mut()?;
    let request = Request::read(payload.get_mut("request")?.as_object_mut()?)?;
    let settings = payload.get("settings").unwrap_or(&Value::Text("null"));
    let jsonconfig = settings::jsonconfig(settings);
    let jsonconfig = jsonconfig.as_deref().and_then(|text| settings::open(text).ok());
    let settings = Settings::new(settings, jsonconfig.as_ref());
    mutate(request, &settings)
}

/// Does what the settings ask for; nothing where that is nothing.
fn mutate(request: Request, settings: &Settings) -> Option<Answer> {
    let Request { kind, operation, is_subresource, .. } = &request;
    let operation = operation.filter(|_| !is_subresource)?;
    let workload = settings.options.workload(kind)?;
    let namespace = request.namespace();
    if settings.options.ignored_namespaces.contains(&namespace) {
        return None;
    }
    if operation == Operation::Update && !workload.template_is_mutable {
        return None;
    }
    let Request { kind, mut object, old_object, .. } = request;
    let template = workload.template(&mut object)?;
    let asked = Asked::read(template, namespace, settings)?;
    if operation == Operation::Update
        && old_object.is_some_and(|old| is_unchanged(template, old, &workload))
    {
        return None;
    }
    let mut report = Report::new(&kind.kind, &name(&object));
    let runs_to_completion = workload.runs_to_completion || is_owned_by_job(&object);
    let claims = claims(&object);
    let template = workload.template(&mut object)?;
    let changed = asked.inject_into(template, claims, settings, runs_to_completion, &mut report);
    let mutated_object = changed.then(|| {
        let mut text = String::new();
        object.write(&mut text);
        text
    });
    Some(Answer { mutated_object, report, log_level: settings.log_level })
}

fn name<'a>(object: &Value<'a>) -> Cow<'a, str> {
    let metadata = object.as_object().and_then(|object| object.get("metadata")?.as_object());
    let named = |key| metadata.and_then(|metadata| metadata.get_str(key));
    named("name").or_else(|| named("generateName")).unwrap_or_default()
}

fn is_owned_by_job(object: &Value) -> bool {
    let owners = || {
        let owners = object.as_object()?.get("metadata")?.as_object()?.get("ownerReferences")?;
        Value::open(owners.as_text()?, &Shape::Array(&Shape::Object(&[]))).ok()
    };
    let is_job = |owner: &Value| {
        owner.as_object().and_then(|owner| owner.get_str("kind")).as_deref() == Some("Job")
    };
    owners().is_some_and(|owners| owners.as_array().is_some_and(|o| o.iter().any(is_job)))
}

/// The names of the volumes that a StatefulSet claims for each of its pods.
fn claims(object: &Value) -> Vec<String> {
    static CLAIMS: Shape = Shape::Array(&Shape::Object(&[("metadata", Shape::Object(&[]))]));
    let spec = object.as_object().and_then(|object| object.get("spec")?.as_object());
    let text = spec.and_then(|spec| spec.get("volumeClaimTemplates")?.as_text());
    let claims = text.and_then(|text| Value::open(text, &CLAIMS).ok());
    let claims = claims.as_ref().and_then(Value::as_array).unwrap_or_default();
    let name = |claim: &Value| {
        let name = claim.as_object()?.get("metadata")?.as_object()?.get_str("name");
        name.map(Cow::into_owned)
    };
    claims.iter().filter_map(name).collect()
}

/// Whether an update leaves the pod template as it is stored.
fn is_unchanged(template: &Object, mut old: Value, workload: &Workload) -> bool {
    let Some(old) = workload.template(&mut old) else {
        return false;
    };
    if *template == *old {
        return true;
    }
    // Another order of keys is no change.
    let text = |object: &Object| {
        let mut text = String::new();
        object.write(&mut text);
        text
    };
    json::same(&text(template), &text(old))
}

/// Everything that rules and annotations ask for.
struct Asked<'a> {
    ddtrace: Option<Selected<'a, DdtraceRule<'a>>>,
    otel: Option<Selected<'a, OtelRule<'a>>>,
    logfwd: Option<Selected<'a, LogfwdRule<'a>>>,
    flameshot: Option<Selected<'a, FlameshotRule<'a>>>,
    profiler: Option<Selected<'a, ProfilerRule<'a>>>,
    logging: Option<Selected<'a, LoggingRule<'a>>>,
    /// Rules that would have asked for something, and have a fault.
    left_out: Vec<(Injection, Fault)>,
    container_names: Option<Vec<String>>,
    has_prometheus_annotations: bool,
}

impl<'a> Asked<'a> {
    /// Selects the rules for a pod template; nothing where nothing is asked for.
    fn read(
        template: &Object<'a>,
        namespace: Cow<'a, str>,
        settings: &Settings<'_, 'a>,
    ) -> Option<Self> {
        let metadata = template.get("metadata").and_then(Value::as_object);
        let entries =
            |key| Entries::new(metadata.and_then(|metadata| metadata.get(key)?.as_object()));
        let (labels, annotations) = (entries("labels"), entries("annotations"));
        let target = Target { namespace, labels, annotations };
        if !is_enabled(&target, "admission.datakit/enabled") {
            return None;
        }
        let mut left_out = Vec::new();
        let ddtrace = select(settings, &target, Injection::Ddtrace(None), &mut left_out);
        let otel = match ddtrace {
            Some(_) => None,
            None => select(settings, &target, Injection::Otel(None), &mut left_out),
        };
        let logfwd = select(settings, &target, Injection::Logfwd, &mut left_out);
        let flameshot = select(settings, &target, Injection::Flameshot, &mut left_out);
        let profiler = select(settings, &target, Injection::Profiler(None), &mut left_out);
        let mut faults = Vec::new();
        let logging = match annotations.get(inject::LOGGING_ANNOTATION) {
            Some(_) => None,
            None => settings.select_logging(&target, &mut faults),
        };
        left_out.extend(faults.into_iter().map(|fault| (Injection::Logging, fault)));
        let is_nothing = ddtrace.is_none()
            && otel.is_none()
            && logfwd.is_none()
            && flameshot.is_none()
            && profiler.is_none()
            && logging.is_none()
            && left_out.is_empty();
        if is_nothing {
            return None;
        }
        let container_names = annotations.get("admission.datakit/container-names").map(|names| {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        });
        let has_prometheus_annotations = annotations.any_starts_with("prometheus.io/");
        Some(Self {
            ddtrace,
            otel,
            logfwd,
            flameshot,
            profiler,
            logging,
            left_out,
            container_names,
            has_prometheus_annotations,
        })
    }

    /// Injects what is asked for, in the order of the reference. Says whether anything changed.
    fn inject_into(
        mut self,
        template: &mut Object,
        claims: Vec<String>,
        settings: &Settings,
        runs_to_completion: bool,
        report: &mut Report,
    ) -> bool {
        for (injection, fault) in &self.left_out {
            let reason = format!("its rule has a fault at {}", fault.path);
            report.skipped(*injection, &reason, "correct the settings of the policy");
        }
        let mut pod = match Pod::open(template, claims) {
            Ok(pod) => pod,
            Err(malformed) => {
                let skip = Skip::from(malformed);
                self.skip_all(&skip.to_string(), skip.advice(), report);
                return false;
            }
        };
        if is_windows(&pod) {
            let advice = "opt out with admission.datakit/enabled: \"false\"";
            self.skip_all("its pods run on Windows", advice, report);
            return false;
        }
        let options = &settings.options;
        let runs_to_completion = runs_to_completion || pod.ends_by_itself();
        let native_sidecars = match options.sidecar_mode {
            SidecarMode::Auto => runs_to_completion,
            SidecarMode::Container => false,
            SidecarMode::Native => true,
        };
        pod.native_sidecars = native_sidecars;
        let container_names = self.container_names.take();
        let container_names = container_names.as_deref();
        let context = Context { options, container_names, runs_to_completion, native_sidecars };
        self.inject_each(&mut pod, context, report);
        let changed = pod.is_changed();
        if changed {
            pod.add_image_pull_secrets(options.image_pull_secrets.iter().map(|name| &**name));
        }
        pod.close();
        changed
    }

    fn inject_each(self, pod: &mut Pod, context: Context, report: &mut Report) {
        if let Some(Selected { rule, path, annotation }) = self.ddtrace {
            let injection = Injection::Ddtrace(Some(rule.language));
            if !pod.has_container(inject::DDTRACE_CONTAINER) {
                let plan = inject::ddtrace(pod, &rule, annotation.as_deref(), context);
                carry_out(pod, injection, path, plan, report);
            }
        }
        if let Some(Selected { rule, path, annotation }) = self.otel {
            let injection = Injection::Otel(Some(rule.language));
            if !pod.has_container(inject::OTEL_CONTAINER) {
                let plan = inject::otel(pod, &rule, annotation.as_deref(), context);
                carry_out(pod, injection, path, plan, report);
            }
        }
        if let Some(Selected { rule, path, annotation }) = self.logfwd
            && !pod.has_container(inject::LOGFWD_CONTAINER)
        {
            let plan = inject::logfwd(pod, &rule, annotation.as_deref(), context);
            carry_out(pod, Injection::Logfwd, path, plan, report);
        }
        if let Some(Selected { rule, path, .. }) = self.flameshot
            && !pod.has_container(inject::FLAMESHOT_CONTAINER)
        {
            let has_prometheus_annotations = self.has_prometheus_annotations;
            let plan = inject::flameshot(pod, &rule, has_prometheus_annotations, context);
            carry_out(pod, Injection::Flameshot, path, plan, report);
        }
        if let Some(Selected { rule, path, annotation }) = self.profiler {
            let injection = Injection::Profiler(Some(rule.language));
            if !pod.has_container(inject::PROFILER_CONTAINER) {
                let plan = inject::profiler(pod, &rule, annotation.as_deref(), context);
                carry_out(pod, injection, path, plan, report);
            }
        }
        if let Some(Selected { rule, path, .. }) = self.logging {
            let plan = inject::logging(pod, &rule, context);
            carry_out(pod, Injection::Logging, path, plan, report);
        }
    }

    fn skip_all(&self, reason: &str, advice: &str, report: &mut Report) {
        let asked = [
            self.ddtrace.as_ref().map(|asked| Injection::Ddtrace(Some(asked.rule.language))),
            self.otel.as_ref().map(|asked| Injection::Otel(Some(asked.rule.language))),
            self.logfwd.as_ref().map(|_| Injection::Logfwd),
            self.flameshot.as_ref().map(|_| Injection::Flameshot),
            self.profiler.as_ref().map(|asked| Injection::Profiler(Some(asked.rule.language))),
            self.logging.as_ref().map(|_| Injection::Logging),
        ];
        for injection in asked.into_iter().flatten() {
            report.skipped(injection, reason, advice);
        }
    }
}

/// The rule of an injection, unless the pod opts out of it.
fn select<'a, R: Rule<'a>>(
    settings: &Settings<'_, 'a>,
    target: &Target<'_, 'a>,
    injection: Injection,
    left_out: &mut Vec<(Injection, Fault)>,
) -> Option<Selected<'a, R>> {
    let mut faults = Vec::new();
    let selected = settings.select::<R>(target, &mut faults);
    if selected.is_none() && faults.is_empty() {
        return None;
    }
    if !is_enabled(target, &format!("admission.datakit/{injection}.enabled")) {
        return None;
    }
    left_out.extend(faults.into_iter().map(|fault| (injection, fault)));
    selected
}

/// Carries out a plan, or says why there is none.
fn carry_out<'a>(
    pod: &mut Pod<'_, 'a>,
    injection: Injection,
    rule: String,
    plan: Result<Plan<'a>, Skip>,
    report: &mut Report,
) {
    match plan {
        Ok(Plan { edits, notes }) => {
            pod.apply(edits);
            report.injected(injection, rule);
            for note in notes {
                report.noted(injection, &note);
            }
        }
        Err(skip) => report.skipped(injection, &skip.to_string(), skip.advice()),
    }
}

/// Whether an annotation says so: as Go's `strconv.ParseBool` reads it, and true where it cannot.
fn is_enabled(target: &Target, annotation: &str) -> bool {
    let value = target.annotations.get(annotation);
    !matches!(value.as_deref(), Some("0" | "f" | "F" | "false" | "FALSE" | "False"))
}

fn is_windows(pod: &Pod) -> bool {
    let is = |object: &str, key: &str| {
        let value = pod.spec_object(object).and_then(|object| object.get_str(key));
        value.as_deref() == Some("windows")
    };
    is("os", "name") || is("nodeSelector", "kubernetes.io/os")
}
