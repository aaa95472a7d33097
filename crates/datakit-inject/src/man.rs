//! `man` and `completions`: this command, described for a shell and a reader.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::terminal::{Done, Exit, reason};

pub(crate) fn page(name: Option<&str>, out: &mut impl Write) -> Done {
    let mut command = Cli::command();
    command.build();
    if let Some(name) = name {
        let found = command.find_subcommand(name).cloned();
        command = found.ok_or_else(|| format!("there is no command `{name}`"))?;
    }
    Man::new(command).render(out)?;
    Ok(Exit::Done)
}

pub(crate) fn pages(folder: &Path) -> Done {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| format!("cannot write to {}: {}", folder.display(), reason(&error)))?;
    Ok(Exit::Done)
}

pub(crate) fn completions(shell: Shell, out: &mut impl Write) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "datakit-inject", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Done)
}
