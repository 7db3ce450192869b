//! A connection that reads rows: simple queries and `COPY … TO STDOUT`, straight from the socket.
//!
//! The driver wakes its runtime for every row, which costs more than the row; here many rows come
//! with one read, and each is handed on where it lies. Messages: chapter 55 (*Frontend/Backend
//! Protocol*) of the PostgreSQL manual. A lost connection is an error; a stop is noticed while the
//! server is silent.

use std::io::{ErrorKind as IoKind, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::base::{Secret, Stop};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::fault::{PROTOCOL_VIOLATION, Said, said, sqlstate};

/// Bytes that are asked of the socket at once.
const READ: usize = 256 << 10;

/// How long a read waits before it checks for cancellation.
const LOOK: Duration = Duration::from_millis(500);

/// A server that says nothing for this long is taken for dead.
pub const SILENCE: Duration = Duration::from_secs(3600);

/// How long it may say nothing before there is a session.
const GREETING: Duration = Duration::from_secs(60);

/// What a session begins with, since a time limit of the role would end even the first statement
/// that lifts it. A server takes it; a pooler may refuse it.
pub const UNLIMITED: &str =
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// SQL.
    Sql,
    /// SQL, and the commands of replication.
    Replication,
}

/// How long the server has to end the connection after we said that we leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where a connection goes, and as whom.
pub struct Address<'a> {
    /// Host, or the folder of a socket.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// User.
    pub user: &'a str,
    /// Database.
    pub database: &'a str,
    /// Password, if there is one.
    pub password: Option<Secret>,
    /// How it is encrypted; in the clear when `None`.
    pub tls: Option<ClientConfig>,
    /// What is spoken.
    pub speech: Speech,
    /// How long the server may say nothing.
    pub patience: Duration,
}

enum Stream {
    Socket(UnixStream),
    Plain(TcpStream),
    Sealed(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection.
pub struct Wire {
    stream: Stream,
    /// Bytes that came; those from `from` on are not yet read.
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    place: String,
    /// The process that the server said it serves us with.
    process: Option<i32>,
    patience: Duration,
}

/// A message: its kind, and where its body lies in the buffer.
struct Message {
    kind: u8,
    from: usize,
    to: usize,
}

impl Wire {
    /// Connects, without the time limits of the role where the other end can be told so.
    pub fn connect(address: Address<'_>, doing: &str, stop: &Stop) -> Result<Wire> {
        match Wire::begin(&address, Some(UNLIMITED), doing, stop) {
            Err(refused) if sqlstate(&refused) == Some(PROTOCOL_VIOLATION) => {
                Wire::begin(&address, None, doing, stop)
            }
            begun => begun,
        }
    }

    fn begin(
        address: &Address<'_>,
        options: Option<&str>,
        doing: &str,
        stop: &Stop,
    ) -> Result<Wire> {
        let io = |e: std::io::Error| Error::new(ErrorKind::Unreachable, doing, e.to_string());
        let stream = match address.host.starts_with('/') {
            true => {
                let path = Path::new(address.host).join(format!(".s.PGSQL.{}", address.port));
                let socket = UnixStream::connect(path).map_err(io)?;
                socket.set_read_timeout(Some(LOOK)).map_err(io)?;
                Stream::Socket(socket)
            }
            false => tcp(address, doing).and_then(|tcp| sealed(tcp, address, doing))?,
        };
        let mut wire = Wire {
            stream,
            buffer: vec![0; READ],
            from: 0,
            to: 0,
            place: doing.to_owned(),
            process: None,
            patience: address.patience.min(GREETING),
        };
        let mut out = BytesMut::new();
        let mut words = vec![
            ("user", address.user),
            ("database", address.database),
            ("application_name", "vex"),
            ("client_encoding", "UTF8"),
        ];
        if address.speech == Speech::Replication {
            words.push(("replication", "database"));
        }
        words.extend(options.map(|options| ("options", options)));
        frontend::startup_message(words, &mut out).map_err(io)?;
        wire.send(&out)?;
        wire.authenticate(address, stop)?;
        while wire.message(stop)?.kind != b'Z' {}
        wire.patience = address.patience;
        Ok(wire)
    }

    /// The process that the server said it serves us with, when the session began.
    pub fn process(&self) -> Option<i32> {
        self.process
    }

    /// Leaves, and waits until the other end has seen it.
    pub fn close(mut self) {
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        self.patience = FAREWELL;
        if self.send(&out).is_ok() {
            // It says nothing more: its end of the connection is closed.
            self.need(usize::from(u16::MAX), &Stop::new()).unwrap_or_default();
        }
    }

    /// By which method the server wants to know who is there, and what it says beside.
    fn authentication_request(&mut self, stop: &Stop) -> Result<(u32, Vec<u8>)> {
        let message = self.message(stop)?;
        let denied = |found: String| Error::new(ErrorKind::Denied, &self.place, found);
        if message.kind != b'R' {
            return Err(denied(format!(
                "the server sent a message {:?} where it should ask for authentication",
                char::from(message.kind)
            )));
        }
        let body = &self.buffer[message.from..message.to];
        let (method, rest) = body
            .split_first_chunk::<4>()
            .ok_or_else(|| denied("the server's request for authentication is too short".into()))?;
        Ok((u32::from_be_bytes(*method), rest.to_owned()))
    }

    fn authenticate(&mut self, address: &Address<'_>, stop: &Stop) -> Result<()> {
        let doing = self.place.clone();
        let denied = |found: String| Error::new(ErrorKind::Denied, &doing, found);
        let io = |e: std::io::Error| Error::new(ErrorKind::Denied, &doing, e.to_string());
        let password = || {
            address
                .password
                .as_ref()
                .ok_or_else(|| denied("the server asks for a password, and there is none".into()))
        };
        let mut scram: Option<ScramSha256> = None;
        loop {
            let (method, rest) = self.authentication_request(stop)?;
            let mut out = BytesMut::new();
            match method {
                0 => return Ok(()),
                3 => frontend::password_message(password()?.reveal().as_bytes(), &mut out)
                    .map_err(io)?,
                5 => {
                    let salt = *rest.first_chunk::<4>().ok_or_else(|| {
                        denied("the salt that the server sent is too short".into())
                    })?;
                    let hash =
                        md5_hash(address.user.as_bytes(), password()?.reveal().as_bytes(), salt);
                    frontend::password_message(hash.as_bytes(), &mut out).map_err(io)?;
                }
                10 if rest.split(|b| *b == 0).any(|m| m == SCRAM_SHA_256.as_bytes()) => {
                    let own = ScramSha256::new(
                        password()?.reveal().as_bytes(),
                        ChannelBinding::unsupported(),
                    );
                    frontend::sasl_initial_response(SCRAM_SHA_256, own.message(), &mut out)
                        .map_err(io)?;
                    scram = Some(own);
                }
                11 => {
                    let own = scram
                        .as_mut()
                        .ok_or_else(|| denied("SCRAM went on before it began".into()))?;
                    own.update(&rest).map_err(io)?;
                    frontend::sasl_response(own.message(), &mut out).map_err(io)?;
                }
                12 => {
                    scram
                        .as_mut()
                        .ok_or_else(|| denied("SCRAM ended before it began".into()))?
                        .finish(&rest)
                        .map_err(io)?;
                    continue;
                }
                other => {
                    return Err(denied(format!(
                        "the server asks for a way in that vex does not know ({other})"
                    )));
                }
            }
            self.send(&out)?;
        }
    }

    /// Runs statements that return nothing of interest.
    pub fn run(&mut self, statements: &str, doing: &str, stop: &Stop) -> Result<()> {
        self.ask(statements, doing)?;
        self.answer(doing, stop, &mut |_, _| Ok(())).map(drop)
    }

    /// The rows of a statement, each value as text.
    pub fn rows(
        &mut self,
        statement: &str,
        doing: &str,
        stop: &Stop,
    ) -> Result<Vec<Vec<Option<String>>>> {
        self.ask(statement, doing)?;
        let mut found = Vec::new();
        self.answer(doing, stop, &mut |kind, body| {
            if kind == b'D' {
                let cut = || Error::new(ErrorKind::Damaged, doing, "a row was cut");
                found.push(values(body).ok_or_else(cut)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The address at the other end; `None` for a socket of this machine.
    pub fn peer(&self) -> Option<IpAddr> {
        let tcp = match &self.stream {
            Stream::Socket(_) => return None,
            Stream::Plain(tcp) => tcp,
            Stream::Sealed(sealed) => &sealed.sock,
        };
        tcp.peer_addr().ok().map(|address| address.ip())
    }

    /// Runs a `COPY … TO STDOUT` and hands on every message of it; returns the rows as the server
    /// counts them. After an error of `take` the connection can't be used again.
    pub fn copy_out(
        &mut self,
        statement: &str,
        doing: &str,
        stop: &Stop,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        self.ask(statement, doing)?;
        let tag = self.answer(doing, stop, &mut |kind, body| match kind {
            b'd' => take(body),
            _ => Ok(()),
        })?;
        let count =
            tag.as_deref().and_then(|t| t.strip_prefix("COPY ")).and_then(|n| n.parse().ok());
        count.ok_or_else(|| {
            Error::new(ErrorKind::Damaged, doing, format!("the server ended the rows with {tag:?}"))
        })
    }

    fn ask(&mut self, statements: &str, doing: &str) -> Result<()> {
        self.place = doing.to_owned();
        let mut out = BytesMut::new();
        frontend::query(statements, &mut out)
            .map_err(|e| Error::new(ErrorKind::Failed, doing, e.to_string()))?;
        self.send(&out)
    }

    /// Reads up to the end of an answer, and hands on kind and body of its rows; returns the last
    /// tag of a command.
    fn answer(
        &mut self,
        doing: &str,
        stop: &Stop,
        take: &mut dyn FnMut(u8, &[u8]) -> Result<()>,
    ) -> Result<Option<String>> {
        let (mut tag, mut failure) = (None, None);
        loop {
            let message = match self.message(stop) {
                Ok(message) => message,
                // The server is ready again after it, or it leaves.
                Err(error) if sqlstate(&error).is_some() => {
                    failure.get_or_insert(error);
                    continue;
                }
                Err(error) if error.kind == ErrorKind::Unreachable => {
                    return Err(failure.unwrap_or(error));
                }
                Err(error) => return Err(error),
            };
            let body = &self.buffer[message.from..message.to];
            match message.kind {
                b'd' | b'D' => take(message.kind, body)?,
                b'C' => {
                    tag =
                        std::str::from_utf8(body).ok().map(|t| t.trim_end_matches('\0').to_owned())
                }
                b'Z' => return failure.map_or(Ok(tag), Err),
                // CopyOutResponse, CopyDone, the description of rows, an empty statement.
                b'H' | b'c' | b'T' | b'I' => {}
                other => {
                    let found = format!(
                        "the server sent {:?}, which does not belong there",
                        char::from(other)
                    );
                    return Err(Error::new(ErrorKind::Damaged, doing, found));
                }
            }
        }
    }

    /// The next message; notices and parameters are passed over, an error of the server has
    /// its SQLSTATE.
    fn message(&mut self, stop: &Stop) -> Result<Message> {
        loop {
            self.need(5, stop)?;
            let head = &self.buffer[self.from..self.from + 5];
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let kind = head[0];
            // The server's own limit is 1 GiB.
            if !(4..=(1 << 30) + 16).contains(&length) {
                return Err(Error::new(
                    ErrorKind::Damaged,
                    &self.place,
                    format!("a message of {length} bytes came"),
                ));
            }
            self.need(1 + length, stop)?;
            let (from, to) = (self.from + 5, self.from + 1 + length);
            self.from = to;
            match kind {
                b'N' | b'S' | b'A' | b'v' => {}
                b'K' => {
                    let number = self.buffer[from..to].first_chunk::<4>();
                    self.process = number.map(|bytes| i32::from_be_bytes(*bytes));
                }
                b'E' => return Err(error(&self.place, &self.buffer[from..to])),
                _ => return Ok(Message { kind, from, to }),
            }
        }
    }

    /// Waits until so many bytes that are not yet read are there.
    fn need(&mut self, count: usize, stop: &Stop) -> Result<()> {
        let mut since: Option<Instant> = None;
        while self.to - self.from < count {
            if self.from > 0 {
                self.buffer.copy_within(self.from..self.to, 0);
                (self.from, self.to) = (0, self.to - self.from);
            }
            if self.buffer.len() < count.max(READ) {
                self.buffer.resize(count.max(READ), 0);
            }
            let room = &mut self.buffer[self.to..];
            let read = match &mut self.stream {
                Stream::Socket(stream) => stream.read(room),
                Stream::Plain(stream) => stream.read(room),
                Stream::Sealed(stream) => stream.read(room),
            };
            match read {
                Ok(0) => {
                    return Err(Error::new(
                        ErrorKind::Unreachable,
                        &self.place,
                        "the server closed the connection",
                    ));
                }
                Ok(read) => {
                    self.to += read;
                    since = None;
                }
                Err(e)
                    if matches!(
                        e.kind(),
                        IoKind::WouldBlock | IoKind::TimedOut | IoKind::Interrupted
                    ) =>
                {
                    stop.check()?;
                    if since.get_or_insert_with(Instant::now).elapsed() > self.patience {
                        let found = format!(
                            "the server has said nothing for {} s",
                            self.patience.as_secs()
                        );
                        return Err(Error::new(ErrorKind::Unreachable, &self.place, found));
                    }
                }
                Err(e) => {
                    return Err(Error::new(ErrorKind::Unreachable, &self.place, e.to_string()));
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.stream {
            Stream::Socket(stream) => stream.write_all(bytes),
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Sealed(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
        written.map_err(|e| {
            let lost = Error::new(ErrorKind::Unreachable, &self.place, e.to_string());
            self.last_words().unwrap_or(lost)
        })
    }

    /// Why the server ended the connection, where it said so before it did.
    fn last_words(&mut self) -> Option<Error> {
        let patience = std::mem::replace(&mut self.patience, FAREWELL);
        let said = loop {
            match self.message(&Stop::new()) {
                Ok(_) => {}
                Err(error) => break Some(error).filter(|error| sqlstate(error).is_some()),
            }
        };
        self.patience = patience;
        said
    }
}

/// The values of a row; `None` if it is cut.
fn values(body: &[u8]) -> Option<Vec<Option<String>>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut found = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        // A negative length is NULL.
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            found.push(None);
            rest = after;
            continue;
        };
        let (value, after) = after.split_at_checked(length)?;
        found.push(Some(String::from_utf8_lossy(value).into_owned()));
        rest = after;
    }
    Some(found)
}

fn tcp(address: &Address<'_>, doing: &str) -> Result<TcpStream> {
    let io = |e: std::io::Error| Error::new(ErrorKind::Unreachable, doing, e.to_string());
    let mut last = None;
    for place in (address.host, address.port).to_socket_addrs().map_err(io)? {
        match TcpStream::connect_timeout(&place, Duration::from_secs(15)) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(io)?;
                stream.set_read_timeout(Some(LOOK)).map_err(io)?;
                rustix::net::sockopt::set_socket_keepalive(&stream, true)
                    .map_err(|e| io(e.into()))?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last
        .map_or_else(|| Error::new(ErrorKind::Unreachable, doing, "the host has no address"), io))
}

/// Asks for TLS, if it is wanted; a server that has none is refused.
fn sealed(mut tcp: TcpStream, address: &Address<'_>, doing: &str) -> Result<Stream> {
    let Some(config) = &address.tls else { return Ok(Stream::Plain(tcp)) };
    let fail = |found: String| Error::new(ErrorKind::Unreachable, doing, found);
    let mut out = BytesMut::new();
    frontend::ssl_request(&mut out);
    tcp.write_all(&out).map_err(|e| fail(e.to_string()))?;
    tcp.set_read_timeout(Some(Duration::from_secs(15))).map_err(|e| fail(e.to_string()))?;
    let mut answer = [0];
    tcp.read_exact(&mut answer).map_err(|e| fail(e.to_string()))?;
    if answer != *b"S" {
        return Err(fail("the server does not speak TLS".into()));
    }
    let name = ServerName::try_from(address.host.to_owned()).map_err(|e| fail(e.to_string()))?;
    let session =
        ClientConnection::new(config.clone().into(), name).map_err(|e| fail(e.to_string()))?;
    let mut stream = StreamOwned::new(session, tcp);
    // The handshake, while its time is bounded.
    stream.conn.complete_io(&mut stream.sock).map_err(|e| fail(e.to_string()))?;
    stream.sock.set_read_timeout(Some(LOOK)).map_err(|e| fail(e.to_string()))?;
    Ok(Stream::Sealed(Box::new(stream)))
}

/// An error in the server's words; its SQLSTATE tells it from one of the wire.
fn error(doing: &str, body: &[u8]) -> Error {
    let field = |kind: u8| {
        let own = body.split(|b| *b == 0).find(|f| f.first() == Some(&kind));
        own.map(|f| String::from_utf8_lossy(&f[1..]).into_owned())
    };
    let (code, message) = (field(b'C').unwrap_or_default(), field(b'M').unwrap_or_default());
    let (detail, hint) = (field(b'D'), field(b'H'));
    said(
        doing,
        Said { code: &code, message: &message, detail: detail.as_deref(), hint: hint.as_deref() },
    )
}

#[cfg(test)]
mod tests;
