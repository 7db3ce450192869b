//! The table of contents of an archive of `pg_dump`, custom or directory: every definition, with
//! what it is and needs.
//!
//! Pure. Versions 1.14 (PostgreSQL 12 to 15), 1.15 (16) and 1.16 (17 and 18); what is newer is
//! refused by its number. Source of the format: `WriteHead` and `WriteToc` of
//! src/bin/pg_dump/pg_backup_archiver.c in PostgreSQL.

/// One definition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// Its number in the archive.
    pub id: i64,
    /// The catalog it is described in, and its row there.
    pub object: (u32, u32),
    /// Its name, as pg_dump shows it: `orders`, `orders orders_pkey`, `COLUMN orders.id`.
    pub tag: String,
    /// What it is: `TABLE`, `FK CONSTRAINT`, `ACL`.
    pub what: String,
    /// When it is made.
    pub section: Section,
    /// Its SQL.
    pub definition: String,
    /// The SQL that would remove it.
    pub drop: String,
    /// Its schema.
    pub schema: Option<String>,
    /// Its tablespace; empty for the database's.
    pub tablespace: Option<String>,
    /// Its access method, for tables.
    pub method: Option<String>,
    /// `pg_class.relkind`, from 1.16 on.
    pub relkind: Option<char>,
    /// Its owner.
    pub owner: String,
    /// Numbers of what must be there before.
    pub needs: Vec<i64>,
    /// The file of its rows, in a directory.
    pub file: Option<String>,
    /// The COPY that its rows are loaded by.
    pub copy: String,
}

/// When a definition is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Section {
    /// With whatever it is about: comments, rights.
    #[default]
    None,
    /// Before the rows.
    Before,
    /// Rows.
    Data,
    /// After the rows.
    After,
}

/// An archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Version of the server.
    pub server: String,
    /// Version of pg_dump.
    pub program: String,
    /// Its definitions, in the order in which they may be made.
    pub items: Vec<Item>,
}

/// Reads a table of contents; the error says what of it is not understood.
pub fn parse(bytes: &[u8]) -> Result<Archive, String> {
    let mut reader = Reader::new(bytes);
    let (minor, server, program) = reader.head(&[CUSTOM, DIRECTORY])?;
    let count = reader.int()?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(reader.item(minor)?);
    }
    Ok(Archive { server, program, items })
}

/// The major version of the `pg_dump` that made an archive, or the table of contents of a
/// directory.
pub fn maker(bytes: &[u8]) -> Result<u32, String> {
    let (_, _, program) = Reader::new(bytes).head(&[CUSTOM, DIRECTORY])?;
    let digits: String = program.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| format!("it was made by pg_dump {program}"))
}

/// Numbers of formats; the table of contents of a directory is written as that of a tar file.
const CUSTOM: u8 = 1;
const DIRECTORY: u8 = 3;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bytes of an integer.
    int: usize,
    /// Bytes of an offset.
    offset: usize,
    /// Number of the format.
    format: u8,
}

impl Reader<'_> {
    /// Reads what stands before the items: the minor version of the format, those of the server and
    /// of pg_dump.
    fn head(&mut self, formats: &[u8]) -> Result<(u8, String, String), String> {
        if self.take(5)? != b"PGDMP" {
            return Err("it does not begin with PGDMP".into());
        }
        let version = (self.byte()?, self.byte()?);
        self.byte()?;
        if version.0 != 1 || !(14..=16).contains(&version.1) {
            return Err(format!(
                "archive format {}.{}, and this vex knows 1.14 to 1.16",
                version.0, version.1
            ));
        }
        self.int = usize::from(self.byte()?);
        self.offset = usize::from(self.byte()?);
        self.format = self.byte()?;
        if !formats.contains(&self.format) {
            return Err("it is of a format that is not expected here".into());
        }
        if version.1 >= 15 {
            self.byte()?; // Algorithm of compression.
        } else {
            self.int()?;
        }
        for _ in 0..7 {
            self.int()?; // Moment of its making.
        }
        self.text()?;
        let server = self.text()?.unwrap_or_default();
        let program = self.text()?.unwrap_or_default();
        Ok((version.1, server, program))
    }
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0, int: 4, offset: 8, format: 0 }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end =
            end.ok_or_else(|| format!("it ends at byte {}, inside of an item", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    /// A sign, then the bytes of the number, lowest first.
    fn int(&mut self) -> Result<i64, String> {
        let negative = self.byte()? != 0;
        let bytes = self.take(self.int)?;
        let value = bytes.iter().rev().fold(0_i64, |value, byte| (value << 8) | i64::from(*byte));
        Ok(if negative { -value } else { value })
    }

    fn text(&mut self) -> Result<Option<String>, String> {
        let Ok(length) = usize::try_from(self.int()?) else { return Ok(None) };
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|e| format!("a text at byte {} is not UTF-8: {e}", self.at))?;
        Ok(Some(text.to_owned()))
    }

    fn number(&mut self) -> Result<u32, String> {
        let text = self.text()?.unwrap_or_default();
        text.parse().map_err(|_| format!("{text} at byte {} is not an object identifier", self.at))
    }

    fn item(&mut self, minor: u8) -> Result<Item, String> {
        let id = self.int()?;
        self.int()?; // Whether it has rows.
        let object = (self.number()?, self.number()?);
        let tag = self.text()?.unwrap_or_default();
        let what = self.text()?.unwrap_or_default();
        let section = match self.int()? {
            1 => Section::None,
            2 => Section::Before,
            3 => Section::Data,
            4 => Section::After,
            other => return Err(format!("{what} {tag} is of section {other}")),
        };
        let definition = self.text()?.unwrap_or_default();
        let drop = self.text()?.unwrap_or_default();
        let copy = self.text()?.unwrap_or_default();
        let filled = |text: Option<String>| text.filter(|t| !t.is_empty());
        let schema = filled(self.text()?);
        let tablespace = self.text()?;
        let method = filled(self.text()?);
        let relkind = if minor >= 16 {
            u8::try_from(self.int()?).ok().filter(|k| *k > 0).map(char::from)
        } else {
            None
        };
        let owner = self.text()?.unwrap_or_default();
        self.text()?; // Whether it has OIDs.
        let mut needs = Vec::new();
        while let Some(number) = self.text()? {
            needs.push(number.parse().map_err(|_| format!("{what} {tag} needs {number}"))?);
        }
        // Where its rows are.
        let file = match self.format {
            DIRECTORY => filled(self.text()?),
            _ => self.take(1 + self.offset).map(|_| None)?,
        };
        Ok(Item {
            id,
            object,
            tag,
            what,
            section,
            definition,
            drop,
            schema,
            tablespace,
            method,
            relkind,
            owner,
            needs,
            file,
            copy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_or_of_another_format_is_an_error() {
        for bad in [
            &b""[..],
            b"PGDMP",
            b"PGDMP\x01\x11\x00\x04\x08\x01",
            b"PGDMP\x01\x0e\x00\x04\x08\x05",
            b"-- a script",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse(b"PGDMP\x01\x11\x00\x04\x08\x01").unwrap_err().contains("1.17"));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            drop(parse(&bytes));
            drop(parse(&[b"PGDMP\x01\x10\x00\x04\x08\x01", bytes.as_slice()].concat()));
        }
    }
}
