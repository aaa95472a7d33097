//! Access reviews: whether the API server grants what a service needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::timeouts::Timeouts;

/// A verb on a resource. A test compares these with the roles in `deploy/companion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The API group.
    pub group: &'static str,
    /// The plural of the resource.
    pub resource: &'static str,
    /// The verb.
    pub verb: &'static str,
}

/// The result of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    /// Every right is granted.
    Granted,
    /// These rights are missing, as `verb resource.group`.
    Missing(Vec<String>),
    /// The API server did not answer in time, or failed.
    Unavailable,
}

/// The rights of one service, and their latest review.
pub struct Rights {
    reviews: Api<SelfSubjectAccessReview>,
    namespace: Option<String>,
    needed: &'static [Right],
    clock: Arc<dyn Clock>,
    timeout: Duration,
    last: Mutex<Option<(Duration, Review)>>,
    finished: AtomicU64,
}

/// How long a review is reused. Each DataKit probes once at its start, and a fleet starts at once.
const FRESH: Duration = Duration::from_secs(5);

impl Rights {
    /// Rights needed in a namespace, or cluster-wide if `namespace` is `None`.
    pub fn new(
        client: Client,
        namespace: Option<String>,
        needed: &'static [Right],
        clock: Arc<dyn Clock>,
        timeouts: Timeouts,
    ) -> Self {
        let (reviews, last) = (Api::all(client), Mutex::new(None));
        let (timeout, finished) = (timeouts.review, AtomicU64::new(0));
        Self { reviews, namespace, needed, clock, timeout, last, finished }
    }

    /// Reviews the rights, or returns a recent review.
    pub async fn review(&self) -> Review {
        let finished = self.finished.load(Ordering::Acquire);
        // Concurrent callers wait here for the first one's review, and share it whatever it is: one after the other,
        // they would wait for an API server that hangs until DataKit gives up.
        let mut last = self.last.lock().await;
        let has_waited = self.finished.load(Ordering::Acquire) != finished;
        if let Some((at, review)) = &*last {
            // Unavailability is not remembered: a DataKit that probes a moment later would not use elections until it
            // is restarted.
            let is_fresh =
                *review != Review::Unavailable && self.clock.elapsed().saturating_sub(*at) < FRESH;
            if has_waited || is_fresh {
                return review.clone();
            }
        }
        let reviews = try_join_all(self.needed.iter().map(|right| self.is_granted(right)));
        let review = match tokio::time::timeout(self.timeout, reviews).await {
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
        let _before = self.finished.fetch_add(1, Ordering::Release);
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
