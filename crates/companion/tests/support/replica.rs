//! A companion in the test's process, with a clock that the test moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use clap::Parser as _;
use datakit_companion::clock::Clock;
use datakit_companion::options::Options;
use datakit_companion::routes::{Services, router};
use datakit_companion::server::Limits;
use datakit_companion::timeouts::Timeouts;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::api::Api;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct TestClock(Arc<Mutex<(Duration, Timestamp)>>);

impl TestClock {
    pub fn new() -> Self {
        let wall = "2026-09-05T10:00:00Z".parse().unwrap();
        Self(Arc::new(Mutex::new((Duration::from_secs(1000), wall))))
    }

    /// Lets time go by.
    pub fn step(&self, seconds: u64) {
        let mut clock = self.0.lock();
        clock.0 += Duration::from_secs(seconds);
        clock.1 += SignedDuration::from_secs(seconds as i64);
    }

    /// Sets the wall clock, as somebody who corrects it would.
    pub fn jump(&self, seconds: i64) {
        self.0.lock().1 += SignedDuration::from_secs(seconds);
    }
}

impl Clock for TestClock {
    fn elapsed(&self) -> Duration {
        self.0.lock().0
    }

    fn now(&self) -> Timestamp {
        self.0.lock().1
    }
}

/// One of several companions of a cluster.
pub struct Replica {
    pub router: Router,
    following: JoinHandle<()>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.following.abort();
    }
}

/// An answer: its code, and its body as JSON (or as text).
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
}

impl Replica {
    /// Starts one with both services; its cache may still be out of sync.
    pub fn start(client: &Client, clock: &TestClock) -> Self {
        Self::start_with(client, clock, &["--election", "--logging-configs"])
    }

    pub fn start_with(client: &Client, clock: &TestClock, options: &[&str]) -> Self {
        // A busy machine must not look like a slow API server.
        let long = Duration::from_secs(60);
        Self::start_within(client, clock, options, Timeouts { request: long, review: long })
    }

    pub fn start_within(
        client: &Client,
        clock: &TestClock,
        options: &[&str],
        timeouts: Timeouts,
    ) -> Self {
        let options = Options::parse_from([&["datakit-companion"], options].concat());
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let services = Services::new(&options, client, &clock, timeouts).unwrap();
        let router = router(services.clone(), Limits::default());
        let following = tokio::spawn(async move { services.follow().await });
        Self { router, following }
    }

    /// Starts one, and waits until it is in sync.
    pub async fn ready(api: &Api, clock: &TestClock) -> Self {
        let replica = Self::start(&api.client(), clock);
        replica.synced().await;
        replica
    }

    /// Waits until it is in sync.
    pub async fn synced(&self) {
        eventually("the replica is ready", async || self.in_sync().await).await;
    }

    /// Whether both caches are in sync. A probe would also ask for rights, and remember the answer.
    async fn in_sync(&self) -> bool {
        let election = self.post("/v1/dk-election?token=&id=x").await.code == 400;
        let logging = self.get("/v1/logging/configs?namespace=none&pod_name=none").await;
        let lease = self.post("/v1/dk-election/heartbeat?token=none&id=none").await;
        election && logging.code != 503 && lease.code == 200
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path).await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.send("POST", path).await
    }

    pub async fn send(&self, method: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let code = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { code, body }
    }

    /// The value of a metric, with its labels as they are printed.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let Value::String(text) = self.get("/metrics").await.body else { panic!("not text") };
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }
}

/// Waits for something that takes as long as the machine takes.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not within a minute: {what}");
}

/// Numbers that are the same in each run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
