//! One consistent view of a server: members, pieces, and the connections that read them.
//!
//! Invariants: workers outnumber no lock (see `guard.rs`); a lost connection ends the dump; at the
//! end every worker proves that its session is still the one that took the snapshot, and the
//! definitions are those that were dumped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::{Kind, Member, Phase, Proof};
use crate::base::Stop;
use crate::job::MysqlSpec;
use crate::source::contract::{About, Error, ErrorKind, Out, Piece, Reading, Result, Snapshot};
use crate::source::mysql::account;
use crate::source::mysql::connect::Connector;
use crate::source::mysql::ddl_watch::DdlWatch;
use crate::source::mysql::describe::{Described, describe};
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::guard::{Guarded, guard, on_all, pause, synchronise};
use crate::source::mysql::metadata_locks::{Sessions, Share, Worker, releases};
use crate::source::mysql::object::{
    Script, history_prologue, in_restore_order, prologue, sequence,
};
use crate::source::mysql::range::Range;
use crate::source::mysql::replica::replica;
use crate::source::mysql::rows::{Reached, Sizes, TableRows};
use crate::source::mysql::schema::{Layouts, Listing, untransactional};
use crate::source::mysql::slice::{Progress, Slices};
use crate::source::mysql::unguarded::{compare, unchanged};
use crate::source::mysql::unreadable::{Name, Shortfall};

/// How often the view is tried when DDL comes between its parts.
const ATTEMPTS: u32 = 3;

/// How often a slice may be handed back because DDL waits for its table.
const HANDED_BACK: usize = 300;

/// What a member is read from.
enum Content {
    Script(Vec<u8>),
    Rows { unit: usize, table: usize, slices: Slices, weight: u64 },
}

/// A table that is being read.
struct OpenTable<'a> {
    slices: &'a Slices,
    rows: TableRows<'a>,
    /// What its entries begin with.
    prologue: Vec<u8>,
}

/// A consistent view.
pub struct MysqlSnapshot {
    flavor: Flavor,
    spec: MysqlSpec,
    listing: Listing,
    layouts: Layouts,
    members: Vec<Member>,
    contents: Vec<Content>,
    sessions: Arc<Sessions>,
    /// Guards the connection that asks what no table holds.
    control: Mutex<Conn>,
    handed_back: AtomicUsize,
    /// Ends with the view.
    _watch: DdlWatch,
    scripts: Vec<Script>,
    about: About,
    /// Guards what was not read of tables that are read.
    shortfall: Mutex<Shortfall>,
    /// `max_allowed_packet` of the server: no statement may be longer.
    packet: usize,
    chunk: usize,
}

impl MysqlSnapshot {
    /// Takes the view.
    pub fn take(
        spec: &MysqlSpec,
        connector: &Connector,
        reading: &Reading,
        stop: &Stop,
    ) -> Result<MysqlSnapshot> {
        let mut attempt = 1;
        loop {
            match MysqlSnapshot::attempt(spec, connector, reading, stop) {
                // Somebody's DDL waits for the guard, and our own workers behind it: all locks are
                // released, and taken again.
                Err(error) if error.kind == ErrorKind::Busy && attempt < ATTEMPTS => {
                    stop.sleep(pause())?
                }
                other => return other,
            }
            attempt += 1;
        }
    }

    fn attempt(
        spec: &MysqlSpec,
        connector: &Connector,
        reading: &Reading,
        stop: &Stop,
    ) -> Result<MysqlSnapshot> {
        let flavor = Flavor::of(&mut connector.connect("ask")?)?;
        let mut control = connector.session(&flavor, "control")?;
        let Guarded { listing, locks, sessions: mut guards } =
            guard(connector, &flavor, spec, stop)?;
        let mut about = About {
            version: flavor.version.clone(),
            inconsistent: untransactional(&listing.units, spec)?,
            idle: listing.idle.clone(),
            ..About::default()
        };
        let with = (connector, &flavor, reading.threads);
        let Described { mut scripts, layouts, not_included, lost } =
            describe(&mut guards[0], &mut control, with, (spec, &listing), stop)?;
        about.not_included = not_included;
        let mut workers = Vec::new();
        let seconds = spec.lock_wait.as_secs().max(1);
        for _ in 0..reading.threads.max(1) {
            let mut worker = connector.reader(&flavor)?;
            run(
                &mut worker,
                &format!("SET SESSION lock_wait_timeout={seconds}"),
                "prepare a worker",
            )?;
            workers.push(worker);
        }
        let synced = synchronise(&mut control, &mut workers, spec, &flavor, stop)?;
        if !synced.locked {
            workers.truncate(1);
        }
        let readers = workers.len();
        on_all(&mut workers, |index, worker| {
            locks.take_as_worker(worker, locks.share(index, readers, flavor.family))
        })?;
        for script in scripts.iter_mut().filter(|s: &&mut Script| s.member.kind == Kind::Sequence) {
            script.text = sequence(&mut control, &script.member.unit, &script.member.name)?;
        }
        let packet = max_packet(&mut control)?;
        about.replica = replica(&mut control, &flavor)?;
        about.lacks(lost);
        if synced.locked {
            let held = synced.held.as_secs_f64() * 1000.0;
            about
                .remarks
                .push(format!("commits were held back for {held:.1} ms at try {}", synced.tries));
        } else {
            about.remarks.push(
                "the user may not hold back commits (RELOAD): one connection reads everything"
                    .into(),
            );
        }
        match &synced.position {
            Some(position) => about.remarks.push(format!("the snapshot stands at {position}")),
            None => about
                .not_included
                .push("a binary log position: no point-in-time recovery from this backup".into()),
        }
        if !releases(&mut guards[0], &flavor)? {
            about.remarks.push(
                "the user may not set sql_log_bin (BINLOG ADMIN): DDL waits until the dump ends"
                    .into(),
            );
        }
        let of = guards.len();
        let guards = guards
            .into_iter()
            .enumerate()
            .map(|(index, guard)| worker(guard, Share { index, of, first: 0 }))
            .collect::<Result<_>>()?;
        let workers = workers
            .into_iter()
            .enumerate()
            .map(|(index, reader)| worker(reader, locks.share(index, readers, flavor.family)))
            .collect::<Result<_>>()?;
        let sessions = Arc::new(Sessions { locks, guards, workers });
        let look_out = connector.look_out(&flavor)?;
        let watch = DdlWatch::begin(look_out, Arc::clone(&sessions), spec.ddl_wait);
        let mut snapshot = MysqlSnapshot {
            flavor,
            spec: spec.clone(),
            listing,
            layouts,
            members: Vec::new(),
            contents: Vec::new(),
            sessions,
            control: Mutex::new(control),
            handed_back: AtomicUsize::new(0),
            _watch: watch,
            scripts,
            about: About { position: synced.position, ..about },
            shortfall: Mutex::default(),
            packet,
            chunk: reading.chunk,
        };
        snapshot.collect(stop)?;
        Ok(snapshot)
    }

    /// Orders the members: before of all units, rows of all units, after of all units.
    fn collect(&mut self, stop: &Stop) -> Result<()> {
        let mut rows = Vec::new();
        for (unit_index, unit) in self.listing.units.iter().enumerate() {
            for (table_index, table) in
                unit.tables.iter().enumerate().filter(|(_, t)| !t.sequence && t.has_rows())
            {
                stop.check()?;
                let layout = &self.layouts[&(unit.name.clone(), table.name.clone())];
                if layout.unknown.is_some() {
                    self.sessions.locks.read(&(unit.name.clone(), table.name.clone()));
                    continue;
                }
                // The worker that holds its lock; another session might have to wait behind a DDL.
                let group = self.sessions.locks.before(&(unit.name.clone(), table.name.clone()));
                let workers = &self.sessions.workers;
                let mut worker =
                    workers[group % workers.len()].lock().expect("no panic while locked");
                let slices = Slices::of(
                    &mut worker.connection,
                    &self.flavor,
                    &unit.name,
                    table,
                    layout,
                    self.chunk,
                )?;
                let member = Member::new(&unit.name, &table.name, Kind::Rows, Phase::Data);
                rows.push((
                    member,
                    Content::Rows {
                        unit: unit_index,
                        table: table_index,
                        slices,
                        weight: table.bytes,
                    },
                ));
            }
        }
        // They took the locks of all that they have cut.
        for worker in &self.sessions.workers {
            let mut worker = worker.lock().expect("no panic while locked");
            self.sessions.locks.forget(&mut worker, None)?;
        }
        let (before, after) = in_restore_order(&self.scripts);
        let of = |scripts: Vec<&Script>| {
            scripts
                .into_iter()
                .map(|s| (s.member.clone(), Content::Script(s.text.clone())))
                .collect::<Vec<_>>()
        };
        for (member, content) in of(before).into_iter().chain(rows).chain(of(after)) {
            self.about.estimate += match &content {
                Content::Script(text) => text.len() as u64,
                Content::Rows { weight, .. } => *weight,
            };
            self.members.push(member);
            self.contents.push(content);
        }
        Ok(())
    }

    fn shortfall(&self) -> MutexGuard<'_, Shortfall> {
        self.shortfall.lock().expect("no panic while locked")
    }

    /// Reads a slice; what is too much for one is handed back.
    fn read_slice(
        &self,
        worker: usize,
        piece: &Piece,
        OpenTable { slices, rows, prologue }: OpenTable<'_>,
        out: &mut dyn Out,
        stop: &Stop,
    ) -> Result<Proof> {
        let mut guard = self.sessions.workers[worker].lock().expect("no panic while locked");
        let name: Name = (rows.unit.to_owned(), rows.name.to_owned());
        let before = self.sessions.locks.before(&name);
        // What can't be cut may take hours in one: meanwhile this session holds nothing that others
        // read.
        let free = if slices.ordered { 0 } else { before };
        self.sessions.settle(&mut guard, free.max(self.sessions.locks.free()))?;
        let connection = &mut guard.connection;
        let mut slice = slices.get(piece.number);
        let hand_back = |out: &mut dyn Out, rest: Range| {
            out.more(Piece { member: piece.member, number: slices.add(rest) })
        };
        let read = (|| {
            if slice.long
                && let Some(key) = {
                    out.waiting(&format!("the keys of {}", rows.title()));
                    rows.nth_key(connection, &slice.range, slices.rows)?
                }
            {
                let (range, rest) = std::mem::take(&mut slice.range).cut(key);
                slice.range = range;
                hand_back(out, rest);
                slices.shorten(piece.number, slice.range.clone());
            }
            let limit = (slices.ordered && !slice.long).then(|| slices.limit());
            let ordered = slices.ordered;
            let sizes = Sizes { chunk: self.chunk, packet: self.packet, rows: limit, ordered };
            out.waiting(&format!("the first rows of {}", rows.title()));
            rows.read(connection, &slice.range, &prologue, sizes, out, stop)
        })();
        let Reached { proof, last, left, broken } = match read {
            // DDL waits for this table, and this session behind it: another may still hold its
            // lock, or DDL gets its turn.
            Err(error)
                if waited(&error)
                    && self.handed_back.fetch_add(1, Ordering::SeqCst) < HANDED_BACK =>
            {
                out.more(*piece);
                drop(guard);
                let workers = self.sessions.workers.len();
                if !self.sessions.locks.is_held(&name, workers, self.flavor.family) {
                    // Only the guard holds it, and the DDL waits for the guard.
                    self.sessions.locks.give_way();
                    self.sessions.release_idle()?;
                }
                stop.sleep(Duration::from_millis(200))?;
                return Ok(Proof::default());
            }
            other => other?,
        };
        if let Some(key) = last {
            hand_back(out, slice.range.cut(key).1);
        }
        let (whole, left) = {
            let mut shortfall = self.shortfall();
            shortfall.add(&name, broken, left);
            (shortfall.is_whole(&name), shortfall.left(&name))
        };
        let progress = slices.read(proof.rows);
        if let Progress::Count(read) = progress
            && whole
        {
            let read = read + left;
            out.waiting(&format!("the server's own count of {}", rows.title()));
            let counted = rows.count(connection)?;
            if counted != read {
                let found = format!("{read} rows were read, and the server counts {counted}");
                return Err(Error::new(
                    ErrorKind::Damaged,
                    format!("read {}", rows.title()),
                    found,
                ));
            }
        }
        self.sessions.locks.forget(&mut guard, Some(&name))?;
        if progress != Progress::Open {
            drop(guard);
            self.sessions.locks.read(&name);
            self.sessions.release_idle()?;
        }
        Ok(proof)
    }
}

/// Whether a statement gave up waiting for a metadata lock; nothing was read then.
fn waited(error: &Error) -> bool {
    error.is_number(1205)
}

/// The longest statement the server takes.
pub fn max_packet(connection: &mut Conn) -> Result<usize> {
    let doing = "ask for max_allowed_packet";
    let found: Option<usize> =
        connection.query_first("SELECT @@GLOBAL.max_allowed_packet").map_err(|e| wrap(doing, e))?;
    found.ok_or_else(|| Error::new(ErrorKind::Failed, doing, "the server answered with nothing"))
}

/// A session of the view, which holds the locks of its share.
fn worker(mut connection: Conn, share: Share) -> Result<Mutex<Worker>> {
    let session = session_id(&mut connection)?;
    Ok(Mutex::new(Worker { connection, session, released: share.first, share }))
}

/// The session's own number, which a reconnect would change.
fn session_id(connection: &mut Conn) -> Result<u64> {
    let id: Option<u64> = connection
        .query_first("SELECT CONNECTION_ID()")
        .map_err(|e| wrap("ask a worker for its session", e))?;
    id.ok_or_else(|| {
        Error::new(
            ErrorKind::Failed,
            "ask a worker for its session",
            "the server answered with nothing",
        )
    })
}

impl Snapshot for MysqlSnapshot {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn pieces(&self) -> Vec<Piece> {
        let mut order: Vec<usize> = (0..self.contents.len()).collect();
        // What can't be cut goes first, the largest of it before all, or one thread would end alone
        // with it; and what shares one lock, since no other lock is free before. Then small tables,
        // whose locks are soon free; the large ones last, which all threads read to the end.
        order.sort_by_key(|member| match &self.contents[*member] {
            Content::Script(_) => (0, 0),
            Content::Rows { slices, weight, unit, table } => {
                let alone = !slices.ordered && slices.len() == 1;
                let table = &self.listing.units[*unit].tables[*table];
                if alone || !table.has_savepoints() { (0, u64::MAX - weight) } else { (1, *weight) }
            }
        });
        let numbers = |content: &Content| match content {
            Content::Script(_) => 0..1,
            Content::Rows { slices, .. } => 0..slices.len(),
        };
        let pieces =
            |member| numbers(&self.contents[member]).map(move |number| Piece { member, number });
        order.into_iter().flat_map(pieces).collect()
    }

    fn workers(&self) -> usize {
        self.sessions.workers.len()
    }

    fn read(&self, worker: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        stop.check()?;
        match &self.contents[piece.member] {
            Content::Script(text) => {
                let mut buffer = out.buffer()?;
                buffer.extend_from_slice(text);
                out.chunk(buffer, Proof::default())?;
                Ok(Proof::default())
            }
            Content::Rows { unit, table, slices, .. } => {
                let table = &self.listing.units[*unit].tables[*table];
                let unit_name = &self.listing.units[*unit].name;
                let rows = TableRows {
                    unit: unit_name,
                    name: &table.name,
                    layout: &self.layouts[&(unit_name.clone(), table.name.clone())],
                };
                let prologue =
                    if table.versioned { history_prologue(unit_name) } else { prologue(unit_name) };
                self.read_slice(worker, piece, OpenTable { slices, rows, prologue }, out, stop)
            }
        }
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        stop.check()?;
        for worker in self.sessions.all() {
            let mut guard = worker.lock().expect("no panic while locked");
            let Worker { connection, session, .. } = &mut *guard;
            if session_id(connection)? != *session {
                return Err(Error::new(
                    ErrorKind::Unreachable,
                    "prove the snapshot",
                    "a worker has another session than it began with",
                ));
            }
        }
        let mut accounts = Vec::new();
        if self.spec.accounts {
            let mut control = self.control.lock().expect("no panic while locked");
            accounts = account::read(&mut control, &self.flavor, stop)?.scripts;
        }
        let mut guard = self.sessions.guards[0].lock().expect("no panic while locked");
        let guard = &mut guard.connection;
        unchanged(guard, (&self.spec, &self.listing), &self.scripts, accounts, stop)?;
        match self.sessions.locks.unguarded() {
            Some(unread) => compare(guard, &self.listing, &self.scripts, &unread, stop),
            None => Ok(()),
        }
    }

    fn about(&self) -> About {
        let mut about = self.about.clone();
        about.lacks(self.shortfall().lines());
        about.afterwards = self.sessions.locks.unguarded().map_or_else(Vec::new, |unread| {
            vec![format!("the guard gave way to a DDL; {} tables were read without it and compared at the end", unread.len())]
        });
        about
    }
}
