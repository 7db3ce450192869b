//! Entries become one object, cut into equal parts.
//!
//! One thread. Invariants: entries of *before* come first and in order, then *data*, in any order
//! but the chunks of one member as they were read, so that a file's chunks concatenate to the file;
//! then *after* in order; the index is written as it grows, inside the container and beside it;
//! members, the texts for people and the head are the last entries; hash and offsets are of the
//! bytes as they are sent. Knows no store.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::artifact::{
    ContentsLine, Directory, ENTRY, EntryLine, Head, IndexLine, IndexWriter, Keys, Method,
    ObjectLine, Phase, Pressed, Proof, Totals, UnitSum, hex, readme,
};
use crate::base::Stop;
use crate::pipeline::index::{IndexMade, IndexOut};
use crate::pipeline::permits::{BufferPermit, BufferPool, Permits};
use crate::pipeline::shape::part_size;
use crate::pipeline::stage::Error;
use crate::store::contract as store;

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
    /// Keys of its first and last row.
    pub keys: Option<Keys>,
    /// The hash of the definition in it.
    pub definition: Option<String>,
    /// Its bytes.
    pub pressed: Pressed,
    /// The right to exist; given back once the entry is in its part.
    pub _permit: Option<BufferPermit>,
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
    buffers: BufferPool,
    /// The right to exist.
    _permit: BufferPermit,
}

impl Part {
    /// A part, by its number and where it stands.
    pub fn new(
        (number, offset): (u32, u64),
        bytes: Vec<u8>,
        buffers: BufferPool,
        permit: BufferPermit,
    ) -> Part {
        Part { number, offset, bytes, buffers, _permit: permit }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.buffers.give(std::mem::take(&mut self.bytes));
    }
}

/// Appends entries and cuts parts.
pub struct Join<'a> {
    directory: Directory,
    index: IndexWriter,
    index_out: IndexOut,
    hash: Sha256,
    /// Of the bytes that follow all entries that the index lists.
    tail: Option<Sha256>,
    length: u64,
    first_part: u64,
    current: Option<Part>,
    parts: u32,
    permits: &'a Permits,
    /// Buffers of parts, and of entries.
    buffers: (BufferPool, &'a BufferPool),
    send: &'a mut dyn FnMut(Part) -> Result<(), Error>,
    seal: &'a Seal<'a>,
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

/// Presses a text into an entry: name, then text.
pub type Seal<'a> = dyn Fn(&str, &[u8]) -> Result<Pressed, Error> + 'a;

/// What the end of an object needs.
pub struct Finish<'a> {
    /// Makes the head from the sums.
    pub head: &'a dyn Fn(Totals, Vec<UnitSum>) -> Head,
    /// How entries are pressed, for the texts.
    pub method: Method,
}

/// The object as it was written.
pub struct Joined {
    /// Its head, as it stands in it.
    pub head: Head,
    /// Its size and hash.
    pub object: ObjectLine,
    /// What is to be said of its index.
    pub index: IndexLine,
    /// The index of each copy.
    pub indexes: Vec<Result<IndexMade, store::Error>>,
}

impl<'a> Join<'a> {
    /// Begins an object whose parts go to `send`; the buffers of entries that are written go to
    /// `buffers`.
    pub fn new(
        first_part: u64,
        permits: &'a Permits,
        buffers: &'a BufferPool,
        send: &'a mut dyn FnMut(Part) -> Result<(), Error>,
        seal: &'a Seal<'a>,
        (index, index_out): (IndexWriter, IndexOut),
        stop: &'a Stop,
    ) -> Result<Join<'a>, Error> {
        Ok(Join {
            directory: Directory::new()?,
            index,
            index_out,
            hash: Sha256::new(),
            tail: None,
            length: 0,
            first_part,
            current: None,
            parts: 0,
            permits,
            buffers: (BufferPool::new(permits.size(), 2 * first_part as usize), buffers),
            send,
            seal,
            stop,
            early: BTreeMap::new(),
            held: BTreeMap::new(),
            next: BTreeMap::new(),
            written: [0; 3],
            expected: [None; 3],
        })
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
        let offset = self.directory.add(&entry.pressed)?;
        let line = EntryLine {
            name: entry.name,
            member: entry.member,
            number: entry.number,
            offset,
            stored: entry.pressed.bytes.len() as u64,
            raw: entry.raw,
            sha256: entry.sha256,
            rows: entry.rows,
            keys: entry.keys,
        };
        self.index.add(line, entry.definition);
        self.write(&entry.pressed.bytes)?;
        self.buffers.1.give(entry.pressed.bytes);
        if self.index.is_full() { self.close_frame() } else { Ok(()) }
    }

    /// Ends a frame of the index: its lines go into the container, then beside it.
    fn close_frame(&mut self) -> Result<(), Error> {
        let (name, text) = self.index.contents();
        let raw = text.len() as u64;
        let pressed = (self.seal)(&name, &text)?;
        let offset = self.directory.add(&pressed)?;
        self.write(&pressed.bytes)?;
        let frame = self.index.close(&ContentsLine {
            contents: name,
            offset,
            stored: pressed.bytes.len() as u64,
            raw,
            sha256: hex(&Sha256::digest(&pressed.bytes)),
        })?;
        self.index_out.write(&frame, self.stop);
        Ok(())
    }

    fn add_text(&mut self, name: &str, text: &[u8]) -> Result<(), Error> {
        let pressed = (self.seal)(name, text)?;
        self.directory.add(&pressed)?;
        self.write(&pressed.bytes)
    }

    /// Appends members, texts, head and directory, and sends the last part.
    pub fn finish(mut self, end: &Finish<'_>) -> Result<Joined, Error> {
        if !self.index.is_empty() {
            self.close_frame()?;
        }
        self.tail = Some(Sha256::new());
        let tail_from = self.length;
        let (totals, units) = self.index.sums();
        let head = (end.head)(totals, units);
        let (name, members) = self.index.members(&head.details());
        self.add_text(name, &members)?;
        let file = head.key.rsplit_once('/').map_or(head.key.as_str(), |(_, name)| name);
        let seal = head.seal.as_ref().map(|seal| seal.method.clone());
        let texts = readme(file, &head.kind, self.index.all(), end.method, seal.as_deref());
        for (name, text) in texts {
            self.add_text(name, text.as_bytes())?;
        }
        self.add_text(ENTRY, &head.to_bytes())?;
        let directory = self.length;
        let records = std::mem::replace(&mut self.directory, Directory::new()?);
        records.finish(&mut |bytes| self.write(bytes))?;
        if let Some(part) = self.current.take() {
            (self.send)(part)?;
        }
        let (last, index) = self.index.finish(&members)?;
        self.index_out.write(&last, self.stop);
        let sha256 = hex(&self.hash.finalize());
        let tail = hex(&self.tail.unwrap_or_default().finalize());
        let object = ObjectLine {
            key: head.key.clone(),
            bytes: self.length,
            sha256,
            tail,
            tail_from,
            directory,
        };
        Ok(Joined { head, object, index, indexes: self.index_out.finish(self.stop) })
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        if let Some(tail) = &mut self.tail {
            tail.update(bytes);
        }
        while !bytes.is_empty() {
            let mut part = match self.current.take() {
                Some(part) => part,
                None => {
                    let permit = self.permits.take(self.stop)?;
                    self.parts += 1;
                    let bytes =
                        self.buffers.0.take(part_size(self.first_part, self.parts) as usize);
                    let buffers = self.buffers.0.clone();
                    Part {
                        number: self.parts,
                        offset: self.length,
                        bytes,
                        buffers,
                        _permit: permit,
                    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Kind, Member, Method, press};

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
            keys: None,
            definition: None,
            pressed,
            _permit: None,
        }))
    }

    #[test]
    fn before_comes_first_then_data_then_after_each_in_order() {
        let (permits, buffers, stop) =
            (Permits::new(100), BufferPool::new(2, 1 << 20), Stop::new());
        let mut sent = Vec::new();
        let mut send = |part: Part| {
            assert_eq!(part.offset as usize, sent.len());
            sent.extend_from_slice(&part.bytes);
            Ok(())
        };
        let members = [Member::new("u", "", Kind::Settings, Phase::Before)];
        let seal = |name: &str, text: &[u8]| {
            press(name, text, Method::Store, None, Vec::new())
                .map_err(|e| Error::Press(name.to_owned(), e))
        };
        let index = (IndexWriter::new(&members, false), IndexOut::new(Vec::new()));
        let mut join =
            Join::new(64, &permits, &buffers, &mut send, &seal, index, &stop).expect("made");
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
        let head = |totals: Totals, units: Vec<UnitSum>| {
            assert_eq!((totals.entries, units.len()), (5, 1));
            let text = include_str!("../../tests/fixtures/head.json");
            let head = Head::parse(text.as_bytes()).expect("a head");
            Head { totals, units, objects: Vec::new(), index: None, ..head }
        };
        let finish = Finish { head: &head, method: Method::Store };
        let joined = join.finish(&finish).expect("finished");
        assert_eq!(joined.object.bytes as usize, sent.len());
        assert_eq!(joined.object.sha256, hex(&Sha256::digest(&sent)));
        let archive = zip::ZipArchive::new(std::io::Cursor::new(sent)).expect("an archive");
        let names: Vec<String> =
            archive.file_names().map(|n| n.expect("UTF-8").into_owned()).collect();
        let expected = [
            "Before0",
            "Before1",
            "Data0",
            "Data1",
            "After0",
            "index.00000.ndjson",
            "members.ndjson",
            "README.txt",
            "LEIA-ME.txt",
            "manifest.json",
        ];
        assert_eq!(names, expected);
    }
}
