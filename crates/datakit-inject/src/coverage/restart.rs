//! The script that restarts workloads, group by group.

use std::collections::BTreeMap;

use serde_json::Value;

use super::state::Row;
use crate::kubectl::Kubectl;
use crate::object::{at, text};

/// The script. Each group waits for the one before it.
pub(super) fn script(rows: &[Row], max: u8, kubectl: &Kubectl) -> String {
    // The Pods of an owner can be in several states.
    let rows = rows.iter().map(|row| ((&row.namespace, &row.workload), row));
    let workloads: BTreeMap<_, &Row> = rows.collect();
    let (restarted, left): (Vec<&Row>, Vec<&Row>) =
        workloads.values().partition(|row| why_not(row).is_none());
    let comment = |row: &&Row| {
        format!("# {} in {}: {}", row.workload, row.namespace, why_not(row).unwrap_or_default())
    };
    let mut lines: Vec<String> = left.iter().map(comment).collect();
    lines.push(if restarted.is_empty() { "# nothing to restart" } else { "set -e" }.to_owned());
    let groups = restarted.chunks(usize::from(max));
    let count = groups.len();
    for (index, group) in groups.enumerate() {
        lines.push(format!("# group {} of {count}", index + 1));
        let command = |verb, rows: &[&Row]| {
            let names = rows.iter().map(|row| row.workload.to_lowercase()).collect::<Vec<_>>();
            let namespace = rows.first().map_or("", |row| &row.namespace);
            let words = ["rollout", verb, "--namespace", namespace].into_iter();
            kubectl.words(&words.chain(names.iter().map(String::as_str)).collect::<Vec<_>>())
        };
        let same_namespace = |one: &&Row, two: &&Row| one.namespace == two.namespace;
        lines.extend(group.chunk_by(same_namespace).map(|rows| command("restart", rows)));
        // `rollout status` takes one workload.
        lines.extend(group.chunks(1).map(|row| command("status", row)));
    }
    lines.join("\n") + "\n"
}

/// Why `kubectl rollout` refuses to restart a workload, or to wait for it.
pub(super) fn hold(object: &Value) -> Option<&'static str> {
    let is_on_delete = text(object, "/spec/updateStrategy/type") == "OnDelete";
    match text(object, "/kind") {
        "Deployment" if *at(object, "/spec/paused") == true => {
            Some("its rollout is paused; resume it first")
        }
        "DaemonSet" | "StatefulSet" if is_on_delete => {
            Some("its update strategy is OnDelete; restart it, then delete its pods")
        }
        _ => None,
    }
}

fn why_not(row: &Row) -> Option<&'static str> {
    match row.workload.split('/').next() {
        Some("Deployment" | "StatefulSet" | "DaemonSet") => row.hold,
        Some("CronJob") => Some("is injected when its template is changed"),
        Some("Job" | "Pod" | "ReplicaSet") => Some("create it again"),
        _ => Some("restart it with its own tool"),
    }
}
