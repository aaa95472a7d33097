//! `diff`: what injection changes, as unified diffs of the edits that it makes.

use std::io::{self, Write};

use clap::Args;
use console::style;
use yaml_splice::hunks;

use crate::args::{Paths, Source};
use crate::cluster;
use crate::manifests::{Manifests, each};
use crate::terminal::{Done, Exit, Failure};

const CONTEXT: usize = 3;

#[derive(Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    paths: Paths,
    #[command(flatten)]
    source: Source,
    /// Exit with 1 if anything changes
    #[arg(long)]
    exit_code: bool,
}

impl Diff {
    pub(crate) fn run(&self, out: &mut impl Write) -> Done {
        let (mut differs, mut problems) = (false, 0);
        let mut print = |manifests: &Manifests| -> Result<(), Failure> {
            manifests.warn();
            if !manifests.edits.is_empty() {
                differs = true;
                unified(manifests, out)?;
            }
            Ok(())
        };
        if self.source.cluster {
            cluster::each(&self.source, false, print)?;
        } else {
            let policy = self.source.policy(&self.paths)?;
            problems = each(&self.paths, &|object| policy.run(object), |_, it| print(&it))?;
        }
        Ok(Exit::of(self.exit_code && differs, problems))
    }
}

fn unified(manifests: &Manifests, out: &mut impl Write) -> io::Result<()> {
    let Manifests { name, text, edits, .. } = manifests;
    writeln!(out, "{}", style(format!("--- {name}")).bold())?;
    writeln!(out, "{}", style(format!("+++ {name} (injected)")).bold())?;
    for hunk in hunks(text, edits, CONTEXT) {
        writeln!(out, "{}", style(hunk.header()).cyan())?;
        for (mark, line) in hunk.lines {
            // A carriage return stays, so that the diff can be applied.
            let marked = style(format!("{mark}{}", line.strip_suffix('\n').unwrap_or(&line)));
            let marked = match mark {
                '+' => marked.green(),
                '-' => marked.red(),
                _ => marked,
            };
            writeln!(out, "{marked}")?;
            if !line.ends_with('\n') {
                writeln!(out, "\\ No newline at end of file")?;
            }
        }
    }
    Ok(())
}
