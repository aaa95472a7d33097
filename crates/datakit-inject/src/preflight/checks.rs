//! The checks of `preflight`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use datakit_injection::injection::table::ALL;
use datakit_injection::reader::Errors;
use datakit_injection::rules::candidates::visit;
use datakit_injection::settings::with_settings;
use serde::Serialize;
use serde_json::Value;
use settings_tools::document::validate;
use settings_tools::endpoints::{Endpoint, endpoints};

use crate::kubectl::{Answer, Kubectl, Refusal, optional};
use crate::object::{at, list, name, text};
use crate::policies::manifests;
use crate::settings_file::SettingsFile;
use crate::terminal::{Failure, count};
use Status::{Failed, Fine, Limit};

/// The first minor version of Kubernetes that has native sidecars and `matchConditions`.
const MINOR: u32 = 29;

const WEBHOOKS: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
const SERVERS: &[&str] = &["policyservers.policies.kubewarden.io"];
const POLICIES: &str = "clusteradmissionpolicies.policies.kubewarden.io";

/// The rights that a migration needs: verb, resource, and whether in one namespace.
const RIGHTS: [(&str, &str, bool); 9] = [
    ("create", POLICIES, false),
    ("patch", POLICIES, false),
    ("delete", POLICIES, false),
    ("create", WEBHOOKS, false),
    ("delete", WEBHOOKS, false),
    ("list", "pods", false),
    ("patch", "deployments.apps", false),
    ("get", "configmaps", true),
    ("get", "deployments.apps", true),
];

/// Marks of tools that manage objects.
const MANAGERS: [(&str, &str); 6] = [
    ("/metadata/annotations/argocd.argoproj.io~1tracking-id", "Argo CD"),
    ("/metadata/labels/argocd.argoproj.io~1instance", "Argo CD"),
    ("/metadata/labels/kustomize.toolkit.fluxcd.io~1name", "Flux"),
    ("/metadata/labels/helm.toolkit.fluxcd.io~1name", "Flux"),
    ("/metadata/annotations/meta.helm.sh~1release-name", "Helm"),
    ("/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration", "kubectl apply"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    #[serde(rename = "ok")]
    Fine,
    /// Works, with a limitation.
    Limit,
    Failed,
}

type Finding = (Status, String);

/// All checks, in the order in which problems have to be solved. The namespace is that of the Operator and
/// of DataKit, the file has the settings to come.
pub(super) fn checks(
    kubectl: &Kubectl,
    namespace: &str,
    file: Option<&Path>,
) -> Result<Vec<(&'static str, Finding)>, Failure> {
    let policies = manifests(kubectl);
    let map = || kubectl.get(&["configmaps", "datakit-operator-config"], Some(namespace));
    let of_operator = || SettingsFile::of("the Operator", map().ok()?.to_string()).ok();
    let settings = match (file, policies.as_deref().unwrap_or_default().first()) {
        (Some(file), _) => Some(SettingsFile::read(file)?),
        (None, Some(policy)) => SettingsFile::of(&name(policy), policy.to_string()).ok(),
        (None, None) => of_operator(),
    };
    let mut checks = vec![
        ("kubernetes", Ok(kubernetes(kubectl)?)),
        ("kubewarden", kubewarden(kubectl)),
        ("policy-servers", policy_servers(kubectl)),
        ("rights", rights(kubectl, namespace)),
        ("operator", operator(kubectl, namespace)),
        ("datakit", datakit(kubectl, settings.as_ref())),
        ("pod-security", pod_security(kubectl, settings.as_ref())),
        ("quotas", quotas(kubectl)),
    ];
    match policies {
        Ok(policies) => checks.extend(policies.iter().map(|it| ("policies", Ok(policy(it))))),
        Err(refusal) => checks.push(("policies", Err(refusal))),
    }
    let limit = |refusal: Refusal| (Limit, refusal.to_string());
    Ok(checks.into_iter().map(|(check, answer)| (check, answer.unwrap_or_else(limit))).collect())
}

fn kubernetes(kubectl: &Kubectl) -> Answer<Finding> {
    let version = kubectl.json(&["version", "--output", "json"])?;
    let version = text(&version, "/serverVersion/gitVersion");
    let minor = version.strip_prefix("v1.").and_then(|it| it.split('.').next()?.parse().ok());
    Ok(match minor {
        Some(..MINOR) => (Failed, format!("{version} is older than 1.{MINOR}")),
        _ => (Fine, version.to_owned()),
    })
}

fn kubewarden(kubectl: &Kubectl) -> Answer<Finding> {
    if let Err(Refusal::Absent) = kubectl.list(SERVERS, None) {
        return Ok((Failed, "Kubewarden is not installed".to_owned()));
    }
    let labels = "app.kubernetes.io/part-of=kubewarden,app.kubernetes.io/component=controller";
    let controllers = kubectl.list(&["deployments.apps", "--selector", labels], None)?;
    let version = "/metadata/labels/app.kubernetes.io~1version";
    Ok(match controllers.first() {
        Some(it) => (Fine, format!("Kubewarden {}", text(it, version))),
        None => (Limit, "its resources are there, but no controller was found".to_owned()),
    })
}

fn policy_servers(kubectl: &Kubectl) -> Answer<Finding> {
    let servers = optional(kubectl.list(SERVERS, None))?.unwrap_or_default();
    Ok(match names(&servers, "/metadata/name", |_| true) {
        Some(names) => (Fine, names),
        None => (Failed, "there is no policy server".to_owned()),
    })
}

fn rights(kubectl: &Kubectl, namespace: &str) -> Answer<Finding> {
    let mut missing = Vec::new();
    for (verb, resources, in_namespace) in RIGHTS {
        if !kubectl.can_i(&[verb, resources], in_namespace.then_some(namespace))? {
            missing.push(format!("{verb} {resources}"));
        }
    }
    Ok(match &*missing {
        [] => (Fine, "all that the next steps need".to_owned()),
        missing => (Failed, format!("you cannot {}", missing.join(", "))),
    })
}

/// The release of the Operator, and who manages it.
fn operator(kubectl: &Kubectl, namespace: &str) -> Answer<Finding> {
    let image = |it: &Value| text(it, "/spec/template/spec/containers/0/image").to_owned();
    let webhook = [WEBHOOKS, "--field-selector", "metadata.name=datakit-operator-mutation"];
    let webhook = kubectl.list(&webhook, None)?.into_iter().next();
    let deployments = kubectl.list(&["deployments.apps"], Some(namespace))?;
    let operator = deployments.iter().find(|it| image(it).contains("datakit-operator:"));
    let release = operator.and_then(|it| Some(image(it).rsplit_once(':')?.1.to_owned()));
    let release = release.unwrap_or("of an unknown release".to_owned());
    let Some(webhook) = webhook else {
        let without = format!("Operator {release}, without its webhook");
        let absent = "the Operator is not installed".to_owned();
        return Ok((Fine, operator.map_or(absent, |_| without)));
    };
    let manager = MANAGERS.iter().find(|(pointer, _)| webhook.pointer(pointer).is_some());
    let manager = manager.map_or("an unknown tool", |(_, manager)| manager);
    Ok((Limit, format!("Operator {release}, managed by {manager}, still injects")))
}

/// DataKit's Services, and the ports that the settings name.
fn datakit(kubectl: &Kubectl, settings: Option<&SettingsFile>) -> Answer<Finding> {
    let Some(SettingsFile { name, found, .. }) = settings else {
        let message = "no settings are known, so no Service was checked; pass them with -s";
        return Ok((Limit, message.to_owned()));
    };
    let (endpoints, mut missing) = (endpoints(&found.settings), BTreeSet::new());
    for Endpoint { namespace, service, port } in &endpoints {
        let found = optional(kubectl.get(&["services", service], Some(namespace)))?;
        missing.extend(match found {
            None => Some(format!("there is no Service {namespace}/{service}")),
            Some(it) if list(&it, "/spec/ports").any(|it| *at(it, "/port") == *port) => None,
            Some(_) => Some(format!("Service {namespace}/{service} has no port {port}")),
        });
    }
    let ports = count(endpoints.len(), "port");
    Ok(match missing.is_empty() {
        true => (Fine, format!("the settings of {name} name {ports}")),
        false => (Failed, missing.into_iter().collect::<Vec<_>>().join("; ")),
    })
}

/// Namespaces in which Kubernetes refuses some injections.
fn pod_security(kubectl: &Kubectl, settings: Option<&SettingsFile>) -> Answer<Finding> {
    let level = "/metadata/labels/pod-security.kubernetes.io~1enforce";
    let enforces = |it: &Value| matches!(text(it, level), "baseline" | "restricted");
    let names = names(&kubectl.list(&["namespaces"], None)?, "/metadata/name", enforces);
    let needs = |it: &SettingsFile| needs_capabilities(&it.found.settings);
    Ok(match names {
        None => (Fine, "no namespace enforces a level".to_owned()),
        Some(names) if settings.is_none_or(needs) => {
            (Limit, format!("profilers and flameshot are refused in {names}"))
        }
        Some(names) => (Fine, format!("what these settings inject is accepted in {names}")),
    })
}

/// Quotas that refuse containers without resources.
fn quotas(kubectl: &Kubectl) -> Answer<Finding> {
    let of_compute = |key: &String| key.ends_with("cpu") || key.ends_with("memory");
    let demands =
        |it: &Value| at(it, "/spec/hard").as_object().is_some_and(|it| it.keys().any(of_compute));
    let quotas = kubectl.list(&["resourcequotas"], None)?;
    Ok(match names(&quotas, "/metadata/namespace", demands) {
        None => (Fine, "no quota demands resources".to_owned()),
        Some(names) => (Limit, format!("quotas refuse containers without resources in {names}")),
    })
}

fn policy(policy: &Value) -> Finding {
    let (name, mode) = (name(policy), text(policy, "/spec/mode"));
    match validate(&at(policy, "/spec/settings").to_string()).first() {
        Some(error) => (Failed, format!("{name}: {error}")),
        None if text(policy, "/status/policyStatus") == "active" => {
            (Fine, format!("{name} is active, in mode `{mode}`"))
        }
        None => (Limit, format!("{name} is not active yet")),
    }
}

/// Distinct values of the matching objects, truncated; `None` if none match.
fn names(objects: &[Value], pointer: &str, fits: impl Fn(&Value) -> bool) -> Option<String> {
    const SHOWN: usize = 5;
    let fitting = objects.iter().filter(|object| fits(object));
    let names: BTreeSet<_> = fitting.map(|object| text(object, pointer)).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let shown = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    (!shown.is_empty()).then(|| shown + more)
}

/// Whether settings have a rule for a profiler or flameshot that is on.
fn needs_capabilities(json: &str) -> bool {
    let found = with_settings(json, &mut Errors::default(), |settings, _| {
        let mut is_any = false;
        for injection in ALL.iter().filter(|it| matches!(it.name, "profiler" | "flameshot")) {
            visit(settings, injection, &mut |candidate| {
                is_any |= !candidate.selectors.is_off() && !candidate.is_switched_off();
                ControlFlow::Continue(())
            });
        }
        is_any
    });
    // What cannot be read may have one.
    found.unwrap_or(true)
}
