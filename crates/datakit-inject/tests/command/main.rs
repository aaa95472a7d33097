//! The command, run as people run it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

#[cfg(unix)]
mod cluster;
mod convert;
mod coverage;
mod edits;
mod functions;
#[path = "../../../yaml-splice/tests/support/written.rs"]
mod generated;
#[cfg(unix)]
mod pages;
mod properties;
mod settings;
mod tree;
mod uninject;

use testing::cases::{FAULTY, KINDS, all_recorded, normalised, without_record};

/// The top of the repository, in which the command runs.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A file of the repository.
fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap()
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_datakit-inject"))
        .args(arguments)
        .current_dir(ROOT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments ends without reading.
    if let Err(error) = child.stdin.take().unwrap().write_all(input.as_bytes()) {
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A new folder, empty.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn injects_what_the_reference_injects() {
    for case in all_recorded() {
        if FAULTY.contains(&&*case.id) {
            continue;
        }
        let settings = file("recorded-settings.json", case.settings.get());
        let mut objects = Vec::new();
        for (kind, _) in KINDS {
            let mut object = case.request(kind)["object"].clone();
            object["metadata"]["namespace"] = case.namespace.as_str().into();
            objects.push(object.to_string());
        }
        let output = run(&["inject", "-f", "-", "-s", &settings], &objects.join("\n---\n"));
        assert!(output.status.success(), "{}: {}", case.id, text(&output.stderr));
        let stdout = text(&output.stdout);
        let documents: Vec<&str> = stdout.split("---\n").collect();
        assert_eq!(documents.len(), KINDS.len(), "{}: {stdout}", case.id);
        for (document, (kind, _)) in documents.iter().zip(KINDS) {
            let mut object: Value = serde_norway::from_str(document).unwrap();
            without_record(&mut object);
            let mut expected = case.expected(kind);
            expected["metadata"]["namespace"] = case.namespace.as_str().into();
            assert_eq!(normalised(&object), normalised(&expected), "{} as {kind}", case.id);
        }
    }
}

#[test]
fn leaves_the_text_of_other_documents_as_it_is() {
    let other = "# about the service\nkind: Service # inline\nspec:   {b: 1, a: [1.50]}";
    let nginx =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/nginx.yaml"));
    let input = format!("{other}\n---\n{}", nginx.unwrap());
    let output = run(&["inject", "-f", "-", "-s", "examples/settings.json"], &input);
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with(&format!("{other}\n---\napiVersion: apps/v1\n")), "{stdout}");
    assert!(stdout.contains("datakit-lib-init"));
}

#[test]
fn injects_into_the_items_of_a_list() {
    let list = r#"{"kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a",
        "annotations":{"admission.datakit/java-lib.version":"no tag"}},"spec":{"containers":
        [{"name":"c","image":"i"}]}},{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b","annotations":
        {"admission.datakit/java-lib.version":"v2"}},"spec":{"containers":[{"name":"c","image":"i"}]}}]}"#;
    let output = run(&["inject", "-f", "-", "-s", "examples/settings.json"], list);
    assert_eq!(text(&output.stdout).matches("\"name\":\"datakit-lib-init\"").count(), 1);
    let warning = "warning: -:1: ddtrace-java is not injected into Pod/a: annotation \
                   admission.datakit/java-lib.version is not an image tag; use a version such as \
                   v1.2.3, or leave it empty\n";
    assert_eq!(text(&output.stderr), warning);
}

/// Items of a typed list omit their kind, and some their version; both are for the policy alone.
#[test]
fn injects_into_the_items_of_a_typed_list() {
    let spec = r#""metadata":{"name":"a","annotations":{"admission.datakit/java-lib.version":""}},
        "spec":{"containers":[{"name":"c","image":"i"}]}"#;
    let settings = ["-s", "examples/settings.json"];
    for (version, item) in [
        ("v1", format!("{{{spec}}}")),
        ("v1", format!(r#"{{"apiVersion":"v1",{spec}}}"#)),
        (r#"a\"b/v1"#, format!(r#"{{"apiVersion":"v1",{spec}}}"#)),
    ] {
        let list =
            format!(r#"{{"kind":"PodList","apiVersion":"{version}","items":[{{}},{item}]}}"#);
        let output = run(&[&["explain", "-"], &settings[..]].concat(), &list);
        let summary = "\n2 objects: 1 injected, 1 ";
        assert!(text(&output.stdout).contains(summary), "{list}: {}", text(&output.stdout));
        let injected = text(&run(&[&["inject", "-"], &settings[..]].concat(), &list).stdout);
        let injected: Value = serde_json::from_str(&injected).unwrap();
        let keys = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let before: Value = serde_json::from_str(&item).unwrap();
        assert_eq!(injected["items"][0], serde_json::json!({}));
        assert_eq!(keys(&injected["items"][1]), keys(&before));
        let output = run(&[&["coverage"], &settings[..]].concat(), &list);
        assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
        assert!(text(&output.stdout).contains("Pod/a"), "{list}: {}", text(&output.stdout));
    }
}

#[test]
fn says_by_its_exit_code_whether_something_differs() {
    let diff =
        |file: &str| run(&["diff", "-f", file, "-s", "examples/settings.json", "--exit-code"], "");
    let output = diff("examples/nginx.yaml");
    assert_eq!(output.status.code(), Some(1));
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with("--- examples/nginx.yaml\n+++ examples/nginx.yaml (injected)\n@@ "));
    assert!(stdout.contains("\n+        - name: JAVA_TOOL_OPTIONS\n"));
    let injected =
        run(&["inject", "-f", "examples/nginx.yaml", "-s", "examples/settings.json"], "");
    let output = diff(&file("injected.yaml", &text(&injected.stdout)));
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()));
}

#[test]
fn explains_for_people_and_for_machines() {
    let arguments = ["explain", "-f", "examples/logging.yaml", "-s", "examples/settings.json"];
    let line =
        "Deployment/logging-deployment (examples/logging.yaml:1): injected logfwd, logging\n";
    let summary = "1 object: 1 injected\n";
    assert_eq!(text(&run(&arguments, "").stdout), format!("{line}{summary}"));
    let rules = "  \
  ddtrace, admission_inject.ddtrace: annotation admission.datakit/java-lib.version is not set
  ddtrace, admission_inject.ddtrace: annotation admission.datakit/python-lib.version is not set
  ddtrace, admission_inject.ddtrace: annotation admission.datakit/nodejs-lib.version is not set
  logfwd, admission_inject.logfwd: annotation admission.datakit/logfwd.instances is set
  profiler, admission_inject.profiler: annotation admission.datakit/java-profiler.version is not set
  profiler, admission_inject.profiler: annotation admission.datakit/python-profiler.version is not set
  profiler, admission_inject.profiler: annotation admission.datakit/golang-profiler.version is not set
  logging, admission_mutate.loggings[0]: matches
  injected logfwd, by admission_inject.logfwd
  injected logging, by admission_mutate.loggings[0]
";
    let output = run(&[&arguments[..], &["--verbose"]].concat(), "");
    let release = "examples/settings.json: read as release 1.5: the configuration has no \
                   admission_inject_v2\n";
    assert_eq!(text(&output.stdout), format!("{release}{line}{rules}{summary}"));
    let output = run(&[&arguments[..], &["-o", "json"]].concat(), "");
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explained[0]["file"], "examples/logging.yaml");
    assert_eq!(explained[0]["objects"][0]["injected"][1]["injection"], "logging");
}

#[test]
fn completes_in_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&["completions", shell], "");
        assert!(text(&output.stdout).contains("check-settings"), "{shell}");
    }
}

#[test]
fn has_manual_pages() {
    let page = text(&run(&["man"], "").stdout);
    assert!(page.contains(".TH datakit-inject 1 ") && page.contains("Exit codes:"), "{page}");
    let page = text(&run(&["man", "coverage"], "").stdout);
    assert!(page.contains("\\-\\-fail\\-on") && page.contains("kubectl get"), "{page}");
    let output = run(&["man", "cover"], "");
    assert_eq!(output.status.code(), Some(2));
    let folder = folder("man");
    let output = run(&["man", "--directory", folder.to_str().unwrap()], "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(folder.join("datakit-inject-coverage.1").is_file());
}

#[test]
fn explains_annotations_that_nobody_reads_and_what_is_removed() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    \
               admission.datakit/java-lib-version: v1\nspec:\n  containers: [{name: c, image: i}]\n";
    let explain = ["explain", "-f", "-", "-s", "examples/settings.json", "-n", "default"];
    let output = run(&explain, pod);
    let expected = "Pod/a (-:1): nothing asked for; annotation admission.datakit/java-lib-version \
                    is unknown; did you mean admission.datakit/java-lib.version?\n\
                    1 object: 1 nothing asked for\n";
    assert_eq!(text(&output.stdout), expected);
    let injected =
        run(&["inject", "-f", "examples/nginx.yaml", "-s", "examples/settings.json"], "");
    let asked = "admission.datakit/java-lib.version:";
    let opted_out = text(&injected.stdout).replace(asked, "admission.datakit/enabled: 'false' #");
    let output = run(&explain, &opted_out);
    let stdout = text(&output.stdout);
    assert!(stdout.ends_with(": removed ddtrace-java\n1 object: 1 removed\n"), "{stdout}");
}

/// Whatever `inject` warns of, `explain` says too.
#[test]
fn explains_what_inject_warns_of() {
    let settings = file(
        "warned.json",
        r#"{"admission_inject":{"ddtrace":{"images":{"java_agent_image":"h/j:1"}},
        "logfwd":{"images":{"logfwd_image":"h/l:1"}}},"policy":{"allow_version_annotations":false}}"#,
    );
    let object = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {admission.datakit/enabled: "true"}}
spec:
  template:
    metadata:
      annotations:
        admission.datakit/java-lib.version: v7
        admission.datakit/python-lib.version: ""
        admission.datakit/logfwd.instances: '[{"loggings":[{"logfiles":["/etc/x.log"]}]}]'
        admission.datakit/java-lib-version: "1"
        admission.datakit/container-names: app,nope
        admission.datakit/status: 7
    spec:
      containers: [{name: app, image: a, envFrom: [{configMapRef: {name: x}}]}]
"#;
    let parts = [
        "injected ddtrace-java, logfwd",
        "skipped ddtrace-python: ddtrace-java takes precedence",
        "annotation admission.datakit/enabled does nothing here; move it to the pod template",
        "annotation admission.datakit/java-lib-version is unknown; did you mean \
         admission.datakit/java-lib.version?",
        "annotation admission.datakit/status is not a string; quote it",
        "ddtrace-java: the version in annotation admission.datakit/java-lib.version is not used: \
         policy.allow_version_annotations is `false`; leave it empty",
        "ddtrace-java: unknown names in annotation admission.datakit/container-names: 1",
        "ddtrace-java: JAVA_TOOL_OPTIONS overrides the value that envFrom may provide in container \
         `app`",
        "logfwd: 1 directory is not shared: an image cannot do without it",
    ];
    let explain = ["explain", "-", "-s", &settings];
    let line = format!("Deployment/web (-:1): {}\n", parts.join("; "));
    assert_eq!(text(&run(&explain, object).stdout), format!("{line}1 object: 1 injected\n"));
    let verbose = text(&run(&[&explain[..], &["-v"]].concat(), object).stdout);
    assert!(verbose.contains(&line), "{verbose}");
    let warned = text(&run(&["inject", "-", "-s", &settings], object).stderr);
    assert_eq!(warned.lines().count(), parts.len() - 1, "{warned}");
    let chinese = text(&run(&[&explain[..], &["--lang", "zh"]].concat(), object).stdout);
    for part in [
        "；ddtrace-java：注解",
        "；logfwd：",
        "中的版本没有使用：policy.allow_version_annotations 为 `false`；请将其留空",
    ] {
        assert!(chinese.contains(part), "{part}: {chinese}");
    }
    // An annotation that is no string, and nothing else.
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop, annotations: \
               {admission.datakit/enabled: true}}\nspec: {containers: [{name: c, image: i}]}\n";
    let expected = "Pod/a (-:1): nothing asked for; annotation admission.datakit/enabled is not a string; \
                    quote it\n1 object: 1 nothing asked for\n";
    assert_eq!(text(&run(&explain, pod).stdout), expected);
}

/// The name of a file is no message, whatever it looks like.
#[test]
fn says_in_chinese_what_is_wrong_with_a_file() {
    let settings = file("a b, the first.yaml", "log_level: 7\n");
    let output = run(&["explain", "--lang", "zh", "-f", "-", "-s", &settings], "");
    let stderr = text(&output.stderr);
    let reason =
        "1 个错误，第一个是：log_level：应为字符串，实际为数字；`check-settings` 会列出全部错误";
    assert!(stderr.ends_with(&format!("{settings}:1: {reason}\n")), "{stderr}");
    let broken = file("broken-in-chinese.yaml", "a: [\n");
    let output = run(&["explain", "--lang", "zh", "-f", "-", "-s", &broken], "");
    assert!(text(&output.stderr).contains("broken-in-chinese.yaml:"), "{}", text(&output.stderr));
}

#[test]
fn explains_in_chinese() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    \
               admission.datakit/java-lib.version: no tag\n    admission.datakit/jav: v1\n    \
               admission.datakit/java-profiler.version: ''\nspec:\n  containers: [{name: c, image: i}]\n";
    let opted_out = "apiVersion: v1\nkind: Pod\nmetadata: {name: b, annotations: \
                     {admission.datakit/enabled: 'false'}}\nspec:\n  containers: [{name: c, image: i}]\n";
    let input = format!(
        "{pod}---\n{opted_out}---\n{{apiVersion: v1, kind: Service, metadata: {{name: c}}}}\n"
    );
    let settings = file(
        "explained-in-chinese.json",
        r#"{"admission_inject":{"ddtrace":{"images":{"java_agent_image":"a/b:1"},
        "enabled_namespaces":[{"namespace":"shop","language":"java"}]},
        "profiler":{"images":{"java_profiler_image":"a/c:1"}}}}"#,
    );
    let explain = ["explain", "-f", "-", "-s", &settings, "--lang", "zh"];
    let expected = "\
Pod/a (-:1)：已注入 profiler-java；已跳过 ddtrace-java：注解 admission.datakit/java-lib.version 的值不是镜像 tag；注解 admission.datakit/jav 未知
Pod/b (-:12)：已排除：admission.datakit/enabled 要求不注入
3 个对象：已注入 1 个、已排除 1 个、没有 Pod 模板 1 个
";
    assert_eq!(text(&run(&explain, &input).stdout), expected);
    let output = run(&[&explain[..], &["--verbose"]].concat(), pod);
    let expected = format!(
        "\
{settings}：按 1.5 版读取：配置中没有 admission_inject_v2
Pod/a (-:1)：已注入 profiler-java；已跳过 ddtrace-java：注解 admission.datakit/java-lib.version 的值不是镜像 tag；注解 admission.datakit/jav 未知
  ddtrace，admission_inject.ddtrace：设置了注解 admission.datakit/java-lib.version
  otel：未考虑，因为 ddtrace 优先
  profiler，admission_inject.profiler：设置了注解 admission.datakit/java-profiler.version
  annotation：注解 admission.datakit/jav 未知
  已注入 profiler-java，依据 admission_inject.profiler
1 个对象：已注入 1 个
"
    );
    assert_eq!(text(&output.stdout), expected);
    // Codes and keys are the same in every language.
    let json = |arguments: &[&str]| -> Value {
        let output = run(&[arguments, &["-o", "json"]].concat(), pod);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (mut chinese, mut english) = (json(&explain), json(&explain[..5]));
    let explained = |json: &mut Value| json[0]["objects"][0].take();
    let (chinese, english) = (explained(&mut chinese), explained(&mut english));
    assert_eq!(chinese["release"], "按 1.5 版读取：配置中没有 admission_inject_v2");
    assert_eq!(
        chinese["warnings"][1],
        "ddtrace-java 未注入到 Pod/a：注解 admission.datakit/java-lib.version 的值不是镜像 tag；\
         请使用 v1.2.3 这样的版本，或者留空"
    );
    for (chinese, english) in
        chinese["steps"].as_array().unwrap().iter().zip(english["steps"].as_array().unwrap())
    {
        for key in ["injection", "rule", "code"] {
            assert_eq!(chinese[key], english[key]);
        }
        assert_ne!(chinese["message"], english["message"]);
    }
    let faulty = file("faulty-in-chinese.json", r#"{"admission_injekt":{}}"#);
    let output = run(&["explain", "-f", "-", "-s", &faulty, "--lang", "zh"], pod);
    let expected = format!(
        "error: {faulty}:1: 1 个错误，第一个是：admission_injekt：未知的键；是否应为 \
         `admission_inject`？；`check-settings` 会列出全部错误\n"
    );
    assert_eq!(text(&output.stderr), expected);
}

/// kubectl finds plugins by their names.
#[test]
fn is_a_plugin_of_kubectl() {
    let plugin = folder("plugin").join("kubectl-datakit_inject");
    std::fs::copy(env!("CARGO_BIN_EXE_datakit-inject"), &plugin).unwrap();
    let output = Command::new(plugin).args(["inject", "--help"]).output().unwrap();
    let help = text(&output.stdout);
    assert!(help.contains("Usage: kubectl datakit-inject inject [OPTIONS]"), "{help}");
}

#[test]
fn has_examples_in_every_help() {
    for command in [
        "inject",
        "uninject",
        "diff",
        "explain",
        "coverage",
        "preflight",
        "check-settings",
        "convert",
        "krm",
        "version",
        "completions",
        "man",
    ] {
        let help = text(&run(&[command, "--help"], "").stdout);
        assert!(help.contains("\nExamples:\n"), "{command}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command}: {help}");
    }
}

#[test]
fn says_what_it_cannot_read() {
    for arguments in [
        &["inject", "-f", "missing.yaml", "-s", "examples/settings.json"][..],
        &["inject", "-f", "examples/nginx.yaml", "-s", "missing.yaml"],
        &["inject", "-f", "examples/nginx.yaml"],
    ] {
        let output = run(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = text(&output.stderr);
        assert!(
            stderr.contains("missing.yaml: cannot read: no such file")
                || stderr.starts_with("error: "),
            "{stderr}"
        );
    }
    let faulty = file("faulty.json", r#"{"admission_injekt":{}}"#);
    let output = run(&["inject", "-f", "examples/nginx.yaml", "-s", &faulty], "");
    assert!(text(&output.stderr).contains("did you mean `admission_inject`?"));
}

/// Whoever reads it a second time would see nothing, and pass.
#[test]
fn reads_standard_input_once() {
    let settings = read("examples/settings.json");
    for arguments in [
        &["inject", "-", "-s", "-"][..],
        &["uninject", "-", "-s", "-"],
        &["diff", "-", "-s", "-"],
        &["explain", "-", "-s", "-"],
        &["coverage", "-", "-s", "-"],
        &["coverage", "-s", "-"],
        &["explain", "-", "-f", "-", "-s", "examples/settings.json"],
        &["coverage", "-", "-", "-s", "examples/settings.json"],
    ] {
        let output = run(arguments, &settings);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let expected = "error: standard input can be read only once; name a file for the rest\n";
        assert_eq!(text(&output.stderr), expected, "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn does_not_mind_a_closed_pipe() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_datakit-inject"))
        .args(["inject", "-f", "tests/manifests", "-s", "examples/settings.json"])
        .current_dir(ROOT)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn speaks_with_one_voice() {
    // `-f` is what positional paths were.
    let settings = ["-s", "examples/settings.json"];
    let named = run(&[&["explain", "examples/nginx.yaml"], &settings[..]].concat(), "");
    let flagged = run(&[&["explain", "-f", "examples/nginx.yaml"], &settings[..]].concat(), "");
    assert_eq!((&named.stdout, named.status.code()), (&flagged.stdout, Some(0)));
    let none = run(&[&["explain"], &settings[..]].concat(), "");
    assert_eq!(text(&none.stderr), "error: name a file, a folder, or `-` for standard input\n");
    // The version, for people and machines.
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(text(&run(&["version"], "").stdout), format!("datakit-inject {version}\n"));
    let json: Value = serde_json::from_slice(&run(&["version", "-o", "json"], "").stdout).unwrap();
    assert_eq!(json, serde_json::json!({ "version": version }));
    // The language is global, also by a variable; an unknown one is English.
    let explain = ["explain", "examples/nginx.yaml", "-s", "examples/settings.json"];
    let summary = |arguments: &[&str], variable: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_datakit-inject"))
            .args(arguments)
            .env("DATAKIT_INJECT_LANG", variable)
            .current_dir(ROOT)
            .output()
            .unwrap();
        text(&output.stdout).lines().last().unwrap_or_default().to_owned()
    };
    let english = "1 object: 1 injected";
    assert_eq!(summary(&explain, "en"), english);
    assert_eq!(summary(&explain, "fr"), english);
    for chinese in ["zh-CN", "zh_CN", "zh_CN.UTF-8", "zh.UTF-8"] {
        assert_eq!(summary(&explain, chinese), "1 个对象：已注入 1 个", "{chinese}");
    }
    assert_eq!(summary(&[&["--lang", "en"], &explain[..]].concat(), "zh"), english);
}

/// The reports that these behaviours come from.
#[test]
fn gives_back_what_is_null_or_folded() {
    let settings = file(
        "null-or-folded.json",
        r#"{"admission_inject_v2":{"ddtraces":[{"namespace_selectors":["^shop$"],"language":"java",
        "image":"registry.example.com/x:1"}]}}"#,
    );
    let text_of = |annotations: &str, env: &str, volumes: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: cart\n  namespace: shop\n  \
             annotations:{annotations}\nspec:\n  template:\n    metadata:\n      annotations:{annotations}\n    \
             spec:\n      containers:\n      - name: cart\n        image: r/cart:1\n        \
             env:{env}\n      volumes:{volumes}\n"
        )
    };
    let folded = "\n        - name: JAVA_TOOL_OPTIONS\n          value: >-\n            -Xmx1g\n            -Dx=y";
    for (annotations, env, volumes) in [
        ("", folded, ""),
        ("   # none yet", "\n          null", " # none"),
        (" {}", " []", " []"),
        ("\n        {}", "\n          []", " null"),
        (" null", " null", "\n        []"),
    ] {
        let before = text_of(annotations, env, volumes);
        let injected = run(&["inject", "-", "-s", &settings], &before);
        assert_eq!(text(&injected.stderr), "", "{before}");
        let injected = text(&injected.stdout);
        assert!(injected.contains("datakit-lib-init"), "{injected}");
        assert_eq!(text(&run(&["uninject", "-"], &injected).stdout), before, "{injected}");
    }
    // What it cannot give back, it names.
    let before = text_of("", " ~", "");
    let output = run(&["inject", "-", "-s", &settings], &before);
    let note = "note: -:15: `uninject` will not restore this line as it is written\n";
    assert_eq!(text(&output.stderr), note);
}
