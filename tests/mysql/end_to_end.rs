//! MySQL and MariaDB, end to end: the binary dumps a real server and restores it into another.

use std::path::Path;
use std::process::Command;

use mysql::prelude::Queryable;

use crate::common::binary::{good, run};
use crate::common::mysql_state::State;
use crate::common::servers::{Brand, Server};
use crate::common::shop::{DATABASES, fill, open_shop};

fn job(server: &Server, extra: &str, dump: &str) -> String {
    format!(
        "sources {{\n  mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ {extra} }}\n}}\nstores {{\n  dir \"local\" \
         path=\"store\" {{ keep last=3 }}\n}}\njob \"nightly\" {{\n  dump \"db\" {dump} {{\n    send \"local\"\n    verify \
         \"local\"\n  }}\n}}\n",
        server.port
    )
}

/// Dumps the databases of `from`, restores them into a new server of `into`, and returns it with
/// the home folder.
fn round_trip(from: &Server, into: Brand, extra: &str, dump: &str) -> (tempfile::TempDir, Server) {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("job.kdl"), job(from, extra, dump)).expect("written");
    good(&run(home.path(), &["run", "job.kdl"]));
    let target = into.start(&[]);
    // Accounts are not part of a backup; definers must be there.
    target.exec("CREATE USER 'shop keeper'@'localhost'");
    target.exec("GRANT ALL ON *.* TO 'shop keeper'@'localhost'");
    let url = format!("mysql://root@127.0.0.1:{}", target.port);
    good(&run(home.path(), &["restore", "job.kdl", "--into", &url]));
    (home, target)
}

#[test]
fn a_shop_with_every_kind_of_object_comes_back_equal() {
    for brand in Brand::ALL {
        let source = open_shop(brand);
        fill(&mut source.conn(), 3000);
        let before = State::of(&mut source.conn(), &DATABASES);
        let (_home, target) =
            round_trip(&source, brand, "inconsistent \"alert\"", "chunk=\"64KiB\"");
        State::of(&mut target.conn(), &DATABASES).assert_same(&before);
        State::of(&mut source.conn(), &DATABASES).assert_same(&before);
    }
}

#[test]
fn one_table_is_restored_under_another_database() {
    let source = open_shop(Brand::Mariadb);
    fill(&mut source.conn(), 500);
    let (home, target) = round_trip(
        &source,
        Brand::Mariadb,
        "databases \"shop\" \"crm\"; inconsistent \"alert\"",
        "",
    );
    let url = format!("mysql://root@127.0.0.1:{}", target.port);
    let refused =
        run(home.path(), &["restore", "job.kdl", "--only", "shop.reading", "--into", &url]);
    assert_eq!(refused.status.code(), Some(1), "what exists is not replaced");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("table shop.reading"));
    let args = ["restore", "job.kdl", "--only", "shop.reading", "--as", "copy", "--into", &url];
    good(&run(home.path(), &args));
    let mut connection = target.conn();
    let tables: Vec<String> = connection.query("SHOW TABLES FROM copy").expect("it answers");
    assert_eq!(tables, ["reading"]);
    let sums: Vec<(String, u64)> =
        connection.query("CHECKSUM TABLE shop.reading, copy.reading").expect("it answers");
    assert_eq!(sums[0].1, sums[1].1);
    connection.query_drop("DELETE FROM shop.reading WHERE id < 100").expect("deleted");
    good(&run(
        home.path(),
        &["restore", "job.kdl", "--only", "shop.reading", "--overwrite", "--into", &url],
    ));
    let sums: Vec<(String, u64)> =
        connection.query("CHECKSUM TABLE shop.reading, copy.reading").expect("it answers");
    assert_eq!(sums[0].1, sums[1].1);
}

#[test]
fn a_table_no_snapshot_covers_is_refused_or_an_alert() {
    for brand in Brand::ALL {
        let source = brand.start(&[]);
        source.exec("CREATE DATABASE a");
        source.exec("CREATE TABLE a.m (i INT) ENGINE=MyISAM");
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("job.kdl");
        std::fs::write(&path, job(&source, "", "")).expect("written");
        let refused = run(home.path(), &["run", "job.kdl"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("a.m is a MyISAM table"));
        std::fs::write(&path, job(&source, "inconsistent \"alert\"", "")).expect("written");
        assert_eq!(run(home.path(), &["run", "job.kdl", "--strict"]).status.code(), Some(2));
        let listed = run(home.path(), &["list", "job.kdl"]);
        assert!(String::from_utf8_lossy(&listed.stdout).contains("Alert"));
    }
}

/// Feeds all SQL of an archive to the server's own client program, as a DBA without vex would.
/// Without `--comments` these clients drop the comments inside of routines.
fn feed_client(zip: &Path, unpack: &str, target: &Server) {
    let client = target.brand.client().display().to_string();
    let script = format!(
        "set -o pipefail; {unpack} '{}' '*.sql' | '{client}' --no-defaults --comments --protocol=tcp --host=127.0.0.1 --port={} --user=root",
        zip.display(),
        target.port
    );
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash starts");
    good(&output);
}

#[test]
fn the_archive_comes_back_without_vex() {
    for (brand, archive, unpack) in [
        (Brand::Mariadb, "", "7zz x -so -r"),
        (Brand::Mysql9, "", "7zz x -so -r"),
        (Brand::Mariadb11, "", "7zz x -so -r"),
        (Brand::Mariadb, "archive compression=\"deflate\"", "unzip -p"),
    ] {
        let source = open_shop(brand);
        fill(&mut source.conn(), 700);
        let before = State::of(&mut source.conn(), &DATABASES);
        let home = tempfile::tempdir().expect("a folder");
        let text = job(&source, "inconsistent \"alert\"", "chunk=\"64KiB\"");
        let text = text.replace("send \"local\"\n", &format!("send \"local\"\n    {archive}\n"));
        std::fs::write(home.path().join("job.kdl"), text).expect("written");
        good(&run(home.path(), &["run", "job.kdl"]));
        let folder = home.path().join("store/nightly/db");
        let zip = std::fs::read_dir(&folder).expect("a folder").flatten().map(|e| e.path());
        let zip =
            zip.into_iter().find(|p| p.extension().is_some_and(|e| e == "zip")).expect("a zip");
        let target = brand.start(&[]);
        target.exec("CREATE USER 'shop keeper'@'localhost'");
        target.exec("GRANT ALL ON *.* TO 'shop keeper'@'localhost'");
        feed_client(&zip, unpack, &target);
        State::of(&mut target.conn(), &DATABASES).assert_same(&before);
    }
}

#[test]
fn a_lone_zip_is_enough() {
    let source = open_shop(Brand::Mariadb);
    let before = State::of(&mut source.conn(), &DATABASES);
    let home = tempfile::tempdir().expect("a folder");
    let text = job(&source, "inconsistent \"alert\"", "");
    let text = text
        .replace("send \"local\"\n", "send \"local\"\n    archive { password (file)\"pass\" }\n");
    std::fs::write(home.path().join("job.kdl"), text).expect("written");
    std::fs::write(home.path().join("pass"), "CANARY-ZIP\n").expect("written");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(home.path().join("pass"), std::fs::Permissions::from_mode(0o600))
        .expect("set");
    good(&run(home.path(), &["run", "job.kdl"]));
    let listed =
        String::from_utf8(run(home.path(), &["list", "job.kdl", "--format", "json"]).stdout)
            .expect("UTF-8");
    let line: serde_json::Value = serde_json::from_str(&listed).expect("one backup");
    let lone = home.path().join("lone.zip");
    std::fs::rename(home.path().join("store").join(line["key"].as_str().expect("a key")), &lone)
        .expect("moved");
    let target = Brand::Mariadb.start(&[]);
    target.exec("CREATE USER 'shop keeper'@'localhost'");
    target.exec("GRANT ALL ON *.* TO 'shop keeper'@'localhost'");
    let url = format!("mysql://root@127.0.0.1:{}", target.port);
    let args = ["restore", "--from", "lone.zip", "--into", &url];
    assert_eq!(run(home.path(), &args).status.code(), Some(1), "sealed, and no password");
    good(&run(home.path(), &[&args[..], &["--archive-password-file", "pass"]].concat()));
    State::of(&mut target.conn(), &DATABASES).assert_same(&before);
}

#[test]
fn a_row_the_server_would_not_take_back_is_refused_and_others_are_cut_to_fit() {
    for brand in Brand::ALL {
        let source = brand.start(&["--max-allowed-packet=1M"]);
        source.exec("CREATE DATABASE a");
        source.exec("CREATE TABLE a.b (id INT PRIMARY KEY, body LONGBLOB)");
        for id in 0..9 {
            source.exec(&format!("INSERT INTO a.b VALUES ({id}, REPEAT(CHAR({id}), 300000))"));
        }
        let home = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join("job.kdl"), job(&source, "", "")).expect("written");
        good(&run(home.path(), &["run", "job.kdl"]));
        let target = brand.start(&["--max-allowed-packet=1M"]);
        let url = format!("mysql://root@127.0.0.1:{}", target.port);
        good(&run(home.path(), &["restore", "job.kdl", "--into", &url]));
        State::of(&mut target.conn(), &["a"]).assert_same(&State::of(&mut source.conn(), &["a"]));
        source.exec("INSERT INTO a.b VALUES (100, REPEAT('x', 600000))");
        let refused = run(home.path(), &["run", "job.kdl"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("Raise `max_allowed_packet`"));
    }
}

#[test]
fn history_under_its_own_names_and_bodies_without_escapes_come_back() {
    let source = Brand::Mariadb.start(&[]);
    let mut connection = source.conn();
    for statement in [
        "CREATE DATABASE a",
        "CREATE TABLE a.h (id INT PRIMARY KEY, v INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED \
         ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
        "INSERT INTO a.h (id, v) VALUES (1, 1), (2, 2)",
        "UPDATE a.h SET v = 3 WHERE id = 1",
        "DELETE FROM a.h WHERE id = 2",
        "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
        "CREATE PROCEDURE a.p() SELECT 'c:\\', 'it''s; //'",
    ] {
        connection.query_drop(statement).unwrap_or_else(|e| panic!("{e}: {statement}"));
    }
    let all = "SELECT COUNT(*), SUM(v), MIN(s), MAX(e) FROM a.h FOR SYSTEM_TIME ALL";
    let history: Option<(u64, u64, String, String)> =
        connection.query_first(all).expect("it answers");
    let (_home, target) = round_trip(&source, Brand::Mariadb, "databases \"a\"", "");
    assert_eq!(
        target.conn().query_first::<(u64, u64, String, String), _>(all).expect("it answers"),
        history
    );
    assert_eq!(history.map(|h| h.0), Some(3), "one row now, and two that were");
    let body =
        "SELECT ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='a'";
    let bodies: (Option<String>, Option<String>) = (
        connection.query_first(body).expect("it answers"),
        target.conn().query_first(body).expect("it answers"),
    );
    assert_eq!(bodies.0, bodies.1);
}

#[test]
fn what_the_user_may_not_see_is_an_alert_and_an_invalid_view_is_told() {
    let source = Brand::Mariadb.start(&[]);
    for statement in [
        "CREATE DATABASE a",
        "CREATE TABLE a.t (id INT PRIMARY KEY)",
        "CREATE VIEW a.v AS SELECT id FROM a.t",
        "CREATE TABLE a.gone (id INT)",
        "CREATE VIEW a.broken AS SELECT id FROM a.gone",
        "DROP TABLE a.gone",
        "CREATE USER 'reader'@'%' IDENTIFIED BY 'CANARY-READER'",
        "GRANT SELECT, SHOW VIEW, EVENT, RELOAD, REPLICATION CLIENT, BINLOG MONITOR ON *.* TO 'reader'@'%'",
    ] {
        source.exec(statement);
    }
    let home = tempfile::tempdir().expect("a folder");
    let text = job(&source, "password (command)\"echo\" \"CANARY-READER\"", "")
        .replace("user=\"root\"", "user=\"reader\"");
    std::fs::write(home.path().join("job.kdl"), text).expect("written");
    let output = run(home.path(), &["run", "job.kdl", "--strict"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("not included: view a.broken is invalid"), "{told}");
    assert!(
        told.contains("triggers of a may be missing: no TRIGGER privilege was found"),
        "{told}"
    );
    assert!(!told.contains("CANARY"), "{told}");
}

#[test]
fn a_trigger_that_names_its_database_is_not_made_in_the_wrong_one() {
    let source = Brand::Mariadb.start(&[]);
    source.exec("CREATE DATABASE a");
    source.exec("CREATE TABLE a.t (id INT PRIMARY KEY)");
    source.exec("CREATE TRIGGER a.tr BEFORE INSERT ON a.t FOR EACH ROW SET NEW.id = NEW.id + 1");
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("job.kdl"), job(&source, "", "")).expect("written");
    good(&run(home.path(), &["run", "job.kdl"]));
    source.exec("DROP TRIGGER a.tr");
    let url = format!("mysql://root@127.0.0.1:{}", source.port);
    let output = run(home.path(), &["restore", "job.kdl", "--as", "b", "--into", &url]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(65), "{told}");
    assert!(
        told.contains("trigger a.tr was not restored: its text names the database a"),
        "{told}"
    );
    let sql = "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN ('a', 'b')";
    assert_eq!(source.conn().query_first::<u64, _>(sql).expect("it answers"), Some(0));
}

#[test]
fn an_event_the_target_refuses_keeps_no_other_away() {
    let source = Brand::Mariadb.start(&[]);
    for statement in [
        "CREATE DATABASE d",
        "CREATE USER 'odd@name'@'localhost'",
        "CREATE EVENT d.first ON SCHEDULE EVERY 1 YEAR DO DO 1",
        "CREATE DEFINER='odd@name'@'localhost' EVENT d.odd ON SCHEDULE EVERY 1 YEAR DO DO 2",
        "CREATE EVENT d.third ON SCHEDULE EVERY 1 YEAR DO DO 3",
    ] {
        source.exec(statement);
    }
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("job.kdl"), job(&source, "databases \"d\"", ""))
        .expect("written");
    good(&run(home.path(), &["run", "job.kdl"]));
    // MariaDB takes the name of a definer that is not there for a host.
    let target = Brand::Mariadb.start(&[]);
    let url = format!("mysql://root@127.0.0.1:{}", target.port);
    let output = run(home.path(), &["restore", "job.kdl", "--into", &url]);
    assert_eq!(output.status.code(), Some(65), "{}", String::from_utf8_lossy(&output.stderr));
    let told = [output.stdout, output.stderr].concat();
    assert!(
        String::from_utf8_lossy(&told).contains("event d.odd"),
        "{}",
        String::from_utf8_lossy(&told)
    );
    let made: Vec<String> = target
        .conn()
        .query("SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA='d' ORDER BY 1")
        .expect("it answers");
    assert_eq!(made, ["first", "third"]);
}
