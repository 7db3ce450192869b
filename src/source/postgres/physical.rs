//! The files of a cluster as a snapshot: `pg_basebackup` writes tar files, vex cuts them into
//! entries.
//!
//! Of a cluster without further tablespaces nothing is staged: one tar file comes through a pipe,
//! WAL and manifest in it. With tablespaces the program insists on files: they are staged in a
//! private folder, uncompressed, the price of a second read and of the room.
//!
//! Invariants: a program that ends with another code than 0 is never a success; the tar file is
//! vex's to read, never to change: what is stored is what the server sent; without `backup_label`
//! and manifest there is no backup; a slot of vex's own session keeps the WAL until it is copied,
//! and goes with the session.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use postgres::Client;

use crate::artifact::{
    Kind, Member, Phase, Position, Proof, TakeTar, TarEntry, TarError, TarReader,
};
use crate::base::{Id, Stop};
use crate::job::Physical;
use crate::source::contract::{About, Error, ErrorKind, Out, Piece, Reading, Result, Snapshot};
use crate::source::postgres::basebackup::{MANIFEST, position, words};
use crate::source::postgres::config::{CLUSTER_FACTS, Config};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::program::Program;
use crate::source::postgres::server::Server;
use crate::source::program::{Bytes, Private, failed, follow, staged};

/// The unit of all members: a folder of the archive.
pub const UNIT: &str = "cluster";

/// The file without which no copy may be started.
pub const BACKUP_LABEL: &str = "backup_label";

/// A program that says nothing for this long while it stages is taken for dead: a large tablespace
/// takes a while.
const SILENCE: Duration = Duration::from_secs(6 * 3600);

/// What a member is read from.
enum Content {
    Bytes(Vec<u8>),
    /// What the program writes to its standard output.
    Stream,
    File(PathBuf),
    /// The manifest that was found in the stream.
    Record,
}

/// What the pieces of a snapshot are made of.
pub struct Parts {
    /// The server.
    pub server: Server,
    /// Its configuration.
    pub config: Config,
    /// The program.
    pub program: Program,
    /// How it works.
    pub physical: Physical,
    /// How the server is reached.
    pub connector: Connector,
    /// The private folder.
    pub private: Private,
    /// The backup that this one adds to, and the file with its manifest.
    pub parent: Option<(Id, PathBuf)>,
    /// What somebody must look at, and remarks for the log.
    pub about: About,
}

/// The files of a cluster.
pub struct PhysicalSnapshot {
    parts: Parts,
    /// Guards the session that holds the slot.
    client: Mutex<Option<Client>>,
    members: Vec<Member>,
    contents: Vec<Content>,
    reading: Reading,
    about: About,
    /// The manifest, once it is known.
    record: OnceLock<Vec<u8>>,
    position: OnceLock<Position>,
}

impl PhysicalSnapshot {
    /// Stages what must be staged; a stream begins when it is read.
    pub fn take(
        parts: Parts,
        client: Client,
        reading: Reading,
        stop: &Stop,
    ) -> Result<PhysicalSnapshot> {
        let (facts, files) = (&parts.config.facts, &parts.config.files);
        let mut all = vec![(file(CLUSTER_FACTS, Phase::Before), Content::Bytes(facts.to_bytes()))];
        for (line, bytes) in facts.config.iter().zip(files) {
            all.push((file(&line.member, Phase::Before), Content::Bytes(bytes.clone())));
        }
        let mut about = About {
            version: parts.server.version(),
            estimate: parts.server.bytes(),
            parent: parts.parent.as_ref().map(|(id, _)| id.clone()),
            ..parts.about.clone()
        };
        about.lacks(parts.config.lost.iter().cloned());
        about.not_included.extend(parts.config.left.iter().cloned());
        if !facts.checksums {
            about
                .not_included
                .push("a check of its pages: the cluster has data_checksums off".into());
        }
        let mut snapshot = PhysicalSnapshot {
            client: Mutex::new(Some(client)),
            about,
            members: Vec::new(),
            contents: Vec::new(),
            reading,
            record: OnceLock::new(),
            position: OnceLock::new(),
            parts,
        };
        if snapshot.parts.server.tablespaces.is_empty() {
            all.push((file("base.tar", Phase::Data), Content::Stream));
        } else {
            all.extend(snapshot.stage(stop)?);
        }
        all.push((file(MANIFEST, Phase::After), Content::Record));
        (snapshot.members, snapshot.contents) = all.into_iter().unzip();
        Ok(snapshot)
    }

    fn doing(&self) -> String {
        format!(
            "copy the files of {} with {}",
            self.parts.connector.place(),
            self.parts.program.title
        )
    }

    /// Runs the program into the private folder, and finds a tar file for each tablespace.
    fn stage(&mut self, stop: &Stop) -> Result<Vec<(Member, Content)>> {
        let doing = self.doing();
        self.parts.private.has_room(
            self.parts.server.bytes(),
            "or move the tablespaces into the data directory",
        )?;
        let folder = self.parts.private.path().join("files");
        let words =
            words(&self.parts.program, &self.parts.physical, Some(&folder), self.parent_file());
        let hear = self.reading.hear.clone();
        let run = self.parts.connector.copier(&words)?.stall(SILENCE);
        run.run(stop, &mut |line| hear(line)).map_err(|e| self.explain(failed(&doing, e), true))?;
        let io = |e: std::io::Error| Error::new(ErrorKind::Failed, &doing, e.to_string());
        self.note(std::fs::read(folder.join(MANIFEST)).map_err(io)?)?;
        let own = self.parts.server.tablespaces.iter().map(|t| format!("{}.tar", t.oid));
        let expected: Vec<String> = std::iter::once("base.tar".to_owned()).chain(own).collect();
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            found.insert(entry.file_name().to_string_lossy().into_owned(), entry.path());
        }
        found.remove(MANIFEST);
        if expected.iter().collect::<BTreeSet<_>>() != found.keys().collect() {
            let wrote: Vec<&str> = found.keys().map(String::as_str).collect();
            let text = format!(
                "it wrote {} where {} were expected",
                wrote.join(", "),
                expected.join(", ")
            );
            return Err(Error::new(ErrorKind::Busy, doing, text)
                .hint("A tablespace was made or dropped meanwhile; run it again."));
        }
        Ok(expected
            .iter()
            .map(|name| (file(name, Phase::Data), Content::File(found[name].clone())))
            .collect())
    }

    fn parent_file(&self) -> Option<&std::path::Path> {
        self.parts.parent.as_ref().map(|(_, path)| path.as_path())
    }

    /// Takes the manifest, and from it where the backup stands.
    fn note(&self, record: Vec<u8>) -> Result<()> {
        let position = position(&record, &self.parts.server.system)?;
        let fresh = self.position.set(position).is_ok() && self.record.set(record).is_ok();
        if fresh {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Damaged, self.doing(), "it wrote two manifests"))
        }
    }

    /// What to do where the program could not even begin.
    fn explain(&self, error: Error, early: bool) -> Error {
        if error.kind != ErrorKind::Failed || !early {
            return error;
        }
        let (role, port) = (&self.parts.server.role, self.parts.connector.port);
        error.hint(format!(
            "If it could not connect: pg_hba.conf of the server at port {port} needs a line such as `host replication {role} \
             ADDRESS scram-sha-256` (`local replication {role} …` for a socket), and max_wal_senders a free place."
        ))
    }

    /// Runs the program and cuts what it writes.
    fn stream(&self, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        let doing = self.doing();
        let words = words(&self.parts.program, &self.parts.physical, None, self.parent_file());
        let copier = self.parts.connector.copier(&words)?;
        out.waiting("the checkpoint with which the server begins its backup");
        let hear = self.reading.hear.clone();
        let mut cut = Cut::new(self.reading.chunk, out);
        let early = std::cell::Cell::new(true);
        let mut take = |bytes: &[u8]| {
            let taken =
                cut.push(bytes).map_err(|error| Error { doing: doing.as_str().into(), ..error });
            early.set(cut.notes.seen == 0);
            taken
        };
        let explain = |error| self.explain(failed(&doing, error), early.get());
        follow(copier, stop, &mut take, &mut |line| hear(line), &explain)?;
        let notes =
            cut.finish().map_err(|error| Error { doing: doing.as_str().into(), ..error })?;
        let record = notes.record.ok_or_else(|| {
            Error::new(ErrorKind::Damaged, doing, "what it wrote holds no manifest")
        })?;
        self.note(record)?;
        Ok(Proof::default())
    }

    /// A staged tar file, read once and then removed.
    fn file(
        &self,
        path: &std::path::Path,
        base: bool,
        out: &mut dyn Out,
        stop: &Stop,
    ) -> Result<Proof> {
        let mut cut = Cut::new(self.reading.chunk, out);
        cut.notes.label = !base;
        staged(path, stop, &mut |bytes| cut.push(bytes))?;
        cut.finish()?;
        Ok(Proof::default())
    }
}

/// A file of the artifact.
fn file(name: &str, phase: Phase) -> Member {
    Member::new(UNIT, name, Kind::File, phase)
}

/// What is kept of a tar file that passes by.
#[derive(Default)]
struct Notes {
    /// Files seen.
    seen: usize,
    /// Whether the label was among them.
    label: bool,
    /// Whether the manifest is passing now.
    open: bool,
    record: Option<Vec<u8>>,
}

impl TakeTar for Notes {
    type Error = Error;

    fn begin(&mut self, entry: &TarEntry) -> Result<()> {
        self.seen += 1;
        self.label |= entry.path.as_os_str() == BACKUP_LABEL;
        self.open = entry.path.as_os_str() == MANIFEST;
        if self.open {
            self.record = Some(Vec::new());
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if self.open {
            self.record.get_or_insert_default().extend_from_slice(bytes);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.open = false;
        Ok(())
    }
}

impl From<TarError> for Error {
    fn from(error: TarError) -> Error {
        Error::new(ErrorKind::Damaged, "read a tar file", error.to_string())
    }
}

/// Cuts a tar file into chunks while it is read.
struct Cut<'a> {
    notes: Notes,
    tar: TarReader,
    bytes: Bytes,
    out: &'a mut dyn Out,
}

impl<'a> Cut<'a> {
    fn new(chunk: usize, out: &'a mut dyn Out) -> Cut<'a> {
        Cut { notes: Notes::default(), tar: TarReader::new(), bytes: Bytes::new(chunk), out }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.tar.push(bytes, &mut self.notes)?;
        self.bytes.push(bytes, self.out)
    }

    fn finish(self) -> Result<Notes> {
        self.bytes.finish(self.out)?;
        self.tar.finish()?;
        if self.notes.label {
            return Ok(self.notes);
        }
        Err(Error::new(
            ErrorKind::Damaged,
            "read a tar file",
            format!("it holds no {BACKUP_LABEL}: it is no base backup"),
        ))
    }
}

impl Snapshot for PhysicalSnapshot {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn pieces(&self) -> Vec<Piece> {
        (0..self.members.len()).map(|member| Piece { member, number: 0 }).collect()
    }

    fn workers(&self) -> usize {
        1
    }

    fn read(&self, _worker: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        stop.check()?;
        let bytes = match &self.contents[piece.member] {
            Content::Stream => return self.stream(out, stop),
            Content::File(path) => {
                return self.file(path, self.members[piece.member].name == "base.tar", out, stop);
            }
            Content::Bytes(bytes) => bytes,
            Content::Record => self.record.get().expect("BUG: a manifest read before its backup"),
        };
        for part in bytes.chunks(self.reading.chunk) {
            let mut buffer = out.buffer()?;
            buffer.extend_from_slice(part);
            out.chunk(buffer, Proof::default())?;
        }
        Ok(Proof::default())
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        // The slot is needed no more.
        drop(self.client.lock().expect("no panic while locked").take());
        Ok(stop.check()?)
    }

    fn about(&self) -> About {
        About { position: self.position.get().cloned(), ..self.about.clone() }
    }
}
