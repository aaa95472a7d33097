//! Files through the policy: many at once, results in order.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressDrawTarget};
use rayon::prelude::*;

use crate::cli::{Input, Settings};
use crate::evaluate::Policy;
use crate::failure::{Failure, count, error, note};
use crate::files;
use crate::manifests::{Manifests, Wanted};
use crate::settings_file::SettingsFile;

/// From this many files on, progress is shown.
const MANY: usize = 200;

/// This many files are in memory at a time.
const BATCH: usize = 128;

/// The namespace of kubectl where none is named.
const DEFAULT_NAMESPACE: &str = "default";

impl Settings {
    /// The policy with these settings.
    pub(crate) fn policy(&self) -> Result<Policy, Failure> {
        let settings = SettingsFile::read_valid(&self.settings)?.json;
        Ok(Policy {
            settings,
            is_namespace_assumed: self.namespace.is_none(),
            namespace: self.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
            ..Policy::default()
        })
    }
}

impl Input {
    /// Runs every file through the policy, as [`each`] does.
    pub(crate) fn each(
        &self,
        policy: &Policy,
        wanted: Wanted,
        done: impl FnMut(Manifests) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        each(&self.filenames, policy, wanted, done)
    }
}

/// Runs every file through the policy, and hands the results over in the order of the files.
/// Prints what could not be read, and says how much that is.
pub(crate) fn each(
    filenames: &[PathBuf],
    policy: &Policy,
    wanted: Wanted,
    mut done: impl FnMut(Manifests) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let (found, problems) = files::find(filenames);
    let progress = progress(found.len());
    let (mut failed, files) = (problems.len(), found.len() + problems.len());
    for problem in problems {
        eprintln!("{problem}");
    }
    for batch in found.chunks(BATCH) {
        let read = |file: &PathBuf| Manifests::read(file, policy, wanted);
        let results: Vec<_> = batch.par_iter().map(read).collect();
        progress.suspend(|| {
            for mut manifests in results {
                failed += manifests.problems.len();
                for problem in std::mem::take(&mut manifests.problems) {
                    eprintln!("{problem}");
                }
                for message in &manifests.notes {
                    note(message);
                }
                done(manifests)?;
            }
            Ok::<_, Failure>(())
        })?;
        progress.inc(batch.len() as u64);
    }
    progress.finish_and_clear();
    if failed > 0 {
        let (errors, files) = (count(failed, "error"), count(files, "file"));
        error(&format!("{errors} in {files}; everything else was processed"));
    }
    Ok(failed)
}

fn progress(files: usize) -> ProgressBar {
    let target = match files {
        // Shows nothing if standard error is not a terminal.
        MANY.. => ProgressDrawTarget::stderr(),
        _ => ProgressDrawTarget::hidden(),
    };
    ProgressBar::with_draw_target(Some(files as u64), target)
}
