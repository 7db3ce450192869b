//! What an interrupted restore left in a database, and how another one goes on with it.
//!
//! A restore marks a database before it makes anything in it, and takes the mark away when it is
//! done: only what carries the mark is gone on with, so nothing of anybody else is ever emptied.
//! The mark is a setting of the database that no server reads. A table is emptied, not dropped:
//! definitions are made whole or not at all, and what hangs on one stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use postgres::Client;

use crate::artifact::{Kind, Member};
use crate::source::contract::{Result, is_refusal};
use crate::source::postgres::definition::{literal, qualified, quoted};
use crate::source::postgres::fault::{run, wrap};
use crate::source::postgres::large;
use crate::source::postgres::present::Present;
use crate::world::failpoint;

/// The setting.
const MARK: &str = "vex.restore";

/// How far a restore came with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It made the database, which is not yet set up.
    Made,
    /// It fills it.
    Begun,
}

impl Mark {
    const ALL: [Mark; 2] = [Mark::Made, Mark::Begun];

    fn word(self) -> &'static str {
        match self {
            Mark::Made => "made",
            Mark::Begun => "begun",
        }
    }

    /// The mark that a database carries of a restore that did not end, and of which backup that
    /// was: older versions did not say.
    pub fn of(client: &mut Client, name: &str) -> Result<Option<(Mark, String)>> {
        let sql = "SELECT unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s \
                   JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
                   WHERE d.datname = $1 AND s.setrole = 0";
        let found = client.query(sql, &[&name]);
        let found = found.map_err(|e| wrap("look for an interrupted restore", e))?;
        let settings: Vec<String> = found.iter().map(|row| row.get(0)).collect();
        Ok(settings.iter().find_map(|setting| Mark::read(setting)))
    }

    /// Of a setting `vex.restore=begun 20261129T010203Z-0011aabb`.
    fn read(setting: &str) -> Option<(Mark, String)> {
        let value = setting.strip_prefix(MARK)?.strip_prefix('=')?;
        let (word, backup) = value.split_once(' ').unwrap_or((value, ""));
        let mark = Mark::ALL.into_iter().find(|mark| mark.word() == word)?;
        Some((mark, backup.to_owned()))
    }
}

/// What is gone on with.
#[derive(Debug, Default)]
pub struct Interrupted {
    /// Guards the databases that carry our mark, by their name on the server.
    marked: Mutex<BTreeSet<String>>,
    /// Guards which databases were there when they were asked for.
    known: Mutex<BTreeMap<String, bool>>,
    /// Guards the tables that were emptied: database, schema, name.
    emptied: Mutex<BTreeSet<(String, String, String)>>,
}

impl Interrupted {
    /// Marks a database. Who may not set it has a restore that can't be gone on with.
    pub fn mark(
        &self,
        client: &mut Client,
        name: &str,
        (mark, backup): (Mark, &str),
    ) -> Result<()> {
        let value = literal(format!("{} {backup}", mark.word()).trim_end());
        let set = format!("ALTER DATABASE {} SET {MARK} = {value}", quoted(name));
        match run(client, &set, &format!("mark the database {name}")) {
            Ok(()) => {
                self.marked.lock().expect("no panic while locked").insert(name.to_owned());
                Ok(())
            }
            Err(error) if is_refusal(error.kind) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes all marks away, at once if it can be; returns the statements that were refused, and
    /// why.
    pub fn unmark(&self, client: &mut Client) -> Result<Vec<(String, String)>> {
        let names = std::mem::take(&mut *self.marked.lock().expect("no panic while locked"));
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let reset = |name: &String| format!("ALTER DATABASE {} RESET {MARK}", quoted(name));
        let resets: Vec<String> = names.iter().map(reset).collect();
        let doing = "take the marks of the restore away";
        let at_once = format!("BEGIN;\n{};\nCOMMIT;", resets.join(";\n"));
        match run(client, &at_once, doing) {
            Err(error) if is_refusal(error.kind) => run(client, "ROLLBACK", doing)?,
            other => return other.map(|()| Vec::new()),
        }
        let mut left = Vec::new();
        for reset in resets {
            match run(client, &reset, doing) {
                Err(error) if is_refusal(error.kind) => left.push((reset, error.found)),
                other => other?,
            }
        }
        Ok(left)
    }

    /// Whether a database is there to be gone on with; asked once.
    pub fn goes_on(&self, name: &str, ask: impl FnOnce() -> Result<bool>) -> Result<bool> {
        let mut known = self.known.lock().expect("no panic while locked");
        if let Some(known) = known.get(name) {
            return Ok(*known);
        }
        let is_marked = ask()?;
        known.insert(name.to_owned(), is_marked);
        Ok(is_marked)
    }

    /// Empties the tables among the members that are there, so that their rows can come again.
    /// What holds them back (foreign keys, triggers) is dropped where it comes back with the rest,
    /// and event triggers are, which would hear of all that is defined.
    pub fn empty(
        &self,
        client: &mut Client,
        name: &str,
        version: u32,
        members: &[&Member],
    ) -> Result<()> {
        let is_event_trigger = |m: &&&Member| m.class.as_deref() == Some("event trigger");
        for trigger in members.iter().filter(is_event_trigger).filter_map(|m| m.own_name()) {
            let drop = format!("DROP EVENT TRIGGER IF EXISTS {}", quoted(trigger));
            match run(client, &drop, "remove an event trigger of an interrupted restore") {
                Err(error) if is_refusal(error.kind) => {}
                other => other?,
            }
        }
        let there = Present::of(client)?;
        for member in members.iter().filter(|m| m.kind == Kind::Table && there.has(m)) {
            let Some(schema) = &member.schema else { continue };
            // A partitioned table has no rows, and a foreign one has those of another server.
            let is_empty = there.kind(member) != Some('r')
                || self.empty_one(client, version, (schema, member), members)?;
            failpoint("table emptied");
            if is_empty {
                let place = (name.to_owned(), schema.clone(), member.name.clone());
                self.emptied.lock().expect("no panic while locked").insert(place);
            }
        }
        let is_large = |m: &&&Member| m.schema.is_none() && m.name == large::NAME;
        if members.iter().any(|m| is_large(&m)) {
            let unlink = "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata";
            run(client, unlink, "remove the large objects of an interrupted restore")?;
        }
        Ok(())
    }

    /// Whether rows may go into a table that is there.
    pub fn is_emptied(&self, name: &str, member: &Member) -> bool {
        let schema = member.schema.clone().unwrap_or_default();
        let place = (name.to_owned(), schema, member.name.clone());
        self.emptied.lock().expect("no panic while locked").contains(&place)
    }

    fn empty_one(
        &self,
        client: &mut Client,
        version: u32,
        (schema, member): (&str, &Member),
        members: &[&Member],
    ) -> Result<bool> {
        let doing = format!("empty {}", member.title());
        let full = qualified(schema, &member.name);
        let mut script = "BEGIN;\n".to_owned();
        for (schema, table, constraint) in foreign_keys(client, version, &full, &doing)? {
            let own = format!("{table} {constraint}");
            let comes_back = |m: &&&Member| {
                m.class.as_deref() == Some("fk constraint")
                    && m.schema.as_ref() == Some(&schema)
                    && (m.own_name() == Some(&constraint) || m.own_name() == Some(&own))
            };
            if !members.iter().any(|m| comes_back(&m)) {
                return Ok(false);
            }
            script += &format!(
                "ALTER TABLE {} DROP CONSTRAINT {};\n",
                qualified(&schema, &table),
                quoted(&constraint)
            );
        }
        for trigger in triggers(client, version, &full, &doing)? {
            let comes_back = |m: &&&Member| {
                m.kind == Kind::Trigger
                    && m.schema.as_deref() == Some(schema)
                    && m.table.as_ref() == Some(&member.name)
                    && m.name == trigger
            };
            if !members.iter().any(|m| comes_back(&m)) {
                return Ok(false);
            }
            script += &format!("DROP TRIGGER {} ON {full};\n", quoted(&trigger));
        }
        script += &format!("TRUNCATE ONLY {full};\nCOMMIT;");
        match run(client, &script, &doing) {
            Ok(()) => Ok(true),
            Err(error) if is_refusal(error.kind) => {
                run(client, "ROLLBACK", &doing)?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// The foreign keys of a table and on it, where they were made: schema, table and name.
fn foreign_keys(
    client: &mut Client,
    version: u32,
    full: &str,
    doing: &str,
) -> Result<Vec<(String, String, String)>> {
    // Those of a partition belong to its table (PostgreSQL 11 and later).
    let parent = if version >= 110_000 { "c.conparentid" } else { "0::oid" };
    let table = format!("{}::pg_catalog.regclass", literal(full));
    let sql = format!(
        "WITH RECURSIVE up AS (SELECT c.oid, {parent} AS parent FROM pg_catalog.pg_constraint c \
         WHERE c.contype = 'f' AND {table} IN (c.conrelid, c.confrelid) \
         UNION SELECT c.oid, {parent} FROM up JOIN pg_catalog.pg_constraint c ON c.oid = up.parent) \
         SELECT DISTINCT n.nspname::text, r.relname::text, c.conname::text FROM up \
         JOIN pg_catalog.pg_constraint c ON c.oid = up.oid JOIN pg_catalog.pg_class r ON r.oid = c.conrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace WHERE up.parent = 0"
    );
    let rows = client.query(&sql, &[]).map_err(|e| wrap(doing, e))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

/// The triggers that somebody made on a table.
fn triggers(client: &mut Client, version: u32, full: &str, doing: &str) -> Result<Vec<String>> {
    // Those of a partition come from its table (PostgreSQL 13 and later).
    let own = if version >= 130_000 { " AND t.tgparentid = 0" } else { "" };
    let sql = format!(
        "SELECT t.tgname::text FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {}::pg_catalog.regclass \
         AND NOT t.tgisinternal{own}",
        literal(full)
    );
    let rows = client.query(&sql, &[]).map_err(|e| wrap(doing, e))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Whether what a definition makes is there, though the server says so in other words: a primary
/// key, or a partition that is attached.
pub fn is_there(client: &mut Client, member: &Member) -> Result<bool> {
    let doing = format!("look for {}", member.title());
    let (Some(schema), Some(name)) = (&member.schema, member.own_name()) else { return Ok(false) };
    let sql = match member.class.as_deref() {
        Some("constraint") => {
            "SELECT count(*) FROM pg_catalog.pg_constraint c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = $1 AND c.conname = $2"
        }
        Some("table attach") => {
            "SELECT count(*) FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2"
        }
        _ => return Ok(false),
    };
    let found = client.query_one(sql, &[schema, &name]).map_err(|e| wrap(&doing, e))?;
    Ok(found.get::<_, i64>(0) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_its_backup_and_one_of_an_older_vex_none() {
        let id = "20261129T010203Z-0011aabb";
        for (setting, expected) in [
            (format!("{MARK}=begun {id}"), Some((Mark::Begun, id))),
            (format!("{MARK}=made"), Some((Mark::Made, ""))),
            (format!("{MARK}=other"), None),
            ("work_mem=begun".to_owned(), None),
        ] {
            let found = Mark::read(&setting);
            assert_eq!(found, expected.map(|(mark, id)| (mark, id.to_owned())), "{setting}");
        }
    }
}
