//! The log configuration that logfwd asks for: the first `ClusterLoggingConfig` that matches its pod.

pub mod config;
pub mod entry;
pub mod metrics;
pub mod protocol;
pub mod report;
pub mod selector;

use std::sync::Arc;
use std::time::Duration;

use kube::core::DynamicObject;
use kube::runtime::watcher;
use kube::{Api, Client};
use prometheus::Registry;
use tokio::sync::mpsc;
use tokio::time::interval;
use tracing::warn;

use crate::cache::Cache;
use crate::clock::Clock;
use crate::readiness::{self, Unready};
use crate::rights::{Right, Rights};

use entry::Entry;
use metrics::Metrics;
use report::Reporter;

const fn configs(verb: &'static str) -> Right {
    Right { group: "logging.datakits.io", resource: "clusterloggingconfigs", verb }
}

/// The rights that log configuration needs, in the cluster.
pub const RIGHTS: [Right; 2] = [configs("list"), configs("watch")];

/// The API server forgets events after an hour, as it is usually set up; errors last until they are corrected.
const REPORT_AGAIN: Duration = Duration::from_secs(3600);

/// The log configuration of a cluster.
pub struct Logging {
    api: Api<DynamicObject>,
    cache: Cache<Entry>,
    rights: Rights,
    reporter: Reporter,
    metrics: Metrics,
}

impl Logging {
    /// The configuration in a cluster.
    ///
    /// # Errors
    ///
    /// Where the registry has these metrics already.
    pub fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            api: Api::all_with(client.clone(), &config::resource()),
            cache: Cache::new("ClusterLoggingConfig"),
            rights: Rights::new(client.clone(), None, &RIGHTS, clock.clone()),
            reporter: Reporter::new(client, clock),
            metrics: Metrics::register(registry)?,
        })
    }

    /// Keeps the cache in sync, and reports objects with errors, for ever.
    pub async fn follow(&self) {
        // The watch must not wait for events. Where so many are wrong, the next hour reports what is left.
        let (news, reports) = mpsc::channel(256);
        let read = |object: DynamicObject| {
            let entry = Arc::new(Entry::new(&object));
            if let Some(error) = &entry.error
                && self.cache.get(&entry.name).is_none_or(|old| old.version != entry.version)
            {
                warn!(
                    object = entry.name,
                    error, "invalid ClusterLoggingConfig: it matches nothing"
                );
                let _full = news.try_send(entry.clone());
            }
            entry
        };
        let config = watcher::Config::default().timeout(60);
        tokio::join!(self.cache.follow(self.api.clone(), config, read), self.report(reports));
    }

    async fn report(&self, mut news: mpsc::Receiver<Arc<Entry>>) {
        let mut again = interval(REPORT_AGAIN);
        // The first comes at once.
        let _first = again.tick().await;
        loop {
            tokio::select! {
                Some(entry) = news.recv() => self.reporter.report(&entry).await,
                _ = again.tick() => {
                    for entry in self.cache.entries() {
                        self.reporter.report(&entry).await;
                    }
                }
            }
        }
    }

    /// Whether logfwd gets an answer.
    ///
    /// # Errors
    ///
    /// Where a right is missing or the cache is not in sync.
    pub async fn check(&self) -> Result<(), Unready> {
        readiness::check(&self.rights, &self.cache).await
    }

    /// Sets the metrics that describe the present.
    pub fn observe(&self) {
        let entries = self.cache.entries();
        let invalid = entries.iter().filter(|entry| entry.error.is_some()).count();
        self.metrics.observe(entries.len().saturating_sub(invalid), invalid);
    }
}
