//! What conditions let through, in words.

use std::ops::ControlFlow;

use datakit_injection::annotations::{OPT_OUT, PREFIX};
use datakit_injection::injection::Injection;
use datakit_injection::injection::table::ALL;
use datakit_injection::rules::candidate::Candidate;
use datakit_injection::rules::candidates::visit;
use datakit_injection::rules::selectors::{Mode, Selectors};
use datakit_injection::selector::{Glob, LabelSelector, NamespacePattern, Operator, Requirement};
use datakit_injection::settings::Settings;

use super::Scope;

/// One line for each alternative that passes, then those for what does not.
pub(super) fn of(settings: &Settings, scope: Scope) -> Vec<String> {
    let mut words = vec![format!("annotations under {PREFIX}")];
    for injection in ALL {
        words.extend(rules(injection, settings));
    }
    if scope != Scope::Pods {
        words.push("workloads with a record of earlier injections".to_owned());
    }
    let ignored = &settings.options.ignored_namespaces;
    if !ignored.is_empty() {
        let names: Vec<&str> = ignored.iter().map(|name| &**name).collect();
        words.push(format!("never: namespaces {}", names.join(", ")));
    }
    words.push(format!("never: {OPT_OUT} is false"));
    words
}

fn rules(injection: &'static Injection, settings: &Settings) -> Vec<String> {
    let mut rules = Vec::new();
    visit(settings, injection, &mut |candidate| {
        if !candidate.is_switched_off() && !candidate.requires_annotation {
            let selected = selected(&candidate);
            rules.extend(selected.map(|it| format!("{}: {it}", injection.name)));
        }
        ControlFlow::Continue(())
    });
    rules.dedup();
    rules
}

fn selected(candidate: &Candidate) -> Option<String> {
    if candidate.selectors.is_off() {
        return None;
    }
    let namespaces: Vec<String> =
        candidate.selectors.namespaces.valid.iter().map(namespace).collect();
    let labels: Vec<String> = candidate.selectors.labels.valid.iter().map(selector).collect();
    let namespaces =
        (!namespaces.is_empty()).then(|| format!("namespaces {}", namespaces.join(" or ")));
    let labels = (!labels.is_empty()).then(|| format!("labels {}", labels.join(" or ")));
    match (namespaces, labels) {
        (Some(namespaces), Some(labels)) => Some(format!("{namespaces}; {labels}")),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => {
            let Selectors { namespaces, labels, mode } = &candidate.selectors;
            let is_all = *mode == Mode::All && namespaces.is_empty && labels.is_empty;
            is_all.then(|| "*".to_owned())
        }
    }
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
