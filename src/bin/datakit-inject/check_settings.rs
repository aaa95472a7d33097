//! `check-settings`: all errors of settings, and what is valid but surely not meant.

use std::io::Write;
use std::path::Path;

use datakit_injection::settings;

use crate::convert::check_conditions;
use crate::failure::{Exit, Failure, count};
use crate::settings_file::SettingsFile;

/// Prints the errors, then the notes, then what the settings were read as.
pub(crate) fn print(file: &Path, strict: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let settings = SettingsFile::read(file)?;
    let mut errors = settings.errors();
    let mut notes = settings::notes(&settings.json);
    // Conditions of settings with errors would change with them.
    if let Some(policy) = settings.policy.as_ref().filter(|_| errors.is_empty()) {
        let of_conditions = check_conditions(policy, &settings.json);
        errors.extend(of_conditions.0);
        notes.extend(of_conditions.1);
    }
    for error in &errors {
        writeln!(out, "{error}")?;
    }
    for note in &notes {
        writeln!(out, "note: {note}")?;
    }
    if let Some(sentence) = settings::release(&settings.json) {
        writeln!(out, "{sentence}")?;
    }
    let verdict = match errors.len() {
        0 => "valid".to_owned(),
        number => count(number, "error"),
    };
    let notes_too = match notes.len() {
        0 => String::new(),
        number => format!(", {}", count(number, "note")),
    };
    writeln!(out, "{verdict}{notes_too} (read as {})", settings.found)?;
    Ok(Exit::of(!errors.is_empty() || (strict && !notes.is_empty()), 0))
}
