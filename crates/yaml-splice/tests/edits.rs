//! Edits of generated documents: whatever the style, the result says what it should, and what is
//! only added to loses nothing.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;

use support::{Written, habits, text, written};
use yaml_splice::{Document, Value};

#[path = "support/written.rs"]
mod support;

fn yaml(text: &str) -> Document<'_> {
    Document::parse_yaml(text).unwrap().unwrap()
}

fn json(text: &str) -> Document<'_> {
    Document::parse_json(text).unwrap()
}

fn value_of(written: &Written) -> Value {
    match written {
        Written::Scalar(value, _) => value.clone(),
        Written::Seq(elements, _) => Value::Sequence(elements.iter().map(value_of).collect()),
        Written::Map(members, _) => {
            let members = members.iter().map(|(key, value)| (key.clone(), value_of(value)));
            Value::Mapping(members.collect())
        }
    }
}

fn is_filled(value: &Value) -> bool {
    value.as_sequence().is_some_and(|it| !it.is_empty())
        || value.as_mapping().is_some_and(|it| !it.is_empty())
}

fn scalar() -> impl Strategy<Value = Written> {
    let value = prop_oneof![
        4 => text().prop_map(Value::String),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => "(0|-?[1-9][0-9]{0,40}|[0-9]\\.[0-9]{1,30})".prop_map(Value::Number),
    ];
    (value, any::<u8>()).prop_map(|(value, style)| Written::Scalar(value, style))
}

fn value() -> impl Strategy<Value = Written> {
    scalar().prop_recursive(5, 48, 5, |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..4), any::<u8>())
                .prop_map(|(elements, style)| Written::Seq(elements, style < 64)),
            (members(inner, 0), any::<u8>())
                .prop_map(|(members, style)| Written::Map(members, style < 64)),
        ]
    })
}

fn members(
    inner: impl Strategy<Value = Written>,
    least: usize,
) -> impl Strategy<Value = Vec<(String, Written)>> {
    let key = prop_oneof![3 => "[a-z]{1,5}", 1 => Just("name".to_owned()), 1 => text()];
    vec((key, inner), least..4).prop_map(|mut members| {
        members.iter_mut().filter(|(key, _)| key == "<<").for_each(|(key, _)| key.push('<'));
        let mut unique = Vec::<(String, Written)>::new();
        for (key, value) in members {
            if !unique.iter().any(|(known, _)| *known == key) {
                unique.push((key, value));
            }
        }
        unique
    })
}

/// Decisions, one after another; the same when there are no more.
struct Decisions<'d>(&'d [u8]);

impl Decisions<'_> {
    fn next(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                let first = *first;
                self.0 = rest;
                first
            }
            [] => 255,
        }
    }
}

/// Adds to the end of collections, as the policy does; where `all` changes, deletes and inserts too.
fn changed(value: &Value, new: &[Value], all: bool, decisions: &mut Decisions) -> Value {
    let fresh = |decisions: &mut Decisions| new[usize::from(decisions.next()) % new.len()].clone();
    match value {
        Value::Sequence(elements) => {
            let mut changed_elements = Vec::new();
            for element in elements {
                match decisions.next() {
                    0..30 if all => continue,
                    30..60 if all => changed_elements.push(fresh(decisions)),
                    60..80 if all => {
                        changed_elements.push(fresh(decisions));
                        continue;
                    }
                    _ => {}
                }
                changed_elements.push(changed(element, new, all, decisions));
            }
            if decisions.next() < 120 {
                changed_elements.push(fresh(decisions));
            }
            Value::Sequence(changed_elements)
        }
        Value::Mapping(members) => {
            let mut changed_members = Vec::new();
            for (key, value) in members {
                match decisions.next() {
                    0..30 if all => continue,
                    30..60 if all => {
                        changed_members.push((key.clone(), fresh(decisions)));
                        continue;
                    }
                    60..90
                        if all
                            && !members
                                .iter()
                                .any(|(known, _)| *known == format!("{key}-before")) =>
                    {
                        changed_members.push((format!("{key}-before"), fresh(decisions)));
                    }
                    _ => {}
                }
                changed_members.push((key.clone(), changed(value, new, all, decisions)));
            }
            if decisions.next() < 120 {
                changed_members.push(("added to it".to_owned(), fresh(decisions)));
            }
            Value::Mapping(changed_members)
        }
        scalar => scalar.clone(),
    }
}

/// Whether one text is the other with lines added.
fn only_adds(before: &str, after: &str) -> bool {
    let mut after = after.lines();
    before.lines().all(|line| after.any(|other| other == line))
}

/// Whether lines are enough to add to a value: not in brackets, nor where there is nothing yet.
fn is_all_block(value: &Written) -> bool {
    match value {
        Written::Scalar(..) => true,
        Written::Seq(elements, flow) => {
            !flow && !elements.is_empty() && elements.iter().all(is_all_block)
        }
        Written::Map(members, flow) => {
            !flow && !members.is_empty() && members.iter().all(|(_, value)| is_all_block(value))
        }
    }
}

#[test]
fn edits_long_maps() {
    let members = |range: std::ops::Range<usize>| -> Vec<String> {
        range.map(|number| format!("\"k{number}\": {number}")).collect()
    };
    for (open, close) in [("", ""), ("[", "]")] {
        let before = format!("{open}{{{}}}{close}", members(0..2_000).join(", "));
        let after = format!("{open}{{{}}}{close}", members(1..2_001).join(", "));
        let after = json(&after).into_value();
        let edited = json(&before).edit(&after).unwrap().text;
        assert_eq!(json(&edited).into_value(), after);
        let edited = yaml(&before).edit(&after).unwrap().text;
        assert_eq!(yaml(&edited).into_value(), after);
    }
    let merged = format!("a: &a {{{}}}\nb: {{<<: *a, x: 1}}", members(0..2_000).join(", "));
    assert_eq!(yaml(&merged).into_value().to_string().matches('k').count(), 4_000);
    let twice = format!("{{{}, \"k7\": 7}}", members(0..10).join(", "));
    assert!(Document::parse_json(&twice).is_err() && Document::parse_yaml(&twice).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn says_what_it_should_in_every_style(
        members in members(value(), 1),
        habits in habits(),
        new in vec(value().prop_map(|value| value_of(&value)), 1..4),
        decisions in vec(any::<u8>(), 0..64),
        all in any::<bool>(),
    ) {
        let root = Written::Map(members.clone(), false);
        let text = written(&members, &habits);
        let source = yaml(&text);
        // A block at the end loses its line break with that of the text.
        if !habits.ends_with_newline && *source.value() != value_of(&root) {
            return Ok(());
        }
        prop_assert_eq!(source.value(), &value_of(&root), "{}", text);
        let after = changed(source.value(), &new, all, &mut Decisions(&decisions));
        let edited = source.edit(&after);
        let edited = edited.ok_or_else(|| TestCaseError::fail(format!("{text}\n{after:?}")))?;
        let said = yaml(&edited.text).into_value();
        prop_assert_eq!(&said, &after, "{}", edited.text);
        prop_assert!(!edited.is_rewritten || !is_filled(&after), "{text}\n{after:?}\n{}", edited.text);
        if !all && is_all_block(&root) {
            prop_assert!(only_adds(&text, &edited.text), "{}\n{}", text, edited.text);
        }
        // What was added comes out again, and nothing else.
        if !all && !edited.is_rewritten {
            let grown = yaml(&edited.text);
            let back = grown.edit(source.value()).unwrap().text;
            // A block of text at the end has to have a line break, which stays.
            let has_grown_one = edited.text.ends_with('\n') && !text.ends_with('\n');
            let back = if has_grown_one { back.trim_end_matches(['\r', '\n']) } else { &back };
            prop_assert_eq!(back, &text, "{}", edited.text);
        }
        if habits.carriage_returns && text.contains('\n') {
            prop_assert!(!edited.text.replace("\r\n", "").contains('\n'), "{}", edited.text);
        }
    }

    #[test]
    fn says_what_it_should_in_json(
        value in value(),
        new in vec(value().prop_map(|value| value_of(&value)), 1..4),
        decisions in vec(any::<u8>(), 0..64),
        pretty in any::<bool>(),
        all in any::<bool>(),
    ) {
        let value = value_of(&value);
        let text = match pretty {
            true => serde_json::to_string_pretty(&value),
            false => serde_json::to_string(&value),
        };
        let text = text.unwrap();
        let source = json(&text);
        prop_assert_eq!(source.value(), &value);
        let after = changed(&value, &new, all, &mut Decisions(&decisions));
        let edited = source.edit(&after).unwrap();
        prop_assert_eq!(&json(&edited.text).into_value(), &after, "{}", edited.text);
        prop_assert!(!edited.is_rewritten || all, "{}", text);
        if !all {
            let grown = json(&edited.text);
            prop_assert_eq!(&grown.edit(&value).unwrap().text, &text, "{}", edited.text);
        }
    }

    /// Whatever the text is, reading it ends and tells a line of it.
    #[test]
    fn reads_anything(text in "([a-z]{0,3}[ :\n\\-&*!|>'\"{}\\[\\],#?%\t]{0,3}){0,20}") {
        if let Err(error) = Document::parse_yaml(&text) {
            prop_assert!(error.line <= text.matches('\n').count() + 1);
        }
    }
}

/// The text after `change` of what it says.
fn after(text: &str, change: impl Fn(&mut Value)) -> (String, bool) {
    let source = yaml(text);
    let mut value = source.value().clone();
    change(&mut value);
    let edited = source.edit(&value).unwrap();
    (edited.text, edited.is_rewritten)
}

fn push(list: &mut Value, text: &str) {
    list.as_sequence_mut().unwrap().push(Value::String(text.to_owned()));
}

#[test]
fn adds_where_people_would() {
    for (before, expected) in [
        ("a:\n- x\n", "a:\n- x\n- new\n"),
        ("a:\n  - x # y\nb: 1", "a:\n  - x # y\n  - new\nb: 1"),
        ("a:\r\n- x", "a:\r\n- x\r\n- new"),
        ("a:\n- x\n# about b\nb: 1\n", "a:\n- x\n- new\n# about b\nb: 1\n"),
        ("a:\n  - x\n  # - z\n\nb: 1\n", "a:\n  - x\n  # - z\n  - new\n\nb: 1\n"),
        ("a: [x]\n", "a: [x, new]\n"),
        ("a: [x,]\n", "a: [x, new,]\n"),
        ("a: [\n  x, # y\n  z\n]\n", "a: [\n  x, # y\n  z,\n  new\n]\n"),
        ("a: []\n", "a:\n- new\n"),
        ("a: [] # none\nb: {}\n", "a: # none\n- new\nb: {}\n"),
        ("{a: [x]}", "{a: [x, new]}"),
        ("a: !!seq\n- x\n", "a: !!seq\n- x\n- new\n"),
        ("a:\n- |\n  x\n\nb: 1\n", "a:\n- |\n  x\n- new\n\nb: 1\n"),
        ("? a\n: - x\n", "? a\n: - x\n  - new\n"),
        ("a:\n-\n  x\n", "a:\n-\n  x\n- new\n"),
        ("a:\n- - x\n- \n", "a:\n- - x\n- \n- new\n"),
        // An alias to what grows by the same grows with it; one that does not becomes a copy.
        ("b: *x", ""),
        ("a: &x\n- x\nb: *x\n", "a: &x\n- x\n- new\nb:\n- x\n"),
        ("b: &x\n- x\na: *x\n", "b: &x\n- x\na:\n- x\n- new\n"),
    ] {
        if expected.is_empty() {
            assert!(Document::parse_yaml(before).is_err());
            continue;
        }
        let (text, _) = after(before, |value| push(value.get_mut("a").unwrap(), "new"));
        assert_eq!(text, expected, "{before}");
    }
}

/// What was added comes out again, blanks at its end too.
#[test]
fn takes_out_what_ends_in_a_blank() {
    let text = "a:\n- []";
    let source = yaml(text);
    let mut value = source.value().clone();
    push(&mut value.get_mut("a").unwrap().as_sequence_mut().unwrap()[0], "x\n: ");
    let grown = source.edit(&value).unwrap().text;
    assert_eq!(grown, "a:\n- - |-\n    x\n    : ");
    let back = yaml(&grown).edit(source.value()).unwrap();
    assert_eq!(back.text, text);
}

#[test]
fn grows_with_an_anchor() {
    let text = "a:\n- env: &env\n  - x # y\n- env: *env\n";
    let (text, is_rewritten) = after(text, |value| {
        for container in value.get_mut("a").unwrap().as_sequence_mut().unwrap() {
            push(container.get_mut("env").unwrap(), "new");
        }
    });
    assert_eq!(text, "a:\n- env: &env\n  - x # y\n  - new\n- env: *env\n");
    assert!(!is_rewritten);
}

#[test]
fn overrides_what_is_merged() {
    let text = "base: &base\n  env: [x]\n  image: i\nc:\n  <<: *base\n  name: n # z\n";
    let (text, is_rewritten) =
        after(text, |value| push(value.get_mut("c").unwrap().get_mut("env").unwrap(), "new"));
    let expected = "base: &base\n  env: [x]\n  image: i\nc:\n  <<: *base\n  name: n # z\n  env:\n  - x\n  - new\n";
    assert_eq!(text, expected);
    assert!(!is_rewritten);
}

#[test]
fn writes_anew_what_it_cannot_edit() {
    let text = "# top\na: &x\n  b: &y [1]\nc: *y\n# bottom\n";
    let (text, is_rewritten) = after(text, |value| *value.get_mut("a").unwrap() = Value::Null);
    assert_eq!(text, "# top\na: null\nc:\n- 1\n# bottom\n");
    assert!(is_rewritten);
}

#[test]
fn keeps_numbers_and_quotes() {
    let text = "a: 123456789012345678901234567890\nb: \"x\"\nc: 'y'\nd: z\ne: 0644\n";
    let (text, _) = after(text, |value| {
        for key in ["b", "c", "d"] {
            *value.get_mut(key).unwrap() = Value::String("it's".to_owned());
        }
    });
    let expected = "a: 123456789012345678901234567890\nb: \"it's\"\nc: 'it''s'\nd: it's\ne: 0644\n";
    assert_eq!(text, expected);
}

#[test]
fn survives_what_expands() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (one, two) in ('a'..'j').zip('b'..='j') {
        writeln!(
            text,
            "{two}: &{two} [*{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}]"
        )
        .unwrap();
    }
    assert!(Document::parse_yaml(&text).unwrap_err().reason.contains("too many values"));
    let deep = "[".repeat(10_000);
    assert!(Document::parse_yaml(&deep).is_err() && Document::parse_json(&deep).is_err());
    let deep = format!("{}{}", "[".repeat(400), "]".repeat(400));
    assert_eq!(Document::parse_json(&deep).unwrap_err().reason, "nested deeper than 255 levels");
}

/// Both parsers read the same, where they are of one mind about scalars.
#[test]
fn reads_what_another_parser_reads() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/manifests");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let value = yaml(&text).into_value();
        // Which has no octal numbers of YAML 1.1, as kubectl has.
        let text = text
            .replace("defaultMode: 0400", "defaultMode: 256")
            .replace("defaultMode: 0444", "defaultMode: 292");
        let other: serde_json::Value = serde_norway::from_str(&text).unwrap();
        let value: serde_json::Value = serde_json::to_value(&value).unwrap();
        assert_eq!(value, other, "{}", path.display());
    }
}
