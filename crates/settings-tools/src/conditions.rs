//! `matchConditions`: CEL expressions that keep requests which ask for nothing in the API server.
//!
//! They are compiled from the rules that [`policy`](crate::policy) selects by, and from the same
//! types: whatever the policy would answer with an object, a warning or an audit annotation passes
//! them, and where no rule selects, no annotation asks and there is no record, they are false. An
//! expression never fails at run time. What cannot be said in CEL counts as true.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use datakit_injection::annotations::{self, DISABLED, OPT_OUT, PREFIX};
use datakit_injection::injection::Injection;
use datakit_injection::injection::table::ALL;
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
    /// What the reader should know of them.
    pub notes: Vec<String>,
}

/// Compiles the conditions of settings, from their JSON text; none where that cannot be opened.
///
/// ```
/// let settings = r#"{"admission_inject_v2":{"ddtraces":[{"namespace_selectors":["^shop$"],
///     "language":"java","image":"a/b:1"}]}}"#;
/// let conditions = settings_tools::conditions::compile(settings);
/// assert!(conditions.conditions[2].expression.contains("ns == 'shop'"));
/// ```
pub fn compile(settings: &str) -> Conditions {
    let compiled = with_settings(settings, &mut Errors::default(), |settings, _| of(settings));
    compiled.unwrap_or_default()
}

fn of(settings: &Settings) -> Conditions {
    let mut record = record(&settings.options.record_annotation());
    // A template in an array cannot be found by an expression that never fails.
    let is_number = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    for extra in &settings.options.extra_workloads {
        if extra.template.split('/').any(is_number) {
            record = format!("request.kind.kind == {} ||\n{record}", string(&extra.kind));
        }
    }
    let condition = |name, expression: String| Condition {
        name,
        expression: format!("{record} ||\n{expression}"),
    };
    let mut compiled = Conditions::default();
    let ignored = &settings.options.ignored_namespaces;
    if !ignored.is_empty() {
        let names: Vec<String> = ignored.iter().map(|name| string(name)).collect();
        let expression = format!("!({} in [{}])", NAMESPACE, names.join(", "));
        compiled.conditions.push(condition("namespace-is-not-ignored", expression));
    }
    let templates = templates(settings);
    let enabled = format!(
        "{templates}.exists(pod,\n  {ANNOTATIONS}.exists(annotations,\n    !({})))",
        is_disabled(OPT_OUT)
    );
    compiled.conditions.push(condition("is-not-opted-out", enabled));
    let mut asks = vec![any_other_annotation()];
    for injection in ALL {
        asks.extend(rules(injection, settings));
    }
    let asks = format!(
        "{templates}.exists(pod,\n  {LABELS}.exists(labels,\n  {ANNOTATIONS}.exists(annotations,\n  \
         [{NAMESPACE}].exists(ns,\n    {}))))",
        asks.join(" ||\n    ")
    );
    compiled.conditions.push(condition("asks-for-an-injection", asks));
    let length = |compiled: &Conditions| -> usize {
        compiled.conditions.iter().map(|condition| condition.expression.chars().count()).sum()
    };
    if length(&compiled) > MAX_LENGTH {
        compiled.conditions.pop();
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

/// The labels of a pod template, in a list.
const LABELS: &str = "[has(pod.metadata) && pod.metadata != null && \
    has(pod.metadata.labels) && pod.metadata.labels != null ? pod.metadata.labels : {}]";

/// Its annotations, in a list.
const ANNOTATIONS: &str = "[has(pod.metadata) && pod.metadata != null && \
    has(pod.metadata.annotations) && pod.metadata.annotations != null ? \
    pod.metadata.annotations : {}]";

/// Whether the object or the stored one has a record of earlier injections.
fn record(key: &str) -> String {
    format!(
        "[object, oldObject].exists(it, it != null && has(it.metadata) && it.metadata != null && \
         has(it.metadata.annotations) && it.metadata.annotations != null && \
         {} in it.metadata.annotations)",
        string(key)
    )
}

/// The pod templates of an object, in a list: none or one.
fn templates(settings: &Settings) -> String {
    let workload = |path: &[&str]| {
        let mut place = "object".to_owned();
        let mut guards = Vec::new();
        for name in path {
            let is_identifier = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !name.starts_with(|char: char| char.is_ascii_digit())
                && !["", "true", "false", "null", "in"].contains(name);
            let inner = if is_identifier {
                guards.push(format!("has({place}.{name})"));
                format!("{place}.{name}")
            } else {
                guards.push(format!("{} in {place}", string(name)));
                format!("{place}[{}]", string(name))
            };
            guards.push(format!("{inner} != null"));
            place = inner;
        }
        (guards.join(" && "), place)
    };
    let mut out =
        String::from("(object == null ? [] :\n  request.kind.kind == 'Pod' ? [object] :\n");
    let (guards, place) = workload(&["spec", "jobTemplate", "spec", "template"]);
    let _written = writeln!(out, "  {guards} ? [{place}] :");
    for extra in &settings.options.extra_workloads {
        let names: Vec<String> = extra
            .template
            .split('/')
            .skip(1)
            .map(|name| name.replace("~1", "/").replace("~0", "~"))
            .collect();
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let (guards, place) = workload(&names);
        let kind = string(&extra.kind);
        let _written = writeln!(out, "  request.kind.kind == {kind} && {guards} ? [{place}] :");
    }
    let (guards, place) = workload(&["spec", "template"]);
    let _written = write!(out, "  {guards} ? [{place}] : [])");
    out
}

/// Whether an annotation is there that an injection reads, or that nothing knows.
fn any_other_annotation() -> String {
    let mut silent: Vec<String> = annotations::SILENT.iter().map(|it| string(it)).collect();
    silent.extend(ALL.iter().filter_map(|injection| injection.opt_out()).map(|it| string(&it)));
    format!(
        "annotations.exists(key, key.startsWith({}) &&\n      !(key in [{}]))",
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
fn rules(injection: &'static Injection, settings: &Settings) -> Option<String> {
    let mut rules: Vec<String> = Vec::new();
    // Rules that end the search and inject nothing.
    let mut exclusions: Vec<String> = Vec::new();
    visit(settings, injection, &mut |candidate| {
        if candidate.is_switched_off() || candidate.requires_annotation {
            if candidate.ends_search() {
                exclusions.extend(selects(&candidate, Doubt::False));
            }
            return ControlFlow::Continue(());
        }
        if let Some(selects) = selects(&candidate, Doubt::True) {
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
        guards.push(format!("!({} in annotations)", string(annotation)));
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
fn selects(candidate: &Candidate, doubt: Doubt) -> Option<String> {
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
                let all: Vec<String> =
                    selector.requirements.iter().map(|it| requirement(it, doubt)).collect();
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

fn requirement(requirement: &Requirement, doubt: Doubt) -> String {
    let key = string(&requirement.key);
    let has = format!("{key} in labels");
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
