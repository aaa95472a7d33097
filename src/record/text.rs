//! The text of a record: compact JSON, with the version of its form.
//!
//! ```text
//! {"v":1,
//!  "ddtrace-java":{                                         its container goes by its name
//!    "volumes":"datakit-auto-instrument=x4fR",              name=stamp, separated by spaces
//!    "annotations":"datakit/logs=x4fR",
//!    "spec":{"restartPolicy":["OnFailure"],                 what was there before;
//!            "shareProcessNamespace":[]},                   nothing was
//!    "in":{"app":{
//!      "env":"DD_AGENT_HOST=x4fR POD_NAME=x4fR",
//!      "set":{"JAVA_TOOL_OPTIONS":[""," -javaagent:…"]},    what was added before and after
//!      "moved":{"DD_TAGS":["",",a:b",["PREV",0],["NEXT",0]]},  and between which variables it was
//!      "mounts":["/datadog-lib=x4fR",["/logs=x4fR","sub"]]}}},   with the `subPath`
//!  "secrets":"hub",
//!  "evictable":"datakit-auto-instrument",                   named as volumes that may go
//!  "new":"volumes app/env",                                 what was absent before
//!  "null":"initContainers",                                 what was null before
//!  "empty":"app/volumeMounts"}                              what was empty before
//! ```

use std::collections::BTreeSet;

use super::{
    Changes, EVICTABLE, Injected, MountStamp, Moved, Record, SPEC_MEMBERS, SetVariable, Was,
    injection_of,
};
use crate::injection::Injection;
use crate::injection::table::ALL;
use crate::json::{self, Object, Shape, Value, push_escaped};
use crate::options::MAX_SECRETS;
use crate::pod::volume::SUFFIX;
use crate::record::stamp::Stamp;

static LIST: Shape = Shape::Array(&Shape::Text);

/// How records name what a list or an object was before.
const BEFORE: [(&str, Was); 3] = [("new", Was::Absent), ("null", Was::Null), ("empty", Was::Empty)];

/// The version of the form. Every version that was ever released stays readable.
const VERSION: &str = "1";

/// Annotations together have at most 256 KiB.
const MAX_LENGTH: usize = 256 << 10;

/// The length of a usual word.
const WORD: usize = 32;

/// More than any injection sets; each is looked for in its container.
const MAX_SET: usize = 16;

impl Record {
    /// The annotation that holds this record: its text as a JSON string.
    ///
    /// It is written escaped: escaping it afterwards takes as long as writing it.
    pub(crate) fn to_annotation<'a>(&self) -> Value<'a> {
        let mut out = String::with_capacity(2 << 10);
        out.push_str("\"{\\\"v\\\":");
        out.push_str(VERSION);
        for injected in &self.injections {
            out.push(',');
            push_text(&mut out, &injected.name);
            out.push(':');
            injected.write(&mut out);
        }
        push_words(&mut out, "secrets", &self.secrets, |name, out| out.push_str(name));
        push_words(&mut out, EVICTABLE, &self.evictable, |name, out| out.push_str(name));
        for (key, was) in BEFORE {
            let paths = self.before.iter().filter(|(_, before)| **before == was);
            push_words(&mut out, key, paths, |(path, _), out| out.push_str(path));
        }
        out.push_str("}\"");
        Value::New(out.into())
    }

    /// Reads the text of a record; nothing where it is none, or names what this policy never adds.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let record = Object::parse(text)?;
        if record.get("v")?.as_text()? != VERSION {
            return None;
        }
        let mut parsed = Self::default();
        for (key, value) in record.iter() {
            let key = key.name()?;
            let value = value.as_text()?;
            match &*key {
                "v" => {}
                "secrets" => parsed.secrets = words(value)?,
                EVICTABLE => parsed.evictable = words(value)?,
                key if let Some((_, was)) = BEFORE.iter().find(|(name, _)| *name == key) => {
                    parsed.before.extend(words(value)?.into_iter().map(|path| (path, *was)));
                }
                name => {
                    let injection = injection_of(name)?;
                    if parsed.has(name) {
                        return None;
                    }
                    parsed.injections.push(Injected::parse(name, injection, value)?);
                }
            }
        }
        let is_own = |name: &String| ALL.iter().any(|it| may_add_volume(it, name));
        let is_own = parsed.evictable.iter().all(is_own);
        (is_own && parsed.secrets.len() <= MAX_SECRETS).then_some(parsed)
    }
}

/// Whether an injection may add a volume of that name.
fn may_add_volume(injection: &Injection, name: &str) -> bool {
    let name = name.trim_end_matches(SUFFIX);
    injection.volumes.iter().any(|known| match known.ends_with('-') {
        true => name.strip_prefix(known).is_some_and(|number| number.parse::<u16>().is_ok()),
        false => name == *known,
    })
}

impl Injected {
    fn write(&self, out: &mut String) {
        out.push('{');
        push_words(out, "volumes", &self.volumes, Stamp::write);
        push_words(out, "annotations", &self.annotations, Stamp::write);
        push_object(out, "spec", &self.spec, |(name, before), out| {
            push_key(out, name);
            out.push('[');
            push_escaped(out, before.as_deref().unwrap_or_default());
            out.push(']');
        });
        push_object(out, "in", &self.changes, |(key, changes), out| {
            push_key(out, key);
            changes.write(out);
        });
        out.push('}');
    }

    fn parse(name: &str, injection: &Injection, text: &str) -> Option<Self> {
        let containers = injection.container.iter().map(|&name| name.to_owned()).collect();
        let mut injected = Self { name: name.to_owned(), containers, ..Self::default() };
        for (key, value) in Object::parse(text)?.iter() {
            let value = value.as_text()?;
            match &*key.name()? {
                "volumes" => injected.volumes = stamps(words(value)?)?,
                "annotations" => injected.annotations = stamps(words(value)?)?,
                "spec" => {
                    for (name, before) in members(value)? {
                        let before = list(before)?;
                        let before = before.first().map(Value::to_json);
                        injected.spec.push((name, before));
                    }
                }
                "in" => {
                    for (container, changes) in members(value)? {
                        injected.changes.insert(container, Changes::parse(changes)?);
                    }
                }
                _ => return None,
            }
        }
        let is_own = injected.annotations.len() <= injection.annotations.len()
            && injected.spec.len() <= SPEC_MEMBERS.len()
            && injected
                .volumes
                .iter()
                .all(|volume| ALL.iter().any(|it| may_add_volume(it, &volume.name)))
            && injected.annotations.iter().all(|it| injection.annotations.contains(&&*it.name))
            && injected.spec.iter().all(|(name, _)| SPEC_MEMBERS.iter().any(|(it, _)| it == name));
        is_own.then_some(injected)
    }
}

impl Changes {
    fn write(&self, out: &mut String) {
        out.push('{');
        push_words(out, "env", &self.env, Stamp::write);
        for (key, moves) in [("set", false), ("moved", true)] {
            let set = self.set.iter().filter(|set| set.moved.is_some() == moves);
            push_object(out, key, set, |set, out| {
                push_key(out, &set.name);
                set.write(out);
            });
        }
        if !self.mounts.is_empty() {
            push_key(out, "mounts");
        }
        for (index, mount) in self.mounts.iter().enumerate() {
            out.push(if index == 0 { '[' } else { ',' });
            mount.write(out);
        }
        if !self.mounts.is_empty() {
            out.push(']');
        }
        out.push('}');
    }

    fn parse(text: &str) -> Option<Self> {
        let mut changes = Self::default();
        for (key, value) in Object::parse(text)?.iter() {
            let value = value.as_text()?;
            match &*key.name()? {
                "env" => changes.env = stamps(words(value)?)?,
                "mounts" => {
                    let mounts = list(value)?.into_iter().map(|mount| MountStamp::parse(&mount));
                    let mounts = mounts.collect::<Option<_>>()?;
                    changes.mounts = last_of_each(mounts, |mount: &MountStamp| &mount.stamp.name);
                }
                key @ ("set" | "moved") => {
                    for (name, parts) in members(value)? {
                        changes.set.push(SetVariable::parse(name, parts, key == "moved")?);
                    }
                }
                _ => return None,
            }
        }
        (changes.set.len() <= MAX_SET).then_some(changes)
    }
}

impl MountStamp {
    fn write(&self, out: &mut String) {
        let mut text = String::new();
        self.stamp.write(&mut text);
        let Some(sub_path) = &self.sub_path else {
            return push_text(out, &text);
        };
        out.push('[');
        push_text(out, &text);
        out.push(',');
        push_text(out, sub_path);
        out.push(']');
    }

    fn parse(mount: &Value) -> Option<Self> {
        if let Some(text) = mount.as_str() {
            return Some(Self { stamp: Stamp::parse(&text)?, sub_path: None });
        }
        match &*list(mount.as_text()?)? {
            [stamp, sub_path] => Some(Self {
                stamp: Stamp::parse(&stamp.as_str()?)?,
                sub_path: Some(sub_path.as_str()?.into_owned()),
            }),
            _ => None,
        }
    }
}

impl SetVariable {
    fn write(&self, out: &mut String) {
        out.push('[');
        push_text(out, &self.prefix);
        out.push(',');
        push_text(out, &self.suffix);
        if let Some(moved) = &self.moved {
            for neighbour in [&moved.after, &moved.before] {
                out.push_str(",[");
                if let Some((name, earlier)) = neighbour {
                    push_text(out, name);
                    out.push_str(&format!(",{earlier}"));
                }
                out.push(']');
            }
        }
        match self.was {
            Was::Filled | Was::Empty => {}
            Was::Absent => out.push_str(",true"),
            Was::Null => out.push_str(",null"),
        }
        out.push(']');
    }

    fn parse(name: String, text: &str, moves: bool) -> Option<Self> {
        let mut parts = list(text)?;
        let was = match parts.last()?.as_text()? {
            "true" => Was::Absent,
            "null" => Was::Null,
            _ => Was::Filled,
        };
        if was != Was::Filled {
            parts.pop();
        }
        let string = |index: usize| Some(parts.get(index)?.as_str()?.into_owned());
        let neighbour = |index: usize| -> Option<Option<(String, usize)>> {
            Some(match &*list(parts.get(index)?.as_text()?)? {
                [] => None,
                [name, earlier] => {
                    Some((name.as_str()?.into_owned(), earlier.as_text()?.parse().ok()?))
                }
                _ => return None,
            })
        };
        let moved = match (parts.len(), moves) {
            (2, false) => None,
            (4, true) => Some(Moved { after: neighbour(2)?, before: neighbour(3)? }),
            _ => return None,
        };
        Some(Self { name, prefix: string(0)?, suffix: string(1)?, was, moved })
    }
}

/// Appends the JSON text of a string, escaped once more.
fn push_text(out: &mut String, string: &str) {
    const QUOTE: &str = "\\\"";
    if !json::is_plain(string) {
        return push_escaped(out, &json::text(string));
    }
    out.push_str(QUOTE);
    out.push_str(string);
    out.push_str(QUOTE);
}

fn push_key(out: &mut String, key: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    push_text(out, key);
    out.push(':');
}

/// Appends words, none of which has a space in it, unless there is none.
fn push_words<T>(
    out: &mut String,
    key: &str,
    words: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut String),
) {
    let mut words = words.into_iter().peekable();
    if words.peek().is_none() {
        return;
    }
    push_key(out, key);
    let mut text = String::with_capacity(words.size_hint().0.saturating_mul(WORD));
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        write(word, &mut text);
    }
    push_text(out, &text);
}

/// Appends an object, unless it is empty; `write` appends a member.
fn push_object<T>(
    out: &mut String,
    key: &str,
    members: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut String),
) {
    let mut members = members.into_iter().peekable();
    if members.peek().is_some() {
        push_key(out, key);
        out.push('{');
        members.for_each(|member| write(member, out));
        out.push('}');
    }
}

fn list(text: &str) -> Option<Vec<Value<'_>>> {
    match Value::open(text, &LIST).ok()? {
        Value::Array(elements) => Some(elements),
        _ => None,
    }
}

fn members(text: &str) -> Option<Vec<(String, &str)>> {
    let object = Object::parse(text)?;
    let members = object.iter();
    members.map(|(key, value)| Some((key.name()?.into_owned(), value.as_text()?))).collect()
}

fn words(text: &str) -> Option<Vec<String>> {
    let words = Value::Text(text).as_str()?;
    Some(words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

fn stamps(texts: Vec<String>) -> Option<Vec<Stamp>> {
    let stamps = texts.iter().map(|text| Stamp::parse(text)).collect::<Option<_>>()?;
    Some(last_of_each(stamps, |stamp| &stamp.name))
}

/// Drops all but the last of each name: each is compared with the one element of that name.
fn last_of_each<T>(mut elements: Vec<T>, name: impl Fn(&T) -> &String) -> Vec<T> {
    let mut seen = BTreeSet::new();
    elements.reverse();
    elements.retain(|element| seen.insert(name(element).clone()));
    elements.reverse();
    elements
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let stamp = |name: &str| Stamp::parse(&format!("{name}=x4fR")).unwrap();
        let set = |name: &str, was, moved| SetVariable {
            name: name.to_owned(),
            prefix: "a\"".to_owned(),
            suffix: String::new(),
            was,
            moved,
        };
        let changes = Changes {
            env: vec![stamp("A"), stamp("B.C")],
            set: vec![
                set("S", Was::Filled, None),
                set("T", Was::Null, None),
                set(
                    "M",
                    Was::Absent,
                    Some(Moved { after: None, before: Some(("N".to_owned(), 2)) }),
                ),
                set("L", Was::Filled, Some(Moved { after: None, before: None })),
            ],
            mounts: vec![
                MountStamp { stamp: stamp("/a=b"), sub_path: None },
                MountStamp { stamp: stamp("/c"), sub_path: Some("d e".to_owned()) },
            ],
        };
        let entry = Injected {
            name: "profiler-java".to_owned(),
            containers: vec!["datakit-profiler".to_owned()],
            volumes: vec![stamp("tmp-datakit"), stamp("timezone")],
            annotations: Vec::new(),
            spec: vec![
                ("restartPolicy".to_owned(), Some("\"OnFailure\"".to_owned())),
                ("shareProcessNamespace".to_owned(), None),
            ],
            changes: BTreeMap::from([("app#1".to_owned(), changes)]),
        };
        let logging = Injected {
            name: "logging".to_owned(),
            annotations: vec![stamp("datakit/logs")],
            volumes: vec![stamp("datakit-logs-volume-12-datakit")],
            ..Injected::default()
        };
        let logfwd = Injected {
            name: "logfwd".to_owned(),
            containers: vec!["datakit-logfwd".to_owned()],
            ..Injected::default()
        };
        let record = Record {
            injections: vec![entry, logging, logfwd],
            secrets: vec!["hub".to_owned()],
            evictable: vec!["tmp-datakit".to_owned()],
            before: BTreeMap::from([
                ("app/env".to_owned(), Was::Absent),
                ("volumes".to_owned(), Was::Null),
                ("app%20x/volumeMounts".to_owned(), Was::Empty),
            ]),
        };
        let annotation = record.to_annotation();
        let text = annotation.as_str().unwrap();
        assert_eq!(Record::parse(&text), Some(record), "{text}");
        assert_eq!(Record::parse("{\"v\":1}"), Some(Record::default()));
    }

    /// Each is compared with the one element of its name, which may be large.
    #[test]
    fn reads_each_name_once() {
        let mounts = r#""/a=AAAB","/b=AAAA","/a=AAAC""#;
        let text = format!(
            r#"{{"v":1,"profiler-java":{{"volumes":"tmp=AAAA timezone=AAAA tmp=AAAB",
                "in":{{"app":{{"env":"A=AAAA A=AAAB B=AAAA","mounts":[{mounts}]}}}}}}}}"#
        );
        let record = Record::parse(&text).unwrap();
        let stamps = |text: &str| -> Vec<Stamp> {
            text.split(' ').map(|text| Stamp::parse(text).unwrap()).collect()
        };
        let injected = &record.injections[0];
        assert_eq!(injected.volumes, stamps("timezone=AAAA tmp=AAAB"));
        let changes = &injected.changes["app"];
        assert_eq!(changes.env, stamps("A=AAAB B=AAAA"));
        let mounts: Vec<Stamp> = changes.mounts.iter().map(|it| it.stamp.clone()).collect();
        assert_eq!(mounts, stamps("/b=AAAA /a=AAAC"));
    }

    #[test]
    fn refuses_what_this_policy_never_adds() {
        for text in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"v":2}"#,
            r#"{"v":"1"}"#,
            r#"{"v":1,"ebpf":{}}"#,
            r#"{"v":1,"ddtrace":{}}"#,
            r#"{"v":1,"logfwd":{"containers":["app"]}}"#,
            r#"{"v":1,"logfwd":{"volumes":"data=x4fR"}}"#,
            r#"{"v":1,"logfwd":{"volumes":"datakit-logfwd-volume-x=x4fR"}}"#,
            r#"{"v":1,"logfwd":{"volumes":"datakit-pod-info"}}"#,
            r#"{"v":1,"logfwd":{"volumes":["datakit-pod-info=x4fR"]}}"#,
            r#"{"v":1,"logging":{"annotations":"other=x4fR"}}"#,
            r#"{"v":1,"logfwd":{"spec":{"hostNetwork":[]}}}"#,
            r#"{"v":1,"logfwd":{"in":{"app":{"ports":[]}}}}"#,
            r#"{"v":1,"logfwd":{"in":{"app":{"set":{"A":["b"]}}}}}"#,
            r#"{"v":1,"logfwd":{"in":[]}}"#,
            r#"{"v":1,"secrets":["hub"]}"#,
            r#"{"v":1,"evictable":"data"}"#,
            r#"{"v":1,"logfwd":{},"logfwd":{}}"#,
        ] {
            assert_eq!(Record::parse(text), None, "{text}");
        }
        assert_eq!(
            Record::parse(&format!(r#"{{"v":1,"secrets":"{}"}}"#, "x".repeat(300_000))),
            None
        );
    }
}
