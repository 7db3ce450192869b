//! What mydumper left in its folder: which file is of which table, and where the binary log stood.
//!
//! Knows the names that mydumper gives, and refuses tables whose names it can't tell apart or can't
//! write. Does not know how files become entries.

use std::path::{Path, PathBuf};

use crate::artifact::{Kind, Member, Phase, Position};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::flavor::Family;

/// A file of mydumper and the member it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// The member.
    pub member: Member,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Why mydumper can't dump one of these tables, if it can't: it puts names into SQL and paths as
/// they are, and makes one file name of two.
pub fn refused(unit: &str, tables: &[&str]) -> Option<String> {
    let strange = |name: &str| {
        name.chars().any(|c| matches!(c, '`' | '\'' | '"' | '\\' | '/') || c.is_control())
    };
    if strange(unit) {
        return Some(format!("the name of the database {unit} has a quote, slash or backslash"));
    }
    for table in tables {
        if strange(table) || table.is_empty() {
            return Some(format!("the name of {unit}.{table} has a quote, slash or backslash"));
        }
        let same = tables.iter().find(|other| {
            let rest = other.strip_prefix(table).unwrap_or_default();
            let numbered =
                rest.strip_prefix('.').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
            numbered || rest.starts_with("-schema")
        });
        if let Some(other) = same {
            return Some(format!("{unit}.{table} and {unit}.{other} would be written to one file"));
        }
    }
    None
}

/// The names of all files of a folder, in order.
fn names(folder: &Path, doing: &str) -> Result<Vec<String>> {
    let io = |e: std::io::Error| Error::new(ErrorKind::Failed, doing, e.to_string());
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name().into_string().map_err(|n| {
            let found = format!("a file is called {}", n.to_string_lossy());
            Error::new(ErrorKind::Damaged, doing, found)
        });
        names.push(name?);
    }
    names.sort();
    Ok(names)
}

/// The files of one database in `folder`: a definition and rows of every table.
pub fn files(folder: &Path, unit: &str, tables: &[&str]) -> Result<Vec<Staged>> {
    let doing = format!("read what mydumper wrote of {unit}");
    let io = |e: std::io::Error| Error::new(ErrorKind::Failed, &doing, e.to_string());
    let damaged = |found: String| Error::new(ErrorKind::Damaged, &doing, found);
    let names = names(folder, &doing)?;
    if !names.iter().any(|n| n == "metadata") {
        return Err(damaged("it wrote no metadata, so it did not come to its end".into()));
    }
    let mut staged = Vec::new();
    let mut own = |table: &str, name: &str, phase: Phase| -> Result<u64> {
        let path = folder.join(name);
        let bytes = std::fs::metadata(&path).map_err(io)?.len();
        let stem = name.strip_suffix(".sql").unwrap_or(name);
        // The folder of the entry says which database it is.
        let stem = stem.strip_prefix(&format!("{unit}.")).unwrap_or(stem);
        if bytes > 0 {
            let member = Member::new(unit, stem, Kind::Script, phase).of_table(table);
            staged.push(Staged { member, path, bytes });
        }
        Ok(bytes)
    };
    for table in tables {
        let definition = format!("{unit}.{table}-schema.sql");
        if !names.contains(&definition) || own(table, &definition, Phase::Before)? == 0 {
            return Err(damaged(format!("it wrote no definition of {unit}.{table}")));
        }
        let head = format!("{unit}.{table}.");
        let is_rows = |name: &&String| {
            let rest = name.strip_prefix(&head).unwrap_or_default();
            rest == "sql"
                || rest.strip_suffix(".sql").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
        };
        let rows: Vec<&String> = names.iter().filter(is_rows).collect();
        if rows.is_empty() {
            // It makes an empty file of an empty table.
            return Err(damaged(format!(
                "it wrote no rows of {unit}.{table}, not even that there are none"
            )));
        }
        for name in rows {
            own(table, name, Phase::Data)?;
        }
    }
    let known = |name: &&String| {
        *name == "metadata"
            || **name == format!("{unit}-schema-create.sql")
            || staged.iter().any(|s| s.path.ends_with(name.as_str()))
    };
    let empty = |name: &&String| std::fs::metadata(folder.join(name)).is_ok_and(|m| m.len() == 0);
    if let Some(other) = names.iter().find(|n| !known(n) && !empty(n)) {
        return Err(damaged(format!("it wrote {other}, which is of no table that takes part")));
    }
    staged.sort_by_key(|s| s.member.phase);
    Ok(staged)
}

/// Where the binary log stood, as its `metadata` says.
pub fn position(metadata: &str, family: Family) -> Option<Position> {
    let own = metadata.split("SHOW SLAVE STATUS").next()?.split("SHOW MASTER STATUS:").nth(1)?;
    let field =
        |name: &str| own.lines().find_map(|l| Some(l.trim().strip_prefix(name)?.trim().to_owned()));
    let (file, offset) = (field("Log:")?, field("Pos:")?.parse().ok()?);
    let gtid = field("GTID:").unwrap_or_default();
    Some(match family {
        Family::Mysql => Position::Mysql { file, offset, gtid },
        Family::Mariadb => Position::Mariadb { file, offset, gtid },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mydumper_can_not_write_are_refused() {
        assert_eq!(refused("shop", &["a", "b-c d", "ação", "a.b", "schema"]), None);
        for tables in [
            &["a`b"][..],
            &["it's"],
            &["a/b"],
            &["m", "m.00001"],
            &["m", "m-schema"],
            &["m", "m-schema-view"],
        ] {
            assert!(refused("shop", tables).is_some(), "{tables:?}");
        }
        assert!(refused("it's", &[]).is_some());
    }

    #[test]
    fn every_table_must_have_its_files_and_no_other_file_may_be_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written")
        };
        let found = |tables: &[&str]| files(folder.path(), "s", tables).map_err(|e| e.found);
        assert!(found(&[]).is_err_and(|e| e.contains("no metadata")));
        write("metadata", "Started dump at: x\nFinished dump at: y\n");
        write("s-schema-create.sql", "CREATE DATABASE s;");
        write("s.a-schema.sql", "CREATE TABLE a;");
        assert!(found(&["a"]).is_err_and(|e| e.contains("no rows of s.a")));
        write("s.a.sql", "");
        write("s.b-schema.sql", "CREATE TABLE b;");
        write("s.b.00001.sql", "INSERT 1;");
        write("s.b.00002.sql", "INSERT 2;");
        assert!(found(&["a"]).is_err_and(|e| e.contains("s.b")));
        let members: Vec<(String, Option<String>)> = found(&["a", "b"])
            .expect("all")
            .into_iter()
            .map(|s| (s.member.name, s.member.table))
            .collect();
        let line = |name: &str, table: &str| (name.to_owned(), Some(table.to_owned()));
        assert_eq!(
            members,
            [
                line("a-schema", "a"),
                line("b-schema", "b"),
                line("b.00001", "b"),
                line("b.00002", "b")
            ]
        );
        assert!(found(&["a", "b", "c"]).is_err_and(|e| e.contains("no definition of s.c")));
    }

    #[test]
    fn the_position_is_read_from_metadata() {
        let text = "Started dump at: x\nSHOW MASTER STATUS:\n\tLog: binlog.000001\n\tPos: 38845\n\tGTID:0-1-90\n\nSHOW SLAVE STATUS:\n\tLog: relay.7\nFinished dump at: y\n";
        let expected = Position::Mariadb {
            file: "binlog.000001".into(),
            offset: 38845,
            gtid: "0-1-90".into(),
        };
        assert_eq!(position(text, Family::Mariadb), Some(expected));
        assert_eq!(position("Started dump at: x\nFinished dump at: y\n", Family::Mysql), None);
    }
}
