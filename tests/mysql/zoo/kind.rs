//! Column types, and values of each that make trouble.

use crate::common::servers::Brand;
use crate::mysql::zoo::dice::{Dice, NASTY, literal};

/// How a type may be part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Whole,
    Prefix,
    Spatial,
    Never,
}

/// What values look like.
#[derive(Debug, Clone)]
enum Values {
    Integer {
        bits: u32,
        unsigned: bool,
    },
    Decimal {
        whole: u64,
        fraction: u64,
        unsigned: bool,
    },
    Float,
    Double,
    Bit(u64),
    /// Members of an ENUM, or of a SET if `set`.
    Members {
        count: u64,
        set: bool,
    },
    Listed(&'static [&'static str]),
    Text {
        charset: &'static str,
        longest: u64,
    },
    Binary {
        longest: u64,
    },
    Geometry(&'static [&'static str], u64),
    Vector {
        function: &'static str,
        length: u64,
        exact: bool,
    },
    Uuid,
}

/// A column type.
#[derive(Debug, Clone)]
pub struct Kind {
    /// As it is written in CREATE TABLE.
    pub sql: String,
    /// Whether and how it may be in a key.
    pub key: Key,
    /// Whether it may have a literal as default.
    pub default: bool,
    /// Whether FULLTEXT indexes take it.
    pub words: bool,
    /// Whether it is an integer.
    pub integer: bool,
    values: Values,
}

const DATES: &[&str] = &[
    "'0000-00-00'",
    "'2020-00-00'",
    "'2021-00-31'",
    "'2021-02-31'",
    "'9999-12-31'",
    "'1000-01-01'",
    "'0001-01-01'",
    "'2024-02-29'",
    "'1969-12-31'",
];
const DATETIMES: &[&str] = &[
    "'0000-00-00 00:00:00'",
    "'2020-00-00 11:12:13'",
    "'2021-02-31 23:59:59.999999'",
    "'9999-12-31 23:59:59.499999'",
    "'1000-01-01 00:00:00.000001'",
    "'2003-10-25 22:00:00'",
    "'2003-10-25 23:00:00.5'",
    "'0001-01-01'",
];
const STAMPS: &[&str] = &[
    "'0000-00-00 00:00:00'",
    "'1970-01-01 00:00:01'",
    "'2038-01-19 03:14:07.499999'",
    "'2003-10-25 22:00:00.25'",
    "'2003-10-25 23:00:00.25'",
    "'2024-02-29 12:00:00.000001'",
    "'2001-09-09 01:46:40'",
];
const TIMES: &[&str] = &[
    "'-838:59:59'",
    "'838:59:59'",
    "'00:00:00.000001'",
    "'-00:00:01'",
    "'-00:00:00.5'",
    "'12:34:56.789012'",
    "0",
    "'-838:59:58.999999'",
];
const YEARS: &[&str] = &["0", "1901", "2155", "1970", "2024", "'0'"];
const INET4: &[&str] = &["'0.0.0.0'", "'255.255.255.255'", "'10.0.0.1'", "'127.0.0.1'"];
const INET6: &[&str] =
    &["'::'", "'::1'", "'::ffff:192.0.2.1'", "'2001:db8::ff00:42:8329'", "'fe80::1'"];
const JSON: &[&str] = &[
    "'null'",
    "'{}'",
    "'[]'",
    "'\"\"'",
    "'[1, -1, 1.5, 1e3, -0.0, true, false, null]'",
    "'[18446744073709551615, -9223372036854775808, 18446744073709551616]'",
    r#"'{"b": {"": [[]]}, "a": "it\'s \\"x\\" \\\\ \\u0001 \\n /"}'"#,
    r#"'"\\u00e7 表 🦀 \\ud83e\\udd80"'"#,
    "'{\"z\": 1, \"aa\": 2, \"a\": 3.0}'",
    "'1.7976931348623157e308'",
    "'0.1'",
];
const SHAPES: &[&str] = &[
    "POINT(1 2)",
    "POINT(-0.5 1e-9)",
    "LINESTRING(0 0,1 1,2 2)",
    "POLYGON((0 0,0 5,5 5,5 0,0 0),(1 1,1 2,2 2,2 1,1 1))",
    "MULTIPOINT(1 1,2 2)",
    "MULTILINESTRING((1 1,2 2),(3 3,4 4))",
    "MULTIPOLYGON(((0 0,0 1,1 1,1 0,0 0)))",
    "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))",
];
const TEXTS: [&str; 14] = [
    "",
    " ",
    "a ",
    "NULL",
    "\\N",
    "it's \"q\" `b`",
    "line\nfeed\r\n\ttab",
    "nul\0mid\u{1a}",
    "\\",
    "'; DROP TABLE x; -- ",
    "ção ÄÖß",
    "表ソ能",
    "Ω≈ 🦀",
    "100%_\\%",
];

/// Character sets that each server has, and whether any bytes are good text in them.
const CHARSETS: [(&str, bool); 25] = [
    ("latin1", true),
    ("utf8mb3", false),
    ("utf8mb4", false),
    ("ucs2", false),
    ("utf16", false),
    ("utf32", false),
    ("utf16le", false),
    ("gbk", false),
    ("sjis", false),
    ("cp932", false),
    ("big5", false),
    ("euckr", false),
    ("ujis", false),
    ("koi8r", true),
    ("latin2", true),
    ("cp1251", true),
    ("ascii", false),
    ("swe7", false),
    ("greek", true),
    ("hebrew", true),
    ("macroman", true),
    ("dec8", true),
    ("cp850", true),
    ("binary", true),
    ("gb2312", false),
];

/// Two-byte characters, some with a backslash or a quote as second byte, by character set.
const PAIRS: [(&str, &[&str]); 7] = [
    ("sjis", &["835c", "955c", "945c", "8140"]),
    ("cp932", &["835c", "955c", "8740", "fa5c"]),
    ("gbk", &["bf5c", "c45c", "8140", "d5e2"]),
    ("big5", &["a55c", "b35c", "a440"]),
    ("ucs2", &["005c", "0027", "d83d", "0000", "8868"]),
    ("utf16", &["005c", "0027", "d83edd80", "0000"]),
    ("utf16le", &["5c00", "2700", "3ed880dd", "0000"]),
];

impl Kind {
    /// Some type of this server.
    pub fn draw(dice: &mut Dice, brand: Brand) -> Kind {
        match dice.below(if brand == Brand::Mariadb { 19 } else { 20 }) {
            0 | 1 => Kind::integer(dice),
            2 => Kind::decimal(dice),
            3 => {
                let sql = dice.word(&[
                    "FLOAT",
                    "FLOAT UNSIGNED",
                    "FLOAT(7,3)",
                    "FLOAT ZEROFILL",
                    "FLOAT(20)",
                ]);
                Kind::new(&sql, Key::Whole, true, Values::Float)
            }
            4 => {
                let sql = dice.word(&[
                    "DOUBLE",
                    "DOUBLE UNSIGNED",
                    "DOUBLE(12,4)",
                    "FLOAT(53)",
                    "DOUBLE ZEROFILL",
                ]);
                Kind::new(&sql, Key::Whole, true, Values::Double)
            }
            5 => {
                let width = *dice.pick(&[1, 7, 8, 9, 32, 63, 64]);
                Kind::new(&format!("BIT({width})"), Key::Whole, true, Values::Bit(width))
            }
            6 => Kind::members(dice, false),
            7 => Kind::members(dice, true),
            8 => Kind::new("YEAR", Key::Whole, true, Values::Listed(YEARS)),
            9 => Kind::new("DATE", Key::Whole, true, Values::Listed(DATES)),
            10 => Kind::fraction(dice, "DATETIME", DATETIMES),
            11 => Kind::fraction(dice, "TIMESTAMP", STAMPS),
            12 => Kind::fraction(dice, "TIME", TIMES),
            13 => Kind::new("JSON", Key::Never, false, Values::Listed(JSON)),
            14 => Kind::geometry(dice, brand),
            15 => Kind::binary(dice),
            16 | 17 => Kind::text(dice),
            18 if brand.is_mariadb() => match dice.below(3) {
                0 => Kind::new("UUID", Key::Whole, true, Values::Uuid),
                1 => Kind::new("INET4", Key::Whole, true, Values::Listed(INET4)),
                _ => Kind::new("INET6", Key::Whole, true, Values::Listed(INET6)),
            },
            _ => {
                let length = dice.between(1, 8);
                let exact = brand.is_mariadb();
                let function = if exact { "VEC_FromText" } else { "STRING_TO_VECTOR" };
                let values = Values::Vector { function, length, exact };
                Kind::new(&format!("VECTOR({length})"), Key::Never, false, values)
            }
        }
    }

    fn new(sql: &str, key: Key, default: bool, values: Values) -> Kind {
        Kind { sql: sql.to_owned(), key, default, words: false, integer: false, values }
    }

    /// Any of the integers.
    pub fn integer(dice: &mut Dice) -> Kind {
        let (name, bits) = *dice.pick(&[
            ("TINYINT", 8),
            ("SMALLINT", 16),
            ("MEDIUMINT", 24),
            ("INT", 32),
            ("BIGINT", 64),
            ("INT", 32),
        ]);
        let unsigned = dice.one_in(3);
        let form = if !unsigned { "" } else { *dice.pick(&["", "(5) ZEROFILL"]) };
        let sign = if unsigned && form.is_empty() { " UNSIGNED" } else { "" };
        Kind {
            integer: true,
            ..Kind::new(
                &format!("{name}{form}{sign}"),
                Key::Whole,
                true,
                Values::Integer { bits, unsigned },
            )
        }
    }

    /// The integer type of this name.
    pub fn plain_integer(bits: u32, unsigned: bool) -> Kind {
        let name = if bits == 64 { "BIGINT" } else { "INT" };
        let sql = format!("{name}{}", if unsigned { " UNSIGNED" } else { "" });
        Kind {
            integer: true,
            ..Kind::new(&sql, Key::Whole, true, Values::Integer { bits, unsigned })
        }
    }

    fn decimal(dice: &mut Dice) -> Kind {
        let (digits, fraction) =
            *dice.pick(&[(1, 0), (10, 2), (38, 10), (65, 30), (65, 0), (30, 30)]);
        let unsigned = dice.one_in(4);
        let sign = if unsigned { " UNSIGNED" } else { "" };
        let values = Values::Decimal { whole: digits - fraction, fraction, unsigned };
        Kind::new(&format!("DECIMAL({digits},{fraction}){sign}"), Key::Whole, true, values)
    }

    fn fraction(dice: &mut Dice, name: &str, values: &'static [&'static str]) -> Kind {
        let sql =
            if dice.one_in(3) { name.to_owned() } else { format!("{name}({})", dice.below(7)) };
        Kind::new(&sql, Key::Whole, true, Values::Listed(values))
    }

    fn members(dice: &mut Dice, set: bool) -> Kind {
        let charset = *dice.pick(&["utf8mb4", "latin1", "utf8mb3", "utf16", "sjis", "ucs2"]);
        let count = dice.between(1, 9);
        let word = |n: u64, dice: &mut Dice| match n {
            0 if !set && dice.one_in(2) => String::new(),
            n if charset == "utf8mb4" => format!("{}{n}", dice.pick(&NASTY)),
            n => format!("{}{n}", dice.pick(&["a", "it's", "b\\", "x\"y", "(", "`"])),
        };
        let members: Vec<String> = (0..count).map(|n| literal(&word(n, dice))).collect();
        let sql = format!(
            "{}({}) CHARACTER SET {charset}",
            if set { "SET" } else { "ENUM" },
            members.join(",")
        );
        Kind::new(&sql, Key::Whole, true, Values::Members { count, set })
    }

    fn geometry(dice: &mut Dice, brand: Brand) -> Kind {
        let (sql, shapes) = *dice.pick(&[
            ("GEOMETRY", SHAPES),
            ("POINT", &SHAPES[..2]),
            ("LINESTRING", &SHAPES[2..3]),
        ]);
        let srid = *dice.pick(&[0, 0, 4326, 3857]);
        // MySQL pins a column to one system; there the values are drawn with the column's.
        let pinned = !brand.is_mariadb() && dice.one_in(2);
        let sql = if pinned { format!("{sql} SRID {srid}") } else { sql.to_owned() };
        Kind::new(&sql, Key::Spatial, false, Values::Geometry(shapes, srid))
    }

    /// Bytes of any length.
    pub fn binary(dice: &mut Dice) -> Kind {
        let (sql, key, longest) = *dice.pick(&[
            ("BINARY(16)", Key::Whole, 16),
            ("VARBINARY(64)", Key::Whole, 64),
            ("BLOB", Key::Prefix, 600),
            ("LONGBLOB", Key::Prefix, 9000),
            ("TINYBLOB", Key::Prefix, 200),
        ]);
        Kind::new(sql, key, key == Key::Whole, Values::Binary { longest })
    }

    /// Text in any character set.
    pub fn text(dice: &mut Dice) -> Kind {
        let charset = dice.pick(&CHARSETS).0;
        let (name, key, longest) = *dice.pick(&[
            ("CHAR(20)", Key::Whole, 20),
            ("VARCHAR(60)", Key::Whole, 60),
            ("VARCHAR(200)", Key::Prefix, 200),
            ("TEXT", Key::Prefix, 500),
            ("MEDIUMTEXT", Key::Prefix, 4000),
        ]);
        let collation = if charset != "binary" && dice.one_in(3) {
            format!(" COLLATE {charset}_bin")
        } else {
            String::new()
        };
        let sql = format!("{name} CHARACTER SET {charset}{collation}");
        let default = !name.contains("TEXT");
        Kind {
            words: charset != "binary",
            ..Kind::new(&sql, key, default, Values::Text { charset, longest })
        }
    }

    /// A value as SQL.
    pub fn value(&self, dice: &mut Dice) -> String {
        match &self.values {
            Values::Integer { bits, unsigned } => integer(dice, *bits, *unsigned),
            Values::Decimal { whole, fraction, unsigned } => {
                let digits = |n: u64, dice: &mut Dice| -> String {
                    let same = *dice.pick(&[Some(9), Some(0), None]);
                    (0..n)
                        .map(|_| char::from(b'0' + same.unwrap_or_else(|| dice.below(10)) as u8))
                        .collect()
                };
                let sign = if !unsigned && dice.one_in(2) { "-" } else { "" };
                format!("{sign}0{}.{}0", digits(*whole, dice), digits(*fraction, dice))
            }
            Values::Float => {
                let bits = f32::from_bits(dice.bits() as u32);
                let any = if bits.is_finite() {
                    format!("{:e}", f64::from(bits))
                } else {
                    "0e0".to_owned()
                };
                let rare = dice.word(&[
                    "3.4028234663852886e38",
                    "1.17549435e-38",
                    "-0e0",
                    "16777217",
                    "0.1",
                    "1e-45",
                    "1.234566",
                ]);
                if dice.one_in(2) { any } else { rare }
            }
            Values::Double => {
                let bits = f64::from_bits(dice.bits());
                let any = if bits.is_finite() { format!("{bits:e}") } else { "0e0".to_owned() };
                let rare = dice.word(&[
                    "1.7976931348623157e308",
                    "5e-324",
                    "-0e0",
                    "0.1",
                    "2.2250738585072014e-308",
                    "1e22",
                ]);
                if dice.one_in(2) { any } else { rare }
            }
            Values::Bit(width) => {
                let bits = dice.bits() >> (64 - width);
                format!("b'{:b}'", if dice.one_in(4) { u64::MAX >> (64 - width) } else { bits })
            }
            Values::Members { count, set: false } => {
                if dice.one_in(5) {
                    "'no such member'".to_owned()
                } else {
                    dice.between(0, *count).to_string()
                }
            }
            Values::Members { count, set: true } => dice.below(1 << count).to_string(),
            Values::Listed(all) => dice.word(all),
            Values::Text { charset, longest } => text(dice, charset, *longest),
            Values::Binary { longest } => {
                let length = dice.below(longest + 1);
                let fill = dice.word(&["00", "20", "27", "5c", "ff"]);
                format!(
                    "x'{}'",
                    if dice.one_in(3) { fill.repeat(length as usize) } else { dice.hex(length) }
                )
            }
            Values::Geometry(shapes, srid) => {
                format!("ST_GeomFromText('{}', {srid})", dice.pick(shapes))
            }
            Values::Vector { function, length, exact } => {
                let length = if *exact { *length } else { dice.between(1, *length) };
                let number = |dice: &mut Dice| format!("{}e{}", dice.bits() as i16, dice.below(20));
                let numbers: Vec<String> = (0..length).map(|_| number(dice)).collect();
                format!("{function}('[{}]')", numbers.join(","))
            }
            Values::Uuid => {
                let h = dice.hex(16);
                format!("'{}-{}-{}-{}-{}'", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
            }
        }
    }
}

fn integer(dice: &mut Dice, bits: u32, unsigned: bool) -> String {
    let any = dice.bits() >> (64 - bits);
    match (dice.below(6), unsigned) {
        (0 | 1, _) => dice.below(100).to_string(),
        (2, true) => (u64::MAX >> (64 - bits)).to_string(),
        (_, true) => any.to_string(),
        (2, false) => (i64::MIN >> (64 - bits)).to_string(),
        (3, false) => (i64::MAX >> (64 - bits)).to_string(),
        (4, false) => format!("-{}", dice.between(1, 100)),
        (_, false) => (((any << (64 - bits)) as i64) >> (64 - bits)).to_string(),
    }
}

fn text(dice: &mut Dice, charset: &str, longest: u64) -> String {
    let any_bytes = CHARSETS.iter().any(|(name, any)| *name == charset && *any);
    let pairs = PAIRS.iter().find(|(name, _)| *name == charset).map(|(_, pairs)| *pairs);
    match dice.below(4) {
        0 if any_bytes => {
            let length = dice.below(longest.min(60) + 1);
            format!("_{charset} x'{}'", dice.hex(length))
        }
        0 | 1 if pairs.is_some() => {
            let pairs = pairs.unwrap_or_default();
            let all: String = (0..dice.between(1, 6)).map(|_| *dice.pick(pairs)).collect();
            format!("_{charset} x'{all}'")
        }
        2 if longest > 100 => {
            let times = dice.between(1, longest / 8);
            literal(
                &dice
                    .pick(&TEXTS)
                    .repeat(times as usize)
                    .chars()
                    .take(longest as usize / 2)
                    .collect::<String>(),
            )
        }
        _ => literal(&format!("{}{}", dice.pick(&TEXTS), dice.pick(&TEXTS))),
    }
}
