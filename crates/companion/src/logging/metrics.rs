//! Metrics of log configuration. Labels never contain a namespace or pod name.

use prometheus::{
    IntCounterVec, IntGaugeVec, Registry, register_int_counter_vec_with_registry,
    register_int_gauge_vec_with_registry,
};

/// The metrics of log configuration.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    objects: IntGaugeVec,
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
                "datakit_companion_logging_requests_total",
                "Requests of logfwd by status code.",
                &["code"],
                registry
            )?,
            objects: register_int_gauge_vec_with_registry!(
                "datakit_companion_logging_objects",
                "ClusterLoggingConfig objects by state; invalid ones match nothing.",
                &["state"],
                registry
            )?,
        };
        // A rate needs a sample from before the first error.
        for code in ["200", "400", "404", "503"] {
            let _zero = metrics.requests.with_label_values(&[code]);
        }
        Ok(metrics)
    }

    pub(super) fn answered(&self, code: u16) {
        self.requests.with_label_values(&[&code.to_string()]).inc();
    }

    pub(super) fn observe(&self, valid: usize, invalid: usize) {
        for (state, count) in [("valid", valid), ("invalid", invalid)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.objects.with_label_values(&[state]).set(count);
        }
    }
}
