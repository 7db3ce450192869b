//! Columns: how each type is asked for, and how its value is written, so that it comes back bit for bit.
//!
//! A type nobody knows is refused, never guessed. FLOAT is read as `col*1e0`, since its own text has six digits only;
//! text is read as the bytes of its own character set, and written as a plain literal only where that can't change a
//! byte.

use crate::artifact::{Dialect, Tag, write_bytes, write_name, write_text};

/// How a column is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A bare number.
    Number,
    /// A number read without its display form (FLOAT, ZEROFILL, `DOUBLE(m,d)`).
    PlainNumber,
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
    /// Its character set, for text.
    pub charset: String,
    /// Whether it is an integer, for chunking.
    pub integer: bool,
}

impl Column {
    /// Decides the form of a column by its type; the error is the type nobody knows.
    pub fn new(name: String, data_type: &str, column_type: &str, charset: Option<String>) -> Result<Column, String> {
        let column_type = column_type.to_lowercase();
        let data_type = data_type.to_lowercase();
        let shown = column_type.contains("zerofill") || column_type.contains(',');
        let integer = matches!(data_type.as_str(), "tinyint" | "smallint" | "mediumint" | "int" | "bigint");
        let charset = charset.unwrap_or_default();
        let form = match data_type.as_str() {
            "float" => Form::PlainNumber,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "double" if shown => Form::PlainNumber,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "double" | "decimal" | "year" => Form::Number,
            "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => Form::Bytes,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
            | "geometrycollection" | "geomcollection" => Form::Bytes,
            "date" | "datetime" | "timestamp" | "time" | "inet4" | "inet6" | "uuid" => Form::Word,
            "json" => Form::Utf8,
            // With a member '' its text does not tell it from the error value.
            "enum" if has_empty_member(&column_type) => Form::PlainNumber,
            "enum" => Form::Enum,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "set" => text_form(&charset),
            _ => return Err(column_type),
        };
        let charset = if form == Form::Utf8 { "utf8mb4".into() } else { charset };
        Ok(Column { name, form, charset, integer })
    }

    /// Writes the expression that reads it.
    pub fn write_expression(&self, out: &mut Vec<u8>) {
        write_name(Dialect::Mysql, &self.name, out);
        match self.form {
            // An integer stays one; a float becomes the double that it is.
            Form::PlainNumber if self.integer => out.extend_from_slice(b"+0"),
            Form::PlainNumber => out.extend_from_slice(b"*1e0"),
            Form::Number | Form::Bytes | Form::Word | Form::Text | Form::WideText | Form::Utf8 | Form::Enum => {}
        }
    }

    /// The tag of a value, and its bytes where they are not those of the wire.
    pub fn tag<'v>(&self, value: &'v [u8]) -> (Tag, &'v [u8]) {
        match self.form {
            // Only `-0e0` reads back as minus zero.
            Form::Number | Form::PlainNumber if value == b"-0" => (Tag::Number, b"-0e0"),
            Form::Number | Form::PlainNumber => (Tag::Number, value),
            Form::Bytes => (Tag::Bytes, value),
            Form::Enum if value.is_empty() => (Tag::Number, b"0"),
            Form::Word | Form::Text | Form::WideText | Form::Utf8 | Form::Enum => (Tag::Text, value),
        }
    }

    /// Writes a value; the error says what could not be written without changing it.
    pub fn write(&self, tag: Tag, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        match tag {
            Tag::Null => out.extend_from_slice(b"NULL"),
            Tag::Number => out.extend_from_slice(bytes),
            Tag::Bytes => write_bytes(bytes, out),
            Tag::Text if self.is_plain(bytes) => write_text(Dialect::Mysql, bytes, out),
            Tag::Text if self.form == Form::Utf8 => return Err("text that is not UTF-8 in a UTF-8 column"),
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
            Form::Enum if text_form(&self.charset) == Form::Utf8 => std::str::from_utf8(bytes).is_ok(),
            Form::Enum if text_form(&self.charset) == Form::WideText => false,
            Form::WideText => false,
            Form::Text | Form::Word | Form::Enum => bytes.is_ascii(),
            Form::Number | Form::PlainNumber | Form::Bytes => false,
        }
    }
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

    fn written(data_type: &str, charset: &str, value: &[u8]) -> Result<String, &'static str> {
        let charset = (!charset.is_empty()).then(|| charset.to_owned());
        let column = Column::new("c".into(), data_type, data_type, charset).expect("a known type");
        let (tag, bytes) = column.tag(value);
        let mut out = Vec::new();
        column.write(tag, bytes, &mut out)?;
        Ok(String::from_utf8(out).expect("ASCII"))
    }

    #[test]
    fn every_form_is_written_so_that_it_comes_back() {
        for (data_type, charset, value, expected) in [
            ("bigint", "", &b"18446744073709551615"[..], "18446744073709551615"),
            ("double", "", b"-0", "-0e0"),
            ("varchar", "utf8mb4", b"it's", "'it\\'s'"),
            ("varchar", "latin1", b"abc", "'abc'"),
            ("varchar", "latin1", b"\xe9", "_latin1 x'E9'"),
            ("varchar", "sjis", b"\x83\x5c", "_sjis x'835C'"),
            ("text", "utf16", b"\0a", "_utf16 x'0061'"),
            ("blob", "", b"\0", "x'00'"),
            ("enum", "utf8mb4", b"", "0"),
            ("datetime", "", b"0000-00-00 00:00:00", "'0000-00-00 00:00:00'"),
        ] {
            assert_eq!(written(data_type, charset, value).as_deref(), Ok(expected), "{data_type} {charset}");
        }
        assert!(written("varchar", "utf8mb4", b"\xff").is_err());
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

    #[test]
    fn floats_and_padded_numbers_are_read_without_their_display_form() {
        for (data_type, column_type, expected) in [
            ("float", "float", "`c`*1e0"),
            ("double", "double(7,3)", "`c`*1e0"),
            ("int", "int(5) unsigned zerofill", "`c`+0"),
            ("int", "int", "`c`"),
            ("decimal", "decimal(10,2)", "`c`"),
        ] {
            let mut out = Vec::new();
            Column::new("c".into(), data_type, column_type, None).expect("known").write_expression(&mut out);
            assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
        }
    }
}
