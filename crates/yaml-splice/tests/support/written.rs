//! YAML documents as people write them: values in every style, with a writer's habits.

use std::fmt::Write as _;

use proptest::prelude::*;
use yaml_splice::Value;

/// A value as somebody writes it.
#[derive(Clone, Debug)]
pub enum Written {
    Scalar(Value, u8),
    Seq(Vec<Written>, bool),
    Map(Vec<(String, Written)>, bool),
}

impl Written {
    pub fn is_filled(&self) -> bool {
        match self {
            Self::Scalar(..) => false,
            Self::Seq(elements, _) => !elements.is_empty(),
            Self::Map(members, _) => !members.is_empty(),
        }
    }
}

/// The habits of a writer.
#[derive(Clone, Debug)]
pub struct Habits {
    pub step: usize,
    pub dash: usize,
    pub carriage_returns: bool,
    pub comments: bool,
    pub blank_lines: bool,
    pub ends_with_newline: bool,
}

pub fn habits() -> impl Strategy<Value = Habits> {
    (1..5_usize, 0..4_usize, any::<[bool; 4]>()).prop_map(|(step, dash, flags)| Habits {
        step,
        dash,
        carriage_returns: flags[0],
        comments: flags[1],
        blank_lines: flags[2],
        ends_with_newline: flags[3],
    })
}

pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        "[ -~]{0,12}",
        "[a-z #:'\"\\-\n\t]{0,12}",
        "(yes|no|null|~|1\\.0|0644|1e3|<<|- a|a: b|# c|\\*x|&y|!z|%d|@e|\\{\\}|\\[\\]|é|日本)",
        "([a-z]{1,4}\n){1,3}[a-z]{0,3}",
    ]
}

/// The document of a map, as somebody with these habits writes it.
pub fn written(members: &[(String, Written)], habits: &Habits) -> String {
    let mut text = String::new();
    if habits.comments {
        text.push_str("# at the beginning\n");
    }
    block_map(members, 0, habits, &mut text);
    if !habits.ends_with_newline && text.ends_with('\n') {
        text.pop();
    }
    if habits.carriage_returns { text.replace('\n', "\r\n") } else { text }
}

fn block_map(members: &[(String, Written)], indent: usize, habits: &Habits, text: &mut String) {
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 {
            between(indent, habits, text);
        }
        let pad = if text.ends_with('\n') || text.is_empty() { indent } else { 0 };
        write!(text, "{}{}:", " ".repeat(pad), one_line(&Value::String(key.clone()), 1)).unwrap();
        let deeper = match value {
            Written::Seq(..) => indent + habits.dash,
            _ => indent + habits.step,
        };
        behind(value, indent, deeper, habits, text);
    }
}

fn block_seq(elements: &[Written], indent: usize, habits: &Habits, text: &mut String) {
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            between(indent, habits, text);
        }
        let pad = if text.ends_with('\n') || text.is_empty() { indent } else { 0 };
        write!(text, "{}-", " ".repeat(pad)).unwrap();
        if element.is_filled() && matches!(element, Written::Map(_, false) | Written::Seq(_, false))
        {
            text.push(' ');
            match element {
                Written::Map(members, _) => block_map(members, indent + 2, habits, text),
                Written::Seq(elements, _) => block_seq(elements, indent + 2, habits, text),
                Written::Scalar(..) => {}
            }
        } else {
            behind(element, indent, indent + 2, habits, text);
        }
    }
}

/// What follows a key or a dash, up to the end of the line.
fn behind(value: &Written, indent: usize, deeper: usize, habits: &Habits, text: &mut String) {
    match value {
        Written::Map(members, false) if !members.is_empty() => {
            text.push('\n');
            block_map(members, deeper, habits, text);
        }
        Written::Seq(elements, false) if !elements.is_empty() => {
            text.push('\n');
            block_seq(elements, deeper, habits, text);
        }
        Written::Scalar(Value::Null, style) if style % 2 == 0 => text.push('\n'),
        Written::Scalar(Value::Null, style) if style % 3 == 0 => {
            writeln!(text, "\n{}null", " ".repeat(indent + habits.step)).unwrap();
        }
        Written::Seq(elements, true) if elements.is_empty() => {
            writeln!(text, "\n{}[]", " ".repeat(indent + habits.step)).unwrap();
        }
        Written::Map(members, true) if members.is_empty() => {
            writeln!(text, "\n{}{{ }}", " ".repeat(indent + habits.step)).unwrap();
        }
        Written::Scalar(Value::String(string), style)
            if style % 3 == 0 && is_simple_block(string) =>
        {
            let (style, between) = if style % 2 == 0 { ('|', "\n") } else { ('>', "\n\n") };
            let chomping = if string.ends_with('\n') { "" } else { "-" };
            let pad = " ".repeat(indent + habits.step);
            let lines: Vec<_> = string.lines().map(|line| format!("{pad}{line}")).collect();
            writeln!(text, " {style}{chomping}\n{}", lines.join(between)).unwrap();
        }
        value => {
            let comment = if habits.comments { " # beside" } else { "" };
            writeln!(text, " {}{comment}", flow(value)).unwrap();
        }
    }
}

fn is_simple_block(text: &str) -> bool {
    text.contains('\n')
        && text.lines().all(|line| !line.trim().is_empty() && line.trim_start() == line)
        && !text.contains('\t')
}

fn between(indent: usize, habits: &Habits, text: &mut String) {
    if habits.blank_lines {
        text.push('\n');
    }
    if habits.comments {
        writeln!(text, "{}# between", " ".repeat(indent)).unwrap();
    }
}

fn flow(value: &Written) -> String {
    match value {
        Written::Scalar(data, style) => one_line(data, *style),
        Written::Seq(elements, _) => {
            format!("[{}]", elements.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Written::Map(members, _) => {
            let member = |(key, value): &(String, Written)| {
                format!("{}: {}", one_line(&Value::String(key.clone()), 1), flow(value))
            };
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}

fn one_line(value: &Value, style: u8) -> String {
    match value {
        Value::String(text) if text.chars().any(char::is_control) => double(text),
        Value::String(text) => match style % 3 {
            0 => double(text),
            1 => format!("'{}'", text.replace('\'', "''")),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

fn double(text: &str) -> String {
    // JSON leaves the last control character as it is.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
