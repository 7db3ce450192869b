//! A catalog of many years: runs of twenty chains into two stores over three years, as SQL that each
//! database takes, many rows in a statement.

use jiff::{Timestamp, ToSpan};

use crate::record::catalog::Home;

/// Chains.
pub const CHAINS: i64 = 20;

/// Job file of all of them.
const FILE: &str = "/etc/vex/jobs/carga.kdl";

/// Rows of a statement.
const ROWS: usize = 400;

/// Newest backups of a chain whose copies still exist.
const HELD: i64 = 45;

/// Servers, in turn.
const SERVERS: [&str; 3] = ["MySQL 9.1.0", "PostgreSQL 17.6", "MariaDB 11.8.3"];

fn at(moment: Timestamp) -> String {
    format!("'{moment:.6}'")
}

/// Rows that wait to be written, table by table.
struct Rows<'a> {
    home: &'a Home,
    waiting: Vec<(&'static str, Vec<String>)>,
}

impl Rows<'_> {
    fn add(&mut self, into: &'static str, row: String) {
        let place = match self.waiting.iter().position(|(known, _)| *known == into) {
            Some(place) => place,
            None => {
                self.waiting.push((into, Vec::new()));
                self.waiting.len() - 1
            }
        };
        self.waiting[place].1.push(format!("({row})"));
    }

    /// Writes all of them, a run before what belongs to it.
    fn write(&mut self) {
        for (into, rows) in &mut self.waiting {
            for some in rows.chunks(ROWS) {
                self.home.exec(&format!("INSERT INTO {into} VALUES {}", some.join(",")));
            }
            rows.clear();
        }
    }
}

const RUN: &str =
    "run (id, kind, job, file, host, pid, started, finished, verdict, note, progress)";
const STEP: &str = "step (run, number, address, verb, source, chain, store, started, finished, state, verdict, message, code)";
const LOG: &str = "run_log (run, number, at, level, step, line)";
const BACKUP: &str = "backup (number, id, source, chain, job, file, host, server, units, name, raw_bytes, bytes, started, \
     finished, verdict, note, created, shown, upload)";
const COPY: &str = "copy (id, source, store, place, object_key, bytes, started, finished, verdict, message, bucket, code, removed)";
const PROOF: &str = "proof (id, source, store, level, at, good, damage)";

/// Fills a catalog with so many backups that ended before `now`; its tables are there.
pub fn fill(home: &Home, backups: i64, now: Timestamp) {
    declare(home, now);
    let mut rows = Rows { home, waiting: Vec::new() };
    let span = 3 * 365 * 24 * 3600;
    for number in 1..=backups {
        let started = now - (span - span * number / (backups + 1)).seconds() - 600.seconds();
        of_backup(&mut rows, number, backups, started);
        if number % ROWS as i64 == 0 {
            rows.write();
        }
    }
    rows.write();
}

fn of_backup(rows: &mut Rows<'_>, number: i64, backups: i64, started: Timestamp) {
    let chain = number % CHAINS;
    let ended = started + (90 + number % 400).seconds();
    let verdict = match number % 97 {
        0 => 3,
        1 | 2 => 2,
        _ => 1,
    };
    let note = ["", "cópia em nas: sem espaço no dispositivo", "servidor encerrou a conexão"];
    let note = note[verdict as usize - 1];
    let id = format!("{}-{number:08x}", started.strftime("%Y%m%dT%H%M%SZ"));
    let (job, source) = (format!("noite{}", chain % 4), format!("fonte{chain:02}"));
    let host = format!("servidor{:02}", chain % 7);
    let raw = (1 + chain) * 700_000_000 + number * 7919 % 90_000_000;
    let bytes = if verdict == 3 { 0 } else { raw / 4 };
    let (from, to) = (at(started), at(ended));
    rows.add(RUN, format!("'{id}','job','{job}','{FILE}','{host}',1,{from},{to},{verdict},'',''"));
    let name = started.strftime("backup_%Y%m%d_%H%M%S.zip");
    let server = SERVERS[chain as usize % SERVERS.len()];
    rows.add(
        BACKUP,
        format!(
            "{number},'{id}','{source}','{source}','{job}','{FILE}','{host}','{server}','{source},{source}_br',\
             '{name}',{raw},{bytes},{from},{to},{verdict},'{note}',{from},'',{}",
            if verdict == 3 { 0 } else { verdict }
        ),
    );
    let state = if verdict == 3 { "failed" } else { "done" };
    for (n, verb) in [(1, "dump"), (2, "verify")] {
        rows.add(
            STEP,
            format!(
                "'{id}',{n},'{job}/{verb}/{source}','{verb}','{source}','{source}','',{from},{to},'{state}',{verdict},'{note}',''"
            ),
        );
        rows.add(LOG, format!("'{id}',{n},{from},1,{n},'reads {source} as {server}'"));
    }
    if verdict == 3 {
        return;
    }
    let removed = match backups - number > HELD * CHAINS {
        true => at(ended + (30 * 24).hours()),
        false => "NULL".to_owned(),
    };
    for (store, place) in [("cloud", "s3://vex-backup"), ("nas", "dir /mnt/nas/backups")] {
        rows.add(
            COPY,
            format!(
                "'{id}','{source}','{store}','{place}','prod/{job}/{source}/{name}',{bytes},{from},{to},1,'','','',{removed}"
            ),
        );
        rows.add(
            PROOF,
            format!("'{id}','{source}','{store}','read',{},1,''", at(ended + 60.seconds())),
        );
    }
}

fn declare(home: &Home, now: Timestamp) {
    let seen = at(now);
    for job in 0..4 {
        home.exec(&format!(
            "INSERT INTO declared_job (host, file, job, schedule, zone, within_s, parallel_chains, enabled, seen) \
             VALUES ('servidor00','{FILE}','noite{job}','0 */5 * * *','UTC',93600,2,1,{seen})"
        ));
    }
    for chain in 0..CHAINS {
        let (job, source) = (format!("noite{}", chain % 4), format!("fonte{chain:02}"));
        home.exec(&format!(
            "INSERT INTO declared_chain (host, file, job, verb, source, chain, sealed, number, seen) VALUES \
             ('servidor00','{FILE}','{job}','dump','{source}','{source}',1,{chain},{seen})"
        ));
        for (store, place) in [("cloud", "s3://vex-backup"), ("nas", "dir /mnt/nas/backups")] {
            home.exec(&format!(
                "INSERT INTO declared_copy (host, file, job, chain, store, place, keep_text, optional, verified, site, seen) \
                 VALUES ('servidor00','{FILE}','{job}','{source}','{store}','{place}','daily=7',0,1,'',{seen})"
            ));
        }
    }
}
