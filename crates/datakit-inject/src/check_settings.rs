//! `check-settings`: all errors of settings, and what is valid but probably a mistake.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use datakit_injection::reader::SettingsError;
use datakit_injection::settings;
use serde_json::{Value, json};
use settings_tools::manifest::check_conditions;
use settings_tools::notes;

use crate::args::Output;
use crate::settings_file::SettingsFile;
use crate::terminal::{Done, Exit, count, language, say};

#[derive(Args)]
pub(crate) struct CheckSettings {
    /// The file; `-` is standard input
    file: PathBuf,
    /// Exit with 1 if there are notes
    #[arg(long)]
    strict: bool,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl CheckSettings {
    /// Prints the errors, then the notes, then what the settings were read as.
    pub(crate) fn run(&self, out: &mut impl Write) -> Done {
        let file = SettingsFile::read(&self.file)?;
        let (mut errors, mut notes) = (file.errors(), notes(&file.found.settings));
        // Invalid settings have no conditions to compare with.
        if let Some(policy) = file.policy.as_ref().filter(|_| errors.is_empty()) {
            let of_conditions = check_conditions(policy, &file.found.settings);
            errors.extend(of_conditions.0);
            notes.extend(of_conditions.1);
        }
        match self.output {
            Output::Text => {
                let (label, found) = (say("note: "), &file.found);
                for line in [located(&file, &errors, ""), located(&file, &notes, &label)].concat() {
                    writeln!(out, "{line}")?;
                }
                if let Some(sentence) = settings::release(&file.found.settings) {
                    writeln!(out, "{}", say(&sentence))?;
                }
                let (of_errors, of_notes) =
                    (count(errors.len(), "error"), count(notes.len(), "note"));
                let summary = match (errors.is_empty(), notes.is_empty()) {
                    (true, true) => format!("valid (read as {found})"),
                    (true, false) => format!("valid, {of_notes} (read as {found})"),
                    (false, true) => format!("{of_errors} (read as {found})"),
                    (false, false) => format!("{of_errors}, {of_notes} (read as {found})"),
                };
                writeln!(out, "{}", say(&summary))?;
            }
            format => {
                let list = |list: &[SettingsError]| -> Vec<Value> {
                    let json = |(it, line): (&SettingsError, _)| json!({ "line": line, "path": it.path, "message": it.message });
                    list.iter().zip(file.lines(list)).map(json).collect()
                };
                let mut answer = json!({
                    "file": file.name,
                    "readAs": file.found.to_string(),
                    "release": settings::release(&file.found.settings),
                    "valid": errors.is_empty(),
                    "errors": list(&errors),
                    "notes": list(&notes),
                });
                language().translate_members(&mut answer);
                write!(out, "{}", format.write(&answer)?)?;
            }
        }
        Ok(Exit::of(!errors.is_empty() || (self.strict && !notes.is_empty()), 0))
    }
}

/// Errors or notes as `FILE:LINE: path: message`, which editors and CI recognise.
pub(crate) fn located(file: &SettingsFile, errors: &[SettingsError], label: &str) -> Vec<String> {
    let text = |(error, line): (&SettingsError, Option<usize>)| {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let message = language().at(&error.path, &error.message);
        format!("{}{line}: {label}{message}", file.name)
    };
    errors.iter().zip(file.lines(errors)).map(text).collect()
}
