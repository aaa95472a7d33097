//! Assembles the services and the server from the options.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use futures_util::future::{OptionFuture, join};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use prometheus::Registry;
use thiserror::Error;
use tracing::info;

use crate::cache::WATCH_SECONDS;
use crate::certificate::{Certificate, CertificateError, Files};
use crate::clock::{Clock, SystemClock};
use crate::election::Election;
use crate::logging::Logging;
use crate::options::Options;
use crate::routes::{Services, router};
use crate::server::{Limits, listen, serve};
use crate::timeouts::Timeouts;

/// Why the companion cannot start.
#[derive(Debug, Error)]
pub enum Error {
    /// No service is enabled.
    #[error("no service is enabled; use --logging-configs, --election or both")]
    NoService,
    /// The kubeconfig or the in-cluster environment is invalid.
    #[error("cannot load the cluster configuration: {0}")]
    Cluster(Box<dyn std::error::Error + Send + Sync>),
    /// The API client cannot be created.
    #[error("cannot create the API client: {0}")]
    Client(#[from] kube::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The reason.
        error: io::Error,
    },
    /// Metrics cannot be registered.
    #[error("cannot register metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Services {
    /// Creates the enabled services.
    ///
    /// # Errors
    ///
    /// If none is enabled.
    pub fn new(
        options: &Options,
        client: &Client,
        clock: &Arc<dyn Clock>,
        timeouts: Timeouts,
    ) -> Result<Self, Error> {
        if !options.election && !options.logging_configs {
            return Err(Error::NoService);
        }
        let registry = Registry::new();
        let namespace = options.namespace.as_deref().unwrap_or(client.default_namespace());
        let election = options.election.then(|| {
            Election::new(client.clone(), namespace, clock.clone(), timeouts, &registry)
                .map(Arc::new)
        });
        let logging = options.logging_configs.then(|| {
            Logging::new(client.clone(), clock.clone(), timeouts, &registry).map(Arc::new)
        });
        Ok(Self { election: election.transpose()?, logging: logging.transpose()?, registry })
    }

    /// Keeps the caches in sync. Never returns if a service is enabled.
    pub async fn follow(&self) {
        let election = self.election.as_ref().map(|election| election.follow());
        let logging = self.logging.as_ref().map(|logging| logging.follow());
        let _never = join(OptionFuture::from(election), OptionFuture::from(logging)).await;
    }
}

/// Runs the companion until `end`.
///
/// # Errors
///
/// If it cannot start.
pub async fn run(options: &Options, end: impl Future<Output = ()>) -> Result<(), Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let services = Services::new(options, &client(options).await?, &clock, Timeouts::default())?;
    let certificate = Arc::new(match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => {
            Certificate::from_files(Files { certificate: certificate.clone(), key: key.clone() })?
        }
        _ => Certificate::self_signed(&options.tls_name)?,
    });
    let tls = certificate.clone().server_config()?;
    let cannot_listen = |error| Error::Listen { address: options.listen, error };
    let listener = listen(options.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let (election, logging_configs) = (options.election, options.logging_configs);
    info!(%address, election, logging_configs, "started");
    let limits = Limits::default();
    let router = router(services.clone(), limits);
    tokio::select! {
        () = serve(listener, tls, router, limits, end) => {}
        ((), ()) = join(services.follow(), certificate.follow()) => {}
    }
    Ok(())
}

/// An API client from the given kubeconfig, the default kubeconfig or the in-cluster configuration.
async fn client(options: &Options) -> Result<Client, Error> {
    let context =
        KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    let config = match (&options.kubeconfig, &options.context) {
        (Some(file), _) => {
            let kubeconfig = Kubeconfig::read_from(file).map_err(|it| Error::Cluster(it.into()))?;
            Config::from_custom_kubeconfig(kubeconfig, &context).await.map_err(|it| it.into())
        }
        (None, Some(_)) => Config::from_kubeconfig(&context).await.map_err(|it| it.into()),
        (None, None) => Config::infer().await.map_err(|it| it.into()),
    };
    let mut config = config.map_err(Error::Cluster)?;
    // kube takes a proxy from the environment too. It is meant for other addresses, and this build has none.
    if proxy_of_environment().is_some_and(|proxy| config.proxy_url == Some(proxy)) {
        config.proxy_url = None;
    }
    // DataKit retries every 3 seconds, and its requests time out before the client's retries end.
    config.default_retry = false;
    // Longer than a watch. Without it, a list on a dead connection would never end.
    config.read_timeout = Some(Duration::from_secs(u64::from(WATCH_SECONDS) + 15));
    config.reset_reader_on_write = true;
    Ok(Client::try_from(config)?)
}

/// The proxy that kube falls back to if the kubeconfig names none.
fn proxy_of_environment() -> Option<Uri> {
    let values = ["HTTPS_PROXY", "https_proxy"].into_iter().flat_map(std::env::var);
    values.filter(|value| !value.is_empty()).find_map(|value| value.parse().ok())
}
