//! Cuts a stream of events into segments: one file each, at ends of groups.
//!
//! Invariants: what is handed on begins and ends where a group does, unless one transaction is
//! larger than any segment may be; nothing is left out between two segments of one file, and what is
//! open when the stream ends is not handed on, so that the next stream begins there. A place
//! comes from an event that says its own, since servers keep some events to themselves. A segment is
//! itself a file that the server's own tools read: magic, format description, events.

use crate::source::mysql::binlog::frame::{FORMAT, Frame, Frames, MAGIC};
use crate::source::mysql::binlog::group::{Group, begins};

const STOP: u8 = 3;
const ROTATE: u8 = 4;

/// Where the first event of a file stands.
pub const FIRST: u64 = 4;

/// A stretch of one file of a binary log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The file, as the server calls it.
    pub file: String,
    /// When the server began the file, in seconds since 1970: names come again after `RESET`.
    pub created: u32,
    /// Where its first event begins.
    pub start: u64,
    /// Where its last event ends.
    pub end: u64,
    /// Whether the file ends here.
    pub is_last: bool,
    /// The times of its first and its last group, in seconds since 1970.
    pub times: Option<(u32, u32)>,
    /// Magic, format description, and the events.
    pub bytes: Vec<u8>,
}

/// Takes what is cut off.
pub type Take<'t, E> = &'t mut dyn FnMut(Segment) -> Result<(), E>;

/// What cuts.
pub struct Cutter {
    target: usize,
    largest: usize,
    frames: Frames,
    file: String,
    created: u32,
    format: Vec<u8>,
    start: u64,
    /// Where the last whole group ends, and how many bytes of `events` that is.
    whole: (u64, usize),
    at: u64,
    has_ended: bool,
    group: Group,
    times: Option<(u32, u32)>,
    events: Vec<u8>,
}

/// What a cutter refuses, or what the taker of its segments does.
#[derive(Debug)]
pub enum CutError<E> {
    /// An event is not whole.
    Event(String),
    /// The taker.
    Taker(E),
}

impl Cutter {
    /// Begins at a place of a file.
    pub fn new(file: &str, start: u64, target: usize, largest: usize) -> Cutter {
        Cutter {
            target,
            largest,
            frames: Frames::default(),
            file: file.to_owned(),
            created: 0,
            format: Vec::new(),
            start,
            whole: (start, 0),
            at: start,
            has_ended: false,
            group: Group::default(),
            times: None,
            events: Vec::new(),
        }
    }

    /// Takes the next event of the stream.
    pub fn event<E>(&mut self, bytes: &[u8], take: Take<'_, E>) -> Result<(), CutError<E>> {
        // The made-up beginning of a stream comes before it is known whether there are checksums;
        // it names the file that was asked for.
        if self.format.is_empty() && bytes.get(4) == Some(&ROTATE) {
            return Ok(());
        }
        let mut frames = self.frames;
        let frame = frames.first(bytes).map_err(|found| {
            CutError::Event(format!("{} behind {}: {found}", self.file, self.at))
        })?;
        self.frames = frames;
        self.place(&frame, take)
    }

    fn place<E>(&mut self, frame: &Frame<'_>, take: Take<'_, E>) -> Result<(), CutError<E>> {
        if frame.kind == FORMAT {
            self.created = frame.time;
            self.format = frame.bytes.to_vec();
            if self.start == FIRST && self.at == FIRST {
                self.at = FIRST + frame.bytes.len() as u64;
                self.whole = (self.at, 0);
            }
            return Ok(());
        }
        if frame.is_artificial() {
            return match frame.kind {
                ROTATE => self.file(&rotated_to(frame.body), take),
                _ => Ok(()),
            };
        }
        if frame.next != 0 {
            // What the server keeps to itself stands between.
            self.at = follow(self.at, frame).saturating_sub(frame.bytes.len() as u64).max(self.at);
        }
        if begins(frame.kind) {
            self.whole = (self.at, self.events.len());
            if self.events.len() >= self.target {
                self.cut(false, take)?;
            }
            let (first, last) = self.times.unwrap_or((frame.time, frame.time));
            self.times = Some((first.min(frame.time), last.max(frame.time)));
        }
        self.events.extend_from_slice(frame.bytes);
        self.at = follow(self.at, frame);
        self.group = self.group.after(frame);
        if self.group == Group::Between {
            self.whole = (self.at, self.events.len());
        }
        if matches!(frame.kind, ROTATE | STOP) {
            self.whole = (self.at, self.events.len());
            return self.cut(true, take);
        }
        if self.events.len() >= self.largest.saturating_mul(8) {
            let bytes = self.events.len();
            let found =
                format!("a transaction of more than {bytes} bytes whose events name no places");
            return Err(CutError::Event(format!("{}: {found}", self.file)));
        }
        if self.events.len() >= self.largest && frame.next != 0 {
            self.whole = (self.at, self.events.len());
            return self.cut(false, take);
        }
        Ok(())
    }

    /// The stream goes on in a file.
    fn file<E>(&mut self, name: &str, take: Take<'_, E>) -> Result<(), CutError<E>> {
        if name == self.file {
            return Ok(());
        }
        // A server that was killed ends a file without a word.
        if !self.has_ended {
            self.whole = (self.at, self.events.len());
            self.cut(true, take)?;
        }
        *self = Cutter::new(name, FIRST, self.target, self.largest);
        Ok(())
    }

    /// The server has no more for now.
    pub fn end<E>(&mut self, take: Take<'_, E>) -> Result<(), CutError<E>> {
        if self.whole.0 > self.start { self.cut(false, take) } else { Ok(()) }
    }

    fn cut<E>(&mut self, is_last: bool, take: Take<'_, E>) -> Result<(), CutError<E>> {
        let (end, length) = self.whole;
        let mut bytes = Vec::with_capacity(MAGIC.len() + self.format.len() + length);
        bytes.extend(MAGIC);
        bytes.extend(&self.format);
        bytes.extend(&self.events[..length]);
        self.events.drain(..length);
        let segment = Segment {
            file: self.file.clone(),
            created: self.created,
            start: self.start,
            end,
            is_last,
            times: self.times.take(),
            bytes,
        };
        self.start = end;
        self.has_ended = is_last;
        take(segment).map_err(CutError::Taker)
    }
}

/// Where an event ends: of the low 32 bits of it, or of its length where the server does not say.
pub fn follow(at: u64, frame: &Frame<'_>) -> u64 {
    if frame.next == 0 {
        return at + frame.bytes.len() as u64;
    }
    onward(at, frame.next)
}

/// The place behind `at` that has these low 32 bits.
pub fn onward(at: u64, next: u32) -> u64 {
    let low = (at & !0xffff_ffff) | u64::from(next);
    if low < at { low + (1 << 32) } else { low }
}

/// The file that a rotate event leads to.
fn rotated_to(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(8..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::mysql::binlog::frame::tests::{event, format, made_up};

    const FORMAT_END: u32 = 4 + 19 + 3 + 4;

    fn rotate(name: &str, next: u32) -> Vec<u8> {
        let mut body = vec![4, 0, 0, 0, 0, 0, 0, 0];
        body.extend(name.as_bytes());
        if next == 0 { made_up(ROTATE, &body) } else { event(ROTATE, 0, next, &body) }
    }

    /// Transactions of one event each, as MariaDB writes them, from a byte on.
    fn transactions(from: u32, count: u32, time: u32) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut at = from;
        for n in 0..count {
            at += 19 + 13 + 4;
            all.push(event(162, time + n, at, &[0; 13]));
            // As MariaDB 11 does it: inside of a transaction no event says where it ends.
            at += 19 + 8 + 4;
            all.push(event(16, time + n, if n % 2 == 0 { at } else { 0 }, &[0; 8]));
        }
        all
    }

    fn cut(start: u64, target: usize, events: &[Vec<u8>]) -> Vec<Segment> {
        let mut found = Vec::new();
        let mut take = |segment: Segment| -> Result<(), ()> {
            found.push(segment);
            Ok(())
        };
        let mut cutter = Cutter::new("b.000001", start, target, 1 << 20);
        events.iter().for_each(|event| cutter.event(event, &mut take).expect("events"));
        cutter.end(&mut take).expect("an end");
        found
    }

    #[test]
    fn segments_join_without_a_gap_and_end_where_transactions_do() {
        let mut events = vec![rotate("b.000001", 0), format(100)];
        events.extend(transactions(FORMAT_END, 10, 1000));
        let end = u64::from(FORMAT_END) + 10 * 67;
        let (whole, parts) = (cut(FIRST, 1 << 20, &events), cut(FIRST, 150, &events));
        assert_eq!((whole.len(), whole[0].end, whole[0].times), (1, end, Some((1000, 1009))));
        assert!(parts.len() > 2, "{}", parts.len());
        assert_eq!((parts[0].start, parts.last().map(|s| s.end)), (FIRST, Some(end)));
        assert!(parts.windows(2).all(|two| two[0].end == two[1].start));
        let head = MAGIC.len() + format(100).len();
        let joined: Vec<u8> = parts.iter().flat_map(|s| s.bytes[head..].to_vec()).collect();
        assert_eq!(joined, whole[0].bytes[head..].to_vec());
    }

    #[test]
    fn what_is_open_at_the_end_is_left_for_the_next_time() {
        let mut events = vec![rotate("b.000001", 0), format(100)];
        events.extend(transactions(FORMAT_END, 2, 1000));
        let open = events.len() - 1;
        let found = cut(FIRST, 1 << 20, &events[..open]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].end, u64::from(FORMAT_END) + 67);
        let none = cut(500, 1 << 20, &[rotate("b.000001", 0), format(100)]);
        assert!(none.is_empty());
    }

    #[test]
    fn a_file_ends_with_its_rotation_or_with_the_next_file() {
        let end = FORMAT_END + 67;
        let begin = [vec![rotate("b.000001", 0), format(100)], transactions(FORMAT_END, 1, 9)];
        let next = [rotate("b.000002", 0), format(200)];
        let told = [begin.concat(), vec![rotate("b.000002", end + 39)], next.to_vec()].concat();
        let killed = [begin.concat(), next.to_vec()].concat();
        for (events, end) in [(told, end + 39), (killed, end)] {
            let found = cut(FIRST, 1 << 20, &events);
            let all: Vec<_> =
                found.iter().map(|s| (s.file.as_str(), s.created, s.is_last)).collect();
            assert_eq!(all, [("b.000001", 100, true), ("b.000002", 200, false)]);
            assert_eq!(found[0].end, u64::from(end));
        }
        let nothing = [vec![rotate("b.000001", 0), format(100)], next.to_vec()].concat();
        let found = cut(u64::from(end), 1 << 20, &nothing);
        assert_eq!(
            (found[0].start, found[0].end, found[0].is_last),
            (u64::from(end), u64::from(end), true)
        );
    }
}
