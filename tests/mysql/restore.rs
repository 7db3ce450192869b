//! How a restore into MySQL and MariaDB makes tables, feeds rows, and goes on after it was killed.

use std::process::{Child, Stdio};

use mysql::prelude::Queryable;

use crate::common::binary::{good, run, text, vex};
use crate::common::mysql_state::State;
use crate::common::servers::{Brand, Server};
use crate::common::shop::{DATABASES, fill, open_shop};

/// Backs a server up; the folder has the job file and the backup.
pub fn dumped(server: &Server, dump: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a folder");
    let text = format!(
        "sources {{\n  mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ inconsistent \"alert\" }}\n}}\nstores {{\n  dir \
         \"local\" path=\"store\" {{ keep last=3 }}\n}}\njob \"nightly\" {{\n  dump \"db\" {dump} {{ send \"local\" }}\n}}\n",
        server.port
    );
    std::fs::write(home.path().join("job.kdl"), text).expect("written");
    good(&run(home.path(), &["run", "job.kdl"]));
    home
}

pub fn url(server: &Server) -> String {
    format!("mysql://root@127.0.0.1:{}", server.port)
}

/// Tables that are trouble for keys that come late.
const KEYS: [&str; 12] = [
    "CREATE DATABASE a",
    "USE a",
    "SET foreign_key_checks = 0",
    "CREATE TABLE egg (id INT PRIMARY KEY, hen INT, KEY z (hen), CONSTRAINT of_hen FOREIGN KEY (hen) REFERENCES hen (id))",
    "CREATE TABLE hen (id INT PRIMARY KEY, egg INT, CONSTRAINT of_egg FOREIGN KEY (egg) REFERENCES egg (id) ON DELETE SET NULL)",
    "CREATE TABLE tree (id INT AUTO_INCREMENT PRIMARY KEY, up INT, name VARCHAR(30) COMMENT 'KEY `x` (`y`),\\n', UNIQUE KEY \
     `u``,(` (name(10) DESC, up), KEY a (up, name), FOREIGN KEY (up) REFERENCES tree (id)) COMMENT=') ENGINE=MyISAM'",
    "CREATE TABLE counted (a INT NOT NULL, n INT NOT NULL AUTO_INCREMENT, PRIMARY KEY (a), KEY b (a), KEY n (n), KEY c (n, a))",
    "CREATE TABLE bare (a INT NOT NULL, b INT NOT NULL, UNIQUE KEY u (b), KEY k (a))",
    "CREATE TABLE full (a INT PRIMARY KEY, t TEXT, p POINT NOT NULL, FULLTEXT KEY f (t), SPATIAL KEY s (p), KEY k (t(9)))",
    "CREATE TABLE parted (a INT NOT NULL, b INT, v INT AS (a + 1) VIRTUAL, PRIMARY KEY (a), KEY v (v), KEY b (b)) PARTITION BY \
     HASH (a) PARTITIONS 3",
    "CREATE TABLE old (a INT PRIMARY KEY, b INT, KEY b (b)) ENGINE=MyISAM",
    "CREATE TABLE `new\n(\n  ``,)` (`c\n,``` INT PRIMARY KEY, b INT, UNIQUE KEY `k\n,` (b), CHECK (b > 0))",
];

/// Rows for them, and values that LOAD DATA could take for others.
const ROWS: [&str; 20] = [
    "CREATE TABLE zero (n INT AUTO_INCREMENT PRIMARY KEY, a INT, g INT AS (LENGTH(a)) STORED)",
    "INSERT INTO zero (n, a) VALUES (7, 1), (3, 3)",
    "UPDATE zero SET n = 0 WHERE n = 3",
    "CREATE TABLE last (n BIGINT AUTO_INCREMENT PRIMARY KEY, a INT) PARTITION BY HASH (n) PARTITIONS 3",
    "INSERT INTO last VALUES (9223372036854775807, 1), (-1, 2), (3, 3)",
    "CREATE TABLE very_last (n BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, a INT, g INT AS (LENGTH(a)) STORED)",
    "INSERT INTO very_last (n, a) VALUES (18446744073709551615, 1), (3, 3)",
    "UPDATE very_last SET n = 0 WHERE n = 3",
    "INSERT INTO egg VALUES (1, 1), (2, NULL)",
    "INSERT INTO hen VALUES (1, 1), (2, 2)",
    "INSERT INTO tree VALUES (1, NULL, 'root'), (2, 1, 'b'), (9, 2, NULL)",
    "INSERT INTO counted VALUES (1, 5), (2, 3)",
    "INSERT INTO bare VALUES (1, 2), (1, 1)",
    "INSERT INTO full VALUES (1, 'words and\\ttabs', ST_GeomFromText('POINT(1 2)'))",
    "INSERT INTO parted (a, b) VALUES (1, 2), (2, NULL), (3, 4)",
    "INSERT INTO old VALUES (1, 2)",
    "CREATE TABLE one (t VARCHAR(9))",
    "INSERT INTO one VALUES (''), (NULL), ('\\\\N'), ('NULL'), ('\\n'), ('\\t'), ('\\\\'), ('\\0'), (' ')",
    "CREATE TABLE v (id INT PRIMARY KEY, e ENUM('1','0','a'), s SET('x','1'), b BIT(11), f FLOAT, d DOUBLE, n DECIMAL(20,5), j \
     JSON, l VARCHAR(9) CHARACTER SET latin1, w VARCHAR(9) CHARACTER SET utf16, g VARCHAR(9) CHARACTER SET gbk, x VARBINARY(9), y \
     YEAR, z TIMESTAMP NULL, t TIME(3), u INT(5) ZEROFILL)",
    "INSERT IGNORE INTO v VALUES (0, '0', 'x', b'10000000000', 16777217, -0e0, -1.5, '{\"a\": \"\\\\t\\\\n\"}', _latin1 x'E909', \
     _utf16 x'005C0009', _gbk x'BF5C', x'5C090A00', 0, NULL, '-838:59:59', 7), (1, 'zzz', '', 0, 1.17549e-38, 1e300, NULL, NULL, \
     '', '', '', '', NULL, '2020-01-01 00:00:00', '00:00:00.5', NULL), (2, '1', '1,x', b'1', NULL, NULL, 0, '[1.10]', 'NULL', \
     '\\\\N', '-', ' ', 2000, '1970-01-02', NULL, 12345)",
];

#[test]
fn keys_that_come_late_and_rows_that_are_fed_make_the_same_tables() {
    for brand in Brand::ALL {
        let source = brand.start(&[]);
        let mut connection = source.conn();
        for statement in KEYS.iter().chain(&ROWS) {
            connection
                .query_drop(statement)
                .unwrap_or_else(|e| panic!("{brand:?}: {e}: {statement}"));
        }
        if brand.is_mariadb() {
            connection.query_drop("CREATE TABLE net (a INET6, u UUID, i INET4)").expect("made");
            let sql = "INSERT INTO net VALUES ('::1', '123e4567-e89b-12d3-a456-426614174000', '1.2.3.4'), (NULL, NULL, NULL)";
            connection.query_drop(sql).expect("written");
        }
        // The wrong member of an ENUM has number 0, and another one is called so.
        let wrong: Option<u8> =
            connection.query_first("SELECT e+0 FROM v WHERE id = 1").expect("it answers");
        assert_eq!(wrong, Some(0));
        let before = State::of(&mut connection, &["a"]);
        let home = dumped(&source, "");
        for local in ["--local-infile=ON", "--local-infile=OFF"] {
            let target = brand.start(&[local]);
            good(&run(home.path(), &["restore", "job.kdl", "--into", &url(&target)]));
            State::of(&mut target.conn(), &["a"]).assert_same(&before);
            assert_eq!(
                counter(&target, "Com_load") > 0,
                local.ends_with("ON"),
                "{brand:?} {local}"
            );
            assert!(counter(&target, "Com_alter_table") > 0, "{brand:?}: keys came late");
        }
    }
}

/// A counter of the server.
fn counter(server: &Server, name: &str) -> u64 {
    let found: Option<(String, u64)> =
        server.conn().query_first(format!("SHOW GLOBAL STATUS LIKE '{name}'")).expect("it answers");
    found.expect("a counter of that name").1
}

#[test]
fn a_key_that_can_not_be_added_is_named_and_the_rows_stay() {
    for brand in Brand::ALL {
        let source = brand.start(&[]);
        for statement in [
            "CREATE DATABASE a",
            "CREATE TABLE a.parent (id INT PRIMARY KEY)",
            "CREATE TABLE a.child (id INT PRIMARY KEY, p INT, KEY k (p), CONSTRAINT f FOREIGN KEY (p) REFERENCES parent (id))",
            "INSERT INTO a.parent VALUES (1)",
            "INSERT INTO a.child VALUES (1, 1)",
        ] {
            source.exec(statement);
        }
        let home = dumped(&source, "");
        let target = brand.start(&[]);
        target.exec("CREATE DATABASE a");
        target.exec("CREATE TABLE a.parent (id VARCHAR(20) PRIMARY KEY)");
        let output =
            run(home.path(), &["restore", "job.kdl", "--only", "a.child", "--into", &url(&target)]);
        assert_eq!(output.status.code(), Some(65), "{}", text(&output));
        assert!(
            text(&output).contains("foreign key `f` of a.child was not restored: "),
            "{}",
            text(&output)
        );
        let found: Option<(u8, u8)> = target
            .conn()
            .query_first(
                "SELECT (SELECT COUNT(*) FROM a.child), COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA='a' AND \
                 INDEX_NAME='k'",
            )
            .expect("it answers");
        assert_eq!(found, Some((1, 1)), "the row and the index");
    }
}

/// Waits until the query counts as many, and kills the restore; whether it still ran.
fn kill_when(target: &Server, count: &str, enough: u64, child: &mut Child) -> bool {
    let mut connection = target.conn();
    let running = loop {
        if child.try_wait().expect("a child").is_some() {
            break false;
        }
        // What it counts may not be there yet.
        if connection.query_first::<u64, _>(count).ok().flatten().is_some_and(|n| n >= enough) {
            break true;
        }
    };
    child.kill().and_then(|()| child.wait()).map(drop).expect("killed");
    running
}

#[test]
fn a_killed_restore_goes_on_and_ends_with_the_same_state() {
    for brand in Brand::ALL {
        let source = open_shop(brand);
        fill(&mut source.conn(), 6000);
        let before = State::of(&mut source.conn(), &DATABASES);
        let home = dumped(&source, "chunk=\"64KiB\"");
        let target = brand.start(&[]);
        target.exec("CREATE USER 'shop keeper'@'localhost'");
        target.exec("GRANT ALL ON *.* TO 'shop keeper'@'localhost'");
        let url = url(&target);
        let (first, again) = (
            ["restore", "job.kdl", "--into", &url],
            ["restore", "job.kdl", "--into", &url, "--resume"],
        );
        let refused = run(home.path(), &again);
        assert_eq!(refused.status.code(), Some(1), "nothing was interrupted: {}", text(&refused));
        let tables =
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ('shop', 'crm')";
        let rows = "SELECT COUNT(*) FROM shop.reading";
        let keys = "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS";
        let triggers = "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN ('shop', 'crm')";
        let mut killed = 0;
        for moments in [&[(tables, 3), (rows, 1)][..], &[(rows, 2000), (keys, 1)], &[(triggers, 1)]]
        {
            for database in DATABASES {
                target.exec(&format!("DROP DATABASE IF EXISTS {database}"));
            }
            let mut args = &first[..];
            for (count, enough) in moments {
                let mut child = vex(home.path(), args)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .expect("vex");
                if !kill_when(&target, count, *enough, &mut child) {
                    break;
                }
                killed += 1;
                args = &again;
            }
            if args.len() == again.len() {
                assert_eq!(
                    run(home.path(), &first).status.code(),
                    Some(1),
                    "what exists is not replaced without --resume"
                );
                let made = counter(&target, "Com_create_table");
                // The one killed last may have been done.
                let output = run(home.path(), &again);
                assert!(
                    output.status.success() || text(&output).contains("was interrupted"),
                    "{}",
                    text(&output)
                );
                let made = counter(&target, "Com_create_table") - made;
                assert!(
                    moments[0].0 != triggers || made < 5,
                    "{brand:?}: {made} tables were made although all were there"
                );
            }
            State::of(&mut target.conn(), &DATABASES).assert_same(&before);
        }
        assert!(killed >= 2, "{killed} of 5 were killed while they ran");
    }
}

#[test]
fn a_plain_shop_moves_between_the_families_and_what_would_not_fit_is_refused_first() {
    for (from, into, alien, word) in [
        (
            Brand::Mysql9,
            Brand::Mariadb,
            "CREATE TABLE alien (t TEXT) COLLATE utf8mb4_0900_ai_ci",
            "utf8mb4_0900_ai_ci",
        ),
        (
            Brand::Mariadb,
            Brand::Mysql9,
            "CREATE TABLE alien (t TEXT, u UUID) ENGINE=Aria",
            "no engine Aria",
        ),
    ] {
        let source = from.start(&[]);
        let mut connection = source.conn();
        for statement in [
            "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci",
            "CREATE DATABASE a CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            "USE a",
            "CREATE TABLE who (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL, UNIQUE KEY n (name))",
            "CREATE TABLE sale (id BIGINT UNSIGNED PRIMARY KEY, who INT, price DECIMAL(9,2), f FLOAT, d DOUBLE, b BIT(9), x BLOB, j \
             JSON, e ENUM('a','b') CHARACTER SET latin1, z TIMESTAMP NULL, y DATETIME(3), KEY w (who), CONSTRAINT of_who FOREIGN KEY \
             (who) REFERENCES who (id), CHECK (price >= 0))",
            "INSERT INTO who VALUES (1, 'Ana'), (2, 'ção 🦀')",
            "INSERT INTO sale VALUES (1, 1, 1.5, 1.23456789, 0.1, b'101', x'00FF5C', '{\"a\": [1, \"é\"]}', 'b', '2020-01-01', \
             '2021-02-03 04:05:06.789'), (18446744073709551615, 2, NULL, 16777216, 1e-300, NULL, '', NULL, NULL, NULL, NULL)",
            "CREATE VIEW seen AS SELECT name, price FROM sale JOIN who ON who.id = sale.who",
            "CREATE TRIGGER tr BEFORE INSERT ON sale FOR EACH ROW SET NEW.price = NEW.price + 1",
        ] {
            connection
                .query_drop(statement)
                .unwrap_or_else(|e| panic!("{from:?}: {e}: {statement}"));
        }
        let target = into.start(&[]);
        let home = dumped(&source, "");
        let output = run(home.path(), &["restore", "job.kdl", "--into", &url(&target)]);
        good(&output);
        assert!(!text(&output).contains("will not fit"), "{}", text(&output));
        let rows = |server: &Server| -> Vec<String> {
            server
                .conn()
                .query("SELECT CONCAT_WS('|', name, price) FROM a.seen ORDER BY 1")
                .expect("it answers")
        };
        assert_eq!(rows(&target), rows(&source));
        target.exec("DROP DATABASE a");
        connection.query_drop(alien).expect("made");
        connection.query_drop("CREATE USER 'nobody'@'here'").expect("made");
        connection
            .query_drop("CREATE DEFINER='nobody'@'here' VIEW whose AS SELECT 1 AS one")
            .expect("made");
        drop(home);
        let home = dumped(&source, "");
        // Of tables of which none fits nothing is written.
        let only = ["restore", "job.kdl", "--only", "a.alien", "--into", &url(&target)];
        let refused = run(home.path(), &only);
        let told = text(&refused);
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.contains("nothing was written"), "{told}");
        let found = |target: &Server| -> Option<u64> {
            let sql = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='a'";
            target.conn().query_first(sql).expect("it answers")
        };
        assert_eq!(found(&target), Some(0), "nothing was written");
        // Where others fit they come back, and what does not is listed before and after.
        let refused = run(home.path(), &["restore", "job.kdl", "--into", &url(&target)]);
        let told = text(&refused);
        assert_eq!(refused.status.code(), Some(65), "{told}");
        assert!(told.contains("differs: table a.alien was not restored: "), "{told}");
        assert!(told.contains("! will not fit: table a.alien: ") && told.contains(word), "{told}");
        assert!(
            told.contains("view a.whose: its definer nobody@here does not exist there"),
            "{told}"
        );
        assert_eq!(rows(&target), rows(&source));
        target.exec("DROP DATABASE a");
        let except = ["--except", "a.alien", "--except", "view:a.whose", "--into", &url(&target)];
        good(&run(home.path(), &[["restore", "job.kdl"].as_slice(), &except].concat()));
    }
}
