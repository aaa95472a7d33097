//! The manifest of a policy.

use settings_tools::conditions::{Condition, Conditions, NAMES, Scope, compile};
use settings_tools::manifest::scope;
use settings_tools::workloads::{Extra, Resource};
use yaml_splice::{Edit, Value, apply, parse_stream};

use crate::object::{json_value, mapping, yaml_value};
use crate::settings_file::SettingsFile;
use crate::terminal::Failure;

type Members = Vec<(String, Value)>;

/// What goes into a manifest besides settings.
pub(super) struct Manifest<'n> {
    /// The kinds that the settings add to those of Kubernetes.
    pub(super) extras: Vec<Extra>,
    pub(super) has_conditions: bool,
    pub(super) notes: &'n mut Vec<String>,
}

impl Manifest<'_> {
    /// A manifest of `deploy/`, which is in mode `monitor`, with other settings and matching conditions.
    pub(super) fn of_base(mut self, base: &str, settings: &str) -> Result<String, Failure> {
        let mut policy = yaml_value(base)?;
        let scope = scope(&serde_json::to_string(&policy)?);
        let spec = spec(&mut policy, "")?;
        let words = self.renew(spec, scope, settings, true);
        set(spec, "settings", json_value(settings)?, usize::MAX);
        let key = "  matchConditions:\n";
        let commented = format!("  {WORDS}\n{}{key}", word_lines("  ", &words));
        let yaml = policy.to_yaml().replacen(key, &commented, 1);
        let hint = "`mode: monitor` logs and changes nothing; set it to `protect` to inject.";
        Ok(format!("# {hint}\n{yaml}"))
    }

    /// Renews the conditions of a policy's manifest, its rules for other kinds, and its settings if new
    /// ones are given; the rest stays as it is.
    pub(super) fn renewed(
        mut self,
        file: &SettingsFile,
        settings: Option<&str>,
    ) -> Result<String, Failure> {
        let parts = parse_stream(&file.text);
        let part = parts.get(file.found.document).ok_or("the document is gone")?;
        let document = part.document.as_ref().map_err(|error| error.reason.clone())?;
        let scope = scope(file.policy.as_deref().unwrap_or_default());
        let mut after = document.value().clone();
        let spec = spec(&mut after, &file.found.object())?;
        let words = self.renew(spec, scope, settings.unwrap_or(&file.found.settings), false);
        if let Some(settings) = settings {
            set(spec, "settings", json_value(settings)?, usize::MAX);
        }
        let edited = document.edit(&after).ok_or("the policy cannot be written")?;
        if edited.is_rewritten {
            self.notes
                .push("the manifest is written anew, without its comments and anchors".to_owned());
        }
        let text = file.text.get(part.range.clone()).unwrap_or_default();
        let words = words_edit(text, &words).filter(|_| !edited.is_rewritten);
        let mut edits: Vec<Edit> = words.into_iter().chain(edited.edits).collect();
        edits.sort_by_key(|edit| edit.range.start);
        let edits = edits.into_iter().map(|edit| edit.shifted(part.range.start));
        Ok(apply(&file.text, &edits.collect::<Vec<_>>()))
    }

    /// Renews the rules and the conditions of a policy; returns in words what the conditions let through.
    fn renew(
        &mut self,
        spec: &mut Members,
        scope: Scope,
        settings: &str,
        is_new: bool,
    ) -> Vec<String> {
        let compiled = self.has_conditions.then(|| compile(settings, scope));
        let Conditions { conditions, words, notes } = compiled.unwrap_or_default();
        self.notes.extend(notes);
        if let Some(Value::Sequence(rules)) = member(spec, "rules") {
            let present = if is_new { Vec::new() } else { rules.clone() };
            rules.extend(self.missing_rules(scope, &present));
        }
        let conditions = with_others(&conditions, member(spec, "matchConditions"));
        if conditions.is_empty() {
            spec.retain(|(key, _)| key != "matchConditions");
        } else {
            let settings = spec.iter().position(|(key, _)| key == "settings");
            let place = settings.unwrap_or(spec.len());
            set(spec, "matchConditions", Value::Sequence(conditions), place);
        }
        words
    }

    /// The rules for other kinds but for those that are there, with a note on each guess.
    fn missing_rules(&mut self, scope: Scope, present: &[Value]) -> Vec<Value> {
        if scope == Scope::Pods {
            if !self.extras.is_empty() {
                let note = "policy.extra_workloads has no effect in a policy of Pods; pass `--resources \
                            workloads`";
                self.notes.push(note.to_owned());
            }
            return Vec::new();
        }
        let is_missing = |extra: &&Extra| !present.iter().any(|rule| covers(rule, extra));
        let missing: Vec<&Extra> = self.extras.iter().filter(is_missing).collect();
        self.notes.extend(missing.iter().filter_map(|extra| extra.note()));
        missing.into_iter().map(rule).collect()
    }
}

/// The comment above the conditions: what they let through.
const WORDS: &str = "# These requests pass:";
const WORD: &str = "   ";

fn word_lines(indent: &str, words: &[String]) -> String {
    words.iter().map(|word| format!("{indent}#{WORD}{word}\n")).collect()
}

/// Replaces the comment on what conditions let through, where a manifest has one.
fn words_edit(text: &str, words: &[String]) -> Option<Edit> {
    let mut lines = text.split_inclusive('\n');
    let before = lines.by_ref().take_while(|line| line.trim() != WORDS);
    let start: usize = before.map(str::len).sum();
    let head = text.get(start..)?.split_inclusive('\n').next()?;
    let (indent, _) = head.split_once('#')?;
    let is_word = |line: &&str| {
        line.trim_start().strip_prefix('#').is_some_and(|comment| comment.starts_with(WORD))
    };
    let old: usize = lines.take_while(is_word).map(str::len).sum();
    let new = match words {
        [] => String::new(),
        words => format!("{head}{}", word_lines(indent, words)),
    };
    Some(Edit { range: start..start + head.len() + old, text: new })
}

/// The compiled conditions, followed by the manifest's conditions that others wrote.
fn with_others(compiled: &[Condition], present: Option<&mut Value>) -> Vec<Value> {
    let condition = |it: &Condition| {
        let text = |text: &str| Value::String(text.to_owned());
        mapping([("name", text(it.name)), ("expression", text(&it.expression))])
    };
    let is_other = |it: &&Value| {
        it.get("name").and_then(Value::as_str).is_none_or(|name| !NAMES.contains(&name))
    };
    let present = present.and_then(|it| it.as_sequence()).unwrap_or_default();
    compiled.iter().map(condition).chain(present.iter().filter(is_other).cloned()).collect()
}

/// The `spec` of the policy at a JSON pointer.
fn spec<'v>(value: &'v mut Value, pointer: &str) -> Result<&'v mut Members, &'static str> {
    let spec = value.pointer_mut(&format!("{pointer}/spec"));
    spec.and_then(Value::as_mapping_mut).ok_or("the policy has no spec")
}

/// Replaces a member, or inserts it at a position.
fn set(members: &mut Members, key: &str, value: Value, place: usize) {
    match member(members, key) {
        Some(member) => *member = value,
        None => members.insert(place.min(members.len()), (key.to_owned(), value)),
    }
}

fn member<'v>(members: &'v mut Members, key: &str) -> Option<&'v mut Value> {
    members.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// The rule by which requests for a kind reach a policy.
fn rule(extra: &Extra) -> Value {
    let Resource { plural, version, group } = &extra.resource;
    let list = |texts: &[&str]| {
        Value::Sequence(texts.iter().map(|text| Value::String((*text).to_owned())).collect())
    };
    mapping([
        ("apiGroups", list(&[group])),
        ("apiVersions", list(&[version.as_deref().unwrap_or("*")])),
        ("resources", list(&[plural])),
        ("operations", list(&["CREATE", "UPDATE"])),
    ])
}

/// Whether a rule selects a kind; a guessed name of its resource need not be right.
fn covers(rule: &Value, extra: &Extra) -> bool {
    let has = |key: &str, text: &str| {
        let list = rule.get(key).and_then(Value::as_sequence).unwrap_or_default();
        list.iter().filter_map(Value::as_str).any(|it| it == text || it == "*")
    };
    let Resource { plural, group, .. } = &extra.resource;
    has("apiGroups", group) && (has("resources", plural) || extra.guessed_from.is_some())
}
