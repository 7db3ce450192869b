//! The files of a standby: taken from it while it follows, and brought back as a server of its own.

use std::path::Path;
use std::process::Stdio;

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{until, word};
use crate::postgres::physical::{STEPS, bring_back, by_socket, job, open_folder};

const CHAIN: &str = r#"physical "erp" incremental=#true { send "nas"; verify "nas" unpack=#true }"#;

/// A standby of `primary`, in `folder`.
fn follow(primary: &PgServer, folder: &Path, settings: &[&str]) -> PgServer {
    let data = folder.join("standby");
    let words = ["--write-recovery-conf", "--checkpoint=fast", "--pgdata", data.to_str().unwrap()];
    primary.run("pg_basebackup", &words);
    settings
        .iter()
        .fold(primary.version.setup().on(&data), |setup, setting| setup.setting(setting))
        .start()
}

#[test]
fn the_files_of_a_standby_come_back_as_a_server_of_its_own() {
    for version in Pg::ALL {
        let primary = version.start(&[]);
        primary.run("pgbench", &["-i", "-s", "2", "-q", "postgres"]);
        let folder = open_folder();
        let standby = follow(&primary, folder.path(), &[]);
        primary.sql("postgres", "CREATE TABLE late AS SELECT generate_series(1, 1000) AS a");
        until("the standby has it", || {
            (standby.value("postgres", "SELECT to_regclass('late')")?.len() == 4).then_some(())
        });
        let source = format!("{} {{ session \"standby\" }}", by_socket(&standby));
        let space = job(&standby, &source, STEPS);
        space.back_up();
        // What the primary does later must not come after the restore.
        primary.sql("postgres", "DROP TABLE late");
        let (restored, ran) = bring_back(&space, &standby, &folder.path().join("data"), &[]);
        for claim in [
            "the files are of a standby",
            "put standby.signal aside as standby.signal.off",
            "pg_verifybackup: every file",
            "its log has no ERROR, FATAL or PANIC",
        ] {
            assert!(ran.stdout.contains(claim), "{claim}: {}", ran.stdout);
        }
        assert_eq!(restored.value("SELECT pg_is_in_recovery()"), "false");
        assert_eq!(restored.value("SELECT count(*) FROM late"), "1000");
        restored.client().batch_execute("INSERT INTO late VALUES (0)").unwrap();
        restored.amcheck();
    }
}

#[test]
fn increments_of_a_standby_combine_while_its_primary_is_written_to() {
    let primary = Pg::V17.start(&["summarize_wal=on"]);
    primary.run("pgbench", &["-i", "-s", "2", "-q", "postgres"]);
    let folder = open_folder();
    let standby = follow(&primary, folder.path(), &["summarize_wal=on"]);
    let space = job(&standby, &by_socket(&standby), CHAIN);
    let mut load = primary
        .command("pgbench")
        .args(["-c", "2", "-T", "120", "postgres"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    for round in 0..3 {
        let count = || {
            standby.value("postgres", "SELECT count(*) FROM pgbench_history")?.parse::<u64>().ok()
        };
        until("the load comes over", || count().filter(|n| *n > 20 * (round + 1)));
        // A restart point is the standby's checkpoint: without one nothing would have changed since
        // the last backup.
        primary.sql("postgres", "CHECKPOINT");
        space.back_up();
    }
    load.kill().unwrap();
    load.wait().unwrap();
    let lines = space.list();
    assert!(
        lines.iter().all(|l| word(l, "proof") == "restored" && word(l, "verdict") == "success"),
        "{lines:?}"
    );
    let (restored, ran) = bring_back(&space, &standby, &folder.path().join("data"), &[]);
    assert_eq!(ran.stdout.matches(": increment").count(), 2, "{}", ran.stdout);
    assert_eq!(restored.value("SELECT pg_is_in_recovery()"), "false");
    let sums = "SELECT (SELECT sum(delta) FROM pgbench_history) = (SELECT sum(abalance) FROM pgbench_accounts)";
    assert_eq!(restored.value(sums), "true");
    restored.amcheck();
}

#[test]
fn a_dump_of_a_standby_tells_its_lag_and_one_that_is_paused_is_an_alert() {
    let primary = Pg::ALL[0].start(&[]);
    primary.run("pgbench", &["-i", "-s", "1", "-q", "postgres"]);
    let folder = open_folder();
    let standby = follow(&primary, folder.path(), &[]);
    until("it receives", || {
        (standby.value("postgres", "SELECT count(*) FROM pg_stat_wal_receiver")? == "1")
            .then_some(())
    });
    let source = format!("{} {{ session \"standby\"; max-lag \"1h\" }}", by_socket(&standby));
    let space = job(&standby, &source, r#"dump "erp" { send "nas"; verify "nas" }"#);
    space.run(&["run", "job.kdl", "--strict"]).expect(0);
    let listed = space.run(&["list", "job.kdl", "--format", "json"]).expect(0).stdout;
    assert!(listed.contains("\"lag-seconds\":"), "{listed}");
    standby.sql("postgres", "SELECT pg_wal_replay_pause()");
    let ran = space.run(&["run", "job.kdl", "--strict"]).expect(2);
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(all.contains("its replay is paused"), "{all}");
}

#[test]
fn a_standby_that_may_not_be_asked_for_its_primary_is_an_alert_with_max_lag() {
    let mut primary = Pg::V17.start(&[]);
    primary.sql("postgres", "CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader");
    primary.sql("postgres", "CREATE TABLE t (a int PRIMARY KEY)");
    let folder = open_folder();
    let standby = follow(&primary, folder.path(), &[]);
    until("the standby has it", || {
        (standby.value("postgres", "SELECT to_regclass('t')")?.len() == 1).then_some(())
    });
    primary.stop();
    let source = format!("{} max-lag=\"90d\" {{ databases \"postgres\" }}", by_socket(&standby));
    let space = job(&standby, &source, "dump \"erp\" { send \"nas\"; verify \"nas\" }");
    let text = std::fs::read_to_string(space.path("job.kdl")).unwrap();
    let text = text.replace("user=\"postgres\"", "user=\"reader\"");
    std::fs::write(space.path("job.kdl"), text).unwrap();
    let ran = space.run(&["run", "job.kdl", "--strict"]).expect(2);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("GRANT pg_monitor to the user of vex"), "{said}");
}
