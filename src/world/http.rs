//! The one way to speak HTTP: agents over rustls with ring, with stall time-outs instead of total
//! ones. Each request has an agent of its own while it is under way, so that a stop hangs up that
//! request and no other.
//!
//! Does not know S3 or webhooks. Roots: a private CA where one is named, else the machine's and
//! `SSL_CERT_FILE`, else Mozilla's list. Redirects are not followed: credentials never travel to
//! another host.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use ureq::Agent;
use ureq::config::Config;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::base::{Hooked, Stop};

/// How long a name may take to be found, and an address to answer: no stop ends these two.
const CONNECT: Duration = Duration::from_secs(8);

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

/// Agents that are set up alike; each keeps its connections for the next request.
#[derive(Debug)]
pub struct Agents {
    config: Config,
    /// Guards those that no request has.
    free: Mutex<Vec<Agent>>,
}

/// An agent of one request; goes back when it is dropped, unless the stop was wished meanwhile.
pub struct Lent<'a> {
    agents: &'a Agents,
    agent: Agent,
    stop: Stop,
    hooked: Option<Hooked>,
}

impl Deref for Lent<'_> {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        &self.agent
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // First, so that no agent that was hung up goes back.
        drop(self.hooked.take());
        if !self.stop.is_stopped() {
            self.agents.free.lock().expect("no panic while locked").push(self.agent.clone());
        }
    }
}

impl Agents {
    /// An agent for one request and its answer; the stop hangs up, whatever it waits for.
    pub fn take(&self, stop: &Stop) -> Lent<'_> {
        let free = self.free.lock().expect("no panic while locked").pop();
        let agent = free.unwrap_or_else(|| self.config.new_agent());
        let line = agent.clone();
        let hooked = stop.once_stopped(move || line.shutdown());
        Lent { agents: self, agent, stop: stop.clone(), hooked: Some(hooked) }
    }
}

/// Agents; `stall` bounds every single wait for bytes.
pub fn agents(trust: Trust<'_>, stall: Duration) -> Result<Agents, TlsError> {
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
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(stall))
        .timeout_per_write(Some(stall))
        .timeout_recv_response(Some(stall.max(Duration::from_secs(120))))
        .user_agent(concat!("vex/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build();
    Ok(Agents { config, free: Mutex::default() })
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
