//! Arguments that several commands take.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::evaluate::Policy;
use crate::files::read_once;
use crate::kubectl::Kubectl;
use crate::object::json_value;
use crate::terminal::Failure;

#[derive(Args)]
pub(crate) struct Paths {
    /// Manifests, folders of them, or `-` for standard input
    ///
    /// In folders, hidden files and what `.gitignore` names are left out.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[arg(short, long = "filename", value_name = "PATH", hide = true)]
    filenames: Vec<PathBuf>,
    /// Count files in folders that cannot be read as errors
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print more: skipped documents, and in `explain` every candidate rule
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

impl Paths {
    /// All paths; an error if there are none, or if one of them and the settings are both standard input.
    pub(crate) fn all(&self, settings: Option<&PathBuf>) -> Result<Vec<PathBuf>, Failure> {
        let paths = [&*self.paths, &*self.filenames].concat();
        read_once(paths.iter().chain(settings))?;
        let message = "name a file, a folder, or `-` for standard input";
        if paths.is_empty() { Err(message.into()) } else { Ok(paths) }
    }
}

/// Settings, or a cluster that has them.
#[derive(Args)]
pub(crate) struct Source {
    /// The settings: a configuration, or whatever holds one, as `check-settings` reads it. With
    /// --cluster, the default is those of the policies that are there
    #[arg(short, long, value_name = "FILE", required_unless_present = "cluster")]
    pub(crate) settings: Option<PathBuf>,
    /// The namespace of objects that name none; with --cluster, the only namespace to read
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// Read from the cluster, with kubectl; nothing is ever written to it
    #[arg(long, conflicts_with_all = ["paths", "filenames"])]
    pub(crate) cluster: bool,
    #[command(flatten)]
    pub(crate) kubectl: Kubectl,
}

impl Source {
    /// The policy with the settings that were passed, for manifests.
    pub(crate) fn policy(&self, paths: &Paths) -> Result<Policy, Failure> {
        paths.all(self.settings.as_ref())?;
        let settings = self.settings.as_deref().unwrap_or(Path::new("-"));
        Policy::read(settings, self.namespace.as_deref())
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Text, for people
    #[default]
    Text,
    Json,
    Yaml,
}

impl Output {
    /// Formats an answer for machines.
    pub(crate) fn write(self, answer: &impl Serialize) -> Result<String, Failure> {
        let json = serde_json::to_string_pretty(answer)?;
        match self {
            Self::Yaml => Ok(json_value(&json)?.to_yaml()),
            _ => Ok(json + "\n"),
        }
    }
}
