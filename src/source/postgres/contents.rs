//! What an archive of `pg_dump` holds, as the native engine would name it: so one table comes out
//! of either by the same words, and with the same things hanging on it.
//!
//! Knows no server. Large objects and settings of the database are not among it: they belong to no
//! part.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::artifact::{Kind, Member};
use crate::source::postgres::definition::{Choice, Script, definitions};
use crate::source::postgres::staged::ARCHIVE;
use crate::source::postgres::toc::{self, Archive, Item};

/// The file that holds it in a directory.
const NAME: &str = "toc.dat";

/// Bytes of an archive that are read at first.
const FIRST: usize = 1 << 20;

/// Schema and name of a table.
type Title = (String, String);

/// What is chosen of it.
#[derive(Debug, Default)]
pub struct Portion {
    /// Definitions before the rows, in order.
    pub before: Vec<Script>,
    /// Rows: their numbers in the archive.
    pub rows: Vec<i64>,
    /// Definitions after the rows, in order.
    pub after: Vec<Script>,
}

/// The rows of a table.
#[derive(Debug)]
struct Rows {
    number: i64,
    table: Title,
    file: Option<String>,
}

/// What an archive of one database holds.
#[derive(Debug)]
pub struct Contents {
    before: Vec<Script>,
    after: Vec<Script>,
    rows: Vec<Rows>,
}

/// Why a table of contents was not read.
#[derive(Debug)]
pub struct Unread {
    /// Why.
    pub why: String,
    /// Whether more bytes of the archive may help.
    pub more: bool,
}

impl Contents {
    /// The longest table of contents.
    pub const LONGEST: usize = 1 << 28;

    /// Reads it from the beginning of an archive.
    pub fn parse(unit: &str, bytes: &[u8]) -> Result<Contents, Unread> {
        parse(bytes).map(|archive| Contents::of(unit, archive))
    }

    /// Reads it from an archive, or from a directory.
    pub fn open(unit: &str, path: &Path) -> Result<Contents, String> {
        archive(path).map(|archive| Contents::of(unit, archive))
    }

    fn of(unit: &str, archive: Archive) -> Contents {
        let by_number: BTreeMap<i64, &Item> = archive.items.iter().map(|i| (i.id, i)).collect();
        let needed = |item: &Item, what: &str| -> Vec<&Item> {
            item.needs
                .iter()
                .filter_map(|n| by_number.get(n).copied())
                .filter(|i| i.what == what)
                .collect()
        };
        let mut rows = Vec::new();
        let (mut sequences, mut owned, mut filled) =
            (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let mut apart: BTreeSet<i64> = BTreeSet::new();
        for item in &archive.items {
            match item.what.as_str() {
                "TABLE DATA" => {
                    rows.push(Rows {
                        number: item.id,
                        table: title(item),
                        file: item.file.clone(),
                    });
                }
                "SEQUENCE SET" => {
                    let state = needed(item, "SEQUENCE")
                        .into_iter()
                        .map(|s| (s.object.1, item.definition.clone()));
                    sequences.extend(state);
                }
                "MATERIALIZED VIEW DATA" => {
                    filled.extend(needed(item, "MATERIALIZED VIEW").iter().map(|v| v.object.1));
                }
                "BLOB" | "BLOBS" | "BLOB METADATA" | "STATISTICS DATA" => {}
                "SEQUENCE" => {
                    owned
                        .extend(needed(item, "TABLE").first().map(|t| (item.object.1, t.object.1)));
                    continue;
                }
                // What is said of a large object goes with it.
                _ if item.needs.first().is_some_and(|n| apart.contains(n)) => {}
                _ => continue,
            }
            apart.insert(item.id);
        }
        let Archive { server, program, mut items } = archive;
        items.retain(|i| !apart.contains(&i.id));
        let choice = Choice {
            schema: &|_| true,
            without: &BTreeSet::new(),
            sequences: &sequences,
            filled: &filled,
            owned: &owned,
        };
        let made = definitions(unit, &Archive { server, program, items }, &choice);
        Contents { before: made.before, after: made.after, rows }
    }

    /// All members, in restore order.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.before.iter().chain(&self.after).map(|script| &script.member)
    }

    /// What makes some of its members.
    pub fn portion(self, members: &[Member]) -> Portion {
        let rows = self.rows(members).iter().map(|r| r.number).collect();
        let mut portion = Portion { rows, ..Portion::default() };
        let chosen: HashSet<&Member> = members.iter().collect();
        portion.before = self.before.into_iter().filter(|s| chosen.contains(&s.member)).collect();
        portion.after = self.after.into_iter().filter(|s| chosen.contains(&s.member)).collect();
        portion
    }

    fn rows(&self, members: &[Member]) -> Vec<&Rows> {
        let tables = tables(members);
        self.rows.iter().filter(|r| tables.contains(&r.table)).collect()
    }

    /// Whether a file of an archive begins with one.
    pub fn is_in(file: &str) -> bool {
        file == NAME || file.ends_with(ARCHIVE)
    }

    /// Whether a file of the archive is needed for some members: a table of contents is, and rows
    /// of theirs.
    pub fn needs(&self, file: &str, members: &[Member]) -> bool {
        let is_rows = |rows: &&Rows| rows.file.as_deref() == Some(file);
        Contents::is_in(file) || self.rows(members).iter().any(is_rows)
    }
}

fn parse(bytes: &[u8]) -> Result<Archive, Unread> {
    toc::maker(bytes).map_err(|why| Unread { why, more: bytes.is_empty() })?;
    toc::parse(bytes).map_err(|why| Unread { why, more: true })
}

/// The table of contents of an archive, or of a directory.
pub fn archive(path: &Path) -> Result<Archive, String> {
    let path = if path.is_dir() { path.join(NAME) } else { path.to_owned() };
    let (mut bytes, mut size) = (Vec::new(), FIRST);
    let mut file = File::open(&path).map_err(|e| e.to_string())?;
    loop {
        let part = (size - bytes.len()) as u64;
        let read = file.by_ref().take(part).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        match parse(&bytes) {
            Err(Unread { more: true, .. }) if read > 0 && size < Contents::LONGEST => size *= 2,
            other => return other.map_err(|unread| unread.why),
        }
    }
}

fn title(item: &Item) -> Title {
    (item.schema.clone().unwrap_or_default(), item.tag.clone())
}

fn tables<'a>(members: impl IntoIterator<Item = &'a Member>) -> BTreeSet<Title> {
    let tables = members.into_iter().filter(|m| m.kind == Kind::Table);
    tables.filter_map(|m| Some((m.schema.clone()?, m.name.clone()))).collect()
}
