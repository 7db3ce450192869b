//! MySQL or MariaDB, and all that differs between them for a dump.
//!
//! Statements are chosen by family here, and by trying where versions differ (`SHOW BINARY LOG
//! STATUS` and its elder): version strings lie.

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::source::contract::Result;
use crate::source::mysql::fault::wrap;

/// The two families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// MySQL and its close relatives.
    Mysql,
    /// MariaDB.
    Mariadb,
}

impl Family {
    /// The family of a server by the version it names.
    pub fn named(version: &str) -> Family {
        if version.to_lowercase().contains("mariadb") { Family::Mariadb } else { Family::Mysql }
    }
}

/// Major and minor number of a server by the version it names.
pub fn numbers(version: &str) -> (u32, u32) {
    // Replication once needed MariaDB to call itself 5.5.5-10.x.
    let numbers = version.strip_prefix("5.5.5-").unwrap_or(version);
    let digits = numbers.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut parts = digits.split(['.', '-']).map(|p| p.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Which server it is.
#[derive(Debug, Clone)]
pub struct Flavor {
    /// Its family.
    pub family: Family,
    /// As it names itself.
    pub version: String,
    /// Major and minor number.
    pub number: (u32, u32),
}

impl Flavor {
    /// Asks the server.
    pub fn of(connection: &mut Conn) -> Result<Flavor> {
        let fail = |e| wrap("ask the server for its version", e);
        let version: String =
            connection.query_first("SELECT VERSION()").map_err(fail)?.unwrap_or_default();
        let comment: String =
            connection.query_first("SELECT @@version_comment").map_err(fail)?.unwrap_or_default();
        let family = Family::named(&format!("{version} {comment}"));
        let number = numbers(&version);
        Ok(Flavor { family, version, number })
    }

    /// Whether a server that calls itself so is of the same family and major version.
    pub fn is_like(&self, version: &str) -> bool {
        Family::named(version) == self.family && numbers(version) == self.number
    }

    /// Whether the server has BACKUP STAGE.
    pub fn has_backup_stage(&self) -> bool {
        self.family == Family::Mariadb && self.number >= (10, 4)
    }

    /// The locks a snapshot takes, in words.
    pub fn locks(&self) -> Vec<String> {
        let global = match self.has_backup_stage() {
            true => "BACKUP STAGE BLOCK_COMMIT",
            false => "FLUSH TABLES WITH READ LOCK",
        };
        vec![
            format!(
                "{global} for some milliseconds, while all connections take one snapshot; given up and tried again after `lock-wait`"
            ),
            "a metadata lock on every table until it was read, small tables first: reads and writes go on; ALTER, DROP and \
             TRUNCATE wait, at most `ddl-wait`"
                .into(),
        ]
    }

    /// What an EXPLAIN that returns a table of estimates begins with.
    pub fn explain(&self) -> &'static str {
        match self.family {
            Family::Mysql => "EXPLAIN FORMAT=TRADITIONAL ",
            Family::Mariadb => "EXPLAIN ",
        }
    }
}
