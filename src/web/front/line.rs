//! The line to the other end: bytes in and out, in the clear or through TLS, each wait with an end.
//!
//! Does not know HTTP. The time-outs are those of the socket, set before each call, so that a
//! byte every second does not move the deadline, a handshake of TLS neither.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The shortest time-out that a socket takes.
const SHORTEST: Duration = Duration::from_millis(1);

/// A socket whose calls end in time.
pub struct Timed {
    socket: Arc<TcpStream>,
    until: Option<Instant>,
    stall: Duration,
}

/// The line to the other end.
pub enum Line {
    /// In the clear.
    Plain(Timed),
    /// Through TLS.
    Tls(Box<StreamOwned<ServerConnection, Timed>>),
}

impl Line {
    /// A line over a socket, on which one call may take `stall` at most.
    pub fn new(
        socket: Arc<TcpStream>,
        tls: Option<&Arc<ServerConfig>>,
        stall: Duration,
    ) -> Result<Line, rustls::Error> {
        let timed = Timed { socket, until: None, stall };
        Ok(match tls {
            None => Line::Plain(timed),
            Some(tls) => {
                let session = ServerConnection::new(Arc::clone(tls))?;
                Line::Tls(Box::new(StreamOwned::new(session, timed)))
            }
        })
    }

    /// All calls end at a moment, whatever arrives before.
    pub fn until(&mut self, moment: Option<Instant>) {
        self.timed_mut().until = moment;
    }

    /// One call may take so long at most.
    pub fn stall(&mut self, time: Duration) {
        self.timed_mut().stall = time;
    }

    /// Says that nothing follows.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Line::Tls(stream) = self {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        self.timed().socket.shutdown(Shutdown::Write)
    }

    /// Reads the socket itself, below TLS: what comes is thrown away.
    pub fn discard(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.timed_mut().read(buffer)
    }

    fn timed(&self) -> &Timed {
        match self {
            Line::Plain(timed) => timed,
            Line::Tls(stream) => &stream.sock,
        }
    }

    fn timed_mut(&mut self) -> &mut Timed {
        match self {
            Line::Plain(timed) => timed,
            Line::Tls(stream) => &mut stream.sock,
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timed().socket.as_fd()
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(timed) => timed.read(buffer),
            Line::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(timed) => timed.write(bytes),
            Line::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(timed) => timed.flush(),
            Line::Tls(stream) => stream.flush(),
        }
    }
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let Some(until) = self.until else { return Ok(self.stall) };
        match until.checked_duration_since(Instant::now()) {
            Some(left) => Ok(left.min(self.stall).max(SHORTEST)),
            None => Err(ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        (&*self.socket).read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        (&*self.socket).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
