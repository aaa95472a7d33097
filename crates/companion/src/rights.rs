//! What the companion may do in the cluster, as far as requests depend on it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::Mutex;

use crate::clock::Clock;

/// A verb on a resource. The manifests grant these and no others, which a test compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The API group.
    pub group: &'static str,
    /// The plural of the resource.
    pub resource: &'static str,
    /// The verb.
    pub verb: &'static str,
}

/// What a review of rights found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    /// All are granted.
    Granted,
    /// These are not, as `verb resource.group`.
    Missing(Vec<String>),
    /// The API server did not answer.
    Unavailable,
}

/// Rights in one namespace, or in the cluster, and their last review.
pub struct Rights {
    reviews: Api<SelfSubjectAccessReview>,
    namespace: Option<String>,
    needed: &'static [Right],
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Duration, Review)>>,
}

/// How long a review counts. When a whole fleet starts, each DataKit probes, and each probe needs every right.
const FRESH: Duration = Duration::from_secs(5);

/// DataKit waits 2 seconds for the answer to its probe.
const PATIENCE: Duration = Duration::from_secs(1);

impl Rights {
    /// The rights that are needed in a namespace; without one, in the cluster.
    pub fn new(
        client: Client,
        namespace: Option<String>,
        needed: &'static [Right],
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { reviews: Api::all(client), namespace, needed, clock, last: Mutex::new(None) }
    }

    /// Asks the API server whether they are granted, unless it was asked just now.
    pub async fn review(&self) -> Review {
        // Concurrent callers wait here for the answer to the first of them.
        let mut last = self.last.lock().await;
        if let Some((at, review)) = &*last
            && self.clock.elapsed().saturating_sub(*at) < FRESH
        {
            return review.clone();
        }
        let reviews = try_join_all(self.needed.iter().map(|right| self.is_granted(right)));
        let review = match tokio::time::timeout(PATIENCE, reviews).await {
            Ok(Ok(granted)) => {
                let needed = self.needed.iter().zip(granted);
                let missing = needed.filter(|(_, is_granted)| !is_granted);
                let missing: Vec<String> = missing
                    .map(|(right, _)| format!("{} {}.{}", right.verb, right.resource, right.group))
                    .collect();
                if missing.is_empty() { Review::Granted } else { Review::Missing(missing) }
            }
            Ok(Err(_)) | Err(_) => Review::Unavailable,
        };
        *last = Some((self.clock.elapsed(), review.clone()));
        review
    }

    async fn is_granted(&self, right: &Right) -> kube::Result<bool> {
        let resource_attributes = ResourceAttributes {
            group: Some(right.group.to_owned()),
            resource: Some(right.resource.to_owned()),
            verb: Some(right.verb.to_owned()),
            namespace: self.namespace.clone(),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(resource_attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let review = self.reviews.create(&PostParams::default(), &review).await?;
        Ok(review.status.is_some_and(|status| status.allowed))
    }
}
