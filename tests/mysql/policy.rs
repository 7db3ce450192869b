//! How a restore treats a server: definers, its binary log, and its GTID state.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use mysql::Row;
use mysql::prelude::Queryable;

use crate::common::binary::{run, text};
use crate::common::servers::{Brand, Server};

/// A database whose objects have a definer that only its own server has.
const SHOP: [&str; 9] = [
    "CREATE DATABASE shop",
    "CREATE USER `gho``st`@`%`",
    "GRANT ALL ON shop.* TO `gho``st`@`%`",
    "CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(40), INDEX by_name (name))",
    "INSERT INTO shop.item VALUES (1, 'a'), (2, 'DEFINER=`a`@`b` ')",
    "CREATE DEFINER=`gho``st`@`%` SQL SECURITY DEFINER VIEW shop.names AS SELECT name, 'DEFINER=`a`@`b` ' AS note FROM shop.item",
    "CREATE DEFINER=`gho``st`@`%` TRIGGER shop.stamp BEFORE INSERT ON shop.item FOR EACH ROW SET NEW.name = CONCAT(NEW.name, \
     ' DEFINER=`a`@`b` ')",
    "CREATE DEFINER=`gho``st`@`%` FUNCTION shop.two() RETURNS VARCHAR(40) DETERMINISTIC /* DEFINER=`a`@`b` */ RETURN \
     'DEFINER=`a`@`b` '",
    "CREATE DEFINER=`gho``st`@`%` EVENT shop.tick ON SCHEDULE EVERY 1 YEAR STARTS '2036-01-01 00:00:00' DO DELETE FROM shop.item \
     WHERE name = 'DEFINER=`a`@`b` '",
];

/// Every definer of the database.
const DEFINERS: &str = "SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA='shop' UNION ALL SELECT DEFINER FROM \
     information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='shop' UNION ALL SELECT DEFINER FROM information_schema.ROUTINES WHERE \
     ROUTINE_SCHEMA='shop' UNION ALL SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA='shop'";

fn restore(home: &Path, user: &str, target: &Server, args: &[&str]) -> Output {
    let url = format!("mysql://{user}@127.0.0.1:{}", target.port);
    run(home, &[&["restore", "job.kdl", "--into", &url], args].concat())
}

/// Restores, and wants it to come to a good end; returns what was said.
fn good(home: &Path, target: &Server, args: &[&str]) -> String {
    let output = restore(home, "root", target, args);
    assert!(
        output.status.success(),
        "{:?} {args:?}: {}\n{}",
        target.brand,
        output.status,
        text(&output)
    );
    text(&output)
}

/// A server with the shop, and a folder with its backup.
fn dumped(brand: Brand, args: &[&str]) -> (Server, tempfile::TempDir) {
    let (server, home) = (brand.start(args), tempfile::tempdir().expect("a folder"));
    SHOP.iter().for_each(|sql| server.exec(sql));
    let file = format!(
        "sources {{\n  mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\"\n}}\nstores {{\n  dir \"local\" path=\"store\" {{ keep \
         last=3 }}\n}}\njob \"nightly\" {{\n  dump \"db\" {{ send \"local\" }}\n}}\n",
        server.port
    );
    std::fs::write(home.path().join("job.kdl"), file).expect("written");
    let output = run(home.path(), &["run", "job.kdl"]);
    assert!(output.status.success(), "{brand:?}: {}", text(&output));
    (server, home)
}

fn strings(server: &Server, sql: &str) -> Vec<String> {
    server.conn().query(sql).unwrap_or_else(|e| panic!("{:?}: {e}: {sql}", server.brand))
}

/// Where the binary log stands: file and byte.
fn log_end(server: &Server) -> (String, u64) {
    let sql =
        if server.brand.is_mariadb() { "SHOW MASTER STATUS" } else { "SHOW BINARY LOG STATUS" };
    let row: Option<Row> = server.conn().query_first(sql).expect("it answers");
    let row = row.expect("a binary log");
    (row.get(0).expect("a file"), row.get(1).expect("a byte"))
}

/// Makes it a server that has written nothing.
fn reset(server: &Server) {
    let sql =
        if server.brand.is_mariadb() { "RESET MASTER" } else { "RESET BINARY LOGS AND GTIDS" };
    server.exec(sql);
    if server.brand.is_mariadb() {
        server.exec("SET GLOBAL gtid_slave_pos=''");
    }
}

/// The arguments of a server that writes GTIDs.
fn with_gtids(brand: Brand) -> &'static [&'static str] {
    if brand.is_mariadb() { &[] } else { &["--gtid-mode=ON", "--enforce-gtid-consistency=ON"] }
}

/// Makes `replica` follow `source` by its own GTID state.
fn follow(replica: &Server, source: &Server) {
    let port = source.port;
    if replica.brand.is_mariadb() {
        replica.exec(&format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='root', MASTER_USE_GTID=slave_pos"
        ));
        replica.exec("START SLAVE");
    } else {
        replica.exec(&format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='root', \
             SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1"
        ));
        replica.exec("START REPLICA");
    }
}

#[test]
fn a_missing_definer_is_kept_or_the_account_that_restores_takes_its_place() {
    for brand in Brand::ALL {
        let (_source, home) = dumped(brand, &[]);
        let (kept, current) = (brand.start(&[]), brand.start(&[]));
        let said = good(home.path(), &kept, &[]);
        for object in
            ["view shop.names", "trigger shop.stamp", "function shop.two", "event shop.tick"]
        {
            let line =
                format!("! will not fit: {object}: its definer gho`st@% does not exist there");
            assert!(said.to_lowercase().contains(&line), "{brand:?}: {line}\n{said}");
        }
        assert_eq!(strings(&kept, DEFINERS), ["gho`st@%"; 4], "{brand:?}");
        assert!(
            kept.conn().query_drop("SELECT * FROM shop.names").is_err(),
            "{brand:?}: its definer is missing"
        );

        current.exec("CREATE USER other@'127.0.0.1'");
        current.exec("GRANT ALL ON *.* TO other@'127.0.0.1'");
        let output = restore(home.path(), "other", &current, &["--definer", "current"]);
        assert!(
            output.status.success() && !text(&output).contains("will not fit"),
            "{brand:?}: {}",
            text(&output)
        );
        assert_eq!(strings(&current, DEFINERS), ["other@127.0.0.1"; 4], "{brand:?}");
        // The same words stay wherever they are no clause.
        current.exec("INSERT INTO shop.item VALUES (3, 'c')");
        let words = "DEFINER=`a`@`b` ";
        let mut found = strings(&current, "SELECT name FROM shop.names");
        found.sort();
        assert_eq!(found, [words.to_owned(), "a".into(), format!("c {words}")], "{brand:?}");
        assert_eq!(strings(&current, "SELECT note FROM shop.names LIMIT 1"), [words]);
        assert_eq!(strings(&current, "SELECT shop.two()"), [words]);
        let event = strings(
            &current,
            "SELECT EVENT_DEFINITION FROM information_schema.EVENTS WHERE EVENT_NAME='tick'",
        );
        assert!(event[0].contains(words), "{brand:?}: {event:?}");
    }
}

#[test]
fn a_restore_stays_out_of_the_binary_log() {
    for brand in Brand::ALL {
        let (_source, home) = dumped(brand, &[]);
        for local in ["--local-infile=ON", "--local-infile=OFF"] {
            let target = brand.start(&[local]);
            let before = log_end(&target);
            good(home.path(), &target, &["--skip-binlog"]);
            assert_eq!(log_end(&target), before, "{brand:?} {local}");
            good(home.path(), &target, &["--overwrite"]);
            assert_ne!(
                log_end(&target),
                before,
                "{brand:?} {local}: without it, the log has the restore"
            );
        }
        let target = brand.start(&[]);
        target.exec("CREATE USER small@'127.0.0.1'");
        target.exec("GRANT ALL ON shop.* TO small@'127.0.0.1'");
        let output = restore(home.path(), "small", &target, &["--skip-binlog"]);
        let privilege =
            if brand.is_mariadb() { "Grant BINLOG ADMIN" } else { "Grant SESSION_VARIABLES_ADMIN" };
        let said = text(&output);
        assert!(!output.status.success() && said.contains(privilege), "{brand:?}: {said}");
        assert_eq!(
            strings(&target, "SHOW DATABASES LIKE 'shop'"),
            [""; 0],
            "{brand:?}: nothing is written"
        );
    }
}

#[test]
fn the_gtid_state_goes_to_a_fresh_server_only() {
    for brand in Brand::ALL {
        let (source, home) = dumped(brand, with_gtids(brand));
        let state = if brand.is_mariadb() {
            "SELECT @@gtid_binlog_pos"
        } else {
            "SELECT @@GLOBAL.gtid_executed"
        };
        let expected = strings(&source, state);
        assert_ne!(expected, [""], "{brand:?}: the source has GTIDs");
        let target = brand.start(&[with_gtids(brand), &["--server-id=2"]].concat());
        let set = ["--gtid", "set", "--skip-binlog"];

        let alone = restore(home.path(), "root", &target, &["--gtid", "set"]);
        assert!(
            alone.status.code() == Some(64) && text(&alone).contains("--skip-binlog"),
            "{}",
            text(&alone)
        );
        target.exec("CREATE DATABASE own");
        let used = restore(home.path(), "root", &target, &set);
        let variable =
            if brand.is_mariadb() { "its gtid_binlog_pos is" } else { "its gtid_executed is" };
        assert!(!used.status.success(), "{brand:?}: a used server is refused");
        assert!(
            text(&used).contains(variable) && text(&used).contains("RESET"),
            "{brand:?}: {}",
            text(&used)
        );

        reset(&target);
        {
            let mut quiet = target.conn();
            for sql in [
                "SET sql_log_bin=0",
                "CREATE USER small@'127.0.0.1'",
                "GRANT ALL ON *.* TO small@'127.0.0.1'",
            ] {
                quiet.query_drop(sql).expect("root may");
            }
            let privileges = if brand.is_mariadb() {
                "REPLICATION SLAVE ADMIN"
            } else {
                "SYSTEM_VARIABLES_ADMIN, SUPER"
            };
            quiet
                .query_drop(format!("REVOKE {privileges} ON *.* FROM small@'127.0.0.1'"))
                .expect("root may");
        }
        let small = restore(home.path(), "small", &target, &set);
        assert!(
            !small.status.success() && text(&small).contains("may not set it"),
            "{brand:?}: {}",
            text(&small)
        );
        assert_eq!(
            strings(&target, "SHOW DATABASES LIKE 'shop'"),
            [""; 0],
            "{brand:?}: nothing is written"
        );

        {
            let mut quiet = target.conn();
            let grant = if brand.is_mariadb() {
                "REPLICATION SLAVE ADMIN"
            } else {
                "SYSTEM_VARIABLES_ADMIN"
            };
            for sql in [
                "SET sql_log_bin=0",
                &format!("GRANT {grant} ON *.* TO small@'127.0.0.1'"),
                "REVOKE TRIGGER ON *.* FROM small@'127.0.0.1'",
            ] {
                quiet.query_drop(sql).expect("root may");
            }
        }
        let half =
            restore(home.path(), "small", &target, &[&set[..], &["--definer", "current"]].concat());
        let said = text(&half);
        assert!(
            half.status.code() == Some(65) && said.contains("was not taken over"),
            "{brand:?}: {said}"
        );
        let state = if brand.is_mariadb() { "SELECT @@gtid_slave_pos" } else { state };
        assert_eq!(strings(&target, state), [""], "{brand:?}: a trigger is missing");

        good(home.path(), &target, &[&set[..], &["--overwrite"]].concat());
        assert_eq!(strings(&target, state), expected, "{brand:?}");
        let again = restore(home.path(), "root", &target, &[&set[..], &["--overwrite"]].concat());
        assert!(!again.status.success(), "{brand:?}: it is no fresh server now: {}", text(&again));

        // What the source wrote since the backup, and nothing before it, is what a replica still
        // lacks.
        source.exec("CREATE DATABASE later");
        follow(&target, &source);
        let end = Instant::now() + Duration::from_secs(60);
        while strings(&target, "SHOW DATABASES LIKE 'later'").is_empty() {
            assert!(Instant::now() < end, "{brand:?}: it does not follow:\n{}", target.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_gtid_state_that_means_nothing_there_is_refused() {
    let (_source, home) = dumped(Brand::Mariadb, &[]);
    let (_other, bare) = dumped(Brand::Mariadb, &["--skip-log-bin"]);
    let set = ["--gtid", "set", "--skip-binlog", "--dry-run"];
    for (home, brand, why) in [
        (&home, Brand::Mysql9, "GTIDs of MariaDB mean nothing to MySQL"),
        (&bare, Brand::Mariadb, "the backup has none"),
    ] {
        let target = brand.start(&[]);
        reset(&target);
        let output = restore(home.path(), "root", &target, &set);
        assert!(
            !output.status.success() && text(&output).contains(why),
            "{brand:?}: {}",
            text(&output)
        );
    }
    let target = home.path().join("new.db");
    let into = format!("sqlite:{}", target.display());
    let output = run(home.path(), &["restore", "job.kdl", "--into", &into, "--definer", "current"]);
    assert!(!output.status.success() && !target.exists(), "{}", text(&output));
}
