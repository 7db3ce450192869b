//! TLS of the front: a certificate and its key from two files.
//!
//! Does not know sockets. TLS 1.2 and 1.3 with ring, HTTP/1.1 only, no client certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where a certificate and its key lie.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The chain, PEM, the own certificate first.
    pub certificate: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// Why TLS can't be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read as what it should hold.
    #[error("unable to read {what} from {path}: {why}", path = path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// The two do not belong together, or can't be used.
    #[error("unable to use the certificate of {path}", path = path.display())]
    Pair {
        /// The file of the certificate.
        path: PathBuf,
        /// What was found.
        #[source]
        source: rustls::Error,
    },
}

/// Reads the files.
pub fn open(tls: &Tls) -> Result<Arc<ServerConfig>, TlsError> {
    let wrong = |what, path: &Path, why: String| TlsError::File { what, path: path.into(), why };
    let certificates = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| wrong("certificates", &tls.certificate, e.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|e| wrong("a private key", &tls.key, e.to_string()))?;
    let pair = |source| TlsError::Pair { path: tls.certificate.clone(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
