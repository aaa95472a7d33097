//! Resources of containers and of pods.

use std::collections::BTreeMap;

use serde_json::Value;

use super::names::{is_dns_subdomain, is_qualified_name};
use super::{Place, Report, containers, list, members, quantity};

type Amounts = BTreeMap<String, i128>;

fn amounts(resources: &Value, key: &str) -> Amounts {
    let amount = |(name, value): (&String, &Value)| Some((name.clone(), quantity::parse(value)?));
    members(&resources[key]).filter_map(amount).collect()
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// `IsOvercommitAllowed`.
fn may_overcommit(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage")
}

/// `validateContainerResourceName`: a standard resource of a container, or an extended one, which
/// has a domain.
fn is_container_resource(name: &str) -> bool {
    may_overcommit(name)
        || is_huge_page(name)
        || name.split_once('/').is_some_and(|(domain, _)| {
            is_dns_subdomain(domain) && domain != "kubernetes.io" && is_qualified_name(name)
        })
}

/// `validatePodResourceName`: what may be set for a whole pod.
fn is_pod_resource(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || is_huge_page(name)
}

/// `validateResourceRequirements`, for the resources whose names `is_known` takes.
fn check_requirements(
    resources: &Value,
    is_known: fn(&str) -> bool,
    path: &str,
    report: &mut Report,
) {
    for key in ["requests", "limits"] {
        for (name, value) in members(&resources[key]) {
            let path = format!("{path}.{key}[{name}]");
            report.refuse_unless(is_known(name), &path, "unsupported resource");
            match quantity::parse(value) {
                None => report.refuse(&path, "must be a quantity"),
                Some(amount) => {
                    report.refuse_unless(amount >= 0, &path, "must not be negative");
                    let is_integer = may_overcommit(name) || amount % 1_000_000_000 == 0;
                    report.refuse_unless(is_integer, &path, "must be an integer");
                }
            }
        }
    }
    let (requests, limits) = (amounts(resources, "requests"), amounts(resources, "limits"));
    for (name, request) in &requests {
        let path = format!("{path}.requests[{name}]");
        match limits.get(name) {
            Some(limit) if request > limit => report.refuse(&path, "must be at most the limit"),
            Some(limit) if request != limit && !may_overcommit(name) => {
                report.refuse(&path, "must equal the limit");
            }
            None if !may_overcommit(name) => report.refuse(&path, "needs a limit"),
            _ => {}
        }
    }
    let named = || requests.keys().chain(limits.keys());
    if named().any(|name| is_huge_page(name)) && !named().any(|name| may_overcommit(name)) {
        report.refuse(path, "huge pages need cpu or memory");
    }
}

/// `ValidateContainerResourceRequirements`.
pub fn check_container(container: &Value, spec: &Value, path: &str, report: &mut Report) {
    let resources = &container["resources"];
    let path = format!("{path}.resources");
    check_requirements(resources, is_container_resource, &path, report);
    for claim in list(resources, "claims") {
        let is_there = list(spec, "resourceClaims").iter().any(|c| c["name"] == claim["name"]);
        report.refuse_unless(is_there, &format!("{path}.claims"), "claim not found");
    }
}

/// `validatePodResources` and `validatePodResourceConsistency` (Kubernetes 1.34).
pub fn check_pod(spec: &Value, report: &mut Report) {
    let Some(resources) = spec.get("resources").filter(|resources| !resources.is_null()) else {
        return;
    };
    check_requirements(resources, is_pod_resource, "spec.resources", report);
    report.refuse_unless(
        list(resources, "claims").is_empty(),
        "spec.resources.claims",
        "is not supported",
    );
    let aggregate = container_requests(spec);
    let limits = amounts(resources, "limits");
    let mut requests = amounts(resources, "requests");
    if !limits.is_empty() {
        // `defaultPodRequests`: a pod with limits requests what its containers do.
        for (name, amount) in &aggregate {
            if is_pod_resource(name) && may_overcommit(name) {
                requests.entry(name.clone()).or_insert(*amount);
            }
        }
    }
    for (name, request) in &requests {
        if aggregate.get(name).is_some_and(|aggregate| aggregate > request) {
            let path = format!("spec.resources.requests[{name}]");
            report.refuse(&path, "must be at least the aggregate container requests");
        }
        if limits.get(name).is_some_and(|limit| request > limit) {
            let path = format!("spec.resources.limits[{name}]");
            report.refuse(&path, "must be at least the aggregate container requests");
        }
    }
    // As in the API server: regular containers only.
    for (place, path, container) in containers(spec) {
        if place != Place::Regular {
            continue;
        }
        for (name, amount) in amounts(&container["resources"], "limits") {
            if limits.get(&name).is_some_and(|limit| amount > *limit) {
                let path = format!("{path}.resources.limits[{name}]");
                report.refuse(&path, "must be at most the pod limit");
            }
        }
    }
}

/// `AggregateContainerRequests` of `k8s.io/component-helpers/resource`: regular containers and native
/// sidecars together, or an init container with the native sidecars before it, whichever is more.
fn container_requests(spec: &Value) -> Amounts {
    fn add(sum: &mut Amounts, more: &Amounts) {
        for (name, amount) in more {
            *sum.entry(name.clone()).or_default() += amount;
        }
    }
    let (mut sum, mut sidecars, mut peak) = (Amounts::new(), Amounts::new(), Amounts::new());
    for (place, _, container) in containers(spec) {
        // `SetDefaults_Pod`: a container requests its limit where it has no request.
        let mut requests = amounts(&container["resources"], "limits");
        requests.extend(amounts(&container["resources"], "requests"));
        let while_it_starts = match place {
            Place::Ephemeral => continue,
            Place::Regular => {
                add(&mut sum, &requests);
                continue;
            }
            Place::NativeSidecar => {
                add(&mut sum, &requests);
                add(&mut sidecars, &requests);
                sidecars.clone()
            }
            Place::Init => {
                add(&mut requests, &sidecars);
                requests
            }
        };
        for (name, amount) in while_it_starts {
            let most = peak.entry(name).or_default();
            *most = amount.max(*most);
        }
    }
    for (name, amount) in peak {
        let most = sum.entry(name).or_default();
        *most = amount.max(*most);
    }
    sum
}
