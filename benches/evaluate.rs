//! What an evaluation costs, as ratios against baselines of the same run: `make bench`.
//!
//! Every call is a fresh instance in the embedded host, as the engine does it. The baselines are
//! two small guests: one answers a constant, which is the host's own cost; one parses the payload
//! with the SDK and echoes the object.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use datakit_injection::policy;
use serde_json::{Value, json};

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/support/host.rs"]
mod host;

use host::Host;
use testing::requests::{payload, request, sorted};

/// How long each group of calls is measured.
const TIME: Duration = Duration::from_secs(2);

fn main() {
    let module = |name: &str| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = match name {
            "policy" => root.join("policy.wasm"),
            guest => root
                .join("target/wasm32-unknown-unknown/release/examples")
                .join(format!("{guest}.wasm")),
        };
        std::fs::read(&path)
            .unwrap_or_else(|_| panic!("{} is missing; run `make bench`", path.display()))
    };
    let policy = Host::of(&module("policy"));
    let constant = Host::of(&module("constant"));
    let echo = Host::of(&module("echo"));
    let size = module("policy").len();

    let settings = default_settings();
    let plain = payload(&request("CREATE", &nginx(false), None), &settings);
    let java = payload(&request("CREATE", &nginx(true), None), &settings);
    let everything = payload(&request("CREATE", &everything(), None), &settings);
    let large = payload(&request("CREATE", &large(500 << 10, 50), None), &settings);

    let call = |host: &Host, payload: &str| {
        black_box(host.call("validate", payload.as_bytes()).unwrap().len());
    };
    let native = |payload: &str| {
        black_box(policy::evaluate(payload.as_bytes()).into_response().len());
    };

    let mut out = String::from("\n| case | µs | baseline µs | ratio | goal |\n");
    out.push_str("| --- | --- | --- | --- | --- |\n");
    for (name, payload, guest, goal) in [
        ("no request at all, against the constant guest", "x", &constant, "–"),
        ("nothing asked for, against the constant guest", &plain, &constant, "1.15"),
        ("Java annotation, against the echo guest", &java, &echo, "1.0"),
        ("everything at once, against the echo guest", &everything, &echo, "1.4"),
        ("500 KiB, 50 containers, Java, against the echo guest", &large, &echo, "0.6"),
    ] {
        let [ours, theirs] = medians([&|| call(&policy, payload), &|| call(guest, payload)]);
        let ratio = ours / theirs;
        writeln!(out, "| {name} | {ours:.0} | {theirs:.0} | {ratio:.2} | {goal} |").unwrap();
    }
    let [ours, floor, native_time] =
        medians([&|| call(&policy, &everything), &|| call(&constant, &everything), &|| {
            native(&everything)
        }]);
    let (net, name) = (ours - floor, "everything, module less host's cost, against native");
    let ratio = net / native_time;
    writeln!(out, "| {name} | {net:.0} | {native_time:.0} | {ratio:.2} | 3 |").unwrap();
    // An update that changes nothing of the template, with and without a record.
    let update = |object: &Value| {
        let mut scaled = object.clone();
        scaled["spec"]["replicas"] = json!(7);
        payload(&request("UPDATE", &scaled, Some(object)), &settings)
    };
    let bare = nginx(true);
    let injected = policy::evaluate(payload(&request("CREATE", &bare, None), &settings).as_bytes());
    let injected: Value = serde_json::from_str(injected.mutated_object().unwrap()).unwrap();
    let mut unrecorded = injected.clone();
    let metadata = unrecorded["spec"]["template"]["metadata"].as_object_mut().unwrap();
    metadata["annotations"].as_object_mut().unwrap().remove("admission.datakit/injected").unwrap();
    let (recorded, unrecorded) = (update(&injected), update(&unrecorded));
    let [ours, theirs] = medians([&|| call(&policy, &recorded), &|| call(&policy, &unrecorded)]);
    let (name, ratio) = ("UPDATE with a record, against one without", ours / theirs);
    writeln!(out, "| {name} | {ours:.0} | {theirs:.0} | {ratio:.2} | 1.1 |").unwrap();
    let [ours, native_time] = medians([&|| call(&policy, &large), &|| native(&large)]);
    let (name, ratio) = ("500 KiB, module against native", ours / native_time);
    writeln!(out, "| {name} | {ours:.0} | {native_time:.0} | {ratio:.2} | 3 |").unwrap();
    writeln!(out, "\nmodule as shipped: {size} bytes; goal 650000").unwrap();

    out.push_str("\n| object | µs | ns per byte |\n| --- | --- | --- |\n");
    for kib in [1_u32, 4, 16, 64, 256, 1024, 3072] {
        let object = self::large(usize::try_from(kib << 10).unwrap(), 10);
        let payload = payload(&request("CREATE", &object, None), &settings);
        let [time] = medians([&|| call(&policy, &payload)]);
        let per_byte = time * 1e3 / f64::from(kib << 10);
        writeln!(out, "| {kib} KiB | {time:.0} | {per_byte:.1} |").unwrap();
    }
    out.push_str("\n| a list that a stranger can make long | µs at n | µs at 2n | ratio |\n");
    out.push_str("| --- | --- | --- | --- |\n");
    for (name, count, object) in long_lists() {
        let of = |count: usize| payload(&request("CREATE", &object(count), None), &settings);
        let (one, two) = (of(count), of(2 * count));
        let [first, second] = medians([&|| call(&policy, &one), &|| call(&policy, &two)]);
        let ratio = second / first;
        writeln!(out, "| {count} {name} | {first:.0} | {second:.0} | {ratio:.2} |").unwrap();
    }
    out.push_str("\n| rules that do not match | µs | µs per rule |\n| --- | --- | --- |\n");
    for count in [1, 10, 50, 100, 200] {
        let payload = payload(&request("CREATE", &nginx(false), None), &rules(count));
        let [time] = medians([&|| call(&policy, &payload)]);
        let per_rule = time / f64::from(count);
        writeln!(out, "| {count} | {time:.0} | {per_rule:.2} |").unwrap();
    }
    println!("{out}");
}

/// The median times of calls in microseconds.
///
/// The calls take turns, so that whatever else the machine does falls on all of them alike: that is
/// what makes their ratios worth something.
fn medians<const N: usize>(calls: [&dyn Fn(); N]) -> [f64; N] {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    let start = Instant::now();
    while start.elapsed() < TIME || times[0].len() < 30 {
        for (call, times) in calls.iter().zip(&mut times) {
            let start = Instant::now();
            call();
            times.push(start.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    })
}

type Make = Box<dyn Fn(usize) -> Value>;

/// Objects with a list of a length.
fn long_lists() -> Vec<(&'static str, usize, Make)> {
    fn asked(change: impl Fn(&mut Value, usize) + 'static) -> Make {
        Box::new(move |count| {
            let mut object = nginx(true);
            change(&mut object, count);
            object
        })
    }
    fn list(count: usize, element: impl Fn(usize) -> Value) -> Value {
        (0..count).map(element).collect()
    }
    fn annotate(object: &mut Value, key: &str, value: String) {
        object["spec"]["template"]["metadata"]["annotations"][key] = json!(value);
    }
    vec![
        (
            "names of containers",
            10_000,
            asked(|object, count| {
                let names: Vec<String> = (0..count).map(|n| format!("c{n}")).collect();
                annotate(object, "admission.datakit/container-names", names.join(","));
            }),
        ),
        (
            "containers",
            1_000,
            asked(|object, count| {
                let containers =
                    list(count, |n| json!({ "name": format!("c{n}"), "image": "a:1" }));
                object["spec"]["template"]["spec"]["containers"] = containers;
            }),
        ),
        (
            "variables",
            5_000,
            asked(|object, count| {
                let env = list(count, |n| json!({ "name": format!("V{n}"), "value": "x" }));
                object["spec"]["template"]["spec"]["containers"][0]["env"] = env;
            }),
        ),
        (
            "volumes",
            5_000,
            asked(|object, count| {
                let volumes = list(count, |n| json!({ "name": format!("v{n}"), "emptyDir": {} }));
                object["spec"]["template"]["spec"]["volumes"] = volumes;
            }),
        ),
        (
            "mounts",
            5_000,
            asked(|object, count| {
                let mounts = list(count, |n| json!({ "name": "v", "mountPath": format!("/m{n}") }));
                object["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = mounts;
                object["spec"]["template"]["spec"]["volumes"] =
                    json!([{ "name": "v", "emptyDir": {} }]);
            }),
        ),
        (
            "directories of logs",
            5_000,
            asked(|object, count| {
                let files: Vec<String> = (0..count).map(|n| format!("/d{n}/*")).collect();
                let instances = json!([{ "loggings": [{ "logfiles": files }] }]).to_string();
                annotate(object, "admission.datakit/logfwd.instances", instances);
            }),
        ),
        (
            "labels",
            5_000,
            asked(|object, count| {
                for n in 0..count {
                    object["spec"]["template"]["metadata"]["labels"][format!("l{n}")] = json!("x");
                }
            }),
        ),
        (
            "annotations",
            5_000,
            asked(|object, count| {
                (0..count).for_each(|n| {
                    annotate(object, &format!("admission.datakit/x{n}"), String::new())
                });
            }),
        ),
        (
            "owners",
            5_000,
            asked(|object, count| {
                object["metadata"]["ownerReferences"] = list(
                    count,
                    |n| json!({ "apiVersion": "v1", "kind": "X", "name": format!("o{n}") }),
                );
            }),
        ),
        (
            "claims",
            5_000,
            asked(|object, count| {
                object["spec"]["volumeClaimTemplates"] =
                    list(count, |n| json!({ "metadata": { "name": format!("c{n}") } }));
            }),
        ),
    ]
}

fn default_settings() -> String {
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
