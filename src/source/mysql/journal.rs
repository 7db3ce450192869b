//! The target's own binary log: whether a restore goes into it, and the GTID state of a backup that
//! becomes the target's.
//!
//! Takes a GTID state over only where there is none: adding to one, or replacing it, breaks the
//! replication of a server that is in use. What can be refused is refused before anything is
//! written.

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::Position;
use crate::source::contract::{Error, ErrorKind, Loading, Result};
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::privilege::{Privileges, Scope};
use crate::source::mysql::schema::literal;

/// Makes the GTID state of the backup the server's, and reads it back.
pub fn adopt(connection: &mut Conn, loading: &Loading, place: &str) -> Result<()> {
    let Some(position) = loading.position.as_ref().filter(|_| loading.terms.gtid) else {
        return Ok(());
    };
    let doing = format!("take over the GTID state in {place}");
    let gtid = literal(&plain(position.gtid()));
    let (set, check) = match position {
        Position::Mysql { .. } => (
            format!("SET GLOBAL gtid_purged={gtid}"),
            format!("SELECT GTID_SUBSET({gtid}, @@GLOBAL.gtid_executed), @@GLOBAL.gtid_executed"),
        ),
        Position::Mariadb { .. } => (
            format!("SET GLOBAL gtid_slave_pos={gtid}"),
            "SELECT @@GLOBAL.gtid_slave_pos <> '', @@GLOBAL.gtid_slave_pos".to_owned(),
        ),
        Position::Postgres { .. } | Position::Oracle { .. } => return Ok(()),
    };
    let everything = "All rows are restored and proven; set it by hand, or not at all.";
    run(connection, &set, &doing).map_err(|e| e.hint(everything))?;
    let found: Option<(bool, String)> =
        connection.query_first(check).map_err(|e| wrap(&doing, e))?;
    let (there, found) = found.unwrap_or_default();
    let whole = match position {
        Position::Mysql { .. } | Position::Postgres { .. } | Position::Oracle { .. } => there,
        Position::Mariadb { gtid, .. } => there && sorted(gtid) == sorted(&found),
    };
    if !whole {
        let found = format!(
            "the server has {} where the backup has {}",
            plain(&found),
            plain(position.gtid())
        );
        return Err(Error::new(ErrorKind::Failed, doing, found).hint(everything));
    }
    Ok(())
}

/// Takes a loading connection out of the log.
pub fn leave_log(connection: &mut Conn, flavor: &Flavor, place: &str) -> Result<()> {
    let doing = format!("keep the restore out of the binary log of {place}");
    let privilege = match flavor.family {
        Family::Mysql if flavor.number >= (8, 0) => "SESSION_VARIABLES_ADMIN",
        Family::Mariadb if flavor.number >= (10, 5) => "BINLOG ADMIN",
        Family::Mysql | Family::Mariadb => "SUPER",
    };
    run(connection, "SET SESSION sql_log_bin=0", &doing).map_err(|e| match e.kind {
        ErrorKind::Denied => e.hint(format!(
            "Grant {privilege} on *.* to the account, or restore without --skip-binlog."
        )),
        _ => e,
    })
}

/// Why a backup has no GTIDs.
const NONE: &str = "the backup has none: its server wrote no GTIDs, or no binary log";

/// Why a position of another kind of database means nothing.
const OTHER: &str = "the backup is of another kind of database";

/// Refuses a GTID state that the server could not take over.
pub fn can_adopt(
    connection: &mut Conn,
    loading: &Loading,
    flavor: &Flavor,
    place: &str,
) -> Result<()> {
    let doing = format!("take over the GTID state in {place}");
    let refuse =
        |found: String, hint: &str| Err(Error::new(ErrorKind::Refused, &doing, found).hint(hint));
    let without = "Restore without --gtid set.";
    let Some(position) = loading.position.as_ref().filter(|p| !p.gtid().is_empty()) else {
        return refuse(NONE.into(), without);
    };
    let of = match position {
        Position::Mysql { .. } => Family::Mysql,
        Position::Mariadb { .. } => Family::Mariadb,
        Position::Postgres { .. } | Position::Oracle { .. } => {
            return refuse(OTHER.into(), without);
        }
    };
    if of != flavor.family {
        return refuse(foreign(of, flavor), without);
    }
    let ask = |connection: &mut Conn, sql: &str| -> Result<String> {
        let found: Option<Option<String>> =
            connection.query_first(sql).map_err(|e| wrap(&doing, e))?;
        Ok(plain(&found.flatten().unwrap_or_default()))
    };
    if of == Family::Mysql
        && ask(connection, "SELECT @@GLOBAL.gtid_mode")?.eq_ignore_ascii_case("OFF")
    {
        let hint = "Turn gtid_mode on, or restore without --gtid set.";
        return refuse("the server has gtid_mode OFF".into(), hint);
    }
    let terms = terms(flavor);
    for variable in terms.variables {
        let found = ask(connection, &format!("SELECT @@GLOBAL.{variable}"))?;
        if !found.is_empty() {
            return refuse(format!("its {variable} is {found}"), terms.hint);
        }
    }
    let held = Privileges::of(connection, flavor)?;
    if !held.has(terms.any, &Scope::Global) {
        let found = format!("{} may not set it", held.account());
        let hint = format!(
            "{} Or restore without --gtid set.",
            held.statement(terms.any[0], &Scope::Global)
        );
        return Err(Error::new(ErrorKind::Denied, &doing, found).hint(hint));
    }
    Ok(())
}

/// Why GTIDs of one family are none of the other.
fn foreign(of: Family, flavor: &Flavor) -> String {
    let name = |family| if family == Family::Mysql { "MySQL" } else { "MariaDB" };
    let (of, to) = (name(of), name(flavor.family));
    format!("GTIDs of {of} mean nothing to {to} ({})", flavor.version)
}

/// On what terms a server takes over a GTID state.
struct Terms {
    /// One of these privileges is needed.
    any: &'static [&'static str],
    /// These variables must be empty.
    variables: &'static [&'static str],
    /// How they become so.
    hint: &'static str,
}

fn terms(flavor: &Flavor) -> Terms {
    match flavor.family {
        Family::Mysql => Terms {
            any: if flavor.number >= (8, 0) {
                &["SYSTEM_VARIABLES_ADMIN", "SUPER"]
            } else {
                &["SUPER"]
            },
            variables: &["gtid_executed"],
            hint: "Only a server without GTIDs of its own can take them over: RESET BINARY LOGS AND GTIDS (before \
                   MySQL 8.2: RESET MASTER) makes it one, and deletes its binary logs. Or restore without --gtid set.",
        },
        Family::Mariadb => Terms {
            any: if flavor.number >= (10, 5) { &["REPLICATION SLAVE ADMIN"] } else { &["SUPER"] },
            variables: &["gtid_binlog_pos", "gtid_slave_pos"],
            hint: "Only a server without GTIDs of its own can take them over: RESET MASTER and SET GLOBAL \
                   gtid_slave_pos='' make it one, and delete its binary logs. Or restore without --gtid set.",
        },
    }
}

/// A GTID set on one line.
fn plain(gtid: &str) -> String {
    gtid.split_whitespace().collect()
}

/// The parts of a GTID position, in no order of the server's.
fn sorted(gtid: &str) -> Vec<String> {
    let mut parts: Vec<String> = gtid.split(',').map(plain).collect();
    parts.sort();
    parts
}
