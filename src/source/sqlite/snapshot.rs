//! One consistent copy of a live SQLite file, and the members read from it.
//!
//! The copy is made by the backup API in one step inside one read transaction: small steps restart
//! whenever another process writes, and never end under load. Invariants: the copy passes
//! `quick_check` before a byte of it is read; the live file is the same file before and after.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tempfile::NamedTempFile;

use crate::artifact::{Keys, Kind, Member, Phase, Proof, RowDigest};
use crate::base::Stop;
use crate::source::contract::{About, Error, ErrorKind, Out, Piece, Reading, Result, Snapshot};
use crate::source::script::Inserts;
use crate::source::sqlite::check::{Soundness, check};
use crate::source::sqlite::copy::{open_copy, stage, sweep};
use crate::source::sqlite::definition::{
    STATISTICS, bytes_of, database_bytes, schema_objects, schema_sql, sequence_sql, settings_sql,
    statistics, tables, undecided,
};
use crate::source::sqlite::open::{failed, open_live};
use crate::source::sqlite::rows;

/// Size of an INSERT statement at which the next begins.
const STATEMENT: usize = 256 << 10;

/// What the names of copies begin with.
const PREFIX: &str = ".vex-";

/// What every entry of rows begins with.
const PROLOGUE: &[u8] = b"PRAGMA foreign_keys=OFF;\n";

/// A copy of the file and connections to it.
pub struct SqliteSnapshot {
    copy: NamedTempFile,
    connections: Vec<Mutex<Connection>>,
    members: Vec<Member>,
    /// SQL of each member that is not rows or file.
    texts: Vec<Option<String>>,
    weights: Vec<u64>,
    chunk: usize,
    about: About,
    place: String,
}

impl SqliteSnapshot {
    /// Copies the live file at `path` into `staging`.
    pub fn take(
        path: &Path,
        unit: &str,
        staging: &Path,
        place: &str,
        reading: Reading,
        stop: &Stop,
    ) -> Result<SqliteSnapshot> {
        let doing = format!("take a snapshot of {place}");
        let io = |e: std::io::Error| {
            Error::new(ErrorKind::Failed, &doing, format!("staging in {}: {e}", staging.display()))
        };
        std::fs::create_dir_all(staging).map_err(io)?;
        sweep(staging, PREFIX).map_err(io)?;
        let copy = stage(staging, PREFIX).map_err(io)?;
        let identity = |p: &Path| std::fs::metadata(p).map(|m| (m.dev(), m.ino()));
        // A missing file is for the opening to tell.
        let before = identity(path).ok();
        copy_live(path, copy.path(), &doing, stop)?;
        if identity(path).ok() != before {
            return Err(Error::new(
                ErrorKind::Busy,
                doing,
                "the file was replaced by another while it was copied",
            ));
        }
        let connection = open_copy(copy.path(), &doing)?;
        let (odd, unchecked) = match check(&connection).map_err(|e| failed(&doing, e))? {
            Soundness::Sound { odd, unchecked } => (odd, unchecked),
            Soundness::Damaged(damage) => {
                let found = format!("quick_check says {damage}");
                return Err(Error::new(ErrorKind::Damaged, doing, found)
                    .hint("The source itself is damaged; the last good backup is kept."));
            }
        };
        let mut connections = vec![Mutex::new(connection)];
        for _ in 1..reading.threads.max(1) {
            connections.push(Mutex::new(open_copy(copy.path(), &doing)?));
        }
        let mut snapshot = SqliteSnapshot {
            copy,
            connections,
            members: Vec::new(),
            texts: Vec::new(),
            weights: Vec::new(),
            chunk: reading.chunk,
            about: About {
                version: format!("SQLite {}", rusqlite::version()),
                remarks: odd,
                ..About::default()
            },
            place: place.to_owned(),
        };
        snapshot.collect(unit, unchecked).map_err(|e| failed(&doing, e))?;
        Ok(snapshot)
    }

    fn collect(&mut self, unit: &str, mut lost: Vec<String>) -> rusqlite::Result<()> {
        let connection = self.connections[0].lock().expect("no panic while locked");
        let mut found: Vec<(Member, Option<String>, u64)> = Vec::new();
        let settings = Member::new(unit, "", Kind::Settings, Phase::Before);
        found.push((settings, Some(settings_sql(&connection)?), 0));
        let (mut data, mut not_included) = (Vec::new(), Vec::new());
        for table in tables(&connection)? {
            if table.form != "table" {
                let text = format!(
                    "{} table {}: it is in the file only, not in the SQL entries",
                    table.form, table.name
                );
                not_included.push(text);
                continue;
            }
            let sql = schema_sql(&connection, "table", &table.name)?;
            found.push((Member::new(unit, &table.name, Kind::Table, Phase::Before), sql, 0));
            if let Err(error) = rows::readable(&connection, &table.name) {
                lost.push(format!(
                    "rows of table {}: they are in the file only: {error}",
                    table.name
                ));
                continue;
            }
            let weight = bytes_of(&connection, &table.name);
            data.push((Member::new(unit, &table.name, Kind::Rows, Phase::Data), None, weight));
        }
        let file = Member::new(unit, "", Kind::File, Phase::Data);
        found.push((file, None, database_bytes(&connection)?));
        found.extend(data);
        for (kind, form) in
            [(Kind::Index, "index"), (Kind::View, "view"), (Kind::Trigger, "trigger")]
        {
            for (name, table, sql) in schema_objects(&connection, form)? {
                let member = Member::new(unit, &name, kind, Phase::After);
                let member = if kind == Kind::View { member } else { member.of_table(&table) };
                found.push((member, Some(sql), 0));
            }
        }
        let own = [
            ("sqlite_sequence", sequence_sql(&connection)?),
            (STATISTICS, statistics(&connection)?),
        ];
        for (name, sql) in own {
            let member = Member::new(unit, name, Kind::Settings, Phase::After);
            found.extend(sql.map(|sql| (member, Some(sql), 0)));
        }
        not_included.extend(undecided(&connection)?);
        drop(connection);
        for (member, text, weight) in found {
            self.members.push(member);
            self.texts.push(text);
            self.about.estimate += weight;
            self.weights.push(weight);
        }
        self.about.not_included = not_included;
        self.about.lacks(lost);
        Ok(())
    }

    fn read_file(&self, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        let doing = format!("read the copy of {}", self.place);
        let fail = |e: std::io::Error| Error::new(ErrorKind::Failed, &doing, e.to_string());
        let mut file = self.copy.reopen().map_err(fail)?;
        loop {
            stop.check()?;
            let mut buffer = out.buffer()?;
            let read =
                file.by_ref().take(self.chunk as u64).read_to_end(&mut buffer).map_err(fail)?;
            if read == 0 {
                return Ok(Proof::default());
            }
            out.chunk(buffer, Proof::default())?;
        }
    }

    fn read_rows(
        &self,
        connection: &Connection,
        table: &str,
        out: &mut dyn Out,
        stop: &Stop,
    ) -> Result<Proof> {
        let doing = format!("read {table} of {}", self.place);
        let fail = |e| failed(&doing, e);
        let columns = rows::columns(connection, table).map_err(fail)?;
        let key = rows::key(connection, table, &columns).map_err(fail)?;
        let (mut first, mut last): (Option<i64>, Option<i64>) = (None, None);
        let head = rows::insert_head(table, &columns);
        let mut statement = connection.prepare(&rows::select(table, &columns)).map_err(fail)?;
        let mut found = statement.query([]).map_err(fail)?;
        let (mut digest, mut total) = (RowDigest::new(), Proof::default());
        let mut script: Option<Inserts> = None;
        while let Some(row) = found.next().map_err(fail)? {
            let open = match &mut script {
                Some(open) => open,
                None => script.insert(Inserts::begin(out.buffer()?, PROLOGUE, STATEMENT)),
            };
            open.row(&head);
            if let Some(column) = key {
                last = row.get(column).map_err(fail)?;
                first = first.or(last);
            }
            rows::take_row(row, columns.len(), &mut digest, Some(&mut open.bytes)).map_err(fail)?;
            if open.bytes.len() >= self.chunk {
                stop.check()?;
                let proof = digest.take();
                total += proof;
                let full = script.take().expect("BUG: a full script that is not open").end();
                hand_on(out, full, proof, first.take().zip(last))?;
            }
        }
        if let Some(script) = script {
            let proof = digest.take();
            total += proof;
            hand_on(out, script.end(), proof, first.zip(last))?;
        }
        Ok(total)
    }
}

impl Snapshot for SqliteSnapshot {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn pieces(&self) -> Vec<Piece> {
        let mut members: Vec<usize> = (0..self.members.len()).collect();
        let weight = |member: usize| {
            if self.members[member].phase == Phase::Data { self.weights[member] } else { 0 }
        };
        members.sort_by_key(|member| std::cmp::Reverse(weight(*member)));
        members.into_iter().map(|member| Piece { member, number: 0 }).collect()
    }

    fn workers(&self) -> usize {
        self.connections.len()
    }

    fn read(&self, worker: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        stop.check()?;
        let member = &self.members[piece.member];
        if let Some(text) = &self.texts[piece.member] {
            let mut buffer = out.buffer()?;
            buffer.extend_from_slice(text.as_bytes());
            out.chunk(buffer, Proof::default())?;
            return Ok(Proof::default());
        }
        if member.kind == Kind::File {
            return self.read_file(out, stop);
        }
        let connection = self.connections[worker].lock().expect("no panic while locked");
        self.read_rows(&connection, &member.name, out, stop)
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        stop.check()?;
        Ok(stop.check()?)
    }

    fn about(&self) -> About {
        self.about.clone()
    }
}

/// Hands on an entry of rows, with the rowids of the first and the last of them.
fn hand_on(
    out: &mut dyn Out,
    bytes: Vec<u8>,
    proof: Proof,
    rowids: Option<(i64, i64)>,
) -> Result<()> {
    match rowids {
        Some((first, last)) => {
            let keys = Keys { first: vec![first.to_string()], last: vec![last.to_string()] };
            out.chunk_of(bytes, proof, keys)
        }
        None => out.chunk(bytes, proof),
    }
}

/// Copies the live file in one step of the backup API.
fn copy_live(path: &Path, copy: &Path, doing: &str, stop: &Stop) -> Result<()> {
    let live = open_live(path, doing, stop)?;
    // The read transaction pins one state of a WAL database for the whole copy.
    live.execute_batch("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1;")
        .map_err(|e| failed(doing, e))?;
    let mut target = Connection::open(copy).map_err(|e| failed(doing, e))?;
    let backup = Backup::new(&live, &mut target).map_err(|e| failed(doing, e))?;
    for _ in 0..20 {
        stop.check()?;
        match backup.step(-1).map_err(|e| failed(doing, e))? {
            StepResult::Done => return Ok(()),
            StepResult::More | StepResult::Busy | StepResult::Locked => {
                stop.sleep(std::time::Duration::from_millis(250))?;
            }
            _ => {}
        }
    }
    Err(Error::new(ErrorKind::Busy, doing, "the application held its lock for the whole time")
        .hint("Try again when it writes less, or switch the database to WAL mode."))
}
