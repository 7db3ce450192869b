//! `vex serve`, from an address to pages: the front, the server behind it, and their common end.
//!
//! Does not know the pages. Ends within two seconds of the wish to stop: what is being answered has
//! one, the threads half of one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};

use crate::base::Stop;
use crate::web::engine::{Complain, Engine, Pages};
use crate::web::exchange::Handler;
use crate::web::front::{Connections, Front, Proxy, Times, Tls, TlsError};
use crate::web::guard::Guard;

/// The most connections at once.
const CONNECTIONS: u64 = 256;

/// The fewest, however few descriptors there are.
const FEWEST: u64 = 4;

/// Descriptors that the rest of the process needs.
const RESERVED: u64 = 64;

/// Descriptors of one connection: the socket, and the private one at its one end and twice at its
/// other.
const OF_ONE: u64 = 4;

/// How many connections may listen to events.
const STREAMS: usize = 32;

/// Where and how to serve.
#[derive(Clone)]
pub struct Config {
    /// The address; port 0 is any that is free.
    pub listen: SocketAddr,
    /// Speaks TLS with these files.
    pub tls: Option<Tls>,
    /// Names that are ours, beside the loopback ones and the address.
    pub hosts: Vec<String>,
    /// Proxies whose word counts.
    pub proxy: Proxy,
    /// How long things may take.
    pub times: Times,
    /// The most connections; otherwise what the limit of descriptors allows.
    pub connections: Option<usize>,
    /// Hears what went wrong, one line each.
    pub complain: Complain,
}

impl Config {
    /// Serves an address in the clear, with the limits that are meant for it.
    pub fn new(listen: SocketAddr, complain: Complain) -> Config {
        Config {
            listen,
            tls: None,
            hosts: Vec::new(),
            proxy: Proxy::default(),
            times: Times::default(),
            connections: None,
            complain,
        }
    }
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can't be listened on.
    #[error("unable to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the machine said.
        #[source]
        source: io::Error,
    },
    /// TLS can't be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The private socket can't be made.
    #[error("unable to make the private socket of the dashboard in the folder for temporary files")]
    Private(#[source] io::Error),
}

/// Serves the pages until the stop is wished. `ready` hears the address once it is listened on.
pub fn serve(
    config: Config,
    handler: Arc<dyn Handler>,
    ready: impl FnOnce(SocketAddr),
    stop: &Stop,
) -> Result<(), ServeError> {
    let listen = |source| ServeError::Listen { address: config.listen, source };
    let front = Front::bind(config.listen).map_err(listen)?.with_tls(config.tls.as_ref())?;
    let front = front.with(config.proxy, config.times);
    let address = front.address().map_err(listen)?;
    let most = config.connections.unwrap_or_else(allowed);
    // Events are never closed for a newcomer, so they may not take all places.
    let connections = Arc::new(Connections::new(most, STREAMS.min(most / 2), stop));
    let pages = Pages {
        guard: Guard::new(address, &config.hosts),
        handler,
        connections: Arc::clone(&connections),
        complain: config.complain,
    };
    // Not a child of `stop`: it ends after what the front still has to answer.
    let engine = Engine::start(pages, &Stop::new()).map_err(ServeError::Private)?;
    ready(address);
    let ran = front.run(&connections, &|| engine.dial(stop), stop);
    engine.end();
    ran.map_err(listen)
}

/// How many connections the limit of descriptors allows.
fn allowed() -> usize {
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = (most.saturating_sub(RESERVED) / OF_ONE).clamp(FEWEST, CONNECTIONS);
    usize::try_from(connections).unwrap_or(usize::MAX)
}
