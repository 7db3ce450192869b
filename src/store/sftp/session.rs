//! Files of a server over one connection: opened, read, written, listed, named.
//!
//! Knows paths, not keys. A status of the server becomes an error of the contract; a taken name
//! answers only *failure*, so whoever must tell looks.

use std::collections::VecDeque;

use crate::base::Stop;
use crate::store::contract::{Error, ErrorKind, Result};
use crate::store::sftp::packet::{Attributes, Body, Reader, ask, code, open, tell};
use crate::store::sftp::pump::{Answer, Coming, Pump};

/// Bytes of one read or write: every server takes so many.
const SLICE: usize = 32 << 10;

/// Reads and writes that are under way at once.
const IN_FLIGHT: usize = 32;

/// The extension by which a file is made durable.
const FSYNC: &[u8] = b"fsync@openssh.com";

/// A connection that has begun.
pub struct Session {
    pump: Pump,
    /// Whether files can be made durable.
    pub syncs: bool,
}

/// An open file or folder.
#[derive(Clone)]
pub struct Handle(Vec<u8>);

/// What stands in a folder: its name and what is told of it.
pub type Named = (String, Attributes);

impl Session {
    /// Connects.
    pub fn open(words: &[String], doing: &str, stop: &Stop) -> Result<Session> {
        let pump = Pump::start(words, doing)?;
        let coming = pump.begin(ask::INIT, Body::default().u32(3), doing, stop)?;
        let (kind, body) = pump.wait(&coming, doing, stop)?;
        let mut reader = Reader(&body);
        let version = reader.u32();
        if kind != tell::VERSION || version.is_none_or(|version| version < 3) {
            return Err(Error::new(ErrorKind::Failed, doing, "the server speaks no SFTP 3"));
        }
        let mut syncs = false;
        while let (Some(name), Some(_)) = (reader.bytes(), reader.bytes()) {
            syncs |= name == FSYNC;
        }
        Ok(Session { pump, syncs })
    }

    /// Whether the connection has ended.
    pub fn has_ended(&self) -> bool {
        self.pump.has_ended()
    }

    fn ask(&self, kind: u8, body: Body, doing: &str, stop: &Stop) -> Result<Answer> {
        let coming = self.pump.send(kind, body, doing, stop)?;
        self.pump.wait(&coming, doing, stop)
    }

    /// Asks for something that is done or not.
    fn done(&self, kind: u8, body: Body, doing: &str, stop: &Stop) -> Result<()> {
        let answer = self.ask(kind, body, doing, stop)?;
        status(&answer, doing)
    }

    /// Opens a file to read it.
    pub fn open_file(&self, path: &str, doing: &str, stop: &Stop) -> Result<Handle> {
        let body = Body::default().bytes(path.as_bytes()).u32(open::READ).no_attributes();
        handle(&self.ask(ask::OPEN, body, doing, stop)?, doing)
    }

    /// Makes a file, which must not be there, for its owner only.
    pub fn make_file(&self, path: &str, doing: &str, stop: &Stop) -> Result<Handle> {
        let how = open::WRITE | open::CREATE | open::EXCLUSIVE;
        let body = Body::default().bytes(path.as_bytes()).u32(how).mode(0o600);
        handle(&self.ask(ask::OPEN, body, doing, stop)?, doing)
    }

    /// Closes what was opened.
    pub fn close(&self, handle: &Handle, doing: &str, stop: &Stop) -> Result<()> {
        self.done(ask::CLOSE, Body::default().bytes(&handle.0), doing, stop)
    }

    /// What is told of an open file.
    pub fn about(&self, handle: &Handle, doing: &str, stop: &Stop) -> Result<Attributes> {
        attributes(&self.ask(ask::FSTAT, Body::default().bytes(&handle.0), doing, stop)?, doing)
    }

    /// What is told of a path, links not followed; `None` where nothing is.
    pub fn look(&self, path: &str, doing: &str, stop: &Stop) -> Result<Option<Attributes>> {
        let answer = self.ask(ask::LSTAT, Body::default().bytes(path.as_bytes()), doing, stop)?;
        match attributes(&answer, doing) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a folder for its owner only; one that is there is fine.
    pub fn make_folder(&self, path: &str, doing: &str, stop: &Stop) -> Result<()> {
        let body = Body::default().bytes(path.as_bytes()).mode(0o700);
        match self.done(ask::MKDIR, body, doing, stop) {
            Err(error) if error.kind == ErrorKind::Failed => match self.look(path, doing, stop)? {
                Some(found) if found.is_folder() => Ok(()),
                Some(_) | None => Err(error),
            },
            done => done,
        }
    }

    /// Removes a file.
    pub fn remove(&self, path: &str, doing: &str, stop: &Stop) -> Result<()> {
        self.done(ask::REMOVE, Body::default().bytes(path.as_bytes()), doing, stop)
    }

    /// Gives a file another name, which must be free.
    pub fn rename(&self, from: &str, to: &str, doing: &str, stop: &Stop) -> Result<()> {
        let body = Body::default().bytes(from.as_bytes()).bytes(to.as_bytes());
        self.done(ask::RENAME, body, doing, stop)
    }

    /// Makes a file durable, where the server can.
    pub fn sync(&self, handle: &Handle, doing: &str, stop: &Stop) -> Result<()> {
        match self.syncs {
            true => {
                let body = Body::default().bytes(FSYNC).bytes(&handle.0);
                self.done(ask::EXTENDED, body, doing, stop)
            }
            false => Ok(()),
        }
    }

    /// All that stands in a folder; `None` where there is none.
    pub fn folder(&self, path: &str, doing: &str, stop: &Stop) -> Result<Option<Vec<Named>>> {
        let answer = self.ask(ask::OPENDIR, Body::default().bytes(path.as_bytes()), doing, stop)?;
        let handle = match handle(&answer, doing) {
            Ok(handle) => handle,
            Err(error) if error.kind == ErrorKind::Missing => return Ok(None),
            // A file in the place of a folder holds nothing.
            Err(error) if error.kind == ErrorKind::Failed => {
                return match self.look(path, doing, stop)? {
                    Some(found) if found.is_folder() => Err(error),
                    Some(_) | None => Ok(None),
                };
            }
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        loop {
            let body = Body::default().bytes(&handle.0);
            let (kind, body) = self.ask(ask::READDIR, body, doing, stop)?;
            if kind != tell::NAME {
                match status(&(kind, body), doing) {
                    Err(error) if error.kind == ErrorKind::Missing => break,
                    other => other?,
                }
                break;
            }
            let all = names(&body).ok_or_else(|| garbled(doing))?;
            found.extend(all);
        }
        self.close(&handle, doing, stop)?;
        Ok(Some(found))
    }

    /// Reads a range of an open file, which must have it.
    pub fn read(
        &self,
        handle: &Handle,
        (from, end): (u64, u64),
        doing: &str,
        stop: &Stop,
    ) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut under_way: VecDeque<(u64, usize, Coming)> = VecDeque::new();
        let mut asked = from;
        loop {
            while asked < end && under_way.len() < IN_FLIGHT {
                let length = (end - asked).min(SLICE as u64) as usize;
                under_way.push_back((
                    asked,
                    length,
                    self.read_one(handle, asked, length, doing, stop)?,
                ));
                asked += length as u64;
            }
            let Some((at, length, coming)) = under_way.pop_front() else { return Ok(bytes) };
            let (mut at, mut left) = (at, length);
            let mut coming = coming;
            loop {
                let (kind, body) = self.pump.wait(&coming, doing, stop)?;
                if kind != tell::DATA {
                    let short =
                        || Error::new(ErrorKind::Damaged, doing, "the object became shorter");
                    return match status(&(kind, body), doing) {
                        Err(error) if error.kind == ErrorKind::Missing => Err(short()),
                        Err(error) => Err(error),
                        Ok(()) => Err(garbled(doing)),
                    };
                }
                let data = Reader(&body).bytes().filter(|d| !d.is_empty() && d.len() <= left);
                let data = data.ok_or_else(|| garbled(doing))?;
                bytes.extend_from_slice(data);
                (at, left) = (at + data.len() as u64, left - data.len());
                if left == 0 {
                    break;
                }
                // The server gave less than was asked for.
                coming = self.read_one(handle, at, left, doing, stop)?;
            }
        }
    }

    fn read_one(
        &self,
        handle: &Handle,
        at: u64,
        length: usize,
        doing: &str,
        stop: &Stop,
    ) -> Result<Coming> {
        let body = Body::default().bytes(&handle.0).u64(at).u32(length as u32);
        self.pump.send(ask::READ, body, doing, stop)
    }

    /// Writes bytes at their place in an open file.
    pub fn write(
        &self,
        handle: &Handle,
        offset: u64,
        bytes: &[u8],
        doing: &str,
        stop: &Stop,
    ) -> Result<()> {
        let mut under_way: VecDeque<Coming> = VecDeque::new();
        let mut at = offset;
        for slice in bytes.chunks(SLICE) {
            if under_way.len() == IN_FLIGHT
                && let Some(coming) = under_way.pop_front()
            {
                status(&self.pump.wait(&coming, doing, stop)?, doing)?;
            }
            let body = Body::default().bytes(&handle.0).u64(at).bytes(slice);
            under_way.push_back(self.pump.send(ask::WRITE, body, doing, stop)?);
            at += slice.len() as u64;
        }
        for coming in under_way {
            status(&self.pump.wait(&coming, doing, stop)?, doing)?;
        }
        stop.check()?;
        Ok(())
    }
}

fn garbled(doing: &str) -> Error {
    Error::new(ErrorKind::Failed, doing, "the answer of the server makes no sense")
}

/// The error of a status; the end of a file or folder is *missing*.
fn status((kind, body): &Answer, doing: &str) -> Result<()> {
    let mut reader = Reader(body);
    let (Some(number), true) = (reader.u32(), *kind == tell::STATUS) else {
        return Err(garbled(doing));
    };
    let text = reader.bytes().map(String::from_utf8_lossy).unwrap_or_default();
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let kind = match number {
        code::OK => return Ok(()),
        code::EOF | code::NO_SUCH_FILE => ErrorKind::Missing,
        code::DENIED => ErrorKind::Denied,
        _ => ErrorKind::Failed,
    };
    let found = match (kind, text.trim()) {
        (ErrorKind::Missing, _) => "no such object".to_owned(),
        (_, "") => format!("the server answers with code {number}"),
        (_, text) => format!("the server answers: {text}"),
    };
    Err(Error::new(kind, doing, found))
}

fn handle((kind, body): &Answer, doing: &str) -> Result<Handle> {
    if *kind != tell::HANDLE {
        status(&(*kind, body.clone()), doing)?;
        return Err(garbled(doing));
    }
    let own = Reader(body).bytes().ok_or_else(|| garbled(doing))?;
    Ok(Handle(own.to_vec()))
}

fn attributes((kind, body): &Answer, doing: &str) -> Result<Attributes> {
    if *kind != tell::ATTRS {
        status(&(*kind, body.clone()), doing)?;
        return Err(garbled(doing));
    }
    Reader(body).attributes().ok_or_else(|| garbled(doing))
}

/// The names of an answer; those that are not UTF-8 are not ours.
fn names(body: &[u8]) -> Option<Vec<Named>> {
    let mut reader = Reader(body);
    let mut found = Vec::new();
    for _ in 0..reader.u32()? {
        let (name, _, about) = (reader.bytes()?, reader.bytes()?, reader.attributes()?);
        if let Ok(name) = std::str::from_utf8(name)
            && !matches!(name, "." | "..")
            && !name.contains('/')
        {
            found.push((name.to_owned(), about));
        }
    }
    Some(found)
}
