//! Rows that vex reads in the binary format are, byte for byte, the lines that the server itself
//! writes as text.

use std::process::Command;

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Space, files};
use crate::postgres::end_to_end::{back_up, dumped};

/// Every type that has a form, its extremes, and rows by chance; `plain` is one of which no type
/// has a form, `none` has no column, `gone` none that would pay; bytes make the others pay. Doubles
/// come as bits, so that each one of them may come.
const TABLES: &str = r#"
    CREATE TYPE mood AS ENUM ('sad', 'tab	in it', 'back\slash');
    CREATE DOMAIN shares AS numeric(30, 4) CHECK (value IS NULL OR value >= 0);
    CREATE DOMAIN mail AS text;
    CREATE FUNCTION double(bits bigint) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$
        DECLARE exponent int := ((bits >> 52) & 2047)::int; fraction numeric := bits & 4503599627370495; value numeric;
        BEGIN
            IF exponent = 2047 THEN
                RETURN CASE WHEN fraction <> 0 THEN 'NaN' WHEN bits < 0 THEN '-Infinity' ELSE 'Infinity' END::float8;
            END IF;
            IF exponent = 0 THEN value := fraction; exponent := 1; ELSE value := fraction + 4503599627370496; END IF;
            exponent := exponent - 1075;
            IF exponent >= 0 THEN value := value * power(2::numeric, exponent);
            ELSE value := value * power(5::numeric, -exponent); END IF;
            RETURN ((CASE WHEN bits < 0 THEN '-' ELSE '' END) || value::text
                || CASE WHEN exponent < 0 THEN 'e' || exponent ELSE '' END)::float8;
        END $$;
    CREATE TABLE doubles (d float8);
    INSERT INTO doubles SELECT double(b) FROM unnest(ARRAY[0, 1, 2, 4503599627370495, 4503599627370496, 9218868437227405311,
        9218868437227405312, 9221120237041090560, -9223372036854775808, -4503599627370496]) b;
    INSERT INTO doubles SELECT double((random() * 9223372036854775807)::numeric::bigint) FROM generate_series(1, 3000);
    INSERT INTO doubles SELECT (g * (10 ^ e)::numeric)::float8 FROM generate_series(1, 19) g, generate_series(-30, 40) e;
    INSERT INTO doubles SELECT (2::numeric ^ e + d)::float8 FROM generate_series(48, 75) e, generate_series(-9, 9) d;
    INSERT INTO doubles SELECT (5 * 10::numeric ^ e + d * 2::numeric ^ (e * 10 / 3 - 51))::float8
        FROM generate_series(15, 30) e, generate_series(-40, 40) d;
    INSERT INTO doubles SELECT 1e15 + random() * 1e16 FROM generate_series(1, 3000);
    INSERT INTO doubles SELECT random() * 1000 FROM generate_series(1, 2000);
    INSERT INTO doubles SELECT 10 ^ e FROM generate_series(-307, 308) e;
    INSERT INTO doubles VALUES (1e23), (9007199254740993), (NULL), (-0.0), (123456789012345.6);
    CREATE TABLE moments (a date, b timestamp, c timestamptz, d time);
    INSERT INTO moments VALUES ('infinity', 'infinity', 'infinity', '24:00:00'), ('-infinity', '-infinity', '-infinity', '00:00'),
        ('4713-01-01 BC', '4713-01-01 00:00 BC', '4713-01-02 00:00+00 BC', '23:59:59.999999'),
        ('5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '00:00:00.1'),
        ('0001-01-01', '0001-01-01 00:00', '0001-12-31 23:59:59.9+00 BC', NULL), ('10000-01-01', '9999-12-31 23:59:59.99', NULL, '1:02:03.0004'),
        (NULL, '2000-02-29 12:00', '1900-03-01 00:00:00.000001+00', '12:34:56.78');
    INSERT INTO moments SELECT date '2000-01-01' + (random() * 6000000 - 2400000)::int, timestamp '2000-01-01' + (random() * 200000 - 6600)
        * interval '1 year' + random() * interval '400 days', timestamptz '2000-01-01' + (random() * 9000 - 5000) * interval '1 year'
        + random() * interval '1 day', time '00:00' + random() * interval '1 day' FROM generate_series(1, 3000);
    INSERT INTO moments SELECT date '0004-01-01 BC' + g, timestamp '1896-01-01' + g * interval '1 day', timestamptz '1999-01-01 00:00+00' + g * interval
        '0.999 days', NULL FROM generate_series(0, 3300) g;
    CREATE TABLE numbers (a numeric, b numeric(20, 5), c shares, d smallint, e int, f bigint, g oid, h boolean);
    INSERT INTO numbers VALUES ('NaN', NULL, 0, -32768, -2147483648, -9223372036854775808, 0, true),
        ('Infinity', -0.00001, 0.0001, 32767, 2147483647, 9223372036854775807, 4294967295, false), ('-Infinity', 0, NULL, NULL, NULL, NULL, NULL, NULL),
        (0, 123456789012345.12345, 10000, 0, 0, 0, 1, true), (0.000, 1, 99999999.9999, 1, 1, 1, 1, true), (1e131071, 1, 1, 1, 1, 1, 1, true),
        ('1e-16383', 1, 1, 1, 1, 1, 1, true), (10000, 1, 1, 1, 1, 1, 1, true), (9999.00010000, 1, 1, 1, 1, 1, 1, true);
    INSERT INTO numbers SELECT (random() - 0.5)::numeric * 10::numeric ^ (g % 60 - 30), round((random() * 1e9)::numeric, g % 6),
        (g * 10000)::numeric, g % 30000, g * 7919, g::bigint * 1234567890123, g, g % 2 = 0 FROM generate_series(1, 3000) g;
    INSERT INTO numbers (a) SELECT trunc((random() * 1e8)::numeric, s) FROM generate_series(0, 12) s, generate_series(1, 100);
    CREATE TABLE words (a text, b varchar(90), c char(9), d name, e mood, f json, g jsonb, h bytea, i uuid, j mail);
    INSERT INTO words VALUES ('', '', '', '', 'sad', '{"a" :  1}', '{"b": [1, "x\ty\\z"]}', '', '00000000-0000-0000-0000-000000000000', ''),
        (E'\b\t\n\v\f\r\\ \x01\x1f\x7f', E'\\N', E'\\.', E'\\', E'tab\tin it', '"\\"', '"\\"', '\x00ff5c', '0123456f-89ab-cdef-0123-456789abcdef', E'\\N'),
        ('ação 日本 🦀', 'ação', 'ç', 'é', E'back\\slash', 'null', 'null', '\x0a090d', NULL, E'a\nb'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    INSERT INTO words SELECT repeat(chr(1 + g % 126), g % 70), repeat(E'x\\', g % 40), chr(40 + g % 60), md5(g::text), NULL, to_json(chr(32 + g % 90)),
        to_jsonb(repeat(E'\n"', g % 9)), decode(md5(g::text), 'hex'), md5(g::text)::uuid, repeat(E'0123456789abcde\t', g % 5) || g FROM generate_series(1, 2000) g;
    CREATE TABLE plain (a interval, b int[], c inet);
    INSERT INTO plain SELECT g * interval '1 hour', ARRAY[g, NULL], '10.0.0.1' FROM generate_series(1, 500) g;
    CREATE TABLE none ();
    INSERT INTO none SELECT FROM generate_series(1, 5);
    CREATE TABLE gone (a int, b text, c int GENERATED ALWAYS AS (a + 1) STORED, d float8);
    INSERT INTO gone (a, b, d) SELECT g, g, g FROM generate_series(1, 100) g;
    ALTER TABLE gone DROP COLUMN b;
    ALTER TABLE doubles ADD COLUMN z bytea;
    ALTER TABLE numbers ADD COLUMN z bytea;
"#;

/// The lines of all rows in an artifact, by table.
fn read(space: &Space) -> Vec<(String, Vec<String>)> {
    let zip = files(&space.path("disk"))
        .into_iter()
        .find(|p| p.extension().is_some_and(|e| e == "zip"))
        .unwrap();
    let text =
        Command::new("7zz").args(["x", "-so", "-r"]).arg(zip).arg("*.sql").output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut lines = text.split('\n');
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix("COPY ").and_then(|l| l.strip_suffix(" FROM stdin;"))
        else {
            continue;
        };
        let rows: Vec<String> =
            lines.by_ref().take_while(|l| *l != "\\.").map(str::to_owned).collect();
        match found.iter_mut().find(|(name, _)| name == rest) {
            Some((_, known)) => known.extend(rows),
            None => found.push((rest.to_owned(), rows)),
        }
    }
    found
}

fn told(server: &PgServer, place: &str) -> Vec<String> {
    let settings = "SET datestyle=ISO; SET timezone='UTC'; SET extra_float_digits=3; SET bytea_output=hex; SET intervalstyle=postgres";
    let text = server.run(
        "psql",
        &["-q", "-d", "types", "-c", settings, "-c", &format!("COPY {place} TO STDOUT")],
    );
    text.split_terminator('\n').map(str::to_owned).collect()
}

#[test]
fn every_line_is_the_one_that_the_server_writes() {
    for version in Pg::ALL {
        let source = version.start(&[]);
        source.run("createdb", &["types"]);
        source.sql("types", TABLES);
        let (space, _) = back_up(&source, "databases \"types\"", "chunk=\"64KiB\"");
        let found = read(&space);
        assert_eq!(found.len(), 7, "{:?}", found.iter().map(|(name, _)| name).collect::<Vec<_>>());
        for (place, mut rows) in found {
            let mut expected = told(&source, &place);
            rows.sort();
            expected.sort();
            let other = rows.iter().zip(&expected).find(|(a, b)| a != b);
            assert!(other.is_none(), "{place}: {other:?}");
            assert_eq!(rows.len(), expected.len(), "{place}");
        }
        let target = version.start(&[]);
        space.run(&["restore", "job.kdl", "--into", &target.url()]).expect(0);
        assert_eq!(dumped(&target, "types"), dumped(&source, "types"));
    }
}

#[test]
fn tables_where_it_pays_are_read_in_the_binary_format_and_others_as_text() {
    let source = Pg::V17.start(&["log_statement=all"]);
    source.run("createdb", &["types"]);
    source.sql("types", TABLES);
    back_up(&source, "databases \"types\"", "");
    let log = source.log();
    for (table, binary) in [
        ("doubles", true),
        ("moments", true),
        ("numbers", true),
        ("words", true),
        ("plain", false),
        ("none", false),
        ("gone", false),
    ] {
        let mut reads = log
            .lines()
            .filter(|l| l.contains("COPY \"public\".") && l.contains(&format!("\"{table}\"")));
        assert!(reads.clone().next().is_some(), "{table} is not read");
        assert!(reads.all(|l| l.contains("(FORMAT binary)") == binary), "{table}");
    }
}
