//! The manifest of a policy.

use serde::Serialize;
use serde_norway::Value as Yaml;
use settings_tools::conditions::{Condition, Conditions, Scope, compile};
use settings_tools::manifest::{NAMES, scope};
use settings_tools::workloads::{Extra, Resource};
use yaml_splice::{Document, Edit, Value, apply, parse_stream};

use crate::settings_file::SettingsFile;

/// What goes into a manifest besides settings.
pub(super) struct Manifest<'n> {
    /// The kinds that the settings add to those of Kubernetes.
    pub(super) extras: Vec<Extra>,
    pub(super) has_conditions: bool,
    pub(super) notes: &'n mut Vec<String>,
}

impl Manifest<'_> {
    /// A manifest of `deploy/` with other settings and matching conditions.
    pub(super) fn of_base(mut self, base: &str, settings: &str) -> Result<String, String> {
        let error = |error: serde_norway::Error| error.to_string();
        let mut policy: Yaml = serde_norway::from_str(base).map_err(error)?;
        let scope = scope(&serde_json::to_string(&policy).unwrap_or_default());
        let conditions = self.conditions(settings, scope);
        let rules = policy.get_mut("spec").and_then(|spec| spec.get_mut("rules"));
        if let Some(rules) = rules.and_then(Yaml::as_sequence_mut) {
            for rule in self.missing_rules(scope, &[]) {
                rules.push(serde_norway::to_value(&rule).map_err(error)?);
            }
        }
        if let Some(spec) = policy.get_mut("spec").and_then(Yaml::as_mapping_mut) {
            spec.insert("mode".into(), "monitor".into());
            spec.shift_remove("matchConditions");
            if let Some(compiled) = &conditions {
                let conditions = own_conditions(None, &compiled.conditions);
                let conditions = serde_norway::to_value(conditions).map_err(error)?;
                spec.insert("matchConditions".into(), conditions);
            }
            // Settings come last.
            spec.shift_remove("settings");
            let settings = serde_json::from_str(settings).map_err(|error| error.to_string())?;
            spec.insert("settings".into(), settings);
        }
        let words = conditions.map(|compiled| compiled.words).unwrap_or_default();
        let key = "  matchConditions:\n";
        let commented = format!("  {WORDS}\n{}{key}", word_lines("  ", &words));
        let yaml = serde_norway::to_string(&policy).map_err(error)?.replacen(key, &commented, 1);
        let hint = "`mode: monitor` logs and changes nothing; set it to `protect` to inject.";
        Ok(format!("# {hint}\n{yaml}"))
    }

    /// Renews the conditions of a policy's manifest, its rules for other kinds, and its settings if new
    /// ones are given; the rest stays as it is.
    pub(super) fn renewed(
        mut self,
        file: &SettingsFile,
        settings: Option<&str>,
    ) -> Result<String, String> {
        let parts = parse_stream(&file.text);
        let part = parts.get(file.found.document).ok_or("the document is gone")?;
        let document = part.document.as_ref().map_err(|error| error.reason.clone())?;
        let scope = scope(&serde_json::to_string(&file.policy).unwrap_or_default());
        let compiled = self.conditions(settings.unwrap_or(&file.json), scope);
        let mut after = document.value().clone();
        let item = file.found.item.map(|item| format!("/items/{item}")).unwrap_or_default();
        let spec = after.pointer_mut(&format!("{item}/spec")).and_then(Value::as_mapping_mut);
        let spec = spec.ok_or("the policy has no spec")?;
        self.add_rules(spec, scope);
        let present = member(spec, "matchConditions");
        let Conditions { conditions: compiled, words, .. } = compiled.unwrap_or_default();
        let conditions = own_conditions(present, &compiled);
        if conditions.as_sequence().is_some_and(<[Value]>::is_empty) {
            spec.retain(|(key, _)| key != "matchConditions");
        } else {
            let is_settings = |(key, _): &(String, Value)| key == "settings";
            let before_settings = spec.iter().position(is_settings).unwrap_or(spec.len());
            set(spec, "matchConditions", conditions, before_settings);
        }
        if let Some(settings) = settings {
            let settings = Document::parse_json(settings).map_err(|error| error.reason)?;
            set(spec, "settings", settings.into_value(), usize::MAX);
        }
        let edited = document.edit(&after).ok_or("the policy cannot be written")?;
        if edited.is_rewritten {
            self.notes
                .push("the manifest is written anew, without its comments and anchors".to_owned());
        }
        let text = file.text.get(part.range.clone()).unwrap_or_default();
        // Before the conditions, which are what is edited next.
        let words = words_edit(text, &words).filter(|_| !edited.is_rewritten);
        let mut edits: Vec<Edit> = words.into_iter().chain(edited.edits).collect();
        edits.sort_by_key(|edit| edit.range.start);
        let edits = edits.into_iter().map(|edit| edit.shifted(part.range.start));
        Ok(apply(&file.text, &edits.collect::<Vec<_>>()))
    }

    fn conditions(&mut self, settings: &str, scope: Scope) -> Option<Conditions> {
        let compiled = self.has_conditions.then(|| compile(settings, scope))?;
        self.notes.extend_from_slice(&compiled.notes);
        Some(compiled)
    }

    /// Adds the rules that a manifest lacks.
    fn add_rules(&mut self, spec: &mut [(String, Value)], scope: Scope) {
        let Some((_, rules)) = spec.iter_mut().find(|(key, _)| key == "rules") else {
            return;
        };
        let present: Vec<Rule> =
            rules.as_sequence().unwrap_or_default().iter().map(Rule::read).collect();
        let missing = self.missing_rules(scope, &present);
        if let Value::Sequence(rules) = rules {
            rules.extend(missing.iter().map(Rule::to_value));
        }
    }

    /// The rules for other kinds but for those that are there, with a note on each guess.
    fn missing_rules(&mut self, scope: Scope, present: &[Rule]) -> Vec<Rule> {
        if scope == Scope::Pods {
            if !self.extras.is_empty() {
                let note = "policy.extra_workloads has no effect in a policy of Pods; pass `--resources \
                            workloads`";
                self.notes.push(note.to_owned());
            }
            return Vec::new();
        }
        let is_missing = |extra: &&Extra| !present.iter().any(|rule| rule.covers(extra));
        let missing: Vec<&Extra> = self.extras.iter().filter(is_missing).collect();
        self.notes.extend(missing.iter().filter_map(|extra| extra.note()));
        missing.into_iter().map(Rule::of).collect()
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
    let mut start = 0;
    let mut lines = text.split_inclusive('\n');
    let head = lines.find(|line| {
        let is_head = line.trim() == WORDS;
        start += if is_head { 0 } else { line.len() };
        is_head
    })?;
    let (indent, _) = head.split_once('#')?;
    let is_word = |line: &&str| {
        line.trim_start().strip_prefix('#').is_some_and(|comment| comment.starts_with(WORD))
    };
    let old: usize = lines.take_while(is_word).map(str::len).sum();
    let end = start + head.len() + old;
    let new = match words {
        [] => String::new(),
        words => format!("{head}{}", word_lines(indent, words)),
    };
    Some(Edit { range: start..end, text: new })
}

/// The compiled conditions, followed by the manifest's conditions that others wrote.
fn own_conditions(present: Option<&Value>, compiled: &[Condition]) -> Value {
    let condition = |it: &Condition| {
        let members = [("name", it.name), ("expression", &*it.expression)];
        let members = members.map(|(key, text)| (key.to_owned(), Value::String(text.to_owned())));
        Value::Mapping(members.into())
    };
    let is_other = |it: &&Value| {
        it.get("name").and_then(Value::as_str).is_none_or(|name| !NAMES.contains(&name))
    };
    let others = present.and_then(Value::as_sequence).unwrap_or_default().iter().filter(is_other);
    Value::Sequence(compiled.iter().map(condition).chain(others.cloned()).collect())
}

/// Replaces a member, or inserts it at a position.
fn set(members: &mut Vec<(String, Value)>, key: &str, value: Value, place: usize) {
    match members.iter_mut().find(|(name, _)| name == key) {
        Some((_, member)) => *member = value,
        None => members.insert(place.min(members.len()), (key.to_owned(), value)),
    }
}

fn member<'v>(members: &'v [(String, Value)], key: &str) -> Option<&'v Value> {
    members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// A rule of a policy: which requests reach it.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    resources: Vec<String>,
    operations: Vec<String>,
}

impl Rule {
    fn of(extra: &Extra) -> Self {
        let Resource { plural, version, group } = extra.resource.clone();
        Self {
            api_groups: vec![group],
            api_versions: vec![version.unwrap_or_else(|| "*".to_owned())],
            resources: vec![plural],
            operations: vec!["CREATE".to_owned(), "UPDATE".to_owned()],
        }
    }

    fn read(rule: &Value) -> Self {
        let strings = |key: &str| {
            let list = rule.get(key).and_then(Value::as_sequence).unwrap_or_default();
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let (api_groups, resources) = (strings("apiGroups"), strings("resources"));
        Self { api_groups, resources, ..Self::default() }
    }

    /// Whether it selects a kind. What a kind's resource is called is only guessed where it was not
    /// given.
    fn covers(&self, extra: &Extra) -> bool {
        let is_of_group = self.api_groups.iter().any(|it| *it == extra.resource.group || it == "*");
        let is_named = self.resources.iter().any(|it| *it == extra.resource.plural || it == "*");
        is_of_group && (is_named || extra.guessed_from.is_some())
    }

    fn to_value(&self) -> Value {
        let strings = |list: &[String]| {
            Value::Sequence(list.iter().map(|text| Value::String(text.clone())).collect())
        };
        let lists = [
            ("apiGroups", &self.api_groups),
            ("apiVersions", &self.api_versions),
            ("resources", &self.resources),
            ("operations", &self.operations),
        ];
        Value::Mapping(lists.map(|(key, list)| (key.to_owned(), strings(list))).into())
    }
}
