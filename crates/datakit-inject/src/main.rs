//! `datakit-inject`: see what the policy does, before a cluster does.

mod check_settings;
mod cli;
mod convert;
mod coverage;
mod diff;
mod evaluate;
mod explain;
mod failure;
mod files;
mod helm;
mod inject;
mod items;
mod man;
mod manifests;
mod problem;
mod run;
mod settings_file;

mod uninject;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::{Cli, Command};
use crate::evaluate::Policy;
use crate::failure::{Exit, Failure, error, note};
use crate::settings_file::SettingsFile;

fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = run(&arguments().command, &mut out);
    match done.and_then(|exit| Ok(out.flush().map(|()| exit)?)) {
        Ok(exit) => exit.into(),
        // The reader closed the pipe.
        Err(Failure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Exit::Done.into()
        }
        Err(Failure::Write(reason)) => {
            error(&format!("cannot write: {reason}"));
            Exit::CouldNot.into()
        }
        Err(Failure::Problem(problem)) => {
            error(&problem.to_string());
            Exit::CouldNot.into()
        }
        Err(Failure::Message(message)) => {
            error(&message);
            Exit::CouldNot.into()
        }
    }
}

/// The arguments. kubectl runs a plugin by the name of its file, and people by that of kubectl.
fn arguments() -> Cli {
    let called = std::env::args_os().next();
    let called = called.as_deref().map(Path::new).and_then(Path::file_stem);
    let command = match called.and_then(|name| name.to_str()) {
        Some("kubectl-datakit_inject") => Cli::command().bin_name("kubectl datakit-inject"),
        _ => Cli::command(),
    };
    let matches = command.get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn run(command: &Command, out: &mut impl Write) -> Result<Exit, Failure> {
    match command {
        Command::Inject { input, in_place } => {
            let policy = input.settings.policy()?;
            write(&input.filenames, &policy, *in_place, out)
        }
        Command::Uninject { filenames, settings, injection, in_place } => {
            let policy = uninject::policy(settings.as_deref(), injection.as_deref())?;
            write(filenames, &policy, *in_place, out)
        }
        Command::Diff { input, exit_code } => diff::print(input, *exit_code, out),
        Command::Explain { input, verbose, output, lang } => {
            explain::print(input, *verbose, *output, (*lang).into(), out)
        }
        Command::Coverage { filenames, settings, output, fail_on } => {
            coverage::print(filenames, settings, *output, *fail_on, out)
        }
        Command::CheckSettings { file, strict, lang } => {
            check_settings::print(file, *strict, (*lang).into(), out)
        }
        Command::Convert { file, to, v2, resources } => {
            let settings = SettingsFile::read_valid(file)?;
            let converted = convert::convert(&settings, *to, *v2, *resources)?;
            for message in converted.notes {
                note(&message);
            }
            write!(out, "{}", converted.text)?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => man::completions(*shell, out),
        Command::Man { directory: Some(folder), .. } => man::pages(folder),
        Command::Man { command, directory: None } => man::page(command.as_deref(), out),
    }
}

fn write(
    filenames: &[PathBuf],
    policy: &Policy,
    in_place: bool,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    match in_place {
        true => inject::in_place(filenames, policy, out),
        false => inject::print(filenames, policy, out),
    }
}
