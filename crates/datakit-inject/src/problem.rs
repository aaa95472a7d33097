//! What could not be done, while everything else was.

use std::fmt;

use messages::Language;

/// A file or a document that could not be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) file: String,
    /// The line, from 1; nothing where it is about the file.
    pub(crate) line: Option<usize>,
    pub(crate) reason: String,
}

impl Problem {
    /// A file that cannot be read.
    pub(crate) fn unreadable(file: &str, reason: impl fmt::Display) -> Self {
        Self { file: file.to_owned(), line: None, reason: format!("cannot read: {reason}") }
    }

    /// The same, with its reason in a language.
    pub(crate) fn in_language(self, language: Language) -> Self {
        Self { reason: language.translate(&self.reason).into_owned(), ..self }
    }
}

/// `file:line: reason`, which editors and CI recognise.
impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self { file, line, reason } = self;
        match line {
            Some(line) => write!(formatter, "{file}:{line}: {reason}"),
            None => write!(formatter, "{file}: {reason}"),
        }
    }
}
