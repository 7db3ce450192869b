//! The log of a run, as lines, so that a page on another host can show it.

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::pages::LogLine;
use crate::catalog::sql::{Upsert, values};

impl Catalog {
    /// Notes a line of a run's log; one that is there stays as it is.
    pub fn log_line(&mut self, run: &str, line: &LogLine) -> Result<(), CatalogError> {
        let row = Upsert {
            table: "run_log",
            keys: &["run", "number"],
            first: &["at", "level", "step", "line"],
            always: &[],
        };
        let sql = self.dialect().upsert(&row);
        let LogLine { number, at, level, step, text } = line;
        self.write(&sql, values![run, *number, at, *level, *step, text])
    }
}
