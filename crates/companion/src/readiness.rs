//! Readiness of a service.

use serde::Serialize;
use thiserror::Error;

use crate::cache::Cache;
use crate::rights::{Review, Rights};

/// Why a service is not ready. DataKit logs the codes.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unready {
    /// The API server does not grant what a service needs.
    #[error("missing rights: {0}")]
    Forbidden(String),
    /// The API server denied a call, and not always for rights.
    #[error("{0} are denied: missing rights, or a ResourceQuota")]
    Denied(&'static str),
    /// The initial list is not complete.
    #[error("the cache is not in sync{}", reason(.0.as_ref()))]
    CacheNotReady(Option<String>),
    /// The API server does not answer, or fails.
    #[error("the API server is not available")]
    Unavailable,
    /// No further election can be opened.
    #[error("there are too many elections")]
    Full,
}

fn reason(error: Option<&String>) -> String {
    error.map(|error| format!(": {error}")).unwrap_or_default()
}

impl Unready {
    /// The code for answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden(_) | Self::Denied(_) => "rbac_forbidden",
            Self::CacheNotReady(_) => "cache_not_ready",
            Self::Unavailable => "storage_unavailable",
            Self::Full => "too_many_elections",
        }
    }
}

/// Checks the rights of a service, then its cache, which cannot sync without rights.
///
/// # Errors
///
/// If a right is missing or the cache is out of sync.
pub async fn check<T>(rights: &Rights, cache: &Cache<T>) -> Result<(), Unready> {
    match rights.review().await {
        Review::Granted => synced(cache),
        Review::Missing(missing) => Err(Unready::Forbidden(missing.join(", "))),
        Review::Unavailable => Err(Unready::Unavailable),
    }
}

/// Checks the cache alone.
///
/// # Errors
///
/// If it is out of sync.
pub fn synced<T>(cache: &Cache<T>) -> Result<(), Unready> {
    if cache.is_synced() { Ok(()) } else { Err(Unready::CacheNotReady(cache.error())) }
}

/// An entry in the answer of `/readyz`.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// The option that enables the service.
    pub service: &'static str,
    /// The code.
    pub code: &'static str,
    /// The reason.
    pub message: String,
}

impl Problem {
    /// Describes a service that is not ready.
    pub fn new(service: &'static str, unready: &Unready) -> Self {
        Self { service, code: unready.code(), message: unready.to_string() }
    }
}
