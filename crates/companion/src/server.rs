//! The server: TLS, HTTP/1.1, its limits and its end.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The bytes of a request's head, and of its body.
    pub bytes: usize,
    /// How long a handshake, a head and a body may each take.
    pub patience: Duration,
    /// How many connections there are at once. Those beyond are closed at once.
    pub connections: usize,
    /// How long requests may go on after the end was asked for.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024,
            patience: Duration::from_secs(10),
            connections: 1024,
            grace: Duration::from_secs(5),
        }
    }
}

/// Listens on an address. Where the machine has no IPv6, `[::]` becomes `0.0.0.0`.
///
/// # Errors
///
/// Where the address cannot be listened on.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() => {
            warn!(%error, "no IPv6: listening on IPv4");
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Answers requests until `end`, then finishes what runs.
pub async fn serve(
    listener: TcpListener,
    tls: ServerConfig,
    router: Router,
    limits: Limits,
    end: impl Future<Output = ()>,
) {
    let tls = TlsAcceptor::from(Arc::new(tls));
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // No file descriptors are left: some will be, when connections end.
                warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            debug!("connection refused: too many");
            continue;
        };
        let (tls, router, watcher) = (tls.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let Some(io) = handshake(tls, stream, limits).await else { return };
            let service = TowerToHyperService::new(router);
            let mut http = http1::Builder::new();
            let http = http.timer(TokioTimer::new()).header_read_timeout(limits.patience);
            let connection = http.max_buf_size(limits.bytes).serve_connection(io, service);
            // An error is the client's, and may quote its request.
            let _ended = watcher.watch(connection).await;
            drop::<OwnedSemaphorePermit>(place);
        });
    }
    drop(listener);
    info!("finishing requests");
    if timeout(limits.grace, graceful.shutdown()).await.is_err() {
        warn!("requests were cut off");
    }
}

async fn handshake(
    tls: TlsAcceptor,
    stream: TcpStream,
    limits: Limits,
) -> Option<TokioIo<tokio_rustls::server::TlsStream<TcpStream>>> {
    let _answers_are_small = stream.set_nodelay(true);
    let stream = timeout(limits.patience, tls.accept(stream)).await.ok()?.ok()?;
    Some(TokioIo::new(stream))
}
