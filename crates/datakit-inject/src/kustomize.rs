//! Finds the files that kustomizations use as patches.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use yaml_splice::{Value, parse_stream};

const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

pub(crate) fn is_kustomization(file: &Path) -> bool {
    file.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known))
}

/// How far above an input a kustomization is looked for, outside of a repository.
const LEVELS: usize = 8;

/// The kustomizations in the folders above a path, up to the top of its repository. They can use what is
/// below them.
pub(crate) fn above(path: &Path) -> Vec<PathBuf> {
    let Ok(path) = path.canonicalize() else { return Vec::new() };
    let below_top = path.ancestors().take_while(|folder| !folder.join(".git").exists());
    let folders = below_top.filter_map(Path::parent).take(LEVELS);
    let files = folders.flat_map(|folder| NAMES.map(|name| folder.join(name)));
    files.filter(|file| file.is_file()).collect()
}

/// The files that kustomizations use as patches. Unreadable kustomizations are skipped.
pub(crate) fn patches(kustomizations: &BTreeSet<PathBuf>) -> HashSet<PathBuf> {
    let mut patches = HashSet::new();
    for file in kustomizations {
        let folder = file.parent().unwrap_or(Path::new("."));
        let text = fs::read_to_string(file).unwrap_or_default();
        for document in parse_stream(&text).into_iter().filter_map(|part| part.document.ok()) {
            let paths = named(document.value());
            patches.extend(paths.filter_map(|path| folder.join(path).canonicalize().ok()));
        }
    }
    patches
}

/// The patch files of a kustomization. Inline patches name no file.
fn named(kustomization: &Value) -> impl Iterator<Item = &str> {
    let keys = ["patches", "patchesStrategicMerge", "patchesJson6902"];
    let lists = keys.into_iter().filter_map(|key| kustomization.get(key)?.as_sequence());
    lists.flatten().filter_map(|patch| patch.as_str().or_else(|| patch.get("path")?.as_str()))
}
