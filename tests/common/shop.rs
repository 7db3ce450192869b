//! The sample databases `shop`, `crm` and `void` for MySQL and MariaDB, and a generator of many
//! rows.
//!
//! The fixture is a list of statements, each sent as it is, so that no delimiter can be mistaken.

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::common::servers::{Brand, Server};

/// The fixture.
pub const SHOP: &str = include_str!("../fixtures/mysql/shop.sql");

/// Its databases.
pub const DATABASES: [&str; 3] = ["shop", "crm", "void"];

/// Rows in one INSERT of [`fill`].
const BATCH: u64 = 500;

/// A server of this brand with the fixture loaded.
pub fn open_shop(brand: Brand) -> Server {
    let server = brand.start(&[]);
    load(&mut server.conn(), SHOP);
    server
}

/// Sends every statement that is for this server, one by one.
pub fn load(conn: &mut Conn, sql: &str) {
    let version: String =
        conn.query_first("SELECT VERSION()").expect("it answers").expect("one row");
    for statement in statements(sql, version.contains("MariaDB")) {
        conn.query_drop(statement).unwrap_or_else(|e| panic!("{version}: {e}: {statement}"));
    }
}

/// The statements for one of the two families; what comes before the first mark is a comment.
fn statements(sql: &str, mariadb: bool) -> impl Iterator<Item = &str> {
    sql.split("\n-- @@").skip(1).filter_map(move |part| {
        let (mark, statement) = part.split_once('\n').unwrap_or((part, ""));
        let ours = match mark.trim() {
            "" => true,
            "mariadb" => mariadb,
            "mysql" => !mariadb,
            other => panic!("a mark is empty, mariadb or mysql, not {other}"),
        };
        ours.then(|| statement.trim())
    })
}

/// Adds rows to `shop.reading`: always the same ones, of every kind that makes trouble.
pub fn fill(conn: &mut Conn, rows: u64) {
    let last: Option<Option<u64>> =
        conn.query_first("SELECT MAX(id) FROM shop.reading").expect("the shop is loaded");
    let first = last.flatten().unwrap_or(0) + 1;
    conn.query_drop("SET NAMES utf8mb4").expect("it answers");
    for start in (first..first + rows).step_by(BATCH as usize) {
        let end = (start + BATCH).min(first + rows);
        let values: Vec<String> = (start..end).map(reading).collect();
        let sql = format!("INSERT INTO shop.reading VALUES {}", values.join(","));
        conn.query_drop(sql).unwrap_or_else(|e| panic!("rows {start} to {end}: {e}"));
    }
}

/// One row as SQL; it depends on its number only.
fn reading(id: u64) -> String {
    const NOTES: [&str; 8] = [
        "'it''s'",
        "'\"'",
        "'\\\\N'",
        "'a\\nb\\r\\n\\t'",
        "'ção 表 🦀'",
        "''",
        "'NULL'",
        "'; -- /* */ `'",
    ];
    let mut random = Random(id);
    let or_null =
        |null: u64, value: String| if null.is_multiple_of(7) { "NULL".to_owned() } else { value };
    let sensor = random.next() as i32;
    let (day, micro) = (random.next() % 28 + 1, random.next() % 1_000_000);
    let level =
        or_null(random.next(), format!("{}.{:04}", random.next() as i32, random.next() % 10_000));
    let ratio = or_null(random.next(), format!("{:e}", random.next() as i64 as f64 / 3e12));
    let note = or_null(random.next(), NOTES[(random.next() % 8) as usize].to_owned());
    let bytes: String =
        (0..random.next() % 12).map(|_| format!("{:016x}", random.next())).collect();
    let raw = or_null(random.next(), format!("x'{bytes}'"));
    format!(
        "({id},{sensor},'2024-{:02}-{day:02} 12:34:56.{micro:06}',{level},{ratio},{note},{raw})",
        id % 12 + 1
    )
}

/// SplitMix64, after Steele, Lea and Flood.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinds of objects, how to count them, and how many there are on MariaDB and on MySQL.
    const KINDS: [(&str, &str, [u64; 2]); 12] = [
        ("databases", "SCHEMATA WHERE SCHEMA_NAME IN ('shop', 'crm', 'void')", [3, 3]),
        (
            "tables",
            "TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA IN ('shop', 'crm', 'void')",
            [20, 20],
        ),
        (
            "versioned",
            "TABLES WHERE TABLE_TYPE = 'SYSTEM VERSIONED' AND TABLE_SCHEMA = 'shop'",
            [1, 0],
        ),
        ("sequences", "TABLES WHERE TABLE_TYPE = 'SEQUENCE' AND TABLE_SCHEMA = 'shop'", [1, 0]),
        ("views", "VIEWS WHERE TABLE_SCHEMA IN ('shop', 'crm', 'void')", [6, 6]),
        ("triggers", "TRIGGERS WHERE TRIGGER_SCHEMA IN ('shop', 'crm', 'void')", [6, 6]),
        (
            "functions",
            "ROUTINES WHERE ROUTINE_SCHEMA IN ('shop', 'crm') AND ROUTINE_TYPE = 'FUNCTION'",
            [2, 2],
        ),
        (
            "procedures",
            "ROUTINES WHERE ROUTINE_SCHEMA IN ('shop', 'crm') AND ROUTINE_TYPE = 'PROCEDURE'",
            [3, 3],
        ),
        (
            "packages",
            "ROUTINES WHERE ROUTINE_SCHEMA = 'shop' AND ROUTINE_TYPE LIKE 'PACKAGE%'",
            [2, 0],
        ),
        ("events", "EVENTS WHERE EVENT_SCHEMA IN ('shop', 'crm', 'void')", [3, 3]),
        (
            "foreign keys",
            "REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA IN ('shop', 'crm')",
            [12, 12],
        ),
        (
            "partitions",
            "PARTITIONS WHERE TABLE_SCHEMA = 'shop' AND PARTITION_NAME IS NOT NULL",
            [3, 3],
        ),
    ];

    #[test]
    fn the_shop_has_every_kind_of_object_on_every_server() {
        for brand in Brand::ALL {
            let server = open_shop(brand);
            let mut conn = server.conn();
            let count = |conn: &mut Conn, from: &str| -> u64 {
                conn.query_first(format!("SELECT COUNT(*) FROM {from}"))
                    .expect("it counts")
                    .expect("one row")
            };
            for (kind, from, expected) in KINDS {
                let found = count(&mut conn, &format!("information_schema.{from}"));
                assert_eq!(
                    found,
                    expected[usize::from(!brand.is_mariadb())],
                    "{kind} on {brand:?}"
                );
            }
            let rows = [
                ("title", 120),
                ("staff", 40),
                ("copy", 160),
                ("loan", 160),
                ("hold", 0),
                ("sale", 100),
            ];
            for (table, expected) in rows {
                assert_eq!(
                    count(&mut conn, &format!("shop.{table}")),
                    expected,
                    "rows of {table} on {brand:?}"
                );
            }
            assert!(count(&mut conn, "shop.a_summary") > 0, "views can be read on {brand:?}");
        }
    }

    #[test]
    fn filled_rows_are_the_same_every_time() {
        for brand in Brand::ALL {
            let (a, b) = (open_shop(brand), open_shop(brand));
            fill(&mut a.conn(), 1200);
            fill(&mut b.conn(), 700);
            fill(&mut b.conn(), 500);
            let sum = |s: &Server| -> (String, u64) {
                s.conn()
                    .query_first("CHECKSUM TABLE shop.reading EXTENDED")
                    .expect("it sums")
                    .expect("one row")
            };
            assert_eq!(sum(&a), sum(&b), "on {brand:?}");
        }
    }

    #[test]
    fn a_marked_statement_is_sent_to_its_server_only() {
        let sql = "head\n-- @@\na;\nb\n-- @@mysql\nc\n-- @@mariadb\nd";
        assert_eq!(statements(sql, true).collect::<Vec<_>>(), ["a;\nb", "d"]);
        assert_eq!(statements(sql, false).collect::<Vec<_>>(), ["a;\nb", "c"]);
    }
}
