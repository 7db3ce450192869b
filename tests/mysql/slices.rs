//! Tables of every kind of key, cut into slices on real servers: no row is lost or read twice, and
//! all workers read.

use mysql::prelude::Queryable;

use crate::common::binary::{good, run};
use crate::common::servers::{Brand, Server};

/// Tables by the columns of their key, and how each row's key is made of the number `n` (0 to 11
/// 999); nasty on purpose.
const TABLES: [(&str, &str, &str, &str); 18] = [
    ("ints", "id INT", "id", "n * 3 - 18000"),
    (
        "sparse",
        "id BIGINT UNSIGNED",
        "id",
        "CASE n WHEN 0 THEN 18446744073709551615 WHEN 1 THEN 0 ELSE CAST(9223372036854770000 AS UNSIGNED) + n END",
    ),
    ("skewed", "a INT, b INT", "a, b", "IF(n % 1000 = 0, n, 1), n"),
    ("descent", "a SMALLINT, b TINYINT UNSIGNED, c INT", "a, b, c", "-(n % 2), n % 3, n"),
    (
        "word",
        "w VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "w",
        "CONCAT(ELT(1 + n % 5, 'a', 'É', 'z''\\\\', '表', 'B '), n)",
    ),
    (
        "mixed",
        "w CHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, i INT",
        "w, i",
        "CONCAT(CHAR(33 + n % 60), '\\t'), n",
    ),
    (
        "latin",
        "w VARCHAR(30) CHARACTER SET latin1",
        "w",
        "CONCAT(CONVERT(UNHEX(HEX(192 + n % 60)) USING latin1), n)",
    ),
    ("wide", "w VARCHAR(30) CHARACTER SET utf16", "w", "CONCAT('ü', n)"),
    ("shift", "w VARCHAR(30) CHARACTER SET sjis", "w", "CONCAT(_sjis x'835C', n)"),
    ("hash", "h BINARY(16)", "h", "UNHEX(MD5N(n))"),
    ("bytes", "h VARBINARY(40)", "h", "CONCAT(UNHEX('00275C'), MD5N(n))"),
    ("money", "d DECIMAL(30,10)", "d", "(n - 6000) / 7"),
    (
        "moment",
        "t DATETIME(6)",
        "t",
        "IF(n = 0, '0000-00-00', '1000-01-01' + INTERVAL n * 777 MINUTE + INTERVAL n MICROSECOND)",
    ),
    ("stamp", "t TIMESTAMP, n INT", "t, n", "'2020-10-25 00:00:00' + INTERVAL n SECOND, n"),
    ("span", "t TIME(3), n INT", "t, n", "SEC_TO_TIME(n * 400 - 2400000), n"),
    ("state", "e ENUM('z','m','a'), n INT", "e, n", "1 + n % 3, n"),
    ("part", "id INT", "id", "n"),
    ("keyless", "id INT", "", "n"),
];

/// One number for a row, whatever is in it.
const SUM: &str = "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', HEX(k), pad))) FROM";

/// Statements that read rows, in the server's own log.
const READS: &str =
    "SELECT COUNT(*) FROM mysql.general_log WHERE command_type='Execute' AND argument";

fn fill(server: &Server) {
    let mut connection = server.conn();
    let mut run = |sql: &str| connection.query_drop(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
    run("SET NAMES utf8mb4");
    run("SET SESSION sql_mode='', time_zone='+00:00'");
    run("CREATE DATABASE keyring");
    run("USE keyring");
    run("CREATE TABLE numbers (n INT PRIMARY KEY)");
    let digits = "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION \
                  SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    run(&format!(
        "INSERT INTO numbers SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d FROM {digits} a, {digits} b, {digits} c, \
         {digits} e, (SELECT 0 d UNION SELECT 1) f WHERE a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d < 12000"
    ));
    for (name, columns, key, values) in TABLES {
        let primary = if key.is_empty() { String::new() } else { format!(", PRIMARY KEY ({key})") };
        let tail = if name == "part" { " PARTITION BY HASH (id) PARTITIONS 5" } else { "" };
        run(&format!(
            "CREATE TABLE {name} ({columns}, k INT NOT NULL, pad VARCHAR(200){primary}) STATS_PERSISTENT=1{tail}"
        ));
        // Without MD5(), which MySQL 9 has no more: sixteen bytes in no order.
        let values = values.replace("MD5N(n)", "LEFT(SHA2(n, 256), 32)");
        run(&format!(
            "INSERT INTO {name} SELECT {values}, n, REPEAT(CHAR(65 + n % 26), 100) FROM numbers"
        ));
        run(&format!("ANALYZE TABLE {name}"));
    }
    // A table that grew, and whose statistics still say that it is empty.
    run(
        "CREATE TABLE stale (id VARCHAR(20) PRIMARY KEY, k INT, pad VARCHAR(200)) STATS_PERSISTENT=1 STATS_AUTO_RECALC=0",
    );
    run("ANALYZE TABLE stale");
    run(
        "INSERT INTO stale SELECT CONCAT('key ', m.d, ' ', n), n, REPEAT('s', 100) FROM numbers, (SELECT 1 d UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) m",
    );
}

#[test]
fn tables_of_every_kind_of_key_are_cut_and_lose_no_row() {
    for brand in Brand::ALL {
        let source = brand.start(&["--general-log=1", "--log-output=TABLE"]);
        fill(&source);
        let home = tempfile::tempdir().expect("a folder");
        let text = format!(
            "sources {{\n  mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ databases \"keyring\" }}\n}}\nstores {{\n  dir \
             \"local\" path=\"store\" {{ keep last=3 }}\n}}\njob \"j\" {{\n  dump \"db\" chunk=\"64KiB\" {{ send \"local\"; verify \
             \"local\" }}\n}}\n",
            source.port
        );
        std::fs::write(home.path().join("job.kdl"), text).expect("written");
        good(&run(home.path(), &["run", "job.kdl"]));
        let target = brand.start(&[]);
        let url = format!("mysql://root@127.0.0.1:{}", target.port);
        good(&run(home.path(), &["restore", "job.kdl", "--into", &url]));
        let (mut from, mut into) = (source.conn(), target.conn());
        from.query_drop("SET GLOBAL general_log=0").expect("set");
        for name in TABLES.iter().map(|t| t.0).chain(["stale"]) {
            let sum = |c: &mut mysql::Conn| -> Option<(u64, String)> {
                c.query_first(format!("{SUM} keyring.{name}")).expect("it answers")
            };
            assert_eq!(sum(&mut from), sum(&mut into), "{brand:?} {name}");
            let rows = if name == "stale" { 48_000 } else { 12_000 };
            assert_eq!(sum(&mut from).map(|s| s.0), Some(rows), "{brand:?} {name}");
            let statements: Option<u64> = from
                .query_first(format!("{READS} LIKE 'SELECT%`pad`%`keyring`.`{name}`%'"))
                .expect("it answers");
            // ENUM does not compare as it sorts, and a table without a key has nothing to be cut
            // at.
            let cut = !["state", "keyless"].contains(&name);
            assert_eq!(statements > Some(2), cut, "{brand:?} {name}: {statements:?}");
        }
        let workers: Option<u64> = from
            .query_first(
                READS.replace("COUNT(*)", "COUNT(DISTINCT thread_id)") + " LIKE 'SELECT%`pad`%'",
            )
            .expect("it answers");
        assert_eq!(workers, Some(4), "{brand:?}");
    }
}
