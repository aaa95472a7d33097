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
log_level: unknown level `loud`
ddtraces: belongs in `admission_inject_v2.ddtraces`
note: admission_inject_v2.ddtraces[0]: has no selectors that can match, so the rule is switched off
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
  - language: java
    image: hub/java:1
";
    let values = format!("operator:\n  config: '{CONFIG}'\n---\nkind: Service\n");
    for (input, code, expected) in [
        (
            settings,
            1,
            "\
admission_inject_v2.ddtraces[0].namespace_selectors[0]：`(` 不是正则表达式：分组的 '(' 没有对应的 ')'
admission_inject_v2.ddtraces[0].language：未知的语言 `jva`；是否应为 `java`？
提示：admission_inject_v2.ddtraces[1]：没有能够匹配的选择器，因此规则处于关闭状态
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
提示：没有规则：永远不会注入任何内容
按 1.5 版读取：配置中没有 admission_inject_v2
有效，1 条提示（来源：普通配置）
"),
        ("policy: 1", 1, "\
policy：应为对象，实际为数字
提示：没有规则：永远不会注入任何内容
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
";

#[test]
fn compares_the_conditions_of_a_policy_with_its_settings() {
    let check = |policy: &str| {
        let output = run(&["check-settings", "-"], policy);
        (text(&output.stdout), output.status.code())
    };
    let (stdout, code) = check(POLICY);
    assert!(stdout.starts_with("note: spec.matchConditions: there are none, so every"), "{stdout}");
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
    let expected = "spec.matchConditions[2]: is not the condition of the settings, so requests \
                    that ask for an injection may be lost; `convert` renews it\n";
    assert!(stdout.starts_with(expected), "{stdout}");
    assert_eq!(code, Some(1));
    assert_eq!(text(&run(&["convert", "-"], &other).stdout), renewed);
}

#[test]
fn keeps_the_conditions_of_others() {
    let own = "  - name: not-the-robot\n    expression: request.userInfo.username != 'robot'\n";
    let old = "  - name: not-opted-out\n    expression: 'true'\n";
    let policy =
        POLICY.replace("  settings:", &format!("  matchConditions:\n{own}{old}  settings:"));
    let stdout = text(&run(&["check-settings", "-"], &policy).stdout);
    let expected = "\
spec.matchConditions[1]: is not the condition of the settings, so requests that ask for an injection may be lost; `convert` renews it
note: spec.matchConditions[0]: is not compiled from the settings: what it excludes is not injected into
note: spec.matchConditions: `namespace-is-not-ignored` is missing, so more requests than needed reach the policy server; `convert` adds it
note: spec.matchConditions: `asks-for-an-injection` is missing, so more requests than needed reach the policy server; `convert` adds it
";
    assert!(stdout.starts_with(expected), "{stdout}");
    let renewed = text(&run(&["convert", "-"], &policy).stdout);
    assert!(renewed.contains(own) && !renewed.contains(old), "{renewed}");
    let output = run(&["check-settings", "-"], &renewed);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stdout).contains("\nvalid, 1 note ")
            || text(&output.stdout).starts_with("note: ")
    );
}
