//! `datakit-companion`: elects DataKits, and serves logfwd its configuration.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
    )
)]

use std::process::ExitCode;

use clap::Parser as _;
use datakit_companion::companion::run;
use datakit_companion::options::Options;
use datakit_companion::panics;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{Level, error};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() -> ExitCode {
    let options = Options::parse();
    // Below warnings, libraries log every API call; at errors, kube's log each call that fails, which the companion
    // logs once.
    let kube = if options.log_level > Level::INFO { LevelFilter::WARN } else { LevelFilter::OFF };
    let lines = Targets::new()
        .with_default(options.log_level.min(Level::WARN))
        .with_target("kube_client", kube)
        .with_target("kube_runtime", kube)
        .with_target("datakit_companion", options.log_level);
    let log = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(log).with(lines).init();
    panics::log();
    // Two threads serve thousands of requests per second; the default is one per core of the node.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(&options, asked_to_end())).map_err(|it| it.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            error!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Waits for SIGTERM, or for Ctrl-C on a terminal.
async fn asked_to_end() {
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
