//! One file of a log as an object of a store: a small `.zip` of two entries, a head that anybody can
//! read and the file itself, pressed and sealed as the archives of the job.
//!
//! Invariants: an object is written once, under a key made of the file's own name, so that it is
//! found without listing; a taken key is looked at, never written over. What is read back was
//! hashed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::artifact::{
    Damage, Directory, Key, Method, Pressed, Sealing, hex, open, open_text, press,
};
use crate::base::Stop;
use crate::job::KeyRefs;
use crate::recover::fault::Fault;
use crate::recover::key::{identities, password};
use crate::store::contract::{ErrorKind, Store};
use crate::world::failpoint;

/// The format of the head.
const FORMAT: u64 = 1;

/// The name of the head's entry.
const HEAD: &str = "log.json";

/// How the file is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SealWord {
    /// By a password.
    Password,
    /// For recipients of age.
    Age,
}

/// Bytes that hold a head, whatever it says.
pub const HEAD_BYTES: u64 = 4 << 10;

/// What an object says of the file in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalHead {
    format: u64,
    /// Words that a reader must understand.
    needs: Vec<String>,
    /// The file.
    pub name: String,
    /// The cluster.
    pub system: String,
    /// Bytes of the file.
    pub raw: u64,
    /// Bytes of its entry.
    stored: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// How it is sealed.
    pub seal: Option<SealWord>,
    /// When the first and the last transaction that ends in it ended, by the server's clock.
    pub first: Option<Timestamp>,
    /// The last one.
    pub last: Option<Timestamp>,
    /// Host that sent it.
    pub host: String,
    /// When.
    pub sent: Timestamp,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalStored {
    /// It is new.
    New,
    /// The very same file was there.
    Same,
}

/// A file that is to be kept.
pub struct NewWal<'a> {
    /// Its name.
    pub name: String,
    /// Its cluster.
    pub system: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Between which moments its transactions ended.
    pub times: Option<(Timestamp, Timestamp)>,
    /// This host.
    pub host: String,
    /// Now.
    pub now: Timestamp,
}

fn failed(key: &str, found: &dyn std::fmt::Display) -> Fault {
    Fault::Nothing { doing: format!("make the object {key}"), found: found.to_string(), hint: None }
}

/// Keeps a file under `key`; another file that has this key is refused.
pub fn put(
    store: &dyn Store,
    key: &str,
    file: &NewWal<'_>,
    (method, seal): (Method, Option<&Sealing>),
    stop: &Stop,
) -> Result<WalStored, Fault> {
    let sha256 = hex(&Sha256::digest(file.bytes));
    // Most files are new; one that is there is not pressed for nothing.
    if store.size(key, stop)?.is_some() {
        return same(store, key, &sha256, stop);
    }
    let bytes = pack(key, file, &sha256, (method, seal))?;
    let put = store.put(key, &bytes, stop);
    failpoint("wal kept");
    match put {
        Ok(()) => Ok(WalStored::New),
        Err(error) if error.kind == ErrorKind::Exists => same(store, key, &sha256, stop),
        Err(error) => Err(error.into()),
    }
}

fn pack(
    key: &str,
    file: &NewWal<'_>,
    sha256: &str,
    (method, seal): (Method, Option<&Sealing>),
) -> Result<Vec<u8>, Fault> {
    let entry =
        press(&file.name, file.bytes, method, seal, Vec::new()).map_err(|e| failed(key, &e))?;
    let head = WalHead {
        format: FORMAT,
        needs: vec!["log".into()],
        name: file.name.clone(),
        system: file.system.to_owned(),
        raw: file.bytes.len() as u64,
        stored: entry.bytes.len() as u64,
        sha256: sha256.to_owned(),
        seal: seal.map(|seal| match seal {
            Sealing::Password(_) => SealWord::Password,
            Sealing::Age(_) => SealWord::Age,
        }),
        first: file.times.map(|(first, _)| first),
        last: file.times.map(|(_, last)| last),
        host: file.host.clone(),
        sent: file.now,
    };
    let mut text = serde_json::to_vec(&head).expect("BUG: a head that is not JSON");
    text.push(b'\n');
    let head = press(HEAD, &text, Method::Store, None, Vec::new()).map_err(|e| failed(key, &e))?;
    join(&[head, entry]).map_err(|e| failed(key, &e))
}

/// A container of entries.
fn join(entries: &[Pressed]) -> std::io::Result<Vec<u8>> {
    let (mut whole, mut directory) = (Vec::new(), Directory::new()?);
    for entry in entries {
        directory.add(entry)?;
        whole.extend_from_slice(&entry.bytes);
    }
    let mut take = |bytes: &[u8]| -> std::io::Result<()> {
        whole.extend_from_slice(bytes);
        Ok(())
    };
    directory.finish(&mut take)?;
    Ok(whole)
}

/// Whether what has the key is the same file.
fn same(store: &dyn Store, key: &str, sha256: &str, stop: &Stop) -> Result<WalStored, Fault> {
    let there = head(store, key, stop)?;
    if there.sha256 == sha256 {
        return Ok(WalStored::Same);
    }
    Err(Fault::Nothing {
        doing: format!("keep {key} in {}", store.place()),
        found: format!(
            "another file of this name is there: SHA-256 {} (sent by {} on {}), and this one has {sha256}",
            there.sha256, there.host, there.sent
        ),
        hint: Some(
            "Two servers write one log: a clone of the server, or an old primary that was started again. Give one of them \
             another source name or prefix, or let one of them keep its log no more; nothing was written over."
                .into(),
        ),
    })
}

/// What an object says of itself.
pub fn head(store: &dyn Store, key: &str, stop: &Stop) -> Result<WalHead, Fault> {
    let size = store.size(key, stop)?.unwrap_or(0);
    let bytes = store.read(key, Some(0..size.min(HEAD_BYTES)), stop)?;
    Ok(read_head(&bytes).map(|(head, _)| head)?)
}

/// The head that `bytes` begin with, and its length.
fn read_head(bytes: &[u8]) -> Result<(WalHead, u64), Damage> {
    let (name, text, length) = open_text(bytes, None)?;
    let damage = |found: String| Damage::entry(HEAD, found);
    if name != HEAD {
        return Err(damage(format!("the first entry is {name}")));
    }
    let head: WalHead = serde_json::from_slice(&text).map_err(|e| damage(e.to_string()))?;
    if head.format > FORMAT {
        return Err(Damage::Newer { found: head.format, known: FORMAT });
    }
    match head.needs.iter().find(|word| *word != "log") {
        Some(word) => Err(damage(format!("it needs {word:?}, which this vex does not know"))),
        None => Ok((head, length)),
    }
}

/// Reads a file back; `None` where there is no such object. `key_of` finds what opens it.
pub fn get(
    store: &dyn Store,
    key: &str,
    key_of: &dyn Fn(&WalHead) -> Result<Option<Key>, Fault>,
    stop: &Stop,
) -> Result<Option<(WalHead, Vec<u8>)>, Fault> {
    let bytes = match store.read(key, None, stop) {
        Ok(bytes) => bytes,
        Err(error) if error.kind == ErrorKind::Missing => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let (head, from) = read_head(&bytes)?;
    let to = from.saturating_add(head.stored);
    let entry = bytes.get(from as usize..to as usize);
    let entry = entry.ok_or_else(|| Damage::Object(format!("{key} ends early")))?;
    let raw = open(entry.to_vec(), &head.name, head.raw, key_of(&head)?.as_ref())?;
    let found = hex(&Sha256::digest(&raw));
    if found != head.sha256 {
        let found = format!("{key}: its file has SHA-256 {found}, and should have {}", head.sha256);
        return Err(Damage::Object(found).into());
    }
    Ok(Some((head, raw)))
}

/// Reads a file back with the keys of a job: the ones before too, for what was sealed before the
/// password was changed.
pub fn opened(
    store: &dyn Store,
    key: &str,
    keys: &KeyRefs,
    stop: &Stop,
) -> Result<Option<(WalHead, Vec<u8>)>, Fault> {
    let open_with = |keys: &KeyRefs| {
        let opens = |head: &WalHead| -> Result<Option<Key>, Fault> {
            match (head.seal, &keys.identity) {
                (None, _) | (Some(SealWord::Age), None) => Ok(None),
                (Some(SealWord::Age), Some(reference)) => identities(reference, stop).map(Some),
                (Some(SealWord::Password), _) => password(keys, stop),
            }
        };
        get(store, key, &opens, stop)
    };
    let mut found = open_with(keys);
    for older in &keys.previous {
        if !found.as_ref().is_err_and(Fault::is_sealed) {
            break;
        }
        found = open_with(&KeyRefs { password: Some(older.clone()), ..keys.clone() });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;
    use crate::store::Memory;

    fn file<'a>(name: &str, bytes: &'a [u8]) -> NewWal<'a> {
        let now = Timestamp::UNIX_EPOCH;
        NewWal {
            name: name.into(),
            system: "7",
            bytes,
            times: Some((now, now)),
            host: "db1".into(),
            now,
        }
    }

    #[test]
    fn a_file_comes_back_as_it_was_and_another_of_its_name_is_refused() {
        let (store, stop) = (Memory::new(), Stop::new());
        let password = Secret::new("CANARY-LOG".into());
        let seal = Sealing::Password(password.clone());
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 253) as u8).collect();
        for (key, seal) in [("a", None), ("b", Some(&seal))] {
            let how = (Method::Zstd(1), seal);
            let put = |bytes: &[u8]| put(&store, key, &file("x", bytes), how, &stop);
            assert_eq!(put(&bytes).expect("kept"), WalStored::New);
            assert_eq!(put(&bytes).expect("kept"), WalStored::Same);
            let refused = put(&bytes[1..]).expect_err("refused").line();
            let digests = [&bytes[..], &bytes[1..]].map(|b| hex(&Sha256::digest(b)));
            assert!(digests.iter().all(|digest| refused.contains(digest.as_str())), "{refused}");
            let opens = |head: &WalHead| Ok(head.seal.map(|_| Key::Password(password.clone())));
            let (head, found) = get(&store, key, &opens, &stop).expect("read").expect("there");
            assert_eq!((head.raw as usize, head.system.as_str()), (bytes.len(), "7"));
            assert!(found == bytes);
            assert_eq!(get(&store, key, &|_| Ok(None), &stop).is_ok(), seal.is_none());
        }
        assert!(get(&store, "c", &|_| Ok(None), &stop).expect("asked").is_none());
    }

    #[test]
    fn no_flipped_byte_and_no_cut_comes_back_as_the_file() {
        let (store, stop) = (Memory::new(), Stop::new());
        let bytes = b"0123456789".repeat(500);
        put(&store, "a", &file("x", &bytes), (Method::Zstd(1), None), &stop).expect("kept");
        let whole = store.read("a", None, &stop).expect("read");
        for at in 0..whole.len() {
            for cut in [false, true] {
                let mut bad = whole.clone();
                bad[at] ^= 4;
                bad.truncate(if cut { at } else { bad.len() });
                store.remove("b", &stop).expect("removed");
                store.put("b", &bad, &stop).expect("written");
                if let Ok(Some((_, found))) = get(&store, "b", &|_| Ok(None), &stop) {
                    assert!(found == bytes, "{at} {cut}");
                }
            }
        }
    }
}
