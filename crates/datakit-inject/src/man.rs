//! `man` and `completions`: this command, described for a shell and a reader.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::failure::{Exit, Failure};

/// Prints the page of the command, or of one of its commands.
pub(crate) fn page(name: Option<&str>, out: &mut impl Write) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    if let Some(name) = name {
        let commands: Vec<_> =
            command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        command = command.find_subcommand(name).cloned().ok_or_else(|| {
            format!("there is no command `{name}`; there are {}", commands.join(", "))
        })?;
    }
    Man::new(command).render(out)?;
    Ok(Exit::Done)
}

/// Writes all pages into a folder.
pub(crate) fn pages(folder: &Path) -> Result<Exit, Failure> {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
    Ok(Exit::Done)
}

/// Prints the script of a shell.
pub(crate) fn completions(shell: Shell, out: &mut impl Write) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "datakit-inject", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Done)
}
