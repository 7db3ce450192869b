//! One point in time on many connections, without stopping writers for longer than it takes to say
//! so.
//!
//! The protocol, each step proven by experiment (traps, section 2.0):
//! 1. the guard takes a metadata lock on every table, with short waits, and the list is read again
//!    until it stands;
//! 2. definitions are read while the guard holds: no ALTER can come between them and the rows;
//! 3. the control connection holds back commits (MariaDB: BACKUP STAGE BLOCK_COMMIT; else FLUSH
//!    TABLES WITH READ LOCK), each try with a short wait, since a long one would deadlock with
//!    ordinary writers;
//! 4. every worker starts its snapshot and answers; the position is read; commits go on;
//! 5. every worker takes the metadata locks too; all release those of a table that was read
//!    (`metadata_locks.rs`).
//!
//! Without the right to step 3 there is one worker, and one snapshot needs no lock. Never N
//! snapshots without it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::Position;
use crate::base::Stop;
use crate::job::MysqlSpec;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::connect::Connector;
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::metadata_locks::{MetadataLocks, Refusal, Share, guards};
use crate::source::mysql::schema::{self, Listing, Unit};
use crate::source::mysql::unreadable::{Name, Unreadable};
use crate::world::Entropy;

/// How often a lock is tried before the dump gives up.
const TRIES: u32 = 40;

/// Connections that are given back where a server has no more: for the workers, and for others.
const SPARE: usize = 10;

/// Statements that end the hold on commits, for `VEX_TEST_UNLOCKED` too.
const RELEASE: [&str; 2] = ["BACKUP STAGE END", "UNLOCK TABLES"];

/// What the guard holds.
pub struct Guarded {
    /// What the server holds, as it stands under the guard.
    pub listing: Listing,
    /// The order of the locks.
    pub locks: MetadataLocks,
    /// The sessions that hold them, at least one; each has a share.
    pub sessions: Vec<Conn>,
}

/// Takes the metadata locks of all that can be opened.
pub fn guard(
    connector: &Connector,
    flavor: &Flavor,
    spec: &MysqlSpec,
    stop: &Stop,
) -> Result<Guarded> {
    let mut sessions = vec![session(connector, flavor, spec)?];
    let (mut last, mut known) = (None, Known::default());
    for _ in 0..TRIES {
        stop.check()?;
        let more = || session(connector, flavor, spec);
        match lock_listed(&mut sessions, &more, (flavor, spec), &mut known) {
            Ok(Some((listing, locks))) => return Ok(Guarded { listing, locks, sessions }),
            Ok(None) => {}
            Err(error) if error.kind == ErrorKind::Busy => last = Some(error),
            Err(error) => return Err(error),
        }
        // Held locks are released before the next try, so that a waiting DDL gets its turn.
        for session in &mut sessions {
            run(session, "ROLLBACK", "release the guard")?;
        }
        stop.sleep(pause())?;
    }
    Err(last.unwrap_or_else(|| {
        Error::new(ErrorKind::Busy, "guard the tables", "tables came and went all the time")
    }))
}

/// A session of the guard.
fn session(connector: &Connector, flavor: &Flavor, spec: &MysqlSpec) -> Result<Conn> {
    let mut session = connector.session(flavor, "guard the tables of")?;
    let seconds = spec.lock_wait.as_secs().max(1);
    run(&mut session, &format!("SET SESSION lock_wait_timeout={seconds}"), "prepare the guard")?;
    let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
    run(&mut session, isolation, "prepare the guard")?;
    Ok(session)
}

/// Does the same on all connections at once; each is told its number.
pub fn on_all<T: Send>(
    connections: &mut [Conn],
    work: impl Fn(usize, &mut Conn) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let work = &work;
    std::thread::scope(|scope| {
        let running: Vec<_> = connections
            .iter_mut()
            .enumerate()
            .map(|(index, connection)| scope.spawn(move || work(index, connection)))
            .collect();
        let ended = running.into_iter().map(|r| r.join().expect("BUG: a panic on a connection"));
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

/// What the server holds, as soon as nobody alters one of its tables.
pub fn settled(connection: &mut Conn, spec: &MysqlSpec, stop: &Stop) -> Result<Listing> {
    let known = Unreadable::default();
    for _ in 1..TRIES {
        match schema::listing(connection, spec, &known) {
            Err(error) if error.kind == ErrorKind::Busy => stop.sleep(pause())?,
            other => return other,
        }
    }
    schema::listing(connection, spec, &known)
}

/// What was found out by the tries before.
#[derive(Default)]
struct Known {
    unreadable: Unreadable,
    /// Tables that were listed and then not there.
    gone: BTreeSet<Name>,
}

impl Known {
    /// Takes note of a table that could not be locked. One that is listed again and still not there
    /// was not dropped.
    fn add(&mut self, refusal: Refusal) {
        let (unit, table) = &refusal.table;
        if !refusal.gone || !self.gone.insert(refusal.table.clone()) {
            self.unreadable.add_table(unit, table, &refusal.why);
        }
    }
}

/// Some time between 50 and 250 ms, so that two dumps do not march in step.
pub fn pause() -> Duration {
    Duration::from_millis(50 + u64::from(Entropy::Os.bits()) % 200)
}

/// Lists, locks, and lists again; `None` when the second list is another, or a table can't be
/// locked.
fn lock_listed(
    sessions: &mut Vec<Conn>,
    more: &dyn Fn() -> Result<Conn>,
    (flavor, spec): (&Flavor, &MysqlSpec),
    known: &mut Known,
) -> Result<Option<(Listing, MetadataLocks)>> {
    let listing = schema::listing(&mut sessions[0], spec, &known.unreadable)?;
    while sessions.len() < guards(&listing.units, flavor) {
        match more() {
            Ok(session) => sessions.push(session),
            // A server that has no more connections to give is guarded by few, which takes longer:
            // others need some too.
            Err(_) => {
                sessions.truncate(sessions.len().saturating_sub(SPARE).max(1));
                break;
            }
        }
    }
    let locks = MetadataLocks::new(&listing.units);
    let of = sessions.len();
    let refused = on_all(sessions, |index, session| {
        run(session, "START TRANSACTION READ ONLY", "guard the tables")?;
        locks.take(session, Share { index, of, first: 0 })
    })?;
    let refused: Vec<Refusal> = refused.into_iter().flatten().collect();
    if !refused.is_empty() {
        refused.into_iter().for_each(|refusal| known.add(refusal));
        return Ok(None);
    }
    let now = schema::listing(&mut sessions[0], spec, &known.unreadable)?;
    Ok(same_tables(&listing.units, &now.units).then_some((now, locks)))
}

fn same_tables(a: &[Unit], b: &[Unit]) -> bool {
    type Key = (String, String, String, bool, bool);
    let names = |units: &[Unit]| -> Vec<Key> {
        let key = |u: &Unit, t: &schema::Table| {
            (u.name.clone(), t.name.clone(), t.engine.clone(), t.sequence, t.versioned)
        };
        units.iter().flat_map(|u| u.tables.iter().map(move |t| key(u, t))).collect()
    };
    names(a) == names(b)
}

/// What the synchronised start gave.
#[derive(Debug)]
pub struct Synced {
    /// Where the snapshot stands in the binary log.
    pub position: Option<Position>,
    /// How long commits were held back.
    pub held: Duration,
    /// Tries at the lock.
    pub tries: u32,
    /// Whether commits were held back at all; if not, only the first worker has started.
    pub locked: bool,
}

/// Starts the snapshot of all workers at one moment.
pub fn synchronise(
    control: &mut Conn,
    workers: &mut [Conn],
    spec: &MysqlSpec,
    flavor: &Flavor,
    stop: &Stop,
) -> Result<Synced> {
    let seconds = spec.lock_wait.as_secs().max(1);
    run(
        control,
        &format!("SET SESSION lock_wait_timeout={seconds}"),
        "prepare the control connection",
    )?;
    if unlocked_by_test() {
        return unlocked(control, workers, flavor, stop);
    }
    for tries in 1..=TRIES {
        stop.check()?;
        let begun = Instant::now();
        match hold_commits(control, flavor) {
            Ok(()) => {
                let started = workers.iter_mut().try_for_each(start);
                let position = started.and_then(|()| position(control, flavor));
                release(control, flavor)?;
                return Ok(Synced {
                    position: position?,
                    held: begun.elapsed(),
                    tries,
                    locked: true,
                });
            }
            Err(error) if error.kind == ErrorKind::Denied => {
                // One snapshot is one moment by itself; its position is bracketed instead of
                // frozen.
                let Some(worker) = workers.first_mut() else { return Err(error) };
                let position = alone(control, worker, flavor)?;
                return Ok(Synced { position, held: Duration::ZERO, tries: 0, locked: false });
            }
            Err(error) if error.kind == ErrorKind::Busy => {
                release(control, flavor)?;
                stop.sleep(pause())?;
            }
            Err(error) => {
                release(control, flavor)?;
                return Err(error);
            }
        }
    }
    let error = Error::new(
        ErrorKind::Busy,
        "hold back commits for the snapshot",
        format!("{TRIES} tries of {seconds} s each failed"),
    );
    Err(error
        .hint("A long transaction or another backup holds its locks; raise `lock-wait`, or dump at a calmer time."))
}

/// What a test asks for, to see that the lock is needed: snapshots one after the other.
fn unlocked(
    control: &mut Conn,
    workers: &mut [Conn],
    flavor: &Flavor,
    stop: &Stop,
) -> Result<Synced> {
    for worker in workers.iter_mut() {
        start(worker)?;
        // Long enough for a few commits.
        stop.sleep(Duration::from_millis(5))?;
    }
    let position = position(control, flavor)?;
    Ok(Synced { position, held: Duration::ZERO, tries: 0, locked: true })
}

fn hold_commits(control: &mut Conn, flavor: &Flavor) -> Result<()> {
    let doing = "hold back commits for the snapshot";
    if flavor.has_backup_stage() {
        run(control, "BACKUP STAGE START", doing)?;
        return run(control, "BACKUP STAGE BLOCK_COMMIT", doing);
    }
    run(control, "FLUSH TABLES WITH READ LOCK", doing)
}

fn release(control: &mut Conn, flavor: &Flavor) -> Result<()> {
    let statement = if flavor.has_backup_stage() { RELEASE[0] } else { RELEASE[1] };
    match control.query_drop(statement) {
        // The lock was never had.
        Err(mysql::Error::MySqlError(e)) if matches!(e.code, 4146 | 4147) => Ok(()),
        other => other.map_err(|e| wrap("let commits go on", e)),
    }
}

/// Starts the snapshot of one worker and makes sure that it is one.
fn start(worker: &mut Conn) -> Result<()> {
    let doing = "start a snapshot";
    run(worker, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", doing)?;
    // A statement without a table keeps the list of the one before: of a setting, say, that the
    // user may not make.
    let before = warnings(worker)?;
    run(worker, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", doing)?;
    let after = warnings(worker)?;
    if let Some((_, code, text)) = after.into_iter().find(|warning| !before.contains(warning)) {
        return Err(Error::new(ErrorKind::Refused, doing, format!("{text} (warning {code})")));
    }
    Ok(())
}

fn warnings(worker: &mut Conn) -> Result<Vec<(String, u32, String)>> {
    worker.query("SHOW WARNINGS").map_err(|e| wrap("ask for warnings", e))
}

/// One worker without lock: the position before and after must be the same, else there is none.
fn alone(control: &mut Conn, worker: &mut Conn, flavor: &Flavor) -> Result<Option<Position>> {
    let before = position(control, flavor);
    start(worker)?;
    let after = position(control, flavor);
    Ok(match (before, after) {
        (Ok(a), Ok(b)) if a == b => a,
        _ => None,
    })
}

/// Whether a test of a debug build wants to see what happens without the lock.
fn unlocked_by_test() -> bool {
    cfg!(debug_assertions) && std::env::var_os("VEX_TEST_UNLOCKED").is_some()
}

/// Reads where the binary log stands; `None` where there is no log, or no right to ask.
fn position(control: &mut Conn, flavor: &Flavor) -> Result<Option<Position>> {
    let doing = "read the position of the binary log";
    let mut found: Option<(String, u64)> = None;
    for statement in ["SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"] {
        match control.query_first::<mysql::Row, _>(statement) {
            Ok(row) => {
                found = row.and_then(|row| Some((row.get::<String, _>(0)?, row.get::<u64, _>(1)?)));
                break;
            }
            // Syntax: the other of the two is this server's.
            Err(mysql::Error::MySqlError(e)) if e.code == 1064 => {}
            Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1227 | 1045) => return Ok(None),
            Err(error) => return Err(wrap(doing, error)),
        }
    }
    let log: Option<String> =
        control.query_first("SELECT @@log_bin").map_err(|e| wrap(doing, e))?;
    let Some((file, offset)) = found else {
        if log.as_deref() == Some("1") {
            return Err(Error::new(
                ErrorKind::Failed,
                doing,
                "the binary log is on, and the server names no position",
            ));
        }
        return Ok(None);
    };
    match flavor.family {
        Family::Mysql => {
            let gtid: Option<String> =
                control.query_first("SELECT @@GLOBAL.gtid_executed").map_err(|e| wrap(doing, e))?;
            let mut sets: Vec<String> =
                gtid.unwrap_or_default().split(',').map(|s| s.trim().to_owned()).collect();
            sets.sort();
            Ok(Some(Position::Mysql { file, offset, gtid: sets.join(",") }))
        }
        Family::Mariadb => {
            let sql = format!("SELECT BINLOG_GTID_POS({}, {offset})", schema::literal(&file));
            let gtid: Option<Option<String>> =
                control.query_first(sql).map_err(|e| wrap(doing, e))?;
            Ok(Some(Position::Mariadb { file, offset, gtid: gtid.flatten().unwrap_or_default() }))
        }
    }
}
