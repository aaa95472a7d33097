//! The log line of a request, as Kubewarden's host takes it: a JSON object with a level and a message.

use datakit_injection::json::{Object, Value};
use datakit_injection::policy::Answer;
use datakit_injection::report::InjectionName;
use datakit_injection::settings::LogLevel;
use kubewarden_policy_sdk::wapc_guest::host_call;

/// Logs what was done and why not, if anything happened and its level is logged.
pub(crate) fn log(answer: &Answer) {
    if let Some(line) = line(answer) {
        // Failing to log must not fail the request.
        let _response = host_call("kubewarden", "tracing", "log", line.to_json().as_bytes());
    }
}

/// The line; its message names the lists that it has.
fn line(answer: &Answer) -> Option<Object<'static>> {
    let (report, least) = (&answer.report, answer.log_level);
    let is_debug = least <= LogLevel::Debug;
    let warnings = if is_debug { report.warnings() } else { Vec::new() };
    let lists = [
        ("injected", LogLevel::Info, named(&report.injected, "rule")),
        ("removed", LogLevel::Info, strings(&report.removed)),
        ("skipped", LogLevel::Warn, named(&report.skipped, "reason")),
        ("warnings", LogLevel::Debug, strings(&warnings)),
    ];
    let is_logged = |(_, level, list): &(_, LogLevel, Vec<_>)| *level >= least && !list.is_empty();
    let lists: Vec<_> = lists.into_iter().filter(is_logged).collect();
    let level = match lists.iter().map(|(_, level, _)| *level).max()? {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn | LogLevel::Error => "warning",
    };
    let message: Vec<&str> = lists.iter().map(|(name, ..)| *name).collect();
    let mut line = Object::default();
    line.set("level", Value::string(level));
    line.set("message", Value::string(&message.join(", ")));
    line.set("workload", Value::string(&report.workload));
    if is_debug {
        let (release, reason) = answer.release;
        line.set("release", Value::string(&format!("{release}: {reason}")));
    }
    for (name, _, list) in lists {
        line.set(name, Value::Array(list));
    }
    Some(line)
}

fn strings(texts: &[String]) -> Vec<Value<'static>> {
    texts.iter().map(|text| Value::string(text)).collect()
}

/// Injections, each with what is to be known about it.
fn named(injections: &[(InjectionName, String)], key: &'static str) -> Vec<Value<'static>> {
    let entry = |(name, text): &(InjectionName, String)| {
        let name = Value::string(&name.to_string());
        Value::object([("injection", name), (key, Value::string(text))])
    };
    injections.iter().map(entry).collect()
}
