//! Backup pieces as objects of their own: what RMAN wrote, where each stands, and what it holds.
//! Normative text: `schema/artifact.md`.
//!
//! Pure. Knows names and facts of pieces, not their contents, which only RMAN reads. Invariant: a
//! key that [`owns_piece`] accepts was made by [`piece_key`] for that very artifact; nothing else
//! that a head names is ever removed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::name::{Naming, PIECES_NAME, is_backup_name};
use crate::base::Id;

/// The word of `needs` for an artifact that is pieces, and has no container.
pub const PIECES: &str = "pieces";

/// What is added to the name of a piece that is sealed with a password, and for recipients of age.
pub const ENDINGS: [&str; 2] = [".zip", ".age"];

/// Largest head that lists pieces, in bytes.
pub const LARGEST_PIECES_HEAD: usize = 1 << 20;

/// What a piece of a backup set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Holds {
    /// Blocks of data files.
    Data,
    /// Archived logs.
    Logs,
    /// The control file, and the spfile with it.
    Control,
}

/// A piece of a backup set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceLine {
    /// The name of its file.
    pub name: String,
    /// The tag that RMAN knows it by.
    pub tag: String,
    /// What it holds.
    pub holds: Holds,
    /// Its level, where it holds data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// The SCN since which blocks are in it that changed; 0 for all of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub from: u64,
    /// The least SCN of its data files, where recovery begins.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start: u64,
    /// The SCN up to which it holds changes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub to: u64,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The logs it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogRange>,
    /// What it is once it is opened, where it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<PlainPiece>,
}

/// A piece as RMAN wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainPiece {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

impl PieceLine {
    /// The size and SHA-256 of its file: `object` has them where it is not sealed.
    pub fn file<'a>(&'a self, object: (u64, &'a str)) -> (u64, &'a str) {
        self.plain.as_ref().map_or(object, |plain| (plain.bytes, plain.sha256.as_str()))
    }
}

/// Archived logs of one thread, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRange {
    /// The redo thread.
    pub thread: u32,
    /// The first sequence.
    pub first: u64,
    /// The last sequence.
    pub last: u64,
    /// The first SCN.
    pub from: u64,
    /// The SCN after the last.
    pub to: u64,
    /// When the last one ended.
    pub until: Timestamp,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What the names of all pieces of a run of a source begin with.
pub fn piece_prefix(source: &str, run: &Id) -> String {
    format!("vex_{source}_{run}_")
}

/// The tag of a run, 30 characters at most, as RMAN allows.
pub fn piece_tag(run: &Id) -> String {
    format!("VEX_{}", run.as_str().replace('-', "_").to_ascii_uppercase())
}

/// The key of a piece of the artifact called `name`, under `root`, which is empty or ends in `/`:
/// `backups/YYYY/MM/DD/<piece>`.
pub fn piece_key(root: &str, name: &str, piece: &str) -> String {
    format!("{root}{}{piece}", folder(name))
}

/// The folder of the pieces of the artifact called `name`; its date is that of the name.
fn folder(name: &str) -> String {
    let digits = |from: usize, to: usize| name.get(from..to).unwrap_or_default();
    format!("backups/{}/{}/{}/", digits(7, 11), digits(11, 13), digits(13, 15))
}

/// What the keys of the pieces of a run may begin with: the store's own prefix is one of the
/// folders above the artifact.
pub fn piece_places(naming: &Naming, key: &str, source: &str, run: &Id) -> Vec<String> {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    if !is_backup_name(name) || !name.ends_with(PIECES_NAME) {
        return Vec::new();
    }
    let above = naming.folder();
    let ends = above.match_indices('/').map(|(at, _)| &above[..=at]);
    let places = std::iter::once("").chain(ends);
    places.map(|root| piece_key(root, name, &piece_prefix(source, run))).collect()
}

/// Whether `key` is one that vex gave to a piece of the artifact at `own`, which `run` made of
/// `source`.
pub fn owns_piece(naming: &Naming, own: &str, (source, run): (&str, &Id), key: &str) -> bool {
    let places = piece_places(naming, own, source, run);
    places.iter().any(|place| key.strip_prefix(place.as_str()).is_some_and(is_piece_end))
}

/// Whether `name` is one that RMAN was told to give a piece of a run of `source`. It becomes the name
/// of a file, and stands in scripts: a source that is no plain word has none.
pub fn is_piece_name(source: &str, run: &Id, name: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = name.strip_prefix(&piece_prefix(source, run));
    source.chars().all(is_plain) && end.is_some_and(is_plain_end)
}

/// Whether a text is what RMAN ends the name of a piece in, and what a seal adds.
fn is_piece_end(text: &str) -> bool {
    is_plain_end(ENDINGS.iter().find_map(|ending| text.strip_suffix(ending)).unwrap_or(text))
}

/// Whether a text is what RMAN ends the name of a piece in: letters, digits, `_` and `-`.
fn is_plain_end(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::name::TEMPLATE;

    #[test]
    fn only_keys_of_the_own_pieces_are_owned() {
        let id = Id::parse("20250802T050000Z-d4871358").expect("an ID");
        assert!(piece_tag(&id).len() <= 30);
        let naming = Naming::new(TEMPLATE, "prod", "FULL", "fin");
        let own = naming.key("backup_20250802_010000.rman");
        let owns = |key: &str| owns_piece(&naming, &own, ("fin", &id), key);
        let piece = format!("{}0m34_1_1", piece_prefix("fin", &id));
        let name = "backup_20250802_010000.rman";
        assert_eq!(piece_key("", name, &piece), format!("backups/2025/08/02/{piece}"));
        for root in ["", "prod/", "prod/FULL/"] {
            assert!(owns(&piece_key(root, name, &piece)), "{root}");
            assert!(owns(&piece_key(root, name, &format!("{piece}.zip"))), "{root}");
            assert!(owns(&piece_key(root, name, &format!("{piece}.age"))), "{root}");
        }
        let other = Id::parse("20250802T050000Z-d4871359").expect("an ID");
        for foreign in [
            piece_key("other/", name, &piece),
            piece_key("", "backup_20250803_010000.rman", &piece),
            piece_key("", name, &format!("{}0m34_1_1", piece_prefix("fin", &other))),
            piece_key("", name, &format!("{}0m34_1_1", piece_prefix("fin2", &id))),
            piece_key("", name, &piece_prefix("fin", &id)),
            piece_key("", name, &format!("{}.zip", piece_prefix("fin", &id))),
            piece_key("", name, &format!("{piece}.zip.age")),
            piece_key("", name, &format!("{piece}.7z")),
            format!("{}/../x", piece_key("", name, &piece)),
            naming.key(name),
        ] {
            assert!(!owns(&foreign), "{foreign}");
        }
    }
}
