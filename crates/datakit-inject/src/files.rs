//! Manifest files: named ones, those in folders, and standard input.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::problem::Problem;

/// A manifest is not so large, and a file is read as a whole.
const MAX_BYTES: u64 = 64 << 20;

/// Standard input, as an argument.
const STDIN: &str = "-";

/// The files that arguments name: of a folder, every YAML and JSON file below it that version
/// control does not ignore, by name.
pub(crate) fn find(filenames: &[PathBuf]) -> (Vec<PathBuf>, Vec<Problem>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for filename in filenames {
        match is_stdin(filename) || !filename.is_dir() {
            true => files.push(filename.clone()),
            false => walk(filename, &mut files, &mut problems),
        }
    }
    (files, problems)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let mut walk = WalkBuilder::new(folder);
    // The files of a mounted ConfigMap are links.
    walk.follow_links(true).require_git(false).sort_by_file_path(Ord::cmp);
    for entry in walk.build() {
        match entry {
            Ok(entry) => {
                let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
                if is_file && is_manifest(entry.path()) {
                    files.push(entry.into_path());
                }
            }
            // What a link back up leads to is found without it.
            Err(error) if is_loop(&error) => {}
            Err(error) => {
                let path = path_of(&error, folder);
                // The error's own words repeat the path.
                let reason = path.metadata().err().map(|error| error.to_string());
                let reason = reason.unwrap_or_else(|| error.to_string());
                problems.push(Problem::unreadable(&path.display().to_string(), reason));
            }
        }
    }
}

fn is_loop(error: &ignore::Error) -> bool {
    match error {
        ignore::Error::Loop { .. } => true,
        ignore::Error::WithDepth { err, .. }
        | ignore::Error::WithPath { err, .. }
        | ignore::Error::WithLineNumber { err, .. } => is_loop(err),
        _ => false,
    }
}

fn path_of<'e>(error: &'e ignore::Error, folder: &'e Path) -> &'e Path {
    match error {
        ignore::Error::WithPath { path, .. } => path,
        ignore::Error::WithDepth { err, .. } => path_of(err, folder),
        _ => folder,
    }
}

/// Whether a file in a folder is one that kubectl reads too.
fn is_manifest(file: &Path) -> bool {
    let extension = file.extension();
    extension
        .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

/// Whether a file is standard input.
pub(crate) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == STDIN
}

/// Reads a file; `-` is standard input.
pub(crate) fn read(file: &Path) -> Result<String, Problem> {
    let name = file.display().to_string();
    let unreadable = |error: std::io::Error| Problem::unreadable(&name, error);
    let mut bytes = Vec::new();
    let limit = MAX_BYTES + 1;
    match is_stdin(file) {
        true => std::io::stdin().take(limit).read_to_end(&mut bytes),
        false => File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    }
    .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Problem::unreadable(&name, "larger than 64 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem { file: name, line: Some(line), reason: "not UTF-8".to_owned() }
    })
}
