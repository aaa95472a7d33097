//! The services in the cluster that settings send data to.

use std::collections::BTreeSet;

use serde_json::Value;

/// A service in the cluster, and a port of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The namespace of the service.
    pub namespace: String,
    /// The name of the service.
    pub service: String,
    /// The number of the port.
    pub port: u64,
}

/// The services and ports that variables of settings name. A port belongs to the host whose words its
/// name has, all of them: `DD_TRACE_AGENT_PORT` to `DD_AGENT_HOST`.
///
/// ```
/// let settings = r#"{"admission_inject":{"ddtrace":{"envs":{
///     "DD_AGENT_HOST":"datakit-service.datakit.svc","DD_TRACE_AGENT_PORT":"9529",
///     "DD_JMXFETCH_STATSD_HOST":"statsd.metrics.svc.cluster.local","DD_JMXFETCH_STATSD_PORT":8125,
///     "OTHER_PORT":"1"}}}}"#;
/// let endpoints = settings_tools::endpoints::endpoints(settings);
/// let names = endpoints.iter().map(|it| format!("{}/{}:{}", it.namespace, it.service, it.port));
/// let names: Vec<_> = names.collect();
/// assert_eq!(names, ["datakit/datakit-service:9529", "metrics/statsd:8125"]);
/// ```
pub fn endpoints(settings: &str) -> BTreeSet<Endpoint> {
    let mut found = BTreeSet::new();
    let settings: Value = serde_json::from_str(settings).unwrap_or_default();
    let config = settings.get("jsonconfig").and_then(Value::as_str).unwrap_or_default();
    collect(&serde_json::from_str(config).unwrap_or(settings), &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<Endpoint>) {
    value.as_array().into_iter().flatten().for_each(|value| collect(value, found));
    for (key, value) in value.as_object().into_iter().flatten() {
        collect(value, found);
        let envs = || value.as_object().filter(|_| key == "envs").into_iter().flatten();
        for (name, port) in envs() {
            let number = port.as_u64().or_else(|| port.as_str()?.parse().ok());
            let Some((name, port)) = name.strip_suffix("_PORT").zip(number) else { continue };
            let hosts = envs().filter_map(|(host, value)| {
                let words = host.strip_suffix("_HOST")?.split('_');
                let is_own = words.clone().all(|word| name.split('_').any(|own| own == word));
                let mut labels = value.as_str()?.split('.').map(str::to_owned);
                let (service, namespace) = (labels.next()?, labels.next()?);
                let is_service = labels.next().as_deref() == Some("svc");
                (is_own && is_service).then_some((words.count(), service, namespace))
            });
            let host = hosts.max_by_key(|(words, ..)| *words);
            found.extend(host.map(|(_, service, namespace)| Endpoint { namespace, service, port }));
        }
    }
}
