//! `convert`: from an Operator configuration to a policy's manifest, or to rules of
//! `admission_inject_v2` with the same meaning.

mod conditions;
mod manifest;

use clap::ValueEnum;
use serde_norway::Value;
use settings_tools::convert::to_v2;

pub(crate) use conditions::check as check_conditions;

use crate::settings_file::SettingsFile;

/// What settings are converted to.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Target {
    /// The manifest of a policy, as YAML: a new ClusterAdmissionPolicy, or the one that was given.
    #[default]
    Policy,
    /// The settings alone, as JSON.
    Settings,
}

/// What a policy injects into.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Resources {
    /// The pod templates of Deployments and the like.
    #[default]
    Workloads,
    /// Pods as they are created.
    Pods,
}

/// A converted text, and what its reader should know.
pub(crate) struct Converted {
    pub(crate) text: String,
    pub(crate) notes: Vec<String>,
}

/// Converts valid settings.
pub(crate) fn convert(
    file: &SettingsFile,
    to: Target,
    v2: bool,
    resources: Resources,
) -> Result<Converted, String> {
    let text = |error: serde_json::Error| error.to_string();
    let converted = v2.then(|| to_v2(&file.json)).transpose().map_err(text)?;
    let (v2, mut notes) = converted.map_or((None, Vec::new()), |it| (Some(it.settings), it.notes));
    let settings = v2.as_deref().unwrap_or(&file.json);
    let text = match to {
        Target::Settings => {
            let settings: Value = serde_json::from_str(settings).map_err(text)?;
            serde_json::to_string_pretty(&settings).map_err(text)? + "\n"
        }
        Target::Policy => match file.policy {
            Some(_) => manifest::renewed(file, v2.as_deref(), &mut notes)?,
            None => manifest::new(settings, resources, &mut notes)?,
        },
    };
    Ok(Converted { text, notes })
}
