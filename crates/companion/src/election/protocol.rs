//! The HTTP interface for DataKit.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;

use super::lease;
use super::operation::Operation;
use super::{Election, Outcome};
use crate::answer;
use crate::query::Query;
use crate::readiness::Unready;

/// Seconds between two requests of a DataKit.
const INTERVAL: u32 = 3;

/// The longest id in bytes, that of a DNS name. It becomes the holder of a Lease.
const MAX_ID: usize = 253;

/// The longest token in bytes.
const MAX_TOKEN: usize = 1024;

/// The answer to a campaign or heartbeat, with the fields in the order of the Operator's.
#[derive(Debug, Serialize)]
struct Content<'a> {
    status: &'static str,
    namespace: &'a str,
    id: &'a str,
    incumbency_id: &'a str,
    error_msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    interval: u32,
    lease_duration: i32,
    epoch: i32,
}

#[derive(Serialize)]
struct Envelope<T> {
    content: T,
}

impl<'a> Content<'a> {
    fn new(status: &'static str, namespace: &'a str, id: &'a str) -> Self {
        Self {
            status,
            namespace,
            id,
            incumbency_id: "",
            error_msg: "",
            error_code: None,
            interval: INTERVAL,
            lease_duration: lease::SECONDS,
            epoch: 0,
        }
    }
}

/// The routes of elections.
pub fn routes(election: Arc<Election>) -> Router {
    Router::new()
        .route("/v1/dk-election/status", get(status))
        .route("/v1/dk-election", post(campaign))
        .route("/v1/dk-election/heartbeat", post(heartbeat))
        .with_state(election)
}

/// DataKit probes this once at its start, and falls back to DataWay on anything but `ready`.
async fn status(State(election): State<Arc<Election>>) -> Response {
    match election.check().await {
        Ok(()) => answer::json(StatusCode::OK, &json!({ "content": { "status": "ready" } })),
        Err(unready) => {
            #[derive(Serialize)]
            struct Status {
                status: &'static str,
                error_code: &'static str,
            }
            let content = Status { status: "error", error_code: unready.code() };
            answer::json(StatusCode::SERVICE_UNAVAILABLE, &Envelope { content })
        }
    }
}

async fn campaign(State(election): State<Arc<Election>>, query: RawQuery) -> Response {
    answer(&election, Operation::Campaign, query).await
}

async fn heartbeat(State(election): State<Arc<Election>>, query: RawQuery) -> Response {
    answer(&election, Operation::Heartbeat, query).await
}

async fn answer(election: &Election, operation: Operation, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let (label, response) = match Query::parse(&query) {
        Ok(query) => decide(election, operation, &query).await,
        Err(error) => bad_request("", "", &error.to_string()),
    };
    election.metrics.answered(operation, label);
    response
}

/// Answers a valid query. Returns the label for metrics, too.
async fn decide(
    election: &Election,
    operation: Operation,
    query: &Query<'_>,
) -> (&'static str, Response) {
    let (token, namespace, id) = (query.get("token"), query.get("namespace"), query.get("id"));
    if token.is_empty() || id.is_empty() {
        return bad_request(namespace, id, "token and id cannot be empty");
    }
    if id.len() > MAX_ID || token.len() > MAX_TOKEN {
        return bad_request(namespace, "", "token or id is too long");
    }
    let decided = election.decide(operation, token, namespace, id).await;
    let (status, lease, is_live) = match &decided {
        Ok(Outcome::Success(lease)) => ("success", Some(lease), true),
        Ok(Outcome::Defeat { lease, is_live }) => ("defeat", lease.as_ref(), *is_live),
        Err(unready) => {
            let error_msg = unready.to_string();
            let content = Content {
                error_msg: &error_msg,
                error_code: Some(unready.code()),
                ..Content::new("error", namespace, id)
            };
            // A full store is no failure of the API server.
            let label = if *unready == Unready::Full { "refused" } else { "error" };
            return (label, envelope(StatusCode::SERVICE_UNAVAILABLE, content));
        }
    };
    let mut content = Content::new(status, namespace, id);
    if let Some(lease) = lease {
        content.lease_duration = lease::seconds(lease);
        content.epoch = lease::epoch(lease);
        content.incumbency_id = if is_live { lease::holder(lease) } else { "" };
    }
    (status, envelope(StatusCode::OK, content))
}

fn bad_request(namespace: &str, id: &str, error_msg: &str) -> (&'static str, Response) {
    let content = Content { error_msg, ..Content::new("error", namespace, id) };
    ("invalid", envelope(StatusCode::BAD_REQUEST, content))
}

fn envelope(status: StatusCode, content: Content) -> Response {
    answer::json(status, &Envelope { content })
}
