//! Trees of files as they are: with templates, links, and what is no manifest.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::{folder, text};

const POD: &str = "kind: Pod\napiVersion: v1\nmetadata:\n  name: NAME\n  annotations:\n    \
                   admission.datakit/java-lib.version: ''\nspec:\n  containers:\n  - name: c\n    image: i\n";

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
        (
            "chart/templates/pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n",
        ),
        (
            "chart/templates/quoted.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: '{{ .Release.Name }}'\n",
        ),
        ("list.yaml", "- a\n"),
        ("values.yaml", "replicas: 1\n"),
        ("notes.txt", "{{"),
        ("pod.json", "{\"kind\": \"Pod\" \"a\": 1}"),
        (
            "stream.yaml",
            &format!("---\n{}---\na: [\n---\napiVersion: v1\nkind: Service\n---", pod("one")),
        ),
        ("twice.yml", "apiVersion: v1\nkind: Pod\nkind: Pod\n"),
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
fn notes_what_it_cannot_read_in_folders_and_does_everything_else() {
    let folder = tree("tree");
    let output = run_in(&folder, &["explain", "-f", "."]);
    assert_eq!(output.status.code(), Some(0));
    let expected = "\
Pod/one (./stream.yaml:2): injected ddtrace-java
2 objects: 1 injected, 1 without a pod template
";
    assert_eq!(text(&output.stdout), expected);
    let template = "a Helm template; render it first: `helm template ./chart | datakit-inject \
                    COMMAND - -s SETTINGS`";
    let unread = format!(
        "\
./many/broken.yaml: cannot read: no such file or directory
./chart/templates/pod.yaml:4: {template}
./chart/templates/quoted.yaml:4: {template}
./huge.json: cannot read: larger than 64 MiB
./latin.yaml:2: not UTF-8
./stream.yaml:13: not YAML: unclosed bracket '['
./twice.yml:3: duplicate key `kind`
"
    );
    let notes: String = unread.lines().map(|line| format!("note: {line}\n")).collect();
    assert_eq!(text(&output.stderr), notes);
    // What is neither a manifest nor meant to be one: Chart.yaml, list.yaml, pod.json, values.yaml.
    let output = run_in(&folder, &["explain", "-v", "."]);
    let stderr = text(&output.stderr);
    assert!(
        stderr.ends_with("note: 4 documents without `apiVersion` and `kind` passed over\n"),
        "{stderr}"
    );
    assert!(
        text(&output.stdout).contains("Service (./stream.yaml:15): nothing asked for: this kind")
    );
    let output = run_in(&folder, &["explain", "--strict", "."]);
    assert_eq!(output.status.code(), Some(2));
    let summary = "error: 6 of 10 files could not be read completely; the rest was processed\n";
    assert_eq!(text(&output.stderr), format!("{unread}{summary}"));
}

/// What was named has to be a manifest.
#[test]
fn refuses_what_was_named_and_is_no_manifest() {
    let folder = tree("named");
    for (file, reason) in [
        ("values.yaml", "values.yaml:1: not a manifest: no `kind`\n"),
        ("list.yaml", "list.yaml:1: not a manifest: not an object\n"),
        ("pod.json", "pod.json:1: not JSON: expected `,` or `}` at line 1 column 16\n"),
        ("missing.yaml", "missing.yaml: cannot read: no such file or directory\n"),
    ] {
        let output = run_in(&folder, &["inject", file]);
        assert_eq!((text(&output.stderr), output.status.code()), (reason.to_owned(), Some(2)));
    }
    for items in ["x", "{a: 1}", "[x]"] {
        std::fs::write(folder.join("items.yaml"), format!("kind: List\nitems: {items}\n")).unwrap();
        let output = run_in(&folder, &["inject", "items.yaml"]);
        let expected = "items.yaml:1: not a manifest: `items` is not a list of objects\n";
        assert_eq!((text(&output.stderr), output.status.code()), (expected.to_owned(), Some(2)));
    }
    let output = run_in(&folder, &["inject", "values.yaml", "stream.yaml", "list.yaml"]);
    let stderr = text(&output.stderr);
    assert!(
        stderr.ends_with(
            "error: 3 of 3 files could not be read completely; the rest was processed\n"
        ),
        "{stderr}"
    );
    assert!(text(&output.stdout).contains("datakit-lib-init"));
    let output = run_in(&folder, &["inject"]);
    let expected = "error: name a file, a folder, or `-` for standard input\n";
    assert_eq!((text(&output.stderr), output.status.code()), (expected.to_owned(), Some(2)));
}

#[test]
fn prints_the_manifests_of_a_tree_as_one_stream() {
    let folder = folder("stream");
    fs::write(folder.join("a.yaml"), pod("a")).unwrap();
    fs::write(folder.join("b.yaml"), "# b\nkind: Service\napiVersion: v1").unwrap();
    let rest =
        "---\napiVersion: v1\nkind: ConfigMap\n---\na: [\n---\napiVersion: v1\nkind: Secret\n";
    fs::write(folder.join("c.yaml"), rest).unwrap();
    fs::write(folder.join("values.yaml"), "replicas: 1\n").unwrap();
    let output = run_in(&folder, &["inject", "."]);
    assert_eq!(output.status.code(), Some(0));
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with(&pod("a")), "{stdout}");
    let end = "---\n# b\nkind: Service\napiVersion: v1\n---\napiVersion: v1\nkind: ConfigMap\n---\n\
               apiVersion: v1\nkind: Secret\n";
    assert!(stdout.ends_with(end), "{stdout}");
}

/// A file whose owner did not name it is not changed, wherever a link leads.
#[test]
#[cfg(unix)]
fn stays_in_the_folders_that_it_was_given() {
    let folder = folder("leads-out");
    fs::create_dir_all(folder.join("inside")).unwrap();
    fs::write(folder.join("outside.yaml"), pod("a")).unwrap();
    std::os::unix::fs::symlink("../outside.yaml", folder.join("inside/link.yaml")).unwrap();
    let output = run_in(&folder, &["inject", "inside", "--in-place"]);
    let expected =
        "note: inside/link.yaml: a link to a file outside of the folder; left as it is\n";
    assert_eq!((text(&output.stderr), text(&output.stdout)), (expected.to_owned(), String::new()));
    assert_eq!(fs::read_to_string(folder.join("outside.yaml")).unwrap(), pod("a"));
    // Reading it does no harm.
    assert!(
        text(&run_in(&folder, &["explain", "inside"]).stdout)
            .starts_with("Pod/a (inside/link.yaml:1): injected")
    );
}

const BASE: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart}
spec:
  template:
    metadata:
      annotations: {admission.datakit/java-lib.version: ''}
    spec:
      containers:
      - {name: cart, image: hub/cart:1}
";

#[test]
fn leaves_patches_alone() {
    let folder = folder("kustomize");
    fs::create_dir_all(folder.join("overlay")).unwrap();
    let partial = BASE.replace("image: hub/cart:1", "resources: {}");
    let json_patch = "- op: remove\n  path: /spec\n";
    for (path, content) in [
        ("base.yaml", BASE),
        ("partial.yaml", &partial),
        ("overlay/whole.yaml", BASE),
        ("overlay/ops.yaml", json_patch),
        (
            "overlay/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base.yaml]\n\
             patches: [{path: whole.yaml}]\npatchesStrategicMerge: [gone.yaml, \"kind: X\"]\n\
             patchesJson6902: [{path: ops.yaml}]\n",
        ),
    ] {
        fs::write(folder.join(path), content).unwrap();
    }
    let output = run_in(&folder, &["inject", ".", "--in-place"]);
    assert_eq!((text(&output.stdout), output.status.code()), ("./base.yaml\n".to_owned(), Some(0)));
    let expected = "\
note: ./overlay/whole.yaml:1: Deployment/cart: a patch of a kustomization is left alone
note: ./partial.yaml:1: Deployment/cart: a partial manifest is left alone: container `cart` has no image
";
    assert_eq!(text(&output.stderr), expected);
    assert_eq!(fs::read_to_string(folder.join("partial.yaml")).unwrap(), partial);
    let explained = text(&run_in(&folder, &["explain", "partial.yaml"]).stdout);
    let expected = "Deployment/cart (partial.yaml:1): nothing asked for: a partial manifest is left \
                    alone: container `cart` has no image\n1 object: 1 nothing asked for\n";
    assert_eq!(explained, expected);
    // One that asks for nothing is nobody's concern.
    fs::write(
        folder.join("partial.yaml"),
        partial.replace("admission.datakit/java-lib.version", "x"),
    )
    .unwrap();
    assert_eq!(text(&run_in(&folder, &["inject", "partial.yaml"]).stderr), "");
}

#[test]
fn names_the_successor_of_old_versions_and_hides_what_has_no_template() {
    let folder = folder("old");
    let old = BASE.replace("apps/v1", "extensions/v1beta1");
    let unknown = BASE.replace("apps/v1", "example.com/v1").replace("Deployment", "Thing");
    let others = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    fs::write(folder.join("all.yaml"), [&*old, &unknown, others].join("---\n")).unwrap();
    let expected = "\
Deployment/cart (all.yaml:1): nothing asked for: Kubernetes no longer serves extensions/v1beta1; use apps/v1
Thing/cart (all.yaml:12): nothing asked for: this kind has no known pod template; policy.extra_workloads can name one
3 objects: 1 without a pod template, 2 nothing asked for
";
    assert_eq!(text(&run_in(&folder, &["explain", "all.yaml"]).stdout), expected);
}

/// Five injections that are skipped for one reason are one line.
#[test]
fn says_one_reason_once() {
    let folder = folder("one-reason");
    let windows = BASE.replace("    spec:\n", "    spec:\n      os: {name: windows}\n").replace(
        "java-lib.version: ''",
        "java-lib.version: '', admission.datakit/java-profiler.version: ''",
    );
    fs::write(folder.join("a.yaml"), format!("# first\n{windows}")).unwrap();
    let output = run_in(&folder, &["inject", "a.yaml"]);
    let stderr = text(&output.stderr);
    let expected = "warning: a.yaml:2: ddtrace-java, profiler-java are not injected into Deployment/cart: the pod runs on Windows; ";
    assert!(stderr.starts_with(expected) && stderr.lines().count() == 1, "{stderr}");
    let explained = text(&run_in(&folder, &["explain", "a.yaml"]).stdout);
    let expected = "Deployment/cart (a.yaml:2): skipped ddtrace-java, profiler-java: the pod runs on Windows\n";
    assert!(explained.starts_with(expected), "{explained}");
}

#[test]
fn edits_files_in_place() {
    let folder = folder("in-place");
    for (path, content) in [
        ("pod.yaml", pod("a").replace('\n', "\r\n")),
        ("other.yaml", "apiVersion: v1\nkind: Service # as it is".to_owned()),
        ("stream.yaml", format!("{}---\na: [\n", pod("b"))),
    ] {
        fs::write(folder.join(path), content).unwrap();
    }
    let output = run_in(&folder, &["inject", "-f", ".", "--in-place"]);
    assert_eq!(text(&output.stdout), "./pod.yaml\n./stream.yaml\n");
    assert_eq!(output.status.code(), Some(0));
    let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
    assert_eq!(read("other.yaml"), "apiVersion: v1\nkind: Service # as it is");
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

/// A text is searched for what a manifest has once, not for each of its documents.
#[test]
fn passes_over_long_streams_that_are_no_manifests() {
    let folder = folder("long");
    fs::create_dir(folder.join("found")).unwrap();
    fs::write(folder.join("found/a.yaml"), "a: [\n---\n".repeat(10_000)).unwrap();
    let seconds = |path| {
        let start = std::time::Instant::now();
        run_in(&folder, &["inject", path]);
        start.elapsed().as_secs_f64()
    };
    let (named, found) = (seconds("found/a.yaml"), seconds("found"));
    assert!(found < named * 4.0 + 2.0, "{found} s in a folder, {named} s by name");
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
Pod/b (pods.yaml:12): nothing asked for
2 objects: 2 nothing asked for
";
    assert_eq!(explain(&[]), expected);
    assert!(!explain(&["-n", "default"]).contains("assumed"));
    assert!(explain(&["-n", "shop"]).ends_with("2 objects: 1 injected, 1 nothing asked for\n"));
}

/// A kustomization may be above what is named, up to the top of the repository.
#[test]
fn leaves_patches_of_kustomizations_above_alone() {
    let folder = folder("kustomize-above");
    fs::create_dir_all(folder.join("repository/.git")).unwrap();
    fs::create_dir_all(folder.join("repository/app/patches/deep")).unwrap();
    let kustomization = |patches: &str| format!("kind: Kustomization\npatches: [{patches}]\n");
    let named = "{path: patches/whole.yaml}, {path: ./patches/deep/whole.yaml}";
    for (path, content) in [
        // Outside of the repository, so it is somebody else's.
        ("kustomization.yaml", &*kustomization("{path: repository/app/patches/other.yaml}")),
        ("repository/app/kustomization.yml", &kustomization(named)),
        ("repository/app/patches/whole.yaml", BASE),
        ("repository/app/patches/deep/whole.yaml", BASE),
        ("repository/app/patches/other.yaml", BASE),
    ] {
        fs::write(folder.join(path), content).unwrap();
    }
    let app = folder.join("repository/app");
    let patches = app.join("patches");
    for (place, argument, shown) in [
        (&app, "patches/whole.yaml", "patches/whole.yaml"),
        (&patches, "whole.yaml", "whole.yaml"),
        (&patches, "deep", "deep/whole.yaml"),
        (&patches.join("deep"), ".", "./whole.yaml"),
    ] {
        let output = run_in(place, &["inject", argument]);
        let note =
            format!("note: {shown}:1: Deployment/cart: a patch of a kustomization is left alone\n");
        assert_eq!((text(&output.stdout), text(&output.stderr)), (BASE.to_owned(), note));
        assert_eq!(output.status.code(), Some(0));
    }
    let output = run_in(&patches, &["inject", ".", "--in-place"]);
    assert_eq!(text(&output.stdout), "./other.yaml\n", "{}", text(&output.stderr));
}
