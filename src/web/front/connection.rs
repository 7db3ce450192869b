//! One connection: one request is read whole, handed to the server behind, and its answer pumped
//! back.
//!
//! Does not know pages. Nothing reaches the server behind before the request is whole. Bytes after
//! the request are never read as another one; what is there with it already is a refusal. What
//! arrives from behind is sent on at once, so that an event is not kept waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::web::exchange::Response;
use crate::web::front::connections::{Phase, Place};
use crate::web::front::head::{self, HEAD_LIMIT, Head, Refusal};
use crate::web::front::line::Line;
use crate::web::front::rewrite::{End, Proxy, rewrite};
use crate::web::guard;

/// How much of what follows a request is read away, so that closing does not take the answer back.
const DISCARDED: usize = 128 * 1024;

/// How long the other end may take to close.
const FAREWELL: Duration = Duration::from_millis(500);

/// How much is moved at once.
const BUFFER: usize = 16 * 1024;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The handshake and the head, and again the body.
    pub request: Duration,
    /// The answer, from the request to its last byte.
    pub answer: Duration,
    /// One write, and the wait of the other end.
    pub stall: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            request: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            stall: Duration::from_secs(10),
        }
    }
}

/// What a connection needs.
pub struct Connection<'a> {
    /// Its place in the table.
    pub place: Place<'a>,
    /// The line to the other end.
    pub line: Line,
    /// The other end.
    pub end: End,
    /// Whose word counts.
    pub proxy: &'a Proxy,
    /// How long things may take.
    pub times: Times,
}

/// Why a connection ends early.
enum Ended {
    Refused(Refusal),
    Gone,
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Ended {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Ended::Refused(Refusal(408)),
            _ => Ended::Gone,
        }
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Ended {
        Ended::Refused(refusal)
    }
}

impl Connection<'_> {
    /// Reads the request, has it answered, and says goodbye.
    pub fn attend(&mut self, dial: &dyn Fn() -> io::Result<UnixStream>) {
        let outcome = self.request().and_then(|request| self.exchange(&request, dial));
        self.place.reach(Phase::Closing);
        let told = match outcome {
            Ok(()) => Ok(()),
            Err(Ended::Refused(refusal)) => self.refuse(refusal),
            Err(Ended::Gone) => return,
        };
        // Whoever does not listen any more misses nothing.
        drop(told.and_then(|()| self.part()));
    }

    /// One whole request, written anew.
    fn request(&mut self) -> Result<Vec<u8>, Ended> {
        self.line.until(Some(Instant::now() + self.times.request));
        let mut bytes = Vec::new();
        let (head, end) = self.head(&mut bytes)?;
        let whole = end + head.length;
        let text = rewrite(&head, &self.end, self.proxy)?;
        self.line.until(Some(Instant::now() + self.times.request));
        let mut buffer = [0; 4096];
        while bytes.len() < whole {
            match self.line.read(&mut buffer)? {
                0 => return Err(Ended::Gone),
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
        if bytes.len() > whole {
            return Err(Refusal(400).into());
        }
        let mut request = text.into_bytes();
        request.extend_from_slice(&bytes[end..]);
        Ok(request)
    }

    fn head(&mut self, bytes: &mut Vec<u8>) -> Result<(Head, usize), Ended> {
        let (mut buffer, mut seen) = ([0; 4096], 0);
        loop {
            let count = self.line.read(&mut buffer)?;
            if count == 0 {
                return Err(Ended::Gone);
            }
            bytes.extend_from_slice(&buffer[..count]);
            if let Some(end) = head::end(bytes, seen)? {
                return Ok((head::parse(&bytes[..end])?, end));
            }
            seen = bytes.len();
            debug_assert!(seen < HEAD_LIMIT, "a longer head is refused");
        }
    }

    /// Hands a request over and its answer back.
    fn exchange(
        &mut self,
        request: &[u8],
        dial: &dyn Fn() -> io::Result<UnixStream>,
    ) -> Result<(), Ended> {
        self.place.reach(Phase::Answering);
        let until = Instant::now() + self.times.answer;
        self.line.until(Some(until));
        let unavailable = |_| Ended::Refused(Refusal(503));
        let mut server = dial().map_err(unavailable)?;
        server.set_write_timeout(Some(self.times.stall)).map_err(unavailable)?;
        server.write_all(request).map_err(unavailable)?;
        let mut buffer = vec![0; BUFFER];
        let (mut begun, mut listens) = (false, false);
        while self.wait(&server, until, listens)? {
            let count = match server.read(&mut buffer) {
                Ok(0) | Err(_) if !begun => return Err(Refusal(503).into()),
                Ok(0) | Err(_) => return Ok(()),
                Ok(count) => count,
            };
            if !begun {
                (begun, listens) = (true, self.place.is_listening());
            }
            if listens {
                self.line.until(None);
            }
            let sent = self.line.write_all(&buffer[..count]).and_then(|()| self.line.flush());
            sent.map_err(|_| Ended::Gone)?;
        }
        if begun { Ok(()) } else { Err(Refusal(503).into()) }
    }

    /// Waits for bytes from behind; `false` when the time is over.
    fn wait(&mut self, server: &UnixStream, until: Instant, listens: bool) -> Result<bool, Ended> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| Ended::Gone)?;
            // A listener that closes its side is gone; elsewhere it may only have said all it has.
            let heard = if listens { PollFlags::IN } else { PollFlags::empty() };
            let mut both = [PollFd::new(server, PollFlags::IN), PollFd::new(&self.line, heard)];
            match poll(&mut both, (!listens).then_some(&left)) {
                Ok(0) => return Ok(false),
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Err(Ended::Gone),
                Ok(_) => {}
            }
            let (from_server, from_line) = (both[0].revents(), both[1].revents());
            if from_line.intersects(PollFlags::HUP | PollFlags::ERR) {
                return Err(Ended::Gone);
            }
            if !from_server.is_empty() {
                return Ok(true);
            }
            if from_line.contains(PollFlags::IN) {
                self.hear()?;
            }
        }
    }

    /// What a listener may send is a record of TLS that holds no bytes; all else is its end.
    fn hear(&mut self) -> Result<(), Ended> {
        match self.line.read(&mut [0; 64]) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
            Ok(_) | Err(_) => Err(Ended::Gone),
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        let Refusal(status) = refusal;
        let response = match status {
            405 => Response::wrong_method("GET, HEAD, POST"),
            status => Response::plain(status),
        };
        let response = guard::protect("", self.end.secure, response);
        let mut bytes = response.head(Some(response.bytes().len()));
        bytes.extend_from_slice(response.bytes());
        self.line.until(Some(Instant::now() + FAREWELL));
        self.line.write_all(&bytes)?;
        self.line.flush()
    }

    /// Closes our side first and reads what is still on its way: to close with bytes unread would
    /// take back what the other end has not read.
    fn part(&mut self) -> io::Result<()> {
        self.line.until(Some(Instant::now() + FAREWELL));
        self.line.stall(FAREWELL);
        self.line.finish()?;
        let (mut buffer, mut left) = ([0; 4096], DISCARDED);
        while left > 0 {
            match self.line.discard(&mut buffer)? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        Ok(())
    }
}
