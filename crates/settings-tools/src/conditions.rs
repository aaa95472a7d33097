//! `matchConditions`: CEL expressions that keep requests which ask for nothing in the API server.
//!
//! They are compiled from the rules that the policy selects by, and from the same types. They are
//! sound: whatever the policy would answer with an object, a warning or an audit annotation passes.
//! Where no rule selects, no annotation asks and there is no record, they are false, but for what CEL
//! cannot express: that is treated as matching. An expression never fails at run time.

mod words;

use std::ops::ControlFlow;

use datakit_injection::admission::{GroupVersionKind, Workload};
use datakit_injection::annotations::{self, DISABLED, OPT_OUT, PREFIX};
use datakit_injection::injection::Injection;
use datakit_injection::injection::table::ALL;
use datakit_injection::options::{ExtraWorkload, Options};
use datakit_injection::reader::Errors;
use datakit_injection::rules::candidate::Candidate;
use datakit_injection::rules::candidates::visit;
use datakit_injection::rules::selectors::{Mode, Selectors};
use datakit_injection::selector::{Glob, LabelSelector, NamespacePattern, Operator, Requirement};
use datakit_injection::settings::{Settings, with_settings};
use serde::Serialize;

/// Kubernetes takes 100,000 characters of all conditions together; other tools add to them.
const MAX_LENGTH: usize = 60_000;

/// The names of conditions.
pub const NAMES: [&str; 3] =
    ["namespace-is-not-ignored", "is-not-opted-out", "asks-for-an-injection"];

/// A named condition, as `spec.matchConditions` of a policy has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    pub fn of_resources(resources: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let (mut pods, mut workloads) = (false, false);
        for resource in resources {
            match resource.as_ref() {
                "pods" => pods = true,
                resource if resource.contains('*') => (pods, workloads) = (true, true),
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
    with_settings(settings, &mut Errors::default(), |settings, _| of(settings, scope))
        .unwrap_or_default()
}

fn of(settings: &Settings, scope: Scope) -> Conditions {
    let objects = Objects::of(settings, scope);
    let always = objects.always();
    let [is_not_ignored, is_not_opted_out, asks_for_an_injection] = NAMES;
    let condition = |name, expression: String| Condition {
        name,
        expression: wrapped(&format!("{always}{expression}")),
    };
    let mut compiled = Conditions { words: words::of(settings, scope), ..Conditions::default() };
    let ignored = &settings.options.ignored_namespaces;
    if !ignored.is_empty() {
        let expression = format!("!({NAMESPACE} in [{}])", strings(ignored));
        compiled.conditions.push(condition(is_not_ignored, expression));
    }
    let is_enabled = format!("!({})", is_disabled(OPT_OUT));
    let enabled = objects.any("object", &objects.with("annotations", &is_enabled));
    compiled.conditions.push(condition(is_not_opted_out, enabled));
    let mut asks = vec![any_other_annotation(&settings.options, &objects)];
    asks.extend(ALL.iter().filter_map(|injection| rules(injection, settings, &objects)));
    let asks = format!("[{NAMESPACE}].exists(ns,\n    {})", asks.join(" ||\n    "));
    let asks = objects.with("labels", &objects.with("annotations", &asks));
    let asks = objects.own_annotation() + &objects.any("object", &asks);
    compiled.conditions.push(condition(asks_for_an_injection, asks));
    let lengths = compiled.conditions.iter().map(|it| it.expression.chars().count());
    if lengths.sum::<usize>() > MAX_LENGTH {
        compiled.conditions.pop();
        compiled.words = Vec::new();
        compiled.notes.push(format!(
            "the condition `{asks_for_an_injection}` is left out: it would exceed {MAX_LENGTH} characters"
        ));
    }
    compiled
}

/// The namespace of the object, else of the request.
const NAMESPACE: &str = "(has(object.metadata) && object.metadata != null && \
    has(object.metadata.namespace) && object.metadata.namespace != null && \
    object.metadata.namespace != '' ? object.metadata.namespace : \
    has(request.namespace) ? request.namespace : '')";

const IS_POD: &str = "request.kind.group == '' && request.kind.kind == 'Pod'";

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
        let record = annotations::record(&settings.options).into_owned();
        Self { scope, record, extras, shadowed }
    }

    /// What passes whatever the rules are, each before `||`: a record of earlier injections in the
    /// object or in the stored one; an object that the policy warns about. Empty for Pods.
    fn always(&self) -> String {
        if self.scope == Scope::Pods {
            return String::new();
        }
        let shadowed = self.shadowed.iter();
        let mut always: Vec<_> = shadowed.map(|extra| format!("({})", is_kind(extra))).collect();
        let has_record =
            self.with("annotations", &format!("{} in annotations", string(&self.record)));
        always.push(self.any("object, oldObject", &has_record));
        if !self.extras.is_empty() {
            let is_malformed = |place: &str| format!("{} && type({place}) != map", is_there(place));
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
        always.iter().map(|it| format!("{it} ||\n")).collect()
    }

    /// Whether an annotation of the policy is on a workload itself, where it does nothing, before `||`.
    /// Empty for Pods.
    fn own_annotation(&self) -> String {
        let but_pods = match self.scope {
            Scope::Pods => return String::new(),
            Scope::Workloads => String::new(),
            Scope::All => format!("!({IS_POD}) && "),
        };
        format!(
            "{but_pods}[object].exists(it, it != null && {} && {} &&\n  \
             it.metadata.annotations.exists(key, key.startsWith({}))) ||\n",
            is_there("it.metadata"),
            is_there("it.metadata.annotations"),
            string(PREFIX)
        )
    }

    /// Whether an expression over `pod` is true for the pod template of an object.
    fn any(&self, objects: &str, expression: &str) -> String {
        if self.scope == Scope::Pods {
            return format!("[object].exists(pod, pod != null &&\n  {expression})");
        }
        let objects = format!("[{objects}].filter(it, it != null)");
        let mut templates = String::new();
        if self.scope == Scope::All {
            templates.push_str(&format!("{IS_POD} ? {objects} :\n  "));
        }
        for extra in &self.extras {
            let of_kind = format!("{} ?\n    {objects}{} :\n  ", is_kind(extra), safe_path(extra));
            templates.push_str(&of_kind);
        }
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
            true => is_there,
            false => |place: &str| format!("has({place}) && type({place}) == map"),
        };
        format!(
            "[{} && {} ? pod.metadata.{entries} : {{}}].exists({entries},\n  {expression})",
            is_there("pod.metadata"),
            is_there(&format!("pod.metadata.{entries}")),
        )
    }
}

fn is_there(place: &str) -> String {
    format!("has({place}) && {place} != null")
}

/// Whether a kind is one of Kubernetes' own, whose template the policy knows.
pub(crate) fn is_built_in(extra: &ExtraWorkload) -> bool {
    let (group, kind) = ((&*extra.group).into(), (&*extra.kind).into());
    Workload::built_in(&GroupVersionKind { group, version: "v1".into(), kind }).is_some()
}

fn is_kind(extra: &ExtraWorkload) -> String {
    let (group, kind) = (string(&extra.group), string(&extra.kind));
    format!("request.kind.group == {group} && request.kind.kind == {kind}")
}

/// The way to the template of an object whose members may have any type.
fn safe_path(extra: &ExtraWorkload) -> String {
    let step = |name: &String| {
        let key = string(name);
        let is_member = format!("type(it) == map && {key} in it");
        // A number of a list; the policy takes no other form.
        match name.parse::<usize>().ok().filter(|index| index.to_string() == *name) {
            Some(index) => format!(
                "\n    .filter(it, type(it) == list ? size(it) > {index} : {is_member})\
                 .map(it, type(it) == list ? it[{index}] : it[{key}])"
            ),
            None => format!("\n    .filter(it, {is_member}).map(it, it[{key}])"),
        }
    };
    let workload = Workload::with_template_at(&extra.template);
    let steps: String = workload.path().iter().map(step).collect();
    format!("{steps}.filter(it, type(it) == map)")
}

/// Whether an annotation is there that an injection reads, or that nothing knows.
fn any_other_annotation(options: &Options, objects: &Objects) -> String {
    // A status is made anew.
    let is_status = |name: &str| matches!(name, annotations::STATUS | annotations::OLD_STATUS);
    let silent = annotations::SILENT.iter().map(ToString::to_string);
    let silent = silent.filter(|it| !(options.status_annotation && is_status(it)));
    let silent = silent.chain(ALL.iter().filter_map(|injection| injection.opt_out()));
    // What is not a string gets a warning.
    let is_odd = match objects.extras.is_empty() {
        true => "",
        false => "type(annotations[key]) != string || ",
    };
    format!(
        "annotations.exists(key, key.startsWith({}) &&\n      ({is_odd}!(key in [{}])))",
        string(PREFIX),
        strings(silent)
    )
}

/// Whether an annotation is there and false, as Go reads it.
fn is_disabled(annotation: &str) -> String {
    let annotation = string(annotation);
    let values = strings(DISABLED);
    format!("{annotation} in annotations && annotations[{annotation}] in [{}]", values)
}

/// What selects for an injection without an annotation; what needs one passes by it.
fn rules(injection: &'static Injection, settings: &Settings, objects: &Objects) -> Option<String> {
    let (mut rules, mut length): (Vec<String>, usize) = (Vec::new(), 0);
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
            let rule = format!("{selects}{}", excluded.collect::<String>());
            length = length.saturating_add(rule.len());
            rules.push(rule);
        }
        // A condition of that length is left out. Without an end, each rule would add all exclusions.
        if length > MAX_LENGTH { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if rules.is_empty() {
        return None;
    }
    let is_set = injection.sets_annotation.map(|it| objects.have("annotations", it));
    let guards = is_set.into_iter().chain(injection.opt_out().map(|it| is_disabled(&it)));
    let guards: Vec<String> = guards.map(|guard| format!("!({guard})")).collect();
    Some(format!("{} && (\n      ({}))", guards.join(" && "), rules.join(") ||\n      (")))
}

/// What an expression is where CEL cannot say it: it must not keep a request that selects, and an
/// exclusion, which is negated, must not keep one that it does not exclude.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    True,
    False,
}

/// Whether the selectors of a rule select; `None` if they never do.
fn selects(candidate: &Candidate, doubt: Doubt, objects: &Objects) -> Option<String> {
    let selector = |selector: &LabelSelector| {
        let all = selector.requirements.iter().map(|it| requirement(it, doubt, objects));
        let all: Vec<String> = all.collect();
        if all.is_empty() { "true".to_owned() } else { all.join(" && ") }
    };
    let any = |any: Vec<String>| match &*any {
        [] => None,
        [one] => Some(one.clone()),
        _ => Some(format!("({})", any.join(" || "))),
    };
    let selectors = &candidate.selectors;
    let namespaces = selectors.namespaces.valid.iter().map(|it| namespace(it, doubt)).collect();
    let labels = selectors.labels.valid.iter().map(selector).collect();
    joined(selectors, [any(namespaces), any(labels)], " && ", "true")
}

/// Joins the expressions of both lists of selectors; `None` if they never select.
fn joined(
    selectors: &Selectors,
    lists: [Option<String>; 2],
    and: &str,
    everything: &str,
) -> Option<String> {
    let lists: Vec<String> = lists.into_iter().flatten().collect();
    match selectors.mode {
        _ if selectors.is_off() => None,
        _ if !lists.is_empty() => Some(lists.join(and)),
        Mode::All if selectors.namespaces.is_empty && selectors.labels.is_empty => {
            Some(everything.to_owned())
        }
        // Nothing but selectors with errors: the rule selects nothing.
        _ => None,
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
            values => format!("{has} && {label} in [{}]", strings(values)),
        },
        Operator::NotIn(values) => format!("!({has} && {label} in [{}])", strings(values)),
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

/// Compares a label as a number if it has the form of one: 18 digits always fit, more may.
fn number(has: &str, label: &str, operator: char, bound: i64, doubt: Doubt) -> String {
    let more = match doubt {
        Doubt::True => format!("{label}.matches('^[+-]?[0-9]{{19,}}$')"),
        Doubt::False => "false".to_owned(),
    };
    format!(
        "{has} && ({label}.matches('^[+-]?[0-9]{{1,18}}$') ? int({label}) {operator} {bound} : {more})"
    )
}

/// Whether a text matches an expression, if RE2 is sure to accept the expression.
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

/// String literals, as a list has them.
fn strings(texts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    texts.into_iter().map(|text| string(text.as_ref())).collect::<Vec<_>>().join(", ")
}

/// A string literal.
fn string(text: &str) -> String {
    let mut out = String::from("'");
    for char in text.chars() {
        match char {
            '\'' | '\\' => out.extend(['\\', char]),
            char if char.is_control() || !char.is_ascii() => {
                out.push_str(&format!("\\U{:08x}", u32::from(char)));
            }
            char => out.push(char),
        }
    }
    out.push('\'');
    out
}
