//! A dump program in vex's place: it reads tables and rows, vex everything else.
//!
//! mysqldump and mariadb-dump write into a pipe, one run for each database while the pipeline
//! reads: bounded memory, no file. mydumper can't: it stages its files in a private folder before
//! the pipeline begins, the named exception to *no temporary file*.
//!
//! Views, routines, triggers, events, sequences and the databases themselves are vex's own scripts,
//! whichever the engine: mydumper would lose their modes, time zones and packages, and mysqldump
//! would make a view before the database that it names, and an event before the rows it works on
//! are there.
//!
//! Invariants: a program that ends with another code than 0, that says ERROR or CRITICAL, or whose
//! output has no end, is never a success; no table changes its definition meanwhile (a metadata
//! lock of vex's own); nothing is counted, and the manifest says so.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use mysql::Conn;

use crate::artifact::{Kind, Member, Phase, Proof};
use crate::base::Stop;
use crate::job::{Engine, MysqlSpec};
use crate::source::contract::{About, Error, ErrorKind, Out, Piece, Reading, Result, Snapshot};
use crate::source::mysql::catalogue::server_objects;
use crate::source::mysql::connect::Connector;
use crate::source::mysql::cut::{Before, Cutter};
use crate::source::mysql::fault::run;
use crate::source::mysql::flavor::Flavor;
use crate::source::mysql::guard::{Guarded, guard};
use crate::source::mysql::names::Names;
use crate::source::mysql::object::{Script, in_restore_order, later_state, prologue};
use crate::source::mysql::privilege::Privileges;
use crate::source::mysql::program::{Tool, find};
use crate::source::mysql::reader::{Scope, definitions, tables_of};
use crate::source::mysql::replica::replica;
use crate::source::mysql::schema::{Listing, untransactional};
use crate::source::mysql::snapshot::max_packet;
use crate::source::mysql::staged::{self, Staged};
use crate::source::mysql::survey::{Survey, pinned};
use crate::source::mysql::unguarded::unchanged;
use crate::source::program::{Private, ToolLog, failed, follow, option, staged as read_staged};
use crate::world::Child;

/// What mysqldump and mariadb-dump end with, and then the moment.
const END: &[u8] = b"-- Dump completed";

/// A mydumper that says nothing for this long is taken for dead: a large table takes a while.
const SILENCE: Duration = Duration::from_secs(6 * 3600);

/// What a member is read from.
enum Content {
    /// Nothing of its own: a table, which a script makes.
    Nothing,
    Script(Vec<u8>),
    /// The state of a sequence, asked for after all rows were read.
    State,
    /// The output of a program, run when it is read.
    Stream {
        unit: usize,
    },
    File {
        path: PathBuf,
        bytes: u64,
    },
}

/// A consistent view of each database, read by a program.
pub struct ToolSnapshot {
    flavor: Flavor,
    spec: MysqlSpec,
    connector: Connector,
    tool: Tool,
    listing: Listing,
    /// Holds the option file, and what mydumper wrote.
    private: Private,
    members: Vec<Member>,
    contents: Vec<Content>,
    scripts: Vec<Script>,
    /// Guards the connections that hold the metadata locks until the end; the first compares
    /// definitions then.
    guards: Mutex<Vec<Conn>>,
    log: ToolLog,
    about: About,
    packet: usize,
    reading: Reading,
}

impl ToolSnapshot {
    /// Takes the view; mydumper does all its work here.
    pub fn take(
        spec: &MysqlSpec,
        connector: &Connector,
        staging: &Path,
        reading: Reading,
        stop: &Stop,
    ) -> Result<ToolSnapshot> {
        let flavor = Flavor::of(&mut connector.connect("ask")?)?;
        let tool = find(reading.engine, &flavor, &spec.tools, stop)?;
        pinned(&mut connector.connect("ask")?, &tool)?;
        // What the guard holds it holds to the end: nobody but the program knows which tables it
        // has read.
        let Guarded { listing, sessions: mut guards, .. } = guard(connector, &flavor, spec, stop)?;
        let guarding = &mut guards[0];
        let units = &listing.units;
        // mydumper reads what no snapshot covers under its global lock.
        let version = flavor.version.clone();
        let mut about = About { version, idle: listing.idle.clone(), ..About::default() };
        about.replica = replica(guarding, &flavor)?;
        about.remarks.push(format!("tables and rows are read by {}", tool.version));
        about.inconsistent = if tool.engine == Engine::Mydumper {
            Vec::new()
        } else {
            untransactional(units, spec)?
        };
        let (mut scripts, mut lost) = (Vec::new(), listing.unreadable.lines());
        let held = Privileges::of(guarding, &flavor)?;
        let accounts = "users, roles and grants".to_owned();
        if spec.accounts {
            lost.push(format!("{accounts}: only the engine native dumps them"));
        }
        about.not_included = vec![
            accounts,
            format!(
                "a content proof: {} counts no rows, so every byte is verified and no value",
                tool.title()
            ),
        ];
        let server = server_objects(&mut connector.session(&flavor, "ask")?, &flavor)?;
        about.not_included.extend(server.not_included);
        lost.extend(server.lost);
        if units.len() > 1 {
            about
                .not_included
                .push("one moment for all databases: each of them has its own".into());
        }
        let mut skipped = Vec::new();
        let names = Names::of(guarding, units)?;
        lost.extend(names.lost.iter().cloned());
        for unit in units {
            stop.check()?;
            let tables = tables_of(guarding, unit)?;
            let found = definitions(guarding, unit, &names, Scope::All(&held, tables))?;
            scripts.extend(found.scripts);
            about.not_included.extend(found.not_included);
            lost.extend(found.lost);
            let survey = Survey::of(guarding, unit, &tool, &flavor)?;
            about.not_included.extend(survey.not_included);
            lost.extend(survey.lost);
            skipped.push(survey.skipped);
        }
        about.lacks(lost);
        let packet = max_packet(guarding)?;
        let mut snapshot = ToolSnapshot {
            private: Private::create(staging)?,
            flavor,
            spec: spec.clone(),
            connector: connector.clone(),
            tool,
            listing,
            members: Vec::new(),
            contents: Vec::new(),
            scripts,
            guards: Mutex::new(guards),
            log: ToolLog::new(reading.hear.clone()),
            about,
            packet,
            reading,
        };
        let files = match snapshot.tool.engine {
            Engine::Mydumper => snapshot.stage(&skipped, stop)?,
            Engine::Native
            | Engine::Mysqldump
            | Engine::PgDump(_)
            | Engine::Basebackup
            | Engine::Rman(_) => snapshot.configure(&skipped)?,
        };
        snapshot.collect(files);
        let weights = (0..snapshot.contents.len()).map(|member| snapshot.weight(member));
        snapshot.about.estimate = weights.sum();
        if snapshot.about.position.is_none() {
            snapshot
                .about
                .not_included
                .push("a binary log position: no point-in-time recovery from this backup".into());
        }
        Ok(snapshot)
    }

    /// Writes the option files of mysqldump, one for each database.
    fn configure(&self, skipped: &[Vec<String>]) -> Result<Vec<Staged>> {
        for (index, unit) in self.listing.units.iter().enumerate() {
            let lines: Vec<String> = skipped[index]
                .iter()
                .map(|t| option("ignore-table", &format!("{}.{t}", unit.name)))
                .collect();
            self.private
                .write(&format!("{index}.cnf"), &self.tool.defaults(&self.connector, &lines))?;
        }
        Ok(Vec::new())
    }

    /// Runs mydumper, once for each database, and finds what it wrote.
    fn stage(&mut self, skipped: &[Vec<String>], stop: &Stop) -> Result<Vec<Staged>> {
        let bytes = self.listing.units.iter().flat_map(|u| &u.tables).map(|t| t.bytes).sum();
        self.private.has_room(bytes, "or use `engine \"native\"`, which stages nothing")?;
        let defaults =
            self.private.write("defaults.cnf", &self.tool.defaults(&self.connector, &[]))?;
        let mut all = Vec::new();
        for (index, unit) in self.listing.units.iter().enumerate() {
            let doing = format!("dump {} with {}", unit.name, self.tool.title());
            let tables: Vec<&str> =
                unit.tables.iter().filter(|t| !t.sequence).map(|t| t.name.as_str()).collect();
            if let Some(found) = staged::refused(&unit.name, &tables) {
                let error = Error::new(
                    ErrorKind::Refused,
                    doing,
                    format!("{found}, which mydumper does not survive"),
                );
                return Err(error.hint("Use `engine \"native\"`, or `exclude` the table."));
            }
            let omitted: String =
                skipped[index].iter().map(|t| format!("{}.{t}\n", unit.name)).collect();
            let omit = self.private.write(&format!("omit-{index}"), &omitted)?;
            let folder = self.private.path().join(index.to_string());
            let megabytes = (self.reading.chunk >> 20).max(1);
            let mut words = vec![self.tool.path.display().to_string()];
            words.push(format!("--defaults-file={}", defaults.display()));
            words.extend([
                "--outputdir".into(),
                folder.display().to_string(),
                "--database".into(),
                unit.name.clone(),
            ]);
            words.extend(["--omit-from-file".into(), omit.display().to_string()]);
            words.extend(["--threads".into(), self.reading.threads.max(1).to_string()]);
            words.extend([
                "--chunk-filesize".into(),
                megabytes.to_string(),
                "--verbose".into(),
                "3".into(),
            ]);
            words.extend(
                ["--complete-insert", "--build-empty-files", "--no-views"].map(str::to_owned),
            );
            let child = self.child(&words).stall(SILENCE);
            child
                .run(stop, &mut |line| self.log.push(line))
                .map_err(|e| self.log.instead(failed(&doing, e)))?;
            self.log.judge(&doing)?;
            let files = staged::files(&folder, &unit.name, &tables)?;
            let metadata = std::fs::read_to_string(folder.join("metadata")).unwrap_or_default();
            if self.listing.units.len() == 1 {
                self.about.position = staged::position(&metadata, self.flavor.family);
            }
            all.extend(files);
        }
        self.about.inconsistent.extend(self.log.doubts());
        Ok(all)
    }

    fn child<'a>(&self, words: &'a [String]) -> Child<'a> {
        // Not the user's own option files, and no login path.
        let child = Child::new(words).env("HOME", &self.private.path().display().to_string());
        match self.connector.password() {
            Some(password) => child.hide(password),
            None => child,
        }
    }

    /// Orders the members.
    fn collect(&mut self, files: Vec<Staged>) {
        let (before, after) = in_restore_order(&self.scripts);
        let of = |script: &Script| {
            let content = match script.member.kind {
                Kind::Table => Content::Nothing,
                _ => Content::Script(script.text.clone()),
            };
            (script.member.clone(), content)
        };
        let mut all: Vec<(Member, Content)> = before.into_iter().map(of).collect();
        if self.tool.engine == Engine::Mysqldump {
            let name = self.tool.path.file_name().unwrap_or_default().to_string_lossy();
            let streams = self.listing.units.iter().enumerate().map(|(index, unit)| {
                (
                    Member::new(&unit.name, &name, Kind::Script, Phase::Before),
                    Content::Stream { unit: index },
                )
            });
            all.extend(streams);
        }
        all.extend(
            files.into_iter().map(|f| (f.member, Content::File { path: f.path, bytes: f.bytes })),
        );
        let sequences = self.scripts.iter().filter(|s| s.member.kind == Kind::Sequence);
        all.extend(
            sequences.map(|s| (Member { phase: Phase::After, ..s.member.clone() }, Content::State)),
        );
        all.extend(after.into_iter().map(of));
        // Files of several databases: definitions of all before rows of any.
        all.sort_by_key(|(member, _)| member.phase);
        (self.members, self.contents) = all.into_iter().unzip();
    }

    /// Runs mysqldump or mariadb-dump on one database, and cuts what it writes.
    fn stream(&self, index: usize, out: &mut dyn Out, stop: &Stop) -> Result<()> {
        let unit = &self.listing.units[index];
        let doing = format!("dump {} with {}", unit.name, self.tool.title());
        let defaults = self.private.path().join(format!("{index}.cnf"));
        let mut words = vec![self.tool.path.display().to_string()];
        words.push(format!("--defaults-file={}", defaults.display()));
        words.extend(self.tool.arguments(unit, &self.flavor));
        words.extend(["--".to_owned(), unit.name.clone()]);
        let head = prologue(&unit.name);
        let mut cutter = Cutter::new(
            &head,
            Before::First,
            self.reading.chunk,
            self.packet,
            format!("{} from its dump", unit.name),
        );
        out.waiting(&format!("the first bytes of {} from {}", unit.name, self.tool.title()));
        let (mut first, mut last) = (Some(Vec::new()), Vec::new());
        let mut take = |bytes: &[u8]| -> Result<()> {
            last.extend_from_slice(bytes);
            last.drain(..last.len().saturating_sub(256));
            let Some(begun) = &mut first else { return cutter.push(bytes, out) };
            begun.extend_from_slice(bytes);
            if begun.contains(&b'\n') {
                let begun = first.take().unwrap_or_default();
                return cutter.push(without_marker(&begun), out);
            }
            Ok(())
        };
        let explain = |error| self.log.instead(failed(&doing, error));
        let mut line = |line: &str| self.log.push(line);
        follow(self.child(&words), stop, &mut take, &mut line, &explain)?;
        if memchr::memmem::find(&last, END).is_none() {
            let found =
                "it ended well, and what it wrote has no end: `-- Dump completed` is missing";
            return Err(Error::new(ErrorKind::Damaged, doing, found));
        }
        cutter.finish(out)
    }
}

/// A script as one entry.
fn whole(text: &[u8], out: &mut dyn Out) -> Result<()> {
    let mut buffer = out.buffer()?;
    buffer.extend_from_slice(text);
    out.chunk(buffer, Proof::default())
}

/// The beginning of a dump without the line that only MariaDB's newest clients understand; it says
/// nothing to a server.
fn without_marker(begun: &[u8]) -> &[u8] {
    let marked = begun.starts_with(b"/*M!999999\\-") || begun.starts_with(b"/*!999999\\-");
    let line = memchr::memchr(b'\n', begun).map_or(begun.len(), |n| n + 1);
    if marked { &begun[line..] } else { begun }
}

impl Snapshot for ToolSnapshot {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn pieces(&self) -> Vec<Piece> {
        let own = |member: &usize| !matches!(self.contents[*member], Content::Nothing);
        let mut order: Vec<usize> = (0..self.contents.len()).filter(own).collect();
        // Large files first; what has an order keeps it.
        order.sort_by_key(|member| match self.members[*member].phase {
            Phase::Data => std::cmp::Reverse(self.weight(*member)),
            Phase::Before | Phase::After => std::cmp::Reverse(0),
        });
        order.into_iter().map(|member| Piece { member, number: 0 }).collect()
    }

    fn workers(&self) -> usize {
        match self.tool.engine {
            Engine::Mydumper => self.reading.threads.max(1),
            Engine::Native
            | Engine::Mysqldump
            | Engine::PgDump(_)
            | Engine::Basebackup
            | Engine::Rman(_) => 1,
        }
    }

    fn read(&self, _worker: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        stop.check()?;
        match &self.contents[piece.member] {
            Content::Nothing => {}
            Content::Script(text) => whole(text, out)?,
            Content::State => {
                let Member { unit, name, .. } = &self.members[piece.member];
                let mut guards = self.guards.lock().expect("no panic while locked");
                whole(&later_state(&mut guards[0], unit, name)?, out)?;
            }
            Content::Stream { unit } => self.stream(*unit, out, stop)?,
            Content::File { path, .. } => {
                self.file(&self.members[piece.member], path, out, stop)?
            }
        }
        Ok(Proof::default())
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        stop.check()?;
        self.log.judge("prove the dump")?;
        let mut guards = self.guards.lock().expect("no panic while locked");
        for guard in guards.iter_mut() {
            run(guard, "DO 0", "prove that the tables were guarded to the end")?;
        }
        unchanged(&mut guards[0], (&self.spec, &self.listing), &self.scripts, Vec::new(), stop)
    }

    fn about(&self) -> About {
        // What leaves the moment in doubt is told as such.
        let told = |w: &String| !self.about.inconsistent.contains(w);
        let warnings = self.log.warnings().into_iter().filter(told).collect();
        About { warnings, ..self.about.clone() }
    }
}

impl ToolSnapshot {
    /// Estimated bytes of a member.
    fn weight(&self, member: usize) -> u64 {
        match &self.contents[member] {
            Content::Nothing | Content::State => 0,
            Content::Script(text) => text.len() as u64,
            Content::Stream { unit } => {
                self.listing.units[*unit].tables.iter().map(|t| t.bytes).sum()
            }
            Content::File { bytes, .. } => *bytes,
        }
    }

    /// A file of mydumper: entries that may be run in any order, and so begin with their session
    /// each.
    fn file(&self, member: &Member, path: &Path, out: &mut dyn Out, stop: &Stop) -> Result<()> {
        let head =
            [&b"SET NAMES binary;\n"[..], &prologue(&member.unit)["SET NAMES utf8mb4;\n".len()..]]
                .concat();
        let mut cutter =
            Cutter::new(&head, Before::Each, self.reading.chunk, self.packet, member.title());
        read_staged(path, stop, &mut |bytes| cutter.push(bytes, out))?;
        cutter.finish(out)
    }
}
