//! Matching of queries on threads of its own: selectors can take seconds, for which elections must not wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::entry::Entry;
use super::selector::Pod;
use crate::cache::Cache;

/// How many queries are matched at once.
const THREADS: usize = 2;

/// How long a query waits. Thousands of logfwds may, and elections need connections too.
const PATIENCE: Duration = Duration::from_secs(5);

type Query = (Pod, oneshot::Sender<Option<Arc<Entry>>>);

/// Matches queries in the order in which they come.
#[derive(Debug)]
pub struct Matcher(mpsc::UnboundedSender<Query>);

/// A query could not be matched in time.
#[derive(Clone, Copy, Debug, Error)]
#[error("matching takes too long")]
pub struct TooSlow;

impl Matcher {
    /// Starts the threads, which end with the matcher.
    pub fn start(cache: &Arc<Cache<Entry>>) -> Self {
        // As many as there are connections.
        let (queries, queue) = mpsc::unbounded_channel::<Query>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let (cache, queue) = (cache.clone(), queue.clone());
            let _ends_with_the_queue = thread::spawn(move || {
                loop {
                    let query = queue.lock().blocking_recv();
                    let Some((pod, answer)) = query else { return };
                    // Nobody waits any more, if there were many before it.
                    if answer.is_closed() {
                        continue;
                    }
                    let find = || cache.entries().into_iter().find(|entry| entry.matches(&pod));
                    if let Ok(found) = catch_unwind(AssertUnwindSafe(find)) {
                        let _gone = answer.send(found);
                    }
                }
            });
        }
        Self(queries)
    }

    /// The first entry, by name, that matches a pod.
    ///
    /// # Errors
    ///
    /// If this query, or those before it, take too long.
    pub async fn find(&self, pod: Pod) -> Result<Option<Arc<Entry>>, TooSlow> {
        let (answer, found) = oneshot::channel();
        let _sent = self.0.send((pod, answer));
        timeout(PATIENCE, found).await.map_err(|_elapsed| TooSlow)?.map_err(|_panic| TooSlow)
    }
}
