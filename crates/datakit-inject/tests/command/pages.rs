//! The command on the pages: each line parses, and prints what the page says.
//!
//! A page is followed in a folder of its own, which has `examples/`, `deploy/`, the policy for Pods as `policy.yaml`,
//! the blocks of README and of the page that start with `# FILE.yaml`, and the files of `pages/NAME/`. `kubectl`
//! answers as the cluster that the page speaks of. Lines with other programs are passed over; `…` stands for any text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::{Answer, Kubectl, recorded};
use crate::{ROOT, folder, read, run, text};

/// What a line may consist of, to be run.
const PROGRAMS: [&str; 5] = ["datakit-inject", "cp", "diff", "grep", "tee"];

/// The pages in Markdown that name the command.
fn pages() -> Vec<String> {
    let mut paths = vec!["README.md".to_owned(), "README.zh-CN.md".to_owned()];
    for folder in ["docs", "docs/zh-CN"] {
        let names = fs::read_dir(format!("{ROOT}/{folder}")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let pages = names.filter(|name| name.ends_with(".md"));
        paths.extend(pages.map(|name| format!("{folder}/{name}")));
    }
    paths.sort();
    paths
}

/// A line of a page, and what it prints.
struct Line {
    place: String,
    command: String,
    output: Vec<String>,
}

/// Fenced blocks: language, first line, and lines without the indentation of the fence.
fn blocks(page: &str) -> Vec<(String, usize, Vec<String>)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, usize, Vec<String>)> = None;
    for (number, line) in page.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (open.take(), fence) {
            (None, Some(language)) => {
                let indentation = line.len() - line.trim_start().len();
                open = Some((language.to_owned(), number + 2, indentation, Vec::new()));
            }
            (Some((language, first, _, lines)), Some(_)) => blocks.push((language, first, lines)),
            (Some((language, first, indentation, mut lines)), None) => {
                lines.push(line.get(indentation..).unwrap_or_default().to_owned());
                open = Some((language, first, indentation, lines));
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Whether a command goes on in the next line.
fn goes_on(command: &str) -> bool {
    let quotes = command.replace("\\'", "").matches('\'').count();
    command.ends_with('\\')
        || quotes % 2 == 1
        || command.contains("<<'END'") && !command.ends_with("\nEND")
}

fn lines(path: &str, page: &str) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    for (_, first, lines) in blocks(page).into_iter().filter(|block| block.0 == "console") {
        let mut is_open = false;
        for (index, line) in lines.iter().enumerate() {
            if is_open {
                let last = found.last_mut().unwrap();
                last.command = format!("{}\n{line}", last.command);
            } else if let Some(command) = line.strip_prefix("$ ") {
                let place = format!("{path}:{}", first + index);
                found.push(Line { place, command: command.to_owned(), output: Vec::new() });
            } else {
                found.last_mut().unwrap().output.push(line.clone());
                continue;
            }
            is_open = goes_on(&found.last().unwrap().command);
        }
    }
    found
}

/// The simple commands of a line of shell, each as its words.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words) = (Vec::new(), Vec::new());
    let mut word: Option<String> = None;
    let mut is_target = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                for inner in letters.by_ref().take_while(|inner| *inner != letter) {
                    word.push(inner);
                }
            }
            '\\' => {
                let next = letters.next();
                word.get_or_insert_default().extend(next.filter(|next| *next != '\n'));
            }
            ' ' | '\n' | '|' | '&' | ';' | '>' | '#' => {
                if letter == '#' && word.is_some() {
                    word.get_or_insert_default().push('#');
                    continue;
                }
                let ended = word.take().filter(|word| !word.is_empty());
                words.extend(ended.filter(|_| !std::mem::take(&mut is_target)));
                match letter {
                    '>' => is_target = true,
                    '#' => break,
                    ' ' | '\n' => {}
                    _ => commands.push(std::mem::take(&mut words)),
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word.filter(|word| !word.is_empty() && !is_target));
    commands.push(words);
    commands.retain(|words| !words.is_empty());
    commands
}

#[test]
fn commands_are_split_as_a_shell_does() {
    for (line, expected) in [
        ("datakit-inject version", vec![vec!["datakit-inject", "version"]]),
        (
            "a -x 'b c' > d && e | f \"g h\"  # i",
            vec![vec!["a", "-x", "b c"], vec!["e"], vec!["f", "g h"]],
        ),
        ("a \\\n  b#c", vec![vec!["a", "b#c"]]),
    ] {
        assert_eq!(commands(line), expected, "{line}");
    }
}

/// The commands that a page names: in blocks, and in prose and tables.
fn named(path: &str, page: &str) -> Vec<(String, Vec<String>)> {
    let blocks = lines(path, page).into_iter().map(|line| (line.place, line.command));
    let steps = page.lines().enumerate().filter_map(|(index, line)| {
        let command = line.strip_prefix("- run: ")?;
        Some((format!("{path}:{}", index + 1), command.to_owned()))
    });
    let mut is_code = false;
    let prose: Vec<&str> = page
        .lines()
        .filter(|line| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            !is_code && !is_fence
        })
        .collect();
    let prose = prose.join("\n").replace("\\|", "|");
    let spans = prose.split('`').skip(1).step_by(2).map(|span| (path.to_owned(), span.to_owned()));
    let all: Vec<(String, String)> = blocks.chain(steps).chain(spans).collect();
    let split = all.iter().flat_map(|(place, line)| {
        commands(line).into_iter().map(move |words| (place.clone(), words))
    });
    split.filter(|(_, words)| words[0] == "datakit-inject" && words.len() > 1).collect()
}

/// `--help` behind a command line: what comes before it has to parse.
#[test]
fn each_command_on_a_page_parses() {
    let mut count = 0;
    for path in pages() {
        for (place, words) in named(&path, &read(&path)) {
            if words[1] == "COMMAND" {
                continue;
            }
            let words: Vec<&str> =
                words[1..].iter().map(String::as_str).chain(["--help"]).collect();
            let output = run(&words, "");
            assert_eq!(
                output.status.code(),
                Some(0),
                "{place}: {words:?}: {}",
                text(&output.stderr)
            );
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// A Pod of a Deployment of `shop`, injected if it should be.
fn pod(deployment: &str, number: usize, tag: Option<&str>, annotation: &str) -> Value {
    let (set, pod) = (format!("{deployment}-5d4f8"), format!("{deployment}-5d4f8-{number}"));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": pod, "namespace": "shop",
            "labels": { "pod-template-hash": "5d4f8" },
            "annotations": { "admission.datakit/java-lib.version": "", annotation: "false" },
            "ownerReferences": [{ "kind": "ReplicaSet", "name": set, "controller": true }],
        },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
        "status": { "phase": "Running" },
    });
    let Some(tag) = tag else { return pod };
    let injected = run(&["inject", "-", "-s", "examples/settings.json"], &pod.to_string());
    let injected = text(&injected.stdout).replace("v1.30.1-guance", tag);
    serde_json::from_str(&injected).unwrap()
}

/// The Pods of the cluster that a page speaks of; none if it is the recorded one.
fn pods(name: &str) -> Vec<Value> {
    let current = Some("v1.30.1-guance");
    match name {
        "quickstart.md" => vec![pod("web", 1, current, "x")],
        "migrating.md" => vec![
            pod("api", 1, Some("v1.20.0"), "x"),
            pod("api", 2, Some("v1.20.0"), "x"),
            pod("old", 1, None, "admission.datakit/enabled"),
            pod("web", 1, None, "x"),
            pod("web", 2, current, "x"),
            pod("web", 3, current, "x"),
            pod("web", 4, current, "x"),
        ],
        _ => Vec::new(),
    }
}

/// The cluster of a page: the recorded one, of which some pages see other Pods under the policy of `deploy/`.
fn cluster(name: &str) -> Vec<Answer> {
    let pods = pods(name);
    let mut answers = recorded();
    let mut policy: Value = serde_norway::from_str(&read("deploy/base/pods.yaml")).unwrap();
    policy["spec"]["mode"] = json!("protect");
    let config = json!({ "kind": "ConfigMap", "apiVersion": "v1", "data": { "datakit-operator.json": read("examples/settings.json") } });
    let ports = [9529, 8125].map(|port| json!({ "port": port }));
    for answer in &mut answers {
        let stdout = match &*answer.arguments {
            start if start.starts_with("get configmaps") => config.clone(),
            _ if pods.is_empty() => continue,
            start if start.starts_with("get clusteradmission") => json!({ "items": [policy] }),
            start if start.contains(",pods ") => json!({ "items": pods }),
            _ => continue,
        };
        answer.stdout = stdout.to_string();
    }
    let of_shop = answers.iter().filter(|it| it.arguments.contains("--namespace shop")).cloned();
    let everywhere = of_shop.map(|answer| Answer {
        arguments: answer.arguments.replace("--namespace shop", "--all-namespaces"),
        ..answer
    });
    let services = Answer {
        arguments: "get services datakit-service --namespace datakit --output json".to_owned(),
        exit: 0,
        stdout: json!({ "spec": { "ports": ports } }).to_string(),
        stderr: String::new(),
    };
    answers.iter().cloned().chain(everywhere).chain([services]).collect()
}

/// A folder to follow a page in.
fn surroundings(path: &str, page: &str) -> PathBuf {
    let folder = folder(&format!("page-{}", path.replace('/', "-")));
    let name = Path::new(path).file_stem().unwrap().to_str().unwrap();
    for of in ["examples", "deploy"] {
        copy(&Path::new(ROOT).join(of), &folder.join(of));
    }
    fs::copy(format!("{ROOT}/deploy/base/pods.yaml"), folder.join("policy.yaml")).unwrap();
    for (_, _, lines) in blocks(&read("README.md")).into_iter().chain(blocks(page)) {
        let file = lines.first().and_then(|first| first.strip_prefix("# ")).unwrap_or_default();
        if file.ends_with(".yaml") && !file.contains(' ') {
            fs::write(folder.join(file), lines.join("\n") + "\n").unwrap();
        }
    }
    let own = format!("{ROOT}/crates/datakit-inject/tests/command/pages/{name}");
    if Path::new(&own).exists() {
        copy(Path::new(&own), &folder);
    }
    folder
}

/// Whether a text is what a page says, in which `…` stands for any text.
fn is(said: &str, text: &str) -> bool {
    let mut parts = said.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last.is_some_and(|part| part.is_empty() || text.ends_with(part))
}

/// What is printed, compared with what the page says: line by line, where a line of `…` alone is any number.
fn agrees(said: &[String], printed: &[&str]) -> bool {
    match said.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "…" => {
            (0..=printed.len()).any(|passed| agrees(rest, &printed[passed..]))
        }
        Some((first, rest)) => printed.split_first().is_some_and(|(line, printed)| {
            is(first.trim_end(), line.trim_end()) && agrees(rest, printed)
        }),
    }
}

#[test]
fn a_page_that_says_something_else_is_found() {
    let said = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    for (page, printed, expected) in [
        (&["a …b", "…"][..], &["a xb", "c", "d"][..], true),
        (&["a …b", "d"], &["a xb", "c", "d"], false),
        (&["…", "d"], &["c", "d"], true),
        (&["a"], &["ab"], false),
        (&["…:v1"], &["x:v1"], true),
        (&["…:v1"], &["x:v2"], false),
        (&["a"], &["a", "b"], false),
    ] {
        assert_eq!(agrees(&said(page), printed), expected, "{page:?}");
    }
}

/// Follows a page; returns how many outputs were compared.
fn follow(path: &str) -> usize {
    let page = read(path);
    let name = Path::new(path).file_name().unwrap().to_str().unwrap();
    let (folder, mut count) = (surroundings(path, &page), 0);
    let kubectl = Kubectl::new(&format!("kubectl-{}", path.replace('/', "-")), &cluster(name));
    let command = Path::new(env!("CARGO_BIN_EXE_datakit-inject")).parent().unwrap();
    let system = std::env::var("PATH").unwrap();
    let programs = format!("{}:{}:{system}", kubectl.folder.display(), command.display());
    for line in lines(path, &page) {
        let commands = commands(&line.command);
        let used: BTreeSet<&str> = commands.iter().map(|words| &*words[0]).collect();
        if !used.contains("datakit-inject") && !used.contains("cp")
            || used.iter().any(|it| !PROGRAMS.contains(it))
        {
            continue;
        }
        let output = Command::new("sh")
            .args(["-c", &format!("{{ {}\n}} 2>&1", line.command)])
            .current_dir(&folder)
            .env("PATH", &programs)
            .output()
            .unwrap();
        if line.output.is_empty() {
            continue;
        }
        let printed = text(&output.stdout);
        let said = line.output.join("\n");
        let lines: Vec<&str> = printed.trim_end().lines().collect();
        assert!(
            agrees(&line.output, &lines),
            "{}: {}\nthe page says:\n{said}\nit prints:\n{printed}",
            line.place,
            line.command
        );
        count += 1;
    }
    count
}

/// How many outputs the pages have that are compared, so that none is passed over without a word.
const COMPARED: [&str; 11] = [
    "README.md: 1",
    "README.zh-CN.md: 1",
    "docs/command.md: 9",
    "docs/conditions.md: 1",
    "docs/migrating.md: 4",
    "docs/quickstart.md: 1",
    "docs/troubleshooting.md: 1",
    "docs/zh-CN/command.md: 9",
    "docs/zh-CN/migrating.md: 4",
    "docs/zh-CN/quickstart.md: 1",
    "docs/zh-CN/troubleshooting.md: 1",
];

#[test]
fn each_command_prints_what_its_page_says() {
    let counts = pages().into_iter().map(|path| (follow(&path), path));
    let counts = counts.filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, path)| format!("{path}: {count}")).collect();
    assert_eq!(counts, COMPARED);
}
