//! The policy: a payload in, an answer out.
//!
//! Every answer accepts. The engine denies what a policy cannot answer, so whatever the payload is,
//! there is an answer; what could not be done becomes a warning.

use std::borrow::Cow;

use crate::admission::{Operation, REQUEST, Request, Workload};
use crate::explanation::{Explanation, Step};
use crate::inject::{self, Context, Plan, Skip};
use crate::json::{self, Object, Shape, Value};
use crate::pod::Pod;
use crate::report::{Injection, Report};
use crate::selector::{Entries, Target};
use crate::settings::{
    self, DdtraceRule, Fault, FlameshotRule, LogLevel, LogfwdRule, LoggingRule, Looks, OtelRule,
    ProfilerRule, Rule, SETTINGS, Selected, Settings, SidecarMode,
};
use crate::verdict::Verdict;

static PAYLOAD: Shape = Shape::Object(&[("request", REQUEST), ("settings", SETTINGS)]);

/// What the policy says to a request. It always accepts.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The beginning of the response up to the object, where there is one: a large object is
    /// written once, to where it stays.
    text: String,
    /// What was done, and why not.
    pub report: Report,
    /// The least important lines to be logged.
    pub log_level: LogLevel,
}

const ACCEPTED: &str = "{\"accepted\":true";
const MUTATED: &str = "{\"accepted\":true,\"mutated_object\":";

impl Answer {
    /// The JSON text of the object to be stored, where it is another than the request's.
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
        for (index, warning) in self.report.warnings.iter().enumerate() {
            out.push_str(if index == 0 { ",\"warnings\":[" } else { "," });
            json::push_text(&mut out, warning);
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
/// assert_eq!(answer.into_response(), r#"{"accepted":true}"#);
/// ```
pub fn evaluate(payload: &[u8]) -> Answer {
    answer(payload, &mut None).unwrap_or_default()
}

/// Answers a payload as [`evaluate`] does, and says how it came to that.
///
/// ```
/// use datakit_injection::policy;
///
/// let (_, explanation) = policy::explain(br#"{"request":{"object":{"kind":"Service"}}}"#);
/// assert_eq!(explanation.reason.unwrap().code(), "other-operation");
/// ```
pub fn explain(payload: &[u8]) -> (Answer, Explanation) {
    let mut explanation = Some(Explanation::default());
    let answer = answer(payload, &mut explanation);
    let mut explanation = explanation.unwrap_or_default();
    let answer = answer.unwrap_or_else(|reason| {
        explanation.reason = Some(reason);
        Answer::default()
    });
    (answer, explanation)
}

/// Answers, or says why there is nothing to do.
fn answer(payload: &[u8], explanation: &mut Option<Explanation>) -> Result<Answer, Verdict> {
    let text = std::str::from_utf8(payload).map_err(|_| Verdict::NoRequest)?;
    let mut payload = Value::open(text, &PAYLOAD).map_err(|_| Verdict::NoRequest)?;
    let payload = payload.as_object_mut().ok_or(Verdict::NoRequest)?;
    let request = payload.get_mut("request").and_then(Value::as_object_mut);
    let request = request.and_then(Request::read).ok_or(Verdict::NoRequest)?;
    let settings = payload.get("settings").unwrap_or(&Value::Text("null"));
    let jsonconfig = settings::jsonconfig(settings);
    let jsonconfig = jsonconfig.as_deref().and_then(|text| settings::open(text).ok());
    let settings = Settings::new(settings, jsonconfig.as_ref());
    mutate(request, &settings, explanation)
}

fn mutate<'a>(
    request: Request<'a>,
    settings: &Settings<'_, 'a>,
    explanation: &mut Option<Explanation>,
) -> Result<Answer, Verdict> {
    let Request { kind, operation, is_subresource, object, .. } = &request;
    if let Some(explanation) = explanation {
        explanation.workload = Report::new(&kind.kind, &name(object)).workload;
    }
    if *is_subresource {
        return Err(Verdict::Subresource);
    }
    let operation = operation.ok_or(Verdict::OtherOperation)?;
    let workload = settings.options.workload(kind).ok_or(Verdict::OtherKind)?;
    let namespace = request.namespace();
    if settings.options.ignored_namespaces.contains(&namespace) {
        return Err(Verdict::IgnoredNamespace);
    }
    if operation == Operation::Update && !workload.template_is_mutable {
        return Err(Verdict::FixedTemplate);
    }
    let Request { kind, mut object, old_object, .. } = request;
    let template = workload.template(&mut object).ok_or(Verdict::NoTemplate)?;
    let asked = Asked::read(template, namespace, settings, explanation)?;
    if operation == Operation::Update
        && old_object.is_some_and(|old| is_unchanged(template, old, &workload))
    {
        return Err(Verdict::Unchanged);
    }
    let mut report = Report::new(&kind.kind, &name(&object));
    let runs_to_completion = workload.runs_to_completion || is_owned_by_job(&object);
    let claims = claims(&object);
    let template = workload.template(&mut object).ok_or(Verdict::NoTemplate)?;
    let changed = asked.inject_into(template, claims, settings, runs_to_completion, &mut report);
    let mut text = String::new();
    if changed {
        text.push_str(MUTATED);
        object.write(&mut text);
    }
    Ok(Answer { text, report, log_level: settings.log_level })
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
    /// Selects the rules for a pod template, or says why nothing is asked for.
    fn read(
        template: &Object<'a>,
        namespace: Cow<'a, str>,
        settings: &Settings<'_, 'a>,
        explanation: &mut Option<Explanation>,
    ) -> Result<Self, Verdict> {
        let metadata = template.get("metadata").and_then(Value::as_object);
        let entries =
            |key| Entries::new(metadata.and_then(|metadata| metadata.get(key)?.as_object()));
        let (labels, annotations) = (entries("labels"), entries("annotations"));
        let target = Target { namespace, labels, annotations };
        if !is_enabled(&target, OPT_OUT) {
            return Err(Verdict::OptedOut(OPT_OUT.to_owned()));
        }
        let mut selection =
            Selection { settings, target: &target, left_out: Vec::new(), explanation };
        let ddtrace = selection.select(Injection::Ddtrace(None));
        let otel = if ddtrace.is_some() {
            selection.explain(Injection::Otel(None), None, Verdict::AfterDdtrace);
            None
        } else {
            selection.select(Injection::Otel(None))
        };
        let logfwd = selection.select(Injection::Logfwd);
        let flameshot = selection.select(Injection::Flameshot);
        let profiler = selection.select(Injection::Profiler(None));
        let logging = selection.select_logging();
        let left_out = selection.left_out;
        let is_nothing = ddtrace.is_none()
            && otel.is_none()
            && logfwd.is_none()
            && flameshot.is_none()
            && profiler.is_none()
            && logging.is_none()
            && left_out.is_empty();
        if is_nothing {
            return Err(Verdict::NothingAsked);
        }
        let container_names = annotations.get("admission.datakit/container-names").map(|names| {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        });
        let has_prometheus_annotations = annotations.any_starts_with("prometheus.io/");
        Ok(Self {
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
        template: &mut Object<'a>,
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

    fn inject_each(self, pod: &mut Pod<'_, 'a>, context: Context, report: &mut Report) {
        if let Some(Selected { rule, path, annotation }) = self.ddtrace {
            let injection = Injection::Ddtrace(Some(rule.language));
            if is_absent(pod, inject::DDTRACE_CONTAINER, injection, report) {
                let plan = inject::ddtrace(pod, &rule, annotation.as_deref(), context);
                carry_out(pod, injection, path, plan, report);
            }
        }
        if let Some(Selected { rule, path, annotation }) = self.otel {
            let injection = Injection::Otel(Some(rule.language));
            if is_absent(pod, inject::OTEL_CONTAINER, injection, report) {
                let plan = inject::otel(pod, &rule, annotation.as_deref(), context);
                carry_out(pod, injection, path, plan, report);
            }
        }
        if let Some(Selected { rule, path, annotation }) = self.logfwd
            && is_absent(pod, inject::LOGFWD_CONTAINER, Injection::Logfwd, report)
        {
            let plan = inject::logfwd(pod, &rule, annotation.as_deref(), context);
            carry_out(pod, Injection::Logfwd, path, plan, report);
        }
        if let Some(Selected { rule, path, .. }) = self.flameshot
            && is_absent(pod, inject::FLAMESHOT_CONTAINER, Injection::Flameshot, report)
        {
            let has_prometheus_annotations = self.has_prometheus_annotations;
            let plan = inject::flameshot(pod, &rule, has_prometheus_annotations, context);
            carry_out(pod, Injection::Flameshot, path, plan, report);
        }
        if let Some(Selected { rule, path, annotation }) = self.profiler {
            let injection = Injection::Profiler(Some(rule.language));
            if is_absent(pod, inject::PROFILER_CONTAINER, injection, report) {
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

/// The selection of rules for one pod.
struct Selection<'x, 's, 'a> {
    settings: &'x Settings<'s, 'a>,
    target: &'x Target<'x, 'a>,
    left_out: Vec<(Injection, Fault)>,
    explanation: &'x mut Option<Explanation>,
}

impl<'a> Selection<'_, '_, 'a> {
    /// The rule of an injection, unless the pod opts out of it.
    fn select<R: Rule<'a>>(&mut self, injection: Injection) -> Option<Selected<'a, R>> {
        let mut looks = self.looks();
        let selected = self.settings.select::<R>(self.target, &mut looks);
        self.explain_all(injection, looks.verdicts);
        if selected.is_none() && looks.left_out.is_empty() {
            return None;
        }
        let opt_out = format!("admission.datakit/{injection}.enabled");
        if !is_enabled(self.target, &opt_out) {
            self.explain(injection, None, Verdict::OptedOut(opt_out));
            return None;
        }
        self.left_out.extend(looks.left_out.into_iter().map(|fault| (injection, fault)));
        selected
    }

    fn select_logging(&mut self) -> Option<Selected<'a, LoggingRule<'a>>> {
        let annotation = inject::LOGGING_ANNOTATION;
        if self.target.annotations.get(annotation).is_some() {
            self.explain(Injection::Logging, None, Verdict::Annotated(annotation));
            return None;
        }
        let mut looks = self.looks();
        let selected = self.settings.select_logging(self.target, &mut looks);
        self.explain_all(Injection::Logging, looks.verdicts);
        let left_out = looks.left_out.into_iter().map(|fault| (Injection::Logging, fault));
        self.left_out.extend(left_out);
        selected
    }

    fn looks(&self) -> Looks {
        let verdicts = self.explanation.as_ref().map(|_| Vec::new());
        Looks { left_out: Vec::new(), verdicts }
    }

    fn explain_all(&mut self, injection: Injection, verdicts: Option<Vec<(String, Verdict)>>) {
        for (rule, verdict) in verdicts.into_iter().flatten() {
            self.explain(injection, Some(rule), verdict);
        }
    }

    fn explain(&mut self, injection: Injection, rule: Option<String>, verdict: Verdict) {
        if let Some(explanation) = self.explanation {
            explanation.steps.push(Step { injection, rule, verdict });
        }
    }
}

/// The annotation that opts out of everything.
const OPT_OUT: &str = "admission.datakit/enabled";

/// Whether the container that an injection adds is not there; else the injection is done already.
fn is_absent(pod: &Pod, container: &str, injection: Injection, report: &mut Report) -> bool {
    let is_present = pod.has_container(container);
    if is_present {
        report.present.push(injection);
    }
    !is_present
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
