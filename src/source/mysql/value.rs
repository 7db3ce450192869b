//! A value of the binary protocol as the literal that is written and digested.
//!
//! Rows come through prepared statements: numbers and times then cross the wire as they are stored,
//! the server spends nothing on text, and a FLOAT arrives as its own four bytes where its text
//! would have six digits (trap M35). Knows no connection. Invariant: two values of a column are
//! equal if and only if their tag and bytes are.

use mysql::Value;

use crate::artifact::Tag;
use crate::source::mysql::column::{Column, Form};

/// The tag of a value, and its bytes, which may be made in `scratch`; `None` where the server sent
/// another kind of value than its type has.
pub fn literal<'v>(
    column: &Column,
    value: &'v Value,
    scratch: &'v mut Vec<u8>,
) -> Option<(Tag, &'v [u8])> {
    scratch.clear();
    let tag = match value {
        Value::NULL => return Some((Tag::Null, b"")),
        Value::Int(0) | Value::UInt(0) if column.is_year => return Some((Tag::Number, b"0000")),
        Value::Bytes(bytes) => return Some(of_bytes(column.form, bytes)),
        Value::Int(n) => {
            scratch.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes());
            Tag::Number
        }
        Value::UInt(n) => {
            scratch.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes());
            Tag::Number
        }
        Value::Float(x) => {
            write_float(*x, scratch)?;
            Tag::Number
        }
        Value::Double(x) => {
            write_double(*x, scratch)?;
            Tag::Number
        }
        Value::Date(year, month, day, hour, minute, second, micros) => {
            write_date([*year, u16::from(*month), u16::from(*day)], scratch);
            if !column.is_day {
                scratch.push(b' ');
                write_clock([u32::from(*hour), u32::from(*minute), u32::from(*second)], scratch);
                write_fraction(*micros, column.fraction, scratch);
            }
            Tag::Text
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            if *negative {
                scratch.push(b'-');
            }
            write_clock(
                [days * 24 + u32::from(*hours), u32::from(*minutes), u32::from(*seconds)],
                scratch,
            );
            write_fraction(*micros, column.fraction, scratch);
            Tag::Text
        }
    };
    Some((tag, scratch))
}

fn of_bytes(form: Form, bytes: &[u8]) -> (Tag, &[u8]) {
    match form {
        Form::Number | Form::EnumNumber => (Tag::Number, bytes),
        Form::Bytes => (Tag::Bytes, bytes),
        // Index 0, the error value, has the text '' and is no member.
        Form::Enum if bytes.is_empty() => (Tag::Number, b"0"),
        Form::Word | Form::Text | Form::WideText | Form::Utf8 | Form::Enum => (Tag::Text, bytes),
    }
}

/// The shortest digits that the server turns into the same FLOAT. It reads them as a DOUBLE first
/// and refuses what is above FLT_MAX (trap M36), so the shortest digits of the FLOAT itself do not
/// always serve.
fn write_float(x: f32, out: &mut Vec<u8>) -> Option<()> {
    let mut buffer = zmij::Buffer::new();
    let short = buffer.format(x);
    let read: f64 = short.parse().ok()?;
    if read as f32 == x && read.abs() <= f64::from(f32::MAX) && x != 0.0 {
        out.extend_from_slice(short.strip_suffix(".0").unwrap_or(short).as_bytes());
        return Some(());
    }
    write_double(f64::from(x), out)
}

/// The shortest digits of a DOUBLE. Only `-0e0` reads back as minus zero (trap M37).
fn write_double(x: f64, out: &mut Vec<u8>) -> Option<()> {
    if !x.is_finite() {
        return None;
    }
    if x == 0.0 {
        out.extend_from_slice(if x.is_sign_negative() { b"-0e0" } else { b"0" });
        return Some(());
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(x);
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    Some(())
}

/// Two digits each.
const PAIRS: &[u8; 200] = b"00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

fn write_pair(n: u32, out: &mut Vec<u8>) {
    let at = (n % 100) as usize * 2;
    out.extend_from_slice(&PAIRS[at..at + 2]);
}

fn write_date([year, month, day]: [u16; 3], out: &mut Vec<u8>) {
    write_pair(u32::from(year) / 100, out);
    write_pair(u32::from(year), out);
    out.push(b'-');
    write_pair(u32::from(month), out);
    out.push(b'-');
    write_pair(u32::from(day), out);
}

/// Hours may have three digits.
fn write_clock([hours, minutes, seconds]: [u32; 3], out: &mut Vec<u8>) {
    if hours >= 100 {
        out.extend_from_slice(itoa::Buffer::new().format(hours).as_bytes());
    } else {
        write_pair(hours, out);
    }
    out.push(b':');
    write_pair(minutes, out);
    out.push(b':');
    write_pair(seconds, out);
}

fn write_fraction(micros: u32, digits: u8, out: &mut Vec<u8>) {
    if digits == 0 {
        return;
    }
    out.push(b'.');
    let from = out.len();
    for pair in [micros / 10_000, micros / 100, micros] {
        write_pair(pair, out);
    }
    out.truncate(from + usize::from(digits.min(6)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(column_type: &str, value: Value) -> String {
        let data_type = column_type.split(['(', ' ']).next().unwrap_or_default();
        let charset = matches!(data_type, "varchar" | "enum").then(|| "utf8mb4".to_owned());
        let column =
            Column::new("c".into(), data_type, column_type, charset).expect("a known type");
        let mut scratch = b"left over".to_vec();
        let (tag, bytes) = literal(&column, &value, &mut scratch).expect("a value");
        format!("{tag:?} {}", String::from_utf8_lossy(bytes))
    }

    #[test]
    fn every_kind_of_value_has_one_literal() {
        for (column_type, value, expected) in [
            ("bigint(20) unsigned", Value::UInt(u64::MAX), "Number 18446744073709551615"),
            ("bigint", Value::Int(i64::MIN), "Number -9223372036854775808"),
            ("int(5) unsigned zerofill", Value::Int(7), "Number 7"),
            ("year(4)", Value::Int(0), "Number 0000"),
            ("year(4)", Value::UInt(1999), "Number 1999"),
            ("decimal(65,30)", Value::Bytes(b"0.10".to_vec()), "Number 0.10"),
            ("double", Value::Double(-0.0), "Number -0e0"),
            ("double", Value::Double(0.1), "Number 0.1"),
            ("double", Value::Double(1e300), "Number 1e+300"),
            ("double", Value::Double(3.0), "Number 3"),
            ("float", Value::Float(16_777_216.0), "Number 16777216"),
            ("float", Value::Float(1.234_567_9), "Number 1.2345679"),
            ("float", Value::Float(f32::MAX), "Number 3.4028234663852886e+38"),
            ("float", Value::Float(-0.0), "Number -0e0"),
            ("date", Value::Date(2021, 2, 31, 0, 0, 0, 0), "Text 2021-02-31"),
            ("date", Value::Date(0, 0, 0, 0, 0, 0, 0), "Text 0000-00-00"),
            ("datetime", Value::Date(0, 0, 0, 0, 0, 0, 0), "Text 0000-00-00 00:00:00"),
            ("datetime(6)", Value::Date(2026, 1, 2, 3, 4, 5, 6), "Text 2026-01-02 03:04:05.000006"),
            (
                "timestamp(2)",
                Value::Date(2026, 1, 2, 3, 4, 5, 670_000),
                "Text 2026-01-02 03:04:05.67",
            ),
            ("time", Value::Time(true, 34, 22, 59, 59, 0), "Text -838:59:59"),
            ("time(3)", Value::Time(false, 0, 1, 2, 3, 45_000), "Text 01:02:03.045"),
            ("varchar(9)", Value::Bytes(b"x".to_vec()), "Text x"),
            ("enum('a')", Value::Bytes(Vec::new()), "Number 0"),
            ("enum('a','')", Value::Double(2.0), "Number 2"),
            ("blob", Value::Bytes(vec![0]), "Bytes \0"),
            ("blob", Value::NULL, "Null "),
        ] {
            assert_eq!(shown(column_type, value), expected, "{column_type}");
        }
    }

    proptest! {
        #[test]
        fn every_float_and_double_comes_back(bits in any::<u32>(), wide in any::<u64>()) {
            let (x, y) = (f32::from_bits(bits), f64::from_bits(wide));
            let mut out = Vec::new();
            if x.is_finite() {
                write_float(x, &mut out).expect("finite");
                let read: f64 = String::from_utf8_lossy(&out).parse().expect("a number");
                prop_assert_eq!((read as f32).to_bits(), x.to_bits());
                prop_assert!(read.abs() <= f64::from(f32::MAX));
                out.clear();
            }
            if y.is_finite() {
                write_double(y, &mut out).expect("finite");
                let read: f64 = String::from_utf8_lossy(&out).parse().expect("a number");
                prop_assert_eq!(read.to_bits(), y.to_bits());
            }
        }
    }
}
