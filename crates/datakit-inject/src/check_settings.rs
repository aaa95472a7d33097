//! `check-settings`: all errors of settings, and what is valid but surely not meant.

use std::io::Write;
use std::path::Path;

use datakit_injection::settings;
use messages::Language;

use crate::convert::check_conditions;
use crate::failure::{Exit, Failure, count};
use crate::settings_file::SettingsFile;

/// Prints the errors, then the notes, then what the settings were read as.
pub(crate) fn print(
    file: &Path,
    strict: bool,
    language: Language,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let say = |message: &str| language.translate(message).into_owned();
    let settings = SettingsFile::read(file).map_err(|problem| problem.in_language(language))?;
    let mut errors = settings.errors();
    let mut notes = settings_tools::notes(&settings.json);
    // Conditions of settings with errors would change with them.
    if let Some(policy) = settings.policy.as_ref().filter(|_| errors.is_empty()) {
        let of_conditions = check_conditions(policy, &settings.json);
        errors.extend(of_conditions.0);
        notes.extend(of_conditions.1);
    }
    for error in &errors {
        writeln!(out, "{}", language.at(&error.path, &error.message))?;
    }
    for note in &notes {
        writeln!(out, "{}{}", say("note: "), language.at(&note.path, &note.message))?;
    }
    if let Some(sentence) = settings::release(&settings.json) {
        writeln!(out, "{}", say(&sentence))?;
    }
    let (found, of_errors, of_notes) =
        (&settings.found, count(errors.len(), "error"), count(notes.len(), "note"));
    let summary = match (errors.is_empty(), notes.is_empty()) {
        (true, true) => format!("valid (read as {found})"),
        (true, false) => format!("valid, {of_notes} (read as {found})"),
        (false, true) => format!("{of_errors} (read as {found})"),
        (false, false) => format!("{of_errors}, {of_notes} (read as {found})"),
    };
    writeln!(out, "{}", say(&summary))?;
    Ok(Exit::of(!errors.is_empty() || (strict && !notes.is_empty()), 0))
}
