//! Log configuration for logfwd: the first `ClusterLoggingConfig` that matches its pod.

pub mod config;
pub mod entry;
pub mod matcher;
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
use crate::stored::Stored;
use crate::timeouts::Timeouts;

use entry::Entry;
use matcher::Matcher;
use metrics::Metrics;
use report::Reporter;

const fn configs(verb: &'static str) -> Right {
    Right { group: "logging.datakits.io", resource: "clusterloggingconfigs", verb }
}

/// The rights that log configuration needs, cluster-wide.
pub const RIGHTS: [Right; 2] = [configs("list"), configs("watch")];

/// Events expire after an hour by default, but an error lasts until it is corrected.
const REPORT_AGAIN: Duration = Duration::from_secs(3600);

/// The log configuration of a cluster.
pub struct Logging {
    api: Api<Stored<DynamicObject>>,
    cache: Arc<Cache<Entry>>,
    rights: Rights,
    reporter: Reporter,
    metrics: Metrics,
    matcher: Matcher,
}

impl Logging {
    /// Log configuration from the objects of a cluster.
    ///
    /// # Errors
    ///
    /// If the registry already has these metrics.
    pub fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        timeouts: Timeouts,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let cache = Arc::new(Cache::new("ClusterLoggingConfig"));
        Ok(Self {
            api: Api::all_with(client.clone(), &config::resource()),
            rights: Rights::new(client.clone(), None, &RIGHTS, clock.clone(), timeouts),
            reporter: Reporter::new(client, clock),
            metrics: Metrics::register(registry)?,
            matcher: Matcher::start(&cache),
            cache,
        })
    }

    /// Keeps the cache in sync and reports invalid objects. Never returns.
    pub async fn follow(&self) {
        // Writing events must not delay the watch. If the channel is full, the hourly report catches up.
        let (news, reports) = mpsc::channel(256);
        let read = |Stored(object): Stored<DynamicObject>| {
            let entry = Arc::new(Entry::new(&object));
            if let Some(error) = &entry.error
                && self.cache.get(&entry.name).is_none_or(|old| old.version != entry.version)
            {
                warn!(object = entry.name, error, "invalid ClusterLoggingConfig matches nothing");
                let _full = news.try_send(entry.clone());
            }
            entry
        };
        tokio::join!(
            self.cache.follow(self.api.clone(), watcher::Config::default(), read),
            self.report(reports)
        );
    }

    async fn report(&self, mut news: mpsc::Receiver<Arc<Entry>>) {
        let mut again = interval(REPORT_AGAIN);
        // The first tick is immediate.
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

    /// Checks that logfwd can be answered.
    ///
    /// # Errors
    ///
    /// If a right is missing or the cache is out of sync.
    pub async fn check(&self) -> Result<(), Unready> {
        readiness::check(&self.rights, &self.cache).await
    }

    /// Updates the gauges.
    pub fn observe(&self) {
        let entries = self.cache.entries();
        let invalid = entries.iter().filter(|entry| entry.error.is_some()).count();
        self.metrics.observe(entries.len().saturating_sub(invalid), invalid);
    }
}
