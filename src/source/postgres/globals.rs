//! What belongs to a server and to none of its databases: roles, what they are members of,
//! tablespaces, settings of roles.
//!
//! `pg_dumpall` alone knows all of it; its statements are put in the order in which they can be
//! made. Hashes of passwords are secrets: they are in the scripts only, never in a message.

use crate::artifact::{Kind, Member, Phase, Plain, plain_statement};
use crate::base::Stop;
use crate::job::PostgresSpec;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::definition::Script;
use crate::source::postgres::fault::wrap;
use crate::source::postgres::program;
use crate::source::postgres::staged::conninfo;
use crate::source::program::failed;

/// The most it may be.
const MOST: usize = 1 << 28;

/// What every script begins with.
const PROLOGUE: &str = "SET client_encoding='UTF8';\nSET standard_conforming_strings=on;\n";

/// The member that holds memberships and rights that belong to no database.
pub const GRANTS: &str = "grants";

/// The globals of a server.
#[derive(Debug, Default)]
pub struct Globals {
    /// The scripts, in restore order.
    pub scripts: Vec<Script>,
    /// What should be included, and may not be read.
    pub lost: Vec<String>,
    /// What the log says of it.
    pub remarks: Vec<String>,
}

/// Reads the globals, if the job wants them.
pub fn read(
    spec: &PostgresSpec,
    connector: &Connector,
    number: u32,
    stop: &Stop,
) -> Result<Globals> {
    let mut globals = Globals::default();
    if !spec.globals {
        return Ok(globals);
    }
    let program = program::find(&spec.tools, "pg_dumpall", number, stop)?;
    let doing = format!("read roles and tablespaces with {}", program.title);
    let sql =
        "SELECT pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT')";
    let mut client = connector.session(connector.home(), "ask")?;
    let hashes: bool = client.query_one(sql, &[]).map_err(|e| wrap(&doing, e))?.get(0);
    let mut words = vec![
        program.path.display().to_string(),
        "--globals-only".into(),
        "--no-password".into(),
        format!("--database=dbname={}", conninfo(connector.home())),
    ];
    if !hashes {
        words.push("--no-role-passwords".into());
        let who = &connector.user;
        globals.lost.push(format!(
            "passwords of roles: only a superuser, or who may read pg_authid, sees them, not {who}"
        ));
    }
    let bytes = connector.child(&words, connector.home())?.env("LC_ALL", "C").output(MOST, stop);
    let text = String::from_utf8(bytes.map_err(|e| failed(&doing, e))?)
        .map_err(|_| Error::new(ErrorKind::Refused, &doing, "a name or a setting is not UTF-8"))?;
    globals.scripts =
        scripts(&text).map_err(|found| Error::new(ErrorKind::Refused, &doing, found))?;
    globals.remarks.push(format!(
        "roles and tablespaces are read by {}, at a moment of their own",
        program.title
    ));
    Ok(globals)
}

/// The name of a role or tablespace as a statement has it, with its quotes, as it is; and what
/// follows.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', ';', ',']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' if quoted[at + 1..].starts_with('"') => {
                name.push('"');
                letters.next();
            }
            '"' => return Some((name, &quoted[at + 1..])),
            other => name.push(other),
        }
    }
    None
}

/// Whom a statement of memberships or rights is about: the one that gets them.
pub fn grantee(statement: &str) -> Option<String> {
    let mut rest = statement.strip_prefix("GRANT ")?;
    loop {
        // Names between quotes may hold any word.
        let (_, after) = name(rest)?;
        rest = after.trim_start();
        if let Some(to) = rest.strip_prefix("TO ") {
            return name(to).map(|(name, _)| name);
        }
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}

/// Where a statement belongs.
enum Place {
    Role(String),
    Grants,
    Tablespace(String),
    Setting(String),
}

fn place(statement: &str) -> Option<Place> {
    let after = |head: &str| statement.strip_prefix(head).and_then(name);
    if let Some((role, rest)) = after("ALTER ROLE ") {
        return Some(if rest.starts_with(" WITH ") {
            Place::Role(role)
        } else {
            Place::Setting(role)
        });
    }
    for head in ["CREATE ROLE ", "COMMENT ON ROLE "] {
        if let Some((role, _)) = after(head) {
            return Some(Place::Role(role));
        }
    }
    for head in ["CREATE TABLESPACE ", "ALTER TABLESPACE ", "COMMENT ON TABLESPACE "] {
        if let Some((space, _)) = after(head) {
            return Some(Place::Tablespace(space));
        }
    }
    if statement.starts_with("SECURITY LABEL ") {
        let about = |word: &str| {
            statement.split_once(word).and_then(|(_, rest)| name(rest)).map(|(name, _)| name)
        };
        return about(" ON ROLE ")
            .map(Place::Role)
            .or_else(|| about(" ON TABLESPACE ").map(Place::Tablespace));
    }
    let right = statement.strip_prefix("GRANT ").or(statement.strip_prefix("REVOKE "))?;
    match right.split_once(" ON TABLESPACE ").filter(|(head, _)| !head.contains('"')) {
        Some((_, rest)) => name(rest).map(|(space, _)| Place::Tablespace(space)),
        None => Some(Place::Grants),
    }
}

/// The name of the member that a statement is a part of, and its kind.
fn named(place: Place) -> (usize, String, Kind) {
    match place {
        Place::Role(role) => (0, format!("role {role}"), Kind::Account),
        Place::Grants => (1, GRANTS.to_owned(), Kind::Grants),
        Place::Tablespace(space) => (2, format!("tablespace {space}"), Kind::Account),
        Place::Setting(role) => (3, format!("role {role}"), Kind::Grants),
    }
}

/// Whether a statement is about the role or tablespace of a member, as `pg_dumpall` writes it.
pub fn is_about(member: &Member, statement: &str) -> bool {
    let known = place(statement).map(named);
    known.is_some_and(|(_, name, kind)| name == member.name && kind == member.kind)
}

/// Cuts what `pg_dumpall` wrote into scripts: roles, memberships, tablespaces, settings. No error
/// holds a statement.
fn scripts(text: &str) -> std::result::Result<Vec<Script>, String> {
    let mut found: [Vec<Script>; 4] = Default::default();
    let mut rest = text.as_bytes();
    let mut number = 0;
    while let Plain::Statement { text, bytes } = plain_statement(rest).map_err(|e| e.to_string())? {
        rest = &rest[bytes..];
        number += 1;
        let statement = std::str::from_utf8(text).map_err(|e| e.to_string())?;
        if statement.starts_with("SET ") || statement.starts_with("SELECT pg_catalog.set_config(") {
            continue;
        }
        let place = place(statement)
            .ok_or_else(|| format!("its statement {number} is of no known kind"))?;
        let (group, name, kind) = named(place);
        let at = found[group].iter().position(|s| s.member.name == name).unwrap_or_else(|| {
            let member = Member::new("", &name, kind, Phase::Before);
            found[group].push(Script { member, text: PROLOGUE.to_owned() });
            found[group].len() - 1
        });
        found[group][at].text += &format!("{statement};\n");
    }
    if plain_statement(rest) != Ok(Plain::Blank) {
        return Err("what it wrote ends inside of a statement".into());
    }
    Ok(found.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_put_together_by_what_they_are_about_and_in_the_order_they_can_be_made() {
        let text = "\\restrict x\nSET default_transaction_read_only = off;\nCREATE ROLE a;\nALTER ROLE a WITH LOGIN PASSWORD 'SCRAM;x';\n\
            CREATE ROLE \"TO \"\"b\";\nALTER ROLE \"TO \"\"b\" WITH NOLOGIN;\nCOMMENT ON ROLE a IS 'it''s; ON TABLESPACE x';\n\
            ALTER ROLE a SET work_mem TO '5MB';\nGRANT a TO \"TO \"\"b\" WITH INHERIT TRUE GRANTED BY postgres;\n\
            GRANT SET,ALTER SYSTEM ON PARAMETER work_mem TO a;\nCREATE TABLESPACE s OWNER a LOCATION '/x';\n\
            GRANT ALL ON TABLESPACE s TO a;\n\\unrestrict x\n";
        let found = scripts(text).expect("all are known");
        let names: Vec<(&str, Kind)> =
            found.iter().map(|s| (s.member.name.as_str(), s.member.kind)).collect();
        assert_eq!(
            names,
            [
                ("role a", Kind::Account),
                ("role TO \"b", Kind::Account),
                ("grants", Kind::Grants),
                ("tablespace s", Kind::Account),
                ("role a", Kind::Grants)
            ]
        );
        assert_eq!(found[0].text.matches(";\n").count(), 5);
        let error = scripts("CREATE ROLE a;\nDROP ROLE CANARY;\n").expect_err("not known");
        assert_eq!(error, "its statement 2 is of no known kind");
    }

    #[test]
    fn whoever_gets_a_right_is_found_behind_any_name() {
        for (statement, expected) in [
            ("GRANT a TO b WITH ADMIN OPTION GRANTED BY c", Some("b")),
            ("GRANT \"x TO y\" TO \"b\"\"q\"", Some("b\"q")),
            ("GRANT SET,ALTER SYSTEM ON PARAMETER work_mem TO r", Some("r")),
            ("REVOKE a FROM b", None),
            ("GRANT \"open", None),
        ] {
            assert_eq!(grantee(statement).as_deref(), expected, "{statement}");
        }
    }
}
