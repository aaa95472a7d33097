//! `datakit-inject`: see what the policy does, before a cluster does.

mod convert;
mod manifests;
mod preview;
mod settings_file;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::convert::{Resources, Target};
use crate::manifests::Document;
use crate::preview::Preview;
use crate::settings_file::SettingsFile;

/// See what the Datakit injection policy does to manifests, before a cluster does.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  `diff --exit-code` found a difference, or `check-settings` found faults
  2  a file cannot be read, or the arguments are wrong";

#[derive(Subcommand)]
enum Command {
    /// Print manifests with the injections in them.
    #[command(after_help = "\
Examples:
  datakit-inject inject -f shop.yaml -s settings.yaml | kubectl apply -f -
  kubectl get deployment shop -o yaml | datakit-inject inject -f - -s settings.yaml")]
    Inject(Input),
    /// Print what injection changes, as a unified diff for each object.
    #[command(after_help = "\
Examples:
  datakit-inject diff -f manifests/ -s settings.yaml
  datakit-inject diff -f shop.yaml -s settings.yaml --exit-code")]
    Diff {
        #[command(flatten)]
        input: Input,
        /// Exit with 1 where something changes.
        #[arg(long)]
        exit_code: bool,
    },
    /// Say for each object which rules and annotations were looked at, and what came of it.
    #[command(after_help = "\
Examples:
  datakit-inject explain -f shop.yaml -s settings.yaml
  datakit-inject explain -f manifests/ -s settings.yaml -o json | jq")]
    Explain {
        #[command(flatten)]
        input: Input,
        /// For people or for machines.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Print all faults of settings, with their paths.
    #[command(after_help = "\
The file is a plain configuration of Datakit Operator, the Operator's ConfigMap, values of a chart
that hold one, or a ClusterAdmissionPolicy or AdmissionPolicy; YAML or JSON.

Examples:
  datakit-inject check-settings settings.yaml
  kubectl -n datakit get configmap datakit-operator-config -o yaml | datakit-inject check-settings -")]
    CheckSettings {
        /// The file; `-` is standard input.
        file: PathBuf,
    },
    /// Make a policy's manifest of the Operator's configuration, and rules of version 2.
    #[command(after_help = "\
The file is what `check-settings` reads; it must have no faults. What cannot be said exactly in
version 2 is told on standard error.

Examples:
  datakit-inject convert operator-config.yaml > policy.yaml
  datakit-inject convert values.yaml --v2 --resources pods | kubectl apply -f -
  datakit-inject convert settings.json --v2 --to settings")]
    Convert {
        /// The file; `-` is standard input.
        file: PathBuf,
        /// What to make of it.
        #[arg(long, value_enum, default_value_t)]
        to: Target,
        /// Turn `admission_inject` into rules of `admission_inject_v2`.
        #[arg(long)]
        v2: bool,
        /// What the policy is to inject into.
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
}

#[derive(Args)]
struct Input {
    /// A manifest, a folder of them, or `-` for standard input; may be given several times.
    #[arg(short, long = "filename", required = true)]
    filenames: Vec<PathBuf>,
    /// The settings: a configuration, or whatever holds one, as `check-settings` reads it.
    #[arg(short, long)]
    settings: PathBuf,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Output {
    #[default]
    Text,
    Json,
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    match run(&Cli::parse().command, &mut out) {
        Ok(code) => code,
        // Whoever reads has read enough.
        Err(Failure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let message = match failure {
                Failure::Write(error) => format!("cannot write: {error}"),
                Failure::Message(message) => message,
            };
            eprintln!("{}: {message}", style("error").for_stderr().red().bold());
            ExitCode::from(2)
        }
    }
}

/// Why a command stops.
enum Failure {
    /// Standard output takes no more.
    Write(io::Error),
    /// Something to tell.
    Message(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

fn run(command: &Command, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match command {
        Command::Inject(input) => {
            for (index, (document, preview)) in input.previews()?.iter().enumerate() {
                if index > 0 {
                    writeln!(out, "---")?;
                }
                match preview.is_changed() {
                    true => write!(out, "{}", preview.after)?,
                    false => writeln!(out, "{}", document.text.trim_end())?,
                }
                preview.warn();
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Diff { input, exit_code } => {
            let mut changed = false;
            for (document, preview) in input.previews()? {
                changed |= preview.is_changed();
                preview.diff(&document.origin, out)?;
                preview.warn();
            }
            Ok(ExitCode::from(u8::from(*exit_code && changed)))
        }
        Command::Explain { input, output } => {
            let previews = input.previews()?;
            match output {
                Output::Text => {
                    for (document, preview) in &previews {
                        preview.explain(&document.origin, out)?;
                    }
                }
                Output::Json => {
                    let explained: Vec<_> = previews
                        .iter()
                        .map(|(document, preview)| preview.explained(&document.origin))
                        .collect();
                    let text = serde_json::to_string_pretty(&explained);
                    writeln!(out, "{}", text.map_err(|error| error.to_string())?)?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::CheckSettings { file } => {
            let settings = SettingsFile::read(file)?;
            let faults = datakit_injection::settings::validate(&settings.json);
            for fault in &faults {
                writeln!(out, "{fault}")?;
            }
            let what = settings.kind;
            match faults.len() {
                0 => writeln!(out, "valid; taken for {what}")?,
                1 => writeln!(out, "1 fault; taken for {what}")?,
                count => writeln!(out, "{count} faults; taken for {what}")?,
            }
            Ok(ExitCode::from(u8::from(!faults.is_empty())))
        }
        Command::Convert { file, to, v2, resources } => {
            let settings = SettingsFile::read_valid(file)?;
            let converted = convert::convert(&settings.json, *to, *v2, *resources)?;
            for note in converted.notes {
                eprintln!("{}: {note}", style("note").for_stderr().yellow());
            }
            write!(out, "{}", converted.text)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "datakit-inject", &mut script);
            out.write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// So many documents take long enough for somebody to wonder.
const MANY: usize = 200;

impl Input {
    /// Runs every document through the policy.
    fn previews(&self) -> Result<Vec<(Document, Preview)>, Failure> {
        let settings = SettingsFile::read_valid(&self.settings)?;
        let documents = manifests::read(&self.filenames)?;
        let target = match documents.len() {
            // Shows nothing where standard error is no terminal.
            MANY.. => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        let progress = ProgressBar::with_draw_target(Some(documents.len() as u64), target);
        let mut previews = Vec::new();
        for document in documents {
            let preview = Preview::of(&document, &settings.json)?;
            previews.push((document, preview));
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(previews)
    }
}
