//! What `zizmor` does not check in workflows: failures in pipes count, the tree stays clean, pinned actions name
//! their version, and `cargo binstall` downloads the archives that are packed.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::documents::read;

const RELEASE: &str = ".github/workflows/reusable-release.yml";

fn yaml(text: &str) -> Value {
    serde_norway::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn steps(job: &Value) -> impl Iterator<Item = &Value> {
    job["steps"].as_array().into_iter().flatten()
}

fn is_outside(path: &str) -> bool {
    ["$RUNNER_TEMP/", "${{ runner.temp }}/", "$GITHUB_ENV", "$GITHUB_OUTPUT", "/dev/", "&"]
        .iter()
        .any(|start| path.starts_with(start))
}

/// Options of the tools that workflows call, before the path that they write.
const WRITING: [&str; 7] =
    ["-o", "-czf", "--output", "--output-file", "--bundle", "--pack-destination", "tee"];

/// The paths that a script writes to while it is in the checkout.
fn written(script: &str) -> Vec<String> {
    let script = script.replace("\\\n", " ");
    let mut paths = Vec::new();
    for line in script.lines().map(str::trim) {
        if line.starts_with("cd \"$RUNNER_TEMP") {
            break;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [command, .., last] = words[..]
            && ["cp", "mv"].contains(&command)
        {
            paths.push(last);
        }
        for (index, word) in words.iter().enumerate() {
            let next = words.get(index + 1).copied();
            let redirected = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '&');
            if let Some(path) = redirected.strip_prefix('>') {
                let path = path.trim_start_matches('>');
                paths.extend(if path.is_empty() { next } else { Some(path) });
            } else if let Some((option, path)) = word.split_once('=')
                && WRITING.contains(&option)
            {
                paths.push(path);
            } else if *word == "-o" && words[..index].iter().any(|word| word.ends_with("grep")) {
                // It prints what matched.
            } else if WRITING.contains(word) {
                // syft has the format before the path.
                paths.extend(next.map(|path| path.split_once('=').map_or(path, |(_, path)| path)));
            }
        }
    }
    let bare = paths.into_iter().map(|path| path.trim_matches(['"', '\'', ';', ')']).to_owned());
    bare.collect()
}

/// What is wrong with a workflow.
fn errors(text: &str) -> Vec<String> {
    let workflow = yaml(text);
    let mut errors = Vec::new();
    for line in text.lines().filter(|line| line.contains("uses: ") && line.contains('@')) {
        if !line.contains(" # v") {
            errors.push(format!("has no version comment: {}", line.trim()));
        }
    }
    for job in workflow["jobs"].as_object().unwrap().values() {
        for step in steps(job) {
            let shell = [step, &job["defaults"]["run"], &workflow["defaults"]["run"]];
            let shell = shell.iter().find_map(|level| level["shell"].as_str());
            let script = step["run"].as_str().unwrap_or("");
            if script.replace("||", "").contains('|') && shell != Some("bash") {
                errors.push(format!("ignores a failure in a pipe (no bash): {}", script.trim()));
            }
            let folder = step["working-directory"].as_str().unwrap_or("");
            let mut paths = if is_outside(folder) { Vec::new() } else { written(script) };
            let inputs = &step["with"];
            paths.extend(inputs["output-file"].as_str().map(str::to_owned));
            if step["uses"].as_str().is_some_and(|action| action.contains("/download-artifact@")) {
                paths.push(inputs["path"].as_str().unwrap_or(".").to_owned());
            }
            paths.retain(|path| !is_outside(path));
            errors.extend(paths.iter().map(|path| format!("writes into the checkout: {path}")));
        }
    }
    errors
}

#[test]
fn workflows_have_no_errors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths: Vec<PathBuf> = entries.collect();
    assert!(paths.len() >= 3, "{paths:?}");
    for path in paths {
        assert_eq!(errors(&read(&path)), [""; 0], "{}", path.display());
    }
}

#[test]
fn errors_in_a_workflow_are_found() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for (step, expected) in [
        (format!("uses: a/b@{commit} # v1"), ""),
        (
            format!("uses: a/b@{commit}"),
            "has no version comment: - uses: a/b@0123456789abcdef0123456789abcdef01234567",
        ),
        ("run: make publish || true".into(), ""),
        (
            "run: make publish | tee /dev/stderr".into(),
            "ignores a failure in a pipe (no bash): make publish | tee /dev/stderr",
        ),
        ("{ shell: bash, run: make publish | tee /dev/stderr }".into(), ""),
        (
            "{ shell: bash, run: make publish | tee push.log }".into(),
            "writes into the checkout: push.log",
        ),
        ("run: make publish > push.log".into(), "writes into the checkout: push.log"),
        ("run: make publish 2>>push.log".into(), "writes into the checkout: push.log"),
        ("run: make publish > \"$RUNNER_TEMP/push.log\" 2>&1".into(), ""),
        (
            "run: cosign sign-blob --bundle policy.bundle policy.wasm".into(),
            "writes into the checkout: policy.bundle",
        ),
        (
            "run: syft scan --output spdx-json=policy.json dir:.".into(),
            "writes into the checkout: policy.json",
        ),
        ("run: grep -o sha256 log > digest".into(), "writes into the checkout: digest"),
        ("run: curl -o kwctl.zip https://x".into(), "writes into the checkout: kwctl.zip"),
        ("run: cp a.wasm policy.wasm".into(), "writes into the checkout: policy.wasm"),
        ("{ working-directory: \"${{ runner.temp }}/a\", run: cp a b }".into(), ""),
        (
            format!("{{ uses: a/sbom@{commit}, with: {{ output-file: sbom.json }} }} # v1"),
            "writes into the checkout: sbom.json",
        ),
        (
            format!("{{ uses: actions/download-artifact@{commit} }} # v1"),
            "writes into the checkout: .",
        ),
    ] {
        let text = format!("jobs:\n  release:\n    steps:\n      - {step}\n");
        assert_eq!(errors(&text).join("\n"), expected, "{step}");
    }
}

#[test]
fn a_dry_run_skips_only_what_needs_permissions() {
    let callers = yaml(&read(".github/workflows/release.yml"));
    for (job, publish) in [("release", true), ("dry-run", false)] {
        let job = &callers["jobs"][job];
        assert_eq!(job["uses"], format!("$/{RELEASE}"));
        assert_eq!(job["with"]["publish"], publish);
    }
    assert_eq!(callers["jobs"]["dry-run"]["permissions"].to_string(), r#"{"contents":"read"}"#);
    assert_eq!(callers["jobs"]["dry-run"]["if"], "github.event_name == 'pull_request'");
    let release = yaml(&read(RELEASE));
    let steps: Vec<&Value> =
        release["jobs"].as_object().unwrap().values().flat_map(steps).collect();
    let mut skipped = 0;
    for step in &steps {
        let text = step.to_string();
        let needs_permissions =
            ["cosign sign", "actions/attest@", "docker login", "gh release", "gh auth"]
                .map(|c| text.contains(c));
        assert_eq!(step["if"] == "inputs.publish", needs_permissions.contains(&true), "{text}");
        skipped += usize::from(step["if"] == "inputs.publish");
    }
    assert_eq!(skipped, 6);
    let pushes: Vec<&&Value> = steps.iter().filter(|step| step["name"] == "Push").collect();
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0]["if"], Value::Null);
}

#[test]
fn the_site_is_published_after_a_release_by_a_job_that_builds_nothing() {
    const SITE: &str = ".github/workflows/site.yml";
    let call = &yaml(&read(".github/workflows/release.yml"))["jobs"]["site"];
    assert_eq!(call["uses"], format!("$/{SITE}"));
    assert_eq!(call["needs"], "release");
    assert_eq!(call["if"], "github.event_name == 'push'");
    let jobs = &yaml(&read(SITE))["jobs"];
    assert_eq!(jobs["build"]["permissions"], json!({ "contents": "read" }));
    assert_eq!(jobs["publish"]["permissions"], json!({ "pages": "write", "id-token": "write" }));
    assert!(steps(&jobs["publish"]).all(|step| step["run"] == Value::Null));
    assert!(steps(&jobs["build"]).any(|step| step["run"] == "make site"));
}

/// For each target: the URL of the archive that the workflow packs, the binary in it, its format.
fn packed(workflow: &Value) -> Vec<[String; 3]> {
    let command = &workflow["jobs"]["command"];
    let scripts: Vec<&str> = steps(command).filter_map(|step| step["run"].as_str()).collect();
    let scripts = scripts.join("\n");
    let name = scripts.split("NAME=").nth(1).unwrap().split('"').next().unwrap();
    let targets = command["strategy"]["matrix"]["include"].as_array().unwrap().iter();
    targets
        .map(|entry| {
            let (target, archive) =
                (entry["target"].as_str().unwrap(), entry["archive"].as_str().unwrap());
            let name = name.replace("$version", env!("CARGO_PKG_VERSION"));
            let name = name.replace("$TARGET", target);
            assert!(scripts.contains(&format!("\"release/$NAME.{archive}\" \"$NAME\"")));
            let (format, extension) = if archive == "zip" { ("zip", ".exe") } else { ("tgz", "") };
            let url = format!(
                "{}/releases/download/v{}/{name}.{archive}",
                env!("CARGO_PKG_REPOSITORY"),
                env!("CARGO_PKG_VERSION"),
            );
            [url, format!("{name}/datakit-inject{extension}"), format.to_owned()]
        })
        .collect()
}

/// What `cargo binstall` downloads according to a manifest, for the targets of a workflow.
fn downloaded(manifest: &str, workflow: &Value) -> Vec<[String; 3]> {
    let value = |table: &str, key: &str| {
        let table = manifest.split(&format!("\n[package.metadata.binstall{table}]\n")).nth(1)?;
        let mut lines = table.lines().take_while(|line| !line.starts_with('['));
        let value = lines.find_map(|line| line.strip_prefix(&format!("{key} = \"")))?;
        Some(value.trim_end_matches('"').to_owned())
    };
    let targets =
        workflow["jobs"]["command"]["strategy"]["matrix"]["include"].as_array().unwrap().iter();
    targets
        .map(|entry| entry["target"].as_str().unwrap())
        .map(|target| {
            ["pkg-url", "bin-dir", "pkg-fmt"].map(|key| {
                let template = value(&format!(".overrides.{target}"), key)
                    .or_else(|| value("", key))
                    .unwrap_or_else(|| panic!("{key} is missing"));
                template
                    .replace("{ repo }", env!("CARGO_PKG_REPOSITORY"))
                    .replace("{ version }", env!("CARGO_PKG_VERSION"))
                    .replace("{ target }", target)
                    .replace("{ bin }", "datakit-inject")
                    .replace("{ binary-ext }", if target.contains("windows") { ".exe" } else { "" })
            })
        })
        .collect()
}

#[test]
fn cargo_binstall_downloads_what_is_packed() {
    let (manifest, workflow) = (read("crates/datakit-inject/Cargo.toml"), yaml(&read(RELEASE)));
    let packed = packed(&workflow);
    assert_eq!(downloaded(&manifest, &workflow), packed);
    assert_eq!(packed.len(), 5);
    for (from, to) in [
        ("v{ version }-{ target }.zip", "{ version }-{ target }.zip"),
        ("{ target }.tar.gz", "{ target }.tgz"),
        ("bin-dir = \"datakit-inject-", "bin-dir = \"datakit-"),
        ("pkg-fmt = \"zip\"", "pkg-fmt = \"tgz\""),
    ] {
        let other = manifest.replace(from, to);
        assert_ne!(other, manifest, "{from}");
        assert_ne!(downloaded(&other, &workflow), packed, "{from}");
    }
}
