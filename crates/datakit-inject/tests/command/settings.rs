//! Settings: found wherever they are, with errors and notes.

use crate::{run, text};

const CONFIG: &str = r#"{"admission_mutate":{"loggings":[]}}"#;
const RELEASE: &str = "read as release 1.5: the configuration has no admission_inject_v2\n";

#[test]
fn checks_settings_wherever_they_are() {
    let config_map = format!("kind: ConfigMap\ndata: {{ other: x, config: '{CONFIG}' }}\n");
    let values = format!("replicas: 1\noperator: {{ config: '{CONFIG}' }}\n");
    let operator = format!("kind: Namespace\n---\n{config_map}---\nkind: Deployment\n");
    let list = format!("kind: List\nitems: [{{kind: ConfigMap, data: {{c: '{CONFIG}'}}}}]\n");
    for (input, code, expected) in [
        (CONFIG, 0, "valid (read as a plain configuration)\n"),
        (&*config_map, 0, "valid (read as the Operator's ConfigMap)\n"),
        (&*values, 0, "valid (read as values of a chart)\n"),
        (&*operator, 0, "valid (read as the Operator's ConfigMap, document 2 of 3)\n"),
        (&*list, 0, "valid (read as the Operator's ConfigMap, item 1 of a List)\n"),
    ] {
        let output = run(&["check-settings", "-"], input);
        assert_eq!(text(&output.stdout), format!("{RELEASE}{expected}"), "{input}");
        assert_eq!(output.status.code(), Some(code), "{input}");
        assert!(output.stderr.is_empty(), "{input}");
    }
    for (input, expected) in [
        (
            "kind: ConfigMap",
            "error: -: is a ConfigMap without a configuration of Datakit Operator\n",
        ),
        (
            "kind: Deployment\napiVersion: apps/v1",
            "error: -: is a Deployment, not settings: expected a configuration of Datakit \
             Operator, its ConfigMap, values of a chart or a policy\n",
        ),
        (
            &format!("{config_map}---\n{CONFIG}"),
            "error: -: holds 2 configurations: ConfigMap `` (key `config`), document 2; pass one \
             of them\n",
        ),
        ("", "error: -: is empty\n"),
        ("a: [", "error: -:1: not YAML: "),
    ] {
        let output = run(&["check-settings", "-"], input);
        assert_eq!((text(&output.stdout), output.status.code()), (String::new(), Some(2)));
        assert!(text(&output.stderr).starts_with(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn prints_errors_then_notes_then_the_release() {
    let settings = "\
log_level: loud
ddtraces: []
admission_inject_v2:
  ddtraces:
  - language: java
    image: hub/java:1
";
    let output = run(&["check-settings", "-"], settings);
    let expected = "\
-:1: log_level: unknown level `loud`
-:2: ddtraces: belongs in `admission_inject_v2.ddtraces`
-:5: note: admission_inject_v2.ddtraces[0]: has no selectors that can match, so the rule is switched off
read as release 1.8: the configuration has admission_inject_v2
2 errors, 1 note (read as a plain configuration)
";
    let mut lines: Vec<_> = expected.lines().collect();
    let stdout = text(&output.stdout);
    let mut found: Vec<_> = stdout.lines().collect();
    lines[..2].sort();
    found[..2].sort();
    assert_eq!(found, lines);
    assert_eq!(output.status.code(), Some(1));
    let valid = settings.replace("log_level: loud\nddtraces: []\n", "");
    for (strict, code) in [(&[][..], 0), (&["--strict"], 1)] {
        let output = run(&[&["check-settings", "-"], strict].concat(), &valid);
        assert!(text(&output.stdout).ends_with("valid, 1 note (read as a plain configuration)\n"));
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn checks_settings_in_chinese() {
    let settings = "\
admission_inject_v2:
  ddtraces:
  - language: jva
    namespace_selectors: ['(']
    image: hub/java:1
    envs: {DD_AGENT_HOST: datakit}
  - language: java
    image: hub/java:1
";
    let values = format!("operator:\n  config: '{CONFIG}'\n---\nkind: Service\n");
    for (input, code, expected) in [
        (
            settings,
            1,
            "\
-:4: admission_inject_v2.ddtraces[0].namespace_selectors[0]：`(` 不是正则表达式：分组的 '(' 没有对应的 ')'
-:3: admission_inject_v2.ddtraces[0].language：未知的语言 `jva`；是否应为 `java`？
-:7: 提示：admission_inject_v2.ddtraces[1]：没有能够匹配的选择器，因此规则处于关闭状态
按 1.8 版读取：配置中有 admission_inject_v2
2 个错误，1 条提示（来源：普通配置）
",
        ),
        (
            &*values,
            0,
            "\
按 1.5 版读取：配置中没有 admission_inject_v2
有效（来源：chart 的 values，共 2 个文档中的第 1 个）
",
        ),
        ("{}", 0, "\
-:1: 提示：没有规则：永远不会注入任何内容
按 1.5 版读取：配置中没有 admission_inject_v2
有效，1 条提示（来源：普通配置）
"),
        ("policy: 1", 1, "\
-:1: policy：应为对象，实际为数字
-:1: 提示：没有规则：永远不会注入任何内容
按 1.5 版读取：配置中没有 admission_inject_v2
1 个错误，1 条提示（来源：普通配置）
"),
    ] {
        let output = run(&["check-settings", "-", "--lang", "zh"], input);
        assert_eq!(text(&output.stdout), expected);
        assert_eq!(output.status.code(), Some(code), "{input}");
    }
    let output = run(&["check-settings", "-", "--lang", "zh"], "kind: ConfigMap");
    let expected = "error: -: 是 ConfigMap，但其中没有 Datakit Operator 的配置\n";
    assert_eq!((text(&output.stderr), output.status.code()), (expected.to_owned(), Some(2)));
}

const POLICY: &str = "\
# The team's policy.
apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata:
  name: team # ours
spec:
  module: registry://ghcr.io/x/datakit-injection-policy:v1
  mode: protect
  settings: # of 1.8
    admission_inject_v2:
      ddtraces:
      - language: java # ours
        namespace_selectors: ['^shop$']
        image: hub/java:1
        envs: {DD_AGENT_HOST: datakit}
";

#[test]
fn compares_the_conditions_of_a_policy_with_its_settings() {
    let check = |policy: &str| {
        let output = run(&["check-settings", "-"], policy);
        (text(&output.stdout), output.status.code())
    };
    let (stdout, code) = check(POLICY);
    assert!(
        stdout.starts_with("-:6: note: spec.matchConditions: there are none, so every"),
        "{stdout}"
    );
    assert_eq!(code, Some(0));
    let renewed = text(&run(&["convert", "-"], POLICY).stdout);
    let (stdout, code) = check(&renewed);
    let expected = "read as release 1.8: the configuration has admission_inject_v2\n\
                    valid (read as the settings of a policy)\n";
    assert_eq!((&*stdout, code), (expected, Some(0)));
    // Everything else stays as it was.
    let mut lines = renewed.lines();
    assert!(POLICY.lines().all(|line| lines.any(|other| other == line)), "{renewed}");
    // Renewed once, there is nothing to do.
    assert_eq!(text(&run(&["convert", "-"], &renewed).stdout), renewed);

    let other = renewed.replace("ns == 'shop'", "ns == 'other'");
    assert_ne!(other, renewed);
    let (stdout, code) = check(&other);
    let line = other.lines().position(|line| line.contains("asks-for-an-injection")).unwrap() + 1;
    let expected = format!(
        "-:{line}: spec.matchConditions[2]: is not the condition of the settings, so requests \
                    that ask for an injection may be lost; `convert` renews it\n"
    );
    assert!(stdout.starts_with(&expected), "{stdout}");
    assert_eq!(code, Some(1));
    assert_eq!(text(&run(&["convert", "-"], &other).stdout), renewed);
}

/// The comment says what the conditions let through: it is renewed with them.
#[test]
fn renews_the_words_above_the_conditions() {
    let settings = r#"{"admission_inject_v2":{"ddtraces":[{"language":"java","image":"h/j:1",
        "namespace_selectors":["^one"],"envs":{"DD_AGENT_HOST":"d"}}]}}"#;
    let first = text(&run(&["convert", "-"], settings).stdout);
    assert_eq!(first.matches("ddtrace: namespaces ^one").count(), 1, "{first}");
    let changed = first.replacen("- ^one", "- ^other", 1);
    assert_ne!(changed, first);
    let renewed = text(&run(&["convert", "-"], &changed).stdout);
    let expected = text(&run(&["convert", "-"], &settings.replace("^one", "^other")).stdout);
    assert_eq!(renewed, expected);
    assert_eq!(text(&run(&["convert", "-"], &renewed).stdout), renewed);
    let without = text(&run(&["convert", "-", "--no-conditions"], &renewed).stdout);
    assert!(!without.contains("requests pass"), "{without}");
}

#[test]
fn keeps_the_conditions_of_others() {
    let own = "  - name: not-the-robot\n    expression: request.userInfo.username != 'robot'\n";
    let old = "  - name: is-not-opted-out\n    expression: 'true'\n";
    let policy =
        POLICY.replace("  settings:", &format!("  matchConditions:\n{own}{old}  settings:"));
    let stdout = text(&run(&["check-settings", "-"], &policy).stdout);
    let expected = "\
-:12: spec.matchConditions[1]: is not the condition of the settings, so requests that ask for an injection may be lost; `convert` renews it
-:10: note: spec.matchConditions[0]: is not compiled from the settings: what it excludes is not injected into
-:9: note: spec.matchConditions: `namespace-is-not-ignored` is missing, so more requests than needed reach the policy server; `convert` adds it
-:9: note: spec.matchConditions: `asks-for-an-injection` is missing, so more requests than needed reach the policy server; `convert` adds it
";
    assert!(stdout.starts_with(expected), "{stdout}");
    let renewed = text(&run(&["convert", "-"], &policy).stdout);
    assert!(renewed.contains(own) && !renewed.contains(old), "{renewed}");
    let output = run(&["check-settings", "-"], &renewed);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stdout).contains("\nvalid, 1 note ")
            || text(&output.stdout).contains(": note: ")
    );
}

/// A place is that in the list as it is written, also behind what is left out.
#[test]
fn counts_what_it_leaves_out() {
    let condition = "{name: is-not-opted-out, expression: 'true'}";
    let conditions = format!("  matchConditions: [null, x, {condition}]\n  settings:");
    let output = run(&["check-settings", "-"], &POLICY.replace("  settings:", &conditions));
    assert!(
        text(&output.stdout).contains(": spec.matchConditions[2]: "),
        "{}",
        text(&output.stdout)
    );
    let rule = |selectors: &str| {
        format!(
            "admission_inject_v2: {{ddtraces: [{{language: java, image: 'a/b:1', label_selectors: {selectors}}}]}}"
        )
    };
    let list = "admission_inject_v2.ddtraces[0].label_selectors";
    for (selectors, place) in [
        ("['app=x', 'app=x,app=y']", format!("{list}[1]")),
        // Which of them it is is not known while others are invalid.
        ("['a in (', 'app=x', 'app=x,app=y']", list.to_owned()),
    ] {
        let stdout = text(&run(&["check-settings", "-"], &rule(selectors)).stdout);
        let note = format!("-:1: note: {place}: can match no label: it contradicts itself\n");
        assert!(stdout.contains(&note), "{stdout}");
    }
    let block = "admission_inject: {ddtrace: {images: {java_agent_image: 'a/b:1'}, enabled_labelselectors: \
                 [{labelselector: app=z, language: java}, {labelselector: 'app=x,app=y', language: java}]}}";
    let stdout = text(&run(&["check-settings", "-"], block).stdout);
    let note = "-:1: note: admission_inject.ddtrace.enabled_labelselectors[1]: can match no label";
    assert!(stdout.contains(note), "{stdout}");
}

const FAULTY: &str = r#"{
  "log_level": "loud",
  "admission_inject_v2": {
    "ddtraces": [
      { "namespace_selectors": ["*"], "language": "java",
        "image": "a b" }
    ]
  }
}
"#;

/// Editors and CI jump to `FILE:LINE`, whatever holds the settings.
#[test]
fn names_the_lines_of_errors_in_every_holder() {
    let lines = |input: &str| {
        let stdout = text(&run(&["check-settings", "-"], input).stdout);
        let places = stdout.lines().filter_map(|line| line.strip_prefix("-:")?.split_once(": "));
        let places = places.filter(|(_, rest)| !rest.starts_with("note"));
        let mut places: Vec<_> = places
            .map(|(line, rest)| {
                (line.parse::<usize>().unwrap(), rest.split(':').next().unwrap().to_owned())
            })
            .collect();
        places.sort();
        places
    };
    let (level, image) = ("log_level", "admission_inject_v2.ddtraces[0].image");
    let places = |one: usize, two: usize| {
        let mut places = [(one, level.to_owned()), (two, image.to_owned())];
        places.sort();
        places
    };
    assert_eq!(lines(FAULTY), places(2, 6));
    let value: serde_json::Value = serde_json::from_str(FAULTY).unwrap();
    let yaml = "# settings\nlog_level: loud\nadmission_inject_v2:\n  ddtraces:\n  - \
                namespace_selectors: ['*']\n    language: java\n    image: a b\n";
    assert_eq!(lines(yaml), places(2, 7));
    let indented = FAULTY.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let map = format!("kind: Service\n---\nkind: ConfigMap\ndata:\n  config.json: |\n{indented}");
    assert_eq!(lines(&map), places(7, 11));
    let list = format!(
        "kind: List\nitems:\n- {}",
        map.split("---\n").nth(1).unwrap().replace('\n', "\n  ")
    );
    assert_eq!(lines(&list), places(7, 11));
    // A text on one line has but one.
    let quoted = serde_json::Value::from(value.to_string());
    let map = format!("kind: ConfigMap\ndata:\n  config.json: {quoted}\n");
    assert_eq!(lines(&map), places(3, 3));
    let policy = format!(
        "kind: AdmissionPolicy\nspec:\n  settings:\n    jsonconfig: |\n{}",
        indented.replace("    ", "      ")
    );
    assert_eq!(lines(&policy), places(6, 10));
}

#[test]
fn says_it_to_ci() {
    let output = run(&["check-settings", "-", "-o", "json"], FAULTY);
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["valid"], false);
    assert_eq!(answer["errors"].as_array().unwrap().len(), 2);
    let error = answer["errors"].as_array().unwrap().iter().find(|it| it["path"] == "log_level");
    let expected = serde_json::json!({
        "line": 2, "path": "log_level", "message": "unknown level `loud`",
    });
    assert_eq!(error, Some(&expected));
    let yaml = run(&["check-settings", "-", "-o", "yaml"], FAULTY);
    let same: serde_json::Value = serde_norway::from_slice(&yaml.stdout).unwrap();
    assert_eq!(same, answer);
}

#[test]
fn converts_nothing_that_has_errors_and_lists_them() {
    let output = run(&["convert", "-"], FAULTY);
    assert_eq!((text(&output.stdout), output.status.code()), (String::new(), Some(2)));
    let stderr = text(&output.stderr);
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{stderr}");
    assert!(lines.contains(&"-:2: log_level: unknown level `loud`"), "{stderr}");
    assert!(lines.iter().any(|it| it.starts_with("-:6: admission_inject_v2.ddtraces[0].image: ")));
    assert_eq!(lines[2], "error: 2 errors; nothing was converted");
}

/// The text is parsed once, and not once for each error.
#[test]
fn finds_the_lines_of_many_errors_in_time() {
    let rule =
        r#"      { "namespace_selectors": ["*"], "language": "java", "image": "a b", "x": 1 }"#;
    let rules = vec![rule; 1_000].join(",\n");
    let settings = format!("{{\n\"admission_inject_v2\": {{ \"ddtraces\": [\n{rules}\n] }} }}\n");
    let start = std::time::Instant::now();
    let stdout = text(&run(&["check-settings", "-"], &settings).stdout);
    assert!(stdout.contains("-:1002: admission_inject_v2.ddtraces[999].image: "), "{stdout}");
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

/// The number of the document is a part of the source, not of the summary.
#[test]
fn sums_up_several_documents_in_chinese() {
    let map = |json: &str| {
        let other = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n";
        let map =
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: datakit-operator-config}\ndata:\n";
        format!("{other}---\n{map}  datakit-operator.conf: '{json}'\n")
    };
    for (json, expected) in [
        (
            r#"{"admission_mutate": {"loggings": 1}}"#,
            "1 个错误（来源：Operator 的 ConfigMap，共 2 个文档中的第 2 个）\n",
        ),
        (
            r#"{"admission_inject_v2": {"ddtraces": []}}"#,
            "（来源：Operator 的 ConfigMap，共 2 个文档中的第 2 个）\n",
        ),
    ] {
        let output = run(&["check-settings", "--lang", "zh", "-"], &map(json));
        let stdout = text(&output.stdout);
        assert!(stdout.ends_with(expected), "{stdout}{}", text(&output.stderr));
        assert!(!stdout.contains("read as"), "{stdout}");
    }
}
