//! The HTTPS server: connection limits, timeouts and graceful shutdown.

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
use tokio_rustls::server::TlsStream;
use tracing::{debug, info, warn};

use crate::patient::Patient;

/// How much of an answer waits for a client that does not read, in bytes: a quarter of rustls' default.
const SEND_BUFFER: usize = 16 * 1024;

/// Limits per client and in total.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum size in bytes of a request's head. DataKit's are below 2 KiB.
    pub head: usize,
    /// Maximum size in bytes of a request's body.
    pub body: usize,
    /// Timeout of the TLS handshake, of the head, of the body, and of the client's reading of an answer.
    pub patience: Duration,
    /// Maximum number of open connections. Further ones are closed immediately.
    pub connections: usize,
    /// How long shutdown waits for running requests.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 16 * 1024,
            body: 64 * 1024,
            patience: Duration::from_secs(10),
            connections: 1024,
            grace: Duration::from_secs(5),
        }
    }
}

/// Binds an address. `[::]` falls back to `0.0.0.0` on machines without IPv6.
///
/// # Errors
///
/// If the address cannot be bound.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() => {
            warn!(%error, "cannot listen on IPv6, falling back to IPv4");
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Serves requests until `end` completes, then shuts down gracefully.
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
                // Probably out of file descriptors: wait until connections close.
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
            let connection = http.max_buf_size(limits.head).serve_connection(io, service);
            // Errors are the client's, and could quote its request.
            let _ended = watcher.watch(connection).await;
            drop::<OwnedSemaphorePermit>(place);
        });
    }
    drop(listener);
    info!("shutting down");
    if timeout(limits.grace, graceful.shutdown()).await.is_err() {
        warn!("requests aborted after the grace period");
    }
}

async fn handshake(
    tls: TlsAcceptor,
    stream: TcpStream,
    limits: Limits,
) -> Option<TokioIo<Patient<TlsStream<TcpStream>>>> {
    let _answers_are_small = stream.set_nodelay(true);
    let mut stream = timeout(limits.patience, tls.accept(stream)).await.ok()?.ok()?;
    stream.get_mut().1.set_buffer_limit(Some(SEND_BUFFER));
    Some(TokioIo::new(Patient::new(stream, limits.patience)))
}
