//! Events as they go to a target: those that it would pass over in silence become such that it
//! takes.
//!
//! Invariants: an event that carries the target's own server id, or a GTID that it may have, is
//! never sent as it is; every event has its checksum; places stay those of the source.

use crate::source::mysql::binlog::frame::{FORMAT, Frame, HEADER, crc};
use crate::source::mysql::binlog::payload;

const QUERY: u8 = 2;
const ROTATE: u8 = 4;
const GTID: u8 = 33;
const ANONYMOUS: u8 = 34;
const PREVIOUS: u8 = 35;
const PAYLOAD: u8 = 40;
const TAGGED: u8 = 42;
const MARIADB_GTID: u8 = 162;
const MARIADB_GTIDS: u8 = 163;
const CHECKPOINT: u8 = 161;

/// Bytes of an anonymous event of MySQL without the moment of its commit.
const ANONYMOUS_BODY: usize = 42;

/// What is known of who takes the events.
#[derive(Debug, Clone, Copy)]
pub struct Taker {
    /// Its server id.
    pub id: u32,
    /// The id that events of its own get instead.
    pub other: u32,
}

impl Taker {
    /// An event as it is sent; several, or none.
    pub fn event(&self, frame: &Frame<'_>, end: u64) -> Result<Vec<Vec<u8>>, String> {
        let (kind, body) = (frame.kind, frame.body);
        Ok(match kind {
            PREVIOUS | MARIADB_GTIDS | CHECKPOINT => Vec::new(),
            GTID | ANONYMOUS => {
                let mut body = body.to_vec();
                if let Some(own) = body.get_mut(1..25) {
                    own.fill(0);
                }
                vec![self.written(frame, ANONYMOUS, &body, end)]
            }
            TAGGED => {
                let mut body = vec![0; ANONYMOUS_BODY];
                // It may hold statements, and what it depends on is not known.
                (body[0], body[25]) = (1, 2);
                vec![self.written(frame, ANONYMOUS, &body, end)]
            }
            MARIADB_GTID => self.begin(frame, end)?,
            PAYLOAD if frame.server == self.id => self.unpacked(frame, end)?,
            _ => vec![self.written(frame, kind, body, end)],
        })
    }

    /// What begins a transaction of MariaDB where there are no GTIDs.
    fn begin(&self, frame: &Frame<'_>, end: u64) -> Result<Vec<Vec<u8>>, String> {
        let short = || "a GTID event that is too short".to_owned();
        let flags = *frame.body.get(12).ok_or_else(short)?;
        let (is_alone, is_prepared) = (flags & 1 != 0, flags & 64 != 0);
        if is_alone {
            return Ok(Vec::new());
        }
        let text = match is_prepared {
            false => "BEGIN".to_owned(),
            true => {
                let from = if flags & 2 != 0 { 21 } else { 13 };
                xa_start(frame.body.get(from..).unwrap_or_default()).ok_or_else(short)?
            }
        };
        let mut body = vec![0; 13];
        // No database, no state of the session.
        body.push(0);
        body.extend(text.as_bytes());
        Ok(vec![self.written(frame, QUERY, &body, end)])
    }

    /// The events of a compressed transaction: their ids stand inside.
    fn unpacked(&self, frame: &Frame<'_>, end: u64) -> Result<Vec<Vec<u8>>, String> {
        let events = payload::events(frame.body)?;
        let mut all = Vec::new();
        let mut rest = events.as_slice();
        while let Some(head) = rest.get(..HEADER) {
            let size = u32::from_le_bytes([head[9], head[10], head[11], head[12]]) as usize;
            let Some(own) = rest.get(..size).filter(|_| size >= HEADER) else { break };
            rest = &rest[size..];
            let word =
                |at: usize| u32::from_le_bytes([own[at], own[at + 1], own[at + 2], own[at + 3]]);
            let flags = u16::from_le_bytes([own[17], own[18]]);
            all.push(self.raw((word(0), own[4], word(5), flags), &own[HEADER..], end));
        }
        match rest.is_empty() {
            true => Ok(all),
            false => Err("a compressed transaction that is not whole".into()),
        }
    }

    fn written(&self, frame: &Frame<'_>, kind: u8, body: &[u8], end: u64) -> Vec<u8> {
        let end = if frame.next == 0 { 0 } else { end };
        self.raw((frame.time, kind, frame.server, frame.flags()), body, end)
    }

    fn raw(&self, head: (u32, u8, u32, u16), body: &[u8], end: u64) -> Vec<u8> {
        let (time, kind, server, flags) = head;
        let server = if server == self.id { self.other } else { server };
        made((time, kind, server, flags), body, end as u32)
    }

    /// A format description: that of a file which is begun in its middle must not end what is open
    /// at the target.
    pub fn format(&self, frame: &Frame<'_>, is_first: bool) -> Vec<u8> {
        let mut body = frame.body.to_vec();
        if let Some(last) = body.last_mut() {
            // All that is sent has checksums.
            *last = 1;
        }
        if is_first && let Some(created) = body.get_mut(52..56) {
            created.fill(0);
        }
        let flags = frame.flags() & !1;
        self.raw((frame.time, FORMAT, frame.server, flags), &body, 0)
    }
}

/// `XA START` of the name that a GTID event of MariaDB holds.
fn xa_start(xid: &[u8]) -> Option<String> {
    let format = u32::from_le_bytes(xid.get(..4)?.try_into().ok()?);
    let (gtrid, bqual) = (*xid.get(4)? as usize, *xid.get(5)? as usize);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (one, two) = (xid.get(6..6 + gtrid)?, xid.get(6 + gtrid..6 + gtrid + bqual)?);
    Some(format!("XA START X'{}',X'{}',{format}", hex(one), hex(two)))
}

/// An event with its checksum.
fn made((time, kind, server, flags): (u32, u8, u32, u16), body: &[u8], end: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len() + 4);
    bytes.extend(time.to_le_bytes());
    bytes.push(kind);
    bytes.extend(server.to_le_bytes());
    bytes.extend(((HEADER + body.len() + 4) as u32).to_le_bytes());
    bytes.extend(end.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(body);
    bytes.extend(crc(&bytes).to_le_bytes());
    bytes
}

/// A rotation to a place of a file: told at the beginning of a stream and of a file, or, with a
/// place of its own, one that stands in a file.
pub fn rotation(source: u32, (file, at): (&str, u64), own: Option<u64>) -> Vec<u8> {
    let mut body = at.to_le_bytes().to_vec();
    body.extend(file.as_bytes());
    let flags = if own.is_some() { 0 } else { 0x20 };
    made((0, ROTATE, source, flags), &body, own.unwrap_or(0) as u32)
}

/// What says that the source lives.
pub fn heartbeat(source: u32, (file, at): (&str, u64)) -> Vec<u8> {
    made((0, 27, source, 0), file.as_bytes(), at as u32)
}
