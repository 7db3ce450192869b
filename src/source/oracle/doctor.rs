//! The examination of an Oracle database: what a backup or restore would stumble on, asked
//! beforehand. Changes nothing.

use std::path::Path;
use std::time::Duration;

use crate::base::{Finding, Grade, Size, Stop};
use crate::source::contract::{Examined, Result};
use crate::source::oracle::facts::{Area, Asking, Database};
use crate::source::oracle::instance::Instance;
use crate::source::program::Private;
use crate::world::Child;

/// The recovery area is nearly full from here on, in percent.
const FULL: u64 = 85;

/// Days that the control file should remember backups: two weeks of a weekly full one.
const DAYS: u64 = 14;

/// Examines a database; a question that is not answered is a finding.
pub fn examine(instance: &Instance, staging: &Path, stop: &Stop) -> Result<Examined> {
    let mut findings = of_machine(instance, stop);
    let private = match Private::create(staging) {
        Ok(private) => private,
        Err(error) => {
            findings.push(unanswered("staging", &error));
            return Ok(Examined { findings, ..Examined::default() });
        }
    };
    let asking = Asking { instance, private: &private, stop };
    let database = match asking.database() {
        Ok(database) => database,
        Err(error) => {
            findings.push(unanswered("database", &error));
            return Ok(Examined { findings, ..Examined::default() });
        }
    };
    findings.extend(of_database(&database));
    findings.push(match asking.configuration() {
        Ok(found) if found.autobackup => {
            Finding::ok("control file", "CONTROLFILE AUTOBACKUP is ON")
        }
        Ok(_) => Finding::error(
            "control file",
            "CONTROLFILE AUTOBACKUP is OFF: a lost server could not be restored",
            "In RMAN: CONFIGURE CONTROLFILE AUTOBACKUP ON.",
        ),
        Err(error) => unanswered("configuration of RMAN", &error),
    });
    findings.push(match asking.area() {
        Ok(area) => of_area(area),
        Err(error) => unanswered("recovery area", &error),
    });
    findings.push(memory(&asking));
    let bytes = asking.size().unwrap_or_else(|error| {
        findings.push(unanswered("size", &error));
        0
    });
    findings.push(match private.has_room(bytes, "or name another folder with `staging=`") {
        Ok(()) => {
            Finding::ok("staging", format!("{} has room for {}", staging.display(), Size(bytes)))
        }
        Err(error) => unanswered("staging", &error),
    });
    Ok(Examined { findings, bytes, data: None })
}

/// What can be looked at without the instance.
fn of_machine(instance: &Instance, stop: &Stop) -> Vec<Finding> {
    let mut findings = vec![
        Finding::ok("ORACLE_SID", instance.sid.clone()),
        Finding::ok("ORACLE_HOME", instance.home.display().to_string()),
    ];
    for name in ["rman", "sqlplus"] {
        findings.push(match instance.program(name) {
            Ok(path) => Finding::ok(name, path.display().to_string()),
            Err(error) => unanswered(name, &error),
        });
    }
    findings.push(group(stop));
    findings.push(owner(instance));
    findings
}

/// How long RMAN's record of backups is kept.
fn memory(asking: &Asking<'_>) -> Finding {
    match asking.remembers() {
        Ok(days) => Finding::judged(
            days >= DAYS,
            "memory of backups",
            format!("CONTROL_FILE_RECORD_KEEP_TIME is {days}"),
            "ALTER SYSTEM SET CONTROL_FILE_RECORD_KEEP_TIME=30: an increment is a full backup once RMAN has forgotten the last full one.",
        ),
        Err(error) => unanswered("memory of backups", &error),
    }
}

fn unanswered(looked: &str, error: &crate::source::contract::Error) -> Finding {
    let advice = error.hint.as_deref().unwrap_or("See the alert log of the instance.");
    Finding { grade: Grade::Error, ..Finding::error(looked, error.to_string(), advice) }
}

/// Whether the user is of the group whose rights are those of `/ as sysdba`.
fn group(stop: &Stop) -> Finding {
    let words = ["id".to_owned(), "-Gn".to_owned()];
    let said = Child::new(&words).stall(Duration::from_secs(30)).output(64 << 10, stop);
    let known = match said {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(error) => {
            return Finding::alert("group dba", error.to_string(), "See what `id -Gn` says.");
        }
    };
    let is_of = known.split_whitespace().any(|name| name == "dba");
    let advice = "Run vex as a user of the group dba (usermod -aG dba USER), unless the software was installed with another OSDBA group.";
    Finding::judged(is_of, "group dba", format!("the groups of this user are {known}"), advice)
}

/// The server writes pieces as the owner of the software, into a folder that is vex's own.
fn owner(instance: &Instance) -> Finding {
    let own = rustix::process::geteuid().as_raw();
    match instance.owner() {
        Some(owner) if owner == own => {
            Finding::ok("user", "it is the owner of the Oracle software")
        }
        Some(owner) => Finding::error(
            "user",
            format!(
                "bin/oracle is of user {owner}, and vex runs as {own}: the server could not write into the staging folder"
            ),
            "Run vex as the owner of the Oracle software, usually oracle.",
        ),
        None => Finding::error(
            "user",
            "bin/oracle of ORACLE_HOME can't be looked at",
            "Check `home=`, and run vex as the owner of the Oracle software, usually oracle.",
        ),
    }
}

fn of_database(database: &Database) -> Vec<Finding> {
    let Database { dbid, name, version, role, open_mode, .. } = database;
    let mut found = vec![
        Finding::ok("version", format!("Oracle {version}")),
        Finding::ok("database", format!("{name}, DBID {dbid}, {role}, {open_mode}")),
    ];
    found.push(match database.archives {
        true => Finding::ok("ARCHIVELOG", "on"),
        false => Finding::error(
            "ARCHIVELOG",
            "the database is in NOARCHIVELOG mode",
            "SHUTDOWN IMMEDIATE, STARTUP MOUNT, ALTER DATABASE ARCHIVELOG, ALTER DATABASE OPEN.",
        ),
    });
    found
}

fn of_area(area: Option<Area>) -> Finding {
    let looked = "recovery area";
    let Some(Area { name, limit, used }) = area else {
        let advice =
            "ALTER SYSTEM SET DB_RECOVERY_FILE_DEST_SIZE=…, then DB_RECOVERY_FILE_DEST='…'.";
        return Finding::alert(looked, "DB_RECOVERY_FILE_DEST is not set", advice);
    };
    let percent = used.saturating_mul(100) / limit.max(1);
    let found = format!("{name}: {} of {} used ({percent} %)", Size(used), Size(limit));
    let advice = "Enlarge DB_RECOVERY_FILE_DEST_SIZE, or let a backup delete archived logs: a full area stops the database (ORA-00257).";
    match percent {
        100.. => Finding::error(looked, found, advice),
        _ => Finding::judged(percent < FULL, looked, found, advice),
    }
}
