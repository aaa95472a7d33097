//! `deploy/companion`: what it grants is what the code needs, and what it starts is what the code is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory as _, Parser as _};
use datakit_companion::logging::{self, report};
use datakit_companion::options::Options;
use datakit_companion::{election, rights};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::api::{Api, Right};
use crate::election::{campaign, heartbeat};
use crate::replica::{Replica, TestClock, eventually};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn documents(text: &str) -> Vec<Value> {
    let documents = serde_norway::Deserializer::from_str(text).map(Value::deserialize);
    documents.map(|document| document.unwrap()).filter(|document| !document.is_null()).collect()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|it| it.as_str().unwrap().to_owned()).collect()
}

/// The objects of `deploy/companion`, without components.
fn objects() -> Vec<Value> {
    let kustomization = documents(&read("deploy/companion/kustomization.yaml")).remove(0);
    let files = strings(&kustomization["resources"]);
    files.iter().flat_map(|file| documents(&read(&format!("deploy/companion/{file}")))).collect()
}

fn object(kind: &str) -> Value {
    let mut found: Vec<Value> = objects().into_iter().filter(|it| it["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0)
}

/// What the manifests grant to the companion, by the names of roles.
fn granted() -> Vec<(String, BTreeSet<Right>)> {
    let (bindings, others): (Vec<Value>, Vec<Value>) = objects()
        .into_iter()
        .partition(|object| object["kind"].as_str().unwrap().ends_with("Binding"));
    let account = json!([{
        "kind": "ServiceAccount", "name": "datakit-companion", "namespace": "datakit",
    }]);
    bindings
        .iter()
        .map(|binding| {
            assert_eq!(binding["subjects"], account);
            let (name, kind) = (&binding["roleRef"]["name"], &binding["roleRef"]["kind"]);
            let namespace = &binding["metadata"]["namespace"];
            let role = others.iter().find(|role| {
                role["kind"] == *kind
                    && role["metadata"]["name"] == *name
                    && role["metadata"]["namespace"] == *namespace
            });
            let rules = role.unwrap_or_else(|| panic!("no {name}"))["rules"].as_array().unwrap();
            let mut rights = BTreeSet::new();
            for rule in rules {
                assert_eq!(rule.as_object().unwrap().len(), 3, "{rule}");
                for group in strings(&rule["apiGroups"]) {
                    for resource in strings(&rule["resources"]) {
                        rights.extend(strings(&rule["verbs"]).into_iter().map(|verb| Right {
                            group: group.clone(),
                            resource: resource.clone(),
                            verb,
                            namespace: namespace.as_str().unwrap_or_default().to_owned(),
                        }));
                    }
                }
            }
            (name.as_str().unwrap().to_owned(), rights)
        })
        .collect()
}

fn needed(rights: &[rights::Right], namespace: &str) -> BTreeSet<Right> {
    let rights = rights.iter().map(|right| Right {
        group: right.group.to_owned(),
        resource: right.resource.to_owned(),
        verb: right.verb.to_owned(),
        namespace: namespace.to_owned(),
    });
    rights.collect()
}

/// Catches: a right too many or too few, and one that two services share.
#[test]
fn roles_grant_what_each_service_needs() {
    assert_eq!(
        granted(),
        [
            ("datakit-companion-election".to_owned(), needed(&election::RIGHTS, "datakit")),
            ("datakit-companion-logging-configs".to_owned(), needed(&logging::RIGHTS, "")),
            ("datakit-companion-events".to_owned(), needed(&report::RIGHTS, report::NAMESPACE)),
        ],
    );
}

/// Catches: a right that the code does not know it needs, and one that it never uses.
#[tokio::test]
async fn the_code_works_with_these_rights_and_uses_all_of_them() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let granted: BTreeSet<Right> = granted().into_iter().flat_map(|(_, rights)| rights).collect();
    api.allow(Some(granted.iter().cloned().collect()));
    let spec = json!({ "selector": { "podRegex": "(" } });
    let _broken = api.put("clusterloggingconfigs", "", "broken", json!({ "spec": spec }));
    let replica = Replica::ready(&api, &clock).await;
    assert_eq!(replica.get("/readyz").await.code, 200);
    for path in [campaign("a"), heartbeat("a")] {
        assert_eq!(replica.post(&path).await.body["content"]["status"], "success");
    }
    eventually("the event is there", async || api.objects("events").len() == 1).await;
    // In the cluster, what is listed and watched is in no namespace.
    assert_eq!(api.used(), granted);
}

/// Catches: manifests that start something else than the code is.
#[test]
fn the_deployment_starts_the_companion() {
    let deployment = object("Deployment");
    let spec = &deployment["spec"]["template"]["spec"];
    let container = &spec["containers"][0];
    let arguments = [vec!["datakit-companion".to_owned()], strings(&container["args"])].concat();
    let options = Options::try_parse_from(arguments).unwrap();
    assert!(options.election && options.logging_configs);
    let port = &container["ports"][0];
    assert_eq!(port["containerPort"], options.listen.port());
    let image = format!("ghcr.io/guancecloud/datakit-companion:v{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(container["image"], image);
    for (probe, path) in [("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")] {
        let expected = json!({ "path": path, "port": port["name"], "scheme": "HTTPS" });
        assert_eq!(container[probe]["httpGet"], expected);
        assert!(container[probe]["timeoutSeconds"].as_u64() > Some(1), "a review takes a second");
    }
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert!(spec["terminationGracePeriodSeconds"].as_u64() > Some(5), "the grace of the server");
    // Pod Security's `restricted`.
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        }),
    );
    assert_eq!(spec["serviceAccountName"], object("ServiceAccount")["metadata"]["name"]);
}

/// Catches: a selector that selects no pod of the Deployment, and a port that nobody listens on.
#[test]
fn selectors_and_ports_fit() {
    let deployment = object("Deployment");
    let template = &deployment["spec"]["template"];
    let labels = &template["metadata"]["labels"];
    let container_port = &template["spec"]["containers"][0]["ports"][0];
    let monitor = documents(&read("deploy/companion/components/pod-monitor/pod-monitor.yaml"));
    let (service, network) = (object("Service"), object("NetworkPolicy"));
    let mut selectors = vec![
        &deployment["spec"]["selector"]["matchLabels"],
        &service["spec"]["selector"],
        &network["spec"]["podSelector"]["matchLabels"],
        &monitor[0]["spec"]["selector"]["matchLabels"],
    ];
    let budget = object("PodDisruptionBudget");
    selectors.push(&budget["spec"]["selector"]["matchLabels"]);
    let spread = template["spec"]["topologySpreadConstraints"].as_array().unwrap();
    selectors.extend(spread.iter().map(|constraint| &constraint["labelSelector"]["matchLabels"]));
    for selector in selectors {
        assert_eq!(selector, labels);
    }
    let port = &container_port["containerPort"];
    assert_eq!(service["spec"]["ports"][0]["targetPort"], *port);
    assert_eq!(service["spec"]["ports"][0]["port"], 443, "as the Operator's Service");
    assert_eq!(network["spec"]["ingress"][0]["ports"][0]["port"], *port);
    assert_eq!(monitor[0]["spec"]["podMetricsEndpoints"][0]["port"], container_port["name"]);
}

/// Catches: a field that the schema prunes before logfwd gets it, and one that nobody reads.
#[test]
fn the_schema_has_the_fields_that_are_read() {
    let crd = documents(&read("deploy/companion/components/crd/crd.yaml")).remove(0);
    let resource = logging::config::resource();
    let names = &crd["spec"]["names"];
    assert_eq!(crd["metadata"]["name"], format!("{}.{}", resource.plural, resource.group));
    assert_eq!(
        (&names["kind"], &names["plural"]),
        (&json!(resource.kind), &json!(resource.plural))
    );
    let version = &crd["spec"]["versions"][0];
    assert_eq!(version["name"], resource.version);
    let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let keys = |value: &Value| -> BTreeSet<String> {
        value["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let expected = ["containerRegex", "namespaceRegex", "podLabelSelector", "podRegex"];
    assert_eq!(keys(&spec["selector"]), expected.map(str::to_owned).into());
    assert_eq!(spec.as_object().unwrap().len(), 3);
    let item = &spec["configs"]["items"];
    // A value of each type, which is not left out of the answer.
    let mut config = serde_json::Map::new();
    for (key, schema) in item["properties"].as_object().unwrap() {
        let value = match schema["type"].as_str().unwrap() {
            "string" => json!("x"),
            "boolean" => json!(true),
            "integer" => json!(1),
            _ => json!({ "a": "b" }),
        };
        config.insert(key.clone(), value);
    }
    let read: logging::config::Config = serde_json::from_value(config.clone().into()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), Value::from(config));
    let expected = [
        "character_encoding",
        "disable",
        "from_beginning",
        "from_beginning_threshold_size",
        "multiline_match",
        "path",
        "pipeline",
        "remove_ansi_escape_codes",
        "service",
        "source",
        "storage_index",
        "tags",
        "type",
    ];
    assert_eq!(keys(item), expected.map(str::to_owned).into());
}

/// What `kubectl kustomize` makes of the manifests with components; nothing where there is no kubectl.
fn kustomized(components: &[&str]) -> Option<Vec<Value>> {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("deploy/companion");
    let copied = Command::new("cp").arg("-r").arg(source).arg(folder.path()).status();
    assert!(copied.unwrap().success());
    let paths = components.iter().map(|it| format!("companion/components/{it}"));
    let text = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": ["companion"], "components": paths.collect::<Vec<String>>(),
    });
    std::fs::write(folder.path().join("kustomization.yaml"), text.to_string()).unwrap();
    let output = Command::new("kubectl").arg("kustomize").arg(folder.path()).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(documents(&String::from_utf8(output.stdout).unwrap()))
}

/// Catches: a component that cannot be used, or that changes something else than it says.
#[test]
fn components_can_be_combined() {
    for (components, service, more) in [
        (&[][..], "datakit-companion", 0),
        (&["operator-service"], "datakit-operator", 0),
        (&["operator-service", "crd", "pod-monitor"], "datakit-operator", 2),
    ] {
        for component in components {
            let path = format!("deploy/companion/components/{component}/kustomization.yaml");
            assert_eq!(documents(&read(&path))[0]["kind"], "Component");
        }
        let Some(objects) = kustomized(components) else {
            eprintln!("NOT CHECKED: {components:?}; kubectl is missing");
            continue;
        };
        assert_eq!(objects.len(), self::objects().len() + more, "{components:?}");
        let services: Vec<&Value> = objects.iter().filter(|it| it["kind"] == "Service").collect();
        assert_eq!(services.len(), 1);
        assert_eq!(services[0]["metadata"]["name"], service);
    }
}

/// Catches: an image that runs as root, or starts nothing.
#[test]
fn the_image_is_the_binary_alone() {
    let dockerfile = read("crates/companion/Dockerfile");
    let deployment = object("Deployment");
    let user = &deployment["spec"]["template"]["spec"]["securityContext"]["runAsUser"];
    let lines: Vec<&str> = dockerfile.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            "FROM scratch",
            "ARG TARGETARCH",
            "COPY --chmod=0555 $TARGETARCH/datakit-companion /datakit-companion",
            &format!("USER {user}:{user}"),
            "EXPOSE 9543",
            "ENTRYPOINT [\"/datakit-companion\"]",
        ],
    );
}

/// Catches: an option, a metric or a code that the page does not have, and one that is gone.
#[tokio::test]
async fn the_page_has_every_option_metric_and_code() {
    let page = read("docs/companion.md");
    let words: BTreeSet<&str> =
        page.split(|c: char| !(c.is_alphanumeric() || "-_".contains(c))).collect();
    let command = Options::command();
    let options: BTreeSet<String> =
        command.get_arguments().map(|it| format!("--{}", it.get_long().unwrap())).collect();
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    let _leader = replica.post(&campaign("a")).await;
    let metrics = replica.get("/metrics").await.body;
    let metrics = metrics.as_str().unwrap().lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let metrics: BTreeSet<String> =
        metrics.map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(metrics.len(), 9, "{metrics:?}");
    let of = |prefix: &str| -> BTreeSet<String> {
        words.iter().filter(|word| word.starts_with(prefix)).map(|it| (*it).to_owned()).collect()
    };
    assert_eq!(of("datakit_companion_"), metrics);
    let table = page.split("## Install").next().unwrap();
    let named = table.split('`').filter(|code| code.starts_with("--"));
    assert_eq!(named.map(str::to_owned).collect::<BTreeSet<String>>(), options);
    for code in ["rbac_forbidden", "cache_not_ready", "storage_unavailable"] {
        assert!(words.contains(code), "{code}");
    }
    assert!(page.lines().count() <= 150);
}
