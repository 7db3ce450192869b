//! `schema/catalog/NNN.sql`, applied in order, each in a transaction of its own; `user_version`
//! counts them.

use crate::catalog::open::{Catalog, CatalogError};

/// Every step of the schema, oldest first; none is ever edited.
const STEPS: [&str; 2] =
    [include_str!("../../schema/catalog/001.sql"), include_str!("../../schema/catalog/002.sql")];

impl Catalog {
    /// Brings the tables up to date.
    pub(super) fn migrate(&mut self) -> Result<(), CatalogError> {
        let known = STEPS.len() as i64;
        let read = self.fail("read");
        let found: i64 =
            self.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(read)?;
        if found > known {
            return Err(CatalogError::Newer { path: self.path.clone(), found, known });
        }
        for (index, sql) in STEPS.iter().enumerate().skip(found.max(0) as usize) {
            let fail = self.fail("migrate");
            let transaction = self
                .connection
                .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
                .map_err(&fail)?;
            // Another process may have been faster while this one waited for the lock.
            let now: i64 = transaction
                .query_row("PRAGMA user_version", [], |row| row.get(0))
                .map_err(&fail)?;
            if now > index as i64 {
                continue;
            }
            transaction.execute_batch(sql).map_err(&fail)?;
            transaction.pragma_update(None, "user_version", index as i64 + 1).map_err(&fail)?;
            transaction.commit().map_err(&fail)?;
        }
        Ok(())
    }
}
