//! A plain file of SQL becomes an archive again: every entry is read strictly before it goes in.
//!
//! Asks no server. Invariants: an entry whose bytes, rows or statements are not what the head of the
//! file says is an error, and then there is no archive.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::artifact::{Dialect, FORMAT, Head, Kind, Member, Method, Proof, Totals, UnitSum, hex};
use crate::base::Stop;
use crate::job::{DirSpec, StoreSpec};
use crate::library::plain::{self, Contents, Entry};
use crate::pipeline::{self, Backup, Copy, IndexMade, Meter, Shape};
use crate::source;
use crate::source::contract::{
    About, Error, ErrorKind, Out, Piece, Result as SourceResult, Snapshot,
};
use crate::store;
use crate::world::World;

/// The name of the archive.
const KEY: &str = "rebuilt.zip";

/// Bytes of a usual entry.
const CHUNK: usize = 1 << 20;

/// Largest entry that is read, in bytes: one huge row, or a claim.
const LARGEST: u64 = 4 << 30;

/// Makes an archive of a plain file, in a folder; returns its path.
pub fn archive(file: &Path, folder: &Path, world: &World, stop: &Stop) -> Result<PathBuf, String> {
    let (opened, from, contents) = plain::read(file)?;
    let dialect = source::dialect(&contents.head.kind).ok_or("BUG: a kind without SQL")?;
    let snapshot = PlainFile::new(opened, from, contents, dialect);
    let spec = StoreSpec::Dir(DirSpec { path: folder.to_path_buf(), mount: false });
    let store = store::open(&spec, world, stop).map_err(|error| error.to_string())?;
    let upload = store.create(KEY, stop).map_err(|error| error.to_string())?;
    let (index_store, inner) = (store.clone(), stop.clone());
    let index = Box::new(move || index_store.create("rebuilt.index", &inner));
    let head = |totals: Totals, units: Vec<UnitSum>| snapshot.head(totals, units);
    let estimate = snapshot.about().estimate;
    let shape = Shape::new(1, rayon::current_num_threads(), CHUNK, 1, estimate);
    let written = pipeline::backup(
        Backup {
            snapshot: &snapshot,
            method: Method::Zstd(1),
            seal: None,
            shape: shape.holding(snapshot.members().len()),
            rate: None,
            copies: vec![Copy { upload, lanes: 1, rate: None, index }],
            head: &head,
            meter: &Meter::default(),
        },
        stop,
    );
    let mut written = written.map_err(|error| format!("{}: {error}", file.display()))?;
    let made = written.copies.pop().ok_or("BUG: a backup without a copy")?;
    let made = made.map_err(|error| error.to_string())?;
    if let IndexMade::Sent(upload, _) = made.index {
        upload.abort().map_err(|error| error.to_string())?;
    }
    made.container.finish(written.object.bytes).map_err(|error| error.to_string())?;
    Ok(folder.join(KEY))
}

/// A plain file, as a view that is read.
struct PlainFile {
    file: File,
    head: Head,
    members: Vec<Member>,
    /// The entries of each member: where each begins, and what it is.
    entries: Vec<Vec<(u64, Entry)>>,
    dialect: Dialect,
}

impl PlainFile {
    fn new(file: File, from: u64, contents: Contents, dialect: Dialect) -> PlainFile {
        let Contents { head, members, entries } = contents;
        let mut own: Vec<Vec<(u64, Entry)>> = members.iter().map(|_| Vec::new()).collect();
        let mut at = from;
        for entry in entries {
            let raw = entry.raw;
            own[entry.member].push((at, entry));
            at += raw;
        }
        PlainFile { file, head, members, entries: own, dialect }
    }

    fn head(&self, totals: Totals, units: Vec<UnitSum>) -> Head {
        Head {
            format: FORMAT,
            needs: Vec::new(),
            key: KEY.to_owned(),
            seal: None,
            totals,
            units,
            cut: false,
            parent: None,
            objects: Vec::new(),
            index: None,
            ..self.head.clone()
        }
    }

    /// Reads an entry, and checks that it is what the head of the file says.
    fn entry(&self, member: &Member, at: u64, entry: &Entry) -> SourceResult<(Vec<u8>, Proof)> {
        let doing = || format!("read {} {}", member.kind.word(), member.title());
        let damaged = |found: String| Error::new(ErrorKind::Damaged, doing(), found);
        if entry.raw > LARGEST {
            return Err(damaged("an entry is larger than 4 GiB".into()));
        }
        let mut bytes = vec![0; entry.raw as usize];
        self.file.read_exact_at(&mut bytes, at).map_err(|error| damaged(error.to_string()))?;
        if hex(&Sha256::digest(&bytes)) != entry.sha256 {
            return Err(damaged("its bytes are not those that were written".into()));
        }
        let held = |name: &str| {
            let own = self.members.iter().filter(|m| m.unit == member.unit && m.name == name);
            own.clone().any(|m| matches!(m.kind, Kind::Table | Kind::View | Kind::Sequence))
        };
        if let Some(why) = source::objection(self.dialect, member, &bytes, &held) {
            return Err(damaged(format!("vex does not run it, {why}")));
        }
        let Some(expected) = entry.rows else { return Ok((bytes, Proof::default())) };
        let found = pipeline::digest(self.dialect, &bytes);
        let found = found.map_err(|error| damaged(error.to_string()))?;
        match found == expected {
            true => Ok((bytes, found)),
            false => Err(damaged("its rows are not those that were written".into())),
        }
    }
}

impl Snapshot for PlainFile {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn pieces(&self) -> Vec<Piece> {
        let own = self.entries.iter().enumerate().filter(|(_, entries)| !entries.is_empty());
        own.map(|(member, _)| Piece { member, number: 0 }).collect()
    }

    fn workers(&self) -> usize {
        1
    }

    fn read(&self, _: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> SourceResult<Proof> {
        let (member, mut sum) = (&self.members[piece.member], Proof::default());
        for (at, entry) in &self.entries[piece.member] {
            stop.check()?;
            let (bytes, proof) = self.entry(member, *at, entry)?;
            sum += proof;
            out.chunk(bytes, proof)?;
        }
        Ok(sum)
    }

    fn finish(&self, stop: &Stop) -> SourceResult<()> {
        Ok(stop.check()?)
    }

    fn about(&self) -> About {
        About {
            version: self.head.server.clone(),
            estimate: self.entries.iter().flatten().map(|(_, entry)| entry.raw).sum(),
            position: self.head.position.clone(),
            inconsistent: self.head.inconsistent.clone(),
            not_included: self.head.not_included.clone(),
            ..About::default()
        }
    }
}
