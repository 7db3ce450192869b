//! Entries become one object, cut into equal parts.
//!
//! One thread. Invariants: entries of *before* come first and in order, then *data*, in any order
//! but the chunks of one member as they were read, so that a file's chunks concatenate to the file;
//! then *after* in order; the manifest is the last entry; hash and offsets are of the bytes as they
//! are sent. Knows no store.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::artifact::{Directory, EntryLine, ObjectLine, Phase, Pressed, Proof};
use crate::base::Stop;
use crate::pipeline::pool::{Permit, Pool, Spare};
use crate::pipeline::shape::part_size;
use crate::pipeline::stage::Error;

/// A pressed chunk on its way into the object.
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Index of its member.
    pub member: usize,
    /// Its number among the entries of its member.
    pub number: u32,
    /// When it is restored.
    pub phase: Phase,
    /// Its place in an ordered phase.
    pub order: u64,
    /// Length before compression.
    pub raw: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Rows in it.
    pub rows: Option<Proof>,
    /// Its bytes.
    pub pressed: Pressed,
    /// The right to exist; given back once the entry is in its part.
    pub _permit: Option<Permit>,
}

/// What the join hears.
pub enum Message {
    /// An entry.
    Entry(Box<Entry>),
    /// All of a phase was read: so many entries.
    End(Phase, u64),
}

/// A part on its way to every store.
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// Where it stands in the object.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where its buffer goes when it is sent.
    spare: Spare,
    /// The right to exist.
    _permit: Permit,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.spare.give(std::mem::take(&mut self.bytes));
    }
}

/// Appends entries and cuts parts.
pub struct Join<'a> {
    directory: Directory,
    lines: Vec<EntryLine>,
    hash: Sha256,
    length: u64,
    first_part: u64,
    current: Option<Part>,
    parts: u32,
    pool: &'a Pool,
    /// Buffers of parts, and of entries.
    spares: (Spare, &'a Spare),
    send: &'a mut dyn FnMut(Part) -> Result<(), Error>,
    stop: &'a Stop,
    /// Entries that came before their turn.
    early: BTreeMap<(Phase, u64), Box<Entry>>,
    /// Data that waits for the end of *before*, or for an earlier chunk of its member (which is
    /// being pressed: it had its permit first, so nothing waits for room that it takes itself).
    held: BTreeMap<(usize, u32), Box<Entry>>,
    /// The next chunk of each member.
    next: BTreeMap<usize, u32>,
    written: [u64; 3],
    expected: [Option<u64>; 3],
}

/// The object as it was written.
pub struct Joined {
    /// Its entries.
    pub entries: Vec<EntryLine>,
    /// Its size and hash.
    pub object: ObjectLine,
}

impl<'a> Join<'a> {
    /// Begins an object whose parts go to `send`; the buffers of entries that are written go to
    /// `spare`.
    pub fn new(
        first_part: u64,
        pool: &'a Pool,
        spare: &'a Spare,
        send: &'a mut dyn FnMut(Part) -> Result<(), Error>,
        stop: &'a Stop,
    ) -> Join<'a> {
        Join {
            directory: Directory::default(),
            lines: Vec::new(),
            hash: Sha256::new(),
            length: 0,
            first_part,
            current: None,
            parts: 0,
            pool,
            spares: (Spare::new(pool.size(), 2 * first_part as usize), spare),
            send,
            stop,
            early: BTreeMap::new(),
            held: BTreeMap::new(),
            next: BTreeMap::new(),
            written: [0; 3],
            expected: [None; 3],
        }
    }

    /// Takes a message; says whether all phases are complete.
    pub fn take(&mut self, message: Message) -> Result<bool, Error> {
        match message {
            Message::End(phase, count) => self.expected[phase as usize] = Some(count),
            Message::Entry(entry) if entry.phase == Phase::Data => {
                self.held.insert((entry.member, entry.number), entry);
            }
            Message::Entry(entry) => {
                self.early.insert((entry.phase, entry.order), entry);
            }
        }
        self.advance(Phase::Before)?;
        if self.complete(Phase::Before) {
            self.release()?;
            if self.complete(Phase::Data) {
                self.advance(Phase::After)?;
            }
        }
        Ok([Phase::Before, Phase::Data, Phase::After].into_iter().all(|p| self.complete(p)))
    }

    fn complete(&self, phase: Phase) -> bool {
        self.expected[phase as usize] == Some(self.written[phase as usize])
    }

    fn advance(&mut self, phase: Phase) -> Result<(), Error> {
        while let Some(entry) = self.early.remove(&(phase, self.written[phase as usize])) {
            self.append(*entry)?;
        }
        Ok(())
    }

    /// Appends the data whose turn it is.
    fn release(&mut self) -> Result<(), Error> {
        let members: BTreeSet<usize> = self.held.keys().map(|(member, _)| *member).collect();
        for member in members {
            while let Some(entry) =
                self.held.remove(&(member, *self.next.entry(member).or_default()))
            {
                self.next.insert(member, entry.number + 1);
                self.append(*entry)?;
            }
        }
        Ok(())
    }

    fn append(&mut self, entry: Entry) -> Result<(), Error> {
        self.written[entry.phase as usize] += 1;
        let offset = self.directory.add(&entry.pressed);
        self.lines.push(EntryLine {
            name: entry.name,
            member: entry.member,
            number: entry.number,
            offset,
            stored: entry.pressed.bytes.len() as u64,
            raw: entry.raw,
            sha256: entry.sha256,
            rows: entry.rows,
        });
        self.write(&entry.pressed.bytes)?;
        self.spares.1.give(entry.pressed.bytes);
        Ok(())
    }

    /// The entries so far.
    pub fn lines(&self) -> &[EntryLine] {
        &self.lines
    }

    /// Appends the manifest and the directory, and sends the last part.
    pub fn finish(mut self, manifest: &Pressed) -> Result<Joined, Error> {
        self.directory.add(manifest);
        self.write(&manifest.bytes)?;
        let directory = std::mem::take(&mut self.directory).finish();
        self.write(&directory)?;
        let tail =
            hex(&Sha256::new().chain_update(&manifest.bytes).chain_update(&directory).finalize());
        if let Some(part) = self.current.take() {
            (self.send)(part)?;
        }
        let sha256 = hex(&self.hash.finalize());
        Ok(Joined { entries: self.lines, object: ObjectLine { bytes: self.length, sha256, tail } })
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        while !bytes.is_empty() {
            let mut part = match self.current.take() {
                Some(part) => part,
                None => {
                    let permit = self.pool.take(self.stop)?;
                    self.parts += 1;
                    let bytes = self.spares.0.take(part_size(self.first_part, self.parts) as usize);
                    let spare = self.spares.0.clone();
                    Part { number: self.parts, offset: self.length, bytes, spare, _permit: permit }
                }
            };
            let size = part_size(self.first_part, part.number) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(size - part.bytes.len()));
            part.bytes.extend_from_slice(now);
            self.length += now.len() as u64;
            bytes = later;
            if part.bytes.len() == size { (self.send)(part)? } else { self.current = Some(part) }
        }
        Ok(())
    }
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Method, press};

    fn entry(phase: Phase, order: u64) -> Message {
        let name = format!("{phase:?}{order}");
        let pressed =
            press(&name, name.as_bytes(), Method::Store, None, Vec::new()).expect("pressed");
        Message::Entry(Box::new(Entry {
            member: 0,
            number: order as u32,
            phase,
            order,
            raw: name.len() as u64,
            name,
            sha256: String::new(),
            rows: None,
            pressed,
            _permit: None,
        }))
    }

    #[test]
    fn before_comes_first_then_data_then_after_each_in_order() {
        let (pool, spare, stop) = (Pool::new(100), Spare::new(2, 1 << 20), Stop::new());
        let mut sent = Vec::new();
        let mut send = |part: Part| {
            assert_eq!(part.offset as usize, sent.len());
            sent.extend_from_slice(&part.bytes);
            Ok(())
        };
        let mut join = Join::new(64, &pool, &spare, &mut send, &stop);
        let feed = [
            entry(Phase::After, 0),
            entry(Phase::Data, 1),
            entry(Phase::Before, 1),
            Message::End(Phase::Before, 2),
            entry(Phase::Data, 0),
            Message::End(Phase::Data, 2),
            Message::End(Phase::After, 1),
        ];
        for message in feed {
            assert!(!join.take(message).expect("joined"));
        }
        assert!(join.take(entry(Phase::Before, 0)).expect("joined"));
        let names: Vec<String> = join.lines().iter().map(|l| l.name.clone()).collect();
        assert_eq!(names, ["Before0", "Before1", "Data0", "Data1", "After0"]);
        let manifest = press("m", b"{}", Method::Store, None, Vec::new()).expect("pressed");
        let joined = join.finish(&manifest).expect("finished");
        assert_eq!(joined.object.bytes as usize, sent.len());
        assert_eq!(joined.object.sha256, hex(&Sha256::digest(&sent)));
        assert_eq!(zip::ZipArchive::new(std::io::Cursor::new(sent)).expect("an archive").len(), 6);
    }
}
