//! Leader election among the DataKits that share a token and a namespace.
//!
//! There is never a second leader. A candidate becomes leader only by a write that the API server accepted; writes are
//! compare-and-set; and a Lease expires a full term after its current version was first seen, by the monotonic clock.
//! The DataKit that held it has stopped by then.

pub mod lease;
pub mod metrics;
pub mod operation;
pub mod protocol;
pub mod quota;
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
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use crate::cache::Cache;
use crate::clock::Clock;
use crate::readiness::{self, Unready};
use crate::rights::{Right, Rights};
use crate::stored::Stored;
use crate::timeouts::Timeouts;

use metrics::Metrics;
use operation::Operation;
use quota::Quota;
use sightings::{Sightings, Source};

const fn leases(verb: &'static str) -> Right {
    Right { group: "coordination.k8s.io", resource: "leases", verb }
}

/// The rights that elections need, in the companion's namespace.
pub const RIGHTS: [Right; 5] =
    [leases("get"), leases("list"), leases("watch"), leases("create"), leases("update")];

/// How often a request retries after a conflict.
const RETRIES: usize = 5;

/// How often failures are logged. Every DataKit asks again after 3 seconds, and some may succeed meanwhile.
const LOG_AGAIN: Duration = Duration::from_secs(60);

/// How many requests may call the API server at once; each call has a connection of its own.
const PLACES: usize = 64;

/// Limits the objects that unauthenticated clients can create. Leases are never deleted.
const MAX_LEASES: usize = 1024;

/// The outcome of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The candidate is the leader; the Lease as written.
    Success(Lease),
    /// The candidate is not the leader.
    Defeat {
        /// The Lease as read from the cache or the API server, if it exists.
        lease: Option<Lease>,
        /// Whether the Lease has not expired.
        is_live: bool,
    },
}

/// The elections of a cluster.
pub struct Election {
    store: Api<Stored<Lease>>,
    namespace: String,
    cache: Cache<Lease>,
    rights: Rights,
    sightings: Mutex<Sightings>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    metrics: Metrics,
    logged: Mutex<Option<Duration>>,
    places: Semaphore,
    quota: Mutex<Quota>,
    is_full: AtomicBool,
}

impl Election {
    /// Elections with Leases in a namespace.
    ///
    /// # Errors
    ///
    /// If the registry already has these metrics.
    pub fn new(
        client: Client,
        namespace: &str,
        clock: Arc<dyn Clock>,
        timeouts: Timeouts,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let scope = Some(namespace.to_owned());
        Ok(Self {
            store: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            cache: Cache::new("Lease"),
            rights: Rights::new(client, scope, &RIGHTS, clock.clone(), timeouts),
            sightings: Mutex::default(),
            clock,
            timeout: timeouts.request,
            metrics: Metrics::register(registry)?,
            logged: Mutex::default(),
            places: Semaphore::new(PLACES),
            quota: Mutex::default(),
            is_full: AtomicBool::new(false),
        })
    }

    /// Keeps the cache in sync. Never returns.
    pub async fn follow(&self) {
        let (label, value) = lease::LABEL;
        let config = watcher::Config::default().labels(&format!("{label}={value}"));
        let read = |Stored(lease): Stored<Lease>| {
            // The term starts now, not with the first request.
            let _remaining = self.remaining(&lease, Source::Cache);
            Arc::new(lease)
        };
        self.cache.follow(self.store.clone(), config, read).await;
    }

    /// Checks that elections are available, without writing.
    ///
    /// # Errors
    ///
    /// If a right is missing or the cache is out of sync.
    pub async fn check(&self) -> Result<(), Unready> {
        readiness::check(&self.rights, &self.cache).await
    }

    /// Handles a request of a candidate.
    ///
    /// # Errors
    ///
    /// If the API server fails. An error is never a defeat.
    pub async fn decide(
        &self,
        operation: Operation,
        token: &str,
        namespace: &str,
        id: &str,
    ) -> Result<Outcome, Unready> {
        readiness::synced(&self.cache)?;
        let name = lease::name(token, namespace);
        // Followers campaign every few seconds. Answering them from the cache takes no API call.
        if operation == Operation::Campaign
            && let Some(lease) = self.cache.get(&name)
            && !self.remaining(&lease, Source::Cache).is_zero()
        {
            return Ok(Outcome::Defeat { lease: Some(lease.as_ref().clone()), is_live: true });
        }
        let competing = async {
            let _place = self.places.acquire().await;
            self.compete(operation, &name, id).await
        };
        let decided = tokio::time::timeout(self.timeout, competing).await;
        decided.unwrap_or_else(|_elapsed| Err(self.failed(operation, &name, "timeout")))
    }

    /// Reads and writes the Lease, with retries on conflicts.
    async fn compete(
        &self,
        operation: Operation,
        name: &str,
        id: &str,
    ) -> Result<Outcome, Unready> {
        for attempt in 0..=RETRIES {
            let read = self.store.get_opt(name).await;
            let read = read.map_err(|error| self.refused(operation, name, &error))?;
            let lease = read.map(|Stored(lease)| lease);
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
            // Even after the last conflict, a Lease that has a leader is a defeat and not an error.
            if attempt == RETRIES {
                break;
            }
            if let Some(written) = self.write(operation, name, id, lease).await? {
                return Ok(Outcome::Success(written));
            }
            self.metrics.conflicted();
        }
        Err(self.failed(operation, name, "too many conflicts"))
    }

    /// Writes the Lease. Returns `None` on a conflict.
    async fn write(
        &self,
        operation: Operation,
        name: &str,
        id: &str,
        lease: Option<Lease>,
    ) -> Result<Option<Lease>, Unready> {
        let (parameters, now) = (PostParams::default(), self.clock.now());
        let is_new = lease.is_none();
        if is_new {
            self.admit(name)?;
        }
        let lease = lease.unwrap_or_else(|| lease::free(name, &self.namespace));
        let lease = Stored(match operation {
            Operation::Campaign => lease::taken(lease, id, now),
            Operation::Heartbeat => lease::renewed(lease, now),
        });
        let written = if is_new {
            self.store.create(&parameters, &lease).await
        } else {
            self.store.replace(name, &parameters, &lease).await
        };
        match written {
            Ok(Stored(written)) => {
                let _remaining = self.remaining(&written, Source::Store);
                if operation == Operation::Campaign {
                    let reason = if is_new { "first_acquire" } else { "lease_expired" };
                    self.metrics.taken(reason);
                    let epoch = lease::epoch(&written);
                    info!(lease = name, epoch, reason, "new leader");
                }
                Ok(Some(written))
            }
            // 409: modified or created since the read. 404: deleted since the read.
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) && !is_new => {
                Ok(None)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => {
                // After any other error, the Lease may exist.
                if is_new && matches!(&error, kube::Error::Api(status) if status.code < 500) {
                    self.quota.lock().release(name);
                }
                Err(self.refused(operation, name, &error))
            }
        }
    }

    /// Refuses a new Lease beyond the limit. That is no failure of the API server, so it has its own log line and metric.
    fn admit(&self, name: &str) -> Result<(), Unready> {
        let (now, cached) = (self.clock.elapsed(), self.cache.count());
        let is_cached = |name: &str| self.cache.get(name).is_some();
        let is_full = !self.quota.lock().admit(name, now, MAX_LEASES, cached, is_cached);
        let was_full = self.is_full.swap(is_full, Ordering::Relaxed);
        if !is_full {
            return Ok(());
        }
        self.metrics.refused();
        if !was_full {
            warn!(limit = MAX_LEASES, "new elections are refused: there are too many Leases");
        }
        Err(Unready::Full)
    }

    /// The time until a version of a Lease expires.
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
                Unready::Denied("leases.coordination.k8s.io")
            }
            _ => unready,
        }
    }

    fn failed(&self, operation: Operation, lease: &str, error: &str) -> Unready {
        self.metrics.failed();
        let (mut logged, now) = (self.logged.lock(), self.clock.elapsed());
        if logged.is_none_or(|logged| now.saturating_sub(logged) >= LOG_AGAIN) {
            *logged = Some(now);
            error!(operation = operation.name(), lease, error, "cannot elect");
        }
        Unready::Unavailable
    }

    /// Updates the gauges.
    pub fn observe(&self) {
        let leases = self.cache.entries();
        let remaining = leases.iter().map(|lease| self.remaining(lease, Source::Cache));
        self.metrics.observe(remaining.filter(|remaining| !remaining.is_zero()));
    }
}
