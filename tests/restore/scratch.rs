//! Drills into what vex makes itself: real servers of the programs of this machine, which are gone
//! when the drill is, however it ends.

use std::path::Path;

use mysql::prelude::Queryable;
use rustix::process::Signal;

use crate::common::servers::{Brand, Pg};
use crate::common::space::{Ran, Space, names, until, word};

/// All that a command said.
fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

/// What programs are told of drills.
fn evidence(space: &Space) -> Vec<serde_json::Value> {
    space.run(&["drill", "list", "job.kdl", "--format", "json"]).expect(0).json()
}

/// A job that dumps, and one that drills into a server of vex's own.
fn job(source: &str, name: &str, tools: &str, asserts: &str) -> String {
    format!(
        "{tools}\nsources {{ {source} }}\n\
         stores {{ dir \"nas\" path=\"nas\" {{ keep last=9 }} }}\n\
         job \"night\" {{ dump \"{name}\" {{ send \"nas\"; verify \"nas\" into=\"scratch\" {{ {asserts} }} }} }}\n\
         job \"drill\" {{ verify \"{name}\" from=\"nas\" into=\"scratch\" {{ {asserts} }} }}\n"
    )
}

/// The folders in which scratch servers may be: the staging folder, and that for other users.
fn folders(space: &Space) -> Vec<String> {
    let mut all = names(&space.state("staging"));
    let shared = Path::new("/var/tmp/vex-scratch");
    if shared.exists() {
        all.extend(names(shared));
    }
    all
}

/// Processes that were started with a word which contains `text`.
fn processes(text: &str) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    };
    pids.filter(holds).collect()
}

/// The folder of the server that a process started.
fn child_folder(parent: u32) -> Option<String> {
    let is_own = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        rest.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    };
    processes("unix_socket_directories=").into_iter().find(is_own).and_then(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let folder = |word: std::borrow::Cow<'_, str>| {
            word.strip_prefix("unix_socket_directories=").map(str::to_owned)
        };
        words.into_iter().find_map(folder)
    })
}

/// The folder of the server that a run said it started.
fn folder_of(text: &str) -> String {
    let (_, rest) = text.split_once("starts a server of ").expect("it says so");
    let (_, rest) = rest.split_once(" in ").expect("where");
    rest.split_whitespace().next().unwrap().trim_end_matches(['"', ',']).to_owned()
}

#[track_caller]
fn is_gone(space: &Space) {
    let folder = folder_of(&space.logs());
    assert!(!Path::new(&folder).exists(), "{folder} is still there");
    assert_eq!(processes(&folder), [] as [u32; 0]);
}

/// Both jobs run, what is asked is answered, and another answer is an error.
#[track_caller]
fn drills(space: &Space, text: &str, wrong: &str) {
    space.run(&["run", "job.kdl", "night"]).expect(0);
    let ran = space.run(&["run", "job.kdl", "drill"]).expect(0);
    assert!(said(&ran).contains("asserts hold"), "{}", said(&ran));
    let known = evidence(space);
    assert_eq!(known.len(), 2);
    assert_eq!((word(&known[0], "verdict"), word(&known[0], "target")), ("success", "scratch"));
    assert_eq!(word(&space.list()[0], "proof"), "restored");
    std::fs::write(space.path("job.kdl"), text.replace("equals=\"3\"", "equals=\"4\"")).unwrap();
    let ran = space.run(&["run", "job.kdl", "drill"]).expect(1);
    assert!(said(&ran).contains(wrong), "{}", said(&ran));
    assert_eq!(word(&evidence(space)[0], "verdict"), "error");
}

const ASSERT: &str = "assert \"SELECT SUM(a) FROM t\" equals=\"3\"";

#[test]
fn a_file_is_made_for_a_backup_of_sqlite() {
    let text = job("sqlite \"app\" path=\"app.db\"", "app", "", ASSERT);
    let space = Space::new().job(&text);
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)");
    drills(&space, &text, "gives 3, and 4 was expected");
    assert_eq!(names(&space.state("staging")), [""; 0]);
}

fn a_server_of(brand: Brand) {
    // Its event would empty the table of the scratch server, if that ran any.
    let server = brand.start(&["--event-scheduler=OFF"]);
    server.exec("CREATE DATABASE shop");
    server.exec("CREATE TABLE shop.t (a INT PRIMARY KEY)");
    server.exec("INSERT INTO shop.t VALUES (1), (2)");
    server.exec("CREATE EVENT shop.e ON SCHEDULE EVERY 1 SECOND DO DELETE FROM shop.t");
    let tools = brand.dumper().parent().unwrap().display().to_string();
    let source = format!(
        "mysql \"shop\" host=\"127.0.0.1\" port={} user=\"root\" {{ databases \"shop\" }}",
        server.port
    );
    let text = job(&source, "shop", &format!("tools {{ mysql \"{tools}\" }}"), ASSERT);
    let space = Space::new().job(&text);
    drills(&space, &text, "gives 3, and 4 was expected");
    is_gone(&space);
    // The source is as it was.
    let rows: Option<u64> = server.conn().query_first("SELECT COUNT(*) FROM shop.t").unwrap();
    assert_eq!(rows, Some(2));
}

#[test]
fn a_server_is_started_for_a_backup_of_mariadb() {
    [Brand::Mariadb, Brand::Mariadb11].into_iter().for_each(a_server_of);
}

#[test]
fn a_server_is_started_for_a_backup_of_mysql() {
    a_server_of(Brand::Mysql9);
}

/// A server with a table, and a job for it.
fn postgres(version: Pg, asserts: &str) -> (crate::common::servers::PgServer, Space, String) {
    let server = version.start(&[]);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
    let source = format!(
        "postgres \"erp\" host=\"127.0.0.1\" port={} user=\"postgres\" {{ databases \"shop\" }}",
        server.port
    );
    let tools = format!("tools {{ postgres \"{}\" }}", version.programs().display());
    let text = job(&source, "erp", &tools, asserts);
    let space = Space::new().job(&text);
    (server, space, text)
}

#[test]
fn a_server_is_started_for_a_backup_of_postgres() {
    for version in Pg::ALL {
        let (_server, space, text) = postgres(version, ASSERT);
        drills(&space, &text, "gives 3, and 4 was expected");
        is_gone(&space);
    }
}

#[test]
fn a_server_is_started_on_the_files_of_a_physical_backup() {
    for version in Pg::ALL {
        let server = version.start(&["archive_mode=on", "archive_command=false"]);
        server.sql("postgres", "CREATE DATABASE shop");
        server.sql("shop", "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
        let tools = version.programs().display().to_string();
        let job = |expected: u32| {
            let assert =
                format!("assert \"SELECT SUM(a) FROM t\" equals=\"{expected}\" in=\"shop\"");
            format!(
                "tools {{ postgres \"{tools}\" }}\n\
                 sources {{ postgres \"erp\" host=\"127.0.0.1\" port={} user=\"postgres\" }}\n\
                 stores {{ dir \"nas\" path=\"nas\" {{ keep last=9 }} }}\n\
                 job \"night\" {{ physical \"erp\" {{ send \"nas\"; verify \"nas\" into=\"scratch\" {{ {assert} }} }} }}\n\
                 job \"drill\" {{ verify \"erp-physical\" from=\"nas\" into=\"scratch\" {{ {assert} }} }}\n",
                server.port
            )
        };
        let space = Space::new().job(&job(3));
        space.run(&["run", "job.kdl", "night"]).expect(0);
        let ran = space.run(&["run", "job.kdl", "drill"]).expect(0);
        assert!(said(&ran).contains("asserts hold"), "{}", said(&ran));
        let told = "lets us into each of its 3 databases";
        assert!(space.logs().contains(told), "{}", space.logs());
        assert_eq!(word(&evidence(&space)[0], "verdict"), "success");
        assert_eq!(word(&space.list()[0], "proof"), "restored");
        is_gone(&space);
        std::fs::write(space.path("job.kdl"), job(4)).unwrap();
        let ran = space.run(&["run", "job.kdl", "drill"]).expect(1);
        assert!(said(&ran).contains("gives 3, and 4 was expected"), "{}", said(&ran));
        is_gone(&space);
    }
}

#[test]
fn a_drill_that_is_stopped_or_killed_leaves_no_server() {
    // It is asked for as long as nobody stops it.
    let slow = "assert \"SELECT count(*) FROM pg_sleep(600)\" equals=\"1\"";
    let (_server, space, _) = postgres(Pg::V15, slow);
    let quick = space.path("job.kdl");
    let text = std::fs::read_to_string(&quick).unwrap();
    std::fs::write(&quick, text.replacen(&format!("{{ {slow} }}"), "", 1)).unwrap();
    space.run(&["run", "job.kdl", "night"]).expect(0);
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let running = space.start(&["run", "job.kdl", "drill"]);
        let folder = until("the server is started", || child_folder(running.0.id()));
        running.signal(signal);
        let code = running.ends_soon();
        assert_ne!(code, 0, "{signal:?}");
        until("the server is gone", || processes(&folder).is_empty().then_some(()));
        // A vex that was killed removes nothing any more; the next run does.
        assert_eq!(Path::new(&folder).exists(), signal == Signal::KILL, "{signal:?}: {folder}");
    }
    let left = folders(&space);
    assert!(!left.is_empty());
    std::fs::write(&quick, text.replace(slow, ASSERT)).unwrap();
    space.run(&["run", "job.kdl", "drill"]).expect(0);
    assert!(left.iter().all(|name| !folders(&space).contains(name)), "{left:?}");
}

#[test]
fn a_program_that_is_not_there_is_named_with_what_to_do() {
    let (_server, space, text) = postgres(Pg::V17, ASSERT);
    space.run(&["run", "job.kdl", "night"]).expect(0);
    // Without `tools` there is the one of Debian, which is older.
    std::fs::write(space.path("job.kdl"), text.split_once('\n').unwrap().1).unwrap();
    let ran = space.run(&["run", "job.kdl", "drill"]).expect(1);
    let said = said(&ran);
    assert!(said.contains("PostgreSQL 17") && said.contains("tools {"), "{said}");
    assert_eq!(names(&space.state("staging")), [""; 0]);
}

#[test]
fn a_source_that_is_called_so_is_that_source_and_a_plan_tells_them_apart() {
    let text = job("sqlite \"app\" path=\"app.db\"", "app", "", "");
    let space = Space::new().job(&text);
    space.database("app.db", "CREATE TABLE t (a)");
    let plan = space.run(&["plan", "job.kdl", "drill"]).expect(0).stdout;
    assert!(plan.contains("a file that vex makes for it"), "{plan}");
    let own = text.replace(
        "path=\"app.db\"",
        "path=\"app.db\"; sqlite \"scratch\" path=\"lab.db\" scratch=#true",
    );
    std::fs::write(space.path("job.kdl"), &own).unwrap();
    let plan = space.run(&["plan", "job.kdl", "drill"]).expect(0).stdout;
    assert!(plan.contains("restores it into scratch, whose objects"), "{plan}");
    let real = own.replace(" scratch=#true", "");
    std::fs::write(space.path("job.kdl"), real).unwrap();
    let told = space.run(&["check", "job.kdl"]).expect(78);
    assert!(format!("{}{}", told.stdout, told.stderr).contains("is not declared as scratch"));
}
