//! Values of the catalog as PostgreSQL sends and takes them, in its binary forms.
//!
//! The server says which type it expects, and a value becomes that one. Texts can't hold a NUL
//! there: it is left out.

use std::error::Error;

use bytes::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::catalog::value::{Row, Value};

/// A value that goes into a statement.
#[derive(Debug)]
pub struct Given<'a>(pub &'a Value);

impl ToSql for Given<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let number = match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Int(number) => Ok(*number),
            Value::Text(text) => text.parse::<i64>(),
        };
        match *kind {
            Type::INT8 => number?.to_sql(kind, out),
            Type::INT4 => i32::try_from(number?)?.to_sql(kind, out),
            Type::INT2 => i16::try_from(number?)?.to_sql(kind, out),
            Type::BOOL => (number? != 0).to_sql(kind, out),
            _ => match self.0 {
                Value::Text(text) if text.contains('\0') => {
                    text.replace('\0', "").to_sql(kind, out)
                }
                Value::Text(text) => text.to_sql(kind, out),
                Value::Int(number) => number.to_string().to_sql(kind, out),
                Value::Null => Ok(IsNull::Yes),
            },
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::INT4 | Type::INT2 | Type::BOOL)
            || <&str as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

/// A row of an answer.
pub fn found(row: &postgres::Row) -> Result<Row, postgres::Error> {
    let value = |column| row.try_get::<_, Option<Found>>(column);
    let values: Result<Vec<Value>, _> =
        (0..row.len()).map(|c| value(c).map(|v| v.map_or(Value::Null, |v| v.0))).collect();
    values.map(Row)
}

/// A value of an answer.
struct Found(Value);

impl<'a> FromSql<'a> for Found {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Found, Box<dyn Error + Sync + Send>> {
        Ok(Found(match *kind {
            Type::INT8 => Value::Int(i64::from_sql(kind, raw)?),
            Type::INT4 => Value::Int(i64::from(i32::from_sql(kind, raw)?)),
            Type::INT2 => Value::Int(i64::from(i16::from_sql(kind, raw)?)),
            Type::BOOL => Value::from(bool::from_sql(kind, raw)?),
            Type::FLOAT8 => Value::Text(f64::from_sql(kind, raw)?.to_string()),
            Type::NUMERIC => Value::Text(decimal(raw).ok_or("a number that is none")?),
            Type::TIMESTAMP => Value::Text(second(i64::from_be_bytes(raw.try_into()?))?),
            _ => Value::Text(<&str>::from_sql(kind, raw)?.to_owned()),
        }))
    }

    fn accepts(kind: &Type) -> bool {
        let own = [
            Type::INT8,
            Type::INT4,
            Type::INT2,
            Type::BOOL,
            Type::FLOAT8,
            Type::NUMERIC,
            Type::TIMESTAMP,
        ];
        own.contains(kind) || <&str as FromSql>::accepts(kind)
    }
}

/// Digits of a `numeric`: groups of four, the weight of the first, a sign, digits behind the point.
fn decimal(raw: &[u8]) -> Option<String> {
    let word = |index: usize| {
        let bytes = raw.get(2 * index..2 * index + 2)?;
        Some(i32::from(i16::from_be_bytes(bytes.try_into().ok()?)))
    };
    let (groups, weight, sign, scale) = (word(0)?, word(1)?, word(2)?, word(3)?);
    let group = |at: i32| match at {
        at if (0..groups).contains(&at) => word(4 + at as usize),
        _ => Some(0),
    };
    let mut whole = String::new();
    for at in 0..=weight {
        whole += &format!("{:04}", group(at)?);
    }
    let mut rest = String::new();
    let mut at = weight + 1;
    while rest.len() < usize::try_from(scale).ok()? {
        rest += &format!("{:04}", group(at)?);
        at += 1;
    }
    rest.truncate(scale as usize);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let minus = match sign {
        0 => "",
        0x4000 => "-",
        _ => return None,
    };
    Some(if rest.is_empty() { format!("{minus}{whole}") } else { format!("{minus}{whole}.{rest}") })
}

/// A moment that counts microseconds from 2000, as text up to the second.
fn second(micros: i64) -> Result<String, jiff::Error> {
    let at = jiff::Timestamp::from_second(micros.div_euclid(1_000_000) + 946_684_800)?;
    Ok(at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeric_is_its_digits() {
        let raw =
            |words: &[u16]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
        let all = [
            (&[0, 0, 0, 0][..], "0"),
            (&[2, 1, 0, 0, 12, 345], "120345"),
            (&[1, 1, 0, 0, 12], "120000"),
            (&[2, 0, 0x4000, 2, 3, 500], "-3.05"),
            (&[1, 0xffff, 0, 3, 1230], "0.123"),
        ];
        for (words, digits) in all {
            assert_eq!(decimal(&raw(words)).as_deref(), Some(digits));
        }
        assert_eq!(decimal(&[0, 1]), None);
        assert_eq!(second(1_500_000).expect("in range"), "2000-01-01 00:00:01");
    }
}
