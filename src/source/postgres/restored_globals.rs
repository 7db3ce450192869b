//! Roles and tablespaces on their way into a server: those that are there are kept unless they may
//! be replaced, and the role that restores is kept always.
//!
//! A role is never dropped: it may own what is not of the backup. Replaced, it gets attributes,
//! password and settings of the backup; memberships are added to. No message holds a statement, for
//! it may hold a hash.

use std::collections::BTreeSet;
use std::sync::Mutex;

use postgres::Client;

use crate::artifact::{Kind, Member, Plain, plain_statement};
use crate::source::contract::{Error, ErrorKind, Loading, Refused, Result, is_refusal};
use crate::source::postgres::definition::quoted;
use crate::source::postgres::fault::wrap;
use crate::source::postgres::globals::{grantee, is_about};
use crate::source::postgres::single::single;
use crate::source::postgres::statement::{is_doubtful, is_setting};
use crate::source::postgres::words::Words;

/// Whether a member belongs to no database.
pub fn is_global(member: &Member) -> bool {
    matches!(member.kind, Kind::Account | Kind::Grants)
}

/// What a target has of it.
#[derive(Debug, Default)]
struct There {
    /// Names of members that are there.
    all: BTreeSet<String>,
    /// Those that are left alone.
    kept: BTreeSet<String>,
}

/// Globals that are restored.
#[derive(Debug, Default)]
pub struct RestoredGlobals {
    /// Guards what was there before anything was written.
    there: Mutex<There>,
}

/// Names of the members that a server has.
fn present(client: &mut Client) -> Result<BTreeSet<String>> {
    let sql = "SELECT 'role ' || rolname FROM pg_catalog.pg_roles UNION ALL \
               SELECT 'tablespace ' || spcname FROM pg_catalog.pg_tablespace";
    let rows = client.query(sql, &[]).map_err(|e| wrap("list roles and tablespaces", e))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

impl RestoredGlobals {
    /// Looks at what is there.
    pub fn prepare(&self, client: &mut Client, loading: &Loading) -> Result<()> {
        if !loading.members.iter().any(is_global) {
            return Ok(());
        }
        let own = client.query_one("SELECT 'role ' || session_user", &[]);
        let own: String = own.map_err(|e| wrap("ask the server who restores", e))?.get(0);
        let all = present(client)?;
        let kept = all.iter().filter(|name| !loading.overwrite || **name == own).cloned().collect();
        *self.there.lock().expect("no panic while locked") = There { all, kept };
        Ok(())
    }

    /// Runs the script of a member; returns what was refused.
    pub fn load(&self, client: &mut Client, member: &Member, entry: &[u8]) -> Result<Vec<Refused>> {
        let there = self.there.lock().expect("no panic while locked");
        if there.kept.contains(&member.name) {
            return Ok(Vec::new());
        }
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        let damaged = |found: String| Error::new(ErrorKind::Damaged, &doing, found);
        let replaced = there.all.contains(&member.name);
        let title = format!("{} {}", member.kind.word(), member.title());
        let mut refused = Vec::new();
        let mut run = |client: &mut Client, statement: &str| match client.batch_execute(statement) {
            Ok(()) => Ok(()),
            Err(error) => match wrap(&doing, error) {
                error if error.kind == ErrorKind::Unreachable => Err(error),
                error => {
                    refused.push(Refused::new(title.clone(), reason(error)));
                    Ok(())
                }
            },
        };
        if let (true, Kind::Grants, Some(role)) =
            (replaced, member.kind, member.name.strip_prefix("role "))
        {
            run(client, &format!("ALTER ROLE {} RESET ALL", quoted(role)))?;
        }
        let (mut rest, mut left) = (entry, Vec::new());
        loop {
            let (text, bytes) = match plain_statement(rest).map_err(|e| damaged(e.to_string()))? {
                Plain::Statement { text, bytes } => (text, bytes),
                Plain::Open => return Err(damaged("it ends inside of a statement".into())),
                Plain::Blank => {
                    refused.append(&mut left);
                    return Ok(refused);
                }
            };
            rest = &rest[bytes..];
            let statement = std::str::from_utf8(text).map_err(|e| damaged(e.to_string()))?;
            if !may_run(client, member, statement, &doing)? {
                left.push(Refused::new(&title, "vex does not run it, it is about something else"));
                continue;
            }
            let made = ["CREATE ROLE ", "CREATE TABLESPACE "]
                .iter()
                .any(|head| statement.starts_with(head));
            let kept = grantee(statement).is_some_and(|role| {
                member.kind == Kind::Grants && there.kept.contains(&format!("role {role}"))
            });
            if kept || (made && replaced) {
                continue;
            }
            run(client, statement)?;
        }
    }

    /// The members that are not there now.
    pub fn missing(&self, client: &mut Client, members: &[Member]) -> Result<Vec<Member>> {
        if !members.iter().any(is_global) {
            return Ok(Vec::new());
        }
        let all = present(client)?;
        Ok(members
            .iter()
            .filter(|m| m.kind == Kind::Account && !all.contains(&m.name))
            .cloned()
            .collect())
    }
}

/// What the server said; a complaint about syntax would repeat a part of the statement.
fn reason(error: Error) -> String {
    match error.is_state("42601") {
        true => "the server does not understand it (SQLSTATE 42601)".into(),
        false => error.found,
    }
}

/// Whether a statement is one, about the role or tablespace of its member.
fn may_run(client: &mut Client, member: &Member, statement: &str, doing: &str) -> Result<bool> {
    if !is_setting(Words::new(statement)) && !is_about(member, statement) {
        return Ok(false);
    }
    let doubtful: &[&str] = if is_doubtful(statement) { &[statement] } else { &[] };
    match single(client, doubtful, doing) {
        Err(error) if is_refusal(error.kind) => Ok(false),
        other => other.map(|()| true),
    }
}

/// The databases of some members, each once.
pub fn units(members: &[Member]) -> Vec<&str> {
    let mut units: Vec<&str> =
        members.iter().filter(|m| !is_global(m)).map(|m| m.unit.as_str()).collect();
    units.sort_unstable();
    units.dedup();
    units
}
