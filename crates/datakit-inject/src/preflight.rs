//! `preflight`: whether a cluster is ready for the policy.

mod checks;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use console::style;
use serde::Serialize;

use crate::args::Output;
use crate::kubectl::Kubectl;
use crate::terminal::{Done, Exit, count, say};
use checks::{Status, checks};

#[derive(Args)]
pub(crate) struct Preflight {
    /// The settings to come [default: those of the policy that is there, or else of the Operator]
    #[arg(short, long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// The namespace of the Operator and of DataKit
    #[arg(short, long, default_value = "datakit")]
    namespace: String,
    #[command(flatten)]
    kubectl: Kubectl,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    status: Status,
    message: String,
    link: String,
}

/// Has a section for each check.
const PAGE: &str =
    "https://github.com/GuanceCloud/datakit-injection-policy/blob/main/docs/command.md";

impl Preflight {
    pub(crate) fn run(&self, out: &mut impl Write) -> Done {
        let checks = checks(&self.kubectl, &self.namespace, self.settings.as_deref())?;
        let checks = checks.into_iter().map(|(check, (status, message))| {
            let (message, link) = (say(&message).into_owned(), format!("{PAGE}#{check}"));
            Check { check, status, message, link }
        });
        let checks: Vec<Check> = checks.collect();
        match self.output {
            Output::Text => print(&checks, out)?,
            format => write!(out, "{}", format.write(&checks)?)?,
        }
        Ok(Exit::of(checks.iter().any(|check| check.status == Status::Failed), 0))
    }
}

fn print(checks: &[Check], out: &mut impl Write) -> io::Result<()> {
    let width = checks.iter().map(|check| check.check.len()).max().unwrap_or_default();
    for Check { check, status, message, link } in checks {
        let mark = match status {
            Status::Fine => style("✓").green(),
            Status::Limit => style("!").yellow(),
            Status::Failed => style("✗").red(),
        };
        writeln!(out, "{mark} {check:width$}  {message}")?;
        if *status != Status::Fine {
            writeln!(out, "  {:width$}  {link}", "")?;
        }
    }
    let number = |status| checks.iter().filter(|check| check.status == status).count();
    let summary = match (number(Status::Failed), number(Status::Limit)) {
        (0, 0) => "the cluster is ready".to_owned(),
        (0, limits) => format!("the cluster is ready, with {}", count(limits, "limit")),
        (failed, _) => format!("{} to solve first", count(failed, "problem")),
    };
    writeln!(out, "\n{}", say(&summary))
}
