//! Metrics of elections. Labels never contain a token, namespace or id.

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
    refused: IntCounter,
    active_scopes: IntGauge,
    lease_remaining: Gauge,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    ///
    /// If they are already registered.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: register_int_counter_vec_with_registry!(
                "datakit_companion_election_requests_total",
                "Campaigns and heartbeats by status.",
                &["operation", "status"],
                registry
            )?,
            transitions: register_int_counter_vec_with_registry!(
                "datakit_companion_election_transitions_total",
                "New leaders by reason.",
                &["reason"],
                registry
            )?,
            conflicts: register_int_counter_with_registry!(
                "datakit_companion_election_conflicts_total",
                "Lease writes that conflicted.",
                registry
            )?,
            storage_errors: register_int_counter_with_registry!(
                "datakit_companion_election_storage_errors_total",
                "Requests that failed because of the API server.",
                registry
            )?,
            refused: register_int_counter_with_registry!(
                "datakit_companion_election_refused_total",
                "Campaigns refused because there are too many Leases.",
                registry
            )?,
            active_scopes: register_int_gauge_with_registry!(
                "datakit_companion_election_active_scopes",
                "Elections with a leader.",
                registry
            )?,
            lease_remaining: register_gauge_with_registry!(
                "datakit_companion_election_lease_remaining_seconds",
                "Shortest time until a live Lease expires.",
                registry
            )?,
        };
        // A rate needs a sample from before the first error.
        for operation in [Operation::Campaign, Operation::Heartbeat] {
            for status in ["success", "defeat", "invalid", "refused", "error"] {
                let _zero = metrics.requests.with_label_values(&[operation.name(), status]);
            }
        }
        for reason in ["first_acquire", "lease_expired"] {
            let _zero = metrics.transitions.with_label_values(&[reason]);
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

    pub(super) fn refused(&self) {
        self.refused.inc();
    }

    /// Updates the gauges from the remaining time of each live Lease.
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
