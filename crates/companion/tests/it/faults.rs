//! The election when something fails: an error is never a defeat, and there is never a second leader.

use std::time::Duration;

use datakit_companion::election::lease;
use datakit_companion::timeouts::Timeouts;
use futures_util::future::join_all;
use serde_json::json;

use crate::api::{Api, Effect};
use crate::election::{campaign, content, heartbeat};
use crate::replica::{Answer, Random, Replica, TestClock, eventually};

fn is_error(answer: &Answer, code: &str) {
    let content = &answer.body["content"];
    let found = (answer.code, &content["status"], &content["error_code"]);
    assert_eq!(found, (503, &json!("error"), &json!(code)), "{answer:?}");
    assert_ne!(content["error_msg"], "");
    assert_eq!(content["incumbency_id"], "");
}

/// Catches: a leader that stops, or a candidate that gives up, because the API server failed.
#[tokio::test]
async fn failures_are_no_defeats() {
    let refused = |code| Effect::Refused(code, "Whatever");
    for (operation, verb, effect, code) in [
        ("campaign", "get", refused(500), "storage_unavailable"),
        ("campaign", "get", refused(403), "rbac_forbidden"),
        ("campaign", "get", refused(429), "storage_unavailable"),
        ("campaign", "get", Effect::AnswerLost, "storage_unavailable"),
        ("campaign", "create", refused(500), "storage_unavailable"),
        ("campaign", "create", refused(404), "storage_unavailable"),
        ("campaign", "create", refused(403), "rbac_forbidden"),
        ("campaign", "create", Effect::AnswerLost, "storage_unavailable"),
        ("heartbeat", "get", refused(503), "storage_unavailable"),
        ("heartbeat", "update", refused(504), "storage_unavailable"),
        ("heartbeat", "update", refused(403), "rbac_forbidden"),
        ("heartbeat", "update", refused(409), "storage_unavailable"),
        ("heartbeat", "update", Effect::AnswerLost, "storage_unavailable"),
    ] {
        let (api, clock) = (Api::start().await, TestClock::new());
        let replica = Replica::ready(&api, &clock).await;
        if operation == "heartbeat" {
            let answer = replica.post(&campaign("a")).await;
            assert_eq!(answer.body, content("success", "a", "a", 1));
        }
        let reads = api.calls("get", "leases");
        api.fail(verb, "leases", usize::MAX, effect.clone());
        let path = if operation == "campaign" { campaign("a") } else { heartbeat("a") };
        let answer = replica.post(&path).await;
        is_error(&answer, code);
        if code == "rbac_forbidden" {
            // A quota is exhausted, a webhook refuses, or a right is missing: only the log can tell.
            let message =
                "leases.coordination.k8s.io are denied: missing rights, or a ResourceQuota";
            assert_eq!(answer.body["content"]["error_msg"], message);
        }
        let errors = replica.metric("datakit_companion_election_storage_errors_total").await;
        assert_eq!(errors, Some(1.0), "{operation} {verb} {effect:?}");
        let is_conflict = matches!(effect, Effect::Refused(409, _));
        let extra = if verb == "get" { reads } else { 0 };
        let calls = api.calls(verb, "leases") - extra;
        assert_eq!(calls, if is_conflict { 5 } else { 1 }, "{operation} {verb} {effect:?}");
    }
}

/// Catches: one object with a time after the last of the client's, and with it no list, no leader and no configuration.
#[tokio::test]
async fn objects_with_late_times_break_nothing() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let late = "9999-12-31T23:59:59.000000Z";
    let fields = json!([{ "manager": "m", "operation": "Update", "time": late }]);
    let held = |holder: &str| {
        json!({
            "metadata": { "labels": { "election.datakits.io/managed": "true" }, "managedFields": fields },
            "spec": {
                "holderIdentity": holder, "leaseDurationSeconds": 30, "leaseTransitions": 7,
                "acquireTime": late, "renewTime": late,
            },
        })
    };
    let name = lease::name("tkn_secret", "prod");
    let _other = api.put("leases", "datakit", "other", held("x"));
    let _own = api.put("leases", "datakit", &name, held("a"));
    let config = json!({ "metadata": { "managedFields": fields }, "spec": {} });
    let _config = api.put("clusterloggingconfigs", "", "late", config);
    let replica = Replica::ready(&api, &clock).await;
    let configs = "/v1/logging/configs?namespace=shop&pod_name=web-1";
    assert_eq!(replica.get(configs).await.body["name"], "late");
    assert_eq!(replica.post(&campaign("b")).await.body, content("defeat", "b", "a", 7));
    assert_eq!(replica.post(&heartbeat("a")).await.body, content("success", "a", "a", 7));
    let spec = &api.objects("leases")[&name]["spec"];
    assert_eq!(spec["renewTime"], "2026-09-05T10:00:00.000000Z");
    clock.step(30);
    assert_eq!(replica.post(&campaign("b")).await.body, content("success", "b", "b", 8));
    // Also where a watch brings it.
    let _own = api.put("leases", "datakit", &name, held("c"));
    let lists = api.calls("list", "leases");
    eventually("the cache has it", async || {
        let calls = api.calls("get", "leases");
        replica.post(&campaign("b")).await.body == content("defeat", "b", "c", 7)
            && api.calls("get", "leases") == calls
    })
    .await;
    assert_eq!(api.calls("list", "leases"), lists);
}

/// Catches: candidates without a Lease that open as many connections to the API server as there are of them.
#[tokio::test]
async fn calls_at_once_are_limited() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    let before = api.calls("get", "leases");
    api.fail("get", "leases", usize::MAX, Effect::Held);
    let paths: Vec<String> =
        (0..100).map(|index| format!("/v1/dk-election/heartbeat?token=t{index}&id=a")).collect();
    let answers = join_all(paths.iter().map(|path| replica.post(path)));
    let calls = async {
        eventually("as many as may", async || api.calls("get", "leases") - before == 64).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let calls = api.calls("get", "leases") - before;
        api.release();
        calls
    };
    let (answers, calls) = tokio::join!(answers, calls);
    assert_eq!(calls, 64);
    assert!(answers.iter().all(|answer| answer.code == 200), "{answers:?}");
    assert_eq!(api.calls("get", "leases") - before, 100);
}

/// Catches: a write that is taken for done although its answer never came, and one that is done twice.
#[tokio::test]
async fn a_lost_answer_makes_no_leader() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    api.fail("create", "leases", 1, Effect::AnswerLost);
    is_error(&replica.post(&campaign("a")).await, "storage_unavailable");
    // The Lease was written: nobody gets it for a term, not even its holder, who does not know.
    assert_eq!(replica.post(&campaign("a")).await.body, content("defeat", "a", "a", 1));
    clock.step(30);
    assert_eq!(replica.post(&campaign("b")).await.body, content("success", "b", "b", 2));
    api.fail("update", "leases", 1, Effect::AnswerLost);
    clock.step(3);
    is_error(&replica.post(&heartbeat("b")).await, "storage_unavailable");
    assert_eq!(replica.post(&heartbeat("b")).await.body, content("success", "b", "b", 2));
}

/// Catches: writes without a comparison, a conflict that counts as a defeat, and one that is repeated for ever.
#[tokio::test]
async fn conflicts_are_tried_again_five_times() {
    for (conflicts, is_success) in [(1, true), (4, true), (5, false), (100, false)] {
        let (api, clock) = (Api::start().await, TestClock::new());
        let replica = Replica::ready(&api, &clock).await;
        let _success = replica.post(&campaign("a")).await;
        let reads = api.calls("get", "leases");
        api.fail("update", "leases", conflicts, Effect::Overtaken);
        let answer = replica.post(&heartbeat("a")).await;
        if is_success {
            assert_eq!(answer.body, content("success", "a", "a", 1));
        } else {
            is_error(&answer, "storage_unavailable");
        }
        let writes = u64::try_from(conflicts).unwrap() + 1;
        assert_eq!(api.calls("update", "leases"), writes.min(5));
        assert_eq!(api.calls("get", "leases") - reads, writes.min(6));
        let counted = replica.metric("datakit_companion_election_conflicts_total").await;
        assert_eq!(counted, Some(conflicts.min(5) as f64));
    }
}

/// Catches: a renewal that was held up, and then takes the Lease from the new leader.
#[tokio::test]
async fn a_late_heartbeat_takes_nothing_back() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    let _success = replica.post(&campaign("a")).await;
    clock.step(29);
    api.fail("update", "leases", 1, Effect::Held);
    let late = async { replica.post(&heartbeat("a")).await };
    let meanwhile = async {
        eventually("the heartbeat is on its way", async || api.calls("update", "leases") == 1)
            .await;
        clock.step(2);
        let winner = replica.post(&campaign("b")).await;
        api.release();
        winner
    };
    let (late, winner) = tokio::join!(late, meanwhile);
    assert_eq!(winner.body, content("success", "b", "b", 2));
    assert_eq!(late.body, content("defeat", "a", "b", 2));
    assert_eq!(replica.post(&heartbeat("b")).await.body, content("success", "b", "b", 2));
}

/// Catches: a DataKit that waits in vain, 2 seconds at most, and learns nothing.
#[tokio::test]
async fn a_slow_api_server_is_an_error_in_time() {
    let default = Timeouts::default();
    assert!(default.request < Duration::from_secs(2) && default.review < Duration::from_secs(2));
    let (api, clock) = (Api::start().await, TestClock::new());
    let short = Duration::from_millis(200);
    let timeouts = Timeouts { request: short, review: short };
    let replica = Replica::start_within(&api.client(), &clock, &["--election"], timeouts);
    eventually("in sync", async || {
        replica.post(&campaign("")).await.code == 400
            && replica.post(&heartbeat("a")).await.code == 200
    })
    .await;
    api.fail("get", "leases", usize::MAX, Effect::Held);
    api.fail("create", "selfsubjectaccessreviews", usize::MAX, Effect::Held);
    is_error(&replica.post(&campaign("a")).await, "storage_unavailable");
    let status = replica.get("/v1/dk-election/status").await;
    assert_eq!(status.body["content"]["error_code"], "storage_unavailable");
}

/// Catches: probes that wait for each other while the API server hangs, until the last DataKit gives up.
#[tokio::test]
async fn probes_share_that_the_api_server_hangs() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let timeouts =
        Timeouts { request: Duration::from_secs(60), review: Duration::from_millis(200) };
    let replica = Replica::start_within(&api.client(), &clock, &["--election"], timeouts);
    api.fail("create", "selfsubjectaccessreviews", usize::MAX, Effect::Held);
    let probes = (0..100).map(|_| replica.get("/v1/dk-election/status"));
    let probes = tokio::time::timeout(Duration::from_secs(15), join_all(probes));
    for answer in probes.await.expect("one after the other takes 20 seconds") {
        assert_eq!(answer.body["content"]["error_code"], "storage_unavailable");
    }
}

/// Catches: an API server that fails, and is asked ten times in each second by each replica.
#[tokio::test]
async fn lists_that_fail_become_rare() {
    let (api, clock) = (Api::start().await, TestClock::new());
    api.fail("list", "leases", usize::MAX, Effect::Refused(500, "InternalError"));
    let _replica = Replica::start_with(&api.client(), &clock, &["--election"]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let lists = api.calls("list", "leases");
    assert!((2..=7).contains(&lists), "{lists}");
}

/// Catches: ids and tokens that fill etcd or memory, and a query of many labels for many objects.
#[tokio::test]
async fn long_parameters_are_refused() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    let path = |token: usize, id: usize| {
        format!("/v1/dk-election?token={}&id={}", "t".repeat(token), "i".repeat(id))
    };
    assert_eq!(replica.post(&path(1024, 253)).await.code, 200);
    for (token, id) in [(1025, 1), (1, 254)] {
        let answer = replica.post(&path(token, id)).await;
        assert_eq!(answer.code, 400);
        assert_eq!(answer.body["content"]["error_msg"], "token or id is too long");
    }
    assert_eq!(api.objects("leases").len(), 1);
    for (labels, code) in [(256, 404), (257, 400)] {
        let labels = vec!["a=b"; labels].join(",");
        let path = format!("/v1/logging/configs?namespace=a&pod_name=b&pod_labels={labels}");
        assert_eq!(replica.get(&path).await.code, code);
    }
}

/// Catches: a cache that stays as it was after its watch ended, in each of the ways in which watches end.
#[tokio::test]
async fn caches_recover_from_watches_that_end() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    let configs = "/v1/logging/configs?namespace=shop&pod_name=web-1";
    for round in 0..6 {
        match round % 3 {
            0 => api.end_watches(false),
            1 => api.end_watches(true),
            _ => {
                let _config = api.put("clusterloggingconfigs", "", "a-gone", json!({ "spec": {} }));
                eventually("the cache has it", async || {
                    replica.get(configs).await.body["name"] == "a-gone"
                })
                .await;
                // What happens now is in no watch.
                api.pause_watches();
                api.delete("clusterloggingconfigs", "", "a-gone");
                api.forget_events();
                api.end_watches(true);
                api.recover();
            }
        }
        let name = format!("c{round}");
        let _config = api.put("clusterloggingconfigs", "", &name, json!({ "spec": {} }));
        eventually("the cache has the new object", async || {
            replica.get(configs).await.body["name"] == *name
        })
        .await;
        api.delete("clusterloggingconfigs", "", &name);
        eventually("the cache has the object no more", async || {
            replica.get(configs).await.code == 404
        })
        .await;
    }
    assert!(api.calls("list", "clusterloggingconfigs") >= 3, "410 makes it list again");
    assert!(api.calls("watch", "clusterloggingconfigs") >= 7);
}

/// Catches: a list that ends after its first page, and elections that are opened without end.
#[tokio::test]
async fn there_is_a_limit_to_elections() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let lease = json!({
        "metadata": { "labels": { "election.datakits.io/managed": "true" } },
        "spec": { "holderIdentity": "x", "leaseDurationSeconds": 30, "renewTime": "2026-09-05T08:00:00.000000Z" },
    });
    for index in 0..1023 {
        let _lease = api.put("leases", "datakit", &format!("lease-{index}"), lease.clone());
    }
    let replica = Replica::ready(&api, &clock).await;
    assert_eq!(api.calls("list", "leases"), 3, "pages of 500");
    let scopes = "datakit_companion_election_active_scopes";
    assert_eq!(replica.metric(scopes).await, Some(1023.0));
    assert_eq!(replica.post(&campaign("a")).await.body, content("success", "a", "a", 1));
    // The cache may not have it yet.
    is_error(&replica.post("/v1/dk-election?token=one-more&id=a").await, "too_many_elections");
    eventually("the cache has it", async || replica.metric(scopes).await == Some(1024.0)).await;
    is_error(&replica.post("/v1/dk-election?token=one-more&id=a").await, "too_many_elections");
    let refused = "datakit_companion_election_refused_total";
    assert_eq!(replica.metric(refused).await, Some(2.0));
    let requests = "datakit_companion_election_requests_total{operation=\"campaign\",status=";
    assert_eq!(replica.metric(&format!("{requests}\"refused\"}}")).await, Some(2.0));
    assert_eq!(replica.metric(&format!("{requests}\"error\"}}")).await, Some(0.0));
    let errors = "datakit_companion_election_storage_errors_total";
    assert_eq!(replica.metric(errors).await, Some(0.0), "the API server did not fail");
    clock.step(30);
    assert_eq!(replica.post(&campaign("b")).await.body, content("success", "b", "b", 2));
}

/// A DataKit, as far as it decides whether it collects: it stops one interval before its lease ends.
struct DataKit {
    id: String,
    leads_until: u64,
}

impl DataKit {
    async fn ask(&mut self, replica: &Replica, now: u64) {
        let is_leader = self.leads_until > now;
        let path = if is_leader { heartbeat(&self.id) } else { campaign(&self.id) };
        let answer = replica.post(&path).await;
        let content = &answer.body["content"];
        match content["status"].as_str() {
            Some("success") => {
                assert_eq!(content["incumbency_id"], *self.id);
                self.leads_until = now + 27;
            }
            Some("defeat") => self.leads_until = 0,
            _ => assert_eq!(answer.code, 503, "{answer:?}"),
        }
    }
}

fn leaders(datakits: &[DataKit], now: u64) -> Vec<&str> {
    let leaders = datakits.iter().filter(|datakit| datakit.leads_until > now);
    leaders.map(|datakit| &*datakit.id).collect()
}

/// Lets something fail.
async fn disturb(random: &mut Random, api: &Api, clock: &TestClock, replicas: &mut [Replica; 2]) {
    let verb = ["get", "create", "update", "list", "watch"][random.below(5) as usize];
    let times = 1 + random.below(6) as usize;
    match random.below(15) {
        0 => api.fail(verb, "leases", times, Effect::Refused(500, "InternalError")),
        1 => api.fail(verb, "leases", times, Effect::Refused(429, "TooManyRequests")),
        2 => api.fail("create", "leases", 1, Effect::AnswerLost),
        3 => api.fail("update", "leases", times, Effect::AnswerLost),
        4 => api.fail("update", "leases", times, Effect::Overtaken),
        5 => api.fail(verb, "leases", times, Effect::Late(Duration::from_millis(3))),
        11 => api.fail(verb, "leases", times, Effect::Slow(Duration::from_millis(3))),
        6 => api.end_watches(random.below(2) == 0),
        7 => {
            api.forget_events();
            api.end_watches(random.below(2) == 0);
        }
        8 => api.pause_watches(),
        9 => {
            // One is killed, and starts anew without a cache.
            let index = random.below(2) as usize;
            replicas[index] = Replica::start(&api.client(), clock);
        }
        10 => clock.jump(random.below(7200) as i64 - 3600),
        _ => api.recover(),
    }
}

/// Catches: whatever would make a second leader. Twenty DataKits ask two replicas while calls fail, answers are lost,
/// watches end or stop, caches grow old, clocks jump and replicas start anew.
#[tokio::test]
async fn there_is_never_a_second_leader() {
    for seed in 1..=3 {
        let mut random = Random::new(seed);
        let (api, clock) = (Api::start().await, TestClock::new());
        let mut replicas = [Replica::ready(&api, &clock).await, Replica::ready(&api, &clock).await];
        let mut datakits: Vec<DataKit> =
            (0..20).map(|index| DataKit { id: format!("dk-{index}"), leads_until: 0 }).collect();
        let (mut now, mut led) = (0, 0);
        for round in 0..200 {
            if random.below(3) == 0 {
                disturb(&mut random, &api, &clock, &mut replicas).await;
            }
            // The leader may be cut off for a while.
            let is_cut_off = round % 50 > 35;
            let asking = datakits.iter_mut().filter(|it| !is_cut_off || it.leads_until <= now);
            let choices: Vec<(&mut DataKit, usize)> =
                asking.map(|datakit| (datakit, random.below(2) as usize)).collect();
            let replicas = &replicas;
            join_all(choices.into_iter().map(async |(datakit, index)| {
                datakit.ask(&replicas[index], now).await;
            }))
            .await;
            let leaders = leaders(&datakits, now);
            assert!(leaders.len() < 2, "seed {seed}, round {round}: {leaders:?}");
            led += leaders.len();
            let step = 1 + random.below(3);
            clock.step(step);
            now += step;
        }
        assert!(led > 40, "seed {seed}: only {led} rounds had a leader");
        // Without faults there is a leader again, a term later at most.
        api.recover();
        eventually("one leader", async || {
            clock.step(3);
            now += 3;
            for (index, datakit) in datakits.iter_mut().enumerate() {
                datakit.ask(&replicas[index % 2], now).await;
            }
            leaders(&datakits, now).len() == 1
        })
        .await;
    }
}
