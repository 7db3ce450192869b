//! Leases: a row for each job that hosts share; who holds it is the one that runs.
//!
//! The clock is the database's, never a host's. A lease ends by itself when its holder is gone; the
//! token counts its holders, so that one who lost it and comes back finds another number. A holder
//! that can't reach the catalog does not know whether it still holds: its own clock tells it when
//! the lease must have ended.

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::sql::{Upsert, values};

/// How long a lease lasts that nobody keeps.
pub const LEASE_SECONDS: i64 = 90;

/// Before all others.
const PAST: &str = "1970-01-01T00:00:00.000000Z";

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// We do, as this number of its holders.
    Ours(i64),
    /// Somebody else, until then.
    Other {
        /// Who.
        holder: String,
        /// Which process, as it calls itself.
        process: String,
        /// As which number of its holders.
        token: i64,
        /// Until when, by the clock of the catalog.
        expires: String,
    },
}

impl Catalog {
    /// Takes the lease of a job, unless somebody holds it; `process` is how the holder calls its
    /// process.
    pub fn lease_take(
        &mut self,
        job: &str,
        holder: &str,
        process: &str,
    ) -> Result<Taken, CatalogError> {
        let dialect = self.dialect();
        let row = Upsert {
            table: "lease",
            keys: &["job"],
            first: &["holder", "process", "token", "expires"],
            always: &[],
        };
        self.write(&dialect.upsert(&row), values![job, "", "", 0, PAST])?;
        let take = format!(
            "UPDATE lease SET holder=?, process=?, token=token+1, expires={} WHERE job=? AND expires < {}",
            dialect.moment(LEASE_SECONDS),
            dialect.moment(0)
        );
        let won = self.execute(&take, values![holder, process, job])? > 0;
        let sql = "SELECT holder, token, expires, process FROM lease WHERE job=?";
        let rows = self.query(sql, values![job])?;
        let found = rows.first();
        let text = |column| found.map(|row| row.text(column).to_owned()).unwrap_or_default();
        match found {
            Some(row) if won && row.text(0) == holder => Ok(Taken::Ours(row.int(1))),
            _ => {
                let token = found.map_or(0, |row| row.int(1));
                Ok(Taken::Other { holder: text(0), process: text(3), token, expires: text(2) })
            }
        }
    }

    /// Keeps a lease; says whether it is still held.
    pub fn lease_keep(
        &mut self,
        job: &str,
        holder: &str,
        token: i64,
    ) -> Result<bool, CatalogError> {
        let until = self.dialect().moment(LEASE_SECONDS);
        let sql = format!("UPDATE lease SET expires={until} WHERE job=? AND holder=? AND token=?");
        self.execute(&sql, values![job, holder, token]).map(|rows| rows > 0)
    }

    /// Lets a lease go; one that others hold by now is left alone.
    pub fn lease_free(&mut self, job: &str, holder: &str, token: i64) -> Result<(), CatalogError> {
        let sql = "UPDATE lease SET expires=? WHERE job=? AND holder=? AND token=?";
        self.write(sql, values![PAST, job, holder, token])
    }

    /// Who held the lease of a job last, and until when.
    pub fn lease_of(&mut self, job: &str) -> Result<Option<(String, String)>, CatalogError> {
        let rows = self.query("SELECT holder, expires FROM lease WHERE job=?", values![job])?;
        Ok(rows.first().map(|row| (row.text(0).to_owned(), row.text(1).to_owned())))
    }
}
