//! What an evaluation costs, as ratios against baselines of the same run: `make bench`.
//!
//! Every call is a fresh instance in the embedded host, as the engine does it. The baselines are
//! two small guests: one answers a constant, which is the host's own cost; one parses the payload
//! with the SDK and echoes the object.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::Criterion;
use datakit_injection::policy;
use serde_json::{Value, json};

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/support/host.rs"]
mod host;

use host::{Host, payload, request, sorted};

fn main() {
    let module = |name: &str| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = match name {
            "policy" => root.join("policy.wasm"),
            guest => root
                .join("benches/guests/target/wasm32-unknown-unknown/release/examples")
                .join(format!("{guest}.wasm")),
        };
        std::fs::read(&path)
            .unwrap_or_else(|_| panic!("{} is missing; run `make bench`", path.display()))
    };
    let policy = Host::of(&module("policy"));
    let constant = Host::of(&module("constant"));
    let echo = Host::of(&module("echo"));
    let size = module("policy").len();

    let mut bench = Bench {
        criterion: Criterion::default()
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(3))
            .configure_from_args(),
    };
    let settings = seed_settings();
    let plain = payload(&request("CREATE", &nginx(false), None), &settings);
    let java = payload(&request("CREATE", &nginx(true), None), &settings);
    let everything = payload(&request("CREATE", &everything(), None), &settings);
    let large = payload(&request("CREATE", &large(500 << 10, 50), None), &settings);

    let mut rows: Vec<(&str, f64, &str)> = Vec::new();
    for (name, payload, guest, goal) in [
        ("nothing asked for, against the constant guest", &plain, &constant, "1.3"),
        ("Java annotation, against the echo guest", &java, &echo, "1.0"),
        ("everything at once, against the echo guest", &everything, &echo, "1.5"),
        ("500 KiB, 50 containers, Java, against the echo guest", &large, &echo, "0.7"),
    ] {
        let ours = bench.module(&format!("{name}: policy"), &policy, payload);
        let theirs = bench.module(&format!("{name}: baseline"), guest, payload);
        rows.push((name, ours / theirs, goal));
    }
    let ours = bench.module("500 KiB: module", &policy, &large);
    let native = bench.native("500 KiB: native", &large);
    rows.push(("500 KiB, module against native", ours / native, "3"));
    let ours = bench.module("everything: module", &policy, &everything);
    let floor = bench.module("everything: floor", &constant, &everything);
    let native = bench.native("everything: native", &everything);
    let net = (ours - floor) / native;
    rows.push(("everything, module less floor against native", net, "3"));

    let mut out = String::from("\n| case | ratio | goal |\n| --- | --- | --- |\n");
    for (name, ratio, goal) in &rows {
        writeln!(out, "| {name} | {ratio:.2} | {goal} |").unwrap();
    }
    writeln!(out, "| module as shipped | {size} bytes | 400000 |").unwrap();

    out.push_str("\n| object | µs | ns per byte |\n| --- | --- | --- |\n");
    for kib in [1_u32, 4, 16, 64, 256, 1024, 3072] {
        let object = self::large(usize::try_from(kib << 10).unwrap(), 10);
        let payload = payload(&request("CREATE", &object, None), &settings);
        let time = bench.module(&format!("{kib} KiB"), &policy, &payload);
        let per_byte = time / f64::from(kib << 10);
        writeln!(out, "| {kib} KiB | {:.0} | {per_byte:.1} |", time / 1e3).unwrap();
    }
    out.push_str("\n| rules that do not match | µs | µs per rule |\n| --- | --- | --- |\n");
    for count in [1, 10, 50, 100, 200] {
        let payload = payload(&request("CREATE", &nginx(false), None), &rules(count));
        let time = bench.module(&format!("{count} rules"), &policy, &payload);
        let per_rule = time / 1e3 / f64::from(count);
        writeln!(out, "| {count} | {:.0} | {per_rule:.2} |", time / 1e3).unwrap();
    }
    println!("{out}");
}

struct Bench {
    criterion: Criterion,
}

impl Bench {
    /// The median time of a call of a module, in nanoseconds.
    fn module(&mut self, name: &str, host: &Host, payload: &str) -> f64 {
        self.run(name, || host.call("validate", payload.as_bytes()).unwrap().len())
    }

    /// The median time of the same code built natively, in nanoseconds.
    fn native(&mut self, name: &str, payload: &str) -> f64 {
        self.run(name, || policy::evaluate(payload.as_bytes()).to_response().len())
    }

    fn run(&mut self, name: &str, mut call: impl FnMut() -> usize) -> f64 {
        self.criterion.bench_function(name, |bencher| bencher.iter(|| black_box(call())));
        let folder = name.replace('/', "_").replace(':', "_");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/criterion");
        let path = root.join(folder).join("new/estimates.json");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let estimates: Value = serde_json::from_str(&text).unwrap();
        estimates["median"]["point_estimate"].as_f64().unwrap()
    }
}

fn seed_settings() -> String {
    sorted(include_str!("../examples/settings.json"))
}

fn nginx(asks: bool) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "nginx-deployment", "labels": { "app": "nginx" } },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "nginx" } },
            "template": {
                "metadata": { "labels": { "app": "nginx" } },
                "spec": { "containers": [{
                    "name": "nginx", "image": "nginx:1.22", "ports": [{ "containerPort": 80 }],
                }]},
            },
        },
    });
    if asks {
        object["spec"]["template"]["metadata"]["annotations"] =
            json!({ "admission.datakit/java-lib.version": "" });
    }
    object
}

fn everything() -> Value {
    let mut object = nginx(true);
    let template = &mut object["spec"]["template"];
    template["metadata"]["labels"]["app"] = json!("logging");
    template["metadata"]["annotations"] = json!({
        "admission.datakit/java-lib.version": "v1.36.2-guance",
        "admission.datakit/java-profiler.version": "0.4.4",
        "admission.datakit/logfwd.instances": "[{\"datakit_addr\":\"datakit-service.datakit.svc:9533\",\"loggings\":[{\"logfiles\":[\"/var/log/log-test/*.log\"],\"source\":\"deployment-logging\",\"tags\":{\"key01\":\"value01\"}}]}]",
    });
    template["spec"]["containers"] =
        json!([{ "name": "app", "image": "app:1" }, { "name": "side", "image": "side:1" }]);
    object
}

/// A Deployment of that many bytes, spread over containers with arguments and variables.
fn large(bytes: usize, containers: usize) -> Value {
    let mut object = nginx(true);
    let each = (bytes / containers).saturating_sub(40);
    let containers = (0..containers).map(|index| {
        let env = (0..each / 100).map(
            |n| json!({ "name": format!("VARIABLE_{n}"), "value": "some value of a usual length" }),
        );
        let args = (0..each / 200).map(|n| format!("--option-{n}=another usual value"));
        json!({
            "name": format!("container-{index}"), "image": "example/app:1",
            "env": env.collect::<Vec<_>>(), "args": args.collect::<Vec<_>>(),
        })
    });
    object["spec"]["template"]["spec"]["containers"] = containers.collect();
    object
}

fn rules(count: i32) -> String {
    let rule = |index: i32| {
        json!({
            "name": format!("rule-{index}"), "language": "java",
            "namespace_selectors": [format!("^team-{index}$")],
            "label_selectors": [format!("app=service-{index}")],
            "image": "hub.example.com/datakit-operator/dd-lib-java-init:v1",
            "envs": { "DD_AGENT_HOST": "datakit-service.datakit.svc", "POD_NAME":
                      "{fieldRef:metadata.name}", "DD_TAGS": "pod_name:$(POD_NAME)" },
        })
    };
    let rules: Vec<_> = (0..count).map(rule).collect();
    json!({ "admission_inject_v2": { "ddtraces": rules } }).to_string()
}
