//! Finds and reads manifests: named files, folders and standard input; finds the files among them that
//! kustomizations use as patches.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use yaml_splice::{Value, parse_stream};

use crate::terminal::{Failure, Problem};

/// The size limit of manifests and settings.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    /// The folder that it was found in; `None` if it was named.
    pub(crate) folder: Option<PathBuf>,
    /// Whether a kustomization uses it as a patch.
    pub(crate) is_patch: bool,
}

impl Input {
    fn named(path: &Path) -> Self {
        Self { path: path.to_owned(), folder: None, is_patch: false }
    }

    /// Whether it is a link to a file outside of its folder.
    pub(crate) fn leads_out(&self) -> bool {
        let Some(folder) = &self.folder else { return false };
        match (folder.canonicalize(), self.path.canonicalize()) {
            (Ok(folder), Ok(path)) => !path.starts_with(folder),
            _ => true,
        }
    }
}

/// The files that arguments name: of a folder, the YAML and JSON files that git does not ignore, sorted.
pub(crate) fn find(paths: &[PathBuf]) -> (Vec<Input>, Vec<Problem>) {
    let (mut inputs, mut problems) = (Vec::new(), Vec::new());
    let mut kustomizations = BTreeSet::new();
    for named in paths {
        if !is_stdin(named) {
            kustomizations.extend(above(named));
        }
        if is_stdin(named) || !named.is_dir() {
            inputs.push(Input::named(named));
            continue;
        }
        let mut walk = WalkBuilder::new(named);
        // The files of a mounted ConfigMap are links.
        walk.follow_links(true).require_git(false).sort_by_file_path(Ord::cmp);
        for entry in walk.build() {
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    let path = entry.into_path();
                    let extension = path.extension().and_then(|extension| extension.to_str());
                    if is_kustomization(&path) {
                        kustomizations.insert(path);
                    } else if matches!(extension, Some("yaml" | "yml" | "json")) {
                        inputs.push(Input { folder: Some(named.clone()), ..Input::named(&path) });
                    }
                }
                Ok(_) => {}
                // A loop of links is not an I/O error, and its target is found anyway.
                Err(error) => {
                    let text = error.to_string();
                    let place = text.split(": ").next().unwrap_or_default();
                    problems.extend(error.io_error().map(|it| Problem::unreadable(place, it)));
                }
            }
        }
    }
    let patches = patches(&kustomizations);
    for input in inputs.iter_mut().filter(|it| !patches.is_empty() && !is_stdin(&it.path)) {
        input.is_patch = input.path.canonicalize().is_ok_and(|path| patches.contains(&path));
    }
    (inputs, problems)
}

const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

fn is_kustomization(file: &Path) -> bool {
    file.file_name().is_some_and(|name| KUSTOMIZATIONS.iter().any(|known| name == *known))
}

/// How far above an input a kustomization is looked for, outside of a repository.
const LEVELS: usize = 8;

/// The kustomizations that can use a path: those above it, up to the top of its repository.
fn above(path: &Path) -> Vec<PathBuf> {
    let Ok(path) = path.canonicalize() else { return Vec::new() };
    let below_top = path.ancestors().take_while(|folder| !folder.join(".git").exists());
    let folders = below_top.filter_map(Path::parent).take(LEVELS);
    let files = folders.flat_map(|folder| KUSTOMIZATIONS.map(|name| folder.join(name)));
    files.filter(|file| file.is_file()).collect()
}

/// The files that kustomizations use as patches. Unreadable kustomizations are skipped.
fn patches(kustomizations: &BTreeSet<PathBuf>) -> HashSet<PathBuf> {
    let mut patches = HashSet::new();
    for file in kustomizations {
        let folder = file.parent().unwrap_or(Path::new("."));
        let text = fs::read_to_string(file).unwrap_or_default();
        for document in parse_stream(&text).into_iter().filter_map(|part| part.document.ok()) {
            let paths = patch_files(document.value());
            patches.extend(paths.filter_map(|path| folder.join(path).canonicalize().ok()));
        }
    }
    patches
}

/// The patch files of a kustomization. Inline patches name no file.
fn patch_files(kustomization: &Value) -> impl Iterator<Item = &str> {
    let keys = ["patches", "patchesStrategicMerge", "patchesJson6902"];
    let lists = keys.into_iter().filter_map(|key| kustomization.get(key)?.as_sequence());
    lists.flatten().filter_map(|patch| patch.as_str().or_else(|| patch.get("path")?.as_str()))
}

pub(crate) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Refuses to read standard input twice: it would be empty, and pass.
pub(crate) fn read_once<'p>(files: impl IntoIterator<Item = &'p PathBuf>) -> Result<(), Failure> {
    let message = "standard input can be read only once; name a file for the rest";
    let count = files.into_iter().filter(|file| is_stdin(file)).count();
    if count > 1 { Err(message.into()) } else { Ok(()) }
}

/// Reads a file of a limited size; `-` is standard input.
pub(crate) fn read(file: &Path, limit: u64) -> Result<String, Problem> {
    let name = file.display().to_string();
    let mut bytes = Vec::new();
    match is_stdin(file) {
        true => std::io::stdin().take(limit + 1).read_to_end(&mut bytes),
        false => File::open(file).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)),
    }
    .map_err(|error| Problem::unreadable(&name, &error))?;
    if bytes.len() as u64 > limit {
        return Err(Problem::new(&name, None, "cannot read: larger than 64 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem::new(&name, Some(line), "not UTF-8")
    })
}
