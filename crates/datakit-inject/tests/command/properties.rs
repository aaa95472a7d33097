//! Properties over generated workloads in every style: what `inject` adds, `uninject` removes, byte for
//! byte; and `diff` shows as removed what `inject` changed, and nothing else.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use yaml_splice::Value;

use crate::generated::{Written, habits, text, written};
use crate::{file, run};

const SETTINGS: &str = r#"{"admission_inject_v2":{
    "ddtraces":[{"namespace_selectors":["*"],"language":"java","image":"hub/java:1","envs":{"A":"a","DD_TAGS":"x:y"}}],
    "logfwds":[{"namespace_selectors":["*"],"image":"hub/logfwd:1","log_volume_paths":["/logs"]}],
    "profilers":[{"namespace_selectors":["*"],"language":"java","image":"hub/profiler:1"}]}}"#;

fn string(text: &str) -> Written {
    Written::Scalar(Value::String(text.to_owned()), 2)
}

fn map(members: Vec<(&str, Option<Written>)>, is_flow: bool) -> Written {
    let members = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Written::Map(members.collect(), is_flow)
}

/// A list of elements with different names, from a few of them.
fn named(
    names: &'static [&'static str],
    rest: impl Strategy<Value = (&'static str, Written)> + 'static,
) -> impl Strategy<Value = Written> {
    let elements = vec((rest, any::<bool>()), 0..=names.len());
    (elements, any::<u8>()).prop_map(|(elements, style)| {
        let elements = names.iter().zip(elements).map(|(name, ((key, value), is_flow))| {
            map(vec![("name", Some(string(name))), (key, Some(value))], is_flow)
        });
        Written::Seq(elements.collect(), style < 64)
    })
}

fn value() -> impl Strategy<Value = (&'static str, Written)> {
    (text(), any::<u8>())
        .prop_map(|(text, style)| ("value", Written::Scalar(Value::String(text), style)))
}

fn container() -> impl Strategy<Value = Written> {
    // A block of lines whose text changes may become one line.
    let options = ("[ -~]{0,12}", any::<u8>());
    let options = options
        .prop_map(|(text, style)| Written::Scalar(Value::String(text.replace('$', "")), style));
    let env = (named(&["B", "JAVA_TOOL_OPTIONS", "A"], value()), options, any::<bool>());
    let env = option::of(env.prop_map(|(mut env, options, has_options)| {
        if let Written::Seq(elements, _) = &mut env
            && let Some(Written::Map(members, _)) = elements.get_mut(1)
        {
            members[1].1 = options;
            if !has_options {
                elements.remove(1);
            }
        }
        env
    }));
    let mounts = ["/tmp", "/logs", "/data"].map(|path| Just(("mountPath", string(path))).boxed());
    let mounts = option::of(named(&["data"], proptest::strategy::Union::new(mounts)));
    (env, mounts, any::<u8>()).prop_map(|(env, mounts, style)| {
        let members = vec![
            ("name", Some(string("app"))),
            ("image", Some(string("hub/app:1"))),
            ("env", env),
            ("volumeMounts", mounts),
        ];
        map(members, style < 64)
    })
}

fn annotations() -> impl Strategy<Value = Option<Written>> {
    option::of((any::<bool>(), any::<bool>()).prop_map(|(is_filled, is_flow)| {
        map(vec![("note", is_filled.then(|| string("x")))], is_flow)
    }))
}

fn deployment() -> impl Strategy<Value = Vec<(String, Written)>> {
    let volume = ("emptyDir", Written::Map(Vec::new(), true));
    let volumes = option::of(named(&["data"], Just(volume)));
    let inits = option::of(Just(Written::Seq(Vec::new(), true)));
    let parts = (container(), volumes, inits, annotations(), annotations());
    (parts, any::<[u8; 3]>()).prop_map(|((container, volumes, inits, own, inner), styles)| {
        let spec = vec![
            ("containers", Some(Written::Seq(vec![container], styles[0] < 32))),
            ("volumes", volumes),
            ("initContainers", inits),
        ];
        let labels = map(vec![("app", Some(string("x")))], true);
        let metadata = map(vec![("labels", Some(labels)), ("annotations", inner)], styles[1] < 64);
        let template = vec![("metadata", Some(metadata)), ("spec", Some(map(spec, false)))];
        let name = map(vec![("name", Some(string("shop"))), ("annotations", own)], styles[2] < 64);
        let members = vec![
            ("apiVersion", Some(string("apps/v1"))),
            ("kind", Some(string("Deployment"))),
            ("metadata", Some(name)),
            ("spec", Some(map(vec![("template", Some(map(template, false)))], false))),
        ];
        match map(members, false) {
            Written::Map(members, _) => members,
            _ => Vec::new(),
        }
    })
}

/// Runs the command on a text; returns what it prints, and its notes.
fn piped(command: &str, text: &str) -> (String, String) {
    static FILE: LazyLock<String> = LazyLock::new(|| file("properties.json", SETTINGS));
    let output = run(&[command, "-", "-s", &FILE], text);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

/// A text after a unified diff, and the lines of it that go and come.
fn patched(before: &str, diff: &str) -> (String, Vec<String>, Vec<String>) {
    let lines: Vec<&str> = before.split_inclusive('\n').collect();
    let (mut after, mut next) = (String::new(), 0);
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for line in diff.split_inclusive('\n').skip(2) {
        let (mark, text) = line.split_at(1);
        match mark {
            "@" => {
                let start = text.split(['-', ',']).nth(1).unwrap().parse::<usize>().unwrap();
                let length = text.split([',', ' ']).nth(2).unwrap().parse::<usize>().unwrap();
                let start = if length == 0 { start } else { start - 1 };
                after.extend(lines[next..start].iter().copied());
                next = start;
            }
            " " | "-" => {
                assert_eq!(
                    lines[next].trim_end_matches('\n'),
                    text.trim_end_matches('\n'),
                    "{diff}"
                );
                next += 1;
                match mark {
                    " " => after.push_str(text),
                    _ => gone.push(text.to_owned()),
                }
            }
            "+" => {
                after.push_str(text);
                new.push(text.to_owned());
            }
            _ => assert!(
                line.starts_with("\\ No newline") && after.pop() == Some('\n') || mark == "\\"
            ),
        }
    }
    after.extend(lines[next..].iter().copied());
    (after, gone, new)
}

/// How many lines two texts have in common, in order.
fn common(one: &[&str], two: &[&str]) -> usize {
    let mut row = vec![0; two.len() + 1];
    for line in one {
        let mut diagonal = 0;
        for (index, other) in two.iter().enumerate() {
            let above = row[index + 1];
            row[index + 1] = if line == other { diagonal + 1 } else { above.max(row[index]) };
            diagonal = above;
        }
    }
    row[two.len()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn takes_out_what_it_injects(members in deployment(), habits in habits()) {
        let before = written(&members, &habits);
        let (injected, said) = piped("inject", &before);
        let notes: String = said.lines().filter(|line| line.starts_with("note: ")).collect();
        // A block of text at the end, which lines behind it would give a line break that it has not.
        if !before.ends_with('\n') && !notes.is_empty() {
            return Ok(());
        }
        prop_assert_eq!(&notes, "", "{}", before);
        let (out, notes) = piped("uninject", &injected);
        prop_assert_eq!(notes, "");
        prop_assert_eq!(&out, &before, "{}", injected);
    }

    /// Several documents with the same lines are where a diff of texts goes wrong.
    #[test]
    fn shows_no_other_lines(one in deployment(), two in deployment(), habits in habits()) {
        let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: shop\n";
        let documents = [written(&one, &habits), service.to_owned(), written(&two, &habits)];
        let before = documents.map(|text| text.trim_end().to_owned() + "\n").join("---\n");
        let (after, _) = piped("inject", &before);
        let (diff, _) = piped("diff", &before);
        let (patched, gone, new) = patched(&before, &diff);
        prop_assert_eq!(&patched, &after, "{}", diff);
        let lines = |text: &str| text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
        let (old_lines, new_lines) = (lines(&before), lines(&after));
        let borrowed = |lines: &'_ [String]| lines.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>();
        let (old_lines, new_lines) = (borrowed(&old_lines), borrowed(&new_lines));
        let old: Vec<&str> = old_lines.iter().map(String::as_str).collect();
        let changed: Vec<&str> = new_lines.iter().map(String::as_str).collect();
        let kept = common(&old, &changed);
        prop_assert_eq!(gone.len(), old.len() - kept, "{}", diff);
        prop_assert_eq!(new.len(), changed.len() - kept, "{}", diff);
    }
}
