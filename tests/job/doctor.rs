//! `vex doctor` against real servers and stores: what it says is needed is enough, and nothing less
//! is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::s3_server::{Fault, Kind, S3Server, What};
use crate::common::servers::{Brand, Server};
use crate::common::space::{Space, names, word};

/// One of everything that takes a privilege to see.
const THINGS: [&str; 7] = [
    "CREATE DATABASE sh_op",
    "CREATE TABLE sh_op.t (id INT PRIMARY KEY, v TEXT)",
    "INSERT INTO sh_op.t VALUES (1, 'a'), (2, 'b')",
    "CREATE VIEW sh_op.v AS SELECT id FROM sh_op.t",
    "CREATE TRIGGER sh_op.g BEFORE INSERT ON sh_op.t FOR EACH ROW SET NEW.v = 'c'",
    "CREATE PROCEDURE sh_op.p() SELECT 1",
    "CREATE EVENT sh_op.e ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM sh_op.t",
];

fn furnish(server: &Server) {
    THINGS.iter().for_each(|sql| server.exec(sql));
    server.exec("CREATE USER 'exact one'@'127.0.0.1' IDENTIFIED BY 'CANARY-doctor'");
}

fn space(server: &Server, extra: &str, rest: &str) -> Space {
    let space = Space::new();
    let password = space.secret("pw", "CANARY-doctor");
    let job = format!(
        "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"exact one\" {{ password (file)\"{}\"; {extra} }}\n{rest} }}\n\
         stores {{ dir \"local\" path=\"store\" {{ keep last=3 }} }}\n\
         job \"j\" {{ dump \"db\" {{ send \"local\"; verify \"local\" {} }} }}\n",
        server.port,
        password.display(),
        if rest.is_empty() { "" } else { "into=\"lab\"" }
    );
    space.job(&job)
}

/// The findings; no secret is in any.
fn doctor(space: &Space, code: i32) -> Vec<Value> {
    let ran = space.run(&["doctor", "job.kdl", "--format", "json"]).expect(code);
    assert!(
        !ran.stdout.contains("CANARY") && !ran.stderr.contains("CANARY"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    let lines = ran.json();
    assert!(lines.iter().all(|l| l["version"] == 1));
    lines
}

/// The statements that doctor says to run, of one source.
fn grants(lines: &[Value], source: &str) -> BTreeSet<String> {
    let own = lines
        .iter()
        .filter(|l| l["name"] == source && l["looked"] == "privileges" && l["grade"] != "ok");
    own.flat_map(|l| word(l, "advice").split_inclusive(';').map(|s| s.trim().to_owned())).collect()
}

fn revoked(statement: &str) -> String {
    statement.replacen("GRANT ", "REVOKE ", 1).replacen(" TO ", " FROM ", 1)
}

fn find<'a>(lines: &'a [Value], name: &str, looked: &str) -> Vec<&'a Value> {
    lines.iter().filter(|l| l["name"] == name && l["looked"] == looked).collect()
}

fn said(lines: &[Value], name: &str, looked: &str) -> String {
    find(lines, name, looked)
        .iter()
        .map(|l| format!("{} {}\n", word(l, "grade"), word(l, "found")))
        .collect()
}

#[test]
fn a_user_with_exactly_what_doctor_says_makes_a_whole_dump_and_each_privilege_that_is_taken_is_named()
 {
    for brand in Brand::ALL {
        for extra in ["", "databases \"sh_op\""] {
            let server = brand.start(&[]);
            furnish(&server);
            let space = space(&server, extra, "");
            let needed = grants(&doctor(&space, 1), "db");
            assert!(needed.len() >= 6, "{needed:?}");
            let account = "TO 'exact one'@'127.0.0.1';";
            assert!(
                needed.iter().all(|g| g.starts_with("GRANT ") && g.ends_with(account)),
                "{needed:?}"
            );
            assert!(needed.contains(&format!("GRANT RELOAD ON *.* {account}")), "{needed:?}");
            let scope = if extra.is_empty() { "*.*" } else { "`sh\\_op`.*" };
            assert!(needed.contains(&format!("GRANT SELECT ON {scope} {account}")), "{needed:?}");
            needed.iter().for_each(|sql| server.exec(sql));
            assert_eq!(grants(&doctor(&space, 0), "db"), BTreeSet::new());
            // Sucesso, and nothing was lost: an Alerta would end with 2.
            space.run(&["run", "job.kdl", "--strict"]).expect(0);
            let listed = space.list();
            let manifest = crate::common::artifact::manifest(
                &space.path("store").join(word(&listed[0], "key")),
            );
            let kinds: BTreeSet<&str> =
                manifest["members"].as_array().unwrap().iter().map(|m| word(m, "kind")).collect();
            let all = ["database", "event", "procedure", "rows", "table", "trigger", "view"];
            assert_eq!(kinds, all.into());
            assert!(manifest["position"]["offset"].is_u64());
            for one in &needed {
                server.exec(&revoked(one));
                let lines = space.run(&["doctor", "job.kdl", "--format", "json"]).json();
                assert_eq!(
                    grants(&lines, "db"),
                    BTreeSet::from([one.clone()]),
                    "{brand:?} {extra}"
                );
                server.exec(one);
            }
        }
    }
}

#[test]
fn privileges_of_a_role_count() {
    for brand in Brand::ALL {
        let server = brand.start(&[]);
        furnish(&server);
        let space = space(&server, "", "");
        server.exec("CREATE ROLE backup");
        for one in grants(&doctor(&space, 1), "db") {
            server.exec(&one.replace("'exact one'@'127.0.0.1'", "backup"));
        }
        server.exec("GRANT backup TO 'exact one'@'127.0.0.1'");
        let (word, name) = if brand.is_mariadb() {
            ("FOR", "'exact one'@'127.0.0.1'")
        } else {
            ("TO", "'exact one'@'127.0.0.1'")
        };
        server.exec(&format!("SET DEFAULT ROLE backup {word} {name}"));
        assert_eq!(grants(&doctor(&space, 0), "db"), BTreeSet::new());
        space.run(&["run", "job.kdl", "--strict"]).expect(0);
    }
}

#[test]
fn a_user_with_exactly_what_doctor_says_restores_everything() {
    for brand in Brand::ALL {
        let (server, lab) = (brand.start(&[]), brand.start(&[]));
        furnish(&server);
        server.exec("CREATE USER keeper@localhost");
        server.exec("CREATE FUNCTION sh_op.f() RETURNS INT DETERMINISTIC RETURN 7");
        server.exec(
            "CREATE DEFINER=keeper@localhost VIEW sh_op.w AS SELECT sh_op.f() AS n FROM sh_op.v",
        );
        server.exec("CREATE TABLE sh_op.child (id INT, FOREIGN KEY (id) REFERENCES sh_op.t (id), KEY other (id))");
        server.exec("GRANT ALL ON *.* TO 'exact one'@'127.0.0.1'");
        server.exec("GRANT ALL ON *.* TO keeper@localhost");
        lab.exec("CREATE USER loader@'127.0.0.1'");
        let rest = format!(
            "mysql \"lab\" host=\"127.0.0.1\" port={} user=\"loader\" scratch=#true",
            lab.port
        );
        let space = space(&server, "", &rest);
        let needed = grants(&doctor(&space, 1), "lab");
        needed.iter().for_each(|sql| lab.exec(sql));
        assert_eq!(grants(&doctor(&space, 0), "lab"), BTreeSet::new());
        space.run(&["run", "job.kdl", "--strict"]).expect(0);
        // And once more over what is there.
        space.run(&["run", "job.kdl", "--strict"]).expect(0);
        for one in &needed {
            lab.exec(&revoked(one));
            let lines = space.run(&["doctor", "job.kdl", "--format", "json"]).json();
            assert_eq!(grants(&lines, "lab"), BTreeSet::from([one.clone()]), "{brand:?}");
            lab.exec(one);
        }
        lab.exec("SET GLOBAL read_only=ON");
        assert!(
            said(&doctor(&space, 1), "lab", "writing").starts_with("error the server is read only")
        );
    }
}

#[test]
fn settings_of_a_server_that_harm_a_backup_are_named() {
    for brand in Brand::ALL {
        let limit =
            if brand.is_mariadb() { "--max-statement-time=3" } else { "--max-execution-time=3000" };
        let row = "--binlog-row-image=MINIMAL";
        let server = brand.start(&[limit, row, "--max-allowed-packet=1M", "--max-connections=10"]);
        furnish(&server);
        server.exec("GRANT ALL ON *.* TO 'exact one'@'127.0.0.1'");
        server.exec("SET GLOBAL sql_select_limit=10");
        let _held: Vec<mysql::Conn> = (0..6).map(|_| server.conn()).collect();
        server.exec("CREATE TABLE sh_op.m (i INT) ENGINE=MyISAM");
        server.exec("CREATE TABLE sh_op.b (i INT) ENGINE=MERGE UNION=(sh_op.m)");
        let replica = if brand.is_mariadb() {
            "CHANGE MASTER TO MASTER_HOST='old.internal', MASTER_USER='r'"
        } else {
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='old.internal', SOURCE_USER='r'"
        };
        server.exec(replica);
        let lines = doctor(&space(&server, "inconsistent \"refuse\"", ""), 1);
        let tables = said(&lines, "db", "tables");
        assert!(tables.contains("error sh_op.m (MyISAM): no snapshot covers it"), "{tables}");
        assert!(
            tables.to_lowercase().contains("alert sh_op.b (mrg_myisam): its rows live elsewhere"),
            "{tables}"
        );
        let limits = said(&lines, "db", "limits");
        assert!(
            limits.contains("alert global sql_select_limit=10") && limits.contains("=3"),
            "{limits}"
        );
        assert_eq!(said(&lines, "db", "binlog_row_image"), "alert MINIMAL\n");
        assert_eq!(said(&lines, "db", "max_allowed_packet"), "alert 1 MiB\n");
        assert!(
            said(&lines, "db", "connections").starts_with("alert"),
            "{}",
            said(&lines, "db", "connections")
        );
        let replication = said(&lines, "db", "replication");
        assert!(
            replication.starts_with("alert a replica of old.internal that does not replicate"),
            "{replication}"
        );
        for quiet in [
            "clock",
            "LOCAL INFILE",
            "lower_case_table_names",
            "transactions",
            "TLS",
            "GTID",
            "version",
        ] {
            assert!(
                said(&lines, "db", quiet).starts_with("ok "),
                "{quiet}: {}",
                said(&lines, "db", quiet)
            );
        }
        let lines = doctor(&space(&server, "inconsistent \"alert\"", ""), 0);
        assert!(said(&lines, "db", "tables").contains("alert sh_op.m (MyISAM)"));
    }
    let server = Brand::Mariadb.start(&["--skip-log-bin"]);
    furnish(&server);
    server.exec("GRANT ALL ON *.* TO 'exact one'@'127.0.0.1'");
    let space = space(&server, "", "");
    assert!(said(&doctor(&space, 0), "db", "binary log").starts_with("alert off"));
    space.run(&["doctor", "job.kdl", "--strict"]).expect(2);
}

#[test]
fn a_protected_connection_is_told_apart() {
    let server = Brand::Mysql9.start(&[]);
    furnish(&server);
    server.exec("GRANT ALL ON *.* TO 'exact one'@'127.0.0.1'");
    let lines = doctor(&space(&server, "tls \"require\"", ""), 0);
    assert!(said(&lines, "db", "TLS").starts_with("ok TLSv1."), "{}", said(&lines, "db", "TLS"));
}

#[test]
fn what_is_down_is_a_line_and_the_others_are_examined() {
    let space = Space::new().env("PING", "http://127.0.0.1:1/CANARY-path").job(
        r#"
sources { mysql "down" host="127.0.0.1" port=1 user="v"; sqlite "app" path="app.db"; sqlite "gone" path="gone.db" }
stores { dir "local" path="store" { keep last=1 }; dir "later" path="later/store" { keep last=1 } }
mail host="127.0.0.1" port=1 from="a@example.com"
job "j" {
    dump "down" "app" "gone" { archive { password (env)"UNSET" }; send "local" "later"; verify "local" }
    exec "there" { command "true" }
    exec "missing" { command "no-such-program" }
}
notify { email to="a@example.com"; ping (env)"PING" }
"#,
    );
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    std::fs::create_dir(space.path("store")).unwrap();
    let before = names(&space.path("."));
    let lines = doctor(&space, 1);
    assert!(
        said(&lines, "down", "connection")
            .starts_with("error unable to examine mysql v@127.0.0.1:1: ")
    );
    assert!(said(&lines, "gone", "connection").starts_with("error unable to examine"));
    assert_eq!(said(&lines, "app", "integrity"), "ok quick_check found nothing\n");
    assert_eq!(said(&lines, "app", "journal mode").split(':').next(), Some("ok delete"));
    assert_eq!(
        said(&lines, "local", "probe"),
        "ok written, read back, listed, not replaced, removed\n"
    );
    assert!(said(&lines, "local", "large objects").starts_with("ok begun, seen by nobody"));
    assert!(said(&lines, "local", "free space").starts_with("ok "));
    assert!(
        said(&lines, "local", "file system").starts_with("alert the same as that of"),
        "{lines:?}"
    );
    assert!(said(&lines, "later", "folder").starts_with("alert not there yet"));
    assert!(said(&lines, "j", "archive password").starts_with("error "));
    assert!(said(&lines, "true", "program").starts_with("ok /"));
    assert!(said(&lines, "no-such-program", "program").starts_with("error "));
    assert!(said(&lines, "state", "writing").starts_with("ok "));
    assert!(said(&lines, "127.0.0.1", "reachable").starts_with("alert port 1"));
    assert!(
        said(&lines, "(env)\"PING\"", "reachable").starts_with("alert nobody answers there"),
        "{lines:?}"
    );
    assert_eq!(names(&space.path(".")), before, "a doctor leaves nothing behind");
    let human = space.run(&["doctor", "job.kdl"]).expect(1).stdout;
    assert_eq!(human.lines().count(), lines.len() + 1);
    assert!(human.contains("\nok     store local: probe: written, read back"), "{human}");
    space.run(&["doctor", "job.kdl", "no-such-job"]).expect(64);
}

#[test]
fn a_damaged_sqlite_file_is_an_error() {
    let space = Space::new().job(
        "sources { sqlite \"app\" path=\"app.db\" }\nstores { dir \"local\" path=\"store\" { keep last=1 } }\n\
         job \"j\" { dump \"app\" { send \"local\"; verify \"local\" } }\n",
    );
    let path = space
        .database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (hex(randomblob(9000)));");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..6000].fill(0xFF);
    std::fs::write(&path, bytes).unwrap();
    assert!(said(&doctor(&space, 1), "app", "integrity").starts_with("error "));
}

#[test]
fn a_bucket_is_probed_and_left_as_it_was() {
    let server = S3Server::start();
    let job = |bucket: &str, secret: &std::path::Path| {
        format!(
            "sources {{ sqlite \"app\" path=\"app.db\" }}\nstores {{ s3 \"cloud\" bucket=\"{bucket}\" endpoint=\"{}\" \
             prefix=\"pre\" {{ access-key (file)\"{}\"; secret-key (file)\"{}\"; keep last=1 }} }}\n\
             job \"j\" {{ dump \"app\" {{ send \"cloud\"; verify \"cloud\" }} }}\n",
            server.endpoint,
            server.access_file.display(),
            secret.display()
        )
    };
    let space = Space::new().job(&job(&server.bucket, &server.secret_file));
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    let lines = doctor(&space, 0);
    assert!(said(&lines, "cloud", "bucket").starts_with("ok s3://vault"));
    assert!(said(&lines, "cloud", "clock").starts_with("ok "), "{lines:?}");
    assert_eq!(
        said(&lines, "cloud", "probe"),
        "ok written, read back, listed, not replaced, removed\n"
    );
    assert!(said(&lines, "cloud", "conditional create").starts_with("ok "));
    assert!(said(&lines, "cloud", "two writers").starts_with("ok of two who wrote one name"));
    assert!(
        said(&lines, "cloud", "limits").contains("at most 10000 parts of 5 MiB to 5 GiB"),
        "{lines:?}"
    );
    // One that knows no conditions.
    server.fault(Fault::new(Kind::Put, What::Unknown("if-none-match")).always());
    server.fault(Fault::new(Kind::Complete, What::Unknown("if-none-match")).always());
    let lines = doctor(&space, 0);
    assert!(said(&lines, "cloud", "two writers").starts_with("alert of two who"), "{lines:?}");
    assert!(said(&lines, "cloud", "limits").contains("conditional create no"), "{lines:?}");
    server.heal();
    assert!(said(&lines, "cloud", "large objects").starts_with("ok begun, seen by nobody"));
    // Who may write small objects and none in parts would not make one backup.
    server.fault(Fault::new(Kind::Initiate, What::Answer(403, "AccessDenied")).always());
    let lines = doctor(&space, 1);
    let told = said(&lines, "cloud", "large objects");
    assert!(told.starts_with("error 403 AccessDenied"), "{told}");
    server.heal();
    assert!(
        said(&lines, "cloud", "checksums").starts_with("ok a wrong CRC32C is refused"),
        "{lines:?}"
    );
    assert!(
        !said(&lines, "cloud", "versioning").is_empty()
            && !said(&lines, "cloud", "object lock").is_empty()
    );
    server.assert_tidy("pre/j/app/vex-doctor-");
    let again = space.run(&["list", "job.kdl"]).expect(0);
    assert!(again.stderr.is_empty(), "{}", again.stderr);
    let wrong = space.secret("wrong", "CANARY-wrong");
    std::fs::write(space.path("job.kdl"), job(&server.bucket, &wrong)).unwrap();
    assert!(
        said(&doctor(&space, 1), "cloud", "bucket").starts_with("error 403 SignatureDoesNotMatch")
    );
    std::fs::write(space.path("job.kdl"), job("nowhere", &server.secret_file)).unwrap();
    assert!(said(&doctor(&space, 1), "cloud", "bucket").starts_with("error 404 NoSuchBucket"));
}

#[test]
fn the_program_of_an_engine_is_looked_for() {
    let server = Brand::Mariadb.start(&[]);
    furnish(&server);
    server.exec("GRANT ALL ON *.* TO 'exact one'@'127.0.0.1'");
    let with = |engine: &str| {
        let space = Space::new();
        let password = space.secret("pw", "CANARY-doctor");
        space.job(&format!(
            "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"exact one\" {{ password (file)\"{}\" }} }}\n\
             stores {{ dir \"local\" path=\"store\" {{ keep last=3 }} }}\n\
             job \"j\" {{ dump \"db\" engine=\"{engine}\" {{ send \"local\"; verify \"local\" }} }}\n",
            server.port,
            password.display()
        ))
    };
    let lines = doctor(&with("mysqldump"), 0);
    assert!(said(&lines, "db", "engine mysqldump").starts_with("ok mariadb-dump"), "{lines:?}");
    let lines = doctor(&with("mydumper").env("PATH", "/nonexistent"), 1);
    assert!(said(&lines, "db", "engine mydumper").starts_with("error "), "{lines:?}");
}
