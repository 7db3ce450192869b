//! Columns: how each type is asked for, and how its value is written, so that it comes back bit for
//! bit.
//!
//! A type nobody knows is refused, never guessed. Text is read as the bytes of its own character
//! set, and written as a plain literal only where that can't change a byte.

use crate::artifact::{Dialect, Tag, write_bytes, write_name, write_text};

/// How a column is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A bare number.
    Number,
    /// ENUM with a member '': read and written by the number of its member.
    EnumNumber,
    /// `x'…'`.
    Bytes,
    /// A quoted text of ASCII: dates, times, UUIDs.
    Word,
    /// Text in a character set whose ASCII bytes are ASCII.
    Text,
    /// Text in a character set of which no byte may be taken for ASCII (UCS-2, UTF-16, UTF-32).
    WideText,
    /// Text that is UTF-8.
    Utf8,
    /// ENUM: text, and the number 0 for the error value.
    Enum,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// How it is read and written.
    pub form: Form,
    /// The character set its text is written in.
    pub charset: String,
    /// The character set it is declared in.
    declared: String,
    /// Whether it is an integer, for chunking.
    pub integer: bool,
    /// Whether the server compares it in the order in which it sorts it, with a literal as with a
    /// column.
    pub comparable: bool,
    /// Digits of the fraction of a second.
    pub fraction: u8,
    /// Whether it is a YEAR: as a text, which LOAD DATA reads, 0 would be 2000 and 0000 is 0.
    pub is_year: bool,
    /// Whether it is a DATE, which has no time of day.
    pub is_day: bool,
}

impl Column {
    /// Decides the form of a column by its type; the error is the type nobody knows.
    pub fn new(
        name: String,
        data_type: &str,
        column_type: &str,
        charset: Option<String>,
    ) -> Result<Column, String> {
        let column_type = column_type.to_lowercase();
        let data_type = data_type.to_lowercase();
        let integer =
            matches!(data_type.as_str(), "tinyint" | "smallint" | "mediumint" | "int" | "bigint");
        let charset = charset.unwrap_or_default();
        let form = match data_type.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "float" | "double"
            | "decimal" | "year" => Form::Number,
            "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob"
            | "vector" => Form::Bytes,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" => Form::Bytes,
            "date" | "datetime" | "timestamp" | "time" | "inet4" | "inet6" | "uuid" => Form::Word,
            "json" => Form::Utf8,
            // With a member '' its text does not tell it from the error value.
            "enum" if has_empty_member(&column_type) => Form::EnumNumber,
            "enum" => Form::Enum,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "set" => {
                text_form(&charset)
            }
            _ => return Err(column_type),
        };
        let declared = charset.clone();
        let charset = if form == Form::Utf8 { "utf8mb4".into() } else { charset };
        // ENUM, SET and BIT sort by another order than they compare, FLOAT does not compare with
        // its own text (M28, M29).
        let comparable = !matches!(
            data_type.as_str(),
            "enum" | "set" | "bit" | "float" | "double" | "json" | "vector"
        ) && !matches!(form, Form::Bytes)
            | matches!(data_type.as_str(), "binary" | "varbinary");
        let fraction = match data_type.as_str() {
            "datetime" | "timestamp" | "time" => precision(&column_type),
            _ => 0,
        };
        let (is_day, is_year) = (data_type == "date", data_type == "year");
        Ok(Column { name, form, charset, declared, integer, comparable, fraction, is_day, is_year })
    }

    /// Writes the expression that reads it.
    pub fn write_expression(&self, out: &mut Vec<u8>) {
        write_name(Dialect::Mysql, &self.name, out);
        if self.form == Form::EnumNumber {
            out.extend_from_slice(b"+0");
        }
    }

    /// A value as what the column is compared with: text in the column's own character set, so that
    /// nothing is converted and the column's collation decides. `None` for what compares with
    /// nothing.
    pub fn key_literal(&self, tag: Tag, bytes: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        match tag {
            Tag::Null => return None,
            Tag::Number => out.extend_from_slice(bytes),
            Tag::Bytes => write_bytes(bytes, &mut out),
            Tag::Text if self.declared.is_empty() => write_text(Dialect::Mysql, bytes, &mut out),
            Tag::Text => {
                out.push(b'_');
                out.extend_from_slice(self.declared.as_bytes());
                out.push(b' ');
                write_bytes(bytes, &mut out);
            }
        }
        String::from_utf8(out).ok()
    }

    /// Writes a value; the error says what could not be written without changing it.
    pub fn write(&self, tag: Tag, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        match tag {
            Tag::Null => out.extend_from_slice(b"NULL"),
            Tag::Number => out.extend_from_slice(bytes),
            Tag::Bytes => write_bytes(bytes, out),
            Tag::Text if self.is_plain(bytes) => write_text(Dialect::Mysql, bytes, out),
            Tag::Text if self.form == Form::Utf8 => {
                return Err("text that is not UTF-8 in a UTF-8 column");
            }
            Tag::Text => {
                out.push(b'_');
                out.extend_from_slice(self.charset.as_bytes());
                out.push(b' ');
                write_bytes(bytes, out);
            }
        }
        Ok(())
    }

    /// Whether a plain literal on a utf8mb4 connection comes back as the same bytes.
    fn is_plain(&self, bytes: &[u8]) -> bool {
        match self.form {
            Form::Utf8 => std::str::from_utf8(bytes).is_ok(),
            Form::Enum if text_form(&self.charset) == Form::Utf8 => {
                std::str::from_utf8(bytes).is_ok()
            }
            Form::Enum if text_form(&self.charset) == Form::WideText => false,
            Form::WideText => false,
            Form::Text | Form::Word | Form::Enum => bytes.is_ascii(),
            Form::Number | Form::EnumNumber | Form::Bytes => false,
        }
    }
}

/// The digits of `datetime(6)`.
fn precision(column_type: &str) -> u8 {
    let inner = column_type.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inner.and_then(|(digits, _)| digits.parse().ok()).unwrap_or(0)
}

/// Whether `enum('a','')` has an empty member; quotes in members are doubled.
fn has_empty_member(column_type: &str) -> bool {
    let (mut inside, mut length) = (false, 0);
    let mut chars = column_type.chars().peekable();
    while let Some(c) = chars.next() {
        match (inside, c) {
            (false, '\'') => (inside, length) = (true, 0),
            (true, '\'') if chars.peek() == Some(&'\'') => {
                chars.next();
                length += 1;
            }
            (true, '\'') if length == 0 => return true,
            (true, '\'') => inside = false,
            (true, _) => length += 1,
            (false, _) => {}
        }
    }
    false
}

fn text_form(charset: &str) -> Form {
    match charset {
        "utf8mb4" | "utf8mb3" | "utf8" => Form::Utf8,
        "ucs2" | "utf16" | "utf16le" | "utf32" | "swe7" => Form::WideText,
        // Text of a binary character set has no text.
        "binary" | "" => Form::Bytes,
        _ => Form::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(
        data_type: &str,
        charset: &str,
        tag: Tag,
        value: &[u8],
    ) -> Result<String, &'static str> {
        let charset = (!charset.is_empty()).then(|| charset.to_owned());
        let column = Column::new("c".into(), data_type, data_type, charset).expect("a known type");
        let mut out = Vec::new();
        column.write(tag, value, &mut out)?;
        Ok(String::from_utf8(out).expect("ASCII"))
    }

    #[test]
    fn every_form_is_written_so_that_it_comes_back() {
        for (data_type, charset, tag, value, expected) in [
            ("double", "", Tag::Number, &b"-0e0"[..], "-0e0"),
            ("varchar", "utf8mb4", Tag::Text, b"it's", "'it\\'s'"),
            ("varchar", "latin1", Tag::Text, b"abc", "'abc'"),
            ("varchar", "latin1", Tag::Text, b"\xe9", "_latin1 x'E9'"),
            ("varchar", "sjis", Tag::Text, b"\x83\x5c", "_sjis x'835C'"),
            ("text", "utf16", Tag::Text, b"\0a", "_utf16 x'0061'"),
            ("blob", "", Tag::Bytes, b"\0", "x'00'"),
            ("enum", "utf8mb4", Tag::Number, b"0", "0"),
            ("datetime", "", Tag::Text, b"0000-00-00 00:00:00", "'0000-00-00 00:00:00'"),
        ] {
            assert_eq!(
                written(data_type, charset, tag, value).as_deref(),
                Ok(expected),
                "{data_type} {charset}"
            );
        }
        assert!(written("varchar", "utf8mb4", Tag::Text, b"\xff").is_err());
        assert!(Column::new("c".into(), "money", "money", None).is_err());
    }

    #[test]
    fn an_enum_with_an_empty_member_is_read_by_number() {
        for (column_type, empty) in [
            ("enum('a','b')", false),
            ("enum('')", true),
            ("enum('a','','b')", true),
            ("enum('it''s','''')", false),
            ("enum('x''','''y')", false),
        ] {
            assert_eq!(has_empty_member(column_type), empty, "{column_type}");
        }
    }
}
