//! One plain file of SQL: a head in one comment, then the entries of a backup, one after the other.
//!
//! A client program of the database passes over the head. Invariant: the head says of every byte
//! that follows whose it is, how many there are, and what their hash is; a file that is anything
//! else is none of ours.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::artifact::{Head, Kind, Member, Phase, Proof, hex};
use crate::base::Stop;
use crate::pipeline::{self, ExportError, Fetch, Meter};
use crate::recover::{Picked, scripts};
use crate::source;

/// What the head begins with; the number is that of the form.
const MARK: &str = "-- vex-sql 1 ";

/// Longest head that is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// What a file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// What the backup is.
    pub head: Head,
    /// What it holds, in restore order.
    pub members: Vec<Member>,
    /// The entries, in the order in which they stand.
    pub entries: Vec<Entry>,
}

/// Some bytes of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Whose they are: an index of the members.
    pub member: usize,
    /// How many.
    pub raw: u64,
    /// SHA-256 of them, hexadecimal.
    pub sha256: String,
    /// The rows among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Proof>,
}

/// Writes the SQL of a backup into a new file.
pub fn write(picked: Picked, file: &Path, stop: &Stop) -> Result<(), String> {
    let manifest = &picked.manifest;
    let dialect = source::dialect(&manifest.head.kind).ok_or("BUG: a kind without SQL")?;
    let chosen = scripts(manifest, dialect, &[]).map_err(|fault| fault.line())?;
    let mut hashes =
        Hashes::new(manifest.entries.iter().filter(|e| chosen[e.member]).map(|e| e.raw).collect());
    export(&picked, &chosen, &mut hashes, stop).map_err(|error| of(file, error))?;
    // Members without an entry in the file are none of it.
    let mut numbers = vec![0; chosen.len()];
    let own = || manifest.members.iter().enumerate().filter(|(index, _)| chosen[*index]);
    own().enumerate().for_each(|(number, (index, _))| numbers[index] = number);
    let entries = manifest.entries.iter().filter(|entry| chosen[entry.member]);
    let contents = Contents {
        head: manifest.head.clone(),
        members: own().map(|(_, member)| member.clone()).collect(),
        entries: entries
            .zip(hashes.done.iter().cloned())
            .map(|(entry, sha256)| Entry {
                member: numbers[entry.member],
                raw: entry.raw,
                sha256,
                rows: entry.rows,
            })
            .collect(),
    };
    let head = serde_json::to_string(&contents).map_err(|error| error.to_string())?;
    if head.len() as u64 > LARGEST / 2 {
        return Err(format!(
            "too much for one file {}: use a name that ends in .zip",
            file.display()
        ));
    }
    let failed = |error: io::Error| format!("unable to write {}: {error}", file.display());
    let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
    let mut made = tempfile::Builder::new()
        .prefix(".vex-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(failed)?;
    let mut out = BufWriter::new(made.as_file_mut());
    out.write_all(format!("{MARK}{head}\n").as_bytes()).map_err(failed)?;
    export(&picked, &chosen, &mut out, stop).map_err(|error| of(file, error))?;
    out.flush().map_err(failed)?;
    drop(out);
    made.as_file().sync_all().map_err(failed)?;
    let lengths = contents.entries.iter().map(|entry| entry.raw).collect();
    let mut again = Hashes::new(lengths);
    let mut back = made.reopen().map_err(failed)?;
    back.seek(SeekFrom::Start((MARK.len() + head.len() + 1) as u64)).map_err(failed)?;
    io::copy(&mut back, &mut again).map_err(failed)?;
    if again.done != hashes.done {
        return Err(format!(
            "unable to write {}: what was read back is not what was written",
            file.display()
        ));
    }
    made.persist_noclobber(file).map_err(|error| failed(error.error))?;
    sync(file).map_err(failed)
}

fn of(file: &Path, error: ExportError) -> String {
    match error {
        ExportError::Read(error) => error.to_string(),
        ExportError::Write(error) => format!("unable to write {}: {error}", file.display()),
    }
}

fn export(
    picked: &Picked,
    chosen: &[bool],
    out: &mut dyn Write,
    stop: &Stop,
) -> Result<u64, ExportError> {
    let (store, manifest, key) = (picked.store.as_ref(), &picked.manifest, picked.key.as_ref());
    let fetch = Fetch { store, manifest, key, meter: &Meter::default() };
    pipeline::export(&fetch, chosen, out, stop)
}

/// Hashes of stretches whose lengths are known.
struct Hashes {
    lengths: std::vec::IntoIter<u64>,
    left: u64,
    hash: Sha256,
    done: Vec<String>,
}

impl Hashes {
    fn new(lengths: Vec<u64>) -> Hashes {
        let lengths = lengths.into_iter();
        let mut own = Hashes { lengths, left: 0, hash: Sha256::new(), done: Vec::new() };
        own.begin();
        own
    }

    /// Goes to the next stretch that has bytes.
    fn begin(&mut self) {
        for length in self.lengths.by_ref() {
            if length > 0 {
                self.left = length;
                return;
            }
            self.done.push(hex(&Sha256::new().finalize()));
        }
    }
}

impl Write for Hashes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let own = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.hash.update(&bytes[..own]);
        self.left -= own as u64;
        if self.left == 0 && own > 0 {
            let hash = std::mem::replace(&mut self.hash, Sha256::new());
            self.done.push(hex(&hash.finalize()));
            self.begin();
        }
        Ok(own)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the head of a file; where the first entry begins, and what there is. The error says why it
/// is no file of ours.
pub fn read(path: &Path) -> Result<(File, u64, Contents), String> {
    let unread = |error: io::Error| format!("unable to read {}: {error}", path.display());
    let foreign = |why: &str| {
        format!(
            "{} is not taken: {why}. Only a .sql that this library wrote is brought back; others are for the client \
             program of the database",
            path.display()
        )
    };
    let file = File::open(path).map_err(unread)?;
    let mut reader = BufReader::new(&file).take(LARGEST);
    let mut begin = vec![0; MARK.len()];
    let has_mark = reader.read_exact(&mut begin).is_ok() && begin == MARK.as_bytes();
    if !has_mark {
        return Err(foreign("it has no head"));
    }
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).map_err(unread)?;
    let from = (MARK.len() + line.len()) as u64;
    if line.pop() != Some(b'\n') {
        return Err(foreign("its head does not end"));
    }
    let contents: Contents =
        serde_json::from_slice(&line).map_err(|error| foreign(&format!("its head: {error}")))?;
    check(&contents).map_err(|why| foreign(&why))?;
    let length = file.metadata().map_err(unread)?.len();
    let told = contents.entries.iter().try_fold(from, |sum, entry| sum.checked_add(entry.raw));
    match told {
        Some(told) if told == length => Ok((file, from, contents)),
        Some(told) if told > length => Err(foreign("it was cut off")),
        _ => Err(foreign("something follows what its head tells")),
    }
}

/// What must hold of a head by itself.
fn check(contents: &Contents) -> Result<(), String> {
    let Contents { head, members, entries } = contents;
    match head.kind.as_str() {
        "mysql" | "postgres" => {}
        kind => return Err(format!("it is of {}", kind.escape_debug())),
    }
    let phases: Vec<Phase> = members.iter().map(|member| member.phase).collect();
    if !phases.is_sorted() {
        return Err("its head is not in restore order".into());
    }
    if let Some(other) = members.iter().find(|m| matches!(m.kind, Kind::Account | Kind::File)) {
        return Err(format!("its head has {} {}", other.kind.word(), other.title().escape_debug()));
    }
    let of = |entry: &&Entry| members.get(entry.member);
    if entries.iter().any(|entry| of(&entry).is_none()) {
        return Err("its head has an entry of nothing".into());
    }
    let is_counted = |entry: &&Entry| {
        of(entry).is_some_and(|member| (member.kind == Kind::Rows) == entry.rows.is_some())
    };
    match entries.iter().all(|entry| is_counted(&entry)) {
        true => Ok(()),
        false => Err("its head does not count its rows".into()),
    }
}

/// Waits until a file and its name are on the disk.
pub fn sync(file: &Path) -> std::io::Result<()> {
    std::fs::File::open(file)?.sync_all()?;
    let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_without_bytes_have_a_hash_and_more_than_is_known_is_refused() {
        let mut hashes = Hashes::new(vec![0, 3, 0, 0, 2, 0]);
        hashes.write_all(b"abcde").unwrap();
        let of = |bytes: &[u8]| hex(&Sha256::digest(bytes));
        assert_eq!(hashes.done, [of(b""), of(b"abc"), of(b""), of(b""), of(b"de"), of(b"")]);
        assert!(hashes.write_all(b"f").is_err());
    }
}
