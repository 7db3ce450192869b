//! The privileges that the native engine uses, each with its reason. Pure: what is held is asked
//! elsewhere.
//!
//! Follows `guard.rs`, `object.rs`, `schema.rs`, `snapshot.rs` and `target.rs`; a test dumps with
//! exactly these, and with one less.

use crate::artifact::Kind;
use crate::base::{Finding, Grade};
use crate::job::MysqlSpec;
use crate::source::contract::{Loading, Purpose};
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::privilege::{Privileges, Scope};

/// What is asked of the server before needs are known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Whether the binary log is on.
    pub log_bin: bool,
    /// Whether anybody may make functions while it is.
    pub trusts_creators: bool,
}

/// A privilege that is needed.
struct Need {
    /// Any of these will do; the first is what is asked for.
    any: Vec<&'static str>,
    /// Held in every database, or globally.
    everywhere: bool,
    /// What its absence is.
    grade: Grade,
    /// What goes wrong without it.
    without: &'static str,
}

fn need(any: &[&'static str], everywhere: bool, grade: Grade, without: &'static str) -> Need {
    Need { any: any.to_vec(), everywhere, grade, without }
}

/// What a dump needs, but the right to see routines.
fn of_dump(flavor: &Flavor, purpose: Purpose, settings: Settings) -> Vec<Need> {
    let mut needs = vec![
        need(&["SELECT"], false, Grade::Error, "rows can't be read"),
        need(&["SHOW VIEW"], false, Grade::Error, "views can't be read"),
        need(&["EVENT"], false, Grade::Error, "events can't be listed"),
        need(&["TRIGGER"], false, Grade::Alert, "triggers are not seen, and the dump is Alerta"),
    ];
    let lock: &[&str] = match flavor.family {
        Family::Mysql => &["RELOAD", "FLUSH_TABLES"],
        Family::Mariadb => &["RELOAD"],
    };
    if purpose.readers > 1 {
        let without = "commits can't be held back: one connection reads everything";
        needs.push(need(lock, true, Grade::Alert, without));
    }
    let without = "other sessions are not seen: a DDL that waits does so until its table is read";
    needs.push(need(&["PROCESS"], true, Grade::Alert, without));
    if settings.log_bin && flavor.family == Family::Mariadb {
        let any: &[&str] = match flavor.number >= (10, 5) {
            true => &["BINLOG ADMIN", "SUPER"],
            false => &["SUPER"],
        };
        let without = "sql_log_bin can't be set: a DDL waits until the dump ends";
        needs.push(need(any, true, Grade::Alert, without));
    }
    if settings.log_bin {
        let any: &[&str] = match flavor.family {
            Family::Mariadb if flavor.number >= (10, 5) => &["BINLOG MONITOR", "SUPER"],
            Family::Mysql | Family::Mariadb => &["REPLICATION CLIENT", "SUPER"],
        };
        needs.push(need(
            any,
            true,
            Grade::Alert,
            "the position in the binary log is unknown: no point-in-time recovery",
        ));
    }
    needs
}

/// What a restore needs: everything, since a backup may hold everything.
fn of_load(flavor: &Flavor, settings: Settings) -> Vec<Need> {
    let mut needs: Vec<Need> = [
        ("SELECT", "rows can't be recounted"),
        ("INSERT", "rows can't be loaded"),
        ("CREATE", "databases and tables can't be made"),
        ("ALTER", "tables can't be changed"),
        ("DROP", "objects can't be replaced"),
        ("INDEX", "indexes can't be made"),
        ("REFERENCES", "foreign keys can't be made"),
        ("CREATE VIEW", "views can't be made"),
        ("SHOW VIEW", "views can't be read"),
        ("CREATE ROUTINE", "routines can't be made"),
        ("ALTER ROUTINE", "routines can't be replaced"),
        ("EXECUTE", "views that call a function can't be made"),
        ("TRIGGER", "triggers can't be made"),
        ("EVENT", "events can't be made"),
    ]
    .into_iter()
    .map(|(name, without)| need(&[name], false, Grade::Error, without))
    .collect();
    let creators = settings.log_bin && !settings.trusts_creators;
    if creators {
        let without = "functions and triggers can't be made while the binary log is on and log_bin_trust_function_creators is off";
        needs.push(need(&["SUPER"], true, Grade::Alert, without));
    }
    let definers: &[&[&'static str]] = match flavor.family {
        Family::Mariadb if flavor.number >= (11, 0) => &[&["SET USER"]],
        Family::Mariadb if flavor.number >= (10, 5) => &[&["SET USER", "SUPER"]],
        Family::Mysql if flavor.number >= (8, 2) => {
            &[&["SET_ANY_DEFINER"], &["ALLOW_NONEXISTENT_DEFINER"], &["SYSTEM_USER"]]
        }
        Family::Mysql if flavor.number >= (8, 0) => &[&["SET_USER_ID", "SUPER"], &["SYSTEM_USER"]],
        Family::Mysql | Family::Mariadb => &[&["SUPER"]],
    };
    // What SUPER covers needs no line of its own where SUPER has one.
    for any in definers.iter().filter(|any| !(creators && any.contains(&"SUPER"))) {
        needs.push(need(
            any,
            true,
            Grade::Alert,
            "views and routines with another definer can't be made",
        ));
    }
    needs
}

/// The databases the job names without a glob; `None` where it takes what it finds.
fn named(spec: &MysqlSpec) -> Option<Vec<String>> {
    let names: Option<Vec<String>> = spec.databases.iter().map(|g| g.literal()).collect();
    names.filter(|names| !names.is_empty())
}

/// Every privilege that is missing, with the statement that grants it; one line of praise if none
/// is.
pub fn examine(
    spec: &MysqlSpec,
    flavor: &Flavor,
    held: &Privileges,
    settings: Settings,
    purpose: Purpose,
    visible: &[String],
) -> Vec<Finding> {
    let mut found = Vec::new();
    if purpose.readers > 0 {
        let scopes: Vec<Scope> = match named(spec) {
            Some(names) => names.into_iter().map(Scope::Database).collect(),
            None => vec![Scope::Global],
        };
        for need in of_dump(flavor, purpose, settings) {
            let global = [Scope::Global];
            found.extend(missing(
                held,
                &need,
                if need.everywhere { &global } else { &scopes },
                visible,
            ));
        }
        found.extend(routines(flavor, held, &scopes));
        found.extend(accounts(spec, held, &scopes));
        found.extend(unseen(held, &scopes, visible));
    }
    if purpose.load {
        let loads = of_load(flavor, settings);
        // What a drill restores is the backup's to say, so it is asked of the whole server.
        found.extend(loads.iter().flat_map(|need| missing(held, need, &[Scope::Global], &[])));
    }
    if found.is_empty() {
        let what = match (purpose.readers > 0, purpose.load) {
            (true, true) => "dump and restore",
            (false, true) => "restore",
            (_, false) => "dump",
        };
        found.push(Finding::ok("privileges", format!("{} may {what}", held.account())));
    }
    found
}

/// Every privilege that a restore of these members needs and that is missing. What keeps rows away
/// is an error; without the others something is refused, and listed at the end.
pub fn of_restore(
    flavor: &Flavor,
    held: &Privileges,
    settings: Settings,
    loading: &Loading,
) -> Vec<Finding> {
    let members = &loading.members;
    let name = |unit: &str| loading.rename.clone().unwrap_or_else(|| unit.to_owned());
    let mut units: Vec<String> =
        members.iter().filter(|m| !m.unit.is_empty()).map(|m| name(&m.unit)).collect();
    units.sort_unstable();
    units.dedup();
    let scopes: Vec<Scope> = units.into_iter().map(Scope::Database).collect();
    let tables: Vec<Scope> = members
        .iter()
        .filter(|m| m.kind == Kind::Table)
        .map(|m| Scope::Table(name(&m.unit), m.name.clone()))
        .collect();
    let mut found = Vec::new();
    for need in of_load(flavor, settings).into_iter().filter(|need| is_needed(need, loading)) {
        // Who may do it in every table of the choice needs no right in the database.
        if !tables.is_empty() && tables.iter().all(|table| held.has(&need.any, table)) {
            continue;
        }
        let grave = matches!(need.any[0], "SELECT" | "INSERT" | "CREATE");
        let grade = if grave { Grade::Error } else { Grade::Alert };
        let need = Need { grade, ..need };
        let global = [Scope::Global];
        found.extend(missing(held, &need, if need.everywhere { &global } else { &scopes }, &[]));
    }
    found
}

/// Whether a restore of these members needs a privilege of [`of_load`].
fn is_needed(need: &Need, loading: &Loading) -> bool {
    let any = |kinds: &[Kind]| loading.members.iter().any(|m| kinds.contains(&m.kind));
    let routines = [Kind::Function, Kind::Procedure, Kind::Package, Kind::PackageBody];
    match need.any[0] {
        "CREATE VIEW" | "SHOW VIEW" => any(&[Kind::View]),
        "CREATE ROUTINE" | "ALTER ROUTINE" => any(&routines),
        "EXECUTE" => any(&routines) && any(&[Kind::View, Kind::Trigger, Kind::Event]),
        "TRIGGER" => any(&[Kind::Trigger]),
        "EVENT" => any(&[Kind::Event]),
        "DROP" => loading.overwrite,
        "SELECT" | "INSERT" => any(&[Kind::Rows]),
        "ALTER" | "INDEX" | "REFERENCES" | "CREATE" => any(&[Kind::Table]),
        _ => {
            !loading.terms.current_definer
                && (any(&routines) || any(&[Kind::View, Kind::Trigger, Kind::Event]))
        }
    }
}

/// A missing privilege. One that is held in every database that is seen is enough where the job
/// takes what it finds.
fn missing(
    held: &Privileges,
    need: &Need,
    scopes: &[Scope],
    visible: &[String],
) -> Option<Finding> {
    let lacking: Vec<&Scope> = scopes.iter().filter(|scope| !held.has(&need.any, scope)).collect();
    if lacking.is_empty() {
        return None;
    }
    let seen = !need.everywhere
        && !visible.is_empty()
        && visible.iter().all(|name| held.has(&need.any, &Scope::Database(name.clone())));
    if seen {
        return None;
    }
    let name = need.any[0];
    let found = format!("{} lacks {name}: {}", held.account(), need.without);
    let statements: Vec<String> = lacking.iter().map(|scope| held.statement(name, scope)).collect();
    Some(Finding {
        grade: need.grade,
        advice: Some(statements.join(" ")),
        ..Finding::ok("privileges", found)
    })
}

/// Users and roles are read from the server's own database.
fn accounts(spec: &MysqlSpec, held: &Privileges, scopes: &[Scope]) -> Option<Finding> {
    let own = Scope::Database("mysql".into());
    if !spec.accounts
        || held.has(&["SELECT"], &own)
        || scopes == [Scope::Global] && !held.has(&["SELECT"], &Scope::Global)
    {
        return None;
    }
    let found = format!("{} lacks SELECT on mysql.*: `accounts` can't be read", held.account());
    Some(Finding::error("privileges", found, held.statement("SELECT", &own)))
}

/// A user sees only the databases it may read: where the job takes what it finds, the others are
/// missing in silence.
fn unseen(held: &Privileges, scopes: &[Scope], visible: &[String]) -> Option<Finding> {
    if scopes != [Scope::Global]
        || visible.is_empty()
        || held.has(&["SELECT", "SHOW DATABASES"], &Scope::Global)
    {
        return None;
    }
    let found = format!(
        "{} sees only databases it may read: others that match are not dumped",
        held.account()
    );
    Some(Finding::alert("privileges", found, held.statement("SELECT", &Scope::Global)))
}

/// Whether routines of a database are listed at all. Where a listed one does not show its text, the
/// dump fails and says so.
pub fn sees_routines(held: &Privileges, unit: &str) -> bool {
    let proc = Scope::Table("mysql".into(), "proc".into());
    let here = ["EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE", "SHOW CREATE ROUTINE"];
    held.has(&["SELECT", "SHOW_ROUTINE"], &Scope::Global)
        || held.has(&["SELECT"], &proc)
        || held.has(&here, &Scope::Database(unit.to_owned()))
}

/// The right to see routines has another name in every version.
fn routines(flavor: &Flavor, held: &Privileges, scopes: &[Scope]) -> Option<Finding> {
    // With SELECT everywhere every server shows them; and where that is what is asked for, asking
    // once is enough.
    if held.has(&["SELECT"], &Scope::Global) || scopes == [Scope::Global] {
        return None;
    }
    let proc = Scope::Table("mysql".into(), "proc".into());
    let (name, scope) = match flavor.family {
        Family::Mysql if flavor.number >= (8, 0) => ("SHOW_ROUTINE", Scope::Global),
        Family::Mysql | Family::Mariadb => ("SELECT", proc),
    };
    let newer = flavor.family == Family::Mariadb
        && scopes.iter().all(|s| held.has(&["SHOW CREATE ROUTINE"], s));
    if newer || held.has(&[name], &scope) {
        return None;
    }
    let found =
        format!("{} lacks {name} to see routines: they are missing from the dump", held.account());
    Some(Finding::error("privileges", found, held.statement(name, &scope)))
}
