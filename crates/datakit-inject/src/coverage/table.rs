//! Coverage as a table, with the columns of kubectl.

use std::io::{self, Write};

use console::{measure_text_width, style};

use super::Coverage;
use super::state::State;
use crate::failure::count;

const HEADER: [&str; 5] = ["NAMESPACE", "WORKLOAD", "PODS", "STATE", "INJECTIONS"];

/// The column of the state.
const STATE: usize = 3;

pub(super) fn print(coverage: &Coverage, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<_> = coverage
        .workloads
        .iter()
        .map(|counted| {
            let row = &counted.row;
            let injections = match row.injections.is_empty() {
                true => "-".to_owned(),
                false => row.injections.join(","),
            };
            let pods = if row.pods { counted.objects.to_string() } else { "-".to_owned() };
            let cells = [
                row.namespace.clone(),
                row.workload.clone(),
                pods,
                row.state.word().to_owned(),
                injections,
            ];
            (cells, row)
        })
        .collect();
    if !rows.is_empty() {
        let mut widths = HEADER.map(str::len);
        for (cells, _) in &rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(measure_text_width(cell));
            }
        }
        let header: String =
            HEADER.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}   ")).collect();
        writeln!(out, "{}", style(format!("{header}REASON")).bold())?;
        for (cells, row) in &rows {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
                let cell = format!("{cell:width$}");
                match column {
                    STATE => line.push_str(&coloured(row.state, cell)),
                    _ => line.push_str(&cell),
                }
                line.push_str("   ");
            }
            line.push_str(row.reason.as_deref().unwrap_or_default());
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)?;
    }
    let objects: usize = coverage.summary.values().sum();
    let counts: Vec<_> = coverage
        .summary
        .iter()
        .map(|(state, number)| format!("{number} {}", state.word()))
        .collect();
    match counts.is_empty() {
        true => writeln!(out, "{}", count(0, "object")),
        false => writeln!(out, "{}: {}", count(objects, "object"), counts.join(", ")),
    }
}

fn coloured(state: State, cell: String) -> String {
    let cell = style(cell);
    let cell = match state {
        State::UpToDate => cell.green(),
        State::Outdated | State::Pending => cell.yellow(),
        State::Skipped | State::UnreadableRecord => cell.red(),
        State::OptedOut | State::NotSelected => cell.dim(),
    };
    cell.to_string()
}
