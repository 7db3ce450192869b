//! Dump programs in vex's place: the real mydumper, mysqldump and mariadb-dump on real servers.
//!
//! Where a program must fail, a script of a few lines stands before it in `PATH` and lets the real
//! one do the work.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use mysql::prelude::Queryable;
use rustix::process::Signal;

use crate::common::binary::vex;
use crate::common::mysql_state::State;
use crate::common::servers::{Brand, Server};
use crate::common::shop::{DATABASES, fill, open_shop};
use crate::common::space::{Running, files, until};

/// A folder with a job, and the programs that vex finds.
struct Home {
    folder: tempfile::TempDir,
    brand: Brand,
    /// What `PATH` is instead, if it is another.
    path: Option<String>,
}

impl Home {
    /// A job that dumps `server` with `engine`; `extra` is of the source.
    fn new(server: &Server, engine: &str, extra: &str) -> Home {
        let folder = tempfile::tempdir().expect("a folder");
        let job = format!(
            "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ {extra} }} }}\nstores {{ dir \"local\" \
             path=\"store\" {{ keep last=9 }} }}\njob \"j\" {{ dump \"db\" engine=\"{engine}\" chunk=\"64KiB\" {{ send \
             \"local\"; verify \"local\" }} }}\n",
            server.port
        );
        std::fs::write(folder.path().join("job.kdl"), job).expect("written");
        Home { folder, brand: server.brand, path: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the real programs are, the server's own first.
    fn real_path(&self) -> String {
        let own = self.brand.dumper();
        format!(
            "{}:{}",
            own.parent().expect("a folder").display(),
            std::env::var("PATH").expect("a PATH")
        )
    }

    /// Puts a script before the real program; in it `real` runs that one. A question for the
    /// version is passed on.
    fn before(mut self, program: &str, script: &str) -> Home {
        let folder = self.path("bin");
        std::fs::create_dir_all(&folder).expect("made");
        let text = format!(
            "#!/bin/bash\nPATH='{}'\nreal() {{ command {program} \"$@\"; }}\n[ \"$1\" = --version ] && exec {program} \
             --version\n{script}\n",
            self.real_path()
        );
        let file = folder.join(program);
        std::fs::write(&file, text).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("set");
        self.path = Some(format!("{}:{}", folder.display(), self.real_path()));
        self
    }

    fn vex(&self, args: &[&str]) -> Output {
        vex(self.folder.path(), args)
            .env("PATH", self.path.clone().unwrap_or_else(|| self.real_path()))
            .output()
            .expect("vex starts")
    }

    /// Runs the job, which must end with this code; returns what it said.
    #[track_caller]
    fn run(&self, code: i32) -> String {
        let output = self.vex(&["run", "job.kdl", "--strict"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert_eq!(
            files(&self.path("state/vex/staging")),
            Vec::<PathBuf>::new(),
            "staging is empty afterwards"
        );
        told
    }

    #[track_caller]
    fn restore(&self, args: &[&str], target: &Server, code: i32) -> String {
        let url = format!("mysql://root@127.0.0.1:{}", target.port);
        let output = self.vex(&[&["restore", "job.kdl", "--into", &url], args].concat());
        let told = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(code), "{told}");
        told
    }

    /// The names of what the store holds that end so.
    fn stored(&self, suffix: &str) -> Vec<PathBuf> {
        files(&self.path("store"))
            .into_iter()
            .filter(|p| p.to_string_lossy().ends_with(suffix))
            .collect()
    }

    fn manifest(&self) -> serde_json::Value {
        crate::common::artifact::manifest(&self.stored(".zip").pop().expect("a container"))
    }

    /// The engine's own log.
    fn engine_log(&self) -> String {
        let logs = files(&self.path("state/vex/logs"));
        let log = logs
            .into_iter()
            .find(|p| p.to_string_lossy().ends_with("/mydumper_log.log"))
            .expect("an engine's log");
        std::fs::read_to_string(log).expect("text")
    }
}

/// A new server for restores, with the definer that the shop's code names.
fn target(brand: Brand) -> Server {
    let target = brand.start(&[]);
    target.exec("CREATE USER 'shop keeper'@'localhost'");
    target.exec("GRANT ALL ON *.* TO 'shop keeper'@'localhost'");
    target
}

/// The tables whose facts differ, as the state names them.
fn differing(a: &State, b: &State) -> BTreeSet<String> {
    a.differences(b).iter().map(|line| line.lines().next().unwrap_or_default().to_owned()).collect()
}

/// A database of every kind of object that mydumper survives, with values of every kind that makes
/// trouble.
const PLAIN: [&str; 19] = [
    "SET NAMES utf8mb4",
    "SET SESSION time_zone='+00:00', sql_mode='NO_AUTO_VALUE_ON_ZERO'",
    "CREATE DATABASE plain CHARACTER SET utf8mb4",
    "USE plain",
    "CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(50), b VARBINARY(50), f DOUBLE, g INT GENERATED ALWAYS AS \
     (LENGTH(t)) STORED, p POINT, l VARCHAR(9) CHARACTER SET latin1, e ENUM('ção','it''s')) COMMENT 'x; \\'ção\\' \\n'",
    "INSERT INTO a (id, t, b, f, p, l, e) VALUES (0, 'it''s; \"x\" \\\\ \\n\\r\\0 ção 🦀', x'00ff275c220a1a3b0a80c3', 1.5e-300, \
     POINT(1, 2), 'é', 'ção'), (7, NULL, NULL, NULL, NULL, NULL, NULL)",
    "CREATE TABLE `b-c d` (j JSON, d DATETIME(6), bt BIT(10), s TIMESTAMP NULL)",
    "INSERT INTO `b-c d` VALUES ('{\"a\": \"ção\"}', '2020-01-01 01:02:03.000001', b'1111111111', '2024-07-01 12:00:00')",
    "CREATE TABLE `ação.x` (x INT, FOREIGN KEY (x) REFERENCES a (id))",
    "INSERT INTO `ação.x` VALUES (0), (7)",
    "CREATE TABLE nothing (x INT)",
    "CREATE TABLE old (x INT) ENGINE=MyISAM",
    "INSERT INTO old VALUES (1)",
    "CREATE VIEW z AS SELECT id, t FROM a",
    "CREATE VIEW b_view AS SELECT id FROM z",
    "CREATE PROCEDURE p() BEGIN SELECT 'x;\\ny'; -- it's\n SELECT 2; END",
    "CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW BEGIN IF NEW.f IS NULL THEN SET NEW.f = 1; END IF; END",
    "CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO DELETE FROM old",
    "CREATE TABLE many (id INT PRIMARY KEY, pad VARCHAR(200))",
];

fn open_plain(brand: Brand) -> Server {
    // The event is there to be dumped; a scheduler would run it on the way.
    let server = brand.start(&["--event-scheduler=OFF"]);
    let mut conn = server.conn();
    for statement in PLAIN {
        conn.query_drop(statement).unwrap_or_else(|e| panic!("{brand:?}: {e}: {statement}"));
    }
    for start in (0..20_000).step_by(1000) {
        let rows: Vec<String> =
            (start..start + 1000).map(|i| format!("({i}, REPEAT(HEX({i}), 40))")).collect();
        let sql = format!("INSERT INTO many VALUES {}", rows.join(","));
        conn.query_drop(sql).expect("rows");
    }
    server
}

#[test]
fn what_mysqldump_reads_comes_back_but_for_the_digits_of_floats() {
    for (brand, engine) in [(Brand::Mariadb, "mysqldump"), (Brand::Mysql9, "mariadb-dump")] {
        let source = open_shop(brand);
        fill(&mut source.conn(), 3000);
        if brand == Brand::Mysql9 {
            let told = Home::new(&source, engine, "inconsistent \"alert\"").run(1);
            assert!(told.contains("shop.only_generated has no column that is read"), "{told}");
            source.exec("DROP TABLE shop.only_generated");
        }
        let before = State::of(&mut source.conn(), &DATABASES);
        let home = Home::new(&source, engine, "inconsistent \"alert\"");
        let told = home.run(2);
        assert!(
            told.contains("shop.archive is a MyISAM table")
                && told.contains("proven in local: read"),
            "{told}"
        );
        let manifest = home.manifest();
        let notes = manifest["not_included"].to_string();
        for note in [
            "a content proof: m",
            "one moment for all databases",
            "shop.title.weight",
            "a binary log position",
        ] {
            assert!(notes.contains(note), "{note}: {notes}");
        }
        let target = target(brand);
        home.restore(&[], &target, 0);
        let after = State::of(&mut target.conn(), &DATABASES);
        let differ = differing(&before, &after);
        let floats = ["table `shop`.`title`: ", "table `shop`.`everything`: "];
        let lossy = |key: &String| {
            floats.iter().any(|table| key.starts_with(table) && !key.ends_with("definition"))
        };
        assert!(differ.iter().all(lossy), "{brand:?}: {:?}", after.differences(&before));
        let values = "SELECT COUNT(*), SUM(ABS(weight - ROUND(id / 3, 2)) < 0.01) FROM shop.title WHERE weight IS NOT NULL";
        assert_eq!(
            target.conn().query_first::<(u64, u64), _>(values).expect("it answers"),
            Some((90, 90))
        );
        // A table alone is not to be had, a view is; and what exists is not replaced.
        let told = home.restore(&["--only", "shop.loan", "--as", "other"], &target, 1);
        assert!(told.contains("as one script") && told.contains("--only shop"), "{told}");
        let told = home.restore(&["--only", "crm"], &target, 1);
        assert!(told.contains("exist"), "{told}");
        home.restore(&["--only", "crm", "--overwrite"], &target, 0);
        home.restore(&["--only", "void", "--as", "nothing"], &target, 0);
        assert_eq!(differing(&after, &State::of(&mut target.conn(), &DATABASES)), BTreeSet::new());
    }
}

#[test]
fn a_dump_of_a_program_comes_back_without_vex() {
    for (brand, engine, open) in [
        (Brand::Mariadb, "mariadb-dump", open_plain as fn(Brand) -> Server),
        (Brand::Mysql9, "mysqldump", open_plain),
        (Brand::Mariadb, "mydumper", open_plain),
        (Brand::Mysql9, "mydumper", open_plain),
    ] {
        let source = open(brand);
        let before = State::of(&mut source.conn(), &["plain"]);
        let home = Home::new(&source, engine, "databases \"plain\"; inconsistent \"alert\"");
        home.vex(&["run", "job.kdl"]);
        let zip = home.stored(".zip").pop().expect("a zip");
        let target = brand.start(&["--event-scheduler=OFF"]);
        let client = brand.client().display().to_string();
        let script = format!(
            "set -o pipefail; 7zz x -so -r '{}' '*.sql' | '{client}' --no-defaults --comments --binary-mode \
             --protocol=tcp --host=127.0.0.1 --port={} --user=root",
            zip.display(),
            target.port
        );
        let output = Command::new("bash").args(["-c", &script]).output().expect("bash starts");
        assert!(
            output.status.success(),
            "{brand:?} {engine}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        State::of(&mut target.conn(), &["plain"]).assert_same(&before);
    }
}

#[test]
fn what_mydumper_reads_comes_back() {
    for brand in Brand::ALL {
        let source = open_plain(brand);
        let before = State::of(&mut source.conn(), &["plain"]);
        let home = Home::new(&source, "mydumper", "databases \"plain\"");
        home.run(0);
        assert!(home.engine_log().contains("Finished dump at"), "{}", home.engine_log());
        let manifest = home.manifest();
        let entries: Vec<&str> = manifest["entries"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|e| e["name"].as_str())
            .collect();
        for name in ["plain/a-schema.sql", "plain/a.sql", "plain/many.00001.sql"] {
            assert!(entries.contains(&name), "{name}: {entries:?}");
        }
        assert!(
            manifest["not_included"].to_string().contains("mydumper 0."),
            "its version is told"
        );
        assert_eq!(manifest["position"].is_object(), brand.is_mariadb(), "0.10 can't ask MySQL 9");
        let target = brand.start(&["--event-scheduler=ON"]);
        home.restore(&[], &target, 0);
        target.exec("SET GLOBAL event_scheduler=OFF");
        // The event runs at last, and only after everything else: it may have emptied its table by
        // now.
        target.exec("DELETE FROM plain.old");
        target.exec("INSERT INTO plain.old VALUES (1)");
        State::of(&mut target.conn(), &["plain"]).assert_same(&before);
        home.restore(&["--only", "plain.many", "--as", "other"], &target, 0);
        let sums = target
            .conn()
            .query::<(String, u64), _>("CHECKSUM TABLE plain.many, other.many")
            .expect("it answers");
        assert_eq!(sums[0].1, sums[1].1);
        let tables =
            target.conn().query::<String, _>("SHOW TABLES FROM other").expect("it answers");
        assert_eq!(tables, ["many"]);
    }
}

#[test]
fn what_mydumper_does_not_survive_is_refused_and_what_it_loses_is_told() {
    let source = open_shop(Brand::Mariadb);
    let told = Home::new(&source, "mydumper", "databases \"shop\"").run(1);
    assert!(told.contains("shop.only_generated") && told.contains("engine \"native\""), "{told}");
    let told =
        Home::new(&source, "mydumper", "databases \"shop\"; exclude \"shop.only_generated\"")
            .run(1);
    assert!(told.contains("has a quote, slash or backslash"), "{told}");
    let extra =
        "databases \"shop\"; tables \"shop.everything\" \"shop.price_list\" \"shop.ticket\"";
    let home = Home::new(&source, "mydumper", extra);
    let told = home.run(2);
    assert!(
        told.contains(
            "not included: invisible columns, which mydumper does not read: shop.everything.hidden"
        ),
        "{told}"
    );
    let notes = home.manifest()["not_included"].to_string();
    assert!(notes.contains("the past of versioned tables: shop.price_list"), "{notes}");
    let target = target(Brand::Mariadb);
    home.restore(&["--only", "shop.price_list", "--only", "shop.ticket"], &target, 0);
    source.exec("SET GLOBAL sql_select_limit=2");
    let told = Home::new(&source, "mysqldump", "databases \"crm\"").run(1);
    assert!(told.contains("sql_select_limit is 2"), "{told}");
}

/// What a script before the program does, the code of the run, and what it must say.
type Way = (&'static str, &'static str, i32, &'static str);

#[test]
fn a_program_that_fails_in_any_way_leaves_no_backup() {
    let source = open_plain(Brand::Mariadb);
    let ways: [Way; 9] = [
        ("mariadb-dump", "real \"$@\" | head -c 300000; kill -9 $$", 1, "was ended by signal 9"),
        ("mariadb-dump", "real \"$@\" | head -c 300000; exit 0", 1, "has no end"),
        ("mariadb-dump", "real \"$@\" | head -c 300000; echo '-- Dump completed'", 1, "not closed"),
        ("mariadb-dump", "real \"$@\"; exit 3", 1, "it ended with code 3"),
        (
            "mariadb-dump",
            "real \"$@\"; echo 'mariadb-dump: Error 2013: Lost connection' >&2",
            1,
            "Lost connection",
        ),
        ("mydumper", "real \"$@\"; kill -9 $$", 1, "was ended by signal 9"),
        (
            "mydumper",
            "real \"$@\"; echo '** (mydumper:1): CRITICAL **: gone' >&2",
            1,
            "CRITICAL **: gone",
        ),
        (
            "mydumper",
            "real \"$@\"; rm -f \"$3\"/plain.many.sql \"$3\"/plain.many.0000*",
            1,
            "no rows of plain.many",
        ),
        ("mydumper", "real \"$@\"; rm \"$3\"/metadata", 1, "no metadata"),
    ];
    for (program, script, code, said) in ways {
        let home = Home::new(&source, program, "databases \"plain\"; inconsistent \"alert\"")
            .before(program, script);
        let told = home.run(code);
        assert!(told.contains(said), "{script}: {told}");
        assert_eq!(home.stored(""), Vec::<PathBuf>::new(), "{script}");
        assert!(home.engine_log().contains("tables and rows") || program == "mydumper", "{script}");
    }
}

#[test]
fn the_warnings_of_a_program_are_an_alert_and_its_reasons() {
    let source = open_plain(Brand::Mariadb);
    let script = "real \"$@\"; echo \"** (mydumper:7): WARNING **: 21:02: Couldn't get master position\" >&2
echo '** (mydumper:7): WARNING **: 21:02: Executing in no-locks mode, snapshot might not be consistent' >&2";
    let home = Home::new(&source, "mydumper", "databases \"plain\"").before("mydumper", script);
    let told = home.run(2);
    assert!(
        told.contains(
            "mydumper warned: ** (mydumper:7): WARNING **: 21:02: Couldn't get master position"
        ),
        "{told}"
    );
    assert!(told.contains("not one point in time: ** (mydumper:7): WARNING **"), "{told}");
    assert!(home.manifest()["inconsistent"].to_string().contains("no-locks mode"));
    assert!(home.engine_log().contains("no-locks mode"));
    let listed = String::from_utf8_lossy(&home.vex(&["list", "job.kdl"]).stdout).into_owned();
    assert!(listed.contains("Alert"), "{listed}");
}

#[test]
fn a_missing_program_is_named_before_any_work() {
    let source = Brand::Mariadb.start(&[]);
    for (engine, named) in [
        ("mydumper", "there is no mydumper in PATH"),
        ("mysqldump", "there is no mariadb-dump and no mysqldump in PATH"),
    ] {
        let mut home = Home::new(&source, engine, "");
        home.path = Some("/nowhere".into());
        let plan = home.vex(&["plan", "job.kdl"]);
        let told = String::from_utf8_lossy(&plan.stdout).into_owned();
        assert_eq!(plan.status.code(), Some(1), "{told}");
        assert!(told.contains(named) && told.contains("Install"), "{told}");
        let told = home.run(1);
        assert!(told.contains(named), "{told}");
        assert!(!home.path("store").exists() && !home.path("state/vex/staging").exists());
    }
    // Debian's mysqldump is MariaDB's: it is not for MySQL.
    let source = Brand::Mysql9.start(&[]);
    let mut home = Home::new(&source, "mysqldump", "");
    home.path = Some("/usr/bin:/bin".into());
    let told = home.run(1);
    assert!(told.contains("the server is MySQL 9") && told.contains("MariaDB"), "{told}");
}

#[test]
fn no_password_is_seen_by_anybody() {
    for (brand, engine, program) in [
        (Brand::Mariadb, "mysqldump", "mariadb-dump"),
        (Brand::Mysql9, "mysqldump", "mysqldump"),
        (Brand::Mariadb, "mydumper", "mydumper"),
        (Brand::Mysql9, "mydumper", "mydumper"),
    ] {
        let source = open_plain(brand);
        source.exec("CREATE USER 'we\"ird #u'@'%' IDENTIFIED BY 'CANARY x\"y''z\\\\#w $ä;='");
        source.exec("GRANT ALL ON *.* TO 'we\"ird #u'@'%'");
        let script = "tr '\\0' ' ' < /proc/$$/cmdline > seen; env >> seen; stat -c %a \"${1#*=}\" \"$(dirname \"${1#*=}\")\" >> seen
real \"$@\"; code=$?; echo 'it is CANARY x\"y'\"'\"'z\\#w $ä;=, is it not' >&2; exit $code";
        let mut home = Home::new(
            &source,
            engine,
            "databases \"plain\"; inconsistent \"alert\"; password (file)\"pass\"",
        )
        .before(program, script);
        let job = std::fs::read_to_string(home.path("job.kdl"))
            .expect("text")
            .replace("user=\"root\"", "user=#\"we\"ird #u\"#");
        std::fs::write(home.path("job.kdl"), job).expect("written");
        for (password, code) in [("CANARY x\"y'z\\#w $ä;=", 0), ("CANARY wrong", 1)] {
            std::fs::write(home.path("pass"), password).expect("written");
            std::fs::set_permissions(home.path("pass"), std::fs::Permissions::from_mode(0o600))
                .expect("set");
            for arguments in [&["run", "job.kdl", "--format", "json"][..], &["plan", "job.kdl"]] {
                let output = home.vex(arguments);
                let told = [&output.stdout[..], &output.stderr].concat();
                let told = String::from_utf8_lossy(&told).into_owned();
                assert_eq!(output.status.code(), Some(code), "{brand:?} {engine}: {told}");
                assert!(!told.contains("CANARY"), "{told}");
                assert!(
                    code != 0 || arguments[0] != "run" || told.contains("it is ***"),
                    "it was heard: {told}"
                );
            }
        }
        let seen = std::fs::read_to_string(home.path("seen")).expect("it ran");
        assert!(seen.ends_with("600\n700\n"), "{seen}");
        home.path = None;
        for file in files(home.folder.path())
            .into_iter()
            .filter(|p| !p.ends_with("pass") && !p.ends_with(Path::new("bin").join(program)))
        {
            let bytes = std::fs::read(&file).expect("read");
            assert!(!bytes.windows(6).any(|w| w == b"CANARY"), "{}", file.display());
        }
    }
}

/// Moves money between two tables of one database until told to stop; returns how often.
fn transfer(server: &Server, seed: u64, over: &AtomicBool) -> u64 {
    let mut conn = server.conn();
    let mut done = 0;
    while !over.load(Ordering::SeqCst) {
        let (from, to) = ((seed + done * 7) % 32, (seed + done * 13) % 32);
        let statements = [
            "BEGIN".to_owned(),
            format!("UPDATE bank.left_account SET money = money - 5 WHERE id = {from}"),
            format!("UPDATE bank.right_account SET money = money + 5 WHERE id = {to}"),
            "COMMIT".to_owned(),
        ];
        match statements.iter().try_for_each(|s| conn.query_drop(s)) {
            Ok(()) => done += 1,
            Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1205 | 1213) => {
                conn.query_drop("ROLLBACK").expect("rolled back");
            }
            Err(error) => panic!("a transfer failed: {error}"),
        }
    }
    done
}

#[test]
fn a_database_is_one_moment_while_money_moves() {
    for brand in Brand::ALL {
        let (source, target) = (brand.start(&[]), brand.start(&[]));
        source.exec("CREATE DATABASE bank");
        for table in ["left_account", "right_account"] {
            source.exec(&format!(
                "CREATE TABLE bank.{table} (id INT PRIMARY KEY, money BIGINT NOT NULL)"
            ));
            let rows: Vec<String> = (0..32).map(|i| format!("({i}, 1000)")).collect();
            source.exec(&format!("INSERT INTO bank.{table} VALUES {}", rows.join(",")));
        }
        let homes = ["mysqldump", "mydumper"].map(|engine| Home::new(&source, engine, ""));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (1..=3)
                .map(|w| {
                    scope.spawn({
                        let (s, o) = (&source, &over);
                        move || transfer(s, w, o)
                    })
                })
                .collect();
            for _ in 0..5 {
                for home in &homes {
                    home.run(0);
                    home.restore(&["--overwrite"], &target, 0);
                    let sql = "SELECT (SELECT SUM(money) FROM bank.left_account) + (SELECT SUM(money) FROM bank.right_account)";
                    assert_eq!(
                        target.conn().query_first::<i64, _>(sql).expect("it answers"),
                        Some(64_000),
                        "{brand:?}"
                    );
                }
            }
            over.store(true, Ordering::SeqCst);
            let moved: u64 = writers.into_iter().map(|w| w.join().expect("a writer")).sum();
            assert!(moved > 100, "only {moved} transfers: the test proves nothing");
        });
    }
}

#[test]
fn a_stopped_run_ends_its_program_and_leaves_nothing() {
    let source = open_plain(Brand::Mariadb);
    for program in ["mariadb-dump", "mydumper"] {
        let script = "echo $$ > started; real \"$@\" | head -c 200000; exec sleep 600";
        let home = Home::new(&source, program, "databases \"plain\"; inconsistent \"alert\"")
            .before(program, script);
        let mut command = Command::new(env!("CARGO_BIN_EXE_vex"));
        command.args(["run", "job.kdl"]).env_clear().current_dir(home.folder.path());
        command
            .env("PATH", home.path.as_deref().expect("a PATH"))
            .env("XDG_STATE_HOME", home.path("state"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let running = Running(command.spawn().expect("vex starts"));
        let pid = until("the program starts", || {
            std::fs::read_to_string(home.path("started")).ok().filter(|t| t.ends_with('\n'))
        });
        running.signal(Signal::TERM);
        assert_eq!(running.ends_soon(), 143);
        let line = std::fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
        assert!(line.is_empty(), "{program} still runs");
        assert_eq!(home.stored(""), Vec::<PathBuf>::new());
        assert_eq!(files(&home.path("state/vex/staging")), Vec::<PathBuf>::new());
    }
}
