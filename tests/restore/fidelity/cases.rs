//! What is carried: each case is a database `fid`, and questions that two servers must answer
//! alike.

use crate::common::servers::Brand;

/// One kind of value or object.
pub struct Case {
    pub what: &'static str,
    /// Where it exists.
    pub on: &'static [Brand],
    /// What makes it, in the database `fid`, with `sql_mode=''`.
    pub make: &'static [&'static str],
    /// What is asked of both servers; text is asked for as HEX, so that no client changes it.
    pub ask: &'static [&'static str],
    /// What undoes a global setting.
    pub after: &'static [&'static str],
}

use Brand::{Mariadb, Mariadb11, Mysql9};
const ALL: &[Brand] = &Brand::ALL;
const MARIADB: &[Brand] = &[Mariadb, Mariadb11];
const MYSQL: &[Brand] = &[Mysql9];

const fn case(
    what: &'static str,
    on: &'static [Brand],
    make: &'static [&'static str],
    ask: &'static [&'static str],
) -> Case {
    Case { what, on, make, ask, after: &[] }
}

/// All of them. Floats are compared by the server's own checksum, never by their text.
pub const CASES: &[Case] = &[
    case(
        "FLOAT",
        ALL,
        &[
            "CREATE TABLE t (f FLOAT)",
            "INSERT INTO t VALUES (16777216), (1.23456789), (3.4028234663852886e38), (1.17549435e-38), (0.1), (-1.234561)",
        ],
        &["CHECKSUM TABLE t EXTENDED"],
    ),
    case(
        "DOUBLE",
        ALL,
        &[
            "CREATE TABLE t (d DOUBLE)",
            "INSERT INTO t VALUES (1.7976931348623157e308), (2.2250738585072014e-308), (5e-324), (0.1), (1e22), (123456789.12345679)",
        ],
        &["CHECKSUM TABLE t EXTENDED"],
    ),
    case(
        "minus zero",
        MYSQL,
        &["CREATE TABLE t (f FLOAT, d DOUBLE)", "INSERT INTO t VALUES (-0e0, -0e0)"],
        &["CHECKSUM TABLE t EXTENDED"],
    ),
    case(
        "DECIMAL and BIGINT at their ends",
        ALL,
        &[
            "CREATE TABLE t (a DECIMAL(65,30), b BIGINT, c BIGINT UNSIGNED, z INT(7) ZEROFILL)",
            "INSERT INTO t VALUES (99999999999999999999999999999999999.999999999999999999999999999999, -9223372036854775808, \
             18446744073709551615, 42), (-0.000000000000000000000000000001, 9223372036854775807, 0, 0)",
        ],
        &[
            "SELECT HEX(CAST(a AS CHAR)), HEX(CAST(b AS CHAR)), HEX(CAST(c AS CHAR)), z + 0 FROM t ORDER BY b",
        ],
    ),
    case(
        "zero dates",
        ALL,
        &[
            "CREATE TABLE t (d DATE, t DATETIME(6), s TIMESTAMP NULL)",
            "INSERT INTO t VALUES ('0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00'), ('2020-00-00', \
             '2020-05-00 01:02:03.000004', NULL)",
        ],
        &[
            "SELECT HEX(CAST(d AS CHAR)), HEX(CAST(t AS CHAR)), HEX(CAST(s AS CHAR)) FROM t ORDER BY 1",
        ],
    ),
    case(
        "invalid dates (ALLOW_INVALID_DATES)",
        ALL,
        &[
            "CREATE TABLE t (d DATE, t DATETIME)",
            "SET sql_mode='ALLOW_INVALID_DATES'",
            "INSERT INTO t VALUES ('2021-02-31', '2021-02-31 10:11:12')",
        ],
        &["SELECT HEX(CAST(d AS CHAR)), HEX(CAST(t AS CHAR)) FROM t"],
    ),
    case(
        "TIMESTAMP, TIME and YEAR at their ends",
        ALL,
        &[
            "CREATE TABLE t (s TIMESTAMP(6) NULL, t TIME(6), y YEAR)",
            "SET time_zone='+00:00'",
            "INSERT INTO t VALUES ('1970-01-01 00:00:01', '-838:59:59', 0), ('2038-01-19 03:14:07.999999', \
             '838:59:58.999999', 2155), ('2003-10-25 22:00:00', '-00:00:00.000001', 1901)",
        ],
        &["SELECT UNIX_TIMESTAMP(s), HEX(CAST(t AS CHAR)), y FROM t ORDER BY y"],
    ),
    case(
        "BIT",
        ALL,
        &[
            "CREATE TABLE t (a BIT(64), b BIT(9))",
            "INSERT INTO t VALUES (x'8000000000000001', b'100000001'), (0, 0)",
        ],
        &["SELECT HEX(a), HEX(b) FROM t ORDER BY 1"],
    ),
    case(
        "ENUM: the error value beside a member ''",
        ALL,
        &[
            "CREATE TABLE t (e ENUM('', 'a'))",
            "INSERT IGNORE INTO t VALUES ('no member'), (''), ('a'), (NULL)",
        ],
        &["SELECT e + 0, HEX(e) FROM t ORDER BY 1"],
    ),
    case(
        "SET",
        ALL,
        &[
            "CREATE TABLE t (s SET('a', 'it''s', '\\\\'))",
            "INSERT INTO t VALUES (0), (7), (5), (NULL)",
        ],
        &["SELECT s + 0, HEX(s) FROM t ORDER BY 1"],
    ),
    case(
        "JSON",
        ALL,
        &[
            "CREATE TABLE t (id INT, j JSON)",
            "INSERT INTO t VALUES (1, '{\"a\": [1, -1.5, 1e3, true, null, \"it\\'s\"]}'), (2, '\"表 🦀 \\\\u0001\"'), (3, \
             '[18446744073709551615, 0.1]')",
        ],
        &["SELECT id, HEX(j) FROM t ORDER BY id"],
    ),
    case(
        "JSON with values that have no text (DATE, DECIMAL, bytes)",
        MYSQL,
        &[
            "CREATE TABLE t (j JSON)",
            "INSERT INTO t VALUES (JSON_ARRAY(CAST('2020-01-02' AS DATE), CAST(1.10 AS DECIMAL(10,2)), x'00ff'))",
        ],
        &["SELECT JSON_TYPE(j->'$[0]'), JSON_TYPE(j->'$[1]'), JSON_TYPE(j->'$[2]'), HEX(j) FROM t"],
    ),
    case(
        "GEOMETRY with SRID",
        ALL,
        &[
            "CREATE TABLE t (id INT, g GEOMETRY)",
            "INSERT INTO t VALUES (1, ST_GeomFromText('POINT(1 2)', 4326)), (2, ST_GeomFromText('POLYGON((0 0,0 5,5 5,0 0))', \
             3857)), (3, NULL)",
        ],
        &["SELECT id, HEX(g) FROM t ORDER BY id"],
    ),
    case(
        "VECTOR",
        &[Mysql9],
        &[
            "CREATE TABLE t (v VECTOR(3))",
            "INSERT INTO t VALUES (STRING_TO_VECTOR('[1,2.5,1e-9]'))",
        ],
        &["SELECT HEX(v) FROM t"],
    ),
    case(
        "VECTOR",
        &[Mariadb11],
        &["CREATE TABLE t (v VECTOR(3))", "INSERT INTO t VALUES (VEC_FromText('[1,2.5,1e-9]'))"],
        &["SELECT HEX(v) FROM t"],
    ),
    case(
        "UUID, INET4, INET6",
        MARIADB,
        &[
            "CREATE TABLE t (u UUID, a INET4, b INET6)",
            "INSERT INTO t VALUES ('123e4567-e89b-12d3-a456-426655440000', '10.0.0.1', '::ffff:192.0.2.1')",
        ],
        &["SELECT HEX(u), HEX(CAST(a AS CHAR)), HEX(CAST(b AS CHAR)) FROM t"],
    ),
    case(
        "text in sjis, gbk, ucs2, utf16, utf32, koi8r",
        ALL,
        &[
            "CREATE TABLE t (a TEXT CHARACTER SET sjis, b TEXT CHARACTER SET gbk, c TEXT CHARACTER SET ucs2, d TEXT CHARACTER \
             SET utf16, e TEXT CHARACTER SET utf32, f TEXT CHARACTER SET koi8r)",
            "INSERT INTO t VALUES (_sjis x'835c955c', _gbk x'bf5cc45c', _ucs2 x'8868005c', _utf16 x'd83edd80005c', _utf32 \
             x'0001f9800000005c', _koi8r x'c1c2ff5c')",
        ],
        &["SELECT HEX(a), HEX(b), HEX(c), HEX(d), HEX(e), HEX(f) FROM t"],
    ),
    case(
        "bytes that are no characters: latin1 x'81', ucs2 half a pair",
        ALL,
        &[
            "CREATE TABLE t (a TEXT CHARACTER SET latin1, b TEXT CHARACTER SET ucs2)",
            "INSERT INTO t VALUES (_latin1 x'8081ff00e282ac', _ucs2 x'd83d0041')",
        ],
        &["SELECT HEX(a), HEX(b) FROM t"],
    ),
    case(
        "every byte in BLOB, BINARY and VARBINARY",
        ALL,
        &[
            "CREATE TABLE t (a BLOB, b BINARY(4), c VARBINARY(9))",
            "INSERT INTO t VALUES (x'000102090a0d1a2022275c60808dfeff', x'0020', x'20005c27'), ('', x'00000000', NULL)",
        ],
        &["SELECT HEX(a), HEX(b), HEX(c) FROM t ORDER BY 1"],
    ),
    case(
        "NULL, '', 'NULL' and '\\N'",
        ALL,
        &[
            "CREATE TABLE t (id INT, s TEXT)",
            "INSERT INTO t VALUES (1, NULL), (2, ''), (3, 'NULL'), (4, '\\\\N'), (5, 'a ')",
        ],
        &["SELECT id, s IS NULL, HEX(s) FROM t ORDER BY id"],
    ),
    case(
        "invisible columns",
        ALL,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, h INT INVISIBLE DEFAULT 3)",
            "INSERT INTO t (id, h) VALUES (1, 9), (2, NULL)",
        ],
        &["SELECT id, h FROM t ORDER BY id"],
    ),
    case(
        "an invisible primary key the server made (GIPK)",
        MYSQL,
        &[
            "SET sql_generate_invisible_primary_key=ON",
            "CREATE TABLE t (v INT)",
            "INSERT INTO t VALUES (1), (2), (3)",
            "DELETE FROM t WHERE v = 2",
        ],
        &["SELECT my_row_id, v FROM t ORDER BY v"],
    ),
    case(
        "generated columns",
        ALL,
        &[
            "CREATE TABLE t (a INT, v INT AS (a * 2) VIRTUAL, s VARCHAR(20) AS (CONCAT('n', a)) STORED, z INT)",
            "INSERT INTO t (a, z) VALUES (1, 5), (2, 6)",
        ],
        &["SELECT a, v, HEX(s), z FROM t ORDER BY a"],
    ),
    case(
        "a table of generated columns only",
        ALL,
        &["CREATE TABLE t (v INT AS (1 + 1) STORED)", "INSERT INTO t () VALUES (), (), ()"],
        &["SELECT COUNT(*), SUM(v) FROM t"],
    ),
    case(
        "a generated column with a literal in sjis",
        ALL,
        &[
            "CREATE TABLE t (a VARCHAR(9) CHARACTER SET sjis, g VARCHAR(20) CHARACTER SET sjis AS (CONCAT(a, '表')) STORED)",
            "INSERT INTO t (a) VALUES ('x')",
        ],
        &["SELECT HEX(a), HEX(g) FROM t"],
    ),
    case(
        "a default of bytes",
        ALL,
        &[
            "CREATE TABLE t (a VARBINARY(9) DEFAULT x'ff005c27e9', b INT)",
            "INSERT INTO t (b) VALUES (1)",
        ],
        &["SELECT HEX(DEFAULT(a)), HEX(a) FROM t"],
    ),
    case(
        "rows that break a CHECK",
        MARIADB,
        &[
            "CREATE TABLE t (a INT, CHECK (a > 0))",
            "SET check_constraint_checks=0",
            "INSERT INTO t VALUES (-1), (1)",
            "SET check_constraint_checks=1",
        ],
        &["SELECT a FROM t ORDER BY a"],
    ),
    case(
        "the past of a system-versioned table",
        MARIADB,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
            "INSERT INTO t VALUES (1, 1), (2, 2)",
            "UPDATE t SET v = 3 WHERE id = 1",
            "DELETE FROM t WHERE id = 2",
        ],
        &[
            "SELECT id, v, HEX(CAST(ROW_START AS CHAR)), HEX(CAST(ROW_END AS CHAR)) FROM t FOR SYSTEM_TIME ALL ORDER BY 1, 2",
        ],
    ),
    case(
        "sequences",
        MARIADB,
        &[
            "CREATE SEQUENCE s START WITH 5 INCREMENT BY 2 MAXVALUE 99 CYCLE",
            "DO NEXTVAL(s)",
            "CREATE TABLE t (id INT DEFAULT NEXTVAL(s), v INT)",
        ],
        &["SELECT next_not_cached_value, increment, cycle_option FROM s", "SELECT COUNT(*) FROM t"],
    ),
    case(
        "the AUTO_INCREMENT mark, and a key of 0",
        ALL,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)",
            "SET sql_mode='NO_AUTO_VALUE_ON_ZERO'",
            "INSERT INTO t VALUES (0, 1), (7, 2), (100, 3)",
            "DELETE FROM t WHERE id = 100",
        ],
        &[
            "SELECT id, v FROM t ORDER BY id",
            "INSERT INTO t (v) VALUES (4)",
            "SELECT LAST_INSERT_ID()",
        ],
    ),
    case(
        "a row of 40 MiB",
        ALL,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB)",
            "INSERT INTO t VALUES (1, REPEAT(x'00ff', 20971520))",
        ],
        &["SELECT LENGTH(b), CRC32(b) FROM t"],
    ),
    case(
        "names with quotes, line feeds, slashes, and 64 letters",
        ALL,
        &[
            "CREATE TABLE `a``b` (`c``d` INT)",
            "CREATE TABLE `x/../../etc/passwd` (`select` INT)",
            "CREATE TABLE `new\nline -- x` (`c\nd` INT COMMENT 'it''s \\n -- ; \\\\')",
            "CREATE TABLE `a\"'; DROP` (`%s` INT)",
            "CREATE TABLE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (i INT)",
            "INSERT INTO `new\nline -- x` VALUES (1)",
            "INSERT INTO `a``b` VALUES (1)",
        ],
        &[
            "SELECT HEX(TABLE_NAME), HEX(COLUMN_NAME), HEX(COLUMN_COMMENT) FROM information_schema.COLUMNS WHERE \
             TABLE_SCHEMA='fid' ORDER BY 1",
            "SELECT * FROM `new\nline -- x`",
            "SELECT * FROM `a``b`",
        ],
    ),
    case(
        "views that name each other out of order",
        ALL,
        &[
            "CREATE TABLE t (a INT)",
            "INSERT INTO t VALUES (1), (2)",
            "CREATE VIEW z AS SELECT a FROM t",
            "CREATE VIEW b AS SELECT a FROM z WHERE a > 1",
            "CREATE VIEW a AS SELECT b.a, 'it''s' AS s FROM b",
        ],
        &["SELECT a, HEX(s) FROM a", "SELECT a FROM b", "SELECT COUNT(*) FROM z"],
    ),
    case(
        "an invalid view beside a table",
        ALL,
        &[
            "CREATE TABLE gone (a INT)",
            "CREATE VIEW broken AS SELECT a FROM gone",
            "DROP TABLE gone",
            "CREATE TABLE z (a INT)",
            "INSERT INTO z VALUES (1)",
        ],
        &[
            "SELECT a FROM z",
            "SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA='fid'",
        ],
    ),
    case(
        "events",
        ALL,
        &[
            "CREATE TABLE t (a INT)",
            "SET time_zone='+03:00'",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO BEGIN INSERT INTO t VALUES (1); END",
            "CREATE EVENT f ON SCHEDULE AT '2037-06-01 00:00:00' ON COMPLETION PRESERVE DISABLE COMMENT 'it''s' DO DELETE FROM t",
            "SET time_zone='+00:00'",
        ],
        &[
            "SELECT EVENT_NAME, HEX(EVENT_DEFINITION), STATUS, TIME_ZONE, STARTS, EXECUTE_AT, SQL_MODE, HEX(EVENT_COMMENT) FROM \
             information_schema.EVENTS WHERE EVENT_SCHEMA='fid' ORDER BY 1",
        ],
    ),
    case(
        "the order of triggers",
        ALL,
        &[
            "CREATE TABLE t (a TEXT)",
            "CREATE TRIGGER c BEFORE INSERT ON t FOR EACH ROW SET NEW.a = CONCAT(NEW.a, 'c')",
            "CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW SET NEW.a = CONCAT(NEW.a, 'a')",
            "CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW PRECEDES a SET NEW.a = CONCAT(NEW.a, 'b')",
            "INSERT INTO t VALUES ('x')",
        ],
        &["SELECT a FROM t", "INSERT INTO t VALUES ('y')", "SELECT a FROM t ORDER BY a"],
    ),
    case(
        "routines: delimiters, comments, sql_mode",
        ALL,
        &[
            "CREATE PROCEDURE p() BEGIN /* ;; // $$ */ SELECT 'it''s; //', 1; END",
            "SET sql_mode='ANSI_QUOTES,PIPES_AS_CONCAT'",
            "CREATE FUNCTION f(\"x y\" TEXT) RETURNS TEXT DETERMINISTIC RETURN \"x y\" || 'ç'",
            "SET sql_mode=''",
        ],
        &[
            "SELECT ROUTINE_NAME, HEX(ROUTINE_DEFINITION), SQL_MODE FROM information_schema.ROUTINES WHERE \
             ROUTINE_SCHEMA='fid' ORDER BY 1",
            "SELECT HEX(f('a'))",
        ],
    ),
    case(
        "packages",
        MARIADB,
        &[
            "SET sql_mode='ORACLE'",
            "CREATE PACKAGE k AS FUNCTION one RETURN INT; END",
            "CREATE PACKAGE BODY k AS FUNCTION one RETURN INT AS BEGIN RETURN 1; END; END",
            "SET sql_mode=''",
        ],
        &["SELECT fid.`k`.one()"],
    ),
    case(
        "foreign keys in a ring, and an orphan",
        ALL,
        &[
            "CREATE TABLE a (id INT PRIMARY KEY, b INT)",
            "CREATE TABLE b (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES a (id))",
            "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b (id)",
            "SET foreign_key_checks=0",
            "INSERT INTO a VALUES (1, 1), (2, 99)",
            "INSERT INTO b VALUES (1, 1)",
            "SET foreign_key_checks=1",
        ],
        &[
            "SELECT id, b FROM a ORDER BY id",
            "SELECT id, a FROM b",
            "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA='fid'",
        ],
    ),
    case(
        "partitions",
        ALL,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION `p 1` VALUES LESS THAN (10), PARTITION p2 \
             VALUES LESS THAN MAXVALUE)",
            "INSERT INTO t VALUES (-5), (9), (10), (1000)",
        ],
        &["SELECT id FROM t PARTITION (`p 1`) ORDER BY id", "SELECT COUNT(*) FROM t"],
    ),
    Case {
        after: &["SET GLOBAL sql_select_limit=18446744073709551615"],
        ..case(
            "5 rows under a global sql_select_limit of 2",
            ALL,
            &[
                "CREATE TABLE t (id INT)",
                "INSERT INTO t VALUES (1), (2), (3), (4), (5)",
                "SET GLOBAL sql_select_limit=2",
            ],
            &["SELECT COUNT(*) FROM t"],
        )
    },
];
