//! How a command ends.

use std::io;
use std::process::ExitCode;

use console::style;
use messages::Language;

use crate::problem::Problem;

/// Why a command stops.
pub(crate) enum Failure {
    /// Standard output cannot be written.
    Write(io::Error),
    /// A file that cannot be used.
    Problem(Problem),
    /// Another message for the user.
    Message(String),
}

impl Failure {
    /// The same, with its reason in a language.
    pub(crate) fn in_language(self, language: Language) -> Self {
        match self {
            Self::Problem(problem) => Self::Problem(problem.in_language(language)),
            other => other,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// The exit codes of all commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Done = 0,
    /// What the arguments ask about was found.
    Found = 1,
    /// Something could not be read.
    CouldNot = 2,
}

impl Exit {
    /// What could not be read comes before what was found in the rest.
    pub(crate) fn of(found: bool, problems: usize) -> Self {
        match (found, problems) {
            (_, 1..) => Self::CouldNot,
            (true, _) => Self::Found,
            _ => Self::Done,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints an error to standard error.
pub(crate) fn error(message: &str) {
    eprintln!("{}: {message}", style("error").for_stderr().red().bold());
}

/// Prints a warning to standard error.
pub(crate) fn warning(message: &str) {
    eprintln!("{}: {message}", style("warning").for_stderr().yellow());
}

/// Prints a note to standard error.
pub(crate) fn note(message: &str) {
    eprintln!("{}: {message}", style("note").for_stderr().yellow());
}

/// A number with its noun.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
