//! `inject` and `uninject`: manifests with the injections in them, and without.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::evaluate::Policy;
use crate::failure::{Exit, Failure, error, warning};
use crate::files;
use crate::manifests::{Manifests, Wanted};
use crate::run::each;

/// Prints the manifests as one stream.
pub(crate) fn print(
    filenames: &[PathBuf],
    policy: &Policy,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let mut last = None;
    let problems = each(filenames, policy, Wanted::Text, |manifests| {
        warn(&manifests);
        let text = &manifests.printed;
        if text.is_empty() {
            return Ok(());
        }
        if let Some(last) = last.replace(text.ends_with('\n')) {
            if !last {
                writeln!(out)?;
            }
            if !text.starts_with("---") {
                writeln!(out, "---")?;
            }
        }
        write!(out, "{text}")?;
        Ok(())
    })?;
    Ok(Exit::of(false, problems))
}

/// Writes the manifests into their files, and prints the names of those that change.
pub(crate) fn in_place(
    filenames: &[PathBuf],
    policy: &Policy,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    if filenames.iter().any(|file| files::is_stdin(file)) {
        return Err("standard input cannot be edited in place".to_owned().into());
    }
    let mut unwritten = 0;
    let problems = each(filenames, policy, Wanted::Text, |manifests| {
        warn(&manifests);
        if let Some(after) = &manifests.after {
            match write(Path::new(&manifests.file), after) {
                Ok(()) => writeln!(out, "{}", manifests.file)?,
                Err(reason) => {
                    unwritten += 1;
                    error(&format!("{}: cannot write: {reason}", manifests.file));
                }
            }
        }
        Ok(())
    })?;
    Ok(Exit::of(false, problems + unwritten))
}

/// Replaces a file at once, so that nobody ever sees half of it.
fn write(file: &Path, text: &str) -> io::Result<()> {
    // A link stays a link to the file that is replaced.
    let file = file.canonicalize()?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut written = tempfile::NamedTempFile::new_in(folder)?;
    written.write_all(text.as_bytes())?;
    written.as_file().set_permissions(file.metadata()?.permissions())?;
    written.as_file().sync_all()?;
    written.persist(&file)?;
    Ok(())
}

/// Prints the warnings of the policy.
pub(crate) fn warn(manifests: &Manifests) {
    for object in manifests.objects() {
        for message in &object.outcome.warnings {
            warning(message);
        }
    }
}
