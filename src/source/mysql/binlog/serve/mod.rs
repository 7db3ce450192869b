//! A binary log that is served to a target as if its server still stood: the target's own code
//! applies it.
//!
//! Invariants: one connection, by a password made for it, is answered; no group from the end on is
//! ever sent, so that a target can't run beyond it; what is sent ends with a mark, and a target that
//! has come to the mark has applied all.

mod change;
mod greet;
mod wire;

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use jiff::Timestamp;

use crate::base::Stop;
use crate::source::mysql::binlog::frame::FORMAT;
use crate::source::mysql::binlog::place::{Piece, Placed, Reader, Spot};
use crate::source::mysql::binlog::serve::change::{Taker, heartbeat, rotation};
use crate::source::mysql::binlog::serve::greet::Greeting;
use crate::source::mysql::binlog::serve::wire::Wire;
use crate::source::mysql::flavor::Family;

/// The file in which a target stands that has applied all.
pub const MARK: &str = "vex-end.000001";

/// A target is told so often that nobody has died.
const BEAT: Duration = Duration::from_secs(10);

/// A target that does not connect, or reads nothing, for so long is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// What of a log is served, and to whom.
pub struct Serving<'a> {
    /// Where it begins.
    pub from: &'a Spot,
    /// The first group that is not sent.
    pub end: Option<&'a Spot>,
    /// Groups that are left out.
    pub skip: &'a HashSet<Spot>,
    /// The family of the target.
    pub family: Family,
    /// Its server id.
    pub id: u32,
    /// The identity of the source towards it.
    pub uuid: String,
    /// Who may connect.
    pub user: String,
    /// With which password.
    pub password: String,
    /// What the greeting of the connection is proven with.
    pub nonce: [u8; 20],
}

/// Waits for the target, and takes its connection.
pub fn listen(address: IpAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((address, 0))?;
    listener.set_nonblocking(true)?;
    let own = listener.local_addr()?;
    Ok((listener, own))
}

impl Serving<'_> {
    /// The server id that the source says it has: never the target's.
    fn own_id(&self) -> u32 {
        if self.id == 2_000_000_019 { 2_000_000_018 } else { 2_000_000_019 }
    }

    fn taker(&self) -> Taker {
        Taker { id: self.id, other: self.own_id() }
    }

    /// Answers one connection until it ends; whoever is not the target is sent away.
    pub fn run(
        &self,
        listener: &TcpListener,
        pieces: &Receiver<Piece>,
        stop: &Stop,
    ) -> io::Result<()> {
        let begun = Instant::now();
        let Ok(first) = pieces.recv() else { return Ok(()) };
        loop {
            if stop.is_stopped() {
                return Ok(());
            }
            match listener.accept() {
                Ok((stream, _)) => {
                    if let Some(wire) = self.welcome(stream, &first, stop)? {
                        return self.answer(wire, first, pieces, stop);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if begun.elapsed() > PATIENCE {
                        return Err(io::Error::other("the target never connected"));
                    }
                    if stop.sleep(Duration::from_millis(20)).is_err() {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Greets whoever connects; `None` for one who is not the target.
    fn welcome(&self, stream: TcpStream, first: &Piece, stop: &Stop) -> io::Result<Option<Wire>> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stop.check().map_err(|_| io::Error::other("stopped"))?;
        let version = version(first);
        let (user, password) = (self.user.as_str(), self.password.as_str());
        let greeting =
            Greeting { family: self.family, version: &version, user, password, nonce: self.nonce };
        let mut wire = Wire::new(stream);
        // Whoever knocks and says nothing is no reason to end.
        Ok(greeting.hold(&mut wire).unwrap_or(false).then_some(wire))
    }

    fn answer(
        &self,
        mut wire: Wire,
        first: Piece,
        pieces: &Receiver<Piece>,
        stop: &Stop,
    ) -> io::Result<()> {
        let version = version(&first);
        let mut first = Some(first);
        loop {
            wire.begin();
            let command = wire.read()?;
            match command.split_first() {
                Some((3, text)) => {
                    self.query(&mut wire, &String::from_utf8_lossy(text), &version)?
                }
                Some((1, _)) | None => return Ok(()),
                Some((0x12, _)) => {
                    let Some(first) = first.take() else {
                        return wire.error(1236, "HY000", "the log is served once");
                    };
                    return self.dump(&mut wire, &first, pieces, stop);
                }
                // Registers, or asks whether anybody is there.
                Some((0x15 | 0x0e, _)) => wire.ok()?,
                Some((other, _)) => {
                    let text = format!("this server knows no command {other}");
                    wire.error(1047, "08S01", &text)?;
                }
            }
        }
    }

    /// Answers what replicas ask before they read.
    fn query(&self, wire: &mut Wire, text: &str, version: &str) -> io::Result<()> {
        let asked = text.trim().to_lowercase();
        let id = self.own_id().to_string();
        let has = |word: &str| asked.contains(word);
        let now = || Timestamp::now().as_second().to_string();
        let name = text.trim().get(7..).unwrap_or_default();
        if asked.starts_with("set ") {
            wire.ok()
        } else if asked.starts_with("show variables") && has("server_id") {
            wire.row(&[("Variable_name", "server_id"), ("Value", &id)])
        } else if !asked.starts_with("select ") {
            wire.error(1064, "42000", &format!("this server can't answer {text}"))
        } else if has("unix_timestamp") {
            wire.row(&[(name, &now())])
        } else if has("server_uuid") {
            wire.row(&[(name, &self.uuid)])
        } else if has("server_id") {
            wire.row(&[(name, &id)])
        } else if has("binlog_checksum") {
            wire.row(&[(name, "CRC32")])
        } else if has("gtid_mode") {
            wire.row(&[(name, "OFF")])
        } else if has("gtid_domain_id") {
            wire.row(&[(name, "0")])
        } else if has("time_zone") {
            wire.row(&[(name, "SYSTEM")])
        } else if has("version()") {
            wire.row(&[(name, version)])
        } else {
            wire.error(1193, "HY000", &format!("this server does not know {name}"))
        }
    }

    /// Sends the events, then lives until the target hangs up.
    fn dump(
        &self,
        wire: &mut Wire,
        first: &Piece,
        pieces: &Receiver<Piece>,
        stop: &Stop,
    ) -> io::Result<()> {
        let mut sender = Sender {
            serving: self,
            wire,
            reader: Reader::default(),
            at: (self.from.file.clone(), self.from.at),
            skips: false,
            has_begun: false,
        };
        let mut ended = sender.piece(first)?;
        while !ended {
            match pieces.recv_timeout(BEAT) {
                Ok(piece) => ended = sender.piece(&piece)?,
                Err(RecvTimeoutError::Timeout) => sender.beat()?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if stop.is_stopped() {
                return Ok(());
            }
        }
        if stop.is_stopped() {
            return Ok(());
        }
        if let Some(end) = self.end.filter(|_| !ended) {
            let found =
                format!("the log ended before {}:{}, where it was to end", end.file, end.at);
            return Err(io::Error::other(found));
        }
        sender.mark()?;
        // It hangs up when it is told to; until then it must not think that nobody is there.
        let mut beaten = Instant::now();
        while stop.sleep(Duration::from_millis(50)).is_ok() {
            if beaten.elapsed() > BEAT {
                if sender.beat().is_err() {
                    return Ok(());
                }
                beaten = Instant::now();
            }
        }
        Ok(())
    }
}

/// The version of the server that wrote a piece.
fn version(piece: &Piece) -> String {
    let text = piece.bytes.get(4 + 19 + 2..4 + 19 + 52).unwrap_or_default();
    let text: Vec<u8> = text.iter().copied().take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&text).into_owned()
}

/// What sends events.
struct Sender<'s, 'w> {
    serving: &'s Serving<'s>,
    wire: &'w mut Wire,
    reader: Reader,
    /// Where the target believes the source to be.
    at: (String, u64),
    /// Whether the group is left out.
    skips: bool,
    has_begun: bool,
}

impl Sender<'_, '_> {
    fn send(&mut self, event: &[u8]) -> io::Result<()> {
        let mut payload = Vec::with_capacity(event.len() + 1);
        payload.push(0);
        payload.extend_from_slice(event);
        self.wire.write(&payload)
    }

    fn beat(&mut self) -> io::Result<()> {
        let event = heartbeat(self.serving.own_id(), (&self.at.0, self.at.1));
        self.send(&event)
    }

    /// Sends what is to be sent of a piece; whether the end was reached.
    fn piece(&mut self, piece: &Piece) -> io::Result<bool> {
        let mut reader = std::mem::take(&mut self.reader);
        let mut ended = false;
        reader.piece(piece, &io::Error::other, &mut |placed| {
            if !ended {
                ended = self.event(piece, &placed)?;
            }
            Ok(())
        })?;
        self.reader = reader;
        Ok(ended)
    }

    fn event(&mut self, piece: &Piece, placed: &Placed<'_>) -> io::Result<bool> {
        let (frame, taker) = (&placed.frame, self.serving.taker());
        if frame.kind == FORMAT {
            let is_first = !self.has_begun;
            let at = if is_first { self.serving.from.at } else { 4 };
            self.send(&rotation(self.serving.own_id(), (&piece.file, at), None))?;
            self.send(&taker.format(frame, is_first))?;
            self.has_begun = true;
            self.at = (piece.file.clone(), at);
            return Ok(false);
        }
        let from = self.serving.from;
        if piece.file == from.file && piece.created == from.created && placed.end <= from.at {
            return Ok(false);
        }
        let spot = Spot { file: piece.file.clone(), created: piece.created, at: placed.start };
        if placed.opens {
            if self.serving.end == Some(&spot) {
                return Ok(true);
            }
            self.skips = self.serving.skip.contains(&spot);
        }
        if self.skips {
            self.skips = !placed.closes;
            return Ok(false);
        }
        for event in taker.event(frame, placed.end).map_err(io::Error::other)? {
            self.send(&event)?;
            let named = u32::from_le_bytes([event[13], event[14], event[15], event[16]]);
            self.at.1 = match named {
                0 => self.at.1 + event.len() as u64,
                _ => placed.end,
            };
        }
        Ok(false)
    }

    /// Says that there is no more.
    fn mark(&mut self) -> io::Result<()> {
        let id = self.serving.own_id();
        let end = self.at.1 + 64;
        self.send(&rotation(id, (MARK, 4), Some(end)))?;
        self.send(&rotation(id, (MARK, 4), None))?;
        self.at = (MARK.to_owned(), 4);
        Ok(())
    }
}
