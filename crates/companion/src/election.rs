//! The election of a DataKit among those that ask with the same token and namespace.
//!
//! Whatever fails, there is never a second leader: only a write that the API server accepted makes one, each write is
//! compare-and-set, and a Lease is given away only a full term after its present version was first seen. DataKit
//! stops by itself before that.

pub mod lease;
pub mod metrics;
pub mod operation;
pub mod protocol;
pub mod sightings;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use parking_lot::Mutex;
use prometheus::Registry;
use tracing::{error, info};

use crate::cache::Cache;
use crate::clock::Clock;
use crate::readiness::{self, Unready};
use crate::rights::{Right, Rights};

use metrics::Metrics;
use operation::Operation;
use sightings::{Sightings, Source};

const fn leases(verb: &'static str) -> Right {
    Right { group: "coordination.k8s.io", resource: "leases", verb }
}

/// The rights that elections need, in the companion's namespace.
pub const RIGHTS: [Right; 5] =
    [leases("get"), leases("list"), leases("watch"), leases("create"), leases("update")];

/// How often a Lease is read again after a conflict.
const RETRIES: usize = 5;

/// How long the API server may take for all that one request needs. DataKit gives up after 2 seconds.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Anybody who reaches the port can open elections. Each is an object in the API server that stays.
const MAX_LEASES: usize = 1024;

/// The decision on a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The candidate leads: the Lease as it was written.
    Success(Lease),
    /// Somebody else leads, or nobody does; the Lease as it was read, if it exists.
    Defeat {
        /// The Lease, of the cache or of the API server.
        lease: Option<Lease>,
        /// Whether it still binds.
        is_live: bool,
    },
}

/// The elections of a cluster.
pub struct Election {
    store: Api<Lease>,
    namespace: String,
    cache: Cache<Lease>,
    rights: Rights,
    sightings: Mutex<Sightings>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    is_failing: AtomicBool,
}

impl Election {
    /// Elections by Leases in a namespace.
    ///
    /// # Errors
    ///
    /// Where the registry has these metrics already.
    pub fn new(
        client: Client,
        namespace: &str,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let scope = Some(namespace.to_owned());
        Ok(Self {
            store: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            cache: Cache::new("Lease"),
            rights: Rights::new(client, scope, &RIGHTS, clock.clone()),
            sightings: Mutex::default(),
            clock,
            metrics: Metrics::register(registry)?,
            is_failing: AtomicBool::new(false),
        })
    }

    /// Keeps the cache in sync, for ever.
    pub async fn follow(&self) {
        let (label, value) = lease::LABEL;
        let config = watcher::Config::default().labels(&format!("{label}={value}")).timeout(60);
        let read = |lease: Lease| {
            // The term starts with the first sighting, not with the first question about it.
            let _remaining = self.remaining(&lease, Source::Cache);
            Arc::new(lease)
        };
        self.cache.follow(self.store.clone(), config, read).await;
    }

    /// Whether a DataKit may rely on elections here. It never writes.
    ///
    /// # Errors
    ///
    /// Where a right is missing or the cache is not in sync.
    pub async fn check(&self) -> Result<(), Unready> {
        readiness::check(&self.rights, &self.cache).await
    }

    /// Decides on a request.
    ///
    /// # Errors
    ///
    /// Where the API server cannot be asked: that is never a defeat.
    pub async fn decide(
        &self,
        operation: Operation,
        token: &str,
        namespace: &str,
        id: &str,
    ) -> Result<Outcome, Unready> {
        readiness::synced(&self.cache)?;
        let name = lease::name(token, namespace);
        // Those who follow campaign again and again. Who leads is known from the cache, so they cost no call.
        if operation == Operation::Campaign
            && let Some(lease) = self.cache.get(&name)
            && !self.remaining(&lease, Source::Cache).is_zero()
        {
            return Ok(Outcome::Defeat { lease: Some(lease.as_ref().clone()), is_live: true });
        }
        let decided = tokio::time::timeout(PATIENCE, self.compete(operation, &name, id));
        let outcome = match decided.await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(self.failed(operation, &name, "no answer in time")),
        };
        if outcome.is_ok() && self.is_failing.swap(false, Ordering::Relaxed) {
            info!("the API server is available again");
        }
        outcome
    }

    /// Reads the Lease and writes it, until nobody else writes in between.
    async fn compete(
        &self,
        operation: Operation,
        name: &str,
        id: &str,
    ) -> Result<Outcome, Unready> {
        for attempt in 0..=RETRIES {
            let read = self.store.get_opt(name).await;
            let lease = read.map_err(|error| self.refused(operation, name, &error))?;
            let remaining = lease.as_ref().map(|lease| self.remaining(lease, Source::Store));
            let is_live = remaining.is_some_and(|remaining| !remaining.is_zero());
            let is_holder = lease.as_ref().is_some_and(|lease| lease::holder(lease) == id);
            let may_write = match operation {
                Operation::Campaign => !is_live,
                Operation::Heartbeat => is_live && is_holder,
            };
            if !may_write {
                return Ok(Outcome::Defeat { lease, is_live });
            }
            // After the last conflict the Lease is still read, because it may have a leader now.
            if attempt == RETRIES {
                break;
            }
            if let Some(written) = self.write(operation, name, id, lease).await? {
                return Ok(Outcome::Success(written));
            }
            self.metrics.conflicted();
        }
        Err(self.failed(operation, name, "every write came second"))
    }

    /// Writes a Lease for a candidate; `None` where somebody else wrote it since it was read.
    async fn write(
        &self,
        operation: Operation,
        name: &str,
        id: &str,
        lease: Option<Lease>,
    ) -> Result<Option<Lease>, Unready> {
        let (parameters, now) = (PostParams::default(), self.clock.now());
        let is_new = lease.is_none();
        if is_new && self.cache.entries().len() >= MAX_LEASES {
            return Err(self.failed(operation, name, "there are too many Leases"));
        }
        let written = match (operation, lease) {
            (_, None) => {
                let lease = lease::taken(lease::free(name, &self.namespace), id, now);
                self.store.create(&parameters, &lease).await
            }
            (Operation::Campaign, Some(lease)) => {
                self.store.replace(name, &parameters, &lease::taken(lease, id, now)).await
            }
            (Operation::Heartbeat, Some(lease)) => {
                self.store.replace(name, &parameters, &lease::renewed(lease, now)).await
            }
        };
        match written {
            Ok(written) => {
                let _remaining = self.remaining(&written, Source::Store);
                if operation == Operation::Campaign {
                    let reason = if is_new { "first_acquire" } else { "lease_expired" };
                    self.metrics.taken(reason);
                    let epoch = lease::epoch(&written);
                    info!(lease = name, epoch, reason, "new leader");
                }
                Ok(Some(written))
            }
            // 409 is a conflict, or it exists already; 404, that it is gone.
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) && !is_new => {
                Ok(None)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(self.refused(operation, name, &error)),
        }
    }

    /// The time that a version of a Lease still binds.
    fn remaining(&self, lease: &Lease, source: Source) -> Duration {
        let term = lease::term(lease);
        if term.is_zero() {
            return term;
        }
        let version = lease.metadata.resource_version.as_deref().unwrap_or_default();
        let now = self.clock.elapsed();
        let seen = self.sightings.lock().first_seen(&lease.name_any(), version, source, now);
        seen.map_or(Duration::ZERO, |seen| term.saturating_sub(now.saturating_sub(seen)))
    }

    fn refused(&self, operation: Operation, lease: &str, error: &kube::Error) -> Unready {
        let unready = self.failed(operation, lease, &error.to_string());
        match error {
            kube::Error::Api(status) if status.code == 403 => {
                Unready::Forbidden("leases.coordination.k8s.io".to_owned())
            }
            _ => unready,
        }
    }

    fn failed(&self, operation: Operation, lease: &str, error: &str) -> Unready {
        self.metrics.failed();
        // Every DataKit comes again after 3 seconds: one line tells it for all of them.
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            error!(operation = operation.name(), lease, error, "cannot elect");
        }
        Unready::Unavailable
    }

    /// Sets the metrics that describe the present.
    pub fn observe(&self) {
        let leases = self.cache.entries();
        let remaining = leases.iter().map(|lease| self.remaining(lease, Source::Cache));
        self.metrics.observe(remaining.filter(|remaining| !remaining.is_zero()));
    }
}
