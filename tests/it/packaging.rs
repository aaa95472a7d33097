//! What is published says the same everywhere, and what is deployed works.

use json_patch::Patch;
use serde_json::{Value, json};

use crate::documents::read;
use crate::host::Host;
use crate::kubernetes::list;
use crate::objects::{java_asked, with_annotation};
use testing::requests::request;

/// A YAML file of the project.
pub fn yaml(path: &str) -> Value {
    serde_norway::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn annotation(metadata: &Value, key: &str) -> String {
    let value = &metadata["annotations"][key];
    value.as_str().unwrap_or_else(|| panic!("{key} is missing")).to_owned()
}

/// The policies that can be deployed as they are.
pub const DEPLOYED: [&str; 3] =
    ["deploy/base/workloads.yaml", "deploy/base/pods.yaml", "deploy/base/namespaced.yaml"];

/// Those of them that overlays can be made from.
pub const BASES: [&str; 2] = ["deploy/base/pods.yaml", "deploy/base/workloads.yaml"];

/// The overlays.
pub const OVERLAYS: [&str; 3] = [
    "deploy/overlays/private-registry",
    "deploy/overlays/profilers-where-allowed",
    "deploy/overlays/own-policy-server",
];

/// What `kubectl kustomize` makes of a folder, as far as the overlays use it, over one of the policies.
pub fn kustomized(folder: &str, base: &str) -> Vec<Value> {
    if folder.ends_with("/base") {
        return vec![yaml(base)];
    }
    let kustomization = yaml(&format!("{folder}/kustomization.yaml"));
    let used = ["apiVersion", "kind", "nameSuffix", "patches", "resources"];
    let mut keys = kustomization.as_object().unwrap().keys();
    assert!(keys.all(|key| used.contains(&&**key)), "{folder}");
    let mut objects = Vec::new();
    for resource in list(&kustomization, "resources") {
        let path = format!("{folder}/{}", resource.as_str().unwrap());
        if path.ends_with(".yaml") {
            objects.push(yaml(&path));
        } else {
            objects.extend(kustomized(&path, base));
        }
    }
    for patch in list(&kustomization, "patches") {
        let change: Value = serde_norway::from_str(patch["patch"].as_str().unwrap()).unwrap();
        let kind = &patch["target"]["kind"];
        let targets: Vec<&mut Value> =
            objects.iter_mut().filter(|object| object["kind"] == *kind).collect();
        assert!(!targets.is_empty(), "{folder}: no {kind}");
        for target in targets {
            if change.is_object() {
                // kustomize knows no list of this kind to merge, and keeps the name.
                json_patch::merge(target, &json!({ "spec": change["spec"] }));
                continue;
            }
            let operations: Patch = serde_json::from_value(change.clone()).unwrap();
            json_patch::patch(target, &operations)
                .unwrap_or_else(|error| panic!("{folder}: {error}"));
        }
    }
    for object in &mut objects {
        let suffix = kustomization["nameSuffix"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap();
        object["metadata"]["name"] = format!("{name}{suffix}").into();
    }
    objects
}

#[test]
fn version_name_and_address_are_the_same_everywhere() {
    let (metadata, package) = (yaml("policy-metadata.yml"), yaml("artifacthub-pkg.yml"));
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let address = annotation(&metadata, "io.kubewarden.policy.ociUrl");
    let image = format!("{address}:v{version}");
    let source = env!("CARGO_PKG_REPOSITORY");

    for (key, expected) in [
        ("io.kubewarden.policy.title", name),
        ("io.kubewarden.policy.version", version),
        ("io.kubewarden.policy.description", env!("CARGO_PKG_DESCRIPTION")),
        ("io.kubewarden.policy.license", env!("CARGO_PKG_LICENSE")),
        ("io.kubewarden.policy.url", source),
        ("io.kubewarden.policy.source", source),
        ("com.github.release.tag", &*format!("v{version}")),
    ] {
        assert_eq!(annotation(&metadata, key), expected, "{key}");
    }
    for (key, expected) in [
        ("name", name),
        ("version", version),
        ("displayName", &*annotation(&metadata, "io.artifacthub.displayName")),
        ("description", env!("CARGO_PKG_DESCRIPTION")),
        ("license", env!("CARGO_PKG_LICENSE")),
        ("homeURL", source),
    ] {
        assert_eq!(package[key], expected, "{key}");
    }
    assert_eq!(package["containersImages"], json!([{ "name": "policy", "image": image }]));
    assert_eq!(
        package["links"],
        json!([
            { "name": "policy", "url": format!("{source}/releases/download/v{version}/policy.wasm") },
            { "name": "source", "url": source },
        ]),
    );
    let install = package["install"].as_str().unwrap();
    assert!(install.contains(&format!("kwctl pull {image}\n")));
    // The description in Chinese, which the Makefile adds to what kwctl writes.
    assert!(install.contains(&format!("({source}/blob/main/README.zh-CN.md)")));
    assert!(read("README.md").contains(&format!("registry://{image}")));
    let npm = yaml("npm/package.json");
    assert_eq!((&npm["version"], &npm["repository"]), (&json!(version), &json!(source)));
    assert_eq!(yaml("playground/package.json")["dependencies"]["datakit-injection"], version);
    for path in DEPLOYED {
        assert_eq!(yaml(path)["spec"]["module"], format!("registry://{image}"), "{path}");
    }
    let changes = read("CHANGELOG.md");
    let of_version = format!("## {version} ");
    let is_section = |line: &str| line == "## Unreleased" || line.starts_with(&of_version);
    assert!(changes.lines().any(is_section), "the changes of {version} have no section");
}

#[test]
fn rules_are_the_same_everywhere() {
    let (metadata, package) = (yaml("policy-metadata.yml"), yaml("artifacthub-pkg.yml"));
    assert_eq!(metadata["mutating"], true);
    assert_eq!(metadata["contextAwareResources"], json!([]));
    // `support/host.rs` checks that the module calls nothing but the log, which is no capability.
    assert_eq!(metadata["hostCapabilities"], json!([]));
    assert_eq!(metadata["backgroundAudit"], false);
    let rules = &metadata["rules"];
    let of_package = package["annotations"]["kubewarden/rules"].as_str().unwrap();
    assert_eq!(serde_norway::from_str::<Value>(of_package).unwrap(), *rules);
    assert_eq!(package["annotations"]["kubewarden/mutation"], "true");
    assert_eq!(
        package["annotations"]["kubewarden/resources"],
        annotation(&metadata, "io.artifacthub.resources")
    );
    assert_eq!(package["annotations"]["kubewarden/questions-ui"], read("questions-ui.yml"));
    assert_eq!(yaml("deploy/base/workloads.yaml")["spec"]["rules"], *rules);
    assert_eq!(yaml("deploy/base/namespaced.yaml")["spec"]["rules"], *rules);
}

#[test]
fn keys_of_the_package_file_stand_in_the_order_of_kwctl() {
    let text = read("artifacthub-pkg.yml");
    let keys = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let keys: Vec<&str> = keys.map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        keys,
        [
            "version",
            "name",
            "displayName",
            "createdAt",
            "description",
            "license",
            "homeURL",
            "containersImages",
            "keywords",
            "links",
            "install",
            "maintainers",
            "provider",
            "recommendations",
            "annotations",
        ]
    );
}

#[test]
fn the_form_asks_for_settings_that_there_are() {
    let questions = yaml("questions-ui.yml");
    for question in questions["questions"].as_array().unwrap() {
        let variable = question["variable"].as_str().unwrap();
        if question["hide_input"] == true {
            continue;
        }
        let (block, key) = variable.split_once('.').unwrap_or(("", variable));
        let known = datakit_injection::settings::known_keys();
        let (_, keys) = known.iter().find(|(name, _)| *name == block).unwrap();
        assert!(keys.contains(&key), "{variable}");
    }
}

/// A form that is filled in with nothing else must neither break the settings nor weaken them.
#[test]
fn the_defaults_of_the_form_are_the_defaults_of_the_settings() {
    let questions = yaml("questions-ui.yml");
    let mut settings = json!({});
    for question in questions["questions"].as_array().unwrap() {
        let variable = question["variable"].as_str().unwrap();
        if question["hide_input"] == true {
            continue;
        }
        let place = match variable.split_once('.') {
            Some((block, key)) => &mut settings[block][key],
            None => &mut settings[variable],
        };
        *place = question["default"].clone();
    }
    assert_eq!(Host::shared().validate_settings(&settings.to_string()), None);
    let config: Value = serde_json::from_str(&read("examples/settings.json")).unwrap();
    let mut filled = settings.clone();
    filled["jsonconfig"] = json!(config.to_string());
    for namespace in ["default", "kube-system"] {
        for containers in [json!([{ "name": "app" }]), json!([{ "name": "istio-proxy" }])] {
            let mut object = with_annotation(java_asked(), "x", "");
            object["metadata"]["namespace"] = json!(namespace);
            object["spec"]["containers"] = containers;
            let answer = |settings: &Value| {
                Host::shared().validate(&request("CREATE", &object, None), &settings.to_string())
            };
            let plain = answer(&json!({ "jsonconfig": config.to_string() })).response;
            let is_injected = plain["audit_annotations"]["injected"] == "ddtrace-java";
            let container = &object["spec"]["containers"][0]["name"];
            assert_eq!(is_injected, namespace == "default" && container == "app");
            assert_eq!(answer(&filled).response, plain);
        }
    }
}

#[test]
fn deployed_policies_never_block_and_their_settings_work() {
    for path in DEPLOYED {
        let manifest = yaml(path);
        let spec = &manifest["spec"];
        assert_eq!(spec["mutating"], true, "{path}");
        assert_eq!(spec["failurePolicy"], "Ignore", "{path}");
        assert!(spec["timeoutSeconds"].as_i64().unwrap() <= 5, "{path}");
        let settings = spec["settings"].to_string();
        assert_eq!(Host::shared().validate_settings(&settings), None, "{path}");
        let mut object = with_annotation(java_asked(), "x", "");
        object["metadata"]["labels"] = json!({ "tracing": "java" });
        let outcome = Host::shared().validate(&request("CREATE", &object, None), &settings);
        assert_eq!(outcome.response["audit_annotations"]["injected"], "ddtrace-java", "{path}");
    }
    let seed: Value = serde_json::from_str(&read("examples/settings.json")).unwrap();
    assert_eq!(yaml(DEPLOYED[0])["spec"]["settings"], seed);
    assert_eq!(yaml(DEPLOYED[1])["spec"]["settings"], seed);
}

/// The controller refuses the way from `protect` to `monitor`, so a policy starts in `monitor`.
#[test]
fn deployed_policies_start_in_monitor_mode_and_say_how_to_leave_it() {
    for path in DEPLOYED {
        let manifest = yaml(path);
        assert_eq!(manifest["spec"]["mode"], "monitor", "{path}");
        let namespace = manifest["metadata"]["namespace"].as_str();
        let command = format!(
            "kubectl{} patch {} {} --type merge -p '{{\"spec\":{{\"mode\":\"protect\"}}}}'\n",
            namespace.map(|name| format!(" -n {name}")).unwrap_or_default(),
            manifest["kind"].as_str().unwrap().to_lowercase(),
            manifest["metadata"]["name"].as_str().unwrap(),
        );
        assert!(read(path).contains(&command), "{path}: {command}");
    }
}

/// A policy of the cluster may act on the same workloads, and has the record without an id.
#[test]
fn the_policy_of_a_namespace_has_a_record_of_its_own() {
    let ids = DEPLOYED.map(|path| yaml(path)["spec"]["settings"]["policy"]["id"].clone());
    assert_eq!(ids, [Value::Null, Value::Null, json!("shop")]);
    let [workloads, _, namespaced] =
        DEPLOYED.map(|path| yaml(path)["spec"]["settings"].to_string());
    let mut object = crate::objects::deployment(&java_asked());
    object["spec"]["template"]["metadata"]["labels"] = json!({ "tracing": "java" });
    let create = |object: &Value, settings: &str| {
        Host::shared().validate(&request("CREATE", object, None), settings).object
    };
    for (settings, key) in
        [(workloads, "admission.datakit/injected"), (namespaced, "admission.datakit/injected.shop")]
    {
        let injected = create(&object, &settings);
        let annotations =
            injected["spec"]["template"]["metadata"]["annotations"].as_object().unwrap();
        let records =
            annotations.keys().filter(|name| name.starts_with("admission.datakit/injected"));
        assert_eq!(records.collect::<Vec<_>>(), [key]);
    }
}

#[test]
fn the_base_is_one_policy_of_the_cluster() {
    let kustomization = yaml("deploy/base/kustomization.yaml");
    assert_eq!(kustomization["resources"], json!(["pods.yaml"]));
    let overlays = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/overlays"));
    assert_eq!(overlays.unwrap().count(), OVERLAYS.len());
}

#[test]
fn the_overlay_for_a_private_registry_takes_everything_from_there() {
    for base in BASES {
        let objects = kustomized(OVERLAYS[0], base);
        let [policy] = &objects[..] else { panic!("{objects:?}") };
        let settings = &policy["spec"]["settings"];
        let expected = yaml(base)["spec"]["settings"].to_string();
        let expected = expected.replace("pubrepo.guance.com/", "inside.image.hub/");
        let mut expected: Value = serde_json::from_str(&expected).unwrap();
        expected["policy"] = json!({ "image_pull_secrets": ["inside-image-hub"] });
        assert_eq!(*settings, expected);
        assert_eq!(Host::shared().validate_settings(&settings.to_string()), None);
        let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let module = format!("registry://inside.image.hub/policies/{name}:v{version}");
        assert_eq!(policy["spec"]["module"], module);
    }
}

/// The fields of `PolicyServerSpec` that the overlay may use.
const SERVER_FIELDS: [&str; 6] =
    ["affinity", "image", "limits", "minAvailable", "replicas", "requests"];

#[test]
fn the_overlay_with_a_policy_server_changes_nothing_else() {
    for base in BASES {
        let mut objects = kustomized(OVERLAYS[2], base);
        let server = objects.pop().unwrap();
        let mut policy = objects.pop().unwrap();
        assert_eq!(objects, [Value::Null; 0]);
        assert_eq!(
            (&server["kind"], &policy["kind"]),
            (&json!("PolicyServer"), &yaml(base)["kind"])
        );
        let name = &server["metadata"]["name"];
        assert_eq!(
            policy["spec"].as_object_mut().unwrap().remove("policyServer").as_ref(),
            Some(name)
        );
        assert_eq!(policy, yaml(base));
        let spec = &server["spec"];
        assert_eq!(spec.as_object().unwrap().keys().collect::<Vec<_>>(), SERVER_FIELDS);
        // The controller creates the disruption budget from `minAvailable`: one may always go.
        assert_eq!((&spec["replicas"], &spec["minAvailable"]), (&json!(2), &json!(1)));
        let affinity = &spec["affinity"]["podAntiAffinity"];
        let term =
            &affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
        assert_eq!(term["labelSelector"]["matchLabels"]["kubewarden/policy-server"], *name);
        assert_eq!(spec["requests"], json!({ "cpu": "250m", "memory": "128Mi" }));
        assert_eq!(spec["limits"], json!({ "memory": "512Mi" }));
    }
}

/// Whether the `namespaceSelector` of a policy selects a namespace that enforces a level.
fn selects(policy: &Value, namespace: &str, level: Option<&str>) -> bool {
    let expressions = list(&policy["spec"]["namespaceSelector"], "matchExpressions");
    expressions.iter().all(|expression| {
        let label = match expression["key"].as_str().unwrap() {
            "kubernetes.io/metadata.name" => Some(namespace),
            "pod-security.kubernetes.io/enforce" => level,
            other => panic!("{other}"),
        };
        let is_in = list(expression, "values").iter().any(|value| value.as_str() == label);
        match expression["operator"].as_str().unwrap() {
            "In" => is_in,
            "NotIn" => !is_in,
            other => panic!("{other}"),
        }
    })
}

#[test]
fn the_overlay_for_profilers_keeps_them_out_where_they_are_refused() {
    let asked = with_annotation(java_asked(), "admission.datakit/java-profiler.version", "");
    let skipped = "profiler-java: these settings have no rule for annotation \
        admission.datakit/java-profiler.version";
    for base in BASES {
        let policies = kustomized(OVERLAYS[1], base);
        let name = yaml(base)["metadata"]["name"].as_str().unwrap().to_owned();
        let without = format!("{name}-without-profilers");
        for (level, expected, audit) in [
            (None, &name, json!({ "injected": "ddtrace-java,profiler-java" })),
            (Some("privileged"), &name, json!({ "injected": "ddtrace-java,profiler-java" })),
            (Some("baseline"), &without, json!({ "injected": "ddtrace-java", "skipped": skipped })),
            (
                Some("restricted"),
                &without,
                json!({ "injected": "ddtrace-java", "skipped": skipped }),
            ),
        ] {
            let selected: Vec<&Value> =
                policies.iter().filter(|policy| selects(policy, "shop", level)).collect();
            let [policy] = selected[..] else { panic!("{level:?}: {selected:?}") };
            assert_eq!(policy["metadata"]["name"], **expected, "{level:?}");
            let settings = policy["spec"]["settings"].to_string();
            assert_eq!(Host::shared().validate_settings(&settings), None);
            let outcome = Host::shared().validate(&request("CREATE", &asked, None), &settings);
            assert_eq!(outcome.response["audit_annotations"], audit, "{level:?}");
            // Profilers add capabilities, which `baseline` refuses.
            let is_baseline = !outcome.object.to_string().contains("\"add\"");
            assert_eq!(is_baseline, *expected == without, "{level:?}");
            assert!(policies.iter().all(|policy| !selects(policy, "kube-system", level)));
        }
    }
}
