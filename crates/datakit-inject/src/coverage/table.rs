//! Coverage as a table, with the columns of kubectl.

use std::io::{self, Write};

use console::style;
use serde_json::json;

use super::state::{Row, State, summary};
use crate::kubectl::Kubectl;
use crate::terminal::{count, say};

const HEADER: [&str; 5] = ["NAMESPACE", "WORKLOAD", "PODS", "STATE", "INJECTIONS"];

pub(super) fn print(rows: &[Row], kubectl: &Kubectl, out: &mut impl Write) -> io::Result<()> {
    let summary = summary(rows);
    let counts = summary.iter().map(|(state, number)| format!("{number} {}", state.word()));
    let objects = say(&count(summary.values().sum(), "object")).into_owned();
    if rows.is_empty() {
        return writeln!(out, "{objects}");
    }
    print_rows(rows, out)?;
    let crashing = rows.iter().filter(|row| row.state == State::Crashing);
    let mut opt_outs: Vec<_> = crashing.filter_map(|row| opt_out(row, kubectl)).collect();
    // A workload and its Pods are rows next to each other.
    opt_outs.dedup();
    if !opt_outs.is_empty() {
        writeln!(out, "\n{}\n{}", say("To opt out what is crashing:"), opt_outs.join("\n"))?;
    }
    writeln!(out, "\n{objects}{}{}", say(": "), counts.collect::<Vec<_>>().join(&say(", ")))
}

fn print_rows(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    let cells = |row: &Row| {
        let pods = if row.pods { row.objects.to_string() } else { "-".to_owned() };
        let injections = row.injections.join(",");
        let injections = if injections.is_empty() { "-".to_owned() } else { injections };
        [row.namespace.clone(), row.workload.clone(), pods, row.state.word(), injections]
    };
    let lines: Vec<_> = rows.iter().map(|row| (cells(row), row)).collect();
    let mut widths = HEADER.map(str::len);
    for (cells, _) in &lines {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.len());
        }
    }
    let header = HEADER.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}   "));
    let header: String = header.collect();
    writeln!(out, "{}", style(format!("{header}REASON")).bold())?;
    for (cells, row) in &lines {
        let mut line = String::new();
        for ((cell, width), title) in cells.iter().zip(widths).zip(HEADER) {
            let cell = format!("{cell:width$}");
            let cell = if title == "STATE" { coloured(row.state, cell) } else { cell };
            line.push_str(&format!("{cell}   "));
        }
        line.push_str(row.reason.as_deref().unwrap_or_default());
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn coloured(state: State, cell: String) -> String {
    let cell = style(cell);
    let cell = match state {
        State::UpToDate => cell.green(),
        State::Outdated | State::Pending => cell.yellow(),
        State::Crashing | State::Skipped | State::UnreadableRecord => cell.red(),
        State::OptedOut | State::NotSelected => cell.dim(),
    };
    cell.to_string()
}

/// The command that opts a workload out; `None` if its template is immutable.
fn opt_out(row: &Row, kubectl: &Kubectl) -> Option<String> {
    let annotations = json!({ "annotations": { "admission.datakit/enabled": "false" } });
    let template = json!({ "spec": { "template": { "metadata": annotations } } });
    let patch = match row.workload.split('/').next() {
        Some("Pod" | "Job") => return None,
        Some("CronJob") => json!({ "spec": { "jobTemplate": template } }),
        _ => template,
    };
    Some(kubectl.patch(&row.workload.to_lowercase(), &row.namespace, "merge", &patch))
}
