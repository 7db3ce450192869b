//! One consistent view of a server: a snapshot of each database, its members and pieces, the
//! connections that read them.
//!
//! Invariants: every worker reads in the exported snapshot; a worker that can't have a lock because
//! an ALTER waits for it hands its piece to the connection that holds the lock already; a lost
//! connection ends the dump.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::artifact::{Kind, Member, Phase, Proof};
use crate::base::Stop;
use crate::job::PostgresSpec;
use crate::source::contract::{About, Error, ErrorKind, Out, Piece, Reading, Result, Snapshot};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::creation;
use crate::source::postgres::databases::databases;
use crate::source::postgres::definition::{Choice, Definitions, Script, definitions, literal};
use crate::source::postgres::fault::{run, sqlstate, unreadable, wrap};
use crate::source::postgres::globals;
use crate::source::postgres::large::{self, LargeObjects};
use crate::source::postgres::program;
use crate::source::postgres::replica::replica;
use crate::source::postgres::rows::{Pages, TableRows};
use crate::source::postgres::state::{filled, owned, sequences, through_root};
use crate::source::postgres::survey::{Relation, takes_schema, takes_table};
use crate::source::postgres::toc;
use crate::source::postgres::view::{self, View};
use crate::source::postgres::wire::Wire;
use crate::source::program::failed;

/// Bytes of a page.
const PAGE: u64 = 8192;

/// The smallest and the largest piece of a table, in bytes as stored.
const PIECE: (u64, u64) = (8 << 20, 256 << 20);

/// The longest table of contents.
const CONTENTS: usize = 1 << 30;

/// How long an ALTER that waits may keep a worker from a lock, in milliseconds.
const GIVE_WAY: u128 = 2000;

/// What a member is read from.
enum Content {
    Script(String),
    Rows { view: usize, rows: TableRows, pieces: Vec<Pages>, weight: u64 },
    Large { view: usize, ids: Vec<u32> },
}

/// Members and what each is read from.
type Parts = Vec<(Member, Content)>;

/// What a worker has to know of a view to join it.
struct Face {
    unit: String,
    snapshot: String,
    encoding: String,
}

impl Face {
    fn of(view: &View) -> Face {
        let (unit, snapshot) = (view.unit.clone(), view.snapshot.clone());
        Face { unit, snapshot, encoding: view.encoding.clone() }
    }
}

/// A consistent view.
pub struct PostgresSnapshot {
    connector: Connector,
    /// Guards the connection that holds a database's snapshot and locks; it is held as long as a
    /// piece is read on it, so what workers need of a view stands beside it.
    views: Vec<Mutex<View>>,
    faces: Vec<Face>,
    /// Guards each worker's connection, and says which database it is in.
    workers: Vec<Mutex<Option<(usize, Wire)>>>,
    members: Vec<Member>,
    contents: Vec<Content>,
    about: About,
    /// Guards the tables that the server could not read to the end, and why.
    shortfall: Mutex<BTreeMap<String, String>>,
    chunk: usize,
}

impl PostgresSnapshot {
    /// Takes the view.
    pub fn take(
        spec: &PostgresSpec,
        connector: &Connector,
        reading: &Reading,
        stop: &Stop,
    ) -> Result<PostgresSnapshot> {
        let mut found = databases(spec, connector)?;
        let mut views = view::take_all(spec, connector, &mut found, stop)?;
        let (number, idle, mut lost) = (found.number, found.idle(), found.lost);
        let mut snapshot = PostgresSnapshot {
            connector: connector.clone(),
            views: Vec::new(),
            faces: Vec::new(),
            workers: (0..reading.threads.max(1)).map(|_| Mutex::default()).collect(),
            members: Vec::new(),
            contents: Vec::new(),
            about: About {
                version: format!("PostgreSQL {}.{}", number / 10_000, number % 10_000),
                replica: replica(connector)?,
                idle,
                not_included: found.not_included,
                ..About::default()
            },
            shortfall: Mutex::default(),
            chunk: reading.chunk,
        };
        let program = program::find(&spec.tools, "pg_dump", number, stop)?;
        snapshot.about.remarks.push(format!("definitions are read by {}", program.title));
        if !spec.globals {
            snapshot.about.not_included.push("roles and tablespaces".into());
        }
        let total: u64 = views.iter().flat_map(|v| &v.relations).map(|r| r.bytes).sum();
        let each = (total / (reading.threads.max(1) as u64 * 8)).clamp(PIECE.0, PIECE.1);
        let (mut before, mut data, mut after) = (Vec::new(), Vec::new(), Vec::new());
        let globals = globals::read(spec, connector, number, stop)?;
        before.extend(globals.scripts.into_iter().map(script));
        snapshot.about.remarks.extend(globals.remarks);
        lost.extend(globals.lost);
        for (index, view) in views.iter_mut().enumerate() {
            let found = snapshot.define(spec, &program, view, &mut lost, stop)?;
            let large = large::survey(&mut view.client)?;
            before.push(database(&view.unit, &found));
            before.extend(found.before.into_iter().map(script));
            let roots = through_root(&mut view.client, number)?;
            data.extend(snapshot.rows(spec, index, (&*view, &roots), number, each)?);
            snapshot.large(index, &view.unit, large, (&mut before, &mut data, &mut after));
            after.extend(found.after.into_iter().map(script));
            if view.standby {
                snapshot.about.remarks.push(format!("{} was read on a standby", view.unit));
            }
        }
        snapshot.about.lacks(lost);
        snapshot.hold(views, before.into_iter().chain(data).chain(after));
        Ok(snapshot)
    }

    /// Keeps the views and what was found in them, in restore order.
    fn hold(&mut self, views: Vec<View>, parts: impl Iterator<Item = (Member, Content)>) {
        for (member, content) in parts {
            self.about.estimate += match &content {
                Content::Script(text) => text.len() as u64,
                Content::Large { ids, .. } => ids.len() as u64 * 2048,
                Content::Rows { weight, .. } => *weight,
            };
            self.members.push(member);
            self.contents.push(content);
        }
        self.faces = views.iter().map(Face::of).collect();
        self.views = views.into_iter().map(Mutex::new).collect();
    }

    /// The definitions of a database, as pg_dump reads them in its snapshot.
    fn define(
        &mut self,
        spec: &PostgresSpec,
        program: &program::Program,
        view: &mut View,
        lost: &mut Vec<String>,
        stop: &Stop,
    ) -> Result<Definitions> {
        let doing = format!("read the definitions of {} with {}", view.unit, program.title);
        let words = [
            program.path.display().to_string(),
            "--format=custom".into(),
            "--compress=0".into(),
            "--schema-only".into(),
            "--create".into(),
            "--no-password".into(),
            format!("--snapshot={}", view.snapshot),
            format!("--lock-wait-timeout={}", spec.lock_wait.as_millis().max(1)),
        ];
        let bytes = self
            .connector
            .child(&words, &view.unit)?
            .output(CONTENTS, stop)
            .map_err(|e| failed(&doing, e))?;
        let archive = toc::parse(&bytes).map_err(|found| {
            let error = Error::new(ErrorKind::Refused, &doing, format!("its archive is not understood: {found}"));
            error.hint("Name the folder of another version in the site file: `tools { postgres \"DIR\" }`.")
        })?;
        let sequences = sequences(&mut view.client, &view.unit, lost)?;
        let (filled, owned) = (filled(&mut view.client)?, owned(&mut view.client)?);
        let schema = |name: &str| takes_schema(spec, &view.unit, name);
        let choice = Choice {
            schema: &schema,
            without: &view.without,
            sequences: &sequences,
            filled: &filled,
            owned: &owned,
        };
        let found = definitions(&view.unit, &archive, &choice);
        self.about.not_included.extend(found.left_out.iter().cloned());
        Ok(found)
    }

    /// The rows of every table of a database.
    fn rows(
        &mut self,
        spec: &PostgresSpec,
        index: usize,
        (view, roots): (&View, &BTreeMap<u32, u32>),
        version: u32,
        each: u64,
    ) -> Result<Vec<(Member, Content)>> {
        let mut found = Vec::new();
        let mut trees: BTreeMap<u32, Vec<&Relation>> = BTreeMap::new();
        for relation in &view.relations {
            if let Some(why) = left_out(spec, view, relation) {
                let title = format!("{}.{}", view.unit, relation.title());
                self.about.not_included.push(format!("rows of {title}: {why}"));
                continue;
            }
            let Some(condition) = wanted(relation) else { continue };
            let root = roots.get(&relation.oid).filter(|root| view.columns.contains_key(root));
            if let Some(root) = root {
                trees.entry(*root).or_default().push(relation);
                continue;
            }
            let rows = table_rows(view, relation, condition);
            let pages = relation.heap / PAGE;
            // Ranges of ctid are read by range from PostgreSQL 14 on, and only where the table is a
            // heap.
            let cuts = version >= 140_000 && relation.method == "heap" && pages > 0;
            let per_page = relation.bytes.checked_div(pages).unwrap_or(PAGE);
            let pieces = if cuts {
                Pages::cut(pages, (each / per_page.max(1)).max(1))
            } else {
                vec![Pages::ALL]
            };
            let content = Content::Rows { view: index, rows, pieces, weight: relation.bytes };
            found.push((member(view, relation), content));
        }
        for (root, leaves) in trees {
            let root = view.relations.iter().find(|r| r.oid == root);
            let root = root.expect("BUG: columns of a table that is not there");
            let oids: Vec<String> = leaves.iter().map(|leaf| leaf.oid.to_string()).collect();
            let condition = format!("tableoid IN ({})", oids.join(","));
            let mut rows = table_rows(view, root, Some(condition));
            rows.tree = true;
            let weight = leaves.iter().map(|leaf| leaf.bytes).sum();
            let content = Content::Rows { view: index, rows, pieces: vec![Pages::ALL], weight };
            found.push((member(view, root), content));
            let title = format!("{}.{}", view.unit, root.title());
            self.about.remarks.push(format!("rows of {title} are loaded through it, not by partition: it is cut by a hash of an enum"));
        }
        Ok(found)
    }

    /// Adds the large objects of a database: made before, filled with the rows, given rights after.
    fn large(
        &self,
        view: usize,
        unit: &str,
        found: LargeObjects,
        (before, data, after): (&mut Parts, &mut Parts, &mut Parts),
    ) {
        if found.ids.is_empty() {
            return;
        }
        let member = |kind, phase| Member::new(unit, large::NAME, kind, phase);
        // They belong to themselves: a part that is restored does not need them.
        let own = |phase| member(Kind::Object, phase).of_table(large::NAME);
        before.push((own(Phase::Before), Content::Script(found.made)));
        data.push((member(Kind::Rows, Phase::Data), Content::Large { view, ids: found.ids }));
        if !found.rights.is_empty() {
            after.push((own(Phase::After), Content::Script(found.rights)));
        }
    }

    /// Reads some pages on a worker's own connection to a database.
    fn on_worker(
        &self,
        worker: usize,
        view: usize,
        work: &mut dyn FnMut(&mut Wire) -> Result<Proof>,
        stop: &Stop,
    ) -> Result<Proof> {
        let mut own = self.workers[worker].lock().expect("no panic while locked");
        if own.as_ref().is_none_or(|(at, _)| *at != view) {
            let Face { unit, snapshot, encoding } = &self.faces[view];
            let mut wire = view::join(&self.connector, unit, snapshot, GIVE_WAY, stop)?;
            if encoding != "UTF8" {
                wire.run(
                    &format!("SET client_encoding={}", literal(encoding)),
                    "prepare the reading",
                    stop,
                )?;
            }
            *own = Some((view, wire));
        }
        let (_, wire) = own.as_mut().expect("it was just made");
        let done = work(wire);
        if done.is_err() {
            // A transaction that failed takes no more statements.
            *own = None;
        }
        done
    }

    /// What was not read of tables that were.
    fn shortfall(&self) -> Vec<String> {
        let found = self.shortfall.lock().expect("no panic while locked");
        let line = |(title, why): (&String, &String)| {
            format!("{title}: the server can't read them all, the others are here: {why}")
        };
        found.iter().map(line).collect()
    }

    /// Reads the large objects of a database on a connection of their own.
    fn read_large(
        &self,
        view: usize,
        ids: &[u32],
        out: &mut dyn Out,
        stop: &Stop,
    ) -> Result<Proof> {
        let Face { unit, snapshot, .. } = &self.faces[view];
        let mut client = self.connector.session(unit, "read")?;
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {}",
            literal(snapshot)
        );
        run(&mut client, &begin, &format!("read {unit} in the snapshot"))?;
        large::read(&mut client, ids, self.chunk, out, stop)
    }
}

/// How the database itself is made: comments, for a client that is in it already.
fn database(unit: &str, found: &Definitions) -> (Member, Content) {
    (
        Member::new(unit, "", Kind::Database, Phase::Before),
        Content::Script(creation::write(&found.database)),
    )
}

fn script(script: Script) -> (Member, Content) {
    (script.member, Content::Script(script.text))
}

/// The rows of a relation.
fn table_rows(view: &View, relation: &Relation, condition: Option<String>) -> TableRows {
    let columns = view.columns.get(&relation.oid).cloned();
    TableRows {
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        columns: columns.expect("a view knows the columns of what it locked"),
        condition,
        tree: false,
    }
}

fn member(view: &View, relation: &Relation) -> Member {
    Member::new(&view.unit, &relation.name, Kind::Rows, Phase::Data).in_schema(&relation.schema)
}

/// Why the rows of a relation are not dumped, where somebody might look for them.
fn left_out(spec: &PostgresSpec, view: &View, relation: &Relation) -> Option<&'static str> {
    if relation.kind == 'f' {
        return Some("they belong to another server");
    }
    wanted(relation)?;
    if !takes_table(spec, &view.unit, relation).1 {
        return Some("the job leaves them out");
    }
    let unread = relation.persistence == 'u' && view.standby;
    unread.then_some("an unlogged table can't be read on a standby")
}

/// Whether the rows of a relation are the database's own, and which.
fn wanted(relation: &Relation) -> Option<Option<String>> {
    if !relation.has_rows() {
        return None;
    }
    match &relation.extension {
        None => Some(None),
        Some((false, _)) => None,
        Some((true, condition)) => Some(condition.clone().filter(|c| !c.trim().is_empty())),
    }
}

impl Snapshot for PostgresSnapshot {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn pieces(&self) -> Vec<Piece> {
        let mut all = Vec::new();
        for (member, content) in self.contents.iter().enumerate() {
            // By database, so that a worker keeps its connection, and large tables first.
            match content {
                Content::Script(_) => all.push(((0, 0), Piece { member, number: 0 })),
                Content::Large { view, .. } => {
                    all.push(((*view + 1, 0), Piece { member, number: 0 }))
                }
                Content::Rows { view, pieces, weight, .. } => {
                    let order = (*view + 1, u64::MAX - weight);
                    all.extend((0..pieces.len()).map(|number| (order, Piece { member, number })));
                }
            }
        }
        all.sort_by_key(|(order, _)| *order);
        all.into_iter().map(|(_, piece)| piece).collect()
    }

    fn workers(&self) -> usize {
        self.workers.len()
    }

    fn read(&self, worker: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        stop.check()?;
        match &self.contents[piece.member] {
            Content::Script(text) => {
                let mut buffer = out.buffer()?;
                buffer.extend_from_slice(text.as_bytes());
                out.chunk(buffer, Proof::default())?;
                Ok(Proof::default())
            }
            Content::Large { view, ids } => self.read_large(*view, ids, out, stop),
            Content::Rows { view, rows, pieces, .. } => {
                let pages = pieces[piece.number];
                let encoding = &self.faces[*view].encoding;
                let mut partly = Proof::default();
                let mut read = |wire: &mut Wire| {
                    out.waiting(&format!(
                        "the first rows of {}",
                        self.members[piece.member].title()
                    ));
                    rows.read(wire, pages, encoding, self.chunk, (out, &mut partly), stop)
                };
                let done = match self.on_worker(worker, *view, &mut read, stop) {
                    // An ALTER waits for the lock that is held here, and the worker behind it:
                    // nothing was read yet.
                    Err(error) if sqlstate(&error) == Some("55P03") => {
                        let mut holder = self.views[*view].lock().expect("no panic while locked");
                        return read(&mut holder.reader);
                    }
                    other => other,
                };
                let Some(why) = done.as_ref().err().and_then(unreadable) else { return done };
                let title = format!("rows of {}", self.members[piece.member].title());
                self.shortfall.lock().expect("no panic while locked").insert(title, why);
                Ok(partly)
            }
        }
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        stop.check()?;
        for view in &self.views {
            stop.check()?;
            let mut view = view.lock().expect("no panic while locked");
            let doing = format!("prove that the snapshot of {} held to the end", view.unit);
            // A session that was lost does not answer; one that lives is still in its transaction.
            view.client.query_one("SELECT 1", &[]).map_err(|e| wrap(&doing, e))?;
        }
        Ok(())
    }

    fn about(&self) -> About {
        let mut about = self.about.clone();
        about.lacks(self.shortfall());
        about
    }
}
