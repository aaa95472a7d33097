//! Imports run one way: no file of a crate imports, directly or through others, from itself. Two crates
//! alone depend on YAML.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex_lite::Regex;

/// The path of a module, such as `["rules", "env"]`; empty for the root of a crate.
type Module = Vec<String>;

/// The crates whose imports are read.
const CRATES: [&str; 6] = [
    ".",
    "crates/companion",
    "crates/datakit-inject",
    "crates/messages",
    "crates/settings-tools",
    "crates/yaml-splice",
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

fn module(file: &Path, sources: &Path) -> Module {
    let path = file.strip_prefix(sources).unwrap().with_extension("");
    let names: Module = path.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if matches!(&*names.join("/"), "lib" | "main") { Module::new() } else { names }
}

/// The paths of a use tree, such as `a::b` and `a::c` of `a::{b, c}`.
fn paths(tree: &str) -> Vec<String> {
    let Some((start, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.replace(' ', "")];
    };
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for char in rest.strip_suffix('}').unwrap_or(rest).chars() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match char {
            ',' if depth == 0 => parts.push(String::new()),
            char => parts.last_mut().unwrap().push(char),
        }
    }
    let inner = parts.iter().filter(|part| !part.trim().is_empty());
    inner
        .flat_map(|part| paths(part.trim()))
        .map(|path| format!("{}{path}", start.trim()))
        .collect()
}

/// The module of the crate that a path leads to, seen from a module.
fn target(path: &str, from: &Module, modules: &BTreeSet<Module>) -> Option<Module> {
    let mut names: Vec<&str> = path.split("::").collect();
    let mut base = match names.first()? {
        &"crate" => Module::new(),
        &"self" | &"super" => from.clone(),
        first => {
            let child = [from.clone(), vec![(*first).to_owned()]].concat();
            return modules.contains(&child).then_some(child);
        }
    };
    while names.first() == Some(&"super") {
        base.pop();
        names.remove(0);
    }
    if matches!(names.first(), Some(&("crate" | "self"))) {
        names.remove(0);
    }
    for name in names {
        let inner = [base.clone(), vec![name.to_owned()]].concat();
        if !modules.contains(&inner) {
            break;
        }
        base = inner;
    }
    Some(base)
}

/// The modules that each module of a crate imports from, its tests left out.
fn imports(sources: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut found = Vec::new();
    files(sources, &mut found);
    let modules: BTreeSet<Module> = found.iter().map(|file| module(file, sources)).collect();
    let line = Regex::new(r"(?m)^[ \t]*(?:pub(?:\([a-z]+\))? )?use ([^;]+);").unwrap();
    let of = |file: &PathBuf| {
        let module = module(file, sources);
        let text = std::fs::read_to_string(file).unwrap();
        let (code, _) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&text, ""));
        let trees = line.captures_iter(code).map(|it| it[1].replace('\n', " "));
        let paths = trees.flat_map(|tree| paths(&tree)).collect::<Vec<_>>();
        let targets = paths.iter().filter_map(|path| target(path, &module, &modules));
        (module.clone(), targets.filter(|it| *it != module).collect())
    };
    found.iter().map(of).collect()
}

/// A way from a module back to itself.
fn circle(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<String>> {
    fn visit(
        module: &Module,
        imports: &BTreeMap<Module, BTreeSet<Module>>,
        way: &mut Vec<Module>,
        done: &mut BTreeSet<Module>,
    ) -> bool {
        if way.contains(module) {
            way.push(module.clone());
            return true;
        }
        if done.contains(module) {
            return false;
        }
        way.push(module.clone());
        let mut targets = imports.get(module).into_iter().flatten();
        if targets.any(|target| visit(target, imports, way, done)) {
            return true;
        }
        way.pop();
        done.insert(module.clone());
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    let found = imports.keys().any(|module| visit(module, imports, &mut way, &mut done));
    found.then(|| way.iter().map(|module| module.join("/")).collect())
}

#[test]
fn imports_run_one_way() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in CRATES {
        let sources = top.join(name).join("src");
        if sources.is_dir() {
            assert_eq!(circle(&imports(&sources)), None, "circle in {name}");
        }
    }
}

/// The folders of the crates beside those in `crates/`.
const OTHER_CRATES: [&str; 5] = [".", "benches/guests", "fuzz", "npm/bindgen", "npm/bindings"];

/// What the names of crates that read or write YAML have in them.
const YAML: [&str; 4] = ["granit", "norway", "saphyr", "yaml"];

/// The lines of a manifest that make a crate depend on YAML, but for those of its tests.
fn yaml(manifest: &str) -> Vec<&str> {
    let (mut section, mut found) = ("", Vec::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let is_built_in = section.contains("dependencies")
            && !section.contains("dev-dependencies")
            && !section.contains("workspace");
        let code = line.split('#').next().unwrap_or_default();
        if is_built_in && YAML.iter().any(|name| code.contains(name)) {
            found.push(line);
        }
    }
    found
}

#[test]
fn two_crates_know_yaml() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = std::fs::read_dir(top.join("crates")).unwrap();
    let names = folders.map(|it| format!("crates/{}", it.unwrap().file_name().to_str().unwrap()));
    let names = names.chain(OTHER_CRATES.map(str::to_owned));
    let knows_yaml = |name: &String| {
        let path = top.join(name).join("Cargo.toml");
        let manifest = std::fs::read_to_string(&path);
        !yaml(&manifest.unwrap_or_else(|error| panic!("{}: {error}", path.display()))).is_empty()
    };
    let found: BTreeSet<String> = names.filter(knows_yaml).collect();
    let expected = ["crates/datakit-inject", "crates/yaml-splice"];
    assert_eq!(found, BTreeSet::from(expected.map(str::to_owned)));
}

#[test]
fn finds_yaml_in_manifests() {
    for (manifest, expected) in [
        ("[dependencies]\nserde_yaml_ng = \"0.10\"", 1),
        ("[dependencies.serde_norway]\nversion = \"0.9\"", 1),
        ("[build-dependencies]\ny = { package = \"yaml-rust2\", version = \"1\" }", 1),
        ("[target.'cfg(unix)'.dependencies]\nyaml-splice = { workspace = true }", 1),
        ("[dependencies]\nserde = \"1\" # no yaml\n[dev-dependencies]\nserde_norway = \"1\"", 0),
        ("[package]\nname = \"yaml\"\n[workspace.dependencies]\nserde_norway = \"0.9\"", 0),
    ] {
        assert_eq!(yaml(manifest).len(), expected, "{manifest}");
    }
}

#[test]
fn finds_circles() {
    let of = |edges: &[(&str, &str)]| {
        let mut imports = BTreeMap::<Module, BTreeSet<Module>>::new();
        for (from, to) in edges {
            imports.entry(vec![(*from).to_owned()]).or_default().insert(vec![(*to).to_owned()]);
        }
        circle(&imports).is_some()
    };
    assert!(of(&[("a", "b"), ("b", "c"), ("c", "b")]));
    assert!(!of(&[("a", "b"), ("a", "c"), ("b", "c")]));
    assert_eq!(paths("a::{b, c::{d, self as e}}"), ["a::b", "a::c::d", "a::c::self"]);
    let modules = BTreeSet::from([vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]]);
    let from = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(target("super::C", &from, &modules), Some(vec!["a".to_owned()]));
    assert_eq!(target("crate::a::b::C", &Module::new(), &modules), Some(from.clone()));
    assert_eq!(target("std::fmt", &from, &modules), None);
}
