//! What a target would not take, gathered while everything else comes back.
//!
//! Knows a target, not which server it is. Each thing is named once: rows of one table are one
//! line, what hangs on something refused is listed with that reason and is not tried, and statements
//! are kept up to a bound.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Mutex;

use crate::artifact::{Dialect, EntryLine, Half, Kind, Manifest, Member, Proof};
use crate::pipeline::verify::digest;
use crate::source::contract::{Error, Refused, Target};

/// Bytes of refused rows of one table that are kept as SQL.
const KEPT: usize = 1 << 20;

/// Bytes of refused definitions and rows that are kept as SQL, in all.
const KEPT_IN_ALL: usize = 64 << 20;

/// How often parts of the rows of one table are tried again.
const TRIES: u32 = 2000;

/// Unit, schema and name of a table.
type Table = (String, Option<String>, String);

/// All that was refused so far.
pub struct Refusals<'a> {
    manifest: &'a Manifest,
    target: &'a dyn Target,
    /// Guards it.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    list: Vec<Refused>,
    /// Titles of all that is on the list.
    titles: HashSet<String>,
    /// Members that are on the list, by their index.
    members: BTreeSet<usize>,
    /// Databases that could not be made.
    units: BTreeSet<String>,
    /// Tables that could not be made, and their place on the list.
    tables: HashMap<Table, usize>,
    /// Members of rows of which some were refused.
    rows: BTreeMap<usize, Rows>,
    /// Bytes that are kept.
    kept: usize,
}

/// Refused rows of one member.
#[derive(Default)]
struct Rows {
    /// Their place on the list.
    place: usize,
    proof: Proof,
    tries: u32,
    /// Bytes that are kept.
    kept: usize,
    /// Whether it is unknown which were.
    unknown: bool,
}

/// What is known of the refused rows of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Exactly these.
    Rows(Proof),
    /// Some.
    Some,
}

impl<'a> Refusals<'a> {
    /// Nothing yet.
    pub fn new(manifest: &'a Manifest, target: &'a dyn Target) -> Refusals<'a> {
        Refusals { manifest, target, state: Mutex::default() }
    }

    fn member(&self, index: usize) -> &'a Member {
        &self.manifest.members[index]
    }

    /// What leads a client into the database of a member.
    fn enter(&self, member: &Member) -> Vec<u8> {
        match member.kind {
            Kind::Database | Kind::Account | Kind::Grants => Vec::new(),
            _ => self.target.enter(&self.target.unit(&member.unit)),
        }
    }

    /// Adds what the target named itself.
    pub fn extend(&self, refused: Vec<Refused>) {
        let mut state = self.state.lock().expect("no panic while locked");
        for refused in refused {
            state.push(refused);
        }
    }

    /// Whether an entry of rows need not be read: its table was refused. Its rows are counted there.
    pub fn passes_rows(&self, entry: &EntryLine) -> bool {
        let member = self.member(entry.member);
        if member.kind != Kind::Rows {
            return false;
        }
        let mut state = self.state.lock().expect("no panic while locked");
        let rows = entry.rows.map_or(0, |proof| proof.rows);
        match state.tables.get(&table(member)).copied() {
            Some(place) => state.list[place].rows += rows,
            None if state.units.contains(&member.unit) => {
                let own = state.list.iter_mut().find(|r| r.what == database(&member.unit));
                own.into_iter().for_each(|r| r.rows += rows);
            }
            None => return false,
        }
        state.members.insert(entry.member);
        true
    }

    /// Whether a definition need not be tried: what it hangs on was refused. It is listed then.
    pub fn passes(&self, index: usize, bytes: &[u8]) -> bool {
        let member = self.member(index);
        let why = {
            let state = self.state.lock().expect("no panic while locked");
            match state.lost(member) {
                Some(why) => why,
                None => return false,
            }
        };
        self.list(index, bytes, Refused::new(what(member), why));
        true
    }

    /// Notes a definition.
    pub fn definition(&self, index: usize, bytes: &[u8], error: Error) {
        let hint = error.hint.map(String::from);
        self.list(
            index,
            bytes,
            Refused { hint, ..Refused::new(what(self.member(index)), error.found) },
        );
    }

    fn list(&self, index: usize, bytes: &[u8], refused: Refused) {
        let member = self.member(index);
        let mut state = self.state.lock().expect("no panic while locked");
        // What may hold the hash of a password is written nowhere.
        let is_open = !matches!(member.kind, Kind::Account | Kind::Grants);
        let sql = (is_open && state.kept + bytes.len() <= KEPT_IN_ALL)
            .then(|| [self.enter(member), self.target.by_hand(member, bytes)].concat());
        state.kept += sql.as_ref().map_or(0, Vec::len);
        let refused = Refused { unit: self.target.unit(&member.unit), sql, ..refused };
        // A view has a placeholder before the rows and its text after them.
        let is_there = state.titles.contains(&refused.what);
        let same = is_there.then(|| state.list.iter().position(|r| r.what == refused.what));
        let place = match same.flatten() {
            Some(same) => {
                let rows = state.list[same].rows;
                state.list[same] = Refused { rows, ..refused };
                same
            }
            None => state.push(refused),
        };
        state.members.insert(index);
        match member.kind {
            Kind::Database => drop(state.units.insert(member.unit.clone())),
            Kind::Table => drop(state.tables.insert(table(member), place)),
            _ => {}
        }
    }

    /// Whether a part of refused rows may be tried by itself.
    pub fn may_try(&self, index: usize) -> bool {
        let mut state = self.state.lock().expect("no panic while locked");
        let rows = state.rows_of(index, self.member(index));
        rows.tries += 1;
        rows.tries <= TRIES
    }

    /// Notes an entry of rows of which none came back.
    pub fn rows(&self, index: usize, part: &Half, dialect: Option<Dialect>, error: Error) {
        let (entry, count) = (part.bytes.as_slice(), part.rows);
        let member = self.member(index);
        let proof = dialect.and_then(|dialect| digest(dialect, entry).ok());
        let unit = self.target.unit(&member.unit);
        let mut state = self.state.lock().expect("no panic while locked");
        let (total, rows) = (state.kept, state.rows_of(index, member));
        rows.unknown |= proof.is_none();
        rows.proof += proof.unwrap_or_default();
        let keep = rows.kept + entry.len() <= KEPT && total + entry.len() <= KEPT_IN_ALL;
        let kept = if keep { entry.len() } else { 0 };
        rows.kept += kept;
        let place = rows.place;
        state.kept += kept;
        let line = &mut state.list[place];
        if line.why.is_empty() {
            (line.why, line.hint) = (error.found, error.hint.map(String::from));
        }
        (line.rows, line.unit) = (line.rows + count, unit);
        let sql = line.sql.get_or_insert_with(|| self.enter(member));
        match keep {
            true => sql.extend(self.target.by_hand(member, entry)),
            false => sql.extend(format!("-- {count} more rows, which the backup holds\n").bytes()),
        }
    }

    /// Notes that some rows of an entry did not come back, and nobody knows which.
    pub fn some_rows(&self, index: usize, error: Error) {
        let member = self.member(index);
        let unit = self.target.unit(&member.unit);
        let mut state = self.state.lock().expect("no panic while locked");
        let rows = state.rows_of(index, member);
        rows.unknown = true;
        let place = rows.place;
        let line = &mut state.list[place];
        if line.why.is_empty() {
            (line.why, line.hint) = (error.found, error.hint.map(String::from));
        }
        line.unit = unit;
    }

    /// Whether a member, or what it hangs on, is on the list.
    pub fn has(&self, index: usize) -> bool {
        let member = self.member(index);
        if self.is_lost(index) || self.names(&what(member)) {
            return true;
        }
        let state = self.state.lock().expect("no panic while locked");
        state.members.contains(&index) || state.lost(member).is_some()
    }

    /// Refused rows of a member.
    pub fn of(&self, index: usize) -> Known {
        let state = self.state.lock().expect("no panic while locked");
        match state.rows.get(&index) {
            Some(rows) if rows.unknown => Known::Some,
            Some(rows) => Known::Rows(rows.proof),
            None => Known::Rows(Proof::default()),
        }
    }

    /// Says how many rows of a member are not there, where only the recount can tell.
    pub fn count(&self, index: usize, missing: u64) {
        let mut state = self.state.lock().expect("no panic while locked");
        if let Some(rows) = state.rows.get(&index).filter(|rows| rows.unknown) {
            let place = rows.place;
            state.list[place].rows = missing;
        }
    }

    /// Whether a member has no table to be in.
    pub fn is_lost(&self, index: usize) -> bool {
        let state = self.state.lock().expect("no panic while locked");
        let member = self.member(index);
        let is_table = matches!(member.kind, Kind::Table | Kind::Rows);
        state.units.contains(&member.unit)
            || (is_table && state.tables.contains_key(&table(member)))
    }

    /// Whether something of this title is on the list.
    pub fn names(&self, what: &str) -> bool {
        self.state.lock().expect("no panic while locked").titles.contains(what)
    }

    /// Whether nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.state.lock().expect("no panic while locked").list.iter().all(is_blank)
    }

    /// All of it.
    pub fn into_list(self) -> Vec<Refused> {
        let mut list = self.state.into_inner().expect("no panic while locked").list;
        list.retain(|r| !is_blank(r));
        list
    }
}

impl State {
    /// Puts a line at the end of the list, and returns its place.
    fn push(&mut self, refused: Refused) -> usize {
        self.titles.insert(refused.what.clone());
        self.list.push(refused);
        self.list.len() - 1
    }

    /// Why a member can't be there.
    fn lost(&self, member: &Member) -> Option<&'static str> {
        if member.kind == Kind::Database {
            return None;
        }
        if self.units.contains(&member.unit) {
            return Some("its database was refused");
        }
        let own = member.table.clone().filter(|_| !matches!(member.kind, Kind::Table | Kind::Rows));
        let key = (member.unit.clone(), member.schema.clone(), own?);
        self.tables.contains_key(&key).then_some("its table was refused")
    }

    fn rows_of(&mut self, index: usize, member: &Member) -> &mut Rows {
        if !self.rows.contains_key(&index) {
            let place = self.push(Refused::new(format!("rows of {}", member.title()), ""));
            self.rows.insert(index, Rows { place, ..Rows::default() });
        }
        self.rows.get_mut(&index).expect("BUG: rows that were just put there")
    }
}

/// Whether a line stands for rows that all came back, part by part.
fn is_blank(refused: &Refused) -> bool {
    refused.why.is_empty() && refused.rows == 0
}

fn table(member: &Member) -> Table {
    (member.unit.clone(), member.schema.clone(), member.name.clone())
}

fn database(unit: &str) -> String {
    format!("database {unit}")
}

/// What a member is called on the list.
pub fn what(member: &Member) -> String {
    format!("{} {}", member.kind.word(), member.title())
}
