//! Restore drills and the remarks on them: rows are only added.

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::pages::{Drill, Remark};
use crate::catalog::sql::{Upsert, values};

impl Catalog {
    /// Notes a drill of a run; one that is told again changes nothing.
    pub fn drill(&mut self, run: &str, d: &Drill) -> Result<(), CatalogError> {
        let sql = self.dialect().upsert(&Upsert {
            table: "drill",
            keys: &["id"],
            first: &[
                "run",
                "at",
                "source",
                "backup",
                "store",
                "target",
                "verdict",
                "table_count",
                "row_count",
                "rto_s",
                "who",
                "message",
            ],
            always: &[],
        });
        let (tables, rows) = (d.tables.unwrap_or_default(), d.rows.unwrap_or_default());
        self.write(
            &sql,
            values![
                &d.id, run, &d.at, &d.source, &d.backup, &d.store, &d.target, d.verdict, tables,
                rows, d.rto, &d.who, &d.message,
            ],
        )
    }

    /// Adds a remark. It has no repeat: it is written once, by a person.
    pub fn remark(&mut self, r: &Remark) -> Result<(), CatalogError> {
        let sql = "INSERT INTO remark (at, who, kind, drill, source, body, owner, open) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        let open = i64::from(r.open);
        self.write(
            sql,
            values![&r.at, &r.who, &r.kind, &r.drill, &r.source, &r.body, &r.owner, open],
        )
    }
}
