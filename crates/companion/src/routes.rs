//! The common routes, and the middleware of all routes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{any, get};
use futures_util::{FutureExt as _, StreamExt as _};
use prometheus::{Registry, TextEncoder};
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;
use tracing::{debug, error};

use crate::answer;
use crate::election::{self, Election};
use crate::logging::{self, Logging};
use crate::readiness::Problem;
use crate::server::Limits;

/// The enabled services and their metrics.
#[derive(Clone)]
pub struct Services {
    /// The election.
    pub election: Option<Arc<Election>>,
    /// Log configuration.
    pub logging: Option<Arc<Logging>>,
    /// The metrics of all services.
    pub registry: Registry,
}

/// All routes.
pub fn router(services: Services, limits: Limits) -> Router {
    let logging = match services.logging.clone() {
        Some(logging) => logging::protocol::routes(logging),
        // Not 404: logfwd would stop collecting.
        None => Router::new().route("/v1/logging/configs", any(switched_off)),
    };
    let election = services.election.clone().map(election::protocol::routes).unwrap_or_default();
    let router = Router::new()
        .route("/healthz", get(ok))
        .route("/v1/ping", get(ok))
        .route("/readyz", get(ready))
        .route("/v1/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(services)
        .merge(logging)
        .merge(election)
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found);
    guarded(router, limits)
}

/// Adds the middleware: it limits request sizes, turns panics into answers, and logs requests without their query.
pub fn guarded(router: Router, limits: Limits) -> Router {
    router.layer(from_fn(move |request: Request, next: Next| guard(request, next, limits)))
}

async fn ok() -> Response {
    answer::json(StatusCode::OK, &json!({ "status": "ok" }))
}

async fn not_found() -> Response {
    answer::error(StatusCode::NOT_FOUND, "not found")
}

async fn method_not_allowed() -> Response {
    answer::error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
}

async fn switched_off() -> Response {
    let message = "log configuration is disabled; start the companion with --logging-configs";
    answer::error(StatusCode::SERVICE_UNAVAILABLE, message)
}

/// The answer of `/readyz` if a service is not ready.
#[derive(Serialize)]
struct NotReady {
    status: &'static str,
    problems: Vec<Problem>,
}

async fn ready(State(services): State<Services>) -> Response {
    let mut problems = Vec::new();
    if let Some(logging) = &services.logging
        && let Err(unready) = logging.check().await
    {
        problems.push(Problem::new("logging-configs", &unready));
    }
    if let Some(election) = &services.election
        && let Err(unready) = election.check().await
    {
        problems.push(Problem::new("election", &unready));
    }
    if problems.is_empty() {
        return ok().await;
    }
    answer::json(StatusCode::SERVICE_UNAVAILABLE, &NotReady { status: "error", problems })
}

async fn metrics(State(services): State<Services>) -> Response {
    if let Some(logging) = &services.logging {
        logging.observe();
    }
    if let Some(election) = &services.election {
        election.observe();
    }
    match TextEncoder::new().encode_to_string(&services.registry.gather()) {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            let content_type = HeaderValue::from_static(prometheus::TEXT_FORMAT);
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            response
        }
        Err(error) => answer::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// The middleware. It logs the pattern of the route, never the query, which contains the workspace token.
async fn guard(request: Request, next: Next, limits: Limits) -> Response {
    let started = Instant::now();
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let response = match within(request, limits).await {
        Ok(request) => AssertUnwindSafe(next.run(request)).catch_unwind().await,
        Err(response) => Ok(response),
    };
    let response = response.unwrap_or_else(|_panic| {
        error!(%method, path, "the handler panicked");
        answer::error(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    });
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    debug!(%method, path, status, ?elapsed, "answered");
    response
}

/// Reads and discards the body, which no service needs. Requests that are too large or too slow get an error.
async fn within(request: Request, limits: Limits) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    // hyper limits its read buffer, not the head, so a slightly longer head can pass.
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let headers =
        head.headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    if headers.fold(target, usize::saturating_add) > limits.head {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(answer::error(status, "the head is too long"));
    }
    match timeout(limits.patience, discard(body, limits.body)).await {
        Ok(Ok(())) => Ok(Request::from_parts(head, Body::empty())),
        Ok(Err((status, message))) => Err(answer::error(status, message)),
        Err(_) => Err(answer::error(StatusCode::REQUEST_TIMEOUT, "the body is too slow")),
    }
}

/// Reads a body frame by frame without keeping it: a thousand bodies at once must not take memory.
async fn discard(body: Body, limit: usize) -> Result<(), (StatusCode, &'static str)> {
    let mut frames = body.into_data_stream();
    let mut length = 0_usize;
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|_| (StatusCode::BAD_REQUEST, "the body is malformed"))?;
        length = length.saturating_add(frame.len());
        if length > limit {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"));
        }
    }
    Ok(())
}
