//! `diff`: what injection changes in the text of files.

use std::io::{self, Write};

use console::style;
use similar::{ChangeTag, TextDiff};

use crate::cli::Input;
use crate::failure::{Exit, Failure};
use crate::inject::warn;
use crate::manifests::Wanted;

/// Prints a unified diff for each file that changes.
pub(crate) fn print(input: &Input, exit_code: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let mut differs = false;
    let problems = input.each(&input.settings.policy()?, Wanted::Text, |manifests| {
        warn(&manifests);
        if let Some(after) = &manifests.after {
            differs = true;
            unified(&manifests.file, &manifests.before, after, out)?;
        }
        Ok(())
    })?;
    Ok(Exit::of(exit_code && differs, problems))
}

fn unified(file: &str, before: &str, after: &str, out: &mut impl Write) -> io::Result<()> {
    let diff = TextDiff::from_lines(before, after);
    writeln!(out, "{}", style(format!("--- {file}")).bold())?;
    writeln!(out, "{}", style(format!("+++ {file} (injected)")).bold())?;
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        writeln!(out, "{}", style(hunk.header()).cyan())?;
        for change in hunk.iter_changes() {
            // A carriage return stays, so that the diff can be applied.
            let line = change.value().strip_suffix('\n').unwrap_or(change.value());
            match change.tag() {
                ChangeTag::Equal => writeln!(out, " {line}")?,
                ChangeTag::Insert => writeln!(out, "{}", style(format!("+{line}")).green())?,
                ChangeTag::Delete => writeln!(out, "{}", style(format!("-{line}")).red())?,
            }
            if change.missing_newline() {
                writeln!(out, "\\ No newline at end of file")?;
            }
        }
    }
    Ok(())
}
