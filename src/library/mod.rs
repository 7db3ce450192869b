//! The library: back a database up into one file, and bring it back, by three operations.
//!
//! Knows no job file and no site file. Invariants: a file that exists is never written over; a file
//! appears only once it was read back and every row was counted; nothing is written into the
//! database before all of the file was read.

mod database;
mod heard;
mod job;
mod plain;
mod rebuilt;
mod work;

use std::path::Path;

use crate::base::Secret;
use crate::lang::Lang;
use crate::record::Verdict;

use crate::library::database::{Database, Host};
use crate::library::work::{backed_up, restored};

pub use crate::library::database::Driver;

/// Backs one database up into a file, and brings it back.
///
/// A file whose name ends in `.sql` is one plain file of SQL, which the client program of the
/// database takes too; any other is a `.zip` as `vex run` makes it. Both are relative to the current
/// directory. A restore replaces the objects that the file holds, after all of it was read; a `.sql`
/// is taken back only if this library wrote it, and only for what its head says it holds.
///
/// The operations answer in Portuguese, in English where `VEX_LANG` is `en`.
///
/// ```no_run
/// use vex::{BackupRestorer, Driver};
///
/// let senha = std::env::var("DB_PASSWORD").expect("DB_PASSWORD is set");
/// let mut loja = BackupRestorer::new(Driver::Mysql, "db1.internal:3306", "vex", &senha, "loja");
/// match loja.create_backup("loja.sql") {
///     Ok(message) => println!("{message}"), // Backup do banco de dados criado com sucesso!
///     Err(message) => eprintln!("{message}"),
/// }
/// if loja.restore_backup("loja.sql").is_ok() {
///     assert_eq!(loja.get_status(), "Sucesso");
/// }
/// ```
#[derive(Debug)]
pub struct BackupRestorer {
    database: Database,
    status: String,
}

impl BackupRestorer {
    /// Of a database: its server (`host`, `host:port`, or the path of a socket), the user, the
    /// password, and the name. Nothing is contacted yet.
    pub fn new(
        driver: Driver,
        host: &str,
        user: &str,
        password: &str,
        name: &str,
    ) -> BackupRestorer {
        let password = Some(password).filter(|text| !text.is_empty());
        BackupRestorer {
            database: Database {
                driver,
                host: Host::parse(host),
                user: user.to_owned(),
                password: password.map(|text| Secret::new(text.to_owned())),
                name: name.to_owned(),
            },
            status: String::new(),
        }
    }

    /// Writes a backup into a file, which must not exist yet, and says how that ended.
    ///
    /// A backup that was written and proven, but is not all that it should be, is `Ok`, and the
    /// status says what is to be looked at.
    pub fn create_backup(&mut self, file: impl AsRef<Path>) -> Result<String, String> {
        let done = backed_up(&self.database, file.as_ref());
        self.ended(done, "library-created", "library-not-created")
    }

    /// Brings a backup back from a file, and says how that ended.
    pub fn restore_backup(&mut self, file: impl AsRef<Path>) -> Result<String, String> {
        let done = restored(&self.database, file.as_ref());
        self.ended(done, "library-restored", "library-not-restored")
    }

    /// How the last operation ended: `Sucesso`, or what went wrong; empty before the first one.
    pub fn get_status(&self) -> &str {
        &self.status
    }

    fn ended(
        &mut self,
        done: Result<Vec<String>, String>,
        good: &str,
        bad: &str,
    ) -> Result<String, String> {
        let lang = Lang::named(std::env::var("VEX_LANG").ok().as_deref());
        match done {
            Ok(alerts) => {
                self.status = match alerts.is_empty() {
                    true => Verdict::Success.word().to_owned(),
                    false => format!("{}: {}", Verdict::Alert.word(), alerts.join("; ")),
                };
                Ok(lang.say(good, &[]))
            }
            Err(why) => {
                let message = lang.say(bad, &[("status", &why)]);
                self.status = why;
                Err(message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_shown() {
        let own = BackupRestorer::new(Driver::Mysql, "db1", "vex", "CANARY-1", "loja");
        assert!(!format!("{own:?}").contains("CANARY"));
        assert_eq!(own.get_status(), "");
    }
}
