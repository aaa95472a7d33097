//! The waPC guest: what Kubewarden calls.

mod allocator;

use kubewarden_policy_sdk::logging::KubewardenDrain;
use kubewarden_policy_sdk::settings::SettingsValidationResponse;
use kubewarden_policy_sdk::wapc_guest::{CallResult, register_function};
use slog::{Drain, Logger, debug, info, o, warn};

use datakit_injection::policy::{self, Answer};
use datakit_injection::settings::LogLevel;
use datakit_injection::validation;

/// Registers what Kubewarden calls. waPC calls this once, before anything else.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a waPC guest exports this symbol")]
extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings);
    register_function("protocol_version", kubewarden_policy_sdk::protocol_version_guest);
}

fn validate(payload: &[u8]) -> CallResult {
    let answer = policy::evaluate(payload);
    log(&answer);
    Ok(answer.into_response().into_bytes())
}

fn validate_settings(payload: &[u8]) -> CallResult {
    let errors = validation::validate(&String::from_utf8_lossy(payload));
    let message: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let response = SettingsValidationResponse {
        valid: errors.is_empty(),
        message: (!errors.is_empty()).then(|| message.join("\n")),
    };
    Ok(serde_json::to_vec(&response)?)
}

/// One line for each injection that was injected, removed or skipped; at `debug` also each warning.
fn log(answer: &Answer) {
    let report = &answer.report;
    let is_quiet = answer.log_level > LogLevel::Debug || report.warnings().is_empty();
    if report.injected.is_empty()
        && report.skipped.is_empty()
        && report.removed.is_empty()
        && is_quiet
    {
        return;
    }
    // Failing to log must not fail the request.
    let drain = KubewardenDrain::default().ignore_res();
    let log = Logger::root(drain, o!("workload" => report.workload.clone()));
    if answer.log_level <= LogLevel::Info {
        for (injection, rule) in &report.injected {
            info!(log, "injected"; "injection" => %injection, "rule" => rule);
        }
        for injection in &report.removed {
            info!(log, "removed"; "injection" => injection);
        }
    }
    if answer.log_level <= LogLevel::Warn {
        for (injection, reason) in &report.skipped {
            warn!(log, "skipped"; "injection" => %injection, "reason" => reason);
        }
    }
    if answer.log_level <= LogLevel::Debug {
        let (release, reason) = answer.release;
        debug!(log, "settings"; "release" => %release, "reason" => reason);
        for warning in report.warnings() {
            debug!(log, "warned"; "warning" => warning);
        }
    }
}
