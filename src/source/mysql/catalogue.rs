//! The catalogues of a server, and what becomes of what each holds: dumped, the server's own, or
//! named, since it belongs to the server and to none of its databases.
//!
//! Invariant: a catalogue that nobody decided on and that holds something is named, and the dump is
//! an Alerta; a test asks every server for its list.

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::source::contract::{ErrorKind, Result};
use crate::source::mysql::fault::{kind, wrap};
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::unreadable::{list, reason};

/// Catalogues whose contents are dumped: by definitions, rows or accounts. Some show the same again.
const DUMPED: &str = "ADMINISTRABLE_ROLE_AUTHORIZATIONS APPLICABLE_ROLES CHECK_CONSTRAINTS COLUMNS COLUMNS_EXTENSIONS \
    COLUMN_PRIVILEGES COLUMNS_PRIV DB DEFAULT_ROLES ENABLED_ROLES EVENT EVENTS FILES GEOMETRY_COLUMNS GLOBAL_GRANTS \
    GLOBAL_PRIV HOST INNODB_DATAFILES INNODB_FIELDS INNODB_FOREIGN INNODB_FOREIGN_COLS INNODB_TABLESPACES_BRIEF \
    JSON_DUALITY_VIEWS JSON_DUALITY_VIEW_COLUMNS JSON_DUALITY_VIEW_LINKS JSON_DUALITY_VIEW_TABLES KEY_COLUMN_USAGE \
    KEY_PERIOD_USAGE LIBRARIES PARAMETERS PARTITIONS PASSWORD_HISTORY PERIODS PROC PROCS_PRIV PROXIES_PRIV \
    REFERENTIAL_CONSTRAINTS ROLES_MAPPING ROLE_COLUMN_GRANTS ROLE_EDGES ROLE_ROUTINE_GRANTS ROLE_TABLE_GRANTS ROUTINES \
    ROUTINE_LIBRARIES SCHEMATA SCHEMATA_EXTENSIONS SCHEMA_PRIVILEGES SEQUENCES STATISTICS ST_GEOMETRY_COLUMNS TABLES \
    TABLESPACES TABLESPACES_EXTENSIONS TABLES_EXTENSIONS TABLES_PRIV TABLE_CONSTRAINTS TABLE_CONSTRAINTS_EXTENSIONS \
    TABLE_PRIVILEGES TRIGGERS USER USERS USER_ATTRIBUTES USER_PRIVILEGES VIEWS VIEW_ROUTINE_USAGE VIEW_TABLE_USAGE";

/// Catalogues of a server's own state, logs and words: every server has its own.
const OWN: &str = "CHARACTER_SETS CLIENT_STATISTICS COLLATIONS COLLATION_CHARACTER_SET_APPLICABILITY ENGINES ENGINE_COST \
    GENERAL_LOG GLOBAL_STATUS GLOBAL_VARIABLES GTID_EXECUTED GTID_SLAVE_POS HELP_CATEGORY HELP_KEYWORD HELP_RELATION \
    HELP_TOPIC INDEX_STATISTICS INNODB_INDEX_STATS INNODB_TABLE_STATS KEYWORDS KEY_CACHES NDB_BINLOG_INDEX \
    OPTIMIZER_COSTS OPTIMIZER_TRACE PROCESSLIST PROFILING REPLICATION_ASYNCHRONOUS_CONNECTION_FAILOVER \
    REPLICATION_ASYNCHRONOUS_CONNECTION_FAILOVER_MANAGED REPLICATION_GROUP_CONFIGURATION_VERSION \
    REPLICATION_GROUP_MEMBER_ACTIONS SERVER_COST SESSION_STATUS SESSION_VARIABLES SLAVE_MASTER_INFO \
    SLAVE_RELAY_LOG_INFO SLAVE_STATUS SLAVE_WORKER_INFO SLOW_LOG SQL_FUNCTIONS ST_UNITS_OF_MEASURE SYSTEM_VARIABLES \
    TABLE_STATISTICS TIME_ZONE TIME_ZONE_LEAP_SECOND TIME_ZONE_NAME TIME_ZONE_TRANSITION TIME_ZONE_TRANSITION_TYPE \
    USER_STATISTICS";

/// What services and engines keep in the server's own database begins so.
const OF_OTHERS: [&str; 8] =
    ["RDS_", "AURORA_", "NDB_", "SPIDER_", "WSREP_", "FIREWALL_", "AUDIT_LOG_", "COLUMNSTORE_"];

/// Things of the server that are named.
struct Told {
    /// The catalogue they stand in.
    catalogue: &'static str,
    /// What they are.
    what: &'static str,
    /// The names.
    sql: &'static str,
    /// Whether what is dumped may need them.
    needed: bool,
}

const fn told(
    catalogue: &'static str,
    what: &'static str,
    sql: &'static str,
    needed: bool,
) -> Told {
    Told { catalogue, what, sql, needed }
}

const TOLD: [Told; 13] = [
    told(
        "SERVERS",
        "servers of other tables (CREATE SERVER)",
        "SELECT Server_name FROM mysql.servers",
        true,
    ),
    told("FUNC", "loadable functions", "SELECT name FROM mysql.func", true),
    told("PLUGIN", "plugins", "SELECT name FROM mysql.plugin", false),
    told("PLUGINS", "plugins", "SELECT name FROM mysql.plugin", false),
    told("ALL_PLUGINS", "plugins", "SELECT name FROM mysql.plugin", false),
    told(
        "INNODB_TABLESPACES",
        "general tablespaces",
        "SELECT NAME FROM information_schema.INNODB_TABLESPACES WHERE SPACE_TYPE='General' AND NAME<>'mysql'",
        true,
    ),
    told(
        "ST_SPATIAL_REFERENCE_SYSTEMS",
        "spatial reference systems",
        "SELECT CONCAT(SRS_ID, ' ', SRS_NAME) FROM information_schema.ST_SPATIAL_REFERENCE_SYSTEMS WHERE SRS_ID<>0 AND \
         COALESCE(ORGANIZATION, '')<>'EPSG'",
        true,
    ),
    told(
        "TRANSACTION_REGISTRY",
        "the registry of transactions, by which tables are versioned",
        "SELECT 'mysql.transaction_registry' FROM mysql.transaction_registry LIMIT 1",
        true,
    ),
    told("COMPONENT", "components", "SELECT component_urn FROM mysql.component", false),
    told(
        "RESOURCE_GROUPS",
        "resource groups",
        "SELECT RESOURCE_GROUP_NAME FROM information_schema.RESOURCE_GROUPS WHERE RESOURCE_GROUP_NAME NOT IN \
         ('USR_default', 'SYS_default')",
        false,
    ),
    told(
        "COLUMN_STATISTICS",
        "histograms, which ANALYZE TABLE makes again",
        "SELECT CONCAT(SCHEMA_NAME, '.', TABLE_NAME, '.', COLUMN_NAME) FROM information_schema.COLUMN_STATISTICS",
        false,
    ),
    told(
        "TABLE_STATS",
        "statistics, which ANALYZE TABLE makes again",
        "SELECT CONCAT(db_name, '.', table_name) FROM mysql.table_stats",
        false,
    ),
    told(
        "COLUMN_STATS INDEX_STATS",
        "statistics, which ANALYZE TABLE makes again",
        "SELECT DISTINCT CONCAT(db_name, '.', table_name) FROM mysql.column_stats",
        false,
    ),
];

/// What belongs to a server and to none of its databases.
#[derive(Debug, Default)]
pub struct ServerObjects {
    /// What is not included, and need not be.
    pub not_included: Vec<String>,
    /// What is not included and what is dumped may need.
    pub lost: Vec<String>,
}

/// Whether somebody decided what becomes of a catalogue.
pub fn is_decided(name: &str) -> bool {
    let name = name.to_uppercase();
    let among = |list: &str| list.split_whitespace().any(|word| word == name);
    among(DUMPED)
        || among(OWN)
        || TOLD.iter().any(|told| among(told.catalogue))
        || OF_OTHERS.iter().any(|begin| name.starts_with(begin))
}

/// Names what belongs to the server. `connection` holds no lock.
pub fn server_objects(connection: &mut Conn, flavor: &Flavor) -> Result<ServerObjects> {
    let mut found = ServerObjects::default();
    let mut denied: Vec<&str> = Vec::new();
    for Told { what, sql, needed, .. } in &TOLD {
        let names: Vec<String> = match connection.query(*sql) {
            Ok(names) => names,
            Err(error) if kind(&error) == ErrorKind::Denied => {
                denied.push(what);
                continue;
            }
            Err(error) if is_absent(&error) => continue,
            Err(error) => {
                let why = reason(&error);
                let Some(why) = why else { return Err(wrap(&format!("list the {what}"), error)) };
                found.lost.push(format!("{what}: the server can't list them: {why}"));
                continue;
            }
        };
        let line = format!("{what}: {}", list(&names));
        let lines = if *needed { &mut found.lost } else { &mut found.not_included };
        if !names.is_empty() && !lines.contains(&line) {
            lines.push(line);
        }
    }
    denied.dedup();
    if !denied.is_empty() {
        let line = format!("{}, if there are any: the user may not look", denied.join(", "));
        found.not_included.push(line);
    }
    if flavor.family == Family::Mysql && flavor.number < (8, 0) {
        found.not_included.push("general tablespaces, if there are any".to_owned());
    }
    found.lost.extend(undecided(connection)?);
    Ok(found)
}

/// Whether a server does not have what was asked for.
fn is_absent(error: &mysql::Error) -> bool {
    matches!(error, mysql::Error::MySqlError(e) if matches!(e.code, 1054 | 1109 | 1146 | 3554))
}

/// Catalogues that nobody decided on and that hold something; those of plugins show what a server
/// does.
fn undecided(connection: &mut Conn) -> Result<Vec<String>> {
    let doing = "list the catalogues";
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ('information_schema', 'mysql') \
               AND UPPER(TABLE_NAME) NOT IN (SELECT UPPER(PLUGIN_NAME) FROM information_schema.PLUGINS WHERE \
               PLUGIN_TYPE='INFORMATION SCHEMA') ORDER BY 1, 2";
    let all: Vec<(String, String)> = connection.query(sql).map_err(|e| wrap(doing, e))?;
    let mut found = Vec::new();
    for (schema, name) in all.into_iter().filter(|(_, name)| !is_decided(name)) {
        let sql = format!("SELECT 1 FROM `{schema}`.`{}` LIMIT 1", name.replace('`', "``"));
        // One that can't be read may hold anything.
        if !connection.query::<u64, _>(sql).is_ok_and(|rows| rows.is_empty()) {
            let line = format!("what {schema}.{name} holds: this vex does not know what it is");
            found.push(line);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_is_decided_on_whatever_its_case() {
        for name in ["tables", "FUNC", "func", "index_stats", "Routines", "rds_history", "slow_log"]
        {
            assert!(is_decided(name), "{name}");
        }
        for name in ["modules", "table", "my_own_backup", "stats"] {
            assert!(!is_decided(name), "{name}");
        }
    }
}
