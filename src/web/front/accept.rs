//! The socket that the network sees: accepts connections until the stop is wished, a thread for
//! each.
//!
//! Does not know HTTP. An error of `accept` never ends it: it waits a little and goes on; where
//! descriptors have run out, it closes the connection that has to go first.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{Builder, Scope, scope};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustls::ServerConfig;

use crate::base::Stop;
use crate::web::front::connection::{Connection, Times};
use crate::web::front::connections::Connections;
use crate::web::front::line::Line;
use crate::web::front::rewrite::{End, Proxy};
use crate::web::front::tls::{self, Tls, TlsError};

/// How long an accept that failed is left alone.
const PAUSE: Duration = Duration::from_millis(20);

/// How long an answer may take to end once the stop is wished.
const GRACE: Duration = Duration::from_secs(1);

/// Enough for a handshake of TLS and one buffer.
const STACK: usize = 256 * 1024;

/// The socket, and what holds for all of its connections.
pub struct Front {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    proxy: Proxy,
    times: Times,
}

impl Front {
    /// Listens on an address.
    pub fn bind(address: SocketAddr) -> io::Result<Front> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Front { listener, tls: None, proxy: Proxy::default(), times: Times::default() })
    }

    /// Speaks TLS, where files are given.
    pub fn with_tls(self, tls: Option<&Tls>) -> Result<Front, TlsError> {
        Ok(Front { tls: tls.map(tls::open).transpose()?, ..self })
    }

    /// Believes proxies, and gives things so long.
    #[must_use]
    pub fn with(self, proxy: Proxy, times: Times) -> Front {
        Front { proxy, times, ..self }
    }

    /// The address that is listened on.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts until the stop is wished, then lets what is being answered end in a short time.
    pub fn run(
        &self,
        connections: &Connections,
        dial: &(dyn Fn() -> io::Result<UnixStream> + Sync),
        stop: &Stop,
    ) -> io::Result<()> {
        let (wake, waker) = UnixStream::pair()?;
        scope(|threads| {
            threads.spawn(move || {
                // Only the closing says something, nothing is ever sent.
                stop.closed().recv().ok();
                drop(waker);
            });
            while !stop.is_stopped() {
                self.wait(&wake);
                match self.listener.accept() {
                    Ok((socket, from)) => self.welcome(threads, connections, dial, socket, from),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(e) => {
                        if !matches!(e.kind(), io::ErrorKind::ConnectionAborted) {
                            connections.make_room();
                        }
                        stop.sleep(PAUSE).ok();
                    }
                }
            }
            connections.close(GRACE);
        });
        Ok(())
    }

    /// Waits for a connection or the wish to stop; a signal is as good as either.
    fn wait(&self, wake: &UnixStream) {
        let mut both =
            [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(wake, PollFlags::IN)];
        poll(&mut both, None).ok();
    }

    /// Gives a connection its place and its thread, or closes it.
    fn welcome<'scope, 'env: 'scope>(
        &'env self,
        threads: &'scope Scope<'scope, 'env>,
        connections: &'env Connections,
        dial: &'env (dyn Fn() -> io::Result<UnixStream> + Sync),
        socket: TcpStream,
        from: SocketAddr,
    ) {
        // Without these it is slower, or its first read fails and ends it.
        drop(socket.set_nodelay(true));
        drop(socket.set_nonblocking(false));
        let socket = Arc::new(socket);
        let Some(place) = connections.enter(&socket) else { return };
        let Ok(line) = Line::new(socket, self.tls.as_ref(), self.times.stall) else { return };
        let (peer, secure) = (from.ip(), self.tls.is_some());
        let end = End { peer, secure, connection: place.number };
        let (proxy, times) = (&self.proxy, self.times);
        let mut connection = Connection { place, line, end, proxy, times };
        let thread = Builder::new().name("connection".to_owned()).stack_size(STACK);
        // No thread: the connection is closed with what would have run.
        drop(thread.spawn_scoped(threads, move || connection.attend(&dial)));
    }
}
