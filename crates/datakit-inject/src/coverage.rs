//! `coverage`: which workloads of a cluster run with the injections, and which without.

mod defaults;
mod live;
mod read;
mod state;
mod table;
mod values;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::cli::{Format, Settings};
use crate::coverage::read::Object;
use crate::coverage::state::{Policies, Row, State, row};
use crate::evaluate::Policy;
use crate::failure::{Exit, Failure, count, error};
use crate::problem::Problem;

/// A state that a pipeline may not like.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum FailOn {
    /// Runs without what is asked for: pending, skipped or unreadable-record.
    Missing,
    /// The same, or outdated.
    Outdated,
}

impl FailOn {
    fn is(self, state: State) -> bool {
        match state {
            State::Pending | State::Skipped | State::UnreadableRecord => true,
            State::Outdated => matches!(self, Self::Outdated),
            _ => false,
        }
    }
}

/// How many objects there are of each row.
type Rows = BTreeMap<Row, usize>;

/// The coverage of a cluster.
#[derive(Serialize)]
struct Coverage {
    workloads: Vec<Counted>,
    summary: BTreeMap<State, usize>,
}

/// A row and how many objects it stands for.
#[derive(Serialize)]
struct Counted {
    #[serde(flatten)]
    row: Row,
    objects: usize,
}

/// Prints the coverage of what `kubectl get` printed.
pub(crate) fn print(
    files: &[PathBuf],
    settings: &Settings,
    output: Format,
    fail_on: Option<FailOn>,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let (rows, problems) = rows(files, &policies(settings)?);
    for problem in &problems {
        eprintln!("{problem}");
    }
    if !problems.is_empty() {
        error(&format!("{}; everything else was processed", count(problems.len(), "error")));
    }
    let mut coverage = Coverage { workloads: Vec::new(), summary: BTreeMap::new() };
    for (row, objects) in rows {
        *coverage.summary.entry(row.state).or_default() += objects;
        coverage.workloads.push(Counted { row, objects });
    }
    let found = |fail_on: FailOn| coverage.summary.keys().any(|state| fail_on.is(*state));
    let found = fail_on.is_some_and(found);
    match output {
        Format::Table => table::print(&coverage, out)?,
        Format::Json => {
            let text = serde_json::to_string_pretty(&coverage);
            writeln!(out, "{}", text.map_err(|error| error.to_string())?)?;
        }
        Format::Yaml => {
            let text = serde_norway::to_string(&coverage);
            write!(out, "{}", text.map_err(|error| error.to_string())?)?;
        }
    }
    Ok(Exit::of(found, problems.len()))
}

/// The policy, as Kubewarden and as this command know it.
fn policies(settings: &Settings) -> Result<Policies, Failure> {
    let given = settings.policy()?;
    // A map of `serde_json` is sorted.
    let sorted: serde_json::Value =
        serde_json::from_str(&given.settings).map_err(|error| error.to_string())?;
    let sorted = Policy { settings: sorted.to_string(), ..given.clone() };
    Ok(Policies { sorted, given })
}

/// This many objects are sent to a worker at a time.
const BATCH: usize = 64;

/// Reads objects on this thread, and runs them through the policy on others. Few are in memory at
/// a time: a cluster has more pods than a machine has memory for.
fn rows(files: &[PathBuf], policies: &Policies) -> (Rows, Vec<Problem>) {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, receiver) = sync_channel::<Vec<Object>>(workers * 2);
    let receiver = Mutex::new(receiver);
    let progress = ProgressBar::new_spinner();
    let (mut rows, mut problems) = (Rows::new(), Vec::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..workers).map(|_| scope.spawn(|| work(&receiver, policies))).collect();
        let mut batch = Vec::with_capacity(BATCH);
        for file in files {
            let read = read::objects(file, &mut |object| {
                progress.inc(1);
                batch.push(object);
                if batch.len() == BATCH {
                    // Workers take until there are no more.
                    let _ = sender.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
                }
            });
            problems.extend(read.err());
        }
        let _ = sender.send(batch);
        drop(sender);
        for worker in workers {
            // A worker that panicked has printed why.
            for (row, objects) in worker.join().unwrap_or_default() {
                *rows.entry(row).or_default() += objects;
            }
        }
    });
    progress.finish_and_clear();
    (rows, problems)
}

fn work(receiver: &Mutex<Receiver<Vec<Object>>>, policies: &Policies) -> Rows {
    let mut rows = Rows::new();
    loop {
        let batch = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return rows };
        for object in batch {
            if let Some(row) = row(&object, policies) {
                *rows.entry(row).or_default() += 1;
            }
        }
    }
}
