//! Restore drills: what is asked of the restored data, how long it took, and the evidence that stays.

use mysql::prelude::Queryable;

use crate::common::servers::{Brand, Pg};
use crate::common::space::{Ran, Space, until, word};

/// All that a command said.
fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

/// What programs are told of drills.
fn evidence(space: &Space) -> Vec<serde_json::Value> {
    space.run(&["drill", "list", "job.kdl", "--format", "json"]).expect(0).json()
}

fn sqlite(asserts: &str) -> String {
    format!(
        "sources {{ sqlite \"app\" path=\"app.db\"; sqlite \"lab\" path=\"lab.db\" scratch=#true }}\n\
         stores {{ dir \"nas\" path=\"nas\" {{ keep last=9 }} }}\n\
         job \"night\" {{ dump \"app\" {{ send \"nas\" }} }}\n\
         job \"drill\" {{ verify \"app\" from=\"nas\" into=\"lab\" {{ {asserts} }} }}\n"
    )
}

#[test]
fn what_is_asked_of_restored_data_is_evidence_and_another_answer_an_error() {
    let space = Space::new().job(&sqlite("assert \"SELECT count(*) FROM t\" equals=\"2\""));
    space.database("app.db", "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL)");
    space.run(&["run", "job.kdl", "night"]).expect(0);
    let ran = space.run(&["run", "job.kdl", "drill"]).expect(0);
    assert!(said(&ran).contains("1 of 1 asserts hold"), "{}", said(&ran));
    let known = evidence(&space);
    assert_eq!(known.len(), 1);
    assert_eq!((word(&known[0], "verdict"), word(&known[0], "target")), ("success", "lab"));
    assert_eq!(known[0]["rows"], 2);
    // The rows are all there, and not what the application needs.
    for (assert, found) in [
        ("assert \"SELECT count(*) FROM t WHERE b IS NULL\" equals=\"0\"", "gives 1, and 0"),
        ("assert \"SELECT b FROM t WHERE a=2\" equals=\"x\"", "gives NULL, and x"),
        ("assert \"SELECT a FROM t\" equals=\"1\"", "it has more than one row"),
        ("assert \"SELECT a, b FROM t WHERE a=1\" equals=\"1\"", "it has 2 columns"),
        ("assert \"SELECT a FROM t WHERE a=7\" equals=\"1\"", "it has no row"),
        ("assert \"SELECT a FROM gone\" equals=\"1\"", "no such table"),
        ("assert \"DELETE FROM t RETURNING a\" equals=\"1\"", "readonly"),
    ] {
        std::fs::write(space.path("job.kdl"), sqlite(assert)).unwrap();
        let ran = space.run(&["run", "job.kdl", "drill"]).expect(1);
        let said = said(&ran);
        assert!(said.contains(found), "{assert}: {said}");
    }
    let known = evidence(&space);
    assert_eq!(known.len(), 8, "every drill is kept, however it ended");
    assert_eq!(word(&known[0], "verdict"), "error");
    assert!(known.iter().any(|d| word(d, "message").contains("gives 1, and 0")));
    // The backup is what was dumped: nothing condemns it.
    let proof = space.list();
    assert_eq!(word(&proof[0], "proof"), "restored", "the first drill was a good one");
    space.run(&["run", "job.kdl", "night"]).expect(0);
    space.run(&["run", "job.kdl", "drill"]).expect(1);
    let proof = space.list();
    let newest = proof.iter().max_by_key(|line| word(line, "id")).unwrap();
    assert_eq!(
        word(newest, "proof"),
        "read",
        "what an assert refuses is no good restore: {proof:?}"
    );
    let status = space.run(&["status", "job.kdl", "--format", "json"]).stdout;
    assert!(status.contains("\"rto-seconds\":"), "{status}");
}

#[test]
fn a_remark_stays_with_its_drill() {
    let space = Space::new().job(&sqlite(""));
    space.database("app.db", "CREATE TABLE t (a)");
    space.run(&["run", "job.kdl", "night"]).expect(0);
    space.run(&["run", "job.kdl", "drill"]).expect(0);
    let drill = evidence(&space).remove(0);
    let id = word(&drill, "drill");
    space
        .run(&["drill", "remark", "job.kdl", id, "--text", "seen by the auditor", "--owner", "Ana"])
        .expect(0);
    let remarks = &evidence(&space)[0]["remarks"];
    assert_eq!(remarks[0]["text"], "seen by the auditor");
    let told = space.run(&["drill", "list", "job.kdl", "--lang", "en"]).expect(0).stdout;
    assert!(told.contains("seen by the auditor (Ana)"), "{told}");
    let none = space.run(&["drill", "remark", "job.kdl", "nosuch", "--text", "x"]).expect(64);
    assert!(none.stderr.contains("vex drill list"), "{}", none.stderr);
}

#[test]
fn any_of_the_kept_backups_is_drilled_by_chance() {
    let text = sqlite("").replace("into=\"lab\"", "into=\"lab\" pick=\"random\"");
    let space = Space::new().job(&text);
    space.database("app.db", "CREATE TABLE t (a)");
    for _ in 0..3 {
        space.run(&["run", "job.kdl", "night"]).expect(0);
    }
    // All three at last: that thirty drills take but two of them happens once in 190 000 times.
    for _ in 0..30 {
        space.run(&["run", "job.kdl", "drill"]).expect(0);
    }
    let backups: std::collections::BTreeSet<String> =
        evidence(&space).iter().map(|d| word(d, "backup").to_owned()).collect();
    assert_eq!(backups.len(), 3);
}

#[test]
fn a_restore_that_takes_longer_than_it_may_is_an_alert_with_both_times() {
    let [server, lab] = [Brand::Mariadb.start(&[]), Brand::Mariadb.start(&[])];
    server.exec("CREATE DATABASE shop");
    server.exec("CREATE TABLE shop.t7 (a INT PRIMARY KEY)");
    server.exec("INSERT INTO shop.t7 VALUES (1), (2)");
    lab.exec("CREATE DATABASE shop");
    lab.exec("CREATE TABLE shop.t7 (a INT)");
    let source = |name: &str, port: u16, more: &str| {
        format!(
            "mysql \"{name}\" host=\"127.0.0.1\" port={port} user=\"root\" {more} {{ databases \"shop\" }}"
        )
    };
    let text = format!(
        "sources {{\n  {}\n  {}\n}}\nstores {{ dir \"nas\" path=\"nas\" {{ keep last=2 }} }}\n\
         job \"night\" {{ dump \"shop\" {{ send \"nas\"; verify \"nas\" into=\"lab\" {{\n\
         assert \"SELECT SUM(a) FROM t7\" equals=\"3\"\n\
         assert \"SELECT DATABASE()\" equals=\"shop\"\n}} }} }}\n",
        source("shop", server.port, "restore-within=\"1s\""),
        source("lab", lab.port, "scratch=#true"),
    );
    let space = Space::new().job(&text);
    // Somebody reads the table that the drill replaces, for longer than it may take.
    let mut reader = lab.conn();
    reader.query_drop("BEGIN").unwrap();
    reader.query_drop("SELECT * FROM shop.t7").unwrap();
    let running = space.start(&["run", "job.kdl"]);
    let waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
                 WHERE STATE='Waiting for table metadata lock'";
    until("the drill waits for the table", || {
        lab.conn().query_first::<u64, _>(waits).unwrap().filter(|count| *count > 0)
    });
    std::thread::sleep(std::time::Duration::from_millis(1200));
    reader.query_drop("COMMIT").unwrap();
    assert_eq!(running.ends_soon(), 0);
    let known = evidence(&space);
    assert_eq!(word(&known[0], "verdict"), "alert", "{known:?}");
    assert!(word(&known[0], "message").contains("`restore-within` is 1 s"), "{known:?}");
}

#[test]
fn a_cluster_of_several_databases_is_asked_in_the_one_that_is_named() {
    // Clusters of one version have one system identifier in tests.
    let [server, lab] = [Pg::V15.start(&[]), Pg::V17.start(&[])];
    for (unit, number) in [("shop", 1), ("crm", 2)] {
        server.sql("postgres", &format!("CREATE DATABASE {unit}"));
        server.sql(unit, &format!("CREATE TABLE t (a int); INSERT INTO t VALUES ({number})"));
    }
    let source = |name: &str, port: u16, more: &str| {
        format!(
            "postgres \"{name}\" host=\"127.0.0.1\" port={port} user=\"postgres\" {more} {{ databases \"shop\" \"crm\" }}"
        )
    };
    let job = |assert: &str| {
        format!(
            "sources {{\n  {}\n  {}\n}}\nstores {{ dir \"nas\" path=\"nas\" {{ keep last=9 }} }}\n\
             job \"night\" {{ dump \"shop\" {{ send \"nas\"; verify \"nas\" into=\"lab\" {{ {assert} }} }} }}\n",
            source("shop", server.port, ""),
            source("lab", lab.port, "scratch=#true"),
        )
    };
    let space = Space::new().job(&job("assert \"SELECT a FROM t\" equals=\"2\" in=\"crm\""));
    space.run(&["run", "job.kdl"]).expect(0);
    for (assert, found) in [
        ("assert \"SELECT a FROM t\" equals=\"2\"", "several databases"),
        ("assert \"DELETE FROM t RETURNING a\" equals=\"2\" in=\"crm\"", "read-only"),
    ] {
        std::fs::write(space.path("job.kdl"), job(assert)).unwrap();
        let ran = space.run(&["run", "job.kdl"]).expect(1);
        assert!(said(&ran).contains(found), "{assert}: {}", said(&ran));
    }
}
