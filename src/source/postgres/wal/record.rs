//! What the records of the log say of moments: where transactions ended, and the names of restore
//! points.
//!
//! Reads segments one after another and carries a record over their ends; a record counts only with
//! its CRC. Knows no other record. What ends early (a switch to the next segment, a server that
//! died) is no error: the rest of that segment is unused.

use jiff::Timestamp;

use crate::source::postgres::wal::name::Lsn;
use crate::source::postgres::wal::page::{CONTINUES, Page, field};

/// Bytes of a record's own header.
const HEADER: usize = 24;

/// Longest record that is carried; longer ones are passed over.
const LONGEST: usize = 1 << 20;

/// The resource managers whose records are read, and what of their `info` is theirs.
const XLOG: u8 = 0;
const XACT: u8 = 1;
const OPERATION: u8 = 0x70;

/// Microseconds from 1970 to 2000, when PostgreSQL's time begins.
const EPOCH: i64 = 946_684_800_000_000;

/// A point that a recovery can end at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Where its record begins.
    pub at: Lsn,
    /// When it was, by the server's clock.
    pub time: Timestamp,
    /// What it is.
    pub what: What,
}

/// What a point is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A transaction that was committed.
    Commit(u32),
    /// One that was rolled back.
    Abort(u32),
    /// A restore point.
    Named(String),
}

/// Reads records over the ends of pages and segments.
#[derive(Debug, Default)]
pub struct Walk {
    /// What is known of a record that goes on.
    record: Vec<u8>,
    /// Its length, and where it began.
    open: Option<(usize, Lsn)>,
    /// Where the next segment must begin for it to go on.
    next: Option<u64>,
}

impl Walk {
    /// Reads a segment that begins at `start`, in pages of `page` bytes.
    pub fn segment(&mut self, bytes: &[u8], start: Lsn, page: usize, take: &mut dyn FnMut(Point)) {
        if self.next != Some(start.0) {
            self.open = None;
        }
        self.next = Some(start.0 + bytes.len() as u64);
        for (index, bytes) in bytes.chunks(page.max(HEADER)).enumerate() {
            let address = start.0 + (index * page) as u64;
            if self.page(bytes, address, take).is_none() {
                // Nothing goes on behind an end.
                self.open = None;
                return;
            }
        }
    }

    /// Reads a page; `None` where the log ends.
    fn page(&mut self, bytes: &[u8], address: u64, take: &mut dyn FnMut(Point)) -> Option<()> {
        let page = Page::read(bytes)?;
        if page.address != address || page.magic == 0 {
            return None;
        }
        let mut at = page.header();
        if page.info & CONTINUES == 0 {
            self.open = None;
        } else {
            let rest = page.rest as usize;
            let here = rest.min(bytes.len().saturating_sub(at));
            self.go_on(bytes.get(at..at + here)?, rest - here, take);
            if rest > here {
                return Some(());
            }
            at = aligned(at + here);
        }
        while at + 8 <= bytes.len() {
            let total = u32::from_ne_bytes(field(bytes, at)?) as usize;
            if total < HEADER {
                return None;
            }
            let here = total.min(bytes.len() - at);
            self.record.clear();
            self.open = Some((total, Lsn(address + at as u64)));
            self.go_on(&bytes[at..at + here], total - here, take);
            at = aligned(at + here);
        }
        Some(())
    }

    /// Takes more of the record that is open; `left` bytes of it are still to come.
    fn go_on(&mut self, bytes: &[u8], left: usize, take: &mut dyn FnMut(Point)) {
        let Some((total, at)) = self.open else { return };
        if total <= LONGEST {
            self.record.extend_from_slice(bytes);
        }
        if left > 0 {
            return;
        }
        self.open = None;
        if self.record.len() == total
            && let Some(point) = point(&self.record, at)
        {
            take(point);
        }
        self.record.clear();
    }
}

fn aligned(at: usize) -> usize {
    (at + 7) & !7
}

/// The point of a record, if it is one.
fn point(record: &[u8], at: Lsn) -> Option<Point> {
    let (info, manager) = (*record.get(16)?, *record.get(17)?);
    let operation = info & OPERATION;
    let is_end = manager == XACT && matches!(operation, 0x00 | 0x20 | 0x30 | 0x40);
    let is_named = manager == XLOG && info & 0xF0 == 0x70;
    if !(is_end || is_named) || !is_whole(record)? {
        return None;
    }
    let xid = u32::from_ne_bytes(field(record, 4)?);
    let data = main_data(record)?;
    let micros = i64::from_ne_bytes(field(data, 0)?);
    let time = Timestamp::from_microsecond(micros.checked_add(EPOCH)?).ok()?;
    let what = match (is_named, operation) {
        (true, _) => {
            let name = data.get(8..)?.split(|byte| *byte == 0).next()?;
            What::Named(String::from_utf8_lossy(name).into_owned())
        }
        (false, 0x00 | 0x30) => What::Commit(xid),
        (false, _) => What::Abort(xid),
    };
    Some(Point { at, time, what })
}

/// Whether the CRC of a record is right: over what follows the header, then over the header.
fn is_whole(record: &[u8]) -> Option<bool> {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(record.get(HEADER..)?);
    digest.update(record.get(..20)?);
    Some(digest.finalize() as u32 == u32::from_ne_bytes(field(record, 20)?))
}

/// What a record says that is about no block of a table.
fn main_data(record: &[u8]) -> Option<&[u8]> {
    let mut at = HEADER;
    let length = loop {
        let id = *record.get(at)?;
        at += 1;
        match id {
            255 => break usize::from(*record.get(at)?),
            254 => break u32::from_ne_bytes(field(record, at)?) as usize,
            // The origin of replication, and the transaction above.
            253 => at += 2,
            252 => at += 4,
            _ => return None,
        }
    };
    record.get(record.len().checked_sub(length)?..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::postgres::wal::page::tests::segment;

    /// A record with its CRC.
    fn record(manager: u8, info: u8, xid: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes.extend([255, data.len() as u8]);
        bytes.extend(data);
        let total = bytes.len() as u32;
        bytes[0..4].copy_from_slice(&total.to_ne_bytes());
        bytes[4..8].copy_from_slice(&xid.to_ne_bytes());
        (bytes[16], bytes[17]) = (info, manager);
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        digest.update(&bytes[HEADER..]);
        digest.update(&bytes[..20]);
        let crc = digest.finalize() as u32;
        bytes[20..24].copy_from_slice(&crc.to_ne_bytes());
        bytes
    }

    fn micros(time: &str) -> [u8; 8] {
        (time.parse::<Timestamp>().expect("a moment").as_microsecond() - EPOCH).to_ne_bytes()
    }

    /// Writes records one after another over the pages of segments.
    fn lay(records: &[Vec<u8>], count: u64) -> Vec<Vec<u8>> {
        let mut segments: Vec<Vec<u8>> = (0..count).map(|n| segment(1, n + 1, 7).1).collect();
        let (size, page) = (1 << 20, 8192);
        let mut at = 40;
        for record in records {
            let (mut left, mut first) = (record.as_slice(), true);
            while !left.is_empty() {
                let within = at % page;
                if within == 0 {
                    let own = &mut segments[at / size];
                    let place = at % size;
                    let header = if place == 0 { 40 } else { 24 };
                    own[place..place + 2].copy_from_slice(&0xD110_u16.to_ne_bytes());
                    let info = if header == 40 { 2_u16 } else { 0 } | u16::from(!first);
                    own[place + 2..place + 4].copy_from_slice(&info.to_ne_bytes());
                    own[place + 4..place + 8].copy_from_slice(&1_u32.to_ne_bytes());
                    let address = (1 << 20) + at as u64;
                    own[place + 8..place + 16].copy_from_slice(&address.to_ne_bytes());
                    let rest = if first { 0 } else { left.len() as u32 };
                    own[place + 16..place + 20].copy_from_slice(&rest.to_ne_bytes());
                    at += header;
                }
                let room = (page - at % page).min(left.len());
                segments[at / size][at % size..at % size + room].copy_from_slice(&left[..room]);
                (at, left, first) = (at + room, &left[room..], false);
            }
            at = aligned(at);
        }
        segments
    }

    fn read(segments: &[Vec<u8>]) -> Vec<Point> {
        let (mut walk, mut found) = (Walk::default(), Vec::new());
        for (index, bytes) in segments.iter().enumerate() {
            let start = Lsn((index as u64 + 1) << 20);
            walk.segment(bytes, start, 8192, &mut |point| found.push(point));
        }
        found
    }

    #[test]
    fn ends_of_transactions_and_names_are_found_over_pages_and_segments() {
        let time = "2026-03-01T12:00:00.000001Z";
        let mut records = Vec::new();
        for xid in 0..40_000_u32 {
            records.push(record(10, 0, xid, &[7; 60]));
            if xid % 1000 == 0 {
                records.push(record(XACT, 0x80, xid, &[&micros(time)[..], &[0; 9]].concat()));
            }
        }
        records.push(record(XACT, 0x20, 5, &micros(time)));
        let mut named = [&micros(time)[..], b"before deploy"].concat();
        named.resize(72, 0);
        records.push(record(XLOG, 0x70, 0, &named));
        let found = read(&lay(&records, 5));
        let commits = found.iter().filter(|p| matches!(p.what, What::Commit(_))).count();
        assert_eq!(commits, 40);
        assert!(found.iter().all(|p| p.time.to_string() == time));
        let last: Vec<&What> = found.iter().rev().take(2).map(|p| &p.what).collect();
        assert_eq!(last, [&What::Named("before deploy".into()), &What::Abort(5)]);
        assert!(found.is_sorted_by_key(|p| p.at));
    }

    #[test]
    fn a_record_with_a_wrong_crc_is_none_and_what_follows_a_gap_is_not_joined() {
        let time = micros("2026-03-01T12:00:00Z");
        let mut bad = record(XACT, 0, 9, &time);
        bad[30] ^= 1;
        let found = read(&lay(&[bad, record(XACT, 0, 10, &time)], 1));
        assert_eq!(found.iter().map(|p| p.what.clone()).collect::<Vec<_>>(), [What::Commit(10)]);
        let long: Vec<Vec<u8>> =
            (0..12_000).map(|_| record(XACT, 0, 3, &[&time[..], &[0; 200]].concat())).collect();
        let whole = lay(&long, 3);
        let (all, cut) =
            (read(&whole).len(), read(&[whole[0].clone(), Vec::new(), whole[2].clone()]).len());
        assert!(cut < all && cut > all / 2, "{cut} of {all}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..9000), at in 0_usize..9000, value: u8) {
            let mut walk = Walk::default();
            walk.segment(&bytes, Lsn(1 << 20), 8192, &mut |_| ());
            let mut whole = lay(&[record(XACT, 0, 1, &[0; 200]), record(XACT, 0, 2, &[0; 100])], 1).remove(0);
            whole[at] = value;
            walk.segment(&whole, Lsn(1 << 20), 8192, &mut |_| ());
        }
    }
}
