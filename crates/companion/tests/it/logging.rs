//! The log configuration of logfwd.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::api::{Api, Effect};
use crate::replica::{Replica, TestClock, eventually};

const CONFIGS: &str = "clusterloggingconfigs";

/// As many selectors as take a second for a name of 253 letters.
const SLOW: usize = 60;

fn config(selector: Value) -> Value {
    json!({
        "apiVersion": "logging.datakits.io/v1alpha1", "kind": "ClusterLoggingConfig", "metadata": {},
        "spec": { "selector": selector, "configs": [{ "type": "file", "source": "s", "path": "/a.log" }] },
    })
}

fn matched(name: &str) -> Value {
    let configs = r#"[{"type":"file","source":"s","path":"/a.log"}]"#;
    json!({ "name": name, "configs": configs })
}

/// Catches: an order that depends on what came first, a selector that is dropped, an error that hides later objects.
#[tokio::test]
async fn the_first_that_matches_answers() {
    let (api, clock) = (Api::start().await, TestClock::new());
    // Written in another order than that of their names.
    for (name, selector) in [
        ("d-all-of-shop", json!({ "namespaceRegex": "^shop$" })),
        (
            "b-web",
            json!({ "namespaceRegex": "^shop$", "podRegex": "^web-", "podLabelSelector": "app in (web)" }),
        ),
        ("a-broken", json!({ "namespaceRegex": "(", "podRegex": "" })),
        ("c-not-old", json!({ "podLabelSelector": "!old,app", "containerRegex": "(" })),
    ] {
        let _config = api.put(CONFIGS, "", name, config(selector));
    }
    let replica = Replica::ready(&api, &clock).await;
    let none = json!({ "error": "no matching config found" });
    let required = json!({ "error": "namespace, pod_name parameters are required" });
    for (query, code, body) in [
        ("namespace=shop&pod_name=web-1&pod_labels=app%3Dweb%2Cold%3D1", 200, matched("b-web")),
        ("namespace=shop&pod_name=api-1&pod_labels=app%3Dweb", 200, matched("c-not-old")),
        (
            "namespace=shop&pod_name=api-1&pod_labels=app%3Dweb%2Cold%3D1",
            200,
            matched("d-all-of-shop"),
        ),
        ("namespace=shop&pod_name=web-1", 200, matched("d-all-of-shop")),
        ("namespace=shop&pod_name=web-1&pod_labels=", 200, matched("d-all-of-shop")),
        ("namespace=other&pod_name=web-1", 404, none.clone()),
        ("namespace=other&pod_name=web-1&pod_labels=old%3D1", 404, none),
        ("namespace=shop", 400, required.clone()),
        ("pod_name=web-1", 400, required.clone()),
        ("namespace=&pod_name=web-1", 400, required.clone()),
        ("", 400, required),
        ("namespace=%zz&pod_name=web-1", 400, json!({ "error": "the query is not URL-encoded" })),
    ] {
        let answer = replica.get(&format!("/v1/logging/configs?{query}")).await;
        assert_eq!((answer.code, answer.body), (code, body), "{query}");
    }
    let requests = "datakit_companion_logging_requests_total";
    for (name, expected) in [
        (format!("{requests}{{code=\"200\"}}"), 5.0),
        (format!("{requests}{{code=\"400\"}}"), 5.0),
        ("datakit_companion_logging_objects{state=\"valid\"}".to_owned(), 3.0),
        ("datakit_companion_logging_objects{state=\"invalid\"}".to_owned(), 1.0),
    ] {
        assert_eq!(replica.metric(&name).await, Some(expected), "{name}");
    }
    let text = replica.get("/metrics").await.body.to_string();
    assert!(!text.contains("shop") && !text.contains("web-1"), "{text}");
}

/// Catches: an empty answer before the list came, which would stop every logfwd.
#[tokio::test]
async fn before_the_cache_is_in_sync_there_is_no_answer() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let _config = api.put(CONFIGS, "", "all", config(json!({})));
    // As where the CustomResourceDefinition is not installed.
    api.fail("list", CONFIGS, usize::MAX, Effect::Refused(404, "NotFound"));
    let replica = Replica::start_with(&api.client(), &clock, &["--logging-configs"]);
    let configs = "/v1/logging/configs?namespace=shop&pod_name=web-1";
    eventually("the reason is known", async || {
        let answer = replica.get(configs).await;
        assert_eq!(answer.code, 503);
        answer.body["error"].as_str().unwrap().contains("refused by the test")
    })
    .await;
    let problem = &replica.get("/readyz").await.body["problems"][0];
    assert_eq!(
        (&problem["service"], &problem["code"]),
        (&json!("logging-configs"), &json!("cache_not_ready"))
    );
    clock.step(6);
    api.allow(Some(Vec::new()));
    let problem = &replica.get("/v1/ready").await.body["problems"][0];
    assert_eq!(problem["code"], "rbac_forbidden");
    let message = "missing rights: list clusterloggingconfigs.logging.datakits.io, watch \
        clusterloggingconfigs.logging.datakits.io";
    assert_eq!(problem["message"], message);
    api.allow(None);
    api.recover();
    clock.step(6);
    eventually("it answers", async || replica.get(configs).await.body == matched("all")).await;
    assert_eq!(replica.get("/readyz").await.code, 200);
    // Lists that fail later leave what is there.
    api.fail("list", CONFIGS, usize::MAX, Effect::Refused(500, "InternalError"));
    api.forget_events();
    api.end_watches(true);
    eventually("it tries to list", async || api.calls("list", CONFIGS) > 3).await;
    assert_eq!(replica.get(configs).await.body, matched("all"));
}

/// Catches: an event for each replica, each watch or each minute; and none for an object that changed.
#[tokio::test]
async fn there_is_one_event_for_each_error() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let broken = config(json!({ "podLabelSelector": "app=a*" }));
    let _config = api.put(CONFIGS, "", "broken", broken.clone());
    let _config = api.put(CONFIGS, "", "fine", config(json!({})));
    let _replicas = [Replica::ready(&api, &clock).await, Replica::ready(&api, &clock).await];
    eventually("both told it", async || api.calls("create", "events") == 2).await;
    let events = api.objects("events");
    assert_eq!(events.len(), 1);
    let event = events.values().next().unwrap();
    let note = "spec.selector.podLabelSelector: `app=a*` is not a label selector: `a*` is not a label value";
    for (key, expected) in [
        ("type", "Warning"),
        ("reason", "InvalidSelector"),
        ("action", "Read"),
        ("note", note),
        ("reportingController", "datakit-companion"),
        ("reportingInstance", "datakit-companion"),
        ("eventTime", "2026-09-05T10:00:00.000000Z"),
    ] {
        assert_eq!(event[key], expected, "{key}");
    }
    assert_eq!(event["metadata"]["namespace"], "default");
    let stored = &api.objects(CONFIGS)["broken"];
    assert_eq!(
        event["regarding"],
        json!({
            "apiVersion": "logging.datakits.io/v1alpha1", "kind": "ClusterLoggingConfig",
            "name": "broken", "uid": stored["metadata"]["uid"],
        }),
    );
    // The same object, listed again.
    let lists = api.calls("list", CONFIGS);
    api.forget_events();
    api.end_watches(true);
    eventually("both list again", async || api.calls("list", CONFIGS) == lists + 2).await;
    // Another state of it.
    let _config = api.put(CONFIGS, "", "broken", broken);
    eventually("both told it", async || api.calls("create", "events") == 4).await;
    assert_eq!(api.objects("events").len(), 2);
}

/// Catches: configuration that depends on the right to write events.
#[tokio::test]
async fn without_the_right_to_write_events_logfwd_is_answered() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let _config = api.put(CONFIGS, "", "a", config(json!({ "podRegex": "**" })));
    let _config = api.put(CONFIGS, "", "b", config(json!({})));
    api.fail("create", "events", usize::MAX, Effect::Refused(403, "Forbidden"));
    let replica = Replica::ready(&api, &clock).await;
    assert_eq!(replica.get("/readyz").await.code, 200);
    let answer = replica.get("/v1/logging/configs?namespace=shop&pod_name=web-1").await;
    assert_eq!(answer.body, matched("b"));
}

/// Catches: an object of another type that takes all others with it.
#[tokio::test]
async fn an_object_that_cannot_be_read_is_left_out() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let mut unreadable = config(json!({}));
    unreadable["spec"]["configs"] = json!([{ "type": 7 }]);
    let _config = api.put(CONFIGS, "", "a", unreadable);
    let _config = api.put(CONFIGS, "", "b", config(json!({})));
    let replica = Replica::ready(&api, &clock).await;
    let answer = replica.get("/v1/logging/configs?namespace=shop&pod_name=web-1").await;
    assert_eq!(answer.body, matched("b"));
    eventually("the event is there", async || api.objects("events").len() == 1).await;
}

/// Catches: a query that makes everybody wait while it is matched, and queries that take a thread each.
#[tokio::test]
async fn slow_selectors_delay_only_logfwd() {
    let (api, clock) = (Api::start().await, TestClock::new());
    for index in 0..SLOW {
        let regex = format!("(.*a){{20,40}}Z{index}");
        let _config = api.put(CONFIGS, "", &regex, config(json!({ "podRegex": regex })));
    }
    let replica = Replica::start_with(&api.client(), &clock, &["--logging-configs"]);
    eventually("in sync", async || replica.get("/readyz").await.code == 200).await;
    let query = format!("/v1/logging/configs?namespace=a&pod_name={}", "a".repeat(253));
    let is_over = AtomicBool::new(false);
    let queries = async {
        let answers = join_all((0..500).map(|_| replica.get(&query))).await;
        is_over.store(true, Ordering::Relaxed);
        answers
    };
    let meanwhile = async {
        assert_eq!(replica.get("/readyz").await.code, 200);
        assert!(!is_over.load(Ordering::Relaxed), "it had to wait");
    };
    let (answers, ()) = tokio::join!(queries, meanwhile);
    let codes: BTreeSet<u16> = answers.iter().map(|answer| answer.code).collect();
    assert_eq!(codes, [404, 503].into(), "those that waited too long keep what they have");
    // Two are still matched, but not the others that nobody waits for.
    assert_eq!(replica.get("/v1/logging/configs?namespace=a&pod_name=b").await.code, 404);
}
