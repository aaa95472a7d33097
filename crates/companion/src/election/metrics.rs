//! What is counted of elections. No label has a token, a namespace or an id.

use std::time::Duration;

use prometheus::{
    Gauge, IntCounter, IntCounterVec, IntGauge, Registry, register_gauge_with_registry,
    register_int_counter_vec_with_registry, register_int_counter_with_registry,
    register_int_gauge_with_registry,
};

use super::operation::Operation;

/// The metrics of elections.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    transitions: IntCounterVec,
    conflicts: IntCounter,
    storage_errors: IntCounter,
    active_scopes: IntGauge,
    lease_remaining: Gauge,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    ///
    /// Where they are registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: register_int_counter_vec_with_registry!(
                "datakit_companion_election_requests_total",
                "Campaigns and heartbeats, by their answer.",
                &["operation", "status"],
                registry
            )?,
            transitions: register_int_counter_vec_with_registry!(
                "datakit_companion_election_transitions_total",
                "Leases that this replica gave to a new leader.",
                &["reason"],
                registry
            )?,
            conflicts: register_int_counter_with_registry!(
                "datakit_companion_election_conflicts_total",
                "Writes that came second, after which the Lease was read again.",
                registry
            )?,
            storage_errors: register_int_counter_with_registry!(
                "datakit_companion_election_storage_errors_total",
                "Requests that failed because of the API server.",
                registry
            )?,
            active_scopes: register_int_gauge_with_registry!(
                "datakit_companion_election_active_scopes",
                "Elections that have a leader: pairs of a token and a namespace.",
                registry
            )?,
            lease_remaining: register_gauge_with_registry!(
                "datakit_companion_election_lease_remaining_seconds",
                "The shortest time until a leader that does not renew loses its Lease.",
                registry
            )?,
        };
        // An alert on a rate needs a first sample before the first error.
        for operation in [Operation::Campaign, Operation::Heartbeat] {
            for status in ["success", "defeat", "error"] {
                let _zero = metrics.requests.with_label_values(&[operation.name(), status]);
            }
        }
        Ok(metrics)
    }

    pub(super) fn answered(&self, operation: Operation, status: &str) {
        self.requests.with_label_values(&[operation.name(), status]).inc();
    }

    pub(super) fn taken(&self, reason: &str) {
        self.transitions.with_label_values(&[reason]).inc();
    }

    pub(super) fn conflicted(&self) {
        self.conflicts.inc();
    }

    pub(super) fn failed(&self) {
        self.storage_errors.inc();
    }

    /// Sets the gauges from the time that each live lease has left.
    pub(super) fn observe(&self, remaining: impl Iterator<Item = Duration>) {
        let (mut scopes, mut shortest) = (0, None);
        for remaining in remaining {
            scopes = i64::saturating_add(scopes, 1);
            shortest = Some(shortest.map_or(remaining, |shortest| remaining.min(shortest)));
        }
        self.active_scopes.set(scopes);
        self.lease_remaining.set(shortest.unwrap_or_default().as_secs_f64());
    }
}
