//! A file of a server's log goes into every store of its `wal` step, for `archive_command`.
//!
//! Invariants: the server is told that a file is safe only once every store that is not optional
//! has it whole; the same file twice is fine, another file of the same name is refused with both
//! digests and nothing is written over; nothing is ever dropped to save room, the server keeps what
//! could not be sent. While one file is on its way the next ones go beside it, and what was sent so
//! is marked in the state folder, with its digest and where it went: a mark is no proof for another
//! file or another list of stores.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use sha2::{Digest, Sha256};

use crate::artifact::{Sealing, hex};
use crate::base::Stop;
use crate::plan::{LogCopy, Wal};
use crate::recover::{Fault, WalStored, open_to_write, put_wal, system_near};
use crate::source::wal::{WalName, check_first_page, check_segment, parse_history};
use crate::step::sealing::sealing;
use crate::world::World;

/// How many files are sent at once.
const AT_ONCE: usize = 4;

/// Largest segment that others are sent beside.
const LARGEST_BESIDE: u64 = 64 << 20;

/// What was done with a file.
#[derive(Debug, Default)]
pub struct Pushed {
    /// What somebody should know: stores that may fail and did.
    pub remarks: Vec<String>,
}

/// A file of the log, read and checked.
struct File {
    name: WalName,
    system: String,
    bytes: Vec<u8>,
    digest: String,
}

/// What a push works with.
struct Push<'a> {
    wal: &'a Wal,
    seal: Option<Sealing>,
    world: &'a World,
    stop: &'a Stop,
}

/// Sends the file at `path`, and those that wait behind it.
pub fn push(wal: &Wal, path: &Path, world: &World, stop: &Stop) -> Result<Pushed, Fault> {
    let file = read(path)?;
    let marks = marks(wal, &file.system, world);
    if takes_mark(&marks, &file) {
        return Ok(Pushed::default());
    }
    let seal = sealing(&wal.archive, stop)?;
    let push = Push { wal, seal, world, stop };
    let beside = beside(path, &file);
    thread::scope(|scope| {
        for next in &beside {
            scope.spawn(|| push.send_ahead(next, &file.system, &marks));
        }
        push.send(&file)
    })
}

impl Push<'_> {
    /// Sends a file into all stores at once.
    fn send(&self, file: &File) -> Result<Pushed, Fault> {
        let sent: Vec<(&LogCopy, Result<WalStored, Fault>)> = thread::scope(|scope| {
            let copies = self.wal.copies.iter();
            let own: Vec<_> =
                copies.map(|copy| (copy, scope.spawn(|| self.send_to(copy, file)))).collect();
            own.into_iter()
                .map(|(copy, own)| (copy, own.join().unwrap_or_else(|_| Err(panicked()))))
                .collect()
        });
        let (mut pushed, mut failed, mut kept) = (Pushed::default(), None, false);
        let mut last = None;
        for (copy, result) in sent {
            match result {
                Ok(WalStored::New | WalStored::Same) => kept = true,
                Err(fault) if copy.optional => {
                    pushed.remarks.push(format!(
                        "{} is not in the optional store {}: {}",
                        file.name,
                        copy.store.name,
                        fault.line()
                    ));
                    last = Some(fault);
                }
                Err(fault) => failed = failed.or(Some(fault)),
            }
        }
        // What is in no store is not safe, optional or not.
        failed.or(last.filter(|_| !kept)).map_or(Ok(pushed), Err)
    }

    fn send_to(&self, copy: &LogCopy, file: &File) -> Result<WalStored, Fault> {
        let store = open_to_write(&copy.store.spec, &copy.store.trust, self.world, self.stop)?;
        let place = (copy.root.as_str(), self.wal.source.name.as_str(), file.system.as_str());
        let seal = (self.wal.archive.method, self.seal.as_ref());
        put_wal(store.as_ref(), place, (file.name, &file.bytes), seal, self.world, self.stop)
    }

    /// Sends a file that the server will ask for next, and marks it. What goes wrong is told when it
    /// is asked for.
    fn send_ahead(&self, path: &Path, system: &str, marks: &Path) {
        let Ok(file) = read(path) else { return };
        let mark = mark(marks, file.name);
        if file.system != system || mark.exists() {
            return;
        }
        if self.send(&file).is_ok_and(|pushed| pushed.remarks.is_empty()) {
            // Without a mark it is sent again, which the stores recognise.
            drop(write_mark(&mark, &file.digest));
        }
    }
}

fn panicked() -> Fault {
    Fault::Nothing {
        doing: "send a file of the log".into(),
        found: "BUG: a panic".into(),
        hint: None,
    }
}

/// Reads a file of the log, and checks that it is what its name says.
fn read(path: &Path) -> Result<File, Fault> {
    let doing = || format!("keep the file {} of a log", path.display());
    let nothing = |found: String| Fault::Nothing { doing: doing(), found, hint: None };
    let text = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = WalName::parse(text)
        .ok_or_else(|| nothing("its name is none that PostgreSQL archives".into()))?;
    let bytes = fs::read(path).map_err(|e| nothing(e.to_string()))?;
    let near = system_near(path);
    let facts = match name {
        WalName::Segment(segment) => Some(check_segment(segment, &bytes).map_err(nothing)?),
        WalName::Partial(segment) => Some(check_first_page(segment, &bytes).map_err(nothing)?),
        WalName::History(timeline) => {
            parse_history(timeline, &bytes).map_err(nothing)?;
            None
        }
        WalName::Backup(..) => None,
    };
    let system = match (facts.map(|facts| facts.system), near) {
        (Some(own), Some(near)) if own != near => {
            return Err(nothing(format!("it is of the cluster {own}, and this one is {near}")));
        }
        (Some(own), _) => own,
        (None, Some(near)) => near,
        (None, None) => {
            return Err(nothing(
                "no global/pg_control beside it says which cluster it is of".into(),
            ));
        }
    };
    let digest = hex(&Sha256::digest(&bytes));
    Ok(File { name, system, bytes, digest })
}

/// The next segments that wait to be archived.
fn beside(path: &Path, file: &File) -> Vec<PathBuf> {
    if file.name.segment().is_none() || file.bytes.len() as u64 > LARGEST_BESIDE {
        return Vec::new();
    }
    let Some(folder) = path.parent() else { return Vec::new() };
    let Ok(entries) = fs::read_dir(folder.join("archive_status")) else { return Vec::new() };
    let ready = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        WalName::parse(name.strip_suffix(".ready")?)
    };
    let mut names: Vec<WalName> = entries.filter_map(ready).collect();
    names.retain(|name| name.segment().is_some() && *name > file.name);
    names.sort_unstable();
    names.truncate(AT_ONCE - 1);
    names.into_iter().map(|name| folder.join(name.to_string())).collect()
}

/// The folder of the marks of a cluster for these stores.
fn marks(wal: &Wal, system: &str, world: &World) -> PathBuf {
    let mut digest = Sha256::new();
    for copy in &wal.copies {
        digest.update(format!("{:?}{}{}\0", copy.store.spec, copy.root, copy.optional));
    }
    digest.update(&wal.source.name);
    let stores = hex(&digest.finalize()[..8]);
    world.state.join("wal-sent").join(format!("{system}-{stores}"))
}

fn mark(marks: &Path, name: WalName) -> PathBuf {
    marks.join(name.to_string())
}

/// Whether the very same file was sent before; its mark has done its work.
fn takes_mark(marks: &Path, file: &File) -> bool {
    let path = mark(marks, file.name);
    let Ok(text) = fs::read_to_string(&path) else { return false };
    // A mark that stays says the same again.
    drop(fs::remove_file(&path));
    text.trim_end() == file.digest
}

fn write_mark(path: &Path, digest: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // A mark that a crash cut off has another digest.
    fs::write(path, digest)
}
