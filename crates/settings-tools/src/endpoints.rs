//! The services in the cluster that settings send data to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

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
        if let Some(envs) = value.as_object().filter(|_| key == "envs") {
            collect_ports(envs, found);
        }
    }
}

/// A variable that names a service in the cluster.
struct Host<'e> {
    name: &'e str,
    words: Vec<&'e str>,
    namespace: &'e str,
    service: &'e str,
}

impl<'e> Host<'e> {
    fn of((name, value): (&'e String, &'e Value)) -> Option<Self> {
        let words = name.strip_suffix("_HOST")?.split('_').collect();
        let mut labels = value.as_str()?.split('.');
        let (service, namespace) = (labels.next()?, labels.next()?);
        let is_service = labels.next() == Some("svc");
        is_service.then_some(Self { name, words, namespace, service })
    }
}

fn collect_ports(envs: &Map<String, Value>, found: &mut BTreeSet<Endpoint>) {
    let hosts: Vec<Host> = envs.iter().filter_map(Host::of).collect();
    let mut with_word: BTreeMap<&str, usize> = BTreeMap::new();
    for word in hosts.iter().flat_map(|host| &host.words) {
        let number = with_word.entry(word).or_default();
        *number = number.saturating_add(1);
    }
    // Each host by the word that it shares with the fewest, so that a port meets few of them.
    let mut by_word: BTreeMap<&str, Vec<&Host>> = BTreeMap::new();
    for host in &hosts {
        let rarest = host.words.iter().min_by_key(|word| with_word.get(**word));
        by_word.entry(rarest.copied().unwrap_or_default()).or_default().push(host);
    }
    for (name, port) in envs {
        let number = port.as_u64().or_else(|| port.as_str()?.parse().ok());
        let Some((name, port)) = name.strip_suffix("_PORT").zip(number) else { continue };
        let words: BTreeSet<&str> = name.split('_').collect();
        let hosts = words.iter().filter_map(|word| by_word.get(word)).flatten();
        let own = hosts.filter(|host| host.words.iter().all(|word| words.contains(word)));
        let host = own.max_by_key(|host| (host.words.len(), host.name));
        found.extend(host.map(|Host { namespace, service, .. }| Endpoint {
            namespace: (*namespace).to_owned(),
            service: (*service).to_owned(),
            port,
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// Comparing every port with every host would take minutes.
    #[test]
    fn finds_the_hosts_of_many_ports_in_time() {
        const COUNT: usize = 20_000;
        let mut envs = String::new();
        for index in 0..COUNT {
            let _ = write!(envs, r#""DD_{index}_HOST":"s{index}.ns.svc","DD_X_{index}_PORT":1,"#);
        }
        let settings =
            format!(r#"{{"rule":{{"envs":{{{envs}"DD_HOST":"all.ns.svc","DD_PORT":2}}}}}}"#);
        let start = std::time::Instant::now();
        let endpoints = endpoints(&settings);
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
        assert_eq!(endpoints.len(), COUNT + 1);
        let all = endpoints.iter().find(|it| it.service == "all").unwrap();
        assert_eq!(all.port, 2);
    }
}
