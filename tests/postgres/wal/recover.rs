//! Clusters come back as they were at a moment, or do not open at all.

use std::fs;

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Ran, Space};
use crate::postgres::physical::{Restored, bring_to, open_folder};
use crate::postgres::wal::{archiving, object, open, patiently, push_command, switch};

/// One step of the workload: what is known of it, and what the table held before it and with it.
struct Moment {
    before: i64,
    time: String,
    lsn: String,
    xid: String,
}

/// Transactions of one row each, with DDL between them, and where each was.
fn work(server: &PgServer, from: i64, count: i64) -> Vec<Moment> {
    let mut client = server.client("postgres");
    let mut moments = Vec::new();
    for n in from..from + count {
        if n % 4 == 0 {
            client.batch_execute(&format!("CREATE TABLE ddl_{n} AS SELECT {n} AS a")).unwrap();
        }
        let row = client
            .query_one("SELECT pg_current_wal_insert_lsn()::text, clock_timestamp()::text", &[])
            .unwrap();
        let mut transaction = client.transaction().unwrap();
        transaction.execute("INSERT INTO t VALUES ($1)", &[&n]).unwrap();
        let xid: String =
            transaction.query_one("SELECT pg_current_xact_id()::text", &[]).unwrap().get(0);
        transaction.commit().unwrap();
        let (lsn, time) = (row.get(0), row.get::<_, String>(1));
        moments.push(Moment { before: n, time, lsn, xid });
        if n % 3 == 0 {
            server.value("postgres", "SELECT pg_switch_wal()");
        }
    }
    moments
}

fn back(space: &Space, version: Pg, data: &std::path::Path, more: &[&str]) -> (Restored, Ran) {
    open(space);
    bring_to(space, version, data, more)
}

#[test]
fn a_cluster_comes_back_as_it_was_before_a_moment_a_place_a_transaction_and_at_a_name() {
    for version in Pg::ALL {
        let (server, space) = archiving(version, &["timezone=America/Porto_Velho"], "send \"nas\"");
        server.sql("postgres", "CREATE TABLE t (a bigint)");
        server.sql("postgres", "INSERT INTO t SELECT -generate_series(1, 10)");
        space.run(&["run", "job.kdl", "weekly"]).expect(0);
        let mut moments = work(&server, 0, 6);
        server.value("postgres", "SELECT pg_create_restore_point('before deploy')");
        moments.extend(work(&server, 6, 6));
        space.run(&["run", "job.kdl", "weekly"]).expect(0);
        moments.extend(work(&server, 12, 4));
        switch(&server);
        let folder = open_folder();
        let rows = "SELECT count(*) || ' ' || coalesce(max(a), -1) FROM t";
        let mut number = 0;
        let mut check = |more: &[&str], before: i64, claim: &str| {
            number += 1;
            let (restored, ran) =
                back(&space, version, &folder.path().join(format!("data{number}")), more);
            assert_eq!(restored.value(rows), format!("{} {}", before + 10, before - 1), "{more:?}");
            assert!(ran.stdout.contains(claim), "{more:?}: {claim}: {}", ran.stdout);
            assert_eq!(restored.value("SELECT pg_is_in_recovery()"), "false");
        };
        for moment in [&moments[2], &moments[14]] {
            check(
                &["--until", &moment.time.replace(' ', "T")],
                moment.before,
                "recovery stopping before commit",
            );
            check(&["--until-xid", &moment.xid], moment.before, "which does not come back");
        }
        let lsn = &moments[8];
        check(&["--until-lsn", &lsn.lsn], lsn.before, "recovery stopping before WAL location");
        check(&["--until-name", "before deploy"], 6, "recovery stopping at restore point");
        check(&["--until", "latest"], 16, "archive recovery complete");
    }
}

#[test]
fn what_nothing_reaches_is_refused_before_anything_is_written() {
    let (server, space) = archiving(Pg::V15, &[], "send \"nas\"");
    server.sql("postgres", "CREATE TABLE t (a bigint)");
    let early = server
        .value(
            "postgres",
            "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
        )
        .unwrap();
    space.run(&["run", "job.kdl", "weekly"]).expect(0);
    let moments = work(&server, 0, 7);
    switch(&server);
    open(&space);
    let folder = open_folder();
    let data = folder.path().join("data");
    let into = format!("pgdata:{}", data.display());
    let refused = |more: &[&str], code: i32| {
        let mut words = vec!["restore", "job.kdl", "erp-physical", "--into", &into];
        words.extend(crate::postgres::physical::owner());
        words.extend(more);
        let ran = space.run(&words).expect(code);
        assert!(!data.exists() && fs::read_dir(folder.path()).unwrap().count() == 0, "{more:?}");
        ran
    };
    for more in [
        &["--until", &early][..],
        &["--until", "2999-01-01T00:00:00Z"],
        &["--until-lsn", "FF/0"],
        &["--until-lsn", "0/1000"],
        &["--until-xid", "999999"],
        &["--until-name", "never made"],
        &["--until", "latest", "--timeline", "7"],
    ] {
        let ran = refused(more, 66);
        assert!(
            ran.stderr.contains("nothing reaches") && ran.stderr.contains("nothing was written"),
            "{more:?}: {}",
            ran.stderr
        );
    }
    refused(&["--until", "tomorrow"], 64);
    refused(&["--until-lsn", "x"], 64);
    refused(&["--timeline", "2"], 64);
    // What could be done is shown, and not done.
    let moment = moments[5].time.replace(' ', "T");
    let shown = refused(&["--until", &moment, "--dry-run"], 0);
    for claim in [
        "recovers from the log of erp",
        "the last that comes back is the commit of transaction",
        "ends before the commit of transaction",
        "wal fetch",
    ] {
        assert!(shown.stdout.contains(claim), "{claim}: {}", shown.stdout);
    }
    // A gap before the moment.
    let lost =
        server.value("postgres", &format!("SELECT pg_walfile_name('{}')", moments[4].lsn)).unwrap();
    let path = object(&space.path("nas"), &lost).expect("kept");
    fs::rename(&path, path.with_extension("away")).unwrap();
    let ran = refused(&["--until", &moment], 66);
    assert!(ran.stderr.contains(&format!("{lost} is missing")), "{}", ran.stderr);
    // A store that does not answer is no window at all.
    fs::rename(space.path("nas/logs"), space.path("logs")).unwrap();
    refused(&["--until", &moment], 66);
}

#[test]
fn a_server_never_opens_early_whichever_file_of_the_log_cannot_be_brought() {
    let (server, space) = archiving(Pg::V17, &[], "send \"nas\"");
    server.sql("postgres", "CREATE TABLE t (a bigint)");
    space.run(&["run", "job.kdl", "weekly"]).expect(0);
    let moments = work(&server, 0, 9);
    switch(&server);
    open(&space);
    let folder = open_folder();
    let last = moments.last().expect("some");
    // The plan was made while all was there; then one file after the other can't be read.
    let names: Vec<String> = (1..=8)
        .filter_map(|n| {
            let lsn = &moments[n].lsn;
            server.value("postgres", &format!("SELECT pg_walfile_name('{lsn}')"))
        })
        .collect();
    let mut names = names;
    names.dedup();
    assert!(names.len() >= 3, "{names:?}");
    for (number, name) in names.iter().enumerate() {
        let data = folder.path().join(format!("data{number}"));
        let into = format!("pgdata:{}", data.display());
        let mut words =
            vec!["restore", "job.kdl", "erp-physical", "--into", &into, "--until-lsn", &last.lsn];
        words.extend(crate::postgres::physical::owner());
        space.run(&words).expect(0);
        let path = object(&space.path("nas"), name).expect("kept");
        let kept = fs::read(&path).unwrap();
        let mut bad = kept.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&path, &bad).unwrap();
        let start = |what: &str| {
            let port = crate::common::servers::free_port();
            let log = folder.path().join(format!("log{number}{what}"));
            let mut start = server.version.unprivileged("pg_ctl");
            start.args(["start", "--wait", "--timeout=60", "--pgdata"]).arg(&data);
            start.arg("--log").arg(&log).arg("--options").arg(format!(
                "-c port={port} -c unix_socket_directories={} -c listen_addresses= -c hot_standby=off -c dynamic_shared_memory_type=mmap",
                data.display()
            ));
            start.stdout(std::process::Stdio::null()).status().expect("pg_ctl starts");
            // pg_ctl is content with a server that reads its log.
            let open = patiently("the server opens or ends", || {
                let pid = fs::read_to_string(data.join("postmaster.pid"));
                pid.map_or(Some(false), |text| {
                    text.lines().last().is_some_and(|line| line.trim() == "ready").then_some(true)
                })
            });
            (open, fs::read_to_string(&log).unwrap_or_default(), port)
        };
        let (open, log, _) = start("a");
        assert!(!open && log.contains("FATAL"), "{name}: {log}");
        assert!(data.join("recovery.signal").exists(), "{name}: it would go on");
        // Once it can be read again, the server gets to where it should.
        fs::write(&path, &kept).unwrap();
        let (open, log, port) = start("b");
        assert!(open && log.contains("recovery stopping before"), "{name}: {log}");
        let restored = Restored::of(server.version, &data, port, &data);
        assert_eq!(restored.value("SELECT count(*) FROM t"), last.before.to_string(), "{name}");
    }
}

/// Writes rows into a cluster that came back, and waits until they are in the log's stores.
fn go_on(restored: &Restored, rows: &[i64]) {
    let mut client = restored.client();
    for n in rows {
        client.execute("INSERT INTO t VALUES ($1)", &[n]).unwrap();
    }
    let name = restored.value("SELECT pg_walfile_name(pg_switch_wal())");
    patiently("a server that came back archives", || {
        let last = restored.value("SELECT last_archived_wal FROM pg_stat_archiver");
        (last == name).then_some(())
    });
}

#[test]
fn after_each_promotion_the_log_goes_on_along_its_own_timeline() {
    let (server, space) = archiving(Pg::V15, &[], "send \"nas\"");
    server.sql("postgres", "CREATE TABLE t (a bigint)");
    space.run(&["run", "job.kdl", "weekly"]).expect(0);
    let moments = work(&server, 0, 6);
    switch(&server);
    let folder = open_folder();
    let command = format!("archive_command={}", push_command(&space));
    let archives = ["--set", "archive_mode=on", "--set", &command];
    let bring = |name: &str, more: &[&str]| {
        let more = [more, &archives[..]].concat();
        back(&space, Pg::V15, &folder.path().join(name), &more).0
    };
    let rows =
        |restored: &Restored| restored.value("SELECT string_agg(a::text, ' ' ORDER BY a) FROM t");
    let first = bring("first", &["--until-xid", &moments[3].xid]);
    assert_eq!(rows(&first), "0 1 2");
    go_on(&first, &[100, 101, 102]);
    // The old server went on too.
    work(&server, 6, 2);
    switch(&server);
    let second = bring("second", &["--until", "latest"]);
    assert_eq!(rows(&second), "0 1 2 100 101 102", "the newest timeline");
    go_on(&second, &[200]);
    let third = bring("third", &["--until", "latest"]);
    assert_eq!(rows(&third), "0 1 2 100 101 102 200");
    let old = bring("old", &["--until", "latest", "--timeline", "1"]);
    assert_eq!(rows(&old), "0 1 2 3 4 5 6 7", "the old server's own");
    let lines =
        space.run(&["wal", "status", "job.kdl", "--offline", "--format", "json"]).expect(0).json();
    let timelines: Vec<_> =
        lines.iter().filter(|l| l["what"] == "stretch").map(|l| l["timeline"].clone()).collect();
    assert!(timelines.len() >= 3, "{lines:?}");
}
