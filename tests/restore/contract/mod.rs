//! What every target owes, and `snapshots` what every source does: it says what exists, one refused thing keeps nothing else away, rows are
//! recounted, nothing that runs by itself is let loose before the proof, an interrupted restore goes
//! on, and what is missing is named.

mod crafted;
mod cut;
mod defined;
mod hostile;
mod programs;
mod snapshots;

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use vex::testing::artifact::{Dialect, Kind, Manifest, Member, Phase};
use vex::testing::base::{Glob, Stop};
use vex::testing::job::{
    ClusterSpec, DumpForm, Engine as Program, HostRole, Inconsistent, MysqlSpec, Physical,
    PostgresSpec, SourceSpec, SqliteSpec, Tls,
};
use vex::testing::pipeline::{Fetch, Meter, Outcome, Restore, restore};
use vex::testing::source::contract::{Loading, Refused, Target, Terms};
use vex::testing::source::open;
use vex::testing::store::Memory;
use vex::testing::world::World;

use crate::common::servers::{Brand, Pg, PgServer, Server};
use crate::restore::contract::crafted::{Entries, written};
use crate::restore::contract::cut::Cut;

/// A target, and how its entries are written.
struct Engine {
    kind: &'static str,
    dialect: Dialect,
    spec: SourceSpec,
    schema: Option<&'static str>,
}

impl Engine {
    fn member(&self, name: &str, kind: Kind, phase: Phase) -> Member {
        let member = Member::new("suite", name, kind, phase);
        self.schema.map_or(member.clone(), |schema| member.in_schema(schema))
    }

    fn quoted(&self, name: &str) -> String {
        let mark = if self.dialect == Dialect::Mysql { '`' } else { '"' };
        let schema = self.schema.map_or(String::new(), |schema| format!("\"{schema}\"."));
        format!("{schema}{mark}{name}{mark}")
    }

    fn script(&self, text: &str) -> String {
        let session =
            if self.dialect == Dialect::Mysql { "SET NAMES utf8mb4;\nUSE `suite`;\n" } else { "" };
        format!("{session}{text};\n")
    }

    fn table(&self, name: &str) -> Entries {
        // A key of another type hides a rowid in SQLite, which its entries have.
        let int = if self.dialect == Dialect::Sqlite { "INTEGER" } else { "int" };
        let text =
            format!("CREATE TABLE {} (id {int} PRIMARY KEY, t varchar(20))", self.quoted(name));
        (self.member(name, Kind::Table, Phase::Before), vec![self.script(&text)])
    }

    /// Entries of rows: each the numbers in it.
    fn rows(&self, name: &str, entries: &[&[u32]]) -> Entries {
        let mark = if self.dialect == Dialect::Mysql { '`' } else { '"' };
        let columns = format!("({mark}id{mark},{mark}t{mark})");
        let entry = |ids: &&[u32]| match self.dialect {
            Dialect::Postgres => {
                let lines: String = ids.iter().map(|id| format!("{id}\trow {id}\n")).collect();
                format!("COPY {} {columns} FROM stdin;\n{lines}\\.\n", self.quoted(name))
            }
            Dialect::Mysql | Dialect::Sqlite => {
                let rows: Vec<String> = ids.iter().map(|id| format!("({id},'row {id}')")).collect();
                let insert = format!(
                    "INSERT INTO {} {columns} VALUES\n{}",
                    self.quoted(name),
                    rows.join(",\n")
                );
                self.script(&format!("BEGIN;\n{insert};\nCOMMIT"))
            }
        };
        (self.member(name, Kind::Rows, Phase::Data), entries.iter().map(entry).collect())
    }

    fn index(&self, name: &str, table: &str) -> Entries {
        // MySQL has the indexes of a table in its definition; a trigger hangs on one as well.
        let (kind, text) = match self.dialect {
            Dialect::Mysql => (
                Kind::Trigger,
                format!(
                    "CREATE TRIGGER `{name}` BEFORE INSERT ON `{table}` FOR EACH ROW SET NEW.t = 'x'"
                ),
            ),
            Dialect::Postgres | Dialect::Sqlite => {
                (Kind::Index, format!("CREATE INDEX \"{name}\" ON {} (t)", self.quoted(table)))
            }
        };
        (self.member(name, kind, Phase::After).of_table(table), vec![self.script(&text)])
    }

    /// What runs by itself, if it has such a thing.
    fn event(&self) -> Option<Entries> {
        let (mut member, text) = match self.dialect {
            Dialect::Sqlite => return None,
            Dialect::Mysql => (
                self.member("event", Kind::Event, Phase::After),
                "CREATE EVENT `event` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO DELETE FROM good",
            ),
            Dialect::Postgres => (
                Member::new("suite", "event trigger guard", Kind::Object, Phase::After),
                "CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION public.guard()",
            ),
        };
        member.name_class();
        if member.kind == Kind::Object {
            member.class = Some("event trigger".into());
        }
        Some((member, vec![self.script(text)]))
    }

    /// A backup: of what comes back, and of more that the target refuses.
    fn entries(&self, odd: bool) -> Vec<Entries> {
        let mut all = Vec::new();
        match self.dialect {
            Dialect::Mysql => {
                let text = "CREATE DATABASE IF NOT EXISTS `suite`;\n".to_owned();
                all.push((Member::new("suite", "", Kind::Database, Phase::Before), vec![text]));
            }
            Dialect::Postgres => {
                let text = "-- CREATE DATABASE \"suite\";\n--\n".to_owned();
                all.push((Member::new("suite", "", Kind::Database, Phase::Before), vec![text]));
                let text = "CREATE FUNCTION public.guard() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no DDL'; END $$";
                let member = self.member("guard()", Kind::Function, Phase::Before);
                all.push((member, vec![self.script(text)]));
            }
            Dialect::Sqlite => {}
        }
        if odd {
            let text = format!("CREATE TABLE {} (id int, t no_such_type(1,2,3", self.quoted("bad"));
            all.push((self.member("bad", Kind::Table, Phase::Before), vec![self.script(&text)]));
            all.push(self.table("twice"));
        }
        all.push(self.table("good"));
        all.push(self.table("other"));
        if odd {
            all.push(self.rows("bad", &[&[1, 2], &[3]]));
            all.push(self.rows("twice", &[&[1, 2, 3, 4, 5, 6, 7], &[8, 4, 9, 1, 10]]));
        }
        all.push(self.rows("good", &[&[1, 2, 3], &[4], &[5, 6]]));
        all.push(self.rows("other", &[&[7]]));
        if odd {
            all.push(self.index("of_bad", "bad"));
            let text = format!(
                "CREATE VIEW {} AS SELECT nothing FROM nowhere_at_all.x",
                self.quoted("lost")
            );
            all.push((self.member("lost", Kind::View, Phase::After), vec![self.script(&text)]));
        }
        all.push(self.index("of_good", "good"));
        all.extend(self.event());
        all
    }

    fn target(&self) -> Box<dyn Target> {
        let (world, stop) = (World::real(), Stop::new());
        open(&self.spec, "suite", &world, &stop).unwrap().target(2, &stop).unwrap()
    }

    fn loading(&self, manifest: &Manifest) -> Loading {
        Loading {
            backup: "crafted".into(),
            members: manifest.members.clone(),
            rename: None,
            part: false,
            overwrite: false,
            scratch: true,
            server: "crafted".into(),
            resume: false,
            staged: 0,
            position: None,
            terms: Terms::default(),
            map_collation: Vec::new(),
        }
    }

    /// Restores as the step does.
    fn restore(&self, backup: &(std::sync::Arc<Memory>, Manifest), loading: &Loading) -> Outcome {
        let target = self.target();
        target.agree(loading, &Stop::new()).unwrap();
        target.existing(loading, &Stop::new()).unwrap();
        run(backup, target.as_ref(), loading).unwrap()
    }

    /// Rows of a table as the target counts them.
    fn count(&self, manifest: &Manifest, name: &str) -> u64 {
        let target = self.target();
        let is_it = |m: &&Member| m.kind == Kind::Rows && m.name == name;
        let member = manifest.members.iter().find(is_it).unwrap();
        target.prove(0, member, &Stop::new()).unwrap().rows
    }
}

fn run(
    (store, manifest): &(std::sync::Arc<Memory>, Manifest),
    target: &dyn Target,
    loading: &Loading,
) -> Result<Outcome, String> {
    let meter = Meter::default();
    let fetch = Fetch { store: store.as_ref(), manifest, key: None, meter: &meter };
    let chosen = vec![true; manifest.members.len()];
    let whole = Restore { fetch: &fetch, target, loading, chosen: &chosen };
    restore(&whole, &Stop::new()).map_err(|error| error.to_string())
}

#[track_caller]
fn of<'o>(outcome: &'o Outcome, what: &str) -> &'o Refused {
    let named: Vec<&Refused> = outcome.refused.iter().filter(|r| r.what == what).collect();
    assert_eq!(named.len(), 1, "{what} is named once: {:#?}", outcome.refused);
    named[0]
}

/// All of the contract, on one target.
fn keeps_the_contract(engine: &Engine) {
    let stop = Stop::new();
    let schema = engine.schema.map_or(String::new(), |s| format!("{s}."));
    let backup = |odd, lies| written(engine.kind, engine.dialect, engine.entries(odd), lies);
    let event = engine.event().map(|(m, _)| format!("{} {}", m.kind.word(), m.title()));

    // What differs withholds what runs by itself.
    let lie = backup(false, true);
    let loading = engine.loading(&lie.1);
    assert_eq!(engine.target().existing(&loading, &stop).unwrap(), [""; 0]);
    let outcome = engine.restore(&lie, &loading);
    assert_eq!(outcome.damage.len(), 2, "{outcome:#?}");
    assert_eq!(outcome.refused.len(), usize::from(event.is_some()), "{outcome:#?}");
    if let Some(event) = &event {
        assert!(of(&outcome, event).sql.is_some());
    }

    // What exists is named, and what is replaced is as the backup has it; then the event is there.
    let whole = backup(false, false);
    let loading = Loading { overwrite: true, ..engine.loading(&whole.1) };
    let existing = engine.target().existing(&loading, &stop).unwrap();
    assert!(existing.iter().any(|title| title.ends_with("good")), "{existing:?}");
    let outcome = engine.restore(&whole, &loading);
    assert!(outcome.differences().is_empty(), "{outcome:#?}");
    let target = engine.target();
    target.agree(&loading, &stop).unwrap();
    assert_eq!(target.missing(&whole.1.members, &stop).unwrap(), []);
    let absent = engine.member("absent", Kind::Table, Phase::Before);
    assert_eq!(target.missing(std::slice::from_ref(&absent), &stop).unwrap(), [absent]);

    // One refused thing never ends the rest.
    let odd = backup(true, false);
    let outcome = engine.restore(&odd, &Loading { overwrite: true, ..engine.loading(&odd.1) });
    assert!(outcome.damage.is_empty(), "all that came back is proven: {outcome:#?}");
    let bad = of(&outcome, &format!("table suite.{schema}bad"));
    assert!(bad.rows == 3 && bad.sql.is_some(), "{bad:?}");
    let hanging = outcome.refused.iter().find(|r| r.what.ends_with("of_bad")).unwrap();
    assert_eq!(hanging.why, "its table was refused");
    let rows = of(&outcome, &format!("rows of suite.{schema}twice"));
    let sql = String::from_utf8(rows.sql.clone().unwrap()).unwrap();
    assert!(rows.rows == 2 && sql.contains("row 4") && sql.contains("row 1"), "{sql}");
    assert!(!sql.contains("row 8") && !sql.contains("row 10"), "only what was refused: {sql}");
    of(&outcome, &format!("view suite.{schema}lost"));
    assert_eq!(outcome.refused.len(), 4, "{outcome:#?}");
    let sql = |r: &Refused| String::from_utf8(r.sql.clone().unwrap()).unwrap();
    let all: String = outcome.refused.iter().map(sql).collect();
    let enters = if engine.dialect == Dialect::Postgres { 4 } else { 0 };
    assert_eq!(all.matches("\\connect \"suite\"\n").count(), enters, "{all}");
    assert!(all.contains("nowhere_at_all") && all.contains("no_such_type(1,2,3"), "{all}");
    for (name, count) in [("good", 6), ("other", 1), ("twice", 10)] {
        assert_eq!(engine.count(&odd.1, name), count, "{name}");
    }
    goes_on(engine);
}

/// A restore that lost its server goes on past what is refused.
fn goes_on(engine: &Engine) {
    let stop = Stop::new();
    let odd = written(engine.kind, engine.dialect, engine.entries(true), false);
    let loading = Loading { overwrite: true, ..engine.loading(&odd.1) };
    let target = engine.target();
    target.agree(&loading, &stop).unwrap();
    target.existing(&loading, &stop).unwrap();
    let cut = Cut { target: target.as_ref(), left: AtomicUsize::new(3) };
    let error = run(&odd, &cut, &loading).unwrap_err();
    assert!(error.ends_with("the server is gone"), "{error}");
    drop(target);
    let again = Loading { overwrite: false, resume: true, ..engine.loading(&odd.1) };
    let outcome = engine.restore(&odd, &again);
    assert!(outcome.damage.is_empty() && outcome.refused.len() == 4, "{outcome:#?}");
    for (name, count) in [("good", 6), ("other", 1), ("twice", 10)] {
        assert_eq!(engine.count(&odd.1, name), count, "{name}");
    }
}

/// A server of MySQL or MariaDB, as a job declares it.
fn mysql_spec(server: &Server) -> SourceSpec {
    SourceSpec::Mysql(MysqlSpec {
        identity: None,
        host: "127.0.0.1".into(),
        port: server.port,
        socket: None,
        user: "root".into(),
        password: None,
        databases: Vec::new(),
        exclude: Vec::new(),
        tables: Vec::new(),
        tls: Tls::default(),
        lock_wait: Duration::from_secs(1),
        ddl_wait: Duration::from_secs(10),
        max_lag: None,
        inconsistent: Inconsistent::Refuse,
        accounts: false,
        tools: Vec::new(),
    })
}

fn mysql(server: &Server) -> Engine {
    let spec = mysql_spec(server);
    Engine { kind: "mysql", dialect: Dialect::Mysql, spec, schema: None }
}

fn postgres(server: &PgServer) -> Engine {
    let spec = PostgresSpec {
        identity: None,
        hosts: vec!["127.0.0.1".into()],
        port: Some(server.port),
        socket: None,
        service: None,
        session: HostRole::Any,
        user: Some("postgres".into()),
        password: None,
        databases: Vec::new(),
        schemas: Vec::new(),
        exclude: Vec::new(),
        tables: Vec::new(),
        tls: Tls::default(),
        lock_wait: Duration::from_secs(1),
        max_lag: None,
        globals: false,
        tools: vec![server.version.programs()],
    };
    let spec = SourceSpec::Postgres(spec);
    Engine { kind: "postgres", dialect: Dialect::Postgres, spec, schema: Some("public") }
}

/// The same engine as a source, once what runs by itself is gone.
fn as_a_source(engine: &Engine, write: &dyn Fn()) {
    let mut entries = engine.entries(false);
    entries.truncate(entries.len() - usize::from(engine.event().is_some()));
    let backup = written(engine.kind, engine.dialect, entries, false);
    let outcome =
        engine.restore(&backup, &Loading { overwrite: true, ..engine.loading(&backup.1) });
    assert!(outcome.differences().is_empty(), "{outcome:#?}");
    snapshots::keeps_the_contract(&engine.spec, engine.dialect, write);
    programs::a_stop_ends_every_call(&engine.spec, Program::Native);
}

fn mysql_server(brand: Brand) {
    let server = brand.start(&[]);
    let engine = mysql(&server);
    keeps_the_contract(&engine);
    server.exec("DROP EVENT IF EXISTS suite.event");
    as_a_source(&engine, &|| server.exec("INSERT INTO suite.good (id) VALUES (100)"));
    programs::a_lost_connection_is_an_error(&engine.spec, &|| end_all(&server));
    // The programs of Debian's MariaDB and of MySQL are there; mydumper reads both.
    let mut spec = mysql_spec(&server);
    let SourceSpec::Mysql(own) = &mut spec else { unreachable!() };
    own.databases = vec![Glob::parse("suite").unwrap()];
    own.tools = vec![brand.dumper().parent().unwrap().to_path_buf()];
    let engines = [Program::Mysqldump, Program::Mydumper];
    for (number, engine) in engines.into_iter().enumerate() {
        let id = 200 + number;
        let write =
            || server.exec(&format!("INSERT INTO suite.good VALUES ({id}, 'row {id} is new')"));
        let text = format!("({id},");
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&text);
        programs::a_program_keeps_the_contract(&spec, engine, &write, &holds);
        programs::a_stop_ends_every_call(&spec, engine);
    }
}

/// Ends every other connection of a server, as an operator does.
fn end_all(server: &Server) {
    use mysql::prelude::Queryable;
    let mut conn = server.conn();
    let sql = "SELECT id FROM information_schema.processlist WHERE id <> connection_id() AND user = 'root'";
    let ids: Vec<u64> = conn.query(sql).unwrap();
    assert!(!ids.is_empty(), "nobody is connected");
    // One may have gone meanwhile.
    ids.iter().for_each(|id| drop(conn.query_drop(format!("KILL {id}"))));
}

#[test]
fn mysql_keeps_the_contract_of_targets_and_sources() {
    mysql_server(Brand::Mysql9);
}

#[test]
fn mariadb_keeps_the_contract_of_targets_and_sources() {
    [Brand::Mariadb, Brand::Mariadb11].into_iter().for_each(mysql_server);
}

#[test]
fn postgres_keeps_the_contract_of_targets_and_sources() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        let engine = postgres(&server);
        keeps_the_contract(&engine);
        server.sql("suite", "DROP EVENT TRIGGER IF EXISTS guard");
        as_a_source(&engine, &|| server.sql("suite", "INSERT INTO good (id) VALUES (100)"));
        let cut = || {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
            server.sql("postgres", sql);
        };
        programs::a_lost_connection_is_an_error(&engine.spec, &cut);
        let write = || {
            server.sql("suite", "INSERT INTO good VALUES (200, 'row 200 is new')");
        };
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("row 200 is new");
        let plain = Program::PgDump(DumpForm::Plain);
        programs::a_program_keeps_the_contract(&engine.spec, plain, &write, &holds);
        programs::a_stop_ends_every_call(&engine.spec, plain);
        let SourceSpec::Postgres(own) = &engine.spec else { unreachable!() };
        let physical = Physical::default();
        let files = SourceSpec::Cluster(ClusterSpec { server: own.clone(), physical });
        programs::files_keep_the_contract(&files);
    }
}

#[test]
fn sqlite_keeps_the_contract_of_targets_and_sources() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.db");
    let spec = SourceSpec::Sqlite(SqliteSpec { identity: None, path: path.clone() });
    let engine = Engine { kind: "sqlite", dialect: Dialect::Sqlite, spec, schema: None };
    keeps_the_contract(&engine);
    let write = || {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute("INSERT INTO good (id) VALUES (100)", []).unwrap();
    };
    as_a_source(&engine, &write);
}
