//! `schema/catalog/NNN.sql`, applied in order, each in a transaction of its own; `user_version`
//! counts them.

use crate::catalog::open::{Catalog, CatalogError};

/// Every step of the schema, oldest first; none is ever edited.
const STEPS: [&str; 3] = [
    include_str!("../../schema/catalog/001.sql"),
    include_str!("../../schema/catalog/002.sql"),
    include_str!("../../schema/catalog/003.sql"),
];

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
        if (1..known).contains(&found) {
            self.keep_beside(found)?;
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

    /// Keeps the catalog as it is beside itself, before its tables change: `catalog.sqlite.v2`.
    fn keep_beside(&self, version: i64) -> Result<(), CatalogError> {
        let mut copy = self.path.clone().into_os_string();
        copy.push(format!(".v{version}"));
        let copy = std::path::PathBuf::from(copy);
        if copy.exists() {
            return Ok(()); // Another process was faster, or a migration was cut short.
        }
        let sql = "VACUUM INTO ?1";
        let path = copy.to_string_lossy();
        self.connection.execute(sql, [path.as_ref()]).map_err(self.fail("keep a copy of"))?;
        Ok(())
    }
}
