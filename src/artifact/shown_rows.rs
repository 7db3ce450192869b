//! The rows of an entry as names of columns and texts, for people: whatever form they are written in.
//!
//! Pure. Invariant: what can't be read is an error; no row is passed over.

use crate::artifact::copy::CopyEntry;
use crate::artifact::literal::{Dialect, SqlError};
use crate::artifact::sql::{Value, read_rows};

/// A value as text; `None` is NULL.
pub type Cell = Option<String>;

/// Takes the columns and the cells of a row; says whether another one is wanted.
pub type TakeCells<'a> = dyn FnMut(&[String], Vec<Cell>) -> bool + 'a;

/// Why reading ended before the last row.
enum Ended {
    Enough,
    Wrong(SqlError),
}

impl From<SqlError> for Ended {
    fn from(error: SqlError) -> Ended {
        Ended::Wrong(error)
    }
}

/// Reads the rows of an entry; says whether more are wanted.
pub fn show_rows(
    dialect: Dialect,
    entry: &[u8],
    take: &mut TakeCells<'_>,
) -> Result<bool, SqlError> {
    if dialect == Dialect::Postgres {
        return show_copy(entry, take);
    }
    let mut columns: (Vec<u8>, Vec<String>) = Default::default();
    let read = read_rows(dialect, entry, &mut |head, values| {
        if columns.0 != head {
            columns = (head.to_vec(), names(head));
        }
        let cells = values.iter().map(cell).collect();
        if take(&columns.1, cells) { Ok(()) } else { Err(Ended::Enough) }
    });
    match read {
        Ok(()) => Ok(true),
        Err(Ended::Enough) => Ok(false),
        Err(Ended::Wrong(error)) => Err(error),
    }
}

fn show_copy(entry: &[u8], take: &mut TakeCells<'_>) -> Result<bool, SqlError> {
    let copy = CopyEntry::parse(entry)?;
    let columns = names(copy.statement);
    for line in copy.rows.lines() {
        let cells = line.split(|byte| *byte == b'\t').map(uncopied).collect();
        if !take(&columns, cells) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn cell(value: &Value<'_>) -> Cell {
    let text = |bytes: &[u8]| Some(String::from_utf8_lossy(bytes).into_owned());
    match value {
        Value::Null => None,
        Value::Number(literal) => text(literal),
        Value::Text(bytes) => text(bytes),
        Value::Bytes(bytes) => {
            Some(bytes.iter().fold("0x".to_owned(), |hex, byte| format!("{hex}{byte:02x}")))
        }
    }
}

/// A value of COPY's text format.
fn uncopied(field: &[u8]) -> Cell {
    if field == b"\\N" {
        return None;
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.iter();
    while let Some(byte) = rest.next() {
        let plain = match byte {
            b'\\' => match rest.next() {
                Some(b'b') => 8,
                Some(b't') => b'\t',
                Some(b'n') => b'\n',
                Some(b'v') => 11,
                Some(b'f') => 12,
                Some(b'r') => b'\r',
                Some(other) => *other,
                None => b'\\',
            },
            other => *other,
        };
        bytes.push(plain);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The names in the parentheses of `INSERT INTO t (…)` and `COPY t (…) FROM stdin`.
fn names(head: &[u8]) -> Vec<String> {
    let head = String::from_utf8_lossy(head);
    let (mut names, mut name, mut inside) = (Vec::new(), String::new(), false);
    let mut letters = head.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '`' | '"' => {
                while let Some(inner) = letters.next() {
                    if inner == letter && letters.next_if_eq(&letter).is_none() {
                        break;
                    }
                    name.push(inner);
                }
            }
            '(' if !inside => {
                name.clear();
                inside = true;
            }
            ',' if inside => names.push(std::mem::take(&mut name)),
            ')' if inside => {
                names.push(std::mem::take(&mut name));
                break;
            }
            ' ' => {}
            other => name.push(other),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(dialect: Dialect, entry: &str, most: usize) -> Vec<String> {
        let mut rows = Vec::new();
        let took = show_rows(dialect, entry.as_bytes(), &mut |columns, cells| {
            let cells: Vec<String> =
                cells.into_iter().map(|c| c.unwrap_or_else(|| "NULL".into())).collect();
            rows.push(format!("{}={}", columns.join(","), cells.join("|")));
            rows.len() < most
        });
        took.expect("rows");
        rows
    }

    #[test]
    fn both_forms_give_names_and_values_and_end_when_enough_was_seen() {
        let insert = "SET x=1;\nINSERT INTO `a(``b` (`n,o`,`p``q`) VALUES\n(1,'x\\'y'),\n(NULL,x'0aff'),\n(3,'z');\n";
        let rows = shown(Dialect::Mysql, insert, 9);
        assert_eq!(rows, ["n,o,p`q=1|x'y", "n,o,p`q=NULL|0x0aff", "n,o,p`q=3|z"]);
        assert_eq!(shown(Dialect::Mysql, insert, 2).len(), 2);
        let copy = "SET a = 1;\nCOPY public.\"t(\" (id, \"a,b\") FROM stdin;\n1\t\\N\n2\ta\\tb\\\\\\n\n\\.\n";
        assert_eq!(shown(Dialect::Postgres, copy, 9), ["id,a,b=1|NULL", "id,a,b=2|a\tb\\\n"]);
    }
}
