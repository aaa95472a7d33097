//! The server's certificate: from files, with hot reload, or self-signed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use thiserror::Error;
use tracing::{info, warn};

/// A certificate that can be replaced while the server runs.
#[derive(Debug)]
pub struct Certificate {
    files: Option<Files>,
    key: RwLock<Arc<CertifiedKey>>,
}

/// The files of a certificate, such as a mounted Secret.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate chain in PEM.
    pub certificate: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {error}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        error: pem::Error,
    },
    /// The certificate and the key do not match, or are not supported.
    #[error("the certificate cannot be used: {0}")]
    Pair(#[from] rustls::Error),
    /// A self-signed certificate cannot be created.
    #[error("cannot create a self-signed certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

/// How often the files are read. The kubelet takes about a minute to update a mounted Secret.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

impl Certificate {
    /// Creates a self-signed certificate.
    ///
    /// # Errors
    ///
    /// If a name is not a DNS name.
    pub fn self_signed(names: &[String]) -> Result<Self, CertificateError> {
        let made = rcgen::generate_simple_self_signed(names)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let key = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &default_provider())?;
        Ok(Self { files: None, key: RwLock::new(Arc::new(key)) })
    }

    /// Reads a certificate from files.
    ///
    /// # Errors
    ///
    /// If the files cannot be read, or do not match.
    pub fn from_files(files: Files) -> Result<Self, CertificateError> {
        let key = files.read()?;
        Ok(Self { files: Some(files), key: RwLock::new(Arc::new(key)) })
    }

    /// Reads the files again. New connections use the new certificate.
    ///
    /// # Errors
    ///
    /// If the files cannot be read, or do not match. The server then keeps the current certificate.
    pub fn reload(&self) -> Result<(), CertificateError> {
        if let Some(files) = &self.files {
            let new = files.read()?;
            let mut key = self.key.write();
            if new.cert != key.cert {
                info!(path = %files.certificate.display(), "certificate reloaded");
                *key = Arc::new(new);
            }
        }
        Ok(())
    }

    /// Reloads the certificate whenever the files change. Never returns.
    pub async fn follow(&self) {
        let mut last = None;
        loop {
            tokio::time::sleep(RELOAD_INTERVAL).await;
            let error = self.reload().err().map(|error| error.to_string());
            if let Some(error) = error.as_ref().filter(|_| error != last) {
                warn!(error, "cannot reload the certificate");
            }
            last = error;
        }
    }

    /// A TLS configuration with this certificate.
    ///
    /// # Errors
    ///
    /// If the provider supports neither TLS 1.2 nor 1.3.
    pub fn server_config(self: Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let versions = [&version::TLS13, &version::TLS12];
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&versions)?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl Files {
    fn read(&self) -> Result<CertifiedKey, CertificateError> {
        let failed = |path: &PathBuf| {
            let path = path.clone();
            |error| CertificateError::File { path, error }
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate);
        let chain = chain.and_then(Iterator::collect).map_err(failed(&self.certificate))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(failed(&self.key))?;
        Ok(CertifiedKey::from_der(chain, key, &default_provider())?)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello) -> Option<Arc<CertifiedKey>> {
        Some(self.key.read().clone())
    }
}
