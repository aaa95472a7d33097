//! The alert rules of `deploy/monitoring/`, against each other and the pages that name them. `promtool` reads
//! the expressions, in `make lint`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::documents::read;
use crate::kubernetes::list;
use crate::packaging::yaml;

const PAGES: [(&str, &str); 2] =
    [("datakit-injection", "docs/operating.md"), ("datakit-companion", "docs/companion.md")];

/// The words of a text that start so.
fn words<'t>(text: &'t str, start: &str) -> BTreeSet<&'t str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(start)).collect()
}

#[test]
fn both_files_have_the_same_rules() {
    let rules = yaml("deploy/monitoring/rules.yaml");
    let resource = yaml("deploy/monitoring/prometheus-rule.yaml");
    assert_eq!(
        (&resource["apiVersion"], &resource["kind"]),
        (&"monitoring.coreos.com/v1".into(), &"PrometheusRule".into())
    );
    assert_eq!(resource["spec"], rules);
}

#[test]
fn each_alert_is_in_a_table_and_has_a_section() {
    let rules = yaml("deploy/monitoring/rules.yaml");
    for (name, path) in PAGES {
        let group = list(&rules, "groups").iter().find(|group| group["name"] == name).unwrap();
        let page = read(path);
        let mut alerts = BTreeSet::new();
        for rule in list(group, "rules") {
            let text = |key: &str| rule.pointer(key).and_then(Value::as_str).unwrap_or_default();
            let (alert, severity) = (text("/alert"), text("/labels/severity"));
            assert!(page.contains(&format!("| `{alert}` | {severity} | ")), "{path}: {alert}");
            let (_, place) = text("/annotations/runbook_url").split_once("/blob/main/").unwrap();
            let (file, anchor) = place.split_once('#').unwrap();
            let has_section = read(file).lines().any(|line| {
                line.starts_with('#')
                    && line.to_lowercase().replace(' ', "-").ends_with(&format!("#-{anchor}"))
            });
            assert!(file == path && has_section, "{alert}: {place}");
            alerts.insert(alert.to_owned());
        }
        let named = words(&page, "Datakit");
        let named = named.into_iter().filter(|word| word.len() > "DatakitInject".len());
        assert_eq!(named.map(str::to_owned).collect::<BTreeSet<_>>(), alerts, "{path}");
    }
}

/// A metric that the page does not have is one that nobody knows how to get.
#[test]
fn each_metric_is_on_the_page() {
    let rules = read("deploy/monitoring/rules.yaml");
    for (start, path) in [("kubewarden_", PAGES[0].1), ("datakit_companion_", PAGES[1].1)] {
        let page = read(path);
        for metric in words(&rules, start) {
            let metric = metric.trim_end_matches("_bucket");
            assert!(words(&page, start).contains(metric), "{path}: {metric}");
        }
    }
}

/// Each alert fires in a test of `promtool`.
#[test]
fn each_alert_is_tested() {
    let (rules, tests) =
        (yaml("deploy/monitoring/rules.yaml"), yaml("tests/monitoring/rules.test.yaml"));
    let fires = |alert: &Value| {
        let mut cases = list(&tests, "tests").iter().flat_map(|test| list(test, "alert_rule_test"));
        cases.any(|case| case["alertname"] == *alert && !list(case, "exp_alerts").is_empty())
    };
    for rule in list(&rules, "groups").iter().flat_map(|group| list(group, "rules")) {
        assert!(fires(&rule["alert"]), "{}", rule["alert"]);
    }
}
