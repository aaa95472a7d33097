//! The pages that exist in English and in Chinese keep together.
//!
//! Section by section, these are compared: the heading (its level, and the anchor that GitHub gives
//! to the English one; the Chinese page has it as `<a id="…"></a>` before its own heading), fenced
//! blocks without their comments, what is in backticks (in tables cell by cell), and links. So a
//! heading, an example, a key, a default or a link that changes in one language fails until the other
//! follows. Prose is not compared.

use std::collections::BTreeSet;
use std::path::Path;

use crate::documents::{pages, read};

/// Pages in English, and their counterparts in Chinese.
const PAIRS: [(&str, &str); 8] = [
    ("README.md", "README.zh-CN.md"),
    ("docs/quickstart.md", "docs/zh-CN/quickstart.md"),
    ("docs/settings.md", "docs/zh-CN/settings.md"),
    ("docs/operating.md", "docs/zh-CN/operating.md"),
    ("docs/troubleshooting.md", "docs/zh-CN/troubleshooting.md"),
    ("docs/migrating.md", "docs/zh-CN/migrating.md"),
    ("docs/differences.md", "docs/zh-CN/differences.md"),
    ("docs/command.md", "docs/zh-CN/command.md"),
];

#[derive(Default)]
struct Page {
    /// Where the line at the top leads: the page in the other language.
    counterpart: String,
    /// The first one is what precedes the first heading.
    sections: Vec<Section>,
}

#[derive(Default)]
struct Section {
    /// The marks and the anchor: `## limits`.
    heading: String,
    /// Fenced blocks and rows of tables in their order; then words in backticks and links, sorted,
    /// because a sentence has them in another order in another language.
    facts: Vec<String>,
}

fn is_chinese(path: &str) -> bool {
    path.contains("zh-CN")
}

/// The anchor that GitHub gives to a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn without_comment(line: &str) -> &str {
    let code = if line.trim_start().starts_with('#') { "" } else { line };
    code.split(" # ").next().unwrap().trim_end()
}

/// The target of a link, from the root of the project.
fn resolve(path: &str, target: &str) -> String {
    if target.contains("://") {
        return target.to_owned();
    }
    let (file, anchor) = target.find('#').map_or((target, ""), |at| target.split_at(at));
    let mut parts: Vec<&str> = path.split('/').collect();
    if !file.is_empty() {
        parts.pop();
        for part in file.split('/') {
            if part == ".." {
                parts.pop();
            } else {
                parts.push(part);
            }
        }
    }
    parts.join("/") + anchor
}

/// Where a link of an English page leads on the Chinese one: to the Chinese counterpart, if there is
/// one.
fn in_chinese(link: &str) -> String {
    let (file, anchor) = link.find('#').map_or((link, ""), |at| link.split_at(at));
    let pair = PAIRS.into_iter().find(|(english, _)| *english == file);
    format!("{}{anchor}", pair.map_or(file, |(_, chinese)| chinese))
}

/// What is in backticks, with them, and the rest.
fn split_code(text: &str) -> (Vec<String>, String) {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut code, mut rest) = (Vec::new(), String::new());
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            code.push(format!("`{part}`"));
        } else {
            rest.push_str(part);
        }
    }
    (code, rest)
}

/// The targets of a text without code, from the root of the project.
fn links(path: &str, text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    targets.map(|target| resolve(path, target)).collect()
}

/// The links of a part of a page, as the Chinese page has to have them.
fn expected_links(path: &str, text: &str) -> Vec<String> {
    let links = links(path, text);
    if is_chinese(path) { links } else { links.iter().map(|link| in_chinese(link)).collect() }
}

/// What is in backticks in each cell of a row, sorted.
fn cells(row: &str) -> String {
    let row = row.replace("\\|", "¦");
    let cells = row.trim().trim_matches('|').split('|').map(|cell| {
        let (mut code, _) = split_code(cell);
        code.sort();
        code.join(" ")
    });
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

fn parse(path: &str, text: &str) -> Page {
    let mut page = Page::default();
    let mut section = Section::default();
    let mut prose = String::new();
    let mut words: BTreeSet<String> = BTreeSet::new();
    let mut targets: Vec<String> = Vec::new();
    let mut anchor: Option<&str> = None;
    let mut block: Option<String> = None;
    // A heading ends the section before it, so one more ends the last.
    for line in text.lines().chain(["# end"]) {
        let trimmed = line.trim_start();
        if let Some(mut open) = block.take() {
            open.push_str(without_comment(line));
            open.push('\n');
            if trimmed == "```" {
                section.facts.push(open);
            } else {
                block = Some(open);
            }
        } else if trimmed.starts_with("```") {
            block = Some(format!("{line}\n"));
        } else if line.starts_with("[中文](") || line.starts_with("[English](") {
            page.counterpart = links(path, line).swap_remove(0);
        } else if let Some(rest) = line.strip_prefix("<a id=\"") {
            anchor = rest.strip_suffix("\"></a>");
        } else if trimmed.starts_with('|') {
            section.facts.push(cells(line));
            targets.extend(expected_links(path, &split_code(line).1));
        } else if line.starts_with('#') {
            let (code, rest) = split_code(&prose);
            words.extend(code);
            targets.extend(expected_links(path, &rest));
            targets.sort();
            section.facts.extend(std::mem::take(&mut words));
            section.facts.extend(targets.drain(..).map(|target| format!("]({target})")));
            prose.clear();

            let (marks, title) = line.split_once(' ').unwrap_or((line, ""));
            words.extend(split_code(title).0);
            let anchor = match anchor.take() {
                Some(anchor) => anchor.to_owned(),
                None if is_chinese(path) && !title.is_ascii() => "(no anchor)".to_owned(),
                None => slug(title),
            };
            let next = Section { heading: format!("{marks} {anchor}"), facts: Vec::new() };
            page.sections.push(std::mem::replace(&mut section, next));
        } else {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    page
}

/// What only one of two pages has, or `None` if they have the same.
fn difference(paths: [&str; 2], english: &[String], chinese: &[String]) -> Option<String> {
    if english == chinese {
        return None;
    }
    let only = |path: &str, facts: &[String], others: &[String]| {
        let facts = facts.iter().filter(|fact| !others.contains(fact));
        let facts: Vec<&str> = facts.map(|fact| fact.trim_end()).collect();
        if facts.is_empty() { None } else { Some(format!("only {path} has {}", facts.join(", "))) }
    };
    let both = [only(paths[0], english, chinese), only(paths[1], chinese, english)];
    let both: Vec<String> = both.into_iter().flatten().collect();
    if both.is_empty() {
        return Some("the same in another order or number".to_owned());
    }
    Some(both.join("; "))
}

/// The commands of a block.
fn commands(block: &str) -> Vec<&str> {
    block.lines().filter(|line| line.trim_start().starts_with("$ ")).collect()
}

/// A block of the Chinese page that prints Chinese, as the English page has it; anything else as it is. What commands
/// print is compared where they are run, in the tests of the command.
fn as_in_english(fact: &str, english: Option<&String>) -> String {
    let plain = fact.replace(" --lang zh", "");
    let same = english.filter(|english| plain != *fact && commands(english) == commands(&plain));
    same.map_or(fact, String::as_str).to_owned()
}

/// How two pages differ, each given as path and text.
fn differences(english: (&str, &str), chinese: (&str, &str)) -> Vec<String> {
    let paths = [english.0, chinese.0];
    let [page, counterpart] = [english, chinese].map(|(path, text)| parse(path, text));
    let mut found = Vec::new();
    for (path, leads_to, other) in
        [(paths[0], &page.counterpart, paths[1]), (paths[1], &counterpart.counterpart, paths[0])]
    {
        if leads_to.as_str() != other {
            found.push(format!("{path} has no link to {other} at its top"));
        }
    }
    let [headings, others] = [&page, &counterpart].map(|page| {
        page.sections.iter().map(|section| section.heading.clone()).collect::<Vec<String>>()
    });
    // Without the same headings, there is no telling which sections to compare.
    if let Some(text) = difference(paths, &headings, &others) {
        found.push(format!("headings: {text}"));
        return found;
    }
    for (section, other) in page.sections.iter().zip(&counterpart.sections) {
        let facts: Vec<String> = (other.facts.iter().enumerate())
            .map(|(index, fact)| as_in_english(fact, section.facts.get(index)))
            .collect();
        if let Some(text) = difference(paths, &section.facts, &facts) {
            found.push(format!("{}: {text}", section.heading));
        }
    }
    found
}

#[test]
fn both_languages_have_the_same_headings_code_keys_and_links() {
    for (english, chinese) in PAIRS {
        let differences =
            differences((english, read(english).as_str()), (chinese, read(chinese).as_str()));
        assert!(
            differences.is_empty(),
            "{english} and {chinese} differ; change the one that was left behind:\n{}",
            differences.join("\n")
        );
    }
}

/// The links of a whole page.
fn links_of(path: &str, text: &str) -> Vec<String> {
    let mut prose = String::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    links(path, &split_code(&prose).1)
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for path in pages() {
        let links = links_of(&path, &read(&path));
        for link in links.iter().filter(|link| !link.contains("://")) {
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            assert!(root.join(file).exists(), "{path}: {link}");
            if anchor.is_empty() {
                continue;
            }
            let sections = parse(file, &read(file)).sections;
            let has = |section: &Section| section.heading.ends_with(&format!("# {anchor}"));
            assert_eq!(sections.iter().filter(|it| has(it)).count(), 1, "{path}: {link}");
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn anchors_are_those_of_github() {
    for (heading, anchor) in [
        ("Rules: `admission_inject_v2`", "rules-admission_inject_v2"),
        ("This policy's own options: `policy`", "this-policys-own-options-policy"),
        ("1. Get the command", "1-get-the-command"),
        ("`logfwd`: 1.5.13 to 1.6.1, and 1.8", "logfwd-1513-to-161-and-18"),
    ] {
        assert_eq!(slug(heading), anchor);
    }
}

const ENGLISH: &str = "\
# Settings

[中文](zh-CN/settings.md)

## Every key

See [above](#settings) and `kubectl
apply`.

| key | default |
| --- | --- |
| `log_level` | `info`, not `warn` |

```yaml
# What is logged.
log_level: warn # less
```
";

const CHINESE: &str = "\
<a id=\"settings\"></a>

# 设置

[English](../settings.md)

<a id=\"every-key\"></a>

## 所有键

用 `kubectl apply`，见[上文](#settings)。

| 键 | 默认值 |
| --- | --- |
| `log_level` | 不是 `warn`，而是 `info` |

```yaml
# 日志级别。
log_level: warn # 少一些
```
";

fn differences_of(english: &str, chinese: &str) -> Vec<String> {
    differences(("docs/settings.md", english), ("docs/zh-CN/settings.md", chinese))
}

#[test]
fn pages_may_differ_in_prose_and_comments() {
    assert_eq!(differences_of(ENGLISH, CHINESE), [""; 0]);
}

#[test]
fn a_block_may_print_chinese_if_its_command_asks_for_it() {
    let english = ENGLISH
        .replace("```yaml", "```console\n$ datakit-inject version -s a\nvalid\n```\n\n```yaml");
    let chinese =
        |block: &str| CHINESE.replace("```yaml", &format!("```console\n{block}\n```\n\n```yaml"));
    for (block, is_same) in [
        ("$ datakit-inject version -s a --lang zh\n有效", true),
        ("$ datakit-inject version -s a\n有效", false),
        ("$ datakit-inject version -s b --lang zh\n有效", false),
    ] {
        assert_eq!(differences_of(&english, &chinese(block)).is_empty(), is_same, "{block}");
    }
}

#[test]
fn a_change_in_one_language_is_found() {
    let (here, there) = ("only docs/settings.md has", "only docs/zh-CN/settings.md has");
    for (from, to, difference) in [
        ("Every key", "All keys", format!("headings: {here} ## all-keys; {there} ## every-key")),
        ("## Every", "### Every", format!("headings: {here} ### every-key; {there} ## every-key")),
        (
            "log_level: warn",
            "log_level: info",
            format!(
                "## every-key: {here} ```yaml\n\nlog_level: info\n```; \
                 {there} ```yaml\n\nlog_level: warn\n```"
            ),
        ),
        (
            "| `log_level`",
            "| `level`",
            format!(
                "## every-key: {here} | `level` | `info` `warn` |; \
                 {there} | `log_level` | `info` `warn` |"
            ),
        ),
        (
            "apply`",
            "replace`",
            format!("## every-key: {here} `kubectl replace`; {there} `kubectl apply`"),
        ),
        (
            "(#settings)",
            "(conditions.md#settings)",
            format!(
                "## every-key: {here} ](docs/conditions.md#settings); \
                 {there} ](docs/zh-CN/settings.md#settings)"
            ),
        ),
        (
            "(zh-CN/settings.md)",
            "(settings.md)",
            "docs/settings.md has no link to docs/zh-CN/settings.md at its top".to_owned(),
        ),
    ] {
        let changed = ENGLISH.replacen(from, to, 1);
        assert_eq!(differences_of(&changed, CHINESE), [difference], "{from}");
    }
    for (from, to, difference) in [
        (
            "<a id=\"settings\"></a>",
            "",
            format!("headings: {here} # settings; {there} # (no anchor)"),
        ),
        (
            "(#settings)",
            "(../settings.md#settings)",
            format!(
                "## every-key: {here} ](docs/zh-CN/settings.md#settings); \
                 {there} ](docs/settings.md#settings)"
            ),
        ),
        (
            "log_level: warn # 少一些",
            "log_level: info",
            format!(
                "## every-key: {here} ```yaml\n\nlog_level: warn\n```; \
                 {there} ```yaml\n\nlog_level: info\n```"
            ),
        ),
    ] {
        let changed = CHINESE.replacen(from, to, 1);
        assert_eq!(differences_of(ENGLISH, &changed), [difference], "{from}");
    }
}
