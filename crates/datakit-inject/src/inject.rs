//! `inject`: manifests with the injections in them. `uninject` prints and writes by the same code.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::args::Paths;
use crate::evaluate::{Policy, Task};
use crate::files;
use crate::manifests::each;
use crate::terminal::{Done, Exit, Problem, error, note, reason};

#[derive(Args)]
pub(crate) struct Inject {
    #[command(flatten)]
    paths: Paths,
    /// The settings: a configuration, or whatever holds one, as `check-settings` reads it
    #[arg(short, long, value_name = "FILE")]
    settings: PathBuf,
    /// The namespace of objects that name none [default: default]
    #[arg(short, long)]
    namespace: Option<String>,
    /// Write the injections into the files, and print the names of those that change
    #[arg(short, long)]
    in_place: bool,
}

impl Inject {
    pub(crate) fn run(&self, out: &mut impl Write) -> Done {
        self.paths.all(Some(&self.settings))?;
        let policy = Policy::read(&self.settings, self.namespace.as_deref())?;
        run(&self.paths, &|object| policy.run(object), self.in_place, out)
    }
}

pub(crate) fn run(paths: &Paths, task: Task, in_place: bool, out: &mut impl Write) -> Done {
    if in_place {
        return write_files(paths, task, out);
    }
    let mut ended = None;
    let problems = each(paths, task, |_, manifests| {
        manifests.warn();
        let text = manifests.printed();
        if text.is_empty() {
            return Ok(());
        }
        if let Some(ended) = ended.replace(text.ends_with('\n')) {
            let line_break = if ended { "" } else { "\n" };
            let separator = if text.starts_with("---") { "" } else { "---\n" };
            write!(out, "{line_break}{separator}")?;
        }
        Ok(write!(out, "{text}")?)
    })?;
    Ok(Exit::of(false, problems))
}

/// Writes the manifests into their files, and prints the names of those that change.
fn write_files(paths: &Paths, task: Task, out: &mut impl Write) -> Done {
    if paths.all(None)?.iter().any(|path| files::is_stdin(path)) {
        return Err("standard input cannot be edited in place".into());
    }
    let mut unwritten = 0;
    let problems = each(paths, task, |input, manifests| {
        manifests.warn();
        let Some(changed) = manifests.changed() else { return Ok(()) };
        if input.leads_out() {
            let reason = "a link to a file outside of the folder; left as it is";
            note(Problem::new(&manifests.name, None, reason));
        } else if let Err(failure) = write(&input.path, &changed) {
            unwritten += 1;
            let reason = format!("cannot write: {}", reason(&failure));
            error(Problem::new(&manifests.name, None, reason));
        } else {
            writeln!(out, "{}", manifests.name)?;
        }
        Ok(())
    })?;
    Ok(Exit::of(false, problems + unwritten))
}

/// Replaces a file atomically.
fn write(file: &Path, text: &str) -> io::Result<()> {
    // Replace the target of a link, not the link.
    let file = file.canonicalize()?;
    let mut written = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(Path::new(".")))?;
    written.write_all(text.as_bytes())?;
    written.as_file().set_permissions(file.metadata()?.permissions())?;
    written.as_file().sync_all()?;
    written.persist(&file)?;
    Ok(())
}
