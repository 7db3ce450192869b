//! Metadata locks that are released one after the other: a table that was read is free for DDL
//! while others are read.
//!
//! A session can't release one lock, but ROLLBACK TO SAVEPOINT releases all that were taken since
//! the savepoint, and keeps the snapshot (what mysqldump does after each table). So every session
//! takes its locks in one order, the largest table first, with savepoints between, and releases
//! them in reverse: small tables, which are read soon, are free soon, and the largest last. A DDL on
//! a table that was not read yet waits for `ddl-wait` at most: then all locks are released, and the
//! definitions of the unread tables are compared at the end. Knows no rows.
//!
//! No savepoint can be set once an engine takes part that knows none (Aria): tables of such engines
//! are one group, whose locks are taken last.
//!
//! MariaDB looks through all locks of a session for each new one, so that ten thousand in one session
//! take the square of the time: the guard then has several sessions, each with a share of the groups,
//! and so has each worker, of the largest. A worker gives up at once the lock of a table that is not
//! its share; when DDL waits for that table, it is handed back until the one that holds it comes by.
//!
//! MariaDB with a binary log releases nothing so unless the session may set `sql_log_bin=0` (BINLOG
//! ADMIN): without that right a DDL waits until the dump ends ([`releases`]).

use std::collections::BTreeMap;
use std::sync::Mutex;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::schema::{Unit, qualified};
use crate::source::mysql::unreadable::{Name, reason};

/// Tables that have a savepoint each: the largest.
const ALONE: usize = 64;

/// Tables that share one, of the rest.
const TOGETHER: usize = 128;

/// Tables that one session of the guard holds on MariaDB.
const SHARE: usize = 1000;

/// The most sessions of the guard.
const SESSIONS: usize = 16;

/// Up to these tables, each worker holds all.
const MANY: usize = 2000;

/// What is set when a worker holds its share, where that is not all.
const TOP: &str = "vex_top";

/// How statements begin that read or write rows.
const WRITES: [&str; 5] = ["select", "insert", "update", "delete", "replace"];

/// How statements begin that name every table they lock: a trigger or a database does not.
const NAMES_ALL: [[&str; 2]; 8] = [
    ["alter", "table"],
    ["create", "index"],
    ["create", "unique"],
    ["drop", "index"],
    ["drop", "table"],
    ["optimize", "table"],
    ["rename", "table"],
    ["truncate", "table"],
];

/// Whether ROLLBACK TO SAVEPOINT releases metadata locks in this session.
pub fn releases(connection: &mut Conn, flavor: &Flavor) -> Result<bool> {
    let doing = "ask whether the session logs";
    let logs: Option<bool> = connection
        .query_first("SELECT @@GLOBAL.log_bin AND @@SESSION.sql_log_bin")
        .map_err(|e| wrap(doing, e))?;
    Ok(flavor.family == Family::Mysql || logs == Some(false))
}

/// A table that can't be locked because it can't be opened.
#[derive(Debug)]
pub struct Refusal {
    /// Which.
    pub table: Name,
    /// What the server says.
    pub why: String,
    /// Whether it says that there is none.
    pub gone: bool,
}

impl Refusal {
    fn of(table: &Name, error: &mysql::Error) -> Option<Refusal> {
        let gone = matches!(error, mysql::Error::MySqlError(e) if matches!(e.code, 1049 | 1146));
        Some(Refusal { table: table.clone(), why: reason(error)?, gone })
    }
}

/// Which groups are a session's: every `of`th, from the one numbered `first` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// From 0; less than `of`.
    pub index: usize,
    /// At least 1.
    pub of: usize,
    /// No group before this is anybody's.
    pub first: usize,
}

impl Share {
    /// All groups.
    pub const ALL: Share = Share { index: 0, of: 1, first: 0 };

    fn has(self, group: usize) -> bool {
        group >= self.first && group % self.of == self.index
    }
}

/// How many sessions hold the locks of these tables.
pub fn guards(units: &[Unit], flavor: &Flavor) -> usize {
    let tables: usize = units.iter().map(|unit| unit.tables.len()).sum();
    match flavor.family {
        Family::Mariadb => tables.div_ceil(SHARE).clamp(1, SESSIONS),
        Family::Mysql => 1,
    }
}

/// The order of the locks, and how many are released.
pub struct MetadataLocks {
    /// Groups in the order of release: smallest tables first.
    groups: Vec<Vec<Name>>,
    /// Whether the first group is of engines without savepoints.
    others: bool,
    place: BTreeMap<Name, usize>,
    /// Guards what was read.
    state: Mutex<State>,
}

struct State {
    /// Tables of each group that are still to be read.
    unread: Vec<usize>,
    /// Groups from the first on that were read whole.
    done: usize,
    /// The tables that were not read when all locks were released.
    yielded: Option<Vec<Name>>,
    read: std::collections::BTreeSet<Name>,
}

impl MetadataLocks {
    /// The order for these tables.
    pub fn new(units: &[Unit]) -> MetadataLocks {
        let (mut others, mut tables): (Vec<Name>, Vec<(u64, Name)>) = Default::default();
        for unit in units {
            for table in unit.tables.iter().filter(|t| !t.sequence && t.has_rows()) {
                let name = (unit.name.clone(), table.name.clone());
                match table.has_savepoints() {
                    true => tables.push((table.bytes, name)),
                    false => others.push(name),
                }
            }
        }
        tables.sort();
        let names: Vec<Name> = tables.into_iter().map(|t| t.1).collect();
        let has_others = !others.is_empty();
        let (small, large) = names.split_at(names.len().saturating_sub(ALONE));
        let groups = small.chunks(TOGETHER).chain(large.chunks(1)).map(<[Name]>::to_vec);
        let groups: Vec<Vec<Name>> =
            (!others.is_empty()).then_some(others).into_iter().chain(groups).collect();
        let place = groups
            .iter()
            .enumerate()
            .flat_map(|(i, g)| g.iter().map(move |n| (n.clone(), i)))
            .collect();
        let unread = groups.iter().map(Vec::len).collect();
        let state = State { unread, done: 0, yielded: None, read: Default::default() };
        MetadataLocks { groups, others: has_others, place, state: Mutex::new(state) }
    }

    /// Takes the locks in the open transaction, so that a DDL that comes later waits for this
    /// session and this session never for it. Returns the tables that can't be opened.
    pub fn take(&self, connection: &mut Conn, share: Share) -> Result<Vec<Refusal>> {
        let mut refused = Vec::new();
        let own = |(number, _): &(usize, _)| share.has(*number);
        for (number, group) in self.groups.iter().enumerate().rev().filter(own) {
            run(connection, &format!("SAVEPOINT {}", savepoint(number)), "guard the tables")?;
            for name in group {
                let full = qualified(&name.0, &name.1);
                let Err(error) = connection.query_drop(format!("SELECT 1 FROM {full} LIMIT 0"))
                else {
                    continue;
                };
                match Refusal::of(name, &error) {
                    Some(refusal) => refused.push(refusal),
                    None => return Err(wrap(&format!("guard {}.{}", name.0, name.1), error)),
                }
            }
        }
        Ok(refused)
    }

    /// The share of a worker, one of `of`.
    pub fn share(&self, index: usize, of: usize, family: Family) -> Share {
        if self.place.len() <= MANY || family == Family::Mysql {
            return Share::ALL;
        }
        let mut room = MANY * of;
        let fits = |group: &&Vec<Name>| match room.checked_sub(group.len()) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        };
        // Behind the locks of engines that know no savepoint, none could be set.
        let held = self.groups[usize::from(self.others)..].iter().rev().take_while(fits).count();
        Share { index, of, first: self.groups.len() - held }
    }

    /// Whether one of so many workers holds the lock of a table until it is read.
    pub fn is_held(&self, table: &Name, workers: usize, family: Family) -> bool {
        let group = self.before(table);
        (0..workers).any(|index| self.share(index, workers, family).has(group))
    }

    /// The same as a worker, for which the guard has found that all can be opened.
    pub fn take_as_worker(&self, connection: &mut Conn, share: Share) -> Result<()> {
        let refused = self.take(connection, share)?.into_iter().next();
        if share != Share::ALL {
            run(connection, &format!("SAVEPOINT {TOP}"), "prepare a worker")?;
        }
        match refused {
            None => Ok(()),
            Some(Refusal { table: (unit, table), why, .. }) => {
                Err(Error::new(ErrorKind::Busy, format!("guard {unit}.{table}"), why))
            }
        }
    }

    /// Releases the groups of a share before `upto`, of which those before `from` are released
    /// already.
    pub fn release(
        &self,
        connection: &mut Conn,
        share: Share,
        (from, upto): (usize, usize),
    ) -> Result<()> {
        match (from..upto).rfind(|number| share.has(*number)) {
            Some(last) => run(
                connection,
                &format!("ROLLBACK TO SAVEPOINT {}", savepoint(last)),
                "release the locks of what was read",
            ),
            _ => Ok(()),
        }
    }

    /// Releases what a session took for a table that is not its own, or not any more.
    pub fn forget(&self, worker: &mut Worker, table: Option<&Name>) -> Result<()> {
        let group = table.map(|table| self.before(table));
        if group.is_some_and(|group| worker.share.has(group) && group >= worker.released) {
            return Ok(());
        }
        let held = (0..worker.released).rfind(|number| worker.share.has(*number));
        let top = match held {
            Some(number) => savepoint(number),
            None if worker.share != Share::ALL => TOP.to_owned(),
            None => return Ok(()),
        };
        let sql = format!("ROLLBACK TO SAVEPOINT {top}");
        run(&mut worker.connection, &sql, "release the locks of what was read")
    }

    /// How many groups a session should have released.
    pub fn free(&self) -> usize {
        let state = self.state.lock().expect("no panic while locked");
        if state.yielded.is_some() { self.groups.len() } else { state.done }
    }

    /// How many groups are released before a table's own.
    pub fn before(&self, table: &Name) -> usize {
        self.place.get(table).copied().unwrap_or(0)
    }

    /// A table was read to its end.
    pub fn read(&self, table: &Name) {
        let mut state = self.state.lock().expect("no panic while locked");
        if let Some(group) = self.place.get(table)
            && state.read.insert(table.clone())
        {
            state.unread[*group] -= 1;
            while state.unread.get(state.done) == Some(&0) {
                state.done += 1;
            }
        }
    }

    /// All locks are to be released from now on.
    pub fn give_way(&self) {
        let mut state = self.state.lock().expect("no panic while locked");
        let all = self.groups.iter().flatten();
        let unread: Vec<Name> = all.filter(|n| !state.read.contains(*n)).cloned().collect();
        state.yielded.get_or_insert(unread);
    }

    /// Whether a statement that waits for a lock on a table may wait for one of these: it names one,
    /// or is of a kind that need not name what it locks. One that only reads or writes rows waits for
    /// no reader.
    pub fn may_hold_up(&self, statement: &str) -> bool {
        let statement = statement.to_lowercase().replace("``", "`");
        let mut words = statement.split_whitespace();
        let begins = [words.next().unwrap_or_default(), words.next().unwrap_or_default()];
        if WRITES.contains(&begins[0]) {
            return false;
        }
        let named = |name: &Name| statement.contains(&name.1.to_lowercase());
        !NAMES_ALL.contains(&begins) || self.groups.iter().flatten().any(named)
    }

    /// The tables that were not yet read when all locks were released; `None` if they never were.
    pub fn unguarded(&self) -> Option<Vec<Name>> {
        self.state.lock().expect("no panic while locked").yielded.clone()
    }
}

/// A connection that reads.
pub struct Worker {
    /// Its connection.
    pub connection: Conn,
    /// The session it must still be.
    pub session: u64,
    /// How many groups of locks it has released.
    pub released: usize,
    /// Which groups are its own.
    pub share: Share,
}

/// All sessions that hold the locks.
pub struct Sessions {
    /// The order of the locks.
    pub locks: MetadataLocks,
    /// Guards each connection that reads nothing, and what it has released; the first compares
    /// definitions at the end.
    pub guards: Vec<Mutex<Worker>>,
    /// Guards each connection that reads.
    pub workers: Vec<Mutex<Worker>>,
}

impl Sessions {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Mutex<Worker>> {
        self.guards.iter().chain(&self.workers)
    }

    /// Releases all that may be released, in every session that is idle; the others do so before
    /// their next piece.
    pub fn release_idle(&self) -> Result<()> {
        for session in self.all() {
            // A session at work holds its own mutex; the guard never does for long.
            if let Ok(mut session) = session.try_lock() {
                self.settle(&mut session, self.locks.free())?;
            }
        }
        Ok(())
    }

    /// Releases the groups before `upto` in one session.
    pub fn settle(&self, session: &mut Worker, upto: usize) -> Result<()> {
        let (share, released) = (session.share, session.released);
        self.locks.release(&mut session.connection, share, (released, upto))?;
        session.released = session.released.max(upto);
        Ok(())
    }
}

fn savepoint(number: usize) -> String {
    format!("vex_{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::mysql::schema::Table;

    #[test]
    fn a_statement_that_names_none_of_the_tables_does_not_wait_for_them() {
        let table = |name: &str| Table {
            name: name.into(),
            engine: "InnoDB".into(),
            sequence: false,
            versioned: false,
            partitioned: false,
            rows: 0,
            bytes: 0,
        };
        let tables = vec![table("Orders"), table("a`b")];
        let locks = MetadataLocks::new(&[Unit { name: "u".into(), tables, views: Vec::new() }]);
        for ours in [
            "ALTER TABLE u.orders ADD c INT",
            "truncate  table `a``b`",
            "DROP DATABASE u",
            "DROP TRIGGER u.t",
            "LOCK TABLES v WRITE",
        ] {
            assert!(locks.may_hold_up(ours), "{ours}");
        }
        for other in ["ALTER TABLE other.t ADD c INT", "DROP TABLE x", "SELECT * FROM orders"] {
            assert!(!locks.may_hold_up(other), "{other}");
        }
    }

    #[test]
    fn small_tables_are_free_first_and_a_group_only_as_a_whole() {
        let table = |name: String, bytes| Table {
            name,
            engine: "InnoDB".into(),
            sequence: false,
            versioned: false,
            partitioned: false,
            rows: 0,
            bytes,
        };
        let mut tables: Vec<Table> = (0..66).map(|n| table(format!("t{n:02}"), n)).collect();
        let unit = |tables| Unit { name: "u".into(), tables, views: Vec::new() };
        let locks = MetadataLocks::new(&[unit(tables.clone())]);
        assert_eq!(locks.groups.len(), 65);
        let name = |n: u64| ("u".to_owned(), format!("t{n:02}"));
        locks.read(&name(65));
        assert_eq!(locks.free(), 0, "the largest goes last");
        locks.read(&name(0));
        locks.read(&name(0));
        assert_eq!(locks.free(), 0);
        locks.read(&name(1));
        locks.read(&name(2));
        assert_eq!((locks.free(), locks.before(&name(3))), (2, 2));
        assert_eq!(locks.unguarded(), None);
        locks.give_way();
        assert_eq!(locks.free(), 65);
        assert_eq!(locks.unguarded().map(|u| u.len()), Some(62));
        tables[64].engine = "Aria".into();
        tables[65].engine = "ROCKSDB".into();
        let locks = MetadataLocks::new(&[unit(tables)]);
        assert_eq!(locks.groups[0], [name(64), name(65)], "what knows no savepoint is locked last");
    }
}
