//! Tells people of objects with errors: by an event on the object, and a log line.

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

/// Where events of objects without a namespace are.
pub const NAMESPACE: &str = "default";

/// The rights that events need, in [`NAMESPACE`]. Requests are answered without.
pub const RIGHTS: [Right; 1] =
    [Right { group: "events.k8s.io", resource: "events", verb: "create" }];

const CONTROLLER: &str = "datakit-companion";

/// The API server refuses a longer note.
const MAX_NOTE: usize = 1000;

/// Writes events.
pub struct Reporter {
    events: Api<Event>,
    clock: Arc<dyn Clock>,
}

impl Reporter {
    /// A reporter to this cluster.
    pub fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { events: Api::namespaced(client, NAMESPACE), clock }
    }

    /// Writes an event for an object with an error. There is one for each state of the object, whoever writes it
    /// first: the API server refuses a second of the same name, until it forgot the first.
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

/// The event for an object in one state. Its name follows from both, and from nothing else.
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
        note: Some(error.chars().take(MAX_NOTE).collect()),
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
