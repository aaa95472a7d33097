//! Messages, errors and exit codes.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::OnceLock;

use console::style;
use messages::Language;
use thiserror::Error;

static LANGUAGE: OnceLock<Language> = OnceLock::new();

/// Sets the language; the first call wins.
pub(crate) fn speak(language: Language) {
    LANGUAGE.get_or_init(|| language);
}

pub(crate) fn language() -> Language {
    LANGUAGE.get().copied().unwrap_or_default()
}

/// Translates a message into the user's language.
pub(crate) fn say(message: &str) -> Cow<'_, str> {
    language().translate(message)
}

/// An error or a note with its location.
#[derive(Clone, Debug, Error)]
pub(crate) struct Problem {
    pub(crate) place: String,
    pub(crate) line: Option<usize>,
    pub(crate) reason: String,
}

impl Problem {
    pub(crate) fn new(place: &str, line: Option<usize>, reason: impl fmt::Display) -> Self {
        Self { place: place.to_owned(), line, reason: reason.to_string() }
    }

    pub(crate) fn unreadable(place: &str, error: &io::Error) -> Self {
        Self::new(place, None, format!("cannot read: {}", reason(error)))
    }
}

/// `place:line: reason`, which editors and CI recognise.
impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        write!(formatter, "{}{line}: {}", self.place, say(&self.reason))
    }
}

/// The reason of an I/O error, without `(os error N)`.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    // Some libraries prepend the path, which is printed already.
    let text = text.split(" (os error").next().unwrap_or_default().rsplit(": ").next();
    let mut chars = text.unwrap_or_default().chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("cannot write: {}", reason(.0))]
    Write(#[from] io::Error),
    #[error(transparent)]
    Problem(#[from] Problem),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("{}", say(.0))]
    Message(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

pub(crate) type Done = Result<Exit, Failure>;

/// The exit codes of all commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Found = 1,
    CouldNot = 2,
}

impl Exit {
    /// Failures take precedence over findings.
    pub(crate) fn of(found: bool, problems: usize) -> Self {
        match (found, problems) {
            (_, 1..) => Self::CouldNot,
            (true, _) => Self::Found,
            _ => Self::Done,
        }
    }
}

pub(crate) fn error(message: impl fmt::Display) {
    eprintln!("{}: {message}", style("error").for_stderr().red().bold());
}

pub(crate) fn warning(message: impl fmt::Display) {
    eprintln!("{}: {message}", style("warning").for_stderr().yellow());
}

pub(crate) fn note(message: impl fmt::Display) {
    eprintln!("{}: {message}", style("note").for_stderr().yellow());
}

pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
