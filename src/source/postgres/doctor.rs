//! The examination of a server: what a dump, a vacuum or a restore would stumble on, asked
//! beforehand. Changes nothing.
//!
//! Does not know jobs or stores; what the user lacks is told by `privileges.rs`. Each question is a
//! function of its own; one that the user may not ask, or that this version does not know, is
//! answered with `unknown`, never left out.

use std::path::PathBuf;

use jiff::Timestamp;
use postgres::types::FromSqlOwned;
use postgres::{Client, Row};

use crate::base::{Finding, Grade, Size, Stop};
use crate::job::PostgresSpec;
use crate::source::contract::{Error, Examined, Purpose, Result};
use crate::source::patterns::{ADVICE, Patterns};
use crate::source::postgres::connect::{Connector, server_version};
use crate::source::postgres::databases::{Databases, databases};
use crate::source::postgres::fault::wrap;
use crate::source::postgres::privileges::Privileges;
use crate::source::postgres::program;
use crate::source::postgres::survey::{self, Relation};
use crate::world::Clock;

/// Clocks that differ by more make backups hard to tell apart by time.
const SKEW: f64 = 5.0;

/// A transaction that is open for longer holds locks a dump may wait for, in seconds.
const OLD: f64 = 60.0;

/// Things that are named one by one.
const NAMED: usize = 5;

/// A database that matches.
struct Unit {
    name: String,
    /// Those whose definitions are taken, and what is taken of their rows.
    tables: Vec<(Relation, bool)>,
    /// All that pg_dump locks.
    locked: usize,
}

/// Examines a server.
pub fn examine(
    spec: &PostgresSpec,
    connector: &Connector,
    clock: &Clock,
    purpose: Purpose,
    stop: &Stop,
) -> Result<Examined> {
    stop.check()?;
    let names = databases(spec, connector);
    let units = names.as_ref().map(|n| n.units.as_slice()).unwrap_or_default();
    let mut client = entrance(connector, units)?;
    let number = server_version(&mut client, "ask for the version")?;
    let standby = ask(&mut client, "SELECT pg_catalog.pg_is_in_recovery()").unwrap_or(false);
    let mut found = vec![version(number), tls(&mut client, connector), skew(&mut client, clock)];
    let (mut units, mut privileges) = (Vec::new(), Privileges::new(&mut client, number)?);
    let mut names = names.unwrap_or_else(|error| {
        found.push(failed("databases", &error));
        Databases::default()
    });
    found.extend(names.lost.iter().map(shut_out));
    for name in names.units.clone() {
        stop.check()?;
        match unit(spec, connector, (&name, &mut names.patterns), purpose, &mut privileges) {
            Ok((unit, own)) => {
                units.push(unit);
                found.extend(own);
            }
            Err(error) => {
                found.push(failed(&format!("database {name}"), &error));
                names.lost.push(name);
            }
        }
    }
    if connector.is_pooled() {
        let what = "one stands before the server, lends a session to each connection, and clears it afterwards";
        found.push(Finding::ok("pooler", what));
    }
    found.extend(privileges.findings(&mut client, spec, purpose));
    let bytes = units.iter().flat_map(|u| &u.tables).filter(|t| t.1).map(|t| t.0.bytes).sum();
    if purpose.readers > 0 {
        found.push(contents(&units, bytes));
        found.extend(names.idle().iter().map(|line| Finding::alert("patterns", line, ADVICE)));
        found.extend(units.iter().filter_map(|u| apart(u, standby)));
        found.push(pg_dump(spec, number, stop)?);
        found.push(connections(&mut client, purpose, units.len()));
        found.push(locks(&mut client, &units));
    }
    found.push(transactions(&mut client));
    found.extend(prepared(&mut client));
    found.push(write_ahead(&mut client, number));
    found.push(role(&mut client, standby, purpose));
    let data = connector
        .is_local()
        .then(|| text(&mut client, "data_directory"))
        .flatten()
        .map(PathBuf::from);
    Ok(Examined { findings: found, bytes, data: data.filter(|folder| folder.is_dir()) })
}

/// A database that can't be read.
fn shut_out(line: &String) -> Finding {
    let advice = "Repair or drop it, or `exclude` it: it is left out of backups.";
    Finding::alert("databases", line, advice)
}

/// A connection to whichever database lets us in.
fn entrance(connector: &Connector, units: &[String]) -> Result<Client> {
    let home = connector.home();
    let first = connector.session(home, "examine");
    let other = units.iter().find(|unit| *unit != home);
    match (first, other) {
        (Err(_), Some(other)) => connector.session(other, "examine"),
        (client, _) => client,
    }
}

/// What one database holds, and what only a connection to it can tell.
fn unit(
    spec: &PostgresSpec,
    connector: &Connector,
    (name, patterns): (&str, &mut Patterns),
    purpose: Purpose,
    privileges: &mut Privileges,
) -> Result<(Unit, Vec<Finding>)> {
    let mut client = connector.session(name, "examine")?;
    let found = held(&mut client, name)?;
    let all = survey::glance(&mut client, name)?;
    survey::see(&mut client, name, &all, patterns)?;
    privileges.look(&mut client, name, purpose)?;
    let locked = all.iter().filter(|r| r.kind != 'f').count();
    let takes = |r: Relation| {
        let (defined, rows) = survey::takes_table(spec, name, &r);
        defined.then_some((r, rows))
    };
    Ok((
        Unit { name: name.to_owned(), tables: all.into_iter().filter_map(takes).collect(), locked },
        found,
    ))
}

/// An error of a question as a finding.
fn failed(looked: &str, error: &Error) -> Finding {
    Finding {
        grade: Grade::Error,
        advice: error.hint.as_deref().map(str::to_owned),
        ..Finding::ok(looked, error.found.clone())
    }
}

/// A single value, `None` if there is none or it may not be asked.
fn ask<T: FromSqlOwned>(client: &mut Client, sql: &str) -> Option<T> {
    client.query_opt(sql, &[]).ok()??.try_get(0).ok()
}

/// A setting as text.
fn text(client: &mut Client, name: &str) -> Option<String> {
    ask(client, &format!("SELECT pg_catalog.current_setting('{name}', true)"))
}

/// A setting as a number, in its own unit.
fn number(client: &mut Client, name: &str) -> Option<u64> {
    let sql = format!("SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = '{name}'");
    ask::<i64>(client, &sql).and_then(|n| u64::try_from(n).ok())
}

fn version(number: u32) -> Finding {
    let found = format!("PostgreSQL {}.{}", number / 10_000, number % 10_000);
    let advice = "This vex is tested with PostgreSQL 15 and 17, and knows 13 to 18: restore a backup of it into a scratch \
                  server before you trust one.";
    Finding::judged((13..=18).contains(&(number / 10_000)), "version", found, advice)
}

fn tls(client: &mut Client, connector: &Connector) -> Finding {
    let sql = "SELECT version || ' ' || cipher FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid() AND ssl";
    match ask::<String>(client, sql) {
        Some(found) => Finding::ok("TLS", found),
        None if connector.is_local() => {
            Finding::ok("TLS", "not in use, and the bytes stay on this machine")
        }
        None => Finding::alert(
            "TLS",
            "not in use: password and rows travel in the clear",
            "Set up a certificate on the server and remove `tls \"off\"`.",
        ),
    }
}

fn skew(client: &mut Client, clock: &Clock) -> Finding {
    let seconds = |moment: Timestamp| moment.as_microsecond() as f64 / 1e6;
    let before = clock.now();
    let there: Option<f64> =
        ask(client, "SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8");
    let middle = (seconds(before) + seconds(clock.now())) / 2.0;
    let Some(there) = there else {
        return Finding::ok("clock", "unknown: the server does not say what time it has");
    };
    let found = format!("{:.1} s off this machine's", (there - middle).abs());
    Finding::judged((there - middle).abs() <= SKEW, "clock", found, "Let NTP keep both clocks.")
}

fn contents(units: &[Unit], bytes: u64) -> Finding {
    let tables: usize = units.iter().map(|u| u.tables.iter().filter(|t| t.1).count()).sum();
    let names: Vec<&str> = units.iter().map(|u| u.name.as_str()).collect();
    Finding::ok(
        "databases",
        format!("{} ({tables} tables, about {})", names.join(", "), Size(bytes)),
    )
}

/// Tables whose rows are elsewhere, or not for ever.
fn apart(unit: &Unit, standby: bool) -> Option<Finding> {
    let unlogged: Vec<String> =
        unit.tables.iter().filter(|t| t.0.persistence == 'u' && t.1).map(|t| t.0.title()).collect();
    let first = unlogged.first()?;
    let more = if unlogged.len() > 1 {
        format!(" and {} more", unlogged.len() - 1)
    } else {
        String::new()
    };
    let what = format!("{}.{first}{more}: unlogged", unit.name);
    Some(match standby {
        true => Finding::alert(
            "tables",
            format!("{what}; a standby can't read it"),
            "Dump the primary, or `exclude` them.",
        ),
        false => {
            Finding::ok("tables", format!("{what}; a crash or a physical restore leaves it empty"))
        }
    })
}

fn pg_dump(spec: &PostgresSpec, number: u32, stop: &Stop) -> Result<Finding> {
    let looked = "pg_dump";
    match program::find(&spec.tools, "pg_dump", number, stop) {
        Ok(program) => {
            Ok(Finding::ok(looked, format!("{} ({})", program.title, program.path.display())))
        }
        Err(error) => {
            stop.check()?;
            Ok(failed(looked, &error))
        }
    }
}

fn connections(client: &mut Client, purpose: Purpose, units: usize) -> Finding {
    let used =
        "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'";
    let limits = "SELECT CASE WHEN rolconnlimit < 0 THEN NULL ELSE rolconnlimit END::int8 FROM pg_catalog.pg_roles \
                  WHERE rolname = current_user";
    let (most, used) = (number(client, "max_connections"), ask::<i64>(client, used));
    let (Some(most), Some(used)) = (most, used.and_then(|n| u64::try_from(n).ok())) else {
        return Finding::ok("connections", "unknown");
    };
    let kept = ["superuser_reserved_connections", "reserved_connections"];
    let kept: u64 = kept.iter().filter_map(|name| number(client, name)).sum();
    // This examination's own connection ends before. A dump has two for each database, its readers,
    // and pg_dump.
    let (used, wanted) = (used.saturating_sub(1), (2 * units + purpose.readers + 1) as u64);
    let own = ask::<i64>(client, limits).and_then(|n| u64::try_from(n).ok());
    let fits = used + wanted + kept <= most && own.is_none_or(|own| wanted <= own);
    let limit = own.map_or(String::new(), |own| format!(", {own} per user"));
    let found = format!(
        "{used} of {most} are in use, {kept} are kept for superusers{limit}; the dump takes {wanted}"
    );
    Finding::judged(fits, "connections", found, "Raise max_connections, or lower `threads`.")
}

/// Room in the table of locks: a dump holds one on every table, pg_dump one more.
fn locks(client: &mut Client, units: &[Unit]) -> Finding {
    let settings = ["max_locks_per_transaction", "max_connections", "max_prepared_transactions"];
    let [Some(each), Some(connections), Some(prepared)] = settings.map(|name| number(client, name))
    else {
        return Finding::ok("locks", "unknown");
    };
    let room = each * (connections + prepared);
    let held: usize = units.iter().map(|u| u.locked).sum();
    let wanted = (held + units.iter().map(|u| u.locked).max().unwrap_or(0)) as u64;
    let found = format!("a dump takes {wanted}, the server has room for about {room}");
    let advice = format!(
        "Set max_locks_per_transaction={} or more and restart the server, else the dump ends with `out of shared memory`.",
        (wanted * 5 / 4).div_ceil((connections + prepared).max(1)).max(each)
    );
    Finding::judged(wanted * 5 <= room * 4, "locks", found, &advice)
}

/// Locks that nobody can read beside, now.
fn held(client: &mut Client, unit: &str) -> Result<Vec<Finding>> {
    let sql = "SELECT l.pid, l.relation::pg_catalog.regclass::text FROM pg_catalog.pg_locks l \
               JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = pg_catalog.current_database() \
               JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p') \
               WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid() \
               ORDER BY 2 LIMIT 5";
    let rows = client.query(sql, &[]).map_err(|e| wrap(&format!("list the locks of {unit}"), e))?;
    let advice =
        "End it, or dump later: a dump waits for it as long as `lock-wait`, and then fails.";
    let line = |row: &Row| {
        let (pid, table): (Option<i32>, String) = (row.get(0), row.get(1));
        let who =
            pid.map_or("a prepared transaction".to_owned(), |pid| format!("connection {pid}"));
        Finding::alert(
            "locks held",
            format!("{who} keeps everybody off {unit}.{table} (ACCESS EXCLUSIVE)"),
            advice,
        )
    };
    Ok(rows.iter().map(line).collect())
}

/// Transactions that have been open for long.
fn transactions(client: &mut Client) -> Finding {
    let looked = "transactions";
    let may: Option<bool> =
        ask(client, "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')");
    let sql = "SELECT pid, extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)::float8 \
               FROM pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid() \
               AND backend_type = 'client backend' AND xact_start IS NOT NULL ORDER BY 2 DESC";
    let Ok(rows) = client.query(sql, &[]) else { return Finding::ok(looked, "unknown") };
    let old: Vec<(i32, f64)> =
        rows.iter().map(|r| (r.get(0), r.get(1))).filter(|r: &(i32, f64)| r.1 >= OLD).collect();
    if old.is_empty() && may != Some(true) {
        return Finding::ok(looked, "unknown: the user may not look (GRANT pg_read_all_stats)");
    }
    if old.is_empty() {
        return Finding::ok(looked, format!("none is open for {OLD} s or longer"));
    }
    let named: Vec<String> = old
        .iter()
        .take(NAMED)
        .map(|(pid, seconds)| format!("connection {pid} holds one open for {seconds:.0} s"))
        .collect();
    let more = if old.len() > NAMED {
        format!(", {} more are as old", old.len() - NAMED)
    } else {
        String::new()
    };
    let advice = "End it, or dump later: VACUUM can't remove what it may still see, and an ALTER that waits for it keeps \
                  the dump waiting.";
    Finding::alert(looked, named.join(", ") + &more, advice)
}

/// Transactions that wait for their second phase, maybe for ever.
fn prepared(client: &mut Client) -> Option<Finding> {
    let sql = "SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE prepared < pg_catalog.now() - interval '1 hour'";
    let count: i64 = ask(client, sql).filter(|n| *n > 0)?;
    let advice = "Look at pg_prepared_xacts and COMMIT PREPARED or ROLLBACK PREPARED each.";
    Some(Finding::alert(
        "prepared transactions",
        format!("{count} have waited for an hour or longer"),
        advice,
    ))
}

/// What a physical backup, or a restore to a moment, would need.
fn write_ahead(client: &mut Client, number: u32) -> Finding {
    let mut value = |name: &str| text(client, name).unwrap_or_else(|| "unknown".into());
    let (level, archive, pages) =
        (value("wal_level"), value("archive_mode"), value("full_page_writes"));
    let mut found = format!("wal_level {level}, archive_mode {archive}, full_page_writes {pages}");
    if number >= 170_000 {
        found += &format!(", summarize_wal {}", value("summarize_wal"));
    }
    let good = level != "minimal" && pages != "off";
    let advice =
        "Set wal_level=replica and full_page_writes=on: no physical backup can be taken without.";
    Finding::judged(good, "WAL", found, advice)
}

/// Whether it is a primary, and what a standby does to those who read for long.
fn role(client: &mut Client, standby: bool, purpose: Purpose) -> Finding {
    let looked = "replication";
    if !standby {
        return Finding::ok(looked, "a primary");
    }
    if purpose.load || purpose.vacuum {
        let advice = "Name the primary, or write `session \"primary\"`.";
        return Finding::error(looked, "a standby: nothing can be written to it", advice);
    }
    let feedback = text(client, "hot_standby_feedback").unwrap_or_else(|| "unknown".into());
    let delay = text(client, "max_standby_streaming_delay").unwrap_or_else(|| "unknown".into());
    let found =
        format!("a standby, hot_standby_feedback {feedback}, max_standby_streaming_delay {delay}");
    let advice = "Set max_standby_streaming_delay=-1, or hot_standby_feedback=on: a dump that takes longer is cancelled.";
    Finding::judged(delay == "-1" || feedback == "on", looked, found, advice)
}
