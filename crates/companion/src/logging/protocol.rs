//! The HTTP interface for logfwd.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;

use super::Logging;
use super::selector::Pod;
use crate::answer;
use crate::query::Query;
use crate::readiness;

/// The number of labels in a query, which are matched with every object.
const MAX_LABELS: usize = 256;

/// The route of log configuration.
pub fn routes(logging: Arc<Logging>) -> Router {
    Router::new().route("/v1/logging/configs", get(configs)).with_state(logging)
}

async fn configs(State(logging): State<Arc<Logging>>, RawQuery(query): RawQuery) -> Response {
    let mut response = answer(&logging, &query.unwrap_or_default()).await;
    logging.metrics.answered(response.status().as_u16());
    // Thousands of logfwds ask once a minute: idle connections would use up the connection limit.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// On 404 logfwd stops collecting. On any other error it keeps its configuration.
async fn answer(logging: &Logging, query: &str) -> Response {
    let query = match Query::parse(query) {
        Ok(query) => query,
        Err(error) => return answer::error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let (namespace, name) = (query.get("namespace"), query.get("pod_name"));
    if namespace.is_empty() || name.is_empty() {
        let message = "namespace, pod_name parameters are required";
        return answer::error(StatusCode::BAD_REQUEST, message);
    }
    if let Err(unready) = readiness::synced(&logging.cache) {
        return answer::error(StatusCode::SERVICE_UNAVAILABLE, &unready.to_string());
    }
    let labels = query.get("pod_labels");
    if labels.split(',').nth(MAX_LABELS).is_some() {
        return answer::error(StatusCode::BAD_REQUEST, "pod_labels has too many labels");
    }
    match logging.matcher.find(Pod::new(namespace, name, labels)).await {
        Ok(Some(entry)) => answer::json_text(StatusCode::OK, entry.answer()),
        Ok(None) => answer::error(StatusCode::NOT_FOUND, "no matching config found"),
        Err(slow) => answer::error(StatusCode::SERVICE_UNAVAILABLE, &slow.to_string()),
    }
}
