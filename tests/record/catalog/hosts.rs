//! Hosts that share a catalog: the binary runs against each database, and against none.

use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Home;
use crate::common::servers::{Brand, Pg, free_port, on_host};
use crate::common::space::{Ran, Space, until};

/// One job: a database of SQLite into a folder, after what `exec` says.
fn job(exec: &str) -> String {
    format!(
        "timezone \"UTC\"\nsources {{ sqlite \"app\" path=\"app.db\" identity=\"app\" }}\n\
         stores {{ dir \"nas\" path=\"store\" {{ keep last=2 }} }}\n\
         job \"good\" {{ {exec}\n dump \"app\" {{ send \"nas\"; verify \"nas\" }} }}\n"
    )
}

/// A space with a database, the job, and a site whose catalog is `home`.
fn space(home: &Home, more: &str, exec: &str) -> Space {
    let space = Space::new().job(&job(exec));
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    fs::write(space.path("vex.kdl"), home.node(more)).unwrap();
    space
}

/// The binary on a host of another name, with a state folder of its own.
fn on(space: &Space, host: &str) -> Child {
    let mut command = space.vex(&["run", "job.kdl"]);
    command.env("XDG_STATE_HOME", space.path(host));
    let mut command = on_host(command, host);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn ended(child: Child) -> Ran {
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn a_run_writes_its_history_into_every_database_and_the_stores_give_it_back() {
    let facts = [
        "SELECT job, verdict, kind, host FROM run",
        "SELECT verb, state, verdict FROM step ORDER BY number",
        "SELECT source, chain, verdict, upload, shown FROM backup",
        "SELECT store, verdict, removed FROM copy",
        "SELECT job, schedule, zone, parallel_chains, enabled FROM declared_job",
        "SELECT source, kind, scratch FROM declared_source",
        "SELECT job, verb, source, chain, sealed FROM declared_chain",
        "SELECT job, chain, store, keep_text, optional FROM declared_copy",
        "SELECT count(*) FROM run WHERE beat IS NOT NULL",
        "SELECT level, step, line FROM run_log WHERE line = 'begins' OR line = 'Success' ORDER BY number",
    ];
    let mut all = Vec::new();
    for home in Home::all("runs") {
        let space = space(&home, "", "");
        space.back_up();
        all.push(facts.map(|sql| home.ask(sql)));
        assert_eq!(all.last(), all.first(), "{}", home.label());
        let place = match home {
            Home::File(_) => continue,
            Home::Mysql(..) => "mysql root@127.0.0.1",
            Home::Postgres(..) => "postgres postgres@127.0.0.1",
        };
        let told = space.run(&["doctor", "job.kdl"]).stdout;
        assert!(told.contains(place) && told.contains("its tables have version 4"), "{told}");
        let found = ["artifact", "copy", "proof", "backup"].map(|table| {
            let rows = home.ask(&format!("SELECT * FROM {table}"));
            home.exec(&format!("DELETE FROM {table}"));
            rows.len()
        });
        assert_eq!(found, [1, 1, 1, 1]);
        let rebuilt = space.run(&["catalog", "rebuild", "job.kdl"]).expect(0).stdout;
        assert!(rebuilt.contains("1 artifacts, 1 copies, 1 proofs"), "{rebuilt}");
        assert_eq!(home.ask("SELECT verdict, upload FROM backup"), ["1|1"]);
    }
}

#[test]
fn a_catalog_that_is_not_there_stops_no_backup_and_hears_of_it_later() {
    let mut server = Pg::V15.start(&[]);
    let (port, data) = (server.port, server.data().to_owned());
    let kept = tempfile::tempdir().unwrap();
    let node = format!(
        "catalog {{ postgres host=\"127.0.0.1\" port={port} user=\"postgres\" database=\"postgres\" }}\n"
    );
    let space = Space::new().job(&job(
        "exec \"wait\" { command \"sh\" \"-c\" \"while [ ! -e go ]; do sleep 0.05; done\" }",
    ));
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    fs::write(space.path("vex.kdl"), node).unwrap();
    let running = space.start(&["run", "job.kdl"]);
    until("the run waits", || {
        let sql = "SELECT count(*) FROM step WHERE verb='exec' AND state='running'";
        let there = server.value("postgres", "SELECT to_regclass('step') IS NOT NULL");
        let there = there.is_some_and(|t| t == "t");
        (there && server.value("postgres", sql).as_deref() == Some("1")).then_some(())
    });
    server.stop();
    fs::write(space.path("go"), "").unwrap();
    let mut running = running;
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    let told = space.run(&["run", "job.kdl"]).expect(0).stderr;
    assert!(told.contains("the run goes on without it"), "{told}");
    assert_eq!(fs::read_dir(space.state("replay")).unwrap().count(), 2);
    assert_eq!(space.list().len(), 2);
    let copy = kept.path().join("data");
    let copied = std::process::Command::new("cp").arg("-a").arg(&data).arg(&copy).status().unwrap();
    assert!(copied.success());
    let server = Pg::V15.setup().on(&copy).at("127.0.0.1", port).start();
    space.run(&["run", "job.kdl"]).expect(0);
    let runs = "SELECT string_agg(verdict::text || ' ' || (finished > started), ',' ORDER BY started) FROM run";
    assert_eq!(server.value("postgres", runs).as_deref(), Some("2 true,2 true,1 true"));
    let ends = "SELECT count(*) FROM run_log WHERE step IS NULL AND line IN ('Success', 'Alert')";
    assert_eq!(server.value("postgres", ends).as_deref(), Some("3"));
    let states = "SELECT count(*) FROM step WHERE state <> 'done'";
    assert_eq!(server.value("postgres", states).as_deref(), Some("0"));
    assert_eq!(server.value("postgres", "SELECT count(*) FROM backup").as_deref(), Some("3"));
    assert_eq!(fs::read_dir(space.state("replay")).unwrap().count(), 0);
}

#[test]
fn a_catalog_that_is_locked_or_frozen_stops_no_backup() {
    let server = Pg::V15.start(&[]);
    let home = Home::postgres(Box::leak(Box::new(server)), "locked");
    let Home::Postgres(server, database) = &home else { unreachable!() };
    let space = space(&home, "exclusive=\"host\"", "");
    space.back_up();
    let mut other = server.client(database);
    let mut lock = other.transaction().unwrap();
    lock.batch_execute("LOCK TABLE run IN ACCESS EXCLUSIVE MODE").unwrap();
    let told = space.back_up().stderr;
    assert!(told.contains("lock timeout") && told.contains("goes on without it"), "{told}");
    lock.rollback().unwrap();
    let pid = Pid::from_raw(server.pid() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let told = space.back_up().stderr;
    kill_process(pid, Signal::CONT).unwrap();
    assert!(told.contains("no answer in 30 s"), "{told}");
    assert_eq!(home.ask("SELECT verdict FROM run"), ["1"]);
    space.back_up();
    assert_eq!(home.ask("SELECT verdict FROM run ORDER BY started"), ["1", "2", "2", "1"]);
    assert_eq!(home.ask("SELECT count(*) FROM backup WHERE verdict=1 AND upload=1"), ["4"]);
}

#[test]
fn nothing_runs_without_a_catalog_that_is_required() {
    let port = free_port();
    let space = Space::new().job(&job(""));
    space.database("app.db", "CREATE TABLE t (v)");
    let site = |more: &str| {
        let inner = format!("postgres host=\"127.0.0.1\" port={port} password=(env)\"PW\"");
        fs::write(space.path("vex.kdl"), format!("catalog {more} {{ {inner} }}\n")).unwrap();
    };
    let (variable, value) = ("PW", "CANARY-CATALOG");
    let run = || Ran::from(space.vex(&["run", "job.kdl"]).env(variable, value).output().unwrap());
    site("exclusive=\"required\"");
    let told = run().expect(75).stderr;
    assert!(told.contains("so nothing runs") && !told.contains("CANARY"), "{told}");
    assert!(!space.path("store").exists());
    site("exclusive=\"host\"");
    let told = run().expect(0).stderr;
    assert!(told.contains("the run goes on without it") && !told.contains("CANARY"), "{told}");
    assert!(!told.contains("keeps no other host"), "{told}");
}

/// A step that fails when it finds another one of it at work.
const ALONE: &str =
    "exec \"alone\" { command \"sh\" \"-c\" \"mkdir held && sleep 0.3 && rmdir held\" }";

#[test]
fn many_hosts_start_one_job_at_once_and_never_two_run() {
    let total = std::env::var("VEX_CATALOG_RUNS").map_or(20, |n| n.parse().unwrap());
    let home = Home::postgres(Pg::V15.shared(), "hosts");
    let space = space(&home, "exclusive=\"required\"", ALONE);
    // A catalog that is made by many at once.
    let (mut well, mut busy, began) = (0, 0, Instant::now());
    for wave in 0..total / 10 {
        let children: Vec<Child> =
            (0..10).map(|n| on(&space, ["here", "there"][(wave + n) % 2])).collect();
        for ran in children.into_iter().map(ended) {
            match ran.code {
                0 => well += 1,
                75 => busy += 1,
                code => panic!("{code}: {}", ran.stderr),
            }
            assert!(!ran.stderr.contains("mkdir"), "{}", ran.stderr);
        }
    }
    assert!(well >= total / 10, "{well}");
    assert_eq!(well + busy, total / 10 * 10);
    assert_eq!(home.ask("SELECT count(*) FROM run WHERE verdict=1"), [well.to_string()]);
    assert_eq!(home.ask("SELECT count(*) FROM run WHERE finished IS NULL"), ["0"]);
    let overlaps = "SELECT count(*) FROM step a JOIN step b ON a.run < b.run AND a.verb='exec' AND b.verb='exec' \
                    WHERE a.started < b.finished AND b.started < a.finished";
    assert_eq!(home.ask(overlaps), ["0"]);
    figure(&format!(
        "{total} simultaneous starts on two hosts, ten at a time: {well} ran, {busy} were told that another runs, \
         never two at once, {} s",
        began.elapsed().as_secs()
    ));
    killed(&space, &home);
}

/// A host that dies holds its lease until it ends by itself.
fn killed(space: &Space, home: &Home) {
    fs::write(space.path("job.kdl"), job("exec \"hang\" { command \"sleep\" \"200\" }")).unwrap();
    let dies = on(space, "here");
    let pid = Pid::from_raw(dies.id() as i32).unwrap();
    until("it holds the lease", || {
        let held = "SELECT count(*) FROM step WHERE address LIKE '%hang' AND state='running'";
        (home.ask(held) == ["1"]).then_some(())
    });
    kill_process(pid, Signal::KILL).unwrap();
    ended_without_pipes(dies);
    // Its own machine sees that it is gone; another one does not.
    home.exec("UPDATE lease SET process=''");
    let told = ended(on(space, "there"));
    assert_eq!(told.code, 75, "{}", told.stderr);
    assert!(told.stderr.contains("here process"), "{}", told.stderr);
    fs::write(space.path("job.kdl"), job("")).unwrap();
    let died = Instant::now();
    if std::env::var_os("VEX_CATALOG_RUNS").is_none() {
        home.exec("UPDATE lease SET expires='2026-01-01T00:00:00.000000Z'");
    }
    home.exec("UPDATE run SET beat='2026-01-01T00:00:00.000000Z' WHERE finished IS NULL");
    loop {
        let next = ended(on(space, "there"));
        match next.code {
            0 => break,
            75 if died.elapsed() < Duration::from_secs(120) => {
                thread::sleep(Duration::from_secs(5));
            }
            code => panic!("{code}: {}", next.stderr),
        }
    }
    figure(&format!("kill -9 of the holder: free after {} s", died.elapsed().as_secs()));
    let closed = "SELECT note FROM run WHERE verdict=3";
    assert_eq!(home.ask(closed), ["the process was killed or the machine stopped"]);
}

/// What `tests/torture.sh` keeps.
fn figure(text: &str) {
    if std::env::var_os("VEX_CATALOG_RUNS").is_some() {
        std::io::stdout().write_all(format!("figure {text}\n").as_bytes()).unwrap();
    }
}

/// What the dead one started still holds its pipes: nobody waits for their end.
fn ended_without_pipes(mut child: Child) {
    drop(child.stdout.take());
    drop(child.stderr.take());
    child.wait().unwrap();
}

#[test]
fn a_run_whose_lease_is_lost_stops_before_its_next_step() {
    let home = Home::mysql(Brand::Mariadb.shared(), "lost");
    let text = job("exec \"hang\" { command \"sleep\" \"200\" }");
    let text = text.replace("dump \"app\" {", "dump \"app\" { after \"hang\";");
    let space = space(&home, "exclusive=\"required\"", "").job(&text);
    let running = space.start(&["run", "job.kdl"]);
    until("it holds the lease", || {
        let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema='catalog_lost' AND table_name='usuario_privilegio'";
        let held = "SELECT count(*) FROM step WHERE state='running'";
        (home.ask(tables) == ["1"] && home.ask(held) == ["1"]).then_some(())
    });
    home.exec("UPDATE lease SET holder='another', token=token+1");
    // It looks every 30 s.
    let mut running = running;
    assert_eq!(running.0.wait().unwrap().code(), Some(1));
    assert_eq!(home.ask("SELECT verdict, note FROM run"), ["3|interrupted"]);
    assert_eq!(home.ask("SELECT holder FROM lease"), ["another"]);
    assert!(space.logs().contains("the lease of the job was lost to another run"));
    assert_eq!(home.ask("SELECT count(*) FROM copy"), ["0"]);
}
