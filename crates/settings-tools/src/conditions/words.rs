//! What conditions let through, in words.

use std::ops::ControlFlow;

use datakit_injection::annotations::{OPT_OUT, PREFIX};
use datakit_injection::injection::Injection;
use datakit_injection::injection::table::ALL;
use datakit_injection::rules::candidates::visit;
use datakit_injection::rules::selectors::Selectors;
use datakit_injection::selector::{Glob, LabelSelector, NamespacePattern, Operator, Requirement};
use datakit_injection::settings::Settings;

use super::{Scope, joined};

/// One line for each alternative that passes, then those for what does not.
pub(super) fn of(settings: &Settings, scope: Scope) -> Vec<String> {
    let mut words = vec![format!("annotations under {PREFIX}")];
    words.extend(ALL.iter().flat_map(|injection| rules(injection, settings)));
    if scope != Scope::Pods {
        words.push("workloads with a record of earlier injections".to_owned());
    }
    let ignored = &settings.options.ignored_namespaces;
    if !ignored.is_empty() {
        words.push(format!("never: namespaces {}", ignored.join(", ")));
    }
    words.push(format!("never: {OPT_OUT} is false"));
    words
}

fn rules(injection: &'static Injection, settings: &Settings) -> Vec<String> {
    let mut rules = Vec::new();
    visit(settings, injection, &mut |candidate| {
        if !candidate.is_switched_off() && !candidate.requires_annotation {
            let selected = selected(&candidate.selectors);
            rules.extend(selected.map(|it| format!("{}: {it}", injection.name)));
        }
        ControlFlow::Continue(())
    });
    rules.dedup();
    rules
}

fn selected(selectors: &Selectors) -> Option<String> {
    let list = |noun: &str, any: Vec<String>| {
        (!any.is_empty()).then(|| format!("{noun} {}", any.join(" or ")))
    };
    let namespaces = selectors.namespaces.valid.iter().map(namespace).collect();
    let labels = selectors.labels.valid.iter().map(selector).collect();
    joined(selectors, [list("namespaces", namespaces), list("labels", labels)], "; ", "*")
}

fn namespace(pattern: &NamespacePattern) -> String {
    match pattern {
        NamespacePattern::All => "*".to_owned(),
        NamespacePattern::Is(name) => format!("^{name}$"),
        NamespacePattern::StartsWith(name) => format!("^{name}"),
        NamespacePattern::EndsWith(name) => format!("{name}$"),
        NamespacePattern::Contains(name) => name.to_string(),
        NamespacePattern::Regex(expression) => expression.source.clone(),
    }
}

fn selector(selector: &LabelSelector) -> String {
    let requirements: Vec<String> = selector.requirements.iter().map(requirement).collect();
    match requirements.is_empty() {
        true => "*".to_owned(),
        false => requirements.join(","),
    }
}

fn requirement(requirement: &Requirement) -> String {
    let key = &requirement.key;
    let glob = |glob: &Glob| match glob {
        Glob::StartsWith(start) => format!("{start}*"),
        Glob::EndsWith(end) => format!("*{end}"),
        Glob::Expression(expression) => expression.source.clone(),
    };
    match &requirement.operator {
        Operator::Exists => key.clone(),
        Operator::DoesNotExist => format!("!{key}"),
        Operator::In(values) => match &**values {
            [value] => format!("{key}={value}"),
            values => format!("{key} in ({})", values.join(",")),
        },
        Operator::NotIn(values) => format!("{key} notin ({})", values.join(",")),
        Operator::Matches(it) => format!("{key}={}", glob(it)),
        Operator::DoesNotMatch(it) => format!("{key}!={}", glob(it)),
        Operator::GreaterThan(bound) => format!("{key}>{bound}"),
        Operator::LessThan(bound) => format!("{key}<{bound}"),
    }
}
