//! `matchConditions`: CEL expressions that keep requests which ask for nothing in the API server.
//!
//! They are compiled from the rules that the policy selects by, and from the same types. They are
//! sound: whatever the policy would answer with an object, a warning or an audit annotation passes.
//! They are tight: where no rule selects, no annotation asks and there is no record, they are false.
//! An expression never fails at run time. What CEL cannot express is treated as matching.

mod words;

use std::fmt::Write as _;
use std::ops::ControlFlow;

use datakit_injection::annotations::{self, DISABLED, OPT_OUT, PREFIX};
use datakit_injection::injection::Injection;
use datakit_injection::injection::table::ALL;
use datakit_injection::options::{ExtraWorkload, Options};
use datakit_injection::reader::Errors;
use datakit_injection::rules::candidate::Candidate;
use datakit_injection::rules::candidates::visit;
use datakit_injection::rules::selectors::{Mode, Selectors};
use datakit_injection::selector::{Glob, NamespacePattern, Operator, Requirement};
use datakit_injection::settings::{Settings, with_settings};

/// Kubernetes takes 100,000 characters of all conditions together; other tools add to them.
const MAX_LENGTH: usize = 60_000;

/// A named condition, as `spec.matchConditions` of a policy has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The name.
    pub name: &'static str,
    /// The CEL expression.
    pub expression: String,
}

/// The conditions of settings; a request is sent to the policy where all of them are true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// What passes them, in words: one line for each alternative.
    pub words: Vec<String>,
    /// What the reader should know of them.
    pub notes: Vec<String>,
}

/// The objects that a policy is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Pods alone: they have no template, no record and no stored object.
    Pods,
    /// Workloads alone.
    Workloads,
    /// Both.
    All,
}

impl Scope {
    /// That of a policy whose rules name these resources, such as `pods` or `deployments`.
    pub fn of_resources<'a>(resources: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut pods, mut workloads) = (false, false);
        for resource in resources {
            match resource {
                "pods" => pods = true,
                _ if resource.contains('*') => (pods, workloads) = (true, true),
                _ => workloads = true,
            }
        }
        match (pods, workloads) {
            (true, false) => Self::Pods,
            (false, true) => Self::Workloads,
            _ => Self::All,
        }
    }
}

/// Compiles the conditions of settings, from their JSON text, for the objects of a policy; none if
/// the text cannot be opened.
///
/// ```
/// use settings_tools::conditions::{Scope, compile};
///
/// let settings = r#"{"admission_inject_v2":{"ddtraces":[{"namespace_selectors":["^shop$"],
///     "language":"java","image":"a/b:1"}]}}"#;
/// let compiled = compile(settings, Scope::Pods);
/// assert!(compiled.conditions[2].expression.contains("ns == 'shop'"));
/// assert_eq!(compiled.words[1], "ddtrace: namespaces ^shop$");
/// ```
pub fn compile(settings: &str, scope: Scope) -> Conditions {
    let compiled =
        with_settings(settings, &mut Errors::default(), |settings, _| of(settings, scope));
    compiled.unwrap_or_default()
}

fn of(settings: &Settings, scope: Scope) -> Conditions {
    let objects = Objects::of(settings, scope);
    let always = objects.always();
    let condition = |name, expression: String| Condition {
        name,
        expression: wrapped(&match &always {
            Some(always) => format!("{always} ||\n{expression}"),
            None => expression,
        }),
    };
    let mut compiled = Conditions { words: words::of(settings, scope), ..Conditions::default() };
    let ignored = &settings.options.ignored_namespaces;
    if !ignored.is_empty() {
        let names: Vec<String> = ignored.iter().map(|name| string(name)).collect();
        let expression = format!("!({NAMESPACE} in [{}])", names.join(", "));
        compiled.conditions.push(condition("namespace-is-not-ignored", expression));
    }
    let is_enabled = format!("!({})", is_disabled(OPT_OUT));
    let enabled = objects.any("object", &objects.with("annotations", &is_enabled));
    compiled.conditions.push(condition("is-not-opted-out", enabled));
    let mut asks = vec![any_other_annotation(&settings.options, &objects)];
    for injection in ALL {
        asks.extend(rules(injection, settings, &objects));
    }
    let asks = format!("[{NAMESPACE}].exists(ns,\n    {})", asks.join(" ||\n    "));
    let asks = objects.with("labels", &objects.with("annotations", &asks));
    let mut asks = objects.any("object", &asks);
    if let Some(own) = objects.own_annotation() {
        asks = format!("{own} ||\n{asks}");
    }
    compiled.conditions.push(condition("asks-for-an-injection", asks));
    let lengths = compiled.conditions.iter().map(|it| it.expression.chars().count());
    if lengths.sum::<usize>() > MAX_LENGTH {
        compiled.conditions.pop();
        compiled.words = Vec::new();
        compiled.notes.push(format!(
            "the condition `asks-for-an-injection` is left out: it would exceed {MAX_LENGTH} characters"
        ));
    }
    compiled
}

/// The namespace of the object, else of the request.
const NAMESPACE: &str = "(has(object.metadata) && object.metadata != null && \
    has(object.metadata.namespace) && object.metadata.namespace != null && \
    object.metadata.namespace != '' ? object.metadata.namespace : \
    has(request.namespace) ? request.namespace : '')";

/// How the pod templates of a policy's objects are found.
struct Objects<'s> {
    scope: Scope,
    record: String,
    /// Other kinds, whose objects may have any type anywhere.
    extras: Vec<&'s ExtraWorkload<'s>>,
    /// Other kinds that cannot be told from Kubernetes' own.
    shadowed: Vec<&'s ExtraWorkload<'s>>,
}

impl<'s> Objects<'s> {
    fn of(settings: &'s Settings, scope: Scope) -> Self {
        let extras = settings.options.extra_workloads.iter();
        let extras = extras.filter(|_| scope != Scope::Pods);
        let (shadowed, extras) = extras.partition(|extra| is_built_in(extra));
        let record = settings.options.record_annotation().into_owned();
        Self { scope, record, extras, shadowed }
    }

    /// What passes whatever the rules are: a record of earlier injections in the object or in the
    /// stored one; an object that the policy warns about.
    fn always(&self) -> Option<String> {
        if self.scope == Scope::Pods {
            return None;
        }
        let mut always = Vec::new();
        for extra in &self.shadowed {
            always.push(format!("({})", is_kind(extra)));
        }
        let has_record =
            self.with("annotations", &format!("{} in annotations", string(&self.record)));
        always.push(self.any("object, oldObject", &has_record));
        if !self.extras.is_empty() {
            let is_malformed =
                |place: &str| format!("has({place}) && {place} != null && type({place}) != map");
            always.push(self.any(
                "object",
                &format!(
                    "{} ||\n  has(pod.metadata) && type(pod.metadata) == map && ({} || {})",
                    is_malformed("pod.metadata"),
                    is_malformed("pod.metadata.labels"),
                    is_malformed("pod.metadata.annotations"),
                ),
            ));
        }
        Some(always.join(" ||\n"))
    }

    /// Whether an annotation of the policy is on a workload itself, where it does nothing.
    fn own_annotation(&self) -> Option<String> {
        let pods = match self.scope {
            Scope::Pods => return None,
            Scope::Workloads => "",
            Scope::All => "!(request.kind.group == '' && request.kind.kind == 'Pod') && ",
        };
        Some(format!(
            "{pods}[object].exists(it, it != null && has(it.metadata) && it.metadata != null && \
             has(it.metadata.annotations) && it.metadata.annotations != null &&\n  \
             it.metadata.annotations.exists(key, key.startsWith({})))",
            string(PREFIX)
        ))
    }

    /// Whether an expression over `pod` is true for the pod template of an object.
    fn any(&self, objects: &str, expression: &str) -> String {
        if self.scope == Scope::Pods {
            return format!("[object].exists(pod, pod != null &&\n  {expression})");
        }
        let objects = format!("[{objects}].filter(it, it != null)");
        let mut templates = String::new();
        if self.scope == Scope::All {
            let is_pod = "request.kind.group == '' && request.kind.kind == 'Pod'";
            templates.push_str(&format!("{is_pod} ? {objects} :\n  "));
        }
        for extra in &self.extras {
            let of_kind = format!("{} ?\n    {objects}{} :\n  ", is_kind(extra), safe_path(extra));
            templates.push_str(&of_kind);
        }
        let is_there = |place: &str| format!("has({place}) && {place} != null");
        templates.push_str(&format!(
            "{objects}.filter(it, request.kind.group in ['apps', 'batch'] && {})\n    .map(it, {} ? it.spec.jobTemplate : it)\n    \
             .filter(it, {} && {}).map(it, it.spec.template)",
            is_there("it.spec"),
            is_there("it.spec.jobTemplate"),
            is_there("it.spec"),
            is_there("it.spec.template"),
        ));
        format!("({templates})\n  .exists(pod,\n  {expression})")
    }

    /// Whether labels or annotations have a key; one whose value is not a string counts as none.
    fn have(&self, entries: &str, key: &str) -> String {
        let key = string(key);
        match self.extras.is_empty() {
            true => format!("{key} in {entries}"),
            false => format!("({key} in {entries} && type({entries}[{key}]) == string)"),
        }
    }

    /// An expression over the labels or the annotations of `pod`.
    fn with(&self, entries: &str, expression: &str) -> String {
        let is_there = match self.extras.is_empty() {
            true => |place: &str| format!("has({place}) && {place} != null"),
            false => |place: &str| format!("has({place}) && type({place}) == map"),
        };
        format!(
            "[{} && {} ? pod.metadata.{entries} : {{}}].exists({entries},\n  {expression})",
            is_there("pod.metadata"),
            is_there(&format!("pod.metadata.{entries}")),
        )
    }
}

/// Whether a kind is one of Kubernetes' own, whose template the policy knows.
pub(crate) fn is_built_in(extra: &ExtraWorkload) -> bool {
    match &*extra.group {
        "" => extra.kind == "Pod",
        "apps" => matches!(&*extra.kind, "Deployment" | "DaemonSet" | "StatefulSet"),
        "batch" => matches!(&*extra.kind, "Job" | "CronJob"),
        _ => false,
    }
}

fn is_kind(extra: &ExtraWorkload) -> String {
    let (group, kind) = (string(&extra.group), string(&extra.kind));
    format!("request.kind.group == {group} && request.kind.kind == {kind}")
}

/// The way to the template of an object whose members may have any type.
fn safe_path(extra: &ExtraWorkload) -> String {
    let names = extra.template.split('/').skip(1);
    let names = names.map(|name| name.replace("~1", "/").replace("~0", "~"));
    let step = |name: String| {
        let key = string(&name);
        let is_member = format!("type(it) == map && {key} in it");
        // A number of a list; the policy takes no other form.
        match name.parse::<usize>().ok().filter(|index| index.to_string() == name) {
            Some(index) => format!(
                "\n    .filter(it, type(it) == list ? size(it) > {index} : {is_member})\
                 .map(it, type(it) == list ? it[{index}] : it[{key}])"
            ),
            None => format!("\n    .filter(it, {is_member}).map(it, it[{key}])"),
        }
    };
    format!("{}.filter(it, type(it) == map)", names.map(step).collect::<String>())
}

/// Whether an annotation is there that an injection reads, or that nothing knows.
fn any_other_annotation(options: &Options, objects: &Objects) -> String {
    // A status is made anew.
    let is_status = |name: &str| matches!(name, annotations::STATUS | annotations::OLD_STATUS);
    let silent =
        annotations::SILENT.iter().filter(|it| !(options.status_annotation && is_status(it)));
    let mut silent: Vec<String> = silent.map(|it| string(it)).collect();
    silent.extend(ALL.iter().filter_map(|injection| injection.opt_out()).map(|it| string(&it)));
    // What is not a string gets a warning.
    let is_odd = match objects.extras.is_empty() {
        true => "",
        false => "type(annotations[key]) != string || ",
    };
    format!(
        "annotations.exists(key, key.startsWith({}) &&\n      ({is_odd}!(key in [{}])))",
        string(PREFIX),
        silent.join(", ")
    )
}

/// Whether an annotation is there and false, as Go reads it.
fn is_disabled(annotation: &str) -> String {
    let annotation = string(annotation);
    let values: Vec<String> = DISABLED.iter().map(|value| string(value)).collect();
    format!("{annotation} in annotations && annotations[{annotation}] in [{}]", values.join(", "))
}

/// What selects for an injection without an annotation; what needs one passes by it.
fn rules(injection: &'static Injection, settings: &Settings, objects: &Objects) -> Option<String> {
    let mut rules: Vec<String> = Vec::new();
    // Rules that end the search and inject nothing.
    let mut exclusions: Vec<String> = Vec::new();
    visit(settings, injection, &mut |candidate| {
        if candidate.is_switched_off() || candidate.requires_annotation {
            if candidate.ends_search() {
                exclusions.extend(selects(&candidate, Doubt::False, objects));
            }
            return ControlFlow::Continue(());
        }
        if let Some(selects) = selects(&candidate, Doubt::True, objects) {
            let excluded = exclusions.iter().map(|excluded| format!(" && !({excluded})"));
            rules.push(format!("{selects}{}", excluded.collect::<String>()));
        }
        ControlFlow::Continue(())
    });
    if rules.is_empty() {
        return None;
    }
    let mut guards: Vec<String> = Vec::new();
    if let Some(annotation) = injection.sets_annotation {
        guards.push(format!("!({})", objects.have("annotations", annotation)));
    }
    if let Some(opt_out) = injection.opt_out() {
        guards.push(format!("!({})", is_disabled(&opt_out)));
    }
    let rules: Vec<String> = rules.iter().map(|rule| format!("({rule})")).collect();
    Some(format!("{} && (\n      {})", guards.join(" && "), rules.join(" ||\n      ")))
}

/// What an expression is where CEL cannot say it: it must not keep a request that selects, and an
/// exclusion, which is negated, must not keep one that it does not exclude.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    True,
    False,
}

/// Whether the selectors of a rule select; nothing where they never do.
fn selects(candidate: &Candidate, doubt: Doubt, objects: &Objects) -> Option<String> {
    let Selectors { namespaces, labels, mode } = &candidate.selectors;
    if candidate.selectors.is_off() {
        return None;
    }
    let mut parts = Vec::new();
    if !namespaces.valid.is_empty() {
        let any: Vec<String> = namespaces.valid.iter().map(|it| namespace(it, doubt)).collect();
        parts.push(disjunction(&any));
    }
    if !labels.valid.is_empty() {
        let any: Vec<String> = labels
            .valid
            .iter()
            .map(|selector| {
                let all = selector.requirements.iter();
                let all: Vec<String> = all.map(|it| requirement(it, doubt, objects)).collect();
                if all.is_empty() { "true".to_owned() } else { all.join(" && ") }
            })
            .collect();
        parts.push(disjunction(&any));
    }
    match mode {
        _ if !parts.is_empty() => Some(parts.join(" && ")),
        Mode::All if namespaces.is_empty && labels.is_empty => Some("true".to_owned()),
        // Nothing but selectors with errors: the rule selects nothing.
        _ => None,
    }
}

fn disjunction(any: &[String]) -> String {
    match any {
        [one] => one.clone(),
        _ => format!("({})", any.join(" || ")),
    }
}

fn namespace(pattern: &NamespacePattern, doubt: Doubt) -> String {
    match pattern {
        NamespacePattern::All => "true".to_owned(),
        NamespacePattern::Is(name) => format!("ns == {}", string(name)),
        NamespacePattern::StartsWith(name) => format!("ns.startsWith({})", string(name)),
        NamespacePattern::EndsWith(name) => format!("ns.endsWith({})", string(name)),
        NamespacePattern::Contains(name) => format!("ns.contains({})", string(name)),
        NamespacePattern::Regex(expression) => matches("ns", &expression.source, doubt),
    }
}

fn requirement(requirement: &Requirement, doubt: Doubt, objects: &Objects) -> String {
    let key = string(&requirement.key);
    let has = objects.have("labels", &requirement.key);
    let label = format!("labels[{key}]");
    let list = |values: &[String]| {
        let values: Vec<String> = values.iter().map(|value| string(value)).collect();
        format!("[{}]", values.join(", "))
    };
    let glob = |glob: &Glob, doubt| match glob {
        Glob::StartsWith(start) => format!("{label}.startsWith({})", string(start)),
        Glob::EndsWith(end) => format!("{label}.endsWith({})", string(end)),
        Glob::Expression(expression) => matches(&label, &expression.source, doubt),
    };
    match &requirement.operator {
        Operator::Exists => has,
        Operator::DoesNotExist => format!("!({has})"),
        Operator::In(values) => match &**values {
            [value] => format!("{has} && {label} == {}", string(value)),
            values => format!("{has} && {label} in {}", list(values)),
        },
        Operator::NotIn(values) => format!("!({has} && {label} in {})", list(values)),
        Operator::Matches(it) => format!("{has} && {}", glob(it, doubt)),
        Operator::DoesNotMatch(it) => {
            // What is negated is in doubt the other way round.
            let doubt = if doubt == Doubt::True { Doubt::False } else { Doubt::True };
            format!("!({has} && {})", glob(it, doubt))
        }
        Operator::GreaterThan(bound) => number(&has, &label, '>', *bound, doubt),
        Operator::LessThan(bound) => number(&has, &label, '<', *bound, doubt),
    }
}

/// Compares a label as a number, after a look at its form: 18 digits always are one, more may be.
fn number(has: &str, label: &str, operator: char, bound: i64, doubt: Doubt) -> String {
    let more = match doubt {
        Doubt::True => format!("{label}.matches('^[+-]?[0-9]{{19,}}$')"),
        Doubt::False => "false".to_owned(),
    };
    format!(
        "{has} && ({label}.matches('^[+-]?[0-9]{{1,18}}$') ? int({label}) {operator} {bound} : {more})"
    )
}

/// Whether a text matches an expression, where RE2 surely takes the expression.
fn matches(text: &str, expression: &str, doubt: Doubt) -> String {
    match doubt {
        _ if is_common(expression) => format!("{text}.matches({})", string(expression)),
        Doubt::True => "true".to_owned(),
        Doubt::False => "false".to_owned(),
    }
}

/// Whether an expression has nothing but what the engine here and RE2 read in the same way.
fn is_common(expression: &str) -> bool {
    let mut chars = expression.chars().peekable();
    while let Some(char) = chars.next() {
        let is_common = match char {
            '\\' => chars.next().is_some_and(|escaped| {
                escaped.is_ascii_punctuation() || "dDwWsSbBAz".contains(escaped)
            }),
            '(' if chars.next_if_eq(&'?').is_some() => match chars.next() {
                Some(':') => true,
                Some('i' | 's') => matches!(chars.next(), Some(')' | ':')),
                _ => false,
            },
            '{' => {
                let bound: String = chars.clone().take_while(|char| *char != '}').collect();
                bound.split(',').all(|bound| {
                    bound.is_empty() || bound.parse::<u16>().is_ok_and(|bound| bound <= 1000)
                }) && bound.starts_with(|char: char| char.is_ascii_digit())
            }
            char => char.is_ascii_graphic() || char == ' ',
        };
        if !is_common {
            return false;
        }
    }
    true
}

/// An expression with its long lines broken behind operators, for its readers.
fn wrapped(expression: &str) -> String {
    const WIDTH: usize = 110;
    let mut out = String::with_capacity(expression.len());
    for line in expression.lines() {
        let indentation = line.chars().take_while(|char| *char == ' ').count();
        let (mut width, mut quoted, mut escaped) = (indentation, false, false);
        for word in line.split_inclusive(' ') {
            let is_between = !quoted && !out.ends_with('\n');
            if is_between
                && width.saturating_add(word.trim_end().len()) > WIDTH
                && ends_with_operator(&out)
            {
                out.truncate(out.trim_end().len());
                width = indentation.saturating_add(2);
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', width));
            }
            for char in word.chars() {
                match char {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '\'' => quoted = !quoted,
                    _ => {}
                }
            }
            width = width.saturating_add(word.len());
            out.push_str(word);
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

fn ends_with_operator(text: &str) -> bool {
    [" && ", " || ", " ? ", " : ", ", "].iter().any(|operator| text.ends_with(operator))
}

/// A string literal.
fn string(text: &str) -> String {
    let mut out = String::from("'");
    for char in text.chars() {
        match char {
            '\'' | '\\' => {
                out.push('\\');
                out.push(char);
            }
            char if char.is_control() || !char.is_ascii() => {
                let _written = write!(out, "\\U{:08x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('\'');
    out
}
