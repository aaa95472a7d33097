//! Whether a service can answer, and why not.

use serde::Serialize;
use thiserror::Error;

use crate::cache::Cache;
use crate::rights::{Review, Rights};

/// Why a service cannot answer. DataKit knows the codes, and logs them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unready {
    /// The API server refuses, or would refuse, what the service has to do.
    #[error("missing rights: {0}")]
    Forbidden(String),
    /// Objects are not listed yet.
    #[error("the cache is not in sync{}", reason(.0.as_ref()))]
    CacheNotReady(Option<String>),
    /// The API server does not answer, or answers with an error.
    #[error("the API server is not available")]
    Unavailable,
}

fn reason(error: Option<&String>) -> String {
    error.map(|error| format!(": {error}")).unwrap_or_default()
}

impl Unready {
    /// The code in answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "rbac_forbidden",
            Self::CacheNotReady(_) => "cache_not_ready",
            Self::Unavailable => "storage_unavailable",
        }
    }
}

/// Checks the rights of a service, then its cache: without rights it will never be in sync.
///
/// # Errors
///
/// Where one of them is missing.
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
/// Where it is not in sync.
pub fn synced<T>(cache: &Cache<T>) -> Result<(), Unready> {
    if cache.is_synced() { Ok(()) } else { Err(Unready::CacheNotReady(cache.error())) }
}

/// A service that is not ready, in the answer of `/readyz`.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// The option that switches the service on.
    pub service: &'static str,
    /// The code.
    pub code: &'static str,
    /// The reason, for a person.
    pub message: String,
}

impl Problem {
    /// What is wrong with a service.
    pub fn new(service: &'static str, unready: &Unready) -> Self {
        Self { service, code: unready.code(), message: unready.to_string() }
    }
}
