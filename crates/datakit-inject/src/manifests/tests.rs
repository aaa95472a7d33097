//! What `inject` adds to a generated workload, `uninject` removes, byte for byte.

use std::path::Path;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use yaml_splice::Value;

use super::generated::{Written, habits, text, written};
use super::{Manifests, Wanted};
use crate::evaluate::{Policy, Task};

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

fn run(text: &str, task: Task) -> Manifests {
    let policy = Policy {
        settings: SETTINGS.to_owned(),
        namespace: "default".to_owned(),
        task,
        ..Policy::default()
    };
    Manifests::of(Path::new("-"), text.to_owned(), &policy, Wanted::Text)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn takes_out_what_it_injects(members in deployment(), habits in habits()) {
        let before = written(&members, &habits);
        let injected = run(&before, Task::Inject);
        prop_assert_eq!(injected.problems.len(), 0, "{:?}", injected.problems);
        // A block of text at the end, which lines behind it would give a line break that it has not.
        if !before.ends_with('\n') && !injected.notes.is_empty() {
            return Ok(());
        }
        prop_assert_eq!(&injected.notes, &[""; 0], "{}", before);
        let Some(injected) = injected.after else { return Ok(()) };
        let out = run(&injected, Task::Uninject(None));
        prop_assert_eq!(&out.notes, &[""; 0]);
        prop_assert_eq!(out.after.as_deref(), Some(&*before), "{}", injected);
    }
}
