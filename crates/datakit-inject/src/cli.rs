//! The commands and their help.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::builder::{StringValueParser, TypedValueParser as _};
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;
use messages::Language;
use serde_json::json;

use crate::args::Output;
use crate::terminal::{Done, Exit, reason};
use crate::{check_settings, convert, coverage, diff, explain, inject, krm, preflight, uninject};

/// A text of the folder `help/`.
macro_rules! help {
    ($name:literal) => {
        include_str!(concat!("../help/", $name, ".txt")).trim_end()
    };
}

/// See what the Datakit injection policy does to manifests and clusters, before it does it.
#[derive(Parser)]
#[command(name = "datakit-inject", version, max_term_width = 100, after_help = help!("exit-codes"))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The language of messages: en or zh
    #[arg(long, global = true, value_name = "TAG", env = "DATAKIT_INJECT_LANG", default_value = "en", value_parser = StringValueParser::new().map(|tag| Language::of_tag(&tag)))]
    pub(crate) lang: Language,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print manifests with the injections in them
    ///
    /// Only what is injected changes: comments, quotes, order, indentation and line breaks stay as
    /// they are, and JSON stays JSON. Partial manifests, such as patches of kustomize, are left alone.
    #[command(after_help = help!("inject"))]
    Inject(inject::Inject),
    /// Print manifests without the injections that are recorded in them
    ///
    /// The record is the annotation `admission.datakit/injected` of the pod template. What was changed
    /// since stays. Pods have no record.
    #[command(after_help = help!("uninject"))]
    Uninject(uninject::Uninject),
    /// Print what injection changes, as unified diffs
    #[command(after_help = help!("diff"))]
    Diff(diff::Diff),
    /// Print for each object what is injected or skipped, and why
    #[command(after_help = help!("explain"))]
    Explain(explain::Explain),
    /// Print which workloads of a cluster run with the injections
    ///
    /// Each object is run through the policy as if it were created. What does not reach the policy, by
    /// its rules and selectors, is left out.
    #[command(after_help = help!("coverage"))]
    Coverage(coverage::Coverage),
    /// Check whether a cluster is ready for the policy
    #[command(after_help = help!("preflight"))]
    Preflight(preflight::Preflight),
    /// Print all errors of settings, and notes on what is valid but probably a mistake
    #[command(after_help = help!("check-settings"))]
    CheckSettings(check_settings::CheckSettings),
    /// Convert an Operator configuration into a policy manifest, optionally with v2 rules
    #[command(after_help = help!("convert"))]
    Convert(convert::Convert),
    /// Inject into a ResourceList, as a function that kustomize and kpt run
    #[command(after_help = help!("krm"))]
    Krm(krm::Krm),
    /// Print the version
    #[command(after_help = help!("version"))]
    Version {
        /// The format
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Print a script that completes this command in a shell
    #[command(after_help = help!("completions"))]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, of this command or of one of its commands
    #[command(after_help = help!("man"))]
    Man {
        /// One of the commands
        #[arg(conflicts_with = "directory")]
        command: Option<String>,
        /// Write all pages into this folder instead
        #[arg(long)]
        directory: Option<PathBuf>,
    },
}

impl Command {
    pub(crate) fn run(&self, out: &mut impl Write) -> Done {
        match self {
            Self::Inject(inject) => inject.run(out),
            Self::Uninject(uninject) => uninject.run(out),
            Self::Diff(diff) => diff.run(out),
            Self::Explain(explain) => explain.run(out),
            Self::Coverage(coverage) => coverage.run(out),
            Self::Preflight(preflight) => preflight.run(out),
            Self::CheckSettings(check) => check.run(out),
            Self::Convert(convert) => convert.run(out),
            Self::Krm(krm) => krm.run(out),
            Self::Version { output } => version(*output, out),
            Self::Completions { shell } => completions(*shell, out),
            Self::Man { directory: Some(folder), .. } => pages(folder),
            Self::Man { command, directory: None } => page(command.as_deref(), out),
        }
    }
}

fn version(output: Output, out: &mut impl Write) -> Done {
    let version = env!("CARGO_PKG_VERSION");
    match output {
        Output::Text => writeln!(out, "datakit-inject {version}")?,
        format => write!(out, "{}", format.write(&json!({ "version": version }))?)?,
    }
    Ok(Exit::Done)
}

fn page(name: Option<&str>, out: &mut impl Write) -> Done {
    let mut command = Cli::command();
    command.build();
    if let Some(name) = name {
        let found = command.find_subcommand(name).cloned();
        command = found.ok_or_else(|| format!("there is no command `{name}`"))?;
    }
    Man::new(command).render(out)?;
    Ok(Exit::Done)
}

fn pages(folder: &Path) -> Done {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| format!("cannot write to {}: {}", folder.display(), reason(&error)))?;
    Ok(Exit::Done)
}

fn completions(shell: Shell, out: &mut impl Write) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "datakit-inject", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Done)
}
