//! VACUUM of what is due, and the control table that remembers it: `controle_vacuum`, in schema
//! `public` of each database.
//!
//! Does not decide (`job/vacuum.rs` does) and reads no clock. Each VACUUM is a statement of its
//! own, outside of any transaction. Invariant: a row is written only after its VACUUM ended well,
//! and before anything is vacuumed it is known that rows can be written. The search path is the
//! database's own: expressions of indexes may need it.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::{Date, DateTime};
use postgres::error::SqlState;
use postgres::{Client, Row};

use crate::base::Stop;
use crate::job::{PostgresSpec, VacuumRule};
use crate::source::contract::{Error, ErrorKind, Maintenance, Result, Task, TaskOutcome};
use crate::source::postgres::cancel;
use crate::source::postgres::connect::{Connector, server_version};
use crate::source::postgres::databases::databases;
use crate::source::postgres::definition::quoted;
use crate::source::postgres::fault::{run, wrap};
use crate::source::postgres::survey;

/// Schema and name of the control table.
const CONTROL: (&str, &str) = ("public", "controle_vacuum");

/// How it is made.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS public.controle_vacuum (id serial PRIMARY KEY, \
                      tabela_nome text NOT NULL, ultima_execucao timestamp NOT NULL, tipo_vacuum text)";

/// Vacuums a server.
pub struct Vacuums {
    spec: PostgresSpec,
    connector: Connector,
}

impl Vacuums {
    /// Asks nobody yet.
    pub fn new(spec: &PostgresSpec, connector: &Connector) -> Vacuums {
        Vacuums { spec: spec.clone(), connector: connector.clone() }
    }
}

impl Maintenance for Vacuums {
    fn units(&self, stop: &Stop) -> Result<Vec<String>> {
        stop.check()?;
        Ok(databases(&self.spec, &self.connector)?.units)
    }

    fn tasks(&self, unit: &str, rule: &VacuumRule, today: Date, stop: &Stop) -> Result<Vec<Task>> {
        stop.check()?;
        let mut client = self.connector.session(unit, "ask")?;
        let doing = format!("find out which tables of {unit} are to be vacuumed");
        let standby: bool = client
            .query_one("SELECT pg_catalog.pg_is_in_recovery()", &[])
            .map_err(|e| wrap(&doing, e))?
            .get(0);
        if standby {
            let error = Error::new(
                ErrorKind::Refused,
                doing,
                format!("{} is a standby", self.connector.place()),
            );
            return Err(error.hint(
                "Vacuum its primary: name it in the source, or write `session \"primary\"`.",
            ));
        }
        let last = last(&mut client, unit)?;
        let mut tasks = Vec::new();
        let mut relations = survey::glance(&mut client, unit)?;
        relations.retain(|r| r.has_rows() && survey::takes_table(&self.spec, unit, r).1);
        relations.retain(|r| (r.schema.as_str(), r.name.as_str()) != CONTROL);
        let oids = relations.iter().map(|r| r.oid).collect();
        let facts = facts(&mut client, oids, &doing)?;
        for relation in relations {
            // What was dropped between the two questions needs nothing.
            let Some((bytes, obstacle)) = facts.get(&relation.oid).cloned() else { continue };
            let known = last.get(&called(&relation.schema, &relation.name));
            let days = known.map(|date| days(unit, date, today)).transpose()?;
            let kind = rule.decide(days);
            tasks.push(Task {
                schema: relation.schema,
                name: relation.name,
                days,
                kind,
                bytes,
                obstacle,
            });
        }
        Ok(tasks)
    }

    fn run(
        &self,
        unit: &str,
        rule: &VacuumRule,
        tasks: &[Task],
        now: &dyn Fn() -> DateTime,
        hear: &mut dyn FnMut(&Task, TaskOutcome),
        stop: &Stop,
    ) -> Result<()> {
        let mut client = self.connector.connect(unit, "vacuum")?;
        prepare(&mut client, unit, rule)?;
        let token = client.cancel_token();
        cancel::stopping(&token, &self.connector, stop, || {
            for task in tasks {
                stop.check()?;
                if let Some(outcome) = one(&mut client, unit, task, now, stop)? {
                    hear(task, outcome);
                }
            }
            Ok(())
        })
    }
}

/// Does one task; an error is one of the whole unit.
fn one(
    client: &mut Client,
    unit: &str,
    task: &Task,
    now: &dyn Fn() -> DateTime,
    stop: &Stop,
) -> Result<Option<TaskOutcome>> {
    let Some(statement) = task.kind.statement() else { return Ok(None) };
    let table = format!("{}.{}", quoted(&task.schema), quoted(&task.name));
    if let Err(error) = client.batch_execute(&format!("{statement} {table}")) {
        stop.check()?;
        if error.code() == Some(&SqlState::UNDEFINED_TABLE) {
            return Ok(Some(TaskOutcome::Gone));
        }
        let busy = error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
        let error = wrap(&format!("run {statement} on {unit}.{}", task.title()), error);
        return match error.kind {
            ErrorKind::Unreachable => Err(error),
            _ if busy => {
                let hint = "Somebody holds a lock on it: the next run tries again, or give it a longer `lock-timeout`.";
                Ok(Some(TaskOutcome::Failed(error.hint(hint))))
            }
            _ => Ok(Some(TaskOutcome::Failed(error))),
        };
    }
    let doing = format!("note in {unit}.public.controle_vacuum that {} was vacuumed", task.title());
    let insert = "INSERT INTO public.controle_vacuum (tabela_nome, ultima_execucao, tipo_vacuum) \
                  VALUES ($1, $2::text::timestamp, $3)";
    let name = called(&task.schema, &task.name);
    client
        .execute(insert, &[&name, &now().to_string(), &statement])
        .map_err(|e| wrap(&doing, e))?;
    Ok(Some(TaskOutcome::Done))
}

/// The session of a VACUUM, and a control table that takes rows.
fn prepare(client: &mut Client, unit: &str, rule: &VacuumRule) -> Result<()> {
    let doing = format!("prepare {unit} for VACUUM");
    let mut settings = format!(
        "SET lock_timeout={}; SET statement_timeout=0; SET idle_in_transaction_session_timeout=0; SET datestyle=ISO; \
         SET default_transaction_read_only=off; SET client_min_messages=warning;",
        rule.lock_timeout.as_millis().min(i32::MAX as u128)
    );
    if server_version(client, &doing)? >= 170_000 {
        settings += "SET transaction_timeout=0;";
    }
    run(client, &settings, &doing)?;
    let made = format!("make {unit}.public.controle_vacuum");
    if !exists(client, &made)? {
        let hint =
            "Give the user CREATE on schema public, or make the table as the database's owner.";
        run(client, CREATE, &made).map_err(|e| e.hint(format!("{hint} It is: {CREATE};")))?;
    }
    let sql = "SELECT pg_catalog.has_table_privilege('public.controle_vacuum', 'INSERT') \
               AND pg_catalog.has_sequence_privilege(pg_catalog.pg_get_serial_sequence('public.controle_vacuum', 'id'), 'USAGE'), \
               pg_catalog.quote_ident(current_user)";
    let row = client.query_one(sql, &[]).map_err(|e| wrap(&doing, e))?;
    // Without a sequence of its own, only the insert can tell.
    if row.get::<_, Option<bool>>(0) != Some(false) {
        return Ok(());
    }
    let user: String = row.get(1);
    let error = Error::new(
        ErrorKind::Denied,
        doing,
        format!("{user} may not write to public.controle_vacuum"),
    );
    Err(error.hint(format!(
        "Run: GRANT SELECT, INSERT ON public.controle_vacuum TO {user}; \
         GRANT USAGE ON SEQUENCE public.controle_vacuum_id_seq TO {user};"
    )))
}

fn exists(client: &mut Client, doing: &str) -> Result<bool> {
    let sql = "SELECT pg_catalog.to_regclass('public.controle_vacuum') IS NOT NULL";
    Ok(client.query_one(sql, &[]).map_err(|e| wrap(doing, e))?.get(0))
}

/// The day of the last VACUUM of each table, by the name the control table has for it.
fn last(client: &mut Client, unit: &str) -> Result<HashMap<String, String>> {
    let doing = format!("read {unit}.public.controle_vacuum");
    if !exists(client, &doing)? {
        return Ok(HashMap::new());
    }
    let sql = "SELECT DISTINCT ON (tabela_nome) tabela_nome, ultima_execucao::date::text FROM public.controle_vacuum \
               ORDER BY tabela_nome, ultima_execucao DESC, id DESC";
    let rows = client.query(sql, &[]).map_err(|e| wrap(&doing, e))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Of each table: its bytes, and why the user may not vacuum it.
fn facts(
    client: &mut Client,
    oids: Vec<u32>,
    doing: &str,
) -> Result<BTreeMap<u32, (u64, Option<String>)>> {
    // The server would pass over such a table with a warning, and call that success.
    let maintain = match server_version(client, doing)? {
        version if version >= 170_000 => " OR pg_catalog.has_table_privilege(c.oid, 'MAINTAIN')",
        _ => "",
    };
    let kept = survey::KEPT;
    let sql = format!(
        "SELECT c.oid, CASE WHEN {kept} THEN c.relpages::int8 * pg_catalog.current_setting('block_size')::int8 \
         ELSE pg_catalog.pg_total_relation_size(c.oid) END, \
         pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.pg_has_role(d.datdba, 'USAGE'){maintain}, \
         pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), pg_catalog.quote_ident(current_user), \
         pg_catalog.quote_ident(n.nspname), pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database() WHERE c.oid = ANY($1)"
    );
    let rows = client.query(&sql, &[&oids]).map_err(|e| wrap(doing, e))?;
    let fact = |row: &Row| {
        let bytes = row.get::<_, Option<i64>>(1).and_then(|b| u64::try_from(b).ok()).unwrap_or(0);
        let (owner, user): (String, String) = (row.get(3), row.get(4));
        let obstacle =
            match (row.get::<_, Option<bool>>(2) == Some(true), row.get::<_, bool>(6), maintain) {
                (true, true, _) => None,
                (true, false, _) => {
                    let schema: String = row.get(5);
                    Some(format!(
                        "its schema is closed; run: GRANT USAGE ON SCHEMA {schema} TO {user};"
                    ))
                }
                (false, _, "") => {
                    Some(format!("it belongs to {owner}, and before PostgreSQL 17 nobody else may"))
                }
                (false, ..) => {
                    Some(format!("it belongs to {owner}; run: GRANT pg_maintain TO {user};"))
                }
            };
        (row.get(0), (bytes, obstacle))
    };
    Ok(rows.iter().map(fact).collect())
}

/// The name the control table has for a table.
fn called(schema: &str, name: &str) -> String {
    if schema == CONTROL.0 { name.to_owned() } else { format!("{schema}.{name}") }
}

/// Days of the calendar from `date`, as PostgreSQL writes it, to `today`.
fn days(unit: &str, date: &str, today: Date) -> Result<i64> {
    let date: Date = date.parse().map_err(|_| {
        let error = Error::new(
            ErrorKind::Refused,
            format!("read {unit}.public.controle_vacuum"),
            format!("the date {date}"),
        );
        error.hint("Correct `ultima_execucao` in that row, or delete it.")
    })?;
    Ok(i64::from((today - date).get_days()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        let day = |text: &str| text.parse::<DateTime>().expect("a moment").date();
        for (last, now, expected) in [
            ("2026-03-01T23:59:00", "2026-03-02T00:01:00", 1),
            ("2026-03-01T00:01:00", "2026-03-01T23:59:00", 0),
            ("2026-02-27T12:00:00", "2026-03-09T11:00:00", 10),
            ("2024-02-28T12:00:00", "2025-04-03T12:00:00", 400),
            ("2026-03-03T00:00:00", "2026-03-02T12:00:00", -1),
        ] {
            assert_eq!(
                days("erp", &day(last).to_string(), day(now)).expect("a date"),
                expected,
                "{last} {now}"
            );
        }
        assert!(days("erp", "infinity", day("2026-03-02T12:00:00")).is_err());
    }

    #[test]
    fn names_keep_their_quotes_and_public_needs_none() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!([called("public", "t"), called("vendas", "t")], ["t", "vendas.t"]);
    }
}
