//! `pg_dump` in vex's place: it reads definitions and rows, in a snapshot that vex has taken and
//! proven.
//!
//! An archive of the custom format and plain SQL come through a pipe while the pipeline reads:
//! bounded memory, no file. A directory can't: it is staged in a private folder before the pipeline
//! begins, a file for each table, read on many connections.
//!
//! Invariants: no table is emptied, rewritten or altered between snapshot and end (vex holds the
//! locks, and has looked); a program that ends with another code than 0 or says `error:` is never a
//! success; names go to it between quotes, one word each; nothing is counted, and the manifest says
//! so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::artifact::{Kind, Member, Phase, Proof};
use crate::base::Stop;
use crate::job::{DumpForm, PostgresSpec};
use crate::source::contract::{About, Error, ErrorKind, Out, Piece, Reading, Result, Snapshot};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::creation;
use crate::source::postgres::cut::Cutter;
use crate::source::postgres::databases::databases;
use crate::source::postgres::definition::{Choice, definitions};
use crate::source::postgres::fault::run;
use crate::source::postgres::globals;
use crate::source::postgres::pattern::patterns;
use crate::source::postgres::program::{self, Program};
use crate::source::postgres::replica::replica;
use crate::source::postgres::staged::{ARCHIVE, is_file};
use crate::source::postgres::survey::takes_table;
use crate::source::postgres::toc;
use crate::source::postgres::view::{self, View};
use crate::source::program::{Bytes, Private, ToolLog, failed, follow, staged};
use crate::world::Child;

/// The longest table of contents.
const CONTENTS: usize = 1 << 28;

/// What a member is read from.
enum Content {
    /// Nothing of its own: a table, which the dump makes.
    Nothing,
    Script(String),
    /// The output of a program, run when it is read.
    Stream {
        view: usize,
    },
    File {
        path: PathBuf,
        bytes: u64,
    },
}

/// A consistent view of each database, read by `pg_dump`.
pub struct DumperSnapshot {
    connector: Connector,
    program: Program,
    form: DumpForm,
    /// Guards the connection that holds a database's snapshot and locks.
    views: Vec<Mutex<View>>,
    /// What the program is told, for each database.
    words: Vec<Vec<String>>,
    /// Holds the directories.
    _private: Option<Private>,
    members: Vec<Member>,
    contents: Vec<Content>,
    about: About,
    log: ToolLog,
    reading: Reading,
}

impl DumperSnapshot {
    /// Takes the view; a directory is written here.
    pub fn take(
        spec: &PostgresSpec,
        connector: &Connector,
        staging: &Path,
        form: DumpForm,
        reading: Reading,
        stop: &Stop,
    ) -> Result<DumperSnapshot> {
        let mut found = databases(spec, connector)?;
        let views = view::take_all(spec, connector, &mut found, stop)?;
        let (number, idle, mut lost) = (found.number, found.idle(), found.lost);
        let program = program::find(&spec.tools, "pg_dump", number, stop)?;
        let mut snapshot = DumperSnapshot {
            connector: connector.clone(),
            form,
            views: Vec::new(),
            words: Vec::new(),
            _private: None,
            members: Vec::new(),
            contents: Vec::new(),
            about: About {
                version: format!("PostgreSQL {}.{}", number / 10_000, number % 10_000),
                replica: replica(connector)?,
                idle,
                not_included: vec![format!(
                    "a content proof: {} counts no rows, so every byte is verified and no value",
                    program.title
                )],
                remarks: vec![format!("definitions and rows are read by {}", program.title)],
                ..About::default()
            },
            program,
            log: ToolLog::new(reading.hear.clone()),
            reading,
        };
        if !spec.globals {
            snapshot.about.not_included.push("roles and tablespaces".into());
        }
        snapshot.about.not_included.extend(found.not_included);
        if views.len() > 1 {
            snapshot
                .about
                .not_included
                .push("one moment for all databases: each of them has its own".into());
        }
        let globals = globals::read(spec, connector, number, stop)?;
        globals.scripts.into_iter().for_each(|s| snapshot.add(s.member, Content::Script(s.text)));
        snapshot.about.remarks.extend(globals.remarks);
        lost.extend(globals.lost);
        snapshot.about.lacks(lost);
        for mut view in views {
            snapshot.define(spec, &mut view, stop)?;
            snapshot.views.push(Mutex::new(view));
        }
        match form {
            DumpForm::Custom | DumpForm::Plain => snapshot.streams(),
            DumpForm::Directory => snapshot.stage(staging, stop)?,
        }
        Ok(snapshot)
    }

    /// What is known of a database before it is dumped: how it is made, its tables, what the
    /// program is told.
    fn define(&mut self, spec: &PostgresSpec, view: &mut View, stop: &Stop) -> Result<()> {
        let words = vec![
            self.program.path.display().to_string(),
            "--no-password".into(),
            format!("--snapshot={}", view.snapshot),
            format!("--lock-wait-timeout={}", spec.lock_wait.as_millis()),
        ];
        let database = self.database(&view.unit, &words, stop)?;
        let member = Member::new(&view.unit, "", Kind::Database, Phase::Before);
        self.add(member, Content::Script(creation::write(&database)));
        for relation in view.relations.iter().filter(|r| r.extension.is_none()) {
            let member = Member::new(&view.unit, &relation.name, Kind::Table, Phase::Before);
            self.add(member.in_schema(&relation.schema), Content::Nothing);
        }
        self.about.estimate += view.relations.iter().map(|r| r.bytes).sum::<u64>();
        let left = patterns(spec, view)?;
        if !left.is_empty() {
            let unit = &view.unit;
            self.about.not_included.push(format!(
                "{unit}: what the job leaves out; what needs it can't be made by a restore"
            ));
        }
        for relation in view.relations.iter().filter(|r| r.has_rows()) {
            let title = format!("{}.{}", view.unit, relation.title());
            if !takes_table(spec, &view.unit, relation).1 {
                self.about.not_included.push(format!("rows of {title}: the job leaves them out"));
            } else if relation.persistence == 'u' && view.standby {
                self.about
                    .not_included
                    .push(format!("rows of {title}: an unlogged table can't be read on a standby"));
            }
        }
        self.words.push([words, left].concat());
        Ok(())
    }

    /// The statements that make a database, without what is in it.
    fn database(&self, unit: &str, words: &[String], stop: &Stop) -> Result<Vec<String>> {
        let doing = format!("read how {unit} is made with {}", self.program.title);
        let own =
            ["--format=custom", "--compress=0", "--schema-only", "--create", "--exclude-schema=*"];
        let words = [words, &own.map(str::to_owned)].concat();
        let bytes =
            self.child(&words, unit)?.output(CONTENTS, stop).map_err(|e| failed(&doing, e))?;
        let archive = toc::parse(&bytes).map_err(|found| {
            let error = Error::new(ErrorKind::Refused, &doing, format!("its archive is not understood: {found}"));
            error.hint("Name the folder of another version in the site file: `tools { postgres \"DIR\" }`.")
        })?;
        let choice = Choice {
            schema: &|_| true,
            without: &BTreeSet::new(),
            sequences: &BTreeMap::new(),
            filled: &BTreeSet::new(),
            owned: &BTreeMap::new(),
        };
        Ok(definitions(unit, &archive, &choice).database)
    }

    fn add(&mut self, member: Member, content: Content) {
        self.members.push(member);
        self.contents.push(content);
    }

    fn child<'a>(&self, words: &'a [String], unit: &str) -> Result<Child<'a>> {
        // What it says is judged by its words, so they are those of one language.
        Ok(self.connector.child(words, unit)?.env("LC_ALL", "C"))
    }

    fn unit(&self, view: usize) -> String {
        self.views[view].lock().expect("no panic while locked").unit.clone()
    }

    /// A member for what comes through the pipe of each database.
    fn streams(&mut self) {
        for view in 0..self.views.len() {
            let unit = self.unit(view);
            let member = match self.form {
                DumpForm::Plain => Member::new(&unit, "pg_dump", Kind::Script, Phase::Before),
                DumpForm::Custom | DumpForm::Directory => {
                    Member::new(&unit, &format!("{unit}{ARCHIVE}"), Kind::File, Phase::Data)
                }
            };
            self.add(member, Content::Stream { view });
        }
        self.sort();
    }

    /// Runs the program into a folder for each database, and finds what it wrote.
    fn stage(&mut self, staging: &Path, stop: &Stop) -> Result<()> {
        let private = Private::create(staging)?;
        private
            .has_room(self.about.estimate, "or use `format=\"custom\"`, which stages nothing")?;
        for view in 0..self.views.len() {
            let unit = self.unit(view);
            let doing = format!("dump {unit} with {}", self.program.title);
            let folder = private.path().join(view.to_string());
            let own = [
                "--format=directory".into(),
                "--compress=0".into(),
                "--no-sync".into(),
                format!("--jobs={}", self.reading.threads.max(1)),
                format!("--file={}", folder.display()),
            ];
            let words = [self.words[view].as_slice(), &own].concat();
            let ended = self.child(&words, &unit)?.run(stop, &mut |line| self.log.push(line));
            ended.map_err(|e| self.log.instead(failed(&doing, e)))?;
            self.log.judge(&doing)?;
            let io = |e: std::io::Error| Error::new(ErrorKind::Failed, &doing, e.to_string());
            for entry in std::fs::read_dir(&folder).map_err(io)? {
                let entry = entry.map_err(io)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if !is_file(&name) {
                    return Err(Error::new(
                        ErrorKind::Refused,
                        doing,
                        format!("it wrote {name}, which is not known"),
                    ));
                }
                let bytes = entry.metadata().map_err(io)?.len();
                self.add(
                    Member::new(&unit, &name, Kind::File, Phase::Data),
                    Content::File { path: entry.path(), bytes },
                );
            }
        }
        self._private = Some(private);
        self.sort();
        Ok(())
    }

    /// Puts the members into restore order; those of a phase keep theirs.
    fn sort(&mut self) {
        let members = std::mem::take(&mut self.members);
        let mut all: Vec<(Member, Content)> =
            members.into_iter().zip(std::mem::take(&mut self.contents)).collect();
        all.sort_by_key(|(member, _)| member.phase);
        (self.members, self.contents) = all.into_iter().unzip();
    }

    /// Runs the program on one database, and cuts what it writes.
    fn stream(&self, view: usize, out: &mut dyn Out, stop: &Stop) -> Result<()> {
        let unit = self.unit(view);
        let doing = format!("dump {unit} with {}", self.program.title);
        let mut words = self.words[view].clone();
        words.push(format!("--format={}", self.form.word()));
        words.push("--compress=0".into());
        let mut plain = Cutter::new(self.reading.chunk, format!("{unit} from its dump"));
        let mut bytes = Bytes::new(self.reading.chunk);
        out.waiting(&format!("the first bytes of {unit} from {}", self.program.title));
        let mut take = |part: &[u8]| match self.form {
            DumpForm::Plain => plain.push(part, out),
            DumpForm::Custom | DumpForm::Directory => bytes.push(part, out),
        };
        let explain = |error| self.log.instead(failed(&doing, error));
        let mut line = |line: &str| self.log.push(line);
        follow(self.child(&words, &unit)?, stop, &mut take, &mut line, &explain)?;
        self.log.judge(&doing)?;
        match self.form {
            DumpForm::Plain => plain.finish(out),
            DumpForm::Custom | DumpForm::Directory => bytes.finish(out),
        }
    }

    /// A staged file, read once and never again.
    fn file(&self, path: &Path, out: &mut dyn Out, stop: &Stop) -> Result<()> {
        let mut bytes = Bytes::new(self.reading.chunk);
        staged(path, stop, &mut |part| bytes.push(part, out))?;
        bytes.finish(out)
    }
}

impl Snapshot for DumperSnapshot {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn pieces(&self) -> Vec<Piece> {
        let own = |member: &usize| !matches!(self.contents[*member], Content::Nothing);
        let mut order: Vec<usize> = (0..self.contents.len()).filter(own).collect();
        // Large files first; what has an order keeps it.
        order.sort_by_key(|member| match &self.contents[*member] {
            Content::File { bytes, .. } => std::cmp::Reverse(*bytes),
            Content::Nothing | Content::Script(_) | Content::Stream { .. } => std::cmp::Reverse(0),
        });
        order.sort_by_key(|member| self.members[*member].phase);
        order.into_iter().map(|member| Piece { member, number: 0 }).collect()
    }

    fn workers(&self) -> usize {
        let most = match self.form {
            DumpForm::Plain => 1,
            DumpForm::Custom => self.views.len(),
            DumpForm::Directory => usize::MAX,
        };
        self.reading.threads.clamp(1, most)
    }

    fn read(&self, _worker: usize, piece: &Piece, out: &mut dyn Out, stop: &Stop) -> Result<Proof> {
        stop.check()?;
        match &self.contents[piece.member] {
            Content::Nothing => {}
            Content::Script(text) => {
                let mut buffer = out.buffer()?;
                buffer.extend_from_slice(text.as_bytes());
                out.chunk(buffer, Proof::default())?;
            }
            Content::Stream { view } => self.stream(*view, out, stop)?,
            Content::File { path, .. } => self.file(path, out, stop)?,
        }
        Ok(Proof::default())
    }

    fn finish(&self, stop: &Stop) -> Result<()> {
        stop.check()?;
        self.log.judge("prove the dump")?;
        for view in &self.views {
            stop.check()?;
            let mut view = view.lock().expect("no panic while locked");
            let doing = format!("hold the tables of {} to the end", view.unit);
            // A session that is gone has released its locks, and nobody knows when.
            run(&mut view.client, "SELECT 1", &doing)?;
        }
        Ok(())
    }

    fn about(&self) -> About {
        About { warnings: self.log.warnings(), ..self.about.clone() }
    }
}
