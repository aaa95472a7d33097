//! What is logged, at any level: never a query, because it has the workspace's token. A process of its own, because
//! there is one log for each.

#![allow(dead_code, reason = "this test uses less of the support than the others")]

#[path = "../support/api.rs"]
mod api;
#[path = "../support/replica.rs"]
mod replica;
#[path = "../support/tls.rs"]
mod tls;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use datakit_companion::routes::guarded;
use datakit_companion::server::Limits;
use parking_lot::Mutex;

use api::{Api, Effect};
use replica::{Replica, TestClock};
use tls::{Server, go, self_signed};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Catches: a line or two for each of the DataKits that ask every 3 seconds, while only some of them fail.
#[tokio::test]
async fn failures_are_logged_once_a_minute() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || written.clone()).finish();
    let _here = tracing::subscriber::set_default(subscriber);
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    let _leader = replica.post("/v1/dk-election?token=t&id=a").await;
    api.fail("create", "leases", usize::MAX, Effect::Refused(403, "Forbidden"));
    let lines = || String::from_utf8(log.0.lock().clone()).unwrap().lines().count();
    let before = lines();
    for (minute, expected) in [1, 2].into_iter().enumerate() {
        for _ in 0..20 {
            assert_eq!(replica.post("/v1/dk-election?token=other&id=a").await.code, 503);
            assert_eq!(replica.post("/v1/dk-election/heartbeat?token=t&id=a").await.code, 200);
            clock.step(3);
        }
        assert_eq!(lines() - before, expected, "minute {minute}");
    }
}

/// Catches: a token in a log line, at any level, of a request that succeeds, fails or panics.
#[tokio::test]
async fn no_query_is_logged() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    subscriber.with_writer(move || written.clone()).init();
    datakit_companion::panics::log();
    let (api, clock) = (Api::start().await, TestClock::new());
    let replica = Replica::ready(&api, &clock).await;
    let panicking = async || -> &'static str { panic!("token=tkn_top_secret") };
    let router = Router::new().route("/panic", post(panicking));
    let router = guarded(router.merge(replica.router.clone()), Limits::default());
    let server = Server::start(router, self_signed(), Limits::default()).await;
    for (method, path) in [
        ("POST", "/panic"),
        ("POST", "/v1/dk-election"),
        ("POST", "/v1/dk-election/heartbeat"),
        ("GET", "/v1/dk-election"),
        ("GET", "/v1/logging/configs"),
        ("GET", "/unknown/tkn_top_secret"),
    ] {
        for query in
            ["token=tkn_top_secret&id=a", "token=tkn_top_secret%zz&id=a", "token=tkn_top_secret;x"]
        {
            let request = go(method, &format!("{path}?{query}"), "Connection: close\r\n");
            let answer = server.exchange(&format!("{request}\r\n")).await;
            let expected = if path == "/panic" { "HTTP/1.1 500" } else { "HTTP/1.1 " };
            assert!(answer.starts_with(expected), "{answer}");
            assert!(!answer.contains("top_secret"), "{answer}");
        }
    }
    // A head that cannot be parsed.
    let _answer = server.exchange("GET /?tkn_top_secret HTTP/1.1\r\nbroken\r\n\r\n").await;
    let text = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(text.contains("the handler panicked") && text.contains("path=\"/panic\""), "{text}");
    assert!(text.contains("path=\"/v1/dk-election/heartbeat\""), "{text}");
    let leaked: Vec<&str> = text.lines().filter(|line| line.contains("top_secret")).collect();
    assert_eq!(leaked, [""; 0]);
}
