//! `convert`: from an Operator configuration to a policy's manifest, or to rules of
//! `admission_inject_v2` with the same meaning.

mod manifest;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use settings_tools::convert::to_v2;
use settings_tools::workloads::{Resource, extras};

use self::manifest::Manifest;
use crate::args::Output;
use crate::check_settings::located;
use crate::kubectl::{Kubectl, optional};
use crate::object::{json_value, yaml_value};
use crate::settings_file::SettingsFile;
use crate::terminal::{Done, Exit, Failure, count, note, say};

/// The policies that new ones are made from.
const PODS: &str = include_str!("../../../deploy/base/pods.yaml");
const WORKLOADS: &str = include_str!("../../../deploy/base/workloads.yaml");

#[derive(Args)]
pub(crate) struct Convert {
    /// The file; `-` is standard input
    #[arg(required_unless_present = "cluster")]
    file: Option<PathBuf>,
    /// Read from the cluster, with kubectl; nothing is ever written to it
    #[arg(long)]
    cluster: bool,
    #[command(flatten)]
    kubectl: Kubectl,
    /// With --cluster, the namespace of the Operator [default: datakit]
    #[arg(short, long, requires = "cluster")]
    namespace: Option<String>,
    /// What to convert it to
    #[arg(long, value_enum, default_value_t)]
    to: Target,
    /// Turn `admission_inject` into rules of `admission_inject_v2`, and loggings likewise
    #[arg(long)]
    v2: bool,
    /// What a new policy injects into [default: pods]
    #[arg(long, value_enum)]
    resources: Option<Resources>,
    /// The resource of a kind in `policy.extra_workloads`, such as `rollouts.argoproj.io`; may be
    /// repeated [default: the plural of the kind]
    #[arg(long = "resource", value_name = "PLURAL.GROUP")]
    given: Vec<Resource>,
    /// Leave out `matchConditions`: every request that the rules select reaches the policy server
    #[arg(long)]
    no_conditions: bool,
    /// The format: a manifest is YAML and settings are JSON, unless it says otherwise
    #[arg(short, long, value_enum, hide_possible_values = true, value_name = "yaml|json")]
    output: Option<Output>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Target {
    /// The manifest of a policy: a new ClusterAdmissionPolicy, or the one that was given
    #[default]
    Policy,
    /// The settings alone
    Settings,
}

#[derive(Clone, Copy, ValueEnum)]
enum Resources {
    /// Pods as they are created, as the Operator does
    Pods,
    /// The pod templates of Deployments and the like
    Workloads,
}

impl Convert {
    pub(crate) fn run(&self, out: &mut impl Write) -> Done {
        let file = match &self.file {
            Some(file) => SettingsFile::read(file)?,
            None => self.of_operator()?,
        };
        let errors = file.errors();
        if !errors.is_empty() {
            located(&file, &errors, "").iter().for_each(|line| eprintln!("{line}"));
            return Err(format!("{}; nothing was converted", count(errors.len(), "error")).into());
        }
        let (text, notes) = self.convert(&file)?;
        notes.iter().for_each(|message| note(say(message)));
        write!(out, "{text}")?;
        Ok(Exit::Done)
    }

    fn of_operator(&self) -> Result<SettingsFile, Failure> {
        let namespace = self.namespace.as_deref().unwrap_or("datakit");
        let name = "datakit-operator-config";
        let map = optional(self.kubectl.get(&["configmaps", name], Some(namespace)))?;
        let map = map.ok_or_else(|| format!("the cluster has no ConfigMap {namespace}/{name}; if the Operator is in another namespace, pass it with -n"))?;
        Ok(SettingsFile::of(&format!("ConfigMap {namespace}/{name}"), map.to_string())?)
    }

    /// Converts valid settings; returns the output and notes.
    fn convert(&self, file: &SettingsFile) -> Result<(String, Vec<String>), Failure> {
        let converted = self.v2.then(|| to_v2(&file.found.settings)).transpose()?;
        let (v2, notes) = converted.map(|it| (it.settings, it.notes)).unzip();
        let mut notes: Vec<String> = notes.unwrap_or_default();
        let settings = v2.as_deref().unwrap_or(&file.found.settings);
        if self.to == Target::Settings {
            let settings = json_value(settings)?;
            return Ok((self.output.unwrap_or(Output::Json).write(&settings)?, notes));
        }
        let extras = extras(settings, &self.given)?;
        let manifest = Manifest { extras, has_conditions: !self.no_conditions, notes: &mut notes };
        let mut text = match (&file.policy, self.resources) {
            (Some(_), Some(_)) => {
                return Err("`--resources` is for a new policy, and this manifest has its own rules; convert it with `--to settings` first".into());
            }
            (Some(_), None) => manifest.renewed(file, v2.as_deref())?,
            (None, Some(Resources::Workloads)) => manifest.of_base(WORKLOADS, settings)?,
            (None, _) => manifest.of_base(PODS, settings)?,
        };
        if self.output == Some(Output::Json) {
            text = Output::Json.write(&yaml_value(&text)?)?;
        }
        Ok((text, notes))
    }
}
