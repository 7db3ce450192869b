//! One thing that MySQL or MariaDB refuses never ends the rest of a restore: it is named, counted,
//! and everything else is there.

use std::path::Path;
use std::process::Output;

use mysql::prelude::{FromRow, Queryable};

use vex::testing::source::ready_collations;

use crate::common::binary::{good, run, text};
use crate::common::servers::{Brand, Server};
use crate::mysql::restore::{dumped, url};

/// A server with these statements in it, run as bytes of one session.
fn filled(brand: Brand, statements: &[&str]) -> Server {
    let server = brand.start(&[]);
    let mut connection = server.conn();
    for statement in statements {
        connection.query_drop(statement).unwrap_or_else(|e| panic!("{brand:?}: {e}: {statement}"));
    }
    server
}

#[track_caller]
fn one<T: FromRow + PartialEq + std::fmt::Debug>(server: &Server, sql: &str, expected: T) {
    let found: Option<T> = server.conn().query_first(sql).expect("it answers");
    assert_eq!(found.as_ref(), Some(&expected), "{:?}: {sql}", server.brand);
}

fn restore(home: &Path, target: &Server) -> Output {
    run(home, &["restore", "job.kdl", "--into", &url(target)])
}

#[track_caller]
fn incomplete(output: &Output, told: &[&str]) {
    let all = text(output);
    assert_eq!(output.status.code(), Some(65), "{all}");
    for line in told {
        assert_eq!(all.matches(line).count(), 1, "named once: {line}\n{all}");
    }
}

/// What every one of these databases holds besides: nothing of it may be missing.
const INNOCENT: [&str; 10] = [
    "CREATE TABLE z_parent (id INT PRIMARY KEY, n INT, UNIQUE KEY n (n))",
    "CREATE TABLE z_innocent (id INT PRIMARY KEY, p INT, t VARCHAR(20), KEY t (t), CONSTRAINT of_p FOREIGN KEY (p) REFERENCES \
     z_parent (n))",
    "INSERT INTO z_parent VALUES (1, 10), (2, 20)",
    "INSERT INTO z_innocent VALUES (1, 10, 'one'), (2, 20, 'two'), (3, NULL, 'three')",
    "CREATE VIEW z_view AS SELECT t FROM z_innocent",
    "CREATE TRIGGER z_trigger BEFORE INSERT ON z_innocent FOR EACH ROW SET NEW.t = UPPER(NEW.t)",
    "CREATE PROCEDURE z_procedure() SELECT 1",
    "CREATE EVENT z_event ON SCHEDULE EVERY 1 DAY ENABLE DO SELECT COUNT(*) FROM z_innocent",
    "CREATE DATABASE zz_other",
    "CREATE TABLE zz_other.t (i INT PRIMARY KEY) AS SELECT 7 AS i",
];

#[track_caller]
fn innocent(server: &Server, database: &str) {
    let schema = format!("'{database}'");
    one(
        server,
        &format!("SELECT COUNT(*), MAX(t) FROM {database}.z_innocent"),
        (3, "two".to_owned()),
    );
    one(server, &format!("SELECT COUNT(*) FROM {database}.z_view"), 3);
    one(server, "SELECT i FROM zz_other.t", 7);
    for (list, column, name) in [
        ("STATISTICS", "TABLE_SCHEMA", "INDEX_NAME='t'"),
        ("REFERENTIAL_CONSTRAINTS", "CONSTRAINT_SCHEMA", "CONSTRAINT_NAME='of_p'"),
        ("TRIGGERS", "TRIGGER_SCHEMA", "TRIGGER_NAME='z_trigger'"),
        ("ROUTINES", "ROUTINE_SCHEMA", "ROUTINE_NAME='z_procedure'"),
    ] {
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.{list} WHERE {column}={schema} AND {name}"
        );
        one(server, &sql, 1);
    }
}

#[track_caller]
fn event(server: &Server, status: &str) {
    let sql = "SELECT MAX(STATUS) FROM information_schema.EVENTS WHERE EVENT_NAME='z_event'";
    one(server, sql, Some(status.to_owned()));
}

fn with_innocent<'a>(own: &[&'a str]) -> Vec<&'a str> {
    own.iter().copied().chain(INNOCENT).collect()
}

#[test]
fn a_table_that_can_not_be_made_is_named_and_all_else_comes_back() {
    for brand in Brand::ALL {
        let source = filled(
            brand,
            &with_innocent(&[
                "CREATE DATABASE a",
                "USE a",
                "CREATE TABLE closed (id INT PRIMARY KEY, n INT, KEY k (n))",
                "INSERT INTO closed VALUES (1, 1), (2, 2)",
                "CREATE TRIGGER of_closed BEFORE INSERT ON closed FOR EACH ROW SET NEW.n = 0",
                "CREATE VIEW of_both AS SELECT n FROM closed",
            ]),
        );
        let home = dumped(&source, "");
        let target = brand.start(&[]);
        // Something else has its name: rows go nowhere.
        target.exec("CREATE DATABASE a");
        target.exec("CREATE VIEW a.closed AS SELECT 9 AS id");
        let output = restore(home.path(), &target);
        incomplete(
            &output,
            &[
                "table a.closed was not restored: ",
                "(2 rows)",
                "trigger a.of_closed was not restored: its table was refused",
                "view a.of_both was not restored: ",
            ],
        );
        assert!(!text(&output).contains("rows of a.closed"), "{}", text(&output));
        assert!(!text(&output).contains("it is not there"), "{}", text(&output));
        innocent(&target, "a");
        event(&target, "DISABLED");
        assert!(text(&output).contains("event a.z_event is switched off"), "{}", text(&output));
    }
}

/// Rows that are in no partition that would take them.
const STRAY: [&str; 7] = [
    "CREATE DATABASE a",
    "USE a",
    "CREATE TABLE parted (id INT PRIMARY KEY, t TEXT) PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (1000))",
    "CREATE TABLE spare (id INT PRIMARY KEY, t TEXT)",
    "INSERT INTO spare VALUES (1, 'good'), (2, 'it''s (good)'), (5000, 'stray'), (3, 'good'), (7000, 'stray too')",
    "ALTER TABLE parted EXCHANGE PARTITION low WITH TABLE spare WITHOUT VALIDATION",
    "DROP TABLE spare",
];

#[test]
fn refused_rows_are_counted_and_the_others_of_their_table_are_there() {
    // An older MariaDB always looks at the rows that it moves into a partition.
    for brand in [Brand::Mysql9, Brand::Mariadb11] {
        let source = filled(brand, &with_innocent(&STRAY));
        let home = dumped(&source, "chunk=\"64KiB\"");
        for local in ["--local-infile=ON", "--local-infile=OFF"] {
            let target = brand.start(&[local]);
            let output = restore(home.path(), &target);
            incomplete(&output, &["rows of a.parted was not restored: ", "(2 rows)"]);
            // The rest of the table is proven: it is named once.
            assert_eq!(text(&output).matches("differs: ").count(), 1, "{}", text(&output));
            one(&target, "SELECT GROUP_CONCAT(id ORDER BY id) FROM a.parted", "1,2,3".to_owned());
            innocent(&target, "a");
            event(&target, "DISABLED");
        }
    }
}

#[test]
fn a_null_that_no_mode_would_take_now_comes_back() {
    for brand in Brand::ALL {
        let lax = [
            "CREATE DATABASE a",
            "USE a",
            "SET sql_mode=''",
            "CREATE TABLE lax (a INT, d DATE AS (NULL) VIRTUAL NOT NULL)",
            "INSERT IGNORE INTO lax (a) VALUES (1), (2)",
        ];
        if brand.is_mariadb() {
            continue; // It has no such columns: what is generated may be NULL.
        }
        let source = filled(brand, &with_innocent(&lax));
        let home = dumped(&source, "");
        let target = brand.start(&[]);
        good(&restore(home.path(), &target));
        one(&target, "SELECT GROUP_CONCAT(a ORDER BY a) FROM a.lax", "1,2".to_owned());
        innocent(&target, "a");
        event(&target, "ENABLED");
    }
}

#[test]
fn a_foreign_key_of_a_table_that_keeps_its_history_waits_for_the_key_it_needs() {
    for brand in [Brand::Mariadb, Brand::Mariadb11] {
        let versioned = [
            "CREATE DATABASE a",
            "USE a",
            "CREATE TABLE parent (x INT, KEY (x))",
            "CREATE TABLE child (y INT, CONSTRAINT f FOREIGN KEY (y) REFERENCES parent (x)) WITH SYSTEM VERSIONING",
            "INSERT INTO parent VALUES (1)",
            "INSERT INTO child VALUES (1)",
            "UPDATE child SET y = NULL",
            "CREATE TABLE wordy (y INT, t TEXT, FULLTEXT KEY w (t), CONSTRAINT g FOREIGN KEY (y) REFERENCES parent (x))",
        ];
        let source = filled(brand, &with_innocent(&versioned));
        let home = dumped(&source, "");
        let target = brand.start(&[]);
        good(&restore(home.path(), &target));
        one(&target, "SELECT COUNT(*) FROM a.child FOR SYSTEM_TIME ALL", 2);
        let keys = "SELECT GROUP_CONCAT(CONSTRAINT_NAME ORDER BY 1) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE \
                    TABLE_NAME IN ('child', 'wordy')";
        one(&target, keys, "f,g".to_owned());
        innocent(&target, "a");
    }
}

#[test]
fn a_literal_that_is_no_text_is_taken_or_named() {
    let server = Brand::Mysql9.start(&[]);
    let script: &[u8] = b"CREATE DATABASE a; USE a; CREATE TABLE bytes (c VARCHAR(20) CHARACTER SET latin1 AS ('\xC5') VIRTUAL, k INT) \
                          CHARSET utf8mb4; INSERT INTO bytes (k) VALUES (1);";
    let mut client = std::process::Command::new(Brand::Mysql9.client())
        .args(["--no-defaults", "-h127.0.0.1", &format!("-P{}", server.port), "-uroot"])
        .args(["--default-character-set=latin1"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("the client starts");
    std::io::Write::write_all(&mut client.stdin.take().expect("piped"), script).expect("it reads");
    assert!(client.wait().expect("the client is ours").success());
    let mut connection = server.conn();
    connection.query_drop("USE a").expect("it is there");
    INNOCENT.iter().for_each(|sql| connection.query_drop(sql).expect("made"));
    let home = dumped(&server, "");
    let target = Brand::Mysql9.start(&[]);
    let output = restore(home.path(), &target);
    assert!(matches!(output.status.code(), Some(0 | 65)), "{}", text(&output));
    match output.status.success() {
        true => one(&target, "SELECT HEX(c), k FROM a.bytes", ("C5".to_owned(), 1)),
        false => incomplete(&output, &["table a.bytes was not restored: ", "(1 row)"]),
    }
    innocent(&target, "a");
}

#[test]
fn what_only_the_server_of_the_backup_has_is_left_out_and_told() {
    let own = [
        "CREATE TABLESPACE own_space ADD DATAFILE 'own_space.ibd'",
        "CREATE SPATIAL REFERENCE SYSTEM 990001 NAME 'mine' DEFINITION 'GEOGCS[\"WGS 84\",DATUM[\"World Geodetic System \
         1984\",SPHEROID[\"WGS 84\",6378137,298.257223563]],PRIMEM[\"Greenwich\",0],UNIT[\"degree\",0.017453292519943278],\
         AXIS[\"Lat\",NORTH],AXIS[\"Lon\",EAST]]'",
        "CREATE DATABASE a",
        "USE a",
        "CREATE TABLE spaced (id INT PRIMARY KEY) TABLESPACE own_space",
        "INSERT INTO spaced VALUES (4)",
        "CREATE TABLE placed (id INT PRIMARY KEY, g GEOMETRY NOT NULL SRID 990001)",
        "INSERT INTO placed VALUES (1, ST_GeomFromText('POINT(1 2)', 990001))",
    ];
    let source = filled(Brand::Mysql9, &with_innocent(&own));
    let home = dumped(&source, "");
    let target = Brand::Mysql9.start(&[]);
    let output = restore(home.path(), &target);
    incomplete(&output, &["SRID of table a.placed was not restored: "]);
    one(&target, "SELECT id FROM a.spaced", 4);
    one(&target, "SELECT ST_SRID(g) FROM a.placed", 990_001);
    innocent(&target, "a");
    assert!(text(&output).contains("a.spaced was made without TABLESPACE"), "{}", text(&output));
}

#[test]
fn an_engine_that_can_not_take_back_keeps_what_it_took() {
    for brand in Brand::ALL {
        let source = filled(
            brand,
            &with_innocent(&[
                "CREATE DATABASE a",
                "USE a",
                "CREATE TABLE full (id INT PRIMARY KEY, t CHAR(250)) ENGINE=MEMORY",
                "INSERT INTO full SELECT ROW_NUMBER() OVER (), 'x' FROM information_schema.COLUMNS LIMIT 500",
                "CREATE TABLE old (id INT PRIMARY KEY) ENGINE=MyISAM",
                "INSERT INTO old VALUES (1), (2)",
            ]),
        );
        let home = dumped(&source, "");
        let target = brand.start(&["--max-heap-table-size=16K"]);
        let output = restore(home.path(), &target);
        incomplete(&output, &["rows of a.full was not restored: "]);
        one(&target, "SELECT COUNT(*) FROM a.old", 2);
        innocent(&target, "a");
        // What came back of that table is not proven: no event runs over it.
        one(&target, "SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA='a'", 0);
        assert!(text(&output).contains("event a.z_event was not restored: it runs by itself"));
        let mut there = target.conn();
        let there: Option<u64> =
            there.query_first("SELECT COUNT(*) FROM a.full").expect("it answers");
        let missing = 500 - there.expect("a count");
        assert!(
            missing > 0 && text(&output).contains(&format!("({missing} rows)")),
            "{}",
            text(&output)
        );
    }
}

#[test]
fn a_collation_becomes_another_where_a_restore_is_told_to() {
    let source = filled(
        Brand::Mysql9,
        &[
            "CREATE DATABASE a COLLATE utf8mb4_0900_ai_ci",
            "USE a",
            "CREATE TABLE t (n VARCHAR(60) COLLATE utf8mb4_da_0900_as_cs COMMENT 'COLLATE utf8mb4_da_0900_as_cs', z TEXT COLLATE \
             utf8mb4_zh_0900_as_cs, KEY (n))",
            "INSERT INTO t VALUES ('COLLATE utf8mb4_0900_ai_ci', 'x')",
            "CREATE VIEW v AS SELECT n COLLATE utf8mb4_0900_ai_ci AS c FROM t",
            "CREATE TABLE plain (u VARCHAR(9)) CHARACTER SET utf8mb3",
        ],
    );
    let known: Vec<String> = source
        .conn()
        .query("SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE COLLATION_NAME LIKE '%\\_0900\\_%'")
        .expect("it answers");
    let ready = ready_collations();
    for name in known {
        assert!(ready.iter().any(|(old, _)| *old == name), "{name} has a place in the map");
    }
    let home = dumped(&source, "");
    for brand in [Brand::Mariadb, Brand::Mariadb11] {
        let target = brand.start(&[]);
        let into = ["restore", "job.kdl", "--into", &url(&target)];
        let told = text(&run(home.path(), &[&into[..], &["--dry-run"]].concat()));
        assert!(told.contains("does not know the collation utf8mb4_zh_0900_as_cs"), "{told}");
        assert!(told.contains("--map-collation ready"), "{told}");
        let output = run(home.path(), &[&into[..], &["--map-collation", "ready"]].concat());
        good(&output);
        let became = match brand {
            Brand::Mariadb => "utf8mb4_uca1400_danish_nopad_as_cs",
            _ => "utf8mb4_da_0900_as_cs",
        };
        let sql = "SELECT COLLATION_NAME, COLUMN_COMMENT FROM information_schema.COLUMNS WHERE TABLE_NAME='t' AND COLUMN_NAME='n'";
        one(&target, sql, (became.to_owned(), "COLLATE utf8mb4_da_0900_as_cs".to_owned()));
        one(&target, "SELECT c FROM a.v", "COLLATE utf8mb4_0900_ai_ci".to_owned());
        let sql = "SELECT COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_NAME='plain'";
        one(&target, sql, "utf8mb3_general_ci".to_owned());
        let line = "the collation utf8mb4_zh_0900_as_cs became utf8mb4_uca1400_nopad_as_cs in 1 definitions";
        assert!(text(&output).contains(line), "{}", text(&output));
    }
}

#[test]
fn a_foreign_key_without_its_table_is_named_and_the_table_takes_rows() {
    for brand in Brand::ALL {
        let source = filled(
            brand,
            &[
                "CREATE DATABASE a",
                "USE a",
                "CREATE TABLE person (id INT PRIMARY KEY)",
                "CREATE TABLE orders (id INT PRIMARY KEY, p INT, up INT, CONSTRAINT of_person FOREIGN KEY (p) REFERENCES person \
                 (id), CONSTRAINT of_up FOREIGN KEY (up) REFERENCES orders (id))",
                "INSERT INTO person VALUES (1)",
                "INSERT INTO orders VALUES (1, 1, NULL), (2, 1, 1)",
            ],
        );
        let home = dumped(&source, "");
        let target = brand.start(&[]);
        let into = url(&target);
        let lone = ["restore", "job.kdl", "--only", "a.orders", "--as", "b", "--into", &into];
        incomplete(
            &run(home.path(), &lone),
            &[
                "foreign key `of_person` of a.orders was not restored: it refers to b.person, which is not there",
            ],
        );
        target.exec("INSERT INTO b.orders VALUES (3, 9, 1)");
        let keys = "SELECT GROUP_CONCAT(CONSTRAINT_NAME ORDER BY 1) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE \
                    CONSTRAINT_SCHEMA='b'";
        one(&target, keys, "of_up".to_owned());

        // Where the other table is, the key comes back.
        target.exec("DROP TABLE b.orders");
        target.exec("CREATE TABLE b.person (id INT PRIMARY KEY)");
        good(&run(home.path(), &lone));
        one(&target, keys, "of_person,of_up".to_owned());
    }
}

#[test]
fn what_ends_before_the_first_write_says_that_nothing_was_written() {
    let source =
        filled(Brand::Mysql9, &["CREATE DATABASE a", "CREATE TABLE a.t (i INT PRIMARY KEY)"]);
    let home = dumped(&source, "");
    let nobody = format!("mysql://nobody@127.0.0.1:{}", source.port);
    let nowhere = format!("mysql://root@127.0.0.1:{}", crate::common::servers::free_port());
    for (into, code) in
        [(nobody.as_str(), 1), (nowhere.as_str(), 1), (&url(&source), 1), ("sqlite:x.db", 64)]
    {
        let output = run(home.path(), &["restore", "job.kdl", "--into", into]);
        let all = text(&output);
        assert_eq!(output.status.code(), Some(code), "{into}: {all}");
        assert_eq!(all.matches("nothing was written").count(), 1, "{into}: {all}");
        assert!(!all.contains("INCOMPLETE"), "{into}: {all}");
    }
}
