//! Leases with the Operator's names and fields, so that either can take over from the other.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use ring::digest::{SHA256, digest};

/// Seconds until a Lease expires without a renewal. DataKit stops one interval earlier.
pub const SECONDS: i32 = 30;

/// The label of the Leases of elections.
pub const LABEL: (&str, &str) = ("election.datakits.io/managed", "true");

/// The name of the Lease for a token and a namespace: a digest, because the token is secret. The lengths distinguish
/// `ab`, `c` from `a`, `bc`.
pub fn name(token: &str, namespace: &str) -> String {
    let mut text = Vec::new();
    for part in [token, namespace] {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        text.extend(length.to_be_bytes());
        text.extend(part.as_bytes());
    }
    let digest = digest(&SHA256, &text);
    let hexadecimal = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("datakit-election-{}", hexadecimal.collect::<String>())
}

/// The holder of a Lease, or an empty string.
pub fn holder(lease: &Lease) -> &str {
    let spec = lease.spec.as_ref();
    spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

/// The number of acquisitions of a Lease.
pub fn epoch(lease: &Lease) -> i32 {
    lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default()
}

/// The duration of a Lease in seconds.
pub fn seconds(lease: &Lease) -> i32 {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    seconds.filter(|seconds| *seconds > 0).unwrap_or(SECONDS)
}

/// How long a Lease is valid after its first sighting; zero if it is free.
pub fn term(lease: &Lease) -> Duration {
    let is_renewed = lease.spec.as_ref().is_some_and(|spec| {
        spec.renew_time.is_some() && spec.lease_duration_seconds.is_some_and(|it| it > 0)
    });
    if holder(lease).is_empty() || !is_renewed {
        return Duration::ZERO;
    }
    Duration::from_secs(u64::try_from(seconds(lease)).unwrap_or_default())
}

/// A new Lease without a holder.
pub fn free(name: &str, namespace: &str) -> Lease {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectMeta::default()
    };
    Lease { metadata, spec: None }
}

/// The Lease with a new holder. It keeps its `resourceVersion`, which makes the write compare-and-set.
pub fn taken(mut lease: Lease, id: &str, now: Timestamp) -> Lease {
    let epoch = epoch(&lease).saturating_add(1);
    let (label, value) = LABEL;
    // The watch selects by this label.
    lease.metadata.labels.get_or_insert_default().insert(label.to_owned(), value.to_owned());
    let spec = lease.spec.take().unwrap_or_default();
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(id.to_owned()),
        lease_duration_seconds: Some(SECONDS),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(epoch),
        ..spec
    });
    lease
}

/// The Lease with a new renewal time.
pub fn renewed(mut lease: Lease, now: Timestamp) -> Lease {
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(now));
    lease
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The expected names are from Python: `sha256(pack(">I", len(t)) + t + pack(">I", len(n)) + n)`.
    #[test]
    fn names_are_those_of_the_operator() {
        for (token, namespace, expected) in [
            (
                "tkn_secret",
                "default",
                "6dc59099d63dae644e47029a410db9d6c7a70e5c4bce3926fc943345dc1d571e",
            ),
            ("secret", "", "44d860d08f70bb4de4d2452ad71ff79e9fd3faf8f0bbad89092632a2e57904d0"),
            ("secret", "prod", "10383a841b04177ffe90f5d0d328800f2c3d0130653e593b89ff1c88c0745c2c"),
            ("ab", "c", "f2939f903016e5bb29b1e4a61cdbd376220ca03a24180b39995f2d50f2e0a647"),
            ("a", "bc", "b534ce16ac9c8b36823f39a395ce8e0e3c7ad9605b82b5444f18cadacd217a5d"),
            ("tkn_é", "生产", "d285ea755c1918f83fb1a25d76d4a4bfbf20ec76d6bfb7240b7da7174fc06428"),
        ] {
            assert_eq!(name(token, namespace), format!("datakit-election-{expected}"));
        }
    }

    fn lease(value: Value) -> Lease {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn taking_and_renewing_set_the_fields_of_the_operator() {
        let at: Timestamp = "2026-09-05T10:00:00.25Z".parse().unwrap();
        let first = taken(free("datakit-election-x", "datakit"), "a", at);
        assert_eq!(
            serde_json::to_value(&first).unwrap(),
            json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": "datakit-election-x",
                    "namespace": "datakit",
                    "labels": { "election.datakits.io/managed": "true" },
                },
                "spec": {
                    "holderIdentity": "a",
                    "leaseDurationSeconds": 30,
                    "acquireTime": "2026-09-05T10:00:00.250000Z",
                    "renewTime": "2026-09-05T10:00:00.250000Z",
                    "leaseTransitions": 1,
                },
            }),
        );
        let later: Timestamp = "2026-09-05T10:00:03Z".parse().unwrap();
        let renewal = serde_json::to_value(renewed(first, later)).unwrap();
        assert_eq!(renewal["spec"]["acquireTime"], "2026-09-05T10:00:00.250000Z");
        assert_eq!(renewal["spec"]["renewTime"], "2026-09-05T10:00:03.000000Z");
        assert_eq!(renewal["spec"]["leaseTransitions"], 1);
        let stored = json!({
            "metadata": { "name": "x", "resourceVersion": "7", "annotations": { "k": "v" } },
            "spec": { "holderIdentity": "a", "leaseTransitions": 4, "strategy": "s" },
        });
        let second = serde_json::to_value(taken(lease(stored), "b", later)).unwrap();
        assert_eq!(second["metadata"]["resourceVersion"], "7");
        assert_eq!(second["metadata"]["annotations"]["k"], "v");
        assert_eq!(second["spec"]["holderIdentity"], "b");
        assert_eq!(second["spec"]["leaseTransitions"], 5);
        assert_eq!(second["spec"]["strategy"], "s");
    }

    #[test]
    fn only_a_renewed_lease_with_a_holder_binds() {
        let time = "2026-09-05T10:00:00.000000Z";
        for (spec, expected) in [
            (json!({ "holderIdentity": "a", "leaseDurationSeconds": 30, "renewTime": time }), 30),
            (json!({ "holderIdentity": "a", "leaseDurationSeconds": 60, "renewTime": time }), 60),
            (json!({ "holderIdentity": "", "leaseDurationSeconds": 30, "renewTime": time }), 0),
            (json!({ "leaseDurationSeconds": 30, "renewTime": time }), 0),
            (json!({ "holderIdentity": "a", "leaseDurationSeconds": 30 }), 0),
            (json!({ "holderIdentity": "a", "renewTime": time }), 0),
            (json!({ "holderIdentity": "a", "leaseDurationSeconds": 0, "renewTime": time }), 0),
            (json!({ "holderIdentity": "a", "leaseDurationSeconds": -1, "renewTime": time }), 0),
        ] {
            let lease = lease(json!({ "metadata": {}, "spec": spec }));
            assert_eq!(term(&lease), Duration::from_secs(expected), "{spec}");
        }
    }
}
