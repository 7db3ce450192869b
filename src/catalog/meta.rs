//! What a catalog knows of itself, by name.

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::sql::{Upsert, values};

impl Catalog {
    /// What is noted under `name`.
    pub(super) fn meta(&mut self, name: &str) -> Result<Option<String>, CatalogError> {
        let rows = self.query("SELECT value_text FROM meta WHERE name=?", values![name])?;
        Ok(rows.first().map(|row| row.text(0).to_owned()))
    }

    /// Notes something under `name`.
    pub(super) fn set_meta(&mut self, name: &str, text: &str) -> Result<(), CatalogError> {
        let row = Upsert { table: "meta", keys: &["name"], first: &[], always: &["value_text"] };
        let sql = self.dialect().upsert(&row);
        self.write(&sql, values![name, text])
    }
}
