//! When each version of a Lease was first seen.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The monotonic time of the first sighting of each Lease version.
///
/// A Lease expires a full term after its current version was first seen here. Its own timestamps are not used, because
/// another machine's clock wrote them.
#[derive(Debug, Default)]
pub struct Sightings {
    leases: HashMap<String, Versions>,
}

#[derive(Debug, Default)]
struct Versions {
    /// The newest version. `resourceVersion` is opaque in general, but etcd's are numbers.
    newest: u64,
    seen: VecDeque<(String, Duration)>,
}

/// The source of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The cache, which may be stale.
    Cache,
    /// An answer of the API server, which is authoritative.
    Store,
}

/// How many versions to remember per Lease. A leader writes ten per term.
const REMEMBERED: usize = 32;

impl Sightings {
    /// When a version was first seen, which is `now` for a new one. `None` if a stale cache returns an unknown version
    /// that is older than a known one: it must not start a new term.
    pub fn first_seen(
        &mut self,
        lease: &str,
        version: &str,
        source: Source,
        now: Duration,
    ) -> Option<Duration> {
        let versions = self.leases.entry(lease.to_owned()).or_default();
        let known = versions.seen.iter().position(|(seen, _)| seen == version);
        if let Some(known) = known.and_then(|index| versions.seen.remove(index)) {
            let at = known.1;
            // Keep versions that are still in use.
            versions.seen.push_back(known);
            return Some(at);
        }
        let number = version.parse().unwrap_or_default();
        if source == Source::Cache && number != 0 && number < versions.newest {
            return None;
        }
        // Versions start from a lower number after etcd is restored from a backup.
        versions.newest =
            if source == Source::Store { number } else { number.max(versions.newest) };
        if versions.seen.len() >= REMEMBERED {
            let _oldest = versions.seen.pop_front();
        }
        versions.seen.push_back((version.to_owned(), now));
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn versions_keep_their_first_sighting() {
        let mut sightings = Sightings::default();
        for (version, source, now, expected, why) in [
            ("5", Source::Cache, 0, Some(0), "never seen"),
            ("5", Source::Store, 4, Some(0), "another source changes nothing"),
            ("7", Source::Store, 5, Some(5), "a new version"),
            ("5", Source::Cache, 6, Some(0), "a stale cache does not start the term anew"),
            ("6", Source::Cache, 7, None, "older than one that is known"),
            ("7", Source::Cache, 8, Some(5), "the cache caught up"),
            ("8", Source::Cache, 9, Some(9), "the cache is first"),
            ("x", Source::Cache, 10, Some(10), "no number: compared with nothing"),
            ("x", Source::Cache, 11, Some(10), "but remembered"),
            ("3", Source::Store, 12, Some(12), "the store was restored from a backup"),
            ("4", Source::Cache, 13, Some(13), "and counts on from there"),
        ] {
            let seen = sightings.first_seen("a", version, source, at(now));
            assert_eq!(seen, expected.map(at), "{version} at {now}: {why}");
        }
        let other = sightings.first_seen("b", "5", Source::Cache, at(20));
        assert_eq!(other, Some(at(20)), "leases have nothing to do with each other");
    }

    /// A stuck cache returns the same version while the leader renews for minutes.
    #[test]
    fn a_version_that_is_looked_at_is_not_forgotten() {
        let mut sightings = Sightings::default();
        let _stuck = sightings.first_seen("a", "1", Source::Cache, at(0));
        for second in 1..200 {
            let version = format!("{}", second + 1);
            let _new = sightings.first_seen("a", &version, Source::Store, at(second));
            let seen = sightings.first_seen("a", "1", Source::Cache, at(second));
            assert_eq!(seen, Some(at(0)), "after {second} seconds");
        }
        assert!(sightings.leases["a"].seen.len() <= REMEMBERED);
        let forgotten = sightings.first_seen("a", "90", Source::Cache, at(300));
        assert_eq!(forgotten, None, "a version that was forgotten is old");
    }
}
