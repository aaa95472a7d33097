//! Events on invalid objects.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use ring::digest::{SHA256, digest};
use tracing::{debug, warn};

use super::config;
use super::entry::Entry;
use crate::clock::Clock;
use crate::rights::Right;

/// The namespace for events about cluster-scoped objects.
pub const NAMESPACE: &str = "default";

/// The rights that events need, in [`NAMESPACE`]. Answering requests does not depend on them.
pub const RIGHTS: [Right; 1] =
    [Right { group: "events.k8s.io", resource: "events", verb: "create" }];

const CONTROLLER: &str = "datakit-companion";

/// Writes events.
pub struct Reporter {
    events: Api<Event>,
    clock: Arc<dyn Clock>,
}

impl Reporter {
    /// A reporter for this cluster.
    pub fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { events: Api::namespaced(client, NAMESPACE), clock }
    }

    /// Writes an event about an invalid object. The name of the event identifies the object and its generation, so the
    /// API server rejects duplicates from other replicas until the event expires.
    pub async fn report(&self, entry: &Entry) {
        let Some(error) = &entry.error else { return };
        let event = event(entry, error, MicroTime(self.clock.now()));
        match self.events.create(&PostParams::default(), &event).await {
            Ok(_) => debug!(object = entry.name, "event written"),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => warn!(object = entry.name, %error, "cannot write an event"),
        }
    }
}

/// The event about one generation of an object.
fn event(entry: &Entry, error: &str, now: MicroTime) -> Event {
    let resource = config::resource();
    let (uid, generation) = &entry.version;
    let digest = digest(&SHA256, format!("{uid} {generation}").as_bytes());
    let digest: String = digest.as_ref().iter().take(8).map(|it| format!("{it:02x}")).collect();
    let object: String = entry.name.chars().take(200).collect();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{digest}", object.trim_end_matches(['.', '-']))),
            namespace: Some(NAMESPACE.to_owned()),
            ..ObjectMeta::default()
        },
        event_time: Some(now),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(CONTROLLER.to_owned()),
        action: Some("Read".to_owned()),
        reason: Some("InvalidSelector".to_owned()),
        type_: Some("Warning".to_owned()),
        note: Some(error.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(resource.api_version),
            kind: Some(resource.kind),
            name: Some(entry.name.clone()),
            uid: Some(uid.clone()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use kube::core::DynamicObject;
    use serde_json::json;

    use super::*;

    /// Catches: an event that the API server rejects, because of the length of what it quotes.
    #[test]
    fn long_texts_are_cut() {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "logging.datakits.io/v1alpha1", "kind": "ClusterLoggingConfig",
            "metadata": { "name": "a.".repeat(126) + "a", "uid": "u", "generation": 1 },
            "spec": { "selector": { "podRegex": "日志".repeat(500) + "(" } },
        }))
        .unwrap();
        let entry = Entry::new(&object);
        let error = entry.error.as_deref().unwrap();
        let event = event(&entry, error, MicroTime(Timestamp::UNIX_EPOCH));
        let (note, name) = (event.note.unwrap(), event.metadata.name.unwrap());
        assert!(note.len() <= 1024 && note.ends_with(['日', '志']), "{note}");
        assert!(name.len() <= 253 && !name.contains(".."), "{name}");
    }
}
