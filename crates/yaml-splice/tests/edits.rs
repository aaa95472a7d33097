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

/// How a value changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Collections get more at their ends.
    Lines,
    /// So do strings, and null becomes a collection: what the policy does.
    Additions,
    /// Values are changed, deleted and inserted too.
    Anything,
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![Just(How::Lines), Just(How::Additions), Just(How::Anything)]
}

fn changed(value: &Value, new: &[Value], how: How, decisions: &mut Decisions) -> Value {
    let fresh = |decisions: &mut Decisions| new[usize::from(decisions.next()) % new.len()].clone();
    match value {
        Value::Sequence(elements) => {
            let mut changed_elements = Vec::new();
            for element in elements {
                match decisions.next() {
                    0..30 if how == How::Anything => continue,
                    30..60 if how == How::Anything => changed_elements.push(fresh(decisions)),
                    60..80 if how == How::Anything => {
                        changed_elements.push(fresh(decisions));
                        continue;
                    }
                    _ => {}
                }
                changed_elements.push(changed(element, new, how, decisions));
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
                    0..30 if how == How::Anything => continue,
                    30..60 if how == How::Anything => {
                        changed_members.push((key.clone(), fresh(decisions)));
                        continue;
                    }
                    60..90
                        if how == How::Anything
                            && !members
                                .iter()
                                .any(|(known, _)| *known == format!("{key}-before")) =>
                    {
                        changed_members.push((format!("{key}-before"), fresh(decisions)));
                    }
                    _ => {}
                }
                changed_members.push((key.clone(), changed(value, new, how, decisions)));
            }
            if decisions.next() < 120 {
                changed_members.push(("added to it".to_owned(), fresh(decisions)));
            }
            Value::Mapping(changed_members)
        }
        Value::String(text) if how != How::Lines => Value::String(match decisions.next() {
            0..40 => format!("{text} -more"),
            40..60 => format!("less:{text}"),
            _ => text.clone(),
        }),
        Value::Null if how != How::Lines => match decisions.next() {
            0..60 => Value::Sequence(vec![fresh(decisions)]),
            60..120 => Value::Mapping(vec![("added".to_owned(), fresh(decisions))]),
            _ => Value::Null,
        },
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
        how in how(),
    ) {
        let root = Written::Map(members.clone(), false);
        let text = written(&members, &habits);
        let source = yaml(&text);
        // A block at the end loses its line break with that of the text.
        let is_cut = !habits.ends_with_newline && *source.value() != value_of(&root);
        prop_assert!(is_cut || *source.value() == value_of(&root), "{}", text);
        let after = changed(source.value(), &new, how, &mut Decisions(&decisions));
        let edited = source.edit(&after);
        let edited = edited.ok_or_else(|| TestCaseError::fail(format!("{text}\n{after:?}")))?;
        let said = yaml(&edited.text).into_value();
        prop_assert_eq!(&said, &after, "{}", edited.text);
        prop_assert!(!edited.is_rewritten || !is_filled(&after), "{text}\n{after:?}\n{}", edited.text);
        if how == How::Lines && is_all_block(&root) && !is_cut {
            prop_assert!(only_adds(&text, &edited.text), "{}\n{}", text, edited.text);
        }
        // What was added comes out again, and nothing else.
        if how != How::Anything && !edited.is_rewritten {
            let grown = yaml(&edited.text);
            let back = grown.edit(source.value()).unwrap().text;
            prop_assert_eq!(edited.lost_line.is_none(), back == text, "{}", edited.text);
            // A block of text at the end has to have a line break, which stays.
            let has_grown_one = edited.text.ends_with('\n') && !text.ends_with('\n');
            let back = if has_grown_one { back.trim_end_matches(['\r', '\n']) } else { &back };
            prop_assert!(is_cut || back == text, "{}\n{}", back, edited.text);
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
        how in how(),
    ) {
        let value = value_of(&value);
        let text = match pretty {
            true => serde_json::to_string_pretty(&value),
            false => serde_json::to_string(&value),
        };
        let text = text.unwrap();
        let source = json(&text);
        prop_assert_eq!(source.value(), &value);
        let after = changed(&value, &new, how, &mut Decisions(&decisions));
        let edited = source.edit(&after).unwrap();
        prop_assert_eq!(&json(&edited.text).into_value(), &after, "{}", edited.text);
        prop_assert!(!edited.is_rewritten || how == How::Anything || !is_filled(&value), "{}", text);
        if how != How::Anything {
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

/// A block scalar has a final line break if one follows it, so what is added behind the last one of a
/// text that ends without would change its value.
#[test]
fn strips_a_block_scalar_that_ended_the_text() {
    for (before, expected) in [
        ("# a\nb: |\n  x", "# a\nb: |-\n  x\nc: z"),
        ("b: >+\n  x", "b: >-\n  x\nc: z"),
        ("b: |2\n    x", "b: |-2\n    x\nc: z"),
        ("b: |-\n  x", "b: |-\n  x\nc: z"),
        ("b: |\n  x\n", "b: |\n  x\nc: z\n"),
    ] {
        let (text, is_rewritten) = after(before, |value| {
            value.as_mapping_mut().unwrap().push(("c".to_owned(), Value::String("z".to_owned())));
        });
        assert_eq!((&*text, is_rewritten), (expected, false), "{before}");
    }
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

/// A value of the member `a`, as somebody wrote it, then what it is changed to, and the text then.
const RESTORED: [(&str, &str, &str); 35] = [
    // What is missing.
    ("a:\n", "[x]", "a:\n- x\n"),
    ("a:   # none yet\n", "{b: x}", "a:   # none yet\n  b: x\n"),
    ("a:\n  # none yet\nb: 1\n", "[x]", "a:\n- x\n  # none yet\nb: 1\n"),
    ("a:", "[x]", "a:\n- x"),
    // Null that is written.
    ("a: null # none\n", "[x]", "a: [x] # none\n"),
    ("a:\n  null\n", "{b: x}", "a:\n  {b: x}\n"),
    // Empty collections.
    ("a: [] # none\n", "[x]", "a: # none\n- x\n"),
    ("a: {}\nb: 1\n", "{b: {c: x}}", "a:\n  b:\n    c: x\nb: 1\n"),
    ("a:\n  {}\n", "{b: x}", "a:\n  {b: x}\n"),
    ("a:   [ ]\n", "[x, q]", "a:   [ x, q]\n"),
    ("a: [\n]\n", "[x]", "a: [\nx]\n"),
    ("a: &x []\nb: *x\n", "[x]", "a: &x [x]\nb: *x\n"),
    // Strings that grow at their ends.
    ("a: b # c\n", "b d", "a: b d # c\n"),
    ("a: b\n  c\n", "b c d", "a: b\n  c d\n"),
    ("a: 'it''s'\n", "1 it's 2's", "a: '1 it''s 2''s'\n"),
    ("a: 'b\n\n  c'\n", "\"b\\nc d\"", "a: 'b\n\n  c d'\n"),
    (r#"a: "\x62""#, "b\"", r#"a: "\x62\"""#),
    ("a: \"b\n  c\"\n", "0b c", "a: \"0b\n  c\"\n"),
    ("a: ''\n", "b", "a: 'b'\n"),
    ("a: >-\n  b\n  c\n", "b c d", "a: >-\n  b\n  c d\n"),
    ("a: >-\n  b\n\n  c\n\nb: 1\n", "\"0b\\nc\"", "a: >-\n  0b\n\n  c\n\nb: 1\n"),
    ("a: |\n  b\n  c\n", "\"b\\nc\\n d\"", "a: |-\n  b\n  c\n   d\n"),
    ("a: > # x\n  b\n  c\n", "\"b c\\n d\"", "a: >- # x\n  b\n  c\n   d\n"),
    ("a: |2-\n   b\n  c", "\" b\\nc d\"", "a: |2-\n   b\n  c d"),
    ("{a: b}", "b d", "{a: b d}"),
    ("a: [b, 'c']\n", "[b, c d]", "a: [b, 'c d']\n"),
    // Elements that move.
    ("a: [x, q, z]\n", "[q, z, x]", "a: [q, z, x]\n"),
    ("a:\n- x\n- q\n", "[q, x]", "a:\n- q\n- x\n"),
    (
        "a:\n- {name: x,   v: '1'} # one\n\n# two\n- name: q\n  v: \"2\"\nb: 1\n",
        "[{name: q, v: 2 3}, {name: x, v: 1 2}]",
        "a:\n\n# two\n- name: q\n  v: \"2 3\"\n- {name: x,   v: '1 2'} # one\nb: 1\n",
    ),
    (
        "a:\n  # x\n  - name: x\n    v: |\n      1\n  - name: q\n  - name: z",
        "[{name: q}, {name: z}, {name: x, v: \"1\\n 2\"}, {name: w}]",
        "a:\n  - name: q\n  - name: z\n  # x\n  - name: x\n    v: |-\n      1\n       2\n  - name: w",
    ),
    ("a:\n- [x, [q, z]]\n", "[[[z, q], x]]", "a:\n- [[z, q], x]\n"),
    // JSON.
    ("{\"a\":null}", "[x]", "{\"a\":[\"x\"]}"),
    ("{\n  \"a\": []\n}", "[x]", "{\n  \"a\": [\n    \"x\"\n  ]\n}"),
    ("{\"a\": { }}", "{b: x}", "{\"a\": { \"b\": \"x\"}}"),
    (r#"{"a":"b\/c"}"#, "b/c d", r#"{"a":"b\/c d"}"#),
];

#[test]
fn restores_what_it_changed() {
    for (before, value, expected) in RESTORED {
        let parse = |text| Document::parse_json(text).unwrap_or_else(|_| yaml(text));
        let document = parse(before);
        let mut after = document.value().clone();
        *after.get_mut("a").unwrap() = yaml(value).into_value();
        let same_anchor = document.text().contains("*x").then(|| after.get("a").cloned());
        if let Some(Some(value)) = same_anchor {
            *after.get_mut("b").unwrap() = value;
        }
        let edited = document.edit(&after).unwrap();
        assert_eq!(edited.text, expected, "{before}");
        assert_eq!((edited.is_rewritten, edited.lost_line), (false, None), "{before}");
        let back = parse(&edited.text).edit(document.value()).unwrap();
        assert_eq!(back.text, before, "{expected}");
    }
}

#[test]
fn tells_what_it_would_not_restore() {
    for (before, value, line) in [
        ("b: 1\na: ~\n", "[x]", 2),
        ("b: 1\nc: {a: }\na: {b: }\n", "{b: [x]}", 3),
        ("b: 1\na: |\n  x\n", "q", 2),
        ("a: {x: 1,  q: 2}\nb: 1\n", "{q: 2}", 1),
        ("a: &x [1]\nb: *x\n", "[1, 2]", 2),
    ] {
        let document = yaml(before);
        let mut after = document.value().clone();
        *after.get_mut("a").unwrap() = yaml(value).into_value();
        assert_eq!(document.edit(&after).unwrap().lost_line, Some(line), "{before}");
    }
}
