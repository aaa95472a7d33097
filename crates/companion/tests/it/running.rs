//! The server over TLS: certificates, limits and its end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use datakit_companion::certificate::{Certificate, Files};
use datakit_companion::server::Limits;
use rustls::pki_types::CertificateDer;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::api::Api;
use crate::replica::{Replica, TestClock, eventually};
use crate::tls::{Server, go, self_signed};

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// The requests as DataKit 2.12 (`internal/election/operator.go`) and logfwd 1.86 (`logfwd/operator.go`) write them:
/// Go sorts the parameters of DataKit's query, and writes a space as `+`.
///
/// Catches: a protocol that only the tests here speak.
#[tokio::test]
async fn datakit_and_logfwd_are_understood() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let config = json!({ "spec": { "selector": { "podLabelSelector": "app=web" }, "podTargetLabels": ["app"] } });
    let _config = api.put("clusterloggingconfigs", "", "web", config);
    let replica = Replica::ready(&api, &clock).await;
    let server = Server::start(replica.router.clone(), self_signed(), Limits::default()).await;
    let accept = "Accept: application/json\r\n";
    let post = "Content-Length: 0\r\nAccept: application/json\r\n";
    let id = "id=node+a&namespace=default&token=tkn_secret";
    let content = |status: &str, epoch: u32, holder: &str| {
        format!(
            r#"{{"content":{{"status":"{status}","namespace":"default","id":"node a","incumbency_id":"{holder}","error_msg":"","interval":3,"lease_duration":30,"epoch":{epoch}}}}}"#
        )
    };
    for (method, target, headers, expected) in [
        (
            "GET",
            "/v1/dk-election/status".to_owned(),
            accept,
            r#"{"content":{"status":"ready"}}"#.to_owned(),
        ),
        ("POST", format!("/v1/dk-election?{id}"), post, content("success", 1, "node a")),
        ("POST", format!("/v1/dk-election/heartbeat?{id}"), post, content("success", 1, "node a")),
        ("POST", format!("/v1/dk-election?{id}"), post, content("defeat", 1, "node a")),
        (
            "GET",
            "/v1/logging/configs?namespace=shop&pod_name=web-1&pod_labels=app%3Dweb%2Ctier%3Dfront"
                .to_owned(),
            "",
            r#"{"name":"web","pod_target_labels":["app"],"configs":"null"}"#.to_owned(),
        ),
        (
            "GET",
            "/v1/logging/configs?namespace=shop&pod_name=web-1".to_owned(),
            "",
            r#"{"error":"no matching config found"}"#.to_owned(),
        ),
    ] {
        let close = format!("{}Connection: close\r\n\r\n", go(method, &target, headers));
        let answer = server.exchange(&close).await;
        assert_eq!(body(&answer), expected, "{target}");
        assert!(
            answer.contains("\r\ncontent-type: application/json; charset=utf-8\r\n"),
            "{answer}"
        );
    }
    // DataKit keeps its connection; logfwd's is closed, so that thousands of them find a place.
    let mut stream = server.connect().await.unwrap();
    let heartbeat = format!("{}\r\n", go("POST", &format!("/v1/dk-election/heartbeat?{id}"), post));
    let expected = content("success", 1, "node a");
    for _ in 0..2 {
        stream.write_all(heartbeat.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let mut length = 0;
        while !String::from_utf8_lossy(&answer[..length]).ends_with(&expected) {
            length += stream.read(&mut answer[length..]).await.unwrap();
        }
    }
    let target = "/v1/logging/configs?namespace=shop&pod_name=web-1";
    let answer = server.exchange(&format!("{}\r\n", go("GET", target, ""))).await;
    assert!(answer.contains("\r\nconnection: close\r\n"), "without being asked to: {answer}");
}

/// Catches: a path without an answer, and 404 for a service that is off, which makes logfwd stop collecting.
#[tokio::test]
async fn every_path_and_method_has_its_code() {
    let (api, clock) = (Api::start().await, TestClock::new());
    let both = Replica::ready(&api, &clock).await;
    for (method, path, code) in [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/v1/ping", 200),
        ("GET", "/v1/ready", 200),
        ("GET", "/metrics", 200),
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("POST", "/v1/datakit/election", 404),
        ("POST", "/v1/webhooks/inject", 404),
        ("GET", "/v1/cluster/api/v1/pods", 404),
        ("GET", "/v1/dk-election/", 404),
        ("POST", "/healthz", 405),
        ("POST", "/v1/logging/configs", 405),
        ("GET", "/v1/dk-election", 405),
        ("GET", "/v1/dk-election/heartbeat", 405),
        ("PUT", "/v1/dk-election", 405),
        ("POST", "/v1/dk-election/status", 405),
    ] {
        let answer = both.send(method, path).await;
        assert_eq!(answer.code, code, "{method} {path}");
        assert!(answer.body.is_object() || path == "/metrics", "{method} {path}");
    }
    assert_eq!(both.get("/v1/ping").await.body, json!({ "status": "ok" }));
    let election = Replica::start_with(&api.client(), &clock, &["--election"]);
    assert_eq!(election.get("/v1/logging/configs?namespace=a&pod_name=b").await.code, 503);
    let logging = Replica::start_with(&api.client(), &clock, &["--logging-configs"]);
    assert_eq!(logging.get("/v1/dk-election/status").await.code, 404);
    assert_eq!(logging.post("/v1/dk-election?token=t&id=a").await.code, 404);
}

fn limits() -> Limits {
    Limits { patience: Duration::from_secs(2), ..Limits::default() }
}

/// Catches: requests without a bound in length.
#[tokio::test]
async fn long_requests_are_refused() {
    let router = datakit_companion::routes::router(off(), Limits::default());
    let server = Server::start(router, self_signed(), Limits::default()).await;
    let close = "Connection: close\r\n";
    let body = |length: usize| {
        let text = "x".repeat(length);
        format!("{}{close}Content-Length: {length}\r\n\r\n{text}", go("GET", "/healthz", ""))
    };
    let chunked = |length: usize| {
        let text = "x".repeat(length);
        let head =
            format!("{}{close}Transfer-Encoding: chunked\r\n\r\n", go("GET", "/healthz", ""));
        format!("{head}{length:x}\r\n{text}\r\n0\r\n\r\n")
    };
    let query = |length: usize| {
        format!("{}{close}\r\n", go("GET", &format!("/healthz?{}", "x".repeat(length)), ""))
    };
    let header = |length: usize| {
        format!("{}X: {}\r\n{close}\r\n", go("GET", "/healthz", ""), "x".repeat(length))
    };
    let broken = chunked(9).replace("\r\n9\r\n", "\r\nnine\r\n");
    for (request, expected, what) in [
        (body(65_536), "200", "body"),
        (body(65_537), "413", "body"),
        (chunked(65_536), "200", "body in chunks"),
        (chunked(65_537), "413", "body in chunks"),
        (broken, "400", "body in malformed chunks"),
        (query(15_000), "200", "query"),
        (query(20_000), "431", "query"),
        (query(70_000), "4", "query"),
        (header(15_000), "200", "header"),
        (header(20_000), "431", "header"),
    ] {
        let answer = server.exchange(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{what}: {answer}");
    }
}

/// Catches: clients that keep a place for ever: in the handshake, the head, the body, or between requests.
#[tokio::test]
async fn slow_clients_lose_their_place() {
    let router = datakit_companion::routes::router(off(), limits());
    let server = Server::start(router, self_signed(), limits()).await;
    let slow = [
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n", "", "half a head"),
        (
            "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
            "HTTP/1.1 408",
            "half a body",
        ),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200", "nothing after an answer"),
    ];
    let ends = slow.map(async |(sent, expected, what)| {
        let started = Instant::now();
        let answer = server.exchange(sent).await;
        assert!(answer.starts_with(expected), "{what}: {answer}");
        assert!(started.elapsed() >= Duration::from_secs(2), "{what}");
    });
    let silent = async {
        let mut silent = TcpStream::connect(server.address).await.unwrap();
        let mut nothing = Vec::new();
        let _reset = silent.read_to_end(&mut nothing).await;
        assert_eq!(nothing, [0_u8; 0], "no handshake");
    };
    let ends = async { tokio::join!(futures_util::future::join_all(ends), silent) };
    let _ended = tokio::time::timeout(Duration::from_secs(60), ends).await.unwrap();
}

/// Catches: clients that keep a place for ever because they never read the answer.
#[tokio::test]
async fn clients_that_do_not_read_lose_their_place() {
    let router = Router::new().route("/", get(async || vec![b'x'; 32 << 20]));
    let limits = Limits { connections: 1, ..limits() };
    let server = Server::start(router, self_signed(), limits).await;
    let mut deaf = server.connect().await.unwrap();
    deaf.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(server.connect().await.is_err(), "the place is taken");
    eventually("the place is free", async || server.connect().await.is_ok()).await;
}

/// Catches: a server that takes connections until it has no more files, and one that never has a place again.
#[tokio::test]
async fn connections_beyond_the_limit_are_refused() {
    let limits = Limits { connections: 3, ..Limits::default() };
    let router = datakit_companion::routes::router(off(), limits);
    let server = Server::start(router, self_signed(), limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(server.connect().await.unwrap());
    }
    for _ in 0..3 {
        assert!(server.connect().await.is_err(), "the fourth is closed at once");
    }
    drop(held.pop());
    eventually("a place is free", async || server.connect().await.is_ok()).await;
}

/// Neither service; only what is always there.
fn off() -> datakit_companion::routes::Services {
    datakit_companion::routes::Services {
        election: None,
        logging: None,
        registry: prometheus::Registry::new(),
    }
}

/// Catches: requests that are cut off at once, and a server that waits for ever.
#[tokio::test]
async fn what_runs_is_finished() {
    let (running, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (short, long) = ((running.clone(), release.clone()), running.clone());
    let router = Router::new()
        .route(
            "/short",
            get(async move || {
                short.0.fetch_add(1, Ordering::SeqCst);
                short.1.notified().await;
                "done"
            }),
        )
        .route(
            "/long",
            get(async move || {
                long.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<&str>().await
            }),
        );
    let limits = Limits { grace: Duration::from_secs(3), ..Limits::default() };
    let mut server = Server::start(router, self_signed(), limits).await;
    let mut idle = server.connect().await.unwrap();
    let mut long = server.connect().await.unwrap();
    let mut short = server.connect().await.unwrap();
    for (stream, path) in [(&mut long, "long"), (&mut short, "short")] {
        let request = format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    eventually("both run", async || running.load(Ordering::SeqCst) == 2).await;
    let started = Instant::now();
    server.end.take().unwrap().send(()).unwrap();
    let mut nothing = Vec::new();
    let _closed = idle.read_to_end(&mut nothing).await;
    assert!(server.connect().await.is_err(), "no new connections");
    release.notify_one();
    let mut answer = String::new();
    let _closed = short.read_to_string(&mut answer).await;
    assert!(answer.ends_with("done"), "{answer}");
    let ended = tokio::time::timeout(Duration::from_secs(60), server.running.unwrap()).await;
    ended.unwrap().unwrap();
    assert!(started.elapsed() >= Duration::from_secs(3), "the long one had its time");
}

/// Writes a certificate and its key, as a Secret is mounted.
fn write_pair(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// Catches: a certificate that is only read at start, and one that is replaced by files that do not fit together.
#[tokio::test]
async fn certificates_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let files =
        Files { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    let missing = Certificate::from_files(files.clone()).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read `") && missing.contains("tls.crt"), "{missing}");
    let first = write_pair(folder.path());
    let certificate = Arc::new(Certificate::from_files(files.clone()).unwrap());
    let router = datakit_companion::routes::router(off(), Limits::default());
    let server = Server::start(router, certificate.clone(), Limits::default()).await;
    let mut kept = server.connect().await.unwrap();
    assert_eq!(server.shown.0.lock().take(), Some(first));

    let second = write_pair(folder.path());
    certificate.reload().unwrap();
    let _connection = server.connect().await.unwrap();
    assert_eq!(server.shown.0.lock().take(), Some(second.clone()));

    // The key changed, the certificate not yet.
    let half = tempfile::tempdir().unwrap();
    let _other = write_pair(half.path());
    std::fs::copy(half.path().join("tls.key"), &files.key).unwrap();
    assert!(certificate.reload().is_err());
    let _connection = server.connect().await.unwrap();
    assert_eq!(server.shown.0.lock().take(), Some(second));

    // A connection from before goes on.
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _closed = kept.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
