//! The server over TLS, and a client that trusts anybody.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use datakit_companion::certificate::Certificate;
use datakit_companion::server::{Limits, serve};
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, client::danger};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A client that verifies nothing, as logfwd, and remembers what it was shown.
#[derive(Debug, Default)]
pub struct Trusting(pub Mutex<Option<CertificateDer<'static>>>);

impl danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer,
        _: &[CertificateDer],
        _: &ServerName,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<danger::ServerCertVerified, rustls::Error> {
        *self.0.lock() = Some(end_entity.clone().into_owned());
        Ok(danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<danger::HandshakeSignatureValid, rustls::Error> {
        Ok(danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<danger::HandshakeSignatureValid, rustls::Error> {
        Ok(danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A server on a port of its own.
pub struct Server {
    pub address: SocketAddr,
    pub end: Option<oneshot::Sender<()>>,
    pub running: Option<JoinHandle<()>>,
    pub shown: Arc<Trusting>,
}

impl Server {
    pub async fn start(router: Router, certificate: Arc<Certificate>, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let tls = certificate.server_config().unwrap();
        let running = tokio::spawn(serve(listener, tls, router, limits, async {
            let _asked = ended.await;
        }));
        Self { address, end: Some(end), running: Some(running), shown: Arc::default() }
    }

    /// One that runs elsewhere.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, end: None, running: None, shown: Arc::default() }
    }

    pub async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().dangerous();
        let config = config.with_custom_certificate_verifier(self.shown.clone());
        let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
        let stream = TcpStream::connect(self.address).await?;
        connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    /// Sends a text over a connection of its own; gives all that comes back until the server closes it.
    pub async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server that refuses what is still on its way may reset the connection.
        let _reset = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }
}

pub fn self_signed() -> Arc<Certificate> {
    Arc::new(Certificate::self_signed(&["localhost".to_owned()]).unwrap())
}

/// A request of Go's client: its headers, in its order.
pub fn go(method: &str, target: &str, headers: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: datakit-operator.datakit.svc:443\r\n\
         User-Agent: Go-http-client/1.1\r\n{headers}Accept-Encoding: gzip\r\n"
    )
}
