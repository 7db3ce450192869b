//! All of a SQLite database but its rows, as SQL.
//!
//! Knows no copy and no member.

use rusqlite::Connection;

use crate::artifact::RowDigest;
use crate::source::sqlite::rows;

/// The table of what ANALYZE found out.
pub const STATISTICS: &str = "sqlite_stat1";

/// A table as `PRAGMA table_list` knows it.
pub struct Table {
    /// Its name.
    pub name: String,
    /// `table`, `virtual` or `shadow`.
    pub form: String,
}

/// The tables of the application, in the order they were made.
pub fn tables(connection: &Connection) -> rusqlite::Result<Vec<Table>> {
    let sql = "SELECT l.name, l.type FROM pragma_table_list l JOIN sqlite_schema s ON s.name=l.name AND s.type='table' \
               WHERE l.schema='main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY s.rowid";
    let mut statement = connection.prepare(sql)?;
    let tables =
        statement.query_map([], |row| Ok(Table { name: row.get(0)?, form: row.get(1)? }))?;
    tables.collect()
}

/// SQL of an object of the schema.
pub fn schema_sql(
    connection: &Connection,
    form: &str,
    name: &str,
) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT sql FROM sqlite_schema WHERE type=?1 AND name=?2";
    let text: String = connection.query_row(sql, [form, name], |row| row.get(0))?;
    Ok(Some(terminated(&text)))
}

/// Name, table and SQL of every object of a form that has SQL of its own.
pub fn schema_objects(
    connection: &Connection,
    form: &str,
) -> rusqlite::Result<Vec<(String, String, String)>> {
    let sql = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type=?1 AND sql IS NOT NULL ORDER BY rowid";
    let mut statement = connection.prepare(sql)?;
    let objects = statement.query_map([form], |row| {
        Ok((row.get(0)?, row.get(1)?, terminated(&row.get::<_, String>(2)?)))
    })?;
    objects.collect()
}

/// SQL of the schema as a statement. What stands before the `;` becomes part of the schema again,
/// so no line end is added but after a comment, which would swallow it.
fn terminated(sql: &str) -> String {
    let comment = sql.lines().next_back().is_some_and(|line| line.contains("--"));
    format!("{sql}{};\n", if comment { "\n" } else { "" })
}

/// Settings that no other statement carries.
pub fn settings_sql(connection: &Connection) -> rusqlite::Result<String> {
    let number = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
    };
    let encoding: String = connection.query_row("PRAGMA encoding", [], |row| row.get(0))?;
    let mut sql = format!("PRAGMA encoding='{encoding}';\n");
    for name in ["page_size", "auto_vacuum", "user_version", "application_id"] {
        sql += &format!("PRAGMA {name}={};\n", number(name)?);
    }
    Ok(sql)
}

/// The state of AUTOINCREMENT, which no CREATE carries.
pub fn sequence_sql(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let there: bool = connection.query_row(
        "SELECT count(*) > 0 FROM sqlite_schema WHERE name='sqlite_sequence'",
        [],
        |row| row.get(0),
    )?;
    if !there {
        return Ok(None);
    }
    let mut statement = connection.prepare("SELECT name, seq FROM sqlite_sequence")?;
    let mut sql = String::from("DELETE FROM sqlite_sequence;\n");
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (name, seq): (String, i64) = (row.get(0)?, row.get(1)?);
        sql += &format!(
            "INSERT INTO sqlite_sequence VALUES ('{}',{seq});\n",
            name.replace('\'', "''")
        );
    }
    Ok(Some(sql))
}

/// What ANALYZE found out, as the shell writes it.
pub fn statistics(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let there = "SELECT count(*) > 0 FROM sqlite_schema WHERE name=?1";
    if !connection.query_row(there, [STATISTICS], |row| row.get(0))? {
        return Ok(None);
    }
    let columns = ["tbl", "idx", "stat"].map(str::to_owned);
    let head = rows::insert_head(STATISTICS, &columns);
    let mut sql = format!("ANALYZE sqlite_schema;\nDELETE FROM {STATISTICS};\n").into_bytes();
    let mut statement = connection.prepare(&rows::select(STATISTICS, &columns))?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        sql.extend_from_slice(&head);
        rows::take_row(row, columns.len(), &mut RowDigest::new(), Some(&mut sql))?;
        sql.extend_from_slice(b";\n");
    }
    Ok(Some(String::from_utf8_lossy(&sql).into_owned()))
}

/// Tables of SQLite itself that no entry of SQL makes again: they are in the file.
pub fn undecided(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type='table' AND name LIKE 'sqlite\\_%' ESCAPE '\\' \
               AND name NOT IN ('sqlite_sequence', 'sqlite_stat1') ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    names
        .map(|name| Ok(format!("table {}: it is in the file only, not in the SQL entries", name?)))
        .collect()
}

/// Bytes of the whole database.
pub fn database_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
    };
    Ok((number("page_count")? * number("page_size")?).max(0) as u64)
}

/// An estimate of a table's bytes: its largest rowid, at 64 bytes a row; 0 where it has none.
pub fn bytes_of(connection: &Connection, table: &str) -> u64 {
    let mut sql = b"SELECT max(rowid) FROM ".to_vec();
    crate::artifact::write_name(crate::artifact::Dialect::Sqlite, table, &mut sql);
    let rows = connection
        .query_row(&String::from_utf8_lossy(&sql), [], |row| row.get::<_, Option<i64>>(0));
    // A table without rowid has no cheap estimate; correctness never depends on one.
    rows.ok().flatten().unwrap_or(0).clamp(0, 1 << 40) as u64 * 64
}
