//! The election, answer by answer, with a clock that the test moves.

use serde_json::{Value, json};

use crate::api::{Api, Effect};
use crate::replica::{Answer, Replica, TestClock, eventually};

/// The answer to a campaign or heartbeat for the namespace `prod`.
pub fn content(status: &str, id: &str, incumbent: &str, epoch: u64) -> Value {
    json!({ "content": {
        "status": status, "namespace": "prod", "id": id, "incumbency_id": incumbent,
        "error_msg": "", "interval": 3, "lease_duration": 30, "epoch": epoch,
    }})
}

pub fn campaign(id: &str) -> String {
    format!("/v1/dk-election?id={id}&namespace=prod&token=tkn_secret")
}

pub fn heartbeat(id: &str) -> String {
    format!("/v1/dk-election/heartbeat?id={id}&namespace=prod&token=tkn_secret")
}

fn is_ok(answer: &Answer, expected: Value) {
    assert_eq!((answer.code, &answer.body), (200, &expected));
}

/// Catches: a renewal that does not prolong, a campaign of the holder that succeeds, a heartbeat that revives an
/// expired lease, an epoch that does not grow, an incumbent that is named after its lease expired.
#[tokio::test]
async fn a_lease_lives_and_expires() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    for (step, path, id, status, incumbent, epoch, why) in [
        (0, "heartbeat", "a", "defeat", "", 0, "nobody ever led"),
        (0, "campaign", "a", "success", "a", 1, "free"),
        (0, "campaign", "b", "defeat", "a", 1, "held"),
        (0, "campaign", "a", "defeat", "a", 1, "held, also for the holder"),
        (20, "heartbeat", "a", "success", "a", 1, "renewed"),
        (11, "campaign", "b", "defeat", "a", 1, "31 seconds after the first, 11 after the second"),
        (0, "heartbeat", "b", "defeat", "a", 1, "not the holder"),
        (18, "heartbeat", "a", "success", "a", 1, "29 seconds after the renewal"),
        (30, "heartbeat", "a", "defeat", "", 1, "expired"),
        (0, "campaign", "b", "success", "b", 2, "expired, so it is free"),
        (0, "heartbeat", "a", "defeat", "b", 2, "another holder"),
        (3, "heartbeat", "b", "success", "b", 2, "the new one"),
        (29, "campaign", "a", "defeat", "b", 2, "a second is left"),
        (1, "campaign", "a", "success", "a", 3, "none is left"),
    ] {
        clock.step(step);
        let path = if path == "campaign" { campaign(id) } else { heartbeat(id) };
        let answer = replica.post(&path).await;
        assert_eq!(
            (answer.code, &answer.body),
            (200, &content(status, id, incumbent, epoch)),
            "{why}"
        );
    }
    let leases = api.objects("leases");
    assert_eq!(leases.len(), 1);
    for query in
        ["token=other&namespace=prod", "token=tkn_secret&namespace=dev", "token=tkn_secret"]
    {
        let answer = replica.post(&format!("/v1/dk-election?{query}&id=c")).await;
        assert_eq!(answer.body["content"]["status"], "success", "{query}: an election of its own");
    }
    assert_eq!(api.objects("leases").len(), 4);
}

/// Catches: a Lease that an Operator would not find, or would read in another way.
#[tokio::test]
async fn an_operator_could_take_over() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    is_ok(&replica.post(&campaign("a")).await, content("success", "a", "a", 1));
    clock.step(3);
    is_ok(&replica.post(&heartbeat("a")).await, content("success", "a", "a", 1));
    // sha256(len("tkn_secret") "tkn_secret" len("prod") "prod"), computed by Python.
    let name = "datakit-election-86c3ae59d0099c108fb12b2911e8a5f69e1d7496a865a51993e0f3e9d3cfa4b8";
    let lease = api.objects("leases").remove(name).expect(name);
    assert_eq!(lease["metadata"]["namespace"], "datakit");
    assert_eq!(lease["metadata"]["labels"], json!({ "election.datakits.io/managed": "true" }));
    assert_eq!(
        lease["spec"],
        json!({
            "holderIdentity": "a",
            "leaseDurationSeconds": 30,
            "leaseTransitions": 1,
            "acquireTime": "2026-09-05T10:00:00.000000Z",
            "renewTime": "2026-09-05T10:00:03.000000Z",
        }),
    );
}

/// Catches: an election of its own beside that of the Operator.
#[tokio::test]
async fn the_companion_takes_over_from_an_operator() {
    let (api, clock) = (Api::start().await, TestClock::new());
    api.put("leases", "datakit", "datakit-election-86c3ae59d0099c108fb12b2911e8a5f69e1d7496a865a51993e0f3e9d3cfa4b8", json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "labels": { "election.datakits.io/managed": "true" } },
        "spec": {
            "holderIdentity": "a", "leaseDurationSeconds": 30, "leaseTransitions": 7,
            "acquireTime": "2026-09-05T08:00:00.000000Z", "renewTime": "2026-09-05T09:59:58.000000Z",
        },
    }));
    let replica = Replica::ready(&api, &clock).await;
    is_ok(&replica.post(&campaign("b")).await, content("defeat", "b", "a", 7));
    is_ok(&replica.post(&heartbeat("a")).await, content("success", "a", "a", 7));
}

/// Catches: a Lease that is given away by its own timestamps, or by the wall clock.
#[tokio::test]
async fn wall_clocks_decide_nothing() {
    for jump in [3600, -3600, 5] {
        let (api, clock) = (Api::start().await, TestClock::new());
        let replica = Replica::ready(&api, &clock).await;
        is_ok(&replica.post(&campaign("a")).await, content("success", "a", "a", 1));
        clock.jump(jump);
        clock.step(29);
        is_ok(&replica.post(&campaign("b")).await, content("defeat", "b", "a", 1));
        is_ok(&replica.post(&heartbeat("a")).await, content("success", "a", "a", 1));
        clock.jump(-2 * jump);
        clock.step(29);
        is_ok(&replica.post(&campaign("b")).await, content("defeat", "b", "a", 1));
        clock.step(1);
        is_ok(&replica.post(&campaign("b")).await, content("success", "b", "b", 2));
    }
}

/// Catches: a companion that starts and gives away a Lease because its last renewal looks old.
#[tokio::test]
async fn a_companion_that_starts_waits_a_full_term() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let first = Replica::ready(&api, &clock).await;
    is_ok(&first.post(&campaign("a")).await, content("success", "a", "a", 1));
    clock.step(300);
    let second = Replica::ready(&api, &clock).await;
    is_ok(&second.post(&campaign("b")).await, content("defeat", "b", "a", 1));
    let calls = api.calls("get", "leases");
    for _ in 0..29 {
        clock.step(1);
        is_ok(&second.post(&campaign("b")).await, content("defeat", "b", "a", 1));
    }
    assert_eq!(api.calls("get", "leases"), calls, "those who follow cost no call");
    clock.step(1);
    is_ok(&second.post(&campaign("b")).await, content("success", "b", "b", 2));
}

/// Catches: a term that starts with the first question about a Lease, and so lasts longer than it should.
#[tokio::test]
async fn the_term_starts_when_a_lease_is_listed() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let first = Replica::ready(&api, &clock).await;
    is_ok(&first.post(&campaign("a")).await, content("success", "a", "a", 1));
    let second = Replica::ready(&api, &clock).await;
    drop(first);
    clock.step(30);
    is_ok(&second.post(&campaign("b")).await, content("success", "b", "b", 2));
}

/// Catches: a cache that is stuck, or goes back, and so keeps the term of an old version from ending.
#[tokio::test]
async fn a_stale_cache_does_not_start_the_term_anew() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    is_ok(&replica.post(&campaign("a")).await, content("success", "a", "a", 1));
    follows_without_a_call(&api, &replica).await;
    api.pause_watches();
    clock.step(20);
    is_ok(&replica.post(&heartbeat("a")).await, content("success", "a", "a", 1));
    clock.step(11);
    for _ in 0..19 {
        // The cache shows the first version, the API server the second: neither starts a term again.
        is_ok(&replica.post(&campaign("b")).await, content("defeat", "b", "a", 1));
        clock.step(1);
    }
    is_ok(&replica.post(&campaign("b")).await, content("success", "b", "b", 2));
    clock.step(3);
    is_ok(&replica.post(&heartbeat("b")).await, content("success", "b", "b", 2));
    api.recover();
}

/// Waits until the cache has the leader: then a campaign costs no call.
async fn follows_without_a_call(api: &Api, replica: &Replica) {
    eventually("followers cost no call", async || {
        let calls = api.calls("get", "leases");
        let _defeat = replica.post(&campaign("somebody")).await;
        api.calls("get", "leases") == calls
    })
    .await;
}

/// Catches: followers that ask the API server, and a leader that renews without writing.
#[tokio::test]
async fn only_leaders_cost_calls() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    is_ok(&replica.post(&campaign("a")).await, content("success", "a", "a", 1));
    follows_without_a_call(&api, &replica).await;
    let before = api.all_calls();
    for id in 0..100 {
        let answer = replica.post(&campaign(&format!("f{id}"))).await;
        assert_eq!(answer.body["content"]["status"], "defeat");
    }
    assert_eq!(api.all_calls(), before);
    for renewals in 1..=5 {
        clock.step(3);
        is_ok(&replica.post(&heartbeat("a")).await, content("success", "a", "a", 1));
        assert_eq!(api.calls("update", "leases"), renewals);
    }
}

/// Catches: two winners of one race, and losers that are told of an error.
#[tokio::test]
async fn of_64_campaigners_on_two_replicas_one_wins() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replicas = [Replica::ready(&api, &clock).await, Replica::ready(&api, &clock).await];
    for epoch in 1..=4 {
        let answers = (0..64).map(|index: usize| {
            let replica = &replicas[index % 2];
            async move { replica.post(&campaign(&format!("dk-{index}"))).await }
        });
        let answers = futures_util::future::join_all(answers).await;
        let of = |status: &str| {
            let answers = answers.iter().filter(|it| it.body["content"]["status"] == *status);
            answers.map(|it| it.body["content"].clone()).collect::<Vec<Value>>()
        };
        let winners = of("success");
        assert_eq!((winners.len(), of("defeat").len()), (1, 63), "{answers:?}");
        for loser in of("defeat") {
            assert_eq!(loser["incumbency_id"], winners[0]["id"]);
            assert_eq!(loser["epoch"], epoch);
        }
        clock.step(31);
    }
    assert_eq!(api.history("leases").len(), 4, "one write for each leader");
}

/// Catches: a query that is read leniently, an error that looks like a defeat, a request without an answer.
#[tokio::test]
async fn bad_requests_are_refused() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    for (query, namespace, id, message) in [
        ("id=a&namespace=prod", "prod", "a", "token and id cannot be empty"),
        ("token=&namespace=prod&id=a", "prod", "a", "token and id cannot be empty"),
        ("token=t&namespace=prod", "prod", "", "token and id cannot be empty"),
        ("token=%zz&namespace=prod&id=a", "", "", "the query is not URL-encoded"),
        ("", "", "", "token and id cannot be empty"),
    ] {
        for path in ["/v1/dk-election", "/v1/dk-election/heartbeat"] {
            let answer = replica.post(&format!("{path}?{query}")).await;
            let expected = json!({ "content": {
                "status": "error", "namespace": namespace, "id": id, "incumbency_id": "",
                "error_msg": message, "interval": 3, "lease_duration": 30, "epoch": 0,
            }});
            assert_eq!((answer.code, answer.body), (400, expected), "{query}");
        }
    }
    assert_eq!(api.objects("leases").len(), 0);
}

/// Catches: a probe that elects, a right that is not looked at, a code that DataKit does not know.
#[tokio::test]
async fn the_status_names_what_is_missing() {
    let (api, clock) = (Api::start().await, TestClock::new());
    // The cache cannot be filled.
    api.fail("list", "leases", usize::MAX, Effect::Refused(500, "InternalError"));
    let replica = Replica::start_with(&api.client(), &clock, &["--election"]);
    let error = |code: &str| json!({ "content": { "status": "error", "error_code": code } });
    let answer = replica.get("/v1/dk-election/status").await;
    assert_eq!((answer.code, answer.body), (503, error("cache_not_ready")));
    let answer = replica.post(&campaign("a")).await;
    assert_eq!(
        (answer.code, &answer.body["content"]["error_code"]),
        (503, &json!("cache_not_ready"))
    );
    assert_eq!(answer.body["content"]["status"], "error");

    clock.step(6);
    api.allow(Some(Vec::new()));
    let answer = replica.get("/v1/dk-election/status").await;
    assert_eq!((answer.code, answer.body), (503, error("rbac_forbidden")), "before the cache");
    let answer = replica.get("/readyz").await;
    let message = "missing rights: get leases.coordination.k8s.io, list leases.coordination.k8s.io, \
        watch leases.coordination.k8s.io, create leases.coordination.k8s.io, update leases.coordination.k8s.io";
    let problem = json!({ "service": "election", "code": "rbac_forbidden", "message": message });
    assert_eq!(
        (answer.code, answer.body),
        (503, json!({ "status": "error", "problems": [problem] }))
    );

    clock.step(6);
    api.fail(
        "create",
        "selfsubjectaccessreviews",
        usize::MAX,
        Effect::Refused(500, "InternalError"),
    );
    let answer = replica.get("/v1/dk-election/status").await;
    assert_eq!((answer.code, answer.body), (503, error("storage_unavailable")));

    // At once: this failure is not remembered.
    api.allow(None);
    api.recover();
    eventually("ready", async || {
        let answer = replica.get("/v1/dk-election/status").await;
        answer == Answer { code: 200, body: json!({ "content": { "status": "ready" } }) }
    })
    .await;
    assert_eq!(replica.get("/readyz").await.code, 200);
    assert_eq!(api.objects("leases").len(), 0, "a probe never writes");
    assert_eq!(api.calls("create", "leases") + api.calls("update", "leases"), 0);
}

/// Catches: a fleet that starts and asks the API server five times for each DataKit.
#[tokio::test]
async fn probes_of_a_fleet_share_their_answer() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    let probes = (0..300).map(|_| replica.get("/v1/dk-election/status"));
    for answer in futures_util::future::join_all(probes).await {
        assert_eq!(answer.code, 200);
    }
    assert_eq!(api.calls("create", "selfsubjectaccessreviews"), 5);
    clock.step(5);
    assert_eq!(replica.get("/v1/dk-election/status").await.code, 200);
    assert_eq!(api.calls("create", "selfsubjectaccessreviews"), 10);
}

/// Catches: a metric with a secret as its label, counters that do not count, a gauge that is not renewed.
#[tokio::test]
async fn metrics_count_and_tell_no_secret() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    let requests = "datakit_companion_election_requests_total";
    let defeats = format!("{requests}{{operation=\"heartbeat\",status=\"defeat\"}}");
    let invalid = format!("{requests}{{operation=\"campaign\",status=\"invalid\"}}");
    // The wait for a replica sends both.
    let before = [replica.metric(&defeats).await.unwrap(), replica.metric(&invalid).await.unwrap()];
    let _answers = [
        replica.post(&campaign("leader-a")).await,
        replica.post(&campaign("leader-b")).await,
        replica.post(&heartbeat("leader-b")).await,
        replica.post("/v1/dk-election?token=tkn_secret").await,
    ];
    clock.step(12);
    let _answer = replica.post(&heartbeat("leader-a")).await;
    clock.step(8);
    eventually("the cache has the renewal", async || {
        replica.metric("datakit_companion_election_lease_remaining_seconds").await == Some(22.0)
    })
    .await;
    for (name, expected) in [
        (format!("{requests}{{operation=\"campaign\",status=\"success\"}}"), 1.0),
        (format!("{requests}{{operation=\"campaign\",status=\"defeat\"}}"), 1.0),
        (invalid, before[1] + 1.0),
        (format!("{requests}{{operation=\"campaign\",status=\"error\"}}"), 0.0),
        (defeats, before[0] + 1.0),
        (format!("{requests}{{operation=\"heartbeat\",status=\"success\"}}"), 1.0),
        ("datakit_companion_election_active_scopes".to_owned(), 1.0),
        ("datakit_companion_election_transitions_total{reason=\"first_acquire\"}".to_owned(), 1.0),
        ("datakit_companion_election_transitions_total{reason=\"lease_expired\"}".to_owned(), 0.0),
        ("datakit_companion_election_conflicts_total".to_owned(), 0.0),
        ("datakit_companion_election_storage_errors_total".to_owned(), 0.0),
    ] {
        assert_eq!(replica.metric(&name).await, Some(expected), "{name}");
    }
    let text = replica.get("/metrics").await.body.to_string();
    for secret in ["tkn_secret", "prod", "leader-"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    clock.step(30);
    assert_eq!(replica.metric("datakit_companion_election_active_scopes").await, Some(0.0));
    assert_eq!(
        replica.metric("datakit_companion_election_lease_remaining_seconds").await,
        Some(0.0)
    );
}
