//! The translations keep together with the code: no message of the policy, of `explain` or of
//! `check-settings` is without one.
//!
//! The source is scanned for texts, so a new message fails at once. What messages become is tested on
//! messages that were produced, because only those have their values in them.

use std::collections::BTreeSet;
use std::path::Path;

use datakit_injection::{policy, settings};
use messages::Language;
use regex_lite::{Captures, Regex};
use serde_json::{Value, json};
use settings_tools::conditions::{Scope, compile};
use settings_tools::convert::to_v2;
use settings_tools::document;

use crate::documents::read;
use crate::manifests;
use crate::objects::{deployment, java_asked, pod, with_annotation};
use crate::settings::{faulty, questionable};
use testing::cases::{KINDS, all_recorded};
use testing::requests::{payload, request};

const ZH: Language = Language::Chinese;

/// The files whose texts people see: all but these.
const SILENT: [&str; 4] =
    ["src/main", "src/guest", "src/allocator", "crates/datakit-inject/src/coverage/restart"];

/// Texts that are no messages, and parts of messages.
const OTHER: [&str; 26] = [
    "{key} in {entries}",
    "{} in annotations",
    "type(it) == map && {key} in it",
    "{annotation} in annotations && annotations[{annotation}] in [{}]",
    "{key} in labels",
    "# These requests pass:",
    "the end",
    "is a ConfigMap",
    "{0} without a configuration of Datakit Operator",
    "an annotation under {PREFIX}",
    "{shown} is unknown",
    "{shown} is unknown; did you mean {nearest}?",
    "{shown} is not a string; quote it",
    "{shown} does nothing here; move it to the pod template",
    "{reason}; another rule is used; {advice}",
    "without a pod template",
    "`mode: monitor` logs and changes nothing; set it to `protect` to inject.",
    "doesn't have a resource type",
    "could not find the requested",
    "in the namespace \"",
    "kubectl apply",
    " is not injected into ",
    "{} are not injected into {rest}",
    " at line ",
    " (os error",
    r"\\ No newline at end of file",
];

/// The string literals of a source, but for its tests.
fn literals(source: &str) -> Vec<String> {
    let comment = r"//[^\n]*";
    let raw = r##"r#"(.*?)"#|r"([^"]*)""##;
    let string = r#""((?:[^"\\]|\\.)*)""#;
    let char = r"'(?:[^'\\]|\\[^']+)'";
    let token = Regex::new(&format!("(?s){comment}|{raw}|{string}|{char}")).unwrap();
    let line_break = Regex::new(r"\\\n\s*").unwrap();
    let (code, _) = source.split_once("#[cfg(test)]\nmod tests").unwrap_or((source, ""));
    let literal = |token: Captures| match (token.get(1).or(token.get(2)), token.get(3)) {
        (Some(raw), _) => Some(raw.as_str().to_owned()),
        (_, Some(text)) => Some(line_break.replace_all(text.as_str(), "").replace("\\\"", "\"")),
        _ => None,
    };
    token.captures_iter(code).filter_map(literal).collect()
}

/// The first run of English words of some length in a text; none in backticks, and none of names and
/// paths, which have other characters too.
fn english(text: &str, length: usize) -> Option<String> {
    let outside = text.split('`').step_by(2).collect::<Vec<_>>().join(" ` ");
    let outside = outside.replace(|char: char| !char.is_ascii(), " ` ");
    let words: Vec<&str> = outside.split_whitespace().collect();
    let is_word = |word: &&str| {
        let word = word.trim_end_matches([',', ';', ':', '.', ')', '?']).trim_start_matches('(');
        !word.is_empty() && word.chars().all(|char| char.is_ascii_lowercase() || char == '\'')
    };
    words.windows(length).find(|run| run.iter().all(is_word)).map(|run| run.join(" "))
}

/// A template of `format!` with an `X` for each value; what is added to a word is left out.
fn filled(template: &str) -> String {
    let mut out = String::new();
    for (index, part) in template.split('{').enumerate() {
        match part.split_once('}') {
            Some((_, rest)) if index > 0 => {
                let is_added =
                    out.ends_with(|char: char| char.is_ascii_alphabetic() || char == '`');
                out.push_str(if is_added && !rest.starts_with('`') { "" } else { "X" });
                out.push_str(rest);
            }
            _ => out.push_str(part),
        }
    }
    out
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name =
            path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_str().unwrap().to_owned();
        if SILENT.iter().any(|silent| name.starts_with(silent)) {
            continue;
        }
        if path.is_dir() { sources(&path, found) } else { found.push(name) }
    }
}

/// The texts of the source, each with its file.
fn texts() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in
        ["src", "crates/settings-tools/src", "crates/datakit-inject/src", "npm/bindings/src"]
    {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    }
    let texts = files
        .into_iter()
        .flat_map(|file| literals(&read(&file)).into_iter().map(move |text| (file.clone(), text)));
    texts.collect()
}

#[test]
fn every_message_of_the_source_has_a_translation() {
    let mut missing = Vec::new();
    for (file, text) in texts() {
        let message = filled(&text);
        if english(&message, 2).is_some()
            && !OTHER.contains(&&*text)
            && english(&ZH.translate(&message), 2).is_some()
        {
            missing.push(format!("{file}: {text}"));
        }
    }
    assert!(missing.is_empty(), "translate in crates/messages/zh.json:\n{}", missing.join("\n"));
}

/// A message that was changed leaves its translation behind.
#[test]
fn every_translation_is_of_a_message() {
    let texts: Vec<_> = texts().into_iter().map(|(_, text)| text).collect();
    let all = [texts, of_requests(), of_settings()].concat().join("\n");
    // A plural is made from its noun.
    let has = |part: &str| all.contains(part.trim().trim_end_matches('s'));
    let left_over = ZH.patterns().iter().map(|(pattern, _)| pattern);
    let left_over = left_over.filter(|it| !it.split(['{', '}']).step_by(2).all(has));
    assert_eq!(left_over.collect::<Vec<_>>(), [&""; 0]);
}

/// The messages of an explanation or of an answer to settings.
fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
        Value::Object(members) => {
            for (key, value) in members {
                let texts = match (&**key, value) {
                    ("message" | "reason" | "release", text) => std::slice::from_ref(text),
                    ("warnings" | "notes", Value::Array(texts)) => texts,
                    _ => &[],
                };
                found.extend(texts.iter().filter_map(Value::as_str).map(str::to_owned));
                collect(value, found);
            }
        }
        _ => {}
    }
}

fn explained(request: &Value, settings: &str, found: &mut Vec<String>) {
    let (answer, explanation) = policy::explain(payload(request, settings).as_bytes());
    collect(&explanation.to_json(&answer.report), found);
}

/// Everything that is said of recorded cases and manifests, and of requests that get a warning.
fn of_requests() -> Vec<String> {
    let mut found = Vec::new();
    for case in all_recorded() {
        for (kind, _) in KINDS {
            explained(&case.request(kind), case.settings.get(), &mut found);
        }
    }
    for (request, settings) in manifests::requests() {
        explained(&request, &settings, &mut found);
    }
    let image = "hub/x:1";
    let rules = json!({ "admission_inject_v2": { "ddtraces": [
        { "namespace_selectors": ["*"], "language": "java", "image": "X" },
        { "namespace_selectors": ["*"], "language": "java", "image": image,
          "check_annotation": true },
    ], "profilers": [{ "namespace_selectors": ["*"], "language": "cobol", "image": image }] } });
    let mut not_safe = rules.clone();
    not_safe["policy"] = json!({ "pod_security": "none" });
    let java = "admission.datakit/java-lib.version";
    let unknown: Vec<String> = (0..12).map(|n| format!("admission.datakit/x{n}")).collect();
    let mut asked = vec![
        vec![(java, "no tag")],
        vec![(java, "v1"), ("admission.datakit/container-names", "app,a,b")],
        vec![(java, "v1"), ("admission.datakit/container-names", "a")],
        vec![("admission.datakit/jav-lib.version", ""), ("admission.datakit/ü", "")],
        vec![("admission.datakit/-", "number"), ("admission.datakit/enabled", "number")],
        vec![("admission.datakit/otel-java-lib.version", "")],
        unknown.iter().map(|name| (&**name, "")).collect(),
    ];
    asked.push(vec![]);
    for annotations in asked {
        let mut object = pod();
        for (key, value) in annotations {
            object = with_annotation(object, key, value);
            if value == "number" {
                object["metadata"]["annotations"][key] = json!(7);
            }
        }
        let mut misplaced = deployment(&pod());
        misplaced["metadata"]["annotations"] = object["metadata"]["annotations"].clone();
        for object in [object.clone(), deployment(&object), misplaced] {
            for settings in [&rules, &not_safe] {
                explained(&request("CREATE", &object, None), &settings.to_string(), &mut found);
            }
        }
    }
    let mut unreadable = deployment(&java_asked());
    unreadable["spec"]["template"]["metadata"]["annotations"] =
        json!({ "admission.datakit/injected": "?" });
    explained(&request("UPDATE", &unreadable, None), &rules.to_string(), &mut found);
    let malformed = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "labels": [] } });
    explained(&request("CREATE", &malformed, None), &rules.to_string(), &mut found);
    found
}

/// Everything that is said of settings and of documents without them.
fn of_settings() -> Vec<String> {
    let expressions = [
        "[a", "[", "[^", "[b-a]", "(", "a)", "+", "{2}", "a{2,1}", r"a\", r"\y", r"\8", "a**",
        "(?x)a", "(?=a)", "a{1001}", r"\pX", r"[\PL]", r"\u0061",
    ];
    let labels = ["a in b", "a in (b", "=a", "!a=b", "a,", "a=(", "a>b", "a.=b", "a=b c", "a=[b"];
    let mut faulty_too = faulty();
    faulty_too["admission_inject_v2"]["ddtraces"][1]["namespace_selectors"] = json!(expressions);
    faulty_too["admission_inject_v2"]["ddtraces"][1]["label_selectors"] = json!(labels);
    faulty_too["policy"]["security_context"] = json!({ "runAsUser": 1.5, "capabilities": {} });
    faulty_too["admission_inject_v2"]["ddtraces"][1]["image"] = json!("a:b:c d");
    faulty_too["ddtraces"] = json!(null);
    let texts = [
        faulty().to_string(),
        faulty_too.to_string(),
        questionable().to_string(),
        "{}".to_owned(),
        "{".to_owned(),
        "[]".to_owned(),
        r#"{"jsonconfig":"{\"policy\":{},\"jsonconfig\":\"\"}","log_level":"x","policy":{}}"#
            .to_owned(),
    ];
    let mut found = Vec::new();
    for text in &texts {
        found.extend(document::validate(text).into_iter().map(|error| error.message));
        found.extend(settings_tools::notes(text).into_iter().map(|note| note.message));
        found.extend(settings::release(text));
    }
    for case in all_recorded() {
        found.extend(to_v2(case.settings.get()).unwrap().notes);
    }
    let selectors = [
        json!({ "namespace_selectors": ["^a"] }),
        json!({ "label_selectors": ["x=y"] }),
        json!({ "namespace_selectors": ["^a"], "label_selectors": ["x=y"] }),
    ];
    for mut rule in selectors {
        rule["language"] = json!("java");
        rule["image"] = json!("a/b:1");
        let settings = json!({ "admission_inject_v2": { "ddtraces": [rule] } });
        found.extend(compile(&settings.to_string(), Scope::All).words);
    }
    let configuration = r#"{"admission_mutate":{}}"#;
    let map = r#"{"kind":"ConfigMap"}"#;
    let filled = r#"{"kind":"ConfigMap","data":{"a":"{\"admission_a\":1}"}}"#;
    for documents in [
        &[map][..],
        &[map, map],
        &[r#"{"kind":"Service"}"#],
        &["{"],
        &["1", "2"],
        &[],
        &[configuration, filled],
    ] {
        found.push(document::find(documents).unwrap_err().to_string());
    }
    for documents in [
        &[configuration][..],
        &[
            "1",
            r#"{"kind":"List","items":[{"kind":"ConfigMap","data":{"a":"{\"admission_a\":1}"}}]}"#,
        ],
        &[r#"{"kind":"AdmissionPolicy"}"#],
        &[r#"{"a":{"admission_mutate":{}}}"#],
    ] {
        found.push(document::find(documents).unwrap().to_string());
    }
    found
}

/// What a translation has to have in it as well: what is in backticks, names and paths, numbers.
fn kept(message: &str) -> Vec<String> {
    let mut kept: Vec<String> = message.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    for word in message.split_whitespace() {
        let word = word.trim_matches(|char: char| !char.is_ascii_alphanumeric());
        if word.contains(['/', '_', '.', '[']) || word.contains(|char: char| char.is_ascii_digit())
        {
            kept.push(word.to_owned());
        }
    }
    kept
}

#[test]
fn messages_are_translated_with_everything_that_they_name() {
    for (messages, count) in [(of_requests(), 60), (of_settings(), 90)] {
        let messages: BTreeSet<String> = messages.into_iter().collect();
        println!("{} messages", messages.len());
        assert!(messages.len() > count, "{}", messages.len());
        for message in messages {
            let translated = ZH.translate(&message);
            assert_eq!(english(&translated, 2), None, "{message}\n{translated}");
            assert!(!translated.is_ascii() || kept(&message) == [&*message], "{message}");
            for kept in kept(&message) {
                assert!(translated.contains(&kept), "{kept}: {message}\n{translated}");
            }
        }
    }
}
