//! One consistent view of a server: members, pieces, and the connections that read them.
//!
//! Invariants: workers outnumber no lock (see `guard.rs`); a lost connection ends the dump; at the end every worker
//! proves that its session is still the one that took the snapshot, and the definitions are those that were dumped.

use std::collections::BTreeMap;
use std::sync::Mutex;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::{Kind, Member, Phase, Position, Proof};
use crate::base::Stop;
use crate::job::{Inconsistent, MysqlSpec};
use crate::source::contract::{Error, ErrorKind, Out, Piece, Reading, Result, Snapshot};
use crate::source::mysql::connect::Connector;
use crate::source::mysql::fault::wrap;
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::guard::{guard, hold_tables, synchronise};
use crate::source::mysql::object::{
    Scope, Script, definitions, history_prologue, in_restore_order, prologue, sequence, unchanged,
};
use crate::source::mysql::range::Range;
use crate::source::mysql::rows::{Sizes, TableRows};
use crate::source::mysql::schema::{self, Layout, Unit};
use crate::source::mysql::slice::{Progress, Slices};

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
    units: Vec<Unit>,
    layouts: Vec<BTreeMap<String, Layout>>,
    members: Vec<Member>,
    contents: Vec<Content>,
    /// Guards each worker's connection and the session it must still be.
    workers: Vec<Mutex<(Conn, u64)>>,
    /// Guards the connection that holds the metadata locks until the end, and compares definitions then.
    guard: Mutex<Conn>,
    control: Mutex<Conn>,
    scripts: Vec<Script>,
    position: Option<Position>,
    inconsistent: Vec<String>,
    not_included: Vec<String>,
    lost: Vec<String>,
    remarks: Vec<String>,
    /// `max_allowed_packet` of the server: no statement may be longer.
    packet: usize,
    chunk: usize,
}

impl MysqlSnapshot {
    /// Takes the view.
    pub fn take(spec: &MysqlSpec, connector: &Connector, reading: &Reading, stop: &Stop) -> Result<MysqlSnapshot> {
        let flavor = Flavor::of(&mut connector.connect("ask")?)?;
        let mut guarding = connector.session(&flavor, "guard the tables of")?;
        let mut control = connector.session(&flavor, "control")?;
        let units = guard(&mut guarding, spec, stop)?;
        let inconsistent = untransactional(&units, spec)?;
        let mut layouts = Vec::new();
        let (mut scripts, mut not_included) = (Vec::new(), vec!["users, roles and grants".to_owned()]);
        let mut lost = Vec::new();
        for unit in &units {
            stop.check()?;
            layouts.push(schema::layouts(&mut guarding, unit)?);
            let found = definitions(&mut guarding, unit, Scope::All)?;
            scripts.extend(found.scripts);
            not_included.extend(found.not_included);
            lost.extend(found.lost);
        }
        let mut workers = Vec::new();
        for _ in 0..reading.threads.max(1) {
            workers.push(connector.reader(&flavor)?);
        }
        let synced = synchronise(&mut control, &mut workers, spec, &flavor, stop)?;
        for worker in &mut workers {
            hold_tables(worker, &units)?;
        }
        for script in scripts.iter_mut().filter(|s: &&mut Script| s.member.kind == Kind::Sequence) {
            script.text = sequence(&mut control, &script.member.unit, &script.member.name)?;
        }
        let packet = max_packet(&mut control)?;
        not_included.extend(lost.iter().cloned());
        let mut remarks = Vec::new();
        if synced.locked {
            let held = synced.held.as_secs_f64() * 1000.0;
            remarks.push(format!("commits were held back for {held:.1} ms at try {}", synced.tries));
        } else {
            workers.truncate(1);
            remarks.push("the user may not hold back commits (RELOAD): one connection reads everything".into());
        }
        match &synced.position {
            Some(position) => remarks.push(format!("the snapshot stands at {position}")),
            None => not_included.push("a binary log position: no point-in-time recovery from this backup".into()),
        }
        let mut sessions = Vec::new();
        for mut worker in workers {
            let session = session_id(&mut worker)?;
            sessions.push(Mutex::new((worker, session)));
        }
        let mut snapshot = MysqlSnapshot {
            flavor,
            spec: spec.clone(),
            units,
            layouts,
            members: Vec::new(),
            contents: Vec::new(),
            workers: sessions,
            guard: Mutex::new(guarding),
            control: Mutex::new(control),
            scripts,
            position: synced.position,
            inconsistent,
            not_included,
            lost,
            remarks,
            packet,
            chunk: reading.chunk,
        };
        snapshot.collect(stop)?;
        Ok(snapshot)
    }

    /// Orders the members: before of all units, rows of all units, after of all units.
    fn collect(&mut self, stop: &Stop) -> Result<()> {
        let mut rows = Vec::new();
        for (unit_index, unit) in self.units.iter().enumerate() {
            for (table_index, table) in unit.tables.iter().enumerate().filter(|(_, t)| !t.sequence && t.has_rows()) {
                stop.check()?;
                let layout = &self.layouts[unit_index][&table.name];
                let mut control = self.control.lock().expect("no panic while locked");
                let slices = Slices::of(&mut control, &self.flavor, &unit.name, table, layout, self.chunk)?;
                let member = Member::new(&unit.name, &table.name, Kind::Rows, Phase::Data);
                rows.push((
                    member,
                    Content::Rows { unit: unit_index, table: table_index, slices, weight: table.bytes },
                ));
            }
        }
        let (before, after) = in_restore_order(&self.scripts);
        let of = |scripts: Vec<&Script>| {
            scripts.into_iter().map(|s| (s.member.clone(), Content::Script(s.text.clone()))).collect::<Vec<_>>()
        };
        for (member, content) in of(before).into_iter().chain(rows).chain(of(after)) {
            self.members.push(member);
            self.contents.push(content);
        }
        Ok(())
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
        let mut guard = self.workers[worker].lock().expect("no panic while locked");
        let connection = &mut guard.0;
        let mut slice = slices.get(piece.number);
        let hand_back =
            |out: &mut dyn Out, rest: Range| out.more(Piece { member: piece.member, number: slices.add(rest) });
        if slice.long
            && let Some(key) = rows.nth_key(connection, &slice.range, slices.rows)?
        {
            let (range, rest) = slice.range.cut(key);
            slice.range = range;
            hand_back(out, rest);
        }
        let limit = (slices.ordered && !slice.long).then(|| slices.limit());
        let sizes = Sizes { chunk: self.chunk, packet: self.packet, rows: limit };
        let (proof, last) = rows.read(connection, &slice.range, &prologue, sizes, out, stop)?;
        if let Some(key) = last {
            hand_back(out, slice.range.cut(key).1);
        }
        if let Progress::Count(read) = slices.read(proof.rows) {
            let counted = rows.count(connection)?;
            if counted != read {
                let found = format!("{read} rows were read, and the server counts {counted}");
                return Err(Error::new(ErrorKind::Damaged, format!("read {}", rows.title()), found));
            }
        }
        Ok(proof)
    }
}

/// Tables that no snapshot covers: an error, or the reasons for an Alerta, as the job says.
pub fn untransactional(units: &[Unit], spec: &MysqlSpec) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for unit in units {
        for table in unit.tables.iter().filter(|t| !t.is_transactional()) {
            found.push(format!("{}.{} is a {} table, which no snapshot covers", unit.name, table.name, table.engine));
        }
    }
    match (spec.inconsistent, found.first()) {
        (Inconsistent::Refuse, Some(first)) => {
            let more = if found.len() > 1 { format!(", and {} more", found.len() - 1) } else { String::new() };
            let error = Error::new(ErrorKind::Refused, "take one point in time", format!("{first}{more}"));
            Err(error.hint("Convert it to InnoDB, `exclude` it, or accept an Alerta with inconsistent=\"alert\"."))
        }
        (Inconsistent::Refuse | Inconsistent::Alert, _) => Ok(found),
    }
}

/// The longest statement the server takes.
pub fn max_packet(connection: &mut Conn) -> Result<usize> {
    let doing = "ask for max_allowed_packet";
    let found: Option<usize> =
        connection.query_first("SELECT @@GLOBAL.max_allowed_packet").map_err(|e| wrap(doing, e))?;
    found.ok_or_else(|| Error::new(ErrorKind::Failed, doing, "the server answered with nothing"))
}

/// The session's own number, which a reconnect would change.
fn session_id(connection: &mut Conn) -> Result<u64> {
    let id: Option<u64> =
        connection.query_first("SELECT CONNECTION_ID()").map_err(|e| wrap("ask a worker for its session", e))?;
    id.ok_or_else(|| Error::new(ErrorKind::Failed, "ask a worker for its session", "the server answered with nothing"))
}

impl Snapshot for MysqlSnapshot {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn pieces(&self) -> Vec<Piece> {
        let mut order: Vec<usize> = (0..self.contents.len()).collect();
        // Large tables first: what is small fills the gaps at the end.
        order.sort_by_key(|member| match &self.contents[*member] {
            Content::Script(_) => std::cmp::Reverse(0),
            Content::Rows { weight, .. } => std::cmp::Reverse(*weight),
        });
        let numbers = |content: &Content| match content {
            Content::Script(_) => 0..1,
            Content::Rows { slices, .. } => 0..slices.len(),
        };
        let pieces = |member| numbers(&self.contents[member]).map(move |number| Piece { member, number });
        order.into_iter().flat_map(pieces).collect()
    }

    fn workers(&self) -> usize {
        self.workers.len()
    }

    fn read(&self, worker: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        match &self.contents[piece.member] {
            Content::Script(text) => {
                let mut buffer = out.buffer()?;
                buffer.extend_from_slice(text);
                out.chunk(buffer, Proof::default())?;
                Ok(Proof::default())
            }
            Content::Rows { unit, table, slices, .. } => {
                let table = &self.units[*unit].tables[*table];
                let unit_name = &self.units[*unit].name;
                let rows = TableRows { unit: unit_name, name: &table.name, layout: &self.layouts[*unit][&table.name] };
                let prologue = if table.versioned { history_prologue(unit_name) } else { prologue(unit_name) };
                self.read_slice(worker, piece, OpenTable { slices, rows, prologue }, out, stop)
            }
        }
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        for worker in &self.workers {
            let mut guard = worker.lock().expect("no panic while locked");
            let (connection, session) = &mut *guard;
            if session_id(connection)? != *session {
                return Err(Error::new(
                    ErrorKind::Unreachable,
                    "prove the snapshot",
                    "a worker has another session than it began with",
                ));
            }
        }
        let mut guard = self.guard.lock().expect("no panic while locked");
        unchanged(&mut guard, &self.spec, &self.scripts, stop)
    }

    fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    fn version(&self) -> &str {
        &self.flavor.version
    }

    fn inconsistent(&self) -> &[String] {
        &self.inconsistent
    }

    fn not_included(&self) -> &[String] {
        &self.not_included
    }

    fn lost(&self) -> &[String] {
        &self.lost
    }

    fn estimate(&self) -> u64 {
        let weight = |content: &Content| match content {
            Content::Script(text) => text.len() as u64,
            Content::Rows { weight, .. } => *weight,
        };
        self.contents.iter().map(weight).sum()
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }
}
