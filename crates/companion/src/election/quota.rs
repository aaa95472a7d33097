//! The limit to Leases, which counts those that the cache does not have yet.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cache::WATCH_SECONDS;

/// How long a creation counts if the cache does not show it. A watch that breaks silently is late by this much.
const PENDING: Duration = Duration::from_secs(2 * WATCH_SECONDS as u64);

/// The Leases that this replica created, or tried to, and does not see in the cache yet.
#[derive(Debug, Default)]
pub struct Quota {
    pending: BTreeMap<String, Duration>,
}

impl Quota {
    /// Counts a new Lease, if there is room for it beside the `cached` ones.
    pub fn admit(
        &mut self,
        name: &str,
        now: Duration,
        limit: usize,
        cached: usize,
        is_cached: impl Fn(&str) -> bool,
    ) -> bool {
        self.pending.retain(|name, since| now.saturating_sub(*since) < PENDING && !is_cached(name));
        let others = self.pending.keys().filter(|pending| *pending != name).count();
        let has_room = cached.saturating_add(others) < limit;
        if has_room {
            let _since = self.pending.insert(name.to_owned(), now);
        }
        has_room
    }

    /// Forgets a Lease that the API server refused to create.
    pub fn release(&mut self, name: &str) {
        let _since = self.pending.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches: more Leases than the limit while the watch is late, and room that is lost for ever.
    #[test]
    fn creations_count_until_the_cache_has_them() {
        let mut quota = Quota::default();
        let (now, nothing) = (Duration::from_secs(1), |_: &str| false);
        assert!(quota.admit("a", now, 3, 1, nothing));
        assert!(quota.admit("b", now, 3, 1, nothing));
        assert!(quota.admit("b", now, 3, 1, nothing), "tried again");
        assert!(!quota.admit("c", now, 3, 1, nothing), "the watch is late");
        assert!(!quota.admit("c", now, 3, 2, |name| name == "a"), "one came");
        quota.release("b");
        assert!(quota.admit("c", now, 3, 2, nothing), "one was refused");
        assert!(quota.admit("d", now + PENDING, 3, 2, nothing), "one never came");
    }
}
