//! Events of stored segments with the places where they stand, and the groups that they are of.
//!
//! Knows no store. Invariant: an event is handed on once, however segments overlap, and each with
//! the place that the server gave it, not where it stands in a copy.

use crate::source::mysql::binlog::frame::{FORMAT, Frame, Frames, MAGIC};
use crate::source::mysql::binlog::group::{Group, begins, is_between};
use crate::source::mysql::binlog::segment::{FIRST, follow};

/// A stored stretch of a file.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The file, as the server calls it.
    pub file: String,
    /// When the server began the file, in seconds since 1970.
    pub created: u32,
    /// Where its first event begins.
    pub start: u64,
    /// Magic, format description, and the events.
    pub bytes: Vec<u8>,
}

/// Where a group of events begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spot {
    /// The file.
    pub file: String,
    /// When the server began the file.
    pub created: u32,
    /// The byte.
    pub at: u64,
}

/// An event at its place.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// The event.
    pub frame: Frame<'a>,
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// Whether it begins a group.
    pub opens: bool,
    /// Whether its group ends with it.
    pub closes: bool,
}

/// Reads segments one after the other.
#[derive(Debug, Default)]
pub struct Reader {
    frames: Frames,
    file: Option<(String, u32)>,
    reached: u64,
    group: Group,
    is_open: bool,
}

impl Reader {
    /// Hands over the events of a segment that were not handed over yet; the format description
    /// comes once a file.
    pub fn piece<E>(
        &mut self,
        piece: &Piece,
        fail: &dyn Fn(String) -> E,
        take: &mut dyn FnMut(Placed<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let own = (piece.file.clone(), piece.created);
        let is_new_file = self.file.as_ref() != Some(&own);
        if is_new_file {
            *self = Reader { file: Some(own), ..Reader::default() };
        }
        let name = |at: u64, found: String| {
            fail(format!("{} of {} behind byte {at}: {found}", piece.file, piece.created))
        };
        let mut rest = piece.bytes.strip_prefix(&MAGIC).ok_or_else(|| {
            name(piece.start, "it does not begin as a file of a binary log does".into())
        })?;
        let mut at = piece.start;
        while !rest.is_empty() {
            let frame = self.frames.first(rest).map_err(|found| name(at, found))?;
            rest = &rest[frame.bytes.len()..];
            if frame.kind == FORMAT {
                if piece.start == FIRST && at == FIRST {
                    at += frame.bytes.len() as u64;
                }
                if is_new_file {
                    take(Placed {
                        frame,
                        start: piece.start,
                        end: at,
                        opens: false,
                        closes: false,
                    })?;
                }
                continue;
            }
            let end = follow(at, &frame);
            let start = match frame.next {
                0 => at,
                _ => end.saturating_sub(frame.bytes.len() as u64).max(at),
            };
            at = end;
            if end <= self.reached {
                continue;
            }
            self.reached = end;
            let placed = self.placed(frame, start, end);
            take(placed)?;
        }
        Ok(())
    }

    fn placed<'a>(&mut self, frame: Frame<'a>, start: u64, end: u64) -> Placed<'a> {
        let opens = begins(frame.kind) || !self.is_open && !is_between(frame.kind);
        self.group = self.group.after(&frame);
        let closes = (self.is_open || opens) && self.group == Group::Between;
        self.is_open = (self.is_open || opens) && !closes;
        Placed { frame, start, end, opens, closes }
    }
}
