//! Trees of files as they are: with templates, links, and what is no manifest.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::{folder, text};

const POD: &str = "kind: Pod\napiVersion: v1\nmetadata:\n  name: NAME\n  annotations:\n    \
                   admission.datakit/java-lib.version: ''\nspec:\n  containers:\n  - name: c\n";

fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    let settings = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/settings.json");
    Command::new(env!("CARGO_BIN_EXE_datakit-inject"))
        .args(arguments)
        .args(["-s", settings])
        .current_dir(folder)
        .output()
        .unwrap()
}

fn tree(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    for path in ["chart/templates", "ignored", "many"] {
        fs::create_dir_all(folder.join(path)).unwrap();
    }
    for (path, content) in [
        (".gitignore", "ignored/\n"),
        ("ignored/a.yaml", "a: ["),
        (".hidden.yaml", "a: ["),
        ("chart/Chart.yaml", "apiVersion: v2\nname: x\n"),
        ("chart/templates/pod.yaml", "kind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n"),
        ("chart/templates/quoted.yaml", "kind: Pod\nmetadata:\n  name: '{{ .Release.Name }}'\n"),
        ("list.yaml", "- a\n"),
        ("notes.txt", "{{"),
        ("pod.json", "{\"kind\": \"Pod\" \"a\": 1}"),
        (
            "stream.yaml",
            &format!("---\n{}---\na: [\n---\napiVersion: v1\nkind: Service\n---", pod("one")),
        ),
        ("twice.yml", "kind: Pod\nkind: Pod\n"),
    ] {
        fs::write(folder.join(path), content).unwrap();
    }
    fs::write(folder.join("latin.yaml"), b"a: 1\nb: \xe9\n").unwrap();
    fs::File::create(folder.join("huge.json")).unwrap().set_len((64 << 20) + 1).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("..", folder.join("many/loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.join("many/broken.yaml")).unwrap();
    }
    folder
}

fn pod(name: &str) -> String {
    POD.replace("NAME", name)
}

#[test]
#[cfg(unix)]
fn lists_what_it_cannot_use_and_does_everything_else() {
    let folder = tree("tree");
    let output = run_in(&folder, &["explain", "-f", "."]);
    assert_eq!(output.status.code(), Some(2));
    let expected = "\
Pod/one (./stream.yaml:2): injected ddtrace-java
Service (./stream.yaml:14): nothing asked for: this kind has no known pod template; policy.extra_workloads can name one
2 objects: 1 injected, 1 nothing asked for
";
    assert_eq!(text(&output.stdout), expected);
    let template = "a Helm template; render it first: helm template ./chart | datakit-inject \
                    COMMAND -f - -s SETTINGS";
    let expected = format!(
        "\
./many/broken.yaml: cannot read: No such file or directory (os error 2)
./chart/Chart.yaml:1: not a manifest: no `kind`
./chart/templates/pod.yaml:3: {template}
./chart/templates/quoted.yaml:3: {template}
./huge.json: cannot read: larger than 64 MiB
./latin.yaml:2: not UTF-8
./list.yaml:1: not a manifest: not an object
./pod.json:1: not JSON: expected `,` or `}}` at line 1 column 16
./stream.yaml:12: document 2: not YAML: unclosed bracket '['
./twice.yml:2: duplicate key `kind`
error: 10 errors in 10 files; everything else was processed
"
    );
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn prints_the_manifests_of_a_tree_as_one_stream() {
    let folder = folder("stream");
    fs::write(folder.join("a.yaml"), pod("a")).unwrap();
    fs::write(folder.join("b.yaml"), "# b\nkind: Service").unwrap();
    fs::write(folder.join("c.yaml"), "---\nkind: ConfigMap\n---\na: [\n---\nkind: Secret\n")
        .unwrap();
    let output = run_in(&folder, &["inject", "-f", "."]);
    assert_eq!(output.status.code(), Some(2));
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with(&pod("a")), "{stdout}");
    let end = "---\n# b\nkind: Service\n---\nkind: ConfigMap\n---\nkind: Secret\n";
    assert!(stdout.ends_with(end), "{stdout}");
}

#[test]
fn edits_files_in_place() {
    let folder = folder("in-place");
    for (path, content) in [
        ("pod.yaml", pod("a").replace('\n', "\r\n")),
        ("other.yaml", "kind: Service # as it is".to_owned()),
        ("stream.yaml", format!("{}---\na: [\n", pod("b"))),
    ] {
        fs::write(folder.join(path), content).unwrap();
    }
    let output = run_in(&folder, &["inject", "-f", ".", "--in-place"]);
    assert_eq!(text(&output.stdout), "./pod.yaml\n./stream.yaml\n");
    assert_eq!(output.status.code(), Some(2));
    let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
    assert_eq!(read("other.yaml"), "kind: Service # as it is");
    assert!(read("stream.yaml").ends_with("---\na: [\n"));
    let edited = read("pod.yaml");
    assert!(edited.starts_with(&pod("a").replace('\n', "\r\n")), "{edited}");
    assert!(!edited.replace("\r\n", "").contains('\n'), "{edited}");
    // A second time there is nothing to do.
    let output = run_in(&folder, &["inject", "-f", "pod.yaml", "--in-place"]);
    assert_eq!((text(&output.stdout), output.status.code()), (String::new(), Some(0)));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    let output = run_in(&folder, &["inject", "-f", "-", "--in-place"]);
    assert_eq!(text(&output.stderr), "error: standard input cannot be edited in place\n");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
#[cfg(unix)]
fn keeps_links_and_permissions() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = folder("links");
    fs::write(folder.join("pod.yaml"), pod("a")).unwrap();
    fs::set_permissions(folder.join("pod.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("pod.yaml", folder.join("link.yaml")).unwrap();
    let output = run_in(&folder, &["inject", "-f", "link.yaml", "--in-place"]);
    assert_eq!(text(&output.stdout), "link.yaml\n");
    assert!(folder.join("link.yaml").is_symlink());
    let metadata = fs::metadata(folder.join("pod.yaml")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(folder.join("pod.yaml")).unwrap().contains("datakit-lib-init"));
}

#[test]
fn keeps_the_order_of_many_files() {
    let folder = folder("many-files");
    for number in 0..300 {
        fs::write(folder.join(format!("{number:03}.yaml")), pod(&format!("p{number}"))).unwrap();
    }
    let output = run_in(&folder, &["explain", "-f", "."]);
    let expected: String =
        (0..300).map(|n| format!("Pod/p{n} (./{n:03}.yaml:1): injected ddtrace-java\n")).collect();
    assert_eq!(text(&output.stdout), expected + "300 objects: 300 injected\n");
    // Progress is for terminals.
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn takes_the_namespace_of_objects_that_name_none() {
    let folder = folder("namespace");
    let settings = r#"{"admission_inject_v2":{"ddtraces":[{"language":"java","image":"hub/x:1",
        "namespace_selectors":["^shop$"]}]}}"#;
    fs::write(folder.join("settings.json"), settings).unwrap();
    let own = pod("b").replace("  name: b\n", "  name: b\n  namespace: other\n");
    fs::write(folder.join("pods.yaml"), format!("{}---\n{own}", pod("a"))).unwrap();
    let explain = |namespace: &[&str]| {
        let arguments =
            [&["explain", "-f", "pods.yaml", "-s", "settings.json"], namespace].concat();
        let output = Command::new(env!("CARGO_BIN_EXE_datakit-inject"))
            .args(arguments)
            .current_dir(&folder)
            .output();
        text(&output.unwrap().stdout)
    };
    let expected = "\
Pod/a (pods.yaml:1): nothing asked for; namespace `default` (assumed; use -n) does not match
Pod/b (pods.yaml:11): nothing asked for
2 objects: 2 nothing asked for
";
    assert_eq!(explain(&[]), expected);
    assert!(!explain(&["-n", "default"]).contains("assumed"));
    assert!(explain(&["-n", "shop"]).ends_with("2 objects: 1 injected, 1 nothing asked for\n"));
}
