//! The arguments of the command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use messages::Language;

use crate::convert::{Resources, Target};
use crate::coverage::FailOn;

/// See what the Datakit injection policy does to manifests, before a cluster does.
#[derive(Parser)]
#[command(name = "datakit-inject", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  found: a difference (`diff --exit-code`), a workload (`coverage --fail-on`),
     an error in settings (`check-settings`), a note (`check-settings --strict`)
  2  could not: a file is unreadable or not a manifest, or the arguments are wrong

Errors are listed on standard error as FILE:LINE: REASON; everything else is processed.
Named kubectl-datakit_inject and on the PATH, this is `kubectl datakit-inject`.";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print manifests with the injections in them.
    ///
    /// Only what is injected changes: comments, quotes, order, indentation and line breaks stay as
    /// they are, and JSON stays JSON.
    #[command(after_help = "\
Examples:
  datakit-inject inject -f shop.yaml -s settings.yaml | kubectl apply -f -
  datakit-inject inject -f manifests/ -s settings.yaml --in-place
  kubectl get deployment shop -o yaml | datakit-inject inject -f - -s settings.yaml
  helm template shop ./chart | datakit-inject inject -f - -s settings.yaml -n shop")]
    Inject {
        #[command(flatten)]
        input: Input,
        /// Write the injections into the files, and print the names of those that change.
        #[arg(short, long)]
        in_place: bool,
    },
    /// Print manifests without the injections that are recorded in them
    ///
    /// A workload has the record in the annotation `admission.datakit/injected`; what was changed
    /// since stays. Pods have none.
    #[command(after_help = "\
Only lines of injections go; all others stay as they are. What `inject` had to rewrite does not
come back as it was written: an alias that became two values, a variable that was moved.

Examples:
  datakit-inject uninject -f shop.yaml
  datakit-inject uninject -f manifests/ --in-place
  datakit-inject uninject -f shop.yaml --injection logfwd
  kubectl get deployment shop -o yaml | datakit-inject uninject -f - -s settings.yaml")]
    Uninject {
        /// A manifest, a folder of them, or `-` for standard input. May be repeated. In folders, hidden
        /// files and what `.gitignore` names are left out.
        #[arg(short, long = "filename", required = true)]
        filenames: Vec<PathBuf>,
        /// The settings, where they have `policy.id` or `policy.extra_workloads`.
        #[arg(short, long)]
        settings: Option<PathBuf>,
        /// Remove this injection alone, such as `logfwd` or `ddtrace-java`.
        #[arg(long, value_name = "NAME", value_parser = crate::uninject::injection)]
        injection: Option<String>,
        /// Write the manifests into the files, and print the names of those that change.
        #[arg(short, long)]
        in_place: bool,
    },
    /// Print what injection changes, as a unified diff for each file.
    #[command(after_help = "\
Examples:
  datakit-inject diff -f manifests/ -s settings.yaml
  datakit-inject diff -f shop.yaml -s settings.yaml --exit-code
  datakit-inject diff -f shop.yaml -s settings.yaml | patch shop.yaml")]
    Diff {
        #[command(flatten)]
        input: Input,
        /// Exit with 1 if anything changes.
        #[arg(long)]
        exit_code: bool,
    },
    /// Print for each object what is injected or skipped, and why.
    #[command(after_help = "\
Examples:
  datakit-inject explain -f manifests/ -s settings.yaml
  datakit-inject explain -f shop.yaml -s settings.yaml --verbose
  datakit-inject explain -f manifests/ -s settings.yaml -o json | jq")]
    Explain {
        #[command(flatten)]
        input: Input,
        /// Print every candidate rule too, and why it matches or not.
        #[arg(short, long)]
        verbose: bool,
        /// The format.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
        /// The language of the messages.
        #[arg(long, value_enum, default_value_t)]
        lang: Lang,
    },
    /// Print which workloads of a cluster run with the injections
    ///
    /// Reads what `kubectl get` prints. Each object is run through the policy as if it were created:
    ///
    ///   up-to-date         injected, as the settings say now
    ///   outdated           injected by other settings, or in another version
    ///   pending            not injected; the next rollout injects it
    ///   skipped            asked for, but cannot be injected
    ///   unreadable-record  has a record of injections that cannot be read
    ///   opted-out          an annotation opts out
    ///   not-selected       no rule and no annotation asks for anything
    #[command(
        verbatim_doc_comment,
        after_help = "\
Pods of one owner in one state are one line. A policy that injects into Pods leaves workloads
as they are: with one, pass Pods alone.

Examples:
  kubectl get pods -A -o json | datakit-inject coverage -s policy.yaml
  kubectl get deployments,cronjobs -A -o json | datakit-inject coverage -s policy.yaml
  kubectl get pods -n shop -o json | datakit-inject coverage -s policy.yaml --fail-on missing
  datakit-inject coverage -f workloads.json -s policy.yaml -o json | jq"
    )]
    Coverage {
        /// What `kubectl get -o json` or `-o yaml` printed; `-` is standard input. May be repeated.
        #[arg(short, long = "filename", default_value = "-")]
        filenames: Vec<PathBuf>,
        #[command(flatten)]
        settings: Settings,
        /// The format.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
        /// Exit with 1 if a workload is in such a state.
        #[arg(long, value_enum)]
        fail_on: Option<FailOn>,
    },
    /// Print all errors of settings, and notes on what is valid but surely not meant
    #[command(after_help = "\
The file is a plain configuration of Datakit Operator, the Operator's ConfigMap, its whole
datakit-operator.yaml, a List that kubectl printed, values of a chart that hold a configuration, or a
ClusterAdmissionPolicy or AdmissionPolicy; YAML or JSON. The matchConditions of a policy are checked
too: they have to let through what its settings select.

Examples:
  datakit-inject check-settings settings.yaml
  datakit-inject check-settings policy.yaml --strict
  kubectl -n datakit get configmap datakit-operator-config -o yaml | datakit-inject check-settings -")]
    CheckSettings {
        /// The file; `-` is standard input.
        file: PathBuf,
        /// Exit with 1 if there are notes.
        #[arg(long)]
        strict: bool,
        /// The language of the messages.
        #[arg(long, value_enum, default_value_t)]
        lang: Lang,
    },
    /// Convert an Operator configuration into a policy manifest, optionally with v2 rules.
    #[command(after_help = "\
The file is what `check-settings` reads; it must have no errors. A configuration becomes a new
manifest in mode `monitor`; of a policy's manifest, the matchConditions are renewed and the rest is
kept. With --v2, rules of any release become rules of `admission_inject_v2` with the same meaning;
what those cannot express is listed on standard error.

Examples:
  datakit-inject convert operator-config.yaml > policy.yaml
  datakit-inject convert values.yaml --v2 --resources pods | kubectl apply -f -
  datakit-inject convert policy.yaml > renewed.yaml
  datakit-inject convert settings.json --v2 --to settings")]
    Convert {
        /// The file; `-` is standard input.
        file: PathBuf,
        /// What to convert it to.
        #[arg(long, value_enum, default_value_t)]
        to: Target,
        /// Turn `admission_inject` into rules of `admission_inject_v2`, and loggings likewise.
        #[arg(long)]
        v2: bool,
        /// What a new policy injects into.
        #[arg(long, value_enum, default_value_t)]
        resources: Resources,
    },
    /// Print a script that completes this command in a shell.
    #[command(after_help = "\
Examples:
  source <(datakit-inject completions bash)
  datakit-inject completions zsh > ~/.zfunc/_datakit-inject")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, of this command or of one of its commands.
    #[command(after_help = "\
Examples:
  datakit-inject man | man -l -
  datakit-inject man coverage | man -l -
  datakit-inject man --directory ~/.local/share/man/man1")]
    Man {
        /// One of the commands.
        #[arg(conflicts_with = "directory")]
        command: Option<String>,
        /// Write all pages into this folder instead.
        #[arg(long)]
        directory: Option<PathBuf>,
    },
}

/// Manifests and settings.
#[derive(Args)]
pub(crate) struct Input {
    /// A manifest, a folder of them, or `-` for standard input. May be repeated. In folders, hidden
    /// files and what `.gitignore` names are left out.
    #[arg(short, long = "filename", required = true)]
    pub(crate) filenames: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Settings, and where objects are that do not say it.
#[derive(Args)]
pub(crate) struct Settings {
    /// The settings: a configuration, or whatever holds one, as `check-settings` reads it.
    #[arg(short, long)]
    pub(crate) settings: PathBuf,
    /// The namespace of objects that name none [default: default]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}

/// A format for people or for machines.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// A language of messages.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::English,
            Lang::Zh => Self::Chinese,
        }
    }
}

/// A format of a list.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// A table, for people.
    #[default]
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}
