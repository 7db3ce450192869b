//! Rows of a SQLite table as SQL and as digests; the one place that knows how a SQLite value is
//! written.
//!
//! Invariant: the digest of a value is the digest of its literal, so reading the database and
//! reading the entry agree.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::artifact::{Dialect, Proof, RowDigest, Tag, write_bytes, write_name, write_text};

/// The columns of a table that are stored (generated ones are not), and before them its rowid,
/// where no column is it: full-text indexes and applications may point at it.
pub fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name, pk, upper(type)='INTEGER' FROM pragma_table_xinfo(?1) WHERE hidden=0 ORDER BY cid";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let found: Vec<(String, i64, bool)> = rows.collect::<rusqlite::Result<_>>()?;
    let sql = "SELECT wr FROM pragma_table_list WHERE schema='main' AND name=?1";
    let without_rowid: bool = connection.query_row(sql, [table], |row| row.get(0))?;
    let key: Vec<bool> =
        found.iter().filter(|(_, pk, _)| *pk > 0).map(|(_, _, integer)| *integer).collect();
    let taken = |name: &&str| found.iter().any(|(column, ..)| column.eq_ignore_ascii_case(name));
    let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name));
    // One INTEGER key is the rowid; declared DESC it is not, and then the rowid is the one thing
    // SQL does not keep.
    let hidden = rowid.filter(|_| !without_rowid && key != [true]).map(str::to_owned);
    Ok(hidden.into_iter().chain(found.into_iter().map(|(name, ..)| name)).collect())
}

/// The column, by its index, whose values are in the order in which the rows are read: the rowid,
/// hidden or declared; `None` of a table without one.
pub fn key(
    connection: &Connection,
    table: &str,
    columns: &[String],
) -> rusqlite::Result<Option<usize>> {
    let sql = "SELECT wr FROM pragma_table_list WHERE schema='main' AND name=?1";
    if connection.query_row(sql, [table], |row| row.get::<_, bool>(0))? {
        return Ok(None);
    }
    let sql = "SELECT name FROM pragma_table_xinfo(?1) WHERE pk>0 AND upper(type)='INTEGER'";
    let mut statement = connection.prepare(sql)?;
    let keys = statement.query_map([table], |row| row.get::<_, String>(0))?;
    let keys: Vec<String> = keys.collect::<rusqlite::Result<_>>()?;
    let sql = "SELECT count(*) FROM pragma_table_xinfo(?1) WHERE hidden=0";
    let declared: i64 = connection.query_row(sql, [table], |row| row.get(0))?;
    // Declared DESC, the key has an index and is not the rowid.
    let sql = "SELECT count(*) FROM pragma_index_list(?1) WHERE origin='pk'";
    let indexed: i64 = connection.query_row(sql, [table], |row| row.get(0))?;
    Ok(match keys.as_slice() {
        _ if columns.len() as i64 > declared => Some(0),
        [only] if indexed == 0 => columns.iter().position(|column| column == only),
        _ => None,
    })
}

/// `INSERT INTO "t" ("a","b") VALUES`.
pub fn insert_head(table: &str, columns: &[String]) -> Vec<u8> {
    let mut head = b"INSERT INTO ".to_vec();
    write_name(Dialect::Sqlite, table, &mut head);
    head.extend_from_slice(b" (");
    write_list(columns, &mut head);
    head.extend_from_slice(b") VALUES");
    head
}

/// Whether rows of a table can be read without its application; the error says what is missing.
pub fn readable(connection: &Connection, table: &str) -> rusqlite::Result<()> {
    let columns = columns(connection, table)?;
    connection.prepare(&select(table, &columns)).map(drop)
}

/// `SELECT "a","b" FROM "t"`.
pub fn select(table: &str, columns: &[String]) -> String {
    let mut sql = b"SELECT ".to_vec();
    write_list(columns, &mut sql);
    sql.extend_from_slice(b" FROM ");
    write_name(Dialect::Sqlite, table, &mut sql);
    String::from_utf8(sql).expect("BUG: names are UTF-8")
}

fn write_list(columns: &[String], out: &mut Vec<u8>) {
    for (i, column) in columns.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_name(Dialect::Sqlite, column, out);
    }
}

/// Writes one row as `(…)` and adds it to the digest; `out` is `None` where only the digest is
/// wanted.
pub fn take_row(
    row: &Row<'_>,
    count: usize,
    digest: &mut RowDigest,
    mut out: Option<&mut Vec<u8>>,
) -> rusqlite::Result<()> {
    if let Some(out) = out.as_deref_mut() {
        out.push(b'(');
    }
    for index in 0..count {
        if let Some(out) = out.as_deref_mut()
            && index > 0
        {
            out.push(b',');
        }
        let value = row.get_ref(index)?;
        let literal;
        let (tag, bytes): (Tag, &[u8]) = match value {
            ValueRef::Null => (Tag::Null, b""),
            ValueRef::Integer(number) => {
                literal = number.to_string();
                (Tag::Number, literal.as_bytes())
            }
            ValueRef::Real(number) => {
                literal = show_real(number);
                (Tag::Number, literal.as_bytes())
            }
            ValueRef::Text(text) => (Tag::Text, text),
            ValueRef::Blob(blob) => (Tag::Bytes, blob),
        };
        digest.value(tag, bytes);
        if let Some(out) = out.as_deref_mut() {
            write_value(tag, bytes, out);
        }
    }
    if let Some(out) = out {
        out.push(b')');
    }
    digest.end_row();
    Ok(())
}

fn write_value(tag: Tag, bytes: &[u8], out: &mut Vec<u8>) {
    match tag {
        Tag::Null => out.extend_from_slice(b"NULL"),
        Tag::Number => out.extend_from_slice(bytes),
        Tag::Bytes => write_bytes(bytes, out),
        // A literal ends at NUL, and the shell would replace what is not UTF-8.
        Tag::Text if bytes.contains(&0) || std::str::from_utf8(bytes).is_err() => {
            out.extend_from_slice(b"CAST(");
            write_bytes(bytes, out);
            out.extend_from_slice(b" AS TEXT)");
        }
        Tag::Text => write_text(Dialect::Sqlite, bytes, out),
    }
}

/// The shortest literal that reads back to the same double and stays a REAL; infinities as 9e999.
fn show_real(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "9e999".into() } else { "-9e999".into() };
    }
    format!("{number:?}")
}

/// Rows and digest of a whole table.
pub fn prove(connection: &Connection, table: &str) -> rusqlite::Result<Proof> {
    let columns = columns(connection, table)?;
    let mut statement = connection.prepare(&select(table, &columns))?;
    let mut rows = statement.query([])?;
    let mut digest = RowDigest::new();
    while let Some(row) = rows.next()? {
        take_row(row, columns.len(), &mut digest, None)?;
    }
    Ok(digest.take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_stay_reals_and_come_back() {
        for number in
            [0.0, -0.0, 1.0, 0.1, 1e300, -1e-300, f64::MAX, f64::MIN_POSITIVE, 123_456_789.125]
        {
            let text = show_real(number);
            assert!(text.contains(['.', 'e']), "{text}");
            assert_eq!(
                text.parse::<f64>().expect("a number").to_bits(),
                number.to_bits(),
                "{text}"
            );
        }
        assert_eq!(show_real(f64::NEG_INFINITY), "-9e999");
    }
}
