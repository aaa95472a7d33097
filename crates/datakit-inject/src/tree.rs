//! Runs files through a task in parallel, and yields the results in the order of the files.

use rayon::prelude::*;

use crate::args::Paths;
use crate::evaluate::Task;
use crate::files::{self, Input};
use crate::manifests::Manifests;
use crate::terminal::{Failure, Problem, count, error, note, say};

/// The number of files in memory at a time.
const BATCH: usize = 128;

/// Runs files through a task and calls `done` with each result. Prints problems and
/// notes; returns the number of problems.
pub(crate) fn each(
    paths: &Paths,
    task: Task,
    mut done: impl FnMut(&Input, Manifests) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let (inputs, unreadable) = files::find(&paths.all()?);
    let (mut problems, mut failed, mut passed_over) = (report(paths, &[], &unreadable), 0, 0);
    for batch in inputs.chunks(BATCH) {
        let read = |input: &Input| Manifests::read(input, task);
        let results: Vec<_> = batch.par_iter().map(read).collect();
        for (input, manifests) in batch.iter().zip(results) {
            let reported = report(paths, &manifests.problems, &manifests.unread);
            manifests.notes.iter().for_each(note);
            problems += reported;
            failed += usize::from(reported > 0);
            passed_over += manifests.passed_over;
            done(input, manifests)?;
        }
    }
    if passed_over > 0 && paths.verbose {
        let documents = count(passed_over, "document");
        note(say(&format!("{documents} without `apiVersion` and `kind` passed over")));
    }
    if failed > 0 && inputs.len() > 1 {
        let files = count(inputs.len(), "file");
        let message =
            format!("{failed} of {files} could not be read completely; the rest was processed");
        error(say(&message));
    }
    Ok(problems)
}

/// Prints problems of named files, and notes on others. Returns the number of problems; those
/// of unnamed files count with `--strict` only.
fn report(paths: &Paths, problems: &[Problem], unread: &[Problem]) -> usize {
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    if paths.strict {
        unread.iter().for_each(|problem| eprintln!("{problem}"));
        return problems.len() + unread.len();
    }
    unread.iter().for_each(note);
    problems.len()
}
