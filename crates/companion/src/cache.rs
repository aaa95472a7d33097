//! A watched cache of objects, so that requests do not reach the API server.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures_util::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use kube::runtime::watcher::{self, Event, ExponentialBackoff, watcher};
use kube::{Api, Resource, ResourceExt as _};
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use tracing::{info, warn};

/// The timeout of a watch, in seconds, after which the next one starts. A connection that breaks silently is noticed
/// this late.
pub const WATCH_SECONDS: u32 = 60;

/// The time without an error after which the backoff starts anew; longer than its longest delay with jitter.
const CALM: Duration = Duration::from_secs(15);

/// A backoff that only time resets. kube resets it after each event, and the start of a list is one, so that the delay
/// would never grow while lists fail.
struct Growing(ResetTimerBackoff<ExponentialBackoff>);

impl Iterator for Growing {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next()
    }
}

impl Backoff for Growing {
    fn reset(&mut self) {}
}

/// The objects of one kind by name, each in the form that its service needs.
///
/// kube's `reflector` stores the objects themselves, unordered; configurations are tried in the order of their names.
#[derive(Debug)]
pub struct Cache<T> {
    kind: &'static str,
    state: RwLock<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    is_synced: bool,
    entries: BTreeMap<String, Arc<T>>,
    error: Option<String>,
}

impl<T> Cache<T> {
    /// An empty cache, not yet in sync. `kind` names it in log lines.
    pub fn new(kind: &'static str) -> Self {
        let state = State { is_synced: false, entries: BTreeMap::new(), error: None };
        Self { kind, state: RwLock::new(state) }
    }

    /// Whether the initial list is complete. A watch that breaks later does not reset this, so callers must tolerate
    /// stale entries.
    pub fn is_synced(&self) -> bool {
        self.state.read().is_synced
    }

    /// The current error of the list or watch, if any.
    pub fn error(&self) -> Option<String> {
        self.state.read().error.clone()
    }

    /// The entry for the object with this name.
    pub fn get(&self, name: &str) -> Option<Arc<T>> {
        self.state.read().entries.get(name).cloned()
    }

    /// The number of entries.
    pub fn count(&self) -> usize {
        self.state.read().entries.len()
    }

    /// All entries, by name.
    pub fn entries(&self) -> Vec<Arc<T>> {
        self.state.read().entries.values().cloned().collect()
    }

    /// Lists and watches; never returns. `read` converts an object before it replaces the previous entry.
    pub async fn follow<K>(&self, api: Api<K>, config: watcher::Config, read: impl Fn(K) -> Arc<T>)
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        // Shorter than kube's default of 30 seconds: a replica must not learn of a new leader that late.
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(5))
            .with_jitter()
            .without_max_times();
        let config = config.timeout(WATCH_SECONDS);
        let backoff = Growing(ResetTimerBackoff::new(ExponentialBackoff::from(backoff), CALM));
        let mut events = pin!(watcher(api, config).backoff(backoff));
        let mut listed = BTreeMap::new();
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    self.fail(&error);
                    continue;
                }
            };
            match event {
                Event::Init => listed = BTreeMap::new(),
                Event::InitApply(object) => {
                    let _old = listed.insert(object.name_any(), read(object));
                }
                Event::InitDone => self.replace(std::mem::take(&mut listed)),
                Event::Apply(object) => {
                    let (name, entry) = (object.name_any(), read(object));
                    self.change(|entries| drop(entries.insert(name, entry)));
                }
                Event::Delete(object) => {
                    let name = object.name_any();
                    self.change(|entries| drop(entries.remove(&name)));
                }
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Arc<T>>)) {
        let mut state = self.state.write();
        state.error = None;
        change(&mut state.entries);
    }

    fn replace(&self, entries: BTreeMap<String, Arc<T>>) {
        info!(kind = self.kind, objects = entries.len(), "cache in sync");
        *self.state.write() = State { is_synced: true, entries, error: None };
    }

    fn fail(&self, error: &watcher::Error) {
        let error = error.to_string();
        let mut state = self.state.write();
        // Each attempt repeats the same error.
        if state.error.as_ref() != Some(&error) {
            warn!(kind = self.kind, error, "cannot watch");
            state.error = Some(error);
        }
    }
}
