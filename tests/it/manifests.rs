//! What popular charts and operators deploy, and pods near the edge of each rule: what Kubernetes
//! accepts without the injection, it accepts with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use datakit_injection::validation::validate;
use serde_json::{Value, json};

use crate::documents::{files, read};
use crate::host::Host;
use crate::kubernetes::{Place, containers, list, schema, template, violations, warnings};
use crate::objects::template_of;
use testing::cases::{KINDS, all_recorded};
use testing::requests::request;

/// Manifests that stay as they are, whatever the settings.
const UNTOUCHED: [&str; 3] =
    ["mirror-pod.yaml", "windows-host-process.yaml", "windows-service.yaml"];

/// The default of `policy.ignored_containers`.
const IGNORED: [&str; 3] = ["istio-proxy", "linkerd-proxy", "kuma-sidecar"];

/// The containers that need what Pod Security forbids.
const PROFILERS: [&str; 2] = ["datakit-flameshot", "datakit-profiler"];

/// Settings that every manifest is tried with.
struct Settings {
    name: String,
    json: Value,
    /// The annotations with which a template asks for the injections.
    annotations: BTreeMap<&'static str, &'static str>,
    /// Whether they inject profilers.
    profilers: bool,
    /// The option of the policy that they differ in.
    option: Option<&'static str>,
}

impl Settings {
    /// With one more option of the policy.
    fn with_option(mut self, key: &'static str, value: Value) -> Self {
        self.name = format!("{}, {key}", self.name);
        self.json["policy"][key] = value;
        self.option = Some(key);
        self
    }

    /// With resources in every rule.
    fn with_resources(mut self) -> Self {
        self.name.push_str(", resources");
        for rules in self.json["admission_inject_v2"].as_object_mut().unwrap().values_mut() {
            rules[0]["resources"] = json!({
                "requests": { "cpu": "2", "memory": "2Gi" },
                "limits": { "cpu": "4", "memory": "4Gi" },
            });
        }
        self
    }

    /// A manifest with the annotations that ask for the injections.
    fn asked(&self, manifest: &str) -> Value {
        let mut object: Value = serde_norway::from_str(manifest).unwrap();
        for (key, value) in &self.annotations {
            template_of(&mut object)["metadata"]["annotations"][*key] = json!(value);
        }
        object
    }

    /// Whether a pod that meets `restricted` has to go on doing so.
    fn respect_pod_security(&self) -> bool {
        self.option != Some("pod_security")
    }
}

/// What `admission_inject_v2` can do at once for every pod, with one kind of tracing.
fn of_release_1_8(tracing: &str, language: &str, profilers: bool) -> Settings {
    let envs = json!({
        "DD_TAGS": "pod:$(POD_NAME)", "POD_NAME": "{fieldRef:metadata.name}",
        "CPU": "{resourceFieldRef:limits.cpu}",
        "FLAMESHOT_PROFILING_PATH": "/flameshot-data", "FLAMESHOT_HTTP_LOCAL_PORT": "8089",
    });
    let rule = |extra: Value| {
        let mut rule = json!({ "namespace_selectors": ["*"], "image": "hub/x:1", "envs": envs });
        rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!([rule])
    };
    let mut inject = json!({
        tracing: rule(json!({ "language": language })),
        "logfwds": rule(json!({
            "log_configs": "[{\"type\":\"file\",\"path\":\"/var/log/app/*.log\"}]",
            "log_volume_paths": ["/data/logs", "/var/log"],
        })),
    });
    if profilers {
        inject["flameshots"] = rule(json!({
            "processes": "[]", "enable_prometheus_annotations": true,
        }));
        inject["profilers"] = rule(json!({ "language": "java" }));
    }
    let json = json!({
        "admission_inject_v2": inject,
        "admission_mutate": { "loggings": [
            { "namespace_selectors": ["shop"], "label_selectors": ["!no-such-label"],
              "config": "[{\"type\":\"file\",\"path\":\"/data/logs/*.log\"}]" },
        ]},
        "policy": { "image_pull_secrets": ["hub"], "empty_dir_size_limit": "1Gi" },
    });
    let with = if profilers { "profilers" } else { "no profilers" };
    let name = format!("{tracing} {language}, {with}");
    Settings { name, json, annotations: BTreeMap::new(), profilers, option: None }
}

/// The same of `admission_inject`, where annotations ask.
fn of_release_1_5(language: &str, profilers: bool) -> Settings {
    let json = json!({ "admission_inject": {
        "ddtrace": {
            "enabled_namespaces": [{ "namespace": "shop", "language": language }],
            "images": {
                "java_agent_image": "hub/java:1", "python_agent_image": "hub/python:1",
                "js_agent_image": "hub/js:1", "php_agent_image": "hub/php:1",
            },
            "envs": { "DD_TAGS": "pod:$(POD_NAME)", "POD_NAME": "{fieldRef:metadata.name}" },
        },
        "logfwd": { "images": { "logfwd_image": "hub/logfwd:1" } },
        "profiler": {
            "images": {
                "java_profiler_image": "hub/async-profiler:1",
                "python_profiler_image": "hub/py-spy:1",
                "golang_profiler_image": "hub/go-pprof:1",
            },
            "envs": { "DK_PROFILE_SCHEDULE": "0 * * * *" },
        },
    }});
    let instances = r#"[{ "datakit_addr": "datakit:9533",
        "loggings": [{ "logfiles": ["/var/log/app/*.log"], "source": "app" }] }]"#;
    let mut annotations = BTreeMap::from([("admission.datakit/logfwd.instances", instances)]);
    if profilers {
        let annotation = match language {
            "python" => "admission.datakit/python-profiler.version",
            "js" => "admission.datakit/golang-profiler.version",
            _ => "admission.datakit/java-profiler.version",
        };
        annotations.insert(annotation, "");
    }
    let with = if profilers { "profilers" } else { "no profilers" };
    let name = format!("1.5 {language}, {with}");
    Settings { name, json, annotations, profilers, option: None }
}

/// A security context of the policy's own that meets `restricted`.
fn own_context() -> Value {
    json!({
        "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
        "runAsNonRoot": true, "runAsUser": 4000, "seccompProfile": { "type": "RuntimeDefault" },
    })
}

static SETTINGS: LazyLock<Vec<Settings>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for profilers in [true, false] {
        for (tracing, language) in [
            ("ddtraces", "java"),
            ("ddtraces", "python"),
            ("ddtraces", "nodejs"),
            ("ddtraces", "php"),
            ("otels", "java"),
            ("otels", "python"),
            ("otels", "nodejs"),
        ] {
            all.push(of_release_1_8(tracing, language, profilers));
        }
        for language in ["java", "python", "js", "php"] {
            all.push(of_release_1_5(language, profilers));
        }
    }
    let java = || of_release_1_8("ddtraces", "java", true);
    all.push(java().with_option("sidecar_mode", json!("native")));
    all.push(java().with_option("sidecar_mode", json!("container")));
    all.push(java().with_option("pod_security", json!("ignore")));
    all.push(java().with_option("security_context", own_context()));
    all.push(java().with_resources());
    all
});

/// A manifest before and after it went through the module.
struct Injected {
    file: String,
    settings: &'static Settings,
    before: Value,
    after: Value,
    response: Value,
}

impl Injected {
    fn name(&self) -> String {
        format!("{} with {}", self.file, self.settings.name)
    }

    /// The containers that were added.
    fn added(&self) -> impl Iterator<Item = &Value> {
        let there: BTreeSet<&str> = names(&self.before).collect();
        let all = containers(&template(&self.after)["spec"]).into_iter();
        let all = all.map(|(_, _, container)| container);
        all.filter(move |container| !there.contains(container["name"].as_str().unwrap()))
    }

    fn added_names(&self) -> impl Iterator<Item = &str> {
        self.added().map(|container| container["name"].as_str().unwrap())
    }

    fn warns_of(&self, text: &str) -> bool {
        let warnings = list(&self.response, "warnings").iter().filter_map(Value::as_str);
        warnings.into_iter().any(|warning| warning.contains(text))
    }
}

/// The names of all containers of a workload.
fn names(object: &Value) -> impl Iterator<Item = &str> {
    let all = containers(&template(object)["spec"]).into_iter();
    all.map(|(_, _, container)| container["name"].as_str().unwrap())
}

/// Every manifest with all settings.
static INJECTED: LazyLock<Vec<Injected>> = LazyLock::new(|| {
    let mut injected = Vec::new();
    for settings in &*SETTINGS {
        let text = settings.json.to_string();
        for path in files("tests/manifests") {
            let before = settings.asked(&read(&path));
            let outcome = Host::shared().validate(&request("CREATE", &before, None), &text);
            injected.push(Injected {
                file: path.file_name().unwrap().to_str().unwrap().to_owned(),
                settings,
                before,
                after: outcome.object,
                response: outcome.response,
            });
        }
    }
    injected
});

/// Every manifest with all settings: the request, and the settings as JSON.
pub fn requests() -> Vec<(Value, String)> {
    let manifests: Vec<String> = files("tests/manifests").iter().map(read).collect();
    let with = |settings: &Settings| {
        let objects = manifests.iter().map(|manifest| settings.asked(manifest));
        let requests = objects.map(|object| request("CREATE", &object, None));
        requests.map(|request| (request, settings.json.to_string())).collect::<Vec<_>>()
    };
    SETTINGS.iter().flat_map(with).collect()
}

/// A rule, or all of them: it gives what breaks it.
type Check = fn(&Value) -> Vec<String>;

/// What breaks a rule after the injection and did not before. What is there once more is new.
fn new(check: Check, before: &Value, after: &Value) -> Vec<String> {
    let mut there = check(before);
    let mut broken = check(after);
    broken.retain(|what| match there.iter().position(|other| other == what) {
        Some(index) => {
            there.swap_remove(index);
            false
        }
        None => true,
    });
    broken
}

/// What went wrong, by what it is, with the manifests and settings where it did.
#[derive(Default)]
struct Failures(BTreeMap<String, Vec<String>>);

impl Failures {
    fn add(&mut self, what: String, injected: &Injected) {
        let what = format!("{}: {what}", injected.file);
        self.0.entry(what).or_default().push(injected.settings.name.clone());
    }

    /// Adds what is there after the injection and was not before.
    fn add_new(&mut self, check: Check, injected: &Injected) {
        for what in new(check, &injected.before, &injected.after) {
            self.add(what, injected);
        }
    }

    #[track_caller]
    fn assert_none(self) {
        let lines = self.0.iter().map(|(what, settings)| {
            format!("{what} ({} settings, such as {})", settings.len(), settings[0])
        });
        let lines: Vec<_> = lines.collect();
        let shown = &lines[..lines.len().min(60)];
        assert!(lines.is_empty(), "{} failures\n{}", lines.len(), shown.join("\n"));
    }
}

/// Whether an API server takes a manifest in a namespace that enforces `restricted`.
fn is_restricted(injected: &Injected) -> bool {
    injected.file.starts_with("restricted-") || injected.file == "read-only-root-file-system.yaml"
}

/// What was added that Pod Security refuses at `baseline`, or at `restricted`.
fn refused_additions(before: &Value, after: &Value, is_restricted: bool) -> Vec<String> {
    let (before, after) = (&template(before)["spec"], &template(after)["spec"]);
    let mut refused = Vec::new();
    for key in ["hostPID", "hostIPC", "hostNetwork", "securityContext"] {
        if before[key] != after[key] {
            refused.push(format!("sets {key}"));
        }
    }
    let is_new = |list: &str, element: &Value| !array(&before[list]).contains(element);
    for volume in array(&after["volumes"]).iter().filter(|it| is_new("volumes", it)) {
        if ["emptyDir", "downwardAPI"].iter().all(|kind| volume.get(kind).is_none()) {
            refused.push(format!("adds {volume}"));
        }
    }
    let of_pod = &after["securityContext"];
    let containers = ["containers", "initContainers"].map(|list| array(&after[list]));
    let added = containers.into_iter().flatten();
    // An OpenTelemetry init container carries the context of the first container.
    let is_added = |name: &str| name.starts_with("datakit-") && name != "datakit-otel-lib-init";
    let added = added.filter(|it| it["name"].as_str().is_some_and(is_added));
    for container in added {
        let context = &container["securityContext"];
        let effective = |key: &str| match &context[key] {
            Value::Null => &of_pod[key],
            own => own,
        };
        let is_compliant = context["allowPrivilegeEscalation"] == json!(false)
            && context["capabilities"] == json!({ "drop": ["ALL"] })
            && *effective("runAsNonRoot") == json!(true)
            && effective("runAsUser").as_i64() != Some(0)
            && effective("seccompProfile")["type"].is_string();
        let is_baseline = context["privileged"] != json!(true)
            && context["capabilities"].get("add").is_none()
            && container.get("ports").is_none();
        if !is_baseline || (is_restricted && !is_compliant) {
            refused.push(format!("adds {} with {context}", container["name"]));
        }
    }
    refused
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn accepts_every_manifest_before_injection() {
    let mut kinds = BTreeSet::new();
    for path in files("tests/manifests") {
        let object: Value = serde_norway::from_str(&read(&path)).unwrap();
        let expected: &[&str] = match path.file_name().unwrap().to_str().unwrap() {
            "ephemeral-containers.yaml" => &["spec.ephemeralContainers: must not be set on create"],
            _ => &[],
        };
        assert_eq!(violations(&object), expected, "{}", path.display());
        assert_eq!(schema::errors(&object), [""; 0], "{}", path.display());
        kinds.insert(object["kind"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds.len(), 6, "{kinds:?}");
}

#[test]
fn accepts_all_settings() {
    for settings in &*SETTINGS {
        let faults: Vec<_> = validate(&settings.json.to_string());
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [""; 0], "{}", settings.name);
    }
}

#[test]
fn valid_manifests_stay_valid_with_everything_switched_on() {
    let (mut kinds, mut injections, mut failures) =
        (BTreeSet::new(), BTreeSet::new(), Failures::default());
    for injected in &*INJECTED {
        failures.add_new(violations, injected);
        failures.add_new(warnings, injected);
        kinds.insert(injected.before["kind"].as_str().unwrap());
        let audit = injected.response["audit_annotations"]["injected"].as_str();
        injections.extend(audit.into_iter().flat_map(|audit| audit.split(',')));
    }
    println!("{} manifests with settings checked by the rules", INJECTED.len());
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    let expected = [
        "ddtrace-java",
        "ddtrace-nodejs",
        "ddtrace-php",
        "ddtrace-python",
        "flameshot",
        "logfwd",
        "logging",
        "otel-java",
        "otel-nodejs",
        "otel-python",
        "profiler-golang",
        "profiler-java",
        "profiler-python",
    ];
    assert_eq!(injections.into_iter().collect::<Vec<_>>(), expected);
    failures.assert_none();
}

#[test]
fn objects_stay_as_the_openapi_types_describe_them() {
    let mut failures = Failures::default();
    for injected in &*INJECTED {
        failures.add_new(schema::errors, injected);
    }
    println!("{} objects checked by their OpenAPI types", INJECTED.len());
    failures.assert_none();
}

#[test]
fn manifests_stay_as_they_are_at_a_second_run() {
    let mut failures = Failures::default();
    for injected in &*INJECTED {
        assert_eq!(injected.response["accepted"], true, "{}", injected.name());
        if (injected.before == injected.after) != UNTOUCHED.contains(&&*injected.file) {
            let what =
                if injected.before == injected.after { "is left alone" } else { "is touched" };
            failures.add(what.to_owned(), injected);
        }
        let request = request("CREATE", &injected.after, None);
        let again = Host::shared().validate(&request, &injected.settings.json.to_string());
        if !again.patch.is_empty() {
            failures.add("changes at a second run".to_owned(), injected);
        }
    }
    failures.assert_none();
}

#[test]
fn mirror_pods_stay_untouched_without_a_warning() {
    let mut count = 0;
    for injected in INJECTED.iter().filter(|injected| injected.file == "mirror-pod.yaml") {
        assert_eq!(injected.response, json!({ "accepted": true }), "{}", injected.name());
        count += 1;
    }
    assert_eq!(count, SETTINGS.len());
}

#[test]
fn restricted_pods_stay_restricted() {
    let (mut count, mut files, mut failures) = (0, BTreeSet::new(), Failures::default());
    let respected = INJECTED.iter().filter(|it| it.settings.respect_pod_security());
    for injected in respected.filter(|injected| is_restricted(injected)) {
        for refused in refused_additions(&injected.before, &injected.after, true) {
            failures.add(refused, injected);
        }
        // The pod still gets tracing and logs.
        let added: BTreeSet<_> = injected.added_names().collect();
        let is_traced =
            added.contains("datakit-lib-init") || added.contains("datakit-otel-lib-init");
        if !is_traced || !added.contains("datakit-logfwd") {
            failures.add(format!("gets only {added:?}"), injected);
        }
        if injected.settings.profilers && !injected.warns_of("policy.pod_security") {
            failures.add("goes without profilers and a warning".to_owned(), injected);
        }
        if PROFILERS.iter().any(|name| added.contains(name)) {
            failures.add("gets a profiler".to_owned(), injected);
        }
        files.insert(&injected.file);
        count += 1;
    }
    println!("{count} injections into {} restricted manifests", files.len());
    assert_eq!(files.len(), 8, "{files:?}");
    failures.assert_none();
}

#[test]
fn nothing_is_added_without_profilers_that_baseline_refuses() {
    let (mut count, mut failures) = (0, Failures::default());
    for injected in INJECTED.iter().filter(|injected| !injected.settings.profilers) {
        for refused in refused_additions(&injected.before, &injected.after, false) {
            failures.add(refused, injected);
        }
        count += 1;
    }
    assert!(count > 400, "{count}");
    failures.assert_none();
}

/// A pod that misses `restricted` by one field gets all that it asks for, as before.
#[test]
fn accepts_profilers_where_a_pod_does_not_meet_restricted() {
    let of_file = |injected: &&Injected| {
        let file = &*injected.file;
        // One that says `runAsNonRoot` and no user starts no profiler, whatever the option is.
        let is_ignored = !injected.settings.respect_pod_security()
            && file.starts_with("restricted-")
            && file != "restricted-by-pod-without-user.yaml";
        is_ignored || file == "baseline-almost-restricted.yaml"
    };
    let mut count = 0;
    for injected in INJECTED.iter().filter(of_file).filter(|i| i.settings.profilers) {
        let added: BTreeSet<_> = injected.added_names().collect();
        assert!(added.contains("datakit-profiler"), "{}: {added:?}", injected.name());
        count += 1;
    }
    assert!(count >= 20, "{count}");
}

/// A container added to a restricted pod runs as the pod's user, else as the first container's, else as
/// 65532. Its context sets what the pod's context cannot set or leaves out, and nothing else.
#[test]
fn containers_added_to_restricted_pods_have_the_context_that_they_need() {
    let (mut count, mut failures) = (0, Failures::default());
    for injected in &*INJECTED {
        if !is_restricted(injected) || !injected.settings.respect_pod_security() {
            continue;
        }
        let spec = &template(&injected.before)["spec"];
        let expected = if injected.settings.option == Some("security_context") {
            own_context()
        } else {
            added_context(spec)
        };
        for container in injected.added() {
            // An OpenTelemetry init container carries the first container's context.
            let is_other = container["name"] == "datakit-otel-lib-init"
                || PROFILERS.iter().any(|name| container["name"] == *name);
            if is_other {
                continue;
            }
            if container["securityContext"] != expected {
                let (name, context) = (&container["name"], &container["securityContext"]);
                failures.add(format!("{name} has {context}, not {expected}"), injected);
            }
            count += 1;
        }
    }
    println!("{count} containers added to restricted pods");
    failures.assert_none();
}

fn added_context(spec: &Value) -> Value {
    let mut context =
        json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let pod = &spec["securityContext"];
    if pod["runAsNonRoot"] != true {
        context["runAsNonRoot"] = json!(true);
    }
    if pod["seccompProfile"].is_null() {
        context["seccompProfile"] = json!({ "type": "RuntimeDefault" });
    }
    if pod["runAsUser"].is_null() {
        let user = &spec["containers"][0]["securityContext"]["runAsUser"];
        context["runAsUser"] = if user.is_null() { json!(65532) } else { user.clone() };
    }
    context
}

/// Under `runAsNonRoot` the kubelet starts a container only if it knows a user that is not root.
#[test]
fn containers_added_to_restricted_pods_stay_off_root() {
    let mut failures = Failures::default();
    for injected in INJECTED.iter().filter(|injected| injected.settings.respect_pod_security()) {
        if !is_restricted(injected) {
            continue;
        }
        let pod = &template(&injected.after)["spec"]["securityContext"]["runAsUser"];
        for container in injected.added() {
            let own = &container["securityContext"]["runAsUser"];
            let user = if own.is_null() { pod } else { own };
            if user.as_u64().is_none_or(|user| user == 0) {
                failures.add(format!("{} runs as {user}", container["name"]), injected);
            }
        }
    }
    failures.assert_none();
}

#[test]
fn containers_added_beside_resources_of_the_pod_have_none() {
    let (mut count, mut failures) = (0, Failures::default());
    for injected in &*INJECTED {
        if template(&injected.before)["spec"].get("resources").is_none() {
            continue;
        }
        for container in injected.added() {
            if let Some(resources) = container.get("resources") {
                failures.add(format!("{} has {resources}", container["name"]), injected);
            }
            count += 1;
        }
        if injected.settings.name.ends_with(", resources") && !injected.warns_of("resources") {
            failures.add("leaves resources out without a warning".to_owned(), injected);
        }
    }
    println!("{count} containers added beside resources of the pod");
    assert!(count >= 100, "{count}");
    failures.assert_none();
}

#[test]
fn ignored_and_ephemeral_containers_stay_as_they_were() {
    let (mut count, mut failures) = (0, Failures::default());
    for injected in &*INJECTED {
        let after = containers(&template(&injected.after)["spec"]);
        for (place, path, container) in containers(&template(&injected.before)["spec"]) {
            let is_ignored = IGNORED.iter().any(|name| container["name"] == *name);
            if !is_ignored && place != Place::Ephemeral {
                continue;
            }
            if !after.contains(&(place, path.clone(), container)) {
                failures.add(format!("{path} is changed"), injected);
            }
            count += 1;
        }
    }
    println!("{count} containers that nothing is injected into");
    assert_eq!(count, 4 * SETTINGS.len());
    failures.assert_none();
}

/// The first container that counts is the first one that is not ignored.
#[test]
fn resources_of_ignored_containers_stay_out_of_variables() {
    let mut count = 0;
    for injected in INJECTED.iter().filter(|i| i.file == "mesh-containers-first.yaml") {
        for (_, path, container) in containers(&template(&injected.after)["spec"]) {
            for variable in list(container, "env") {
                let field = &variable["valueFrom"]["resourceFieldRef"];
                if !field.is_null() {
                    let name = injected.name();
                    assert_eq!(field["containerName"], "app", "{name}: {path}");
                    count += 1;
                }
            }
        }
    }
    assert!(count >= 14, "{count}");
}

#[test]
fn recorded_pods_stay_valid() {
    let (mut count, mut failures) = (0, Vec::new());
    for case in all_recorded() {
        for (kind, _) in KINDS {
            let request = case.request(kind);
            let outcome = Host::shared().validate(&request, case.settings.get());
            let checks: [Check; 3] = [violations, warnings, schema::errors];
            for check in checks {
                let new = new(check, &request["object"], &outcome.object).into_iter();
                failures.extend(new.map(|what| format!("{} as {kind}: {what}", case.id)));
            }
            let has_profiler = names(&outcome.object).any(|name| PROFILERS.contains(&name));
            if !has_profiler {
                let refused = refused_additions(&request["object"], &outcome.object, false);
                failures.extend(refused.iter().map(|it| format!("{} as {kind}: {it}", case.id)));
            }
            count += 1;
        }
    }
    println!("{count} recorded pods checked by the rules");
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}
