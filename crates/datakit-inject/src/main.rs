//! `datakit-inject`: see what the policy does to manifests and clusters, before it does it.

#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod args;
mod check_settings;
mod cli;
mod cluster;
mod convert;
mod coverage;
mod diff;
mod evaluate;
mod explain;
mod files;
mod inject;
mod krm;
mod kubectl;
mod manifests;
mod object;
mod policies;
mod preflight;
mod settings_file;
mod terminal;
mod uninject;

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::Cli;
use crate::terminal::{Exit, Failure, error, speak};

fn main() -> ExitCode {
    let arguments = arguments();
    speak(arguments.lang);
    let mut out = BufWriter::new(io::stdout().lock());
    let done = arguments.command.run(&mut out);
    let exit = match done.and_then(|exit| Ok(out.flush().map(|()| exit)?)) {
        Ok(exit) => exit,
        // The reader closed the pipe.
        Err(Failure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(failure) => {
            error(failure);
            Exit::CouldNot
        }
    };
    ExitCode::from(exit as u8)
}

/// Parses the arguments. kubectl runs plugins by their file name, such as `kubectl-datakit_inject`.
fn arguments() -> Cli {
    let called = std::env::args_os().next().unwrap_or_default();
    let command = match Path::new(&called).file_stem().and_then(|name| name.to_str()) {
        Some("kubectl-datakit_inject") => Cli::command().bin_name("kubectl datakit-inject"),
        _ => Cli::command(),
    };
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}
