//! What a catalog knows of itself, by name.

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::sql::{Upsert, values};

/// Under which name the proof is that was noted last.
pub(super) const LAST_PROOF: &str = "proof";

impl Catalog {
    /// Notes something under `name`.
    pub(super) fn set_meta(&mut self, name: &str, text: &str) -> Result<(), CatalogError> {
        let row = Upsert { table: "meta", keys: &["name"], first: &[], always: &["value_text"] };
        let sql = self.dialect().upsert(&row);
        self.write(&sql, values![name, text])
    }
}
