//! The one way to speak HTTP: a pooled agent over rustls with ring, with stall time-outs instead of
//! total ones.
//!
//! Does not know S3 or webhooks. Roots: a private CA where one is named, else the machine's and
//! `SSL_CERT_FILE`, else Mozilla's list. Redirects are not followed: credentials never travel to
//! another host.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Why certificates could not be read.
#[derive(Debug, thiserror::Error)]
#[error("unable to read certificates from {0}: {1}")]
pub struct TlsError(PathBuf, String);

/// Makes ring the provider of the process. Called once, first thing in `main`; a second call
/// changes nothing.
pub fn install_provider() {
    // Already installed is what we want as well.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Whom an agent trusts.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Mozilla's list, for what speaks in the clear: the machine's hundreds of files are not read
    /// for that.
    Listed,
    /// The machine's roots.
    Machine,
    /// The certificates of a file.
    File(&'a Path),
}

/// An agent that keeps up to `pool` connections per host; `stall` bounds every single wait for
/// bytes.
pub fn agent(trust: Trust<'_>, pool: usize, stall: Duration) -> Result<Agent, TlsError> {
    let found = match trust {
        Trust::Listed => None,
        Trust::Machine => Some(roots(None)?).filter(|found| !found.is_empty()),
        Trust::File(path) => Some(roots(Some(path))?),
    };
    let own = |der: &CertificateDer<'_>| Certificate::from_der(der.as_ref()).to_owned();
    let roots = found.map_or(RootCerts::WebPki, |found| {
        RootCerts::Specific(Arc::new(found.iter().map(own).collect()))
    });
    let tls = TlsConfig::builder().root_certs(roots).build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(pool.max(4) * 2)
        .max_idle_connections_per_host(pool.max(4))
        .timeout_resolve(Some(Duration::from_secs(15)))
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_per_read(Some(stall))
        .timeout_per_write(Some(stall))
        .timeout_recv_response(Some(stall.max(Duration::from_secs(120))))
        .user_agent(concat!("vex/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build();
    Ok(config.new_agent())
}

/// The certificates to trust: those of a file, else the machine's, which are read once.
pub fn roots(ca: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    static MACHINE: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    let Some(path) = ca else {
        return Ok(MACHINE.get_or_init(|| rustls_native_certs::load_native_certs().certs).clone());
    };
    let error = |e: String| TlsError(path.to_owned(), e);
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|e| error(e.to_string()))?.collect();
    let found = found.map_err(|e| error(e.to_string()))?;
    if found.is_empty() { Err(error("no certificate in the file".into())) } else { Ok(found) }
}
