//! How a connection is encrypted: a rustls configuration for each level of `tls`.
//!
//! The driver's own `require` trusts anybody, as libpq's does; verify-ca and verify-full are made
//! here.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::job::{Tls, TlsMode};
use crate::world::http::roots;

/// Whom a server must prove to be, below verify-full.
#[derive(Debug)]
enum Trust {
    /// Anybody.
    Anybody,
    /// Anybody with a certificate of these.
    Signed(Arc<WebPkiServerVerifier>),
}

#[derive(Debug)]
struct Lenient {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

/// The configuration of a level, or why there is none: what was done, and what was found.
pub fn secure_client(mode: TlsMode, tls: &Tls) -> Result<ClientConfig, String> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let store = || -> Result<Arc<RootCertStore>, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots(tls.ca.as_deref()).map_err(|e| e.to_string())?);
        if store.is_empty() {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Ok(Arc::new(store))
    };
    let signed = |store| {
        WebPkiServerVerifier::builder_with_provider(store, Arc::clone(&provider))
            .build()
            .map_err(|e| e.to_string())
    };
    let builder = match mode {
        TlsMode::VerifyFull => builder.with_root_certificates(store()?),
        TlsMode::VerifyCa => {
            let trust = Trust::Signed(signed(store()?)?);
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Lenient { trust, provider }))
        }
        TlsMode::Require | TlsMode::Off => {
            let trust = Trust::Anybody;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Lenient { trust, provider }))
        }
    };
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates(cert)?, private(key)?)
            .map_err(|e| e.to_string()),
        (None, _) | (_, None) => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fail = |e: rustls::pki_types::pem::Error| format!("{}: {e}", path.display());
    CertificateDer::pem_file_iter(path).map_err(fail)?.collect::<Result<_, _>>().map_err(fail)
}

fn private(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| format!("{}: {e}", path.display()))
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Trust::Signed(verifier) = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        match verifier.verify_server_cert(end, between, name, ocsp, now) {
            // The signature was checked before the name; libpq's verify-ca does not look at the
            // name.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
